/* SPDX-License-Identifier: BSD-2-Clause */
/* Sense data: golden bytes; what each -errno of the disk becomes. */
#include "tests/unit/scsi/fake.h"

#define READ10(lba, n)	0x28, 0, 0, 0, 0, lba, 0, 0, n, 0
#define WRITE10(lba, n)	0x2a, 0, 0, 0, 0, lba, 0, 0, n, 0

static void
expect_sense_bytes(const struct fake_cmd *fc, const uint8_t *want)
{

	CU_ASSERT_EQUAL(fc->c.status, SCSI_CHECK_CONDITION);
	CU_ASSERT_EQUAL(fc->c.sense_len, 18);
	CU_ASSERT_EQUAL(memcmp(fc->c.sense, want, 18), 0);
}

static void
test_golden(void)
{
	static const uint8_t opcode[] = { 0x70, 0, 0x05, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x20, 0x00, 0, 0x00, 0x00, 0x00 };
	static const uint8_t field[] = { 0x70, 0, 0x05, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x24, 0x00, 0, 0xcd, 0x00, 0x01 };
	static const uint8_t range[] = { 0x70, 0, 0x05, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x21, 0x00, 0, 0x00, 0x00, 0x00 };
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	fake_run(&f, &fc, CDB(0x04));		/* FORMAT UNIT: not ours */
	expect_sense_bytes(&fc, opcode);
	fake_run(&f, &fc, CDB(0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0));
	expect_sense_bytes(&fc, field);
	fake_run(&f, &fc, CDB(0x28, 0, 1, 0, 0, 0, 0, 0, 1, 0));
	expect_sense_bytes(&fc, range);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	fake_close(&f);
}

static void
run_failing(struct fake *f, struct fake_cmd *fc, bool write, int rc,
    uint64_t bad_off_bytes)
{
	static uint8_t buf[8 * 512];
	enum fake_op op = write ? F_WRITE : F_READ;

	f->d.fail_at[op] = f->d.calls[op] + 1;
	f->d.fail_rc = rc;
	f->d.fail_off_bytes = bad_off_bytes;
	if (write)
		fake_run_out(f, fc, CDB(WRITE10(16, 8)), buf, sizeof(buf));
	else
		fake_run(f, fc, CDB(READ10(16, 8)));
	fake_cmd_free(fc);
}

static void
test_medium(void)
{
	static const uint8_t rd[] = { 0xf0, 0, 0x03, 0, 0, 0, 0x13, 0x0a,
	    0, 0, 0, 0, 0x11, 0x00, 0, 0, 0, 0 };
	static const uint8_t wr[] = { 0xf0, 0, 0x03, 0, 0, 0, 0x10, 0x0a,
	    0, 0, 0, 0, 0x0c, 0x00, 0, 0, 0, 0 };
	static const uint8_t unknown[] = { 0x70, 0, 0x03, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x11, 0x00, 0, 0, 0, 0 };
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	run_failing(&f, &fc, false, -EIO, 19 * 512 + 100);
	expect_sense_bytes(&fc, rd);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	CU_ASSERT_EQUAL(fc.c.in_bytes, 0);
	run_failing(&f, &fc, false, -EILSEQ, 19 * 512);
	expect_sense_bytes(&fc, rd);
	run_failing(&f, &fc, true, -EIO, 16 * 512);
	expect_sense_bytes(&fc, wr);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 8 * 512);
	run_failing(&f, &fc, true, -EILSEQ, 16 * 512);
	expect_sense_bytes(&fc, wr);
	run_failing(&f, &fc, false, -EIO, SCSI_OFF_UNKNOWN);
	expect_sense_bytes(&fc, unknown);
	fake_close(&f);
}

/* The INFORMATION field has 32 bits: an LBA is whole or not there. */
static void
test_medium_far(void)
{
	static const uint8_t last[] = { 0xf0, 0, 0x03, 0xff, 0xff, 0xff, 0xff,
	    0x0a, 0, 0, 0, 0, 0x11, 0x00, 0, 0, 0, 0 };
	static const uint8_t beyond[] = { 0x70, 0, 0x03, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x11, 0x00, 0, 0, 0, 0 };
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.size_bytes = UINT64_C(4) << 40;
	fake_open_conf(&f, &conf);
	for (unsigned i = 0; i < 2; i++) {
		f.d.fail_at[F_READ] = i + 1;
		f.d.fail_rc = -EIO;
		f.d.fail_off_bytes = ((UINT64_C(1) << 32) - 1 + i) * 512;
		fake_run(&f, &fc, CDB(0x88, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff,
		    0xff, 0, 0, 0, 2, 0, 0));
		expect_sense_bytes(&fc, i == 0 ? last : beyond);
		fake_cmd_free(&fc);
	}
	fake_close(&f);
}

static void
test_errno(void)
{
	static const struct {
		int rc;
		uint8_t status, key, asc, ascq;
	} want[] = {
		{ -ENOSPC, 0x02, 7, 0x27, 0x07 },
		{ -EDQUOT, 0x02, 7, 0x27, 0x07 },
		{ -EROFS, 0x02, 7, 0x27, 0x00 },
		{ -EPERM, 0x02, 7, 0x27, 0x00 },
		{ -EACCES, 0x02, 7, 0x27, 0x00 },
		{ -ENOMEM, 0x08, 0, 0, 0 },
		{ -EBUSY, 0x08, 0, 0, 0 },
		{ -EAGAIN, 0x08, 0, 0, 0 },
		{ -ENODEV, 0x02, 2, 0x04, 0x00 },
		{ -ENXIO, 0x02, 2, 0x04, 0x00 },
		{ -ESHUTDOWN, 0x02, 2, 0x04, 0x00 },
		{ -EINVAL, 0x02, 4, 0x44, 0x00 },
		{ -ECANCELED, 0x02, 4, 0x44, 0x00 },
	};
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		run_failing(&f, &fc, true, want[i].rc, 0);
		CU_ASSERT_EQUAL(fc.c.status, want[i].status);
		if (want[i].status == SCSI_BUSY)
			CU_ASSERT_EQUAL(fc.c.sense_len, 0)
		else
			expect_sense(&fc, want[i].key, want[i].asc,
			    want[i].ascq);
	}
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "golden bytes", test_golden },
	{ "medium errors", test_medium },
	{ "medium errors beyond 32 bits", test_medium_far },
	{ "every errno", test_errno },
};
UNIT_MAIN("scsi/sense", tests)
