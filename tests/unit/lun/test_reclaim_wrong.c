/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Space reclaim on a disk that fails at the worst places: copies that could
 * not be synced, files that cannot be removed, maps that cannot be read.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lun/lun_int.h"
#include "meta/moved.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define EXPORT	__attribute__((visibility("default")))
#define BLK	4096u
#define N_BLK	4096u			/* 16 MiB, eight segments */

/* ---- the disk ------------------------------------------------------------ */

static struct {
	_Atomic int moved_sync_err;	/* of the first sync of such a segment */
	_Atomic unsigned long failed_ino;
	_Atomic bool no_unlink;
	_Atomic bool no_nodes;		/* they cannot be read */
} disk;

static bool
is_kind(int fd, enum seg_kind kind)
{
	uint8_t head[SEG_HEADER_BYTES];
	struct seg_header h;

	return (syscall(SYS_pread64, fd, head, sizeof(head), 0L) ==
	    (long)sizeof(head) && seg_header_dec(head, &h) == 0 &&
	    h.kind == kind);
}

EXPORT int
fdatasync(int fd)
{
	struct stat st;
	int err;

	if (disk.moved_sync_err != 0 && is_kind(fd, SEG_MOVED) &&
	    fstat(fd, &st) == 0) {
		err = atomic_exchange(&disk.moved_sync_err, 0);
		disk.failed_ino = st.st_ino;
		errno = err;
		return (-1);
	}
	return ((int)syscall(SYS_fdatasync, fd));
}

EXPORT int
unlinkat(int dir, const char *name, int flags)
{

	if (disk.no_unlink) {
		errno = EIO;
		return (-1);
	}
	return ((int)syscall(SYS_unlinkat, dir, name, flags));
}

EXPORT ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{

	if (disk.no_nodes && off >= (off_t)SEG_HEADER_BYTES &&
	    is_kind(fd, SEG_NODES)) {
		errno = EIO;
		return (-1);
	}
	return (syscall(SYS_pread64, fd, buf, n, off));
}

/* ---- a LUN --------------------------------------------------------------- */

struct fix {
	struct engine e;
	struct lun_dev *d;
	struct lun_info info;
};

static void
attach(struct fix *f)
{

	CU_ASSERT_EQUAL_FATAL(lunset_find(f->e.ls, "one", &f->info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(f->e.ls, f->info.number, LUN_HEAD,
	    &f->d), 0);
}

static void
setup(struct fix *f, bool dedup)
{
	struct lun_params p = { .name = "one", .size_bytes = N_BLK * BLK,
	    .block_bytes = BLK, .sector_bytes = 512, .open = true,
	    .no_dedup = !dedup };

	CU_ASSERT_EQUAL_FATAL(engine_make(&f->e), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_create(f->e.ls, &p, &f->info), 0);
	attach(f);
}

static void
teardown(struct fix *f)
{

	lun_dev_close(f->d);
	CU_ASSERT_EQUAL(engine_close(&f->e), 0);
	engine_remove(&f->e);
}

static void
reopen(struct fix *f)
{

	lun_dev_close(f->d);
	engine_abandon(&f->e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
	attach(f);
}

static void
content(uint8_t *buf, uint64_t n, uint8_t turn)
{
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u + turn;

	for (unsigned i = 0; i < BLK; i += 8) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(buf + i, &x, 8);
	}
}

/* Block ${at} gets what block ${n} had in ${turn}. */
static void
put(struct fix *f, uint64_t at, uint64_t n, uint8_t turn)
{
	uint8_t buf[BLK];

	content(buf, n, turn);
	CU_ASSERT_EQUAL_FATAL(engine_rw(&f->e, f->d, LUN_WRITE, at * BLK, buf,
	    BLK, 0), 0);
}

static bool
has(struct fix *f, uint64_t at, uint64_t n, uint8_t turn)
{
	uint8_t buf[BLK], want[BLK];

	content(want, n, turn);
	return (engine_rw(&f->e, f->d, LUN_READ, at * BLK, buf, BLK, 0) == 0 &&
	    memcmp(buf, want, BLK) == 0);
}

static unsigned
count_wrong(struct fix *f)
{
	unsigned n = 0;

	for (uint64_t b = 0; b < N_BLK; b++)
		n += !has(f, b, b, b % 4 == 0 ? 1 : 2);
	return (n);
}

/* ---- copies that are not on the disk -------------------------------------- */

struct leads {
	struct segs *segs;
	unsigned n, bad;
};

static int
one_note(void *arg, const struct moved_run *r)
{
	struct leads *x = arg;
	struct stat st;
	struct seg *s;

	x->n++;
	CU_ASSERT_EQUAL_FATAL(segs_get(x->segs, r->segment, &s), 0);
	CU_ASSERT_EQUAL(fstat(seg_fd(s), &st), 0);
	x->bad += st.st_ino == disk.failed_ino;
	seg_put(s);
	return (0);
}

/*
 * The first MOVED segment is full in the middle of a run and cannot be synced:
 * nothing that was copied to it may be committed.
 */
static void
unsynced(int err)
{
	struct leads x;
	struct fix f;

	setup(&f, false);
	for (uint64_t b = 0; b < N_BLK; b++)
		put(&f, b, b, 1);
	for (uint64_t b = 0; b < N_BLK; b++)
		if (b % 4 != 0)
			put(&f, b, b, 2);
	disk.failed_ino = 0;
	disk.moved_sync_err = err;
	(void)lunset_gc(f.e.ls, true);
	CU_ASSERT_EQUAL(disk.moved_sync_err, 0);
	CU_ASSERT(disk.failed_ino != 0);
	x = (struct leads){ .segs = f.e.ls->segs };
	CU_ASSERT_EQUAL(moved_all(f.e.ls->moved, one_note, &x), 0);
	CU_ASSERT_EQUAL(x.bad, 0);
	CU_ASSERT_EQUAL(count_wrong(&f), 0);
	/* The disk is well again. */
	disk.failed_ino = 0;
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	x = (struct leads){ .segs = f.e.ls->segs };
	CU_ASSERT_EQUAL(moved_all(f.e.ls->moved, one_note, &x), 0);
	CU_ASSERT(x.n > 0);
	reopen(&f);
	CU_ASSERT_EQUAL(count_wrong(&f), 0);
	teardown(&f);
}

static void
test_unsynced(void)
{

	unsynced(EIO);
	unsynced(ENOSPC);
}

/* ---- what is freed and still there ---------------------------------------- */

/*
 * Freed segments whose files cannot be removed; then a run that fails in its
 * mark, and knows nothing of them.  Dedup must not share what is dead there.
 */
static void
test_doomed(void)
{
	struct fix f;
	unsigned bad = 0;

	setup(&f, true);
	for (uint64_t b = 0; b < 1200; b++)
		put(&f, b, b, 1);
	CU_ASSERT_EQUAL(lunset_checkpoint(f.e.ls), 0);
	for (uint64_t b = 0; b < 1200; b++)
		put(&f, b, b, 2);
	CU_ASSERT_EQUAL(lunset_checkpoint(f.e.ls), 0);
	disk.no_unlink = true;
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	reopen(&f);
	disk.no_nodes = true;
	CU_ASSERT(lunset_gc(f.e.ls, true) != 0);
	disk.no_nodes = false;
	for (uint64_t b = 0; b < 1200; b++)
		put(&f, 2000 + b, b, 1);
	CU_ASSERT_EQUAL(lunset_checkpoint(f.e.ls), 0);
	disk.no_unlink = false;
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t b = 0; b < 1200; b++)
			bad += !has(&f, b, b, 2) ||
			    !has(&f, 2000 + b, b, 1);
		reopen(&f);
	}
	CU_ASSERT_EQUAL(bad, 0);
	teardown(&f);
}

/* ---- holes in a file that had another content before ----------------------- */

#define CHUNK	31u			/* blocks of one write */
#define PER_SEG	15u			/* such writes */
#define CHUNKS	(4 * PER_SEG)
#define SEG_ROOM	(2u << 20)

/* Recycled files: the header is empty, the rest is what it was. */
static void
make_spares(struct fix *f)
{
	static uint8_t junk[SEG_ROOM];
	char path[128];
	int fd;

	lun_dev_close(f->d);
	CU_ASSERT_EQUAL_FATAL(engine_close(&f->e), 0);
	memset(junk + SEG_HEADER_BYTES, 0xa5, sizeof(junk) - SEG_HEADER_BYTES);
	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(path, sizeof(path), "%s/spare/%08x", f->e.dir,
		    i + 1);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		CU_ASSERT_FATAL(fd >= 0);
		CU_ASSERT_EQUAL(pwrite(fd, junk, sizeof(junk), 0),
		    (ssize_t)sizeof(junk));
		(void)close(fd);
	}
	CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
	attach(f);
}

/* Flushed, so that the next record begins at a page, behind a gap. */
static void
put_chunk(struct fix *f, uint64_t chunk, uint8_t turn)
{
	static uint8_t buf[CHUNK * BLK];

	for (unsigned i = 0; i < CHUNK; i++)
		content(buf + i * BLK, chunk * CHUNK + i, turn);
	CU_ASSERT_EQUAL_FATAL(engine_rw(&f->e, f->d, LUN_WRITE, chunk *
	    sizeof(buf), buf, sizeof(buf), 0), 0);
	CU_ASSERT_EQUAL_FATAL(engine_flush(&f->e, f->d), 0);
}

/* In turn 1, at first. */
static bool
is_dead(uint64_t chunk)
{

	return (chunk % PER_SEG == 4 || chunk % PER_SEG == 5);
}

static unsigned
wrong_chunks(struct fix *f)
{
	unsigned bad = 0;

	for (uint64_t b = 0; b < CHUNKS * CHUNK; b++)
		bad += !has(f, b, b, is_dead(b / CHUNK) ? 2 : 1);
	return (bad);
}

static void
test_holes(void)
{
	struct lun_gc g;
	struct fix f;
	uint64_t punched;

	setup(&f, false);
	make_spares(&f);
	for (uint64_t c = 0; c < CHUNKS; c++)
		put_chunk(&f, c, 1);
	for (uint64_t c = 0; c < CHUNKS; c++)
		if (is_dead(c))
			put_chunk(&f, c, 2);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	lunset_gc_state(f.e.ls, &g);
	punched = g.punched_bytes;
	CU_ASSERT(punched > 0);
	CU_ASSERT_EQUAL(wrong_chunks(&f), 0);
	/* What lies behind the holes can be found, and be given back as well. */
	for (uint64_t c = 0; c < CHUNKS; c++)
		if (c % PER_SEG >= 9)
			put_chunk(&f, c, 1);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	lunset_gc_state(f.e.ls, &g);
	CU_ASSERT(g.punched_bytes + g.moved_bytes > punched + SEG_ROOM);
	CU_ASSERT_EQUAL(wrong_chunks(&f), 0);
	teardown(&f);
}

static const struct unit_test tests[] = {
	{ "copies that could not be synced", test_unsynced },
	{ "freed, not removed, and a run that fails", test_doomed },
	{ "holes in recycled files", test_holes },
};

UNIT_MAIN("reclaim gone wrong", tests)
