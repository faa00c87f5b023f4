/* show.c: recap show: what is in an image. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/table.h"
#include "image/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct arguments {
    const char *image;
    bool json;
};

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
        arguments->image = text;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static double mebibytes(const struct recap_pd_image *pd)
{
    uint64_t bytes = 0;
    for (size_t r = 0; r < pd->region_count; r++)
        for (size_t i = 0; i < pd->regions[r].range_count; i++)
            bytes += pd->regions[r].ranges[i].length;
    return (double)bytes / 1048576;
}

static int print_slots(const struct recap_graph *graph, const struct recap_pd_image *pd)
{
    static const char *const heads[] = {"SELECTOR", "KIND",     "RIGHTS",    "FLAGS",
                                        "OBJECT",   "RESTORED", "REFERS TO", NULL};
    struct table *table = table_new(heads);
    char rights[128];
    for (size_t i = 0; i < pd->slot_count; i++) {
        const struct recap_slot *slot = &pd->slots[i];
        const struct recap_object *object = recap_graph_object(graph, slot->object);
        table_cell(table, "%llu", (unsigned long long)slot->selector);
        table_cell(table, "%s", object->kind);
        table_cell(table, "%s", recap_rights_text(slot->rights, rights, sizeof rights));
        table_cell(table, "%s", slot->flags & RECAP_SLOT_CLOSE_ON_EXEC ? "close-on-exec" : "-");
        table_cell(table, "%llu", (unsigned long long)object->id);
        if (!object->external)
            table_cell(table, "created");
        else if (recap_text_or_null(object->state, "binding"))
            table_cell(table, "bound");
        else
            table_cell(table, "needs --bind");
        table_cell(table, "%s", object->label ? object->label : "");
    }
    int result = table_print(table, stdout);
    table_free(table);
    return result;
}

static int print(const struct recap_graph *graph)
{
    char taken[64];
    time_t seconds = (time_t)graph->taken;
    struct tm local;
    if (!localtime_r(&seconds, &local) || !strftime(taken, sizeof taken, "%F %T %z", &local))
        snprintf(taken, sizeof taken, "%lld s since 1970", (long long)graph->taken);
    printf("taken      %s on %s ", taken, graph->kernel);
    report_text(stdout, graph->release);
    printf(", %s\n", graph->machine);
    int result = 0;
    for (size_t p = 0; result == 0 && p < graph->pd_count; p++) {
        const struct recap_pd_image *pd = &graph->pds[p];
        printf("process    %llu ", (unsigned long long)pd->id);
        report_text(stdout, pd->name ? pd->name : "");
        printf("\nthreads    %zu\nmemory     %zu regions, %.1f MiB kept\n"
               "selectors  %zu\n\n",
               pd->thread_count, pd->region_count, mebibytes(pd), pd->slot_count);
        result = print_slots(graph, pd);
    }
    if (result == 0)
        return 0;
    report_note("writing the answer: %s", strerror(errno));
    return RECAP_FAILED;
}

static int print_json(const struct recap_graph *graph)
{
    char *text;
    struct recap_error error;
    if (recap_graph_to_json(graph, &text, &error) < 0)
        return report_failure(true, &error, NULL);
    bool written = fputs(text, stdout) >= 0 && putchar('\n') != EOF && fflush(stdout) != EOF;
    free(text);
    if (written)
        return 0;
    report_note("writing the answer: %s", strerror(errno));
    return RECAP_FAILED;
}

int show_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", OPTION_JSON, NULL, 0, "Print the whole capability graph as JSON", 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "IMAGE",
        "Show what an image holds: when and where it was taken, the process, its capability "
        "space, and which selectors need a --bind at restore. The image is checked first."
        "\vExamples:\n"
        "  recap show db.recap\n"
        "  recap show --json db.recap | jq '.objects[].kind'\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    struct recap_error error = {0};
    struct recap_image *image;
    if (recap_image_open(arguments.image, &image, &error) < 0)
        return report_failure(arguments.json, &error, NULL);
    const struct recap_graph *graph = recap_image_graph(image);
    int status = arguments.json ? print_json(graph) : print(graph);
    recap_image_close(image);
    return status;
}
