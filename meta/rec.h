/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rec.h - bytes of the segment header and of the record header.
 *
 * A segment is one file: a header of 4 KiB, then records.  A record is a
 * header of whole 512-byte sectors and a payload of whole sectors.  All
 * numbers are big-endian.  Every checksum in a segment is seeded with the
 * segment's random nonce, so neither the old content of a recycled file nor
 * what a client writes can look like a record.
 *
 * Segment header (4096 bytes; FORMAT.md is normative and the same)
 * off len
 *   0   8  magic "ttSEGMNT"
 *   8   4  format version = 1
 *  12   4  kind: 1 log, 2 nodes, 3 moved
 *  16   8  compatible features
 *  24   8  read-only compatible features
 *  32   8  incompatible features
 *  40  16  UUID of the store
 *  56   4  segment number
 *  60   4  size of the segment in bytes
 *  64   8  owner epoch
 *  72   8  time of creation, ns UTC
 *  80  16  nonce
 *  96   4  previous segment of the stream, 0 = none
 * 100   4  end of the stream in it, in sectors: nothing behind belongs to it
 * 104   8  checksum of the last record before that end, 0 = none
 * 112   8  seq of the first record here
 * 120   4  twin segment (kind nodes, or moved with nodes), 0 = none
 * 124  16  boot id of the machine that wrote it
 * 140   4  zero
 * 144..4087  zero
 * 4088  8  checksum: rec_sum of the 4088 bytes before it
 *
 * Record header (n sectors; fixed part 128 bytes)
 * off len
 *   0   4  magic "tREC"
 *   4   1  kind (enum rec_kind)
 *   5   1  flags (REC_F_*)
 *   6   1  block size: log2 of bytes, 12..16; 0 when there are no blocks
 *   7   1  zero
 *   8   4  header length in sectors
 *  12   4  payload length in sectors
 *  16   4  segment number of this record
 *  20   4  offset of this record in it, in sectors
 *  24   4  number of extents
 *  28   4  number of ids
 *  32   8  seq
 *  40   8  time, ns UTC, never less than that of the record before
 *  48   8  LUN number, 0 = none
 *  56   4  segment of the record before in the stream, 0 = none
 *  60   4  end of the record before, in sectors
 *  64   8  checksum of the record before, 0 = none
 *  72   8  synced: every record below this seq was durable when this was
 *          written
 *  80   4  payload bytes used (the rest of the last sector is zero)
 *  84   4  number of copy runs
 *  88   8  checksum (rec_sum) of the payload bytes used; 0 for DATA, whose
 *          blocks are covered by their ids, and without payload
 *  96  24  zero
 * 120   8  checksum of the whole header with these eight bytes zero
 * 128      extents: 16 bytes each: first block 8, number of blocks 8
 *          ids: 16 bytes each (id 0 = a hole, which has no payload)
 *          copy runs: 24 bytes each: id 16, locator 8
 *          zero up to the end of the header (which may be longer than it
 *          must, so that a writer can fix where its payload begins)
 *
 * DATA: ids has one entry for each block of the extents, in order; payload is
 * the blocks whose id is not 0, in order.  ZERO: extents only.  COPY: one copy
 * run entry for each block of the extents.  SNAPSHOT, CATALOG, CHECKPOINT: the
 * payload is a list of items (item.h).  NODES: ids of the nodes, payload is the
 * nodes (1,536 bytes each).  MOVED: copy runs give id and *birth* locator of each
 * block, payload is the blocks.
 *
 * What a kind does not have, its records must not have: rec_dec refuses counts,
 * flags and block sizes that do not belong.  DATA, ZERO and COPY name a LUN.
 * DATA, COPY: the block size is given; ZERO, MOVED: it may be.  The locators
 * of a COPY run span one block, or are 0 with id 0 (a hole).
 *
 * Crash: a record is there when its header checksum holds, it names its own
 * place, it continues the stream (previous end, checksum and seq + 1), and its
 * payload matches the ids (DATA) or the payload checksum (others).  The
 * log ends at the first record for which that does not hold.
 */
#ifndef META_REC_H
#define META_REC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/super.h"

#define SECTOR_BYTES	512u
#define SECTOR_SHIFT	9
#define SEG_HEADER_BYTES 4096u
#define SEG_HEADER_SECTORS (SEG_HEADER_BYTES / SECTOR_BYTES)
#define SEG_NONCE_OFF	80u		/* 16 bytes, in every version */
#define REC_FIXED_BYTES	128u
#define REC_PAYLOAD_MAX	(1u << 20)
/*
 * What fits: DATA of 256 blocks in 256 extents is 17 sectors, COPY of 256
 * runs in 256 extents 21, NODES with a payload of 1 MiB (682 nodes) 22, MOVED
 * of 682 nodes 33.  ZERO has room for 4,088 extents.
 */
#define REC_HEADER_MAX_SECTORS 128u
#define BLOCK_SHIFT_MIN 12
#define BLOCK_SHIFT_MAX 16

struct id {
	uint64_t hi, lo;
};

static inline bool
id_is_hole(const struct id *i)
{

	return (i->hi == 0 && i->lo == 0);
}

static inline bool
id_equal(const struct id *a, const struct id *b)
{

	return (a->hi == b->hi && a->lo == b->lo);
}

/*
 * Locator: segment 32 | offset in sectors 18 | sectors - 1: 7 | flags 7.
 * 0 = nowhere (a hole).
 */
typedef uint64_t locator;
#define LOC_F_NODE 1u
#define LOC_F_LOST 2u

static inline locator
loc_make(uint32_t segment, uint32_t off_sectors, uint32_t n_sectors,
    unsigned flags)
{

	return ((uint64_t)segment << 32 | (uint64_t)off_sectors << 14 |
	    (uint64_t)(n_sectors - 1) << 7 | flags);
}

static inline uint32_t
loc_segment(locator l)
{

	return ((uint32_t)(l >> 32));
}

static inline uint32_t
loc_off_sectors(locator l)
{

	return ((uint32_t)(l >> 14) & 0x3ffffu);
}

static inline uint32_t
loc_sectors(locator l)
{

	return (((uint32_t)(l >> 7) & 0x7fu) + 1);
}

static inline unsigned
loc_flags(locator l)
{

	return ((unsigned)l & 0x7fu);
}

/* A block or node where it lies: 24 bytes on disk, id then locator. */
struct place {
	struct id id;
	locator loc;
};
#define PLACE_LEN 24

/*
 * In a node: the content of this child is lost, whatever it was, because no
 * copy of a node above it could be read any more.  Reading it is an error until
 * it is written again.  The locator tells; the id only is no hole's.
 */
#define LOC_LOST LOC_F_LOST
#define PLACE_LOST							\
	((struct place){ { UINT64_MAX, UINT64_MAX }, LOC_LOST })

static inline bool
place_is_lost(const struct place *p)
{

	return (p->loc == LOC_LOST);
}

enum rec_kind {
	REC_DATA = 1,
	REC_ZERO = 2,
	REC_COPY = 3,
	REC_SNAPSHOT = 4,
	REC_CATALOG = 5,
	REC_CHECKPOINT = 6,
	REC_NODES = 7,
	REC_MOVED = 8
};

enum {
	REC_F_ATOMIC = 1 << 0,	/* wholly there or not at all */
	REC_F_DUMP = 1 << 1,	/* CATALOG: part of a full dump */
	REC_F_DUMP_END = 1 << 2	/* CATALOG: the last part of it */
};

enum seg_kind { SEG_LOG = 1, SEG_NODES = 2, SEG_MOVED = 3 };

struct seg_header {
	enum seg_kind kind;
	uint8_t store_uuid[16];
	uint32_t number, bytes;
	uint64_t epoch, created_ns;
	uint8_t nonce[16];
	uint32_t prev_segment, prev_end_sectors;
	uint64_t prev_sum, first_seq;
	uint32_t twin;
	uint8_t boot_id[16];
};

void seg_header_enc(const struct seg_header *h,
    uint8_t out[static SEG_HEADER_BYTES]);
/* -EILSEQ damaged or not a segment header; -EPROTONOSUPPORT unknown version or
 * feature bits.  The caller compares uuid and number with what it expects. */
int seg_header_dec(const uint8_t in[static SEG_HEADER_BYTES],
    struct seg_header *out);

struct extent {
	uint64_t first_blk, n_blk;
};

/* The fixed part, decoded; the variable parts are decoded on demand. */
struct rec {
	enum rec_kind kind;
	uint8_t flags, block_shift;
	uint32_t header_sectors, payload_sectors;
	uint32_t segment, off_sectors;
	uint32_t n_extents, n_ids, n_runs, payload_used_bytes;
	uint64_t seq, time_ns, lun;
	uint32_t prev_segment, prev_end_sectors;
	uint64_t prev_sum, synced, payload_sum;
	uint64_t sum;			/* of this header */
};

/* Header length in sectors for these counts. */
uint32_t rec_header_sectors(uint32_t n_extents, uint32_t n_ids,
    uint32_t n_runs);

/*
 * Where the variable parts lie in a header buffer of ${r->header_sectors}.
 * The writer fills them in before rec_seal; the reader decodes after rec_dec.
 */
void rec_put_extent(uint8_t *hdr, uint32_t i, struct extent e);
void rec_put_id(uint8_t *hdr, const struct rec *r, uint32_t i, struct id id);
void rec_put_run(uint8_t *hdr, const struct rec *r, uint32_t i,
    struct place p);
struct extent rec_extent(const uint8_t *hdr, uint32_t i);
struct id rec_id(const uint8_t *hdr, const struct rec *r, uint32_t i);
struct place rec_run(const uint8_t *hdr, const struct rec *r, uint32_t i);

void place_put(uint8_t out[static PLACE_LEN], struct place p);
struct place place_get(const uint8_t in[static PLACE_LEN]);

/*
 * Write the fixed part into ${hdr} (whose variable parts are filled in and
 * whose tail is zero) and close it with the checksum, which is also stored in
 * ${r->sum}.
 */
void rec_seal(uint8_t *hdr, struct rec *r, const uint8_t nonce[static 16]);

/**
 * rec_dec(hdr, len_bytes, nonce, out):
 * Decode and check a header; ${len_bytes} are readable at ${hdr}.
 * Every count is checked against the header length, every extent against
 * overflow, ids against extents (DATA, COPY), payload length against ids and
 * block size: a header that passes can be walked without further checks.
 * Errors: -EILSEQ not a valid record here; -EAGAIN looks like one and needs
 * ${*need_bytes} readable (only when need_bytes != NULL).
 */
int rec_dec(const uint8_t *hdr, size_t len_bytes,
    const uint8_t nonce[static 16], struct rec *out, size_t *need_bytes);

/* 64-bit checksum of ${len} bytes, seeded by the nonce. */
uint64_t rec_sum(const uint8_t nonce[static 16], const void *buf, size_t len);

/*
 * Id of the content of a block or node: XXH3-128, unsalted; a hash of 0
 * becomes 1, because 0 says hole.  hi = high 64 bits.
 */
struct id id_of(const void *buf, size_t len);

/*
 * Tests only: keep just the low ${bits} of every id (0 = all), so that
 * collisions happen.  Set before a store is opened.
 */
void id_set_test_bits(unsigned bits);

#endif /* !META_REC_H */
