/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segs.h - segment files, behind a small table of functions: a directory now,
 * a pool of a cluster later.
 *
 * Layout of a directory store (all made by segs_init):
 *	lock			held (flock) by the one process that has it open
 *	seg/XX/NNNNNNNN		segments; hex number, XX its low byte
 *	spare/			prepared files, allocated and written once
 *
 * Every write goes through write(2)-family system calls into the page cache;
 * nothing is durable before seg_sync.
 *
 * Threads: any, unless a function says otherwise.
 */
#ifndef META_SEGS_H
#define META_SEGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct segs;
struct seg;

/* The backend; segs.c calls nothing else to reach bytes. */
struct segs_ops {
	const char *name;
	int (*lock)(void *be, uint64_t epoch);
	int (*create)(void *be, uint32_t number, int *out_fd);
	int (*open)(void *be, uint32_t number, int *out_fd);
	int (*sync_name)(void *be, uint32_t number);
	int (*remove)(void *be, uint32_t number);
	int (*recycle)(void *be, uint32_t number);	/* may be NULL */
	int (*list)(void *be, int (*fn)(void *arg, uint32_t number), void *arg);
	int (*prepare)(void *be, const bool *stop);
	unsigned (*prepared)(void *be);
	void (*drop_prepared)(void *be);	/* may be NULL */
	/* segdraft.c; may be NULL: there are none. */
	int (*draft)(void *be, uint32_t *out_draft, int *out_fd);
	int (*draft_adopt)(void *be, uint32_t draft, uint32_t number);
	void (*draft_drop)(void *be, uint32_t draft);
	void (*close)(void *be);
};

/* Makes the empty folders in ${dir}; -EEXIST when there is something. */
int segs_init(const char *dir);

/* What -EBUSY of the next two means to a person. */
#define SEGS_BUSY_TEXT							\
	"another process has it open: a ttd that runs already, or a tt-recover"

/**
 * segs_open(dir, segment_bytes, max_open, out):
 * Errors: -EBUSY another process has the store open, -EROFS/-EACCES not
 * writable, -errno.  ${max_open} bounds the cached open files.
 */
int segs_open(const char *dir, uint32_t segment_bytes, unsigned max_open,
    struct segs **out);
/*
 * The same for reading only: not a byte of the directory changes, and what
 * would change one is -EROFS.  Several may have it open so, none while a
 * daemon has (-EBUSY).  ${locked}: the caller holds the lock already.
 */
int segs_open_read_only(const char *dir, uint32_t segment_bytes,
    unsigned max_open, bool locked, struct segs **out);
bool segs_is_read_only(const struct segs *ss);
void segs_close(struct segs *ss);	/* every seg was put; stops the preparer */

/*
 * Keep ${n} files prepared by a thread of its own (0 stops it): allocated and
 * written once with zeroes by O_DIRECT, synced.  A failure to prepare is
 * logged once and costs only speed.
 */
int segs_prepare(struct segs *ss, unsigned n);
/*
 * Somebody flushes: from now on, for a while, files are prepared also while
 * segments are used up fast.  Cheap.
 */
void segs_asked(struct segs *ss);
/* How many are ready now; remove them all. */
unsigned segs_prepared(struct segs *ss);
void segs_drop_prepared(struct segs *ss);

/**
 * segs_create(ss, number, out):
 * A new segment, exclusively: a prepared file renamed, or a fresh one,
 * allocated in full (so that ENOSPC comes here and not at a write).
 * Its bytes are arbitrary until written: recycled files keep old content.
 * Errors: -EEXIST, -ENOSPC, -errno; nothing is left behind.
 * Ownership: one reference for the caller.
 * Crash: the file may be there or not; it counts only by a valid header.
 */
int segs_create(struct segs *ss, uint32_t number, struct seg **out);

/* A reference to an existing segment.  -ENOENT, -errno. */
int segs_get(struct segs *ss, uint32_t number, struct seg **out);
void seg_put(struct seg *s);
struct seg *seg_ref(struct seg *s);

uint32_t seg_number(const struct seg *s);
int seg_fd(const struct seg *s);	/* for exec_read; valid while referenced */

/* All of ${iov}, or -errno (a short write is -ENOSPC or -EIO). */
int seg_write(struct seg *s, const struct iovec *iov, int n_iov,
    uint64_t off_bytes);

/* ${len} bytes or -errno; beyond the end of the file is -ENODATA. Blocks. */
int seg_read(struct seg *s, void *buf, size_t len, uint64_t off_bytes);

/* Only what the page cache holds: bytes read, -EAGAIN, or -errno. */
ssize_t seg_read_cached(struct seg *s, const struct iovec *iov, int n_iov,
    uint64_t off_bytes);

/*
 * fdatasync, and once per segment the sync of its name.  A failure is final:
 * it is remembered and returned by every later call; never retried.
 */
int seg_sync(struct seg *s);
/* Have it written out, ahead of a seg_sync; promises nothing. */
void seg_begin_sync(struct seg *s);

/* Cut off the tail from ${bytes} on; frees its space.  -errno. */
int seg_cut_tail(struct seg *s, uint64_t bytes);

/* Space that the segments take in the file system, in bytes (blocking). */
uint64_t segs_used_bytes(struct segs *ss);

/*
 * ${bytes} of a segment were replaced by newer ones.  When that is most of
 * it, its pages in the page cache are given back: see stale.h.  A hint.
 */
void segs_replaced(struct segs *ss, uint32_t number, uint32_t bytes);

/* Unlink; open references stay readable.  Not durable by itself. */
int segs_remove(struct segs *ss, uint32_t number);

/*
 * The same, for one whose content is dead for good: when fewer files are
 * prepared than wanted, and nobody references it, it becomes one of them.
 * Crash: the segment is there, or without a valid header, or a prepared file.
 */
int segs_retire(struct segs *ss, uint32_t number);
/* That there is, or is not, a segment of this number becomes durable. */
int segs_sync_name(struct segs *ss, uint32_t number);
/*
 * A file that is to become a segment whose own was lost.  ${fd} is written to
 * by who made it; then it is adopted or dropped, and closed by that.
 * Errors: -EOPNOTSUPP (for readers), -errno.
 */
struct seg_draft {
	uint32_t name;
	int fd;
};
int segs_draft(struct segs *ss, struct seg_draft *out);
/*
 * Its bytes become durable, then it is the segment ${number}, durably, in place
 * of the file that has the name, if any.
 * Errors: -EBUSY somebody has the segment open, or has written to it and not
 * synced; -errno.
 * Crash: what was there before, or all of it.
 */
int segs_draft_adopt(struct segs *ss, struct seg_draft *d, uint32_t number);
void segs_draft_drop(struct segs *ss, struct seg_draft *d);
/* Would that be -EBUSY now?  Then there is no use in writing one. */
bool segs_is_used(struct segs *ss, uint32_t number);

/*
 * Free the space of these bytes, which read as zeroes then; page aligned.
 * -EOPNOTSUPP the file system cannot.
 */
int seg_punch(struct seg *s, uint64_t off_bytes, uint64_t len_bytes);

/* Calls ${fn} for each segment in rising order; stops at the first non-0. */
int segs_list(struct segs *ss, int (*fn)(void *arg, uint32_t number),
    void *arg);

#endif /* !META_SEGS_H */
