/* SPDX-License-Identifier: BSD-2-Clause */
/* READ CAPACITY: golden bytes, both sector sizes, the 2 TiB border. */
#include "tests/unit/scsi/fake.h"

static void
open_size(struct fake *f, uint64_t size_bytes, uint32_t sector_bytes)
{
	struct scsi_lu_conf conf;

	memset(f, 0, sizeof(*f));
	conf = fake_conf(&f->d);
	conf.size_bytes = size_bytes;
	conf.sector_bytes = sector_bytes;
	fake_open_conf(f, &conf);
}

#define RCAP10	0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define RCAP16(n) 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n, 0, 0

static void
test_small(void)
{
	static const uint8_t w10[] = { 0x00, 0x00, 0x1f, 0xff, 0, 0, 2, 0 };
	static const uint8_t w16[32] = { 0, 0, 0, 0, 0x00, 0x00, 0x1f, 0xff,
	    0, 0, 2, 0, 0x00, 0x03, 0xc0, 0x00 };
	static const uint8_t w4k[32] = { 0, 0, 0, 0, 0x00, 0x00, 0x03, 0xff,
	    0, 0, 0x10, 0, 0x00, 0x00, 0xc0, 0x00 };
	struct fake f;
	struct fake_cmd fc;

	open_size(&f, FAKE_SIZE, 512);
	GOLDEN(&f, w10, RCAP10);
	GOLDEN(&f, w16, RCAP16(32));
	GOLDEN(&f, w16, RCAP16(255));
	fake_run(&f, &fc, CDB(RCAP16(12)));
	expect_bytes(&fc, w16, 12);
	fake_cmd_free(&fc);
	fake_run(&f, &fc, CDB(RCAP16(0)));
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	fake_close(&f);

	open_size(&f, FAKE_SIZE, 4096);
	GOLDEN(&f, w4k, RCAP16(32));
	fake_close(&f);
}

/* The last LBA that fits in 32 bits looks like "use the long form". */
static void
test_border(void)
{
	static const uint8_t below[] = { 0xff, 0xff, 0xff, 0xfe, 0, 0, 2, 0 };
	static const uint8_t above[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0 };
	static const uint8_t w16[32] = { 0, 0, 0, 1, 0, 0, 0, 7,
	    0, 0, 2, 0, 0x00, 0x03, 0xc0, 0x00 };
	struct fake f;

	open_size(&f, (UINT64_C(2) << 40) - 512, 512);
	GOLDEN(&f, below, RCAP10);
	fake_close(&f);
	open_size(&f, UINT64_C(2) << 40, 512);
	GOLDEN(&f, above, RCAP10);
	fake_close(&f);
	open_size(&f, (UINT64_C(2) << 40) + 4096, 512);
	GOLDEN(&f, above, RCAP10);
	GOLDEN(&f, w16, RCAP16(32));
	fake_close(&f);
}

static void
test_bad(void)
{
	struct fake f;

	fake_open(&f);
	BAD_FIELD(&f, 8, 0, 0x25, 0, 0, 0, 0, 0, 0, 0, 1, 0);	/* PMI */
	BAD_FIELD(&f, 5, 0, 0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0);	/* LBA */
	BAD_FIELD(&f, 9, 0, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 32);
	BAD_FIELD(&f, 14, 0, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32,
	    1, 0);
	BAD_FIELD(&f, 1, 5, 0x9e, 0x30);
	/* the opcode is there, this service action is not */
	BAD_FIELD(&f, 1, 4, 0x9e, 0x13);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "golden bytes", test_small },
	{ "2 TiB", test_border },
	{ "bad CDBs", test_bad },
};
UNIT_MAIN("scsi/capacity", tests)
