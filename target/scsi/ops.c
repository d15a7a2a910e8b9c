/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ops.c - the table of commands and what comes straight from it.
 *
 * Masks: the group number is not allowed (there is no grouping function), nor
 * the protection fields (no protection information), ANCHOR (VPD B2h says so)
 * and NACA (INQUIRY says so).  FUA_NV and SYNC_NV, obsolete, are ignored.
 */
#include "target/scsi/ops.h"

#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "target/scsi/cmd.h"
#include "target/scsi/sense.h"

static const uint8_t cdb_none6[6] = { 0xff };
static const uint8_t cdb_alloc6[6] = { 0xff, 0, 0, 0, 0xff };
static const uint8_t cdb_rw6[6] = { 0xff, 0x1f, 0xff, 0xff, 0xff };
static const uint8_t cdb_inquiry[6] = { 0xff, 0x01, 0xff, 0xff, 0xff };
static const uint8_t cdb_msense6[6] = { 0xff, 0x08, 0xff, 0xff, 0xff };
static const uint8_t cdb_start[6] = { 0xff, 0x01, 0, 0, 0x05 };
static const uint8_t cdb_rcap10[10] = { 0xff };
static const uint8_t cdb_rw10[10] = { 0xff, 0x1a, 0xff, 0xff, 0xff, 0xff, 0,
    0xff, 0xff };
static const uint8_t cdb_sync10[10] = { 0xff, 0x06, 0xff, 0xff, 0xff, 0xff, 0,
    0xff, 0xff };
static const uint8_t cdb_wsame10[10] = { 0xff, 0x08, 0xff, 0xff, 0xff, 0xff, 0,
    0xff, 0xff };
static const uint8_t cdb_unmap[10] = { 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
static const uint8_t cdb_msense10[10] = { 0xff, 0x18, 0xff, 0xff, 0, 0, 0,
    0xff, 0xff };
static const uint8_t cdb_rw12[12] = { 0xff, 0x1a, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff };
static const uint8_t cdb_luns[12] = { 0xff, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff,
    0xff };
static const uint8_t cdb_rsoc[12] = { 0xff, 0, 0x87, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff };
static const uint8_t cdb_rw16[16] = { 0xff, 0x1a, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t cdb_sync16[16] = { 0xff, 0x06, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t cdb_wsame16[16] = { 0xff, 0x09, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t cdb_status16[16] = { 0xff, 0, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t cdb_rcap16[16] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
    0xff, 0xff, 0xff };

/* Sorted by (opcode, sa). */
static const struct scsi_op ops[] = {
	{ 0x00, 0, 6, SF_MEDIUM, cdb_none6,
	    spc_test_unit_ready, "TEST UNIT READY" },
	{ 0x03, 0, 6, SF_UA_OK | SF_NO_LUN, cdb_alloc6,
	    spc_request_sense, "REQUEST SENSE" },
	{ 0x08, 0, 6, SF_MEDIUM | SF_READS, cdb_rw6,
	    rw_read, "READ(6)" },
	{ 0x0a, 0, 6, SF_MEDIUM | SF_WRITES, cdb_rw6,
	    rw_write, "WRITE(6)" },
	{ 0x12, 0, 6, SF_UA_OK | SF_NO_LUN, cdb_inquiry,
	    inquiry_exec, "INQUIRY" },
	{ 0x1a, 0, 6, 0, cdb_msense6,
	    mode_sense6, "MODE SENSE(6)" },
	{ 0x1b, 0, 6, 0, cdb_start,
	    cache_start_stop, "START STOP UNIT" },
	{ 0x25, 0, 10, SF_MEDIUM, cdb_rcap10,
	    capacity_read10, "READ CAPACITY(10)" },
	{ 0x28, 0, 10, SF_MEDIUM | SF_READS, cdb_rw10,
	    rw_read, "READ(10)" },
	{ 0x2a, 0, 10, SF_MEDIUM | SF_WRITES, cdb_rw10,
	    rw_write, "WRITE(10)" },
	{ 0x35, 0, 10, SF_MEDIUM, cdb_sync10,
	    cache_sync, "SYNCHRONIZE CACHE(10)" },
	{ 0x41, 0, 10, SF_MEDIUM | SF_WRITES, cdb_wsame10,
	    same_exec, "WRITE SAME(10)" },
	{ 0x42, 0, 10, SF_MEDIUM | SF_WRITES, cdb_unmap,
	    unmap_exec, "UNMAP" },
	{ 0x5a, 0, 10, 0, cdb_msense10,
	    mode_sense10, "MODE SENSE(10)" },
	{ 0x88, 0, 16, SF_MEDIUM | SF_READS, cdb_rw16,
	    rw_read, "READ(16)" },
	{ 0x8a, 0, 16, SF_MEDIUM | SF_WRITES, cdb_rw16,
	    rw_write, "WRITE(16)" },
	{ 0x91, 0, 16, SF_MEDIUM, cdb_sync16,
	    cache_sync, "SYNCHRONIZE CACHE(16)" },
	{ 0x93, 0, 16, SF_MEDIUM | SF_WRITES, cdb_wsame16,
	    same_exec, "WRITE SAME(16)" },
	{ 0x9e, 0x10, 16, SF_MEDIUM | SF_SA, cdb_rcap16,
	    capacity_read16, "READ CAPACITY(16)" },
	{ 0x9e, 0x12, 16, SF_MEDIUM | SF_READS | SF_SA, cdb_status16,
	    provision_lba_status, "GET LBA STATUS" },
	{ 0xa0, 0, 12, SF_UA_OK | SF_NO_LUN, cdb_luns,
	    spc_report_luns, "REPORT LUNS" },
	{ 0xa3, 0x0c, 12, SF_SA, cdb_rsoc,
	    ops_report_opcodes, "REPORT SUPPORTED OPERATION CODES" },
	{ 0xa8, 0, 12, SF_MEDIUM | SF_READS, cdb_rw12,
	    rw_read, "READ(12)" },
	{ 0xaa, 0, 12, SF_MEDIUM | SF_WRITES, cdb_rw12,
	    rw_write, "WRITE(12)" },
};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

struct op_key {
	uint8_t opcode;
	uint16_t sa;
};

/* An opcode without service actions matches whatever ${sa} is. */
static int
op_cmp(const void *key, const void *elem)
{
	const struct op_key *k = key;
	const struct scsi_op *op = elem;

	if (k->opcode != op->opcode)
		return (k->opcode < op->opcode ? -1 : 1);
	if ((op->flags & SF_SA) == 0 || k->sa == op->sa)
		return (0);
	return (k->sa < op->sa ? -1 : 1);
}

static const struct scsi_op *
find(uint8_t opcode, uint16_t sa)
{
	struct op_key k = { opcode, sa };

	return (bsearch(&k, ops, N_OPS, sizeof(ops[0]), op_cmp));
}

/* Any command with this opcode. */
static const struct scsi_op *
find_opcode(uint8_t opcode)
{

	for (size_t i = 0; i < N_OPS; i++)
		if (ops[i].opcode == opcode)
			return (&ops[i]);
	return (NULL);
}

const struct scsi_op *
ops_find(const uint8_t *cdb, bool *out_known)
{
	const struct scsi_op *op;

	op = find(cdb[0], cdb[1] & CDB_SA_MASK);
	*out_known = op != NULL || find_opcode(cdb[0]) != NULL;
	return (op);
}

static uint8_t
mask_at(const struct scsi_op *op, unsigned byte)
{

	if (byte == 1 && (op->flags & SF_SA) != 0)
		return ((uint8_t)(op->mask[1] | CDB_SA_MASK));
	return (op->mask[byte]);
}

bool
ops_bad_bit(const struct scsi_op *op, const uint8_t *cdb, uint16_t *out_byte,
    int *out_bit)
{

	for (unsigned i = 1; i < op->len; i++) {
		unsigned bad = (unsigned)cdb[i] & ~(unsigned)mask_at(op, i);

		if (bad == 0)
			continue;
		*out_byte = (uint16_t)i;
		*out_bit = 31 - __builtin_clz(bad);
		return (true);
	}
	return (false);
}

const char *
scsi_cdb_name(const uint8_t cdb[static SCSI_CDB_LEN])
{
	bool known;
	const struct scsi_op *op = ops_find(cdb, &known);

	return (op == NULL ? "?" : op->name);
}

/*
 * REPORT SUPPORTED OPERATION CODES, SPC-4 6.35.
 *
 * all commands:  0 4 bytes that follow; then per command
 *	0 1 opcode   2 2 service action   5 1 CTDP 02h, SERVACTV 01h
 *	6 2 CDB length   and, with CTDP, a timeouts descriptor
 * one command:   1 1 CTDP 80h, SUPPORT 07h   2 2 CDB length   4 - usage data
 *	and, with CTDP, a timeouts descriptor
 * timeouts:      0 2 0Ah   4 4 nominal, 8 4 recommended: 0, not said
 */
enum {
	RSOC_ALL = 0,
	RSOC_OPCODE = 1,	/* an opcode that has no service action */
	RSOC_SA = 2,		/* an opcode with a service action */
	RSOC_EITHER = 3,

	RSOC_DESC_LEN = 8,
	RSOC_TIMEOUTS_LEN = 12,
	RSOC_MAX = 4 + N_OPS * (RSOC_DESC_LEN + RSOC_TIMEOUTS_LEN)
};
#define RCTD		0x80u
#define SUPPORT_NO	0x01
#define SUPPORT_YES	0x03

static void
put_timeouts(struct wr *w)
{
	static const uint8_t none[RSOC_TIMEOUTS_LEN] = { 0, 0x0a };

	wr_bytes(w, none, sizeof(none));
}

static void
rsoc_all(struct wr *w, bool timeouts)
{

	wr_be32(w, (uint32_t)(N_OPS * (RSOC_DESC_LEN +
	    (timeouts ? (unsigned)RSOC_TIMEOUTS_LEN : 0u))));
	for (size_t i = 0; i < N_OPS; i++) {
		const struct scsi_op *op = &ops[i];

		wr_u8(w, op->opcode);
		wr_u8(w, 0);
		wr_be16(w, op->sa);
		wr_u8(w, 0);
		wr_u8(w, (uint8_t)((timeouts ? 0x02 : 0) |
		    ((op->flags & SF_SA) != 0 ? 0x01 : 0)));
		wr_be16(w, op->len);
		if (timeouts)
			put_timeouts(w);
	}
}

static void
rsoc_one(struct wr *w, const struct scsi_op *op, bool timeouts)
{

	wr_u8(w, 0);
	if (op == NULL) {
		wr_u8(w, SUPPORT_NO);
		wr_be16(w, 0);
		return;
	}
	wr_u8(w, (uint8_t)(SUPPORT_YES | (timeouts ? 0x80 : 0)));
	wr_be16(w, op->len);
	wr_u8(w, op->opcode);
	wr_u8(w, (uint8_t)(op->mask[1] | op->sa));
	wr_bytes(w, op->mask + 2, (size_t)(op->len - 2));
	if (timeouts)
		put_timeouts(w);
}

void
ops_report_opcodes(struct scsi_cmd *cmd)
{
	const uint8_t *cdb = cmd->cdb;
	bool timeouts = (cdb[2] & RCTD) != 0, has_sa;
	unsigned option = cdb[2] & 0x07u;
	uint16_t sa = get_be16(cdb + 4);
	const struct scsi_op *op = find_opcode(cdb[3]);
	uint8_t buf[RSOC_MAX];
	struct wr w = wr_init(buf, sizeof(buf));

	has_sa = op != NULL && (op->flags & SF_SA) != 0;
	switch (option) {
	case RSOC_ALL:
		rsoc_all(&w, timeouts);
		break;
	case RSOC_OPCODE:
		if (has_sa) {
			cmd_bad_cdb(cmd, 2, 2);
			return;
		}
		rsoc_one(&w, op, timeouts);
		break;
	case RSOC_SA:
		if (op != NULL && !has_sa) {
			cmd_bad_cdb(cmd, 2, 2);
			return;
		}
		rsoc_one(&w, find(cdb[3], sa), timeouts);
		break;
	case RSOC_EITHER:
		if (!has_sa && sa != 0)
			op = NULL;
		else if (has_sa)
			op = find(cdb[3], sa);
		rsoc_one(&w, op, timeouts);
		break;
	default:
		cmd_bad_cdb(cmd, 2, 2);
		return;
	}
	cmd_reply(cmd, buf, (size_t)(w.p - buf), get_be32(cdb + 6));
}
