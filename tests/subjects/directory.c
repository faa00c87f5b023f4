/* directory.c: an open directory, read half way, and one that others are opened from. */
#include "subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES = 100 };

/* Counts each name that a few entries have, with room for few at a time. */
static size_t read_some(int fd, int *seen, size_t calls)
{
    char buffer[512];
    size_t found = 0;
    long length;
    while (calls-- && (length = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < length;) {
            struct dirent64 *entry = (void *)(buffer + at);
            int number;
            if (sscanf(entry->d_name, "file-%d", &number) == 1 && number >= 0 && number < FILES) {
                seen[number]++;
                found++;
            }
            at += entry->d_reclen;
        }
    return found;
}

int main(void)
{
    int seen[FILES] = {0};
    subject_need(mkdir("many", 0700) == 0, "mkdir: %m");
    int open_from = open("many", O_RDONLY | O_DIRECTORY);
    subject_need(open_from >= 0, "open: %m");
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "file-%d", i);
        int fd = openat(open_from, name, O_WRONLY | O_CREAT, 0600);
        subject_need(fd >= 0 && close(fd) == 0, "creating %s: %m", name);
    }
    int half = open("many", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    subject_need(half >= 0 && read_some(half, seen, 3) > 10, "reading the directory: %m");
    int self = open("/proc/self", O_PATH), descriptors = open("/proc/self/fd", O_RDONLY);
    subject_need(self >= 0 && descriptors >= 0, "open: %m");

    subject_ready();
    subject_wait_go();

    char name[32] = "";
    struct stat status;
    int comm = openat(self, "comm", O_RDONLY);
    subject_check(read(comm, name, sizeof name) > 0 && strncmp(name, "subject-direct", 14) == 0,
                  "/proc/self is about somebody else");
    snprintf(name, sizeof name, "%d", half);
    subject_check(fstatat(descriptors, name, &status, 0) == 0 && S_ISDIR(status.st_mode),
                  "/proc/self/fd is about somebody else");

    read_some(half, seen, FILES);
    for (int i = 0; i < FILES; i++)
        subject_check(seen[i] == 1, "file-%d was read %d times", i, seen[i]);
    subject_check(faccessat(open_from, "file-7", F_OK, 0) == 0,
                  "nothing can be opened from the directory");
    subject_check(openat(open_from, "new", O_WRONLY | O_CREAT, 0600) >= 0,
                  "nothing can be made in the directory");
    subject_check(read_some(open_from, seen, FILES) == FILES, "it cannot be read from the start");
    return subject_done();
}
