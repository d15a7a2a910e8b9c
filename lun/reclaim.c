/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reclaim.c - space reclaim, for the layers above.
 */
#include "lun/lun_int.h"
#include "meta/gc.h"

static enum lun_gc_phase
phase_of(enum gc_phase p)
{

	switch (p) {
	case GC_IDLE:
		return (LUN_GC_IDLE);
	case GC_MARK:
		return (LUN_GC_MARK);
	case GC_MOVE:
		return (LUN_GC_MOVE);
	case GC_FREE:
		return (LUN_GC_FREE);
	}
	return (LUN_GC_IDLE);
}

void
lunset_gc_state(struct lunset *ls, struct lun_gc *out)
{
	struct gc_state s;

	store_gc_state(ls->store, &s);
	*out = (struct lun_gc){
		.phase = phase_of(s.phase),
		.done = s.done,
		.total = s.total,
		.runs = s.runs,
		.last_rc = s.last_rc,
		.asked = s.asked,
		.ended = s.ended,
		.last_ns = s.last_ns,
		.freed_bytes = s.freed_bytes,
		.punched_bytes = s.punched_bytes,
		.moved_bytes = s.moved_bytes,
		.logical_bytes = s.logical_bytes,
		.unique_bytes = s.unique_bytes,
		.snapshot_bytes = s.snapshot_bytes,
		.node_bytes = s.node_bytes,
		.windows = s.windows,
		.memory_bytes = s.memory_bytes,
	};
}

int
lunset_gc(struct lunset *ls, bool wait)
{

	return (store_gc(ls->store, wait));
}
