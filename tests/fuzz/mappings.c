/* mappings.c: the text of /proc/PID/smaps: what is accepted is a list of mappings that could be. */
#include "kernel/linux/memory/mappings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct linux_mapping *mapping, const char *text, size_t size)
{
    const char *end = text + size;
    if (mapping->start >= mapping->end)
        abort();
    if (mapping->name && (mapping->name < text || mapping->name > end || !*mapping->name))
        abort();
    if (*mapping->flags_text && (mapping->flags_text < text || mapping->flags_text > end ||
                                 linux_mapping_flags(mapping->flags_text) != mapping->flags))
        abort();
    const char *obstacle = linux_mapping_obstacle(mapping);
    if (obstacle && !*obstacle)
        abort();
    linux_mapping_is_kernels(mapping->name ? mapping->name : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    struct linux_mapping *items = NULL;
    size_t count = 0;
    if (linux_mappings_parse(text, &items, &count) == 0)
        for (size_t i = 0; i < count; i++)
            check(&items[i], text, size);
    free(items);
    free(text);
    return 0;
}
