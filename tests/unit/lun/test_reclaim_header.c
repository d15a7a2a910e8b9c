/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that has lost the write of a segment's header: in a file that was
 * recycled there are zeroes then, as in one that was only prepared.  What is
 * behind it is found without it, so the file must stay.
 */
#include <fcntl.h>

#include "meta/rec.h"
#include "tests/unit/lun/reclaimfix.h"

static void
name_of(struct reclaimfix *f, uint32_t number, char *dst, size_t cap)
{

	(void)snprintf(dst, cap, "%s/seg/%02x/%08x", f->e.dir,
	    (unsigned)(number & 0xff), (unsigned)number);
}

/* The first or last segment of a kind loses its header; its number. */
static uint32_t
lose_header(struct reclaimfix *f, enum seg_kind kind, bool first)
{
	uint8_t head[SEG_HEADER_BYTES];
	uint32_t found = 0;
	struct seg_header h;
	char name[128];
	int fd;

	for (uint32_t n = 1; n < 100 && (found == 0 || !first); n++) {
		name_of(f, n, name, sizeof(name));
		if ((fd = open(name, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		if (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
		    seg_header_dec(head, &h) == 0 && h.kind == kind)
			found = n;
		(void)close(fd);
	}
	CU_ASSERT_NOT_EQUAL_FATAL(found, 0);
	name_of(f, found, name, sizeof(name));
	memset(head, 0, sizeof(head));
	CU_ASSERT_FATAL((fd = open(name, O_WRONLY | O_CLOEXEC)) >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, head, sizeof(head), 0),
	    (ssize_t)sizeof(head));
	(void)close(fd);
	return (found);
}

static void
open_again(struct reclaimfix *f)
{

	CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
	attach(f);
}

static void
close_all(struct reclaimfix *f)
{

	lun_dev_close(f->d);
	CU_ASSERT_EQUAL(engine_close(&f->e), 0);
}

static void
run(enum seg_kind kind)
{
	struct reclaimfix f;
	char name[128];
	uint32_t n;

	setup(&f);
	age(&f);
	if (kind == SEG_MOVED)
		CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	close_all(&f);
	n = lose_header(&f, kind, false);
	/* Twice: the rows of the first opening are the catalogue's then. */
	for (int i = 0; i < 2; i++) {
		open_again(&f);
		CU_ASSERT_EQUAL(wrong(&f), 0);
		/* Whether or not it can do anything: nothing may be lost. */
		(void)lunset_gc(f.e.ls, true);
		CU_ASSERT_EQUAL(wrong(&f), 0);
		name_of(&f, n, name, sizeof(name));
		CU_ASSERT_EQUAL(access(name, F_OK), 0);
		close_all(&f);
	}
	engine_remove(&f.e);
}

static void
test_moved(void)
{

	run(SEG_MOVED);
}

static void
test_nodes(void)
{

	run(SEG_NODES);
}

/* The catalogue is lost as well, and with it who was in use. */
static void
rebuild(enum seg_kind kind, bool first)
{
	struct reclaimfix f;

	setup(&f);
	age(&f);
	for (uint64_t b = 0; b < N_BLK; b++)
		if (b % 4 != 0)
			put(&f, b, 2);
	CU_ASSERT_EQUAL(lunset_checkpoint(f.e.ls), 0);
	close_all(&f);
	(void)lose_header(&f, kind, first);
	CU_ASSERT_EQUAL_FATAL(lunset_rebuild(&f.e.conf, true), 0);
	for (int i = 0; i < 2; i++) {
		open_again(&f);
		CU_ASSERT_EQUAL(wrong(&f), 0);
		(void)lunset_gc(f.e.ls, true);
		CU_ASSERT_EQUAL(wrong(&f), 0);
		close_all(&f);
	}
	engine_remove(&f.e);
}

static void
test_rebuild(void)
{

	rebuild(SEG_LOG, true);
	rebuild(SEG_NODES, true);
	rebuild(SEG_NODES, false);
}

static const struct unit_test tests[] = {
	{ "moved blocks", test_moved },
	{ "nodes", test_nodes },
	{ "and the catalogue", test_rebuild },
};

UNIT_MAIN("a header that is lost", tests)
