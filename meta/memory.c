/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/memory.h"

#include "meta/base/check.h"

void
memory_divide(uint64_t total_bytes, struct memory_shares *out)
{
	const uint64_t part = total_bytes / 16;

	*out = (struct memory_shares){
		.buffers = TT_MAX(15 * part / 2, MEMORY_BUFFERS_MIN),
		.node_cache = 3 * part,
		.overlays = 2 * part,
		.folding = part,
		.dedup = part,
		.reclaim = part,
		.verify = part / 2,
	};
}
