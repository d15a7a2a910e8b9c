/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ini.h - an initiator of bytes for tests: its own idea of what PDUs look
 * like, a CRC32C of its own, and a fixture with one node and two loops.
 */
#ifndef TESTS_UNIT_ISCSI_INI_H
#define TESTS_UNIT_ISCSI_INI_H

#include "tests/lib/unit.h"
#include "tests/unit/iscsi/fake_env.h"
#include "tests/unit/iscsi/fake_net.h"

struct pdu {
	uint8_t b[48];
	uint8_t *data;		/* in the connection's output */
	uint32_t len;
};

struct ini {
	struct conn *net;
	bool hdigest, ddigest;
	uint32_t cmdsn, statsn;
	uint8_t isid;
	bool bad_digest;	/* spoil the next data digest */
	bool bad_header;	/* spoil the next header digest */
};

static struct {
	struct iscsi_node *node;
	struct loop *loop[2];
	struct iscsi_worker *w[2];
	unsigned idle;
} fx;

static inline void
fx_run(void)
{

	net_run(fx.loop, 2);
}

static inline void
fx_open(const struct iscsi_env *env)
{

	fake_clear();
	memset(&fx, 0, sizeof(fx));
	net_loopback = true;
	net_tiny = false;
	TT_ASSERT(iscsi_node_new(env, &fx.node) == 0);
	for (int i = 0; i < 2; i++) {
		fx.loop[i] = net_loop();
		TT_ASSERT(iscsi_worker_new(fx.node, fx.loop[i],
		    &fx.w[i]) == 0);
	}
}

static inline void
fx_idle(void *arg)
{

	(void)arg;
	fx.idle++;
}

/* Ends everything by force; nothing may be left. */
static inline void
fx_close(void)
{

	/* Each worker has told or tells once that it is idle. */
	for (int i = 0; i < 2; i++)
		iscsi_worker_stop(fx.w[i], true, fx_idle, NULL);
	fx_run();
	CU_ASSERT_EQUAL(fx.idle, 2);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(list_empty(&fx.loop[i]->timers));
		iscsi_worker_free(fx.w[i]);
		free(fx.loop[i]);
	}
	CU_ASSERT_EQUAL(iscsi_node_count(fx.node, NULL), 0);
	iscsi_node_free(fx.node);
	net_free_all();
	CU_ASSERT_EQUAL(fake.n_submitted, fake.n_done);
	CU_ASSERT_EQUAL(fake.n_submitted, fake.n_released);
	CU_ASSERT_EQUAL(fake.n_started, fake.n_ended);
}

/* Bit by bit, so that it shares nothing with the target's. */
static inline uint32_t
ini_crc(uint32_t crc, const uint8_t *p, size_t n)
{

	while (n-- > 0) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return (crc);
}

static inline void
ini_put_crc(uint8_t d[4], uint32_t crc)
{

	crc = ~crc;
	for (int k = 0; k < 4; k++)
		d[k] = (uint8_t)(crc >> 8 * k);
}

static inline struct ini
ini_connect(int worker)
{
	struct ini c = { .cmdsn = 7, .isid = 1 };

	CU_ASSERT_EQUAL(iscsi_conn_accept(fx.w[worker], -1, 1), 0);
	c.net = LIST_ENTRY(net_conns.prev, struct conn, link);
	return (c);
}

static inline void
ini_raw(struct ini *c, const void *p, size_t n)
{

	bytes_add(&c->net->in, p, n);
}

/* ${ahs} is a whole additional header, a multiple of four long. */
static inline void
ini_send_ahs(struct ini *c, uint8_t b[48], const void *ahs, uint32_t ahs_len,
    const void *data, uint32_t len)
{
	uint8_t d[4], zero[4] = { 0 };
	uint32_t pad = (4 - len % 4) % 4, crc;

	b[4] = (uint8_t)(ahs_len / 4);
	put_be24(b + 5, len);
	ini_raw(c, b, 48);
	ini_raw(c, ahs, ahs_len);
	if (c->hdigest) {
		crc = ini_crc(ini_crc(0xffffffff, b, 48), ahs, ahs_len);
		ini_put_crc(d, crc);
		d[0] ^= c->bad_header;
		ini_raw(c, d, 4);
	}
	ini_raw(c, data, len);
	ini_raw(c, zero, pad);
	if (c->ddigest && len > 0) {
		crc = ini_crc(ini_crc(0xffffffff, data, len), zero, pad);
		ini_put_crc(d, crc);
		d[0] ^= c->bad_digest;
		c->bad_digest = false;
		ini_raw(c, d, 4);
	}
}

static inline void
ini_send(struct ini *c, uint8_t b[48], const void *data, uint32_t len)
{

	ini_send_ahs(c, b, "", 0, data, len);
}

/* The next PDU the target sent; false: none.  Checks padding and digests. */
static inline bool
ini_recv(struct ini *c, struct pdu *out)
{
	struct conn *n = c->net;
	size_t have = n->out.len - n->out_read, need = 48, pad;
	uint8_t *p = n->out.p + n->out_read, d[4];

	memset(out, 0, sizeof(*out));
	if (have < need)
		return (false);
	memcpy(out->b, p, 48);
	CU_ASSERT_EQUAL(p[4], 0);
	if (c->hdigest) {
		ini_put_crc(d, ini_crc(0xffffffff, p, 48));
		CU_ASSERT_EQUAL(memcmp(p + need, d, 4), 0);
		need += 4;
	}
	out->len = get_be24(p + 5);
	out->data = p + need;
	pad = (4 - out->len % 4) % 4;
	need += out->len + pad;
	TT_ASSERT(have >= need);
	for (size_t i = 0; i < pad; i++)
		CU_ASSERT_EQUAL(out->data[out->len + i], 0);
	if (c->ddigest && out->len > 0) {
		ini_put_crc(d, ini_crc(0xffffffff, out->data,
		    out->len + pad));
		CU_ASSERT_EQUAL(memcmp(p + need, d, 4), 0);
		need += 4;
	}
	n->out_read += need;
	return (true);
}

/* Run, and take a PDU that must be there with this opcode. */
static inline struct pdu
ini_expect(struct ini *c, uint8_t opcode)
{
	struct pdu p;
	bool got;

	fx_run();
	got = ini_recv(c, &p);
	CU_ASSERT_TRUE(got);
	CU_ASSERT_EQUAL(p.b[0], opcode);
	return (p);
}

static inline bool
ini_silent(struct ini *c)
{

	fx_run();
	return (c->net->out.len == c->net->out_read);
}

static inline bool
ini_closed(struct ini *c)
{

	fx_run();
	return (c->net->gone);
}

/* Append "key=value" and its zero byte. */
static inline void
ini_text(struct bytes *t, const char *pair)
{

	bytes_add(t, pair, strlen(pair) + 1);
}

/*
 * A Login Request; ${pairs} are strings, each with its zero byte, ended by an
 * empty one.
 */
static inline void
ini_login_pdu(struct ini *c, uint8_t flags, const char *const *pairs)
{
	struct bytes t = { 0 };
	uint8_t b[48] = { 0x43, flags };

	for (; *pairs != NULL; pairs++)
		ini_text(&t, *pairs);
	b[8] = 0x80;
	b[13] = c->isid;
	put_be32(b + 16, 0x11223344);
	put_be16(b + 20, 1);
	put_be32(b + 24, c->cmdsn);
	put_be32(b + 28, c->statsn);
	ini_send(c, b, t.p == NULL ? (const void *)"" : t.p, (uint32_t)t.len);
	free(t.p);
}
#define INI_LOGIN(c, flags, ...)					\
	ini_login_pdu((c), (flags), (const char *const[]){ __VA_ARGS__, NULL })

#define T_SEC_OPER	0x81	/* T, CSG 0, NSG 1 */
#define T_SEC_FULL	0x83
#define T_OPER_FULL	0x87

/* The value of a key in a text segment, NULL when it is not there. */
static inline const char *
pdu_value(const struct pdu *p, const char *key)
{
	size_t k = strlen(key), i = 0;
	const char *s = (const char *)p->data;

	while (i < p->len) {
		if (strncmp(s + i, key, k) == 0 && s[i + k] == '=')
			return (s + i + k + 1);
		i += strlen(s + i) + 1;
	}
	return (NULL);
}

#define CU_ASSERT_VALUE(p, key, want)					\
	do {								\
		const char *v_ = pdu_value((p), (key));			\
		CU_ASSERT_PTR_NOT_NULL(v_);				\
		if (v_ != NULL)						\
			CU_ASSERT_STRING_EQUAL(v_, (want));		\
	} while (0)

static inline uint16_t
login_code(const struct pdu *p)
{

	return (get_be16(p->b + 36));
}

/* Into full feature phase of iqn.t:open with some operational keys. */
static inline struct ini
ini_session_isid(int worker, uint8_t isid, const char *const *keys)
{
	const char *pairs[32] = { "InitiatorName=iqn.i:one",
	    "TargetName=iqn.t:open", "SessionType=Normal" };
	struct ini c = ini_connect(worker);
	struct pdu p;
	int n = 3;

	for (; keys != NULL && *keys != NULL; keys++) {
		pairs[n++] = *keys;
		c.hdigest |= strcmp(*keys, "HeaderDigest=CRC32C") == 0;
		c.ddigest |= strcmp(*keys, "DataDigest=CRC32C") == 0;
	}
	c.isid = isid;
	{
		struct ini plain = c;

		plain.hdigest = plain.ddigest = false;
		ini_login_pdu(&plain, T_OPER_FULL, pairs);
		p = ini_expect(&plain, 0x23);
	}
	CU_ASSERT_EQUAL(login_code(&p), 0);
	CU_ASSERT_EQUAL(p.b[1], T_OPER_FULL);
	c.statsn = get_be32(p.b + 24) + 1;
	return (c);
}

static inline struct ini
ini_session(const char *const *keys)
{

	return (ini_session_isid(0, 1, keys));
}

/*
 * A SCSI command on blocks; ${flags}: F R W and attribute.  ${edtl} and the
 * blocks of the CDB need not agree.  Returns its tag, which is the CmdSN.
 */
static inline uint32_t
ini_scsi(struct ini *c, uint8_t flags, uint8_t opcode, uint32_t lba,
    uint16_t blocks, uint32_t edtl, const void *imm, uint32_t imm_len)
{
	uint8_t b[48] = { 0x01, flags };

	put_be32(b + 16, c->cmdsn);
	put_be32(b + 20, edtl);
	put_be32(b + 24, c->cmdsn);
	put_be32(b + 28, c->statsn);
	b[32] = opcode;
	put_be32(b + 34, lba);
	put_be16(b + 39, blocks);
	ini_send(c, b, imm, imm_len);
	return (c->cmdsn++);
}

static inline void
ini_data_out(struct ini *c, uint32_t itt, uint32_t ttt, bool final,
    uint32_t datasn, uint32_t off, const void *data, uint32_t len)
{
	uint8_t b[48] = { 0x05, (uint8_t)(final ? 0x80 : 0) };

	put_be32(b + 16, itt);
	put_be32(b + 20, ttt);
	put_be32(b + 36, datasn);
	put_be32(b + 40, off);
	ini_send(c, b, data, len);
}

/* Immediate task management; ${itt} must be free. */
static inline void
ini_tmf(struct ini *c, uint8_t fn, uint32_t itt, uint32_t rtt,
    uint32_t ref_cmdsn)
{
	uint8_t b[48] = { 0x42, (uint8_t)(0x80 | fn) };

	put_be32(b + 16, itt);
	put_be32(b + 20, rtt);
	put_be32(b + 24, c->cmdsn);
	put_be32(b + 32, ref_cmdsn);
	ini_send(c, b, "", 0);
}

static inline void
ini_logout(struct ini *c, uint8_t reason, uint16_t cid)
{
	uint8_t b[48] = { 0x46, (uint8_t)(0x80 | reason) };

	put_be32(b + 16, 0xabcd);
	put_be16(b + 20, cid);
	put_be32(b + 24, c->cmdsn);
	ini_send(c, b, "", 0);
}

/* NOP-Out ping; immediate or not. */
static inline void
ini_ping(struct ini *c, bool immediate, uint32_t itt, const void *data,
    uint32_t len)
{
	uint8_t b[48] = { (uint8_t)(immediate ? 0x40 : 0x00), 0x80 };

	put_be32(b + 16, itt);
	put_be32(b + 20, 0xffffffff);
	put_be32(b + 24, immediate ? c->cmdsn : c->cmdsn++);
	ini_send(c, b, data, len);
}

#endif /* !TESTS_UNIT_ISCSI_INI_H */
