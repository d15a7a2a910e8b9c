/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gcfree.c - rows of segments, removing what was freed, holes, and what an
 * interrupted run has left.
 *
 * Row of CAT_SEGMENT: key number 4; value format 1 (= 1), kind 1, state 1 (0 in
 * use, 1 freed), zero 5, epoch 8.
 *
 * Crash: a segment is freed by the transaction that says so.  Its file goes
 * later; its row goes when the folder without the name is durable.  So a file
 * of a freed segment always has a row that says it, and the opening removes
 * it before anybody looks.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/gc_int.h"
#include "meta/segscan.h"
#include "meta/store_int.h"

#define ROW_LEN 16u

/* ---- rows ------------------------------------------------------------- */

int
gc_row_put(struct cat_txn *t, uint32_t number, enum seg_kind kind,
    bool freed, uint64_t epoch)
{
	uint8_t key[4], val[ROW_LEN] = { 1 };

	put_be32(key, number);
	val[1] = (uint8_t)kind;
	val[2] = freed;
	put_be64(val + 8, epoch);
	return (catalog_put(t, CAT_SEGMENT, key, sizeof(key), val,
	    sizeof(val)));
}

static int
row_dec(const uint8_t *val, size_t vlen, enum seg_kind *kind, bool *freed)
{

	if (vlen != ROW_LEN || val[0] != 1 || val[1] < SEG_LOG ||
	    val[1] > SEG_MOVED || val[2] > 1)
		return (-EUCLEAN);
	for (unsigned i = 3; i < 8; i++)
		if (val[i] != 0)
			return (-EUCLEAN);
	*kind = (enum seg_kind)val[1];
	*freed = val[2] != 0;
	return (0);
}

int
gc_row_get(struct catalog *cat, uint32_t number, enum seg_kind *kind,
    bool *freed)
{
	uint8_t key[4], val[ROW_LEN];
	size_t vlen = sizeof(val);
	int rc;

	put_be32(key, number);
	rc = catalog_get(cat, CAT_SEGMENT, key, sizeof(key), val, &vlen);
	if (rc != 0)
		return (rc == -ENOSPC ? -EUCLEAN : rc);
	return (row_dec(val, vlen, kind, freed));
}

/* ---- the batch -------------------------------------------------------- */

void
gc_batch_clear(struct gc_batch *b)
{

	free(b->victims.v);
	free(b->dels.v);
	free(b->notes.v);
	free(b->made.v);
	*b = (struct gc_batch){ .pieces = 0 };
}

struct dels {
	struct gc_run *run;
	uint32_t *moved;		/* MOVED victims, sorted */
	size_t n, max;
	struct gc_key *next;
};

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return ((x > y) - (x < y));
}

static int
one_del(void *arg, const struct moved_run *r)
{
	struct gc_key k = { r->birth_segment, r->birth_off_sectors };
	struct dels *d = arg;

	if (bsearch(&r->segment, d->moved, d->n, sizeof(*d->moved),
	    by_number) == NULL)
		return (0);
	if (d->run->batch.dels.n == d->max) {
		*d->next = k;
		return (1);
	}
	return (gc_push(&d->run->batch.dels, sizeof(k), &k));
}

/*
 * Every note that leads into a MOVED victim goes, of live pieces (they get new
 * ones) and of dead ones.
 */
int
gc_batch_dels(struct gc_run *run, struct gc_key *from, size_t max)
{
	const struct gc_seg *v = run->batch.victims.v;
	struct dels d = { .run = run, .max = max, .next = from };
	int rc = 0;

	d.moved = malloc((run->batch.victims.n + 1) * sizeof(*d.moved));
	if (d.moved == NULL)
		return (-ENOMEM);
	for (size_t i = 0; i < run->batch.victims.n; i++)
		if (v[i].kind == SEG_MOVED)
			d.moved[d.n++] = v[i].number;
	if (d.n > 0) {
		qsort(d.moved, d.n, sizeof(*d.moved), by_number);
		rc = moved_all_from(run->st->moved, from->birth_segment,
		    from->birth_off_sectors, one_del, &d);
	}
	free(d.moved);
	return (rc);
}

static int
free_rows(struct gc_run *run, struct cat_txn *t, const struct gc_seg *s)
{
	int rc;

	/* Frozen: since it was sorted out, nothing in it has become live. */
	TT_ASSERT(atomic_load(&run->frozen) && s->live_bytes ==
	    locset_segment_bytes(run->live, s->number));
	rc = gc_row_put(t, s->number, (enum seg_kind)s->kind, true,
	    run->st->epoch);
	if (rc == 0 && s->pair)
		rc = gc_row_put(t, s->number + 1, (enum seg_kind)s->kind,
		    true, run->st->epoch);
	return (rc);
}

int
gc_batch_commit(struct gc_run *run, struct cat_txn *t)
{
	struct moved *m = run->st->moved;
	const struct gc_batch *b = &run->batch;
	const struct gc_seg *victims = b->victims.v;
	const struct gc_key *dels = b->dels.v;
	const struct moved_run *notes = b->notes.v;
	const uint32_t *made = b->made.v;
	int rc = 0;

	for (size_t i = 0; i < b->dels.n && rc == 0; i++)
		rc = moved_del(m, t, dels[i].birth_segment,
		    dels[i].birth_off_sectors);
	for (size_t i = 0; i < b->notes.n && rc == 0; i++)
		rc = moved_put(m, t, &notes[i]);
	for (size_t i = 0; i < b->made.n && rc == 0; i++)
		rc = gc_row_put(t, made[i], SEG_MOVED, false, run->st->epoch);
	for (size_t i = 0; i < b->victims.n && rc == 0; i++)
		rc = free_rows(run, t, &victims[i]);
	return (rc);
}

/* ---- files ------------------------------------------------------------ */

/* What it took, for the figures. */
static uint64_t
allocated(struct segs *ss, uint32_t number)
{
	struct stat sb;
	struct seg *s;
	uint64_t n = 0;

	if (segs_get(ss, number, &s) != 0)
		return (0);
	if (fstat(seg_fd(s), &sb) == 0)
		n = (uint64_t)sb.st_blocks * 512;
	seg_put(s);
	return (n);
}

static void
remove_one(struct gc_run *run, uint32_t number)
{
	uint64_t bytes = allocated(run->st->segs, number);
	int rc = segs_retire(run->st->segs, number);

	if (rc == 0)
		run->freed_bytes += bytes;
	else if (rc != -ENOENT)
		msg_warn("segment %u was freed and could not be removed (%d)",
		    number, rc);
}

/*
 * The row goes with the next checkpoint, when the folder is durable; where
 * that fails, it stays, and the next run or opening tries again.  Only a file
 * that is known not to be there is gone: one that cannot be opened just now
 * would come back as one in use.
 */
static void
settle_one(struct gc_run *run, uint32_t number)
{
	struct seg *s;
	int rc = segs_get(run->st->segs, number, &s);

	if (rc == 0)
		seg_put(s);		/* not removed */
	else if (rc == -ENOENT && segs_sync_name(run->st->segs, number) == 0)
		(void)store_note_segment(run->st, number, SEG_LOG, true);
}

int
gc_remove_freed(struct gc_run *run)
{
	const struct gc_seg *v = run->freed.v;
	int rc;

	for (size_t i = 0; i < run->freed.n; i++) {
		gc_progress(run, GC_FREE, i, run->freed.n);
		if ((rc = gc_pace(run)) != 0)
			return (rc);
		remove_one(run, v[i].number);
		if (v[i].pair)
			remove_one(run, v[i].number + 1);
	}
	for (size_t i = 0; i < run->freed.n; i++) {
		settle_one(run, v[i].number);
		if (v[i].pair)
			settle_one(run, v[i].number + 1);
	}
	return (0);
}

static int
by_segment(const void *a, const void *b)
{
	const struct gc_seg *x = a, *y = b;

	return ((x->number > y->number) - (x->number < y->number));
}

void
gc_still_there(struct gc_run *run)
{
	struct gc_seg *v = run->freed.v;
	size_t n = 0;

	for (size_t i = 0; i < run->freed.n; i++) {
		struct seg *s;
		int rc = segs_get(run->st->segs, v[i].number, &s);

		if (rc == 0)
			seg_put(s);
		if (rc != -ENOENT)
			v[n++] = v[i];
	}
	run->freed.n = n;
	if (n > 0)
		qsort(v, n, sizeof(*v), by_segment);
}

/* ---- holes ------------------------------------------------------------ */

static int
punch_one(struct gc_run *run, uint32_t number, const struct gc_vec *holes)
{
	const struct gc_hole *h = holes->v;
	struct stat was, is;
	struct seg *s;
	int rc;

	if ((rc = segs_get(run->st->segs, number, &s)) != 0)
		return (rc == -ENOENT ? 0 : rc);
	rc = fstat(seg_fd(s), &was) != 0 ? -errno : 0;
	for (size_t i = 0; i < holes->n && rc == 0; i++) {
		off_t from = (off_t)h[i].first * SECTOR_BYTES;
		off_t data = lseek(seg_fd(s), from, SEEK_DATA);

		if ((rc = gc_pace(run)) != 0)
			break;
		/* There is one already, or the rest of the file is one. */
		if (data >= (off_t)h[i].end * SECTOR_BYTES ||
		    (data < 0 && errno == ENXIO))
			continue;
		rc = seg_punch(s, (uint64_t)from,
		    (uint64_t)(h[i].end - h[i].first) * SECTOR_BYTES);
	}
	if (fstat(seg_fd(s), &is) == 0 && is.st_blocks < was.st_blocks)
		run->punched_bytes +=
		    (uint64_t)(was.st_blocks - is.st_blocks) * 512;
	seg_put(s);
	return (rc);
}

/*
 * In what stays.  Crash: holes or not; nothing live lies in one.  They were
 * counted when nothing could become live any more, so they are the same now.
 */
int
gc_punch(struct gc_run *run)
{
	const struct gc_seg *v = run->segs.v;
	struct gc_vec holes = { NULL, 0, 0 };
	int rc = 0;

	for (size_t i = 0; i < run->segs.n && rc == 0; i++) {
		gc_progress(run, GC_FREE, run->freed.n + i,
		    run->freed.n + run->segs.n);
		if (v[i].victim || v[i].punch_bytes == 0)
			continue;
		rc = gc_holes(run, &v[i], &holes);
		if (rc == 0)
			rc = punch_one(run, v[i].number, &holes);
		if (rc == 0 && v[i].pair)
			rc = punch_one(run, v[i].number + 1, &holes);
		if (rc == -EILSEQ || rc == -EIO || rc == -ENOENT)
			rc = 0;
	}
	free(holes.v);
	/* A file system without holes: then there are none. */
	return (rc == -EOPNOTSUPP ? 0 : rc);
}

/* ---- opening ---------------------------------------------------------- */

struct known {
	uint32_t number;
	bool freed;
};

struct opening {
	struct store *st;
	struct gc_vec rows;		/* struct known, by number */
};

static int
open_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct opening *o = arg;
	struct known k;
	enum seg_kind kind;
	int rc;

	if (klen != 4 || (rc = row_dec(val, vlen, &kind, &k.freed)) != 0) {
		msg_err("catalogue: a row of the segments is damaged");
		return (-EUCLEAN);
	}
	k.number = get_be32(key);
	return (gc_push(&o->rows, sizeof(k), &k));
}

static int
by_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return ((x->number > y->number) - (x->number < y->number));
}

static int
discard(struct store *st, uint32_t number)
{
	int rc = segs_remove(st->segs, number);

	if (rc == 0 || rc == -ENOENT)
		rc = segs_sync_name(st->segs, number);
	if (rc == 0)
		(void)store_note_segment(st, number, SEG_LOG, true);
	else
		msg_warn("segment %u: not removed (%d)", number, rc);
	return (rc);
}

/* Rows come by number, and so do those that are doomed. */
static int
discard_freed(struct store *st, uint32_t number)
{
	struct gc_seg s = { .number = number };

	if (discard(st, number) == 0)
		return (0);
	return (gc_push(&st->gc->doomed, sizeof(s), &s));
}

static bool
is_blank(struct store *st, uint32_t number)
{
	uint8_t buf[SEG_HEADER_BYTES];
	struct seg *s;
	bool blank;

	if (segs_get(st->segs, number, &s) != 0)
		return (false);
	blank = seg_read(s, buf, sizeof(buf), 0) == 0 && buf[0] == 0 &&
	    memcmp(buf, buf + 1, sizeof(buf) - 1) == 0;
	seg_put(s);
	return (blank);
}

/*
 * A file without a row: a log or node segment that no checkpoint has come to
 * note (recovery has kept it, so it is noted now); or the copies of a run that
 * did not come to its commit, which nobody knows.
 */
static int
open_file(void *arg, uint32_t number)
{
	struct opening *o = arg;
	struct known key = { .number = number };
	struct seg_header h;
	int rc;

	if (o->rows.n > 0 && bsearch(&key, o->rows.v, o->rows.n, sizeof(key),
	    by_known) != NULL)
		return (0);
	rc = segscan_header(o->st->segs, o->st->super.uuid, number, &h);
	if (rc == 0 && h.kind != SEG_MOVED)
		return (store_note_segment(o->st, number, h.kind, false));
	if (rc == 0 || (rc == -EILSEQ && is_blank(o->st, number)))
		(void)discard(o->st, number);
	return (rc == -ENOMEM ? rc : 0);
}

int
gc_open(struct store *st)
{
	struct opening o = { .st = st };
	const struct known *k;
	int rc;

	rc = catalog_each(st->cat, CAT_SEGMENT, open_row, &o);
	k = o.rows.v;
	for (size_t i = 0; i < o.rows.n && rc == 0; i++)
		if (k[i].freed)
			rc = discard_freed(st, k[i].number);
	if (rc == 0)
		rc = segs_list(st->segs, open_file, &o);
	if (rc == 0)
		st->gc->store_bytes = o.rows.n *
		    (uint64_t)st->super.segment_bytes;
	free(o.rows.v);
	return (rc);
}
