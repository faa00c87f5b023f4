/* request.c: recap request: shows a capability of a process, or runs a command that holds it. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"
#include "graph/graph.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the command finds the capability. */
enum { GIVEN_SELECTOR = 3 };

struct arguments {
    uint64_t pid;
    recap_selector selector;
    char **command; /* NULL-terminated; NULL: show it */
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
        if (state->arg_num < 2 || (arguments->json && arguments->command))
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void free_text(char **text)
{
    free(*text);
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

/* What is at the selector, used or not, and which one to ask for next. */
static int show(struct session *session, const struct arguments *arguments)
{
    struct recap_cap cap;
    recap_selector next;
    int result = session_open(session, arguments->pid);
    if (result == 0)
        result = recap_request(session->pd, arguments->selector, &cap, &next, &session->error);
    if (result < 0)
        return report_failure(arguments->json, &session->error, NULL);
    __attribute__((cleanup(free_text))) char *label = session_label(session, cap.badge);
    if (arguments->json)
        return report_json(
            json_pack("{s:I, s:b, s:s*, s:o*, s:b, s:I, s:o*, s:o}", "selector",
                      (json_int_t)arguments->selector, "used", cap.badge != 0, "kind",
                      cap.badge ? cap.kind : NULL, "rights",
                      cap.badge ? report_json_rights(cap.rights) : NULL, "close_on_exec",
                      cap.badge && (cap.slot_flags & RECAP_SLOT_CLOSE_ON_EXEC), "references",
                      (json_int_t)(cap.badge ? cap.references : 0), "refers_to",
                      cap.badge ? report_json_text(label) : NULL, "next",
                      next == RECAP_NO_SELECTOR ? json_null() : json_integer((json_int_t)next)));
    char rights[128];
    if (cap.badge) {
        printf("selector %llu: %s, %s, ", (unsigned long long)arguments->selector, cap.kind,
               recap_rights_text(cap.rights, rights, sizeof rights));
        if (cap.references > 1)
            printf("%u references, ", cap.references);
        report_text(stdout, label ? label : "");
        putchar('\n');
    } else {
        printf("selector %llu: unused\n", (unsigned long long)arguments->selector);
    }
    if (next == RECAP_NO_SELECTOR)
        puts("next: none");
    else
        printf("next: %llu\n", (unsigned long long)next);
    return 0;
}

int request_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON, without a COMMAND", 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "PID SELECTOR [-- COMMAND...]",
        "Show the capability at SELECTOR of the process, and the selector to ask for next; or run "
        "COMMAND with it as its own selector 3. The process keeps the capability and is not "
        "stopped."
        "\vExamples:\n"
        "  recap request 1234 7\n"
        "  recap request 1234 7 -- sh -c 'cat /proc/self/fdinfo/3'\n"
        "  recap request 1234 5 -- python3 -c 'import os; print(os.fstat(3))'\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);

    if (!arguments.command) {
        __attribute__((cleanup(session_close))) struct session session = {0};
        return show(&session, &arguments);
    }
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
