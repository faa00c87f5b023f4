/* stream.c: an image as a tar stream and back.
 *
 * Unpacking takes nothing on trust: only names that an image has, each once; and what came is
 * checked as any image is, with all its content, before it gets its name.
 */
#include "image/checksum.h"
#include "image/pipeline.h"
#include "image/place.h"
#include "image/reader.h"
#include "image/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PART = 256 * 1024 };

struct stream {
    int fd;
    const char *path; /* of the image */
    unsigned char *buffer;
    struct recap_error *error;
};

static int write_all(const struct stream *stream, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = write(stream->fd, (const char *)data + done, size - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return recap_fail(stream->error, wrote ? -errno : -EIO, "sending image %s",
                              stream->path);
        done += (size_t)wrote;
    }
    return 0;
}

static int pack_file(const struct stream *stream, const struct recap_image *image, const char *name,
                     uint64_t size)
{
    struct tar_entry entry = {.size = size};
    unsigned char block[TAR_BLOCK];
    strcpy(entry.name, name);
    int fd = image_open_file(image, name, size, stream->error);
    if (fd < 0)
        return fd;
    tar_header(&entry, image->graph->taken, block);
    int result = write_all(stream, block, sizeof block);
    for (uint64_t at = 0; result == 0 && at < size;) {
        size_t part = size - at < PART ? (size_t)(size - at) : PART;
        result = image_read_all(fd, stream->buffer, part, at);
        if (result < 0)
            recap_fail(stream->error, result, "reading %s of image %s", name, stream->path);
        else
            result = write_all(stream, stream->buffer, part);
        at += part;
    }
    close(fd);
    memset(block, 0, sizeof block);
    return result ? result : write_all(stream, block, tar_padding(size));
}

static int pack_directory(const struct stream *stream, const struct recap_image *image)
{
    struct tar_entry entry = {.name = IMAGE_OBJECTS, .directory = true};
    unsigned char block[TAR_BLOCK];
    tar_header(&entry, image->graph->taken, block);
    return write_all(stream, block, sizeof block);
}

static int pack_all(const struct stream *stream, const struct recap_image *image)
{
    const struct manifest *manifest = &image->manifest;
    struct stat status;
    if (fstatat(image->directory, IMAGE_MANIFEST, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return recap_fail(stream->error, -errno, "looking at %s of image %s", IMAGE_MANIFEST,
                          stream->path);
    int result = pack_file(stream, image, IMAGE_MANIFEST, (uint64_t)status.st_size);
    bool contents = false;
    for (size_t i = 0; result == 0 && i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        if (file->kind == IMAGE_FILE_OBJECT && !contents) {
            contents = true;
            result = pack_directory(stream, image);
        }
        if (result == 0)
            result = pack_file(stream, image, file->name, file->size);
    }
    static const unsigned char end[2 * TAR_BLOCK];
    return result ? result : write_all(stream, end, sizeof end);
}

int recap_image_pack(const char *path, int fd, struct recap_error *error)
{
    struct recap_image *image = NULL;
    struct stream stream = {.fd = fd, .path = path, .error = error};
    int result = recap_image_open(path, &image, error);
    if (result < 0)
        return result;
    stream.buffer = malloc(PART);
    result = stream.buffer ? pack_all(&stream, image)
                           : recap_fail(error, -ENOMEM, "sending image %s", path);
    free(stream.buffer);
    recap_image_close(image);
    return result;
}

/* All of `size` bytes; what ends early is damaged. */
static int read_all(const struct stream *stream, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(stream->fd, (char *)data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return recap_fail(stream->error, -errno, "receiving image %s", stream->path);
        if (got == 0)
            return recap_refuse(stream->error, RECAP_DAMAGED, -EINVAL,
                                "image %s ended early on its way", stream->path);
        done += (size_t)got;
    }
    return 0;
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

/* What fills the last block of a file. */
static int read_padding(const struct stream *stream, uint64_t size)
{
    unsigned char padding[TAR_BLOCK];
    int result = read_all(stream, padding, tar_padding(size));
    if (result < 0 || is_zero(padding, tar_padding(size)))
        return result;
    return recap_refuse(stream->error, RECAP_DAMAGED, -EINVAL, "image %s was damaged on its way",
                        stream->path);
}

static int unpack_file(const struct stream *stream, int directory, const struct tar_entry *entry)
{
    int fd = image_place_file(directory, entry->name);
    if (fd == -EEXIST)
        return recap_refuse(stream->error, RECAP_DAMAGED, -EINVAL, "image %s comes with %s twice",
                            stream->path, entry->name);
    int result = fd < 0 ? fd : 0;
    if (result < 0)
        recap_fail(stream->error, result, "making %s of image %s", entry->name, stream->path);
    for (uint64_t at = 0; result == 0 && at < entry->size;) {
        size_t part = entry->size - at < PART ? (size_t)(entry->size - at) : PART;
        result = read_all(stream, stream->buffer, part);
        if (result == 0 && (result = pipeline_write(fd, stream->buffer, part, at)) < 0)
            recap_fail(stream->error, result, "writing %s of image %s", entry->name, stream->path);
        at += part;
    }
    if (fd >= 0)
        close(fd);
    return result ? result : read_padding(stream, entry->size);
}

/* The directory of the image itself, which is there, or the one of contents. */
static int unpack_directory(const struct stream *stream, int directory, const char *name)
{
    if (strcmp(name, IMAGE_OBJECTS) != 0 && strcmp(name, ".") != 0 && strcmp(name, "") != 0)
        return recap_refuse(stream->error, RECAP_DAMAGED, -EINVAL,
                            "image %s comes with a directory that no image has", stream->path);
    if (strcmp(name, IMAGE_OBJECTS) != 0 || mkdirat(directory, name, 0700) == 0 || errno == EEXIST)
        return 0;
    return recap_fail(stream->error, -errno, "making %s of image %s", name, stream->path);
}

static int unpack_entry(const struct stream *stream, int directory,
                        const unsigned char block[TAR_BLOCK])
{
    struct tar_entry entry;
    uint64_t id;
    if (!tar_parse(block, &entry))
        return recap_refuse(stream->error, RECAP_DAMAGED, -EINVAL,
                            "what comes as image %s is not a tar stream of plain files",
                            stream->path);
    if (entry.directory)
        return unpack_directory(stream, directory, entry.name);
    enum image_file kind = image_name_parse(entry.name, strlen(entry.name), &id);
    if (kind == IMAGE_FILE_NONE)
        return recap_refuse(stream->error, RECAP_DAMAGED, -EINVAL,
                            "image %s comes with a file that no image has", stream->path);
    int result = kind == IMAGE_FILE_OBJECT ? unpack_directory(stream, directory, IMAGE_OBJECTS) : 0;
    return result ? result : unpack_file(stream, directory, &entry);
}

static int unpack_all(const struct stream *stream, int directory)
{
    unsigned char block[TAR_BLOCK];
    for (;;) {
        int result = read_all(stream, block, sizeof block);
        if (result == 0 && is_zero(block, sizeof block))
            return 0;
        if (result == 0)
            result = unpack_entry(stream, directory, block);
        if (result < 0)
            return result;
    }
}

/* Opens and checks what arrived. */
static int check(const char *path, int directory, struct recap_error *error)
{
    struct recap_image *image = NULL;
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0)
        return recap_fail(error, -errno, "opening image %s", path);
    int result = image_open_at(copy, path, &image, error);
    if (result == 0)
        result = recap_image_check(image, error);
    recap_image_close(image);
    return result;
}

int recap_image_unpack(int fd, const char *path, struct recap_error *error)
{
    struct stream stream = {.fd = fd, .path = path, .error = error};
    struct image_place place;
    int result = image_place_make(path, &place, error);
    if (result < 0)
        return result;
    stream.buffer = malloc(PART);
    result = stream.buffer ? unpack_all(&stream, place.directory)
                           : recap_fail(error, -ENOMEM, "receiving image %s", path);
    if (result == 0)
        result = check(path, place.directory, error);
    if (result == 0 && syncfs(place.directory) < 0)
        result = recap_fail(error, -errno, "syncing image %s", path);
    if (result == 0)
        result = image_place_settle(&place, error);
    image_place_clear(&place);
    free(stream.buffer);
    return result;
}
