/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nodecache.h - verified nodes by locator, within a budget of memory.
 *
 * A locator never means two contents (segment numbers are never used twice),
 * so an entry is never stale.  Sharded; in each shard a clock chooses the
 * victim.  Threads: any.
 */
#ifndef META_NODECACHE_H
#define META_NODECACHE_H

#include "meta/node.h"

struct nodecache;

int nodecache_new(uint64_t budget_bytes, struct nodecache **out);
void nodecache_free(struct nodecache *c);
/* With ${both}: only a node whose two copies are known to be equal. */
bool nodecache_get(struct nodecache *c, locator loc, bool both,
    struct node *out);
/* The same by somebody passing through: it is no sign that the node is hot. */
bool nodecache_look(struct nodecache *c, locator loc, bool both,
    struct node *out);
/* Keeping it is a favour: without memory it is simply not kept. */
void nodecache_put(struct nodecache *c, locator loc, bool both,
    const struct node *n);
void nodecache_drop(struct nodecache *c, locator loc);
uint64_t nodecache_bytes(const struct nodecache *c);

#endif /* !META_NODECACHE_H */
