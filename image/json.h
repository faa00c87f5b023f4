/* json.h: the JSON that Recap writes and reads: UTF-8, integers within 64 bits, no floating point.
 *
 * Trees of values keep their types on the way through JSON:
 *     number   an integer                   object   {"object": ID}
 *     hex      "0x1f"                       bytes    {"bytes": BASE64}
 *     text     a string; {"text": BASE64} if it is not UTF-8 or looks like a hexadecimal number
 *     list     an array                     record   an object; {"record": {...}} if its one member
 *                                                    makes it look like one of the forms above
 */
#ifndef RECAP_IMAGE_JSON_H
#define RECAP_IMAGE_JSON_H

#include "graph/state.h"
#include <recap/error.h>

/* Values nest no deeper than this, in what is written as in what is accepted. */
enum { JSON_DEPTH = 128 };

/* Text that grows. Running out of memory, and values that JSON cannot hold, are sticky. */
struct json_text {
    char *data;
    size_t length;
    size_t capacity;
    int failed; /* a negative errno */
};

void json_raw(struct json_text *text, const char *raw);
void json_decimal(struct json_text *text, int64_t number);
/* In quotes, as 0x and digits. */
void json_hex(struct json_text *text, uint64_t number);
/* An integer where that holds it, else hexadecimal: for ids and selectors. */
void json_id(struct json_text *text, uint64_t number);
/* A string as text is encoded above. */
void json_plain(struct json_text *text, const char *string);
/* The name of a member and its colon. */
void json_name(struct json_text *text, const char *name);
/* Ends the text with a NUL that is not counted. */
void json_end(struct json_text *text);
/* A value on one line, without its name. */
void json_value(struct json_text *text, const struct recap_value *value);

/* Parses JSON into a tree: objects are records, arrays lists, strings text, booleans the numbers 0
 * and 1. Members of one object have different names. `error` tells the line of what is not JSON. */
int json_parse(const char *text, size_t length, struct recap_arena *arena,
               struct recap_value **value, struct recap_error *error);
/* Turns a parsed tree into the tree of values that it encodes, in place. */
int json_decode(struct recap_arena *arena, struct recap_value *value);
/* The string that json_plain wrote as `value`: NULL when it is none. */
const char *json_decode_plain(struct recap_arena *arena, struct recap_value *value);
/* A number that json_id or json_hex wrote: 0 or -EINVAL. */
int json_decode_id(const struct recap_value *value, uint64_t *number);

/* base64.c: standard alphabet, padded. `out` of encode holds json_base64_length characters. */
size_t json_base64_length(size_t size);
void json_base64_encode(const void *data, size_t size, char *out);
/* Into fresh memory of the arena: 0, or -EINVAL for anything that encode would not write. */
int json_base64_decode(const char *text, size_t length, struct recap_arena *arena,
                       const void **data, size_t *size);
/* utf8.c: bytes of the well-formed character at `text`, 0 if there is none; its code point. */
size_t json_utf8(const char *text, size_t length, uint32_t *code);

#endif
