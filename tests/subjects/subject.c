/* subject.c: the conversation between a self-checking subject and the harness. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Findings, one "wrong: ..." line each. Kept in memory: an open file would be a capability that the
 * subject does not test. */
static char *findings;
static size_t findings_length;
static char *note;
static pthread_mutex_t findings_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "a subject is run by tests/live/run_subject, which sets %s\n", name);
        exit(2);
    }
    return value;
}

static void record(const char *format, va_list arguments)
{
    char *finding;
    if (vasprintf(&finding, format, arguments) < 0)
        abort();
    pthread_mutex_lock(&findings_lock);
    size_t length = strlen("wrong: ") + strlen(finding) + strlen("\n");
    findings = realloc(findings, findings_length + length + 1);
    if (!findings)
        abort();
    snprintf(findings + findings_length, length + 1, "wrong: %s\n", finding);
    findings_length += length;
    pthread_mutex_unlock(&findings_lock);
    free(finding);
}

static void say(const char *line)
{
    const char *number = getenv("RECAP_READY_FD");
    int fd = number ? atoi(number) : STDOUT_FILENO;
    if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
        abort();
    if (fd > STDERR_FILENO)
        close(fd);
}

void subject_need(bool built, const char *format, ...)
{
    if (built)
        return;
    va_list arguments;
    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
    exit(subject_done());
}

void subject_skip(const char *format, ...)
{
    char *reason;
    char *line;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&reason, format, arguments) < 0 || asprintf(&line, "skip: %s\n", reason) < 0)
        abort();
    va_end(arguments);
    say(line);
    exit(77);
}

void subject_ready(void)
{
    setting("RECAP_GO");
    setting("RECAP_RESULT");
    say("ready\n");
}

bool subject_go(void)
{
    struct stat status;
    return stat(setting("RECAP_GO"), &status) == 0;
}

void subject_wait_go(void)
{
    while (!subject_go())
        usleep(10000);
}

void subject_check(bool right, const char *format, ...)
{
    if (right)
        return;
    int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
    errno = saved;
}

void subject_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    free(note);
    if (vasprintf(&note, format, arguments) < 0)
        abort();
    va_end(arguments);
}

int subject_done(void)
{
    const char *text = findings_length ? findings : "right\n";
    const char *name = setting("RECAP_RESULT");
    char *part, *all = NULL;
    if (asprintf(&part, "%s.part", name) < 0 ||
        (note && asprintf(&all, "note: %s\n%s", note, text) < 0))
        abort();
    text = all ? all : text;
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) < 0 ||
        rename(part, name) < 0) {
        perror(name);
        return 2;
    }
    free(part);
    free(all);
    return findings_length ? 1 : 0;
}
