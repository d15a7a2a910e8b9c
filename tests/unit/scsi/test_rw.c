/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READ and WRITE in every length of CDB: data, ranges, limits, FUA, lengths
 * that the initiator expects and that differ.
 */
#include "tests/unit/scsi/fake.h"

static uint8_t buf[SCSI_XFER_MAX_BYTES + 4096];

static void
pattern(uint8_t *p, size_t len, unsigned seed)
{

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 512 + seed);
}

/* A CDB of each length; ${b1} as byte 1 but for the six byte form. */
static size_t
make(uint8_t cdb[16], unsigned len, bool write, uint8_t b1, uint64_t lba,
    uint32_t n)
{

	memset(cdb, 0, 16);
	switch (len) {
	case 6:
		cdb[0] = write ? 0x0a : 0x08;
		put_be24(cdb + 1, (uint32_t)lba);
		cdb[4] = (uint8_t)n;
		break;
	case 10:
		cdb[0] = write ? 0x2a : 0x28;
		cdb[1] = b1;
		put_be32(cdb + 2, (uint32_t)lba);
		put_be16(cdb + 7, (uint16_t)n);
		break;
	case 12:
		cdb[0] = write ? 0xaa : 0xa8;
		cdb[1] = b1;
		put_be32(cdb + 2, (uint32_t)lba);
		put_be32(cdb + 6, n);
		break;
	default:
		cdb[0] = write ? 0x8a : 0x88;
		cdb[1] = b1;
		put_be64(cdb + 2, lba);
		put_be32(cdb + 10, n);
		break;
	}
	return (len);
}

static const unsigned lens[] = { 6, 10, 12, 16 };

static void
test_data(void)
{
	struct fake f;
	struct fake_cmd fc;
	uint8_t cdb[16];

	for (unsigned deferred = 0; deferred < 2; deferred++) {
		fake_open(&f);
		f.d.deferred = deferred != 0;
		for (unsigned i = 0; i < 4; i++) {
			uint64_t lba = 1000 * i + 3;
			size_t n = 5 * 512, len;

			pattern(buf, n, i);
			len = make(cdb, lens[i], true, 0, lba, 5);
			fake_run_out(&f, &fc, cdb, len, buf, n);
			expect_good(&fc);
			CU_ASSERT_EQUAL(fc.c.dir, SCSI_DIR_OUT);
			CU_ASSERT_EQUAL(fc.c.xfer_bytes, n);
			CU_ASSERT_EQUAL(memcmp(f.d.mem + lba * 512, buf, n), 0);
			CU_ASSERT_EQUAL(f.d.last.flags, 0);

			len = make(cdb, lens[i], false, 0, lba, 5);
			fake_run(&f, &fc, cdb, len);
			expect_bytes(&fc, buf, n);
			fake_cmd_free(&fc);
		}
		/* only what was named was written */
		CU_ASSERT_EQUAL(f.d.mem[3 * 512 - 1], 0);
		CU_ASSERT_EQUAL(f.d.mem[8 * 512], 0);
		fake_close(&f);
	}
}

/* Zero blocks: 256 in the short form, nothing in the others. */
static void
test_zero_blocks(void)
{
	struct fake f;
	struct fake_cmd fc;
	uint8_t cdb[16];
	size_t len;

	fake_open(&f);
	pattern(f.d.mem, 256 * 512, 1);
	len = make(cdb, 6, false, 0, 0, 0);
	fake_run(&f, &fc, cdb, len);
	expect_bytes(&fc, f.d.mem, 256 * 512);
	fake_cmd_free(&fc);
	for (unsigned i = 1; i < 4; i++)
		for (unsigned write = 0; write < 2; write++) {
			/* also right behind the last block, but no further */
			len = make(cdb, lens[i], write, 0, 8192, 0);
			fake_run(&f, &fc, cdb, len);
			expect_good(&fc);
			CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
			CU_ASSERT_EQUAL(fc.allocs, 0);
			len = make(cdb, lens[i], write, 0, 8193, 0);
			fake_run(&f, &fc, cdb, len);
			expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
		}
	CU_ASSERT_EQUAL(f.d.calls[F_READ], 1);
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE], 0);
	fake_close(&f);
}

static void
test_range(void)
{
	static const struct {
		uint64_t lba;
		uint32_t n;
		bool good;
	} want[] = {
		{ 8191, 1, true }, { 8191, 2, false }, { 8192, 1, false },
		{ 0, 8192, true }, { 1, 8192, false },
		{ UINT32_MAX, 1, false }, { UINT64_MAX, 1, false },
		{ UINT64_MAX, 2, false }, { UINT64_MAX - 1, 2, false },
		{ UINT64_C(1) << 55, 1, false },	/* lba * 512 is 0 */
	};
	struct fake f;
	struct fake_cmd fc;
	uint8_t cdb[16];

	fake_open(&f);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		for (unsigned k = 1; k < 4; k++)
			for (unsigned write = 0; write < 2; write++) {
				size_t len;

				if (want[i].lba > UINT32_MAX && lens[k] < 16)
					continue;
				len = make(cdb, lens[k], write, 0, want[i].lba,
				    want[i].n);
				fake_run_out(&f, &fc, cdb, len, buf,
				    (size_t)want[i].n * 512);
				if (want[i].good)
					expect_good(&fc);
				else
					expect_sense(&fc, KEY_ILLEGAL_REQUEST,
					    ASC_LBA_RANGE);
				fake_cmd_free(&fc);
			}
	CU_ASSERT_EQUAL(f.d.calls[F_READ], 6);
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE], 6);
	fake_close(&f);
}

/* 16 MiB and not a block more; the field is named. */
static void
test_limit(void)
{
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;
	uint8_t cdb[16];
	size_t len;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t sector = i == 0 ? 512 : 4096;
		uint32_t max = SCSI_XFER_MAX_BYTES / sector;

		memset(&f, 0, sizeof(f));
		conf = fake_conf(&f.d);
		conf.sector_bytes = sector;
		conf.size_bytes = UINT64_C(40) << 20;
		fake_open_conf(&f, &conf);
		len = make(cdb, 16, false, 0, 0, max);
		fake_run(&f, &fc, cdb, len);
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.in_bytes, SCSI_XFER_MAX_BYTES);
		fake_cmd_free(&fc);
		len = make(cdb, 16, true, 0, 0, max);
		fake_run_out(&f, &fc, cdb, len, buf, SCSI_XFER_MAX_BYTES);
		expect_good(&fc);

		len = make(cdb, 16, false, 0, 0, max + 1);
		fake_run(&f, &fc, cdb, len);
		expect_field(&fc, 10, 7);
		len = make(cdb, 12, true, 0, 0, max + 1);
		fake_run_out(&f, &fc, cdb, len, buf, sizeof(buf));
		expect_field(&fc, 6, 7);
		len = make(cdb, 10, true, 0, 0, 0xffff);
		fake_run_out(&f, &fc, cdb, len, buf, sizeof(buf));
		expect_field(&fc, 7, 7);
		fake_close(&f);
	}
}

static void
test_fua(void)
{
	struct fake f;
	struct fake_cmd fc;
	uint8_t cdb[16];
	size_t len;

	fake_open(&f);
	f.d.deferred = true;
	for (unsigned i = 1; i < 4; i++) {
		size_t at = i * 100 * 512;

		/* DPO alone is only a hint */
		pattern(buf, 512, i);
		len = make(cdb, lens[i], true, 0x10, 100 * i, 1);
		fake_run_out(&f, &fc, cdb, len, buf, 512);
		expect_good(&fc);
		CU_ASSERT_EQUAL(f.d.last.flags, 0);
		CU_ASSERT_NOT_EQUAL(memcmp(f.d.durable + at, buf, 512), 0);

		pattern(buf, 512, i + 9);
		len = make(cdb, lens[i], true, 0x1a, 100 * i, 1);
		fake_run_out(&f, &fc, cdb, len, buf, 512);
		expect_good(&fc);
		CU_ASSERT_EQUAL(f.d.last.flags, SCSI_IO_FUA);
		CU_ASSERT_EQUAL(memcmp(f.d.durable + at, buf, 512), 0);

		/* what a READ with FUA returns is durable */
		pattern(f.d.mem + at, 512, i + 20);
		len = make(cdb, lens[i], false, 0x08, 100 * i, 1);
		fake_run(&f, &fc, cdb, len);
		expect_bytes(&fc, f.d.mem + at, 512);
		CU_ASSERT_EQUAL(memcmp(f.d.durable + at, fc.in, 512), 0);
		fake_cmd_free(&fc);
		CU_ASSERT_EQUAL(f.d.calls[F_FLUSH], i);
	}
	/* if that cannot be had, nothing is read */
	f.d.fail_at[F_FLUSH] = f.d.calls[F_FLUSH] + 1;
	f.d.fail_rc = -EIO;
	f.d.fail_off_bytes = SCSI_OFF_UNKNOWN;
	len = make(cdb, 10, false, 0x08, 0, 1);
	fake_run(&f, &fc, cdb, len);
	CU_ASSERT_EQUAL(fc.c.status, SCSI_CHECK_CONDITION);
	CU_ASSERT_EQUAL(fc.c.sense[2], KEY_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(f.d.calls[F_READ], 3);
	fake_cmd_free(&fc);
	fake_close(&f);
}

static void
test_reserved(void)
{
	struct fake f;

	fake_open(&f);
	BAD_FIELD(&f, 1, 5, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0);
	BAD_FIELD(&f, 1, 7, 0x8a, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
	BAD_FIELD(&f, 1, 0, 0x2a, 0x01, 0, 0, 0, 0, 0, 0, 1, 0);
	BAD_FIELD(&f, 1, 6, 0x08, 0x40, 0, 0, 1, 0);
	BAD_FIELD(&f, 9, 2, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0x04);
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE] + f.d.calls[F_READ], 0);
	fake_close(&f);
}

/* The initiator expects other than the CDB says: what fits is moved. */
static void
test_read_expected(void)
{
	static const struct { size_t expect, in, asked; } want[] = {
		{ 0, 0, 0 }, { 200, 200, 512 }, { 512, 512, 512 },
		{ 513, 513, 1024 }, { 1024, 1024, 1024 },
		{ 10000, 1024, 1024 }, { SIZE_MAX, 1024, 1024 },
	};
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	pattern(f.d.mem, 1024, 3);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		fake_cmd_init(&fc, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0));
		fc.c.in_max_bytes = want[i].expect;
		scsi_exec(f.nx, &fc.c);
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.xfer_bytes, 1024);
		CU_ASSERT_EQUAL(fc.c.in_bytes, want[i].in);
		CU_ASSERT_EQUAL(fc.in_len, want[i].asked);
		if (want[i].in > 0)
			CU_ASSERT_EQUAL(memcmp(fc.in, f.d.mem, want[i].in), 0);
		fake_cmd_free(&fc);
	}
	fake_close(&f);
}

/*
 * The initiator waits for data instead of sending some: GOOD would be a lost
 * write.  Not when nothing is to be written, or nothing is expected.
 */
static void
test_other_way(void)
{
	struct fake f;
	struct fake_cmd fc;
	uint8_t cdb[16];
	size_t len;

	fake_open(&f);
	for (unsigned i = 0; i < 4; i++) {
		len = make(cdb, lens[i], true, 0, 7, 1);
		fake_run(&f, &fc, cdb, len);
		expect_sense(&fc, KEY_ILLEGAL_REQUEST, ASC_INVALID_INFO_UNIT);
		CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
		fake_cmd_init(&fc, cdb, len);
		fc.c.in_max_bytes = 0;
		scsi_exec(f.nx, &fc.c);
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.xfer_bytes, 512);
		/* Data that nobody asked for is no harm. */
		len = make(cdb, lens[i], false, 0, 7, 1);
		fake_cmd_init(&fc, cdb, len);
		fake_cmd_out(&fc, buf, 512);
		fc.c.in_max_bytes = 0;
		scsi_exec(f.nx, &fc.c);
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.in_bytes, 0);
	}
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE] + f.d.calls[F_READ], 0);
	fake_close(&f);
}

static void
test_write_expected(void)
{
	static const struct { size_t came, written; } want[] = {
		{ 0, 0 }, { 200, 0 }, { 512, 512 }, { 1023, 512 },
		{ 1024, 1024 }, { 1536, 1024 }, { 10000, 1024 },
	};
	struct fake f;
	struct fake_cmd fc;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct iovec iov[4], before[4];
		size_t left = want[i].came;

		fake_open(&f);
		memset(buf, 'b', 10000);
		memset(f.d.mem, 'a', 4096);
		fake_cmd_init(&fc, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0));
		/* in uneven pieces, one of them empty */
		for (unsigned k = 0; k < 4; k++) {
			size_t n = k == 1 ? 0 : k == 3 ? left :
			    TT_MIN(left, 300);

			iov[k] = (struct iovec){ buf, n };
			left -= n;
		}
		memcpy(before, iov, sizeof(iov));
		fc.c.out = iov;
		fc.c.n_out = 4;
		fc.c.out_bytes = want[i].came;
		fc.c.in_max_bytes = 0;
		scsi_exec(f.nx, &fc.c);
		expect_good(&fc);
		CU_ASSERT_EQUAL(fc.c.xfer_bytes, 1024);
		CU_ASSERT_EQUAL(memcmp(before, iov, sizeof(iov)), 0);
		for (size_t b = 0; b < 4096; b++)
			if (f.d.mem[b] != (b < want[i].written ? 'b' : 'a'))
				CU_FAIL("wrong byte");
		fake_close(&f);
	}
}

static void
test_read_only(void)
{
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;
	uint8_t cdb[16];

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.read_only = true;
	fake_open_conf(&f, &conf);
	for (unsigned i = 0; i < 4; i++) {
		size_t len = make(cdb, lens[i], true, 0, 0, 1);

		fake_run_out(&f, &fc, cdb, len, buf, 512);
		expect_sense(&fc, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
		len = make(cdb, lens[i], false, 0, 0, 1);
		fake_run(&f, &fc, cdb, len);
		expect_good(&fc);
		fake_cmd_free(&fc);
	}
	CU_ASSERT_EQUAL(f.d.calls[F_WRITE], 0);
	fake_close(&f);
}

static void
test_no_memory(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	fake_cmd_init(&fc, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0));
	fc.alloc_rc = -ENOMEM;
	scsi_exec(f.nx, &fc.c);
	CU_ASSERT_EQUAL(fc.done, 1);
	CU_ASSERT_EQUAL(fc.c.status, SCSI_BUSY);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	CU_ASSERT_EQUAL(f.d.calls[F_READ], 0);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "data", test_data },
	{ "zero blocks", test_zero_blocks },
	{ "range", test_range },
	{ "maximum transfer length", test_limit },
	{ "DPO and FUA", test_fua },
	{ "reserved bits", test_reserved },
	{ "READ, other expected length", test_read_expected },
	{ "WRITE, other expected length", test_write_expected },
	{ "the other way", test_other_way },
	{ "read only", test_read_only },
	{ "no memory", test_no_memory },
};
UNIT_MAIN("scsi/rw", tests)
