/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_seg.c - a whole segment, gone through by its headers (segscan.h).  Byte
 * 0: 1 the checksums of the segment header and of each record that still says
 * how long it is are made right; 2 up to a place only.  Then the file.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>

#include "meta/base/bytes.h"
#include "meta/segscan.h"
#include "tests/unit/meta/segfix.h"

#define NUMBER		3u
#define INPUT_MAX	65536u

enum { SEG_NUMBER_OFF = 56, SEG_SUM_OFF = 4088,
	REC_SUM_OFF = 120 };

static struct segfix f;
static struct seg *seg;
static uint8_t image[INPUT_MAX];

static void
clean_up(void)
{

	seg_put(seg);
	segfix_teardown(&f);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	tmpdir_prefer_memory();
	segfix_setup(&f, 4);
	CU_ASSERT_EQUAL(segs_create(f.ss, NUMBER, &seg), 0);
	(void)atexit(clean_up);
	return (0);
}

/* So that what is behind the checksums is reached. */
static void
mend(void)
{
	const uint8_t *nonce = image + SEG_NONCE_OFF;
	size_t at = SEG_HEADER_BYTES;

	put_be32(image + SEG_NUMBER_OFF, NUMBER);
	put_be64(image + SEG_SUM_OFF, rec_sum(nonce, image, SEG_SUM_OFF));
	while (at + REC_FIXED_BYTES <= sizeof(image)) {
		uint8_t *h = image + at;
		uint64_t n = (uint64_t)get_be32(h + 8) * SECTOR_BYTES;
		uint64_t all = n + (uint64_t)get_be32(h + 12) * SECTOR_BYTES;

		if (n == 0 || n > sizeof(image) - at)
			break;
		put_be32(h + 16, NUMBER);
		put_be64(h + REC_SUM_OFF, 0);
		put_be64(h + REC_SUM_OFF, rec_sum(nonce, h, n));
		at += all;
	}
}

struct seen {
	uint32_t end, limit;
	unsigned n;
};

static int
one_record(void *arg, const struct rec *r, const uint8_t *hdr)
{
	struct seen *s = arg;
	uint64_t sum = 0;

	FUZZ_HOLDS(r->segment == NUMBER);
	FUZZ_HOLDS(r->off_sectors >= s->end && r->off_sectors < s->limit);
	FUZZ_HOLDS(r->header_sectors > 0);
	for (uint32_t i = 0; i < r->n_extents; i++)
		sum += rec_extent(hdr, i).n_blk;
	for (uint32_t i = 0; i < r->n_ids; i++)
		(void)rec_id(hdr, r, i);
	for (uint32_t i = 0; i < r->n_runs; i++)
		(void)rec_run(hdr, r, i);
	FUZZ_HOLDS(r->kind != REC_DATA || sum == r->n_ids);
	s->end = r->off_sectors + r->header_sectors + r->payload_sectors;
	FUZZ_HOLDS(s->end <= SEG_BYTES / SECTOR_BYTES);
	FUZZ_HOLDS(++s->n <= SEG_BYTES / SECTOR_BYTES);
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct iovec iov = { image, sizeof(image) };
	struct seen s = { .end = SEG_HEADER_SECTORS,
	    .limit = SEG_BYTES / SECTOR_BYTES };
	uint8_t how = in_u8(&in), uuid[16];
	size_t n = sizeof(image);
	struct seg_header h;
	const uint8_t *p;
	int rc;

	if ((how & 2) != 0)
		s.limit = in_be16(&in);
	p = in_bytes(&in, &n);
	memset(image, 0, sizeof(image));
	memcpy(image, p, n);
	if ((how & 1) != 0)
		mend();
	memcpy(uuid, image + 40, sizeof(uuid));
	FUZZ_HOLDS(seg_write(seg, &iov, 1, 0) == 0);
	rc = segscan_to(f.ss, uuid, NUMBER, s.limit, &h, one_record, &s);
	FUZZ_HOLDS(rc == 0 || rc == -EILSEQ || rc == -EPROTONOSUPPORT);
	FUZZ_HOLDS(rc == 0 || s.n == 0);
	return (0);
}
