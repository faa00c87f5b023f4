/* descriptions.c: from a badge to the functions of its kind. */
#include "kernel/linux/descriptions.h"
#include "kernel/linux/badges/badges.h"

#include "kernel/linux/badges/table.h"
#include "kernel/linux/objects/files/file_locks.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/signal_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* What the functions of a kind work on. `own` is set when the description has to be freed. */
struct subject {
    const struct linux_kind *kind;
    const struct linux_description *description; /* NULL: an inner object */
    struct linux_description *own;
};

static void subject_clear(struct subject *subject)
{
    linux_description_free(subject->own);
}

/* What the badge refers to; -ESTALE when its home has been closed or given to something else. */
static int find_subject(struct linux_kernel *kernel, recap_badge badge, struct subject *subject,
                        struct recap_error *error)
{
    const struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    *subject = (struct subject){0};
    if (!entry || (!entry->kind && !entry->class))
        return recap_fail(error, -EINVAL, "there is no badge %llu", (unsigned long long)badge);
    if (entry->kind) {
        subject->kind = linux_kind_named(entry->kind);
        return subject->kind ? 0 : recap_fail(error, -EINVAL, "there is no kind %s", entry->kind);
    }
    if (entry->read && entry->moment == kernel->moment) {
        subject->description = entry->read;
        subject->kind = linux_kind_of(entry->read);
        return 0;
    }
    struct linux_home home = {entry->node.pid, entry->node.fd};
    int result = linux_description_read(home, &subject->own, error);
    if (result == 0 && linux_description_immutable(subject->own) != entry->class->link.key) {
        subject_clear(subject);
        *subject = (struct subject){0};
        result = -EBADF;
    }
    if (result == -EBADF)
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "descriptor %d of process %d has been closed or replaced meanwhile",
                            home.fd, (int)home.pid);
    subject->description = subject->own;
    subject->kind = result == 0 ? linux_kind_of(subject->own) : NULL;
    return result;
}

static int describe(struct linux_kernel *kernel, recap_badge badge, const struct subject *subject,
                    struct recap_arena *arena, struct recap_object *object,
                    struct recap_error *error)
{
    object->kind = subject->kind->name;
    if (subject->description && subject->kind->tie != linux_file_locks_tie &&
        linux_procfs_field(subject->description->fdinfo, "lock"))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s is locked, and locks are only kept of files and directories",
                            subject->description->link);
    if (subject->kind->describe) {
        int result =
            subject->kind->describe(kernel, badge, subject->description, arena, object, error);
        if (result < 0 || !subject->description || !object->state)
            return result;
        return linux_signal_owner_describe(kernel, badge, subject->description, arena,
                                           object->state, error);
    }
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "a %s cannot be restored",
                        object->kind);
}

/* One try of linux_describe. `again` (only set for a process that runs): what is described has
 * moved on while it was looked at, so that what was found may contradict itself. */
static int try_describe(struct linux_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                        struct recap_object *object, bool *again, struct recap_error *error)
{
    __attribute__((cleanup(subject_clear))) struct subject subject = {0};
    int result = find_subject(kernel, badge, &subject, error);
    if (result < 0)
        return result;
    result = describe(kernel, badge, &subject, arena, object, error);
    if (!object->label && subject.description)
        object->label = linux_unknown_label(subject.description, arena);
    if (result == -EOPNOTSUPP && error && !error->remedy[0] && subject.description)
        recap_error_remedy(error, "checkpoint with --external %d and restore with --bind %d=OBJECT",
                           subject.description->fd, subject.description->fd);
    if (result < 0 && subject.own) {
        __attribute__((cleanup(subject_clear))) struct subject now = {0};
        int gone = find_subject(kernel, badge, &now, NULL);
        if (gone == -ESTALE)
            return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s has been closed meanwhile",
                                object->label ? object->label : object->kind);
        *again = gone == 0 && strcmp(now.description->link, subject.description->link) != 0;
    }
    return result;
}

int linux_describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                   struct recap_object *object, struct recap_error *error)
{
    enum { TRIES = 3 }; /* a file is renamed or removed once, and not all the time */
    struct recap_object described;
    struct recap_error why;
    int result = -EAGAIN;
    bool again = true;
    for (int i = 0; i < TRIES && again; i++) {
        again = false;
        why = (struct recap_error){0};
        described = (struct recap_object){.id = object->id, .kind = object->kind};
        result = try_describe(linux_kernel(kernel), badge, arena, &described, &again, &why);
    }
    if (result < 0) {
        if (error)
            *error = why;
        /* What is known of it names the object in whatever is said about it. */
        object->kind = described.kind;
        object->label = described.label;
        return result;
    }
    *object = described;
    return 0;
}

int linux_label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                const char **label, struct recap_error *error)
{
    __attribute__((cleanup(subject_clear))) struct subject subject = {0};
    const struct linux_badge_entry *entry = linux_badge_entry(linux_kernel(kernel), badge);
    int result = 0;
    if (entry && entry->read)
        subject = (struct subject){.kind = linux_kind_of(entry->read), .description = entry->read};
    else
        result = find_subject(linux_kernel(kernel), badge, &subject, error);
    if (result < 0)
        return result;
    struct recap_object object = {0};
    describe(linux_kernel(kernel), badge, &subject, arena, &object, NULL);
    if (!object.label && subject.description)
        object.label = linux_unknown_label(subject.description, arena);
    *label = object.label ? object.label : object.kind;
    return 0;
}

ssize_t linux_content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset, void *buffer,
                      size_t size, struct recap_error *error)
{
    __attribute__((cleanup(subject_clear))) struct subject subject = {0};
    int result = find_subject(linux_kernel(kernel), badge, &subject, error);
    if (result < 0)
        return result;
    if (!subject.kind->content)
        return 0;
    return subject.kind->content(linux_kernel(kernel), badge, offset, buffer, size, error);
}

/* The object and its kind, for what is read from a graph. */
static int find_object(const struct recap_graph *graph, uint64_t id,
                       const struct recap_object **object, const struct linux_kind **kind,
                       struct recap_error *error)
{
    *object = recap_graph_object(graph, id);
    if (!*object)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "the graph has no object %llu",
                            (unsigned long long)id);
    *kind = (*object)->kind ? linux_kind_named((*object)->kind) : NULL;
    if (!*kind)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "object %llu is of a kind that this Recap does not know: %s",
                            (unsigned long long)id, (*object)->kind ? (*object)->kind : "none");
    return 0;
}

/* What was opened by a path that leads to something else by now can be had as it is now. */
static void advise_binding(const struct recap_graph *graph, const struct recap_object *object,
                           struct recap_error *error)
{
    const char *path = recap_text_or_null(object->state, "path");
    uint64_t flags = 0;
    if (!error || error->remedy[0] || !path)
        return;
    recap_get_hex(object->state, "flags", &flags);
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++)
            if (graph->pds[p].slots[i].object == object->id) {
                /* A comma behind the name keeps what follows another one from being an option. */
                recap_error_remedy(error, "restore with --bind %llu=path:%s%s%s",
                                   (unsigned long long)graph->pds[p].slots[i].selector, path,
                                   strchr(path, ',') ? "," : "", flags & O_APPEND ? ",append" : "");
                return;
            }
    recap_error_remedy(error, "put back %s as it was", path);
}

int linux_create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                 recap_badge *badge, struct recap_error *error)
{
    const struct recap_object *object;
    const struct linux_kind *kind;
    int result = find_object(creation->graph, id, &object, &kind, error);
    if (result < 0)
        return result;
    if (!kind->create)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "a %s cannot be created",
                            kind->name);
    recap_badge made;
    result = kind->create(linux_kernel(kernel), creation, object, &made, error);
    if (result == -ESTALE)
        advise_binding(creation->graph, object, error);
    if (result < 0)
        return result;
    struct linux_badge_entry *entry = linux_badge_entry(linux_kernel(kernel), made);
    if (entry)
        entry->made = true;
    *badge = made;
    return 0;
}

int linux_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
              struct recap_error *error)
{
    const struct recap_object *object;
    const struct linux_kind *kind;
    int result = find_object(creation->graph, id, &object, &kind, error);
    if (result < 0 || !kind->tie)
        return result;
    return kind->tie(linux_pd(pd), creation, object, error);
}

int linux_compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                  uint64_t id, struct recap_error *error)
{
    const struct recap_object *object;
    const struct linux_kind *kind;
    int result = find_object(graph, id, &object, &kind, error);
    if (result < 0)
        return result;
    __attribute__((cleanup(subject_clear))) struct subject subject = {0};
    result = find_subject(linux_kernel(kernel), badge, &subject, error);
    if (result < 0)
        return result;
    if (subject.kind != kind)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "is a %s, and %s was a %s",
                            subject.kind->name, object->label ? object->label : "it", kind->name);
    if (!kind->compare)
        return 0;
    return kind->compare(linux_kernel(kernel), badge, subject.description, object, error);
}
