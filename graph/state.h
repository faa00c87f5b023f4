/* state.h: the tree of named values in which the state of objects, threads and PDs travels.
 *
 * Backends write such trees, the engine carries them without understanding them, the image keeps
 * them as JSON. A tree lives in an arena and goes with it. Running out of memory is sticky in the
 * arena: writers do not check each call, the owner checks recap_arena_failed() once at the end;
 * every function accepts the NULL that an earlier failure gave.
 *
 * Two rules give a tree its meaning for the engine, and there are no others:
 *   - a RECAP_OBJECT value names another object: it has to exist before this one is created;
 *   - except below a member called "ties": those are tied after everything exists and is installed.
 */
#ifndef RECAP_GRAPH_STATE_H
#define RECAP_GRAPH_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recap_arena;

/* A new arena, or NULL. */
struct recap_arena *recap_arena_new(void);
/* Frees everything in it. Accepts NULL. */
void recap_arena_free(struct recap_arena *arena);
/* Zeroed, 16-byte aligned memory that lives as long as the arena; NULL (sticky) when out of memory.
 */
void *recap_arena_alloc(struct recap_arena *arena, size_t size);
/* A copy of `text` / of `size` bytes. */
char *recap_arena_text(struct recap_arena *arena, const char *text);
void *recap_arena_copy(struct recap_arena *arena, const void *data, size_t size);
/* Formatted text in the arena. */
char *recap_arena_printf(struct recap_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* From now on it takes at most so many bytes of memory in all: more is as being out of memory. For
 * what comes from outside. */
void recap_arena_limit(struct recap_arena *arena, size_t bytes);
/* Whether any allocation failed so far. */
bool recap_arena_failed(const struct recap_arena *arena);

enum recap_type {
    RECAP_NUMBER, /* a signed 64-bit number */
    RECAP_HEX,    /* an unsigned 64-bit number that people read in hexadecimal: addresses, masks */
    RECAP_TEXT,   /* text without NUL bytes; need not be UTF-8 */
    RECAP_BYTES,  /* any bytes */
    RECAP_OBJECT, /* an object: a backend's badge while live, the graph's object id in a graph */
    RECAP_LIST,   /* values without names */
    RECAP_RECORD, /* values with names, each name once */
};

struct recap_value {
    const char *name; /* NULL in a list */
    enum recap_type type;
    union {
        int64_t number;
        uint64_t hex;
        uint64_t object;
        struct {
            const void *data; /* RECAP_TEXT: NUL-terminated beyond `length` */
            size_t length;
        } bytes;
        struct {
            struct recap_value *first;
            struct recap_value *last;
            size_t count;
        } items;
    } u;
    struct recap_value *next; /* the next member of the same list or record */
};

/* A new, empty record. */
struct recap_value *recap_record(struct recap_arena *arena);

/* Writers: append a member to `into`, a record (name given) or a list (name NULL). */
void recap_put_number(struct recap_arena *, struct recap_value *into, const char *name, int64_t);
void recap_put_hex(struct recap_arena *, struct recap_value *into, const char *name, uint64_t);
void recap_put_text(struct recap_arena *, struct recap_value *into, const char *name, const char *);
void recap_put_bytes(struct recap_arena *, struct recap_value *into, const char *name, const void *,
                     size_t length);
void recap_put_object(struct recap_arena *, struct recap_value *into, const char *name, uint64_t);
struct recap_value *recap_put_record(struct recap_arena *, struct recap_value *into,
                                     const char *name);
struct recap_value *recap_put_list(struct recap_arena *, struct recap_value *into,
                                   const char *name);

/* Readers trust nothing: a tree may come from an image. */

/* The member called `name` of a record, or NULL. */
const struct recap_value *recap_member(const struct recap_value *record, const char *name);
/* The first member of a list or record (then follow ->next), or NULL; the same for a named one. */
const struct recap_value *recap_first(const struct recap_value *items);
const struct recap_value *recap_items(const struct recap_value *record, const char *name);

/* 0 and the value; -ENOENT without such a member; -EINVAL when it is of another type. A
 * non-negative number is accepted for hex and the other way round; text stands for bytes. */
int recap_get_number(const struct recap_value *record, const char *name, int64_t *value);
int recap_get_hex(const struct recap_value *record, const char *name, uint64_t *value);
int recap_get_text(const struct recap_value *record, const char *name, const char **value);
int recap_get_bytes(const struct recap_value *record, const char *name, const void **data,
                    size_t *length);
int recap_get_object(const struct recap_value *record, const char *name, uint64_t *value);

/* The number, or `otherwise` when it is missing or of another type. For optional members only. */
int64_t recap_number_or(const struct recap_value *record, const char *name, int64_t otherwise);
/* The text, or NULL when it is missing or of another type. */
const char *recap_text_or_null(const struct recap_value *record, const char *name);

/* A deep copy into another arena. `translate` (may be NULL) maps each RECAP_OBJECT value. */
struct recap_value *recap_value_copy(struct recap_arena *arena, const struct recap_value *value,
                                     uint64_t (*translate)(void *context, uint64_t object),
                                     void *context);
/* Calls `visit` for every RECAP_OBJECT below `value`; `tie` says whether it is below "ties".
 * Stops at, and returns, the first non-zero result. */
int recap_value_objects(const struct recap_value *value,
                        int (*visit)(void *context, uint64_t object, bool tie), void *context);
/* Replaces every RECAP_OBJECT below `value` by what `translate` makes of it. */
void recap_value_translate(struct recap_value *value,
                           uint64_t (*translate)(void *context, uint64_t object), void *context);
/* Whether two trees are equal in types, names, order and values. */
bool recap_value_equal(const struct recap_value *a, const struct recap_value *b);

#endif
