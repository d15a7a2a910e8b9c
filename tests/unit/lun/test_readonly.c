/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store that is only read: what was acknowledged is there, every change is
 * refused, and not a byte of the folder is another afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "lun/lun_int.h"
#include "meta/base/bytes.h"
#include "meta/base/msg.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define MIB		(UINT64_C(1) << 20)
#define LUN_BYTES	(8 * MIB)

/* ---- the state of a folder ------------------------------------------------ */

static uint64_t sum;

static int
add(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	static uint8_t buf[1 << 20];
	uint64_t v[6] = { (uint64_t)st->st_size, (uint64_t)st->st_mode,
	    (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
	    (uint64_t)st->st_blocks, st->st_ino };
	ssize_t n;
	int fd;

	(void)ftw;
	/* Order does not matter: the sum is over all. */
	sum += id_of(path, strlen(path)).lo * 31 + id_of(v, sizeof(v)).lo;
	if (flag != FTW_F)
		return (0);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return (-1);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sum = sum * 3 + id_of(buf, (size_t)n).lo;
	(void)close(fd);
	return (0);
}

static uint64_t
state_of(const char *dir)
{

	sum = 0;
	CU_ASSERT_EQUAL_FATAL(nftw(dir, add, 16, FTW_PHYS), 0);
	return (sum);
}

/* ---- a store in the middle of its life -------------------------------------- */

static struct lun_info lun;
static struct snap_info snap;

static void
fill(struct engine *e, uint64_t off, uint64_t len, uint8_t what)
{
	struct lun_dev *d;
	uint8_t *buf = malloc(len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	memset(buf, what, len);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, lun.number, LUN_HEAD, &d),
	    0);
	CU_ASSERT_EQUAL(engine_rw(e, d, LUN_WRITE, off, buf, len, 0), 0);
	lun_dev_close(d);
	free(buf);
}

static bool
holds(struct engine *e, uint64_t seq, uint64_t off, uint64_t len, uint8_t what)
{
	struct lun_dev *d;
	uint8_t *buf = malloc(len);
	bool same = true;

	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, lun.number, seq, &d), 0);
	CU_ASSERT_TRUE(lun_dev_is_read_only(d));
	CU_ASSERT_EQUAL(engine_rw(e, d, LUN_READ, off, buf, len, 0), 0);
	for (uint64_t i = 0; i < len; i++)
		same = same && buf[i] == what;
	lun_dev_close(d);
	free(buf);
	return (same);
}

static void
make(struct engine *e)
{
	struct lun_params p = { .name = "disk", .size_bytes = LUN_BYTES,
	    .block_bytes = 4096, .sector_bytes = 512, .open = true };

	CU_ASSERT_EQUAL_FATAL(engine_make(e), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_create(e->ls, &p, &lun), 0);
	fill(e, 0, 2 * MIB, 1);
	CU_ASSERT_EQUAL(lunset_checkpoint(e->ls), 0);
	fill(e, MIB, 2 * MIB, 2);
	CU_ASSERT_EQUAL(lunset_snapshot(e->ls, "disk", "one", &snap), 0);
	fill(e, 4 * MIB, MIB, 3);
	engine_abandon(e);
}

static void
open_ro(struct engine *e, bool salvage)
{

	e->conf.read_only = true;
	e->conf.salvage = salvage;
	CU_ASSERT_EQUAL_FATAL(engine_open(e), 0);
}

/* ---- tests ------------------------------------------------------------------ */

static void
test_reads(void)
{
	struct engine e;
	uint64_t before;

	make(&e);
	before = state_of(e.dir);
	open_ro(&e, false);
	CU_ASSERT_TRUE(holds(&e, LUN_HEAD, 0, MIB, 1));
	CU_ASSERT_TRUE(holds(&e, LUN_HEAD, MIB, 2 * MIB, 2));
	CU_ASSERT_TRUE(holds(&e, LUN_HEAD, 3 * MIB, MIB, 0));
	CU_ASSERT_TRUE(holds(&e, LUN_HEAD, 4 * MIB, MIB, 3));
	CU_ASSERT_TRUE(holds(&e, snap.seq, MIB, 2 * MIB, 2));
	CU_ASSERT_TRUE(holds(&e, snap.seq, 4 * MIB, MIB, 0));
	CU_ASSERT_FALSE(lunset_is_damaged(e.ls));
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL(state_of(e.dir), before);
	engine_remove(&e);
}

static void
test_refuses(void)
{
	struct lun_params p = { .name = "more", .size_bytes = LUN_BYTES,
	    .block_bytes = 4096, .sector_bytes = 512, .open = true };
	const char *who = "iqn.2026-01.test:a";
	struct lun_user u = { .user = "u", .secret = "x", .secret_len = 1 };
	struct lun_extent x = { 0, 4096 };
	struct exposure_info ei;
	static uint8_t buf[8192];
	struct lun_info info;
	struct snap_info s;
	struct lun_dev *d;
	struct engine e;
	uint64_t before;

	make(&e);
	before = state_of(e.dir);
	open_ro(&e, false);
	CU_ASSERT_EQUAL(lunset_create(e.ls, &p, &info), -EROFS);
	CU_ASSERT_EQUAL(lunset_delete(e.ls, "disk", true), -EROFS);
	CU_ASSERT_EQUAL(lunset_snapshot(e.ls, "disk", "two", &s), -EROFS);
	CU_ASSERT_EQUAL(lunset_snap_delete(e.ls, "disk", "one"), -EROFS);
	CU_ASSERT_EQUAL(lunset_expose(e.ls, "disk", "one", &ei), -EROFS);
	CU_ASSERT_EQUAL(lunset_set_hold(e.ls, "disk", true), -EROFS);
	CU_ASSERT_EQUAL(lunset_allow(e.ls, "disk", &who, 1), -EROFS);
	CU_ASSERT_EQUAL(lunset_user_add(e.ls, "disk", &u), -EROFS);
	CU_ASSERT_EQUAL(lunset_checkpoint(e.ls), -EROFS);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e.ls, lun.number, LUN_HEAD, &d), 0);
	CU_ASSERT_EQUAL(engine_rw(&e, d, LUN_WRITE, 0, buf, 4096, 0), -EROFS);
	CU_ASSERT_EQUAL(engine_rw(&e, d, LUN_WRITE, 512, buf, 512,
	    LUN_F_FUA), -EROFS);
	CU_ASSERT_EQUAL(engine_rw(&e, d, LUN_COMPARE_WRITE, 0, buf, 8192, 0),
	    -EROFS);
	CU_ASSERT_EQUAL(engine_zero(&e, d, &x, 1), -EROFS);
	lun_dev_close(d);
	CU_ASSERT_TRUE(holds(&e, LUN_HEAD, 0, MIB, 1));
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL(state_of(e.dir), before);
	engine_remove(&e);
}

/* Several readers; no reader with a writer. */
static void
test_lock(void)
{
	struct engine e, other;

	make(&e);
	other = e;
	open_ro(&e, false);
	open_ro(&other, false);
	CU_ASSERT_TRUE(holds(&other, LUN_HEAD, 0, MIB, 1));
	CU_ASSERT_EQUAL(engine_close(&other), 0);
	other.conf.read_only = false;
	CU_ASSERT_EQUAL(engine_open(&other), -EBUSY);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&other), 0);
	CU_ASSERT_EQUAL(engine_open(&e), -EBUSY);
	CU_ASSERT_EQUAL(engine_close(&other), 0);
	engine_remove(&e);
}

/* A folder that nobody may write to; a copy without the lock. */
static void
test_read_only_folder(void)
{
	struct engine e;
	char cmd[320];

	make(&e);
	(void)snprintf(cmd, sizeof(cmd), "rm '%s/lock' '%s'/catalog/lock.mdb &&"
	    " chmod -R a-w '%s'", e.dir, e.dir, e.dir);
	CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
	open_ro(&e, false);
	CU_ASSERT_TRUE(holds(&e, LUN_HEAD, MIB, 2 * MIB, 2));
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	(void)snprintf(cmd, sizeof(cmd), "chmod -R u+w '%s'", e.dir);
	CU_ASSERT_EQUAL(system(cmd), 0);
	engine_remove(&e);
}

/*
 * The last segment of the log is rubbish behind its first records: without
 * salvage it does not open, with it there is what came before.
 */
static void
test_salvage(void)
{
	struct engine e;
	uint64_t before;
	char path[128];
	uint32_t n = 200;
	int fd = -1;

	make(&e);
	/* A header in the middle: what was flushed behind it is lost. */
	while (fd < 0 && --n > 0) {
		(void)snprintf(path, sizeof(path), "%s/seg/%02x/%08x", e.dir,
		    n & 0xff, n);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	CU_ASSERT_TRUE_FATAL(fd >= 0 && n > 1);
	(void)close(fd);
	CU_ASSERT_EQUAL(unlink(path), 0);
	before = state_of(e.dir);
	open_ro(&e, true);
	CU_ASSERT_TRUE(holds(&e, LUN_HEAD, 0, MIB, 1));
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL(state_of(e.dir), before);
	engine_remove(&e);
}

static void
test_datamap(void)
{
	uint64_t unit = 0;
	struct lun_dev *d;
	struct engine e;
	uint8_t *map;

	make(&e);
	open_ro(&e, false);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e.ls, lun.number, LUN_HEAD, &d), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_datamap(d, &map, &unit), 0);
	CU_ASSERT_EQUAL(unit, 256u << 10);
	/* 8 MiB are 32 units: 0..11 and 16..19 have data. */
	CU_ASSERT_EQUAL(map[0], 0xff);
	CU_ASSERT_EQUAL(map[1], 0x0f);
	CU_ASSERT_EQUAL(map[2], 0x0f);
	CU_ASSERT_EQUAL(map[3], 0);
	free(map);
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

static const struct unit_test tests[] = {
	{ "reads", test_reads },
	{ "refuses every change", test_refuses },
	{ "readers and writers", test_lock },
	{ "a folder that nobody may write to", test_read_only_folder },
	{ "what is left of a damaged log", test_salvage },
	{ "where data may be", test_datamap },
};
UNIT_MAIN("readonly", tests)
