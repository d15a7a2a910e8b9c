/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segscan.c - from header to header through one segment.
 *
 * Where a record must begin (behind the one before, or at the next page) and
 * none does, there are three cases:
 *  - whole pages of zeroes: a hole was punched there, or it is the unused rest
 *    of a prepared file.  The next header behind it is looked for; it cannot
 *    continue a record that is gone, so its checksum, which is seeded by the
 *    nonce, and the place that it names must be enough.
 *  - anything else in a segment of the log: the stream ended here.  What is
 *    behind may be what a failed write has left, and belongs to nobody.
 *  - anything else in a segment of nodes or of moved blocks: a header has
 *    rotted.  Who looks through these looks for what can be saved, and what
 *    nobody refers to does no harm: go on as behind a hole.
 *
 * Small records are read in long pieces, large ones by their headers alone:
 * the piece grows while the next header lies in it and shrinks when it does
 * not.
 */
#include "meta/segscan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"

#define PAGE_SECTORS	8u
#define PIECE_MIN	16u		/* sectors */
#define PIECE_MAX	512u

static_assert(PIECE_MAX >= REC_HEADER_MAX_SECTORS, "a header fits");

struct scan {
	struct seg *s;
	const struct seg_header *h;
	uint32_t end;			/* of what is looked at, in sectors */
	uint8_t *buf;
	uint32_t buf_off, buf_n;	/* what it holds, in sectors */
	uint32_t piece;
};

static uint32_t
page_up(uint32_t sectors)
{

	return ((sectors + PAGE_SECTORS - 1) & ~(PAGE_SECTORS - 1));
}

/*
 * ${*out} sectors from ${off} on are readable at ${*p}: at least ${want}, or
 * what there is before the end (0: nothing).
 */
static int
look(struct scan *sc, uint32_t off, uint32_t want, const uint8_t **p,
    uint32_t *out)
{
	uint32_t have = 0, n;
	int rc;

	if (off >= sc->end) {
		*out = 0;
		return (0);
	}
	want = TT_MIN(want, sc->end - off);
	if (off >= sc->buf_off && off < sc->buf_off + sc->buf_n)
		have = sc->buf_off + sc->buf_n - off;
	if (have < want) {
		/* A far jump: only the header was wanted of the last piece. */
		sc->piece = off > sc->buf_off + sc->buf_n + PAGE_SECTORS ?
		    TT_MAX(sc->piece / 2, PIECE_MIN) :
		    TT_MIN(sc->piece * 2, PIECE_MAX);
		n = TT_MIN(TT_MAX(sc->piece, want), sc->end - off);
		sc->buf_n = 0;
		rc = seg_read(sc->s, sc->buf, (size_t)n * SECTOR_BYTES,
		    (uint64_t)off * SECTOR_BYTES);
		if (rc == -ENODATA) {	/* cut off just now */
			sc->end = off;
			*out = 0;
			return (0);
		}
		if (rc != 0)
			return (rc);
		sc->buf_off = off;
		sc->buf_n = have = n;
	}
	*p = sc->buf + (size_t)(off - sc->buf_off) * SECTOR_BYTES;
	*out = have;
	return (0);
}

/* 1 and the record, if a whole header at ${off} names this place; else 0. */
static int
header_at(struct scan *sc, uint32_t off, struct rec *r, const uint8_t **hdr)
{
	uint32_t want = 1, have;
	size_t need = 0;
	int rc;

	for (unsigned tries = 0; tries < 2; tries++) {
		if ((rc = look(sc, off, want, hdr, &have)) != 0)
			return (rc);
		if (have < want)
			return (0);
		rc = rec_dec(*hdr, (size_t)have * SECTOR_BYTES, sc->h->nonce,
		    r, &need);
		if (rc == 0)
			return (r->segment == sc->h->number &&
			    r->off_sectors == off && (uint64_t)off +
			    r->header_sectors + r->payload_sectors <= sc->end);
		if (rc != -EAGAIN)
			return (0);
		want = (uint32_t)(need / SECTOR_BYTES);
	}
	return (0);
}

static bool
continues(const struct rec *r, const struct rec *last)
{

	return (r->seq == last->seq + 1 && r->prev_segment == last->segment &&
	    r->prev_end_sectors == last->off_sectors + last->header_sectors +
	    last->payload_sectors && r->prev_sum == last->sum);
}

/* The record that continues ${last} (NULL: the first one), as header_at. */
static int
next_at(struct scan *sc, uint32_t off, const struct rec *last, struct rec *r,
    const uint8_t **hdr)
{
	uint32_t page = page_up(off);
	int rc;

	rc = header_at(sc, off, r, hdr);
	if (rc == 1 && last != NULL && !continues(r, last))
		rc = 0;
	if (rc != 0 || page == off)
		return (rc);
	rc = header_at(sc, page, r, hdr);
	if (rc == 1 && last != NULL && !continues(r, last))
		rc = 0;
	return (rc);
}

static bool
all_zero(const uint8_t *p, uint32_t n_sectors)
{
	size_t n = (size_t)n_sectors * SECTOR_BYTES;

	return (n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0));
}

/*
 * Does a hole begin at ${off}, or at the next page?  All of that page is zero:
 * less is never punched.  Before it there may be what the file held before it
 * was recycled, where a sync made the log go on at a page; but a sector of
 * zeroes alone is how the log wipes out a record that it could not write.
 */
static int
is_hole(struct scan *sc, uint32_t off, bool *out)
{
	uint32_t gap = page_up(off) - off, want = gap + PAGE_SECTORS, have;
	const uint8_t *p;
	int rc;

	*out = false;
	if ((rc = look(sc, off, want, &p, &have)) != 0 || have == 0)
		return (rc);
	have = TT_MIN(want, have);
	*out = all_zero(p, have) || (have > gap && !all_zero(p, 1) &&
	    all_zero(p + (size_t)gap * SECTOR_BYTES, have - gap));
	return (0);
}

/* Where the file has data again; all of it when it cannot tell. */
static uint32_t
skip_hole(struct scan *sc, uint32_t off)
{
	off_t at = lseek(seg_fd(sc->s), (off_t)off * SECTOR_BYTES, SEEK_DATA);

	if (at < 0)
		return (errno == ENXIO ? sc->end : off);
	return (TT_MAX((uint32_t)TT_MIN((uint64_t)at / SECTOR_BYTES,
	    (uint64_t)sc->end) & ~(PAGE_SECTORS - 1), off));
}

/* The next header at ${off} or behind that names its place; as header_at. */
static int
search(struct scan *sc, uint32_t off, struct rec *r, const uint8_t **hdr)
{
	const uint8_t *p;
	uint32_t have;
	int rc;

	while (off < sc->end) {
		if ((rc = look(sc, off, 1, &p, &have)) != 0)
			return (rc);
		if (have == 0)
			return (0);
		if (all_zero(p, 1)) {
			off = off % PAGE_SECTORS == 0 && have >= PAGE_SECTORS &&
			    all_zero(p, PAGE_SECTORS) ?
			    skip_hole(sc, off + PAGE_SECTORS) : off + 1;
			continue;
		}
		if ((rc = header_at(sc, off, r, hdr)) != 0)
			return (rc);
		off++;
	}
	return (0);
}

static int
records(struct scan *sc, segscan_fn *fn, void *arg)
{
	uint32_t off = SEG_HEADER_SECTORS;
	const uint8_t *hdr;
	struct rec r, last;
	bool any = false, hole;
	int rc;

	for (;;) {
		rc = next_at(sc, off, any ? &last : NULL, &r, &hdr);
		if (rc == 0) {
			if ((rc = is_hole(sc, off, &hole)) != 0)
				return (rc);
			if (!hole && sc->h->kind == SEG_LOG)
				return (0);
			rc = search(sc, off, &r, &hdr);
		}
		if (rc <= 0)
			return (rc);
		if ((rc = fn(arg, &r, hdr)) != 0)
			return (rc);
		off = r.off_sectors + r.header_sectors + r.payload_sectors;
		last = r;
		any = true;
	}
}

static int
read_header(struct seg *s, const uint8_t store_uuid[static 16],
    struct seg_header *out)
{
	uint8_t buf[SEG_HEADER_BYTES];
	struct seg_header h;
	int rc;

	if ((rc = seg_read(s, buf, sizeof(buf), 0)) != 0)
		return (rc == -ENODATA ? -EILSEQ : rc);
	if (seg_header_dec(buf, &h) != 0 || h.number != seg_number(s) ||
	    memcmp(h.store_uuid, store_uuid, 16) != 0)
		return (-EILSEQ);
	*out = h;
	return (0);
}

int
segscan_header(struct segs *ss, const uint8_t store_uuid[static 16],
    uint32_t number, struct seg_header *out)
{
	struct seg *s;
	int rc;

	if ((rc = segs_get(ss, number, &s)) != 0)
		return (rc);
	rc = read_header(s, store_uuid, out);
	seg_put(s);
	return (rc);
}

int
segscan_to(struct segs *ss, const uint8_t store_uuid[static 16],
    uint32_t number, uint32_t end_sectors, struct seg_header *h,
    segscan_fn *fn, void *arg)
{
	struct seg_header own;
	struct scan sc = { .h = &own, .piece = PIECE_MIN };
	struct stat sb;
	int rc;

	if ((rc = segs_get(ss, number, &sc.s)) != 0)
		return (rc);
	if ((rc = read_header(sc.s, store_uuid, &own)) != 0)
		goto out_put;
	if (h != NULL)
		*h = own;
	if (fstat(seg_fd(sc.s), &sb) != 0) {
		rc = -errno;
		goto out_put;
	}
	sc.end = (uint32_t)(TT_MIN((uint64_t)sb.st_size, (uint64_t)own.bytes) /
	    SECTOR_BYTES);
	sc.end = TT_MIN(sc.end, end_sectors);
	if ((sc.buf = malloc((size_t)PIECE_MAX * SECTOR_BYTES)) == NULL) {
		rc = -ENOMEM;
		goto out_put;
	}
	rc = records(&sc, fn, arg);
	free(sc.buf);
out_put:
	seg_put(sc.s);
	return (rc);
}

int
segscan(struct segs *ss, const uint8_t store_uuid[static 16],
    uint32_t number, struct seg_header *h, segscan_fn *fn, void *arg)
{

	return (segscan_to(ss, store_uuid, number, UINT32_MAX, h, fn, arg));
}
