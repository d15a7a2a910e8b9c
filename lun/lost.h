/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lost.h - nodes that a fold needs and that cannot be read.
 *
 * One node of which both copies are gone must not stop the checkpoints of the
 * whole store for ever.  But an error may pass (a cable, a path that fails
 * over), so a node is given up only after it was unreadable in several
 * checkpoints and for a while.  Until then they fail, and everything stays in
 * the log and in memory.  A failing fold goes on to its end, so that all such
 * nodes are met in one attempt.
 *
 * Threads: the keeper.
 */
#ifndef LUN_LOST_H
#define LUN_LOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lun/map.h"

#define LOST_TRIES	3u		/* checkpoints that fail first */
#define LOST_WAIT_MS	30000u		/* ... and at least this long */

struct lost_note;

struct lost {
	uint64_t wait_ms;		/* LOST_WAIT_MS; tests set it */
	struct lost_note *notes;	/* by locator */
	size_t n, room;
	uint64_t attempt;
	int rc;				/* of this attempt: a node is not given
					   up yet */
	const char *lun;		/* whose overlays are being folded */
};

void lost_init(struct lost *t);
void lost_fini(struct lost *t);

/* A fold of all LUNs begins; ... of this LUN, whose name stays. */
void lost_begin(struct lost *t);
void lost_lun(struct lost *t, const char *name);
/* For map_fold_lossy; ${arg} is the struct lost. */
bool lost_met(void *arg, struct place p, uint64_t first_blk, uint64_t n_blk,
    int rc);
/* It ended well so far: 0, or the error with which the checkpoint fails. */
int lost_end(const struct lost *t);
/* It is committed: everything is forgotten. */
void lost_committed(struct lost *t);

#endif /* !LUN_LOST_H */
