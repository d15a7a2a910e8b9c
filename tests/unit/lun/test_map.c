/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/exec_sync.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/map_util.h"

/* A tree in which every block of ${n} has the token blk + 1. */
static struct map_root
full_root(struct nodes *ns, uint64_t n, unsigned height)
{
	struct change *c = malloc(n * sizeof(*c));
	struct map_root root = empty_root(height);

	TT_ASSERT(c != NULL);
	for (uint64_t b = 0; b < n; b++)
		c[b] = block(b, b + 1);
	CU_ASSERT_EQUAL_FATAL(map_fold(ns, &root, c, n, &root), 0);
	free(c);
	return (root);
}

/* ---- shape -------------------------------------------------------------- */

static void
test_height(void)
{
	CU_ASSERT_EQUAL(map_height(0), 1);
	CU_ASSERT_EQUAL(map_height(1), 1);
	CU_ASSERT_EQUAL(map_height(64), 1);
	CU_ASSERT_EQUAL(map_height(65), 2);
	CU_ASSERT_EQUAL(map_height(4096), 2);
	CU_ASSERT_EQUAL(map_height(4097), 3);
	CU_ASSERT_EQUAL(map_height(UINT64_C(1) << 30), 5);
	CU_ASSERT_EQUAL(map_height((UINT64_C(1) << 30) + 1), 6);
	CU_ASSERT_EQUAL(map_height(UINT64_C(1) << 34), 6);
	CU_ASSERT_EQUAL(map_height(UINT64_C(1) << 36), MAP_HEIGHT_MAX);
	CU_ASSERT((map_height((UINT64_C(1) << 36) + 1)) > MAP_HEIGHT_MAX);
	CU_ASSERT(map_height(UINT64_MAX) > MAP_HEIGHT_MAX);
}

static void
test_one_block(void)
{
	struct nodes *ns = fake_nodes_new();

	for (unsigned h = 1; h <= MAP_HEIGHT_MAX; h++) {
		struct map_root root = empty_root(h), again;
		const uint64_t blk = blks_of(h) / 3 + h;
		struct change c = block(blk, 7);
		struct node n;

		fake_nodes_count(ns);
		CU_ASSERT_EQUAL_FATAL(map_fold(ns, &root, &c, 1, &root), 0);
		CU_ASSERT_EQUAL(root.height, h);
		CU_ASSERT_EQUAL(ns->n_put, h);
		CU_ASSERT_EQUAL(ns->n_load + ns->n_peek, 0);
		CU_ASSERT(has_token(ns, &root, blk, 7));
		CU_ASSERT(has_token(ns, &root, blk ^ 1, 0));
		CU_ASSERT(has_token(ns, &root, 0, 0));
		CU_ASSERT(has_token(ns, &root, blks_of(h) - 1, 0));
		/* Beyond the tree, also where the digits are the same. */
		CU_ASSERT(has_token(ns, &root, blk + blks_of(h), 0));
		CU_ASSERT(has_token(ns, &root, UINT64_MAX, 0));
		/* The child is where its number says, and nothing else is. */
		CU_ASSERT_EQUAL(nodes_peek(ns, root.top.loc, &n), 0);
		for (unsigned k = 0; k < NODE_FANOUT; k++) {
			const struct place p = node_child(&n, k);

			CU_ASSERT_EQUAL(id_is_hole(&p.id),
			    k != blk >> (h - 1) * NODE_SHIFT);
		}
		/* The same once more is nothing. */
		fake_nodes_count(ns);
		CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &again), 0);
		CU_ASSERT_EQUAL(ns->n_put, 0);
		CU_ASSERT(place_equal(&root.top, &again.top));
		/* The same content elsewhere: another node, the same id. */
		c.place.loc ^= 1u << 14;
		CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &again), 0);
		CU_ASSERT_EQUAL(ns->n_put, h);
		CU_ASSERT(id_equal(&root.top.id, &again.top.id));
		CU_ASSERT_NOT_EQUAL(root.top.loc, again.top.loc);
		/* Without it the tree is the hole. */
		c = holes(blk, 1);
		CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &again), 0);
		CU_ASSERT(place_equal(&again.top, &hole));
		CU_ASSERT_EQUAL(ns->n_put, h);
	}
	fake_nodes_free(ns);
}

static void
test_nothing(void)
{
	struct nodes *ns = fake_nodes_new();
	struct map_root root = full_root(ns, 300, 2), out;
	struct change c = holes(300, 4096 - 300);

	CU_ASSERT_EQUAL(map_fold(ns, &root, NULL, 0, &out), 0);
	CU_ASSERT(place_equal(&root.top, &out.top));
	/* Holes where there are holes. */
	fake_nodes_count(ns);
	CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &out), 0);
	CU_ASSERT(place_equal(&root.top, &out.top));
	CU_ASSERT_EQUAL(ns->n_put, 0);
	root = empty_root(4);
	c = holes(5, blks_of(4) - 7);
	CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &out), 0);
	CU_ASSERT(place_equal(&out.top, &hole));
	CU_ASSERT_EQUAL(ns->n_put, 0);
	fake_nodes_free(ns);
}

/* What is wholly covered is dropped without being read. */
static void
test_holes_drop_subtrees(void)
{
	const uint64_t n = 3 * 4096;
	struct nodes *ns = fake_nodes_new();
	struct map_root root = full_root(ns, n, 3), out;
	struct change c = holes(0, blks_of(3));
	uint64_t bad = 0;

	fake_nodes_count(ns);
	CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &out), 0);
	CU_ASSERT(place_equal(&out.top, &hole));
	CU_ASSERT_EQUAL(ns->n_peek + ns->n_load + ns->n_put, 0);

	/* All of child 1 and of two leaves: the root and two inner nodes. */
	c = holes(4096 - 64, 4096 + 2 * 64);
	CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &out), 0);
	CU_ASSERT_EQUAL(ns->n_peek, 3);
	CU_ASSERT_EQUAL(ns->n_put, 3);
	for (uint64_t b = 0; b < n; b++)
		bad += !has_token(ns, &out, b, b >= c.first_blk &&
		    b < c.first_blk + c.n_blk ? 0 : b + 1);
	CU_ASSERT_EQUAL(bad, 0);

	/* Not on borders: and two leaves. */
	fake_nodes_count(ns);
	c = holes(100, n - 200);
	CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &out), 0);
	CU_ASSERT_EQUAL(ns->n_peek, 5);
	CU_ASSERT_EQUAL(ns->n_put, 5);
	for (uint64_t b = 0; b < n; b++)
		bad += !has_token(ns, &out, b, b >= 100 && b < n - 100 ? 0 :
		    b + 1);
	CU_ASSERT_EQUAL(bad, 0);
	fake_nodes_free(ns);
}

/* Changes that only a bug could make are refused before anything is done. */
static void
test_bad_changes(void)
{
	const struct place p = token_place(5);
	const struct change bad[][2] = {
		{ { 5, 1, p }, { 5, 1, p } },
		{ { 6, 1, p }, { 5, 1, p } },
		{ { 5, 2, p }, { 9, 1, p } },
		{ { 5, 0, p }, { 9, 1, p } },
		{ { 0, 9, hole }, { 8, 1, p } },
		{ { 5, 1, p }, { 4096, 1, p } },
		{ { 5, 1, p }, { 4095, 2, hole } },
		{ { 5, 1, p }, { 9, UINT64_MAX, hole } },
		{ { 5, 1, p }, { UINT64_MAX, 1, p } },
	};
	struct nodes *ns = fake_nodes_new();
	struct map_root root = empty_root(2), out = { p, 77 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(map_fold(ns, &root, bad[i], 2, &out), -EINVAL);
	CU_ASSERT(out.height == 77 && place_equal(&out.top, &p));
	CU_ASSERT_EQUAL(ns->n_put, 0);
	fake_nodes_free(ns);
}

/* ---- errors ------------------------------------------------------------- */

/* Every load and every put fails in turn. */
static void
test_errors(void)
{
	struct change c[] = { block(3, 1000), holes(60, 300),
		block(5000, 1001), holes(4096 * 3 - 1, 4098),
		block(60000, 1002) };
	struct nodes *ns = fake_nodes_new();
	const struct map_root root = full_root(ns, 4096 * 5, 3);
	struct map_root good, out;
	unsigned n_load, n_put;
	int rc;

	ns->miss_every = 1;
	fake_nodes_count(ns);
	CU_ASSERT_EQUAL(map_fold(ns, &root, c, 5, &good), 0);
	n_load = ns->n_load;
	n_put = ns->n_put;
	CU_ASSERT(n_load > 6 && n_put > 6);
	for (unsigned k = 1; k <= n_load + n_put; k++) {
		out = (struct map_root){ hole, 77 };
		ns->fail_load = k <= n_load ? k : 0;
		ns->fail_put = k <= n_load ? 0 : k - n_load;
		ns->fail_rc = k % 2 == 0 ? -EILSEQ : -ENOSPC;
		rc = map_fold(ns, &root, c, 5, &out);
		CU_ASSERT_EQUAL(rc, ns->fail_rc);
		CU_ASSERT_EQUAL(out.height, 77);
	}
	CU_ASSERT_EQUAL(ns->fail_load + ns->fail_put, 0);
	CU_ASSERT_EQUAL(map_fold(ns, &root, c, 5, &out), 0);
	CU_ASSERT(id_equal(&out.top.id, &good.top.id));
	CU_ASSERT(has_token(ns, &out, 4095, 4096));
	/* The look-up gives the error as it is. */
	for (unsigned k = 1; k <= 3; k++) {
		struct place p = hole;

		ns->fail_load = k;
		CU_ASSERT_EQUAL(look_up(ns, &root, 9, 0, &p), ns->fail_rc);
	}
	fake_nodes_free(ns);
}

/*
 * A locator that went bad in the first copy of the top node: a fold takes the
 * child from the other copy, and what it writes is right again.
 */
static void
test_twin(void)
{
	struct nodes *ns = fake_nodes_new();
	const struct map_root root = full_root(ns, 4096 * 3, 3);
	struct change c[] = { block(4096 + 5, 7), block(4096 + 70, 8) };
	struct node *top = fake_nodes_first(ns, root.top.loc);
	struct place child = node_child(top, 1), good = child, p = hole;
	struct map_root out;

	/* Another node that exists, so that the cache has something. */
	child.loc = node_child(top, 2).loc;
	node_set_child(top, 1, child);
	for (unsigned miss = 0; miss < 2; miss++) {
		ns->miss_every = miss;
		/* Never what is there, from the cache or not. */
		CU_ASSERT_EQUAL(look_up(ns, &root, 4096 + 6, 0, &p), -EILSEQ);
		CU_ASSERT_EQUAL(look_up(ns, &root, 4096 + 6, NODE_FROM_TWIN,
		    &p), 0);
		CU_ASSERT(token_is(&p, 4096 + 7));
		fake_nodes_count(ns);
		CU_ASSERT_EQUAL(map_fold(ns, &root, c, 2, &out), 0);
		CU_ASSERT_EQUAL(ns->n_twin, 1);
		CU_ASSERT_EQUAL(ns->n_put, 4);
		CU_ASSERT(has_token(ns, &out, 4096 + 5, 7));
		CU_ASSERT(has_token(ns, &out, 4096 + 6, 4096 + 7));
		CU_ASSERT(has_token(ns, &out, 4096 + 70, 8));
		CU_ASSERT(has_token(ns, &out, 3, 4));
	}
	/* Nowhere at all. */
	child.loc = 12345;
	node_set_child(top, 1, child);
	CU_ASSERT_EQUAL(look_up(ns, &root, 4096 + 6, 0, &p), -ENOENT);
	CU_ASSERT_EQUAL(map_fold(ns, &root, c, 2, &out), 0);
	CU_ASSERT(has_token(ns, &out, 4096 + 6, 4096 + 7));
	/* Both copies of the child gone: an error, whichever way. */
	fake_nodes_slot(ns, good.loc)->rc[0] = -EILSEQ;
	fake_nodes_slot(ns, good.loc)->rc[1] = -EIO;
	out = (struct map_root){ hole, 77 };
	CU_ASSERT_NOT_EQUAL(map_fold(ns, &root, c, 2, &out), 0);
	CU_ASSERT_EQUAL(out.height, 77);
	CU_ASSERT_NOT_EQUAL(look_up(ns, &root, 4096 + 6, NODE_FROM_TWIN, &p),
	    0);
	fake_nodes_free(ns);
}

/*
 * The first copy of the top leads to an inner node of the right id, of which
 * only the second leaf cannot be read: what was folded there already is done
 * again under the inner node that the twin names.
 */
static void
test_twin_starts_over(void)
{
	struct nodes *ns = fake_nodes_new();
	const struct map_root root = full_root(ns, 4096 * 2, 3);
	struct change c[] = { block(4096 + 5, 7), block(4096 + 70, 8),
		holes(4096 + 120, 20) };
	struct node *top = fake_nodes_first(ns, root.top.loc), n;
	struct place child = node_child(top, 1), leaf, other;
	struct map_root out;
	uint64_t bad = 0;

	CU_ASSERT_EQUAL_FATAL(nodes_peek(ns, child.loc, &n), 0);
	leaf = node_child(&n, 1);
	leaf.loc = 1;
	node_set_child(&n, 1, leaf);
	CU_ASSERT_EQUAL_FATAL(nodes_put(ns, &n, &other), 0);
	CU_ASSERT(id_equal(&other.id, &child.id));
	node_set_child(top, 1, other);
	CU_ASSERT_EQUAL_FATAL(map_fold(ns, &root, c, 3, &out), 0);
	for (uint64_t b = 0; b < 4096 * 2; b++)
		bad += !has_token(ns, &out, b, b == 4096 + 5 ? 7 :
		    b == 4096 + 70 ? 8 :
		    b >= 4096 + 120 && b < 4096 + 140 ? 0 : b + 1);
	CU_ASSERT_EQUAL(bad, 0);
	fake_nodes_free(ns);
}

/* ---- map_find ----------------------------------------------------------- */

struct finder {
	struct map_find f;
	unsigned n_done;
	bool stop;
};

static void
found(struct map_find *f)
{
	struct finder *fi = TT_CONTAINER(f, struct finder, f);

	fi->n_done++;
	fi->stop = true;
}

/* By map_find, to the end. */
static int
find(struct finder *fi, struct exec_sync *es, struct nodes *ns,
    const struct map_root *root, uint64_t blk, unsigned flags)
{
	int rc;

	memset(fi, 0xcc, sizeof(*fi));
	fi->f.ns = ns;
	fi->f.ex = exec_sync_exec(es);
	fi->f.root = *root;
	fi->f.blk = blk;
	fi->f.flags = flags;
	fi->f.done = found;
	fi->n_done = 0;
	fi->stop = false;
	rc = map_find(&fi->f);
	CU_ASSERT_EQUAL(fi->n_done, 0);
	if (rc == -EINPROGRESS) {
		exec_sync_run(es, &fi->stop);
		rc = fi->f.rc;
	}
	CU_ASSERT(fi->n_done <= 1);
	CU_ASSERT_EQUAL(fi->f.rc, rc);
	return (rc);
}

static void
test_find(void)
{
	static const unsigned misses[] = { 0, 1, 2, 3, 7 };
	struct nodes *ns = fake_nodes_new();
	struct map_root root = full_root(ns, 70000, 4);
	const struct change c = holes(4096, 4096);
	struct rnd r = { 31 };
	struct exec_sync *es;
	struct finder fi;

	CU_ASSERT_EQUAL_FATAL(exec_sync_new(&es), 0);
	CU_ASSERT_EQUAL(map_fold(ns, &root, &c, 1, &root), 0);
	for (unsigned i = 0; i < steps(6000); i++) {
		const uint64_t blk = rnd_below(&r, 80000);
		const bool is_hole = (blk >= 4096 && blk < 8192) ||
		    blk / 64 > 69999 / 64;
		const uint64_t token = blk < 70000 ? blk + 1 : 0;
		const unsigned flags = i % 9 == 0 ? NODE_FROM_TWIN : 0;
		struct place p = hole;

		ns->miss_every = misses[i % 5];
		fake_nodes_count(ns);
		CU_ASSERT_EQUAL(find(&fi, es, ns, &root, blk, flags), 0);
		CU_ASSERT(ns->n_async <= 4 && ns->n_hit + ns->n_async <= 4);
		CU_ASSERT_EQUAL(ns->n_twin, flags == 0 ? 0 : ns->n_async);
		CU_ASSERT_EQUAL(fi.n_done, ns->n_async > 0);
		CU_ASSERT_EQUAL(fi.f.hole, is_hole);
		if (is_hole)
			continue;
		p = node_child(&fi.f.leaf, blk % NODE_FANOUT);
		CU_ASSERT(token_is(&p, token));
	}
	/* A tree that is one hole, and blocks beyond a tree. */
	ns->miss_every = 1;
	CU_ASSERT_EQUAL(find(&fi, es, ns, &root, UINT64_MAX, 0), 0);
	CU_ASSERT(fi.f.hole);
	root = empty_root(6);
	CU_ASSERT_EQUAL(find(&fi, es, ns, &root, 5, NODE_FROM_TWIN), 0);
	CU_ASSERT(fi.f.hole);
	exec_sync_free(es);
	fake_nodes_free(ns);
}

static void
test_find_errors(void)
{
	struct nodes *ns = fake_nodes_new();
	const struct map_root root = full_root(ns, 70000, 3);
	struct node *top = fake_nodes_first(ns, root.top.loc);
	struct place child = node_child(top, 1), p = hole;
	struct exec_sync *es;
	struct finder fi;

	CU_ASSERT_EQUAL_FATAL(exec_sync_new(&es), 0);
	ns->miss_every = 1;
	for (unsigned k = 1; k <= 3; k++) {
		ns->fail_load = k;
		CU_ASSERT_EQUAL(find(&fi, es, ns, &root, 9, 0), -EIO);
		CU_ASSERT_EQUAL(fi.n_done, 1);
	}
	CU_ASSERT_EQUAL(find(&fi, es, ns, &root, 9, 0), 0);
	/* A wrong locator, to something that is in the cache. */
	child.loc = node_child(top, 2).loc;
	node_set_child(top, 1, child);
	for (ns->miss_every = 0; ns->miss_every < 3; ns->miss_every++) {
		CU_ASSERT_EQUAL(find(&fi, es, ns, &root, 5000, 0), -EILSEQ);
		CU_ASSERT_EQUAL(find(&fi, es, ns, &root, 5000, NODE_FROM_TWIN),
		    0);
		p = node_child(&fi.f.leaf, 5000 % NODE_FANOUT);
		CU_ASSERT(!fi.f.hole && token_is(&p, 5001));
	}
	exec_sync_free(es);
	fake_nodes_free(ns);
}

/* ---- what is lost ------------------------------------------------------ */

static bool
is_lost(struct nodes *ns, const struct map_root *root, uint64_t blk)
{
	struct place p;

	return (look_up(ns, root, blk, 0, &p) == 0 && place_is_lost(&p));
}

/* The node of ${level} above block ${blk}. */
static struct place
node_above(struct nodes *ns, const struct map_root *root, unsigned level,
    uint64_t blk)
{
	struct place p = root->top;
	struct node n;

	for (unsigned l = root->height; l > level; l--) {
		CU_ASSERT_EQUAL_FATAL(nodes_load(ns, p, NODE_FROM_TWIN, &n),
		    0);
		p = node_child(&n, blk >> ((l - 1) * NODE_SHIFT) &
		    (NODE_FANOUT - 1));
	}
	return (p);
}

static void
break_node(struct nodes *ns, struct place p, int rc)
{
	struct fake_slot *s = fake_nodes_slot(ns, p.loc);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	s->rc[0] = s->rc[1] = rc;
}

struct met {
	unsigned n;
	uint64_t first_blk, n_blk;
	locator loc;
	int rc;
	bool answer;
};

static bool
meet(void *arg, struct place p, uint64_t first_blk, uint64_t n_blk, int rc)
{
	struct met *m = arg;

	*m = (struct met){ m->n + 1, first_blk, n_blk, p.loc, rc, m->answer };
	return (m->answer);
}

/* A node of which every block is changed is not needed. */
static void
test_all_changed(void)
{
	struct change c[NODE_FANOUT + 2];
	struct nodes *ns = fake_nodes_new();
	struct map_root root = full_root(ns, 8192, 3), out;
	struct met m = { .answer = false };
	const struct map_lossy lossy = { meet, &m };

	break_node(ns, node_above(ns, &root, 1, 640), -EILSEQ);
	ns->miss_every = 1;
	for (uint64_t b = 0; b < NODE_FANOUT; b++)
		c[b] = block(640 + b, 9000 + b);
	/* All but one, and it is needed. */
	CU_ASSERT_EQUAL(map_fold_lossy(ns, &root, c, NODE_FANOUT - 1, &lossy,
	    &out), -EILSEQ);
	CU_ASSERT_EQUAL(m.n, 1);
	CU_ASSERT_EQUAL(map_fold_lossy(ns, &root, c + 1, NODE_FANOUT - 1,
	    &lossy, &out), -EILSEQ);
	CU_ASSERT_EQUAL(map_fold(ns, &root, c, NODE_FANOUT, &out), 0);
	for (uint64_t b = 0; b < NODE_FANOUT; b++)
		CU_ASSERT_TRUE(has_token(ns, &out, 640 + b, 9000 + b));
	CU_ASSERT_TRUE(has_token(ns, &out, 639, 640));
	CU_ASSERT_TRUE(has_token(ns, &out, 704, 705));
	/* Blocks and holes together; a hole over the end of the node. */
	c[60] = holes(700, 10);
	CU_ASSERT_EQUAL(map_fold(ns, &root, c, 61, &out), 0);
	CU_ASSERT_TRUE(has_token(ns, &out, 699, 9059));
	CU_ASSERT_TRUE(has_token(ns, &out, 700, 0));
	CU_ASSERT_TRUE(has_token(ns, &out, 709, 0));
	CU_ASSERT_TRUE(has_token(ns, &out, 710, 711));
	/* The same content without having read is the same tree. */
	root = full_root(ns, 8192, 3);
	for (uint64_t b = 0; b < NODE_FANOUT; b++)
		c[b] = block(640 + b, 641 + b);
	CU_ASSERT_EQUAL(map_fold(ns, &root, c, NODE_FANOUT, &out), 0);
	CU_ASSERT_TRUE(id_equal(&out.top.id, &root.top.id));
	fake_nodes_free(ns);
}

/* At each level: what was not written is lost, and nothing else. */
static void
lost_at(unsigned level, int rc)
{
	struct nodes *ns = fake_nodes_new();
	struct map_root root = full_root(ns, 8192, 3), out, again, healed;
	struct met m = { .answer = false };
	const struct map_lossy lossy = { meet, &m };
	const uint64_t span = blks_of(level), first = 4800 / span * span;
	struct change c[3] = { block(10, 70001), block(4801, 70002),
	    block(8100, 70003) };
	struct place bad = node_above(ns, &root, level, 4800);
	unsigned wrong = 0;

	break_node(ns, bad, rc);
	ns->miss_every = 1;
	CU_ASSERT_EQUAL(map_fold(ns, &root, c, 3, &out), rc);
	CU_ASSERT_EQUAL(map_fold_lossy(ns, &root, c, 3, &lossy, &out), rc);
	/* Asked once, and about the node itself. */
	CU_ASSERT_EQUAL(m.n, 1);
	CU_ASSERT_TRUE(m.loc == bad.loc && m.rc == rc &&
	    m.first_blk == first && m.n_blk == span);
	m.answer = true;
	CU_ASSERT_EQUAL_FATAL(map_fold_lossy(ns, &root, c, 3, &lossy, &out),
	    0);
	CU_ASSERT_EQUAL(m.n, 2);
	for (uint64_t b = 0; b < 8192; b++) {
		if (b == 10 || b == 4801 || b == 8100)
			wrong += !has_token(ns, &out, b, b == 10 ? 70001 :
			    b == 4801 ? 70002 : 70003);
		else if (b >= first && b < first + span)
			wrong += !is_lost(ns, &out, b);
		else
			wrong += !has_token(ns, &out, b, b + 1);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	/* Folded again, it is still lost, and nobody is asked any more. */
	c[0] = block(4802, 70004);
	c[1] = holes(4803, 2);
	CU_ASSERT_EQUAL_FATAL(map_fold_lossy(ns, &out, c, 2, &lossy, &again),
	    0);
	CU_ASSERT_EQUAL(m.n, 2);
	CU_ASSERT_TRUE(is_lost(ns, &again, 4800));
	CU_ASSERT_TRUE(has_token(ns, &again, 4801, 70002));
	CU_ASSERT_TRUE(has_token(ns, &again, 4802, 70004));
	CU_ASSERT_TRUE(has_token(ns, &again, 4803, 0));
	CU_ASSERT_TRUE(has_token(ns, &again, 4804, 0));
	CU_ASSERT_TRUE(is_lost(ns, &again, 4805));
	/* Written all over, it is as good as new. */
	c[0] = holes(first, span);
	CU_ASSERT_EQUAL_FATAL(map_fold(ns, &again, c, 1, &healed), 0);
	for (uint64_t b = first; b < first + span; b++)
		wrong += !has_token(ns, &healed, b, 0);
	CU_ASSERT_EQUAL(wrong, 0);
	fake_nodes_free(ns);
}

static void
test_lost(void)
{

	for (unsigned level = 1; level <= 3; level++) {
		lost_at(level, -EILSEQ);
		lost_at(level, -EIO);
		lost_at(level, -ENOENT);
	}
}

/* A failure of ours is no damage, whatever the caller would bear. */
static void
test_lost_not(void)
{
	static const int rcs[] = { -ENOMEM, -EMFILE, -ENOSPC };
	struct nodes *ns = fake_nodes_new();
	struct map_root root = full_root(ns, 8192, 3), out;
	struct met m = { .answer = true };
	const struct map_lossy lossy = { meet, &m };
	struct change c = block(4801, 1);
	struct node *n;

	ns->miss_every = 1;
	for (size_t i = 0; i < sizeof(rcs) / sizeof(rcs[0]); i++) {
		break_node(ns, node_above(ns, &root, 1, 4801), rcs[i]);
		CU_ASSERT_EQUAL(map_fold_lossy(ns, &root, &c, 1, &lossy, &out),
		    rcs[i]);
		break_node(ns, node_above(ns, &root, 1, 4801), 0);
	}
	/* A locator that is bad in one copy of the parent costs nothing. */
	ns->miss_every = 0;
	n = fake_nodes_first(ns, node_above(ns, &root, 2, 4801).loc);
	n->b[(4801 / 64 % 64) * PLACE_LEN + 17] ^= 0x55;
	CU_ASSERT_EQUAL(map_fold_lossy(ns, &root, &c, 1, &lossy, &out), 0);
	CU_ASSERT_EQUAL(m.n, 0);
	CU_ASSERT_TRUE(has_token(ns, &out, 4801, 1));
	fake_nodes_free(ns);
}

/* The look-up without waiting says the same. */
static void
test_find_lost(void)
{
	struct map_root root = { PLACE_LOST, 4 };
	struct nodes *ns = fake_nodes_new();
	struct map_find f = { .ns = ns, .root = root, .blk = 77 };
	struct place p;

	CU_ASSERT_EQUAL(map_find(&f), 0);
	CU_ASSERT_FALSE(f.hole);
	for (unsigned k = 0; k < NODE_FANOUT; k++) {
		p = node_child(&f.leaf, k);
		CU_ASSERT_TRUE(place_is_lost(&p));
		CU_ASSERT_FALSE(id_is_hole(&p.id));
	}
	CU_ASSERT_TRUE(is_lost(ns, &root, blks_of(4) - 1));
	CU_ASSERT_TRUE(has_token(ns, &root, blks_of(4), 0));
	fake_nodes_free(ns);
}

static const struct unit_test tests[] = {
	{ "changed all over", test_all_changed },
	{ "lost", test_lost },
	{ "not lost", test_lost_not },
	{ "finding what is lost", test_find_lost },
	{ "height", test_height },
	{ "one block", test_one_block },
	{ "nothing to do", test_nothing },
	{ "holes drop subtrees", test_holes_drop_subtrees },
	{ "bad changes", test_bad_changes },
	{ "errors", test_errors },
	{ "twin", test_twin },
	{ "twin starts over", test_twin_starts_over },
	{ "find", test_find },
	{ "find errors", test_find_errors },
};
UNIT_MAIN("map", tests)
