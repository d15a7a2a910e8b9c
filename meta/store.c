/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.c - making, opening and closing a store.
 */
#include "meta/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/recover.h"
#include "meta/store_int.h"

#define CATALOG_MAP_BYTES	(UINT64_C(256) << 30)
#define MAX_OPEN_DEFAULT	1024u

static int
catalog_path(char *dst, size_t cap, const char *store)
{
	int n = snprintf(dst, cap, "%s/catalog", store);

	return (n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0);
}

/* ---- making ----------------------------------------------------------- */

static int
open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd < 0 ? -errno : fd);
}

/* The row of a store in which nothing was ever written. */
static int
init_catalog(const char *path)
{
	uint8_t val[STORE_ROW_LEN];
	struct store_row row = { .next_segment = 1 };
	struct catalog *cat;
	struct cat_txn *t;
	int rc;

	if ((rc = catalog_init(path)) != 0)
		return (rc);
	if ((rc = catalog_open(path, CATALOG_MAP_BYTES, &cat)) != 0)
		return (rc);
	if ((rc = catalog_begin(cat, &t)) == 0) {
		store_row_enc(&row, val);
		rc = catalog_put(t, CAT_STORE, STORE_ROW_KEY,
		    strlen(STORE_ROW_KEY), val, sizeof(val));
		if (rc == 0)
			rc = catalog_commit(t);
		else
			catalog_abort(t);
	}
	catalog_close(cat);
	return (rc);
}

/* The name of the store itself. */
static int
sync_parent(int fd)
{
	int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (up < 0)
		return (-errno);
	if (fsync(up) != 0)
		rc = -errno;
	(void)close(up);
	return (rc);
}

int
store_init(const char *path, uint32_t segment_bytes)
{
	struct super s = {
		.version = SUPER_VERSION,
		.created_ns = clock_utc_ns(),
		.segment_bytes = segment_bytes == 0 ? SEGMENT_BYTES_DEFAULT :
		    segment_bytes,
	};
	char cat[PATH_MAX];
	int fd, rc;

	if (s.segment_bytes < SEGMENT_BYTES_MIN ||
	    s.segment_bytes > SEGMENT_BYTES_MAX ||
	    (s.segment_bytes & (s.segment_bytes - 1)) != 0)
		return (-EINVAL);
	rnd_uuid(s.uuid);
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		rc = -errno;
		msg_err("store %s: cannot be made: %s", path, strerror(-rc));
		return (rc);
	}
	if ((fd = open_dir(path)) < 0) {
		msg_err("store %s: %s", path, strerror(-fd));
		return (fd);
	}
	/* The superblock comes last: without it this is no store. */
	if ((rc = catalog_path(cat, sizeof(cat), path)) == 0 &&
	    (rc = segs_init(path)) == 0 && (rc = init_catalog(cat)) == 0)
		rc = super_create(fd, &s);
	if (rc == 0)
		rc = sync_parent(fd);
	(void)close(fd);
	if (rc == -EEXIST)
		msg_err("store %s: there is one already", path);
	else if (rc == -ENOTEMPTY)
		msg_err("store %s: the directory is not empty", path);
	else if (rc != 0)
		msg_err("store %s: not made: %s", path, strerror(-rc));
	return (rc);
}

/* ---- opening ---------------------------------------------------------- */

static int
note_segment(struct store *st, uint32_t number, bool gone)
{
	size_t room = st->room_notes == 0 ? 64 : st->room_notes * 2;
	struct seg_note *all;
	int rc = 0;

	lk_lock(&st->lk);
	if (st->n_notes == st->room_notes) {
		all = realloc(st->notes, room * sizeof(*all));
		if (all != NULL) {
			st->notes = all;
			st->room_notes = room;
		} else {
			rc = -ENOMEM;
		}
	}
	if (rc == 0)
		st->notes[st->n_notes++] = (struct seg_note){ number, gone };
	lk_unlock(&st->lk);
	return (rc);
}

static int
segment_created(void *arg, uint32_t number)
{

	return (note_segment(arg, number, false));
}

static void
segment_gone(void *arg, uint32_t number)
{

	/* A stale row is corrected by the next one who looks. */
	(void)note_segment(arg, number, true);
}

static int
open_files(struct store *st)
{
	const char *path = st->conf.path;
	char cat[PATH_MAX];
	int rc;

	if ((st->dir_fd = open_dir(path)) < 0) {
		msg_err("store %s: %s", path, strerror(-st->dir_fd));
		return (st->dir_fd);
	}
	if ((rc = super_load(st->dir_fd, &st->super)) != 0) {
		if (rc == -ENOENT)
			msg_err("store %s: no superblock here: not a store, "
			    "or its disk is not mounted; a new store is made "
			    "with ttd --init", path);
		else
			msg_err("store %s: superblock: %s", path,
			    strerror(-rc));
		return (rc);
	}
	rc = segs_open(path, st->super.segment_bytes, st->conf.max_open,
	    &st->segs);
	if (rc != 0) {
		msg_err("store %s: %s", path, rc == -EBUSY ?
		    "another process has it open" : strerror(-rc));
		return (rc);
	}
	if ((rc = catalog_path(cat, sizeof(cat), path)) == 0)
		rc = catalog_open(cat, CATALOG_MAP_BYTES, &st->cat);
	if (rc != 0)
		msg_err("store %s: catalogue: %s", path, strerror(-rc));
	return (rc);
}

struct rows_arg {
	struct store *st;
	enum cat_table tab;
};

static int
one_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct rows_arg *a = arg;
	int rc;

	rc = a->st->conf.ops->row(a->st->conf.arg, a->tab, key, klen, val,
	    vlen);
	if (rc != 0)
		msg_err("catalogue: a row of table %d is damaged (%d)",
		    (int)a->tab, rc);
	return (rc);
}

static int
read_rows(struct store *st)
{
	uint8_t val[STORE_ROW_LEN];
	size_t vlen = sizeof(val);
	int rc;

	rc = catalog_get(st->cat, CAT_STORE, STORE_ROW_KEY,
	    strlen(STORE_ROW_KEY), val, &vlen);
	if (rc == 0)
		rc = store_row_dec(val, vlen, &st->row);
	if (rc != 0) {
		msg_err("catalogue: the row of the last checkpoint is missing "
		    "or damaged (%d)", rc);
		return (rc == -ENOENT ? -EUCLEAN : rc);
	}
	for (unsigned t = CAT_STORE; t < CAT_TABLES && rc == 0; t++) {
		struct rows_arg a = { st, (enum cat_table)t };

		if (!cat_is_derived(a.tab))
			rc = catalog_each(st->cat, a.tab, one_row, &a);
	}
	return (rc);
}

static int
replay_one(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{
	struct store *st = arg;
	int rc;

	rc = st->conf.ops->replay(st->conf.arg, r, hdr, payload);
	if (rc == 0 && (r->kind == REC_SNAPSHOT ||
	    (r->kind == REC_CATALOG && (r->flags & REC_F_DUMP) == 0)))
		rc = change_requeue(st, r, payload);
	return (rc);
}

/*
 * Recovery: replay, make durable what was replayed, and only then clean up
 * and begin an epoch.  A crash anywhere in it: the next opening does the same.
 */
static int
recover(struct store *st, struct log_pos *end)
{
	struct recover_conf rc_conf = {
		.segs = st->segs,
		.segment_bytes = st->super.segment_bytes,
		.start = st->row.pos,
		.node_segment = st->row.node_segment,
		.node_end_sectors = st->row.node_end_sectors,
		.replay = replay_one,
		.arg = st,
	};
	uint64_t begun = clock_mono_ms();
	struct recovery *rv;
	uint8_t wrote[16];
	int rc;

	memcpy(rc_conf.store_uuid, st->super.uuid, 16);
	if ((rc = recover_run(&rc_conf, &rv)) != 0)
		return (rc);
	if ((rc = recovery_sync(rv)) != 0)
		goto out_free;
	st->epoch = TT_MAX(st->row.epoch, recovery_max_epoch(rv)) + 1;
	atomic_store(&st->next_segment, TT_MAX(st->row.next_segment,
	    recovery_max_segment(rv) + 1));
	*end = recovery_end(rv);
	recovery_boot_id(rv, wrote);
	if ((rc = power_open(st, end, wrote)) != 0)
		goto out_free;
	recovery_clean(rv, segment_gone, st);
	atomic_store(&st->log_bytes, recovery_bytes(rv));
	atomic_store(&st->log_records, recovery_records(rv));
	msg_info("store opened: epoch %llu, %llu records (%llu MiB) of the "
	    "log replayed in %llu ms", (unsigned long long)st->epoch,
	    (unsigned long long)recovery_records(rv),
	    (unsigned long long)recovery_bytes(rv) >> 20,
	    (unsigned long long)(clock_mono_ms() - begun));
out_free:
	recovery_free(rv);
	return (rc);
}

static int
open_log(struct store *st, const struct log_pos *end)
{
	struct log_conf lc = {
		.segs = st->segs,
		.segment_bytes = st->super.segment_bytes,
		.epoch = st->epoch,
		.next_segment = &st->next_segment,
		.start = *end,
		.created = segment_created,
		.created_arg = st,
	};

	memcpy(lc.store_uuid, st->super.uuid, 16);
	return (log_open(&lc, &st->log));
}


static int
open_nodes(struct store *st)
{
	struct nodes_conf nc = {
		.segs = st->segs,
		.segment_bytes = st->super.segment_bytes,
		.epoch = st->epoch,
		.cache_bytes = st->conf.node_cache_bytes,
		.next_segment = &st->next_segment,
		.created = segment_created,
		.created_arg = st,
	};

	memcpy(nc.store_uuid, st->super.uuid, 16);
	return (nodes_new(&nc, &st->nodes));
}

static void
store_free(struct store *st)
{

	log_close(st->log);
	nodes_free(st->nodes);
	change_free_all(st);
	if (st->cat != NULL)
		catalog_close(st->cat);
	if (st->segs != NULL)
		segs_close(st->segs);
	if (st->dir_fd >= 0)
		(void)close(st->dir_fd);
	free(st->notes);
	(void)pthread_cond_destroy(&st->work);
	(void)pthread_cond_destroy(&st->done);
	lk_destroy(&st->lk);
	lk_destroy(&st->change_lk);
	free(st);
}

int
store_open(const struct store_conf *conf, struct store **out)
{
	struct log_pos end;
	struct store *st;
	int rc;

	if ((st = calloc(1, sizeof(*st))) == NULL)
		return (-ENOMEM);
	st->conf = *conf;
	if (st->conf.checkpoint_bytes == 0)
		st->conf.checkpoint_bytes = CHECKPOINT_BYTES_DEFAULT;
	if (st->conf.checkpoint_ms == 0)
		st->conf.checkpoint_ms = CHECKPOINT_MS_DEFAULT;
	if (st->conf.max_open == 0)
		st->conf.max_open = MAX_OPEN_DEFAULT;
	st->dir_fd = -1;
	lk_init(&st->change_lk, LK_CHANGE);
	lk_init(&st->lk, LK_KEEPER);
	cond_init(&st->work);
	cond_init(&st->done);
	list_init(&st->queue);
	if ((rc = open_files(st)) != 0 ||
	    (rc = read_rows(st)) != 0 ||
	    (rc = recover(st, &end)) != 0 ||
	    (rc = open_nodes(st)) != 0 ||
	    (rc = open_log(st, &end)) != 0)
		goto out_free;
	/* A spare costs only space: without one the store works all the same. */
	(void)segs_prepare(st->segs, st->conf.prepared);
	*out = st;
	return (0);

out_free:
	store_free(st);
	return (rc);
}

int
store_start(struct store *st)
{

	return (keeper_start(st));
}

int
store_close(struct store *st, bool checkpoint)
{
	int rc = 0;

	keeper_stop(st);
	if (checkpoint && (atomic_load(&st->log_bytes) > 0 || st->has_retry))
		rc = keeper_run(st);
	if (checkpoint && rc == 0)
		power_close(st);
	store_free(st);
	return (rc);
}

struct log *
store_log(struct store *st)
{

	return (st->log);
}

struct nodes *
store_nodes(struct store *st)
{

	return (st->nodes);
}

struct segs *
store_segs(struct store *st)
{

	return (st->segs);
}

const uint8_t *
store_uuid(const struct store *st)
{

	return (st->super.uuid);
}

uint64_t
store_epoch(const struct store *st)
{

	return (st->epoch);
}

void
store_power(const struct store *st, struct store_power *out)
{

	*out = st->power;
}
