/* defaults.c: what holds where a backend has no operation of its own, and that its own comes first.
 */
#include "kernel/defaults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A kernel that has the least: it notes what it is asked to do. */
static struct {
    recap_selector installed[8];
    size_t installs;
    recap_selector refused; /* what it does not install */
    unsigned char memory[64];
} seen;

static int install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                   struct recap_error *error)
{
    (void)pd, (void)cap;
    if (selector == seen.refused)
        return recap_fail(error, -EBUSY, "installing");
    seen.installed[seen.installs++] = selector;
    return 0;
}

static int write_memory(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                        struct recap_error *error)
{
    (void)pd;
    if (address > sizeof seen.memory || size > sizeof seen.memory - address)
        return recap_fail(error, -EFAULT, "writing");
    memcpy(seen.memory + address, buffer, size);
    return 0;
}

static const struct recap_kernel_ops least = {
    .name = "least", .install = install, .write = write_memory};
static struct recap_kernel kernel = {.ops = &least};
static struct recap_pd pd = {.kernel = &kernel, .id = 1};

static int begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seen.refused = RECAP_NO_SELECTOR;
    return 0;
}

static void installs_one_by_one_until_one_fails(void **state)
{
    (void)state;
    static const recap_selector selectors[] = {3, 5, 8};
    static const struct recap_cap caps[3];
    struct recap_error error = {0};
    assert_int_equal(kernel_install_many(&pd, selectors, caps, 3, &error), 0);
    assert_int_equal(seen.installs, 3);
    assert_memory_equal(seen.installed, selectors, sizeof selectors);
    seen.installs = 0;
    seen.refused = 5;
    assert_int_equal(kernel_install_many(&pd, selectors, caps, 3, &error), -EBUSY);
    assert_int_equal(seen.installs, 1);
    assert_int_equal(error.code, -EBUSY);
}

static void has_nothing_of_what_it_does_not_know(void **state)
{
    (void)state;
    struct recap_object object = {.id = 1, .kind = "thing"};
    const struct recap_graph graph = {.objects = &object, .object_count = 1};
    const struct recap_creation creation = {.graph = &graph};
    struct recap_error error = {0};
    char byte = 'b';
    recap_badge badge = 77;
    int fd = 78;
    assert_int_equal(kernel_content(&kernel, 1, 0, &byte, 1, &error), 0);
    assert_int_equal(byte, 'b');
    assert_int_equal(kernel_tie(&pd, &creation, 1, &error), -EINVAL);
    assert_int_equal(error.cls, RECAP_DAMAGED);
    assert_non_null(strstr(error.what, "thing"));
    assert_int_equal(kernel_local(&kernel, 1, &fd, &error), -EOPNOTSUPP);
    assert_int_equal(error.cls, RECAP_UNSUPPORTED);
    assert_int_equal(kernel_adopt(&kernel, 0, &badge, &error), -EOPNOTSUPP);
    assert_int_equal(error.cls, RECAP_UNSUPPORTED);
    assert_int_equal(fd, 78);
    assert_int_equal(badge, 77);
    kernel_close(&kernel);
}

/* The file is read where the ranges say, and what it does not have is an error. */
static void loads_by_writing(void **state)
{
    (void)state;
    struct recap_range ranges[] = {{.start = 4, .length = 3, .offset = 1},
                                   {.start = 32, .length = 2, .offset = 7}};
    struct recap_region region = {.ranges = ranges, .range_count = 2};
    const struct recap_pd_image image = {.regions = &region, .region_count = 1};
    struct recap_error error = {0};
    char name[] = "/tmp/recap-defaults-XXXXXX";
    int file = mkstemp(name);
    assert_true(file >= 0);
    unlink(name);
    assert_int_equal(write(file, "0123456789", 10), 10);
    assert_int_equal(kernel_load(&pd, &image, file, &error), 0);
    assert_memory_equal(seen.memory + 4, "123", 3);
    assert_memory_equal(seen.memory + 32, "78", 2);
    assert_int_equal(seen.memory[7], 0);
    ranges[1].length = 4;
    assert_int_equal(kernel_load(&pd, &image, file, &error), -EIO);
    ranges[1] = (struct recap_range){.start = sizeof seen.memory, .length = 1, .offset = 0};
    assert_int_equal(kernel_load(&pd, &image, file, &error), -EFAULT);
    close(file);
}

static int many(struct recap_pd *of, const recap_selector *selectors, const struct recap_cap *caps,
                size_t count, struct recap_error *error)
{
    (void)of, (void)selectors, (void)caps, (void)error;
    return (int)count;
}

static ssize_t content(struct recap_kernel *of, recap_badge badge, uint64_t offset, void *buffer,
                       size_t size, struct recap_error *error)
{
    (void)of, (void)badge, (void)offset, (void)buffer, (void)error;
    return (ssize_t)size;
}

static int tie(struct recap_pd *of, const struct recap_creation *creation, uint64_t id,
               struct recap_error *error)
{
    (void)of, (void)creation, (void)error;
    return (int)id;
}

static int local(struct recap_kernel *of, recap_badge badge, int *fd, struct recap_error *error)
{
    (void)of, (void)error;
    *fd = (int)badge;
    return 0;
}

static int adopt(struct recap_kernel *of, int fd, recap_badge *badge, struct recap_error *error)
{
    (void)of, (void)error;
    *badge = (recap_badge)fd;
    return 0;
}

static int load(struct recap_pd *of, const struct recap_pd_image *image, int fd,
                struct recap_error *error)
{
    (void)of, (void)image, (void)error;
    return fd;
}

static void close_kernel(struct recap_kernel *of)
{
    (void)of;
    seen.installs = 99;
}

static void calls_the_backend_that_has_them(void **state)
{
    (void)state;
    static const struct recap_kernel_ops all = {.close = close_kernel,
                                                .install_many = many,
                                                .content = content,
                                                .tie = tie,
                                                .local = local,
                                                .adopt = adopt,
                                                .load = load};
    struct recap_kernel whole = {.ops = &all};
    struct recap_pd of = {.kernel = &whole, .id = 1};
    recap_selector selector = 1;
    struct recap_cap cap = {0};
    recap_badge badge = 0;
    char byte;
    int fd = -1;
    assert_int_equal(kernel_install_many(&of, &selector, &cap, 1, NULL), 1);
    assert_int_equal(kernel_content(&whole, 1, 0, &byte, 1, NULL), 1);
    assert_int_equal(kernel_tie(&of, NULL, 6, NULL), 6);
    assert_int_equal(kernel_local(&whole, 9, &fd, NULL), 0);
    assert_int_equal(fd, 9);
    assert_int_equal(kernel_adopt(&whole, 8, &badge, NULL), 0);
    assert_int_equal(badge, 8);
    assert_int_equal(kernel_load(&of, NULL, 5, NULL), 5);
    kernel_close(&whole);
    assert_int_equal(seen.installs, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(installs_one_by_one_until_one_fails, begin),
        cmocka_unit_test_setup(has_nothing_of_what_it_does_not_know, begin),
        cmocka_unit_test_setup(loads_by_writing, begin),
        cmocka_unit_test_setup(calls_the_backend_that_has_them, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
