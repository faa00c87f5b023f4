/* interrupted.c: a thread in each system call that can wait, by each way in, with each kind of
 * timeout. None may wake early, none may be lost, and time that had passed before the checkpoint is
 * not waited for again; what wakes or interrupts them afterwards does so as ever.
 *
 * calls.list says of every system call that the kernel's headers have how it waits or why it
 * cannot; one that it does not have is a finding.
 *
 * How long the image lay about is not known to the subject, and counts for points in time but not
 * for what is left of a timeout. So lateness is judged by what the thread's clock says it slept in
 * all, less the gaps that a spinning thread saw in that clock.
 */
#include "interrupted.h"
#include "interrupted_list.h"
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 64 * 1024, LOW = 4 << 20, CODE = 16 };
/* A restored timeout may be late by scheduling, by rounding, and by this much of bookkeeping. */
#define SLACK (400 * MS)
/* Longer than a scheduler makes a thread wait here. */
#define GAP (20 * MS)

static const struct call_table *const tables[] = {&interrupted_clocks, &interrupted_queues,
                                                  &interrupted_files, &interrupted_sockets};
enum { TABLES = sizeof tables / sizeof tables[0] };

static struct attempt *attempts;
static size_t attempt_count;
static char *low, *low_end, *constants, *constants_begin;
static _Thread_local struct attempt *mine;
static atomic_bool finish;
static int cycles;
/* Times in which nothing of the process ran. */
static struct gap {
    int64_t begin, end;
} gaps[1000];
static size_t gap_count;

static int64_t now(int clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

void *low_memory(size_t size)
{
    void *memory = low;
    low += (size + 15) & ~(size_t)15;
    subject_need(low <= low_end, "too little memory for the attempts");
    return memory;
}

long time_of(struct attempt *attempt, int clock)
{
    if (attempt->span == FOR_EVER)
        return 0;
    int64_t ns = attempt->span == LONG ? 3600 * SECOND : TIMEOUT;
    if (attempt->span == UNTIL) {
        attempt->began = now(CLOCK_MONOTONIC);
        ns += now(clock);
    }
    int64_t wide[2] = {ns / SECOND, ns % SECOND};
    int32_t narrow[2] = {(int32_t)wide[0], (int32_t)wide[1]};
    void *memory = low_memory(sizeof wide);
    if (attempt->span == CONSTANT) {
        memory = constants;
        constants += sizeof wide;
    }
    bool is_narrow = attempt->call->narrow && attempt->way == BY_INT_80;
    memcpy(memory, is_narrow ? (void *)narrow : wide, is_narrow ? sizeof narrow : sizeof wide);
    attempt->memory[2] = memory;
    return (long)memory;
}

long milliseconds_of(const struct attempt *attempt)
{
    return attempt->span == FOR_EVER ? -1 : attempt->span == LONG ? 3600 * 1000 : TIMEOUT / MS;
}

/* Notices how long nothing of the process ran. */
static void *watch_clock(void *unused)
{
    (void)unused;
    int64_t last = now(CLOCK_MONOTONIC);
    while (!finish) {
        sched_yield();
        int64_t next = now(CLOCK_MONOTONIC);
        if (next - last > GAP && gap_count < sizeof gaps / sizeof gaps[0])
            gaps[gap_count++] = (struct gap){last, next};
        last = next;
    }
    return NULL;
}

static void on_signal(int signal)
{
    (void)signal;
    if (mine)
        mine->handled++;
}

static long make_call(const struct attempt *attempt)
{
    const long *a = attempt->arguments;
    long result = attempt->call->number[attempt->way];
    if (attempt->way == BY_SYSCALL) {
        register long fourth __asm__("r10") = a[3];
        register long fifth __asm__("r8") = a[4];
        register long sixth __asm__("r9") = a[5];
        __asm__ volatile("syscall"
                         : "+a"(result)
                         : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(fourth), "r"(fifth), "r"(sixth)
                         : "rcx", "r11", "memory");
        return result;
    }
    /* The code loads the number as programs do, and makes the call. */
    void *frame[3] = {attempt->code, (void *)a[5], (void *)a[0]};
    __asm__ volatile("push %%rbx\n\tpush %%rbp\n\t"
                     "mov %[frame], %%r11\n\tmov 16(%%r11), %%rbx\n\tmov 8(%%r11), %%rbp\n\t"
                     "sub $128, %%rsp\n\tcall *(%%r11)\n\tadd $128, %%rsp\n\t"
                     "pop %%rbp\n\tpop %%rbx"
                     : "+a"(result)
                     : [frame] "r"(frame), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

static void *attempt_once(void *argument)
{
    struct attempt *attempt = mine = argument;
    sigset_t mask, before, after;
    sigfillset(&mask);
    sigdelset(&mask, SIGUSR1);
    sigdelset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    attempt->tid = gettid();
    if (attempt->span != UNTIL)
        attempt->began = now(CLOCK_MONOTONIC);
    attempt->entered = true;
    attempt->result = make_call(attempt);
    attempt->ended = now(CLOCK_MONOTONIC);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < 64; signal++)
        subject_check(sigismember(&before, signal) == sigismember(&after, signal),
                      "%s came back with another signal mask", attempt->call->name);
    attempt->done = true;
    return NULL;
}

static void add(const struct call *call, enum way way, enum span span, enum ending ending)
{
    static size_t capacity;
    if (attempt_count == capacity) {
        capacity = capacity ? capacity * 2 : 64;
        attempts = reallocarray(attempts, capacity, sizeof *attempts);
        subject_need(attempts, "memory: %m");
    }
    struct attempt *attempt = &attempts[attempt_count];
    *attempt = (struct attempt){
        .call = call, .way = way, .span = span, .ending = ending, .id = (int)attempt_count};
    attempt_count++;
}

static void plan(const struct call *call, enum way way)
{
    for (enum span span = FOR_EVER; span <= CONSTANT; span *= 2) {
        if (!(call->spans & span))
            continue;
        bool expires = span == RELATIVE || span == UNTIL || span == CONSTANT;
        if (expires)
            add(call, way, span, EXPIRES);
        else if (span == FOR_EVER && call->wake)
            add(call, way, span, WOKEN);
        if (!expires && !call->partial && !call->persists)
            add(call, way, span, INTERRUPTED);
        if (span == FOR_EVER && (call->restarts || call->persists))
            add(call, way, span, RESTARTED);
    }
}

static void fill_in(struct attempt *attempt, char *code)
{
    int32_t number = (int32_t)attempt->call->number[BY_INT_80];
    attempt->code = code;
    code[0] = (char)0xb8;
    memcpy(code + 1, &number, sizeof number);
    code[5] = (char)0xcd;
    code[6] = (char)0x80;
    code[7] = (char)0xc3;
    attempt->call->build(attempt);
}

static bool is_waiting(const struct attempt *attempt)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", attempt->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *state = strrchr(text, ')');
    return attempt->entered && state && state[2] == 'S';
}

static const char *describe(const struct attempt *attempt)
{
    static _Thread_local char text[128];
    static const char *const ends[] = {"ends", "woken", "interrupted", "restarted"};
    const char *span = attempt->span == FOR_EVER   ? "for ever"
                       : attempt->span == RELATIVE ? "for a time"
                       : attempt->span == UNTIL    ? "until a time"
                       : attempt->span == CONSTANT ? "for a constant time"
                                                   : "for long";
    snprintf(text, sizeof text, "%s (%s) by %s, %s, %s", attempt->call->name, attempt->call->what,
             attempt->way == BY_SYSCALL ? "syscall" : "int 0x80", span, ends[attempt->ending]);
    return text;
}

static void start_all(void)
{
    static char *stacks;
    stacks = mmap(NULL, attempt_count * STACK, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    low = mmap(NULL, LOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    char *code = mmap(NULL, attempt_count * CODE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    subject_need(stacks != MAP_FAILED && low != MAP_FAILED && code != MAP_FAILED, "mmap: %m");
    low_end = low + LOW;
    constants_begin = constants =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    subject_need(constants != MAP_FAILED, "mmap: %m");
    for (size_t i = 0; i < attempt_count; i++)
        fill_in(&attempts[i], code + i * CODE);
    mprotect(code, attempt_count * CODE, PROT_READ | PROT_EXEC);
    mprotect(constants_begin, 4096, PROT_READ);
    for (size_t i = 0; i < attempt_count; i++) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstack(&attributes, stacks + i * STACK, STACK);
        subject_need(pthread_create(&attempts[i].thread, &attributes, attempt_once, &attempts[i]) ==
                         0,
                     "pthread_create");
    }
    for (size_t i = 0; i < attempt_count; i++) {
        int64_t begin = now(CLOCK_MONOTONIC);
        while (!is_waiting(&attempts[i]) && !attempts[i].done &&
               now(CLOCK_MONOTONIC) - begin < TIMEOUT)
            usleep(1000);
        subject_need(is_waiting(&attempts[i]) || attempts[i].done, "%s does not wait",
                     describe(&attempts[i]));
        subject_check(!attempts[i].done, "%s returned %ld at once", describe(&attempts[i]),
                      attempts[i].result);
    }
}

static bool wait_for(const atomic_bool *condition)
{
    int64_t begin = now(CLOCK_MONOTONIC);
    while (!*condition && now(CLOCK_MONOTONIC) - begin < 3 * TIMEOUT)
        usleep(1000);
    return *condition;
}

static void end(struct attempt *attempt)
{
    if (attempt->ending == INTERRUPTED)
        pthread_kill(attempt->thread, SIGUSR1);
    if (attempt->ending == RESTARTED) {
        pthread_kill(attempt->thread, attempt->call->persists ? SIGUSR1 : SIGUSR2);
        int64_t begin = now(CLOCK_MONOTONIC);
        while (!attempt->handled && now(CLOCK_MONOTONIC) - begin < TIMEOUT)
            usleep(1000);
        subject_check(attempt->handled, "%s does not take a signal", describe(attempt));
    }
    if (attempt->ending == WOKEN || attempt->ending == RESTARTED)
        attempt->call->wake(attempt);
}

static void check_time(const struct attempt *attempt)
{
    int64_t took = attempt->ended - attempt->began, gap = 0;
    for (size_t i = 0; i < gap_count; i++)
        if (gaps[i].begin >= attempt->began && gaps[i].end <= attempt->ended + SLACK)
            gap += gaps[i].end - gaps[i].begin;
    int64_t most = TIMEOUT + gap + SLACK;
    bool remembers = attempt->call->remembers || attempt->span == UNTIL ||
                     (attempt->call->writes_time && attempt->span == RELATIVE);
    /* A second interruption does not know what there was before the first: see LIMITS in
     * recap-restore(1). */
    if (!remembers)
        most += (cycles - 1) * TIMEOUT;
    subject_check(took >= TIMEOUT - MS, "%s took only %lld ms", describe(attempt),
                  (long long)(took / MS));
    subject_check(took <= most, "%s took %lld ms, more than %lld (gap %lld)", describe(attempt),
                  (long long)(took / MS), (long long)(most / MS), (long long)(gap / MS));
}

static void check(struct attempt *attempt)
{
    const struct call *call = attempt->call;
    long wanted = attempt->ending == EXPIRES       ? call->expired
                  : attempt->ending == INTERRUPTED ? -EINTR
                                                   : call->woken;
    if (!attempt->done)
        return;
    bool right = wanted == ANY ? attempt->result >= 0 : attempt->result == wanted;
    subject_check(right, "%s returned %ld instead of %ld", describe(attempt), attempt->result,
                  wanted);
    if (attempt->ending == EXPIRES)
        check_time(attempt);
    if (call->check)
        call->check(attempt);
    if (attempt->memory[2] && attempt->span == RELATIVE && !call->writes_time) {
        int64_t wide;
        memcpy(&wide, attempt->memory[2], sizeof wide);
        subject_check((int32_t)wide == TIMEOUT / SECOND, "%s finds %d s where its time was",
                      describe(attempt), (int32_t)wide);
    }
}

/* Every call of the kernel's headers is in the list, and every one that the list says is tried is.
 */
static void check_list(void)
{
    for (size_t i = 0; i < sizeof header_calls / sizeof header_calls[0]; i++) {
        const char *name = header_calls[i];
        bool listed = false;
        for (size_t k = 0; k < sizeof listed_calls / sizeof listed_calls[0]; k++)
            listed = listed || strcmp(name, listed_calls[k].name) == 0;
        subject_check(listed, "tests/subjects/calls.list does not say how %s waits", name);
    }
    for (size_t k = 0; k < sizeof listed_calls / sizeof listed_calls[0]; k++) {
        bool tried = false;
        for (size_t t = 0; t < TABLES; t++)
            for (size_t i = 0; i < tables[t]->count; i++)
                tried = tried || strcmp(tables[t]->calls[i].name, listed_calls[k].name) == 0;
        subject_check(tried == (strcmp(listed_calls[k].verdict, "tried") == 0),
                      "tests/subjects/calls.list says of %s: %s", listed_calls[k].name,
                      listed_calls[k].verdict);
    }
}

static size_t count_tried(void)
{
    size_t count = 0;
    for (size_t k = 0; k < sizeof listed_calls / sizeof listed_calls[0]; k++)
        count += strcmp(listed_calls[k].verdict, "tried") == 0;
    return count;
}

static sigjmp_buf without;

static void on_fault(int signal)
{
    siglongjmp(without, signal);
}

/* Whether the kernel has the other way in. */
static bool has_int_80(void)
{
    enum { GETPID = 20 };
    struct sigaction action = {.sa_handler = on_fault}, before;
    long result = GETPID;
    sigaction(SIGSEGV, &action, &before);
    if (sigsetjmp(without, 1) == 0)
        __asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
    sigaction(SIGSEGV, &before, NULL);
    return result == getpid();
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    check_list();
    cycles = getenv("RECAP_CYCLES") ? atoi(getenv("RECAP_CYCLES")) : 1;
    const bool both = has_int_80();
    for (size_t t = 0; t < TABLES; t++)
        for (size_t i = 0; i < tables[t]->count; i++)
            for (enum way way = 0; way < WAYS; way++)
                if (tables[t]->calls[i].number[way] >= 0 && (way == BY_SYSCALL || both))
                    plan(&tables[t]->calls[i], way);
    pthread_t watch;
    subject_need(pthread_create(&watch, NULL, watch_clock, NULL) == 0, "pthread_create");
    start_all();
    /* What is waited for again after the restore is to show. */
    usleep(1000000);
    subject_ready();
    subject_wait_go();
    for (size_t i = 0; i < attempt_count; i++)
        subject_check(attempts[i].ending == EXPIRES || attempts[i].call->partial ||
                          !attempts[i].done,
                      "%s ended by itself: %ld", describe(&attempts[i]), attempts[i].result);
    for (size_t i = 0; i < attempt_count; i++)
        if (!attempts[i].done || attempts[i].call->partial)
            end(&attempts[i]);
    for (size_t i = 0; i < attempt_count; i++)
        subject_check(wait_for(&attempts[i].done), "%s does not end", describe(&attempts[i]));
    finish = true;
    pthread_join(watch, NULL);
    for (size_t i = 0; i < attempt_count; i++)
        check(&attempts[i]);
    subject_note("%zu system calls, of %zu that there are, in %zu ways", count_tried(),
                 sizeof listed_calls / sizeof listed_calls[0], attempt_count);
    return subject_done();
}
