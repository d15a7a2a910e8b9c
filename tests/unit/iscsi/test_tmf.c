/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_tmf.c - task management: what it waits for, what it aborts, here and in
 * other sessions.
 */
#include "tests/unit/iscsi/ini.h"

#define NO_TTT 0xffffffffu
#define F_WRITE 0xa1
#define F_READ 0xc1
#define ABORT 1
#define ABORT_SET 2
#define CLEAR_ACA 3
#define CLEAR_SET 4
#define LUN_RESET 5
#define WARM_RESET 6
#define COLD_RESET 7
#define REASSIGN 8

static uint8_t data[65536];

static void
expect_tmf(struct ini *c, uint32_t itt, uint8_t response)
{
	struct pdu p = ini_expect(c, 0x22);

	CU_ASSERT_EQUAL(get_be32(p.b + 16), itt);
	CU_ASSERT_EQUAL(p.b[2], response);
	CU_ASSERT_EQUAL(p.b[1], 0x80);
}

/* The SCSI side lets go at once: no answer to the command, one to the TMF. */
static void
test_abort(void)
{
	struct ini c;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = true;
	itt = ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);
	fx_run();
	ini_tmf(&c, ABORT, 0x900, itt, itt);
	expect_tmf(&c, 0x900, 0);
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_EQUAL(fake.n_aborts, 1);
	/* Its place is free again. */
	ini_ping(&c, true, 1, "", 0);
	{
		struct pdu p = ini_expect(&c, 0x20);

		CU_ASSERT_EQUAL(get_be32(p.b + 32), c.cmdsn + 127);
	}
	fx_close();
}

/* A stubborn task: the answer waits until it has settled. */
static void
test_abort_waits(void)
{
	struct ini c;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = fake.stubborn = true;
	itt = ini_scsi(&c, F_WRITE, 0x2a, 0, 1, 512, data, 512);
	fx_run();
	ini_tmf(&c, ABORT, 0x900, itt, itt);
	ini_tmf(&c, ABORT, 0x901, itt, itt);	/* twice is harmless */
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_EQUAL(fake.n_aborts, 1);
	/* Others go on meanwhile. */
	ini_ping(&c, true, 1, "", 0);
	(void)ini_expect(&c, 0x20);
	fake_let_go(0);
	expect_tmf(&c, 0x900, 0);
	expect_tmf(&c, 0x901, 0);
	CU_ASSERT_TRUE(ini_silent(&c));
	fx_close();
}

/* A write that still waits for its data never reaches the SCSI side. */
static void
test_abort_collecting(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt, ttt;

	fx_open(&fake_env);
	c = ini_session(NULL);
	itt = ini_scsi(&c, F_WRITE, 0x2a, 0, 8, 4096, data, 512);
	p = ini_expect(&c, 0x31);
	ttt = get_be32(p.b + 20);
	ini_data_out(&c, itt, ttt, false, 0, 512, data, 512);
	ini_tmf(&c, ABORT, 0x900, itt, itt);
	expect_tmf(&c, 0x900, 0);
	ini_data_out(&c, itt, ttt, true, 1, 1024, data, 3072);	/* late */
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_EQUAL(fake.n_submitted, 0);
	fx_close();
}

static void
test_abort_unknown(void)
{
	struct ini c;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	c = ini_session(NULL);
	itt = ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);
	(void)ini_expect(&c, 0x25);
	ini_tmf(&c, ABORT, 0x900, itt, itt);	/* has been answered */
	expect_tmf(&c, 0x900, 1);
	ini_tmf(&c, ABORT, 0x901, 0x777, c.cmdsn + 500);
	expect_tmf(&c, 0x901, 1);
	/*
	 * Numbered, never sent: the hole is closed, and what was sent behind
	 * it runs.
	 */
	c.cmdsn++;
	ini_ping(&c, false, 5, "", 0);
	CU_ASSERT_TRUE(ini_silent(&c));
	ini_tmf(&c, ABORT, 0x902, 0x778, c.cmdsn - 2);
	expect_tmf(&c, 0x902, 0);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn);
	/* A command that is held behind a hole is aborted, its number kept. */
	c.cmdsn++;
	itt = ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);
	ini_tmf(&c, ABORT, 0x903, itt, itt);
	expect_tmf(&c, 0x903, 0);
	c.cmdsn -= 2;
	ini_ping(&c, false, 6, "", 0);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn);
	ini_ping(&c, true, 7, "", 0);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), c.cmdsn + 1);
	CU_ASSERT_EQUAL(fake.n_submitted, 1);
	fx_close();
}

static void
test_functions(void)
{
	static const struct {
		uint8_t fn, lun, response;
	} t[] = {
		{ ABORT_SET, 0, 0 }, { ABORT_SET, 1, 2 }, { CLEAR_SET, 0, 0 },
		{ CLEAR_SET, 1, 2 }, { LUN_RESET, 0, 0 }, { LUN_RESET, 1, 2 },
		{ WARM_RESET, 1, 0 }, { CLEAR_ACA, 0, 5 }, { REASSIGN, 0, 4 },
		{ 0, 0, 5 }, { 9, 0, 5 }, { 0x7f, 0, 5 }
	};
	struct ini c;

	fx_open(&fake_env);
	c = ini_session(NULL);
	for (uint32_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		/* Numbered this time, not immediate. */
		uint8_t b[48] = { 0x02, (uint8_t)(0x80 | t[i].fn) };

		b[9] = t[i].lun;
		put_be32(b + 16, 0x900 + i);
		put_be32(b + 20, 0xffffffff);
		put_be32(b + 24, c.cmdsn++);
		ini_send(&c, b, "", 0);
		expect_tmf(&c, 0x900 + i, t[i].response);
	}
	CU_ASSERT_EQUAL(fake.nexus[0].resets, 2);
	fx_close();
}

/* ABORT TASK SET: all of this session, of that LUN, nothing newer. */
static void
test_abort_set(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = fake.stubborn = true;
	for (int i = 0; i < 5; i++)
		(void)ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);
	fx_run();
	ini_tmf(&c, ABORT_SET, 0x900, NO_TTT, 0);
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_EQUAL(fake.n_aborts, 5);
	(void)ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);	/* newer */
	fx_run();
	for (int i = 0; i < 4; i++) {
		fake_let_go(0);
		CU_ASSERT_TRUE(ini_silent(&c));
	}
	fake_let_go(0);
	expect_tmf(&c, 0x900, 0);
	CU_ASSERT_TRUE(ini_silent(&c));
	fake_let_go(0);
	p = ini_expect(&c, 0x25);
	CU_ASSERT_EQUAL(p.b[1], 0x81);
	fx_close();
}

/*
 * LUN RESET reaches the sessions on both loops, and waits for their tasks; TAS
 * says whether the others are told.
 */
static void
lun_reset(bool tas)
{
	struct iscsi_env e = fake_env;
	struct ini a, b, other;
	struct pdu p;

	e.task_aborted_status = tas;
	fx_open(&e);
	a = ini_session_isid(0, 1, NULL);
	b = ini_session_isid(1, 2, NULL);
	other = ini_session_isid(1, 3, NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&a, F_READ, 0x28, 0, 1, 512, "", 0);
	(void)ini_scsi(&b, F_WRITE, 0x2a, 0, 1, 512, data, 512);
	/* This one waits for data and settles at once. */
	(void)ini_scsi(&other, F_WRITE, 0x2a, 0, 2, 1024, data, 512);
	(void)ini_expect(&other, 0x31);
	ini_tmf(&a, LUN_RESET, 0x900, NO_TTT, 0);
	CU_ASSERT_TRUE(ini_silent(&a));
	CU_ASSERT_EQUAL(fake.n_aborts, 2);
	fake_let_go(0);
	CU_ASSERT_TRUE(ini_silent(&a));		/* not yet: ${b} */
	CU_ASSERT_EQUAL(fake.nexus[0].resets, 0);
	fake_let_go(0);
	expect_tmf(&a, 0x900, 0);
	CU_ASSERT_EQUAL(fake.nexus[0].resets, 1);
	CU_ASSERT_EQUAL(fake.nexus[0].last_reset, LUN_RESET);
	CU_ASSERT_TRUE(ini_silent(&a));
	for (int i = 0; i < 2; i++) {
		struct ini *c = i == 0 ? &b : &other;

		if (tas) {
			p = ini_expect(c, 0x21);
			CU_ASSERT_EQUAL(p.b[3], 0x40);
		}
		CU_ASSERT_TRUE(ini_silent(c));
	}
	fx_close();
}

static void
test_lun_reset(void)
{

	lun_reset(false);
	lun_reset(true);
}

/* The session that asked for a reset goes before the others have settled. */
static void
test_reset_orphan(void)
{
	struct ini a, b;

	for (int who = 0; who < 3; who++) {
		fx_open(&fake_env);
		a = ini_session_isid(0, 1, NULL);
		b = ini_session_isid(1, 2, NULL);
		fake.hold = fake.stubborn = true;
		(void)ini_scsi(&b, F_WRITE, 0x2a, 0, 1, 512, data, 512);
		fx_run();
		ini_tmf(&a, LUN_RESET, 0x900, NO_TTT, 0);
		fx_run();
		if (who != 1)
			a.net->peer_closed = true;
		if (who != 0)
			b.net->peer_closed = true;
		fx_run();
		CU_ASSERT_EQUAL(fake.n_ended, 0);	/* both wait for it */
		fake_let_go(0);
		fx_run();
		CU_ASSERT_EQUAL(fake.n_ended, who == 2 ? 2 : 1);
		CU_ASSERT_EQUAL(fake.n_submitted, fake.n_done);
		fx_close();
	}
}

static void
test_cold_reset(void)
{
	struct ini a, b;

	fx_open(&fake_env);
	a = ini_session_isid(0, 1, NULL);
	b = ini_session_isid(1, 2, NULL);
	ini_tmf(&a, COLD_RESET, 0x900, NO_TTT, 0);
	expect_tmf(&a, 0x900, 0);
	CU_ASSERT_TRUE(ini_closed(&a));
	CU_ASSERT_TRUE(ini_closed(&b));
	CU_ASSERT_EQUAL(fake.nexus[0].resets, 1);
	fx_close();
}

/* The connection goes with commands everywhere. */
static void
test_drop_with_tasks(void)
{
	struct ini c;
	struct pdu p;

	for (int stubborn = 0; stubborn < 2; stubborn++) {
		fx_open(&fake_env);
		c = ini_session(NULL);
		fake.hold = true;
		fake.stubborn = stubborn;
		(void)ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);
		(void)ini_scsi(&c, F_WRITE, 0x2a, 0, 1, 512, data, 512);
		(void)ini_scsi(&c, F_WRITE, 0x2a, 0, 2, 1024, data, 512);
		p = ini_expect(&c, 0x31);
		/* In the middle of a Data-Out, received in place. */
		ini_data_out(&c, c.cmdsn - 1, get_be32(p.b + 20), true, 0,
		    512, data, 512);
		c.net->in.len -= 100;
		c.cmdsn++;			/* a hole, and one behind it */
		ini_tmf(&c, ABORT_SET, 0x900, NO_TTT, 0);
		fx_run();
		c.net->peer_closed = true;
		fx_run();
		CU_ASSERT_TRUE(c.net->gone);
		CU_ASSERT_EQUAL(fake.n_ended, stubborn ? 0 : 1);
		while (fake.n_held > 0)
			fake_let_go(0);
		fx_run();
		CU_ASSERT_EQUAL(fake.n_ended, 1);
		fx_close();
	}
}

/*
 * Found by test_fuzz: a command that was aborted while it was held for its turn
 * was forgotten when the connection went, and so was the session.
 */
static void
test_aborted_while_held(void)
{
	struct ini c;

	for (int how = 0; how < 2; how++) {
		fx_open(&fake_env);
		c = ini_session(NULL);
		c.cmdsn++;
		(void)ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);
		ini_tmf(&c, ABORT_SET, 0x900, NO_TTT, 0);
		expect_tmf(&c, 0x900, 0);
		if (how == 0)
			c.net->peer_closed = true;
		else
			ini_logout(&c, 0, 1);
		fx_run();
		CU_ASSERT_TRUE(c.net->gone);
		CU_ASSERT_EQUAL(fake.n_ended, 1);
		CU_ASSERT_EQUAL(fake.n_submitted, 0);
		fx_close();
	}
}

/* Logout with commands at work. */
static void
test_logout_with_tasks(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);
	(void)ini_scsi(&c, F_WRITE, 0x2a, 0, 2, 1024, data, 512);
	(void)ini_expect(&c, 0x31);
	c.cmdsn++;
	(void)ini_scsi(&c, F_READ, 0x28, 0, 1, 512, "", 0);	/* held */
	ini_logout(&c, 0, 1);
	CU_ASSERT_TRUE(ini_silent(&c));
	fake_let_go(0);
	(void)ini_expect(&c, 0x26);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(fake.n_submitted, 1);
	fx_close();
}

static const struct unit_test tests[] = {
	{ "abort task", test_abort },
	{ "abort task waits", test_abort_waits },
	{ "abort task that collects data", test_abort_collecting },
	{ "abort task that is not there", test_abort_unknown },
	{ "every function", test_functions },
	{ "abort task set", test_abort_set },
	{ "LUN reset over sessions", test_lun_reset },
	{ "a reset whose session goes", test_reset_orphan },
	{ "target cold reset", test_cold_reset },
	{ "connection lost with tasks", test_drop_with_tasks },
	{ "aborted while held", test_aborted_while_held },
	{ "logout with tasks", test_logout_with_tasks }
};
UNIT_MAIN("iscsi/tmf", tests)
