/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segs.c - all segments of a store: opening, numbers, the parts joined.
 *
 * segcache.c holds the open files, seg.c moves bytes, prep.c has files ready
 * ahead, and a backend (segdir.c) knows what a segment is made of.
 */
#include "meta/segs.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/base/check.h"
#include "meta/segdir.h"
#include "meta/segs_int.h"

int
segs_init(const char *dir)
{

	return (segdir_init(dir));
}

int
segs_open_with(const struct segs_ops *ops, void *be, uint32_t segment_bytes,
    unsigned max_open, struct segs **out)
{
	struct segs *ss = NULL;
	int rc;

	/* Not yet an owner, so nothing may be touched before the lock. */
	if ((rc = ops->lock(be, 0)) != 0)
		goto out_close;
	if ((ss = calloc(1, sizeof(*ss))) == NULL) {
		rc = -ENOMEM;
		goto out_close;
	}
	ss->magic = SEGS_MAGIC;
	ss->ops = ops;
	ss->be = be;
	ss->segment_bytes = segment_bytes;
	ss->max_open = max_open;
	if ((rc = prep_new(ops, be, &ss->prep)) != 0)
		goto out_free;
	if ((rc = segcache_init(ss)) != 0)
		goto out_prep;
	*out = ss;
	return (0);

out_prep:
	prep_free(ss->prep);
out_free:
	free(ss);
out_close:
	ops->close(be);
	return (rc);
}

int
segs_open(const char *dir, uint32_t segment_bytes, unsigned max_open,
    struct segs **out)
{
	void *be;
	int rc;

	if ((rc = segdir_open(dir, segment_bytes, &be)) != 0)
		return (rc);
	return (segs_open_with(&segdir_ops, be, segment_bytes, max_open,
	    out));
}

void
segs_close(struct segs *ss)
{

	if (ss == NULL)
		return;
	TT_MAGIC(ss, SEGS_MAGIC);
	prep_free(ss->prep);
	segcache_free(ss);
	/* The lock goes last: from here on another process may own it. */
	ss->ops->close(ss->be);
	ss->magic = 0;
	free(ss);
}

int
segs_prepare(struct segs *ss, unsigned n)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	return (prep_set(ss->prep, n));
}

int
segs_create(struct segs *ss, uint32_t number, struct seg **out)
{
	int rc;

	TT_MAGIC(ss, SEGS_MAGIC);
	TT_ASSERT(number != 0);
	if ((rc = segcache_get(ss, number, true, out)) == 0)
		prep_wake(ss->prep);
	return (rc);
}

int
segs_get(struct segs *ss, uint32_t number, struct seg **out)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	return (segcache_get(ss, number, false, out));
}

int
segs_remove(struct segs *ss, uint32_t number)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	return (segcache_remove(ss, number));
}

struct numbers {
	uint32_t *v;
	size_t n, room;
};

static int
add_number(void *arg, uint32_t number)
{
	struct numbers *ns = arg;

	if (ns->n == ns->room) {
		size_t room = ns->room == 0 ? 1024 : 2 * ns->room;
		uint32_t *v = realloc(ns->v, room * sizeof(*v));

		if (v == NULL)
			return (-ENOMEM);
		ns->v = v;
		ns->room = room;
	}
	ns->v[ns->n++] = number;
	return (0);
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return ((x > y) - (x < y));
}

/* All numbers first: ${fn} may remove what it is shown. */
int
segs_list(struct segs *ss, int (*fn)(void *arg, uint32_t number), void *arg)
{
	struct numbers ns = { NULL, 0, 0 };
	int rc;

	TT_MAGIC(ss, SEGS_MAGIC);
	rc = ss->ops->list(ss->be, add_number, &ns);
	if (rc == 0 && ns.n > 0)
		qsort(ns.v, ns.n, sizeof(*ns.v), by_number);
	for (size_t i = 0; rc == 0 && i < ns.n; i++)
		rc = fn(arg, ns.v[i]);
	free(ns.v);
	return (rc);
}
