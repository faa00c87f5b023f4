/* ls.c: recap ls: lists the PDs that the caller may open. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"
#include "kernel/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Names longer than this are cut: they are for people. */
enum { NAME_SIZE = 256 };

struct arguments {
    bool json;
};

struct listing {
    struct session session;
    uint64_t *ids;
    size_t count;
};

static void clear_listing(struct listing *listing)
{
    free(listing->ids);
    session_close(&listing->session);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)text;
    switch (key) {
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Whether the PD is still there; its name. */
static bool read_name(const struct listing *listing, size_t i, char name[NAME_SIZE])
{
    struct recap_kernel *kernel = listing->session.kernel;
    return kernel->ops->pd_name(kernel, listing->ids[i], name, NAME_SIZE, NULL) == 0;
}

static int print_table(const struct listing *listing)
{
    static const char *const heads[] = {"PD", "NAME", NULL};
    struct table *table = table_new(heads);
    char name[NAME_SIZE];
    for (size_t i = 0; i < listing->count; i++)
        if (read_name(listing, i, name)) {
            table_cell(table, "%llu", (unsigned long long)listing->ids[i]);
            table_cell(table, "%s", name);
        }
    int result = table_print(table, stdout);
    table_free(table);
    if (result < 0)
        report_note("writing the table: %s", strerror(errno));
    return result < 0 ? RECAP_FAILED : 0;
}

static int print_json(const struct listing *listing)
{
    json_t *pds = json_array();
    char name[NAME_SIZE];
    for (size_t i = 0; i < listing->count; i++)
        if (read_name(listing, i, name))
            json_array_append_new(pds, json_pack("{s:I, s:o}", "pd", (json_int_t)listing->ids[i],
                                                 "name", report_json_text(name)));
    return report_json(
        json_pack("{s:s, s:o}", "kernel", listing->session.kernel->ops->name, "pds", pds));
}

int ls_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON", 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "List the protection domains (PDs) that you may open, each with its id and name: here, "
        "the processes that you may trace."
        "\vExamples:\n"
        "  recap ls\n"
        "  recap ls --json | jq '.pds[] | select(.name == \"redis-server\").pd'\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    __attribute__((cleanup(clear_listing))) struct listing listing = {0};
    struct session *session = &listing.session;
    int result = session_open(session, 0);
    if (result == 0)
        result = recap_pd_list(session->kernel, &listing.ids, &listing.count, &session->error);
    if (result < 0)
        return report_failure(arguments.json, &session->error, NULL);
    return arguments.json ? print_json(&listing) : print_table(&listing);
}
