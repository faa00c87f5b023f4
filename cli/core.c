/* core.c: recap core: serves the PDs of this machine to clients. */
#include "cli/command.h"
#include "cli/report.h"
#include "core/host/launch.h"
#include "core/host/listen.h"

#include <errno.h>
#include <limits.h>
#include <recap/error.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    const char *path;
    struct core_listen_options options;
    size_t memory_mib;
};

/* A number of things, at least one and at most `most`. */
static size_t argument_count(const struct argp_state *state, const char *text, size_t most)
{
    uint64_t number = 0;
    if (!parse_number(text, &number) || !number || number > most)
        argp_error(state, "\"%s\" is not a number from 1 to %zu", text, most);
    return (size_t)number;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_LISTEN:
        if (strncmp(text, "unix:", 5) != 0)
            argp_error(state, "\"%s\" is not where core can listen; write unix:PATH", text);
        arguments->path = text + 5;
        return 0;
    case OPTION_CLIENTS:
        arguments->options.clients = argument_count(state, text, INT_MAX);
        return 0;
    case OPTION_MEMORY:
        arguments->memory_mib = argument_count(state, text, SIZE_MAX >> 22);
        return 0;
    case OPTION_PATIENCE:
        arguments->options.patience_ms = (int)argument_count(state, text, INT_MAX / 1000) * 1000;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int serve(const struct arguments *arguments, struct recap_error *error)
{
    int socket;
    int result = arguments->path ? core_listen_at(arguments->path, &socket, error)
                                 : core_listen_inherited(&socket, error);
    if (result == -ENOENT && !arguments->path)
        recap_error_remedy(error, "say where to listen: --listen unix:PATH");
    if (result < 0)
        return result;
    if (arguments->path)
        report_note("core listens at unix:%s", arguments->path);
    /* Whoever waits at the socket may have put something into it whose closing takes any time but
     * at the end of a process. */
    result = core_listen_run(socket, &arguments->options, error);
    if (arguments->path)
        unlink(arguments->path);
    return result;
}

int core_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"listen", OPTION_LISTEN, "unix:PATH", 0,
         "Listen there; without this, on the socket that the service manager passes", 0},
        {"clients", OPTION_CLIENTS, "N", 0,
         "Serve at most N clients and sessions of one user (default: 16)", 0},
        {"memory", OPTION_MEMORY, "MIB", 0,
         "Hold at most so much memory for a client (default: 256)", 0},
        {"patience", OPTION_PATIENCE, "SECONDS", 0,
         "Let a client go whose request has not arrived whole after this (default: 10)", 0},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "Serve the PDs of this machine to clients that connect with --core. Each client is served "
        "by a process of its own with the client's rights: it may open what its user may trace, "
        "and nothing else. A core that root runs serves every user, any other its own user."
        "\vExamples:\n"
        "  recap core --listen unix:/run/user/1000/recap.sock\n"
        "  recap --core unix:/run/user/1000/recap.sock ls\n"
        "  systemctl enable --now recap-core.socket\n",
        core_option,
        NULL,
        NULL};
    struct arguments arguments = {.options = {.clients = 16, .patience_ms = 10 * 1000},
                                  .memory_mib = 256};
    struct recap_error error = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    arguments.options.memory = arguments.memory_mib << 20;
    return serve(&arguments, &error) < 0 ? report_failure(false, &error, NULL) : 0;
}

int core_client_command(int argc, char **argv)
{
    struct core_client client = {0};
    (void)argv;
    if (argc != 1 || core_launched(&client) < 0) {
        report_note("it is core that starts this, for each of its clients");
        return RECAP_USAGE;
    }
    /* All that is left is the kernel's to let go of. */
    _exit(core_client_serve(&client));
}
