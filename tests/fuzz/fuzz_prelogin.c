/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_prelogin.c - the bytes of a stranger: byte 0 says how they are
 * delivered (1: in random pieces, 2: not from loopback, 4: the time limit
 * passes at the end), the rest is the stream.
 */
#include "tests/fuzz/iscsi_fuzz.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	uint8_t how = in_u8(&in);
	struct ini c;

	node_open();
	net_tiny = (how & 1) != 0;
	net_loopback = (how & 2) == 0;
	c = ini_connect(0);
	ini_raw(&c, in.p, in.left);
	fx_run();
	if ((how & 4) != 0 && !c.net->gone) {
		net_pass(fx.loop[0], 16000);
		fx_run();
	}
	node_close(&c);
	return (0);
}
