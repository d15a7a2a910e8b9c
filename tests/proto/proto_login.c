/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_login.c - every path of the login phase, byte by byte (RFC 7143
 * chapters 6, 11.12, 12 and 13).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "tests/lib/unit.h"
#include "tests/proto/fixture.h"

static struct txt t;
static struct sess s;
static struct wpdu p;

/* One request of words; its status. */
static int
say(uint8_t flags)
{
	int rc = sess_login_pdu(&s, flags, t.b, t.n, &p);

	t.n = 0;
	return (rc);
}

static void
begin(void)
{

	sess_begin(&s, fx.d.port);
	t.n = 0;
}

static void
end(void)
{

	sess_close(&s);
	wire_close(&s.w);
}

/* The connection must be closed now, and the target serve on. */
static void
expect_closed(void)
{

	CU_ASSERT_TRUE(wire_gone(&s.w, WIRE_MS));
	wire_close(&s.w);
	CU_ASSERT_TRUE(fixture_serves());
}

static bool
value_is(const char *key, const char *want)
{
	const char *v = wire_value(&p, key);

	if (v != NULL && strcmp(v, want) == 0)
		return (true);
	(void)printf("\n    %s=%s, not %s\n", key, v == NULL ? "(none)" : v,
	    want);
	return (false);
}

static void
test_one_request(void)
{
	struct result r;

	begin();
	sess_names(&t, &fx.plain);
	CU_ASSERT_EQUAL_FATAL(say(TO_FULL), 0);
	CU_ASSERT_EQUAL(p.b[1], TO_FULL);
	CU_ASSERT_NOT_EQUAL(get_be16(p.b + 14), 0);	/* a TSIH */
	CU_ASSERT_EQUAL(memcmp(p.b + 8, s.isid, 6), 0);
	CU_ASSERT_EQUAL(get_be32(p.b + 28), 1);		/* ExpCmdSN */
	CU_ASSERT_TRUE(value_is("TargetPortalGroupTag", "1"));
	s.itt++;
	CU_ASSERT_TRUE(sess_ready(&s, &r));
	CU_ASSERT_EQUAL(r.status, 2);	/* power on: 29h */
	CU_ASSERT_EQUAL(r.asc, 0x29);
	CU_ASSERT_TRUE(sess_ready(&s, &r));
	CU_ASSERT_EQUAL(r.status, 0);
	end();
}

static void
test_three_stages(void)
{

	begin();
	sess_names(&t, &fx.plain);
	txt_add(&t, "AuthMethod=None");
	CU_ASSERT_EQUAL_FATAL(say(STAY_SEC), 0);
	CU_ASSERT_TRUE(value_is("AuthMethod", "None"));
	CU_ASSERT_EQUAL_FATAL(say(TO_OPER), 0);
	CU_ASSERT_EQUAL(p.b[1], TO_OPER);
	txt_add(&t, "MaxBurstLength=8192");
	CU_ASSERT_EQUAL_FATAL(say(STAY_OPER), 0);
	CU_ASSERT_TRUE(value_is("MaxBurstLength", "8192"));
	CU_ASSERT_EQUAL_FATAL(say(TO_FULL), 0);
	CU_ASSERT_EQUAL(p.b[1], TO_FULL);
	s.itt++;
	CU_ASSERT_TRUE(sess_ping(&s));
	end();

	begin();	/* security straight to full feature */
	sess_names(&t, &fx.plain);
	txt_add(&t, "AuthMethod=CHAP,None");
	CU_ASSERT_EQUAL_FATAL(say(SEC_TO_FULL), 0);
	end();
}

static void
test_chap_algorithms(void)
{
	static const uint8_t chal[32] = "0123456789abcdefghijklmnopqrstu";

	for (int alg = 5; alg <= 8; alg++)
		for (int form = 0; form < 2; form++) {
			struct chap c = { .alg = alg, .base64 = form == 1 };

			begin();
			CU_ASSERT_EQUAL(sess_login(&s, &fx.oneway, &c, NULL),
			    0);
			CU_ASSERT_TRUE(sess_ping(&s));
			end();
			begin();
			c.challenge = chal;
			c.challenge_len = alg == 5 ? 16 : alg == 6 ? 20 : 32;
			CU_ASSERT_EQUAL(sess_login(&s, &fx.mutual, &c, NULL),
			    0);
			CU_ASSERT_FALSE(c.bad_target);
			CU_ASSERT_TRUE(sess_ping(&s));
			end();
		}
}

/* Mutual challenges of every length that RFC 7143 12.1.3 allows, and more. */
static void
test_challenge_lengths(void)
{
	static const size_t lens[] = { 1, 2, 15, 16, 17, 31, 255, 256, 1023,
	    1024, 1025, 2000 };
	static uint8_t chal[2048];

	fixture_fill(chal, sizeof(chal), 5);
	for (size_t i = 0; i < 2 * sizeof(lens) / sizeof(lens[0]); i++) {
		struct chap c = { .alg = 7, .base64 = i % 2 == 1,
		    .challenge = chal, .challenge_len = lens[i / 2] };
		int rc;

		begin();
		rc = sess_login(&s, &fx.mutual, &c, NULL);
		CU_ASSERT(c.challenge_len > 1024 ? rc != 0 : rc == 0);
		CU_ASSERT(rc != 0 || !c.bad_target);
		wire_close(&s.w);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* Up to the challenge of algorithm ${alg}; its bytes are not needed. */
static void
to_challenge(const struct disk *k, const char *algs)
{

	begin();
	sess_names(&t, k);
	txt_add(&t, "AuthMethod=CHAP");
	CU_ASSERT_EQUAL_FATAL(say(STAY_SEC), 0);
	txt_add(&t, "CHAP_A=%s", algs);
	CU_ASSERT_EQUAL_FATAL(say(STAY_SEC), 0);
}

/* Responses of every length in both forms never let anybody in. */
static void
test_response_lengths(void)
{
	static uint8_t junk[1200];
	static char text[4096];

	for (size_t n = 0; n < sizeof(junk); n += n < 70 ? 3 : 173) {
		for (int form = 0; form < 2; form++) {
			int rc;

			to_challenge(&fx.oneway, "7");
			chap_text(text, junk, n, form == 1);
			txt_add(&t, "CHAP_N=alice");
			txt_add(&t, "CHAP_R=%s", text);
			rc = say(TO_OPER);
			CU_ASSERT(rc == -1 || (rc >> 8) == 2);
			CU_ASSERT_TRUE(wire_gone(&s.w, WIRE_MS));
			wire_close(&s.w);
		}
	}
	CU_ASSERT_TRUE(fixture_serves());
}

static void
test_response_forms(void)
{
	static const char *const bad[] = { "", "0", "0x", "0b", "x00", "0xgg",
	    "0x0", "0b=", "0b====", "0b!!!!", "0b0", "1234",
	    "0x00112233445566778899aabbccddeeff 00", "0X", "0B" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc;

		to_challenge(&fx.oneway, "7");
		txt_add(&t, "CHAP_N=alice");
		txt_add(&t, "CHAP_R=%s", bad[i]);
		rc = say(TO_OPER);
		CU_ASSERT(rc == -1 || (rc >> 8) == 2);
		CU_ASSERT_TRUE(wire_gone(&s.w, WIRE_MS));
		wire_close(&s.w);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* Who is unknown learns as much as who has the wrong secret. */
static void
test_wrong_answers(void)
{
	struct disk k[3] = { fx.oneway, fx.oneway, fx.oneway };
	int rc[3];

	k[0].secret[2] ^= 1;
	(void)strcpy(k[1].user, "mallory");
	k[2].user[0] = '\0';
	for (int i = 0; i < 3; i++) {
		struct chap c = { .alg = 7 };

		begin();
		rc[i] = sess_login(&s, &k[i], &c, NULL);
		CU_ASSERT_EQUAL(rc[i], 0x0201);
		expect_closed();
	}
}

static void
test_no_common_algorithm(void)
{
	static const char *const algs[] = { "9", "0", "99999999999", "", ",,",
	    "4,3,2,1", "x" };

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		int rc;

		begin();
		sess_names(&t, &fx.oneway);
		txt_add(&t, "AuthMethod=CHAP");
		CU_ASSERT_EQUAL_FATAL(say(STAY_SEC), 0);
		txt_add(&t, "CHAP_A=%s", algs[i]);
		rc = say(STAY_SEC);
		CU_ASSERT(rc == -1 || (rc >> 8) == 2);
		wire_close(&s.w);
	}
	/* the order of the initiator decides; unknown ones are passed over */
	to_challenge(&fx.oneway, "9,5,7");
	CU_ASSERT_TRUE(value_is("CHAP_A", "5"));
	wire_close(&s.w);
	to_challenge(&fx.oneway, "8,5");
	CU_ASSERT_TRUE(value_is("CHAP_A", "8"));
	wire_close(&s.w);
}

/* The target's own challenge sent back to it proves nothing. */
static void
test_reflection(void)
{
	char c[2048], i[64];
	int rc;

	to_challenge(&fx.mutual, "7");
	(void)snprintf(c, sizeof(c), "%s", wire_value(&p, "CHAP_C"));
	(void)snprintf(i, sizeof(i), "%s", wire_value(&p, "CHAP_I"));
	txt_add(&t, "CHAP_N=%s", fx.mutual.user);
	txt_add(&t, "CHAP_R=0x00");
	txt_add(&t, "CHAP_I=%s", i);
	txt_add(&t, "CHAP_C=%s", c);
	rc = say(TO_OPER);
	CU_ASSERT(rc == -1 || (rc >> 8) == 2);
	CU_ASSERT_PTR_NULL(rc == -1 ? NULL : wire_value(&p, "CHAP_R"));
	expect_closed();
	/* two connections never have the same challenge */
	to_challenge(&fx.oneway, "7");
	CU_ASSERT_STRING_NOT_EQUAL(wire_value(&p, "CHAP_C"), c);
	wire_close(&s.w);
}

/* CHAP is needed: no way around it. */
static void
test_around_chap(void)
{
	int rc;

	for (int i = 0; i < 5; i++) {
		begin();
		sess_names(&t, &fx.oneway);
		if (i == 1)
			txt_add(&t, "AuthMethod=None");
		if (i == 2)
			txt_add(&t, "AuthMethod=CHAP,None");
		if (i == 4)
			txt_add(&t, "CHAP_A=7");
		rc = say(i == 3 ? SEC_TO_FULL : i == 0 ? TO_FULL : i == 2 ?
		    STAY_SEC : TO_OPER);
		if (i == 2 && rc == 0) {
			CU_ASSERT_TRUE(value_is("AuthMethod", "CHAP"));
			rc = say(SEC_TO_FULL);
		}
		/* it may stay where it is, but never moves on */
		CU_ASSERT(rc != 0 || (p.b[1] & 0x80) == 0);
		if (rc == 0)
			rc = say(TO_FULL);
		CU_ASSERT(rc != 0 || (p.b[1] & 0x80) == 0);
		wire_close(&s.w);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* Text in pieces: C is 1 but in the last (RFC 7143 6.2). */
static void
test_c_bit(void)
{
	static const size_t pieces[] = { 1, 3, 7, 64, 100000 };
	static struct txt all;

	for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
		size_t off = 0, n;
		int rc = 0;

		begin();
		all.n = 0;
		sess_names(&all, &fx.plain);
		txt_add(&all, "MaxBurstLength=4096");
		while (all.n - off > pieces[k] && rc == 0) {
			n = pieces[k];
			rc = sess_login_pdu(&s, STAY_OPER | C_BIT,
			    all.b + off, n, &p);
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_EQUAL(p.len, 0);
			CU_ASSERT_EQUAL(p.b[1] & 0xc0, 0);
			off += n;
		}
		rc = sess_login_pdu(&s, TO_FULL, all.b + off, all.n - off, &p);
		CU_ASSERT_EQUAL(rc, 0);
		CU_ASSERT_TRUE(value_is("MaxBurstLength", "4096"));
		end();
	}
}

/* Flags that no stage has; versions; connections of nobody. */
static void
test_wrong_headers(void)
{
	static const struct {
		uint8_t flags, vmax, vmin;
		uint16_t tsih;
	} bad[] = {
		{ 0x8b, 0, 0, 0 },	/* CSG 2 */
		{ 0x86, 0, 0, 0 },	/* NSG 2 */
		{ 0x84, 0, 0, 0 },	/* operational to security */
		{ 0x85, 0, 0, 0 },	/* to where it is */
		{ 0xc7, 0, 0, 0 },	/* T and C */
		{ 0x0c, 0, 0, 0 },	/* CSG 3 */
		{ 0x8f, 0, 0, 0 },
		{ 0x87, 9, 9, 0 },	/* version 9 and no other */
		{ 0x87, 0, 0, 0xffff },	/* no such session */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t b[48] = { OP_LOGIN | IMMEDIATE, bad[i].flags,
		    bad[i].vmax, bad[i].vmin };
		bool in = false;

		begin();
		sess_names(&t, &fx.plain);
		memcpy(b + 8, s.isid, 6);
		put_be16(b + 14, bad[i].tsih);
		put_be32(b + 16, 1);
		put_be32(b + 24, 1);
		CU_ASSERT_TRUE(wire_send(&s.w, b, t.b, t.n));
		if (wire_recv(&s.w, &p, WIRE_MS) == WIRE_PDU)
			in = get_be16(p.b + 36) == 0 && (p.b[1] & 0x80) != 0;
		CU_ASSERT_FALSE(in);
		expect_closed();
	}
}

static void
test_wrong_names(void)
{
	static const char *const names[][3] = {
		{ "SessionType=Normal", NULL },
		{ "InitiatorName=iqn.a:b", NULL },
		{ "TargetName=iqn.2026-01.org.example:plain", NULL },
		{ "InitiatorName=iqn.a:b", "SessionType=Other", NULL },
		{ "InitiatorName=", "SessionType=Discovery", NULL },
	};
	static const int want[] = { 0x0207, 0x0207, 0x0207, 0x0209, 0x0200 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int rc;

		begin();
		for (int k = 0; k < 3 && names[i][k] != NULL; k++)
			txt_add(&t, "%s", names[i][k]);
		rc = say(TO_FULL);
		if (rc != want[i])
			(void)printf("\n    %zu: %04x\n", i, (unsigned)rc);
		/* (what is missing may also be called an initiator error) */
		CU_ASSERT(rc == want[i] || rc == 0x0200);
		expect_closed();
	}
}

/* A target that is not there looks like one that is for others. */
static void
test_nobody(void)
{
	struct disk nobody = fx.oneway;
	int rc[2][2];

	(void)strcpy(nobody.iqn, "iqn.2026-01.org.example:nobody");
	for (int i = 0; i < 2; i++) {
		const struct disk *k = i == 0 ? &nobody : &fx.oneway;
		struct chap c = { .alg = 7 };
		struct disk wrong = *k;

		begin();		/* without CHAP */
		sess_names(&t, k);
		rc[i][0] = say(TO_FULL);
		expect_closed();
		begin();		/* with a wrong secret */
		wrong.secret[0] ^= 1;
		rc[i][1] = sess_login(&s, &wrong, &c, NULL);
		expect_closed();
	}
	CU_ASSERT_EQUAL(rc[0][0], rc[1][0]);
	CU_ASSERT_EQUAL(rc[0][1], rc[1][1]);
	CU_ASSERT_EQUAL(rc[1][1], 0x0201);
}

static void
test_negotiation(void)
{
	static const struct {
		const char *pair, *key, *want;
	} n[] = {
		{ "HeaderDigest=CRC32C,None", "HeaderDigest", "CRC32C" },
		{ "HeaderDigest=None,CRC32C", "HeaderDigest", "None" },
		{ "DataDigest=Mine,CRC32C", "DataDigest", "CRC32C" },
		{ "HeaderDigest=Mine", "HeaderDigest", "Reject" },
		{ "MaxBurstLength=1024", "MaxBurstLength", "1024" },
		{ "MaxBurstLength=0x400", "MaxBurstLength", "1024" },
		{ "MaxBurstLength=1", "MaxBurstLength", "Reject" },
		{ "MaxBurstLength=16777216", "MaxBurstLength", "Reject" },
		{ "FirstBurstLength=512", "FirstBurstLength", "512" },
		{ "InitialR2T=Yes", "InitialR2T", "Yes" },
		{ "InitialR2T=Maybe", "InitialR2T", "Reject" },
		{ "ImmediateData=No", "ImmediateData", "No" },
		{ "MaxConnections=8", "MaxConnections", "1" },
		{ "ErrorRecoveryLevel=2", "ErrorRecoveryLevel", "0" },
		{ "DataPDUInOrder=Yes", "DataPDUInOrder", "Yes" },
		{ "MaxOutstandingR2T=65536", "MaxOutstandingR2T", "Reject" },
		{ "X-org.example.key=1", "X-org.example.key",
		    "NotUnderstood" },
		{ "NoSuchKey=1", "NoSuchKey", "NotUnderstood" },
	};

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		begin();
		sess_names(&t, &fx.plain);
		txt_add(&t, "%s", n[i].pair);
		CU_ASSERT_EQUAL(say(TO_FULL), 0);
		CU_ASSERT_TRUE(value_is(n[i].key, n[i].want));
		wire_close(&s.w);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

static const struct unit_test tests[] = {
	{ "one request", test_one_request },
	{ "three stages", test_three_stages },
	{ "CHAP, each algorithm and form", test_chap_algorithms },
	{ "challenges of many lengths", test_challenge_lengths },
	{ "responses of many lengths", test_response_lengths },
	{ "responses in no form", test_response_forms },
	{ "wrong answers", test_wrong_answers },
	{ "algorithms", test_no_common_algorithm },
	{ "reflection", test_reflection },
	{ "around CHAP", test_around_chap },
	{ "text in pieces", test_c_bit },
	{ "wrong headers", test_wrong_headers },
	{ "wrong names", test_wrong_names },
	{ "nobody", test_nobody },
	{ "negotiation", test_negotiation },
};

int
main(void)
{

	fixture_begin();
	return (fixture_end(unit_run("proto-login", tests,
	    sizeof(tests) / sizeof(tests[0]))));
}
