/* image_damage.c: every byte of an image that a reader interprets is damaged in turn: refused each
 * time, as damaged. */
#include "image/image.h"
#include "tests/unit/sample_graph.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct damaged {
    char *path; /* of the image */
    struct recap_graph *graph;
};

static int setup(void **state)
{
    static struct damaged damaged;
    void *folder;
    if (sample_folder(&folder) < 0)
        return -1;
    damaged.graph = sample_graph();
    damaged.path = sample_path(folder, "image");
    sample_write(damaged.path, damaged.graph);
    *state = &damaged;
    return 0;
}

static int teardown(void **state)
{
    struct damaged *damaged = *state;
    void *folder = damaged->path;
    *strrchr(damaged->path, '/') = '\0';
    sample_remove_folder(&folder);
    recap_graph_free(damaged->graph);
    free(damaged->path);
    return 0;
}

static int open_file(const struct damaged *damaged, const char *name)
{
    char *path = sample_path(damaged->path, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    free(path);
    assert_true(fd >= 0);
    return fd;
}

/* Opens, and if that works and `pages` are asked for, checks the image: its class, 0 if all is
 * well. */
static int class_of(const struct damaged *damaged, bool pages, struct recap_error *error)
{
    struct recap_image *image = NULL;
    *error = (struct recap_error){0};
    int result = recap_image_open(damaged->path, &image, error);
    if (result == 0 && pages)
        result = recap_image_check(image, error);
    recap_image_close(image);
    return result < 0 ? (int)error->cls : 0;
}

static void assert_well(const struct damaged *damaged)
{
    struct recap_error error;
    if (class_of(damaged, true, &error))
        fail_msg("%s", error.what);
}

static void damage_range(const struct damaged *damaged, const char *name, uint64_t from,
                         uint64_t to, uint64_t step, bool pages)
{
    struct recap_error error;
    int fd = open_file(damaged, name);
    for (uint64_t at = from; at < to; at += step) {
        static const unsigned char masks[] = {0x01, 0xff, 0x20};
        unsigned char byte, wrong;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        wrong = byte ^ masks[at % sizeof masks];
        assert_int_equal(pwrite(fd, &wrong, 1, (off_t)at), 1);
        if (class_of(damaged, pages, &error) != RECAP_DAMAGED)
            fail_msg("byte %llu of %s: %s", (unsigned long long)at, name, error.what);
        if (!strstr(error.what, name))
            fail_msg("byte %llu of %s: \"%s\" names another file", (unsigned long long)at, name,
                     error.what);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    close(fd);
    assert_well(damaged);
}

static uint64_t size_of(const struct damaged *damaged, const char *name)
{
    struct stat status;
    int fd = open_file(damaged, name);
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    return (uint64_t)status.st_size;
}

static void test_every_byte_of_the_manifest(void **state)
{
    damage_range(*state, "MANIFEST", 0, size_of(*state, "MANIFEST"), 1, false);
}

static void test_every_byte_of_the_graph(void **state)
{
    damage_range(*state, "graph.json", 0, size_of(*state, "graph.json"), 1, false);
}

/* Where the pages of a PD end, and headers and notes begin. */
static uint64_t pages_end(const struct recap_pd_image *pd)
{
    uint64_t end = 4096;
    for (size_t i = 0; i < pd->region_count; i++)
        for (size_t r = 0; r < pd->regions[i].range_count; r++)
            end += pd->regions[i].ranges[r].length;
    return end;
}

static void test_every_byte_of_core_headers_and_notes(void **state)
{
    const struct damaged *damaged = *state;
    for (size_t i = 0; i < damaged->graph->pd_count; i++) {
        char name[40];
        const struct recap_pd_image *pd = &damaged->graph->pds[i];
        snprintf(name, sizeof name, "%llu.core", (unsigned long long)pd->id);
        damage_range(damaged, name, 0, 4096, 1, false);
        damage_range(damaged, name, pages_end(pd), size_of(damaged, name), 1, false);
    }
}

static void test_a_sample_of_page_bytes(void **state)
{
    const struct damaged *damaged = *state;
    damage_range(damaged, "4711.core", 4096, pages_end(&damaged->graph->pds[0]), 25013, true);
    damage_range(damaged, "4800.core", 4096, pages_end(&damaged->graph->pds[1]), 101, true);
}

static void test_every_byte_of_content(void **state)
{
    damage_range(*state, "objects/2", 0, size_of(*state, "objects/2"), 1, true);
}

static void assert_damaged(const struct damaged *damaged, const char *what)
{
    struct recap_error error;
    int class = class_of(damaged, false, &error);
    if (class != RECAP_DAMAGED)
        fail_msg("%s: class %d: %s", what, class, error.what);
}

/* Missing, a link to itself as it was, a FIFO, a directory in its place; cut short, longer, empty.
 */
static void misplace(const struct damaged *damaged, const char *name)
{
    char *path = sample_path(damaged->path, name), *aside = sample_path(damaged->path, "aside");
    assert_int_equal(rename(path, aside), 0);
    assert_damaged(damaged, "missing");
    assert_int_equal(symlink(aside, path), 0);
    assert_damaged(damaged, "a link");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_damaged(damaged, "a FIFO");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_damaged(damaged, "a directory");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rename(aside, path), 0);
    free(path);
    free(aside);
    off_t size = (off_t)size_of(damaged, name);
    int fd = open_file(damaged, name);
    char last;
    assert_int_equal(pread(fd, &last, 1, size - 1), 1);
    assert_int_equal(ftruncate(fd, size - 1), 0);
    assert_damaged(damaged, "cut short");
    assert_int_equal(pwrite(fd, &last, 1, size - 1), 1);
    assert_int_equal(pwrite(fd, &last, 1, size), 1);
    assert_damaged(damaged, "longer");
    assert_int_equal(ftruncate(fd, size), 0);
    assert_well(damaged);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_damaged(damaged, "empty");
    close(fd);
}

static void test_files_that_are_none(void **state)
{
    static const char *const names[] = {"MANIFEST", "graph.json", "4711.core", "4800.core",
                                        "objects/2"};
    const struct damaged *damaged = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        misplace(damaged, names[i]);
        void *folder = damaged->path;
        assert_int_equal(sample_remove_folder(&folder), 0);
        sample_write(damaged->path, damaged->graph);
    }
}

/* Files of two images, each whole by itself. */
static void test_files_of_another_image(void **state)
{
    struct damaged *damaged = *state;
    struct recap_graph *other = sample_graph();
    other->taken++;
    char *folder = strdup(damaged->path);
    *strrchr(folder, '/') = '\0';
    char *path = sample_path(folder, "other");
    sample_write(path, other);
    static const char *const names[] = {"MANIFEST", "graph.json", "4711.core", "4800.core"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *ours = sample_path(damaged->path, names[i]), *theirs = sample_path(path, names[i]);
        char *aside = sample_path(damaged->path, "aside");
        assert_int_equal(rename(ours, aside), 0);
        assert_int_equal(link(theirs, ours), 0);
        assert_damaged(damaged, names[i]);
        assert_int_equal(rename(aside, ours), 0);
        free(ours);
        free(theirs);
        free(aside);
    }
    assert_well(damaged);
    recap_graph_free(other);
    free(path);
    free(folder);
}

static void test_what_is_no_image(void **state)
{
    struct damaged *damaged = *state, nowhere = {.path = sample_path(damaged->path, "absent")};
    struct recap_error error;
    assert_int_equal(class_of(&nowhere, false, &error), RECAP_FAILED);
    free(nowhere.path);
    nowhere.path = sample_path(damaged->path, "graph.json");
    assert_int_equal(class_of(&nowhere, false, &error), RECAP_DAMAGED);
    free(nowhere.path);
    nowhere.path = sample_path(damaged->path, "objects");
    assert_int_equal(class_of(&nowhere, false, &error), RECAP_DAMAGED);
    free(nowhere.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_of_the_manifest),
        cmocka_unit_test(test_every_byte_of_the_graph),
        cmocka_unit_test(test_every_byte_of_core_headers_and_notes),
        cmocka_unit_test(test_a_sample_of_page_bytes),
        cmocka_unit_test(test_every_byte_of_content),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_files_of_another_image),
        cmocka_unit_test(test_what_is_no_image),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
