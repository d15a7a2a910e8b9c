/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * budget.c - see budget.h.  Bytes of its own are filled up to BUDGET_WHOLE
 * before anything goes back to the shared part: while no charged-in-full
 * command draws on them, that much is there.
 */
#include "target/iscsi/budget.h"

#include "meta/base/check.h"

void
budget_init(struct budget *b, size_t total_bytes)
{

	TT_ASSERT(total_bytes >= BUDGET_MIN);
	atomic_init(&b->new_bytes, total_bytes / 4);
	atomic_init(&b->free_bytes, total_bytes - BUDGET_LANE -
	    total_bytes / 4);
	atomic_init(&b->n_shares, 0);
	atomic_init(&b->lane_taken, false);
}

static bool
take(_Atomic size_t *from, size_t bytes)
{
	size_t have = atomic_load(from);

	do {
		if (have < bytes)
			return (false);
	} while (!atomic_compare_exchange_weak(from, &have, have - bytes));
	return (true);
}

bool
budget_join(struct budget *b, struct budget_share *s)
{

	TT_ASSERT(s->own_bytes == 0);
	s->own_shared = !take(&b->new_bytes, BUDGET_OWN);
	if (s->own_shared && !take(&b->free_bytes, BUDGET_OWN))
		return (false);
	s->own_bytes = BUDGET_OWN;
	s->own_free_bytes += BUDGET_OWN;
	atomic_fetch_add(&b->n_shares, 1);
	return (true);
}

void
budget_leave(struct budget *b, struct budget_share *s)
{

	TT_ASSERT(s->own_free_bytes == s->own_bytes && s->shared_bytes == 0);
	if (s->own_bytes == 0)
		return;
	atomic_fetch_sub(&b->n_shares, 1);
	atomic_fetch_add(s->own_shared ? &b->free_bytes : &b->new_bytes,
	    s->own_bytes);
	s->own_bytes = s->own_free_bytes = 0;
}

bool
budget_take(struct budget *b, struct budget_share *s, size_t bytes, bool whole)
{
	size_t keep = whole ? 0 : BUDGET_WHOLE, own = 0;

	/* What all may use comes first. */
	if (!take(&b->free_bytes, bytes)) {
		if (s->own_free_bytes <= keep)
			return (false);
		own = TT_MIN(bytes, s->own_free_bytes - keep);
		if (own < bytes && !take(&b->free_bytes, bytes - own))
			return (false);
	}
	s->own_free_bytes -= own;
	s->shared_bytes += bytes - own;
	return (true);
}

void
budget_give(struct budget *b, struct budget_share *s, size_t bytes)
{
	size_t n = 0;

	if (s->own_bytes > 0 && s->own_free_bytes < BUDGET_WHOLE)
		n = TT_MIN(bytes, BUDGET_WHOLE - s->own_free_bytes);
	s->own_free_bytes += n;
	bytes -= n;
	n = TT_MIN(bytes, s->shared_bytes);
	s->shared_bytes -= n;
	if (n > 0)
		atomic_fetch_add(&b->free_bytes, n);
	s->own_free_bytes += bytes - n;
	TT_ASSERT(s->own_free_bytes <= s->own_bytes);
}

bool
budget_lane_take(struct budget *b)
{

	return (!atomic_exchange(&b->lane_taken, true));
}

void
budget_lane_give(struct budget *b)
{

	atomic_store(&b->lane_taken, false);
}

size_t
budget_commands(const struct budget *b, size_t unasked_bytes)
{
	unsigned n = atomic_load_explicit(&b->n_shares, memory_order_relaxed);

	return (atomic_load_explicit(&b->free_bytes, memory_order_relaxed) /
	    unasked_bytes / TT_MAX(n, 1u));
}
