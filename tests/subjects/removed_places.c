/* removed_places.c: removed directories and FIFOs: held, stood in, shared, filled. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct stat status_of(int fd)
{
    struct stat status = {0};
    subject_check(fstat(fd, &status) == 0, "fstat: %m");
    return status;
}

/* A FIFO without a name: `more` is opened of it while it has one. */
static int make_fifo(const char *name, int flags, int more, int *other)
{
    subject_need(mkfifo(name, 0640) == 0, "mkfifo: %m");
    int fd = open(name, flags | O_NONBLOCK);
    *other = open(name, more | O_NONBLOCK);
    subject_need(fd >= 0 && *other >= 0 && unlink(name) == 0, "%s: %m", name);
    return fd;
}

static bool holds(int fd, const char *text)
{
    char buffer[16];
    ssize_t got = read(fd, buffer, sizeof buffer);
    return got == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)got) == 0;
}

int main(void)
{
    int reader, writer, both, same, alone, none;
    char link[64];
    subject_need(mkdir("gone", 0751) == 0 && mkdir("here", 0700) == 0 && mkdir("stay", 0700) == 0,
                 "mkdir: %m");
    int directory = open("gone", O_RDONLY), twin = open("gone", O_RDONLY | O_DIRECTORY);
    int name = open("gone", O_PATH | O_DIRECTORY);
    subject_need(directory >= 0 && twin >= 0 && name >= 0, "open: %m");
    reader = make_fifo("one", O_RDONLY, O_WRONLY, &writer);
    both = make_fifo("two", O_RDWR, O_RDONLY, &same);
    alone = make_fifo("three", O_RDONLY, O_PATH, &none);
    close(none);
    subject_need(write(writer, "one", 3) == 3 && write(both, "two", 3) == 3, "write: %m");
    subject_need(fcntl(both, F_SETPIPE_SZ, 8192) == 8192, "F_SETPIPE_SZ: %m");
    subject_need(chdir("here") == 0 && rmdir("../here") == 0 && rmdir("../gone") == 0, "rmdir: %m");

    subject_ready();
    subject_wait_go();

    struct stat first = status_of(directory), second = status_of(twin), third = status_of(name);
    subject_check(S_ISDIR(first.st_mode) && (first.st_mode & 0777) == 0751, "mode %o",
                  first.st_mode);
    subject_check(first.st_ino == second.st_ino && first.st_ino == third.st_ino &&
                      first.st_dev == second.st_dev,
                  "the directory is not one any more");
    subject_check(openat(directory, "new", O_CREAT | O_WRONLY, 0600) < 0 && errno == ENOENT,
                  "something can be made in the removed directory: %m");
    subject_check(open("new", O_CREAT | O_WRONLY, 0600) < 0 && errno == ENOENT,
                  "something can be made in the removed working directory: %m");
    subject_check(readlink("/proc/self/cwd", link, sizeof link) > 0, "it stands nowhere");
    subject_check(faccessat(AT_FDCWD, "../stay", F_OK, 0) == 0, "nothing is above where it stands");
    subject_check(fcntl(both, F_GETPIPE_SZ) == 8192, "the capacity of a FIFO is lost");
    subject_check((status_of(reader).st_mode & 0777) == 0640 && status_of(reader).st_nlink == 0,
                  "the FIFO is another one");
    subject_check(status_of(both).st_ino == status_of(same).st_ino, "one FIFO has become two");
    subject_check(holds(reader, "one") && holds(same, "two"), "the content is lost");
    subject_check(write(writer, "more", 4) == 4 && holds(reader, "more"),
                  "the ends of a FIFO do not meet");
    subject_check(read(alone, link, 1) == 0, "a FIFO that nobody writes to: %m");
    subject_check(close(writer) == 0 && read(reader, link, 1) == 0, "its end is not seen: %m");
    return subject_done();
}
