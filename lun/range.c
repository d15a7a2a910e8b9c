/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * range.c - each request counts the requests before it that it has to wait
 * for; whoever leaves takes one off those that counted him.
 *
 * When a held request leaves, exactly the waiting requests that conflict with
 * it have counted it: one that came before it would have kept it waiting.  So
 * both directions are one pass over a list, and requests that become free
 * together are granted in the order of their arrival.
 */
#include "lun/range.h"

#include "meta/base/check.h"

void
range_init(struct range_set *rs)
{

	lk_init(&rs->lk, LK_RANGE);
	list_init(&rs->held);
	list_init(&rs->waiting);
}

void
range_destroy(struct range_set *rs)
{

	TT_ASSERT(list_empty(&rs->held) && list_empty(&rs->waiting));
	lk_destroy(&rs->lk);
}

static bool
conflict(const struct range *a, const struct range *b)
{

	return ((a->exclusive || b->exclusive) &&
	    a->first_blk < b->first_blk + b->n_blk &&
	    b->first_blk < a->first_blk + a->n_blk);
}

static unsigned
count_conflicts(const struct list *head, const struct range *r)
{
	unsigned n = 0;

	LIST_FOREACH(it, head)
		if (conflict(LIST_ENTRY(it, struct range, link), r))
			n++;
	return (n);
}

static void
granted(struct exec_call *c)
{
	struct range *r = TT_CONTAINER(c, struct range, call);

	r->granted(r);
}

bool
range_lock(struct range_set *rs, struct range *r)
{
	bool held;

	TT_ASSERT(r->n_blk > 0 && r->first_blk <= UINT64_MAX - r->n_blk);
	list_init(&r->link);
	list_init(&r->call.link);
	r->call.fn = granted;
	lk_lock(&rs->lk);
	r->n_before = count_conflicts(&rs->held, r) +
	    count_conflicts(&rs->waiting, r);
	held = r->n_before == 0;
	list_add_tail(held ? &rs->held : &rs->waiting, &r->link);
	lk_unlock(&rs->lk);
	return (held);
}

void
range_unlock(struct range_set *rs, struct range *r)
{
	struct list calls;

	list_init(&calls);
	lk_lock(&rs->lk);
	TT_ASSERT(r->n_before == 0 && !list_empty(&r->link));
	list_del(&r->link);
	LIST_FOREACH_SAFE(it, nx, &rs->waiting) {
		struct range *w = LIST_ENTRY(it, struct range, link);

		if (!conflict(w, r))
			continue;
		TT_ASSERT(w->n_before > 0);
		if (--w->n_before > 0)
			continue;
		list_del(&w->link);
		list_add_tail(&rs->held, &w->link);
		list_add_tail(&calls, &w->call.link);
	}
	lk_unlock(&rs->lk);
	/* Nobody else touches a request between its grant and its call. */
	while (!list_empty(&calls)) {
		struct range *w = LIST_FIRST(&calls, struct range, call.link);

		list_del(&w->call.link);
		exec_post(w->ex, &w->call);
	}
}
