/* served.c: a core to test, and a client that speaks for itself. */
#include "tests/unit/served.h"
#include "core/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void *serve(void *context)
{
    struct core *core = context;
    struct recap_kernel *kernel = core->opens ? NULL : &core->kernel.base;
    core->result = core_serve(kernel, &core->stream.base, &core->limits);
    return NULL;
}

void start(struct core *core)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, core->ends), 0);
    descriptor_stream_init(&core->stream, core->ends[1], true);
    core->stream.hurry = core->hurry ? core->hurry : -1;
    assert_int_equal(pthread_create(&core->thread, NULL, serve, core), 0);
}

void stop(struct core *core)
{
    close(core->ends[0]);
    pthread_join(core->thread, NULL);
    descriptor_stream_clear(&core->stream);
    close(core->ends[1]);
}

struct speaker speak(const struct core *core)
{
    struct speaker speaker = {0};
    descriptor_stream_init(&speaker.stream, core->ends[0], true);
    speaker.stream.patience = 5000;
    speaker.channel = (struct wire_channel){.frame_in = 1 << 20, .frame_out = 1 << 20};
    return speaker;
}

int say(struct speaker *speaker, uint8_t type, const uint64_t *numbers, size_t count,
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

void begin(struct core *core, struct speaker *speaker)
{
    uint64_t version;
    fake_kernel_init(&core->kernel);
    fake_pd_populate(&core->kernel);
    start(core);
    *speaker = speak(core);
    assert_int_equal(SAY(speaker, ASK_HELLO, &version, WIRE_VERSION, 65536), 0);
    assert_int_equal(version, WIRE_VERSION);
}

void end(struct core *core, struct speaker *speaker)
{
    wire_channel_clear(&speaker->channel);
    descriptor_stream_clear(&speaker->stream);
    stop(core);
    assert_int_equal(core->result, 0);
}
