/* children.c: a process for each client: forking it, counting it, hearing what it wishes, reaping
 * it.
 */
#include "core/host/children.h"
#include "core/host/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t count_of(const struct core_children *children, uid_t uid)
{
    size_t count = 0;
    for (size_t i = 0; i < children->count; i++)
        count += children->items[i].identity.uid == uid;
    return count;
}

/* Whether one more of the user's can be served, with room for it. */
static int admit(struct core_children *children, uid_t uid)
{
    if (count_of(children, uid) >= children->options->clients)
        return -EAGAIN;
    if (children->count < children->capacity)
        return 0;
    size_t capacity = children->capacity ? children->capacity * 2 : 16;
    struct core_child *larger = reallocarray(children->items, capacity, sizeof *larger);
    if (!larger)
        return -ENOMEM;
    children->items = larger;
    children->capacity = capacity;
    return 0;
}

/* A process for a connection begins when core no longer holds that: what is closed last is closed
 * by whoever closes it, and a client may have put something into the connection whose closing takes
 * any time. */
static pid_t fork_behind(int *gate)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    int code = -errno;
    if (pid == 0) {
        char byte;
        close(ends[1]);
        while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
            continue;
        close(ends[0]);
        return 0;
    }
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return code;
    }
    *gate = ends[1];
    return pid;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* In the child. */
static _Noreturn void launch(const struct core_children *children, struct core_client *client,
                             const int places[CORE_CLIENT_END])
{
    client->memory = children->options->memory;
    client->patience_ms = children->options->patience_ms;
    client->others = calloc(children->count + 1, sizeof *client->others);
    for (size_t i = 0; client->others && i < children->count; i++)
        client->others[client->other_count++] = children->items[i].pid;
    core_launch(client, places);
}

/* Forks the process that serves `client`, whose identity becomes the child's, which begins
 * once `given` are closed here. 0, or a negative errno with all as it was. */
static int spawn(struct core_children *children, struct core_client *client,
                 const int places[CORE_CLIENT_END], struct core_child child, const int *given,
                 size_t given_count)
{
    int gate = -1;
    pid_t pid = fork_behind(&gate);
    if (pid == 0)
        launch(children, client, places);
    if (pid < 0)
        return pid;
    close_all(given, given_count);
    close(gate);
    child.pid = pid;
    child.identity = client->identity;
    children->items[children->count++] = child;
    return 0;
}

/* What core and a client's process say to each other about sessions. Nothing can come with a wish,
 * and into the other direction core says something and hears nothing. */
static int make_lines(int wishes[2], int answers[2])
{
    if (pipe2(wishes, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, answers) < 0) {
        int code = -errno;
        close_all(wishes, 2);
        return code;
    }
    shutdown(answers[0], SHUT_RD);
    return 0;
}

int core_children_serve(struct core_children *children, int socket, struct core_identity *identity)
{
    int wishes[2], answers[2];
    int result = admit(children, identity->uid);
    result = result ? result : make_lines(wishes, answers);
    if (result < 0)
        return result;
    const int places[CORE_CLIENT_END] = {[CORE_CLIENT_SOCKET] = socket,
                                         [CORE_CLIENT_WISHES] = wishes[1],
                                         [CORE_CLIENT_ANSWERS] = answers[1]};
    const int given[] = {socket, wishes[1], answers[1]};
    struct core_client client = {.identity = *identity, .model = identity->pid};
    struct core_child child = {.wishes = wishes[0], .answers = answers[0]};
    result = spawn(children, &client, places, child, given, 3);
    if (result == 0) {
        *identity = (struct core_identity){0};
        return 0;
    }
    close_all(wishes, 2);
    close_all(answers, 2);
    return result;
}

void core_children_refuse(int socket, const struct recap_error *why)
{
    int gate = -1;
    pid_t pid = fork_behind(&gate);
    /* A process of its own for it has nothing to lose by the time that closing may take. */
    if (pid <= 0)
        core_client_turn_away(socket, why);
    if (pid == 0)
        _exit(0);
    close(socket);
    if (pid > 0)
        close(gate);
}

/* The process that serves the session tells how it went; core tells only that there is none. */
static int make_session(struct core_children *children, size_t index,
                        const struct core_session_wish *wish)
{
    int ends[2];
    int result = wish->id ? admit(children, children->items[index].identity.uid) : -EINVAL;
    const struct core_child *parent = &children->items[index];
    struct core_client client = {.model = parent->pid,
                                 .confined = wish->id,
                                 .number = wish->number,
                                 .looks = wish->looks != 0};
    if (result == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        result = -errno;
    if (result < 0)
        return result;
    const int places[CORE_CLIENT_END] = {[CORE_CLIENT_SOCKET] = ends[0],
                                         [CORE_CLIENT_REPORT] = parent->answers,
                                         [CORE_CLIENT_GIVEN] = ends[1]};
    result = core_identity_copy(&parent->identity, &client.identity);
    if (result == 0)
        result = spawn(children, &client, places, (struct core_child){.wishes = -1, .answers = -1},
                       ends, 2);
    if (result < 0) {
        close_all(ends, 2);
        core_identity_clear(&client.identity);
    }
    return result;
}

void core_children_hear(struct core_children *children, size_t index)
{
    struct core_session_wish wish;
    struct core_child *child = &children->items[index];
    ssize_t got = read(child->wishes, &wish, sizeof wish);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got != sizeof wish) {
        close(child->wishes);
        child->wishes = -1;
        return;
    }
    const struct core_session_answer answer = {wish.number, make_session(children, index, &wish)};
    if (answer.result < 0)
        send(children->items[index].answers, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void forget(struct core_children *children, size_t index)
{
    struct core_child *child = &children->items[index];
    close_all((const int[]){child->wishes, child->answers}, 2);
    core_identity_clear(&child->identity);
    *child = children->items[--children->count];
}

/* They and what they made and left: components that were restored. */
void core_children_reap(struct core_children *children)
{
    for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
        for (size_t i = 0; i < children->count; i++)
            if (children->items[i].pid == pid) {
                forget(children, i);
                break;
            }
}

void core_children_signal(const struct core_children *children, int number)
{
    for (size_t i = 0; i < children->count; i++)
        kill(children->items[i].pid, number);
}

void core_children_clear(struct core_children *children)
{
    while (children->count)
        forget(children, children->count - 1);
    free(children->items);
    children->items = NULL;
    children->capacity = 0;
}
