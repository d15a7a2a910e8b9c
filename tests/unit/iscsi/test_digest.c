/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_digest.c - header and data digests, right ones and wrong ones.
 */
#include "tests/unit/iscsi/io_util.h"

/* Both digests on; then spoilt ones. */
static void
test_digests(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	fill(8);
	for (int k = 0; k < 3; k++) {
		c = ini_session_isid(0, (uint8_t)k, KEYS(k != 1 ?
		    "HeaderDigest=CRC32C" : "HeaderDigest=None", k != 0 ?
		    "DataDigest=CRC32C" : "DataDigest=None",
		    "InitialR2T=No", "FirstBurstLength=262144"));
		for (uint32_t n = 1; n < 70000; n = n * 3 + 1) {
			ini_ping(&c, true, n, data, n);
			p = ini_expect(&c, 0x20);
			CU_ASSERT_EQUAL(memcmp(p.data, data, p.len), 0);
			c.statsn++;
		}
		itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 256, 131072, data,
		    512);
		ini_data_out(&c, itt, NO_TTT, true, 0, 512, data + 512,
		    130560);
		(void)expect_rsp(&c, itt, 0);
		CU_ASSERT_EQUAL(memcmp(fake.disk, data, 131072), 0);
		read_all(&c, 65536, 8192, 262144);
	}
	fx_close();
}

static struct ini
both_digests(void)
{

	return (ini_session(KEYS("HeaderDigest=CRC32C", "DataDigest=CRC32C",
	    "InitialR2T=No")));
}

static void
test_bad_dataout(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	c = both_digests();
	/* Wrong data digest of Data-Out: rejected, and the command fails. */
	itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 2, 1024, "", 0);
	c.bad_digest = true;
	ini_data_out(&c, itt, NO_TTT, false, 0, 0, data, 512);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 2);
	CU_ASSERT_EQUAL(p.data[0], 0x05);
	c.statsn++;
	CU_ASSERT_TRUE(ini_silent(&c));
	ini_data_out(&c, itt, NO_TTT, true, 1, 512, data, 512);
	expect_sense(&c, itt, 0x0b, 0x4705);
	fx_close();
}

static void
test_bad_requests(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	c = both_digests();
	/* Of a ping: rejected; its number stays open until it comes again. */
	c.bad_digest = true;
	ini_ping(&c, false, 77, "x", 1);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 2);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn - 1);
	ini_ping(&c, false, 78, "y", 1);
	CU_ASSERT_TRUE(ini_silent(&c));
	c.cmdsn -= 2;
	ini_ping(&c, false, 77, "x", 1);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 16), 77);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 16), 78);
	c.cmdsn++;
	/* Of a text request, and of a command with immediate data. */
	{
		uint8_t b[48] = { 0x44, 0x80 };

		put_be32(b + 16, 0x31);
		put_be32(b + 20, NO_TTT);
		put_be32(b + 24, c.cmdsn);
		c.bad_digest = true;
		ini_send(&c, b, "SendTargets=", 13);
		p = ini_expect(&c, 0x3f);
		CU_ASSERT_EQUAL(p.b[2], 2);
	}
	c.bad_digest = true;
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 1, 512, data, 512);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 2);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), itt);
	fx_close();
}

/* The stream cannot be trusted any more. */
static void
test_bad_header(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = both_digests();
	c.bad_header = true;
	ini_ping(&c, true, 99, "", 0);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_TRUE(c.net->out.len == c.net->out_read);
	fx_close();
}

static const struct unit_test tests[] = {
	{ "digests", test_digests },
	{ "a wrong digest of Data-Out", test_bad_dataout },
	{ "wrong digests of requests", test_bad_requests },
	{ "a wrong header digest", test_bad_header }
};
UNIT_MAIN("iscsi/digest", tests)
