/* opening.h: what the states of files, inodes and events are states of. */
#ifndef RECAP_TESTS_STATES_OPENING_H
#define RECAP_TESTS_STATES_OPENING_H

#include "states.h"

/* What is opened: numbers[0]. */
enum {
    A_FILE,
    REMOVED_FILE,
    DIRECTORY,
    REMOVED_DIRECTORY,
    PIPE_READER,
    PIPE_WRITER,
    FIFO,
    REMOVED_FIFO,
    MEMORY,
    SEALABLE_MEMORY,
    OF_PROC,
    EVENTS,
    TIMER,
    SIGNALS,
    INOTIFY,
    EPOLL,
    PROCESS,
    TERMINAL,
};

/* Opens what numbers[0] says, with the flags numbers[1]. */
int file_open(struct held *held);
/* The same with other flags. */
int file_open_with(struct held *held, int flags);
/* A file that never had a name, with the flags numbers[2]. */
int file_open_nameless(struct held *held);
/* What F_GETFL shows. */
void file_read_flags(struct held *held, char text[STATE_TEXT]);
/* fcntl with a number: numbers[3] sets, numbers[4] gets, numbers[2] is the value. */
int file_set_command(struct held *held);
void file_read_command(struct held *held, char text[STATE_TEXT]);

#endif
