/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_row.c - rows of the catalogue: 1 kind (0 LUN, 1 snapshot, 2 exposure,
 * 3 user), 1 length of the key, key, value.
 */
#include "tests/fuzz/fuzz.h"

#include "lun/rows.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	return (0);
}

/* A complete row that was read can be written, and reads as the same. */
static void
lun(const uint8_t *key, size_t klen, const uint8_t *val, size_t vlen)
{
	struct lun_info a, b;
	struct row r;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (row_lun_dec(key, klen, val, vlen, &a) != 0 ||
	    a.identity.serial[0] == '\0')
		return;
	row_lun_enc(&a, &r);
	FUZZ_HOLDS(row_lun_dec(r.key, r.klen, r.val, r.vlen, &b) == 0);
	FUZZ_HOLDS(strcmp(a.name, b.name) == 0);
	FUZZ_HOLDS(a.size_bytes == b.size_bytes);
}

static void
user(const uint8_t *key, size_t klen, const uint8_t *val, size_t vlen)
{
	struct lun_user a, b;
	uint64_t n, m;
	struct row r;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (row_user_dec(key, klen, val, vlen, &n, &a) != 0)
		return;
	FUZZ_HOLDS(row_user_enc(n, &a, &r) == 0);
	FUZZ_HOLDS(row_user_dec(r.key, r.klen, r.val, r.vlen, &m, &b) == 0);
	FUZZ_HOLDS(m == n && strcmp(a.user, b.user) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	unsigned kind = in_u8(&in) & 3;
	size_t klen = in_u8(&in), vlen;
	const uint8_t *p = in_bytes(&in, &klen);
	uint8_t *key = fuzz_copy(p, klen), *val;

	vlen = in.left;
	val = fuzz_copy(in.p, vlen);
	if (kind == 0)
		lun(key, klen, val, vlen);
	else if (kind == 1) {
		struct snap_info s;

		(void)row_snap_dec(key, klen, val, vlen, &s);
	} else if (kind == 2) {
		struct exposure_info e;

		(void)row_expose_dec(key, klen, val, vlen, &e);
	} else
		user(key, klen, val, vlen);
	free(key);
	free(val);
	return (0);
}
