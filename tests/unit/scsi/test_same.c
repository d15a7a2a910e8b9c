/* SPDX-License-Identifier: BSD-2-Clause */
/* WRITE SAME: zeroes, patterns, UNMAP, NDOB, limits. */
#include "tests/unit/scsi/fake.h"

#define SAME10(b1, lba, n)						\
	0x41, b1, 0, 0, (lba) >> 8, (lba) & 0xff, 0,			\
	(uint8_t)((n) >> 8), (uint8_t)(n), 0
#define SAME16(b1, lba, n)						\
	0x93, b1, 0, 0, 0, 0, 0, 0, (lba) >> 8, (lba) & 0xff,		\
	(n) >> 24, (n) >> 16 & 0xff, (n) >> 8 & 0xff, (n) & 0xff, 0, 0

static uint8_t zero[4096], ones[4096], mixed[4096];

static void
open_full(struct fake *f, uint64_t size_bytes, uint32_t sector_bytes)
{
	struct scsi_lu_conf conf;

	memset(f, 0, sizeof(*f));
	conf = fake_conf(&f->d);
	conf.size_bytes = size_bytes;
	conf.sector_bytes = sector_bytes;
	fake_open_conf(f, &conf);
	memset(f->d.mem, 'x', (size_t)size_bytes);
	memset(ones, 0xff, sizeof(ones));
	for (size_t i = 0; i < sizeof(mixed); i++)
		mixed[i] = (uint8_t)(i * 3 + 1);
}

/* Sectors [lba, lba + n) are ${sector}, everything else is untouched. */
static void
expect_disk(const struct fake *f, uint64_t lba, uint64_t n,
    const uint8_t *sector, uint32_t sector_bytes)
{

	for (uint64_t at = 0; at < f->d.size_bytes; at += sector_bytes) {
		bool in = at / sector_bytes >= lba &&
		    at / sector_bytes < lba + n;

		if (in ? memcmp(f->d.mem + at, sector, sector_bytes) != 0 :
		    f->d.mem[at] != 'x' || f->d.mem[at + 511] != 'x') {
			CU_FAIL("wrong sector");
			return;
		}
	}
	CU_PASS("disk");
}

static void
test_zeroes(void)
{
	static const uint8_t b1[] = { 0x00, 0x08 };	/* without, with UNMAP */
	struct fake f;
	struct fake_cmd fc;

	for (unsigned i = 0; i < 2; i++) {
		open_full(&f, FAKE_SIZE, 512);
		fake_run_out(&f, &fc, CDB(SAME10(b1[i], 5, 300)), zero, 512);
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.dir, SCSI_DIR_OUT);
		CU_ASSERT_EQUAL(fc.c.xfer_bytes, 512);
		expect_disk(&f, 5, 300, zero, 512);
		CU_ASSERT_EQUAL(f.d.calls[F_ZERO], 1);
		CU_ASSERT_EQUAL(f.d.calls[F_WRITE], 0);
		fake_run_out(&f, &fc, CDB(SAME16(b1[i], 5, 400)), zero, 512);
		expect_good(&fc);
		expect_disk(&f, 5, 400, zero, 512);
		CU_ASSERT_EQUAL(f.d.calls[F_ZERO], 2);
		fake_close(&f);
	}
}

/* NDOB: no data-out at all; what comes anyway is not looked at. */
static void
test_ndob(void)
{
	struct fake f;
	struct fake_cmd fc;

	open_full(&f, FAKE_SIZE, 512);
	fake_run(&f, &fc, CDB(SAME16(0x01, 7, 9)));
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.dir, SCSI_DIR_NONE);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	expect_disk(&f, 7, 9, zero, 512);
	fake_run_out(&f, &fc, CDB(SAME16(0x09, 7, 10)), ones, 512);
	expect_good(&fc);
	expect_disk(&f, 7, 10, zero, 512);
	fake_run(&f, &fc, CDB(SAME10(0x01, 7, 9)));	/* not in the short */
	expect_field(&fc, 1, 0);
	fake_close(&f);
}

/* A pattern, in requests of at most 1 MiB, at once or later. */
static void
test_pattern(void)
{
	static const uint32_t n_lba[] = { 1, 2, 127, 128, 129, 2047, 2048,
	    2049, 6000 };
	struct fake f;
	struct fake_cmd fc;

	for (unsigned deferred = 0; deferred < 2; deferred++)
		for (size_t i = 0; i < sizeof(n_lba) / sizeof(n_lba[0]); i++) {
			uint32_t n = n_lba[i];

			open_full(&f, FAKE_SIZE, 512);
			f.d.deferred = deferred != 0;
			fake_run_out(&f, &fc, CDB(SAME10(0, 33, n)), mixed,
			    512);
			expect_good(&fc);
			expect_disk(&f, 33, n, mixed, 512);
			CU_ASSERT_EQUAL(f.d.calls[F_WRITE], (n + 2047) / 2048);
			CU_ASSERT(f.d.max_len_bytes <= 1 << 20);
			fake_close(&f);
		}

	/* UNMAP with what is not zero: written, because LBPRZ is 1 */
	open_full(&f, FAKE_SIZE, 4096);
	fake_run_out(&f, &fc, CDB(SAME16(0x08, 1, 1000)), mixed, 4096);
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 4096);
	expect_disk(&f, 1, 1000, mixed, 4096);
	fake_close(&f);

	/* zero but for the last byte is not zero */
	open_full(&f, FAKE_SIZE, 512);
	memset(mixed, 0, 511);
	mixed[511] = 1;
	fake_run_out(&f, &fc, CDB(SAME16(0, 1, 3)), mixed, 512);
	expect_good(&fc);
	expect_disk(&f, 1, 3, mixed, 512);
	fake_close(&f);
}

static void
test_limits(void)
{
	struct fake f;
	struct fake_cmd fc;

	open_full(&f, UINT64_C(48) << 20, 512);
	fake_run_out(&f, &fc, CDB(SAME16(0, 1, 65528)), mixed, 512);
	expect_good(&fc);
	expect_disk(&f, 1, 65528, mixed, 512);
	fake_run_out(&f, &fc, CDB(SAME16(0, 0, 65529)), zero, 512);
	expect_field(&fc, 10, 7);
	fake_run_out(&f, &fc, CDB(SAME16(8, 0, 65529)), zero, 512);
	expect_field(&fc, 10, 7);
	fake_run_out(&f, &fc, CDB(SAME16(0, 0, 0)), zero, 512);	/* WSNZ */
	expect_field(&fc, 10, 7);
	fake_run_out(&f, &fc, CDB(SAME10(0, 0, 0)), zero, 512);
	expect_field(&fc, 7, 7);
	fake_run_out(&f, &fc, CDB(SAME16(0x10, 0, 1)), zero, 512);
	expect_field(&fc, 1, 4);			/* ANCHOR */
	fake_run_out(&f, &fc, CDB(SAME10(0x18, 0, 1)), zero, 512);
	expect_field(&fc, 1, 4);
	fake_run_out(&f, &fc, CDB(SAME10(0x20, 0, 1)), zero, 512);
	expect_field(&fc, 1, 5);			/* WRPROTECT */
	CU_ASSERT_EQUAL(f.d.calls[F_ZERO], 0);
	fake_close(&f);

	open_full(&f, FAKE_SIZE, 512);
	fake_run_out(&f, &fc, CDB(SAME10(0, 8191, 2)), zero, 512);
	expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
	fake_run_out(&f, &fc, CDB(0x93, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0, 0, 0, 2, 0, 0), zero, 512);
	expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
	/* not one sector came */
	for (size_t i = 0; i < 4; i++) {
		static const size_t n[] = { 0, 511, 513, 1024 };

		fake_run_out(&f, &fc, CDB(SAME10(0, 0, 2)), zero, n[i]);
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_INVALID_INFO_UNIT);
		fake_run_out(&f, &fc, CDB(SAME16(0, 0, 2)), zero, n[i]);
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_INVALID_INFO_UNIT);
	}
	expect_disk(&f, 0, 0, zero, 512);
	fake_close(&f);
}

/* The third of five requests fails: an error, and no fourth. */
static void
test_failure(void)
{
	struct fake f;
	struct fake_cmd fc;

	for (unsigned deferred = 0; deferred < 2; deferred++) {
		open_full(&f, UINT64_C(8) << 20, 512);
		f.d.deferred = deferred != 0;
		f.d.fail_at[F_WRITE] = 3;
		f.d.fail_rc = -ENOSPC;
		fake_run_out(&f, &fc, CDB(SAME10(0, 0, 10000)), ones, 512);
		expect_sense(&fc, KEY_DATA_PROTECT, ASC_NO_SPACE);
		CU_ASSERT_EQUAL(f.d.calls[F_WRITE], 3);
		fake_close(&f);
	}
}

static void
test_read_only(void)
{
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.read_only = true;
	fake_open_conf(&f, &conf);
	fake_run_out(&f, &fc, CDB(SAME10(0, 0, 1)), zero, 512);
	expect_sense(&fc, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	fake_run(&f, &fc, CDB(SAME16(9, 0, 1)));
	expect_sense(&fc, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "zeroes", test_zeroes },
	{ "NDOB", test_ndob },
	{ "pattern", test_pattern },
	{ "limits", test_limits },
	{ "failure on the way", test_failure },
	{ "read only", test_read_only },
};
UNIT_MAIN("scsi/same", tests)
