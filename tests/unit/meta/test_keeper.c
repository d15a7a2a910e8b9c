/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store with a small client: opening, changes and their rows, checkpoints,
 * and when they come.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/meta/storefix.h"

/* ---- opening ---------------------------------------------------------- */

static void
test_init(void)
{
	struct storefix x;
	struct store *second;
	struct stat st;

	memset(&x, 0, sizeof(x));
	tmpdir_make(&x.t);
	CU_ASSERT_EQUAL(storefix_open(&x), -ENOENT);
	CU_ASSERT_EQUAL(store_init(x.t.path, 3u << 20), -EINVAL);
	CU_ASSERT_EQUAL(store_init(x.t.path, 1u << 20), -EINVAL);
	CU_ASSERT_EQUAL(store_init(x.t.path, 256u << 20), -EINVAL);
	CU_ASSERT_EQUAL(store_init(tmpdir_path(&x.t, "a/b"), SEG_BYTES),
	    -ENOENT);
	CU_ASSERT_EQUAL(store_init(tmpdir_path(&x.t, "new"), SEG_BYTES), 0);
	CU_ASSERT_EQUAL(stat(tmpdir_path(&x.t, "new/superblock"), &st), 0);
	CU_ASSERT_EQUAL(store_init(tmpdir_path(&x.t, "new"), SEG_BYTES),
	    -EEXIST);
	CU_ASSERT_EQUAL(store_init(x.t.path, 0), 0);
	CU_ASSERT_EQUAL(storefix_open(&x), 0);
	CU_ASSERT_EQUAL(x.st->super.segment_bytes, SEGMENT_BYTES_DEFAULT);
	CU_ASSERT_EQUAL(store_open(&x.conf, &second), -EBUSY);
	storefix_teardown(&x);
}

static void
flip_file(struct storefix *x, const char *name, off_t off)
{
	int fd = open(tmpdir_path(&x->t, name), O_RDWR);
	uint8_t c;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &c, 1, off), 1);
	c ^= 1;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, off), 1);
	(void)close(fd);
}

static void
test_damaged(void)
{
	struct cat_txn *t;
	struct storefix x;
	uint8_t val[STORE_ROW_LEN] = { 2 };

	storefix_setup(&x);
	CU_ASSERT_EQUAL(store_close(x.st, true), 0);
	flip_file(&x, "superblock", 50);
	CU_ASSERT_EQUAL(storefix_open(&x), -EILSEQ);
	flip_file(&x, "superblock", 50);
	/* The row of the checkpoint, of an unknown format; then none. */
	CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(x.st->cat, &t), 0);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_STORE, STORE_ROW_KEY,
	    strlen(STORE_ROW_KEY), val, sizeof(val)), 0);
	CU_ASSERT_EQUAL(catalog_commit(t), 0);
	(void)store_close(x.st, false);
	CU_ASSERT_EQUAL(storefix_open(&x), -EILSEQ);
	tmpdir_remove(&x.t);

	storefix_setup(&x);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(x.st->cat, &t), 0);
	CU_ASSERT_EQUAL(catalog_del(t, CAT_STORE, STORE_ROW_KEY,
	    strlen(STORE_ROW_KEY)), 0);
	CU_ASSERT_EQUAL(catalog_commit(t), 0);
	(void)store_close(x.st, false);
	CU_ASSERT_EQUAL(storefix_open(&x), -EUCLEAN);
	tmpdir_remove(&x.t);
}

/* Openings count, and no number of a segment comes twice. */
static void
test_epochs(void)
{
	struct log_state ls = { .segment = 0 };
	uint32_t last;
	struct storefix x;

	storefix_setup(&x);
	for (unsigned i = 1; i < 6; i++) {
		CU_ASSERT_EQUAL(store_epoch(x.st), i);
		CU_ASSERT_EQUAL(storefix_write(&x, 0, i, 100 + i), 0);
		last = ls.segment;
		log_state(store_log(x.st), &ls);
		CU_ASSERT_TRUE(ls.segment > last);
		CU_ASSERT_TRUE(x.st->next_segment > ls.segment);
		if (i % 2 == 0)
			CU_ASSERT_EQUAL(keeper_run(x.st), 0);
		storefix_reopen(&x);
		CU_ASSERT_TRUE(storefix_right(&x));
	}
	storefix_teardown(&x);
}

/* ---- changes ---------------------------------------------------------- */

static void
test_changes(void)
{
	uint8_t buf[512], key[16], many[9];
	uint64_t first_snap;
	struct storefix x;
	struct wr w;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(storefix_put_row(&x, 1, "one"), 0);
	CU_ASSERT_EQUAL(x.cut.seq, 1);
	CU_ASSERT_EQUAL(storefix_put_row(&x, 2, "two"), 0);
	CU_ASSERT_EQUAL(storefix_put_row(&x, 1, "one again"), 0);
	/* Several items in one record; one that may be ignored. */
	w = wr_init(buf, sizeof(buf));
	put_be64(key, 2);
	put_be64(key + 8, 77);
	storefix_item_row(&w, ITEM_ROW_PUT, CAT_EXPOSE, key, 16, "shown");
	item_put(&w, 99 | ITEM_MAY_IGNORE, "x", 1);
	storefix_item_row(&w, ITEM_ROW_DEL, CAT_LUN, "\0\0\0\0\0\0\0\5", 8,
	    NULL);
	memcpy(many, key, 8);
	many[8] = 1;
	storefix_item_row(&w, ITEM_ROW_PUT, CAT_ACCESS, many, 9, "secret");
	CU_ASSERT_EQUAL(storefix_change(&x, REC_CATALOG, &w, buf), 0);
	/* A snapshot ends the generation; its row has the record's seq. */
	w = wr_init(buf, sizeof(buf));
	put_be64(key, 1);
	memcpy(key + 8, "of one", 6);
	item_put(&w, ITEM_SNAP, key, 14);
	CU_ASSERT_EQUAL(log_gen(store_log(x.st)), LOG_FIRST_GEN);
	CU_ASSERT_EQUAL(storefix_change(&x, REC_SNAPSHOT, &w, buf), 0);
	CU_ASSERT_EQUAL(x.cut.gen, LOG_FIRST_GEN);
	CU_ASSERT_EQUAL(log_gen(store_log(x.st)), LOG_FIRST_GEN + 1);
	first_snap = x.cut.seq;
	CU_ASSERT_EQUAL(first_snap, 5);
	/* Not in the catalogue yet, and there after an opening. */
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 1, NULL));
	storefix_reopen(&x);
	CU_ASSERT_EQUAL(x.n_replayed, 5);
	CU_ASSERT_TRUE(storefix_right(&x));
	CU_ASSERT_EQUAL(x.rows.n, 5);
	/* Replayed changes get their rows like new ones. */
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 1, "one again"));
	storefix_reopen(&x);
	CU_ASSERT_EQUAL(x.n_replayed, 0);
	CU_ASSERT_TRUE(storefix_right(&x));
	/* All that a LUN has goes with it, and nothing else. */
	w = wr_init(buf, sizeof(buf));
	put_be64(key, 2);
	item_put(&w, ITEM_LUN_DELETE, key, 8);
	CU_ASSERT_EQUAL(storefix_change(&x, REC_CATALOG, &w, buf), 0);
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	storefix_reopen(&x);
	CU_ASSERT_EQUAL(x.n_replayed, 0);
	CU_ASSERT_TRUE(storefix_right(&x));
	CU_ASSERT_EQUAL(x.rows.n, 2);
	storefix_teardown(&x);
}

/* The root of a LUN that is deleted goes as well. */
static void
test_delete_root(void)
{
	uint8_t buf[64], key[16];
	struct storefix x;
	struct wr w;
	uint8_t val[ROOT_ROW_LEN];
	size_t vlen = sizeof(val);

	storefix_setup(&x);
	CU_ASSERT_EQUAL(storefix_write(&x, 1, 3, 33), 0);
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	put_be64(key, 2);
	put_be64(key + 8, STORE_HEAD);
	CU_ASSERT_EQUAL(catalog_get(x.st->cat, CAT_ROOT, key, 16, val, &vlen),
	    0);
	w = wr_init(buf, sizeof(buf));
	item_put(&w, ITEM_LUN_DELETE, key, 8);
	CU_ASSERT_EQUAL(storefix_change(&x, REC_CATALOG, &w, buf), 0);
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_EQUAL(catalog_get(x.st->cat, CAT_ROOT, key, 16, val, &vlen),
	    -ENOENT);
	storefix_teardown(&x);
}

static void
test_bad_changes(void)
{
	uint8_t *big = calloc(1, REC_PAYLOAD_MAX + 1);
	struct storefix x;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(store_change(x.st, REC_CATALOG, big, 0,
	    storefix_logged, &x), -EINVAL);
	CU_ASSERT_EQUAL(store_change(x.st, REC_CATALOG, big,
	    REC_PAYLOAD_MAX + 1, storefix_logged, &x), -EINVAL);
	log_fail(store_log(x.st), -EIO);
	CU_ASSERT_EQUAL(store_change(x.st, REC_CATALOG, big, 6,
	    storefix_logged, &x), -EROFS);
	CU_ASSERT_EQUAL(store_change(x.st, REC_SNAPSHOT, big, 6,
	    storefix_logged, &x), -EROFS);
	CU_ASSERT_EQUAL(x.logged, 0);
	CU_ASSERT_TRUE(list_empty(&x.st->queue));
	free(big);
	storefix_teardown(&x);
}

/* ---- checkpoints ------------------------------------------------------ */

static void
late_change(struct storefix *x)
{

	x->in_fold = NULL;
	CU_ASSERT_EQUAL(storefix_put_row(x, 11, "behind the cut"), 0);
	CU_ASSERT_EQUAL(storefix_write(x, 0, 1, 1001), 0);
}

/* What comes while a checkpoint runs is not in it, and not lost. */
static void
test_cut(void)
{
	struct storefix x;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(storefix_put_row(&x, 10, "before the cut"), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 1, 2001), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 2, 1002), 0);
	x.in_fold = late_change;
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_EQUAL(x.fold_seq, 3);
	CU_ASSERT_EQUAL(x.fold_gen, LOG_FIRST_GEN);
	CU_ASSERT_EQUAL(x.st->row.pos.seq, 3);
	CU_ASSERT_EQUAL(x.n_w, 1);
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 10, "before the cut"));
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 11, NULL));
	storefix_reopen(&x);
	CU_ASSERT_EQUAL(x.n_replayed, 2);
	CU_ASSERT_EQUAL(x.base_seq[0], 3);
	CU_ASSERT_TRUE(storefix_right(&x));
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 11, "behind the cut"));
	storefix_reopen(&x);
	CU_ASSERT_EQUAL(x.n_replayed, 0);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

struct runner {
	struct storefix *x;
	_Atomic int over;
	int rc;
};

static void *
run_it(void *arg)
{
	struct runner *r = arg;

	r->rc = keeper_run(r->x->st);
	r->over = 1;
	return (NULL);
}

/* A batch before the cut that is not visible yet is waited for. */
static void
test_waits_for_batches(void)
{
	uint8_t hdr[SECTOR_BYTES] = { 0 };
	struct log_rec lr = { .kind = REC_ZERO, .lun = 9, .n_extents = 1,
	    .hdr = hdr }, *one = &lr;
	struct runner r = { .over = 0, .rc = 1 };
	struct log_batch b;
	struct storefix x;
	pthread_t t;

	storefix_setup(&x);
	r.x = &x;
	rec_put_extent(hdr, 0, (struct extent){ 1, 1 });
	log_append(store_log(x.st), &one, 1, NULL, NULL, &b);
	CU_ASSERT_EQUAL(lr.rc, 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, run_it, &r), 0);
	(void)poll(NULL, 0, 50);
	CU_ASSERT_EQUAL(r.over, 0);
	log_batch_done(store_log(x.st), &b);
	(void)pthread_join(t, NULL);
	CU_ASSERT_EQUAL(r.rc, 0);
	CU_ASSERT_EQUAL(x.folds, 1);
	storefix_teardown(&x);
}

/* The same cut again, until it is there. */
static void
test_fold_fails(void)
{
	struct storefix x;
	uint64_t gen, seq;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(storefix_put_row(&x, 1, "one"), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 1, 2001), 0);
	x.fold_rc = -ENOSPC;
	CU_ASSERT_EQUAL(keeper_run(x.st), -ENOSPC);
	gen = x.fold_gen;
	seq = x.fold_seq;
	CU_ASSERT_EQUAL(storefix_put_row(&x, 2, "two"), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 2, 1001), 0);
	CU_ASSERT_EQUAL(keeper_run(x.st), -ENOSPC);
	CU_ASSERT_EQUAL(x.fold_gen, gen);
	CU_ASSERT_EQUAL(x.fold_seq, seq);
	CU_ASSERT_EQUAL(x.n_w, 2);
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 1, NULL));
	x.fold_rc = 0;
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_EQUAL(x.fold_gen, gen);
	CU_ASSERT_EQUAL(x.n_w, 1);
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 1, "one"));
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 2, NULL));
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_EQUAL(x.fold_gen, gen + 1);
	CU_ASSERT_EQUAL(x.n_w, 0);
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 2, "two"));
	storefix_reopen(&x);
	CU_ASSERT_EQUAL(x.n_replayed, 0);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

static unsigned
listed(struct storefix *x)
{
	unsigned n = 0;

	CU_ASSERT_EQUAL(segs_list(store_segs(x->st), segfix_count, &n), 0);
	return (n);
}

static unsigned fail_late;

/* Everything is folded, and then it is of no use. */
static void
put_and_fail(struct storefix *x)
{
	struct place p;
	struct node n;

	memset(&n, 0, sizeof(n));
	node_set_child(&n, 0, token_place(++fail_late));
	CU_ASSERT_EQUAL(nodes_put(store_nodes(x->st), &n, &p), 0);
	x->fold_rc = -EIO;
}

/* Attempts that fail leave nothing that adds up. */
static void
test_no_litter(void)
{
	struct storefix x;
	unsigned before;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 1, 2001), 0);
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	(void)poll(NULL, 0, 20);	/* the next log segment is made ready */
	before = listed(&x);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 2, 1001), 0);
	x.in_fold = put_and_fail;
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(keeper_run(x.st), -EIO);
	CU_ASSERT_EQUAL(listed(&x), before);
	x.in_fold = NULL;
	x.fold_rc = 0;
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_EQUAL(listed(&x), before + 2);
	CU_ASSERT_TRUE(storefix_in_catalog(&x, 9, NULL));
	storefix_reopen(&x);
	CU_ASSERT_TRUE(storefix_right(&x));
	/* Once the store has stopped, nothing is tried and nothing is made. */
	before = listed(&x);
	x.folds = 0;
	log_fail(store_log(x.st), -EIO);
	CU_ASSERT_EQUAL(keeper_run(x.st), -EROFS);
	CU_ASSERT_EQUAL(keeper_run(x.st), -EROFS);
	CU_ASSERT_EQUAL(x.folds, 0);
	CU_ASSERT_EQUAL(listed(&x), before);
	storefix_teardown(&x);
}

/* Closing makes a last one, if there is something to do. */
static void
test_close(void)
{
	struct storefix x;
	uint64_t n;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(storefix_put_row(&x, 1, "one"), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 2, 1, 2001), 0);
	CU_ASSERT_EQUAL(store_close(x.st, true), 0);
	CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
	CU_ASSERT_EQUAL(x.n_replayed, 0);
	CU_ASSERT_TRUE(storefix_right(&x));
	n = x.st->row.checkpoints;
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(store_close(x.st, true), 0);
	CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
	CU_ASSERT_EQUAL(x.st->row.checkpoints, n);
	CU_ASSERT_EQUAL(storefix_write(&x, 2, 2, 2001), 0);
	x.fold_rc = -EIO;
	CU_ASSERT_EQUAL(store_close(x.st, true), -EIO);
	x.fold_rc = 0;
	CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
	CU_ASSERT_EQUAL(x.n_replayed, 1);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

static int
see_segment(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	unsigned *n = arg;

	CU_ASSERT_EQUAL(klen, 4);
	CU_ASSERT_EQUAL(vlen, 16);
	/* format 1, kind log or nodes, in use */
	CU_ASSERT_EQUAL(val[0], 1);
	CU_ASSERT_TRUE(val[1] == SEG_LOG || val[1] == SEG_NODES);
	CU_ASSERT_EQUAL(get_be64(val) << 16, 0);
	CU_ASSERT_EQUAL(get_be64(val + 8), 1);
	CU_ASSERT_TRUE(get_be32(key) >= 1 && get_be32(key) < 64);
	++*n;
	return (0);
}

/* Every segment has its row. */
static void
test_segment_rows(void)
{
	struct storefix x;
	unsigned n = 0;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(storefix_write(&x, 2, 1, 2001), 0);
	(void)poll(NULL, 0, 20);
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_EQUAL(catalog_each(x.st->cat, CAT_SEGMENT, see_segment, &n),
	    0);
	CU_ASSERT_EQUAL(n, x.st->row.next_segment - 1);
	CU_ASSERT_TRUE(n >= 3);		/* log, and two of nodes */
	storefix_teardown(&x);
}

/* ---- the thread ------------------------------------------------------- */

static bool
checkpoints_reach(struct storefix *x, uint64_t n, unsigned ms)
{
	struct store_state ss;

	for (unsigned i = 0; i < ms; i++) {
		store_state(x->st, &ss);
		if (ss.checkpoints >= n && !ss.checkpointing)
			return (true);
		(void)poll(NULL, 0, 1);
	}
	return (false);
}

static void
test_thread(void)
{
	struct store_state ss;
	struct storefix x;

	storefix_setup(&x);
	(void)store_close(x.st, false);
	x.conf.checkpoint_bytes = 20 * SECTOR_BYTES;
	x.conf.checkpoint_ms = 100000;
	CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
	CU_ASSERT_EQUAL_FATAL(store_start(x.st), 0);
	/* One that is asked for; also with nothing to do. */
	CU_ASSERT_EQUAL(store_checkpoint(x.st), 0);
	CU_ASSERT_TRUE(checkpoints_reach(&x, 1, 1000));
	/* By bytes. */
	for (unsigned i = 0; i < 19; i++)
		CU_ASSERT_EQUAL(storefix_write(&x, 0, i, 50 + i), 0);
	store_state(x.st, &ss);
	CU_ASSERT_EQUAL(ss.log_bytes, 19 * SECTOR_BYTES);
	CU_ASSERT_FALSE(checkpoints_reach(&x, 2, 300));
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 20, 70), 0);
	CU_ASSERT_TRUE(checkpoints_reach(&x, 2, 5000));
	store_state(x.st, &ss);
	CU_ASSERT_EQUAL(ss.log_bytes, 0);
	CU_ASSERT_EQUAL(ss.checkpoint_ns, x.st->row.pos.time_ns);
	/* Because somebody wants it. */
	store_want_checkpoint(x.st);
	CU_ASSERT_TRUE(checkpoints_reach(&x, 3, 5000));
	/* One that fails says so to who waits, and is tried again. */
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 21, 71), 0);
	x.fold_rc = -ENOMEM;
	CU_ASSERT_EQUAL(store_checkpoint(x.st), -ENOMEM);
	x.fold_rc = 0;
	CU_ASSERT_TRUE(checkpoints_reach(&x, 4, RETRY_MS + 4000));
	CU_ASSERT_EQUAL(x.n_w, 0);
	CU_ASSERT_EQUAL(store_close(x.st, true), 0);
	/* By time; and what was asked for is not lost. */
	x.conf.checkpoint_ms = 30;
	CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
	CU_ASSERT_TRUE(storefix_right(&x));
	CU_ASSERT_EQUAL_FATAL(store_start(x.st), 0);
	CU_ASSERT_FALSE(checkpoints_reach(&x, 5, 250));
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 22, 72), 0);
	CU_ASSERT_TRUE(checkpoints_reach(&x, 5, 5000));
	storefix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "making a store", test_init },
	{ "damaged", test_damaged },
	{ "epochs and numbers", test_epochs },
	{ "changes and their rows", test_changes },
	{ "a root goes with its LUN", test_delete_root },
	{ "changes that cannot be", test_bad_changes },
	{ "before and behind the cut", test_cut },
	{ "batches that are under way", test_waits_for_batches },
	{ "a fold that fails", test_fold_fails },
	{ "attempts leave no litter", test_no_litter },
	{ "closing", test_close },
	{ "rows of segments", test_segment_rows },
	{ "when it is time", test_thread },
};

UNIT_MAIN("keeper", tests)
