/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Batches when there is no memory for a record: every operation is answered,
 * what failed has changed nothing, and what comes later goes on.
 */
#include <errno.h>

#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

/* Behind this, the allocations are those of batch.c. */
#include "lun/io_int.h"
#include "meta/base/msg.h"
#include "tests/unit/lun/mem_count.h"
#include "lun/batch.c"

#define SIZE	(UINT64_C(4) << 20)
#define BLOCK	4096u

static uint8_t now[SIZE], mem[2][SIZE];

struct fix {
	struct engine e;
	struct lun_dev *d[2];
};

static void
fix_setup(struct fix *f)
{

	CU_ASSERT_EQUAL_FATAL(engine_make(&f->e), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct lun_params p = { .name = i == 0 ? "a" : "b",
		    .size_bytes = SIZE, .block_bytes = BLOCK,
		    .sector_bytes = 512 };
		struct lun_info info;

		CU_ASSERT_EQUAL_FATAL(lunset_create(f->e.ls, &p, &info), 0);
		CU_ASSERT_EQUAL_FATAL(lun_dev_open(f->e.ls, info.number,
		    LUN_HEAD, &f->d[i]), 0);
	}
}

static void
fix_teardown(struct fix *f)
{

	fail_at = 0;
	lun_dev_close(f->d[0]);
	lun_dev_close(f->d[1]);
	engine_abandon(&f->e);
	engine_remove(&f->e);
}

static void
fill(uint8_t *p, size_t n, unsigned seed)
{

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed + i + i / 300);
}

/* A lone operation that finds no memory is answered, and at once. */
static void
alone(enum lun_op_kind kind)
{
	struct lun_extent e = { 0, 8192 };
	struct iovec iov = { mem[0], 8192 };
	struct waiter wt = { .op = { .kind = kind, .len_bytes = 8192,
	    .iov = &iov, .n_iov = 1, .extents = &e, .n_extents = 1,
	    .done = engine_done } };
	struct fix f;

	fix_setup(&f);
	wt.op.dev = f.d[0];
	fill(mem[0], 8192, 3);
	fail_at = 1;
	lun_submit(f.e.w, &wt.op);
	/* By this turn; a loop would go to sleep now. */
	lun_worker_flush(f.e.w);
	fail_at = 0;
	CU_ASSERT_TRUE_FATAL(wt.done);
	CU_ASSERT_EQUAL(wt.op.rc, -ENOMEM);
	/* The range is free. */
	CU_ASSERT_EQUAL(engine_run(&f.e, &wt), 0);
	fix_teardown(&f);
}

static void
test_alone(void)
{

	alone(LUN_WRITE);
	alone(LUN_ZERO);
}

/*
 * Writes to two LUNs, and the n-th record finds no memory: who fails has
 * failed wholly or in part, who succeeds is there, and nothing hangs.
 */
static void
one_try(struct fix *f, int n, unsigned *failed)
{
	enum { N = 6 };
	struct waiter wt[N];
	struct iovec iov[N];

	for (unsigned i = 0; i < N; i++) {
		/* 600 blocks are three records; the same blocks again: one
		 * more. */
		size_t len = i == 1 ? 600 * BLOCK : 2 * BLOCK;
		uint8_t *p = mem[i % 2] + i * BLOCK;

		fill(p, len, (unsigned)n + i);
		iov[i] = (struct iovec){ p, len };
		wt[i] = (struct waiter){ .op = { .kind = LUN_WRITE,
		    .dev = f->d[i % 2], .off_bytes = i * BLOCK,
		    .len_bytes = len, .iov = &iov[i], .n_iov = 1,
		    .done = engine_done } };
	}
	fail_at = n;
	for (unsigned i = 0; i < N; i++)
		lun_submit(f->e.w, &wt[i].op);
	lun_worker_flush(f->e.w);
	fail_at = 0;
	for (unsigned i = 0; i < N; i++) {
		CU_ASSERT_TRUE(wt[i].done);
		CU_ASSERT_TRUE(wt[i].op.rc == 0 || wt[i].op.rc == -ENOMEM);
		*failed += wt[i].op.rc != 0;
		if (wt[i].op.rc != 0)
			continue;
		/* The later one of the same LUN lies behind it. */
		CU_ASSERT_EQUAL(engine_rw(&f->e, f->d[i % 2], LUN_READ,
		    i * BLOCK, now, BLOCK, 0), 0);
		CU_ASSERT_EQUAL(memcmp(now, iov[i].iov_base, BLOCK), 0);
	}
}

static void
test_nth(void)
{
	unsigned failed;
	int n = 0;

	do {
		struct fix f;

		/* A new worker has no records kept from before. */
		failed = 0;
		fix_setup(&f);
		one_try(&f, ++n, &failed);
		one_try(&f, 0, &failed);
		fix_teardown(&f);
	} while (failed > 0 && n < 30);
	CU_ASSERT_EQUAL(failed, 0);
	/* Each of the records was the one that could not be made. */
	CU_ASSERT_TRUE(n > 4);
	CU_ASSERT_EQUAL(live_bytes, 0);
}

static const struct unit_test tests[] = {
	{ "one write without memory", test_alone },
	{ "the n-th record without memory", test_nth },
};

UNIT_MAIN("batch", tests)
