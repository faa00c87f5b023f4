/* states.c: sets the states of a family, waits while it is checkpointed and restored, and says what
 * they were and are.
 *
 *     states --families              their names
 *     states --list FAMILY           a line per state: name, expectation, words, since, may lack,
 *                                    alone or shared, and what it claims, with tabs between them
 *     states FAMILY [STATE...]       sets these (all that are not to be alone); the conversation is
 *                                    that of tests/subjects/subject.h, and the findings are a line
 *                                    per state: name, errno of setting it, ordinary value, value
 *                                    before, value after
 */
#include "states.h"

#include "tests/subjects/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

extern const struct family address_space_family, confinement_family, events_family, files_family,
    inodes_family, limits_family, memberships_family, memory_family, process_family, sockets_family,
    threads_family;
static const struct family *const families[] = {
    &address_space_family, &confinement_family, &events_family,      &files_family,
    &inodes_family,        &limits_family,      &memberships_family, &memory_family,
    &process_family,       &sockets_family,     &threads_family};

enum { FAMILIES = sizeof families / sizeof *families };

struct work {
    const struct family *family;
    struct held *held;
    size_t count;
    sem_t ready, done; /* for the first thread, where another does the work */
};

void state_say(char text[STATE_TEXT], bool answered, const char *format, ...)
{
    va_list arguments;
    if (!answered) {
        snprintf(text, STATE_TEXT, "error: %s", strerrorname_np(errno));
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, STATE_TEXT, format, arguments);
    va_end(arguments);
}

static void in_one_line(char *text)
{
    for (; *text; text++)
        if (*text == '\n' || *text == '\t')
            *text = ' ';
}

void state_say_bytes(char text[STATE_TEXT], bool read, const unsigned char *bytes, size_t size)
{
    enum { SHOWN = 256 };
    char digits[2 * SHOWN + 1] = "";
    for (size_t i = 0; read && i < size && i < SHOWN; i++)
        snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
    state_say(text, read, "%zu bytes %s", size, digits);
}

void state_say_file(char text[STATE_TEXT], const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, STATE_TEXT - 1);
    if (length < 0)
        state_say(text, false, "%s", "");
    else
        text[length] = '\0';
    in_one_line(text);
    if (fd >= 0)
        close(fd);
}

void state_say_field(char text[STATE_TEXT], const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0, length = strlen(name);
    snprintf(text, STATE_TEXT, "no field %s", name);
    while (file && getline(&line, &capacity, file) > 0)
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1 + strspn(line + length + 1, " \t");
            snprintf(text, STATE_TEXT, "%.*s", (int)strcspn(value, "\n"), value);
        }
    in_one_line(text);
    free(line);
    if (file)
        fclose(file);
}

int state_set_option(struct held *held)
{
    const long *n = held->state->numbers;
    return prctl((int)n[0], n[1], n[2], 0, 0);
}

void state_read_option(struct held *held, char text[STATE_TEXT])
{
    int value = prctl((int)held->state->numbers[3], held->state->numbers[4], 0, 0, 0);
    state_say(text, value >= 0, "%d", value);
}

void state_read_option_there(struct held *held, char text[STATE_TEXT])
{
    int value = -1;
    bool answered = prctl((int)held->state->numbers[3], &value, 0, 0, 0) >= 0;
    state_say(text, answered, "%d", value);
}

void state_read_status(struct held *held, char text[STATE_TEXT])
{
    const char *field = strchr(held->state->name, ':') + 1;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(field, " "), field);
    state_say_field(text, "/proc/thread-self/status", name);
}

int state_write_file(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = (ssize_t)strlen(content), written = write(fd, content, (size_t)length);
    int code = errno;
    close(fd);
    errno = code;
    return written == length ? 0 : -1;
}

static const struct family *find_family(const char *name)
{
    for (size_t i = 0; i < FAMILIES; i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    fprintf(stderr, "states: there is no family %s\n", name);
    exit(2);
}

static int list(const struct family *family)
{
    for (size_t i = 0; i < family->count; i++) {
        const struct state *s = &family->states[i];
        const char *expected = s->refused ? "refused" : s->limit ? "limit" : "kept";
        const char *words = s->refused ? s->refused : s->limit ? s->limit : "";
        printf("%s\t%s\t%s\t%s\t%s\t%s\t%.*s\n", s->name, expected, words, s->since ? s->since : "",
               s->may_lack ? s->may_lack : "", s->alone || s->refused ? "alone" : "shared",
               (int)(s->claims ? strlen(s->claims) : strcspn(s->name, " ")),
               s->claims ? s->claims : s->name);
    }
    return 0;
}

static bool is_named(const struct state *state, char **names)
{
    if (!*names)
        return !state->alone && !state->refused;
    for (; *names; names++)
        if (strcmp(state->name, *names) == 0)
            return true;
    return false;
}

static void choose(struct work *work, char **names)
{
    work->held = calloc(work->family->count, sizeof *work->held);
    subject_need(work->held != NULL, "calloc: %m");
    for (size_t i = 0; i < work->family->count; i++)
        if (is_named(&work->family->states[i], names))
            work->held[work->count++] =
                (struct held){.state = &work->family->states[i], .fd = -1, .other = -1};
}

static void set(struct held *held)
{
    const struct state *state = held->state;
    errno = 0;
    if (state->open && state->open(held) < 0) {
        held->failed = errno ? errno : EIO;
        return;
    }
    state->read(held, held->ordinary);
    if (state->set(held) < 0)
        held->failed = errno ? errno : EIO;
}

static void report(const struct held *held)
{
    subject_check(false, "%s\t%s\t%s\t%s\t%s", held->state->name,
                  held->failed ? strerrorname_np(held->failed) : "0", held->ordinary, held->before,
                  held->after);
}

static void *run(void *argument)
{
    struct work *work = argument;
    for (size_t i = 0; i < work->count; i++)
        set(&work->held[i]);
    /* After all of them: what a later one changed was never there to be kept. */
    for (size_t i = 0; i < work->count; i++)
        if (!work->held[i].failed)
            work->held[i].state->read(&work->held[i], work->held[i].before);
    subject_ready();
    sem_post(&work->ready);
    subject_wait_go();
    for (size_t i = 0; i < work->count; i++)
        if (!work->held[i].failed)
            work->held[i].state->read(&work->held[i], work->held[i].after);
    for (size_t i = 0; i < work->count; i++)
        report(&work->held[i]);
    sem_post(&work->done);
    return NULL;
}

/* The thread is not joined: what the kernel does at its end may be a state, too. And it may have a
 * descriptor table of its own by now, so that the first one has to close what "ready" went to. */
static void run_in_thread(struct work *work)
{
    pthread_t thread;
    const char *ready = getenv("RECAP_READY_FD");
    subject_need(pthread_create(&thread, NULL, run, work) == 0, "pthread_create");
    while (sem_wait(&work->ready) != 0)
        ;
    if (ready && atoi(ready) > STDERR_FILENO)
        close(atoi(ready));
    while (sem_wait(&work->done) != 0)
        ;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--families") == 0) {
        for (size_t i = 0; i < FAMILIES; i++)
            puts(families[i]->name);
        return 0;
    }
    if (count == 3 && strcmp(arguments[1], "--list") == 0)
        return list(find_family(arguments[2]));
    if (count < 2) {
        fprintf(stderr,
                "usage: states --families | states --list FAMILY | states FAMILY [STATE...]\n");
        return 2;
    }
    struct work work = {.family = find_family(arguments[1])};
    choose(&work, arguments + 2);
    sem_init(&work.ready, 0, 0);
    sem_init(&work.done, 0, 0);
    if (work.family->by_thread)
        run_in_thread(&work);
    else
        run(&work);
    return subject_done();
}
