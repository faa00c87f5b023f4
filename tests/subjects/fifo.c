/* fifo.c: FIFOs: found again by name, with content, also without a writer. */
#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    char text[16];
    subject_need(mkfifo("fifo", 0600) == 0 && mkfifo("waiting", 0600) == 0, "mkfifo: %m");
    int reader = open("fifo", O_RDONLY | O_NONBLOCK), writer = open("fifo", O_WRONLY);
    int waiting = open("waiting", O_RDONLY | O_NONBLOCK);
    subject_need(reader >= 0 && writer >= 0 && waiting >= 0, "open: %m");
    subject_need(write(writer, "queued", 6) == 6, "write: %m");

    subject_ready();
    subject_wait_go();

    subject_check(read(reader, text, sizeof text) == 6 && memcmp(text, "queued", 6) == 0,
                  "the content is lost");
    subject_check(write(writer, "more", 4) == 4 && read(reader, text, sizeof text) == 4,
                  "the ends do not belong together");
    struct pollfd ask = {.fd = waiting, .events = POLLIN};
    subject_check(poll(&ask, 1, 0) == 0, "a reader sees a writer that never came");
    int late = open("waiting", O_WRONLY | O_NONBLOCK);
    subject_check(late >= 0 && write(late, "late", 4) == 4 && read(waiting, text, sizeof text) == 4,
                  "a writer that comes now does not reach the reader");
    return subject_done();
}
