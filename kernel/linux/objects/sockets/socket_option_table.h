/* socket_option_table.h: which options of a socket are carried, and reading and setting one. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_OPTION_TABLE_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum linux_option_form {
    LINUX_OPTION_INTEGER,
    LINUX_OPTION_BYTE,   /* read as one byte by kernels that follow the old interface */
    LINUX_OPTION_OPAQUE, /* a struct of the kernel: kept as bytes */
    LINUX_OPTION_TEXT,
};

enum linux_option_rule {
    LINUX_OPTION_EARLY = 1 << 0,    /* has to be set before bind(2) */
    LINUX_OPTION_HALVED = 1 << 1,   /* the kernel doubles what is set: a buffer size */
    LINUX_OPTION_AGAIN = 1 << 2,    /* early, and once more when complete */
    LINUX_OPTION_MOVES = 1 << 3,    /* the kernel changes it by itself: it need not read as set */
    LINUX_OPTION_REFUSED = 1 << 4,  /* stands for state that cannot be read */
    LINUX_OPTION_DATAGRAM = 1 << 5, /* of a stream it says something of its connection */
};

struct linux_socket_option {
    const char *name;
    int level;
    int number;
    enum linux_option_form form;
    unsigned rule;
};

/* What a socket is, as socket(2) takes it. */
struct linux_socket_shape {
    int domain, type, protocol;
};

enum { LINUX_OPTION_SIZE = 64 };

struct linux_socket_value {
    bool known;
    int code; /* what reading it failed with, if not */
    socklen_t length;
    unsigned char bytes[LINUX_OPTION_SIZE];
};

/* In the order in which they have to be set. */
extern const struct linux_socket_option linux_socket_options[];
extern const size_t linux_socket_option_count;

bool linux_socket_option_concerns(const struct linux_socket_option *option,
                                  const struct linux_socket_shape *shape);
void linux_socket_option_read(int fd, const struct linux_socket_option *option,
                              struct linux_socket_value *value);
/* Sets it, a buffer size also beyond the machine's limit where that is permitted: 0 or a negative
 * errno, -EDQUOT for a buffer size that the machine's limit cuts. */
int linux_socket_option_write(int fd, const struct linux_socket_option *option,
                              const struct linux_socket_value *value);
bool linux_socket_value_equal(const struct linux_socket_value *one,
                              const struct linux_socket_value *other);
/* Of an option that is a number. */
int linux_socket_value_number(const struct linux_socket_value *value);

#endif
