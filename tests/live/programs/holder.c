/* holder.c: holds files of every sort in its directory, some of them with a large hole, says so by
 * closing its standard output and waits to be killed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(int held, const char *what)
{
    if (held < 0) {
        perror(what);
        exit(1);
    }
}

static int make(const char *path, int flags, const char *text)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    need(fd, path);
    need((int)write(fd, text, strlen(text)), path);
    int again = open(path, flags);
    need(again, path);
    close(fd);
    return again;
}

static void leave_hole(int fd, off_t size)
{
    need(ftruncate(fd, size), "ftruncate");
    need((int)pwrite(fd, "far", 3, size / 2), "pwrite");
}

int main(int count, char **words)
{
    off_t hole = count > 1 ? atoll(words[1]) : 0;
    const struct timespec old[] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    need(mkdir("in", 0700), "in");
    need(mkdir("in/part", 0700), "in/part");
    int named = make("in/named", O_RDWR, "named");
    int gone = make("in/gone", O_RDWR, "gone");
    int nameless = open("in", O_TMPFILE | O_RDWR, 0600);
    int memory = memfd_create("memory", 0);
    int only = make("in/only", O_RDWR, "only mapped");
    int directory = open("in/part", O_RDONLY | O_DIRECTORY);
    need(nameless, "nameless");
    need(memory, "memory");
    need(directory, "in/part");
    need(unlink("in/gone"), "in/gone");
    need(unlink("in/only"), "in/only");
    if (geteuid() == 0) {
        make("in/log", O_WRONLY | O_APPEND, "log");
        make("in/first", O_RDONLY, "first");
        need(link("in/first", "in/other"), "in/other");
        need(unlink("in/first"), "in/first");
        need(unlink("in/log"), "in/log");
    }
    leave_hole(gone, hole);
    leave_hole(nameless, hole);
    leave_hole(memory, hole);
    if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, named, 0) == MAP_FAILED ||
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, only, 0) == MAP_FAILED ||
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, gone, 0) == MAP_FAILED)
        need(-1, "mmap");
    close(only);
    int instance = inotify_init1(0);
    need(inotify_add_watch(instance, "in", IN_ALL_EVENTS), "watch");
    need(inotify_add_watch(instance, "in/part", IN_ALL_EVENTS), "watch");
    const int aged[] = {named, gone, nameless, memory, directory};
    for (size_t i = 0; i < sizeof aged / sizeof *aged; i++)
        need(futimens(aged[i], old), "futimens");
    char events[4096];
    while (read(instance, events, sizeof events) == (ssize_t)sizeof events)
        ;
    int null = open("/dev/null", O_RDWR);
    need(null, "/dev/null");
    need(dup2(null, 1), "/dev/null");
    close(null);
    for (;;)
        pause();
}
