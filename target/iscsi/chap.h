/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chap.h - CHAP (RFC 1994, RFC 7143 12.1.3): algorithms, challenges,
 * responses, and the hexadecimal and base64 forms of binary values.
 *
 * Responses are compared in constant time; whatever held a secret is wiped by
 * the function that held it.  Nothing here logs.
 *
 * Threads: any; no state.
 */
#ifndef TARGET_ISCSI_CHAP_H
#define TARGET_ISCSI_CHAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/iscsi/env.h"

#define CHAP_BIN_MAX	1024	/* bytes of a binary value, RFC 7143 12.1.3 */
#define CHAP_HASH_MAX	32
#define CHAP_TEXT_CAP	(2 + 2 * CHAP_HASH_MAX + 1)	/* of chap_hex */

struct chap_alg;

/**
 * chap_choose(list, allowed):
 * The first value of the peer's CHAP_A list that is in ${allowed}
 * (ISCSI_CHAP_*), or NULL.
 */
const struct chap_alg *chap_choose(const char *list, unsigned allowed);

unsigned chap_alg_number(const struct chap_alg *a);	/* 5, 6, 7, 8 */
const char *chap_alg_name(const struct chap_alg *a);
size_t chap_alg_bytes(const struct chap_alg *a);	/* of a response */

/**
 * chap_binary(text, dst, cap, out_len):
 * Decode "0x..." or "0b...".  An odd number of hexadecimal digits means a
 * leading zero digit.
 * Errors: -EINVAL neither form, empty, a wrong digit or padding;
 *         -EMSGSIZE more than ${cap} bytes.
 */
int chap_binary(const char *text, uint8_t *dst, size_t cap, size_t *out_len);

/* "0x..." of at most CHAP_HASH_MAX bytes. */
const char *chap_hex(char dst[static CHAP_TEXT_CAP], const uint8_t *src,
    size_t len);

/* Bytes that nobody can guess.  Errors: -EIO. */
int chap_random(uint8_t *dst, size_t len);

/**
 * chap_response(a, id, secret, challenge, len, out):
 * H(id, secret, challenge) into ${out}, chap_alg_bytes long.
 * Errors: -EIO the algorithm is switched off in libcrypto.
 */
int chap_response(const struct chap_alg *a, uint8_t id,
    const struct iscsi_secret *secret, const uint8_t *challenge, size_t len,
    uint8_t out[static CHAP_HASH_MAX]);

/* Constant time for equal lengths. */
bool chap_equal(const uint8_t *a, size_t a_len, const uint8_t *b,
    size_t b_len);

void chap_wipe(void *p, size_t len);

#endif /* !TARGET_ISCSI_CHAP_H */
