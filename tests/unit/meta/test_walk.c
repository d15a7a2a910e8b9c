/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walking trees: everything once, in order, and what damage does to it.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "meta/walk.h"
#include "tests/unit/meta/nodefix.h"

/* The next read of this file fails. */
static _Atomic unsigned long refused_ino;

__attribute__((visibility("default"))) ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{
	struct stat st;

	if (refused_ino != 0 && fstat(fd, &st) == 0 &&
	    st.st_ino == refused_ino) {
		refused_ino = 0;
		errno = EIO;
		return (-1);
	}
	return (syscall(SYS_pread64, fd, buf, n, off));
}

/* What the ops were told. */
struct told {
	char text[4096];
	size_t len;
	unsigned blocks, stop_at;
	locator skip;
	const struct walk *w;
	unsigned depth_min, depth_max;
};

static void
say(struct told *t, const char *what, uint64_t a, uint64_t b)
{

	t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len,
	    "%s%" PRIu64 "+%" PRIu64 " ", what, a, b);
	CU_ASSERT_FATAL(t->len < sizeof(t->text));
}

static int
block(void *arg, struct place p, uint64_t blk)
{
	struct told *t = arg;

	say(t, "b", blk, p.id.lo);
	t->depth_min = t->blocks == 0 ? t->w->depth :
	    TT_MIN(t->depth_min, t->w->depth);
	t->depth_max = TT_MAX(t->depth_max, t->w->depth);
	return (++t->blocks == t->stop_at ? -ESHUTDOWN : 0);
}

static int
bad_node(void *arg, struct place p, uint64_t blk, uint64_t n_blk, int rc)
{

	(void)p;
	CU_ASSERT_TRUE(rc == -EILSEQ || rc == -ENOENT);
	say(arg, "n", blk, n_blk);
	return (0);
}

static int
lost(void *arg, uint64_t blk, uint64_t n_blk)
{

	say(arg, "l", blk, n_blk);
	return (0);
}

static bool
want(void *arg, struct place p, uint64_t blk, uint64_t n_blk)
{
	const struct told *t = arg;

	CU_ASSERT_EQUAL(blk % (n_blk == 0 ? 1 : n_blk), 0);
	return (p.loc != t->skip);
}

static const struct walk_ops ops = { .block = block, .bad_node = bad_node,
    .lost = lost, .want = want };

static struct place
leaf(struct nodefix *x, unsigned n, uint64_t stamp)
{
	struct node nd;
	struct place p;

	memset(&nd, 0, sizeof(nd));
	for (unsigned i = 0; i < n; i++)
		node_set_child(&nd, i * 2, (struct place){ { 5, stamp + i },
		    loc_make(90, 8 + 8 * (uint32_t)(stamp + i), 8, 0) });
	CU_ASSERT_EQUAL_FATAL(nodes_put(x->ns, &nd, &p), 0);
	return (p);
}

struct tree {
	struct nodefix x;
	struct place a, b, up, top;
};

/*
 * Height 3: the top's child 2 is a node with the leaves a (child 0) and b
 * (child 63); its child 3 is lost; b has a lost block at 1.
 */
static void
tree_make(struct tree *t)
{
	struct node nd;

	nodefix_setup(&t->x, NODEFIX_BYTES);
	t->a = leaf(&t->x, 2, 10);
	memset(&nd, 0, sizeof(nd));
	node_set_child(&nd, 0, (struct place){ { 5, 20 },
	    loc_make(90, 800, 8, 0) });
	node_set_child(&nd, 1, PLACE_LOST);
	CU_ASSERT_EQUAL_FATAL(nodes_put(t->x.ns, &nd, &t->b), 0);
	memset(&nd, 0, sizeof(nd));
	node_set_child(&nd, 0, t->a);
	node_set_child(&nd, 63, t->b);
	CU_ASSERT_EQUAL_FATAL(nodes_put(t->x.ns, &nd, &t->up), 0);
	memset(&nd, 0, sizeof(nd));
	node_set_child(&nd, 2, t->up);
	node_set_child(&nd, 3, PLACE_LOST);
	CU_ASSERT_EQUAL_FATAL(nodes_put(t->x.ns, &nd, &t->top), 0);
	CU_ASSERT_EQUAL(nodes_flush(t->x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(t->x.ns), 0);
	nodefix_reopen(&t->x);
}

static void
harm(struct nodefix *x, locator loc, unsigned copy, unsigned off, uint8_t bits)
{
	uint64_t at = (uint64_t)loc_off_sectors(loc) * SECTOR_BYTES + off;
	uint8_t c;

	nodefix_get(x, loc_segment(loc) + copy, at, &c, 1);
	c ^= bits;
	nodefix_write(x, loc_segment(loc) + copy, at, &c, 1);
}

static int
walk(struct tree *t, struct told *told, unsigned height, bool both,
    struct locset *seen)
{
	struct walk w = { .ns = t->x.ns, .ops = &ops, .arg = told,
	    .both = both, .seen = seen };
	int rc;

	*told = (struct told){ .w = &w, .stop_at = told->stop_at,
	    .skip = told->skip };
	rc = walk_tree(&w, t->top, height);
	CU_ASSERT_EQUAL(nodes_cached_bytes(t->x.ns), 0);
	return (rc);
}

#define WHOLE	"b8192+10 b8194+11 b12224+20 l12225+1 l12288+4096 "

static void
test_all(void)
{
	struct told told = { .stop_at = 0 };
	struct locset *seen;
	struct tree t;

	tree_make(&t);
	for (unsigned both = 0; both < 2; both++) {
		CU_ASSERT_EQUAL(walk(&t, &told, 3, both, NULL), 0);
		CU_ASSERT_STRING_EQUAL(told.text, WHOLE);
		CU_ASSERT_EQUAL(told.depth_min, 3);
		CU_ASSERT_EQUAL(told.depth_max, 3);
		/* Without the height, blocks have no numbers. */
		CU_ASSERT_EQUAL(walk(&t, &told, 0, both, NULL), 0);
		CU_ASSERT_STRING_EQUAL(told.text,
		    "b0+10 b0+11 b0+20 l0+0 l0+0 ");
	}
	/* Once only. */
	CU_ASSERT_EQUAL_FATAL(locset_new(NODEFIX_BYTES, &seen), 0);
	CU_ASSERT_EQUAL(walk(&t, &told, 3, false, seen), 0);
	CU_ASSERT_STRING_EQUAL(told.text, WHOLE);
	CU_ASSERT_EQUAL(walk(&t, &told, 3, false, seen), 0);
	CU_ASSERT_STRING_EQUAL(told.text, "");
	CU_ASSERT_EQUAL(locset_bytes(seen), 4 * NODE_BYTES);
	locset_free(seen);
	/* Who does not want a node does not get what is below. */
	told.skip = t.b.loc;
	CU_ASSERT_EQUAL(walk(&t, &told, 3, false, NULL), 0);
	CU_ASSERT_STRING_EQUAL(told.text, "b8192+10 b8194+11 l12288+4096 ");
	told.skip = 0;
	/* The end comes when an op says so. */
	told.stop_at = 2;
	CU_ASSERT_EQUAL(walk(&t, &told, 3, false, NULL), -ESHUTDOWN);
	CU_ASSERT_STRING_EQUAL(told.text, "b8192+10 b8194+11 ");
	told.stop_at = 0;
	/* Roots of no nodes. */
	t.top = (struct place){ .loc = 0 };
	CU_ASSERT_EQUAL(walk(&t, &told, 3, false, NULL), 0);
	CU_ASSERT_STRING_EQUAL(told.text, "");
	t.top = PLACE_LOST;
	CU_ASSERT_EQUAL(walk(&t, &told, 2, false, NULL), 0);
	CU_ASSERT_STRING_EQUAL(told.text, "l0+4096 ");
	nodefix_teardown(&t.x);
}

static void
test_damage(void)
{
	struct told told = { .stop_at = 0 };
	struct walk w = { .ops = &(const struct walk_ops){ .block = block },
	    .arg = &told };
	struct tree t;

	/* One copy: nothing is missed. */
	tree_make(&t);
	harm(&t.x, t.a.loc, 0, 0, 1);
	harm(&t.x, t.up.loc, 1, 5, 1);
	CU_ASSERT_EQUAL(walk(&t, &told, 3, false, NULL), 0);
	CU_ASSERT_STRING_EQUAL(told.text, WHOLE);
	CU_ASSERT_EQUAL(walk(&t, &told, 3, true, NULL), 0);
	CU_ASSERT_STRING_EQUAL(told.text, WHOLE);
	/* Both. */
	harm(&t.x, t.a.loc, 1, 48, 0x80);
	CU_ASSERT_EQUAL(walk(&t, &told, 3, false, NULL), 0);
	CU_ASSERT_STRING_EQUAL(told.text,
	    "n8192+64 b12224+20 l12225+1 l12288+4096 ");
	harm(&t.x, t.up.loc, 0, 5, 1);
	CU_ASSERT_EQUAL(walk(&t, &told, 3, true, NULL), 0);
	CU_ASSERT_STRING_EQUAL(told.text, "n8192+4096 l12288+4096 ");
	/* Nobody there who goes on behind it. */
	w.ns = t.x.ns;
	told = (struct told){ .w = &w };
	CU_ASSERT_EQUAL(walk_tree(&w, t.top, 3), -EILSEQ);
	nodefix_teardown(&t.x);
}

/* Locators are not covered by ids: the other copy has the right one. */
static void
test_wrong_locator(void)
{
	struct told told = { .stop_at = 0 };
	struct locset *seen;
	struct tree t;

	for (unsigned copy = 0; copy < 2; copy++) {
		tree_make(&t);
		CU_ASSERT_EQUAL_FATAL(locset_new(NODEFIX_BYTES, &seen), 0);
		/* The offset, and then the flag that says node. */
		harm(&t.x, t.up.loc, copy, 22, 2);
		harm(&t.x, t.top.loc, copy, 2 * PLACE_LEN + 19, 0x40);
		CU_ASSERT_EQUAL(walk(&t, &told, 3, true, NULL), 0);
		CU_ASSERT_STRING_EQUAL(told.text, WHOLE);
		CU_ASSERT_EQUAL(walk(&t, &told, 3, false, seen), 0);
		CU_ASSERT_STRING_EQUAL(told.text, WHOLE);
		locset_free(seen);
		nodefix_teardown(&t.x);
	}
}

/*
 * The locator of leaf a is wrong in one copy of its parent, so that it falls
 * on leaf b, and the other copy cannot be read just then.  Neither leaf may be
 * missed without a word.
 */
static void
test_wrong_and_refused(void)
{
	static const struct walk_ops strict = { .block = block };
	struct told told = { .stop_at = 0 };
	struct locset *seen;
	struct stat st;
	struct tree t;
	struct walk w;
	int rc;

	tree_make(&t);
	CU_ASSERT_EQUAL_FATAL(locset_new(NODEFIX_BYTES, &seen), 0);
	harm(&t.x, t.up.loc, 0, 21, 1);
	CU_ASSERT_EQUAL(loc_off_sectors(t.a.loc) + NODE_SECTORS,
	    loc_off_sectors(t.b.loc));
	CU_ASSERT_EQUAL(stat(nodefix_file(&t.x, loc_segment(t.up.loc) + 1),
	    &st), 0);
	t.top = t.up;
	w = (struct walk){ .ns = t.x.ns, .ops = &strict, .arg = &told,
	    .both = true, .seen = seen };
	told.w = &w;
	refused_ino = st.st_ino;
	rc = walk_tree(&w, t.top, 2);
	CU_ASSERT_EQUAL(refused_ino, 0);
	CU_ASSERT(rc != 0 || told.blocks == 3);
	locset_free(seen);
	nodefix_teardown(&t.x);
}

/* Looking at what is in the cache is no use of it. */
static void
test_cold(void)
{
	struct place p[2000];
	struct nodefix x;
	unsigned kept = 0;
	struct node nd;

	nodefix_setup(&x, SEG_BYTES);
	nodes_free(x.ns);
	x.conf.cache_bytes = 0;
	CU_ASSERT_EQUAL_FATAL(nodes_new(&x.conf, &x.ns), 0);
	nodefix_put(&x, p, 0, 500);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	for (unsigned i = 0; i < 4000; i++) {
		CU_ASSERT_EQUAL(nodes_load(x.ns, p[i % 500], NODE_NO_KEEP,
		    &nd), 0);
		CU_ASSERT_TRUE(nodefix_is(&nd, i % 500));
	}
	nodefix_put(&x, p + 500, 500, 1500);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	for (unsigned i = 0; i < 500; i++)
		kept += nodes_peek(x.ns, p[i].loc, &nd) == 0;
	/* 1,500 newer ones went through a cache of about a thousand. */
	CU_ASSERT_EQUAL(kept, 0);
	nodefix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "everything", test_all },
	{ "damage", test_damage },
	{ "a wrong locator", test_wrong_locator },
	{ "a wrong locator, a refused read", test_wrong_and_refused },
	{ "the cache stays as it is", test_cold },
};

UNIT_MAIN("walk", tests)
