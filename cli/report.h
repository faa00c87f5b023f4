/* report.h: what a command says: to people on standard error, to programs as JSON. */
#ifndef RECAP_CLI_REPORT_H
#define RECAP_CLI_REPORT_H

#include <jansson.h>
#include <recap/error.h>
#include <stdio.h>

/* Writes text that may come from anywhere (file names) such that it cannot steer a terminal. */
void report_text(FILE *stream, const char *text);

/* "recap: ..." and a newline, on standard error. */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says what went wrong: every refusal, or else the error; as JSON on standard output also, if
 * `json`. `refusals` may be NULL. Returns the exit status. */
int report_failure(bool json, const struct recap_error *error,
                   const struct recap_refusals *refusals);

/* A JSON string of any text; bytes that are not UTF-8 become \ooo. NULL gives null. */
json_t *report_json_text(const char *text);
/* Rights as a list of their names. */
json_t *report_json_rights(uint32_t rights);
/* Refusals as a list. */
json_t *report_json_refusals(const struct recap_refusals *refusals);
/* Prints `root` on standard output and takes it over. Returns the exit status: 0, or 1 with a note
 * if it could not be built (NULL) or written. */
int report_json(json_t *root);

#endif
