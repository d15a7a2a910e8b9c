/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/lost.h"

#include <stdlib.h>
#include <string.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"

struct lost_note {
	locator loc;
	uint64_t attempt;		/* the last that met it */
	uint64_t first_ms;
	unsigned failed;		/* attempts that failed because of it */
	const char *said;		/* of this LUN */
};

void
lost_init(struct lost *t)
{

	*t = (struct lost){ .wait_ms = LOST_WAIT_MS };
}

void
lost_fini(struct lost *t)
{

	free(t->notes);
	t->notes = NULL;
	t->n = t->room = 0;
}

void
lost_begin(struct lost *t)
{

	t->attempt++;
	t->rc = 0;
}

void
lost_lun(struct lost *t, const char *name)
{

	t->lun = name;
}

/* Where it is, or where it goes. */
static size_t
slot_of(const struct lost *t, locator loc)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->notes[mid].loc < loc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

/* NULL: no memory. */
static struct lost_note *
note_of(struct lost *t, locator loc)
{
	size_t i = slot_of(t, loc);
	struct lost_note *all;

	if (i < t->n && t->notes[i].loc == loc)
		return (&t->notes[i]);
	all = vec_room(t->notes, &t->room, t->n, sizeof(*all));
	if (all == NULL)
		return (NULL);
	t->notes = all;
	memmove(&t->notes[i + 1], &t->notes[i],
	    (t->n - i) * sizeof(*t->notes));
	t->n++;
	t->notes[i] = (struct lost_note){ .loc = loc,
	    .first_ms = clock_mono_ms() };
	return (&t->notes[i]);
}

static bool
give_up(const struct lost *t, const struct lost_note *n)
{

	return (n->failed >= LOST_TRIES &&
	    clock_mono_ms() - n->first_ms >= t->wait_ms);
}

bool
lost_met(void *arg, struct place p, uint64_t first_blk, uint64_t n_blk, int rc)
{
	struct lost *t = arg;
	struct lost_note *n = note_of(t, p.loc);

	if (n == NULL)
		return (false);
	if (!give_up(t, n)) {
		if (n->failed == 0)
			msg_err("LUN %s: the map of blocks %llu to %llu cannot "
			    "be read from either copy (%s); nothing is given "
			    "up yet, it is tried again", t->lun,
			    (unsigned long long)first_blk,
			    (unsigned long long)(first_blk + n_blk - 1),
			    msg_why(rc));
		/* Several trees may share it: once for each attempt. */
		if (n->failed == 0 || n->attempt != t->attempt)
			n->failed++;
		t->rc = rc;
	} else if (n->said != t->lun) {
		msg_err("LUN %s: LOST: the map of blocks %llu to %llu is gone "
		    "in both copies (%s); those that were not written since "
		    "give medium errors until they are written again", t->lun,
		    (unsigned long long)first_blk,
		    (unsigned long long)(first_blk + n_blk - 1),
		    msg_why(rc));
		n->said = t->lun;
	}
	n->attempt = t->attempt;
	return (true);
}

int
lost_end(const struct lost *t)
{

	return (t->rc);
}

void
lost_committed(struct lost *t)
{

	t->n = 0;
}
