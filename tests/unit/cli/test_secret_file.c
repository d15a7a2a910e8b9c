/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/secret_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/opts.h"
#include "tests/lib/unit.h"

static char dir[] = "/tmp/tt-secret-XXXXXX";
static char path[128];
static struct secret_text got;
static char said[4096];

/* Writes ${text} with ${mode}, reads it back; what was said is in ${said}. */
static int
try(const char *text, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w"), *err;
	int saved, rc;
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(text, 1, len, f), len);
	CU_ASSERT_EQUAL(fclose(f), 0);
	CU_ASSERT_EQUAL(chmod(path, mode), 0);

	err = tmpfile();
	CU_ASSERT_PTR_NOT_NULL_FATAL(err);
	saved = dup(STDERR_FILENO);
	(void)dup2(fileno(err), STDERR_FILENO);
	rc = secret_file_read(path, &got);
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	rewind(err);
	n = fread(said, 1, sizeof(said) - 1, err);
	said[n] = '\0';
	(void)fclose(err);
	return (rc);
}

static void
test_good(void)
{
	char text[ADMIN_SECRET_MAX_BYTES + 3];

	CU_ASSERT_EQUAL(try("abcdefghijkl", 12, 0600), 0);
	CU_ASSERT_STRING_EQUAL(got.s, "abcdefghijkl");
	CU_ASSERT_STRING_EQUAL(said, "");
	CU_ASSERT_EQUAL(try("abcdefghijkl\n", 13, 0400), 0);
	CU_ASSERT_STRING_EQUAL(got.s, "abcdefghijkl");
	CU_ASSERT_EQUAL(try("abcdefghijkl\r\n", 14, 0600), 0);
	CU_ASSERT_STRING_EQUAL(got.s, "abcdefghijkl");
	/* Only one line end goes; blanks are part of it. */
	CU_ASSERT_EQUAL(try(" abcdefghijk l ", 15, 0600), 0);
	CU_ASSERT_STRING_EQUAL(got.s, " abcdefghijk l ");
	memset(text, 'x', sizeof(text));
	memcpy(text + ADMIN_SECRET_MAX_BYTES, "\r\n", 2);
	CU_ASSERT_EQUAL(try(text, ADMIN_SECRET_MAX_BYTES + 2, 0600), 0);
	CU_ASSERT_EQUAL(strlen(got.s), ADMIN_SECRET_MAX_BYTES);
}

static void
test_mode(void)
{

	CU_ASSERT_EQUAL(try("abcdefghijkl", 12, 0640), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "mode 640"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "chmod 600"));
	CU_ASSERT_PTR_NULL(strstr(said, "abcdef"));
}

static void
test_bad(void)
{
	char text[400];

	memset(text, 'y', sizeof(text));
	memset(&got, 7, sizeof(got));
	CU_ASSERT_EQUAL(try("", 0, 0600), EXIT_USAGE);
	CU_ASSERT_EQUAL(try("abcdefghijk\n", 12, 0600), EXIT_USAGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "11 bytes"));
	CU_ASSERT_EQUAL(try(text, ADMIN_SECRET_MAX_BYTES + 1, 0600),
	    EXIT_USAGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "longer"));
	CU_ASSERT_EQUAL(try(text, sizeof(text), 0600), EXIT_USAGE);
	CU_ASSERT_EQUAL(try("abcdefghijkl\n\n", 14, 0600), EXIT_USAGE);
	CU_ASSERT_EQUAL(try("abcdefg\nhijklm", 14, 0600), EXIT_USAGE);
	CU_ASSERT_EQUAL(try("abcdefg\0hijklm", 14, 0600), EXIT_USAGE);
	CU_ASSERT_EQUAL(try("abcdefg\xc3\xa4hijk", 13, 0600), EXIT_USAGE);
	/* What is refused is not repeated. */
	CU_ASSERT_PTR_NULL(strstr(said, "abcdef"));
	CU_ASSERT_EQUAL(got.s[0], 7);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(secret_file_read(path, &got), EXIT_USAGE);
	CU_ASSERT_EQUAL(secret_file_read(dir, &got), EXIT_USAGE);
}

/* "--secret-file <(pass show x)": a pipe that fills in pieces. */
static void
test_pipe(void)
{
	char fd_path[32];
	int p[2];
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
	if ((pid = fork()) == 0) {
		(void)!write(p[1], "abcdef", 6);
		(void)usleep(20000);
		(void)!write(p[1], "ghijkl\n", 7);
		_exit(0);
	}
	CU_ASSERT_FATAL(pid > 0);
	(void)close(p[1]);
	(void)snprintf(fd_path, sizeof(fd_path), "/dev/fd/%d", p[0]);
	CU_ASSERT_EQUAL(secret_file_read(fd_path, &got), 0);
	CU_ASSERT_STRING_EQUAL(got.s, "abcdefghijkl");
	(void)close(p[0]);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
}

static const struct unit_test tests[] = {
	{ "good", test_good },
	{ "mode", test_mode },
	{ "bad", test_bad },
	{ "pipe", test_pipe },
};

int
main(void)
{
	int rc;

	if (mkdtemp(dir) == NULL)
		return (2);
	(void)snprintf(path, sizeof(path), "%s/f", dir);
	rc = unit_run("cli/secret_file", tests,
	    sizeof(tests) / sizeof(tests[0]));
	(void)unlink(path);
	(void)rmdir(dir);
	return (rc);
}
