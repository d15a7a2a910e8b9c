/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seeds.c - writes small inputs for every fuzz target: fuzz-seeds DIR makes
 * DIR/NAME/*.  What fuzzing found since stands beside them in the tree.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lun/rows.h"
#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/item.h"
#include "meta/rec.h"
#include "tests/fuzz/seeds.h"

static const char *dir;
static uint8_t buf[65536];
static size_t len;

static void
add(const void *p, size_t n)
{

	TT_ASSERT(len + n <= sizeof(buf));
	if (n > 0)
		memcpy(buf + len, p, n);
	len += n;
}

static void
add_u8(unsigned v)
{
	uint8_t b = (uint8_t)v;

	add(&b, 1);
}

static void
save(const char *target, const char *name)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, target);
	(void)mkdir(path, 0777);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", dir, target, name);
	f = fopen(path, "we");
	if (f == NULL || fwrite(buf, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
	len = 0;
}

void
seeds_add(const void *p, size_t n)
{

	add(p, n);
}

void
seeds_save(const char *target, const char *name)
{

	save(target, name);
}

/* ---- PDUs --------------------------------------------------------------- */

/* Header bytes 0 and 1, four numbers at 16, 20, 24, 28, data. */
static void
pdu(unsigned op, unsigned flags, const uint32_t w[8], const void *data,
    size_t n)
{
	uint8_t b[48] = { (uint8_t)op, (uint8_t)flags }, zero[4] = { 0 };

	for (int i = 0; i < 8; i++)
		put_be32(b + 16 + 4 * i, w == NULL ? 0 : w[i]);
	put_be24(b + 5, (uint32_t)n);
	add(b, sizeof(b));
	add(data, n);
	add(zero, (4 - n % 4) % 4);
}

static void
login_pdu(unsigned flags, const char *text, size_t n)
{
	const uint32_t w[8] = { 1, 1u << 16, 7, 0 };
	size_t at = len;

	pdu(0x43, flags, w, text, n);
	buf[at + 8] = 0x80;
}

#define OPEN "InitiatorName=iqn.i:one\0TargetName=iqn.t:open\0"		\
    "SessionType=Normal\0"
#define CHAP "InitiatorName=iqn.i:one\0TargetName=iqn.t:chap\0"		\
    "AuthMethod=CHAP,None\0"
#define KEYS "HeaderDigest=CRC32C,None\0DataDigest=None\0"		\
    "MaxRecvDataSegmentLength=65536\0InitialR2T=No\0ImmediateData=Yes\0"	\
    "MaxBurstLength=0x40000\0FirstBurstLength=65536\0MaxConnections=1\0"	\
    "ErrorRecoveryLevel=0\0DefaultTime2Wait=2\0DefaultTime2Retain=0\0"	\
    "MaxOutstandingR2T=1\0DataPDUInOrder=Yes\0X-org.example=1\0"
#define T(s) s, sizeof(s) - 1

static void
prelogin(void)
{
	static const uint32_t nop[8] = { 5, 0xffffffff, 8 };
	static const uint32_t txt[8] = { 6, 0xffffffff, 9 };

	add_u8(0);
	login_pdu(0x87, T(OPEN KEYS));
	pdu(0x00, 0x80, nop, "ping", 4);
	pdu(0x46, 0x80, nop, NULL, 0);
	save("prelogin", "open");
	add_u8(1);
	login_pdu(0x81, T(CHAP));
	login_pdu(0x00, T("CHAP_A=8,7,6,5\0"));
	login_pdu(0x83, T("CHAP_N=joe\0CHAP_R=0b0000\0"));
	save("prelogin", "chap");
	add_u8(4);
	login_pdu(0x87, T("InitiatorName=iqn.i:one\0SessionType=Discovery\0"));
	pdu(0x04, 0x80, txt, T("SendTargets=All\0"));
	save("prelogin", "discovery");
	add_u8(2);
	login_pdu(0x44, T("InitiatorName=iqn.i:o"));
	login_pdu(0x87, T("ne\0TargetName=iqn.t:open\0"));
	save("prelogin", "continued");
}

static void
scsi(unsigned flags, unsigned op, uint32_t itt, uint32_t edtl, uint32_t lba,
    uint32_t n_lba, size_t imm)
{
	static const uint8_t zero[4096];
	uint32_t w[8] = { itt, edtl, itt, 0, op << 24 | lba >> 16,
	    lba << 16 | n_lba >> 8, n_lba << 24, 0 };

	pdu(0x01, flags, w, zero, imm);
}

static void
session(void)
{
	static const uint32_t nop[8] = { 50, 0xffffffff };
	static const uint32_t tmf[8] = { 51, 8, 0, 0, 8 };
	uint32_t out[8] = { 8, 0xffffffff };
	static const uint8_t data[2048];

	add_u8(8 | 4);
	add_u8(0);
	scsi(0xc1, 0x28, 7, 4096, 0, 8, 0);
	scsi(0x21, 0x2a, 8, 4096, 8, 8, 512);
	pdu(0x05, 0x80, out, data, 2048);
	add_u8(0xff);
	pdu(0x40, 0x80, nop, "hello", 5);
	pdu(0x42, 0x81, tmf, NULL, 0);
	save("session", "io");
	add_u8(16 | 2);
	add_u8(4);
	scsi(0xa1, 0x2a, 7, 8192, 8, 16, 0);
	add_u8(0xff);
	out[0] = 7;
	out[1] = 1;
	pdu(0x05, 0x00, out, data, 2048);
	pdu(0x42, 0x82, tmf, NULL, 0);
	add_u8(0xfe);
	pdu(0x46, 0x80, nop, NULL, 0);
	save("session", "held");
	add_u8(128 | 64);
	add_u8(1);
	scsi(0xc1, 0x28, 7, 3000, 1, 9, 0);
	scsi(0x81, 0x00, 8, 0, 0, 0, 0);
	pdu(0x04, 0x80, nop, T("SendTargets=All\0"));
	save("session", "small");
}

static void
request(unsigned flags, unsigned special, const char *text, size_t n)
{

	add_u8(flags);
	add_u8(special);
	add_u8((unsigned)(n >> 8));
	add_u8(n & 0xff);
	add(text, n);
}

static void
login(void)
{

	request(0x87, 0, T(OPEN KEYS));
	save("login", "open");
	request(0x00, 0, T(CHAP));
	request(0x00, 0, T("CHAP_A=5,6,7,8\0"));
	request(0x81, 1, T("CHAP_I=3\0CHAP_C=0b0123456789abcdef\0"));
	request(0x87, 0, T(KEYS));
	save("login", "mutual");
	request(0x00, 0, T(CHAP));
	request(0x00, 0, T("CHAP_A=7\0"));
	request(0x83, 1, T(""));
	save("login", "chap");
	request(0x44, 0, T("InitiatorName=iqn"));
	request(0x04, 0, T(".i:one\0SessionType=Discovery\0"));
	request(0x87, 2, T("\0\0HeaderDigest=None\0"));
	save("login", "continued");
}

static void
admin(void)
{
	static const char *const lines[] = {
		"{\"v\":1,\"id\":7,\"verb\":\"create\",\"args\":{\"name\":"
		"\"a\",\"size\":1048576,\"force\":true,\"chap\":{}}}",
		"{\"v\":1,\"verb\":\"list\"}",
		"{\"v\":2,\"id\":-1,\"verb\":\"list\",\"args\":null}",
		"{\"v\":1,\"verb\":\"\\u00e4\\n\",\"args\":{\"x\":[1,2]}}",
	};
	char name[8];

	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		add(lines[i], strlen(lines[i]));
		save("admin", name);
	}
}

static void
cdb(void)
{
	static const uint8_t t[][16] = {
		{ 0x00 }, { 0x03, 0, 0, 0, 18 }, { 0x12, 1, 0x83, 0, 255 },
		{ 0x12, 1, 0xb0, 0, 255 }, { 0x1a, 0, 0x3f, 0, 255 },
		{ 0x25 }, { 0x28, 0, 0, 0, 0, 1, 0, 0, 8 },
		{ 0x2a, 8, 0, 0, 0, 1, 0, 0, 1 }, { 0x35 },
		{ 0x41, 8, 0, 0, 0, 9, 0, 1, 0 },
		{ 0x42, 0, 0, 0, 0, 0, 0, 0, 24 }, { 0x1b, 0, 0, 0, 0 },
		{ 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9 },
		{ 0x93, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9 },
		{ 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32 },
		{ 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 64 },
		{ 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0 },
		{ 0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 2, 0 },
	};
	static const uint8_t unmap[24] = { 0, 22, 0, 16, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 9 };
	static const uint8_t zero[512];

	for (unsigned how = 0; how < 3; how++) {
		for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
			size_t n = t[i][0] == 0x42 ? 24 :
			    t[i][0] == 0x2a || t[i][0] == 0x41 ? 512 : 0;

			add_u8(how == 0 ? 0 : how == 1 ? 2 | 64 : 2 | 4 | 1);
			add_u8((unsigned)i & 1);
			add(t[i], 16);
			add_u8((unsigned)(n >> 8));
			add_u8(n & 0xff);
			add(t[i][0] == 0x42 ? unmap : zero, n);
		}
		save("cdb", how == 0 ? "fast" : how == 1 ? "slow" : "two");
	}
}

/* ---- the store ---------------------------------------------------------- */

static void
records(void)
{
	static const uint8_t nonce[16] = "0123456789abcde";
	struct seg_header h = { .kind = SEG_LOG, .number = 3,
	    .bytes = 64u << 20, .epoch = 2, .first_seq = 9 };
	struct rec r = { .kind = REC_DATA, .block_shift = 12,
	    .header_sectors = 1, .payload_sectors = 16, .segment = 3,
	    .off_sectors = 8, .n_extents = 1, .n_ids = 2, .seq = 9,
	    .time_ns = 1, .lun = 1, .payload_used_bytes = 8192 };
	uint8_t seg[SEG_HEADER_BYTES], hdr[SECTOR_BYTES];

	seg_header_enc(&h, seg);
	add_u8(3);
	add(seg, sizeof(seg));
	save("rec", "segment");

	memset(hdr, 0, sizeof(hdr));
	rec_put_extent(hdr, 0, (struct extent){ 5, 2 });
	rec_put_id(hdr, &r, 0, (struct id){ 1, 2 });
	rec_put_id(hdr, &r, 1, (struct id){ 3, 4 });
	rec_seal(hdr, &r, nonce);
	add_u8(2);
	add(hdr, sizeof(hdr));
	save("rec", "data");

	r = (struct rec){ .kind = REC_ZERO, .header_sectors = 1, .segment = 3,
	    .off_sectors = 25, .n_extents = 2, .seq = 10, .time_ns = 2,
	    .lun = 1 };
	memset(hdr, 0, sizeof(hdr));
	rec_put_extent(hdr, 0, (struct extent){ 0, 1 });
	rec_put_extent(hdr, 1, (struct extent){ 9, UINT32_MAX });
	rec_seal(hdr, &r, nonce);
	add_u8(2);
	add(hdr, sizeof(hdr));
	save("rec", "zero");

	r = (struct rec){ .kind = REC_CATALOG, .header_sectors = 1,
	    .payload_sectors = 1, .segment = 3, .off_sectors = 26, .seq = 11,
	    .time_ns = 3, .payload_used_bytes = 99, .payload_sum = 1 };
	memset(hdr, 0, sizeof(hdr));
	rec_seal(hdr, &r, nonce);
	add_u8(2);
	add(hdr, sizeof(hdr));
	save("rec", "catalog");
}

static void
row(unsigned kind, const struct row *r, const char *name)
{

	add_u8(kind);
	add_u8((unsigned)r->klen);
	add(r->key, r->klen);
	add(r->val, r->vlen);
	save("row", name);
}

static void
rows(void)
{
	struct lun_info l;
	struct lun_user u;
	struct row r;

	memset(&l, 0, sizeof(l));
	(void)snprintf(l.name, sizeof(l.name), "demo");
	l.size_bytes = 1u << 20;
	l.block_bytes = 4096;
	l.sector_bytes = 512;
	row_lun_enc(&l, &r);
	row(0, &r, "lun");
	row(1, &r, "snap");
	row(2, &r, "exposure");
	memset(&u, 0, sizeof(u));
	(void)snprintf(u.user, sizeof(u.user), "joe");
	u.secret_len = 4;
	if (row_user_enc(5, &u, &r) == 0)
		row(3, &r, "user");
}

static void
items(void)
{
	struct wr w = wr_init(buf, sizeof(buf));

	item_put(&w, ITEM_ROW_PUT, "\1\0\3keyvalue", 11);
	item_put(&w, ITEM_MAY_IGNORE | 9, "", 0);
	item_put(&w, ITEM_RESIZE, "0123456789abcdef", 16);
	len = (size_t)(w.p - buf);
	save("item", "three");
}

int
main(int argc, char **argv)
{

	if (argc != 2) {
		(void)fprintf(stderr, "usage: fuzz-seeds DIR\n");
		return (2);
	}
	dir = argv[1];
	(void)mkdir(dir, 0777);
	prelogin();
	session();
	login();
	admin();
	cdb();
	records();
	rows();
	items();
	seeds_store();
	return (0);
}
