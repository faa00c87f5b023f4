/* pipeline.c: buffers on their way to a file.
 *
 * Touching fresh memory takes several times as long as copying to it, so the first buffer is
 * touched before there is anything to copy. Buffers are let pile up before the thread starts on
 * them: a small component is copied, and goes on, before a second thread competes with it for a
 * processor. Writing the pages back to the disk is asked for as soon as they are in the page cache,
 * so that the sync at the end finds most of it done.
 */
#include "image/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BUFFERS = 4,
    READY = PIPELINE_BUFFER + PIPELINE_BUFFER / 4, /* bytes to touch in advance */
    PILE = BUFFERS - 1,                            /* queued buffers that start the thread */
};

/* A buffer's place is its index in the array. */
enum stage { FREE, LENT, QUEUED };

struct job {
    enum stage stage;
    int fd;
    uint64_t offset;
    size_t size;
    struct image_sums *sums;
};

struct pipeline {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    bool threaded; /* without a thread the caller writes: slower and still right */
    bool draining; /* somebody waits for what is queued, however little */
    bool ending;
    int failed;
    unsigned char *buffers;
    struct job jobs[BUFFERS];
    /* Indices of queued jobs, in order: `count` of them from `first` on, around the end. */
    size_t queue[BUFFERS];
    size_t first;
    size_t count; /* the one that is being written included */
};

int pipeline_write(int fd, const void *data, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote ? -errno : -EIO;
        done += (size_t)wrote;
    }
    return 0;
}

static int write_job(const struct job *job, const void *buffer)
{
    int result = job->sums ? image_sums_add(job->sums, buffer, job->size) : 0;
    if (result == 0)
        result = pipeline_write(job->fd, buffer, job->size, job->offset);
    if (result == 0)
        sync_file_range(job->fd, (off_t)job->offset, (off_t)job->size, SYNC_FILE_RANGE_WRITE);
    return result;
}

static void *run(void *context)
{
    struct pipeline *pipeline = context;
    pthread_mutex_lock(&pipeline->mutex);
    while (pipeline->count || !pipeline->ending) {
        while (pipeline->count) {
            size_t index = pipeline->queue[pipeline->first];
            struct job *job = &pipeline->jobs[index];
            bool skip = pipeline->failed;
            pthread_mutex_unlock(&pipeline->mutex);
            int result = skip ? 0 : write_job(job, pipeline->buffers + index * PIPELINE_BUFFER);
            pthread_mutex_lock(&pipeline->mutex);
            if (result < 0)
                pipeline->failed = result;
            job->stage = FREE;
            pipeline->first = (pipeline->first + 1) % BUFFERS;
            pipeline->count--;
            pthread_cond_broadcast(&pipeline->changed);
        }
        while (pipeline->count < PILE && !pipeline->draining && !pipeline->ending)
            pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
        pipeline->draining = false;
    }
    pthread_mutex_unlock(&pipeline->mutex);
    return NULL;
}

struct pipeline *pipeline_new(void)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        return NULL;
    pipeline->buffers = mmap(NULL, (size_t)BUFFERS * PIPELINE_BUFFER, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pipeline->buffers == MAP_FAILED) {
        free(pipeline);
        return NULL;
    }
    /* A kernel before 5.14 cannot, and then they are touched as they are used. */
    madvise(pipeline->buffers, READY, MADV_POPULATE_WRITE);
    pthread_mutex_init(&pipeline->mutex, NULL);
    pthread_cond_init(&pipeline->changed, NULL);
    /* Signals are the caller's business. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pipeline->threaded = pthread_create(&pipeline->thread, NULL, run, pipeline) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pipeline;
}

static void wait_for_thread(struct pipeline *pipeline)
{
    pipeline->draining = true;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
}

static size_t find_free(const struct pipeline *pipeline)
{
    size_t index = 0;
    while (index < BUFFERS && pipeline->jobs[index].stage != FREE)
        index++;
    return index;
}

void *pipeline_room(struct pipeline *pipeline)
{
    size_t index;
    pthread_mutex_lock(&pipeline->mutex);
    while ((index = find_free(pipeline)) == BUFFERS && pipeline->count)
        wait_for_thread(pipeline);
    if (index < BUFFERS)
        pipeline->jobs[index].stage = LENT;
    pthread_mutex_unlock(&pipeline->mutex);
    return index < BUFFERS ? pipeline->buffers + index * PIPELINE_BUFFER : NULL;
}

int pipeline_put(struct pipeline *pipeline, void *buffer, int fd, uint64_t offset, size_t size,
                 struct image_sums *sums)
{
    size_t index = (size_t)((unsigned char *)buffer - pipeline->buffers) / PIPELINE_BUFFER;
    pthread_mutex_lock(&pipeline->mutex);
    struct job *job = &pipeline->jobs[index];
    *job = (struct job){.stage = QUEUED, .fd = fd, .offset = offset, .size = size, .sums = sums};
    if (pipeline->threaded) {
        pipeline->queue[(pipeline->first + pipeline->count) % BUFFERS] = index;
        pipeline->count++;
        if (pipeline->count >= PILE)
            pthread_cond_broadcast(&pipeline->changed);
    } else {
        int result = pipeline->failed ? 0 : write_job(job, buffer);
        if (result < 0)
            pipeline->failed = result;
        job->stage = FREE;
    }
    int failed = pipeline->failed;
    pthread_mutex_unlock(&pipeline->mutex);
    return failed;
}

int pipeline_drain(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    while (pipeline->count)
        wait_for_thread(pipeline);
    int failed = pipeline->failed;
    pthread_mutex_unlock(&pipeline->mutex);
    return failed;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    if (pipeline->threaded) {
        pthread_mutex_lock(&pipeline->mutex);
        pipeline->ending = true;
        pthread_cond_broadcast(&pipeline->changed);
        pthread_mutex_unlock(&pipeline->mutex);
        pthread_join(pipeline->thread, NULL);
    }
    munmap(pipeline->buffers, (size_t)BUFFERS * PIPELINE_BUFFER);
    pthread_mutex_destroy(&pipeline->mutex);
    pthread_cond_destroy(&pipeline->changed);
    free(pipeline);
}
