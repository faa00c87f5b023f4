/* same_mounts.c: whether a process in a mount namespace of its own sees the same as we do. What is
 * restored into a PID namespace does, but for its /proc. */
#include "kernel/linux/process/examine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The mounts of a namespace: of each line of mountinfo what is mounted where. */
struct mounts {
    char *text;
    char **lines;
    size_t count;
};

static void clear(struct mounts *mounts)
{
    free(mounts->text);
    free(mounts->lines);
}

static int order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cuts a line down to device, root and place: its numbers differ, and its options may. */
static char *what_and_where(char *line)
{
    char *start = line;
    for (int i = 0; start && i < 2; i++)
        start = strchr(start + 1, ' ');
    char *end = start;
    for (int i = 0; end && i < 3; i++)
        end = strchr(end + 1, ' ');
    if (end)
        *end = '\0';
    return start;
}

static int read_mounts(int directory, const char *path, struct mounts *mounts)
{
    int result = linux_procfs_read(directory, path, &mounts->text, NULL);
    if (result < 0)
        return result;
    char *rest = mounts->text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *mount = *line ? what_and_where(line) : NULL;
        char **more = mount ? reallocarray(mounts->lines, mounts->count + 1, sizeof *more) : NULL;
        if (mount && !more)
            return -ENOMEM;
        if (!mount)
            continue;
        mounts->lines = more;
        mounts->lines[mounts->count++] = mount;
    }
    if (mounts->count)
        qsort(mounts->lines, mounts->count, sizeof *mounts->lines, order);
    return 0;
}

static bool is_proc(const char *mount)
{
    static const char place[] = " / /proc";
    size_t length = strlen(mount);
    return length >= sizeof place - 1 && strcmp(mount + length - (sizeof place - 1), place) == 0;
}

bool linux_examine_same_mounts(const struct linux_pd *pd)
{
    __attribute__((cleanup(clear))) struct mounts ours = {0}, theirs = {0};
    if (read_mounts(AT_FDCWD, "/proc/self/mountinfo", &ours) < 0 ||
        read_mounts(pd->proc, "mountinfo", &theirs) < 0)
        return false;
    size_t own = 0, more = 0;
    for (size_t i = 0; i < theirs.count; i++)
        if (own < ours.count && strcmp(theirs.lines[i], ours.lines[own]) == 0)
            own++;
        else if (is_proc(theirs.lines[i]))
            more++;
        else
            return false;
    return own == ours.count && more <= 1;
}
