/* restore.c: recap restore: brings a process, or a set of them, back from an image. */
#include "cli/command.h"
#include "cli/foreground.h"
#include "cli/progress.h"
#include "cli/relay.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "engine/engine.h"
#include "files/output.h"
#include "kernel/linux/backend.h"
#include "kernel/remote/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    const char *image;
    struct recap_binding *bindings;
    size_t binding_count;
    const char *pidfile;
    bool detach;
    bool lazy;
    bool namespace;
    bool json;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_BIND: {
        struct recap_binding *binding = &arguments->bindings[arguments->binding_count++];
        if (!parse_binding(text, binding))
            argp_error(state, "\"%s\" is not a binding; write SELECTOR=OBJECT", text);
        return 0;
    }
    case OPTION_DETACH:
        arguments->detach = true;
        return 0;
    case OPTION_LAZY:
        arguments->lazy = true;
        return 0;
    case OPTION_NAMESPACE:
        arguments->namespace = true;
        return 0;
    case OPTION_PIDFILE:
        arguments->pidfile = text;
        return 0;
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

/* What restoring needs at once, in the order in which it is let go. */
struct restoration {
    struct session session;
    struct recap_pd **pds; /* the restored ones, in the image's order */
    size_t pd_count;
    struct recap_image *image;
    struct recap_refusals refusals;
    struct relay *relay; /* NULL: the process has its terminal, if any, without us between */
    char *terminal;      /* the relay's terminal as OBJECT */
    struct recap_binding *bindings; /* those that were asked for, and the relay's */
    size_t binding_count;
    struct files_output pidfile;
    bool detach;
};

static void let_go(struct restoration *restoration)
{
    for (size_t i = 0; restoration->pds && i < restoration->pd_count; i++)
        recap_pd_close(restoration->pds[i]);
    free(restoration->pds);
    restoration->pds = NULL;
    session_close(&restoration->session);
}

static void clear_restoration(struct restoration *restoration)
{
    recap_image_close(restoration->image);
    recap_refusals_clear(&restoration->refusals);
    relay_close(restoration->relay);
    files_output_clear(&restoration->pidfile);
    free(restoration->terminal);
    free(restoration->bindings);
    let_go(restoration);
}

static bool is_bound(const struct restoration *restoration, uint64_t object)
{
    const struct recap_pd_image *pd = &recap_image_graph(restoration->image)->pds[0];
    for (size_t i = 0; i < restoration->binding_count; i++) {
        const struct recap_place *at = &restoration->bindings[i].at;
        const struct recap_slot *slot =
            !at->pd || at->pd == pd->id ? recap_graph_slot(pd, at->selector) : NULL;
        if (slot && slot->object == object)
            return true;
    }
    return false;
}

/* Whether the process led a session on a terminal that nobody has bound otherwise. */
static bool wants_terminal(const struct restoration *restoration)
{
    const struct recap_graph *graph = recap_image_graph(restoration->image);
    const struct recap_pd_image *pd = &graph->pds[0];
    const struct recap_value *terminal = recap_member(pd->attributes, "terminal");
    int64_t session = recap_number_or(pd->attributes, "session", 0);
    int64_t selector = recap_number_or(terminal, "selector", -1);
    const struct recap_slot *slot =
        selector < 0 ? NULL : recap_graph_slot(pd, (recap_selector)selector);
    return slot && (uint64_t)session == pd->id && !is_bound(restoration, slot->object) &&
           recap_graph_object(graph, slot->object)->external;
}

/* Binds every terminal that is not bound yet to one that is relayed to the caller's. */
static int bind_relay(struct restoration *restoration)
{
    struct recap_error *error = &restoration->session.error;
    const struct recap_graph *graph = recap_image_graph(restoration->image);
    const struct recap_pd_image *pd = &graph->pds[0];
    int result = relay_open(&restoration->relay, error);
    if (result < 0)
        return result;
    if (asprintf(&restoration->terminal, "path:%s", relay_name(restoration->relay)) < 0)
        return recap_fail(error, -ENOMEM, "binding the terminal");
    for (size_t i = 0; i < pd->slot_count; i++) {
        const struct recap_object *object = recap_graph_object(graph, pd->slots[i].object);
        if (object->external && strcmp(object->kind, "terminal") == 0 &&
            !is_bound(restoration, object->id))
            restoration->bindings[restoration->binding_count++] =
                (struct recap_binding){{pd->id, pd->slots[i].selector}, restoration->terminal};
    }
    return 0;
}

static int open_image(struct restoration *restoration, const struct arguments *arguments)
{
    struct recap_error *error = &restoration->session.error;
    int result = recap_image_open(arguments->image, &restoration->image, error);
    if (result < 0)
        return result;
    const struct recap_graph *graph = recap_image_graph(restoration->image);
    if (!graph->pd_count)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the image holds no process");
    size_t most = arguments->binding_count + graph->pds[0].slot_count + 1;
    restoration->bindings = calloc(most, sizeof *restoration->bindings);
    restoration->pds = calloc(graph->pd_count, sizeof(struct recap_pd *));
    if (!restoration->bindings || !restoration->pds)
        return recap_fail(error, -ENOMEM, "reading the bindings");
    restoration->pd_count = graph->pd_count;
    restoration->binding_count = arguments->binding_count;
    for (size_t i = 0; i < arguments->binding_count; i++)
        restoration->bindings[i] = arguments->bindings[i];
    /* Standing in for one process is possible, for several it is not, nor for a child of core's. */
    bool remote = recap_is_remote(restoration->session.kernel);
    restoration->detach = arguments->detach || remote || graph->pd_count > 1;
    if (!restoration->detach && isatty(STDIN_FILENO) && wants_terminal(restoration))
        return bind_relay(restoration);
    return 0;
}

static int build(struct restoration *restoration, const struct arguments *arguments)
{
    struct session *session = &restoration->session;
    struct progress progress;
    struct recap_restore_options options = {.lazy = arguments->lazy,
                                            .progress = progress_begin(&progress)};
    /* Whose files are whose is not seen from a user namespace: what we are told comes first. */
    int result = session_open(session, 0);
    if (result == 0)
        result = open_image(restoration, arguments);
    if (result == 0 && arguments->pidfile)
        result = files_output_open(arguments->pidfile, 0666, FILES_REPLACE, &restoration->pidfile,
                                   &session->error);
    if (result == 0 && arguments->namespace)
        result = recap_linux_enter_namespace(session->kernel, &session->error);
    if (result == 0) {
        options.bindings = restoration->bindings;
        options.binding_count = restoration->binding_count;
        result = recap_engine_restore(session->kernel, restoration->image, &options,
                                      restoration->pds, &restoration->refusals, &session->error);
    }
    progress_end(&progress);
    return result;
}

/* One id a line, in the image's order. */
static int write_pidfile(struct restoration *restoration)
{
    struct recap_error *error = &restoration->session.error;
    struct files_output *file = &restoration->pidfile;
    int result = 0;
    if (file->fd < 0)
        return 0;
    for (size_t i = 0; result == 0 && i < restoration->pd_count; i++)
        if (dprintf(file->fd, "%llu\n", (unsigned long long)recap_pd_id(restoration->pds[i])) < 0)
            result = recap_fail(error, -errno, "writing %s", file->path);
    if (result == 0)
        result = files_output_finish(file, error);
    return result;
}

static json_t *json_pds(const struct restoration *restoration)
{
    const struct recap_graph *graph = recap_image_graph(restoration->image);
    json_t *pds = json_array();
    for (size_t i = 0; i < restoration->pd_count; i++)
        json_array_append_new(pds, json_pack("{s:I, s:I, s:o, s:I, s:I}", "pid",
                                             (json_int_t)recap_pd_id(restoration->pds[i]),
                                             "own_pid", (json_int_t)graph->pds[i].id, "name",
                                             report_json_text(graph->pds[i].name), "selectors",
                                             (json_int_t)graph->pds[i].slot_count, "threads",
                                             (json_int_t)graph->pds[i].thread_count));
    return pds;
}

static int tell(const struct restoration *restoration, const struct arguments *arguments)
{
    const struct recap_graph *graph = recap_image_graph(restoration->image);
    const struct recap_pd_image *pd = &graph->pds[0];
    unsigned long long pid = recap_pd_id(restoration->pds[0]);
    bool apart = recap_linux_in_namespace(restoration->session.kernel);
    int64_t moved = recap_linux_clocks_moved(restoration->session.kernel);
    if (arguments->json)
        return report_json(json_pack(
            "{s:I, s:o, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "pid", (json_int_t)pid,
            "image", report_json_text(arguments->image), "detached", restoration->detach,
            "namespace", apart, "clocks_moved_ns", (json_int_t)moved, "own_pid", (json_int_t)pd->id,
            "selectors", (json_int_t)pd->slot_count, "objects", (json_int_t)graph->object_count,
            "threads", (json_int_t)pd->thread_count, "verified", true, "pds",
            json_pds(restoration)));
    if (apart && !arguments->namespace)
        report_note("this user may not choose process ids: process %llu lives in user and PID "
                    "namespaces of its own, where it has its id %llu",
                    pid, (unsigned long long)pd->id);
    if (recap_linux_proc_is_outside(restoration->session.kernel))
        report_note(
            "/proc in that namespace shows the processes outside of it, by other numbers: parts "
            "of /proc are hidden here, so the kernel permits no other one");
    if (moved)
        report_note("the clocks of this system stand %lld s behind the image's: process %llu lives "
                    "in a time namespace of its own, where they go on from there",
                    (long long)(moved / 1000000000), pid);
    if (restoration->detach && !arguments->detach && recap_is_remote(restoration->session.kernel))
        report_note("what core restores runs in the background");
    else if (restoration->detach && !arguments->detach)
        report_note("the image holds %zu processes: they run in the background",
                    restoration->pd_count);
    for (size_t i = 0; restoration->detach && i < restoration->pd_count; i++) {
        printf("process %llu (", (unsigned long long)recap_pd_id(restoration->pds[i]));
        report_text(stdout, graph->pds[i].name ? graph->pds[i].name : "");
        printf(") restored: %zu selectors, %zu objects, all verified\n", graph->pds[i].slot_count,
               graph->object_count);
    }
    return 0;
}

/* All of them, or none is left. */
static int start(struct restoration *restoration)
{
    struct recap_error *error = &restoration->session.error;
    int result = 0;
    for (size_t i = 0; result == 0 && i < restoration->pd_count; i++) {
        result = recap_pd_resume(restoration->pds[i], error);
        for (size_t j = 0; result < 0 && j < i; j++) {
            struct recap_pd *pd = restoration->pds[j];
            pd->kernel->ops->destroy(pd, NULL);
        }
    }
    return result;
}

static int run(const struct arguments *arguments)
{
    __attribute__((cleanup(clear_restoration))) struct restoration restoration = {
        .pidfile = {.at = {.folder = -1, .open = -1}, .fd = -1}};
    struct session *session = &restoration.session;
    int result = build(&restoration, arguments);
    if (result == 0)
        result = write_pidfile(&restoration);
    if (result < 0) {
        files_output_remove(&restoration.pidfile);
        return report_failure(arguments->json, &session->error, &restoration.refusals);
    }
    /* Before it starts: what the caller cannot be told of must not run. */
    int status = tell(&restoration, arguments);
    if (status != 0) {
        files_output_remove(&restoration.pidfile);
        return status;
    }
    pid_t pid = (pid_t)recap_pd_id(restoration.pds[0]);
    if (!restoration.detach)
        foreground_begin(pid);
    /* The last moment to be told to end: what is started belongs to the caller. */
    result = signals_told() ? recap_refuse(&session->error, RECAP_FAILED, -EINTR,
                                           "the restore was interrupted")
                            : start(&restoration);
    if (result < 0) {
        if (!restoration.detach)
            foreground_cancel();
        files_output_remove(&restoration.pidfile);
        return report_failure(arguments->json, &session->error, NULL);
    }
    signals_forget();
    if (restoration.detach)
        return 0;
    /* We held every object that was made for it. Its pipes and sockets have to end with it. */
    let_go(&restoration);
    return restoration.relay ? relay_run(restoration.relay, pid) : foreground_wait(pid);
}

int restore_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"bind", OPTION_BIND, "[PID:]SELECTOR=OBJECT", 0,
         "OBJECT takes the place of what the selector held (as in recap-install(1))", 0},
        {"detach", OPTION_DETACH, NULL, 0,
         "Leave the process running in the background, and return", 0},
        {"lazy", OPTION_LAZY, NULL, 0,
         "Bring pages in when they are touched; the image has to stay where it is", 0},
        {"namespace", OPTION_NAMESPACE, NULL, 0,
         "Restore into a PID namespace of its own, where every process id is free", 0},
        {"pidfile", OPTION_PIDFILE, "FILE", 0, "Write the process ids to FILE, one a line", 0},
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON", 0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "IMAGE",
        "Bring a process back from an image, with every capability at its selector. Each selector "
        "is requested and compared with the image before the first instruction runs. In the "
        "foreground recap passes signals on and exits as the program exits."
        "\vExamples:\n"
        "  recap restore db.recap\n"
        "  recap restore --detach --pidfile db.pid db.recap\n"
        "  recap restore --bind 7=tcp:10.0.0.5:5432 app.recap\n"
        "  recap restore --bind 8=hangup app.recap\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {.bindings = calloc((size_t)argc, sizeof(struct recap_binding))};
    if (!arguments.bindings) {
        report_note("%s", strerror(ENOMEM));
        return RECAP_FAILED;
    }
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    int status = run(&arguments);
    if (status != 0)
        signals_release();
    free(arguments.bindings);
    return status;
}
