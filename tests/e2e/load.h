/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load.h - writes and reads through libiscsi, over several connections with
 * many commands in flight, and knows what every sector must hold.
 *
 * No two commands in flight touch the same blocks, so each sector's order of
 * writes is known.  Per sector: the operation that was acknowledged last, and
 * the one that was sent last; after a crash either may be there.
 *
 * One thread; operations are numbered over all LUNs of a program.
 */
#ifndef TESTS_E2E_LOAD_H
#define TESTS_E2E_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/mark.h"
#include "tests/e2e/daemon.h"

#define LOAD_CONNS_MAX 8
#define LOAD_WINDOWS 3

struct load_conf {
	unsigned conns, depth;		/* depth: per connection */
	uint32_t key;			/* goes into the content */
	uint64_t seed;
	uint32_t io_max;		/* bytes of one write */
	struct {
		uint64_t off, len;	/* bytes; len 0: not used */
	} win[LOAD_WINDOWS];
	unsigned zero_percent;		/* UNMAP and WRITE SAME among writes */
	unsigned fua_percent;
	/* Told before a command is sent and after its answer; may be NULL. */
	void (*mark)(const struct mark *k);
};

struct load;

/* What a sector may hold. */
struct load_want {
	uint32_t *op;		/* acknowledged last; 0: never written */
	uint32_t *sent;		/* sent last */
	uint32_t *zero;		/* the last one sent that made zeroes */
	uint8_t *was_zero;	/* op made zeroes */
	uint64_t n;
};

struct load *load_new(const struct disk *d, const struct load_conf *c);
void load_free(struct load *l);

/* Logs all connections in; true on success.  Again after load_drop. */
bool load_connect(struct load *l);
bool load_connect_to(struct load *l, const struct disk *d);
void load_logout(struct load *l);
void load_drop(struct load *l);		/* no logout; forgets what is in flight */

/*
 * Keep ${conns * depth} writes in flight for ${ms} or until ${until} says so
 * (may be NULL; called every few milliseconds).  False: a command failed or a
 * connection is lost.
 */
bool load_run(struct load *l, unsigned ms, bool (*until)(void *), void *arg);
bool load_drain(struct load *l);
bool load_flush(struct load *l);	/* SYNCHRONIZE CACHE, on one connection */
unsigned load_in_flight(const struct load *l);
uint64_t load_written(const struct load *l);	/* commands acknowledged */

/*
 * Read all windows.  Returns the number of sectors that hold something else;
 * UINT64_MAX: could not be read.  With ${settle} what is found becomes what is
 * wanted (after a crash).
 */
uint64_t load_verify(struct load *l, bool settle);
/* The same against another state: what was between ${from} and ${to}. */
uint64_t load_verify_between(struct load *l, const struct load_want *from,
    const struct load_want *to);

struct load_want load_copy(const struct load *l);
void load_want_free(struct load_want *w);

#endif /* !TESTS_E2E_LOAD_H */
