/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - the append side of the log.
 *
 * State that an append changes is kept in ${end}: it is copied, advanced while
 * records are placed, and stored back only when the write has succeeded.  A
 * write that failed may have left anything behind the last good end, even
 * whole records; so the segment is not used any more after that: the next one
 * says in its header where the stream left this one, and whatever lies behind
 * belongs to nobody.  Until there is a next one, nobody says so: the first
 * sector of what was refused is wiped out, so that no recovery meets it.
 */
#include "meta/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/clock.h"
#include "meta/base/lock.h"
#include "meta/base/rnd.h"
#include "meta/space.h"
#include "meta/syncer.h"

#define IOV_ROOM	1024		/* IOV_MAX */
#define WRITE_MAX_BYTES	(4u << 20)	/* of one system call */
#define GEN_SLOTS	64
#define PAGE_SECTORS	8u
#define FULL_RETRY_MS	200u

/* Where the next record goes and what it continues. */
struct log_end {
	uint32_t off_sectors;
	struct log_pos last;
};

/* Members are protected by:  l  lk   g  gen_lk   a  atomic   I  immutable */
struct log {
	struct log_conf conf;		/* [I] */
	uint8_t boot_id[16];		/* [I] */
	struct syncer *sync;		/* [I] */
	struct lk lk;			/* rank LK_LOG */
	struct seg *cur;		/* [l] NULL before the first append */
	struct seg *next;		/* [l] made ready, its name is durable */
	uint8_t nonce[16];		/* [l] of cur */
	struct log_end end;		/* [l] */
	uint64_t end_pos;		/* [l] */
	_Atomic uint64_t gen;		/* [l] to change */
	bool align, must_roll;		/* [l] */
	uint32_t refused_sectors;	/* [l] in cur: lies what was refused */
	_Atomic uint64_t full_until_ms;	/* [a] no new segment before */
	int failed;			/* [l] */
	struct iovec iov[IOV_ROOM];	/* [l] of the write being built */
	struct lk gen_lk;		/* rank LK_GEN */
	pthread_cond_t drained;
	struct {
		uint64_t gen;
		unsigned n;
	} flight[GEN_SLOTS];		/* [g] */
};

static uint8_t zeroes[SECTOR_BYTES];	/* never written */

/* ---- segments --------------------------------------------------------- */

/*
 * A full store is asked again only now and then: each try takes a number, and
 * numbers are never used twice.  For data, room is kept for what is not.
 */
static int
new_segment(struct log *l, bool data, struct seg **out)
{
	uint64_t now = clock_mono_ms();
	struct seg *s;
	uint32_t number;
	int rc;

	if (data && l->conf.space != NULL && !space_may_grow(l->conf.space))
		return (-ENOSPC);
	if (now < atomic_load(&l->full_until_ms))
		return (-ENOSPC);
	number = atomic_fetch_add(l->conf.next_segment, 1);
	if ((rc = segs_create(l->conf.segs, number, &s)) != 0) {
		if (rc == -ENOSPC)
			atomic_store(&l->full_until_ms, now + FULL_RETRY_MS);
		return (rc);
	}
	if ((rc = l->conf.created(l->conf.created_arg, number)) != 0) {
		(void)segs_remove(l->conf.segs, number);
		seg_put(s);
		return (rc);
	}
	*out = s;
	return (0);
}

/*
 * Crash: a file with a durable name and no valid header: recovery ignores and
 * removes it.
 */
static void
log_ready(void *arg)
{
	struct log *l = arg;
	struct seg *s;
	bool want, late;

	lk_lock(&l->lk);
	want = l->next == NULL && l->failed == 0;
	lk_unlock(&l->lk);
	if (!want || new_segment(l, true, &s) != 0)
		return;		/* the roll-over tries again and reports */
	if (seg_sync(s) != 0) {
		(void)segs_remove(l->conf.segs, seg_number(s));
		seg_put(s);
		return;
	}
	/*
	 * The log may have rolled over meanwhile, into a segment with a higher
	 * number; numbers along the log only rise, so this one comes too late.
	 */
	lk_lock(&l->lk);
	TT_ASSERT(l->next == NULL);	/* only this thread sets it */
	late = l->cur != NULL && seg_number(l->cur) > seg_number(s);
	if (!late)
		l->next = s;
	lk_unlock(&l->lk);
	if (late) {
		(void)segs_remove(l->conf.segs, seg_number(s));
		seg_put(s);
		syncer_want_ready(l->sync);
	}
}

static int
write_header(struct log *l, struct seg *s, const uint8_t nonce[static 16])
{
	uint8_t buf[SEG_HEADER_BYTES];
	struct iovec iov = { buf, sizeof(buf) };
	struct seg_header h = {
		.kind = SEG_LOG,
		.number = seg_number(s),
		.bytes = l->conf.segment_bytes,
		.epoch = l->conf.epoch,
		.created_ns = clock_utc_ns(),
		.prev_segment = l->end.last.segment,
		.prev_end_sectors = l->end.last.end_sectors,
		.prev_sum = l->end.last.sum,
		.first_seq = l->end.last.seq + 1,
	};

	memcpy(h.store_uuid, l->conf.store_uuid, 16);
	memcpy(h.boot_id, l->boot_id, 16);
	memcpy(h.nonce, nonce, 16);
	TT_ASSERT(h.number > h.prev_segment);	/* recovery counts on it */
	seg_header_enc(&h, buf);
	return (seg_write(s, &iov, 1, 0));
}

/*
 * Go on in a new segment.  On an error the old one stays current.
 * Crash: without a valid header the new segment is not part of the log, and
 * nothing in it was acknowledged as durable: header and records are synced
 * together.
 */
static int
roll_locked(struct log *l, bool data)
{
	uint8_t nonce[16];
	struct seg *s = l->next;
	int rc;

	if ((rc = syncer_reserve(l->sync)) != 0)
		return (rc);
	l->next = NULL;
	if (s == NULL && (rc = new_segment(l, data, &s)) == -ENOSPC &&
	    !data && space_release(l->conf.space)) {
		atomic_store(&l->full_until_ms, 0);
		rc = new_segment(l, data, &s);
	}
	if (s == NULL)
		return (rc);
	rnd_bytes(nonce, sizeof(nonce));
	if ((rc = write_header(l, s, nonce)) != 0) {
		(void)segs_remove(l->conf.segs, seg_number(s));
		seg_put(s);
		return (rc);
	}
	if (l->cur != NULL)
		seg_put(l->cur);
	l->cur = s;
	memcpy(l->nonce, nonce, sizeof(nonce));
	l->end.off_sectors = SEG_HEADER_SECTORS;
	l->align = l->must_roll = false;
	l->refused_sectors = 0;
	l->end_pos += SEG_HEADER_BYTES;
	syncer_wrote(l->sync, s, l->end_pos);
	syncer_want_ready(l->sync);
	return (0);
}

/*
 * Wipe out the header of the first record that was refused, if it got to the
 * file.  A disk that refuses this too is asked again, by the next append that
 * cannot roll over and at the end.
 */
static void
wipe_refused_locked(struct log *l)
{
	struct iovec iov = { zeroes, sizeof(zeroes) };

	if (l->refused_sectors != 0 && seg_write(l->cur, &iov, 1,
	    (uint64_t)l->refused_sectors * SECTOR_BYTES) == 0)
		l->refused_sectors = 0;
}

/* ---- append ----------------------------------------------------------- */

static uint32_t
payload_sectors(const struct log_rec *r)
{

	return ((r->payload_bytes + SECTOR_BYTES - 1) / SECTOR_BYTES);
}

static uint32_t
rec_total_sectors(const struct log_rec *r)
{

	return (rec_header_sectors(r->n_extents, r->n_ids, r->n_runs) +
	    payload_sectors(r));
}

static uint32_t
first_off(const struct log *l)
{

	if (!l->align)
		return (l->end.off_sectors);
	return ((l->end.off_sectors + PAGE_SECTORS - 1) & ~(PAGE_SECTORS - 1));
}

static bool
fits(const struct log *l, uint32_t off_sectors, const struct log_rec *r)
{

	return ((uint64_t)off_sectors + rec_total_sectors(r) <=
	    l->conf.segment_bytes / SECTOR_BYTES);
}

/* Seal one record at the end ${e} and move the end behind it. */
static void
seal(struct log *l, struct log_end *e, struct log_rec *lr)
{
	struct rec r = {
		.kind = lr->kind,
		.flags = lr->flags,
		.block_shift = lr->block_shift,
		.header_sectors = rec_header_sectors(lr->n_extents, lr->n_ids,
		    lr->n_runs),
		.payload_sectors = payload_sectors(lr),
		.segment = seg_number(l->cur),
		.off_sectors = e->off_sectors,
		.n_extents = lr->n_extents,
		.n_ids = lr->n_ids,
		.n_runs = lr->n_runs,
		.payload_used_bytes = lr->payload_bytes,
		.seq = e->last.seq + 1,
		.time_ns = TT_MAX(clock_utc_ns(), e->last.time_ns),
		.lun = lr->lun,
		.prev_segment = e->last.segment,
		.prev_end_sectors = e->last.end_sectors,
		.prev_sum = e->last.sum,
		.synced = syncer_synced_seq(l->sync) + 1,
	};

	if (lr->kind != REC_DATA && lr->payload_bytes > 0) {
		TT_ASSERT(lr->n_iov == 1);
		r.payload_sum = rec_sum(l->nonce, lr->iov[0].iov_base,
		    lr->payload_bytes);
	}
	rec_seal(lr->hdr, &r, l->nonce);
	lr->seq = r.seq;
	lr->time_ns = r.time_ns;
	lr->segment = r.segment;
	lr->payload_off_sectors = r.off_sectors + r.header_sectors;
	e->off_sectors += r.header_sectors + r.payload_sectors;
	e->last = (struct log_pos){ r.segment, e->off_sectors, r.seq, r.sum,
	    r.time_ns };
}

/* Vectors of one record behind ${n} others; the new number. */
static int
put_vectors(struct log *l, int n, const struct log_rec *r)
{
	uint32_t pad = payload_sectors(r) * SECTOR_BYTES - r->payload_bytes;

	l->iov[n++] = (struct iovec){ r->hdr, (size_t)SECTOR_BYTES *
	    rec_header_sectors(r->n_extents, r->n_ids, r->n_runs) };
	for (int i = 0; i < r->n_iov; i++)
		l->iov[n++] = r->iov[i];
	if (pad > 0)
		l->iov[n++] = (struct iovec){ zeroes, pad };
	return (n);
}

/*
 * Place and write the records that fit together, at least the first (the
 * caller has made sure that it fits).  Returns how many, their rc is set.
 */
static size_t
write_some_locked(struct log *l, struct log_rec *const *recs, size_t n)
{
	struct log_end e = l->end;
	uint32_t from;
	size_t k;
	int n_iov = 0, rc;

	from = e.off_sectors = first_off(l);
	for (k = 0; k < n; k++) {
		if (!fits(l, e.off_sectors, recs[k]) ||
		    n_iov + recs[k]->n_iov + 2 > IOV_ROOM ||
		    (k > 0 && (uint64_t)(e.off_sectors - from) * SECTOR_BYTES >=
		    WRITE_MAX_BYTES))
			break;
		seal(l, &e, recs[k]);
		n_iov = put_vectors(l, n_iov, recs[k]);
	}
	TT_ASSERT(k > 0);
	rc = seg_write(l->cur, l->iov, n_iov, (uint64_t)from * SECTOR_BYTES);
	for (size_t i = 0; i < k; i++)
		recs[i]->rc = rc;
	if (rc != 0) {
		l->must_roll = true;
		l->refused_sectors = from;
		wipe_refused_locked(l);
		return (k);
	}
	l->end_pos += (uint64_t)(e.off_sectors - l->end.off_sectors) *
	    SECTOR_BYTES;
	l->end = e;
	l->align = false;
	syncer_wrote(l->sync, l->cur, l->end_pos);
	return (k);
}

/* What takes space for good: refused before everything else is. */
static bool
is_data(const struct log_rec *r)
{

	return (r->kind == REC_DATA || r->kind == REC_COPY);
}

/*
 * Data is refused record by record, each with its own result; any other error
 * ends the call.
 */
static void
append_locked(struct log *l, struct log_rec *const *recs, size_t n)
{
	bool full = l->conf.space != NULL && !space_may_write(l->conf.space);
	size_t i = 0, k;
	int rc = 0;

	while (i < n) {
		if (l->failed != 0) {
			rc = -EROFS;
			break;
		}
		if (full && is_data(recs[i])) {
			recs[i++]->rc = -ENOSPC;
			continue;
		}
		if (l->cur == NULL || l->must_roll ||
		    !fits(l, first_off(l), recs[i]))
			rc = roll_locked(l, is_data(recs[i]));
		if (rc != 0)
			wipe_refused_locked(l);
		if (rc == -ENOSPC && is_data(recs[i])) {
			full = true;
			rc = 0;
			continue;
		}
		if (rc != 0)
			break;
		k = write_some_locked(l, recs + i, full ? 1 : n - i);
		rc = recs[i]->rc;
		if (rc == -ENOSPC) {
			/* What is not data is tried again on the reserve. */
			if (k > 1 || is_data(recs[i]) ||
			    !space_release(l->conf.space))
				i += k;
			full = true;
			rc = 0;
			continue;
		}
		i += k;
		if (rc != 0)
			break;
	}
	for (; i < n; i++)
		recs[i]->rc = rc;
}

static void
flight_add(struct log *l, uint64_t gen)
{
	unsigned s = gen % GEN_SLOTS;

	lk_lock(&l->gen_lk);
	TT_ASSERT(l->flight[s].n == 0 || l->flight[s].gen == gen);
	l->flight[s].gen = gen;
	l->flight[s].n++;
	lk_unlock(&l->gen_lk);
}

void
log_append(struct log *l, struct log_rec *const *recs, size_t n,
    log_prepare_fn *prepare, void *arg, struct log_batch *b)
{
	int rc = 0;

	lk_lock(&l->lk);
	if (prepare != NULL)
		rc = prepare(arg, l->gen);
	if (rc == 0)
		append_locked(l, recs, n);
	for (size_t i = 0; i < n && rc != 0; i++)
		recs[i]->rc = rc;
	b->gen = l->gen;
	b->end_pos = l->end_pos;
	flight_add(l, b->gen);
	lk_unlock(&l->lk);
}

void
log_batch_done(struct log *l, const struct log_batch *b)
{
	unsigned s = b->gen % GEN_SLOTS;

	lk_lock(&l->gen_lk);
	TT_ASSERT(l->flight[s].gen == b->gen && l->flight[s].n > 0);
	if (--l->flight[s].n == 0)
		(void)pthread_cond_broadcast(&l->drained);
	lk_unlock(&l->gen_lk);
}

int
log_cut(struct log *l, struct log_rec *rec, struct log_cut *out)
{
	int rc = 0;

	lk_lock(&l->lk);
	if (rec != NULL) {
		append_locked(l, &rec, 1);
		rc = rec->rc;
	}
	if (rc == 0) {
		out->gen = l->gen++;
		out->pos = l->end.last;
		out->end_pos = l->end_pos;
	}
	lk_unlock(&l->lk);
	return (rc);
}

static bool
in_flight_locked(const struct log *l, uint64_t gen)
{

	for (unsigned i = 0; i < GEN_SLOTS; i++)
		if (l->flight[i].n > 0 && l->flight[i].gen <= gen)
			return (true);
	return (false);
}

void
log_drain(struct log *l, uint64_t gen)
{

	lk_lock(&l->gen_lk);
	while (in_flight_locked(l, gen))
		lk_wait(&l->gen_lk, &l->drained);
	lk_unlock(&l->gen_lk);
}

uint64_t
log_gen(struct log *l)
{

	return (atomic_load(&l->gen));
}

/* ---- durability ------------------------------------------------------- */

/*
 * The end for a round.  From here on appends start on a new page, so that a
 * page with durable records is never written again.
 */
static void
log_end_for_sync(void *arg, uint64_t *pos, uint64_t *seq)
{
	struct log *l = arg;

	lk_lock(&l->lk);
	*pos = l->end_pos;
	*seq = l->end.last.seq;
	l->align = true;
	lk_unlock(&l->lk);
}

static void
log_sync_failed(void *arg, int rc)
{
	struct log *l = arg;

	lk_lock(&l->lk);
	if (l->failed == 0)
		l->failed = rc;
	lk_unlock(&l->lk);
}

bool
log_sync_wait(struct log *l, struct log_wait *w)
{

	if (!w->paced)
		segs_asked(l->conf.segs);
	return (syncer_wait(l->sync, w));
}

int
log_sync(struct log *l, uint64_t pos)
{

	return (syncer_wait_block(l->sync, pos));
}

uint64_t
log_pace(struct log *l, uint64_t pos)
{

	return (syncer_pace(l->sync, pos));
}

void
log_fail(struct log *l, int rc)
{

	log_sync_failed(l, rc);
	syncer_fail(l->sync, rc);
}

void
log_state(struct log *l, struct log_state *out)
{

	lk_lock(&l->lk);
	syncer_state(l->sync, out);
	out->end_pos = l->end_pos;
	out->seq = l->end.last.seq;
	out->segment = l->end.last.segment;
	if (l->failed != 0)
		out->failed = l->failed;
	lk_unlock(&l->lk);
}

/* ---- open and close --------------------------------------------------- */

static const struct syncer_ops sync_ops = {
	.end = log_end_for_sync,
	.ready = log_ready,
	.failed = log_sync_failed,
};

int
log_open(const struct log_conf *conf, struct log **out)
{
	struct log *l;
	int rc;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (-ENOMEM);
	l->conf = *conf;
	l->end.last = conf->start;
	l->gen = LOG_FIRST_GEN;
	rnd_boot_id(l->boot_id);
	lk_init(&l->lk, LK_LOG);
	lk_init(&l->gen_lk, LK_GEN);
	cond_init(&l->drained);
	rc = syncer_new(&sync_ops, l, conf->start.seq, &l->sync);
	if (rc != 0)
		goto out_free;
	*out = l;
	return (0);

out_free:
	(void)pthread_cond_destroy(&l->drained);
	lk_destroy(&l->gen_lk);
	lk_destroy(&l->lk);
	free(l);
	return (rc);
}

void
log_close(struct log *l)
{

	if (l == NULL)
		return;
	syncer_free(l->sync);
	wipe_refused_locked(l);
	if (l->next != NULL) {
		(void)segs_remove(l->conf.segs, seg_number(l->next));
		seg_put(l->next);
	}
	if (l->cur != NULL)
		seg_put(l->cur);
	(void)pthread_cond_destroy(&l->drained);
	lk_destroy(&l->gen_lk);
	lk_destroy(&l->lk);
	free(l);
}
