/* unix_moved.c: Unix sockets whose files are no longer what their names lead to. Each file leads to
 * its socket afterwards, under the name that it has, and the socket tells the name that it had. */
#include "subject.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 16 };

/* One socket: what it is bound to, and where its file is now. */
static struct {
    int fd;
    char name[100], file[PATH_MAX];
} sockets[MOST];
static size_t count;

static char top[PATH_MAX];

/* Connected through a directory, as a path may be longer than a name of a socket. */
static int reach(const char *file)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int place = open(file, O_PATH | O_NOFOLLOW);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place);
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    close(place);
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

static void make(const char *name, const char *file)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path, name, strlen(name));
    subject_need(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "bind to %s: %m",
                 name);
    subject_need(listen(fd, 4) == 0, "listen: %m");
    subject_need(count < MOST, "too many sockets");
    sockets[count].fd = fd;
    snprintf(sockets[count].name, sizeof sockets[count].name, "%s", name);
    snprintf(sockets[count].file, sizeof sockets[count].file, "%.2000s/%.2000s", top, file);
    count++;
}

static void make_absolute(const char *name, const char *file)
{
    char path[100];
    subject_need((size_t)snprintf(path, sizeof path, "%.90s/%s", top, name) < sizeof path,
                 "the directory has a long name");
    make(path, file);
}

static void moved(const char *from, const char *to)
{
    subject_need(rename(from, to) == 0, "rename %s: %m", from);
}

static void check(size_t i)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address;
    int there = reach(sockets[i].file), end = -1;
    subject_check(there >= 0, "%s does not lead to the socket", sockets[i].file);
    fcntl(sockets[i].fd, F_SETFL, O_NONBLOCK);
    if (there >= 0)
        end = accept(sockets[i].fd, NULL, NULL);
    subject_check(end >= 0, "%s leads to another socket", sockets[i].file);
    getsockname(sockets[i].fd, (struct sockaddr *)&address, &length);
    subject_check(strcmp(address.sun_path, sockets[i].name) == 0, "%s is bound to \"%s\"",
                  sockets[i].file, address.sun_path);
    close(there);
    close(end);
}

int main(void)
{
    struct stat status;
    subject_need(getcwd(top, sizeof top) && mkdir("was", 0755) == 0 && mkdir("sub", 0755) == 0 &&
                     mkdir("sub/deep", 0755) == 0,
                 "mkdir: %m");
    make_absolute("a.tmp", "a");
    moved("a.tmp", "a");
    make("b.tmp", "b");
    moved("b.tmp", "b");
    /* Two that had the same name, and a file that has it now. */
    make("c", "c.1");
    moved("c", "c.1");
    make("c", "c.2");
    moved("c", "c.2");
    make("c", "c");
    make_absolute("d", "d.1");
    moved("d", "d.1");
    close(open("d", O_CREAT | O_WRONLY, 0600));
    /* By another name, the first one being gone. */
    make("e", "e.linked");
    subject_need(link("e", "e.linked") == 0 && unlink("e") == 0, "link: %m");
    /* In a directory that has another name: only root is told where that is. */
    if (geteuid() == 0) {
        make_absolute("was/f", "is/f");
        make("was/g", "is/g.now");
        moved("was", "is");
        moved("is/g", "is/g.now");
    }
    /* For others they are looked for in the directories that are open. */
    subject_need(open(".", O_RDONLY | O_DIRECTORY) >= 0 && chdir("sub/deep") == 0 &&
                     open(".", O_RDONLY | O_DIRECTORY) >= 0,
                 "chdir: %m");
    make("../h", "sub/h");
    make("./i", "sub/deep/i");
    make("j", "sub/deep/j");
    subject_need(chdir("/") == 0, "chdir: %m");

    subject_ready();
    subject_wait_go();

    for (size_t i = 0; i < count; i++)
        check(i);
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/d", top);
    subject_check(stat(path, &status) == 0 && S_ISREG(status.st_mode), "the file is gone");
    snprintf(path, sizeof path, "%s/a.tmp", top);
    subject_check(access(path, F_OK) < 0, "a former name is there again");
    return subject_done();
}
