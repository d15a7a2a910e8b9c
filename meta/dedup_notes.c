/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup_notes.c - the samples of the checkpoint that is being made: a table
 * with open addressing, never fuller than seven eighths.
 */
#include "meta/dedup_int.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_MIN	1024u

struct dedup_notes {
	struct dedup_note *v;		/* NULL: nothing was noted */
	size_t n, room, max_room;	/* room: a power of two */
};

int
dedup_notes_new(uint64_t max_bytes, struct dedup_notes **out)
{
	struct dedup_notes *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return (-ENOMEM);
	x->max_room = ROOM_MIN;
	while (2 * x->max_room * sizeof(*x->v) <= max_bytes)
		x->max_room *= 2;
	*out = x;
	return (0);
}

void
dedup_notes_clear(struct dedup_notes *x)
{

	free(x->v);
	x->v = NULL;
	x->n = x->room = 0;
}

void
dedup_notes_free(struct dedup_notes *x)
{

	if (x == NULL)
		return;
	free(x->v);
	free(x);
}

/* Where it is, or would be. */
static struct dedup_note *
at(const struct dedup_notes *x, struct id id)
{
	size_t i = (size_t)((id.lo >> 4 ^ id.hi) *
	    UINT64_C(0x9e3779b97f4a7c15) >> 16) & (x->room - 1);

	while (!id_is_hole(&x->v[i].id) && !id_equal(&x->v[i].id, &id))
		i = (i + 1) & (x->room - 1);
	return (&x->v[i]);
}

static void
grow(struct dedup_notes *x)
{
	struct dedup_notes big = { .n = x->n, .max_room = x->max_room,
	    .room = x->room == 0 ? ROOM_MIN : 2 * x->room };

	if (2 * x->n < x->room || big.room > x->max_room)
		return;
	if ((big.v = calloc(big.room, sizeof(*big.v))) == NULL)
		return;
	for (size_t i = 0; i < x->room; i++)
		if (!id_is_hole(&x->v[i].id))
			*at(&big, x->v[i].id) = x->v[i];
	free(x->v);
	*x = big;
}

void
dedup_notes_add(struct dedup_notes *x, const struct place *p)
{
	struct dedup_note *n;

	grow(x);
	if (x->room == 0)
		return;
	n = at(x, p->id);
	if (!id_is_hole(&n->id)) {
		if (p->loc < n->loc)
			n->loc = p->loc;
	} else if (x->n < x->room / 8 * 7) {
		*n = (struct dedup_note){ .id = p->id, .loc = p->loc };
		x->n++;
	}
}

struct dedup_note *
dedup_notes_find(struct dedup_notes *x, struct id id)
{
	struct dedup_note *n;

	if (x->n == 0)
		return (NULL);
	n = at(x, id);
	return (id_is_hole(&n->id) ? NULL : n);
}

int
dedup_notes_rows(const struct dedup_notes *x, struct dedup_row **rows,
    size_t *n)
{
	struct dedup_row *all;
	size_t k = 0;

	if ((all = malloc((x->n + 1) * sizeof(*all))) == NULL)
		return (-ENOMEM);
	for (size_t i = 0; i < x->room; i++)
		if (!id_is_hole(&x->v[i].id) && !x->v[i].stays)
			all[k++] = (struct dedup_row){ x->v[i].id.hi,
			    x->v[i].loc };
	*rows = all;
	*n = k;
	return (0);
}

uint64_t
dedup_notes_bytes(const struct dedup_notes *x)
{

	return (sizeof(*x) + x->room * sizeof(*x->v));
}
