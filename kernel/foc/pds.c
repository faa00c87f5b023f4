/* pds.c: making and ending tasks and their threads. */
#include "foc.h"
#include "service.h"

#include <errno.h>
#include <l4/re/env.h>
#include <l4/sys/scheduler.h>
#include <l4/sys/task.h>
#include <l4/sys/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct foc_pd *pd_with(const struct foc *foc, uint64_t id)
{
    struct foc_pd *pd = foc->pds;
    while (pd && pd->id != id)
        pd = pd->next;
    return pd;
}

struct foc_thread *foc_thread(const struct foc_pd *pd, uint64_t id)
{
    struct foc_thread *thread = pd->threads;
    while (thread && thread->id != id)
        thread = thread->next;
    return thread;
}

/* What core needs of every component's address space to act inside. */
static int map_own_pages(struct foc_pd *pd)
{
    l4_cap_idx_t own = L4_BASE_TASK_CAP;
    l4_msgtag_t code = l4_task_map(pd->task->cap, own,
                                   l4_fpage((l4_addr_t)pd->foc->stub, L4_PAGESHIFT, L4_FPAGE_RX),
                                   l4_map_control(FOC_STUB, 0, 0));
    l4_msgtag_t scratch =
        l4_task_map(pd->task->cap, own, l4_fpage((l4_addr_t)pd->scratch, L4_PAGESHIFT, L4_FPAGE_RW),
                    l4_map_control(FOC_SCRATCH, 0, 0));
    return l4_msgtag_label(code) || l4_msgtag_label(scratch) ? -EIO : 0;
}

struct foc_pd *foc_pd_make(struct foc *foc, uint64_t id, const char *name, uint64_t family,
                           struct recap_error *error)
{
    while (!id || pd_with(foc, id))
        id++;
    struct foc_pd *pd = calloc(1, sizeof *pd);
    if (!pd) {
        recap_fail(error, -ENOMEM, "making a PD");
        return NULL;
    }
    pd->id = id;
    snprintf(pd->name, sizeof pd->name, "%s", name);
    pd->foc = foc;
    pd->family = family;
    pd->utcb_areas = 1;
    struct foc_pd **place = &foc->pds;
    while (*place && (*place)->id < id)
        place = &(*place)->next;
    pd->next = *place;
    *place = pd;
    int result = foc_make(foc, FOC_TASK, family, &pd->task, error);
    if (result == 0) {
        pd->task->pd = pd;
        pd->scratch = foc_pages(FOC_PAGE);
        if (!pd->scratch || map_own_pages(pd) < 0)
            result = recap_fail(error, -ENOMEM, "making a PD");
    }
    if (result < 0) {
        foc_pd_end(pd);
        return NULL;
    }
    return pd;
}

static void end_family(struct foc *foc, uint64_t family)
{
    for (const struct foc_pd *pd = foc->pds; pd; pd = pd->next)
        if (pd->family == family)
            return;
    for (size_t i = 0; i < foc->object_count; i++)
        if (foc->objects[i] && foc->objects[i]->family == family)
            foc_end_object(foc, foc->objects[i]);
}

void foc_pd_end(struct foc_pd *pd)
{
    struct foc *foc = pd->foc;
    struct foc_pd **place = &foc->pds;
    while (*place != pd)
        place = &(*place)->next;
    *place = pd->next;
    while (pd->threads) {
        struct foc_thread *thread = pd->threads;
        pd->threads = thread->next;
        foc_end_object(foc, thread->object);
        foc_end_object(foc, thread->session);
        free(thread->extended);
        free(thread);
    }
    foc_end_object(foc, pd->task);
    foc_regions_free(pd);
    foc_pages_free(pd->scratch, FOC_PAGE);
    end_family(foc, pd->family);
    free(pd);
}

void foc_reap(struct foc *foc)
{
    for (struct foc_pd *pd = foc->pds, *next; pd; pd = next) {
        next = pd->next;
        if (pd->ended && !pd->opened)
            foc_pd_end(pd);
    }
}

static int more_utcbs(struct foc_pd *pd, uint64_t areas)
{
    while (pd->utcb_areas < areas) {
        l4_fpage_t area =
            l4_fpage(FOC_UTCBS + (pd->utcb_areas << FOC_UTCB_ORDER), FOC_UTCB_ORDER, L4_FPAGE_RW);
        if (l4_msgtag_label(l4_task_add_ku_mem(pd->task->cap, &area)) < 0)
            return -ENOMEM;
        pd->utcb_areas++;
    }
    return 0;
}

struct foc_thread *foc_thread_make(struct foc_pd *pd, uint64_t id, struct recap_error *error)
{
    if (!id || id > FOC_MOST_THREADS || foc_thread(pd, id)) {
        recap_refuse(error, RECAP_DAMAGED, -EINVAL, "no thread can have the id %llu",
                     (unsigned long long)id);
        return NULL;
    }
    size_t extended = (foc_fpu_size() + 63) / 64 * 64;
    struct foc_thread *thread = calloc(1, sizeof *thread);
    if (thread)
        thread->extended = aligned_alloc(64, extended);
    if (!thread || !thread->extended || more_utcbs(pd, (id - 1) / FOC_UTCB_RUN + 1) < 0) {
        recap_fail(error, -ENOMEM, "making a thread");
        goto failed;
    }
    memset(thread->extended, 0, extended);
    if (foc_make(pd->foc, FOC_THREAD, pd->family, &thread->object, error) < 0)
        goto failed;
    if (foc_make(pd->foc, FOC_SESSION, pd->family, &thread->session, error) < 0) {
        foc_end_object(pd->foc, thread->object);
        goto failed;
    }
    thread->id = id;
    thread->pd = pd;
    thread->object->pd = thread->session->pd = pd;
    thread->object->thread = thread->session->thread = id;
    struct foc_thread **place = &pd->threads;
    while (*place && (*place)->id < id)
        place = &(*place)->next;
    thread->next = *place;
    *place = thread;
    return thread;

failed:
    if (thread)
        free(thread->extended);
    free(thread);
    return NULL;
}

int foc_thread_start(struct foc_thread *thread, l4_cap_idx_t session_cap, unsigned priority,
                     uint64_t ip, uint64_t sp, struct recap_error *error)
{
    l4_cap_idx_t cap = thread->object->cap;
    l4_sched_param_t parameters = l4_sched_param(priority, 0);
    thread->session_cap = session_cap;
    thread->priority = priority;
    l4_thread_control_start();
    l4_thread_control_pager(session_cap);
    l4_thread_control_exc_handler(session_cap);
    l4_thread_control_bind((l4_utcb_t *)(FOC_UTCBS + (thread->id - 1) * L4_UTCB_OFFSET),
                           thread->pd->task->cap);
    l4_msgtag_t tag = l4_thread_control_commit(cap);
    if (l4_msgtag_label(tag) == 0)
        tag = l4_thread_ex_regs(cap, ip, sp, 0);
    if (l4_msgtag_label(tag) >= 0)
        tag = l4_scheduler_run_thread(l4re_env()->scheduler, cap, &parameters);
    if (l4_msgtag_label(tag) < 0)
        return recap_fail(error, -EIO, "starting a thread: the kernel says %ld",
                          l4_msgtag_label(tag));
    thread->started = true;
    return 0;
}
