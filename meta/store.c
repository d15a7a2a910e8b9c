/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.c - opening and closing a store; storeinit.c makes one.
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
#include "meta/base/vec.h"
#include "meta/dedup.h"
#include "meta/gc_int.h"
#include "meta/recover.h"
#include "meta/store_int.h"

#define MAX_OPEN_DEFAULT	1024u
#define REBUILD_HINT		"ttd --rebuild makes it anew from the segments"

static int
catalog_path(char *dst, size_t cap, const char *store)
{
	int n = snprintf(dst, cap, "%s/catalog", store);

	return (n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0);
}

static int
open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd < 0 ? -errno : fd);
}

/* ---- opening ---------------------------------------------------------- */

int
store_note_segment(struct store *st, uint32_t number, enum seg_kind kind,
    bool gone)
{
	struct seg_note *all;

	lk_lock(&st->lk);
	all = vec_room(st->notes, &st->room_notes, st->n_notes, sizeof(*all));
	if (all != NULL) {
		st->notes = all;
		all[st->n_notes++] = (struct seg_note){ number, kind, gone };
	}
	lk_unlock(&st->lk);
	return (all == NULL ? -ENOMEM : 0);
}

static int
log_created(void *arg, uint32_t number)
{

	return (store_note_segment(arg, number, SEG_LOG, false));
}

static int
nodes_created(void *arg, uint32_t number)
{

	return (store_note_segment(arg, number, SEG_NODES, false));
}

/* Not only in the chain of this moment: what a commit has said. */
static int
nodes_in_use(void *arg, uint32_t number, enum seg_kind *out)
{
	struct store *st = arg;
	bool freed;
	int rc = gc_row_get(st->cat, number, out, &freed);

	if (rc != 0)
		return (rc == -ENOENT ? 0 : rc);
	return (!freed);
}

/* A full store keeps its last segments for what it cannot do without. */
static bool
nodes_may_grow(void *arg)
{
	struct store *st = arg;

	return (space_may_grow(st->space));
}

/*
 * A rebuild has no row for what was not there, and the opening removes moved
 * blocks and nodes without one: so it is made durable before anybody hears that
 * the file is there again.
 */
static void
nodes_again(void *arg, uint32_t number, enum seg_kind kind)
{
	struct store *st = arg;
	enum seg_kind had;
	bool freed;

	if (gc_row_get(st->cat, number, &had, &freed) == -ENOENT &&
	    store_note_segment(st, number, kind, false) == 0)
		(void)store_checkpoint(st);
}

static void
segment_gone(void *arg, uint32_t number)
{

	/* A stale row is corrected by the next one who looks. */
	(void)store_note_segment(arg, number, SEG_LOG, true);
}

/* Not to be answered with --init: a store that lost its superblock. */
static void
say_no_super(const struct store *st, int rc)
{
	const char *path = st->conf.path;

	if (rc != -ENOENT)
		msg_err("store %s: superblock: %s", path, msg_why(rc));
	else if (faccessat(st->dir_fd, "seg", F_OK, 0) == 0)
		msg_err("store %s: its file superblock is missing, but there "
		    "is a folder seg: bring the superblock back from a copy; "
		    "only if the making of the store was cut short, and "
		    "nothing was ever stored in it, remove the folder", path);
	else
		msg_err("store %s: no superblock here: not a store, or its "
		    "disk is not mounted; a new store is made with ttd --init",
		    path);
}

/* The superblock is there, so it was a store: it has lost its catalogue. */
static int
open_catalog(struct store *st)
{
	const char *path = st->conf.path;
	char cat[PATH_MAX];
	int rc;

	if (st->conf.catalog != NULL)
		return (catalog_open_read_only(st->conf.catalog,
		    CATALOG_MAP_BYTES, &st->cat));
	if ((rc = catalog_path(cat, sizeof(cat), path)) != 0)
		return (rc);
	if (st->conf.read_only)
		rc = catalog_open_read_only(cat, CATALOG_MAP_BYTES, &st->cat);
	else
		rc = catalog_open(cat, CATALOG_MAP_BYTES, &st->cat);
	if (rc == -ENOENT || rc == -ENOTDIR)
		rc = -EUCLEAN;
	if (rc == -EUCLEAN && st->conf.looking)
		msg_info("store %s: the catalogue is missing or damaged", path);
	else if (rc == -EUCLEAN)
		msg_err("store %s: the catalogue is missing or damaged; "
		    REBUILD_HINT, path);
	else if (rc != 0)
		msg_err("store %s: catalogue: %s", path, strerror(-rc));
	return (rc);
}

static int
open_files(struct store *st)
{
	const char *path = st->conf.path;
	int rc;

	if ((st->dir_fd = open_dir(path)) < 0) {
		msg_err("store %s: %s", path, strerror(-st->dir_fd));
		return (st->dir_fd);
	}
	if ((rc = super_load(st->dir_fd, &st->super)) != 0) {
		say_no_super(st, rc);
		return (rc);
	}
	if (st->conf.read_only)
		rc = segs_open_read_only(path, st->super.segment_bytes,
		    st->conf.max_open, st->conf.locked, &st->segs);
	else
		rc = segs_open(path, st->super.segment_bytes,
		    st->conf.max_open, &st->segs);
	if (rc != 0) {
		msg_err("store %s: %s", path, rc == -EBUSY ?
		    SEGS_BUSY_TEXT : strerror(-rc));
		return (rc);
	}
	return (open_catalog(st));
}

struct rows_arg {
	struct store *st;
	enum cat_table tab;
};

/* Who looks only to rebuild it need not be told to. */
static const char *
hint(const struct store *st)
{

	return (st->conf.looking ? "" : "; " REBUILD_HINT);
}

/* Salvage: all but the lack of memory is only noted. */
static int
left_out(struct store *st, int rc)
{

	if (rc == 0 || rc == -ENOMEM || !st->conf.salvage)
		return (rc);
	st->damaged = true;
	return (0);
}

static int
one_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct rows_arg *a = arg;
	int rc;

	rc = a->st->conf.ops->row(a->st->conf.arg, a->tab, key, klen, val,
	    vlen);
	if (rc != 0)
		msg_err("catalogue: a row of table %d is damaged (%s)%s",
		    (int)a->tab, msg_why(rc), a->st->conf.salvage ?
		    ": it is left out" : hint(a->st));
	return (left_out(a->st, rc));
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
		    "or damaged (%s)%s", msg_why(rc), hint(st));
		rc = left_out(st, rc == -ENOENT ? -EUCLEAN : rc);
	}
	for (unsigned t = CAT_STORE; t < CAT_TABLES && rc == 0; t++) {
		struct rows_arg a = { st, (enum cat_table)t };

		if (!cat_is_derived(a.tab))
			rc = left_out(st,
			    catalog_each(st->cat, a.tab, one_row, &a));
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
 * Its row tells: a pair of nodes that was committed, or moved blocks.  A log
 * segment without a header cannot be read, and recovery has found that out.
 */
static bool
is_in_use(void *arg, uint32_t number)
{
	struct store *st = arg;
	enum seg_kind kind;
	bool freed;
	int rc = gc_row_get(st->cat, number, &kind, &freed);

	if (rc != 0)
		return (rc != -ENOENT);
	if (freed || kind == SEG_LOG)
		return (false);
	return (kind == SEG_MOVED || number <= st->row.node_segment + 1);
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
		.salvage = st->conf.salvage,
		.replay = replay_one,
		.in_use = is_in_use,
		.arg = st,
	};
	uint64_t begun = clock_mono_ms();
	struct recovery *rv;
	uint8_t wrote[16];
	int rc;

	memcpy(rc_conf.store_uuid, st->super.uuid, 16);
	if ((rc = recover_run(&rc_conf, &rv)) != 0)
		return (rc);
	if (st->conf.read_only) {
		st->epoch = st->row.epoch;
		st->damaged = st->damaged || recovery_damaged(rv);
		*end = recovery_end(rv);
		goto out_free;
	}
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
	if ((rc = gc_open(st)) != 0)
		goto out_free;
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

/*
 * The room that a checkpoint needs has to stay free.  While there is little of
 * it, checkpoints come early: then they need little.
 */
static uint64_t
space_need(void *arg)
{
	struct store *st = arg;

	if (atomic_load(&st->level) != SPACE_OK &&
	    atomic_load(&st->log_bytes) >= LOW_CHECKPOINT_BYTES)
		store_want_checkpoint(st);
	return (st->conf.ops->fold_need == NULL ? 0 :
	    st->conf.ops->fold_need(st->conf.arg));
}

static void
space_level(void *arg, enum space_level now)
{
	struct store *st = arg;

	atomic_store(&st->level, now);
	if (now != SPACE_OK)
		gc_nudge(st);
	if (st->conf.ops->space != NULL)
		st->conf.ops->space(st->conf.arg, now);
}

static int
open_space(struct store *st)
{
	struct space_conf sc = {
		.dir_fd = st->dir_fd,
		.segs = st->segs,
		.segment_bytes = st->super.segment_bytes,
		.prepared = st->conf.prepared,
		.low_percent = st->conf.space_low_percent,
		.reserve_bytes = st->conf.reserve_bytes,
		.need = space_need,
		.level = space_level,
		.arg = st,
	};

	if (st->conf.read_only)
		sc = (struct space_conf){ .dir_fd = st->dir_fd,
		    .segs = st->segs, .read_only = true,
		    .segment_bytes = st->super.segment_bytes };
	return (space_new(&sc, &st->space));
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
		.created = log_created,
		.created_arg = st,
		.space = st->space,
	};

	memcpy(lc.store_uuid, st->super.uuid, 16);
	return (log_open(&lc, &st->log));
}


static int
open_nodes(struct store *st)
{
	struct nodes_conf nc = {
		.segs = st->segs,
		.moved = st->moved,
		.segment_bytes = st->super.segment_bytes,
		.epoch = st->epoch,
		.cache_bytes = st->conf.node_cache_bytes,
		.next_segment = &st->next_segment,
		.created = nodes_created,
		.in_use = nodes_in_use,
		.may_grow = nodes_may_grow,
		.again = nodes_again,
		.created_arg = st,
	};

	memcpy(nc.store_uuid, st->super.uuid, 16);
	return (nodes_new(&nc, &st->nodes));
}

static int
open_dedup(struct store *st)
{

	return (st->conf.read_only ? 0 : dedup_open(st, st->conf.dedup_bytes));
}

static void
store_free(struct store *st)
{

	gc_free(st);
	log_close(st->log);
	nodes_free(st->nodes);
	space_free(st->space);
	change_free_all(st);
	dedup_close(st);
	moved_close(st->moved);
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
	    (rc = open_space(st)) != 0 ||
	    (rc = moved_open(st->cat, st->segs, &st->moved)) != 0 ||
	    (rc = open_dedup(st)) != 0 ||
	    (rc = read_rows(st)) != 0 ||
	    (rc = gc_new(st)) != 0 ||
	    (rc = recover(st, &end)) != 0 ||
	    (rc = open_nodes(st)) != 0 ||
	    (rc = open_log(st, &end)) != 0)
		goto out_free;
	if (st->conf.read_only)
		log_fail(st->log, -EROFS);
	*out = st;
	return (0);

out_free:
	/* Nothing more can be done here, but the next opening has the room. */
	if (rc == -ENOSPC)
		(void)space_release(st->space);
	store_free(st);
	return (rc);
}

int
store_start(struct store *st)
{
	int rc;

	if (st->conf.read_only)
		return (0);
	if ((rc = keeper_start(st)) != 0)
		return (rc);
	if ((rc = gc_start(st)) == 0 &&
	    (rc = space_start(st->space)) == 0)
		return (0);
	gc_stop(st);
	keeper_stop(st);
	return (rc);
}

int
store_close(struct store *st, bool checkpoint)
{
	int rc = 0;

	space_stop(st->space);
	gc_stop(st);
	keeper_stop(st);
	checkpoint = checkpoint && !st->conf.read_only;
	if (checkpoint && (atomic_load(&st->log_bytes) > 0 || st->has_retry))
		rc = keeper_try(st);
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

struct space *
store_space(struct store *st)
{

	return (st->space);
}

struct moved *
store_moved(struct store *st)
{

	return (st->moved);
}

const uint8_t *
store_uuid(const struct store *st)
{

	return (st->super.uuid);
}

uint32_t
store_segment_bytes(const struct store *st)
{

	return (st->super.segment_bytes);
}

uint64_t
store_epoch(const struct store *st)
{

	return (st->epoch);
}

bool
store_is_damaged(const struct store *st)
{

	return (st->damaged);
}

void
store_power(const struct store *st, struct store_power *out)
{

	*out = st->power;
}
