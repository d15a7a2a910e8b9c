/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * White box, for the memory: every allocation of the three files is counted
 * and can be made to fail.
 */
#include "tests/unit/lun/mem_count.h"

#include "lun/overlay.c"
#include "lun/blocks.c"
#include "lun/holes.c"

#include <pthread.h>

#include "tests/lib/unit.h"
#include "tests/unit/lun/steps.h"

/* ---- the model: per block the highest seq and what it said -------------- */

struct cell {
	uint64_t seq;		/* 0: nothing known */
	uint64_t token;
};

struct op {
	uint64_t blk, n_blk;	/* 0: a block; else a range of holes */
	uint64_t seq, token;
};

static struct op
random_op(struct rnd *r, uint64_t n_blk, unsigned range_pct, uint64_t seq)
{
	struct op op = { rnd_below(r, n_blk), 0, seq, seq };
	uint64_t left = n_blk - op.blk;

	if (rnd_below(r, 100) < range_pct) {
		if (rnd_below(r, 2) == 0)
			left = TT_MIN(left, 40);
		op.n_blk = 1 + rnd_below(r, left);
		op.token = 0;
	} else if (rnd_below(r, 20) == 0) {
		op.token = 0;		/* a block of zeroes */
	}
	return (op);
}

static void
model_do(struct cell *m, const struct op *op)
{
	const uint64_t n = op->n_blk == 0 ? 1 : op->n_blk;

	for (uint64_t b = op->blk; b < op->blk + n; b++)
		if (op->seq > m[b].seq)
			m[b] = (struct cell){ op->seq, op->token };
}

static void
overlay_do(struct overlay *o, const struct op *op)
{

	if (op->n_blk > 0)
		overlay_put_hole(o, op->blk, op->n_blk, op->seq);
	else
		overlay_put(o, op->blk, token_place(op->token), op->seq);
}

static void
reserve_and_do(struct overlay *o, const struct op *op)
{

	if (overlay_reserve(o, op->n_blk == 0, op->n_blk > 0) != 0)
		abort();
	overlay_do(o, op);
}

static void
shuffle(struct rnd *r, struct op *ops, size_t n)
{

	for (size_t i = n; i > 1; i--) {
		const size_t k = rnd_below(r, i);
		const struct op t = ops[i - 1];

		ops[i - 1] = ops[k];
		ops[k] = t;
	}
}

/* Blocks for which a look-up is wrong. */
static uint64_t
wrong_gets(struct overlay *o, const struct cell *m, uint64_t n_blk)
{
	uint64_t bad = 0;

	for (uint64_t b = 0; b < n_blk; b++) {
		struct place p = { { 7, 7 }, 7 };
		const bool known = overlay_get(o, b, &p);

		bad += known != (m[b].seq > 0) ||
		    (known && !token_is(&p, m[b].token));
	}
	return (bad);
}

static uint64_t
wrong_runs(struct overlay *o, const struct cell *m, uint64_t n_blk,
    struct rnd *r, unsigned rounds)
{
	uint64_t bad = 0, known;
	struct place p[64];

	while (rounds-- > 0) {
		const uint64_t first = rnd_below(r, n_blk);
		const unsigned n = (unsigned)rnd_below(r,
		    TT_MIN(n_blk - first, 64) + 1);

		known = 0x5555;
		overlay_get_run(o, first, n, &known, p);
		for (unsigned i = 0; i < n; i++) {
			const struct cell *c = &m[first + i];

			bad += (known >> i & 1) != (c->seq > 0) ||
			    (c->seq > 0 && !token_is(&p[i], c->token));
		}
		bad += n < 64 && known >> n != 0;
	}
	return (bad);
}

static uint64_t
wrong_list(struct overlay *o, const struct cell *m, uint64_t n_blk)
{
	uint64_t bad = 0, b = 0;
	struct change *c;
	size_t n;

	if (overlay_list(o, &c, &n) != 0)
		return (1);
	for (size_t i = 0; i < n; i++) {
		const bool is_hole = id_is_hole(&c[i].place.id);

		bad += c[i].first_blk < b || c[i].n_blk == 0 ||
		    (!is_hole && c[i].n_blk != 1) ||
		    c[i].first_blk + c[i].n_blk > n_blk;
		if (bad > 0)
			break;
		for (; b < c[i].first_blk; b++)
			bad += m[b].seq != 0;
		for (; b < c[i].first_blk + c[i].n_blk; b++)
			bad += m[b].seq == 0 ||
			    !token_is(&c[i].place, m[b].token);
	}
	for (; bad == 0 && b < n_blk; b++)
		bad += m[b].seq != 0;
	free(c);
	return (bad);
}

/* The treap is sorted, free of overlaps, heap-ordered; counts its pieces. */
static size_t
treap_pieces(const struct hole_piece *t, uint64_t *end)
{
	size_t n;

	if (t == NULL)
		return (0);
	n = treap_pieces(t->left, end);
	TT_ASSERT(*end <= t->r.first_blk && t->r.first_blk < t->r.end_blk);
	TT_ASSERT(t->left == NULL || t->left->prio <= t->prio);
	TT_ASSERT(t->right == NULL || t->right->prio <= t->prio);
	*end = t->r.end_blk;
	return (n + 1 + treap_pieces(t->right, end));
}

static bool
treap_ok(struct overlay *o)
{
	uint64_t end = 0;

	return (treap_pieces(o->holes.root, &end) == o->holes.n_pieces &&
	    o->holes.n_pieces <= o->holes.n_allocated);
}

/* ---- tests -------------------------------------------------------------- */

static void
test_empty(void)
{
	struct place p = { { 7, 7 }, 7 };
	struct overlay *o;
	struct change *c = NULL;
	uint64_t known = 1;
	size_t n = 1;

	CU_ASSERT_EQUAL_FATAL(overlay_new(9, &o), 0);
	CU_ASSERT_EQUAL(overlay_gen(o), 9);
	CU_ASSERT(overlay_is_empty(o));
	CU_ASSERT(!overlay_get(o, 0, &p) && p.loc == 7);
	overlay_get_run(o, 100, 64, &known, NULL);
	CU_ASSERT_EQUAL(known, 0);
	CU_ASSERT_EQUAL(overlay_list(o, &c, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	free(c);
	CU_ASSERT(overlay_bytes(o) < 512);
	CU_ASSERT_EQUAL(overlay_bytes(o), live_bytes);
	CU_ASSERT_EQUAL(overlay_reserve(o, 1, 1), 0);
	CU_ASSERT(overlay_is_empty(o));
	overlay_unreserve(o, 1, 1);
	CU_ASSERT(overlay_bytes(o) < 12 << 10);
	CU_ASSERT(overlay_ref(o) == o);
	overlay_unref(o);
	CU_ASSERT_EQUAL(overlay_gen(o), 9);
	overlay_unref(o);
	overlay_unref(NULL);
	CU_ASSERT_EQUAL(live_bytes, 0);
}

/* The few cases that can be read. */
static void
test_seqs(void)
{
	struct overlay *o;
	struct place p;

	CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
	CU_ASSERT_EQUAL_FATAL(overlay_reserve(o, 6, 3), 0);
	overlay_put(o, 5, token_place(50), 10);
	CU_ASSERT(!overlay_is_empty(o));
	overlay_put(o, 5, token_place(51), 9);
	CU_ASSERT(overlay_get(o, 5, &p) && token_is(&p, 50));
	overlay_put(o, 5, token_place(52), 10);	/* twice in one record */
	CU_ASSERT(overlay_get(o, 5, &p) && token_is(&p, 52));
	overlay_put_hole(o, 0, 100, 8);		/* late and older */
	CU_ASSERT(overlay_get(o, 5, &p) && token_is(&p, 52));
	CU_ASSERT(overlay_get(o, 99, &p) && token_is(&p, 0));
	CU_ASSERT(!overlay_get(o, 100, &p));
	overlay_put_hole(o, 5, 1, 11);
	CU_ASSERT(overlay_get(o, 5, &p) && token_is(&p, 0));
	overlay_put(o, 5, token_place(53), 12);
	CU_ASSERT(overlay_get(o, 5, &p) && token_is(&p, 53));
	/* A hole is a hole wherever it says it lies. */
	overlay_put(o, 6, (struct place){ { 0, 0 }, 77 }, 12);
	CU_ASSERT(overlay_get(o, 6, &p) && token_is(&p, 0));
	overlay_put(o, OVERLAY_BLK_MAX - 1, token_place(1), 1);
	CU_ASSERT(overlay_get(o, OVERLAY_BLK_MAX - 1, &p) && token_is(&p, 1));
	CU_ASSERT(!overlay_get(o, OVERLAY_BLK_MAX, &p));
	CU_ASSERT(!overlay_get(o, UINT64_MAX, &p));
	overlay_put_hole(o, 0, OVERLAY_BLK_MAX, 100);
	CU_ASSERT(overlay_get(o, OVERLAY_BLK_MAX - 1, &p) && token_is(&p, 0));
	CU_ASSERT_EQUAL(o->holes.n_pieces, 1);
	overlay_unref(o);
	CU_ASSERT_EQUAL(live_bytes, 0);
}

/* ${n} operations in an order that has nothing to do with their seqs. */
static void
random_round(struct rnd *r, uint64_t n_blk, size_t n, unsigned range_pct)
{
	struct cell *m = calloc(n_blk, sizeof(*m));
	struct op *ops = malloc(n * sizeof(*ops));
	const uint64_t mine = live_bytes;
	struct overlay *o;

	CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
	for (size_t i = 0; i < n; i++)
		ops[i] = random_op(r, n_blk, range_pct, i + 1);
	if (rnd_below(r, 4) > 0)
		shuffle(r, ops, n);
	for (size_t i = 0; i < n; i++) {
		model_do(m, &ops[i]);
		reserve_and_do(o, &ops[i]);
		if (i % (n / 4 + 1) == 0)
			CU_ASSERT_EQUAL(wrong_gets(o, m, n_blk), 0);
	}
	CU_ASSERT(treap_ok(o));
	CU_ASSERT_EQUAL(o->holes.n_reserved, 0);
	CU_ASSERT_EQUAL(o->blocks.n_committed, o->blocks.n_entries);
	CU_ASSERT_EQUAL(overlay_bytes(o), live_bytes - mine);
	CU_ASSERT_EQUAL(wrong_gets(o, m, n_blk), 0);
	CU_ASSERT_EQUAL(wrong_runs(o, m, n_blk, r, 300), 0);
	CU_ASSERT_EQUAL(wrong_list(o, m, n_blk), 0);
	overlay_unref(o);
	free(ops);
	free(m);
	CU_ASSERT_EQUAL(live_bytes, 0);
}

static void
test_random(void)
{
	static const uint64_t sizes[] = { 1, 2, 63, 64, 65, 700, 5000, 60000 };
	static const unsigned pcts[] = { 0, 2, 30, 100 };
	const unsigned rounds = steps(30);
	struct rnd r = { 20 };

	for (unsigned k = 0; k < rounds; k++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			random_round(&r, sizes[i],
			    (size_t)(sizes[i] * 3 / 2 + 10), pcts[k % 4]);
}

/* After a reservation nothing is needed any more. */
static void
test_put_without_memory(void)
{
	const uint64_t n_blk = 4000;
	const size_t n = 12000;
	struct rnd r = { 21 };
	struct cell *m = calloc(n_blk, sizeof(*m));
	struct op *ops = malloc(n * sizeof(*ops));
	size_t n_ranges = 0;
	struct overlay *o;
	uint64_t reserved;

	CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
	for (size_t i = 0; i < n; i++) {
		ops[i] = random_op(&r, n_blk, 30, i + 1);
		n_ranges += ops[i].n_blk > 0;
	}
	shuffle(&r, ops, n);
	CU_ASSERT_EQUAL(overlay_reserve(o, n - n_ranges, n_ranges), 0);
	reserved = overlay_bytes(o);
	fail_at = -1;
	for (size_t i = 0; i < n; i++) {
		model_do(m, &ops[i]);
		overlay_do(o, &ops[i]);
	}
	fail_at = 0;
	CU_ASSERT_EQUAL(overlay_bytes(o), reserved);
	CU_ASSERT_EQUAL(o->blocks.shards[0].n_heads, HEADS_MIN);
	CU_ASSERT_EQUAL(wrong_gets(o, m, n_blk), 0);
	CU_ASSERT_EQUAL(wrong_list(o, m, n_blk), 0);
	/* With memory again the heads follow, two at a time. */
	for (uint64_t b = 0; b < n_blk; b++)
		reserve_and_do(o, &(struct op){ b + n_blk, 0, n + 1, 1 });
	CU_ASSERT(o->blocks.shards[0].n_heads > 3 * HEADS_MIN);
	CU_ASSERT_EQUAL(wrong_gets(o, m, n_blk), 0);
	overlay_unref(o);
	free(ops);
	free(m);
	CU_ASSERT_EQUAL(live_bytes, 0);
}

/* One old range that comes last fills every gap between newer ones. */
static void
test_gaps_without_memory(void)
{
	const uint64_t n = 3000;
	struct overlay *o;
	struct place p;
	uint64_t bad = 0;

	CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
	for (uint64_t i = 0; i < n; i++)
		reserve_and_do(o, &(struct op){ 10 * i + 5, 5, 100 + i, 0 });
	CU_ASSERT_EQUAL(overlay_reserve(o, 0, 2), 0);
	fail_at = -1;
	overlay_put_hole(o, 0, 10 * n + 5, 1);
	CU_ASSERT_EQUAL(o->holes.n_pieces, 2 * n + 1);
	overlay_put_hole(o, 0, 10 * n + 5, 1);
	CU_ASSERT_EQUAL(o->holes.n_pieces, 2 * n + 1);
	fail_at = 0;
	CU_ASSERT(treap_ok(o));
	for (uint64_t b = 0; b < 10 * n + 5; b++)
		bad += !overlay_get(o, b, &p);
	CU_ASSERT_EQUAL(bad, 0);
	overlay_unref(o);
}

static void
test_unreserve(void)
{
	struct overlay *o;
	uint64_t bytes;

	CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
	CU_ASSERT_EQUAL(overlay_reserve(o, 5000, 500), 0);
	bytes = overlay_bytes(o);
	for (uint64_t i = 0; i < 1000; i++)
		overlay_put(o, i, token_place(1), i);
	for (uint64_t i = 0; i < 100; i++)
		overlay_put_hole(o, 3 * i, 1, i);
	overlay_unreserve(o, 4000, 400);
	CU_ASSERT_EQUAL(o->blocks.n_committed, 1000);
	CU_ASSERT_EQUAL(o->holes.n_reserved, 0);
	/* What was given back serves the next. */
	fail_at = -1;
	CU_ASSERT_EQUAL(overlay_reserve(o, 4000, 400), 0);
	fail_at = 0;
	overlay_unreserve(o, 4000, 400);
	CU_ASSERT(overlay_bytes(o) <= bytes + 1000 * 8 * 2);
	overlay_unref(o);
	CU_ASSERT_EQUAL(live_bytes, 0);
}

/* A failure at each allocation in turn changes nothing. */
static void
test_no_memory(void)
{
	struct overlay *o = NULL;
	struct change *c = NULL;
	size_t n = 77;
	int rc = -1, k;

	fail_at = 1;
	CU_ASSERT_EQUAL(overlay_new(1, &o), -ENOMEM);
	CU_ASSERT_PTR_NULL(o);
	CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
	for (k = 1; rc != 0; k++) {
		fail_at = k;
		rc = overlay_reserve(o, 100000, 1000);
		CU_ASSERT(rc == 0 || rc == -ENOMEM);
		if (rc != 0) {
			CU_ASSERT_EQUAL(o->blocks.n_committed, 0);
			CU_ASSERT_EQUAL(o->holes.n_reserved, 0);
			CU_ASSERT_EQUAL(overlay_bytes(o), live_bytes);
		}
	}
	fail_at = 0;
	CU_ASSERT(k > 4);
	/* Blocks cut the piece into more parts than were allocated for. */
	overlay_put_hole(o, 0, 5000, 1);
	for (uint64_t i = 0; i < 1000; i++)
		overlay_put(o, 5 * i + 2, token_place(3), 2);
	overlay_unreserve(o, 99000, 999);
	for (k = 1, rc = -1; rc != 0; k++) {
		fail_at = k;
		rc = overlay_list(o, &c, &n);
		CU_ASSERT(rc == 0 ? n == 2001 : n == 77 && c == NULL);
	}
	fail_at = 0;
	CU_ASSERT(k > 5);
	free(c);
	CU_ASSERT_EQUAL(overlay_bytes(o), live_bytes);
	/* Sizes that cannot be. */
	CU_ASSERT_EQUAL(overlay_reserve(o, SIZE_MAX, 0), -ENOMEM);
	CU_ASSERT_EQUAL(overlay_reserve(o, ENTRIES_MAX - 999, 0), -ENOMEM);
	CU_ASSERT_EQUAL(overlay_reserve(o, 1, SIZE_MAX), -ENOMEM);
	CU_ASSERT_EQUAL(overlay_reserve(o, 1, SIZE_MAX / 2), -ENOMEM);
	CU_ASSERT_EQUAL(o->blocks.n_committed, 1000);
	CU_ASSERT_EQUAL(overlay_bytes(o), live_bytes);
	overlay_unref(o);
	CU_ASSERT_EQUAL(live_bytes, 0);
}

/* A file system that trims: many ranges, in time and in little memory. */
static void
test_trim(void)
{
	const uint64_t n = steps(100000) * 2, far = UINT64_C(1) << 34;
	struct overlay *o;
	struct change *c;
	uint64_t bad = 0;
	struct place p;
	size_t n_c;

	CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
	for (uint64_t i = 0; i < n; i++)
		reserve_and_do(o, &(struct op){ far + 7 * i, 4, i + 1, 0 });
	CU_ASSERT_EQUAL(o->holes.n_pieces, n);
	CU_ASSERT(overlay_bytes(o) < n * 120 + (1 << 16));
	for (uint64_t b = 0; b < 7 * n; b++)
		bad += overlay_get(o, far + b, &p) != (b % 7 < 4);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(overlay_list(o, &c, &n_c), 0);
	CU_ASSERT_EQUAL(n_c, n);
	free(c);
	/* Trimmed once more, in another pattern and backwards. */
	for (uint64_t i = n; i-- > 0; )
		reserve_and_do(o, &(struct op){ far + 7 * i + 1, 7,
		    2 * n - i, 0 });
	CU_ASSERT(treap_ok(o));
	CU_ASSERT(o->holes.n_pieces <= 2 * n);
	CU_ASSERT_EQUAL(overlay_list(o, &c, &n_c), 0);
	CU_ASSERT_EQUAL(n_c, 1);
	CU_ASSERT(c[0].first_blk == far && c[0].n_blk == 7 * n + 1);
	free(c);
	/* Ranges of one record that touch are one piece. */
	for (uint64_t i = 0; i < n; i++)
		reserve_and_do(o, &(struct op){ far + 8 * (i ^ 1), 8,
		    3 * n, 0 });
	CU_ASSERT(o->holes.n_pieces <= 2);
	overlay_unref(o);
}

/* ---- several threads ---------------------------------------------------- */

#define WRITERS	4
#define READERS	2
#define RACE_BLKS 3000

struct race {
	struct overlay *o;
	struct op *ops;
	size_t n;
	_Atomic size_t next;
	_Atomic int done;
	_Atomic uint64_t seed;
	_Atomic uint64_t bad;
};

static void *
race_write(void *arg)
{
	struct race *ra = arg;
	struct rnd r = { atomic_fetch_add(&ra->seed, 1) };
	size_t at, n, n_ranges;

	for (;;) {
		n = 1 + rnd_below(&r, 16);
		at = atomic_fetch_add(&ra->next, n);
		if (at >= ra->n)
			break;
		n = TT_MIN(n, ra->n - at);
		n_ranges = 0;
		for (size_t i = at; i < at + n; i++)
			n_ranges += ra->ops[i].n_blk > 0;
		/* More than needed, as for a batch that is cut short. */
		if (overlay_reserve(ra->o, n - n_ranges + 3, n_ranges + 1) != 0)
			abort();
		for (size_t i = at; i < at + n; i++)
			overlay_do(ra->o, &ra->ops[i]);
		overlay_unreserve(ra->o, 3, 1);
	}
	atomic_fetch_add(&ra->done, 1);
	return (NULL);
}

/* What a reader saw of a block is never followed by something older. */
static void *
race_read(void *arg)
{
	static _Thread_local uint64_t seen[RACE_BLKS];
	struct race *ra = arg;
	struct rnd r = { atomic_fetch_add(&ra->seed, 1) };
	struct place p[64];
	uint64_t known;

	while (atomic_load(&ra->done) < WRITERS) {
		const uint64_t first = rnd_below(&r, RACE_BLKS - 64);

		overlay_get_run(ra->o, first, 64, &known, p);
		for (unsigned i = 0; i < 64; i++) {
			const uint64_t seq = p[i].id.lo;

			if ((known >> i & 1) == 0) {
				ra->bad += seen[first + i] > 0;
				continue;
			}
			if (seq == 0)
				continue;
			ra->bad += seq > ra->n || seq < seen[first + i] ||
			    !token_is(&p[i], seq);
			seen[first + i] = seq;
		}
		ra->bad += overlay_bytes(ra->o) == 0;
		(void)overlay_is_empty(ra->o);
	}
	return (NULL);
}

static void
test_race(void)
{
	const unsigned rounds = 10 + steps(50);
	struct rnd r = { 22 };

	for (unsigned k = 0; k < rounds; k++) {
		struct race ra = { .n = 30000 };
		struct cell *m = calloc(RACE_BLKS, sizeof(*m));
		pthread_t t[WRITERS + READERS];

		CU_ASSERT_EQUAL_FATAL(overlay_new(k, &ra.o), 0);
		ra.ops = malloc(ra.n * sizeof(*ra.ops));
		for (size_t i = 0; i < ra.n; i++) {
			ra.ops[i] = random_op(&r, RACE_BLKS, k % 2 * 10, i + 1);
			model_do(m, &ra.ops[i]);
		}
		shuffle(&r, ra.ops, ra.n);
		for (int i = 0; i < WRITERS + READERS; i++)
			CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL,
			    i < WRITERS ? race_write : race_read, &ra), 0);
		for (int i = 0; i < WRITERS + READERS; i++)
			CU_ASSERT_EQUAL(pthread_join(t[i], NULL), 0);
		CU_ASSERT_EQUAL(ra.bad, 0);
		CU_ASSERT_EQUAL(ra.o->blocks.n_committed,
		    ra.o->blocks.n_entries);
		CU_ASSERT_EQUAL(ra.o->holes.n_reserved, 0);
		CU_ASSERT(treap_ok(ra.o));
		CU_ASSERT_EQUAL(wrong_gets(ra.o, m, RACE_BLKS), 0);
		CU_ASSERT_EQUAL(wrong_list(ra.o, m, RACE_BLKS), 0);
		overlay_unref(ra.o);
		free(ra.ops);
		free(m);
	}
	CU_ASSERT_EQUAL(live_bytes, 0);
}

/* Sequential and random blocks cost what the budget counts with. */
static void
test_bytes_per_block(void)
{
	const uint64_t n = steps(1000000);
	struct rnd r = { 23 };
	struct overlay *o;
	struct change *c;
	size_t n_c;

	for (int random = 0; random < 2; random++) {
		uint64_t longest = 0;

		CU_ASSERT_EQUAL_FATAL(overlay_new(1, &o), 0);
		for (uint64_t i = 0; i < n; i++)
			reserve_and_do(o, &(struct op){ random ?
			    rnd_below(&r, UINT64_C(1) << 34) : i, 0, i + 1,
			    i + 1 });
		CU_ASSERT(overlay_bytes(o) < n * 60 + (1 << 18));
		CU_ASSERT_EQUAL(overlay_list(o, &c, &n_c), 0);
		CU_ASSERT(n_c > n - n / 1000 && n_c <= n);
		free(c);
		for (unsigned k = 0; k < SHARDS; k++) {
			struct shard *s = &o->blocks.shards[k];

			for (uint32_t i = 0; i < s->n_heads; i++) {
				uint64_t len = 0;

				for (uint32_t l = s->heads[i]; l != 0;
				    l = entry_next(entry_at(&o->blocks, l)))
					len++;
				longest = TT_MAX(longest, len);
			}
		}
		CU_ASSERT(longest < 16);
		overlay_unref(o);
	}
	CU_ASSERT_EQUAL(live_bytes, 0);
}

static const struct unit_test tests[] = {
	{ "empty", test_empty },
	{ "the highest seq wins", test_seqs },
	{ "random against an array", test_random },
	{ "put without memory", test_put_without_memory },
	{ "gaps without memory", test_gaps_without_memory },
	{ "unreserve", test_unreserve },
	{ "no memory", test_no_memory },
	{ "trim", test_trim },
	{ "threads", test_race },
	{ "bytes per block", test_bytes_per_block },
};
UNIT_MAIN("overlay", tests)
