/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup_cmp.c - are the bytes of two blocks equal?  An id is never enough.
 *
 * What was written together lies together, with record headers in between: so
 * long as the next pair lies a little behind the one before on both sides, both
 * sides are read in one piece.  A piece that is not in one place any more,
 * because blocks of it were moved, is read block by block.
 */
#include "meta/dedup_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"

#define PIECE_SECTORS	(DEDUP_CMP_BYTES / 2 / SECTOR_BYTES) /* at once */
#define GAP_SECTORS	64u		/* headers between two blocks */

struct dedup_cmp {
	struct moved *m;
	uint8_t buf[2][PIECE_SECTORS * SECTOR_BYTES];
};

/* ${n} sectors from the begin of ${loc} on.  -ERANGE they are not together. */
static int
read_piece(struct moved *m, locator loc, uint32_t n, uint8_t *buf)
{
	struct seg *s;
	uint64_t off;
	uint32_t have;
	int rc;

	rc = moved_get_run(m, loc, 0, n, &s, &off, &have);
	if (rc != 0)
		return (rc);
	rc = have < n ? -ERANGE :
	    seg_read(s, buf, (size_t)n * SECTOR_BYTES, off);
	seg_put(s);
	return (rc);
}

static bool
follows(locator first, locator last, locator l)
{
	uint32_t end = loc_off_sectors(last) + loc_sectors(last);
	uint32_t off = loc_off_sectors(l);

	return (loc_segment(l) == loc_segment(last) && off >= end &&
	    off - end <= GAP_SECTORS &&
	    off + loc_sectors(l) - loc_off_sectors(first) <= PIECE_SECTORS);
}

static uint32_t
span(locator first, locator last)
{

	return (loc_off_sectors(last) + loc_sectors(last) -
	    loc_off_sectors(first));
}

/* Pairs that lie together; false: they do not any more. */
static bool
compare_together(struct dedup_cmp *c, struct dedup_pair *p, size_t n)
{
	locator mine = p[0].mine, older = p[0].older;

	if (read_piece(c->m, mine, span(mine, p[n - 1].mine), c->buf[0]) != 0 ||
	    read_piece(c->m, older, span(older, p[n - 1].older), c->buf[1]) != 0)
		return (false);
	for (size_t i = 0; i < n; i++) {
		size_t a = loc_off_sectors(p[i].mine) - loc_off_sectors(mine);
		size_t b = loc_off_sectors(p[i].older) - loc_off_sectors(older);

		p[i].read = true;
		p[i].same = memcmp(c->buf[0] + a * SECTOR_BYTES,
		    c->buf[1] + b * SECTOR_BYTES,
		    (size_t)loc_sectors(p[i].mine) * SECTOR_BYTES) == 0;
	}
	return (true);
}

void
dedup_cmp_run(struct dedup_cmp *c, struct dedup_pair *p, size_t n)
{
	size_t i = 0, k;

	while (i < n) {
		TT_ASSERT(loc_sectors(p[i].mine) == loc_sectors(p[i].older));
		for (k = 1; i + k < n; k++)
			if (!follows(p[i].mine, p[i + k - 1].mine,
			    p[i + k].mine) || !follows(p[i].older,
			    p[i + k - 1].older, p[i + k].older))
				break;
		for (size_t j = 0; j < k; j++)
			p[i + j].same = p[i + j].read = false;
		if (!compare_together(c, &p[i], k) && k > 1)
			for (size_t j = 0; j < k; j++)
				(void)compare_together(c, &p[i + j], 1);
		i += k;
	}
}

int
dedup_cmp_new(struct moved *m, struct dedup_cmp **out)
{
	struct dedup_cmp *c = malloc(sizeof(*c));

	if (c == NULL)
		return (-ENOMEM);
	c->m = m;
	*out = c;
	return (0);
}

void
dedup_cmp_free(struct dedup_cmp *c)
{

	free(c);
}
