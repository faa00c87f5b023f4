/* pty.c: a pseudo-terminal with both ends inside keeps its name, its modes and its window. */
#include "subject.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int main(void)
{
    char before[64], after[64], text[16];
    struct termios modes;
    struct winsize window = {44, 99, 0, 0};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), packets = 1;
    subject_need(master >= 0 && unlockpt(master) == 0, "posix_openpt: %m");
    subject_need(ptsname_r(master, before, sizeof before) == 0, "ptsname: %m");
    int first = open(before, O_RDWR | O_NOCTTY), second = open(before, O_RDONLY | O_NOCTTY);
    subject_need(first >= 0 && second >= 0, "open: %m");
    subject_need(tcgetattr(first, &modes) == 0, "tcgetattr: %m");
    modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    modes.c_oflag &= ~(tcflag_t)OPOST;
    modes.c_cc[VMIN] = 2;
    subject_need(tcsetattr(first, TCSANOW, &modes) == 0, "tcsetattr: %m");
    subject_need(ioctl(master, TIOCSWINSZ, &window) == 0 && ioctl(master, TIOCPKT, &packets) == 0,
                 "ioctl: %m");

    subject_ready();
    subject_wait_go();

    subject_check(ttyname_r(first, after, sizeof after) == 0 && strcmp(before, after) == 0,
                  "the terminal has another name");
    struct termios now = {0};
    subject_check(tcgetattr(second, &now) == 0 && now.c_lflag == modes.c_lflag &&
                      now.c_oflag == modes.c_oflag && now.c_cc[VMIN] == 2,
                  "the modes are lost");
    struct winsize size = {0};
    subject_check(ioctl(first, TIOCGWINSZ, &size) == 0 && size.ws_row == 44 && size.ws_col == 99,
                  "the window is lost");
    subject_check(write(master, "in", 2) == 2 && read(second, text, sizeof text) == 2,
                  "input does not arrive");
    subject_check(write(first, "out", 3) == 3 && read(master, text, sizeof text) == 4 &&
                      text[0] == TIOCPKT_DATA && memcmp(text + 1, "out", 3) == 0,
                  "output does not arrive as a packet");
    subject_check((fcntl(second, F_GETFL) & O_ACCMODE) == O_RDONLY, "the second end may write now");
    return subject_done();
}
