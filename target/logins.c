/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/logins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/lock.h"

/* An address that failed lately; free when ${failures} is 0. */
struct host {
	char name[LOGINS_ADDRESS_CAP];
	unsigned failures;
	uint64_t last_ms;
};

struct logins {
	struct lk lk;			/* rank LK_TARGETS, of all below */
	struct login_failure kept[LOGINS_KEPT];
	size_t n, next;			/* a ring */
	struct host hosts[LOGINS_HOSTS];
};

int
logins_new(struct logins **out)
{
	struct logins *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return (-ENOMEM);
	lk_init(&ls->lk, LK_TARGETS);
	*out = ls;
	return (0);
}

void
logins_free(struct logins *ls)
{

	if (ls == NULL)
		return;
	lk_destroy(&ls->lk);
	free(ls);
}

void
logins_host(char dst[static LOGINS_ADDRESS_CAP], const char *address)
{
	const char *colon = strrchr(address, ':');
	const size_t len = colon == NULL ? strlen(address) :
	    (size_t)(colon - address);

	(void)snprintf(dst, LOGINS_ADDRESS_CAP, "%.*s",
	    (int)TT_MIN(len, (size_t)LOGINS_ADDRESS_CAP - 1), address);
}

static const char *const reasons[] = {
	[ISCSI_REFUSED_PROTOCOL] = "protocol-error",
	[ISCSI_REFUSED_NO_TARGET] = "no-such-target",
	[ISCSI_REFUSED_NOT_ALLOWED] = "not-allowed",
	[ISCSI_REFUSED_REMOVED] = "target-removed",
	[ISCSI_REFUSED_NOT_READY] = "not-ready",
	[ISCSI_REFUSED_NO_CHAP] = "no-chap",
	[ISCSI_REFUSED_NO_ALGORITHM] = "no-common-algorithm",
	[ISCSI_REFUSED_USER] = "unknown-user",
	[ISCSI_REFUSED_SECRET] = "wrong-secret",
	[ISCSI_REFUSED_MUTUAL] = "mutual-chap-impossible",
	[ISCSI_REFUSED_TIMEOUT] = "timeout",
	[ISCSI_REFUSED_SESSION] = "no-session",
};

const char *
logins_reason(enum iscsi_refusal why)
{
	const size_t i = (size_t)why;

	return (i < sizeof(reasons) / sizeof(reasons[0]) &&
	    reasons[i] != NULL ? reasons[i] : "unknown");
}

/* Is it what somebody does who tries secrets or names? */
static bool
is_guess(enum iscsi_refusal why)
{

	switch (why) {
	case ISCSI_REFUSED_NO_TARGET:
	case ISCSI_REFUSED_NOT_ALLOWED:
	case ISCSI_REFUSED_NO_CHAP:
	case ISCSI_REFUSED_NO_ALGORITHM:
	case ISCSI_REFUSED_USER:
	case ISCSI_REFUSED_SECRET:
	case ISCSI_REFUSED_MUTUAL:
		return (true);
	case ISCSI_REFUSED_PROTOCOL:
	case ISCSI_REFUSED_REMOVED:
	case ISCSI_REFUSED_NOT_READY:
	case ISCSI_REFUSED_TIMEOUT:
	case ISCSI_REFUSED_SESSION:
		break;
	}
	return (false);
}

static bool
is_forgotten(const struct host *h, uint64_t now)
{

	return (h->failures == 0 || now - h->last_ms > LOGINS_FORGET_MS);
}

static struct host *
find_host(struct logins *ls, const char *name, uint64_t now)
{

	for (unsigned i = 0; i < LOGINS_HOSTS; i++)
		if (!is_forgotten(&ls->hosts[i], now) &&
		    strcmp(ls->hosts[i].name, name) == 0)
			return (&ls->hosts[i]);
	return (NULL);
}

/* A free place, or that of the address which has been quiet longest. */
static struct host *
new_host(struct logins *ls, const char *name, uint64_t now)
{
	struct host *best = &ls->hosts[0];

	for (unsigned i = 0; i < LOGINS_HOSTS; i++) {
		if (is_forgotten(&ls->hosts[i], now)) {
			best = &ls->hosts[i];
			break;
		}
		if (ls->hosts[i].last_ms < best->last_ms)
			best = &ls->hosts[i];
	}
	memset(best, 0, sizeof(*best));
	(void)snprintf(best->name, sizeof(best->name), "%s", name);
	return (best);
}

void
logins_failed(struct logins *ls, const struct iscsi_peer *peer,
    const char *iqn, const char *user, enum iscsi_refusal why)
{
	const uint64_t now = clock_mono_ms();
	char name[LOGINS_ADDRESS_CAP];
	struct login_failure *f;
	struct host *h;

	logins_host(name, peer->address);
	lk_lock(&ls->lk);
	f = &ls->kept[ls->next];
	ls->next = (ls->next + 1) % LOGINS_KEPT;
	ls->n = TT_MIN(ls->n + 1, (size_t)LOGINS_KEPT);
	memset(f, 0, sizeof(*f));
	f->time_ns = clock_utc_ns();
	f->why = why;
	(void)snprintf(f->address, sizeof(f->address), "%s", peer->address);
	(void)snprintf(f->initiator, sizeof(f->initiator), "%s",
	    peer->initiator == NULL ? "" : peer->initiator);
	(void)snprintf(f->iqn, sizeof(f->iqn), "%s", iqn);
	(void)snprintf(f->user, sizeof(f->user), "%s", user);
	if (is_guess(why)) {
		if ((h = find_host(ls, name, now)) == NULL)
			h = new_host(ls, name, now);
		h->failures++;
		h->last_ms = now;
	}
	lk_unlock(&ls->lk);
}

void
logins_succeeded(struct logins *ls, const char *address)
{
	char name[LOGINS_ADDRESS_CAP];
	struct host *h;

	logins_host(name, address);
	lk_lock(&ls->lk);
	if ((h = find_host(ls, name, clock_mono_ms())) != NULL)
		h->failures = 0;
	lk_unlock(&ls->lk);
}

unsigned
logins_delay_ms(struct logins *ls, const char *address)
{
	char name[LOGINS_ADDRESS_CAP];
	const struct host *h;
	unsigned n = 0;

	logins_host(name, address);
	lk_lock(&ls->lk);
	if ((h = find_host(ls, name, clock_mono_ms())) != NULL)
		n = h->failures;
	lk_unlock(&ls->lk);
	if (n <= LOGINS_FREE)
		return (0);
	n = TT_MIN(n - LOGINS_FREE - 1, 8u);
	return (TT_MIN(LOGINS_DELAY_MIN_MS << n, LOGINS_DELAY_MAX_MS));
}

int
logins_list(struct logins *ls, struct login_failure **out, size_t *out_n)
{
	struct login_failure *all = calloc(LOGINS_KEPT, sizeof(*all));
	size_t n;

	if (all == NULL)
		return (-ENOMEM);
	lk_lock(&ls->lk);
	n = ls->n;
	for (size_t i = 0; i < n; i++)
		all[i] = ls->kept[(ls->next + LOGINS_KEPT - n + i) %
		    LOGINS_KEPT];
	lk_unlock(&ls->lk);
	*out = all;
	*out_n = n;
	return (0);
}
