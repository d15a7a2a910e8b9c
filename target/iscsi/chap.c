/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chap.c - see chap.h.  Hashing is libcrypto's; the base64 reader is our own
 * because libcrypto's accepts white space and cannot say how long the result
 * is when it is padded.
 */
#include "target/iscsi/chap.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "target/iscsi/text.h"

struct chap_alg {
	unsigned number;	/* CHAP_A; IANA's PPP authentication numbers */
	unsigned bit;		/* ISCSI_CHAP_* */
	size_t bytes;
	const EVP_MD *(*md)(void);
	const char *name;
};

static const struct chap_alg algs[] = {
	{ 5, ISCSI_CHAP_MD5, 16, EVP_md5, "MD5" },
	{ 6, ISCSI_CHAP_SHA1, 20, EVP_sha1, "SHA1" },
	{ 7, ISCSI_CHAP_SHA256, 32, EVP_sha256, "SHA-256" },
	{ 8, ISCSI_CHAP_SHA3_256, 32, EVP_sha3_256, "SHA3-256" }
};

static const struct chap_alg *
by_number(unsigned long number, unsigned allowed)
{

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if (algs[i].number == number && (algs[i].bit & allowed) != 0)
			return (&algs[i]);
	return (NULL);
}

const struct chap_alg *
chap_choose(const char *list, unsigned allowed)
{
	const struct chap_alg *a;
	const char *elem;
	char num[8];
	uint32_t v;
	size_t len;

	while (text_list_next(&list, &elem, &len)) {
		if (len >= sizeof(num))
			continue;
		memcpy(num, elem, len);
		num[len] = '\0';
		if (text_u32(num, &v) == 0 &&
		    (a = by_number(v, allowed)) != NULL)
			return (a);
	}
	return (NULL);
}

unsigned
chap_alg_number(const struct chap_alg *a)
{

	return (a->number);
}

const char *
chap_alg_name(const struct chap_alg *a)
{

	return (a->name);
}

size_t
chap_alg_bytes(const struct chap_alg *a)
{

	return (a->bytes);
}

static int
hex_digit(char c)
{

	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (c - 'A' + 10);
	return (-1);
}

static int
from_hex(const char *t, uint8_t *dst, size_t cap, size_t *out_len)
{
	size_t digits = strlen(t), len = (digits + 1) / 2, half = digits & 1;

	if (digits == 0)
		return (-EINVAL);
	if (len > cap)
		return (-EMSGSIZE);
	memset(dst, 0, len);
	for (size_t i = 0; i < digits; i++) {
		size_t at = i + half;	/* digit position with even total */
		int d = hex_digit(t[i]);

		if (d < 0)
			return (-EINVAL);
		dst[at / 2] = (uint8_t)(dst[at / 2] << 4 | d);
	}
	*out_len = len;
	return (0);
}

static int
b64_digit(char c)
{

	if (c >= 'A' && c <= 'Z')
		return (c - 'A');
	if (c >= 'a' && c <= 'z')
		return (c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (c - '0' + 52);
	if (c == '+')
		return (62);
	return (c == '/' ? 63 : -1);
}

/* RFC 4648 4: groups of four digits, the last one padded with "=". */
static int
from_base64(const char *t, uint8_t *dst, size_t cap, size_t *out_len)
{
	size_t digits = strcspn(t, "="), pad = strlen(t) - digits, len;
	uint32_t acc = 0;

	if (digits == 0 || (digits + pad) % 4 != 0 || pad > 2 ||
	    strspn(t + digits, "=") != pad)
		return (-EINVAL);
	len = digits / 4 * 3 + (digits % 4 == 0 ? 0 : digits % 4 - 1);
	if (len > cap)
		return (-EMSGSIZE);
	for (size_t i = 0, o = 0; i < digits; i++) {
		int d = b64_digit(t[i]);

		if (d < 0)
			return (-EINVAL);
		acc = acc << 6 | (uint32_t)d;
		if (i % 4 != 0)		/* digits 2, 3, 4 complete a byte */
			dst[o++] = (uint8_t)(acc >> (6 - 2 * (i % 4)));
	}
	*out_len = len;
	return (0);
}

int
chap_binary(const char *text, uint8_t *dst, size_t cap, size_t *out_len)
{

	if (text[0] != '0')
		return (-EINVAL);
	if (text[1] == 'x' || text[1] == 'X')
		return (from_hex(text + 2, dst, cap, out_len));
	if (text[1] == 'b' || text[1] == 'B')
		return (from_base64(text + 2, dst, cap, out_len));
	return (-EINVAL);
}

const char *
chap_hex(char dst[static CHAP_TEXT_CAP], const uint8_t *src, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	dst[0] = '0';
	dst[1] = 'x';
	if (len > CHAP_HASH_MAX)
		len = CHAP_HASH_MAX;
	for (size_t i = 0; i < len; i++) {
		dst[2 + 2 * i] = digits[src[i] >> 4];
		dst[3 + 2 * i] = digits[src[i] & 15];
	}
	dst[2 + 2 * len] = '\0';
	return (dst);
}

int
chap_random(uint8_t *dst, size_t len)
{

	return (RAND_bytes(dst, (int)len) == 1 ? 0 : -EIO);
}

int
chap_response(const struct chap_alg *a, uint8_t id,
    const struct iscsi_secret *secret, const uint8_t *challenge, size_t len,
    uint8_t out[static CHAP_HASH_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok;

	ok = ctx != NULL && EVP_DigestInit_ex(ctx, a->md(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, &id, 1) == 1 &&
	    EVP_DigestUpdate(ctx, secret->b, secret->len) == 1 &&
	    EVP_DigestUpdate(ctx, challenge, len) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return (ok ? 0 : -EIO);
}

bool
chap_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{

	return (a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0);
}

void
chap_wipe(void *p, size_t len)
{

	OPENSSL_cleanse(p, len);
}
