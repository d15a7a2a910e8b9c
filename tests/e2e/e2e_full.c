/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e2e_full.c - a store whose file system is full, as servers see it: a warning
 * first, DATA PROTECT then, and nothing else goes wrong.
 *
 * TT_FULL_DIR is a small file system of its own (full.sh makes one).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/e2e/ini.h"
#include "tests/lib/unit.h"

#define NAME	"iqn.2026-01.org.example:client"
#define CHUNK	(256u << 10)
#define CHUNKS	4096u			/* 1 GiB: more than there is */
#define SECTOR	512u
#define REFUSED	(SCSI_SENSE_DATA_PROTECTION << 16 | 0x2707)
#define WARNED	(SCSI_SENSE_UNIT_ATTENTION << 16 | 0x3807)

static struct daemon d;
static struct disk a, b;
static struct iscsi_context *ca, *cb;
static uint32_t gen[CHUNKS];		/* 0: never written */
static unsigned n_written;

/* Bytes that nothing can share. */
static void
fill(unsigned char *p, unsigned chunk, uint32_t g)
{
	uint64_t x = ((uint64_t)g << 32 | chunk) * UINT64_C(0x9e3779b97f4a7c15)
	    + 1;

	for (size_t i = 0; i < CHUNK; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(p + i, &x, sizeof(x));
	}
}

/* 0: GOOD; else key << 16 | asc/ascq. */
static int
sense_of(struct scsi_task *t)
{
	int s = -1;

	if (t == NULL)
		return (-1);
	if (t->status == SCSI_STATUS_GOOD)
		s = 0;
	else if (t->status == SCSI_STATUS_CHECK_CONDITION)
		s = (int)t->sense.key << 16 | t->sense.ascq;
	scsi_free_scsi_task(t);
	return (s);
}

static int
put(struct iscsi_context *c, unsigned chunk, uint32_t g)
{
	static unsigned char buf[CHUNK];

	fill(buf, chunk, g);
	return (sense_of(iscsi_write16_sync(c, 0, (uint64_t)chunk * CHUNK /
	    SECTOR, buf, CHUNK, SECTOR, 0, 0, 0, 0, 0)));
}

/*
 * Write; the model follows.  Space may come back at any time, for it is
 * reclaimed: then this succeeds, or is refused, and nothing else.
 */
static bool
try_put(unsigned chunk, uint32_t g)
{
	int s = put(ca, chunk, g);

	if (s == WARNED)	/* there was enough in between */
		s = put(ca, chunk, g);
	if (s == 0) {
		gen[chunk] = g;
		if (chunk == n_written)
			n_written++;
	} else if (s != REFUSED) {
		(void)printf("\n    chunk %u: sense %x\n", chunk, (unsigned)s);
		CU_FAIL("another sense");
	}
	return (s == 0);
}

/* New chunks until none goes for half a second. */
static void
fill_up(void)
{

	for (unsigned i = 0; i < 10 && n_written < CHUNKS; i++) {
		while (n_written < CHUNKS && try_put(n_written, 1))
			i = 0;
		(void)usleep(50000);
	}
}

static bool
same(struct iscsi_context *c, unsigned chunk, uint32_t g)
{
	static unsigned char want[CHUNK], got[CHUNK];

	if (g == 0)
		memset(want, 0, sizeof(want));
	else
		fill(want, chunk, g);
	/* Once more: a session may have to hear of the space first. */
	return ((ini_read(c, (uint64_t)chunk * CHUNK / SECTOR, got, CHUNK,
	    SECTOR) || ini_read(c, (uint64_t)chunk * CHUNK / SECTOR, got,
	    CHUNK, SECTOR)) && memcmp(want, got, CHUNK) == 0);
}

static bool
all_same(void)
{

	for (unsigned i = 0; i < n_written; i++)
		if (!same(ca, i, gen[i])) {
			(void)printf("\n    chunk %u is another\n", i);
			return (false);
		}
	return (true);
}

static bool
space_is(const char *want)
{
	bool is = false;
	int rc;
	json_t *r = daemon_admin(&d, &rc, "status");

	if (r != NULL) {
		const char *s = json_string_value(json_object_get(
		    json_object_get(r, "store"), "space"));

		is = s != NULL && strcmp(s, want) == 0;
		json_decref(r);
	}
	return (is);
}

static bool
log_has(const char *text)
{
	static char line[4096];
	FILE *f = fopen(d.log, "re");
	bool has = false;

	while (f != NULL && !has && fgets(line, sizeof(line), f) != NULL)
		has = strstr(line, text) != NULL;
	if (f != NULL)
		(void)fclose(f);
	return (has);
}

static bool
admin_ok(const char *line)
{
	int rc;
	json_t *r = daemon_admin(&d, &rc, "%s", line);

	json_decref(r);
	if (rc != 0)
		(void)printf("\n    %s: exit %d\n", line, rc);
	return (rc == 0);
}

/* ---- tests ------------------------------------------------------------- */

static void
test_begin(void)
{

	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &a, "a 1G --open"));
	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &b, "b 64M --open"));
	ca = ini_login(&a, NAME, NULL);
	cb = ini_login(&b, NAME, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ca);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cb);
	for (unsigned i = 0; i < 64; i++) {
		gen[i] = 1;
		CU_ASSERT_EQUAL(put(ca, i, 1), 0);
	}
	n_written = 64;
	CU_ASSERT_EQUAL(put(cb, 0, 9), 0);
	CU_ASSERT_TRUE(admin_ok("snapshot a before"));
	CU_ASSERT_TRUE(space_is("ok"));
}

/*
 * The threshold that the mode page tells is the one that is meant, and both
 * sessions hear of it, once.
 */
static void
test_low(void)
{
	struct scsi_task *t;
	struct statvfs v;
	unsigned heard = 0;
	uint32_t mib;
	int s = 0;

	t = iscsi_modesense10_sync(ca, 0, 0, 1, SCSI_MODESENSE_PC_CURRENT,
	    0x1c, 2, 255);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_EQUAL_FATAL(t->status, SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL_FATAL(t->datain.size, 8 + 24);
	CU_ASSERT_EQUAL(t->datain.data[8], 0x5c);
	CU_ASSERT_EQUAL(t->datain.data[8 + 16], 0x80);
	mib = (uint32_t)t->datain.data[8 + 22] << 8 | t->datain.data[8 + 23];
	scsi_free_scsi_task(t);
	CU_ASSERT_EQUAL(statvfs(d.store, &v), 0);
	CU_ASSERT_EQUAL(mib, v.f_blocks * v.f_frsize / 100 * 40 >> 20);

	while (n_written < CHUNKS && heard == 0) {
		s = put(ca, n_written, 1);
		if (s == WARNED)
			heard++;
		else if (s == 0)
			gen[n_written++] = 1;
		else
			break;
	}
	CU_ASSERT_EQUAL(heard, 1);
	if (heard == 0)
		(void)printf("\n    sense %x after %u MiB\n", (unsigned)s,
		    n_written / 4);
	CU_ASSERT_EQUAL(sense_of(iscsi_testunitready_sync(cb, 0)), WARNED);
	CU_ASSERT_EQUAL(sense_of(iscsi_testunitready_sync(cb, 0)), 0);
	CU_ASSERT_TRUE(space_is("low"));
	CU_ASSERT_TRUE(log_has("running out of space"));
}

/* Writes until no more goes; only data is refused, with this sense. */
static void
test_full(void)
{
	unsigned char buf[4096];
	struct unmap_list range = { .lba = UINT64_C(900) << 11, .num = 8 };
	uint64_t unmap_lba = range.lba;
	int s;

	fill_up();
	CU_ASSERT(n_written > 200 && n_written < CHUNKS);
	CU_ASSERT_TRUE(space_is("full"));
	CU_ASSERT_TRUE(log_has("the store is full"));
	/* The other disk is told the same; reads and all the rest work. */
	s = put(cb, 1, 1);
	CU_ASSERT(s == REFUSED || s == 0);
	CU_ASSERT_TRUE(same(cb, 0, 9));
	CU_ASSERT_TRUE(all_same());
	CU_ASSERT_EQUAL(sense_of(iscsi_synchronizecache16_sync(ca, 0, 0, 0, 0,
	    0)), 0);
	CU_ASSERT_EQUAL(sense_of(iscsi_unmap_sync(ca, 0, 0, 0, &range, 1)), 0);
	CU_ASSERT_TRUE(ini_read(ca, unmap_lba, buf, sizeof(buf), SECTOR));
	for (unsigned i = 0; i < 200; i++)
		(void)try_put(i % 64, 2);
	CU_ASSERT_TRUE(all_same());
}

static void
relogin(void)
{

	(void)iscsi_destroy_context(ca);
	(void)iscsi_destroy_context(cb);
	ca = ini_login(&a, NAME, NULL);
	cb = ini_login(&b, NAME, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ca);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cb);
}

/* Ports change when the daemon starts again. */
static void
again(void)
{
	int64_t port = (daemon_start(&d), d.port);
	char *at;

	for (struct disk *k = &a; k != NULL; k = k == &a ? &b : NULL)
		if ((at = strrchr(k->portal, ':')) != NULL)
			(void)snprintf(at, sizeof(k->portal) -
			    (size_t)(at - k->portal), ":%lld",
			    (long long)port);
	relogin();
}

static void
test_restart_full(void)
{

	CU_ASSERT_TRUE(daemon_stop(&d));
	again();
	CU_ASSERT_TRUE(all_same());
	daemon_kill(&d);
	again();
	CU_ASSERT_TRUE(all_same());
	CU_ASSERT_TRUE(same(cb, 0, 9));
}

/*
 * Others take what is left: administration still has its reserve.
 */
static void
test_nothing_left(void)
{
	static unsigned char zero[1 << 16];
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/hog", d.dir);
	f = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	(void)setvbuf(f, NULL, _IONBF, 0);
	while (fwrite(zero, sizeof(zero), 1, f) == 1)
		;
	(void)fclose(f);
	CU_ASSERT_TRUE(all_same());
	CU_ASSERT_TRUE(admin_ok("expose a@before"));
	CU_ASSERT_TRUE(admin_ok("unexpose a@before"));
	CU_ASSERT_TRUE(admin_ok("snapshot a full"));
	CU_ASSERT_TRUE(daemon_stop(&d));
	again();
	CU_ASSERT_TRUE(all_same());
	CU_ASSERT_TRUE(admin_ok("delete a@full"));
	CU_ASSERT_TRUE(admin_ok("delete a@before"));
	(void)try_put(0, 7);
	CU_ASSERT_TRUE(all_same());
	(void)unlink(path);
}

static bool
resumes(uint32_t g)
{

	for (unsigned i = 0; i < 450; i++) {
		if (try_put(0, g))
			return (true);
		(void)usleep(100000);
	}
	return (false);
}

/* The file system grows: writing goes on without anybody's help. */
static void
test_resume(void)
{
	struct statvfs v;
	char opt[64];

	CU_ASSERT_EQUAL_FATAL(statvfs(d.dir, &v), 0);
	(void)snprintf(opt, sizeof(opt), "size=%llu", (unsigned long long)
	    (v.f_blocks * v.f_frsize + (32u << 20)));
	CU_ASSERT_EQUAL_FATAL(mount(NULL, getenv("TT_FULL_DIR"), NULL,
	    MS_REMOUNT, opt), 0);
	CU_ASSERT_TRUE(resumes(3));
	CU_ASSERT_TRUE(all_same());
	/* The reserve that "nothing left" used up is there again. */
	for (unsigned i = 0; i < 50 &&
	    daemon_status(&d, "store.reserve_bytes") == 0; i++)
		(void)usleep(100000);
	CU_ASSERT(daemon_status(&d, "store.reserve_bytes") > 0);
}

/* Full again; what was unmapped comes back by reclaim, which a full store
 * starts by itself. */
static void
test_reclaim(void)
{
	struct unmap_list range = { .lba = 0, .num = 0 };
	unsigned half = n_written / 2;

	fill_up();
	CU_ASSERT(n_written < CHUNKS);
	range.num = half * (CHUNK / SECTOR);
	CU_ASSERT_EQUAL(sense_of(iscsi_unmap_sync(ca, 0, 0, 0, &range, 1)), 0);
	memset(gen, 0, half * sizeof(gen[0]));
	CU_ASSERT_TRUE(resumes(4));
	for (unsigned i = 1; i < half / 2; i++) {
		if (!try_put(i, 5) && !resumes(6)) {
			CU_FAIL("full again");
			break;
		}
	}
	CU_ASSERT_TRUE(all_same());
	CU_ASSERT_TRUE(daemon_stop(&d));
	again();
	CU_ASSERT_TRUE(all_same());
}

static const struct unit_test tests[] = {
	{ "space", test_begin },
	{ "little space", test_low },
	{ "no space", test_full },
	{ "restart, and after a kill", test_restart_full },
	{ "nothing left", test_nothing_left },
	{ "space again", test_resume },
	{ "space by reclaim", test_reclaim },
};

int
main(void)
{
	int failed;

	(void)setenv("TT_FAST", getenv("TT_FULL_DIR") == NULL ? "." :
	    getenv("TT_FULL_DIR"), 1);
	daemon_init(&d, "memory = \"64M\"\nsegment-size = \"2M\"\n"
	    "space-low = 40%\nspace-reserve = 16M\nworkers = 2\n");
	daemon_start(&d);
	failed = unit_run("e2e/full", tests, sizeof(tests) /
	    sizeof(tests[0]));
	(void)iscsi_destroy_context(ca);
	(void)iscsi_destroy_context(cb);
	daemon_fini(&d, failed != 0);
	return (failed);
}
