/* check.c: checking every byte of an image against the checksums of its chunks.
 *
 * Threads take the chunks of a large file in turn, so that the work ends at memory bandwidth; a
 * small file is checked by the caller alone.
 */
#include "image/checksum.h"
#include "image/reader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    PART = 128 * 1024,  /* read and hashed at a time: stays in the processor's cache */
    WORTH_A_THREAD = 8, /* chunks */
    MOST_HELPERS = 7,
};

struct checking {
    const struct manifest_file *file;
    int fd;
    _Atomic uint64_t next; /* chunk */
    _Atomic int failed;    /* the first failure, -EBADMSG for a damaged chunk */
    _Atomic uint64_t at;   /* the chunk that it is about */
};

static int check_chunk(const struct checking *checking, uint64_t chunk, void *buffer,
                       XXH3_state_t *state)
{
    const struct manifest_file *file = checking->file;
    uint64_t at = chunk * IMAGE_CHUNK;
    uint64_t end = file->size - at < IMAGE_CHUNK ? file->size : at + IMAGE_CHUNK;
    XXH3_64bits_reset(state);
    while (at < end) {
        size_t size = end - at < PART ? (size_t)(end - at) : PART;
        int result = image_read_all(checking->fd, buffer, size, at);
        if (result < 0)
            return result;
        XXH3_64bits_update(state, buffer, size);
        at += size;
    }
    return XXH3_64bits_digest(state) == file->chunks[chunk] ? 0 : -EBADMSG;
}

static void *check_chunks(void *context)
{
    struct checking *checking = context;
    uint64_t count = image_chunk_count(checking->file->size);
    void *buffer = malloc(PART);
    XXH3_state_t *state = XXH3_createState();
    int result = buffer && state ? 0 : -ENOMEM;
    uint64_t chunk = 0;
    while (result == 0 && !atomic_load(&checking->failed) &&
           (chunk = atomic_fetch_add(&checking->next, 1)) < count)
        result = check_chunk(checking, chunk, buffer, state);
    int none = 0;
    if (result < 0 && atomic_compare_exchange_strong(&checking->failed, &none, result))
        atomic_store(&checking->at, chunk);
    free(buffer);
    XXH3_freeState(state);
    return NULL;
}

/* Threads beside the caller's own for a file of so many chunks. */
static size_t helpers_for(uint64_t chunks)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (chunks < WORTH_A_THREAD || processors < 2)
        return 0;
    return processors - 1 < MOST_HELPERS ? (size_t)processors - 1 : MOST_HELPERS;
}

static int check_file(const struct recap_image *image, const struct manifest_file *file, int fd,
                      struct recap_error *error)
{
    struct checking checking = {.file = file, .fd = fd};
    pthread_t threads[MOST_HELPERS];
    size_t wanted = helpers_for(image_chunk_count(file->size)), started = 0;
    sigset_t all, before;
    if (wanted) {
        /* Signals stay the caller's business. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (started < wanted &&
               pthread_create(&threads[started], NULL, check_chunks, &checking) == 0)
            started++;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    check_chunks(&checking);
    while (started)
        pthread_join(threads[--started], NULL);
    int failed = atomic_load(&checking.failed);
    if (!failed)
        return 0;
    if (failed != -EBADMSG && failed != -ENODATA)
        return recap_fail(error, failed, "reading %s of image %s", file->name, image->path);
    char how[64];
    snprintf(how, sizeof how, "is damaged in its MiB %llu",
             (unsigned long long)atomic_load(&checking.at));
    return image_damaged(image, file->name, how, error);
}

int recap_image_check(struct recap_image *image, struct recap_error *error)
{
    size_t cores = image->graph->pd_count;
    for (size_t i = 1; i < image->manifest.count; i++) {
        const struct manifest_file *file = &image->manifest.files[i];
        bool core = i <= cores;
        int fd = core ? image->cores[i - 1] : image_open_file(image, file->name, file->size, error);
        if (fd < 0)
            return fd;
        int result = check_file(image, file, fd, error);
        if (!core)
            close(fd);
        if (result < 0)
            return result;
    }
    return 0;
}
