/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_datain.c - what comes back: Data-In sequences, residuals, a peer
 * that does not read.
 */
#include "tests/unit/iscsi/io_util.h"

static void
test_read(void)
{
	static const struct {
		const char *mrdsl, *burst;
		uint32_t m, b;
	} t[] = {
		{ "MaxRecvDataSegmentLength=512", "MaxBurstLength=512",
		    512, 512 },
		{ "MaxRecvDataSegmentLength=1000", "MaxBurstLength=2600",
		    1000, 2600 },
		{ "MaxRecvDataSegmentLength=8192", "MaxBurstLength=65536",
		    8192, 65536 },
		{ "MaxRecvDataSegmentLength=65536", "MaxBurstLength=4096",
		    65536, 4096 },
		{ "MaxRecvDataSegmentLength=16777215",
		    "MaxBurstLength=16777215", 16777215, 1 << 20 }
	};
	static const uint32_t lens[] = { 512, 4096, 8192, 8704, 65536,
	    1 << 20, (1 << 20) + 512, 3 << 20 };
	struct ini c;

	fx_open(&fake_env);
	for (int ext = 0; ext < 2; ext++)
		for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
			c = ini_session(KEYS(t[i].mrdsl, t[i].burst));
			for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]);
			    k++)
				read_all(&c, lens[k], t[i].m, t[i].b);
		}
	fx_close();
}

/* Data-in in someone else's memory, in more pieces than a PDU has room for. */
static void
test_read_foreign(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt, off = 0, sn = 0;

	fx_open(&fake_env);
	fake.ext = true;
	c = ini_session(KEYS("MaxRecvDataSegmentLength=65536"));
	itt = ini_scsi(&c, F_READ, READ10, 0, 256, 131072, "", 0);
	do {
		p = ini_expect(&c, 0x25);
		CU_ASSERT_EQUAL(get_be32(p.b + 16), itt);
		CU_ASSERT_EQUAL(get_be32(p.b + 36), sn++);
		CU_ASSERT_EQUAL(get_be32(p.b + 40), off);
		CU_ASSERT_TRUE(p.len > 0);
		CU_ASSERT_EQUAL(memcmp(p.data, fake.disk + off, p.len), 0);
		off += p.len;
	} while ((p.b[1] & 1) == 0 && p.len > 0);
	CU_ASSERT_EQUAL(off, 131072);
	fx_close();
}

/* A peer that does not read: what is queued for it is bounded. */
static void
test_slow_reader(void)
{
	struct ini c;
	struct pdu p;
	uint32_t got = 0, status = 0;

	fx_open(&fake_env);
	c = ini_session(KEYS("MaxRecvDataSegmentLength=512"));
	c.net->stalled = true;
	for (int i = 0; i < 20; i++)
		(void)ini_scsi(&c, F_READ, READ10, 0, 4096, 2 << 20, "", 0);
	fx_run();
	CU_ASSERT_TRUE(conn_unsent_bytes(c.net) < 256 * 1024);
	c.net->stalled = false;
	fx_run();
	while (ini_recv(&c, &p)) {
		got += p.len;
		status += p.b[1] & 1;
	}
	CU_ASSERT_EQUAL(got, 20 * (2u << 20));
	CU_ASSERT_EQUAL(status, 20);
	/* Pings that are never read do not pile up either. */
	c.net->stalled = true;
	for (uint32_t i = 0; i < 5000; i++)
		ini_ping(&c, false, 0x10000 + i, data, 4096);
	fx_run();
	CU_ASSERT_TRUE(conn_unsent_bytes(c.net) < 20u << 20);
	CU_ASSERT_TRUE(c.net->in.len > 0);
	fx_close();
}

static void
test_residuals(void)
{
	static const struct {
		bool read;
		uint16_t blocks;	/* by the CDB */
		uint32_t edtl, sent;
		uint8_t flags;
		uint32_t resid;
	} t[] = {
		{ true, 2, 1024, 1024, 0x81, 0 },
		{ true, 2, 2048, 1024, 0x83, 1024 },	/* underflow */
		{ true, 4, 1024, 1024, 0x85, 1024 },	/* overflow */
		{ true, 1, 511, 511, 0x85, 1 },
		{ false, 2, 1024, 0, 0x80, 0 },
		{ false, 2, 2048, 0, 0x82, 1024 },
		{ false, 4, 1024, 0, 0x84, 1024 },
		{ false, 1, 100, 0, 0x84, 412 }
	};
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_session(NULL);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint32_t itt = ini_scsi(&c, t[i].read ? F_READ : F_WRITE,
		    t[i].read ? READ10 : WRITE10, 0, t[i].blocks, t[i].edtl,
		    data, t[i].read ? 0 : t[i].edtl);

		if (t[i].read) {
			p = ini_expect(&c, 0x25);
			c.statsn++;
			CU_ASSERT_EQUAL(p.len, t[i].sent);
		} else
			p = expect_rsp(&c, itt, 0);
		CU_ASSERT_EQUAL(p.b[1], t[i].flags);
		CU_ASSERT_EQUAL(get_be32(p.b + 44), t[i].resid);
	}
	/* No data was expected at all: everything is overflow. */
	(void)ini_scsi(&c, 0x81, READ10, 0, 2, 0, "", 0);
	p = ini_expect(&c, 0x21);
	CU_ASSERT_EQUAL(p.b[1], 0x84);
	CU_ASSERT_EQUAL(get_be32(p.b + 44), 1024);
	/* A read that calls itself a write: no data-in can be sent. */
	(void)ini_scsi(&c, F_WRITE, READ10, 0, 2, 512, data, 512);
	p = ini_expect(&c, 0x21);
	CU_ASSERT_EQUAL(p.b[1], 0x84);
	/* A failed command transfers nothing. */
	(void)ini_scsi(&c, F_READ, 0xff, 0, 0, 512, "", 0);
	p = ini_expect(&c, 0x21);
	CU_ASSERT_EQUAL(p.b[1], 0x82);
	CU_ASSERT_EQUAL(get_be32(p.b + 44), 512);
	fx_close();
}

static const struct unit_test tests[] = {
	{ "reads", test_read },
	{ "reads from foreign memory", test_read_foreign },
	{ "a slow reader", test_slow_reader },
	{ "residuals", test_residuals }
};
UNIT_MAIN("iscsi/datain", tests)
