/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload_adm.c - the second thread of the workload: what an administrator
 * does, one thing at a time.
 */
#include "tests/crash/workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "tests/crash/trace.h"

struct admin {
	pthread_t thread;
	pthread_mutex_t mtx;
	pthread_cond_t cond;
	int (*fn)(struct lun *l, struct snap *s);
	struct lun *l;
	struct snap *s;
	bool quit, busy;
};

struct work *work;
struct lunset *work_ls;
static struct admin adm;

void
work_mark(struct mark k)
{

	if (tt_record_mark != NULL)
		tt_record_mark(&k, sizeof(k));
}

void
work_mark_snap(enum mark_kind kind, const struct lun *l, const char *name,
    uint64_t seq, const uint8_t *uuid)
{
	struct mark k = { .kind = kind, .lun = l->key, .seq = seq };

	(void)snprintf(k.name, sizeof(k.name), "%s", name);
	if (uuid != NULL)
		memcpy(k.uuid, uuid, sizeof(k.uuid));
	work_mark(k);
}

void
work_must(int rc, const char *what)
{

	if (rc == 0)
		return;
	(void)fprintf(stderr, "workload: %s: %s\n", what, strerror(-rc));
	exit(1);
}

/* ---- what the administrator does -------------------------------------- */

int
work_adm_create(struct lun *l, struct snap *s)
{
	static const uint32_t blocks[] = { 4096, 4096, 8192, 16384, 65536 };
	static const uint64_t sizes[] = { UINT64_C(1) << 20,
	    UINT64_C(2) << 20, UINT64_C(3) << 40 };
	struct lun_user user = { .user = "someone", .secret = "sealed",
	    .secret_len = 6 };
	uint32_t key = ++work->next_key;
	struct mark k = { .kind = MARK_LUN, .lun = key, .flags = MARK_F_USER };
	uint64_t r = (uint64_t)l->key * 7 + key;
	struct lun_params p = { .name = l->name, .users = &user,
	    .n_users = 1 };
	int rc;

	(void)s;
	p.block_bytes = blocks[r % 5];
	p.size_bytes = sizes[r % 3];
	p.sector_bytes = r % 4 == 3 ? 4096 : 512;
	l->key = key;
	l->state = COMING;
	k.size = p.size_bytes;
	k.block = p.block_bytes;
	k.sector = p.sector_bytes;
	(void)snprintf(k.name, sizeof(k.name), "%s", l->name);
	work_mark(k);
	if ((rc = lunset_create(work_ls, &p, &l->info)) != 0)
		return (rc);
	k.kind = MARK_LUN_DONE;
	k.seq = l->info.number;
	memcpy(k.uuid, l->info.identity.uuid, sizeof(k.uuid));
	work_mark(k);
	l->state = YES;
	return (0);
}

int
work_adm_delete(struct lun *l, struct snap *s)
{
	int rc;

	(void)s;
	l->state = GOING;
	work_mark((struct mark){ .kind = MARK_LUN_DEL, .lun = l->key });
	if ((rc = lunset_delete(work_ls, l->name, true)) == 0)
		work_mark((struct mark){ .kind = MARK_LUN_DEL_DONE,
		    .lun = l->key });
	l->state = NO;
	return (rc);
}

int
work_adm_snap(struct lun *l, struct snap *s)
{
	struct snap_info si;
	int rc;

	s->state = COMING;
	work_mark_snap(MARK_SNAP, l, s->name, 0, NULL);
	rc = lunset_snapshot(work_ls, l->name, s->name, &si);
	if (rc == 0)
		work_mark_snap(MARK_SNAP_DONE, l, s->name, si.seq, NULL);
	s->state = YES;
	return (rc);
}

int
work_adm_snap_delete(struct lun *l, struct snap *s)
{
	int rc;

	s->state = GOING;
	work_mark_snap(MARK_SNAP_DEL, l, s->name, 0, NULL);
	if ((rc = lunset_snap_delete(work_ls, l->name, s->name)) == 0)
		work_mark_snap(MARK_SNAP_DEL_DONE, l, s->name, 0, NULL);
	s->state = NO;
	return (rc);
}

int
work_adm_expose(struct lun *l, struct snap *s)
{
	struct exposure_info ei;
	int rc;

	s->exposed = COMING;
	work_mark_snap(MARK_EXPOSE, l, s->name, 0, NULL);
	if ((rc = lunset_expose(work_ls, l->name, s->name, &ei)) == 0)
		work_mark_snap(MARK_EXPOSE_DONE, l, s->name, 0, ei.identity.uuid);
	s->exposed = YES;
	return (rc);
}

int
work_adm_unexpose(struct lun *l, struct snap *s)
{
	int rc;

	s->exposed = GOING;
	work_mark_snap(MARK_UNEXPOSE, l, s->name, 0, NULL);
	if ((rc = lunset_unexpose(work_ls, l->name, s->name)) == 0)
		work_mark_snap(MARK_UNEXPOSE_DONE, l, s->name, 0, NULL);
	s->exposed = NO;
	return (rc);
}

int
work_adm_checkpoint(struct lun *l, struct snap *s)
{
	int rc;

	(void)l;
	(void)s;
	work_mark((struct mark){ .kind = MARK_CHECKPOINT });
	if ((rc = lunset_checkpoint(work_ls)) == 0)
		work_mark((struct mark){ .kind = MARK_CHECKPOINT_DONE });
	return (rc);
}

static void *
work_adm_main(void *arg)
{

	(void)arg;
	(void)pthread_mutex_lock(&adm.mtx);
	while (!adm.quit) {
		if (!adm.busy) {
			(void)pthread_cond_wait(&adm.cond, &adm.mtx);
			continue;
		}
		(void)pthread_mutex_unlock(&adm.mtx);
		work_must(adm.fn(adm.l, adm.s), "administration");
		(void)pthread_mutex_lock(&adm.mtx);
		adm.busy = false;
		(void)pthread_cond_broadcast(&adm.cond);
	}
	(void)pthread_mutex_unlock(&adm.mtx);
	return (NULL);
}

bool
work_adm_idle(void)
{
	bool idle;

	(void)pthread_mutex_lock(&adm.mtx);
	idle = !adm.busy;
	(void)pthread_mutex_unlock(&adm.mtx);
	return (idle);
}

void
work_adm_start(int (*fn)(struct lun *, struct snap *), struct lun *l,
    struct snap *s)
{

	(void)pthread_mutex_lock(&adm.mtx);
	TT_ASSERT(!adm.busy);
	adm.fn = fn;
	adm.l = l;
	adm.s = s;
	adm.busy = true;
	(void)pthread_cond_broadcast(&adm.cond);
	(void)pthread_mutex_unlock(&adm.mtx);
}

void
work_adm_init(void)
{

	(void)pthread_mutex_init(&adm.mtx, NULL);
	(void)pthread_cond_init(&adm.cond, NULL);
	TT_ASSERT(pthread_create(&adm.thread, NULL, work_adm_main,
	    NULL) == 0);
}

void
work_adm_fini(void)
{

	(void)pthread_mutex_lock(&adm.mtx);
	adm.quit = true;
	(void)pthread_cond_broadcast(&adm.cond);
	(void)pthread_mutex_unlock(&adm.mtx);
	(void)pthread_join(adm.thread, NULL);
}
