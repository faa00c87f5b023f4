/* image.c: a whole image, made of the input and of right checksums around it, so that what lies
 * behind the checksums is reached. Opened, checked and read: it is taken or it is damaged.
 *
 * The input: one byte of choices, then graph, notes, content of object 1 and manifest lines, each
 * with two bytes of length before it; what is missing is empty.
 */
#include "image/image.h"
#include "image/checksum.h"
#include "image/core_layout.h"
#include "image/core_notes.h"
#include "image/manifest.h"
#include "tests/fuzz/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE DISK "/image"

enum choice {
    RAW_MANIFEST = 1, /* the manifest is the input's, with a right last line */
    RAW_CORE = 2,     /* the cores are the notes alone */
    RAW_TIE = 4,      /* the notes have no tie of ours */
};
enum { LARGEST = 1 << 20 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct part {
    const uint8_t *data;
    size_t size;
};

struct making {
    uint8_t choices;
    struct part graph, notes, content, lines;
    struct manifest manifest;
    struct image_sums sums[6];
    size_t files;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    disk_mount();
    return 0;
}

static struct part take(const uint8_t **data, size_t *size)
{
    struct part part = {0};
    if (*size < 2)
        return part;
    part.size = (size_t)(*data)[0] | (size_t)(*data)[1] << 8;
    *data += 2;
    *size -= 2;
    part.size = part.size < *size ? part.size : *size;
    part.data = *data;
    *data += part.size;
    *size -= part.size;
    return part;
}

/* Writes a file and enters it in the manifest with right checksums. */
static uint64_t put_file(struct making *making, enum image_file kind, uint64_t id, const void *data,
                         size_t size)
{
    char name[IMAGE_NAME_SIZE] = IMAGE_GRAPH, path[64];
    if (kind == IMAGE_FILE_CORE)
        image_name_core(id, name);
    if (kind == IMAGE_FILE_OBJECT)
        image_name_object(id, name);
    snprintf(path, sizeof path, IMAGE "/%s", name);
    disk_file(path, data, size);
    struct image_sums *sums = &making->sums[making->files++];
    if (image_sums_add(sums, data, size) < 0 || image_sums_finish(sums) < 0 ||
        manifest_add(&making->manifest, kind, id, size, image_sums_total(sums), sums->chunks) < 0)
        abort();
    return image_sums_total(sums);
}

static void put_core(struct making *making, const struct recap_pd_image *pd,
                     uint64_t graph_checksum)
{
    struct core_layout layout;
    struct core_bytes bytes = {0};
    if (making->choices & RAW_CORE || core_layout(pd, &layout, NULL) < 0 ||
        layout.notes > LARGEST) {
        put_file(making, IMAGE_FILE_CORE, pd->id, making->notes.data, making->notes.size);
        return;
    }
    bool tied = !(making->choices & RAW_TIE);
    size_t notes = making->notes.size + (tied ? core_notes_tie_size() : 0);
    size_t headers = (size_t)(layout.notes - layout.tail);
    unsigned char *tail = core_bytes_add(&bytes, headers);
    if (!tail)
        abort();
    core_layout_segments(&layout, pd, notes, tail);
    if (making->notes.size)
        memcpy(core_bytes_add(&bytes, making->notes.size), making->notes.data, making->notes.size);
    if (tied)
        core_notes_tie(&bytes, graph_checksum);
    unsigned char *file = calloc(1, (size_t)layout.tail + bytes.length);
    core_layout_header(&layout, file);
    memcpy(file + layout.tail, bytes.data, bytes.length);
    put_file(making, IMAGE_FILE_CORE, pd->id, file, (size_t)layout.tail + bytes.length);
    free(file);
    free(bytes.data);
}

static void put_manifest(struct making *making)
{
    struct json_text text = {0};
    if (making->choices & RAW_MANIFEST) {
        char last[32];
        text.data = malloc(making->lines.size + sizeof last);
        if (making->lines.size)
            memcpy(text.data, making->lines.data, making->lines.size);
        text.length = making->lines.size;
        text.length += (size_t)sprintf(text.data + text.length, "end %016llx\n",
                                       (unsigned long long)image_checksum(text.data, text.length));
    } else {
        manifest_write(&making->manifest, &text);
    }
    disk_file(IMAGE "/MANIFEST", text.data, text.length);
    free(text.data);
}

static void make(struct making *making)
{
    struct recap_graph *graph = NULL;
    disk_folder(IMAGE);
    disk_folder(IMAGE "/objects");
    uint64_t checksum =
        put_file(making, IMAGE_FILE_GRAPH, 0, making->graph.data, making->graph.size);
    if (recap_graph_from_json((const char *)making->graph.data, making->graph.size, &graph, NULL) <
        0)
        graph = NULL;
    for (size_t i = 0; graph && i < graph->pd_count && i < 4; i++)
        put_core(making, &graph->pds[i], checksum);
    if (making->content.size)
        put_file(making, IMAGE_FILE_OBJECT, 1, making->content.data, making->content.size);
    recap_graph_free(graph);
    put_manifest(making);
}

static void read_image(void)
{
    struct recap_image *image = NULL;
    struct recap_error error = {0};
    char buffer[256];
    int result = recap_image_open(IMAGE, &image, &error);
    if (result == 0)
        result = recap_image_check(image, &error);
    if (result < 0) {
        if (error.code != result || error.cls != RECAP_DAMAGED || !*error.what)
            abort();
        recap_image_close(image);
        return;
    }
    const struct recap_graph *graph = recap_image_graph(image);
    for (size_t i = 0; i < graph->object_count; i++) {
        uint64_t read = 0;
        ssize_t got;
        while ((got = recap_image_read_content(image, i + 1, read, buffer, sizeof buffer)) > 0)
            read += (uint64_t)got;
        if (got < 0 || read != graph->objects[i].content)
            abort();
    }
    for (size_t i = 0; i < graph->pd_count; i++)
        if (recap_image_core(image, &graph->pds[i]) < 0)
            abort();
    recap_image_close(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct making making = {0};
    if (!size)
        return 0;
    making.choices = *data++;
    size--;
    making.graph = take(&data, &size);
    making.notes = take(&data, &size);
    making.content = take(&data, &size);
    making.lines = take(&data, &size);
    make(&making);
    read_image();
    disk_remove(IMAGE);
    manifest_clear(&making.manifest);
    for (size_t i = 0; i < making.files; i++)
        image_sums_clear(&making.sums[i]);
    return 0;
}
