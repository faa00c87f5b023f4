/* remake.c: describes descriptors of the test itself and builds them anew. */
#include "remake.h"

#include "engine/engine.h"
#include "kernel/linux/backend.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void read_contents(struct remake *remake, const struct recap_walk *walk)
{
    size_t count = remake->graph->object_count;
    remake->contents = calloc(count + 1, sizeof *remake->contents);
    for (size_t i = 1; i <= count; i++) {
        const struct recap_object *object = &remake->graph->objects[i - 1];
        remake->contents[i] = malloc(object->content + 1);
        for (uint64_t at = 0; at < object->content;) {
            ssize_t got = remake->kernel->ops->content(remake->kernel, walk->badges[i], at,
                                                       remake->contents[i] + at,
                                                       object->content - at, &remake->error);
            assert_true(got > 0);
            at += (uint64_t)got;
        }
    }
}

void remake_describe(struct remake *remake, const int *fds, size_t count, bool close_them)
{
    *remake = (struct remake){.count = count};
    assert_int_equal(recap_linux_open(&remake->kernel, NULL), 0);
    assert_int_equal(recap_linux_open(&remake->other, NULL), 0);
    remake->graph = recap_graph_new();
    remake->ids = calloc(count + 1, sizeof *remake->ids);
    struct recap_pd_image *pd = recap_graph_add_pd(remake->graph);
    pd->id = (uint64_t)getpid();
    struct recap_walk walk;
    recap_walk_init(&walk, remake->kernel, remake->graph);
    for (size_t i = 0; i < count; i++) {
        recap_badge badge;
        int own = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        assert_int_equal(linux_badge_own(linux_kernel(remake->kernel), own, &badge, NULL), 0);
        remake->ids[i] = recap_walk_enter(&walk, badge);
        struct recap_slot *slot = recap_graph_add_slot(remake->graph, pd);
        slot->selector = (recap_selector)fds[i];
        slot->object = remake->ids[i];
    }
    int result = recap_walk_objects(&walk, NULL, 0, &remake->refusals, &remake->error);
    if (result < 0)
        fail_msg("describing: %s", remake->error.what);
    if (!remake->refusals.count)
        read_contents(remake, &walk);
    for (size_t i = 0; close_them && i < count; i++)
        close(fds[i]);
    recap_walk_clear(&walk);
    if (close_them) {
        remake->kernel->ops->close(remake->kernel);
        remake->kernel = NULL;
    }
}

static ssize_t content(void *context, uint64_t id, uint64_t offset, void *buffer, size_t size)
{
    const struct remake *remake = context;
    uint64_t length = remake->graph->objects[id - 1].content;
    if (offset >= length)
        return 0;
    if (size > length - offset)
        size = length - offset;
    memcpy(buffer, remake->contents[id] + offset, size);
    return (ssize_t)size;
}

struct making {
    struct remake *remake;
    struct recap_creation creation;
};

static int make(void *context, uint64_t id)
{
    struct making *making = context;
    struct remake *remake = making->remake;
    return remake->other->ops->create(remake->other, &making->creation, id, &remake->badges[id],
                                      &remake->error);
}

int remake_create(struct remake *remake, int *fds)
{
    remake->badges = calloc(remake->graph->object_count + 1, sizeof *remake->badges);
    struct linux_pd pd = {.base = {remake->other, (uint64_t)getpid()},
                          .kernel = linux_kernel(remake->other),
                          .pid = getpid(),
                          .vpid = getpid()};
    struct recap_pd *pds[] = {&pd.base};
    struct making making = {remake,
                            {.graph = remake->graph,
                             .pds = pds,
                             .badges = remake->badges,
                             .content = content,
                             .context = remake}};
    int result = recap_order(remake->graph, make, &making, &remake->error);
    for (uint64_t id = 1; result == 0 && id <= remake->graph->object_count; id++)
        if (recap_member(remake->graph->objects[id - 1].state, "ties"))
            result = remake->other->ops->tie(&pd.base, &making.creation, id, &remake->error);
    if (result == 0)
        result = linux_watches_set(linux_kernel(remake->other), &remake->error);
    for (size_t i = 0; result == 0 && i < remake->count; i++)
        result = remake->other->ops->compare(remake->other, remake->badges[remake->ids[i]],
                                             remake->graph, remake->ids[i], &remake->error);
    for (size_t i = 0; result == 0 && i < remake->count; i++)
        result = linux_badge_fd(linux_kernel(remake->other), remake->badges[remake->ids[i]],
                                &fds[i], &remake->error);
    if (result == 0) {
        remake->other->ops->close(remake->other);
        remake->other = NULL;
    }
    return result;
}

void remake_all(struct remake *remake, int *fds, size_t count)
{
    remake_describe(remake, fds, count, true);
    if (remake->refusals.count)
        fail_msg("refused: %s", remake->refusals.items[0].what);
    if (remake_create(remake, fds) < 0)
        fail_msg("creating: %s", remake->error.what);
}

void remake_free(struct remake *remake)
{
    for (size_t i = 1; remake->contents && i <= remake->graph->object_count; i++)
        free(remake->contents[i]);
    free(remake->contents);
    free(remake->badges);
    free(remake->ids);
    recap_refusals_clear(&remake->refusals);
    recap_graph_free(remake->graph);
    if (remake->kernel)
        remake->kernel->ops->close(remake->kernel);
    if (remake->other)
        remake->other->ops->close(remake->other);
    *remake = (struct remake){0};
}
