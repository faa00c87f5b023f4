/* events.c: what counts, times and watches. */
#include "opening.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

/* Every line of its fdinfo but those that number what is new each time. */
static void read_information(struct held *held, char text[STATE_TEXT])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held->fd);
    state_say_field(text, path, (const char *)held->memory);
}

static int set_semaphore(struct held *held)
{
    close(held->fd);
    held->fd = eventfd(3, EFD_SEMAPHORE);
    return held->fd < 0 ? -1 : 0;
}

static void read_field_of_events(struct held *held, char text[STATE_TEXT])
{
    held->memory = "eventfd-semaphore";
    read_information(held, text);
}

static int set_timer(struct held *held)
{
    const struct itimerspec times = {.it_value = {.tv_sec = 1L << 33}};
    return timerfd_settime(held->fd, (int)held->state->numbers[2], &times, NULL);
}

static void read_timer(struct held *held, char text[STATE_TEXT])
{
    held->memory = "settime flags";
    read_information(held, text);
}

static int set_ticks(struct held *held)
{
    uint64_t ticks = 42;
    return ioctl(held->fd, TFD_IOC_SET_TICKS, &ticks);
}

static void read_ticks(struct held *held, char text[STATE_TEXT])
{
    held->memory = "ticks";
    read_information(held, text);
}

static int set_signals(struct held *held)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return signalfd(held->fd, &set, 0) < 0 ? -1 : 0;
}

static void read_signals(struct held *held, char text[STATE_TEXT])
{
    held->memory = "sigmask";
    read_information(held, text);
}

static int set_watch(struct held *held)
{
    return inotify_add_watch(held->fd, ".", (uint32_t)held->state->numbers[2]) < 0 ? -1 : 0;
}

static void read_watch(struct held *held, char text[STATE_TEXT])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held->fd);
    state_say_file(text, path);
    char *watch = strstr(text, "inotify wd");
    memmove(text, watch ? watch : "none", strlen(watch ? watch : "none") + 1);
}

static int set_entry(struct held *held)
{
    held->other = eventfd(0, 0);
    struct epoll_event event = {.events = (uint32_t)held->state->numbers[2], .data.u64 = 77};
    return epoll_ctl(held->fd, EPOLL_CTL_ADD, held->other, &event);
}

static void read_entry(struct held *held, char text[STATE_TEXT])
{
    char path[64], *events;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held->fd);
    state_say_file(text, path);
    events = strstr(text, "events:");
    char kept[STATE_TEXT];
    snprintf(kept, sizeof kept, "%.40s", events ? events : "none");
    memcpy(text, kept, sizeof kept);
}

static int set_process(struct held *held)
{
    close(held->fd);
    held->fd = (int)syscall(SYS_pidfd_open, getpid(), (int)held->state->numbers[2]);
    return held->fd < 0 ? -1 : 0;
}

static const struct state states[] = {
    {.name = "EFD_SEMAPHORE",
     .open = file_open,
     .set = set_semaphore,
     .read = read_field_of_events,
     .numbers = {EVENTS},
     .since = "6.5"},
    {.name = "TFD_TIMER_ABSTIME",
     .open = file_open,
     .set = set_timer,
     .read = read_timer,
     .numbers = {TIMER, 0, TFD_TIMER_ABSTIME}},
    {.name = "TFD_TIMER_CANCEL_ON_SET",
     .open = file_open,
     .set = set_timer,
     .read = read_timer,
     .numbers = {TIMER, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET}},
    {.name = "TFD_IOC_SET_TICKS",
     .open = file_open,
     .set = set_ticks,
     .read = read_ticks,
     .numbers = {TIMER},
     .may_lack = "CONFIG_CHECKPOINT_RESTORE"},
    {.name = "sigmask of a signalfd",
     .open = file_open,
     .set = set_signals,
     .read = read_signals,
     .numbers = {SIGNALS}},
    {.name = "IN_MODIFY",
     .open = file_open,
     .set = set_watch,
     .read = read_watch,
     .numbers = {INOTIFY, 0, IN_MODIFY}},
    {.name = "IN_ONESHOT",
     .claims = "IN_ONESHOT IN_DELETE_SELF",
     .open = file_open,
     .set = set_watch,
     .read = read_watch,
     .numbers = {INOTIFY, 0, IN_ONESHOT | IN_DELETE_SELF}},
    {.name = "IN_EXCL_UNLINK",
     .claims = "IN_EXCL_UNLINK IN_MODIFY IN_ONLYDIR",
     .open = file_open,
     .set = set_watch,
     .read = read_watch,
     .numbers = {INOTIFY, 0, IN_EXCL_UNLINK | IN_MODIFY | IN_ONLYDIR}},
    {.name = "EPOLLIN",
     .open = file_open,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLIN}},
    {.name = "EPOLLET",
     .claims = "EPOLLET EPOLLPRI EPOLLRDHUP",
     .open = file_open,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLET | EPOLLPRI | EPOLLRDHUP}},
    {.name = "EPOLLONESHOT",
     .claims = "EPOLLONESHOT EPOLLWAKEUP",
     .open = file_open,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLIN | EPOLLONESHOT}},
    {.name = "EPOLLEXCLUSIVE",
     .open = file_open,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLIN | EPOLLEXCLUSIVE}},
    {.name = "PIDFD_NONBLOCK",
     .open = file_open,
     .set = set_process,
     .read = file_read_flags,
     .numbers = {PROCESS, 0, O_NONBLOCK}},
};

STATE_FAMILY(events_family, "events", states);
