/* name.h: names in the file system that the user gives, resolved without trusting anybody.
 *
 * A folder that others may write to holds what they put there: their symbolic links, their files in
 * place of those that were meant. So a path is resolved once, folder by folder, each of them held
 * open; no link is followed that somebody else could have put there; and everything that happens
 * then happens to the name in the folder that was found. Whom we trust is root and the caller. */
#ifndef RECAP_FILES_NAME_H
#define RECAP_FILES_NAME_H

#include <recap/error.h>
#include <stdbool.h>
#include <sys/stat.h>

struct files_name {
    int folder; /* held with O_PATH */
    char *name; /* in it; NULL when `open` is all that there is */
    int open;   /* what a link of /proc leads to (/dev/stdout does), held with O_PATH; else -1 */
    /* Somebody else could have what the path leads to be another one, now or later. */
    bool others;
};

enum files_last {
    FILES_FOLLOW, /* the last component is what it leads to, if it is a link */
    FILES_AS_IS,  /* it is the name itself */
};

/* Finds a name that need not exist, in a folder that does. */
int files_find(const char *path, enum files_last last, struct files_name *found,
               struct recap_error *error);
void files_name_clear(struct files_name *found);

/* What has that name now: 0 or a negative errno. */
int files_look(const struct files_name *at, struct stat *status);
/* Whether an existing file of that name may be written to in its place: it is no trap of somebody
 * else's. Fills `error` if not. */
int files_may_change(const struct files_name *at, const char *path, struct recap_error *error);
/* Removes the name if it still is that of the file `status`. */
void files_remove(const struct files_name *at, const struct stat *status);
/* Whether only the caller and root can have made or changed what `status` is about. */
bool files_is_ours(const struct stat *status);

#endif
