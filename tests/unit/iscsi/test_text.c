/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_text.c - reading and writing key=value pairs.
 */
#include "target/iscsi/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

/* Read ${n} bytes from memory of exactly that size; pairs as "k:v;". */
static int
read_all(const char *bytes, size_t n, char *out, size_t cap)
{
	char *copy = malloc(n == 0 ? 1 : n);
	struct text_in in;
	struct text_pair kv;
	size_t at = 0;
	int rc;

	memcpy(copy, bytes, n);
	in = text_in(copy, n);
	out[0] = '\0';
	while ((rc = text_next(&in, &kv)) == 1)
		at += (size_t)snprintf(out + at, cap - at, "%s:%s;", kv.key,
		    kv.value);
	free(copy);
	return (rc);
}

#define READ(s, out) read_all((s), sizeof(s) - 1, (out), sizeof(out))

static void
test_read(void)
{
	char o[512];
	char key63[63 + 3], key64[64 + 3];

	CU_ASSERT_EQUAL(READ("", o), 0);
	CU_ASSERT_EQUAL(READ("a=b\0", o), 0);
	CU_ASSERT_STRING_EQUAL(o, "a:b;");
	CU_ASSERT_EQUAL(READ("a=\0bc=d=e\0", o), 0);
	CU_ASSERT_STRING_EQUAL(o, "a:;bc:d=e;");
	CU_ASSERT_EQUAL(READ("\0\0a=b\0\0\0c=d\0\0", o), 0);
	CU_ASSERT_STRING_EQUAL(o, "a:b;c:d;");
	CU_ASSERT_EQUAL(READ("a=b", o), -EPROTO);	/* no zero byte */
	CU_ASSERT_EQUAL(READ("a=b\0c", o), -EPROTO);
	CU_ASSERT_EQUAL(READ("ab\0", o), -EPROTO);	/* no "=" */
	CU_ASSERT_EQUAL(READ("=b\0", o), -EPROTO);	/* no key */
	CU_ASSERT_EQUAL(READ("a=b\nc\0", o), -EPROTO);	/* not printable */
	CU_ASSERT_EQUAL(READ("a=b\x7f\0", o), -EPROTO);
	CU_ASSERT_EQUAL(READ("a=\xc3\xa9\0", o), 0);	/* UTF-8 passes */
	memset(key63, 'k', sizeof(key63));
	memcpy(key63 + 63, "=v", 3);
	CU_ASSERT_EQUAL(read_all(key63, sizeof(key63), o, sizeof(o)), 0);
	memset(key64, 'k', sizeof(key64));
	memcpy(key64 + 64, "=v", 3);
	CU_ASSERT_EQUAL(read_all(key64, sizeof(key64), o, sizeof(o)),
	    -EPROTO);
}

static void
test_read_random(void)
{
	char b[64], o[512];
	unsigned seed = 3;

	for (int n = 0; n < 100000; n++) {
		size_t len = (unsigned)rand_r(&seed) % sizeof(b);
		int rc;

		for (size_t i = 0; i < len; i++)
			b[i] = "a=\0,b\n"[(unsigned)rand_r(&seed) % 6];
		rc = read_all(b, len, o, sizeof(o));
		CU_ASSERT_TRUE(rc == 0 || rc == -EPROTO);
	}
}

static void
test_write(void)
{
	struct text_out o;

	text_out_init(&o, 32);
	text_put(&o, "a", "bc");
	text_put_u32(&o, "n", 4294967295u);
	CU_ASSERT_FALSE(o.bad);
	CU_ASSERT_EQUAL(o.len, 5 + 13);
	text_out_free(&o);
}

/* What does not fit is left out whole, and so is all that follows. */
static void
test_write_limit(void)
{
	struct text_out o;

	text_out_init(&o, 10);
	text_put(&o, "ab", "cd");
	CU_ASSERT_EQUAL(o.len, 6);
	text_put(&o, "e", "fg");
	CU_ASSERT_TRUE(o.bad);
	CU_ASSERT_EQUAL(o.len, 6);
	text_put(&o, "h", "");
	CU_ASSERT_EQUAL(o.len, 6);
	CU_ASSERT_EQUAL(memcmp(o.buf, "ab=cd", 6), 0);
	text_out_reset(&o);
	CU_ASSERT_FALSE(o.bad);
	text_put(&o, "e", "1234567");
	CU_ASSERT_EQUAL(o.len, 10);
	CU_ASSERT_FALSE(o.bad);
	text_out_free(&o);
}

static void
test_write_much(void)
{
	struct text_out o;
	size_t n = 0;

	text_out_init(&o, 1 << 20);
	for (int i = 0; i < 10000; i++) {
		text_put(&o, "TargetName", "iqn.t:x");
		n += 10 + 1 + 7 + 1;
	}
	CU_ASSERT_FALSE(o.bad);
	CU_ASSERT_EQUAL(o.len, n);
	CU_ASSERT_EQUAL(memcmp(o.buf + n - 19, "TargetName=iqn.t:x", 19), 0);
	text_out_free(&o);
}

static void
test_u32(void)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t v;
	} t[] = {
		{ "0", 0, 0 }, { "1", 0, 1 }, { "4294967295", 0, 4294967295u },
		{ "4294967296", -ERANGE, 0 }, { "99999999999", -ERANGE, 0 },
		{ "0x10", 0, 16 }, { "0XfF", 0, 255 },
		{ "0xffffffff", 0, 4294967295u },
		{ "0x100000000", -ERANGE, 0 }, { "007", 0, 7 },
		{ "", -EINVAL, 0 }, { "0x", -EINVAL, 0 }, { "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 }, { " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 }, { "1a", -EINVAL, 0 },
		{ "0xg", -EINVAL, 0 }, { "Yes", -EINVAL, 0 }
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint32_t v = 77;

		CU_ASSERT_EQUAL(text_u32(t[i].text, &v), t[i].rc);
		CU_ASSERT_EQUAL(v, t[i].rc == 0 ? t[i].v : 77);
	}
}

static void
test_list(void)
{
	const char *pos = "ab,,c", *e;
	size_t n;

	CU_ASSERT_TRUE(text_list_next(&pos, &e, &n));
	CU_ASSERT_TRUE(n == 2 && memcmp(e, "ab", 2) == 0);
	CU_ASSERT_TRUE(text_list_next(&pos, &e, &n) && n == 0);
	CU_ASSERT_TRUE(text_list_next(&pos, &e, &n));
	CU_ASSERT_TRUE(n == 1 && *e == 'c');
	CU_ASSERT_FALSE(text_list_next(&pos, &e, &n));
	pos = "";
	CU_ASSERT_TRUE(text_list_next(&pos, &e, &n) && n == 0);
	CU_ASSERT_FALSE(text_list_next(&pos, &e, &n));
}

static const struct unit_test tests[] = {
	{ "pairs are read", test_read },
	{ "random bytes", test_read_random },
	{ "pairs are written", test_write },
	{ "the limit of an answer", test_write_limit },
	{ "a long answer", test_write_much },
	{ "numbers", test_u32 },
	{ "lists", test_list }
};
UNIT_MAIN("iscsi/text", tests)
