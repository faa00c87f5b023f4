/* seal.c: gives an image whose graph.json was edited right checksums again, and program headers
 * that agree with it: what is left wrong is only what the graph says.
 *
 *     seal IMAGE       0: sealed; 1: nothing can be made of it */
#include "image/checksum.h"
#include "image/core_layout.h"
#include "image/core_notes.h"
#include "image/image.h"
#include "image/manifest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *load(const char *name, size_t *size)
{
    struct stat status;
    int fd = open(name, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) < 0)
        exit(1);
    *size = (size_t)status.st_size;
    char *data = calloc(1, *size + 1);
    if (!data || image_read_all(fd, data, *size, 0) < 0)
        exit(1);
    close(fd);
    return data;
}

static void sum(struct manifest *manifest, enum image_file kind, uint64_t id, const char *name,
                uint64_t *total)
{
    struct image_sums sums = {0};
    struct stat status;
    int fd = open(name, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) < 0 || image_sums_read(&sums, fd, (uint64_t)status.st_size) ||
        image_sums_finish(&sums) ||
        manifest_add(manifest, kind, id, sums.size, image_sums_total(&sums), sums.chunks))
        exit(1);
    *total = image_sums_total(&sums);
    close(fd); /* the chunks stay: the manifest needs them */
}

/* The tail anew: headers as the graph has it, the notes as they were, and the tie. */
static void tie_core(const struct recap_pd_image *pd, const char *name, uint64_t graph_sum)
{
    size_t size;
    char *core = load(name, &size);
    Elf64_Ehdr header;
    struct core_layout layout;
    struct core_bytes tail = {0};
    if (size < CORE_PAGE + core_notes_tie_size())
        exit(1);
    memcpy(&header, core, sizeof header);
    size_t notes = header.e_phoff + (header.e_phnum + 0) * sizeof(Elf64_Phdr) + sizeof(Elf64_Shdr);
    if (notes > size - core_notes_tie_size())
        exit(1);
    size_t length = size - core_notes_tie_size() - notes;
    if (!pd || core_layout(pd, &layout, NULL) < 0 || layout.tail != header.e_phoff ||
        layout.notes != notes) {
        layout = (struct core_layout){.tail = header.e_phoff, .notes = notes};
        pd = NULL;
    }
    void *headers = core_bytes_add(&tail, layout.notes - layout.tail);
    if (pd)
        core_layout_segments(&layout, pd, length + core_notes_tie_size(), headers);
    else
        memcpy(headers, core + layout.tail, layout.notes - layout.tail);
    memcpy(core_bytes_add(&tail, length), core + notes, length);
    core_notes_tie(&tail, graph_sum);
    int fd = open(name, O_WRONLY);
    if (tail.failed || fd < 0 ||
        pwrite(fd, tail.data, tail.length, (off_t)layout.tail) != (ssize_t)tail.length)
        exit(1);
    close(fd);
}

int main(int argc, char **argv)
{
    size_t size, old_size;
    struct recap_graph *graph = NULL;
    struct manifest old = {0}, new = {0};
    struct json_text text = {0};
    uint64_t graph_sum, ignored;
    if (argc != 2 || chdir(argv[1]) < 0)
        return 1;
    char *manifest = load(IMAGE_MANIFEST, &old_size), *json = load(IMAGE_GRAPH, &size);
    if (manifest_read(manifest, old_size, &old, NULL) < 0)
        return 1;
    recap_graph_from_json(json, size, &graph, NULL);
    sum(&new, IMAGE_FILE_GRAPH, 0, IMAGE_GRAPH, &graph_sum);
    size_t core = 0;
    for (size_t i = 1; i < old.count; i++) {
        const struct manifest_file *file = &old.files[i];
        uint64_t id = file->id;
        char name[IMAGE_NAME_SIZE];
        strcpy(name, file->name);
        if (file->kind == IMAGE_FILE_CORE) {
            /* A PD that has another id by now has another file. */
            if (graph && core < graph->pd_count && graph->pds[core].id != id) {
                id = graph->pds[core].id;
                image_name_core(id, name);
                rename(file->name, name);
            }
            tie_core(graph && core < graph->pd_count ? &graph->pds[core] : NULL, name, graph_sum);
            core++;
        }
        sum(&new, file->kind, id, name, &ignored);
    }
    manifest_write(&new, &text);
    FILE *file = fopen(IMAGE_MANIFEST, "w");
    return text.failed || !file || fwrite(text.data, 1, text.length, file) != text.length ||
           fclose(file) != 0;
}
