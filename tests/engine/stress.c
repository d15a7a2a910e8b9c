/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress.c - several workers and an administrator on one store at once, against
 * a model; made for ThreadSanitizer, useful without.
 *
 * Each worker owns every third block of each LUN, so it knows what its blocks
 * hold; the records, overlays, views and checkpoints are everybody's.  The
 * administrator takes snapshots all the time and compares each with what the
 * workers had been told before (and had asked for until then), exposes,
 * deletes, checkpoints.  At the end, and after a new opening, all is compared.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "tests/crash/mark.h"
#include "tests/lib/eng.h"

#define WORKERS		3
#define LUNS		3
#define DEPTH		8
#define BLOCKS		192u		/* per LUN */
#define BLOCK_MAX	65536u

/* What one sector holds: operations in the order in which they were sent. */
struct unit {
	_Atomic uint32_t acked, sent, zero;
	_Atomic bool acked_zero;
};

struct disk {
	struct lun_info info;
	uint32_t per;			/* sectors in a block */
	struct unit *unit;
};

struct slot {
	struct eng_io io;
	struct worker *w;
	struct disk *d;
	struct lun_extent ext;
	bool used, zero;
	uint32_t op;
	uint64_t blk, first, n;		/* first, n: sectors */
	uint8_t buf[2 * BLOCK_MAX];
};

struct worker {
	pthread_t thread;
	unsigned number;
	struct eng e;
	struct lun_dev *dev[LUNS];
	struct slot slot[DEPTH];
	bool busy[LUNS][BLOCKS];
	uint64_t rnd, done;
};

struct copy {
	uint32_t op, zero;
	bool was_zero;
};

static struct lunset *ls;
static struct disk disks[LUNS];
static struct worker workers[WORKERS];
static _Atomic uint32_t next_op;
static _Atomic bool stop;
static _Atomic unsigned failures;

#define MUST(x)								\
	do {								\
		int rc_ = (x);						\
									\
		if (rc_ != 0) {						\
			(void)fprintf(stderr, "stress: %s: %s\n", #x,	\
			    strerror(-rc_));				\
			exit(1);					\
		}							\
	} while (0)

static uint64_t
rnd(uint64_t *s, uint64_t n)
{
	uint64_t x = (*s += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return ((x ^ (x >> 31)) % n);
}

/* ---- a worker ---------------------------------------------------------- */

static void
on_done(struct eng_io *io)
{
	struct slot *s = TT_CONTAINER(io, struct slot, io);

	if (io->op.rc != 0) {
		(void)fprintf(stderr, "stress: kind %d: %s\n",
		    (int)io->op.kind, strerror(-io->op.rc));
		exit(1);
	}
	s->used = false;
	s->w->done++;
	if (s->n == 0)
		return;
	for (uint64_t u = s->first; u < s->first + s->n; u++) {
		s->d->unit[u].acked_zero = s->zero;
		s->d->unit[u].acked = s->op;
	}
	s->w->busy[s->d - disks][s->blk] = false;
}

static void
content(const struct slot *s, uint8_t *buf, bool current)
{
	uint32_t sector = s->d->info.sector_bytes;

	for (uint64_t i = 0; i < s->n; i++) {
		const struct unit *u = &s->d->unit[s->first + i];
		uint32_t op = !current ? s->op : u->acked_zero ? 0 : u->acked;

		if (op == 0)
			memset(buf + i * sector, 0, sector);
		else
			mark_fill(buf + i * sector, sector,
			    (uint32_t)s->d->info.number, s->first + i, op);
	}
}

static void
set_sent(const struct slot *s)
{

	for (uint64_t u = s->first; u < s->first + s->n; u++) {
		if (s->zero)
			s->d->unit[u].zero = s->op;
		s->d->unit[u].sent = s->op;
	}
}

/* A block of our own that nothing is in flight on; all of it or a part. */
static bool
choose(struct worker *w, struct slot *s)
{
	uint32_t per = s->d->per;

	s->blk = rnd(&w->rnd, BLOCKS / WORKERS) * WORKERS + w->number;
	s->first = s->blk * per;
	s->n = per;
	if (rnd(&w->rnd, 2) == 0) {
		uint64_t a = rnd(&w->rnd, per);

		s->n = 1 + rnd(&w->rnd, per - a);
		s->first += a;
	}
	return (!w->busy[s->d - disks][s->blk]);
}

static void
step(struct worker *w, struct slot *s)
{
	uint64_t dice = rnd(&w->rnd, 100);
	unsigned di = (unsigned)rnd(&w->rnd, LUNS);
	struct lun_op *op = &s->io.op;
	size_t len;

	s->w = w;
	s->d = &disks[di];
	*op = (struct lun_op){ .kind = LUN_FLUSH, .dev = w->dev[di] };
	s->io.fn = on_done;
	s->n = 0;
	if (dice < 4) {
		s->used = true;
		eng_submit(&w->e, &s->io, NULL, 0);
		return;
	}
	if (!choose(w, s))
		return;
	s->used = true;
	w->busy[di][s->blk] = true;
	s->op = atomic_fetch_add(&next_op, 1) + 1;
	s->zero = dice < 14;
	len = s->n * s->d->info.sector_bytes;
	op->off_bytes = s->first * s->d->info.sector_bytes;
	op->len_bytes = len;
	op->flags = dice > 96 ? LUN_F_FUA : 0;
	if (dice < 10) {
		op->kind = LUN_ZERO;
		op->flags = 0;
		s->ext = (struct lun_extent){ op->off_bytes, len };
		op->extents = &s->ext;
		op->n_extents = 1;
		set_sent(s);
		eng_submit(&w->e, &s->io, NULL, 0);
		return;
	}
	op->kind = dice < 20 ? LUN_COMPARE_WRITE : LUN_WRITE;
	if (op->kind == LUN_COMPARE_WRITE)
		content(s, s->buf, true);
	if (s->zero)
		memset(s->buf + (dice < 20 ? len : 0), 0, len);
	else
		content(s, s->buf + (dice < 20 ? len : 0), false);
	set_sent(s);
	eng_submit(&w->e, &s->io, s->buf, dice < 20 ? 2 * len : len);
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;

	while (!stop) {
		for (int i = 0; i < DEPTH; i++)
			if (!w->slot[i].used)
				step(w, &w->slot[i]);
		eng_turn(&w->e);
	}
	eng_drain(&w->e);
	return (NULL);
}

/* ---- comparing --------------------------------------------------------- */

static struct copy *
copy_of(const struct disk *d, bool sent)
{
	uint64_t n = (uint64_t)BLOCKS * d->per;
	struct copy *c = calloc(n, sizeof(*c));

	TT_ASSERT(c != NULL);
	for (uint64_t u = 0; u < n; u++) {
		/* Of two reads of a unit that changes, the older number first:
		 * what was acknowledged then must be there. */
		c[u].op = sent ? d->unit[u].sent : d->unit[u].acked;
		c[u].zero = d->unit[u].zero;
		c[u].was_zero = d->unit[u].acked_zero;
	}
	return (c);
}

/*
 * A sector may hold anything that was sent between the two copies.  Zeroes are
 * nobody's: they are right when the old state was zero, or a zero came since.
 */
static bool
allowed(const struct copy *from, const struct copy *to, uint32_t v)
{

	if (v == MARK_FOREIGN)
		return (false);
	if (v == MARK_ZERO)
		return (from->op == 0 || from->was_zero ||
		    to->zero >= from->op);
	return (v >= from->op && v <= to->op);
}

static void
compare(struct eng *e, const struct disk *d, uint64_t seq,
    const struct copy *from, const struct copy *to, const char *what)
{
	static uint8_t buf[BLOCK_MAX];
	uint32_t sector = d->info.sector_bytes;
	struct lun_dev *dev;
	unsigned bad = 0;

	MUST(lun_dev_open(ls, d->info.number, seq, &dev));
	for (uint64_t b = 0; b < BLOCKS; b++) {
		MUST(eng_io(e, LUN_READ, 0, dev, b * d->info.block_bytes, buf,
		    d->info.block_bytes));
		for (uint64_t i = 0; i < d->per; i++) {
			uint64_t u = b * d->per + i;
			uint32_t v = mark_version(buf + i * sector, sector,
			    (uint32_t)d->info.number, u);

			if (!allowed(&from[u], &to[u], v) && bad++ < 4)
				(void)fprintf(stderr, "stress: %s of %s: "
				    "sector %llu holds %u, not %u..%u (zero "
				    "%u)\n", what, d->info.name,
				    (unsigned long long)u, v, from[u].op,
				    to[u].op, to[u].zero);
		}
	}
	lun_dev_close(dev);
	failures += bad > 0 ? 1 : 0;
}

static void
compare_heads(struct eng *e, const char *what)
{

	for (int i = 0; i < LUNS; i++) {
		struct copy *c = copy_of(&disks[i], false);

		compare(e, &disks[i], LUN_HEAD, c, c, what);
		free(c);
	}
}

/* ---- the administrator ------------------------------------------------- */

static void
one_snapshot(struct eng *e, unsigned n)
{
	struct disk *d = &disks[n % LUNS];
	struct copy *from, *to;
	struct snap_info si;
	struct exposure_info ei;
	char name[32];

	(void)snprintf(name, sizeof(name), "s%u", n);
	from = copy_of(d, false);
	MUST(lunset_snapshot(ls, d->info.name, name, &si));
	to = copy_of(d, true);
	compare(e, d, si.seq, from, to, "snapshot");
	if (n % 5 == 0)
		MUST(lunset_checkpoint(ls));
	compare(e, d, si.seq, from, to, "snapshot, later");
	if (n % 3 == 0) {
		MUST(lunset_expose(ls, d->info.name, name, &ei));
		MUST(lunset_unexpose(ls, d->info.name, name));
	}
	if (n % 4 != 0)
		MUST(lunset_snap_delete(ls, d->info.name, name));
	free(from);
	free(to);
}

static void
setup(void)
{
	static const struct {
		uint32_t block, sector;
	} g[LUNS] = { { 4096, 512 }, { 65536, 512 }, { 8192, 4096 } };

	for (int i = 0; i < LUNS; i++) {
		char name[32];
		struct lun_params p = { .name = name,
		    .block_bytes = g[i].block, .sector_bytes = g[i].sector,
		    .size_bytes = (uint64_t)BLOCKS * g[i].block };

		(void)snprintf(name, sizeof(name), "disk-%d", i);
		MUST(lunset_create(ls, &p, &disks[i].info));
		disks[i].per = g[i].block / g[i].sector;
		disks[i].unit = calloc((size_t)BLOCKS * disks[i].per,
		    sizeof(struct unit));
		TT_ASSERT(disks[i].unit != NULL);
	}
}

static void
start_worker(unsigned i)
{
	struct worker *w = &workers[i];

	w->number = i;
	w->rnd = i + 1;
	MUST(eng_init(&w->e, ls));
	for (int j = 0; j < LUNS; j++)
		MUST(lun_dev_open(ls, disks[j].info.number, LUN_HEAD,
		    &w->dev[j]));
	TT_ASSERT(pthread_create(&w->thread, NULL, worker_main, w) == 0);
}

static void
end_worker(unsigned i)
{
	struct worker *w = &workers[i];

	(void)pthread_join(w->thread, NULL);
	for (int j = 0; j < LUNS; j++)
		lun_dev_close(w->dev[j]);
	eng_fini(&w->e);
}

int
main(int argc, char **argv)
{
	struct lunset_conf conf = { .memory_bytes = 64u << 20,
	    .segment_bytes = 4u << 20, .prepared = 2,
	    .checkpoint_bytes = 8u << 20 };
	uint64_t until = clock_mono_ms() + 8000, done = 0;
	struct lunset_status st;
	struct eng e;
	unsigned n = 0;

	if (argc != 2)
		return (2);
	conf.store = argv[1];
	msg_set_level(MSG_WARN);
	MUST(lunset_init(&conf));
	MUST(lunset_open(&conf, &ls));
	setup();
	MUST(eng_init(&e, ls));
	for (unsigned i = 0; i < WORKERS; i++)
		start_worker(i);
	while (clock_mono_ms() < until && failures == 0)
		one_snapshot(&e, n++);
	stop = true;
	for (unsigned i = 0; i < WORKERS; i++) {
		end_worker(i);
		done += workers[i].done;
	}
	compare_heads(&e, "head");
	lunset_status(ls, &st);
	(void)printf("stress: %llu operations, %u snapshots, %llu "
	    "checkpoints\n", (unsigned long long)done, n,
	    (unsigned long long)st.checkpoints);
	eng_fini(&e);
	MUST(lunset_close(ls));
	MUST(lunset_open(&conf, &ls));
	MUST(eng_init(&e, ls));
	compare_heads(&e, "head, opened again");
	eng_fini(&e);
	MUST(lunset_close(ls));
	for (int i = 0; i < LUNS; i++)
		free(disks[i].unit);
	if (done < 200 || n < 3 || st.checkpoints < 2) {
		(void)fprintf(stderr, "stress: too little happened\n");
		return (1);
	}
	return (failures == 0 ? 0 : 1);
}
