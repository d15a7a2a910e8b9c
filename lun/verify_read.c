/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify_read.c - blocks are gathered, sorted by where they are, and read in
 * long pieces.
 */
#include <errno.h>
#include <stdlib.h>

#include "lun/verify_int.h"
#include "meta/segmedium.h"

static size_t
len_of(const struct place *p)
{

	return ((size_t)loc_sectors(p->loc) * SECTOR_BYTES);
}

static int
check(const uint8_t *buf, const struct place *p)
{
	struct id id = id_of(buf, len_of(p));

	return (id_equal(&id, &p->id) ? 0 : -EILSEQ);
}

static int
read_one(struct run *r, const struct place *p)
{
	uint64_t off;
	struct seg *s;
	int rc;

	if ((rc = moved_get(r->ls->moved, p->loc, 0, &s, &off)) != 0)
		return (rc);
	rc = seg_read_medium(s, r->buf, len_of(p), off);
	seg_put(s);
	return (rc == 0 ? check(r->buf, p) : rc);
}

/*
 * What was not right in a piece is looked at alone, and by way of the table
 * of what has moved: a reclaim of space may have been between.
 */
int
verify_again(struct run *r, struct place p)
{
	int rc = read_one(r, &p);

	if (rc == -ENOENT || rc == -EILSEQ)
		rc = read_one(r, &p);
	return (rc);
}

/* Nobody's fault but ours, and no reason to call anything damaged. */
static bool
is_ours(int rc)
{

	return (rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE);
}

static int
suspect(struct run *r, const struct vblock *b)
{
	int rc = verify_again(r, b->p);

	if (rc == 0 || is_ours(rc))
		return (rc);
	/* Whether anybody still refers to it is seen when the tree is gone
	 * through for it. */
	r->found_bad = true;
	rc = locset_add(r->bad, b->p.loc);
	return (rc < 0 ? rc : 0);
}

static uint32_t
end_of(const struct vblock *b)
{

	return (loc_off_sectors(b->p.loc) + loc_sectors(b->p.loc));
}

/* Blocks from ${i} on that one read is to fetch. */
static size_t
piece_at(const struct run *r, size_t i)
{
	const struct vblock *first = &r->batch[i];
	size_t n = 1;

	for (; i + n < r->n_batch; n++) {
		const struct vblock *b = &r->batch[i + n];
		uint32_t off = loc_off_sectors(b->p.loc);

		if (loc_segment(b->p.loc) != loc_segment(first->p.loc) ||
		    off < end_of(b - 1) ||
		    off - end_of(b - 1) > BATCH_GAP / SECTOR_BYTES ||
		    end_of(b) - loc_off_sectors(first->p.loc) >
		    BATCH_BYTES / SECTOR_BYTES)
			break;
	}
	return (n);
}

/* Reads ${n} blocks, or fewer when they do not lie together any more. */
static int
read_piece(struct run *r, size_t i, size_t *n)
{
	const struct vblock *b = &r->batch[i];
	uint32_t from = loc_off_sectors(b->p.loc), got;
	uint64_t off;
	struct seg *s;
	int rc;

	rc = moved_get_run(r->ls->moved, b->p.loc, 0,
	    end_of(b + *n - 1) - from, &s, &off, &got);
	if (rc != 0) {
		*n = 1;
		return (rc);
	}
	while (end_of(b + *n - 1) - from > got)
		--*n;
	got = end_of(b + *n - 1) - from;
	rc = seg_read_medium(s, r->buf, (size_t)got * SECTOR_BYTES, off);
	seg_put(s);
	verify_read(r, (uint64_t)got * SECTOR_BYTES, false);
	return (rc);
}

static int
by_place(const void *a, const void *b)
{
	const struct vblock *x = a, *y = b;

	return ((x->p.loc > y->p.loc) - (x->p.loc < y->p.loc));
}

/*
 * Marks those that are right: the buffer is used again when the others are
 * looked at alone.
 */
static void
check_piece(struct run *r, size_t i, size_t n)
{
	uint32_t from = loc_off_sectors(r->batch[i].p.loc);

	for (size_t k = i; k < i + n; k++) {
		struct vblock *b = &r->batch[k];

		b->good = check(r->buf + (size_t)(loc_off_sectors(b->p.loc) -
		    from) * SECTOR_BYTES, &b->p) == 0;
	}
}

int
verify_flush(struct run *r)
{
	int rc = 0;

	qsort(r->batch, r->n_batch, sizeof(*r->batch), by_place);
	for (size_t i = 0, n; i < r->n_batch && rc == 0; i += n) {
		n = piece_at(r, i);
		if (read_piece(r, i, &n) == 0)
			check_piece(r, i, n);
		for (size_t k = i; k < i + n && rc == 0; k++)
			if (!r->batch[k].good)
				rc = suspect(r, &r->batch[k]);
		if (rc == 0)
			rc = verify_pace(r);
	}
	r->n_batch = 0;
	return (rc);
}

int
verify_block(struct run *r, struct place p)
{

	r->batch[r->n_batch++] = (struct vblock){ p, false };
	return (r->n_batch == BATCH_BLOCKS ? verify_flush(r) : 0);
}
