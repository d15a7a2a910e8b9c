/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.h - an open store: segments, log, nodes and catalogue under one roof,
 * and the keeper, the one thread that makes every LMDB write transaction.
 *
 * What the records mean to a reader is not known here: the layer above (lun/)
 * gives a table of functions and is told of each row and record at opening,
 * folds its overlays at each checkpoint, and publishes the result.
 *
 * Threads: any, unless said otherwise.
 */
#ifndef META_STORE_H
#define META_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/catalog.h"
#include "meta/log.h"
#include "meta/node.h"
#include "meta/segs.h"
#include "meta/space.h"

struct store;
struct checkpoint;

#define STORE_HEAD UINT64_MAX	/* seq of a LUN's head in CAT_ROOT keys */

struct store_ops {
	/*
	 * At opening, on the opening thread: every row of the catalogue that
	 * is the layer's own (and those of CAT_STORE), table by table; then the
	 * records behind the last checkpoint (the rows that their items mean
	 * are queued here, not by the layer).  Not 0 ends the opening.
	 */
	int (*row)(void *arg, enum cat_table tab, const uint8_t *key,
	    size_t klen, const uint8_t *val, size_t vlen);
	int (*replay)(void *arg, const struct rec *r, const uint8_t *hdr,
	    const uint8_t *payload);
	/*
	 * At a checkpoint, on the keeper: fold what generations up to ${gen}
	 * hold into trees (nodes_put) and name the new roots
	 * (checkpoint_root); ${seq} is the last record they contain.  May be
	 * called again with the same arguments after a failure.
	 */
	int (*fold)(void *arg, uint64_t gen, uint64_t seq,
	    struct checkpoint *cp);
	/* The checkpoint is committed: readers use the new roots. */
	void (*publish)(void *arg, uint64_t gen);
	/*
	 * Does every published view stand on the roots of the last commit?
	 * ${unused}: and nobody holds one that was replaced.  Any thread; NULL:
	 * always.
	 */
	bool (*settled)(void *arg, bool unused);
	/*
	 * On a thread of the store's own, with no lock held; may be NULL.
	 * fold_need: bytes of nodes that a fold now would write at most, both
	 * copies.  space: the level of space.h has changed.
	 */
	uint64_t (*fold_need)(void *arg);
	void (*space)(void *arg, enum space_level now);
};

struct store_conf {
	const char *path;
	uint64_t node_cache_bytes;
	uint64_t dedup_bytes;		/* memory for it; 0 = least */
	uint64_t reclaim_bytes;		/* the same; 0 = as much as it takes */
	unsigned prepared;		/* segments kept prepared */
	uint64_t checkpoint_bytes;	/* of log between two; 0 = default */
	uint64_t checkpoint_ms;		/* 0 = default */
	unsigned max_open;		/* segment files; 0 = default */
	unsigned space_low_percent;	/* see space.h */
	uint64_t reserve_bytes;
	/*
	 * Read, replay in memory and change not a byte; all changes are
	 * -EROFS.  -EBUSY while somebody has it open for writing; also from a
	 * folder that cannot be written to.
	 */
	bool read_only;
	/* With read_only: damage is told and left out, as far as one gets. */
	bool salvage;
	/* With read_only: the caller has the store's lock already. */
	bool locked;
	/* With read_only: to see whether it is whole; no advice on damage. */
	bool looking;
	/* With read_only: another folder with the catalogue; NULL: its own. */
	const char *catalog;
	const struct store_ops *ops;
	void *arg;
};

/* Make a store (the superblock last).  -EEXIST, -ENOTEMPTY, -errno; logged. */
int store_init(const char *path, uint32_t segment_bytes);

/**
 * store_open(conf, out): lock, read, recover, make durable, begin an epoch;
 * calls ops->row and ops->replay.  The keeper does not run before
 * store_start, which the caller calls when it can fold.
 * Errors: -ENOENT no superblock; -EBUSY; -EROFS, -EACCES; -EUCLEAN, -EILSEQ
 * damaged; -EPROTONOSUPPORT newer; -errno.  Logged with what to do.
 */
int store_open(const struct store_conf *conf, struct store **out);
int store_start(struct store *st);
/* A last checkpoint when ${checkpoint}; frees.  0 or its error. */
int store_close(struct store *st, bool checkpoint);

struct log *store_log(struct store *st);
struct nodes *store_nodes(struct store *st);
struct segs *store_segs(struct store *st);
struct moved *store_moved(struct store *st);
struct space *store_space(struct store *st);
const uint8_t *store_uuid(const struct store *st);
uint64_t store_epoch(const struct store *st);
uint32_t store_segment_bytes(const struct store *st);

/* ---- loss of power ----------------------------------------------------- */

/*
 * Was power lost before this opening?  Then writes acknowledged from
 * ${from_ns} on and not flushed before ${to_ns} may be gone.  It is told again
 * at each opening until a CATALOG record deletes the row STORE_POWER_ROW of
 * CAT_STORE and a checkpoint has passed it.
 */
#define STORE_POWER_ROW "power"
struct store_power {
	bool lost;
	uint64_t from_ns, to_ns;	/* UTC */
};
void store_power(const struct store *st, struct store_power *out);

/* Opened with salvage: was something damaged and left out? */
bool store_is_damaged(const struct store *st);

/* ---- changes ---------------------------------------------------------- */

/*
 * Called in the moment in which the record is in the log, before any
 * checkpoint can cut behind it; may take locks above LK_CHANGE.
 */
struct store_cut {
	uint64_t seq, time_ns;		/* of the record */
	uint64_t gen;			/* SNAPSHOT: the generation frozen */
};
typedef void store_logged_fn(void *arg, const struct store_cut *cut);

/**
 * store_change(st, kind, items, len, logged, arg):
 * Append a CATALOG or SNAPSHOT record with these items (item.h), queue their
 * rows for the next checkpoint, and wait until it is durable.  One at a time:
 * the caller serialises.  SNAPSHOT ends the generation.
 * Errors: -ENOSPC, -EIO, -EROFS, -ENOMEM; when ${logged} was called the
 * record is in the log, and an error means that the store has failed.
 * Durable: on return.  Blocks.
 */
int store_change(struct store *st, enum rec_kind kind, const void *items,
    size_t len, store_logged_fn *logged, void *arg);

/* ---- checkpoints ------------------------------------------------------ */

/* For ops->fold: the map of a LUN (seq STORE_HEAD) or snapshot is now this. */
int checkpoint_root(struct checkpoint *cp, uint64_t lun, uint64_t seq,
    struct place root);

/* CAT_ROOT values. */
#define ROOT_ROW_LEN 40
struct root_row {
	struct place root;
	uint64_t base_seq;	/* last record that is in it */
};
void root_row_enc(const struct root_row *r, uint8_t out[static ROOT_ROW_LEN]);
int root_row_dec(const uint8_t *val, size_t vlen, struct root_row *out);

/* Tell of appended writes; starts a checkpoint when it is time. */
void store_wrote(struct store *st, uint64_t bytes, unsigned records);
/* Start one soon (memory). */
void store_want_checkpoint(struct store *st);
/* Run one and wait: 0 or -errno.  Not on the keeper. */
int store_checkpoint(struct store *st);

struct store_state {
	uint64_t log_bytes, checkpoints, checkpoint_ns;
	bool checkpointing;
};
void store_state(struct store *st, struct store_state *out);

#endif /* !META_STORE_H */
