/* epoll.c: epoll sets watch what they watched: also what has lost its number, or given it to
 * another object; a one-shot entry that was reported stays silent; sets within sets. */
#include "subject.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 300 };

static void add(int set, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    subject_need(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl: %m");
}

/* What is reported, alone; 0 for nothing. */
static uint64_t reported(int set)
{
    struct epoll_event events[2];
    return epoll_wait(set, events, 2, 0) == 1 ? events[0].data.u64 : 0;
}

static void put(int fd)
{
    uint64_t one = 1;
    subject_check(write(fd, &one, sizeof one) == sizeof one, "write: %m");
}

static void take(int fd)
{
    uint64_t value;
    subject_check(read(fd, &value, sizeof value) == sizeof value, "read: %m");
}

/* As <linux/eventpoll.h> of Linux 6.9 has it. */
struct polling {
    uint32_t microseconds;
    uint16_t budget;
    uint8_t preferred, pad;
};

#define SET_POLLING _IOW(0x8A, 0x01, struct polling)
#define GET_POLLING _IOR(0x8A, 0x02, struct polling)

int main(void)
{
    int set = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create1(0), crowd = epoll_create1(0);
    int plain = eventfd(0, 0), closed = eventfd(0, 0), reused = eventfd(0, 0), shot = eventfd(0, 0),
        edge = eventfd(0, 0), nested = eventfd(0, 0), pair[2], many[MANY];
    subject_need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair: %m");
    int closed_number = fcntl(closed, F_DUPFD, 500), reused_number = fcntl(reused, F_DUPFD, 501);
    add(set, plain, EPOLLIN, 1);
    add(set, closed_number, EPOLLIN, 2);
    add(set, reused_number, EPOLLIN, 3);
    add(set, shot, EPOLLIN | EPOLLONESHOT, UINT64_MAX);
    add(set, edge, EPOLLIN | EPOLLET, 5);
    add(set, inner, EPOLLIN, 6);
    add(inner, nested, EPOLLIN, 7);
    add(set, pair[0], EPOLLIN | EPOLLEXCLUSIVE, 8);
    put(shot);
    subject_need(reported(set) == UINT64_MAX && reported(set) == 0, "the one-shot entry");
    close(closed_number);
    subject_need(dup2(nested, reused_number) == reused_number, "dup2: %m");
    for (int i = 0; i < MANY; i++) {
        many[i] = eventfd(0, 0);
        add(crowd, many[i], EPOLLIN, (uint64_t)i + 1);
    }
    struct polling polling = {.microseconds = 77, .budget = 5, .preferred = 1}, now = {0};
    bool polls = ioctl(crowd, SET_POLLING, &polling) == 0;

    subject_ready();
    subject_wait_go();

    subject_check(reported(set) == 0, "something is reported that is not ready");
    const int fds[] = {plain, closed, reused};
    for (int i = 0; i < 3; i++) {
        put(fds[i]);
        subject_check(reported(set) == (uint64_t)i + 1, "entry %d is not reported", i + 1);
        take(fds[i]);
    }
    put(edge);
    subject_check(reported(set) == 5, "the edge is not reported");
    subject_check(reported(set) == 0, "the edge is reported twice");
    put(nested);
    subject_check(reported(set) == 6 && reported(inner) == 7, "the inner set is not reported");
    take(nested);
    subject_check(write(pair[1], "x", 1) == 1 && reported(set) == 8, "the socket is not reported");
    struct epoll_event again = {.events = EPOLLIN, .data.u64 = 9};
    subject_check(epoll_ctl(set, EPOLL_CTL_ADD, reused_number, &again) == 0,
                  "the reused number cannot be added: %m");
    subject_check(epoll_ctl(set, EPOLL_CTL_ADD, plain, &again) < 0, "the plain entry is lost");
    put(many[MANY - 1]);
    subject_check(reported(crowd) == MANY, "an entry of the crowd is lost");
    subject_check(!polls || (ioctl(crowd, GET_POLLING, &now) == 0 && now.microseconds == 77 &&
                             now.budget == 5 && now.preferred == 1),
                  "polling is %u us, %u packets, %s", now.microseconds, now.budget,
                  now.preferred ? "preferred" : "not preferred");
    return subject_done();
}
