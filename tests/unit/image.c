/* image.c: images that are written are read back the same. */
#include "image/image.h"
#include "tests/unit/sample_graph.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_graph_survives_json(void **state)
{
    (void)state;
    struct recap_graph *graph = sample_graph(), *read = NULL;
    struct recap_error error = {0};
    char *text = NULL, *again = NULL;
    assert_int_equal(recap_graph_to_json(graph, &text, &error), 0);
    if (recap_graph_from_json(text, strlen(text), &read, &error) < 0)
        fail_msg("%s", error.what);
    sample_assert_same(graph, read);
    assert_int_equal(recap_graph_to_json(read, &again, &error), 0);
    assert_string_equal(text, again);
    free(text);
    free(again);
    recap_graph_free(graph);
    recap_graph_free(read);
}

static void test_image_survives_the_disk(void **state)
{
    const char *folder = *state;
    struct recap_graph *graph = sample_graph();
    struct recap_image *image = NULL;
    struct recap_error error = {0};
    char *path = sample_path(folder, "image");
    sample_write(path, graph);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    if (recap_image_open(path, &image, &error) < 0 || recap_image_check(image, &error) < 0)
        fail_msg("%s", error.what);
    sample_assert_same(graph, recap_image_graph(image));
    sample_assert_pages(image);
    char content[64];
    assert_int_equal(recap_image_read_content(image, 2, 6, content, sizeof content), 5);
    assert_memory_equal(content, "pipe\n", 5);
    assert_int_equal(recap_image_read_content(image, 1, 0, content, sizeof content), 0);
    recap_image_close(image);
    recap_graph_free(graph);
    free(path);
}

static int run(const char *command)
{
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Packs to a file, unpacks it under another name, and what tar makes of both ways is the same. */
static void test_image_survives_a_stream(void **state)
{
    const char *folder = *state;
    struct recap_graph *graph = sample_graph();
    struct recap_image *image = NULL;
    struct recap_error error = {0};
    char *path = sample_path(folder, "image"), *copy = sample_path(folder, "copy");
    char *tar = sample_path(folder, "image.tar"), *command = NULL;
    sample_write(path, graph);
    int out = open(tar, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(recap_image_pack(path, out, &error), 0);
    lseek(out, 0, SEEK_SET);
    if (recap_image_unpack(out, copy, &error) < 0 || recap_image_open(copy, &image, &error) < 0)
        fail_msg("%s", error.what);
    sample_assert_same(graph, recap_image_graph(image));
    sample_assert_pages(image);
    recap_image_close(image);
    assert_true(asprintf(&command,
                         "cd %s && diff -r image copy && mkdir third && tar -xf image.tar -C third "
                         "&& diff -r image third && tar -C image -cf plain.tar .",
                         folder) > 0);
    assert_int_equal(run(command), 0);
    close(out);
    free(tar);
    free(copy);
    tar = sample_path(folder, "plain.tar");
    copy = sample_path(folder, "fourth");
    out = open(tar, O_RDONLY | O_CLOEXEC);
    if (recap_image_unpack(out, copy, &error) < 0)
        fail_msg("%s", error.what);
    /* Its place is taken now. */
    lseek(out, 0, SEEK_SET);
    assert_int_equal(recap_image_unpack(out, copy, &error), -EEXIST);
    close(out);
    free(command);
    free(tar);
    free(copy);
    free(path);
    recap_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_survives_json),
        cmocka_unit_test_setup_teardown(test_image_survives_the_disk, sample_folder,
                                        sample_remove_folder),
        cmocka_unit_test_setup_teardown(test_image_survives_a_stream, sample_folder,
                                        sample_remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
