/* sandbox.c: a file system that cannot be written and an empty network, in namespaces of our own.
 */
#include "tests/fuzz/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(int result, const char *what)
{
    if (result >= 0)
        return;
    perror(what);
    exit(1);
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    need(fd, path);
    close(fd);
}

/* Null stays, by way of a place that is kept meanwhile. */
static void hide_devices(void)
{
    need(mount("fuzz", "/tmp", "tmpfs", 0, "size=1m,nr_inodes=1k"), "mounting over /tmp");
    make_file("/tmp/null");
    need(mount("/dev/null", "/tmp/null", NULL, MS_BIND, NULL), "keeping /dev/null");
    need(mount("fuzz", "/dev", "tmpfs", 0, "size=1m,nr_inodes=1k"), "mounting over /dev");
    make_file("/dev/null");
    need(mount("/tmp/null", "/dev/null", NULL, MS_BIND, NULL), "placing /dev/null");
}

static void make_writable(const char *folder)
{
    struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
    need(mount(folder, folder, NULL, MS_BIND, NULL), folder);
    need(mount_setattr(AT_FDCWD, folder, 0, &writable, sizeof writable), folder);
}

void sandbox_enter(int argc, char **argv)
{
    static const char prefix[] = "-artifact_prefix=";
    struct mount_attr unwritable = {.attr_set = MOUNT_ATTR_RDONLY};
    /* Absolute names, of before what is below is mounted over. */
    char *kept[argc];
    for (int i = 1; i < argc; i++) {
        char *name = strncmp(argv[i], prefix, sizeof prefix - 1) == 0
                         ? strndup(argv[i], strrchr(argv[i], '/') - argv[i]) + sizeof prefix - 1
                         : argv[i];
        kept[i] = *name == '-' ? NULL : realpath(name, NULL);
    }
    need(unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET), "unshare");
    need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "making mounts private");
    hide_devices();
    need(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &unwritable, sizeof unwritable),
         "making mounts unwritable");
    for (int i = 1; i < argc; i++)
        if (kept[i])
            make_writable(kept[i]);
}
