/* commit.c: finishing an image: graph, tails of the cores, manifest; sync, and rename into place.
 */
#include "image/core_notes.h"
#include "image/manifest.h"
#include "image/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More files than this are synced together with everything else on their file system. */
enum { SYNC_EACH = 64 };

struct commit {
    struct recap_image_writer *writer;
    struct recap_graph *graph;
    struct recap_error *error;
    struct manifest manifest;
    struct json_text text; /* graph, then manifest */
    struct core_bytes tail;
    struct image_sums graph_sums;
    int graph_fd;
    int manifest_fd;
};

static void clear_commit(struct commit *commit)
{
    manifest_clear(&commit->manifest);
    free(commit->text.data);
    free(commit->tail.data);
    image_sums_clear(&commit->graph_sums);
    if (commit->graph_fd >= 0)
        close(commit->graph_fd);
    if (commit->manifest_fd >= 0)
        close(commit->manifest_fd);
}

static int failed(const struct commit *commit, int code, const char *name)
{
    return image_write_failed(commit->writer, code, name, commit->error);
}

static int compare_contents(const void *a, const void *b)
{
    uint64_t x = ((const struct image_file_sums *)a)->id,
             y = ((const struct image_file_sums *)b)->id;
    return x < y ? -1 : x > y;
}

/* Whether exactly the content that the graph calls for was written; takes over the checksums. */
static int match_contents(struct commit *commit)
{
    struct recap_image_writer *writer = commit->writer;
    int result = image_writer_end_content(writer);
    if (result < 0)
        return failed(commit, result, IMAGE_OBJECTS);
    if (writer->content_count)
        qsort(writer->contents, writer->content_count, sizeof *writer->contents, compare_contents);
    size_t next = 0;
    for (size_t i = 0; i < commit->graph->object_count; i++) {
        struct recap_object *object = &commit->graph->objects[i];
        const struct image_file_sums *content =
            next < writer->content_count && writer->contents[next].id == object->id
                ? &writer->contents[next++]
                : NULL;
        uint64_t written = content ? content->sums.size : 0;
        if (written != object->content)
            return recap_fail(commit->error, -EINVAL,
                              "%llu bytes were written as content of object %llu instead of %llu",
                              (unsigned long long)written, (unsigned long long)object->id,
                              (unsigned long long)object->content);
        object->content_checksum = content ? image_sums_total(&content->sums) : 0;
    }
    if (next != writer->content_count)
        return recap_fail(commit->error, -EINVAL,
                          "content was written for object %llu, which is not in the graph",
                          (unsigned long long)writer->contents[next].id);
    return 0;
}

static int check_graph(struct commit *commit)
{
    int result = recap_graph_check(commit->graph, commit->error);
    for (size_t i = 0; result == 0 && i < commit->graph->pd_count; i++) {
        const struct recap_pd_image *pd = &commit->graph->pds[i];
        const struct image_core *core = image_writer_core(commit->writer, pd->id);
        if (!core || !core->ended || !core_layout_matches(pd))
            result = recap_fail(commit->error, -EINVAL, "the pages of PD %llu were not written",
                                (unsigned long long)pd->id);
    }
    if (result == 0 && commit->graph->pd_count != commit->writer->core_count)
        result = recap_fail(commit->error, -EINVAL, "a core was written that is not in the graph");
    if (result < 0 && commit->error)
        commit->error->cls = RECAP_FAILED;
    return result;
}

/* Writes commit->text as a new file. */
static int write_text(struct commit *commit, const char *name, int *fd)
{
    if (commit->text.failed)
        return failed(commit, commit->text.failed, name);
    *fd = image_place_file(commit->writer->place.directory, name);
    int result = *fd < 0 ? *fd : pipeline_write(*fd, commit->text.data, commit->text.length, 0);
    return result < 0 ? failed(commit, result, name) : 0;
}

static int write_graph(struct commit *commit)
{
    int result = recap_graph_to_json(commit->graph, &commit->text.data, commit->error);
    if (result < 0)
        return result;
    commit->text.length = commit->text.capacity = strlen(commit->text.data);
    result = write_text(commit, IMAGE_GRAPH, &commit->graph_fd);
    if (result < 0)
        return result;
    if (image_sums_add(&commit->graph_sums, commit->text.data, commit->text.length) < 0 ||
        image_sums_finish(&commit->graph_sums) < 0)
        return failed(commit, -ENOMEM, IMAGE_GRAPH);
    return 0;
}

/* Program headers and notes, now that the graph's checksum is known. */
static int write_tail(struct commit *commit, const struct recap_pd_image *pd)
{
    struct image_core *core = image_writer_core(commit->writer, pd->id);
    struct core_bytes *tail = &commit->tail;
    const struct core_layout *layout = &core->layout;
    size_t headers = (size_t)(layout->notes - layout->tail);
    char name[IMAGE_NAME_SIZE];
    image_name_core(pd->id, name);
    tail->length = 0;
    core_bytes_add(tail, headers);
    int result = core_notes_put(tail, pd, commit->error);
    if (result < 0)
        return result;
    if (!tail->failed)
        core_layout_segments(layout, pd, tail->length - headers + core_notes_tie_size(),
                             tail->data);
    core_notes_tie(tail, image_sums_total(&commit->graph_sums));
    result =
        tail->failed ? -ENOMEM : pipeline_write(core->fd, tail->data, tail->length, layout->tail);
    if (result == 0)
        result = image_sums_add(&core->sums, tail->data, tail->length);
    if (result == 0)
        result = image_sums_finish(&core->sums);
    return result < 0 ? failed(commit, result, name) : 0;
}

static int add_file(struct commit *commit, enum image_file kind, uint64_t id,
                    const struct image_sums *sums)
{
    return manifest_add(&commit->manifest, kind, id, sums->size, image_sums_total(sums),
                        sums->chunks);
}

static int write_manifest(struct commit *commit)
{
    const struct recap_image_writer *writer = commit->writer;
    int result = add_file(commit, IMAGE_FILE_GRAPH, 0, &commit->graph_sums);
    for (size_t i = 0; result == 0 && i < commit->graph->pd_count; i++) {
        uint64_t id = commit->graph->pds[i].id;
        result =
            add_file(commit, IMAGE_FILE_CORE, id, &image_writer_core(commit->writer, id)->sums);
    }
    for (size_t i = 0; result == 0 && i < writer->content_count; i++)
        result =
            add_file(commit, IMAGE_FILE_OBJECT, writer->contents[i].id, &writer->contents[i].sums);
    if (result < 0)
        return failed(commit, result, IMAGE_MANIFEST);
    commit->text.length = 0;
    manifest_write(&commit->manifest, &commit->text);
    return write_text(commit, IMAGE_MANIFEST, &commit->manifest_fd);
}

/* Whether every file still is where it was written: someone may clean up beside us. */
static int check_files(struct commit *commit)
{
    struct stat status;
    int directory = commit->writer->place.directory;
    for (size_t i = 0; i < commit->manifest.count; i++) {
        const struct manifest_file *file = &commit->manifest.files[i];
        if (fstatat(directory, file->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            return failed(commit, -errno, file->name);
        if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != file->size)
            return failed(commit, -EIO, file->name);
    }
    if (fstatat(directory, IMAGE_MANIFEST, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(commit, -errno, IMAGE_MANIFEST);
    return 0;
}

static int sync_contents(struct commit *commit)
{
    struct recap_image_writer *writer = commit->writer;
    for (size_t i = 0; i < writer->content_count; i++) {
        char name[IMAGE_NAME_SIZE];
        image_name_object(writer->contents[i].id, name);
        int fd = openat(writer->place.directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int result = fd < 0 || fsync(fd) < 0 ? -errno : 0;
        if (fd >= 0)
            close(fd);
        if (result < 0)
            return failed(commit, result, name);
    }
    if (writer->objects >= 0 && fsync(writer->objects) < 0)
        return failed(commit, -errno, IMAGE_OBJECTS);
    return 0;
}

static int sync_files(struct commit *commit)
{
    struct recap_image_writer *writer = commit->writer;
    if (commit->manifest.count > SYNC_EACH)
        return syncfs(writer->place.directory) < 0 ? failed(commit, -errno, "files") : 0;
    for (size_t i = 0; i < writer->core_count; i++)
        sync_file_range(writer->cores[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    sync_file_range(commit->graph_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    sync_file_range(commit->manifest_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    int result = sync_contents(commit);
    for (size_t i = 0; result == 0 && i < writer->core_count; i++) {
        char name[IMAGE_NAME_SIZE];
        image_name_core(writer->cores[i]->id, name);
        if (fsync(writer->cores[i]->fd) < 0)
            result = failed(commit, -errno, name);
    }
    if (result == 0 && fsync(commit->graph_fd) < 0)
        result = failed(commit, -errno, IMAGE_GRAPH);
    if (result == 0 && fsync(commit->manifest_fd) < 0)
        result = failed(commit, -errno, IMAGE_MANIFEST);
    if (result == 0 && fsync(writer->place.directory) < 0)
        result = failed(commit, -errno, "the directory");
    return result;
}

int recap_image_commit(struct recap_image_writer *writer, struct recap_graph *graph,
                       struct recap_error *error)
{
    __attribute__((cleanup(clear_commit))) struct commit commit = {
        .writer = writer, .graph = graph, .error = error, .graph_fd = -1, .manifest_fd = -1};
    int result = image_writer_drop_spare(writer);
    if (result < 0)
        return image_write_failed(writer, result, "its files", error);
    result = match_contents(&commit);
    if (result == 0)
        result = check_graph(&commit);
    if (result == 0)
        result = write_graph(&commit);
    for (size_t i = 0; result == 0 && i < graph->pd_count; i++)
        result = write_tail(&commit, &graph->pds[i]);
    if (result == 0)
        result = write_manifest(&commit);
    if (result == 0)
        result = check_files(&commit);
    if (result == 0)
        result = sync_files(&commit);
    return result ? result : image_place_settle(&writer->place, error);
}
