/* target.c: a process that never stops checking itself, for the fault sweeps.
 *
 * It holds a few kinds of objects and runs four threads: one checks every object over and over, one
 * spins with known values in its registers, one sleeps in system calls with a timeout, one waits
 * for ever. What they find is in `pulse`, whose address is in the file "pulse" in the current
 * directory: the sweep reads it from the memory of the process, which so needs no capability for
 * the purpose. Nothing that it checks changes while it runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* The sweep reads this struct: struct "6Q 208s" in sweep. */
static struct {
    atomic_ulong rounds;      /* of the thread that checks the objects */
    atomic_ulong spins;       /* of the one that checks its registers */
    atomic_ulong sleeps;      /* that ended when they should */
    atomic_ulong interrupted; /* sleeps that ended with EINTR */
    atomic_ulong crowded;     /* times that there was a descriptor more */
    atomic_ulong wrong;       /* findings; `what` is the first */
    char what[208];
} pulse;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((format(printf, 2, 3))) static void check(bool right, const char *format, ...)
{
    if (right)
        return;
    int saved = errno;
    pthread_mutex_lock(&lock);
    if (atomic_load(&pulse.wrong) == 0) {
        va_list arguments;
        va_start(arguments, format);
        errno = saved;
        vsnprintf(pulse.what, sizeof pulse.what, format, arguments);
        va_end(arguments);
    }
    atomic_fetch_add(&pulse.wrong, 1);
    pthread_mutex_unlock(&lock);
}

static void need(bool built, const char *what)
{
    if (built)
        return;
    perror(what);
    exit(1);
}

/* --- the objects ------------------------------------------------------------------------------ */

static const char queued[] = "six little words in a pipe";
static struct {
    int file, gone, log, watches, pipe[2], event, timer, epoll, pair[2], quiet[2], group;
    unsigned char *memory;
    sigset_t mask;
    stack_t stack;
} held;

enum { MEMORY = 64 << 10 };

static void handle(int signal)
{
    check(false, "signal %d arrived", signal);
}

static void build(void)
{
    held.file = open("file", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    need(held.file >= 0 && write(held.file, "0123456789", 10) == 10, "file");
    need(lseek(held.file, 4, SEEK_SET) == 4, "lseek");
    need(mkdir("watched", 0700) == 0 || errno == EEXIST, "mkdir");
    held.gone = open("watched/gone", O_RDWR | O_CREAT | O_TRUNC, 0600);
    need(held.gone >= 0 && write(held.gone, queued, sizeof queued) == sizeof queued, "gone");
    held.log = open("watched/gone", O_WRONLY | O_APPEND);
    held.watches = inotify_init1(IN_NONBLOCK);
    need(held.log >= 0 && unlink("watched/gone") == 0, "unlink");
    need(inotify_add_watch(held.watches, "watched", IN_OPEN | IN_CLOSE | IN_CREATE) > 0, "inotify");
    need(pipe2(held.pipe, O_NONBLOCK) == 0, "pipe");
    need(write(held.pipe[1], queued, sizeof queued) == sizeof queued, "write");
    held.event = eventfd(11, EFD_NONBLOCK | EFD_CLOEXEC);
    need(held.event >= 0, "eventfd");
    held.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec hours = {.it_value = {.tv_sec = 36000}};
    need(held.timer >= 0 && timerfd_settime(held.timer, 0, &hours, NULL) == 0, "timerfd");
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, held.pair) == 0, "socketpair");
    need(send(held.pair[0], queued, 9, 0) == 9, "send");
    need(pipe(held.quiet) == 0, "pipe");
    held.group = socket(AF_INET, SOCK_DGRAM, 0);
    const struct ip_mreqn join = {.imr_multiaddr.s_addr = htonl(0xe0000047), .imr_ifindex = 1};
    need(held.group >= 0 &&
             setsockopt(held.group, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) == 0,
         "a group");
    held.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x5eed};
    need(held.epoll >= 0 && epoll_ctl(held.epoll, EPOLL_CTL_ADD, held.event, &event) == 0 &&
             epoll_ctl(held.epoll, EPOLL_CTL_ADD, held.timer, &event) == 0,
         "epoll");
    held.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(held.memory != MAP_FAILED, "mmap");
    for (size_t i = 0; i < MEMORY; i++)
        held.memory[i] = (unsigned char)(i * 7 + i / 4096);
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    need(sigaction(SIGUSR1, &action, NULL) == 0 && signal(SIGUSR2, SIG_IGN) != SIG_ERR,
         "sigaction");
    sigemptyset(&held.mask);
    sigaddset(&held.mask, SIGHUP);
    sigaddset(&held.mask, SIGRTMIN + 3);
    need(sigprocmask(SIG_SETMASK, &held.mask, NULL) == 0, "sigprocmask");
}

static void check_objects(void)
{
    int size = -1;
    check(lseek(held.file, 0, SEEK_CUR) == 4, "the file lost its offset");
    check(ioctl(held.pipe[0], FIONREAD, &size) == 0, "FIONREAD: %m");
    check(size == sizeof queued, "the pipe holds %d bytes", size);
    check(ioctl(held.pair[1], FIONREAD, &size) == 0, "FIONREAD: %m");
    check(size == 9, "the socket holds %d bytes", size);
    char peeked[9], read_back[sizeof queued];
    check(pread(held.gone, read_back, sizeof read_back, 0) == sizeof read_back &&
              memcmp(read_back, queued, sizeof queued) == 0,
          "the removed file has another content: %m");
    union {
        struct inotify_event event;
        char room[sizeof(struct inotify_event) + 256];
    } seen;
    /* But when an image of it is restored beside it, its file without a name is made there. */
    while (read(held.watches, &seen, sizeof seen) > 0)
        check(seen.event.len && seen.event.name[0] == '#', "%s is reported as %#x",
              seen.event.len ? seen.event.name : "the directory", seen.event.mask);
    check(recv(held.pair[1], peeked, 9, MSG_PEEK | MSG_DONTWAIT) == 9 &&
              memcmp(peeked, queued, 9) == 0,
          "the socket holds other bytes: %m");
    check(fcntl(held.event, F_GETFL) == (O_RDWR | O_NONBLOCK), "the eventfd lost its flags");
    check(fcntl(held.event, F_GETFD) == FD_CLOEXEC, "the eventfd is inherited now");
    check(fcntl(held.pipe[0], F_GETFD) == 0, "the pipe is close-on-exec now");
    struct itimerspec left = {0};
    check(timerfd_gettime(held.timer, &left) == 0 && left.it_value.tv_sec > 35000 &&
              left.it_value.tv_sec < 36000,
          "the timer has %ld seconds left", (long)left.it_value.tv_sec);
    struct epoll_event event;
    check(epoll_wait(held.epoll, &event, 1, 0) == 1 && event.data.u64 == 0x5eed,
          "the epoll set has other news: %m");
    sigset_t mask;
    check(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 &&
              memcmp(&mask, &held.mask, 8) == 0, /* of a sigset_t the kernel has 8 bytes */
          "the signal mask is another");
}

static void check_memory(void)
{
    for (size_t i = 0; i < MEMORY; i++)
        if (held.memory[i] != (unsigned char)(i * 7 + i / 4096)) {
            check(false, "byte %zu of the memory is another", i);
            return;
        }
}

/* --- the threads ------------------------------------------------------------------------------ */

/* Puts known values into every register that a compiler leaves alone meanwhile, spins, and
 * compares. Returns how many are wrong. */
static unsigned long spin(void)
{
    unsigned long wrong = 0;
    __asm__ volatile("mov $0x1111, %%rbx\n"
                     "mov $0x2222, %%r12\n"
                     "mov $0x3333, %%r13\n"
                     "mov $0x4444, %%r14\n"
                     "mov $0x5555, %%r15\n"
                     "mov $0x6666, %%rcx\n"
                     "mov $0x7777, %%r11\n"
                     "mov $0x8888, %%rdi\n"
                     "mov $0x9999, %%rsi\n"
                     "mov $0xaaaa, %%r8\n"
                     "mov $0xbbbb, %%r9\n"
                     "mov $0xcccc, %%r10\n"
                     "movq %%rbx, %%xmm0\n"
                     "movq %%r12, %%xmm7\n"
                     "movq %%r13, %%xmm15\n"
                     "movq %%rbx, -24(%%rsp)\n" /* in the red zone */
                     "mov $20000, %%rax\n"
                     "1: dec %%rax\n"
                     "jnz 1b\n"
                     ".macro same value, register\n"
                     "  cmp $\\value, \\register\n"
                     "  je 2f\n"
                     "  inc %0\n"
                     "  2:\n"
                     ".endm\n"
                     "same 0x1111, %%rbx\n"
                     "same 0x2222, %%r12\n"
                     "same 0x3333, %%r13\n"
                     "same 0x4444, %%r14\n"
                     "same 0x5555, %%r15\n"
                     "same 0x6666, %%rcx\n"
                     "same 0x7777, %%r11\n"
                     "same 0x8888, %%rdi\n"
                     "same 0x9999, %%rsi\n"
                     "same 0xaaaa, %%r8\n"
                     "same 0xbbbb, %%r9\n"
                     "same 0xcccc, %%r10\n"
                     "movq %%xmm0, %%rax\n"
                     "same 0x1111, %%rax\n"
                     "movq %%xmm7, %%rax\n"
                     "same 0x2222, %%rax\n"
                     "movq %%xmm15, %%rax\n"
                     "same 0x3333, %%rax\n"
                     "movq -24(%%rsp), %%rax\n"
                     "same 0x1111, %%rax\n"
                     ".purgem same\n"
                     : "+d"(wrong)
                     :
                     : "rax", "rbx", "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15", "xmm0", "xmm7", "xmm15", "cc", "memory");
    return wrong;
}

/* Until a thread runs its own code its signal mask is not yet its own. */
static pthread_barrier_t all_begun;

static void *spinner(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&all_begun);
    /* Pauses now and then: the sweep shares the processors with others. */
    for (const struct timespec moment = {.tv_nsec = 200000};;
         clock_nanosleep(1, 0, &moment, NULL)) {
        unsigned long wrong = spin();
        check(wrong == 0, "%lu registers are wrong", wrong);
        atomic_fetch_add(&pulse.spins, 1);
    }
    return NULL;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void *sleeper(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&all_begun);
    const struct timespec rest = {.tv_nsec = 3000000};
    for (;;) {
        int64_t begun = now();
        int result = clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
        check(result == 0 || result == EINTR, "a sleep ended with error %d", result);
        atomic_fetch_add(result == EINTR ? &pulse.interrupted : &pulse.sleeps, 1);
        check(result || now() - begun >= rest.tv_nsec, "a sleep ended too early");

        if (fcntl(held.epoll + 1, F_GETFD) >= 0)
            atomic_fetch_add(&pulse.crowded, 1);
        begun = now();
        fd_set set;
        FD_ZERO(&set);
        FD_SET(held.quiet[0], &set);
        struct timespec limit = rest;
        result = pselect(held.quiet[0] + 1, &set, NULL, NULL, &limit, NULL);
        check(result == 0 || (result < 0 && errno == EINTR), "a wait ended with %d: %m", result);
        atomic_fetch_add(result < 0 ? &pulse.interrupted : &pulse.sleeps, 1);
        check(result || now() - begun >= rest.tv_nsec, "a wait ended too early");
    }
    return NULL;
}

static void *waiter(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&all_begun);
    char byte;
    ssize_t result = read(held.quiet[0], &byte, 1);
    check(false, "a read that waits for ever ended with %zd: %m", result);
    return NULL;
}

int main(void)
{
    build();
    FILE *where = fopen("pulse.part", "we");
    need(where && fprintf(where, "%p\n", (void *)&pulse) > 0 && fclose(where) == 0, "pulse");
    void *(*const bodies[])(void *) = {spinner, sleeper, waiter};
    pthread_t thread;
    need(pthread_barrier_init(&all_begun, NULL, 4) == 0, "pthread_barrier_init");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        need(pthread_create(&thread, NULL, bodies[i], NULL) == 0, "pthread_create");
    pthread_barrier_wait(&all_begun);
    need(rename("pulse.part", "pulse") == 0, "rename");
    for (const struct timespec moment = {.tv_nsec = 500000};;
         clock_nanosleep(1, 0, &moment, NULL)) {
        check_objects();
        check_memory();
        atomic_fetch_add(&pulse.rounds, 1);
    }
}
