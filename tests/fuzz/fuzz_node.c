/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_node.c - damage in the nodes of a tree, in one copy or in both.  Byte 0:
 * 1 both copies are read at once, 2 damage in both copies, 4 some blocks are
 * changed afterwards (four distances, 2 bytes each); then any number of patches:
 * copy 1, offset 2 (in the segment), length 1, bytes.
 *
 * What is told of the tree is true, whatever the damage; damage in one copy
 * hides nothing.  A fold over it changes what it should and else nothing, or
 * says that it is lost.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "lun/map.h"
#include "meta/walk.h"
#include "tests/unit/meta/nodefix.h"

#define HEIGHT		3u
#define LEAVES		12u
#define BLOCKS		(LEAVES * NODE_FANOUT * 5)
#define N_BLOCKS	(43 * PER_SEGMENT)
#define SEG_LEN		65536u
#define PER_SEGMENT	15u		/* blocks in it */

static struct nodefix x;
static struct map_root root;
static uint8_t good[2][SEG_LEN];
static uint32_t first;			/* of the pair */
static uint32_t next_segment;

/* Of what lies at their places: who has to decide between two looks there. */
static struct id ids[BLOCKS];

static struct id
block_id(uint64_t blk)
{

	return (blk < BLOCKS ? ids[blk] : (struct id){ 0, 0 });
}

static locator
block_loc(uint64_t n)
{

	return (loc_make(90 + (uint32_t)(n / PER_SEGMENT),
	    8 + 8 * (uint32_t)(n % PER_SEGMENT), 8, 0));
}

static void
write_block(uint64_t blk, locator loc)
{
	static struct seg *s;
	uint8_t buf[4096];
	struct iovec iov = { buf, sizeof(buf) };

	memset(buf, (int)(blk % 251 + 1), sizeof(buf));
	memcpy(buf, &blk, sizeof(blk));
	ids[blk] = id_of(buf, sizeof(buf));
	if (loc_off_sectors(loc) == 8)
		FUZZ_HOLDS(segs_create(x.f.ss, loc_segment(loc), &s) == 0);
	FUZZ_HOLDS(seg_write(s, &iov, 1, loc_off_sectors(loc) * 512u) == 0);
	if (loc_off_sectors(loc) == 8 * PER_SEGMENT)
		seg_put(s);
}

static void
clean_up(void)
{

	nodefix_teardown(&x);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct change c[BLOCKS];
	size_t n = 0;

	(void)argc;
	(void)argv;
	fuzz_silent();
	nodefix_setup(&x, NODEFIX_BYTES);
	/* Every fifth leaf, so that there are several nodes above them. */
	for (uint64_t blk = 0; blk < BLOCKS; blk++) {
		if (blk / NODE_FANOUT % 5 != 0 || blk % 7 == 0 ||
		    n == N_BLOCKS)
			continue;
		write_block(blk, block_loc(n));
		c[n] = (struct change){ .first_blk = blk, .n_blk = 1,
		    .place = { ids[blk], block_loc(n) } };
		n++;
	}
	FUZZ_HOLDS(n == N_BLOCKS);
	root = (struct map_root){ .height = HEIGHT };
	FUZZ_HOLDS(map_fold(x.ns, &root, c, n, &root) == 0);
	FUZZ_HOLDS(nodes_flush(x.ns) == 0 && nodes_sync(x.ns) == 0);
	nodes_committed(x.ns);
	next_segment = x.next_segment;
	first = loc_segment(root.top.loc);
	for (unsigned k = 0; k < 2; k++)
		nodefix_get(&x, first + k, 0, good[k], SEG_LEN);
	(void)atexit(clean_up);
	return (0);
}

struct told {
	bool seen[BLOCKS];
	unsigned n, bad;
};

static bool
is_there(uint64_t blk)
{
	struct id id = block_id(blk);

	return (!id_is_hole(&id));
}

static int
one_block(void *arg, struct place p, uint64_t blk)
{
	struct told *t = arg;
	struct id want = block_id(blk);

	FUZZ_HOLDS(is_there(blk) && id_equal(&p.id, &want) && !t->seen[blk]);
	t->seen[blk] = true;
	t->n++;
	return (0);
}

static int
one_bad(void *arg, struct place p, uint64_t blk, uint64_t n_blk, int rc)
{
	struct told *t = arg;

	(void)p;
	FUZZ_HOLDS(rc < 0 && n_blk > 0 && blk % n_blk == 0);
	t->bad++;
	return (0);
}

static int
one_lost(void *arg, uint64_t blk, uint64_t n_blk)
{

	(void)arg;
	(void)blk;
	(void)n_blk;
	/* No fold has ever lost anything here. */
	abort();
}

/* As readers do: when the way from one copy leads nowhere, the other one. */
static void
look_up(bool one_copy, uint64_t blk)
{
	struct id want = block_id(blk), got = { 0, 0 };
	struct node leaf;
	bool is_hole;
	int rc;

	rc = map_find_wait(x.ns, &root, blk, 0, &leaf, &is_hole);
	if (rc != 0)
		rc = map_find_wait(x.ns, &root, blk, NODE_FROM_TWIN, &leaf,
		    &is_hole);
	FUZZ_HOLDS(rc == 0 || !one_copy);
	if (rc != 0)
		return;
	if (!is_hole)
		got = node_child(&leaf, blk % NODE_FANOUT).id;
	if (!is_there(blk))
		want = (struct id){ 0, 0 };
	FUZZ_HOLDS(id_equal(&got, &want));
}

/* ---- folding over it ------------------------------------------------------ */

#define CHANGES 4u

static bool
met(void *arg, struct place p, uint64_t first_blk, uint64_t n_blk, int rc)
{
	unsigned *n = arg;

	(void)p;
	FUZZ_HOLDS(rc < 0 && n_blk > 0 && first_blk % n_blk == 0);
	++*n;
	return (true);
}

/* What the block is, in the new tree. */
static void
look_again(const struct map_root *now, uint64_t blk, const struct change *c,
    bool may_be_lost)
{
	struct id want = is_there(blk) ? block_id(blk) : (struct id){ 0, 0 };
	struct place got = { { 0, 0 }, 0 };
	bool is_hole, is_new = false;
	struct node leaf;
	int rc;

	for (unsigned i = 0; i < CHANGES; i++)
		if (c[i].first_blk == blk) {
			want = c[i].place.id;
			is_new = true;
		}
	rc = map_find_wait(x.ns, now, blk, 0, &leaf, &is_hole);
	if (rc != 0)
		rc = map_find_wait(x.ns, now, blk, NODE_FROM_TWIN, &leaf,
		    &is_hole);
	FUZZ_HOLDS(rc == 0 || (may_be_lost && !is_new));
	if (rc != 0)
		return;
	if (!is_hole)
		got = node_child(&leaf, blk % NODE_FANOUT);
	if (place_is_lost(&got))
		FUZZ_HOLDS(may_be_lost && !is_new);
	else
		FUZZ_HOLDS(id_equal(&got.id, &want));
}

static void
fold_some(const uint16_t dist[static CHANGES], bool two)
{
	struct change c[CHANGES];
	struct map_root now;
	unsigned n_met = 0;
	const struct map_lossy lossy = { met, &n_met };
	uint64_t blk = 0;

	for (unsigned i = 0; i < CHANGES; i++) {
		blk += 1 + dist[i] % 2000u;
		c[i] = (struct change){ .first_blk = blk, .n_blk = 1,
		    .place = { { 77, blk + 1 }, loc_make(80, 8 + 8 * i, 8,
		    0) } };
	}
	FUZZ_HOLDS(map_fold_lossy(x.ns, &root, c, CHANGES, &lossy, &now) == 0);
	FUZZ_HOLDS(two || n_met == 0);
	FUZZ_HOLDS(nodes_flush(x.ns) == 0);
	for (unsigned i = 0; i < CHANGES; i++)
		look_again(&now, c[i].first_blk, c, two);
	for (blk = 0; blk < BLOCKS; blk += 13)
		look_again(&now, blk, c, two);
	nodes_discard(x.ns);
	x.next_segment = next_segment;
}

static void
put_back(void)
{

	for (unsigned k = 0; k < 2; k++)
		nodefix_write(&x, first + k, 0, good[k], SEG_LEN);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct walk_ops ops = { .block = one_block,
	    .bad_node = one_bad, .lost = one_lost };
	struct in in = { data, size };
	uint8_t how = in_u8(&in);
	bool two = (how & 2) != 0;
	struct told t = { .n = 0 };
	struct walk w = { .ops = &ops, .arg = &t, .both = (how & 1) != 0 };
	uint16_t dist[CHANGES] = { 0 };
	unsigned all = 0;

	for (unsigned i = 0; (how & 4) != 0 && i < CHANGES; i++)
		dist[i] = in_be16(&in);
	while (in.left > 0) {
		uint8_t kind = in_u8(&in);
		uint16_t off = in_be16(&in);
		size_t n = in_u8(&in);
		const uint8_t *p = in_bytes(&in, &n);

		if (n > SEG_LEN - (size_t)off)
			n = SEG_LEN - (size_t)off;
		if (n > 0)
			nodefix_write(&x, first + (two ? kind & 1 : 0), off, p,
			    n);
	}
	nodefix_reopen(&x);
	w.ns = x.ns;
	FUZZ_HOLDS(walk_tree(&w, root.top, HEIGHT) == 0);
	for (uint64_t blk = 0; blk < BLOCKS; blk++)
		all += is_there(blk) ? 1 : 0;
	FUZZ_HOLDS(two || (t.n == all && t.bad == 0));
	for (uint64_t blk = 0; blk < BLOCKS; blk += 31)
		look_up(!two, blk);
	if ((how & 4) != 0)
		fold_some(dist, two);
	put_back();
	return (0);
}
