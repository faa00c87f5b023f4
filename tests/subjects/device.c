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

int main(void)
{
    int fds[COUNT];
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
    return subject_done();
}
