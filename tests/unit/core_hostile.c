/* core_hostile.c: the server and clients that mean it harm, or that may not ask for everything. */
#include "core/protocol.h"
#include "tests/unit/served.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
    core.hurry = 100;
    begin(&core, &speaker);
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

/* What a session that only looks may ask; the rest is refused, whatever it would be about, and is
 * not done. */
static void test_a_session_that_looks(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    uint64_t pd, badge;
    core.limits.confined = 1;
    core.limits.looks = true;
    begin(&core, &speaker);
    assert_int_equal(SAY(&speaker, ASK_LIST, NULL), 0);
    assert_int_equal(SAY(&speaker, ASK_NAME, NULL, 1), 0);
    assert_int_equal(SAY(&speaker, ASK_OPEN, &pd, 1), 0);
    assert_int_equal(SAY(&speaker, ASK_EXAMINE, NULL, pd), 0);
    assert_int_equal(SAY(&speaker, ASK_REQUEST, NULL, pd, 0, 100), 0);
    assert_int_equal(SAY(&speaker, ASK_DESCRIBE, &badge, 1, 1), 0);
    assert_int_equal(SAY(&speaker, ASK_LABEL, NULL, 1, 1), 0);
    const uint8_t may[] = {ASK_HELLO, ASK_BYE,   ASK_LIST,    ASK_NAME,
                           ASK_OPEN,  ASK_CLOSE, ASK_EXAMINE, ASK_DESCRIBE,
                           ASK_LABEL, ASK_GRAPH, ASK_COMPARE, ASK_REQUEST};
    const struct fake_pd had = core.kernel.pds[0];
    size_t calls = core.kernel.calls, refused = 0;
    for (unsigned type = ASK_HELLO; type < ASK_END; type++) {
        if (memchr(may, (int)type, sizeof may))
            continue;
        assert_int_equal(SAY(&speaker, (uint8_t)type, NULL, pd, 1, 5, 1, 0, 1, 0, 1), -EPERM);
        assert_int_equal(SAY(&speaker, (uint8_t)type, NULL, UINT64_MAX), -EPERM);
        refused++;
    }
    assert_int_equal(refused + sizeof may, ASK_END - 1);
    assert_int_equal(core.kernel.calls, calls);
    assert_memory_equal(&core.kernel.pds[0], &had, sizeof had);
    end(&core, &speaker);
}

/* An older client asks for no kind of session: it gets the one that gives the least. */
static int note_session(void *context, struct recap_pd *pd, bool looks, int *fd,
                        struct recap_error *error)
{
    (void)pd;
    *(int *)context = looks ? 1 : 2;
    *fd = dup(0);
    return *fd < 0 ? recap_fail(error, -errno, "noting") : 0;
}

static void test_kinds_of_sessions(void **state)
{
    (void)state;
    for (uint64_t version = WIRE_OLDEST; version <= WIRE_VERSION; version++) {
        struct core core = {0};
        struct speaker speaker;
        uint64_t pd, said;
        int noted = 0;
        core.limits.session = note_session;
        core.limits.context = &noted;
        begin(&core, &speaker);
        assert_int_equal(SAY(&speaker, ASK_HELLO, &said, version, 65536), 0);
        assert_int_equal(said, version);
        assert_int_equal(SAY(&speaker, ASK_OPEN, &pd, 1), 0);
        assert_int_equal(SAY(&speaker, ASK_SESSION, NULL, pd), 0);
        assert_int_equal(noted, 1);
        assert_int_equal(SAY(&speaker, ASK_SESSION, NULL, pd, SESSION_FULL), 0);
        assert_int_equal(noted, 2);
        assert_int_equal(SAY(&speaker, ASK_SESSION, NULL, pd, SESSION_LOOKS), 0);
        assert_int_equal(noted, 1);
        assert_int_equal(SAY(&speaker, ASK_SESSION, NULL, pd, SESSION_FULL + 1), -EBADMSG);
        assert_int_equal(SAY(&speaker, ASK_SESSION, NULL, pd, 0, 0), -EBADMSG);
        end(&core, &speaker);
    }
}

/* What a client may not have any more is not made first. */
static void test_what_is_too_much_is_not_made(void **state)
{
    (void)state;
    struct core core = {0};
    struct speaker speaker;
    uint64_t pd = 0;
    int code = 0;
    core.limits.memory = 64 * 1024;
    begin(&core, &speaker);
    size_t opened = 0;
    for (; opened < 100 && code == 0; opened += code == 0)
        code = SAY(&speaker, ASK_OPEN, &pd, 1);
    assert_int_equal(code, -EMFILE);
    assert_true(opened > 0);
    size_t calls = core.kernel.calls;
    assert_int_equal(SAY(&speaker, ASK_OPEN, NULL, 1), -EMFILE);
    assert_int_equal(core.kernel.calls, calls);
    end(&core, &speaker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forged_names_are_refused),
        cmocka_unit_test(test_who_says_no_hello_is_not_served),
        cmocka_unit_test(test_another_hello_begins_anew),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_nonsense_is_passed_over),
        cmocka_unit_test(test_floods_are_refused),
        cmocka_unit_test(test_half_a_frame_and_silence),
        cmocka_unit_test(test_a_session_of_one_pd),
        cmocka_unit_test(test_a_session_that_looks),
        cmocka_unit_test(test_kinds_of_sessions),
        cmocka_unit_test(test_what_is_too_much_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
