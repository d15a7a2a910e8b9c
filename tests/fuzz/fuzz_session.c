/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_session.c - a stream of PDUs from someone who is logged in.
 *
 * byte 0: 1 random pieces, 2 header digests, 4 data digests, 8 InitialR2T=No,
 *	16 commands take their time, 32 and cannot be aborted, 64 data-in in
 *	odd pieces, 128 small segments and bursts
 * byte 1: 1 CmdSN is the input's own (otherwise what the window wants),
 *	2 digests are the input's own (otherwise right), 4 time passes at the end
 * then PDUs as on the wire without digests.  Where a PDU begins, FFh says that
 * the answers are read, FEh that a held command ends.
 */
#include "tests/fuzz/iscsi_fuzz.h"

enum { MARK_RUN = 0xff, MARK_GO = 0xfe };

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	return (0);
}

static struct ini
log_in(uint8_t how)
{
	const char *keys[8];
	int n = 0;

	if ((how & 2) != 0)
		keys[n++] = "HeaderDigest=CRC32C";
	if ((how & 4) != 0)
		keys[n++] = "DataDigest=CRC32C";
	if ((how & 8) != 0)
		keys[n++] = "InitialR2T=No";
	if ((how & 128) != 0) {
		keys[n++] = "MaxRecvDataSegmentLength=512";
		keys[n++] = "MaxBurstLength=1024";
		keys[n++] = "FirstBurstLength=512";
	}
	keys[n] = NULL;
	return (ini_session(keys));
}

/* Does this opcode carry a CmdSN that counts? */
static bool
numbered(uint8_t op)
{

	return ((op & 0x40) == 0 && (op & 0x3f) != 0x05 && (op & 0x3f) != 0x10);
}

static void
one_pdu(struct ini *c, struct in *in, bool own_sn)
{
	uint8_t b[48] = { 0 };
	size_t n = sizeof(b), ahs_len, len, pad;
	const uint8_t *p = in_bytes(in, &n), *ahs, *data;

	memcpy(b, p, n);
	if (!own_sn && (b[0] & 0x3f) != 0x05) {
		put_be32(b + 24, c->cmdsn);
		c->cmdsn += numbered(b[0]) ? 1 : 0;
	}
	ahs_len = 4u * b[4];
	len = get_be24(b + 5);
	ahs = in_bytes(in, &ahs_len);
	data = in_bytes(in, &len);
	pad = (4 - len % 4) % 4;
	(void)in_bytes(in, &pad);
	/* Lengths become what there is, or nothing would follow. */
	ini_send_ahs(c, b, ahs, (uint32_t)ahs_len / 4 * 4, data, (uint32_t)len);
}

static void
stream(struct ini *c, struct in *in, uint8_t more)
{

	while (in->left > 0 && !c->net->gone && !c->net->closing) {
		if (*in->p == MARK_RUN) {
			(void)in_u8(in);
			fx_run();
		} else if (*in->p == MARK_GO) {
			(void)in_u8(in);
			fx_run();
			if (fake.n_held > 0)
				fake_let_go(0);
		} else if ((more & 2) != 0) {
			ini_raw(c, in->p, in->left);
			in->left = 0;
		} else
			one_pdu(c, in, (more & 1) != 0);
		/* More than 512 commands are never held. */
		if (fake.n_held > 300)
			let_all_go();
	}
	fx_run();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	uint8_t how = in_u8(&in), more = in_u8(&in);
	struct ini c;

	/* What is longer is the same again, only slower. */
	if (size > 65536)
		return (0);
	node_open();
	c = log_in(how);
	net_tiny = (how & 1) != 0;
	fake.hold = (how & 16) != 0;
	fake.stubborn = (how & 32) != 0;
	fake.ext = (how & 64) != 0;
	stream(&c, &in, more);
	if ((more & 4) != 0 && !c.net->gone)
		for (int i = 0; i < 8; i++) {
			net_pass(fx.loop[0], 10000);
			fx_run();
		}
	fake.stubborn = false;
	node_close(&c);
	return (0);
}
