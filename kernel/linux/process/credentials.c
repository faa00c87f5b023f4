/* credentials.c: reading who a thread is: ids, groups, capability sets, securebits.
 *
 * In Linux each thread has its own; most processes keep them equal, but nothing forces them to.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const struct {
    int64_t id;
    const char *name;
} keyrings[] = {{KEY_SPEC_THREAD_KEYRING, "KEY_SPEC_THREAD_KEYRING"},
                {KEY_SPEC_PROCESS_KEYRING, "KEY_SPEC_PROCESS_KEYRING"}};

void linux_credentials_ask(const struct linux_reading *reading, struct linux_credentials *asked)
{
    asked->securebits_call = linux_batch_call(reading->batch, SYS_prctl, PR_GET_SECUREBITS);
    for (size_t i = 0; i < sizeof keyrings / sizeof *keyrings; i++) {
        size_t call =
            linux_batch_call(reading->batch, SYS_keyctl, KEYCTL_GET_KEYRING_ID, keyrings[i].id, 0);
        if (i == 0)
            asked->keyring_call = call;
    }
}

/* Only its owner reaches such a keyring, and what keys hold is not always for it to be told. */
static int refuse_keyrings(const struct linux_reading *reading,
                           const struct linux_credentials *asked, struct recap_error *error)
{
    for (size_t i = 0; i < sizeof keyrings / sizeof *keyrings; i++) {
        if (linux_batch_result(reading->batch, asked->keyring_call + i) < 0)
            continue;
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "thread %d of process %d has a keyring of its own (%s), which cannot be made "
                     "again",
                     reading->pd->threads[reading->thread].tid, reading->pd->pid, keyrings[i].name);
        return recap_error_remedy(error, "have the program keep its keys in the session keyring");
    }
    return 0;
}

/* A line of numbers in `base`, as a list of the state. */
static int record_numbers(struct recap_arena *arena, struct recap_value *record, const char *name,
                          const char *text)
{
    if (!text)
        return -EBADMSG;
    struct recap_value *list = recap_put_list(arena, record, name);
    for (const char *at = text; *at && *at != '\n';) {
        char *end;
        unsigned long number = strtoul(at, &end, 10);
        if (end == at)
            break;
        recap_put_number(arena, list, NULL, (int64_t)number);
        at = end + strspn(end, " \t");
    }
    return 0;
}

static int record_set(struct recap_arena *arena, struct recap_value *record, const char *name,
                      const char *text)
{
    if (!text)
        return -EBADMSG;
    recap_put_hex(arena, record, name, strtoull(text, NULL, 16));
    return 0;
}

int linux_credentials_record(const struct linux_reading *reading,
                             const struct linux_credentials *asked, struct recap_value *state,
                             struct recap_error *error)
{
    static const struct {
        const char *name, *field;
    } sets[] = {{"inheritable", "CapInh"},
                {"permitted", "CapPrm"},
                {"effective", "CapEff"},
                {"bounding", "CapBnd"},
                {"ambient", "CapAmb"}};
    struct recap_arena *arena = reading->arena;
    const char *status = reading->status;
    int result =
        linux_batch_check(reading->batch, asked->securebits_call, "reading the secure bits", error);
    if (result == 0)
        result = refuse_keyrings(reading, asked, error);
    if (result < 0)
        return result;
    struct recap_value *record = recap_put_record(arena, state, "credentials");
    result = record_numbers(arena, record, "users", linux_procfs_field(status, "Uid"));
    if (result == 0)
        result = record_numbers(arena, record, "groups", linux_procfs_field(status, "Gid"));
    if (result == 0)
        result =
            record_numbers(arena, record, "further_groups", linux_procfs_field(status, "Groups"));
    struct recap_value *capabilities = recap_put_record(arena, record, "capabilities");
    for (size_t i = 0; result == 0 && i < sizeof sets / sizeof sets[0]; i++)
        result = record_set(arena, capabilities, sets[i].name,
                            linux_procfs_field(status, sets[i].field));
    recap_put_hex(arena, record, "secure_bits",
                  (uint64_t)linux_batch_result(reading->batch, asked->securebits_call));
    const char *privileges = linux_procfs_field(status, "NoNewPrivs");
    recap_put_number(arena, record, "no_new_privileges", privileges && *privileges == '1');
    return result ? recap_fail(error, result, "reading the credentials of thread %d",
                               reading->pd->threads[reading->thread].tid)
                  : 0;
}
