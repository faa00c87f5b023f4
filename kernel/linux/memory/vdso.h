/* vdso.h: the pages that the kernel itself maps into every process. */
#ifndef RECAP_KERNEL_LINUX_MEMORY_VDSO_H
#define RECAP_KERNEL_LINUX_MEMORY_VDSO_H

#include <recap/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether two vDSO texts are the same program; what lies behind the end of the ELF image does not
 * count. False for what is no vDSO. */
bool linux_vdso_same(const void *a, size_t a_size, const void *b, size_t b_size);
/* Makes every function that `old` exports a jump to the function of that name in `new`, which is
 * mapped at `new_address`. -EOPNOTSUPP when there is none or a function is too short for the jump;
 * -EINVAL when either is not a well-formed vDSO. */
int linux_vdso_redirect(void *old, size_t old_size, const void *new, size_t new_size,
                        uint64_t new_address, struct recap_error *error);

#endif
