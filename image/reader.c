/* reader.c: opening an image. Nothing in it is trusted: the manifest is checked by its own
 * checksum, the graph by the manifest's, the cores' headers and notes by the graph. */
#include "image/reader.h"
#include "files/name.h"
#include "image/checksum.h"
#include "image/core_layout.h"
#include "image/core_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int image_damaged(const struct recap_image *image, const char *name, const char *how,
                  struct recap_error *error)
{
    return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "image %s: %s %s", image->path, name, how);
}

/* Puts the image and the file before what `error` says of the file. */
static int about(const struct recap_image *image, const char *name, int code,
                 struct recap_error *error)
{
    if (!error)
        return code;
    char what[300];
    snprintf(what, sizeof what, "%.299s", error->what);
    snprintf(error->what, sizeof error->what, "image %.150s: %.40s%s%s", image->path,
             name ? name : "", name ? ": " : "", what);
    return code;
}

int image_open_file(const struct recap_image *image, const char *name, uint64_t size,
                    struct recap_error *error)
{
    struct stat status;
    int fd = openat(image->directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return image_damaged(image, name, "is missing", error);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR || errno == ENXIO))
        return image_damaged(image, name, "is not a file", error);
    if (fd < 0 || fstat(fd, &status) < 0) {
        int code = -errno;
        if (fd >= 0)
            close(fd);
        return recap_fail(error, code, "opening %s of image %s", name, image->path);
    }
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != size) {
        close(fd);
        return image_damaged(image, name,
                             S_ISREG(status.st_mode) ? "is cut short or longer than it was"
                                                     : "is not a file",
                             error);
    }
    return fd;
}

/* Reads a file of known size into fresh, NUL-terminated memory. */
static int load(const struct recap_image *image, const char *name, uint64_t size, char **data,
                struct recap_error *error)
{
    int fd = image_open_file(image, name, size, error);
    if (fd < 0)
        return fd;
    char *read = size < SIZE_MAX ? malloc((size_t)size + 1) : NULL;
    int result = read ? image_read_all(fd, read, (size_t)size, 0) : -ENOMEM;
    close(fd);
    if (result < 0) {
        free(read);
        return recap_fail(error, result, "reading %s of image %s", name, image->path);
    }
    read[size] = '\0';
    *data = read;
    return 0;
}

static int open_manifest(struct recap_image *image, struct recap_error *error)
{
    struct stat status;
    char *text = NULL;
    if (fstatat(image->directory, IMAGE_MANIFEST, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return recap_fail(error, -errno, "looking for %s of image %s", IMAGE_MANIFEST,
                              image->path);
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "%s is not an image: it has no %s",
                            image->path, IMAGE_MANIFEST);
    }
    if (!S_ISREG(status.st_mode))
        return image_damaged(image, IMAGE_MANIFEST, "is not a file", error);
    int result = load(image, IMAGE_MANIFEST, (uint64_t)status.st_size, &text, error);
    if (result < 0)
        return result;
    result = manifest_read(text, (size_t)status.st_size, &image->manifest, error);
    free(text);
    return result < 0 ? about(image, NULL, result, error) : 0;
}

static int open_graph(struct recap_image *image, struct recap_error *error)
{
    const struct manifest_file *file = image->manifest.count ? &image->manifest.files[0] : NULL;
    struct image_sums sums = {0};
    char *text = NULL;
    if (!file || file->kind != IMAGE_FILE_GRAPH)
        return image_damaged(image, IMAGE_MANIFEST, "does not begin with " IMAGE_GRAPH, error);
    int result = load(image, IMAGE_GRAPH, file->size, &text, error);
    if (result < 0)
        return result;
    result = image_sums_add(&sums, text, (size_t)file->size);
    if (result == 0)
        result = image_sums_finish(&sums);
    if (result < 0)
        recap_fail(error, result, "reading %s of image %s", IMAGE_GRAPH, image->path);
    else if (image_sums_total(&sums) != file->checksum)
        result = image_damaged(image, IMAGE_GRAPH, "is damaged", error);
    else if ((result = recap_graph_from_json(text, (size_t)file->size, &image->graph, error)) < 0)
        about(image, IMAGE_GRAPH, result, error);
    image_sums_clear(&sums);
    free(text);
    return result;
}

/* The manifest lists, after the graph, one core per PD and one content per object that has one, in
 * the order of the graph, and nothing else. */
static int match_files(const struct recap_image *image, struct recap_error *error)
{
    const struct recap_graph *graph = image->graph;
    const struct manifest_file *file = &image->manifest.files[1];
    const struct manifest_file *end = image->manifest.files + image->manifest.count;
    for (size_t i = 0; i < graph->pd_count; i++, file++)
        if (file == end || file->kind != IMAGE_FILE_CORE || file->id != graph->pds[i].id)
            return image_damaged(image, IMAGE_MANIFEST, "lists other cores than the graph", error);
    for (size_t i = 0; i < graph->object_count; i++) {
        const struct recap_object *object = &graph->objects[i];
        if (!object->content)
            continue;
        if (file == end || file->kind != IMAGE_FILE_OBJECT || file->id != object->id ||
            file->size != object->content || file->checksum != object->content_checksum)
            return image_damaged(image, IMAGE_MANIFEST, "lists other contents than the graph",
                                 error);
        file++;
    }
    if (file != end)
        return image_damaged(image, IMAGE_MANIFEST, "lists files that the graph does not know",
                             error);
    return 0;
}

static int check_contents(const struct recap_image *image, struct recap_error *error)
{
    for (size_t i = 1; i < image->manifest.count; i++) {
        const struct manifest_file *file = &image->manifest.files[i];
        struct stat status;
        if (file->kind != IMAGE_FILE_OBJECT)
            continue;
        if (fstatat(image->directory, file->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            return errno == ENOENT || errno == ENOTDIR
                       ? image_damaged(image, file->name, "is missing", error)
                       : recap_fail(error, -errno, "looking at %s of image %s", file->name,
                                    image->path);
        if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != file->size)
            return image_damaged(image, file->name, "is not a file of the size that it had", error);
    }
    return 0;
}

/* Compares the ELF header and the program headers with those that the graph gives, reads the notes.
 */
static int read_core(struct recap_image *image, struct recap_pd_image *pd, int fd,
                     const struct core_layout *layout, const struct manifest_file *file,
                     struct recap_error *error)
{
    unsigned char expected[CORE_PAGE], header[CORE_PAGE];
    size_t size = (size_t)(file->size - layout->tail);
    size_t headers = (size_t)(layout->notes - layout->tail);
    unsigned char *tail = malloc(size), *segments = malloc(headers);
    int result = tail && segments ? image_read_all(fd, header, sizeof header, 0) : -ENOMEM;
    if (result == 0)
        result = image_read_all(fd, tail, size, layout->tail);
    if (result < 0) {
        recap_fail(error, result, "reading %s of image %s", file->name, image->path);
    } else {
        core_layout_header(layout, expected);
        core_layout_segments(layout, pd, size - headers, segments);
        result = core_notes_check_tie(tail, size, image->manifest.files[0].checksum, error);
        if (result < 0)
            about(image, file->name, result, error);
        else if (memcmp(header, expected, sizeof header) != 0)
            result = image_damaged(image, file->name, "has a damaged ELF header", error);
        else if (memcmp(tail, segments, headers) != 0)
            result = image_damaged(image, file->name, "has other segments than the graph", error);
        else if ((result =
                      core_notes_read(tail + headers, size - headers, image->graph, pd, error)) < 0)
            about(image, file->name, result, error);
    }
    free(tail);
    free(segments);
    return result;
}

static int open_core(struct recap_image *image, size_t index, struct recap_error *error)
{
    struct recap_pd_image *pd = &image->graph->pds[index];
    const struct manifest_file *file = &image->manifest.files[1 + index];
    struct core_layout layout;
    int result = core_layout(pd, &layout, error);
    if (result < 0)
        return about(image, file->name, result, error);
    if (!core_layout_matches(pd) || file->size < layout.notes + core_notes_tie_size())
        return image_damaged(image, file->name, "does not have its pages where the graph says",
                             error);
    int fd = image_open_file(image, file->name, file->size, error);
    if (fd < 0)
        return fd;
    image->cores[index] = fd;
    return read_core(image, pd, fd, &layout, file, error);
}

static int open_all(struct recap_image *image, struct recap_error *error)
{
    int result = open_manifest(image, error);
    if (result == 0)
        result = open_graph(image, error);
    if (result < 0)
        return result;
    if (strcmp(image->graph->machine, "x86_64") != 0 && strcmp(image->graph->machine, "i386") != 0)
        return recap_refuse(error, RECAP_DAMAGED, -ENOEXEC,
                            "image %s is foreign: it is of a %s machine, and this recap reads "
                            "images of x86_64 and i386",
                            image->path, image->graph->machine);
    result = match_files(image, error);
    if (result < 0)
        return result;
    image->cores = malloc(image->graph->pd_count * sizeof *image->cores);
    if (!image->cores)
        return recap_fail(error, -ENOMEM, "opening image %s", image->path);
    for (size_t i = 0; i < image->graph->pd_count; i++)
        image->cores[i] = -1;
    result = check_contents(image, error);
    for (size_t i = 0; result == 0 && i < image->graph->pd_count; i++)
        result = open_core(image, i, error);
    if (result == 0 && recap_arena_failed(image->graph->arena))
        result = recap_fail(error, -ENOMEM, "opening image %s", image->path);
    return result;
}

int image_open_at(int directory, const char *path, struct recap_image **result,
                  struct recap_error *error)
{
    struct recap_image *image = calloc(1, sizeof *image);
    if (!image || !(image->path = strdup(path))) {
        free(image);
        close(directory);
        return recap_fail(error, -ENOMEM, "opening image %s", path);
    }
    image->directory = directory;
    image->content = -1;
    int failed = open_all(image, error);
    if (failed < 0)
        recap_image_close(image);
    else
        *result = image;
    return failed;
}

int recap_image_open(const char *path, struct recap_image **image, struct recap_error *error)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 && errno == ENOTDIR)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "%s is not an image: an image is a directory", path);
    if (directory < 0)
        return recap_fail(error, -errno, "opening image %s", path);
    return image_open_at(directory, path, image, error);
}

static int of_another(const struct recap_image *image, const char *name, const struct stat *status,
                      struct recap_error *error)
{
    bool owned = status->st_uid == 0 || status->st_uid == geteuid();
    recap_refuse(error, RECAP_FAILED, -EPERM, "image %s%s%s %s, who could have it do anything%s",
                 image->path, name ? ": " : "", name ? name : "",
                 owned ? "may be written to by others" : "belongs to another user",
                 geteuid() == 0 ? " as root" : " as you");
    recap_error_remedy(error,
                       owned ? "if you trust them: chmod -R go-w %s"
                             : "restore it as that user, or if you trust that user copy it",
                       image->path);
    return -EPERM;
}

int recap_image_trust(const struct recap_image *image, struct recap_error *error)
{
    struct stat status;
    if (fstat(image->directory, &status) < 0)
        return recap_fail(error, -errno, "looking at image %s", image->path);
    if (!files_is_ours(&status))
        return of_another(image, NULL, &status, error);
    if (fstatat(image->directory, IMAGE_OBJECTS, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        !files_is_ours(&status))
        return of_another(image, IMAGE_OBJECTS, &status, error);
    for (size_t i = 0; i < image->manifest.count; i++) {
        const char *name = image->manifest.files[i].name;
        if (fstatat(image->directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            return recap_fail(error, -errno, "looking at %s of image %s", name, image->path);
        if (!files_is_ours(&status))
            return of_another(image, name, &status, error);
    }
    return 0;
}

struct recap_graph *recap_image_graph(struct recap_image *image)
{
    return image->graph;
}

int recap_image_core(struct recap_image *image, const struct recap_pd_image *pd)
{
    return image->cores[pd - image->graph->pds];
}

const struct manifest_file *image_find_content(const struct recap_image *image, uint64_t id)
{
    /* Contents ascend by id, after the graph and the cores. */
    size_t low = 1 + image->graph->pd_count, high = image->manifest.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct manifest_file *file = &image->manifest.files[middle];
        if (file->id == id)
            return file;
        if (file->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

ssize_t recap_image_read_content(void *context, uint64_t id, uint64_t offset, void *buffer,
                                 size_t size)
{
    struct recap_image *image = context;
    const struct manifest_file *file = image_find_content(image, id);
    if (!file)
        return 0;
    if (image->content_id != id) {
        int fd = image_open_file(image, file->name, file->size, NULL);
        if (fd < 0)
            return fd;
        if (image->content >= 0)
            close(image->content);
        image->content = fd;
        image->content_id = id;
    }
    if (offset >= file->size)
        return 0;
    if (size > file->size - offset)
        size = (size_t)(file->size - offset);
    ssize_t got;
    do
        got = pread(image->content, buffer, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got == 0 && size ? -ENODATA : got;
}

void recap_image_close(struct recap_image *image)
{
    if (!image)
        return;
    for (size_t i = 0; image->cores && i < image->graph->pd_count; i++)
        if (image->cores[i] >= 0)
            close(image->cores[i]);
    free(image->cores);
    if (image->content >= 0)
        close(image->content);
    if (image->directory >= 0)
        close(image->directory);
    recap_graph_free(image->graph);
    manifest_clear(&image->manifest);
    free(image->path);
    free(image);
}
