/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stale.c - nothing stale: once the initiator was told, or let in again,
 * no write from before reaches the disk any more.
 *
 * A write is held where the SCSI side has it whole.  A stubborn side executes
 * it when it is let go, aborted or not; the other gives it back at once.
 */
#include "tests/unit/iscsi/io_util.h"

#define OLD 0x11
#define NEW 0x22

static uint8_t old_data[4096], new_data[4096];

static struct ini
hold_a_write(bool stubborn, uint32_t *itt)
{
	struct ini c;

	fx_open(&fake_env);
	memset(old_data, OLD, sizeof(old_data));
	memset(new_data, NEW, sizeof(new_data));
	c = ini_session_isid(0, 1, NULL);
	fake.hold = true;
	fake.stubborn = stubborn;
	*itt = ini_scsi(&c, F_WRITE, WRITE10, 0, 8, 4096, old_data, 4096);
	fx_run();
	CU_ASSERT_EQUAL(fake.n_held, 1);
	return (c);
}

/* Write newer data, then let go whatever there still is. */
static void
newer_stays(struct ini *c)
{
	uint32_t itt;

	fake.hold = false;
	itt = ini_scsi(c, F_WRITE, WRITE10, 0, 8, 4096, new_data, 4096);
	(void)expect_rsp(c, itt, 0);
	while (fake.n_held > 0)
		fake_let_go(0);
	fx_run();
	CU_ASSERT_EQUAL(memcmp(fake.disk, new_data, 4096), 0);
	fx_close();
	CU_ASSERT_EQUAL(memcmp(fake.disk, new_data, 4096), 0);
}

/* The answer that promises quiet must not come before the write is back. */
static void
let_go_if(bool stubborn, struct ini *waits)
{

	CU_ASSERT_EQUAL(fake.n_held, stubborn ? 1 : 0);
	if (!stubborn)
		return;
	CU_ASSERT_TRUE(ini_silent(waits));
	CU_ASSERT_FALSE(waits->net->gone);
	fake_let_go(0);
	CU_ASSERT_EQUAL(memcmp(fake.disk, old_data, 4096), 0);
}

static void
test_reconnect(void)
{

	for (int stubborn = 0; stubborn < 2; stubborn++) {
		uint32_t itt;
		struct ini a = hold_a_write(stubborn, &itt), b;
		struct pdu p;

		b = ini_connect(1);
		INI_LOGIN(&b, T_OPER_FULL, "InitiatorName=iqn.i:one",
		    "TargetName=iqn.t:open", "InitialR2T=No");
		fx_run();
		CU_ASSERT_TRUE(ini_closed(&a));
		let_go_if(stubborn, &b);
		p = ini_expect(&b, 0x23);
		CU_ASSERT_EQUAL(login_code(&p), 0);
		b.statsn = get_be32(p.b + 24) + 1;
		newer_stays(&b);
	}
}

static void
test_abort_task(void)
{

	for (int stubborn = 0; stubborn < 2; stubborn++) {
		uint32_t itt;
		struct ini a = hold_a_write(stubborn, &itt);
		struct pdu p;

		ini_tmf(&a, 1, 0x900, itt, itt);
		fx_run();
		let_go_if(stubborn, &a);
		p = ini_expect(&a, 0x22);
		CU_ASSERT_EQUAL(p.b[2], 0);
		a.statsn++;
		newer_stays(&a);
	}
}

/* Also by another initiator, on the other loop. */
static void
test_lun_reset(void)
{

	for (int i = 0; i < 4; i++) {
		bool stubborn = i & 1;
		uint32_t itt;
		struct ini a = hold_a_write(stubborn, &itt), b = a;
		struct pdu p;

		if (i & 2)
			b = ini_session_isid(1, 2, NULL);
		ini_tmf(&b, 5, 0x900, 0, 0);
		fx_run();
		let_go_if(stubborn, &b);
		p = ini_expect(&b, 0x22);
		CU_ASSERT_EQUAL(p.b[2], 0);
		b.statsn++;
		newer_stays(&b);
	}
}

static void
test_logout(void)
{

	for (int stubborn = 0; stubborn < 2; stubborn++) {
		uint32_t itt;
		struct ini a = hold_a_write(stubborn, &itt), b;
		struct pdu p;

		ini_logout(&a, 0, 1);
		fx_run();
		let_go_if(stubborn, &a);
		p = ini_expect(&a, 0x26);
		CU_ASSERT_EQUAL(p.b[2], 0);
		CU_ASSERT_TRUE(ini_closed(&a));
		b = ini_session_isid(1, 2, NULL);
		newer_stays(&b);
	}
}

/*
 * A whole write lies in the receive buffer, not looked at because the peer
 * does not read its answers; it must be gone with its connection.
 */
static void
test_unparsed(void)
{
	struct ini a, b;
	struct pdu p;

	fx_open(&fake_env);
	memset(old_data, OLD, sizeof(old_data));
	memset(new_data, NEW, sizeof(new_data));
	a = ini_session_isid(0, 1, NULL);
	a.net->stalled = true;
	for (uint32_t i = 0; i < 1100; i++)
		ini_ping(&a, true, 0x1000 + i, "", 0);
	(void)ini_scsi(&a, F_WRITE, WRITE10, 0, 8, 4096, old_data, 4096);
	fx_run();
	CU_ASSERT_EQUAL(a.net->in.len, 0);	/* all of it was received */
	CU_ASSERT_EQUAL(fake.n_submitted, 0);
	b = ini_connect(1);
	INI_LOGIN(&b, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open", "InitialR2T=No");
	p = ini_expect(&b, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0);
	b.statsn = get_be32(p.b + 24) + 1;
	CU_ASSERT_TRUE(ini_closed(&a));
	newer_stays(&b);
	CU_ASSERT_EQUAL(fake.n_submitted, 1);
}

/* The rest of a write comes when its connection has been replaced. */
static void
test_half_a_write(void)
{
	struct ini a, b;
	struct pdu p;
	uint32_t itt;

	fx_open(&fake_env);
	memset(old_data, OLD, sizeof(old_data));
	memset(new_data, NEW, sizeof(new_data));
	a = ini_session_isid(0, 1, KEYS("InitialR2T=No"));
	itt = ini_scsi(&a, NF_WRITE, WRITE10, 0, 8, 4096, old_data, 1024);
	fx_run();
	b = ini_connect(1);
	INI_LOGIN(&b, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open", "InitialR2T=No");
	ini_data_out(&a, itt, NO_TTT, true, 0, 1024, old_data, 3072);
	p = ini_expect(&b, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0);
	b.statsn = get_be32(p.b + 24) + 1;
	ini_data_out(&a, itt, NO_TTT, true, 0, 1024, old_data, 3072);
	newer_stays(&b);
}

static const struct unit_test tests[] = {
	{ "a reconnect", test_reconnect },
	{ "ABORT TASK", test_abort_task },
	{ "LUN RESET", test_lun_reset },
	{ "logout", test_logout },
	{ "unparsed bytes", test_unparsed },
	{ "half a write", test_half_a_write }
};
UNIT_MAIN("iscsi/stale", tests)
