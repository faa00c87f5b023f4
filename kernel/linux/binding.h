/* binding.h: the forms in which people name an object, between the files that implement them. */
#ifndef RECAP_KERNEL_LINUX_BINDING_H
#define RECAP_KERNEL_LINUX_BINDING_H

#include "kernel/linux/linux.h"

/* Fills `error` for a specification that cannot be understood. Returns -EINVAL. */
int linux_bind_malformed(struct recap_error *error, const char *spec, const char *why);

/* Opens what `spec` names with the caller's rights, also for a kernel elsewhere that is then given
 * the descriptor. The caller closes it. `rights` as for bind in kernel.h. */
int linux_binding_open(const char *spec, uint32_t rights, int *fd, struct recap_error *error);

/* Connect to what follows the prefix; the caller gets the descriptor. */
int linux_bind_unix(const char *spec, const char *rest, uint32_t rights, int *fd,
                    struct recap_error *error);
int linux_bind_tcp(const char *spec, const char *rest, uint32_t rights, int *fd,
                   struct recap_error *error);
/* One end of what had another end, which is closed: of a pipe where only reading or only writing is
 * wanted, else of a connection. */
int linux_bind_hangup(const char *spec, const char *rest, uint32_t rights, int *fd,
                      struct recap_error *error);

#endif
