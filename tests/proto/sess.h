/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sess.h - a raw session: login with CHAP, commands, data as negotiated.
 */
#ifndef TESTS_PROTO_SESS_H
#define TESTS_PROTO_SESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/e2e/daemon.h"
#include "tests/proto/wire.h"

/* Stages as flags of a Login Request: T, CSG, NSG. */
#define TO_FULL		0x87	/* operational, to full feature */
#define TO_OPER		0x81	/* security, to operational */
#define SEC_TO_FULL	0x83
#define STAY_SEC	0x00
#define STAY_OPER	0x04
#define C_BIT		0x40

struct txt {			/* "key=value" with zeroes between */
	char b[65536];
	size_t n;
};

struct sess {
	struct wire w;
	uint32_t cmdsn, statsn, itt;
	uint32_t max_cmdsn;
	uint8_t isid[6];
	uint16_t tsih, cid;
	bool initial_r2t, immediate;
	uint32_t first_burst, max_burst, mrdsl;	/* mrdsl: the target's */
	unsigned rejects, asyncs;
	uint8_t reject_reason;
	unsigned r2ts;		/* answered so far */
};

/* How to prove oneself, beside what struct disk says. */
struct chap {
	int alg;		/* 5 MD5, 6 SHA1, 7 SHA-256, 8 SHA3-256 */
	bool base64;
	const uint8_t *challenge;	/* to the target; NULL: not mutual */
	size_t challenge_len;
	bool bad_target;	/* result: its answer was wrong or missing */
};

struct result {
	uint8_t response, status;
	uint8_t flags;		/* of the SCSI Response or the last Data-In */
	uint32_t residual;
	uint8_t key, asc, ascq;
	size_t in_len;
};

void txt_add(struct txt *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One Login Request; its answer in ${out}: status, or -1 closed. */
int sess_login_pdu(struct sess *s, uint8_t flags, const void *text, size_t n,
    struct wpdu *out);
void sess_begin(struct sess *s, unsigned port);	/* connect; ISID 1 */
/* The names of a normal session for ${d}. */
void sess_names(struct txt *t, const struct disk *d);

/*
 * The whole login; ${keys}: operational pairs, NULL-terminated, may be NULL.
 * Status (class << 8 | detail), or -1 when the connection was closed.
 */
int sess_login(struct sess *s, const struct disk *d, struct chap *c,
    const char *const *keys);
/* Connect and log in; unit attentions are consumed.  True: all is well. */
bool sess_open(struct sess *s, const struct disk *d, unsigned port,
    const char *const *keys);
void sess_close(struct sess *s);	/* logout, close */

/* The security stage: status of its last answer.  ${flags}: of that request. */
int sess_chap(struct sess *s, const struct disk *d, struct chap *c,
    uint8_t flags, struct wpdu *out);
/* H(id, secret, challenge); its length. */
size_t chap_hash(int alg, uint8_t id, const char *secret, const void *chal,
    size_t len, uint8_t out[64]);
/* "0x..." or "0b..." of any length. */
void chap_text(char *dst, const uint8_t *p, size_t n, bool base64);

/* Header of a request: opcode, flags, ITT, CmdSN, ExpStatSN. */
void sess_header(struct sess *s, uint8_t b[48], uint8_t op, uint8_t flags);
/* READ(10) or WRITE(10) header with ${edtl}; ${*itt} is its tag. */
void sess_rw(struct sess *s, uint8_t b[48], bool write, uint32_t lba,
    uint32_t n_lba, uint32_t edtl, uint32_t *itt);
void sess_data_out(struct sess *s, uint32_t itt, uint32_t ttt, bool final,
    uint32_t datasn, uint32_t off, const void *data, size_t len);

/*
 * Wait for the end of ${itt}, answering R2Ts out of ${out} and NOPs; data-in
 * goes to ${in}.  False: rejected, closed, or nothing came.
 */
bool sess_result(struct sess *s, uint32_t itt, const void *out, void *in,
    size_t in_cap, struct result *r);
/* Any PDU but NOP-In requests and Async; WIRE_*. */
enum wire_got sess_recv(struct sess *s, struct wpdu *p, unsigned ms);

bool sess_write(struct sess *s, uint32_t lba, const void *buf, size_t len);
bool sess_read(struct sess *s, uint32_t lba, void *buf, size_t len);
bool sess_ready(struct sess *s, struct result *r);	/* TEST UNIT READY */
/* NOP-Out with data: true when the same came back. */
bool sess_ping(struct sess *s);
/* Task management; its response, or -1. */
int sess_tmf(struct sess *s, uint8_t fn, uint32_t rtt, uint32_t ref_cmdsn);

#endif /* !TESTS_PROTO_SESS_H */
