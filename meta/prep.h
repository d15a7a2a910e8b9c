/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prep.h - the thread that keeps segment files prepared.
 *
 * Overwriting blocks that were allocated and written once spares the file
 * system's journal at each flush, so files are made ready before they are
 * needed.  Everything works without; it only gets slower.  While segments are
 * used up fast and nobody flushes the preparer stands back: its writes double
 * what the disk has to do.
 *
 * Threads: any.  Lock: LK_PREP, never while the backend is called.
 */
#ifndef META_PREP_H
#define META_PREP_H

#include "meta/segs.h"

struct prep;

/*
 * No thread yet.  On it ${tidy} is called after each prep_wake.
 * Errors: -ENOMEM.
 */
int prep_new(const struct segs_ops *ops, void *be, void (*tidy)(void *arg),
    void *arg, struct prep **out);

/* Stops the thread, within one chunk of its writing.  NULL is fine. */
void prep_free(struct prep *p);

/*
 * Keep ${n} files ready; 0: abandon what is being prepared and rest.
 * Errors: -errno when the thread cannot be started.
 */
int prep_set(struct prep *p, unsigned n);

/* How many are to be kept ready. */
unsigned prep_target(struct prep *p);

/* Somebody flushes.  Cheap, no lock. */
void prep_asked(struct prep *p);

/* A segment was made, of a prepared file or not. */
void prep_wake(struct prep *p);

#endif /* !META_PREP_H */
