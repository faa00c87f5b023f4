/* image_stream.c: tar streams that are not of an image leave nothing behind. */
#include "image/image.h"
#include "image/tar.h"
#include "tests/unit/sample_graph.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct sample {
    char *folder;
    unsigned char *bytes; /* a whole stream */
    size_t size;
};

static int setup(void **state)
{
    static struct sample sample;
    void *folder;
    /* Thousands of images are synced. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    if (sample_folder(&folder) < 0)
        return -1;
    sample.folder = folder;
    struct recap_graph *graph = sample_graph();
    /* The small PD alone: a short stream. */
    graph->pds++;
    graph->pd_count = 1;
    graph->pds[0].threads[0].registers_length = 216;
    char *path = sample_path(folder, "original"), *tar = sample_path(folder, "tar");
    sample_write(path, graph);
    int fd = open(tar, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (recap_image_pack(path, fd, NULL) < 0)
        return -1;
    struct stat status;
    fstat(fd, &status);
    sample.size = (size_t)status.st_size;
    sample.bytes = malloc(sample.size);
    if (pread(fd, sample.bytes, sample.size, 0) != (ssize_t)sample.size)
        return -1;
    close(fd);
    unlink(tar);
    recap_graph_free(graph);
    free(path);
    free(tar);
    *state = &sample;
    return 0;
}

static int teardown(void **state)
{
    struct sample *sample = *state;
    void *folder = sample->folder;
    free(sample->bytes);
    return sample_remove_folder(&folder);
}

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *list = opendir(folder);
    for (struct dirent *entry; (entry = readdir(list));)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(list);
    return count;
}

static int unpack(const struct sample *sample, const void *bytes, size_t size,
                  struct recap_error *error)
{
    char *path = sample_path(sample->folder, "unpacked");
    int fd = memfd_create("stream", MFD_CLOEXEC);
    assert_true(write(fd, bytes, size) == (ssize_t)size);
    lseek(fd, 0, SEEK_SET);
    *error = (struct recap_error){0};
    int result = recap_image_unpack(fd, path, error);
    close(fd);
    free(path);
    return result;
}

/* Refused as damaged, with nothing left of it. */
static void assert_refused(const struct sample *sample, const void *bytes, size_t size,
                           const char *what)
{
    struct recap_error error;
    if (unpack(sample, bytes, size, &error) >= 0 || error.cls != RECAP_DAMAGED || !*error.what)
        fail_msg("%s: %s", what, error.what);
    assert_int_equal(count_entries(sample->folder), 1);
}

static void test_every_length(void **state)
{
    const struct sample *sample = *state;
    struct recap_error error;
    /* The second block of zeros at the end is not waited for. */
    for (size_t size = 0; size < sample->size - TAR_BLOCK; size += 97)
        assert_refused(sample, sample->bytes, size, "cut short");
    assert_int_equal(unpack(sample, sample->bytes, sample->size, &error), 0);
    void *unpacked = sample_path(sample->folder, "unpacked");
    assert_int_equal(sample_remove_folder(&unpacked), 0);
    free(unpacked);
}

/* Damage of a byte is found, or is where a tar header says nothing about an image. */
static void test_every_byte(void **state)
{
    const struct sample *sample = *state;
    unsigned char *bytes = malloc(sample->size);
    memcpy(bytes, sample->bytes, sample->size);
    for (size_t at = 0; at < sample->size - 2 * TAR_BLOCK; at += 3) {
        struct recap_error error;
        bytes[at] ^= 0x11;
        int result = unpack(sample, bytes, sample->size, &error);
        if (result == 0) {
            void *unpacked = sample_path(sample->folder, "unpacked");
            assert_int_equal(sample_remove_folder(&unpacked), 0);
            free(unpacked);
        } else if (error.cls != RECAP_DAMAGED) {
            fail_msg("byte %zu: %s", at, error.what);
        }
        assert_int_equal(count_entries(sample->folder), 1);
        bytes[at] ^= 0x11;
    }
    free(bytes);
}

/* The sample with one more file at the front. */
static void with_file(const struct sample *sample, const char *name, bool directory)
{
    unsigned char *bytes = calloc(1, sample->size + 2 * TAR_BLOCK);
    struct tar_entry entry = {.directory = directory, .size = directory ? 0 : 4};
    strcpy(entry.name, name);
    tar_header(&entry, 1, bytes);
    size_t size = directory ? TAR_BLOCK : 2 * TAR_BLOCK;
    memcpy(bytes + size, sample->bytes, sample->size);
    assert_refused(sample, bytes, sample->size + size, name);
    free(bytes);
}

static void test_names_that_no_image_has(void **state)
{
    static const char *const names[] = {
        "../escape",
        "/etc/escape",
        "objects/../../escape",
        "notes.txt",
        "graph.json/x",
        "objects/x",
        "objects/01",
        "4711.core ",
        "-1.core",
        ".core",
        "objects/",
        "",
        "99999999999999999999.core",
        "MANIFEST",
        "graph.json",
        "4800.core",
        "objects/2",
        "objects/2/3",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        with_file(*state, names[i], false);
    static const char *const folders[] = {"..",        "../x", "/",         "/tmp/x",
                                          "objects/x", "x",    "graph.json"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        with_file(*state, folders[i], true);
}

static void seal(unsigned char block[TAR_BLOCK])
{
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

/* Links, devices, sparse files and extended headers are none of an image's. */
static void test_types_that_no_image_has(void **state)
{
    const struct sample *sample = *state;
    unsigned char *bytes = malloc(sample->size);
    memcpy(bytes, sample->bytes, sample->size);
    for (const char *type = "1234678xgLKSDMV"; *type; type++) {
        bytes[156] = (unsigned char)*type;
        seal(bytes);
        assert_refused(sample, bytes, sample->size, type);
    }
    bytes[156] = '0';
    /* A size that only a very long stream could have. */
    memset(bytes + 124, 0xff, 12);
    seal(bytes);
    assert_refused(sample, bytes, sample->size, "an endless file");
    memcpy(bytes + 124, "77777777777", 12);
    seal(bytes);
    assert_refused(sample, bytes, sample->size, "8 GiB");
    free(bytes);
}

static void test_headers_hold_every_size(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0, 1, 511, 512, 8589934591, 8589934592, INT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct tar_entry entry = {.name = "graph.json", .size = sizes[i]}, read;
        unsigned char block[TAR_BLOCK];
        tar_header(&entry, 1795000000, block);
        assert_true(tar_parse(block, &read));
        assert_string_equal(read.name, "graph.json");
        assert_true(read.size == sizes[i]);
        assert_int_equal((sizes[i] + tar_padding(sizes[i])) % TAR_BLOCK, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_names_that_no_image_has),
        cmocka_unit_test(test_types_that_no_image_has),
        cmocka_unit_test(test_headers_hold_every_size),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
