/* checkpoint.h: checkpoint, restore and verify whole components.
 *
 * The rules of native_pd.h hold here as well. What cannot be restored faithfully is never dropped:
 * it is refused, all of it at once, in a list of refusals that the caller zero-initialises and
 * clears with recap_refusals_clear.
 */
#ifndef RECAP_CHECKPOINT_H
#define RECAP_CHECKPOINT_H

#include <recap/native_pd.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Long work says how far it is: `done` of `total` bytes or items of `phase`, from within the call
 * and on its thread. `report` may be NULL. It returns whether to go on: false ends the call with
 * EINTR, and everything is as after any failure. */
struct recap_progress {
    bool (*report)(void *context, const char *phase, uint64_t done, uint64_t total);
    void *context;
};

/* A selector of one PD of a set. */
struct recap_place {
    uint64_t pd; /* as the caller knows it, at restore as the image does; 0: any PD that uses it */
    recap_selector selector;
};

struct recap_checkpoint_options {
    const char *path;   /* where the image is to be, which must not exist; NULL: a dry run */
    bool leave_running; /* false: the PDs are ended once the image is whole */
    const struct recap_place *externals; /* what the caller promises to bind at restore */
    size_t external_count;
    struct recap_progress progress;
};

struct recap_checkpoint_result {
    uint64_t pause_ns; /* between suspend and resume, in nanoseconds as the caller's clock has it */
    uint64_t bytes;    /* of memory written */
    size_t selectors, objects, threads, regions;
};

/* Object `spec`, in the notation of recap-install(1), takes the place of what was at `at`. */
struct recap_binding {
    struct recap_place at;
    const char *spec;
};

struct recap_restore_options {
    const struct recap_binding *bindings;
    size_t binding_count;
    bool lazy; /* pages come from the image when touched: the image has to stay where it is */
    struct recap_progress progress;
};

/* Checkpoints the `count` processes `ids` into one new image, a directory: see recap-image(5). On
 * every failure they run on, and no image is left. A dry run finds what would be refused and stops
 * nothing. `result` may be NULL. Errors: EOPNOTSUPP, class RECAP_UNSUPPORTED: `refusals` has one
 * entry for everything that could not be restored; EEXIST, the image exists; EBUSY, another
 * recap has a process stopped. */
int recap_checkpoint(struct recap_kernel *kernel, const uint64_t *ids, size_t count,
                     const struct recap_checkpoint_options *options,
                     struct recap_refusals *refusals, struct recap_checkpoint_result *result,
                     struct recap_error *error);

/* Restores the image at `path` and starts it once every selector has been requested and compared
 * with the image. `pds` becomes an array of `count` opened PDs: the caller closes each, and frees
 * the array with free(3); its processes are the caller's children (waitpid(2)) and go on when
 * closed. recap_pd_id gives their process ids. A failure leaves nothing behind. Errors: EOPNOTSUPP,
 * class RECAP_UNSUPPORTED: `refusals` lists the external objects without a binding; class
 * RECAP_DAMAGED: the image is damaged, or of another kernel or version; ESTALE: `refusals` lists
 * what did not compare equal; EEXIST: a process id is in use. */
int recap_restore(struct recap_kernel *kernel, const char *path,
                  const struct recap_restore_options *options, struct recap_pd ***pds,
                  size_t *count, struct recap_refusals *refusals, struct recap_error *error);

/* The process id of an opened PD, in the caller's PID namespace. */
uint64_t recap_pd_id(const struct recap_pd *pd);

/* Compares the capability spaces of the running processes `ids` with the image at `path`: the same
 * selectors, rights and slot flags, the same sharing of objects within and between them, and each
 * object the one that it was. Each is compared with the process of the image that has its id; where
 * one has another id, all are taken in the image's order, and `count` is that of the image. Errors:
 * ESTALE: every difference is an entry in `differences`; EINVAL: `count` is not that of the image;
 * class RECAP_DAMAGED as above. */
int recap_verify(struct recap_kernel *kernel, const char *path, const uint64_t *ids, size_t count,
                 struct recap_refusals *differences, struct recap_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
