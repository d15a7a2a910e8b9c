/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes that no copy gives any more: their blocks are lost, and nothing else;
 * an error that passes loses nothing.
 */
#include "tests/unit/lun/verifyfix.h"

static int
checkpoints(struct iofix *x, unsigned *failed)
{
	int rc = -EIO;

	/* They are tried again by themselves, too; no matter who does it. */
	for (*failed = 0; *failed < 20; ++*failed)
		if ((rc = lunset_checkpoint(x->e.ls)) == 0)
			break;
	return (rc);
}

/* A read that begins with a good block and comes to that one. */
static void
expect_lost(struct iofix *x, uint64_t off)
{
	struct iovec iov = { buf, 8192 };
	struct waiter wt = { .op = { .kind = LUN_READ, .dev = x->d,
	    .off_bytes = off - 4096, .len_bytes = 8192, .iov = &iov,
	    .n_iov = 1 } };

	CU_ASSERT_EQUAL(engine_run(&x->e, &wt), -EILSEQ);
	CU_ASSERT_EQUAL(wt.op.bad_off_bytes, off);
}

static void
test_lost(void)
{
	struct lun_params lp = { .name = "other", .size_bytes = SIZE,
	    .block_bytes = 4096, .sector_bytes = 512 };
	struct verify_damage *d;
	struct verify_state s;
	struct lun_dev *other;
	struct lun_info info;
	unsigned failed;
	struct iofix x;
	struct place p;
	size_t n;

	setup(&x);
	CU_ASSERT_EQUAL_FATAL(lunset_create(x.e.ls, &lp, &info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, info.number, LUN_HEAD,
	    &other), 0);
	p = place_of(&x, 320, 1);
	flip(&x, p.loc, 0, 9);
	flip(&x, p.loc, 1, 99);
	lun_dev_close(other);
	reopen(&x);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, info.number, LUN_HEAD,
	    &other), 0);
	x.e.ls->lost.wait_ms = 0;
	/* A block below it, one elsewhere, one of another LUN. */
	iofix_write(&x, 330 * 4096, 4096, 1);
	iofix_write(&x, 3 * 4096, 4096, 2);
	CU_ASSERT_EQUAL(engine_rw(&x.e, other, LUN_WRITE, 0, x.now, 4096, 0),
	    0);
	CU_ASSERT_EQUAL(checkpoints(&x, &failed), 0);
	CU_ASSERT_EQUAL(failed, LOST_TRIES);
	expect_lost(&x, 331 * 4096);
	lun_dev_close(other);
	reopen(&x);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, info.number, LUN_HEAD,
	    &other), 0);
	expect_lost(&x, 331 * 4096);
	/* Some of it is written again. */
	iofix_write(&x, 331 * 4096, 53 * 4096, 3);
	expect_hole_in_data(&x, 320 * 4096, 330 * 4096);
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	expect_hole_in_data(&x, 320 * 4096, 330 * 4096);
	/* Parts of a lost block cannot be written; the whole can. */
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 325 * 4096 + 512,
	    x.now, 512, 0), -EILSEQ);
	iofix_write(&x, 325 * 4096, 4096, 4);
	iofix_write(&x, 325 * 4096 + 512, 512, 5);
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	d = verify(&x, NULL, NULL, &s, &n);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_TRUE(is(&d[0], VERIFY_LOST, "", 320 * 4096, 5 * 4096));
	CU_ASSERT_TRUE(is(&d[1], VERIFY_LOST, "", 326 * 4096, 4 * 4096));
	free(d);
	CU_ASSERT_EQUAL(engine_rw(&x.e, other, LUN_READ, 0, buf, 4096, 0), 0);
	/* Unmapped, it is whole again. */
	{
		struct lun_extent e = { 320 * 4096, 10 * 4096 };

		memset(x.now + e.off_bytes, 0, e.len_bytes);
		CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, &e, 1), 0);
	}
	expect_clean(&x, 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	lun_dev_close(other);
	iofix_teardown(&x);
}

/* An error that passes loses nothing. */
static void
test_lost_not(void)
{
	struct iofix x;
	struct place p;

	setup(&x);
	p = place_of(&x, 320, 1);
	flip(&x, p.loc, 0, 9);
	flip(&x, p.loc, 1, 99);
	reopen(&x);
	iofix_write(&x, 330 * 4096, 4096, 1);
	for (unsigned i = 0; i < LOST_TRIES; i++)
		CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), -EILSEQ);
	/* Meanwhile everything can be written and, but there, read. */
	iofix_write(&x, 10 * 4096, 4096, 2);
	flip(&x, p.loc, 0, 9);
	flip(&x, p.loc, 1, 99);
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	expect_clean(&x, 0);
	reopen(&x);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

/* All of a node is written: nobody needs the old one. */
static void
test_covered(void)
{
	struct iofix x;
	struct place p;

	setup(&x);
	p = place_of(&x, 320, 1);
	flip(&x, p.loc, 0, 9);
	flip(&x, p.loc, 1, 99);
	reopen(&x);
	iofix_write(&x, 320 * 4096, 64 * 4096, 1);
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	expect_clean(&x, 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "lost", test_lost },
	{ "not lost", test_lost_not },
	{ "written all over", test_covered },
};

UNIT_MAIN("lost", tests)
