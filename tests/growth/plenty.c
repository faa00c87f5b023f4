/* plenty.c: has many of one thing: `plenty WHAT COUNT FOLDER`. Says "ready" in FOLDER, and waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *folder;

static void need(bool built, const char *what)
{
    if (built)
        return;
    perror(what);
    exit(1);
}

/* A file in the folder, made anew. */
static int open_file(const char *name, int flags)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, flags | O_CREAT, 0600);
    need(fd >= 0, path);
    return fd;
}

static void *sleeping(void *argument)
{
    for (;;)
        pause();
    return argument;
}

static void threads(size_t count)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    for (size_t i = 0; i < count; i++) {
        pthread_t thread;
        need((errno = pthread_create(&thread, &small, sleeping, NULL)) == 0, "pthread_create");
    }
}

static void timers(size_t count)
{
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    struct itimerspec later = {.it_value.tv_sec = 100000};
    for (size_t i = 0; i < count; i++) {
        timer_t timer;
        need(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
                 timer_settime(timer, 0, &later, NULL) == 0,
             "timer_create");
    }
}

static void signals(size_t count)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < count; i++)
        need(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = (int)i}) == 0, "sigqueue");
}

static void mappings(size_t count)
{
    char *at = mmap(NULL, count * 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(at != MAP_FAILED, "mmap");
    for (size_t i = 0; i < count; i++)
        need(mprotect(at + i * 8192, 4096, PROT_READ | PROT_WRITE) == 0, "mprotect");
}

static void file_mappings(size_t count)
{
    int fd = open_file("mapped", O_RDWR);
    need(ftruncate(fd, (off_t)count * 8192) == 0, "ftruncate");
    for (size_t i = 0; i < count; i++)
        need(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)i * 8192) != MAP_FAILED, "mmap");
}

static void opens(size_t count)
{
    for (size_t i = 0; i < count; i++)
        open_file("file", O_RDWR);
}

static void duplicates(size_t count)
{
    int fd = open_file("file", O_RDWR);
    for (size_t i = 0; i < count; i++)
        need(dup(fd) >= 0, "dup");
}

static void files(size_t count)
{
    char name[32];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "file-%zu", i);
        open_file(name, O_RDWR);
    }
}

static void locks(size_t count)
{
    int fd = open_file("file", O_RDWR);
    for (size_t i = 0; i < count; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_start = (off_t)i * 2, .l_len = 1};
        need(fcntl(fd, F_SETLK, &lock) == 0, "F_SETLK");
    }
}

static void locked_files(size_t count)
{
    char name[32];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "file-%zu", i);
        need(flock(open_file(name, O_RDWR), LOCK_EX) == 0, "flock");
    }
}

static void watches(size_t count)
{
    int fd = inotify_init();
    char path[4096];
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/directory-%zu", folder, i);
        mkdir(path, 0700);
        need(inotify_add_watch(fd, path, IN_CREATE) >= 0, "inotify_add_watch");
    }
}

static void interests(size_t count)
{
    int set = epoll_create1(0);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        need(epoll_ctl(set, EPOLL_CTL_ADD, eventfd(0, 0), &event) == 0, "epoll_ctl");
    }
}

static void pipes(size_t count)
{
    int ends[2];
    for (size_t i = 0; i < count; i++)
        need(pipe(ends) == 0, "pipe");
}

static void pairs(size_t count)
{
    int ends[2];
    for (size_t i = 0; i < count; i++)
        need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
}

static void queued(size_t count)
{
    int ends[2], size = 64 << 20;
    need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0, "socketpair");
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < count; i++)
        need(send(ends[0], &i, sizeof i, 0) == sizeof i, "send");
}

static void in_flight(size_t count)
{
    int ends[2], size = 64 << 20;
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < count; i++) {
        int fd = eventfd(0, 0);
        char byte = 0;
        struct iovec iov = {&byte, 1};
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
        need(sendmsg(ends[0], &message, 0) == 1, "sendmsg");
        close(fd);
    }
}

static void memfds(size_t count)
{
    for (size_t i = 0; i < count; i++)
        need(memfd_create("memory", 0) >= 0, "memfd_create");
}

static void removed(size_t count)
{
    char name[32], path[4096];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "file-%zu", i);
        open_file(name, O_RDWR);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        unlink(path);
    }
}

static const struct {
    const char *name;
    void (*have)(size_t count);
} things[] = {
    {"threads", threads},
    {"timers", timers},
    {"signals", signals},
    {"mappings", mappings},
    {"file-mappings", file_mappings},
    {"opens", opens},
    {"duplicates", duplicates},
    {"files", files},
    {"locks", locks},
    {"locked-files", locked_files},
    {"watches", watches},
    {"interests", interests},
    {"pipes", pipes},
    {"pairs", pairs},
    {"queued", queued},
    {"in-flight", in_flight},
    {"memfds", memfds},
    {"removed", removed},
};

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    folder = argv[3];
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        if (strcmp(things[i].name, argv[1]) == 0) {
            things[i].have(strtoul(argv[2], NULL, 10));
            close(open_file("ready", O_WRONLY));
            for (;;)
                pause();
        }
    return 2;
}
