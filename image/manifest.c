/* manifest.c: writing and reading manifests. */
#include "image/manifest.h"
#include "image/checksum.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE "recap-image "
#define LAST_LINE "end "

enum { LAST_SIZE = sizeof LAST_LINE - 1 + 16 + 1 };

int manifest_add(struct manifest *manifest, enum image_file kind, uint64_t id, uint64_t size,
                 uint64_t checksum, const uint64_t *chunks)
{
    if (manifest->count == manifest->capacity) {
        size_t capacity = manifest->capacity ? manifest->capacity * 2 : 8;
        struct manifest_file *files = reallocarray(manifest->files, capacity, sizeof *files);
        if (!files)
            return -ENOMEM;
        manifest->files = files;
        manifest->capacity = capacity;
    }
    struct manifest_file *file = &manifest->files[manifest->count++];
    *file = (struct manifest_file){
        .kind = kind, .id = id, .size = size, .checksum = checksum, .chunks = chunks};
    if (kind == IMAGE_FILE_CORE)
        image_name_core(id, file->name);
    else if (kind == IMAGE_FILE_OBJECT)
        image_name_object(id, file->name);
    else
        strcpy(file->name, IMAGE_GRAPH);
    return 0;
}

void manifest_write(struct manifest *manifest, struct json_text *text)
{
    char line[128];
    snprintf(line, sizeof line, FIRST_LINE "%d\n", IMAGE_VERSION);
    json_raw(text, line);
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        snprintf(line, sizeof line, "file %016" PRIx64 " %" PRIu64 " %s\n", file->checksum,
                 file->size, file->name);
        json_raw(text, line);
        for (uint64_t c = 0; c < image_chunk_count(file->size); c++) {
            snprintf(line, sizeof line, "chunk %016" PRIx64 "\n", file->chunks[c]);
            json_raw(text, line);
        }
    }
    manifest->checksum = text->failed ? 0 : image_checksum(text->data, text->length);
    snprintf(line, sizeof line, LAST_LINE "%016" PRIx64 "\n", manifest->checksum);
    json_raw(text, line);
}

void manifest_clear(struct manifest *manifest)
{
    free(manifest->files);
    free(manifest->chunks);
    *manifest = (struct manifest){0};
}

struct lines {
    const char *at;
    const char *end; /* the last line begins here */
    size_t number;
};

/* The next line without its newline; false at the end. Every line has its newline. */
static bool next_line(struct lines *lines, const char **line, size_t *length)
{
    const char *newline =
        lines->at < lines->end ? memchr(lines->at, '\n', (size_t)(lines->end - lines->at)) : NULL;
    if (!newline)
        return false;
    *line = lines->at;
    *length = (size_t)(newline - lines->at);
    lines->at = newline + 1;
    lines->number++;
    return true;
}

static bool begins(const char *line, size_t length, const char *prefix)
{
    return length >= strlen(prefix) && memcmp(line, prefix, strlen(prefix)) == 0;
}

/* "file CHECKSUM SIZE NAME" */
static bool parse_file(const char *line, size_t length, struct manifest_file *file)
{
    enum { PREFIX = sizeof "file " - 1 + 16 };
    if (length <= PREFIX || line[PREFIX] != ' ' ||
        !image_hex16(line + PREFIX - 16, &file->checksum))
        return false;
    const char *size = line + PREFIX + 1, *end = line + length;
    const char *space = memchr(size, ' ', (size_t)(end - size));
    if (!space || !image_decimal(size, (size_t)(space - size), &file->size) || !file->size ||
        file->size > INT64_MAX || (size_t)(end - space - 1) >= IMAGE_NAME_SIZE)
        return false;
    file->kind = image_name_parse(space + 1, (size_t)(end - space - 1), &file->id);
    return file->kind != IMAGE_FILE_NONE && file->kind != IMAGE_FILE_MANIFEST;
}

static int wrong(const struct lines *lines, struct recap_error *error)
{
    return recap_refuse(error, RECAP_DAMAGED, -EINVAL, IMAGE_MANIFEST " line %zu is malformed",
                        lines->number);
}

/* Chunk lines follow each file: as many as its size says, and no number is taken from elsewhere. */
static int read_chunks(struct lines *lines, struct manifest *manifest, size_t *used,
                       const struct manifest_file *file, struct recap_error *error)
{
    const char *line;
    size_t length;
    struct image_sums sums = {.chunks = manifest->chunks + *used};
    for (uint64_t c = 0; c < image_chunk_count(file->size); c++) {
        if (!next_line(lines, &line, &length))
            return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                                IMAGE_MANIFEST " lacks checksums of chunks");
        if (length != sizeof "chunk " - 1 + 16 || !begins(line, length, "chunk ") ||
            !image_hex16(line + sizeof "chunk " - 1, &manifest->chunks[*used]))
            return wrong(lines, error);
        (*used)++;
        sums.count++;
    }
    if (image_sums_total(&sums) != file->checksum)
        return wrong(lines, error);
    return manifest_add(manifest, file->kind, file->id, file->size, file->checksum, sums.chunks) < 0
               ? recap_fail(error, -ENOMEM, "reading " IMAGE_MANIFEST)
               : 0;
}

static int read_lines(struct lines *lines, struct manifest *manifest, struct recap_error *error)
{
    const char *line;
    size_t length, used = 0;
    while (next_line(lines, &line, &length)) {
        struct manifest_file file;
        if (begins(line, length, "needs "))
            return recap_refuse(error, RECAP_DAMAGED, -ENOEXEC,
                                "the image needs the feature '%.*s', which this version of recap "
                                "does not know",
                                length < 80 ? (int)length - 6 : 74, line + 6);
        if (!begins(line, length, "file ") || !parse_file(line, length, &file))
            return wrong(lines, error);
        int result = read_chunks(lines, manifest, &used, &file, error);
        if (result < 0)
            return result;
    }
    return lines->at == lines->end ? 0 : wrong(lines, error);
}

/* The last line, and with it all others; sets `end` to where it begins. */
static int check_whole(const char *text, size_t length, struct lines *lines,
                       struct manifest *manifest, struct recap_error *error)
{
    const char *last = length < LAST_SIZE ? NULL : text + length - LAST_SIZE;
    if (!last || memcmp(last, LAST_LINE, sizeof LAST_LINE - 1) != 0 ||
        !image_hex16(last + sizeof LAST_LINE - 1, &manifest->checksum) ||
        last[LAST_SIZE - 1] != '\n' ||
        manifest->checksum != image_checksum(text, length - LAST_SIZE))
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, IMAGE_MANIFEST " is damaged");
    *lines = (struct lines){.at = text, .end = last};
    return 0;
}

static int check_version(struct lines *lines, struct recap_error *error)
{
    const char *line;
    size_t length;
    uint64_t version;
    if (!next_line(lines, &line, &length) || !begins(line, length, FIRST_LINE) ||
        !image_decimal(line + sizeof FIRST_LINE - 1, length - (sizeof FIRST_LINE - 1), &version))
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, IMAGE_MANIFEST " is not of an image");
    if (version == IMAGE_VERSION)
        return 0;
    recap_refuse(error, RECAP_DAMAGED, -ENOEXEC,
                 "the image is of version %llu, and this recap reads version %d",
                 (unsigned long long)version, IMAGE_VERSION);
    return recap_error_remedy(error, "use the version of recap that wrote it"), -ENOEXEC;
}

int manifest_read(const char *text, size_t length, struct manifest *manifest,
                  struct recap_error *error)
{
    struct manifest read = {0};
    struct lines lines = {0};
    int result = check_whole(text, length, &lines, &read, error);
    if (result == 0)
        result = check_version(&lines, error);
    /* No line of a chunk is shorter than this, so there are no more chunks than fit here. */
    if (result == 0 &&
        !(read.chunks = calloc(length / sizeof "chunk 0123456789abcdef" + 1, sizeof *read.chunks)))
        result = recap_fail(error, -ENOMEM, "reading " IMAGE_MANIFEST);
    if (result == 0)
        result = read_lines(&lines, &read, error);
    if (result < 0)
        manifest_clear(&read);
    else
        *manifest = read;
    return result;
}
