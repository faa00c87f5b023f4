/* extents.c: stretches of files: found, placed, written back, and not believed when they are wrong.
 */
#include "kernel/linux/objects/files/extents.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static int make_file(void)
{
    const char *directory = getenv("TMPDIR");
    int fd = open(directory ? directory : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void put(int fd, const char *text, off_t offset)
{
    assert_int_equal(pwrite(fd, text, strlen(text), offset), (ssize_t)strlen(text));
}

/* Both ways of asking give every byte that was written and little else. */
static void finds_what_was_written(void **state)
{
    (void)state;
    struct linux_extents found = {0}, mapped = {0};
    const uint64_t size = 1ull << 40;
    int fd = make_file();
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(linux_extents_find(&found, fd, size), 0);
    assert_int_equal(found.count, 0);
    put(fd, "here", 5 * MIB);
    put(fd, "there", (off_t)size - 5);
    assert_int_equal(linux_extents_find(&found, fd, size), 0);
    assert_int_equal(found.count, 2);
    assert_true(found.items[0].offset <= 5 * MIB &&
                found.items[0].offset + found.items[0].length >= 5 * MIB + 4);
    assert_int_equal(found.items[1].offset + found.items[1].length, size);
    assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
    int result = linux_extents_map(&mapped, fd, size);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
    if (result == 0) {
        assert_int_equal(mapped.count, 2);
        assert_true(mapped.items[0].offset <= 5 * MIB);
        assert_int_equal(mapped.items[1].offset + mapped.items[1].length, size);
    } else {
        assert_int_equal(result, -EBUSY);
    }
    linux_extents_clear(&found);
    linux_extents_clear(&mapped);
    close(fd);
}

static void places_bytes(void **state)
{
    (void)state;
    struct linux_extents extents = {0};
    uint64_t offset = 0;
    assert_int_equal(linux_extents_place(&extents, 0, &offset), 0);
    assert_int_equal(linux_extents_add(&extents, 100, 10), 0);
    assert_int_equal(linux_extents_add(&extents, 110, 10), 0);
    assert_int_equal(linux_extents_add(&extents, 1000, 5), 0);
    assert_int_equal(extents.count, 2);
    assert_int_equal(linux_extents_place(&extents, 0, &offset), 20);
    assert_int_equal(offset, 100);
    assert_int_equal(linux_extents_place(&extents, 19, &offset), 1);
    assert_int_equal(offset, 119);
    assert_int_equal(linux_extents_place(&extents, 22, &offset), 3);
    assert_int_equal(offset, 1002);
    assert_int_equal(linux_extents_place(&extents, 25, &offset), 0);
    linux_extents_clear(&extents);
}

/* --- writing --------------------------------------------------------------- */

struct content {
    char bytes[64];
    size_t size;
};

static ssize_t read_content(void *context, uint64_t id, uint64_t offset, void *buffer, size_t size)
{
    const struct content *content = context;
    (void)id;
    if (offset >= content->size)
        return 0;
    if (size > content->size - offset)
        size = (size_t)(content->size - offset);
    memcpy(buffer, content->bytes + offset, size);
    return (ssize_t)size;
}

struct stretch {
    int64_t offset, length;
};

/* Fills a file of `size` bytes from an object with these stretches and as much content. */
static int fill(const struct stretch *stretches, size_t count, uint64_t size, uint64_t bytes,
                int fd, enum recap_class *class)
{
    struct recap_arena *arena = recap_arena_new();
    struct recap_object object = {.id = 1, .kind = "file", .content = bytes};
    struct content content = {"abcdefghijklmnopqrstuvwxyz", bytes};
    const struct recap_creation creation = {.content = read_content, .context = &content};
    struct recap_error error = {0};
    object.state = recap_record(arena);
    struct recap_value *list = recap_put_list(arena, object.state, "extents");
    for (size_t i = 0; i < count; i++) {
        struct recap_value *record = recap_put_record(arena, list, NULL);
        recap_put_number(arena, record, "offset", stretches[i].offset);
        recap_put_number(arena, record, "length", stretches[i].length);
    }
    int result = linux_extents_fill(&creation, &object, size, linux_extents_write, &fd, &error);
    *class = error.cls;
    recap_arena_free(arena);
    return result;
}

static void writes_them_back(void **state)
{
    (void)state;
    const struct stretch stretches[] = {{2, 3}, {3 * MIB, 4}};
    char text[4];
    struct stat status;
    enum recap_class class;
    int fd = make_file();
    assert_int_equal(ftruncate(fd, 4 * MIB), 0);
    assert_int_equal(fill(stretches, 2, 4 * MIB, 7, fd, &class), 0);
    assert_int_equal(pread(fd, text, 3, 2), 3);
    assert_memory_equal(text, "abc", 3);
    assert_int_equal(pread(fd, text, 4, 3 * MIB), 4);
    assert_memory_equal(text, "defg", 4);
    assert_int_equal(fstat(fd, &status), 0);
    assert_true(status.st_blocks * 512 < MIB);
    close(fd);
}

static void believes_none_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        struct stretch stretches[2];
        size_t count;
        uint64_t bytes;
    } wrong[] = {
        {{{0, 5}}, 1, 4},                 /* longer than the content */
        {{{0, 3}}, 1, 4},                 /* shorter */
        {{{0, 0}}, 1, 0},                 /* of nothing */
        {{{-1, 4}}, 1, 4},                /* before the start */
        {{{98, 4}}, 1, 4},                /* beyond the end */
        {{{101, 4}}, 1, 4},               /* behind it */
        {{{10, 2}, {0, 2}}, 2, 4},        /* descending */
        {{{10, 2}, {11, 2}}, 2, 4},       /* over each other */
        {{{0, INT64_MAX}, {1, 4}}, 2, 4}, /* more than can be counted */
        {{{0, 4}}, 0, 4},                 /* none at all */
    };
    int fd = make_file();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        enum recap_class class;
        struct stat status;
        assert_int_equal(fill(wrong[i].stretches, wrong[i].count, 100, wrong[i].bytes, fd, &class),
                         -EINVAL);
        assert_int_equal(class, RECAP_DAMAGED);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_size, 0);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_written),
        cmocka_unit_test(places_bytes),
        cmocka_unit_test(writes_them_back),
        cmocka_unit_test(believes_none_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
