/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_login_chap.c - CHAP inside the login phase: both directions, every
 * algorithm and form, and every way to fail.
 */
#include "target/iscsi/login.h"

#include "tests/unit/iscsi/login_util.h"

/*
 * One CHAP exchange.  ${form}: 'x' hexadecimal, 'b' base64.  ${secret} is what
 * the initiator believes; ${mutual}: NULL, or its CHAP_I and CHAP_C pairs.
 */
static enum login_next
chap_exchange(const char *algs, const char *user, const char *secret,
    char form, const char *mutual)
{
	struct iscsi_secret s;
	const struct chap_alg *a;
	uint8_t chal[64], resp[CHAP_HASH_MAX];
	char hex[CHAP_TEXT_CAP], pairs[4096], b64[64];
	size_t len;

	(void)send_pairs(SEC, CHAP " AuthMethod=CHAP,None");
	CU_ASSERT_ANSWER("AuthMethod", "CHAP");
	(void)snprintf(pairs, sizeof(pairs), "CHAP_A=%s", algs);
	if (send_pairs(SEC, pairs) != LOGIN_MORE)
		return (LOGIN_REFUSED);
	a = chap_choose(answer("CHAP_A"), 0xf);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(chap_binary(answer("CHAP_C"), chal, sizeof(chal),
	    &len), 0);
	CU_ASSERT_EQUAL(len, chap_alg_bytes(a));
	fake_set_secret(&s, secret);
	CU_ASSERT_EQUAL(chap_response(a, (uint8_t)atoi(answer("CHAP_I")), &s,
	    chal, len, resp), 0);
	(void)chap_hex(hex, resp, chap_alg_bytes(a));
	if (form == 'b') {
		static const char d[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "abcdefghijklmnopqrstuvwxyz0123456789+/";
		size_t n = chap_alg_bytes(a), o = 0;

		for (size_t i = 0; i < n; i += 3) {
			uint32_t v = (uint32_t)resp[i] << 16 |
			    (i + 1 < n ? (uint32_t)resp[i + 1] << 8 : 0) |
			    (i + 2 < n ? resp[i + 2] : 0);

			b64[o++] = d[v >> 18];
			b64[o++] = d[v >> 12 & 63];
			b64[o++] = i + 1 < n ? d[v >> 6 & 63] : '=';
			b64[o++] = i + 2 < n ? d[v & 63] : '=';
		}
		b64[o] = '\0';
	}
	(void)snprintf(pairs, sizeof(pairs), "CHAP_N=%s CHAP_R=%s%s %s", user,
	    form == 'b' ? "0b" : "", form == 'b' ? b64 : hex,
	    mutual == NULL ? "" : mutual);
	return (send_pairs(TO_OPER, pairs));
}

static void
test_chap(void)
{
	static const char *const algs[] = { "5", "6", "7", "8", "8,7,6,5" };

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		for (int b = 0; b < 2; b++) {
			begin();
			CU_ASSERT_EQUAL(chap_exchange(algs[i], "joe",
			    "joes secret 1", b ? 'b' : 'x', NULL), LOGIN_MORE);
			CU_ASSERT_EQUAL(l->rsp_flags, 0x81);
			CU_ASSERT_TRUE(l->authenticated);
			CU_ASSERT_STRING_EQUAL(l->user, "joe");
			CU_ASSERT_EQUAL(l->reply.len, 0);
			CU_ASSERT_EQUAL(send_pairs(TO_FULL, ""), LOGIN_DONE);
			end();
		}
}

static void
test_chap_mutual(void)
{
	static const char *const algs[] = { "5", "6", "7", "8" };
	struct iscsi_secret s;
	uint8_t want[CHAP_HASH_MAX];
	char hex[CHAP_TEXT_CAP];

	for (size_t i = 0; i < 4; i++) {
		const struct chap_alg *a = chap_choose(algs[i], 0xf);

		begin();
		CU_ASSERT_EQUAL(chap_exchange(algs[i], "joe", "joes secret 1",
		    'x', "CHAP_I=200 CHAP_C=0x0102030405060708"), LOGIN_MORE);
		CU_ASSERT_ANSWER("CHAP_N", "the-target");
		fake_set_secret(&s, "our secret 22");
		CU_ASSERT_EQUAL(chap_response(a, 200, &s,
		    (const uint8_t *)"\1\2\3\4\5\6\7\10", 8, want), 0);
		CU_ASSERT_ANSWER("CHAP_R", chap_hex(hex, want,
		    chap_alg_bytes(a)));
		CU_ASSERT_EQUAL(l->rsp_flags, 0x81);
		end();
	}
}

static void
chap_refused(const char *algs, const char *user, const char *secret,
    const char *mutual, enum iscsi_refusal why)
{

	begin();
	CU_ASSERT_EQUAL(chap_exchange(algs, user, secret, 'x', mutual),
	    LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, LOGIN_AUTH_FAILURE);
	CU_ASSERT_EQUAL(l->why, why);
	CU_ASSERT_FALSE(l->authenticated);
	CU_ASSERT_EQUAL(l->reply.len, 0);
	end();
}

static void
test_chap_refused(void)
{

	chap_refused("5", "joe", "joes secret 2", NULL, ISCSI_REFUSED_SECRET);
	chap_refused("5", "joe", "", NULL, ISCSI_REFUSED_SECRET);
	chap_refused("7", "nobody", "joes secret 1", NULL,
	    ISCSI_REFUSED_USER);
	chap_refused("7", "", "joes secret 1", NULL, ISCSI_REFUSED_USER);
	chap_refused("9", "joe", "joes secret 1", NULL,
	    ISCSI_REFUSED_NO_ALGORITHM);
	/* Mutual: half of it, bad numbers, equal secrets. */
	chap_refused("5", "joe", "joes secret 1", "CHAP_I=1",
	    ISCSI_REFUSED_MUTUAL);
	chap_refused("5", "joe", "joes secret 1", "CHAP_C=0x00",
	    ISCSI_REFUSED_MUTUAL);
	chap_refused("5", "joe", "joes secret 1", "CHAP_I=256 CHAP_C=0x00",
	    ISCSI_REFUSED_MUTUAL);
	chap_refused("5", "joe", "joes secret 1", "CHAP_I=1 CHAP_C=zz",
	    ISCSI_REFUSED_MUTUAL);
	chap_refused("5", "eve", "equal secret!", "CHAP_I=1 CHAP_C=0x00",
	    ISCSI_REFUSED_MUTUAL);
	/* The algorithms the configuration leaves. */
	begin();
	{
		struct iscsi_env e = fake_env;

		e.chap_algs = ISCSI_CHAP_SHA256;
		l->env = &e;
		CU_ASSERT_EQUAL(chap_exchange("8,6,5", "joe", "", 'x', NULL),
		    LOGIN_REFUSED);
		CU_ASSERT_EQUAL(l->why, ISCSI_REFUSED_NO_ALGORITHM);
		l->env = &fake_env;
	}
	end();
}

/* Our challenge sent back as the initiator's. */
static void
test_chap_reflected(void)
{
	struct iscsi_secret s;
	uint8_t chal[64], resp[CHAP_HASH_MAX];
	char pairs[512], hex[CHAP_TEXT_CAP], copy[CHAP_TEXT_CAP];
	const struct chap_alg *a = chap_choose("7", 0xf);
	size_t len;
	unsigned id;

	begin();
	(void)send_pairs(SEC, CHAP " AuthMethod=CHAP");
	(void)send_pairs(SEC, "CHAP_A=7");
	id = (unsigned)atoi(answer("CHAP_I"));
	(void)snprintf(copy, sizeof(copy), "%s", answer("CHAP_C"));
	(void)chap_binary(copy, chal, sizeof(chal), &len);
	fake_set_secret(&s, "joes secret 1");
	(void)chap_response(a, (uint8_t)id, &s, chal, len, resp);
	(void)snprintf(pairs, sizeof(pairs), "CHAP_N=joe CHAP_R=%s CHAP_I=%u "
	    "CHAP_C=%s", chap_hex(hex, resp, len), id, copy);
	CU_ASSERT_EQUAL(send_pairs(TO_OPER, pairs), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->why, ISCSI_REFUSED_MUTUAL);
	end();
}

/* Wrong step, missing keys, responses of every kind of length. */
static void
test_chap_steps(void)
{
	static const char *const step_a[] = { "", "CHAP_N=joe",
	    "AuthMethod=CHAP", "CHAP_A=5 CHAP_N=joe CHAP_R=0x00" };
	static const char *const step_r[] = { "", "CHAP_N=joe", "CHAP_R=0x00",
	    "CHAP_A=5", "CHAP_N=joe CHAP_R=", "CHAP_N=joe CHAP_R=0x",
	    "CHAP_N=joe CHAP_R=0xzz", "CHAP_N=joe CHAP_R=12",
	    "CHAP_N=joe CHAP_R=0x00112233445566778899aabbccddeeff",
	    "CHAP_N=joe CHAP_R=0b====" };
	char pairs[4096];

	for (size_t i = 0; i < sizeof(step_a) / sizeof(step_a[0]); i++) {
		begin();
		(void)send_pairs(SEC, CHAP " AuthMethod=CHAP");
		CU_ASSERT_EQUAL(send_pairs(SEC, step_a[i]), LOGIN_REFUSED);
		CU_ASSERT_EQUAL(l->status, LOGIN_AUTH_FAILURE);
		end();
	}
	for (size_t i = 0; i < sizeof(step_r) / sizeof(step_r[0]); i++) {
		begin();
		(void)send_pairs(SEC, CHAP " AuthMethod=CHAP");
		(void)send_pairs(SEC, "CHAP_A=5");
		CU_ASSERT_EQUAL(send_pairs(SEC, step_r[i]), LOGIN_REFUSED);
		CU_ASSERT_EQUAL(l->status, LOGIN_AUTH_FAILURE);
		end();
	}
	for (size_t n = 0; n < 3000; n += 7) {
		begin();
		(void)send_pairs(SEC, CHAP " AuthMethod=CHAP");
		(void)send_pairs(SEC, "CHAP_A=5");
		strcpy(pairs, "CHAP_N=joe CHAP_R=0x");
		memset(pairs + 20, '1', n);
		pairs[20 + n] = '\0';
		CU_ASSERT_EQUAL(send_pairs(SEC, pairs), LOGIN_REFUSED);
		end();
	}
}

/* Two logins, two challenges. */
static void
test_chap_fresh(void)
{
	char first[CHAP_TEXT_CAP];

	begin();
	(void)send_pairs(SEC, CHAP " AuthMethod=CHAP");
	(void)send_pairs(SEC, "CHAP_A=7");
	(void)snprintf(first, sizeof(first), "%s", answer("CHAP_C"));
	end();
	begin();
	(void)send_pairs(SEC, CHAP " AuthMethod=CHAP");
	(void)send_pairs(SEC, "CHAP_A=7");
	CU_ASSERT_STRING_NOT_EQUAL(first, answer("CHAP_C"));
	end();
}

/* Everything that a peer sees of a login, but for random values. */
struct view {
	char text[4096];
};

static void
look(struct view *v, enum login_next next)
{
	static const char *const hidden[] = { "CHAP_I=", "CHAP_C=0x" };
	size_t at = strlen(v->text);
	const char *s = l->reply.buf;

	at += (size_t)snprintf(v->text + at, sizeof(v->text) - at,
	    "%d %02x %04x:", (int)next, l->rsp_flags, (unsigned)l->status);
	for (size_t i = 0; i < l->reply.len; i += strlen(s + i) + 1) {
		const char *show = s + i;

		for (int k = 0; k < 2; k++)
			if (strncmp(show, hidden[k], strlen(hidden[k])) == 0)
				show = hidden[k];
		at += (size_t)snprintf(v->text + at, sizeof(v->text) - at,
		    " %s", show);
	}
	(void)snprintf(v->text + at, sizeof(v->text) - at, "\n");
}

/* One of several ways to try ${iqn}. */
static struct view
attempt(const char *iqn, int way, enum iscsi_refusal *why)
{
	static const struct {
		uint8_t flags;
		const char *text;
	} steps[][4] = {
		{ { SEC, "AuthMethod=CHAP,None" }, { SEC, "CHAP_A=5,7" },
		    { TO_OPER, "CHAP_N=joe CHAP_R=0x00112233445566778899aabb" } },
		{ { SEC, "AuthMethod=CHAP" }, { SEC, "CHAP_A=8" },
		    { TO_OPER, "CHAP_N=nobody CHAP_R=0b//// CHAP_I=1 "
		    "CHAP_C=0x01" } },
		{ { SEC, "AuthMethod=CHAP" }, { SEC, "CHAP_A=9,10" } },
		{ { SEC, "AuthMethod=None" } },
		{ { TO_OPER, "" } },
		{ { TO_FULL, "" } },
		{ { SEC, "" }, { TO_OPER, "" } }
	};
	struct view v = { "" };
	char text[512];

	begin();
	fake.hide = true;
	for (int i = 0; i < 4 && steps[way][i].text != NULL; i++) {
		if (i == 0)
			(void)snprintf(text, sizeof(text), "InitiatorName="
			    "iqn.i:one TargetName=%s %s", iqn,
			    steps[way][i].text);
		else
			(void)snprintf(text, sizeof(text), "%s",
			    steps[way][i].text);
		if (text[strlen(text) - (text[0] != '\0')] == ' ')
			text[strlen(text) - 1] = '\0';
		look(&v, send_pairs(steps[way][i].flags, text));
	}
	CU_ASSERT_EQUAL(l->st, LS_FAILED);
	CU_ASSERT_EQUAL(l->status, LOGIN_AUTH_FAILURE);
	*why = l->why;
	end();
	return (v);
}

/*
 * A target that wants CHAP, one that does not exist, and one that is not for
 * this peer: no difference to be seen.  The daemon learns the reason.
 */
static void
test_absent(void)
{
	enum iscsi_refusal why;

	for (int way = 0; way < 7; way++) {
		struct view there = attempt("iqn.t:chap", way, &why), v;

		CU_ASSERT_TRUE(strstr(there.text, "0201") != NULL);
		v = attempt("iqn.t:none", way, &why);
		CU_ASSERT_STRING_EQUAL(v.text, there.text);
		CU_ASSERT_EQUAL(why, ISCSI_REFUSED_NO_TARGET);
		v = attempt("iqn.t:secret", way, &why);
		CU_ASSERT_STRING_EQUAL(v.text, there.text);
		CU_ASSERT_EQUAL(why, ISCSI_REFUSED_NOT_ALLOWED);
	}
}

/* Not even somebody with a valid secret gets into what is not there. */
static void
test_absent_valid(void)
{
	struct iscsi_secret s;
	uint8_t chal[64], resp[CHAP_HASH_MAX];
	char pairs[512], hex[CHAP_TEXT_CAP];
	const struct chap_alg *a = chap_choose("7", 0xf);
	size_t len;

	begin();
	fake.hide = true;
	(void)send_pairs(SEC, "InitiatorName=iqn.i:one TargetName=iqn.t:none "
	    "AuthMethod=CHAP");
	(void)send_pairs(SEC, "CHAP_A=7");
	(void)chap_binary(answer("CHAP_C"), chal, sizeof(chal), &len);
	fake_set_secret(&s, "joes secret 1");
	(void)chap_response(a, (uint8_t)atoi(answer("CHAP_I")), &s, chal, len,
	    resp);
	(void)snprintf(pairs, sizeof(pairs), "CHAP_N=joe CHAP_R=%s",
	    chap_hex(hex, resp, len));
	CU_ASSERT_EQUAL(send_pairs(TO_OPER, pairs), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, LOGIN_AUTH_FAILURE);
	CU_ASSERT_FALSE(l->authenticated);
	end();
}

/* The initiator's challenge in both forms and of every length. */
static void
test_chap_lengths(void)
{
	char pairs[4096];

	for (size_t n = 0; n <= 1030; n += n < 8 || n > 1020 ? 1 : 13)
		for (int b64 = 0; b64 < 2; b64++) {
			size_t at = (size_t)snprintf(pairs, sizeof(pairs),
			    "CHAP_I=1 CHAP_C=0%c", b64 ? 'b' : 'x');
			size_t digits = b64 ? (n * 4 + 2) / 3 : 2 * n;

			memset(pairs + at, 'A', digits);
			at += digits;
			while (b64 && digits++ % 4 != 0)
				pairs[at++] = '=';
			pairs[at] = '\0';
			begin();
			CU_ASSERT_EQUAL(chap_exchange("7", "joe",
			    "joes secret 1", 'x', pairs), n == 0 || n > 1024 ?
			    LOGIN_REFUSED : LOGIN_MORE);
			end();
		}
}

/* Discovery by CHAP: the daemon lists what this user may enter. */
static void
test_chap_discovery(void)
{
	static const char ask[] = "SendTargets=All";
	/* Any of his secrets does, none of another user. */
	static const char *const secret[] = { NULL, "joes secret 1",
	    "joes secret 2", "joes secret 3", "joes secret 4", "equal secret!",
	    "" };

	for (size_t chap = 0; chap < 7; chap++) {
		struct ini c;
		struct pdu p;
		char pairs[128], hex[CHAP_TEXT_CAP];
		uint8_t chal[64], resp[CHAP_HASH_MAX];
		uint8_t b[48] = { 0x44, 0x80 };
		struct iscsi_secret s;
		size_t len;

		fx_open(&fake_env);
		fake.discovery_chap = true;
		c = ini_connect(0);
		if (chap == 0) {
			INI_LOGIN(&c, T_OPER_FULL, "InitiatorName=iqn.i:one",
			    "SessionType=Discovery");
			p = ini_expect(&c, 0x23);
			CU_ASSERT_EQUAL(login_code(&p), 0x0201);
			fx_close();
			continue;
		}
		INI_LOGIN(&c, SEC, "InitiatorName=iqn.i:one",
		    "SessionType=Discovery", "AuthMethod=CHAP");
		(void)ini_expect(&c, 0x23);
		INI_LOGIN(&c, SEC, "CHAP_A=7");
		p = ini_expect(&c, 0x23);
		(void)chap_binary(pdu_value(&p, "CHAP_C"), chal, sizeof(chal),
		    &len);
		fake_set_secret(&s, secret[chap]);
		(void)chap_response(chap_choose("7", 0xf),
		    (uint8_t)atoi(pdu_value(&p, "CHAP_I")), &s, chal, len,
		    resp);
		(void)snprintf(pairs, sizeof(pairs), "CHAP_R=%s",
		    chap_hex(hex, resp, len));
		INI_LOGIN(&c, SEC_TO_FULL, "CHAP_N=joe", pairs);
		p = ini_expect(&c, 0x23);
		CU_ASSERT_EQUAL(login_code(&p), chap < 4 ? 0 : 0x0201);
		if (chap >= 4) {
			fx_close();
			continue;
		}
		put_be32(b + 16, 5);
		put_be32(b + 20, 0xffffffff);
		put_be32(b + 24, c.cmdsn);
		ini_send(&c, b, ask, sizeof(ask));
		p = ini_expect(&c, 0x24);
		CU_ASSERT_TRUE(memmem(p.data, p.len, "iqn.t:chap", 10) !=
		    NULL);
		fx_close();
	}
}

static const struct unit_test tests[] = {
	{ "CHAP", test_chap },
	{ "mutual CHAP", test_chap_mutual },
	{ "CHAP refused", test_chap_refused },
	{ "CHAP reflected", test_chap_reflected },
	{ "CHAP steps", test_chap_steps },
	{ "CHAP challenges are fresh", test_chap_fresh },
	{ "CHAP_C of every length", test_chap_lengths },
	{ "discovery by CHAP", test_chap_discovery },
	{ "what is not there looks like what is", test_absent },
	{ "what is not there is not entered", test_absent_valid }
};
UNIT_MAIN("iscsi/login_chap", tests)
