/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.c - a small workload on the engine, again and again, each time with
 * another call that fails: for every N until the workload has no N-th call.
 * Each time in a process of its own: it must not crash and not hang; it must
 * never return wrong data, neither then nor after the store was opened again
 * without faults; and that opening succeeds.
 *
 *	engine-fault MODE [FIRST [STEP]]	all N from FIRST in steps of STEP
 *	engine-fault MODE =N			only that one, with its messages
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "tests/fault/inject.h"
#include "tests/lib/eng.h"

#define BLOCK		4096u
#define BLOCKS		96u		/* that the workload uses */
#define LUN_BLOCKS	(64u << 10)	/* a map of several levels */
#define SPREAD		601u		/* used ones lie so far apart */
#define SEG_BYTES	(2u << 20)
#define SECONDS		30		/* a hang */
#define N_SNAPS		3u
#define JOBS 24u	/* a failed checkpoint is tried again after a second */

static const struct mode {
	const char *name;
	enum inject_kind kind;
	int err;
	bool sticky;
	unsigned reserve_mib;
} modes[] = {
	{ "enospc", INJECT_WRITE, ENOSPC, false, 0 },
	{ "enospc-on", INJECT_WRITE, ENOSPC, true, 0 },
	{ "enospc-reserve", INJECT_WRITE, ENOSPC, false, 4 },
	{ "eio-write", INJECT_WRITE, EIO, false, 0 },
	{ "eio-sync", INJECT_SYNC, EIO, false, 0 },
	{ "eio-read", INJECT_READ, EIO, false, 0 },
	{ "eio-read-on", INJECT_READ, EIO, true, 0 },
	{ "short", INJECT_SHORT, 0, false, 0 },
	{ "memory", INJECT_MEMORY, ENOMEM, false, 0 },
	{ "memory-on", INJECT_MEMORY, ENOMEM, true, 0 },
};

/* ---- the model ---------------------------------------------------------- */

/* Versions that a block may have; bit 0: zeroes. */
struct image {
	uint64_t may[BLOCKS];
};

struct snap {
	char name[16];
	bool must, may;			/* be there */
	struct image img;
};

/* Version 63 of a block is what was copied to it. */
#define COPIED (UINT64_C(1) << 63)
static uint8_t copied[BLOCKS][BLOCK];
static struct image head;
static struct snap snaps[N_SNAPS];
static unsigned next_version;
static const char *base, *store;
static uint64_t lun_number;

static void
bad(const char *what, unsigned blk)
{

	(void)fprintf(stderr, "WRONG: %s (block %u)\n", what, blk);
	(void)fflush(NULL);
	_exit(3);
}

static void
fill(uint8_t *p, unsigned blk, unsigned version)
{

	memset(p, 0, BLOCK);
	if (version == 0)
		return;
	if (version == 63) {
		memcpy(p, copied[blk], BLOCK);
		return;
	}
	/* Two versions of a block share most of their bytes with nobody. */
	for (unsigned i = 0; i < BLOCK; i += 4) {
		uint32_t x = (blk * 2654435761u) ^ (version * 40503u) ^
		    (i * 97u) ^ 0x5bd1e995u;

		memcpy(p + i, &x, sizeof(x));
	}
}

static void
check_block(const struct image *img, unsigned blk, const uint8_t *got,
    const char *what)
{
	uint8_t want[BLOCK];

	for (unsigned v = 0; v < 64; v++) {
		if ((img->may[blk] >> v & 1) == 0)
			continue;
		fill(want, blk, v);
		if (memcmp(want, got, BLOCK) == 0)
			return;
	}
	bad(what, blk);
}

static uint64_t
at(unsigned blk)
{

	return ((uint64_t)(blk * SPREAD % LUN_BLOCKS) * BLOCK);
}

/* ---- operations ---------------------------------------------------------- */

static void
op_write(struct eng *e, struct lun_dev *d, unsigned blk, unsigned n,
    unsigned flags)
{
	static uint8_t buf[BLOCK];
	unsigned v = ++next_version;

	TT_ASSERT(v < 63);
	for (unsigned i = blk; i < blk + n; i++) {
		fill(buf, i, v);
		if (eng_io(e, LUN_WRITE, flags, d, at(i), buf, BLOCK) == 0)
			head.may[i] = UINT64_C(1) << v;
		else
			head.may[i] |= UINT64_C(1) << v;
	}
}

/*
 * What block ${from} may hold is what it holds: it was read.  A block's bytes
 * name it, so a copy is a version of its own in the model: 63.
 */
static void
op_copy(struct eng *e, struct lun_dev *d, unsigned to, unsigned from,
    unsigned n)
{
	static uint8_t buf[BLOCK];

	for (unsigned i = 0; i < n; i++) {
		if (eng_io(e, LUN_READ, 0, d, at(from + i), buf, BLOCK) != 0)
			continue;
		check_block(&head, from + i, buf, "to be copied");
		memcpy(copied[to + i], buf, BLOCK);
		if (eng_io(e, LUN_WRITE, 0, d, at(to + i), buf, BLOCK) == 0)
			head.may[to + i] = COPIED;
		else
			head.may[to + i] |= COPIED;
	}
}

static void
op_zero(struct eng *e, struct lun_dev *d, unsigned blk, unsigned n)
{

	for (unsigned i = blk; i < blk + n; i++) {
		if (eng_zero(e, d, at(i), BLOCK) == 0)
			head.may[i] = 1;
		else
			head.may[i] |= 1;
	}
}

static void
read_all(struct eng *e, struct lun_dev *d, const struct image *img,
    bool must, const char *what)
{
	static uint8_t buf[BLOCK];

	for (unsigned i = 0; i < BLOCKS; i++) {
		memset(buf, 0xa5, sizeof(buf));
		if (eng_io(e, LUN_READ, 0, d, at(i), buf, BLOCK) == 0)
			check_block(img, i, buf, what);
		else if (must)
			bad(what, i);
	}
}

static void
op_snapshot(struct lunset *ls, struct snap *s, const char *name)
{
	struct snap_info info;

	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	s->img = head;
	s->may = true;
	s->must = lunset_snapshot(ls, "a", name, &info) == 0;
}

static void
op_delete(struct lunset *ls, struct snap *s)
{
	int rc;

	if (!s->may)
		return;
	rc = lunset_snap_delete(ls, "a", s->name);
	if (rc == 0)
		s->may = false;
	s->must = false;
}

static struct lunset_conf
conf_of(const struct mode *m)
{

	return ((struct lunset_conf){ .store = store,
	    .segment_bytes = SEG_BYTES, .memory_bytes = 64u << 20,
	    .reserve_bytes = m == NULL ? 0 : (uint64_t)m->reserve_mib << 20,
	    .space_low_percent = 0 });
}

/* ---- the workload -------------------------------------------------------- */

static void
io_part(struct lunset *ls, struct eng *e, struct lun_dev *d)
{

	op_write(e, d, 0, 48, 0);
	(void)eng_flush(e, d);
	op_snapshot(ls, &snaps[0], "one");
	op_write(e, d, 24, 48, 0);
	op_zero(e, d, 10, 6);
	(void)lunset_checkpoint(ls);
	read_all(e, d, &head, false, "in flight");
	op_write(e, d, 5, 1, LUN_F_FUA);
	op_snapshot(ls, &snaps[1], "two");
	op_write(e, d, 70, 26, 0);
	op_delete(ls, &snaps[0]);
	(void)lunset_checkpoint(ls);
	(void)lunset_gc(ls, true);
	op_write(e, d, 0, 8, 0);
	/* The same bytes elsewhere: to be shared, once they are compared. */
	op_copy(e, d, 84, 2, 8);
	(void)lunset_checkpoint(ls);
	op_snapshot(ls, &snaps[2], "three");
	read_all(e, d, &head, false, "in flight, later");
	(void)eng_flush(e, d);
}

/* Every step may fail; what it has promised is in the model. */
static void
workload(const struct mode *m)
{
	struct lunset_conf conf = conf_of(m);
	struct lun_dev *d = NULL;
	struct lunset *ls;
	struct eng e = { .ls = NULL };

	if (lunset_open(&conf, &ls) != 0)
		return;
	if (eng_init(&e, ls) == 0 &&
	    lun_dev_open(ls, lun_number, LUN_HEAD, &d) == 0)
		io_part(ls, &e, d);
	lun_dev_close(d);
	eng_fini(&e);
	(void)lunset_close(ls);
}

/* ---- afterwards ---------------------------------------------------------- */

static void
check_snap(struct lunset *ls, struct eng *e, const struct snap *s)
{
	struct snap_info *all = NULL;
	struct lun_dev *d;
	size_t n = 0;
	bool there = false;

	if (lunset_snaps(ls, "a", &all, &n) != 0)
		bad("snapshots", 0);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i].name, s->name) != 0)
			continue;
		there = true;
		if (lun_dev_open(ls, lun_number, all[i].seq, &d) != 0)
			bad("a snapshot cannot be opened", 0);
		read_all(e, d, &s->img, true, s->name);
		lun_dev_close(d);
	}
	free(all);
	if (there ? !s->may : s->must)
		bad(there ? "a snapshot came back" : "a snapshot is gone", 0);
}

/* All is there, and the store can be written and checkpointed. */
static void
check_after(void)
{
	struct lunset_conf conf = conf_of(NULL);
	struct lun_dev *d;
	struct lunset *ls;
	struct eng e;
	int rc;

	if ((rc = lunset_open(&conf, &ls)) != 0) {
		(void)fprintf(stderr, "cannot be opened again: %d\n", rc);
		_exit(4);
	}
	if (eng_init(&e, ls) != 0 ||
	    lun_dev_open(ls, lun_number, LUN_HEAD, &d) != 0)
		bad("the LUN is gone", 0);
	read_all(&e, d, &head, true, "afterwards");
	for (unsigned i = 0; i < N_SNAPS; i++)
		if (snaps[i].name[0] != '\0')
			check_snap(ls, &e, &snaps[i]);
	op_write(&e, d, 3, 4, LUN_F_FUA);
	if (lunset_checkpoint(ls) != 0)
		bad("no checkpoint afterwards", 0);
	read_all(&e, d, &head, true, "written again");
	if (lunset_gc(ls, true) != 0)
		bad("no reclaim afterwards", 0);
	read_all(&e, d, &head, true, "after reclaim");
	for (unsigned i = 0; i < N_SNAPS; i++)
		if (snaps[i].name[0] != '\0')
			check_snap(ls, &e, &snaps[i]);
	lun_dev_close(d);
	eng_fini(&e);
	if (lunset_close(ls) != 0)
		bad("not closed in order", 0);
}

/* ---- one N --------------------------------------------------------------- */

static void
make_store(void)
{
	struct lunset_conf conf = conf_of(NULL);
	struct lun_params p = { .name = "a", .block_bytes = BLOCK,
	    .size_bytes = (uint64_t)LUN_BLOCKS * BLOCK, .sector_bytes = 512,
	    .open = true };
	struct lun_info info;
	struct lunset *ls;

	if (lunset_init(&conf) != 0 || lunset_open(&conf, &ls) != 0 ||
	    lunset_create(ls, &p, &info) != 0 || lunset_close(ls) != 0)
		bad("no store", 0);
	lun_number = info.number;
	for (unsigned i = 0; i < BLOCKS; i++)
		head.may[i] = 1;
}

/* In the child: 0 it went well and failed a call; 10 there was no N-th. */
static int
one(const struct mode *m, unsigned n)
{
	unsigned failed;

	(void)alarm(SECONDS);
	make_store();
	inject_arm(m->kind, n, m->err, m->sticky);
	workload(m);
	(void)inject_disarm();
	failed = inject_failed();
	check_after();
	return (failed == 0 ? 10 : 0);
}

/* Starts a child with a store of its own. */
static pid_t
start_child(const struct mode *m, unsigned n, unsigned slot, bool loud)
{
	static char path[PATH_MAX];
	char cmd[PATH_MAX + 16];
	pid_t pid;
	int log;

	(void)snprintf(path, sizeof(path), "%s/%u", base, slot);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", path);
	if (system(cmd) != 0)
		return (-1);
	(void)fflush(NULL);
	if ((pid = fork()) != 0)
		return (pid);
	store = path;
	(void)snprintf(cmd, sizeof(cmd), "%s.log", path);
	log = open(cmd, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (!loud && log >= 0)
		(void)dup2(log, 2);
	_exit(one(m, n));
}

static int
result_of(pid_t pid)
{
	int st;

	while (pid < 0 || waitpid(pid, &st, 0) < 0)
		if (pid < 0 || errno != EINTR)
			return (1);
	return (WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
}

static const struct mode *
mode_of(const char *name)
{

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			return (&modes[i]);
	return (NULL);
}

/*
 * Several at a time: they wait more than they work.  Threads race, so one
 * without an N-th call is not the end yet.
 */
static int
run_mode(const struct mode *m, unsigned first, unsigned step)
{
	unsigned n = first, bad_ones = 0, none = 0, done = 0;
	pid_t pid[JOBS];
	int rc;

	while (none < JOBS && bad_ones < 5) {
		for (unsigned i = 0; i < JOBS; i++)
			pid[i] = start_child(m, n + i * step, i, false);
		none = 0;
		for (unsigned i = 0; i < JOBS; i++, n += step) {
			rc = result_of(pid[i]);
			none += rc == 10;
			done += rc == 0;
			if (rc == 0 || rc == 10)
				continue;
			(void)printf("%s =%u: %s %d\n", m->name, n, rc > 128 ?
			    "signal" : "exit", rc > 128 ? rc - 128 : rc);
			(void)fflush(stdout);
			bad_ones++;
		}
	}
	(void)printf("%s: %u calls failed one by one, %u times wrong\n",
	    m->name, done, bad_ones);
	return (bad_ones == 0 && done > 0 ? 0 : 1);
}

int
main(int argc, char **argv)
{
	char dir[] = "/dev/shm/tt-fault.XXXXXX";
	const struct mode *m;
	unsigned first = 1, step = 1;
	char cmd[128];
	int rc;

	if (argc < 2 || (m = mode_of(argv[1])) == NULL) {
		(void)fprintf(stderr, "engine-fault MODE [FIRST [STEP]]\n");
		return (2);
	}
	if (m->kind == INJECT_MEMORY && !inject_has_memory()) {
		(void)printf("%s: not in this build\n", m->name);
		return (0);
	}
	if (mkdtemp(dir) == NULL)
		return (2);
	base = dir;
	if (argc > 2 && argv[2][0] == '=') {
		rc = result_of(start_child(m, (unsigned)strtoul(argv[2] + 1,
		    NULL, 10), 0, true));
		(void)printf("%s %s: %d\n", m->name, argv[2], rc);
	} else {
		if (argc > 2)
			first = (unsigned)strtoul(argv[2], NULL, 10);
		if (argc > 3)
			step = (unsigned)strtoul(argv[3], NULL, 10);
		rc = run_mode(m, TT_MAX(first, 1u), TT_MAX(step, 1u));
	}
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	if (getenv("TT_KEEP") == NULL && system(cmd) != 0)
		return (2);
	return (rc);
}
