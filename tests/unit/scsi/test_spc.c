/* SPDX-License-Identifier: BSD-2-Clause */
/* TEST UNIT READY, REQUEST SENSE, REPORT LUNS; LUNs that are not there. */
#include "tests/unit/scsi/fake.h"

static const uint8_t sense_none[] = { 0x70, 0, 0x00, 0, 0, 0, 0, 0x0a,
    0, 0, 0, 0, 0x00, 0x00, 0, 0, 0, 0 };

static void
run_lun(struct fake *f, struct fake_cmd *fc, uint64_t lun, const void *cdb,
    size_t cdb_len)
{

	fake_cmd_init(fc, cdb, cdb_len);
	put_be64(fc->c.lun, lun);
	scsi_exec(f->nx, &fc->c);
	CU_ASSERT_EQUAL_FATAL(fc->done, 1);
}

static void
test_ready(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	fake_run(&f, &fc, CDB(0, 0, 0, 0, 0, 0));
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.dir, SCSI_DIR_NONE);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	BAD_FIELD(&f, 4, 6, 0, 0, 0, 0, 0x7f, 0);
	/* bytes behind a short CDB are nobody's */
	fake_run(&f, &fc, CDB(0, 0, 0, 0, 0, 0, 0xff, 0xff));
	expect_good(&fc);
	fake_close(&f);
}

static void
test_request_sense(void)
{
	static const uint8_t ua[] = { 0x70, 0, 0x06, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x2a, 0x09, 0, 0, 0, 0 };
	static const uint8_t stopped[] = { 0x70, 0, 0x02, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x04, 0x02, 0, 0, 0, 0 };
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	GOLDEN(&f, sense_none, 0x03, 0, 0, 0, 252, 0);
	scsi_lu_attention(f.lu, NULL, 0x2a, 0x09);
	GOLDEN(&f, ua, 0x03, 0, 0, 0, 18, 0);
	GOLDEN(&f, sense_none, 0x03, 0, 0, 0, 18, 0);	/* it was told */
	fake_run(&f, &fc, CDB(0x03, 0, 0, 0, 4, 0));
	expect_bytes(&fc, sense_none, 4);
	fake_cmd_free(&fc);
	BAD_FIELD(&f, 1, 0, 0x03, 1, 0, 0, 252, 0);	/* no descriptors */

	fake_run(&f, &fc, CDB(0x1b, 0, 0, 0, 0, 0));
	expect_good(&fc);
	GOLDEN(&f, stopped, 0x03, 0, 0, 0, 252, 0);
	fake_close(&f);
}

static void
test_report_luns(void)
{
	static const uint8_t one[] = { 0, 0, 0, 8, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t none[] = { 0, 0, 0, 0, 0, 0, 0, 0 };
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	GOLDEN(&f, one, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16);
	GOLDEN(&f, none, 0xa0, 0, 1, 0, 0, 0, 0, 0, 1, 0);
	GOLDEN(&f, one, 0xa0, 0, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff);
	BAD_FIELD(&f, 2, 7, 0xa0, 0, 3, 0, 0, 0, 0, 0, 1, 0);
	BAD_FIELD(&f, 6, 7, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 15);
	BAD_FIELD(&f, 10, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 1, 0);
	run_lun(&f, &fc, UINT64_C(5) << 48,
	    CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	expect_bytes(&fc, one, sizeof(one));
	fake_cmd_free(&fc);
	fake_close(&f);
}

static void
test_other_luns(void)
{
	static const uint8_t no_lun[] = { 0x70, 0, 0x05, 0, 0, 0, 0, 0x0a,
	    0, 0, 0, 0, 0x25, 0x00, 0, 0, 0, 0 };
	static const uint64_t bad[] = {
		UINT64_C(0x0001000000000000),	/* peripheral, LUN 1 */
		UINT64_C(0x0100000000000000),	/* bus 1 */
		UINT64_C(0x4001000000000000),	/* flat, LUN 1 */
		UINT64_C(0x4100000000000000),	/* flat, LUN 256 */
		UINT64_C(0x8000000000000000),	/* logical unit addressing */
		UINT64_C(0xc101000000000000),	/* REPORT LUNS, well known */
		UINT64_C(0x0000000100000000),	/* a second level */
		UINT64_C(1), UINT64_MAX
	};
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	scsi_lu_attention(f.lu, NULL, 0x2a, 0x09);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		run_lun(&f, &fc, bad[i], CDB(0, 0, 0, 0, 0, 0));
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_NO_LUN);
		run_lun(&f, &fc, bad[i], CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_NO_LUN);
		/* an opcode we do not know either: the LUN comes first */
		run_lun(&f, &fc, bad[i], CDB(0xff));
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_NO_LUN);
		run_lun(&f, &fc, bad[i], CDB(0x03, 0, 0, 0, 18, 0));
		expect_bytes(&fc, no_lun, sizeof(no_lun));
		fake_cmd_free(&fc);
	}
	/* none of that took the attention of LUN 0 away */
	run_lun(&f, &fc, 0, CDB(0, 0, 0, 0, 0, 0));
	expect_sense(&fc, KEY_UNIT_ATTENTION, 0x2a, 0x09);
	run_lun(&f, &fc, UINT64_C(0x4000000000000000), CDB(0, 0, 0, 0, 0, 0));
	expect_good(&fc);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "TEST UNIT READY", test_ready },
	{ "REQUEST SENSE", test_request_sense },
	{ "REPORT LUNS", test_report_luns },
	{ "other LUNs", test_other_luns },
};
UNIT_MAIN("scsi/spc", tests)
