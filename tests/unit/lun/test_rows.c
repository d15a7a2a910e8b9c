/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of the rows of LUNs, snapshots, exposures and users (meta/FORMAT.md),
 * and what the decoders refuse.
 */
#include <errno.h>
#include <string.h>

#include "lun/rows.h"
#include "meta/item.h"
#include "tests/lib/unit.h"

/* Golden bytes are written as strings; the final zero is not theirs. */
#define BYTES(s)	(const uint8_t *)(s), sizeof(s) - 1

static bool
same(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{

	return (alen == blen && memcmp(a, b, alen) == 0);
}

/* Attributes being put together for a decoder. */
struct attrs {
	uint8_t buf[4096];
	struct wr w;
};

static void
attrs_init(struct attrs *a, const uint8_t *val, size_t vlen)
{

	a->w = wr_init(a->buf, sizeof(a->buf));
	wr_bytes(&a->w, val, vlen);
}

static size_t
attrs_len(const struct attrs *a)
{

	return ((size_t)(a->w.p - a->buf));
}

/* The value without its item of a type. */
static void
attrs_without(struct attrs *a, const uint8_t *val, size_t vlen, unsigned type)
{
	struct rd r = rd_init(val, vlen);
	struct item it;

	attrs_init(a, NULL, 0);
	while (item_next(&r, &it))
		if (it.type != type)
			item_put(&a->w, it.type, it.val, it.len);
}

/* With another value for it. */
static void
attrs_with(struct attrs *a, const uint8_t *val, size_t vlen, unsigned type,
    const void *with, size_t len)
{

	attrs_without(a, val, vlen, type);
	item_put(&a->w, (uint16_t)type, with, len);
}

/* ---- LUNs ------------------------------------------------------------- */

static const struct lun_info lun = {
	.number = UINT64_C(0x0102030405060708), .name = "db-1.x",
	.size_bytes = UINT64_C(0x0000001200340000), .block_bytes = 16384,
	.sector_bytes = 4096,
	.identity = {
		.uuid = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
		    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f },
		.naa = { 0x31, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28 },
		.serial = "0123456789abcdefghij",
	},
	.created_ns = UINT64_C(0x1877665544332211), .open = true,
	.dedup = true,
	.n_snaps = 5, .n_exposures = 2,
};

#define LUN_KEY	"\1\2\3\4\5\6\7\10"
#define LUN_VAL								\
	"\0\1" "\0\0\0\6" "db-1.x"					\
	"\0\2" "\0\0\0\10" "\0\0\0\x12\0\x34\0\0"			\
	"\0\3" "\0\0\0\4" "\0\0\x40\0"					\
	"\0\4" "\0\0\0\4" "\0\0\x10\0"					\
	"\0\5" "\0\0\0\20" "\x10\x11\x12\x13\x14\x15\x16\x17"		\
	    "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"				\
	"\0\6" "\0\0\0\10" "\x31\x22\x23\x24\x25\x26\x27\x28"		\
	"\0\7" "\0\0\0\x14" "0123456789abcdefghij"			\
	"\0\10" "\0\0\0\10" "\x18\x77\x66\x55\x44\x33\x22\x11"		\
	"\0\11" "\0\0\0\1" "\1"

/* Name, size, block, sector. */
#define LUN_MUST_LEN	((6 + 6) + (6 + 8) + (6 + 4) + (6 + 4))

static bool
between_items(const uint8_t *val, size_t vlen, size_t at)
{
	struct rd r = rd_init(val, vlen);
	struct item it;

	while ((size_t)(r.p - val) < at && item_next(&r, &it))
		;
	return ((size_t)(r.p - val) == at);
}

static bool
lun_same(const struct lun_info *a, const struct lun_info *b)
{

	return (a->number == b->number && strcmp(a->name, b->name) == 0 &&
	    a->size_bytes == b->size_bytes &&
	    a->block_bytes == b->block_bytes &&
	    a->sector_bytes == b->sector_bytes &&
	    memcmp(a->identity.uuid, b->identity.uuid, 16) == 0 &&
	    memcmp(a->identity.naa, b->identity.naa, 8) == 0 &&
	    strcmp(a->identity.serial, b->identity.serial) == 0 &&
	    a->created_ns == b->created_ns && a->open == b->open &&
	    a->dedup == b->dedup && a->write_through == b->write_through);
}

static int
lun_dec(const struct attrs *a, struct lun_info *out)
{

	return (row_lun_dec((const uint8_t *)LUN_KEY, 8, a->buf, attrs_len(a),
	    out));
}

static void
test_lun(void)
{
	struct lun_info back, none;
	struct row row;

	row_lun_enc(&lun, &row);
	CU_ASSERT_EQUAL(row.tab, CAT_LUN);
	CU_ASSERT_TRUE(same(row.key, row.klen, BYTES(LUN_KEY)));
	CU_ASSERT_TRUE(same(row.val, row.vlen, BYTES(LUN_VAL)));
	memset(&back, 0xee, sizeof(back));
	CU_ASSERT_EQUAL(row_lun_dec(BYTES(LUN_KEY), BYTES(LUN_VAL), &back), 0);
	CU_ASSERT_TRUE(lun_same(&back, &lun));
	/* Only that it is off is told: one more attribute. */
	back = lun;
	back.dedup = false;
	row_lun_enc(&back, &row);
	CU_ASSERT_TRUE(same(row.val, row.vlen,
	    BYTES(LUN_VAL "\0\15" "\0\0\0\1" "\1")));
	CU_ASSERT_EQUAL(row_lun_dec(row.key, row.klen, row.val, row.vlen,
	    &none), 0);
	CU_ASSERT_TRUE(lun_same(&back, &none));
	/* The same with the write cache. */
	back = lun;
	back.write_through = true;
	row_lun_enc(&back, &row);
	CU_ASSERT_TRUE(same(row.val, row.vlen,
	    BYTES(LUN_VAL "\0\16" "\0\0\0\1" "\1")));
	CU_ASSERT_EQUAL(row_lun_dec(row.key, row.klen, row.val, row.vlen,
	    &none), 0);
	CU_ASSERT_TRUE(lun_same(&back, &none));
	CU_ASSERT_EQUAL(row_lun_dec(BYTES(LUN_KEY), BYTES(LUN_VAL), &back), 0);
	/* What is counted is not in the row. */
	CU_ASSERT_EQUAL(back.n_snaps, 0);
	CU_ASSERT_EQUAL(back.n_exposures, 0);
	/* The largest names still fit. */
	back = lun;
	memset(back.name, 'x', LUN_NAME_MAX);
	memset(back.identity.serial, 'y', sizeof(back.identity.serial) - 1);
	row_lun_enc(&back, &row);
	CU_ASSERT_EQUAL(row_lun_dec(row.key, row.klen, row.val, row.vlen,
	    &none), 0);
	CU_ASSERT_TRUE(lun_same(&back, &none));
	/*
	 * Cut off anywhere, it is none, and nothing is touched; but between
	 * two items once there are those that must be.
	 */
	memset(&none, 0x5a, sizeof(none));
	for (size_t n = 0; n < sizeof(LUN_VAL) - 1; n++) {
		int want = between_items(BYTES(LUN_VAL), n) &&
		    n >= LUN_MUST_LEN ? 0 : -EILSEQ;
		struct lun_info got = none;

		CU_ASSERT_EQUAL(row_lun_dec(BYTES(LUN_KEY),
		    (const uint8_t *)LUN_VAL, n, &got), want);
		if (want != 0)
			CU_ASSERT_EQUAL(memcmp(&got, &none, sizeof(got)), 0);
	}
	CU_ASSERT_EQUAL(row_lun_dec((const uint8_t *)LUN_KEY, 7,
	    BYTES(LUN_VAL), &back), -EILSEQ);
	CU_ASSERT_EQUAL(row_lun_dec((const uint8_t *)LUN_KEY "x", 9,
	    BYTES(LUN_VAL), &back), -EILSEQ);
}

struct bad_attr {
	unsigned type;
	const char *val;
	size_t len;
};

#define BAD(type, s)	{ type, s, sizeof(s) - 1 }

static const struct bad_attr lun_bad[] = {
	BAD(ATTR_NAME, ""), BAD(ATTR_NAME, "Upper"), BAD(ATTR_NAME, "a b"),
	BAD(ATTR_NAME, "a\0b"), BAD(ATTR_NAME, "-a"),
	BAD(ATTR_NAME, "0123456789012345678901234567890123456789"
	    "012345678901234567890123"),	/* 64 */
	BAD(ATTR_SIZE, "\0\0\0\0\0\0\0\0"),
	BAD(ATTR_SIZE, "\0\0\0\0\0\0\x20\0"),	/* half a block */
	BAD(ATTR_SIZE, "\0\0\x40\0\0\0\x40\0"),	/* above 64 TiB */
	BAD(ATTR_SIZE, "\0\0\0\1\0\0\0"), BAD(ATTR_SIZE, "\0\0\0\0\1\0\0\0\0"),
	BAD(ATTR_BLOCK, "\0\0\0\0"), BAD(ATTR_BLOCK, "\0\0\x08\0"),
	BAD(ATTR_BLOCK, "\0\0\x30\0"), BAD(ATTR_BLOCK, "\0\2\0\0"),
	BAD(ATTR_BLOCK, "\0\x40\0"),
	BAD(ATTR_SECTOR, "\0\0\0\0"), BAD(ATTR_SECTOR, "\0\0\4\0"),
	BAD(ATTR_SECTOR, "\0\0\x20\0"), BAD(ATTR_SECTOR, "\0\0\0\x02\0"),
	BAD(ATTR_UUID, "123456789012345"), BAD(ATTR_UUID, "12345678901234567"),
	BAD(ATTR_NAA, "1234567"), BAD(ATTR_NAA, "123456789"),
	BAD(ATTR_SERIAL, ""), BAD(ATTR_SERIAL, "ab\0cd"),
	BAD(ATTR_SERIAL, "012345678901234567890123456789012"),	/* 33 */
	BAD(ATTR_CREATED, "1234567"), BAD(ATTR_OPEN, ""),
	BAD(ATTR_OPEN, "\0\1"), BAD(ATTR_SECRET, "x"), BAD(11, "x"),
	BAD(ATTR_NO_DEDUP, ""), BAD(ATTR_NO_DEDUP, "\0"),
	BAD(ATTR_NO_DEDUP, "\1\1"),
	BAD(ATTR_WRITE_THROUGH, ""), BAD(ATTR_WRITE_THROUGH, "\0"),
	BAD(ATTR_WRITE_THROUGH, "\1\1"),
	BAD(0, ""), BAD(0x7fff, "x")
};

static void
test_lun_refused(void)
{
	static const unsigned must[] = { ATTR_NAME, ATTR_SIZE, ATTR_BLOCK,
	    ATTR_SECTOR };
	struct lun_info out;
	struct attrs a;

	for (size_t i = 0; i < sizeof(lun_bad) / sizeof(lun_bad[0]); i++) {
		attrs_with(&a, BYTES(LUN_VAL), lun_bad[i].type,
		    lun_bad[i].val, lun_bad[i].len);
		CU_ASSERT_EQUAL(lun_dec(&a, &out), -EILSEQ);
	}
	for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++) {
		attrs_without(&a, BYTES(LUN_VAL), must[i]);
		CU_ASSERT_EQUAL(lun_dec(&a, &out), -EILSEQ);
	}
	/* The number 0 is nobody's. */
	CU_ASSERT_EQUAL(row_lun_dec(BYTES("\0\0\0\0\0\0\0\0"), BYTES(LUN_VAL),
	    &out), -EILSEQ);
	/* What may be ignored is. */
	attrs_with(&a, BYTES(LUN_VAL), 11 | ITEM_MAY_IGNORE, "future", 6);
	CU_ASSERT_EQUAL(lun_dec(&a, &out), 0);
	CU_ASSERT_TRUE(lun_same(&out, &lun));
	attrs_with(&a, BYTES(LUN_VAL), ATTR_OPEN, "\0", 1);
	CU_ASSERT_EQUAL(lun_dec(&a, &out), 0);
	CU_ASSERT_FALSE(out.open);
	attrs_with(&a, BYTES(LUN_VAL), ATTR_SIZE, "\0\0\x40\0\0\0\0\0", 8);
	CU_ASSERT_EQUAL(lun_dec(&a, &out), 0);
	CU_ASSERT_EQUAL(out.size_bytes, LUN_SIZE_MAX);
}

/* ---- snapshots -------------------------------------------------------- */

#define SNAP_KEY	"\1\2\3\4\5\6\7\10\x21\x22\x23\x24\x25\x26\x27\x28"
#define SNAP_VAL							\
	"\0\1" "\0\0\0\7" "friday1"					\
	"\0\10" "\0\0\0\10" "\x18\x77\x66\x55\x44\x33\x22\x11"

static void
test_snap(void)
{
	const struct snap_info s = { .lun = UINT64_C(0x0102030405060708),
	    .seq = UINT64_C(0x2122232425262728), .name = "friday1",
	    .time_ns = UINT64_C(0x1877665544332211), .exposed = true };
	struct snap_info back;
	uint8_t key[16], buf[200];
	struct wr w = wr_init(buf, sizeof(buf));
	struct attrs a;

	row_snap_key(s.lun, s.seq, key);
	CU_ASSERT_TRUE(same(key, 16, BYTES(SNAP_KEY)));
	row_snap_val(&s, &w);
	CU_ASSERT_TRUE(same(buf, (size_t)(w.p - buf), BYTES(SNAP_VAL)));
	CU_ASSERT_EQUAL(row_snap_dec(BYTES(SNAP_KEY), BYTES(SNAP_VAL), &back),
	    0);
	CU_ASSERT_EQUAL(back.lun, s.lun);
	CU_ASSERT_EQUAL(back.seq, s.seq);
	CU_ASSERT_STRING_EQUAL(back.name, "friday1");
	CU_ASSERT_EQUAL(back.time_ns, s.time_ns);
	CU_ASSERT_FALSE(back.exposed);
	CU_ASSERT_EQUAL(row_snap_dec((const uint8_t *)SNAP_KEY, 15,
	    BYTES(SNAP_VAL), &back), -EILSEQ);
	CU_ASSERT_EQUAL(row_snap_dec((const uint8_t *)SNAP_KEY, 8,
	    BYTES(SNAP_VAL), &back), -EILSEQ);
	attrs_with(&a, BYTES(SNAP_VAL), ATTR_NAME, "last-3", 6);
	CU_ASSERT_EQUAL(row_snap_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), -EILSEQ);
	attrs_with(&a, BYTES(SNAP_VAL), ATTR_CREATED, "1234567", 7);
	CU_ASSERT_EQUAL(row_snap_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), -EILSEQ);
	attrs_with(&a, BYTES(SNAP_VAL), ATTR_SIZE, "12345678", 8);
	CU_ASSERT_EQUAL(row_snap_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), -EILSEQ);
	attrs_with(&a, BYTES(SNAP_VAL), 50 | ITEM_MAY_IGNORE, "x", 1);
	CU_ASSERT_EQUAL(row_snap_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), 0);
	attrs_without(&a, BYTES(SNAP_VAL), ATTR_NAME);
	CU_ASSERT_EQUAL(row_snap_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), -EILSEQ);
	CU_ASSERT_EQUAL(row_snap_dec(BYTES(SNAP_KEY),
	    (const uint8_t *)SNAP_VAL, sizeof(SNAP_VAL) - 2, &back), -EILSEQ);
}

/* ---- exposures -------------------------------------------------------- */

#define EXPOSE_VAL							\
	"\0\5" "\0\0\0\20" "\x10\x11\x12\x13\x14\x15\x16\x17"		\
	    "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"				\
	"\0\6" "\0\0\0\10" "\x31\x22\x23\x24\x25\x26\x27\x28"		\
	"\0\7" "\0\0\0\x14" "0123456789abcdefghij"			\
	"\0\10" "\0\0\0\10" "\x18\x77\x66\x55\x44\x33\x22\x11"

static void
test_expose(void)
{
	struct exposure_info e = { .lun = UINT64_C(0x0102030405060708),
	    .seq = UINT64_C(0x2122232425262728), .lun_name = "not in it",
	    .identity = lun.identity, .created_ns = lun.created_ns };
	struct exposure_info back;
	struct attrs a;
	struct row row;

	row_expose_enc(&e, &row);
	CU_ASSERT_EQUAL(row.tab, CAT_EXPOSE);
	CU_ASSERT_TRUE(same(row.key, row.klen, BYTES(SNAP_KEY)));
	CU_ASSERT_TRUE(same(row.val, row.vlen, BYTES(EXPOSE_VAL)));
	CU_ASSERT_EQUAL(row_expose_dec(BYTES(SNAP_KEY), BYTES(EXPOSE_VAL),
	    &back), 0);
	CU_ASSERT_EQUAL(back.lun, e.lun);
	CU_ASSERT_EQUAL(back.seq, e.seq);
	CU_ASSERT_EQUAL(back.created_ns, e.created_ns);
	CU_ASSERT_EQUAL(memcmp(back.identity.uuid, e.identity.uuid, 16), 0);
	CU_ASSERT_EQUAL(memcmp(back.identity.naa, e.identity.naa, 8), 0);
	CU_ASSERT_STRING_EQUAL(back.identity.serial, e.identity.serial);
	CU_ASSERT_EQUAL(row_expose_dec((const uint8_t *)SNAP_KEY, 8,
	    BYTES(EXPOSE_VAL), &back), -EILSEQ);
	attrs_with(&a, BYTES(EXPOSE_VAL), ATTR_NAME, "x", 1);
	CU_ASSERT_EQUAL(row_expose_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), -EILSEQ);
	attrs_with(&a, BYTES(EXPOSE_VAL), ATTR_NAA, "x", 1);
	CU_ASSERT_EQUAL(row_expose_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), -EILSEQ);
	attrs_with(&a, BYTES(EXPOSE_VAL), ATTR_NAME | ITEM_MAY_IGNORE, "x",
	    1);
	CU_ASSERT_EQUAL(row_expose_dec(BYTES(SNAP_KEY), a.buf, attrs_len(&a),
	    &back), 0);
	CU_ASSERT_EQUAL(row_expose_dec(BYTES(SNAP_KEY),
	    (const uint8_t *)EXPOSE_VAL, sizeof(EXPOSE_VAL) - 2, &back),
	    -EILSEQ);
}

/* ---- users ------------------------------------------------------------ */

#define USER_KEY	"\1\2\3\4\5\6\7\10\1" "alice"
#define USER_VAL	"\0\12" "\0\0\0\3" "\xff\0\x80"

static void
test_user(void)
{
	struct lun_user u = { .mutual = false, .user = "alice",
	    .secret = { 0xff, 0, 0x80 }, .secret_len = 3 }, back;
	struct attrs a;
	struct row row;
	uint64_t number;
	uint8_t key[ROW_KEY_MAX + 10];

	CU_ASSERT_EQUAL(row_user_enc(lun.number, &u, &row), 0);
	CU_ASSERT_EQUAL(row.tab, CAT_ACCESS);
	CU_ASSERT_TRUE(same(row.key, row.klen, BYTES(USER_KEY)));
	CU_ASSERT_TRUE(same(row.val, row.vlen, BYTES(USER_VAL)));
	CU_ASSERT_EQUAL(row_user_dec(BYTES(USER_KEY), BYTES(USER_VAL),
	    &number, &back), 0);
	CU_ASSERT_EQUAL(number, lun.number);
	CU_ASSERT_FALSE(back.mutual);
	CU_ASSERT_STRING_EQUAL(back.user, "alice");
	CU_ASSERT_TRUE(same(back.secret, back.secret_len, u.secret, 3));
	u.mutual = true;
	CU_ASSERT_EQUAL(row_user_enc(lun.number, &u, &row), 0);
	CU_ASSERT_EQUAL(row.key[8], 2);
	CU_ASSERT_EQUAL(row_user_dec(row.key, row.klen, row.val, row.vlen,
	    &number, &back), 0);
	CU_ASSERT_TRUE(back.mutual);

	/* As large as it may be, and one more. */
	memset(u.user, 'u', LUN_USER_MAX);
	u.secret_len = LUN_SECRET_MAX;
	memset(u.secret, 7, LUN_SECRET_MAX);
	CU_ASSERT_EQUAL(row_user_enc(lun.number, &u, &row), 0);
	CU_ASSERT_EQUAL(row_user_dec(row.key, row.klen, row.val, row.vlen,
	    &number, &back), 0);
	CU_ASSERT_EQUAL(strlen(back.user), LUN_USER_MAX);
	CU_ASSERT_TRUE(same(back.secret, back.secret_len, u.secret,
	    LUN_SECRET_MAX));
	memcpy(key, row.key, row.klen);
	key[row.klen] = 'u';
	CU_ASSERT_EQUAL(row_user_dec(key, row.klen + 1, row.val, row.vlen,
	    &number, &back), -EILSEQ);
	u.secret_len++;
	CU_ASSERT_EQUAL(row_user_enc(lun.number, &u, &row), -EINVAL);
	u.secret_len = 0;
	CU_ASSERT_EQUAL(row_user_enc(lun.number, &u, &row), -EINVAL);
	u.secret_len = 1;
	u.user[LUN_USER_MAX] = 'u';
	CU_ASSERT_EQUAL(row_user_enc(lun.number, &u, &row), -EINVAL);
	u.user[0] = '\0';
	CU_ASSERT_EQUAL(row_user_enc(lun.number, &u, &row), -EINVAL);

	CU_ASSERT_EQUAL(row_user_dec(BYTES("\1\2\3\4\5\6\7\10\1"),
	    BYTES(USER_VAL), &number, &back), -EILSEQ);
	CU_ASSERT_EQUAL(row_user_dec(BYTES("\1\2\3\4\5\6\7\10\0" "alice"),
	    BYTES(USER_VAL), &number, &back), -EILSEQ);
	CU_ASSERT_EQUAL(row_user_dec(BYTES("\1\2\3\4\5\6\7\10\4" "alice"),
	    BYTES(USER_VAL), &number, &back), -EILSEQ);
	CU_ASSERT_EQUAL(row_user_dec(BYTES("\1\2\3\4\5\6\7\10\1" "al\0ce"),
	    BYTES(USER_VAL), &number, &back), -EILSEQ);
	attrs_without(&a, BYTES(USER_VAL), ATTR_SECRET);
	CU_ASSERT_EQUAL(row_user_dec(BYTES(USER_KEY), a.buf, attrs_len(&a),
	    &number, &back), -EILSEQ);
	attrs_with(&a, BYTES(USER_VAL), ATTR_SECRET, row.val, 0);
	CU_ASSERT_EQUAL(row_user_dec(BYTES(USER_KEY), a.buf, attrs_len(&a),
	    &number, &back), -EILSEQ);
	attrs_with(&a, BYTES(USER_VAL), ATTR_SECRET, row.val,
	    LUN_SECRET_MAX + 1);
	CU_ASSERT_EQUAL(row_user_dec(BYTES(USER_KEY), a.buf, attrs_len(&a),
	    &number, &back), -EILSEQ);
	attrs_with(&a, BYTES(USER_VAL), ATTR_NAME, "x", 1);
	CU_ASSERT_EQUAL(row_user_dec(BYTES(USER_KEY), a.buf, attrs_len(&a),
	    &number, &back), -EILSEQ);
}

/* ---- items ------------------------------------------------------------ */

static void
test_items(void)
{
	struct row row = { .tab = CAT_ACCESS, .key = { 1, 2, 3 }, .klen = 3,
	    .val = { 9, 8 }, .vlen = 2 };
	uint8_t buf[64];
	struct wr w = wr_init(buf, sizeof(buf));

	row_put_item(&w, &row);
	CU_ASSERT_TRUE(same(buf, (size_t)(w.p - buf),
	    BYTES("\0\1" "\0\0\0\10" "\7" "\0\3" "\1\2\3" "\11\10")));
	w = wr_init(buf, sizeof(buf));
	row_del_item(&w, CAT_SNAP, "\5\6", 2);
	CU_ASSERT_TRUE(same(buf, (size_t)(w.p - buf),
	    BYTES("\0\2" "\0\0\0\5" "\4" "\0\2" "\5\6")));
	/* No room: said, and nothing written behind the end. */
	w = wr_init(buf, 8);
	memset(buf, 0x77, sizeof(buf));
	row_put_item(&w, &row);
	CU_ASSERT_TRUE(w.bad);
	CU_ASSERT_EQUAL(buf[8], 0x77);
}

static const struct unit_test tests[] = {
	{ "LUNs", test_lun },
	{ "LUNs that are refused", test_lun_refused },
	{ "snapshots", test_snap },
	{ "exposures", test_expose },
	{ "users", test_user },
	{ "items", test_items },
};

UNIT_MAIN("rows", tests)
