/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a checkpoint is said to need is never less than what it then writes;
 * a full store refuses data and takes the rest.
 */
#include <errno.h>
#include <sys/statvfs.h>

#include "lun/lun_int.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define BLOCK	4096u
#define SIZE	(UINT64_C(256) << 30)
#define EXPORT	__attribute__((visibility("default")))

/* 0: as it is; else what is available. */
static _Atomic uint64_t fs_avail;

EXPORT int
fstatvfs(int fd, struct statvfs *v)
{
	uint64_t avail = fs_avail;

	(void)fd;
	*v = (struct statvfs){ .f_frsize = BLOCK, .f_bsize = BLOCK,
	    .f_blocks = (UINT64_C(4) << 30) / BLOCK,
	    .f_bavail = (avail == 0 ? UINT64_C(3) << 30 : avail) / BLOCK };
	return (0);
}

struct fix {
	struct engine e;
	struct lun_dev *d;
};

static void
setup(struct fix *f, uint64_t reserve)
{
	struct lun_params p = { .name = "a", .size_bytes = SIZE,
	    .block_bytes = BLOCK, .sector_bytes = 512 };
	struct lun_info info;

	fs_avail = 0;
	CU_ASSERT_EQUAL_FATAL(engine_make(&f->e), 0);
	CU_ASSERT_EQUAL(engine_close(&f->e), 0);
	f->e.conf.reserve_bytes = reserve;
	CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_create(f->e.ls, &p, &info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(f->e.ls, info.number, LUN_HEAD,
	    &f->d), 0);
}

static void
teardown(struct fix *f)
{

	lun_dev_close(f->d);
	CU_ASSERT_EQUAL(engine_close(&f->e), 0);
	engine_remove(&f->e);
}

static int
put(struct fix *f, uint64_t blk, unsigned seed)
{
	static uint8_t buf[BLOCK];

	for (unsigned i = 0; i < BLOCK; i++)
		buf[i] = (uint8_t)(seed * 31 + blk + i / 7 + 1);
	return (engine_rw(&f->e, f->d, LUN_WRITE, blk * BLOCK, buf, BLOCK,
	    0));
}

static uint64_t
node_pos(struct fix *f)
{
	uint32_t end, seg = nodes_end(f->e.ls->nodes, &end);

	return ((uint64_t)seg << 32 | end);
}

/* ${n} blocks, ${stride} apart, and as many ranges of zeroes. */
static void
one_need(struct fix *f, unsigned n, uint64_t stride, bool zero, unsigned seed)
{
	uint64_t need, before, after, wrote;

	for (unsigned i = 0; i < n; i++) {
		struct lun_extent x = { (i * stride + 5) * BLOCK, 20 * BLOCK };

		CU_ASSERT_EQUAL(put(f, i * stride, seed), 0);
		if (zero)
			CU_ASSERT_EQUAL(engine_zero(&f->e, f->d, &x, 1), 0);
	}
	need = space_fold_need(f->e.ls);
	before = node_pos(f);
	CU_ASSERT_EQUAL(lunset_checkpoint(f->e.ls), 0);
	after = node_pos(f);
	CU_ASSERT_EQUAL(space_fold_need(f->e.ls), 0);
	CU_ASSERT_EQUAL_FATAL(before >> 32, after >> 32);
	wrote = (after - before) * SECTOR_BYTES * 2;
	CU_ASSERT(wrote > 0);
	CU_ASSERT(wrote <= need);
	/* And it is no wild guess when blocks lie far apart. */
	CU_ASSERT(zero || stride < 500000 || need < 2 * wrote);
}

static void
test_need(void)
{
	struct fix f;

	setup(&f, 0);
	CU_ASSERT_EQUAL(space_fold_need(f.e.ls), 0);
	CU_ASSERT_EQUAL(put(&f, 0, 1), 0);
	CU_ASSERT_EQUAL(lunset_checkpoint(f.e.ls), 0);
	one_need(&f, 1, 1, false, 2);
	one_need(&f, 64, 1, false, 3);
	one_need(&f, 100, 1, false, 4);
	one_need(&f, 60, 100, false, 5);
	one_need(&f, 60, 500000, false, 6);
	one_need(&f, 30, 500000, true, 7);
	teardown(&f);
}

static void
test_full(void)
{
	struct lunset_status st;
	struct lun_extent x = { 0, BLOCK };
	struct snap_info info;
	struct fix f;

	setup(&f, 16u << 20);
	CU_ASSERT_EQUAL(put(&f, 0, 1), 0);
	CU_ASSERT_EQUAL(put(&f, 1, 1), 0);
	lunset_status(f.e.ls, &st);
	CU_ASSERT_EQUAL(st.space, LUN_SPACE_OK);
	CU_ASSERT_EQUAL(st.reserve_bytes, 16u << 20);
	fs_avail = 4u << 20;
	lunset_status(f.e.ls, &st);
	CU_ASSERT_EQUAL(st.space, LUN_SPACE_FULL);
	CU_ASSERT_EQUAL(put(&f, 2, 1), -ENOSPC);
	CU_ASSERT_EQUAL(engine_zero(&f.e, f.d, &x, 1), 0);
	CU_ASSERT_EQUAL(engine_flush(&f.e, f.d), 0);
	CU_ASSERT_EQUAL(lunset_snapshot(f.e.ls, "a", "s", &info), 0);
	CU_ASSERT_EQUAL(lunset_checkpoint(f.e.ls), 0);
	CU_ASSERT_EQUAL(lunset_snap_delete(f.e.ls, "a", "s"), 0);
	fs_avail = 0;
	lunset_status(f.e.ls, &st);
	CU_ASSERT_EQUAL(st.space, LUN_SPACE_OK);
	CU_ASSERT_EQUAL(put(&f, 2, 1), 0);
	teardown(&f);
}

static const struct unit_test tests[] = {
	{ "what a checkpoint needs", test_need },
	{ "a full store", test_full },
};
UNIT_MAIN("lun/space", tests)
