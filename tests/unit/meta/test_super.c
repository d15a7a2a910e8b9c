/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/super.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "meta/base/bytes.h"
#include "tests/lib/unit.h"
#include "tests/unit/meta/tmpdir.h"

static const struct super sample = {
	.version = SUPER_VERSION,
	.uuid = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	.created_ns = UINT64_C(0x1122334455667788),
	.segment_bytes = SEGMENT_BYTES_DEFAULT,
};

/* The first 64 bytes of ${sample}; the rest is zero up to the checksum. */
static const uint8_t golden[64] = {
	't', 't', 'S', 'U', 'P', 'E', 'R', 'B',
	0, 0, 0, 1, 4, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7,
	8, 9, 10, 11, 12, 13, 14, 15, 0x11, 0x22, 0x33, 0x44,
	0x55, 0x66, 0x77, 0x88
};
#define GOLDEN_SUM UINT64_C(0x84f8a7319ab1ecd6)

static void
reseal(uint8_t b[SUPER_LEN])
{

	put_be64(b + SUPER_LEN - 8, XXH3_64bits(b, SUPER_LEN - 8));
}

static void
test_golden(void)
{
	uint8_t b[SUPER_LEN], zero[SUPER_LEN] = { 0 };

	super_enc(&sample, b);
	CU_ASSERT_EQUAL(memcmp(b, golden, 64), 0);
	CU_ASSERT_EQUAL(memcmp(b + 64, zero, SUPER_LEN - 64 - 8), 0);
	CU_ASSERT_EQUAL(get_be64(b + SUPER_LEN - 8), GOLDEN_SUM);
	CU_ASSERT_EQUAL(XXH3_64bits(b, SUPER_LEN - 8), GOLDEN_SUM);
}

static void
test_round_trip(void)
{
	uint8_t b[SUPER_LEN];
	struct super s;

	for (uint32_t n = SEGMENT_BYTES_MIN; n <= SEGMENT_BYTES_MAX; n *= 2) {
		struct super in = sample;

		in.segment_bytes = n;
		in.compat = UINT64_C(0x8000000000000001);
		memset(&s, 0, sizeof(s));
		super_enc(&in, b);
		CU_ASSERT_EQUAL(super_dec(b, &s), 0);
		CU_ASSERT_EQUAL(s.version, in.version);
		CU_ASSERT_EQUAL(s.segment_bytes, n);
		CU_ASSERT_EQUAL(s.compat, in.compat);
		CU_ASSERT_EQUAL(s.ro_compat, 0);
		CU_ASSERT_EQUAL(s.incompat, 0);
		CU_ASSERT_EQUAL(s.created_ns, in.created_ns);
		CU_ASSERT_EQUAL(memcmp(s.uuid, in.uuid, 16), 0);
	}
}

static void
test_every_bit_flip_is_refused(void)
{
	uint8_t b[SUPER_LEN];
	struct super s;
	unsigned accepted = 0;

	super_enc(&sample, b);
	for (size_t i = 0; i < SUPER_LEN * 8; i++) {
		b[i / 8] ^= (uint8_t)(1 << i % 8);
		accepted += super_dec(b, &s) != -EILSEQ;
		b[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	CU_ASSERT_EQUAL(accepted, 0);
	CU_ASSERT_EQUAL(super_dec(b, &s), 0);
}

/* Whole, but from a newer program or not what a writer can have meant. */
static void
test_unknown_is_not_guessed(void)
{
	static const struct {
		size_t off;
		uint8_t value;
		int rc;
	} t[] = {
		{ 11, 2, -EPROTONOSUPPORT },	/* version */
		{ 8, 1, -EPROTONOSUPPORT },
		{ 31, 1, -EPROTONOSUPPORT },	/* read-only compatible */
		{ 32, 0x80, -EPROTONOSUPPORT },	/* incompatible */
		{ 23, 1, 0 },			/* compatible */
		{ 12, 0, -EILSEQ },		/* segment of 0 bytes */
		{ 12, 12, -EILSEQ },		/* no power of two */
		{ 12, 16, -EILSEQ },		/* too large */
		{ 64, 1, -EILSEQ },		/* reserved */
		{ SUPER_LEN - 9, 1, -EILSEQ }
	};
	uint8_t b[SUPER_LEN];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct super s = { .version = 77 };

		super_enc(&sample, b);
		b[t[i].off] = t[i].value;
		reseal(b);
		CU_ASSERT_EQUAL(super_dec(b, &s), t[i].rc);
		CU_ASSERT_EQUAL(s.version, t[i].rc == 0 ? 1 : 77);
	}
	/* A compatible feature may have put something into the rest. */
	super_enc(&sample, b);
	b[23] = b[100] = 1;
	reseal(b);
	CU_ASSERT_EQUAL(super_dec(b, &(struct super){ 0 }), 0);
}

static int
dir_fd_of(const struct tmpdir *t)
{
	int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	return (fd);
}

static void
test_create_and_load(void)
{
	struct super s, other = sample;
	struct tmpdir t;
	struct stat st;
	int fd;

	tmpdir_make(&t);
	fd = dir_fd_of(&t);
	CU_ASSERT_EQUAL(super_load(fd, &s), -ENOENT);
	CU_ASSERT_EQUAL(super_create(fd, &sample), 0);
	CU_ASSERT_EQUAL(super_load(fd, &s), 0);
	CU_ASSERT_EQUAL(memcmp(s.uuid, sample.uuid, 16), 0);
	CU_ASSERT_EQUAL(fstatat(fd, "superblock", &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(st.st_size, SUPER_LEN);

	/* A second time: nothing is changed. */
	other.uuid[0] = 99;
	CU_ASSERT_EQUAL(super_create(fd, &other), -EEXIST);
	CU_ASSERT_EQUAL(super_load(fd, &s), 0);
	CU_ASSERT_EQUAL(s.uuid[0], sample.uuid[0]);
	CU_ASSERT_EQUAL(faccessat(fd, "superblock.new", F_OK, 0), -1);
	(void)close(fd);
	tmpdir_remove(&t);
}

/* A crash left the temporary file, with anything in it. */
static void
test_create_after_a_crash(void)
{
	uint8_t junk[2 * SUPER_LEN];
	struct tmpdir t;
	struct super s;
	int dir, fd;

	memset(junk, 0xee, sizeof(junk));
	tmpdir_make(&t);
	dir = dir_fd_of(&t);
	fd = openat(dir, "superblock.new", O_WRONLY | O_CREAT | O_EXCL, 0600);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, junk, sizeof(junk)), (ssize_t)sizeof(junk));
	(void)close(fd);
	CU_ASSERT_EQUAL(super_load(dir, &s), -ENOENT);
	CU_ASSERT_EQUAL(super_create(dir, &sample), 0);
	CU_ASSERT_EQUAL(super_load(dir, &s), 0);
	(void)close(dir);
	tmpdir_remove(&t);
}

static void
test_what_is_no_superblock(void)
{
	static const off_t sizes[] = { 0, 1, SUPER_LEN - 1, SUPER_LEN + 1 };
	uint8_t b[SUPER_LEN + 1] = { 0 };
	struct tmpdir t;
	struct super s;
	int dir, fd;

	tmpdir_make(&t);
	dir = dir_fd_of(&t);
	super_enc(&sample, b);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fd = openat(dir, "superblock", O_WRONLY | O_CREAT | O_TRUNC,
		    0600);
		CU_ASSERT_EQUAL(write(fd, b, (size_t)sizes[i]), sizes[i]);
		(void)close(fd);
		CU_ASSERT_EQUAL(super_load(dir, &s), -EILSEQ);
		/* And it is not replaced: somebody has to look at it. */
		CU_ASSERT_EQUAL(super_create(dir, &sample), -EEXIST);
	}
	CU_ASSERT_EQUAL(unlinkat(dir, "superblock", 0), 0);
	CU_ASSERT_EQUAL(mkfifoat(dir, "superblock", 0600), 0);
	CU_ASSERT_EQUAL(super_load(dir, &s), -EILSEQ);
	(void)close(dir);
	tmpdir_remove(&t);
}

/* Many at once: one of them makes it, and it is whole. */
static void
test_create_at_once(void)
{
	unsigned made = 0, odd = 0;
	pid_t pid[8];
	struct tmpdir t;
	struct super s;
	int dir, st;

	tmpdir_make(&t);
	dir = dir_fd_of(&t);
	(void)fflush(NULL);
	for (uint8_t i = 0; i < 8; i++)
		if ((pid[i] = fork()) == 0) {
			struct super mine = sample;

			memset(mine.uuid, i, 16);
			/* The messages of the losers are no news here. */
			(void)close(2);
			_exit(-super_create(dir, &mine));
		}
	for (unsigned i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(waitpid(pid[i], &st, 0), pid[i]);
		made += WIFEXITED(st) && WEXITSTATUS(st) == 0;
		odd += !WIFEXITED(st) || (WEXITSTATUS(st) != 0 &&
		    WEXITSTATUS(st) != EEXIST && WEXITSTATUS(st) != EBUSY);
	}
	CU_ASSERT_EQUAL(made, 1);
	CU_ASSERT_EQUAL(odd, 0);
	CU_ASSERT_EQUAL(super_load(dir, &s), 0);
	(void)close(dir);
	tmpdir_remove(&t);
}

static const struct unit_test tests[] = {
	{ "golden bytes", test_golden },
	{ "round trip", test_round_trip },
	{ "every bit flip is refused", test_every_bit_flip_is_refused },
	{ "unknown is not guessed", test_unknown_is_not_guessed },
	{ "create and load", test_create_and_load },
	{ "create after a crash", test_create_after_a_crash },
	{ "what is no superblock", test_what_is_no_superblock },
	{ "create at once", test_create_at_once },
};

UNIT_MAIN("super", tests)
