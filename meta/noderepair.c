/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * noderepair.c - both copies of a node, and the bad one made good again.
 *
 * A node shares its pages with others, and a disk may tear a page as a whole
 * when the power goes.  So pages of the bad copy are written only when *every*
 * node in them has its other copy good on the medium, or none at all (what is
 * dead may be punched away): whatever a cut leaves of these pages, each node
 * that can be read now has a durable copy in the twin segment, as before.
 *
 * Pages are written whole, because a page that cannot be read cannot be
 * written in part.  What the pages have besides nodes (the header of a record,
 * which differs between the copies) is taken from the bad copy itself; when
 * that is unreadable the node stays with one copy.
 *
 * Nobody else writes there: after a checkpoint's sync the writer goes on at
 * the next page, and a reader that sees a page half old and half new finds ids
 * that do not match, and takes the twin.
 */
#include "meta/noderepair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"
#include "meta/nodes_int.h"
#include "meta/segmedium.h"
#include "meta/segscan.h"

#define PAGE		4096u
#define NEIGHBOURS_MAX	8u	/* nodes that touch two pages */

struct copy {
	struct seg *seg;		/* NULL: there is none */
	uint64_t off_bytes;
	struct node node;
};

static int
copy_open(struct nodes *ns, locator loc, unsigned i, struct copy *c)
{

	if (ns->conf.moved != NULL)
		return (moved_get(ns->conf.moved, loc, i, &c->seg,
		    &c->off_bytes));
	c->off_bytes = (uint64_t)loc_off_sectors(loc) * SECTOR_BYTES;
	return (segs_get(ns->conf.segs, loc_segment(loc) + i, &c->seg));
}

static int
copy_read(struct copy *c, const struct place *p)
{
	struct id id;
	int rc;

	rc = seg_read_medium(c->seg, c->node.b, NODE_BYTES, c->off_bytes);
	if (rc != 0)
		return (rc);
	id = node_id(&c->node);
	return (id_equal(&id, &p->id) ? 0 : -EILSEQ);
}

/* ---- who else is in the pages ------------------------------------------ */

/* The payload of the record that has the node; all who are in [from, to). */
struct around {
	uint64_t off_bytes;		/* of the node */
	uint64_t from, to;		/* pages */
	uint64_t payload, payload_end;	/* 0: it was not met */
	unsigned n;
	struct {
		uint64_t off_bytes;
		struct id id;
		bool own;		/* has other locators in the bad copy */
		struct node node;	/* as it is there */
	} at[NEIGHBOURS_MAX];
};

/* Small records of moved nodes may share a page. */
static int
look_around(void *arg, const struct rec *r, const uint8_t *hdr)
{
	struct around *a = arg;
	uint64_t at = ((uint64_t)r->off_sectors + r->header_sectors) *
	    SECTOR_BYTES;
	uint64_t end = at + (uint64_t)r->payload_sectors * SECTOR_BYTES;
	bool moved = r->kind == REC_MOVED;

	if (at >= a->to)
		return (-EALREADY);
	if ((r->kind != REC_NODES && !moved) || end <= a->from)
		return (0);
	if (a->off_bytes >= at && a->off_bytes < end) {
		a->payload = at;
		a->payload_end = end;
	}
	for (uint32_t i = 0; i < (moved ? r->n_runs : r->n_ids); i++) {
		struct place p = { .loc = 0 };
		uint32_t len = NODE_BYTES;

		if (moved) {
			p = rec_run(hdr, r, i);
			len = loc_sectors(p.loc) * SECTOR_BYTES;
		} else {
			p.id = rec_id(hdr, r, i);
		}
		if (at < a->to && at + len > a->from) {
			if (len != NODE_BYTES || a->n == NEIGHBOURS_MAX)
				return (-EILSEQ);
			a->at[a->n].off_bytes = at;
			a->at[a->n++].id = p.id;
		}
		at += len;
	}
	return (0);
}

static bool
whole_in(struct copy *c, uint64_t off_bytes, const struct id *want,
    struct node *out)
{
	struct id id;

	if (seg_read_medium(c->seg, out->b, NODE_BYTES, off_bytes) != 0)
		return (false);
	id = node_id(out);
	return (id_equal(&id, want));
}

/*
 * None of them has its only whole copy in ${bad}.  Where both are whole and
 * differ, a locator is wrong in one of them, and each keeps its own.
 */
static int
neighbours_safe(struct nodes *ns, struct copy *bad, struct copy *good,
    struct around *a)
{
	struct node g;
	int rc;

	rc = segscan(ns->conf.segs, ns->conf.store_uuid,
	    seg_number(good->seg), NULL, look_around, a);
	if (rc != 0 && rc != -EALREADY)
		return (rc);
	if (a->payload_end == 0)
		return (-EILSEQ);
	for (unsigned i = 0; i < a->n; i++) {
		uint64_t at = a->at[i].off_bytes;

		if (at == a->off_bytes ||
		    !whole_in(bad, at, &a->at[i].id, &a->at[i].node))
			continue;
		if (!whole_in(good, at, &a->at[i].id, &g))
			return (-EUCLEAN);
		a->at[i].own = memcmp(&g, &a->at[i].node, sizeof(g)) != 0;
	}
	return (0);
}

/* ---- rewriting --------------------------------------------------------- */

/*
 * The pages as they ought to be: ${own} part of the bad copy's bytes, then
 * the payload of the good one.
 */
static int
make_pages(struct copy *bad, struct copy *good, struct around *a, uint8_t *buf)
{
	uint64_t from = TT_MAX(a->from, a->payload), to;
	int rc = 0;

	if (a->from < a->payload)
		rc = seg_read_medium(bad->seg, buf,
		    (size_t)(a->payload - a->from), a->from);
	if (rc == 0 && a->payload_end < a->to &&
	    seg_read_medium(bad->seg, buf + (a->payload_end - a->from),
	    (size_t)(a->to - a->payload_end), a->payload_end) != 0)
		/* The end of the file: what is behind is nothing. */
		a->to = a->payload_end;
	to = TT_MIN(a->to, a->payload_end);
	if (rc == 0)
		rc = seg_read_medium(good->seg, buf + (from - a->from),
		    (size_t)(to - from), from);
	return (rc);
}

/* Parts of neighbours whose locators differ: either copy may be right. */
static void
keep_own(const struct around *a, uint8_t *buf)
{

	for (unsigned i = 0; i < a->n; i++) {
		uint64_t at = a->at[i].off_bytes;
		uint64_t from = TT_MAX(at, a->from);
		uint64_t to = TT_MIN(at + NODE_BYTES, a->to);

		if (a->at[i].own && from < to)
			memcpy(buf + (from - a->from),
			    a->at[i].node.b + (from - at), (size_t)(to - from));
	}
}

/* Only into what says itself that it is the twin, and no other segment. */
static int
is_twin_of(struct nodes *ns, const struct copy *bad, const struct copy *good)
{
	struct seg_header h;
	int rc;

	rc = segscan_header(ns->conf.segs, ns->conf.store_uuid,
	    seg_number(bad->seg), &h);
	if (rc == 0 && (h.kind == SEG_LOG || h.twin != seg_number(good->seg)))
		rc = -EUCLEAN;
	return (rc);
}

static int
rewrite(struct nodes *ns, struct place p, struct copy *bad, struct copy *good)
{
	struct around a = { .off_bytes = good->off_bytes,
	    .from = good->off_bytes / PAGE * PAGE,
	    .to = (good->off_bytes + NODE_BYTES + PAGE - 1) / PAGE * PAGE };
	uint8_t buf[2 * PAGE];
	struct iovec iov = { buf, 0 };
	int rc;

	/* Twins have one layout; without it their pages are not the same. */
	if (bad->off_bytes != good->off_bytes)
		return (-EILSEQ);
	if ((rc = is_twin_of(ns, bad, good)) != 0 ||
	    (rc = neighbours_safe(ns, bad, good, &a)) != 0 ||
	    (rc = make_pages(bad, good, &a, buf)) != 0)
		return (rc);
	keep_own(&a, buf);
	memcpy(buf + (a.off_bytes - a.from), good->node.b, NODE_BYTES);
	iov.iov_len = (size_t)(a.to - a.from);
	/* Crash: see above. */
	if ((rc = seg_write(bad->seg, &iov, 1, a.from)) != 0 ||
	    (rc = seg_sync(bad->seg)) != 0)
		return (rc);
	return (copy_read(bad, &p));
}

/*
 * They were opened one after the other, and space reclaim may have moved the
 * node in between.  Others lie beside it then in the one than in the other.
 */
static bool
are_twins(const struct copy *copy)
{

	return (seg_number(copy[1].seg) == seg_number(copy[0].seg) + 1);
}

static void
repair(struct nodes *ns, struct place p, struct copy *copy, unsigned i,
    struct node_check *c)
{
	int rc;

	if (copy[i].seg == NULL)
		return;
	rc = are_twins(copy) ? rewrite(ns, p, &copy[i], &copy[!i]) : -EAGAIN;
	c->repaired[i] = rc == 0;
	if (rc == 0)
		msg_warn("node at segment %08x offset %llu was damaged (%s) "
		    "and is written again from its other copy", c->segment[i],
		    (unsigned long long)c->off_bytes[i], msg_why(c->rc[i]));
	else
		msg_err("node at segment %08x offset %llu is damaged (%s) and "
		    "could not be written again (%s); its other copy is good",
		    c->segment[i], (unsigned long long)c->off_bytes[i],
		    msg_why(c->rc[i]), msg_why(rc));
}

/* ---- both -------------------------------------------------------------- */

static void
copies_read(struct nodes *ns, struct place p, struct copy *copy,
    struct node_check *c)
{

	for (unsigned i = 0; i < 2; i++) {
		c->segment[i] = loc_segment(p.loc) + i;
		c->off_bytes[i] = (uint64_t)loc_off_sectors(p.loc) *
		    SECTOR_BYTES;
		if ((c->rc[i] = copy_open(ns, p.loc, i, &copy[i])) != 0)
			continue;
		c->segment[i] = seg_number(copy[i].seg);
		c->off_bytes[i] = copy[i].off_bytes;
		c->rc[i] = copy_read(&copy[i], &p);
	}
	/* Twins have one layout: so one tells where the other ought to be. */
	for (unsigned i = 0; i < 2; i++) {
		if (copy[i].seg != NULL || copy[!i].seg == NULL)
			continue;
		c->segment[i] = c->segment[!i] + (i == 1 ? 1 : UINT32_MAX);
		c->off_bytes[i] = c->off_bytes[!i];
	}
}

/*
 * Both have the right id and differ: the locators in one are bad.  The right
 * node is one of the two, or, when both have bad ones, neither.
 */
static void
copies_differ(struct nodes *ns, struct place p, struct copy *copy,
    struct node_check *c)
{
	struct node n = copy[0].node;
	bool known = nodes_reconcile(ns, p, &n, &copy[1].node) > 0;

	c->differ = true;
	/* What is right may be in either: both stay. */
	if (!known)
		copy[0].node = n;
	else if (memcmp(&n, &copy[0].node, sizeof(n)) == 0)
		c->rc[1] = -EILSEQ;
	else if (memcmp(&n, &copy[1].node, sizeof(n)) == 0)
		c->rc[0] = -EILSEQ;
	else
		copy[0].node = n;
}

int
nodes_check(struct nodes *ns, struct place p, bool want_repair,
    struct node *out, struct node_check *c)
{
	struct copy copy[2] = { { .seg = NULL }, { .seg = NULL } };
	int rc = 0;

	memset(c, 0, sizeof(*c));
	if (!nodes_is_locator(p.loc))
		return (-EILSEQ);
	copies_read(ns, p, copy, c);
	if (c->rc[0] == 0 && c->rc[1] == 0 &&
	    memcmp(&copy[0].node, &copy[1].node, NODE_BYTES) != 0)
		copies_differ(ns, p, copy, c);
	for (unsigned i = 0; i < 2; i++)
		if (c->rc[i] == -ENOMEM)
			rc = -ENOMEM;
	if (rc == 0 && c->rc[0] != 0 && c->rc[1] != 0)
		rc = c->rc[0];
	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		if (c->rc[i] == 0)
			continue;
		if (want_repair)
			repair(ns, p, copy, i, c);
		nodecache_drop(ns->cache, p.loc);
	}
	if (rc == 0)
		*out = copy[c->rc[0] == 0 ? 0 : 1].node;
	seg_put(copy[0].seg);
	seg_put(copy[1].seg);
	return (rc);
}
