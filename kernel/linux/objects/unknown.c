/* unknown.c: what no other kind recognises: refused, by name. */
#include "kernel/linux/objects/kinds.h"

#include <errno.h>

static bool recognise(const struct linux_description *description)
{
    (void)description;
    return true;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    object->label = recap_arena_text(arena, description->link);
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "%s is of a kind that Recap cannot restore", description->link);
    return recap_error_remedy(error, "restore with --bind %d=OBJECT", description->fd);
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge,
                  struct recap_error *error)
{
    (void)kernel;
    (void)creation;
    (void)badge;
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s cannot be created",
                        object->label ? object->label : "an unknown object");
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)object;
    return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s is of an unknown kind",
                        description->link);
}

const struct linux_kind linux_kind_unknown = {
    .name = "unknown",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
