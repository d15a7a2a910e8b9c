/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reclaimfix.h - a LUN of which most was overwritten, for the tests of space
 * reclaim.
 */
#ifndef TESTS_UNIT_LUN_RECLAIMFIX_H
#define TESTS_UNIT_LUN_RECLAIMFIX_H

#include <errno.h>

#include "lun/lun_int.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define BLK	4096u
#define N_BLK	1024u			/* two segments and a bit */

struct reclaimfix {
	struct engine e;
	struct lun_dev *d;
	struct lun_info info;
};

static inline void
attach(struct reclaimfix *f)
{

	CU_ASSERT_EQUAL_FATAL(lunset_find(f->e.ls, "one", &f->info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(f->e.ls, f->info.number, LUN_HEAD,
	    &f->d), 0);
}

/* As a process leaves it that was killed. */
static inline void
reopen(struct reclaimfix *f)
{

	lun_dev_close(f->d);
	engine_abandon(&f->e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
	attach(f);
}

static inline void
setup(struct reclaimfix *f)
{
	struct lun_params p = { .name = "one", .size_bytes = N_BLK * BLK,
	    .block_bytes = BLK, .sector_bytes = 512, .open = true,
	    .no_dedup = true };

	CU_ASSERT_EQUAL_FATAL(engine_make(&f->e), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_create(f->e.ls, &p, &f->info), 0);
	attach(f);
}

static inline void
teardown(struct reclaimfix *f)
{

	lun_dev_close(f->d);
	CU_ASSERT_EQUAL(engine_close(&f->e), 0);
	engine_remove(&f->e);
}

static inline void
fill(uint8_t *buf, uint64_t blk, uint8_t turn)
{

	for (unsigned i = 0; i < BLK; i++)
		buf[i] = (uint8_t)(blk * 31 + i * 7 + turn + (blk >> 8));
}

static inline void
put(struct reclaimfix *f, uint64_t blk, uint8_t turn)
{
	uint8_t buf[BLK];

	fill(buf, blk, turn);
	CU_ASSERT_EQUAL(engine_rw(&f->e, f->d, LUN_WRITE, blk * BLK, buf, BLK,
	    0), 0);
}

/* 0: it has what was written in ${turn}. */
static inline int
is(struct reclaimfix *f, uint64_t blk, uint8_t turn)
{
	uint8_t buf[BLK], want[BLK];
	int rc;

	fill(want, blk, turn);
	rc = engine_rw(&f->e, f->d, LUN_READ, blk * BLK, buf, BLK, 0);
	if (rc == 0 && memcmp(buf, want, BLK) != 0)
		return (-EBADMSG);
	return (rc);
}

/* Every fourth block stays as it was in turn 1. */
static inline void
age(struct reclaimfix *f)
{

	for (uint64_t b = 0; b < N_BLK; b++)
		put(f, b, 1);
	for (uint64_t b = 0; b < N_BLK; b++)
		if (b % 4 != 0)
			put(f, b, 2);
	CU_ASSERT_EQUAL(lunset_checkpoint(f->e.ls), 0);
}

static inline unsigned
wrong(struct reclaimfix *f)
{
	unsigned n = 0;

	for (uint64_t b = 0; b < N_BLK; b++)
		n += is(f, b, b % 4 == 0 ? 1 : 2) != 0;
	return (n);
}

#endif /* !TESTS_UNIT_LUN_RECLAIMFIX_H */
