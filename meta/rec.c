/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rec.c - the record header; its table is in rec.h.
 *
 * Decoding goes from what is cheap and bounded to what walks: the fixed part
 * and its counts (in 64 bits, they come from the disk), then the checksum over
 * the whole header, then extents, ids and runs.  What passes can be walked
 * without a further check, by whoever replays, reads or moves it.
 */
#include "meta/rec.h"

#include <errno.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/node.h"
#include "meta/xxh.h"

#define EXTENT_LEN	16u
#define ID_LEN		16u
#define OFF_ZERO	96
#define OFF_SUM		120
#define SEG_SECTORS_MAX	(SEGMENT_BYTES_MAX / SECTOR_BYTES)
#define HEADER_MAX_BYTES (REC_HEADER_MAX_SECTORS * SECTOR_BYTES)

/* No block ends beyond this, so bytes of any block size fit in 63 bits. */
#define BLK_END_MAX	(UINT64_C(1) << (63 - BLOCK_SHIFT_MAX))

static const uint8_t magic[4] = { 't', 'R', 'E', 'C' };

/* What a record of a kind has; what is not named it must not have. */
enum {
	HAS_LUN = 1 << 0,
	HAS_EXTENTS = 1 << 1,
	HAS_IDS = 1 << 2,
	HAS_RUNS = 1 << 3,
	HAS_PAYLOAD = 1 << 4,
	HAS_BLOCKS = 1 << 5,	/* the block size must be given */
	MAY_BLOCKS = 1 << 6	/* the block size may be given */
};

static const struct kind_rule {
	uint8_t known, flags, has;
} rules[] = {
	[REC_DATA] = { 1, REC_F_ATOMIC,
	    HAS_LUN | HAS_EXTENTS | HAS_IDS | HAS_PAYLOAD | HAS_BLOCKS },
	[REC_ZERO] = { 1, REC_F_ATOMIC, HAS_LUN | HAS_EXTENTS | MAY_BLOCKS },
	[REC_COPY] = { 1, REC_F_ATOMIC,
	    HAS_LUN | HAS_EXTENTS | HAS_RUNS | HAS_BLOCKS },
	[REC_SNAPSHOT] = { 1, REC_F_ATOMIC, HAS_PAYLOAD },
	[REC_CATALOG] = { 1, REC_F_ATOMIC | REC_F_DUMP | REC_F_DUMP_END,
	    HAS_PAYLOAD },
	[REC_CHECKPOINT] = { 1, REC_F_ATOMIC, HAS_PAYLOAD },
	[REC_NODES] = { 1, REC_F_ATOMIC, HAS_IDS | HAS_PAYLOAD },
	[REC_MOVED] = { 1, REC_F_ATOMIC,
	    HAS_RUNS | HAS_PAYLOAD | MAY_BLOCKS }
};

static uint64_t
ids_off(uint64_t n_extents)
{

	return (REC_FIXED_BYTES + n_extents * EXTENT_LEN);
}

static uint64_t
runs_off(uint64_t n_extents, uint64_t n_ids)
{

	return (ids_off(n_extents) + n_ids * ID_LEN);
}

static uint64_t
used_bytes(uint64_t n_extents, uint64_t n_ids, uint64_t n_runs)
{

	return (runs_off(n_extents, n_ids) + n_runs * PLACE_LEN);
}

uint32_t
rec_header_sectors(uint32_t n_extents, uint32_t n_ids, uint32_t n_runs)
{
	uint64_t n = (used_bytes(n_extents, n_ids, n_runs) +
	    SECTOR_BYTES - 1) / SECTOR_BYTES;

	return (n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
}

void
rec_put_extent(uint8_t *hdr, uint32_t i, struct extent e)
{
	uint8_t *p = hdr + ids_off(i);

	put_be64(p, e.first_blk);
	put_be64(p + 8, e.n_blk);
}

struct extent
rec_extent(const uint8_t *hdr, uint32_t i)
{
	const uint8_t *p = hdr + ids_off(i);

	return ((struct extent){ get_be64(p), get_be64(p + 8) });
}

void
rec_put_id(uint8_t *hdr, const struct rec *r, uint32_t i, struct id id)
{
	uint8_t *p = hdr + runs_off(r->n_extents, i);

	put_be64(p, id.hi);
	put_be64(p + 8, id.lo);
}

struct id
rec_id(const uint8_t *hdr, const struct rec *r, uint32_t i)
{
	const uint8_t *p = hdr + runs_off(r->n_extents, i);

	return ((struct id){ get_be64(p), get_be64(p + 8) });
}

void
rec_put_run(uint8_t *hdr, const struct rec *r, uint32_t i, struct place p)
{

	place_put(hdr + used_bytes(r->n_extents, r->n_ids, i), p);
}

struct place
rec_run(const uint8_t *hdr, const struct rec *r, uint32_t i)
{

	return (place_get(hdr + used_bytes(r->n_extents, r->n_ids, i)));
}

void
place_put(uint8_t out[static PLACE_LEN], struct place p)
{

	put_be64(out, p.id.hi);
	put_be64(out + 8, p.id.lo);
	put_be64(out + 16, p.loc);
}

struct place
place_get(const uint8_t in[static PLACE_LEN])
{

	return ((struct place){ { get_be64(in), get_be64(in + 8) },
	    get_be64(in + 16) });
}

uint64_t
rec_sum(const uint8_t nonce[static 16], const void *buf, size_t len)
{

	return (XXH3_64bits_withSeed(buf, len, XXH3_64bits(nonce, 16)));
}

void
rec_seal(uint8_t *hdr, struct rec *r, const uint8_t nonce[static 16])
{

	TT_ASSERT(r->header_sectors <= REC_HEADER_MAX_SECTORS &&
	    r->header_sectors >=
	    rec_header_sectors(r->n_extents, r->n_ids, r->n_runs));
	memset(hdr, 0, REC_FIXED_BYTES);
	memcpy(hdr, magic, sizeof(magic));
	hdr[4] = (uint8_t)r->kind;
	hdr[5] = r->flags;
	hdr[6] = r->block_shift;
	put_be32(hdr + 8, r->header_sectors);
	put_be32(hdr + 12, r->payload_sectors);
	put_be32(hdr + 16, r->segment);
	put_be32(hdr + 20, r->off_sectors);
	put_be32(hdr + 24, r->n_extents);
	put_be32(hdr + 28, r->n_ids);
	put_be64(hdr + 32, r->seq);
	put_be64(hdr + 40, r->time_ns);
	put_be64(hdr + 48, r->lun);
	put_be32(hdr + 56, r->prev_segment);
	put_be32(hdr + 60, r->prev_end_sectors);
	put_be64(hdr + 64, r->prev_sum);
	put_be64(hdr + 72, r->synced);
	put_be32(hdr + 80, r->payload_used_bytes);
	put_be32(hdr + 84, r->n_runs);
	put_be64(hdr + 88, r->payload_sum);
	r->sum = rec_sum(nonce, hdr, r->header_sectors * SECTOR_BYTES);
	put_be64(hdr + OFF_SUM, r->sum);
}

/* The fixed part as it stands; nothing is believed yet but the kind. */
static int
parse_fixed(const uint8_t *hdr, struct rec *r)
{
	uint8_t kind = hdr[4];

	if (memcmp(hdr, magic, sizeof(magic)) != 0 ||
	    kind >= sizeof(rules) / sizeof(rules[0]) || !rules[kind].known ||
	    hdr[7] != 0)
		return (-EILSEQ);
	for (size_t i = OFF_ZERO; i < OFF_SUM; i++)
		if (hdr[i] != 0)
			return (-EILSEQ);
	r->kind = (enum rec_kind)kind;
	r->flags = hdr[5];
	r->block_shift = hdr[6];
	r->header_sectors = get_be32(hdr + 8);
	r->payload_sectors = get_be32(hdr + 12);
	r->segment = get_be32(hdr + 16);
	r->off_sectors = get_be32(hdr + 20);
	r->n_extents = get_be32(hdr + 24);
	r->n_ids = get_be32(hdr + 28);
	r->seq = get_be64(hdr + 32);
	r->time_ns = get_be64(hdr + 40);
	r->lun = get_be64(hdr + 48);
	r->prev_segment = get_be32(hdr + 56);
	r->prev_end_sectors = get_be32(hdr + 60);
	r->prev_sum = get_be64(hdr + 64);
	r->synced = get_be64(hdr + 72);
	r->payload_used_bytes = get_be32(hdr + 80);
	r->n_runs = get_be32(hdr + 84);
	r->payload_sum = get_be64(hdr + 88);
	r->sum = get_be64(hdr + OFF_SUM);
	return (0);
}

/* Are the parts there that this kind has, and no others? */
static bool
kind_ok(const struct rec *r)
{
	const struct kind_rule *k = &rules[r->kind];
	bool sized = r->block_shift != 0;

	if ((r->flags & ~k->flags) != 0)
		return (false);
	if (sized && (r->block_shift < BLOCK_SHIFT_MIN ||
	    r->block_shift > BLOCK_SHIFT_MAX ||
	    (k->has & (HAS_BLOCKS | MAY_BLOCKS)) == 0))
		return (false);
	if (!sized && (k->has & HAS_BLOCKS) != 0)
		return (false);
	if ((k->has & HAS_LUN) != 0 && r->lun == 0)
		return (false);
	return ((r->n_extents != 0) == ((k->has & HAS_EXTENTS) != 0) &&
	    (r->n_ids != 0) == ((k->has & HAS_IDS) != 0) &&
	    (r->n_runs != 0) == ((k->has & HAS_RUNS) != 0) &&
	    (r->payload_sectors == 0 || (k->has & HAS_PAYLOAD) != 0));
}

/* Lengths that agree with each other and lie inside a segment. */
static bool
lengths_ok(const struct rec *r)
{
	uint64_t used = r->payload_used_bytes;
	uint64_t end = (uint64_t)r->off_sectors + r->header_sectors +
	    r->payload_sectors;

	if (r->header_sectors > REC_HEADER_MAX_SECTORS ||
	    r->header_sectors <
	    rec_header_sectors(r->n_extents, r->n_ids, r->n_runs))
		return (false);
	if (used > REC_PAYLOAD_MAX ||
	    r->payload_sectors != (used + SECTOR_BYTES - 1) / SECTOR_BYTES)
		return (false);
	if ((r->kind == REC_DATA || used == 0) && r->payload_sum != 0)
		return (false);
	return (r->segment != 0 && r->off_sectors >= SEG_HEADER_SECTORS &&
	    end <= SEG_SECTORS_MAX && r->prev_end_sectors <= SEG_SECTORS_MAX);
}

/* The checksum counts its own place as zero: take it from a copy. */
static bool
sum_ok(const uint8_t *hdr, const struct rec *r,
    const uint8_t nonce[static 16])
{
	uint8_t copy[HEADER_MAX_BYTES];
	size_t len = r->header_sectors * SECTOR_BYTES;

	memcpy(copy, hdr, len);
	memset(copy + OFF_SUM, 0, 8);
	return (rec_sum(nonce, copy, len) == r->sum);
}

/* Extents that end in a LUN; DATA and COPY name exactly their blocks. */
static bool
extents_ok(const uint8_t *hdr, const struct rec *r)
{
	uint64_t want = (uint64_t)r->n_ids + r->n_runs, sum = 0;

	for (uint32_t i = 0; i < r->n_extents; i++) {
		struct extent e = rec_extent(hdr, i);

		if (e.n_blk == 0 || e.n_blk > BLK_END_MAX ||
		    e.first_blk > BLK_END_MAX - e.n_blk)
			return (false);
		if (r->kind == REC_ZERO)
			continue;
		if (e.n_blk > want - sum)
			return (false);
		sum += e.n_blk;
	}
	return (r->n_extents == 0 || r->kind == REC_ZERO || sum == want);
}

/* DATA: the payload is the blocks that are not holes.  NODES: all nodes. */
static bool
ids_ok(const uint8_t *hdr, const struct rec *r)
{
	uint64_t n = 0, each_bytes = NODE_BYTES;

	for (uint32_t i = 0; i < r->n_ids; i++) {
		struct id id = rec_id(hdr, r, i);

		n += !id_is_hole(&id);
	}
	if (r->kind == REC_DATA)
		each_bytes = UINT64_C(1) << r->block_shift;
	else if (r->kind != REC_NODES)
		return (true);
	else if (n != r->n_ids)
		return (false);
	return (r->payload_used_bytes == n * each_bytes);
}

/* A locator that some record can have made. */
static bool
locator_ok(locator l)
{

	return (loc_segment(l) != 0 &&
	    loc_off_sectors(l) >= SEG_HEADER_SECTORS &&
	    loc_off_sectors(l) + loc_sectors(l) <= SEG_SECTORS_MAX &&
	    (loc_flags(l) & ~LOC_F_NODE) == 0);
}

/* COPY: blocks of its size, or holes.  MOVED: the payload, piece by piece. */
static bool
runs_ok(const uint8_t *hdr, const struct rec *r)
{
	uint32_t each = r->block_shift == 0 ? 0 :
	    1u << (r->block_shift - SECTOR_SHIFT);
	uint64_t sectors = 0;

	for (uint32_t i = 0; i < r->n_runs; i++) {
		struct place p = rec_run(hdr, r, i);

		if (r->kind == REC_COPY && id_is_hole(&p.id) && p.loc == 0)
			continue;
		if (id_is_hole(&p.id) || !locator_ok(p.loc) ||
		    (each != 0 && loc_sectors(p.loc) != each))
			return (false);
		if (r->kind == REC_COPY && loc_flags(p.loc) != 0)
			return (false);
		sectors += loc_sectors(p.loc);
	}
	return (r->kind != REC_MOVED ||
	    r->payload_used_bytes == sectors * SECTOR_BYTES);
}

static bool
tail_ok(const uint8_t *hdr, const struct rec *r)
{
	uint64_t end = (uint64_t)r->header_sectors * SECTOR_BYTES;

	for (uint64_t i = used_bytes(r->n_extents, r->n_ids, r->n_runs);
	    i < end; i++)
		if (hdr[i] != 0)
			return (false);
	return (true);
}

/* More bytes are needed: say how many, if the caller can get them. */
static int
need(size_t bytes, size_t *need_bytes)
{

	if (need_bytes == NULL)
		return (-EILSEQ);
	*need_bytes = bytes;
	return (-EAGAIN);
}

int
rec_dec(const uint8_t *hdr, size_t len_bytes, const uint8_t nonce[static 16],
    struct rec *out, size_t *need_bytes)
{
	struct rec r;
	int rc;

	if (len_bytes < SECTOR_BYTES) {
		if (memcmp(hdr, magic, TT_MIN(len_bytes, sizeof(magic))) != 0)
			return (-EILSEQ);
		return (need(SECTOR_BYTES, need_bytes));
	}
	if ((rc = parse_fixed(hdr, &r)) != 0)
		return (rc);
	if (!kind_ok(&r) || !lengths_ok(&r))
		return (-EILSEQ);
	if (len_bytes < r.header_sectors * SECTOR_BYTES)
		return (need(r.header_sectors * SECTOR_BYTES, need_bytes));
	if (!sum_ok(hdr, &r, nonce) || !extents_ok(hdr, &r) ||
	    !ids_ok(hdr, &r) || !runs_ok(hdr, &r) || !tail_ok(hdr, &r))
		return (-EILSEQ);
	*out = r;
	return (0);
}
