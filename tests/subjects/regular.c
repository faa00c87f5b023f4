/* regular.c: open files: offsets, access modes, append mode, a name that has changed. */
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    char text[16] = "";
    struct stat before, after;
    int reader = open("file", O_RDONLY | O_CREAT, 0640);
    int writer = open("file", O_WRONLY | O_APPEND | O_NONBLOCK);
    int both = open("file", O_RDWR | O_DSYNC);
    subject_need(reader >= 0 && writer >= 0 && both >= 0, "open: %m");
    subject_need(write(writer, "0123456789", 10) == 10, "write: %m");
    subject_need(lseek(reader, 7, SEEK_SET) == 7 && lseek(both, 1 << 20, SEEK_SET) == 1 << 20,
                 "lseek: %m");
    subject_need(rename("file", "renamed") == 0 && fstat(reader, &before) == 0, "rename: %m");
    int proc = open("/proc/self/comm", O_RDONLY);
    subject_need(proc >= 0, "open: %m");

    subject_ready();
    subject_wait_go();

    subject_check(read(reader, text, sizeof text) == 3 && memcmp(text, "789", 3) == 0,
                  "the reader is not at offset 7");
    subject_check(lseek(both, 0, SEEK_CUR) == 1 << 20, "an offset past the end is lost");
    subject_check((fcntl(reader, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == O_RDONLY,
                  "the reader's flags differ");
    subject_check((fcntl(writer, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) ==
                      (O_WRONLY | O_APPEND | O_NONBLOCK),
                  "the writer's flags differ");
    subject_check((fcntl(both, F_GETFL) & (O_ACCMODE | O_DSYNC)) == (O_RDWR | O_DSYNC),
                  "O_DSYNC is lost");
    subject_check(write(writer, "end", 3) == 3 && lseek(writer, 0, SEEK_CUR) == 13,
                  "the writer does not append");
    subject_check(read(writer, text, 1) < 0, "the writer may read");
    subject_check(fstat(writer, &after) == 0 && after.st_ino == before.st_ino &&
                      after.st_dev == before.st_dev,
                  "it is another file");
    ssize_t count = pread(proc, text, sizeof text, 0);
    subject_check(count > 0 && memcmp(text, "subject-regular", 15) == 0,
                  "/proc/self/comm speaks of somebody else");
    return subject_done();
}
