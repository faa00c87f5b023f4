/* error.h: the one error object that every fallible function of librecap fills.
 *
 * A function that can fail returns 0 (or a count) on success and a negative errno on failure, and
 * takes a `struct recap_error *` as its last argument. The object then says what failed, on which
 * selector, why, and what the user can do. Outputs other than the error are untouched on failure.
 * A NULL error object is allowed everywhere: the text is dropped, the return value stays.
 */
#ifndef RECAP_ERROR_H
#define RECAP_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The class of a failure; the values are recap(1)'s exit codes. */
enum recap_class {
    RECAP_FAILED = 1,      /* it did not work this time */
    RECAP_USAGE = 2,       /* the request itself is malformed */
    RECAP_UNSUPPORTED = 3, /* something cannot be restored faithfully, and is named */
    RECAP_DAMAGED = 4,     /* the image is damaged, foreign or of another version */
};

struct recap_error {
    int code;             /* the negative errno that was returned; 0: nothing failed yet */
    enum recap_class cls; /* how to exit */
    bool has_selector;    /* whether `selector` means anything */
    uint64_t selector;    /* the selector that it failed on */
    char object[256];     /* what sits at the selector, for people; empty: not known */
    char what[512];       /* what failed and why, one sentence without a final stop */
    char remedy[512];     /* what the user can do; empty when there is nothing to say */
};

/* Fills `e` (may be NULL): class RECAP_FAILED, no selector, no remedy. `code` is a negative errno;
 * its text is appended after a colon unless `code` is -EINVAL. Returns `code`. */
int recap_fail(struct recap_error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a class, and without the errno's text: `format` says it all. Returns `code`. */
int recap_refuse(struct recap_error *e, enum recap_class cls, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds the selector that a filled error is about. Returns e->code (or 0 for NULL). */
int recap_error_at(struct recap_error *e, uint64_t selector);

/* Adds what sits at that selector ("TCP socket to 10.0.0.5:5432, established"; may be NULL).
 * Returns e->code (or 0 for NULL). */
int recap_error_object(struct recap_error *e, const char *object);

/* Adds the remedy to a filled error. Returns e->code (or 0 for NULL). */
int recap_error_remedy(struct recap_error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A growing list of refusals: everything that cannot be checkpointed, found before the pause and
 * reported all at once. */
struct recap_refusals {
    struct recap_error *items; /* each of class RECAP_UNSUPPORTED */
    size_t count;
    size_t capacity;
};

/* Appends a copy of `e`. Returns 0 or -ENOMEM. */
int recap_refusals_add(struct recap_refusals *list, const struct recap_error *e);

/* Appends a refusal that concerns the PD and not one selector. Returns 0 or -ENOMEM. */
int recap_refusals_say(struct recap_refusals *list, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Frees the items; the list is empty and usable afterwards. Accepts NULL. */
void recap_refusals_clear(struct recap_refusals *list);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
