/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iofix.h - an engine with one LUN, and the array that it must equal.
 */
#ifndef TESTS_UNIT_LUN_IOFIX_H
#define TESTS_UNIT_LUN_IOFIX_H

#include "lun/io_int.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define KIB		UINT64_C(1024)
#define MIB		(KIB * KIB)
#define SIZE		(4 * MIB)

struct iofix {
	struct engine e;
	uint64_t number;
	uint32_t block, sector;
	struct lun_dev *d;
	uint8_t *now;
};

static uint8_t buf[2 * SIZE];

static inline void
iofix_setup(struct iofix *x, uint32_t block, uint32_t sector)
{
	struct lun_params p = { .name = "disk", .size_bytes = SIZE,
	    .block_bytes = block, .sector_bytes = sector };
	struct lun_info info;

	CU_ASSERT_EQUAL_FATAL(engine_make(&x->e), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_create(x->e.ls, &p, &info), 0);
	x->number = info.number;
	x->block = block;
	x->sector = sector;
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x->e.ls, x->number, LUN_HEAD,
	    &x->d), 0);
	x->now = calloc(1, SIZE);
}

static inline void
iofix_teardown(struct iofix *x)
{

	lun_dev_close(x->d);
	engine_abandon(&x->e);
	engine_remove(&x->e);
	free(x->now);
}

static inline void
iofix_fill(uint8_t *p, size_t n, uint64_t seed)
{

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed * 31 + i * 7 + i / 509 + 1);
}

static inline void
iofix_write(struct iofix *x, uint64_t off, size_t len, uint64_t seed)
{

	iofix_fill(x->now + off, len, seed);
	CU_ASSERT_EQUAL(engine_rw(&x->e, x->d, LUN_WRITE, off, x->now + off,
	    len, 0), 0);
}

/* The disk is what the array says. */
static inline bool
iofix_right(struct iofix *x)
{

	memset(buf, 0xee, SIZE);
	return (engine_rw(&x->e, x->d, LUN_READ, 0, buf, SIZE, 0) == 0 &&
	    memcmp(buf, x->now, SIZE) == 0);
}

/* ---- several at once -------------------------------------------------- */

/* Runs until all of them are done. */
static inline void
run_all(struct iofix *x, struct waiter *wt, unsigned n)
{

	for (unsigned i = 0; i < n; i++)
		exec_sync_run(x->e.es, &wt[i].done);
}

static inline void
submit(struct iofix *x, struct waiter *wt)
{

	wt->op.done = engine_done;
	wt->done = false;
	lun_submit(x->e.w, &wt->op);
	/* Never from inside. */
	CU_ASSERT_FALSE(wt->done);
}

#endif /* !TESTS_UNIT_LUN_IOFIX_H */
