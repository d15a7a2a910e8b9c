/* SPDX-License-Identifier: BSD-2-Clause */
/* SYNCHRONIZE CACHE and START STOP UNIT. */
#include "tests/unit/scsi/fake.h"

#define START(imm, b4)	0x1b, imm, 0, 0, b4, 0

static void
test_sync(void)
{
	struct fake f;
	struct fake_cmd fc;

	for (unsigned deferred = 0; deferred < 2; deferred++) {
		fake_open(&f);
		f.d.deferred = deferred != 0;
		memset(f.d.mem, 's', 8192);
		fake_run(&f, &fc, CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0));
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.dir, SCSI_DIR_NONE);
		CU_ASSERT_EQUAL(memcmp(f.d.durable, f.d.mem, FAKE_SIZE), 0);
		/* a range, and IMMED: durable all the same when it answers */
		memset(f.d.mem, 't', 8192);
		fake_run(&f, &fc, CDB(0x91, 0x02, 0, 0, 0, 0, 0, 0, 0x1f, 0xff,
		    0, 0, 0, 1, 0, 0));
		expect_good(&fc);
		CU_ASSERT_EQUAL(memcmp(f.d.durable, f.d.mem, FAKE_SIZE), 0);
		CU_ASSERT_EQUAL(f.d.calls[F_FLUSH], 2);
		fake_close(&f);
	}
}

static void
test_sync_bad(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	BAD_SENSE(&f, 5, 0x21, 0x00, 0x35, 0, 0, 0, 0x20, 0x00, 0, 0, 1, 0);
	BAD_SENSE(&f, 5, 0x21, 0x00, 0x35, 0, 0, 0, 0x20, 0x01, 0, 0, 0, 0);
	BAD_SENSE(&f, 5, 0x21, 0x00, 0x91, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0);
	BAD_FIELD(&f, 1, 3, 0x35, 0x08, 0, 0, 0, 0, 0, 0, 0, 0);
	CU_ASSERT_EQUAL(f.d.calls[F_FLUSH], 0);
	f.d.fail_at[F_FLUSH] = 1;
	f.d.fail_rc = -EIO;
	f.d.fail_off_bytes = SCSI_OFF_UNKNOWN;
	fake_run(&f, &fc, CDB(0x35));
	expect_sense(&fc, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
	CU_ASSERT_EQUAL(fc.c.sense[0], 0x70);
	fake_close(&f);
}

/* A read-only unit has nothing to flush, and nothing against it. */
static void
test_sync_read_only(void)
{
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.read_only = true;
	fake_open_conf(&f, &conf);
	fake_run(&f, &fc, CDB(0x35));
	expect_good(&fc);
	fake_close(&f);
}

static void
test_stop(void)
{
	struct scsi_nexus *other;
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	other = fake_nexus(f.lu, "iqn.2001-04.com.example:other,i,0x1");
	fake_run(&f, &fc, CDB(START(0, 1)));	/* it runs: nothing happens */
	expect_good(&fc);
	memset(f.d.mem, 's', 8192);
	fake_run(&f, &fc, CDB(START(1, 0)));
	expect_good(&fc);
	CU_ASSERT_EQUAL(f.d.durable[8191], 's');

	BAD_SENSE(&f, 2, 0x04, 0x02, 0x00);
	BAD_SENSE(&f, 2, 0x04, 0x02, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	BAD_SENSE(&f, 2, 0x04, 0x02, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    1);
	BAD_SENSE(&f, 2, 0x04, 0x02, 0x35);
	BAD_SENSE(&f, 2, 0x04, 0x02, 0x25);
	fake_run(&f, &fc, CDB(0x12, 0, 0, 0, 36, 0));
	expect_good(&fc);
	fake_cmd_free(&fc);
	fake_run(&f, &fc, CDB(0x1a, 0, 0x3f, 0, 36, 0));
	expect_good(&fc);
	fake_cmd_free(&fc);

	/* for everybody, but an attention is told first */
	fake_cmd_init(&fc, CDB(0x00));
	scsi_exec(other, &fc.c);
	expect_sense(&fc, KEY_UNIT_ATTENTION, ASC_POWER_ON);
	fake_cmd_init(&fc, CDB(0x00));
	scsi_exec(other, &fc.c);
	expect_sense(&fc, KEY_NOT_READY, ASC_START_REQUIRED);
	fake_cmd_init(&fc, CDB(START(0, 1)));
	scsi_exec(other, &fc.c);
	expect_good(&fc);
	fake_run(&f, &fc, CDB(0x00));
	expect_good(&fc);

	fake_run(&f, &fc, CDB(START(0, 4)));	/* NO_FLUSH */
	expect_good(&fc);
	CU_ASSERT_EQUAL(f.d.calls[F_FLUSH], 1);
	BAD_SENSE(&f, 2, 0x04, 0x02, 0x00);
	scsi_lu_reset(f.lu, f.nx);		/* starts it */
	fake_run(&f, &fc, CDB(0x00));
	expect_good(&fc);
	scsi_nexus_free(other);
	fake_close(&f);
}

static void
test_start_bad(void)
{
	struct fake f;

	fake_open(&f);
	BAD_FIELD(&f, 4, 1, START(0, 0x02));	/* LOEJ: nothing to eject */
	BAD_FIELD(&f, 4, 4, START(0, 0x10));	/* POWER CONDITION active */
	BAD_FIELD(&f, 4, 7, START(0, 0xb1));
	BAD_FIELD(&f, 3, 0, 0x1b, 0, 0, 1, 1, 0);
	BAD_FIELD(&f, 1, 1, START(2, 1));
	fake_close(&f);
}

/* Held by the daemon: neither START nor a reset helps. */
static void
test_held(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	scsi_lu_hold(f.lu, false);	/* no change, no attention */
	fake_run(&f, &fc, CDB(0x00, 0, 0, 0, 0, 0));
	expect_good(&fc);
	scsi_lu_hold(f.lu, true);
	BAD_SENSE(&f, 2, 0x04, 0x03, 0x00, 0, 0, 0, 0, 0);
	BAD_SENSE(&f, 2, 0x04, 0x03, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	fake_run(&f, &fc, CDB(START(0, 1)));
	expect_good(&fc);
	scsi_lu_reset(f.lu, f.nx);
	BAD_SENSE(&f, 2, 0x04, 0x03, 0x00, 0, 0, 0, 0, 0);
	scsi_lu_hold(f.lu, false);
	BAD_SENSE(&f, 6, 0x29, 0x00, 0x00, 0, 0, 0, 0, 0);
	fake_run(&f, &fc, CDB(0x00, 0, 0, 0, 0, 0));
	expect_good(&fc);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "SYNCHRONIZE CACHE", test_sync },
	{ "SYNCHRONIZE CACHE, errors", test_sync_bad },
	{ "SYNCHRONIZE CACHE, read only", test_sync_read_only },
	{ "START STOP UNIT", test_stop },
	{ "START STOP UNIT, errors", test_start_bad },
	{ "held", test_held },
};
UNIT_MAIN("scsi/cache", tests)
