/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e2e_memory.c - memory = N holds: 64 connections write at random all over a
 * sparse LUN of 1 TiB, snapshots come and go, space is reclaimed, and what the
 * daemon has of its own memory stays within N plus 64 MiB.
 *
 * RssAnon is what counts: RssFile is the page cache's, as far as it is mapped
 * (LMDB's file, the program itself), and the kernel takes it back when it
 * wants to.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "tests/e2e/ini.h"
#include "tests/lib/unit.h"

#define NAME	"iqn.2026-01.org.example:client"
#define CONNS	64u
#define DEPTH	8u
#define MEMORY	(UINT64_C(256) << 20)
#define SLACK	(UINT64_C(64) << 20)
#define SIZE	(UINT64_C(1) << 40)
#define BLOCK	4096u

struct conn;
struct slot {
	struct conn *c;
	unsigned char buf[BLOCK];
};
struct conn {
	struct iscsi_context *ctx;
	unsigned in_flight;
	bool bad;
	struct slot slot[DEPTH];
};

static struct daemon d;
static struct disk disk;
static struct conn conns[CONNS];
static uint64_t rnd_state = 42, n_written, peak;
static bool ending;

static uint64_t
rnd(void)
{

	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state);
}

static uint64_t
anon_bytes(void)
{
	char path[64], line[128];
	unsigned long long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)d.pid);
	if ((f = fopen(path, "re")) == NULL)
		return (0);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %llu", &kib) == 1)
			break;
	(void)fclose(f);
	return ((uint64_t)kib << 10);
}

static void send_one(struct slot *s);

static void
answered(struct iscsi_context *ctx, int status, void *data, void *priv)
{
	struct slot *s = priv;
	struct scsi_task *t = data;

	(void)ctx;
	s->c->in_flight--;
	if (status != SCSI_STATUS_GOOD)
		s->c->bad = true;
	scsi_free_scsi_task(t);
	n_written++;
	if (!ending && !s->c->bad)
		send_one(s);
}

/* A block that is unlike any other, anywhere. */
static void
send_one(struct slot *s)
{
	uint64_t lba = rnd() % (SIZE / BLOCK) * (BLOCK / disk.sector);

	for (size_t i = 0; i < BLOCK; i += 8) {
		uint64_t x = rnd();

		memcpy(s->buf + i, &x, 8);
	}
	if (iscsi_write16_task(s->c->ctx, 0, lba, s->buf, BLOCK,
	    (int)disk.sector, 0, 0, 0, 0, 0, answered, s) == NULL)
		s->c->bad = true;
	else
		s->c->in_flight++;
}

static bool
turn(void)
{
	struct pollfd p[CONNS];

	for (unsigned i = 0; i < CONNS; i++)
		p[i] = (struct pollfd){ .fd = iscsi_get_fd(conns[i].ctx),
		    .events = (short)iscsi_which_events(conns[i].ctx) };
	if (poll(p, CONNS, 100) < 0)
		return (false);
	for (unsigned i = 0; i < CONNS; i++)
		if (p[i].revents != 0 &&
		    (iscsi_service(conns[i].ctx, p[i].revents) != 0 ||
		    conns[i].bad))
			return (false);
	return (true);
}

static void
measure(void)
{
	uint64_t now = anon_bytes();

	if (now > peak)
		peak = now;
}

static bool
idle(void)
{

	for (unsigned i = 0; i < CONNS; i++)
		if (conns[i].in_flight > 0)
			return (false);
	return (true);
}

/* A snapshot now, and the one before goes: so there is work for reclaim. */
static void
administer(unsigned n)
{
	int fd, rc;

	json_decref(daemon_admin(&d, &rc, "snapshot m s%u", n));
	CU_ASSERT_EQUAL(rc, 0);
	if (n > 1) {
		json_decref(daemon_admin(&d, &rc, "delete m@s%u", n - 1));
		CU_ASSERT_EQUAL(rc, 0);
	}
	/* gc may take as long as it likes; nobody waits for it here. */
	if (daemon_admin_start(&d, &fd, "gc") > 0)
		(void)close(fd);
}

static void
test_memory(void)
{
	const char *text = getenv("TT_MEMORY_SECONDS");
	unsigned long seconds = text == NULL ? 10 : strtoul(text, NULL, 10);
	uint64_t until, tick, step;
	unsigned n = 0;

	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &disk, "m 1T --open"));
	for (unsigned i = 0; i < CONNS; i++) {
		conns[i].ctx = ini_login(&disk, NAME, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(conns[i].ctx);
	}
	for (unsigned i = 0; i < CONNS; i++)
		for (unsigned k = 0; k < DEPTH; k++) {
			conns[i].slot[k].c = &conns[i];
			send_one(&conns[i].slot[k]);
		}
	until = clock_mono_ms() + seconds * 1000;
	step = seconds * 1000 / 8;
	tick = clock_mono_ms() + step;
	while (clock_mono_ms() < until) {
		CU_ASSERT_TRUE_FATAL(turn());
		measure();
		if (clock_mono_ms() >= tick) {
			administer(++n);
			tick = clock_mono_ms() + step;
		}
	}
	ending = true;
	while (!idle()) {
		CU_ASSERT_TRUE_FATAL(turn());
		measure();
	}
	(void)printf("\n    %llu writes in %lu s by %u connections; at most "
	    "%llu MiB of %llu\n  ", (unsigned long long)n_written, seconds,
	    CONNS, (unsigned long long)peak >> 20,
	    (unsigned long long)MEMORY >> 20);
	CU_ASSERT(n_written > 1000);
	CU_ASSERT(peak > 0 && peak <= MEMORY + SLACK);
}

static const struct unit_test tests[] = {
	{ "a budget that holds", test_memory },
};

int
main(void)
{
	int failed;

	daemon_init(&d, "memory = \"256M\"\nworkers = 2\n");
	daemon_start(&d);
	failed = unit_run("e2e/memory", tests, sizeof(tests) /
	    sizeof(tests[0]));
	for (unsigned i = 0; i < CONNS; i++)
		if (conns[i].ctx != NULL)
			(void)iscsi_destroy_context(conns[i].ctx);
	daemon_fini(&d, failed != 0);
	return (failed);
}
