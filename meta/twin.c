/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * twin.c - a lost segment of nodes, made again from its twin.
 *
 * The two have the same layout: the same nodes at the same offsets, in records
 * with headers of the same length.  So the bytes are copied as they are, and
 * then each record that the twin has is sealed anew, with this segment's number
 * and a new nonce.  What lies between the records is copied as well: a node
 * below a header that has rotted is found by its locator alone.  In the stream
 * the segment stands for itself: it names no segment before it.
 *
 * A file that has only lost its header is copied itself, sector by sector where
 * it cannot be read, and gets of its twin the nodes that are damaged in it: so
 * whatever could be read in it can be read in what takes its place.
 *
 * The number is the same, because locators and notes lead there.  Nobody else
 * writes to the pair: its writer holds both files open, and then neither is
 * missing, nor is one replaced (segs_draft_adopt).
 *
 * Space reclaim may free the pair meanwhile.  It commits that first and removes
 * files later; so when the pair is still in use behind the moment in which the
 * file got its name, reclaim will find and remove it, and when it is not, it is
 * removed here.
 *
 * Crash, step by step:
 *  - while it is written: a draft, which the next opening removes (segdraft.c);
 *  - when it has its name: all of it, synced before.  With the name of a file
 *    that had only lost its header: that one or this one, and both have every
 *    node that could be read in it;
 *  - when it has its name and no row, because a rebuild has found none of it: a
 *    file of moved nodes is removed by the opening.  The row is durable before
 *    twin_make returns;
 *  - between its name and the second look at the catalogue, with the pair freed
 *    in between: a file that nobody refers to.  While its row says "freed", the
 *    opening removes it.
 */
#include "meta/twin.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/fsutil.h"
#include "meta/nodes_int.h"
#include "meta/segmedium.h"
#include "meta/segscan.h"

#define PIECE		(1u << 20)
#define PAGE		4096u

struct making {
	struct nodes *ns;
	struct seg *from;		/* the other one */
	struct seg *old;		/* what has lost its header; or NULL */
	bool replaces;			/* there was one */
	struct seg_header h;		/* of ${from} */
	uint32_t number;		/* the one that is made */
	uint8_t nonce[16];
	struct seg_draft draft;
	uint8_t *buf;			/* PIECE: a piece, or a payload */
	uint8_t *hdr;			/* REC_HEADER_MAX_SECTORS */
	struct rec last;		/* as it is in ${from}; sum 0: none */
	uint64_t last_sum;		/* of the same here */
};

static_assert(REC_PAYLOAD_MAX <= PIECE, "a payload fits");

/* ---- bytes -------------------------------------------------------------- */

/* Sectors that cannot be read stay zeroes. */
static int
copy_sectors(struct making *m, struct seg *src, uint64_t off, size_t len)
{
	int rc = 0;

	for (size_t at = 0, n; at < len && rc == 0; at += n) {
		n = TT_MIN(len - at, (size_t)SECTOR_BYTES);
		rc = seg_read_medium(src, m->buf, n, off + at);
		if (rc == 0)
			rc = fsutil_write(m->draft.fd, m->buf, n, off + at);
		else if (rc == -EIO)
			rc = 0;
	}
	return (rc);
}

/* Behind a hole; ${off} when the file system cannot tell. */
static uint64_t
next_data(const struct seg *src, uint64_t off, uint64_t end)
{
	off_t at = lseek(seg_fd(src), (off_t)off, SEEK_DATA);

	if (at < 0)
		return (errno == ENXIO ? end : off);
	return (TT_MIN((uint64_t)at / PAGE * PAGE, end));
}

static int
size_of(const struct making *m, const struct seg *s, uint64_t *out)
{
	struct stat sb;

	if (fstat(seg_fd(s), &sb) != 0)
		return (-errno);
	*out = TT_MIN((uint64_t)sb.st_size, (uint64_t)m->h.bytes);
	return (0);
}

static int
copy_all(struct making *m)
{
	struct seg *src = m->old != NULL ? m->old : m->from;
	uint64_t end, size, off = SEG_HEADER_BYTES;
	int rc;

	if ((rc = size_of(m, m->from, &size)) != 0 ||
	    (rc = size_of(m, src, &end)) != 0)
		return (rc);
	if (ftruncate(m->draft.fd, (off_t)TT_MAX(size, end)) != 0)
		return (-errno);
	while (rc == 0) {
		size_t n;

		off = TT_MAX(off, next_data(src, off, end));
		if (off >= end)
			break;
		n = (size_t)TT_MIN(end - off, (uint64_t)PIECE);
		rc = seg_read_medium(src, m->buf, n, off);
		if (rc == 0)
			rc = fsutil_write(m->draft.fd, m->buf, n, off);
		else if (rc == -EIO)
			rc = copy_sectors(m, src, off, n);
		off += n;
	}
	return (rc);
}

/* ---- records ------------------------------------------------------------ */

static bool
is_whole(const uint8_t *b, const struct id *want)
{
	struct node n;
	struct id id;

	memcpy(n.b, b, NODE_BYTES);
	id = node_id(&n);
	return (id_equal(&id, want));
}

/* A node that is damaged in the file without a header. */
static void
mend_one(struct making *m, uint8_t *b, uint64_t off, const struct id *want)
{
	struct node n;

	if (is_whole(b, want) ||
	    seg_read_medium(m->from, n.b, NODE_BYTES, off) != 0 ||
	    !is_whole(n.b, want))
		return;
	memcpy(b, n.b, NODE_BYTES);
}

static void
mend(struct making *m, const struct rec *r, const uint8_t *hdr, uint64_t off)
{
	uint32_t n = r->kind == REC_NODES ? r->n_ids : r->n_runs, at = 0;

	for (uint32_t i = 0; i < n && at + NODE_BYTES <=
	    r->payload_used_bytes; i++) {
		struct id want;

		if (r->kind == REC_NODES) {
			want = rec_id(hdr, r, i);
		} else {
			struct place p = rec_run(hdr, r, i);

			if (loc_sectors(p.loc) != NODE_SECTORS)
				return;
			want = p.id;
		}
		mend_one(m, m->buf + at, off + at, &want);
		at += NODE_BYTES;
	}
}

/* What came before in the stream is named when it is in this segment. */
static void
seal(struct making *m, const struct rec *r, const uint8_t *hdr)
{
	bool next = m->last.sum != 0 && r->seq == m->last.seq + 1 &&
	    r->prev_segment == m->last.segment && r->prev_sum == m->last.sum;
	struct rec own = *r;

	memcpy(m->hdr, hdr, (size_t)r->header_sectors * SECTOR_BYTES);
	own.segment = m->number;
	own.prev_segment = next ? m->number : 0;
	own.prev_end_sectors = next ? r->prev_end_sectors : 0;
	own.prev_sum = next ? m->last_sum : 0;
	/* Of the bytes that are there: a hole may be among them. */
	own.payload_sum = rec_sum(m->nonce, m->buf, r->payload_used_bytes);
	rec_seal(m->hdr, &own, m->nonce);
	m->last = *r;
	m->last_sum = own.sum;
}

static int
one_record(void *arg, const struct rec *r, const uint8_t *hdr)
{
	struct making *m = arg;
	uint64_t at = (uint64_t)r->off_sectors * SECTOR_BYTES;
	uint64_t payload = at + (uint64_t)r->header_sectors * SECTOR_BYTES;
	size_t len = (size_t)r->payload_sectors * SECTOR_BYTES;
	int rc;

	if (r->kind != REC_NODES && r->kind != REC_MOVED)
		return (0);
	if (len > PIECE)
		return (-EILSEQ);
	if ((rc = fsutil_read(m->draft.fd, m->buf, len, payload)) != 0)
		return (rc);
	if (m->old != NULL) {
		mend(m, r, hdr, payload);
		rc = fsutil_write(m->draft.fd, m->buf, len, payload);
		if (rc != 0)
			return (rc);
	}
	seal(m, r, hdr);
	return (fsutil_write(m->draft.fd, m->hdr,
	    (size_t)r->header_sectors * SECTOR_BYTES, at));
}

static int
write_header(struct making *m)
{
	uint8_t buf[SEG_HEADER_BYTES];
	struct seg_header h = m->h;

	h.twin = m->h.number;
	h.number = m->number;
	h.prev_segment = h.prev_end_sectors = 0;
	h.prev_sum = 0;
	memcpy(h.nonce, m->nonce, sizeof(h.nonce));
	seg_header_enc(&h, buf);
	return (fsutil_write(m->draft.fd, buf, sizeof(buf), 0));
}

static int
fill(struct making *m)
{
	struct nodes *ns = m->ns;
	int rc;

	rnd_bytes(m->nonce, sizeof(m->nonce));
	m->buf = malloc(PIECE);
	m->hdr = malloc((size_t)REC_HEADER_MAX_SECTORS * SECTOR_BYTES);
	if (m->buf == NULL || m->hdr == NULL)
		return (-ENOMEM);
	if ((rc = copy_all(m)) != 0 ||
	    (rc = segscan(ns->conf.segs, ns->conf.store_uuid, m->h.number,
	    NULL, one_record, m)) != 0)
		return (rc);
	return (write_header(m));
}

/* ---- the two of a pair -------------------------------------------------- */

static bool
is_damage(int rc)
{

	return (rc == -ENOENT || rc == -EILSEQ);
}

/*
 * 0: it is there and names the other one.  One that has a header of its own,
 * and is another segment, is none that was lost.
 */
static int
look(struct nodes *ns, uint32_t number, uint32_t twin, struct seg_header *h)
{
	int rc = segscan_header(ns->conf.segs, ns->conf.store_uuid, number, h);

	if (rc == 0 && (h->kind == SEG_LOG || h->twin != twin))
		rc = -EUCLEAN;
	return (rc);
}

int
twin_lost(struct nodes *ns, uint32_t first, unsigned *out)
{
	struct seg_header h;
	int rc[2];

	if (first == 0 || first == UINT32_MAX)
		return (-EILSEQ);
	rc[0] = look(ns, first, first + 1, &h);
	rc[1] = look(ns, first + 1, first, &h);
	for (unsigned i = 0; i < 2; i++)
		if (rc[i] != 0 && !is_damage(rc[i]))
			return (rc[i]);
	if (rc[0] != 0 && rc[1] != 0)
		return (-EILSEQ);
	if (rc[0] == 0 && rc[1] == 0)
		return (0);
	*out = rc[0] == 0;
	return (1);
}

/*
 * By the row of the other one: a rebuild has none for what was not there.  A
 * file that is there is not replaced unless its own says that it is the twin.
 */
static int
still_in_use(const struct making *m)
{
	const struct nodes_conf *c = &m->ns->conf;
	enum seg_kind kind = SEG_LOG;
	int rc;

	rc = c->in_use(c->created_arg, m->h.number, &kind);
	if (rc < 0)
		return (rc);
	if (rc == 0 || kind != m->h.kind)
		return (-ESTALE);
	rc = c->in_use(c->created_arg, m->number, &kind);
	if (rc < 0)
		return (rc);
	return ((rc == 1 && kind != m->h.kind) || (rc == 0 && m->replaces) ?
	    -EUCLEAN : 0);
}

static int
give_name(struct making *m)
{
	struct segs *ss = m->ns->conf.segs;
	int rc;

	/* Our own look at it is over. */
	seg_put(m->old);
	m->old = NULL;
	if ((rc = still_in_use(m)) != 0) {
		segs_draft_drop(ss, &m->draft);
		return (rc);
	}
	if ((rc = segs_draft_adopt(ss, &m->draft, m->number)) != 0)
		return (rc);
	if ((rc = still_in_use(m)) == 0)
		return (0);
	if (rc == -ESTALE)
		(void)segs_remove(ss, m->number);
	return (rc);
}

static int
make(struct making *m)
{
	const struct nodes_conf *c = &m->ns->conf;
	int rc;

	/* Mostly its writer: who asks for each node must not have a copy made. */
	if (segs_is_used(c->segs, m->number))
		return (-EBUSY);
	rc = segs_get(c->segs, m->number, &m->old);
	if (rc != 0 && rc != -ENOENT)
		return (rc);
	m->replaces = m->old != NULL;
	if ((rc = still_in_use(m)) != 0)
		return (rc);
	if (c->may_grow != NULL && !c->may_grow(c->created_arg))
		return (-ENOSPC);
	if ((rc = segs_draft(c->segs, &m->draft)) != 0)
		return (rc);
	if ((rc = fill(m)) != 0) {
		segs_draft_drop(c->segs, &m->draft);
		return (rc);
	}
	if ((rc = give_name(m)) == 0)
		c->again(c->created_arg, m->number, m->h.kind);
	return (rc);
}

int
twin_make(struct nodes *ns, uint32_t first, unsigned lost)
{
	struct making m = { .ns = ns, .number = first + lost };
	uint32_t other = first + !lost;
	int rc;

	if (ns->conf.in_use == NULL || segs_is_read_only(ns->conf.segs))
		return (-EROFS);
	if ((rc = look(ns, other, m.number, &m.h)) != 0)
		return (rc);
	if ((rc = segs_get(ns->conf.segs, other, &m.from)) != 0)
		return (rc);
	rc = make(&m);
	seg_put(m.from);
	seg_put(m.old);
	free(m.buf);
	free(m.hdr);
	if (rc == 0)
		msg_warn("segment %08x of nodes was lost, or its header was: "
		    "it is made again from its twin %08x", m.number, other);
	else if (rc != -ESTALE && rc != -EBUSY)
		msg_err("segment %08x of nodes is lost, or its header is, and "
		    "could not be made again (%s); what its twin %08x has can "
		    "be read", m.number, msg_why(rc), other);
	return (rc);
}
