/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - PDUs of RFC 7143 on a socket, for a raw initiator: it sends what it
 * is told, right or wrong.  Shares no code with the target, nor its CRC32C.
 *
 * Threads: a struct wire belongs to one thread.
 */
#ifndef TESTS_PROTO_WIRE_H
#define TESTS_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MS 30000		/* longer than any answer may take */

/* Opcodes, RFC 7143 11.2.1.2. */
enum {
	OP_NOP_OUT = 0x00, OP_SCSI = 0x01, OP_TMF = 0x02, OP_LOGIN = 0x03,
	OP_TEXT = 0x04, OP_DATA_OUT = 0x05, OP_LOGOUT = 0x06, OP_SNACK = 0x10,
	OP_NOP_IN = 0x20, OP_SCSI_RSP = 0x21, OP_TMF_RSP = 0x22,
	OP_LOGIN_RSP = 0x23, OP_TEXT_RSP = 0x24, OP_DATA_IN = 0x25,
	OP_LOGOUT_RSP = 0x26, OP_R2T = 0x31, OP_ASYNC = 0x32,
	OP_REJECT = 0x3f,
	IMMEDIATE = 0x40
};

#define NO_TAG 0xffffffffu

struct wire {
	int fd;			/* -1: closed */
	bool hdigest, ddigest;
	bool spoil_header, spoil_data;	/* the digest of the next PDU */
	bool bad;		/* what came broke a rule of the format */
	uint8_t *in;		/* received: [in_beg, in_end) */
	size_t in_beg, in_end, in_cap;
	uint64_t received;	/* bytes, all in all */
};

struct wpdu {
	uint8_t b[48];
	const uint8_t *data;	/* until the next wire_recv */
	uint32_t len;
};

enum wire_got { WIRE_PDU, WIRE_CLOSED, WIRE_NOTHING };

uint32_t wire_crc(uint32_t crc, const void *p, size_t n);	/* begin: 0 */

bool wire_dial(struct wire *w, unsigned port);
void wire_close(struct wire *w);
void wire_reset(struct wire *w);	/* RST instead of FIN */

/* False: the other side has closed. */
bool wire_raw(struct wire *w, const void *p, size_t n);
/* Sets the lengths in ${b}; padding and digests as they should be. */
bool wire_send(struct wire *w, uint8_t b[48], const void *data, size_t len);
bool wire_send_ahs(struct wire *w, uint8_t b[48], const void *ahs,
    size_t ahs_len, const void *data, size_t len);

/* One PDU; its padding and digests are checked (${w->bad}). */
enum wire_got wire_recv(struct wire *w, struct wpdu *out, unsigned ms);
/* Reads what comes; true: the other side closed within ${ms}. */
bool wire_gone(struct wire *w, unsigned ms);

/* The value of a key in a text segment, or NULL. */
const char *wire_value(const struct wpdu *p, const char *key);

#endif /* !TESTS_PROTO_WIRE_H */
