/* json_read.c: parsing JSON from outside into trees. Linear in its length; depth is bounded. */
#include "image/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const char *at;
    const char *end;
    const char *begin;
    struct recap_arena *arena;
    const char *why; /* of the first failure */
};

static int parse_value(struct parser *parser, struct recap_value *value, int depth);

static int wrong(struct parser *parser, const char *why)
{
    if (!parser->why)
        parser->why = why;
    return -EINVAL;
}

static void skip_space(struct parser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\n' ||
                                        *parser->at == '\t' || *parser->at == '\r'))
        parser->at++;
}

/* Whether the next character, after space, is `c`; it is then consumed. */
static bool accept(struct parser *parser, char c)
{
    skip_space(parser);
    if (parser->at == parser->end || *parser->at != c)
        return false;
    parser->at++;
    return true;
}

static bool word(struct parser *parser, const char *expected)
{
    size_t length = strlen(expected);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, expected, length) != 0)
        return false;
    parser->at += length;
    return true;
}

static int hex4(struct parser *parser, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = parser->at < parser->end ? *parser->at++ : '\0';
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return wrong(parser, "a malformed escape");
        *code = *code << 4 | digit;
    }
    return 0;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* The part of an escape after the backslash. No escape is shorter than what it stands for. */
static int escape(struct parser *parser, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = parser->at < parser->end ? *parser->at++ : '\0';
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        *(*out)++ = to[simple - from];
        return 0;
    }
    uint32_t code, low;
    if (c != 'u' || hex4(parser, &code) < 0)
        return wrong(parser, "a malformed escape");
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!word(parser, "\\u") || hex4(parser, &low) < 0 || low < 0xdc00 || low > 0xdfff)
            return wrong(parser, "half a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return wrong(parser, "half a surrogate pair");
    }
    if (code == 0)
        return wrong(parser, "a NUL character");
    *out = put_utf8(*out, code);
    return 0;
}

/* The closing quote of the string that begins at parser->at, or NULL. */
static const char *find_quote(const struct parser *parser)
{
    for (const char *at = parser->at; at < parser->end; at++) {
        if (*at == '"')
            return at;
        if (*at == '\\' && ++at == parser->end)
            break;
    }
    return NULL;
}

/* After the opening quote. */
static int parse_string(struct parser *parser, const char **string, size_t *length)
{
    const char *quote = find_quote(parser);
    if (!quote)
        return wrong(parser, "a string without an end");
    char *begin = recap_arena_alloc(parser->arena, (size_t)(quote - parser->at) + 1), *out = begin;
    if (!begin)
        return -ENOMEM;
    while (parser->at < quote) {
        if (*parser->at == '\\') {
            parser->at++;
            if (escape(parser, &out) < 0)
                return -EINVAL;
            continue;
        }
        uint32_t code;
        size_t size = json_utf8(parser->at, (size_t)(quote - parser->at), &code);
        if (!size || code < 0x20)
            return wrong(parser, size ? "a control character" : "malformed UTF-8");
        memcpy(out, parser->at, size);
        out += size;
        parser->at += size;
    }
    parser->at = quote + 1;
    *string = begin;
    *length = (size_t)(out - begin);
    return 0;
}

static int parse_number(struct parser *parser, int64_t *number)
{
    bool negative = word(parser, "-");
    const char *begin = parser->at;
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + negative;
    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') {
        uint64_t digit = (uint64_t)(*parser->at++ - '0');
        if (value > (limit - digit) / 10)
            return wrong(parser, "a number beyond 64 bits");
        value = value * 10 + digit;
    }
    if (parser->at == begin || (*begin == '0' && parser->at - begin > 1))
        return wrong(parser, "a malformed number");
    if (parser->at < parser->end && strchr(".eE", *parser->at))
        return wrong(parser, "a number that is not an integer");
    *number = (int64_t)(negative ? 0 - value : value);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether two members have one name. Sorted beyond a few: the names come from outside. */
static int check_names(struct parser *parser, const struct recap_value *record)
{
    enum { FEW = 8 };
    size_t count = record->u.items.count, n = 0;
    const char *few[FEW], **names = few;
    if (count > FEW && !(names = malloc(count * sizeof *names)))
        return -ENOMEM;
    for (const struct recap_value *v = record->u.items.first; v; v = v->next)
        names[n++] = v->name;
    qsort(names, n, sizeof *names, compare_names);
    bool twice = false;
    for (size_t i = 1; i < n; i++)
        twice |= strcmp(names[i - 1], names[i]) == 0;
    if (names != few)
        free(names);
    return twice ? wrong(parser, "two members of one name") : 0;
}

static int parse_member(struct parser *parser, struct recap_value *into, int depth)
{
    struct recap_value *member = recap_arena_alloc(parser->arena, sizeof *member);
    if (!member)
        return -ENOMEM;
    if (into->type == RECAP_RECORD) {
        size_t length;
        if (!accept(parser, '"'))
            return wrong(parser, "a member without a name");
        int result = parse_string(parser, &member->name, &length);
        if (result < 0)
            return result;
        if (!accept(parser, ':'))
            return wrong(parser, "a member without a value");
    }
    int result = parse_value(parser, member, depth);
    if (result < 0)
        return result;
    if (into->u.items.last)
        into->u.items.last->next = member;
    else
        into->u.items.first = member;
    into->u.items.last = member;
    into->u.items.count++;
    return 0;
}

/* After the opening bracket. */
static int parse_items(struct parser *parser, struct recap_value *into, char close, int depth)
{
    if (depth >= JSON_DEPTH)
        return wrong(parser, "values that nest too deeply");
    if (accept(parser, close))
        return 0;
    do {
        int result = parse_member(parser, into, depth + 1);
        if (result < 0)
            return result;
    } while (accept(parser, ','));
    if (!accept(parser, close))
        return wrong(parser, "a list or record without an end");
    return into->type == RECAP_RECORD ? check_names(parser, into) : 0;
}

static int parse_value(struct parser *parser, struct recap_value *value, int depth)
{
    if (accept(parser, '{')) {
        value->type = RECAP_RECORD;
        return parse_items(parser, value, '}', depth);
    }
    if (accept(parser, '[')) {
        value->type = RECAP_LIST;
        return parse_items(parser, value, ']', depth);
    }
    if (accept(parser, '"')) {
        value->type = RECAP_TEXT;
        const char *string = NULL;
        int result = parse_string(parser, &string, &value->u.bytes.length);
        value->u.bytes.data = string;
        return result;
    }
    value->type = RECAP_NUMBER;
    bool truth = word(parser, "true");
    if (truth || word(parser, "false")) {
        value->u.number = truth;
        return 0;
    }
    return parse_number(parser, &value->u.number);
}

static size_t line_of(const struct parser *parser)
{
    size_t line = 1;
    for (const char *c = parser->begin; c < parser->at; c++)
        line += *c == '\n';
    return line;
}

int json_parse(const char *text, size_t length, struct recap_arena *arena,
               struct recap_value **value, struct recap_error *error)
{
    struct parser parser = {
        .at = text, .begin = text, .end = length ? text + length : text, .arena = arena};
    struct recap_value *root = recap_arena_alloc(arena, sizeof *root);
    int result = root ? parse_value(&parser, root, 0) : -ENOMEM;
    skip_space(&parser);
    if (result == 0 && parser.at != parser.end)
        result = wrong(&parser, "something after the end");
    if (result == -ENOMEM)
        return recap_fail(error, result, "reading JSON");
    if (result < 0)
        return recap_refuse(error, RECAP_DAMAGED, result, "line %zu has %s", line_of(&parser),
                            parser.why);
    *value = root;
    return 0;
}
