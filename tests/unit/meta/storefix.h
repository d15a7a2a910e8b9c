/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storefix.h - a small client of meta/store.h: LUNs of 64 slots, each map a
 * single node, each write a COPY record; rows as the test likes.  It knows what
 * must be there after any opening: what was acknowledged.
 */
#ifndef TESTS_UNIT_META_STOREFIX_H
#define TESTS_UNIT_META_STOREFIX_H

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/item.h"
#include "meta/store_int.h"
#include "tests/unit/lun/steps.h"
#include "tests/unit/meta/segfix.h"

#define SLOTS	NODE_FANOUT
#define LUNS	3u
#define ROWS	64u

struct mrow {
	enum cat_table tab;
	size_t klen, vlen;
	uint8_t key[24], val[64];
};

struct mrows {
	unsigned n;
	struct mrow v[ROWS];
};

/* A write that is in the log and in no tree. */
struct mwrite {
	uint64_t gen, seq;
	unsigned lun, slot;
	uint64_t token;
};

struct storefix {
	struct tmpdir t;
	struct store_conf conf;
	struct store *st;
	/* the client's state */
	struct place root[LUNS], new_root[LUNS];
	uint64_t base_seq[LUNS];
	struct mwrite w[512];
	unsigned n_w;
	uint64_t replay_gen;
	struct mrows rows;		/* as opening has read them */
	unsigned n_replayed;
	/* what must be there */
	uint64_t want[LUNS][SLOTS];
	struct mrows want_rows;
	/* hooks */
	int fold_rc;
	unsigned folds;
	uint64_t fold_gen, fold_seq;
	void (*in_fold)(struct storefix *);
	unsigned logged;		/* calls */
	struct store_cut cut;
};

/* ---- rows ------------------------------------------------------------- */

static inline struct mrow *
mrows_find(struct mrows *m, enum cat_table tab, const void *key, size_t klen)
{

	for (unsigned i = 0; i < m->n; i++)
		if (m->v[i].tab == tab && m->v[i].klen == klen &&
		    memcmp(m->v[i].key, key, klen) == 0)
			return (&m->v[i]);
	return (NULL);
}

static inline void
mrows_put(struct mrows *m, enum cat_table tab, const void *key, size_t klen,
    const void *val, size_t vlen)
{
	struct mrow *r = mrows_find(m, tab, key, klen);

	CU_ASSERT_FATAL(klen <= sizeof(r->key) && vlen <= sizeof(r->val));
	if (r == NULL) {
		CU_ASSERT_FATAL(m->n < ROWS);
		r = &m->v[m->n++];
		r->tab = tab;
		r->klen = klen;
		memcpy(r->key, key, klen);
	}
	r->vlen = vlen;
	memcpy(r->val, val, vlen);
}

/* Rows whose key begins so; exactly so with ${klen} of theirs. */
static inline void
mrows_del(struct mrows *m, enum cat_table tab, const void *key, size_t klen,
    bool prefix)
{

	for (unsigned i = m->n; i-- > 0; )
		if (m->v[i].tab == tab && (prefix ? m->v[i].klen >= klen :
		    m->v[i].klen == klen) &&
		    memcmp(m->v[i].key, key, klen) == 0)
			m->v[i] = m->v[--m->n];
}

static inline bool
mrows_same(struct mrows *a, struct mrows *b)
{

	if (a->n != b->n)
		return (false);
	for (unsigned i = 0; i < a->n; i++) {
		const struct mrow *r = &a->v[i];
		const struct mrow *s = mrows_find(b, r->tab, r->key, r->klen);

		if (s == NULL || s->vlen != r->vlen ||
		    memcmp(s->val, r->val, r->vlen) != 0)
			return (false);
	}
	return (true);
}

/* The items of a record, by the rules of FORMAT.md. */
static inline void
mrows_apply(struct mrows *m, uint64_t seq, const void *items, size_t len)
{
	static const enum cat_table tabs[] = { CAT_LUN, CAT_SNAP, CAT_EXPOSE,
	    CAT_ACCESS };
	struct rd r = rd_init(items, len);
	struct item it;

	while (item_next(&r, &it)) {
		struct rd v = rd_init(it.val, it.len);
		enum cat_table tab;
		const uint8_t *key;
		uint8_t snap[16];
		size_t klen;

		switch (it.type) {
		case ITEM_ROW_PUT:
		case ITEM_ROW_DEL:
			tab = (enum cat_table)rd_u8(&v);
			klen = rd_be16(&v);
			key = rd_bytes(&v, klen);
			CU_ASSERT_FALSE_FATAL(v.bad);
			if (it.type == ITEM_ROW_PUT)
				mrows_put(m, tab, key, klen, v.p, rd_left(&v));
			else
				mrows_del(m, tab, key, klen, false);
			break;
		case ITEM_SNAP:
			put_be64(snap, rd_be64(&v));
			put_be64(snap + 8, seq);
			mrows_put(m, CAT_SNAP, snap, 16, v.p, rd_left(&v));
			break;
		case ITEM_LUN_DELETE:
			for (unsigned i = 0; i < 4; i++)
				mrows_del(m, tabs[i], it.val, 8, true);
			break;
		default:
			CU_ASSERT_TRUE((it.type & ITEM_MAY_IGNORE) != 0);
			break;
		}
	}
	CU_ASSERT_FALSE(r.bad);
}

/* ---- the client ------------------------------------------------------- */

static inline int
storefix_row(void *arg, enum cat_table tab, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	struct storefix *x = arg;
	struct root_row row;
	unsigned lun;

	if (tab == CAT_STORE)
		return (0);
	if (tab != CAT_ROOT) {
		mrows_put(&x->rows, tab, key, klen, val, vlen);
		return (0);
	}
	CU_ASSERT_EQUAL_FATAL(klen, 16);
	lun = (unsigned)get_be64(key) - 1;
	if (lun >= LUNS || get_be64(key + 8) != STORE_HEAD)
		return (0);
	CU_ASSERT_EQUAL_FATAL(root_row_dec(val, vlen, &row), 0);
	x->root[lun] = row.root;
	x->base_seq[lun] = row.base_seq;
	return (0);
}

static inline int
storefix_replay(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{
	struct storefix *x = arg;
	struct extent e;
	struct mwrite *w;

	if (r->kind == REC_CHECKPOINT || (r->flags & REC_F_DUMP) != 0)
		return (0);
	x->n_replayed++;
	if (r->kind != REC_COPY) {
		mrows_apply(&x->rows, r->seq, payload, r->payload_used_bytes);
		return (0);
	}
	CU_ASSERT_FATAL(r->lun >= 1 && r->lun <= LUNS && x->n_w < 512);
	if (r->seq <= x->base_seq[r->lun - 1])
		return (0);
	e = rec_extent(hdr, 0);
	w = &x->w[x->n_w++];
	*w = (struct mwrite){ x->replay_gen, r->seq, (unsigned)r->lun - 1,
	    (unsigned)e.first_blk, rec_run(hdr, r, 0).id.lo };
	return (0);
}

static inline int
storefix_fold_lun(struct storefix *x, unsigned lun, uint64_t gen,
    struct checkpoint *cp)
{
	struct node n;
	bool work = false;
	int rc;

	memset(&n, 0, sizeof(n));
	x->new_root[lun] = x->root[lun];
	if (x->root[lun].loc != 0 && (rc = nodes_load(store_nodes(x->st),
	    x->root[lun], 0, &n)) != 0)
		return (rc);
	for (unsigned i = 0; i < x->n_w; i++)
		if (x->w[i].lun == lun && x->w[i].gen <= gen) {
			node_set_child(&n, x->w[i].slot,
			    token_place(x->w[i].token));
			work = true;
		}
	if (!work)
		return (0);
	rc = nodes_put(store_nodes(x->st), &n, &x->new_root[lun]);
	if (rc == 0)
		rc = checkpoint_root(cp, lun + 1, STORE_HEAD,
		    x->new_root[lun]);
	return (rc);
}

static inline int
storefix_fold(void *arg, uint64_t gen, uint64_t seq, struct checkpoint *cp)
{
	struct storefix *x = arg;
	int rc = 0;

	x->folds++;
	x->fold_gen = gen;
	x->fold_seq = seq;
	if (x->in_fold != NULL)
		x->in_fold(x);
	if (x->fold_rc != 0)
		return (x->fold_rc);
	for (unsigned i = 0; i < LUNS && rc == 0; i++)
		rc = storefix_fold_lun(x, i, gen, cp);
	return (rc);
}

static inline void
storefix_publish(void *arg, uint64_t gen)
{
	struct storefix *x = arg;
	unsigned k = 0;

	for (unsigned i = 0; i < LUNS; i++)
		x->root[i] = x->new_root[i];
	for (unsigned i = 0; i < x->n_w; i++)
		if (x->w[i].gen > gen)
			x->w[k++] = x->w[i];
	x->n_w = k;
}

static const struct store_ops storefix_ops = {
	.row = storefix_row, .replay = storefix_replay,
	.fold = storefix_fold, .publish = storefix_publish
};

/* ---- opening ---------------------------------------------------------- */

/* What opening fills in. */
static inline void
storefix_forget(struct storefix *x)
{

	memset(x->root, 0, sizeof(x->root));
	memset(x->base_seq, 0, sizeof(x->base_seq));
	x->n_w = x->n_replayed = 0;
	x->rows.n = 0;
	x->replay_gen = 1;
}

static inline int
storefix_open(struct storefix *x)
{

	storefix_forget(x);
	x->conf.path = x->t.path;
	x->conf.ops = &storefix_ops;
	x->conf.arg = x;
	x->conf.node_cache_bytes = 1u << 20;
	return (store_open(&x->conf, &x->st));
}

static inline void
storefix_setup(struct storefix *x)
{

	tmpdir_prefer_memory();
	memset(x, 0, sizeof(*x));
	tmpdir_make(&x->t);
	CU_ASSERT_EQUAL_FATAL(store_init(x->t.path, SEG_BYTES), 0);
	CU_ASSERT_EQUAL_FATAL(storefix_open(x), 0);
}

static inline void
storefix_reopen(struct storefix *x)
{

	(void)store_close(x->st, false);
	CU_ASSERT_EQUAL_FATAL(storefix_open(x), 0);
}

static inline void
storefix_teardown(struct storefix *x)
{

	(void)store_close(x->st, false);
	tmpdir_remove(&x->t);
}

/* ---- doing ------------------------------------------------------------ */

static inline int
storefix_write(struct storefix *x, unsigned lun, unsigned slot,
    uint64_t token)
{
	uint8_t hdr[SECTOR_BYTES] = { 0 };
	struct rec counts = { .n_extents = 1 };
	struct log_rec lr = { .kind = REC_COPY, .block_shift = 12,
	    .lun = lun + 1, .n_extents = 1, .n_runs = 1, .hdr = hdr },
	    *one = &lr;
	struct log_batch b;

	/* Others have places that no block can have. */
	CU_ASSERT_FATAL(token % 1000 != 0);
	rec_put_extent(hdr, 0, (struct extent){ slot, 1 });
	rec_put_run(hdr, &counts, 0, token_place(token));
	log_append(store_log(x->st), &one, 1, NULL, NULL, &b);
	if (lr.rc == 0) {
		CU_ASSERT_FATAL(x->n_w < 512);
		x->w[x->n_w++] = (struct mwrite){ b.gen, lr.seq, lun, slot,
		    token };
		x->want[lun][slot] = token;
	}
	log_batch_done(store_log(x->st), &b);
	if (lr.rc == 0)
		store_wrote(x->st, SECTOR_BYTES, 1);
	return (lr.rc);
}

static inline void
storefix_logged(void *arg, const struct store_cut *cut)
{
	struct storefix *x = arg;

	x->logged++;
	x->cut = *cut;
}

/* A change; it is wanted from the moment in which it is in the log. */
static inline int
storefix_change(struct storefix *x, enum rec_kind kind, const struct wr *w,
    const uint8_t *items)
{
	size_t len = (size_t)(w->p - items);
	unsigned before = x->logged;
	int rc;

	CU_ASSERT_FALSE_FATAL(w->bad);
	rc = store_change(x->st, kind, items, len, storefix_logged, x);
	CU_ASSERT_TRUE(rc != 0 || x->logged == before + 1);
	if (x->logged > before)
		mrows_apply(&x->want_rows, x->cut.seq, items, len);
	return (rc);
}

static inline void
storefix_item_row(struct wr *w, enum item_type type, enum cat_table tab,
    const void *key, size_t klen, const char *val)
{
	uint8_t *mark = item_begin(w, (uint16_t)type);

	wr_u8(w, (uint8_t)tab);
	wr_be16(w, (uint16_t)klen);
	wr_bytes(w, key, klen);
	if (val != NULL)
		wr_bytes(w, val, strlen(val));
	item_end(w, mark);
}

/* One row of CAT_LUN, the key is a number. */
static inline int
storefix_put_row(struct storefix *x, uint64_t number, const char *val)
{
	uint8_t buf[256], key[8];
	struct wr w = wr_init(buf, sizeof(buf));

	put_be64(key, number);
	storefix_item_row(&w, ITEM_ROW_PUT, CAT_LUN, key, 8, val);
	return (storefix_change(x, REC_CATALOG, &w, buf));
}

/* ---- looking ---------------------------------------------------------- */

/* The maps and the rows are what they must be. */
static inline bool
storefix_right(struct storefix *x)
{
	struct node n;

	if (!mrows_same(&x->rows, &x->want_rows))
		return (false);
	for (unsigned l = 0; l < LUNS; l++) {
		memset(&n, 0, sizeof(n));
		if (x->root[l].loc != 0 && nodes_load(store_nodes(x->st),
		    x->root[l], 0, &n) != 0)
			return (false);
		for (unsigned i = 0; i < x->n_w; i++)
			if (x->w[i].lun == l)
				node_set_child(&n, x->w[i].slot,
				    token_place(x->w[i].token));
		for (unsigned i = 0; i < SLOTS; i++) {
			struct place p = node_child(&n, i);

			if (!token_is(&p, x->want[l][i]))
				return (false);
		}
	}
	return (true);
}

/* A row as the catalogue has it now. */
static inline bool
storefix_in_catalog(struct storefix *x, uint64_t number, const char *want)
{
	uint8_t key[8], val[CAT_VALUE_MAX];
	size_t vlen = sizeof(val);
	int rc;

	put_be64(key, number);
	rc = catalog_get(x->st->cat, CAT_LUN, key, 8, val, &vlen);
	if (want == NULL)
		return (rc == -ENOENT);
	return (rc == 0 && vlen == strlen(want) && memcmp(val, want, vlen) ==
	    0);
}

static inline int
storefix_failed(struct storefix *x)
{
	struct log_state ls;

	log_state(store_log(x->st), &ls);
	return (ls.failed);
}

#endif /* !TESTS_UNIT_META_STOREFIX_H */
