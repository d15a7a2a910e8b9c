/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc.h - space reclaim: mark what the live roots refer to, free the rest.
 *
 * There are no reference counts.  A run takes the roots of one commit (which a
 * dump of the catalogue describes, so that a rebuild never needs what is
 * freed), marks on a thread of its own, copies the live rest of segments that
 * are mostly dead, and asks the keeper to commit; files go one more checkpoint
 * later.  Only what was complete before the run began can be freed.
 * DESIGN.md "Space" has the rules and their reasons.
 */
#ifndef META_GC_H
#define META_GC_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/rec.h"

struct store;

enum gc_phase { GC_IDLE, GC_MARK, GC_MOVE, GC_FREE };

struct gc_state {
	enum gc_phase phase;
	uint64_t done, total;		/* of this phase, about; for progress */
	uint64_t runs;			/* finished ones */
	int last_rc;			/* of the last finished one */
	/* Runs that were asked for have numbers: the last one asked for, and
	 * the last one that has ended. */
	uint64_t asked, ended;
	uint64_t last_ns;		/* when it ended, UTC; 0 = never */
	uint64_t freed_bytes, moved_bytes, punched_bytes; /* since the opening */
	/* as the last mark found it */
	uint64_t logical_bytes;		/* mapped by the heads of LUNs */
	uint64_t unique_bytes;		/* ... of which are different blocks */
	uint64_t snapshot_bytes;	/* blocks that only snapshots hold */
	uint64_t node_bytes;		/* live nodes, once */
	uint64_t windows;		/* of all runs since the opening */
	uint64_t memory_bytes;		/* most that one held, as they grow */
};
void store_gc_state(struct store *st, struct gc_state *out);

/*
 * Start a run, or be content with the one that is waiting to start;
 * ${wait}: until a run that began after the call has ended, its result.
 * -ESHUTDOWN the store is being closed (nobody may be inside when it is).  Not
 * on the keeper.
 */
int store_gc(struct store *st, bool wait);

/*
 * Keeper only: a map that is being folded is about to refer to ${loc}, which
 * may have been dead.  False: it must not (its segment is gone or about to
 * go); true: nothing that runs now will free it.
 */
bool store_may_share(struct store *st, locator loc);

#endif /* !META_GC_H */
