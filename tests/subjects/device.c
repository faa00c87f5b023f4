/* device.c: the memory devices. */
#include "subject.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct {
    const char *path;
    unsigned minor;
    int flags;
} devices[] = {
    {"/dev/null", 3, O_RDWR},      {"/dev/zero", 5, O_RDONLY | O_NONBLOCK},
    {"/dev/full", 7, O_WRONLY},    {"/dev/random", 8, O_RDONLY},
    {"/dev/urandom", 9, O_RDONLY},
};
enum { COUNT = sizeof devices / sizeof *devices };

/* One more /dev/null, by a node of its own that is gone by now; the usual one where that may not be
 * made. */
static int open_removed_node(void)
{
    if (mknod("node", S_IFCHR | 0600, makedev(1, 3)) < 0)
        return open(devices[0].path, O_RDWR);
    int fd = open("node", O_RDWR);
    return unlink("node") < 0 ? -1 : fd < 0 ? open(devices[0].path, O_RDWR) : fd;
}

int main(void)
{
    int fds[COUNT], removed = open_removed_node();
    subject_need(removed >= 0, "opening a node that is removed: %m");
    for (int i = 0; i < COUNT; i++) {
        fds[i] = open(devices[i].path, devices[i].flags);
        subject_need(fds[i] >= 0, "opening %s: %m", devices[i].path);
    }

    subject_ready();
    subject_wait_go();

    for (int i = 0; i < COUNT; i++) {
        struct stat status;
        char byte = 'x';
        subject_check(fstat(fds[i], &status) == 0 && status.st_rdev == makedev(1, devices[i].minor),
                      "%s is another device", devices[i].path);
        subject_check((fcntl(fds[i], F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == devices[i].flags,
                      "the flags of %s differ", devices[i].path);
        if (devices[i].minor == 3)
            subject_check(write(fds[i], &byte, 1) == 1 && read(fds[i], &byte, 1) == 0,
                          "%s does not swallow and give nothing", devices[i].path);
        else if (devices[i].minor == 7)
            subject_check(write(fds[i], &byte, 1) < 0, "%s is not full", devices[i].path);
        else
            subject_check(read(fds[i], &byte, 1) == 1, "%s gives nothing", devices[i].path);
    }
    struct stat status = {0};
    subject_check(fstat(removed, &status) == 0 && status.st_rdev == makedev(1, 3) &&
                      write(removed, "x", 1) == 1,
                  "a device without a node is another device");
    return subject_done();
}
