/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"

#define CELL_MAX 1024

struct table {
	unsigned n_cols;
	bool right[TABLE_COLS_MAX];
	size_t width[TABLE_COLS_MAX];
	char **cells;		/* rows one behind the other; titles first */
	size_t n_cells, cap;
};

static void
add_cell(struct table *t, unsigned col, const char *text)
{
	char shown[CELL_MAX];
	char *copy;

	(void)msg_safe(shown, sizeof(shown), text, strlen(text));
	if (t->n_cells == t->cap) {
		t->cap = t->cap == 0 ? 64 : 2 * t->cap;
		t->cells = reallocarray(t->cells, t->cap, sizeof(*t->cells));
		TT_ASSERT(t->cells != NULL);
	}
	copy = strdup(shown);
	TT_ASSERT(copy != NULL);
	t->cells[t->n_cells++] = copy;
	t->width[col] = TT_MAX(t->width[col], strlen(copy));
}

struct table *
table_new(const char *const *heads, unsigned n_cols)
{
	struct table *t = calloc(1, sizeof(*t));

	TT_ASSERT(t != NULL && n_cols > 0 && n_cols <= TABLE_COLS_MAX);
	t->n_cols = n_cols;
	for (unsigned i = 0; i < n_cols; i++) {
		t->right[i] = heads[i][0] == '>';
		add_cell(t, i, heads[i] + (t->right[i] ? 1 : 0));
	}
	return (t);
}

void
table_free(struct table *t)
{

	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void
table_row(struct table *t, const char *const *cells)
{

	for (unsigned i = 0; i < t->n_cols; i++)
		add_cell(t, i, *cells[i] == '\0' ? "-" : cells[i]);
}

void
table_print(const struct table *t, FILE *f)
{

	for (size_t i = 0; i < t->n_cells; i++) {
		unsigned col = (unsigned)(i % t->n_cols);
		bool last = col == t->n_cols - 1;
		int width = (int)t->width[col];

		if (t->right[col])
			(void)fprintf(f, "%*s", width, t->cells[i]);
		else
			(void)fprintf(f, "%-*s", last ? 0 : width,
			    t->cells[i]);
		(void)fputs(last ? "\n" : "  ", f);
	}
}
