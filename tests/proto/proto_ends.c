/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_ends.c - what the target ends by itself: everything that a target reset
 * is about (RFC 7143 11.5.1), and logins that do not come to their end.
 *
 * After the answer to a reset nothing of what was under way may reach the disk:
 * newer data is written at once over all of it and has to stay.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "tests/lib/unit.h"
#include "tests/proto/fixture.h"

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define QUIET_MS 300		/* long enough for what must not come */

enum { TMF_WARM = 6, TMF_COLD = 7 };

/* ---- target resets ------------------------------------------------------ */

#define PIECE	16384u		/* of one write */
#define N_PIECES 17u		/* writes under way, per session */
#define BASE	16384u		/* first sector of the area */
#define HALF	(N_PIECES * PIECE)
#define AREA	(2 * HALF)
#define N_READS	24u

static uint8_t old[AREA], newer[AREA], in[1 << 20];

/* Writes of which half the data is here, with the tags of the R2Ts. */
struct half {
	uint32_t itt, ttt, off;
};

static bool
enter(struct sess *x, uint8_t isid, bool r2t, bool ready)
{
	struct result r = { .status = 2 };
	int rc;

	sess_begin(x, fx.d.port);
	x->isid[5] = isid;
	rc = sess_login(x, &fx.plain, NULL, r2t ?
	    KEYS("InitialR2T=Yes", "ImmediateData=No") :
	    KEYS("InitialR2T=No", "ImmediateData=Yes"));
	for (int i = 0; rc == 0 && ready && i < 4 && r.status != 0; i++)
		if (!sess_ready(x, &r))
			return (false);
	return (rc == 0);
}

static bool
enters(struct sess *x, uint8_t isid)
{

	return (enter(x, isid, false, true));
}

static void
send_half(struct sess *x, const struct half *h, bool second)
{
	uint32_t at = h->off + (second ? PIECE / 2 : 0);

	sess_data_out(x, h->itt, h->ttt, second, second ? 1 : 0,
	    second ? PIECE / 2 : 0, old + at, PIECE / 2);
}

/*
 * The session that will ask for the reset: a write of which half is here, and
 * whole ones; that request comes behind them in the same stream.
 */
static void
work_here(struct sess *x, struct half *h)
{
	uint32_t itt;
	uint8_t b[48];

	*h = (struct half){ .ttt = NO_TAG };
	sess_rw(x, b, true, BASE, PIECE / 512, PIECE, &h->itt);
	b[1] &= 0x7f;
	CU_ASSERT_TRUE(wire_send(&x->w, b, old, PIECE / 2));
	for (uint32_t i = 1; i < N_PIECES; i++) {
		sess_rw(x, b, true, BASE + i * (PIECE / 512), PIECE / 512,
		    PIECE, &itt);
		CU_ASSERT_TRUE(wire_send(&x->w, b, old + i * PIECE, PIECE));
	}
}

/*
 * Another one.  Only what was asked for by R2T is surely with the target when
 * the reset comes; and answers that nobody takes must not hold it up.
 */
static void
work_there(struct sess *x, struct half h[N_PIECES], bool reads)
{
	struct wpdu p;
	uint32_t itt;
	uint8_t b[48];

	for (uint32_t i = 0; i < N_PIECES; i++) {
		h[i].off = HALF + i * PIECE;
		sess_rw(x, b, true, BASE + h[i].off / 512, PIECE / 512, PIECE,
		    &h[i].itt);
		CU_ASSERT_TRUE(wire_send(&x->w, b, NULL, 0));
		CU_ASSERT_EQUAL_FATAL(sess_recv(x, &p, WIRE_MS), WIRE_PDU);
		CU_ASSERT_EQUAL_FATAL(p.b[0], OP_R2T);
		h[i].ttt = get_be32(p.b + 20);
		send_half(x, &h[i], false);
	}
	for (uint32_t i = 0; reads && i < N_READS; i++) {
		sess_rw(x, b, false, 0, 2048, 1 << 20, &itt);
		CU_ASSERT_TRUE(wire_send(&x->w, b, NULL, 0));
	}
	/* The first piece of them is here: they are at work. */
	if (reads)
		CU_ASSERT_EQUAL(sess_recv(x, &p, WIRE_MS), WIRE_PDU);
}

static struct sess here, there;
static struct half half_here, half_there[N_PIECES];

static bool
begin_two(unsigned round)
{
	bool ok;

	fixture_fill(old, sizeof(old), 1000 + 2 * round);
	fixture_fill(newer, sizeof(newer), 1001 + 2 * round);
	ok = enter(&there, 2, true, true) && enters(&here, 1);
	CU_ASSERT_TRUE(ok);
	if (ok) {
		work_there(&there, half_there, round % 2 == 1);
		work_here(&here, &half_here);
	}
	return (ok);
}

/* The rest of what was half there, when nobody wants it any more. */
static void
send_late(void)
{

	send_half(&here, &half_here, true);
	for (uint32_t i = 0; i < N_PIECES; i++)
		send_half(&there, &half_there[i], true);
}

static bool
attention(struct sess *x, uint8_t ascq)
{
	struct result r;

	if (!sess_ready(x, &r))
		return (false);
	CU_ASSERT_EQUAL(r.status, 2);
	CU_ASSERT_EQUAL(r.key, 6);
	CU_ASSERT_EQUAL(r.asc, 0x29);
	CU_ASSERT_EQUAL(r.ascq, ascq);
	return (r.status == 2 && sess_ready(x, &r) && r.status == 0);
}

static bool
stays(struct sess *x)
{

	memset(in, 0, AREA);
	return (sess_read(x, BASE, in, AREA) &&
	    memcmp(in, newer, AREA) == 0);
}

/* Sessions live on; all but the one that asked are told (29h/03h). */
static void
test_warm_reset(void)
{
	struct sess third;
	struct result r;
	struct wpdu p;

	for (unsigned round = 0; round < 20; round++) {
		CU_ASSERT_TRUE_FATAL(enters(&third, 3));
		if (!begin_two(round))
			return;
		CU_ASSERT_EQUAL(sess_tmf(&here, TMF_WARM, NO_TAG, 0), 0);
		CU_ASSERT_TRUE(attention(&third, 3));
		CU_ASSERT_TRUE(sess_write(&third, BASE, newer, AREA));
		send_late();
		/* Nothing is said of a command that a reset has ended. */
		if (round < 2)
			CU_ASSERT_EQUAL(sess_recv(&here, &p, QUIET_MS),
			    WIRE_NOTHING);
		CU_ASSERT_TRUE(sess_ready(&here, &r));
		CU_ASSERT_EQUAL(r.status, 0);
		if (round % 2 == 0)
			CU_ASSERT_TRUE(attention(&there, 3));
		CU_ASSERT_TRUE(stays(&third));
		(void)usleep(5000);
		CU_ASSERT_TRUE(stays(&third));
		CU_ASSERT_TRUE(stays(&here));
		CU_ASSERT_EQUAL(here.rejects + there.rejects, 0);
		sess_close(&here);
		sess_close(&there);
		sess_close(&third);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* As after power on: the answer, and then all sessions of the target end. */
static void
test_cold_reset(void)
{
	struct sess third, fourth;

	for (unsigned round = 0; round < 20; round++) {
		CU_ASSERT_TRUE_FATAL(enters(&third, 3));
		if (!begin_two(100 + round))
			return;
		CU_ASSERT_EQUAL(sess_tmf(&here, TMF_COLD, NO_TAG, 0), 0);
		CU_ASSERT_TRUE_FATAL(enters(&fourth, 4));
		CU_ASSERT_TRUE(sess_write(&fourth, BASE, newer, AREA));
		send_late();
		CU_ASSERT_TRUE(wire_gone(&here.w, WIRE_MS));
		CU_ASSERT_TRUE(wire_gone(&there.w, WIRE_MS));
		CU_ASSERT_TRUE(wire_gone(&third.w, WIRE_MS));
		wire_close(&here.w);
		wire_close(&there.w);
		wire_close(&third.w);
		CU_ASSERT_TRUE(stays(&fourth));
		(void)usleep(5000);
		CU_ASSERT_TRUE(stays(&fourth));
		/* Who comes back hears that the nexus was lost. */
		CU_ASSERT_TRUE(enter(&third, 3, false, false));
		CU_ASSERT_TRUE(attention(&third, 7));
		sess_close(&third);
		sess_close(&fourth);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* ---- the time limit of a login ------------------------------------------ */

#define LIMIT_MS	15000
#define OFF_MS		1000
#define N_SLOW		8

static struct slow {
	const char *what;
	struct sess s;
	uint64_t begin_ms, end_ms;
} slow[N_SLOW];

static uint8_t login_flags(unsigned kind)
{

	return (kind == 3 || kind == 7 ? STAY_OPER : STAY_SEC);
}

/* A Login Request of ${s}, not sent yet; its length. */
static size_t
login_bytes(const struct sess *s, uint8_t flags, const struct txt *t,
    uint8_t *dst)
{

	memset(dst, 0, 48);
	dst[0] = OP_LOGIN | IMMEDIATE;
	dst[1] = flags;
	put_be24(dst + 5, (uint32_t)t->n);
	memcpy(dst + 8, s->isid, 6);
	put_be32(dst + 16, s->itt);
	put_be16(dst + 20, s->cid);
	put_be32(dst + 24, s->cmdsn);
	memcpy(dst + 48, t->b, t->n);
	memset(dst + 48 + t->n, 0, 3);
	return (48 + (t->n + 3) / 4 * 4);
}

static void
start_slow(unsigned kind)
{
	static const char *const what[N_SLOW] = { "nothing",
	    "half of a header", "a header and half of its data",
	    "the operational stage", "the security stage", "a challenge",
	    "CHAP is done", "a request each second" };
	static uint8_t bytes[66000];
	static struct txt t;
	struct slow *w = &slow[kind];
	const struct disk *d = kind == 5 || kind == 6 ? &fx.oneway : &fx.plain;
	struct chap c = { .alg = 7 };
	struct wpdu p;
	size_t n;

	w->what = what[kind];
	w->end_ms = 0;
	sess_begin(&w->s, fx.d.port);
	w->begin_ms = clock_mono_ms();
	t.n = 0;
	sess_names(&t, d);
	if (kind == 5)
		txt_add(&t, "AuthMethod=CHAP");
	n = login_bytes(&w->s, login_flags(kind), &t, bytes);
	if (kind == 0)
		return;
	if (kind < 3) {
		CU_ASSERT_TRUE(wire_raw(&w->s.w, bytes, kind == 1 ? 24 :
		    48 + t.n / 2));
		return;
	}
	if (kind == 6) {
		CU_ASSERT_EQUAL(sess_chap(&w->s, d, &c, TO_OPER, &p), 0);
		return;
	}
	CU_ASSERT_TRUE(wire_raw(&w->s.w, bytes, n));
	CU_ASSERT_EQUAL_FATAL(wire_recv(&w->s.w, &p, WIRE_MS), WIRE_PDU);
	CU_ASSERT_EQUAL(get_be16(p.b + 36), 0);
	if (kind != 5)
		return;
	t.n = 0;
	txt_add(&t, "CHAP_A=7");
	CU_ASSERT_EQUAL(sess_login_pdu(&w->s, STAY_SEC, t.b, t.n, &p), 0);
	CU_ASSERT_PTR_NOT_NULL(wire_value(&p, "CHAP_C"));
}

/* Which of them are closed now?  How many are not. */
static unsigned
look_at_slow(void)
{
	struct pollfd f[N_SLOW];
	uint8_t buf[512];
	unsigned left = 0;

	for (unsigned i = 0; i < N_SLOW; i++)
		f[i] = (struct pollfd){ .events = POLLIN,
		    .fd = slow[i].end_ms == 0 ? slow[i].s.w.fd : -1 };
	(void)poll(f, N_SLOW, 100);
	for (unsigned i = 0; i < N_SLOW; i++) {
		ssize_t n;

		if (slow[i].end_ms != 0)
			continue;
		n = f[i].revents == 0 ? 1 : recv(f[i].fd, buf, sizeof(buf),
		    MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			slow[i].end_ms = clock_mono_ms();
		else
			left++;
	}
	return (left);
}

static void
test_login_limit(void)
{
	static struct txt empty;
	uint8_t bytes[64];
	uint64_t end, next = 0;

	for (unsigned i = 0; i < N_SLOW; i++)
		start_slow(i);
	end = clock_mono_ms() + WIRE_MS;
	while (look_at_slow() > 0 && clock_mono_ms() < end) {
		struct slow *w = &slow[7];

		/* Whoever goes on asking has no more time than others. */
		if (w->end_ms == 0 && clock_mono_ms() >= next) {
			next = clock_mono_ms() + 1000;
			w->s.statsn++;
			(void)wire_raw(&w->s.w, bytes, login_bytes(&w->s,
			    STAY_OPER, &empty, bytes));
		}
	}
	for (unsigned i = 0; i < N_SLOW; i++) {
		uint64_t ms = slow[i].end_ms - slow[i].begin_ms;
		bool ok = slow[i].end_ms != 0 && ms >= LIMIT_MS - OFF_MS &&
		    ms <= LIMIT_MS + OFF_MS;

		if (!ok)
			(void)printf("\n    %s: closed after %lld ms\n",
			    slow[i].what, (long long)ms);
		CU_ASSERT_TRUE(ok);
		wire_close(&slow[i].s.w);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* It is a limit of logins: who is in may be silent for longer. */
static void
test_after_login(void)
{
	struct sess s;

	CU_ASSERT_TRUE_FATAL(enters(&s, 1));
	test_login_limit();
	CU_ASSERT_TRUE(sess_ping(&s));
	sess_close(&s);
}

static const struct unit_test tests[] = {
	{ "target warm reset", test_warm_reset },
	{ "target cold reset", test_cold_reset },
	{ "login time limit", test_after_login },
};

int
main(void)
{

	fixture_begin();
	return (fixture_end(unit_run("proto-ends", tests,
	    sizeof(tests) / sizeof(tests[0]))));
}
