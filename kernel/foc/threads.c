/* threads.c: the threads of a suspended PD to the graph, and of the graph into a made PD. */
#include "foc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void to_core_file(const l4_exc_regs_t *from, struct foc_registers *to)
{
    *to = (struct foc_registers){.r15 = from->r15,
                                 .r14 = from->r14,
                                 .r13 = from->r13,
                                 .r12 = from->r12,
                                 .rbp = from->rbp,
                                 .rbx = from->rbx,
                                 .r11 = from->r11,
                                 .r10 = from->r10,
                                 .r9 = from->r9,
                                 .r8 = from->r8,
                                 .rax = from->rax,
                                 .rcx = from->rcx,
                                 .rdx = from->rdx,
                                 .rsi = from->rsi,
                                 .rdi = from->rdi,
                                 .orig_rax = UINT64_MAX,
                                 .rip = from->ip,
                                 .cs = from->dummy1,
                                 .eflags = from->flags,
                                 .rsp = from->sp,
                                 .ss = from->ss,
                                 .fs_base = from->fs_base,
                                 .gs_base = from->gs_base,
                                 .ds = from->ds,
                                 .es = from->es,
                                 .fs = from->fs,
                                 .gs = from->gs};
}

static void from_core_file(const struct foc_registers *from, l4_exc_regs_t *to)
{
    *to = (l4_exc_regs_t){.r15 = from->r15,
                          .r14 = from->r14,
                          .r13 = from->r13,
                          .r12 = from->r12,
                          .rbp = from->rbp,
                          .rbx = from->rbx,
                          .r11 = from->r11,
                          .r10 = from->r10,
                          .r9 = from->r9,
                          .r8 = from->r8,
                          .rax = from->rax,
                          .rcx = from->rcx,
                          .rdx = from->rdx,
                          .rsi = from->rsi,
                          .rdi = from->rdi,
                          .ip = from->rip,
                          .dummy1 = from->cs,
                          .flags = from->eflags,
                          .sp = from->rsp,
                          .ss = from->ss,
                          .fs_base = from->fs_base,
                          .gs_base = from->gs_base,
                          .ds = (l4_uint16_t)from->ds,
                          .es = (l4_uint16_t)from->es,
                          .fs = (l4_uint16_t)from->fs,
                          .gs = (l4_uint16_t)from->gs};
}

/* The thread that owes the answer to a call under way, or NULL. */
static struct foc_thread *owing(struct foc *foc, struct foc_thread *caller)
{
    struct foc_object *partner = foc_behind(caller->pd, caller->registers.r10 >> L4_CAP_SHIFT);
    if (partner && partner->kind == FOC_GATE)
        partner = foc_object(foc, partner->bound);
    return partner && partner->kind == FOC_THREAD ? foc_thread(partner->pd, partner->thread) : NULL;
}

/* A call under way can be made again when its partner comes along, and owes no other answer. */
static int check_call(struct foc *foc, struct foc_thread *caller, struct recap_error *error)
{
    struct foc_thread *partner = owing(foc, caller);
    if (!partner || !partner->pd->opened)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "thread %llu of PD %llu waits for the answer of one who is not "
                            "checkpointed along",
                            (unsigned long long)caller->id, (unsigned long long)caller->pd->id);
    for (struct foc_pd *pd = foc->pds; pd; pd = pd->next)
        for (struct foc_thread *other = pd->threads; other; other = other->next)
            if (other != caller && other->parked && other->wait == FOC_CALLS &&
                owing(foc, other) == partner)
                return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                    "thread %llu of PD %llu has two callers, and the kernel does "
                                    "not tell to whom it owes an answer",
                                    (unsigned long long)partner->id,
                                    (unsigned long long)partner->pd->id);
    return 0;
}

int foc_threads(struct recap_pd *handle, struct recap_graph *graph, struct recap_pd_image *image,
                struct recap_error *error)
{
    static const char *const waits[] = {"nothing", "send", "receive", "call"};
    struct foc_pd *pd = foc_pd(handle);
    if (!pd || !pd->foc->stopped)
        return recap_fail(error, -ESRCH, "listing threads");
    for (struct foc_thread *thread = pd->threads; thread; thread = thread->next) {
        struct recap_arena *arena = graph->arena;
        if (thread->crashed || !thread->parked)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "thread %llu of PD %llu has crashed: %s",
                                (unsigned long long)thread->id, (unsigned long long)pd->id,
                                thread->crashed ? thread->crashed : "it does not answer");
        int result = thread->wait == FOC_CALLS ? check_call(pd->foc, thread, error) : 0;
        if (result < 0)
            return result;
        struct recap_thread *entry = recap_graph_add_thread(graph, image);
        struct foc_registers registers;
        if (!entry)
            return recap_fail(error, -ENOMEM, "listing threads");
        to_core_file(&thread->registers, &registers);
        entry->id = thread->id;
        entry->registers = recap_arena_copy(arena, &registers, sizeof registers);
        entry->registers_length = sizeof registers;
        entry->extended = recap_arena_copy(arena, thread->extended, foc_fpu_size());
        entry->extended_length = foc_fpu_size();
        entry->state = recap_record(arena);
        recap_put_number(arena, entry->state, "priority", thread->priority);
        recap_put_number(arena, entry->state, "session",
                         (int64_t)(thread->session_cap >> L4_CAP_SHIFT));
        recap_put_text(arena, entry->state, "waits", waits[thread->wait]);
        recap_put_bytes(arena, entry->state, "utcb", thread->utcb, sizeof thread->utcb);
    }
    return recap_arena_failed(graph->arena) ? recap_fail(error, -ENOMEM, "listing threads") : 0;
}

static int set(struct foc_thread *thread, const struct recap_thread *from,
               struct recap_error *error)
{
    enum { ROUNDS = 2000, ROUND = 1000, LOWEST = 1, HIGHEST = 254 };
    const void *utcb;
    size_t size;
    int64_t session, priority;
    if (from->registers_length != sizeof(struct foc_registers) ||
        !foc_fpu_valid(from->extended, from->extended_length) ||
        recap_get_bytes(from->state, "utcb", &utcb, &size) < 0 || size != sizeof thread->utcb ||
        recap_get_number(from->state, "session", &session) < 0 || session < 1 ||
        session > UINT16_MAX || recap_get_number(from->state, "priority", &priority) < 0 ||
        priority < LOWEST || priority > HIGHEST)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "the image has no registers of thread %llu for this processor",
                            (unsigned long long)thread->id);
    int result = foc_thread_start(thread, (l4_cap_idx_t)session << L4_CAP_SHIFT, (unsigned)priority,
                                  FOC_STUB_TRAP, 0, error);
    for (int round = 0; result == 0 && !thread->parked && round < ROUNDS; round++)
        foc_serve(thread->pd->foc, ROUND);
    if (result < 0 || !thread->parked)
        return result ? result
                      : recap_fail(error, -ETIMEDOUT,
                                   "starting thread %llu: it has no session at "
                                   "selector %lld",
                                   (unsigned long long)thread->id, (long long)session);
    struct foc_registers registers;
    memcpy(&registers, from->registers, sizeof registers);
    l4_uint64_t ss = thread->registers.ss, cs = thread->registers.dummy1;
    from_core_file(&registers, &thread->registers);
    thread->registers.ss = ss;
    thread->registers.dummy1 = cs;
    memcpy(thread->extended, from->extended, from->extended_length);
    memcpy(thread->utcb, utcb, sizeof thread->utcb);
    const char *waits = recap_text_or_null(from->state, "waits");
    thread->wait = waits && !strcmp(waits, "call") ? FOC_CALLS : FOC_RUNS;
    return foc_utcb_copy(thread, true, error);
}

int foc_threads_set(struct recap_pd *handle, const struct recap_graph *graph,
                    const struct recap_pd_image *image, struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    (void)graph;
    if (!pd || pd->runs)
        return recap_fail(error, -ESRCH, "setting threads");
    int result = 0;
    for (size_t i = 0; result == 0 && i < image->thread_count; i++) {
        struct foc_thread *thread = foc_thread(pd, image->threads[i].id);
        result = thread ? set(thread, &image->threads[i], error)
                        : recap_fail(error, -EINVAL, "setting a thread that was not made");
    }
    return result;
}
