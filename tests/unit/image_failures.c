/* image_failures.c: writing that fails leaves nothing behind, not even by SIGKILL in the long run.
 */
#include "image/image.h"
#include "tests/unit/sample_graph.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEMPORARY ".image.recap-partial"

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return count;
}

static bool exists(const char *folder, const char *name)
{
    struct stat status;
    char *path = sample_path(folder, name);
    bool there = lstat(path, &status) == 0;
    free(path);
    return there;
}

/* Writes `mebibytes` of one region; the result of the first call that fails. */
static int write_large(const char *folder, size_t mebibytes, struct recap_error *error)
{
    struct recap_image_writer *writer = NULL;
    struct recap_graph *graph = recap_graph_new();
    graph->kernel = "linux";
    graph->machine = "x86_64";
    graph->release = "6.18.0";
    struct recap_pd_image *pd = recap_graph_add_pd(graph);
    struct recap_region *region = recap_graph_add_region(graph, pd);
    struct recap_range range = {.start = 0x10000, .length = mebibytes << 20};
    *region = (struct recap_region){
        .start = range.start, .length = range.length, .ranges = &range, .range_count = 1};
    pd->id = 1;
    char *path = sample_path(folder, "image");
    int result = recap_image_create(path, &writer, error);
    if (result == 0)
        result = recap_image_begin_core(writer, pd, error);
    for (size_t i = 0; result == 0 && i < mebibytes; i++) {
        void *buffer = NULL;
        result = recap_image_room(writer, &buffer, error);
        if (result == 0)
            memset(buffer, (int)i, 1 << 20);
        if (result == 0)
            result = recap_image_put(writer, buffer, range.offset + (i << 20), 1 << 20, error);
    }
    if (result == 0)
        result = recap_image_end_core(writer, graph, pd, error);
    if (result == 0)
        result = recap_image_commit(writer, graph, error);
    recap_image_discard(writer);
    recap_graph_free(graph);
    free(path);
    return result;
}

/* In a child, as it gives itself a small file system. Exits with 77 where that is not allowed. */
static void fill_disk(const char *folder)
{
    struct recap_error error = {0};
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
        (geteuid() == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) ||
        mount("tmpfs", folder, "tmpfs", 0, "size=8m") < 0)
        _exit(77);
    for (size_t mebibytes = 8; mebibytes < 40; mebibytes += 31) {
        int result = write_large(folder, mebibytes, &error);
        if (result != -ENOSPC || error.cls != RECAP_FAILED ||
            !strstr(error.what, "No space left") || !*error.remedy || count_entries(folder) != 0)
            _exit(1);
    }
    /* What fits still works. */
    _exit(write_large(folder, 6, &error) == 0 && count_entries(folder) == 1 ? 0 : 2);
}

static void test_full_disk(void **state)
{
    pid_t pid = fork();
    if (pid == 0)
        fill_disk(*state);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_file_size_limit(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct recap_error error = {0};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){3 << 20, 3 << 20});
        _exit(write_large(*state, 5, &error) == -EFBIG && count_entries(*state) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The write as in sample_write, step by step, with something removed before step `when`. */
static int write_with_removal(const char *folder, int when, const char *removal,
                              struct recap_error *error)
{
    struct recap_image_writer *writer = NULL;
    struct recap_graph *graph = sample_graph();
    char *path = sample_path(folder, "image"), *command = NULL;
    assert_true(asprintf(&command, "cd %s && %s", folder, removal) > 0);
    int result = 0, step = 0;
    graph->pd_count = 1;
#define STEP(call)                                                                                 \
    do {                                                                                           \
        if (step++ == when)                                                                        \
            assert_int_equal(system(command), 0);                                                  \
        if (result == 0)                                                                           \
            result = call;                                                                         \
    } while (0)
    struct recap_pd_image *pd = &graph->pds[0];
    STEP(recap_image_create(path, &writer, error));
    STEP(recap_image_content(writer, 2, "hello pipe\n", 11, error));
    STEP(recap_image_begin_core(writer, pd, error));
    for (size_t r = 0; result == 0 && r < pd->region_count; r++)
        for (size_t i = 0; result == 0 && i < pd->regions[r].range_count; i++) {
            void *buffer;
            result = recap_image_room(writer, &buffer, error);
            for (uint64_t at = 0; result == 0 && at < pd->regions[r].ranges[i].length;) {
                uint64_t left = pd->regions[r].ranges[i].length - at;
                size_t size = left < 1 << 20 ? (size_t)left : 1 << 20;
                result = recap_image_put(writer, buffer, pd->regions[r].ranges[i].offset + at, size,
                                         error);
                at += size;
                if (at < pd->regions[r].ranges[i].length && result == 0)
                    result = recap_image_room(writer, &buffer, error);
            }
        }
    STEP(recap_image_end_core(writer, graph, pd, error));
    STEP(recap_image_commit(writer, graph, error));
#undef STEP
    recap_image_discard(writer);
    recap_graph_free(graph);
    free(path);
    free(command);
    return result;
}

static void test_directory_removed_meanwhile(void **state)
{
    static const char *const removals[] = {
        "rm -r " TEMPORARY,
        "rm -r " TEMPORARY " && mkdir " TEMPORARY,
        "rm -rf " TEMPORARY "/objects " TEMPORARY "/*.core",
        "mv " TEMPORARY " elsewhere",
    };
    const char *folder = *state;
    for (size_t i = 0; i < sizeof removals / sizeof *removals; i++)
        for (int when = 1; when < 5; when++) {
            struct recap_error error = {0};
            if (i == 2 && when < 3)
                continue;
            int result = write_with_removal(folder, when, removals[i], &error);
            if (result >= 0)
                fail_msg("%s before step %d went unnoticed", removals[i], when);
            assert_int_equal(error.cls, RECAP_FAILED);
            assert_true(*error.what);
            assert_false(exists(folder, "image"));
            char *command = NULL;
            assert_true(asprintf(&command, "rm -rf %s/elsewhere", folder) > 0);
            assert_int_equal(system(command), 0);
            free(command);
            if (i == 1)
                assert_true(count_entries(folder) <= 1); /* the stranger's, not ours to remove */
            else
                assert_int_equal(count_entries(folder), 0);
            char *stranger = sample_path(folder, TEMPORARY);
            rmdir(stranger);
            free(stranger);
        }
}

static void test_place_is_taken(void **state)
{
    const char *folder = *state;
    struct recap_image_writer *writer = NULL;
    struct recap_error error = {0};
    char *path = sample_path(folder, "image");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(recap_image_create(path, &writer, &error), -EEXIST);
    assert_true(*error.remedy);
    assert_int_equal(count_entries(folder), 1);
    assert_int_equal(rmdir(path), 0);
    /* Taken while the image is being written: by a file, a full and an empty directory. */
    static const char *const takers[] = {"touch image", "mkdir -p image/something", "mkdir image"};
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++) {
        assert_int_equal(write_with_removal(folder, 4, takers[i], &error), -EEXIST);
        assert_true(exists(folder, "image"));
        assert_int_equal(count_entries(folder), 1);
        char *command = NULL;
        assert_true(asprintf(&command, "rm -r %s", path) > 0);
        assert_int_equal(system(command), 0);
        free(command);
    }
    free(path);
}

static void test_second_writer_is_told(void **state)
{
    const char *folder = *state;
    struct recap_image_writer *first = NULL, *second = NULL;
    struct recap_error error = {0};
    char *path = sample_path(folder, "image");
    assert_int_equal(recap_image_create(path, &first, &error), 0);
    assert_int_equal(recap_image_create(path, &second, &error), -EBUSY);
    assert_non_null(strstr(error.what, "another checkpoint"));
    recap_image_discard(first);
    assert_int_equal(count_entries(folder), 0);
    assert_int_equal(recap_image_create(path, &second, &error), 0);
    recap_image_discard(second);
    free(path);
}

static void test_killed_writer_is_cleaned_up(void **state)
{
    const char *folder = *state;
    struct recap_error error = {0};
    pid_t pid = fork();
    if (pid == 0) {
        write_with_removal(folder, 4, "kill -9 $PPID; sleep 0.05", &error);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(exists(folder, TEMPORARY "/4711.core"));
    assert_false(exists(folder, "image"));
    struct recap_graph *graph = sample_graph();
    char *path = sample_path(folder, "image");
    sample_write(path, graph);
    assert_int_equal(count_entries(folder), 1);
    free(path);
    recap_graph_free(graph);
}

static void test_names_that_are_none(void **state)
{
    static const char *const names[] = {"", "/", ".", "..", "a/..", "a/.", "///"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct recap_image_writer *writer = NULL;
        struct recap_error error = {0};
        assert_int_equal(recap_image_create(names[i], &writer, &error), -EINVAL);
        assert_int_equal(error.cls, RECAP_USAGE);
        assert_null(writer);
    }
}

static void test_long_names_and_slashes(void **state)
{
    const char *folder = *state;
    char name[260];
    memset(name, 'x', sizeof name);
    strcpy(name + 255, "//");
    struct recap_graph *graph = sample_graph();
    char *path = sample_path(folder, name);
    sample_write(path, graph);
    assert_int_equal(count_entries(folder), 1);
    free(path);
    recap_graph_free(graph);
}

/* A graph that no reader would take is not written. */
static void test_broken_graphs_are_not_written(void **state)
{
    const char *folder = *state;
    char *path = sample_path(folder, "image");
    for (int i = 0; i < 4; i++) {
        struct recap_graph *graph = sample_graph();
        struct recap_image_writer *writer = NULL;
        struct recap_error error = {0};
        assert_int_equal(recap_image_create(path, &writer, &error), 0);
        graph->pd_count = 1;
        graph->pds[0].region_count = 0;
        graph->objects[1].content = i == 3 ? 5 : 0;
        if (i == 0)
            graph->pds[0].slots[1].selector = 0;
        if (i == 1)
            graph->pds[0].slots[1].object = 5;
        if (i == 2)
            recap_put_object(graph->arena, graph->objects[2].state, "itself", 3);
        assert_int_equal(recap_image_begin_core(writer, &graph->pds[0], &error), 0);
        assert_int_equal(recap_image_end_core(writer, graph, &graph->pds[0], &error), 0);
        assert_int_equal(recap_image_commit(writer, graph, &error), -EINVAL);
        assert_int_equal(error.cls, RECAP_FAILED);
        recap_image_discard(writer);
        recap_graph_free(graph);
        assert_int_equal(count_entries(folder), 0);
    }
    free(path);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, sample_folder, sample_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_full_disk),
        IN_FOLDER(test_file_size_limit),
        IN_FOLDER(test_directory_removed_meanwhile),
        IN_FOLDER(test_place_is_taken),
        IN_FOLDER(test_second_writer_is_told),
        IN_FOLDER(test_killed_writer_is_cleaned_up),
        cmocka_unit_test(test_names_that_are_none),
        IN_FOLDER(test_long_names_and_slashes),
        IN_FOLDER(test_broken_graphs_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
