/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_session.c - sessions from connect to close: login on the wire, garbage
 * before it, discovery, pings, logout, list.
 */
#include "tests/unit/iscsi/ini.h"

#include "target/iscsi/login.h"

static void
test_login_wire(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_connect(0);
	c.statsn = 1000;
	INI_LOGIN(&c, T_SEC_OPER, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open", "AuthMethod=None");
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(p.b[1], 0x81);
	CU_ASSERT_EQUAL(p.b[2], 0);
	CU_ASSERT_EQUAL(p.b[3], 0);
	CU_ASSERT_EQUAL(p.b[8], 0x80);		/* ISID comes back */
	CU_ASSERT_EQUAL(get_be16(p.b + 14), 0);	/* no TSIH yet */
	CU_ASSERT_EQUAL(get_be32(p.b + 16), 0x11223344);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), 1000);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), 7);
	CU_ASSERT_EQUAL(get_be32(p.b + 32), 7 + 127);
	CU_ASSERT_EQUAL(login_code(&p), 0);
	CU_ASSERT_VALUE(&p, "TargetPortalGroupTag", "1");
	CU_ASSERT_VALUE(&p, "AuthMethod", "None");
	CU_ASSERT_EQUAL(fake.n_started, 0);
	INI_LOGIN(&c, T_OPER_FULL, "MaxBurstLength=8192");
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(p.b[1], 0x87);
	CU_ASSERT_NOT_EQUAL(get_be16(p.b + 14), 0);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), 1001);
	CU_ASSERT_VALUE(&p, "MaxBurstLength", "8192");
	CU_ASSERT_EQUAL(fake.n_started, 1);
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, NULL), 1);
	fx_close();
}

static void
test_login_refused_wire(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_connect(0);
	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:none");
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0x0203);
	CU_ASSERT_EQUAL(p.b[1] & 0x80, 0);
	CU_ASSERT_TRUE(ini_closed(&c));
	/* session_start fails: the answer says so, no session is left. */
	c = ini_connect(0);
	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:full");
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0x0302);
	CU_ASSERT_EQUAL(get_be16(p.b + 14), 0);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, NULL), 0);
	CU_ASSERT_EQUAL(fake.n_started, 0);
	fx_close();
}

/* What is no login closes that connection, without an answer. */
static void
test_garbage_first(void)
{
	struct ini good, c;
	uint8_t b[64];

	fx_open(&fake_env);
	good = ini_session(NULL);
	for (unsigned op = 0; op < 64; op++) {
		if (op == 0x03)
			continue;
		memset(b, 0, sizeof(b));
		b[0] = (uint8_t)(0x40 | op);
		c = ini_connect(0);
		ini_raw(&c, b, 48);
		CU_ASSERT_TRUE(ini_closed(&c));
		CU_ASSERT_EQUAL(c.net->out.len, 0);
	}
	/* A login with an additional header, and one far too long. */
	memset(b, 0, sizeof(b));
	b[0] = 0x43;
	b[4] = 1;
	c = ini_connect(0);
	ini_raw(&c, b, 52);
	CU_ASSERT_TRUE(ini_closed(&c));
	b[4] = 0;
	put_be24(b + 5, 16 << 20 | 0);
	put_be24(b + 5, 0xffffff);
	c = ini_connect(0);
	ini_raw(&c, b, 48);
	CU_ASSERT_TRUE(ini_closed(&c));
	c = ini_connect(0);
	ini_raw(&c, "GET / HTTP/1.1\r\nHost: example.com\r\n"
	    "User-Agent: something\r\n\r\n", 60);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(c.net->out.len, 0);
	/* Half a header, then the end. */
	c = ini_connect(0);
	ini_raw(&c, b, 20);
	fx_run();
	CU_ASSERT_FALSE(c.net->gone);
	c.net->peer_closed = true;
	CU_ASSERT_TRUE(ini_closed(&c));
	/* Nobody else was harmed. */
	ini_ping(&good, true, 5, "ping", 4);
	(void)ini_expect(&good, 0x20);
	fx_close();
}

static void
test_login_time(void)
{
	struct ini silent, slow, done;

	fx_open(&fake_env);
	silent = ini_connect(0);
	slow = ini_connect(0);
	done = ini_session(NULL);
	net_pass(fx.loop[0], 14000);
	CU_ASSERT_FALSE(silent.net->gone);
	INI_LOGIN(&slow, 0, "InitiatorName=iqn.i:two",
	    "TargetName=iqn.t:open");
	(void)ini_expect(&slow, 0x23);
	net_pass(fx.loop[0], 1001);
	CU_ASSERT_TRUE(ini_closed(&silent));
	CU_ASSERT_TRUE(ini_closed(&slow));	/* the whole login counts */
	CU_ASSERT_FALSE(ini_closed(&done));
	CU_ASSERT_EQUAL(fake.last_refusal, ISCSI_REFUSED_TIMEOUT);
	fx_close();
}

static void
text_request(struct ini *c, uint8_t flags, uint32_t ttt, const char *text,
    uint32_t len)
{
	uint8_t b[48] = { 0x04, flags };

	put_be32(b + 16, 0x7000 + c->cmdsn);
	put_be32(b + 20, ttt);
	put_be32(b + 24, c->cmdsn++);
	ini_send(c, b, text, len);
}

#define NO_TTT 0xffffffffu
#define TEXT(c, s) text_request((c), 0x80, NO_TTT, (s), sizeof(s))

static struct ini
discovery_session(const char *mrdsl)
{
	struct ini c = ini_connect(0);
	struct pdu p;

	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
	    "SessionType=Discovery", mrdsl);
	p = ini_expect(&c, 0x23);
	CU_ASSERT_EQUAL(login_code(&p), 0);
	return (c);
}

static void
test_discovery(void)
{
	static const char want[] = "TargetName=iqn.t:open\0"
	    "TargetAddress=192.0.2.1:3260,1\0"
	    "TargetAddress=[2001:db8::1]:3260,1\0"
	    "TargetName=iqn.t:chap\0"
	    "TargetAddress=192.0.2.1:3260,1\0"
	    "TargetAddress=[2001:db8::1]:3260,1";
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = discovery_session("MaxRecvDataSegmentLength=65536");
	TEXT(&c, "SendTargets=All");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_EQUAL(p.b[1], 0x80);
	CU_ASSERT_EQUAL(get_be32(p.b + 20), NO_TTT);
	CU_ASSERT_EQUAL(p.len, sizeof(want));
	CU_ASSERT_EQUAL(memcmp(p.data, want, sizeof(want)), 0);
	TEXT(&c, "SendTargets=IQN.t:chap");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_VALUE(&p, "TargetName", "iqn.t:chap");
	TEXT(&c, "SendTargets=iqn.t:none");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_EQUAL(p.len, 0);
	TEXT(&c, "SendTargets=");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_VALUE(&p, "SendTargets", "Reject");
	/* Nothing but text and logout in discovery. */
	(void)ini_scsi(&c, 0x80, 0, 0, 0, 0, "", 0);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 0x04);
	CU_ASSERT_EQUAL(p.len, 48);
	CU_ASSERT_EQUAL(p.data[0], 0x01);
	ini_logout(&c, 0, 0);
	p = ini_expect(&c, 0x26);
	CU_ASSERT_EQUAL(p.b[2], 0);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(fake.n_started, 0);
	fx_close();
}

/* A long list in many PDUs, asked for one by one. */
static void
test_discovery_long(void)
{
	struct ini c;
	struct pdu p;
	struct bytes all = { 0 };
	uint32_t ttt, parts = 1;

	fx_open(&fake_env);
	fake.many = 2000;
	c = discovery_session("MaxRecvDataSegmentLength=4096");
	TEXT(&c, "SendTargets=All");
	p = ini_expect(&c, 0x24);
	while ((p.b[1] & 0x80) == 0) {
		CU_ASSERT_EQUAL(p.b[1], 0x40);
		CU_ASSERT_EQUAL(p.len, 4096);
		bytes_add(&all, p.data, p.len);
		ttt = get_be32(p.b + 20);
		CU_ASSERT_NOT_EQUAL(ttt, NO_TTT);
		text_request(&c, 0x80, ttt, "", 0);
		p = ini_expect(&c, 0x24);
		parts++;
	}
	bytes_add(&all, p.data, p.len);
	p.data = all.p;
	p.len = (uint32_t)all.len;
	CU_ASSERT_TRUE(parts > 20);
	CU_ASSERT_EQUAL(all.p[all.len - 1], 0);
	{
		unsigned names = 0;

		for (size_t i = 0; i < all.len; i +=
		    strlen((char *)all.p + i) + 1)
			names += strncmp((char *)all.p + i, "TargetName=",
			    11) == 0;
		CU_ASSERT_EQUAL(names, 2002);
	}
	free(all.p);
	/* A tag of ours that is not open any more. */
	text_request(&c, 0x80, 12345, "", 0);
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 0x09);
	fx_close();
}

static void
test_text_in_session(void)
{
	struct ini c;
	struct pdu p;
	uint32_t ttt;

	fx_open(&fake_env);
	c = ini_session(NULL);
	TEXT(&c, "SendTargets=");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_VALUE(&p, "TargetName", "iqn.t:open");
	TEXT(&c, "SendTargets=All");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_VALUE(&p, "SendTargets", "Reject");
	CU_ASSERT_PTR_NULL(pdu_value(&p, "TargetName"));
	TEXT(&c, "SendTargets=iqn.t:chap");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_VALUE(&p, "SendTargets", "Reject");
	/* In parts: the C bit, then the rest with the tag. */
	text_request(&c, 0x40, NO_TTT, "SendTar", 7);
	p = ini_expect(&c, 0x24);
	CU_ASSERT_EQUAL(p.b[1], 0);
	CU_ASSERT_EQUAL(p.len, 0);
	ttt = get_be32(p.b + 20);
	text_request(&c, 0x80, ttt, "gets=\0X-y=1", 12);
	p = ini_expect(&c, 0x24);
	CU_ASSERT_EQUAL(p.b[1], 0x80);
	CU_ASSERT_VALUE(&p, "TargetName", "iqn.t:open");
	CU_ASSERT_VALUE(&p, "X-y", "NotUnderstood");
	/* Refused: no zero byte, the list twice, F and C together. */
	text_request(&c, 0x80, NO_TTT, "SendTargets=", 12);
	p = ini_expect(&c, 0x3f);
	TEXT(&c, "SendTargets=\0SendTargets=");
	p = ini_expect(&c, 0x3f);
	text_request(&c, 0xc0, NO_TTT, "a=b", 4);
	p = ini_expect(&c, 0x3f);
	TEXT(&c, "MaxBurstLength=512");
	p = ini_expect(&c, 0x24);
	CU_ASSERT_VALUE(&p, "MaxBurstLength", "Reject");
	fx_close();
}

static void
test_ping(void)
{
	static uint8_t big[70000];
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_session((const char *const[]){
	    "MaxRecvDataSegmentLength=65536", NULL });
	ini_ping(&c, true, 9, "hello", 5);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 16), 9);
	CU_ASSERT_EQUAL(get_be32(p.b + 20), 0xffffffff);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), c.statsn);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), 7);
	CU_ASSERT_TRUE(p.len == 5 && memcmp(p.data, "hello", 5) == 0);
	ini_ping(&c, false, 10, "", 0);
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), c.statsn + 1);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), 8);
	CU_ASSERT_EQUAL(get_be32(p.b + 32), 8 + 127);
	CU_ASSERT_EQUAL(p.len, 0);
	/* More than the initiator takes: what it takes comes back. */
	memset(big, 0x5a, sizeof(big));
	ini_ping(&c, true, 11, big, sizeof(big));
	p = ini_expect(&c, 0x20);
	CU_ASSERT_EQUAL(p.len, 65536);
	/* No tag, no answer. */
	ini_ping(&c, true, 0xffffffff, "x", 1);
	CU_ASSERT_TRUE(ini_silent(&c));
	fx_close();
}

static void
test_logout(void)
{
	struct ini c;
	struct pdu p;
	static const struct {
		uint8_t reason;
		uint16_t cid;
		uint8_t op, code;
		bool closed;
	} t[] = {
		{ 0, 1, 0x26, 0, true }, { 1, 1, 0x26, 0, true },
		{ 1, 2, 0x26, 1, false }, { 2, 1, 0x26, 2, false },
		{ 3, 1, 0x3f, 9, false }
	};

	fx_open(&fake_env);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		c = ini_session_isid(0, (uint8_t)(10 + i), NULL);
		ini_logout(&c, t[i].reason, t[i].cid);
		p = ini_expect(&c, t[i].op);
		CU_ASSERT_EQUAL(p.b[2], t[i].code);
		CU_ASSERT_EQUAL(ini_closed(&c), t[i].closed);
	}
	fx_close();
}

/* What stands behind a logout is never looked at. */
static void
test_behind_logout(void)
{
	struct ini c;

	fx_open(&fake_env);
	c = ini_session(NULL);
	fake.hold = fake.stubborn = true;
	(void)ini_scsi(&c, 0xa1, 0x2a, 0, 1, 512, fake.disk + 8192, 512);
	ini_logout(&c, 0, 1);
	(void)ini_scsi(&c, 0xa1, 0x2a, 8, 1, 512, fake.disk, 512);
	CU_ASSERT_TRUE(ini_silent(&c));		/* until the write settles */
	CU_ASSERT_EQUAL(fake.n_submitted, 1);
	CU_ASSERT_EQUAL(fake.n_aborts, 1);
	fake_let_go(0);
	(void)ini_expect(&c, 0x26);
	CU_ASSERT_TRUE(ini_closed(&c));
	CU_ASSERT_EQUAL(fake.n_submitted, 1);
	CU_ASSERT_EQUAL(c.net->out.len, c.net->out_read);
	fx_close();
}

struct listing {
	unsigned n;
	char text[1024];
};

static void
list_one(void *arg, const struct iscsi_session_info *info,
    const struct iscsi_target *t)
{
	struct listing *l = arg;
	size_t at = strlen(l->text);

	l->n++;
	(void)snprintf(l->text + at, sizeof(l->text) - at, "%s>%s@%s:%u:%s;",
	    info->initiator, info->iqn, info->address, info->isid[5],
	    t == NULL ? "discovery" : t->iqn);
	TT_ASSERT(info->tsih != 0 && info->since_utc_ns > 0);
}

static void
test_list_and_drop(void)
{
	struct listing l = { 0 };
	struct ini a, b, d;

	fx_open(&fake_env);
	a = ini_session_isid(0, 1, NULL);
	b = ini_session_isid(1, 2, NULL);
	d = discovery_session("MaxRecvDataSegmentLength=65536");
	iscsi_node_list(fx.node, list_one, &l);
	CU_ASSERT_EQUAL(l.n, 3);
	CU_ASSERT_STRING_EQUAL(l.text, "iqn.i:one>iqn.t:open@192.0.2.7:40000:"
	    "1:iqn.t:open;iqn.i:one>iqn.t:open@192.0.2.7:40000:2:iqn.t:open;"
	    "iqn.i:one>@192.0.2.7:40000:1:discovery;");
	CU_ASSERT_EQUAL(iscsi_node_drop(fx.node, &fake_targets[1]), 0);
	iscsi_conn_drop(fake.nexus[1].c);
	CU_ASSERT_TRUE(ini_closed(&b));
	CU_ASSERT_FALSE(ini_closed(&a));
	CU_ASSERT_EQUAL(iscsi_node_drop(fx.node, &fake_targets[0]), 1);
	CU_ASSERT_EQUAL(iscsi_node_drop(fx.node, &fake_targets[0]), 1);
	CU_ASSERT_TRUE(ini_closed(&a));
	CU_ASSERT_FALSE(ini_closed(&d));
	CU_ASSERT_EQUAL(iscsi_node_drop(fx.node, NULL), 1);
	CU_ASSERT_TRUE(ini_closed(&d));
	fx_close();
}

static void
test_login_in_session(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	c = ini_session(NULL);
	INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one");
	p = ini_expect(&c, 0x3f);
	CU_ASSERT_EQUAL(p.b[2], 0x04);
	CU_ASSERT_TRUE(ini_closed(&c));
	fx_close();
}

/* CHAP over the wire, byte by byte. */
static void
test_tiny_pieces(void)
{
	struct ini c;
	struct pdu p;

	fx_open(&fake_env);
	net_tiny = true;
	c = ini_session(NULL);
	for (uint32_t i = 0; i < 50; i++) {
		ini_ping(&c, i % 2 == 0, 100 + i, fake.disk, 13 * i);
		ini_ping(&c, i % 3 == 0, 200 + i, fake.disk, i);
	}
	for (uint32_t i = 0; i < 50; i++) {
		p = ini_expect(&c, 0x20);
		CU_ASSERT_EQUAL(get_be32(p.b + 16), 100 + i);
		CU_ASSERT_EQUAL(p.len, 13 * i);
		CU_ASSERT_EQUAL(memcmp(p.data, fake.disk, p.len), 0);
		p = ini_expect(&c, 0x20);
		CU_ASSERT_EQUAL(get_be32(p.b + 16), 200 + i);
	}
	fx_close();
}

static const struct unit_test tests[] = {
	{ "login on the wire", test_login_wire },
	{ "refused logins on the wire", test_login_refused_wire },
	{ "garbage before login", test_garbage_first },
	{ "login time limit", test_login_time },
	{ "discovery", test_discovery },
	{ "a long discovery", test_discovery_long },
	{ "text in a session", test_text_in_session },
	{ "pings", test_ping },
	{ "logout", test_logout },
	{ "nothing behind a logout", test_behind_logout },
	{ "list and drop", test_list_and_drop },
	{ "login in a session", test_login_in_session },
	{ "tiny pieces", test_tiny_pieces }
};
UNIT_MAIN("iscsi/session", tests)
