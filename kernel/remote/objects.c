/* objects.c: what is in objects, and capabilities that cross between the caller and core. */
#include "kernel/linux/binding.h"
#include "kernel/remote/backend.h"
#include "kernel/remote/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t remote_content(struct recap_kernel *base, recap_badge badge, uint64_t offset, void *buffer,
                       size_t size, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct wire_out out = {0};
    struct remote_answer answer;
    size = size < kernel->channel.frame_out ? size : kernel->channel.frame_out;
    wire_put_number(&out, badge);
    wire_put_number(&out, offset);
    wire_put_number(&out, size);
    kernel->expected = size;
    int result = remote_ask(kernel, ASK_CONTENT, &out, -1, &answer, error);
    size_t got = answer.message.length;
    if (result == 0 && got > size)
        result = remote_nonsense(kernel, error);
    if (result == 0 && got)
        memcpy(buffer, answer.message.data, got);
    remote_answer_clear(&answer);
    return result ? result : (ssize_t)got;
}

int remote_compare(struct recap_kernel *base, recap_badge badge, const struct recap_graph *graph,
                   uint64_t id, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    int result = remote_push(kernel, graph, error);
    if (result < 0)
        return result;
    struct wire_out out = {0};
    wire_put_number(&out, badge);
    wire_put_number(&out, id);
    return remote_do(kernel, ASK_COMPARE, &out, -1, error);
}

/* The answer is a badge. */
static int ask_badge(struct remote_kernel *kernel, uint8_t type, struct wire_out *out, int fd,
                     recap_badge *badge, struct recap_error *error)
{
    struct remote_answer answer;
    int result = remote_ask(kernel, type, out, fd, &answer, error);
    uint64_t said = result ? 0 : wire_get_number(&answer.in);
    if (result == 0 && (!wire_done(&answer.in) || !said))
        result = remote_nonsense(kernel, error);
    remote_answer_clear(&answer);
    if (result < 0)
        return result;
    kernel->bound = true;
    *badge = said;
    return 0;
}

static int refuse_crossing(const struct remote_kernel *kernel, struct recap_error *error)
{
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "capabilities do not cross between core at %s and this process",
                        kernel->address);
}

int remote_adopt(struct recap_kernel *base, int fd, recap_badge *badge, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    if (!(kernel->abilities & CORE_CARRIES))
        return refuse_crossing(kernel, error);
    int sent = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (sent < 0)
        return recap_fail(error, -errno, "giving descriptor %d to core", fd);
    struct wire_out out = {0};
    return ask_badge(kernel, ASK_ADOPT, &out, sent, badge, error);
}

/* Where capabilities cross, the caller's own rights open what is named, and its own names count;
 * core opens only what another of its PDs holds. */
int remote_bind(struct recap_kernel *base, const char *spec, uint32_t rights, recap_badge *badge,
                struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    if ((kernel->abilities & CORE_CARRIES) && strncmp(spec, "pid:", 4) != 0) {
        int fd;
        int result = linux_binding_open(spec, rights, &fd, error);
        if (result < 0)
            return result;
        result = remote_adopt(base, fd, badge, error);
        close(fd);
        return result;
    }
    struct wire_out out = {0};
    wire_put_text(&out, spec);
    wire_put_number(&out, rights);
    return ask_badge(kernel, ASK_BIND, &out, -1, badge, error);
}

int remote_local(struct recap_kernel *base, recap_badge badge, int *fd, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct core_stream *stream = kernel->channel.stream;
    struct wire_out out = {0};
    int came;
    if (!(kernel->abilities & CORE_CARRIES))
        return refuse_crossing(kernel, error);
    wire_put_number(&out, badge);
    int result = remote_do(kernel, ASK_LOCAL, &out, -1, error);
    if (result < 0)
        return result;
    if (stream->take_fd(stream, &came) < 0)
        return remote_nonsense(kernel, error);
    came = fcntl(came, F_DUPFD_CLOEXEC, 0);
    if (came < 0)
        return recap_fail(error, -errno, "taking the capability");
    *fd = came;
    return 0;
}

int recap_remote_session(struct recap_pd *pd, bool looks, int *fd, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_pd(pd)->kernel;
    struct core_stream *stream = kernel->channel.stream;
    struct wire_out out = {0};
    int came;
    if (!(kernel->abilities & CORE_HANDS_ON))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "core at %s hands on no sessions", kernel->address);
    remote_put_pd(&out, pd);
    wire_put_number(&out, looks ? SESSION_LOOKS : SESSION_FULL);
    int result = remote_do(kernel, ASK_SESSION, &out, -1, error);
    if (result < 0)
        return result;
    if (stream->take_fd(stream, &came) < 0)
        return remote_nonsense(kernel, error);
    came = fcntl(came, F_DUPFD_CLOEXEC, 0);
    if (came < 0)
        return recap_fail(error, -errno, "taking the session");
    *fd = came;
    return 0;
}
