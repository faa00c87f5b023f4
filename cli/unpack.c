/* unpack.c: recap unpack: an image again of what recap pack made a stream of. */
#include "cli/command.h"
#include "cli/report.h"
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    const char *words[2];
    unsigned count;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (arguments->count == 2)
            argp_usage(state);
        arguments->words[arguments->count++] = text;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->count)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int unpack_command(int argc, char **argv)
{
    static const struct argp argp = {
        NULL,
        parse,
        "[FILE] IMAGE",
        "Make an image of the stream in FILE (standard input without one, or as -) that `recap "
        "pack` "
        "wrote. Only what belongs to an image is taken, and every byte is checked: the image is "
        "whole or absent."
        "\vExamples:\n"
        "  recap unpack db.tar db.recap\n"
        "  ssh elsewhere recap pack db.recap | recap unpack db.recap\n",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {0};
    struct recap_error error = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a failure to write */
    const char *image = arguments.words[arguments.count - 1];
    const char *file = arguments.count == 2 ? arguments.words[0] : "-";
    int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? recap_fail(&error, -errno, "opening %s", file)
                        : recap_image_unpack(fd, image, &error);
    if (fd > STDIN_FILENO)
        close(fd);
    return result < 0 ? report_failure(false, &error, NULL) : 0;
}
