/* writer.c: writing an image: cores and contents while the PDs stand still, the rest at the commit.
 *
 * Checksums are taken from the bytes on their way, as long as a core is written in order of its
 * offsets; what came out of order is read back at the end. The temporary directory is renamed only
 * after every file in it is synced, so that after a crash the image is whole or absent.
 */
#include "image/writer.h"
#include "image/core_layout.h"
#include "image/core_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Checksums of a core up to this size are left to the writing thread: they are not worth a longer
 * pause. Of a larger one the caller takes them, who waits for the writing thread anyway. */
enum { SMALL = 4 * 1024 * 1024 };

int image_write_failed(const struct recap_image_writer *writer, int code, const char *name,
                       struct recap_error *error)
{
    recap_fail(error, code, "writing %s of image %s", name, writer->place.path);
    if (code == -ENOSPC || code == -EDQUOT)
        recap_error_remedy(error, "make room there, or write the image to another file system");
    if (code == -EFBIG)
        recap_error_remedy(error, "raise the limit on the size of files (ulimit -f)");
    return code;
}

/* No PD has this id: until it is a core, the spare file has a name that no core has. */
static const uint64_t spare_id = UINT64_MAX;

static int make_spare(struct recap_image_writer *writer, struct recap_error *error)
{
    char name[IMAGE_NAME_SIZE];
    image_name_core(spare_id, name);
    writer->spare = image_place_file(writer->place.directory, name);
    return writer->spare < 0 ? image_write_failed(writer, writer->spare, "a core", error) : 0;
}

int image_writer_drop_spare(struct recap_image_writer *writer)
{
    char name[IMAGE_NAME_SIZE];
    if (writer->spare < 0)
        return 0;
    image_name_core(spare_id, name);
    close(writer->spare);
    writer->spare = -1;
    return unlinkat(writer->place.directory, name, 0) < 0 ? -errno : 0;
}

int recap_image_create(const char *path, struct recap_image_writer **result,
                       struct recap_error *error)
{
    struct recap_image_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return recap_fail(error, -ENOMEM, "making image %s", path);
    writer->place.parent = writer->place.directory = -1;
    writer->spare = writer->objects = writer->content.fd = -1;
    int failed = 0;
    if (!(writer->pipeline = pipeline_new()))
        failed = recap_fail(error, -ENOMEM, "making image %s", path);
    else
        failed = image_place_make(path, &writer->place, error);
    if (failed == 0)
        failed = make_spare(writer, error);
    if (failed < 0)
        recap_image_discard(writer);
    else
        *result = writer;
    return failed;
}

struct image_core *image_writer_core(struct recap_image_writer *writer, uint64_t id)
{
    for (size_t i = 0; i < writer->core_count; i++)
        if (writer->cores[i]->id == id)
            return writer->cores[i];
    return NULL;
}

static struct image_core *add_core(struct recap_image_writer *writer, uint64_t id)
{
    struct image_core **cores =
        reallocarray(writer->cores, writer->core_count + 1, sizeof *writer->cores);
    if (!cores)
        return NULL;
    writer->cores = cores;
    struct image_core *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->id = id;
    core->fd = -1;
    return cores[writer->core_count++] = core;
}

int recap_image_begin_core(struct recap_image_writer *writer, struct recap_pd_image *pd,
                           struct recap_error *error)
{
    char name[IMAGE_NAME_SIZE];
    unsigned char header[CORE_PAGE];
    struct core_layout layout;
    image_name_core(pd->id, name);
    int result = recap_regions_check(pd, error);
    if (result == 0)
        result = core_layout(pd, &layout, error);
    if (result < 0) {
        if (error)
            error->cls = RECAP_FAILED;
        return result;
    }
    if (image_writer_core(writer, pd->id))
        return image_write_failed(writer, -EEXIST, name, error);
    struct image_core *core = add_core(writer, pd->id);
    if (!core)
        return image_write_failed(writer, -ENOMEM, name, error);
    core->layout = layout;
    core->spare = writer->spare >= 0;
    core->fd = core->spare ? writer->spare : image_place_file(writer->place.directory, name);
    writer->spare = -1;
    if (core->fd < 0)
        return image_write_failed(writer, core->fd, name, error);
    core_layout_header(&core->layout, header);
    result = pipeline_write(core->fd, header, sizeof header, 0);
    if (result == 0)
        result = image_sums_add(&core->sums, header, sizeof header);
    if (result < 0)
        return image_write_failed(writer, result, name, error);
    core_layout_ranges(pd);
    core->in_order = CORE_PAGE;
    core->small = core->layout.tail < SMALL;
    return 0;
}

int recap_image_room(struct recap_image_writer *writer, void **buffer, struct recap_error *error)
{
    void *room = pipeline_room(writer->pipeline);
    if (!room)
        return recap_fail(error, -ENOMEM, "writing pages to image %s", writer->place.path);
    *buffer = room;
    return 0;
}

int recap_image_put(struct recap_image_writer *writer, void *buffer, uint64_t offset, size_t size,
                    struct recap_error *error)
{
    struct image_core *core = writer->core_count ? writer->cores[writer->core_count - 1] : NULL;
    if (!core || size > PIPELINE_BUFFER || offset < CORE_PAGE || offset > core->layout.tail ||
        size > core->layout.tail - offset)
        return recap_fail(error, -EINVAL, "writing pages beyond the core file that was begun");
    bool in_order = core->in_order == offset;
    int result = in_order && !core->small ? image_sums_add(&core->sums, buffer, size) : 0;
    core->in_order += in_order ? size : 0;
    core->bytes += size;
    if (result == 0)
        result = pipeline_put(writer->pipeline, buffer, core->fd, offset, size,
                              in_order && core->small ? &core->sums : NULL);
    return result < 0 ? image_write_failed(writer, result, "pages", error) : 0;
}

int recap_image_end_core(struct recap_image_writer *writer, const struct recap_graph *graph,
                         const struct recap_pd_image *pd, struct recap_error *error)
{
    (void)graph;
    char name[IMAGE_NAME_SIZE];
    image_name_core(pd->id, name);
    struct image_core *core = image_writer_core(writer, pd->id);
    int result = core ? pipeline_drain(writer->pipeline) : -ENOENT;
    if (result == 0 && core->bytes != core->layout.tail - CORE_PAGE)
        return recap_fail(error, -EINVAL, "%llu bytes of pages were written to %s instead of %llu",
                          (unsigned long long)core->bytes, name,
                          (unsigned long long)(core->layout.tail - CORE_PAGE));
    if (result == 0 && core->spare) {
        char spare[IMAGE_NAME_SIZE];
        image_name_core(spare_id, spare);
        if (renameat(writer->place.directory, spare, writer->place.directory, name) < 0)
            result = -errno;
    }
    if (result == 0)
        result = image_sums_read(&core->sums, core->fd, core->layout.tail);
    if (result < 0)
        return image_write_failed(writer, result, name, error);
    core->ended = true;
    return 0;
}

static struct image_file_sums *add_content(struct recap_image_writer *writer)
{
    size_t count = writer->content_count;
    if ((count & (count - 1)) == 0) {
        struct image_file_sums *contents =
            reallocarray(writer->contents, count ? count * 2 : 1, sizeof *contents);
        if (!contents)
            return NULL;
        writer->contents = contents;
    }
    return &writer->contents[writer->content_count++];
}

int image_writer_end_content(struct recap_image_writer *writer)
{
    struct image_content *content = &writer->content;
    if (content->fd < 0)
        return 0;
    int result = image_sums_finish(&content->sums);
    struct image_file_sums *done = result < 0 ? NULL : add_content(writer);
    if (done) {
        *done = (struct image_file_sums){.id = content->id, .sums = content->sums};
    } else {
        image_sums_clear(&content->sums);
        result = -ENOMEM;
    }
    /* Written back early, for the sync at the end to find little to do. */
    sync_file_range(content->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    close(content->fd);
    *content = (struct image_content){.fd = -1};
    return result;
}

static int begin_content(struct recap_image_writer *writer, uint64_t id)
{
    char name[IMAGE_NAME_SIZE];
    int result = image_writer_end_content(writer);
    if (result < 0)
        return result;
    if (writer->objects < 0) {
        if (mkdirat(writer->place.directory, IMAGE_OBJECTS, 0700) < 0)
            return -errno;
        writer->objects = openat(writer->place.directory, IMAGE_OBJECTS,
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (writer->objects < 0 || fchmod(writer->objects, 0700) < 0)
            return -errno;
    }
    image_name_object(id, name);
    int fd = image_place_file(writer->objects, name + sizeof IMAGE_OBJECTS);
    if (fd < 0)
        return fd;
    writer->content = (struct image_content){.id = id, .fd = fd};
    return 0;
}

int recap_image_content(struct recap_image_writer *writer, uint64_t id, const void *data,
                        size_t size, struct recap_error *error)
{
    struct image_content *content = &writer->content;
    int result = content->fd >= 0 && content->id == id ? 0 : begin_content(writer, id);
    if (result == 0)
        result = pipeline_write(content->fd, data, size, content->sums.size);
    if (result == 0)
        result = image_sums_add(&content->sums, data, size);
    if (result == 0)
        return 0;
    char name[IMAGE_NAME_SIZE];
    image_name_object(id, name);
    return image_write_failed(writer, result, name, error);
}

void recap_image_withdraw(struct recap_image_writer *writer)
{
    image_place_unsettle(&writer->place);
}

void recap_image_discard(struct recap_image_writer *writer)
{
    if (!writer)
        return;
    pipeline_free(writer->pipeline);
    for (size_t i = 0; i < writer->core_count; i++) {
        if (writer->cores[i]->fd >= 0)
            close(writer->cores[i]->fd);
        image_sums_clear(&writer->cores[i]->sums);
        free(writer->cores[i]);
    }
    free(writer->cores);
    for (size_t i = 0; i < writer->content_count; i++)
        image_sums_clear(&writer->contents[i].sums);
    free(writer->contents);
    image_sums_clear(&writer->content.sums);
    if (writer->content.fd >= 0)
        close(writer->content.fd);
    if (writer->spare >= 0)
        close(writer->spare);
    if (writer->objects >= 0)
        close(writer->objects);
    image_place_clear(&writer->place);
    free(writer);
}
