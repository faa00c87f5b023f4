/* core.c: the notes of a core file: whatever they hold, registers of the graph's threads or damage.
 */
#include "image/core_notes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Notes that were accepted and are written anew are accepted again, with the same registers. */
static void check_again(struct recap_graph *graph, struct recap_pd_image *pd)
{
    struct core_bytes notes = {0};
    struct recap_error error = {0};
    struct recap_thread before[3];
    memcpy(before, pd->threads, sizeof before);
    if (core_notes_put(&notes, pd, &error) < 0 ||
        core_notes_read(notes.data, notes.length, graph, pd, &error) < 0)
        abort();
    for (size_t i = 0; i < pd->thread_count; i++)
        if (pd->threads[i].registers_length != before[i].registers_length ||
            pd->threads[i].extended_length != before[i].extended_length ||
            memcmp(pd->threads[i].registers, before[i].registers, before[i].registers_length) ||
            (before[i].extended_length &&
             memcmp(pd->threads[i].extended, before[i].extended, before[i].extended_length)))
            abort();
    free(notes.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recap_graph *graph = recap_graph_new();
    struct recap_error error = {0};
    struct recap_pd_image *pd = graph ? recap_graph_add_pd(graph) : NULL;
    if (!pd)
        abort();
    pd->id = 1;
    for (uint64_t id = 1; id <= 3; id++)
        recap_graph_add_thread(graph, pd)->id = id;
    int result = core_notes_read(data, size, graph, pd, &error);
    if (result == 0)
        check_again(graph, pd);
    else if (error.code != result || error.cls != RECAP_DAMAGED || !*error.what)
        abort();
    error = (struct recap_error){0};
    result = core_notes_check_tie(data, size, 0, &error);
    if (result < 0 && (error.cls != RECAP_DAMAGED || !*error.what))
        abort();
    recap_graph_free(graph);
    return 0;
}
