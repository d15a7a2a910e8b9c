/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup_index.c - the table of samples and the filter in front of it.
 *
 * The filter is a Bloom filter of blocks of one cache line.  It can only take
 * in, so it is made anew in rounds: a cursor goes through the table and puts
 * each key into the next filter; rows that are written meanwhile go into both;
 * at the end the next one takes the place of the present one.  During the first
 * round after opening there is no present one: a key behind the cursor may be
 * in the table.
 *
 * Nothing else knows when a row has become useless: space is reclaimed without
 * asking.  So the round also looks whether the segment that a row names is
 * there, or was moved; rows of which neither holds are deleted with the rows
 * that are written next.
 */
#include "meta/dedup_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"

#define KEY_LEN		8u
#define VALUE_LEN	8u
#define TXN_ROWS	32768u		/* of one transaction */
#define STEP_ROWS	32768u		/* of one read transaction */
#define DEAD_MAX	(TXN_ROWS / 2)	/* the next round finds the others */
#define LINE_WORDS	8u		/* 512 bits */
#define PROBES		6u
#define LINES_MIN	1024u		/* 64 KiB */
#define BITS_PER_ROW	16u

struct filter {
	uint64_t n_lines;		/* a power of two */
	uint64_t w[];
};

struct dedup_index {
	struct dedup_index_conf conf;
	struct filter *cur, *next;	/* next: a round is under way */
	uint64_t cursor;		/* ... keys below it are in next */
	uint64_t rows, round_rows;	/* at the begin of the last round */
	uint64_t written;		/* since then */
	uint32_t *segs;			/* there at the begin of the round */
	size_t n_segs, room_segs;
	uint64_t *dead;			/* keys; deleted by the next write */
	size_t n_dead;
	bool broken;			/* no more writing */
};

/* ---- filter ------------------------------------------------------------ */

static struct filter *
filter_new(uint64_t rows, uint64_t max_bytes)
{
	uint64_t n = LINES_MIN, line = LINE_WORDS * 8;
	struct filter *f;

	while (n * line * 8 < rows * BITS_PER_ROW && 2 * n * line <= max_bytes)
		n *= 2;
	if ((f = calloc(1, sizeof(*f) + n * line)) != NULL)
		f->n_lines = n;
	return (f);
}

static uint64_t
filter_bytes(const struct filter *f)
{

	return (f == NULL ? 0 : f->n_lines * LINE_WORDS * 8);
}

/* Ids are hashes, but the bits that choose a line must not choose in it. */
static uint64_t
mix(uint64_t hi)
{

	hi ^= hi >> 33;
	hi *= UINT64_C(0xff51afd7ed558ccd);
	return (hi ^ hi >> 33);
}

static void
filter_add(struct filter *f, uint64_t hi)
{
	uint64_t *line = f->w + (hi & (f->n_lines - 1)) * LINE_WORDS;
	uint64_t h = mix(hi);

	for (unsigned i = 0; i < PROBES; i++, h >>= 9)
		line[h >> 6 & 7] |= UINT64_C(1) << (h & 63);
}

static bool
filter_has(const struct filter *f, uint64_t hi)
{
	const uint64_t *line = f->w + (hi & (f->n_lines - 1)) * LINE_WORDS;
	uint64_t h = mix(hi);

	for (unsigned i = 0; i < PROBES; i++, h >>= 9)
		if ((line[h >> 6 & 7] >> (h & 63) & 1) == 0)
			return (false);
	return (true);
}

/* ---- rounds ------------------------------------------------------------- */

static int
note_segment(void *arg, uint32_t number)
{
	struct dedup_index *x = arg;
	uint32_t *all;

	all = vec_room(x->segs, &x->room_segs, x->n_segs, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	x->segs = all;
	x->segs[x->n_segs++] = number;
	return (0);
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x < y ? -1 : x > y);
}

/* Newer ones than the list are there. */
static bool
is_useless(struct dedup_index *x, locator loc)
{
	uint32_t number = loc_segment(loc), to;

	if (!dedup_loc_ok(loc))
		return (true);
	if (x->n_segs == 0 || number > x->segs[x->n_segs - 1] ||
	    bsearch(&number, x->segs, x->n_segs, sizeof(*x->segs),
	    by_number) != NULL)
		return (false);
	return (moved_find(x->conf.moved, loc, &number, &to) == -ENOENT);
}

struct step {
	struct dedup_index *x;
	size_t n;
};

static int
step_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct step *s = arg;
	struct dedup_index *x = s->x;
	uint64_t hi = klen == KEY_LEN ? get_be64(key) : 0;

	if (s->n == STEP_ROWS) {
		x->cursor = hi;
		return (1);
	}
	s->n++;
	if (klen != KEY_LEN)	/* nobody finds it */
		return (0);
	if (vlen == VALUE_LEN && !is_useless(x, get_be64(val))) {
		filter_add(x->next, hi);
	} else if (x->n_dead < DEAD_MAX) {
		if (x->dead == NULL)
			x->dead = malloc(DEAD_MAX * sizeof(*x->dead));
		if (x->dead != NULL)
			x->dead[x->n_dead++] = hi;
	}
	return (0);
}

static void
begin_round(struct dedup_index *x)
{
	uint64_t half = x->conf.filter_bytes / 2;

	if (catalog_rows(x->conf.cat, CAT_DEDUP, &x->rows) != 0 ||
	    (x->next = filter_new(2 * x->rows, half)) == NULL)
		return;
	x->n_segs = 0;
	if (segs_list(x->conf.segs, note_segment, x) != 0)
		x->n_segs = 0;		/* then all of them count as there */
	x->cursor = 0;
	x->written = 0;
	x->round_rows = x->rows;
}

static void
end_round(struct dedup_index *x)
{

	free(x->cur);
	x->cur = x->next;
	x->next = NULL;
}

/* The present filter fills up, or half of the rows are new. */
static bool
round_due(const struct dedup_index *x)
{
	uint64_t half = x->conf.filter_bytes / 2;

	if (x->next != NULL || x->broken)
		return (false);
	if (x->cur == NULL)
		return (true);
	return (x->written > x->round_rows / 2 + 4096 ||
	    (x->rows * BITS_PER_ROW > 2 * filter_bytes(x->cur) * 8 &&
	    2 * filter_bytes(x->cur) <= half));
}

void
dedup_index_step(struct dedup_index *x, unsigned ms)
{
	uint64_t until = clock_mono_ms() + ms;
	uint8_t key[KEY_LEN];
	struct step s = { .x = x };
	int rc;

	if (round_due(x))
		begin_round(x);
	while (x->next != NULL) {
		put_be64(key, x->cursor);
		s.n = 0;
		rc = catalog_each_from(x->conf.cat, CAT_DEDUP, key, KEY_LEN,
		    step_row, &s);
		if (rc == 0)
			end_round(x);
		if (rc < 0)	/* no filter then: every key may be there */
			x->broken = true;
		if (rc <= 0 || clock_mono_ms() >= until)
			break;
	}
}

bool
dedup_index_may_have(const struct dedup_index *x, uint64_t hi)
{

	if (x->cur != NULL)
		return (filter_has(x->cur, hi));
	return (x->next == NULL || hi >= x->cursor || filter_has(x->next, hi));
}

/* ---- rows --------------------------------------------------------------- */

int
dedup_index_get(struct dedup_index *x, uint64_t hi, locator *out)
{
	uint8_t key[KEY_LEN], val[VALUE_LEN];
	size_t vlen = sizeof(val);
	int rc;

	put_be64(key, hi);
	rc = catalog_get(x->conf.cat, CAT_DEDUP, key, KEY_LEN, val, &vlen);
	if (rc == -ENOSPC || (rc == 0 && (vlen != VALUE_LEN ||
	    !dedup_loc_ok(get_be64(val)))))
		return (-ENOENT);
	if (rc == 0)
		*out = get_be64(val);
	return (rc);
}

static int
del_row(struct cat_txn *t, uint64_t hi)
{
	uint8_t key[KEY_LEN];
	int rc;

	put_be64(key, hi);
	rc = catalog_del(t, CAT_DEDUP, key, KEY_LEN);
	return (rc == -ENOENT ? 0 : rc);
}

static int
put_row(struct cat_txn *t, const struct dedup_row *r)
{
	uint8_t key[KEY_LEN], val[VALUE_LEN];

	put_be64(key, r->hi);
	put_be64(val, r->loc);
	return (catalog_put(t, CAT_DEDUP, key, KEY_LEN, val, VALUE_LEN));
}

/*
 * One transaction: what is dead goes first, because a dead key may be among
 * those of the new rows.
 */
static int
put_some(struct dedup_index *x, const struct dedup_row *rows, size_t n)
{
	struct cat_txn *t;
	int rc;

	if ((rc = catalog_begin(x->conf.cat, &t)) != 0)
		return (rc);
	for (size_t i = 0; i < x->n_dead && rc == 0; i++)
		rc = del_row(t, x->dead[i]);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = put_row(t, &rows[i]);
	if (rc != 0) {
		catalog_abort(t);
		return (rc);
	}
	return (catalog_commit(t));
}

static void
was_put(struct dedup_index *x, const struct dedup_row *rows, size_t n)
{

	for (size_t i = 0; i < n; i++) {
		if (x->cur != NULL)
			filter_add(x->cur, rows[i].hi);
		if (x->next != NULL)
			filter_add(x->next, rows[i].hi);
	}
	x->written += n;
}

int
dedup_index_put(struct dedup_index *x, const struct dedup_row *rows, size_t n)
{
	size_t k;
	int rc = 0;

	if (x->broken)
		return (0);
	while (n > 0) {
		k = TT_MIN(n, TXN_ROWS - x->n_dead);
		if ((rc = put_some(x, rows, k)) != 0)
			break;
		x->n_dead = 0;
		was_put(x, rows, k);
		rows += k;
		n -= k;
	}
	if (rc == 0)
		rc = catalog_rows(x->conf.cat, CAT_DEDUP, &x->rows);
	if (rc != 0 && rc != -ENOSPC && rc != -ENOMEM)
		x->broken = true;
	return (rc);
}

/* ---- the whole ---------------------------------------------------------- */

int
dedup_index_new(const struct dedup_index_conf *conf,
    struct dedup_index **out)
{
	struct dedup_index *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return (-ENOMEM);
	x->conf = *conf;
	*out = x;
	return (0);
}

void
dedup_index_free(struct dedup_index *x)
{

	if (x == NULL)
		return;
	free(x->cur);
	free(x->next);
	free(x->segs);
	free(x->dead);
	free(x);
}

void
dedup_index_state(const struct dedup_index *x, struct dedup_index_state *out)
{

	out->rows = x->rows;
	out->memory_bytes = filter_bytes(x->cur) + filter_bytes(x->next) +
	    x->room_segs * sizeof(*x->segs) +
	    (x->dead == NULL ? 0 : DEAD_MAX * sizeof(*x->dead));
	out->filling = x->next != NULL;
}
