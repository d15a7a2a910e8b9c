/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - one budget (memory = N of tt.conf), divided in one place.
 *
 * The table with the reasons is in DESIGN.md, "Memory".  Each part keeps to
 * its share by itself; a part that cannot (folding) is small as long as the
 * others do.
 */
#ifndef META_MEMORY_H
#define META_MEMORY_H

#include <stdint.h>

/* Data of commands: below this, a command of the largest size would not fit. */
#define MEMORY_BUFFERS_MIN	(UINT64_C(64) << 20)

struct memory_shares {
	uint64_t buffers;	/* data of commands in flight */
	uint64_t node_cache;
	uint64_t overlays;	/* acknowledgements wait from half of it on */
	uint64_t folding;	/* sorted lists of what is folded */
	uint64_t dedup;		/* filter, ids of segments, samples */
	uint64_t reclaim;	/* one bit per block, of so many as fit */
	uint64_t verify;	/* the same; beyond that some are read twice */
};

void memory_divide(uint64_t total_bytes, struct memory_shares *out);

#endif /* !META_MEMORY_H */
