/* remake_memory.c: the memory of a process, made anew in another. */
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "kernel/linux/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, SIZE = PAGES * PAGE };

static struct {
    char *anonymous;
    char *hidden;
    char *file;
    char *shared;
    char *tail; /* of shared, from page 32 on */
    char *memfd;
} child;

struct remake {
    struct recap_kernel *kernel;
    struct recap_graph *graph;
    struct recap_pd_image *image;
    struct recap_creation creation;
    recap_badge *old; /* object id -> badge of the live original */
    int core;
    pid_t pid;
};

static void build(void)
{
    const int rw = PROT_READ | PROT_WRITE;
    child.anonymous = mmap(NULL, SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(child.anonymous + 3 * PAGE, 'a', 20 * PAGE);
    child.hidden = mmap(NULL, SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    memset(child.hidden + PAGE, 'h', 2 * PAGE);
    mprotect(child.hidden, SIZE, PROT_NONE);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    child.file = mmap(NULL, 4 * PAGE, rw, MAP_PRIVATE, fd, 0);
    close(fd);
    child.file[PAGE] = 'f';
    child.shared = mmap(NULL, SIZE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child.tail = mremap(child.shared + 32 * PAGE, 0, 32 * PAGE, MREMAP_MAYMOVE);
    child.shared[40 * PAGE] = 's';
    munmap(child.shared + 16 * PAGE, 32 * PAGE);
    fd = memfd_create("remade", MFD_CLOEXEC);
    ftruncate(fd, SIZE);
    child.memfd = mmap(NULL, SIZE, rw, MAP_SHARED, fd, 0);
    child.memfd[9 * PAGE] = 'm';
    close(fd);
}

static ssize_t content(void *context, uint64_t id, uint64_t offset, void *buffer, size_t size)
{
    struct remake *remake = context;
    struct recap_error error;
    return remake->kernel->ops->content(remake->kernel, remake->old[id], offset, buffer, size,
                                        &error);
}

/* Badges become ids, and each object is described. */
static void enter_objects(struct remake *remake)
{
    const struct recap_kernel_ops *ops = remake->kernel->ops;
    struct recap_badge_map *ids = recap_badge_map_new();
    struct recap_error error;
    remake->old = calloc(remake->image->region_count + 1, sizeof *remake->old);
    for (size_t i = 0; i < remake->image->region_count; i++) {
        struct recap_region *region = &remake->image->regions[i];
        if (!region->object)
            continue;
        uint64_t id = recap_badge_map_id(ids, region->object);
        if (!id) {
            struct recap_object *object = recap_graph_add_object(remake->graph);
            id = object->id;
            remake->old[id] = region->object;
            assert_int_equal(recap_badge_map_add(ids, region->object, id), 0);
            assert_int_equal(
                ops->describe(remake->kernel, region->object, remake->graph->arena, object, &error),
                0);
        }
        region->object = id;
    }
    recap_badge_map_free(ids);
}

static void write_core(struct remake *remake, struct recap_pd *pd)
{
    struct recap_error error;
    uint64_t place = PAGE;
    remake->core = memfd_create("core", MFD_CLOEXEC);
    for (size_t i = 0; i < remake->image->region_count; i++)
        for (size_t r = 0; r < remake->image->regions[i].range_count; r++) {
            struct recap_range *range = &remake->image->regions[i].ranges[r];
            char *bytes = malloc(range->length);
            assert_int_equal(pd->kernel->ops->read(pd, range->start, bytes, range->length, &error),
                             0);
            assert_int_equal(pwrite(remake->core, bytes, range->length, (off_t)place),
                             range->length);
            range->offset = place;
            place += range->length;
            free(bytes);
        }
}

static int set_up(void **state)
{
    struct remake *remake = calloc(1, sizeof *remake);
    struct recap_error error = {0};
    struct recap_pd *pd;
    int ready[2];
    *state = remake;
    pipe(ready);
    remake->pid = fork();
    if (remake->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        build();
        write(ready[1], &child, sizeof child);
        for (;;)
            pause();
    }
    read(ready[0], &child, sizeof child);
    close(ready[0]);
    close(ready[1]);
    remake->graph = recap_graph_new();
    remake->image = recap_graph_add_pd(remake->graph);
    remake->image->id = (uint64_t)remake->pid;
    if (recap_linux_open(&remake->kernel, &error) < 0 ||
        remake->kernel->ops->pd_open(remake->kernel, (uint64_t)remake->pid, &pd, &error) < 0 ||
        remake->kernel->ops->suspend(pd, &error) < 0 ||
        remake->kernel->ops->regions(pd, remake->graph, remake->image, &error) < 0) {
        fprintf(stderr, "%s\n", error.what);
        return -1;
    }
    enter_objects(remake);
    write_core(remake, pd);
    remake->creation = (struct recap_creation){
        .graph = remake->graph,
        .badges = calloc(remake->graph->object_count + 1, sizeof(recap_badge)),
        .content = content,
        .context = remake};
    for (uint64_t id = 1; id <= remake->graph->object_count; id++)
        if (remake->kernel->ops->create(remake->kernel, &remake->creation, id,
                                        &remake->creation.badges[id], &error) < 0) {
            fprintf(stderr, "%s\n", error.what);
            return -1;
        }
    remake->kernel->ops->pd_close(pd);
    return 0;
}

static int tear_down(void **state)
{
    struct remake *remake = *state;
    remake->kernel->ops->close(remake->kernel);
    free(remake->creation.badges);
    free(remake->old);
    recap_graph_free(remake->graph);
    close(remake->core);
    kill(remake->pid, SIGKILL);
    waitpid(remake->pid, NULL, 0);
    free(remake);
    return 0;
}

/* A process id that nobody has. */
static uint64_t free_id(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    return (uint64_t)pid;
}

static int make(struct remake *remake, bool lazy, struct recap_pd **pd, struct recap_error *error)
{
    const struct recap_kernel_ops *ops = remake->kernel->ops;
    remake->image->id = free_id();
    *error = (struct recap_error){0};
    int result = ops->pd_create(remake->kernel, remake->graph, remake->image, pd, error);
    assert_int_equal(result, 0);
    result = ops->map(*pd, &remake->creation, remake->image, lazy ? remake->core : -1, error);
    if (result == 0 && !lazy)
        result = ops->load(*pd, remake->image, remake->core, error);
    return result;
}

static void check(struct remake *remake, struct recap_pd *pd, bool own_vdso)
{
    struct recap_error error = {0};
    struct recap_refusals differences = {0};
    if (recap_engine_verify_memory(pd, remake->graph, remake->image, &differences, &error) < 0)
        fail_msg("%s", error.what);
    for (size_t i = 0; i < remake->image->region_count; i++)
        for (size_t r = 0; r < remake->image->regions[i].range_count; r++) {
            const struct recap_region *region = &remake->image->regions[i];
            const struct recap_range *range = &region->ranges[r];
            char *had = malloc(range->length), *has = malloc(range->length);
            assert_int_equal(pread(remake->core, had, range->length, (off_t)range->offset),
                             range->length);
            assert_int_equal(pd->kernel->ops->read(pd, range->start, has, range->length, &error),
                             0);
            bool vdso = region->name && strcmp(region->name, "[vdso]") == 0;
            assert_int_equal(memcmp(had, has, range->length) == 0, !vdso || own_vdso);
            free(had);
            free(has);
        }
}

static char byte_at(struct recap_pd *pd, const char *address)
{
    struct recap_error error = {0};
    char byte = 0;
    if (pd->kernel->ops->read(pd, (uintptr_t)address, &byte, 1, &error) < 0)
        fail_msg("%s", error.what);
    return byte;
}

static void makes_memory_anew(void **state)
{
    struct remake *remake = *state;
    for (int lazy = 0; lazy < 2; lazy++) {
        struct recap_pd *pd;
        struct recap_error error;
        if (make(remake, lazy, &pd, &error) < 0)
            fail_msg("%s", error.what);
        check(remake, pd, true);
        assert_int_equal(byte_at(pd, child.anonymous + 3 * PAGE), 'a');
        assert_int_equal(byte_at(pd, child.anonymous + 23 * PAGE), 0);
        assert_int_equal(byte_at(pd, child.hidden + PAGE), 'h');
        assert_int_equal(byte_at(pd, child.file + PAGE), 'f');
        assert_int_equal(byte_at(pd, child.file + 1), 'E');
        assert_int_equal(byte_at(pd, child.tail + 8 * PAGE), 's');
        assert_int_equal(byte_at(pd, child.memfd + 9 * PAGE), 'm');
        /* Both mappings of shared memory are of one object still. */
        assert_int_equal(
            pd->kernel->ops->write(pd, (uintptr_t)child.shared + 50 * PAGE, "S", 1, &error), 0);
        assert_int_equal(byte_at(pd, child.tail + 18 * PAGE), 'S');
        pd->kernel->ops->pd_close(pd);
    }
}

static void brings_back_a_foreign_vdso(void **state)
{
    struct remake *remake = *state;
    const struct recap_region *text = NULL;
    for (size_t i = 0; i < remake->image->region_count; i++)
        if (remake->image->regions[i].name && strcmp(remake->image->regions[i].name, "[vdso]") == 0)
            text = &remake->image->regions[i];
    if (!text)
        skip();
    /* Another instruction somewhere in its code. */
    off_t place = (off_t)text->ranges[0].offset + 0xb10;
    char had, other;
    assert_int_equal(pread(remake->core, &had, 1, place), 1);
    other = (char)(had ^ 1);
    assert_int_equal(pwrite(remake->core, &other, 1, place), 1);
    struct recap_pd *pd;
    struct recap_error error;
    if (make(remake, false, &pd, &error) < 0)
        fail_msg("%s", error.what);
    check(remake, pd, false);
    /* The same bytes elsewhere, the old text where it was, and jumps in it. */
    assert_int_equal(byte_at(pd, (const char *)text->start + 1), 'E');
    assert_int_equal(byte_at(pd, (const char *)text->start + 0xb10), other);
    pd->kernel->ops->pd_close(pd);

    /* A thread was inside of it. */
    uint64_t registers[27] = {0};
    registers[16] = text->start + 0x900;
    struct recap_thread thread = {
        .id = 1, .registers = registers, .registers_length = sizeof registers};
    remake->image->threads = &thread;
    remake->image->thread_count = 1;
    assert_int_equal(make(remake, false, &pd, &error), -EOPNOTSUPP);
    assert_int_equal(error.cls, RECAP_UNSUPPORTED);
    pd->kernel->ops->pd_close(pd);
    remake->image->threads = NULL;
    remake->image->thread_count = 0;
    assert_int_equal(pwrite(remake->core, &had, 1, place), 1);
}

static void refuses(struct remake *remake)
{
    struct recap_pd *pd;
    struct recap_error error;
    assert_int_not_equal(make(remake, false, &pd, &error), 0);
    assert_int_equal(error.cls, RECAP_DAMAGED);
    pid_t pid = (pid_t)remake->image->id;
    pd->kernel->ops->pd_close(pd);
    assert_int_equal(kill(pid, 0), -1);
}

static void refuses_regions_that_are_damaged(void **state)
{
    struct remake *remake = *state;
    struct recap_region *region = NULL;
    for (size_t i = 1; i + 1 < remake->image->region_count; i++)
        if (remake->image->regions[i].range_count && !remake->image->regions[i].object)
            region = &remake->image->regions[i];
    assert_non_null(region);
    const struct recap_region whole = *region;
    const struct recap_range range = region->ranges[0];
    region->start += 1;
    refuses(remake);
    *region = whole;
    region->start = region[-1].start;
    refuses(remake);
    *region = whole;
    region->length = UINT64_MAX - PAGE + 1 - region->start;
    refuses(remake);
    *region = whole;
    region->length = 0;
    refuses(remake);
    *region = whole;
    region->object = remake->graph->object_count + 1;
    refuses(remake);
    *region = whole;
    region->ranges[0].length = whole.length + PAGE;
    refuses(remake);
    region->ranges[0] = range;
    region->ranges[0].start = whole.start - PAGE;
    refuses(remake);
    region->ranges[0] = range;
    region->ranges[0].offset += 1;
    refuses(remake);
    region->ranges[0] = range;
}

int main(void)
{
    if (geteuid() != 0) {
        printf("only root may choose process ids here\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_memory_anew),
        cmocka_unit_test(brings_back_a_foreign_vdso),
        cmocka_unit_test(refuses_regions_that_are_damaged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
