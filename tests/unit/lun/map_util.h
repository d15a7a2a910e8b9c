/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map_util.h - changes, roots and look-ups, for the tests of the map.
 */
#ifndef TESTS_UNIT_LUN_MAP_UTIL_H
#define TESTS_UNIT_LUN_MAP_UTIL_H

#include "lun/map.h"
#include "tests/unit/lun/fake_nodes.h"
#include "tests/unit/lun/steps.h"

static const struct place hole;

static inline bool
place_equal(const struct place *a, const struct place *b)
{

	return (id_equal(&a->id, &b->id) && a->loc == b->loc);
}

static inline uint64_t
blks_of(unsigned height)
{

	return (UINT64_C(1) << (height * NODE_SHIFT));
}

static inline struct map_root
empty_root(unsigned height)
{

	return ((struct map_root){ hole, height });
}

/* One block by map_find_wait. */
static inline int
look_up(struct nodes *ns, const struct map_root *root, uint64_t blk,
    unsigned flags, struct place *out)
{
	struct node leaf;
	bool is_hole;
	int rc;

	rc = map_find_wait(ns, root, blk, flags, &leaf, &is_hole);
	if (rc == 0)
		*out = is_hole ? hole : node_child(&leaf, blk % NODE_FANOUT);
	return (rc);
}

static inline bool
has_token(struct nodes *ns, const struct map_root *root, uint64_t blk,
    uint64_t token)
{
	struct place p;

	return (look_up(ns, root, blk, 0, &p) == 0 && token_is(&p, token));
}

static inline struct change
block(uint64_t blk, uint64_t token)
{

	return ((struct change){ blk, 1, token_place(token) });
}

static inline struct change
holes(uint64_t first_blk, uint64_t n_blk)
{

	return ((struct change){ first_blk, n_blk, hole });
}

#endif /* !TESTS_UNIT_LUN_MAP_UTIL_H */
