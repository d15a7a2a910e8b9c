/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_chap.c - CHAP against answers of the openssl command, and both forms of
 * binary values at every length.
 */
#include "target/iscsi/chap.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

#define ALL 0xfu

/*
 * printf '\x5acorrect horse battery\x00\x01...\x0f' | openssl dgst -md5, -sha1,
 * -sha256, -sha3-256
 */
static void
test_known_answers(void)
{
	static const struct {
		const char *list, *name, *hex;
		unsigned number;
		size_t bytes;
	} t[] = {
		{ "5", "MD5", "0x40db8fff8d6ff265bec7bea4f714c9c7", 5, 16 },
		{ "6", "SHA1",
		    "0x19b2e59fcbe13571a3fa82b84f416969af8bd157", 6, 20 },
		{ "7", "SHA-256", "0xf72e2cc84944f1d525b3c66ba4c170ac"
		    "04ee1197e3db07208dc834ca1fa01568", 7, 32 },
		{ "8", "SHA3-256", "0x6b3fa888998c84da2474a57ba6df23d4"
		    "d9bbfca95e5883cddcf5c747fd192b6b", 8, 32 }
	};
	struct iscsi_secret s = { .len = 21 };
	uint8_t chal[16], out[CHAP_HASH_MAX];
	char hex[CHAP_TEXT_CAP];

	memcpy(s.b, "correct horse battery", 21);
	for (uint8_t i = 0; i < 16; i++)
		chal[i] = i;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct chap_alg *a = chap_choose(t[i].list, ALL);

		CU_ASSERT_PTR_NOT_NULL_FATAL(a);
		CU_ASSERT_EQUAL(chap_alg_number(a), t[i].number);
		CU_ASSERT_EQUAL(chap_alg_bytes(a), t[i].bytes);
		CU_ASSERT_STRING_EQUAL(chap_alg_name(a), t[i].name);
		CU_ASSERT_EQUAL(chap_response(a, 0x5a, &s, chal, 16, out), 0);
		CU_ASSERT_STRING_EQUAL(chap_hex(hex, out, t[i].bytes),
		    t[i].hex);
	}
}

static unsigned
chosen(const char *list, unsigned allowed)
{
	const struct chap_alg *a = chap_choose(list, allowed);

	return (a == NULL ? 0 : chap_alg_number(a));
}

/* The first of the peer's that is allowed; the order is the peer's. */
static void
test_choose(void)
{

	CU_ASSERT_EQUAL(chosen("5", ALL), 5);
	CU_ASSERT_EQUAL(chosen("7,5", ALL), 7);
	CU_ASSERT_EQUAL(chosen("5,7", ALL), 5);
	CU_ASSERT_EQUAL(chosen("8,7,6,5", ISCSI_CHAP_MD5 | ISCSI_CHAP_SHA1), 6);
	CU_ASSERT_EQUAL(chosen("9,99,6", ALL), 6);
	CU_ASSERT_EQUAL(chosen("0x7,5", ALL), 7);
	CU_ASSERT_EQUAL(chosen("5", ISCSI_CHAP_SHA256), 0);
	CU_ASSERT_EQUAL(chosen("", ALL), 0);
	CU_ASSERT_EQUAL(chosen(",,,", ALL), 0);
	CU_ASSERT_EQUAL(chosen("50", ALL), 0);
	CU_ASSERT_EQUAL(chosen("5 ", ALL), 0);
	CU_ASSERT_EQUAL(chosen("4294967301", ALL), 0);
	CU_ASSERT_EQUAL(chosen("x,y,00000000000000000000000005,8", ALL), 8);
}

static void
test_hex_every_length(void)
{
	uint8_t src[CHAP_BIN_MAX + 1], dst[CHAP_BIN_MAX];
	char *text = malloc(2 + 2 * sizeof(src) + 1);
	size_t len;

	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i * 37 + 11);
	for (size_t n = 1; n <= sizeof(src); n++) {
		text[0] = '0';
		text[1] = n % 2 == 0 ? 'x' : 'X';
		for (size_t i = 0; i < n; i++)
			(void)snprintf(text + 2 + 2 * i, 3,
			    n % 3 == 0 ? "%02X" : "%02x", src[i]);
		len = 0;
		if (n > CHAP_BIN_MAX) {
			CU_ASSERT_EQUAL(chap_binary(text, dst, sizeof(dst),
			    &len), -EMSGSIZE);
			continue;
		}
		CU_ASSERT_EQUAL(chap_binary(text, dst, sizeof(dst), &len), 0);
		CU_ASSERT_EQUAL(len, n);
		CU_ASSERT_EQUAL(memcmp(src, dst, n), 0);
		/* An odd number of digits: a zero goes before them. */
		text[2] = 'a';
		memmove(text + 3, text + 4, 2 * n - 1);
		CU_ASSERT_EQUAL(chap_binary(text, dst, sizeof(dst), &len), 0);
		CU_ASSERT_EQUAL(len, n);
		CU_ASSERT_EQUAL(dst[0], 0x0a);
		CU_ASSERT_EQUAL(memcmp(src + 1, dst + 1, n - 1), 0);
	}
	free(text);
}

/* Encoded by libcrypto. */
static void
test_base64_every_length(void)
{
	uint8_t src[CHAP_BIN_MAX + 3], dst[CHAP_BIN_MAX];
	char *text = malloc(2 + 2 * sizeof(src) + 8);
	size_t len;

	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i * 91 + 250);
	for (size_t n = 1; n <= sizeof(src); n++) {
		text[0] = '0';
		text[1] = n % 2 == 0 ? 'b' : 'B';
		(void)EVP_EncodeBlock((unsigned char *)text + 2, src, (int)n);
		if (n > CHAP_BIN_MAX) {
			CU_ASSERT_EQUAL(chap_binary(text, dst, sizeof(dst),
			    &len), -EMSGSIZE);
			continue;
		}
		CU_ASSERT_EQUAL(chap_binary(text, dst, sizeof(dst), &len), 0);
		CU_ASSERT_EQUAL(len, n);
		CU_ASSERT_EQUAL(memcmp(src, dst, n), 0);
	}
	free(text);
}

static void
test_binary_refused(void)
{
	static const char *const bad[] = { "", "0", "0x", "0b", "x12", "12",
	    "1x12", "0y12", "0xg0", "0x1 2", "0x12 ", "0bA", "0bAA", "0bAAA",
	    "0bA===", "0bAA=A", "0bAA==AA==", "0b====", "0bAAA=A", "0bAA= ",
	    "0bA?==", "0b AA=", "0bAAAA=", "0bAAAA====" };
	uint8_t dst[64];
	size_t len = 99;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(chap_binary(bad[i], dst, sizeof(dst), &len),
		    -EINVAL);
	CU_ASSERT_EQUAL(len, 99);
	CU_ASSERT_EQUAL(chap_binary("0bAAECAw==", dst, 3, &len), -EMSGSIZE);
	CU_ASSERT_EQUAL(chap_binary("0bAAECAw==", dst, 4, &len), 0);
	CU_ASSERT_TRUE(len == 4 && memcmp(dst, "\0\1\2\3", 4) == 0);
}

static void
test_random(void)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	CU_ASSERT_EQUAL(chap_random(a, 32), 0);
	CU_ASSERT_EQUAL(chap_random(b, 32), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, 32), 0);
}

static void
test_equal_and_wipe(void)
{
	uint8_t a[4] = { 1, 2, 3, 4 }, b[4] = { 1, 2, 3, 5 };
	static const uint8_t zero[4];

	CU_ASSERT_TRUE(chap_equal(a, 3, b, 3));
	CU_ASSERT_FALSE(chap_equal(a, 4, b, 4));
	CU_ASSERT_FALSE(chap_equal(a, 3, b, 4));
	chap_wipe(a, sizeof(a));
	CU_ASSERT_EQUAL(memcmp(a, zero, 4), 0);
}

static const struct unit_test tests[] = {
	{ "known answers of all algorithms", test_known_answers },
	{ "the choice of the algorithm", test_choose },
	{ "hexadecimal of every length", test_hex_every_length },
	{ "base64 of every length", test_base64_every_length },
	{ "what is neither", test_binary_refused },
	{ "random bytes", test_random },
	{ "comparison and wiping", test_equal_and_wipe }
};
UNIT_MAIN("iscsi/chap", tests)
