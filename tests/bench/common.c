/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* libiscsi's headers need the types above and include nothing. */
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

void
bench_die(const char *what, const char *why)
{

	(void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name,
	    what, why);
	exit(1);
}

uint64_t
bench_next(void)
{

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed);
}

static void
put(uint8_t *p)
{
	uint64_t v = bench_next();

	memcpy(p, &v, sizeof(v));
}

uint8_t *
bench_buf(size_t len)
{
	uint8_t *p = aligned_alloc(BLOCK_BYTES, len);

	if (p == NULL)
		bench_die("memory", strerror(errno));
	for (size_t i = 0; i < len; i += sizeof(uint64_t))
		put(p + i);
	return (p);
}

void
bench_freshen(uint8_t *p, size_t len)
{

	for (size_t i = 0; i < len; i += BLOCK_BYTES)
		put(p + i);
}

void
bench_login(struct bench_lun *l, const char *url, const char *initiator)
{
	struct iscsi_url *u;

	l->ctx = iscsi_create_context(initiator);
	if (l->ctx == NULL || (u = iscsi_parse_full_url(l->ctx, url)) == NULL)
		bench_die(url, "not a URL");
	(void)iscsi_set_session_type(l->ctx, ISCSI_SESSION_NORMAL);
	(void)iscsi_set_targetname(l->ctx, u->target);
	(void)iscsi_set_header_digest(l->ctx, ISCSI_HEADER_DIGEST_NONE);
	if (u->user[0] != '\0')
		(void)iscsi_set_initiator_username_pwd(l->ctx, u->user,
		    u->passwd);
	l->lun = u->lun;
	if (iscsi_full_connect_sync(l->ctx, u->portal, u->lun) != 0)
		bench_die(url, iscsi_get_error(l->ctx));
	iscsi_destroy_url(u);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y ? -1 : x > y);
}

void
bench_sort(double *v, size_t n)
{

	qsort(v, n, sizeof(*v), by_value);
}

double
bench_at(const double *v, size_t n, double share)
{
	size_t i = (size_t)((double)n * share);

	return (v[i < n ? i : n - 1]);
}
