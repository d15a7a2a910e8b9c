/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seg_header.c - the segment header; its table is in rec.h.
 *
 * The checksum is seeded by the nonce that lies in the header itself; magic,
 * nonce and checksum keep their place in every version, so damage is told
 * from a newer format.
 */
#include "meta/rec.h"

#include <errno.h>
#include <string.h>

#include "meta/base/bytes.h"

#define SEG_VERSION	1u
#define SEG_COMPAT_KNOWN UINT64_C(0)
#define OFF_ZERO	140
#define OFF_SUM		(SEG_HEADER_BYTES - 8)

static const uint8_t magic[8] = { 't', 't', 'S', 'E', 'G', 'M', 'N', 'T' };

void
seg_header_enc(const struct seg_header *h,
    uint8_t out[static SEG_HEADER_BYTES])
{

	memset(out, 0, SEG_HEADER_BYTES);
	memcpy(out, magic, sizeof(magic));
	put_be32(out + 8, SEG_VERSION);
	put_be32(out + 12, (uint32_t)h->kind);
	/* 16, 24, 32: no feature bits are defined yet. */
	memcpy(out + 40, h->store_uuid, 16);
	put_be32(out + 56, h->number);
	put_be32(out + 60, h->bytes);
	put_be64(out + 64, h->epoch);
	put_be64(out + 72, h->created_ns);
	memcpy(out + SEG_NONCE_OFF, h->nonce, 16);
	put_be32(out + 96, h->prev_segment);
	put_be32(out + 100, h->prev_end_sectors);
	put_be64(out + 104, h->prev_sum);
	put_be64(out + 112, h->first_seq);
	put_be32(out + 120, h->twin);
	memcpy(out + 124, h->boot_id, 16);
	put_be64(out + OFF_SUM, rec_sum(h->nonce, out, OFF_SUM));
}

/* Is every number one that a writer can have meant? */
static bool
plausible(const struct seg_header *h)
{

	if (h->number == 0 || h->prev_segment == h->number)
		return (false);
	if (h->bytes < SEGMENT_BYTES_MIN || h->bytes > SEGMENT_BYTES_MAX ||
	    (h->bytes & (h->bytes - 1)) != 0)
		return (false);
	if (h->prev_end_sectors > SEGMENT_BYTES_MAX / SECTOR_BYTES)
		return (false);
	return (h->twin == 0 ||
	    (h->kind != SEG_LOG && h->twin != h->number));
}

int
seg_header_dec(const uint8_t in[static SEG_HEADER_BYTES],
    struct seg_header *out)
{
	struct seg_header h;
	uint32_t kind;

	if (memcmp(in, magic, sizeof(magic)) != 0 ||
	    get_be64(in + OFF_SUM) != rec_sum(in + SEG_NONCE_OFF, in, OFF_SUM))
		return (-EILSEQ);
	if (get_be32(in + 8) != SEG_VERSION || get_be64(in + 24) != 0 ||
	    get_be64(in + 32) != 0)
		return (-EPROTONOSUPPORT);
	kind = get_be32(in + 12);
	if (kind < SEG_LOG || kind > SEG_MOVED)
		return (-EILSEQ);
	h.kind = (enum seg_kind)kind;
	memcpy(h.store_uuid, in + 40, 16);
	h.number = get_be32(in + 56);
	h.bytes = get_be32(in + 60);
	h.epoch = get_be64(in + 64);
	h.created_ns = get_be64(in + 72);
	memcpy(h.nonce, in + SEG_NONCE_OFF, 16);
	h.prev_segment = get_be32(in + 96);
	h.prev_end_sectors = get_be32(in + 100);
	h.prev_sum = get_be64(in + 104);
	h.first_seq = get_be64(in + 112);
	h.twin = get_be32(in + 120);
	memcpy(h.boot_id, in + 124, 16);
	if (!plausible(&h))
		return (-EILSEQ);
	/* A compatible feature that we do not know may use these bytes. */
	if ((get_be64(in + 16) & ~SEG_COMPAT_KNOWN) == 0)
		for (size_t i = OFF_ZERO; i < OFF_SUM; i++)
			if (in[i] != 0)
				return (-EILSEQ);
	*out = h;
	return (0);
}
