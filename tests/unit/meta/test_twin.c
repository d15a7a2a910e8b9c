/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One file of a pair of segments of nodes is lost, or its header, and is made
 * again from the other; a call that fails in it leaves what was there.
 */
#include <sys/syscall.h>

#include "meta/noderepair.h"
#include "meta/segscan.h"
#include "meta/twin.h"
#include "tests/unit/meta/nodefix.h"

#define VISIBLE __attribute__((visibility("default")))

enum { N = 30 };

/* ---- calls that fail ---------------------------------------------------- */

static struct {
	unsigned at, n;			/* the at-th fails; 0: none */
} fault;

static bool
fails(void)
{

	if (fault.at == 0 || ++fault.n != fault.at)
		return (false);
	errno = ENOSPC;
	return (true);
}

VISIBLE ssize_t
pwrite(int fd, const void *b, size_t n, off_t off)
{

	return (fails() ? -1 : syscall(SYS_pwrite64, fd, b, n, off));
}

VISIBLE int
fsync(int fd)
{

	return (fails() ? -1 : (int)syscall(SYS_fsync, fd));
}

VISIBLE int
ftruncate(int fd, off_t len)
{

	return (fails() ? -1 : (int)syscall(SYS_ftruncate, fd, len));
}

VISIBLE int
renameat2(int od, const char *on, int nd, const char *nn, unsigned flags)
{

	return (fails() ? -1 :
	    (int)syscall(SYS_renameat2, od, on, nd, nn, flags));
}

/* ---- a pair that a reclaim knows ---------------------------------------- */

static struct {
	unsigned looks, freed_at;	/* from the n-th look on it is freed */
	unsigned again;
	bool none, other;		/* of segment 2: no row; a log's */
	bool full;
	struct segs *open_in;		/* segment 1 is opened at the second */
	struct seg *opened;
} row;

static int
in_use(void *arg, uint32_t number, enum seg_kind *kind)
{

	(void)arg;
	CU_ASSERT_TRUE(number == 1 || number == 2);
	*kind = number == 2 && row.other ? SEG_LOG : SEG_NODES;
	if (number == 2 && row.none)
		return (0);
	row.looks += number == 1;	/* the one that is there, below */
	if (row.open_in != NULL && number == 1 && row.looks == 2)
		CU_ASSERT_EQUAL(segs_get(row.open_in, 1, &row.opened), 0);
	return (row.freed_at == 0 || row.looks < row.freed_at);
}

static bool
may_grow(void *arg)
{

	(void)arg;
	return (!row.full);
}

static void
again(void *arg, uint32_t number, enum seg_kind kind)
{

	(void)arg;
	CU_ASSERT_TRUE(number == 1 || number == 2);
	CU_ASSERT_EQUAL(kind, SEG_NODES);
	row.again++;
}

struct fix {
	struct nodefix x;
	struct place p[N];
};

static void
reopen(struct fix *f)
{

	nodefix_reopen(&f->x);
	nodes_free(f->x.ns);
	f->x.conf.in_use = in_use;
	f->x.conf.may_grow = may_grow;
	f->x.conf.again = again;
	CU_ASSERT_EQUAL_FATAL(nodes_new(&f->x.conf, &f->x.ns), 0);
}

/* Two records, the second behind a gap. */
static void
setup(struct fix *f)
{

	memset(&row, 0, sizeof(row));
	nodefix_setup(&f->x, SEG_BYTES);
	nodefix_put(&f->x, f->p, 0, N / 2);
	CU_ASSERT_EQUAL(nodes_flush(f->x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(f->x.ns), 0);
	nodefix_put(&f->x, f->p + N / 2, N / 2, N / 2);
	CU_ASSERT_EQUAL(nodes_flush(f->x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(f->x.ns), 0);
	CU_ASSERT_EQUAL_FATAL(loc_segment(f->p[N - 1].loc), 1);
	reopen(f);
}

static void
flip_at(struct fix *f, uint32_t number, uint64_t at)
{
	uint8_t c;

	nodefix_get(&f->x, number, at, &c, 1);
	c ^= 0x40;
	nodefix_write(&f->x, number, at, &c, 1);
}

static void
flip(struct fix *f, unsigned i, unsigned copy)
{

	flip_at(f, 1 + copy, (uint64_t)loc_off_sectors(f->p[i].loc) *
	    SECTOR_BYTES + 9);
}

enum how { GONE, ZEROES, ROT };

static void
lose(struct fix *f, unsigned copy, enum how how)
{
	static const uint8_t zero[SEG_HEADER_BYTES];

	switch (how) {
	case GONE:
		CU_ASSERT_EQUAL(unlink(nodefix_file(&f->x, 1 + copy)), 0);
		break;
	case ZEROES:
		nodefix_write(&f->x, 1 + copy, 0, zero, sizeof(zero));
		break;
	case ROT:
		flip_at(f, 1 + copy, 100);
		break;
	}
	reopen(f);
}

static unsigned
broken(struct fix *f)
{
	struct node_check c;
	struct node n;
	unsigned bad = 0;

	for (unsigned i = 0; i < N; i++)
		bad += nodes_check(f->x.ns, f->p[i], false, &n, &c) != 0 ||
		    !nodefix_is(&n, i) || c.rc[0] != 0 || c.rc[1] != 0 ||
		    c.differ;
	return (bad);
}

static int
count(void *arg, const struct rec *r, const uint8_t *hdr)
{

	(void)hdr;
	*(unsigned *)arg += r->n_ids;
	return (0);
}

static unsigned
scanned(struct fix *f, uint32_t number)
{
	unsigned n = 0;

	CU_ASSERT_EQUAL(segscan(f->x.f.ss, f->x.conf.store_uuid, number, NULL,
	    count, &n), 0);
	return (n);
}

static void
expect_whole(struct fix *f)
{
	unsigned lost = 9;

	CU_ASSERT_EQUAL(twin_lost(f->x.ns, 1, &lost), 0);
	CU_ASSERT_EQUAL(lost, 9);
	CU_ASSERT_EQUAL(broken(f), 0);
	CU_ASSERT_EQUAL(scanned(f, 1), N);
	CU_ASSERT_EQUAL(scanned(f, 2), N);
	CU_ASSERT_EQUAL(segfix_files(&f->x.f, "spare", ""), 0);
}

/* ---- tests -------------------------------------------------------------- */

/* Either file, in each way; then the other one is destroyed. */
static void
test_lost(void)
{

	for (unsigned t = 0; t < 6; t++) {
		unsigned copy = t % 2, lost = 9;
		struct node n;
		struct fix f;

		setup(&f);
		expect_whole(&f);
		lose(&f, copy, (enum how)(t / 2));
		CU_ASSERT_EQUAL(twin_lost(f.x.ns, 1, &lost), 1);
		CU_ASSERT_EQUAL_FATAL(lost, copy);
		CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, lost), 0);
		CU_ASSERT_EQUAL(row.again, 1);
		expect_whole(&f);
		reopen(&f);
		expect_whole(&f);
		for (unsigned i = 0; i < N; i++)
			flip(&f, i, !copy);
		reopen(&f);
		for (unsigned i = 0; i < N; i++) {
			CU_ASSERT_EQUAL(nodes_load(f.x.ns, f.p[i], 0, &n), 0);
			CU_ASSERT_TRUE(nodefix_is(&n, i));
		}
		nodefix_teardown(&f.x);
	}
}

/* The other way round once more: what was made is as good as what was lost. */
static void
test_in_turn(void)
{
	struct fix f;

	setup(&f);
	for (unsigned t = 0; t < 6; t++) {
		lose(&f, t % 2, GONE);
		CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, t % 2), 0);
		expect_whole(&f);
	}
	/* And its copies can be repaired like any. */
	flip(&f, 3, 0);
	flip(&f, 20, 1);
	for (unsigned i = 0; i < N; i++) {
		struct node_check c;
		struct node n;

		CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[i], true, &n, &c), 0);
		CU_ASSERT_EQUAL(c.repaired[0], i == 3);
		CU_ASSERT_EQUAL(c.repaired[1], i == 20);
	}
	CU_ASSERT_EQUAL(broken(&f), 0);
	nodefix_teardown(&f.x);
}

/*
 * Only the header is lost, and in each file nodes are damaged, also below a
 * record whose header has rotted: nothing that could be read is lost.
 */
static void
test_damaged_too(void)
{

	for (unsigned lost = 0; lost < 2; lost++) {
		struct node_check c;
		struct node n;
		struct fix f;

		setup(&f);
		flip(&f, 4, lost);
		flip(&f, 5, !lost);
		flip(&f, 25, !lost);
		/* Of the second record, in the file that stays. */
		flip_at(&f, 1 + !lost, ((uint64_t)loc_off_sectors(f.p[N /
		    2].loc) - 16) * SECTOR_BYTES + 40);
		lose(&f, lost, ZEROES);
		CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, lost), 0);
		for (unsigned i = 0; i < N; i++) {
			CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[i], false, &n,
			    &c), 0);
			CU_ASSERT_TRUE(nodefix_is(&n, i));
			CU_ASSERT_EQUAL(c.rc[lost], 0);
			CU_ASSERT_EQUAL(c.rc[!lost] == 0, i != 5 && i != 25);
		}
		nodefix_teardown(&f.x);
	}
}

/* Freed: before it is begun, before it has its name, and just behind that. */
static void
test_freed(void)
{

	for (unsigned at = 1; at <= 3; at++) {
		struct fix f;

		setup(&f);
		lose(&f, 1, GONE);
		row.freed_at = at;
		CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 1), -ESTALE);
		CU_ASSERT_EQUAL(access(nodefix_file(&f.x, 2), F_OK), -1);
		CU_ASSERT_EQUAL(segfix_files(&f.x.f, "spare", ""), 0);
		CU_ASSERT_EQUAL(row.again, 0);
		nodefix_teardown(&f.x);
	}
}

/* A file that is open is not replaced; nothing is made of what is no twin. */
static void
test_refused(void)
{
	struct seg *s;
	unsigned lost;
	struct fix f;

	setup(&f);
	lose(&f, 0, ZEROES);
	CU_ASSERT_EQUAL_FATAL(segs_get(f.x.f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 0), -EBUSY);
	seg_put(s);
	row.full = true;
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 0), -ENOSPC);
	row.full = false;
	/* Just before it gets its name. */
	row.looks = 0;
	row.open_in = f.x.f.ss;
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 0), -EBUSY);
	row.open_in = NULL;
	CU_ASSERT_PTR_NOT_NULL_FATAL(row.opened);
	seg_put(row.opened);
	CU_ASSERT_EQUAL(segfix_files(&f.x.f, "spare", ""), 0);
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 0), 0);
	expect_whole(&f);
	lose(&f, 0, ZEROES);
	lose(&f, 1, ROT);
	CU_ASSERT_EQUAL(twin_lost(f.x.ns, 1, &lost), -EILSEQ);
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 0), -EILSEQ);
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 1), -EILSEQ);
	CU_ASSERT_EQUAL(broken(&f), 0);
	CU_ASSERT_EQUAL(twin_lost(f.x.ns, 7, &lost), -EILSEQ);
	nodefix_teardown(&f.x);
}

/* Segment 2 is something else: by its header, by its row. */
static void
test_other(void)
{
	uint8_t head[SEG_HEADER_BYTES];
	struct node_check c;
	struct seg_header h;
	unsigned lost;
	struct node n;
	struct fix f;

	setup(&f);
	nodefix_get(&f.x, 2, 0, head, sizeof(head));
	CU_ASSERT_EQUAL_FATAL(seg_header_dec(head, &h), 0);
	h.kind = SEG_LOG;
	h.twin = 0;
	seg_header_enc(&h, head);
	nodefix_write(&f.x, 2, 0, head, sizeof(head));
	flip(&f, 2, 1);
	reopen(&f);
	CU_ASSERT_EQUAL(twin_lost(f.x.ns, 1, &lost), -EUCLEAN);
	/* Nor is a page of it overwritten. */
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[2], true, &n, &c), 0);
	CU_ASSERT_EQUAL(c.rc[1], -EILSEQ);
	CU_ASSERT_FALSE(c.repaired[1]);
	lose(&f, 1, ZEROES);
	row.other = true;
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 1), -EUCLEAN);
	row.other = false;
	row.none = true;
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 1), -EUCLEAN);
	CU_ASSERT_EQUAL(nodes_check(f.x.ns, f.p[2], true, &n, &c), 0);
	CU_ASSERT_FALSE(c.repaired[1]);
	/* What is not there is nobody else's. */
	lose(&f, 1, GONE);
	CU_ASSERT_EQUAL(twin_make(f.x.ns, 1, 1), 0);
	expect_whole(&f);
	nodefix_teardown(&f.x);
}

/*
 * Any call fails: what was there is there, or all of the new one, and no draft;
 * the next time it works.
 */
static void
test_every_call(void)
{

	for (unsigned t = 0; t < 2; t++) {
		bool failed = true;

		for (unsigned at = 1; failed; at++) {
			struct node_check c;
			struct node n;
			struct fix f;
			int rc;

			setup(&f);
			flip(&f, 8, t == 0);
			lose(&f, 1, t == 0 ? GONE : ZEROES);
			fault.at = at;
			fault.n = 0;
			rc = twin_make(f.x.ns, 1, 1);
			failed = fault.n >= at;
			fault.at = 0;
			CU_ASSERT_EQUAL(rc, failed ? -ENOSPC : 0);
			CU_ASSERT_EQUAL(segfix_files(&f.x.f, "spare", ""), 0);
			reopen(&f);
			for (unsigned i = 0; i < N; i++)
				CU_ASSERT_TRUE(nodes_check(f.x.ns, f.p[i],
				    false, &n, &c) == 0 && nodefix_is(&n, i));
			CU_ASSERT_TRUE(!failed || at < 100);
			nodefix_teardown(&f.x);
			if (at == 1)
				CU_ASSERT_TRUE(failed);
		}
	}
}

static const struct unit_test tests[] = {
	{ "gone, or without a header", test_lost },
	{ "one after the other", test_in_turn },
	{ "damaged as well", test_damaged_too },
	{ "freed meanwhile", test_freed },
	{ "refused", test_refused },
	{ "another segment", test_other },
	{ "every call", test_every_call },
};

UNIT_MAIN("twin", tests)
