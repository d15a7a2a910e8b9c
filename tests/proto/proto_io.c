/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proto_io.c - the full feature phase, byte by byte: digests, R2Ts, residuals,
 * the window, reinstatement, task management, NOPs (RFC 7143 chapters 4, 7, 11).
 *
 * Each test has blocks of its own on the LUN and looks at them afterwards
 * through a session of its own.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "tests/lib/unit.h"
#include "tests/proto/fixture.h"

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define QUIET_MS 300		/* long enough for what must not come */

static uint8_t out[1 << 20], in[1 << 20];
static struct sess s;

static bool
opened(struct sess *x, const char *const *keys)
{
	bool ok = sess_open(x, &fx.plain, fx.d.port, keys);

	CU_ASSERT_TRUE(ok);
	return (ok);
}

/* A session that does not take part in reinstatement of others. */
static bool
opened_as(struct sess *x, uint8_t isid, const char *const *keys)
{

	sess_begin(x, fx.d.port);
	x->isid[5] = isid;
	return (sess_login(x, &fx.plain, NULL, keys) == 0);
}

/* Written and read from outside, with unit attentions taken. */
static bool
put(uint32_t lba, const void *buf, size_t len)
{
	struct result r;
	struct sess x;
	bool ok;

	if (!opened_as(&x, 99, NULL))
		return (false);
	for (int i = 0; i < 4; i++)
		(void)sess_ready(&x, &r);
	ok = sess_write(&x, lba, buf, len);
	sess_close(&x);
	return (ok);
}

static bool
looks(uint32_t lba, const void *want, size_t len)
{
	struct result r;
	struct sess x;
	bool ok;

	if (!opened_as(&x, 98, NULL))
		return (false);
	for (int i = 0; i < 4; i++)
		(void)sess_ready(&x, &r);
	ok = sess_read(&x, lba, in, len) && memcmp(in, want, len) == 0;
	sess_close(&x);
	return (ok);
}

/* ---- data --------------------------------------------------------------- */

static void
test_shapes(void)
{
	static const char *const r2t[] = { "InitialR2T=Yes", "InitialR2T=No" };
	static const char *const imm[] = { "ImmediateData=Yes",
	    "ImmediateData=No" };
	static const char *const dig[] = { "DataDigest=CRC32C",
	    "DataDigest=None" };

	for (int i = 0; i < 8; i++) {
		if (!opened(&s, KEYS(r2t[i & 1], imm[i >> 1 & 1], dig[i >> 2],
		    "HeaderDigest=CRC32C,None", "MaxBurstLength=16384",
		    "FirstBurstLength=8192",
		    "MaxRecvDataSegmentLength=4096")))
			continue;
		CU_ASSERT_TRUE(s.w.hdigest);
		CU_ASSERT_EQUAL(s.w.ddigest, i < 4);
		for (size_t len = 512; len <= 131072; len *= 4) {
			fixture_fill(out, len, (uint32_t)(len + (size_t)i));
			CU_ASSERT_TRUE(sess_write(&s, 8, out, len));
			memset(in, 0, len);
			CU_ASSERT_TRUE(sess_read(&s, 8, in, len));
			CU_ASSERT_EQUAL(memcmp(in, out, len), 0);
		}
		CU_ASSERT_TRUE(sess_ping(&s));
		CU_ASSERT_FALSE(s.w.bad);
		CU_ASSERT_EQUAL(s.rejects, 0);
		sess_close(&s);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* A write in bursts of 8 KiB: R2TSN, offsets and lengths, one at a time. */
static void
test_r2ts(void)
{
	uint32_t itt, off = 0, sn = 0;
	struct result r;
	struct wpdu p;
	uint8_t b[48];

	if (!opened(&s, KEYS("InitialR2T=Yes", "ImmediateData=No",
	    "MaxBurstLength=8192", "MaxOutstandingR2T=1")))
		return;
	fixture_fill(out, 65536, 3);
	sess_rw(&s, b, true, 1024, 128, 65536, &itt);
	CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	while (off < 65536) {
		uint32_t ttt;

		CU_ASSERT_EQUAL_FATAL(sess_recv(&s, &p, WIRE_MS), WIRE_PDU);
		CU_ASSERT_EQUAL_FATAL(p.b[0], OP_R2T);
		ttt = get_be32(p.b + 20);
		CU_ASSERT_NOT_EQUAL(ttt, NO_TAG);
		CU_ASSERT_EQUAL(get_be32(p.b + 16), itt);
		CU_ASSERT_EQUAL(get_be32(p.b + 36), sn++);
		CU_ASSERT_EQUAL(get_be32(p.b + 40), off);
		CU_ASSERT_EQUAL_FATAL(get_be32(p.b + 44), 8192);
		/* no second one before this is answered */
		for (uint32_t i = 0; i < 8; i++)
			sess_data_out(&s, itt, ttt, i == 7, i, off + i * 1024,
			    out + off + i * 1024, 1024);
		off += 8192;
	}
	CU_ASSERT_TRUE(sess_result(&s, itt, NULL, NULL, 0, &r));
	CU_ASSERT_EQUAL(r.status, 0);
	CU_ASSERT_EQUAL(sn, 8);
	sess_close(&s);
	CU_ASSERT_TRUE(looks(1024, out, 65536));
}

/* A wrong data digest: nothing of it is on the disk, and it is said. */
static void
test_bad_data_digest(void)
{
	static uint8_t before[8192];
	struct result r = { .status = 0 };
	uint32_t itt, ttt;
	struct wpdu p;
	uint8_t b[48];
	bool ended;

	fixture_fill(before, sizeof(before), 50);
	CU_ASSERT_TRUE(put(2048, before, sizeof(before)));
	for (int kind = 0; kind < 3; kind++) {
		if (!opened(&s, KEYS("DataDigest=CRC32C", "InitialR2T=Yes",
		    kind == 0 ? "ImmediateData=Yes" : "ImmediateData=No")))
			return;
		fixture_fill(out, 8192, 60);
		if (kind == 2) {		/* a ping */
			sess_header(&s, b, OP_NOP_OUT | IMMEDIATE, 0x80);
			itt = get_be32(b + 16);
			put_be32(b + 20, NO_TAG);
			s.w.spoil_data = true;
			CU_ASSERT_TRUE(wire_send(&s.w, b, out, 100));
		} else {
			sess_rw(&s, b, true, 2048, 16, 8192, &itt);
			s.w.spoil_data = kind == 0;
			CU_ASSERT_TRUE(wire_send(&s.w, b, out,
			    kind == 0 ? 8192 : 0));
		}
		if (kind == 1) {
			CU_ASSERT_EQUAL_FATAL(sess_recv(&s, &p, WIRE_MS),
			    WIRE_PDU);
			CU_ASSERT_EQUAL_FATAL(p.b[0], OP_R2T);
			ttt = get_be32(p.b + 20);
			s.w.spoil_data = true;
			sess_data_out(&s, itt, ttt, true, 0, 0, out, 8192);
		}
		/* Rejected as a digest error, or the session is over. */
		if (kind == 2)
			ended = sess_recv(&s, &p, WIRE_MS) != WIRE_PDU;
		else
			ended = !sess_result(&s, itt, NULL, NULL, 0, &r);
		CU_ASSERT(ended || s.rejects > 0);
		CU_ASSERT(s.rejects == 0 || s.reject_reason == 0x02);
		if (kind != 2 && !ended)
			CU_ASSERT_NOT_EQUAL(r.status, 0);
		if (!ended)
			CU_ASSERT_TRUE(sess_ping(&s));
		sess_close(&s);
		CU_ASSERT_TRUE(looks(2048, before, sizeof(before)));
		CU_ASSERT_TRUE(fixture_serves());
	}
}

static void
test_bad_header_digest(void)
{
	uint8_t b[48];

	if (!opened(&s, KEYS("HeaderDigest=CRC32C")))
		return;
	sess_header(&s, b, OP_SCSI, 0x81);
	s.w.spoil_header = true;
	CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	CU_ASSERT_TRUE(wire_gone(&s.w, WIRE_MS));
	wire_close(&s.w);
	CU_ASSERT_TRUE(fixture_serves());
}

/* What the CDB says and what the initiator expects: overflow 4, underflow 2. */
static void
test_residuals(void)
{
	static const struct {
		bool write;
		uint16_t n_lba;
		uint32_t edtl;
		uint8_t flag;
		uint32_t residual;
	} t[] = {
		{ false, 2, 1024, 0, 0 },
		{ false, 2, 512, 4, 512 },
		{ false, 2, 1000, 4, 24 },
		{ false, 2, 4096, 2, 3072 },
		{ false, 0, 512, 2, 512 },
		{ true, 2, 1024, 0, 0 },
		{ true, 2, 512, 4, 512 },
		{ true, 2, 4096, 2, 3072 },
		{ true, 0, 512, 2, 512 },
	};
	struct result r;
	uint32_t itt;
	uint8_t b[48];

	if (!opened(&s, KEYS("ImmediateData=Yes")))
		return;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		sess_rw(&s, b, t[i].write, 3072, t[i].n_lba, t[i].edtl, &itt);
		CU_ASSERT_TRUE(wire_send(&s.w, b, out, t[i].write ?
		    t[i].edtl : 0));
		CU_ASSERT_TRUE(sess_result(&s, itt, out, in, sizeof(in), &r));
		CU_ASSERT_EQUAL(r.status, 0);
		CU_ASSERT_EQUAL(r.flags & 6, t[i].flag);
		CU_ASSERT_EQUAL(r.residual, t[i].residual);
		if (!t[i].write)
			CU_ASSERT_EQUAL(r.in_len, t[i].edtl < t[i].n_lba *
			    512u ? t[i].edtl : t[i].n_lba * 512u);
	}
	CU_ASSERT_TRUE(sess_ping(&s));
	sess_close(&s);
}

/*
 * Flags that name the other way than the CDB, or none: RFC 7143 11.3.1.  What
 * would be a write that is lost, or a read without data, is no GOOD.
 */
static void
test_other_way(void)
{
	static const struct {
		bool write;
		uint8_t flags;
		uint32_t edtl;
		uint8_t status, flag;
		uint32_t residual;
	} t[] = {
		{ true, 0xc1, 1024, 2, 2, 1024 },	/* R: refused */
		{ true, 0xc1, 0, 0, 4, 1024 },
		{ true, 0x81, 0, 0, 4, 1024 },
		{ true, 0x81, 1024, 2, 2, 1024 },	/* none: refused */
		{ false, 0xa1, 1024, 0, 2, 1024 },	/* W: nothing lost */
		{ false, 0xa1, 0, 0, 4, 1024 },
		{ false, 0x81, 0, 0, 4, 1024 },
		{ false, 0x81, 1024, 2, 2, 1024 },
	};
	static uint8_t was[1024], now[1024];
	struct result r;
	uint32_t itt;
	uint8_t b[48];

	if (!opened(&s, KEYS("ImmediateData=Yes")))
		return;
	memset(was, 0x5e, sizeof(was));
	CU_ASSERT_TRUE(sess_write(&s, 3072, was, sizeof(was)));
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		sess_rw(&s, b, t[i].write, 3072, 2, t[i].edtl, &itt);
		b[1] = t[i].flags;
		CU_ASSERT_TRUE(wire_send(&s.w, b, out,
		    (t[i].flags & 0x20) != 0 ? t[i].edtl : 0));
		CU_ASSERT_TRUE(sess_result(&s, itt, out, in, sizeof(in), &r));
		CU_ASSERT_EQUAL(r.status, t[i].status);
		CU_ASSERT_EQUAL(r.flags & 6, t[i].flag);
		CU_ASSERT_EQUAL(r.residual, t[i].residual);
		CU_ASSERT_EQUAL(r.in_len, 0);
		if (t[i].status != 0)
			CU_ASSERT_TRUE(r.key == 5 && r.asc == 0x0e &&
			    r.ascq == 3);
	}
	CU_ASSERT_TRUE(sess_read(&s, 3072, now, sizeof(now)));
	CU_ASSERT_EQUAL(memcmp(now, was, sizeof(now)), 0);
	sess_close(&s);
}

/* ---- the window --------------------------------------------------------- */

static void
test_window(void)
{
	uint32_t right, high, itt;
	struct result r;
	struct wpdu p;
	uint8_t b[48];

	if (!opened(&s, NULL))
		return;
	right = s.cmdsn;
	high = s.max_cmdsn + 1;
	/* too high and too low: dropped, and nothing is said */
	sess_header(&s, b, OP_SCSI, 0x81);
	put_be32(b + 24, high);
	CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	sess_header(&s, b, OP_SCSI, 0x81);
	put_be32(b + 24, right - 1);
	CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	sess_header(&s, b, OP_SCSI, 0x81);
	put_be32(b + 24, right + 0x80000000u);
	CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	CU_ASSERT_EQUAL(sess_recv(&s, &p, QUIET_MS), WIRE_NOTHING);
	s.cmdsn = right;
	CU_ASSERT_TRUE(sess_ready(&s, &r));
	CU_ASSERT_EQUAL(r.status, 0);

	/* one ahead waits for the one before, and both are answered */
	s.cmdsn++;
	sess_header(&s, b, OP_SCSI, 0x81);
	CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	CU_ASSERT_EQUAL(sess_recv(&s, &p, QUIET_MS), WIRE_NOTHING);
	s.cmdsn -= 2;
	itt = get_be32(b + 16);
	CU_ASSERT_TRUE(sess_ready(&s, &r));
	CU_ASSERT_TRUE(sess_result(&s, itt, NULL, NULL, 0, &r));
	CU_ASSERT_EQUAL(r.status, 0);
	s.cmdsn++;
	/*
	 * There is a window again, and not an endless one; the number of what
	 * was dropped is free when its turn comes.
	 */
	CU_ASSERT(s.max_cmdsn - s.cmdsn < 1024);
	while ((int32_t)(high - s.cmdsn) >= 0) {
		CU_ASSERT_TRUE_FATAL(sess_ready(&s, &r));
		CU_ASSERT_EQUAL(r.status, 0);
	}
	CU_ASSERT_TRUE(sess_ready(&s, &r));
	CU_ASSERT_TRUE(sess_ping(&s));
	sess_close(&s);
	CU_ASSERT_TRUE(fixture_serves());
}

static void
test_nops(void)
{
	struct wpdu p;
	uint8_t b[48];

	if (!opened(&s, NULL))
		return;
	for (size_t len = 0; len <= 8192; len = len * 3 + 1) {
		sess_header(&s, b, OP_NOP_OUT, 0x80);	/* not immediate */
		put_be32(b + 20, NO_TAG);
		CU_ASSERT_TRUE(wire_send(&s.w, b, out, len));
		CU_ASSERT_EQUAL_FATAL(sess_recv(&s, &p, WIRE_MS), WIRE_PDU);
		CU_ASSERT_EQUAL(p.b[0], OP_NOP_IN);
		CU_ASSERT_EQUAL(p.len, len);
		CU_ASSERT_EQUAL(memcmp(p.data, out, len), 0);
		CU_ASSERT_EQUAL(memcmp(p.b + 16, b + 16, 4), 0);
	}
	/* without a tag there is no answer */
	sess_header(&s, b, OP_NOP_OUT | IMMEDIATE, 0x80);
	put_be32(b + 16, NO_TAG);
	put_be32(b + 20, NO_TAG);
	CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	CU_ASSERT_EQUAL(sess_recv(&s, &p, QUIET_MS), WIRE_NOTHING);
	CU_ASSERT_TRUE(sess_ping(&s));
	sess_close(&s);
}

/* ---- reinstatement ------------------------------------------------------ */

/* A write that has half of its data, with its target transfer tag. */
static uint32_t
half_write(struct sess *x, uint32_t lba, uint32_t *itt)
{
	struct wpdu p;
	uint8_t b[48];

	sess_rw(x, b, true, lba, 32, 16384, itt);
	CU_ASSERT_TRUE(wire_send(&x->w, b, NULL, 0));
	CU_ASSERT_EQUAL(sess_recv(x, &p, WIRE_MS), WIRE_PDU);
	CU_ASSERT_EQUAL(p.b[0], OP_R2T);
	sess_data_out(x, *itt, get_be32(p.b + 20), false, 0, 0, out, 8192);
	return (get_be32(p.b + 20));
}

static void
test_reinstatement(void)
{
	static uint8_t newer[16384];
	uint32_t itt, ttt;
	struct sess old;

	for (int i = 0; i < 10; i++) {
		fixture_fill(out, 16384, 70);
		fixture_fill(newer, sizeof(newer), 71 + (uint32_t)i);
		if (!opened(&old, KEYS("ImmediateData=No", "InitialR2T=Yes")))
			return;
		ttt = half_write(&old, 4096, &itt);
		/* the rest of the old data is on its way, or comes later */
		if (i % 2 == 0)
			sess_data_out(&old, itt, ttt, true, 1, 8192,
			    out + 8192, 8192);
		if (!opened(&s, NULL))
			return;
		CU_ASSERT_TRUE(sess_write(&s, 4096, newer, sizeof(newer)));
		if (i % 2 == 1)
			sess_data_out(&old, itt, ttt, true, 1, 8192,
			    out + 8192, 8192);
		CU_ASSERT_TRUE(wire_gone(&old.w, WIRE_MS));
		wire_close(&old.w);
		CU_ASSERT_TRUE(sess_read(&s, 4096, in, sizeof(newer)));
		CU_ASSERT_EQUAL(memcmp(in, newer, sizeof(newer)), 0);
		(void)usleep(5000);
		CU_ASSERT_TRUE(looks(4096, newer, sizeof(newer)));
		sess_close(&s);
	}
	CU_ASSERT_TRUE(fixture_serves());
}

/* Another ISID is another session: both live. */
static void
test_two_sessions(void)
{
	struct result r;
	struct sess other;

	if (!opened(&s, NULL))
		return;
	CU_ASSERT_TRUE(opened_as(&other, 2, NULL));
	CU_ASSERT_NOT_EQUAL(s.tsih, other.tsih);
	CU_ASSERT_TRUE(sess_ready(&other, &r));
	CU_ASSERT_TRUE(sess_ping(&s));
	CU_ASSERT_TRUE(sess_ping(&other));
	sess_close(&other);
	CU_ASSERT_TRUE(sess_ping(&s));
	sess_close(&s);
}

/* ---- task management ---------------------------------------------------- */

enum { TMF_ABORT = 1, TMF_ABORT_SET = 2, TMF_CLEAR_SET = 4, TMF_LUN_RESET = 5 };

/* A write that waits for data is ended, and its late data changes nothing. */
static void
test_tmf_in_flight(void)
{
	static const uint8_t fns[] = { TMF_ABORT, TMF_ABORT_SET, TMF_CLEAR_SET,
	    TMF_LUN_RESET };
	static uint8_t before[16384];
	uint32_t itt, ttt, sn;
	struct result r;
	struct wpdu p;

	fixture_fill(before, sizeof(before), 80);
	for (size_t i = 0; i < sizeof(fns); i++) {
		CU_ASSERT_TRUE(put(5120, before, sizeof(before)));
		if (!opened(&s, KEYS("ImmediateData=No", "InitialR2T=Yes")))
			return;
		fixture_fill(out, 16384, 81);
		sn = s.cmdsn;
		ttt = half_write(&s, 5120, &itt);
		CU_ASSERT_EQUAL(sess_tmf(&s, fns[i], fns[i] == TMF_ABORT ?
		    itt : NO_TAG, sn), 0);
		sess_data_out(&s, itt, ttt, true, 1, 8192, out + 8192, 8192);
		/* no answer to the command any more */
		while (sess_recv(&s, &p, QUIET_MS) == WIRE_PDU)
			CU_ASSERT(p.b[0] != OP_SCSI_RSP ||
			    get_be32(p.b + 16) != itt);
		if (sess_ready(&s, &r)) {
			(void)sess_ready(&s, &r);
			CU_ASSERT_EQUAL(r.status, 0);
		}
		sess_close(&s);
		CU_ASSERT_TRUE(looks(5120, before, sizeof(before)));
		CU_ASSERT_TRUE(fixture_serves());
	}
}

static void
test_tmf_nothing(void)
{
	struct result r;
	uint32_t sn;
	int rc;

	if (!opened(&s, NULL))
		return;
	/* a task that never was, inside and outside of the window */
	rc = sess_tmf(&s, TMF_ABORT, 0x7777, s.cmdsn - 1);
	CU_ASSERT(rc == 0 || rc == 1);
	rc = sess_tmf(&s, TMF_ABORT, 0x7777, s.cmdsn + 100000);
	CU_ASSERT_EQUAL(rc, 1);
	sn = s.cmdsn;
	CU_ASSERT_TRUE(sess_ready(&s, &r));
	rc = sess_tmf(&s, TMF_ABORT, s.itt - 1, sn);	/* has ended */
	CU_ASSERT(rc == 0 || rc == 1);
	/* functions that there are not */
	for (uint8_t fn = 9; fn < 128; fn += 17) {
		rc = sess_tmf(&s, fn, NO_TAG, 0);
		CU_ASSERT(rc == -1 || rc == 5 || rc == 255);
		if (rc == -1)
			break;
	}
	sess_close(&s);
	CU_ASSERT_TRUE(fixture_serves());
}

/* Many commands in flight, all aborted at once: the next ones work. */
static void
test_abort_many(void)
{
	struct result r;
	struct wpdu p;
	uint32_t itt;
	uint8_t b[48];

	if (!opened(&s, KEYS("ImmediateData=No", "InitialR2T=Yes")))
		return;
	for (int i = 0; i < 20; i++) {
		sess_rw(&s, b, i % 2 == 0, 6144, 32, 16384, &itt);
		CU_ASSERT_TRUE(wire_send(&s.w, b, NULL, 0));
	}
	CU_ASSERT_EQUAL(sess_tmf(&s, TMF_LUN_RESET, NO_TAG, 0), 0);
	while (sess_recv(&s, &p, QUIET_MS) == WIRE_PDU)
		continue;
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(sess_ready(&s, &r));
	CU_ASSERT_EQUAL(r.status, 0);
	fixture_fill(out, 16384, 90);
	CU_ASSERT_TRUE(sess_write(&s, 6144, out, 16384));
	CU_ASSERT_TRUE(sess_read(&s, 6144, in, 16384));
	CU_ASSERT_EQUAL(memcmp(in, out, 16384), 0);
	sess_close(&s);
	CU_ASSERT_TRUE(fixture_serves());
}

static const struct unit_test tests[] = {
	{ "writes and reads of every shape", test_shapes },
	{ "several R2Ts", test_r2ts },
	{ "wrong data digest", test_bad_data_digest },
	{ "wrong header digest", test_bad_header_digest },
	{ "residuals", test_residuals },
	{ "the other way", test_other_way },
	{ "window", test_window },
	{ "NOPs", test_nops },
	{ "reinstatement", test_reinstatement },
	{ "two sessions", test_two_sessions },
	{ "task management with data due", test_tmf_in_flight },
	{ "task management of nothing", test_tmf_nothing },
	{ "many aborted", test_abort_many },
};

int
main(void)
{

	fixture_begin();
	return (fixture_end(unit_run("proto-io", tests,
	    sizeof(tests) / sizeof(tests[0]))));
}
