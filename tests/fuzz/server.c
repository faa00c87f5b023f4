/* server.c: what any client may send to core, in front of a kernel in memory. After whatever came
 * the PD runs on, and nothing is left that was created. */
#include "core/server.h"
#include "core/protocol.h"
#include "core/wire.h"
#include "tests/unit/fake_kernel.h"

#include <stdlib.h>
#include <string.h>

struct script {
    struct core_stream base;
    const uint8_t *at, *end;
};

static ssize_t script_read(struct core_stream *base, void *buffer, size_t size)
{
    struct script *script = (struct script *)base;
    size_t left = (size_t)(script->end - script->at);
    left = left < size ? left : size;
    if (left)
        memcpy(buffer, script->at, left);
    script->at += left;
    return (ssize_t)left;
}

static int script_write(struct core_stream *base, const void *buffer, size_t size)
{
    (void)base;
    (void)buffer;
    (void)size;
    return 0;
}

/* A stream in memory for the frames that are made of the input. */
struct frames {
    struct core_stream base;
    struct wire_out out;
};

static int frames_write(struct core_stream *base, const void *buffer, size_t size)
{
    struct frames *frames = (struct frames *)base;
    void *room = wire_put_room(&frames->out, size);
    if (room)
        memcpy(room, buffer, size);
    return 0;
}

/* The input is a list of messages: type, two bytes of length, payload. They become right frames,
 * for a checksum is not what a fuzzer finds; the first byte says how many bytes at the end stay
 * raw. */
static void make_frames(const uint8_t *data, size_t size, struct frames *frames)
{
    struct wire_channel channel = {.stream = &frames->base, .frame_out = 4096};
    const uint8_t hello[] = {1, 0x80, 0x80, 4};
    wire_send(&channel, 1, 0, hello, sizeof hello, -1);
    size_t raw = size ? data[0] : 0;
    size_t at = size ? 1 : 0;
    raw = raw < size - at ? raw : size - at;
    size_t end = size - raw;
    for (uint32_t number = 1; end - at >= 3;) {
        size_t length = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
        uint8_t type = data[at];
        number += type != ANSWER_CONTENT; /* which has that of the request before */
        at += 3;
        length = length < end - at ? length : end - at;
        wire_send(&channel, type, number, data + at, length, -1);
        at += length;
    }
    if (raw)
        frames_write(&frames->base, data + end, raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_kernel kernel;
    struct frames frames = {.base = {.write = frames_write}};
    struct core_limits limits = {.frame = 4096, .memory = 4 << 20};
    fake_kernel_init(&kernel);
    fake_pd_populate(&kernel);
    make_frames(data, size, &frames);
    struct script script = {.base = {.read = script_read, .write = script_write},
                            .at = frames.out.data,
                            .end = frames.out.data + frames.out.length};
    core_serve(&kernel.base, &script.base, &limits);
    for (size_t i = 0; i < FAKE_PDS; i++) {
        const struct fake_pd *pd = &kernel.pds[i];
        if (pd->open || pd->suspended || (pd->exists && pd->created && !pd->started))
            abort();
    }
    free(frames.out.data);
    return 0;
}
