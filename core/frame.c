/* frame.c: frames on a stream: sending, finding, checking. */
#include "core/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*   0  mark, 4 bytes
 *   4  type
 *   5  flags
 *   6  the place of the frame in its message, from 0, modulo 65536
 *   8  number
 *  12  length of the payload
 *  16  CRC-32 of the payload
 *  20  CRC-32 of the header before it
 * All little-endian. */
static const unsigned char mark[4] = {0xf5, 'R', 'c', 'p'};

uint32_t wire_checksum(const void *data, size_t length)
{
    /* The CRC-32 of IEEE 802.3, four bits at a step. */
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                       0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const unsigned char *at = data;
    uint32_t sum = 0xffffffff;
    for (size_t i = 0; i < length; i++) {
        sum ^= at[i];
        sum = sum >> 4 ^ table[sum & 15];
        sum = sum >> 4 ^ table[sum & 15];
    }
    return ~sum;
}

static void put32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void wire_channel_clear(struct wire_channel *channel)
{
    free(channel->buffer);
    channel->buffer = NULL;
    channel->start = channel->end = channel->capacity = 0;
}

/* One frame in one write where it is short: a stream may cost per write. */
static int send_frame(struct wire_channel *channel, const unsigned char header[FRAME_HEADER],
                      const void *data, size_t length)
{
    enum { SHORT = 1024 };
    struct core_stream *stream = channel->stream;
    if (length <= SHORT) {
        unsigned char whole[FRAME_HEADER + SHORT];
        memcpy(whole, header, FRAME_HEADER);
        if (length)
            memcpy(whole + FRAME_HEADER, data, length);
        return stream->write(stream, whole, FRAME_HEADER + length);
    }
    int result = stream->write(stream, header, FRAME_HEADER);
    return result < 0 ? result : stream->write(stream, data, length);
}

int wire_send(struct wire_channel *channel, uint8_t type, uint32_t number, const void *data,
              size_t length, int fd)
{
    struct core_stream *stream = channel->stream;
    uint8_t flags = 0;
    uint16_t place = 0;
    if (fd >= 0) {
        int result = stream->send_fd ? stream->send_fd(stream, fd) : -EOPNOTSUPP;
        if (result < 0)
            return result;
        flags = WIRE_DESCRIPTOR;
    }
    do {
        size_t part = length < channel->frame_out ? length : channel->frame_out;
        unsigned char header[FRAME_HEADER] = {mark[0], mark[1], mark[2], mark[3], type};
        header[5] = (unsigned char)(flags | (part < length ? WIRE_MORE : 0));
        header[6] = (unsigned char)place;
        header[7] = (unsigned char)(place++ >> 8);
        put32(header + 8, number);
        put32(header + 12, (uint32_t)part);
        put32(header + 16, wire_checksum(data, part));
        put32(header + 20, wire_checksum(header, 20));
        int result = send_frame(channel, header, data, part);
        if (result < 0)
            return result;
        data = part ? (const char *)data + part : data;
        length -= part;
        flags = 0;
    } while (length);
    return 0;
}

/* Has at least `size` bytes in the buffer: 1, 0 at the end of the stream, or a negative errno. */
static int fill(struct wire_channel *channel, size_t size)
{
    if (channel->start == channel->end)
        channel->start = channel->end = 0;
    if (channel->start && channel->capacity - channel->start < size) {
        memmove(channel->buffer, channel->buffer + channel->start, channel->end - channel->start);
        channel->end -= channel->start;
        channel->start = 0;
    }
    if (channel->capacity < size) {
        /* Room for the rest of this frame is often room for the next: it never shrinks. */
        size_t capacity = size < 4096 ? 4096 : size + FRAME_HEADER;
        unsigned char *larger = realloc(channel->buffer, capacity);
        if (!larger)
            return -ENOMEM;
        channel->buffer = larger;
        channel->capacity = capacity;
    }
    while (channel->end - channel->start < size) {
        ssize_t got = channel->stream->read(channel->stream, channel->buffer + channel->end,
                                            channel->capacity - channel->end);
        if (got <= 0)
            return (int)got;
        channel->end += (size_t)got;
    }
    return 1;
}

static bool is_header(const struct wire_channel *channel, const unsigned char *at)
{
    return memcmp(at, mark, sizeof mark) == 0 && get32(at + 20) == wire_checksum(at, 20) &&
           get32(at + 12) <= channel->frame_in && !(at[5] & ~(WIRE_MORE | WIRE_DESCRIPTOR));
}

/* Moves on to the next whole header. */
static int find_header(struct wire_channel *channel)
{
    for (;;) {
        int result = fill(channel, FRAME_HEADER);
        if (result <= 0)
            return result;
        if (is_header(channel, channel->buffer + channel->start))
            return 1;
        channel->start++;
        channel->skipped++;
    }
}

/* The next frame: its payload, of `length` bytes, is in front in the buffer. As wire_receive. A
 * damaged one counts as no frame at all: what looked like its payload may hold the next. */
static int next_frame(struct wire_channel *channel, struct wire_message *frame, uint8_t *flags,
                      uint16_t *place, size_t *length)
{
    int result = find_header(channel);
    if (result <= 0)
        return result;
    const unsigned char *header = channel->buffer + channel->start;
    *length = get32(header + 12);
    frame->type = header[4];
    frame->number = get32(header + 8);
    *flags = header[5];
    *place = (uint16_t)(header[6] | header[7] << 8);
    result = fill(channel, FRAME_HEADER + *length);
    if (result <= 0)
        return result;
    header = channel->buffer + channel->start;
    if (wire_checksum(header + FRAME_HEADER, *length) != get32(header + 16)) {
        channel->start++;
        channel->skipped++;
        return -EBADMSG;
    }
    channel->start += FRAME_HEADER;
    return 1;
}

int wire_receive(struct wire_channel *channel, struct wire_message *message)
{
    struct wire_message whole = {0};
    uint16_t expected = 0;
    int fault = 0; /* what a message that is to be thrown away is thrown away for */
    for (bool first = true;; first = false) {
        struct wire_message frame = {0};
        uint8_t flags = 0;
        uint16_t place = 0;
        size_t length = 0;
        int result = next_frame(channel, &frame, &flags, &place, &length);
        if (result <= 0) {
            free(whole.data);
            message->number = frame.number;
            return result;
        }
        const unsigned char *payload = channel->buffer + channel->start;
        channel->start += length;
        /* A message that breaks off: its sender died, and this is another one's. */
        if (!first && (frame.type != whole.type || frame.number != whole.number)) {
            free(whole.data);
            whole = (struct wire_message){0};
            first = true;
            fault = 0;
        }
        /* One before it was lost: what is left of the message is no message. */
        if (place != (first ? 0 : expected)) {
            free(whole.data);
            message->number = frame.number;
            return -EBADMSG;
        }
        expected = (uint16_t)(place + 1);
        if (first) {
            whole = frame;
            whole.descriptor = flags & WIRE_DESCRIPTOR;
        }
        if (channel->message_in && length > channel->message_in - whole.length)
            fault = -EMSGSIZE;
        if (!fault && length) {
            unsigned char *larger = length > SIZE_MAX - whole.length
                                        ? NULL
                                        : realloc(whole.data, whole.length + length);
            if (larger) {
                memcpy(larger + whole.length, payload, length);
                whole.data = larger;
                whole.length += length;
            } else {
                fault = -EMSGSIZE;
            }
        }
        if (flags & WIRE_MORE && !(fault && channel->impatient))
            continue;
        /* Something to point at, also when nothing is in it. */
        if (!fault && !whole.data && !(whole.data = malloc(1)))
            fault = -EMSGSIZE;
        if (fault) {
            free(whole.data);
            whole.data = NULL;
            whole.length = 0;
        }
        *message = whole;
        return fault ? fault : 1;
    }
}
