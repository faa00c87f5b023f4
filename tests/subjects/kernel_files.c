/* kernel_files.c: files that the kernel makes up: of the process itself, of its network, of the
 * machine; some half read. */
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *path;
    const char *holds; /* what the whole file has in it */
    off_t offset;
} files[] = {
    {"/proc/net/dev", "Inter-", 0},
    {"/proc/net/tcp", "local_address", 20},
    {"/proc/self/net/unix", "RefCount", 0},
    {"/proc/self/status", "Name:", 5},
    {"/proc/self/maps", "-", 0},
    {"/proc/uptime", ".", 0},
    {"/proc/self/cmdline", "", 0},
    {"/proc/sys/kernel/ostype", "Linux", 2},
    {"/proc/self/mountinfo", " - ", 0},
    {"/sys/kernel/mm/transparent_hugepage/enabled", "[", 0},
};
enum { COUNT = sizeof files / sizeof *files };

/* The number that the status file gives the process whose file it is. */
static long number_in(const char *status)
{
    const char *line = strstr(status, "\nPid:");
    return line ? strtol(line + 5, NULL, 10) : 0;
}

/* Whether a process finds itself by its number in `proc`, a directory that is open or AT_FDCWD. */
static void check_self(int proc, const char *self)
{
    char link[32] = "", path[64];
    subject_check(readlinkat(proc, self, link, sizeof link - 1) > 0, "no %s: %m", self);
    subject_check(atoi(link) == getpid(), "%s is %s of process %d", self, link, (int)getpid());
    snprintf(path, sizeof path, "%.*s%d/stat", (int)(strlen(self) - 4), self, (int)getpid());
    subject_check(faccessat(proc, path, R_OK, 0) == 0, "no %s: %m", path);
}

int main(void)
{
    int fds[COUNT], proc = open("/proc", O_RDONLY | O_DIRECTORY);
    subject_need(proc >= 0, "opening /proc: %m");
    static char text[1 << 16];
    for (int i = 0; i < COUNT; i++) {
        fds[i] = open(files[i].path, O_RDONLY);
        subject_need(fds[i] >= 0, "opening %s: %m", files[i].path);
        subject_need(read(fds[i], text, (size_t)files[i].offset) == files[i].offset,
                     "reading %s: %m", files[i].path);
    }

    subject_ready();
    subject_wait_go();

    for (int i = 0; i < COUNT; i++) {
        subject_check(lseek(fds[i], 0, SEEK_CUR) == files[i].offset, "the offset in %s is lost",
                      files[i].path);
        ssize_t size = pread(fds[i], text, sizeof text - 1, 0);
        subject_check(size >= 0, "reading %s: %m", files[i].path);
        text[size < 0 ? 0 : size] = '\0';
        subject_check(strstr(text, files[i].holds), "%s says something else", files[i].path);
        if (strcmp(files[i].path, "/proc/self/status") == 0) {
            FILE *own = fopen("/proc/self/status", "r");
            static char now[1 << 16];
            subject_check(own && fread(now, 1, sizeof now - 1, own) > 0, "no /proc/self: %m");
            subject_check(number_in(text) == number_in(now), "it speaks of process %ld, not %ld",
                          number_in(text), number_in(now));
        }
    }
    check_self(AT_FDCWD, "/proc/self");
    check_self(proc, "self");
    return subject_done();
}
