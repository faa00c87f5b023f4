/* checkpoint.c: recap checkpoint: writes a process, or a set of them, into an image. */
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "kernel/kernel.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    uint64_t *pids;
    size_t pid_count;
    const char *image;
    struct recap_place *externals;
    size_t external_count;
    bool leave_running;
    bool dry_run;
    bool json;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->image = text;
        return 0;
    case OPTION_LEAVE_RUNNING:
        arguments->leave_running = true;
        return 0;
    case OPTION_DRY_RUN:
        arguments->dry_run = true;
        return 0;
    case OPTION_EXTERNAL:
        arguments->externals[arguments->external_count++] = argument_place(state, text);
        return 0;
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        arguments->pids[arguments->pid_count++] = argument_pid(state, text);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What the first PD is called, as a part of a file name. */
static void image_name(const struct session *session, uint64_t pid, char *name, size_t size)
{
    if (session->kernel->ops->pd_name(session->kernel, pid, name, size, NULL) < 0 || !*name)
        snprintf(name, size, "process");
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("._+-", *at))
            *at = '_';
}

static json_t *json_pids(const struct arguments *arguments)
{
    json_t *pids = json_array();
    for (size_t i = 0; i < arguments->pid_count; i++)
        json_array_append_new(pids, json_integer((json_int_t)arguments->pids[i]));
    return pids;
}

/* "process 7", "2 processes": the subject of a sentence. */
static const char *subject(const struct arguments *arguments, char *text, size_t size)
{
    if (arguments->pid_count == 1)
        snprintf(text, size, "process %llu", (unsigned long long)arguments->pids[0]);
    else
        snprintf(text, size, "%zu processes", arguments->pid_count);
    return text;
}

static int tell_json(const struct arguments *arguments, const char *image,
                     const struct recap_checkpoint_result *result)
{
    return report_json(
        json_pack("{s:I, s:o, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:[]}", "pid",
                  (json_int_t)arguments->pids[0], "pids", json_pids(arguments), "image",
                  arguments->dry_run ? json_null() : report_json_text(image), "left_running",
                  arguments->leave_running || arguments->dry_run, "selectors",
                  (json_int_t)result->selectors, "objects", (json_int_t)result->objects, "threads",
                  (json_int_t)result->threads, "regions", (json_int_t)result->regions, "bytes",
                  (json_int_t)result->bytes, "pause_ns", (json_int_t)result->pause_ns, "refusals"));
}

/* The exit status says what became of the process and its image, whether or not that could be told.
 */
static int tell(const struct arguments *arguments, const char *image,
                const struct recap_checkpoint_result *result)
{
    char who[64];
    subject(arguments, who, sizeof who);
    bool several = arguments->pid_count > 1;
    if (arguments->json) {
        int status = tell_json(arguments, image, result);
        if (status != 0 && !arguments->dry_run)
            report_note("the checkpoint is done all the same: %s is whole and %s %s", image, who,
                        arguments->leave_running ? (several ? "run on" : "runs on")
                                                 : (several ? "have ended" : "has ended"));
        return arguments->dry_run ? status : 0;
    }
    if (arguments->dry_run) {
        printf("%s can be checkpointed: %zu selectors, %zu objects; nothing was stopped\n", who,
               result->selectors, result->objects);
        return 0;
    }
    report_text(stdout, image);
    printf(": %zu selectors, %zu objects, %zu threads, %.1f MiB of memory; paused for %.2f ms; "
           "%s %s\n",
           result->selectors, result->objects, result->threads, (double)result->bytes / 1048576,
           (double)result->pause_ns / 1e6, who,
           arguments->leave_running ? (several ? "run on" : "runs on") : "ended");
    return 0;
}

/* Where the image is to be; the caller frees it. */
static int place_image(struct session *session, const struct arguments *arguments, char **image)
{
    char name[64];
    image_name(session, arguments->pids[0], name, sizeof name);
    int length = arguments->image ? asprintf(image, "%s", arguments->image)
                                  : asprintf(image, "./%s-%llu.recap", name,
                                             (unsigned long long)arguments->pids[0]);
    if (length >= 0)
        return 0;
    *image = NULL;
    return recap_fail(&session->error, -ENOMEM, "naming the image");
}

static int run(const struct arguments *arguments)
{
    char *image = NULL;
    __attribute__((cleanup(session_close))) struct session session = {0};
    struct progress progress;
    struct recap_refusals refusals = {0};
    struct recap_checkpoint_result told = {0};
    struct recap_checkpoint_options options = {.leave_running = arguments->leave_running,
                                               .externals = arguments->externals,
                                               .external_count = arguments->external_count,
                                               .progress = progress_begin(&progress)};
    int result = session_open(&session, 0);
    if (result == 0)
        result = place_image(&session, arguments, &image);
    if (result == 0) {
        options.path = arguments->dry_run ? NULL : image;
        result = recap_checkpoint(session.kernel, arguments->pids, arguments->pid_count, &options,
                                  &refusals, &told, &session.error);
    }
    progress_end(&progress);
    if (result < 0) {
        char who[64];
        result = report_failure(arguments->json, &session.error, &refusals);
        if (refusals.count)
            report_note("%s %s not checkpointed, and nothing has changed",
                        subject(arguments, who, sizeof who),
                        arguments->pid_count == 1 ? "was" : "were");
    } else {
        result = tell(arguments, image, &told);
    }
    recap_refusals_clear(&refusals);
    free(image);
    return result;
}

int checkpoint_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "IMAGE", 0, "Where the image is to be (default: ./NAME-PID.recap)", 0},
        {"leave-running", OPTION_LEAVE_RUNNING, NULL, 0,
         "Let the process go on; without this it is ended once the image is whole", 0},
        {"dry-run", OPTION_DRY_RUN, NULL, 0,
         "Say what would be refused; stop nothing and write nothing", 0},
        {"external", OPTION_EXTERNAL, "[PID:]SELECTOR", 0,
         "Accept what this selector holds as external: restore will need a --bind for it", 0},
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON", 0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "PID...",
        "Write a process, with its memory, threads and whole capability space, into an image; of "
        "several, with the objects that they share. "
        "What could not be restored is refused before the process is stopped: exit status 3, and "
        "each selector named with the reason."
        "\vExamples:\n"
        "  recap checkpoint --dry-run 1234\n"
        "  recap checkpoint -o db.recap 1234\n"
        "  recap checkpoint --leave-running --external 7 1234\n"
        "  recap checkpoint -o pair.recap 1234 1235\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {.externals = calloc((size_t)argc, sizeof(struct recap_place)),
                                  .pids = calloc((size_t)argc, sizeof(uint64_t))};
    if (!arguments.externals || !arguments.pids) {
        free(arguments.externals);
        free(arguments.pids);
        report_note("%s", strerror(ENOMEM));
        return RECAP_FAILED;
    }
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    int status = run(&arguments);
    if (status != 0)
        signals_release();
    free(arguments.externals);
    free(arguments.pids);
    return status;
}
