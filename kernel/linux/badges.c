/* badges.c: identity: badges of descriptions and inner objects. */
#include "kernel/linux/linux.h"
#include "kernel/linux/badges.h"
#include <stdlib.h>

#include <errno.h>

struct linux_badges *linux_badges_new(void)
{
    return malloc(1);
}

void linux_badges_free(struct linux_badges *badges)
{
    free(badges);
}

int linux_badge_enter(struct linux_kernel *kernel, pid_t pid, int fd, uint64_t immutable,
                      recap_badge *badge, struct recap_error *error)
{
    (void)kernel;
    (void)pid;
    (void)fd;
    (void)immutable;
    (void)badge;
    return recap_fail(error, -ENOSYS, "linux_badge_enter");
}

int linux_badge_inner(struct linux_kernel *kernel, const char *kind, uint64_t major,
                      uint64_t minor, recap_badge *badge, struct recap_error *error)
{
    (void)kernel;
    (void)kind;
    (void)major;
    (void)minor;
    (void)badge;
    return recap_fail(error, -ENOSYS, "linux_badge_inner");
}

int linux_badge_home(struct linux_kernel *kernel, recap_badge badge, struct linux_home *home)
{
    (void)kernel;
    (void)badge;
    (void)home;
    return -ENOSYS;
}

bool linux_badge_is_inner(struct linux_kernel *kernel, recap_badge badge, const char **kind,
                          uint64_t *major, uint64_t *minor)
{
    (void)kernel;
    (void)badge;
    (void)kind;
    (void)major;
    (void)minor;
    return 0;
}

void linux_badge_keep(struct linux_kernel *kernel, recap_badge badge, void *data,
                      void (*release)(void *data))
{
    (void)kernel;
    (void)badge;
    (void)data;
    (void)release;
}

void *linux_badge_kept(struct linux_kernel *kernel, recap_badge badge)
{
    (void)kernel;
    (void)badge;
    return NULL;
}

int linux_badge_fd(struct linux_kernel *kernel, recap_badge badge, int *fd,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)fd;
    return recap_fail(error, -ENOSYS, "linux_badge_fd");
}

int linux_badge_own(struct linux_kernel *kernel, int fd, recap_badge *badge,
                    struct recap_error *error)
{
    (void)kernel;
    (void)fd;
    (void)badge;
    return recap_fail(error, -ENOSYS, "linux_badge_own");
}

int linux_badge_made(struct linux_kernel *kernel, const char *kind, void *data,
                     void (*release)(void *data), recap_badge *badge, struct recap_error *error)
{
    (void)kernel;
    (void)kind;
    (void)data;
    (void)release;
    (void)badge;
    return recap_fail(error, -ENOSYS, "linux_badge_made");
}

recap_badge linux_badge_find(struct linux_kernel *kernel,
                             bool (*match)(void *context, recap_badge badge, struct linux_home home),
                             void *context)
{
    (void)kernel;
    (void)match;
    (void)context;
    return 0;
}
