/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_holes.c - what has broken other targets: each case by its name.  More of
 * them stand where they belong: oversized first PDUs and every opcode as the
 * first one in test_session.c, duplicate tags in test_cmdsn.c, additional
 * headers in test_io.c, values of CHAP in test_login_chap.c.
 */
#include "tests/unit/iscsi/io_util.h"

static void
text_pdu(struct ini *c, const void *text, uint32_t len)
{
	uint8_t b[48] = { 0x04, 0x80 };

	put_be32(b + 16, 0x7000 + c->cmdsn);
	put_be32(b + 20, NO_TTT);
	put_be32(b + 24, c->cmdsn++);
	ini_send(c, b, text, len);
}

/* The session still works. */
static void
still_alive(struct ini *c)
{
	struct pdu p;

	ini_ping(c, true, 0x7fff0000, "alive", 5);
	p = ini_expect(c, 0x20);
	CU_ASSERT_TRUE(p.len == 5 && memcmp(p.data, "alive", 5) == 0);
}

/* The text is not looked at, the number stays open until it comes again. */
static void
test_text_bad_digest(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_session(KEYS("HeaderDigest=CRC32C", "DataDigest=CRC32C"));
	c.bad_digest = true;
	text_pdu(&c, "SendTargets=", 13);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 2);
	CU_ASSERT_EQUAL(p.len, 48);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn - 1);
	CU_ASSERT_TRUE(ini_silent(&c));
	c.cmdsn--;
	text_pdu(&c, "SendTargets=", 13);
	p = ini_expect(&c, 0x24);
	CU_ASSERT_VALUE(&p, "TargetName", "iqn.t:open");
	still_alive(&c);
	fx_close();
}

/* What goes beyond the expected length touches nothing. */
static void
test_beyond_edtl(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;
	static const struct {
		uint32_t off, len;
	} t[] = { { 0, 4097 }, { 4096, 1 }, { 0xffffff00, 0x100 },
	    { 0xffffffff, 1 }, { 0x80000000, 4096 }, { 0, 8192 } };

	fx_open(&fake_env);
	fill(3);
	c = ini_session(NULL);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 8, 4096, "", 0);
		p = expect_r2t(&c, itt, 0, 0, 4096);
		ini_data_out(&c, itt, get_be32(p.b + 20), true, 0, t[i].off,
		    data, t[i].len);
		expect_sense(&c, itt, 0x0b, 0x0c0d);
	}
	/* The command PDU itself brings too much. */
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 8, 4096, data, 4100);
	expect_sense(&c, itt, 0x0b, 0x0c0d);
	CU_ASSERT_EQUAL(fake.n_submitted, 0);
	still_alive(&c);
	fx_close();
}

/* A write whose data does not come, a login and a text without any. */
static void
test_no_data(void)
{
	struct ini c, l;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(KEYS("InitialR2T=No"));
	/* The sequence ends without a byte, asked for or not. */
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 8, 4096, "", 0);
	p = expect_r2t(&c, itt, 0, 0, 4096);
	ini_data_out(&c, itt, get_be32(p.b + 20), true, 0, 0, "", 0);
	expect_sense(&c, itt, 0x0b, 0x0c0d);
	itt = ini_scsi(&c, NF_WRITE, WRITE10, 0, 8, 4096, "", 0);
	ini_data_out(&c, itt, NO_TTT, true, 0, 0, "", 0);
	p = expect_r2t(&c, itt, 0, 0, 4096);	/* unasked: asked for now */
	ini_data_out(&c, itt, get_be32(p.b + 20), true, 0, 0, data, 4096);
	(void)expect_rsp(&c, itt, 0);
	/* Eight blocks by the CDB, none by the header. */
	itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 8, 0, "", 0);
	p = expect_rsp(&c, itt, 0);
	CU_ASSERT_EQUAL(p.b[1], 0x84);
	CU_ASSERT_EQUAL(get_be32(p.b + 44), 4096);
	text_pdu(&c, "", 0);
	p = ini_expect(&c, 0x24);
	CU_ASSERT_EQUAL(p.len, 0);
	c.statsn++;
	still_alive(&c);
	l = ini_connect(0);
	INI_LOGIN(&l, T_OPER_FULL, NULL);
	p = ini_expect(&l, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0x0207);
	CU_ASSERT_TRUE(ini_closed(&l));
	fx_close();
}

/* Requests in the same segment as the last Login Request: in their order. */
static void
test_behind_login(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_connect(0);
	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	itt = ini_scsi(&c, F_READ, READ10, 0, 1, 512, "", 0);
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0);
	p = ini_expect(&c, 0x25);
	CU_ASSERT_EQUAL(get_be32(p.b + 16), itt);
	still_alive(&c);
	fx_close();
}

/* ... and then the connection is gone, at every length of what came. */
static void
test_behind_login_reset(void)
{
	struct ini c, old;

	for (size_t n = 0; n <= 48 + 512; n += n < 60 ? 1 : 37) {
		uint8_t all[48 + 512] = { 0x01, F_WRITE };

		fx_open(&fake_env);
		old = ini_session_isid(1, 1, NULL);
		fake.hold = fake.stubborn = true;
		(void)ini_scsi(&old, F_WRITE, WRITE10, 0, 1, 512, data, 512);
		fx_run();
		c = ini_connect(0);
		INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
		    "TargetName=iqn.t:open");
		put_be32(all + 20, 512);
		put_be32(all + 24, c.cmdsn);
		put_be24(all + 5, 512);
		all[32] = WRITE10;
		all[40] = 1;
		ini_raw(&c, all, n);
		c.net->peer_closed = true;
		fx_run();
		CU_ASSERT_TRUE(ini_closed(&old));
		CU_ASSERT_EQUAL(fake.n_submitted, 1);
		fake.hold = false;
		fake_let_go(0);
		CU_ASSERT_TRUE(ini_closed(&c));
		CU_ASSERT_EQUAL(fake.n_submitted, n == sizeof(all) ? 2 : 1);
		fx_close();
	}
}

/* AHS: a header that promises 1020 bytes, and one where none is expected. */
static void
test_ahs(void)
{
	struct ini c;
	struct pdu p;
	uint8_t b[48] = { 0x01, 0x81 }, ahs[1020] = { 0, 0, 1 };

	fx_open(&fake_env);
	c = ini_session(NULL);
	/* Length 0: not even its own kind byte. */
	put_be32(b + 16, c.cmdsn);
	put_be32(b + 24, c.cmdsn++);
	ini_send_ahs(&c, b, ahs, 4, "", 0);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 9);
	/* Beyond the total. */
	put_be16(ahs, 1018);
	put_be32(b + 24, c.cmdsn++);
	ini_send_ahs(&c, b, ahs, 1020, "", 0);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 9);
	/* A ping with one: it means nothing there. */
	b[0] = 0x40;
	b[1] = 0x80;
	put_be32(b + 20, NO_TTT);
	put_be32(b + 24, c.cmdsn);
	ini_send_ahs(&c, b, ahs, 1020, "x", 1);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(p.len, 1);
	still_alive(&c);
	/* Promised, and never sent. */
	b[4] = 255;
	ini_raw(&c, b, 48);
	c.net->peer_closed = true;
	CU_ASSERT_TRUE(ini_closed(&c));
	fx_close();
}

/* Unknown keys, long and many: what comes back is bounded. */
static void
unknown_keys(bool in_login, unsigned n_keys, unsigned key_bytes)
{
	struct bytes t = { 0 };
	struct ini c;
	size_t before;
	uint8_t b[48] = { 0x43, 0x04 };
	char key[300];

	fx_open(&fake_env);
	c = in_login ? ini_connect(0) : ini_session(NULL);
	if (in_login) {
		ini_text(&t, "InitiatorName=iqn.i:one");
		ini_text(&t, "TargetName=iqn.t:open");
	}
	memset(key, 'x', sizeof(key));
	key[key_bytes] = '=';
	key[key_bytes + 1] = '\0';
	for (unsigned i = 0; i < n_keys && t.len + key_bytes + 2 < 8192; i++)
		ini_text(&t, key);
	fx_run();
	before = c.net->out.len;
	if (in_login) {
		b[8] = 0x80;
		put_be32(b + 24, c.cmdsn);
		ini_send(&c, b, t.p, (uint32_t)t.len);
	} else
		text_pdu(&c, t.p, (uint32_t)t.len);
	fx_run();
	CU_ASSERT_TRUE(c.net->out.len - before <= 48 + 8192 + 2048);
	CU_ASSERT_TRUE(c.net->out.len > before);
	/* Too many, or too long for a key: refused with little. */
	if (n_keys > 128 || key_bytes > 63)
		CU_ASSERT_TRUE(c.net->out.len - before <= 96);
	free(t.p);
	if (!in_login) {
		struct pdu p;

		while (ini_recv(&c, &p))
			continue;
		still_alive(&c);
	}
	fx_close();
}

static void
test_unknown_keys(void)
{
	static const struct {
		unsigned n, len;
	} t[] = { { 1, 1 }, { 1, 63 }, { 1, 64 }, { 1, 299 - 1 }, { 100, 1 },
	    { 100, 20 }, { 120, 63 }, { 2000, 1 }, { 200, 10 } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (int in_login = 0; in_login < 2; in_login++)
			unknown_keys(in_login, t[i].n, t[i].len);
}

static const struct unit_test tests[] = {
	{ "text with a bad digest", test_text_bad_digest },
	{ "Data-Out beyond the expected length", test_beyond_edtl },
	{ "no data where data is due", test_no_data },
	{ "bytes behind the final Login Request", test_behind_login },
	{ "bytes behind it, then a reset", test_behind_login_reset },
	{ "AHS of length 0 and beyond the total", test_ahs },
	{ "long and repeated unknown keys", test_unknown_keys }
};
UNIT_MAIN("iscsi/holes", tests)
