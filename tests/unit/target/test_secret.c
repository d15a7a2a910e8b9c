/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static char dir[64], key_file[80];
static struct secret_key *key;

static void
begin(void)
{

	(void)snprintf(dir, sizeof(dir), "/tmp/tt-secret-XXXXXX");
	if (mkdtemp(dir) == NULL)
		abort();
	(void)snprintf(key_file, sizeof(key_file), "%s/key", dir);
	CU_ASSERT_EQUAL_FATAL(secret_key_create(dir), 0);
	CU_ASSERT_EQUAL_FATAL(secret_key_load(dir, &key), 0);
}

static void
end(void)
{

	secret_key_free(key);
	key = NULL;
	(void)unlink(key_file);
	(void)rmdir(dir);
}

static void
test_key_file(void)
{
	struct secret_key *k = NULL;
	struct stat st;
	int fd;

	begin();
	CU_ASSERT_EQUAL(stat(key_file, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(st.st_size, 32);
	CU_ASSERT_EQUAL(secret_key_create(dir), -EEXIST);
	CU_ASSERT_EQUAL(chmod(key_file, 0640), 0);
	CU_ASSERT_EQUAL(secret_key_load(dir, &k), -EACCES);
	CU_ASSERT_EQUAL(chmod(key_file, 0600), 0);
	CU_ASSERT_EQUAL(truncate(key_file, 31), 0);
	CU_ASSERT_EQUAL(secret_key_load(dir, &k), -EUCLEAN);
	fd = open(key_file, O_WRONLY | O_APPEND);
	CU_ASSERT_EQUAL(write(fd, "ab", 2), 2);		/* 33 */
	(void)close(fd);
	CU_ASSERT_EQUAL(secret_key_load(dir, &k), -EUCLEAN);
	CU_ASSERT_EQUAL(truncate(key_file, 0), 0);
	CU_ASSERT_EQUAL(truncate(key_file, 32), 0);	/* zeroes */
	CU_ASSERT_EQUAL(secret_key_load(dir, &k), -EUCLEAN);
	(void)unlink(key_file);
	CU_ASSERT_EQUAL(secret_key_load(dir, &k), -ENOENT);
	CU_ASSERT_EQUAL(symlink("/dev/zero", key_file), 0);
	CU_ASSERT_EQUAL(secret_key_load(dir, &k), -ELOOP);
	CU_ASSERT_PTR_NULL(k);
	end();
}

static void
test_round_trip(void)
{
	const struct secret_owner who = { .user = "demo", .mutual = false };
	char secret[SECRET_MAX_BYTES + 2];
	uint8_t got[SECRET_MAX_BYTES];
	struct secret_sealed a, b;
	size_t len;

	begin();
	memset(secret, 'x', sizeof(secret));
	for (size_t n = SECRET_MIN_BYTES; n <= SECRET_MAX_BYTES; n++) {
		secret[n - 1] = (char)(' ' + n % 95);
		CU_ASSERT_EQUAL_FATAL(secret_seal(key, &who, secret, n, &a),
		    0);
		CU_ASSERT_EQUAL(a.len, n + SECRET_SEAL_BYTES);
		CU_ASSERT_EQUAL(a.b[0], 1);
		len = 0;
		CU_ASSERT_EQUAL(secret_unseal(key, &who, a.b, a.len, got,
		    sizeof(got), &len), 0);
		CU_ASSERT_EQUAL(len, n);
		CU_ASSERT_EQUAL(memcmp(got, secret, n), 0);
	}
	/* The same secret never looks the same, and is not to be seen. */
	CU_ASSERT_EQUAL(secret_seal(key, &who, "secret-secret", 13, &a), 0);
	CU_ASSERT_EQUAL(secret_seal(key, &who, "secret-secret", 13, &b), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(a.b + 1, b.b + 1, a.len - 1), 0);
	CU_ASSERT_PTR_NULL(memmem(a.b, a.len, "secret", 6));
	/* A place that is too small is not written to. */
	CU_ASSERT_EQUAL(secret_unseal(key, &who, a.b, a.len, got, 12, &len),
	    -EINVAL);
	end();
}

static void
test_not_ok(void)
{
	const struct secret_owner who = { .user = "u", .mutual = false };
	struct secret_sealed s = { .len = 7 };
	char text[SECRET_MAX_BYTES + 1];

	begin();
	memset(text, 'a', sizeof(text));
	CU_ASSERT(secret_ok(text, 12));
	CU_ASSERT(!secret_ok(text, 11));
	CU_ASSERT(secret_ok(text, 255));
	CU_ASSERT(!secret_ok(text, 256));
	CU_ASSERT(!secret_ok("0123456789\t12", 13));
	CU_ASSERT(!secret_ok("0123456789\xc3\xa4", 12));
	CU_ASSERT_EQUAL(secret_seal(key, &who, text, 11, &s), -EINVAL);
	CU_ASSERT_EQUAL(secret_seal(key, &who, text, 256, &s), -EINVAL);
	CU_ASSERT_EQUAL(s.len, 7);
	end();
}

/* Every bit and every length counts, and so do the user and the direction. */
static void
test_tampering(void)
{
	const struct secret_owner who = { .user = "demo", .mutual = false };
	const struct secret_owner other = { .user = "demp", .mutual = false };
	const struct secret_owner back = { .user = "demo", .mutual = true };
	struct secret_key *k2;
	struct secret_sealed s;
	uint8_t got[SECRET_MAX_BYTES];
	static const uint8_t zero[13];
	size_t len = 99;

	begin();
	CU_ASSERT_EQUAL(secret_seal(key, &who, "0123456789abc", 13, &s), 0);
	for (size_t bit = 0; bit < s.len * 8; bit++) {
		s.b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		memset(got, 0xee, sizeof(got));
		CU_ASSERT_EQUAL(secret_unseal(key, &who, s.b, s.len, got,
		    sizeof(got), &len), bit < 8 ? -EINVAL : -EBADMSG);
		if (bit >= 8)
			CU_ASSERT_EQUAL(memcmp(got, zero, 13), 0);
		s.b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t n = 0; n < s.len; n++)
		CU_ASSERT_NOT_EQUAL(secret_unseal(key, &who, s.b, n, got,
		    sizeof(got), &len), 0);
	CU_ASSERT_EQUAL(secret_unseal(key, &other, s.b, s.len, got,
	    sizeof(got), &len), -EBADMSG);
	CU_ASSERT_EQUAL(secret_unseal(key, &back, s.b, s.len, got,
	    sizeof(got), &len), -EBADMSG);
	CU_ASSERT_EQUAL(len, 99);
	/* Another key. */
	(void)unlink(key_file);
	CU_ASSERT_EQUAL_FATAL(secret_key_create(dir), 0);
	CU_ASSERT_EQUAL_FATAL(secret_key_load(dir, &k2), 0);
	CU_ASSERT_EQUAL(secret_unseal(k2, &who, s.b, s.len, got, sizeof(got),
	    &len), -EBADMSG);
	secret_key_free(k2);
	CU_ASSERT_EQUAL(secret_unseal(key, &who, s.b, s.len, got, sizeof(got),
	    &len), 0);
	end();
}

static void
test_make(void)
{
	char a[SECRET_MADE_LEN + 1], b[SECRET_MADE_LEN + 1];
	unsigned seen[256] = { 0 }, kinds = 0;

	for (unsigned i = 0; i < 2000; i++) {
		secret_make(a);
		CU_ASSERT_EQUAL(strlen(a), SECRET_MADE_LEN);
		CU_ASSERT(secret_ok(a, SECRET_MADE_LEN));
		for (unsigned j = 0; j < SECRET_MADE_LEN; j++)
			seen[(uint8_t)a[j]]++;
	}
	secret_make(b);
	CU_ASSERT_STRING_NOT_EQUAL(a, b);
	for (unsigned i = 0; i < 256; i++) {
		kinds += seen[i] != 0;
		/* 500 each are due; 250 off has no chance to happen. */
		CU_ASSERT(seen[i] == 0 || (seen[i] > 250 && seen[i] < 750));
	}
	CU_ASSERT_EQUAL(kinds, 64);
	secret_wipe(a, sizeof(a));
	CU_ASSERT_EQUAL(a[0], 0);
	CU_ASSERT_EQUAL(a[SECRET_MADE_LEN - 1], 0);
}

/* ---- the file of a secret ------------------------------------------------ */

static char said[1024];

/* A file with ${text} and ${mode}, for a ttd that runs as ${uid}. */
static int
load(const char *text, mode_t mode, uid_t uid, struct iscsi_secret *out)
{
	FILE *f = fopen(key_file, "w"), *err = tmpfile();
	int saved, rc;
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_PTR_NOT_NULL_FATAL(err);
	(void)fputs(text, f);
	CU_ASSERT_EQUAL(fclose(f), 0);
	CU_ASSERT_EQUAL(chmod(key_file, mode), 0);
	saved = dup(STDERR_FILENO);
	(void)dup2(fileno(err), STDERR_FILENO);
	rc = secret_file_load("discovery-secret-file", key_file, uid, out);
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	rewind(err);
	n = fread(said, 1, sizeof(said) - 1, err);
	said[n] = '\0';
	(void)fclose(err);
	return (rc);
}

static void
expect_said(const char *text)
{

	CU_ASSERT_PTR_NOT_NULL(strstr(said, "discovery-secret-file: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, key_file));
	if (strstr(said, text) == NULL) {
		printf("\nwanted %s, got:\n%s", text, said);
		CU_FAIL("another message");
	}
}

static void
test_file(void)
{
	const uid_t me = geteuid(), other = 4000000000u;
	struct iscsi_secret s;
	char text[160];

	begin();
	CU_ASSERT_EQUAL(load("abcdefghijkl\n", 0600, me, &s), 0);
	CU_ASSERT_EQUAL(s.len, 12);
	CU_ASSERT_STRING_EQUAL(said, "");
	CU_ASSERT_EQUAL(load("abcdefghijkl", 0640, me, &s), -EACCES);
	expect_said("others may read this secret; chmod 600 it");
	/* Who reads it may, the daemon could not: that is what helps. */
	(void)snprintf(text, sizeof(text), "ttd runs as %u: chown %u %s", other,
	    other, key_file);
	CU_ASSERT_EQUAL(load("abcdefghijkl", 0600, other, &s), -EACCES);
	expect_said(text);
	CU_ASSERT_EQUAL(load("abcdefghijkl", 0644, other, &s), -EACCES);
	expect_said(text);
	CU_ASSERT_EQUAL(load("short", 0600, me, &s), -EINVAL);
	expect_said("not a secret");
	(void)unlink(key_file);
	CU_ASSERT_EQUAL(secret_file_load("x", key_file, me, &s), -ENOENT);
	end();
}

static const struct unit_test tests[] = {
	{ "the key file", test_key_file },
	{ "sealed and opened", test_round_trip },
	{ "secrets that are not allowed", test_not_ok },
	{ "tampering", test_tampering },
	{ "made up", test_make },
	{ "the file of a secret", test_file },
};
UNIT_MAIN("target/secret", tests)
