/* request.c: walking a capability space: selectors, rights and badges are those of the kernel. */
#include "kernel/linux/backend.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct recap_kernel *kernel;
    struct linux_pd pd;
};

static void look_at(struct fixture *fixture, pid_t pid)
{
    char path[32];
    assert_int_equal(recap_linux_open(&fixture->kernel, NULL), 0);
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    fixture->pd = (struct linux_pd){.base = {fixture->kernel, (uint64_t)pid},
                                    .kernel = linux_kernel(fixture->kernel),
                                    .pid = pid,
                                    .pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
                                    .proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    assert_true(fixture->pd.pidfd >= 0 && fixture->pd.proc >= 0);
}

static void look_away(struct fixture *fixture)
{
    linux_walk_free(fixture->pd.walk);
    close(fixture->pd.pidfd);
    close(fixture->pd.proc);
    fixture->kernel->ops->close(fixture->kernel);
}

static struct recap_cap at(struct fixture *fixture, recap_selector selector)
{
    struct recap_cap cap;
    assert_int_equal(linux_request(&fixture->pd.base, selector, &cap, NULL, NULL), 0);
    return cap;
}

/* A child with no descriptors but those that `build` opens. It lives until its parent kills it. */
static pid_t start(void (*build)(void))
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int last = fcntl(ready[1], F_DUPFD, 999);
        syscall(SYS_close_range, 0, last - 1, 0);
        syscall(SYS_close_range, last + 1, ~0u, 0);
        build();
        close(last);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 0);
    close(ready[0]);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void build_sparse(void)
{
    dup2(open("/dev/null", O_RDONLY), 7);
    close(0);
    fcntl(open("/dev/zero", O_RDWR), F_DUPFD_CLOEXEC, 300);
    close(0);
    dup2(open("/", O_PATH), 900);
    close(0);
    dup2(7, 50);
    dup2(open("/dev/null", O_WRONLY), 51);
    close(0);
}

static void test_visits_exactly_the_used_selectors(void **state)
{
    (void)state;
    static const recap_selector expected[] = {7, 50, 51, 300, 900};
    static const uint32_t rights[] = {RECAP_RIGHT_READ, RECAP_RIGHT_READ, RECAP_RIGHT_WRITE,
                                      RECAP_RIGHT_READ | RECAP_RIGHT_WRITE, RECAP_RIGHT_PATH};
    pid_t pid = start(build_sparse);
    for (int suspended = 0; suspended < 2; suspended++) {
        struct fixture f;
        look_at(&f, pid);
        f.pd.suspended = suspended;
        size_t found = 0;
        recap_selector selector = 0, next;
        for (; selector != RECAP_NO_SELECTOR; selector = next) {
            struct recap_cap cap;
            assert_int_equal(linux_request(&f.pd.base, selector, &cap, &next, NULL), 0);
            if (selector == 0) {
                assert_true(cap.badge == 0);
                continue;
            }
            assert_int_equal(selector, expected[found]);
            assert_int_equal(cap.rights, rights[found]);
            assert_int_equal(cap.slot_flags, selector == 300 ? RECAP_SLOT_CLOSE_ON_EXEC : 0);
            assert_int_equal(cap.references, 1);
            found++;
        }
        assert_int_equal(found, 5);
        assert_true(at(&f, 7).badge == at(&f, 50).badge);
        assert_true(at(&f, 7).badge != at(&f, 51).badge);
        assert_true(at(&f, 8).badge == 0);
        assert_true(at(&f, 1ull << 40).badge == 0);
        assert_int_equal(linux_request(&f.pd.base, 51, NULL, &next, NULL), 0);
        assert_int_equal(next, 300);
        assert_int_equal(linux_request(&f.pd.base, 6, NULL, &next, NULL), 0);
        assert_int_equal(next, 7);
        look_away(&f);
    }
    stop(pid);
}

enum { MANY = 400 };

static void build_many(void)
{
    struct rlimit most = {4096, 4096};
    setrlimit(RLIMIT_NOFILE, &most);
    /* One inode for all of them: only kcmp tells them apart. */
    for (int i = 0; i < MANY; i++)
        if (open("/dev/null", O_RDWR) != i)
            _exit(1);
    for (int i = 0; i < MANY; i++)
        dup2(i, 1000 + (i * 7) % MANY);
}

static void test_partition_is_that_of_the_kernel(void **state)
{
    (void)state;
    pid_t pid = start(build_many), other = start(build_sparse);
    struct fixture f;
    look_at(&f, pid);
    /* The second round meets the badges of the first again, the third is of a suspended PD. */
    recap_badge first[MANY];
    for (int round = 0; round < 3; round++) {
        f.pd.suspended = round == 2;
        recap_badge badges[MANY];
        for (int i = 0; i < MANY; i++) {
            badges[i] = at(&f, (recap_selector)i).badge;
            for (int j = 0; j < i; j++)
                assert_true(badges[i] && badges[i] != badges[j]);
            if (round)
                assert_true(badges[i] == first[i]);
            first[i] = badges[i];
        }
        for (int i = 0; i < MANY; i++)
            assert_true(at(&f, (recap_selector)(1000 + (i * 7) % MANY)).badge == badges[i]);
    }
    look_away(&f);
    stop(pid);
    stop(other);
}

static void test_sharing_is_seen_across_pds(void **state)
{
    (void)state;
    int shared = fcntl(open("/dev/null", O_RDONLY), F_DUPFD, 600);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(shared, 601);
        for (;;)
            pause();
    }
    struct fixture f;
    look_at(&f, pid);
    recap_badge own;
    int copy = fcntl(shared, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(linux_badge_own(f.pd.kernel, copy, &own, NULL), 0);
    assert_true(at(&f, 600).badge == own);
    int fd;
    assert_int_equal(linux_badge_fd(f.pd.kernel, own, &fd, NULL), 0);
    close(fd);
    look_away(&f);
    /* The other way round: known from elsewhere first. Our own descriptor then outlives it. */
    look_at(&f, pid);
    own = at(&f, 600).badge;
    recap_badge adopted;
    copy = fcntl(shared, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(linux_badge_own(f.pd.kernel, copy, &adopted, NULL), 0);
    assert_true(own == adopted);
    stop(pid);
    assert_int_equal(linux_badge_fd(f.pd.kernel, own, &fd, NULL), 0);
    close(fd);
    look_away(&f);
    close(shared);
}

/* We are the target here, so that its table changes between any two requests. */
static void test_changes_between_requests_are_seen(void **state)
{
    (void)state;
    struct fixture f;
    look_at(&f, getpid());
    int first = fcntl(open("/dev/null", O_RDONLY), F_DUPFD, 700);
    int second = fcntl(open("/dev/null", O_RDONLY), F_DUPFD, 700);
    int third = dup2(second, 705);
    recap_badge one = at(&f, (recap_selector)first).badge;
    recap_badge two = at(&f, (recap_selector)second).badge;
    assert_true(one != two && at(&f, 705).badge == two);
    /* What stood for the first description now refers to the second. */
    dup2(second, first);
    assert_true(at(&f, (recap_selector)first).badge == at(&f, (recap_selector)second).badge);
    assert_true(at(&f, 705).badge == at(&f, (recap_selector)second).badge);
    recap_selector next;
    assert_int_equal(linux_request(&f.pd.base, (recap_selector)first, NULL, &next, NULL), 0);
    assert_int_equal(next, second);
    close(second);
    int between = dup2(third, 703);
    assert_int_equal(linux_request(&f.pd.base, (recap_selector)first, NULL, &next, NULL), 0);
    assert_int_equal(next, between);
    close(first);
    assert_true(at(&f, (recap_selector)first).badge == 0);
    assert_true(at(&f, 703).badge == at(&f, 705).badge);
    close(third);
    close(between);
    look_away(&f);
}

static void test_a_replaced_home_is_noticed(void **state)
{
    (void)state;
    struct fixture f;
    int fd = fcntl(open("/dev/null", O_RDONLY), F_DUPFD, 700), got;
    look_at(&f, getpid());
    recap_badge badge = at(&f, (recap_selector)fd).badge;
    assert_int_equal(linux_badge_fd(f.pd.kernel, badge, &got, NULL), 0);
    close(got);
    dup2(open("/dev/zero", O_RDONLY), fd);
    assert_int_equal(linux_badge_fd(f.pd.kernel, badge, &got, NULL), -ESTALE);
    struct recap_arena *arena = recap_arena_new();
    struct recap_object object = {.id = 1};
    const char *label;
    assert_int_equal(linux_describe(f.kernel, badge, arena, &object, NULL), -ESTALE);
    assert_int_equal(linux_label(f.kernel, badge, arena, &label, NULL), 0);
    assert_non_null(strstr(label, "/dev/null")); /* what was requested */
    badge = at(&f, (recap_selector)fd).badge;
    assert_int_equal(linux_label(f.kernel, badge, arena, &label, NULL), 0);
    assert_non_null(strstr(label, "/dev/zero"));
    recap_arena_free(arena);
    close(fd);
    look_away(&f);
}

static void test_long_fdinfo_is_read_whole(void **state)
{
    (void)state;
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    enum { TARGETS = 500 };
    int targets[TARGETS];
    for (int i = 0; i < TARGETS; i++) {
        targets[i] = eventfd(0, 0);
        assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, targets[i], &event), 0);
    }
    struct linux_description *description;
    assert_int_equal(linux_description_read((struct linux_home){0, set}, &description, NULL), 0);
    assert_string_equal(description->link, "anon_inode:[eventpoll]");
    size_t lines = 0;
    for (const char *line = description->fdinfo; (line = strstr(line, "tfd:")); line++)
        lines++;
    assert_int_equal(lines, TARGETS);
    linux_description_free(description);
    assert_int_equal(linux_description_read((struct linux_home){0, 100000}, &description, NULL),
                     -EBADF);
    for (int i = 0; i < TARGETS; i++)
        close(targets[i]);
    close(set);
}

static void test_ends_are_found_by_inode(void **state)
{
    (void)state;
    int ends[2];
    struct fixture f;
    assert_int_equal(pipe(ends), 0);
    look_at(&f, getpid());
    struct linux_description *description;
    assert_int_equal(linux_description_read((struct linux_home){0, ends[0]}, &description, NULL),
                     0);
    uint64_t inode = description->status.st_ino;
    linux_description_free(description);
    recap_badge reader = at(&f, (recap_selector)ends[0]).badge;
    assert_true(linux_badge_with_inode(f.pd.kernel, inode, 0) == reader);
    assert_true(linux_badge_with_inode(f.pd.kernel, inode, reader) == 0);
    recap_badge writer = at(&f, (recap_selector)ends[1]).badge;
    recap_badge one = linux_badge_with_inode(f.pd.kernel, inode, 0);
    recap_badge two = linux_badge_with_inode(f.pd.kernel, inode, one);
    assert_true((one == reader && two == writer) || (one == writer && two == reader));
    assert_true(linux_badge_with_inode(f.pd.kernel, inode, two) == 0);
    close(ends[0]);
    close(ends[1]);
    look_away(&f);
}

static void free_otherwise(void *data)
{
    free(data);
}

static void test_inner_objects_are_their_numbers(void **state)
{
    (void)state;
    struct recap_kernel *kernel;
    assert_int_equal(recap_linux_open(&kernel, NULL), 0);
    struct linux_kernel *k = linux_kernel(kernel);
    recap_badge a, b, c;
    assert_int_equal(linux_badge_inner(k, "pipe", 1, 2, &a, NULL), 0);
    assert_int_equal(linux_badge_inner(k, "pipe", 2, 1, &b, NULL), 0);
    assert_int_equal(linux_badge_inner(k, "mapped-file", 1, 2, &c, NULL), 0);
    assert_true(a != b && b != c && a != c);
    assert_int_equal(linux_badge_inner(k, "pipe", 1, 2, &b, NULL), 0);
    assert_true(a == b);
    const char *kind;
    uint64_t major, minor;
    assert_true(linux_badge_is_inner(k, c, &kind, &major, &minor));
    assert_string_equal(kind, "mapped-file");
    assert_true(major == 1 && minor == 2);
    linux_badge_keep(k, c, strdup("kept"), free);
    /* Only to the kind that kept it: who else asks would take it for something else. */
    assert_null(linux_badge_kept(k, c, free_otherwise));
    assert_string_equal(linux_badge_kept(k, c, free), "kept");
    assert_int_equal(linux_badge_made(k, "pipe", strdup("made"), free, &b, NULL), 0);
    assert_string_equal(linux_badge_kept(k, b, free), "made");
    kernel->ops->close(kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visits_exactly_the_used_selectors),
        cmocka_unit_test(test_partition_is_that_of_the_kernel),
        cmocka_unit_test(test_sharing_is_seen_across_pds),
        cmocka_unit_test(test_changes_between_requests_are_seen),
        cmocka_unit_test(test_a_replaced_home_is_noticed),
        cmocka_unit_test(test_long_fdinfo_is_read_whole),
        cmocka_unit_test(test_ends_are_found_by_inode),
        cmocka_unit_test(test_inner_objects_are_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
