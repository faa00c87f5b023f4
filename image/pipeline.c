/* pipeline.c: buffers on their way to a file.
 *
 * Small images are written by the caller: starting a thread takes longer than they do. Writing the
 * pages back to the disk is asked for as soon as they are in the page cache, so that the sync at
 * the end finds most of it done.
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
    WORTH_A_THREAD = 4 * 1024 * 1024, /* bytes */
    BUFFERS = 4,                      /* with a thread: no more than these at a time */
};

struct job {
    struct job *next;
    void *buffer;
    int fd;
    uint64_t offset;
    size_t size;
};

struct pipeline {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    bool threaded;
    bool ending;
    bool busy;         /* the thread writes right now */
    struct job *first; /* queue */
    struct job *last;
    struct job *idle; /* jobs whose buffers are free */
    struct job *lent; /* jobs whose buffers the caller fills */
    size_t buffers;
    uint64_t expected;
    int failed;
};

struct pipeline *pipeline_new(void)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        return NULL;
    pthread_mutex_init(&pipeline->mutex, NULL);
    pthread_cond_init(&pipeline->changed, NULL);
    return pipeline;
}

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

static int write_job(const struct job *job)
{
    int result = pipeline_write(job->fd, job->buffer, job->size, job->offset);
    if (result == 0)
        sync_file_range(job->fd, (off_t)job->offset, (off_t)job->size, SYNC_FILE_RANGE_WRITE);
    return result;
}

static void *run(void *context)
{
    struct pipeline *pipeline = context;
    pthread_mutex_lock(&pipeline->mutex);
    for (;;) {
        struct job *job = pipeline->first;
        if (!job && pipeline->ending)
            break;
        if (!job) {
            pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
            continue;
        }
        pipeline->first = job->next;
        pipeline->busy = true;
        bool skip = pipeline->failed;
        pthread_mutex_unlock(&pipeline->mutex);
        int result = skip ? 0 : write_job(job);
        pthread_mutex_lock(&pipeline->mutex);
        pipeline->busy = false;
        if (result < 0)
            pipeline->failed = result;
        job->next = pipeline->idle;
        pipeline->idle = job;
        pthread_cond_broadcast(&pipeline->changed);
    }
    pthread_mutex_unlock(&pipeline->mutex);
    return NULL;
}

void pipeline_expect(struct pipeline *pipeline, uint64_t bytes)
{
    pipeline->expected += bytes;
    if (pipeline->threaded || pipeline->expected < WORTH_A_THREAD)
        return;
    /* Signals are the caller's business. Without a thread it is slower and still right. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pipeline->threaded = pthread_create(&pipeline->thread, NULL, run, pipeline) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct job *new_job(void)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->buffer =
        mmap(NULL, PIPELINE_BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (job->buffer != MAP_FAILED)
        return job;
    free(job);
    return NULL;
}

void *pipeline_room(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    while (!pipeline->idle && pipeline->threaded && pipeline->buffers >= BUFFERS &&
           (pipeline->first || pipeline->busy))
        pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
    struct job *job = pipeline->idle;
    if (job)
        pipeline->idle = job->next;
    else if ((job = new_job()))
        pipeline->buffers++;
    if (job) {
        job->next = pipeline->lent;
        pipeline->lent = job;
    }
    pthread_mutex_unlock(&pipeline->mutex);
    return job ? job->buffer : NULL;
}

static struct job *take_lent(struct pipeline *pipeline, const void *buffer)
{
    struct job **link = &pipeline->lent;
    while (*link && (*link)->buffer != buffer)
        link = &(*link)->next;
    struct job *job = *link;
    if (job)
        *link = job->next;
    return job;
}

int pipeline_put(struct pipeline *pipeline, void *buffer, int fd, uint64_t offset, size_t size)
{
    pthread_mutex_lock(&pipeline->mutex);
    struct job *job = take_lent(pipeline, buffer);
    if (!job) {
        pthread_mutex_unlock(&pipeline->mutex);
        return -EINVAL;
    }
    job->fd = fd;
    job->offset = offset;
    job->size = size;
    job->next = NULL;
    if (!pipeline->threaded) {
        int result = pipeline->failed ? 0 : write_job(job);
        if (result < 0)
            pipeline->failed = result;
        job->next = pipeline->idle;
        pipeline->idle = job;
    } else {
        if (pipeline->first)
            pipeline->last->next = job;
        else
            pipeline->first = job;
        pipeline->last = job;
        pthread_cond_broadcast(&pipeline->changed);
    }
    int failed = pipeline->failed;
    pthread_mutex_unlock(&pipeline->mutex);
    return failed;
}

int pipeline_drain(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    while (pipeline->first || pipeline->busy)
        pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
    int failed = pipeline->failed;
    pthread_mutex_unlock(&pipeline->mutex);
    return failed;
}

static void free_jobs(struct job *job)
{
    for (struct job *next; job; job = next) {
        next = job->next;
        munmap(job->buffer, PIPELINE_BUFFER);
        free(job);
    }
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
    free_jobs(pipeline->first);
    free_jobs(pipeline->idle);
    free_jobs(pipeline->lent);
    pthread_mutex_destroy(&pipeline->mutex);
    pthread_cond_destroy(&pipeline->changed);
    free(pipeline);
}
