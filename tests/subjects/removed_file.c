/* removed_file.c: a file without a name, open more than once: one content, kept. */
#include "subject.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAR = 3 << 20 };

int main(void)
{
    char text[8];
    struct stat before, after;
    int writer = open("removed", O_RDWR | O_CREAT | O_EXCL, 0600);
    int reader = open("removed", O_RDONLY);
    int path = open("removed", O_PATH);
    subject_need(writer >= 0 && reader >= 0 && path >= 0, "open: %m");
    subject_need(write(writer, "0123456789", 10) == 10 && pwrite(writer, "far", 3, FAR) == 3,
                 "write: %m");
    char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
    subject_need(mapped != MAP_FAILED, "mmap: %m");
    mapped[20] = 'm';
    subject_need(unlink("removed") == 0 && lseek(reader, 4, SEEK_SET) == 4, "unlink: %m");
    subject_need(fchmod(writer, 0640) == 0 && fstat(writer, &before) == 0, "fchmod: %m");

    subject_ready();
    subject_wait_go();

    subject_check(fstat(path, &after) == 0 && after.st_nlink == 0, "the file has a name");
    subject_check(after.st_mode == before.st_mode && after.st_uid == before.st_uid &&
                      after.st_gid == before.st_gid,
                  "mode or owner differ");
    subject_check(after.st_size == before.st_size, "the size differs");
    subject_check(after.st_mtim.tv_sec == before.st_mtim.tv_sec, "the time of its change differs");
    subject_check(read(reader, text, 4) == 4 && memcmp(text, "4567", 4) == 0,
                  "the reader's offset or the content is lost");
    subject_check(pread(reader, text, 4, FAR) == 3 && memcmp(text, "far", 3) == 0,
                  "what is far behind is lost");
    subject_check(lseek(writer, 0, SEEK_CUR) == 10, "the writer's offset is lost");
    subject_check(mapped[20] == 'm', "what was written through the mapping is lost");
    subject_check(pwrite(writer, "w", 1, 30) == 1 && mapped[30] == 'w',
                  "mapping and descriptor are no longer the same file");
    subject_check(pread(reader, text, 1, 30) == 1 && text[0] == 'w',
                  "the two descriptors are no longer the same file");
    return subject_done();
}
