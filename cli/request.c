/* request.c: recap request: runs a command that holds a capability of a process. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Where the command finds the capability. */
enum { GIVEN_SELECTOR = 3 };

struct arguments {
    uint64_t pid;
    recap_selector selector;
    char **command; /* NULL-terminated */
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            arguments->pid = argument_pid(state, text);
        } else if (state->arg_num == 1) {
            arguments->selector = argument_selector(state, text);
        } else {
            arguments->command = &state->argv[state->next - 1];
            state->next = state->argc;
        }
        return 0;
    case ARGP_KEY_END:
        if (!arguments->command)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A descriptor for the capability, above those that the command is to hold. */
static int take(struct session *session, const struct arguments *arguments, int *fd)
{
    struct recap_cap cap;
    int local = -1;
    int result = session_open(session, arguments->pid);
    if (result == 0)
        result = session_request(session, arguments->selector, &cap);
    if (result == 0)
        result = recap_local(session->kernel, cap.badge, &local, &session->error);
    if (result < 0)
        return result;
    *fd = fcntl(local, F_DUPFD_CLOEXEC, GIVEN_SELECTOR + 1);
    result = *fd < 0 ? recap_fail(&session->error, -errno, "keeping the capability") : 0;
    close(local);
    return result;
}

int request_command(int argc, char **argv)
{
    static const struct argp argp = {
        NULL,
        parse,
        "PID SELECTOR -- COMMAND...",
        "Run COMMAND with the capability at SELECTOR of the process as its own selector 3. The "
        "process keeps the capability and is not stopped."
        "\vExamples:\n"
        "  recap request 1234 7 -- sh -c 'cat /proc/self/fdinfo/3'\n"
        "  recap request 1234 5 -- python3 -c 'import os; print(os.fstat(3))'\n",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);

    int fd = -1;
    {
        __attribute__((cleanup(session_close))) struct session session = {0};
        if (take(&session, &arguments, &fd) < 0)
            return report_failure(false, &session.error, NULL);
    }
    /* dup2 gives a descriptor without close-on-exec; `fd` itself goes away at exec. */
    if (dup2(fd, GIVEN_SELECTOR) < 0) {
        report_note("placing the capability at selector %d: %s", GIVEN_SELECTOR, strerror(errno));
        return RECAP_FAILED;
    }
    execvp(arguments.command[0], arguments.command);
    report_note("running %s: %s", arguments.command[0], strerror(errno));
    return RECAP_FAILED;
}
