/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lun.h - the LUNs of a store: create, list, snapshot, expose, delete, and
 * the block API by which a front end reads and writes them.
 *
 * Two kinds of calls:
 * - management (lunset_*): blocking, for the admin thread and for tools; one
 *   change at a time, durable when it returns;
 * - block I/O (lun_submit): asynchronous with completions, on the executor of
 *   a worker; never blocks.
 *
 * Knows no SCSI, no iSCSI and no configuration.
 */
#ifndef LUN_LUN_H
#define LUN_LUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "meta/base/exec.h"

struct lunset;
struct lun_dev;
struct lun_worker;

#define LUN_NAME_MAX	63	/* [a-z0-9][a-z0-9.-]{0,62} */
#define LUN_SIZE_MAX	(UINT64_C(64) << 40)
#define LUN_HEAD	UINT64_MAX	/* "no snapshot": the LUN itself */
#define LUN_USER_MAX	200
#define LUN_SECRET_MAX	512	/* sealed bytes */
#define LUN_INITIATOR_MAX 223	/* RFC 7143 4.2.7.1 */
#define LUN_INITIATOR_CAP (LUN_INITIATOR_MAX + 1)

/* Name of a LUN or a snapshot: well formed, and no word of the WHEN grammar
 * ("last", "last-3", "yesterday", "now", "today"; a snapshot only). */
bool lun_name_ok(const char *name);
bool lun_snap_name_ok(const char *name);
/* iSCSI name of an initiator, in lower case: iqn., eui. or naa. and what
 * follows these (RFC 7143 4.2.7.3 to 4.2.7.6). */
bool lun_initiator_ok(const char *name);

/* ---- opening ---------------------------------------------------------- */

struct lunset_conf {
	const char *store;		/* directory */
	uint64_t memory_bytes;		/* budget; 0 = 512 MiB */
	uint64_t reclaim_bytes;		/* of space reclaim; 0 = its share */
	uint64_t verify_bytes;		/* of verification; 0 = its share */
	uint32_t segment_bytes;		/* lunset_init only; 0 = default */
	unsigned prepared;		/* segments kept prepared */
	uint64_t checkpoint_bytes;	/* 0 = default: log bytes between two */
	uint64_t checkpoint_ms;		/* 0 = default: time between two */
	/* Read everything so often, in the background (verify.h); 0: never. */
	uint64_t scrub_s;
	uint64_t scrub_rate_bytes;	/* a second; 0 = default */
	uint64_t scrub_delay_ms;	/* after the opening; 0 = default */
	/* As in struct store_conf (meta/store.h). */
	bool read_only, salvage, locked, looking;
	const char *catalog;
	unsigned space_low_percent;	/* warn below; 0: never */
	uint64_t reserve_bytes;		/* kept allocated; 0: data is refused only
					 * when the file system refuses it */
};

/*
 * Make a new store in a directory that is empty or does not exist.
 * Errors: -EEXIST it is one already, -ENOTEMPTY, -errno; logged.
 * Durable: when it has returned 0.  Crash before: no store (no superblock).
 */
int lunset_init(const struct lunset_conf *conf);

/*
 * Open and recover: afterwards everything acknowledged before is there and
 * durable.  Starts the threads of the engine.
 * Errors: -ENOENT not a store, -EBUSY open elsewhere, -EROFS/-EACCES not
 * writable, -EUCLEAN/-EILSEQ damaged, -EPROTONOSUPPORT newer format; logged
 * with what to do.
 */
int lunset_open(const struct lunset_conf *conf, struct lunset **out);

/* Opened with salvage: something was damaged and is left out. */
bool lunset_is_damaged(const struct lunset *ls);

/* Every lun_dev and lun_worker is closed.  Checkpoints.  Frees always; the
 * result tells whether the checkpoint succeeded (nothing is lost if not). */
int lunset_close(struct lunset *ls);

/* The same without the checkpoint: the next opening replays the log, as it
 * does when the process was killed. */
void lunset_abandon(struct lunset *ls);

/*
 * Is the catalogue of a store whole that nobody has open?  Looks in a child
 * process, so only for programs without threads.  Reads the store, changes
 * nothing.  With ${conf->salvage}: does it open so.
 * Errors: -EUCLEAN no: it was read, or the disk did not give it; logged why.
 * -EBUSY a daemon has it open; -ENOENT not a store; what kept it from being
 * looked at: -EACCES, -EPERM, -ENOMEM, -EMFILE, -ENFILE, -EINTR, -errno.
 */
int lunset_check(const struct lunset_conf *conf);

/**
 * lunset_rebuild(conf, force):
 * Make the catalogue of a store anew from its segments (meta/rebuild.h), if
 * it is not whole, or with ${force}; the old one is kept beside it.
 * Errors: -EEXIST it is whole; -EBUSY; -EUCLEAN the log is damaged as well;
 * those of rebuild_store.  Logged with what to do.
 */
int lunset_rebuild(const struct lunset_conf *conf, bool force);

/* ---- LUNs ------------------------------------------------------------- */

/* What makes a disk recognisable; random, never derived, never changed. */
struct lun_identity {
	uint8_t uuid[16];
	uint8_t naa[8];			/* NAA 3h, locally assigned */
	char serial[33];		/* 16..32 letters and digits */
};

struct lun_info {
	uint64_t number;		/* never used twice */
	char name[LUN_NAME_MAX + 1];
	uint64_t size_bytes;
	uint32_t block_bytes, sector_bytes;
	struct lun_identity identity;
	uint64_t created_ns;
	bool open;			/* without CHAP from anywhere */
	bool hold;			/* not served after a loss of power */
	bool held;			/* ... and that has happened */
	bool dedup;			/* blocks that are there are shared */
	bool write_through;		/* every write is durable when done */
	unsigned n_snaps, n_exposures;
};

struct lun_user {
	bool mutual;			/* the target's own name and secret */
	char user[LUN_USER_MAX + 1];
	uint8_t secret[LUN_SECRET_MAX];	/* sealed by the caller */
	size_t secret_len;
};

struct lun_params {
	const char *name;
	uint64_t size_bytes;		/* a multiple of block_bytes */
	uint32_t block_bytes;		/* power of two, 4..64 KiB */
	uint32_t sector_bytes;		/* 512 or 4096 */
	bool open, hold;
	bool no_dedup;			/* store everything again */
	bool write_through;
	const struct lun_user *users;	/* stored in the same change */
	size_t n_users;
};

/* Errors: -EEXIST, -EINVAL (name, size, block, sector), -ENOSPC, -EIO,
 * -EROFS the store stopped after an error. */
int lunset_create(struct lunset *ls, const struct lun_params *p,
    struct lun_info *out);

/* -ENOENT, -ENOTEMPTY it has snapshots (without ${with_snaps}), -EBUSY a
 * lun_dev of it or of one of its snapshots is open. */
int lunset_delete(struct lunset *ls, const char *name, bool with_snaps);

int lunset_find(struct lunset *ls, const char *name, struct lun_info *out);

/* Lists are malloc'ed arrays sorted by name (snapshots: by seq); the caller
 * frees.  -ENOMEM, -ENOENT. */
int lunset_list(struct lunset *ls, struct lun_info **out, size_t *out_n);
/* Initiators' users by name, then the target's own. */
int lunset_users(struct lunset *ls, uint64_t lun, struct lun_user **out,
    size_t *out_n);

/* ---- after a loss of power ---------------------------------------------- */

/*
 * An opening that finds that power was lost marks every LUN with ${hold} as
 * held before it returns; durably, or (no space) the next opening finds the
 * loss again.  lun/ serves a held LUN like any other:
 * not to do so is the front end's part, until lunset_online.
 * Errors: -ENOENT, -ENOSPC, -EIO, -EROFS.
 */
int lunset_set_hold(struct lunset *ls, const char *lun, bool hold);
int lunset_online(struct lunset *ls, const char *lun);

/* ---- dedup --------------------------------------------------------------- */

/*
 * Whether blocks that are written from now on share the place of equal ones
 * that the store has; what is shared stays so.  Errors: as lunset_set_hold.
 */
int lunset_set_dedup(struct lunset *ls, const char *lun, bool on);

/* ---- the write cache ------------------------------------------------------ */

/*
 * With ${on} each write, zeroing and compare-and-write that is done after this
 * returns is durable, as if it had LUN_F_FUA; what was acknowledged before is
 * durable on return.  Errors: as lunset_set_hold.
 */
int lunset_set_write_through(struct lunset *ls, const char *lun, bool on);

/* ---- who may enter ----------------------------------------------------- */

/*
 * Give LUN ${lun} one more user, or take one away.  Exposures of its
 * snapshots have the same users.  Durable on return.
 * Errors: -ENOENT no such LUN (remove: or user); -EEXIST; -EINVAL the name or
 * the secret is empty or too long; -ENOSPC, -EIO, -EROFS.
 */
int lunset_user_add(struct lunset *ls, const char *lun,
    const struct lun_user *u);
int lunset_user_remove(struct lunset *ls, const char *lun, const char *user,
    bool mutual);

/*
 * The initiator names that may enter; with none, all may.  Names that are
 * there already (deny: that are not) make no difference; all of a call change
 * together.
 * Errors: -ENOENT no such LUN, -EINVAL a name is not one (nothing changes),
 * -E2BIG too many at once, -ENOSPC, -EIO, -EROFS.
 */
int lunset_allow(struct lunset *ls, const char *lun,
    const char *const *names, size_t n);
int lunset_deny(struct lunset *ls, const char *lun,
    const char *const *names, size_t n);
/* A malloc'ed array in the order of their names.  -ENOENT, -ENOMEM. */
int lunset_initiators(struct lunset *ls, uint64_t lun,
    char (**out)[LUN_INITIATOR_CAP], size_t *out_n);
/* Without a copy, at each login: -EACCES others may and this one may not,
 * -ENOENT no such LUN. */
int lunset_may_enter(struct lunset *ls, uint64_t lun, const char *initiator);

/* ---- snapshots and exposures ------------------------------------------ */

struct snap_info {
	uint64_t lun, seq;		/* seq: the cut, names it for ever */
	char name[LUN_NAME_MAX + 1];
	uint64_t time_ns;
	bool exposed;
};

/*
 * Freeze a LUN.  ${name} NULL: named by its time, "20261121-134501.123456".
 * Contains every write acknowledged before the call.  Durable on return.
 * Errors: -ENOENT, -EEXIST, -EINVAL, -ENOSPC, -EIO, -EROFS.
 */
int lunset_snapshot(struct lunset *ls, const char *lun, const char *name,
    struct snap_info *out);
/* -ENOENT, -EBUSY exposed. */
int lunset_snap_delete(struct lunset *ls, const char *lun, const char *name);
int lunset_snaps(struct lunset *ls, const char *lun, struct snap_info **out,
    size_t *out_n);

struct exposure_info {
	uint64_t lun, seq;
	char lun_name[LUN_NAME_MAX + 1];
	char snap_name[LUN_NAME_MAX + 1];
	uint64_t size_bytes;
	uint32_t block_bytes, sector_bytes;
	struct lun_identity identity;	/* its own */
	uint64_t created_ns;
	bool open;			/* as its LUN */
};

/* Serve a snapshot as a read-only disk; kept over restarts.
 * -ENOENT, -EEXIST it is exposed already (${*out} is filled in all the same),
 * -EINVAL; unexpose: -ENOENT, -EBUSY its lun_dev is open. */
int lunset_expose(struct lunset *ls, const char *lun, const char *snap,
    struct exposure_info *out);
int lunset_unexpose(struct lunset *ls, const char *lun, const char *snap);
int lunset_exposures(struct lunset *ls, struct exposure_info **out,
    size_t *out_n);

/* ---- state ------------------------------------------------------------ */

/* How much space there is: enough, little, none for data. */
enum lun_space { LUN_SPACE_OK, LUN_SPACE_LOW, LUN_SPACE_FULL };

/*
 * Tell ${fn} of each change of that from now on, on a thread of the engine's
 * own; NULL: nobody, and when it has returned nobody is being told.
 */
typedef void lunset_space_fn(void *arg, enum lun_space now);
void lunset_on_space(struct lunset *ls, lunset_space_fn *fn, void *arg);
/* Less free than this is LOW; 0: never. */
uint64_t lunset_low_bytes(struct lunset *ls);

/* Space reclaim (meta/gc.h). */
enum lun_gc_phase { LUN_GC_IDLE, LUN_GC_MARK, LUN_GC_MOVE, LUN_GC_FREE };
struct lun_gc {
	enum lun_gc_phase phase;
	uint64_t done, total;		/* of this phase, about */
	uint64_t runs;			/* that have ended since the opening */
	int last_rc;			/* of the last of them */
	uint64_t asked, ended;		/* numbers of runs asked for */
	uint64_t last_ns;		/* when it ended, UTC; 0 = none has */
	/* given back since the opening; moved: copied for it */
	uint64_t freed_bytes, punched_bytes, moved_bytes;
	/* as the last run found it; 0 before the first */
	uint64_t logical_bytes;		/* mapped by LUNs */
	uint64_t unique_bytes;		/* ... which are different blocks */
	uint64_t snapshot_bytes;	/* blocks that only snapshots hold */
	uint64_t node_bytes;		/* maps, with their second copies */
	uint64_t windows;		/* since the opening (meta/gcwindow.c) */
	uint64_t memory_bytes;		/* most that a run held */
};
void lunset_gc_state(struct lunset *ls, struct lun_gc *out);

/*
 * Give back the space of what was overwritten or deleted: begin, or be content
 * with the run that is waiting to begin; ${wait}: for its end and its result.
 * Errors: -EROFS, -ESHUTDOWN the store is being closed; with ${wait}: -EILSEQ,
 * -EIO a map is damaged, nothing was freed; -ENOSPC, -ENOMEM.
 */
int lunset_gc(struct lunset *ls, bool wait);

struct lunset_status {
	uint8_t uuid[16];
	uint64_t epoch;			/* counts the openings */
	uint64_t seq;			/* last record of the log */
	uint64_t synced_seq;		/* everything up to it is durable */
	uint64_t log_bytes;		/* in the log since the last checkpoint */
	uint64_t checkpoints, checkpoint_ns;	/* count; time of the last, UTC */
	bool checkpointing;
	uint64_t overlay_bytes, node_cache_bytes, memory_bytes;
	uint64_t store_bytes, free_bytes;	/* allocated; in the file system */
	enum lun_space space;
	uint64_t low_bytes, hard_bytes;	/* less free: LOW; FULL */
	uint64_t reserve_bytes;		/* allocated now */
	uint64_t prepared_bytes;	/* in files made ready, for writes */
	uint64_t fs_bytes;		/* size of the file system */
	struct lun_gc gc;
	int failed;			/* 0, or -errno: stopped, read-only */
	uint64_t medium_errors;
	bool power_lost;		/* before this opening */
	uint64_t power_from_ns;		/* what was acknowledged from here */
	uint64_t power_to_ns;		/* to here, UTC, and not flushed */
	struct lun_dedup {		/* since the opening */
		uint64_t looked_bytes;	/* written, and looked at for copies */
		uint64_t shared_bytes;	/* ... and there already: not stored */
		uint64_t skipped_bytes;	/* ... for which there was no time */
		uint64_t collisions;	/* equal names, different content */
		uint64_t memory_bytes;	/* now */
	} dedup;
};
void lunset_status(struct lunset *ls, struct lunset_status *out);

/* Run a checkpoint now and wait for it. */
int lunset_checkpoint(struct lunset *ls);

/* ---- block I/O -------------------------------------------------------- */

/*
 * A worker's share of the engine: pools and the batch of writes gathered in
 * the current turn.  Create before its loop runs; close when nothing is in
 * flight on it.
 */
int lun_worker_new(struct lunset *ls, struct exec *ex,
    struct lun_worker **out);
void lun_worker_free(struct lun_worker *w);

/* Append what was gathered: call at the end of each turn of the loop. */
void lun_worker_flush(struct lun_worker *w);

/*
 * The loop promises to call lun_worker_flush at the end of every turn; then
 * the worker need not post itself a call for it.
 */
void lun_worker_hooked(struct lun_worker *w);

/*
 * Open a LUN (seq LUN_HEAD) or a snapshot (read-only) for I/O; any number of
 * times, from any thread.  While open it cannot be deleted.  -ENOENT.
 */
int lun_dev_open(struct lunset *ls, uint64_t lun, uint64_t seq,
    struct lun_dev **out);
void lun_dev_close(struct lun_dev *d);	/* nothing in flight on it */
uint64_t lun_dev_size_bytes(const struct lun_dev *d);
uint32_t lun_dev_block_bytes(const struct lun_dev *d);
bool lun_dev_is_read_only(const struct lun_dev *d);

/*
 * Where it may have data: a bit for each ${*out_unit_bytes}, the first one the
 * low bit of the first byte; 0 is certainly a hole.  Reads the whole map
 * (blocks); what of it cannot be read is marked.  The store is read-only, or
 * nobody writes to the LUN.  The caller frees ${*out}.  -ENOMEM.
 */
int lun_dev_datamap(struct lun_dev *d, uint8_t **out,
    uint64_t *out_unit_bytes);

enum lun_op_kind {
	LUN_READ,	/* iov <- off, len */
	LUN_WRITE,	/* iov -> off, len */
	LUN_ZERO,	/* extents become zeroes (unmap, write zeroes) */
	LUN_FLUSH,	/* what was acknowledged before is durable after */
	LUN_COMPARE_WRITE /* iov: 2 x len: compare, then write atomically */
};
enum { LUN_F_FUA = 1 };		/* durable before done */

struct lun_extent {
	uint64_t off_bytes, len_bytes;
};

/*
 * One operation; the owner embeds it and keeps it, its iovecs, its extents
 * and its memory until ${done}, which is called exactly once, on the worker's
 * executor, never from inside lun_submit.
 *
 * Units:   bytes, multiples of the LUN's sector size, inside the disk.
 * Results: 0; -EINVAL/-ERANGE bad arguments; -EROFS read-only device or a
 *          store that stopped; -ENOSPC; -EILSEQ or -EIO unreadable at
 *          ${bad_off_bytes}; -ENOMEM; -ECANCELED dropped by lun_op_cancel;
 *          LUN_COMPARE_WRITE: -EBADMSG differs, first at ${bad_off_bytes}.
 * Durable: writes survive the death of the process when done has been called;
 *          the loss of power after a FLUSH or with LUN_F_FUA.
 */
struct lun_op {
	enum lun_op_kind kind;
	unsigned flags;
	struct lun_dev *dev;
	uint64_t off_bytes, len_bytes;
	const struct iovec *iov;
	int n_iov;
	const struct lun_extent *extents;	/* LUN_ZERO */
	unsigned n_extents;
	void (*done)(struct lun_op *);
	int rc;
	uint64_t bad_off_bytes;
	/* private */
	struct list link;
	void *priv;
	_Atomic bool cancelled;
};

void lun_submit(struct lun_worker *w, struct lun_op *op);

/*
 * Ask that a write that is not in the log yet never gets there; done comes
 * all the same, with -ECANCELED or with its result.  On the worker's thread.
 */
void lun_op_cancel(struct lun_op *op);

#endif /* !LUN_LUN_H */
