/* credentials_set.c: making a thread of the new process who it was.
 *
 * All ids are set with the capability fixups of setuid(2) switched off, so that the capability sets
 * are only ever what is written here. Ambient capabilities need their inheritable ones first, and
 * those may be ones that the bounding set lacks in the end; the final secure bits need CAP_SETPCAP,
 * and so the effective and permitted sets come last.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct credentials {
    int64_t users[4]; /* real, effective, saved, file system */
    int64_t groups[4];
    const struct recap_value *further; /* a list */
    uint64_t inheritable, permitted, effective, bounding, ambient;
    uint64_t secure_bits;
    bool no_new_privileges;
};

enum { REAL, EFFECTIVE, SAVED, FILES };

static int get_ids(const struct recap_value *record, const char *name, int64_t ids[4])
{
    size_t count = 0;
    for (const struct recap_value *v = recap_items(record, name); v; v = v->next) {
        if (v->type != RECAP_NUMBER || v->u.number < 0 || v->u.number >= UINT32_MAX || count == 4)
            return -EBADMSG;
        ids[count++] = v->u.number;
    }
    return count == 4 ? 0 : -EBADMSG;
}

static int get_credentials(const struct recap_value *state, struct credentials *c)
{
    const struct recap_value *record = recap_member(state, "credentials");
    const struct recap_value *sets = recap_member(record, "capabilities");
    c->further = recap_member(record, "further_groups");
    for (const struct recap_value *v = recap_first(c->further); v; v = v->next)
        if (v->type != RECAP_NUMBER || v->u.number < 0 || v->u.number >= UINT32_MAX)
            return -EBADMSG;
    if (get_ids(record, "users", c->users) < 0 || get_ids(record, "groups", c->groups) < 0 ||
        recap_get_hex(sets, "inheritable", &c->inheritable) < 0 ||
        recap_get_hex(sets, "permitted", &c->permitted) < 0 ||
        recap_get_hex(sets, "effective", &c->effective) < 0 ||
        recap_get_hex(sets, "bounding", &c->bounding) < 0 ||
        recap_get_hex(sets, "ambient", &c->ambient) < 0 ||
        recap_get_hex(record, "secure_bits", &c->secure_bits) < 0)
        return -EBADMSG;
    c->no_new_privileges = recap_number_or(record, "no_new_privileges", 0) != 0;
    return 0;
}

static bool same_ids(const int64_t a[4], const int64_t b[4])
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static void step_capset(struct linux_steps *steps, const char *what, uint64_t effective,
                        uint64_t permitted, uint64_t inheritable)
{
    const struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
    struct linux_batch *batch = linux_steps_batch(steps);
    uint64_t head = linux_batch_put(batch, &header, sizeof header);
    linux_step(steps, what, SYS_capset, head, linux_batch_put(batch, data, sizeof data));
}

static int step_further_groups(struct linux_steps *steps, const struct credentials *want,
                               struct recap_error *error)
{
    size_t count = want->further ? want->further->u.items.count : 0, i = 0;
    gid_t *list = calloc(count + 1, sizeof *list);
    if (!list)
        return recap_fail(error, -ENOMEM, "setting groups");
    for (const struct recap_value *v = recap_first(want->further); v; v = v->next)
        list[i++] = (gid_t)v->u.number;
    uint64_t at = linux_batch_put(linux_steps_batch(steps), list, (count + 1) * sizeof *list);
    free(list);
    linux_step(steps, "setting the supplementary groups", SYS_setgroups, count, at);
    return 0;
}

static void step_ids(struct linux_steps *steps, const struct credentials *want,
                     const struct credentials *have)
{
    const int64_t *g = want->groups, *u = want->users;
    if (!same_ids(g, have->groups)) {
        linux_step(steps, "setting the group ids", SYS_setresgid, g[REAL], g[EFFECTIVE], g[SAVED]);
        linux_step(steps, "setting the file system group id", SYS_setfsgid, g[FILES]);
    }
    if (!same_ids(u, have->users)) {
        linux_step(steps, "setting the user ids", SYS_setresuid, u[REAL], u[EFFECTIVE], u[SAVED]);
        linux_step(steps, "setting the file system user id", SYS_setfsuid, u[FILES]);
    }
}

static void step_capabilities(struct linux_steps *steps, const struct credentials *want,
                              const struct credentials *have)
{
    if (want->inheritable != have->inheritable || want->ambient != have->ambient) {
        step_capset(steps, "setting the inheritable capabilities", have->permitted, have->permitted,
                    want->inheritable);
        linux_step(steps, "clearing the ambient capabilities", SYS_prctl, PR_CAP_AMBIENT,
                   PR_CAP_AMBIENT_CLEAR_ALL);
        for (unsigned int i = 0; i < 64; i++)
            if ((want->ambient >> i) & 1)
                linux_step(steps, "raising an ambient capability", SYS_prctl, PR_CAP_AMBIENT,
                           PR_CAP_AMBIENT_RAISE, i);
    }
    uint64_t drop = have->bounding & ~want->bounding;
    for (unsigned int i = 0; drop >> i; i++) {
        if ((drop >> i) & 1)
            linux_step(steps, "dropping a capability from the bounding set", SYS_prctl,
                       PR_CAPBSET_DROP, i);
        if (i == 63)
            break;
    }
}

static int refuse_more(const struct credentials *want, const struct credentials *have,
                       struct recap_error *error)
{
    if (have->no_new_privileges && !want->no_new_privileges) {
        recap_refuse(error, RECAP_FAILED, -EPERM,
                     "the caller is under no_new_privs, which cannot be undone, and the component "
                     "was not");
        return recap_error_remedy(error, "restore from a process without no_new_privs");
    }
    uint64_t missing = (want->permitted & ~have->permitted) | (want->bounding & ~have->bounding);
    if (!missing)
        return 0;
    recap_refuse(error, RECAP_FAILED, -EPERM,
                 "the component had capabilities that the caller cannot give (mask %#llx)",
                 (unsigned long long)missing);
    return recap_error_remedy(error, "restore as a user who has them");
}

/* Whether this is a user namespace of an ordinary user. */
static bool groups_are_denied(void)
{
    char text[16];
    return linux_procfs_read_into(AT_FDCWD, "/proc/self/setgroups", text, sizeof text) > 0 &&
           strncmp(text, "deny", 4) == 0;
}

static bool has_group(const struct credentials *c, gid_t group)
{
    for (const struct recap_value *v = recap_first(c->further); v; v = v->next)
        if ((gid_t)v->u.number == group)
            return true;
    return false;
}

static bool caller_has_group(const struct linux_kernel *kernel, gid_t group)
{
    for (int i = 0; i < kernel->group_count; i++)
        if (kernel->groups[i] == group)
            return true;
    return false;
}

/* In a user namespace of our own only the caller's own ids exist, its groups stay what they are,
 * and capabilities are worth nothing outside. What the component would lose or gain by that is
 * refused.
 */
static int refuse_in_namespace(const struct credentials *want, const struct credentials *have,
                               const struct linux_kernel *kernel, struct recap_error *error)
{
    const char *what = NULL;
    if (!same_ids(want->users, have->users) || !same_ids(want->groups, have->groups))
        what = "it ran as another user or group";
    else if (want->permitted || want->ambient)
        what = "it had capabilities";
    for (const struct recap_value *v = recap_first(want->further); !what && v; v = v->next)
        if (!caller_has_group(kernel, (gid_t)v->u.number))
            what = "it was in groups that the caller is not in";
    for (int i = 0; !what && i < kernel->group_count; i++)
        if (!has_group(want, kernel->groups[i]))
            what = "it was not in all groups that the caller is in";
    if (!what)
        return 0;
    recap_refuse(error, RECAP_FAILED, -EPERM,
                 "the caller may not give the component its credentials: %s", what);
    return recap_error_remedy(error, "restore as the user that it ran as, or as root");
}

int linux_credentials_set(struct linux_steps *steps, const struct recap_value *want_state,
                          const struct recap_value *have_state, const struct linux_kernel *kernel,
                          struct recap_error *error)
{
    struct credentials want, have;
    if (get_credentials(want_state, &want) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG,
                            "the credentials of a thread are "
                            "malformed");
    if (get_credentials(have_state, &have) < 0)
        return recap_fail(error, -EBADMSG, "reading the credentials of the new process");
    if (recap_value_equal(recap_member(want_state, "credentials"),
                          recap_member(have_state, "credentials")))
        return 0;
    bool denied = kernel->own_namespace && groups_are_denied();
    int result = refuse_more(&want, &have, error);
    if (result == 0 && denied)
        result = refuse_in_namespace(&want, &have, kernel, error);
    if (result < 0)
        return result;
    bool ids = !same_ids(want.users, have.users) || !same_ids(want.groups, have.groups);
    if (!denied && !recap_value_equal(want.further, have.further))
        result = step_further_groups(steps, &want, error);
    if (result < 0)
        return result;
    if (ids)
        linux_step(steps, "keeping capabilities across the change of ids", SYS_prctl,
                   PR_SET_SECUREBITS, have.secure_bits | SECBIT_NO_SETUID_FIXUP);
    step_ids(steps, &want, &have);
    step_capabilities(steps, &want, &have);
    if (ids || want.secure_bits != have.secure_bits)
        linux_step(steps, "setting the secure bits", SYS_prctl, PR_SET_SECUREBITS,
                   want.secure_bits);
    if (ids || want.effective != have.effective || want.permitted != have.permitted)
        step_capset(steps, "setting the capabilities", want.effective, want.permitted,
                    want.inheritable);
    if (want.no_new_privileges && !have.no_new_privileges)
        linux_step(steps, "setting no_new_privs", SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
    return 0;
}
