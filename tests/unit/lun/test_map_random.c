/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Map and overlay together against a plain array: several overlays folded one
 * after the other, old roots kept as snapshots and compared in full.
 */
#include "lun/map.h"

#include <stdlib.h>
#include <string.h>

#include "lun/overlay.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/map_util.h"

#define GENS	4
#define SNAPS	8

/* What a LUN is: overlays over a tree; beside each its array. */
struct lun_model {
	struct nodes *ns;
	struct rnd r;
	uint64_t n_blk, seq;
	struct map_root root;
	uint32_t *now;			/* tokens as written so far */
	struct overlay *gen[GENS];	/* oldest first; the last is active */
	uint32_t *cut[GENS];		/* the array when it was frozen */
	unsigned n_gen;
	struct map_root snap[SNAPS];
	uint32_t *snap_now[SNAPS];
	uint64_t gens;
};

static uint32_t *
copy_of(const struct lun_model *m)
{
	uint32_t *c = malloc(m->n_blk * sizeof(*c));

	TT_ASSERT(c != NULL);
	memcpy(c, m->now, m->n_blk * sizeof(*c));
	return (c);
}

static void
gen_new(struct lun_model *m)
{

	CU_ASSERT_EQUAL_FATAL(overlay_new(++m->gens, &m->gen[m->n_gen]), 0);
	m->n_gen++;
}

/* One write; at times an older one of the same block comes after it. */
static void
model_write(struct lun_model *m, bool holes_only)
{
	struct overlay *o = m->gen[m->n_gen - 1];
	const uint64_t b = rnd_below(&m->r, m->n_blk);
	const bool late = rnd_below(&m->r, 3) == 0;
	uint64_t n = 1;
	uint32_t token = (uint32_t)(m->seq + 1) & 0xffffff;

	if (holes_only || rnd_below(&m->r, 200) == 0) {
		n += rnd_below(&m->r, rnd_below(&m->r, 8) == 0 ? m->n_blk - b :
		    TT_MIN(m->n_blk - b, 300));
		token = 0;
	}
	CU_ASSERT_EQUAL_FATAL(overlay_reserve(o, 2, 1), 0);
	m->seq += 2;
	if (token == 0)
		overlay_put_hole(o, b, n, m->seq);
	else
		overlay_put(o, b, token_place(token), m->seq);
	if (late)
		overlay_put(o, b, token_place(99), m->seq - 1);
	overlay_unreserve(o, (token == 0 ? 1u : 0u) + (late ? 0u : 1u),
	    token == 0 ? 0 : 1);
	for (uint64_t i = b; i < b + n; i++)
		m->now[i] = token;
}

/* As a reader sees it: overlays from the newest, then the tree. */
static bool
model_read_ok(struct lun_model *m, uint64_t blk)
{
	struct place p;

	for (unsigned g = m->n_gen; g-- > 0; )
		if (overlay_get(m->gen[g], blk, &p))
			return (token_is(&p, m->now[blk]));
	return (has_token(m->ns, &m->root, blk, m->now[blk]));
}

/* The whole tree, leaf by leaf. */
static uint64_t
wrong_blocks(struct nodes *ns, const struct map_root *root,
    const uint32_t *want, uint64_t n_blk)
{
	const uint64_t end = TT_MIN(n_blk + 200, blks_of(root->height));
	uint64_t bad = 0;
	struct node leaf;
	bool is_hole;

	for (uint64_t b = 0; b < end; b++) {
		struct place p = hole;

		if (b % NODE_FANOUT == 0 &&
		    map_find_wait(ns, root, b, 0, &leaf, &is_hole) != 0)
			return (UINT64_MAX);
		if (!is_hole)
			p = node_child(&leaf, b % NODE_FANOUT);
		bad += !token_is(&p, b < n_blk ? want[b] : 0);
	}
	return (bad);
}

/* Folds the oldest overlay; its array becomes what the tree must be. */
static void
model_fold(struct lun_model *m)
{
	const unsigned at = (unsigned)rnd_below(&m->r, SNAPS);
	struct change *c;
	size_t n;

	CU_ASSERT_EQUAL_FATAL(overlay_list(m->gen[0], &c, &n), 0);
	m->ns->miss_every = (unsigned)rnd_below(&m->r, 4);
	CU_ASSERT_EQUAL_FATAL(map_fold(m->ns, &m->root, c, n, &m->root), 0);
	free(c);
	overlay_unref(m->gen[0]);
	free(m->snap_now[at]);
	m->snap_now[at] = m->cut[0];
	m->snap[at] = m->root;
	m->n_gen--;
	memmove(m->gen, m->gen + 1, m->n_gen * sizeof(m->gen[0]));
	memmove(m->cut, m->cut + 1, m->n_gen * sizeof(m->cut[0]));
	CU_ASSERT_EQUAL(wrong_blocks(m->ns, &m->root, m->snap_now[at],
	    m->n_blk), 0);
}

static void
model_freeze(struct lun_model *m)
{

	m->cut[m->n_gen - 1] = copy_of(m);
	if (m->n_gen == GENS)
		model_fold(m);
	gen_new(m);
}

/* A tree that was made at once from the array has the same id. */
static void
same_id(struct lun_model *m, const struct map_root *root, const uint32_t *want)
{
	struct change *c = calloc(m->n_blk, sizeof(*c));
	struct map_root fresh = empty_root(root->height);
	unsigned miss_every = m->ns->miss_every;
	size_t n = 0;

	TT_ASSERT(c != NULL);
	for (uint64_t b = 0; b < m->n_blk; b++)
		if (want[b] != 0)
			c[n++] = block(b, want[b]);
	CU_ASSERT_EQUAL_FATAL(map_fold(m->ns, &fresh, c, n, &fresh), 0);
	CU_ASSERT(id_equal(&fresh.top.id, &root->top.id));
	/* And again onto the old tree, when it is at hand: nothing to write. */
	m->ns->miss_every = 0;
	fake_nodes_count(m->ns);
	CU_ASSERT_EQUAL_FATAL(map_fold(m->ns, root, c, n, &fresh), 0);
	CU_ASSERT(place_equal(&fresh.top, &root->top));
	CU_ASSERT_EQUAL(m->ns->n_put, 0);
	m->ns->miss_every = miss_every;
	free(c);
}

static void
model_run(uint64_t n_blk, unsigned n_gens, unsigned n_steps, uint64_t seed)
{
	struct lun_model m = { .n_blk = n_blk, .r = { seed } };
	uint64_t bad = 0;

	m.ns = fake_nodes_new();
	m.root = empty_root(map_height(n_blk));
	m.now = calloc(n_blk, sizeof(*m.now));
	TT_ASSERT(m.now != NULL);
	gen_new(&m);
	for (unsigned g = 0; g < n_gens; g++) {
		const unsigned n = (unsigned)rnd_below(&m.r, 2 * n_steps);

		for (unsigned i = 0; i < n; i++) {
			model_write(&m, g % 8 == 7 && i % 64 == 0);
			if (i % 16 == 0)
				bad += !model_read_ok(&m,
				    rnd_below(&m.r, n_blk));
		}
		CU_ASSERT_EQUAL(bad, 0);
		model_freeze(&m);
	}
	m.cut[m.n_gen - 1] = copy_of(&m);
	while (m.n_gen > 0)
		model_fold(&m);
	CU_ASSERT_EQUAL(wrong_blocks(m.ns, &m.root, m.now, n_blk), 0);
	same_id(&m, &m.root, m.now);
	for (unsigned i = 0; i < SNAPS; i++) {
		if (m.snap_now[i] == NULL)
			continue;
		CU_ASSERT_EQUAL(wrong_blocks(m.ns, &m.snap[i], m.snap_now[i],
		    n_blk), 0);
		same_id(&m, &m.snap[i], m.snap_now[i]);
		free(m.snap_now[i]);
	}
	free(m.now);
	fake_nodes_free(m.ns);
}

static void
test_random(void)
{
	static const uint64_t sizes[] = { 1, 63, 64, 65, 4095, 4097 };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		model_run(sizes[i], 30, steps(2000), 40 + i);
	/* Three and four levels; millions of steps. */
	model_run(70000, 10 + steps(90), steps(30000), 50);
	model_run(300000, 5 + steps(20), steps(60000), 51);
}

/* ---- a LUN of 64 TiB ---------------------------------------------------- */

#define POINTS 4000

static int
cmp_u64(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return ((x > y) - (x < y));
}

/* Chosen blocks far apart, some of them close; ranges up to all of it. */
static void
test_far_apart(void)
{
	const uint64_t n_blk = UINT64_C(1) << 34;
	static uint64_t blk[POINTS], token[POINTS];
	struct map_root root = empty_root(map_height(n_blk));
	struct nodes *ns = fake_nodes_new();
	struct rnd r = { 60 };
	uint64_t bad = 0, seq = 0;

	for (unsigned i = 0; i < POINTS; i++)
		blk[i] = i % 2 == 0 ? rnd_below(&r, n_blk) :
		    (blk[i - 1] + rnd_below(&r, 200)) % n_blk;
	qsort(blk, POINTS, sizeof(blk[0]), cmp_u64);
	memset(token, 0, sizeof(token));
	for (unsigned round = 0; round < steps(40); round++) {
		struct overlay *o;
		struct change *c;
		size_t n;

		CU_ASSERT_EQUAL_FATAL(overlay_new(round, &o), 0);
		CU_ASSERT_EQUAL_FATAL(overlay_reserve(o, 1000, 10), 0);
		for (unsigned i = 0; i < 1010; i++) {
			const unsigned at = (unsigned)rnd_below(&r, POINTS);
			const uint64_t len = 1 + (rnd_below(&r, n_blk -
			    blk[at]) >> rnd_below(&r, 34));

			if (i % 101 != 50) {
				seq++;
				overlay_put(o, blk[at], token_place(seq), seq);
				for (unsigned k = 0; k < POINTS; k++)
					if (blk[k] == blk[at])
						token[k] = seq;
				continue;
			}
			overlay_put_hole(o, blk[at], len, ++seq);
			for (unsigned k = at; k < POINTS; k++)
				if (blk[k] >= blk[at] && blk[k] < blk[at] + len)
					token[k] = 0;
			for (unsigned k = at; k > 0 && blk[k - 1] == blk[at];
			    k--)
				token[k - 1] = 0;
		}
		CU_ASSERT_EQUAL(overlay_list(o, &c, &n), 0);
		overlay_unref(o);
		CU_ASSERT_EQUAL_FATAL(map_fold(ns, &root, c, n, &root), 0);
		free(c);
		for (unsigned k = 0; k < POINTS; k++)
			bad += !has_token(ns, &root, blk[k], token[k]);
		CU_ASSERT_EQUAL(bad, 0);
	}
	fake_nodes_free(ns);
}

static const struct unit_test tests[] = {
	{ "random against arrays", test_random },
	{ "far apart", test_far_apart },
};
UNIT_MAIN("map-random", tests)
