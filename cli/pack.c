/* pack.c: recap pack: an image as one stream, to be kept or sent elsewhere. */
#include "cli/command.h"
#include "cli/report.h"
#include "files/output.h"
#include "image/image.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    const char *image;
    const char *output; /* NULL: standard output */
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->output = strcmp(text, "-") == 0 ? NULL : text;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_usage(state);
        arguments->image = text;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->image)
            argp_usage(state);
        if (!arguments->output && isatty(STDOUT_FILENO))
            argp_error(state, "a terminal cannot take an image; name a file with -o, or a pipe");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A whole file or none: like an image, it is as secret as the memory in it. */
static int pack_to_file(const char *image, const char *output, struct recap_error *error)
{
    struct files_output file;
    int result = files_output_open(output, 0600, FILES_NEW, &file, error);
    if (result < 0)
        return result;
    result = recap_image_pack(image, file.fd, error);
    if (result == 0 && fsync(file.fd) < 0 && errno != EINVAL)
        result = recap_fail(error, -errno, "syncing %s", output);
    if (result == 0)
        result = files_output_finish(&file, error);
    if (result < 0)
        files_output_remove(&file);
    files_output_clear(&file);
    return result;
}

int pack_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0, "Write to FILE, which may not exist yet (-: standard output)",
         0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "IMAGE",
        "Write an image as one stream, a tar archive, to standard output or a file. `recap unpack` "
        "makes it an image again, and checks all of it."
        "\vExamples:\n"
        "  recap pack -o db.tar db.recap\n"
        "  recap pack db.recap | ssh elsewhere recap unpack db.recap\n",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {0};
    struct recap_error error = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a failure to write */
    int result = arguments.output ? pack_to_file(arguments.image, arguments.output, &error)
                                  : recap_image_pack(arguments.image, STDOUT_FILENO, &error);
    return result < 0 ? report_failure(false, &error, NULL) : 0;
}
