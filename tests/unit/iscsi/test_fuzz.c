/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fuzz.c - random peers: bytes, spoilt logins, and sessions that send
 * every request in every state while the SCSI side takes its time.  Nothing may
 * crash, leak or be left over, and a well-behaved session beside them goes on.
 * Seeds are fixed; the time is bounded, the least amount of work is not.
 */
#include "tests/unit/iscsi/ini.h"

#include "meta/base/clock.h"
#include "meta/base/msg.h"

#define LEAST 300
#ifndef BUDGET_MS
#define BUDGET_MS 4000	/* for each test */
#endif

static uint8_t data[DISK_BYTES];

static uint32_t
pick(const uint32_t *from, size_t n)
{

	return (from[net_random() % n]);
}
#define PICK(...) pick((const uint32_t[]){ __VA_ARGS__ },		\
    sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void
random_bytes(struct ini *c)
{
	uint8_t b[300];
	size_t n = 1 + net_random() % sizeof(b);

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)net_random();
	if (net_random() % 2 == 0)
		b[0] = (uint8_t)PICK(0x43, 0x03, 0x00, 0x01, 0x40);
	if (n > 6 && net_random() % 2 == 0)
		b[4] = b[5] = b[6] = 0;
	ini_raw(c, b, n);
}

/* Spoil some bytes of what was not delivered yet. */
static void
spoil(struct ini *c, unsigned one_in)
{

	if (c->net->in.len > 0 && net_random() % one_in == 0)
		c->net->in.p[net_random() % c->net->in.len] ^=
		    (uint8_t)(1u << net_random() % 8);
}

static void
before_login(unsigned seed)
{
	struct ini c;

	net_seed = seed;
	c = ini_connect((int)(seed & 1));
	for (int i = 0; i < 5; i++) {
		switch (net_random() % 3) {
		case 0:
			random_bytes(&c);
			break;
		case 1:
			INI_LOGIN(&c, (uint8_t)PICK(0x87, 0x81, 0x00, 0x04,
			    0x44, 0x83), "InitiatorName=iqn.i:one",
			    "TargetName=iqn.t:chap", "AuthMethod=CHAP,None");
			break;
		default:
			INI_LOGIN(&c, (uint8_t)PICK(0x87, 0x81, 0x00, 0x04),
			    "CHAP_A=5", "CHAP_N=joe", "CHAP_R=0x00",
			    "InitialR2T=No");
			break;
		}
		spoil(&c, 2);
		fx_run();
		if (c.net->gone)
			return;
	}
	c.net->peer_closed = true;
	fx_run();
	CU_ASSERT_TRUE(c.net->gone);
}

/* A command of some kind, mostly sensible. */
static void
random_command(struct ini *c)
{
	uint32_t len = PICK(0, 512, 1024, 4096, 65536, 300000, 0xffffffff);
	uint8_t flags = (uint8_t)PICK(0xa1, 0x21, 0xc1, 0xa1, 0xc1, 0xe1,
	    0x81, 0x01);
	uint32_t imm = (flags & 0x20) != 0 ? PICK(0, 0, 100, 512, 4096) : 0;

	(void)ini_scsi(c, flags, (uint8_t)PICK(0x28, 0x2a, 0, 0xff),
	    net_random() % 4000, (uint16_t)(len / 512 % 4000), len, data,
	    imm);
}

/* Answer an R2T, more or less. */
static void
random_data(struct ini *c)
{
	struct pdu p;
	uint32_t off, end, sn = 0;

	while (ini_recv(c, &p)) {
		if (p.b[0] != 0x31)
			continue;
		off = get_be32(p.b + 40);
		end = off + get_be32(p.b + 44);
		while (off < end && end <= sizeof(data)) {
			uint32_t k = PICK(512, 4096, 65536, 262144);

			k = k < end - off ? k : end - off;
			if (net_random() % 40 == 0)
				sn++;
			ini_data_out(c, get_be32(p.b + 16),
			    get_be32(p.b + 20), off + k == end ||
			    net_random() % 40 == 0, sn++, off, data, k);
			off += k;
		}
	}
}

static void
random_request(struct ini *c)
{
	uint8_t b[48];

	switch (net_random() % 12) {
	case 0: case 1: case 2: case 3:
		random_command(c);
		break;
	case 4: case 5:
		random_data(c);
		break;
	case 6:
		ini_data_out(c, c->cmdsn - 1 - net_random() % 3, 0xffffffff,
		    net_random() % 2, net_random() % 3, PICK(0, 512, 1024),
		    data, PICK(0, 512, 1024));
		break;
	case 7:
		ini_ping(c, net_random() % 2, net_random() % 1000, data,
		    PICK(0, 1, 100, 5000));
		break;
	case 8:
		ini_tmf(c, (uint8_t)PICK(1, 1, 2, 4, 5, 6, 7, 9),
		    0x900 + net_random() % 4, c->cmdsn - net_random() % 5,
		    c->cmdsn - net_random() % 5);
		break;
	case 9:
		for (size_t i = 0; i < sizeof(b); i++)
			b[i] = (uint8_t)net_random();
		b[0] = (uint8_t)PICK(0, 1, 2, 4, 5, 6, 0x10, 0x41, 0x42,
		    0x44, 0x46);
		put_be32(b + 24, c->cmdsn);
		ini_send_ahs(c, b, data, 4 * PICK(0, 0, 1, 5), data,
		    PICK(0, 5, 2000));
		break;
	case 10:
		c->cmdsn += PICK(0, 0, 1);	/* a hole */
		break;
	default:
		if (net_random() % 20 == 0)
			ini_logout(c, (uint8_t)(net_random() % 3), 1);
		break;
	}
}

static void
let_some_go(void)
{

	while (fake.n_held > 0 && net_random() % 3 != 0)
		fake_let_go(net_random() % fake.n_held);
}

static unsigned n_evicts, n_evicted;

static void
on_evicted(void *arg)
{

	(void)arg;
	n_evicted++;
}

/* Time goes by, or the target is taken from under the sessions. */
static void
random_event(void)
{
	unsigned at = net_random() % 2;

	if (net_random() % 3 != 0) {
		net_pass(fx.loop[at], PICK(10, 8000, 40000));
		return;
	}
	n_evicts++;
	CU_ASSERT_EQUAL(iscsi_node_evict(fx.node, &fake_targets[0],
	    PICK(0, 1000, 50000), &fx.loop[at]->exec, on_evicted, NULL), 0);
}

/* Two sessions of two initiator ports, perhaps on two loops. */
static void
in_session(unsigned seed)
{
	const char *const keys[] = { "InitialR2T=No", (seed & 2) ?
	    "DataDigest=CRC32C" : "DataDigest=None", (seed & 4) ?
	    "HeaderDigest=CRC32C" : "HeaderDigest=None", (seed & 8) ?
	    "MaxRecvDataSegmentLength=512" :
	    "MaxRecvDataSegmentLength=65536", "MaxBurstLength=65536", NULL };
	struct ini c[2];

	net_seed = seed;
	net_tiny = (seed & 1) != 0;
	/* The login has to come through, whoever is there already. */
	fake.hold = false;
	for (int i = 0; i < 2; i++)
		c[i] = ini_session_isid(i, (uint8_t)(1 + net_random() % 2 +
		    2u * (unsigned)i), keys);
	fake.hold = (seed & 16) != 0;
	fake.stubborn = (seed & 32) != 0;
	fake.ext = (seed & 192) == 192;
	for (int step = 0; step < 60; step++) {
		struct ini *k = &c[net_random() % 2];

		if (k->net->gone || k->net->closing)
			break;
		random_request(k);
		if ((seed & 256) != 0)
			spoil(k, 30);
		k->net->stalled = net_random() % 8 == 0;
		if (net_random() % 3 == 0)
			fx_run();
		if (net_random() % 5 == 0)
			let_some_go();
		if (net_random() % 60 == 0)
			random_event();
	}
	for (int i = 0; i < 2; i++) {
		c[i].net->stalled = false;
		c[i].net->peer_closed = true;
	}
	fx_run();
	fake.hold = false;
	while (fake.n_held > 0)
		fake_let_go(0);
	fx_run();
	CU_ASSERT_TRUE(c[0].net->gone && c[1].net->gone);
	CU_ASSERT_EQUAL(n_evicted, n_evicts);
}

static void
run(void (*one)(unsigned seed))
{
	uint64_t until = clock_mono_ms() + BUDGET_MS;
	struct iscsi_env e = fake_env;
	unsigned n = 0;

	e.memory_bytes = 1;	/* raised to the least */
	msg_set_level(MSG_ERR);
	for (unsigned seed = 1; n < LEAST || clock_mono_ms() < until; seed++) {
		fx_open(&e);
		for (int k = 0; k < 20; k++, n++)
			one(seed * 1000003u + (unsigned)k * 7919u);
		net_tiny = false;
		fx_close();
	}
	CU_ASSERT_TRUE(n >= LEAST);
}

static void
test_before_login(void)
{

	run(before_login);
}

static void
test_in_session(void)
{

	run(in_session);
}

static const struct unit_test tests[] = {
	{ "before login", test_before_login },
	{ "in sessions", test_in_session }
};
UNIT_MAIN("iscsi/fuzz", tests)
