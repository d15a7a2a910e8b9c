/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * space.h - how full the file system is, and what follows from it.
 *
 * Three levels.  LOW: less than a share of the file system is free; nothing
 * is prepared ahead any more, and who must know is told.  FULL: data is not
 * appended any more, while there is still room for all that frees space or
 * keeps the store whole: CATALOG, SNAPSHOT, ZERO and CHECKPOINT records, the
 * nodes of what is in memory (twice), the catalogue, and one segment for
 * space reclaim.  That room is kept free; and for who asks the file system and
 * is refused all the same (others write there too) there is DIR/reserve, an
 * allocated file that is given back in that moment and made again later.
 *
 * Prepared files count as free.
 *
 * Threads: any, unless said otherwise.  Lock: LK_SPACE.
 */
#ifndef META_SPACE_H
#define META_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/segs.h"

#define SPACE_RESERVE_NAME	"reserve"

enum space_level { SPACE_OK, SPACE_LOW, SPACE_FULL };

struct space;

struct space_conf {
	int dir_fd;			/* of the store; stays the caller's */
	struct segs *segs;
	uint32_t segment_bytes;
	unsigned prepared;		/* segments, while there is room */
	unsigned low_percent;		/* of the file system; 0: never LOW */
	uint64_t reserve_bytes;		/* 0: no file, and never FULL: only the
					 * file system's word counts */
	bool read_only;			/* look only, leave the reserve */
	/*
	 * On the thread of space_start, about each second and with no lock
	 * held.  need: what a checkpoint now may write (NULL: 0).  level: told
	 * once per change, and again each 30 s that it stays FULL (NULL: no).
	 */
	uint64_t (*need)(void *arg);
	void (*level)(void *arg, enum space_level now);
	void *arg;
};

/*
 * Looks at the file system and makes the reserve if there is room for it; no
 * thread yet.  Errors: -ENOMEM, -errno of statvfs.
 */
int space_new(const struct space_conf *conf, struct space **out);
/* Watch from now on.  -errno of the thread. */
int space_start(struct space *sp);
/* End the thread: nobody is told any more.  NULL is fine, also twice. */
void space_stop(struct space *sp);
/* The reserve stays.  NULL is fine. */
void space_free(struct space *sp);

/* May data be appended?  Cheap. */
bool space_may_write(const struct space *sp);
/* May one more segment be made for data?  Asks the file system. */
bool space_may_grow(struct space *sp);
/*
 * A write that must not fail met -ENOSPC: give back what is reserved.  True:
 * there was something, so try again.
 */
bool space_release(struct space *sp);

struct space_state {
	enum space_level level;
	uint64_t total_bytes, free_bytes;	/* with prepared files */
	uint64_t hard_bytes;		/* data stops when less would be free */
	uint64_t low_bytes;		/* LOW when less is free */
	uint64_t reserve_bytes;		/* allocated now */
	uint64_t n_low, n_full;		/* crossings since the opening */
};
void space_state(struct space *sp, struct space_state *out);
/* Look again now (a test; after space was freed). */
void space_look(struct space *sp);

#endif /* !META_SPACE_H */
