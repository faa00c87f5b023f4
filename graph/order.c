/* order.c: the order of dependence: what an object names comes before it. */
#include "graph/graph.h"

#include <errno.h>
#include <stdlib.h>

enum mark { UNSEEN, ENTERED, DONE };

struct order {
    const struct recap_graph *graph;
    unsigned char *marks; /* by object id */
    uint64_t *stack;      /* objects being entered: the depth comes from outside, so no recursion */
    size_t depth;
    size_t capacity;
    bool circle;
};

static int push(struct order *order, uint64_t id)
{
    if (order->depth == order->capacity) {
        size_t capacity = order->capacity ? order->capacity * 2 : 64;
        uint64_t *stack = capacity > SIZE_MAX / sizeof *stack
                              ? NULL
                              : realloc(order->stack, capacity * sizeof *stack);
        if (!stack)
            return -ENOMEM;
        order->stack = stack;
        order->capacity = capacity;
    }
    order->stack[order->depth++] = id;
    return 0;
}

static int push_named(void *context, uint64_t id, bool tie)
{
    struct order *order = context;
    if (tie || !recap_graph_object(order->graph, id) || order->marks[id] == DONE)
        return 0;
    if (order->marks[id] == ENTERED) {
        order->circle = true;
        return -EINVAL;
    }
    return push(order, id);
}

static int follow(struct order *order, uint64_t from, int (*visit)(void *context, uint64_t id),
                  void *context)
{
    int result = push(order, from);
    while (result == 0 && order->depth) {
        uint64_t id = order->stack[order->depth - 1];
        if (order->marks[id] == UNSEEN) {
            order->marks[id] = ENTERED;
            result = recap_value_objects(order->graph->objects[id - 1].state, push_named, order);
            continue;
        }
        order->depth--;
        if (order->marks[id] == ENTERED) {
            order->marks[id] = DONE;
            result = visit(context, id);
        }
    }
    order->depth = 0;
    return result;
}

int recap_order(const struct recap_graph *graph, int (*visit)(void *context, uint64_t id),
                void *context, struct recap_error *error)
{
    struct order order = {.graph = graph, .marks = calloc(graph->object_count + 1, 1)};
    int result = order.marks ? 0 : -ENOMEM;
    for (uint64_t id = 1; result == 0 && id <= graph->object_count; id++)
        if (order.marks[id] == UNSEEN)
            result = follow(&order, id, visit, context);
    if (order.circle)
        recap_refuse(error, RECAP_DAMAGED, result,
                     "objects of the graph name each other in a circle");
    else if (result == -ENOMEM)
        recap_fail(error, result, "ordering the objects of the graph");
    free(order.marks);
    free(order.stack);
    return result;
}
