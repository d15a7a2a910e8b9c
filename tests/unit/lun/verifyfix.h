/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verifyfix.h - a LUN of four MiB in a store whose files are damaged on
 * purpose, and runs of verification.
 */
#ifndef TESTS_UNIT_LUN_VERIFYFIX_H
#define TESTS_UNIT_LUN_VERIFYFIX_H

#include <errno.h>
#include <fcntl.h>

#include "lun/verify_int.h"
#include "tests/unit/lun/iofix.h"

/* ---- the disk ---------------------------------------------------------- */

static inline const char *
seg_file(struct iofix *x, uint32_t number)
{
	static char name[128];

	(void)snprintf(name, sizeof(name), "%s/seg/%02x/%08x", x->e.dir,
	    number & 0xff, number);
	return (name);
}

static inline void
flip(struct iofix *x, locator loc, unsigned copy, unsigned byte)
{
	int fd = open(seg_file(x, loc_segment(loc) + copy), O_RDWR);
	off_t at = (off_t)loc_off_sectors(loc) * SECTOR_BYTES + byte;
	uint8_t c;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &c, 1, at), 1);
	c ^= 0x21;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, at), 1);
	CU_ASSERT_EQUAL(fsync(fd), 0);
	(void)close(fd);
}

static inline struct lun *
the_lun(struct iofix *x)
{
	struct lun *l;

	lk_lock(&x->e.ls->lk);
	l = table_by_number(x->e.ls, x->number);
	lk_unlock(&x->e.ls->lk);
	return (l);
}

/* The place of the node of ${level} (0: block) above ${blk} in the tree. */
static inline struct place
place_of(struct iofix *x, uint64_t blk, unsigned level)
{
	struct view *v = view_of(the_lun(x), NULL);
	struct place p = v->root.top;
	struct node n;

	for (unsigned l = v->root.height; l > level; l--) {
		CU_ASSERT_EQUAL_FATAL(nodes_load(x->e.ls->nodes, p,
		    NODE_NO_KEEP, &n), 0);
		p = node_child(&n, (unsigned)(blk >> ((l - 1) * NODE_SHIFT)) &
		    (NODE_FANOUT - 1));
	}
	view_unref(v);
	return (p);
}

/* Nothing in memory but what the files say. */
static inline void
reopen(struct iofix *x)
{

	lun_dev_close(x->d);
	CU_ASSERT_EQUAL(engine_close(&x->e), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&x->e), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x->e.ls, x->number, LUN_HEAD,
	    &x->d), 0);
}

static inline void
setup(struct iofix *x)
{

	iofix_setup(x, 4096, 512);
	for (unsigned i = 0; i < 4; i++)
		iofix_write(x, i * MIB, MIB, 100 + i);
	CU_ASSERT_EQUAL(lunset_checkpoint(x->e.ls), 0);
	reopen(x);
}

/* ---- runs -------------------------------------------------------------- */

static inline void
wait_end(struct lunset *ls, struct verify_state *s)
{

	for (unsigned i = 0; i < 3000; i++) {
		lunset_verify_state(ls, s);
		if (!s->running)
			return;
		(void)usleep(5000);
	}
	CU_FAIL("verify does not end");
}

static inline struct verify_damage *
verify(struct iofix *x, const char *lun, const char *snap,
    struct verify_state *s, size_t *n)
{
	struct verify_params p = { .lun = lun, .snap = snap };
	struct verify_damage *d;

	CU_ASSERT_EQUAL_FATAL(lunset_verify(x->e.ls, &p), 0);
	wait_end(x->e.ls, s);
	CU_ASSERT_EQUAL(s->rc, 0);
	CU_ASSERT_EQUAL_FATAL(lunset_verify_damage(x->e.ls, VERIFY_BY_RUN, &d,
	    n), 0);
	CU_ASSERT_EQUAL(s->n_damage, *n);
	return (d);
}

static inline void
expect_clean(struct iofix *x, uint64_t repaired)
{
	struct verify_state s;
	size_t n;

	free(verify(x, NULL, NULL, &s, &n));
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(s.repaired, repaired);
	CU_ASSERT_EQUAL(s.damaged_bytes, 0);
	CU_ASSERT_EQUAL(s.permille, 1000);
}

static inline bool
is(const struct verify_damage *d, enum verify_kind kind, const char *snap,
    uint64_t off, uint64_t len)
{

	return (d->kind == kind && strcmp(d->lun_name, "disk") == 0 &&
	    strcmp(d->snap_name, snap) == 0 && d->off_bytes == off &&
	    d->len_bytes == len);
}

/* Reading fails there and nowhere else, at the right place. */
static inline void
expect_hole_in_data(struct iofix *x, uint64_t from, uint64_t to)
{
	unsigned wrong = 0;

	for (uint64_t off = 0; off < SIZE; off += 4096) {
		struct iovec iov = { buf, 4096 };
		struct waiter wt = { .op = { .kind = LUN_READ, .dev = x->d,
		    .off_bytes = off, .len_bytes = 4096, .iov = &iov,
		    .n_iov = 1 } };
		int rc = engine_run(&x->e, &wt);

		if (off >= from && off < to)
			wrong += rc == 0 || wt.op.bad_off_bytes != off;
		else
			wrong += rc != 0 ||
			    memcmp(buf, x->now + off, 4096) != 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

#endif /* !TESTS_UNIT_LUN_VERIFYFIX_H */
