/* main.c: recap(1): finds the command and runs it. */
#include "cli/command.h"
#include "cli/report.h"
#include "core/host/launch.h"
#include "recap-version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* NULL: not for people */
} commands[] = {
    {"ls", ls_command, "list the PDs that you may open"},
    {"caps", caps_command, "list the capability space of a process"},
    {"request", request_command, "show one of its capabilities, or run a command that holds it"},
    {"install", install_command, "place a capability at a selector of a running process"},
    {"remove", remove_command, "take a capability away from it"},
    {"checkpoint", checkpoint_command, "write a process, or a set of them, into an image"},
    {"restore", restore_command, "bring a process back from an image"},
    {"verify", verify_command, "compare running processes with an image"},
    {"show", show_command, "show what an image holds"},
    {"pack", pack_command, "write an image as one stream"},
    {"unpack", unpack_command, "make an image of such a stream"},
    {"graph", graph_command, "draw the capability graph of an image or a process"},
    {"core", core_command, "serve PDs to clients: be their core"},
    {CORE_CLIENT_COMMAND, core_client_command, NULL},
    {"session", session_command, "run a command that may reach one PD and no other"},
    {"check", check_command, "say what this kernel and this user can do"},
};

static void print_help(void)
{
    printf("Usage: recap [--core ADDRESS] COMMAND [OPTION...] [ARGUMENT...]\n"
           "Checkpoint running processes, restore them, and read and write their capability "
           "spaces.\n\n"
           "Commands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (commands[i].summary)
            printf("  %-12s %s\n", commands[i].name, commands[i].summary);
    printf("\n"
           "With --core ADDRESS, before or behind the command, it works through the core there:\n"
           "unix:PATH, serial:PATH, or fd:N for a session that was handed on. RECAP_CORE in the\n"
           "environment says the same.\n"
           "\n"
           "Examples:\n"
           "  recap caps 1234                     what process 1234 holds\n"
           "  recap checkpoint -o db.recap 1234   checkpoint it, and end it\n"
           "  recap restore db.recap              bring it back\n"
           "  recap --core serial:/dev/ttyUSB0 ls the PDs of a machine at a serial line\n"
           "\n"
           "`recap COMMAND --help` says more of a command; so does `man recap-COMMAND`.\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage, 3 something unsupported (named),\n"
           "4 damaged or foreign image.\n");
}

static int run(const struct command *command, int argc, char **argv)
{
    static char name[64];
    snprintf(name, sizeof name, "recap %s", command->name);
    argv[0] = name;
    argp_err_exit_status = RECAP_USAGE;
    argp_program_version = "recap " RECAP_VERSION;
    return command->run(argc, argv);
}

/* Takes --core ADDRESS off the front. Returns how many words that were, or -1. */
static int take_core(int argc, char **argv)
{
    static const char equal[] = "--core=";
    int taken = 1;
    while (taken < argc) {
        if (strncmp(argv[taken], equal, sizeof equal - 1) == 0) {
            core_address_set(argv[taken++] + sizeof equal - 1);
        } else if (strcmp(argv[taken], "--core") == 0) {
            if (taken + 1 == argc)
                return -1;
            core_address_set(argv[taken + 1]);
            taken += 2;
        } else {
            break;
        }
    }
    return taken - 1;
}

int main(int argc, char **argv)
{
    int taken = take_core(argc, argv);
    if (taken < 0) {
        report_note("--core is followed by where core is: unix:PATH, serial:PATH or fd:N");
        return RECAP_USAGE;
    }
    argc -= taken;
    argv += taken;
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return run(&commands[i], argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help();
        return fflush(stdout) == EOF ? RECAP_FAILED : 0;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("recap " RECAP_VERSION);
        return fflush(stdout) == EOF ? RECAP_FAILED : 0;
    }
    if (argc > 1)
        report_note("there is no command \"%s\"; `recap --help` lists them", name);
    else
        report_note("which command? `recap --help` lists them");
    return RECAP_USAGE;
}
