/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block API at its edges: what is refused, memory in odd pieces, parts of
 * blocks, and the order of what is under way together.
 */
#include <errno.h>
#include <limits.h>

#include "meta/recover.h"
#include "tests/unit/lun/iofix.h"
#include "tests/unit/lun/steps.h"

/* ---- what is refused -------------------------------------------------- */

struct bad_rw {
	enum lun_op_kind kind;
	uint64_t off, len;
	int rc;
};

static const struct bad_rw bad_rws[] = {
	{ LUN_READ, 0, 0, -EINVAL },
	{ LUN_WRITE, 0, 0, -EINVAL },
	{ LUN_COMPARE_WRITE, 0, 0, -EINVAL },
	{ LUN_READ, 1, 4096, -EINVAL },
	{ LUN_READ, 256, 512, -EINVAL },
	{ LUN_READ, 0, 511, -EINVAL },
	{ LUN_WRITE, 513, 512, -EINVAL },
	{ LUN_WRITE, 512, 513, -EINVAL },
	{ LUN_COMPARE_WRITE, 1, 512, -EINVAL },
	{ LUN_COMPARE_WRITE, 0, 100, -EINVAL },
	{ LUN_READ, SIZE, 512, -ERANGE },
	{ LUN_READ, SIZE - 512, 1024, -ERANGE },
	{ LUN_WRITE, SIZE, 512, -ERANGE },
	{ LUN_WRITE, SIZE - 4096, 8192, -ERANGE },
	{ LUN_WRITE, SIZE + 512, 512, -ERANGE },
	{ LUN_WRITE, UINT64_MAX - 511, 512, -ERANGE },
	{ LUN_WRITE, UINT64_MAX - 511, 1024, -ERANGE },
	{ LUN_READ, UINT64_C(1) << 63, 512, -ERANGE },
	{ LUN_COMPARE_WRITE, SIZE - 512, 1024, -ERANGE },
	{ LUN_READ, 0, SIZE + 512, -ERANGE },
	{ LUN_COMPARE_WRITE, 0, 512 * KIB + 512, -EINVAL },
	{ LUN_WRITE, 0, IO_MAX_BYTES + 512, -EINVAL },
	{ LUN_READ, 0, IO_MAX_BYTES + 512, -EINVAL },
	{ LUN_READ, 0, UINT64_MAX - 511, -EINVAL },
};

/* Vectors that sum up to any length without having the memory. */
static int
run_raw(struct iofix *x, enum lun_op_kind kind, uint64_t off, uint64_t len,
    uint64_t have, int n_iov)
{
	struct iovec iov = { buf, (size_t)have };
	struct waiter wt = { .op = { .kind = kind, .dev = x->d,
	    .off_bytes = off, .len_bytes = len, .iov = &iov,
	    .n_iov = n_iov } };

	return (engine_run(&x->e, &wt));
}

static void
test_refused(void)
{
	struct lunset_status before, after;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	lunset_status(x.e.ls, &before);
	for (size_t i = 0; i < sizeof(bad_rws) / sizeof(bad_rws[0]); i++) {
		const struct bad_rw *b = &bad_rws[i];
		uint64_t k = b->kind == LUN_COMPARE_WRITE ? 2 : 1;

		CU_ASSERT_EQUAL(run_raw(&x, b->kind, b->off, b->len,
		    k * b->len, 1), b->rc);
	}
	/* The memory and the length have to agree. */
	CU_ASSERT_EQUAL(run_raw(&x, LUN_WRITE, 0, 4096, 4095, 1), -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_WRITE, 0, 4096, 4097, 1), -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_READ, 0, 4096, 8192, 1), -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_READ, 0, 4096, 4096, 0), -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_READ, 0, 4096, 4096, -1), -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_READ, 0, 4096, 4096, INT_MIN),
	    -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_COMPARE_WRITE, 0, 4096, 4096, 1),
	    -EINVAL);
	/* Nothing of it was done. */
	lunset_status(x.e.ls, &after);
	CU_ASSERT_EQUAL(after.seq, before.seq);
	CU_ASSERT_EQUAL(after.medium_errors, 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
	/* Sectors of 4 KiB. */
	iofix_setup(&x, 4096, 4096);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_WRITE, 512, 4096, 4096, 1), -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_WRITE, 0, 512, 512, 1), -EINVAL);
	CU_ASSERT_EQUAL(run_raw(&x, LUN_WRITE, 4096, 4096, 4096, 1), 0);
	iofix_teardown(&x);
}

static void
test_bad_extents(void)
{
	static const struct {
		struct lun_extent x[2];
		int rc;
	} cases[] = {
		{ { { 0, 4096 }, { 1, 4096 } }, -EINVAL },
		{ { { 0, 4096 }, { 0, 100 } }, -EINVAL },
		{ { { 100, 512 }, { 0, 512 } }, -EINVAL },
		{ { { 0, 4096 }, { SIZE, 512 } }, -ERANGE },
		{ { { 0, 4096 }, { SIZE - 512, 1024 } }, -ERANGE },
		{ { { 0, 4096 }, { UINT64_MAX - 511, 512 } }, -ERANGE },
		{ { { 0, 4096 }, { 512, UINT64_MAX - 511 } }, -ERANGE },
		{ { { 0, SIZE + 4096 }, { 0, 0 } }, -ERANGE },
	};
	static struct lun_extent many[IO_EXTENTS_MAX + 1];
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, cases[i].x, 2),
		    cases[i].rc);
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, many, IO_EXTENTS_MAX + 1),
	    -EINVAL);
	CU_ASSERT_TRUE(iofix_right(&x));
	/* Nothing at all is fine, also at the very end. */
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, many, 0), 0);
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, many, IO_EXTENTS_MAX), 0);
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d,
	    &(struct lun_extent){ SIZE, 0 }, 1), 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	/* As many as may be. */
	for (unsigned i = 0; i < IO_EXTENTS_MAX; i++)
		many[i] = (struct lun_extent){ i * 4096, 512 + i % 8 * 512 };
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, many, IO_EXTENTS_MAX), 0);
	for (unsigned i = 0; i < IO_EXTENTS_MAX; i++)
		memset(x.now + many[i].off_bytes, 0, many[i].len_bytes);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

static void
test_read_only(void)
{
	struct snap_info s;
	struct lun_dev *d;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	CU_ASSERT_EQUAL(lunset_snapshot(x.e.ls, "disk", "s", &s), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number, s.seq, &d), 0);
	CU_ASSERT_TRUE(lun_dev_is_read_only(d));
	CU_ASSERT_FALSE(lun_dev_is_read_only(x.d));
	CU_ASSERT_EQUAL(lun_dev_size_bytes(d), SIZE);
	CU_ASSERT_EQUAL(lun_dev_block_bytes(d), 4096);
	memset(buf, 0, 8192);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_WRITE, 0, buf, 4096, 0),
	    -EROFS);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_WRITE, 512, buf, 512,
	    LUN_F_FUA), -EROFS);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_COMPARE_WRITE, 0, buf, 8192,
	    0), -EROFS);
	CU_ASSERT_EQUAL(engine_zero(&x.e, d, &(struct lun_extent){ 0, 4096 },
	    1), -EROFS);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_WRITE, 1, buf, 4096, 0),
	    -EINVAL);
	/* Reading and flushing are no changes. */
	CU_ASSERT_EQUAL(engine_flush(&x.e, d), 0);
	iofix_write(&x, 0, 4096, 2);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_READ, 0, buf, 4096, 0), 0);
	iofix_fill(buf + 4096, 4096, 1);
	CU_ASSERT_EQUAL(memcmp(buf, buf + 4096, 4096), 0);
	lun_dev_close(d);
	iofix_teardown(&x);
}

/* The longest that is taken, in one piece. */
static void
test_longest(void)
{
	struct lun_params p = { .name = "large", .size_bytes = IO_MAX_BYTES,
	    .block_bytes = 65536, .sector_bytes = 512 };
	uint8_t *big = malloc(IO_MAX_BYTES);
	struct lun_info info;
	struct lun_dev *d;
	struct iofix x;
	uint64_t sum;

	iofix_setup(&x, 4096, 512);
	CU_ASSERT_EQUAL_FATAL(lunset_create(x.e.ls, &p, &info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, info.number, LUN_HEAD, &d),
	    0);
	iofix_fill(big, IO_MAX_BYTES, 9);
	sum = id_of(big, IO_MAX_BYTES).lo;
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_WRITE, 0, big, IO_MAX_BYTES,
	    0), 0);
	memset(big, 0, IO_MAX_BYTES);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_READ, 0, big, IO_MAX_BYTES, 0),
	    0);
	CU_ASSERT_EQUAL(id_of(big, IO_MAX_BYTES).lo, sum);
	lun_dev_close(d);
	free(big);
	iofix_teardown(&x);
}

/* ---- memory in pieces ------------------------------------------------- */

#define PIECES	60

/* Cuts ${len} bytes of ${mem} into pieces, some of them empty. */
static int
cut(struct rnd *r, uint8_t *mem, size_t len, struct iovec iov[PIECES])
{
	int n = 0;

	while (len > 0 && n < PIECES - 1) {
		size_t k = rnd_below(r, 4) == 0 ? 0 :
		    1 + rnd_below(r, 1 + rnd_below(r, TT_MIN(len, 9000)));

		if (k > len)
			k = len;
		iov[n++] = (struct iovec){ mem, k };
		mem += k;
		len -= k;
	}
	iov[n++] = (struct iovec){ mem, len };
	return (n);
}

static int
run_cut(struct iofix *x, struct rnd *r, enum lun_op_kind kind, uint64_t off,
    uint8_t *mem, size_t len)
{
	size_t all = kind == LUN_COMPARE_WRITE ? 2 * len : len;
	struct iovec iov[PIECES];
	struct waiter wt = { .op = { .kind = kind, .dev = x->d,
	    .off_bytes = off, .len_bytes = len, .iov = iov } };
	int rc;

	wt.op.n_iov = cut(r, mem, all, iov);
	rc = engine_run(&x->e, &wt);
	if (rc == -EBADMSG)
		CU_ASSERT_EQUAL(wt.op.bad_off_bytes, off + len - 1);
	return (rc);
}

static void
pieces(uint32_t block, uint32_t sector)
{
	static uint8_t mem[300 * 1024];
	struct rnd r = { block + sector };
	struct iofix x;

	iofix_setup(&x, block, sector);
	for (unsigned i = 0; i < steps(400); i++) {
		uint64_t off = rnd_below(&r, SIZE / 8 / sector) * sector;
		size_t len = (1 + rnd_below(&r, 128 * KIB / sector)) * sector;

		iofix_fill(mem, sizeof(mem), rnd_next(&r));
		switch (rnd_below(&r, 4)) {
		case 0:
		case 1:
			memcpy(x.now + off, mem, len);
			CU_ASSERT_EQUAL(run_cut(&x, &r, LUN_WRITE, off, mem,
			    len), 0);
			break;
		case 2:
			memcpy(mem, x.now + off, len);
			if (rnd_below(&r, 2) == 0) {
				mem[len - 1] ^= 1;
				CU_ASSERT_EQUAL(run_cut(&x, &r,
				    LUN_COMPARE_WRITE, off, mem, len),
				    -EBADMSG);
				break;
			}
			CU_ASSERT_EQUAL(run_cut(&x, &r, LUN_COMPARE_WRITE, off,
			    mem, len), 0);
			memcpy(x.now + off, mem + len, len);
			break;
		default:
			memset(mem, 0xee, sizeof(mem));
			CU_ASSERT_EQUAL(run_cut(&x, &r, LUN_READ, off, mem,
			    len), 0);
			CU_ASSERT_EQUAL(memcmp(mem, x.now + off, len), 0);
			/* Nothing behind the memory that was given. */
			CU_ASSERT_EQUAL(mem[len], 0xee);
			break;
		}
	}
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

static void
test_pieces(void)
{

	pieces(4096, 512);
	pieces(65536, 512);
	pieces(16384, 4096);
}

/* ---- parts of blocks -------------------------------------------------- */

/* Extents that overlap, touch, and begin and end inside blocks. */
static void
test_zero_parts(void)
{
	struct lunset_status before, after;
	struct rnd r = { 12 };
	struct iofix x;

	iofix_setup(&x, 65536, 512);
	iofix_write(&x, 0, SIZE, 1);
	for (unsigned i = 0; i < steps(120); i++) {
		struct lun_extent e[8];
		unsigned n = 1 + (unsigned)rnd_below(&r, 8);
		uint64_t at = rnd_below(&r, SIZE / 512 - 2000) * 512;

		for (unsigned k = 0; k < n; k++) {
			e[k].off_bytes = at + rnd_below(&r, 600) * 512;
			e[k].len_bytes = rnd_below(&r, 2) == 0 ?
			    rnd_below(&r, 4) * 512 : rnd_below(&r, 600) * 512;
			memset(x.now + e[k].off_bytes, 0, e[k].len_bytes);
		}
		CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, e, n), 0);
		if (i % 3 == 0)
			iofix_write(&x, at, 1024 * KIB, i);
	}
	CU_ASSERT_TRUE(iofix_right(&x));
	/* Both edges in one block are one write. */
	lunset_status(x.e.ls, &before);
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d,
	    &(struct lun_extent){ 70000 / 512 * 512, 1024 }, 1), 0);
	memset(x.now + 70000 / 512 * 512, 0, 1024);
	lunset_status(x.e.ls, &after);
	CU_ASSERT_EQUAL(after.seq, before.seq + 1);
	/* All of it: nothing but holes is left. */
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d,
	    &(struct lun_extent){ 0, SIZE }, 1), 0);
	memset(x.now, 0, SIZE);
	CU_ASSERT_TRUE(iofix_right(&x));
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

/* ---- several at once -------------------------------------------------- */

enum mix { MIX_WHOLE, MIX_PARTS, MIX_BOTH };
enum { ORDER_N = 40 };

struct batch_of {
	struct waiter wt[ORDER_N];
	struct iovec iov[ORDER_N];
	uint8_t mem[ORDER_N][16384];
};

static void
submit_many(struct iofix *x, struct batch_of *b, struct rnd *r, enum mix mix)
{

	for (unsigned i = 0; i < ORDER_N; i++) {
		uint64_t off = rnd_below(r, 32) * 512;
		size_t len = (1 + rnd_below(r, 32)) * 512;

		if (mix == MIX_WHOLE || (mix == MIX_BOTH && i % 2 == 0)) {
			off = off / 4096 * 4096;
			len = (len + 4095) / 4096 * 4096;
		} else if (off % 4096 == 0 && len % 4096 == 0) {
			len -= 512;
		}
		iofix_fill(b->mem[i], len, rnd_next(r));
		b->iov[i] = (struct iovec){ b->mem[i], len };
		b->wt[i] = (struct waiter){ .op = { .kind = LUN_WRITE,
		    .dev = x->d, .off_bytes = off, .len_bytes = len,
		    .iov = &b->iov[i], .n_iov = 1 } };
		submit(x, &b->wt[i]);
	}
	run_all(x, b->wt, ORDER_N);
	for (unsigned i = 0; i < ORDER_N; i++)
		CU_ASSERT_EQUAL(b->wt[i].op.rc, 0);
}

/* Each sector is what one of them wrote, or what was there. */
static bool
from_some(struct iofix *x, const struct batch_of *b)
{

	memset(buf, 0xee, SIZE);
	if (engine_rw(&x->e, x->d, LUN_READ, 0, buf, SIZE, 0) != 0)
		return (false);
	for (uint64_t off = 0; off < SIZE; off += 512) {
		bool ok = false, hit = false;

		for (unsigned i = 0; i < ORDER_N; i++) {
			const struct lun_op *op = &b->wt[i].op;

			if (off < op->off_bytes ||
			    off >= op->off_bytes + op->len_bytes)
				continue;
			hit = true;
			ok = ok || memcmp(buf + off, b->mem[i] + off -
			    op->off_bytes, 512) == 0;
		}
		if (!ok && (hit || memcmp(buf + off, x->now + off, 512) != 0))
			return (false);
	}
	memcpy(x->now, buf, SIZE);
	return (true);
}

static int
blocks_once(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{
	unsigned *n = arg;

	(void)payload;
	if (r->kind != REC_DATA)
		return (0);
	++*n;
	for (uint32_t i = 0; i < r->n_extents; i++)
		for (uint32_t k = 0; k < i; k++) {
			struct extent a = rec_extent(hdr, i);
			struct extent b = rec_extent(hdr, k);

			if (a.first_blk < b.first_blk + b.n_blk &&
			    b.first_blk < a.first_blk + a.n_blk)
				return (-EDOM);
		}
	return (0);
}

/* No record in the log has a block twice. */
static void
check_log(struct iofix *x)
{
	struct recover_conf rc = { .segs = x->e.ls->segs,
	    .segment_bytes = x->e.conf.segment_bytes, .replay = blocks_once };
	struct recovery *rv;
	unsigned n = 0;

	rc.arg = &n;
	memcpy(rc.store_uuid, store_uuid(x->e.ls->store), 16);
	CU_ASSERT_EQUAL_FATAL(recover_run(&rc, &rv), 0);
	recovery_free(rv);
	CU_ASSERT_TRUE(n > 3);
}

/*
 * Writes under way together have no order between them; but those of whole
 * blocks keep theirs, and so do those of parts.
 */
static void
test_order(void)
{
	static struct batch_of b;
	struct rnd r = { 77 };
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	for (unsigned round = 0; round < steps(90); round++) {
		enum mix mix = (enum mix)(round % 3);

		submit_many(&x, &b, &r, mix);
		if (mix == MIX_BOTH) {
			CU_ASSERT_TRUE(from_some(&x, &b));
			continue;
		}
		for (unsigned i = 0; i < ORDER_N; i++)
			memcpy(x.now + b.wt[i].op.off_bytes, b.mem[i],
			    b.wt[i].op.len_bytes);
		CU_ASSERT_TRUE(iofix_right(&x));
	}
	check_log(&x);
	iofix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "refused", test_refused },
	{ "extents that are refused", test_bad_extents },
	{ "read-only devices", test_read_only },
	{ "the longest", test_longest },
	{ "memory in pieces", test_pieces },
	{ "zeroes in parts of blocks", test_zero_parts },
	{ "order", test_order },
};

UNIT_MAIN("io", tests)
