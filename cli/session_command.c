/* session_command.c: recap session: runs a command that may reach one PD and no other. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"
#include "kernel/kernel.h"
#include "kernel/remote/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the command finds the session. */
enum { GIVEN_SELECTOR = 3 };

struct arguments {
    uint64_t pid;
    bool full;
    char **command; /* NULL-terminated */
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_LOOK:
    case OPTION_FULL:
        arguments->full = key == OPTION_FULL;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            arguments->pid = argument_pid(state, text);
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

/* A descriptor for the session, above those that the command is to hold. */
static int take(struct session *session, const struct arguments *arguments, int *fd)
{
    int given = -1;
    int result = session_open(session, arguments->pid);
    if (result == 0 && !recap_is_remote(session->kernel)) {
        recap_refuse(&session->error, RECAP_USAGE, -EINVAL, "it is a core that hands on sessions");
        return recap_error_remedy(&session->error, "say which: --core unix:PATH");
    }
    if (result == 0)
        result = recap_remote_session(session->pd, !arguments->full, &given, &session->error);
    if (result < 0)
        return result;
    *fd = fcntl(given, F_DUPFD_CLOEXEC, GIVEN_SELECTOR + 1);
    result = *fd < 0 ? recap_fail(&session->error, -errno, "keeping the session") : 0;
    close(given);
    return result;
}

int session_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"look", OPTION_LOOK, NULL, 0,
         "Whoever holds the session may see what the PD holds and compare it with an image, and "
         "change, stop or take over nothing (the default)",
         0},
        {"full", OPTION_FULL, NULL, 0,
         "Whoever holds the session may do with the PD all that you may: that is to be its user",
         0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "PID -- COMMAND...",
        "Have core make a session of one PD, and run COMMAND with it as its selector 3: whoever "
        "holds it may look at that PD, with `recap --core fd:3`, and reaches no other. It needs a "
        "core: --core ADDRESS."
        "\vExample:\n"
        "  recap --core unix:/run/recap/core session 1234 -- \\\n"
        "      setpriv --reuid nobody --clear-groups recap --core fd:3 caps 1234\n",
        core_option,
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
    /* The command may name another core, but not by accident the one that it shall not reach. */
    if (dup2(fd, GIVEN_SELECTOR) < 0 || setenv("RECAP_CORE", "fd:3", 1) < 0) {
        report_note("placing the session at selector %d: %s", GIVEN_SELECTOR, strerror(errno));
        return RECAP_FAILED;
    }
    execvp(arguments.command[0], arguments.command);
    report_note("running %s: %s", arguments.command[0], strerror(errno));
    return RECAP_FAILED;
}
