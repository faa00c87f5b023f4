/* acting.c: connecting Unix sockets as the component does. */
#include "kernel/linux/objects/sockets/unix/acting.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/sockets/unix/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t linux_unix_own_number(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (linux_procfs_read_into(AT_FDCWD, path, text, sizeof text) < 0)
        return pid;
    const char *numbers = linux_fdinfo_text(text, "NSpid");
    int64_t number = pid;
    for (char *end; numbers && *numbers && *numbers != '\n'; numbers = end) {
        long next = strtol(numbers, &end, 10);
        if (end == numbers)
            break;
        number = next;
    }
    return number;
}

bool linux_unix_credentials_get(const struct recap_value *list, struct ucred *credentials)
{
    const struct recap_value *pid = recap_first(list);
    const struct recap_value *user = pid ? pid->next : NULL;
    const struct recap_value *group = user ? user->next : NULL;
    if (!group || pid->type != RECAP_NUMBER || user->type != RECAP_NUMBER ||
        group->type != RECAP_NUMBER)
        return false;
    *credentials =
        (struct ucred){(pid_t)pid->u.number, (uid_t)user->u.number, (gid_t)group->u.number};
    return true;
}

void linux_unix_credentials_put(struct recap_arena *arena, struct recap_value *into,
                                const char *name, const struct ucred *credentials)
{
    struct recap_value *who = recap_put_list(arena, into, name);
    recap_put_number(arena, who, NULL, linux_unix_own_number(credentials->pid));
    recap_put_number(arena, who, NULL, credentials->uid);
    recap_put_number(arena, who, NULL, credentials->gid);
}

void linux_unix_credentials_describe(int fd, struct recap_arena *arena, struct recap_value *state)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 && credentials.pid)
        linux_unix_credentials_put(arena, state, "peer-credentials", &credentials);
}

/* --- acting ---------------------------------------------------------------- */

/* A batch in the process that acts, under the user and group that it acted as. */
struct act {
    struct linux_pd *pd; /* NULL: we act ourselves */
    struct linux_batch *batch;
    struct ucred as;
};

static void end_act(struct act *act)
{
    if (act->batch)
        linux_batch_free(act->batch);
}

static int begin(struct act *act, const struct recap_creation *creation,
                 const struct recap_object *object, struct recap_error *error)
{
    *act = (struct act){0};
    if (!creation->pds ||
        !linux_unix_credentials_get(recap_member(object->state, "peer-credentials"), &act->as))
        return 0;
    for (size_t i = 0; i < creation->graph->pd_count; i++)
        if ((pid_t)creation->graph->pds[i].id == act->as.pid &&
            linux_pd(creation->pds[i])->suspended)
            act->pd = linux_pd(creation->pds[i]);
    if (!act->pd)
        return 0;
    act->batch = linux_batch_new(act->pd, 0);
    if (!act->batch)
        return recap_fail(error, -ENOMEM, "connecting a Unix socket");
    if (geteuid() == 0) {
        linux_batch_call(act->batch, SYS_setresgid, -1, act->as.gid, -1);
        linux_batch_call(act->batch, SYS_setresuid, -1, act->as.uid, -1);
    }
    return 0;
}

static int finish(struct act *act, size_t call, const char *what, struct recap_error *error)
{
    if (geteuid() == 0) {
        linux_batch_call(act->batch, SYS_setresuid, -1, 0, -1);
        linux_batch_call(act->batch, SYS_setresgid, -1, getegid(), -1);
    }
    int result = linux_batch_run(act->batch, error);
    return result ? result : linux_batch_check(act->batch, call, what, error);
}

static int take(struct linux_pd *pd, const int numbers[2], int ends[2], struct recap_error *error)
{
    int taken[2];
    for (int i = 0; i < 2; i++) {
        taken[i] = linux_task_descriptor(pd->task, numbers[i]);
        if (taken[i] < 0) {
            int result = recap_fail(error, taken[i], "taking a pair of Unix sockets");
            if (i)
                close(taken[0]);
            return result;
        }
    }
    memcpy(ends, taken, sizeof taken);
    return 0;
}

static int give_back(struct linux_pd *pd, const int numbers[2], struct recap_error *error)
{
    struct linux_batch *batch = linux_batch_new(pd, 0);
    if (!batch)
        return recap_fail(error, -ENOMEM, "creating a pair of Unix sockets");
    for (int i = 0; i < 2; i++)
        linux_batch_call(batch, SYS_close, numbers[i]);
    int result = linux_batch_run(batch, error);
    linux_batch_free(batch);
    return result;
}

int linux_unix_acting_pair(const struct recap_creation *creation, const struct recap_object *object,
                           int type, int ends[2], struct recap_error *error)
{
    __attribute__((cleanup(end_act))) struct act act;
    int result = begin(&act, creation, object, error);
    if (result < 0)
        return result;
    if (!act.pd)
        return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0
                   ? recap_fail(error, -errno, "creating a pair of Unix sockets")
                   : 0;
    int numbers[2];
    uint64_t at = linux_batch_put(act.batch, NULL, sizeof numbers);
    size_t call = linux_batch_call(act.batch, SYS_socketpair, AF_UNIX, type | SOCK_CLOEXEC, 0, at);
    result = finish(&act, call, "creating a pair of Unix sockets", error);
    if (result < 0)
        return result;
    memcpy(numbers, linux_batch_data(act.batch, at), sizeof numbers);
    int taken[2];
    result = take(act.pd, numbers, taken, error);
    int closed = give_back(act.pd, numbers, result == 0 ? error : NULL);
    if (result == 0 && closed < 0) {
        close(taken[0]);
        close(taken[1]);
    }
    if (result < 0 || closed < 0)
        return result < 0 ? result : closed;
    memcpy(ends, taken, sizeof taken);
    return 0;
}

static int connect_by(struct act *act, int fd, const struct sockaddr *address, socklen_t length,
                      struct recap_error *error)
{
    static const char what[] = "connecting a Unix socket";
    if (!act->pd)
        return connect(fd, address, length) < 0 ? recap_fail(error, -errno, "%s", what) : 0;
    uint64_t at = linux_batch_put(act->batch, address, length);
    size_t token = linux_batch_send_fd(act->batch, fd);
    size_t call = linux_batch_call(act->batch, SYS_connect, -1, at, length);
    linux_batch_use_fd(act->batch, token, call, 0);
    return finish(act, call, what, error);
}

/* Where no more may wait, nobody accepts any before the restore is over: it is not waited for. */
int linux_unix_acting_connect(const struct recap_creation *creation,
                              const struct recap_object *object, int fd,
                              const struct sockaddr *address, socklen_t length,
                              struct recap_error *error)
{
    __attribute__((cleanup(end_act))) struct act act;
    int result = begin(&act, creation, object, error);
    int flags = result < 0 ? 0 : fcntl(fd, F_GETFL);
    if (result == 0 && (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        result = recap_fail(error, -errno, "connecting a Unix socket");
    if (result < 0)
        return result;
    result = connect_by(&act, fd, address, length, error);
    if (fcntl(fd, F_SETFL, flags) < 0 && result == 0)
        result = recap_fail(error, -errno, "connecting a Unix socket");
    return result;
}

int linux_unix_acting_listen(const struct recap_creation *creation,
                             const struct recap_object *object, int fd, int backlog,
                             struct recap_error *error)
{
    __attribute__((cleanup(end_act))) struct act act;
    int result = begin(&act, creation, object, error);
    if (result < 0)
        return result;
    if (!act.pd)
        return listen(fd, backlog) < 0 ? recap_fail(error, -errno, "listening on a Unix socket")
                                       : 0;
    size_t token = linux_batch_send_fd(act.batch, fd);
    size_t call = linux_batch_call(act.batch, SYS_listen, -1, backlog);
    linux_batch_use_fd(act.batch, token, call, 0);
    return finish(&act, call, "listening on a Unix socket", error);
}
