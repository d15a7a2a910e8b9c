/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e2e_disk.c - disk errors as servers see them: a segment that cannot be read,
 * content that is not what was written, a disk that does not sync.
 *
 * TT_FAULT_SO is tests/fault/disk.c as a shared library.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/ini.h"
#include "tests/lib/unit.h"

#define NAME	"iqn.2026-01.org.example:client"
#define CHUNK	(64u << 10)
#define CHUNKS	128u			/* 8 MiB: several segments of 2 */
#define SECTOR	512u
#define PER	(CHUNK / SECTOR)
#define MEDIUM	(SCSI_SENSE_MEDIUM_ERROR << 16 | 0x1100)
#define SYNC_BAD (SCSI_SENSE_MEDIUM_ERROR << 16 | 0x0c00)
#define PROTECT	(SCSI_SENSE_DATA_PROTECTION << 16 | 0x2700)

static struct daemon d;
static struct disk disk;
static struct iscsi_context *c;
static unsigned char want[CHUNK], got[CHUNK];
static uint32_t gen[CHUNKS];

static void
fill(unsigned char *p, unsigned chunk, uint32_t g)
{

	for (unsigned i = 0; i < CHUNK; i += 4) {
		uint32_t x = (chunk * 2654435761u) ^ (g * 40503u) ^
		    (i * 2246822519u);

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
put(unsigned chunk, uint32_t g)
{
	int s;

	fill(want, chunk, g);
	s = sense_of(iscsi_write16_sync(c, 0, (uint64_t)chunk * PER, want,
	    CHUNK, SECTOR, 0, 0, 0, 0, 0));
	if (s == 0)
		gen[chunk] = g;
	return (s);
}

static int
flush(void)
{

	return (sense_of(iscsi_synchronizecache16_sync(c, 0, 0, 0, 0, 0)));
}

/* 0: as written; -2: something else; or the sense. */
static int
get(unsigned chunk)
{
	struct scsi_task *t = iscsi_read16_sync(c, 0, (uint64_t)chunk * PER,
	    CHUNK, SECTOR, 0, 0, 0, 0, 0);

	if (t == NULL || t->status != SCSI_STATUS_GOOD)
		return (sense_of(t));
	memset(got, 0, sizeof(got));
	if (t->datain.size == (int)CHUNK)
		memcpy(got, t->datain.data, CHUNK);
	scsi_free_scsi_task(t);
	fill(want, chunk, gen[chunk]);
	return (memcmp(want, got, CHUNK) == 0 ? 0 : -2);
}

/* How many give MEDIUM ERROR; all others must be as written. */
static unsigned
n_bad(void)
{
	unsigned n = 0;
	int s;

	for (unsigned i = 0; i < CHUNKS; i++) {
		if ((s = get(i)) == MEDIUM)
			n++;
		else if (s != 0) {
			(void)printf("\n    chunk %u: %x\n", i, (unsigned)s);
			CU_FAIL("not as written");
		}
	}
	return (n);
}

static void
login(void)
{

	if (c != NULL)
		(void)iscsi_destroy_context(c);
	(void)snprintf(disk.portal, sizeof(disk.portal), "127.0.0.1:%u",
	    d.port);
	c = ini_login(&disk, NAME, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
}

static void
restart(void)
{

	CU_ASSERT_TRUE(daemon_stop(&d));
	daemon_start(&d);
	login();
}

static void
tell(const char *what, unsigned long v)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", d.dir, what);
	if (v == 0) {
		(void)unlink(path);
		return;
	}
	f = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	(void)fprintf(f, "%lu\n", v);
	(void)fclose(f);
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

/*
 * The file and offset where chunk ${chunk} begins: its first block is looked
 * for in all segments of the store.
 */
static bool
find(unsigned chunk, char path[static 600], off_t *off)
{
	static unsigned char seg[2u << 20];
	char dir[400];
	struct dirent *e;
	ssize_t n;
	DIR *dp;
	int fd;

	fill(want, chunk, gen[chunk]);
	for (unsigned i = 0; i < 256; i++) {
		(void)snprintf(dir, sizeof(dir), "%s/seg/%02x", d.store, i);
		if ((dp = opendir(dir)) == NULL)
			return (false);
		while ((e = readdir(dp)) != NULL) {
			(void)snprintf(path, 600, "%s/%.8s", dir, e->d_name);
			if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
				continue;
			n = read(fd, seg, sizeof(seg));
			(void)close(fd);
			for (*off = 0; *off + 4096 <= n; *off += 512)
				if (memcmp(seg + *off, want, 4096) == 0) {
					(void)closedir(dp);
					return (true);
				}
		}
		(void)closedir(dp);
	}
	return (false);
}

/* ---- tests ------------------------------------------------------------- */

static void
test_begin(void)
{

	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &disk, "a 64M --open"));
	login();
	for (unsigned i = 0; i < CHUNKS; i++)
		CU_ASSERT_EQUAL(put(i, 1), 0);
	CU_ASSERT_EQUAL(flush(), 0);
	CU_ASSERT_EQUAL(n_bad(), 0);
}

/* One segment cannot be read: what is in it, and nothing else. */
static void
test_read(void)
{
	struct scsi_task *t;
	struct stat st;
	char path[600];
	unsigned bad;
	off_t off;

	restart();
	CU_ASSERT_TRUE_FATAL(find(40, path, &off));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	tell("eio-read", (unsigned long)st.st_ino);
	/* The LBA of the first block that is unreadable, if it says one. */
	t = iscsi_read16_sync(c, 0, 40 * PER + 8, CHUNK, SECTOR, 0, 0, 0, 0,
	    0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_EQUAL(t->status, SCSI_STATUS_CHECK_CONDITION);
	/* Sense data comes behind its length: VALID, INFORMATION. */
	CU_ASSERT_FATAL(t->datain.size >= 2 + 18);
	CU_ASSERT_EQUAL(t->datain.data[2] & 0x80, 0x80);
	CU_ASSERT_EQUAL((unsigned)t->datain.data[5] << 24 |
	    (unsigned)t->datain.data[6] << 16 |
	    (unsigned)t->datain.data[7] << 8 | t->datain.data[8], 40 * PER + 8);
	CU_ASSERT_EQUAL(sense_of(t), MEDIUM);
	bad = n_bad();
	CU_ASSERT(bad > 8 && bad < CHUNKS / 2);
	CU_ASSERT(daemon_status(&d, "store.medium_errors") > 0);
	/* Writing goes on, also there; the disk stays in use. */
	CU_ASSERT_EQUAL(put(40, 2), 0);
	CU_ASSERT_EQUAL(flush(), 0);
	CU_ASSERT_EQUAL(get(40), 0);
	CU_ASSERT_EQUAL(n_bad(), bad - 1);
	tell("eio-read", 0);
	restart();
	CU_ASSERT_EQUAL(n_bad(), 0);	/* it was no harm to the store */
}

/* Another bit, another block, no block: never returned as data. */
static void
test_wrong_content(void)
{
	unsigned char one[4096], two[4096], zero[4096] = { 0 };
	char p1[600], p2[600];
	off_t o1, o2;
	int f1, f2;

	CU_ASSERT_TRUE(daemon_stop(&d));
	CU_ASSERT_TRUE_FATAL(find(60, p1, &o1));
	CU_ASSERT_TRUE_FATAL(find(61, p2, &o2));
	f1 = open(p1, O_RDWR | O_CLOEXEC);
	f2 = open(p2, O_RDWR | O_CLOEXEC);
	CU_ASSERT_FATAL(f1 >= 0 && f2 >= 0);
	/* Misdirected: two blocks have changed places. */
	CU_ASSERT_EQUAL(pread(f1, one, 4096, o1), 4096);
	CU_ASSERT_EQUAL(pread(f2, two, 4096, o2), 4096);
	CU_ASSERT_EQUAL(pwrite(f1, two, 4096, o1), 4096);
	CU_ASSERT_EQUAL(pwrite(f2, one, 4096, o2), 4096);
	(void)close(f1);
	(void)close(f2);
	/* Rot: one bit. */
	CU_ASSERT_TRUE_FATAL(find(62, p1, &o1));
	f1 = open(p1, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(pread(f1, one, 1, o1 + 1000), 1);
	one[0] ^= 0x10;
	CU_ASSERT_EQUAL(pwrite(f1, one, 1, o1 + 1000), 1);
	(void)close(f1);
	/* Lost: zeroes where the block should be. */
	CU_ASSERT_TRUE_FATAL(find(63, p1, &o1));
	f1 = open(p1, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(pwrite(f1, zero, 4096, o1), 4096);
	(void)close(f1);
	daemon_start(&d);
	login();
	for (unsigned i = 60; i < 64; i++)
		CU_ASSERT_EQUAL(get(i), MEDIUM);
	CU_ASSERT_EQUAL(n_bad(), 4);
	/* Overwritten, they are as good as new. */
	for (unsigned i = 60; i < 64; i++)
		CU_ASSERT_EQUAL(put(i, 3), 0);
	CU_ASSERT_EQUAL(n_bad(), 0);
}

/*
 * A sync that fails: from there on nothing is acknowledged any more, also when
 * the disk is well again; everything can be read; a restart has all that was
 * flushed.
 */
static void
test_sync(void)
{
	uint32_t flushed[CHUNKS];
	int rc, s;

	for (unsigned i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(put(i, 4), 0);
	CU_ASSERT_EQUAL(flush(), 0);
	memcpy(flushed, gen, sizeof(gen));
	tell("eio-sync", 1);
	for (unsigned i = 16; i < 24; i++)
		(void)put(i, 5);
	CU_ASSERT_EQUAL(flush(), SYNC_BAD);
	tell("eio-sync", 0);
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(put(64 + i, 6), PROTECT);
		CU_ASSERT_NOT_EQUAL(flush(), 0);
	}
	CU_ASSERT_EQUAL(n_bad(), 0);
	json_decref(daemon_admin(&d, &rc, "status"));
	CU_ASSERT_NOT_EQUAL(rc, 0);
	json_decref(daemon_admin(&d, &rc, "snapshot a x"));
	CU_ASSERT_NOT_EQUAL(rc, 0);
	CU_ASSERT_TRUE(log_has("read-only"));
	/* It ends as it can; the next start is a recovery. */
	(void)daemon_stop(&d);
	daemon_start(&d);
	login();
	for (unsigned i = 0; i < CHUNKS; i++) {
		if ((s = get(i)) == 0)
			continue;
		/* Between the last flush and the failure: either. */
		CU_ASSERT(i >= 16 && i < 24);
		gen[i] = flushed[i];
		CU_ASSERT_EQUAL(get(i), 0);
	}
	CU_ASSERT_EQUAL(put(64, 7), 0);
	CU_ASSERT_EQUAL(flush(), 0);
	CU_ASSERT_EQUAL(get(64), 0);
	json_decref(daemon_admin(&d, &rc, "status"));
	CU_ASSERT_EQUAL(rc, 0);
}

static const struct unit_test tests[] = {
	{ "written", test_begin },
	{ "a segment that cannot be read", test_read },
	{ "content that is another", test_wrong_content },
	{ "a sync that fails", test_sync },
};

int
main(void)
{
	int failed;

	daemon_init(&d, "memory = \"64M\"\nsegment-size = \"2M\"\n"
	    "workers = 2\n");
	d.preload = getenv("TT_FAULT_SO");
	d.trace = "";
	(void)setenv("TT_FAULT_DIR", d.dir, 1);
	daemon_start(&d);
	failed = unit_run("e2e/disk", tests, sizeof(tests) /
	    sizeof(tests[0]));
	if (c != NULL)
		(void)iscsi_destroy_context(c);
	daemon_fini(&d, failed != 0);
	return (failed);
}
