/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * datamap.c - where a LUN or snapshot may have data: for who reads all of it
 * and has no time for its holes.
 */
#include <errno.h>
#include <stdlib.h>

#include "lun/lun_int.h"
#include "meta/walk.h"

struct datamap {
	uint8_t *bits;
	uint64_t n_blk;
};

static void
mark(struct datamap *m, uint64_t blk, uint64_t n)
{
	uint64_t end;

	if (blk >= m->n_blk || n == 0)
		return;
	end = (blk + TT_MIN(n, m->n_blk - blk) - 1) >> NODE_SHIFT;
	for (uint64_t i = blk >> NODE_SHIFT; i <= end; i++)
		m->bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static int
on_block(void *arg, struct place p, uint64_t blk)
{

	(void)p;
	mark(arg, blk, 1);
	return (0);
}

/* Reading it will tell. */
static int
on_bad_node(void *arg, struct place p, uint64_t blk, uint64_t n_blk, int rc)
{

	(void)p;
	(void)rc;
	mark(arg, blk, n_blk);
	return (0);
}

static int
on_lost(void *arg, uint64_t blk, uint64_t n_blk)
{

	mark(arg, blk, n_blk);
	return (0);
}

/* A hole in an overlay is marked as well: that costs a look. */
static int
mark_overlay(struct datamap *m, struct overlay *o)
{
	struct change *c;
	size_t n;
	int rc;

	if ((rc = overlay_list(o, &c, &n)) != 0)
		return (rc);
	for (size_t i = 0; i < n; i++)
		if (!id_is_hole(&c[i].place.id))
			mark(m, c[i].first_blk, c[i].n_blk);
	free(c);
	return (0);
}

int
lun_dev_datamap(struct lun_dev *d, uint8_t **out, uint64_t *out_unit_bytes)
{
	static const struct walk_ops ops = {
		.block = on_block, .bad_node = on_bad_node, .lost = on_lost,
	};
	struct datamap m = { .n_blk = d->lun->n_blk };
	struct walk w = { .ns = d->lun->set->nodes, .ops = &ops, .arg = &m };
	struct view *v;
	int rc;

	if ((m.bits = calloc((m.n_blk >> (NODE_SHIFT + 3)) + 1, 1)) == NULL)
		return (-ENOMEM);
	v = view_of(d->lun, d->snap);
	rc = walk_tree(&w, v->root.top, v->root.height);
	for (unsigned i = 0; i < v->n && rc == 0; i++)
		rc = mark_overlay(&m, v->ov[i]);
	view_unref(v);
	if (rc != 0) {
		free(m.bits);
		return (rc);
	}
	*out = m.bits;
	*out_unit_bytes = (uint64_t)NODE_FANOUT * d->lun->info.block_bytes;
	return (0);
}
