/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify.c - verification and scrub beside writers, snapshots that come and
 * go, checkpoints, reclaim of space and restarts: nothing is ever called
 * damaged, because nothing is, and nothing that was written is lost.
 *
 * engine-verify STORE SECONDS SEED
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lun/verify.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "tests/lib/eng.h"

#define LUNS		2u
#define BLOCKS		4096u		/* per LUN */
#define BLOCK		4096u
#define RUN_MAX		32u
#define CONTENTS	3000u		/* different ones: some are shared */
#define SNAPS		4u

static struct lunset *ls;
static _Atomic bool stop;
static _Atomic uint64_t written, verified, scrubbed, reclaimed, snaps;

struct writer {
	pthread_t thread;
	struct eng e;
	struct lun_dev *dev;
	uint64_t rnd, lun;
	uint16_t now[BLOCKS];
	uint8_t buf[RUN_MAX * BLOCK], want[BLOCK];
};

static struct writer writers[LUNS];

static void
must(bool ok, const char *what, int rc)
{

	if (ok)
		return;
	(void)fprintf(stderr, "engine-verify: %s (%d)\n", what, rc);
	_exit(1);
}

static uint64_t
rnd(uint64_t *s, uint64_t n)
{
	uint64_t z = *s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return ((z ^ (z >> 31)) % n);
}

/* Content 0 is the hole. */
static void
fill(uint8_t *p, uint16_t content)
{

	memset(p, 0, BLOCK);
	for (unsigned i = 0; i < BLOCK && content != 0; i += 8)
		memcpy(p + i, &content, sizeof(content));
}

/* ---- writers ----------------------------------------------------------- */

static void
write_some(struct writer *w)
{
	uint64_t n = 1 + rnd(&w->rnd, RUN_MAX);
	uint64_t blk = rnd(&w->rnd, BLOCKS - n);
	int rc;

	for (uint64_t i = 0; i < n; i++) {
		w->now[blk + i] = (uint16_t)rnd(&w->rnd, CONTENTS);
		fill(w->buf + i * BLOCK, w->now[blk + i]);
	}
	rc = eng_io(&w->e, LUN_WRITE, 0, w->dev, blk * BLOCK, w->buf,
	    n * BLOCK);
	must(rc == 0, "write", rc);
	atomic_fetch_add(&written, n);
}

static void
read_some(struct writer *w)
{
	uint64_t n = 1 + rnd(&w->rnd, RUN_MAX);
	uint64_t blk = rnd(&w->rnd, BLOCKS - n);
	int rc;

	rc = eng_io(&w->e, LUN_READ, 0, w->dev, blk * BLOCK, w->buf,
	    n * BLOCK);
	must(rc == 0, "read", rc);
	for (uint64_t i = 0; i < n; i++) {
		fill(w->want, w->now[blk + i]);
		must(memcmp(w->want, w->buf + i * BLOCK, BLOCK) == 0,
		    "wrong data", 0);
	}
}

static void *
writer_main(void *arg)
{
	struct writer *w = arg;

	while (!atomic_load(&stop)) {
		write_some(w);
		if (rnd(&w->rnd, 3) == 0)
			read_some(w);
		if (rnd(&w->rnd, 50) == 0)
			(void)eng_flush(&w->e, w->dev);
	}
	return (NULL);
}

/* ---- the others -------------------------------------------------------- */

static void *
snap_main(void *arg)
{
	uint64_t r = *(const uint64_t *)arg + 77;
	char lun[8], name[8];
	struct snap_info si;

	while (!atomic_load(&stop)) {
		(void)snprintf(lun, sizeof(lun), "l%u",
		    (unsigned)rnd(&r, LUNS));
		(void)snprintf(name, sizeof(name), "s%u",
		    (unsigned)rnd(&r, SNAPS));
		if (lunset_snap_delete(ls, lun, name) == -ENOENT &&
		    lunset_snapshot(ls, lun, name, &si) == 0)
			atomic_fetch_add(&snaps, 1);
		if (rnd(&r, 6) == 0)
			(void)lunset_checkpoint(ls);
		if (rnd(&r, 10) == 0 && lunset_gc(ls, true) == 0)
			atomic_fetch_add(&reclaimed, 1);
		(void)usleep(5000);
	}
	return (NULL);
}

static void
must_be_clean(void)
{
	struct verify_state s;

	lunset_verify_state(ls, &s);
	must(s.n_damage == 0, "verify: damage where there is none", 0);
	must(s.scrub_n_damage == 0, "scrub: damage where there is none", 0);
	must(s.repaired + s.scrub_repaired == 0, "repaired what was whole", 0);
	must(s.running || s.ended_ns == 0 || s.rc == 0 || s.rc == -EINTR,
	    "verify failed", s.rc);
	atomic_store(&scrubbed, s.scrub_done_ns != 0);
}

static void
wait_for_end(void)
{
	struct verify_state s;

	do {
		(void)usleep(2000);
		lunset_verify_state(ls, &s);
	} while (s.running);
	must_be_clean();
	if (s.rc == 0)
		atomic_fetch_add(&verified, 1);
}

/* One after the other, with moments for the scrub between. */
static void
verify_some(uint64_t *r)
{
	struct verify_params p = { .lun = NULL };
	int rc;

	if (rnd(r, 3) == 0)
		p.lun = rnd(r, 2) == 0 ? "l0" : "l1";
	if (p.lun != NULL && rnd(r, 2) == 0)
		p.snap = "s1";
	if (rnd(r, 4) == 0)
		p.rate_bytes = UINT64_C(8) << 20;
	rc = lunset_verify(ls, &p);
	must(rc == 0 || rc == -ENOENT, "start", rc);
	if (rc == 0 && p.rate_bytes != 0 && rnd(r, 2) == 0) {
		(void)usleep(20000);
		(void)lunset_verify_cancel(ls);
	}
	if (rc == 0)
		wait_for_end();
	(void)usleep((useconds_t)rnd(r, 100000));
}

/* ---- the whole --------------------------------------------------------- */

static void
open_all(const struct lunset_conf *conf)
{
	int rc;

	rc = lunset_open(conf, &ls);
	must(rc == 0, "open", rc);
	for (unsigned i = 0; i < LUNS; i++) {
		rc = eng_init(&writers[i].e, ls);
		must(rc == 0, "worker", rc);
		rc = lun_dev_open(ls, writers[i].lun, LUN_HEAD,
		    &writers[i].dev);
		must(rc == 0, "device", rc);
	}
}

static void
close_all(void)
{
	int rc;

	for (unsigned i = 0; i < LUNS; i++) {
		lun_dev_close(writers[i].dev);
		eng_fini(&writers[i].e);
	}
	rc = lunset_close(ls);
	must(rc == 0, "close", rc);
}

static void
make(const struct lunset_conf *conf)
{
	struct lun_info info;
	char name[8];
	int rc;

	rc = lunset_init(conf);
	must(rc == 0, "init", rc);
	rc = lunset_open(conf, &ls);
	must(rc == 0, "open", rc);
	for (unsigned i = 0; i < LUNS; i++) {
		struct lun_params p = { .name = name,
		    .size_bytes = (uint64_t)BLOCKS * BLOCK,
		    .block_bytes = BLOCK, .sector_bytes = 512 };

		(void)snprintf(name, sizeof(name), "l%u", i);
		rc = lunset_create(ls, &p, &info);
		must(rc == 0, "create", rc);
		writers[i].lun = info.number;
	}
	rc = lunset_close(ls);
	must(rc == 0, "close", rc);
}

/* One opening. */
static void
session(const struct lunset_conf *conf, uint64_t until_ms, uint64_t seed)
{
	struct verify_params all = { .lun = NULL };
	uint64_t r = seed;
	pthread_t admin;
	int rc;

	open_all(conf);
	atomic_store(&stop, false);
	for (unsigned i = 0; i < LUNS; i++) {
		writers[i].rnd = seed * 31 + i;
		must(pthread_create(&writers[i].thread, NULL, writer_main,
		    &writers[i]) == 0, "thread", 0);
	}
	must(pthread_create(&admin, NULL, snap_main, &seed) == 0, "thread", 0);
	while (clock_mono_ms() < until_ms)
		verify_some(&r);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < LUNS; i++)
		(void)pthread_join(writers[i].thread, NULL);
	(void)pthread_join(admin, NULL);
	rc = lunset_verify(ls, &all);
	must(rc == 0, "start", rc);
	wait_for_end();
	/* Closed in the middle of one, every other time. */
	all.rate_bytes = 1u << 20;
	if (seed % 2 == 0)
		(void)lunset_verify(ls, &all);
	close_all();
}

int
main(int argc, char **argv)
{
	struct lunset_conf conf = {
		.segment_bytes = 2u << 20,
		.memory_bytes = UINT64_C(64) << 20,
		.checkpoint_bytes = UINT64_C(8) << 20,
		.scrub_s = 1,
		.scrub_rate_bytes = UINT64_C(256) << 20,
		.scrub_delay_ms = 1,
	};
	uint64_t seconds, seed;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: engine-verify STORE SECONDS "
		    "SEED\n");
		return (2);
	}
	conf.store = argv[1];
	seconds = strtoull(argv[2], NULL, 10);
	seed = strtoull(argv[3], NULL, 10);
	make(&conf);
	for (unsigned i = 0; i < 3; i++)
		session(&conf, clock_mono_ms() + seconds * 1000 / 3,
		    seed + i);
	(void)printf("%llu blocks written, %llu snapshots, %llu reclaims, "
	    "%llu verifications, scrub %s\n", (unsigned long long)written,
	    (unsigned long long)snaps, (unsigned long long)reclaimed,
	    (unsigned long long)verified, scrubbed ? "done" : "not done");
	must(verified >= 3 && snaps > 0 && reclaimed > 0, "too little", 0);
	return (0);
}
