/* states.h: one state of a program that the kernel keeps, as one entry of a table.
 *
 * Each family (process, threads, ...) is one file with one table, and FAMILY.names beside it lists
 * where the kernel's names of such states are looked for and which of them are no state, and why.
 * tests/states/run sets the states of a family in a fresh process, checkpoints it, restores it, and
 * reads each again; tests/states/names finds the names that no entry claims.
 *
 *     {.name = "PR_SET_CHILD_SUBREAPER", .set = set_subreaper, .read = read_subreaper}
 *
 * is a state that has to come back. With .refused it has to be refused by a checkpoint in these
 * words; with .limit it is one that the kernel gives no way for, and the phrase has to stand under
 * LIMITS in recap-restore(1).
 */
#ifndef RECAP_TESTS_STATES_H
#define RECAP_TESTS_STATES_H

#include <stdbool.h>
#include <stddef.h>

enum { STATE_TEXT = 1024, STATE_NUMBERS = 6 };

/* An entry in use: what it holds from its setting to its last reading. */
struct held {
    const struct state *state;
    int fd, other; /* descriptors, -1 at first */
    void *memory;
    long number;
    char ordinary[STATE_TEXT], before[STATE_TEXT], after[STATE_TEXT];
    int failed; /* the errno with which it could not be set */
};

struct state {
    const char *name; /* the kernel's, with a word behind it where there are several */
    /* The names of headers and of /proc that it claims, with spaces between them: without this, the
     * first word of `name`. */
    const char *claims;
    /* Makes what has the state (may be NULL); gives it another value than it has at first. 0, or -1
     * with errno. */
    int (*open)(struct held *held);
    int (*set)(struct held *held);
    /* The state as printable text. Run before it is set, after that, and after the restore. */
    void (*read)(struct held *held, char text[STATE_TEXT]);
    long numbers[STATE_NUMBERS]; /* for functions that serve several entries */
    const char *refused, *limit;
    /* What may keep it from being set: the first Linux that has it ("6.17"), a processor, a
     * configuration. Whatever else does is a failure of the test. The lack of a privilege needs no
     * word. */
    const char *since, *may_lack;
    bool alone; /* it would disturb the others: tried in a process of its own */
};

struct family {
    const char *name;
    const struct state *states;
    size_t count;
    bool by_thread; /* set and read by another thread than the first */
};

#define STATE_FAMILY(variable, family_name, table, ...)                                            \
    const struct family variable = {.name = (family_name),                                         \
                                    .states = (table),                                             \
                                    .count = sizeof(table) / sizeof *(table),                      \
                                    ##__VA_ARGS__}

/* Writes the text of a state, or what errno says if `answered` is false. */
void state_say(char text[STATE_TEXT], bool answered, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Bytes in hexadecimal; or what errno says. */
void state_say_bytes(char text[STATE_TEXT], bool read, const unsigned char *bytes, size_t size);
/* The whole of a file, each newline and tab a space; or what errno says. */
void state_say_file(char text[STATE_TEXT], const char *path);
/* The value of a line "NAME:\tVALUE" in a file of /proc. */
void state_say_field(char text[STATE_TEXT], const char *path, const char *name);
/* prctl with the numbers {option, value, value}, and its answer to the option in the fourth: as its
 * result, or through a pointer. */
int state_set_option(struct held *held);
void state_read_option(struct held *held, char text[STATE_TEXT]);
void state_read_option_there(struct held *held, char text[STATE_TEXT]);
/* The field in the name of the state ("Umask" of "status:Umask"), as the process or the thread has
 * it. */
void state_read_status(struct held *held, char text[STATE_TEXT]);
/* Writes a text to a file: 0, or -1 with errno. */
int state_write_file(const char *path, const char *content);

#endif
