/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * noderepair.h - look at both copies of a node as the medium has them, and
 * rewrite a bad one from the good one.
 */
#ifndef META_NODEREPAIR_H
#define META_NODEREPAIR_H

#include "meta/node.h"

/* What was found, for each copy: 0, or why it is bad. */
struct node_check {
	int rc[2];
	/* Both match the id, but their locators differ (reconciled). */
	bool differ;
	/* A bad copy was written again, is durable and was read back. */
	bool repaired[2];
	/* Where the copies are. */
	uint32_t segment[2];
	uint64_t off_bytes[2];
};

/**
 * nodes_check(ns, p, repair, out, c):
 * Reads both copies past the caches.  A bad one is rewritten in place when
 * ${repair}; if that is not possible ${c} says so (rc and not repaired).
 * Errors: as nodes_load, when there is no good copy; -ENOMEM.
 * Threads: any that may block, but one at a time; only nodes that a commit
 * refers to.
 * Crash: see noderepair.c; at any moment one good copy of every node is
 * durable.
 */
int nodes_check(struct nodes *ns, struct place p, bool repair,
    struct node *out, struct node_check *c);

#endif /* !META_NODEREPAIR_H */
