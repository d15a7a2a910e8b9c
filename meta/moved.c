/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * moved.c - the table CAT_MOVED, and a set in memory of the segments that
 * have notes, so that who reads what never moved does not look into the table.
 *
 * Row: key birth segment 4, birth offset in sectors 4; value format 1 (= 1),
 * zero 3, sectors 4, segment 4, offset in sectors 4.
 *
 * The set may only err in one direction: a segment that is in it and has no
 * notes costs a look-up.  So a number is added before the transaction with its
 * first note commits, and none is taken out while the store is open.
 *
 * Crash: notes appear in the transaction that frees the birth segment, when
 * the copies are durable.  Until the file is removed both places have the same
 * bytes.
 */
#include "meta/moved.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/msg.h"

#define KEY_LEN		8u
#define VALUE_LEN	16u
#define TRIES		8u
#define PAGE_BITS	16
#define PAGE_WORDS	((1u << PAGE_BITS) / 64)
#define N_PAGES		(1u << (32 - PAGE_BITS))

struct page {
	_Atomic uint64_t w[PAGE_WORDS];
};

struct moved {
	struct catalog *cat;
	struct segs *segs;
	struct page *_Atomic page[N_PAGES];	/* set once */
};

/* ---- the set ---------------------------------------------------------- */

static bool
has_notes(struct moved *m, uint32_t segment)
{
	struct page *p = atomic_load(&m->page[segment >> PAGE_BITS]);
	uint32_t bit = segment & ((1u << PAGE_BITS) - 1);

	return (p != NULL &&
	    (atomic_load(&p->w[bit / 64]) >> (bit % 64) & 1) != 0);
}

/* One thread: opening, then the keeper. */
static int
add_segment(struct moved *m, uint32_t segment)
{
	struct page *p = atomic_load(&m->page[segment >> PAGE_BITS]);
	uint32_t bit = segment & ((1u << PAGE_BITS) - 1);

	if (p == NULL) {
		if ((p = calloc(1, sizeof(*p))) == NULL)
			return (-ENOMEM);
		atomic_store(&m->page[segment >> PAGE_BITS], p);
	}
	(void)atomic_fetch_or(&p->w[bit / 64], UINT64_C(1) << (bit % 64));
	return (0);
}

/* ---- rows ------------------------------------------------------------- */

static void
key_enc(uint32_t segment, uint32_t off_sectors, uint8_t key[static KEY_LEN])
{

	put_be32(key, segment);
	put_be32(key + 4, off_sectors);
}

static bool
in_segment(uint32_t segment, uint32_t off_sectors, uint32_t n_sectors)
{
	uint32_t max = SEGMENT_BYTES_MAX / SECTOR_BYTES;

	return (segment != 0 && off_sectors >= SEG_HEADER_SECTORS &&
	    off_sectors < max && n_sectors > 0 &&
	    n_sectors <= max - off_sectors);
}

static bool
run_ok(const struct moved_run *r)
{

	return (r->segment != r->birth_segment &&
	    in_segment(r->birth_segment, r->birth_off_sectors, r->n_sectors) &&
	    in_segment(r->segment, r->off_sectors, r->n_sectors));
}

static int
row_dec(const uint8_t *key, size_t klen, const uint8_t *val, size_t vlen,
    struct moved_run *out)
{
	struct moved_run r;

	if (klen != KEY_LEN || vlen != VALUE_LEN || val[0] != 1 ||
	    val[1] != 0 || val[2] != 0 || val[3] != 0)
		return (-EUCLEAN);
	r.birth_segment = get_be32(key);
	r.birth_off_sectors = get_be32(key + 4);
	r.n_sectors = get_be32(val + 4);
	r.segment = get_be32(val + 8);
	r.off_sectors = get_be32(val + 12);
	if (!run_ok(&r))
		return (-EUCLEAN);
	*out = r;
	return (0);
}

static int
open_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct moved *m = arg;
	struct moved_run r;
	int rc;

	if ((rc = row_dec(key, klen, val, vlen, &r)) != 0) {
		msg_err("catalogue: a row of the moved blocks is damaged");
		return (rc);
	}
	return (has_notes(m, r.birth_segment) ? 0 :
	    add_segment(m, r.birth_segment));
}

int
moved_open(struct catalog *cat, struct segs *segs, struct moved **out)
{
	struct moved *m;
	int rc;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return (-ENOMEM);
	m->cat = cat;
	m->segs = segs;
	if ((rc = catalog_each(cat, CAT_MOVED, open_row, m)) != 0) {
		moved_close(m);
		return (rc);
	}
	*out = m;
	return (0);
}

void
moved_close(struct moved *m)
{

	if (m == NULL)
		return;
	for (uint32_t i = 0; i < N_PAGES; i++)
		free(atomic_load(&m->page[i]));
	free(m);
}

/* ---- looking up ------------------------------------------------------- */

/* The last run of the segment that begins at or before ${off_sectors}. */
static int
floor_run(struct moved *m, uint32_t segment, uint32_t off_sectors,
    struct moved_run *out)
{
	uint8_t key[CAT_KEY_MAX], val[VALUE_LEN];
	size_t klen = KEY_LEN, vlen = sizeof(val);
	int rc;

	key_enc(segment, off_sectors, key);
	rc = catalog_floor(m->cat, CAT_MOVED, key, &klen, val, &vlen);
	if (rc == -ENOSPC)
		rc = -EUCLEAN;
	if (rc == 0)
		rc = row_dec(key, klen, val, vlen, out);
	if (rc == 0 && out->birth_segment != segment)
		rc = -ENOENT;
	return (rc);
}

/* ... which has all of ${loc}; ${*skip}: where in it that begins. */
static int
find_run(struct moved *m, locator loc, struct moved_run *out, uint32_t *skip)
{
	struct moved_run r;
	int rc;

	if (!has_notes(m, loc_segment(loc)))
		return (-ENOENT);
	rc = floor_run(m, loc_segment(loc), loc_off_sectors(loc), &r);
	if (rc != 0)
		return (rc);
	*skip = loc_off_sectors(loc) - r.birth_off_sectors;
	if (*skip >= r.n_sectors || r.n_sectors - *skip < loc_sectors(loc))
		return (-ENOENT);
	*out = r;
	return (0);
}

int
moved_find(struct moved *m, locator loc, uint32_t *out_segment,
    uint32_t *out_off_sectors)
{
	struct moved_run r;
	uint32_t skip;
	int rc;

	if ((rc = find_run(m, loc, &r, &skip)) != 0)
		return (rc);
	*out_segment = r.segment;
	*out_off_sectors = r.off_sectors + skip;
	return (0);
}

/*
 * The note goes before the birth segment: where there are both, both have the
 * bytes, and later there is only one.  A segment that vanishes between a
 * look-up and its opening has been moved from in between: look again.
 */
int
moved_get_run(struct moved *m, locator loc, unsigned copy,
    uint32_t want_sectors, struct seg **out, uint64_t *out_off_bytes,
    uint32_t *out_sectors)
{
	uint32_t number, off, n, skip;
	struct moved_run r;
	bool noted;
	int rc = -ENOENT;

	for (unsigned i = 0; i < TRIES; i++) {
		number = loc_segment(loc);
		off = loc_off_sectors(loc);
		n = want_sectors;
		noted = has_notes(m, number);
		rc = noted ? find_run(m, loc, &r, &skip) : -ENOENT;
		if (rc == 0) {
			number = r.segment;
			off = r.off_sectors + skip;
			n = TT_MIN(n, r.n_sectors - skip);
		} else if (rc != -ENOENT) {
			return (rc);
		}
		if (number > UINT32_MAX - copy)
			return (-ENOENT);
		rc = segs_get(m->segs, number + copy, out);
		if (rc == 0) {
			*out_off_bytes = (uint64_t)off * SECTOR_BYTES;
			*out_sectors = n;
		}
		if (rc != -ENOENT || !has_notes(m, loc_segment(loc)))
			return (rc);
	}
	return (rc);
}

int
moved_get(struct moved *m, locator loc, unsigned copy, struct seg **out,
    uint64_t *out_off_bytes)
{
	uint32_t n;

	return (moved_get_run(m, loc, copy, loc_sectors(loc), out,
	    out_off_bytes, &n));
}

/* From the last to the first: a row may be deleted when it was shown. */
int
moved_each(struct moved *m, uint32_t birth_segment,
    int (*fn)(void *arg, const struct moved_run *r), void *arg)
{
	uint32_t from = UINT32_MAX;
	struct moved_run r;
	int rc;

	if (!has_notes(m, birth_segment))
		return (0);
	while ((rc = floor_run(m, birth_segment, from, &r)) == 0) {
		if ((rc = fn(arg, &r)) != 0)
			return (rc);
		/* Never 0: a run lies behind the header of its segment. */
		from = r.birth_off_sectors - 1;
	}
	return (rc == -ENOENT ? 0 : rc);
}

struct all {
	int (*fn)(void *arg, const struct moved_run *r);
	void *arg;
};

static int
all_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct all *a = arg;
	struct moved_run r;
	int rc;

	if ((rc = row_dec(key, klen, val, vlen, &r)) != 0)
		return (rc);
	return (a->fn(a->arg, &r));
}

int
moved_all_from(struct moved *m, uint32_t birth_segment,
    uint32_t birth_off_sectors,
    int (*fn)(void *arg, const struct moved_run *r), void *arg)
{
	struct all a = { fn, arg };
	uint8_t key[KEY_LEN];

	key_enc(birth_segment, birth_off_sectors, key);
	return (catalog_each_from(m->cat, CAT_MOVED, key, sizeof(key), all_row,
	    &a));
}

int
moved_all(struct moved *m, int (*fn)(void *arg, const struct moved_run *r),
    void *arg)
{

	return (moved_all_from(m, 0, 0, fn, arg));
}

/* ---- notes ------------------------------------------------------------ */

int
moved_put(struct moved *m, struct cat_txn *t, const struct moved_run *r)
{
	uint8_t key[KEY_LEN], val[VALUE_LEN] = { 1 };
	int rc;

	if (!run_ok(r))
		return (-EINVAL);
	if (!has_notes(m, r->birth_segment) &&
	    (rc = add_segment(m, r->birth_segment)) != 0)
		return (rc);
	key_enc(r->birth_segment, r->birth_off_sectors, key);
	put_be32(val + 4, r->n_sectors);
	put_be32(val + 8, r->segment);
	put_be32(val + 12, r->off_sectors);
	return (catalog_put(t, CAT_MOVED, key, sizeof(key), val, sizeof(val)));
}

int
moved_del(struct moved *m, struct cat_txn *t, uint32_t birth_segment,
    uint32_t birth_off_sectors)
{
	uint8_t key[KEY_LEN];
	int rc;

	(void)m;
	key_enc(birth_segment, birth_off_sectors, key);
	rc = catalog_del(t, CAT_MOVED, key, sizeof(key));
	return (rc == -ENOENT ? 0 : rc);
}

int
moved_forget(struct moved *m, struct cat_txn *t, uint32_t birth_segment)
{
	uint8_t key[4];

	(void)m;
	put_be32(key, birth_segment);
	return (catalog_del_prefix(t, CAT_MOVED, key, sizeof(key)));
}
