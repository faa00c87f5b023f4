/* native_pd.h: the capability spaces of other components: walk, request, install, remove.
 *
 * On Linux a protection domain (PD) is a process, a selector a descriptor number, and an object an
 * open file description. Whoever may ptrace(2) a process may open it as a PD.
 *
 * Every function that can fail returns 0 on success; otherwise a negative errno, with `error`
 * filled (NULL is allowed) and all other outputs untouched. None prints and none exits. A kernel
 * and what was opened from it belong to one thread at a time.
 */
#ifndef RECAP_NATIVE_PD_H
#define RECAP_NATIVE_PD_H

#include <recap/capability.h>
#include <recap/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The kernel that PDs and objects are reached through. */
struct recap_kernel;
/* An opened PD. */
struct recap_pd;

/* Opens the kernel that the caller runs on. The caller closes it with recap_kernel_close. Errors:
 * ENOMEM. */
int recap_kernel_open(struct recap_kernel **kernel, struct recap_error *error);

/* Reaches a kernel through a core that serves it, at `address`: "unix:PATH" (recap-core(1)),
 * "serial:PATH" (a line to another machine), "fd:N" (a session that was handed on; the descriptor
 * stays the caller's). Everything below works as on the kernel itself, with the rights that core
 * gives the caller: see recap-protocol(7). Errors: those of connect(2) and open(2); EPROTO, core
 * speaks another version; ETIMEDOUT, nobody answers. EPIPE, from any function: core is gone. */
int recap_core_open(const char *address, struct recap_kernel **kernel, struct recap_error *error);

/* Closes it; badges are void afterwards. PDs have to be closed before. Accepts NULL. */
void recap_kernel_close(struct recap_kernel *kernel);

/* Lists the PDs that the caller may open: `count` process ids in an array that the caller frees
 * with free(3). A process may end, and its id be used again, before it is opened. See ptrace(2),
 * "Ptrace access mode checking", for who may open whom. */
int recap_pd_list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                  struct recap_error *error);

/* Opens the process `id` (in the caller's PID namespace) without stopping it. The caller closes it
 * with recap_pd_close. The PD names that process as long as it is open, also when its id is used
 * again (pidfd_open(2)). Errors: ESRCH, no such process; EPERM or EACCES, the caller may not. */
int recap_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                  struct recap_error *error);

/* Closes it; a suspended PD goes on. Accepts NULL. */
void recap_pd_close(struct recap_pd *pd);

/* Stops all threads of the PD, so that several calls see one state (PTRACE_INTERRUPT in ptrace(2)).
 * The PD does not notice. If the caller dies, the PD goes on. */
int recap_pd_suspend(struct recap_pd *pd, struct recap_error *error);

/* Lets a suspended PD go on. */
int recap_pd_resume(struct recap_pd *pd, struct recap_error *error);

/* The capability at `selector`: *cap has badge 0 if the selector is unused. *next becomes the
 * smallest used selector above it, or RECAP_NO_SELECTOR. Walking from selector 0 along `next`
 * visits every used selector in order and costs per used selector. `cap` and `next` may each be
 * NULL; the badge is valid until the kernel is closed, and cap->kind is static text. The PD goes on
 * meanwhile: suspend it for a walk of one instant. See pidfd_getfd(2) and kcmp(2). Errors: ESRCH,
 * the process has ended. */
int recap_request(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                  recap_selector *next, struct recap_error *error);

/* Places the object cap->badge at exactly `selector`. Of `cap`, badge and slot_flags count; the
 * rights are those of the object (an open file description has its access mode). What was at the
 * selector is closed in the same step, as by dup3(2). A PD that is running is suspended for this
 * (less than a millisecond) and does not notice otherwise. Errors: EBADF, the selector is not below
 * the PD's limit of descriptors (RLIMIT_NOFILE in getrlimit(2)); EINVAL, badge 0. */
int recap_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                  struct recap_error *error);

/* Makes `selector` unused, as by close(2). Errors: EBADF, it is unused already. */
int recap_remove(struct recap_pd *pd, recap_selector selector, struct recap_error *error);

/* The object that `object` names, in the notation of recap-install(1): "path:FILE", "fd:N",
 * "pid:PID:SELECTOR", "unix:PATH", "tcp:HOST:PORT", "hangup", "null". `rights` (enum recap_right,
 * 0: as the notation says) are those that are wanted. It is opened or connected by this call, and
 * let go when the kernel is closed. Errors: those of open(2), connect(2); EINVAL, not in that
 * notation. */
int recap_object(struct recap_kernel *kernel, const char *object, uint32_t rights,
                 recap_badge *badge, struct recap_error *error);

/* The badge of what the caller's own descriptor `fd` refers to. The descriptor stays the caller's;
 * it may be closed afterwards. Errors: EBADF. */
int recap_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge, struct recap_error *error);

/* A new descriptor of the caller's own (close-on-exec) for the object; the caller closes it with
 * close(2). Errors: ESTALE, no process that held the object holds it any longer; EMFILE. */
int recap_local(struct recap_kernel *kernel, recap_badge badge, int *fd, struct recap_error *error);

/* What the object is, in words for people ("/var/log/app.log", "TCP socket listening on :80"). The
 * caller frees it with free(3). File names are given as they are: escape them for a terminal. */
int recap_label(struct recap_kernel *kernel, recap_badge badge, char **label,
                struct recap_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
