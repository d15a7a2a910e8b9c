/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The task set and aborting: who waits for whom, done exactly once, nothing
 * started that was not allowed to.
 */
#include "tests/unit/scsi/fake.h"

static uint8_t buf[4096];

static void
start(struct fake *f, struct fake_cmd *fc, enum scsi_attr attr, uint8_t lba)
{

	fake_cmd_init(fc, CDB(0x2a, 0, 0, 0, 0, lba, 0, 0, 1, 0));
	fake_cmd_out(fc, buf, 512);
	fc->c.attr = attr;
	scsi_exec(f->nx, &fc->c);
}

/* The block that the newest request of the disk names. */
static uint64_t
last_lba(const struct fake *f)
{

	return (f->d.last.off_bytes / 512);
}

static void
test_simple(void)
{
	struct fake_cmd fc[8];
	struct fake f;

	fake_open(&f);
	f.d.deferred = true;
	for (uint8_t i = 0; i < 8; i++)
		start(&f, &fc[i], SCSI_ATTR_SIMPLE, i);
	CU_ASSERT_EQUAL(f.d.n_queue, 8);	/* side by side */
	while (fake_finish(&f.d))
		continue;
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(fc[i].done, 1);
	fake_close(&f);
}

static void
test_ordered(void)
{
	struct fake_cmd fc[6];
	struct fake f;

	fake_open(&f);
	f.d.deferred = true;
	start(&f, &fc[0], SCSI_ATTR_SIMPLE, 0);
	start(&f, &fc[1], SCSI_ATTR_SIMPLE, 1);
	start(&f, &fc[2], SCSI_ATTR_ORDERED, 2);
	start(&f, &fc[3], SCSI_ATTR_SIMPLE, 3);
	start(&f, &fc[4], SCSI_ATTR_SIMPLE, 4);
	start(&f, &fc[5], SCSI_ATTR_ORDERED, 5);
	CU_ASSERT_EQUAL(f.d.n_queue, 2);
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(f.d.n_queue, 1);	/* one older is still there */
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(f.d.n_queue, 1);
	CU_ASSERT_EQUAL(last_lba(&f), 2);
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(f.d.n_queue, 2);	/* both of the next */
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(f.d.n_queue, 1);
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(f.d.n_queue, 1);
	CU_ASSERT_EQUAL(last_lba(&f), 5);
	CU_ASSERT(fake_finish(&f.d));
	for (unsigned i = 0; i < 6; i++) {
		CU_ASSERT_EQUAL(fc[i].done, 1);
		expect_good(&fc[i]);
	}
	fake_close(&f);
}

static void
test_head(void)
{
	struct fake_cmd fc[4];
	struct fake f;

	fake_open(&f);
	f.d.deferred = true;
	start(&f, &fc[0], SCSI_ATTR_SIMPLE, 0);
	start(&f, &fc[1], SCSI_ATTR_ORDERED, 1);
	start(&f, &fc[2], SCSI_ATTR_HEAD, 2);
	CU_ASSERT_EQUAL(f.d.n_queue, 2);	/* it overtakes */
	CU_ASSERT_EQUAL(last_lba(&f), 2);
	start(&f, &fc[3], SCSI_ATTR_SIMPLE, 3);
	CU_ASSERT(fake_finish(&f.d));		/* 0 */
	CU_ASSERT_EQUAL(last_lba(&f), 1);
	CU_ASSERT(fake_finish(&f.d));		/* 2 */
	CU_ASSERT_EQUAL(last_lba(&f), 1);	/* 3 waits for 1, too */
	CU_ASSERT(fake_finish(&f.d));		/* 1 */
	CU_ASSERT_EQUAL(last_lba(&f), 3);
	CU_ASSERT(fake_finish(&f.d));
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(fc[i].done, 1);
	fake_close(&f);
}

static void
test_aca(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	start(&f, &fc, SCSI_ATTR_ACA, 0);
	CU_ASSERT_EQUAL(fc.done, 1);
	expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_INVALID_MESSAGE);
	start(&f, &fc, SCSI_ATTR_SIMPLE, 0);
	expect_good(&fc);
	fake_close(&f);
}

/* A long row of ORDERED commands that complete at once: no deep stack. */
static void
test_many_ordered(void)
{
	enum { N = 20000 };
	struct fake_cmd *fc = calloc(N, sizeof(*fc)), first;
	struct fake f;
	unsigned good = 0;

	fake_open(&f);
	f.d.deferred = true;
	start(&f, &first, SCSI_ATTR_ORDERED, 0);
	for (unsigned i = 0; i < N; i++)
		start(&f, &fc[i], SCSI_ATTR_ORDERED, 1);
	f.d.deferred = false;
	CU_ASSERT(fake_finish(&f.d));
	for (unsigned i = 0; i < N; i++)
		good += fc[i].done == 1 && fc[i].c.status == SCSI_GOOD;
	CU_ASSERT_EQUAL(good, N);
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE], N + 1);
	free(fc);
	fake_close(&f);
}

static void
test_abort(void)
{
	struct fake_cmd fc[3];
	struct fake f;

	fake_open(&f);
	f.d.deferred = true;
	start(&f, &fc[0], SCSI_ATTR_SIMPLE, 0);
	start(&f, &fc[1], SCSI_ATTR_ORDERED, 1);
	start(&f, &fc[2], SCSI_ATTR_SIMPLE, 2);

	/* one that waits ends at once and never reaches the disk */
	scsi_abort(&fc[1].c);
	CU_ASSERT_EQUAL(fc[1].done, 1);
	CU_ASSERT_TRUE(fc[1].c.aborted);
	CU_ASSERT_EQUAL(f.d.n_queue, 2);	/* who waited for it runs */
	CU_ASSERT_EQUAL(last_lba(&f), 2);
	CU_ASSERT_EQUAL(f.d.cancels, 0);

	/* one at the disk ends when that has ended, once */
	scsi_abort(&fc[0].c);
	scsi_abort(&fc[0].c);
	CU_ASSERT_EQUAL(fc[0].done, 0);
	CU_ASSERT_EQUAL(f.d.cancels, 1);
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(fc[0].done, 1);
	CU_ASSERT_TRUE(fc[0].c.aborted);
	CU_ASSERT(fake_finish(&f.d));
	expect_good(&fc[2]);
	CU_ASSERT_FALSE(fc[2].c.aborted);
	fake_close(&f);
}

/* A WRITE SAME of many requests stops at the one that is under way. */
static void
test_abort_same(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	f.d.deferred = true;
	memset(buf, 'p', sizeof(buf));
	fake_cmd_init(&fc, CDB(0x41, 0, 0, 0, 0, 0, 0, 0x1f, 0xff, 0));
	fake_cmd_out(&fc, buf, 512);
	scsi_exec(f.nx, &fc.c);
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE], 2);
	scsi_abort(&fc.c);
	CU_ASSERT_EQUAL(fc.done, 0);
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(fc.done, 1);
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE], 2);
	CU_ASSERT_EQUAL(f.d.mem[2 << 20], 0);
	fake_close(&f);
}

/* The same between the flush and the read of a READ with FUA. */
static void
test_abort_fua(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	f.d.deferred = true;
	fake_cmd_init(&fc, CDB(0x28, 0x08, 0, 0, 0, 0, 0, 0, 1, 0));
	scsi_exec(f.nx, &fc.c);
	scsi_abort(&fc.c);
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_EQUAL(fc.done, 1);
	CU_ASSERT_EQUAL(f.d.calls[F_READ], 0);
	fake_cmd_free(&fc);
	fake_close(&f);
}

static struct fake *late;

static void
free_nexus(struct fake_cmd *fc)
{

	(void)fc;
	scsi_nexus_free(late->nx);
	late->nx = NULL;
}

/* The nexus may go in the done of its last command. */
static void
test_free_in_done(void)
{
	struct fake_cmd fc[2];
	struct fake f;

	fake_open(&f);
	late = &f;
	f.d.deferred = true;
	start(&f, &fc[0], SCSI_ATTR_ORDERED, 0);
	start(&f, &fc[1], SCSI_ATTR_ORDERED, 1);
	fc[1].then = free_nexus;
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT(fake_finish(&f.d));
	CU_ASSERT_PTR_NULL(f.nx);
	f.nx = fake_nexus(f.lu, FAKE_INITIATOR);

	/* also from inside of scsi_exec */
	f.d.deferred = false;
	fake_cmd_init(&fc[0], CDB(0x12, 0, 0, 0, 0, 0));
	fc[0].then = free_nexus;
	scsi_exec(f.nx, &fc[0].c);
	CU_ASSERT_PTR_NULL(f.nx);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "SIMPLE", test_simple },
	{ "ORDERED", test_ordered },
	{ "HEAD OF QUEUE", test_head },
	{ "ACA", test_aca },
	{ "many ORDERED", test_many_ordered },
	{ "abort", test_abort },
	{ "abort a WRITE SAME", test_abort_same },
	{ "abort a READ with FUA", test_abort_fua },
	{ "nexus freed in done", test_free_in_done },
};
UNIT_MAIN("scsi/task", tests)
