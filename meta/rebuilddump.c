/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rebuilddump.c - the rows of the newest dump of the catalogue, and the proof
 * that the log behind its position is whole.
 *
 * Segments of the log are looked through from the newest on by the headers of
 * their records.  Where a dump begins, recovery is run from the position that
 * the dump names, as an opening would do it: that reads the log in its order,
 * checks every record, and meets the parts of the dump on its way, none
 * missing.  If one is, or the log is not whole, an older dump is tried.
 *
 * An older dump needs more than its log: space reclaim trusts the newest one,
 * so what only the older one refers to may be gone.  Its trees are walked
 * before it is believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"
#include "meta/item.h"
#include "meta/rebuild_int.h"
#include "meta/recover.h"
#include "meta/segscan.h"

#define POSITION_LEN 32

/* A record that begins a dump. */
struct start {
	uint64_t seq;			/* its own */
	struct log_pos pos;		/* where replay begins */
};

struct finder {
	struct rebuild *rb;
	uint8_t nonce[16];		/* of the segment being scanned */
	struct start *v;
	size_t n, room, first;		/* first: of the segment being scanned */
	uint64_t end_seq;		/* newest end of a dump, 0 = none */
};

/* ---- where dumps begin -------------------------------------------------- */

/* The POSITION at the head of the first part of a dump. */
static bool
position_of(const uint8_t *items, size_t len, struct log_pos *out)
{
	struct rd r = rd_init(items, len), v;
	struct item it;

	if (!item_next(&r, &it) || it.type != ITEM_POSITION ||
	    it.len != POSITION_LEN)
		return (false);
	v = rd_init(it.val, it.len);
	out->segment = rd_be32(&v);
	out->end_sectors = rd_be32(&v);
	out->seq = rd_be64(&v);
	out->sum = rd_be64(&v);
	out->time_ns = rd_be64(&v);
	return (!v.bad);
}

static int
add_start(struct finder *f, uint64_t seq, const struct log_pos *pos)
{
	struct start *all;

	if ((all = vec_room(f->v, &f->room, f->n, sizeof(*all))) == NULL)
		return (-ENOMEM);
	f->v = all;
	f->v[f->n++] = (struct start){ seq, *pos };
	return (0);
}

static int
read_payload(struct rebuild *rb, const struct rec *r, uint8_t **out)
{
	uint8_t *buf;
	struct seg *s;
	int rc;

	if ((buf = malloc(r->payload_used_bytes + 1u)) == NULL)
		return (-ENOMEM);
	if ((rc = segs_get(rb->segs, r->segment, &s)) == 0) {
		rc = seg_read(s, buf, r->payload_used_bytes,
		    (uint64_t)(r->off_sectors + r->header_sectors) *
		    SECTOR_BYTES);
		seg_put(s);
	}
	if (rc == 0)
		*out = buf;
	else
		free(buf);
	return (rc);
}

static int
look(void *arg, const struct rec *r, const uint8_t *hdr)
{
	struct finder *f = arg;
	struct log_pos pos;
	uint8_t *buf;
	int rc;

	(void)hdr;
	if (r->kind != REC_CATALOG || (r->flags & REC_F_DUMP) == 0)
		return (0);
	if ((r->flags & REC_F_DUMP_END) != 0)
		f->end_seq = TT_MAX(f->end_seq, r->seq);
	if ((rc = read_payload(f->rb, r, &buf)) != 0)
		return (rc == -ENOMEM ? rc : 0);
	if (rec_sum(f->nonce, buf, r->payload_used_bytes) == r->payload_sum &&
	    position_of(buf, r->payload_used_bytes, &pos))
		rc = add_start(f, r->seq, &pos);
	free(buf);
	return (rc);
}

/* ---- one dump ----------------------------------------------------------- */

struct taker {
	struct rebuild *rb;
	struct log_pos pos;		/* of the dump that is wanted */
	bool taking, done;
	uint64_t end_seq;		/* of its last part, when done */
	uint64_t rows;
};

static int
take_row(struct taker *t, const struct item *it)
{
	struct rd r = rd_init(it->val, it->len);
	unsigned tab = rd_u8(&r);
	size_t klen = rd_be16(&r), vlen;
	const uint8_t *key = rd_bytes(&r, klen), *val;

	vlen = rd_left(&r);
	val = rd_bytes(&r, vlen);
	if (r.bad || tab == 0 || tab >= CAT_TABLES ||
	    cat_is_derived((enum cat_table)tab))
		return (-EILSEQ);
	/* How it was closed is not known: rebuild.c, put_store_row. */
	if (tab == CAT_STORE && klen == strlen(STORE_POWER_KEY) &&
	    memcmp(key, STORE_POWER_KEY, klen) == 0)
		return (0);
	t->rows++;
	return (rb_put(t->rb, (enum cat_table)tab, key, klen, val, vlen));
}

static int
take_items(struct taker *t, const uint8_t *items, size_t len)
{
	struct rd r = rd_init(items, len);
	struct item it;
	int rc = 0;

	while (rc == 0 && item_next(&r, &it)) {
		if (it.type == ITEM_ROW_PUT)
			rc = take_row(t, &it);
		else if (it.type != ITEM_POSITION &&
		    (it.type & ITEM_MAY_IGNORE) == 0)
			rc = -EILSEQ;
	}
	return (rc == 0 && r.bad ? -EILSEQ : rc);
}

/* Parts of another dump are passed over, and so is what it changes. */
static int
take(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{
	struct taker *t = arg;
	struct log_pos pos;
	int rc;

	(void)hdr;
	if (rb_tell(t->rb))
		msg_info("rebuild: checking the log, record %llu",
		    (unsigned long long)r->seq);
	if (r->kind != REC_CATALOG || (r->flags & REC_F_DUMP) == 0 || t->done)
		return (0);
	if (payload == NULL) {
		t->taking = false;
		return (0);
	}
	if (position_of(payload, r->payload_used_bytes, &pos))
		t->taking = pos.seq == t->pos.seq &&
		    pos.segment == t->pos.segment && pos.sum == t->pos.sum;
	if (!t->taking)
		return (0);
	rc = take_items(t, payload, r->payload_used_bytes);
	if (rc == -EILSEQ || rc == -EINVAL) {	/* newer, or nonsense */
		t->taking = false;
		return (0);
	}
	if (rc == 0 && (r->flags & REC_F_DUMP_END) != 0) {
		t->done = true;
		t->end_seq = r->seq;
	}
	return (rc);
}

/* Recovery's own look at the log from ${pos} on; nothing is replayed. */
static int
run(struct rebuild *rb, const struct log_pos *pos, struct taker *t)
{
	struct recover_conf conf = {
		.segs = rb->segs,
		.segment_bytes = rb->super.segment_bytes,
		.start = *pos,
		.salvage = rb->salvage,
		.replay = take,
		.arg = t,
	};
	struct recovery *rv;
	int rc;

	memcpy(conf.store_uuid, rb->super.uuid, 16);
	if ((rc = recover_run(&conf, &rv)) != 0)
		return (rc);
	rb->info.replay_records = recovery_records(rv);
	rb->info.replay_bytes = recovery_bytes(rv);
	rb->info.damaged = recovery_damaged(rv);
	rb->max_number = TT_MAX(rb->max_number, recovery_max_segment(rv));
	recovery_free(rv);
	return (0);
}

/* The row of the checkpoint must name the same position as the dump. */
static int
read_store_row(struct rebuild *rb, const struct log_pos *pos)
{
	uint8_t val[STORE_ROW_LEN];
	size_t vlen = sizeof(val);
	int rc;

	rc = catalog_get(rb->cat, CAT_STORE, STORE_ROW_KEY,
	    strlen(STORE_ROW_KEY), val, &vlen);
	if (rc == 0)
		rc = store_row_dec(val, vlen, &rb->row);
	if (rc == 0 && (rb->row.pos.seq != pos->seq ||
	    rb->row.pos.segment != pos->segment ||
	    rb->row.pos.end_sectors != pos->end_sectors ||
	    rb->row.pos.sum != pos->sum))
		rc = -EUCLEAN;
	return (rc == -ENOENT || rc == -EILSEQ ? -EUCLEAN : rc);
}

/*
 * -ENOENT: the dump cannot be used.  -EUCLEAN: the log behind its position is
 * damaged, and then it is behind that of every older one.
 */
static int
try_one(struct rebuild *rb, const struct start *s)
{
	struct taker t = { .rb = rb, .pos = s->pos };
	int rc;

	msg_info("rebuild: a dump of the catalogue begins with record %llu; "
	    "it describes the store as of record %llu",
	    (unsigned long long)s->seq, (unsigned long long)s->pos.seq);
	if ((rc = rb_fresh(rb)) != 0 || (rc = run(rb, &s->pos, &t)) != 0 ||
	    (rc = rb_commit(rb)) != 0)
		return (rc);
	if (!t.done || read_store_row(rb, &s->pos) != 0) {
		msg_warn("rebuild: that dump is damaged");
		return (-ENOENT);
	}
	rb->dump_end_seq = t.end_seq;
	rb->info.rows = t.rows;
	rb->info.dump_seq = s->pos.seq;
	rb->info.dump_ns = s->pos.time_ns;
	return (0);
}

/* ---- all of them --------------------------------------------------------- */

/* The new ones, from the last on.  -ENOENT: none can be used. */
static int
try_new(struct finder *f)
{
	int rc = -ENOENT;

	for (size_t i = f->n; rc == -ENOENT && i-- > f->first; ) {
		if (f->v[i].seq > f->end_seq)
			continue;	/* the crash came before its end */
		rc = try_one(f->rb, &f->v[i]);
	}
	f->first = f->n;
	return (rc);
}

/*
 * A store in which no dump was completed yet: its log is there from the first
 * record on, or it cannot be made.
 */
static int
from_the_start(struct rebuild *rb)
{
	struct log_pos none = { .segment = 0 };
	struct taker t = { .rb = rb, .done = true };
	bool first = false;
	int rc;

	for (size_t i = 0; i < rb->n_seg; i++)
		first = first || (rb->seg[i].h.kind == SEG_LOG &&
		    rb->seg[i].h.prev_segment == 0);
	if (!first && rb->n_seg > 0) {
		msg_err("rebuild: no usable dump of the catalogue, and the "
		    "first segment of the log is gone: what the segments hold "
		    "cannot be told any more");
		return (-EUCLEAN);
	}
	if (rb->n_seg == 0 && !rb->may_be_empty) {
		msg_err("rebuild: there are no segments: is the disk mounted "
		    "on which they are?  A store in which nothing was ever "
		    "written needs --force");
		return (-EUCLEAN);
	}
	if (rb->n_seg > 0)
		msg_info("rebuild: no dump of the catalogue; the whole log is "
		    "to be replayed");
	if ((rc = rb_fresh(rb)) != 0 || (rc = run(rb, &none, &t)) != 0)
		return (rc);
	rb->row = (struct store_row){ .next_segment = 1 };
	return (0);
}

int
rb_dump(struct rebuild *rb)
{
	struct finder f = { .rb = rb };
	int rc = -ENOENT;

	for (size_t i = rb->n_seg; rc == -ENOENT && i-- > 0; ) {
		const struct seg_header *h = &rb->seg[i].h;

		if (h->kind != SEG_LOG)
			continue;
		if (rb_tell(rb))
			msg_info("rebuild: looking for a dump of the "
			    "catalogue in segment %u", h->number);
		memcpy(f.nonce, h->nonce, sizeof(f.nonce));
		rc = segscan(rb->segs, rb->super.uuid, h->number, NULL, look,
		    &f);
		if (rc == -ENOMEM)
			break;
		rc = try_new(&f);
	}
	free(f.v);
	if (rc == -ENOENT)
		return (from_the_start(rb));
	rb->is_older = f.end_seq > rb->dump_end_seq;
	return (rc);
}
