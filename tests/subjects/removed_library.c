/* removed_library.c: a file that only regions map and that has been removed, as a library is that
 * was upgraded: what the regions show stays, also what they have not looked at yet. */
#include "subject.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64 };

int main(void)
{
    static char content[PAGES * PAGE];
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(i / 7 + i / PAGE);
    int fd = open("library", O_RDWR | O_CREAT, 0755);
    subject_need(fd >= 0 && write(fd, content, sizeof content) == sizeof content, "write: %m");
    int reader = open("library", O_RDONLY);
    close(fd);
    char *text = mmap(NULL, sizeof content, PROT_READ | PROT_EXEC, MAP_PRIVATE, reader, 0);
    char *data = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 16 * PAGE);
    char *hidden = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE, reader, 32 * PAGE);
    subject_need(text != MAP_FAILED && data != MAP_FAILED && hidden != MAP_FAILED, "mmap: %m");
    close(reader);
    subject_need(unlink("library") == 0, "unlink: %m");
    data[PAGE] = 'x'; /* a page of its own; the text shows what was there */
    subject_need(munmap(text + 40 * PAGE, 4 * PAGE) == 0, "munmap: %m");

    subject_ready();
    subject_wait_go();

    for (size_t i = 0; i < PAGES; i++)
        if (i < 40 || i >= 44)
            subject_check(memcmp(text + i * PAGE, content + i * PAGE, PAGE) == 0,
                          "page %zu of the text differs", i);
    subject_check(data[PAGE] == 'x', "what was written is lost");
    data[PAGE] = content[17 * PAGE];
    subject_check(memcmp(data, content + 16 * PAGE, 8 * PAGE) == 0, "the data differs");
    subject_check(mprotect(hidden, 4 * PAGE, PROT_READ) == 0 &&
                      memcmp(hidden, content + 32 * PAGE, 4 * PAGE) == 0,
                  "what was inaccessible differs");
    return subject_done();
}
