/* SPDX-License-Identifier: BSD-2-Clause */
/* UNMAP: descriptors, every length, all or nothing. */
#include "tests/unit/scsi/fake.h"

static uint8_t list[8 + 257 * 16];

static void
put_header(unsigned n_desc)
{

	memset(list, 0, sizeof(list));
	put_be16(list, (uint16_t)(6 + 16 * n_desc));
	put_be16(list + 2, (uint16_t)(16 * n_desc));
}

static void
put_desc(unsigned i, uint64_t lba, uint32_t n)
{

	put_be64(list + 8 + 16 * i, lba);
	put_be32(list + 16 + 16 * i, n);
}

static void
run(struct fake *f, struct fake_cmd *fc, size_t list_len, size_t out_len)
{

	fake_run_out(f, fc, CDB(0x42, 0, 0, 0, 0, 0, 0,
	    (uint8_t)(list_len >> 8), (uint8_t)list_len, 0), list, out_len);
}

static void
test_descriptors(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	f.d.deferred = true;
	memset(f.d.mem, 'x', FAKE_SIZE);
	put_header(4);
	put_desc(0, 1, 2);
	put_desc(1, 100, 0);		/* nothing */
	put_desc(2, 8000, 192);		/* to the end */
	put_desc(3, 8192, 0);
	run(&f, &fc, 8 + 64, 8 + 64);
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.dir, SCSI_DIR_OUT);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 72);
	CU_ASSERT_EQUAL(f.d.calls[F_UNMAP], 1);
	CU_ASSERT_EQUAL(f.d.last.n_ext, 2);
	for (size_t at = 0; at < FAKE_SIZE; at++) {
		size_t lba = at / 512;
		bool in = (lba >= 1 && lba < 3) || lba >= 8000;

		if (f.d.mem[at] != (in ? 0 : 'x')) {
			CU_FAIL("wrong byte");
			break;
		}
	}

	put_header(256);
	for (unsigned i = 0; i < 256; i++)
		put_desc(i, i * 2, 1);
	run(&f, &fc, 8 + 4096, 8 + 4096);
	expect_good(&fc);
	CU_ASSERT_EQUAL(f.d.last.n_ext, 256);
	fake_close(&f);
}

static void
test_nothing(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	run(&f, &fc, 0, 0);
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	put_header(0);
	run(&f, &fc, 8, 8);
	expect_good(&fc);
	put_header(2);
	put_desc(0, 5, 0);
	put_desc(1, 0, 0);
	run(&f, &fc, 40, 40);
	expect_good(&fc);
	/* a last descriptor that is not whole is ignored */
	put_header(1);
	put_be16(list, 6 + 15);
	put_be16(list + 2, 15);
	put_desc(0, 0, 1);
	run(&f, &fc, 24, 24);
	expect_good(&fc);
	CU_ASSERT_EQUAL(f.d.calls[F_UNMAP], 0);
	fake_close(&f);
}

static void
test_lengths(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	memset(f.d.mem, 'x', FAKE_SIZE);
	put_header(1);
	put_desc(0, 0, 1);
	for (size_t n = 1; n < 8; n++) {	/* no whole header */
		run(&f, &fc, n, n);
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LIST_LENGTH);
	}
	for (size_t n = 0; n < 24; n++) {	/* not all of it came */
		run(&f, &fc, 24, n);
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LIST_LENGTH);
	}
	for (size_t n = 8; n < 24; n++) {	/* descriptors do not fit */
		run(&f, &fc, n, 24);
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LIST_LENGTH);
	}
	/* the two lengths contradict each other */
	put_be16(list, 6 + 15);
	run(&f, &fc, 24, 24);
	expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_INVALID_LIST);
	CU_ASSERT_EQUAL(fc.c.sense[15], 0x80);
	CU_ASSERT_EQUAL(get_be16(fc.c.sense + 16), 0);
	/* one descriptor more than VPD B0h allows */
	put_header(257);
	run(&f, &fc, sizeof(list), sizeof(list));
	expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_INVALID_LIST);
	CU_ASSERT_EQUAL(fc.c.sense[15], 0x80);
	CU_ASSERT_EQUAL(get_be16(fc.c.sense + 16), 2);

	fake_run_out(&f, &fc, CDB(0x42, 1, 0, 0, 0, 0, 0, 0, 24, 0), list, 24);
	expect_field(&fc, 1, 0);		/* ANCHOR */
	fake_run_out(&f, &fc, CDB(0x42, 0, 0, 0, 0, 0, 1, 0, 24, 0), list, 24);
	expect_field(&fc, 6, 0);		/* group */
	CU_ASSERT_EQUAL(f.d.calls[F_UNMAP], 0);
	/* a longer list than its descriptors is fine */
	put_header(1);
	put_desc(0, 0, 1);
	run(&f, &fc, 100, 100);
	expect_good(&fc);
	CU_ASSERT_EQUAL(f.d.last.n_ext, 1);
	fake_close(&f);
}

/* The last of three is out of range: none is unmapped. */
static void
test_range(void)
{
	static const struct { uint64_t lba; uint32_t n; } bad[] = {
		{ 8191, 2 }, { 8192, 1 }, { 8193, 0 }, { 0, UINT32_MAX },
		{ UINT64_MAX, 1 }, { UINT64_MAX, UINT32_MAX },
		{ UINT64_C(1) << 55, 1 },
	};
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_header(3);
		put_desc(0, 0, 1);
		put_desc(1, 5, 1);
		put_desc(2, bad[i].lba, bad[i].n);
		run(&f, &fc, 56, 56);
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
	}
	CU_ASSERT_EQUAL(f.d.calls[F_UNMAP], 0);
	fake_close(&f);
}

/* The largest count of one descriptor, on a disk where it fits. */
static void
test_huge(void)
{
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.size_bytes = UINT64_C(64) << 40;
	fake_open_conf(&f, &conf);
	put_header(1);
	put_desc(0, UINT64_C(1) << 33, UINT32_MAX);
	run(&f, &fc, 24, 24);
	expect_good(&fc);
	CU_ASSERT_EQUAL(f.d.last.n_ext, 1);
	fake_close(&f);
}

static void
test_errors(void)
{
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	put_header(1);
	put_desc(0, 0, 1);
	f.d.fail_at[F_UNMAP] = 1;
	f.d.fail_rc = -ENOSPC;
	run(&f, &fc, 24, 24);
	expect_sense(&fc, KEY_DATA_PROTECT, ASC_NO_SPACE);
	fake_close(&f);

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.read_only = true;
	fake_open_conf(&f, &conf);
	run(&f, &fc, 24, 24);
	expect_sense(&fc, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	run(&f, &fc, 0, 0);
	expect_sense(&fc, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "descriptors", test_descriptors },
	{ "nothing to do", test_nothing },
	{ "lengths", test_lengths },
	{ "range", test_range },
	{ "huge", test_huge },
	{ "errors", test_errors },
};
UNIT_MAIN("scsi/unmap", tests)
