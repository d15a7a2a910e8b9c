/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eng.h - the engine driven by a plain program: one worker on a blocking
 * executor, operations that may overlap, a call that waits.
 *
 * Threads: a struct eng belongs to one thread; several may share a lunset.
 */
#ifndef TESTS_LIB_ENG_H
#define TESTS_LIB_ENG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lun/lun.h"
#include "meta/base/exec_sync.h"

struct eng {
	struct lunset *ls;
	struct exec_sync *es;
	struct lun_worker *w;
	unsigned in_flight;
	bool stop;
	uint64_t completions;
};

struct eng_io {
	struct lun_op op;
	struct iovec iov;
	struct eng *e;
	void (*fn)(struct eng_io *);	/* may be NULL */
	bool done;
};

/* A worker of its own on an open store; 0 or -errno. */
int eng_init(struct eng *e, struct lunset *ls);
void eng_fini(struct eng *e);		/* nothing in flight */

/*
 * Fill in io->op but for done and iov, call; ${buf}, ${len} become the iovec.
 * ${io} stays the caller's and must live until done.
 */
void eng_submit(struct eng *e, struct eng_io *io, void *buf, size_t len);

/* Append what was gathered and run until something completes, or a moment. */
void eng_turn(struct eng *e);
void eng_drain(struct eng *e);		/* until nothing is in flight */

/* One operation, waited for; its result. */
int eng_io(struct eng *e, enum lun_op_kind kind, unsigned flags,
    struct lun_dev *dev, uint64_t off, void *buf, size_t len);
int eng_zero(struct eng *e, struct lun_dev *dev, uint64_t off, uint64_t len);
int eng_flush(struct eng *e, struct lun_dev *dev);

#endif /* !TESTS_LIB_ENG_H */
