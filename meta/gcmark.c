/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gcmark.c - what the roots of one commit refer to.
 *
 * Heads first, so that the figures tell what LUNs hold and what only their
 * snapshots do.  Both copies of each node are read: a locator that went bad in
 * one of them must not let the block die that the other one names.  A node that
 * cannot be read ends the mark, and nothing is freed.
 */
#include <errno.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/gc_int.h"
#include "meta/store_int.h"
#include "meta/walk.h"

struct mark {
	struct gc_run *run;
	bool head;
	uint64_t logical, unique, snapshots, n;
};

/* ${*now}: where it is. */
static int
mark_loc(struct gc_run *run, locator loc, locator *now)
{
	uint32_t segment, off;
	int rc, new;

	if ((new = locset_add(run->live, loc)) < 0)
		return (new);
	*now = loc;
	/* Also when it is not new: bits are of stretches, notes are exact. */
	rc = moved_find(run->st->moved, loc, &segment, &off);
	if (rc == -ENOENT)
		return (new);
	if (rc != 0)
		return (rc);
	*now = loc_make(segment, off, loc_sectors(loc), loc_flags(loc));
	/* The file of its birth is there beside it at most for a while. */
	return (locset_add(run->live, *now));
}

int
gc_mark_loc(struct gc_run *run, locator loc)
{
	locator now;

	return (mark_loc(run, loc, &now));
}

static int
mark_block(void *arg, struct place p, uint64_t blk)
{
	struct mark *m = arg;
	uint64_t bytes = (uint64_t)loc_sectors(p.loc) * SECTOR_BYTES;
	int rc;

	(void)blk;
	if ((rc = gc_mark_loc(m->run, p.loc)) < 0)
		return (rc);
	if (m->head)
		m->logical += bytes;
	if (rc == 1 && m->head)
		m->unique += bytes;
	else if (rc == 1)
		m->snapshots += bytes;
	return (0);
}

static int
mark_enter(void *arg, locator loc)
{
	struct mark *m = arg;
	locator now;
	int rc;

	rc = mark_loc(m->run, loc, &now);
	if (rc < 0 || locset_wants(m->run->live, loc_segment(now)))
		return (rc);
	return (locset_add(m->run->seen, now));
}

static int
mark_pace(void *arg)
{
	struct mark *m = arg;

	const struct gc *gc = m->run->gc;

	if (m->n++ % 256 == 0)
		gc_progress(m->run, GC_MARK, gc->unique_bytes +
		    gc->snapshot_bytes + locset_bytes(m->run->live),
		    gc->state.unique_bytes + gc->state.snapshot_bytes +
		    gc->state.node_bytes / 2);
	return (gc_pace(m->run));
}

static int
mark_roots(struct mark *m, bool heads, uint64_t *nodes)
{
	static const struct walk_ops ops = {
		.block = mark_block, .enter = mark_enter, .pace = mark_pace,
	};
	const struct gc_root *roots = m->run->roots.v;
	int rc = 0;

	m->head = heads;
	for (size_t i = 0; i < m->run->roots.n && rc == 0; i++) {
		struct walk w = { .ns = m->run->st->nodes, .ops = &ops,
		    .arg = m, .both = true };

		if ((roots[i].seq == STORE_HEAD) != heads)
			continue;
		rc = walk_tree(&w, roots[i].place, 0);
		*nodes += w.nodes;
		if (rc == -EILSEQ || rc == -EIO || rc == -ENOENT ||
		    rc == -ENODATA)
			msg_err("space reclaim: the map of LUN %llu is "
			    "damaged (%s): nothing is freed until it has been "
			    "repaired, or the LUN or snapshot deleted",
			    (unsigned long long)roots[i].lun, msg_why(rc));
	}
	return (rc);
}

int
gc_mark(struct gc_run *run)
{
	struct mark m = { .run = run };
	struct gc_state *s = &run->gc->state;
	uint64_t nodes = 0;
	int rc;

	if ((rc = mark_roots(&m, true, &nodes)) != 0 ||
	    (rc = mark_roots(&m, false, &nodes)) != 0)
		return (rc);
	run->unique_bytes = m.unique;
	run->snapshot_bytes = m.snapshots;
	if (!run->last)
		return (0);
	lk_lock(&run->st->lk);
	s->logical_bytes = m.logical;
	s->unique_bytes = run->gc->unique_bytes + m.unique;
	s->snapshot_bytes = run->gc->snapshot_bytes + m.snapshots;
	s->node_bytes = nodes * NODE_BYTES * 2;
	lk_unlock(&run->st->lk);
	return (0);
}
