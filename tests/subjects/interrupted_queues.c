/* interrupted_queues.c: of the system calls that the subject `interrupted` tries: waiting for
 * signals and at what System V has.
 */
#include "interrupted.h"
#include "subject.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* --- signals ---------------------------------------------------------------------------------- */

static long signal_set(const struct attempt *attempt, int without)
{
    (void)attempt;
    uint64_t *mask = low_memory(sizeof *mask);
    *mask = UINT64_C(1) << (without - 1);
    return (long)mask;
}

static void build_sigtimedwait(struct attempt *attempt)
{
    set(attempt, signal_set(attempt, SIGRTMIN + 1), 0, time_of(attempt, 0), 8, 0, 0);
}

static void build_sigsuspend(struct attempt *attempt)
{
    set(attempt, low_copy(&(uint64_t){~(UINT64_C(1) << (SIGUSR1 - 1))}, 8), 8, 0, 0, 0, 0);
}

static void build_pause(struct attempt *attempt)
{
    (void)attempt;
}

/* --- System V --------------------------------------------------------------------------------- */

enum { IPC_SEMOP = 1, IPC_SEMTIMEDOP = 4, IPC_MSGSND = 11, IPC_MSGRCV = 12 | (1 << 16) };

enum { SEMAPHORES = 64 };
static int semaphores = -1, messages = -1, full_queues[8];
static unsigned short semaphore_count;
static size_t full_queue_count;

/* They would outlive the process. */
static void forget_all(void)
{
    semctl(semaphores, 0, IPC_RMID);
    msgctl(messages, IPC_RMID, NULL);
    for (size_t i = 0; i < full_queue_count; i++)
        msgctl(full_queues[i], IPC_RMID, NULL);
}

struct message {
    long type;
    char text[LENGTH];
};

static void make_all(void)
{
    if (semaphores >= 0)
        return;
    semaphores = semget(IPC_PRIVATE, SEMAPHORES, 0600);
    messages = msgget(IPC_PRIVATE, 0600);
    atexit(forget_all);
    subject_need(semaphores >= 0 && messages >= 0, "System V objects: %m");
}

static long operation_of(struct attempt *attempt)
{
    make_all();
    subject_need(semaphore_count < SEMAPHORES, "too few semaphores");
    struct sembuf operation = {.sem_num = semaphore_count++, .sem_op = -1};
    attempt->fds[3] = operation.sem_num;
    return low_copy(&operation, sizeof operation);
}

static void build_semop(struct attempt *attempt)
{
    long operation = operation_of(attempt);
    set(attempt, semaphores, operation, 1, time_of(attempt, 0), 0, 0);
}

static void build_ipc_semop(struct attempt *attempt)
{
    long operation = operation_of(attempt);
    long time = time_of(attempt, 0);
    set(attempt, time ? IPC_SEMTIMEDOP : IPC_SEMOP, semaphores, 1, 0, operation, time);
}

static void wake_semop(struct attempt *attempt)
{
    struct sembuf operation = {.sem_num = (unsigned short)attempt->fds[3], .sem_op = 1};
    subject_check(semop(semaphores, &operation, 1) == 0, "semop: %m");
}

static void build_msgrcv(struct attempt *attempt)
{
    make_all();
    set(attempt, messages, (long)low_memory(sizeof(struct message)), LENGTH, attempt->id + 1, 0, 0);
}

static void build_ipc_msgrcv(struct attempt *attempt)
{
    make_all();
    set(attempt, IPC_MSGRCV, messages, LENGTH, 0, (long)low_memory(sizeof(struct message)),
        attempt->id + 1);
}

static void wake_msgrcv(struct attempt *attempt)
{
    struct message message = {.type = attempt->id + 1};
    subject_check(msgsnd(messages, &message, LENGTH, 0) == 0, "msgsnd: %m");
}

static void build_msgsnd(struct attempt *attempt)
{
    make_all();
    struct message message = {.type = 1};
    int queue = attempt->fds[3] = full_queues[full_queue_count++] = msgget(IPC_PRIVATE, 0600);
    while (msgsnd(queue, &message, LENGTH, IPC_NOWAIT) == 0)
        ;
    subject_need(errno == EAGAIN, "msgsnd: %m");
    set(attempt, queue, low_copy(&message, sizeof message), LENGTH, 0, 0, 0);
}

static void wake_msgsnd(struct attempt *attempt)
{
    struct message message;
    subject_check(msgrcv(attempt->fds[3], &message, LENGTH, 0, 0) == LENGTH, "msgrcv: %m");
}

static const struct call calls[] = {
    CALL("rt_sigtimedwait", "signal", 128, 177, SPANS | LONG | CONSTANT, build_sigtimedwait,
         WOKEN_BY(wake_by_signal, ANY), EXPIRED(-EAGAIN), NARROW),
    CALL("rt_sigtimedwait_time64", "signal", -1, 421, SPANS, build_sigtimedwait,
         WOKEN_BY(wake_by_signal, ANY), EXPIRED(-EAGAIN)),
    CALL("rt_sigsuspend", "signal", 130, 179, FOR_EVER, build_sigsuspend),
    CALL("pause", "signal", 34, 29, FOR_EVER, build_pause),
    CALL("semop", "semaphore", 65, -1, FOR_EVER, build_semop, WOKEN_BY(wake_semop, 0)),
    CALL("semtimedop", "semaphore", 220, -1, SPANS | LONG | CONSTANT, build_semop,
         WOKEN_BY(wake_semop, 0), EXPIRED(-EAGAIN)),
    CALL("semtimedop_time64", "semaphore", -1, 420, SPANS, build_semop, WOKEN_BY(wake_semop, 0),
         EXPIRED(-EAGAIN)),
    CALL("ipc", "semaphore", -1, 117, SPANS, build_ipc_semop, WOKEN_BY(wake_semop, 0),
         EXPIRED(-EAGAIN), NARROW),
    CALL("ipc", "message", -1, 117, FOR_EVER, build_ipc_msgrcv, WOKEN_BY(wake_msgrcv, LENGTH)),
    CALL("msgrcv", "message", 70, -1, FOR_EVER, build_msgrcv, WOKEN_BY(wake_msgrcv, LENGTH)),
    CALL("msgsnd", "full queue", 69, -1, FOR_EVER, build_msgsnd, WOKEN_BY(wake_msgsnd, 0)),
};
const struct call_table interrupted_queues = {calls, sizeof calls / sizeof calls[0]};
