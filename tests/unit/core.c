/* core.c: the server over a kernel in memory: the engine through it, and clients that die. */
#include "core/protocol.h"
#include "engine/engine.h"
#include "kernel/remote/backend.h"
#include "tests/unit/served.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct recap_kernel *client(const struct core *core)
{
    struct recap_kernel *kernel = NULL;
    struct recap_error error = {0};
    char address[32];
    snprintf(address, sizeof address, "fd:%d", core->ends[0]);
    int result = recap_remote_open(address, &kernel, &error);
    if (result < 0)
        print_message("%s\n", error.what);
    assert_int_equal(result, 0);
    return kernel;
}

static char folder[64];
static char path[128];

static int remove_one(const char *name, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(name);
}

static void remove_image(void)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/recap-core-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/image", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int take(struct recap_kernel *kernel, struct recap_error *error)
{
    const uint64_t id = 1;
    struct recap_refusals refusals = {0};
    struct recap_checkpoint_options options = {.path = path};
    int result = recap_engine_checkpoint(kernel, &id, 1, &options, &refusals, NULL, error);
    recap_refusals_clear(&refusals);
    return result;
}

static int give_back(struct recap_kernel *kernel, struct recap_pd **pd, struct recap_error *error)
{
    struct recap_image *image;
    struct recap_refusals refusals = {0};
    struct recap_restore_options options = {0};
    int result = recap_image_open(path, &image, error);
    if (result < 0)
        return result;
    result = recap_engine_restore(kernel, image, &options, pd, &refusals, error);
    recap_image_close(image);
    recap_refusals_clear(&refusals);
    return result;
}

static void test_comes_back_through_core(void **state)
{
    (void)state;
    struct core core = {0};
    struct recap_error error = {0};
    struct recap_pd *pd = NULL;
    fake_kernel_init(&core.kernel);
    struct fake_pd had = *fake_pd_populate(&core.kernel);
    start(&core);
    struct recap_kernel *kernel = client(&core);
    assert_string_equal(kernel->ops->name, "linux");
    assert_string_equal(kernel->ops->release(kernel), "1.0");
    assert_int_equal(take(kernel, &error), 0);
    assert_false(core.kernel.pds[0].exists);
    assert_int_equal(give_back(kernel, &pd, &error), 0);
    const struct fake_pd *made = &core.kernel.pds[0];
    assert_true(made->exists && made->suspended && !made->started);
    for (size_t i = 0; i < FAKE_SLOTS; i++) {
        assert_int_equal(!made->slots[i].badge, !had.slots[i].badge);
        assert_int_equal(made->slots[i].rights, had.slots[i].rights);
        assert_int_equal(made->slots[i].slot_flags, had.slots[i].slot_flags);
    }
    assert_true(made->slots[0].badge == made->slots[9].badge);
    assert_memory_equal(made->memory, had.memory, sizeof had.memory);
    assert_true(made->register_value == had.register_value);
    assert_int_equal(made->attribute, had.attribute);
    const struct fake_object *number = &core.kernel.objects[made->slots[0].badge - 1];
    assert_true(number->tied == made->slots[3].badge);
    /* Started, it stays when its client goes. */
    assert_int_equal(kernel->ops->resume(pd, &error), 0);
    kernel->ops->pd_close(pd);
    kernel->ops->close(kernel);
    stop(&core);
    assert_true(core.kernel.pds[0].exists && core.kernel.pds[0].started);
}

static void test_what_fails_in_core_is_told(void **state)
{
    (void)state;
    size_t fail_at = 1;
    bool done = false;
    for (; !done; fail_at++) {
        struct core core = {0};
        struct recap_error error = {0};
        fake_kernel_init(&core.kernel);
        struct fake_pd had = *fake_pd_populate(&core.kernel);
        core.kernel.fail_at = fail_at;
        start(&core);
        struct recap_kernel *kernel = client(&core);
        int result = take(kernel, &error);
        kernel->ops->close(kernel);
        stop(&core);
        done = core.kernel.calls < fail_at;
        assert_int_equal(result, done ? 0 : -EIO);
        if (!done) {
            assert_int_equal(error.code, -EIO);
            assert_true(core.kernel.pds[0].exists && !core.kernel.pds[0].suspended);
            assert_memory_equal(core.kernel.pds[0].slots, had.slots, sizeof had.slots);
            remove_image();
        }
    }
    assert_true(fail_at > 20);
    for (fail_at = 1, done = false; !done; fail_at++) {
        struct core core = {0};
        struct recap_error error = {0};
        struct recap_pd *pd = NULL;
        fake_kernel_init(&core.kernel);
        core.kernel.fail_at = fail_at;
        start(&core);
        struct recap_kernel *kernel = client(&core);
        int result = give_back(kernel, &pd, &error);
        bool made = core.kernel.pds[0].exists;
        kernel->ops->pd_close(pd);
        kernel->ops->close(kernel);
        stop(&core);
        done = core.kernel.calls < fail_at;
        assert_int_equal(result, done ? 0 : -EIO);
        assert_int_equal(made, done);
        assert_false(core.kernel.pds[0].exists);
    }
    assert_true(fail_at > 15);
}

/* What a client held is let go when it dies: between any two of its requests. */
static void test_a_client_that_dies(void **state)
{
    (void)state;
    struct recap_error error = {0};
    struct recap_pd *pd = NULL;
    struct core core = {0};
    fake_kernel_init(&core.kernel);
    fake_pd_populate(&core.kernel);
    start(&core);
    struct recap_kernel *kernel = client(&core);
    assert_int_equal(kernel->ops->pd_open(kernel, 1, &pd, &error), 0);
    assert_int_equal(kernel->ops->suspend(pd, &error), 0);
    assert_true(core.kernel.pds[0].suspended);
    shutdown(core.ends[0], SHUT_RDWR);
    stop(&core);
    assert_false(core.kernel.pds[0].suspended);
    assert_false(core.kernel.pds[0].open);
    /* A client that finds core gone is told so, and can be cleaned up. */
    assert_int_equal(kernel->ops->resume(pd, &error), -EPIPE);
    assert_non_null(strstr(error.what, "is gone"));
    kernel->ops->pd_close(pd);
    kernel->ops->close(kernel);
}

static void test_a_client_that_dies_in_a_restore(void **state)
{
    (void)state;
    struct core core = {0};
    struct recap_error error = {0};
    struct recap_pd *pd = NULL;
    fake_kernel_init(&core.kernel);
    fake_pd_populate(&core.kernel);
    start(&core);
    struct recap_kernel *kernel = client(&core);
    assert_int_equal(take(kernel, &error), 0);
    assert_int_equal(give_back(kernel, &pd, &error), 0);
    assert_true(core.kernel.pds[0].exists);
    shutdown(core.ends[0], SHUT_RDWR);
    stop(&core);
    assert_false(core.kernel.pds[0].exists);
    kernel->ops->pd_close(pd);
    kernel->ops->close(kernel);
}

/* A walk is one round trip, and so is a look at what it met. */
static void test_walks_are_batched(void **state)
{
    (void)state;
    struct core core = {0};
    struct recap_error error = {0};
    struct recap_pd *pd = NULL;
    struct recap_cap cap;
    recap_selector next = 0;
    size_t met = 0;
    fake_kernel_init(&core.kernel);
    fake_pd_populate(&core.kernel);
    start(&core);
    struct recap_kernel *kernel = client(&core);
    assert_int_equal(kernel->ops->pd_open(kernel, 1, &pd, &error), 0);
    for (recap_selector at = 0; at != RECAP_NO_SELECTOR; at = next) {
        assert_int_equal(kernel->ops->request(pd, at, &cap, &next, &error), 0);
        met += cap.badge != 0;
        if (at == 0)
            core.kernel.fail_at = core.kernel.calls + 1; /* nothing is asked of core from here on */
    }
    assert_int_equal(met, 3);
    core.kernel.fail_at = 0;
    /* What changes the PD is seen by the next request. */
    assert_int_equal(kernel->ops->request(pd, 0, &cap, &next, &error), 0);
    assert_int_equal(next, 3);
    assert_int_equal(kernel->ops->install(pd, 4, &cap, &error), 0);
    assert_int_equal(kernel->ops->request(pd, 3, &cap, &next, &error), 0);
    assert_int_equal(next, 4);
    kernel->ops->pd_close(pd);
    kernel->ops->close(kernel);
    stop(&core);
}

/* A kernel for each client. */
static int opened, closed;

static int open_for_client(void *context, struct recap_kernel **kernel, struct recap_error *error)
{
    struct core *core = context;
    if (opened == 2)
        return recap_fail(error, -EMFILE, "opening a kernel");
    opened++;
    *kernel = &core->kernel.base;
    return 0;
}

static void close_for_client(void *context, struct recap_kernel *kernel)
{
    struct core *core = context;
    assert_ptr_equal(kernel, &core->kernel.base);
    assert_false(core->kernel.pds[0].suspended);
    closed++;
}

/* What was opened for a client is closed when its bye is answered, and only then. */
static void test_a_kernel_for_each_client(void **state)
{
    (void)state;
    struct core core = {
        .opens = true,
        .limits = {.open = open_for_client, .close = close_for_client, .context = &core}};
    struct recap_error error = {0};
    struct recap_pd *pd = NULL;
    fake_kernel_init(&core.kernel);
    fake_pd_populate(&core.kernel);
    opened = closed = 0;
    start(&core);
    for (int i = 1; i <= 2; i++) {
        struct recap_kernel *kernel = client(&core);
        assert_int_equal(opened, i);
        assert_int_equal(kernel->ops->pd_open(kernel, 1, &pd, &error), 0);
        assert_int_equal(kernel->ops->suspend(pd, &error), 0);
        assert_int_equal(closed, i - 1);
        kernel->ops->pd_close(pd);
        kernel->ops->close(kernel);
        assert_int_equal(closed, i);
    }
    /* One that cannot be opened is the answer to the hello, and nothing else is served. */
    struct speaker speaker = speak(&core);
    assert_int_equal(SAY(&speaker, ASK_HELLO, NULL, WIRE_VERSION, 65536), -EMFILE);
    assert_int_equal(SAY(&speaker, ASK_LIST, NULL, 0), -EPROTO);
    wire_channel_clear(&speaker.channel);
    descriptor_stream_clear(&speaker.stream);
    stop(&core);
    assert_int_equal(core.result, 0);
    assert_int_equal(closed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kernel_for_each_client),
        cmocka_unit_test_setup_teardown(test_comes_back_through_core, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_what_fails_in_core_is_told, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_a_client_that_dies),
        cmocka_unit_test_setup_teardown(test_a_client_that_dies_in_a_restore, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_walks_are_batched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
