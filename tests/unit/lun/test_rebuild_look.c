/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Only damage makes a rebuild set the catalogue aside, not that it could not be
 * looked at.  That a user may not read it: tests/cli/run.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

/* Nothing in the store has another name, or is new. */
static void
expect_untouched(const struct engine *e, ino_t catalog)
{
	struct stat st;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/catalog", e->dir);
	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_ino, catalog);
	(void)snprintf(path, sizeof(path), "ls -A %s | grep -q '^catalog[.]'",
	    e->dir);
	CU_ASSERT_NOT_EQUAL(system(path), 0);
}

/* With so many files, or bytes of addresses. */
static void
look_with(const struct engine *e, int resource, rlim_t limit, int want,
    ino_t catalog)
{
	struct rlimit was, now;
	int rc;

	CU_ASSERT_EQUAL_FATAL(getrlimit(resource, &was), 0);
	now = was;
	now.rlim_cur = limit;
	CU_ASSERT_EQUAL_FATAL(setrlimit(resource, &now), 0);
	rc = lunset_check(&e->conf);
	CU_ASSERT_EQUAL_FATAL(setrlimit(resource, &was), 0);
	if (rc != want && rc != 0)
		printf("\nlimit %llu: %d\n", (unsigned long long)limit, rc);
	/* It is whole, and with enough of it that is what it says. */
	CU_ASSERT_TRUE(rc == want || rc == 0);
	expect_untouched(e, catalog);
}

/* A catalogue that could not be looked at is not a damaged one. */
static void
test_cannot_look(void)
{
	const struct lun_params p = { .name = "disk", .size_bytes = 1u << 20,
	    .block_bytes = 4096, .sector_bytes = 512, .open = true };
	struct lun_info lun;
	struct engine e;
	struct stat st;
	char path[128], other[160];
	int fd;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	CU_ASSERT_EQUAL_FATAL(lunset_create(e.ls, &p, &lun), 0);
	CU_ASSERT_EQUAL_FATAL(engine_close(&e), 0);
	(void)snprintf(path, sizeof(path), "%s/catalog", e.dir);
	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	fd = dup(0);
	(void)close(fd);
	for (int n = fd; n < fd + 8; n++)
		look_with(&e, RLIMIT_NOFILE, (rlim_t)n, -EMFILE, st.st_ino);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	look_with(&e, RLIMIT_AS, (rlim_t)1 << 34, -ENOMEM, st.st_ino);
#endif
	CU_ASSERT_EQUAL(lunset_rebuild(&e.conf, false), -EEXIST);
	/* Something else has its name: then it is not there. */
	(void)snprintf(other, sizeof(other), "%s.was", path);
	CU_ASSERT_EQUAL_FATAL(rename(path, other), 0);
	(void)close(creat(path, 0600));
	CU_ASSERT_EQUAL(lunset_check(&e.conf), -EUCLEAN);
	CU_ASSERT_EQUAL(lunset_rebuild(&e.conf, false), 0);
	CU_ASSERT_EQUAL(lunset_check(&e.conf), 0);
	engine_remove(&e);
}

static const struct unit_test tests[] = {
	{ "a whole one that could not be looked at", test_cannot_look },
};
UNIT_MAIN("rebuild_look", tests)
