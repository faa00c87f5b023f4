/* remove.c: recap remove: takes a capability away from a running process. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/signals.h"

#include <stdlib.h>

struct arguments {
    uint64_t pid;
    recap_selector selector;
    bool complete;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            arguments->pid = argument_pid(state, text);
        else if (state->arg_num == 1)
            arguments->selector = argument_selector(state, text);
        else
            argp_usage(state);
        arguments->complete = state->arg_num == 1;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->complete)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int remove_command(int argc, char **argv)
{
    static const struct argp argp = {
        NULL,
        parse,
        "PID SELECTOR",
        "Take the capability at SELECTOR away from a running process, as if it had closed it."
        "\vExample:\n"
        "  recap remove 1234 7\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    __attribute__((cleanup(session_close))) struct session session = {0};
    struct recap_cap cap = {0};
    int result = session_open(&session, arguments.pid);
    if (result == 0)
        result = session_request(&session, arguments.selector, &cap);
    if (result < 0)
        return report_failure(false, &session.error, NULL);
    char *was = session_label(&session, cap.badge);
    signals_hold();
    result = recap_remove(session.pd, arguments.selector, &session.error);
    if (result < 0) {
        result = report_failure(false, &session.error, NULL);
        signals_release();
    } else {
        signals_forget();
        printf("selector %llu of process %llu: unused, was ",
               (unsigned long long)arguments.selector, (unsigned long long)arguments.pid);
        report_text(stdout, was && *was ? was : cap.kind);
        putchar('\n');
    }
    free(was);
    return result;
}
