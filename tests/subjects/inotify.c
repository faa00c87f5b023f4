/* inotify.c: watches report under their numbers; numbers that were used are not given again. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    char buffer[1024];
    struct inotify_event *event = (struct inotify_event *)buffer;
    subject_need(mkdir("watched", 0700) == 0 && mkdir("other", 0700) == 0, "mkdir: %m");
    close(open("watched/file", O_CREAT | O_WRONLY, 0600));
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    subject_need(inotify_add_watch(fd, "watched", IN_CREATE | IN_ONLYDIR) == 1, "watch: %m");
    subject_need(inotify_add_watch(fd, "other", IN_CREATE) == 2, "watch: %m");
    subject_need(inotify_add_watch(fd, "watched/file", IN_MODIFY | IN_ONESHOT) == 3, "watch: %m");
    subject_need(inotify_rm_watch(fd, 2) == 0 && read(fd, buffer, sizeof buffer) > 0, "remove: %m");

    subject_ready();
    subject_wait_go();

    subject_check(read(fd, buffer, sizeof buffer) < 0 && errno == EAGAIN, "events out of nowhere");
    int file = open("watched/file", O_WRONLY);
    subject_check(write(file, "x", 1) == 1, "write: %m");
    ssize_t got = read(fd, buffer, sizeof buffer);
    subject_check(got > 0 && event->wd == 3 && event->mask == IN_MODIFY, "the write is not seen");
    subject_check(write(file, "y", 1) == 1 && read(fd, buffer, sizeof buffer) < 0,
                  "the one-shot watch reports twice");
    close(open("watched/new", O_CREAT | O_WRONLY, 0600));
    got = read(fd, buffer, sizeof buffer);
    subject_check(got > 0 && event->wd == 1 && strcmp(event->name, "new") == 0,
                  "the new file is not seen");
    subject_check(inotify_add_watch(fd, "other", IN_CREATE) == 4, "an old number is given again");
    return subject_done();
}
