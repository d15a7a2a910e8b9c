/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neg.c - one table of keys drives everything: the kind says how the offer and
 * our own value make the result, the flags where and when the key may come.
 * Booleans are numbers 0 and 1, so AND is the minimum and OR the maximum.
 *
 * A refused value leaves the parameter as it was, as RFC 7143 6.2 asks.
 */
#include "target/iscsi/neg.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "meta/base/check.h"

enum neg_kind {
	NEG_DECLARE,	/* the peer states, no answer */
	NEG_NUM_MIN,
	NEG_NUM_MAX,
	NEG_AND,
	NEG_OR,
	NEG_LIST,	/* the first of the peer's that we know */
	NEG_IGNORE,	/* a statement that changes nothing here */
	NEG_NO,		/* obsolete: answered No (13.25) */
	NEG_REJECT	/* obsolete: answered Reject (13.25) */
};

enum {
	NK_LEADING = 1,	/* only in the login that creates the session */
	NK_NORMAL = 2,	/* Irrelevant in a discovery session */
	NK_FULL = 4,	/* also in full feature phase */
	NK_BURST = 8	/* Irrelevant when no unsolicited data can come */
};

struct neg_row {
	const char *name;
	enum neg_kind kind;
	unsigned flags;			/* NK_* */
	uint32_t dflt, lo, hi, ours;
	size_t off;			/* in struct neg_params */
	const char *const *words;	/* NEG_LIST: word i has value i */
};

#define F(m) offsetof(struct neg_params, m)
#define SESSION (NK_LEADING | NK_NORMAL)
#define MAX24 16777215u

static const char *const digest_words[] = { "None", "CRC32C", NULL };
static const char *const report_words[] = { "RFC3720", NULL };

/* RFC 7143 13.x: default, range; then what we want. */
static const struct neg_row rows[] = {
	{ "HeaderDigest", NEG_LIST, 0, 0, 0, 1, 0, F(hdigest), digest_words },
	{ "DataDigest", NEG_LIST, 0, 0, 0, 1, 0, F(ddigest), digest_words },
	{ "MaxConnections", NEG_NUM_MIN, SESSION, 1, 1, 65535, 1,
	    F(max_conns), NULL },
	{ "InitialR2T", NEG_OR, SESSION, 1, 0, 1, 0, F(initial_r2t), NULL },
	{ "ImmediateData", NEG_AND, SESSION, 1, 0, 1, 1, F(immediate), NULL },
	{ "MaxRecvDataSegmentLength", NEG_DECLARE, NK_FULL, 8192, 512, MAX24,
	    0, F(peer_mrdsl), NULL },
	{ "MaxBurstLength", NEG_NUM_MIN, SESSION, 262144, 512, MAX24,
	    NEG_OUR_BURST, F(max_burst), NULL },
	{ "FirstBurstLength", NEG_NUM_MIN, SESSION | NK_BURST, 65536, 512,
	    MAX24, NEG_OUR_FIRST, F(first_burst), NULL },
	{ "DefaultTime2Wait", NEG_NUM_MAX, NK_LEADING, 2, 0, 3600, 0,
	    F(t2w_s), NULL },
	{ "DefaultTime2Retain", NEG_NUM_MIN, NK_LEADING, 20, 0, 3600, 0,
	    F(t2r_s), NULL },
	{ "MaxOutstandingR2T", NEG_NUM_MIN, SESSION, 1, 1, 65535, 1,
	    F(max_r2t), NULL },
	{ "DataPDUInOrder", NEG_OR, SESSION, 1, 0, 1, 1, F(pdu_order), NULL },
	{ "DataSequenceInOrder", NEG_OR, SESSION, 1, 0, 1, 1, F(seq_order),
	    NULL },
	{ "ErrorRecoveryLevel", NEG_NUM_MIN, NK_LEADING, 0, 0, 2, 0, F(erl),
	    NULL },
	{ "iSCSIProtocolLevel", NEG_NUM_MIN, NK_LEADING, 1, 0, 31, 1,
	    F(level), NULL },
	{ "TaskReporting", NEG_LIST, SESSION, 0, 0, 0, 0, F(reporting),
	    report_words },
	{ "InitiatorAlias", NEG_IGNORE, NK_FULL, 0, 0, 0, 0, 0, NULL },
	{ "NodeArchitecture", NEG_IGNORE, NK_FULL, 0, 0, 0, 0, 0, NULL },
	{ "OFMarker", NEG_NO, 0, 0, 0, 0, 0, 0, NULL },
	{ "IFMarker", NEG_NO, 0, 0, 0, 0, 0, 0, NULL },
	{ "OFMarkInt", NEG_REJECT, 0, 0, 0, 0, 0, 0, NULL },
	{ "IFMarkInt", NEG_REJECT, 0, 0, 0, 0, 0, 0, NULL }
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(N_ROWS <= 64, "neg.seen has a bit per row");

static uint32_t *
field(struct neg_params *p, const struct neg_row *r)
{

	return ((uint32_t *)(void *)((char *)p + r->off));
}

static bool
has_field(const struct neg_row *r)
{

	return (r->kind != NEG_IGNORE && r->kind != NEG_NO &&
	    r->kind != NEG_REJECT);
}

void
neg_init(struct neg *n)
{

	memset(n, 0, sizeof(*n));
	n->leading = true;
	n->p.our_mrdsl = NEG_LOGIN_MRDSL;
	for (size_t i = 0; i < N_ROWS; i++)
		if (has_field(&rows[i]))
			*field(&n->p, &rows[i]) = rows[i].dflt;
}

static const struct neg_row *
find(const char *key)
{

	for (size_t i = 0; i < N_ROWS; i++)
		if (strcmp(rows[i].name, key) == 0)
			return (&rows[i]);
	return (NULL);
}

static bool
is_answer_word(const char *v)
{

	return (strcmp(v, "NotUnderstood") == 0 ||
	    strcmp(v, "Irrelevant") == 0 || strcmp(v, "Reject") == 0);
}

/* The number that was offered; -EINVAL when it is none or out of range. */
static int
offered(const struct neg_row *r, const char *value, uint32_t *out)
{
	uint32_t v;

	if (r->kind == NEG_AND || r->kind == NEG_OR) {
		if (strcmp(value, "Yes") != 0 && strcmp(value, "No") != 0)
			return (-EINVAL);
		*out = value[0] == 'Y';
		return (0);
	}
	if (text_u32(value, &v) != 0 || v < r->lo || v > r->hi)
		return (-EINVAL);
	*out = v;
	return (0);
}

/* The first word of the peer's list that we know, or -EINVAL. */
static int
choose(const struct neg_row *r, const char *list, uint32_t *out)
{
	const char *elem;
	size_t len;

	while (text_list_next(&list, &elem, &len))
		for (uint32_t i = 0; r->words[i] != NULL; i++)
			if (strlen(r->words[i]) == len &&
			    memcmp(r->words[i], elem, len) == 0) {
				*out = i;
				return (0);
			}
	return (-EINVAL);
}

static uint32_t
result(enum neg_kind kind, uint32_t offer, uint32_t ours)
{

	if (kind == NEG_NUM_MIN || kind == NEG_AND)
		return (TT_MIN(offer, ours));
	if (kind == NEG_NUM_MAX || kind == NEG_OR)
		return (TT_MAX(offer, ours));
	return (offer);
}

static bool
seen(const struct neg *n, const char *key)
{
	const struct neg_row *r = find(key);

	return ((n->seen >> (r - rows) & 1) != 0);
}

/* RFC 7143 13.14: no unsolicited data, no first burst. */
static bool
no_first_burst(const struct neg *n)
{

	return (seen(n, "InitialR2T") && seen(n, "ImmediateData") &&
	    n->p.initial_r2t == 1 && n->p.immediate == 0);
}

/* Why the key is not negotiated now, as an answer; NULL when it is. */
static const char *
unfit(const struct neg *n, enum neg_phase phase, const struct neg_row *r)
{

	if (phase == NEG_FULL && (r->flags & NK_FULL) == 0)
		return ("Reject");
	if (phase == NEG_SECURITY && (r->flags & NK_FULL) == 0)
		return ("Reject");
	if (!n->leading && (r->flags & NK_LEADING) != 0)
		return ("Reject");
	if (n->discovery && (r->flags & NK_NORMAL) != 0)
		return ("Irrelevant");
	if ((r->flags & NK_BURST) != 0 && no_first_burst(n))
		return ("Irrelevant");
	return (NULL);
}

/* The pair of a key of the table that may be negotiated now. */
static void
negotiate(struct neg *n, const struct neg_row *r, const char *value,
    struct text_out *reply)
{
	uint32_t v = 0;
	int rc;

	rc = r->kind == NEG_LIST ? choose(r, value, &v) :
	    offered(r, value, &v);
	if (rc != 0) {
		text_put(reply, r->name, "Reject");
		return;
	}
	v = result(r->kind, v, r->ours);
	*field(&n->p, r) = v;
	switch (r->kind) {
	case NEG_NUM_MIN:
	case NEG_NUM_MAX:
		text_put_u32(reply, r->name, v);
		break;
	case NEG_AND:
	case NEG_OR:
		text_put(reply, r->name, v != 0 ? "Yes" : "No");
		break;
	case NEG_LIST:
		text_put(reply, r->name, r->words[v]);
		break;
	case NEG_DECLARE:
	case NEG_IGNORE:
	case NEG_NO:
	case NEG_REJECT:
		break;
	}
}

int
neg_key(struct neg *n, enum neg_phase phase, const struct text_pair *kv,
    struct text_out *reply)
{
	const struct neg_row *r = find(kv->key);
	const char *no;
	uint64_t bit;

	if (r == NULL) {
		/* An answer to something we never offered ends here. */
		if (!is_answer_word(kv->value))
			text_put(reply, kv->key, "NotUnderstood");
		return (0);
	}
	bit = UINT64_C(1) << (r - rows);
	if (phase != NEG_FULL) {
		if ((n->seen & bit) != 0)
			return (-EPROTO);
		n->seen |= bit;
	}
	if (r->kind == NEG_IGNORE || is_answer_word(kv->value))
		return (0);
	if (r->kind == NEG_REJECT || r->kind == NEG_NO)
		no = r->kind == NEG_NO ? "No" : "Reject";
	else
		no = unfit(n, phase, r);
	if (no != NULL)
		text_put(reply, r->name, no);
	else
		negotiate(n, r, kv->value, reply);
	return (0);
}

void
neg_declare(struct neg *n, struct text_out *reply)
{

	if (n->declared)
		return;
	n->declared = true;
	n->p.our_mrdsl = NEG_OUR_MRDSL;
	text_put_u32(reply, "MaxRecvDataSegmentLength", NEG_OUR_MRDSL);
}

void
neg_inherit(struct neg *to, const struct neg *from)
{

	for (size_t i = 0; i < N_ROWS; i++)
		if (has_field(&rows[i]) && (rows[i].flags & NK_LEADING) != 0)
			memcpy((char *)&to->p + rows[i].off,
			    (const char *)&from->p + rows[i].off,
			    sizeof(uint32_t));
}
