/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.c - the thread that makes checkpoints: everything before a cut of
 * the log goes into the trees and the catalogue, so that recovery begins there.
 *
 * The steps and what a crash after each leaves:
 *  1. cut: the generation is raised.         Nothing on the disk.
 *  2. fold: changed nodes are written.       Nodes nobody refers to.
 *  3. sync the log up to the cut, the nodes. The same, durable.
 *  4. CHECKPOINT record appended.            A true statement, not used by
 *                                            recovery.
 *  5. LMDB transaction.                      Before its commit: the old
 *                                            state; after: the new one.
 *  6. publish; forget queued rows.           Memory only.
 * A failure before 5 keeps the frozen overlays, and the same cut is tried
 * again; a failure to sync or to commit stops the store.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"
#include "meta/dedup.h"
#include "meta/gc_int.h"
#include "meta/store_int.h"

#define DUMP_MIN_BYTES (UINT64_C(256) << 10)
/*
 * After a rebuild all of the log behind the last dump is replayed at once and
 * held in memory: so much of it at most, and a record costs as much as this.
 */
#define DUMP_COST_MAX (UINT64_C(4) << 30)
#define RECORD_COST_BYTES 2048u

int
checkpoint_root(struct checkpoint *cp, uint64_t lun, uint64_t seq,
    struct place root)
{
	struct ckpt_root *all;

	all = vec_room(cp->roots, &cp->room_roots, cp->n_roots, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	cp->roots = all;
	cp->roots[cp->n_roots++] = (struct ckpt_root){ lun, seq, root };
	return (0);
}

/* ---- the transaction -------------------------------------------------- */

static int
put_roots(const struct checkpoint *cp, struct cat_txn *t)
{
	uint8_t key[16], val[ROOT_ROW_LEN];
	int rc = 0;

	for (size_t i = 0; i < cp->n_roots && rc == 0; i++) {
		struct root_row row = { cp->roots[i].root, cp->cut.pos.seq };

		put_be64(key, cp->roots[i].lun);
		put_be64(key + 8, cp->roots[i].seq);
		root_row_enc(&row, val);
		rc = catalog_put(t, CAT_ROOT, key, sizeof(key), val,
		    sizeof(val));
	}
	return (rc);
}

static int
put_segments(struct store *st, struct cat_txn *t, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct seg_note note;
		uint8_t key[4];

		lk_lock(&st->lk);
		note = st->notes[i];
		lk_unlock(&st->lk);
		put_be32(key, note.number);
		if (!note.gone)
			rc = gc_row_put(t, note.number, note.kind, false,
			    st->epoch);
		else if ((rc = catalog_del(t, CAT_SEGMENT, key,
		    sizeof(key))) == -ENOENT)
			rc = 0;
	}
	return (rc);
}

static int
put_store_row(struct cat_txn *t, const struct store_row *row)
{
	uint8_t val[STORE_ROW_LEN];

	store_row_enc(row, val);
	return (catalog_put(t, CAT_STORE, STORE_ROW_KEY, strlen(STORE_ROW_KEY),
	    val, sizeof(val)));
}

/*
 * Everything that this checkpoint changes, in one transaction.  Rows of
 * changes come first: a LUN deleted before the cut has no roots any more, and
 * fold has not named any for it.
 */
static int
commit(struct store *st, const struct checkpoint *cp,
    const struct store_row *row, size_t n_notes)
{
	struct cat_txn *t;
	int rc;

	if ((rc = catalog_begin(st->cat, &t)) != 0)
		return (rc);
	if ((rc = change_commit_rows(st, t, cp->cut.pos.seq)) != 0 ||
	    (rc = put_roots(cp, t)) != 0 ||
	    (rc = put_segments(st, t, n_notes)) != 0 ||
	    (rc = gc_commit_rows(st, t)) != 0 ||
	    (rc = put_store_row(t, row)) != 0) {
		catalog_abort(t);
		return (rc);
	}
	return (catalog_commit(t));
}

/* ---- one checkpoint --------------------------------------------------- */

static void
take_cut(struct store *st, struct log_cut *cut)
{

	if (st->has_retry) {
		*cut = st->retry;
		return;
	}
	lk_lock(&st->change_lk);
	(void)log_cut(st->log, NULL, cut);	/* no record: cannot fail */
	st->cut_cost += atomic_exchange(&st->log_bytes, 0) +
	    atomic_exchange(&st->log_records, 0) * RECORD_COST_BYTES;
	lk_unlock(&st->change_lk);
}

static int
make_durable(struct store *st, const struct log_cut *cut)
{
	int rc;

	if ((rc = nodes_flush(st->nodes)) != 0)
		return (rc);
	if ((rc = log_sync(st->log, cut->end_pos)) != 0 ||
	    (rc = nodes_sync(st->nodes)) != 0) {
		msg_err("checkpoint: sync failed (%d): the store is read-only "
		    "until it is opened again", rc);
		log_fail(st->log, -EIO);
	}
	return (rc);
}

static void
next_row(struct store *st, const struct checkpoint *cp, struct store_row *row)
{
	uint32_t end, segment = nodes_end(st->nodes, &end);

	*row = st->row;
	row->pos = cp->cut.pos;
	row->epoch = st->epoch;
	row->checkpoints++;
	row->next_segment = atomic_load(&st->next_segment);
	row->since_dump_cost += st->cut_cost;
	if (segment != 0) {
		row->node_segment = segment;
		row->node_end_sectors = end;
	}
}

static void
committed(struct store *st, const struct checkpoint *cp,
    const struct store_row *row, size_t n_notes)
{

	nodes_committed(st->nodes);
	gc_committed(st);
	st->conf.ops->publish(st->conf.arg, cp->cut.gen);
	change_forget(st, cp->cut.pos.seq);
	lk_lock(&st->lk);
	st->row = *row;
	st->cut_cost = 0;
	st->n_notes -= n_notes;
	memmove(st->notes, st->notes + n_notes,
	    st->n_notes * sizeof(*st->notes));
	lk_unlock(&st->lk);
}

/*
 * Now and then a full copy, so that a rebuild never reads far back; and one
 * for each space reclaim, so that a rebuild never needs what that frees.  It
 * goes behind the commit that it describes; its failure costs nothing now and
 * is tried again with the next checkpoint.
 */
static void
maybe_dump(struct store *st)
{
	bool for_gc = gc_wants_dump(st);
	uint64_t bytes = 0, due;
	int rc = 0;

	due = TT_MAX(DUMP_MIN_BYTES, 4 * st->row.dump_bytes);
	if (for_gc || st->row.dump_bytes == 0 ||
	    st->row.since_dump_bytes >= due ||
	    st->row.since_dump_cost >= DUMP_COST_MAX) {
		rc = dump_catalog(st, &st->row.pos, &bytes);
		if (rc == 0) {
			lk_lock(&st->lk);
			st->row.dump_bytes = bytes;
			st->row.since_dump_bytes = 0;
			st->row.since_dump_cost = 0;
			lk_unlock(&st->lk);
		}
	}
	gc_checkpointed(st, for_gc, rc);
}

int
keeper_run(struct store *st)
{
	struct checkpoint cp = { .st = st };
	uint64_t record_bytes = 0;
	struct log_state ls;
	struct store_row row;
	size_t n_notes;
	bool known = true;
	int rc;

	/* Once it has stopped, nothing can become durable any more. */
	log_state(st->log, &ls);
	if (ls.failed != 0)
		return (-EROFS);
	take_cut(st, &cp.cut);
	log_drain(st->log, cp.cut.gen);
	rc = st->conf.ops->fold(st->conf.arg, cp.cut.gen, cp.cut.pos.seq, &cp);
	if (rc == 0)
		rc = make_durable(st, &cp.cut);
	if (rc == 0)
		rc = dump_checkpoint(st, &cp, &record_bytes);
	if (rc != 0)
		goto out_retry;
	lk_lock(&st->lk);
	n_notes = st->n_notes;
	lk_unlock(&st->lk);
	next_row(st, &cp, &row);
	row.since_dump_bytes += record_bytes;
	if ((rc = commit(st, &cp, &row, n_notes)) != 0) {
		/*
		 * A full disk leaves LMDB as it was, and the next try may
		 * succeed; after anything else nobody knows what is there.
		 */
		known = rc == -ENOSPC || rc == -ENOMEM;
		if (!known) {
			msg_err("checkpoint: the catalogue could not be "
			    "written (%d): the store is read-only until it "
			    "is opened again", rc);
			log_fail(st->log, -EIO);
		}
		goto out_retry;
	}
	committed(st, &cp, &row, n_notes);
	st->has_retry = false;
	dedup_committed(st);
	maybe_dump(st);
	free(cp.roots);
	return (0);

out_retry:
	if (known)
		nodes_discard(st->nodes);
	else
		nodes_reset(st->nodes);
	st->retry = cp.cut;
	st->has_retry = true;
	free(cp.roots);
	return (rc);
}

/* ---- the thread ------------------------------------------------------- */

static bool
is_due(struct store *st)
{
	uint64_t now = clock_mono_ms();
	uint64_t bytes = atomic_load(&st->log_bytes);

	if (st->last_rc != 0)	/* a failed one: not again at once */
		return (now >= st->last_ms + RETRY_MS);
	return (st->wanted > st->started ||
	    bytes >= st->conf.checkpoint_bytes ||
	    atomic_load(&st->log_records) >= CHECKPOINT_RECORDS ||
	    (bytes > 0 && now >= st->last_ms + st->conf.checkpoint_ms));
}

int
keeper_try(struct store *st)
{
	int rc = keeper_run(st);

	if (rc == -ENOSPC && space_release(st->space))
		rc = keeper_run(st);
	return (rc);
}

static void
run_one(struct store *st)
{
	uint64_t begun = clock_mono_ms(), number;
	int rc, before;

	lk_lock(&st->lk);
	number = ++st->started;
	st->active = true;
	before = st->last_rc;
	lk_unlock(&st->lk);
	rc = keeper_try(st);
	if (rc != 0)
		gc_failed(st, rc);
	if (rc != 0 && rc != before && rc != -EROFS)
		msg_warn("checkpoint failed (%d); what was acknowledged is "
		    "safe in the log; it is tried again", rc);
	msg_debug("checkpoint %llu: %llu ms", (unsigned long long)number,
	    (unsigned long long)(clock_mono_ms() - begun));
	lk_lock(&st->lk);
	st->active = false;
	st->finished = number;
	st->last_rc = rc;
	st->last_ms = clock_mono_ms();
	(void)pthread_cond_broadcast(&st->done);
	lk_unlock(&st->lk);
}

static void *
keeper_thread(void *arg)
{
	struct store *st = arg;
	bool stop, due;

	for (;;) {
		lk_lock(&st->lk);
		if (!st->stop && !is_due(st))
			(void)lk_wait_ms(&st->lk, &st->work, 200);
		stop = st->stop;
		due = is_due(st);
		lk_unlock(&st->lk);
		if (stop)
			return (NULL);
		gc_between(st);
		if (due)
			run_one(st);
	}
}

int
keeper_start(struct store *st)
{
	int rc;

	st->last_ms = clock_mono_ms();
	rc = pthread_create(&st->thread, NULL, keeper_thread, st);
	if (rc == 0)
		st->running = true;
	return (-rc);
}

void
keeper_stop(struct store *st)
{

	if (!st->running)
		return;
	lk_lock(&st->lk);
	st->stop = true;
	(void)pthread_cond_signal(&st->work);
	lk_unlock(&st->lk);
	(void)pthread_join(st->thread, NULL);
	st->running = false;
}

/* ---- asking for one --------------------------------------------------- */

void
store_wrote(struct store *st, uint64_t bytes, unsigned records)
{
	uint64_t was = atomic_fetch_add(&st->log_bytes, bytes);
	uint64_t recs = atomic_fetch_add(&st->log_records, records);

	if ((was < st->conf.checkpoint_bytes &&
	    was + bytes >= st->conf.checkpoint_bytes) ||
	    (recs < CHECKPOINT_RECORDS && recs + records >= CHECKPOINT_RECORDS))
		store_want_checkpoint(st);
}

void
store_want_checkpoint(struct store *st)
{

	lk_lock(&st->lk);
	if (st->wanted <= st->started)
		st->wanted = st->started + 1;
	(void)pthread_cond_signal(&st->work);
	lk_unlock(&st->lk);
}

int
store_checkpoint(struct store *st)
{
	uint64_t want;
	int rc;

	if (st->conf.read_only)
		return (-EROFS);
	lk_lock(&st->lk);
	TT_ASSERT(st->running);
	want = st->started + 1;
	st->wanted = TT_MAX(st->wanted, want);
	(void)pthread_cond_signal(&st->work);
	while (st->finished < want)
		lk_wait(&st->lk, &st->done);
	rc = st->last_rc;
	lk_unlock(&st->lk);
	return (rc);
}

void
store_state(struct store *st, struct store_state *out)
{

	lk_lock(&st->lk);
	out->log_bytes = atomic_load(&st->log_bytes);
	out->checkpoints = st->row.checkpoints;
	out->checkpoint_ns = st->row.pos.time_ns;
	out->checkpointing = st->active;
	lk_unlock(&st->lk);
}
