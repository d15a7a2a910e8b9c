/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ends.c - sessions that end without their initiator's wish: silence, the
 * end of the daemon, a target that is taken away.
 */
#include "tests/unit/iscsi/io_util.h"

/* Time goes by in small steps, as it does. */
static void
pass(uint64_t ms)
{

	for (uint64_t at = 0; at < ms; at += 500)
		for (int i = 0; i < 2; i++)
			net_pass(fx.loop[i], ms - at < 500 ? ms - at : 500);
	fx_run();
}

static struct ini
discovery_session(void)
{
	struct ini c = ini_connect(0);
	struct pdu p;

	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "SessionType=Discovery");
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0);
	return (c);
}

static void
send_targets(struct ini *c)
{
	uint8_t b[48] = { 0x04, 0x80 };

	put_be32(b + 16, 0x7000 + c->cmdsn);
	put_be32(b + 20, NO_TTT);
	put_be32(b + 24, c->cmdsn++);
	ini_send(c, b, "SendTargets=All", 16);
}

/* The asynchronous message that asks for a logout within ${s} seconds. */
static void
expect_ask(struct ini *c, uint16_t s)
{
	struct pdu p = ini_expect(c, 0x32);

	CU_ASSERT_EQUAL(p.b[1], 0x80);
	CU_ASSERT_EQUAL(get_be32(p.b + 16), 0xffffffff);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), c->statsn);
	CU_ASSERT_EQUAL(p.b[36], 1);
	CU_ASSERT_EQUAL(get_be16(p.b + 42), s);
	CU_ASSERT_EQUAL(p.len, 0);
	c->statsn++;
}

static void
expect_ping(struct ini *c, bool answer)
{
	struct pdu p = ini_expect(c, 0x20);
	uint8_t pong[48] = { 0x40, 0x80 };

	CU_ASSERT_EQUAL(get_be32(p.b + 16), 0xffffffff);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), c->statsn);
	CU_ASSERT_NOT_EQUAL(get_be32(p.b + 20), NO_TTT);
	if (!answer)
		return;
	put_be32(pong + 16, 0xffffffff);
	memcpy(pong + 20, p.b + 20, 4);
	put_be32(pong + 24, c->cmdsn);
	ini_send(c, pong, "", 0);
	CU_ASSERT_TRUE(ini_silent(c));
}

/* A silent peer is asked, and dropped when it does not answer. */
static void
test_silence(void)
{
	struct iscsi_env e = fake_env;
	struct ini c;

	e.nop_timeout_ms = 10000;	/* nop_ms: its default */
	fx_open(&e);
	c = ini_session(NULL);
	for (int i = 0; i < 5; i++) {
		pass(29000);
		CU_ASSERT_TRUE(ini_silent(&c));
		pass(8600);
		expect_ping(&c, true);
	}
	/* Whoever does something is not asked. */
	for (int i = 0; i < 10; i++) {
		pass(20000);
		ini_ping(&c, false, 5, "", 0);
		(void)ini_expect(&c, 0x20);
		CU_ASSERT_TRUE(ini_silent(&c));
		c.statsn++;
	}
	pass(29000);
	CU_ASSERT_TRUE(ini_silent(&c));
	pass(7000);
	expect_ping(&c, false);
	pass(6000);
	CU_ASSERT_FALSE(ini_closed(&c));
	pass(7000);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(fake.n_ended, 1);
	fx_close();
}

static void
test_silence_never(void)
{
	struct iscsi_env e = fake_env;
	struct ini c;

	e.nop_ms = ISCSI_NEVER_MS;
	fx_open(&e);
	c = ini_session(NULL);
	pass(600000);
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_FALSE(ini_closed(&c));
	fx_close();
}

/* Who logs out, or is refused, and then takes nothing is not kept either. */
static void
test_silence_at_the_end(void)
{
	struct ini a, b;

	fx_open(&fake_env);
	a = ini_session(NULL);
	b = ini_connect(0);
	a.net->stalled = b.net->stalled = true;
	ini_logout(&a, 0, 1);
	INI_LOGIN(&b, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:none");
	fx_run();
	pass(14000);
	CU_ASSERT_FALSE(a.net->gone);
	CU_ASSERT_FALSE(b.net->gone);
	pass(60000);
	CU_ASSERT_TRUE(a.net->gone);
	CU_ASSERT_TRUE(b.net->gone);
	fx_close();
}

/* Discovery sessions are not asked, and not kept for ever. */
static void
test_silence_discovery(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = discovery_session();
	for (int i = 0; i < 2; i++) {
		pass(299000);
		CU_ASSERT_FALSE(c.net->gone);
		send_targets(&c);
		(void)ini_expect(&c, 0x24);
	}
	pass(299000);
	CU_ASSERT_TRUE(ini_silent(&c));
	CU_ASSERT_FALSE(c.net->gone);
	pass(80000);
	CU_ASSERT_TRUE(ini_closed(&c));
	fx_close();
}

/* Asked to log out, who does so is served to the end, and so is the rest. */
static void
test_stop(void)
{
	struct ini good, bad, login, disc;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	good = ini_session_isid(0, 1, NULL);
	bad = ini_session_isid(0, 2, NULL);
	login = ini_connect(0);
	disc = discovery_session();
	fake.hold = fake.stubborn = true;
	itt = ini_scsi(&bad, F_READ, READ10, 0, 1, 512, "", 0);
	(void)ini_scsi(&bad, F_WRITE, WRITE10, 0, 4, 2048, "", 0);
	p = ini_expect(&bad, 0x31);		/* waits for its data */
	iscsi_worker_stop(fx.w[0], false, fx_idle, NULL);
	expect_ask(&good, 5);
	expect_ask(&bad, 5);
	CU_ASSERT_TRUE(ini_closed(&login));
	CU_ASSERT_TRUE(ini_closed(&disc));
	CU_ASSERT_EQUAL(iscsi_conn_accept(fx.w[0], -1, 1), -ESHUTDOWN);
	/* Commands are served meanwhile. */
	fake.hold = false;
	(void)ini_scsi(&good, F_READ, READ10, 0, 1, 512, "", 0);
	(void)ini_expect(&good, 0x25);
	fake.hold = true;
	ini_logout(&good, 0, 1);
	p = ini_expect(&good, 0x26);
	CU_ASSERT_EQUAL(p.b[2], 0);
	CU_ASSERT_TRUE(ini_closed(&good));
	pass(4500);
	CU_ASSERT_FALSE(ini_closed(&bad));
	pass(500);
	/* Now nothing more begins, but what has begun is answered. */
	ini_data_out(&bad, itt + 1, get_be32(p.b + 20), true, 0, 0, fake.disk,
	    2048);
	CU_ASSERT_TRUE(ini_silent(&bad));
	CU_ASSERT_EQUAL(fake.n_submitted, 2);
	CU_ASSERT_EQUAL(fx.idle, 0);
	fake_let_go(0);
	p = ini_expect(&bad, 0x25);
	CU_ASSERT_EQUAL(p.b[1], 0x81);
	CU_ASSERT_TRUE(ini_closed(&bad));
	CU_ASSERT_EQUAL(fx.idle, 1);
	fx_close();
	CU_ASSERT_EQUAL(fake.n_submitted, 2);
}

static void
test_stop_idle(void)
{
	struct iscsi_env e = fake_env;
	struct ini a;

	e.logout_ms = 1200;
	fx_open(&e);
	a = ini_session(NULL);
	iscsi_worker_stop(fx.w[0], false, fx_idle, NULL);
	CU_ASSERT_EQUAL(fx.idle, 0);	/* not from inside */
	expect_ask(&a, 2);
	pass(1200);
	CU_ASSERT_TRUE(ini_closed(&a));
	iscsi_worker_stop(fx.w[1], false, fx_idle, NULL);
	fx_run();
	CU_ASSERT_EQUAL(fx.idle, 2);
	fx_close();
}

/* A second stop with force does not wait for the SCSI side's answers. */
static void
test_stop_force(void)
{
	struct ini a;

	fx_open(&fake_env);
	a = ini_session(NULL);
	fake.hold = true;
	(void)ini_scsi(&a, F_READ, READ10, 0, 1, 512, "", 0);
	fx_run();
	iscsi_worker_stop(fx.w[0], false, fx_idle, NULL);
	CU_ASSERT_FALSE(ini_closed(&a));
	CU_ASSERT_EQUAL(fake.n_aborts, 0);
	iscsi_worker_stop(fx.w[0], true, fx_idle, NULL);
	CU_ASSERT_TRUE(ini_closed(&a));
	CU_ASSERT_EQUAL(fake.n_aborts, 1);
	CU_ASSERT_EQUAL(fx.idle, 1);
	fx_close();
}

/* --- a target is taken away --- */

static struct iscsi_target *const open_target = &fake_targets[0];
static unsigned n_evicted;

static void
on_evicted(void *arg)
{

	(void)arg;
	CU_ASSERT_EQUAL(open_target->refs, 0);
	n_evicted++;
}

static void
evict(unsigned ms)
{

	n_evicted = 0;
	open_target->find_rc = -EIDRM;
	CU_ASSERT_EQUAL(iscsi_node_evict(fx.node, open_target, ms,
	    &fx.loop[1]->exec, on_evicted, NULL), 0);
	CU_ASSERT_EQUAL(n_evicted, 0);		/* not from inside */
}

static void
evict_end(void)
{

	open_target->find_rc = 0;
	fx_close();
}

static uint16_t
login_again(void)
{
	struct ini c = ini_connect(1);
	struct pdu p;

	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	p = ini_expect(&c, 0x23);
	CU_ASSERT_TRUE(ini_closed(&c));
	return (login_code(&p));
}

/* A session that logs out, one that does not, and those that stay. */
static void
test_evict(void)
{
	struct ini polite, deaf, login, disc;

	fx_open(&fake_env);
	polite = ini_session_isid(0, 1, NULL);
	deaf = ini_session_isid(1, 2, NULL);
	disc = discovery_session();
	login = ini_connect(0);
	INI_LOGIN(&login, 0, "InitiatorName=iqn.i:two",
	    "TargetName=iqn.t:open");
	(void)ini_expect(&login, 0x23);
	CU_ASSERT_EQUAL(open_target->refs, 3);
	evict(3000);
	expect_ask(&polite, 3);
	expect_ask(&deaf, 3);
	CU_ASSERT_TRUE(ini_closed(&login));
	CU_ASSERT_EQUAL(login_again(), 0x0204);
	ini_logout(&polite, 0, 1);
	(void)ini_expect(&polite, 0x26);
	CU_ASSERT_TRUE(ini_closed(&polite));
	pass(2500);
	CU_ASSERT_FALSE(ini_closed(&deaf));
	CU_ASSERT_EQUAL(n_evicted, 0);
	pass(500);
	CU_ASSERT_TRUE(ini_closed(&deaf));
	CU_ASSERT_EQUAL(n_evicted, 1);
	CU_ASSERT_EQUAL(login_again(), 0x0204);
	pass(10000);
	CU_ASSERT_EQUAL(n_evicted, 1);
	CU_ASSERT_FALSE(ini_closed(&disc));
	evict_end();
}

/* Nobody there: done at once; twice at a time: both are done. */
static void
test_evict_nobody(void)
{
	struct ini c;

	fx_open(&fake_env);
	evict(3000);
	fx_run();
	CU_ASSERT_EQUAL(n_evicted, 1);
	open_target->find_rc = 0;
	c = ini_session(NULL);
	evict(3000);
	CU_ASSERT_EQUAL(iscsi_node_evict(fx.node, open_target, 0,
	    &fx.loop[0]->exec, on_evicted, NULL), 0);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(n_evicted, 2);
	evict_end();
}

/* What the SCSI side has must settle before it is done. */
static void
test_evict_settles(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&c, F_WRITE, WRITE10, 0, 1, 512, data, 512);
	evict(1000);
	expect_ask(&c, 1);
	pass(1000);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(fake.n_aborts, 1);
	pass(60000);
	CU_ASSERT_EQUAL(n_evicted, 0);
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, open_target), 1);
	fake_let_go(0);
	fx_run();
	CU_ASSERT_EQUAL(n_evicted, 1);
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, open_target), 0);
	evict_end();
}

/* A peer that logs out and then takes nothing holds nobody up. */
static void
test_evict_stalled(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = ini_session(NULL);
	c.net->stalled = true;
	evict(1000);
	ini_logout(&c, 0, 1);
	fx_run();
	pass(500);
	CU_ASSERT_FALSE(ini_closed(&c));
	pass(500);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(n_evicted, 1);
	evict_end();
}

static void
evict_in_find(void)
{

	fake.in_find = NULL;
	evict(3000);
}

/* Removed in the moment in which a login gets it. */
static void
test_evict_race(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = ini_connect(0);
	fake.in_find = evict_in_find;
	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_PTR_NULL(fake.in_find);
	CU_ASSERT_EQUAL(c.net->out.len, 0);
	CU_ASSERT_EQUAL(fake.n_started, 0);
	CU_ASSERT_EQUAL(n_evicted, 1);
	evict_end();
}

/* A login that waits for the session it reinstates. */
static void
test_evict_claim(void)
{
	struct ini a, b;

	fx_open(&fake_env);
	a = ini_session(NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&a, F_WRITE, WRITE10, 0, 1, 512, data, 512);
	fx_run();
	b = ini_connect(1);
	INI_LOGIN(&b, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	CU_ASSERT_TRUE(ini_silent(&b));
	evict(3000);
	CU_ASSERT_TRUE(ini_closed(&b));
	CU_ASSERT_EQUAL(n_evicted, 0);
	fake_let_go(0);
	fx_run();
	CU_ASSERT_EQUAL(n_evicted, 1);
	CU_ASSERT_EQUAL(fake.n_started, 1);
	evict_end();
}

/* An orderly stop has begun when the target is taken away. */
static void
test_evict_while_stopping(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = ini_session(NULL);
	iscsi_worker_stop(fx.w[0], false, fx_idle, NULL);
	expect_ask(&c, 5);
	evict(1000);
	CU_ASSERT_TRUE(ini_silent(&c));		/* is not asked twice */
	pass(1000);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(n_evicted, 1);
	CU_ASSERT_EQUAL(fx.idle, 1);
	evict_end();
}

static const struct unit_test tests[] = {
	{ "silence", test_silence },
	{ "silence that does not matter", test_silence_never },
	{ "silence at the end", test_silence_at_the_end },
	{ "silence in discovery", test_silence_discovery },
	{ "orderly stop", test_stop },
	{ "stop without work", test_stop_idle },
	{ "stop with force", test_stop_force },
	{ "eviction", test_evict },
	{ "eviction of nobody", test_evict_nobody },
	{ "eviction waits for tasks", test_evict_settles },
	{ "eviction of a peer that does not read", test_evict_stalled },
	{ "eviction during target_find", test_evict_race },
	{ "eviction of a login that waits", test_evict_claim },
	{ "eviction during a stop", test_evict_while_stopping }
};
UNIT_MAIN("iscsi/ends", tests)
