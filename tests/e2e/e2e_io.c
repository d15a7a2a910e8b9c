/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e2e_io.c - four connections with 32 commands each, against a model of every
 * sector: writes of whole blocks and of parts, UNMAP, WRITE SAME, snapshots
 * while it is written, exposures, a restart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "tests/e2e/ini.h"
#include "tests/e2e/load.h"
#include "tests/lib/unit.h"

#define MIB (UINT64_C(1) << 20)
#define TIB (UINT64_C(1) << 40)

struct geometry {
	const char *name, *args;
	uint64_t size;
	uint32_t sector, block, io_max;
};

static struct daemon d;
static unsigned run_ms = 1500;
static uint32_t next_key;

static void
windows(struct load_conf *c, uint64_t size)
{

	if (size <= 64 * MIB) {
		c->win[0].len = size;
		return;
	}
	/* The start, what lies across 2 TiB, and the last blocks. */
	c->win[0].len = 4 * MIB;
	c->win[1].off = 2 * TIB - 2 * MIB;
	c->win[1].len = 4 * MIB;
	c->win[2].off = size - 4 * MIB;
	c->win[2].len = 4 * MIB;
}

/* tt-admin in another process; the writes go on meanwhile. */
struct admin_job {
	pid_t pid;
	int fd, exit_status;
	bool done;
};

static bool
job_done(void *arg)
{
	struct admin_job *j = arg;
	char buf[4096];
	int st;

	if (!j->done && waitpid(j->pid, &st, WNOHANG) == j->pid) {
		j->done = true;
		j->exit_status = WIFEXITED(st) ? WEXITSTATUS(st) : -1;
		while (read(j->fd, buf, sizeof(buf)) > 0)
			continue;
		(void)close(j->fd);
	}
	return (j->done);
}

static bool
snapshot_under_load(struct load *l, const char *lun, const char *name,
    struct load_want *from, struct load_want *to)
{
	struct admin_job j = { .done = false };
	uint64_t before = load_written(l);

	*from = load_copy(l);
	j.pid = daemon_admin_start(&d, &j.fd, "snapshot %s %s", lun, name);
	(void)load_run(l, 30000, job_done, &j);
	*to = load_copy(l);
	CU_ASSERT_TRUE(j.done);
	CU_ASSERT_EQUAL(j.exit_status, 0);
	CU_ASSERT(load_in_flight(l) > 0);
	(void)before;
	return (j.done && j.exit_status == 0);
}

/* Every sector of the exposed snapshot; and nobody can write to it. */
static void
check_exposed(struct load *l, const struct disk *lun, const char *what,
    const struct load_want *from, const struct load_want *to,
    const struct load_conf *conf)
{
	struct load_conf c = *conf;
	struct disk k;
	struct load *r;
	struct iscsi_context *ctx;
	struct scsi_task *t;
	unsigned char buf[4096] = { 1 };

	(void)l;
	c.seed += 77;
	CU_ASSERT_TRUE_FATAL(daemon_expose(&d, &k, lun, what));
	CU_ASSERT_EQUAL(k.size, lun->size);
	r = load_new(&k, &c);
	CU_ASSERT_TRUE_FATAL(load_connect(r));
	CU_ASSERT_EQUAL(load_verify_between(r, from, to), 0);
	load_logout(r);
	load_free(r);
	ctx = ini_login(&k, "iqn.2026-01.org.example:writer", NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ctx);
	t = iscsi_write16_sync(ctx, 0, 0, buf, 4096, (int)k.sector, 0, 0, 0,
	    0, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_EQUAL(t->status, SCSI_STATUS_CHECK_CONDITION);
	CU_ASSERT_EQUAL(t->sense.key, SCSI_SENSE_DATA_PROTECTION);
	CU_ASSERT_EQUAL(t->sense.ascq, 0x2700);
	scsi_free_scsi_task(t);
	(void)iscsi_logout_sync(ctx);
	(void)iscsi_destroy_context(ctx);
}

static void
all_of_it(const struct geometry *g)
{
	struct load_conf c = { .conns = 4, .depth = 32, .seed = 4711,
	    .zero_percent = 8, .fua_percent = 2, .io_max = g->io_max };
	struct load_want from[2], to[2];
	char what[2][96], snap[2][32];
	struct disk k;
	struct load *l;
	json_t *j;
	int rc;

	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &k, "%s %s", g->name,
	    g->args));
	CU_ASSERT_EQUAL(k.size, g->size);
	CU_ASSERT_EQUAL(k.sector, g->sector);
	CU_ASSERT_EQUAL(k.block, g->block);
	c.key = ++next_key;
	windows(&c, k.size);
	l = load_new(&k, &c);
	CU_ASSERT_TRUE_FATAL(load_connect(l));
	CU_ASSERT_EQUAL(load_verify(l, false), 0);	/* all holes */
	for (int i = 0; i < 2; i++) {
		(void)snprintf(snap[i], sizeof(snap[i]), "s%d", i);
		(void)snprintf(what[i], sizeof(what[i]), "%s@s%d", g->name,
		    i);
		CU_ASSERT_TRUE(load_run(l, run_ms, NULL, NULL));
		CU_ASSERT_TRUE_FATAL(snapshot_under_load(l, g->name, snap[i],
		    &from[i], &to[i]));
		CU_ASSERT_TRUE(load_run(l, run_ms, NULL, NULL));
	}
	CU_ASSERT_TRUE(load_flush(l));
	CU_ASSERT(load_written(l) > 500);
	CU_ASSERT_EQUAL(load_verify(l, false), 0);
	for (int i = 0; i < 2; i++)
		check_exposed(l, &k, what[i], &from[i], &to[i], &c);
	CU_ASSERT_EQUAL(load_verify(l, false), 0);
	j = daemon_admin(&d, &rc, "list %s", g->name);
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "snapshots")), 2);
	json_decref(j);
	load_logout(l);

	/* The same after a restart; the port may be another. */
	CU_ASSERT_TRUE(daemon_stop(&d));
	daemon_start(&d);
	(void)snprintf(k.portal, sizeof(k.portal), "127.0.0.1:%u", d.port);
	CU_ASSERT_TRUE_FATAL(load_connect_to(l, &k));
	CU_ASSERT_EQUAL(load_verify(l, false), 0);
	CU_ASSERT_TRUE(load_run(l, 200, NULL, NULL));
	CU_ASSERT_TRUE(load_drain(l));
	CU_ASSERT_EQUAL(load_verify(l, false), 0);
	load_logout(l);
	load_free(l);
	for (int i = 0; i < 2; i++) {
		json_decref(daemon_admin(&d, &rc, "unexpose %s", what[i]));
		CU_ASSERT_EQUAL(rc, 0);
		json_decref(daemon_admin(&d, &rc, "delete %s --yes",
		    what[i]));
		CU_ASSERT_EQUAL(rc, 0);
		load_want_free(&from[i]);
		load_want_free(&to[i]);
	}
	json_decref(daemon_admin(&d, &rc, "delete %s --yes", g->name));
	CU_ASSERT_EQUAL(rc, 0);
}

static void
test_512_4k(void)
{
	all_of_it(&(struct geometry){ "small", "32M", 32 * MIB, 512, 4096,
	    128 << 10 });
}

static void
test_4096(void)
{
	all_of_it(&(struct geometry){ "native", "24M --sector 4096", 24 * MIB,
	    4096, 4096, 256 << 10 });
}

/* Sectors in blocks of 64 KiB: read, change, write. */
static void
test_partial(void)
{
	all_of_it(&(struct geometry){ "coarse", "32M --block 64K --open",
	    32 * MIB, 512, 65536, 192 << 10 });
}

static void
test_huge(void)
{
	all_of_it(&(struct geometry){ "huge", "3T --sector 512 --block 8K",
	    3 * TIB, 512, 8192, 256 << 10 });
}

/* READ CAPACITY and the pages say what the LUN is. */
static void
test_capacity(void)
{
	struct disk k;
	struct iscsi_context *ctx;
	struct scsi_task *t;
	struct scsi_readcapacity16 *rc16;
	int rc;

	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &k, "cap 5T"));
	ctx = ini_login(&k, "iqn.2026-01.org.example:cap", NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ctx);
	t = iscsi_readcapacity16_sync(ctx, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	rc16 = scsi_datain_unmarshall(t);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rc16);
	CU_ASSERT_EQUAL(rc16->returned_lba, 5 * TIB / 512 - 1);
	CU_ASSERT_EQUAL(rc16->block_length, 512);
	CU_ASSERT_EQUAL(rc16->lbppbe, 3);
	CU_ASSERT_EQUAL(rc16->lbpme, 1);
	scsi_free_scsi_task(t);
	/* One sector beyond the end. */
	t = iscsi_read16_sync(ctx, 0, 5 * TIB / 512, 512, 512, 0, 0, 0, 0, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	CU_ASSERT_EQUAL(t->status, SCSI_STATUS_CHECK_CONDITION);
	CU_ASSERT_EQUAL(t->sense.key, SCSI_SENSE_ILLEGAL_REQUEST);
	CU_ASSERT_EQUAL(t->sense.ascq, 0x2100);
	scsi_free_scsi_task(t);
	(void)iscsi_logout_sync(ctx);
	(void)iscsi_destroy_context(ctx);
	json_decref(daemon_admin(&d, &rc, "delete cap --yes"));
	CU_ASSERT_EQUAL(rc, 0);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "capacity", test_capacity },
		{ "512 on 4K", test_512_4k },
		{ "sectors of 4096", test_4096 },
		{ "parts of 64K blocks", test_partial },
		{ "beyond 2 TiB", test_huge },
	};
	int rc;

	if (getenv("TT_LONG") != NULL)
		run_ms = 15000;
	daemon_init(&d, "workers = 3\n");
	daemon_start(&d);
	rc = unit_run("e2e-io", tests, sizeof(tests) / sizeof(tests[0]));
	if (!daemon_stop(&d))
		rc = 1;
	daemon_fini(&d, rc != 0);
	return (rc);
}
