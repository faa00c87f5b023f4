/* unknown.c: objects that cannot be restored are named for what they are, each with its selector
 * and the way past; and reading /proc, which the names come from. */
#include "remake.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int open_io_uring(void)
{
    struct io_uring_params parameters = {0};
    return (int)syscall(SYS_io_uring_setup, 4, &parameters);
}

static int open_userfaultfd(void)
{
    return (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1);
}

static int open_perf_event(void)
{
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE,
                                         .size = sizeof attributes,
                                         .config = PERF_COUNT_SW_TASK_CLOCK,
                                         .exclude_kernel = 1};
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

static int open_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static int open_raw(void)
{
    return socket(AF_INET, SOCK_RAW, 1);
}

static int open_namespace(void)
{
    return open("/proc/self/ns/net", O_RDONLY);
}

static int open_fanotify(void)
{
    return fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
}

static int open_secret(void)
{
    return (int)syscall(447 /* memfd_secret */, 0);
}

static int open_queue(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    int fd = mq_open("/recap-unknown", O_CREAT | O_RDWR, 0600, &attributes);
    mq_unlink("/recap-unknown");
    return fd;
}

static int open_block_device(void)
{
    return open("/dev/vda", O_RDONLY);
}

static int open_owned(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -1;
    close(ends[1]);
    fcntl(ends[0], F_SETOWN, getppid());
    return ends[0];
}

static int open_notified(void)
{
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
    fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
    signal(SIGIO, SIG_IGN);
    return fd;
}

static int open_trigger(void)
{
    return open("/proc/pressure/cpu", O_RDWR);
}

static int open_fdinfo(void)
{
    return open("/proc/self/fdinfo/0", O_RDONLY);
}

static int open_log(void)
{
    return open("/proc/kmsg", O_RDONLY | O_NONBLOCK);
}

static int open_trace(void)
{
    return open("/sys/kernel/tracing/README", O_RDONLY);
}

/* What is said of a process or a control group, after it ended. */
static int open_ended(void)
{
    char path[64];
    pid_t child = fork();
    if (child == 0)
        pause();
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    int fd = open(path, O_RDONLY);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return fd;
}

static int open_removed_group(void)
{
    static const char *const places[] = {"/sys/fs/cgroup/recap-unknown",
                                         "/sys/fs/cgroup/unified/recap-unknown"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[128];
        if (mkdir(places[i], 0700) < 0)
            continue;
        snprintf(path, sizeof path, "%s/cgroup.events", places[i]);
        int fd = open(path, O_RDONLY);
        rmdir(places[i]);
        return fd;
    }
    return -1;
}

static const struct {
    int (*open)(void);
    const char *name;
} kinds[] = {
    {open_io_uring, "io_uring"},
    {open_userfaultfd, "userfaultfd"},
    {open_perf_event, "perf event"},

    {open_packet, "packet socket"},
    {open_raw, "raw socket"},
    {open_namespace, "network namespace"},
    {open_fanotify, "fanotify"},
    {open_secret, "secret memory"},
    {open_queue, "message queue"},
    {open_block_device, "block device"},
    {open_owned, "F_SETOWN"},
    {open_notified, "F_NOTIFY"},
    {open_trigger, "trigger"},
    {open_fdinfo, "one descriptor"},
    {open_log, "/proc/kmsg"},
    {open_trace, "tracefs"},
    {open_ended, "is gone"},
    {open_removed_group, "is gone"},
};

static void test_each_is_refused_by_name(void **state)
{
    (void)state;
    size_t tried = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int fd = kinds[i].open();
        if (fd < 0)
            continue; /* this machine or user has none */
        tried++;
        struct remake remake;
        remake_describe(&remake, &fd, 1, false);
        assert_int_equal(remake.refusals.count, 1);
        const struct recap_error *refusal = &remake.refusals.items[0];
        assert_int_equal(refusal->cls, RECAP_UNSUPPORTED);
        assert_true(refusal->has_selector && refusal->selector == (recap_selector)fd);
        if (!strstr(refusal->what, kinds[i].name))
            fail_msg("%s is called: %s", kinds[i].name, refusal->what);
        assert_non_null(strstr(refusal->remedy, "--bind "));
        struct recap_arena *arena = recap_arena_new();
        recap_badge badge;
        const char *label;
        assert_int_equal(linux_adopt(remake.kernel, fd, &badge, NULL), 0);
        assert_int_equal(linux_label(remake.kernel, badge, arena, &label, NULL), 0);
        assert_true(label && *label);
        recap_arena_free(arena);
        remake_free(&remake);
        close(fd);
    }
    assert_true(tried >= 2);
}

static void test_fields_are_found_at_the_start_of_lines(void **state)
{
    (void)state;
    const char *text = "Name:\tPid:\t5\nPid:\t7\nlast:  x";
    assert_int_equal(*linux_procfs_field(text, "Pid"), '7');
    assert_int_equal(*linux_procfs_field(text, "last"), 'x');
    assert_null(linux_procfs_field(text, "as"));
    assert_null(linux_procfs_field("", "Name"));
}

static void test_files_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    char small[16], *text;
    size_t length;
    int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(linux_procfs_read_into(proc, "status", small, sizeof small), -EOVERFLOW);
    assert_true(linux_procfs_read_into(proc, "comm", small, sizeof small) > 0);
    assert_int_equal(linux_procfs_read_into(proc, "nothing", small, sizeof small), -ENOENT);
    assert_int_equal(linux_procfs_link(proc, "exe", small, 2), -EOVERFLOW);
    /* Longer than any buffer that was there before. */
    assert_int_equal(linux_procfs_read(proc, "smaps", &text, &length), 0);
    assert_true(length > 4096 && strlen(text) == length);
    free(text);
    close(proc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_refused_by_name),
        cmocka_unit_test(test_fields_are_found_at_the_start_of_lines),
        cmocka_unit_test(test_files_are_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
