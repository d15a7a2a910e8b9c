/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_snap_race.c - exposures come and go while checkpoints take deleted
 * snapshots of the same LUN out of its list.  Without the LUN's lock the walk
 * through that list met freed memory, or never ended; TSan sees it at once.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define SNAPS 100

static struct engine e;
static _Atomic bool stop;
static _Atomic unsigned exposed, failed;

static void *
checkpoints(void *arg)
{

	(void)arg;
	while (!stop)
		if (lunset_checkpoint(e.ls) != 0)
			failed++;
	return (NULL);
}

static void *
exposures(void *arg)
{
	struct exposure_info x;

	(void)arg;
	while (!stop) {
		if (lunset_expose(e.ls, "a", "kept", &x) != 0 ||
		    lunset_unexpose(e.ls, "a", "kept") != 0)
			failed++;
		exposed++;
	}
	return (NULL);
}

static void
snapshot(const char *name)
{
	struct snap_info s;

	CU_ASSERT_EQUAL_FATAL(lunset_snapshot(e.ls, "a", name, &s), 0);
}

static void
test_expose_while_snapshots_go(void)
{
	struct lun_params p = { .name = "a", .size_bytes = 1 << 20,
	    .block_bytes = 4096, .sector_bytes = 512 };
	struct lun_info info;
	struct snap_info *all;
	pthread_t t[2];
	char name[32];
	size_t n;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_create(e.ls, &p, &info), 0);
	for (unsigned i = 0; i < SNAPS; i++) {
		(void)snprintf(name, sizeof(name), "s%u", i);
		snapshot(name);
	}
	snapshot("kept");
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t[0], NULL, checkpoints, NULL),
	    0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t[1], NULL, exposures, NULL),
	    0);
	/* On a busy machine it may take a while before they all run. */
	for (unsigned k = 0; k < 10000 && exposed == 0; k++)
		(void)usleep(1000);
	for (unsigned i = 0; i < SNAPS; i++) {
		(void)snprintf(name, sizeof(name), "s%u", i);
		CU_ASSERT_EQUAL(lunset_snap_delete(e.ls, "a", name), 0);
	}
	stop = true;
	(void)pthread_join(t[0], NULL);
	(void)pthread_join(t[1], NULL);
	CU_ASSERT(exposed > 0);
	CU_ASSERT_EQUAL(failed, 0);
	CU_ASSERT_EQUAL_FATAL(lunset_snaps(e.ls, "a", &all, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT(n == 1 && !all[0].exposed);
	free(all);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

static const struct unit_test tests[] = {
	{ "exposures while deleted snapshots go",
	    test_expose_while_snapshots_go },
};

UNIT_MAIN("lun snap race", tests)
