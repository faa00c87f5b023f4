/* checkpoint.c: recap checkpoint: writes a process into an image. */
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/session.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    uint64_t pid;
    const char *image;
    recap_selector *externals;
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
        arguments->externals[arguments->external_count++] = argument_selector(state, text);
        return 0;
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_usage(state);
        arguments->pid = argument_pid(state, text);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What the process is called, for the name of its image: "process" if that cannot be read. */
static void process_name(uint64_t pid, char *name, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%llu/comm", (unsigned long long)pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(name, (int)size, file))
        snprintf(name, size, "process");
    if (file)
        fclose(file);
    name[strcspn(name, "\n")] = '\0';
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("._+-", *at))
            *at = '_';
}

static int tell(const struct arguments *arguments, const char *image,
                const struct recap_checkpoint_result *result)
{
    if (arguments->json)
        return report_json(json_pack(
            "{s:I, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:[]}", "pid",
            (json_int_t)arguments->pid, "image",
            arguments->dry_run ? json_null() : report_json_text(image), "left_running",
            arguments->leave_running || arguments->dry_run, "selectors",
            (json_int_t)result->selectors, "objects", (json_int_t)result->objects, "threads",
            (json_int_t)result->threads, "regions", (json_int_t)result->regions, "bytes",
            (json_int_t)result->bytes, "pause_ns", (json_int_t)result->pause_ns, "refusals"));
    if (arguments->dry_run) {
        printf("process %llu can be checkpointed: %zu selectors, %zu objects; nothing was "
               "stopped\n",
               (unsigned long long)arguments->pid, result->selectors, result->objects);
        return 0;
    }
    report_text(stdout, image);
    printf(": %zu selectors, %zu objects, %zu threads, %.1f MiB of memory; paused for %.2f ms; "
           "process %llu %s\n",
           result->selectors, result->objects, result->threads, (double)result->bytes / 1048576,
           (double)result->pause_ns / 1e6, (unsigned long long)arguments->pid,
           arguments->leave_running ? "runs on" : "ended");
    return 0;
}

static int run(const struct arguments *arguments)
{
    char name[64];
    char *image = NULL;
    process_name(arguments->pid, name, sizeof name);
    if (arguments->image
            ? !(image = strdup(arguments->image))
            : asprintf(&image, "./%s-%llu.recap", name, (unsigned long long)arguments->pid) < 0) {
        report_note("%s", strerror(ENOMEM));
        return RECAP_FAILED;
    }
    __attribute__((cleanup(session_close))) struct session session = {0};
    struct progress progress;
    struct recap_refusals refusals = {0};
    struct recap_checkpoint_result told = {0};
    struct recap_checkpoint_options options = {.path = arguments->dry_run ? NULL : image,
                                               .leave_running = arguments->leave_running,
                                               .externals = arguments->externals,
                                               .external_count = arguments->external_count,
                                               .progress = progress_begin(&progress)};
    int result = session_open(&session, 0);
    if (result == 0)
        result = recap_checkpoint(session.kernel, &arguments->pid, 1, &options, &refusals, &told,
                                  &session.error);
    progress_end(&progress);
    if (result < 0) {
        result = report_failure(arguments->json, &session.error, &refusals);
        if (refusals.count)
            report_note("%s was not checkpointed; it runs on", name);
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
        {"external", OPTION_EXTERNAL, "SELECTOR", 0,
         "Accept what this selector holds as external: restore will need a --bind for it", 0},
        {"json", OPTION_JSON, NULL, 0, "Answer in JSON", 0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "PID",
        "Write a process, with its memory, threads and whole capability space, into an image. "
        "What could not be restored is refused before the process is stopped: exit status 3, and "
        "each selector named with the reason."
        "\vExamples:\n"
        "  recap checkpoint --dry-run 1234\n"
        "  recap checkpoint -o db.recap 1234\n"
        "  recap checkpoint --leave-running --external 7 1234\n",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {.externals = calloc((size_t)argc, sizeof(recap_selector))};
    if (!arguments.externals) {
        report_note("%s", strerror(ENOMEM));
        return RECAP_FAILED;
    }
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    /* A limit on the size of files is an error to be told, and not the end. */
    signal(SIGXFSZ, SIG_IGN);
    int status = run(&arguments);
    if (status != 0)
        progress_release();
    free(arguments.externals);
    return status;
}
