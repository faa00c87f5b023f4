/* table.c: every column as wide as its widest cell; the last one is not padded. */
#include "cli/table.h"

#include "cli/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct table {
    const char *const *heads;
    size_t columns;
    char **cells;
    size_t count;
    size_t capacity;
    bool failed;
};

struct table *table_new(const char *const *heads)
{
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->heads = heads;
    while (heads[table->columns])
        table->columns++;
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

void table_cell(struct table *table, const char *format, ...)
{
    if (!table || table->failed)
        return;
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 64;
        char **cells = reallocarray(table->cells, capacity, sizeof *cells);
        table->failed = !cells;
        if (!cells)
            return;
        table->cells = cells;
        table->capacity = capacity;
    }
    va_list arguments;
    va_start(arguments, format);
    char *text;
    table->failed = vasprintf(&text, format, arguments) < 0;
    va_end(arguments);
    if (!table->failed)
        table->cells[table->count++] = text;
}

int table_print(const struct table *table, FILE *stream)
{
    size_t *widths = table && !table->failed ? calloc(table->columns, sizeof *widths) : NULL;
    if (!widths) {
        errno = ENOMEM;
        return -1;
    }
    size_t columns = table->columns;
    for (size_t c = 0; c < columns; c++)
        widths[c] = strlen(table->heads[c]);
    for (size_t i = 0; i < table->count; i++) {
        size_t length = strlen(table->cells[i]);
        if (length > widths[i % columns])
            widths[i % columns] = length;
    }
    for (size_t c = 0; c < columns; c++)
        fprintf(stream, "%-*s%s", c + 1 < columns ? (int)widths[c] : 0, table->heads[c],
                c + 1 < columns ? "  " : "\n");
    for (size_t i = 0; i < table->count; i++) {
        size_t c = i % columns;
        if (c + 1 < columns) {
            fprintf(stream, "%-*s  ", (int)widths[c], table->cells[i]);
        } else {
            report_text(stream, table->cells[i]);
            putc('\n', stream);
        }
    }
    free(widths);
    return fflush(stream) == EOF ? -1 : 0;
}
