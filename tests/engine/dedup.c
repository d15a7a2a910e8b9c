/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup.c - what dedup saves, and what it costs, on whole LUNs.
 *
 *	engine-dedup tree STORE MIB	a tree of files, copied three times
 *	engine-dedup unique STORE MIB	data that is nowhere twice, on and off
 *	engine-dedup flood STORE MIB	the same data again and again, on and off
 *
 * STORE is a folder for stores that are made and left there.  The tree is made
 * as trees are: many small files, some large ones, blocks that repeat, tails
 * that are zero; it is the same on every machine.  What the maps refer to is
 * counted in the maps themselves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lun/lun_int.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/dedup.h"
#include "meta/walk.h"
#include "tests/lib/eng.h"

#define MIB		(UINT64_C(1) << 20)
#define BLK		4096u
#define DEPTH		8u

static unsigned failures;

#define CHECK(x, ...)							\
	do {								\
		if (!(x)) {						\
			failures++;					\
			(void)fprintf(stderr, "%s:%d: %s: ", __FILE__,	\
			    __LINE__, #x);				\
			(void)fprintf(stderr, __VA_ARGS__);		\
			(void)fprintf(stderr, "\n");			\
		}							\
	} while (0)

#define MUST(x)								\
	do {								\
		int rc_ = (x);						\
									\
		if (rc_ != 0) {						\
			(void)fprintf(stderr, "%s:%d: %s: %s\n",	\
			    __FILE__, __LINE__, #x, strerror(-rc_));	\
			exit(1);					\
		}							\
	} while (0)

/* ---- contents ------------------------------------------------------------ */

static uint64_t
next(uint64_t *s)
{

	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (*s);
}

static void
fill(uint8_t *p, size_t n, uint64_t stamp)
{
	uint64_t s = (stamp + 1) * UINT64_C(0x9e3779b97f4a7c15), v;

	for (size_t i = 0; i + 8 <= n; i += 8) {
		v = next(&s);
		memcpy(p + i, &v, 8);
	}
}

struct file {
	uint64_t off, len;		/* in the image; len: rounded up */
};

struct tree {
	uint8_t *image;
	uint64_t len;
	struct file *files;
	size_t n;
};

/* Sizes as in a tree of sources and packages: most small, most bytes large. */
static uint64_t
file_size(uint64_t *rng)
{
	uint64_t r = next(rng) % 1000;

	if (r < 700)
		return (1 + next(rng) % (16 << 10));
	if (r < 950)
		return (1 + next(rng) % (128 << 10));
	if (r < 995)
		return (1 + next(rng) % (2 << 20));
	return (1 + next(rng) % (16 << 20));
}

static void
make_tree(struct tree *t, uint64_t want)
{
	uint64_t rng = 88172645463325252u, size;
	size_t room = want / BLK + 1;

	t->image = calloc(1, want);
	t->files = calloc(room, sizeof(*t->files));
	if (t->image == NULL || t->files == NULL)
		exit(1);
	while (t->len < want) {
		struct file *f = &t->files[t->n];

		size = file_size(&rng);
		size = TT_MIN(size, want - t->len);
		fill(t->image + t->len, size, t->n);
		/* Some files are copies, in part, of earlier ones. */
		if (t->n > 10 && next(&rng) % 20 == 0) {
			const struct file *o = &t->files[next(&rng) % t->n];

			memcpy(t->image + t->len, t->image + o->off,
			    TT_MIN(size, o->len));
		}
		f->off = t->len;
		f->len = (size + BLK - 1) / BLK * BLK;
		t->len += f->len;
		t->n++;
	}
	t->len = want;
}

static void
free_tree(struct tree *t)
{

	free(t->image);
	free(t->files);
}

/* ---- the engine ------------------------------------------------------------ */

struct fix {
	struct lunset_conf conf;
	char path[512];
	struct lunset *ls;
	struct eng e;
	struct eng_io io[DEPTH];
	unsigned at;
};

static void
open_store(struct fix *x)
{

	MUST(lunset_open(&x->conf, &x->ls));
	MUST(eng_init(&x->e, x->ls));
	for (unsigned i = 0; i < DEPTH; i++)
		x->io[i].done = true;
}

static void
make_store(struct fix *x, const char *folder, const char *name,
    uint64_t checkpoint_bytes)
{

	memset(x, 0, sizeof(*x));
	(void)snprintf(x->path, sizeof(x->path), "%s/%s", folder, name);
	x->conf.store = x->path;
	x->conf.prepared = 4;
	x->conf.checkpoint_bytes = checkpoint_bytes;
	MUST(lunset_init(&x->conf));
	open_store(x);
}

static void
close_store(struct fix *x)
{

	eng_fini(&x->e);
	MUST(lunset_close(x->ls));
}

static struct lun_dev *
make_lun(struct fix *x, const char *name, uint64_t size, bool no_dedup)
{
	struct lun_params p = { .name = name, .size_bytes = size,
	    .block_bytes = BLK, .sector_bytes = 512, .no_dedup = no_dedup };
	struct lun_info info;
	struct lun_dev *d;

	MUST(lunset_create(x->ls, &p, &info));
	MUST(lun_dev_open(x->ls, info.number, LUN_HEAD, &d));
	return (d);
}

/* Several at a time; what is written must live until drain. */
static void
put(struct fix *x, struct lun_dev *d, uint64_t off, uint8_t *p, size_t n)
{
	struct eng_io *io = &x->io[x->at++ % DEPTH];

	while (!io->done)
		eng_turn(&x->e);
	MUST(io->op.rc);
	memset(io, 0, sizeof(*io));
	io->op = (struct lun_op){ .kind = LUN_WRITE, .dev = d,
	    .off_bytes = off, .len_bytes = n };
	eng_submit(&x->e, io, p, n);
}

static void
put_all(struct fix *x, struct lun_dev *d, uint64_t off, uint8_t *p,
    uint64_t len, size_t each)
{

	for (uint64_t i = 0; i < len; i += each)
		put(x, d, off + i, p + i, TT_MIN(each, len - i));
	eng_drain(&x->e);
}

static struct dedup_state
state(struct fix *x)
{
	struct dedup_state ds;

	store_dedup_state(x->ls->store, &ds);
	return (ds);
}

static uint64_t
checkpoint_ms(struct fix *x)
{
	uint64_t begun = clock_mono_ms();

	MUST(lunset_checkpoint(x->ls));
	return (clock_mono_ms() - begun);
}

static int
count_block(void *arg, struct place p, uint64_t blk)
{
	int rc = locset_add(arg, p.loc);

	(void)blk;
	return (rc < 0 ? rc : 0);
}

static uint64_t
distinct(struct fix *x)
{
	static const struct walk_ops ops = { .block = count_block };
	struct locset *set;
	uint64_t bytes;

	MUST(locset_new(64u << 20, &set));
	LIST_FOREACH(it, &x->ls->luns) {
		struct view *v = view_of(LIST_ENTRY(it, struct lun, link),
		    NULL);
		struct walk w = { .ns = x->ls->nodes, .ops = &ops,
		    .arg = set };

		CHECK(v->n == 0, "%u overlays", v->n);
		MUST(walk_tree(&w, v->root.top, v->root.height));
		view_unref(v);
	}
	bytes = locset_bytes(set);
	locset_free(set);
	return (bytes);
}

static bool
has(struct fix *x, struct lun_dev *d, uint64_t off, const uint8_t *p,
    uint64_t len)
{
	uint8_t *got = malloc(MIB);
	bool same = true;

	for (uint64_t i = 0; i < len && same; i += MIB) {
		size_t n = TT_MIN(MIB, len - i);

		MUST(eng_io(&x->e, LUN_READ, 0, d, off + i, got, n));
		same = memcmp(got, p + i, n) == 0;
	}
	free(got);
	return (same);
}

/* ---- a tree of files, copied ------------------------------------------------ */

/* In another order, as a tool that walks folders does, each file by itself. */
static uint64_t
put_files(struct fix *x, struct lun_dev *d, uint64_t off,
    const struct tree *t, uint8_t *expect)
{
	size_t n = t->n, step = 7919;
	uint64_t at = 0;

	while (n % step == 0)
		step += 2;
	for (size_t i = 0; i < n; i++) {
		/* Folders of 64 files stay together. */
		size_t folders = (n + 63) / 64;
		size_t k = (i / 64 * step) % folders * 64 + i % 64;
		const struct file *f;

		if (k >= n)
			continue;
		f = &t->files[k];
		for (uint64_t o = 0; o < f->len; o += 128 << 10)
			put(x, d, off + at + o, t->image + f->off + o,
			    TT_MIN((uint64_t)128 << 10, f->len - o));
		memcpy(expect + at, t->image + f->off, f->len);
		at += f->len;
	}
	eng_drain(&x->e);
	return (at);
}

static void
is_one_copy(struct fix *x, uint64_t one, const char *what)
{
	uint64_t now = distinct(x);

	(void)printf("%s: %llu KiB for %llu KiB, %.2f %%\n", what,
	    (unsigned long long)now >> 10, (unsigned long long)one >> 10,
	    (double)now * 100 / (double)one);
	CHECK(now <= one + one / 20, "%llu of %llu", (unsigned long long)now,
	    (unsigned long long)one);
}

static void
run_tree(const char *folder, uint64_t mib)
{
	struct tree t = { .n = 0 };
	struct lun_dev *a, *b;
	uint64_t one, len;
	uint8_t *expect;
	struct fix x;

	make_tree(&t, mib * MIB);
	if ((expect = malloc(t.len + MIB)) == NULL)
		exit(1);
	make_store(&x, folder, "tree", 0);
	a = make_lun(&x, "a", 4 * t.len, false);
	b = make_lun(&x, "b", 4 * t.len, false);
	put_all(&x, a, 0, t.image, t.len, 256 << 10);
	(void)checkpoint_ms(&x);
	one = distinct(&x);
	(void)printf("%zu files, %llu MiB, of which %llu KiB are different\n",
	    t.n, (unsigned long long)mib, (unsigned long long)one >> 10);
	/* The same LUN, at another offset, in other pieces. */
	put_all(&x, a, t.len + 5 * BLK, t.image, t.len, 36 << 10);
	(void)printf("checkpoint of the copy: %llu ms\n",
	    (unsigned long long)checkpoint_ms(&x));
	is_one_copy(&x, one, "the same LUN");
	/* Another LUN, file by file, after a restart. */
	lun_dev_close(a);
	lun_dev_close(b);
	close_store(&x);
	open_store(&x);
	MUST(lun_dev_open(x.ls, 1, LUN_HEAD, &a));
	MUST(lun_dev_open(x.ls, 2, LUN_HEAD, &b));
	len = put_files(&x, b, 3 * BLK, &t, expect);
	(void)checkpoint_ms(&x);
	is_one_copy(&x, one, "another LUN, file by file");
	CHECK(has(&x, a, 0, t.image, t.len), "the first copy");
	CHECK(has(&x, a, t.len + 5 * BLK, t.image, t.len), "the second");
	CHECK(has(&x, b, 3 * BLK, expect, len), "the third");
	CHECK(state(&x).skipped_bytes == 0, "%llu skipped",
	    (unsigned long long)state(&x).skipped_bytes);
	lun_dev_close(a);
	lun_dev_close(b);
	close_store(&x);
	free(expect);
	free_tree(&t);
}

/* ---- data that is nowhere twice ----------------------------------------------- */

static uint64_t
time_unique(const char *folder, uint64_t mib, bool off)
{
	uint64_t ms = 0, best = UINT64_MAX;
	struct dedup_state ds;
	struct lun_dev *d;
	uint8_t *p = malloc(mib * MIB);
	struct fix x;

	if (p == NULL)
		exit(1);
	make_store(&x, folder, off ? "unique-off" : "unique-on", 0);
	d = make_lun(&x, "a", 8 * mib * MIB, off);
	for (unsigned i = 0; i < 4; i++) {
		for (uint64_t o = 0; o < mib * MIB; o += BLK)
			fill(p + o, BLK, (i * mib * MIB + o) * 2 + off);
		put_all(&x, d, i * mib * MIB, p, mib * MIB, 256 << 10);
		ms = checkpoint_ms(&x);
		best = TT_MIN(best, ms);
	}
	ds = state(&x);
	(void)printf("unique, dedup %s: checkpoint of %llu MiB in %llu ms, "
	    "%llu look-ups, %llu rows\n", off ? "off" : "on",
	    (unsigned long long)mib, (unsigned long long)best,
	    (unsigned long long)ds.lookups, (unsigned long long)ds.rows);
	if (!off) {
		CHECK(ds.looked_bytes == 4 * mib * MIB, "%llu looked at",
		    (unsigned long long)ds.looked_bytes);
		CHECK(ds.compared_bytes == 0 && ds.shared_bytes == 0,
		    "%llu compared", (unsigned long long)ds.compared_bytes);
		/* 1 in 16 is a sample, and of these the filter stops 98 %. */
		CHECK(ds.lookups <= ds.looked_bytes / BLK / 16 / 50,
		    "%llu look-ups", (unsigned long long)ds.lookups);
	}
	lun_dev_close(d);
	close_store(&x);
	free(p);
	return (best);
}

static void
run_unique(const char *folder, uint64_t mib)
{
	uint64_t off = time_unique(folder, mib, true);
	uint64_t on = time_unique(folder, mib, false);

	/* Samples are written in a transaction of their own: a fixed part. */
	CHECK(on <= 2 * off + 100, "%llu ms instead of %llu",
	    (unsigned long long)on, (unsigned long long)off);
}

/* ---- the same again and again --------------------------------------------------- */

static double
time_flood(const char *folder, uint64_t mib, bool off, unsigned run)
{
	char name[32];
	const uint64_t n = 32 * MIB;
	uint8_t *p = malloc(n);
	uint64_t begun, ms;
	struct dedup_state ds;
	struct lun_dev *d;
	struct fix x;

	if (p == NULL)
		exit(1);
	for (uint64_t o = 0; o < n; o += BLK)
		fill(p + o, BLK, o);
	(void)snprintf(name, sizeof(name), "flood-%s-%u", off ? "off" : "on",
	    run);
	make_store(&x, folder, name, 64 * MIB);
	d = make_lun(&x, "a", (mib + 64) * MIB, off);
	put_all(&x, d, 0, p, n, 64 << 10);
	(void)checkpoint_ms(&x);
	begun = clock_mono_ms();
	for (uint64_t i = 0; i < mib * MIB; i += n)
		put_all(&x, d, n + i, p, n, 64 << 10);
	ms = TT_MAX(clock_mono_ms() - begun, UINT64_C(1));
	(void)checkpoint_ms(&x);
	ds = state(&x);
	(void)printf("flood, dedup %s: %.0f MiB/s; shared %llu MiB, no time "
	    "for %llu MiB\n", off ? "off" : "on",
	    (double)mib * 1000 / (double)ms,
	    (unsigned long long)ds.shared_bytes >> 20,
	    (unsigned long long)ds.skipped_bytes >> 20);
	CHECK(off == (ds.shared_bytes == 0), "%llu shared",
	    (unsigned long long)ds.shared_bytes);
	CHECK(has(&x, d, mib * MIB, p, n), "the last copy");
	lun_dev_close(d);
	close_store(&x);
	free(p);
	return ((double)mib * 1000 / (double)ms);
}

static void
run_flood(const char *folder, uint64_t mib)
{
	double off = 0, on = 0, speed;

	/* The best of two in turn: others use the machine as well. */
	for (unsigned i = 0; i < 2; i++) {
		speed = time_flood(folder, mib, true, i);
		off = TT_MAX(off, speed);
		speed = time_flood(folder, mib, false, i);
		on = TT_MAX(on, speed);
	}
	(void)printf("flood: with dedup %.2f of the speed without\n",
	    on / off);
	/* 0.8 on a machine that does nothing else; here others work, too. */
	CHECK(on >= off / 2, "%.0f instead of %.0f MiB/s", on, off);
}

int
main(int argc, char **argv)
{
	uint64_t mib = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;

	if (mib == 0) {
		(void)fprintf(stderr, "usage: engine-dedup tree|unique|flood "
		    "FOLDER MIB\n");
		return (2);
	}
	if (strcmp(argv[1], "tree") == 0)
		run_tree(argv[2], mib);
	else if (strcmp(argv[1], "unique") == 0)
		run_unique(argv[2], mib);
	else
		run_flood(argv[2], mib);
	return (failures == 0 ? 0 : 1);
}
