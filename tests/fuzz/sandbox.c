/* sandbox.c: a file system that cannot be written and an empty network, in namespaces of our own.
 */
#include "tests/fuzz/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
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

static void hide_devices(void)
{
    int null = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    need(null, "keeping /dev/null");
    need(mount("fuzz", "/dev", "tmpfs", 0, "size=1m,nr_inodes=1k"), "mounting over /dev");
    int place = open("/dev/null", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    need(place, "making /dev/null");
    close(place);
    need(move_mount(null, "", AT_FDCWD, "/dev/null", MOVE_MOUNT_F_EMPTY_PATH), "placing /dev/null");
    close(null);
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
    char *kept[argc];
    for (int i = 1; i < argc; i++) {
        char *name = strdup(argv[i]);
        char *end = name ? strrchr(name, '/') : NULL;
        bool findings = end && strncmp(name, prefix, sizeof prefix - 1) == 0;
        if (findings)
            *end = '\0';
        kept[i] = !name || (*name == '-' && !findings)
                      ? NULL
                      : realpath(findings ? name + sizeof prefix - 1 : name, NULL);
        free(name);
    }
    need(unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET), "unshare");
    need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "making mounts private");
    hide_devices();
    need(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &unwritable, sizeof unwritable),
         "making mounts unwritable");
    for (int i = 1; i < argc; i++)
        if (kept[i])
            make_writable(kept[i]);
    for (int i = 1; i < argc; i++)
        free(kept[i]);
}
