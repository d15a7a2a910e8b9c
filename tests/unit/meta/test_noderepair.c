/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bad copy is made good again from the other one, and when not.
 */
#include <sys/syscall.h>

#include "meta/noderepair.h"
#include "meta/segmedium.h"
#include "tests/unit/meta/nodefix.h"

enum { N = 30 };

/* Done behind the next read. */
static void (*behind_read)(void);

__attribute__((visibility("default"))) ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{
	ssize_t got = syscall(SYS_pread64, fd, buf, n, off);
	void (*fn)(void) = behind_read;

	behind_read = NULL;
	if (fn != NULL)
		fn();
	return (got);
}

struct fix {
	struct nodefix x;
	struct place p[N];
};

static void
setup(struct fix *f)
{

	nodefix_setup(&f->x, SEG_BYTES);
	nodefix_put(&f->x, f->p, 0, N);
	CU_ASSERT_EQUAL(nodes_flush(f->x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(f->x.ns), 0);
	nodefix_reopen(&f->x);
}

static void
flip(struct fix *f, unsigned i, unsigned copy, unsigned byte)
{
	uint32_t number = loc_segment(f->p[i].loc) + copy;
	uint64_t at = (uint64_t)loc_off_sectors(f->p[i].loc) * SECTOR_BYTES +
	    byte;
	uint8_t c;

	nodefix_get(&f->x, number, at, &c, 1);
	c ^= 0x40;
	nodefix_write(&f->x, number, at, &c, 1);
}

/* Every byte of both files. */
static uint8_t *
bytes_of(struct fix *f)
{
	uint8_t *b = malloc(2 * NODEFIX_BYTES);

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	nodefix_get(&f->x, 1, 0, b, NODEFIX_BYTES);
	nodefix_get(&f->x, 2, 0, b + NODEFIX_BYTES, NODEFIX_BYTES);
	return (b);
}

static bool
same_bytes(struct fix *f, uint8_t *was)
{
	uint8_t *now = bytes_of(f);
	bool same = memcmp(now, was, 2 * NODEFIX_BYTES) == 0;

	free(now);
	free(was);
	return (same);
}

/* Any one node, either copy, any byte: everything is as it was. */
static void
test_repair(void)
{
	struct node_check c;
	struct node n;
	struct fix f;

	setup(&f);
	for (unsigned i = 0; i < N; i++) {
		unsigned copy = i % 2;
		uint8_t *was = bytes_of(&f);

		/* Of an id: a locator is another matter. */
		flip(&f, i, copy, 2 * i * PLACE_LEN + i % 16);
		CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[i], true, &n, &c), 0);
		CU_ASSERT_TRUE(nodefix_is(&n, i));
		CU_ASSERT_EQUAL(c.rc[!copy], 0);
		CU_ASSERT_EQUAL(c.rc[copy], -EILSEQ);
		CU_ASSERT_TRUE(c.repaired[copy]);
		CU_ASSERT_FALSE(c.repaired[!copy]);
		CU_ASSERT_EQUAL(c.segment[copy], 1 + copy);
		CU_ASSERT_EQUAL(c.off_bytes[copy],
		    (uint64_t)loc_off_sectors(f.p[i].loc) * 512);
		CU_ASSERT_TRUE(same_bytes(&f, was));
		/* Nothing to do the second time. */
		CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[i], true, &n, &c), 0);
		CU_ASSERT_TRUE(c.rc[0] == 0 && c.rc[1] == 0 && !c.differ);
		CU_ASSERT_FALSE(c.repaired[0] || c.repaired[1]);
	}
	nodefix_teardown(&f.x);
}

/* A copy that was destroyed behind a cache that has the node. */
static void
test_behind_the_cache(void)
{
	struct node_check c;
	struct node n;
	struct fix f;

	setup(&f);
	CU_ASSERT_EQUAL(nodes_load(f.x.ns, f.p[3], NODE_BOTH, &n), 0);
	flip(&f, 3, 0, 100);
	CU_ASSERT_EQUAL(nodes_peek_both(f.x.ns, f.p[3].loc, &n), 0);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[3], true, &n, &c), 0);
	CU_ASSERT_TRUE(c.repaired[0]);
	/* The other copy is destroyed now, and the repaired one is enough. */
	flip(&f, 3, 1, 200);
	nodefix_reopen(&f.x);
	CU_ASSERT_EQUAL(nodes_load(f.x.ns, f.p[3], 0, &n), 0);
	CU_ASSERT_TRUE(nodefix_is(&n, 3));
	nodefix_teardown(&f.x);
}

/* Not asked for, not done. */
static void
test_only_look(void)
{
	struct node_check c;
	uint8_t *was;
	struct node n;
	struct fix f;

	setup(&f);
	flip(&f, 5, 1, 0);
	was = bytes_of(&f);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[5], false, &n, &c), 0);
	CU_ASSERT_TRUE(nodefix_is(&n, 5));
	CU_ASSERT_EQUAL(c.rc[1], -EILSEQ);
	CU_ASSERT_FALSE(c.repaired[1]);
	CU_ASSERT_TRUE(same_bytes(&f, was));
	nodefix_teardown(&f.x);
}

/*
 * A neighbour in the same page has its only good copy there: a cut in the
 * middle of the write could take it, so the page is left alone.
 */
static void
test_neighbour(void)
{
	struct node_check c;
	uint8_t *was;
	struct node n;
	struct fix f;

	setup(&f);
	flip(&f, 6, 0, 9);
	flip(&f, 7, 1, 9);
	was = bytes_of(&f);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[6], true, &n, &c), 0);
	CU_ASSERT_TRUE(nodefix_is(&n, 6));
	CU_ASSERT_EQUAL(c.rc[0], -EILSEQ);
	CU_ASSERT_FALSE(c.repaired[0]);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[7], true, &n, &c), 0);
	CU_ASSERT_TRUE(nodefix_is(&n, 7));
	CU_ASSERT_FALSE(c.repaired[1]);
	CU_ASSERT_TRUE(same_bytes(&f, was));
	/* Several bad ones in the same copy are healed together. */
	flip(&f, 20, 1, 9);
	flip(&f, 21, 1, 9);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[20], true, &n, &c), 0);
	CU_ASSERT_TRUE(c.repaired[1]);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[21], true, &n, &c), 0);
	CU_ASSERT_TRUE(c.repaired[1] || c.rc[1] == 0);
	nodefix_teardown(&f.x);
}

/*
 * A neighbour whose other copy has a wrong locator, which its id does not tell:
 * the right one is in the page that is written.
 */
static void
test_neighbour_locator(void)
{
	struct node_check c;
	uint8_t *was;
	struct node n;
	struct fix f;

	setup(&f);
	flip(&f, 7, 1, 23);
	was = bytes_of(&f);
	flip(&f, 6, 0, 9);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[6], true, &n, &c), 0);
	CU_ASSERT_TRUE(nodefix_is(&n, 6));
	CU_ASSERT_TRUE(c.repaired[0]);
	CU_ASSERT_TRUE(same_bytes(&f, was));
	nodefix_teardown(&f.x);
}

/* Both bad: nothing is touched, and it says so. */
static void
test_both(void)
{
	struct node_check c;
	uint8_t *was;
	struct node n;
	struct fix f;

	setup(&f);
	flip(&f, 9, 0, 9);
	flip(&f, 9, 1, 700);
	was = bytes_of(&f);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[9], true, &n, &c), -EILSEQ);
	CU_ASSERT_TRUE(same_bytes(&f, was));
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, PLACE_LOST, true, &n, &c),
	    -EILSEQ);
	nodefix_teardown(&f.x);
}

/* The tail is cut off; it grows again.  A file that is gone does not. */
static void
test_short(void)
{
	struct node_check c;
	struct node n;
	struct fix f;

	setup(&f);
	CU_ASSERT_EQUAL(truncate(nodefix_file(&f.x, 1), (off_t)
	    loc_off_sectors(f.p[10].loc) * 512 + 100), 0);
	for (unsigned i = 8; i < N; i++) {
		CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[i], true, &n, &c), 0);
		CU_ASSERT_TRUE(nodefix_is(&n, i));
		CU_ASSERT_TRUE(c.rc[0] == 0 || c.repaired[0]);
	}
	for (unsigned i = 0; i < N; i++)
		flip(&f, i, 1, 3);
	nodefix_reopen(&f.x);
	for (unsigned i = 0; i < N; i++) {
		CU_ASSERT_EQUAL(nodes_load(f.x.ns, f.p[i], 0, &n), 0);
		CU_ASSERT_TRUE(nodefix_is(&n, i));
	}
	nodefix_reopen(&f.x);
	CU_ASSERT_EQUAL(unlink(nodefix_file(&f.x, 2)), 0);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[4], true, &n, &c), 0);
	CU_ASSERT_EQUAL(c.rc[1], -ENOENT);
	CU_ASSERT_FALSE(c.repaired[1]);
	nodefix_teardown(&f.x);
}

/* A parent with one child; the parent's locator is ${f->p[1].loc}. */
static void
setup_parent(struct fix *f, struct node *parent)
{

	nodefix_setup(&f->x, SEG_BYTES);
	nodefix_put(&f->x, f->p, 0, 1);
	memset(parent, 0, sizeof(*parent));
	node_set_child(parent, 9, f->p[0]);
	CU_ASSERT_EQUAL_FATAL(nodes_put(f->x.ns, parent, &f->p[1]), 0);
	CU_ASSERT_EQUAL(nodes_flush(f->x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(f->x.ns), 0);
	nodefix_reopen(&f->x);
}

/*
 * A bad locator in one copy, and the child damaged as well.  In one of its
 * copies: its other one tells.  In both: nobody can tell which locator is
 * right, and neither is overwritten.
 */
static void
test_locator_and_child(void)
{

	for (unsigned bad = 0; bad < 4; bad++) {
		struct node_check c;
		struct node n, parent;
		uint8_t *was;
		struct fix f;

		setup_parent(&f, &parent);
		flip(&f, 1, bad & 1, 9 * PLACE_LEN + 22);
		flip(&f, 0, bad >> 1, 5);
		CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[1], false, &n, &c), 0);
		CU_ASSERT_TRUE(c.differ);
		CU_ASSERT_EQUAL(memcmp(&n, &parent, sizeof(n)), 0);
		flip(&f, 0, !(bad >> 1), 5);
		was = bytes_of(&f);
		CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[1], true, &n, &c), 0);
		CU_ASSERT_TRUE(c.differ);
		CU_ASSERT_FALSE(c.repaired[0] || c.repaired[1]);
		CU_ASSERT_TRUE(same_bytes(&f, was));
		nodefix_teardown(&f.x);
	}
}

/* A bad locator: the copy whose locators lead to the children is the one. */
static void
test_locator(void)
{

	for (unsigned bad = 0; bad < 2; bad++) {
		struct node_check c;
		struct node n, parent;
		struct place up;
		struct fix f;

		nodefix_setup(&f.x, SEG_BYTES);
		nodefix_put(&f.x, f.p, 0, 1);
		memset(&parent, 0, sizeof(parent));
		node_set_child(&parent, 9, f.p[0]);
		CU_ASSERT_EQUAL_FATAL(nodes_put(f.x.ns, &parent, &up), 0);
		CU_ASSERT_EQUAL(nodes_flush(f.x.ns), 0);
		CU_ASSERT_EQUAL(nodes_sync(f.x.ns), 0);
		nodefix_reopen(&f.x);
		f.p[1] = up;
		flip(&f, 1, bad, 9 * PLACE_LEN + 22);
		CU_ASSERT_EQUAL(nodes_check(f.x.ns, up, true, &n, &c), 0);
		CU_ASSERT_TRUE(c.differ && c.repaired[bad] &&
		    !c.repaired[!bad]);
		CU_ASSERT_EQUAL(memcmp(&n, &parent, sizeof(n)), 0);
		CU_ASSERT_EQUAL(nodes_check(f.x.ns, up, true, &n, &c), 0);
		CU_ASSERT_TRUE(!c.differ && c.rc[0] == 0 && c.rc[1] == 0);
		nodefix_teardown(&f.x);
	}
}

static struct {
	struct catalog *cat;
	struct moved *m;
	struct moved_run note;
} move;

static void
move_it(void)
{
	struct cat_txn *t;

	CU_ASSERT_EQUAL_FATAL(catalog_begin(move.cat, &t), 0);
	CU_ASSERT_EQUAL(moved_put(move.m, t, &move.note), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_commit(t), 0);
}

static void
copy_node(struct fix *f, uint32_t from, uint32_t to, locator loc)
{
	uint64_t at = (uint64_t)loc_off_sectors(loc) * SECTOR_BYTES;
	struct node n;

	nodefix_get(&f->x, from, at, &n, sizeof(n));
	nodefix_write(&f->x, to, at, &n, sizeof(n));
}

/*
 * The node is moved, to the same offset, when one copy of it has been read:
 * what lies beside it there must not come to lie beside it here.
 */
static void
moved_between(unsigned bad)
{
	struct place other[N];
	struct node_check c;
	char dir[256];
	uint8_t *was;
	struct node n;
	struct fix f;

	setup(&f);
	nodefix_put(&f.x, other, 100, N);
	CU_ASSERT_EQUAL(nodes_flush(f.x.ns), 0);
	CU_ASSERT_EQUAL_FATAL(loc_segment(other[5].loc), 3);
	CU_ASSERT_EQUAL(loc_off_sectors(other[5].loc),
	    loc_off_sectors(f.p[5].loc));
	(void)snprintf(dir, sizeof(dir), "%s", tmpdir_path(&f.x.f.t,
	    "catalog"));
	CU_ASSERT_EQUAL_FATAL(catalog_init(dir), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_open(dir, 16u << 20, &move.cat), 0);
	nodefix_reopen(&f.x);
	CU_ASSERT_EQUAL_FATAL(moved_open(move.cat, f.x.f.ss, &move.m), 0);
	nodes_free(f.x.ns);
	f.x.conf.moved = move.m;
	CU_ASSERT_EQUAL_FATAL(nodes_new(&f.x.conf, &f.x.ns), 0);
	move.note = (struct moved_run){ 1, loc_off_sectors(f.p[5].loc),
	    NODE_SECTORS, 3, loc_off_sectors(f.p[5].loc) };
	copy_node(&f, 1, 3, f.p[5].loc);
	copy_node(&f, 1, 4, f.p[5].loc);
	/* The old first one, or the new second one. */
	f.p[5].loc = loc_make(bad == 0 ? 1 : 3, loc_off_sectors(f.p[5].loc),
	    NODE_SECTORS, LOC_F_NODE);
	flip(&f, 5, bad, 9);
	f.p[5].loc = loc_make(1, loc_off_sectors(f.p[5].loc), NODE_SECTORS,
	    LOC_F_NODE);
	was = bytes_of(&f);
	behind_read = move_it;
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[5], true, &n, &c), 0);
	CU_ASSERT_PTR_NULL(behind_read);
	CU_ASSERT_TRUE(nodefix_is(&n, 5));
	CU_ASSERT_EQUAL(c.rc[bad], -EILSEQ);
	CU_ASSERT_FALSE(c.repaired[bad]);
	CU_ASSERT_TRUE(same_bytes(&f, was));
	for (unsigned i = 0; i < N; i++)
		CU_ASSERT(i == 5 || (nodes_load(f.x.ns, other[i], NODE_FROM_TWIN,
		    &n) == 0 && nodefix_is(&n, 100 + i)));
	/* The next look finds both together. */
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[5], true, &n, &c), 0);
	CU_ASSERT_EQUAL(c.repaired[bad], bad == 1);
	moved_close(move.m);
	catalog_close(move.cat);
	nodefix_teardown(&f.x);
}

static void
test_moved_between(void)
{

	moved_between(0);
	moved_between(1);
}

static void
test_medium(void)
{
	uint8_t a[9000], b[9000];
	struct seg *s;
	struct fix f;

	setup(&f);
	CU_ASSERT_EQUAL_FATAL(segs_get(f.x.f.ss, 1, &s), 0);
	for (unsigned off = 0; off < 5000; off += 512) {
		for (unsigned len = 512; len <= 9000; len += 1536) {
			CU_ASSERT_EQUAL(seg_read(s, a, len, off), 0);
			CU_ASSERT_EQUAL(seg_read_medium(s, b, len, off), 0);
			CU_ASSERT_EQUAL(memcmp(a, b, len), 0);
		}
	}
	CU_ASSERT_EQUAL(truncate(nodefix_file(&f.x, 1), 10000), 0);
	CU_ASSERT_EQUAL(seg_read_medium(s, b, 512, 9000), 0);
	CU_ASSERT_EQUAL(seg_read_medium(s, b, 512, 9728), -ENODATA);
	CU_ASSERT_EQUAL(seg_read_medium(s, b, 512, 40960), -ENODATA);
	seg_put(s);
	nodefix_teardown(&f.x);
}

static const struct unit_test tests[] = {
	{ "one copy", test_repair },
	{ "behind the cache", test_behind_the_cache },
	{ "only a look", test_only_look },
	{ "a neighbour's only copy", test_neighbour },
	{ "a neighbour with a wrong locator", test_neighbour_locator },
	{ "both copies", test_both },
	{ "a file cut short, a file gone", test_short },
	{ "locators", test_locator },
	{ "a bad locator and a bad child", test_locator_and_child },
	{ "moved between two looks", test_moved_between },
	{ "reading the medium", test_medium },
};

UNIT_MAIN("noderepair", tests)
