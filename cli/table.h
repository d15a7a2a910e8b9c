/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - rows of text with aligned columns.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#define TABLE_COLS_MAX 8

struct table;

/* ${heads}: ${n_cols} titles, in capitals; a leading '>' aligns the column to
 * the right.  Out of memory ends the program, as everywhere in tt-admin. */
struct table *table_new(const char *const *heads, unsigned n_cols);
void table_free(struct table *t);

/* Copies ${n_cols} cells; an empty one becomes "-", what a terminal cannot
 * show \xNN. */
void table_row(struct table *t, const char *const *cells);

/* Titles and rows, two blanks between columns, none at the end of a line. */
void table_print(const struct table *t, FILE *f);

#endif /* !CLI_TABLE_H */
