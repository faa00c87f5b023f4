/* removed_program.c: a program without a file: first its own was removed, as an upgrade does, then
 * one in a memory file takes its place. It can still be read and executed by its link. */
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER = 42 };

static unsigned long sum_program(void)
{
    unsigned long sum = 5381;
    char buffer[4096];
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            sum = sum * 33 + (unsigned char)buffer[i];
    close(fd);
    return sum;
}

static bool can_execute(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "answer", (char *)NULL);
        _exit(1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == ANSWER;
}

/* Executes itself from memory, and is there once more. */
static void move_to_memory(const char *self)
{
    struct stat status;
    int program = open(self, O_RDONLY | O_CLOEXEC);
    int memory = memfd_create("program", MFD_CLOEXEC);
    subject_need(program >= 0 && memory >= 0 && fstat(program, &status) == 0 &&
                     sendfile(memory, program, NULL, (size_t)status.st_size) == status.st_size,
                 "copying the program: %m");
    fexecve(memory, (char *[]){"in-memory", NULL}, environ);
    subject_need(false, "fexecve: %m");
}

int main(int count, char **words)
{
    char path[4096] = "", after[4096] = "";
    struct stat status, after_status;
    if (count > 0 && strcmp(words[0], "answer") == 0)
        return ANSWER;
    subject_need(readlink("/proc/self/exe", path, sizeof path - 1) > 0, "readlink: %m");
    if (strcmp(words[0], "in-memory") != 0) {
        subject_need(unlink(path) == 0, "unlink: %m");
        if (getenv("RECAP_IN_MEMORY"))
            move_to_memory("/proc/self/exe");
    }
    unsigned long sum = sum_program();
    subject_need(stat("/proc/self/exe", &status) == 0 && can_execute(), "executing: %m");

    subject_ready();
    subject_wait_go();

    subject_check(readlink("/proc/self/exe", after, sizeof after - 1) > 0 && strlen(after) > 10 &&
                      strcmp(after + strlen(after) - 10, " (deleted)") == 0,
                  "the program's file has a name: %s", after);
    subject_check(sum_program() == sum, "the program's file has another content");
    subject_check(stat("/proc/self/exe", &after_status) == 0 && after_status.st_nlink == 0 &&
                      after_status.st_size == status.st_size &&
                      after_status.st_mode == status.st_mode,
                  "size or mode of the program's file differ");
    subject_check(can_execute(), "the program cannot be executed any more");
    return subject_done();
}
