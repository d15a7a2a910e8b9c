/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_store.c - damage in the segments of a real store, which is then opened
 * for reading or whose catalogue is made anew.  Byte 0:
 *	1	make a catalogue from the segments, and read through that
 *	2	as far as one gets (salvage)
 *	4	checksums of headers that were hit are made right
 * then any number of patches: segment 1 (by its place in the list), record 1
 * (0: the segment header), 1: 0 its header, 1 its payload; offset there 2,
 * length 1, bytes.
 *
 * There is no crash and no endless loop; and unless checksums were made right, a
 * block that can be read holds something that was written there.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>

#include "lun/lun.h"
#include "meta/base/bytes.h"
#include "meta/rebuild.h"
#include "meta/rec.h"
#include "meta/segscan.h"
#include "tests/lib/eng.h"
#include "tests/unit/meta/tmpdir.h"

#define SEGMENT		(2u << 20)
#define BLOCK		4096u
#define BLOCKS		320u
#define AT_ONCE		64u
#define VERSIONS	9u
#define SEGS_MAX	64u
#define RECS_MAX	120u
#define UNDO_MAX	64u

enum { SEG_SUM_OFF = 4088, REC_PAYLOAD_SUM_OFF = 88,
	REC_SUM_OFF = 120 };

struct place_of {
	uint32_t off_bytes, header_bytes, used_bytes;
	enum rec_kind kind;
};

/* A segment of the store, and where its records are. */
struct file {
	char path[PATH_MAX];
	int fd;
	uint32_t number;
	unsigned n_recs;
	struct place_of rec[RECS_MAX];
};

static struct undo {
	int fd;
	off_t off;
	size_t n;
	uint8_t was[65536];
} undo[UNDO_MAX];

static struct tmpdir dir;
static char store[PATH_MAX], catalog[PATH_MAX];
static struct file files[SEGS_MAX];
static unsigned n_files, n_undo, n_read;

/* ---- content ---------------------------------------------------------------- */

/* Of version 1 on; so that equal blocks are at other places. */
static void
block_fill(uint8_t *buf, unsigned blk, unsigned version)
{
	uint64_t x = (blk % 97) * 64 + version;

	for (size_t i = 0; i < BLOCK; i += 8) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		memcpy(buf + i, &x, 8);
	}
}

static bool
block_ok(const uint8_t *buf, unsigned blk)
{
	static uint8_t want[BLOCK];

	memset(want, 0, sizeof(want));
	if (memcmp(buf, want, BLOCK) == 0)
		return (true);
	for (unsigned v = 1; v <= VERSIONS; v++) {
		block_fill(want, blk, v);
		if (memcmp(buf, want, BLOCK) == 0)
			return (true);
	}
	return (false);
}

/* ---- the store ---------------------------------------------------------------- */

static void
write_some(struct eng *e, struct lun_dev *dev, unsigned version, unsigned step)
{
	uint8_t buf[BLOCK];

	for (unsigned b = version % step; b < BLOCKS; b += step) {
		block_fill(buf, b, version);
		FUZZ_HOLDS(eng_io(e, LUN_WRITE, 0, dev, (uint64_t)b * BLOCK,
		    buf, BLOCK) == 0);
	}
}

/* Snapshots, duplicates, moved blocks, and a tail behind the checkpoint. */
static void
make_store(void)
{
	struct lunset_conf c = { .store = store, .segment_bytes = SEGMENT,
	    .checkpoint_ms = 3600000, .memory_bytes = 32u << 20 };
	struct lun_params p = { .name = "one", .size_bytes = 1u << 30,
	    .block_bytes = BLOCK, .sector_bytes = 512, .open = true };
	struct exposure_info ei;
	struct lun_info li;
	struct snap_info si;
	struct lun_dev *dev;
	struct lunset *ls;
	struct eng e;
	char name[16];

	FUZZ_HOLDS(lunset_init(&c) == 0 && lunset_open(&c, &ls) == 0);
	FUZZ_HOLDS(lunset_create(ls, &p, &li) == 0);
	FUZZ_HOLDS(eng_init(&e, ls) == 0);
	FUZZ_HOLDS(lun_dev_open(ls, li.number, LUN_HEAD, &dev) == 0);
	for (unsigned v = 1; v < VERSIONS; v++) {
		write_some(&e, dev, v, v == 1 ? 1 : v + 1);
		(void)snprintf(name, sizeof(name), "s%u", v);
		FUZZ_HOLDS(lunset_snapshot(ls, "one", name, &si) == 0);
		if (v % 2 == 0)
			FUZZ_HOLDS(lunset_checkpoint(ls) == 0);
		if (v == 5) {
			FUZZ_HOLDS(lunset_snap_delete(ls, "one", "s1") == 0);
			FUZZ_HOLDS(lunset_expose(ls, "one", "s4", &ei) == 0);
			FUZZ_HOLDS(lunset_checkpoint(ls) == 0);
			FUZZ_HOLDS(lunset_gc(ls, true) == 0);
		}
	}
	FUZZ_HOLDS(eng_zero(&e, dev, 100 * BLOCK, 50 * BLOCK) == 0);
	write_some(&e, dev, VERSIONS, 20);
	FUZZ_HOLDS(eng_flush(&e, dev) == 0);
	lun_dev_close(dev);
	eng_fini(&e);
	lunset_abandon(ls);
}

static int
note_record(void *arg, const struct rec *r, const uint8_t *hdr)
{
	struct file *f = arg;

	(void)hdr;
	if (f->n_recs < RECS_MAX)
		f->rec[f->n_recs++] = (struct place_of){
		    r->off_sectors * SECTOR_BYTES,
		    r->header_sectors * SECTOR_BYTES, r->payload_used_bytes,
		    r->kind };
	return (0);
}

static int
note_segment(void *arg, uint32_t number)
{
	uint8_t h[SEG_HEADER_BYTES];
	struct file *f = &files[n_files];

	FUZZ_HOLDS(n_files < SEGS_MAX);
	f->number = number;
	(void)snprintf(f->path, sizeof(f->path), "%s/seg/%02x/%08x", store,
	    number & 0xff, number);
	f->fd = open(f->path, O_RDWR | O_CLOEXEC);
	FUZZ_HOLDS(f->fd >= 0);
	FUZZ_HOLDS(pread(f->fd, h, sizeof(h), 0) == (ssize_t)sizeof(h));
	FUZZ_HOLDS(segscan(arg, h + 40, number, NULL, note_record, f) == 0);
	n_files++;
	return (0);
}

static void
clean_up(void)
{

	tmpdir_remove(&dir);
}

/* ---- damage --------------------------------------------------------------------- */

static void
put(int fd, off_t off, const uint8_t *p, size_t n)
{
	struct undo *u = &undo[n_undo];

	if (n_undo == UNDO_MAX || n == 0 || n > sizeof(u->was))
		return;
	if (pread(fd, u->was, n, off) != (ssize_t)n)
		return;
	u->fd = fd;
	u->off = off;
	u->n = n;
	n_undo++;
	FUZZ_HOLDS(pwrite(fd, p, n, off) == (ssize_t)n);
}

static void
undo_all(void)
{

	while (n_undo > 0) {
		const struct undo *u = &undo[--n_undo];

		FUZZ_HOLDS(pwrite(u->fd, u->was, u->n, u->off) ==
		    (ssize_t)u->n);
	}
}

static void
mend_segment(const struct file *f)
{
	uint8_t h[SEG_HEADER_BYTES], sum[8];

	FUZZ_HOLDS(pread(f->fd, h, sizeof(h), 0) == (ssize_t)sizeof(h));
	put_be64(sum, rec_sum(h + SEG_NONCE_OFF, h, SEG_SUM_OFF));
	put(f->fd, SEG_SUM_OFF, sum, sizeof(sum));
}

/* The payload's checksum, then the header's, which has it in it. */
static void
mend_record(const struct file *f, const struct place_of *r)
{
	static uint8_t buf[REC_PAYLOAD_MAX];
	uint8_t nonce[16], sum[8];
	size_t n = r->header_bytes;

	FUZZ_HOLDS(pread(f->fd, nonce, 16, SEG_NONCE_OFF) == 16);
	if (r->kind != REC_DATA && r->used_bytes > 0 && pread(f->fd, buf,
	    r->used_bytes, (off_t)(r->off_bytes + n)) == (ssize_t)r->used_bytes) {
		put_be64(sum, rec_sum(nonce, buf, r->used_bytes));
		put(f->fd, r->off_bytes + REC_PAYLOAD_SUM_OFF, sum, 8);
	}
	FUZZ_HOLDS(pread(f->fd, buf, n, r->off_bytes) == (ssize_t)n);
	put_be64(buf + REC_SUM_OFF, 0);
	put_be64(sum, rec_sum(nonce, buf, n));
	put(f->fd, r->off_bytes + REC_SUM_OFF, sum, 8);
}

static void
one_patch(struct in *in, bool mend)
{
	const struct file *f = &files[in_u8(in) % n_files];
	unsigned rec = in_u8(in), part = in_u8(in) & 1;
	uint32_t off = in_be16(in), at = 0, len = SEG_HEADER_BYTES;
	const struct place_of *r = NULL;
	size_t n = in_u8(in);
	const uint8_t *p = in_bytes(in, &n);

	if (rec > 0 && f->n_recs > 0) {
		r = &f->rec[(rec - 1) % f->n_recs];
		at = r->off_bytes + (part == 0 ? 0 : r->header_bytes);
		len = part == 0 ? r->header_bytes : r->used_bytes;
	}
	if (len == 0)
		return;
	off %= len;
	put(f->fd, (off_t)(at + off), p, n < len - off ? n : len - off);
	if (mend && r == NULL)
		mend_segment(f);
	else if (mend)
		mend_record(f, r);
}

/* ---- what comes of it -------------------------------------------------------------- */

static void
check_blocks(const uint8_t *buf, unsigned first, unsigned n, bool mended)
{

	n_read += n;
	for (unsigned i = 0; i < n; i++)
		FUZZ_HOLDS(mended || block_ok(buf + (size_t)i * BLOCK,
		    first + i));
}

/* What lies together in one go; where that fails, one by one. */
static void
read_dev(struct lunset *ls, struct eng *e, uint64_t lun, uint64_t seq,
    bool mended)
{
	static uint8_t buf[AT_ONCE * BLOCK];
	struct lun_dev *dev;
	uint64_t blocks;

	if (lun_dev_open(ls, lun, seq, &dev) != 0)
		return;
	blocks = lun_dev_size_bytes(dev) / BLOCK;
	for (unsigned b = 0; b < BLOCKS && b + AT_ONCE <= blocks;
	    b += AT_ONCE) {
		if (eng_io(e, LUN_READ, 0, dev, (uint64_t)b * BLOCK, buf,
		    sizeof(buf)) == 0) {
			check_blocks(buf, b, AT_ONCE, mended);
			continue;
		}
		for (unsigned i = b; i < b + AT_ONCE; i++)
			if (eng_io(e, LUN_READ, 0, dev, (uint64_t)i * BLOCK,
			    buf, BLOCK) == 0)
				check_blocks(buf, i, 1, mended);
	}
	lun_dev_close(dev);
}

static void
read_all(struct lunset *ls, bool mended)
{
	struct snap_info *si;
	struct lun_info *li;
	struct eng e;
	size_t n, k;

	FUZZ_HOLDS(eng_init(&e, ls) == 0);
	FUZZ_HOLDS(lunset_list(ls, &li, &n) == 0);
	for (size_t i = 0; i < n; i++) {
		read_dev(ls, &e, li[i].number, LUN_HEAD, mended);
		if (lunset_snaps(ls, li[i].name, &si, &k) != 0)
			continue;
		for (size_t j = 0; j < k && j < 3; j++)
			read_dev(ls, &e, li[i].number, si[j].seq, mended);
		free(si);
	}
	free(li);
	eng_fini(&e);
}

/* Blocks that could be read. */
static unsigned
look(uint8_t how)
{
	struct lunset_conf c = { .store = store, .read_only = true,
	    .salvage = (how & 2) != 0, .memory_bytes = 32u << 20 };
	struct rebuild_info info;
	struct lunset *ls;
	bool open = true;

	n_read = 0;
	if ((how & 1) != 0) {
		open = rebuild_aside(store, catalog, c.salvage, &info) == 0;
		c.catalog = catalog;
	}
	if (open && lunset_open(&c, &ls) == 0) {
		read_all(ls, (how & 4) != 0);
		(void)lunset_close(ls);
	}
	if ((how & 1) != 0)
		rebuild_discard(catalog);
	return (n_read);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	uint8_t how = in_u8(&in);

	while (in.left > 0 && n_undo + 4 <= UNDO_MAX)
		one_patch(&in, (how & 4) != 0);
	(void)look(how);
	undo_all();
	return (0);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct segs *ss;

	(void)argc;
	(void)argv;
	fuzz_silent();
	tmpdir_prefer_memory();
	tmpdir_make(&dir);
	(void)snprintf(store, sizeof(store), "%.4000s/store", dir.path);
	(void)snprintf(catalog, sizeof(catalog), "%.4000s/catalog", dir.path);
	make_store();
	FUZZ_HOLDS(segs_open_read_only(store, SEGMENT, 8, false, &ss) == 0);
	FUZZ_HOLDS(segs_list(ss, note_segment, ss) == 0);
	segs_close(ss);
	(void)atexit(clean_up);
	/* Without damage all of it is there, in each way. */
	for (uint8_t how = 0; how < 4; how++)
		FUZZ_HOLDS(look(how) > 2 * BLOCKS);
	return (0);
}
