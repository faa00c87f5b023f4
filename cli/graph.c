/* graph.c: recap graph: draws the capability graph of an image or of a running process. */
#include "cli/command.h"
#include "cli/dot.h"
#include "cli/report.h"
#include "cli/session.h"
#include "engine/engine.h"
#include "files/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct arguments {
    const char *subject;
    const char *output;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_usage(state);
        arguments->subject = text;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The graph of a running process, which is not stopped. What could not be restored is drawn too. */
static int walk(struct session *session, struct recap_graph *graph)
{
    struct recap_walk walk;
    struct recap_refusals refusals = {0};
    struct recap_pd_image *image = recap_graph_add_pd(graph);
    recap_walk_init(&walk, session->kernel, graph);
    int result = image ? recap_walk_slots(&walk, session->pd, image, &session->error)
                       : recap_fail(&session->error, -ENOMEM, "drawing the graph");
    if (result == 0)
        result = recap_walk_objects(&walk, NULL, 0, &refusals, &session->error);
    for (size_t i = 0; result == 0 && i < graph->object_count; i++)
        if (!graph->objects[i].label)
            session->kernel->ops->label(session->kernel, walk.badges[i + 1], graph->arena,
                                        &graph->objects[i].label, NULL);
    if (image)
        image->id = session->pd->id;
    recap_refusals_clear(&refusals);
    recap_walk_clear(&walk);
    return result;
}

static int draw_process(struct session *session, const char *subject, FILE *stream)
{
    uint64_t pid;
    parse_number(subject, &pid);
    int result = session_open(session, pid);
    struct recap_graph *graph = result == 0 ? recap_graph_new() : NULL;
    if (result == 0)
        result =
            graph ? walk(session, graph) : recap_fail(&session->error, -ENOMEM, "drawing a graph");
    if (result == 0 && (result = dot_write(graph, stream)) < 0)
        recap_fail(&session->error, result, "writing the graph");
    recap_graph_free(graph);
    return result;
}

static int draw_image(struct session *session, const char *subject, FILE *stream)
{
    struct recap_image *image;
    int result = recap_image_open(subject, &image, &session->error);
    if (result < 0)
        return result;
    result = dot_write(recap_image_graph(image), stream);
    recap_image_close(image);
    return result < 0 ? recap_fail(&session->error, result, "writing the graph") : 0;
}

/* The picture format that a file name asks for: what is behind its last dot. */
static const char *format_of(const char *output)
{
    const char *dot = strrchr(output, '.');
    return dot && !strchr(dot, '/') ? dot + 1 : "";
}

/* Has graphviz write the picture to `output`. */
static int render(const char *text, size_t length, const char *name, int output)
{
    char *format;
    int ends[2];
    if (asprintf(&format, "-T%s", format_of(name)) < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        report_note("running graphviz: %s", strerror(errno));
        return RECAP_FAILED;
    }
    signal(SIGPIPE, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[0], STDIN_FILENO);
        dup2(output, STDOUT_FILENO);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        execlp("dot", "dot", format, NULL);
        _exit(127);
    }
    free(format);
    close(ends[0]);
    while (child > 0 && length) {
        ssize_t written = write(ends[1], text, length);
        if (written < 0)
            break;
        text += written;
        length -= (size_t)written;
    }
    close(ends[1]);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        report_note("running graphviz: %s", strerror(errno));
        return RECAP_FAILED;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        report_note("graphviz is not installed (its program \"dot\"); write a .dot file instead");
    else if (status)
        report_note("graphviz could not make %s", name);
    return status ? RECAP_FAILED : 0;
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        text += written;
        length -= (size_t)written;
    }
    return 0;
}

static int save(const char *text, size_t length, const char *name)
{
    struct recap_error error = {0};
    struct files_output file;
    int result = name ? files_output_open(name, 0666, FILES_REPLACE, &file, &error) : 0;
    if (result < 0)
        return report_failure(false, &error, NULL);
    const char *format = name ? format_of(name) : "dot";
    int status = 0;
    if (*format && strcmp(format, "dot") != 0 && strcmp(format, "gv") != 0)
        status = render(text, length, name, file.fd);
    else if ((result = write_all(name ? file.fd : STDOUT_FILENO, text, length)) < 0)
        recap_fail(&error, result, "%s", name ? name : "writing the graph");
    if (name && result == 0 && status == 0)
        result = files_output_finish(&file, &error);
    if (name && (result < 0 || status))
        files_output_remove(&file);
    if (name)
        files_output_clear(&file);
    return result < 0 ? report_failure(false, &error, NULL) : status;
}

int graph_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0,
         "Write to FILE; graphviz makes the picture unless its name ends in .dot", 0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "IMAGE|PID",
        "Draw the capability graph of an image or of a running process: its selectors, the "
        "objects that they refer to, and what these objects refer to in turn. Dashed arrows are "
        "ties, dashed boxes are external objects. A number is a PID; write ./NUMBER for an image "
        "of that name."
        "\vExamples:\n"
        "  recap graph 1234 -o process.svg\n"
        "  recap graph db.recap | dot -Tpdf >graph.pdf\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a failure to write */

    __attribute__((cleanup(session_close))) struct session session = {0};
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (!stream) {
        report_note("%s", strerror(errno));
        return RECAP_FAILED;
    }
    int result = is_pid(arguments.subject) ? draw_process(&session, arguments.subject, stream)
                                           : draw_image(&session, arguments.subject, stream);
    if (fclose(stream) == EOF && result == 0)
        result = recap_fail(&session.error, -ENOMEM, "drawing the graph");
    result = result < 0 ? report_failure(false, &session.error, NULL)
                        : save(text, length, arguments.output);
    free(text);
    return result;
}
