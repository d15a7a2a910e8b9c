/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"
#include "meta/recover_int.h"

/* ---- finding segments ------------------------------------------------- */

static int
add_cand(struct recovery *rv, const struct seg_header *h)
{
	struct cand *all;

	all = vec_room(rv->cands, &rv->room_cands, rv->n_cands, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	rv->cands = all;
	all[rv->n_cands++] = (struct cand){ .h = *h };
	rv->max_epoch = TT_MAX(rv->max_epoch, h->epoch);
	return (0);
}

static int
add_other(struct recovery *rv, uint32_t number, enum other_kind what,
    const uint8_t *buf)
{
	struct other *all;

	all = vec_room(rv->others, &rv->room_others, rv->n_others, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	rv->others = all;
	all += rv->n_others++;
	*all = (struct other){ .number = number, .what = what };
	if (buf != NULL)
		memcpy(all->nonce, buf + SEG_NONCE_OFF, sizeof(all->nonce));
	return (0);
}

static bool
all_zero(const uint8_t *p, size_t n)
{

	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return (false);
	return (true);
}

/*
 * A header that names another number is what a recycled file keeps until its
 * new header is written; zeroes are a file that was only prepared.
 */
static int
classify(struct recovery *rv, uint32_t number, const uint8_t *buf)
{
	struct seg_header h;
	int rc;

	rc = seg_header_dec(buf, &h);
	if (rc == -EPROTONOSUPPORT && !rv->conf.salvage) {
		msg_err("segment %u was written by a newer version", number);
		return (rc);
	}
	if (rc != 0)
		return (add_other(rv, number, all_zero(buf, SEG_HEADER_BYTES) ?
		    OTHER_UNUSED : OTHER_DAMAGED, buf));
	if (memcmp(h.store_uuid, rv->conf.store_uuid, 16) != 0) {
		msg_err("segment %u belongs to another store", number);
		return (rv->conf.salvage ?
		    add_other(rv, number, OTHER_DAMAGED, buf) : -EUCLEAN);
	}
	if (h.number != number)
		return (add_other(rv, number, OTHER_UNUSED, NULL));
	switch (h.kind) {
	case SEG_LOG:
		return (add_cand(rv, &h));
	case SEG_NODES:
		rv->max_epoch = TT_MAX(rv->max_epoch, h.epoch);
		return (add_other(rv, number, OTHER_NODES, NULL));
	case SEG_MOVED:
		return (0);
	}
	return (0);
}

static int
found(void *arg, uint32_t number)
{
	struct recovery *rv = arg;
	uint8_t buf[SEG_HEADER_BYTES];
	struct seg *s;
	int rc;

	rv->max_segment = TT_MAX(rv->max_segment, number);
	if (number < rv->conf.start.segment)
		return (0);
	if ((rc = segs_get(rv->conf.segs, number, &s)) == 0) {
		rc = seg_read(s, buf, sizeof(buf), 0);
		seg_put(s);
	}
	if (rc != 0 && rc != -ENODATA && rv->conf.salvage)
		return (add_other(rv, number, OTHER_DAMAGED, NULL));
	if (rc == -ENODATA)	/* shorter than a header: a crash in its making */
		return (add_other(rv, number, OTHER_UNUSED, NULL));
	return (rc != 0 ? rc : classify(rv, number, buf));
}

/* The segment that continues ${number}: highest epoch, then number. */
static struct cand *
successor(struct recovery *rv, uint32_t number)
{
	struct cand *best = NULL;

	for (size_t i = 0; i < rv->n_cands; i++) {
		struct cand *c = &rv->cands[i];

		if (c->h.prev_segment != number || c->in_chain ||
		    c->h.number <= number)
			continue;
		if (best == NULL || c->h.epoch > best->h.epoch ||
		    (c->h.epoch == best->h.epoch &&
		    c->h.number > best->h.number))
			best = c;
	}
	return (best);
}

static struct cand *
cand_of(struct recovery *rv, uint32_t number)
{

	for (size_t i = 0; i < rv->n_cands; i++)
		if (rv->cands[i].h.number == number)
			return (&rv->cands[i]);
	return (NULL);
}

/* ---- reading records -------------------------------------------------- */

static int
load_image(struct recovery *rv, uint32_t number, bool from_disk)
{
	uint64_t done = 0, all = rv->conf.segment_bytes;
	struct seg *s;
	int rc;

	if ((rc = segs_get(rv->conf.segs, number, &s)) != 0)
		return (rc);
	/*
	 * What is verified must be what the disk holds: after a write-back
	 * that failed, the kernel keeps the pages and calls them clean.
	 */
	if (from_disk) {
		if ((rc = seg_sync(s)) != 0) {
			seg_put(s);
			return (rc);
		}
		(void)posix_fadvise(seg_fd(s), 0, 0, POSIX_FADV_DONTNEED);
	}
	/* The file may have been cut behind its end: read what there is. */
	while (done < all) {
		struct iovec iov = { rv->img + done, all - done };
		ssize_t n = preadv(seg_fd(s), &iov, 1, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = -errno;
			msg_err("segment %u: read: error %d", number, -rc);
			break;
		}
		if (n == 0)
			break;
		done += (uint64_t)n;
	}
	seg_put(s);
	rv->img_sectors = (uint32_t)(done / SECTOR_BYTES);
	return (rc);
}

static const uint8_t *
at(const struct recovery *rv, uint32_t sectors)
{

	return (rv->img + (size_t)sectors * SECTOR_BYTES);
}

static size_t
left_bytes(const struct recovery *rv, uint32_t sectors)
{

	return ((size_t)(rv->img_sectors - sectors) * SECTOR_BYTES);
}

/* What the first record of a segment says to have been durable; 0: nothing. */
static int
claim_of(struct recovery *rv, struct cand *c)
{
	const uint32_t n = REC_HEADER_MAX_SECTORS * SECTOR_BYTES;
	struct seg *s;
	struct rec r;
	ssize_t got;
	int rc;

	if ((rc = segs_get(rv->conf.segs, c->h.number, &s)) != 0)
		return (rc);
	while ((got = pread(seg_fd(s), rv->img, n, SEG_HEADER_BYTES)) < 0 &&
	    errno == EINTR)
		continue;
	rc = got < 0 ? -errno : 0;
	seg_put(s);
	if (got > 0 && rec_dec(rv->img, (size_t)got, c->h.nonce, &r,
	    NULL) == 0 && r.segment == c->h.number &&
	    r.off_sectors == SEG_HEADER_SECTORS)
		c->claim = r.synced;
	return (rv->conf.salvage ? 0 : rc);
}

/* A header at ${off} that names its own place; nothing about the stream. */
static bool
header_at(const struct recovery *rv, const struct seg_header *h, uint32_t off,
    struct rec *r)
{

	if (off >= rv->img_sectors)
		return (false);
	if (rec_dec(at(rv, off), left_bytes(rv, off), h->nonce, r, NULL) != 0)
		return (false);
	return (r->segment == h->number && r->off_sectors == off);
}

/* The record that continues ${rv->pos} at ${off}, header only. */
static bool
continues_at(const struct recovery *rv, const struct seg_header *h,
    uint32_t off, struct rec *r)
{
	const struct log_pos *p = &rv->pos;

	return (header_at(rv, h, off, r) && r->seq == p->seq + 1 &&
	    r->prev_segment == p->segment && r->prev_sum == p->sum &&
	    r->prev_end_sectors == p->end_sectors &&
	    off + (uint64_t)r->header_sectors + r->payload_sectors <=
	    rv->img_sectors);
}

/* Right behind the last, or at the next page: a sync came between. */
static bool
next_header(const struct recovery *rv, const struct seg_header *h,
    uint32_t off, struct rec *r)
{
	uint32_t page = (off + PAGE_SECTORS - 1) & ~(PAGE_SECTORS - 1);

	return (continues_at(rv, h, off, r) ||
	    (page != off && continues_at(rv, h, page, r)));
}

static bool
data_matches(const uint8_t *hdr, const struct rec *r, const uint8_t *payload)
{
	size_t block = (size_t)1 << r->block_shift;

	for (uint32_t i = 0; i < r->n_ids; i++) {
		struct id want = rec_id(hdr, r, i), is;

		if (id_is_hole(&want))
			continue;
		is = id_of(payload, block);
		if (!id_equal(&want, &is))
			return (false);
		payload += block;
	}
	return (true);
}

static bool
payload_matches(const uint8_t *hdr, const struct rec *r,
    const uint8_t *payload, const uint8_t nonce[static 16])
{

	if (r->kind == REC_DATA)
		return (data_matches(hdr, r, payload));
	return (r->payload_used_bytes == 0 || r->payload_sum ==
	    rec_sum(nonce, payload, r->payload_used_bytes));
}

/* ---- is it the end, or damage? ---------------------------------------- */

/*
 * True when a record in the image from ${from} on was written when ${seq} was
 * durable already.
 */
static bool
image_proves(const struct recovery *rv, const struct seg_header *h,
    uint32_t from, uint64_t seq, uint64_t epoch)
{
	struct rec r;

	for (uint32_t off = from; off < rv->img_sectors; off++)
		if (h->epoch >= epoch && header_at(rv, h, off, &r) &&
		    r.seq > seq && r.synced > seq)
			return (true);
	return (false);
}

/*
 * The same of files whose header is damaged: with what is left of it, the
 * nonce, its records can be told from what was in the file before.  Epochs
 * need not be looked at: what a recovery has cut off never knew more to be
 * durable than what that recovery kept.
 */
static int
damaged_prove(struct recovery *rv, uint64_t seq, bool *out)
{
	int rc;

	for (size_t i = 0; i < rv->n_others && !*out; i++) {
		const struct other *o = &rv->others[i];
		struct seg_header h = { .number = o->number };

		if (o->what != OTHER_DAMAGED)
			continue;
		memcpy(h.nonce, o->nonce, sizeof(h.nonce));
		if ((rc = load_image(rv, o->number, true)) != 0)
			return (rc);
		*out = image_proves(rv, &h, SEG_HEADER_SECTORS, seq, 0);
	}
	return (0);
}

/*
 * Nothing continues ${rv->pos} in ${c} (NULL: there is no segment at all).
 * Only records of the last epoch, and only those outside the chain, can tell
 * that the next one was durable.  In ${c} they lie behind what was replayed of
 * it, which may be nothing: then ${rv->pos} is in the segment before.
 */
static int
proved_durable(struct recovery *rv, const struct cand *c, bool *out)
{
	uint64_t seq = rv->pos.seq + 1, epoch = c == NULL ? 0 : c->h.epoch;
	int rc;

	*out = c != NULL &&
	    image_proves(rv, &c->h, c->end_sectors, seq, epoch);
	for (size_t i = 0; i < rv->n_cands && !*out; i++) {
		const struct cand *o = &rv->cands[i];

		if (o->in_chain || o == c || o->h.epoch < epoch)
			continue;
		if ((rc = load_image(rv, o->h.number, true)) != 0)
			return (rc);
		*out = image_proves(rv, &o->h, SEG_HEADER_SECTORS, seq, epoch);
	}
	if ((rc = damaged_prove(rv, seq, out)) != 0)
		return (rc);
	/* The caller goes on with its own image. */
	return (c == NULL ? 0 : load_image(rv, c->h.number, true));
}

static int
damaged(const struct recovery *rv, const char *what)
{

	if (rv->conf.salvage) {
		msg_err("the log is damaged in segment %u at sector %u: %s "
		    "record %llu; what was written from there on is not used",
		    rv->pos.segment, rv->pos.end_sectors, what,
		    (unsigned long long)rv->pos.seq + 1);
		return (-EUCLEAN);
	}
	msg_err("the log is damaged in segment %u at sector %u: %s record "
	    "%llu, which was durable; refusing to open the store, because "
	    "going on would lose what was written after it", rv->pos.segment,
	    rv->pos.end_sectors, what, (unsigned long long)rv->pos.seq + 1);
	return (-EUCLEAN);
}

/* ---- replay ----------------------------------------------------------- */

static int
apply(struct recovery *rv, struct cand *c, const struct rec *r)
{
	const uint8_t *hdr = at(rv, r->off_sectors);
	uint32_t total = r->header_sectors + r->payload_sectors;
	uint64_t now;
	int rc;

	rc = rv->conf.replay(rv->conf.arg, r, hdr, rv->bad_payload ? NULL :
	    hdr + (size_t)r->header_sectors * SECTOR_BYTES);
	if (rc != 0)
		return (rc);
	rv->synced = TT_MAX(rv->synced, r->synced);
	rv->pos = (struct log_pos){ r->segment, r->off_sectors + total, r->seq,
	    r->sum, r->time_ns };
	c->end_sectors = rv->pos.end_sectors;
	if (r->kind != REC_CHECKPOINT && (r->flags & REC_F_DUMP) == 0) {
		rv->n_records++;
		rv->bytes += (uint64_t)total * SECTOR_BYTES;
	}
	if ((now = clock_mono_ms()) >= rv->told_ms + 1000) {
		msg_info("recovering: %llu records, %llu MiB",
		    (unsigned long long)rv->n_records,
		    (unsigned long long)rv->bytes >> 20);
		rv->told_ms = now;
	}
	return (0);
}

/* Copies of what the catalogue and other records say. */
static bool
nobody_needs(const struct rec *r)
{

	return (r->kind == REC_CHECKPOINT || (r->flags & REC_F_DUMP) != 0);
}

/*
 * A header that is whole with a payload that is not.  Behind the durable part
 * that is the end of the log; in it, a block (or an item) has rotted.
 */
static int
payload_is_bad(struct recovery *rv, struct cand *c, const struct rec *r,
    bool *end)
{
	bool durable = r->seq < rv->synced;
	int rc;

	if (!durable && (rc = proved_durable(rv, c, &durable)) != 0)
		return (rc);
	if (!durable) {
		*end = true;
		return (0);
	}
	if (nobody_needs(r)) {
		msg_warn("segment %u sector %u: the content of record %llu "
		    "does not match its checksum; nothing depends on it",
		    r->segment, r->off_sectors, (unsigned long long)r->seq);
		rv->bad_payload = true;
		rc = apply(rv, c, r);
		rv->bad_payload = false;
		return (rc);
	}
	if (r->kind != REC_DATA)
		return (damaged(rv, "the payload does not match in"));
	msg_err("segment %u sector %u: a block of record %llu does not match "
	    "its id; reading it will be an error", r->segment, r->off_sectors,
	    (unsigned long long)r->seq);
	return (apply(rv, c, r));
}

/*
 * Replay one segment from ${rv->pos} on, up to ${limit} (where the next one
 * says that it went on).  ${older}: a later epoch has verified this already.
 */
static int
replay_segment(struct recovery *rv, struct cand *c, uint32_t off,
    uint32_t limit, bool older, bool *end)
{
	struct rec r;
	int rc;

	*end = false;
	while (off < limit && next_header(rv, &c->h, off, &r)) {
		const uint8_t *hdr = at(rv, r.off_sectors);
		const uint8_t *payload = hdr +
		    (size_t)r.header_sectors * SECTOR_BYTES;

		if (r.off_sectors >= limit)
			break;
		if ((!older || r.kind != REC_DATA) &&
		    !payload_matches(hdr, &r, payload, c->h.nonce)) {
			if (older)
				rv->synced = TT_MAX(rv->synced, r.seq + 1);
			if ((rc = payload_is_bad(rv, c, &r, end)) != 0 || *end)
				return (rc);
		} else if ((rc = apply(rv, c, &r)) != 0) {
			return (rc);
		}
		off = rv->pos.end_sectors;
	}
	return (0);
}

/*
 * Did all records of the segment reach the disk?  What says so was written
 * behind them, and is true also where it is only in the page cache.
 */
static bool
all_durable(struct recovery *rv, const struct cand *c)
{
	const struct cand *succ = successor(rv, c->h.number);

	if (succ == NULL)
		return (false);
	for (size_t i = 0; i < rv->n_cands; i++)
		if (rv->cands[i].h.epoch >= c->h.epoch &&
		    rv->cands[i].claim >= succ->h.first_seq)
			return (true);
	return (false);
}

/*
 * Enter a segment of the chain: its first record starts behind its header.
 * After the death of the process, what was durable may come from the cache.
 */
static int
enter(struct recovery *rv, struct cand *c)
{

	c->in_chain = true;
	c->end_sectors = SEG_HEADER_SECTORS;
	return (load_image(rv, c->h.number, !all_durable(rv, c)));
}

/*
 * Goes through one segment; ${*next} is the one to go on in, NULL at the end.
 */
static int
step(struct recovery *rv, struct cand *c, uint32_t off, struct cand **next)
{
	struct cand *succ = successor(rv, c->h.number);
	uint32_t limit = rv->img_sectors;
	bool older = false, end, durable = false;
	int rc;

	*next = NULL;
	if (succ != NULL) {
		limit = TT_MIN(limit, succ->h.prev_end_sectors);
		older = succ->h.epoch > c->h.epoch;
	}
	if ((rc = replay_segment(rv, c, off, limit, older, &end)) != 0)
		return (rc);
	if (!end && succ != NULL && succ->h.first_seq == rv->pos.seq + 1 &&
	    succ->h.prev_segment == rv->pos.segment &&
	    succ->h.prev_end_sectors == rv->pos.end_sectors &&
	    succ->h.prev_sum == rv->pos.sum) {
		*next = succ;
		return (0);
	}
	if (older)
		return (damaged(rv, "a later opening went on behind"));
	if ((rc = proved_durable(rv, c, &durable)) != 0)
		return (rc);
	return (durable ? damaged(rv, "missing or damaged:") : 0);
}

static int
walk(struct recovery *rv)
{
	uint32_t off = SEG_HEADER_SECTORS;
	struct cand *c, *next;
	bool durable = false;
	int rc;

	if (rv->pos.segment == 0) {
		c = successor(rv, 0);
		/* No log yet; or the first segment of one is missing. */
		if (c == NULL && (rc = proved_durable(rv, NULL, &durable)) != 0)
			return (rc);
		if (durable)
			return (damaged(rv, "missing:"));
	} else {
		if ((c = cand_of(rv, rv->pos.segment)) == NULL) {
			msg_err("segment %u, in which the log goes on after "
			    "the last checkpoint, is missing or damaged",
			    rv->pos.segment);
			return (-EUCLEAN);
		}
		off = rv->pos.end_sectors;
	}
	for (; c != NULL; c = next, off = SEG_HEADER_SECTORS) {
		if ((rc = enter(rv, c)) != 0)
			return (rc);
		c->end_sectors = off;
		if ((rc = step(rv, c, off, &next)) != 0)
			return (rc);
	}
	return (0);
}

static int
walk_or_salvage(struct recovery *rv)
{
	int rc = walk(rv);

	if (rc == 0 || rc == -ENOMEM || !rv->conf.salvage)
		return (rc);
	rv->damaged = true;
	return (0);
}

int
recover_run(const struct recover_conf *conf, struct recovery **out)
{
	struct recovery *rv;
	int rc;

	if ((rv = calloc(1, sizeof(*rv))) == NULL)
		return (-ENOMEM);
	rv->conf = *conf;
	rv->pos = conf->start;
	rv->synced = conf->start.seq + 1;
	rv->told_ms = clock_mono_ms();
	if ((rv->img = malloc(conf->segment_bytes)) == NULL) {
		rc = -ENOMEM;
		goto out_free;
	}
	if ((rc = segs_list(conf->segs, found, rv)) != 0)
		goto out_free;
	for (size_t i = 0; i < rv->n_cands; i++)
		if ((rc = claim_of(rv, &rv->cands[i])) != 0)
			goto out_free;
	if ((rc = walk_or_salvage(rv)) != 0)
		goto out_free;
	free(rv->img);
	rv->img = NULL;
	*out = rv;
	return (0);

out_free:
	recovery_free(rv);
	return (rc);
}
