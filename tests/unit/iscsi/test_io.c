/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_io.c - SCSI commands on the wire: immediate and unsolicited data, R2T,
 * refusals, the budget, random reads and writes.
 */
#include "tests/unit/iscsi/io_util.h"

static void
test_no_data(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;
	static const struct {
		uint8_t flags;
		enum iscsi_attr attr;
	} t[] = { { 0x80, ISCSI_ATTR_UNTAGGED }, { 0x81, ISCSI_ATTR_SIMPLE },
	    { 0x82, ISCSI_ATTR_ORDERED }, { 0x83, ISCSI_ATTR_HEAD },
	    { 0x84, ISCSI_ATTR_ACA }, { 0x87, ISCSI_ATTR_SIMPLE } };

	fx_open(&fake_env);
	c = ini_session(NULL);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		itt = ini_scsi(&c, t[i].flags, 0x00, 0, 0, 0, "", 0);
		p = expect_rsp(&c, itt, 0);
		CU_ASSERT_EQUAL(p.b[1], 0x80);
		CU_ASSERT_EQUAL(p.len, 0);
		CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn);
		CU_ASSERT_EQUAL(get_be32(p.b + 32), c.cmdsn + 127);
		CU_ASSERT_EQUAL(fake.last_attr, t[i].attr);
	}
	itt = ini_scsi(&c, 0x81, 0xff, 0, 0, 0, "", 0);
	expect_sense(&c, itt, 5, 0x2000);
	fx_close();
}

static void
test_immediate(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	fill(1);
	c = ini_session(NULL);
	for (uint16_t n = 1; n <= 16; n++) {
		uint32_t len = n * 512u;
		uint32_t itt = ini_scsi(&c, F_WRITE, WRITE10, n * 100u, n, len,
		    data + len, len);

		p = expect_rsp(&c, itt, 0);
		CU_ASSERT_EQUAL(p.b[1], 0x80);
		CU_ASSERT_EQUAL(get_be32(p.b + 36), 0);
		CU_ASSERT_EQUAL(memcmp(fake.disk + n * 51200u, data + len,
		    len), 0);
	}
	fx_close();
}

/* Part of it immediate, the rest by R2T; all lengths of the first part. */
static void
test_immediate_and_r2t(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_session(NULL);
	for (uint32_t imm = 0; imm <= 4096; imm += 511) {
		uint32_t itt;

		fill(imm);
		itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 8, 4096, data, imm);
		p = expect_r2t(&c, itt, 0, imm, 4096 - imm);
		ini_data_out(&c, itt, get_be32(p.b + 20), true, 0, imm,
		    data + imm, 4096 - imm);
		p = expect_rsp(&c, itt, 0);
		CU_ASSERT_EQUAL(get_be32(p.b + 36), 1);	/* the R2T */
		CU_ASSERT_EQUAL(memcmp(fake.disk, data, 4096), 0);
	}
	fx_close();
}

/* Unsolicited Data-Out in several PDUs, with and without immediate data. */
static void
test_unsolicited(void)
{
	struct ini c;
	uint32_t itt, off, sn;

	fx_open(&fake_env);
	c = ini_session(KEYS("InitialR2T=No", "FirstBurstLength=65536"));
	for (uint32_t imm = 0; imm <= 8192; imm += 4096) {
		fill(imm + 7);
		itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 128, 65536, data,
		    imm);
		for (off = imm, sn = 0; off < 65536; off += 4096, sn++) {
			CU_ASSERT_TRUE(ini_silent(&c));
			ini_data_out(&c, itt, NO_TTT, off + 4096 == 65536, sn,
			    off, data + off, 4096);
		}
		(void)expect_rsp(&c, itt, 0);
		CU_ASSERT_EQUAL(memcmp(fake.disk, data, 65536), 0);
	}
	/* The unsolicited part may end before the first burst is full. */
	fill(99);
	itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 128, 65536, data, 0);
	ini_data_out(&c, itt, NO_TTT, true, 0, 0, data, 1000);
	{
		struct pdu p = expect_r2t(&c, itt, 0, 1000, 64536);

		ini_data_out(&c, itt, get_be32(p.b + 20), true, 0, 1000,
		    data + 1000, 64536);
	}
	(void)expect_rsp(&c, itt, 0);
	CU_ASSERT_EQUAL(memcmp(fake.disk, data, 65536), 0);
	fx_close();
}

/* A long write: immediate, unsolicited, then R2T after R2T. */
static void
test_many_r2t(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt, off, r2tsn = 0, len = 3u << 20;

	fx_open(&fake_env);
	fill(3);
	c = ini_session(KEYS("InitialR2T=No", "FirstBurstLength=16384",
	    "MaxBurstLength=100000"));
	itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 6144, len, data, 8192);
	ini_data_out(&c, itt, NO_TTT, true, 0, 8192, data + 8192, 8192);
	for (off = 16384; off < len;) {
		uint32_t n = len - off < 100000 ? len - off : 100000, sn = 0;

		p = expect_r2t(&c, itt, r2tsn++, off, n);
		while (n > 0) {
			uint32_t k = n < 30000 ? n : 30000;

			CU_ASSERT_TRUE(ini_silent(&c));
			ini_data_out(&c, itt, get_be32(p.b + 20), n == k,
			    sn++, off, data + off, k);
			off += k;
			n -= k;
		}
	}
	p = expect_rsp(&c, itt, 0);
	CU_ASSERT_EQUAL(get_be32(p.b + 36), r2tsn);
	CU_ASSERT_EQUAL(memcmp(fake.disk, data, len), 0);
	fx_close();
}

/* Extended CDBs, and additional headers that are not what they say. */
static void
test_ahs(void)
{
	struct ini c;
	struct pdu p;
	uint8_t b[48] = { 0x01, 0x81 }, ahs[1020];
	static const struct {
		uint8_t head[4];
		uint32_t len;
		size_t cdb;	/* 0: rejected */
	} t[] = {
		{ { 0, 17, 1, 0 }, 20, 32 }, { { 0, 2, 1, 0 }, 8, 17 },
		{ { 0, 1, 1, 0 }, 4, 0 }, { { 0, 17, 1, 0 }, 16, 0 },
		{ { 0, 17, 1, 0 }, 24, 0 }, { { 0, 5, 3, 0 }, 8, 0 },
		{ { 0xff, 0xff, 1, 0 }, 1020, 0 }, { { 0, 0, 0, 0 }, 4, 0 },
		{ { 0, 5, 2, 0 }, 8, 16 }, { { 3, 0xf9, 1, 0 }, 1020, 1032 }
	};

	fx_open(&fake_env);
	c = ini_session(NULL);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (size_t k = 0; k < sizeof(ahs); k++)
			ahs[k] = (uint8_t)k;
		memcpy(ahs, t[i].head, 4);
		if (t[i].cdb > 300)
			continue;	/* the fake keeps 300 */
		put_be32(b + 16, c.cmdsn);
		put_be32(b + 24, c.cmdsn++);
		ini_send_ahs(&c, b, ahs, t[i].len, "", 0);
		p = ini_expect(&c, t[i].cdb == 0 ? 0x3f : 0x21);
		CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn);
		if (t[i].cdb == 0) {
			CU_ASSERT_EQUAL(p.b[2], 9);
			continue;
		}
		CU_ASSERT_EQUAL(fake.last_cdb_len, t[i].cdb);
		CU_ASSERT_EQUAL(memcmp(fake.last_cdb + 16, ahs + 4,
		    t[i].cdb - 16), 0);
	}
	fx_close();
}

/* Data that was not agreed on is eaten, and the command fails. */
static void
test_unexpected_data(void)
{
	struct ini c;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(KEYS("ImmediateData=No", "InitialR2T=Yes"));
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 1, 512, data, 512);
	expect_sense(&c, itt, 0x0b, 0x0c0c);
	itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 1, 512, "", 0);
	CU_ASSERT_TRUE(ini_silent(&c));
	ini_data_out(&c, itt, NO_TTT, true, 0, 0, data, 512);
	expect_sense(&c, itt, 0x0b, 0x0c0c);
	/* Immediate data on a read; more immediate data than EDTL. */
	c = ini_session_isid(0, 2, NULL);
	itt = ini_scsi(&c, F_READ, READ10, 0, 1, 512, data, 512);
	expect_sense(&c, itt, 0x0b, 0x0c0c);
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 1, 512, data, 516);
	expect_sense(&c, itt, 0x0b, 0x0c0d);
	/* More than the first burst. */
	c = ini_session_isid(0, 3, KEYS("FirstBurstLength=1024",
	    "InitialR2T=No"));
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 4, 2048, data, 1028);
	expect_sense(&c, itt, 0x0b, 0x0c0c);
	itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 4, 2048, data, 512);
	ini_data_out(&c, itt, NO_TTT, false, 0, 512, data, 512);
	ini_data_out(&c, itt, NO_TTT, true, 1, 1024, data, 512);
	expect_sense(&c, itt, 0x0b, 0x0c0c);
	/* Reading and writing at once. */
	itt = ini_scsi(&c, 0xe1, READ10, 0, 1, 512, "", 0);
	expect_sense(&c, itt, 0x05, 0x2400);
	CU_ASSERT_EQUAL(fake.n_submitted, 0);
	fx_close();
}

/* EDTL is only the peer's word. */
static void
test_absurd_edtl(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(KEYS("InitialR2T=No"));
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 1, 0xffffffff, data, 512);
	expect_sense(&c, itt, 0x05, 0x2400);
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 1, (32u << 20) + 1, "", 0);
	expect_sense(&c, itt, 0x05, 0x2400);
	itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 1, 0x80000000, data, 512);
	CU_ASSERT_TRUE(ini_silent(&c));
	ini_data_out(&c, itt, NO_TTT, false, 0, 512, data, 4096);
	ini_data_out(&c, itt, NO_TTT, true, 1, 4608, data, 4096);
	expect_sense(&c, itt, 0x05, 0x2400);
	/* A read may promise what it likes. */
	(void)ini_scsi(&c, F_READ, READ10, 0, 1, 0xffffffff, "", 0);
	p = ini_expect(&c, 0x25);
	CU_ASSERT_EQUAL(p.len, 512);
	CU_ASSERT_EQUAL(p.b[1], 0x83);
	CU_ASSERT_EQUAL(get_be32(p.b + 44), 0xffffffff - 512);
	fx_close();
}

/* Data-Out that does not fit its sequence. */
static void
test_bad_dataout(void)
{
	static const struct {
		uint32_t datasn, off, len;
		uint16_t asc;
	} t[] = {
		{ 1, 0, 1024, 0x4705 },		/* one is missing */
		{ 0, 512, 512, 0x0c0d },	/* a gap */
		{ 0, 0, 1028, 0x0c0d },		/* beyond the R2T */
		{ 0, 0, 512, 0x0c0d },		/* less than the R2T */
		{ 0, 0, 0, 0x0c0d },		/* no data where data is due */
		{ 0, 0xfffffffc, 512, 0x0c0d },	/* beyond everything */
		{ 0xffffffff, 0, 1024, 0x4705 }
	};
	struct ini c;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(KEYS("MaxBurstLength=1024"));
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 4, 2048, "", 0);
		p = expect_r2t(&c, itt, 0, 0, 1024);
		ini_data_out(&c, itt, get_be32(p.b + 20), true, t[i].datasn,
		    t[i].off, data, t[i].len);
		expect_sense(&c, itt, 0x0b, t[i].asc);
	}
	/* A wrong tag, a tag for a task that has none, no task: nothing. */
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 2, 1024, "", 0);
	p = expect_r2t(&c, itt, 0, 0, 1024);
	ini_data_out(&c, itt, get_be32(p.b + 20) + 1, true, 0, 0, data, 1024);
	ini_data_out(&c, itt, NO_TTT, true, 0, 0, data, 1024);
	ini_data_out(&c, itt + 1, NO_TTT, true, 0, 0, data, 1024);
	ini_data_out(&c, itt + 1, get_be32(p.b + 20), true, 0, 0, data, 1024);
	CU_ASSERT_TRUE(ini_silent(&c));
	ini_data_out(&c, itt, get_be32(p.b + 20), true, 0, 0, data, 1024);
	(void)expect_rsp(&c, itt, 0);
	/* The same again: the task is gone. */
	ini_data_out(&c, itt, get_be32(p.b + 20), true, 0, 0, data, 1024);
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_EQUAL(fake.n_submitted, 1);
	fx_close();
}

/* A segment longer than we said we take. */
static void
test_segment_too_long(void)
{
	struct ini c;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(KEYS("FirstBurstLength=262144"));
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 512, 262144, data, 262144);
	(void)expect_rsp(&c, itt, 0);
	(void)ini_scsi(&c, F_WRITE, WRITE10, 0, 513, 262656, data, 262148);
	CU_ASSERT_TRUE(ini_closed(&c));
	fx_close();
}

/* The budget of data at work: later commands wait, all end. */
static void
test_budget(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt[4];
	unsigned done = 0;

	fx_open(&fake_env);
	c = ini_session(KEYS("MaxBurstLength=16777215"));
	for (int i = 0; i < 4; i++)
		itt[i] = ini_scsi(&c, F_WRITE, WRITE10, 0, 1, 32u << 20, "",
		    0);
	p = expect_r2t(&c, itt[0], 0, 0, 1 << 20);
	(void)expect_r2t(&c, itt[1], 0, 0, 1 << 20);
	CU_ASSERT_TRUE(ini_silent(&c));		/* two times 32 MiB is all */
	for (uint32_t off = 0; off < 32u << 20; off += 1 << 20) {
		for (uint32_t k = 0; k < 1 << 20; k += 262144)
			ini_data_out(&c, itt[0], get_be32(p.b + 20),
			    k == 3 * 262144, k / 262144, off + k, data,
			    262144);
		fx_run();
		if (off + (1 << 20) < 32u << 20)
			p = expect_r2t(&c, itt[0], off / (1 << 20) + 1,
			    off + (1 << 20), 1 << 20);
	}
	(void)expect_rsp(&c, itt[0], 0);
	p = expect_r2t(&c, itt[2], 0, 0, 1 << 20);
	CU_ASSERT_TRUE(ini_silent(&c));
	/* A small read behind them does not overtake, and is not lost. */
	(void)ini_scsi(&c, F_READ, READ10, 0, 1, 512, "", 0);
	CU_ASSERT_TRUE(ini_silent(&c));
	for (int i = 1; i < 4; i++) {
		ini_tmf(&c, 1, 0x5000 + (uint32_t)i, itt[i], itt[i]);
		fx_run();
		while (ini_recv(&c, &p))
			done += p.b[0] == 0x22 || p.b[0] == 0x25;
	}
	CU_ASSERT_EQUAL(done, 4);
	fx_close();
}

/* Random reads and writes, cut at random, against a copy of the disk. */
static void
test_random_io(void)
{
	struct ini c;
	struct pdu p;
	uint8_t *copy = malloc(DISK_BYTES);

	fx_open(&fake_env);
	net_seed = 77;
	c = ini_session(KEYS("InitialR2T=No", "FirstBurstLength=20000",
	    "MaxBurstLength=50000", "MaxRecvDataSegmentLength=30000",
	    "DataDigest=CRC32C", "HeaderDigest=CRC32C"));
	memcpy(copy, fake.disk, DISK_BYTES);
	net_tiny = true;
	for (int i = 0; i < 1500; i++) {
		uint32_t lba = net_random() % 7000;
		uint16_t n = (uint16_t)(1 + net_random() % 300);
		uint32_t len = n * 512u, off = 0, itt, sn = 0, ttt = NO_TTT;
		uint32_t end = len < 20000 ? len : 20000;

		if (net_random() % 2 == 0) {
			(void)ini_scsi(&c, F_READ, READ10, lba, n, len, "", 0);
			while (off < len) {
				p = ini_expect(&c, 0x25);
				CU_ASSERT_EQUAL(memcmp(p.data, copy +
				    lba * 512 + off, p.len), 0);
				off += p.len;
				if (p.len == 0)
					break;
			}
			c.statsn++;
			continue;
		}
		fill(net_random());
		off = net_random() % (end + 1);
		itt = ini_scsi(&c, off == end && off < len ? F_WRITE : off ==
		    len ? F_WRITE : NF_WRITE, WRITE10, lba, n, len, data, off);
		while (off < len) {
			if (off == end) {
				p = ini_expect(&c, 0x31);
				ttt = get_be32(p.b + 20);
				CU_ASSERT_EQUAL(get_be32(p.b + 40), off);
				end = off + get_be32(p.b + 44);
				sn = 0;
			}
			while (off < end) {
				uint32_t k = 1 + net_random() % 9000;

				k = k < end - off ? k : end - off;
				ini_data_out(&c, itt, ttt, off + k == end,
				    sn++, off, data + off, k);
				off += k;
			}
		}
		(void)expect_rsp(&c, itt, 0);
		memcpy(copy + lba * 512, data, len);
	}
	CU_ASSERT_EQUAL(memcmp(copy, fake.disk, DISK_BYTES), 0);
	free(copy);
	fx_close();
}

static const struct unit_test tests[] = {
	{ "commands without data", test_no_data },
	{ "immediate data", test_immediate },
	{ "immediate data and R2T", test_immediate_and_r2t },
	{ "unsolicited data", test_unsolicited },
	{ "many R2Ts", test_many_r2t },
	{ "additional headers", test_ahs },
	{ "unexpected data", test_unexpected_data },
	{ "absurd lengths", test_absurd_edtl },
	{ "bad Data-Out", test_bad_dataout },
	{ "a segment too long", test_segment_too_long },
	{ "the budget of data", test_budget },
	{ "random reads and writes", test_random_io }
};
UNIT_MAIN("iscsi/io", tests)
