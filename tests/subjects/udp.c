/* udp.c: UDP sockets keep addresses, peers, groups and the datagrams that wait in them. */
#include "subject.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in name_of(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    return address;
}

int main(void)
{
    int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0),
        connected = socket(AF_INET, SOCK_DGRAM, 0), member = socket(AF_INET6, SOCK_DGRAM, 0),
        on = 1;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    subject_need(bind(receiver, (struct sockaddr *)&local, sizeof local) == 0 &&
                     bind(sender, (struct sockaddr *)&local, sizeof local) == 0,
                 "bind: %m");
    struct sockaddr_in to = name_of(receiver);
    subject_need(connect(connected, (struct sockaddr *)&to, sizeof to) == 0, "connect: %m");
    subject_need(sendto(sender, "first", 5, 0, (struct sockaddr *)&to, sizeof to) == 5 &&
                     send(connected, "second", 6, 0) == 6 && send(connected, "", 0, 0) == 0,
                 "send: %m");
    setsockopt(receiver, SOL_IP, IP_RECVTTL, &on, sizeof on);
    setsockopt(sender, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    struct ipv6_mreq group = {.ipv6mr_interface = if_nametoindex("lo")};
    inet_pton(AF_INET6, "ff01::1234", &group.ipv6mr_multiaddr);
    bool joined = setsockopt(member, SOL_IPV6, IPV6_JOIN_GROUP, &group, sizeof group) == 0;
    struct sockaddr_in names[3] = {name_of(receiver), name_of(sender), name_of(connected)}, from;

    subject_ready();
    subject_wait_go();

    const int fds[3] = {receiver, sender, connected};
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in now = name_of(fds[i]);
        subject_check(memcmp(&now, &names[i], sizeof now) == 0, "address %d is another one", i);
    }
    static const char *const expected[] = {"first", "second", ""};
    for (int i = 0; i < 3; i++) {
        char text[16];
        socklen_t size = sizeof from;
        ssize_t got =
            recvfrom(receiver, text, sizeof text, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        subject_check(got == (ssize_t)strlen(expected[i]) &&
                          memcmp(text, expected[i], (size_t)got) == 0,
                      "datagram %d is lost", i);
        subject_check(from.sin_port == names[i ? 2 : 1].sin_port, "its sender is another one");
    }
    char text[16];
    subject_check(send(connected, "again", 5, 0) == 5 && recv(receiver, text, sizeof text, 0) == 5,
                  "the connected socket does not reach its peer");
    int value = 0;
    socklen_t size = sizeof value;
    subject_check(getsockopt(receiver, SOL_IP, IP_RECVTTL, &value, &size) == 0 && value == 1,
                  "IP_RECVTTL is lost");
    subject_check(getsockopt(sender, SOL_SOCKET, SO_BROADCAST, &value, &size) == 0 && value == 1,
                  "SO_BROADCAST is lost");
    subject_check(!joined ||
                      (setsockopt(member, SOL_IPV6, IPV6_JOIN_GROUP, &group, sizeof group) < 0 &&
                       errno == EADDRINUSE),
                  "the group is lost");
    return subject_done();
}
