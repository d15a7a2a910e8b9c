/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model_open.c - one generation: open, compare all that there is, settle what
 * a crash left open, work, and end in one way or another.
 */
#include "tests/engine/model.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"

bool
time_is_over(void)
{

	return ((m->conf.max_steps != 0 &&
	    m->count.steps >= m->conf.max_steps) ||
	    (m->conf.max_ms != 0 &&
	    clock_mono_ms() >= m->start_ms + m->conf.max_ms));
}

/* ---- what is there ---------------------------------------------------------- */

/* Either is right for what was on its way; afterwards it is one of them. */
static void
settle(enum there *state, bool found, const char *kind, const char *name)
{

	if (*state == THERE && !found)
		fail("%s %s is gone", kind, name);
	if (*state == GONE && found)
		fail("%s %s should not be there", kind, name);
	*state = found ? THERE : GONE;
}

static bool
same_identity(const struct lun_identity *a, const struct lun_identity *b)
{

	return (memcmp(a->uuid, b->uuid, sizeof(a->uuid)) == 0 &&
	    memcmp(a->naa, b->naa, sizeof(a->naa)) == 0 &&
	    strcmp(a->serial, b->serial) == 0);
}

static void
settle_lun(struct m_lun *l)
{
	struct lun_info info;
	const enum there was = l->state;
	int rc;

	if (was == GONE)
		return;
	rc = lunset_find(ls, l->name, &info);
	if (rc != 0 && rc != -ENOENT)
		fail("LUN %s: %s", l->name, strerror(-rc));
	settle(&l->state, rc == 0, "LUN", l->name);
	if (l->state == GONE)
		return;
	if (was == COMING)
		l->info = info;
	if (info.number != l->info.number ||
	    info.size_bytes != l->info.size_bytes ||
	    info.block_bytes != l->info.block_bytes ||
	    info.sector_bytes != l->info.sector_bytes ||
	    !same_identity(&info.identity, &l->info.identity))
		fail("LUN %s came back as another", l->name);
	/* Killed in between, the change of it may be there or not. */
	l->dedup = info.dedup;
}

static void
settle_exposure(struct m_lun *l, struct m_snap *s,
    const struct exposure_info *all, size_t n)
{
	const struct exposure_info *e = NULL;
	const enum there was = s->exposed;

	for (size_t i = 0; i < n; i++)
		if (all[i].lun == l->info.number && all[i].seq == s->seq)
			e = &all[i];
	settle(&s->exposed, e != NULL, "exposure", s->name);
	if (was == COMING && e != NULL)
		s->identity = e->identity;
	if (e != NULL && !same_identity(&e->identity, &s->identity))
		fail("exposure of %s@%s came back as another", l->name,
		    s->name);
}

/* ${was} of the LUN, before the crash. */
static void
settle_snaps(struct m_lun *l, enum there was)
{
	struct exposure_info *exposed;
	struct snap_info *si;
	size_t n, n_exposed, found = 0;

	MUST(lunset_snaps(ls, l->name, &si, &n));
	MUST(lunset_exposures(ls, &exposed, &n_exposed));
	for (unsigned k = 0; k < MODEL_SNAPS; k++) {
		struct m_snap *s = &l->snap[k];
		const struct snap_info *is = NULL;

		for (size_t i = 0; i < n; i++)
			if (strcmp(si[i].name, s->name) == 0)
				is = &si[i];
		if (s->state == GONE)
			is = NULL;
		/* A LUN goes with all of its snapshots or not at all. */
		if (was == GOING && s->state == GOING && is == NULL)
			fail("LUN %s is there and its snapshot %s is not",
			    l->name, s->name);
		if (is != NULL && s->state != COMING && is->seq != s->seq)
			fail("snapshot %s has another number", s->name);
		if (is != NULL)
			s->seq = is->seq;
		if (s->state != COMING)
			settle(&s->state, is != NULL, "snapshot", s->name);
		else if (is == NULL)
			s->state = GONE;
		if (s->state == GONE)
			s->exposed = GONE;
		else
			settle_exposure(l, s, exposed, n_exposed);
		found += is != NULL;
		s->readers = 0;
	}
	if (found != n)
		fail("LUN %s has %zu snapshots and not %zu", l->name, n,
		    found);
	free(si);
	free(exposed);
}

/* Before the first access, and after a kill. */
static void
reset(struct m_lun *l)
{

	(void)pthread_mutex_init(&l->lk, NULL);
	l->gate = false;
	l->n_open = 0;
	l->snapping = false;
}

static void
forget_flights(void)
{

	for (unsigned i = 0; i < MODEL_WORKERS; i++)
		for (unsigned k = 0; k < MODEL_DEPTH; k++)
			m->flight[i][k].active = false;
}

static void
compare(struct eng *e, unsigned i, bool all)
{
	struct m_lun *l = &m->lun[i];

	check_all(e, i, -1, true, "opened");
	for (unsigned k = 0; k < MODEL_SNAPS; k++) {
		struct m_snap *s = &l->snap[k];

		if (s->state == COMING) {
			check_all(e, i, (int)k, true, "snapshot, half made");
			s->state = THERE;
			atomic_fetch_add(&m->count.snaps_made, 1);
		} else if (s->state == THERE && all) {
			check_all(e, i, (int)k, false, "snapshot, opened");
		}
	}
	l->n_alts = 0;
}

static void
check_opened(void)
{
	struct lun_info *li;
	struct eng e;
	size_t n, found = 0;

	MUST(eng_init(&e, ls));
	for (unsigned i = 0; i < MODEL_LUNS; i++) {
		struct m_lun *l = &m->lun[i];
		const enum there was = l->state;

		settle_lun(l);
		if (l->state == GONE) {
			for (unsigned k = 0; k < MODEL_SNAPS; k++)
				l->snap[k].state = l->snap[k].exposed = GONE;
			continue;
		}
		found++;
		settle_snaps(l, was);
		compare(&e, i, true);
	}
	MUST(lunset_list(ls, &li, &n));
	if (n != found)
		fail("%zu LUNs and not %zu", n, found);
	free(li);
	forget_flights();
	eng_fini(&e);
}

/* ---- opening ----------------------------------------------------------------- */

static struct lunset_conf
choose_conf(uint64_t *s)
{
	static const uint64_t bytes[] = { 1, 3, 8, 24 };
	struct lunset_conf c = {
		.store = m->conf.store,
		.segment_bytes = 2u << 20,
		.memory_bytes = UINT64_C(16) << (20 + rnd(s, 3)),
		.prepared = (unsigned)rnd(s, 4),
		.checkpoint_bytes = bytes[rnd(s, 4)] << 20,
		.checkpoint_ms = m->conf.workers == 0 ? 3600000 :
		    rnd(s, 3) == 0 ? 20 + rnd(s, 200) : 0,
	};

	return (c);
}

/* Rebuilding keeps what was there: hundreds of them would fill the disk. */
static void
forget_old_catalogs(void)
{
	char pattern[PATH_MAX];
	glob_t g;

	(void)snprintf(pattern, sizeof(pattern), "%.4000s/catalog.damaged*/*",
	    m->conf.store);
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			(void)unlink(g.gl_pathv[i]);
		globfree(&g);
	}
	*strrchr(pattern, '/') = '\0';
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			(void)rmdir(g.gl_pathv[i]);
		globfree(&g);
	}
}

static void
rebuild(const struct lunset_conf *c)
{

	history(EV_REBUILD, 0, 0, 0, 0);
	m->rebuilding = true;
	MUST(lunset_rebuild(c, true));
	m->rebuilding = false;
	forget_old_catalogs();
	atomic_fetch_add(&m->count.rebuilds, 1);
}

static void
open_store(const struct lunset_conf *c)
{
	uint64_t from = clock_mono_ms();
	int rc;

	history(EV_OPEN, 0, 0, 0, 0);
	rc = lunset_open(c, &ls);
	if (rc != 0 && m->rebuilding) {
		rebuild(c);
		rc = lunset_open(c, &ls);
	}
	if (rc != 0)
		fail("lunset_open: %s", strerror(-rc));
	m->rebuilding = false;
	slow(SLOW_OPEN, from);
	atomic_fetch_add(&m->count.opens, 1);
}

void
make_store(void)
{
	uint64_t s = 0;
	struct lunset_conf c = choose_conf(&s);

	MUST(lunset_init(&c));
}

static void
close_store(bool abandon)
{
	struct lunset_status st;

	lunset_status(ls, &st);
	atomic_fetch_add(&m->count.shared, st.dedup.shared_bytes);
	atomic_fetch_add(&m->count.collisions, st.dedup.collisions);
	if (st.failed != 0)
		fail("the store has stopped: %s", strerror(-st.failed));
	history(abandon ? EV_ABANDON : EV_CLOSE, 0, 0, 0, 0);
	if (abandon) {
		lunset_abandon(ls);
		atomic_fetch_add(&m->count.abandons, 1);
	} else {
		MUST(lunset_close(ls));
		atomic_fetch_add(&m->count.closes, 1);
	}
	ls = NULL;
}

/* ---- working ------------------------------------------------------------------ */

static void
admin_begin(struct m_admin *a, uint64_t who, struct m_worker *w)
{

	a->rnd = rnd_stream(m->generation, who);
	a->worker = w;
	a->first = 0;
	a->step = 1;
	MUST(eng_init(&a->e, ls));
}

static void
make_luns(void)
{
	struct m_admin a;

	admin_begin(&a, 1, NULL);
	for (unsigned n = 0; m->lun[0].state == GONE && n < 1000; n++)
		admin_step(&a);
	eng_fini(&a.e);
}

static void
work_alone(uint64_t *s)
{
	struct m_worker *w = worker_new(0);
	uint64_t n = 20 + rnd(s, 400);
	struct m_admin a;

	admin_begin(&a, 2, w);
	for (uint64_t i = 0; i < n && !time_is_over(); i++) {
		worker_step(w);
		worker_drain(w);
		if (rnd(s, 12) == 0)
			admin_step(&a);
		if (rnd(s, 30) == 0)
			care_step(&a);
	}
	worker_free(w);
	eng_fini(&a.e);
}

#define OTHERS 5u

struct job {
	pthread_t thread;
	unsigned number;
	void (*step)(struct m_admin *a);
	unsigned pause_us;
	unsigned first, of;		/* which of its kind */
};

static void *
work_main(void *arg)
{
	struct job *j = arg;
	struct m_worker *w = worker_new(j->number);

	while (!m->stop)
		worker_step(w);
	worker_free(w);
	return (NULL);
}

static void *
admin_main(void *arg)
{
	struct job *j = arg;
	struct m_admin a;

	admin_begin(&a, j->number, NULL);
	a.first = j->first;
	a.step = j->of;
	while (!m->stop) {
		j->step(&a);
		(void)usleep((useconds_t)rnd(&a.rnd, j->pause_us));
	}
	eng_fini(&a.e);
	return (NULL);
}

static void
work_together(uint64_t *s)
{
	struct job jobs[MODEL_WORKERS + OTHERS] = {
		{ 0, 10, admin_step, 10000, 0, 2 },
		{ 0, 11, admin_step, 10000, 1, 2 },
		{ 0, 12, care_step, 50000, 0, 2 },
		{ 0, 13, care_step, 100000, 1, 2 },
		{ 0, 14, reader_step, 5000, 0, 1 },
	};
	uint64_t until = clock_mono_ms() + (rnd(s, 20) == 0 ? 20000 :
	    200 + rnd(s, 2500));
	struct lunset_status st;
	unsigned n = OTHERS;

	m->stop = m->full = false;
	for (unsigned i = 0; i < m->conf.workers; i++)
		jobs[n++].number = i;
	for (unsigned i = 0; i < n; i++)
		TT_ASSERT(pthread_create(&jobs[i].thread, NULL, i < OTHERS ?
		    admin_main : work_main, &jobs[i]) == 0);
	while (clock_mono_ms() < until && !time_is_over()) {
		lunset_status(ls, &st);
		m->full = st.store_bytes > m->conf.store_bytes;
		(void)usleep(20000);
	}
	m->stop = true;
	/* The administrator may wait for workers: it ends first. */
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(jobs[i].thread, NULL);
}

void
generation(uint64_t *s)
{
	struct lunset_conf c = choose_conf(s);

	m->generation++;
	for (unsigned i = 0; i < MODEL_LUNS; i++)
		reset(&m->lun[i]);
	/* What the last kill has left may be all there is. */
	if (m->conf.kill && m->generation > 1 && rnd(s, 10) == 0)
		rebuild(&c);
	open_store(&c);
	check_opened();
	make_luns();
	if (m->conf.workers == 0)
		work_alone(s);
	else
		work_together(s);
	close_store(rnd(s, 2) == 0);
	if (rnd(s, 12) == 0)
		rebuild(&c);
}

void
last_generation(uint64_t *s)
{
	struct lunset_conf c = choose_conf(s);
	struct m_admin a;

	m->generation++;
	c.prepared = 1;
	for (unsigned i = 0; i < MODEL_LUNS; i++)
		reset(&m->lun[i]);
	open_store(&c);
	check_opened();
	admin_begin(&a, 3, NULL);
	admin_space(&a);
	check_opened();
	eng_fini(&a.e);
	close_store(false);
}
