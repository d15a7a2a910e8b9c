/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - the one log of a store: append, cut, sync.
 *
 * A batch of records is appended to the page cache of the current segment by
 * one vectored write under the log mutex, which also hands out the seqs and
 * the generation.  When log_append has returned, the records survive the death
 * of the process; when they are synced, the loss of power.
 *
 * Positions (${pos}) are bytes appended since the log was opened: they grow
 * with every append and are what one waits for.
 *
 * Threads: any.  Lock: LK_LOG over the append; the syncer is a thread here.
 */
#ifndef META_LOG_H
#define META_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/base/exec.h"
#include "meta/rec.h"
#include "meta/segs.h"

struct log;
struct space;

/* A place between two records. */
struct log_pos {
	uint32_t segment;	/* 0: before the first record of the store */
	uint32_t end_sectors;	/* end of the last record before */
	uint64_t seq;		/* of the last record before; 0 = none */
	uint64_t sum;		/* its checksum */
	uint64_t time_ns;	/* its time */
};

struct log_conf {
	struct segs *segs;
	uint8_t store_uuid[16];
	uint32_t segment_bytes;
	uint64_t epoch;
	_Atomic uint32_t *next_segment;	/* the store's source of numbers */
	struct log_pos start;		/* where recovery ended */
	/* A segment was made (before its first byte); 0 or -errno. */
	int (*created)(void *arg, uint32_t number);
	void *created_arg;
	struct space *space;		/* NULL: data is never refused */
};

/*
 * Continue a log behind ${conf->start}, in a new segment (an old one is never
 * appended to again).  Everything before it must be durable already.
 */
int log_open(const struct log_conf *conf, struct log **out);
/* Syncs what is there, stops the syncer. */
void log_close(struct log *l);

/*
 * One record to append.  ${hdr} has room for rec_header_sectors() and its
 * variable parts filled in, the rest zero; the log fills in the fixed part.
 */
struct log_rec {
	enum rec_kind kind;
	uint8_t flags, block_shift;
	uint32_t n_extents, n_ids, n_runs;
	uint64_t lun;
	uint8_t *hdr;
	const struct iovec *iov;	/* payload; one piece unless DATA */
	int n_iov;
	uint32_t payload_bytes;
	/* results */
	int rc;
	uint64_t seq, time_ns;
	uint32_t segment, payload_off_sectors;
};

/* A batch that was appended and whose effects are not visible yet. */
struct log_batch {
	uint64_t gen;
	uint64_t end_pos;
};

/* Generations of the log begin here; replay uses numbers below. */
#define LOG_FIRST_GEN (UINT64_C(1) << 32)

/*
 * Called under the log mutex before the append: reserve what making the batch
 * visible in this generation needs.  Not 0: nothing is appended.  Takes only
 * locks of higher rank.
 */
typedef int log_prepare_fn(void *arg, uint64_t gen);

/**
 * log_append(l, recs, n, prepare, arg, b):
 * Append records in order.  Each gets its own ${rc}: what has 0 is in the log
 * and must be made visible; the rest is not there and never will be.
 * The generation ${b->gen} counts this batch as in flight until
 * log_batch_done, whatever the results.
 * Errors (per record): -ENOSPC, -EIO, -EROFS the log has failed, or what
 * ${prepare} (may be NULL) returned.  In a store that is full, DATA and COPY
 * records get -ENOSPC and the others are appended.
 * Crash: a record is there wholly or not, and none behind a missing one.
 */
void log_append(struct log *l, struct log_rec *const *recs, size_t n,
    log_prepare_fn *prepare, void *arg, struct log_batch *b);
void log_batch_done(struct log *l, const struct log_batch *b);

/**
 * log_cut(l, rec, out):
 * Append ${rec} (may be NULL) and, in the same moment, end the generation:
 * ${out->gen} is frozen, later batches belong to the next.  ${out->pos} is the
 * place behind ${rec}.  On an error of the append (in rec->rc and returned)
 * nothing was cut.
 */
struct log_cut {
	uint64_t gen;
	struct log_pos pos;
	uint64_t end_pos;
};
int log_cut(struct log *l, struct log_rec *rec, struct log_cut *out);

/* Wait until no batch of ${gen} or older is in flight. */
void log_drain(struct log *l, uint64_t gen);

/* The generation that a batch appended now would get (a hint). */
uint64_t log_gen(struct log *l);

/* ---- durability ------------------------------------------------------- */

/* One who waits; embed it.  With ${ex} NULL use log_sync. */
struct log_wait {
	uint64_t pos;
	struct exec *ex;
	void (*done)(struct log_wait *);
	int rc;
	bool paced;			/* only because of log_pace */
	struct list link;		/* private */
	struct exec_call call;
	bool *woken;
};

/*
 * Wait until everything up to ${w->pos} is durable: true: it is already (or
 * has failed; ${w->rc} tells), false: ${w->done} will be called on ${w->ex}.
 * Errors: -EIO the log could not be synced; it has failed for good.
 */
bool log_sync_wait(struct log *l, struct log_wait *w);
/* The same, blocking. */
int log_sync(struct log *l, uint64_t pos);

/*
 * Back-pressure: the position that must be durable before a write that ended
 * at ${pos} is acknowledged, 0 = none.  Keeps the unsynced bytes bounded.
 */
uint64_t log_pace(struct log *l, uint64_t pos);

/* Afterwards every append and sync fails with -EROFS / ${rc}. */
void log_fail(struct log *l, int rc);

struct log_state {
	uint64_t end_pos, synced_pos, seq, synced_seq;
	uint64_t rounds;		/* of fdatasync */
	uint32_t segment;
	int failed;
};
void log_state(struct log *l, struct log_state *out);

#endif /* !META_LOG_H */
