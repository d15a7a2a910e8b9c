/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node.c - reading nodes, and the writer that the keeper uses.
 *
 * The writer gathers up to 496 nodes into one NODES record, whose header has
 * a fixed length of 8 KiB, so that a node has its locator before the record is
 * full.  The record goes to two segments at the same offset.
 */
#include "meta/node.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/nodecache.h"
#include "meta/nodes_int.h"

/* ---- bytes ------------------------------------------------------------ */

struct id
node_id(const struct node *n)
{
	uint8_t ids[NODE_FANOUT * 16];
	bool hole = true;

	for (unsigned i = 0; i < NODE_FANOUT; i++) {
		const uint8_t *e = n->b + i * PLACE_LEN;

		memcpy(ids + i * 16, e, 16);
		hole = hole && get_be64(e) == 0 && get_be64(e + 8) == 0;
	}
	if (hole)
		return ((struct id){ 0, 0 });
	return (id_of(ids, sizeof(ids)));
}

/* ---- reading ---------------------------------------------------------- */

static struct msg_limit damage_limit;

static void
report(struct place p, uint32_t segment, int rc)
{

	if (msg_allowed(&damage_limit, 10))
		msg_err("node at segment %u sector %u is unreadable: %s",
		    segment, loc_off_sectors(p.loc), msg_why(rc));
}

bool
nodes_is_locator(locator loc)
{

	return ((loc_flags(loc) & LOC_F_NODE) != 0 &&
	    loc_sectors(loc) == NODE_SECTORS &&
	    loc_segment(loc) != UINT32_MAX);
}

static int
check(const struct node *n, struct place p)
{
	struct id id = node_id(n);

	return (id_equal(&id, &p.id) ? 0 : -EILSEQ);
}

int
nodes_peek(struct nodes *ns, locator loc, struct node *out)
{

	return (nodecache_get(ns->cache, loc, false, out) ? 0 : -EAGAIN);
}

int
nodes_peek_both(struct nodes *ns, locator loc, struct node *out)
{

	return (nodecache_get(ns->cache, loc, true, out) ? 0 : -EAGAIN);
}

/* Where a copy of it is now: 0 is the one the locator names, 1 its twin. */
static int
segment_of(struct nodes *ns, locator loc, unsigned copy, struct seg **out,
    uint64_t *off_bytes)
{

	if (ns->conf.moved != NULL)
		return (moved_get(ns->conf.moved, loc, copy, out, off_bytes));
	*off_bytes = (uint64_t)loc_off_sectors(loc) * SECTOR_BYTES;
	return (segs_get(ns->conf.segs, loc_segment(loc) + copy, out));
}

static int
read_copy(struct nodes *ns, struct place p, unsigned copy, struct node *out)
{
	uint64_t off_bytes;
	struct seg *s;
	int rc;

	if ((rc = segment_of(ns, p.loc, copy, &s, &off_bytes)) == 0) {
		rc = seg_read(s, out->b, NODE_BYTES, off_bytes);
		seg_put(s);
	}
	if (rc == 0)
		rc = check(out, p);
	if (rc != 0)
		report(p, loc_segment(p.loc) + copy, rc);
	return (rc);
}

static void
keep(struct nodes *ns, locator loc, unsigned flags, bool both,
    const struct node *n)
{

	if ((flags & NODE_NO_KEEP) != 0)
		return;
	nodecache_drop(ns->cache, loc);
	nodecache_put(ns->cache, loc, both, n);
}

/* Tells nothing about what is on the disk. */
static bool
is_passing(int rc)
{

	return (rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE);
}

/* 1, 0, or an error that is_passing. */
static int
leads_to_copy(struct nodes *ns, const struct place *child, unsigned copy,
    uint8_t *buf)
{
	size_t len = (size_t)loc_sectors(child->loc) * SECTOR_BYTES;
	uint64_t off_bytes;
	struct node n;
	struct seg *s;
	struct id id;
	int rc;

	if ((rc = segment_of(ns, child->loc, copy, &s, &off_bytes)) == 0) {
		rc = seg_read(s, buf, len, off_bytes);
		seg_put(s);
	}
	if (rc != 0)
		return (is_passing(rc) ? rc : 0);
	if (nodes_is_locator(child->loc)) {
		memcpy(n.b, buf, NODE_BYTES);
		id = node_id(&n);
	} else {
		id = id_of(buf, len);
	}
	return (id_equal(&id, &child->id));
}

/* The same of the child, or of its other copy.  Reads it. */
static int
leads_to(struct nodes *ns, struct place child)
{
	uint8_t *buf = malloc((size_t)loc_sectors(child.loc) * SECTOR_BYTES);
	int rc;

	if (buf == NULL)
		return (-ENOMEM);
	rc = leads_to_copy(ns, &child, 0, buf);
	if (rc == 0 && nodes_is_locator(child.loc))
		rc = leads_to_copy(ns, &child, 1, buf);
	free(buf);
	return (rc);
}

/* The ids are the same in both; where locators differ, one is damaged. */
int
nodes_reconcile(struct nodes *ns, struct place p, struct node *n,
    const struct node *twin)
{
	int known = 1, rc;

	for (unsigned i = 0; i < NODE_FANOUT; i++) {
		struct place a = node_child(n, i), b = node_child(twin, i);

		if (a.loc == b.loc)
			continue;
		/* A hole is nowhere, whatever a copy says. */
		if (id_is_hole(&a.id)) {
			node_set_child(n, i, (struct place){ .loc = 0 });
			continue;
		}
		if ((rc = leads_to(ns, a)) == 0 && (rc = leads_to(ns, b)) == 1)
			node_set_child(n, i, b);
		if (rc < 0)
			return (rc);
		if (rc == 0)
			known = 0;
	}
	if (msg_allowed(&damage_limit, 10))
		msg_err("node at segment %u sector %u: its two copies differ; "
		    "%s", loc_segment(p.loc), loc_off_sectors(p.loc), known ?
		    "the right one was used" : "what they lead to cannot be "
		    "read, so nobody can tell which is right");
	return (known);
}

static int
load_both(struct nodes *ns, struct place p, unsigned flags, struct node *out)
{
	struct node twin;
	int rc, rc2, known;

	rc = read_copy(ns, p, 0, out);
	rc2 = read_copy(ns, p, 1, &twin);
	/* One that was not looked at may be the one with the right locators. */
	if (is_passing(rc) || is_passing(rc2))
		return (is_passing(rc) ? rc : rc2);
	if (rc == 0 && rc2 == 0) {
		known = memcmp(out, &twin, sizeof(twin)) == 0 ? 1 :
		    nodes_reconcile(ns, p, out, &twin);
		if (known < 0)
			return (known);
		/* Space reclaim: what either of them names must live. */
		if (!known && (flags & NODE_NO_KEEP) != 0)
			return (-EILSEQ);
		keep(ns, p.loc, flags, known, out);
		return (0);
	}
	if (rc2 == 0)
		*out = twin;
	rc = rc2 == 0 ? 0 : rc;
	if (rc == 0)
		keep(ns, p.loc, flags, false, out);
	return (rc);
}

/* In memory: in the cache, or gathered by the keeper, who alone may look. */
static bool
in_memory(struct nodes *ns, locator loc, unsigned flags, struct node *out)
{
	bool both = (flags & NODE_BOTH) != 0;

	if ((flags & NODE_NO_KEEP) != 0)
		return (nodecache_look(ns->cache, loc, both, out));
	return (nodecache_get(ns->cache, loc, both, out) ||
	    nodes_pending(ns, loc, out));
}

int
nodes_load(struct nodes *ns, struct place p, unsigned flags, struct node *out)
{
	unsigned first = (flags & NODE_FROM_TWIN) != 0;
	int rc;

	if (!nodes_is_locator(p.loc))
		return (-EILSEQ);
	if (first == 0 && in_memory(ns, p.loc, flags, out) &&
	    check(out, p) == 0)
		return (0);
	if ((flags & NODE_BOTH) != 0)
		return (load_both(ns, p, flags, out));
	if ((rc = read_copy(ns, p, first, out)) != 0 &&
	    read_copy(ns, p, !first, out) == 0)
		rc = 0;
	if (rc == 0)
		keep(ns, p.loc, flags, false, out);
	return (rc);
}

/* ---- reading without blocking ----------------------------------------- */

static void load_next(struct node_load *nl);

static void
load_finish(struct node_load *nl, int rc)
{

	nl->rc = rc;
	if (rc == 0)
		keep(nl->ns, nl->place.loc, nl->flags, false, &nl->node);
	nl->done(nl);
}

static void
load_tried(struct node_load *nl, int rc)
{
	unsigned twin = ((nl->flags & NODE_FROM_TWIN) != 0) ^ nl->tries;

	if (rc == 0) {
		load_finish(nl, 0);
		return;
	}
	report(nl->place, loc_segment(nl->place.loc) + twin, rc);
	if (nl->tries++ == 0) {
		nl->first_rc = rc;
		load_next(nl);
	} else {
		load_finish(nl, nl->first_rc);
	}
}

static void
load_read_done(struct exec_read *rd)
{
	struct node_load *nl = TT_CONTAINER(rd, struct node_load, rd);
	int rc;

	seg_put(nl->seg);
	if (rd->res < 0)
		rc = rd->res;
	else if (rd->res != (int32_t)NODE_BYTES)
		rc = -ENODATA;
	else
		rc = check(&nl->node, nl->place);
	load_tried(nl, rc);
}

static void
load_open_failed(struct exec_call *c)
{
	struct node_load *nl = TT_CONTAINER(c, struct node_load, call);

	load_tried(nl, nl->rc);
}

static void
load_next(struct node_load *nl)
{
	unsigned twin = ((nl->flags & NODE_FROM_TWIN) != 0) ^ nl->tries;
	uint64_t off_bytes = 0;
	int rc;

	rc = nodes_is_locator(nl->place.loc) ? segment_of(nl->ns, nl->place.loc,
	    twin, &nl->seg, &off_bytes) : -EILSEQ;
	if (rc != 0) {
		nl->rc = rc;
		nl->call.fn = load_open_failed;
		exec_post(nl->ex, &nl->call);
		return;
	}
	nl->iov = (struct iovec){ nl->node.b, NODE_BYTES };
	nl->rd = (struct exec_read){
		.fd = seg_fd(nl->seg),
		.iov = &nl->iov,
		.n_iov = 1,
		.off_bytes = off_bytes,
		.done = load_read_done,
	};
	exec_read(nl->ex, &nl->rd);
}

void
nodes_load_async(struct nodes *ns, struct exec *ex, struct place p,
    unsigned flags, struct node_load *nl)
{

	nl->ns = ns;
	nl->ex = ex;
	nl->place = p;
	nl->flags = flags;
	nl->tries = 0;
	load_next(nl);
}

/* ---- the two together ------------------------------------------------- */

int
nodes_new(const struct nodes_conf *conf, struct nodes **out)
{
	struct nodes *ns;
	int rc;

	if ((ns = calloc(1, sizeof(*ns))) == NULL)
		return (-ENOMEM);
	ns->conf = *conf;
	rnd_boot_id(ns->boot_id);
	if ((rc = nodecache_new(conf->cache_bytes, &ns->cache)) != 0) {
		free(ns);
		return (rc);
	}
	*out = ns;
	return (0);
}

struct segs *
nodes_segs(const struct nodes *ns)
{

	return (ns->conf.segs);
}

void
nodes_free(struct nodes *ns)
{

	if (ns == NULL)
		return;
	nodes_reset(ns);
	free(ns->hdr);
	free(ns->buf);
	free(ns->fresh);
	nodecache_free(ns->cache);
	free(ns);
}

uint64_t
nodes_cached_bytes(const struct nodes *ns)
{

	return (nodecache_bytes(ns->cache));
}
