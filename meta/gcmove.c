/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gcmove.c - copying what is live in victims into MOVED segments.
 *
 * Two streams: blocks, and nodes, whose segments are pairs of the same layout
 * like those of the keeper.  Each piece is compared with its id before it is
 * copied; a victim of which one does not match stays where it is.  A record
 * never has pieces of two victims, so a victim that is given up half way takes
 * only its own notes with it.
 *
 * Crash: what was copied is known to nobody until the batch is committed, and
 * that begins when both copies, and their names, are synced.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/gc_int.h"
#include "meta/store_int.h"

#define PAGE_SECTORS	8u
#define PIECE_MAX	(1u << BLOCK_SHIFT_MAX)
#define RECORD_PIECES	1024u		/* header: 49 sectors */

struct out {
	struct gc_run *run;
	unsigned copies;		/* 2: nodes */
	struct seg *seg[2];
	uint8_t nonce[2][16];
	uint32_t off_sectors;
	/* the stream, across segments */
	uint32_t prev_segment, prev_end_sectors;
	uint64_t prev_sum[2], records;
	/* the record being gathered */
	struct place places[RECORD_PIECES];
	uint32_t n, bytes;
	uint8_t *buf, *hdr;
};

struct gc_mover {
	struct gc_run *run;
	struct out out[2];		/* blocks, nodes */
	/* the victim */
	const struct gc_seg *victim;
	struct seg *from;
	size_t first_note, pieces;
	uint8_t piece[PIECE_MAX];
};

/* ---- segments --------------------------------------------------------- */

static int
write_header(struct out *o, unsigned copy)
{
	struct store *st = o->run->st;
	uint32_t number = seg_number(o->seg[copy]);
	uint8_t buf[SEG_HEADER_BYTES];
	struct iovec iov = { buf, sizeof(buf) };
	struct seg_header h = {
		.kind = SEG_MOVED,
		.number = number,
		.bytes = st->super.segment_bytes,
		.epoch = st->epoch,
		.created_ns = clock_utc_ns(),
		.prev_segment = o->prev_segment == 0 ? 0 :
		    o->prev_segment + copy,
		.prev_end_sectors = o->prev_end_sectors,
		.prev_sum = o->prev_sum[copy],
		.first_seq = o->records + 1,
	};

	if (o->copies == 2)
		h.twin = copy == 0 ? number + 1 : number - 1;
	memcpy(h.store_uuid, st->super.uuid, 16);
	rnd_boot_id(h.boot_id);
	rnd_bytes(o->nonce[copy], 16);
	memcpy(h.nonce, o->nonce[copy], 16);
	seg_header_enc(&h, buf);
	return (seg_write(o->seg[copy], &iov, 1, 0));
}

/* Gives up what is open; the numbers stay in the batch's list of those made. */
static void
drop_open(struct out *o)
{

	for (unsigned i = 0; i < 2; i++) {
		if (o->seg[i] != NULL)
			seg_put(o->seg[i]);
		o->seg[i] = NULL;
	}
	o->n = o->bytes = 0;
}

/*
 * Its numbers are not noted as segments in use: that is done by the batch.
 * Until then the opening removes them.
 */
static int
open_segment(struct out *o)
{
	struct gc_vec *made = &o->run->batch.made;
	struct store *st = o->run->st;
	uint32_t number = atomic_fetch_add(&st->next_segment, o->copies);
	size_t before = made->n;
	int rc;

	for (unsigned i = 0; i < o->copies; i++) {
		uint32_t k = number + i;

		rc = segs_create(st->segs, k, &o->seg[i]);
		if (rc != 0)
			goto out_remove;
		if ((rc = gc_push(made, sizeof(k), &k)) != 0) {
			(void)segs_remove(st->segs, k);
			goto out_remove;
		}
		if ((rc = write_header(o, i)) != 0)
			goto out_remove;
	}
	o->off_sectors = SEG_HEADER_SECTORS;
	return (0);

out_remove:
	drop_open(o);
	while (made->n > before)
		(void)segs_remove(st->segs,
		    ((const uint32_t *)made->v)[--made->n]);
	return (rc);
}

/*
 * What could not be synced must not be committed, be it of this victim or of
 * those before it: -ECANCELED ends the run, whatever the error was.
 */
static int
close_segment(struct out *o)
{
	uint64_t end = (uint64_t)(o->off_sectors + PAGE_SECTORS - 1) /
	    PAGE_SECTORS * PAGE_SECTORS * SECTOR_BYTES;
	int rc = 0;

	for (unsigned i = 0; i < o->copies && rc == 0; i++) {
		/* The tail costs space and nothing else. */
		(void)seg_cut_tail(o->seg[i], end);
		rc = seg_sync(o->seg[i]);
	}
	drop_open(o);
	return (rc == 0 ? 0 : -ECANCELED);
}

/* ---- records ---------------------------------------------------------- */

static int
write_copy(struct out *o, unsigned copy, uint32_t header_sectors,
    uint64_t *sum)
{
	struct iovec iov[2] = {
		{ o->hdr, (size_t)header_sectors * SECTOR_BYTES },
		{ o->buf, o->bytes },
	};
	struct rec r = {
		.kind = REC_MOVED,
		.header_sectors = header_sectors,
		.payload_sectors = o->bytes / SECTOR_BYTES,
		.segment = seg_number(o->seg[copy]),
		.off_sectors = o->off_sectors,
		.n_runs = o->n,
		.payload_used_bytes = o->bytes,
		.seq = o->records + 1,
		.time_ns = clock_utc_ns(),
		.prev_segment = o->prev_segment == 0 ? 0 :
		    o->prev_segment + copy,
		.prev_end_sectors = o->prev_end_sectors,
		.prev_sum = o->prev_sum[copy],
		.payload_sum = rec_sum(o->nonce[copy], o->buf, o->bytes),
	};

	memset(o->hdr, 0, iov[0].iov_len);
	for (uint32_t i = 0; i < o->n; i++)
		rec_put_run(o->hdr, &r, i, o->places[i]);
	rec_seal(o->hdr, &r, o->nonce[copy]);
	*sum = r.sum;
	return (seg_write(o->seg[copy], iov, 2,
	    (uint64_t)o->off_sectors * SECTOR_BYTES));
}

/* Where each piece of the record is now; neighbours share a note. */
static int
add_notes(struct gc_mover *mv, const struct out *o, uint32_t off_sectors)
{
	struct gc_vec *notes = &mv->run->batch.notes;
	int rc = 0;

	for (uint32_t i = 0; i < o->n && rc == 0; i++) {
		locator l = o->places[i].loc;
		struct moved_run r = { loc_segment(l), loc_off_sectors(l),
		    loc_sectors(l), seg_number(o->seg[0]), off_sectors };
		struct moved_run *last = notes->n > mv->first_note ?
		    (struct moved_run *)notes->v + notes->n - 1 : NULL;

		off_sectors += r.n_sectors;
		if (last != NULL && last->birth_segment == r.birth_segment &&
		    last->birth_off_sectors + last->n_sectors ==
		    r.birth_off_sectors && last->segment == r.segment &&
		    last->off_sectors + last->n_sectors == r.off_sectors)
			last->n_sectors += r.n_sectors;
		else
			rc = gc_push(notes, sizeof(r), &r);
	}
	return (rc);
}

static int
write_record(struct gc_mover *mv, struct out *o)
{
	uint32_t header = rec_header_sectors(0, 0, o->n);
	uint64_t sum[2] = { 0, 0 };
	int rc = 0;

	if (o->n == 0)
		return (0);
	for (unsigned i = 0; i < o->copies && rc == 0; i++)
		rc = write_copy(o, i, header, &sum[i]);
	if (rc == 0)
		rc = add_notes(mv, o, o->off_sectors + header);
	if (rc != 0)
		return (rc);
	o->records++;
	o->off_sectors += header + o->bytes / SECTOR_BYTES;
	o->prev_segment = seg_number(o->seg[0]);
	o->prev_end_sectors = o->off_sectors;
	o->prev_sum[0] = sum[0];
	o->prev_sum[1] = sum[1];
	o->n = o->bytes = 0;
	return (0);
}

static bool
fits(const struct out *o, uint32_t len_bytes)
{
	uint32_t end = o->run->st->super.segment_bytes / SECTOR_BYTES;

	return (o->off_sectors + rec_header_sectors(0, 0, o->n + 1) +
	    (o->bytes + len_bytes) / SECTOR_BYTES <= end);
}

static int
put_piece(struct gc_mover *mv, struct out *o, struct place p,
    const uint8_t *bytes, uint32_t len)
{
	int rc;

	if (o->n > 0 && (o->n == RECORD_PIECES ||
	    o->bytes + len > REC_PAYLOAD_MAX || !fits(o, len)) &&
	    (rc = write_record(mv, o)) != 0)
		return (rc);
	if (o->seg[0] != NULL && !fits(o, len) &&
	    (rc = close_segment(o)) != 0)
		return (rc);
	if (o->seg[0] == NULL && (rc = open_segment(o)) != 0)
		return (rc);
	memcpy(o->buf + o->bytes, bytes, len);
	o->places[o->n++] = p;
	o->bytes += len;
	return (0);
}

/* ---- victims ---------------------------------------------------------- */

static struct msg_limit limit;

static int
stays(const struct gc_mover *mv, const struct gc_piece *p, int rc)
{

	if (msg_allowed(&limit, 10))
		msg_err("segment %u sector %u: a live %s is damaged: %s; the "
		    "segment stays as it is", mv->victim->number,
		    p->off_sectors, mv->victim->nodes ? "node" : "block",
		    msg_why(rc));
	return (-EILSEQ);
}

static int
move_piece(void *arg, const struct rec *r, const struct gc_piece *p)
{
	struct gc_mover *mv = arg;
	uint32_t len = loc_sectors(p->place.loc) * SECTOR_BYTES;
	struct node n;
	struct id id;
	int rc;

	(void)r;
	mv->pieces++;
	if (!p->live)
		return (0);
	if ((rc = gc_pace(mv->run)) != 0)
		return (rc);
	if (mv->victim->nodes) {
		/* The copies are compared; of locators the right one counts. */
		rc = nodes_load(mv->run->st->nodes, p->place, NODE_NO_KEEP |
		    NODE_BOTH, &n);
		if (rc != 0)
			return (rc == -ENOMEM ? rc : stays(mv, p, rc));
		return (put_piece(mv, &mv->out[1], p->place, n.b, NODE_BYTES));
	}
	if (len > PIECE_MAX)
		return (stays(mv, p, -EILSEQ));
	rc = seg_read(mv->from, mv->piece, len,
	    (uint64_t)p->off_sectors * SECTOR_BYTES);
	if (rc != 0)
		return (stays(mv, p, rc));
	id = id_of(mv->piece, len);
	if (!id_equal(&id, &p->place.id))
		return (stays(mv, p, -EILSEQ));
	return (put_piece(mv, &mv->out[0], p->place, mv->piece, len));
}

int
gc_move(struct gc_mover *mv, const struct gc_seg *s)
{
	static const struct gc_piece_ops ops = { NULL, move_piece };
	struct gc_batch *b = &mv->run->batch;
	int rc;

	mv->victim = s;
	mv->first_note = b->notes.n;
	mv->pieces = 0;
	rc = segs_get(mv->run->st->segs, s->number, &mv->from);
	if (rc != 0)
		return (rc == -ENOENT ? 1 : rc);
	rc = gc_pieces(mv->run, s, &ops, mv);
	seg_put(mv->from);
	for (unsigned i = 0; i < 2 && rc == 0; i++)
		rc = write_record(mv, &mv->out[i]);
	if (rc == 0)
		rc = gc_push(&b->victims, sizeof(*s), s);
	if (rc == 0) {
		b->pieces += s->kind == SEG_MOVED ? mv->pieces : 0;
		return (0);
	}
	b->notes.n = mv->first_note;
	for (unsigned i = 0; i < 2; i++)
		mv->out[i].n = mv->out[i].bytes = 0;
	return (rc == -EILSEQ || rc == -EIO || rc == -ENODATA ? 1 : rc);
}

int
gc_mover_flush(struct gc_mover *mv)
{
	int rc = 0;

	for (unsigned i = 0; i < 2 && rc == 0; i++)
		if (mv->out[i].seg[0] != NULL)
			rc = close_segment(&mv->out[i]);
	return (rc);
}

int
gc_mover_new(struct gc_run *run, struct gc_mover **out)
{
	struct gc_mover *mv = calloc(1, sizeof(*mv));

	if (mv == NULL)
		return (-ENOMEM);
	mv->run = run;
	for (unsigned i = 0; i < 2; i++) {
		struct out *o = &mv->out[i];

		o->run = run;
		o->copies = i + 1;
		o->buf = malloc(REC_PAYLOAD_MAX);
		o->hdr = malloc((size_t)rec_header_sectors(0, 0,
		    RECORD_PIECES) * SECTOR_BYTES);
		if (o->buf == NULL || o->hdr == NULL) {
			gc_mover_free(mv);
			return (-ENOMEM);
		}
	}
	*out = mv;
	return (0);
}

/*
 * A store that has failed may have committed the batch, and nobody knows:
 * then nothing is removed here.  Crash: the next opening removes them.
 */
void
gc_mover_free(struct gc_mover *mv)
{
	struct gc_vec *made = &mv->run->batch.made;
	struct log_state ls;

	for (unsigned i = 0; i < 2; i++) {
		drop_open(&mv->out[i]);
		free(mv->out[i].buf);
		free(mv->out[i].hdr);
	}
	log_state(mv->run->st->log, &ls);
	for (size_t i = 0; i < made->n && ls.failed == 0; i++)
		(void)segs_remove(mv->run->st->segs,
		    ((const uint32_t *)made->v)[i]);
	made->n = 0;
	free(mv);
}
