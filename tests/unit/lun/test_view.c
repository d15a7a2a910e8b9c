/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Published views: what is in them, in which order, and that a reader always
 * has a whole one.  (Leaks and use after free: the address sanitizer.)
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "lun/lun_int.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/steps.h"

static struct map_root
root_of(uint64_t token)
{

	return ((struct map_root){ token_place(token), 2 });
}

static struct lunset set;

static void
lun_make(struct lun *l)
{

	memset(l, 0, sizeof(*l));
	l->set = &set;
	lk_init(&l->lk, LK_LUN);
	list_init(&l->snaps);
	l->cur = view_new(root_of(1), NULL, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l->cur);
}

static void
lun_done(struct lun *l)
{

	view_unref(l->cur);
	lk_destroy(&l->lk);
}

/* Generations of a view, newest first; 0 ends. */
static bool
gens_are(const struct view *v, const uint64_t *gens)
{
	unsigned n = 0;

	for (; gens[n] != 0; n++)
		if (n >= v->n || overlay_gen(v->ov[n]) != gens[n])
			return (false);
	return (n == v->n);
}

#define GENS(...)	(const uint64_t[]){ __VA_ARGS__, 0 }

static void
add(struct lun *l, uint64_t gen)
{
	struct overlay *o;

	CU_ASSERT_EQUAL_FATAL(view_overlay(l, gen, &o), 0);
	CU_ASSERT_EQUAL(overlay_gen(o), gen);
	overlay_unref(o);
}

/* In whatever order workers ask for them: newest first, each once. */
static void
test_overlays(void)
{
	struct overlay *a, *b;
	struct view *old;
	struct lun l;

	lun_make(&l);
	old = view_of(&l, NULL);
	CU_ASSERT_EQUAL(old->n, 0);
	CU_ASSERT_TRUE(token_is(&old->root.top, 1));
	add(&l, 5);
	CU_ASSERT_TRUE(gens_are(l.cur, GENS(5)));
	add(&l, 9);
	CU_ASSERT_TRUE(gens_are(l.cur, GENS(9, 5)));
	add(&l, 7);
	CU_ASSERT_TRUE(gens_are(l.cur, GENS(9, 7, 5)));
	add(&l, 4);
	CU_ASSERT_TRUE(gens_are(l.cur, GENS(9, 7, 5, 4)));
	CU_ASSERT_TRUE(token_is(&l.cur->root.top, 1));
	CU_ASSERT_EQUAL(l.cur->root.height, 2);
	/* The same one again, and no other view. */
	b = l.cur->ov[1];
	{
		struct view *before = l.cur;

		CU_ASSERT_EQUAL(view_overlay(&l, 7, &a), 0);
		CU_ASSERT_PTR_EQUAL(a, b);
		CU_ASSERT_PTR_EQUAL(l.cur, before);
		overlay_unref(a);
	}
	/* Whoever has the old view keeps what it was. */
	CU_ASSERT_EQUAL(old->n, 0);
	view_unref(old);
	view_unref(NULL);
	lun_done(&l);
}

static void
test_slices(void)
{
	static const struct {
		uint64_t from, to;
		uint64_t gens[6];
	} cases[] = {
		{ 0, UINT64_MAX, { 9, 7, 5, 4 } },
		{ 5, 7, { 7, 5 } },
		{ 6, 8, { 7 } },
		{ 0, 4, { 4 } },
		{ 0, 3, { 0 } },
		{ 10, UINT64_MAX, { 0 } },
		{ 9, 9, { 9 } },
		{ 5, UINT64_MAX, { 9, 7, 5 } },
		{ 0, 8, { 7, 5, 4 } },
		{ 8, 8, { 0 } },
	};
	struct lun l;

	lun_make(&l);
	add(&l, 4);
	add(&l, 5);
	add(&l, 7);
	add(&l, 9);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct view *v = view_slice(l.cur, root_of(3), cases[i].from,
		    cases[i].to);

		CU_ASSERT_PTR_NOT_NULL_FATAL(v);
		CU_ASSERT_TRUE(gens_are(v, cases[i].gens));
		CU_ASSERT_TRUE(token_is(&v->root.top, 3));
		view_unref(v);
	}
	CU_ASSERT_TRUE(gens_are(l.cur, GENS(9, 7, 5, 4)));
	lun_done(&l);
}

/* A snapshot gets what is not newer than its cut, once. */
static void
test_settle(void)
{
	struct snap s = { .gen = 6 };
	struct view *v;
	struct lun l;

	lun_make(&l);
	s.lun = &l;
	add(&l, 4);
	add(&l, 6);
	add(&l, 7);
	CU_ASSERT_EQUAL(view_settle(&s), 0);
	v = view_of(&l, &s);
	CU_ASSERT_TRUE(gens_are(v, GENS(6, 4)));
	CU_ASSERT_TRUE(token_is(&v->root.top, 1));
	view_unref(v);
	add(&l, 5);
	v = s.view;
	CU_ASSERT_EQUAL(view_settle(&s), 0);
	CU_ASSERT_PTR_EQUAL(s.view, v);
	CU_ASSERT_TRUE(gens_are(s.view, GENS(6, 4)));
	view_unref(s.view);
	lun_done(&l);
}

/* ---- threads ---------------------------------------------------------- */

/*
 * The state is one number: block 0 is the newest token.  A writer puts the
 * next one into the overlay of a new generation; a keeper folds the older
 * generations into the root.  No reader may ever see the number go back, which
 * it would between an overlay that is gone and a root that is not there yet.
 */
struct shared {
	struct lun l;
	_Atomic uint64_t written;
	_Atomic bool stop;
	_Atomic unsigned wrong;
	_Atomic uint64_t reads;
};

static uint64_t
look(struct view *v)
{
	struct place p;

	for (unsigned i = 0; i < v->n; i++)
		if (overlay_get(v->ov[i], 0, &p))
			return (p.id.lo);
	return (v->root.top.id.lo);
}

static void *
reader(void *arg)
{
	struct shared *sh = arg;
	uint64_t last = 0;

	while (!atomic_load(&sh->stop)) {
		uint64_t least = atomic_load(&sh->written), now;
		struct view *v = view_of(&sh->l, NULL);

		now = look(v);
		if (now < least || now < last)
			atomic_fetch_add(&sh->wrong, 1);
		last = now;
		view_unref(v);
		atomic_fetch_add(&sh->reads, 1);
	}
	return (NULL);
}

/* What ckpt.c does: the root with ${gen} in it, and what is newer. */
static void
fold(struct shared *sh, uint64_t gen)
{
	struct lun *l = &sh->l;
	struct view *v = view_of(l, NULL), *nv, *old;
	struct map_root root = v->root;
	struct place p;

	for (unsigned i = v->n; i-- > 0; )
		if (overlay_gen(v->ov[i]) <= gen &&
		    overlay_get(v->ov[i], 0, &p))
			root.top = p;
	view_unref(v);
	lk_lock(&l->lk);
	nv = view_slice(l->cur, root, gen + 1, UINT64_MAX);
	old = l->cur;
	l->cur = nv;
	lk_unlock(&l->lk);
	view_unref(old);
}

static void *
keeper(void *arg)
{
	struct shared *sh = arg;

	while (!atomic_load(&sh->stop)) {
		uint64_t w = atomic_load(&sh->written);

		if (w > 3)
			fold(sh, w - 2);
	}
	return (NULL);
}

/* Lets the keeper catch up. */
static void
crowded(struct shared *sh)
{
	unsigned n;

	do {
		struct view *v = view_of(&sh->l, NULL);

		n = v->n;
		view_unref(v);
		if (n > 50)
			(void)sched_yield();
	} while (n > 50);
}

static void
test_threads(void)
{
	static struct shared sh;
	pthread_t t[4];
	unsigned n = steps(3000);

	lun_make(&sh.l);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, reader, &sh),
		    0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t[3], NULL, keeper, &sh), 0);
	for (uint64_t g = 2; g < n || atomic_load(&sh.reads) < 1000; g++) {
		struct overlay *o;

		crowded(&sh);
		CU_ASSERT_EQUAL_FATAL(view_overlay(&sh.l, g, &o), 0);
		CU_ASSERT_EQUAL_FATAL(overlay_reserve(o, 1, 0), 0);
		overlay_put(o, 0, token_place(g), g);
		overlay_unref(o);
		atomic_store(&sh.written, g);
	}
	atomic_store(&sh.stop, true);
	for (unsigned i = 0; i < 4; i++)
		(void)pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(sh.wrong, 0);
	lun_done(&sh.l);
}

/* Space reclaim waits for who still reads from a view that was replaced. */
static void
test_old_views(void)
{
	struct overlay *o;
	struct view *held;
	struct lun l;

	lun_make(&l);
	CU_ASSERT_TRUE(ckpt_settled(&set, true));
	held = view_of(&l, NULL);
	CU_ASSERT_TRUE(ckpt_settled(&set, true));
	CU_ASSERT_EQUAL_FATAL(view_overlay(&l, 7, &o), 0);
	CU_ASSERT_FALSE(ckpt_settled(&set, true));
	CU_ASSERT_TRUE(ckpt_settled(&set, false));
	view_unref(held);
	CU_ASSERT_TRUE(ckpt_settled(&set, true));
	overlay_unref(o);
	atomic_store(&set.stale, true);
	CU_ASSERT_FALSE(ckpt_settled(&set, false));
	atomic_store(&set.stale, false);
	lun_done(&l);
}

static const struct unit_test tests[] = {
	{ "old views are counted", test_old_views },
	{ "overlays of a view", test_overlays },
	{ "slices", test_slices },
	{ "snapshots", test_settle },
	{ "readers, a writer, a keeper", test_threads },
};

UNIT_MAIN("view", tests)
