/* ahead.c: what is asked of one object after the other is fetched for many at once.
 *
 * A walk meets objects, a description names further ones, and whoever walks asks about them in this
 * order. What was fetched ahead holds until something is asked that may change it.
 */
#include "kernel/remote/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128 };

static void drop(struct remote_ahead *ahead)
{
    free(ahead->message.data);
    *ahead = (struct remote_ahead){0};
}

static void forget(struct remote_kernel *kernel)
{
    drop(&kernel->descriptions);
    drop(&kernel->labels);
    recap_badge_map_free(kernel->places);
    kernel->places = NULL;
    kernel->met_count = 0;
    kernel->met_moment = kernel->moment;
}

void remote_ahead_clear(struct remote_kernel *kernel)
{
    forget(kernel);
    free(kernel->met);
    kernel->met = NULL;
    kernel->met_capacity = 0;
}

/* Without memory for it, the object is asked about alone. */
void remote_meet(struct remote_kernel *kernel, recap_badge badge)
{
    if (kernel->met_moment != kernel->moment)
        forget(kernel);
    if (!kernel->places && !(kernel->places = recap_badge_map_new()))
        return;
    if (!badge || recap_badge_map_id(kernel->places, badge))
        return;
    if (kernel->met_count == kernel->met_capacity) {
        size_t capacity = kernel->met_capacity ? kernel->met_capacity * 2 : 64;
        recap_badge *larger = reallocarray(kernel->met, capacity, sizeof *larger);
        if (!larger)
            return;
        kernel->met = larger;
        kernel->met_capacity = capacity;
    }
    if (recap_badge_map_add(kernel->places, badge, kernel->met_count + 1) == 0)
        kernel->met[kernel->met_count++] = badge;
}

/* Has the next answer in ahead->in be the one about `badge`. */
static int fetch(struct remote_kernel *kernel, struct remote_ahead *ahead, uint8_t type,
                 recap_badge badge, struct recap_error *error)
{
    remote_meet(kernel, badge);
    size_t place = kernel->places ? (size_t)recap_badge_map_id(kernel->places, badge) : 0;
    if (ahead->message.data && place && ahead->next == place - 1 && ahead->in.at != ahead->in.end)
        return 0;
    drop(ahead);
    size_t count = place ? kernel->met_count - (place - 1) : 1;
    count = count < BATCH ? count : BATCH;
    struct wire_out out = {0};
    wire_put_number(&out, count);
    wire_put_number(&out, badge);
    for (size_t i = 1; i < count; i++)
        wire_put_number(&out, kernel->met[place - 1 + i]);
    struct remote_answer answer;
    int result = remote_ask(kernel, type, &out, -1, &answer, error);
    ahead->message = answer.message;
    ahead->in = answer.in;
    ahead->next = place ? place - 1 : SIZE_MAX;
    return result;
}

static int meet_named(void *context, uint64_t badge, bool tie)
{
    (void)tie;
    remote_meet(context, badge);
    return 0;
}

static int finish(struct remote_kernel *kernel, struct remote_ahead *ahead,
                  const struct recap_arena *arena, int result, struct recap_error *error)
{
    if (ahead->in.failed) {
        drop(ahead);
        if (recap_arena_failed(arena))
            return remote_too_much(kernel, "more objects", error);
        return remote_nonsense(kernel, error);
    }
    ahead->next += ahead->next != SIZE_MAX;
    return result;
}

int remote_describe(struct recap_kernel *base, recap_badge badge, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct remote_ahead *ahead = &kernel->descriptions;
    struct recap_object said = *object;
    struct recap_error why = {0};
    recap_arena_limit(arena, kernel->memory);
    int result = fetch(kernel, ahead, ASK_DESCRIBE, badge, error);
    if (result < 0)
        return result;
    bool described = wire_get_number(&ahead->in) == 1;
    if (described) {
        wire_get_object(&ahead->in, arena, &said);
    } else {
        wire_get_error(&ahead->in, &why);
        const char *kind = wire_get_text(&ahead->in, arena);
        const char *label = wire_get_text(&ahead->in, arena);
        said.kind = kind ? kind : said.kind;
        said.label = label ? label : said.label;
    }
    ahead->in.failed |= described && (!said.kind || !said.state);
    result = finish(kernel, ahead, arena, described ? 0 : why.code, error);
    if (ahead->message.data)
        *object = said;
    if (result == 0)
        recap_value_objects(said.state, meet_named, kernel);
    else if (error && ahead->message.data)
        *error = why;
    return result;
}

int remote_label(struct recap_kernel *base, recap_badge badge, struct recap_arena *arena,
                 const char **label, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct remote_ahead *ahead = &kernel->labels;
    struct recap_error why = {0};
    const char *text = NULL;
    recap_arena_limit(arena, kernel->memory);
    int result = fetch(kernel, ahead, ASK_LABEL, badge, error);
    if (result < 0)
        return result;
    bool labelled = wire_get_number(&ahead->in) == 1;
    if (labelled)
        text = wire_get_text(&ahead->in, arena);
    else
        wire_get_error(&ahead->in, &why);
    result = finish(kernel, ahead, arena, labelled ? 0 : why.code, error);
    if (result == 0)
        *label = text ? text : "";
    else if (error && ahead->message.data)
        *error = why;
    return result;
}
