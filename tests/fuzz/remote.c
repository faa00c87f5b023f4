/* remote.c: what any core may answer to a client: it fails or not, in bounds. */
#include "kernel/remote/remote.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

/* Answers each message of the client with the next piece of the input. */
struct core_script {
    struct core_stream base;
    const uint8_t *data;
    size_t size, at;
    struct wire_out out; /* frames to be read */
    size_t read;
};

static int out_write(struct core_stream *base, const void *buffer, size_t size)
{
    struct core_script *script = (struct core_script *)base;
    void *room = wire_put_room(&script->out, size);
    if (room)
        memcpy(room, buffer, size);
    return 0;
}

static void answer(struct core_script *script, uint32_t number)
{
    struct core_script writer = {.base = {.write = out_write}, .out = script->out};
    struct wire_channel channel = {.stream = &writer.base, .frame_out = 4096};
    if (script->size - script->at < 3)
        return;
    const uint8_t *piece = script->data + script->at;
    size_t length = (size_t)piece[1] | (size_t)piece[2] << 8;
    script->at += 3;
    length = length < script->size - script->at ? length : script->size - script->at;
    wire_send(&channel, piece[0], number, piece + 3, length, -1);
    script->at += length;
    script->out = writer.out;
}

static int script_write(struct core_stream *base, const void *buffer, size_t size)
{
    struct core_script *script = (struct core_script *)base;
    const uint8_t *header = buffer;
    /* Requests are short, so that a write begins with a header; the number is at 8. */
    if (size >= FRAME_HEADER && header[0] == 0xf5 && header[1] == 'R')
        answer(script, (uint32_t)header[8] | (uint32_t)header[9] << 8 | (uint32_t)header[10] << 16 |
                           (uint32_t)header[11] << 24);
    return 0;
}

static ssize_t script_read(struct core_stream *base, void *buffer, size_t size)
{
    struct core_script *script = (struct core_script *)base;
    size_t left = script->out.length - script->read;
    left = left < size ? left : size;
    if (left)
        memcpy(buffer, script->out.data + script->read, left);
    script->read += left;
    return (ssize_t)left;
}

/* Everything that a checkpoint asks, and what is told of an object. */
static void use(struct recap_kernel *kernel)
{
    struct recap_error error;
    struct recap_refusals refusals = {0};
    struct recap_pd *pd = NULL;
    struct recap_graph *graph = recap_graph_new();
    struct recap_pd_image *image = graph ? recap_graph_add_pd(graph) : NULL;
    struct recap_walk walk;
    char memory[64];
    if (image && kernel->ops->pd_open(kernel, 1, &pd, &error) == 0) {
        recap_walk_init(&walk, kernel, graph);
        kernel->ops->examine(pd, &refusals, &error);
        kernel->ops->suspend(pd, &error);
        if (recap_walk_slots(&walk, pd, image, &error) == 0 &&
            kernel->ops->threads(pd, graph, image, &error) == 0 &&
            kernel->ops->attributes(pd, graph, image, &error) == 0 &&
            kernel->ops->regions(pd, graph, image, &error) == 0 &&
            recap_walk_regions(&walk, image, &error) == 0)
            recap_walk_objects(&walk, NULL, 0, &refusals, &error);
        kernel->ops->read(pd, 0x10000, memory, sizeof memory, &error);
        kernel->ops->content(kernel, 1, 0, memory, sizeof memory, &error);
        recap_walk_clear(&walk);
        kernel->ops->pd_close(pd);
    }
    recap_graph_free(graph);
    recap_refusals_clear(&refusals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct core_script script = {
        .base = {.read = script_read, .write = script_write}, .data = data, .size = size};
    struct remote_kernel *kernel = NULL;
    struct recap_error error;
    if (remote_connect(&script.base, "fuzz", &kernel, &error) == 0) {
        use(&kernel->base);
        kernel->base.ops->close(&kernel->base);
    }
    free(script.out.data);
    return 0;
}
