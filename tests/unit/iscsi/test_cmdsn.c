/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cmdsn.c - the window and the order of commands, tags, and what is
 * no command.
 */
#include "tests/unit/iscsi/io_util.h"

/* The window: what is outside is dropped without a word. */
static void
test_window(void)
{
	struct iscsi_env e = fake_env;
	struct ini c;
	struct pdu p;
	uint32_t first;

	e.depth = 4;
	fx_open(&e);
	c = ini_session(NULL);
	first = c.cmdsn;
	fake.hold = true;
	for (int i = 0; i < 4; i++)
		(void)ini_scsi(&c, F_READ, READ10, 0, 1, 512, "", 0);
	fx_run();
	CU_ASSERT_EQUAL(fake.n_held, 4);
	(void)ini_scsi(&c, F_READ, READ10, 0, 1, 512, "", 0);	/* too many */
	c.cmdsn = first - 1;
	(void)ini_scsi(&c, F_READ, READ10, 0, 1, 512, "", 0);	/* too old */
	c.cmdsn = first + 0x7fffffff;
	(void)ini_scsi(&c, F_WRITE, WRITE10, 0, 1, 512, data, 512);
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_EQUAL(fake.n_held, 4);
	/* A ping shows that the window is closed: Max is Exp - 1. */
	c.cmdsn = first + 4;
	ini_ping(&c, true, 0x999, "", 0);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), first + 4);
	CU_ASSERT_EQUAL(get_be32(p.b + 32), first + 3);
	/* Each answer opens it by one. */
	for (uint32_t i = 0; i < 4; i++) {
		fake_let_go(0);
		p = ini_expect(&c, 0x25);
		CU_ASSERT_EQUAL(get_be32(p.b + 28), first + 4);
		CU_ASSERT_EQUAL(get_be32(p.b + 32), first + 4 + i);
	}
	fake.hold = false;
	(void)ini_scsi(&c, F_READ, READ10, 0, 1, 512, "", 0);
	(void)ini_expect(&c, 0x25);
	fx_close();
}

static void
test_cmdsn_wraps(void)
{
	struct ini c = { 0 };
	struct pdu p;

	fx_open(&fake_env);
	c = ini_connect(0);
	c.cmdsn = 0xfffffffe;
	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	p = ini_expect(&c, 0x23);
	c.statsn++;
	for (int i = 0; i < 5; i++) {
		uint32_t sn = c.cmdsn;

		/* The tag must not be the reserved one. */
		ini_ping(&c, false, 1, "", 0);
		p = ini_expect(&c, 0x20);
		CU_ASSERT_EQUAL(get_be32(p.b + 28), sn + 1);
	}
	fx_close();
}

/* Commands that come before their turn wait for it. */
static void
test_order(void)
{
	struct ini c;
	struct pdu p;
	uint32_t first;

	fx_open(&fake_env);
	c = ini_session(NULL);
	first = c.cmdsn;
	for (uint32_t i = 4; i > 0; i--) {
		c.cmdsn = first + i;
		ini_ping(&c, false, 100 + i, "", 0);
		c.cmdsn = first + i;
		ini_ping(&c, false, 200 + i, "", 0);	/* a double */
	}
	CU_ASSERT_TRUE(ini_silent(&c));
	c.cmdsn = first;
	ini_ping(&c, false, 100, "", 0);
	for (uint32_t i = 0; i <= 4; i++) {
		p = ini_expect(&c, 0x20);
		CU_ASSERT_EQUAL(get_be32(p.b + 16), 100 + i);
		CU_ASSERT_EQUAL(get_be32(p.b + 28), first + 1 + i);
	}
	CU_ASSERT_TRUE(ini_silent(&c));
	fx_close();
}

static void
test_duplicate_tag(void)
{
	struct ini c;
	struct pdu p;
	uint8_t b[48] = { 0x01, 0x81 };

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = true;
	put_be32(b + 16, 0x42);
	put_be32(b + 24, c.cmdsn++);
	ini_send(&c, b, "", 0);
	put_be32(b + 24, c.cmdsn++);
	ini_send(&c, b, "", 0);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 7);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn);	/* consumed */
	CU_ASSERT_EQUAL(fake.n_held, 1);
	put_be32(b + 16, 0xffffffff);			/* the reserved one */
	put_be32(b + 24, c.cmdsn++);
	ini_send(&c, b, "", 0);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 4);
	fake_let_go(0);
	(void)ini_expect(&c, 0x21);
	fx_close();
}

static void
test_too_many_immediate(void)
{
	struct ini c;
	struct pdu p;
	uint8_t b[48] = { 0x41, 0x81 };

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = true;
	put_be32(b + 24, c.cmdsn);
	for (uint32_t i = 0; i < 65; i++) {
		put_be32(b + 16, i);
		ini_send(&c, b, "", 0);
	}
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 6);
	CU_ASSERT_EQUAL(fake.n_held, 64);
	while (fake.n_held > 0) {
		fake_let_go(0);
		(void)ini_expect(&c, 0x21);
	}
	put_be32(b + 16, 100);
	ini_send(&c, b, "", 0);
	fx_run();
	CU_ASSERT_EQUAL(fake.n_held, 1);
	fake_let_go(0);
	fx_close();
}

static void
test_unknown_opcodes(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_session(NULL);
	for (unsigned op = 0x07; op < 0x40; op++) {
		uint8_t b[48] = { (uint8_t)op, 0x80 };

		put_be32(b + 16, 0x1000 + op);
		put_be32(b + 24, c.cmdsn);
		ini_send(&c, b, "some data", 9);
		p = ini_expect(&c, 0x3f);
		CU_ASSERT_EQUAL(p.b[2], op == 0x10 ? 3 : 5);
		CU_ASSERT_EQUAL(p.len, 48);
		CU_ASSERT_EQUAL(memcmp(p.data, b, 48), 0);
	}
	ini_ping(&c, false, 1, "", 0);
	(void)ini_expect(&c, 0x20);
	fx_close();
}

static const struct unit_test tests[] = {
	{ "the command window", test_window },
	{ "CmdSN wraps", test_cmdsn_wraps },
	{ "order of commands", test_order },
	{ "duplicate tags", test_duplicate_tag },
	{ "too many immediate commands", test_too_many_immediate },
	{ "unknown opcodes", test_unknown_opcodes }
};
UNIT_MAIN("iscsi/cmdsn", tests)
