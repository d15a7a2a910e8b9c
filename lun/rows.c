/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/rows.h"

#include <errno.h>
#include <string.h>

#include "meta/item.h"
#include "meta/rec.h"

/* ---- attributes ------------------------------------------------------- */

static void
put_u64(struct wr *w, enum attr a, uint64_t v)
{
	uint8_t b[8];

	put_be64(b, v);
	item_put(w, (uint16_t)a, b, sizeof(b));
}

static void
put_u32(struct wr *w, enum attr a, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	item_put(w, (uint16_t)a, b, sizeof(b));
}

static void
put_text(struct wr *w, enum attr a, const char *s)
{

	item_put(w, (uint16_t)a, s, strlen(s));
}

static void
put_identity(struct wr *w, const struct lun_identity *id)
{

	item_put(w, ATTR_UUID, id->uuid, sizeof(id->uuid));
	item_put(w, ATTR_NAA, id->naa, sizeof(id->naa));
	put_text(w, ATTR_SERIAL, id->serial);
}

/* Text into a buffer of ${cap} bytes; false when it does not fit. */
static bool
get_text(const struct item *it, char *dst, size_t cap)
{

	if (it->len == 0 || it->len >= cap ||
	    memchr(it->val, '\0', it->len) != NULL)
		return (false);
	memcpy(dst, it->val, it->len);
	dst[it->len] = '\0';
	return (true);
}

static bool
get_bytes(const struct item *it, void *dst, size_t len)
{

	if (it->len != len)
		return (false);
	memcpy(dst, it->val, len);
	return (true);
}

static bool
get_u64(const struct item *it, uint64_t *out)
{

	if (it->len != 8)
		return (false);
	*out = get_be64(it->val);
	return (true);
}

static bool
get_u32(const struct item *it, uint32_t *out)
{

	if (it->len != 4)
		return (false);
	*out = get_be32(it->val);
	return (true);
}

static bool
get_identity(const struct item *it, struct lun_identity *id)
{

	switch (it->type) {
	case ATTR_UUID:
		return (get_bytes(it, id->uuid, sizeof(id->uuid)));
	case ATTR_NAA:
		return (get_bytes(it, id->naa, sizeof(id->naa)));
	case ATTR_SERIAL:
		return (get_text(it, id->serial, sizeof(id->serial)));
	default:
		return ((it->type & ITEM_MAY_IGNORE) != 0);
	}
}

/* ---- CAT_LUN ---------------------------------------------------------- */

void
row_lun_enc(const struct lun_info *l, struct row *out)
{
	struct wr w = wr_init(out->val, sizeof(out->val));
	const uint8_t yes = 1;
	uint8_t open = l->open;

	out->tab = CAT_LUN;
	put_be64(out->key, l->number);
	out->klen = 8;
	put_text(&w, ATTR_NAME, l->name);
	put_u64(&w, ATTR_SIZE, l->size_bytes);
	put_u32(&w, ATTR_BLOCK, l->block_bytes);
	put_u32(&w, ATTR_SECTOR, l->sector_bytes);
	put_identity(&w, &l->identity);
	put_u64(&w, ATTR_CREATED, l->created_ns);
	item_put(&w, ATTR_OPEN, &open, 1);
	if (l->hold)
		item_put(&w, ATTR_HOLD, &yes, 1);
	if (l->held)
		item_put(&w, ATTR_HELD, &yes, 1);
	if (!l->dedup)
		item_put(&w, ATTR_NO_DEDUP, &yes, 1);
	if (l->write_through)
		item_put(&w, ATTR_WRITE_THROUGH, &yes, 1);
	TT_ASSERT(!w.bad);
	out->vlen = (size_t)(w.p - out->val);
}

static bool
lun_attr(const struct item *it, struct lun_info *l)
{

	switch (it->type) {
	case ATTR_NAME:
		return (get_text(it, l->name, sizeof(l->name)));
	case ATTR_SIZE:
		return (get_u64(it, &l->size_bytes));
	case ATTR_BLOCK:
		return (get_u32(it, &l->block_bytes));
	case ATTR_SECTOR:
		return (get_u32(it, &l->sector_bytes));
	case ATTR_CREATED:
		return (get_u64(it, &l->created_ns));
	case ATTR_OPEN:
		l->open = it->len == 1 && it->val[0] != 0;
		return (it->len == 1);
	case ATTR_HOLD:
		l->hold = it->len == 1 && it->val[0] == 1;
		return (l->hold);
	case ATTR_HELD:
		l->held = it->len == 1 && it->val[0] == 1;
		return (l->held);
	case ATTR_NO_DEDUP:
		l->dedup = false;
		return (it->len == 1 && it->val[0] == 1);
	case ATTR_WRITE_THROUGH:
		l->write_through = true;
		return (it->len == 1 && it->val[0] == 1);
	default:
		return (get_identity(it, &l->identity));
	}
}

static bool
lun_info_ok(const struct lun_info *l)
{
	uint32_t b = l->block_bytes, s = l->sector_bytes;

	return (lun_name_ok(l->name) && l->number != 0 &&
	    b >= 1u << BLOCK_SHIFT_MIN && b <= 1u << BLOCK_SHIFT_MAX &&
	    (b & (b - 1)) == 0 && (s == 512 || s == 4096) &&
	    l->size_bytes > 0 && l->size_bytes <= LUN_SIZE_MAX &&
	    l->size_bytes % b == 0);
}

int
row_lun_dec(const uint8_t *key, size_t klen, const uint8_t *val, size_t vlen,
    struct lun_info *out)
{
	struct rd r = rd_init(val, vlen);
	struct lun_info l = { .dedup = true };
	struct item it;

	if (klen != 8)
		return (-EILSEQ);
	l.number = get_be64(key);
	while (item_next(&r, &it))
		if (!lun_attr(&it, &l))
			return (-EILSEQ);
	if (r.bad || !lun_info_ok(&l))
		return (-EILSEQ);
	*out = l;
	return (0);
}

/* ---- CAT_SNAP --------------------------------------------------------- */

void
row_snap_key(uint64_t lun, uint64_t seq, uint8_t out[static 16])
{

	put_be64(out, lun);
	put_be64(out + 8, seq);
}

void
row_snap_val(const struct snap_info *s, struct wr *w)
{

	put_text(w, ATTR_NAME, s->name);
	put_u64(w, ATTR_CREATED, s->time_ns);
}

int
row_snap_dec(const uint8_t *key, size_t klen, const uint8_t *val, size_t vlen,
    struct snap_info *out)
{
	struct rd r = rd_init(val, vlen);
	struct snap_info s = { 0 };
	struct item it;
	bool ok = klen == 16;

	while (ok && item_next(&r, &it)) {
		if (it.type == ATTR_NAME)
			ok = get_text(&it, s.name, sizeof(s.name));
		else if (it.type == ATTR_CREATED)
			ok = get_u64(&it, &s.time_ns);
		else
			ok = (it.type & ITEM_MAY_IGNORE) != 0;
	}
	if (!ok || r.bad || !lun_snap_name_ok(s.name))
		return (-EILSEQ);
	s.lun = get_be64(key);
	s.seq = get_be64(key + 8);
	*out = s;
	return (0);
}

/* ---- CAT_EXPOSE ------------------------------------------------------- */

void
row_expose_enc(const struct exposure_info *e, struct row *out)
{
	struct wr w = wr_init(out->val, sizeof(out->val));

	out->tab = CAT_EXPOSE;
	row_snap_key(e->lun, e->seq, out->key);
	out->klen = 16;
	put_identity(&w, &e->identity);
	put_u64(&w, ATTR_CREATED, e->created_ns);
	TT_ASSERT(!w.bad);
	out->vlen = (size_t)(w.p - out->val);
}

int
row_expose_dec(const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen, struct exposure_info *out)
{
	struct rd r = rd_init(val, vlen);
	struct exposure_info e = { 0 };
	struct item it;
	bool ok = klen == 16;

	while (ok && item_next(&r, &it)) {
		if (it.type == ATTR_CREATED)
			ok = get_u64(&it, &e.created_ns);
		else
			ok = get_identity(&it, &e.identity);
	}
	if (!ok || r.bad)
		return (-EILSEQ);
	e.lun = get_be64(key);
	e.seq = get_be64(key + 8);
	*out = e;
	return (0);
}

/* ---- CAT_ACCESS ------------------------------------------------------- */

int
row_user_enc(uint64_t lun, const struct lun_user *u, struct row *out)
{
	struct wr w = wr_init(out->val, sizeof(out->val));
	size_t n = strnlen(u->user, sizeof(u->user));

	if (n == 0 || n > LUN_USER_MAX || u->secret_len == 0 ||
	    u->secret_len > LUN_SECRET_MAX)
		return (-EINVAL);
	out->tab = CAT_ACCESS;
	put_be64(out->key, lun);
	out->key[8] = u->mutual ? ACCESS_MUTUAL : ACCESS_USER;
	memcpy(out->key + 9, u->user, n);
	out->klen = 9 + n;
	item_put(&w, ATTR_SECRET, u->secret, u->secret_len);
	TT_ASSERT(!w.bad);
	out->vlen = (size_t)(w.p - out->val);
	return (0);
}

int
row_user_dec(const uint8_t *key, size_t klen, const uint8_t *val, size_t vlen,
    uint64_t *lun, struct lun_user *out)
{
	struct rd r = rd_init(val, vlen);
	struct lun_user u = { 0 };
	struct item it;

	if (klen < 10 || klen > 9 + LUN_USER_MAX ||
	    (key[8] != ACCESS_USER && key[8] != ACCESS_MUTUAL) ||
	    memchr(key + 9, '\0', klen - 9) != NULL)
		return (-EILSEQ);
	u.mutual = key[8] == ACCESS_MUTUAL;
	memcpy(u.user, key + 9, klen - 9);
	while (item_next(&r, &it)) {
		if (it.type == ATTR_SECRET && it.len <= LUN_SECRET_MAX) {
			memcpy(u.secret, it.val, it.len);
			u.secret_len = it.len;
		} else if ((it.type & ITEM_MAY_IGNORE) == 0) {
			return (-EILSEQ);
		}
	}
	if (r.bad || u.secret_len == 0)
		return (-EILSEQ);
	*lun = get_be64(key);
	*out = u;
	return (0);
}

int
row_initiator_enc(uint64_t lun, const char *name, uint64_t time_ns,
    struct row *out)
{
	struct wr w = wr_init(out->val, sizeof(out->val));
	size_t n = strlen(name);

	if (!lun_initiator_ok(name))
		return (-EINVAL);
	out->tab = CAT_ACCESS;
	put_be64(out->key, lun);
	out->key[8] = ACCESS_INITIATOR;
	memcpy(out->key + 9, name, n);
	out->klen = 9 + n;
	put_u64(&w, ATTR_CREATED, time_ns);
	TT_ASSERT(!w.bad);
	out->vlen = (size_t)(w.p - out->val);
	return (0);
}

int
row_initiator_dec(const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen, uint64_t *lun, char name[static LUN_INITIATOR_CAP])
{
	struct rd r = rd_init(val, vlen);
	char text[LUN_INITIATOR_CAP] = "";
	uint64_t time_ns;
	struct item it;

	if (klen < 10 || klen > 9 + LUN_INITIATOR_MAX ||
	    key[8] != ACCESS_INITIATOR ||
	    memchr(key + 9, '\0', klen - 9) != NULL)
		return (-EILSEQ);
	memcpy(text, key + 9, klen - 9);
	while (item_next(&r, &it))
		if (it.type == ATTR_CREATED ? !get_u64(&it, &time_ns) :
		    (it.type & ITEM_MAY_IGNORE) == 0)
			return (-EILSEQ);
	if (r.bad || !lun_initiator_ok(text))
		return (-EILSEQ);
	*lun = get_be64(key);
	memcpy(name, text, sizeof(text));
	return (0);
}

/* ---- items ------------------------------------------------------------ */

void
row_put_item(struct wr *w, const struct row *r)
{
	uint8_t *mark = item_begin(w, ITEM_ROW_PUT);

	wr_u8(w, (uint8_t)r->tab);
	wr_be16(w, (uint16_t)r->klen);
	wr_bytes(w, r->key, r->klen);
	wr_bytes(w, r->val, r->vlen);
	item_end(w, mark);
}

void
row_del_item(struct wr *w, enum cat_table tab, const void *key, size_t klen)
{
	uint8_t *mark = item_begin(w, ITEM_ROW_DEL);

	wr_u8(w, (uint8_t)tab);
	wr_be16(w, (uint16_t)klen);
	wr_bytes(w, key, klen);
	item_end(w, mark);
}
