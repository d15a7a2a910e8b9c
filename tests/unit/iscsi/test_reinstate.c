/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_reinstate.c - an initiator port that comes again: the old session
 * settles first, on whatever loop it lives.
 */
#include "tests/unit/iscsi/ini.h"

/* The same initiator port again, on the other loop. */
static void
test_reinstatement(void)
{
	struct ini a, b;
	struct pdu p;

	fx_open(&fake_env);
	a = ini_session_isid(0, 1, NULL);
	b = ini_session_isid(1, 1, NULL);
	CU_ASSERT_TRUE(ini_closed(&a));
	CU_ASSERT_FALSE(ini_closed(&b));
	CU_ASSERT_EQUAL(fake.n_started, 2);
	CU_ASSERT_EQUAL(fake.n_ended, 1);
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, NULL), 1);
	/* Another ISID is another session. */
	a = ini_session_isid(0, 2, NULL);
	CU_ASSERT_FALSE(ini_closed(&b));
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, &fake_targets[0]), 2);
	ini_ping(&b, true, 3, "", 0);
	p = ini_expect(&b, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 16), 3);
	fx_close();
}

/*
 * A write of the old session is with the SCSI side: the login is answered when
 * it has settled, so a newer write cannot be overtaken.
 */
static void
test_reinstatement_waits(void)
{
	static uint8_t older[512], newer[512];
	struct ini a, b;

	fx_open(&fake_env);
	memset(older, 1, 512);
	memset(newer, 2, 512);
	a = ini_session_isid(0, 1, NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&a, 0xa1, 0x2a, 0, 1, 512, older, 512);
	fx_run();
	CU_ASSERT_EQUAL(fake.n_held, 1);
	/* Bytes that were received and not parsed go with the session. */
	(void)ini_scsi(&a, 0xa1, 0x2a, 0, 1, 512, older, 512);
	a.net->stalled = true;
	b = ini_connect(1);
	INI_LOGIN(&b, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	CU_ASSERT_TRUE(ini_silent(&b));
	fx_run();
	CU_ASSERT_TRUE(ini_silent(&b));
	CU_ASSERT_EQUAL(fake.n_ended, 0);
	while (fake.n_held > 0)
		fake_let_go(0);
	(void)ini_expect(&b, 0x23);
	CU_ASSERT_EQUAL(fake.n_ended, 1);
	fake.hold = false;
	(void)ini_scsi(&b, 0xa1, 0x2a, 0, 1, 512, newer, 512);
	(void)ini_expect(&b, 0x21);
	CU_ASSERT_EQUAL(memcmp(fake.disk, newer, 512), 0);
	CU_ASSERT_TRUE(ini_closed(&a));
	fx_close();
}

/* Several logins for one identity at once; ${quitter} hangs up meanwhile. */
static unsigned
race(int quitter)
{
	struct ini c[6];
	unsigned open = 0;

	fx_open(&fake_env);
	c[0] = ini_session_isid(0, 1, NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&c[0], 0xa1, 0x2a, 0, 1, 512, fake.disk, 512);
	fx_run();
	for (int i = 1; i < 6; i++) {
		c[i] = ini_connect(i % 2);
		INI_LOGIN(&c[i], T_OPER_FULL, "InitiatorName=iqn.i:one",
		    "TargetName=iqn.t:open");
		fx_run();
	}
	if (quitter > 0)
		c[quitter].net->peer_closed = true;
	fake_let_go(0);
	fx_run();
	for (int i = 0; i < 6; i++)
		open += !c[i].net->gone;
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, NULL), open);
	fx_close();
	return (open);
}

static void
test_reinstatement_race(void)
{

	CU_ASSERT_EQUAL(race(0), 1);
	for (int i = 1; i < 6; i++)
		CU_ASSERT_TRUE(race(i) <= 1);
}

/* The old session does not settle: the login gives up in time. */
static void
test_reinstatement_time(void)
{
	struct ini a, b;

	fx_open(&fake_env);
	a = ini_session_isid(0, 1, NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&a, 0xa1, 0x2a, 0, 1, 512, fake.disk, 512);
	fx_run();
	b = ini_connect(1);
	INI_LOGIN(&b, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	fx_run();
	net_pass(fx.loop[1], 15001);
	CU_ASSERT_TRUE(ini_closed(&b));
	CU_ASSERT_EQUAL(fake.n_ended, 0);
	fake_let_go(0);
	fx_run();
	CU_ASSERT_EQUAL(fake.n_ended, 1);
	fx_close();
}

static uint16_t
login_tsih_answer(struct ini *c, uint16_t tsih, uint16_t cid, struct pdu *out)
{
	uint8_t b[48] = { 0x43, T_OPER_FULL };
	static const char text[] = "InitiatorName=iqn.i:one\0"
	    "TargetName=iqn.t:open";

	b[8] = 0x80;
	b[13] = c->isid;
	put_be16(b + 14, tsih);
	put_be16(b + 20, cid);
	put_be32(b + 24, 90);
	ini_send(c, b, text, sizeof(text));
	*out = ini_expect(c, 0x23);
	return (login_code(out));
}

/* A login that names a TSIH: the session's parameters stay. */
static void
test_connection_reinstatement(void)
{
	struct ini a, b;
	struct pdu p;
	uint16_t tsih;

	fx_open(&fake_env);
	a = ini_connect(0);
	INI_LOGIN(&a, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open", "InitialR2T=No", "MaxBurstLength=4096");
	p = ini_expect(&a, 0x23);
	tsih = get_be16(p.b + 14);
	b = ini_connect(1);
	CU_ASSERT_EQUAL(login_tsih_answer(&b, (uint16_t)(tsih + 1), 1, &p),
	    0x020a);
	b = ini_connect(1);
	CU_ASSERT_EQUAL(login_tsih_answer(&b, tsih, 2, &p), 0x0206);
	CU_ASSERT_FALSE(ini_closed(&a));
	b = ini_connect(1);
	CU_ASSERT_EQUAL(login_tsih_answer(&b, tsih, 1, &p), 0);
	CU_ASSERT_EQUAL(get_be16(p.b + 14), tsih);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), 90);
	CU_ASSERT_TRUE(ini_closed(&a));
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, NULL), 1);
	/* MaxBurstLength of the old login shows in the R2T. */
	b.cmdsn = 90;
	(void)ini_scsi(&b, 0xa1, 0x2a, 0, 16, 8192, "", 0);
	p = ini_expect(&b, 0x31);
	CU_ASSERT_EQUAL(get_be32(p.b + 44), 4096);
	fx_close();
}

static const struct unit_test tests[] = {
	{ "reinstatement", test_reinstatement },
	{ "reinstatement waits", test_reinstatement_waits },
	{ "reinstatement race", test_reinstatement_race },
	{ "reinstatement gives up", test_reinstatement_time },
	{ "connection reinstatement", test_connection_reinstatement }
};
UNIT_MAIN("iscsi/reinstate", tests)
