/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What rec_dec refuses, one rule at a time: a good header of each kind, one
 * field changed, and a good checksum over that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/node.h"
#include "meta/rec.h"
#include "tests/lib/unit.h"

static const uint8_t nonce[16] = { 1, 2, 3 };

struct made {
	uint8_t hdr[SECTOR_BYTES];
	struct rec r;
};

static void
set_payload(struct rec *r, uint32_t bytes)
{

	r->payload_used_bytes = bytes;
	r->payload_sectors = (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
	r->payload_sum = r->kind == REC_DATA ? 0 : 4711;
}

static void
reseal(uint8_t *hdr)
{

	memset(hdr + 120, 0, 8);
	put_be64(hdr + 120, rec_sum(nonce, hdr, SECTOR_BYTES));
}

struct wrong {
	enum rec_kind kind;
	uint16_t off;
	uint8_t len;		/* of the field */
	uint64_t value;
};

static const struct wrong wrongs[] = {
	{ REC_DATA, 0, 4, 0x74524544 },		/* magic */
	{ REC_DATA, 4, 1, 0 },			/* kinds */
	{ REC_DATA, 4, 1, 9 },
	{ REC_DATA, 4, 1, 255 },
	{ REC_DATA, 4, 1, REC_ZERO },
	{ REC_DATA, 5, 1, 8 },			/* flags */
	{ REC_DATA, 5, 1, REC_F_DUMP },
	{ REC_CHECKPOINT, 5, 1, REC_F_DUMP_END },
	{ REC_DATA, 6, 1, 0 },			/* block size */
	{ REC_DATA, 6, 1, 11 },
	{ REC_DATA, 6, 1, 17 },
	{ REC_DATA, 6, 1, 13 },			/* ... not of this payload */
	{ REC_COPY, 6, 1, 13 },			/* ... not of its locators */
	{ REC_CATALOG, 6, 1, 12 },
	{ REC_NODES, 6, 1, 12 },
	{ REC_DATA, 7, 1, 1 },			/* zero */
	{ REC_DATA, 96, 1, 1 },
	{ REC_DATA, 119, 1, 1 },
	{ REC_DATA, 511, 1, 1 },		/* behind the ids */
	{ REC_CATALOG, 128, 1, 1 },
	{ REC_DATA, 8, 4, 0 },			/* header length */
	{ REC_DATA, 8, 4, 129 },
	{ REC_DATA, 8, 4, 0xffffffff },
	{ REC_DATA, 12, 4, 17 },		/* payload length */
	{ REC_DATA, 12, 4, 0xffffffff },
	{ REC_CATALOG, 12, 4, 4 },
	{ REC_ZERO, 12, 4, 1 },
	{ REC_DATA, 16, 4, 0 },			/* segment */
	{ REC_DATA, 20, 4, 7 },			/* in the segment header */
	{ REC_DATA, 20, 4, (128u << 20) / 512 - 16 },	/* ends behind it */
	{ REC_DATA, 20, 4, 0xffffffff },
	{ REC_DATA, 24, 4, 0 },			/* extents */
	{ REC_DATA, 24, 4, 2 },
	{ REC_DATA, 24, 4, 0xffffffff },
	{ REC_CATALOG, 24, 4, 1 },
	{ REC_DATA, 28, 4, 0 },			/* ids */
	{ REC_DATA, 28, 4, 2 },
	{ REC_DATA, 28, 4, 4 },
	{ REC_DATA, 28, 4, 0x10000003 },
	{ REC_ZERO, 28, 4, 1 },
	{ REC_COPY, 28, 4, 1 },
	{ REC_NODES, 28, 4, 0 },
	{ REC_NODES, 28, 4, 1 },
	{ REC_NODES, 28, 4, 3 },
	{ REC_DATA, 48, 8, 0 },			/* no LUN */
	{ REC_ZERO, 48, 8, 0 },
	{ REC_COPY, 48, 8, 0 },
	{ REC_DATA, 60, 4, (128u << 20) / 512 + 1 },	/* end before */
	{ REC_DATA, 80, 4, 8191 },		/* payload used */
	{ REC_DATA, 80, 4, 0 },
	{ REC_CATALOG, 80, 4, 0 },
	{ REC_CATALOG, 80, 4, (1u << 20) + 1 },
	{ REC_DATA, 84, 4, 1 },			/* runs */
	{ REC_COPY, 84, 4, 0 },
	{ REC_COPY, 84, 4, 2 },
	{ REC_COPY, 84, 4, 0x10000003 },
	{ REC_DATA, 88, 8, 1 },			/* a sum that nobody checks */
	{ REC_ZERO, 88, 8, 1 },
	{ REC_DATA, 128, 8, UINT64_C(1) << 47 },	/* first block */
	{ REC_DATA, 128, 8, UINT64_MAX },
	{ REC_DATA, 136, 8, 0 },		/* number of blocks */
	{ REC_DATA, 136, 8, 2 },
	{ REC_DATA, 136, 8, 4 },
	{ REC_DATA, 136, 8, UINT64_MAX },
	{ REC_ZERO, 136, 8, 0 },
	{ REC_ZERO, 136, 8, UINT64_MAX },
	{ REC_ZERO, 136, 8, (UINT64_C(1) << 47) - 99 },
	{ REC_NODES, 128, 8, 0 },		/* a node that is a hole */
	{ REC_COPY, 144, 8, 0 },		/* a hole with a locator */
	{ REC_COPY, 160, 8, 0 },		/* a block without */
	{ REC_COPY, 160, 8, 0x0000000000020380 },	/* ... in no segment */
	{ REC_COPY, 160, 8, 0x000000010001c380 },	/* ... in the header */
	{ REC_COPY, 160, 8, 0x00000001ffff8380 },	/* ... past the end */
	{ REC_COPY, 160, 8, 0x0000000100020300 },	/* ... of 7 sectors */
	{ REC_COPY, 160, 8, 0x0000000100020381 },	/* ... that is a node */
	{ REC_COPY, 160, 8, 0x00000001000203c0 },	/* ... unknown flag */
	{ REC_MOVED, 128, 8, 0 },		/* a hole has not moved */
	{ REC_MOVED, 144, 8, 0 },
	{ REC_MOVED, 144, 8, 0x0000000100020300 },
	{ REC_MOVED, 6, 1, 14 },
};

/*
 * The base of each: DATA of 3 blocks with a hole, ZERO, COPY of 3 blocks with
 * a hole at the end, CATALOG of 1000 bytes, 2 nodes, 1 block moved.
 */
static void
make_base(struct made *m, enum rec_kind kind)
{
	const struct extent e = { 100, 3 };

	memset(m, 0, sizeof(*m));
	m->r = (struct rec){ .kind = kind, .segment = 7, .off_sectors = 8,
	    .header_sectors = 1, .lun = 5 };
	if (kind == REC_DATA || kind == REC_ZERO || kind == REC_COPY) {
		m->r.n_extents = 1;
		rec_put_extent(m->hdr, 0, e);
	}
	if (kind == REC_DATA) {
		m->r.block_shift = 12;
		m->r.n_ids = 3;
		rec_put_id(m->hdr, &m->r, 0, (struct id){ 1, 2 });
		rec_put_id(m->hdr, &m->r, 2, (struct id){ 3, 4 });
		set_payload(&m->r, 8192);
	} else if (kind == REC_COPY) {
		m->r.block_shift = 12;
		m->r.n_runs = 3;
		for (uint32_t i = 0; i < 2; i++)
			rec_put_run(m->hdr, &m->r, i, (struct place){
			    { 1, 0 }, loc_make(1, 8, 8, 0) });
	} else if (kind == REC_NODES) {
		m->r.n_ids = 2;
		rec_put_id(m->hdr, &m->r, 0, (struct id){ 1, 0 });
		rec_put_id(m->hdr, &m->r, 1, (struct id){ 0, 1 });
		set_payload(&m->r, 2 * NODE_BYTES);
	} else if (kind == REC_MOVED) {
		m->r.block_shift = 12;
		m->r.n_runs = 1;
		rec_put_run(m->hdr, &m->r, 0, (struct place){
		    { 1, 0 }, loc_make(1, 8, 8, 0) });
		set_payload(&m->r, 4096);
	} else if (kind != REC_ZERO) {
		set_payload(&m->r, 1000);
	}
	rec_seal(m->hdr, &m->r, nonce);
}

static void
put_field(uint8_t *p, uint8_t len, uint64_t v)
{

	for (unsigned i = len; i > 0; i--, v >>= 8)
		p[i - 1] = (uint8_t)v;
}

static void
test_rules(void)
{
	struct made *m = malloc(sizeof(*m));
	struct rec r;

	for (unsigned kind = 1; kind <= 8; kind++) {
		make_base(m, (enum rec_kind)kind);
		CU_ASSERT_EQUAL(rec_dec(m->hdr, 512, nonce, &r, NULL), 0);
	}
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct wrong *w = &wrongs[i];

		r.seq = 4711;
		make_base(m, w->kind);
		put_field(m->hdr + w->off, w->len, w->value);
		reseal(m->hdr);
		if (rec_dec(m->hdr, 512, nonce, &r, NULL) != -EILSEQ || r.seq != 4711) {
			printf("kind %d, offset %u := %#llx passed\n",
			    (int)w->kind, w->off,
			    (unsigned long long)w->value);
			CU_FAIL("a rule does not hold");
		}
	}
	free(m);
}

static const struct unit_test tests[] = {
	{ "rules", test_rules },
};

UNIT_MAIN("rec_rules", tests)
