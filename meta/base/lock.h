/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h - mutexes with a rank, checked at run time.
 *
 * LOCK ORDER: a thread takes locks only in rising rank; two locks of one rank
 * are never held together.  Connection state needs no lock: it belongs to its
 * loop thread.  No lock is held across a socket write or a callback, and no
 * worker waits for a disk with one held, but for LK_LOG, which covers the
 * append to the page cache.
 */
#ifndef META_BASE_LOCK_H
#define META_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lk_rank {
	LK_NOTIFY = 1,	/* lun/set.c      who is told of the level of space      */
	LK_ADMIN,	/* lun/lunset.c   one change of the catalogue at a time */
	LK_CHANGE,	/* meta/change.c  a change of the catalogue and its rows */
	LK_TARGETS,	/* target/        name -> target, sessions               */
	LK_SCSI,	/* target/scsi/lu.c nexuses, unit attentions: a leaf     */
	LK_SESSIONS,	/* target/iscsi/session.c table of sessions    */
	LK_LUNSET,	/* lun/lunset.c   tables of LUNs, snapshots, exposures   */
	LK_RANGE,	/* lun/range.c    extents in flight of one LUN           */
	LK_LOG,		/* meta/log.c     the end of the log                     */
	LK_GEN,		/* meta/log.c     batches in flight per generation       */
	LK_LUN,		/* lun/lun.c      published view                         */
	LK_OVERLAY,	/* lun/overlay.c  a shard of an overlay                  */
	LK_KEEPER,	/* meta/keeper.c  requests to the keeper, queued rows    */
	LK_SYNC,	/* meta/syncer.c  waiters, unsynced segments             */
	LK_SEGCACHE,	/* meta/segcache.c open files                            */
	LK_NODE,	/* meta/nodecache.c a shard of the cache                 */
	LK_SPACE,	/* meta/space.c   how full the file system is            */
	LK_VERIFY,	/* lun/verify.c   what verification has found: a leaf    */
	LK_PREP,	/* meta/prep.c    prepared segments                      */
	LK_EXEC,	/* executors      posted calls: a leaf                   */
	LK_RANKS
};

struct lk {
	pthread_mutex_t mtx;
	enum lk_rank rank;
	_Atomic uintptr_t owner;	/* thread, 0 when free */
};

void lk_init(struct lk *l, enum lk_rank rank);
void lk_destroy(struct lk *l);
void lk_lock(struct lk *l);	/* asserts the rank */
void lk_unlock(struct lk *l);	/* asserts the owner */
bool lk_held(const struct lk *l);

/* Waits on ${c} with ${l} held; spurious wake-ups happen. */
void lk_wait(struct lk *l, pthread_cond_t *c);
/* The same, at most ${ms}; false: the time is over.  ${c} by cond_init. */
bool lk_wait_ms(struct lk *l, pthread_cond_t *c, uint64_t ms);
/* The same, until clock_mono_ns() is ${end_ns}. */
bool lk_wait_until(struct lk *l, pthread_cond_t *c, uint64_t end_ns);
/* A condition on the monotonic clock. */
void cond_init(pthread_cond_t *c);

#endif /* !META_BASE_LOCK_H */
