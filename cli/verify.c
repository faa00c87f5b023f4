/* verify.c: recap verify: compares running processes with an image. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *image;
    uint64_t *pids;
    size_t pid_count;
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
        if (state->arg_num == 0)
            arguments->image = text;
        else
            arguments->pids[arguments->pid_count++] = argument_pid(state, text);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->pid_count)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int tell(const struct arguments *arguments, const struct recap_refusals *differences)
{
    bool equal = differences->count == 0;
    bool one = arguments->pid_count == 1;
    char who[64];
    if (one)
        snprintf(who, sizeof who, "process %llu", (unsigned long long)arguments->pids[0]);
    else
        snprintf(who, sizeof who, "%zu processes", arguments->pid_count);
    if (arguments->json) {
        json_t *pids = json_array();
        for (size_t i = 0; i < arguments->pid_count; i++)
            json_array_append_new(pids, json_integer((json_int_t)arguments->pids[i]));
        int status = report_json(json_pack("{s:I, s:o, s:o, s:b, s:o}", "pid",
                                           (json_int_t)arguments->pids[0], "pids", pids, "image",
                                           report_json_text(arguments->image), "equal", equal,
                                           "differences", report_json_refusals(differences)));
        return status ? status : !equal;
    }
    for (size_t i = 0; i < differences->count; i++) {
        const struct recap_error *difference = &differences->items[i];
        if (difference->has_selector)
            printf("selector %llu: ", (unsigned long long)difference->selector);
        report_text(stdout, difference->what);
        putchar('\n');
    }
    if (equal)
        printf("%s %s of the image\n", who,
               one ? "has the capability space" : "have the capability spaces");
    else
        printf("%s %s from the image: %zu difference%s\n", who, one ? "differs" : "differ",
               differences->count, differences->count == 1 ? "" : "s");
    return !equal;
}

int verify_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON", 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "IMAGE PID...",
        "Compare the capability space of a running process with an image: the same selectors, the "
        "same rights, the same sharing of objects, each object the one that it was. Of an image of "
        "several, name them in its order. Exit status 0 "
        "if they are equal, 1 if they differ."
        "\vExample:\n"
        "  recap verify db.recap 1234\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {.pids = calloc((size_t)argc, sizeof(uint64_t))};
    if (!arguments.pids) {
        report_note("%s", strerror(ENOMEM));
        return RECAP_FAILED;
    }
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    __attribute__((cleanup(session_close))) struct session session = {0};
    struct recap_refusals differences = {0};
    int result = session_open(&session, 0);
    if (result == 0)
        result = recap_verify(session.kernel, arguments.image, arguments.pids, arguments.pid_count,
                              &differences, &session.error);
    if (result == 0 || (result == -ESTALE && differences.count))
        result = tell(&arguments, &differences);
    else
        result = report_failure(arguments.json, &session.error, NULL);
    recap_refusals_clear(&differences);
    free(arguments.pids);
    return result;
}
