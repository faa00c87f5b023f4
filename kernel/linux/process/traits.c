/* traits.c: what prctl and its kin read and set as one number, in one table.
 *
 * A trait that this kernel does not know is not recorded, and is not missed at restore unless the
 * image has it with another value than the one that every process starts with.
 */
#include "kernel/linux/abi.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"
#include "kernel/linux/threads/threads.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum answer {
    AS_RESULT,
    AS_SPECULATION, /* the result: what may be done in bit 0, the state above it */
    AS_INT,         /* through the pointer in the second argument */
    AS_WORD,
    AS_TILES, /* through the pointer, too: whether there is leave for the tile registers */
    AS_FLAGS, /* the result: whether in bit 0, flags above it, which are set by one more argument */
};

struct trait {
    const char *name;
    enum linux_trait_level level;
    enum answer answer;
    long get;
    uint64_t get_arguments[2];
    long set;
    uint64_t set_arguments[2];
    size_t set_count; /* of set_arguments before the value */
    int64_t ordinary; /* what a process starts with */
};

static const struct trait traits[] = {
    {"clear_child_tid",
     LINUX_TRAIT_THREAD,
     AS_WORD,
     SYS_prctl,
     {PR_GET_TID_ADDRESS},
     SYS_set_tid_address,
     {0},
     0,
     0},
    {"timer_slack",
     LINUX_TRAIT_THREAD,
     AS_RESULT,
     SYS_prctl,
     {PR_GET_TIMERSLACK},
     SYS_prctl,
     {PR_SET_TIMERSLACK},
     1,
     50000},
    {"timestamp_counter",
     LINUX_TRAIT_THREAD,
     AS_INT,
     SYS_prctl,
     {PR_GET_TSC},
     SYS_prctl,
     {PR_SET_TSC},
     1,
     PR_TSC_ENABLE},
    {"machine_check_kill",
     LINUX_TRAIT_THREAD,
     AS_RESULT,
     SYS_prctl,
     {PR_MCE_KILL_GET},
     SYS_prctl,
     {PR_MCE_KILL, PR_MCE_KILL_SET},
     2,
     PR_MCE_KILL_DEFAULT},
    {"processor_identifies",
     LINUX_TRAIT_THREAD,
     AS_RESULT,
     SYS_arch_prctl,
     {ARCH_GET_CPUID},
     SYS_arch_prctl,
     {ARCH_SET_CPUID},
     1,
     1},
    {"io_flusher",
     LINUX_TRAIT_THREAD,
     AS_RESULT,
     SYS_prctl,
     {PR_GET_IO_FLUSHER},
     SYS_prctl,
     {PR_SET_IO_FLUSHER},
     1,
     0},
    {"store_bypass",
     LINUX_TRAIT_THREAD,
     AS_SPECULATION,
     SYS_prctl,
     {PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS},
     SYS_prctl,
     {PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS},
     2,
     PR_SPEC_ENABLE},
    {"indirect_branch",
     LINUX_TRAIT_THREAD,
     AS_SPECULATION,
     SYS_prctl,
     {PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH},
     SYS_prctl,
     {PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH},
     2,
     PR_SPEC_ENABLE},
    {"flush_level_1",
     LINUX_TRAIT_THREAD,
     AS_SPECULATION,
     SYS_prctl,
     {PR_GET_SPECULATION_CTRL, PR_SPEC_L1D_FLUSH},
     SYS_prctl,
     {PR_SET_SPECULATION_CTRL, PR_SPEC_L1D_FLUSH},
     2,
     PR_SPEC_DISABLE},
    {"default_keyring",
     LINUX_TRAIT_THREAD,
     AS_RESULT,
     SYS_keyctl,
     {KEYCTL_SET_REQKEY_KEYRING, (uint64_t)KEY_REQKEY_DEFL_NO_CHANGE},
     SYS_keyctl,
     {KEYCTL_SET_REQKEY_KEYRING},
     1,
     KEY_REQKEY_DEFL_DEFAULT},
    {"parent_death_signal",
     LINUX_TRAIT_AFTER_CREDENTIALS,
     AS_INT,
     SYS_prctl,
     {PR_GET_PDEATHSIG},
     SYS_prctl,
     {PR_SET_PDEATHSIG},
     1,
     0},
    {"child_subreaper",
     LINUX_TRAIT_PROCESS,
     AS_INT,
     SYS_prctl,
     {PR_GET_CHILD_SUBREAPER},
     SYS_prctl,
     {PR_SET_CHILD_SUBREAPER},
     1,
     0},
    {"huge_pages_disabled",
     LINUX_TRAIT_PROCESS,
     AS_FLAGS,
     SYS_prctl,
     {PR_GET_THP_DISABLE},
     SYS_prctl,
     {PR_SET_THP_DISABLE},
     1,
     0},
    {"tile_registers",
     LINUX_TRAIT_PROCESS,
     AS_TILES,
     SYS_arch_prctl,
     {ARCH_GET_XCOMP_PERM},
     SYS_arch_prctl,
     {ARCH_REQ_XCOMP_PERM, LINUX_TILE_DATA},
     2,
     0},
    {"memory_merge",
     LINUX_TRAIT_PROCESS,
     AS_RESULT,
     SYS_prctl,
     {PR_GET_MEMORY_MERGE},
     SYS_prctl,
     {PR_SET_MEMORY_MERGE},
     1,
     0},
    {"deny_write_execute",
     LINUX_TRAIT_PROCESS,
     AS_RESULT,
     SYS_prctl,
     {PR_GET_MDWE},
     SYS_prctl,
     {PR_SET_MDWE},
     1,
     0},
    {"futex_hash",
     LINUX_TRAIT_PROCESS,
     AS_RESULT,
     SYS_prctl,
     {PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS},
     SYS_prctl,
     {PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS},
     2,
     0},
    {"personality",
     LINUX_TRAIT_PROCESS,
     AS_RESULT,
     SYS_personality,
     {0xffffffff},
     SYS_personality,
     {0},
     0,
     0},
    {"dumpable",
     LINUX_TRAIT_DUMPABLE,
     AS_RESULT,
     SYS_prctl,
     {PR_GET_DUMPABLE},
     SYS_prctl,
     {PR_SET_DUMPABLE},
     1,
     1},
};

enum { TRAIT_COUNT = sizeof traits / sizeof traits[0] };

/* Whether anybody can have another than the ordinary state. What speculation a thread may choose is
 * the kernel's and the processor's decision, and so the same for us. */
static bool may_differ(const struct trait *t)
{
    static signed char known[TRAIT_COUNT];
    size_t i = (size_t)(t - traits);
    if (t->answer != AS_SPECULATION)
        return true;
    if (!known[i]) {
        int state = prctl(PR_GET_SPECULATION_CTRL, t->get_arguments[1], 0, 0, 0);
        known[i] = state > 0 && (state & (int)PR_SPEC_PRCTL) ? 1 : -1;
    }
    return known[i] > 0;
}

void linux_traits_ask(const struct linux_reading *reading, enum linux_trait_level level,
                      struct linux_traits *asked)
{
    asked->words = linux_batch_put(reading->batch, NULL, TRAIT_COUNT * sizeof(uint64_t));
    bool first = true;
    for (size_t i = 0; i < TRAIT_COUNT; i++) {
        const struct trait *t = &traits[i];
        if (t->level != level || !may_differ(t))
            continue;
        uint64_t second = t->get_arguments[1];
        if (t->answer == AS_INT || t->answer == AS_WORD || t->answer == AS_TILES)
            second = asked->words + i * sizeof(uint64_t);
        size_t call = linux_batch_call(reading->batch, t->get, t->get_arguments[0], second);
        if (first)
            asked->first_call = call;
        first = false;
    }
}

static int64_t answer_of(const struct linux_batch *batch, const struct trait *t, int64_t result,
                         uint64_t word)
{
    int64_t value = result;
    int small;
    switch (t->answer) {
    case AS_RESULT:
    case AS_FLAGS:
        break;
    case AS_SPECULATION:
        value = result & ~(int64_t)PR_SPEC_PRCTL;
        break;
    case AS_INT:
        memcpy(&small, linux_batch_data(batch, word), sizeof small);
        value = small;
        break;
    case AS_WORD:
    case AS_TILES:
        memcpy(&value, linux_batch_data(batch, word), sizeof value);
        if (t->answer == AS_TILES)
            value = value >> LINUX_TILE_DATA & 1;
        break;
    }
    return value;
}

void linux_traits_record(const struct linux_reading *reading, enum linux_trait_level level,
                         const struct linux_traits *asked, struct recap_value *state)
{
    size_t call = asked->first_call;
    for (size_t i = 0; i < TRAIT_COUNT; i++) {
        const struct trait *t = &traits[i];
        if (t->level != level || !may_differ(t))
            continue;
        int64_t result = linux_batch_result(reading->batch, call++);
        if (result < 0)
            continue;
        uint64_t word = asked->words + i * sizeof(uint64_t);
        int64_t value = answer_of(reading->batch, t, result, word);
        if (t->answer == AS_WORD)
            recap_put_hex(reading->arena, state, t->name, (uint64_t)value);
        else
            recap_put_number(reading->arena, state, t->name, value);
    }
}

static int refuse_unknown(const struct trait *t, int64_t want, struct recap_error *error)
{
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "the image has %s = %lld, which this kernel does not know", t->name,
                        (long long)want);
}

static size_t append_set(struct linux_steps *steps, const struct trait *t, int64_t value)
{
    uint64_t arguments[6] = {0};
    size_t count = t->set_count;
    memcpy(arguments, t->set_arguments, count * sizeof *arguments);
    arguments[count] = t->answer == AS_FLAGS ? (uint64_t)value & 1 : (uint64_t)value;
    if (t->answer == AS_FLAGS)
        arguments[count + 1] = (uint64_t)value & ~(uint64_t)1;
    return linux_steps_append(steps, t->name, t->set, arguments);
}

int linux_traits_set(struct linux_steps *steps, enum linux_trait_level level,
                     const struct recap_value *want, const struct recap_value *have,
                     struct recap_error *error)
{
    for (size_t i = 0; i < TRAIT_COUNT; i++) {
        const struct trait *t = &traits[i];
        if (t->level != level)
            continue;
        int64_t value, present;
        int wanted = recap_get_number(want, t->name, &value);
        if (wanted == -EINVAL)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "%s is not a number", t->name);
        if (wanted < 0)
            continue;
        if (recap_get_number(have, t->name, &present) < 0) {
            if (value != t->ordinary)
                return refuse_unknown(t, value, error);
            continue;
        }
        if (value != present)
            append_set(steps, t, value);
    }
    return 0;
}
