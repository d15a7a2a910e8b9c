/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * syncer.h - makes the log durable: one thread, one round after the other.
 * A second one has the next segment ready before the log needs it, a third one
 * has what is appended written out.
 *
 * A round takes the current end of the log, syncs every segment that holds
 * unsynced bytes before it, and wakes everyone who waits for that end or
 * less; who arrives meanwhile is served by the next round.  It also starts
 * rounds by itself when much is unsynced, so that a flush never has much
 * before it.
 *
 * Those who were served by a round and those who arrived during it would take
 * turns for ever, two rounds for what one could do.  So a round waits a moment
 * for as many as came lately; who flushes alone never waits.
 *
 * A failed sync is never retried: the pages may be gone and marked clean.
 */
#ifndef META_SYNCER_H
#define META_SYNCER_H

#include "meta/log.h"

struct syncer;

/* What the syncer asks the log, on its own threads, without its lock. */
struct syncer_ops {
	/* The end now; from here on appends begin on a new page. */
	void (*end)(void *arg, uint64_t *pos, uint64_t *seq);
	/* Make the next segment ready if it is not; on the second thread. */
	void (*ready)(void *arg);
	/* A sync failed. */
	void (*failed)(void *arg, int rc);
};

/* Writing out begins when this much was appended, ... */
#define SYNCER_BEGIN_BYTES	(UINT64_C(1) << 20)
/* ... a round starts by itself beyond this many unsynced bytes ... */
#define SYNCER_KICK_BYTES	(UINT64_C(8) << 20)
/* ... and acknowledgements wait for a sync beyond this many, ... */
#define SYNCER_BOUND_BYTES	(UINT64_C(32) << 20)
/*
 * ... or these many when nobody has waited for a sync for so long: disks stop
 * now and then for longer than it takes to write the bound.
 */
#define SYNCER_LOOSE_KICK_BYTES	(UINT64_C(32) << 20)
#define SYNCER_LOOSE_BYTES	(UINT64_C(128) << 20)
#define SYNCER_LOOSE_MS		5000u
/* The longest moment, and its share of the time that a round takes. */
#define SYNCER_GATHER_NS	UINT64_C(1000000)
#define SYNCER_GATHER_SHARE	2u

/* ${synced_seq}: everything up to it is durable already. */
int syncer_new(const struct syncer_ops *ops, void *arg, uint64_t synced_seq,
    struct syncer **out);
/* A last round, then the threads end.  Nobody waits any more. */
void syncer_free(struct syncer *sy);

/* Room to note one more segment; before its first append.  -ENOMEM. */
int syncer_reserve(struct syncer *sy);

/* Bytes up to ${pos} were appended, the last of them to ${seg}. */
void syncer_wrote(struct syncer *sy, struct seg *seg, uint64_t pos);
/* Call ops->ready soon. */
void syncer_want_ready(struct syncer *sy);

bool syncer_wait(struct syncer *sy, struct log_wait *w);
int syncer_wait_block(struct syncer *sy, uint64_t pos);
uint64_t syncer_pace(struct syncer *sy, uint64_t pos);
/* Fails all who wait now or later. */
void syncer_fail(struct syncer *sy, int rc);
void syncer_state(struct syncer *sy, struct log_state *out);
/* seq up to which everything is durable; cheap. */
uint64_t syncer_synced_seq(const struct syncer *sy);

#endif /* !META_SYNCER_H */
