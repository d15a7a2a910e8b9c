/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_login.c - the login machine, request by request: every stage, every
 * way to be refused, and what a stranger can make it hold.
 */
#include "target/iscsi/login.h"

#include "tests/unit/iscsi/login_util.h"

static void
test_straight(void)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, OPEN " MaxBurstLength=4096"),
	    LOGIN_DONE);
	CU_ASSERT_EQUAL(l->rsp_flags, 0x87);
	CU_ASSERT_ANSWER("TargetPortalGroupTag", "3");
	CU_ASSERT_ANSWER("MaxBurstLength", "4096");
	CU_ASSERT_ANSWER("MaxRecvDataSegmentLength", "262144");
	CU_ASSERT_STRING_EQUAL(l->initiator, "iqn.i:one");
	CU_ASSERT_STRING_EQUAL(l->iqn, "iqn.t:open");
	CU_ASSERT_PTR_EQUAL(l->target, &fake_targets[0]);
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, ""), LOGIN_DROP);
	end();
}

static void
test_both_stages(void)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(TO_OPER, OPEN " AuthMethod=CHAP,None"),
	    LOGIN_MORE);
	CU_ASSERT_EQUAL(l->rsp_flags, 0x81);
	CU_ASSERT_ANSWER("AuthMethod", "None");
	CU_ASSERT_ANSWER("TargetPortalGroupTag", "3");
	CU_ASSERT_EQUAL(send_pairs(OPER, "HeaderDigest=CRC32C,None"),
	    LOGIN_MORE);
	CU_ASSERT_EQUAL(l->rsp_flags, 0x04);
	CU_ASSERT_ANSWER("HeaderDigest", "CRC32C");
	CU_ASSERT_ANSWER("MaxRecvDataSegmentLength", "262144");
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, "DataDigest=None"), LOGIN_DONE);
	CU_ASSERT_PTR_NULL(answer("MaxRecvDataSegmentLength"));
	CU_ASSERT_EQUAL(l->neg.p.hdigest, 1);
	CU_ASSERT_EQUAL(l->neg.p.ddigest, 0);
	end();
}

/* The security stage may end the login; then nothing was declared. */
static void
test_security_to_full(void)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(SEC_TO_FULL, OPEN " AuthMethod=None"),
	    LOGIN_DONE);
	CU_ASSERT_EQUAL(l->rsp_flags, 0x83);
	CU_ASSERT_EQUAL(l->neg.p.our_mrdsl, 8192);
	end();
	/* Without a word about security. */
	begin();
	CU_ASSERT_EQUAL(send_pairs(SEC, OPEN), LOGIN_MORE);
	CU_ASSERT_EQUAL(send_pairs(SEC_TO_FULL, ""), LOGIN_DONE);
	end();
}

/* The T bit waits until security is settled. */
static void
test_transit_too_early(void)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(TO_OPER, CHAP " AuthMethod=CHAP"),
	    LOGIN_MORE);
	CU_ASSERT_EQUAL(l->rsp_flags, 0x00);
	CU_ASSERT_EQUAL(l->st, LS_SEC_CHAP_A);
	CU_ASSERT_EQUAL(send_pairs(TO_OPER, "CHAP_A=5"), LOGIN_MORE);
	CU_ASSERT_EQUAL(l->rsp_flags, 0x00);
	CU_ASSERT_EQUAL(l->st, LS_SEC_CHAP_R);
	end();
}

static void
refused_at(uint8_t flags, const char *pairs, enum login_status status,
    enum iscsi_refusal why)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(flags, pairs), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, status);
	CU_ASSERT_EQUAL(l->why, why);
	CU_ASSERT_EQUAL(fake.n_failed, 1);
	CU_ASSERT_EQUAL(fake.last_refusal, why);
	CU_ASSERT_EQUAL(l->reply.len, 0);
	CU_ASSERT_EQUAL(l->rsp_flags & 0x80, 0);
	CU_ASSERT_EQUAL(send_pairs(flags, pairs), LOGIN_DROP);
	end();
}

static void
test_refused_first(void)
{
	static const struct {
		uint8_t flags;
		const char *pairs;
		enum login_status status;
		enum iscsi_refusal why;
	} t[] = {
		{ TO_FULL, "TargetName=iqn.t:open", LOGIN_MISSING,
		    ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, "", LOGIN_MISSING, ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, "InitiatorName=iqn.i:one", LOGIN_MISSING,
		    ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, "InitiatorName= TargetName=iqn.t:open",
		    LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, "InitiatorName=a,b TargetName=iqn.t:open",
		    LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, "InitiatorName=iqn.i:one SessionType=Strange",
		    LOGIN_SESSION_TYPE, ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, "InitiatorName=iqn.i:one TargetName=iqn.t:none",
		    LOGIN_NOT_FOUND, ISCSI_REFUSED_NO_TARGET },
		{ TO_FULL, "InitiatorName=iqn.i:one TargetName=iqn.t:secret",
		    LOGIN_NOT_FOUND, ISCSI_REFUSED_NOT_ALLOWED },
		{ TO_FULL, "InitiatorName=iqn.i:one TargetName=iqn.t:gone",
		    LOGIN_REMOVED, ISCSI_REFUSED_REMOVED },
		{ TO_FULL, "InitiatorName=iqn.i:one TargetName=iqn.t:late",
		    LOGIN_UNAVAILABLE, ISCSI_REFUSED_NOT_READY },
		/* Around security. */
		{ TO_FULL, CHAP, LOGIN_AUTH_FAILURE, ISCSI_REFUSED_NO_CHAP },
		{ TO_OPER, CHAP, LOGIN_AUTH_FAILURE, ISCSI_REFUSED_NO_CHAP },
		{ TO_OPER, CHAP " AuthMethod=None", LOGIN_AUTH_FAILURE,
		    ISCSI_REFUSED_NO_CHAP },
		{ TO_OPER, CHAP " AuthMethod=KRB5,SRP", LOGIN_AUTH_FAILURE,
		    ISCSI_REFUSED_NO_CHAP },
		{ TO_OPER, OPEN " AuthMethod=CHAP", LOGIN_AUTH_FAILURE,
		    ISCSI_REFUSED_NO_CHAP },
		{ SEC, CHAP " AuthMethod=CHAP CHAP_A=5",
		    LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ SEC, CHAP " CHAP_N=joe CHAP_R=0x00", LOGIN_INITIATOR_ERROR,
		    ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, OPEN " AuthMethod=None", LOGIN_INITIATOR_ERROR,
		    ISCSI_REFUSED_PROTOCOL },
		/* Stages. */
		{ 0x08, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ 0x0c, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ 0x80, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ 0x82, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ 0x84, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ 0x85, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ 0x86, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ 0xc7, OPEN, LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		/* Text. */
		{ TO_FULL, OPEN " nonsense", LOGIN_INITIATOR_ERROR,
		    ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, OPEN " MaxBurstLength=512 MaxBurstLength=512",
		    LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ TO_OPER, OPEN " AuthMethod=None AuthMethod=None",
		    LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, OPEN " InitiatorName=iqn.i:two",
		    LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL },
		{ TO_FULL, OPEN " SessionType=Discovery",
		    LOGIN_INITIATOR_ERROR, ISCSI_REFUSED_PROTOCOL }
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		refused_at(t[i].flags, t[i].pairs, t[i].status, t[i].why);
}

static void
test_version(void)
{

	begin();
	req.b[3] = 1;
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, OPEN), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, LOGIN_VERSION);
	end();
	begin();
	req.b[2] = 9;	/* the highest it speaks does not matter */
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, OPEN), LOGIN_DONE);
	end();
}

/* The header fields of a login may not change on the way. */
static void
test_pinned(void)
{
	static const int at[] = { 8, 13, 14, 15, 16, 19, 20, 21 };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		begin();
		CU_ASSERT_EQUAL(send_pairs(SEC, OPEN), LOGIN_MORE);
		req.b[at[i]] ^= 1;
		CU_ASSERT_EQUAL(send_pairs(SEC_TO_FULL, ""), LOGIN_REFUSED);
		CU_ASSERT_EQUAL(l->status, LOGIN_INITIATOR_ERROR);
		end();
	}
}

/* A stage once left does not come back. */
static void
test_stage_backwards(void)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(OPER, OPEN), LOGIN_MORE);
	CU_ASSERT_EQUAL(send_pairs(SEC, "AuthMethod=None"), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, LOGIN_INITIATOR_ERROR);
	end();
	begin();
	CU_ASSERT_EQUAL(send_pairs(SEC, OPEN), LOGIN_MORE);
	CU_ASSERT_EQUAL(send_pairs(OPER, ""), LOGIN_REFUSED);
	end();
	begin();
	CU_ASSERT_EQUAL(send_pairs(OPER, OPEN), LOGIN_MORE);
	CU_ASSERT_EQUAL(send_pairs(OPER, "CHAP_A=5"), LOGIN_REFUSED);
	end();
}

static void
test_names(void)
{
	char pairs[512], name[260];

	begin();
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, "InitiatorName=IQN.I:One "
	    "TargetName=IQN.T:Open"), LOGIN_DONE);
	CU_ASSERT_STRING_EQUAL(l->initiator, "iqn.i:one");
	CU_ASSERT_STRING_EQUAL(l->iqn, "iqn.t:open");
	end();
	memset(name, 'a', sizeof(name));
	for (size_t n = 222; n < 226; n++) {
		name[n] = '\0';
		(void)snprintf(pairs, sizeof(pairs),
		    "InitiatorName=%s TargetName=iqn.t:open", name);
		begin();
		CU_ASSERT_EQUAL(send_pairs(TO_FULL, pairs),
		    n <= 223 ? LOGIN_DONE : LOGIN_REFUSED);
		end();
		name[n] = 'a';
	}
	/* The same name again is no harm. */
	begin();
	CU_ASSERT_EQUAL(send_pairs(OPER, OPEN), LOGIN_MORE);
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, OPEN), LOGIN_DONE);
	end();
}

static void
test_discovery(void)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, DISC " MaxBurstLength=512"),
	    LOGIN_DONE);
	CU_ASSERT_TRUE(l->discovery);
	CU_ASSERT_PTR_NULL(l->target);
	CU_ASSERT_PTR_NULL(answer("TargetPortalGroupTag"));
	CU_ASSERT_ANSWER("MaxBurstLength", "Irrelevant");
	end();
	begin();
	fake.discovery_chap = true;
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, DISC), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, LOGIN_AUTH_FAILURE);
	end();
	begin();
	put_be16(req.b + 14, 9);
	CU_ASSERT_EQUAL(send_pairs(TO_FULL, DISC), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, LOGIN_NO_SESSION);
	end();
}

/* Keys of the operational stage do not count in the security stage. */
static void
test_key_in_wrong_stage(void)
{

	begin();
	CU_ASSERT_EQUAL(send_pairs(SEC, OPEN " HeaderDigest=CRC32C X-y=1"),
	    LOGIN_MORE);
	CU_ASSERT_ANSWER("HeaderDigest", "Reject");
	CU_ASSERT_ANSWER("X-y", "NotUnderstood");
	end();
}

/* Text in parts of one byte: nothing is looked at before it is whole. */
static void
test_continued(void)
{
	static const char text[] = "InitiatorName=iqn.i:one\0"
	    "TargetName=iqn.t:open\0SessionType=Normal\0MaxBurstLength=4096";

	begin();
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		CU_ASSERT_EQUAL(send_bytes(0x44, text + i, 1), LOGIN_MORE);
		CU_ASSERT_EQUAL(l->rsp_flags, 0x04);
		CU_ASSERT_EQUAL(l->reply.len, 0);
		CU_ASSERT_EQUAL(l->st, LS_FIRST);
	}
	CU_ASSERT_EQUAL(send_bytes(TO_FULL, "", 1), LOGIN_DONE);
	CU_ASSERT_ANSWER("MaxBurstLength", "4096");
	end();
}

static void
test_limits(void)
{
	static char big[9000];
	unsigned n;

	begin();	/* more than a PDU may carry in a login */
	CU_ASSERT_EQUAL(send_bytes(TO_FULL, big, 8193), LOGIN_DROP);
	end();
	begin();	/* more than a login may carry */
	for (n = 0; send_bytes(0x44, big, 8192) == LOGIN_MORE; n++)
		;
	CU_ASSERT_EQUAL(n, 7);
	end();
	begin();	/* no bytes at all, for ever */
	CU_ASSERT_EQUAL(send_pairs(OPER, OPEN), LOGIN_MORE);
	for (n = 0; send_bytes(OPER, "", 0) == LOGIN_MORE; n++)
		;
	CU_ASSERT_TRUE(n > 1000 && n < 1400);
	end();
}

/* 10,000 keys: at most 128 are answered, and the answer fits into a PDU. */
static void
test_many_keys(void)
{
	char text[8192];
	size_t at;

	for (int many = 0; many < 2; many++) {
		begin();
		at = (size_t)snprintf(text, sizeof(text), "%s%c%s%c",
		    "InitiatorName=iqn.i:one", 0, "TargetName=iqn.t:open", 0);
		for (int i = 0; i < (many ? 127 : 126); i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
			    "X-%d=%c", i, 0);
		CU_ASSERT_EQUAL(send_bytes(TO_FULL, text, at),
		    many ? LOGIN_REFUSED : LOGIN_DONE);
		CU_ASSERT_TRUE(l->reply.len <= 8192);
		end();
	}
	begin();	/* spread over requests they count together */
	CU_ASSERT_EQUAL(send_pairs(OPER, OPEN), LOGIN_MORE);
	for (int i = 0; i < 125; i++)
		CU_ASSERT_EQUAL(send_pairs(OPER, "X-a=1"), LOGIN_MORE);
	CU_ASSERT_EQUAL(send_pairs(OPER, "X-a=1"), LOGIN_REFUSED);
	end();
	begin();	/* long names make a long answer: it has a limit */
	at = (size_t)snprintf(text, sizeof(text), "%s%c%s%c",
	    "InitiatorName=iqn.i:one", 0, "TargetName=iqn.t:open", 0);
	for (int i = 0; i < 120; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "X-%060d=%c", i, 0);
	CU_ASSERT_EQUAL(send_bytes(TO_FULL, text, at), LOGIN_REFUSED);
	CU_ASSERT_EQUAL(l->status, LOGIN_INITIATOR_ERROR);
	end();
}

/* Random requests out of likely pieces: never a crash, always an end. */
static void
test_random(void)
{
	static const char *const pieces[] = { OPEN, CHAP, DISC,
	    "AuthMethod=CHAP,None", "AuthMethod=None", "CHAP_A=5,7",
	    "CHAP_N=joe", "CHAP_R=0x00", "CHAP_I=1", "CHAP_C=0b////",
	    "MaxBurstLength=0", "HeaderDigest=CRC32C", "X=", "=", "a",
	    "InitiatorName=iqn.i:one", "TargetName=iqn.t:none" };
	static const uint8_t flags[] = { SEC, OPER, TO_OPER, TO_FULL,
	    SEC_TO_FULL, 0x44, 0x40, 0xc7, 0xff };
	unsigned done = 0, refused = 0;

	net_seed = 5;
	for (int n = 0; n < 20000; n++) {
		enum login_next next = LOGIN_MORE;
		int i;

		begin();
		for (i = 0; i < 2000 && next == LOGIN_MORE; i++) {
			char text[1024] = "";
			unsigned k = net_random() % 4;

			while (k-- > 0) {
				strcat(text, pieces[net_random() %
				    (sizeof(pieces) / sizeof(pieces[0]))]);
				strcat(text, " ");
			}
			next = send_pairs(flags[net_random() %
			    sizeof(flags)], text);
		}
		CU_ASSERT_NOT_EQUAL(next, LOGIN_MORE);
		done += next == LOGIN_DONE;
		refused += next == LOGIN_REFUSED;
		end();
	}
	CU_ASSERT_TRUE(done > 10 && refused > 1000);
}

static const struct unit_test tests[] = {
	{ "one request", test_straight },
	{ "both stages", test_both_stages },
	{ "from security to full feature", test_security_to_full },
	{ "T before security is settled", test_transit_too_early },
	{ "refused first requests", test_refused_first },
	{ "versions", test_version },
	{ "pinned header fields", test_pinned },
	{ "stages do not go back", test_stage_backwards },
	{ "names", test_names },
	{ "discovery", test_discovery },
	{ "keys in the wrong stage", test_key_in_wrong_stage },
	{ "continued text", test_continued },
	{ "limits", test_limits },
	{ "many keys", test_many_keys },
	{ "random requests", test_random }
};
UNIT_MAIN("iscsi/login", tests)
