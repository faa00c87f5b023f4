/* file_locks.c: the locks that a description, or its process, holds on a file.
 *
 * flock and OFD locks belong to the description: a descriptor of our own takes them for everybody
 * who shares it. POSIX locks belong to a descriptor table: only the process itself can take them.
 * fdinfo shows those with every description that the process has of the file.
 */
#include "kernel/linux/objects/files/file_locks.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/objects/kinds.h"

#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

struct lock {
    char kind[16]; /* as in /proc/locks: FLOCK, POSIX, OFDLCK, LEASE, DELEG */
    char mode[16]; /* READ, WRITE */
    uint64_t start;
    int64_t end; /* the last byte; -1: to the end of the file, wherever that is */
};

/* "1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF" */
static bool parse(const char *line, struct lock *lock)
{
    char end[24];
    unsigned long long start, last;
    if (linux_procfs_scan(line, "%*[^:]: %15s %*s %15s %*d %*s %llu %23s", lock->kind, lock->mode,
                          &start, end) != 4)
        return false;
    lock->start = start;
    lock->end = -1;
    if (strcmp(end, "EOF") == 0)
        return true;
    if (sscanf(end, "%llu", &last) != 1 || last > INT64_MAX || last < start)
        return false;
    lock->end = (int64_t)last;
    return true;
}

/* Through a description that may not write, the process cannot have taken a lock for writing. */
static bool may_take(const struct linux_description *description, const struct lock *lock)
{
    uint32_t rights = linux_rights_of(description->open_flags);
    return rights & (strcmp(lock->mode, "WRITE") == 0 ? RECAP_RIGHT_WRITE : RECAP_RIGHT_READ);
}

int linux_file_locks_describe(const struct linux_description *description,
                              struct recap_arena *arena, struct recap_value *state,
                              struct recap_error *error)
{
    struct recap_value *locks = NULL;
    for (const char *line = description->fdinfo; line && (line = linux_fdinfo_text(line, "lock"));
         line = linux_fdinfo_next(line)) {
        struct lock lock;
        if (!parse(line, &lock))
            return recap_fail(error, -EPROTO, "the kernel shows a lock on %s in an unknown form",
                              description->link);
        bool posix = strcmp(lock.kind, "POSIX") == 0;
        if (!posix && strcmp(lock.kind, "FLOCK") != 0 && strcmp(lock.kind, "OFDLCK") != 0)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "%s: a lease or delegation (%s) is held on it", description->link,
                                lock.kind);
        if (strcmp(lock.mode, "READ") != 0 && strcmp(lock.mode, "WRITE") != 0)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "%s: a lock of mode %s is held on it", description->link,
                                lock.mode);
        if (posix && !may_take(description, &lock))
            continue;
        if (!locks)
            locks = recap_put_list(arena, recap_put_record(arena, state, "ties"), "locks");
        struct recap_value *record = recap_put_record(arena, locks, NULL);
        recap_put_text(arena, record, "kind", lock.kind);
        recap_put_text(arena, record, "mode", lock.mode);
        recap_put_number(arena, record, "start", (int64_t)lock.start);
        recap_put_number(arena, record, "end", lock.end);
    }
    return 0;
}

static int take_failed(const struct recap_object *object, int code, struct recap_error *error)
{
    const char *label = object->label ? object->label : "a file";
    if (code == -EAGAIN || code == -EACCES)
        return recap_refuse(error, RECAP_FAILED, -EAGAIN,
                            "%s was locked, and another process holds a lock on it now", label);
    return recap_fail(error, code, "locking %s again", label);
}

/* A selector of the PD at which the object is installed. */
static bool selector_of(const struct linux_pd *pd, const struct recap_graph *graph, uint64_t object,
                        recap_selector *selector)
{
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; graph->pds[p].id == (uint64_t)pd->vpid && i < graph->pds[p].slot_count;
             i++)
            if (graph->pds[p].slots[i].object == object) {
                *selector = graph->pds[p].slots[i].selector;
                return true;
            }
    return false;
}

static int take_inside(struct linux_pd *pd, const struct recap_creation *creation,
                       const struct recap_object *object, const struct flock *lock,
                       struct recap_error *error)
{
    recap_selector selector;
    if (!selector_of(pd, creation->graph, object->id, &selector))
        return recap_fail(error, -ENOENT, "no selector holds %s, which was locked",
                          object->label ? object->label : "a file");
    struct linux_batch *batch = linux_batch_new(pd, 0);
    uint64_t address = linux_batch_put(batch, lock, sizeof *lock);
    size_t call = linux_batch_call(batch, SYS_fcntl, selector, F_SETLK, address);
    int result = linux_batch_run(batch, error);
    if (result == 0 && linux_batch_result(batch, call) < 0)
        result = take_failed(object, (int)linux_batch_result(batch, call), error);
    linux_batch_free(batch);
    return result;
}

static int take(struct linux_pd *pd, const struct recap_creation *creation,
                const struct recap_object *object, const struct recap_value *record,
                struct recap_error *error)
{
    const char *kind = recap_text_or_null(record, "kind"),
               *mode = recap_text_or_null(record, "mode");
    int64_t start, end;
    if (!kind || !mode || recap_get_number(record, "start", &start) < 0 || start < 0 ||
        recap_get_number(record, "end", &end) < 0 || (end >= 0 && end < start))
        return linux_state_damaged(object, "locks", error);
    bool write = strcmp(mode, "WRITE") == 0;
    struct flock lock = {.l_type = write ? F_WRLCK : F_RDLCK,
                         .l_whence = SEEK_SET,
                         .l_start = start,
                         .l_len = end < 0 ? 0 : end - start + 1};
    if (strcmp(kind, "POSIX") == 0)
        return take_inside(pd, creation, object, &lock, error);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    if (result < 0)
        return result;
    if (strcmp(kind, "FLOCK") == 0)
        result = flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB);
    else if (strcmp(kind, "OFDLCK") == 0)
        result = fcntl(fd, F_OFD_SETLK, &lock);
    else
        return linux_state_damaged(object, "locks", error);
    return result < 0 ? take_failed(object, -errno, error) : 0;
}

int linux_file_locks_tie(struct linux_pd *pd, const struct recap_creation *creation,
                         const struct recap_object *object, struct recap_error *error)
{
    int result = 0;
    for (const struct recap_value *record =
             recap_items(recap_member(object->state, "ties"), "locks");
         result == 0 && record; record = record->next)
        result = take(pd, creation, object, record, error);
    return result;
}
