/* install.c: placing capabilities in a descriptor table, and removing them.
 *
 * What is sent to a process lands at its lowest free numbers, some of which may be the very
 * selectors to be filled. So the free numbers are learned first, and what belongs at one of them is
 * sent in the order that makes it land there; all else is moved into place and its landing place
 * closed.
 */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Below the highest that fs.nr_open can be. */
enum { MOST_SELECTOR = 0x7fffffbf };

/* The kernel passes at most 253 descriptors in one message. */
#define AT_ONCE 253

struct piece {
    recap_selector selector;
    int fd;      /* ours */
    bool secret; /* close-on-exec */
    bool there;  /* lands at its selector */
    size_t token;
    size_t call;
};

/* The `count` lowest free numbers after the very lowest, which the carrying socket will take. */
static int learn_free(struct linux_pd *pd, int *numbers, size_t count, struct recap_error *error)
{
    struct linux_batch *batch = linux_batch_new(pd, 0);
    size_t first = 0;
    size_t socket = linux_batch_call(batch, SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (size_t i = 0; i < count; i++) {
        size_t copy = linux_batch_call(batch, SYS_fcntl, -1, F_DUPFD_CLOEXEC, 0);
        linux_batch_chain(batch, socket, copy, 0);
        if (i == 0)
            first = copy;
    }
    for (size_t i = 0; i < count; i++) {
        size_t close = linux_batch_call(batch, SYS_close, -1);
        linux_batch_chain(batch, first + i, close, 0);
    }
    size_t close = linux_batch_call(batch, SYS_close, -1);
    linux_batch_chain(batch, socket, close, 0);
    int code = linux_batch_run(batch, error);
    if (code == 0)
        code = linux_batch_check(batch, socket, "opening a descriptor", error);
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = linux_batch_check(batch, first + i, "opening a descriptor", error);
        numbers[i] = (int)linux_batch_result(batch, first + i);
    }
    if (code == -EMFILE)
        recap_error_remedy(error, "raise its limit on open files with prlimit --nofile");
    linux_batch_free(batch);
    return code;
}

/* Puts the pieces in the order in which they are sent. Both selectors and numbers ascend. */
static void arrange(struct piece *pieces, const int *numbers, size_t count, struct piece **order)
{
    size_t number = 0, place = 0;
    for (size_t i = 0; i < count; i++)
        order[i] = NULL;
    for (size_t i = 0; i < count; i++) {
        while (number < count && (recap_selector)numbers[number] < pieces[i].selector)
            number++;
        if (number < count && (recap_selector)numbers[number] == pieces[i].selector) {
            pieces[i].there = true;
            order[number] = &pieces[i];
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].there)
            continue;
        while (order[place])
            place++;
        order[place] = &pieces[i];
    }
}

/* Checks what came of one piece. A number other than the predicted one (somebody else shares the
 * table) is put right by a batch of its own. */
static int check_piece(struct linux_pd *pd, const struct linux_batch *batch,
                       const struct piece *piece, int number, struct recap_error *error)
{
    int arrived = linux_batch_arrived(batch, piece->token);
    int code = linux_batch_check(batch, piece->call, "installing a capability", error);
    if (code == -EBADF && arrived >= 0) {
        recap_refuse(error, RECAP_FAILED, code,
                     "it is beyond the limit of process %d on open files", pd->pid);
        recap_error_remedy(error, "raise the limit with prlimit --nofile");
    }
    if (code != 0 || !piece->there || arrived == number)
        return code;
    struct linux_batch *second = linux_batch_new(pd, 0);
    size_t copy =
        linux_batch_call(second, SYS_dup3, arrived, piece->selector, piece->secret ? O_CLOEXEC : 0);
    linux_batch_call(second, SYS_close, arrived);
    code = linux_batch_run(second, error);
    if (code == 0)
        code = linux_batch_check(second, copy, "installing a capability", error);
    linux_batch_free(second);
    return code;
}

static int install_pieces(struct linux_pd *pd, struct piece *pieces, size_t count,
                          struct recap_error *error)
{
    int numbers[AT_ONCE];
    struct piece *order[AT_ONCE];
    int code = learn_free(pd, numbers, count, error);
    if (code != 0)
        return code;
    struct linux_batch *batch = linux_batch_new(pd, 0);
    arrange(pieces, numbers, count, order);
    for (size_t i = 0; i < count; i++) {
        struct piece *piece = order[i];
        piece->token = linux_batch_send_fd(batch, piece->fd);
        if (piece->there) {
            linux_batch_keep_fd(batch, piece->token);
            piece->call =
                linux_batch_call(batch, SYS_fcntl, -1, F_SETFD, piece->secret ? FD_CLOEXEC : 0);
        } else {
            piece->call = linux_batch_call(batch, SYS_dup3, -1, piece->selector,
                                           piece->secret ? O_CLOEXEC : 0);
        }
        linux_batch_use_fd(batch, piece->token, piece->call, 0);
    }
    code = linux_batch_run(batch, error);
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = check_piece(pd, batch, order[i], numbers[i], error);
        if (code != 0)
            recap_error_at(error, order[i]->selector);
    }
    linux_batch_free(batch);
    return code;
}

static int install_some(struct linux_pd *pd, const recap_selector *selectors,
                        const struct recap_cap *caps, size_t count, struct recap_error *error)
{
    struct piece pieces[AT_ONCE] = {0};
    size_t ready = 0;
    int code = 0;
    while (code == 0 && ready < count) {
        struct piece *piece = &pieces[ready];
        piece->selector = selectors[ready];
        if (ready > 0 && selectors[ready] <= selectors[ready - 1]) {
            code = recap_refuse(error, RECAP_USAGE, -EINVAL, "selectors have to ascend");
            break;
        }
        piece->secret = caps[ready].slot_flags & RECAP_SLOT_CLOSE_ON_EXEC;
        code =
            selectors[ready] > MOST_SELECTOR
                ? recap_refuse(error, RECAP_USAGE, -EINVAL, "%lu is no selector", selectors[ready])
                : linux_badge_fd(pd->kernel, caps[ready].badge, &piece->fd, error);
        if (code == 0)
            ready++;
        else
            recap_error_at(error, selectors[ready]);
    }
    if (code == 0)
        code = install_pieces(pd, pieces, count, error);
    while (ready > 0)
        close(pieces[--ready].fd);
    return code;
}

int linux_install_many(struct recap_pd *base, const recap_selector *selectors,
                       const struct recap_cap *caps, size_t count, struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    bool running = !pd->suspended;
    int code = running && count ? linux_suspend(base, error) : 0;
    if (code != 0)
        return code;
    for (size_t done = 0; code == 0 && done < count; done += AT_ONCE) {
        size_t left = count - done;
        code =
            install_some(pd, selectors + done, caps + done, left < AT_ONCE ? left : AT_ONCE, error);
    }
    pd->kernel->moment++;
    if (running) {
        int back = linux_resume(base, code == 0 ? error : NULL);
        code = code == 0 ? back : code;
    }
    return code;
}

int linux_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                  struct recap_error *error)
{
    return linux_install_many(pd, &selector, cap, 1, error);
}

int linux_remove(struct recap_pd *base, recap_selector selector, struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    bool running = !pd->suspended;
    if (selector > MOST_SELECTOR) {
        recap_refuse(error, RECAP_USAGE, -EINVAL, "%lu is no selector", selector);
        return recap_error_at(error, selector);
    }
    int code = running ? linux_suspend(base, error) : 0;
    if (code != 0)
        return code;
    struct linux_batch *batch = linux_batch_new(pd, 0);
    size_t call = linux_batch_call(batch, SYS_close, selector);
    code = linux_batch_run(batch, error);
    if (code == 0 && linux_batch_result(batch, call) == -EBADF) {
        code = recap_refuse(error, RECAP_FAILED, -EBADF, "selector %lu of process %d is unused",
                            selector, pd->pid);
        recap_error_at(error, selector);
    }
    linux_batch_free(batch);
    pd->kernel->moment++;
    if (running) {
        int back = linux_resume(base, code == 0 ? error : NULL);
        code = code == 0 ? back : code;
    }
    return code;
}
