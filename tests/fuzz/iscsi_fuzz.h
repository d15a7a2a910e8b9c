/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iscsi_fuzz.h - the fixture of the iSCSI unit tests, opened and closed for
 * every input without touching the disk's content.
 */
#ifndef TESTS_FUZZ_ISCSI_FUZZ_H
#define TESTS_FUZZ_ISCSI_FUZZ_H

#include "tests/fuzz/fuzz.h"
#include "tests/unit/iscsi/ini.h"

static inline void
node_open(void)
{
	uint8_t *from = (uint8_t *)fake.nexus;

	memset(from, 0, sizeof(fake) - (size_t)(from - (uint8_t *)&fake));
	memset(&fx, 0, sizeof(fx));
	net_loopback = true;
	net_tiny = false;
	net_seed = 1;
	FUZZ_HOLDS(iscsi_node_new(&fake_env, &fx.node) == 0);
	for (int i = 0; i < 2; i++) {
		fx.loop[i] = net_loop();
		FUZZ_HOLDS(iscsi_worker_new(fx.node, fx.loop[i],
		    &fx.w[i]) == 0);
	}
}

static inline void
let_all_go(void)
{

	fake.hold = false;
	while (fake.n_held > 0) {
		fake_let_go(0);
		fx_run();
	}
}

/* The peer hangs up; nothing may be left of anything. */
static inline void
node_close(struct ini *c)
{

	c->net->stalled = false;
	c->net->peer_closed = true;
	fx_run();
	let_all_go();
	fx_run();
	FUZZ_HOLDS(c->net->gone);
	fx_close();
	for (size_t i = 0; i < N_FAKE_TARGETS; i++)
		FUZZ_HOLDS(fake_targets[i].refs == 0);
}

#endif /* !TESTS_FUZZ_ISCSI_FUZZ_H */
