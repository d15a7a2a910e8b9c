/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model_adm.c - LUNs, snapshots and exposures come and go; checkpoints, space
 * reclaim and verification; a reader of snapshots.
 */
#include "tests/engine/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lun/verify.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"

#define MIB (UINT64_C(1) << 20)

/* ---- LUNs ----------------------------------------------------------------- */

/* Cells of one LUN are beside each other, of another a GiB apart. */
static void
choose_shape(struct m_lun *l, uint64_t *r)
{
	static const struct {
		uint32_t block, sector;
	} g[] = { { 4096, 512 }, { 4096, 4096 }, { 8192, 512 },
	    { 65536, 512 }, { 16384, 4096 } };
	static const uint32_t cells[] = { 32, 128, 512, 2048 };
	const size_t k = rnd(r, sizeof(g) / sizeof(g[0]));
	uint64_t cell_bytes;

	do
		l->cell_units = cells[rnd(r, 4)];
	while (m->conf.lun_units / l->cell_units < 2 * MODEL_WORKERS);
	l->n_cells = m->conf.lun_units / l->cell_units;
	l->n_units = l->n_cells * l->cell_units;
	cell_bytes = (uint64_t)l->cell_units * UNIT_BYTES;
	l->stride_bytes = rnd(r, 3) == 0 ? (UINT64_C(1) << 30) :
	    rnd(r, 2) == 0 ? 16 * cell_bytes : cell_bytes;
	l->info.block_bytes = g[k].block;
	l->info.sector_bytes = g[k].sector;
	l->info.size_bytes = (l->n_cells * l->stride_bytes + 65535) / 65536 *
	    65536;
	l->dedup = rnd(r, 3) != 0;
}

static void
lun_create(struct m_admin *a, unsigned i)
{
	struct m_lun *l = &m->lun[i];
	struct lun_params p = { .name = l->name };
	struct lun_info info;

	choose_shape(l, &a->rnd);
	memset(units_of(i, -1), 0, l->n_units * sizeof(token));
	(void)snprintf(l->name, sizeof(l->name), "disk-%u", i);
	p.size_bytes = l->info.size_bytes;
	p.block_bytes = l->info.block_bytes;
	p.sector_bytes = l->info.sector_bytes;
	p.no_dedup = !l->dedup;
	history(EV_CREATE, i, 0, 0, l->info.block_bytes);
	(void)pthread_mutex_lock(&l->lk);
	l->state = COMING;
	(void)pthread_mutex_unlock(&l->lk);
	MUST(lunset_create(ls, &p, &info));
	if (lunset_create(ls, &p, &info) != -EEXIST)
		fail("LUN %s was made twice", l->name);
	MUST(lunset_find(ls, l->name, &info));
	(void)pthread_mutex_lock(&l->lk);
	l->info = info;
	l->state = THERE;
	l->gate = false;
	(void)pthread_mutex_unlock(&l->lk);
	atomic_fetch_add(&m->count.luns_made, 1);
}

static bool
has_readers(struct m_lun *l)
{

	for (unsigned k = 0; k < MODEL_SNAPS; k++)
		if (l->snap[k].readers > 0)
			return (true);
	return (false);
}

/* Nobody has it open any more. */
static void
close_gate(struct m_admin *a, struct m_lun *l)
{
	bool busy;

	l->gate = true;
	for (;;) {
		if (a->worker != NULL) {
			worker_drain(a->worker);
			worker_gates(a->worker);
		}
		(void)pthread_mutex_lock(&l->lk);
		busy = l->n_open > 0 || has_readers(l);
		(void)pthread_mutex_unlock(&l->lk);
		if (!busy)
			return;
		(void)usleep(100);
	}
}

static bool
has_exposures(const struct m_lun *l)
{

	for (unsigned k = 0; k < MODEL_SNAPS; k++)
		if (l->snap[k].exposed != GONE)
			return (true);
	return (false);
}

static void
lun_delete(struct m_admin *a, unsigned i)
{
	struct m_lun *l = &m->lun[i];

	if (has_exposures(l))
		return;
	close_gate(a, l);
	history(EV_DELETE, i, 0, 0, l->info.number);
	for (unsigned k = 0; k < MODEL_SNAPS; k++)
		if (l->snap[k].state == THERE)
			l->snap[k].state = GOING;
	(void)pthread_mutex_lock(&l->lk);
	l->state = GOING;
	(void)pthread_mutex_unlock(&l->lk);
	MUST(lunset_delete(ls, l->name, true));
	(void)pthread_mutex_lock(&l->lk);
	for (unsigned k = 0; k < MODEL_SNAPS; k++)
		l->snap[k].state = GONE;
	l->state = GONE;
	(void)pthread_mutex_unlock(&l->lk);
	atomic_fetch_add(&m->count.luns_deleted, 1);
}

/* ---- snapshots -------------------------------------------------------------- */

/* What is in flight now, and what comes until it is made, may be in it. */
static void
begin_snap(unsigned i, unsigned k)
{
	struct m_lun *l = &m->lun[i];

	(void)pthread_mutex_lock(&l->lk);
	memcpy(units_of(i, (int)k), units_of(i, -1),
	    l->n_units * sizeof(token));
	l->n_alts = 0;
	for (unsigned w = 0; w < MODEL_WORKERS * MODEL_DEPTH; w++) {
		const struct m_flight *f = &m->flight[w / MODEL_DEPTH]
		    [w % MODEL_DEPTH];

		for (unsigned j = 0; f->active && f->lun == i &&
		    j < f->n_parts; j++)
			for (uint32_t n = 0; n < f->part[j].n; n++)
				l->alts[l->n_alts++] = (struct m_alt){
				    f->part[j].unit + n,
				    f->zero ? 0 : f->tok[n] };
	}
	l->snapping = true;
	l->snapping_of = k;
	l->snap[k].state = COMING;
	(void)pthread_mutex_unlock(&l->lk);
}

static void
snap_take(struct m_admin *a, unsigned i, unsigned k)
{
	struct m_lun *l = &m->lun[i];
	struct m_snap *s = &l->snap[k];
	struct snap_info si;
	uint64_t no = atomic_fetch_add(&m->next_name, 1);
	uint64_t from = clock_mono_ms();

	(void)snprintf(s->name, sizeof(s->name), "s%llu",
	    (unsigned long long)no);
	s->exposed = GONE;
	begin_snap(i, k);
	history(EV_SNAP, i, 0, 0, k);
	MUST(lunset_snapshot(ls, l->name, s->name, &si));
	slow(SLOW_SNAP, from);
	(void)pthread_mutex_lock(&l->lk);
	l->snapping = false;
	s->seq = si.seq;
	(void)pthread_mutex_unlock(&l->lk);
	check_all(&a->e, i, (int)k, true, "new snapshot");
	(void)pthread_mutex_lock(&l->lk);
	s->state = THERE;
	l->n_alts = 0;
	(void)pthread_mutex_unlock(&l->lk);
	atomic_fetch_add(&m->count.snaps_made, 1);
	if (rnd(&a->rnd, 8) == 0 &&
	    lunset_snapshot(ls, l->name, s->name, &si) != -EEXIST)
		fail("LUN %s: snapshot %s was made twice", l->name, s->name);
}

static void
snap_delete(unsigned i, unsigned k)
{
	struct m_lun *l = &m->lun[i];
	struct m_snap *s = &l->snap[k];
	bool mine;

	if (s->exposed == THERE) {
		if (lunset_snap_delete(ls, l->name, s->name) != -EBUSY)
			fail("LUN %s: snapshot %s was deleted while exposed",
			    l->name, s->name);
		return;
	}
	(void)pthread_mutex_lock(&l->lk);
	mine = s->readers == 0;
	if (mine)
		s->state = GOING;
	(void)pthread_mutex_unlock(&l->lk);
	if (!mine)
		return;
	history(EV_SNAP_DEL, i, 0, 0, k);
	MUST(lunset_snap_delete(ls, l->name, s->name));
	(void)pthread_mutex_lock(&l->lk);
	s->state = GONE;
	(void)pthread_mutex_unlock(&l->lk);
	atomic_fetch_add(&m->count.snaps_deleted, 1);
}

static void
snap_expose(unsigned i, unsigned k)
{
	struct m_lun *l = &m->lun[i];
	struct m_snap *s = &l->snap[k];
	struct exposure_info ei;
	bool mine;

	if (s->exposed == GONE) {
		history(EV_EXPOSE, i, 0, 0, k);
		(void)pthread_mutex_lock(&l->lk);
		s->exposed = COMING;
		(void)pthread_mutex_unlock(&l->lk);
		MUST(lunset_expose(ls, l->name, s->name, &ei));
		(void)pthread_mutex_lock(&l->lk);
		s->identity = ei.identity;
		s->exposed = THERE;
		(void)pthread_mutex_unlock(&l->lk);
		atomic_fetch_add(&m->count.exposures, 1);
		return;
	}
	(void)pthread_mutex_lock(&l->lk);
	mine = s->readers == 0;
	if (mine)
		s->exposed = GOING;
	(void)pthread_mutex_unlock(&l->lk);
	if (!mine)
		return;
	history(EV_UNEXPOSE, i, 0, 0, k);
	MUST(lunset_unexpose(ls, l->name, s->name));
	(void)pthread_mutex_lock(&l->lk);
	s->exposed = GONE;
	(void)pthread_mutex_unlock(&l->lk);
}

static void
snap_step(struct m_admin *a, unsigned i, uint64_t dice)
{
	struct m_lun *l = &m->lun[i];
	unsigned k = (unsigned)rnd(&a->rnd, MODEL_SNAPS);

	if (l->snap[k].state == GONE) {
		snap_take(a, i, k);
	} else if (dice < 50) {
		snap_delete(i, k);
	} else if (dice < 75) {
		snap_expose(i, k);
	} else {
		check_all(&a->e, i, (int)k, false, "snapshot");
	}
}

/* Only what stays is on disk; the model has to be told before the store. */
static void
toggle_dedup(unsigned i)
{
	struct m_lun *l = &m->lun[i];

	history(EV_DEDUP, i, 0, 0, !l->dedup);
	l->dedup = !l->dedup;
	MUST(lunset_set_dedup(ls, l->name, l->dedup));
	atomic_fetch_add(&m->count.dedups, 1);
}

void
admin_step(struct m_admin *a)
{
	unsigned i = a->first + a->step * (unsigned)rnd(&a->rnd,
	    (MODEL_LUNS - a->first + a->step - 1) / a->step);
	uint64_t dice = rnd(&a->rnd, 100);

	if (m->lun[i].state == GONE)
		lun_create(a, i);
	else if (dice < 3)
		lun_delete(a, i);
	else if (dice < 6)
		toggle_dedup(i);
	else
		snap_step(a, i, rnd(&a->rnd, 100));
	atomic_fetch_add(&m->count.steps, 1);
}

/* ---- care ------------------------------------------------------------------- */

static void
checkpoint(void)
{
	uint64_t from = clock_mono_ms();

	history(EV_CKPT, 0, 0, 0, 0);
	MUST(lunset_checkpoint(ls));
	slow(SLOW_CKPT, from);
	atomic_fetch_add(&m->count.checkpoints, 1);
}

static void
reclaim(void)
{
	struct lun_gc before, after;
	uint64_t from = clock_mono_ms();

	history(EV_GC, 0, 0, 0, 0);
	lunset_gc_state(ls, &before);
	MUST(lunset_gc(ls, true));
	slow(SLOW_GC, from);
	lunset_gc_state(ls, &after);
	atomic_fetch_add(&m->count.gcs, 1);
	atomic_fetch_add(&m->count.gc_freed,
	    after.freed_bytes - before.freed_bytes);
	atomic_fetch_add(&m->count.gc_moved,
	    after.moved_bytes - before.moved_bytes);
	atomic_fetch_add(&m->count.gc_punched,
	    after.punched_bytes - before.punched_bytes);
}

static void
tell_damage(void)
{
	struct verify_damage *d;
	size_t n;

	MUST(lunset_verify_damage(ls, VERIFY_BY_RUN, &d, &n));
	for (size_t i = 0; i < n && i < 10; i++)
		(void)fprintf(stderr, "model: %s of %s@%s, byte %llu, %llu "
		    "bytes, %d, segment %u at %llu\n",
		    verify_kind_name(d[i].kind), d[i].lun_name,
		    d[i].snap_name, (unsigned long long)d[i].off_bytes,
		    (unsigned long long)d[i].len_bytes, d[i].rc, d[i].segment,
		    (unsigned long long)d[i].segment_off_bytes);
	free(d);
}

static void
verify(void)
{
	struct verify_params p = { .rate_bytes = 0 };
	struct verify_state st;
	uint64_t runs, from = clock_mono_ms();

	history(EV_VERIFY, 0, 0, 0, 0);
	lunset_verify_state(ls, &st);
	runs = st.runs;
	MUST(lunset_verify(ls, &p));
	for (;;) {
		lunset_verify_state(ls, &st);
		if (st.runs > runs)
			break;
		(void)usleep(500);
	}
	slow(SLOW_VERIFY, from);
	if (st.rc != 0 || st.n_damage != 0 || st.repaired != 0) {
		tell_damage();
		fail("verify: %d, %llu damaged, %llu repaired", st.rc,
		    (unsigned long long)st.n_damage,
		    (unsigned long long)st.repaired);
	}
	atomic_fetch_add(&m->count.verifies, 1);
}

void
care_step(struct m_admin *a)
{
	uint64_t dice = rnd(&a->rnd, 100);

	if (dice < 45 && !m->full) {
		checkpoint();
	} else if (dice < 88 || m->full || a->first != 0) {
		reclaim();
	} else {
		verify();
	}
	atomic_fetch_add(&m->count.steps, 1);
}

/* ---- a reader of snapshots -------------------------------------------------- */

void
reader_step(struct m_admin *a)
{
	unsigned i = (unsigned)rnd(&a->rnd, MODEL_LUNS);
	unsigned k = (unsigned)rnd(&a->rnd, MODEL_SNAPS);
	struct m_lun *l = &m->lun[i];
	struct m_snap *s = &l->snap[k];
	struct lun_dev *dev;
	bool mine;

	(void)pthread_mutex_lock(&l->lk);
	mine = !l->gate && l->state == THERE && s->state == THERE &&
	    s->exposed != GOING;
	if (mine)
		s->readers++;
	(void)pthread_mutex_unlock(&l->lk);
	if (!mine)
		return;
	MUST(lun_dev_open(ls, l->info.number, s->seq, &dev));
	for (unsigned n = 0; n < 8; n++)
		check_units(&a->e, dev, i, (int)k, l->cell_units *
		    (uint32_t)rnd(&a->rnd, l->n_cells), l->cell_units,
		    "snapshot, read beside");
	lun_dev_close(dev);
	(void)pthread_mutex_lock(&l->lk);
	s->readers--;
	(void)pthread_mutex_unlock(&l->lk);
	atomic_fetch_add(&m->count.steps, 1);
}

/* ---- the space -------------------------------------------------------------- */

void
admin_space(struct m_admin *a)
{
	struct lunset_status st;
	struct lun_gc gc;
	uint64_t limit;

	(void)a;
	for (unsigned i = 0; i < MODEL_LUNS; i++) {
		struct m_lun *l = &m->lun[i];

		for (unsigned k = 0; k < MODEL_SNAPS; k++) {
			if (l->state != THERE || l->snap[k].state != THERE)
				continue;
			if (l->snap[k].exposed == THERE)
				snap_expose(i, k);
			snap_delete(i, k);
		}
	}
	/* What one run moves away, the next one gives back; thrice is enough. */
	for (unsigned i = 0; i < 3; i++) {
		checkpoint();
		reclaim();
	}
	checkpoint();
	lunset_gc_state(ls, &gc);
	lunset_status(ls, &st);
	m->count.end_store_bytes = st.store_bytes;
	m->count.end_live_bytes = gc.unique_bytes + gc.node_bytes;
	/* The log that is still needed, prepared segments, the catalogue. */
	limit = m->count.end_live_bytes + m->count.end_live_bytes / 5 +
	    48 * MIB;
	if (st.store_bytes > limit)
		fail("the store has %llu MiB and needs %llu MiB",
		    (unsigned long long)(st.store_bytes / MIB),
		    (unsigned long long)(m->count.end_live_bytes / MIB));
}
