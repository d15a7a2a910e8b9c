/* SPDX-License-Identifier: BSD-2-Clause */
/* MODE SENSE: golden bytes in every form, page control, errors. */
#include "tests/unit/scsi/fake.h"

#define RECOVER	0x01, 0x0a, 0x80, 0, 0, 0, 0, 0x80, 0, 0, 0, 0
#define CACHING	0x08, 0x12, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	0, 0, 0
#define CONTROL	0x0a, 0x0a, 0x20, 0x10, 0, 0, 0, 0, 0, 0, 0, 0
#define EXCEPT	0x1c, 0x0a, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0
/* Page 1Ch/02h without a threshold. */
#define NO_LIMIT	0x5c, 0x02, 0, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, \
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
/* 8192 blocks of 512 bytes */
#define DESC	0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x02, 0x00
#define DESC16	0, 0, 0, 0, 0x00, 0x00, 0x20, 0x00, 0, 0, 0, 0, \
	0x00, 0x00, 0x02, 0x00

static void
test_six(void)
{
	static const uint8_t all[] = { 0x43, 0x00, 0x10, 0x08, DESC, RECOVER,
	    CACHING, CONTROL, EXCEPT };
	static const uint8_t sub[] = { 0x5b, 0x00, 0x10, 0x08, DESC, RECOVER,
	    CACHING, CONTROL, EXCEPT, NO_LIMIT };
	static const uint8_t all_dbd[] = { 0x3b, 0x00, 0x10, 0x00, RECOVER,
	    CACHING, CONTROL, EXCEPT };
	static const uint8_t caching[] = { 0x17, 0x00, 0x10, 0x00, CACHING };
	static const uint8_t control[] = { 0x0f, 0x00, 0x10, 0x00, CONTROL };
	static const uint8_t recover[] = { 0x0f, 0x00, 0x10, 0x00, RECOVER };
	static const uint8_t except[] = { 0x0f, 0x00, 0x10, 0x00, EXCEPT };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, all, 0x1a, 0, 0x3f, 0, 255, 0);
	GOLDEN(&f, sub, 0x1a, 0, 0x3f, 0xff, 255, 0);
	GOLDEN(&f, all_dbd, 0x1a, 8, 0x3f, 0, 255, 0);
	GOLDEN(&f, all_dbd, 0x1a, 8, 0xbf, 0, 255, 0);	/* defaults */
	GOLDEN(&f, caching, 0x1a, 8, 0x08, 0, 255, 0);
	GOLDEN(&f, caching, 0x1a, 8, 0x08, 0xff, 255, 0);
	GOLDEN(&f, control, 0x1a, 8, 0x0a, 0, 255, 0);
	GOLDEN(&f, recover, 0x1a, 8, 0x01, 0, 255, 0);
	GOLDEN(&f, except, 0x1a, 8, 0x1c, 0, 255, 0);
	fake_close(&f);
}

static void
test_ten(void)
{
	static const uint8_t all[] = { 0x00, 0x46, 0x00, 0x10, 0x00, 0x00, 0x00,
	    0x08, DESC, RECOVER, CACHING, CONTROL, EXCEPT };
	static const uint8_t all_long[] = { 0x00, 0x4e, 0x00, 0x10, 0x01, 0x00,
	    0x00, 0x10, DESC16, RECOVER, CACHING, CONTROL, EXCEPT };
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
	static const uint8_t changeable[] = { 0x3b, 0x00, 0x10, 0x00,
	    0x01, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
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
	BAD_FIELD(&f, 2, 5, 0x1a, 8, 0x02, 0, 255, 0);
	BAD_FIELD(&f, 2, 5, 0x5a, 8, 0x19, 0, 0, 0, 0, 1, 0, 0);
	BAD_FIELD(&f, 3, 7, 0x1a, 8, 0x0a, 0x01, 255, 0);
	BAD_FIELD(&f, 3, 7, 0x1a, 8, 0x3f, 0x02, 255, 0);
	BAD_FIELD(&f, 3, 7, 0x1a, 8, 0x1c, 0x01, 255, 0);
	BAD_FIELD(&f, 1, 4, 0x1a, 0x10, 0x3f, 0, 255, 0);  /* no LLBAA in (6) */
	BAD_FIELD(&f, 5, 7, 0x5a, 8, 0x3f, 0, 0, 0x80, 0, 1, 0, 0);
	fake_close(&f);
}

static void
test_cut(void)
{
	static const uint8_t head[] = { 0x43, 0x00, 0x10, 0x08 };
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

/* SBC-3 6.4.8: the threshold of a thin disk, in MiB, as VPD B2h counts. */
static void
test_threshold(void)
{
#define LIMIT_1000	0x5c, 0x02, 0, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, \
	0, 0, 0, 0, 0x80, 0x01, 0, 0, 0, 0, 0x03, 0xe8
	static const uint8_t one[] = { 0x1b, 0x00, 0x10, 0x00, LIMIT_1000 };
	static const uint8_t both[] = { 0x27, 0x00, 0x10, 0x00, EXCEPT,
	    LIMIT_1000 };
	static const uint8_t none[] = { 0x1b, 0x00, 0x10, 0x00, NO_LIMIT };
	static const uint8_t b2_512[] = { 0x00, 0xb2, 0x00, 0x04, 11, 0xe4,
	    0x02, 0x00 };
	static const uint8_t b2_4k[] = { 0x00, 0xb2, 0x00, 0x04, 8, 0xe4,
	    0x02, 0x00 };
	struct scsi_lu_conf conf;
	struct fake f;

	for (uint32_t sector = 512; sector <= 4096; sector *= 8) {
		memset(&f, 0, sizeof(f));
		conf = fake_conf(&f.d);
		conf.sector_bytes = sector;
		conf.soft_threshold_bytes = UINT64_C(1000) << 20;
		fake_open_conf(&f, &conf);
		GOLDEN(&f, one, 0x1a, 8, 0x1c, 0x02, 255, 0);
		GOLDEN(&f, both, 0x1a, 8, 0x1c, 0xff, 255, 0);
		GOLDEN(&f, none, 0x1a, 8, 0x5c, 0x02, 255, 0);
		if (sector == 512)
			GOLDEN(&f, b2_512, 0x12, 1, 0xb2, 0, 255, 0);
		else
			GOLDEN(&f, b2_4k, 0x12, 1, 0xb2, 0, 255, 0);
		fake_close(&f);
	}
}

/* WCE: the administrator's, told of by 2Ah/01h; never the initiator's. */
static void
test_write_cache(void)
{
#define THROUGH	0x08, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
	static const uint8_t on[] = { 0x17, 0x00, 0x10, 0x00, CACHING };
	static const uint8_t off[] = { 0x17, 0x00, 0x10, 0x00, THROUGH };
	static const uint8_t all[] = { 0x3b, 0x00, 0x10, 0x00, RECOVER,
	    THROUGH, CONTROL, EXCEPT };
	struct scsi_lu_conf conf;
	struct fake f;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.write_through = true;
	fake_open_conf(&f, &conf);
	GOLDEN(&f, off, 0x1a, 8, 0x08, 0, 255, 0);
	GOLDEN(&f, off, 0x1a, 8, 0x48, 0, 255, 0);	/* changeable */
	GOLDEN(&f, off, 0x1a, 8, 0x88, 0, 255, 0);	/* default */
	GOLDEN(&f, all, 0x1a, 8, 0x3f, 0, 255, 0);
	scsi_lu_set_write_through(f.lu, true);		/* it is: no word */
	GOLDEN(&f, off, 0x1a, 8, 0x08, 0, 255, 0);
	scsi_lu_set_write_through(f.lu, false);
	BAD_SENSE(&f, 6, 0x2a, 0x01, 0x1a, 8, 0x08, 0, 255, 0);
	GOLDEN(&f, on, 0x1a, 8, 0x08, 0, 255, 0);
	GOLDEN(&f, off, 0x1a, 8, 0x48, 0, 255, 0);
	GOLDEN(&f, on, 0x1a, 8, 0x88, 0, 255, 0);
	scsi_lu_set_write_through(f.lu, true);
	BAD_SENSE(&f, 6, 0x2a, 0x01, 0x1a, 8, 0x08, 0, 255, 0);
	GOLDEN(&f, off, 0x1a, 8, 0x08, 0, 255, 0);
	/* MODE SELECT(6) and (10) */
	BAD_SENSE(&f, 5, 0x20, 0x00, 0x15, 0x10, 0, 0, 24, 0);
	BAD_SENSE(&f, 5, 0x20, 0x00, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28, 0);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "MODE SENSE(6)", test_six },
	{ "write cache", test_write_cache },
	{ "threshold of a thin disk", test_threshold },
	{ "MODE SENSE(10)", test_ten },
	{ "page control", test_page_control },
	{ "bad CDBs", test_bad },
	{ "allocation length", test_cut },
	{ "read only, large", test_read_only_large },
};
UNIT_MAIN("scsi/mode", tests)
