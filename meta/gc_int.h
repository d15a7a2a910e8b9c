/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc_int.h - what gc.c, gckeeper.c, gcwindow.c, gcmark.c, gcsort.c, gcmove.c,
 * gcbatch.c and gcfree.c share.
 */
#ifndef META_GC_INT_H
#define META_GC_INT_H

#include <pthread.h>

#include "meta/gc.h"
#include "meta/locset.h"
#include "meta/moved.h"
#include "meta/store.h"

#define GC_PUNCH_SECTORS	128u	/* 64 KiB: shorter holes are left */
#define GC_BATCH_ROWS		(32u << 10)	/* of one transaction, about */

/* A growing array. */
struct gc_vec {
	void *v;
	size_t n, room;
};
int gc_push(struct gc_vec *a, size_t size, const void *item);

/* What the thread wants from the keeper; one thing at a time. */
enum gc_ask {
	GC_ASK_NONE,
	GC_ASK_START,	/* a checkpoint, a dump of it, its roots */
	GC_ASK_FREEZE,	/* from now on nothing dead is shared any more */
	GC_ASK_COMMIT,	/* the batch, in the transaction of a checkpoint */
	GC_ASK_NEXT,	/* one more checkpoint */
	GC_ASK_END	/* nothing will be freed any more */
};

/* A root of commit N. */
struct gc_root {
	uint64_t lun, seq;
	struct place place;
};

/* A segment, or a pair of them, that was complete before the run began. */
struct gc_seg {
	uint32_t number;
	uint8_t kind;			/* enum seg_kind */
	bool pair;			/* number + 1 has the same */
	bool nodes;			/* holds nodes */
	bool victim;			/* freed by this run */
	uint64_t live_bytes;		/* one copy */
	uint64_t file_bytes;		/* allocated, one copy */
	uint64_t punch_bytes;		/* dead runs that are long enough */
};

struct gc_key {
	uint32_t birth_segment, birth_off_sectors;
};

/* What one transaction does. */
struct gc_batch {
	struct gc_vec victims;		/* struct gc_seg: freed */
	struct gc_vec dels;		/* struct gc_key: notes that go */
	struct gc_vec notes;		/* struct moved_run: put behind that */
	struct gc_vec made;		/* uint32_t: MOVED segments in use */
	size_t pieces;			/* so many notes may lead into victims */
};

struct gc_run {
	struct store *st;
	struct gc *gc;
	bool thorough;			/* a person or a full store asked */
	/* by the keeper, at the start: commit N */
	struct gc_vec roots;		/* struct gc_root */
	uint32_t log_limit;		/* log segments below are complete */
	uint32_t node_limit;		/* the first of node pairs below */
	uint32_t number_limit;		/* none from here on existed */
	/* by gc_window, before: the segments that this run looks at */
	uint32_t first, end;		/* end: of the next window */
	bool last;			/* there is none */
	/*
	 * live: of these, all places that a root refers to, or that were shared
	 * since: where it was born, and where it is when it has moved (no
	 * locator names a MOVED segment itself).  seen: nodes elsewhere, where
	 * they are now; they were entered.
	 */
	struct locset *live, *seen;
	_Atomic bool frozen;		/* set by the keeper: both stay so */
	struct gc_vec segs;		/* struct gc_seg: sorted out */
	bool sorted;			/* all of them, and what is doomed */
	struct gc_batch batch;
	struct gc_vec freed;		/* struct gc_seg: committed as freed */
	size_t batch_rows;		/* GC_BATCH_ROWS or less */
	uint64_t budget_bytes;		/* that may be copied */
	bool more;			/* not all victims fitted into it */
	/* pace */
	uint64_t worked_ns, log_pos;
	uint64_t moved_bytes, freed_bytes, punched_bytes;
	uint64_t unique_bytes, snapshot_bytes;	/* in the window */
};

/* Members are protected by:  k  st->lk   K  keeper   I  immutable   t thread */
struct gc {
	struct store *st;		/* [I] */
	pthread_t thread;
	bool running;			/* [I] once started */
	_Atomic bool stop;		/* [a] set under st->lk */
	pthread_cond_t wake;		/* with st->lk: work, an answer, an end */
	uint64_t wanted, started, finished; /* [k] runs asked for by number */
	enum gc_ask ask;		/* [k] */
	bool taken;			/* [k] the keeper is about it */
	int answer;			/* [k] */
	struct gc_run *asking;		/* [k] */
	struct gc_run *run;		/* [K] being made, or NULL */
	/*
	 * Freed by a run that could not remove them: struct gc_seg, by number.
	 * Their files are there and nothing may refer to what is dead in them.
	 */
	struct gc_vec doomed;		/* [K] */
	struct gc_state state;		/* [k] */
	_Atomic uint64_t deleted_ms;	/* [a] something was; 0: not since */
	_Atomic uint64_t last_end_pos;	/* [a] of the log, at the last run */
	uint64_t last_ms;		/* [k] when that ended; 0: none has */
	uint64_t store_bytes;		/* [t] about */
	uint32_t limit;			/* [t] no segment of it when it began */
	/* of this round of windows, but for the one at work */
	uint64_t unique_bytes, snapshot_bytes;	/* [t] */
	uint64_t moved_bytes, freed_bytes, punched_bytes; /* [t] */
};

/*
 * gc.c: the keeper does it, and this is its answer; -EINTR the store is being
 * closed, and nothing came of it.
 */
int gc_ask(struct gc_run *run, enum gc_ask what);
/* Between two pieces of work: -EINTR the store is being closed. */
int gc_pace(struct gc_run *run);
void gc_progress(struct gc_run *run, enum gc_phase phase, uint64_t done,
    uint64_t total);

/* gcwindow.c: begin at this segment (0: a round).  The run is new. */
int gc_window(struct gc_run *run, uint32_t first);
bool gc_in_window(const struct gc_run *run, uint32_t segment);
/* What it holds and grows with the store. */
uint64_t gc_memory_bytes(const struct gc_run *run);

/* gcmark.c */
int gc_mark(struct gc_run *run);
/*
 * It is live: 1 new, 0 not, or not in the window, -errno.  Any thread, until
 * frozen.
 */
int gc_mark_loc(struct gc_run *run, locator loc);

/* ---- gcsort.c --------------------------------------------------------- */

/* A block or node in a segment. */
struct gc_piece {
	struct place place;		/* id and birth locator */
	uint32_t off_sectors;		/* where it is in this segment */
	bool live;
};
struct gc_piece_ops {
	/* Before its pieces; may be NULL. */
	int (*record)(void *arg, const struct rec *r);
	int (*piece)(void *arg, const struct rec *r, const struct gc_piece *p);
};
/*
 * All pieces of a segment, in order.  Errors: of ops and segscan; -EILSEQ not
 * all of what is live there was found.
 */
int gc_pieces(struct gc_run *run, const struct gc_seg *s,
    const struct gc_piece_ops *ops, void *arg);

/* Sort out all segments: run->segs, and run->freed what was committed before. */
int gc_sort(struct gc_run *run);
/* The holes to be made in a segment: pairs of first, end in sectors. */
struct gc_hole {
	uint32_t first, end;
};
int gc_holes(struct gc_run *run, const struct gc_seg *s, struct gc_vec *out);
/* Is it to be emptied by copying what is live? */
bool gc_is_victim(const struct gc_run *run, const struct gc_seg *s);

/* ---- gcmove.c --------------------------------------------------------- */

struct gc_mover;
int gc_mover_new(struct gc_run *run, struct gc_mover **out);
/*
 * Copy what is live in a victim.  0: it and its notes are in the batch; 1: it
 * must stay; -ENOSPC, -errno nothing more can be moved.
 */
int gc_move(struct gc_mover *mv, const struct gc_seg *s);
/* Make all that was copied durable: the batch can be committed. */
int gc_mover_flush(struct gc_mover *mv);
/* Removes segments that no commit has made known. */
void gc_mover_free(struct gc_mover *mv);

/* ---- gcbatch.c -------------------------------------------------------- */

/* Segments without a live block, then copies: all of it committed. */
int gc_move_all(struct gc_run *run, struct gc_mover *mv);

/* ---- gcfree.c --------------------------------------------------------- */

int gc_row_put(struct cat_txn *t, uint32_t number, enum seg_kind kind,
    bool freed, uint64_t epoch);
/* -ENOENT; -EUCLEAN damaged. */
int gc_row_get(struct catalog *cat, uint32_t number, enum seg_kind *kind,
    bool *freed);
/* Keeper: the rows of the batch. */
int gc_batch_commit(struct gc_run *run, struct cat_txn *t);
/*
 * Add to the batch the notes that point into its victims, of birth places from
 * ${*from} on.  1: there are more than ${max}, from ${*from} on.
 */
int gc_batch_dels(struct gc_run *run, struct gc_key *from, size_t max);
void gc_batch_clear(struct gc_batch *b);
/* Remove or recycle the files of run->freed; their rows go. */
int gc_remove_freed(struct gc_run *run);
/* Leave in run->freed only those that are there still, by number. */
void gc_still_there(struct gc_run *run);
int gc_punch(struct gc_run *run);

/* ---- for keeper.c, store.c and change.c ------------------------------- */

int gc_new(struct store *st);
int gc_start(struct store *st);
/* Ends the thread; what it asked for is withdrawn. */
void gc_stop(struct store *st);
void gc_free(struct store *st);
/*
 * At the opening, after recovery: files that were freed go, so do MOVED
 * segments that no commit knows; rows that are missing are noted.
 */
int gc_open(struct store *st);
/* Keeper, at the end of a checkpoint's transaction. */
int gc_commit_rows(struct store *st, struct cat_txn *t);
/* Keeper: that transaction is durable. */
void gc_committed(struct store *st);
/* Keeper: does the run that wants to begin need a dump of this commit? */
bool gc_wants_dump(struct store *st);
/* Keeper: after the checkpoint; ${dumped}: with its dump, result ${dump_rc}. */
void gc_checkpointed(struct store *st, bool dumped, int dump_rc);
/* Keeper: a checkpoint has failed. */
void gc_failed(struct store *st, int rc);
/* Keeper, between two checkpoints. */
void gc_between(struct store *st);
/* There is little space: a run, if there may be anything for it. */
void gc_nudge(struct store *st);
/* Keeper: a row went that may have been the last to refer to something. */
void gc_deleted(struct store *st);

#endif /* !META_GC_INT_H */
