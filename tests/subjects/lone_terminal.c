/* lone_terminal.c: a session whose controlling terminal nobody has open: only its master is held.
 * Owner and mode of the terminal are what they were. */
#include "subject.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { GROUP = 44444 };

int main(void)
{
    /* The leader of a session cannot lead another one; who starts the subject decides. */
    pid_t leader = setsid() < 0 ? getsid(0) : getpid();
    char name[64], now[64];
    struct stat before = {0}, after = {0};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    subject_need(leader == getpid(), "the subject does not lead its session");
    subject_need(master >= 0 && unlockpt(master) == 0, "posix_openpt: %m");
    subject_need(ptsname_r(master, name, sizeof name) == 0, "ptsname: %m");
    int end = open(name, O_RDWR | O_NOCTTY);
    subject_need(end >= 0 && ioctl(end, TIOCSCTTY, 0) == 0, "TIOCSCTTY: %m");
    subject_need(fchmod(end, 0604) == 0, "fchmod: %m");
    if (geteuid() == 0)
        subject_need(fchown(end, GROUP, GROUP) == 0, "fchown: %m");
    subject_need(fstat(end, &before) == 0 && close(end) == 0, "close: %m");

    subject_ready();
    subject_wait_go();

    int own = open("/dev/tty", O_RDWR | O_NOCTTY);
    subject_check(own >= 0, "there is no controlling terminal: %m");
    subject_check(tcgetpgrp(own) == getpgrp(), "the group is not in the foreground");
    subject_check(tcgetsid(master) == getpid(), "the terminal controls another session");
    subject_check(ptsname_r(master, now, sizeof now) == 0 && strcmp(now, name) == 0,
                  "the terminal has another name");
    subject_check(stat(name, &after) == 0 && after.st_mode == before.st_mode,
                  "the mode was %o and is %o", before.st_mode, after.st_mode);
    subject_check(after.st_uid == before.st_uid, "the owner was %d and is %d", (int)before.st_uid,
                  (int)after.st_uid);
    subject_check(geteuid() != 0 || after.st_gid == before.st_gid, "the group was %d and is %d",
                  (int)before.st_gid, (int)after.st_gid);
    return subject_done();
}
