/* subject.h: what every self-checking subject shares.
 *
 * A subject is a program that builds some state, says that it is ready, waits, and then checks all
 * of its state itself. In between the harness checkpoints and restores it; the subject must not be
 * able to tell. tests/live/run_subject runs it with
 *     RECAP_READY_FD   a descriptor for the line "ready" (1 if unset); closed once that is said
 *     RECAP_GO         the name of a file that appears when the subject is to check its state
 *     RECAP_RESULT     the name of the file for its findings
 *     RECAP_CYCLES     how often it is checkpointed, if it has to know
 * the names absolute, standard input, output and error on /dev/null, no other descriptors, and a
 * private, empty current directory.
 *
 *     int main(void)
 *     {
 *         int fd = eventfd(7, 0);
 *         subject_need(fd >= 0, "eventfd: %m");
 *         subject_ready();
 *         subject_wait_go();
 *         uint64_t value;
 *         subject_check(read(fd, &value, 8) == 8 && value == 7, "the counter is lost");
 *         return subject_done();
 *     }
 */
#ifndef RECAP_TESTS_SUBJECT_H
#define RECAP_TESTS_SUBJECT_H

#include <stdbool.h>

/* For building the state: if it cannot be built, records why as a finding and exits with 1. */
void subject_need(bool built, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The machine lacks what the subject needs (a kernel feature, a privilege): says so in place of
 * "ready" and exits with 77. The harness counts it as skipped. */
_Noreturn void subject_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says that the state is built and closes the descriptor that it was said on, unless that is one of
 * the standard three. */
void subject_ready(void);

/* Whether the harness has asked for the check: for subjects that wait in a way of their own. */
bool subject_go(void);

/* Waits for that in sleeps of 10 ms. */
void subject_wait_go(void);

/* Unless `right` holds, records a finding. errno is kept. */
void subject_check(bool right, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Has the harness show a line that is no finding. */
void subject_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes the findings, or "right", to the result file. Returns main's exit status: 0 right, 1
 * wrong. */
int subject_done(void);

#endif
