/* process_file.c: files and directories of /proc that speak of the component itself. */
#include "kernel/linux/objects/process_file.h"

#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/virtual_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number that a process has for itself, in its own PID namespace; 0 if it is gone. */
static long own_number(const struct linux_description *description)
{
    char path[32], status[8192];
    if (!description->pid)
        return getpid();
    snprintf(path, sizeof path, "/proc/%d/status", (int)description->pid);
    if (linux_procfs_read_into(AT_FDCWD, path, status, sizeof status) < 0)
        return 0;
    const char *numbers = linux_procfs_field(status, "NSpid");
    long own = 0;
    for (char *end; numbers && *numbers != '\n'; numbers = end) {
        own = strtol(numbers, &end, 10);
        if (end == numbers)
            break;
    }
    return own;
}

/* A file in /proc that speaks of a process: it has to be about the component itself, as a whole.
 * Its path is kept with the number that the component has for itself. */
int linux_process_file_identify(const struct linux_description *description, const char *path,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error)
{
    char *end = NULL;
    long pid = strncmp(path, "/proc/", 6) == 0 ? strtol(path + 6, &end, 10) : 0, own;
    int result = linux_virtual_file_stateless(description, path, error);
    if (result < 0)
        return result;
    if (!end || end == path + 6 || (*end && *end != '/')) {
        recap_put_text(arena, state, "path", path);
        return 0;
    }
    bool thread = strncmp(end, "/task/", 6) == 0;
    if (pid != (description->pid ? description->pid : getpid()) || thread ||
        (own = own_number(description)) <= 0)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s speaks of %s, which need not be there at restore", path,
                            thread ? "one thread" : "another process");
    recap_put_number(arena, state, "process", own);
    recap_put_text(arena, state, "entry", *end ? end + 1 : "");
    return 0;
}

int linux_process_file_open(struct linux_kernel *kernel, const struct recap_object *object,
                            int flags, int *fd, struct recap_error *error)
{
    const char *file = recap_text_or_null(object->state, "entry");
    int64_t process = recap_number_or(object->state, "process", 0);
    char *path;
    if (!file || strstr(file, "..") || process <= 0 || process > INT32_MAX)
        return linux_state_damaged(object, "process", error);
    pid_t pid = linux_pd_born(kernel, (pid_t)process);
    if (asprintf(&path, "/proc/%d/%s", pid ? (int)pid : (int)process, file) < 0)
        return recap_fail(error, -ENOMEM, "opening a file of process %lld", (long long)process);
    int opened = open(path, flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    int result = opened < 0 ? recap_fail(error, -errno, "opening %s", path) : 0;
    free(path);
    if (result == 0)
        *fd = opened;
    return result;
}

bool linux_process_file_is(const struct recap_object *object)
{
    return recap_member(object->state, "process") != NULL;
}
