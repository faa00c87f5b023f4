/* install.c: recap install: places a capability at a selector of a running process. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/signals.h"

#include <stdlib.h>

struct arguments {
    uint64_t pid;
    recap_selector selector;
    const char *object;
    bool close_on_exec;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_CLOSE_ON_EXEC:
        arguments->close_on_exec = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            arguments->pid = argument_pid(state, text);
        else if (state->arg_num == 1)
            arguments->selector = argument_selector(state, text);
        else if (state->arg_num == 2)
            arguments->object = text;
        else
            argp_usage(state);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->object)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int install(struct session *session, const struct arguments *arguments, char **was,
                   char **is)
{
    struct recap_cap old = {0};
    struct recap_cap cap = {.references = 1};
    int result = session_open(session, arguments->pid);
    if (result == 0)
        result = recap_request(session->pd, arguments->selector, &old, NULL, &session->error);
    /* What takes the place of a capability permits what that permitted, if it can be chosen. */
    if (result == 0)
        result = recap_object(session->kernel, arguments->object, old.rights, &cap.badge,
                              &session->error);
    if (result < 0)
        return result;
    cap.rights = old.rights;
    cap.slot_flags = arguments->close_on_exec ? RECAP_SLOT_CLOSE_ON_EXEC : 0;
    *was = session_label(session, old.badge);
    *is = session_label(session, cap.badge);
    return recap_install(session->pd, arguments->selector, &cap, &session->error);
}

int install_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"close-on-exec", OPTION_CLOSE_ON_EXEC, NULL, 0,
         "The capability goes away when the process executes another program", 0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "PID SELECTOR OBJECT",
        "Place a capability for OBJECT at SELECTOR of a running process. What was there is closed "
        "in the same step; the process does not notice otherwise.\n\n"
        "OBJECT is one of path:FILE[,OPTION]... (r, w, rw, append, create, truncate, nonblock), "
        "fd:N (of recap itself), pid:PID:SELECTOR, unix:PATH, "
        "tcp:HOST:PORT, hangup (something whose other end is closed) and null."
        "\vExamples:\n"
        "  recap install 1234 1 path:app.log,append,create  its standard output\n"
        "  recap install 1234 2 null                        its standard error\n"
        "  recap install 1234 9 pid:1235:4                  what 1235 holds at 4\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    __attribute__((cleanup(session_close))) struct session session = {0};
    char *was = NULL;
    char *is = NULL;
    signals_hold();
    int result = install(&session, &arguments, &was, &is);
    if (result < 0) {
        result = report_failure(false, &session.error, NULL);
        signals_release();
    } else {
        signals_forget();
        printf("selector %llu of process %llu: ", (unsigned long long)arguments.selector,
               (unsigned long long)arguments.pid);
        report_text(stdout, is && *is ? is : arguments.object);
        fputs(", was ", stdout);
        report_text(stdout, was && *was ? was : "unused");
        putchar('\n');
    }
    free(was);
    free(is);
    return result;
}
