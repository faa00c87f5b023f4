/* sharing.c: which selectors share an open file, and which only name the same one. */
#include "subject.h"

#include <fcntl.h>
#include <unistd.h>

int main(void)
{
    int first = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);
    subject_need(first == 3, "open: %m");
    subject_need(write(first, "0123456789", 10) == 10, "write: %m");
    int shared = dup2(first, 40);
    int apart = open("file", O_RDONLY | O_CLOEXEC);
    int far = fcntl(apart, F_DUPFD_CLOEXEC, 700);
    subject_need(shared == 40 && apart == 4 && far == 700, "dup: %m");
    subject_need(lseek(first, 3, SEEK_SET) == 3 && lseek(apart, 5, SEEK_SET) == 5, "lseek: %m");

    subject_ready();
    subject_wait_go();

    char byte;
    subject_check(read(shared, &byte, 1) == 1 && byte == '3', "selector 40 lost its offset");
    subject_check(lseek(first, 0, SEEK_CUR) == 4, "selectors 3 and 40 no longer share an offset");
    subject_check(read(far, &byte, 1) == 1 && byte == '5', "selector 700 lost its offset");
    subject_check(lseek(apart, 0, SEEK_CUR) == 6, "selectors 4 and 700 no longer share an offset");
    subject_check(fcntl(first, F_GETFD) == 0, "selector 3 is close-on-exec now");
    subject_check(fcntl(apart, F_GETFD) == FD_CLOEXEC, "selector 4 is no longer close-on-exec");
    subject_check((fcntl(apart, F_GETFL) & O_ACCMODE) == O_RDONLY, "selector 4 may write now");
    subject_check(fcntl(5, F_GETFD) < 0, "selector 5 is in use");
    return subject_done();
}
