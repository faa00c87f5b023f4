/* check.c: recap check: what this kernel and this user can do. */
#include "cli/command.h"
#include "cli/report.h"
#include "cli/session.h"
#include "kernel/kernel.h"
#include "kernel/linux/probes/probes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static error_t parse(int key, char *text, struct argp_state *state)
{
    bool *json = state->input;
    (void)text;
    switch (key) {
    case OPTION_JSON:
        *json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct tally {
    bool needed;         /* everything that is needed is there */
    bool choosing;       /* process ids can be chosen, here */
    bool choosing_apart; /* or in namespaces of their own */
};

static void count(struct tally *tally, const struct linux_probe *probe, enum linux_answer answer)
{
    if (answer == LINUX_NO && probe->weight == LINUX_NEEDED)
        tally->needed = false;
    if (answer == LINUX_YES && probe->probe == linux_probe_set_tid)
        tally->choosing = true;
    if (answer == LINUX_YES && probe->probe == linux_probe_namespace)
        tally->choosing_apart = true;
}

static void print_probe(const struct linux_probe *probe, enum linux_answer answer,
                        const char *detail)
{
    printf("%-4s %-24s %s", answer == LINUX_YES ? "yes" : "no", probe->name, probe->purpose);
    if (*detail)
        printf(" (%s)", detail);
    putchar('\n');
    if (answer == LINUX_NO)
        printf("     %-24s so: %s\n", "", probe->without);
}

static const char *verdict(const struct tally *tally)
{
    if (!tally->needed)
        return "this user cannot checkpoint on this kernel: see the lines that begin with \"no\"";
    if (tally->choosing)
        return "checkpoint and restore work, and processes keep their ids";
    if (tally->choosing_apart)
        return "checkpoint works; restore works in user and PID namespaces of its own";
    return "checkpoint works, but restore cannot choose process ids";
}

static json_t *json_probe(const struct linux_probe *probe, enum linux_answer answer,
                          const char *detail)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:o, s:o}", "name", probe->name, "purpose",
                     probe->purpose, "available", answer == LINUX_YES, "needed",
                     probe->weight == LINUX_NEEDED, "detail", report_json_text(detail),
                     "consequence",
                     answer == LINUX_YES ? json_null() : report_json_text(probe->without));
}

static int run(bool json, pid_t child)
{
    struct tally tally = {.needed = true};
    struct utsname kernel;
    json_t *list = json_array();
    uname(&kernel);
    if (!json)
        printf("Linux %s on %s, user %u\n", kernel.release, kernel.machine, (unsigned)geteuid());
    for (size_t i = 0; i < linux_probe_count; i++) {
        char detail[128] = "";
        /* Probes fork: what is not written yet must not be written twice. */
        fflush(stdout);
        enum linux_answer answer = linux_probes[i].probe(child, detail, sizeof detail);
        count(&tally, &linux_probes[i], answer);
        if (json)
            json_array_append_new(list, json_probe(&linux_probes[i], answer, detail));
        else
            print_probe(&linux_probes[i], answer, detail);
    }
    bool works = tally.needed && (tally.choosing || tally.choosing_apart);
    int status = 0;
    if (json) {
        status = report_json(json_pack("{s:s, s:I, s:o, s:b, s:s}", "kernel", kernel.release,
                                       "user", (json_int_t)geteuid(), "probes", list, "works",
                                       works, "verdict", verdict(&tally)));
    } else {
        json_decref(list);
        printf("%s\n", verdict(&tally));
    }
    return status ? status : works ? 0 : RECAP_UNSUPPORTED;
}

/* Of a core it says which kernel it serves; what that one can do is tried where it runs. */
static int check_core(bool json)
{
    __attribute__((cleanup(session_close))) struct session session = {0};
    uint64_t *ids = NULL;
    size_t count = 0;
    int result = session_open(&session, 0);
    if (result == 0)
        result = recap_pd_list(session.kernel, &ids, &count, &session.error);
    if (result < 0)
        return report_failure(json, &session.error, NULL);
    free(ids);
    const struct recap_kernel_ops *ops = session.kernel->ops;
    const char *release = ops->release(session.kernel);
    if (json)
        return report_json(json_pack("{s:o, s:s, s:s, s:o, s:I}", "core",
                                     report_json_text(core_address()), "kernel", ops->name,
                                     "machine", ops->machine, "release", report_json_text(release),
                                     "pds", (json_int_t)count));
    printf("core at %s serves %s %s on %s; you may open %zu PDs there\n", core_address(), ops->name,
           release, ops->machine, count);
    return 0;
}

int check_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON", 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "Say what this kernel and this user can do, and what follows where they cannot. Each "
        "thing is tried, on processes that recap makes for that. Exit status 0 if checkpoint and "
        "restore work, 3 if not."
        "\vExamples:\n"
        "  recap check\n"
        "  recap check --json | jq '.probes[] | select(.available | not)'\n",
        core_option,
        NULL,
        NULL};
    bool json = false;
    argp_parse(&argp, argc, argv, 0, NULL, &json);
    if (core_address())
        return check_core(json);

    pid_t child;
    int result = linux_probe_child(&child);
    if (result < 0) {
        report_note("making a process to try things on: %s", strerror(-result));
        return RECAP_FAILED;
    }
    int status = run(json, child);
    linux_probe_end(child);
    return status;
}
