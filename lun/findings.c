/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/findings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"

/* The same disk, the same trouble, right behind it: one entry. */
static bool
continues(const struct verify_damage *a, const struct verify_damage *b)
{

	return (a->kind == b->kind && a->lun == b->lun && a->seq == b->seq &&
	    a->rc == b->rc && a->segment == b->segment &&
	    a->off_bytes + a->len_bytes == b->off_bytes);
}

/* ${b} is told already when ${a} is, whatever is wrong with it. */
static bool
covers(const struct verify_damage *a, const struct verify_damage *b)
{

	return (a->kind == b->kind && a->lun == b->lun && a->seq == b->seq &&
	    a->off_bytes <= b->off_bytes &&
	    b->off_bytes + b->len_bytes <= a->off_bytes + a->len_bytes);
}

static bool
room_for_one(struct findings *f)
{
	size_t room = f->room == 0 ? 16 : f->room * 2;
	struct verify_damage *all;

	if (f->n < f->room)
		return (true);
	if (f->n >= VERIFY_LIST_MAX)
		return (false);
	room = TT_MIN(room, VERIFY_LIST_MAX);
	if ((all = realloc(f->list, room * sizeof(*all))) == NULL)
		return (false);
	f->list = all;
	f->room = room;
	return (true);
}

void
findings_add(struct findings *f, const struct verify_damage *d)
{

	if (d->kind != VERIFY_COPY)
		f->damaged_bytes += d->len_bytes;
	if (f->n > 0 && continues(&f->list[f->n - 1], d)) {
		f->list[f->n - 1].len_bytes += d->len_bytes;
		return;
	}
	f->n_damage++;
	if (room_for_one(f))
		f->list[f->n++] = *d;
}

void
findings_join(struct findings *f, const struct verify_damage *d,
    uint64_t n_run)
{
	bool known = false;

	for (size_t i = 0; i < f->n && !known; i++)
		known = covers(&f->list[i], d);
	if (!known && f->n < VERIFY_LIST_MAX)
		findings_add(f, d);
	f->n_damage = TT_MAX(f->n_damage, n_run);
}

int
findings_copy(struct findings *f, const struct findings *from)
{
	struct verify_damage *all = NULL;

	if (from->n > 0) {
		if ((all = calloc(from->n, sizeof(*all))) == NULL)
			return (-ENOMEM);
		memcpy(all, from->list, from->n * sizeof(*all));
	}
	free(f->list);
	f->list = all;
	f->n = f->room = from->n;
	f->n_damage = from->n_damage;
	f->damaged_bytes = from->damaged_bytes;
	return (0);
}

void
findings_clear(struct findings *f)
{

	f->n = 0;
	f->n_damage = f->damaged_bytes = 0;
}

void
findings_fini(struct findings *f)
{

	free(f->list);
	memset(f, 0, sizeof(*f));
}
