/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set.c - opening and closing the LUNs of a store, devices, status.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lun/lun_int.h"
#include "lun/verify_int.h"
#include "meta/base/clock.h"
#include "meta/dedup.h"
#include "meta/memory.h"

#define MEMORY_DEFAULT (UINT64_C(512) << 20)

static const struct store_ops set_store_ops = {
	.row = table_row,
	.replay = replay_record,
	.fold = ckpt_fold,
	.publish = ckpt_publish,
	.settled = ckpt_settled,
	.fold_need = space_fold_need,
	.space = space_changed,
};

int
lunset_init(const struct lunset_conf *conf)
{

	return (store_init(conf->store, conf->segment_bytes));
}

static void
set_free(struct lunset *ls)
{

	ckpt_drop(ls);
	lost_fini(&ls->lost);
	recent_fini(&ls->recent);
	verifier_free(ls->verifier, false);
	LIST_FOREACH_SAFE(it, nx, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		TT_ASSERT(l->n_devs == 0);
		list_del(&l->link);
		list_del(&l->hash);
		lun_unref(l);
	}
	lk_destroy(&ls->lk);
	lk_destroy(&ls->admin_lk);
	lk_destroy(&ls->notify_lk);
	free(ls->path);
	free(ls);
}

int
lunset_open(const struct lunset_conf *conf, struct lunset **out)
{
	struct store_conf sc = {
		.path = conf->store,
		.prepared = conf->prepared,
		.checkpoint_bytes = conf->checkpoint_bytes,
		.checkpoint_ms = conf->checkpoint_ms,
		.space_low_percent = conf->space_low_percent,
		.reserve_bytes = conf->reserve_bytes,
		.read_only = conf->read_only,
		.salvage = conf->salvage,
		.looking = conf->looking,
		.locked = conf->locked,
		.catalog = conf->catalog,
		.ops = &set_store_ops,
	};
	struct memory_shares share;
	struct lunset *ls;
	int rc;

	if ((ls = calloc(1, sizeof(*ls))) == NULL)
		return (-ENOMEM);
	ls->memory_bytes = conf->memory_bytes == 0 ? MEMORY_DEFAULT :
	    conf->memory_bytes;
	ls->next_lun = 1;
	ls->replay_gen = 1;
	lost_init(&ls->lost);
	recent_init(&ls->recent);
	lk_init(&ls->admin_lk, LK_ADMIN);
	lk_init(&ls->notify_lk, LK_NOTIFY);
	lk_init(&ls->lk, LK_LUNSET);
	list_init(&ls->luns);
	for (unsigned i = 0; i < LUN_HASH; i++)
		list_init(&ls->hash[i]);
	if ((ls->path = strdup(conf->store)) == NULL) {
		rc = -ENOMEM;
		goto out_free;
	}
	if ((rc = verifier_new(ls, conf, &ls->verifier)) != 0)
		goto out_free;
	sc.arg = ls;
	ls->read_only = conf->read_only;
	ls->salvage = conf->salvage;
	memory_divide(ls->memory_bytes, &share);
	ls->overlay_limit = share.overlays / 2;
	sc.node_cache_bytes = share.node_cache;
	sc.dedup_bytes = share.dedup;
	sc.reclaim_bytes = conf->reclaim_bytes == 0 ? share.reclaim :
	    conf->reclaim_bytes;
	ls->verify_limit = conf->verify_bytes == 0 ? share.verify :
	    conf->verify_bytes;
	if ((rc = store_open(&sc, &ls->store)) != 0)
		goto out_free;
	ls->log = store_log(ls->store);
	ls->nodes = store_nodes(ls->store);
	ls->segs = store_segs(ls->store);
	ls->moved = store_moved(ls->store);
	if ((rc = table_check(ls)) != 0 || (rc = store_start(ls->store)) != 0)
		goto out_close;
	if (!ls->read_only)
		hold_after_power_loss(ls);
	if ((rc = verifier_start(ls->verifier)) != 0)
		goto out_close;
	*out = ls;
	return (0);

out_close:
	(void)store_close(ls->store, false);
out_free:
	set_free(ls);
	return (rc);
}

bool
lunset_is_damaged(const struct lunset *ls)
{

	return (ls->damaged || store_is_damaged(ls->store));
}

int
lunset_close(struct lunset *ls)
{
	int rc;

	verifier_free(ls->verifier, true);
	ls->verifier = NULL;
	rc = store_close(ls->store, true);
	set_free(ls);
	return (rc);
}

void
lunset_abandon(struct lunset *ls)
{

	verifier_free(ls->verifier, false);
	ls->verifier = NULL;
	(void)store_close(ls->store, false);
	set_free(ls);
}

int
lunset_checkpoint(struct lunset *ls)
{

	return (store_checkpoint(ls->store));
}

/* ---- devices ---------------------------------------------------------- */

/*
 * A snapshot whose record is in the log has no view yet when its maker was
 * told of an error: no memory, or a sync that failed.
 */
static int
settle(struct lunset *ls, struct snap *s)
{
	bool bare;

	lk_lock(&s->lun->lk);
	bare = s->view == NULL;
	lk_unlock(&s->lun->lk);
	if (!bare)
		return (0);
	/* Batches before the cut may still be on their way. */
	log_drain(ls->log, s->gen);
	return (view_settle(s));
}

int
lun_dev_open(struct lunset *ls, uint64_t number, uint64_t seq,
    struct lun_dev **out)
{
	struct lun_dev *d = calloc(1, sizeof(*d));
	struct snap *s = NULL;
	struct lun *l;
	int rc = -ENOENT;

	if (d == NULL)
		return (-ENOMEM);
	lk_lock(&ls->lk);
	l = table_by_number(ls, number);
	if (l != NULL && l->closing)
		l = NULL;
	if (l != NULL && seq != LUN_HEAD)
		s = table_snap(l, seq);
	if (s != NULL && s->closing)
		s = NULL;
	if (l != NULL && (seq == LUN_HEAD || s != NULL)) {
		d->lun = lun_ref(l);
		l->n_devs++;
		if (s != NULL) {
			d->snap = snap_ref(s);
			s->n_devs++;
		}
		rc = 0;
	}
	lk_unlock(&ls->lk);
	if (rc != 0) {
		free(d);
		return (rc);
	}
	if (s != NULL && (rc = settle(ls, s)) != 0) {
		lun_dev_close(d);
		return (rc);
	}
	*out = d;
	return (0);
}

void
lun_dev_close(struct lun_dev *d)
{
	struct lunset *ls;

	if (d == NULL)
		return;
	ls = d->lun->set;
	lk_lock(&ls->lk);
	d->lun->n_devs--;
	if (d->snap != NULL)
		d->snap->n_devs--;
	lk_unlock(&ls->lk);
	snap_unref(d->snap);
	lun_unref(d->lun);
	free(d);
}

uint64_t
lun_dev_size_bytes(const struct lun_dev *d)
{

	return (d->lun->info.size_bytes);
}

uint32_t
lun_dev_block_bytes(const struct lun_dev *d)
{

	return (d->lun->info.block_bytes);
}

bool
lun_dev_is_read_only(const struct lun_dev *d)
{

	return (d->snap != NULL || d->lun->set->read_only);
}

/* ---- status ----------------------------------------------------------- */

uint64_t
pressure_measure(struct lunset *ls)
{
	uint64_t sum = 0;

	lk_lock(&ls->lk);
	LIST_FOREACH(it, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		lk_lock(&l->lk);
		for (unsigned i = 0; i < l->cur->n; i++)
			sum += overlay_bytes(l->cur->ov[i]);
		lk_unlock(&l->lk);
	}
	lk_unlock(&ls->lk);
	atomic_store(&ls->overlay_bytes, sum);
	atomic_store(&ls->pressure_ms, clock_mono_ms());
	return (sum);
}

void
lunset_status(struct lunset *ls, struct lunset_status *out)
{
	struct store_power power;
	struct store_state ss;
	struct log_state st;
	struct space_state sp;
	struct dedup_state ds;

	memset(out, 0, sizeof(*out));
	log_state(ls->log, &st);
	store_state(ls->store, &ss);
	memcpy(out->uuid, store_uuid(ls->store), 16);
	out->epoch = store_epoch(ls->store);
	out->seq = st.seq;
	out->synced_seq = st.synced_seq;
	out->log_bytes = ss.log_bytes;
	out->checkpoints = ss.checkpoints;
	out->checkpoint_ns = ss.checkpoint_ns;
	out->checkpointing = ss.checkpointing;
	out->overlay_bytes = pressure_measure(ls);
	out->node_cache_bytes = nodes_cached_bytes(ls->nodes);
	out->memory_bytes = ls->memory_bytes;
	out->store_bytes = segs_used_bytes(ls->segs);
	lunset_gc_state(ls, &out->gc);
	out->failed = st.failed;
	store_power(ls->store, &power);
	out->power_lost = power.lost;
	out->power_from_ns = power.from_ns;
	out->power_to_ns = power.to_ns;
	out->medium_errors = atomic_load(&ls->medium_errors);
	space_state(store_space(ls->store), &sp);
	out->space = (enum lun_space)sp.level;
	out->free_bytes = sp.free_bytes;
	out->fs_bytes = sp.total_bytes;
	out->low_bytes = sp.low_bytes;
	out->hard_bytes = sp.hard_bytes;
	out->reserve_bytes = sp.reserve_bytes;
	out->prepared_bytes = (uint64_t)segs_prepared(ls->segs) *
	    store_segment_bytes(ls->store);
	store_dedup_state(ls->store, &ds);
	out->dedup = (struct lun_dedup){ ds.looked_bytes, ds.shared_bytes,
	    ds.skipped_bytes, ds.collisions, ds.memory_bytes };
}
