/* file_locks.c: the locks that a description, or its process, holds on the file. */
#include "kernel/linux/objects/file_locks.h"

#include "kernel/linux/objects/fdinfo.h"

#include <errno.h>
#include <stddef.h>

int linux_file_locks_describe(const struct linux_description *description,
                              struct recap_arena *arena, struct recap_value *state,
                              struct recap_error *error)
{
    (void)arena;
    (void)state;
    if (linux_fdinfo_text(description->fdinfo, "lock"))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s is locked",
                            description->link);
    return 0;
}

int linux_file_locks_tie(struct linux_pd *pd, const struct recap_creation *creation,
                         const struct recap_object *object, struct recap_error *error)
{
    (void)pd;
    (void)creation;
    (void)object;
    (void)error;
    return 0;
}
