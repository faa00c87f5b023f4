/* graph.c: the capability graph as JSON: what is accepted is written and read back the same. */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recap_graph *graph = NULL, *again = NULL;
    struct recap_error error = {0};
    int result = recap_graph_from_json((const char *)data, size, &graph, &error);
    if (result < 0) {
        if (graph || error.code != result || error.cls != RECAP_DAMAGED || !*error.what)
            abort();
        return 0;
    }
    char *text = NULL, *second = NULL;
    if (recap_graph_to_json(graph, &text, &error) < 0 ||
        recap_graph_from_json(text, strlen(text), &again, &error) < 0 ||
        recap_graph_to_json(again, &second, &error) < 0 || strcmp(text, second) != 0)
        abort();
    for (size_t i = 0; i < graph->object_count; i++)
        if (!recap_value_equal(graph->objects[i].state, again->objects[i].state))
            abort();
    for (size_t i = 0; i < graph->pd_count; i++)
        if (!recap_value_equal(graph->pds[i].attributes, again->pds[i].attributes))
            abort();
    free(text);
    free(second);
    recap_graph_free(graph);
    recap_graph_free(again);
    return 0;
}
