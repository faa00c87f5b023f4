/* lanes.c: the batches of the threads of a live process, several at a time.
 *
 * A thread other than the leader makes a few calls at a time, as constants in code: it never reads
 * memory that the leader might have unmapped. As many of their stubs as fit lie in the padding side
 * by side, so that one thread runs while the next is prepared and the one before is set back.
 *
 * What only asks is asked of a thread all at once, with what the leader was told as constants: the
 * thread says whether it was told the same. One that was not is asked again, call by call.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/inside.h"

#include <errno.h>
#include <string.h>

enum { LANES = 8 };

/* A stub that is under way. */
struct lane {
    struct linux_batch *batch;
    size_t place, end;   /* in the padding */
    size_t first, count; /* calls */
    bool alike;          /* the one result says whether they came as the leader's */
};

struct lanes {
    struct linux_pd *pd;
    const struct linux_batch *leader; /* its batch, which was run; NULL: none that could be alike */
    struct lane ring[LANES];          /* in the order of their start */
    size_t oldest, used;
};

/* As many calls from `first` on as one stub takes. */
static size_t gather(const struct linux_batch *batch, size_t first, struct linux_stub_call *calls)
{
    size_t count = 0;
    while (count < LINUX_STUB_CALLS && first + count < batch->call_count) {
        const struct linux_call *call = &batch->calls[first + count];
        if (count >= LINUX_STUB_WIDE_CALLS && call->entry->arguments[5])
            break;
        calls[count].number = call->number;
        memcpy(calls[count].arguments, call->entry->arguments, sizeof calls[count].arguments);
        count++;
    }
    return count;
}

static int finish_oldest(struct lanes *lanes, struct recap_error *error)
{
    struct lane *lane = &lanes->ring[lanes->oldest];
    struct linux_batch *batch = lane->batch;
    int64_t results[LINUX_STUB_CALLS];
    lanes->oldest = (lanes->oldest + 1) % LANES;
    lanes->used--;
    int code = linux_foothold_finish(lanes->pd, batch->thread, lane->alike ? 1 : lane->count,
                                     results, error);
    if (lane->alike) {
        batch->differs = code == 0 && results[0] != 0;
        for (size_t i = 0; code == 0 && !batch->differs && i < batch->call_count; i++)
            batch->calls[i].result = lanes->leader->calls[i].result;
        return code;
    }
    for (size_t i = 0; code == 0 && i < lane->count; i++)
        batch->calls[lane->first + i].result = results[i];
    return code;
}

/* Waits for all that are under way, also after a failure. */
static int finish_all(struct lanes *lanes, int code, struct recap_error *error)
{
    while (lanes->used) {
        int finished = finish_oldest(lanes, code == 0 ? error : NULL);
        code = code ? code : finished;
    }
    return code;
}

static bool overlaps(const struct lanes *lanes, size_t place, size_t end)
{
    for (size_t i = 0; i < lanes->used; i++) {
        const struct lane *lane = &lanes->ring[(lanes->oldest + i) % LANES];
        if (place < lane->end && lane->place < end)
            return true;
    }
    return false;
}

/* Room for a stub of `length` bytes behind the newest one, or at the beginning. */
static int find_place(struct lanes *lanes, size_t length, size_t *place, struct recap_error *error)
{
    size_t begin = linux_foothold_room(lanes->pd), room = lanes->pd->foothold->area_size;
    size_t newest = (lanes->oldest + lanes->used + LANES - 1) % LANES;
    *place = lanes->used ? lanes->ring[newest].end : begin;
    if (*place + length > room)
        *place = begin;
    if (*place + length > room)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "there is no room for code in process %d", lanes->pd->pid);
    int code = 0;
    while (code == 0 && (lanes->used == LANES || overlaps(lanes, *place, *place + length)))
        code = finish_oldest(lanes, error);
    return code;
}

static int start_stub(struct lanes *lanes, struct lane lane, const struct linux_stub *stub,
                      struct recap_error *error)
{
    int code = find_place(lanes, stub->length, &lane.place, error);
    if (code == 0)
        code = linux_foothold_start(lanes->pd, lane.batch->thread, lane.place, stub, error);
    if (code != 0)
        return code;
    lane.end = (lane.place + stub->length + 15) & ~(size_t)15;
    lanes->ring[(lanes->oldest + lanes->used++) % LANES] = lane;
    return 0;
}

static int start(struct lanes *lanes, struct linux_batch *batch, size_t first, size_t *count,
                 struct recap_error *error)
{
    struct linux_pd *pd = lanes->pd;
    struct linux_stub_call calls[LINUX_STUB_CALLS];
    struct linux_stub stub;
    *count = gather(batch, first, calls);
    linux_stub_other(&stub, &pd->threads[batch->thread], pd->vpid, pd->foothold->signal, calls,
                     *count);
    return start_stub(lanes, (struct lane){.batch = batch, .first = first, .count = *count}, &stub,
                      error);
}

/* The stub that asks all of a batch at once, if the leader's allows it. */
static bool make_alike(const struct lanes *lanes, const struct linux_batch *batch,
                       struct linux_stub *stub)
{
    const struct linux_batch *leader = lanes->leader;
    struct linux_stub_call calls[LINUX_STUB_ALIKE];
    int32_t expected[LINUX_STUB_ALIKE];
    if (!leader || !batch->only_asks || batch->call_count != leader->call_count ||
        batch->call_count > LINUX_STUB_ALIKE)
        return false;
    for (size_t i = 0; i < batch->call_count; i++) {
        const struct linux_call *call = &batch->calls[i];
        expected[i] = (int32_t)leader->calls[i].result;
        if (call->number != leader->calls[i].number || expected[i] != leader->calls[i].result)
            return false;
        calls[i].number = call->number;
        memcpy(calls[i].arguments, call->entry->arguments, sizeof calls[i].arguments);
    }
    struct linux_pd *pd = lanes->pd;
    linux_stub_alike(stub, &pd->threads[batch->thread], pd->vpid, pd->foothold->signal, calls,
                     expected, batch->call_count);
    return linux_foothold_room(pd) + stub->length <= pd->foothold->area_size;
}

/* One batch: its stubs follow each other, but the last one is not waited for. */
static int run_constants(struct lanes *lanes, struct linux_batch *batch, struct recap_error *error)
{
    int code = 0;
    struct linux_stub stub;
    if (batch->token_count || batch->chain_count)
        return recap_fail(error, -EINVAL, "descriptors and results go through the first thread");
    if (!batch->differs && make_alike(lanes, batch, &stub))
        return start_stub(lanes, (struct lane){.batch = batch, .alike = true}, &stub, error);
    for (size_t first = 0, count; code == 0 && first < batch->call_count; first += count) {
        if (first)
            code = finish_all(lanes, code, error);
        count = 0;
        if (code == 0)
            code = start(lanes, batch, first, &count, error);
    }
    return code;
}

/* Batches of other threads of one live process: their memory goes there and back in one piece. */
static int run_group(struct linux_batch *const *batches, size_t count,
                     const struct linux_batch *leader, struct recap_error *error)
{
    struct lanes lanes = {.pd = batches[0]->pd, .leader = leader};
    int code = linux_batch_transfer(batches, count, true, error);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = run_constants(&lanes, batches[i], error);
    code = finish_all(&lanes, code, error);
    for (size_t i = 0; code == 0 && i < count; i++)
        if (batches[i]->differs)
            code = run_constants(&lanes, batches[i], error);
    code = finish_all(&lanes, code, error);
    return code ? code : linux_batch_transfer(batches, count, false, error);
}

static int check_batch(const struct linux_batch *batch, struct recap_error *error)
{
    if (!batch)
        return recap_fail(error, -ENOMEM, "acting inside a process");
    if (batch->error.code != 0 && error)
        *error = batch->error;
    return batch->error.code;
}

static bool is_constant(const struct linux_batch *batch, const struct linux_pd *pd)
{
    return batch->thread != 0 && !batch->pd->created && batch->pd == pd;
}

int linux_batch_run_all(struct linux_batch *const *batches, size_t count, struct recap_error *error)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++)
        code = check_batch(batches[i], error);
    for (size_t i = 0; code == 0 && i < count;) {
        size_t group = 0;
        while (i + group < count && is_constant(batches[i + group], batches[i]->pd))
            group++;
        bool led = i > 0 && batches[i - 1]->thread == 0 && batches[i - 1]->pd == batches[i]->pd;
        code = group ? run_group(batches + i, group, led ? batches[i - 1] : NULL, error)
                     : linux_batch_run_entries(batches[i], error);
        i += group ? group : 1;
    }
    return code;
}
