/* memfd.c: memory files keep content and holes, seals and mode; several openings of one keep an
 * offset each; a mapping still is of the same file. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 8 << 20, FAR = 6000000 };

int main(void)
{
    int file = memfd_create("a name with blanks", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    int sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
    char path[64], text[8] = "";
    subject_need(file >= 0 && sealed >= 0, "memfd_create: %m");
    subject_need(ftruncate(file, SIZE) == 0 && pwrite(file, "far", 3, FAR) == 3, "write: %m");
    subject_need(write(sealed, "fixed", 5) == 5, "write: %m");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int reader = open(path, O_RDONLY);
    lseek(file, 11, SEEK_SET);
    lseek(reader, 22, SEEK_SET);
    char *mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    subject_need(mapped != MAP_FAILED, "mmap: %m");
    memcpy(mapped + 4096, "mapped", 6);
    subject_need(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK) == 0, "seal: %m");
    subject_need(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL) == 0,
                 "seal: %m");
    subject_need(fchmod(sealed, 0400) == 0, "fchmod: %m");

    subject_ready();
    subject_wait_go();

    struct stat a, b;
    subject_check(lseek(file, 0, SEEK_CUR) == 11 && lseek(reader, 0, SEEK_CUR) == 22,
                  "the offsets are wrong");
    subject_check(fstat(file, &a) == 0 && fstat(reader, &b) == 0 && a.st_ino == b.st_ino,
                  "the openings are of different files");
    subject_check(a.st_size == SIZE && a.st_blocks * 512 < SIZE / 2, "size or holes are lost");
    subject_check(pread(reader, text, 3, FAR) == 3 && strcmp(text, "far") == 0, "bytes are lost");
    memcpy(mapped + 8192, "now", 3);
    subject_check(pread(reader, text, 3, 8192) == 3 && strncmp(text, "now", 3) == 0,
                  "the mapping is of another file");
    subject_check(memcmp(mapped + 4096, "mapped", 6) == 0, "mapped bytes are lost");
    subject_check(pwrite(file, "x", 1, 0) < 0 && errno == EPERM, "the seal on writing is lost");
    subject_check(fcntl(file, F_GET_SEALS) == (F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK), "seals");
    subject_check(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL),
                  "the seals are lost");
    subject_check(fstat(sealed, &b) == 0 && (b.st_mode & 07777) == 0400, "the mode is lost");
    subject_check(pread(sealed, text, 5, 0) == 5 && strncmp(text, "fixed", 5) == 0, "sealed bytes");
    subject_check((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY, "the reader may write now");
    ssize_t length = readlink(path, text, sizeof text);
    subject_check(length > 0 && strncmp(text, "/memfd:a", 8) == 0, "the name is lost");
    return subject_done();
}
