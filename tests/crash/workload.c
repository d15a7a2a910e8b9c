/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload.c - drives the engine for the power-cut harness, and marks in the
 * trace what it asked for and what it was told.
 *
 *	crash-workload DIR [--seed S] [--steps N] [--rounds R]
 *
 * One thread does I/O with several operations in flight, never two on one
 * block of a LUN (so their order is known); another does what an administrator
 * does, one thing at a time, at the same time.  Segments are small, checkpoints
 * frequent.  Each round is a process; every third closes the store, the others
 * end at once, as if killed, in the middle of it.  Before every fifth one the
 * catalogue is made anew; in some the file system is full for a while.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "tests/crash/mark.h"
#include "tests/crash/model.h"
#include "tests/crash/trace.h"
#include "tests/crash/workload.h"
#include "tests/lib/eng.h"

#define BULK		(512u << 10)
#define BULK_STREAM	100u
#define FULL_TRIES	10u

static struct eng eng;

static uint64_t
rnd(uint64_t n)
{
	uint64_t x = (work->seed += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return ((x ^ (x >> 31)) % n);
}

/* The I/O goes on meanwhile: only what is in flight, nothing new. */
static void
work_adm_wait(void)
{

	while (!work_adm_idle())
		eng_turn(&eng);
}

/* ---- LUNs -------------------------------------------------------------- */

static void
lun_attach(struct lun *l)
{
	uint32_t sector = l->info.sector_bytes;

	work_must(lun_dev_open(work_ls, l->info.number, LUN_HEAD, &l->dev),
	    "open LUN");
	l->n_unit = model_windows(l->info.size_bytes, sector, l->off, l->len);
	TT_ASSERT(l->n_unit <= UNITS_MAX);
	l->first_units = l->len[0] / sector;
	l->used = true;
}

static void
lun_forget(struct lun *l)
{

	memset(l->cur, 0, sizeof(l->cur));
	memset(l->blk_busy, 0, sizeof(l->blk_busy));
	memset(l->snap, 0, sizeof(l->snap));
	memset(l->prop, 0, sizeof(l->prop));
	atomic_store(&l->write_through, false);
	l->used = false;
}

static void
new_lun(struct lun *l)
{

	(void)snprintf(l->name, sizeof(l->name), "disk-%c",
	    (int)('a' + (l - work->lun)));
	work_adm_start(work_adm_create, l, NULL);
	work_adm_wait();
	lun_attach(l);
}

static void
wait_lun(const struct lun *l)
{

	while (l->in_flight > 0)
		eng_turn(&eng);
}

static void
drop_lun(struct lun *l)
{

	wait_lun(l);
	lun_dev_close(l->dev);
	l->dev = NULL;
	l->used = false;
	for (int i = 0; i < SNAPS; i++)
		if (l->snap[i].exposed == YES) {
			work_adm_start(work_adm_unexpose, l, &l->snap[i]);
			work_adm_wait();
		}
	work_adm_start(work_adm_delete, l, NULL);
	/* Others go on writing while it goes away; see step_lun. */
}

/* ---- I/O --------------------------------------------------------------- */

/* Bytes from the start of window ${w}; blocks of the windows are counted
 * through.  Sets or clears, or only asks whether any is busy. */
bool
work_blocks(struct lun *l, uint64_t off, uint64_t len, int set)
{
	uint32_t block = l->info.block_bytes;
	uint64_t first = 0;

	for (int w = 0; w < 2; w++) {
		uint64_t a = TT_MAX(off, l->off[w]);
		uint64_t b = TT_MIN(off + len, l->off[w] + l->len[w]);

		for (a = a / block * block; a < b; a += block) {
			uint8_t *p = &l->blk_busy[first +
			    (a - l->off[w]) / block];

			if (set < 0 && *p != 0)
				return (true);
			if (set >= 0)
				*p = (uint8_t)set;
		}
		first += l->len[w] / block;
	}
	return (false);
}

uint64_t
work_content(const struct slot *s, uint64_t at)
{

	if (s->zero)
		return (MARK_ZERO);
	return (s->content != 0 ? s->content + at / s->l->info.sector_bytes :
	    s->op);
}

static void
set_cur(const struct slot *s)
{
	struct lun *l = s->l;
	uint32_t sector = l->info.sector_bytes;
	uint64_t first = 0;

	for (int w = 0; w < 2; w++) {
		uint64_t a = TT_MAX(s->off, l->off[w]);
		uint64_t b = TT_MIN(s->off + s->len, l->off[w] + l->len[w]);

		for (; a < b; a += sector)
			l->cur[first + (a - l->off[w]) / sector] =
			    work_content(s, a - s->off);
		first += l->len[w] / sector;
	}
}

static uint64_t
cur_at(const struct lun *l, uint64_t off)
{
	uint32_t sector = l->info.sector_bytes;

	return (off < l->off[0] + l->len[0] ? l->cur[off / sector] :
	    l->cur[l->first_units + (off - l->off[1]) / sector]);
}

static void
slot_done(struct eng_io *io)
{
	struct slot *s = TT_CONTAINER(io, struct slot, io);
	bool flush = io->op.kind == LUN_FLUSH;

	work_must(io->op.rc, "I/O");
	work_mark((struct mark){ .kind = flush ? MARK_FLUSH_DONE : MARK_OP_DONE,
	    .lun = s->l->key, .op = s->op });
	if (!flush)
		(void)work_blocks(s->l, s->off, s->len, 0);
	s->l->in_flight--;
	s->used = false;
}

static struct slot *
get_slot(void)
{

	for (;;) {
		for (int i = 0; i < DEPTH; i++)
			if (!work->slot[i].used)
				return (&work->slot[i]);
		eng_turn(&eng);
	}
}

/* A place for an operation: inside one window, on blocks nobody works on. */
static bool
choose_place(struct lun *l, uint64_t *off, uint64_t *len)
{
	bool whole = rnd(3) > 0;
	uint64_t unit = whole ? l->info.block_bytes : l->info.sector_bytes;
	uint64_t w = l->len[1] > 0 ? rnd(2) : 0;
	uint64_t n_unit = l->len[w] / unit;
	uint64_t n = 1 + rnd(rnd(3) == 0 ? IO_MAX / unit : 8);

	/* Half of it in a hot eighth, so that blocks are written again. */
	*off = rnd(2) == 0 ? rnd(n_unit / 8 + 1) : rnd(n_unit);
	n = TT_MIN(n, n_unit - TT_MIN(*off, n_unit - 1));
	*off = TT_MIN(*off, n_unit - 1) * unit + l->off[w];
	*len = TT_MIN(n * unit, IO_MAX / unit * unit);
	return (!work_blocks(l, *off, *len, -1));
}

static void
put_content(struct slot *s, uint8_t *buf, uint64_t off, uint64_t len,
    bool current)
{
	uint32_t sector = s->l->info.sector_bytes;

	for (uint64_t at = 0; at < len; at += sector)
		mark_put(buf + at, sector, s->l->key, (off + at) / sector,
		    current ? cur_at(s->l, off + at) : work_content(s, at));
}

static void
go(struct slot *s, struct mark k, void *buf, size_t buf_len)
{

	s->used = true;
	s->flush = k.kind == MARK_FLUSH;
	s->l->in_flight++;
	s->io.fn = slot_done;
	if (k.kind == MARK_OP) {
		(void)work_blocks(s->l, s->off, s->len, 1);
		set_cur(s);
		if (atomic_load(&s->l->write_through))
			k.flags |= MARK_F_FUA;
	}
	k.op = s->op;
	k.lun = s->l->key;
	work_mark(k);
	eng_submit(&eng, &s->io, buf, buf_len);
	if (rnd(3) == 0)
		eng_turn(&eng);
}

static void
step_write(struct lun *l)
{
	struct slot *s = get_slot();
	struct mark k = { .kind = MARK_OP };
	bool cas = rnd(12) == 0;

	s->l = l;
	if (!choose_place(l, &s->off, &s->len))
		return;
	if (cas)
		s->len = TT_MIN(s->len, l->info.block_bytes);
	s->op = ++work->next_op;
	s->io.op = (struct lun_op){ .kind = cas ? LUN_COMPARE_WRITE :
	    LUN_WRITE, .dev = l->dev, .off_bytes = s->off,
	    .len_bytes = s->len };
	if (rnd(16) == 0) {
		s->io.op.flags = LUN_F_FUA;
		k.flags |= MARK_F_FUA;
	}
	if (cas)
		put_content(s, s->buf, s->off, s->len, true);
	s->zero = rnd(16) == 0;
	s->content = 0;
	if (s->zero) {
		k.flags |= MARK_F_ZERO;
	} else if (rnd(5) < 2) {
		k.flags |= MARK_F_STREAM;
		k.seq = 1 + rnd(STREAMS);
		k.size = rnd(STREAM_BLOCKS) * (l->info.block_bytes /
		    l->info.sector_bytes);
		s->content = mark_stream((uint32_t)k.seq, k.size);
	}
	put_content(s, s->buf + (cas ? s->len : 0), s->off, s->len, false);
	k.off = s->off;
	k.len = s->len;
	go(s, k, s->buf, cas ? 2 * s->len : s->len);
}

/*
 * The first half MiB, one write behind the other; ${from} not 0: with what is in
 * a stream from there on.
 */
static void
write_all(struct lun *l, uint64_t from)
{
	uint32_t sector = l->info.sector_bytes;

	for (uint64_t off = 0; off < TT_MIN(l->len[0], BULK); off += IO_MAX) {
		struct mark k = { .kind = MARK_OP, .len = IO_MAX };
		struct slot *s = get_slot();

		while (work_blocks(l, off, IO_MAX, -1))
			eng_turn(&eng);
		s->l = l;
		s->off = off;
		s->len = IO_MAX;
		s->op = ++work->next_op;
		s->zero = false;
		k.flags = from == 0 ? 0 : MARK_F_STREAM;
		k.seq = BULK_STREAM;
		k.size = (from + off) / sector;
		k.off = off;
		s->content = from == 0 ? 0 : mark_stream(BULK_STREAM, k.size);
		s->io.op = (struct lun_op){ .kind = LUN_WRITE, .dev = l->dev,
		    .off_bytes = off, .len_bytes = IO_MAX };
		put_content(s, s->buf, off, IO_MAX, false);
		go(s, k, s->buf, IO_MAX);
	}
}

/* One or two extents, or everything there is. */
static void
step_zero(struct lun *l)
{
	struct slot *s = get_slot();
	struct mark k = { .kind = MARK_OP, .flags = MARK_F_ZERO };
	bool all = rnd(8) == 0;

	s->l = l;
	if (all) {
		s->off = 0;
		s->len = l->info.size_bytes;
		if (work_blocks(l, s->off, s->len, -1))
			return;
	} else if (!choose_place(l, &s->off, &s->len))
		return;
	s->op = ++work->next_op;
	s->zero = true;
	k.off = s->off;
	k.len = s->len;
	s->ext = (struct lun_extent){ s->off, s->len };
	s->io.op = (struct lun_op){ .kind = LUN_ZERO, .dev = l->dev,
	    .extents = &s->ext, .n_extents = 1 };
	go(s, k, NULL, 0);
}

static void
step_flush(struct lun *l)
{
	struct slot *s = get_slot();

	s->l = l;
	s->op = ++work->next_op;
	s->io.op = (struct lun_op){ .kind = LUN_FLUSH, .dev = l->dev };
	go(s, (struct mark){ .kind = MARK_FLUSH }, NULL, 0);
}

/* What is not being written holds exactly what was written last. */
static void
step_read(struct lun *l)
{
	static uint8_t buf[IO_MAX];
	uint32_t sector = l->info.sector_bytes;
	uint64_t off, len;

	if (!choose_place(l, &off, &len))
		return;
	work_must(eng_io(&eng, LUN_READ, 0, l->dev, off, buf, len), "read");
	for (uint64_t at = 0; at < len; at += sector) {
		uint64_t v = mark_content(buf + at, sector, l->key,
		    (off + at) / sector);

		if (v != cur_at(l, off + at)) {
			(void)fprintf(stderr, "workload: %s: byte %llu holds "
			    "%llx, not %llx\n", l->name,
			    (unsigned long long)(off + at),
			    (unsigned long long)v,
			    (unsigned long long)cur_at(l, off + at));
			exit(1);
		}
	}
}

/* ---- steps ------------------------------------------------------------- */

static void
step_admin(struct lun *l)
{
	struct snap *s = &l->snap[rnd(SNAPS)];
	uint64_t dice = rnd(24);

	if (!work_adm_idle())
		return;
	if (dice < 2) {
		work_adm_start(work_adm_checkpoint, NULL, NULL);
	} else if (dice < 6) {
		work_adm_start(work_adm_reclaim, NULL, NULL);
	} else if (dice < 7) {
		work_adm_start(work_adm_repair, NULL, NULL);
	} else if (dice < 10) {
		l->next_prop = (enum mark_prop)rnd(PROPS);
		work_adm_start(work_adm_prop, l, NULL);
	} else if (s->state == NO) {
		(void)snprintf(s->name, sizeof(s->name), "s%u", ++work->next_snap);
		work_adm_start(work_adm_snap, l, s);
	} else if (s->exposed == YES) {
		work_adm_start(work_adm_unexpose, l, s);
	} else if (dice < 17) {
		work_adm_start(work_adm_snap_delete, l, s);
	} else
		work_adm_start(work_adm_expose, l, s);
}

/* A LUN goes away while others are written; then there is a new one. */
static void
step_lun(struct lun *l)
{

	work_adm_wait();
	if (!l->used) {
		new_lun(l);
		return;
	}
	drop_lun(l);
	for (int i = 0; i < 20; i++) {
		struct lun *o = &work->lun[rnd(LUNS)];

		if (o->used)
			step_write(o);
	}
	work_adm_wait();
	lun_forget(l);
	if (rnd(2) == 0)
		new_lun(l);
}

static void
step(void)
{
	struct lun *l = &work->lun[rnd(LUNS)];
	uint64_t dice = rnd(1000);

	if (!l->used) {
		if (dice < 50)
			step_lun(l);
	} else if (dice < 620)
		step_write(l);
	else if (dice < 700)
		step_zero(l);
	else if (dice < 800)
		step_flush(l);
	else if (dice < 860)
		step_read(l);
	else if (dice < 990)
		step_admin(l);
	else
		step_lun(l);
}

static void
checkpoint(void)
{

	eng_drain(&eng);
	work_adm_start(work_adm_checkpoint, NULL, NULL);
	work_adm_wait();
}

/*
 * Segments that are full of live blocks but for one long run, and others with
 * nothing live: for holes, and to be recycled; and long copies.
 */
static void
bulk(void)
{
	struct lun *one = NULL;

	for (int i = 0; i < LUNS; i++)
		if (work->lun[i].used) {
			one = &work->lun[i];
			write_all(one, 0);
		}
	if (one == NULL)
		return;
	checkpoint();
	write_all(one, 0);
	work_adm_start(work_adm_reclaim, NULL, NULL);
	work_adm_wait();
	work_adm_start(work_adm_repair, NULL, NULL);
	work_adm_wait();
	/* The same in all of them, and not at the same offset. */
	for (unsigned i = 0; i < LUNS; i++)
		if (work->lun[i].used) {
			write_all(&work->lun[i], (i + 1) * (64u << 10));
			checkpoint();
		}
	work_adm_start(work_adm_reclaim, NULL, NULL);
}

/* The first of LUN ${l} that is not there. */
static struct snap *
free_snap(struct lun *l)
{

	for (int i = 0; i < SNAPS; i++)
		if (l->snap[i].state == NO)
			return (&l->snap[i]);
	return (NULL);
}

/*
 * The file system is full: snapshots, flushes and checkpoints go on, and take the
 * reserve.  No data is written meanwhile: it would be refused.
 */
static void
full_fs(void)
{
	struct lun *l = &work->lun[0];
	struct snap *s;

	while (!l->used)
		if (++l == &work->lun[LUNS])
			return;
	for (int i = 0; i < 8; i++)
		step_write(l);
	eng_drain(&eng);
	work_adm_wait();
	work_fs_full();
	for (unsigned i = 0; i < FULL_TRIES && !work_fs_released(); i++) {
		step_flush(l);
		if ((s = free_snap(l)) != NULL) {
			(void)snprintf(s->name, sizeof(s->name), "s%u",
			    ++work->next_snap);
			work_adm_start(work_adm_snap, l, s);
			work_adm_wait();
		}
		checkpoint();
	}
	work->did.released += work_fs_released();
	work_fs_room();
}

/*
 * One process: open, work, and close; or end in the middle of it, as if killed
 * (${crash}), with writes in flight and the administrator at work.
 */
static void
round_run(const struct lunset_conf *conf, unsigned steps, bool crash,
    bool full)
{

	work_adm_init();
	work_lose();
	work_must(lunset_open(conf, &work_ls), "open");
	work_mark((struct mark){ .kind = MARK_OPENED });
	work_must(eng_init(&eng, work_ls), "worker");
	work_again(&eng);
	work_make_good();
	for (int i = 0; i < LUNS; i++)
		if (work->lun[i].state == YES)
			lun_attach(&work->lun[i]);
		else if (work->next_key < 3)
			new_lun(&work->lun[i]);
	if (full) {
		full_fs();
		bulk();
	}
	for (unsigned i = 0; i < steps; i++)
		step();
	work_did_count();
	if (crash) {
		if (tt_record_exit != NULL)
			tt_record_exit(0);
		_exit(0);
	}
	work_adm_wait();
	eng_drain(&eng);
	for (int i = 0; i < LUNS; i++) {
		lun_dev_close(work->lun[i].dev);
		work->lun[i].dev = NULL;
	}
	eng_fini(&eng);
	work_must(lunset_close(work_ls), "close");
	work_mark((struct mark){ .kind = MARK_CLOSED });
	work_adm_fini();
}

static void
make(const struct lunset_conf *conf)
{

	work_must(lunset_init(conf), "init");
	work_mark((struct mark){ .kind = MARK_INIT });
}

/* The catalogue is thrown away and made anew from the segments. */
static void
rebuild(const struct lunset_conf *conf)
{

	work_mark((struct mark){ .kind = MARK_REBUILD });
	work_must(lunset_rebuild(conf, true), "rebuild");
	work_mark((struct mark){ .kind = MARK_REBUILD_DONE });
	work->did.rebuilds++;
}

/* In a child; true: it ended well. */
static bool
in_child(const struct lunset_conf *conf, void (*fn)(const struct lunset_conf *),
    unsigned steps, bool crash, bool full)
{
	int st;
	pid_t pid;

	(void)fflush(NULL);
	if ((pid = fork()) == 0) {
		if (fn != NULL)
			fn(conf);
		else
			round_run(conf, steps, crash, full);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &st, 0) != pid)
		return (false);
	return (WIFEXITED(st) && WEXITSTATUS(st) == 0);
}

int
main(int argc, char **argv)
{
	struct lunset_conf conf = { .memory_bytes = 64u << 20,
	    .segment_bytes = 2u << 20, .prepared = 1,
	    .checkpoint_bytes = 1u << 20, .reserve_bytes = WORK_RESERVE };
	unsigned steps = 250, rounds = 6;
	bool ok;

	work = mmap(NULL, sizeof(*work), PROT_READ | PROT_WRITE, MAP_SHARED |
	    MAP_ANONYMOUS, -1, 0);
	TT_ASSERT(work != MAP_FAILED);
	work->seed = 1;
	for (int i = 2; i + 1 < argc; i += 2) {
		unsigned v = (unsigned)strtoul(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--seed") == 0)
			work->seed = v;
		else if (strcmp(argv[i], "--steps") == 0)
			steps = v;
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = v;
	}
	if (argc < 2 || steps == 0)
		return (2);
	conf.store = argv[1];
	msg_set_level(MSG_ERR);
	work_store = conf.store;
	ok = in_child(&conf, make, 0, false, false);
	/* By chance something may be missing: then some more. */
	for (unsigned r = 0; ok && (r < rounds || (rounds >= 6 &&
	    !work_did_all() && r < 3 * rounds)); r++) {
		if (r % 5 == 4)
			ok = in_child(&conf, rebuild, 0, false, false);
		/* Memory for one segment: reclaims go window by window. */
		conf.reclaim_bytes = r % 6 == 3 ? 1 : 0;
		ok = ok && in_child(&conf, NULL, steps, r % 3 != 2,
		    r % 4 == 1 || r >= rounds);
	}
	(void)printf("workload: %u operations, %u LUNs, %u snapshots\n",
	    work->next_op, work->next_key, work->next_snap);
	work_did_tell();
	return (ok && (work_did_all() || rounds < 6) ? 0 : 1);
}
