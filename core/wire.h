/* wire.h: what travels between a client and core: frames, messages and their encoding.
 *
 * A frame is a header of FRAME_HEADER bytes and a payload. The header begins with a mark by which a
 * receiver finds the next frame when something else got between them (a kernel that prints on the
 * same serial line), and header and payload are checked each by a CRC. A message is one frame, or
 * several of the same type and number of which all but the last say that more follow: a frame is
 * bounded, a message only by what its receiver is ready to hold.
 *
 * Numbers are LEB128, signed ones zigzag before; texts and bytes have their length before them.
 * Encoders and decoders are sticky: check `failed` once at the end. Freestanding C.
 */
#ifndef RECAP_CORE_WIRE_H
#define RECAP_CORE_WIRE_H

#include "core/stream.h"
#include "graph/graph.h"

/* Core serves clients of the oldest too: they ask for sessions without saying which kind. */
enum { WIRE_VERSION = 2, WIRE_OLDEST = 1 };

/* --- frames and messages ---------------------------------------------------------------------- */

enum { FRAME_HEADER = 24 };

enum wire_flag {
    WIRE_MORE = 1 << 0,       /* the message goes on in the next frame */
    WIRE_DESCRIPTOR = 1 << 1, /* a descriptor came with it (the message's first frame says so) */
};

struct wire_channel {
    struct core_stream *stream;
    size_t frame_in;   /* payload bytes that are accepted in a frame */
    size_t frame_out;  /* and that the peer accepts */
    size_t message_in; /* bytes that are accepted in a message; 0: no limit */
    bool impatient;    /* a longer one is not waited for to its end: it may have none */
    /* What was read and not taken yet: buffer[start..end). */
    unsigned char *buffer;
    size_t start, end, capacity;
    uint64_t skipped; /* bytes that belonged to no frame */
};

struct wire_message {
    uint8_t type;
    bool descriptor;
    uint32_t number;
    unsigned char *data; /* the receiver's to free */
    size_t length;
};

/* Frees the buffer. */
void wire_channel_clear(struct wire_channel *channel);
/* Sends one message, with a descriptor if `fd` is not -1. 0 or a negative errno. */
int wire_send(struct wire_channel *channel, uint8_t type, uint32_t number, const void *data,
              size_t length, int fd);
/* Receives the next message. 1: it is there, and message->data is the caller's to free; 0: the peer
 * is gone. -EBADMSG: a frame of message->number was damaged or out of place; -EMSGSIZE: it is
 * longer than message_in: these two leave the stream usable, but for -EMSGSIZE of an impatient
 * channel. Other negative errnos end it. */
int wire_receive(struct wire_channel *channel, struct wire_message *message);
uint32_t wire_checksum(const void *data, size_t length);

/* --- encoding --------------------------------------------------------------------------------- */

struct wire_out {
    unsigned char *data; /* the owner's to free */
    size_t length, capacity;
    bool failed; /* out of memory */
};

void wire_put_number(struct wire_out *out, uint64_t number);
void wire_put_signed(struct wire_out *out, int64_t number);
void wire_put_bytes(struct wire_out *out, const void *data, size_t length);
/* NULL is told from the empty text. */
void wire_put_text(struct wire_out *out, const char *text);
/* Room for `size` bytes that the caller fills, or NULL (sticky). */
void *wire_put_room(struct wire_out *out, size_t size);
void wire_put_cap(struct wire_out *out, const struct recap_cap *cap);
void wire_put_error(struct wire_out *out, const struct recap_error *error);
void wire_put_value(struct wire_out *out, const struct recap_value *value); /* may be NULL */
void wire_put_object(struct wire_out *out, const struct recap_object *object);
void wire_put_slot(struct wire_out *out, const struct recap_slot *slot);
void wire_put_region(struct wire_out *out, const struct recap_region *region);
void wire_put_thread(struct wire_out *out, const struct recap_thread *thread);

/* --- decoding: trusts nothing ----------------------------------------------------------------- */

struct wire_in {
    const unsigned char *at, *end;
    bool failed; /* malformed, or out of memory in the arena that was given */
};

/* 0 when failed. */
uint64_t wire_get_number(struct wire_in *in);
int64_t wire_get_signed(struct wire_in *in);
uint32_t wire_get_number32(struct wire_in *in);
/* A number of things to follow, each of which takes at least one byte. */
size_t wire_get_count(struct wire_in *in);
/* Points into the message; NULL with length 0 when failed. */
const void *wire_get_bytes(struct wire_in *in, size_t *length);
/* A copy in `arena`, without NUL bytes inside; NULL is possible also when not failed. */
const char *wire_get_text(struct wire_in *in, struct recap_arena *arena);
/* The same into a caller's buffer, cut off to `size`; NULL becomes the empty text. */
void wire_get_text_into(struct wire_in *in, char *buffer, size_t size);
/* cap->kind is in `arena`. */
void wire_get_cap(struct wire_in *in, struct recap_arena *arena, struct recap_cap *cap);
void wire_get_error(struct wire_in *in, struct recap_error *error);
struct recap_value *wire_get_value(struct wire_in *in, struct recap_arena *arena);
/* All but the id. */
void wire_get_object(struct wire_in *in, struct recap_arena *arena, struct recap_object *object);
void wire_get_slot(struct wire_in *in, struct recap_slot *slot);
void wire_get_region(struct wire_in *in, struct recap_arena *arena, struct recap_region *region);
void wire_get_thread(struct wire_in *in, struct recap_arena *arena, struct recap_thread *thread);
/* Whether everything was read and nothing is left. */
bool wire_done(const struct wire_in *in);

#endif
