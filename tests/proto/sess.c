/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/proto/sess.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/size.h"

#define SECTOR 512

void
txt_add(struct txt *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->b + t->n, sizeof(t->b) - t->n, fmt, ap);
	va_end(ap);
	TT_ASSERT(n >= 0 && (size_t)n + 1 <= sizeof(t->b) - t->n);
	t->n += (size_t)n + 1;
}

/* ---- login ------------------------------------------------------------- */

void
sess_begin(struct sess *s, unsigned port)
{

	*s = (struct sess){ .cmdsn = 1, .itt = 1, .cid = 1,
	    .isid = { 0x80, 0, 0, 0, 0, 1 }, .initial_r2t = true,
	    .immediate = true, .first_burst = 65536, .max_burst = 262144,
	    .mrdsl = 8192 };
	TT_ASSERT(wire_dial(&s->w, port));
}

void
sess_names(struct txt *t, const struct disk *d)
{

	txt_add(t, "InitiatorName=iqn.2026-01.org.example:raw");
	txt_add(t, "TargetName=%s", d->iqn);
	txt_add(t, "SessionType=Normal");
}

static void
number(const struct wpdu *p, const char *key, uint32_t *out)
{
	const char *v = wire_value(p, key);

	if (v != NULL)
		*out = (uint32_t)strtoul(v, NULL, 0);
}

static void
yes(const struct wpdu *p, const char *key, bool *out)
{
	const char *v = wire_value(p, key);

	if (v != NULL)
		*out = strcmp(v, "Yes") == 0;
}

static void
learn(struct sess *s, const struct wpdu *p)
{

	number(p, "FirstBurstLength", &s->first_burst);
	number(p, "MaxBurstLength", &s->max_burst);
	number(p, "MaxRecvDataSegmentLength", &s->mrdsl);
	yes(p, "InitialR2T", &s->initial_r2t);
	yes(p, "ImmediateData", &s->immediate);
}

int
sess_login_pdu(struct sess *s, uint8_t flags, const void *text, size_t n,
    struct wpdu *out)
{
	uint8_t b[48] = { OP_LOGIN | IMMEDIATE, flags };

	memcpy(b + 8, s->isid, 6);
	put_be16(b + 14, s->tsih);
	put_be32(b + 16, s->itt);
	put_be16(b + 20, s->cid);
	put_be32(b + 24, s->cmdsn);
	put_be32(b + 28, s->statsn);
	if (!wire_send(&s->w, b, text, n) ||
	    wire_recv(&s->w, out, WIRE_MS) != WIRE_PDU)
		return (-1);
	if (out->b[0] != OP_LOGIN_RSP)
		return (-1);
	s->statsn = get_be32(out->b + 24) + 1;
	s->max_cmdsn = get_be32(out->b + 32);
	learn(s, out);
	return (get_be16(out->b + 36));
}

size_t
chap_hash(int alg, uint8_t id, const char *secret, const void *chal,
    size_t len, uint8_t out[64])
{
	const EVP_MD *md = alg == 5 ? EVP_md5() : alg == 6 ? EVP_sha1() :
	    alg == 7 ? EVP_sha256() : EVP_sha3_256();
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned n = 0;

	TT_ASSERT(c != NULL && EVP_DigestInit_ex(c, md, NULL) == 1);
	TT_ASSERT(EVP_DigestUpdate(c, &id, 1) == 1);
	TT_ASSERT(EVP_DigestUpdate(c, secret, strlen(secret)) == 1);
	TT_ASSERT(EVP_DigestUpdate(c, chal, len) == 1);
	TT_ASSERT(EVP_DigestFinal_ex(c, out, &n) == 1);
	EVP_MD_CTX_free(c);
	return (n);
}

void
chap_text(char *dst, const uint8_t *p, size_t n, bool base64)
{

	if (base64) {
		(void)strcpy(dst, "0b");
		(void)EVP_EncodeBlock((unsigned char *)dst + 2, p, (int)n);
		return;
	}
	(void)strcpy(dst, "0x");
	for (size_t i = 0; i < n; i++)
		(void)sprintf(dst + 2 + 2 * i, "%02X", p[i]);
}

/* Bytes of "0x..." or "0b...". */
static size_t
from_text(const char *v, uint8_t *out, size_t cap)
{
	size_t n = strlen(v);
	int k;

	if (strncmp(v, "0b", 2) == 0 || strncmp(v, "0B", 2) == 0) {
		if ((n - 2) / 4 * 3 > cap)
			return (0);
		k = EVP_DecodeBlock(out, (const unsigned char *)v + 2,
		    (int)n - 2);
		for (size_t i = n; k > 0 && v[i - 1] == '='; i--)
			k--;
		return (k < 0 ? 0 : (size_t)k);
	}
	if (n < 2 || (n - 2) / 2 > cap)
		return (0);
	for (size_t i = 0; i + 1 < n - 2 + 1 && 2 + 2 * i + 1 < n; i++) {
		char d[3] = { v[2 + 2 * i], v[3 + 2 * i], '\0' };

		out[i] = (uint8_t)strtoul(d, NULL, 16);
	}
	return ((n - 2) / 2);
}

static bool
target_is_right(const struct disk *d, const struct chap *c,
    const struct wpdu *p)
{
	const char *n = wire_value(p, "CHAP_N"), *r = wire_value(p, "CHAP_R");
	uint8_t want[64], got[1024];
	size_t len;

	if (n == NULL || r == NULL || strcmp(n, d->target_user) != 0)
		return (false);
	len = chap_hash(c->alg, 9, d->target_secret, c->challenge,
	    c->challenge_len, want);
	return (from_text(r, got, sizeof(got)) == len &&
	    memcmp(got, want, len) == 0);
}

int
sess_chap(struct sess *s, const struct disk *d, struct chap *c, uint8_t flags,
    struct wpdu *out)
{
	static _Thread_local struct txt t;
	static _Thread_local char text[8192];
	uint8_t chal[1024], h[64];
	const char *a, *i, *v;
	size_t n;
	int rc;

	t.n = 0;
	sess_names(&t, d);
	txt_add(&t, "AuthMethod=CHAP,None");
	if ((rc = sess_login_pdu(s, STAY_SEC, t.b, t.n, out)) != 0)
		return (rc);
	t.n = 0;
	txt_add(&t, "CHAP_A=%d", c->alg);
	if ((rc = sess_login_pdu(s, STAY_SEC, t.b, t.n, out)) != 0)
		return (rc);
	a = wire_value(out, "CHAP_A");
	i = wire_value(out, "CHAP_I");
	v = wire_value(out, "CHAP_C");
	if (a == NULL || i == NULL || v == NULL || atoi(a) != c->alg)
		return (-2);
	n = from_text(v, chal, sizeof(chal));
	n = chap_hash(c->alg, (uint8_t)strtoul(i, NULL, 0), d->secret, chal, n,
	    h);
	chap_text(text, h, n, c->base64);
	t.n = 0;
	txt_add(&t, "CHAP_N=%s", d->user);
	txt_add(&t, "CHAP_R=%s", text);
	if (c->challenge != NULL) {
		chap_text(text, c->challenge, c->challenge_len, c->base64);
		txt_add(&t, "CHAP_I=9");
		txt_add(&t, "CHAP_C=%s", text);
	}
	rc = sess_login_pdu(s, flags, t.b, t.n, out);
	if (rc == 0 && c->challenge != NULL)
		c->bad_target = !target_is_right(d, c, out);
	return (rc);
}

int
sess_login(struct sess *s, const struct disk *d, struct chap *c,
    const char *const *keys)
{
	static _Thread_local struct txt t;
	bool hd = false, dd = false;
	const char *v;
	struct wpdu p;
	int rc;

	t.n = 0;
	if (c != NULL) {
		if ((rc = sess_chap(s, d, c, TO_OPER, &p)) != 0)
			return (rc);
	} else
		sess_names(&t, d);
	for (; keys != NULL && *keys != NULL; keys++)
		txt_add(&t, "%s", *keys);
	if ((rc = sess_login_pdu(s, TO_FULL, t.b, t.n, &p)) != 0)
		return (rc);
	v = wire_value(&p, "HeaderDigest");
	hd = v != NULL && strcmp(v, "CRC32C") == 0;
	v = wire_value(&p, "DataDigest");
	dd = v != NULL && strcmp(v, "CRC32C") == 0;
	/* It may want to say something before it moves on. */
	while (rc == 0 && (p.b[1] & 0x87) != TO_FULL)
		rc = sess_login_pdu(s, TO_FULL, NULL, 0, &p);
	s->tsih = get_be16(p.b + 14);
	s->itt++;
	s->w.hdigest = hd;
	s->w.ddigest = dd;
	return (rc);
}

bool
sess_open(struct sess *s, const struct disk *d, unsigned port,
    const char *const *keys)
{
	struct chap c = { .alg = 7 };
	struct result r = { .status = 2 };

	sess_begin(s, port);
	if (sess_login(s, d, d->user[0] == '\0' ? NULL : &c, keys) != 0)
		return (false);
	for (int i = 0; i < 8 && r.status != 0; i++)
		if (!sess_ready(s, &r))
			return (false);
	return (r.status == 0);
}

void
sess_close(struct sess *s)
{
	uint8_t b[48];

	if (s->w.fd < 0)
		return;
	sess_header(s, b, OP_LOGOUT | IMMEDIATE, 0x80);
	if (wire_send(&s->w, b, NULL, 0))
		(void)wire_gone(&s->w, WIRE_MS);
	wire_close(&s->w);
}

/* ---- commands ---------------------------------------------------------- */

void
sess_header(struct sess *s, uint8_t b[48], uint8_t op, uint8_t flags)
{

	memset(b, 0, 48);
	b[0] = op;
	b[1] = flags;
	put_be32(b + 16, s->itt++);
	put_be32(b + 24, s->cmdsn);
	put_be32(b + 28, s->statsn);
	if ((op & IMMEDIATE) == 0 && op != OP_DATA_OUT)
		s->cmdsn++;
}

void
sess_rw(struct sess *s, uint8_t b[48], bool write, uint32_t lba,
    uint32_t n_lba, uint32_t edtl, uint32_t *itt)
{

	sess_header(s, b, OP_SCSI, write ? 0xa1 : 0xc1);
	*itt = get_be32(b + 16);
	put_be32(b + 20, edtl);
	b[32] = write ? 0x2a : 0x28;
	put_be32(b + 34, lba);
	put_be16(b + 39, (uint16_t)n_lba);
}

void
sess_data_out(struct sess *s, uint32_t itt, uint32_t ttt, bool final,
    uint32_t datasn, uint32_t off, const void *data, size_t len)
{
	uint8_t b[48] = { OP_DATA_OUT, final ? 0x80 : 0 };

	put_be32(b + 16, itt);
	put_be32(b + 20, ttt);
	put_be32(b + 28, s->statsn);
	put_be32(b + 36, datasn);
	put_be32(b + 40, off);
	(void)wire_send(&s->w, b, data, len);
}

/* Data for [off, off + len) in segments as large as the target takes. */
static void
send_burst(struct sess *s, uint32_t itt, uint32_t ttt, const uint8_t *out,
    uint32_t off, uint32_t len)
{
	uint32_t sn = 0;

	while (len > 0) {
		uint32_t n = TT_MIN(len, s->mrdsl);

		sess_data_out(s, itt, ttt, n == len, sn++, off, out + off, n);
		off += n;
		len -= n;
	}
}

enum wire_got
sess_recv(struct sess *s, struct wpdu *p, unsigned ms)
{
	enum wire_got got;

	while ((got = wire_recv(&s->w, p, ms)) == WIRE_PDU) {
		uint8_t b[48];

		if (p->b[0] != OP_DATA_IN || (p->b[1] & 1) != 0)
			s->max_cmdsn = get_be32(p->b + 32);
		if (p->b[0] == OP_NOP_IN &&
		    get_be32(p->b + 20) != NO_TAG) {
			sess_header(s, b, OP_NOP_OUT | IMMEDIATE, 0x80);
			put_be32(b + 16, NO_TAG);
			memcpy(b + 20, p->b + 20, 4);
			(void)wire_send(&s->w, b, NULL, 0);
			continue;
		}
		if (p->b[0] == OP_ASYNC) {
			s->asyncs++;
			continue;
		}
		if (p->b[0] != OP_R2T &&
		    (p->b[0] != OP_DATA_IN || (p->b[1] & 1) != 0))
			s->statsn = get_be32(p->b + 24) + 1;
		if (p->b[0] == OP_REJECT) {
			s->rejects++;
			s->reject_reason = p->b[2];
		}
		break;
	}
	return (got);
}

static void
response(const struct wpdu *p, struct result *r)
{

	r->response = p->b[2];
	r->status = p->b[3];
	r->flags = p->b[1];
	r->residual = get_be32(p->b + 44);
	if (p->len >= 2 + 14) {
		r->key = p->data[2 + 2] & 15;
		r->asc = p->data[2 + 12];
		r->ascq = p->data[2 + 13];
	}
}

bool
sess_result(struct sess *s, uint32_t itt, const void *out, void *in,
    size_t in_cap, struct result *r)
{
	struct wpdu p;
	size_t in_len = 0;

	*r = (struct result){ .status = 0 };
	while (sess_recv(s, &p, WIRE_MS) == WIRE_PDU) {
		/* A rejected command has no other answer. */
		if (p.b[0] == OP_REJECT && p.len >= 48 &&
		    (p.data[0] & 0x3f) == OP_SCSI &&
		    get_be32(p.data + 16) == itt)
			return (false);
		if (get_be32(p.b + 16) != itt)
			continue;
		if (p.b[0] == OP_R2T && out != NULL) {
			s->r2ts++;
			send_burst(s, itt, get_be32(p.b + 20), out,
			    get_be32(p.b + 40), get_be32(p.b + 44));
		} else if (p.b[0] == OP_DATA_IN) {
			uint32_t off = get_be32(p.b + 40);

			if (off + p.len > in_cap || off != in_len)
				return (false);
			if (p.len > 0)
				memcpy((uint8_t *)in + off, p.data, p.len);
			in_len += p.len;
			r->in_len = in_len;
			if ((p.b[1] & 1) != 0) {
				r->status = p.b[3];
				r->flags = p.b[1];
				r->residual = get_be32(p.b + 44);
				return (true);
			}
		} else if (p.b[0] == OP_SCSI_RSP) {
			response(&p, r);
			return (true);
		}
	}
	return (false);
}

bool
sess_write(struct sess *s, uint32_t lba, const void *buf, size_t len)
{
	uint32_t itt, imm = 0, first;
	struct result r;
	uint8_t b[48];

	sess_rw(s, b, true, lba, (uint32_t)(len / SECTOR), (uint32_t)len,
	    &itt);
	first = (uint32_t)TT_MIN(len, s->first_burst);
	if (s->immediate)
		imm = TT_MIN(first, s->mrdsl);
	if (!s->initial_r2t && imm < first)
		b[1] &= 0x7f;		/* unsolicited data follows */
	if (!wire_send(&s->w, b, buf, imm))
		return (false);
	if (!s->initial_r2t && imm < first)
		send_burst(s, itt, NO_TAG, buf, imm, first - imm);
	return (sess_result(s, itt, buf, NULL, 0, &r) && r.response == 0 &&
	    r.status == 0);
}

bool
sess_read(struct sess *s, uint32_t lba, void *buf, size_t len)
{
	struct result r;
	uint32_t itt;
	uint8_t b[48];

	sess_rw(s, b, false, lba, (uint32_t)(len / SECTOR), (uint32_t)len,
	    &itt);
	return (wire_send(&s->w, b, NULL, 0) &&
	    sess_result(s, itt, NULL, buf, len, &r) && r.status == 0 &&
	    r.in_len == len);
}

bool
sess_ready(struct sess *s, struct result *r)
{
	uint8_t b[48];

	sess_header(s, b, OP_SCSI, 0x81);
	return (wire_send(&s->w, b, NULL, 0) &&
	    sess_result(s, get_be32(b + 16), NULL, NULL, 0, r));
}

bool
sess_ping(struct sess *s)
{
	static const char text[] = "are you there?";
	struct wpdu p;
	uint8_t b[48];

	sess_header(s, b, OP_NOP_OUT | IMMEDIATE, 0x80);
	put_be32(b + 20, NO_TAG);
	if (!wire_send(&s->w, b, text, sizeof(text)))
		return (false);
	while (sess_recv(s, &p, WIRE_MS) == WIRE_PDU)
		if (p.b[0] == OP_NOP_IN && memcmp(p.b + 16, b + 16, 4) == 0)
			return (p.len == sizeof(text) &&
			    memcmp(p.data, text, p.len) == 0);
	return (false);
}

int
sess_tmf(struct sess *s, uint8_t fn, uint32_t rtt, uint32_t ref_cmdsn)
{
	struct wpdu p;
	uint8_t b[48];

	sess_header(s, b, OP_TMF | IMMEDIATE, (uint8_t)(0x80 | fn));
	put_be32(b + 20, rtt);
	put_be32(b + 32, ref_cmdsn);
	if (!wire_send(&s->w, b, NULL, 0))
		return (-1);
	while (sess_recv(s, &p, WIRE_MS) == WIRE_PDU)
		if (p.b[0] == OP_TMF_RSP && memcmp(p.b + 16, b + 16, 4) == 0)
			return (p.b[2]);
	return (-1);
}
