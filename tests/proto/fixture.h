/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture.h - a ttd with four LUNs, and someone beside: a session that writes
 * and compares all the time, on a thread and a LUN of its own.
 */
#ifndef TESTS_PROTO_FIXTURE_H
#define TESTS_PROTO_FIXTURE_H

#include "tests/proto/sess.h"

struct fixture {
	struct daemon d;
	struct disk plain;	/* no CHAP */
	struct disk oneway;	/* CHAP, alice */
	struct disk mutual;	/* CHAP both ways */
	struct disk beside;
};
extern struct fixture fx;

void fixture_begin(void);	/* exits when that does not work */
int fixture_end(int rc);

/*
 * After each attack: the daemon lives, takes a new login, writes and reads,
 * and the session beside has gone on meanwhile without one error.
 */
bool fixture_serves(void);

/* Content that says where it belongs. */
void fixture_fill(uint8_t *p, size_t len, uint32_t seed);

#endif /* !TESTS_PROTO_FIXTURE_H */
