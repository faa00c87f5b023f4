/* pending.c: weak stand-ins until the image is written, so that everything links. */
#include "image/image.h"

#include <errno.h>

__attribute__((weak)) int recap_image_create(const char *path, struct recap_image_writer **writer,
                                             struct recap_error *error)
{
    (void)path;
    (void)writer;
    return recap_fail(error, -ENOSYS, "recap_image_create");
}

__attribute__((weak)) int recap_image_begin_core(struct recap_image_writer *writer,
                                                 struct recap_pd_image *pd,
                                                 struct recap_error *error)
{
    (void)writer;
    (void)pd;
    return recap_fail(error, -ENOSYS, "recap_image_begin_core");
}

__attribute__((weak)) int recap_image_room(struct recap_image_writer *writer, void **buffer,
                                           struct recap_error *error)
{
    (void)writer;
    (void)buffer;
    return recap_fail(error, -ENOSYS, "recap_image_room");
}

__attribute__((weak)) int recap_image_put(struct recap_image_writer *writer, void *buffer,
                                          uint64_t offset, size_t size, struct recap_error *error)
{
    (void)writer;
    (void)buffer;
    (void)offset;
    (void)size;
    return recap_fail(error, -ENOSYS, "recap_image_put");
}

__attribute__((weak)) int recap_image_end_core(struct recap_image_writer *writer,
                                               const struct recap_graph *graph,
                                               const struct recap_pd_image *pd,
                                               struct recap_error *error)
{
    (void)writer;
    (void)graph;
    (void)pd;
    return recap_fail(error, -ENOSYS, "recap_image_end_core");
}

__attribute__((weak)) int recap_image_content(struct recap_image_writer *writer, uint64_t id,
                                              const void *data, size_t size,
                                              struct recap_error *error)
{
    (void)writer;
    (void)id;
    (void)data;
    (void)size;
    return recap_fail(error, -ENOSYS, "recap_image_content");
}

__attribute__((weak)) int recap_image_commit(struct recap_image_writer *writer,
                                             struct recap_graph *graph, struct recap_error *error)
{
    (void)writer;
    (void)graph;
    return recap_fail(error, -ENOSYS, "recap_image_commit");
}

__attribute__((weak)) void recap_image_discard(struct recap_image_writer *writer)
{
    (void)writer;
}

__attribute__((weak)) int recap_image_open(const char *path, struct recap_image **image,
                                           struct recap_error *error)
{
    (void)path;
    (void)image;
    return recap_fail(error, -ENOSYS, "recap_image_open");
}

__attribute__((weak)) struct recap_graph *recap_image_graph(struct recap_image *image)
{
    (void)image;
    return NULL;
}

__attribute__((weak)) int recap_image_core(struct recap_image *image,
                                           const struct recap_pd_image *pd)
{
    (void)image;
    (void)pd;
    return -ENOSYS;
}

__attribute__((weak)) int recap_image_check(struct recap_image *image, struct recap_error *error)
{
    (void)image;
    return recap_fail(error, -ENOSYS, "recap_image_check");
}

__attribute__((weak)) ssize_t recap_image_read_content(void *image, uint64_t id, uint64_t offset,
                                                       void *buffer, size_t size)
{
    (void)image;
    (void)id;
    (void)offset;
    (void)buffer;
    (void)size;
    return -ENOSYS;
}

__attribute__((weak)) void recap_image_close(struct recap_image *image)
{
    (void)image;
}

__attribute__((weak)) int recap_graph_to_json(const struct recap_graph *graph, char **text,
                                              struct recap_error *error)
{
    (void)graph;
    (void)text;
    return recap_fail(error, -ENOSYS, "recap_graph_to_json");
}

__attribute__((weak)) int recap_graph_from_json(const char *text, size_t length,
                                                struct recap_graph **graph,
                                                struct recap_error *error)
{
    (void)text;
    (void)length;
    (void)graph;
    return recap_fail(error, -ENOSYS, "recap_graph_from_json");
}

__attribute__((weak)) int recap_image_pack(const char *path, int fd, struct recap_error *error)
{
    (void)path;
    (void)fd;
    return recap_fail(error, -ENOSYS, "recap_image_pack");
}

__attribute__((weak)) int recap_image_unpack(int fd, const char *path, struct recap_error *error)
{
    (void)fd;
    (void)path;
    return recap_fail(error, -ENOSYS, "recap_image_unpack");
}
