/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_login.c - the login machine, request by request: text, stages, CHAP.
 *
 * Each request: 1 flags (as in the PDU), 1 special, 2 length, text.
 * special: 1 a right CHAP_N and CHAP_R is added, 2 the TSIH of the input,
 *	4 the CID of the input, 8 the version of the input
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/iscsi/login_util.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	return (0);
}

/* The answer that user joe would give to the challenge that is open. */
static size_t
right_answer(char *dst, size_t cap)
{
	uint8_t resp[CHAP_HASH_MAX];
	char hex[CHAP_TEXT_CAP];
	struct iscsi_secret s;
	int n;

	if (l->st != LS_SEC_CHAP_R || l->alg == NULL)
		return (0);
	fake_set_secret(&s, "joes secret 1");
	if (chap_response(l->alg, l->chap_id, &s, l->challenge,
	    chap_alg_bytes(l->alg), resp) != 0)
		return (0);
	(void)chap_hex(hex, resp, chap_alg_bytes(l->alg));
	n = snprintf(dst, cap, "CHAP_N=joe%cCHAP_R=%s", 0, hex);
	return ((size_t)n + 1);
}

static enum login_next
one(struct in *in)
{
	static char text[70000];
	uint8_t flags = in_u8(in), special = in_u8(in);
	size_t len = in_be16(in), n = 0;
	const uint8_t *p;

	if ((special & 2) != 0)
		put_be16(req.b + 14, in_be16(in));
	if ((special & 4) != 0)
		put_be16(req.b + 20, in_be16(in));
	if ((special & 8) != 0)
		put_be16(req.b + 2, in_be16(in));
	p = in_bytes(in, &len);
	if ((special & 1) != 0)
		n = right_answer(text, sizeof(text));
	memcpy(text + n, p, len);
	return (send_bytes(flags, text, n + len));
}

/* What holds after every request, whatever it was. */
static void
check(enum login_next next)
{

	FUZZ_HOLDS(l->reply.len <= 65536);
	if (next == LOGIN_DONE) {
		FUZZ_HOLDS(l->st == LS_FULL);
		FUZZ_HOLDS(l->discovery || l->target != NULL);
		FUZZ_HOLDS(!l->chap_needed || l->authenticated);
		FUZZ_HOLDS(l->status == LOGIN_OK);
	}
	if (l->st == LS_OPER)
		FUZZ_HOLDS(!l->chap_needed || l->authenticated);
	if (next == LOGIN_REFUSED)
		FUZZ_HOLDS(l->status != LOGIN_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iscsi_peer peer = { .address = "192.0.2.7:1",
	    .local = "192.0.2.1:3260", .loopback = true, .tag = 3 };
	struct in in = { data, size };
	enum login_next next = LOGIN_MORE;

	FUZZ_HOLDS(login_new(&fake_env, &peer, &l) == 0);
	memset(&req, 0, sizeof(req));
	req.b[0] = 0x43;
	req.b[8] = 0x80;
	put_be32(req.b + 16, 77);
	put_be16(req.b + 20, 5);
	while (in.left > 0 && next == LOGIN_MORE) {
		next = one(&in);
		check(next);
	}
	end();
	return (0);
}
