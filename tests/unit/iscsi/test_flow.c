/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_flow.c - memory: the budget alone, and many sessions that send as much
 * as they may; what the buffer pools hold never exceeds it, and everybody gets
 * everything done.
 */
#include "target/iscsi/budget.h"

#include "meta/base/msg.h"
#include "target/iscsi/conn_int.h"
#include "tests/unit/iscsi/io_util.h"

#define MIB ((size_t)1 << 20)

static void
test_budget_parts(void)
{
	struct budget b;
	struct budget_share s[2] = { 0 };
	const size_t shared = 16 * MIB;

	budget_init(&b, 64 * MIB);
	CU_ASSERT_TRUE(budget_join(&b, &s[0]));
	CU_ASSERT_TRUE(budget_join(&b, &s[1]));
	CU_ASSERT_EQUAL(atomic_load(&b.free_bytes), shared);
	CU_ASSERT_TRUE(budget_take(&b, &s[0], shared, false));
	/* Nothing shared is left: some for any data, some for whole ones. */
	CU_ASSERT_FALSE(budget_take(&b, &s[0], MIB / 2, false));
	CU_ASSERT_TRUE(budget_take(&b, &s[0], MIB / 4, false));
	CU_ASSERT_FALSE(budget_take(&b, &s[0], 1, false));
	CU_ASSERT_FALSE(budget_take(&b, &s[0], MIB + 1, true));
	CU_ASSERT_TRUE(budget_take(&b, &s[0], MIB, true));
	CU_ASSERT_FALSE(budget_take(&b, &s[0], 1, true));
	CU_ASSERT_TRUE(budget_take(&b, &s[1], MIB, true));
	/* What comes back fills the part for whole ones first. */
	budget_give(&b, &s[0], MIB + 4096);
	CU_ASSERT_EQUAL(s[0].own_free_bytes, MIB);
	CU_ASSERT_EQUAL(atomic_load(&b.free_bytes), 4096);
	CU_ASSERT_TRUE(budget_take(&b, &s[0], MIB, true));
	budget_give(&b, &s[0], MIB);
	budget_give(&b, &s[0], shared - 4096 + MIB / 4);
	budget_give(&b, &s[1], MIB);
	CU_ASSERT_EQUAL(atomic_load(&b.free_bytes), shared);
	CU_ASSERT_TRUE(budget_lane_take(&b));
	CU_ASSERT_FALSE(budget_lane_take(&b));
	budget_lane_give(&b);
	CU_ASSERT_TRUE(budget_lane_take(&b));
	CU_ASSERT_EQUAL(budget_commands(&b, MIB), shared / MIB / 2);
	budget_leave(&b, &s[0]);
	budget_leave(&b, &s[1]);
	CU_ASSERT_EQUAL(atomic_load(&b.free_bytes), shared);
	CU_ASSERT_EQUAL(atomic_load(&b.new_bytes), 16 * MIB);
	CU_ASSERT_EQUAL(atomic_load(&b.n_shares), 0);
}

/* Random use of many shares: never more than there is, all of it comes back. */
static void
test_budget_random(void)
{
	struct budget b;
	struct budget_share s[8] = { 0 };
	size_t held[8][64], n[8] = { 0 }, sum = 0;

	net_seed = 5;
	budget_init(&b, 64 * MIB);
	for (int i = 0; i < 8; i++)
		CU_ASSERT_TRUE(budget_join(&b, &s[i]));
	for (int k = 0; k < 100000; k++) {
		size_t i = net_random() % 8;
		size_t bytes = (size_t)(1 + net_random() % 512) * 4096;

		if (n[i] < 64 && net_random() % 2 == 0) {
			if (!budget_take(&b, &s[i], bytes, net_random() % 2))
				continue;
			held[i][n[i]++] = bytes;
			sum += bytes;
		} else if (n[i] > 0) {
			sum -= held[i][--n[i]];
			budget_give(&b, &s[i], held[i][n[i]]);
		}
		if (sum > 16 * MIB + 8 * BUDGET_OWN)
			CU_FAIL("more than there is");
	}
	for (int i = 0; i < 8; i++) {
		while (n[i] > 0)
			budget_give(&b, &s[i], held[i][--n[i]]);
		budget_leave(&b, &s[i]);
	}
	CU_ASSERT_EQUAL(atomic_load(&b.free_bytes), 16 * MIB);
}

/* --- on the wire --- */

#define N_SESSIONS 64
#define N_COMMANDS 128
#define LEN (128u << 10)	/* of a command */
#define IMM 4096u

struct client {
	struct ini c;
	uint32_t max_cmdsn;
	unsigned left;		/* commands not answered GOOD yet */
	unsigned n_full;	/* answers TASK SET FULL */
};
static struct client clients[N_SESSIONS];

static size_t
used_bytes(void)
{

	return (fx.w[0]->pool.used_bytes + fx.w[1]->pool.used_bytes);
}

/* Whatever was answered.  MaxCmdSN never goes back. */
static void
take_answers(struct client *cl)
{
	struct pdu p;

	while (ini_recv(&cl->c, &p)) {
		uint32_t max = get_be32(p.b + 32);

		CU_ASSERT_TRUE((int32_t)(max - cl->max_cmdsn) >= 0);
		cl->max_cmdsn = max;
		if (p.b[0] != 0x21) {
			CU_FAIL("not an answer");
			continue;
		}
		cl->left -= p.b[3] == 0;
		cl->n_full += p.b[3] == 0x28;
		CU_ASSERT_TRUE(p.b[3] == 0 || p.b[3] == 0x28);
	}
}

/* As many commands as the window lets through, each with a little data. */
static unsigned
flood(struct client *cl, uint32_t itts[N_COMMANDS])
{
	unsigned n = 0;

	while (n < cl->left && (int32_t)(cl->max_cmdsn - cl->c.cmdsn) >= 0)
		itts[n++] = ini_scsi(&cl->c, NF_WRITE, WRITE10, 0, LEN / 512,
		    LEN, data, IMM);
	return (n);
}

static void
test_many_sessions(void)
{
	static uint32_t itts[N_SESSIONS][N_COMMANDS];
	struct iscsi_env e = fake_env;
	unsigned n[N_SESSIONS], left, rounds = 0, shrunk = 0, n_full = 0;
	size_t peak = 0;

	fill(1);
	e.memory_bytes = 160 * MIB;
	fx_open(&e);
	for (int i = 0; i < N_SESSIONS; i++) {
		clients[i] = (struct client){ .c = ini_session_isid(i % 2,
		    (uint8_t)(1 + i), KEYS("InitialR2T=No",
		    "FirstBurstLength=131072")), .left = N_COMMANDS };
		/* Without pressure, the whole window is offered. */
		clients[i].max_cmdsn = clients[i].c.cmdsn + (i == 0 ? 127 : 7);
	}
	do {
		for (int i = 0; i < N_SESSIONS; i++) {
			n[i] = flood(&clients[i], itts[i]);
			CU_ASSERT_TRUE(n[i] > 0 || clients[i].left == 0);
			shrunk += n[i] < clients[i].left;
		}
		fx_run();
		peak = TT_MAX(peak, used_bytes());
		/* The rest of the data, while the SCSI side holds everything. */
		fake.hold = true;
		for (int i = 0; i < N_SESSIONS; i++)
			for (unsigned k = 0; k < n[i]; k++) {
				ini_data_out(&clients[i].c, itts[i][k], NO_TTT,
				    true, 0, IMM, data, LEN - IMM);
				fx_run();
				if (fake.n_held >= 400)
					fake_let_go(0);
				peak = TT_MAX(peak, used_bytes());
			}
		fake.hold = false;
		while (fake.n_held > 0)
			fake_let_go(0);
		fx_run();
		left = 0;
		for (int i = 0; i < N_SESSIONS; i++) {
			take_answers(&clients[i]);
			left += clients[i].left;
		}
		CU_ASSERT_EQUAL(used_bytes(), 0);
	} while (left > 0 && ++rounds < 200);
	for (int i = 0; i < N_SESSIONS; i++) {
		CU_ASSERT_EQUAL(clients[i].left, 0);
		n_full += clients[i].n_full;
	}
	CU_ASSERT_TRUE(peak <= e.memory_bytes);
	CU_ASSERT_TRUE(peak > 32 * MIB);	/* it was used, too */
	CU_ASSERT_TRUE(shrunk > 0);
	CU_ASSERT_TRUE(n_full < N_SESSIONS * N_COMMANDS);
	fx_close();
	msg_info("peak %zu MiB, %u rounds, %u times task set full",
	    peak / MIB, rounds, n_full);
}

static uint32_t
max_cmdsn(struct ini *c)
{
	struct pdu p;

	ini_ping(c, true, 0x7fff, "", 0);
	p = ini_expect(c, 0x20);
	c->statsn++;
	return (get_be32(p.b + 32));
}

/*
 * The window of one session while others take all memory: what it was told
 * stays valid, nothing is added, and it opens again afterwards.
 */
static void
test_window_shrinks(void)
{
	struct iscsi_env e = fake_env;
	struct ini a, b, c;
	uint32_t first, itt;

	e.memory_bytes = BUDGET_MIN;
	fx_open(&e);
	a = ini_session_isid(0, 1, KEYS("ImmediateData=Yes"));
	first = a.cmdsn;
	CU_ASSERT_EQUAL(max_cmdsn(&a), first + 127);
	b = ini_session_isid(1, 2, KEYS("InitialR2T=No"));
	for (int i = 0; i < 32; i++)
		(void)ini_scsi(&b, NF_WRITE, WRITE10, 0, 2048, 1u << 20, data,
		    IMM);
	fx_run();
	CU_ASSERT_TRUE(atomic_load(&fx.node->budget.free_bytes) < MIB);
	CU_ASSERT_EQUAL(max_cmdsn(&a), first + 127);
	/* Served by its own part, but its places do not come back. */
	for (int i = 0; i < 20; i++) {
		itt = ini_scsi(&a, F_WRITE, WRITE10, 0, 8, 4096, data, 4096);
		(void)expect_rsp(&a, itt, 0);
		CU_ASSERT_EQUAL(max_cmdsn(&a), first + 127);
	}
	/* Who comes now gets the least. */
	c = ini_session_isid(0, 3, KEYS("ImmediateData=Yes"));
	CU_ASSERT_EQUAL(max_cmdsn(&c), c.cmdsn + 7);
	b.net->peer_closed = true;
	CU_ASSERT_TRUE(ini_closed(&b));
	CU_ASSERT_TRUE(max_cmdsn(&a) > first + 127);
	CU_ASSERT_TRUE(max_cmdsn(&c) > c.cmdsn + 7);
	fx_close();
}

/* Peers that obey no window: what is not counted is dropped or refused. */
static void
test_rude_sessions(void)
{
	struct iscsi_env e = fake_env;
	struct pdu p;
	unsigned n_full = 0;

	e.memory_bytes = BUDGET_MIN;
	fx_open(&e);
	for (int i = 0; i < 16; i++) {
		clients[i].c = ini_session_isid(i % 2, (uint8_t)(1 + i),
		    KEYS("InitialR2T=No", "FirstBurstLength=262144"));
		clients[i].c.net->stalled = true;
	}
	for (int i = 0; i < 16; i++)
		for (int k = 0; k < 200; k++) {
			(void)ini_scsi(&clients[i].c, NF_WRITE, WRITE10, 0,
			    2048, 1u << 20, data, IMM);
			ini_ping(&clients[i].c, true, 0x10000u + (uint32_t)k,
			    data, 65536);
		}
	fx_run();
	CU_ASSERT_TRUE(used_bytes() <= e.memory_bytes);
	CU_ASSERT_TRUE(used_bytes() > 16 * MIB);
	for (int i = 0; i < 16; i++)
		clients[i].c.net->stalled = false;
	fx_run();
	for (int i = 0; i < 16; i++)
		while (ini_recv(&clients[i].c, &p))
			n_full += p.b[0] == 0x3f && p.b[2] == 0x0a;
	CU_ASSERT_TRUE(n_full > 0);	/* pings without room */
	fx_close();
}

/*
 * R2Ts only as the budget allows: every session wants much more at once, and
 * all of it is done in the end.
 */
static void
r2t_storm(int n_sessions, int n_commands, uint32_t edtl, size_t memory)
{
	struct iscsi_env e = fake_env;
	struct pdu p;
	int left = n_sessions * n_commands, moved;
	size_t peak = 0;

	e.memory_bytes = memory;
	fx_open(&e);
	for (int i = 0; i < n_sessions; i++) {
		clients[i].c = ini_session_isid(i % 2, (uint8_t)(1 + i),
		    KEYS("ImmediateData=No"));
		for (int k = 0; k < n_commands; k++)
			(void)ini_scsi(&clients[i].c, F_WRITE, WRITE10, 0, 1,
			    edtl, "", 0);
	}
	do {
		moved = 0;
		fx_run();
		peak = TT_MAX(peak, used_bytes());
		for (int i = 0; i < n_sessions; i++) {
			struct ini *c = &clients[i].c;

			while (ini_recv(c, &p)) {
				moved++;
				if (p.b[0] == 0x21) {
					CU_ASSERT_EQUAL(p.b[3], 0);
					left--;
					continue;
				}
				CU_ASSERT_EQUAL(p.b[0], 0x31);
				ini_data_out(c, get_be32(p.b + 16),
				    get_be32(p.b + 20), true, 0,
				    get_be32(p.b + 40), data,
				    get_be32(p.b + 44));
			}
			/* Keep the test's own memory small. */
			fx_run();
		}
	} while (moved > 0);
	CU_ASSERT_EQUAL(left, 0);
	CU_ASSERT_TRUE(peak <= memory);
	CU_ASSERT_EQUAL(used_bytes(), 0);
	fx_close();
}

static void
test_r2t_small(void)
{

	/* 64 KiB commands: 48 MiB are wanted, 16 MiB are shared. */
	r2t_storm(12, 64, 65536, BUDGET_MIN);
}

static void
test_r2t_large(void)
{

	/* Each needs half of all there is: one after the other, by the lane. */
	r2t_storm(3, 2, 32u << 20, BUDGET_MIN);
}

/* No room for one more session: refused as "out of resources". */
static void
test_no_room(void)
{
	struct iscsi_env e = fake_env;
	struct ini c;
	struct pdu p;
	int n = 2 * (int)(16 * MIB / BUDGET_OWN);

	e.memory_bytes = 1;		/* raised to the least */
	fx_open(&e);
	for (int i = 0; i < n; i++)
		clients[i].c = ini_session_isid(0, (uint8_t)(1 + i), NULL);
	c = ini_connect(0);
	c.isid = 100;
	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open");
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0x0302);
	CU_ASSERT_TRUE(ini_closed(&c));
	clients[0].c.net->peer_closed = true;
	CU_ASSERT_TRUE(ini_closed(&clients[0].c));
	(void)ini_session_isid(0, 100, NULL);
	fx_close();
}

static const struct unit_test tests[] = {
	{ "the parts of the budget", test_budget_parts },
	{ "random use of the budget", test_budget_random },
	{ "64 sessions of 128 commands", test_many_sessions },
	{ "the window under pressure", test_window_shrinks },
	{ "sessions that obey no window", test_rude_sessions },
	{ "R2Ts for many", test_r2t_small },
	{ "R2Ts for the large", test_r2t_large },
	{ "no room for one more", test_no_room }
};
UNIT_MAIN("iscsi/flow", tests)
