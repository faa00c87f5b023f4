/* timed_calls.c: the table of the system calls that wait with a timeout.
 *
 * Of the calls that are not here, those that wait do so for ever or until a point in time, or the
 * kernel writes back what is left (select, ppoll), where it may: where it may not, they are like
 * those whose timeout is in memory. tests/subjects/calls.list has all calls, and how each waits.
 */
#include "kernel/linux/threads/timed_calls.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

/* The numbers for `int 0x80`. The kernel's header of them cannot be had beside that for `syscall`.
 */
enum {
    INT_RESTART = 0,
    INT_READ = 3,
    INT_WRITE = 4,
    INT_CLOSE = 6,
    INT_IPC = 117,
    INT_NEWSELECT = 142,
    INT_READV = 145,
    INT_WRITEV = 146,
    INT_NANOSLEEP = 162,
    INT_POLL = 168,
    INT_RT_SIGTIMEDWAIT = 177,
    INT_SENDFILE = 187,
    INT_SENDFILE64 = 239,
    INT_FUTEX = 240,
    INT_IO_GETEVENTS = 247,
    INT_EPOLL_WAIT = 256,
    INT_CLOCK_NANOSLEEP = 267,
    INT_PSELECT6 = 308,
    INT_PPOLL = 309,
    INT_SPLICE = 313,
    INT_EPOLL_PWAIT = 319,
    INT_RECVMMSG = 337,
    INT_SENDMMSG = 345,
    INT_CONNECT = 362,
    INT_ACCEPT4 = 364,
    INT_SENDTO = 369,
    INT_SENDMSG = 370,
    INT_RECVFROM = 371,
    INT_RECVMSG = 372,
    INT_PREADV2 = 378,
    INT_PWRITEV2 = 379,
    INT_IO_PGETEVENTS = 385,
    INT_CLOCK_NANOSLEEP_64 = 407,
    INT_PSELECT6_64 = 413,
    INT_PPOLL_64 = 414,
    INT_IO_PGETEVENTS_64 = 416,
    INT_RECVMMSG_64 = 417,
    INT_SEMTIMEDOP_64 = 420,
    INT_RT_SIGTIMEDWAIT_64 = 421,
    INT_FUTEX_64 = 422,
    INT_EPOLL_PWAIT2 = 441,
};

/* Of ipc, which is several calls by its first argument. */
#define IPC_CALL_MASK 0xffff
#define IPC_SEMTIMEDOP 4

#define MS LINUX_FORM_MS, LINUX_FORM_MS
#define NARROW LINUX_FORM_TIMESPEC, LINUX_FORM_TIMESPEC32
#define WIDE LINUX_FORM_TIMESPEC, LINUX_FORM_TIMESPEC
#define VALUES LINUX_FORM_TIMEVAL, LINUX_FORM_TIMEVAL32

#define ROW(wide, narrow, at_wide, at_narrow, kept, forms, ...)                                    \
    {                                                                                              \
        .number = {wide, narrow}, .argument = {at_wide, at_narrow}, .form = {forms},               \
        .keeper = LINUX_KEPT_BY_##kept, __VA_ARGS__                                                \
    }

static const struct linux_timed_call calls[] = {
    ROW(SYS_nanosleep, INT_NANOSLEEP, 0, 0, BLOCK, NARROW, .left = 1),
    ROW(SYS_clock_nanosleep, INT_CLOCK_NANOSLEEP, 2, 2, BLOCK, NARROW, .left = 3),
    ROW(-1, INT_CLOCK_NANOSLEEP_64, 0, 2, BLOCK, WIDE, .left = 3),
    ROW(SYS_poll, INT_POLL, 2, 2, BLOCK, MS),
    ROW(SYS_futex, INT_FUTEX, 3, 3, BLOCK, NARROW),
    ROW(-1, INT_FUTEX_64, 0, 3, BLOCK, WIDE),
    ROW(SYS_epoll_wait, INT_EPOLL_WAIT, 3, 3, REGISTER, MS),
    ROW(SYS_epoll_pwait, INT_EPOLL_PWAIT, 3, 3, REGISTER, MS),
    ROW(SYS_epoll_pwait2, INT_EPOLL_PWAIT2, 3, 3, MEMORY, WIDE),
    ROW(SYS_rt_sigtimedwait, INT_RT_SIGTIMEDWAIT, 2, 2, MEMORY, NARROW),
    ROW(-1, INT_RT_SIGTIMEDWAIT_64, 0, 2, MEMORY, WIDE),
    ROW(SYS_semtimedop, INT_SEMTIMEDOP_64, 3, 3, MEMORY, WIDE),
    ROW(-1, INT_IPC, 0, 5, MEMORY, NARROW),
    ROW(SYS_ppoll, INT_PPOLL, 2, 2, MEMORY, NARROW, .written_back = true),
    ROW(-1, INT_PPOLL_64, 0, 2, MEMORY, WIDE, .written_back = true),
    ROW(SYS_pselect6, INT_PSELECT6, 4, 4, MEMORY, NARROW, .written_back = true),
    ROW(-1, INT_PSELECT6_64, 0, 4, MEMORY, WIDE, .written_back = true),
    ROW(SYS_select, INT_NEWSELECT, 4, 4, MEMORY, VALUES, .written_back = true),
    ROW(SYS_io_getevents, INT_IO_GETEVENTS, 4, 4, MEMORY, NARROW),
    ROW(SYS_io_pgetevents, INT_IO_PGETEVENTS, 4, 4, MEMORY, NARROW),
    ROW(-1, INT_IO_PGETEVENTS_64, 0, 4, MEMORY, WIDE),
    ROW(SYS_recvmmsg, INT_RECVMMSG, 4, 4, MEMORY, NARROW),
    ROW(-1, INT_RECVMMSG_64, 0, 4, MEMORY, WIDE),
    /* Without a timeout of its own it has that of the socket. */
    ROW(SYS_recvmmsg, INT_RECVMMSG, 0, 0, RECEIVER, MS),
    ROW(-1, INT_RECVMMSG_64, 0, 0, RECEIVER, MS),
    ROW(SYS_read, INT_READ, 0, 0, RECEIVER, MS),
    ROW(SYS_readv, INT_READV, 0, 0, RECEIVER, MS),
    ROW(SYS_preadv2, INT_PREADV2, 0, 0, RECEIVER, MS),
    ROW(SYS_recvfrom, INT_RECVFROM, 0, 0, RECEIVER, MS),
    ROW(SYS_recvmsg, INT_RECVMSG, 0, 0, RECEIVER, MS),
    ROW(SYS_accept, -1, 0, 0, RECEIVER, MS),
    ROW(SYS_accept4, INT_ACCEPT4, 0, 0, RECEIVER, MS),
    ROW(SYS_splice, INT_SPLICE, 0, 0, RECEIVER, MS),
    ROW(SYS_write, INT_WRITE, 0, 0, SENDER, MS),
    ROW(SYS_writev, INT_WRITEV, 0, 0, SENDER, MS),
    ROW(SYS_pwritev2, INT_PWRITEV2, 0, 0, SENDER, MS),
    ROW(SYS_sendto, INT_SENDTO, 0, 0, SENDER, MS),
    ROW(SYS_sendmsg, INT_SENDMSG, 0, 0, SENDER, MS),
    ROW(SYS_sendmmsg, INT_SENDMMSG, 0, 0, SENDER, MS),
    ROW(SYS_connect, INT_CONNECT, 0, 0, SENDER, MS),
    ROW(SYS_sendfile, INT_SENDFILE, 0, 0, SENDER, MS),
    ROW(-1, INT_SENDFILE64, 0, 0, SENDER, MS),
};

const struct linux_timed_call *linux_timed_call(enum linux_way_in way, long number,
                                                const uint64_t arguments[6])
{
    if (number < 0 || (way == LINUX_WAY_INT_80 && number == INT_IPC &&
                       (arguments[0] & IPC_CALL_MASK) != IPC_SEMTIMEDOP))
        return NULL;
    const struct linux_timed_call *found = NULL;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number[way] == number) {
            found = &calls[i];
            if (found->keeper != LINUX_KEPT_BY_MEMORY || arguments[found->argument[way]])
                return found;
        }
    return found;
}

static bool is_until_a_time(long number, enum linux_way_in way, const uint64_t arguments[6])
{
    bool sleep = way == LINUX_WAY_SYSCALL
                     ? number == SYS_clock_nanosleep
                     : number == INT_CLOCK_NANOSLEEP || number == INT_CLOCK_NANOSLEEP_64;
    bool futex = way == LINUX_WAY_SYSCALL ? number == SYS_futex
                                          : number == INT_FUTEX || number == INT_FUTEX_64;
    return (sleep && (arguments[1] & TIMER_ABSTIME)) ||
           (futex && (arguments[1] & FUTEX_CMD_MASK) != FUTEX_WAIT);
}

bool linux_timed_call_counts(const struct linux_timed_call *call, enum linux_way_in way,
                             const uint64_t arguments[6])
{
    uint64_t timeout = arguments[call->argument[way]];
    if (call->keeper == LINUX_KEPT_BY_RECEIVER || call->keeper == LINUX_KEPT_BY_SENDER)
        return true;
    if (call->form[way] == LINUX_FORM_MS)
        return (int32_t)timeout >= 0;
    return timeout && !is_until_a_time(call->number[way], way, arguments);
}

void linux_call_arguments(const struct user_regs_struct *r, enum linux_way_in way,
                          uint64_t arguments[6])
{
    const uint64_t wide[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
    const uint64_t narrow[6] = {(uint32_t)r->rbx, (uint32_t)r->rcx, (uint32_t)r->rdx,
                                (uint32_t)r->rsi, (uint32_t)r->rdi, (uint32_t)r->rbp};
    memcpy(arguments, way == LINUX_WAY_SYSCALL ? wide : narrow, sizeof wide);
}

void linux_call_set_argument(struct user_regs_struct *registers, enum linux_way_in way,
                             unsigned int index, uint64_t value)
{
    static const size_t at[2][6] = {
        {offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rsi),
         offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, r10),
         offsetof(struct user_regs_struct, r8), offsetof(struct user_regs_struct, r9)},
        {offsetof(struct user_regs_struct, rbx), offsetof(struct user_regs_struct, rcx),
         offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, rsi),
         offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rbp)},
    };
    memcpy((char *)registers + at[way][index], &value, sizeof value);
}

long linux_restart_number(enum linux_way_in way)
{
    return way == LINUX_WAY_SYSCALL ? SYS_restart_syscall : INT_RESTART;
}

bool linux_call_is_repeatable(enum linux_way_in way, long number)
{
    return number != (way == LINUX_WAY_SYSCALL ? SYS_close : INT_CLOSE) &&
           number != linux_restart_number(way);
}

bool linux_call_leaves_error(enum linux_way_in way, long number)
{
    return way == LINUX_WAY_SYSCALL ? number == SYS_recvmmsg
                                    : number == INT_RECVMMSG || number == INT_RECVMMSG_64;
}

static bool is_narrow(enum linux_timeout_form form)
{
    return form == LINUX_FORM_TIMESPEC32 || form == LINUX_FORM_TIMEVAL32;
}

/* Nanoseconds in one of the second member. */
static int64_t unit_of(enum linux_timeout_form form)
{
    return form == LINUX_FORM_TIMEVAL || form == LINUX_FORM_TIMEVAL32 ? 1000 : 1;
}

size_t linux_time_size(enum linux_timeout_form form)
{
    return is_narrow(form) ? 2 * sizeof(int32_t) : 2 * sizeof(int64_t);
}

int64_t linux_time_get(enum linux_timeout_form form, const void *bytes)
{
    int64_t time[2];
    int32_t narrow[2];
    if (is_narrow(form)) {
        memcpy(narrow, bytes, sizeof narrow);
        time[0] = narrow[0];
        time[1] = narrow[1];
    } else {
        memcpy(time, bytes, sizeof time);
    }
    int64_t unit = unit_of(form);
    if (time[0] < 0 || time[0] > INT64_MAX / SECOND - 2 || time[1] < 0 || time[1] >= SECOND / unit)
        return -1;
    return time[0] * SECOND + time[1] * unit;
}

void linux_time_put(enum linux_timeout_form form, int64_t ns, void *bytes)
{
    int64_t unit = unit_of(form);
    ns += unit - 1;
    const int64_t time[2] = {ns / SECOND, ns % SECOND / unit};
    const int32_t narrow[2] = {(int32_t)time[0], (int32_t)time[1]};
    memcpy(bytes, is_narrow(form) ? (const void *)narrow : time, linux_time_size(form));
}
