/* SPDX-License-Identifier: BSD-2-Clause */
/* MODE SENSE: golden bytes in every form, page control, errors. */
#include "tests/unit/scsi/fake.h"

#define CACHING	0x08, 0x12, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	0, 0, 0
#define CONTROL	0x0a, 0x0a, 0x20, 0x10, 0, 0, 0, 0, 0, 0, 0, 0
#define EXCEPT	0x1c, 0x0a, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0
/* 8192 blocks of 512 bytes */
#define DESC	0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x02, 0x00
#define DESC16	0, 0, 0, 0, 0x00, 0x00, 0x20, 0x00, 0, 0, 0, 0, \
	0x00, 0x00, 0x02, 0x00

static void
test_six(void)
{
	static const uint8_t all[] = { 0x37, 0x00, 0x10, 0x08, DESC, CACHING,
	    CONTROL, EXCEPT };
	static const uint8_t all_dbd[] = { 0x2f, 0x00, 0x10, 0x00, CACHING,
	    CONTROL, EXCEPT };
	static const uint8_t caching[] = { 0x17, 0x00, 0x10, 0x00, CACHING };
	static const uint8_t control[] = { 0x0f, 0x00, 0x10, 0x00, CONTROL };
	static const uint8_t except[] = { 0x0f, 0x00, 0x10, 0x00, EXCEPT };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, all, 0x1a, 0, 0x3f, 0, 255, 0);
	GOLDEN(&f, all, 0x1a, 0, 0x3f, 0xff, 255, 0);
	GOLDEN(&f, all_dbd, 0x1a, 8, 0x3f, 0, 255, 0);
	GOLDEN(&f, all_dbd, 0x1a, 8, 0xbf, 0, 255, 0);	/* defaults */
	GOLDEN(&f, caching, 0x1a, 8, 0x08, 0, 255, 0);
	GOLDEN(&f, caching, 0x1a, 8, 0x08, 0xff, 255, 0);
	GOLDEN(&f, control, 0x1a, 8, 0x0a, 0, 255, 0);
	GOLDEN(&f, except, 0x1a, 8, 0x1c, 0, 255, 0);
	fake_close(&f);
}

static void
test_ten(void)
{
	static const uint8_t all[] = { 0x00, 0x3a, 0x00, 0x10, 0x00, 0x00, 0x00,
	    0x08, DESC, CACHING, CONTROL, EXCEPT };
	static const uint8_t all_long[] = { 0x00, 0x42, 0x00, 0x10, 0x01, 0x00,
	    0x00, 0x10, DESC16, CACHING, CONTROL, EXCEPT };
	static const uint8_t caching[] = { 0x00, 0x1a, 0x00, 0x10, 0x00, 0x00,
	    0x00, 0x00, CACHING };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, all, 0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0, 0);
	GOLDEN(&f, all_long, 0x5a, 0x10, 0x3f, 0, 0, 0, 0, 1, 0, 0);
	GOLDEN(&f, caching, 0x5a, 0x08, 0x08, 0, 0, 0, 0, 1, 0, 0);
	GOLDEN(&f, caching, 0x5a, 0x18, 0x08, 0, 0, 0, 0, 1, 0, 0);
	fake_close(&f);
}

/* Changeable: nothing.  Saved: not there. */
static void
test_page_control(void)
{
	static const uint8_t changeable[] = { 0x2f, 0x00, 0x10, 0x00,
	    0x08, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0x0a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0x1c, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, changeable, 0x1a, 8, 0x7f, 0, 255, 0);
	BAD_SENSE(&f, 5, 0x39, 0x00, 0x1a, 8, 0xff, 0, 255, 0);
	BAD_SENSE(&f, 5, 0x39, 0x00, 0x5a, 8, 0xc8, 0, 0, 0, 0, 1, 0, 0);
	fake_close(&f);
}

static void
test_bad(void)
{
	struct fake f;

	fake_open(&f);
	BAD_FIELD(&f, 2, 5, 0x1a, 8, 0x01, 0, 255, 0);
	BAD_FIELD(&f, 2, 5, 0x5a, 8, 0x19, 0, 0, 0, 0, 1, 0, 0);
	BAD_FIELD(&f, 3, 7, 0x1a, 8, 0x0a, 0x01, 255, 0);
	BAD_FIELD(&f, 3, 7, 0x1a, 8, 0x3f, 0x02, 255, 0);
	BAD_FIELD(&f, 1, 4, 0x1a, 0x10, 0x3f, 0, 255, 0);  /* no LLBAA in (6) */
	BAD_FIELD(&f, 5, 7, 0x5a, 8, 0x3f, 0, 0, 0x80, 0, 1, 0, 0);
	fake_close(&f);
}

static void
test_cut(void)
{
	static const uint8_t head[] = { 0x37, 0x00, 0x10, 0x08 };
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	GOLDEN(&f, head, 0x1a, 0, 0x3f, 0, 4, 0);
	fake_run(&f, &fc, CDB(0x1a, 0, 0x3f, 0, 0, 0));
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.in_bytes, 0);
	fake_close(&f);
}

/* Write protected; larger than 32 bits of blocks. */
static void
test_read_only_large(void)
{
	static const uint8_t six[] = { 0x0f + 8, 0x00, 0x90, 0x08, 0xff, 0xff,
	    0xff, 0xff, 0x00, 0x00, 0x02, 0x00, CONTROL };
	static const uint8_t ten[] = { 0x00, 0x22, 0x00, 0x90, 0x01, 0x00,
	    0x00, 0x10, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0,
	    CONTROL };
	struct scsi_lu_conf conf;
	struct fake f;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.read_only = true;
	conf.size_bytes = UINT64_C(64) << 40;
	fake_open_conf(&f, &conf);
	GOLDEN(&f, six, 0x1a, 0, 0x0a, 0, 255, 0);
	GOLDEN(&f, ten, 0x5a, 0x10, 0x0a, 0, 0, 0, 0, 1, 0, 0);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "MODE SENSE(6)", test_six },
	{ "MODE SENSE(10)", test_ten },
	{ "page control", test_page_control },
	{ "bad CDBs", test_bad },
	{ "allocation length", test_cut },
	{ "read only, large", test_read_only_large },
};
UNIT_MAIN("scsi/mode", tests)
