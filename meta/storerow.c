/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storerow.c - values of CAT_STORE and CAT_ROOT.
 *
 * "checkpoint" (96 bytes)          | root (40 bytes)
 * off len                          | off len
 *   0   1  row format = 1          |   0   1  row format = 1
 *   1   7  zero                    |   1   7  zero
 *   8   4  segment of the position |   8  16  id of the top node
 *  12   4  end there, in sectors   |  24   8  its locator
 *  16   8  seq of the last record  |  32   8  base_seq: the last record
 *  24   8  its checksum            |          that is in it
 *  32   8  its time
 *  40   8  epoch
 *  48   8  checkpoints so far
 *  56   4  next segment number
 *  60   4  current node segment
 *  64   4  end there, in sectors
 *  68   4  zero
 *  72   8  bytes of the last catalogue dump
 *  80   8  bytes of catalogue records since
 *  88   8  cost of replaying the log since, in bytes
 */
#include <errno.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/store_int.h"

#define ROW_FORMAT 1

void
store_row_enc(const struct store_row *r, uint8_t out[static STORE_ROW_LEN])
{

	memset(out, 0, STORE_ROW_LEN);
	out[0] = ROW_FORMAT;
	put_be32(out + 8, r->pos.segment);
	put_be32(out + 12, r->pos.end_sectors);
	put_be64(out + 16, r->pos.seq);
	put_be64(out + 24, r->pos.sum);
	put_be64(out + 32, r->pos.time_ns);
	put_be64(out + 40, r->epoch);
	put_be64(out + 48, r->checkpoints);
	put_be32(out + 56, r->next_segment);
	put_be32(out + 60, r->node_segment);
	put_be32(out + 64, r->node_end_sectors);
	put_be64(out + 72, r->dump_bytes);
	put_be64(out + 80, r->since_dump_bytes);
	put_be64(out + 88, r->since_dump_cost);
}

int
store_row_dec(const uint8_t *val, size_t vlen, struct store_row *out)
{

	if (vlen != STORE_ROW_LEN || val[0] != ROW_FORMAT)
		return (-EILSEQ);
	out->pos.segment = get_be32(val + 8);
	out->pos.end_sectors = get_be32(val + 12);
	out->pos.seq = get_be64(val + 16);
	out->pos.sum = get_be64(val + 24);
	out->pos.time_ns = get_be64(val + 32);
	out->epoch = get_be64(val + 40);
	out->checkpoints = get_be64(val + 48);
	out->next_segment = get_be32(val + 56);
	out->node_segment = get_be32(val + 60);
	out->node_end_sectors = get_be32(val + 64);
	out->dump_bytes = get_be64(val + 72);
	out->since_dump_bytes = get_be64(val + 80);
	out->since_dump_cost = get_be64(val + 88);
	return (0);
}

void
root_row_enc(const struct root_row *r, uint8_t out[static ROOT_ROW_LEN])
{

	memset(out, 0, ROOT_ROW_LEN);
	out[0] = ROW_FORMAT;
	place_put(out + 8, r->root);
	put_be64(out + 32, r->base_seq);
}

int
root_row_dec(const uint8_t *val, size_t vlen, struct root_row *out)
{

	if (vlen != ROOT_ROW_LEN || val[0] != ROW_FORMAT)
		return (-EILSEQ);
	out->root = place_get(val + 8);
	out->base_seq = get_be64(val + 32);
	return (0);
}
