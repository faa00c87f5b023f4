/* output.h: a file that is whole or absent. */
#ifndef RECAP_FILES_OUTPUT_H
#define RECAP_FILES_OUTPUT_H

#include "files/name.h"

struct files_output {
    char *path; /* for messages */
    struct files_name at;
    int fd; /* to write to; -1: none */
    bool nameless;
    bool whole; /* finished */
    bool made;  /* it was not there before */
};

enum files_existing {
    FILES_NEW,     /* what exists is left alone, and the file is not made */
    FILES_REPLACE, /* is written over; what is not a file is written to */
};

/* Opens a file to be written, from the beginning and without seeking. Until files_output_finish a
 * new one has no name where the file system can do that: the kernel takes it away should we be
 * killed; and one that exists is as it was until something is written. */
int files_output_open(const char *path, mode_t mode, enum files_existing existing,
                      struct files_output *output, struct recap_error *error);
/* What was written, and no more, gets the name. `output` stays as it is, for files_output_remove.
 */
int files_output_finish(struct files_output *output, struct recap_error *error);
/* What was made or finished shall not be there after all. */
void files_output_remove(struct files_output *output);
/* Closes. A file that was made and not finished is gone. */
void files_output_clear(struct files_output *output);

#endif
