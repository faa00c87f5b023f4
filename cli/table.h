/* table.h: text in aligned columns. */
#ifndef RECAP_CLI_TABLE_H
#define RECAP_CLI_TABLE_H

#include <stdio.h>

struct table;

/* With as many columns as `heads` before its NULL. NULL when out of memory, which is sticky:
 * every function accepts it, and table_print answers with an error. */
struct table *table_new(const char *const *heads);
void table_free(struct table *table);
/* The next cell, from left to right, row by row. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints heads and rows. 0, or -1 with errno. */
int table_print(const struct table *table, FILE *stream);

#endif
