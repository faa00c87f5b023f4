/* served.h: a core on a thread of its own, over a kernel in memory, and a client that speaks for
 * itself. */
#ifndef RECAP_TESTS_SERVED_H
#define RECAP_TESTS_SERVED_H

#include "core/host/descriptor_stream.h"
#include "core/server.h"
#include "core/wire.h"
#include "tests/unit/fake_kernel.h"

#include <pthread.h>

/* A core, and the client's end of the socket. */
struct core {
    struct fake_kernel kernel;
    struct core_limits limits;
    bool opens; /* the limits open a kernel for each client, and none is given */
    int hurry;  /* as in the stream; 0: none */
    struct descriptor_stream stream;
    pthread_t thread;
    int ends[2];
    int result;
};

void start(struct core *core);
/* The client is gone. */
void stop(struct core *core);

/* A client that says what recap would not. */
struct speaker {
    struct descriptor_stream stream;
    struct wire_channel channel;
    uint32_t number;
};

struct speaker speak(const struct core *core);
/* Sends numbers as a request and returns the errno of the answer, or 0; `first` its first number.
 */
int say(struct speaker *speaker, uint8_t type, const uint64_t *numbers, size_t count,
        uint64_t *first);

#define SAY(speaker, type, first, ...)                                                             \
    say(speaker, type, (const uint64_t[]){__VA_ARGS__},                                            \
        sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), first)

/* A core with a PD, and a client that has said hello to it; and both at their end. */
void begin(struct core *core, struct speaker *speaker);
void end(struct core *core, struct speaker *speaker);

#endif
