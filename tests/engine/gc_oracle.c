/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc_oracle.c - space reclaim against a model and against a reachability of
 * its own.
 *
 * A run is a row of processes, with rebuilds of the catalogue between them.
 * Each opens the store, compares every LUN and every snapshot with the model,
 * writes, unmaps, snapshots, deletes and checkpoints at random while reclaims
 * run, and ends in one of three ways: closed, abandoned, or from one moment to
 * the next (_exit, wherever the threads of the store are).  The model lies in
 * shared memory and knows what was answered.  Segments are small, so that many
 * move, and few contents are different, so that many blocks are shared.
 *
 * After each reclaim that was waited for, everything that a row of CAT_ROOT
 * leads to is read from the segments: both copies of each node, each block.
 *
 * gc-oracle STORE ROUNDS SEED
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lun/lun_int.h"
#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/moved.h"
#include "meta/store_int.h"
#include "tests/lib/eng.h"

#define LUNS		3u
#define BLOCKS		5120u		/* per LUN */
#define SNAPS		6u
#define CONTENTS	7000u		/* different ones, and the hole */
#define SEGMENT		(2u << 20)
#define RUN_MAX		48u

struct snapm {
	bool used, maybe;		/* maybe: it was being deleted */
	char name[16];
	uint16_t v[BLOCKS];
};

struct model {
	uint64_t rnd;
	uint32_t n_snap;
	bool done;
	struct {
		uint16_t v[BLOCKS];
		struct snapm snap[SNAPS];
	} lun[LUNS];
	uint64_t rebuilds, ops, gcs, windows, compared, moved, freed, punched, exits;
};

static struct model *m;
static const char *path;
static const uint32_t block_bytes[LUNS] = { 4096, 4096, 16384 };
static struct lunset *ls;
static struct eng e;
static struct lun_dev *dev[LUNS];
static uint8_t buf[RUN_MAX * 16384], want[RUN_MAX * 16384];

static void
must(bool ok, const char *what, int rc)
{

	if (ok)
		return;
	(void)fprintf(stderr, "gc-oracle: %s (%d), after %llu operations\n",
	    what, rc, (unsigned long long)m->ops);
	_exit(1);
}

static uint64_t
rnd(uint64_t n)
{
	uint64_t x = (m->rnd += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return ((x ^ (x >> 31)) % n);
}

static void
lun_name(char dst[static 8], unsigned i)
{

	(void)snprintf(dst, 8, "lun%u", i);
}

/* What a block holds: the same for all LUNs of a block size. */
static void
fill(uint8_t *p, uint32_t bytes, uint16_t content)
{
	uint64_t x = content * UINT64_C(0x9e3779b97f4a7c15);

	if (content == 0) {
		memset(p, 0, bytes);
		return;
	}
	for (uint32_t i = 0; i < bytes; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		put_be64(p + i, x);
	}
}

/* ---- comparing -------------------------------------------------------- */

static void
compare(struct lun_dev *d, uint32_t bs, const uint16_t *v, const char *what)
{

	for (unsigned b = 0; b < BLOCKS; b += RUN_MAX) {
		unsigned n = TT_MIN(RUN_MAX, BLOCKS - b);
		int rc = eng_io(&e, LUN_READ, 0, d, (uint64_t)b * bs, buf,
		    (size_t)n * bs);

		must(rc == 0, what, rc);
		for (unsigned i = 0; i < n; i++)
			fill(want + i * bs, bs, v[b + i]);
		must(memcmp(buf, want, (size_t)n * bs) == 0, what, -EBADMSG);
		m->compared += (uint64_t)n * bs;
	}
}

static int
open_snap(unsigned lun, const char *name, struct lun_dev **out)
{
	struct lun_info info;
	struct snap_info *all;
	char ln[8];
	size_t n;
	int rc;

	lun_name(ln, lun);
	must(lunset_find(ls, ln, &info) == 0, "find", 0);
	rc = lunset_snaps(ls, ln, &all, &n);
	must(rc == 0, "snapshots", rc);
	rc = -ENOENT;
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			rc = lun_dev_open(ls, info.number, all[i].seq, out);
	free(all);
	return (rc);
}

static void
compare_all(void)
{

	for (unsigned i = 0; i < LUNS; i++) {
		compare(dev[i], block_bytes[i], m->lun[i].v, "a LUN");
		for (unsigned k = 0; k < SNAPS; k++) {
			struct snapm *s = &m->lun[i].snap[k];
			struct lun_dev *d;
			int rc;

			if (!s->used)
				continue;
			rc = open_snap(i, s->name, &d);
			if (rc == -ENOENT && s->maybe) {
				s->used = false;
				continue;
			}
			must(rc == 0, "a snapshot is missing", rc);
			s->maybe = false;
			compare(d, block_bytes[i], s->v, "a snapshot");
			lun_dev_close(d);
		}
	}
}

/* ---- reachability ----------------------------------------------------- */

static void
read_place(struct place p, unsigned copy, uint8_t *out)
{
	struct seg *s;
	uint64_t off;
	int rc;

	rc = moved_get(ls->moved, p.loc, copy, &s, &off);
	must(rc == 0, "a place that a root leads to is gone", rc);
	rc = seg_read(s, out, (size_t)loc_sectors(p.loc) * SECTOR_BYTES, off);
	must(rc == 0, "a place that a root leads to is unreadable", rc);
	seg_put(s);
}

static void
reach(struct place p)
{
	uint8_t b[65536];
	struct node a, twin;
	struct id id;

	if (id_is_hole(&p.id))
		return;
	if ((loc_flags(p.loc) & LOC_F_NODE) == 0) {
		read_place(p, 0, b);
		id = id_of(b, (size_t)loc_sectors(p.loc) * SECTOR_BYTES);
		must(id_equal(&id, &p.id), "a block has other bytes", 0);
		return;
	}
	read_place(p, 0, a.b);
	read_place(p, 1, twin.b);
	must(memcmp(&a, &twin, sizeof(a)) == 0, "a node and its twin differ",
	    0);
	id = node_id(&a);
	must(id_equal(&id, &p.id), "a node has other bytes", 0);
	for (unsigned i = 0; i < NODE_FANOUT; i++)
		reach(node_child(&a, i));
}

struct roots {
	struct place v[LUNS * (SNAPS + 8)];
	unsigned n;
};

static int
one_root(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct roots *r = arg;
	struct root_row row;

	(void)key;
	(void)klen;
	must(root_row_dec(val, vlen, &row) == 0, "a root's row", 0);
	must(r->n < sizeof(r->v) / sizeof(r->v[0]), "too many roots", 0);
	r->v[r->n++] = row.root;
	return (0);
}

/* Nobody writes meanwhile, so these roots stay those of the last commit. */
static void
reach_all(void)
{
	struct roots r = { .n = 0 };

	must(lunset_checkpoint(ls) == 0, "checkpoint", 0);
	must(catalog_each(ls->store->cat, CAT_ROOT, one_root, &r) == 0,
	    "roots", 0);
	for (unsigned i = 0; i < r.n; i++)
		reach(r.v[i]);
}

/* ---- operations ------------------------------------------------------- */

static void
write_some(void)
{
	unsigned i = (unsigned)rnd(LUNS), n = 1 + (unsigned)rnd(RUN_MAX);
	unsigned b = (unsigned)rnd(BLOCKS - n + 1);
	uint32_t bs = block_bytes[i];
	uint16_t first = (uint16_t)(1 + rnd(CONTENTS));
	int rc;

	/* Runs of contents that lie behind each other elsewhere as well. */
	for (unsigned k = 0; k < n; k++)
		fill(buf + k * bs, bs, (uint16_t)((first + k) % CONTENTS + 1));
	rc = eng_io(&e, LUN_WRITE, 0, dev[i], (uint64_t)b * bs, buf,
	    (size_t)n * bs);
	must(rc == 0, "write", rc);
	for (unsigned k = 0; k < n; k++)
		m->lun[i].v[b + k] = (uint16_t)((first + k) % CONTENTS + 1);
}

static void
zero_some(void)
{
	unsigned i = (unsigned)rnd(LUNS), n = 1 + (unsigned)rnd(256);
	unsigned b = (unsigned)rnd(BLOCKS - n + 1);
	int rc;

	rc = eng_zero(&e, dev[i], (uint64_t)b * block_bytes[i],
	    (uint64_t)n * block_bytes[i]);
	must(rc == 0, "zero", rc);
	memset(m->lun[i].v + b, 0, n * sizeof(uint16_t));
}

static void
snap_some(void)
{
	unsigned i = (unsigned)rnd(LUNS), k = (unsigned)rnd(SNAPS);
	struct snapm *s = &m->lun[i].snap[k];
	struct snap_info info;
	char ln[8];
	int rc;

	lun_name(ln, i);
	if (s->used) {
		s->maybe = true;
		rc = lunset_snap_delete(ls, ln, s->name);
		must(rc == 0, "delete", rc);
		s->used = s->maybe = false;
		return;
	}
	(void)snprintf(s->name, sizeof(s->name), "s%u", ++m->n_snap);
	rc = lunset_snapshot(ls, ln, s->name, &info);
	must(rc == 0, "snapshot", rc);
	memcpy(s->v, m->lun[i].v, sizeof(s->v));
	s->used = true;
}

static void
reclaim(bool wait)
{
	struct lun_gc g;
	int rc = lunset_gc(ls, wait);

	must(rc == 0, "reclaim", rc);
	if (!wait)
		return;
	lunset_gc_state(ls, &g);
	must(g.last_rc == 0, "reclaim", g.last_rc);
	m->gcs++;
}

static void
operate(unsigned n)
{

	for (unsigned i = 0; i < n; i++, m->ops++) {
		uint64_t what = rnd(1000);

		if (what < 860)
			write_some();
		else if (what < 930)
			zero_some();
		else if (what < 965)
			snap_some();
		else if (what < 975)
			must(lunset_checkpoint(ls) == 0, "checkpoint", 0);
		else if (what < 990)
			reclaim(false);
		else if (rnd(4) == 0)
			compare_all();
	}
}

/* ---- processes -------------------------------------------------------- */

/* Memory for all segments, for some at a time, for one at a time. */
static const uint64_t shares[6] = { 0, 0, 0, 216u << 10, 216u << 10, 1 };

static struct lunset_conf
conf_of(void)
{

	return ((struct lunset_conf){ .store = path, .segment_bytes = SEGMENT,
	    .memory_bytes = 64u << 20, .reclaim_bytes = shares[rnd(6)],
	    .prepared = 2, .checkpoint_bytes = 6u << 20,
	    .checkpoint_ms = 500 });
}

static void
open_all(void)
{
	struct lunset_conf c = conf_of();
	int rc;

	rc = lunset_open(&c, &ls);
	must(rc == 0, "open", rc);
	rc = eng_init(&e, ls);
	must(rc == 0, "worker", rc);
	for (unsigned i = 0; i < LUNS; i++) {
		struct lun_info info;
		char ln[8];

		lun_name(ln, i);
		rc = lunset_find(ls, ln, &info);
		must(rc == 0, "find", rc);
		rc = lun_dev_open(ls, info.number, LUN_HEAD, &dev[i]);
		must(rc == 0, "open a LUN", rc);
	}
}

static void
close_all(bool checkpoint)
{
	struct lun_gc g;

	lunset_gc_state(ls, &g);
	m->freed += g.freed_bytes;
	m->windows += g.windows;
	m->moved += g.moved_bytes;
	m->punched += g.punched_bytes;
	for (unsigned i = 0; i < LUNS; i++)
		lun_dev_close(dev[i]);
	eng_fini(&e);
	if (checkpoint)
		must(lunset_close(ls) == 0, "close", 0);
	else
		lunset_abandon(ls);
}

static void
round_of(void)
{
	uint64_t how = rnd(4);

	open_all();
	compare_all();
	operate(200 + (unsigned)rnd(400));
	reclaim(true);
	compare_all();
	reach_all();
	operate((unsigned)rnd(300));
	/* In the middle of a run, more often than not. */
	reclaim(false);
	operate(1 + (unsigned)rnd(200));
	if (how >= 2) {
		m->exits++;
		_exit(0);
	}
	close_all(how == 0);
	_exit(0);
}

static void
first_process(void)
{
	struct lunset_conf c = conf_of();
	int rc;

	rc = lunset_init(&c);
	must(rc == 0, "init", rc);
	rc = lunset_open(&c, &ls);
	must(rc == 0, "open", rc);
	for (unsigned i = 0; i < LUNS; i++) {
		char ln[8];
		struct lun_params p = { .name = ln, .block_bytes =
		    block_bytes[i], .sector_bytes = 512, .size_bytes =
		    (uint64_t)BLOCKS * block_bytes[i], .open = true };
		struct lun_info info;

		lun_name(ln, i);
		rc = lunset_create(ls, &p, &info);
		must(rc == 0, "create", rc);
	}
	must(lunset_close(ls) == 0, "close", 0);
	_exit(0);
}

/* The catalogue anew from what reclaims have left of the segments. */
static void
rebuild_process(void)
{
	struct lunset_conf c = conf_of();
	int rc = lunset_rebuild(&c, true);

	must(rc == 0, "rebuild", rc);
	m->rebuilds++;
	_exit(0);
}

static int
add_blocks(void *arg, uint32_t number)
{
	struct stat sb;
	struct seg *s;

	if (segs_get(ls->segs, number, &s) == 0) {
		if (fstat(seg_fd(s), &sb) == 0)
			*(uint64_t *)arg += (uint64_t)sb.st_blocks * 512;
		seg_put(s);
	}
	return (0);
}

/*
 * All but the heads is deleted: then the segments are within a tenth of what
 * is different in them.  Allowed besides: the current log segment, the one
 * made ready behind it, the one of the position, and the current node pair.
 */
static void
space_process(void)
{
	uint64_t used = 0, limit;
	struct lun_gc g;

	open_all();
	for (unsigned i = 0; i < LUNS; i++)
		for (unsigned k = 0; k < SNAPS; k++) {
			struct snapm *s = &m->lun[i].snap[k];
			char ln[8];

			lun_name(ln, i);
			if (s->used)
				must(lunset_snap_delete(ls, ln, s->name) == 0,
				    "delete", 0);
			s->used = false;
		}
	reclaim(true);
	reclaim(true);
	compare_all();
	reach_all();
	lunset_gc_state(ls, &g);
	must(segs_list(ls->segs, add_blocks, &used) == 0, "list", 0);
	limit = g.unique_bytes + g.unique_bytes / 10 + 5 * SEGMENT;
	(void)printf("space: %llu KiB different of %llu, segments %llu KiB "
	    "(allowed %llu)\n", (unsigned long long)g.unique_bytes >> 10,
	    (unsigned long long)g.logical_bytes >> 10,
	    (unsigned long long)used >> 10, (unsigned long long)limit >> 10);
	(void)fflush(stdout);
	must(used <= limit, "the space of what was deleted is not free", 0);
	close_all(true);
	_exit(0);
}

static void
process(void (*fn)(void), const char *what)
{
	int st;
	pid_t pid = fork();

	if (pid == 0)
		fn();
	if (pid < 0 || waitpid(pid, &st, 0) != pid || !WIFEXITED(st) ||
	    WEXITSTATUS(st) != 0) {
		(void)fprintf(stderr, "gc-oracle: %s failed\n", what);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	unsigned rounds;

	if (argc < 4)
		return (2);
	path = argv[1];
	rounds = (unsigned)strtoul(argv[2], NULL, 10);
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED |
	    MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return (2);
	m->rnd = strtoull(argv[3], NULL, 10);
	process(first_process, "the first process");
	for (unsigned i = 0; i < rounds; i++) {
		process(round_of, "a round");
		if (rnd(3) == 0 || i == rounds - 1)
			process(rebuild_process, "a rebuild");
	}
	process(space_process, "the last process");
	(void)printf("%llu operations, %llu reclaims waited for, %llu windows "
	    "of all, %llu sudden ends, %llu rebuilds, %llu MiB compared; freed %llu KiB, moved "
	    "%llu KiB, holes %llu KiB\n", (unsigned long long)m->ops,
	    (unsigned long long)m->gcs, (unsigned long long)m->windows,
	    (unsigned long long)m->exits,
	    (unsigned long long)m->rebuilds,
	    (unsigned long long)m->compared >> 20,
	    (unsigned long long)m->freed >> 10,
	    (unsigned long long)m->moved >> 10,
	    (unsigned long long)m->punched >> 10);
	/* A test that moves nothing shows nothing. */
	return (m->freed > 0 && m->moved > 0 && m->punched > 0 ? 0 : 1);
}
