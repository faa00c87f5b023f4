/* hosts.c: processes that wait in many ways and notice when somebody disturbs them. */
#include "tests/unit/hosts.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void wrong(struct host_board *board, const char *what, long value)
{
    snprintf(board->what, sizeof board->what, "%s", what);
    board->value = value;
    board->wrong = 1;
}

#define CHECK(board, condition, value)                                                             \
    do {                                                                                           \
        if (!(condition))                                                                          \
            wrong(board, #condition, (long)(value));                                               \
    } while (0)

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void *knock(void *argument)
{
    static struct timespec nap = {.tv_nsec = 1000000};
    void **pair = argument;
    struct host_board *board = pair[0];
    while (!board->go)
        nanosleep(&nap, NULL);
    char byte = 'k';
    if (write((int)(intptr_t)pair[1], &byte, 1) != 1)
        wrong(board, "knocking", errno);
    return NULL;
}

/* A descriptor that becomes readable when it is time to go. */
static int door(struct host_board *board)
{
    static void *pair[2];
    static int ends[2];
    pthread_t thread;
    if (pipe(ends) != 0)
        _exit(2);
    pair[0] = board;
    pair[1] = (void *)(intptr_t)ends[1];
    pthread_create(&thread, NULL, knock, pair);
    return ends[0];
}

void host_read(struct host_board *board)
{
    char byte = 0;
    int fd = door(board);
    board->ready = 1;
    ssize_t got = read(fd, &byte, 1);
    CHECK(board, got == 1 && byte == 'k', got < 0 ? errno : got);
}

void host_poll(struct host_board *board)
{
    struct pollfd fd = {.fd = door(board), .events = POLLIN};
    board->ready = 1;
    int got = poll(&fd, 1, -1);
    CHECK(board, got == 1 && fd.revents == POLLIN, got < 0 ? errno : got);
}

void host_epoll(struct host_board *board)
{
    int set = epoll_create1(0), fd = door(board);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890};
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    board->ready = 1;
    int got = epoll_wait(set, &event, 1, -1);
    CHECK(board, got == 1 && event.data.u64 == 0x1234567890, got < 0 ? errno : got);
}

void host_select(struct host_board *board)
{
    fd_set set;
    int fd = door(board);
    FD_ZERO(&set);
    FD_SET(fd, &set);
    board->ready = 1;
    int got = select(fd + 1, &set, NULL, NULL, NULL);
    CHECK(board, got == 1 && FD_ISSET(fd, &set), got < 0 ? errno : got);
}

void host_futex(struct host_board *board)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    int fd = door(board);
    pthread_mutex_lock(&lock);
    board->ready = 1;
    while (!board->go) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        int got = pthread_cond_timedwait(&condition, &lock, &until);
        CHECK(board, got == ETIMEDOUT, got);
    }
    pthread_mutex_unlock(&lock);
    close(fd);
}

void host_sleep(struct host_board *board)
{
    board->ready = 1;
    while (!board->go) {
        long start = now_us();
        int got =
            clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 50000000}, NULL);
        long slept = now_us() - start;
        CHECK(board, got == 0, got);
        CHECK(board, slept >= 50000, slept);
    }
}

void host_receive(struct host_board *board)
{
    int pair[2];
    char byte;
    struct timeval limit = {.tv_sec = 30};
    struct sigaction action = {0};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        _exit(2);
    sigaction(SIGUSR1, &action, NULL);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    void *knocker[2] = {board, (void *)(intptr_t)pair[1]};
    pthread_t thread;
    pthread_create(&thread, NULL, knock, knocker);
    board->ready = 1;
    ssize_t got = recv(pair[0], &byte, 1, 0);
    CHECK(board, got == 1 && byte == 'k', got < 0 ? errno : got);
}

void host_blocked(struct host_board *board)
{
    sigset_t all, still, pending;
    int fd = door(board);
    char byte;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    board->ready = 1;
    ssize_t got = read(fd, &byte, 1);
    CHECK(board, got == 1, errno);
    pthread_sigmask(SIG_SETMASK, NULL, &still);
    sigpending(&pending);
    for (int signal = 1; signal < 32; signal++) {
        if (signal == SIGKILL || signal == SIGSTOP)
            continue;
        CHECK(board, sigismember(&still, signal), signal);
        CHECK(board, !sigismember(&pending, signal), signal);
    }
}

static volatile sig_atomic_t caught;

static void catch (int signal)
{
    caught = signal;
}

void host_catching(struct host_board *board)
{
    for (int signal = 1; signal < 65; signal++)
        if (signal != SIGKILL && signal != SIGSTOP)
            sigaction(signal, &(struct sigaction){.sa_handler = catch}, NULL);
    int fd = door(board);
    char byte;
    board->ready = 1;
    ssize_t got = read(fd, &byte, 1);
    CHECK(board, got == 1 && byte == 'k', got < 0 ? errno : got);
    CHECK(board, caught == 0, caught);
}

void host_small_stack(struct host_board *board)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long got;
    int fd = door(board);
    char *byte = pages + 6000;
    mprotect(pages, 4096, PROT_NONE);
    board->ready = 1;
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "mov %[stack], %%rsp\n\t"
                     "syscall\n\t"
                     "mov %%rbx, %%rsp"
                     : "=a"(got)
                     : "a"(SYS_read), "D"((long)fd), "S"(byte), "d"(1L), [stack] "r"(pages + 4096)
                     : "rbx", "rcx", "r11", "memory");
    CHECK(board, got == 1 && *byte == 'k', got);
}

static void *nap_thread(void *argument)
{
    host_sleep(argument);
    return NULL;
}

static void *spin_thread(void *argument)
{
    struct host_board *board = argument;
    uint64_t a = 1, b = 1;
    while (!board->go) {
        for (int i = 0; i < 1000; i++) {
            a = a * 6364136223846793005u + 1442695040888963407u;
            b = b * 6364136223846793005u + 1442695040888963407u;
        }
        CHECK(board, a == b, a);
        if (a % 4096 == 0)
            continue;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return NULL;
}

void host_threads(struct host_board *board)
{
    pthread_t threads[7];
    for (size_t i = 0; i < 7; i++)
        pthread_create(&threads[i], NULL, i % 2 ? nap_thread : spin_thread, board);
    host_read(board);
    for (size_t i = 0; i < 7; i++)
        pthread_join(threads[i], NULL);
}

/* Fills every register and the flags, spends time without changing any but rcx, and compares. */
static uint64_t registers_hold(uint64_t flags)
{
    uint64_t good, after, given = flags;
    static const uint64_t vector[4] = {0x0123456789abcdef, 0xfedcba9876543210, 0x1122334455667788,
                                       0x99aabbccddeeff00};
    const uint64_t *at = vector;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t" /* beyond the red zone */
                     "push %%rbp\n\t"
                     "movdqu (%[v]), %%xmm7\n\t"
                     "movdqu 16(%[v]), %%xmm15\n\t"
                     "push %[v]\n\t"
                     "push %[f]\n\t"
                     "movabs $0x1111111111111111, %%rbx\n\t"
                     "movabs $0x2222222222222222, %%rdx\n\t"
                     "movabs $0xfffffffff3333333, %%rsi\n\t"
                     "movabs $0x44444444, %%rdi\n\t"
                     "movabs $0x5555555555555555, %%rbp\n\t"
                     "movabs $0x6666666666666666, %%r8\n\t"
                     "xor %%r9d, %%r9d\n\t"
                     "movabs $0x8888888888888888, %%r10\n\t"
                     "movabs $0x9999999999999999, %%r11\n\t"
                     "movabs $0xaaaaaaaaaaaaaaaa, %%r12\n\t"
                     "movabs $0xbbbbbbbbbbbbbbbb, %%r13\n\t"
                     "movabs $0xcccccccccccccccc, %%r14\n\t"
                     "movabs $0xdddddddddddddddd, %%r15\n\t"
                     "movabs $0xeeeeeeeeeeeeeeee, %%rax\n\t"
                     "mov $400000, %%ecx\n\t"
                     "popfq\n"
                     "1: lea -1(%%rcx), %%rcx\n\t"
                     "jrcxz 2f\n\t"
                     "jmp 1b\n"
                     "2: pushfq\n\t"
                     "cld\n\t"
                     "add %%rbx, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%rdx, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%rsi, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%rdi, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%rbp, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r8, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r9, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r10, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r11, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r12, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r13, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r14, %%rax\n\t"
                     "rol $7, %%rax\n\t add %%r15, %%rax\n\t"
                     "pop %%rdx\n\t"
                     "pop %%rcx\n\t"
                     "movq %%xmm7, %%rsi\n\t"
                     "sub (%%rcx), %%rsi\n\t"
                     "add %%rsi, %%rax\n\t"
                     "movq %%xmm15, %%rsi\n\t"
                     "sub 16(%%rcx), %%rsi\n\t"
                     "add %%rsi, %%rax\n\t"
                     "pop %%rbp\n\t"
                     "lea 128(%%rsp), %%rsp"
                     : "=a"(good), "=&d"(after), [v] "+c"(at), [f] "+S"(given)
                     :
                     : "rbx", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm7",
                       "xmm15", "cc", "memory");
    return good + (after ^ flags);
}

void host_registers(struct host_board *board)
{
    /* Carry, parity, adjust, zero, sign, direction and overflow, each alone and all. */
    static const uint64_t flags[] = {0x202, 0x203, 0x206, 0x212, 0x242, 0x282, 0x602, 0xa02, 0xed7};
    uint64_t expected[9];
    for (size_t i = 0; i < 9; i++)
        expected[i] = registers_hold(flags[i]);
    board->ready = 1;
    while (!board->go)
        for (size_t i = 0; i < 9; i++) {
            uint64_t got = registers_hold(flags[i]);
            CHECK(board, got == expected[i], flags[i]);
        }
}

/* A restartable sequence either runs undisturbed or goes to its abort handler: at its last
 * instruction the kernel still knows of it. */
void host_sequence(struct host_board *board)
{
    extern const ptrdiff_t __rseq_offset;
    extern const unsigned int __rseq_size;
    uint64_t thread;
    __asm__("mov %%fs:0, %0" : "=r"(thread));
    uint64_t *section = (uint64_t *)(thread + (uint64_t)__rseq_offset + 8);
    board->ready = 1;
    long aborted = 0, passed = 0;
    while (!board->go && __rseq_size) {
        uint64_t outcome;
        __asm__ volatile(".pushsection .data\n\t"
                         ".balign 32\n"
                         "3: .long 0, 0\n\t"
                         ".quad 1f, 2f - 1f, 4f\n\t"
                         ".popsection\n\t"
                         "lea 3b(%%rip), %%rax\n\t"
                         "mov %%rax, (%[s])\n"
                         "1: mov $20000, %%ecx\n"
                         "5: lea -1(%%rcx), %%rcx\n\t"
                         "jrcxz 6f\n\t"
                         "jmp 5b\n"
                         "6: mov (%[s]), %%rax\n"
                         "2: jmp 7f\n\t"
                         ".byte 0x0f, 0xb9, 0x3d\n\t"
                         ".long 0x53053053\n"
                         "4: mov $1, %%eax\n"
                         "7:"
                         : "=&a"(outcome)
                         : [s] "r"(section)
                         : "rcx", "memory", "cc");
        CHECK(board, outcome != 0, outcome);
        aborted += outcome == 1;
        passed += outcome != 1;
    }
    if (__rseq_size)
        CHECK(board, passed > 0 && aborted > 0, aborted);
}

static volatile sig_atomic_t ticks;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

void host_timers(struct host_board *board)
{
    struct itimerval every = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    board->ready = 1;
    long start = now_us(), before = 0;
    while (!board->go) {
        int got =
            clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 200000000}, NULL);
        CHECK(board, got == 0 || got == EINTR, got);
        CHECK(board, got == 0 || ticks > before, ticks);
        before = ticks;
    }
    long expected = (now_us() - start) / 1000;
    CHECK(board, ticks > expected / 4 && ticks <= expected + 1, ticks);
}

static volatile sig_atomic_t arrived, disorder;

static void take(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (info->si_value.sival_int != ++arrived || info->si_code != SI_QUEUE)
        disorder = info->si_value.sival_int;
}

void host_queue(struct host_board *board)
{
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN + 1, &action, NULL);
    board->ready = 1;
    while (!board->go)
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    CHECK(board, arrived == HOST_QUEUE, arrived);
    CHECK(board, disorder == 0, disorder);
}

void host_timed(struct host_board *board)
{
    int word = 0, got = -1, fd = epoll_create1(0), want = 0;
    struct timespec limit = {.tv_nsec = HOST_TIMED_MS * 1000000};
    struct timeval other = {.tv_usec = HOST_TIMED_MS * 1000};
    struct epoll_event event;
    long start = now_us();
    board->ready = 1;
    switch (board->kind) {
    case 0:
        got = nanosleep(&limit, NULL);
        break;
    case 1:
        got = poll(NULL, 0, HOST_TIMED_MS);
        break;
    case 2:
        got = select(0, NULL, NULL, NULL, &other);
        break;
    case 3:
        got = epoll_wait(fd, &event, 1, HOST_TIMED_MS);
        break;
    case 4:
        got = (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, &limit, NULL, 0);
        want = ETIMEDOUT;
        break;
    case 5:
        got = ppoll(NULL, 0, &limit, NULL);
        break;
    }
    CHECK(board, want ? got == -1 && errno == want : got == 0, got < 0 ? errno : got);
    long took = now_us() - start;
    CHECK(board, took >= (HOST_TIMED_MS - 2) * 1000, took);
    board->late = took >= (HOST_TIMED_MS + 120) * 1000;
}
