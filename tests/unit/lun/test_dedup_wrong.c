/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_dedup_wrong.c - nobody reads anything else than he wrote, whatever the
 * index says, the older copy has become, or the ids are worth.
 */
#include "tests/unit/lun/dedupfix.h"

static struct rnd rng = { 88172645463325252u };

/* ---- what must not be shared ----------------------------------------------- */

/* The file that holds block ${blk} of a LUN, and where in it. */
static void
where(struct engine *e, const char *name, uint64_t blk, char *path,
    size_t cap, uint64_t *off)
{
	struct node leaf;
	struct place p;
	struct view *v;
	bool hole;

	lk_lock(&e->ls->lk);
	v = view_of(table_by_name(e->ls, name), NULL);
	lk_unlock(&e->ls->lk);
	CU_ASSERT_EQUAL_FATAL(map_find_wait(e->ls->nodes, &v->root, blk, 0,
	    &leaf, &hole), 0);
	CU_ASSERT_FALSE_FATAL(hole);
	p = node_child(&leaf, (unsigned)(blk & (NODE_FANOUT - 1)));
	view_unref(v);
	(void)snprintf(path, cap, "%s/seg/%02x/%08x", e->dir,
	    loc_segment(p.loc) & 0xff, loc_segment(p.loc));
	*off = (uint64_t)loc_off_sectors(p.loc) * SECTOR_BYTES;
}

static void
flip(const char *path, uint64_t off)
{
	uint8_t c;
	int fd = open(path, O_RDWR);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &c, 1, (off_t)off), 1);
	c ^= 1;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, (off_t)off), 1);
	(void)close(fd);
}

static void
test_rotten_block(void)
{
	const size_t n = 4 * MIB;
	uint8_t *p = data(n, 5);
	char path[128];
	uint64_t off;
	struct lun_dev *d;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 256 * KIB);
	checkpoint(&e);
	for (uint64_t b = 0; b < n / BLK; b += 3) {
		where(&e, "a", b, path, sizeof(path), &off);
		flip(path, off + b % BLK);
	}
	put(&e, d, 16 * MIB, p, n, 64 * KIB);
	checkpoint(&e);
	CU_ASSERT(state(&e).collisions >= n / BLK / 3);
	CU_ASSERT(has(&e, d, 16 * MIB, p, n));
	CU_ASSERT_FALSE(has(&e, d, 0, p, BLK));
	/* A third copy finds the good ones. */
	put(&e, d, 32 * MIB, p, n, 64 * KIB);
	checkpoint(&e);
	CU_ASSERT(distinct(&e) <= n + n / 3 + n / 10);
	CU_ASSERT(has(&e, d, 32 * MIB, p, n));
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

static void
test_missing_segment(void)
{
	const size_t n = 4 * MIB;
	uint8_t *p = data(n, 6), *q = data(n, 100000);
	char path[128];
	uint64_t off;
	struct lun_dev *d;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 256 * KIB);
	put(&e, d, n, q, n, 256 * KIB);
	checkpoint(&e);
	where(&e, "a", 100, path, sizeof(path), &off);
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	d = open_disk(&e, "a");
	put(&e, d, 16 * MIB, p, n, 64 * KIB);
	put(&e, d, 32 * MIB, q, n, 64 * KIB);
	checkpoint(&e);
	CU_ASSERT(has(&e, d, 16 * MIB, p, n));
	CU_ASSERT(has(&e, d, 32 * MIB, q, n));
	CU_ASSERT(state(&e).shared_bytes > 5 * MIB / 2);
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
	free(q);
}

/* ---- the index is a hint ---------------------------------------------------- */

struct keys {
	size_t n;
	uint8_t key[4096][8];
};

static int
note_key(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct keys *k = arg;

	CU_ASSERT_FATAL(klen == 8 && vlen == 8 && k->n < 4096);
	(void)val;
	memcpy(k->key[k->n++], key, 8);
	return (0);
}

/* All rows become ${val}, or vanish. */
static void
change_rows(struct engine *e, const uint8_t *val)
{
	struct catalog *cat = e->ls->store->cat;
	static struct keys keys;
	struct cat_txn *t;

	keys.n = 0;
	CU_ASSERT_EQUAL(catalog_each(cat, CAT_DEDUP, note_key, &keys), 0);
	CU_ASSERT(keys.n > 0);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(cat, &t), 0);
	for (size_t i = 0; i < keys.n; i++)
		CU_ASSERT_EQUAL(val == NULL ?
		    catalog_del(t, CAT_DEDUP, keys.key[i], 8) :
		    catalog_put(t, CAT_DEDUP, keys.key[i], 8, val, 8), 0);
	CU_ASSERT_EQUAL(catalog_commit(t), 0);
}

/*
 * As a kill between the commit and the rows leaves it; and with rows that
 * name what is not there, is no block, or is another one.
 */
static void
test_index_lies(void)
{
	const size_t n = 3 * MIB;
	uint8_t *p = data(n, 8);
	const uint64_t lies[] = { 0,
	    loc_make(3, 8, 8, 0), loc_make(7777, 800, 8, 0),
	    loc_make(2, 8, 3, LOC_F_NODE), loc_make(2, 0x3fff0, 64, 0),
	    loc_make(2, 9, 8, 0), loc_make(2, 9, 1, 0), UINT64_MAX, 1 };
	struct lun_dev *d;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 256 * KIB);
	checkpoint(&e);
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint64_t before;
		uint8_t val[8];

		put_be64(val, lies[i]);
		change_rows(&e, i == 0 ? NULL : val);
		lun_dev_close(d);
		engine_abandon(&e);
		CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
		d = open_disk(&e, "a");
		put(&e, d, (2 * i + 1) * n, p, n, 64 * KIB);
		checkpoint(&e);
		CU_ASSERT(has(&e, d, (2 * i + 1) * n, p, n));
		/* It has been put right. */
		before = state(&e).shared_bytes;
		put(&e, d, (2 * i + 2) * n, p, n, 64 * KIB);
		checkpoint(&e);
		CU_ASSERT(state(&e).shared_bytes - before >= n * 9 / 10);
		CU_ASSERT(has(&e, d, (2 * i + 2) * n, p, n));
	}
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

/* ---- against a model --------------------------------------------------------- */

#define M_BLOCKS	1024u
#define M_LUNS		3u

struct model {
	uint64_t want[M_LUNS][M_BLOCKS];	/* 0: zeroes */
	uint64_t snap[M_BLOCKS];
	bool has_snap;
};

static void
content(uint8_t *p, uint64_t v)
{

	if (v == 0)
		memset(p, 0, BLK);
	else
		fill(p, BLK, v);
}

static bool
matches(struct engine *e, struct lun_dev *d, const uint64_t *want)
{
	uint8_t *got = malloc(M_BLOCKS * BLK), one[BLK];
	bool ok;

	ok = engine_rw(e, d, LUN_READ, 0, got, M_BLOCKS * BLK, 0) == 0;
	for (unsigned i = 0; i < M_BLOCKS && ok; i++) {
		content(one, want[i]);
		ok = memcmp(got + (size_t)i * BLK, one, BLK) == 0;
	}
	free(got);
	return (ok);
}

static void
write_some(struct engine *e, struct lun_dev *d, uint64_t *want,
    uint64_t n_contents)
{
	static uint8_t buf[64 * BLK];
	unsigned n = 1 + (unsigned)(rnd_next(&rng) % 64);
	unsigned at = (unsigned)(rnd_next(&rng) % (M_BLOCKS - n));
	uint64_t v = rnd_next(&rng) % n_contents;

	for (unsigned i = 0; i < n; i++) {
		want[at + i] = 1 + (v + i) % n_contents;
		if (rnd_next(&rng) % 32 == 0)
			want[at + i] = 0;
		content(buf + (size_t)i * BLK, want[at + i]);
	}
	CU_ASSERT_EQUAL(engine_rw(e, d, LUN_WRITE, (uint64_t)at * BLK, buf,
	    (size_t)n * BLK, 0), 0);
}

static void
open_model(struct engine *e, struct lun_dev **d)
{
	static const char *const names[] = { "a", "b", "c" };

	for (unsigned i = 0; i < M_LUNS; i++)
		d[i] = open_disk(e, names[i]);
}

static void
reopen_model(struct engine *e, struct lun_dev **d)
{

	for (unsigned i = 0; i < M_LUNS; i++)
		lun_dev_close(d[i]);
	if (rnd_next(&rng) % 2 == 0)
		engine_abandon(e);
	else if (engine_close(e) != 0)
		CU_FAIL("close");
	CU_ASSERT_EQUAL_FATAL(engine_open(e), 0);
	open_model(e, d);
}

static void
snap_model(struct engine *e, struct model *m)
{
	struct snap_info s;

	if (m->has_snap)
		CU_ASSERT_EQUAL(lunset_snap_delete(e->ls, "a", "s"), 0);
	CU_ASSERT_EQUAL(lunset_snapshot(e->ls, "a", "s", &s), 0);
	memcpy(m->snap, m->want[0], sizeof(m->snap));
	m->has_snap = true;
}

static void
check_model(struct engine *e, struct lun_dev **d, const struct model *m)
{
	struct snap_info *s;
	struct lun_dev *sd = NULL;
	size_t n;

	for (unsigned i = 0; i < M_LUNS; i++)
		CU_ASSERT_FATAL(matches(e, d[i], m->want[i]));
	if (!m->has_snap)
		return;
	CU_ASSERT_EQUAL_FATAL(lunset_snaps(e->ls, "a", &s, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, s->lun, s->seq, &sd), 0);
	CU_ASSERT(matches(e, sd, m->snap));
	lun_dev_close(sd);
	free(s);
}

static void
run_model(unsigned steps, uint64_t n_contents, bool gc)
{
	static struct model m;
	struct lun_dev *d[M_LUNS];
	struct engine e;

	memset(&m, 0, sizeof(m));
	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	lun_dev_close(make_disk(&e, "a", BLK, false));
	lun_dev_close(make_disk(&e, "b", BLK, false));
	lun_dev_close(make_disk(&e, "c", BLK, true));
	open_model(&e, d);
	for (unsigned i = 0; i < steps; i++) {
		unsigned l = (unsigned)(rnd_next(&rng) % M_LUNS);

		for (unsigned k = 0; k < 8; k++)
			write_some(&e, d[l], m.want[l], n_contents);
		switch (rnd_next(&rng) % 12) {
		case 0: case 1: case 2: case 3:
			checkpoint(&e);
			break;
		case 4:
			snap_model(&e, &m);
			break;
		case 5:
			reopen_model(&e, d);
			break;
		case 6:
			if (gc && store_gc(e.ls->store, true) != 0)
				CU_FAIL("gc");
			break;
		default:
			break;
		}
		if (i % 8 == 7)
			check_model(&e, d, &m);
	}
	checkpoint(&e);
	check_model(&e, d, &m);
	CU_ASSERT(gc ? state(&e).shared_bytes > 0 : state(&e).collisions > 0);
	for (unsigned i = 0; i < M_LUNS; i++)
		lun_dev_close(d[i]);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

static void
test_model(void)
{

	run_model(120, 3000, true);
}

/*
 * With ids of 16 bits thousands of different blocks have equal ones: only the
 * comparison of bytes tells them apart.
 */
static void
test_collisions(void)
{

	id_set_test_bits(16);
	run_model(120, 1000000, false);
	id_set_test_bits(0);
}

static const struct unit_test tests[] = {
	{ "an older copy that has rotted is not shared", test_rotten_block },
	{ "an older copy whose segment is missing", test_missing_segment },
	{ "rows of the index that are lost or wrong", test_index_lies },
	{ "random operations against a model", test_model },
	{ "ids that collide", test_collisions },
};
UNIT_MAIN("dedup_wrong", tests)
