/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/proto/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/clock.h"

#define BESIDE_BYTES 12288u
#define BESIDE_LBAS 32768u	/* 16 MiB */

struct fixture fx;
static pthread_t thread;
static _Atomic bool stop;
static _Atomic unsigned turns, errors;

void
fixture_fill(uint8_t *p, size_t len, uint32_t seed)
{

	for (size_t i = 0; i < len; i++) {
		if (i % 64 == 0)
			seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24 ^ i);
	}
}

static void *
beside(void *arg)
{
	static uint8_t out[BESIDE_BYTES], in[BESIDE_BYTES];
	struct sess s;
	uint32_t lba = 0;

	(void)arg;
	if (!sess_open(&s, &fx.beside, fx.d.port, NULL)) {
		errors++;
		return (NULL);
	}
	while (!stop) {
		fixture_fill(out, sizeof(out), turns);
		if (!sess_write(&s, lba, out, sizeof(out)) ||
		    !sess_read(&s, lba, in, sizeof(in)) ||
		    memcmp(out, in, sizeof(in)) != 0 || s.w.bad ||
		    s.rejects > 0) {
			errors++;
			break;
		}
		lba = (lba + 1777) % (BESIDE_LBAS - BESIDE_BYTES / 512);
		turns++;
		(void)usleep(2000);
	}
	sess_close(&s);
	return (NULL);
}

static void
fatal(const char *what)
{

	(void)fprintf(stderr, "fixture: %s\n", what);
	daemon_fini(&fx.d, true);
	exit(1);
}

void
fixture_begin(void)
{
	char path[400];
	FILE *f;

	daemon_init(&fx.d, NULL);
	daemon_start(&fx.d);
	(void)snprintf(path, sizeof(path), "%s/secret", fx.d.dir);
	if ((f = fopen(path, "we")) == NULL ||
	    fputs("correct-horse-1\n", f) < 0 || fclose(f) != 0 ||
	    chmod(path, 0600) != 0)
		fatal("secret");
	if (!daemon_create(&fx.d, &fx.plain, "plain 64M --open") ||
	    !daemon_create(&fx.d, &fx.mutual, "both 16M") ||
	    !daemon_create(&fx.d, &fx.beside, "beside 16M --open") ||
	    !daemon_create(&fx.d, &fx.oneway,
	    "oneway 16M --chap alice --secret-file %s", path))
		fatal("create");
	if (pthread_create(&thread, NULL, beside, NULL) != 0)
		fatal("thread");
}

int
fixture_end(int rc)
{

	stop = true;
	(void)pthread_join(thread, NULL);
	if (errors > 0 || turns == 0) {
		(void)fprintf(stderr, "the session beside: %u errors, %u "
		    "turns\n", errors, turns);
		rc = 1;
	}
	if (!daemon_stop(&fx.d))
		rc = 1;
	daemon_fini(&fx.d, rc != 0);
	return (rc);
}

static bool
write_and_read(struct sess *s)
{
	static uint8_t out[65536], in[65536];
	static uint32_t seed = 77;

	fixture_fill(out, sizeof(out), seed++);
	return (sess_write(s, 65536, out, sizeof(out)) &&
	    sess_read(s, 65536, in, sizeof(in)) &&
	    memcmp(out, in, sizeof(in)) == 0 && !s->w.bad);
}

/*
 * A port of its own: a login of the attack whose connection was reset may be
 * carried out only now, and would reinstate a session with the same ISID.
 */
static bool
open_apart(struct sess *s)
{
	struct result r = { .status = 2 };

	sess_begin(s, fx.d.port);
	s->isid[5] = 77;
	if (sess_login(s, &fx.plain, NULL, NULL) != 0)
		return (false);
	for (int i = 0; i < 8 && r.status != 0; i++)
		if (!sess_ready(s, &r))
			return (false);
	return (r.status == 0);
}

bool
fixture_serves(void)
{
	uint64_t end = clock_mono_ms() + WIRE_MS;
	unsigned before = turns;
	struct sess s;
	bool ok;

	if (!daemon_alive(&fx.d))
		return (false);
	ok = open_apart(&s) && write_and_read(&s);
	sess_close(&s);
	while (ok && turns == before && errors == 0 && clock_mono_ms() < end)
		(void)usleep(1000);
	return (ok && turns != before && errors == 0);
}
