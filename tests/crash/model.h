/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - what the marks of a trace promise.
 *
 * A time is the number of a mark, from 1; 0 is never.  Operations on one
 * unit are never in flight together, so their order is known; for all others
 * one order is known: what was acknowledged before something was submitted
 * stands before it in the log.
 *
 * The promise: what is found is a prefix of the log.  So from what is there
 * follows what else must be there: when an operation is found, everything that
 * was acknowledged before it was submitted is in too, on any LUN.
 */
#ifndef TESTS_CRASH_MODEL_H
#define TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/crash/mark.h"

struct model_op {
	uint32_t lun;
	uint64_t submit, ack;
	bool zero, fua, stream;
	uint64_t off;		/* of the LUN, bytes */
	uint64_t content;	/* at off, of a stream */
};

struct model_hist {
	uint32_t *op;
	uint32_t n, cap;
};

struct model_snap {
	uint32_t lun;
	char name[64];
	uint64_t seq;
	uint64_t begin, done, del, del_done;
	bool may_exposed, must_exposed;
	uint8_t expose_uuid[16];
};

#define MODEL_WINDOWS 2

struct model_lun {
	uint32_t key;
	char name[64];
	uint64_t number, size;
	uint32_t block, sector;
	uint8_t uuid[16];
	bool has_user;
	uint64_t begin, done, del, del_done;
	uint64_t durable;	/* what was acknowledged before is durable */
	struct {
		uint64_t off, len;	/* bytes; the parts that are written */
	} win[MODEL_WINDOWS];
	uint8_t prop[PROPS];	/* bits: 1 may be off, 2 may be on */
	uint64_t n_unit;		/* in all windows */
	struct model_hist *hist;
};

struct model {
	uint64_t now;
	bool init;
	bool rebuilding;
	bool damaged;		/* copies of nodes, at some time */
	uint64_t durable;	/* the same for all LUNs */
	uint64_t checkpoint_begun;
	struct model_op *op;
	size_t n_op;
	struct model_lun *lun;
	size_t n_lun;
	struct model_snap *snap;
	size_t n_snap;
	struct {
		uint32_t lun, op;
		uint64_t submit;
	} flush[64];
	size_t n_flush;
};

struct model *model_new(void);
void model_free(struct model *m);
void model_mark(struct model *m, const struct mark *k);

/* The windows of a LUN of this size; returns the number of units. */
uint64_t model_windows(uint64_t size, uint32_t sector, uint64_t off[static 2],
    uint64_t len[static 2]);
/* Unit ${u} of the windows: its number in the LUN. */
uint64_t model_unit_no(const struct model_lun *l, uint64_t u);

struct model_lun *model_find(struct model *m, uint32_t key);

/*
 * The latest submission among what is found: contents of all units.  Of several
 * operations that wrote the same stream it is the first one.
 */
uint64_t model_newest(const struct model *m, const struct model_lun *l,
    const uint64_t *ver);

#define MODEL_HEAD UINT64_MAX	/* ${until} of the head: it has no end */

/*
 * Is this a legal state of the LUN?  Everything acknowledged before ${after}
 * must be in, nothing submitted at or after ${until} may be.  Returns the
 * number of units that are not legal; the first few are told on stderr.
 */
uint64_t model_check(const struct model *m, const struct model_lun *l,
    const uint64_t *ver, uint64_t after, uint64_t until, const char *what);

#endif /* !TESTS_CRASH_MODEL_H */
