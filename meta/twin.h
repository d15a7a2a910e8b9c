/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * twin.h - one file of a pair of segments of nodes was lost as a whole, or its
 * header was: it is made again from the other.
 */
#ifndef META_TWIN_H
#define META_TWIN_H

#include "meta/node.h"

/**
 * twin_lost(ns, first, out):
 * Has the pair that begins with ${first} lost a file, or its header?
 * ${*out}: which one (0 or 1), when exactly one of them is whole.
 * Result: 0 both are whole; 1 one is lost; -EILSEQ both; -EUCLEAN they are no
 * pair; -EIO, -ENOMEM, ...
 * Threads: any that may block.
 */
int twin_lost(struct nodes *ns, uint32_t first, unsigned *out);

/**
 * twin_make(ns, first, lost):
 * Make it again from the other one; when it is but its header that it has lost,
 * from what is left of it, and from the other one where that is damaged.
 * Errors: -EILSEQ the other one has no valid header; -EUCLEAN they are no pair;
 * -ESTALE they are not in use (any more); -EBUSY somebody has the file open; -EROFS;
 * -ENOSPC, also in a full store; -EIO, -ENOMEM, ...  Then everything is as
 * before.
 * Threads: as nodes_check, and not beside it.
 * Crash: twin.c; before or after.
 */
int twin_make(struct nodes *ns, uint32_t first, unsigned lost);

#endif /* !META_TWIN_H */
