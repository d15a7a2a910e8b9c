/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_int.h - what recover.c (replay) and recoverend.c (what is done
 * behind it) share; nobody else includes it.
 */
#ifndef META_RECOVER_INT_H
#define META_RECOVER_INT_H

#include "meta/recover.h"

#define PAGE_SECTORS	8u

/* A log segment that may belong to the chain. */
struct cand {
	struct seg_header h;
	uint64_t claim;			/* below this seq all was durable when
					 * its first record was written */
	bool in_chain;
	uint32_t end_sectors;		/* of what was replayed, if in_chain */
};

/* A segment file behind the start that is no log segment of ours. */
enum other_kind { OTHER_NODES, OTHER_UNUSED, OTHER_DAMAGED };
struct other {
	uint32_t number;
	enum other_kind what;
	uint8_t nonce[16];		/* DAMAGED: what is in its place */
};

struct recovery {
	struct recover_conf conf;
	struct cand *cands;
	size_t n_cands, room_cands;
	struct other *others;
	size_t n_others, room_others;
	uint8_t *img;			/* the segment being read */
	uint32_t img_sectors;		/* bytes there, in sectors */
	struct log_pos pos;
	uint64_t synced;		/* below this seq all was durable */
	uint64_t max_epoch, n_records, bytes, told_ms;
	uint32_t max_segment;
	bool damaged;			/* salvage: ended by damage */
	bool bad_payload;		/* of the record being applied */
};

#endif /* !META_RECOVER_INT_H */
