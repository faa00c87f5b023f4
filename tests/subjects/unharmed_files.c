/* unharmed_files.c: files of every sort, and watches on where they are: no event that is not the
 * component's own, no other offset and no other time stamp. */
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 32 };

static struct {
    const char *name;
    int fd;
    bool anew; /* a restore makes its inode or its content, which changes the inode */
    off_t offset;
    struct stat status;
} held[MOST];
static int count, watched_gone;

/* Times so long ago that each access which the kernel notes would show. */
static void age(int fd, const char *link)
{
    const struct timespec times[] = {{.tv_sec = 1000, .tv_nsec = 1}, {.tv_sec = 2000}};
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    subject_need(link ? utimensat(AT_FDCWD, link, times, AT_SYMLINK_NOFOLLOW) == 0
                      : utimensat(AT_FDCWD, path, times, 0) == 0,
                 "utimensat: %m");
}

static int hold(const char *name, int fd, bool anew)
{
    subject_need(fd >= 0, "%s: %m", name);
    held[count].name = name;
    held[count].fd = fd;
    held[count++].anew = anew;
    return fd;
}

static int make(const char *path, int flags, const char *text)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    subject_need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %m", path);
    int again = open(path, flags);
    subject_need(again >= 0 && close(fd) == 0, "%s: %m", path);
    return again;
}

static int watch(const char *path)
{
    static int instance = -1;
    if (instance < 0)
        instance = inotify_init1(IN_NONBLOCK);
    subject_need(inotify_add_watch(instance, path, IN_ALL_EVENTS) > 0, "watching %s: %m", path);
    return instance;
}

static void build(void)
{
    char entries[256];
    subject_need(mkdir("in", 0700) == 0 && mkdir("in/part", 0700) == 0 && mkdir("out", 0700) == 0,
                 "mkdir: %m");
    int named = hold("a file", make("in/named", O_RDWR, "named"), false);
    watched_gone = count;
    hold("a file without a name", make("in/gone", O_RDWR, "gone"), true);
    hold("one that was never named", open("out", O_TMPFILE | O_RDWR, 0600), true);
    int only = make("in/only", O_RDWR, "only mapped");
    hold("a memory file", memfd_create("memory", 0), true);
    hold("a FIFO", (mkfifo("out/fifo", 0600), open("out/fifo", O_RDWR)), true);
    int directory = hold("a directory", open("in/part", O_RDONLY | O_DIRECTORY), false);
    int link_itself =
        hold("a symbolic link", (symlink("named", "in/link"), open("in/link", O_PATH | O_NOFOLLOW)),
             false);
    subject_need(unlink("in/gone") == 0 && unlink("in/only") == 0, "unlink: %m");
    /* What only who may have itself not reported can look into. */
    if (geteuid() == 0) {
        hold("one that can only be written", make("in/log", O_WRONLY | O_APPEND, "log"), true);
        hold("one that has another name", make("in/first", O_RDONLY, "first"), false);
        subject_need(link("in/first", "in/other") == 0, "link: %m");
        subject_need(unlink("in/log") == 0 && unlink("in/first") == 0, "unlink: %m");
    }
    subject_need(write(held[2].fd, "x", 1) == 1 && write(held[3].fd, "y", 1) == 1 &&
                     write(held[4].fd, "z", 1) == 1 && lseek(named, 2, SEEK_SET) == 2,
                 "write: %m");
    subject_need(mmap(NULL, 4096, PROT_READ, MAP_SHARED, named, 0) != MAP_FAILED &&
                     mmap(NULL, 4096, PROT_READ, MAP_SHARED, held[1].fd, 0) != MAP_FAILED &&
                     mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, only, 0) != MAP_FAILED,
                 "mmap: %m");
    close(only);
    subject_need(syscall(SYS_getdents64, directory, entries, 32) > 0, "getdents64: %m");
    for (int i = 0; i < count; i++)
        age(held[i].fd, held[i].fd == link_itself ? "in/link" : NULL);
}

int main(void)
{
    char events[4096];
    build();
    int instance = watch("in");
    watch("in/part");
    watch("in/named");
    watch(".");
    for (int i = 0; i < count; i++) {
        held[i].offset = lseek(held[i].fd, 0, SEEK_CUR);
        subject_need(fstat(held[i].fd, &held[i].status) == 0, "fstat: %m");
    }

    subject_ready();
    subject_wait_go();

    int waiting = -1;
    subject_check(ioctl(instance, FIONREAD, &waiting) == 0 && waiting == 0,
                  "%d bytes of events are not its own", waiting);
    if (waiting > 0 && read(instance, events, sizeof events) > 0)
        for (int at = 0; at < waiting;) {
            const struct inotify_event *event = (const struct inotify_event *)(events + at);
            subject_check(false, "watch %d: %x %s", event->wd, event->mask,
                          event->len ? event->name : "");
            at += (int)(sizeof *event + event->len);
        }
    for (int i = 0; i < count; i++) {
        struct stat now, *then = &held[i].status;
        const char *name = held[i].name;
        subject_check(lseek(held[i].fd, 0, SEEK_CUR) == held[i].offset, "%s: its offset", name);
        subject_check(fstat(held[i].fd, &now) == 0, "%s: fstat: %m", name);
        /* The only way to read it that its watch does not report is one that counts as access. */
        if (i == watched_gone && geteuid() != 0)
            continue;
        subject_check(now.st_atim.tv_sec == then->st_atim.tv_sec &&
                          now.st_atim.tv_nsec == then->st_atim.tv_nsec,
                      "%s: the time of its last access", name);
        subject_check(now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
                          now.st_mtim.tv_nsec == then->st_mtim.tv_nsec,
                      "%s: the time of its last change", name);
        bool unchanged = now.st_ino == then->st_ino && now.st_ctim.tv_sec == then->st_ctim.tv_sec &&
                         now.st_ctim.tv_nsec == then->st_ctim.tv_nsec;
        subject_check(unchanged || held[i].anew, "%s: its inode, or the time of its change", name);
    }
    return subject_done();
}
