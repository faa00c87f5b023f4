/* core.c: the server over a kernel in memory: the engine through it, and clients that mean it harm.
 */
#include "core/descriptor_stream.h"
#include "core/protocol.h"
#include "core/server.h"
#include "core/wire.h"
#include "engine/engine.h"
#include "tests/unit/fake_kernel.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A core on a thread of its own, and the client's end of the socket. */
struct core {
    struct fake_kernel kernel;
    struct core_limits limits;
    struct descriptor_stream stream;
    pthread_t thread;
    int ends[2];
    int result;
};

static void *serve(void *context)
{
    struct core *core = context;
    core->result = core_serve(&core->kernel.base, &core->stream.base, &core->limits);
    return NULL;
}

static void start(struct core *core)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, core->ends), 0);
    descriptor_stream_init(&core->stream, core->ends[1], true);
    assert_int_equal(pthread_create(&core->thread, NULL, serve, core), 0);
}

/* The client is gone. */
static void stop(struct core *core)
{
    close(core->ends[0]);
    pthread_join(core->thread, NULL);
    descriptor_stream_clear(&core->stream);
    close(core->ends[1]);
}

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

/* --- a client that speaks for itself ---------------------------------------------------------- */

struct speaker {
    struct descriptor_stream stream;
    struct wire_channel channel;
    uint32_t number;
};

static struct speaker speak(const struct core *core)
{
    struct speaker speaker = {0};
    descriptor_stream_init(&speaker.stream, core->ends[0], true);
    speaker.stream.patience = 5000;
    speaker.channel = (struct wire_channel){.frame_in = 1 << 20, .frame_out = 1 << 20};
    return speaker;
}

/* Sends numbers as a request and returns the errno of the answer, or 0; `first` its first number.
 */
static int say(struct speaker *speaker, uint8_t type, const uint64_t *numbers, size_t count,
               uint64_t *first)
{
    struct wire_out out = {0};
    struct wire_message message = {0};
    struct recap_error error = {0};
    speaker->channel.stream = &speaker->stream.base;
    for (size_t i = 0; i < count; i++)
        wire_put_number(&out, numbers[i]);
    assert_int_equal(
        wire_send(&speaker->channel, type, ++speaker->number, out.data, out.length, -1), 0);
    free(out.data);
    assert_int_equal(wire_receive(&speaker->channel, &message), 1);
    assert_int_equal(message.number, speaker->number);
    struct wire_in in = {message.data, message.data + message.length, false};
    if (message.type == ANSWER_ERROR) {
        wire_get_error(&in, &error);
        assert_true(wire_done(&in) && error.code < 0 && *error.what);
    } else {
        assert_int_equal(message.type, ANSWER_DONE);
        if (first)
            *first = wire_get_number(&in);
    }
    free(message.data);
    return error.code;
}

#define SAY(speaker, type, first, ...)                                                             \
    say(speaker, type, (const uint64_t[]){__VA_ARGS__},                                            \
        sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), first)

static void begin(struct core *core, struct speaker *speaker)
{
    uint64_t version;
    fake_kernel_init(&core->kernel);
    fake_pd_populate(&core->kernel);
    start(core);
    *speaker = speak(core);
    assert_int_equal(SAY(speaker, ASK_HELLO, &version, WIRE_VERSION, 65536), 0);
    assert_int_equal(version, WIRE_VERSION);
}

static void end(struct core *core, struct speaker *speaker)
{
    wire_channel_clear(&speaker->channel);
    descriptor_stream_clear(&speaker->stream);
    stop(core);
    assert_int_equal(core->result, 0);
}

static void test_forged_names_are_refused(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    uint64_t pd, badge;
    begin(&core, &speaker);
    /* Badges 1 and 2 exist, and nobody gave them to this client. */
    assert_int_equal(SAY(&speaker, ASK_DESCRIBE, NULL, 1, 1), -EACCES);
    assert_int_equal(SAY(&speaker, ASK_LABEL, NULL, 1, 2), -EACCES);
    assert_int_equal(SAY(&speaker, ASK_CONTENT, NULL, 1, 0, 10), -EACCES);
    assert_int_equal(SAY(&speaker, ASK_LOCAL, NULL, 1), -EOPNOTSUPP);
    assert_int_equal(SAY(&speaker, ASK_OPEN, &pd, 1), 0);
    assert_int_equal(SAY(&speaker, ASK_INSTALL, NULL, pd, 1, 5, 1, 0, 1, 0, 1), -EACCES);
    assert_int_equal(core.kernel.pds[0].slots[5].badge, 0);
    /* Numbers of PDs that there are not. */
    const uint8_t about_pds[] = {ASK_CLOSE,      ASK_EXAMINE, ASK_SUSPEND, ASK_RESUME,  ASK_DESTROY,
                                 ASK_REQUEST,    ASK_INSTALL, ASK_REMOVE,  ASK_REGIONS, ASK_READ,
                                 ASK_ATTRIBUTES, ASK_THREADS, ASK_WRITE,   ASK_SESSION};
    for (size_t i = 0; i < sizeof about_pds; i++) {
        assert_int_equal(SAY(&speaker, about_pds[i], NULL, 0), -EBADF);
        assert_int_equal(SAY(&speaker, about_pds[i], NULL, pd + 1), -EBADF);
        assert_int_equal(SAY(&speaker, about_pds[i], NULL, UINT64_MAX), -EBADF);
    }
    /* A PD that runs, or that the client did not create. */
    assert_int_equal(SAY(&speaker, ASK_READ, NULL, pd, 0x10000, 16), -EBUSY);
    assert_int_equal(SAY(&speaker, ASK_REGIONS, NULL, pd), -EBUSY);
    assert_int_equal(SAY(&speaker, ASK_SUSPEND, NULL, pd), 0);
    assert_true(core.kernel.pds[0].suspended);
    assert_int_equal(SAY(&speaker, ASK_MAP, NULL, 0, pd, 0), -EPERM);
    assert_int_equal(SAY(&speaker, ASK_SET_THREADS, NULL, pd, 0), -EPERM);
    assert_int_equal(SAY(&speaker, ASK_CREATE_PD, NULL, 0), -EINVAL);
    assert_int_equal(SAY(&speaker, ASK_CREATE, NULL, 1, 0), -EINVAL);
    assert_int_equal(SAY(&speaker, ASK_COMPARE, NULL, 1, 1), -EINVAL);
    /* What there is not to be asked. */
    assert_int_equal(SAY(&speaker, 0, NULL, 0), -ENOSYS);
    assert_int_equal(SAY(&speaker, ASK_END, NULL, 0), -ENOSYS);
    assert_int_equal(SAY(&speaker, ANSWER_CONTENT, NULL, 0), -ENOSYS);
    /* After all this the session goes on. */
    assert_int_equal(SAY(&speaker, ASK_REQUEST, NULL, pd, 0, 100), 0);
    assert_int_equal(SAY(&speaker, ASK_DESCRIBE, &badge, 1, 1), 0);
    end(&core, &speaker);
    assert_false(core.kernel.pds[0].suspended);
}

static void test_who_says_no_hello_is_not_served(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    uint64_t version = 0;
    begin(&core, &speaker);
    assert_int_equal(SAY(&speaker, ASK_HELLO, &version, 999), 0);
    assert_int_equal(version, WIRE_VERSION);
    assert_int_equal(SAY(&speaker, ASK_OPEN, NULL, 1), -EPROTO);
    assert_int_equal(SAY(&speaker, ASK_HELLO, &version, WIRE_VERSION, 10), -EBADMSG);
    assert_int_equal(SAY(&speaker, ASK_OPEN, NULL, 1), -EPROTO);
    end(&core, &speaker);
}

/* Another client on the same line: what the one before held is let go. */
static void test_another_hello_begins_anew(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    uint64_t pd;
    begin(&core, &speaker);
    assert_int_equal(SAY(&speaker, ASK_OPEN, &pd, 1), 0);
    assert_int_equal(SAY(&speaker, ASK_SUSPEND, NULL, pd), 0);
    assert_true(core.kernel.pds[0].suspended);
    assert_int_equal(SAY(&speaker, ASK_HELLO, NULL, WIRE_VERSION, 65536), 0);
    assert_false(core.kernel.pds[0].suspended);
    assert_int_equal(SAY(&speaker, ASK_RESUME, NULL, pd), -EBADF);
    end(&core, &speaker);
}

static void test_malformed_requests(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    begin(&core, &speaker);
    for (unsigned type = ASK_LIST; type < ASK_END; type++)
        for (size_t count = 0; count < 6; count++) {
            const uint64_t numbers[] = {1, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 7};
            if (type != ASK_OPEN)
                say(&speaker, (uint8_t)type, numbers, count, NULL);
        }
    assert_int_equal(SAY(&speaker, ASK_OPEN, NULL, 1), 0);
    end(&core, &speaker);
}

/* Bytes that are no frames: core finds the next one. */
static void test_nonsense_is_passed_over(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    begin(&core, &speaker);
    unsigned char nonsense[5000];
    for (size_t i = 0; i < sizeof nonsense; i++)
        nonsense[i] = (unsigned char)(i * 7 + i / 64);
    assert_int_equal(write(core.ends[0], nonsense, sizeof nonsense), sizeof nonsense);
    assert_int_equal(SAY(&speaker, ASK_OPEN, NULL, 1), 0);
    end(&core, &speaker);
}

/* Memory is bounded, and the session outlives the refusal. */
static void test_floods_are_refused(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    struct wire_message message = {0};
    static unsigned char zeros[1 << 20];
    core.limits.memory = 1 << 20;
    begin(&core, &speaker);
    speaker.channel.stream = &speaker.stream.base;
    speaker.channel.frame_out = 60000;
    assert_int_equal(
        wire_send(&speaker.channel, ASK_GRAPH, ++speaker.number, zeros, sizeof zeros, -1), 0);
    assert_int_equal(wire_receive(&speaker.channel, &message), 1);
    assert_int_equal(message.type, ANSWER_ERROR);
    struct recap_error error;
    struct wire_in in = {message.data, message.data + message.length, false};
    wire_get_error(&in, &error);
    assert_int_equal(error.code, -EMSGSIZE);
    free(message.data);
    /* Objects without end, in messages that are each allowed. */
    struct wire_out out = {0};
    wire_put_number(&out, PART_GRAPH);
    for (int i = 0; i < 3; i++)
        wire_put_text(&out, "linux");
    wire_put_signed(&out, 0);
    int code = 0;
    for (int i = 0; i < 1000 && !code; i++) {
        for (int k = 0; k < 100; k++) {
            wire_put_number(&out, PART_OBJECT);
            wire_put_text(&out, "k");
            wire_put_text(&out, NULL);
            wire_put_number(&out, 0);
            wire_put_number(&out, 0);
            wire_put_number(&out, 0);
        }
        assert_int_equal(
            wire_send(&speaker.channel, ASK_GRAPH, ++speaker.number, out.data, out.length, -1), 0);
        out.length = 0;
        assert_int_equal(wire_receive(&speaker.channel, &message), 1);
        in = (struct wire_in){message.data, message.data + message.length, false};
        if (message.type == ANSWER_ERROR) {
            wire_get_error(&in, &error);
            code = error.code;
        }
        free(message.data);
    }
    free(out.data);
    assert_int_equal(code, -ENOMEM);
    assert_int_equal(SAY(&speaker, ASK_OPEN, NULL, 1), 0);
    end(&core, &speaker);
}

static void test_half_a_frame_and_silence(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    uint64_t pd;
    fake_kernel_init(&core.kernel);
    fake_pd_populate(&core.kernel);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, core.ends), 0);
    descriptor_stream_init(&core.stream, core.ends[1], true);
    core.stream.hurry = 100;
    assert_int_equal(pthread_create(&core.thread, NULL, serve, &core), 0);
    speaker = speak(&core);
    assert_int_equal(SAY(&speaker, ASK_HELLO, NULL, WIRE_VERSION, 65536), 0);
    assert_int_equal(SAY(&speaker, ASK_OPEN, &pd, 1), 0);
    assert_int_equal(SAY(&speaker, ASK_SUSPEND, NULL, pd), 0);
    assert_true(core.kernel.pds[0].suspended);
    assert_int_equal(write(core.ends[0], "\xf5Rcp", 4), 4);
    pthread_join(core.thread, NULL);
    assert_int_equal(core.result, -ETIMEDOUT);
    assert_false(core.kernel.pds[0].suspended);
    wire_channel_clear(&speaker.channel);
    descriptor_stream_clear(&speaker.stream);
    descriptor_stream_clear(&core.stream);
    close(core.ends[0]);
    close(core.ends[1]);
}

static void test_a_session_of_one_pd(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    uint64_t count, pd;
    core.limits.confined = 1;
    begin(&core, &speaker);
    core.kernel.pds[1] = core.kernel.pds[0];
    core.kernel.pds[1].base.id = 2;
    assert_int_equal(SAY(&speaker, ASK_LIST, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(SAY(&speaker, ASK_OPEN, NULL, 2), -EPERM);
    assert_int_equal(SAY(&speaker, ASK_NAME, NULL, 2), -EPERM);
    assert_int_equal(SAY(&speaker, ASK_OPEN, &pd, 1), 0);
    assert_int_equal(SAY(&speaker, ASK_REQUEST, NULL, pd, 0, 100), 0);
    assert_int_equal(SAY(&speaker, ASK_BIND, NULL, 2, 'x', 0), -EPERM);
    assert_int_equal(SAY(&speaker, ASK_CREATE, NULL, 1, 0), -EPERM);
    assert_int_equal(SAY(&speaker, ASK_SESSION, NULL, pd), -EPERM);
    end(&core, &speaker);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_comes_back_through_core, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_what_fails_in_core_is_told, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_a_client_that_dies),
        cmocka_unit_test_setup_teardown(test_a_client_that_dies_in_a_restore, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_forged_names_are_refused),
        cmocka_unit_test(test_who_says_no_hello_is_not_served),
        cmocka_unit_test(test_another_hello_begins_anew),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_nonsense_is_passed_over),
        cmocka_unit_test(test_floods_are_refused),
        cmocka_unit_test(test_half_a_frame_and_silence),
        cmocka_unit_test(test_a_session_of_one_pd),
        cmocka_unit_test(test_walks_are_batched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
