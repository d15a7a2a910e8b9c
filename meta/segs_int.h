/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segs_int.h - what segs.c, segcache.c, seg.c and segfound.c share; nobody
 * else includes it but their tests.
 */
#ifndef META_SEGS_INT_H
#define META_SEGS_INT_H

#include "meta/base/list.h"
#include "meta/base/lock.h"
#include "meta/prep.h"
#include "meta/segs.h"
#include "meta/stale.h"

#define SEG_MAGIC	0x73656721u
#define SEGS_MAGIC	0x73656773u

/*
 * A segment that is open, or a number that somebody is busy with.
 * Members are protected by:
 *	I  immutable while referenced	a  atomic	c  ss->lk
 */
struct seg {
	unsigned magic;			/* [I] */
	struct segs *ss;		/* [I] */
	uint32_t number;		/* [I] */
	int fd;				/* [I] -1 while being opened */
	_Atomic unsigned refs;		/* [a] 0 <-> 1 only under ss->lk */
	_Atomic bool dirty;		/* [a] written since the last sync */
	struct list hash;		/* [c] */
	struct list lru;		/* [c] linked: may be closed any time */
	bool busy;			/* [c] being opened, made or removed */
	bool gone;			/* [c] removed; closed by the last put */
	bool nameless;			/* [c] ... and not another one's file */
	bool created;			/* [c] made by this process */
	bool syncing;			/* [c] somebody is inside fdatasync */
	bool name_synced;		/* [c] its folder was synced */
	int sync_err;			/* [c] sticky */
};
/*
 * Invariants when ss->lk is not held: refs > 0 implies fd >= 0; on the LRU
 * implies refs == 0, not busy, and nothing unsynced; not gone implies hashed.
 */

struct segs {
	unsigned magic;			/* [I] */
	const struct segs_ops *ops;	/* [I] */
	void *be;			/* [I] */
	struct prep *prep;		/* [I] */
	struct stale *stale;		/* [I] */
	uint32_t segment_bytes;		/* [I] */
	unsigned max_open;		/* [I] */
	bool read_only;			/* [I] */
	struct lk lk;			/* rank LK_SEGCACHE */
	pthread_cond_t idle;		/* busy or syncing ended */
	struct list *buckets;		/* [c] */
	uint32_t bucket_mask;		/* [I] */
	struct list lru;		/* [c] oldest first */
	unsigned n_open;		/* [c] descriptors */
};

/* segs_open with another backend; ${be} is closed also on failure. */
int segs_open_with(const struct segs_ops *ops, void *be,
    uint32_t segment_bytes, unsigned max_open, struct segs **out);

/* segcache.c */
int segcache_init(struct segs *ss);
void segcache_free(struct segs *ss);	/* nothing may be referenced */
int segcache_get(struct segs *ss, uint32_t number, bool create,
    struct seg **out);
int segcache_remove(struct segs *ss, uint32_t number);
/* The same, but nobody's file becomes a prepared one if that can be. */
int segcache_recycle(struct segs *ss, uint32_t number);
/* Has somebody it open, or is it to stay open? */
bool segcache_is_used(struct segs *ss, uint32_t number);
/* The draft takes the name of a segment that nobody has open; -EBUSY. */
int segcache_adopt(struct segs *ss, uint32_t number, uint32_t draft);
void segcache_release(struct seg *s);

#endif /* !META_SEGS_INT_H */
