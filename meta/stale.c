/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stale.c - one word per segment: number << 32 | bytes replaced.  Segments
 * 256 GiB apart may share a word; then the last one noted has it.
 */
#include "meta/stale.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta/base/check.h"

#define SLOTS		4096u

struct stale {
	uint32_t enough_bytes;		/* [I] */
	_Atomic uint64_t slot[SLOTS];	/* [a] */
};

int
stale_new(uint32_t segment_bytes, struct stale **out)
{
	struct stale *st = calloc(1, sizeof(*st));

	if (st == NULL)
		return (-ENOMEM);
	/* Headers take up to an ninth, and the rest may live for long. */
	st->enough_bytes = segment_bytes / 4 * 3;
	*out = st;
	return (0);
}

void
stale_free(struct stale *st)
{

	free(st);
}

void
stale_note(struct stale *st, uint32_t number, uint32_t bytes)
{
	_Atomic uint64_t *slot = &st->slot[number % SLOTS];
	uint64_t was = atomic_load_explicit(slot, memory_order_relaxed), now;

	if (number == 0)
		return;
	do {
		now = (uint64_t)number << 32;
		if (was >> 32 == number)
			now = was;
		/* So that it never runs over into the number. */
		if ((now & UINT32_MAX) < st->enough_bytes)
			now += TT_MIN(bytes, st->enough_bytes);
	} while (!atomic_compare_exchange_weak_explicit(slot, &was, now,
	    memory_order_relaxed, memory_order_relaxed));
}

uint32_t
stale_take(struct stale *st)
{
	uint64_t found = UINT64_MAX;
	unsigned at = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t v = atomic_load_explicit(&st->slot[i],
		    memory_order_relaxed);

		if ((v & UINT32_MAX) >= st->enough_bytes && v < found) {
			found = v;
			at = i;
		}
	}
	/* Noted again meanwhile: it is found the next time. */
	if (found == UINT64_MAX || !atomic_compare_exchange_strong(
	    &st->slot[at], &found, 0))
		return (0);
	return ((uint32_t)(found >> 32));
}
