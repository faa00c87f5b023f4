/* path.c: descriptors that only name a place: of a file, a directory, a link, a socket's name. */
#include "subject.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int main(void)
{
    char text[16];
    struct stat status;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int made = open("file", O_WRONLY | O_CREAT, 0000);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    subject_need(made >= 0 && write(made, "text", 4) == 4 && symlink("nowhere", "link") == 0 &&
                     bind(listener, (void *)&address, sizeof address) == 0,
                 "building: %m");
    close(made);
    close(listener);
    int file = open("file", O_PATH | O_CLOEXEC), directory = open(".", O_PATH | O_DIRECTORY);
    int link = open("link", O_PATH | O_NOFOLLOW), name = open("socket", O_PATH);
    subject_need(file >= 0 && directory >= 0 && link >= 0 && name >= 0, "open: %m");

    subject_ready();
    subject_wait_go();

    subject_check(fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 4,
                  "the file is lost");
    subject_check(read(file, text, 1) < 0, "a path permits reading");
    subject_check(fcntl(file, F_GETFL) & O_PATH && fcntl(file, F_GETFD) == FD_CLOEXEC,
                  "its flags differ");
    subject_check(fstatat(directory, "file", &status, 0) == 0, "the directory is lost");
    subject_check(readlinkat(link, "", text, sizeof text) == 7 && memcmp(text, "nowhere", 7) == 0,
                  "the link is lost");
    subject_check(fstat(name, &status) == 0 && S_ISSOCK(status.st_mode),
                  "the name of the socket is lost");
    return subject_done();
}
