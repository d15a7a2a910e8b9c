/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_neg.c - the negotiator, key by key.  Numbers are tried at and around
 * every limit of their range; the expected result is computed from a table of
 * its own.
 */
#include "target/iscsi/neg.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/unit.h"

static struct neg n;
static struct text_out reply;

static void
fresh(void)
{

	text_out_free(&reply);
	text_out_init(&reply, NEG_LOGIN_MRDSL);
	neg_init(&n);
}

/* The answer to one pair as "key=value", "" for none, "!" for an error. */
static const char *
offer_in(enum neg_phase phase, const char *key, const char *value)
{
	struct text_pair kv = { key, value };

	text_out_reset(&reply);
	if (neg_key(&n, phase, &kv, &reply) != 0)
		return ("!");
	return (reply.len == 0 ? "" : reply.buf);
}

static const char *
offer(const char *key, const char *value)
{

	return (offer_in(NEG_OPERATIONAL, key, value));
}

enum fn { MIN, MAX };

struct num {
	const char *key;
	enum fn fn;
	uint32_t lo, hi, dflt, ours;
	uint32_t *at;
};

static const struct num nums[] = {
	{ "MaxConnections", MIN, 1, 65535, 1, 1, &n.p.max_conns },
	{ "MaxBurstLength", MIN, 512, 16777215, 262144, 1 << 20,
	    &n.p.max_burst },
	{ "FirstBurstLength", MIN, 512, 16777215, 65536, 262144,
	    &n.p.first_burst },
	{ "DefaultTime2Wait", MAX, 0, 3600, 2, 0, &n.p.t2w_s },
	{ "DefaultTime2Retain", MIN, 0, 3600, 20, 0, &n.p.t2r_s },
	{ "MaxOutstandingR2T", MIN, 1, 65535, 1, 1, &n.p.max_r2t },
	{ "ErrorRecoveryLevel", MIN, 0, 2, 0, 0, &n.p.erl },
	{ "iSCSIProtocolLevel", MIN, 0, 31, 1, 1, &n.p.level }
};
#define N_NUMS (sizeof(nums) / sizeof(nums[0]))

static void
try_number(const struct num *k, uint64_t v, const char *fmt)
{
	char text[32], want[128];
	uint32_t r;

	fresh();
	CU_ASSERT_EQUAL(*k->at, k->dflt);
	(void)snprintf(text, sizeof(text), fmt[0] == 'x' ? "0x%lx" : "%lu",
	    (unsigned long)v);
	if (v < k->lo || v > k->hi) {
		(void)snprintf(want, sizeof(want), "%s=Reject", k->key);
		CU_ASSERT_STRING_EQUAL(offer(k->key, text), want);
		CU_ASSERT_EQUAL(*k->at, k->dflt);
		return;
	}
	r = k->fn == MIN ? (v < k->ours ? (uint32_t)v : k->ours) :
	    (v > k->ours ? (uint32_t)v : k->ours);
	(void)snprintf(want, sizeof(want), "%s=%u", k->key, r);
	CU_ASSERT_STRING_EQUAL(offer(k->key, text), want);
	CU_ASSERT_EQUAL(*k->at, r);
}

static void
test_numbers(void)
{

	for (size_t i = 0; i < N_NUMS; i++) {
		const struct num *k = &nums[i];
		const uint64_t around[] = { k->lo, k->hi, k->dflt, k->ours };

		for (size_t j = 0; j < 4; j++)
			for (uint64_t d = 0; d < 3; d++) {
				if (around[j] + d < 1)
					continue;
				try_number(k, around[j] + d - 1, "d");
				try_number(k, around[j] + d - 1, "x");
			}
		try_number(k, 0, "d");
		try_number(k, 16777216, "d");
		try_number(k, UINT32_MAX, "d");
		try_number(k, (uint64_t)UINT32_MAX + 2, "d");
	}
}

static void
test_not_numbers(void)
{
	static const char *const bad[] = { "", "Yes", "-1", "1,2", "512~1024",
	    " 512", "0x", "None", "512k" };
	char want[128];

	for (size_t i = 0; i < N_NUMS; i++)
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			fresh();
			(void)snprintf(want, sizeof(want), "%s=Reject",
			    nums[i].key);
			CU_ASSERT_STRING_EQUAL(offer(nums[i].key, bad[j]),
			    want);
			CU_ASSERT_EQUAL(*nums[i].at, nums[i].dflt);
		}
}

static void
test_booleans(void)
{
	static const struct {
		const char *key;
		uint32_t yes, no, dflt;	/* result of each offer */
		uint32_t *at;
	} t[] = {
		{ "InitialR2T", 1, 0, 1, &n.p.initial_r2t },
		{ "ImmediateData", 1, 0, 1, &n.p.immediate },
		{ "DataPDUInOrder", 1, 1, 1, &n.p.pdu_order },
		{ "DataSequenceInOrder", 1, 1, 1, &n.p.seq_order }
	};
	static const char *const bad[] = { "yes", "no", "1", "0", "", "YES",
	    "Yes,No", "True", "Y" };
	char want[64];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (int yes = 0; yes < 2; yes++) {
			uint32_t r = yes ? t[i].yes : t[i].no;

			fresh();
			(void)snprintf(want, sizeof(want), "%s=%s", t[i].key,
			    r ? "Yes" : "No");
			CU_ASSERT_STRING_EQUAL(offer(t[i].key,
			    yes ? "Yes" : "No"), want);
			CU_ASSERT_EQUAL(*t[i].at, r);
		}
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			fresh();
			(void)snprintf(want, sizeof(want), "%s=Reject",
			    t[i].key);
			CU_ASSERT_STRING_EQUAL(offer(t[i].key, bad[j]), want);
			CU_ASSERT_EQUAL(*t[i].at, t[i].dflt);
		}
	}
}

static void
test_digests(void)
{
	static const struct {
		const char *list, *answer;
		uint32_t on;
	} t[] = {
		{ "None", "None", 0 }, { "CRC32C", "CRC32C", 1 },
		{ "CRC32C,None", "CRC32C", 1 }, { "None,CRC32C", "None", 0 },
		{ "X,CRC32C,None", "CRC32C", 1 }, { "MD5,None", "None", 0 },
		{ "crc32c", "Reject", 0 }, { "", "Reject", 0 },
		{ "CRC32CX", "Reject", 0 }, { "CRC32", "Reject", 0 },
		{ "SHA", "Reject", 0 }
	};
	char want[64];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		fresh();
		(void)snprintf(want, sizeof(want), "HeaderDigest=%s",
		    t[i].answer);
		CU_ASSERT_STRING_EQUAL(offer("HeaderDigest", t[i].list), want);
		CU_ASSERT_EQUAL(n.p.hdigest, t[i].on);
		CU_ASSERT_EQUAL(n.p.ddigest, 0);
		(void)snprintf(want, sizeof(want), "DataDigest=%s",
		    t[i].answer);
		CU_ASSERT_STRING_EQUAL(offer("DataDigest", t[i].list), want);
		CU_ASSERT_EQUAL(n.p.ddigest, t[i].on);
	}
	fresh();
	CU_ASSERT_STRING_EQUAL(offer("TaskReporting", "FastAbort,RFC3720"),
	    "TaskReporting=RFC3720");
	fresh();
	CU_ASSERT_STRING_EQUAL(offer("TaskReporting", "FastAbort"),
	    "TaskReporting=Reject");
}

static void
test_declarations(void)
{

	fresh();
	CU_ASSERT_EQUAL(n.p.peer_mrdsl, 8192);
	CU_ASSERT_STRING_EQUAL(offer("MaxRecvDataSegmentLength", "65536"), "");
	CU_ASSERT_EQUAL(n.p.peer_mrdsl, 65536);
	fresh();
	CU_ASSERT_STRING_EQUAL(offer("MaxRecvDataSegmentLength", "511"),
	    "MaxRecvDataSegmentLength=Reject");
	CU_ASSERT_EQUAL(n.p.peer_mrdsl, 8192);
	fresh();
	CU_ASSERT_STRING_EQUAL(offer("MaxRecvDataSegmentLength", "16777216"),
	    "MaxRecvDataSegmentLength=Reject");
	CU_ASSERT_STRING_EQUAL(offer("InitiatorAlias", "my host"), "");
	CU_ASSERT_STRING_EQUAL(offer("NodeArchitecture", "x"), "");
	text_out_reset(&reply);
	CU_ASSERT_EQUAL(n.p.our_mrdsl, 8192);
	neg_declare(&n, &reply);
	CU_ASSERT_STRING_EQUAL(reply.buf, "MaxRecvDataSegmentLength=262144");
	CU_ASSERT_EQUAL(n.p.our_mrdsl, 262144);
	text_out_reset(&reply);
	neg_declare(&n, &reply);		/* once */
	CU_ASSERT_EQUAL(reply.len, 0);
}

static void
test_obsolete_and_unknown(void)
{

	fresh();
	CU_ASSERT_STRING_EQUAL(offer("IFMarker", "Yes"), "IFMarker=No");
	CU_ASSERT_STRING_EQUAL(offer("OFMarker", "No"), "OFMarker=No");
	CU_ASSERT_STRING_EQUAL(offer("IFMarkInt", "2048~8192"),
	    "IFMarkInt=Reject");
	CU_ASSERT_STRING_EQUAL(offer("OFMarkInt", "2048"), "OFMarkInt=Reject");
	CU_ASSERT_STRING_EQUAL(offer("X-com.example.key", "1"),
	    "X-com.example.key=NotUnderstood");
	CU_ASSERT_STRING_EQUAL(offer("maxburstlength", "512"),
	    "maxburstlength=NotUnderstood");
	CU_ASSERT_STRING_EQUAL(offer("RDMAExtensions", "Yes"),
	    "RDMAExtensions=NotUnderstood");
	/* No answer to an answer. */
	CU_ASSERT_STRING_EQUAL(offer("X-a", "NotUnderstood"), "");
	CU_ASSERT_STRING_EQUAL(offer("MaxBurstLength", "Irrelevant"), "");
	CU_ASSERT_STRING_EQUAL(offer("HeaderDigest", "Reject"), "");
}

static void
test_twice(void)
{

	fresh();
	CU_ASSERT_STRING_EQUAL(offer("MaxBurstLength", "4096"),
	    "MaxBurstLength=4096");
	CU_ASSERT_STRING_EQUAL(offer("MaxBurstLength", "4096"), "!");
	CU_ASSERT_STRING_EQUAL(offer("IFMarker", "No"), "IFMarker=No");
	CU_ASSERT_STRING_EQUAL(offer("IFMarker", "No"), "!");
}

/* Each key against where it may not be negotiated. */
static void
test_irrelevant(void)
{
	static const char *const normal[] = { "MaxConnections", "InitialR2T",
	    "ImmediateData", "MaxBurstLength", "FirstBurstLength",
	    "MaxOutstandingR2T", "DataPDUInOrder", "DataSequenceInOrder" };
	static const char *const both[] = { "DefaultTime2Wait",
	    "DefaultTime2Retain", "ErrorRecoveryLevel" };
	char want[64];

	for (size_t i = 0; i < sizeof(normal) / sizeof(normal[0]); i++) {
		fresh();
		n.discovery = true;
		(void)snprintf(want, sizeof(want), "%s=Irrelevant", normal[i]);
		CU_ASSERT_STRING_EQUAL(offer(normal[i], "1024"), want);
	}
	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		fresh();
		n.discovery = true;
		(void)snprintf(want, sizeof(want), "%s=0", both[i]);
		CU_ASSERT_STRING_EQUAL(offer(both[i], "0"), want);
	}
	fresh();
	(void)offer("InitialR2T", "Yes");
	(void)offer("ImmediateData", "No");
	CU_ASSERT_STRING_EQUAL(offer("FirstBurstLength", "4096"),
	    "FirstBurstLength=Irrelevant");
	CU_ASSERT_EQUAL(n.p.first_burst, 65536);
	fresh();
	(void)offer("InitialR2T", "Yes");
	(void)offer("ImmediateData", "Yes");
	CU_ASSERT_STRING_EQUAL(offer("FirstBurstLength", "4096"),
	    "FirstBurstLength=4096");
}

static void
test_phases(void)
{

	fresh();
	CU_ASSERT_STRING_EQUAL(offer_in(NEG_SECURITY, "MaxBurstLength",
	    "4096"), "MaxBurstLength=Reject");
	CU_ASSERT_STRING_EQUAL(offer_in(NEG_SECURITY, "HeaderDigest",
	    "CRC32C"), "HeaderDigest=Reject");
	CU_ASSERT_EQUAL(n.p.hdigest, 0);
	CU_ASSERT_STRING_EQUAL(offer_in(NEG_SECURITY, "InitiatorAlias", "x"),
	    "");
	fresh();
	CU_ASSERT_STRING_EQUAL(offer_in(NEG_FULL, "MaxBurstLength", "4096"),
	    "MaxBurstLength=Reject");
	CU_ASSERT_STRING_EQUAL(offer_in(NEG_FULL, "HeaderDigest", "None"),
	    "HeaderDigest=Reject");
	/* May be declared as often as the peer likes. */
	CU_ASSERT_STRING_EQUAL(offer_in(NEG_FULL, "MaxRecvDataSegmentLength",
	    "4096"), "");
	CU_ASSERT_EQUAL(n.p.peer_mrdsl, 4096);
	CU_ASSERT_STRING_EQUAL(offer_in(NEG_FULL, "MaxRecvDataSegmentLength",
	    "1048576"), "");
	CU_ASSERT_EQUAL(n.p.peer_mrdsl, 1048576);
}

/* Connection reinstatement: session parameters stay. */
static void
test_inherit(void)
{
	struct neg old;

	fresh();
	(void)offer("MaxBurstLength", "4096");
	(void)offer("InitialR2T", "No");
	(void)offer("HeaderDigest", "CRC32C");
	(void)offer("MaxRecvDataSegmentLength", "1024");
	old = n;
	fresh();
	n.leading = false;
	CU_ASSERT_STRING_EQUAL(offer("MaxBurstLength", "512"),
	    "MaxBurstLength=Reject");
	CU_ASSERT_STRING_EQUAL(offer("DataDigest", "CRC32C"),
	    "DataDigest=CRC32C");
	neg_inherit(&n, &old);
	CU_ASSERT_EQUAL(n.p.max_burst, 4096);
	CU_ASSERT_EQUAL(n.p.initial_r2t, 0);
	CU_ASSERT_EQUAL(n.p.peer_mrdsl, 8192);
	CU_ASSERT_EQUAL(n.p.hdigest, 0);
	CU_ASSERT_EQUAL(n.p.ddigest, 1);
}

static const struct unit_test tests[] = {
	{ "numbers at their limits", test_numbers },
	{ "what is no number", test_not_numbers },
	{ "booleans", test_booleans },
	{ "lists in the peer's order", test_digests },
	{ "declarations", test_declarations },
	{ "obsolete and unknown keys", test_obsolete_and_unknown },
	{ "a key twice", test_twice },
	{ "irrelevant keys", test_irrelevant },
	{ "keys outside their phase", test_phases },
	{ "connection reinstatement", test_inherit }
};
UNIT_MAIN("iscsi/neg", tests)
