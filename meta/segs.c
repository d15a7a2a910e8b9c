/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segs.c - all segments of a store: opening, numbers, the parts joined.
 *
 * segcache.c holds the open files, seg.c moves bytes, prep.c has files ready
 * ahead, and a backend (segdir.c) knows what a segment is made of.
 */
#include "meta/segs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "meta/base/check.h"
#include "meta/base/vec.h"
#include "meta/segdir.h"
#include "meta/segs_int.h"

/*
 * Files kept for the log, more than are prepared by writing them: space
 * reclaim frees many at a time, and a log that is written fast uses them as
 * fast.  They count as free space.
 */
#define RECYCLED_MAX	32u

int
segs_init(const char *dir)
{

	return (segdir_init(dir));
}

/*
 * On the preparer's thread, when a segment was made: what the log has taken
 * from the memory, and a little more, goes back to it.
 */
static void
give_back_stale(void *arg)
{
	struct segs *ss = arg;
	struct seg *s;
	uint32_t number;

	for (unsigned i = 0; i < 2; i++) {
		if ((number = stale_take(ss->stale)) == 0)
			return;
		if (segcache_get(ss, number, false, &s) != 0)
			continue;
		(void)posix_fadvise(seg_fd(s), 0, 0, POSIX_FADV_DONTNEED);
		seg_put(s);
	}
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
	if ((rc = stale_new(segment_bytes, &ss->stale)) != 0)
		goto out_free;
	if ((rc = prep_new(ops, be, give_back_stale, ss, &ss->prep)) != 0)
		goto out_stale;
	if ((rc = segcache_init(ss)) != 0)
		goto out_prep;
	*out = ss;
	return (0);

out_prep:
	prep_free(ss->prep);
out_stale:
	stale_free(ss->stale);
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

int
segs_open_read_only(const char *dir, uint32_t segment_bytes,
    unsigned max_open, bool locked, struct segs **out)
{
	struct segs *ss;
	void *be;
	int rc;

	rc = segdir_open_read_only(dir, segment_bytes, locked, &be);
	if (rc != 0)
		return (rc);
	rc = segs_open_with(&segdir_ro_ops, be, segment_bytes, max_open, &ss);
	if (rc != 0)
		return (rc);
	ss->read_only = true;
	*out = ss;
	return (0);
}

bool
segs_is_read_only(const struct segs *ss)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	return (ss->read_only);
}

void
segs_close(struct segs *ss)
{

	if (ss == NULL)
		return;
	TT_MAGIC(ss, SEGS_MAGIC);
	prep_free(ss->prep);
	stale_free(ss->stale);
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

unsigned
segs_prepared(struct segs *ss)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	return (ss->ops->prepared(ss->be));
}

void
segs_drop_prepared(struct segs *ss)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	if (ss->ops->drop_prepared != NULL)
		ss->ops->drop_prepared(ss->be);
}

void
segs_asked(struct segs *ss)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	prep_asked(ss->prep);
}

void
segs_replaced(struct segs *ss, uint32_t number, uint32_t bytes)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	stale_note(ss->stale, number, bytes);
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

int
segs_retire(struct segs *ss, uint32_t number)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	if (prep_target(ss->prep) > 0 &&
	    ss->ops->prepared(ss->be) < RECYCLED_MAX)
		return (segcache_recycle(ss, number));
	return (segcache_remove(ss, number));
}

int
segs_sync_name(struct segs *ss, uint32_t number)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	return (ss->ops->sync_name(ss->be, number));
}

struct numbers {
	uint32_t *v;
	size_t n, room;
};

static int
add_number(void *arg, uint32_t number)
{
	struct numbers *ns = arg;
	uint32_t *v;

	if ((v = vec_room(ns->v, &ns->room, ns->n, sizeof(*v))) == NULL)
		return (-ENOMEM);
	ns->v = v;
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
