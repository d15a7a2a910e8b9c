/* SPDX-License-Identifier: BSD-2-Clause */
/* GET LBA STATUS: golden bytes, room, the end, 32 bits, failures. */
#include "tests/unit/scsi/fake.h"

#define STATUS(lba, alloc)						\
	0x9e, 0x12, 0, 0, 0, 0, 0, 0, (lba) >> 8, (lba) & 0xff,		\
	0, 0, (alloc) >> 8, (alloc) & 0xff, 0, 0

/* A disk that cannot tell: everything to the end is mapped. */
static void
test_all_mapped(void)
{
	static const uint8_t want[] = { 0, 0, 0, 20, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0x10, 0x01, 0, 0, 0x0f, 0xff, 0, 0, 0, 0 };
	struct scsi_disk_ops ops = fake_ops;
	struct scsi_lu_conf conf;
	struct fake_cmd fc;
	struct fake f;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	ops.extent = NULL;
	conf.ops = &ops;
	fake_open_conf(&f, &conf);
	GOLDEN(&f, want, STATUS(0x1001, 24));
	GOLDEN(&f, want, STATUS(0x1001, 4096));
	fake_run(&f, &fc, CDB(STATUS(0x1001, 12)));
	expect_bytes(&fc, want, 12);
	fake_cmd_free(&fc);
	fake_run(&f, &fc, CDB(STATUS(0, 0)));
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	CU_ASSERT_EQUAL(f.d.calls[F_EXTENT], 0);
	fake_close(&f);
}

/* Pieces by turns, as many as there is room for, up to the end. */
static void
test_pieces(void)
{
	static const uint8_t want[] = { 0, 0, 0, 52, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0x00, 0x05, 0, 0, 0, 3, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0x00, 0x08, 0, 0, 0, 8, 1, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 8, 0, 0, 0, 0 };
	static const uint8_t last[] = { 0, 0, 0, 20, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0x1f, 0xff, 0, 0, 0, 1, 1, 0, 0, 0 };
	struct fake_cmd fc;
	struct fake f;

	for (unsigned deferred = 0; deferred < 2; deferred++) {
		fake_open(&f);
		f.d.deferred = deferred != 0;
		f.d.run_bytes = 4096;
		GOLDEN(&f, want, STATUS(5, 56));
		GOLDEN(&f, want, STATUS(5, 71));
		GOLDEN(&f, last, STATUS(0x1fff, 4096));
		/* however much room there is, it ends somewhere */
		fake_run(&f, &fc, CDB(STATUS(0, 0xffff)));
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.in_bytes, 8 + 64 * 16);
		CU_ASSERT_EQUAL(get_be64(fc.in + 8 + 63 * 16), 63 * 8);
		fake_cmd_free(&fc);
		fake_close(&f);
	}
}

/* More blocks than a descriptor can say are said by several. */
static void
test_large(void)
{
	static const uint8_t want[] = { 0, 0, 0, 36, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
	    0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 0 };
	struct scsi_lu_conf conf;
	struct fake f;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.size_bytes = (UINT64_C(2) << 40) + 4096;
	fake_open_conf(&f, &conf);
	GOLDEN(&f, want, STATUS(0, 255));
	fake_close(&f);
}

static void
test_bad(void)
{
	struct fake_cmd fc;
	struct fake f;

	fake_open(&f);
	fake_run(&f, &fc, CDB(STATUS(0x2000, 24)));
	expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
	fake_run(&f, &fc, CDB(0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0, 0, 0, 24, 0, 0));
	expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
	BAD_FIELD(&f, 14, 0, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24,
	    1, 0);
	f.d.run_bytes = 4096;
	f.d.fail_at[F_EXTENT] = 2;
	f.d.fail_rc = -EIO;
	f.d.fail_off_bytes = SCSI_OFF_UNKNOWN;
	fake_run(&f, &fc, CDB(STATUS(0, 56)));
	expect_sense(&fc, KEY_MEDIUM_ERROR, ASC_READ_ERROR);
	CU_ASSERT_EQUAL(f.d.calls[F_EXTENT], 2);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "everything mapped", test_all_mapped },
	{ "pieces", test_pieces },
	{ "more than 32 bits", test_large },
	{ "bad CDBs and disks", test_bad },
};
UNIT_MAIN("scsi/provision", tests)
