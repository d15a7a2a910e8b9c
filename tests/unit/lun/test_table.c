/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables in memory: rows and items in, the same result from both; what is
 * deleted and still needed; what does not fit together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lun/lun_int.h"
#include "meta/item.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/steps.h"

static void
set_make(struct lunset *ls)
{

	memset(ls, 0, sizeof(*ls));
	ls->next_lun = 1;
	lk_init(&ls->admin_lk, LK_ADMIN);
	lk_init(&ls->lk, LK_LUNSET);
	list_init(&ls->luns);
	for (unsigned i = 0; i < LUN_HASH; i++)
		list_init(&ls->hash[i]);
}

static void
set_done(struct lunset *ls)
{

	while (!list_empty(&ls->luns))
		table_forget(ls, LIST_FIRST(&ls->luns, struct lun, link));
	for (unsigned i = 0; i < LUN_HASH; i++)
		CU_ASSERT_TRUE(list_empty(&ls->hash[i]));
	lk_destroy(&ls->lk);
	lk_destroy(&ls->admin_lk);
}

/* ---- rows ------------------------------------------------------------- */

static void
lun_row(struct row *row, uint64_t number, const char *name, bool open)
{
	struct lun_info l = { .number = number, .size_bytes = 64 << 20,
	    .block_bytes = 4096, .sector_bytes = 512, .open = open,
	    .identity.serial = "s" };

	(void)snprintf(l.name, sizeof(l.name), "%s", name);
	row_lun_enc(&l, row);
}

static void
snap_row(struct row *row, uint64_t lun, uint64_t seq, const char *name)
{
	struct snap_info s = { .time_ns = seq * 10 };
	struct wr w = wr_init(row->val, sizeof(row->val));

	(void)snprintf(s.name, sizeof(s.name), "%s", name);
	row->tab = CAT_SNAP;
	row_snap_key(lun, seq, row->key);
	row->klen = 16;
	row_snap_val(&s, &w);
	row->vlen = (size_t)(w.p - row->val);
}

static void
root_row(struct row *row, uint64_t lun, uint64_t seq, uint64_t token,
    uint64_t base_seq)
{
	struct root_row r = { token_place(token), base_seq };

	row->tab = CAT_ROOT;
	row_snap_key(lun, seq, row->key);
	row->klen = 16;
	root_row_enc(&r, row->val);
	row->vlen = ROOT_ROW_LEN;
}

static void
expose_row(struct row *row, uint64_t lun, uint64_t seq)
{
	struct exposure_info e = { .lun = lun, .seq = seq,
	    .identity.serial = "exposed", .created_ns = 5 };

	row_expose_enc(&e, row);
}

static void
user_row(struct row *row, uint64_t lun, const char *name, bool mutual,
    uint8_t secret)
{
	struct lun_user u = { .mutual = mutual, .secret = { secret },
	    .secret_len = 1 };

	(void)snprintf(u.user, sizeof(u.user), "%s", name);
	CU_ASSERT_EQUAL_FATAL(row_user_enc(lun, &u, row), 0);
}

/* A row as opening reads it, or as an item of a record. */
static int
put(struct lunset *ls, const struct row *row, bool as_item)
{
	uint8_t buf[2048];
	struct wr w = wr_init(buf, sizeof(buf));

	if (!as_item)
		return (table_row(ls, row->tab, row->key, row->klen, row->val,
		    row->vlen));
	row_put_item(&w, row);
	CU_ASSERT_FALSE(w.bad);
	return (table_apply(ls, 1000, buf, (size_t)(w.p - buf)));
}

static int
del(struct lunset *ls, const struct row *row, uint64_t seq)
{
	uint8_t buf[512];
	struct wr w = wr_init(buf, sizeof(buf));

	row_del_item(&w, row->tab, row->key, row->klen);
	return (table_apply(ls, seq, buf, (size_t)(w.p - buf)));
}

static int
take_snap(struct lunset *ls, uint64_t lun, const char *name, uint64_t seq,
    uint64_t gen)
{
	struct store_cut cut = { .seq = seq, .time_ns = 7, .gen = gen };
	struct snap_info s = { .time_ns = 7 };
	uint8_t buf[256], *mark;
	struct wr w = wr_init(buf, sizeof(buf));

	(void)snprintf(s.name, sizeof(s.name), "%s", name);
	mark = item_begin(&w, ITEM_SNAP);
	wr_be64(&w, lun);
	row_snap_val(&s, &w);
	item_end(&w, mark);
	return (table_apply_snaps(ls, &cut, buf, (size_t)(w.p - buf)));
}

static struct lun *
lun_of(struct lunset *ls, uint64_t number)
{
	struct lun *l;

	lk_lock(&ls->lk);
	l = table_by_number(ls, number);
	lk_unlock(&ls->lk);
	return (l);
}

static struct snap *
snap_of(struct lunset *ls, uint64_t lun, uint64_t seq)
{
	struct lun *l;
	struct snap *s;

	lk_lock(&ls->lk);
	l = table_by_number(ls, lun);
	s = l == NULL ? NULL : table_snap(l, seq);
	lk_unlock(&ls->lk);
	return (s);
}

/* ---- tests ------------------------------------------------------------ */

/* Everything there is, by rows of the catalogue or by items of the log. */
static void
fill(bool as_items)
{
	struct lun_user *users;
	struct lun_info info;
	struct lunset ls;
	struct row row;
	struct snap *s;
	struct lun *l;
	size_t n;

	set_make(&ls);
	lun_row(&row, 5, "five", false);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	lun_row(&row, 5 + LUN_HASH, "same-chain", true);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	CU_ASSERT_EQUAL(ls.next_lun, 6 + LUN_HASH);
	snap_row(&row, 5, 30, "monday");
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	snap_row(&row, 5, 40, "tuesday");
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	root_row(&row, 5, STORE_HEAD, 71, 44);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	root_row(&row, 5, 30, 72, 44);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	root_row(&row, 5, 40, 73, 44);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	expose_row(&row, 5, 40);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	user_row(&row, 5, "alice", false, 1);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	user_row(&row, 5, "alice", true, 2);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	/* Again with another secret: the same user. */
	user_row(&row, 5, "alice", false, 3);
	CU_ASSERT_EQUAL(put(&ls, &row, as_items), 0);
	CU_ASSERT_EQUAL(table_check(&ls), 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(l = lun_of(&ls, 5));
	CU_ASSERT_EQUAL(l->n_blk, (64 << 20) / 4096);
	CU_ASSERT_EQUAL(l->height, 3);
	CU_ASSERT_EQUAL(l->base_seq, 44);
	CU_ASSERT_TRUE(token_is(&l->cur->root.top, 71));
	CU_ASSERT_EQUAL(l->cur->root.height, 3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s = snap_of(&ls, 5, 30));
	CU_ASSERT_TRUE(s->folded && !s->info.exposed);
	CU_ASSERT_TRUE(token_is(&s->view->root.top, 72));
	CU_ASSERT_STRING_EQUAL(s->info.name, "monday");
	CU_ASSERT_PTR_NOT_NULL_FATAL(s = snap_of(&ls, 5, 40));
	CU_ASSERT_TRUE(s->info.exposed);
	CU_ASSERT_STRING_EQUAL(s->expose.identity.serial, "exposed");
	CU_ASSERT_PTR_NULL(snap_of(&ls, 5, 31));
	CU_ASSERT_EQUAL(lunset_find(&ls, "five", &info), 0);
	CU_ASSERT_EQUAL(info.n_snaps, 2);
	CU_ASSERT_EQUAL(info.n_exposures, 1);
	CU_ASSERT_EQUAL(lunset_find(&ls, "same-chain", &info), 0);
	CU_ASSERT_EQUAL(info.number, 5 + LUN_HASH);
	CU_ASSERT_TRUE(info.open);
	CU_ASSERT_EQUAL(lunset_find(&ls, "six", &info), -ENOENT);
	CU_ASSERT_EQUAL_FATAL(lunset_users(&ls, 5, &users, &n), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_FALSE(users[0].mutual);
	CU_ASSERT_EQUAL(users[0].secret[0], 3);
	CU_ASSERT_EQUAL(users[1].secret[0], 2);
	free(users);
	set_done(&ls);
}

static void
test_fill(void)
{

	fill(false);
	fill(true);
}

/* A second row of a LUN changes what can change, and nothing else. */
static void
test_rename(void)
{
	struct lun_info info;
	struct lunset ls;
	struct row row;

	set_make(&ls);
	lun_row(&row, 1, "one", false);
	CU_ASSERT_EQUAL(put(&ls, &row, true), 0);
	lun_row(&row, 1, "uno", true);
	CU_ASSERT_EQUAL(put(&ls, &row, true), 0);
	CU_ASSERT_EQUAL(lunset_find(&ls, "one", &info), -ENOENT);
	CU_ASSERT_EQUAL(lunset_find(&ls, "uno", &info), 0);
	CU_ASSERT_TRUE(info.open);
	row_lun_enc(&(struct lun_info){ .number = 1, .name = "uno",
	    .size_bytes = 32 << 20, .block_bytes = 4096, .sector_bytes = 512,
	    .identity.serial = "s" }, &row);
	CU_ASSERT_EQUAL(put(&ls, &row, true), -EILSEQ);
	row_lun_enc(&(struct lun_info){ .number = 1, .name = "uno",
	    .size_bytes = 64 << 20, .block_bytes = 8192, .sector_bytes = 512,
	    .identity.serial = "s" }, &row);
	CU_ASSERT_EQUAL(put(&ls, &row, true), -EILSEQ);
	CU_ASSERT_EQUAL(lunset_find(&ls, "uno", &info), 0);
	CU_ASSERT_EQUAL(info.size_bytes, 64 << 20);
	set_done(&ls);
}

/* Deleted ones are not found any more, and stay for older checkpoints. */
static void
test_delete(void)
{
	uint8_t buf[32], number[8];
	struct wr w = wr_init(buf, sizeof(buf));
	struct lunset ls;
	struct row row;
	struct lun *l;

	set_make(&ls);
	lun_row(&row, 1, "one", false);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	snap_row(&row, 1, 30, "monday");
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	root_row(&row, 1, 30, 72, 44);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	expose_row(&row, 1, 30);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	user_row(&row, 1, "alice", false, 1);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(l = lun_of(&ls, 1));

	CU_ASSERT_EQUAL(del(&ls, &row, 90), 0);
	CU_ASSERT_TRUE(list_empty(&l->users));
	expose_row(&row, 1, 30);
	CU_ASSERT_EQUAL(del(&ls, &row, 91), 0);
	CU_ASSERT_FALSE(snap_of(&ls, 1, 30)->info.exposed);
	snap_row(&row, 1, 30, "monday");
	CU_ASSERT_EQUAL(del(&ls, &row, 92), 0);
	CU_ASSERT_PTR_NULL(snap_of(&ls, 1, 30));
	CU_ASSERT_FALSE(list_empty(&l->snaps));
	CU_ASSERT_EQUAL(LIST_FIRST(&l->snaps, struct snap,
	    link)->deleted_seq, 92);
	/* The first deletion counts; others say nothing. */
	CU_ASSERT_EQUAL(del(&ls, &row, 95), 0);
	CU_ASSERT_EQUAL(LIST_FIRST(&l->snaps, struct snap,
	    link)->deleted_seq, 92);
	/* Another one may have its name. */
	CU_ASSERT_EQUAL(take_snap(&ls, 1, "monday", 96, 4), 0);
	CU_ASSERT_PTR_NOT_NULL(snap_of(&ls, 1, 96));

	put_be64(number, 1);
	item_put(&w, ITEM_LUN_DELETE, number, 8);
	CU_ASSERT_EQUAL(table_apply(&ls, 99, buf, (size_t)(w.p - buf)), 0);
	CU_ASSERT_PTR_NULL(lun_of(&ls, 1));
	CU_ASSERT_EQUAL(l->deleted_seq, 99);
	CU_ASSERT_EQUAL(table_apply(&ls, 100, buf, (size_t)(w.p - buf)), 0);
	CU_ASSERT_EQUAL(l->deleted_seq, 99);
	lun_row(&row, 2, "one", false);
	CU_ASSERT_EQUAL(put(&ls, &row, true), 0);
	{
		struct lun_info info, *all;
		size_t n;

		CU_ASSERT_EQUAL(lunset_find(&ls, "one", &info), 0);
		CU_ASSERT_EQUAL(info.number, 2);
		CU_ASSERT_EQUAL(lunset_list(&ls, &all, &n), 0);
		CU_ASSERT_EQUAL(n, 1);
		free(all);
	}
	/* Rows of what is gone do no harm. */
	snap_row(&row, 77, 30, "monday");
	CU_ASSERT_EQUAL(del(&ls, &row, 101), 0);
	root_row(&row, 77, STORE_HEAD, 1, 2);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	root_row(&row, 1, 555, 1, 2);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	set_done(&ls);
}

/* Snapshots by record: several at once, each with the cut. */
static void
test_snapshots(void)
{
	struct store_cut cut = { .seq = 50, .time_ns = 3, .gen = 9 };
	struct snap_info info = { .name = "both", .time_ns = 11 };
	uint8_t buf[256], *mark;
	struct wr w = wr_init(buf, sizeof(buf));
	struct snap_info *all;
	struct lunset ls;
	struct row row;
	struct snap *s;
	size_t n;

	set_make(&ls);
	lun_row(&row, 1, "one", false);
	CU_ASSERT_EQUAL(put(&ls, &row, true), 0);
	lun_row(&row, 2, "two", false);
	CU_ASSERT_EQUAL(put(&ls, &row, true), 0);
	for (uint64_t i = 1; i <= 2; i++) {
		mark = item_begin(&w, ITEM_SNAP);
		wr_be64(&w, i);
		row_snap_val(&info, &w);
		item_end(&w, mark);
	}
	item_put(&w, 77 | ITEM_MAY_IGNORE, "x", 1);
	CU_ASSERT_EQUAL(table_apply_snaps(&ls, &cut, buf,
	    (size_t)(w.p - buf)), 0);
	for (uint64_t i = 1; i <= 2; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(s = snap_of(&ls, i, 50));
		CU_ASSERT_EQUAL(s->gen, 9);
		CU_ASSERT_EQUAL(s->info.lun, i);
		CU_ASSERT_EQUAL(s->info.time_ns, 11);
		CU_ASSERT_FALSE(s->folded);
		CU_ASSERT_PTR_NULL(s->view);
	}
	CU_ASSERT_EQUAL(take_snap(&ls, 2, "later", 60, 10), 0);
	CU_ASSERT_EQUAL(lunset_snaps(&ls, "two", &all, &n), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(all[0].seq, 50);
	CU_ASSERT_STRING_EQUAL(all[1].name, "later");
	free(all);
	/* Without a map, the catalogue is not whole. */
	CU_ASSERT_EQUAL(table_check(&ls), -EUCLEAN);
	for (uint64_t i = 1; i <= 2; i++)
		CU_ASSERT_EQUAL(view_settle(snap_of(&ls, i, 50)), 0);
	CU_ASSERT_EQUAL(table_check(&ls), -EUCLEAN);
	CU_ASSERT_EQUAL(view_settle(snap_of(&ls, 2, 60)), 0);
	CU_ASSERT_EQUAL(table_check(&ls), 0);
	CU_ASSERT_EQUAL(take_snap(&ls, 3, "nobodys", 61, 10), -EILSEQ);
	CU_ASSERT_EQUAL(take_snap(&ls, 1, "last-3", 61, 10), -EILSEQ);
	set_done(&ls);
}

/* ---- what does not fit ------------------------------------------------ */

static void
test_refused(void)
{
	static const struct {
		const char *items;
		size_t len;
	} bad[] = {
		{ "\0\1\0\0\0\1\3", 7 },		/* a row cut off */
		{ "\0\1\0\0\0\3\0\0\0", 9 },		/* table 0 */
		{ "\0\1\0\0\0\3\10\0\0", 9 },		/* a table too many */
		{ "\0\2\0\0\0\4\3\0\2x", 10 },		/* key cut off */
		{ "\0\4\0\0\0\7abcdefg", 13 },		/* half a number */
		{ "\0\5\0\0\0\0", 6 },			/* a root is not ours */
		{ "\0\3\0\0\0\0", 6 },			/* SNAP is elsewhere */
		{ "\x7f\xff\0\0\0\0", 6 },		/* unknown */
		{ "\0\1\0\0", 4 },			/* half an item */
		{ "\0\4\0\0\0\10abcdefgh\0", 15 },	/* and a rest */
	};
	struct store_cut cut = { .seq = 5, .gen = 2 };
	struct lunset ls;
	struct row row;

	set_make(&ls);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(table_apply(&ls, 3, bad[i].items, bad[i].len),
		    -EILSEQ);
	CU_ASSERT_EQUAL(table_apply(&ls, 3, "\x80\5\0\0\0\1x", 7), 0);
	CU_ASSERT_EQUAL(table_apply_snaps(&ls, &cut, "\0\1\0\0\0\0", 6),
	    -EILSEQ);
	CU_ASSERT_EQUAL(table_apply_snaps(&ls, &cut, "\0\3\0\0\0\7abcdefg",
	    13), -EILSEQ);
	CU_ASSERT_EQUAL(table_apply_snaps(&ls, &cut, "\0\3\0", 3), -EILSEQ);
	CU_ASSERT_TRUE(list_empty(&ls.luns));
	/* Rows of a LUN that is not there. */
	snap_row(&row, 9, 30, "monday");
	CU_ASSERT_EQUAL(put(&ls, &row, false), -EILSEQ);
	expose_row(&row, 9, 30);
	CU_ASSERT_EQUAL(put(&ls, &row, false), -EILSEQ);
	user_row(&row, 9, "alice", false, 1);
	CU_ASSERT_EQUAL(put(&ls, &row, false), -EILSEQ);
	/* Of a snapshot that is not there. */
	lun_row(&row, 9, "nine", false);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	expose_row(&row, 9, 30);
	CU_ASSERT_EQUAL(put(&ls, &row, false), -EILSEQ);
	/* Damaged ones. */
	root_row(&row, 9, STORE_HEAD, 1, 1);
	row.val[0] = 9;
	CU_ASSERT_EQUAL(put(&ls, &row, false), -EILSEQ);
	row.val[0] = 1;
	row.klen = 8;
	CU_ASSERT_EQUAL(put(&ls, &row, false), -EILSEQ);
	row = (struct row){ .tab = CAT_STORE, .klen = 8, .vlen = 7 };
	memcpy(row.key, NEXT_LUN_KEY, 8);
	CU_ASSERT_EQUAL(strlen(NEXT_LUN_KEY), 8);
	CU_ASSERT_EQUAL(put(&ls, &row, false), -EILSEQ);
	row.vlen = 8;
	put_be64(row.val, 400);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	CU_ASSERT_EQUAL(ls.next_lun, 400);
	/* Numbers are never used again. */
	put_be64(row.val, 300);
	CU_ASSERT_EQUAL(put(&ls, &row, false), 0);
	CU_ASSERT_EQUAL(ls.next_lun, 400);
	set_done(&ls);
}

static const struct unit_test tests[] = {
	{ "rows and items", test_fill },
	{ "a second row", test_rename },
	{ "deletions", test_delete },
	{ "snapshots", test_snapshots },
	{ "what is refused", test_refused },
};

UNIT_MAIN("table", tests)
