/* placement.c: on which memory nodes new pages come to lie: the policy of each thread
 * (set_mempolicy(2)), and of mappings that have one of their own (mbind(2)).
 *
 * Only the process itself can ask. Its mappings cost a call each, so they are asked for only where
 * the look saw some policy, or where the machine has several nodes.
 */
#include "kernel/linux/memory/placement.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>

enum { WORDS = LINUX_PLACEMENT_NODES / 64 };

/* What the kernel answers into. */
struct answer {
    int32_t mode;
    uint64_t nodes[WORDS];
};

static size_t ask(struct linux_batch *batch, uint64_t place, uint64_t address, int flags)
{
    return linux_batch_call(batch, SYS_get_mempolicy, place + offsetof(struct answer, mode),
                            place + offsetof(struct answer, nodes), LINUX_PLACEMENT_NODES, address,
                            flags);
}

static void record(const struct linux_batch *batch, size_t call, uint64_t place,
                   struct recap_arena *arena, struct recap_value *state)
{
    struct answer answer;
    /* A kernel without memory nodes knows no such call. */
    if (linux_batch_result(batch, call) < 0)
        return;
    memcpy(&answer, linux_batch_data(batch, place), sizeof answer);
    if (answer.mode == MPOL_DEFAULT)
        return;
    struct recap_value *policy = recap_put_record(arena, state, "memory_policy");
    recap_put_number(arena, policy, "mode", answer.mode);
    struct recap_value *nodes = recap_put_list(arena, policy, "nodes");
    size_t used = WORDS;
    while (used && !answer.nodes[used - 1])
        used--;
    for (size_t i = 0; i < used; i++)
        recap_put_hex(arena, nodes, NULL, answer.nodes[i]);
}

void linux_placement_ask(const struct linux_reading *reading, struct linux_placement *asked)
{
    asked->answer = linux_batch_put(reading->batch, NULL, sizeof(struct answer));
    asked->call = ask(reading->batch, asked->answer, 0, 0);
}

void linux_placement_record(const struct linux_reading *reading,
                            const struct linux_placement *asked, struct recap_value *state)
{
    record(reading->batch, asked->call, asked->answer, reading->arena, state);
}

int linux_placement_get(const struct recap_value *state, struct linux_placement_policy *policy)
{
    const struct recap_value *record = recap_member(state, "memory_policy");
    int64_t mode;
    size_t count = 0;
    *policy = (struct linux_placement_policy){.mode = MPOL_DEFAULT};
    if (!record)
        return -ENOENT;
    if (recap_get_number(record, "mode", &mode) < 0 || mode < 0 || mode > INT32_MAX)
        return -EBADMSG;
    policy->mode = (int)mode;
    for (const struct recap_value *v = recap_items(record, "nodes"); v; v = v->next) {
        if (v->type != RECAP_HEX || count == WORDS)
            return -EBADMSG;
        policy->nodes[count++] = v->u.hex;
    }
    return 0;
}

int linux_placement_set(struct linux_steps *steps, const struct recap_value *want,
                        const struct recap_value *have, struct recap_error *error)
{
    struct linux_placement_policy policy;
    const struct recap_value *wanted = recap_member(want, "memory_policy");
    const struct recap_value *present = recap_member(have, "memory_policy");
    if ((!wanted && !present) || (wanted && present && recap_value_equal(wanted, present)))
        return 0;
    if (linux_placement_get(want, &policy) == -EBADMSG)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "a memory policy is malformed");
    uint64_t nodes = linux_batch_put(linux_steps_batch(steps), policy.nodes, sizeof policy.nodes);
    linux_step(steps, "setting the memory policy", SYS_set_mempolicy, policy.mode, nodes,
               LINUX_PLACEMENT_NODES);
    return 0;
}

int linux_regions_placement(struct linux_pd *pd, struct recap_graph *graph,
                            struct recap_pd_image *image, struct recap_error *error)
{
    struct linux_batch *batch = linux_batch_new(pd, 0);
    if (!batch)
        return recap_fail(error, -ENOMEM, "reading memory policies");
    size_t count = image->region_count, first_call = 0;
    uint64_t answers = linux_batch_put(batch, NULL, count * sizeof(struct answer));
    for (size_t i = 0; i < count; i++) {
        size_t call =
            ask(batch, answers + i * sizeof(struct answer), image->regions[i].start, MPOL_F_ADDR);
        if (i == 0)
            first_call = call;
    }
    int result = linux_batch_run(batch, error);
    for (size_t i = 0; result == 0 && i < count; i++)
        record(batch, first_call + i, answers + i * sizeof(struct answer), graph->arena,
               image->regions[i].state);
    linux_batch_free(batch);
    return result;
}

bool linux_placement_matters(void)
{
    static signed char several;
    char text[64];
    if (several)
        return several > 0;
    ssize_t length =
        linux_procfs_read_into(AT_FDCWD, "/sys/devices/system/node/online", text, sizeof text);
    /* Who cannot be told has to expect it, and asks again. */
    if (length < 0 && length != -ENOENT)
        return true;
    several = length > 0 && strpbrk(text, ",-") ? 1 : -1;
    return several > 0;
}
