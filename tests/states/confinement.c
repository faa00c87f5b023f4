/* confinement.c: who a process is, what it may do, and which part of the system it sees. */
#include "newer.h"
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int drop_from_bounding(struct held *held)
{
    return prctl(PR_CAPBSET_DROP, held->state->numbers[0], 0, 0, 0);
}

static int set_inheritable(struct held *held)
{
    (void)held;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0)
        return -1;
    data[0].inheritable |= 1u << CAP_SYS_NICE;
    return (int)syscall(SYS_capset, &header, data);
}

static int raise_ambient(struct held *held)
{
    return set_inheritable(held) ? -1
                                 : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_NICE, 0, 0);
}

/* Without a capability that nothing here needs. */
static int drop_permitted(struct held *held)
{
    (void)held;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0)
        return -1;
    if (!(data[0].permitted & 1u << CAP_SYS_BOOT))
        return errno = EPERM, -1;
    data[0].permitted &= ~(1u << CAP_SYS_BOOT);
    data[0].effective &= ~(1u << CAP_SYS_BOOT | 1u << CAP_SYS_TIME);
    return (int)syscall(SYS_capset, &header, data);
}

static int set_groups(struct held *held)
{
    const gid_t groups[] = {7, 47, 4711};
    (void)held;
    return (int)syscall(SYS_setgroups, 3, groups);
}

static int set_user_ids(struct held *held)
{
    (void)held;
    /* The saved id lets recap's rights alone: it is root's business anyway. */
    return (int)syscall(SYS_setresuid, -1, -1, 4711);
}

static int set_group_ids(struct held *held)
{
    (void)held;
    return (int)syscall(SYS_setresgid, 47, -1, 4711);
}

static int set_file_ids(struct held *held)
{
    (void)held;
    setfsgid(4711);
    return setfsgid((gid_t)-1) == 4711 ? 0 : (errno = EPERM, -1);
}

static int filter_calls(struct held *held)
{
    (void)held;
    struct sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const struct sock_fprog program = {1, all};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
               ? -1
               : 0;
}

static int enter_landlock(struct held *held)
{
    (void)held;
    const struct landlock_ruleset_attr none = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &none, sizeof none, 0);
    if (rules < 0)
        return -1;
    int result = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                 syscall(SYS_landlock_restrict_self, rules, 0) != 0;
    close(rules);
    return result ? -1 : 0;
}

static void read_access(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    state_say(text, fd >= 0, "open");
    if (fd >= 0)
        close(fd);
}

/* {CLONE_NEW...} */
static int leave_namespace(struct held *held)
{
    return unshare((int)held->state->numbers[0]);
}

/* The link of the name "ns:LINK". */
static void read_namespace(struct held *held, char text[STATE_TEXT])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", held->state->name + strlen("ns:"));
    char link[64];
    ssize_t length = readlink(path, link, sizeof link);
    state_say(text, length > 0, "%.*s", (int)length, link);
}

/* {keyring} */
static int make_keyring(struct held *held)
{
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, held->state->numbers[0], 1) < 0 ? -1 : 0;
}

static void read_keyring(struct held *held, char text[STATE_TEXT])
{
    bool there = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, held->state->numbers[0], 0) > 0;
    state_say(text, there, "there");
}

static int join_session(struct held *held)
{
    (void)held;
    return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "keys of a state") < 0 ? -1 : 0;
}

static void read_session(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    char name[256];
    long length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, name, sizeof name);
    const char *last = length > 0 ? strrchr(name, ';') : NULL;
    state_say(text, last != NULL, "%s", last ? last + 1 : "");
}

static int set_default_keyring(struct held *held)
{
    (void)held;
    return syscall(SYS_keyctl, KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_SESSION_KEYRING) < 0 ? -1
                                                                                               : 0;
}

static void read_default_keyring(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say(text, true, "%ld",
              syscall(SYS_keyctl, KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_NO_CHANGE));
}

/* {bits} */
static int set_secure_bits(struct held *held)
{
    return prctl(PR_SET_SECUREBITS, held->state->numbers[0], 0, 0, 0);
}

#define SECURE_BITS(bits)                                                                          \
    .set = set_secure_bits, .read = state_read_option,                                             \
    .numbers = {(bits), 0, 0, PR_GET_SECUREBITS}, .alone = true
#define NAMESPACE(flag, words)                                                                     \
    .set = leave_namespace, .read = read_namespace, .numbers = {(flag)}, .refused = (words)

static const struct state states[] = {
    {.name = "PR_SET_NO_NEW_PRIVS",
     .set = state_set_option,
     .read = state_read_option,
     .numbers = {PR_SET_NO_NEW_PRIVS, 1, 0, PR_GET_NO_NEW_PRIVS},
     .claims = "PR_SET_NO_NEW_PRIVS status:NoNewPrivs",
     .alone = true},
    {.name = "PR_SET_KEEPCAPS",
     .set = state_set_option,
     .read = state_read_option,
     .numbers = {PR_SET_KEEPCAPS, 1, 0, PR_GET_KEEPCAPS},
     .claims = "PR_SET_KEEPCAPS SECBIT_KEEP_CAPS"},
    {.name = "PR_SET_SECUREBITS",
     .claims = "PR_SET_SECUREBITS SECBIT_NOROOT SECBIT_NOROOT_LOCKED SECBIT_NO_SETUID_FIXUP "
               "SECBIT_NO_SETUID_FIXUP_LOCKED",
     SECURE_BITS(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                 SECBIT_NO_SETUID_FIXUP_LOCKED)},
    {.name = "PR_SET_SECUREBITS all",
     .claims = "SECBIT_KEEP_CAPS_LOCKED SECBIT_NO_CAP_AMBIENT_RAISE "
               "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED",
     SECURE_BITS(SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)},
    {.name = "status:CapBnd",
     .claims = "status:CapBnd PR_CAPBSET_DROP",
     .set = drop_from_bounding,
     .read = state_read_status,
     .numbers = {CAP_SYS_MODULE}},
    {.name = "status:CapInh",
     .claims = "status:CapInh __NR_capset",
     .set = set_inheritable,
     .read = state_read_status,
     .alone = true},
    {.name = "status:CapAmb",
     .claims = "status:CapAmb PR_CAP_AMBIENT PR_CAP_AMBIENT_RAISE",
     .set = raise_ambient,
     .read = state_read_status,
     .alone = true},
    {.name = "status:CapPrm", .set = drop_permitted, .read = state_read_status, .alone = true},
    {.name = "status:CapEff", .set = drop_permitted, .read = state_read_status, .alone = true},
    {.name = "status:Groups",
     .claims = "status:Groups __NR_setgroups",
     .set = set_groups,
     .read = state_read_status},
    {.name = "status:Uid",
     .claims = "status:Uid __NR_setresuid __NR_setreuid __NR_setuid __NR_setfsuid",
     .set = set_user_ids,
     .read = state_read_status,
     .alone = true},
    {.name = "status:Gid",
     .claims = "status:Gid __NR_setresgid __NR_setregid __NR_setgid",
     .set = set_group_ids,
     .read = state_read_status,
     .alone = true},
    {.name = "status:Gid setfsgid",
     .claims = "__NR_setfsgid",
     .set = set_file_ids,
     .read = state_read_status,
     .alone = true},
    {.name = "status:Seccomp",
     .claims = "status:Seccomp status:Seccomp_filters PR_SET_SECCOMP __NR_seccomp",
     .set = filter_calls,
     .read = state_read_status,
     .refused = "is under a system call filter"},
    {.name = "landlock",
     .claims = "__NR_landlock_restrict_self",
     .set = enter_landlock,
     .read = read_access,
     .limit = "A Landlock domain",
     .may_lack = "a kernel with Landlock",
     .alone = true},
    {.name = "ns:uts",
     .claims = "ns:uts CLONE_NEWUTS __NR_unshare __NR_setns",
     NAMESPACE(CLONE_NEWUTS, "is in another host name namespace")},
    {.name = "ns:ipc",
     .claims = "ns:ipc CLONE_NEWIPC",
     NAMESPACE(CLONE_NEWIPC, "is in another IPC namespace")},
    {.name = "ns:net",
     .claims = "ns:net CLONE_NEWNET",
     NAMESPACE(CLONE_NEWNET, "is in another network namespace")},
    {.name = "ns:mnt",
     .claims = "ns:mnt CLONE_NEWNS",
     NAMESPACE(CLONE_NEWNS, "is in another mount namespace")},
    {.name = "ns:cgroup",
     .claims = "ns:cgroup CLONE_NEWCGROUP",
     NAMESPACE(CLONE_NEWCGROUP, "is in another cgroup namespace")},
    {.name = "ns:user",
     .claims = "ns:user CLONE_NEWUSER self:uid_map self:gid_map self:projid_map self:setgroups",
     NAMESPACE(CLONE_NEWUSER, "is in another user namespace")},
    {.name = "ns:pid_for_children",
     .claims = "ns:pid_for_children CLONE_NEWPID",
     NAMESPACE(CLONE_NEWPID, "would start children in another PID namespace")},
    {.name = "ns:time_for_children",
     .claims = "ns:time_for_children CLONE_NEWTIME self:timens_offsets",
     NAMESPACE(CLONE_NEWTIME, "would start children in another time namespace")},
    {.name = "KEY_SPEC_THREAD_KEYRING",
     .set = make_keyring,
     .read = read_keyring,
     .numbers = {KEY_SPEC_THREAD_KEYRING},
     .refused = "has a keyring of its own"},
    {.name = "KEY_SPEC_PROCESS_KEYRING",
     .set = make_keyring,
     .read = read_keyring,
     .numbers = {KEY_SPEC_PROCESS_KEYRING},
     .refused = "has a keyring of its own"},
    {.name = "KEY_SPEC_SESSION_KEYRING",
     .claims = "KEY_SPEC_SESSION_KEYRING KEYCTL_JOIN_SESSION_KEYRING",
     .set = join_session,
     .read = read_session,
     .limit = "the session keyring"},
    {.name = "KEYCTL_SET_REQKEY_KEYRING", .set = set_default_keyring, .read = read_default_keyring},
};

STATE_FAMILY(confinement_family, "confinement", states);
