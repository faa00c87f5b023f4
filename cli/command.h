/* command.h: the commands of recap(1), and what their argument parsers share. */
#ifndef RECAP_CLI_COMMAND_H
#define RECAP_CLI_COMMAND_H

#include <argp.h>
#include <recap/checkpoint.h>
#include <stdbool.h>
#include <stdint.h>

/* Each command parses its own arguments; argv[0] is "recap COMMAND". Returns the exit status: 0 or
 * an enum recap_class. */
int caps_command(int argc, char **argv);
int check_command(int argc, char **argv);
int checkpoint_command(int argc, char **argv);
int core_command(int argc, char **argv);
/* What core executes for each client; nobody else does. */
int core_client_command(int argc, char **argv);
int graph_command(int argc, char **argv);
int install_command(int argc, char **argv);
int ls_command(int argc, char **argv);
int pack_command(int argc, char **argv);
int remove_command(int argc, char **argv);
int request_command(int argc, char **argv);
int restore_command(int argc, char **argv);
int session_command(int argc, char **argv);
int show_command(int argc, char **argv);
int unpack_command(int argc, char **argv);
int verify_command(int argc, char **argv);

/* --- arguments.c ------------------------------------------------------------------------------ */

/* Keys of options without a letter. */
enum option_key {
    OPTION_JSON = 0x100,
    OPTION_BIND,
    OPTION_CLOSE_ON_EXEC,
    OPTION_DETACH,
    OPTION_DRY_RUN,
    OPTION_EXTERNAL,
    OPTION_LAZY,
    OPTION_LEAVE_RUNNING,
    OPTION_NAMESPACE,
    OPTION_PIDFILE,
    OPTION_CORE,
    OPTION_LISTEN,
    OPTION_CLIENTS,
    OPTION_MEMORY,
    OPTION_PATIENCE,
    OPTION_LOOK,
    OPTION_FULL,
};

/* --core ADDRESS, which every command knows: a child of its parser. */
extern const struct argp_child core_option[];
/* Where core is: as --core or RECAP_CORE says; NULL: this process is its own core. */
const char *core_address(void);
/* As --core before the command says it. */
void core_address_set(const char *address);

/* A decimal number and nothing else: no sign, no space, no overflow. */
bool parse_number(const char *text, uint64_t *number);
/* [PD:]SELECTOR. */
bool parse_place(const char *text, struct recap_place *place);
/* [PD:]SELECTOR=OBJECT: OBJECT becomes the part of `text` behind the sign. */
bool parse_binding(const char *text, struct recap_binding *binding);

/* The same for a parser: what is malformed is a usage error that names `text`, and ends recap. */
uint64_t argument_pid(const struct argp_state *state, const char *text);
struct recap_place argument_place(const struct argp_state *state, const char *text);
recap_selector argument_selector(const struct argp_state *state, const char *text);
/* Whether a positional argument looks like a PID and not like a file. */
bool is_pid(const char *text);

#endif
