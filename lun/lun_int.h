/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lun_int.h - what the files of lun/ share about LUNs, snapshots and views.
 */
#ifndef LUN_LUN_INT_H
#define LUN_LUN_INT_H

#include "lun/lost.h"
#include "lun/lun.h"
#include "lun/map.h"
#include "lun/overlay.h"
#include "lun/range.h"
#include "lun/rows.h"
#include "meta/base/lock.h"
#include "meta/store.h"

#define NEXT_LUN_KEY "next-lun"	/* in CAT_STORE: 8 bytes */
#define LUN_HASH 256u
/* A LUN with this many overlays asks for a checkpoint before the next cut. */
#define LUN_OVERLAYS_MAX 4u

/*
 * What a reader works on: the tree and the overlays above it, newest first.
 * Never changed once published; freed with the last reference.
 */
struct view {
	_Atomic unsigned refs;
	_Atomic uint64_t *old;		/* replaced: counted here while in use */
	struct map_root root;
	unsigned n;
	struct overlay *ov[];
};

/* Members are protected by:  I  immutable   s  set lk   l  lun lk
 *	a  atomic   K  the keeper (and the opening thread) */
struct snap {
	struct list link;		/* [l] in lun->snaps, by seq */
	_Atomic unsigned refs;		/* [a] */
	struct lun *lun;		/* [I] not a reference */
	struct snap_info info;		/* [I] but exposed [s] */
	struct exposure_info expose;	/* [s] when info.exposed */
	uint64_t gen;			/* [I] frozen by its cut */
	uint64_t deleted_seq;		/* [l] 0 = alive */
	unsigned n_devs;		/* [s] */
	bool closing;			/* [s] being deleted or unexposed */
	struct view *view;		/* [l] NULL until settled */
	bool folded;			/* [l] its root is in the catalogue */
	bool stale;			/* [l] ... and its view is of before */
	struct map_root new_root;	/* [K] folded, not yet committed */
};

struct lun {
	struct list link;		/* [s] in set->luns */
	struct list hash;		/* [s] */
	_Atomic unsigned refs;		/* [a] */
	struct lunset *set;		/* [I] */
	struct lun_info info;		/* [I] but counts [s] */
	unsigned block_shift, height;	/* [I] */
	uint64_t n_blk;			/* [I] */
	struct list users;		/* [s] struct user */
	struct list initiators;		/* [s] struct initiator, by name */
	unsigned n_devs;		/* [s] of the head and its snapshots */
	bool closing;			/* [s] being deleted */
	struct range_set ranges;
	_Atomic uint64_t last_pos;	/* [a] log position of its last write */
	_Atomic bool write_through;	/* [a] as in info, for writers */
	uint64_t base_seq;		/* [K] in the committed root */
	struct lk lk;			/* rank LK_LUN */
	struct view *cur;		/* [l] published */
	struct list snaps;		/* [l] by seq; deleted ones until folded */
	uint64_t deleted_seq;		/* [l] 0 = alive */
	struct map_root new_root;	/* [K] folded, not yet committed */
};

struct user {
	struct list link;
	struct lun_user u;
};

struct initiator {
	struct list link;
	char name[LUN_INITIATOR_CAP];
};

/* Blocks that readers could not get; recent.c.  Protected by lk. */
struct recent_block {
	uint64_t lun, seq, blk;
	uint64_t first_ns, last_ns, times;
	int rc;
};
#define RECENT_MAX	64u
struct recent {
	struct lk lk;			/* rank LK_VERIFY */
	struct recent_block at[RECENT_MAX]; /* times 0: free */
};

struct verifier;

struct lunset {
	struct store *store;		/* [I] */
	struct log *log;		/* [I] */
	struct nodes *nodes;		/* [I] */
	struct segs *segs;		/* [I] */
	struct moved *moved;		/* [I] */
	char *path;			/* [I] */
	bool read_only;			/* [I] */
	bool salvage, damaged;		/* [I] */
	uint64_t memory_bytes;		/* [I] */
	uint64_t overlay_limit;		/* [I] beyond it writers wait */
	uint64_t verify_limit;		/* [I] bytes of a verification's set */
	struct lk admin_lk;		/* rank LK_ADMIN: one change at a time */
	struct lk lk;			/* rank LK_LUNSET */
	struct list luns;		/* [s] */
	struct list hash[LUN_HASH];	/* [s] by number */
	uint64_t next_lun;		/* [s] */
	uint64_t replay_gen;		/* [K] */
	struct lun **folding;		/* [K] references, between fold and */
	size_t n_folding;		/* [K]   publish */
	uint64_t fold_seq;		/* [K] */
	struct lost lost;		/* [K] */
	_Atomic uint64_t overlay_bytes;	/* [a] as of pressure_ms */
	_Atomic uint64_t pressure_ms;	/* [a] */
	_Atomic uint64_t medium_errors;	/* [a] */
	_Atomic uint64_t old_views;	/* [a] replaced and still in use */
	_Atomic bool stale;		/* [a] one could not be replaced */
	struct recent recent;
	struct verifier *verifier;	/* [I] */
	struct lk notify_lk;		/* rank LK_NOTIFY */
	lunset_space_fn *on_space;	/* under notify_lk */
	void *on_space_arg;
};

/* ---- view.c ----------------------------------------------------------- */

/* ${n} overlays, newest first; takes references of them.  NULL: no memory. */
struct view *view_new(struct map_root root, struct overlay *const *ov,
    unsigned n);
struct view *view_ref(struct view *v);
void view_unref(struct view *v);
/* The same, for one that is not published any more; NULL is fine. */
void view_retire(struct lunset *ls, struct view *v);
/* The published view of the LUN, or of the snapshot; a reference. */
struct view *view_of(struct lun *l, struct snap *s);
/*
 * The overlay of generation ${gen}, made and published if need be; a
 * reference.  -ENOMEM.
 */
int view_overlay(struct lun *l, uint64_t gen, struct overlay **out);
/* Overlays of the published view that are not older than ${from} and not
 * newer than ${to}, over ${root}.  NULL: no memory. */
struct view *view_slice(const struct view *v, struct map_root root,
    uint64_t from, uint64_t to);
/* Give a snapshot its view, once no batch of its generation is in flight. */
int view_settle(struct snap *s);

/* ---- table.c: the LUNs and snapshots in memory ------------------------ */

int table_row(void *arg, enum cat_table tab, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen);
/* Apply the items of a CATALOG record. */
int table_apply(struct lunset *ls, uint64_t seq, const void *items,
    size_t len);
/* Apply those of a SNAPSHOT record. */
int table_apply_snaps(struct lunset *ls, const struct store_cut *cut,
    const void *items, size_t len);
/* After the opening: every snapshot has a root, every exposure its snapshot. */
int table_check(struct lunset *ls);

struct lun *lun_ref(struct lun *l);
void lun_unref(struct lun *l);
struct snap *snap_ref(struct snap *s);
void snap_unref(struct snap *s);
/* With set lk held; alive ones only. */
struct lun *table_by_number(struct lunset *ls, uint64_t number);
struct lun *table_by_name(struct lunset *ls, const char *name);
struct snap *table_snap(struct lun *l, uint64_t seq);
struct snap *table_snap_by_name(struct lun *l, const char *name);
/* Takes a dead LUN out for good. */
void table_forget(struct lunset *ls, struct lun *l);

/* ---- manage.c: one change in the log ----------------------------------- */

/* A change being made; with the admin lock held. */
struct manage {
	struct lunset *ls;
	enum rec_kind kind;
	uint8_t *buf;
	struct wr w;			/* items go here */
	int rc;				/* of applying it */
	struct store_cut cut;
};

int manage_begin(struct lunset *ls, enum rec_kind kind, struct manage *c);
/* Gives it up before the end. */
void manage_drop(struct manage *c);
/* Append and apply.  -E2BIG it does not fit one record; else store_change. */
int manage_end(struct manage *c);

/* hold.c: at the end of opening, when changes can be made. */
void hold_after_power_loss(struct lunset *ls);

/* ---- access.c: who may enter; with set lk held -------------------------- */

/* Rows of CAT_ACCESS; ${l} is their LUN. */
int access_put_row(struct lun *l, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen);
void access_del_row(struct lun *l, const uint8_t *key, size_t klen);
void access_free(struct lun *l);

/* ---- replay.c, ckpt.c: for store_ops ---------------------------------- */

int replay_record(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload);
int ckpt_fold(void *arg, uint64_t gen, uint64_t seq, struct checkpoint *cp);
void ckpt_publish(void *arg, uint64_t gen);
bool ckpt_settled(void *arg, bool unused);
void ckpt_drop(struct lunset *ls);

/* space.c, for store_ops */
uint64_t space_fold_need(void *arg);
void space_changed(void *arg, enum space_level now);

/* Memory of all overlays now; remembered in ls->overlay_bytes. */
uint64_t pressure_measure(struct lunset *ls);

/* list.c: all about an exposed snapshot; with set lk held. */
void exposure_fill(const struct snap *s, struct exposure_info *e);

/* ---- recent.c ---------------------------------------------------------- */

void recent_init(struct recent *t);
void recent_fini(struct recent *t);
/* Any thread. */
void recent_add(struct recent *t, uint64_t lun, uint64_t seq, uint64_t blk,
    int rc);

/* scrub.c: the row of CAT_STORE, at opening; ignored later. */
#define SCRUB_KEY "scrub"
int scrub_row_put(struct verifier *v, const uint8_t *val, size_t vlen);

/* ---- an open device ---------------------------------------------------- */

struct lun_dev {
	struct lun *lun;		/* a reference */
	struct snap *snap;		/* a reference, or NULL: the head */
};

#endif /* !LUN_LUN_INT_H */
