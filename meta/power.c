/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * power.c - has power been lost since the store was used last?
 *
 * What was acknowledged and not flushed survives the death of a process and
 * not that of the machine.  So a store that was not closed in order, and that
 * another boot of a machine wrote to last, may lack such writes: those behind
 * the last record that is there.
 *
 * The row "power" of CAT_STORE remembers, FORMAT.md.  "Closed" is written as
 * the last act of closing.  Every opening replaces it, durably and before
 * anything can be appended, by "open" with its boot id, or by "lost"; that one
 * is deleted when the layer above has recorded what follows from it
 * (store_power).  Crash: until then the next opening finds "lost" again.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/store_int.h"

#define ROW_FORMAT	1
#define ROW_LEN		48

enum state { STATE_NONE, STATE_CLOSED, STATE_LOST, STATE_OPEN };

struct power_row {
	enum state state;
	uint64_t seq;			/* closed */
	uint64_t from_ns, to_ns;	/* lost */
	uint8_t boot_id[16];		/* open */
};

static int
read_row(struct store *st, struct power_row *out)
{
	uint8_t v[ROW_LEN];
	size_t len = sizeof(v);
	int rc;

	memset(out, 0, sizeof(*out));
	rc = catalog_get(st->cat, CAT_STORE, STORE_POWER_KEY,
	    strlen(STORE_POWER_KEY), v, &len);
	if (rc == -ENOENT)
		return (0);
	if (rc == 0 && (len != ROW_LEN || v[0] != ROW_FORMAT ||
	    v[1] == STATE_NONE || v[1] > STATE_OPEN))
		rc = -EILSEQ;
	if (rc != 0) {
		msg_err("catalogue: the row of the last closing is damaged "
		    "(%d)", rc);
		return (rc);
	}
	out->state = (enum state)v[1];
	out->seq = get_be64(v + 8);
	out->from_ns = get_be64(v + 16);
	out->to_ns = get_be64(v + 24);
	memcpy(out->boot_id, v + 32, 16);
	return (0);
}

static int
write_row(struct store *st, const struct power_row *r)
{
	uint8_t v[ROW_LEN] = { ROW_FORMAT, (uint8_t)r->state };
	struct cat_txn *t;
	int rc;

	put_be64(v + 8, r->seq);
	put_be64(v + 16, r->from_ns);
	put_be64(v + 24, r->to_ns);
	memcpy(v + 32, r->boot_id, 16);
	if ((rc = catalog_begin(st->cat, &t)) != 0)
		return (rc);
	if ((rc = catalog_put(t, CAT_STORE, STORE_POWER_KEY,
	    strlen(STORE_POWER_KEY), v, sizeof(v))) != 0) {
		catalog_abort(t);
		return (rc);
	}
	return (catalog_commit(t));
}

/* When this machine was started, UTC. */
static uint64_t
booted_ns(void)
{
	struct timespec up;
	const uint64_t now = clock_utc_ns();
	uint64_t ns;

	if (clock_gettime(CLOCK_BOOTTIME, &up) != 0)
		return (now);
	ns = (uint64_t)up.tv_sec * 1000000000u + (uint64_t)up.tv_nsec;
	return (ns < now ? now - ns : now);
}

static bool
other_boot(const uint8_t wrote[static 16])
{
	static const uint8_t unknown[16];
	uint8_t mine[16];

	rnd_boot_id(mine);
	return (memcmp(wrote, unknown, 16) != 0 &&
	    memcmp(mine, unknown, 16) != 0 && memcmp(wrote, mine, 16) != 0);
}

static void
tell(const struct store_power *p)
{
	char from[CLOCK_RFC3339_LEN], to[CLOCK_RFC3339_LEN];

	msg_warn("the store was not closed and the machine was started since: "
	    "power was lost.  Writes that were acknowledged from %s on, and "
	    "not flushed before %s, may be gone; everything flushed is there",
	    clock_rfc3339(from, p->from_ns), clock_rfc3339(to, p->to_ns));
}

/* A store of a version without the row: by who wrote its newest segment. */
static bool
is_lost(const struct power_row *r, const struct log_pos *end,
    const uint8_t wrote[static 16])
{

	switch (r->state) {
	case STATE_OPEN:
		return (other_boot(r->boot_id));
	case STATE_CLOSED:
		if (r->seq == end->seq)
			return (false);
		break;
	case STATE_NONE:
	case STATE_LOST:
		break;
	}
	return (other_boot(wrote));
}

int
power_open(struct store *st, const struct log_pos *end,
    const uint8_t wrote[static 16])
{
	struct power_row r, now = { .state = STATE_OPEN };
	int rc;

	if ((rc = read_row(st, &r)) != 0)
		return (rc);
	if (r.state == STATE_LOST)
		now = r;
	else if (is_lost(&r, end, wrote))
		now = (struct power_row){ .state = STATE_LOST,
		    .from_ns = end->time_ns,
		    .to_ns = TT_MAX(booted_ns(), end->time_ns) };
	else
		rnd_boot_id(now.boot_id);
	if ((rc = write_row(st, &now)) != 0)
		return (rc);
	if (now.state == STATE_LOST) {
		st->power = (struct store_power){ true, now.from_ns,
		    now.to_ns };
		tell(&st->power);
	}
	return (0);
}

void
power_close(struct store *st)
{
	struct power_row r = { .state = STATE_CLOSED };
	struct log_state ls;
	int rc;

	log_state(st->log, &ls);
	r.seq = ls.seq;
	if ((rc = ls.failed) == 0 &&
	    (rc = log_sync(st->log, ls.end_pos)) == 0)
		rc = write_row(st, &r);
	if (rc != 0)
		msg_warn("the store is not marked as closed (%d): after a "
		    "restart of the machine it will warn of a loss of power",
		    rc);
}
