/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine.h - a whole engine for a test: a store in a temporary folder, one
 * worker on a blocking executor, and operations that wait for their end.
 */
#ifndef TESTS_UNIT_LUN_ENGINE_H
#define TESTS_UNIT_LUN_ENGINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lun/lun.h"
#include "meta/base/check.h"
#include "meta/base/exec_sync.h"

struct engine {
	char dir[64];
	struct lunset_conf conf;
	struct lunset *ls;
	struct exec_sync *es;
	struct lun_worker *w;
};

struct waiter {
	struct lun_op op;
	bool done;
};

static inline void
engine_done(struct lun_op *op)
{

	TT_CONTAINER(op, struct waiter, op)->done = true;
}

static inline int
engine_run(struct engine *e, struct waiter *wt)
{

	wt->op.done = engine_done;
	wt->done = false;
	lun_submit(e->w, &wt->op);
	exec_sync_run(e->es, &wt->done);
	return (wt->op.rc);
}

static inline int
engine_rw(struct engine *e, struct lun_dev *d, enum lun_op_kind kind,
    uint64_t off, void *buf, size_t len, unsigned flags)
{
	struct iovec iov = { buf, len };
	struct waiter wt = { .op = { .kind = kind, .flags = flags, .dev = d,
	    .off_bytes = off, .iov = &iov, .n_iov = 1, .len_bytes =
	    kind == LUN_COMPARE_WRITE ? len / 2 : len } };

	return (engine_run(e, &wt));
}

static inline int
engine_zero(struct engine *e, struct lun_dev *d, const struct lun_extent *x,
    unsigned n)
{
	struct waiter wt = { .op = { .kind = LUN_ZERO, .dev = d, .extents = x,
	    .n_extents = n } };

	return (engine_run(e, &wt));
}

static inline int
engine_flush(struct engine *e, struct lun_dev *d)
{
	struct waiter wt = { .op = { .kind = LUN_FLUSH, .dev = d } };

	return (engine_run(e, &wt));
}

static inline int
engine_open(struct engine *e)
{
	int rc;

	if ((rc = lunset_open(&e->conf, &e->ls)) != 0)
		return (rc);
	if ((rc = exec_sync_new(&e->es)) != 0)
		return (rc);
	return (lun_worker_new(e->ls, exec_sync_exec(e->es), &e->w));
}

static inline int
engine_close(struct engine *e)
{

	lun_worker_free(e->w);
	exec_sync_free(e->es);
	return (lunset_close(e->ls));
}

/* As if the process had been killed. */
static inline void
engine_abandon(struct engine *e)
{

	lun_worker_free(e->w);
	exec_sync_free(e->es);
	lunset_abandon(e->ls);
}

static inline int
engine_make(struct engine *e)
{
	const char *base = getenv("TT_TEST_DIR");
	int rc;

	memset(e, 0, sizeof(*e));
	/* Memory will do, if there is a file system in it. */
	if (base == NULL)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(e->dir, sizeof(e->dir), "%s/tt-engine-XXXXXX", base);
	if (mkdtemp(e->dir) == NULL)
		return (-1);
	e->conf.store = e->dir;
	e->conf.segment_bytes = 2u << 20;
	e->conf.memory_bytes = UINT64_C(64) << 20;
	if ((rc = lunset_init(&e->conf)) != 0)
		return (rc);
	return (engine_open(e));
}

static inline void
engine_remove(struct engine *e)
{
	char cmd[128];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", e->dir);
	if (system(cmd) != 0)
		(void)fprintf(stderr, "%s stays\n", e->dir);
}

#endif /* !TESTS_UNIT_LUN_ENGINE_H */
