/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_catrow.c - rows of the catalogue that meta/ reads itself.  Rows: table 1
 * (of the list below), length of the key 1, of the value 1, key, value.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "meta/base/bytes.h"
#include "meta/dedup_int.h"
#include "meta/gc_int.h"
#include "meta/moved.h"
#include "meta/store_int.h"
#include "tests/unit/meta/segfix.h"

#define ROWS_MAX 32u

static const enum cat_table tables[] = { CAT_MOVED, CAT_SEGMENT, CAT_DEDUP,
	CAT_STORE, CAT_ROOT };

struct row {
	enum cat_table tab;
	const uint8_t *key, *val;
	size_t klen, vlen;
};

static struct segfix f;
static struct catalog *cat;

static void
clean_up(void)
{

	catalog_close(cat);
	segfix_teardown(&f);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[PATH_MAX];

	(void)argc;
	(void)argv;
	fuzz_silent();
	tmpdir_prefer_memory();
	segfix_setup(&f, 4);
	(void)snprintf(path, sizeof(path), "%s", tmpdir_path(&f.t, "catalog"));
	FUZZ_HOLDS(catalog_init(path) == 0);
	FUZZ_HOLDS(catalog_open(path, 16u << 20, &cat) == 0);
	(void)atexit(clean_up);
	return (0);
}

/* What can be put is put; how many that are. */
static unsigned
put_rows(struct in *in, struct row *rows)
{
	struct cat_txn *t;
	unsigned n = 0;

	FUZZ_HOLDS(catalog_begin(cat, &t) == 0);
	while (in->left > 0 && n < ROWS_MAX) {
		struct row *r = &rows[n];

		r->tab = tables[in_u8(in) % 5];
		r->klen = in_u8(in);
		r->vlen = in_u8(in);
		r->key = in_bytes(in, &r->klen);
		r->val = in_bytes(in, &r->vlen);
		if (r->klen == 0)
			continue;
		FUZZ_HOLDS(catalog_put(t, r->tab, r->key, r->klen, r->val,
		    r->vlen) == 0);
		n++;
	}
	FUZZ_HOLDS(catalog_commit(t) == 0);
	return (n);
}

static int
run_ok(void *arg, const struct moved_run *r)
{
	unsigned *n = arg;

	FUZZ_HOLDS(r->n_sectors > 0 && r->segment != 0);
	FUZZ_HOLDS(++*n <= ROWS_MAX);
	return (0);
}

static void
moved_rows(const struct row *rows, unsigned n_rows)
{
	struct moved *m;
	struct seg *s;
	uint32_t seg, off, have;
	uint64_t at;
	unsigned n = 0;
	int rc;

	if ((rc = moved_open(cat, f.ss, &m)) != 0) {
		FUZZ_HOLDS(rc == -EUCLEAN);
		return;
	}
	(void)moved_all(m, run_ok, &n);
	for (unsigned i = 0; i < n_rows; i++) {
		locator l;

		if (rows[i].klen < 8)
			continue;
		l = loc_make(get_be32(rows[i].key),
		    get_be32(rows[i].key + 4) & 0x3ffff, 8, i & 1);
		rc = moved_find(m, l, &seg, &off);
		FUZZ_HOLDS(rc <= 0 && (rc != 0 || seg != 0));
		/* None of them is there. */
		FUZZ_HOLDS(moved_get(m, l, i & 1, &s, &at) < 0);
		FUZZ_HOLDS(moved_get_run(m, l, 0, 64, &s, &at, &have) < 0);
		n = 0;
		(void)moved_each(m, loc_segment(l), run_ok, &n);
	}
	moved_close(m);
}

static void
other_rows(const struct row *rows, unsigned n_rows)
{
	struct store_row st;
	struct root_row root;
	enum seg_kind kind;
	bool freed;
	int rc;

	for (unsigned i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];

		if (r->klen >= 4) {
			rc = gc_row_get(cat, get_be32(r->key), &kind, &freed);
			FUZZ_HOLDS(rc == 0 || rc == -ENOENT || rc == -EUCLEAN);
			FUZZ_HOLDS(rc != 0 || (kind >= SEG_LOG &&
			    kind <= SEG_MOVED));
		}
		FUZZ_HOLDS(store_row_dec(r->val, r->vlen, &st) <= 0);
		FUZZ_HOLDS(root_row_dec(r->val, r->vlen, &root) <= 0);
	}
}

static void
dedup_rows(const struct row *rows, unsigned n_rows)
{
	struct moved *m;
	struct dedup_index_conf ic = { .cat = cat, .segs = f.ss,
	    .filter_bytes = 4096 };
	struct dedup_index *ix;
	locator loc;
	int rc;

	if (moved_open(cat, f.ss, &m) != 0)
		return;
	ic.moved = m;
	FUZZ_HOLDS(dedup_index_new(&ic, &ix) == 0);
	dedup_index_step(ix, 50);
	for (unsigned i = 0; i < n_rows; i++) {
		uint64_t hi;

		if (rows[i].klen < 8)
			continue;
		hi = get_be64(rows[i].key);
		(void)dedup_index_may_have(ix, hi);
		rc = dedup_index_get(ix, hi, &loc);
		FUZZ_HOLDS(rc <= 0 && (rc != 0 || dedup_loc_ok(loc)));
	}
	dedup_index_free(ix);
	moved_close(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct row rows[ROWS_MAX];
	struct cat_txn *t;
	unsigned n = put_rows(&in, rows);

	moved_rows(rows, n);
	other_rows(rows, n);
	dedup_rows(rows, n);
	FUZZ_HOLDS(catalog_begin(cat, &t) == 0);
	for (unsigned i = 0; i < n; i++)
		(void)catalog_del(t, rows[i].tab, rows[i].key, rows[i].klen);
	FUZZ_HOLDS(catalog_commit(t) == 0);
	return (0);
}
