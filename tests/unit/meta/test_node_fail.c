/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing nodes to a disk that refuses: a checkpoint is given up, the next one
 * begins with a fresh pair, and what was durable before stays readable.
 */
#include "tests/unit/meta/faults.h"
#include "tests/unit/meta/nodefix.h"

static struct {
	int err;
	unsigned at, n;			/* the read that fails; so far */
} refuse;

FAULT_EXPORT ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{

	if (refuse.at != 0 && ++refuse.n == refuse.at) {
		errno = refuse.err;
		return (-1);
	}
	return (syscall(SYS_pread64, fd, buf, n, off));
}

/* Nodes ${from}.. are all there, read from the files. */
static void
expect_nodes(struct nodefix *x, const struct place *p, uint64_t from,
    unsigned n)
{
	struct node nd;
	unsigned wrong = 0;

	nodefix_reopen(x);
	for (unsigned i = 0; i < n; i++) {
		wrong += nodes_load(x->ns, p[i], 0, &nd) != 0 ||
		    !nodefix_is(&nd, from + i);
		wrong += nodes_load(x->ns, p[i], NODE_FROM_TWIN, &nd) != 0 ||
		    !nodefix_is(&nd, from + i);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* What fails, by the number of bytes that still go through. */
static void
write_fails(int err, int max_bytes, bool second)
{
	struct place p[20], lost[10];
	struct nodefix x;
	struct node nd;
	uint32_t end, pair;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_put(&x, p, 0, 10);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	pair = nodes_end(x.ns, &end);
	nodefix_put(&x, lost, 100, 10);
	if (second)
		nodefix_put(&x, lost, 110, 10);
	fault.pwritev_err = err;
	fault.pwritev_max = max_bytes;
	CU_ASSERT_EQUAL(nodes_flush(x.ns), -err);
	fault.pwritev_err = fault.pwritev_max = 0;
	nodes_reset(x.ns);
	CU_ASSERT_EQUAL(nodes_end(x.ns, &end), 0);
	CU_ASSERT_EQUAL(end, 0);
	/* Nothing is pending any more, and an empty flush does nothing. */
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	/* A fresh pair: no locator is given out again. */
	nodefix_put(&x, p + 10, 10, 10);
	CU_ASSERT_TRUE(loc_segment(p[10].loc) > pair + 1);
	CU_ASSERT_EQUAL(nodes_load(x.ns, p[10], 0, &nd), 0);
	CU_ASSERT_TRUE(nodefix_is(&nd, 10));
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	expect_nodes(&x, p, 0, 20);
	nodefix_teardown(&x);
}

static void
test_write_fails(void)
{

	write_fails(ENOSPC, 0, false);
	write_fails(EIO, 0, true);
	write_fails(ENOSPC, 3000, false);
	write_fails(ENOSPC, 8192 + 700, true);
}

static unsigned open_count;

/* Refuses the second copy only. */
static void
test_second_copy_fails(void)
{
	struct place p[4];
	struct nodefix x;
	struct stat st;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_put(&x, p, 0, 2);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	/* The name of a pair's second segment is taken. */
	CU_ASSERT_EQUAL(mkdir(nodefix_file(&x, 4), 0700), 0);
	nodes_reset(x.ns);
	open_count = x.n_created;
	{
		struct place q;
		struct node nd;

		nodefix_make(&nd, 50);
		CU_ASSERT_NOT_EQUAL(nodes_put(x.ns, &nd, &q), 0);
	}
	CU_ASSERT_EQUAL(x.n_created, open_count + 1);
	/* Nothing of the pair is left behind. */
	CU_ASSERT_EQUAL(stat(nodefix_file(&x, 3), &st), -1);
	CU_ASSERT_EQUAL(rmdir(nodefix_file(&x, 4)), 0);
	nodes_reset(x.ns);
	nodefix_put(&x, p + 2, 2, 2);
	CU_ASSERT_EQUAL(loc_segment(p[2].loc), 5);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	expect_nodes(&x, p, 0, 4);
	nodefix_teardown(&x);
}

/* No pair to be had: number taken, disk full, headers refused. */
static void
test_no_pair(void)
{
	struct nodefix x;
	struct place p[2];
	struct node nd;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_make(&nd, 1);
	x.created_err = -ENOMEM;
	CU_ASSERT_EQUAL(nodes_put(x.ns, &nd, &p[0]), -ENOMEM);
	x.created_err = 0;
	nodes_reset(x.ns);
	fault.fallocate_err = ENOSPC;
	CU_ASSERT_EQUAL(nodes_put(x.ns, &nd, &p[0]), -ENOSPC);
	fault.fallocate_err = 0;
	nodes_reset(x.ns);
	fault.pwritev_err = EIO;
	CU_ASSERT_EQUAL(nodes_put(x.ns, &nd, &p[0]), -EIO);
	fault.pwritev_err = 0;
	nodes_reset(x.ns);
	CU_ASSERT_EQUAL(segfix_listed(&x.f), 0);
	nodefix_put(&x, p, 1, 2);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	expect_nodes(&x, p, 1, 2);
	nodefix_teardown(&x);
}

/* A roll-over in the middle of a checkpoint that fails. */
static void
test_roll_fails(void)
{
	struct place p[3 * NODEFIX_ROOM];
	struct nodefix x;
	struct node nd;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_put(&x, p, 0, NODEFIX_ROOM);
	nodefix_make(&nd, 500);
	fault.fallocate_err = ENOSPC;
	CU_ASSERT_EQUAL(nodes_put(x.ns, &nd, &p[60]), -ENOSPC);
	fault.fallocate_err = 0;
	nodes_reset(x.ns);
	nodefix_put(&x, p, 0, 3 * NODEFIX_ROOM);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	expect_nodes(&x, p, 0, 3 * NODEFIX_ROOM);
	nodefix_teardown(&x);
}

static _Atomic unsigned long long synced;	/* inodes % 64 */

static void
note_sync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		atomic_fetch_or(&synced, 1ull << st.st_ino % 64);
}

/* Every pair that was written to, both copies; also pairs that were left. */
static void
test_sync(void)
{
	struct place p[3 * NODEFIX_ROOM];
	struct nodefix x;
	struct stat st;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_put(&x, p, 0, 3 * NODEFIX_ROOM);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(x.n_created, 6);
	fault.on_fdatasync = note_sync;
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	for (uint32_t i = 1; i <= 6; i++) {
		CU_ASSERT_EQUAL(stat(nodefix_file(&x, i), &st), 0);
		CU_ASSERT_NOT_EQUAL(synced & 1ull << st.st_ino % 64, 0);
	}
	fault.on_fdatasync = NULL;
	/* Nothing was written since. */
	fault.n_fdatasync = 0;
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	CU_ASSERT_EQUAL(fault.n_fdatasync, 0);
	nodefix_teardown(&x);
}

static void
test_sync_fails(void)
{
	struct place p[2 * NODEFIX_ROOM];
	struct nodefix x;

	for (unsigned n = 1; n <= 2 * NODEFIX_ROOM; n += NODEFIX_ROOM) {
		nodefix_setup(&x, NODEFIX_BYTES);
		nodefix_put(&x, p, 0, n);
		CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
		fault.fdatasync_err = EIO;
		CU_ASSERT_EQUAL(nodes_sync(x.ns), -EIO);
		fault.fdatasync_err = 0;
		/* For ever, also with the disk well again. */
		CU_ASSERT_EQUAL(nodes_sync(x.ns), -EIO);
		nodes_reset(x.ns);
		nodefix_put(&x, p, 0, n);
		CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
		CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
		expect_nodes(&x, p, 0, n);
		nodefix_teardown(&x);
	}
}

/* A parent and its child; the locator in one copy of the parent is wrong. */
static void
wrong_locator(struct nodefix *x, unsigned copy, struct place *p,
    struct node *parent)
{
	struct place child;
	uint64_t at;
	uint8_t c;

	nodefix_setup(x, NODEFIX_BYTES);
	nodefix_put(x, &child, 0, 1);
	memset(parent, 0, sizeof(*parent));
	node_set_child(parent, 9, child);
	CU_ASSERT_EQUAL_FATAL(nodes_put(x->ns, parent, p), 0);
	CU_ASSERT_EQUAL(nodes_flush(x->ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x->ns), 0);
	at = (uint64_t)loc_off_sectors(p->loc) * SECTOR_BYTES + 9 * PLACE_LEN +
	    22;
	nodefix_get(x, loc_segment(p->loc) + copy, at, &c, 1);
	c ^= 0x40;
	nodefix_write(x, loc_segment(p->loc) + copy, at, &c, 1);
}

/*
 * Whoever compares both copies must not go by one of them because the other
 * one, or what it leads to, could not be looked at for want of memory or
 * descriptors: what is copied or freed then would be the wrong place for good.
 */
static void
test_not_looked_at(void)
{
	static const int errs[] = { ENOMEM, EMFILE, ENFILE };
	struct node parent, n;
	struct nodefix x;
	struct place p;
	int rc;

	for (unsigned i = 0; i < 3 * 2 * 2; i++) {
		unsigned flags = NODE_BOTH | (i & 1 ? NODE_NO_KEEP : 0);

		wrong_locator(&x, i >> 1 & 1, &p, &parent);
		refuse.err = errs[i / 4];
		for (refuse.at = 1;; refuse.at++) {
			nodefix_reopen(&x);
			refuse.n = 0;
			rc = nodes_load(x.ns, p, flags, &n);
			CU_ASSERT(rc == -refuse.err || (rc == 0 &&
			    memcmp(&n, &parent, sizeof(n)) == 0));
			if (refuse.n < refuse.at)
				break;
		}
		CU_ASSERT_EQUAL(rc, 0);
		CU_ASSERT(refuse.at > 3);
		refuse.at = 0;
		nodefix_teardown(&x);
	}
}

static const struct unit_test tests[] = {
	{ "a copy that was not looked at", test_not_looked_at },
	{ "a write that fails", test_write_fails },
	{ "the second copy fails", test_second_copy_fails },
	{ "no pair", test_no_pair },
	{ "no second pair", test_roll_fails },
	{ "what a sync syncs", test_sync },
	{ "a sync that fails", test_sync_fails },
};

UNIT_MAIN("node on a refusing disk", tests)
