/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload_adm.c - the second thread of the workload: what an administrator
 * does, one thing at a time.
 */
#include "tests/crash/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lun/verify.h"
#include "meta/base/check.h"
#include "meta/rec.h"
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
const char *work_store;
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
	static const uint32_t blocks[] = { 4096, 4096, 8192, 4096, 65536 };
	static const uint64_t sizes[] = { UINT64_C(1) << 19,
	    UINT64_C(1) << 20, UINT64_C(3) << 40 };
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
	if (key % 4 == 0) {
		p.no_dedup = true;
		k.flags |= MARK_F_NO_DEDUP;
	}
	l->prop[PROP_DEDUP] = !p.no_dedup;
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

/* Nobody is promised anything by it: all must be as it was. */
int
work_adm_reclaim(struct lun *l, struct snap *s)
{

	(void)l;
	(void)s;
	return (lunset_gc(work_ls, true));
}

/* ---- what is said of a LUN ----------------------------------------------- */

static const char second[] = "second";
static const char *const initiator[] = { "iqn.2026-11.example:only" };

bool
work_prop(const struct lun *l, enum mark_prop prop)
{
	char (*names)[LUN_INITIATOR_CAP] = NULL;
	struct lun_user *u = NULL;
	bool is = false;
	size_t n = 0;

	switch (prop) {
	case PROP_HOLD:
		return (l->info.hold);
	case PROP_DEDUP:
		return (l->info.dedup);
	case PROP_WRITE_THROUGH:
		return (l->info.write_through);
	case PROP_USER:
		work_must(lunset_users(work_ls, l->info.number, &u, &n),
		    "users");
		for (size_t i = 0; i < n; i++)
			is |= strcmp(u[i].user, second) == 0;
		free(u);
		return (is);
	case PROP_INITIATOR:
		work_must(lunset_initiators(work_ls, l->info.number, &names,
		    &n), "initiators");
		free(names);
		return (n > 0);
	case PROPS:
		break;
	}
	return (false);
}

static int
set_prop(const struct lun *l, enum mark_prop prop, bool on)
{
	struct lun_user user = { .user = "second", .secret = "sealed",
	    .secret_len = 6 };

	switch (prop) {
	case PROP_HOLD:
		return (lunset_set_hold(work_ls, l->name, on));
	case PROP_DEDUP:
		return (lunset_set_dedup(work_ls, l->name, on));
	case PROP_WRITE_THROUGH:
		return (lunset_set_write_through(work_ls, l->name, on));
	case PROP_USER:
		return (on ? lunset_user_add(work_ls, l->name, &user) :
		    lunset_user_remove(work_ls, l->name, second, false));
	case PROP_INITIATOR:
		return (on ? lunset_allow(work_ls, l->name, initiator, 1) :
		    lunset_deny(work_ls, l->name, initiator, 1));
	case PROPS:
		break;
	}
	return (-EINVAL);
}

int
work_adm_prop(struct lun *l, struct snap *s)
{
	const enum mark_prop prop = l->next_prop;
	struct mark k = { .kind = MARK_PROP, .lun = l->key, .op = prop,
	    .seq = !l->prop[prop] };
	int rc;

	(void)s;
	/* Only what is sent while it is surely on counts. */
	if (prop == PROP_WRITE_THROUGH)
		atomic_store(&l->write_through, false);
	work_mark(k);
	if ((rc = set_prop(l, prop, k.seq != 0)) != 0)
		return (rc);
	k.kind = MARK_PROP_DONE;
	work_mark(k);
	l->prop[prop] = k.seq != 0;
	if (prop == PROP_WRITE_THROUGH)
		atomic_store(&l->write_through, k.seq != 0);
	return (0);
}

/* ---- nodes --------------------------------------------------------------- */

/*
 * A descriptor of some segment with nodes, or -1.  Always a second copy: a page
 * is not written again if a neighbour, be it dead, has no other whole copy.
 */
static int
some_nodes(unsigned turn, char path[PATH_MAX])
{
	uint8_t head[SEG_HEADER_BYTES];
	struct seg_header h;
	char pattern[PATH_MAX];
	int fd = -1;
	glob_t g;

	(void)snprintf(pattern, sizeof(pattern), "%s/seg/*/*", work_store);
	if (glob(pattern, 0, NULL, &g) != 0)
		return (-1);
	for (size_t i = 0; i < g.gl_pathc && fd < 0; i++) {
		(void)snprintf(path, PATH_MAX, "%s",
		    g.gl_pathv[(i + turn) % g.gl_pathc]);
		fd = open(path, O_RDWR);
		if (fd >= 0 && (pread(fd, head, sizeof(head), 0) !=
		    (ssize_t)sizeof(head) || seg_header_dec(head, &h) != 0 ||
		    h.kind != SEG_NODES || h.number < h.twin)) {
			(void)close(fd);
			fd = -1;
		}
	}
	globfree(&g);
	return (fd);
}

/* Some pages of it that are not empty get other bytes. */
static void
damage(int fd)
{
	uint8_t page[4096];
	off_t at = SEG_HEADER_BYTES;
	unsigned n = 0;

	for (; n < 48 && pread(fd, page, sizeof(page), at) ==
	    (ssize_t)sizeof(page); at += (off_t)sizeof(page)) {
		if (page[100] == 0 || n++ % 3 != 0)
			continue;
		page[100] ^= 0x55;
		if (pwrite(fd, page + 100, 1, at + 100) != 1)
			work_must(-errno, "damage");
	}
	if (fdatasync(fd) != 0)
		work_must(-errno, "damage");
}

static int
verify_all(void)
{
	struct verify_params all = { .lun = NULL };
	struct verify_state v;
	int rc;

	if ((rc = lunset_verify(work_ls, &all)) != 0)
		return (rc);
	do {
		(void)usleep(500);
		lunset_verify_state(work_ls, &v);
	} while (v.running);
	work->did.repairs += (unsigned)v.repaired;
	work->did.remade += (unsigned)v.remade;
	return (v.rc != 0 ? v.rc : v.n_damage > 0 ? -EILSEQ : 0);
}

/* One copy of some nodes is damaged; verification makes it good. */
int
work_adm_repair(struct lun *l, struct snap *s)
{
	static unsigned turn;
	char path[PATH_MAX];
	int fd = some_nodes(++turn * 7, path);

	(void)l;
	(void)s;
	if (fd >= 0) {
		work_mark((struct mark){ .kind = MARK_DAMAGE });
		damage(fd);
		(void)close(fd);
	}
	return (verify_all());
}

/*
 * Before an opening: a file of a pair is gone, or its header is.  While a store
 * is open the process may have the file open, or write to it.
 */
void
work_lose(void)
{
	static const uint8_t zero[SEG_HEADER_BYTES];
	unsigned turn = ++work->losses;
	char path[PATH_MAX];
	int fd = turn % 3 == 0 ? -1 : some_nodes(turn * 7, path), rc = 0;

	if (fd < 0)
		return;
	work_mark((struct mark){ .kind = MARK_DAMAGE });
	if (turn % 3 == 1)
		rc = unlink(path);
	else if (pwrite(fd, zero, sizeof(zero), 0) != (ssize_t)sizeof(zero))
		rc = -1;
	if (rc != 0 || fdatasync(fd) != 0)
		work_must(-errno, "lose a file");
	(void)close(fd);
}

void
work_make_good(void)
{

	work_must(verify_all(), "verify what was lost");
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
