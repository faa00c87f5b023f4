/* report.c: messages for people, documents for programs. */
#include "cli/report.h"

#include "graph/graph.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void report_text(FILE *stream, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f)
            fprintf(stream, "\\%03o", *at);
        else
            putc(*at, stream);
    }
}

void report_note(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    fputs("recap: ", stderr);
    report_text(stderr, text);
    putc('\n', stderr);
    free(text);
}

static void note_error(const struct recap_error *error)
{
    char place[sizeof error->object + 40] = "";
    /* Some sentences name their object themselves. */
    bool named = *error->object && !strstr(error->what, error->object);
    if (error->has_selector && named)
        snprintf(place, sizeof place, "selector %llu (%s): ", (unsigned long long)error->selector,
                 error->object);
    else if (error->has_selector)
        snprintf(place, sizeof place, "selector %llu: ", (unsigned long long)error->selector);
    else if (named)
        snprintf(place, sizeof place, "%s: ", error->object);
    report_note("%s%s%s%s", place, error->what, *error->remedy ? "; " : "", error->remedy);
}

static const char *class_name(enum recap_class cls)
{
    switch (cls) {
    case RECAP_USAGE:
        return "usage";
    case RECAP_UNSUPPORTED:
        return "unsupported";
    case RECAP_DAMAGED:
        return "damaged";
    case RECAP_FAILED:
        break;
    }
    return "failed";
}

static json_t *json_error(const struct recap_error *error)
{
    json_t *object = json_pack("{s:s, s:o}", "class", class_name(error->cls), "what",
                               report_json_text(error->what));
    if (object && error->has_selector)
        json_object_set_new(object, "selector", json_integer((json_int_t)error->selector));
    if (object && *error->object)
        json_object_set_new(object, "object", report_json_text(error->object));
    if (object && *error->remedy)
        json_object_set_new(object, "remedy", report_json_text(error->remedy));
    return object;
}

json_t *report_json_refusals(const struct recap_refusals *refusals)
{
    json_t *list = json_array();
    for (size_t i = 0; refusals && i < refusals->count; i++)
        json_array_append_new(list, json_error(&refusals->items[i]));
    return list;
}

int report_failure(bool json, const struct recap_error *error,
                   const struct recap_refusals *refusals)
{
    enum recap_class cls = error->cls ? error->cls : RECAP_FAILED;
    /* An error of another class than the refusals came from somewhere else. */
    bool apart = !refusals || refusals->count == 0 || refusals->items[0].cls != cls;
    for (size_t i = 0; refusals && i < refusals->count; i++)
        note_error(&refusals->items[i]);
    if (apart)
        note_error(error);
    if (json)
        report_json(json_pack("{s:o, s:o}", "error", json_error(error), "refusals",
                              report_json_refusals(refusals)));
    return (int)cls;
}

/* The length of the UTF-8 sequence at `text`, 0 if there is none. */
static size_t sequence_length(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } shapes[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t more = 0; more < sizeof shapes / sizeof *shapes; more++) {
        if ((*text & shapes[more].mask) != shapes[more].lead)
            continue;
        uint32_t code = *text & (unsigned char)~shapes[more].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((text[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text[i] & 0x3f);
        }
        bool surrogate = code >= 0xd800 && code < 0xe000;
        return code >= shapes[more].least && code <= 0x10ffff && !surrogate ? more + 1 : 0;
    }
    return 0;
}

json_t *report_json_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *string = json_string(text);
    if (string)
        return string;
    char *escaped = malloc(strlen(text) * 4 + 1);
    char *out = escaped;
    for (const unsigned char *at = (const unsigned char *)text; escaped && *at;) {
        size_t length = sequence_length(at);
        if (length)
            out = mempcpy(out, at, length);
        else
            out += sprintf(out, "\\%03o", *at);
        at += length ? length : 1;
    }
    if (escaped)
        *out = '\0';
    string = escaped ? json_string(escaped) : NULL;
    free(escaped);
    return string;
}

json_t *report_json_rights(uint32_t rights)
{
    json_t *list = json_array();
    char name[32];
    for (uint32_t bit = 1; bit && bit <= rights; bit <<= 1)
        if (rights & bit && *recap_rights_text(bit, name, sizeof name))
            json_array_append_new(list, json_string(name));
    return list;
}

int report_json(json_t *root)
{
    if (!root) {
        report_note("building the JSON answer: %s", strerror(ENOMEM));
        return RECAP_FAILED;
    }
    int result = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(root);
    if (result < 0 || putchar('\n') == EOF || fflush(stdout) == EOF) {
        report_note("writing the JSON answer: %s", strerror(errno));
        return RECAP_FAILED;
    }
    return 0;
}
