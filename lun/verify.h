/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify.h - read everything that LUNs and snapshots refer to, past the
 * caches, and say what is damaged; by request, and in the background from time
 * to time (scrub).
 *
 * Each block and node is read once, however many refer to it; damage is told
 * for everyone who does.  One copy of a node that is bad is rewritten from the
 * other; a segment of nodes that is gone, or without its header, is made again
 * from its twin.  What changes while it runs is left to the next run: blocks that were
 * overwritten or deleted meanwhile are no damage.
 *
 * Threads: any.  The work is done by a thread of the set's own.
 */
#ifndef LUN_VERIFY_H
#define LUN_VERIFY_H

#include "lun/lun.h"

#define VERIFY_LIST_MAX		1000u	/* entries that are kept */
#define VERIFY_SCRUB_RATE	(UINT64_C(16) << 20)
/* Of requests; those of scrub-rate in tt.conf.  Slower would take years. */
#define VERIFY_RATE_MIN		(UINT64_C(1) << 20)
#define VERIFY_RATE_MAX		(UINT64_C(1) << 40)

enum verify_kind {
	VERIFY_DATA = 1,	/* a block: cannot be read */
	VERIFY_NODE,		/* both copies of a node: these blocks neither */
	VERIFY_COPY,		/* one copy, and it could not be rewritten: all
				   can be read, and there is no second copy */
	VERIFY_LOST		/* given up by an earlier checkpoint */
};
const char *verify_kind_name(enum verify_kind k);

struct verify_damage {
	enum verify_kind kind;
	uint64_t lun, seq;		/* seq LUN_HEAD: the LUN itself */
	char lun_name[LUN_NAME_MAX + 1];
	char snap_name[LUN_NAME_MAX + 1]; /* "": the LUN itself */
	uint64_t off_bytes, len_bytes;	/* on the disk that is served */
	uint32_t sector_bytes;		/* for LBAs */
	int rc;				/* -EILSEQ content, -EIO, -ENOENT, ... */
	/* Of the first of it; 0: nowhere (lost). */
	uint32_t segment;
	uint64_t segment_off_bytes;
};

struct verify_params {
	const char *lun;		/* NULL: all */
	const char *snap;		/* NULL: the LUN and all its snapshots */
	uint64_t rate_bytes;		/* a second; 0: as fast as it goes */
};

/*
 * Start; a scrub that is running waits meanwhile.
 * Errors: -EBUSY one was asked for already, -ENOENT, -EINVAL.
 */
int lunset_verify(struct lunset *ls, const struct verify_params *p);
/* End the one that was asked for, with -EINTR; -ENOENT there is none. */
int lunset_verify_cancel(struct lunset *ls);

struct verify_state {
	uint64_t runs;			/* asked for and ended, since opening */
	bool running, scrubbing;	/* at most one of them */
	/* Of the one that was asked for, running or the last. */
	char what[2 * LUN_NAME_MAX + 2]; /* LUN, LUN@SNAP or "" for all */
	uint64_t begun_ns, ended_ns;	/* UTC; ended 0: running or none */
	int rc;				/* ended: 0 all was looked at */
	unsigned permille;		/* done, about */
	uint64_t data_bytes, node_bytes; /* read and verified */
	uint64_t rate_bytes;
	uint64_t repaired;		/* copies of nodes */
	uint64_t remade;		/* segments of nodes that were lost */
	uint64_t n_damage;		/* entries, those not kept included */
	uint64_t damaged_bytes;		/* of what is served, VERIFY_COPY not */
	/* Of the scrub. */
	uint64_t scrub_every_s;		/* 0: off */
	uint64_t scrub_begun_ns, scrub_done_ns; /* 0: not under way; never */
	unsigned scrub_permille;
	uint64_t scrub_repaired, scrub_remade;	/* since opening */
	uint64_t scrub_n_damage;	/* the same, or since all was read */
	/*
	 * Places found by all of these since the opening, and not made good;
	 * a run of everything that ends with 0 makes it what that one found.
	 */
	uint64_t known_n_damage;
	uint64_t known_ns;		/* UTC; 0: none is known */
	bool known_scrub;		/* found by the scrub; else asked for */
};
void lunset_verify_state(struct lunset *ls, struct verify_state *out);

enum verify_found_by {
	VERIFY_BY_RUN,		/* asked for: this or the last */
	VERIFY_BY_SCRUB,	/* since the opening */
	VERIFY_BY_ANY		/* all that is known */
};
/* What was found.  A malloc'ed array, at most VERIFY_LIST_MAX.  -ENOMEM. */
int lunset_verify_damage(struct lunset *ls, enum verify_found_by by,
    struct verify_damage **out, size_t *out_n);

/* ---- what readers met --------------------------------------------------- */

struct bad_block {
	uint64_t lun, seq;
	char lun_name[LUN_NAME_MAX + 1];
	char snap_name[LUN_NAME_MAX + 1];
	uint64_t off_bytes;
	uint32_t block_bytes, sector_bytes;
	int rc;
	uint64_t first_ns, last_ns, times;
};
/* At most 64, the latest first; those of LUNs that are gone left out.  -ENOMEM. */
int lunset_bad_blocks(struct lunset *ls, struct bad_block **out,
    size_t *out_n);

#endif /* !LUN_VERIFY_H */
