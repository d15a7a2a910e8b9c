/* SPDX-License-Identifier: BSD-2-Clause */
/* INQUIRY: golden bytes of the standard data and of every VPD page. */
#include "tests/unit/scsi/fake.h"

static const uint8_t std_golden[96] = {
	0x00, 0x00, 0x06, 0x12, 0x5b, 0x00, 0x00, 0x02,
	'T', 'T', ' ', ' ', ' ', ' ', ' ', ' ',
	'T', 'I', 'M', 'E', '-', 'T', 'R', 'A',
	'V', 'E', 'L', ' ', 'L', 'U', 'N', ' ',
	'0', '0', '0', '1',
	[58] = 0x00, 0xa0, 0x04, 0x60, 0x04, 0xc0, 0x09, 0x60
};

static void
test_standard(void)
{
	struct fake f;
	uint8_t no_lun[96];
	struct fake_cmd fc;

	fake_open(&f);
	GOLDEN(&f, std_golden, 0x12, 0, 0, 0x01, 0x00, 0);

	memcpy(no_lun, std_golden, sizeof(no_lun));
	no_lun[0] = 0x7f;
	fake_cmd_init(&fc, CDB(0x12, 0, 0, 0, 96, 0));
	fc.c.lun[1] = 1;
	scsi_exec(f.nx, &fc.c);
	expect_bytes(&fc, no_lun, sizeof(no_lun));
	fake_cmd_free(&fc);
	fake_close(&f);
}

/* Allocation length and expected length cut, each for itself. */
static void
test_lengths(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	fake_run(&f, &fc, CDB(0x12, 0, 0, 0, 36, 0));
	expect_bytes(&fc, std_golden, 36);
	fake_cmd_free(&fc);

	fake_run(&f, &fc, CDB(0x12, 0, 0, 0, 0, 0));
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.allocs, 0);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);

	fake_cmd_init(&fc, CDB(0x12, 0, 0, 0, 36, 0));
	fc.c.in_max_bytes = 5;
	scsi_exec(f.nx, &fc.c);
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.in_bytes, 5);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 36);
	CU_ASSERT_EQUAL(memcmp(fc.in, std_golden, 5), 0);
	fake_cmd_free(&fc);

	fake_cmd_init(&fc, CDB(0x12, 0, 0, 0, 36, 0));
	fc.c.in_max_bytes = 0;
	scsi_exec(f.nx, &fc.c);
	expect_good(&fc);
	CU_ASSERT_EQUAL(fc.c.in_bytes, 0);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 36);

	fake_cmd_init(&fc, CDB(0x12, 0, 0, 0, 36, 0));
	fc.alloc_rc = -ENOMEM;
	scsi_exec(f.nx, &fc.c);
	CU_ASSERT_EQUAL(fc.done, 1);
	CU_ASSERT_EQUAL(fc.c.status, SCSI_BUSY);
	CU_ASSERT_EQUAL(fc.c.sense_len, 0);
	fake_close(&f);
}

static void
test_bad(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	BAD_FIELD(&f, 2, 7, 0x12, 0, 0x80, 0, 255, 0);	/* page, no EVPD */
	BAD_FIELD(&f, 2, 7, 0x12, 1, 0x81, 0, 255, 0);
	BAD_FIELD(&f, 2, 7, 0x12, 1, 0xb3, 0, 255, 0);
	BAD_FIELD(&f, 1, 1, 0x12, 2, 0, 0, 255, 0);	/* CMDDT */
	BAD_FIELD(&f, 1, 7, 0x12, 0x81, 0, 0, 255, 0);
	BAD_FIELD(&f, 5, 2, 0x12, 0, 0, 0, 255, 0x04);	/* NACA */

	fake_cmd_init(&fc, CDB(0x12, 1, 0x83, 0, 255, 0));
	fc.c.lun[1] = 1;
	scsi_exec(f.nx, &fc.c);
	expect_field(&fc, 2, 7);
	fake_close(&f);
}

static void
test_vpd_00(void)
{
	static const uint8_t want[] = { 0x00, 0x00, 0x00, 0x06,
	    0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 };
	static const uint8_t none[] = { 0x7f, 0x00, 0x00, 0x01, 0x00 };
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	GOLDEN(&f, want, 0x12, 1, 0x00, 0, 255, 0);
	fake_cmd_init(&fc, CDB(0x12, 1, 0x00, 0, 255, 0));
	fc.c.lun[1] = 1;
	scsi_exec(f.nx, &fc.c);
	expect_bytes(&fc, none, sizeof(none));
	fake_cmd_free(&fc);
	fake_close(&f);
}

static void
test_vpd_80(void)
{
	static const uint8_t want[] = { 0x00, 0x80, 0x00, 0x10,
	    'T', 'T', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
	    'A', 'B', 'C', 'D' };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, want, 0x12, 1, 0x80, 0, 255, 0);
	fake_close(&f);
}

static void
test_vpd_83(void)
{
	static const uint8_t want[] = { 0x00, 0x83, 0x00, 0x7a,
	    /* NAA 3h */
	    0x01, 0x03, 0x00, 0x08,
	    0x31, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	    /* UUID */
	    0x01, 0x0a, 0x00, 0x12, 0x10, 0x00,
	    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4c, 0xde,
	    0x8f, 0x01, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67,
	    /* T10 vendor id */
	    0x02, 0x01, 0x00, 0x18,
	    'T', 'T', ' ', ' ', ' ', ' ', ' ', ' ',
	    'T', 'T', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
	    'A', 'B', 'C', 'D',
	    /* relative target port, target port group */
	    0x51, 0x94, 0x00, 0x04, 0x00, 0x00, 0x00, 0x01,
	    0x51, 0x95, 0x00, 0x04, 0x00, 0x00, 0x00, 0x01,
	    /* name of the target port, with a zero and to four bytes */
	    0x53, 0x98, 0x00, 0x28,
	    'i', 'q', 'n', '.', '2', '0', '2', '5', '-', '0', '1', '.',
	    'c', 'o', 'm', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', ':',
	    'd', 'i', 's', 'k', ',', 't', ',', '0', 'x', '0', '0', '0', '1',
	    0x00, 0x00, 0x00 };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, want, 0x12, 1, 0x83, 0x02, 0x00, 0);
	fake_close(&f);
}

/* The page is longest with the longest names; its walk has to end exactly. */
static void
test_vpd_83_longest(void)
{
	char serial[SCSI_SERIAL_MAX + 1], port[SCSI_PORT_NAME_MAX + 1];
	struct scsi_nexus_conf nc = { FAKE_INITIATOR, port, 0xfedc, 0x89ab };
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;
	struct rd r;
	unsigned n = 0;

	memset(&f, 0, sizeof(f));
	memset(serial, 'S', sizeof(serial));
	serial[SCSI_SERIAL_MAX] = '\0';
	memset(port, 'p', sizeof(port));
	port[SCSI_PORT_NAME_MAX] = '\0';
	conf = fake_conf(&f.d);
	conf.serial = serial;
	CU_ASSERT_EQUAL_FATAL(scsi_lu_new(&conf, &f.lu), 0);
	CU_ASSERT_EQUAL_FATAL(scsi_nexus_new(f.lu, &nc, &f.nx), 0);
	fake_run(&f, &fc, CDB(0x12, 1, 0x83, 0xff, 0xff, 0));
	expect_good(&fc);
	r = rd_init(fc.in, fc.c.in_bytes);
	(void)rd_be16(&r);
	CU_ASSERT_EQUAL(rd_be16(&r), fc.c.in_bytes - 4);
	while (rd_left(&r) > 0 && !r.bad) {
		uint32_t h = rd_be32(&r);

		if ((h & 0x3f0000) == 0x180000)		/* port name */
			CU_ASSERT_EQUAL(h & 0xff, SCSI_PORT_NAME_MAX + 1);
		n++;
		(void)rd_bytes(&r, h & 0xff);
	}
	CU_ASSERT_FALSE(r.bad);
	CU_ASSERT_EQUAL(n, 6);
	fake_cmd_free(&fc);
	fake_close(&f);
}

/* SPC-4 7.8.6.11: a name ends with at least one zero, padded to four bytes. */
static void
test_vpd_83_padding(void)
{
	char port[SCSI_PORT_NAME_MAX + 1];
	struct scsi_nexus_conf nc = { FAKE_INITIATOR, port, 1, 1 };
	struct fake f;

	fake_open(&f);
	for (size_t len = 1; len <= SCSI_PORT_NAME_MAX; len++) {
		struct scsi_nexus *nx;
		struct fake_cmd fc;
		const uint8_t *d;
		size_t n;

		memset(port, 'p', len);
		port[len] = '\0';
		CU_ASSERT_EQUAL_FATAL(scsi_nexus_new(f.lu, &nc, &nx), 0);
		fake_cmd_init(&fc, CDB(0x12, 1, 0x83, 0x02, 0x00, 0));
		scsi_exec(nx, &fc.c);
		expect_good(&fc);
		/* behind the header and five designators */
		d = fc.in + 4 + 12 + 22 + 28 + 8 + 8;
		n = d[3];
		CU_ASSERT_EQUAL(d[0], 0x53);
		CU_ASSERT_EQUAL(n % 4, 0);
		CU_ASSERT(n > len && n <= len + 4);
		CU_ASSERT_EQUAL_FATAL(fc.in + fc.c.in_bytes, d + 4 + n);
		CU_ASSERT_EQUAL(memcmp(d + 4, port, len), 0);
		for (size_t i = len; i < n; i++)
			CU_ASSERT_EQUAL(d[4 + i], 0);
		fake_cmd_free(&fc);
		scsi_nexus_free(nx);
	}
	fake_close(&f);
}

static void
test_vpd_b0(void)
{
	static const uint8_t want[64] = { 0x00, 0xb0, 0x00, 0x3c,
	    0x01, 0x00, 0x00, 0x08,		/* WSNZ; granularity 4 KiB */
	    0x00, 0x00, 0x80, 0x00,		/* 16 MiB */
	    0x00, 0x00, 0x08, 0x00,		/* 1 MiB */
	    0x00, 0x00, 0x00, 0x00,
	    0xff, 0xff, 0xff, 0xff,		/* unmap: any count, */
	    0x00, 0x00, 0x01, 0x00,		/* 256 descriptors */
	    0x00, 0x00, 0x00, 0x08,		/* granularity 4 KiB */
	    0x80, 0x00, 0x00, 0x00,
	    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xf8, /* 32 MiB - 4 KiB */
	};
	static const uint8_t want4k[64] = { 0x00, 0xb0, 0x00, 0x3c,
	    0x01, 0x00, 0x00, 0x10,
	    0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x01, 0x00,
	    0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
	    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x10,
	    0x80, 0x00, 0x00, 0x00,
	    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00,
	};
	struct scsi_lu_conf conf;
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, want, 0x12, 1, 0xb0, 0, 255, 0);
	fake_close(&f);

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.sector_bytes = 4096;
	conf.block_bytes = 65536;
	fake_open_conf(&f, &conf);
	GOLDEN(&f, want4k, 0x12, 1, 0xb0, 0, 255, 0);
	fake_close(&f);
}

static void
test_vpd_b1_b2(void)
{
	static const uint8_t b1[64] = { 0x00, 0xb1, 0x00, 0x3c, 0x00, 0x01 };
	static const uint8_t b2[] = { 0x00, 0xb2, 0x00, 0x04, 0x00, 0xe4, 0x02,
	    0x00 };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, b1, 0x12, 1, 0xb1, 0, 255, 0);
	GOLDEN(&f, b2, 0x12, 1, 0xb2, 0, 255, 0);
	fake_close(&f);
}

/* Texts of the configuration are padded; the defaults are used for NULL. */
static void
test_texts(void)
{
	struct scsi_lu_conf conf;
	struct fake f;
	struct fake_cmd fc;

	memset(&f, 0, sizeof(f));
	conf = fake_conf(&f.d);
	conf.vendor = "ACME";
	conf.product = "0123456789abcdef";
	conf.revision = NULL;
	fake_open_conf(&f, &conf);
	fake_run(&f, &fc, CDB(0x12, 0, 0, 0, 36, 0));
	expect_good(&fc);
	CU_ASSERT_EQUAL(memcmp(fc.in + 8, "ACME    0123456789abcdef", 24), 0);
	CU_ASSERT_EQUAL(memcmp(fc.in + 32, TT_VERSION, 3), 0);
	CU_ASSERT_NOT_EQUAL(fc.in[35], '.');
	fake_cmd_free(&fc);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "standard data", test_standard },
	{ "allocation and expected length", test_lengths },
	{ "bad CDBs", test_bad },
	{ "VPD 00h", test_vpd_00 },
	{ "VPD 80h", test_vpd_80 },
	{ "VPD 83h", test_vpd_83 },
	{ "VPD 83h, longest names", test_vpd_83_longest },
	{ "VPD 83h, padding", test_vpd_83_padding },
	{ "VPD B0h", test_vpd_b0 },
	{ "VPD B1h, B2h", test_vpd_b1_b2 },
	{ "texts", test_texts },
};
UNIT_MAIN("scsi/inquiry", tests)
