/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A rebuild among copies that belong to nobody: an attempt to empty a segment
 * that was given up has left records of moved blocks, and a later one has
 * moved the same blocks again.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "meta/rec.h"
#include "tests/unit/lun/reclaimfix.h"

#define SEG_ROOM	(2u << 20)

struct image {
	uint32_t number;
	struct seg_header h;
	size_t len;
	uint8_t b[SEG_ROOM];
};

static void
path_of(const struct engine *e, uint32_t number, char dst[static 128])
{

	(void)snprintf(dst, 128, "%s/seg/%02x/%08x", e->dir, number & 0xff,
	    number);
}

static bool
load(const struct engine *e, uint32_t number, struct image *m)
{
	char path[128];
	ssize_t n;
	int fd;

	path_of(e, number, path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return (false);
	n = pread(fd, m->b, sizeof(m->b), 0);
	(void)close(fd);
	m->number = number;
	m->len = (size_t)n;
	return (n >= (ssize_t)SEG_HEADER_BYTES &&
	    seg_header_dec(m->b, &m->h) == 0);
}

static void
store(const struct engine *e, const struct image *m)
{
	char path[128];
	int fd;

	path_of(e, m->number, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, m->b, m->len, 0), (ssize_t)m->len);
	(void)close(fd);
}

/* A segment with one record: run ${i} of ${r} in ${from}, at ${at}. */
static void
make_stale(const struct image *from, const struct rec *r, uint32_t i,
    size_t at, uint32_t number, struct image *out)
{
	struct place p = rec_run(from->b + SEG_HEADER_BYTES, r, i);
	size_t len = (size_t)loc_sectors(p.loc) * SECTOR_BYTES;
	uint32_t header = rec_header_sectors(0, 0, 1);
	uint8_t *hdr = out->b + SEG_HEADER_BYTES;
	struct rec n = {
		.kind = REC_MOVED, .header_sectors = header,
		.payload_sectors = (uint32_t)(len / SECTOR_BYTES),
		.segment = number, .off_sectors = SEG_HEADER_SECTORS,
		.n_runs = 1, .payload_used_bytes = (uint32_t)len, .seq = 1,
		.time_ns = r->time_ns,
	};

	memset(out->b, 0, sizeof(out->b));
	out->number = number;
	out->h = from->h;
	out->h.number = number;
	out->h.prev_segment = out->h.prev_end_sectors = 0;
	out->h.prev_sum = 0;
	out->h.nonce[0] ^= 1;
	seg_header_enc(&out->h, out->b);
	memcpy(hdr + (size_t)header * SECTOR_BYTES, from->b + at, len);
	n.payload_sum = rec_sum(out->h.nonce, from->b + at, len);
	rec_put_run(hdr, &n, 0, p);
	rec_seal(hdr, &n, out->h.nonce);
	out->len = SEG_HEADER_BYTES + (size_t)header * SECTOR_BYTES + len;
}

/*
 * A block in a record of moved ones has rotted, or was given back because it
 * was dead; another one of the same record is there a second time.  The others
 * must be found all the same.
 */
static void
test_stale(void)
{
	static struct image m, s;
	struct reclaimfix f;
	uint32_t last = 0;
	bool found = false;
	char cmd[128];
	struct rec r;
	size_t at;

	setup(&f);
	age(&f);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	lun_dev_close(f.d);
	CU_ASSERT_EQUAL_FATAL(engine_close(&f.e), 0);
	for (uint32_t k = 1; k < 200; k++)
		if (load(&f.e, k, &s)) {
			last = k;
			if (!found && s.h.kind == SEG_MOVED && s.h.twin == 0) {
				m = s;
				found = true;
			}
		}
	CU_ASSERT_FATAL(found);
	CU_ASSERT_EQUAL_FATAL(rec_dec(m.b + SEG_HEADER_BYTES, m.len -
	    SEG_HEADER_BYTES, m.h.nonce, &r, NULL), 0);
	CU_ASSERT_FATAL(r.n_runs > 10);
	at = SEG_HEADER_BYTES + (size_t)r.header_sectors * SECTOR_BYTES;
	make_stale(&m, &r, 1, at + BLK, last + 1, &s);
	store(&f.e, &s);
	m.b[at + 99] ^= 1;
	store(&f.e, &m);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s/catalog'", f.e.dir);
	CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_rebuild(&f.e.conf, false), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&f.e), 0);
	attach(&f);
	CU_ASSERT_EQUAL(wrong(&f), 1);
	/* The space of what belongs to nobody comes back, and nothing else. */
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	CU_ASSERT_EQUAL(wrong(&f), 1);
	teardown(&f);
}

static const struct unit_test tests[] = {
	{ "a stale copy beside a rotten one", test_stale },
};

UNIT_MAIN("rebuild, stale copies", tests)
