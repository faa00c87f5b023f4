/* error.c: filling error objects and collecting refusals. */
#include "graph/graph.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int recap_fail(struct recap_error *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    *e = (struct recap_error){.code = code, .cls = RECAP_FAILED};
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(e->what, sizeof e->what, format, arguments);
    va_end(arguments);
    if (code != -EINVAL && length >= 0 && (size_t)length < sizeof e->what)
        snprintf(e->what + length, sizeof e->what - (size_t)length, ": %s", strerror(-code));
    return code;
}

int recap_refuse(struct recap_error *e, enum recap_class cls, int code, const char *format, ...)
{
    if (!e)
        return code;
    *e = (struct recap_error){.code = code, .cls = cls};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e->what, sizeof e->what, format, arguments);
    va_end(arguments);
    return code;
}

int recap_error_at(struct recap_error *e, uint64_t selector)
{
    if (!e)
        return 0;
    e->has_selector = true;
    e->selector = selector;
    return e->code;
}

int recap_error_object(struct recap_error *e, const char *object)
{
    if (!e)
        return 0;
    snprintf(e->object, sizeof e->object, "%s", object ? object : "");
    return e->code;
}

int recap_error_remedy(struct recap_error *e, const char *format, ...)
{
    if (!e)
        return 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e->remedy, sizeof e->remedy, format, arguments);
    va_end(arguments);
    return e->code;
}

int recap_refusals_add(struct recap_refusals *list, const struct recap_error *e)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        struct recap_error *items = capacity > SIZE_MAX / sizeof *items
                                        ? NULL
                                        : realloc(list->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *e;
    return 0;
}

int recap_refusals_say(struct recap_refusals *list, const char *remedy, const char *format, ...)
{
    struct recap_error e = {.code = -EOPNOTSUPP, .cls = RECAP_UNSUPPORTED};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e.what, sizeof e.what, format, arguments);
    va_end(arguments);
    if (remedy)
        snprintf(e.remedy, sizeof e.remedy, "%s", remedy);
    return recap_refusals_add(list, &e);
}

static bool says(const struct recap_refusals *list, const struct recap_error *e)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct recap_error *item = &list->items[i];
        if (item->has_selector == e->has_selector && item->selector == e->selector &&
            strcmp(item->what, e->what) == 0 && strcmp(item->object, e->object) == 0)
            return true;
    }
    return false;
}

void recap_refusals_keep_common(struct recap_refusals *list, const struct recap_refusals *other)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (says(other, &list->items[i]))
            list->items[kept++] = list->items[i];
    list->count = kept;
}

void recap_refusals_clear(struct recap_refusals *list)
{
    if (!list)
        return;
    free(list->items);
    *list = (struct recap_refusals){0};
}
