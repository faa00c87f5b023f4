/* caps.c: recap caps: lists the capability space of a process. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    uint64_t pid;
    bool json;
};

struct entry {
    recap_selector selector;
    struct recap_cap cap;
    size_t object; /* index: objects are numbered in the order in which they appear */
};

struct object {
    const char *kind;
    const char *label;
    size_t holders;               /* selectors that refer to it */
    recap_selector first, second; /* of them */
};

struct listing {
    struct session session;
    struct recap_arena *arena;       /* the labels' */
    struct recap_badge_map *numbers; /* badge -> index + 1 */
    struct entry *entries;
    size_t entry_count, entry_capacity;
    struct object *objects;
    size_t object_count, object_capacity;
};

static void clear_listing(struct listing *listing)
{
    recap_arena_free(listing->arena);
    free(listing->objects);
    free(listing->entries);
    recap_badge_map_free(listing->numbers);
    session_close(&listing->session);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_usage(state);
        arguments->pid = argument_pid(state, text);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The array with room for one more element, or NULL: then it is as it was. */
static void *with_room(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity ? *capacity * 2 : 64;
    void *moved = reallocarray(array, larger, size);
    if (moved)
        *capacity = larger;
    return moved;
}

static int out_of_memory(struct listing *listing)
{
    return recap_fail(&listing->session.error, -ENOMEM, "listing the capability space");
}

/* Enters what the capability refers to, if it is new, and sets its index. */
static int enter_object(struct listing *listing, struct entry *entry)
{
    const struct recap_cap *cap = &entry->cap;
    uint64_t number = recap_badge_map_id(listing->numbers, cap->badge);
    if (!number) {
        struct object *objects = with_room(listing->objects, listing->object_count,
                                           &listing->object_capacity, sizeof *objects);
        if (!objects)
            return out_of_memory(listing);
        listing->objects = objects;
        number = listing->object_count + 1;
        if (recap_badge_map_add(listing->numbers, cap->badge, number) < 0)
            return out_of_memory(listing);
        struct recap_kernel *kernel = listing->session.kernel;
        const char *label = "";
        kernel->ops->label(kernel, cap->badge, listing->arena, &label, NULL);
        objects[listing->object_count++] = (struct object){.kind = cap->kind, .label = label};
    }
    entry->object = number - 1;
    struct object *object = &listing->objects[entry->object];
    if (object->holders < 2)
        *(object->holders ? &object->second : &object->first) = entry->selector;
    object->holders++;
    return 0;
}

static int walk(struct listing *listing)
{
    for (recap_selector selector = 0, next; selector != RECAP_NO_SELECTOR; selector = next) {
        struct entry entry = {.selector = selector};
        int result = recap_request(listing->session.pd, selector, &entry.cap, &next,
                                   &listing->session.error);
        if (result < 0)
            return result;
        if (!entry.cap.badge)
            continue;
        struct entry *entries = with_room(listing->entries, listing->entry_count,
                                          &listing->entry_capacity, sizeof *entries);
        if (!entries)
            return out_of_memory(listing);
        listing->entries = entries;
        result = enter_object(listing, &entry);
        if (result < 0)
            return result;
        entries[listing->entry_count++] = entry;
    }
    return 0;
}

/* On a kernel where a slot counts references, more than one is told. */
static void print_flags(struct table *table, const struct recap_cap *cap)
{
    bool close_on_exec = cap->slot_flags & RECAP_SLOT_CLOSE_ON_EXEC;
    if (cap->references > 1)
        table_cell(table, close_on_exec ? "%u references, close-on-exec" : "%u references",
                   cap->references);
    else
        table_cell(table, close_on_exec ? "close-on-exec" : "-");
}

static int print_table(const struct listing *listing)
{
    static const char *const heads[] = {"SELECTOR", "KIND",    "RIGHTS",    "FLAGS",
                                        "BADGE",    "SAME AS", "REFERS TO", NULL};
    struct table *table = table_new(heads);
    char rights[128];
    for (size_t i = 0; i < listing->entry_count; i++) {
        const struct entry *entry = &listing->entries[i];
        const struct object *object = &listing->objects[entry->object];
        table_cell(table, "%llu", (unsigned long long)entry->selector);
        table_cell(table, "%s", entry->cap.kind);
        table_cell(table, "%s", recap_rights_text(entry->cap.rights, rights, sizeof rights));
        print_flags(table, &entry->cap);
        table_cell(table, "%zu", entry->object + 1);
        if (object->holders == 1)
            table_cell(table, "-");
        else if (entry->selector != object->first)
            table_cell(table, "%llu", (unsigned long long)object->first);
        else
            table_cell(table, object->holders > 2 ? "%llu ..." : "%llu",
                       (unsigned long long)object->second);
        table_cell(table, "%s", object->label);
    }
    int result = table_print(table, stdout);
    table_free(table);
    if (result < 0)
        report_note("writing the table: %s", strerror(errno));
    return result < 0 ? RECAP_FAILED : 0;
}

static int print_json(const struct listing *listing, uint64_t pid)
{
    json_t *capabilities = json_array();
    json_t *objects = json_array();
    for (size_t i = 0; i < listing->object_count; i++)
        json_array_append_new(objects,
                              json_pack("{s:I, s:s, s:o, s:[]}", "badge", (json_int_t)(i + 1),
                                        "kind", listing->objects[i].kind, "refers_to",
                                        report_json_text(listing->objects[i].label), "selectors"));
    for (size_t i = 0; i < listing->entry_count; i++) {
        const struct entry *entry = &listing->entries[i];
        json_array_append_new(
            capabilities,
            json_pack("{s:I, s:s, s:o, s:b, s:I, s:I, s:o}", "selector",
                      (json_int_t)entry->selector, "kind", entry->cap.kind, "rights",
                      report_json_rights(entry->cap.rights), "close_on_exec",
                      (entry->cap.slot_flags & RECAP_SLOT_CLOSE_ON_EXEC) != 0, "references",
                      (json_int_t)entry->cap.references, "badge", (json_int_t)(entry->object + 1),
                      "refers_to", report_json_text(listing->objects[entry->object].label)));
        json_array_append_new(json_object_get(json_array_get(objects, entry->object), "selectors"),
                              json_integer((json_int_t)entry->selector));
    }
    return report_json(json_pack("{s:I, s:o, s:o}", "pid", (json_int_t)pid, "capabilities",
                                 capabilities, "objects", objects));
}

int caps_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON", 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "PID",
        "List the capability space of a process: for every used selector the kind of object, what "
        "the capability permits, the object's badge and what it refers to. Selectors with equal "
        "badges refer to the same object. The process is not stopped."
        "\vExamples:\n"
        "  recap caps 1234\n"
        "  recap caps --json 1234 | jq '.objects[] | select(.selectors | length > 1)'\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    __attribute__((cleanup(clear_listing))) struct listing listing = {
        .arena = recap_arena_new(), .numbers = recap_badge_map_new()};
    int result = listing.arena && listing.numbers ? session_open(&listing.session, arguments.pid)
                                                  : out_of_memory(&listing);
    if (result == 0)
        result = walk(&listing);
    if (result == 0 && recap_arena_failed(listing.arena))
        result = out_of_memory(&listing);
    if (result < 0)
        return report_failure(arguments.json, &listing.session.error, NULL);
    return arguments.json ? print_json(&listing, arguments.pid) : print_table(&listing);
}
