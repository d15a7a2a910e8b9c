/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rebuild_int.h - what rebuild.c (the whole), rebuilddump.c (rows of a dump)
 * and rebuildmoved.c (where moved blocks are) share.
 */
#ifndef META_REBUILD_INT_H
#define META_REBUILD_INT_H

#include "meta/catalog.h"
#include "meta/log.h"
#include "meta/rebuild.h"
#include "meta/segs.h"
#include "meta/store_int.h"
#include "meta/super.h"

/* A segment with a valid header. */
struct rb_seg {
	struct seg_header h;
};

struct rebuild {
	const char *catalog;		/* the folder being filled */
	bool salvage, may_be_empty;
	int dir_fd;
	struct super super;
	struct segs *segs;
	struct catalog *cat;
	struct cat_txn *t;		/* NULL: none is open */
	uint64_t n_puts;		/* in it */
	struct rb_seg *seg;		/* by number */
	size_t n_seg, room_seg;
	uint32_t *bare;			/* files without a valid header */
	size_t n_bare, room_bare;
	uint32_t max_number;		/* also of what is gone, as far as known */
	uint64_t max_epoch;
	uint64_t told_ms;
	uint64_t dump_end_seq;		/* of the dump that is used */
	bool is_older;			/* the newest dump could not be used */
	struct store_row row;		/* of the dump, or of a young store */
	struct rebuild_info info;
};

/* Is it time to say how far it is?  At most once a second. */
bool rb_tell(struct rebuild *rb);
/* The segment ${number}, or NULL: there is none with a valid header. */
const struct rb_seg *rb_find(const struct rebuild *rb, uint32_t number);
/* One row; the transaction is committed from time to time. */
int rb_put(struct rebuild *rb, enum cat_table tab, const void *key,
    size_t klen, const void *val, size_t vlen);
int rb_commit(struct rebuild *rb);
/* Begin again with an empty catalogue. */
int rb_fresh(struct rebuild *rb);

/*
 * rebuilddump.c: put the rows of the newest dump that can be used, and check
 * the log behind its position.  Fills in rb->row.  -EUCLEAN: logged.
 */
int rb_dump(struct rebuild *rb);

/* rebuildmoved.c: rows of CAT_MOVED.  Raises rb->max_number. */
int rb_moved(struct rebuild *rb);
/* Is every node there that the roots refer to?  -EUCLEAN no: logged. */
int rb_walk_roots(struct rebuild *rb);

#endif /* !META_REBUILD_INT_H */
