/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mode.c - MODE SENSE(6) and (10): SPC-4 6.11, 6.12, 7.5; SBC-3 6.4.
 *
 * Initiators can change nothing (there is no MODE SELECT), so current and
 * default values are the same, the changeable ones are zero, and none are
 * saved.  WCE is the administrator's; when he changes it, so does the default.
 *
 * Logical block provisioning threshold, SBC-3 4.7.3.8 and 6.4.8: LBPERE in the
 * recovery page says that thresholds are reported; page 1Ch/02h has the one
 * there is, a soft one on what is available, armed decreasing.
 *
 * off len  page 1Ch/02h
 *   0   1  SPF 40h, page code
 *   1   1  subpage code 02h
 *   2   2  bytes that follow: 20
 *   4   1  SITUA 01h: 0, every nexus hears of it
 *  16   8  descriptor: 0 1 ENABLED 80h, type 38h (0: soft), arming 07h (0:
 *          decreasing); 1 1 resource (01h: available); 4 4 count of sets of
 *          2^exponent blocks (VPD B2h)
 */
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/limits.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

/* Device-specific parameter of a disk, SBC-3 6.4.1. */
#define DSP_WP		0x80u	/* write protected */
#define DSP_DPOFUA	0x10u

#define CDB_LLBAA	0x10u
#define CDB_DBD		0x08u
#define PAGE_ALL	0x3fu
#define SUBPAGE_ALL	0xffu

enum { PC_CURRENT = 0, PC_CHANGEABLE = 1, PC_DEFAULT = 2, PC_SAVED = 3 };

/* SBC-3 6.4.7: AWRE 80h (a write always goes to a new place); LBPERE 80h. */
static const uint8_t page_recovery[12] = { 0x01, 0x0a, 0x80, 0, 0, 0, 0, 0x80 };

/* SBC-3 6.4.5: WCE 04h, unless writes go through. */
static const uint8_t page_caching[20] = { 0x08, 0x12, 0x04 };

/*
 * SPC-4 7.5.8: TST 001b (a task set per nexus), D_SENSE 0 (fixed format);
 * QUEUE ALGORITHM MODIFIER 1 (SIMPLE commands in any order).
 */
static const uint8_t page_control[12] = { 0x0a, 0x0a, 0x20, 0x10 };

/* SPC-4 7.5.11: DEXCPT 08h (there are no informational exceptions). */
static const uint8_t page_exceptions[12] = { 0x1c, 0x0a, 0x08 };

static const struct {
	const uint8_t *bytes;	/* begins with page code and length - 2 */
	uint8_t len;
} pages[] = {			/* ascending by code */
	{ page_recovery, sizeof(page_recovery) },
	{ page_caching, sizeof(page_caching) },
	{ page_control, sizeof(page_control) },
	{ page_exceptions, sizeof(page_exceptions) },
};

/* Behind all of these; the only subpage. */
#define PAGE_PROVISION		0x1cu
#define SUBPAGE_PROVISION	0x02u
#define SPF			0x40u
#define THRESHOLD_ENABLED	0x80u
#define RESOURCE_AVAILABLE	0x01u
enum { PROVISION_LEN = 24, PROVISION_DESC = 16 };

enum { MODE_MAX = 8 + 16 + 12 + 20 + 12 + 12 + PROVISION_LEN };

/* SBC-3 6.4.2: 4 count 4 length, or 8 count 4 reserved 4 length. */
static void
put_descriptor(const struct scsi_lu *lu, struct wr *w, bool is_long)
{

	if (is_long) {
		wr_be64(w, lu->n_lba);
		wr_be32(w, 0);
	} else
		wr_be32(w, (uint32_t)TT_MIN(lu->n_lba, UINT32_MAX));
	wr_be32(w, lu->sector_bytes);
}

static void
put_provision(const struct scsi_lu *lu, struct wr *w, bool changeable)
{
	uint8_t p[PROVISION_LEN] = { SPF | PAGE_PROVISION, SUBPAGE_PROVISION,
	    0, PROVISION_LEN - 4 };
	uint64_t sets = lu->soft_threshold_bytes / LIMIT_THRESHOLD_SET_BYTES;

	if (lu->soft_threshold_bytes != 0 && !changeable) {
		p[PROVISION_DESC] = THRESHOLD_ENABLED;
		p[PROVISION_DESC + 1] = RESOURCE_AVAILABLE;
		put_be32(p + PROVISION_DESC + 4,
		    (uint32_t)TT_MIN(TT_MAX(sets, 1u), UINT32_MAX));
	}
	wr_bytes(w, p, sizeof(p));
}

/* Subpage 0: the pages that are not subpages.  False: no such page. */
static bool
put_pages(const struct scsi_lu *lu, struct wr *w, unsigned code,
    unsigned subpage, bool changeable)
{
	static const uint8_t zero[20];
	bool found = false;

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]) &&
	    subpage != SUBPAGE_PROVISION; i++) {
		const uint8_t *p = pages[i].bytes;

		if (code != PAGE_ALL && code != p[0])
			continue;
		found = true;
		wr_bytes(w, p, 2);
		if (p == page_caching && atomic_load(&lu->write_through)) {
			/* WCE is the only bit that is ever set there. */
			wr_bytes(w, zero, pages[i].len - 2u);
			continue;
		}
		wr_bytes(w, changeable ? zero : p + 2, pages[i].len - 2u);
	}
	if (subpage != 0 && (code == PAGE_ALL || code == PAGE_PROVISION)) {
		put_provision(lu, w, changeable);
		found = true;
	}
	return (found);
}

/*
 * What is common to both: fills ${w}, which has room for the header, behind
 * it.  False: the command has ended with an error.
 */
static bool
put_all(struct scsi_cmd *cmd, struct wr *w, bool is_long)
{
	const uint8_t *cdb = cmd->cdb;
	unsigned pc = cdb[2] >> 6, code = cdb[2] & PAGE_ALL, subpage = cdb[3];

	if (pc == PC_SAVED) {
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_SAVING);
		return (false);
	}
	if (subpage != 0 && subpage != SUBPAGE_ALL &&
	    (code != PAGE_PROVISION || subpage != SUBPAGE_PROVISION)) {
		cmd_bad_cdb(cmd, 3, 7);
		return (false);
	}
	if ((cdb[1] & CDB_DBD) == 0)
		put_descriptor(cmd->lu, w, is_long);
	if (!put_pages(cmd->lu, w, code, subpage, pc == PC_CHANGEABLE)) {
		cmd_bad_cdb(cmd, 2, 5);
		return (false);
	}
	TT_ASSERT(!w->bad);
	return (true);
}

static uint8_t
device_specific(const struct scsi_lu *lu)
{

	return ((uint8_t)(DSP_DPOFUA | (lu->read_only ? DSP_WP : 0)));
}

/* Header: 0 1 length behind it, 2 1 device specific, 3 1 descriptors. */
void
mode_sense6(struct scsi_cmd *cmd)
{
	uint8_t buf[MODE_MAX] = { 0 };
	struct wr w = wr_init(buf, sizeof(buf));
	size_t len;

	(void)wr_room(&w, 4);
	if (!put_all(cmd, &w, false))
		return;
	len = (size_t)(w.p - buf);
	buf[0] = (uint8_t)(len - 1);
	buf[2] = device_specific(cmd->lu);
	buf[3] = (cmd->cdb[1] & CDB_DBD) != 0 ? 0 : 8;
	cmd_reply(cmd, buf, len, cmd->cdb[4]);
}

/*
 * Header: 0 2 length behind it, 3 1 device specific, 4 1 LONGLBA 01h,
 * 6 2 descriptors.
 */
void
mode_sense10(struct scsi_cmd *cmd)
{
	bool is_long = (cmd->cdb[1] & CDB_LLBAA) != 0;
	uint8_t buf[MODE_MAX] = { 0 };
	struct wr w = wr_init(buf, sizeof(buf));
	size_t len;

	(void)wr_room(&w, 8);
	if (!put_all(cmd, &w, is_long))
		return;
	len = (size_t)(w.p - buf);
	put_be16(buf, (uint16_t)(len - 2));
	buf[3] = device_specific(cmd->lu);
	if ((cmd->cdb[1] & CDB_DBD) == 0) {
		buf[4] = is_long ? 0x01 : 0;
		put_be16(buf + 6, is_long ? 16 : 8);
	}
	cmd_reply(cmd, buf, len, get_be16(cmd->cdb + 7));
}
