/* remote.c: opening a core as a kernel: the hello, and the table that it gives. */
#include "kernel/remote/remote.h"
#include "kernel/remote/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    FRAME = 1024 * 1024,
    LINE_S = 30,       /* nothing on a line for so long: nobody is there */
    SOCKET_S = 5 * 60, /* a socket says by itself that its peer is gone */
    MEMORY_MIB = 1024, /* for what core tells of a component */
};

static void close_kernel(struct recap_kernel *base)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct wire_out out = {0};
    /* Over a serial line core would not notice. A session that is lost to us is not to core. */
    if (!kernel->lost && kernel->name)
        remote_do(kernel, ASK_BYE, &out, -1, NULL);
    else if (kernel->name)
        wire_send(&kernel->channel, ASK_BYE, ++kernel->number, NULL, 0, -1);
    remote_ahead_clear(kernel);
    while (kernel->words) {
        struct remote_word *word = kernel->words;
        kernel->words = word->next;
        free(word);
    }
    wire_channel_clear(&kernel->channel);
    if (kernel->stream) {
        descriptor_stream_clear(kernel->stream);
        free(kernel->stream);
    }
    if (kernel->fd >= 0)
        close(kernel->fd);
    free(kernel->known);
    free(kernel->made);
    free(kernel->address);
    free(kernel->name);
    free(kernel->machine);
    free(kernel->release);
    free(kernel);
}

static const char *release(struct recap_kernel *kernel)
{
    return remote_kernel(kernel)->release;
}

static const struct recap_kernel_ops remote_ops = {
    .close = close_kernel,
    .release = release,
    .list = remote_list,
    .pd_name = remote_pd_name,
    .pd_open = remote_pd_open,
    .pd_create = remote_pd_create,
    .examine = remote_examine,
    .suspend = remote_suspend,
    .resume = remote_resume,
    .destroy = remote_destroy,
    .pd_close = remote_pd_close,
    .request = remote_request,
    .install = remote_install,
    .install_many = remote_install_many,
    .remove = remote_remove,
    .describe = remote_describe,
    .label = remote_label,
    .content = remote_content,
    .create = remote_create,
    .tie = remote_tie,
    .compare = remote_compare,
    .bind = remote_bind,
    .local = remote_local,
    .adopt = remote_adopt,
    .regions = remote_regions,
    .read = remote_read,
    .write = remote_write,
    .map = remote_map,
    .load = remote_load,
    .threads = remote_threads,
    .threads_set = remote_threads_set,
    .attributes = remote_attributes,
    .attributes_set = remote_attributes_set,
};

static char *take_text(struct wire_in *in)
{
    char text[256];
    wire_get_text_into(in, text, sizeof text);
    return strdup(text);
}

static int read_hello(struct remote_kernel *kernel, struct wire_in *in, struct recap_error *error)
{
    uint64_t version = wire_get_number(in);
    if (!in->failed && version != WIRE_VERSION)
        return recap_refuse(error, RECAP_FAILED, -EPROTO,
                            "core at %s speaks version %llu of the protocol, and this is version "
                            "%d",
                            kernel->address, (unsigned long long)version, WIRE_VERSION);
    kernel->name = take_text(in);
    kernel->machine = take_text(in);
    kernel->release = take_text(in);
    uint64_t frame = wire_get_number(in);
    kernel->abilities = wire_get_number(in);
    if (!kernel->name || !kernel->machine || !kernel->release)
        return recap_fail(error, -ENOMEM, "greeting core at %s", kernel->address);
    if (!wire_done(in) || frame < 1024 || !*kernel->name)
        return remote_nonsense(kernel, error);
    if (frame < kernel->channel.frame_out)
        kernel->channel.frame_out = (size_t)frame;
    if (!kernel->channel.stream->take_fd || !kernel->channel.stream->send_fd)
        kernel->abilities &= ~(uint64_t)(CORE_CARRIES | CORE_HANDS_ON);
    kernel->ops.name = kernel->name;
    kernel->ops.machine = kernel->machine;
    if (!(kernel->abilities & CORE_LOADS))
        kernel->ops.load = NULL;
    return 0;
}

static int greet(struct remote_kernel *kernel, struct recap_error *error)
{
    struct wire_out out = {0};
    struct remote_answer answer;
    wire_put_number(&out, WIRE_VERSION);
    wire_put_number(&out, kernel->channel.frame_in);
    int result = remote_ask(kernel, ASK_HELLO, &out, -1, &answer, error);
    if (result == 0)
        result = read_hello(kernel, &answer.in, error);
    remote_answer_clear(&answer);
    return result;
}

/* A positive number in the environment, or what stands for none. */
static unsigned long setting(const char *name, unsigned long most, unsigned long otherwise)
{
    const char *text = getenv(name);
    char *end;
    unsigned long number = text ? strtoul(text, &end, 10) : 0;
    return text && *text && !*end && number > 0 && number <= most ? number : otherwise;
}

static int patience(bool carries)
{
    return (int)setting("RECAP_DEADLINE", INT32_MAX / 1000, carries ? SOCKET_S : LINE_S) * 1000;
}

static size_t memory(void)
{
    return (size_t)setting("RECAP_MEMORY", SIZE_MAX >> 21, MEMORY_MIB) << 20;
}

static int connect_over(struct core_stream *stream, struct descriptor_stream *own,
                        const char *address, struct remote_kernel **kernel,
                        struct recap_error *error)
{
    struct remote_kernel *made = calloc(1, sizeof *made);
    if (!made)
        return recap_fail(error, -ENOMEM, "connecting to core at %s", address);
    made->base.ops = &made->ops;
    made->ops = remote_ops;
    made->fd = -1;
    made->stream = own;
    made->address = strdup(address);
    made->memory = memory();
    made->channel = (struct wire_channel){
        .stream = stream, .frame_in = FRAME, .frame_out = FRAME, .impatient = true};
    /* Answers to a client before us are nobody's: they have other numbers. */
    if (getrandom(&made->number, sizeof made->number, 0) < 0)
        made->number = (uint32_t)getpid();
    int result =
        made->address ? greet(made, error) : recap_fail(error, -ENOMEM, "connecting to core");
    if (result < 0) {
        made->stream = NULL;
        close_kernel(&made->base);
        return result;
    }
    *kernel = made;
    return 0;
}

int remote_connect(struct core_stream *stream, const char *address, struct remote_kernel **kernel,
                   struct recap_error *error)
{
    return connect_over(stream, NULL, address, kernel, error);
}

int recap_remote_open(const char *address, struct recap_kernel **kernel, struct recap_error *error)
{
    struct remote_kernel *opened;
    bool carries;
    int fd;
    int result = remote_address_open(address, &fd, &carries, error);
    if (result < 0)
        return result;
    struct descriptor_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        close(fd);
        return recap_fail(error, -ENOMEM, "connecting to core at %s", address);
    }
    descriptor_stream_init(stream, fd, carries);
    result = connect_over(&stream->base, stream, address, &opened, error);
    if (result < 0) {
        descriptor_stream_clear(stream);
        free(stream);
        close(fd);
        return result;
    }
    /* A socket across which nothing but bytes comes is an emulator's serial line. */
    opened->patience = patience(opened->abilities & CORE_CARRIES);
    opened->fd = fd;
    *kernel = &opened->base;
    return 0;
}

bool recap_is_remote(const struct recap_kernel *kernel)
{
    return kernel->ops->close == close_kernel;
}
