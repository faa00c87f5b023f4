/* fake_kernel.c: a kernel in memory. */
#include "tests/unit/fake_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t BASE = 0x10000;

static struct fake_kernel *fake(struct recap_kernel *kernel)
{
    return (struct fake_kernel *)kernel;
}

static struct fake_pd *fake_pd(struct recap_pd *pd)
{
    return (struct fake_pd *)pd;
}

static int turn(struct recap_kernel *kernel, const char *what, struct recap_error *error)
{
    struct fake_kernel *k = fake(kernel);
    k->calls++;
    bool fails = k->lost ? k->fail_at && k->calls >= k->fail_at : k->calls == k->fail_at;
    return fails ? recap_fail(error, -EIO, "%s", what) : 0;
}

static const char *release(struct recap_kernel *kernel)
{
    (void)kernel;
    return "1.0";
}

static int list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                struct recap_error *error)
{
    int result = turn(kernel, "list", error);
    uint64_t *found = result ? NULL : calloc(FAKE_PDS, sizeof *found);
    if (!found)
        return result ? result : recap_fail(error, -ENOMEM, "list");
    *count = 0;
    for (uint64_t id = 1; id <= FAKE_PDS; id++)
        if (fake(kernel)->pds[id - 1].exists)
            found[(*count)++] = id;
    *ids = found;
    return 0;
}

static int pd_name(struct recap_kernel *kernel, uint64_t id, char *name, size_t size,
                   struct recap_error *error)
{
    if (!id || id > FAKE_PDS || !fake(kernel)->pds[id - 1].exists)
        return recap_fail(error, -ESRCH, "naming PD");
    snprintf(name, size, "fake%llu", (unsigned long long)id);
    return 0;
}

static int pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                   struct recap_error *error)
{
    struct fake_kernel *k = fake(kernel);
    int result = turn(kernel, "open", error);
    if (result < 0)
        return result;
    if (!id || id > FAKE_PDS || !k->pds[id - 1].exists)
        return recap_fail(error, -ESRCH, "opening PD");
    k->pds[id - 1].open = true;
    *pd = &k->pds[id - 1].base;
    return 0;
}

static int pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                     const struct recap_pd_image *plan, struct recap_pd **pd,
                     struct recap_error *error)
{
    struct fake_kernel *k = fake(kernel);
    (void)graph;
    int result = turn(kernel, "create PD", error);
    if (result < 0)
        return result;
    if (!plan->id || plan->id > FAKE_PDS || k->pds[plan->id - 1].exists)
        return recap_fail(error, -EEXIST, "creating PD");
    struct fake_pd *made = &k->pds[plan->id - 1];
    *made = (struct fake_pd){.base = {kernel, plan->id},
                             .exists = true,
                             .suspended = true,
                             .created = true,
                             .open = true};
    *pd = &made->base;
    return 0;
}

static int examine(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error)
{
    struct fake_kernel *kernel = fake(pd->kernel);
    const char *const *says = kernel->says;
    int result = turn(pd->kernel, "examine", error);
    kernel->examined++;
    if (result < 0 || !says || !*says)
        return result;
    kernel->says += says[1] != NULL;
    return **says ? recap_refusals_say(refusals, NULL, "%s", *says) : 0;
}

static int suspend(struct recap_pd *pd, struct recap_error *error)
{
    int result = turn(pd->kernel, "suspend", error);
    if (result == 0 && fake(pd->kernel)->changed) {
        fake(pd->kernel)->changed = false;
        return recap_fail(error, -EAGAIN, "suspend");
    }
    if (result == 0) {
        fake_pd(pd)->suspended = true;
        fake(pd->kernel)->stops++;
    }
    return result;
}

static int resume(struct recap_pd *pd, struct recap_error *error)
{
    int result = turn(pd->kernel, "resume", error);
    if (result == 0) {
        fake_pd(pd)->suspended = false;
        fake_pd(pd)->started = true;
    }
    return result;
}

static int destroy(struct recap_pd *pd, struct recap_error *error)
{
    int result = turn(pd->kernel, "destroy", error);
    if (result == 0)
        fake_pd(pd)->exists = false;
    return result;
}

static void pd_close(struct recap_pd *pd)
{
    if (!pd)
        return;
    fake_pd(pd)->open = false;
    if (fake_pd(pd)->created && !fake_pd(pd)->started)
        fake_pd(pd)->exists = false;
    fake_pd(pd)->suspended = false;
}

static int request(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                   recap_selector *next, struct recap_error *error)
{
    int result = turn(pd->kernel, "request", error);
    if (result < 0)
        return result;
    *cap = selector < FAKE_SLOTS ? fake_pd(pd)->slots[selector] : (struct recap_cap){0};
    *next = RECAP_NO_SELECTOR;
    for (recap_selector s = selector + 1; s < FAKE_SLOTS && *next == RECAP_NO_SELECTOR; s++)
        if (fake_pd(pd)->slots[s].badge)
            *next = s;
    return 0;
}

static int install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                   struct recap_error *error)
{
    int result = turn(pd->kernel, "install", error);
    if (result == 0 && selector >= FAKE_SLOTS)
        result = recap_fail(error, -EBADF, "install");
    if (result == 0) {
        fake_pd(pd)->slots[selector] = *cap;
        fake_pd(pd)->slots[selector].kind = fake(pd->kernel)->objects[cap->badge - 1].kind;
    }
    return result;
}

static int remove_slot(struct recap_pd *pd, recap_selector selector, struct recap_error *error)
{
    int result = turn(pd->kernel, "remove", error);
    if (result == 0 && (selector >= FAKE_SLOTS || !fake_pd(pd)->slots[selector].badge))
        result = recap_fail(error, -EBADF, "remove");
    if (result == 0)
        fake_pd(pd)->slots[selector] = (struct recap_cap){0};
    return result;
}

static int describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    int result = turn(kernel, "describe", error);
    if (result < 0)
        return result;
    const struct fake_object *o = &fake(kernel)->objects[badge - 1];
    if (strcmp(o->kind, "strange") == 0) {
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "it is strange");
        return -EOPNOTSUPP;
    }
    object->kind = o->kind;
    object->label = o->kind;
    object->external = strcmp(o->kind, "outside") == 0;
    object->state = recap_record(arena);
    recap_put_number(arena, object->state, "number", o->number);
    if (o->other)
        recap_put_object(arena, object->state, "other", o->other);
    if (o->tied) {
        struct recap_value *ties = recap_put_list(arena, object->state, "ties");
        recap_put_object(arena, ties, NULL, o->tied);
    }
    object->content = o->number == 7 ? 3 : 0;
    return 0;
}

static int label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                 const char **text, struct recap_error *error)
{
    (void)arena;
    if (!badge || badge > FAKE_OBJECTS)
        return recap_fail(error, -EBADF, "labelling an object");
    *text = fake(kernel)->objects[badge - 1].kind;
    return 0;
}

static ssize_t content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error)
{
    (void)badge;
    int result = turn(kernel, "content", error);
    if (result < 0)
        return result;
    size_t left = offset < 3 ? 3 - (size_t)offset : 0;
    left = left < size ? left : size;
    if (left)
        memcpy(buffer, "abc" + offset, left);
    return (ssize_t)left;
}

recap_badge fake_object_add(struct fake_kernel *kernel, const char *kind, int64_t number,
                            recap_badge other)
{
    for (size_t i = 0; i < FAKE_OBJECTS; i++)
        if (!kernel->objects[i].exists) {
            kernel->objects[i] = (struct fake_object){true, kind, number, other, 0};
            return i + 1;
        }
    return 0;
}

static const char *known_kind(const char *kind)
{
    static const char *const kinds[] = {"number", "pair", "outside", "strange"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i], kind) == 0)
            return kinds[i];
    return NULL;
}

static int create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                  recap_badge *badge, struct recap_error *error)
{
    const struct recap_object *object = recap_graph_object(creation->graph, id);
    uint64_t other = 0;
    char bytes[4] = "";
    int result = turn(kernel, "create", error);
    if (result < 0)
        return result;
    recap_get_object(object->state, "other", &other);
    if (!known_kind(object->kind) || (other && !creation->badges[other]))
        return recap_fail(error, -EINVAL, "creating what depends on nothing");
    if (object->content &&
        (creation->content(creation->context, id, 0, bytes, 4) != 3 || strcmp(bytes, "abc") != 0))
        return recap_fail(error, -EIO, "content");
    *badge = fake_object_add(fake(kernel), known_kind(object->kind),
                             recap_number_or(object->state, "number", -1),
                             other ? creation->badges[other] : 0);
    return *badge ? 0 : recap_fail(error, -ENOSPC, "create");
}

static int tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
               struct recap_error *error)
{
    int result = turn(pd->kernel, "tie", error);
    const struct recap_value *tied =
        recap_items(recap_graph_object(creation->graph, id)->state, "ties");
    if (result == 0 && tied && tied->type == RECAP_OBJECT)
        fake(pd->kernel)->objects[creation->badges[id] - 1].tied = creation->badges[tied->u.object];
    return result;
}

static int compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                   uint64_t id, struct recap_error *error)
{
    const struct fake_object *o = &fake(kernel)->objects[badge - 1];
    int result = turn(kernel, "compare", error);
    if (result < 0)
        return result;
    return recap_number_or(recap_graph_object(graph, id)->state, "number", -1) == o->number
               ? 0
               : recap_refuse(error, RECAP_FAILED, -ESTALE, "another number");
}

static int bind_object(struct recap_kernel *kernel, const char *spec, uint32_t rights,
                       recap_badge *badge, struct recap_error *error)
{
    (void)rights;
    int result = turn(kernel, "bind", error);
    if (result == 0)
        *badge = fake_object_add(fake(kernel), "outside", spec[0], 0);
    return result || *badge ? result : recap_fail(error, -ENOSPC, "bind");
}

static int regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                   struct recap_error *error)
{
    int result = turn(pd->kernel, "regions", error);
    struct recap_region *region = result ? NULL : recap_graph_add_region(graph, image);
    if (!region || !fake_pd(pd)->mapped)
        return result;
    region->start = BASE;
    region->length = FAKE_PAGES * FAKE_PAGE;
    region->protection = RECAP_PROT_READ | RECAP_PROT_WRITE;
    /* Its second page has nothing of its own. */
    region->ranges = recap_arena_alloc(graph->arena, 2 * sizeof *region->ranges);
    region->range_count = 2;
    region->ranges[0] = (struct recap_range){BASE, FAKE_PAGE, 0};
    region->ranges[1] = (struct recap_range){BASE + 2 * FAKE_PAGE, (FAKE_PAGES - 2) * FAKE_PAGE, 0};
    return 0;
}

static bool has_memory(uint64_t address, size_t size)
{
    enum { BYTES = FAKE_PAGES * FAKE_PAGE };
    return address >= BASE && size <= BYTES && address - BASE <= BYTES - size;
}

static int read_memory(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
                       struct recap_error *error)
{
    int result = turn(pd->kernel, "read", error);
    if (result == 0 && !has_memory(address, size))
        result = recap_fail(error, -EFAULT, "read");
    if (result == 0)
        memcpy(buffer, fake_pd(pd)->memory + (address - BASE), size);
    return result;
}

static int write_memory(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                        struct recap_error *error)
{
    int result = turn(pd->kernel, "write", error);
    if (result == 0 && !has_memory(address, size))
        result = recap_fail(error, -EFAULT, "write");
    if (result == 0)
        memcpy(fake_pd(pd)->memory + (address - BASE), buffer, size);
    return result;
}

static int map(struct recap_pd *pd, const struct recap_creation *creation,
               const struct recap_pd_image *image, int fd, struct recap_error *error)
{
    (void)creation;
    (void)fd;
    int result = turn(pd->kernel, "map", error);
    if (result == 0)
        fake_pd(pd)->mapped = image->region_count == 1;
    return result;
}

static int threads_get(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                       struct recap_error *error)
{
    int result = turn(pd->kernel, "threads", error);
    struct recap_thread *thread = result ? NULL : recap_graph_add_thread(graph, image);
    if (!thread)
        return result;
    uint64_t registers[27] = {fake_pd(pd)->register_value};
    thread->id = pd->id;
    thread->registers = recap_arena_copy(graph->arena, registers, sizeof registers);
    thread->registers_length = sizeof registers;
    thread->state = recap_record(graph->arena);
    return 0;
}

static int threads_set(struct recap_pd *pd, const struct recap_graph *graph,
                       const struct recap_pd_image *image, struct recap_error *error)
{
    (void)graph;
    int result = turn(pd->kernel, "set threads", error);
    if (result == 0 &&
        (!image->thread_count || image->threads[0].registers_length < sizeof(uint64_t)))
        result = recap_fail(error, -EINVAL, "set threads");
    if (result == 0)
        memcpy(&fake_pd(pd)->register_value, image->threads[0].registers, sizeof(uint64_t));
    return result;
}

static int attributes(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                      struct recap_error *error)
{
    int result = turn(pd->kernel, "attributes", error);
    if (result < 0)
        return result;
    image->name = "fake";
    image->attributes = recap_record(graph->arena);
    recap_put_number(graph->arena, image->attributes, "attribute", fake_pd(pd)->attribute);
    return 0;
}

static int attributes_set(struct recap_pd *pd, const struct recap_creation *creation,
                          const struct recap_pd_image *image, struct recap_error *error)
{
    (void)creation;
    int result = turn(pd->kernel, "set attributes", error);
    if (result == 0)
        fake_pd(pd)->attribute = recap_number_or(image->attributes, "attribute", -1);
    return result;
}

static const struct recap_kernel_ops fake_ops = {
    .name = "linux", /* images are read only for kernels that Recap has */
    .machine = "x86_64",
    .release = release,
    .list = list,
    .pd_name = pd_name,
    .pd_open = pd_open,
    .pd_create = pd_create,
    .examine = examine,
    .suspend = suspend,
    .resume = resume,
    .destroy = destroy,
    .pd_close = pd_close,
    .request = request,
    .install = install,
    .remove = remove_slot,
    .describe = describe,
    .label = label,
    .content = content,
    .create = create,
    .tie = tie,
    .compare = compare,
    .bind = bind_object,
    .regions = regions,
    .read = read_memory,
    .write = write_memory,
    .map = map,
    .threads = threads_get,
    .threads_set = threads_set,
    .attributes = attributes,
    .attributes_set = attributes_set,
};

void fake_kernel_init(struct fake_kernel *kernel)
{
    memset(kernel, 0, sizeof *kernel);
    kernel->base.ops = &fake_ops;
}

struct fake_pd *fake_pd_populate(struct fake_kernel *kernel)
{
    struct fake_pd *pd = &kernel->pds[0];
    recap_badge number = fake_object_add(kernel, "number", 7, 0);
    recap_badge pair = fake_object_add(kernel, "pair", 8, number);
    kernel->objects[number - 1].tied = pair;
    *pd = (struct fake_pd){.base = {&kernel->base, 1}, .exists = true, .mapped = true};
    pd->slots[0] = (struct recap_cap){number, "number", RECAP_RIGHT_READ, 0, 1};
    pd->slots[3] = (struct recap_cap){pair, "pair", RECAP_RIGHT_READ | RECAP_RIGHT_WRITE, 0, 1};
    pd->slots[9] =
        (struct recap_cap){number, "number", RECAP_RIGHT_READ, RECAP_SLOT_CLOSE_ON_EXEC, 1};
    for (size_t i = 0; i < sizeof pd->memory; i++)
        pd->memory[i] = i / FAKE_PAGE == 1 ? 0 : (unsigned char)(i * 7);
    pd->register_value = 0xfeedface;
    pd->attribute = 42;
    return pd;
}
