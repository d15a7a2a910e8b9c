/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_attack.c - what has brought other targets down.  After each attack the
 * session beside has gone on, and the daemon takes a new one.
 *
 * Most of these may be answered in several ways (an error, a Reject, a closed
 * connection): what may not happen is written in each test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "tests/lib/unit.h"
#include "tests/proto/fixture.h"

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define QUIET_MS 200
/*
 * ISIDs from here: a login whose connection was reset may be carried out only
 * later, and must not reinstate the session of the test after it.
 */
#define LATE 100

static uint8_t out[1 << 20], in[1 << 20];
static struct txt t;
static struct sess s;

/* Logged in as someone of his own; unit attentions are taken. */
static bool
opened(const char *const *keys)
{
	bool ok = sess_open(&s, &fx.plain, fx.d.port, keys);

	CU_ASSERT_TRUE(ok);
	return (ok);
}

/* Whatever the answer was: read what there is, go. */
static void
leave(void)
{
	struct wpdu p;

	while (s.w.fd >= 0 && sess_recv(&s, &p, QUIET_MS) == WIRE_PDU)
		continue;
	wire_close(&s.w);
	CU_ASSERT_TRUE(fixture_serves());
}

static bool
disk_is(uint32_t lba, const uint8_t *want, size_t len)
{
	struct sess x;
	bool ok;

	ok = sess_open(&x, &fx.plain, fx.d.port, NULL) &&
	    sess_read(&x, lba, in, len) && memcmp(in, want, len) == 0;
	sess_close(&x);
	return (ok);
}

static bool
put(uint32_t lba, uint32_t seed, size_t len)
{
	struct sess x;
	bool ok;

	fixture_fill(out, len, seed);
	ok = sess_open(&x, &fx.plain, fx.d.port, NULL) &&
	    sess_write(&x, lba, out, len);
	sess_close(&x);
	return (ok);
}

/* ---- before login ------------------------------------------------------- */

/* A first PDU that claims more than any login needs. */
static void
test_oversized_first(void)
{
	static const uint32_t claims[] = { 65536, 262144, 1 << 20, 0xffffff };

	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		for (int ahs = 0; ahs < 2; ahs++) {
			uint8_t b[48] = { OP_LOGIN | IMMEDIATE, TO_FULL };

			sess_begin(&s, fx.d.port);
			b[4] = ahs == 0 ? 0 : 0xff;
			put_be24(b + 5, claims[i]);
			(void)wire_raw(&s.w, b, 48);
			for (uint32_t n = 0; n < claims[i] &&
			    wire_raw(&s.w, out, 65536); n += 65536)
				continue;
			CU_ASSERT_TRUE(wire_gone(&s.w, WIRE_MS));
			wire_close(&s.w);
		}
	CU_ASSERT_TRUE(fixture_serves());
}

static void
test_every_opcode_first(void)
{

	for (unsigned op = 0; op < 256; op++) {
		uint8_t b[48] = { (uint8_t)op, 0x80 };

		if (op == (OP_LOGIN | IMMEDIATE))
			continue;
		sess_begin(&s, fx.d.port);
		put_be32(b + 16, 1);
		put_be32(b + 24, 1);
		(void)wire_raw(&s.w, b, 48);
		/* (a login that is not immediate may be taken for one) */
		if ((op & 0x3f) == OP_LOGIN)
			wire_reset(&s.w);
		else
			CU_ASSERT_TRUE(wire_gone(&s.w, WIRE_MS));
		wire_close(&s.w);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* Unknown keys, long or many, do not make long answers. */
static void
test_amplification(void)
{
	static char key[60000];
	uint64_t sent = 0;
	struct wpdu p;

	for (int kind = 0; kind < 4; kind++) {
		int rc = 0;

		sess_begin(&s, fx.d.port);
		t.n = 0;
		sess_names(&t, &fx.plain);
		rc = sess_login_pdu(&s, STAY_OPER, t.b, t.n, &p);
		CU_ASSERT_EQUAL(rc, 0);
		for (int round = 0; round < 20 && rc == 0; round++) {
			t.n = 0;
			memset(key, 'k', sizeof(key));
			if (kind == 0)			/* many short */
				for (int i = 0; i < 1500; i++)
					txt_add(&t, "k%x=", (unsigned)i);
			else if (kind == 1)		/* the same again */
				for (int i = 0; i < 700; i++)
					txt_add(&t, "X-a=1");
			else if (kind == 2)		/* one long name */
				txt_add(&t, "%.6000s=1", key);
			else				/* one long value */
				txt_add(&t, "X-a=%.8000s", key);
			sent += t.n;
			rc = sess_login_pdu(&s, STAY_OPER, t.b, t.n, &p);
		}
		/* it does not go on for ever, and never with much */
		CU_ASSERT_NOT_EQUAL(rc, 0);
		CU_ASSERT(s.w.received < 4 * sent + 65536);
		CU_ASSERT(s.w.received < 256 << 10);
		wire_close(&s.w);
		CU_ASSERT_TRUE(fixture_serves());
	}
}

/* Text that never ends: C is 1 in every request. */
static void
test_endless_text(void)
{
	struct wpdu p;
	uint8_t b[48];
	int rc = 0, n;

	sess_begin(&s, fx.d.port);
	memset(t.b, 'x', 4096);
	for (n = 0; n < 1000 && rc == 0; n++)
		rc = sess_login_pdu(&s, STAY_OPER | C_BIT, t.b, 4096, &p);
	CU_ASSERT(n < 1000);
	wire_close(&s.w);

	if (!opened(NULL))
		return;
	for (n = 0; n < 1000; n++) {
		sess_header(&s, b, OP_TEXT | IMMEDIATE, C_BIT);
		put_be32(b + 16, 0x1234);
		put_be32(b + 20, n == 0 ? NO_TAG : get_be32(p.b + 20));
		if (!wire_send(&s.w, b, t.b, 4096) ||
		    sess_recv(&s, &p, WIRE_MS) != WIRE_PDU ||
		    p.b[0] != OP_TEXT_RSP)
			break;
	}
	CU_ASSERT(n < 1000);
	leave();
}

/* ---- at the end of login ------------------------------------------------ */

/* Commands right behind the last Login Request, in one write, then a reset. */
static void
test_behind_login(void)
{
	static uint8_t all[65536];

	for (int i = 0; i < 60; i++) {
		uint8_t b[48] = { OP_LOGIN | IMMEDIATE, TO_FULL };
		size_t n, len;

		sess_begin(&s, fx.d.port);
		t.n = 0;
		sess_names(&t, &fx.plain);
		len = (t.n + 3) / 4 * 4;
		memcpy(b + 8, s.isid, 6);
		b[13] = (uint8_t)(LATE + i % 4);
		put_be32(b + 24, 1);
		put_be24(b + 5, (uint32_t)t.n);
		memset(all, 0, sizeof(all));
		memcpy(all, b, 48);
		memcpy(all + 48, t.b, t.n);
		n = 48 + len;
		for (uint32_t k = 0; k < 40; k++) {
			uint32_t itt;

			sess_rw(&s, b, k % 2 == 0, 8192, 2, 1024, &itt);
			if (k % 2 == 0)
				put_be24(b + 5, 1024);
			memcpy(all + n, b, 48);
			n += k % 2 == 0 ? 48 + 1024 : 48;
		}
		CU_ASSERT_TRUE(wire_raw(&s.w, all, i % 3 == 0 ? n - 500 : n));
		if (i % 2 == 0)
			(void)usleep((useconds_t)(i * 50));
		wire_reset(&s.w);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* ---- in a session ------------------------------------------------------- */

/* Additional headers: of no length, longer than there is room for, unknown. */
static void
test_ahs(void)
{
	static const struct {
		uint8_t ahs[8];
		size_t n;
	} a[] = {
		{ { 0x00, 0x00, 0x01 }, 4 },		/* length 0 */
		{ { 0x00, 0x00, 0x01 }, 8 },
		{ { 0x00, 0x09, 0x01 }, 4 },		/* beyond the total */
		{ { 0xff, 0xff, 0x01 }, 8 },
		{ { 0xff, 0xff, 0x02 }, 4 },
		{ { 0x00, 0x05, 0x02, 0, 0, 0, 0, 0 }, 8 }, /* a read length */
		{ { 0x00, 0x01, 0x3f }, 4 },		/* of no type */
	};
	struct result r;
	uint32_t itt;
	uint8_t b[48];

	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++) {
		if (!opened(NULL))
			return;
		sess_rw(&s, b, false, 0, 8, 4096, &itt);
		CU_ASSERT_TRUE(wire_send_ahs(&s.w, b, a[i].ahs, a[i].n, NULL,
		    0));
		/* answered, rejected or closed, at once */
		(void)sess_result(&s, itt, NULL, in, sizeof(in), &r);
		leave();
	}
	/* and the most that a header can claim */
	if (!opened(NULL))
		return;
	sess_rw(&s, b, false, 0, 8, 4096, &itt);
	CU_ASSERT_TRUE(wire_send_ahs(&s.w, b, out, 1020, NULL, 0));
	leave();
}

/* A command whose parameters do not come. */
static void
test_no_data(void)
{
	struct result r;
	struct wpdu p;
	uint8_t b[48];

	CU_ASSERT_TRUE_FATAL(put(9216, 5, 4096));
	for (int i = 0; i < 4; i++) {
		uint32_t itt;

		if (!opened(KEYS("InitialR2T=No", "ImmediateData=Yes")))
			return;
		sess_rw(&s, b, true, 9216, 8, i == 0 ? 0 : 4096, &itt);
		if (i == 1)
			b[1] = 0x21;	/* says that data follows; none does */
		if (i == 3) {		/* UNMAP without its list */
			memset(b + 32, 0, 16);
			b[32] = 0x42;
			b[40] = 24;
			put_be32(b + 20, 24);
		}
		CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
		if (i == 1)
			sess_data_out(&s, itt, NO_TAG, true, 0, 0, NULL, 0);
		while (sess_recv(&s, &p, QUIET_MS) == WIRE_PDU) {
			if (p.b[0] != OP_R2T)
				break;
			/* the end of a burst that has nothing in it */
			sess_data_out(&s, itt, get_be32(p.b + 20), true, 0,
			    get_be32(p.b + 40), NULL, 0);
		}
		(void)sess_ready(&s, &r);
		leave();
		CU_ASSERT_TRUE(disk_is(9216, out, 4096));
	}
}

/* Data where no data belongs: the blocks around are what they were. */
static void
test_data_beyond(void)
{
	static const struct {
		uint32_t off, len;
	} d[] = { { 4096, 512 }, { 3584, 1024 }, { 0xfffffe00, 512 },
	    { 0, 8192 }, { 1024, 512 } };
	static uint8_t junk[8192];
	struct wpdu p;
	uint32_t itt;
	uint8_t b[48];

	memset(junk, 0xdd, sizeof(junk));
	CU_ASSERT_TRUE_FATAL(put(10240, 6, 65536));
	for (size_t i = 0; i < 2 * sizeof(d) / sizeof(d[0]); i++) {
		bool solicited = i % 2 == 0;

		if (!opened(KEYS(solicited ? "InitialR2T=Yes" :
		    "InitialR2T=No", "ImmediateData=No")))
			return;
		sess_rw(&s, b, true, 10240 + 32, 8, 4096, &itt);
		if (!solicited)
			b[1] = 0x21;
		CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
		put_be32(p.b + 20, NO_TAG);
		if (solicited) {
			CU_ASSERT_EQUAL_FATAL(sess_recv(&s, &p, WIRE_MS),
			    WIRE_PDU);
			CU_ASSERT_EQUAL(p.b[0], OP_R2T);
		}
		sess_data_out(&s, itt, get_be32(p.b + 20), true, 0,
		    d[i / 2].off, junk, d[i / 2].len);
		leave();
		CU_ASSERT_TRUE(disk_is(10240, out, 32 * 512));
		CU_ASSERT_TRUE(disk_is(10240 + 40, out + 40 * 512, 20480));
		CU_ASSERT_TRUE(put(10240, 6, 65536));
	}
	/* for nobody: tags that there are not */
	for (uint32_t i = 0; i < 4; i++) {
		if (!opened(NULL))
			return;
		sess_data_out(&s, 0x5000 + i, i % 2 == 0 ? NO_TAG : i, true, 0,
		    0, junk, i < 2 ? 512 : 0);
		leave();
	}
}

/* One tag for two commands in flight. */
static void
test_duplicate_tags(void)
{
	uint32_t itt, other;
	struct result r;
	uint8_t b[48];

	for (int i = 0; i < 4; i++) {
		if (!opened(KEYS("InitialR2T=Yes", "ImmediateData=No")))
			return;
		sess_rw(&s, b, true, 11264, 8, 4096, &itt);
		CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
		sess_rw(&s, b, i % 2 == 0, 11264, 8, 4096, &other);
		put_be32(b + 16, itt);
		(void)wire_send(&s.w, b, NULL, 0);
		if (i >= 2)
			(void)sess_tmf(&s, 1, itt, s.cmdsn - 2);
		/* not answered as if it were one command of two */
		if (i < 2 && s.w.fd >= 0)
			(void)sess_result(&s, itt, out, in, sizeof(in), &r);
		leave();
	}
}

/* Requests that need a digest, with a wrong one. */
static void
test_bad_text_digest(void)
{
	static const char all[] = "SendTargets=All";
	struct wpdu p;
	uint8_t b[48];

	for (int i = 0; i < 4; i++) {
		bool ended;

		if (!opened(KEYS("DataDigest=CRC32C")))
			return;
		sess_header(&s, b, OP_TEXT | (i < 2 ? IMMEDIATE : 0),
		    i % 2 == 0 ? 0x80 : C_BIT);
		put_be32(b + 20, NO_TAG);
		s.w.spoil_data = true;
		CU_ASSERT_TRUE(wire_send(&s.w, b, all, sizeof(all)));
		ended = sess_recv(&s, &p, WIRE_MS) != WIRE_PDU;
		/* never answered as if it were right */
		CU_ASSERT(ended || p.b[0] == OP_REJECT);
		leave();
	}
}

/* ---- a storm ------------------------------------------------------------ */

/* Connect, login, leave with writes and reads in flight, again and again. */
static void
test_storm(void)
{
	struct wpdu p;
	uint8_t b[48];
	unsigned logins = 0;

	fixture_fill(out, 65536, 8);
	for (unsigned i = 0; i < 150; i++) {	/* some reinstate others */
		uint32_t itt;

		sess_begin(&s, fx.d.port);
		s.isid[5] = (uint8_t)(LATE + i % 5);
		if (i % 7 == 0) {		/* in the middle of a login */
			t.n = 0;
			sess_names(&t, &fx.plain);
			(void)sess_login_pdu(&s, STAY_OPER, t.b, t.n, &p);
			wire_reset(&s.w);
			continue;
		}
		if (sess_login(&s, &fx.plain, NULL, KEYS("InitialR2T=No")) !=
		    0) {
			wire_close(&s.w);
			continue;
		}
		logins++;
		for (uint32_t k = 0; k < 16; k++) {
			sess_rw(&s, b, k % 3 != 0, 12288 + 64 * k, 64, 32768,
			    &itt);
			if (!wire_send(&s.w, b, out, k % 3 == 0 ? 0 :
			    i % 2 == 0 ? 32768 : 4096))
				break;
		}
		if (i % 3 == 0)
			(void)usleep(i * 20);
		if (i % 2 == 0)
			wire_reset(&s.w);
		else
			wire_close(&s.w);
	}
	CU_ASSERT(logins > 100);
	CU_ASSERT_TRUE(fixture_serves());
}

/* In the end nobody is there but the session beside. */
static void
test_nothing_left(void)
{

	for (int i = 0; i < 300 && daemon_status(&fx.d, "sessions") > 1; i++)
		(void)usleep(100000);
	CU_ASSERT_EQUAL(daemon_status(&fx.d, "sessions"), 1);
}

static const struct unit_test tests[] = {
	{ "oversized first PDU", test_oversized_first },
	{ "every opcode first", test_every_opcode_first },
	{ "amplification", test_amplification },
	{ "endless text", test_endless_text },
	{ "bytes behind the login, then a reset", test_behind_login },
	{ "additional headers", test_ahs },
	{ "no data where it is due", test_no_data },
	{ "data beyond the end", test_data_beyond },
	{ "duplicate tags", test_duplicate_tags },
	{ "text with a bad digest", test_bad_text_digest },
	{ "connect, login, drop", test_storm },
	{ "nothing is left", test_nothing_left },
};

int
main(void)
{

	fixture_begin();
	return (fixture_end(unit_run("proto-attack", tests,
	    sizeof(tests) / sizeof(tests[0]))));
}
