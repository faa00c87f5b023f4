/* defaults.h: the operations that a backend may leave NULL, called as if it had them.
 *
 * Whoever has a kernel of any backend calls these and not the table's. To ask whether a backend has
 * the operation itself is another question, and the table answers that.
 */
#ifndef RECAP_KERNEL_DEFAULTS_H
#define RECAP_KERNEL_DEFAULTS_H

#include "kernel/kernel.h"

void kernel_close(struct recap_kernel *kernel);
int kernel_install_many(struct recap_pd *pd, const recap_selector *selectors,
                        const struct recap_cap *caps, size_t count, struct recap_error *error);
ssize_t kernel_content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error);
int kernel_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
               struct recap_error *error);
int kernel_local(struct recap_kernel *kernel, recap_badge badge, int *fd,
                 struct recap_error *error);
int kernel_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge,
                 struct recap_error *error);

/* load_by_writing.c: needs an operating system, as a file does. */
int kernel_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
                struct recap_error *error);

#endif
