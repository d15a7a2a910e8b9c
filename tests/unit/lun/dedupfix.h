/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedupfix.h - disks with data that is known block by block, and what the
 * maps of all disks refer to.
 */
#ifndef TESTS_UNIT_LUN_DEDUPFIX_H
#define TESTS_UNIT_LUN_DEDUPFIX_H

#include <errno.h>
#include <fcntl.h>

#include "lun/lun_int.h"
#include "meta/dedup.h"
#include "meta/gc.h"
#include "meta/store_int.h"
#include "meta/walk.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"
#include "tests/unit/lun/steps.h"

#define KIB	UINT64_C(1024)
#define MIB	(1024 * KIB)
#define BLK	4096u
#define DISK	(64 * MIB)

/* ---- disks -------------------------------------------------------------- */

static inline struct lun_dev *
make_disk(struct engine *e, const char *name, uint32_t block, bool off)
{
	struct lun_params p = { .name = name, .size_bytes = DISK,
	    .block_bytes = block, .sector_bytes = 512, .no_dedup = off };
	struct lun_info info;
	struct lun_dev *d = NULL;

	CU_ASSERT_EQUAL_FATAL(lunset_create(e->ls, &p, &info), 0);
	CU_ASSERT_EQUAL(info.dedup, !off);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, info.number, LUN_HEAD, &d),
	    0);
	return (d);
}

static inline struct lun_dev *
open_disk(struct engine *e, const char *name)
{
	struct lun_info info;
	struct lun_dev *d = NULL;

	CU_ASSERT_EQUAL_FATAL(lunset_find(e->ls, name, &info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, info.number, LUN_HEAD, &d),
	    0);
	return (d);
}

static inline void
fill(uint8_t *p, size_t n, uint64_t stamp)
{
	struct rnd r = { (stamp + 1) * 0x9e3779b97f4a7c15u };

	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t v = rnd_next(&r);

		memcpy(p + i, &v, 8);
	}
}

static inline uint8_t *
data(size_t n, uint64_t stamp)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; i < n; i += BLK)
		fill(p + i, BLK, stamp + i / BLK);
	return (p);
}

static inline void
put(struct engine *e, struct lun_dev *d, uint64_t off, uint8_t *p, size_t n,
    size_t each)
{

	for (size_t i = 0; i < n; i += each)
		CU_ASSERT_EQUAL_FATAL(engine_rw(e, d, LUN_WRITE, off + i,
		    p + i, TT_MIN(each, n - i), 0), 0);
}

static inline bool
has(struct engine *e, struct lun_dev *d, uint64_t off, const uint8_t *p,
    size_t n)
{
	uint8_t *got = malloc(n);
	bool same;

	same = engine_rw(e, d, LUN_READ, off, got, n, 0) == 0 &&
	    memcmp(got, p, n) == 0;
	free(got);
	return (same);
}

static inline void
checkpoint(struct engine *e)
{

	CU_ASSERT_EQUAL(lunset_checkpoint(e->ls), 0);
}

static inline struct dedup_state
state(struct engine *e)
{
	struct dedup_state ds;

	store_dedup_state(e->ls->store, &ds);
	return (ds);
}

/* ---- what the maps refer to ---------------------------------------------- */

static inline int
count_block(void *arg, struct place p, uint64_t blk)
{
	int rc = locset_add(arg, p.loc);

	(void)blk;
	return (rc < 0 ? rc : 0);
}

/* Different bytes that the heads of all LUNs refer to. */
static inline uint64_t
distinct(struct engine *e)
{
	static const struct walk_ops ops = { .block = count_block };
	struct locset *set;
	uint64_t bytes;

	CU_ASSERT_EQUAL_FATAL(locset_new(e->conf.segment_bytes, &set), 0);
	LIST_FOREACH(it, &e->ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);
		struct view *v = view_of(l, NULL);
		struct walk w = { .ns = e->ls->nodes, .ops = &ops,
		    .arg = set };

		CU_ASSERT_EQUAL(v->n, 0);	/* all of it is folded */
		CU_ASSERT_EQUAL(walk_tree(&w, v->root.top, v->root.height),
		    0);
		view_unref(v);
	}
	bytes = locset_bytes(set);
	locset_free(set);
	return (bytes);
}

/* At most 5 % more than one copy of ${n} bytes. */
#define IS_ONE(e, n)							\
	do {								\
		uint64_t is_ = distinct(e);				\
									\
		CU_ASSERT(is_ >= (n));					\
		CU_ASSERT(is_ <= (n) + (n) / 20);			\
		if (is_ > (n) + (n) / 20)				\
			(void)printf("line %d: %llu of %llu\n", __LINE__, \
			    (unsigned long long)is_, (unsigned long long)(n)); \
	} while (0)

#endif /* !TESTS_UNIT_LUN_DEDUPFIX_H */
