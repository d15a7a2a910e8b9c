/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that cannot read some of its sectors: what is told, what is repaired,
 * what is given up and when.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lun/verify_int.h"
#include "tests/unit/lun/iofix.h"

#define EXPORT __attribute__((visibility("default")))

/* ---- the disk ---------------------------------------------------------- */

static struct {
	_Atomic uint64_t ino[2];	/* 0: none */
	_Atomic uint64_t from[2], to[2];
	_Atomic bool heals;		/* written, a sector is good again */
	_Atomic unsigned n;		/* refused */
} bad;

static bool
is_bad(int fd, uint64_t off, uint64_t len, bool write)
{
	struct stat sb;
	bool hit = false;

	for (unsigned i = 0; i < 2; i++) {
		if (bad.ino[i] == 0 || off >= bad.to[i] ||
		    off + len <= bad.from[i] || fstat(fd, &sb) != 0 ||
		    sb.st_ino != bad.ino[i])
			continue;
		hit = true;
		if (write && bad.heals)
			bad.ino[i] = 0;
	}
	bad.n += hit;
	return (hit);
}

static uint64_t
total(const struct iovec *iov, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return (sum);
}

EXPORT ssize_t
pread(int fd, void *p, size_t n, off_t off)
{

	if (is_bad(fd, (uint64_t)off, n, false)) {
		errno = EIO;
		return (-1);
	}
	return (syscall(SYS_pread64, fd, p, n, off));
}

EXPORT ssize_t
preadv(int fd, const struct iovec *iov, int n, off_t off)
{

	if (is_bad(fd, (uint64_t)off, total(iov, n), false)) {
		errno = EIO;
		return (-1);
	}
	return (syscall(SYS_preadv, fd, iov, n, off, 0L));
}

EXPORT ssize_t
preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{

	if (is_bad(fd, (uint64_t)off, total(iov, n), false)) {
		errno = EIO;
		return (-1);
	}
	return (syscall(SYS_preadv2, fd, iov, n, off, 0L, flags));
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t off)
{

	(void)is_bad(fd, (uint64_t)off, total(iov, n), true);
	return (syscall(SYS_pwritev, fd, iov, n, off, 0L));
}

/* Sectors of the copy of ${loc}; ${i}: of two such places. */
static void
make_bad(struct iofix *x, unsigned i, locator loc, unsigned copy)
{
	uint32_t number = loc_segment(loc) + copy;
	char name[128];
	struct stat sb;

	(void)snprintf(name, sizeof(name), "%s/seg/%02x/%08x", x->e.dir,
	    number & 0xff, number);
	CU_ASSERT_EQUAL_FATAL(stat(name, &sb), 0);
	bad.from[i] = (uint64_t)loc_off_sectors(loc) * SECTOR_BYTES;
	bad.to[i] = bad.from[i] + loc_sectors(loc) * SECTOR_BYTES;
	bad.ino[i] = sb.st_ino;
}

static void
all_good(void)
{

	bad.ino[0] = bad.ino[1] = 0;
	bad.heals = false;
	bad.n = 0;
}

/* ---- the engine -------------------------------------------------------- */

static void
setup(struct iofix *x)
{

	all_good();
	iofix_setup(x, 4096, 512);
	for (unsigned i = 0; i < 4; i++)
		iofix_write(x, i * MIB, MIB, 100 + i);
	CU_ASSERT_EQUAL(lunset_checkpoint(x->e.ls), 0);
}

static void
reopen(struct iofix *x)
{

	lun_dev_close(x->d);
	engine_abandon(&x->e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&x->e), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x->e.ls, x->number, LUN_HEAD,
	    &x->d), 0);
}

static struct place
place_of(struct iofix *x, uint64_t blk, unsigned level)
{
	struct place p;
	struct view *v;
	struct lun *l;
	struct node n;

	lk_lock(&x->e.ls->lk);
	l = table_by_number(x->e.ls, x->number);
	lk_unlock(&x->e.ls->lk);
	v = view_of(l, NULL);
	p = v->root.top;
	for (unsigned k = v->root.height; k > level; k--) {
		CU_ASSERT_EQUAL_FATAL(nodes_load(x->e.ls->nodes, p,
		    NODE_NO_KEEP, &n), 0);
		p = node_child(&n, (unsigned)(blk >> ((k - 1) * NODE_SHIFT)) &
		    (NODE_FANOUT - 1));
	}
	view_unref(v);
	return (p);
}

static struct verify_damage *
verify(struct iofix *x, struct verify_state *s, size_t *n)
{
	struct verify_params p = { .lun = NULL };
	struct verify_damage *d;

	CU_ASSERT_EQUAL_FATAL(lunset_verify(x->e.ls, &p), 0);
	do {
		(void)usleep(2000);
		lunset_verify_state(x->e.ls, s);
	} while (s->running);
	CU_ASSERT_EQUAL_FATAL(lunset_verify_damage(x->e.ls, VERIFY_BY_RUN, &d,
	    n), 0);
	return (d);
}

/* ---- tests ------------------------------------------------------------- */

static void
test_data(void)
{
	struct iovec iov = { buf, SIZE };
	struct waiter wt = { .op = { .kind = LUN_READ, .len_bytes = SIZE,
	    .iov = &iov, .n_iov = 1 } };
	struct verify_damage *d;
	struct verify_state s;
	struct iofix x;
	size_t n;

	setup(&x);
	make_bad(&x, 0, place_of(&x, 500, 0).loc, 0);
	d = verify(&x, &s, &n);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_TRUE(d[0].kind == VERIFY_DATA && d[0].rc == -EIO &&
	    d[0].off_bytes == 500 * 4096 && d[0].len_bytes == 4096);
	CU_ASSERT_EQUAL(s.rc, 0);
	free(d);
	/* A reader: the error, the place, and nothing else harmed. */
	wt.op.dev = x.d;
	CU_ASSERT_EQUAL(engine_run(&x.e, &wt), -EIO);
	CU_ASSERT_EQUAL(wt.op.bad_off_bytes, 500 * 4096);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_READ, 501 * 4096, buf,
	    SIZE - 501 * 4096, 0), 0);
	CU_ASSERT_EQUAL(memcmp(buf, x.now + 501 * 4096, SIZE - 501 * 4096),
	    0);
	iofix_write(&x, 500 * 4096, 4096, 3);
	free(verify(&x, &s, &n));
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	/* It was an error that passed. */
	all_good();
	free(verify(&x, &s, &n));
	CU_ASSERT_EQUAL(n, 0);
	iofix_teardown(&x);
}

static void
test_copy(void)
{
	struct verify_damage *d;
	struct verify_state s;
	struct iofix x;
	struct place p;
	size_t n;

	for (unsigned copy = 0; copy < 2; copy++) {
		setup(&x);
		p = place_of(&x, 320, 1);
		/* Sectors that writing does not heal. */
		make_bad(&x, 0, p.loc, copy);
		reopen(&x);
		d = verify(&x, &s, &n);
		CU_ASSERT_EQUAL_FATAL(n, 1);
		CU_ASSERT_TRUE(d[0].kind == VERIFY_COPY && d[0].rc == -EIO);
		CU_ASSERT_EQUAL(d[0].segment, loc_segment(p.loc) + copy);
		CU_ASSERT_EQUAL(s.damaged_bytes, 0);
		CU_ASSERT_EQUAL(s.repaired, 0);
		free(d);
		CU_ASSERT_TRUE(iofix_right(&x));
		/* Those of a disk that has spare ones. */
		bad.heals = true;
		free(verify(&x, &s, &n));
		CU_ASSERT_EQUAL(n, 0);
		CU_ASSERT_EQUAL(s.repaired, 1);
		CU_ASSERT_EQUAL(bad.ino[0], 0);
		/* The copy that was written is whole by itself. */
		make_bad(&x, 0, p.loc, !copy);
		reopen(&x);
		CU_ASSERT_TRUE(iofix_right(&x));
		all_good();
		iofix_teardown(&x);
	}
}

/* Both copies unreadable: a checkpoint waits before it gives up. */
static void
test_lost(void)
{
	struct verify_damage *d;
	struct verify_state s;
	struct iofix x;
	struct place p;
	size_t n;

	setup(&x);
	p = place_of(&x, 320, 1);
	reopen(&x);
	make_bad(&x, 0, p.loc, 0);
	make_bad(&x, 1, p.loc, 1);
	iofix_write(&x, 330 * 4096, 4096, 1);
	for (unsigned i = 0; i < LOST_TRIES + 3; i++)
		CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), -EIO);
	/* It comes back in time. */
	all_good();
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	free(verify(&x, &s, &n));
	CU_ASSERT_EQUAL(n, 0);
	/* It does not. */
	p = place_of(&x, 320, 1);
	reopen(&x);
	x.e.ls->lost.wait_ms = 0;
	make_bad(&x, 0, p.loc, 0);
	make_bad(&x, 1, p.loc, 1);
	iofix_write(&x, 331 * 4096, 4096, 1);
	for (unsigned i = 0; i < LOST_TRIES; i++)
		CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), -EIO);
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	d = verify(&x, &s, &n);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_TRUE(d[0].kind == VERIFY_LOST &&
	    d[0].off_bytes == 320 * 4096 && d[0].len_bytes == 11 * 4096);
	CU_ASSERT_TRUE(d[1].kind == VERIFY_LOST &&
	    d[1].off_bytes == 332 * 4096 && d[1].len_bytes == 52 * 4096);
	free(d);
	/* Given up is given up, also when the disk is well again. */
	all_good();
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_READ, 320 * 4096, buf, 4096,
	    0), -EILSEQ);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_READ, 331 * 4096, buf, 4096,
	    0), 0);
	iofix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "data", test_data },
	{ "one copy of a node", test_copy },
	{ "both", test_lost },
};

UNIT_MAIN("verify on a bad disk", tests)
