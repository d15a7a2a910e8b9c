/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_rec.c - headers of segments and records.  Byte 0: 1 a segment header,
 * otherwise a record; 2 the checksum is made right, so that what is behind it
 * is reached.  What was accepted is walked in full.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "meta/base/bytes.h"
#include "meta/rec.h"

enum { SEG_SUM_OFF = 4088, REC_SUM_OFF = 120 };

static const uint8_t nonce[16] = "0123456789abcde";

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	return (0);
}

static void
segment(struct in *in, bool mend)
{
	uint8_t *h = calloc(1, SEG_HEADER_BYTES);
	uint8_t again[SEG_HEADER_BYTES];
	size_t n = SEG_HEADER_BYTES;
	struct seg_header s;
	const uint8_t *p = in_bytes(in, &n);

	FUZZ_HOLDS(h != NULL);
	memcpy(h, p, n);
	if (mend)
		put_be64(h + SEG_SUM_OFF, rec_sum(h + SEG_NONCE_OFF, h,
		    SEG_SUM_OFF));
	if (seg_header_dec(h, &s) == 0) {
		struct seg_header t;

		seg_header_enc(&s, again);
		FUZZ_HOLDS(seg_header_dec(again, &t) == 0);
		FUZZ_HOLDS(t.number == s.number && t.bytes == s.bytes &&
		    t.kind == s.kind && t.first_seq == s.first_seq);
	}
	free(h);
}

static void
walk(const uint8_t *h, const struct rec *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->n_extents; i++) {
		struct extent e = rec_extent(h, i);

		FUZZ_HOLDS(e.first_blk + e.n_blk >= e.first_blk);
		sum += e.n_blk;
	}
	for (uint32_t i = 0; i < r->n_ids; i++)
		(void)rec_id(h, r, i);
	for (uint32_t i = 0; i < r->n_runs; i++)
		(void)rec_run(h, r, i);
	if (r->kind == REC_DATA)
		FUZZ_HOLDS(sum == r->n_ids);
	FUZZ_HOLDS(r->payload_sectors <= REC_PAYLOAD_MAX / SECTOR_BYTES);
	FUZZ_HOLDS(r->payload_used_bytes <= r->payload_sectors * SECTOR_BYTES);
}

static void
record(struct in *in, bool mend)
{
	size_t len = in->left, need = 0, n;
	uint8_t *h = fuzz_copy(in->p, len);
	struct rec r;
	int rc;

	if (mend && len >= REC_FIXED_BYTES) {
		n = (size_t)get_be32(h + 8) * SECTOR_BYTES;
		n = n < len ? n : len;
		memset(h + REC_SUM_OFF, 0, 8);
		put_be64(h + REC_SUM_OFF, rec_sum(nonce, h, n));
	}
	rc = rec_dec(h, len, nonce, &r, &need);
	if (rc == 0) {
		FUZZ_HOLDS((size_t)r.header_sectors * SECTOR_BYTES <= len);
		walk(h, &r);
	} else if (rc == -EAGAIN)
		FUZZ_HOLDS(need > len && need <=
		    (size_t)REC_HEADER_MAX_SECTORS * SECTOR_BYTES);
	else
		FUZZ_HOLDS(rc == -EILSEQ);
	free(h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	uint8_t how = in_u8(&in);

	if ((how & 1) != 0)
		segment(&in, (how & 2) != 0);
	else
		record(&in, (how & 2) != 0);
	return (0);
}
