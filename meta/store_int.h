/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_int.h - what store.c, keeper.c, change.c and dump.c share.
 */
#ifndef META_STORE_INT_H
#define META_STORE_INT_H

#include "meta/base/lock.h"
#include "meta/store.h"
#include "meta/super.h"

#define CATALOG_MAP_BYTES	(UINT64_C(256) << 30)
#define CHECKPOINT_BYTES_DEFAULT	(UINT64_C(1) << 30)
#define CHECKPOINT_RECORDS		(UINT64_C(1) << 19)
#define CHECKPOINT_MS_DEFAULT		30000u
#define RETRY_MS			1000u
/* A store with little space checkpoints after this much log. */
#define LOW_CHECKPOINT_BYTES	(UINT64_C(64) << 20)

/*
 * The row "checkpoint" of CAT_STORE: where replay begins, and what numbers
 * are used up.  Its codec is in storerow.c, its table in FORMAT.md.
 */
#define STORE_ROW_KEY	"checkpoint"
#define STORE_ROW_LEN	96
#define STORE_POWER_KEY	STORE_POWER_ROW	/* its codec is in power.c */
struct store_row {
	struct log_pos pos;
	uint64_t epoch, checkpoints;
	uint32_t next_segment;
	uint32_t node_segment, node_end_sectors;
	uint64_t dump_bytes;		/* of the last catalogue dump */
	uint64_t since_dump_bytes;	/* of catalogue records since */
	uint64_t since_dump_cost;	/* of replaying the log since */
};
void store_row_enc(const struct store_row *r,
    uint8_t out[static STORE_ROW_LEN]);
int store_row_dec(const uint8_t *val, size_t vlen, struct store_row *out);

/* Items of one record, waiting for the checkpoint that contains them. */
struct queued {
	struct list link;
	uint64_t seq;
	size_t len;
	uint8_t items[];
};

/* A segment number that appeared or vanished since the last checkpoint. */
struct seg_note {
	uint32_t number;
	enum seg_kind kind;
	bool gone;
};

struct ckpt_root {
	uint64_t lun, seq;
	struct place root;
};

/* One attempt at a checkpoint. */
struct checkpoint {
	struct store *st;
	struct log_cut cut;
	struct ckpt_root *roots;
	size_t n_roots, room_roots;
};

/* Members are protected by:  c  change_lk   k  lk   K  keeper only   I */
struct store {
	struct store_conf conf;		/* [I] */
	struct super super;		/* [I] */
	int dir_fd;			/* [I] */
	struct segs *segs;		/* [I] */
	struct catalog *cat;		/* [I] */
	struct moved *moved;		/* [I] */
	struct log *log;		/* [I] */
	struct nodes *nodes;		/* [I] */
	struct space *space;		/* [I] */
	struct gc *gc;			/* [I] */
	struct dedup *dedup;		/* [I] NULL: read-only */
	_Atomic int level;		/* [a] enum space_level */
	uint64_t epoch;			/* [I] */
	struct store_power power;	/* [I] */
	bool damaged;			/* [I] salvage: something is left out */
	_Atomic uint32_t next_segment;	/* [a] */
	/*
	 * Held from the append of a change until its rows are queued, and by
	 * the keeper over its cut: so a cut has queued rows for all changes
	 * before it.
	 */
	struct lk change_lk;		/* rank LK_CHANGE */
	struct lk lk;			/* rank LK_KEEPER */
	pthread_cond_t work, done;
	pthread_t thread;
	bool running, stop;		/* [k] */
	struct list queue;		/* [k] struct queued, by seq */
	struct seg_note *notes;		/* [k] */
	size_t n_notes, room_notes;	/* [k] */
	uint64_t started, finished;	/* [k] checkpoints, for who waits */
	uint64_t wanted;		/* [k] run until started reaches it */
	int last_rc;			/* [k] of the last finished one */
	bool active;			/* [k] one is running */
	_Atomic uint64_t log_bytes, log_records;	/* [a] since the cut */
	struct store_row row;		/* [K] as committed; read under lk */
	uint64_t last_ms;		/* [K] when the last one ended */
	struct log_cut retry;		/* [K] cut of one that failed */
	bool has_retry;			/* [K] */
	uint64_t cut_cost;		/* [K] since the last commit */
};

/* The row of a segment appears or goes with the next checkpoint. */
int store_note_segment(struct store *st, uint32_t number, enum seg_kind kind,
    bool gone);

int keeper_start(struct store *st);
void keeper_stop(struct store *st);
/* One checkpoint, on this thread. */
int keeper_run(struct store *st);
/* The same; when there is no space, once more with what is reserved. */
int keeper_try(struct store *st);

/*
 * power.c: after recovery, before the log is opened: ${wrote} is the boot id
 * of who wrote last.  Sets st->power.
 */
int power_open(struct store *st, const struct log_pos *end,
    const uint8_t wrote[static 16]);
/* The last act on a store that was checkpointed and is closed in order. */
void power_close(struct store *st);

/* change.c: queue the rows of a replayed CATALOG or SNAPSHOT record. */
int change_requeue(struct store *st, const struct rec *r,
    const uint8_t *payload);
/* change.c: put the rows of queued changes up to ${seq} into ${t}. */
int change_commit_rows(struct store *st, struct cat_txn *t, uint64_t seq);
/* They are durable: forget them. */
void change_forget(struct store *st, uint64_t seq);
void change_free_all(struct store *st);

/* dump.c: append a full copy of the catalogue as CATALOG records. */
int dump_catalog(struct store *st, const struct log_pos *pos,
    uint64_t *out_bytes);
/* dump.c: append CHECKPOINT records with the roots; adds to ${*out_bytes}. */
int dump_checkpoint(struct store *st, const struct checkpoint *cp,
    uint64_t *out_bytes);

#endif /* !META_STORE_INT_H */
