/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rebuild.h - the catalogue, made anew from the segments alone.
 *
 * The rows come from the newest complete dump of the catalogue in the log,
 * what the dump leaves out (segments, moved blocks) from headers; the log
 * behind the position that the dump names is replayed by the next opening, as
 * after any checkpoint.  So nothing of it is interpreted here, but all of it
 * is read and checked first: with damage in it there is no new catalogue.
 * DESIGN.md "Rebuild".
 */
#ifndef META_REBUILD_H
#define META_REBUILD_H

#include <stdbool.h>
#include <stdint.h>

struct rebuild_conf {
	const char *path;		/* of the store */
	/*
	 * Asked when the new catalogue is complete, while the store is locked,
	 * with the folder that it is in: not 0 gives it up with that result.
	 * May be NULL.
	 */
	int (*trial)(void *arg, const char *catalog);
	void *arg;
	/*
	 * A store without any segment gets an empty catalogue.  Else that is
	 * -EUCLEAN: a new store looks like that, and so does one whose disk is
	 * not mounted.
	 */
	bool may_be_empty;
};

struct rebuild_info {
	uint64_t dump_seq;		/* where replay begins; 0: at the start */
	uint64_t dump_ns;		/* that moment; 0: no dump was needed */
	uint64_t rows;			/* of the dump */
	uint64_t segments, moved;	/* rows that say where blocks are */
	uint64_t replay_records, replay_bytes;
	bool damaged;			/* salvage: the log is not whole */
};

/**
 * rebuild_store(conf, out):
 * Make DIR/catalog.new and, when it is durable, give it its name; what was
 * there is kept as DIR/catalog.damaged-TIME.  Does not ask whether the old one
 * is whole: that is the caller's part (rebuild_check).  Progress is logged.
 * Errors: -EBUSY the store is open elsewhere; -ENOENT not a store; -EUCLEAN
 * what is needed of the log is damaged or gone; -EPROTONOSUPPORT; -ENOSPC,
 * -EIO, -ENOMEM, -errno; that of trial.  Logged with what to do.
 * Crash: the old catalogue, or none (rebuild again), or the new one.
 */
int rebuild_store(const struct rebuild_conf *conf, struct rebuild_info *out);

/*
 * The same into a folder ${catalog} (which must not exist) for a store that is
 * only read: its lock is shared, not a byte of it changes.  ${salvage}: the
 * log is used as far as it is whole.
 */
int rebuild_aside(const char *path, const char *catalog, bool salvage,
    struct rebuild_info *out);

/*
 * Read every row of every table of the store's own catalogue.  A damaged one
 * may end the process by a signal: call it in a child.  The caller sees to it
 * that nobody writes.  Errors: -ENOENT, -EUCLEAN, -errno.
 */
int rebuild_check(const char *path);

/* Removes a catalogue that was made aside, and its folder. */
void rebuild_discard(const char *catalog);

#endif /* !META_REBUILD_H */
