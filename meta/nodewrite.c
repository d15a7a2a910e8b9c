/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nodewrite.c - the stream of NODES records, written twice.
 *
 * Crash: nothing refers to a node before the catalogue transaction of its
 * checkpoint has committed, and that begins only when both copies are synced;
 * what was written for a checkpoint that did not commit is unreferenced.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/base/rnd.h"
#include "meta/base/vec.h"
#include "meta/nodes_int.h"

#define PAGE_SECTORS	8u

/* Nodes that still fit into the current pair in one record. */
static uint32_t
room(const struct nodes *ns)
{
	uint32_t end = ns->conf.segment_bytes / SECTOR_BYTES;
	uint32_t n;

	if (ns->seg[0] == NULL ||
	    ns->off_sectors + NODES_HEADER_SECTORS + NODE_SECTORS > end)
		return (0);
	n = (end - ns->off_sectors - NODES_HEADER_SECTORS) / NODE_SECTORS;
	return (TT_MIN(n, NODES_PER_RECORD));
}

static int
write_header(struct nodes *ns, struct seg *s, unsigned copy)
{
	uint8_t buf[SEG_HEADER_BYTES];
	struct iovec iov = { buf, sizeof(buf) };
	uint32_t number = seg_number(s);
	struct seg_header h = {
		.kind = SEG_NODES,
		.number = number,
		.bytes = ns->conf.segment_bytes,
		.epoch = ns->conf.epoch,
		.created_ns = clock_utc_ns(),
		.prev_segment = ns->prev_segment == 0 ? 0 :
		    ns->prev_segment + copy,
		.prev_end_sectors = ns->prev_end_sectors,
		.prev_sum = ns->prev_sum[copy],
		.first_seq = ns->records + 1,
		.twin = copy == 0 ? number + 1 : number - 1,
	};

	memcpy(h.store_uuid, ns->conf.store_uuid, 16);
	memcpy(h.boot_id, ns->boot_id, 16);
	rnd_bytes(ns->nonce[copy], 16);
	memcpy(h.nonce, ns->nonce[copy], 16);
	seg_header_enc(&h, buf);
	return (seg_write(s, &iov, 1, 0));
}

static int
create_pair(struct nodes *ns, struct seg *pair[2])
{
	/* Two numbers at once, so that they are neighbours. */
	uint32_t number = atomic_fetch_add(ns->conf.next_segment, 2);
	unsigned made = 0;
	int rc = 0;

	for (; made < 2; made++) {
		rc = segs_create(ns->conf.segs, number + made, &pair[made]);
		if (rc != 0)
			goto out_remove;
		rc = ns->conf.created(ns->conf.created_arg, number + made);
		if (rc != 0) {
			made++;
			goto out_remove;
		}
	}
	if ((rc = write_header(ns, pair[0], 0)) != 0 ||
	    (rc = write_header(ns, pair[1], 1)) != 0)
		goto out_remove;
	return (0);

out_remove:
	while (made-- > 0) {
		(void)segs_remove(ns->conf.segs, number + made);
		seg_put(pair[made]);
	}
	return (rc);
}

static int
reserve_fresh(struct nodes *ns)
{
	uint32_t *all;

	all = vec_room(ns->fresh, &ns->room_fresh, ns->n_fresh, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	ns->fresh = all;
	return (0);
}

static int
roll(struct nodes *ns)
{
	struct seg *pair[2] = { NULL, NULL };
	int rc;

	if (ns->n_left == NODES_PAIRS_MAX && (rc = nodes_sync(ns)) != 0)
		return (rc);
	if ((rc = reserve_fresh(ns)) != 0 ||
	    (rc = create_pair(ns, pair)) != 0)
		return (rc);
	ns->fresh[ns->n_fresh++] = seg_number(pair[0]);
	if (ns->seg[0] != NULL) {
		ns->left[ns->n_left][0] = ns->seg[0];
		ns->left[ns->n_left][1] = ns->seg[1];
		ns->n_left++;
	}
	ns->seg[0] = pair[0];
	ns->seg[1] = pair[1];
	ns->off_sectors = SEG_HEADER_SECTORS;
	ns->dirty = true;
	return (0);
}

static int
ensure_buffers(struct nodes *ns)
{

	if (ns->hdr == NULL)
		ns->hdr = calloc(NODES_HEADER_SECTORS, SECTOR_BYTES);
	if (ns->buf == NULL)
		ns->buf = malloc((size_t)NODES_PER_RECORD * NODE_BYTES);
	return (ns->hdr == NULL || ns->buf == NULL ? -ENOMEM : 0);
}

int
nodes_put(struct nodes *ns, const struct node *n, struct place *out)
{
	struct place p = { .id = node_id(n) };
	int rc;

	TT_ASSERT(!id_is_hole(&p.id));
	if ((rc = ensure_buffers(ns)) != 0)
		return (rc);
	if (ns->n > 0 && ns->n >= room(ns) && (rc = nodes_flush(ns)) != 0)
		return (rc);
	if (ns->n == 0 && room(ns) == 0 && (rc = roll(ns)) != 0)
		return (rc);
	p.loc = loc_make(seg_number(ns->seg[0]), ns->off_sectors +
	    NODES_HEADER_SECTORS + ns->n * NODE_SECTORS, NODE_SECTORS,
	    LOC_F_NODE);
	memcpy(ns->buf + (size_t)ns->n * NODE_BYTES, n->b, NODE_BYTES);
	put_be64(ns->hdr + REC_FIXED_BYTES + ns->n * 16, p.id.hi);
	put_be64(ns->hdr + REC_FIXED_BYTES + ns->n * 16 + 8, p.id.lo);
	ns->n++;
	nodecache_put(ns->cache, p.loc, true, n);
	*out = p;
	return (0);
}

bool
nodes_pending(const struct nodes *ns, locator loc, struct node *out)
{
	uint32_t first = ns->off_sectors + NODES_HEADER_SECTORS;
	uint32_t off = loc_off_sectors(loc);

	if (ns->n == 0 || loc_segment(loc) != seg_number(ns->seg[0]) ||
	    off < first || off >= first + ns->n * NODE_SECTORS)
		return (false);
	memcpy(out->b, ns->buf + (size_t)(off - first) * SECTOR_BYTES,
	    NODE_BYTES);
	return (true);
}

static int
write_copy(struct nodes *ns, unsigned copy, uint64_t *sum)
{
	uint32_t bytes = ns->n * NODE_BYTES;
	struct iovec iov[2] = {
		{ ns->hdr, NODES_HEADER_SECTORS * SECTOR_BYTES },
		{ ns->buf, bytes },
	};
	struct rec r = {
		.kind = REC_NODES,
		.header_sectors = NODES_HEADER_SECTORS,
		.payload_sectors = bytes / SECTOR_BYTES,
		.segment = seg_number(ns->seg[copy]),
		.off_sectors = ns->off_sectors,
		.n_ids = ns->n,
		.payload_used_bytes = bytes,
		.seq = ns->records + 1,
		.time_ns = clock_utc_ns(),
		.prev_segment = ns->prev_segment == 0 ? 0 :
		    ns->prev_segment + copy,
		.prev_end_sectors = ns->prev_end_sectors,
		.prev_sum = ns->prev_sum[copy],
		.payload_sum = rec_sum(ns->nonce[copy], ns->buf, bytes),
	};

	rec_seal(ns->hdr, &r, ns->nonce[copy]);
	*sum = r.sum;
	return (seg_write(ns->seg[copy], iov, 2,
	    (uint64_t)ns->off_sectors * SECTOR_BYTES));
}

int
nodes_flush(struct nodes *ns)
{
	uint64_t sum[2];
	int rc;

	if (ns->n == 0)
		return (0);
	memset(ns->hdr + REC_FIXED_BYTES + ns->n * 16, 0,
	    NODES_HEADER_SECTORS * SECTOR_BYTES - REC_FIXED_BYTES - ns->n * 16);
	if ((rc = write_copy(ns, 0, &sum[0])) != 0 ||
	    (rc = write_copy(ns, 1, &sum[1])) != 0)
		return (rc);
	ns->records++;
	ns->off_sectors += NODES_HEADER_SECTORS + ns->n * NODE_SECTORS;
	ns->prev_segment = seg_number(ns->seg[0]);
	ns->prev_end_sectors = ns->off_sectors;
	ns->prev_sum[0] = sum[0];
	ns->prev_sum[1] = sum[1];
	ns->n = 0;
	ns->dirty = true;
	return (0);
}

int
nodes_sync(struct nodes *ns)
{
	int rc;

	TT_ASSERT(ns->n == 0);
	for (; ns->n_left > 0; ns->n_left--) {
		struct seg **p = ns->left[ns->n_left - 1];

		if ((rc = seg_sync(p[0])) != 0 || (rc = seg_sync(p[1])) != 0)
			return (rc);
		seg_put(p[0]);
		seg_put(p[1]);
	}
	if (ns->dirty && ((rc = seg_sync(ns->seg[0])) != 0 ||
	    (rc = seg_sync(ns->seg[1])) != 0))
		return (rc);
	ns->dirty = false;
	/* As in the log: a page that holds durable nodes is never written
	 * again, for a disk whose pages tear as a whole would take both
	 * copies of them. */
	ns->off_sectors = (ns->off_sectors + PAGE_SECTORS - 1) / PAGE_SECTORS *
	    PAGE_SECTORS;
	return (0);
}

/*
 * What was gathered or written and failed has no place; go on in a fresh pair,
 * because the tail of this one is unknown.  Nodes of the abandoned checkpoint
 * that are in the cache are harmless: nothing refers to them, and their
 * locators are not given out again.
 */
void
nodes_reset(struct nodes *ns)
{

	ns->n = 0;
	for (; ns->n_left > 0; ns->n_left--) {
		seg_put(ns->left[ns->n_left - 1][0]);
		seg_put(ns->left[ns->n_left - 1][1]);
	}
	for (unsigned i = 0; i < 2; i++) {
		if (ns->seg[i] != NULL)
			seg_put(ns->seg[i]);
		ns->seg[i] = NULL;
	}
	ns->dirty = false;
}

void
nodes_committed(struct nodes *ns)
{

	ns->n_fresh = 0;
}

/*
 * A checkpoint that is tried again and again must not fill the disk with what
 * its attempts have left.  Crash: recovery removes what is behind the last
 * committed pair.
 */
void
nodes_discard(struct nodes *ns)
{

	nodes_reset(ns);
	while (ns->n_fresh > 0) {
		uint32_t number = ns->fresh[--ns->n_fresh];

		(void)segs_remove(ns->conf.segs, number);
		(void)segs_remove(ns->conf.segs, number + 1);
	}
}

uint32_t
nodes_end(const struct nodes *ns, uint32_t *out_sectors)
{

	*out_sectors = ns->seg[0] == NULL ? 0 : ns->off_sectors;
	return (ns->seg[0] == NULL ? 0 : seg_number(ns->seg[0]));
}
