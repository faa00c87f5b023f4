/* credentials.c: who each thread is. The first one keeps its ids, gives up capabilities and may
 * gain none; as root, a second one is another user with other groups, and with ambient
 * capabilities. */
#include "subject.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GROUPS = 300 };

struct who {
    uid_t users[3], file_user;
    gid_t groups[3], file_group, further[GROUPS + 1];
    int further_count;
    struct __user_cap_data_struct sets[2];
    uint64_t bounding, ambient;
    int secure_bits, death_signal, no_new_privileges;
};

static atomic_bool ready, check;

static void ask(struct who *who)
{
    memset(who, 0, sizeof *who);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    syscall(SYS_getresuid, &who->users[0], &who->users[1], &who->users[2]);
    syscall(SYS_getresgid, &who->groups[0], &who->groups[1], &who->groups[2]);
    who->file_user = (uid_t)syscall(SYS_setfsuid, -1);
    who->file_group = (gid_t)syscall(SYS_setfsgid, -1);
    who->further_count = (int)syscall(SYS_getgroups, GROUPS + 1, who->further);
    syscall(SYS_capget, &header, who->sets);
    for (int i = 0; i < 64; i++) {
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
            who->bounding |= UINT64_C(1) << i;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
            who->ambient |= UINT64_C(1) << i;
    }
    who->secure_bits = prctl(PR_GET_SECUREBITS);
    prctl(PR_GET_PDEATHSIG, &who->death_signal);
    who->no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static void compare(const char *thread, const struct who *a, const struct who *b, bool all_groups)
{
    subject_check(memcmp(a->users, b->users, sizeof a->users) == 0, "%s: user ids %u %u %u", thread,
                  b->users[0], b->users[1], b->users[2]);
    subject_check(memcmp(a->groups, b->groups, sizeof a->groups) == 0, "%s: group ids %u %u %u",
                  thread, b->groups[0], b->groups[1], b->groups[2]);
    subject_check(a->file_user == b->file_user && a->file_group == b->file_group,
                  "%s: file system ids %u %u", thread, b->file_user, b->file_group);
    subject_check(!all_groups || (a->further_count == b->further_count &&
                                  memcmp(a->further, b->further, sizeof a->further) == 0),
                  "%s: %d groups, not %d", thread, b->further_count, a->further_count);
    subject_check(memcmp(a->sets, b->sets, sizeof a->sets) == 0,
                  "%s: capabilities %08x%08x effective, %08x%08x permitted, %08x%08x inheritable",
                  thread, b->sets[1].effective, b->sets[0].effective, b->sets[1].permitted,
                  b->sets[0].permitted, b->sets[1].inheritable, b->sets[0].inheritable);
    subject_check(a->bounding == b->bounding, "%s: bounding set %#lx, not %#lx", thread,
                  (unsigned long)b->bounding, (unsigned long)a->bounding);
    subject_check(a->ambient == b->ambient, "%s: ambient set %#lx, not %#lx", thread,
                  (unsigned long)b->ambient, (unsigned long)a->ambient);
    subject_check(a->secure_bits == b->secure_bits, "%s: secure bits %#x, not %#x", thread,
                  (unsigned int)b->secure_bits, (unsigned int)a->secure_bits);
    subject_check(a->no_new_privileges == b->no_new_privileges, "%s: no_new_privs is %d", thread,
                  b->no_new_privileges);
    subject_check(a->death_signal == b->death_signal, "%s: parent-death signal %d, not %d", thread,
                  b->death_signal, a->death_signal);
}

static void set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
    subject_need(syscall(SYS_capset, &header, sets) == 0, "capset: %m");
}

#define CAP(name) (UINT64_C(1) << CAP_##name)

/* System calls and not the C library, which would change all threads. */
static void become_another(void)
{
    static gid_t groups[GROUPS];
    for (int i = 0; i < GROUPS; i++)
        groups[i] = (gid_t)(5000 + 2 * i);
    subject_need(syscall(SYS_setgroups, GROUPS, groups) == 0, "setgroups: %m");
    subject_need(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP) == 0,
                 "securebits: %m");
    subject_need(syscall(SYS_setresgid, 6001, 6002, 6003) == 0, "setresgid: %m");
    subject_need(syscall(SYS_setresuid, 7001, 0, 7003) == 0, "setresuid: %m");
    syscall(SYS_setfsgid, 6003);
    syscall(SYS_setfsuid, 7003);
    set_capabilities(CAP(CHOWN) | CAP(SETPCAP), CAP(CHOWN) | CAP(KILL) | CAP(SETPCAP),
                     CAP(KILL) | CAP(NET_RAW) | CAP(CHOWN));
    subject_need(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0, "ambient: %m");
    subject_need(prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0) == 0, "bounding: %m");
    subject_need(prctl(PR_CAPBSET_DROP, CAP_SYSLOG, 0, 0, 0) == 0, "bounding: %m");
    subject_need(prctl(PR_SET_SECUREBITS,
                       SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE) == 0,
                 "securebits: %m");
    set_capabilities(CAP(CHOWN), CAP(CHOWN) | CAP(KILL), CAP(KILL) | CAP(NET_RAW) | CAP(CHOWN));
}

static void *be_another(void *unused)
{
    (void)unused;
    struct who before, after;
    if (geteuid() == 0)
        become_another();
    ask(&before);
    ready = true;
    while (!check)
        usleep(1000);
    ask(&after);
    compare("second thread", &before, &after, geteuid() == 0);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    struct who before, after;
    bool root = geteuid() == 0;
    subject_need(pthread_create(&thread, NULL, be_another, NULL) == 0, "pthread_create");
    while (!ready)
        usleep(1000);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    /* One that does nothing: whoever restores this may end before it. */
    prctl(PR_SET_PDEATHSIG, SIGWINCH);
    /* An ordinary user may not look into one that is not dumpable. */
    if (root)
        prctl(PR_SET_DUMPABLE, 0);
    ask(&before);

    subject_ready();
    subject_wait_go();

    ask(&after);
    compare("first thread", &before, &after, root);
    subject_check(prctl(PR_GET_DUMPABLE) == !root, "dumpable is %d", prctl(PR_GET_DUMPABLE));
    check = true;
    pthread_join(thread, NULL);
    return subject_done();
}
