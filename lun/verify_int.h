/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify_int.h - what verify.c (requests), verify_run.c (trees),
 * verify_read.c (blocks) and scrub.c (schedule) share.
 */
#ifndef LUN_VERIFY_INT_H
#define LUN_VERIFY_INT_H

#include "lun/findings.h"
#include "lun/lun_int.h"
#include "lun/verify.h"
#include "meta/locset.h"
#include "meta/walk.h"

#define BATCH_BLOCKS	2048u
#define BATCH_BYTES	(UINT64_C(1) << 20)	/* of one read */
#define BATCH_GAP	(UINT64_C(64) << 10)	/* read over, not around */

/* Where a pass of the scrub is: everything before it was verified. */
struct scrub_row {
	bool under_way;
	uint64_t done_ns, begun_ns;
	uint64_t lun, seq, blk;
};
#define SCRUB_ROW_LEN	48
void scrub_row_enc(const struct scrub_row *r,
    uint8_t out[static SCRUB_ROW_LEN]);
int scrub_row_dec(const uint8_t *val, size_t vlen, struct scrub_row *out);

/* Members are protected by:  I  immutable   v  lk   t  the thread   a  atomic */
struct verifier {
	struct lunset *ls;		/* [I] */
	pthread_t thread;		/* [I] */
	bool started;			/* [I] after the opening */
	uint64_t scrub_every_s, scrub_rate_bytes, scrub_delay_ms; /* [I] */
	struct lk lk;			/* rank LK_VERIFY */
	pthread_cond_t work;
	bool stop;			/* [v] */
	bool asked;			/* [v] begun or not: not ended */
	bool cancel;			/* [v] the one that was asked for */
	char lun[LUN_NAME_MAX + 1];	/* [v] of it; "" = all */
	char snap[LUN_NAME_MAX + 1];	/* [v] "" = all */
	uint64_t rate_bytes;		/* [v] */
	struct verify_state state;	/* [v] */
	struct findings found, scrub_found; /* [v] */
	/* All of these since the opening, until everything was read again. */
	struct findings known;		/* [v] */
	uint64_t known_ns;		/* [v] when it was found, UTC */
	bool known_scrub;		/* [v] the last of it by the scrub */
	struct scrub_row scrub;		/* [v] as of now */
	uint64_t saved_ms;		/* [t] */
	struct scrub_row saved;		/* [t] as in the catalogue */
};

/* One LUN or snapshot. */
struct target {
	uint64_t lun, seq;
	char lun_name[LUN_NAME_MAX + 1];
	char snap_name[LUN_NAME_MAX + 1];
	unsigned height, block_shift;
	uint32_t sector_bytes;
	uint64_t n_blk;
};

struct vblock {
	struct place p;
	bool good;
};

struct run {
	struct verifier *v;
	struct lunset *ls;
	bool scrub;
	uint64_t rate_bytes;
	uint64_t begun_ms, done_bytes;
	struct target *targets;
	size_t n_targets, at;
	/* of the tree being walked */
	struct target *t;
	uint64_t from_blk;		/* everything before is done */
	bool found_bad;			/* something new in this tree */
	unsigned stale;			/* nodes that were replaced meanwhile */
	uint32_t pair;			/* of segments of nodes: was whole */
	bool no_twins;			/* one could not be made again */
	struct walk walk;
	/* of all */
	struct locset *seen;		/* nodes that were entered */
	struct locset *read;		/* blocks that were, good or bad */
	struct locset *bad;		/* blocks and nodes that are damaged */
	struct locset *half;		/* nodes with one copy */
	struct locset *tainted;		/* nodes above something of these */
	struct vblock *batch;
	size_t n_batch;
	uint8_t *buf;
};

/* verify.c: -EINTR: end now; sleeps to keep to the rate. */
int verify_pace(struct run *r);
/* verify.c: ${bytes} were read; ${node}: of nodes. */
void verify_read(struct run *r, uint64_t bytes, bool node);
void verify_repaired(struct run *r, unsigned n);
void verify_remade(struct run *r);
void verify_found(struct run *r, const struct verify_damage *d);
/* verify.c: the walk has come to ${blk} of its target. */
void verify_at(struct run *r, uint64_t blk);

/* verify_run.c: everything of the targets ("" = all); 0, -EINTR, -errno. */
int verify_run(struct run *r, const char *lun, const char *snap,
    const struct scrub_row *from);

/* verify_read.c */
int verify_block(struct run *r, struct place p);
int verify_flush(struct run *r);
/* The block once more, as the medium has it: 0 or what is wrong with it. */
int verify_again(struct run *r, struct place p);

/* scrub.c: with lk not held; the thread's. */
bool scrub_due(const struct verifier *v, uint64_t opened_ms,
    uint64_t *out_wait_ms);
void scrub_begin(struct verifier *v);
void scrub_save(struct verifier *v, bool now);
void scrub_done(struct verifier *v);

/* For set.c. */
int verifier_new(struct lunset *ls, const struct lunset_conf *conf,
    struct verifier **out);
int verifier_start(struct verifier *v);
/* Ends what is running; ${save}: where the scrub is. */
void verifier_free(struct verifier *v, bool save);

#endif /* !LUN_VERIFY_INT_H */
