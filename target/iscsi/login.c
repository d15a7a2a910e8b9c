/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login.c - the login phase.
 *
 *	FIRST -> SEC_METHOD -> SEC_CHAP_A -> SEC_CHAP_R -> SEC_DONE
 *	  |          \________________________________________|
 *	  |                                                   |
 *	  +----------------------> OPER <---------------------+
 *	                             |                        |
 *	                           FULL <---------------------+
 *
 * One request is taken in five steps: limits and pinned fields of the header;
 * gathering while the C bit says that text goes on; names (first request
 * only); the other pairs, each answered on its own; the function of the state,
 * and then the transition that the T bit asks for, if the state may be left.
 *
 * What a stranger can make us do is bounded: LOGIN_TOTAL_MAX bytes, headers
 * included, NEG_KEYS_MAX pairs, NEG_LOGIN_MRDSL bytes of answer.
 */
#include "target/iscsi/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "target/iscsi/chap.h"

#define STAGE_SECURITY	0
#define STAGE_OPER	1
#define STAGE_FULL	3

/* What a request in each state must look like. */
static const struct {
	uint8_t csg_mask;	/* stages it may say it is in, as bits */
	bool may_leave;		/* the T bit is granted */
} rules[LS_N] = {
	[LS_FIRST] = { 1 << STAGE_SECURITY | 1 << STAGE_OPER, false },
	[LS_SEC_METHOD] = { 1 << STAGE_SECURITY, false },
	[LS_SEC_CHAP_A] = { 1 << STAGE_SECURITY, false },
	[LS_SEC_CHAP_R] = { 1 << STAGE_SECURITY, false },
	[LS_SEC_DONE] = { 1 << STAGE_SECURITY, true },
	[LS_OPER] = { 1 << STAGE_OPER, true },
	[LS_FULL] = { 0, false },
	[LS_FAILED] = { 0, false }
};

/* The pairs of one request. */
struct pairs {
	struct text_pair kv[NEG_KEYS_MAX];
	unsigned n;
};

static const char *const refusal_names[] = {
	[ISCSI_REFUSED_PROTOCOL] = "protocol error",
	[ISCSI_REFUSED_NO_TARGET] = "no such target",
	[ISCSI_REFUSED_NOT_ALLOWED] = "not allowed",
	[ISCSI_REFUSED_REMOVED] = "target removed",
	[ISCSI_REFUSED_NOT_READY] = "target not ready",
	[ISCSI_REFUSED_NO_CHAP] = "no common authentication method",
	[ISCSI_REFUSED_NO_ALGORITHM] = "no common CHAP algorithm",
	[ISCSI_REFUSED_USER] = "unknown user",
	[ISCSI_REFUSED_SECRET] = "wrong secret",
	[ISCSI_REFUSED_MUTUAL] = "mutual authentication impossible",
	[ISCSI_REFUSED_TIMEOUT] = "time limit",
	[ISCSI_REFUSED_SESSION] = "session impossible"
};

const char *
iscsi_refusal_name(enum iscsi_refusal why)
{
	size_t i = (size_t)why;

	if (i >= sizeof(refusal_names) / sizeof(refusal_names[0]) ||
	    refusal_names[i] == NULL)
		return ("unknown reason");
	return (refusal_names[i]);
}

int
login_new(const struct iscsi_env *env, const struct iscsi_peer *peer,
    struct login **out)
{
	struct login *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (-ENOMEM);
	l->env = env;
	l->peer = *peer;
	l->peer.initiator = l->initiator;
	l->st = LS_FIRST;
	neg_init(&l->neg);
	text_out_init(&l->reply, NEG_LOGIN_MRDSL);
	*out = l;
	return (0);
}

void
login_free(struct login *l)
{

	if (l == NULL)
		return;
	if (l->target != NULL)
		l->env->ops->target_put(l->env->arg, l->target);
	text_out_free(&l->reply);
	free(l->text);
	chap_wipe(l, sizeof(*l));
	free(l);
}

/* Always -EACCES, so that callers can return it. */
int
login_refuse(struct login *l, enum login_status status,
    enum iscsi_refusal why)
{

	l->status = status;
	/* The peer must not know, but the administrator. */
	l->why = l->absent != 0 && status == LOGIN_AUTH_FAILURE ? l->absent :
	    why;
	l->st = LS_FAILED;
	text_out_reset(&l->reply);
	return (-EACCES);
}

static int
protocol_error(struct login *l)
{

	return (login_refuse(l, LOGIN_INITIATOR_ERROR,
	    ISCSI_REFUSED_PROTOCOL));
}

void
login_report(struct login *l, enum iscsi_refusal why)
{
	static struct msg_limit limit;
	char who[ISCSI_NAME_CAP + 64], to[ISCSI_NAME_CAP + 64];
	char user[ISCSI_USER_CAP];

	if (msg_allowed(&limit, 10))
		msg_warn("login from %s (%s) to %s, user %s, refused: %s",
		    l->peer.address, msg_safe(who, sizeof(who), l->initiator,
		    strlen(l->initiator)), msg_safe(to, sizeof(to), l->iqn,
		    strlen(l->iqn)), msg_safe(user, sizeof(user), l->user,
		    strlen(l->user)), iscsi_refusal_name(why));
	if (l->env->ops->login_failed != NULL)
		l->env->ops->login_failed(l->env->arg, &l->peer, l->iqn,
		    l->user, why);
}

uint8_t *
login_room(struct login *l, uint32_t len)
{
	size_t need = l->text_len + len;
	char *t;

	if (len > NEG_LOGIN_MRDSL ||
	    l->total_bytes + BHS_LEN + len > LOGIN_TOTAL_MAX)
		return (NULL);
	if (need > l->text_cap || l->text == NULL) {
		size_t cap = TT_MAX(need, (size_t)2048);

		if ((t = realloc(l->text, cap)) == NULL)
			return (NULL);
		l->text = t;
		l->text_cap = cap;
	}
	return ((uint8_t *)l->text + l->text_len);
}

/* Fields that must be sound in each request, and the same in all. */
static int
check_header(struct login *l, const struct bhs *h)
{
	uint8_t f = bhs_flags(h), csg = login_csg(h), nsg = login_nsg(h);

	if (l->st == LS_FIRST && l->total_bytes == 0) {
		if (login_version_min(h) != 0)
			return (login_refuse(l, LOGIN_VERSION,
			    ISCSI_REFUSED_PROTOCOL));
		memcpy(l->isid, login_isid(h), sizeof(l->isid));
		l->tsih = login_tsih(h);
		l->cid = login_cid(h);
		l->itt = bhs_itt(h);
	}
	if (memcmp(l->isid, login_isid(h), sizeof(l->isid)) != 0 ||
	    l->tsih != login_tsih(h) || l->cid != login_cid(h) ||
	    l->itt != bhs_itt(h))
		return (protocol_error(l));
	if ((f & PDU_TRANSIT) != 0 && (f & PDU_CONTINUE) != 0)
		return (protocol_error(l));
	if ((rules[l->st].csg_mask >> csg & 1) == 0)
		return (protocol_error(l));
	if ((f & PDU_TRANSIT) != 0 && !(nsg == STAGE_FULL ||
	    (csg == STAGE_SECURITY && nsg == STAGE_OPER)))
		return (protocol_error(l));
	return (0);
}

static int
parse(struct login *l, struct pairs *ps)
{
	struct text_in in = text_in(l->text, l->text_len);
	int rc;

	ps->n = 0;
	for (;;) {
		struct text_pair kv;

		if ((rc = text_next(&in, &kv)) <= 0)
			break;
		if (++l->n_keys > NEG_KEYS_MAX)
			return (protocol_error(l));
		ps->kv[ps->n++] = kv;
	}
	return (rc == 0 ? 0 : protocol_error(l));
}

/* The value of the only pair with ${key}; NULL when there is none. */
static const char *
value_of(const struct pairs *ps, const char *key)
{

	for (unsigned i = 0; i < ps->n; i++)
		if (strcmp(ps->kv[i].key, key) == 0)
			return (ps->kv[i].value);
	return (NULL);
}

/* Lower case, no blanks, at most 223 bytes: RFC 7143 4.2.7.1. */
static int
copy_name(char dst[ISCSI_NAME_CAP], const char *src)
{
	size_t n = strlen(src);

	if (n == 0 || n >= ISCSI_NAME_CAP)
		return (-EINVAL);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)src[i];

		if (c <= 0x20 || c >= 0x7f || c == ',' || c == '/')
			return (-EINVAL);
		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		dst[i] = (char)c;
	}
	dst[n] = '\0';
	return (0);
}

/* "Does not exist" and "not for you" take the same way from here on. */
static int
no_target(struct login *l, enum iscsi_refusal why)
{
	const struct iscsi_env *e = l->env;

	if (e->ops->chap_absent != NULL &&
	    !e->ops->chap_absent(e->arg, &l->peer))
		return (login_refuse(l, LOGIN_NOT_FOUND, why));
	l->absent = why;
	return (0);
}

static int
find_target(struct login *l)
{
	const struct iscsi_env *e = l->env;

	switch (e->ops->target_find(e->arg, l->iqn, &l->peer, &l->target)) {
	case 0:
		return (0);
	case -EACCES:
		return (no_target(l, ISCSI_REFUSED_NOT_ALLOWED));
	case -EIDRM:
		return (login_refuse(l, LOGIN_REMOVED,
		    ISCSI_REFUSED_REMOVED));
	case -EAGAIN:
		return (login_refuse(l, LOGIN_UNAVAILABLE,
		    ISCSI_REFUSED_NOT_READY));
	default:
		return (no_target(l, ISCSI_REFUSED_NO_TARGET));
	}
}

/* Who, where to, what kind of session: the first request must say it all. */
static int
take_names(struct login *l, const struct pairs *ps)
{
	const char *who = value_of(ps, "InitiatorName");
	const char *type = value_of(ps, "SessionType");
	const char *iqn = value_of(ps, "TargetName");

	if (who == NULL)
		return (login_refuse(l, LOGIN_MISSING,
		    ISCSI_REFUSED_PROTOCOL));
	if (copy_name(l->initiator, who) != 0)
		return (protocol_error(l));
	if (type != NULL && strcmp(type, "Discovery") == 0)
		l->discovery = true;
	else if (type != NULL && strcmp(type, "Normal") != 0)
		return (login_refuse(l, LOGIN_SESSION_TYPE,
		    ISCSI_REFUSED_PROTOCOL));
	l->neg.discovery = l->discovery;
	if (!l->discovery) {
		if (iqn == NULL)
			return (login_refuse(l, LOGIN_MISSING,
			    ISCSI_REFUSED_PROTOCOL));
		if (copy_name(l->iqn, iqn) != 0)
			return (login_refuse(l, LOGIN_NOT_FOUND,
			    ISCSI_REFUSED_NO_TARGET));
		if (find_target(l) != 0)
			return (-EACCES);
		text_put_u32(&l->reply, "TargetPortalGroupTag", l->peer.tag);
	} else if (l->tsih != 0)
		return (login_refuse(l, LOGIN_NO_SESSION,
		    ISCSI_REFUSED_SESSION));
	l->neg.leading = l->tsih == 0;
	l->chap_needed = l->absent != 0 || l->env->ops->chap_needed(
	    l->env->arg, l->target, &l->peer);
	return (0);
}

/* A name that comes again must be the one that is known. */
static int
same_name(struct login *l, const char *key, const char *value)
{
	char name[ISCSI_NAME_CAP];

	if (strcmp(key, "SessionType") == 0)
		return (strcmp(value, l->discovery ? "Discovery" : "Normal") ==
		    0 ? 0 : protocol_error(l));
	if (strcmp(key, "TargetName") == 0 && l->discovery)
		return (0);
	if (copy_name(name, value) != 0 || strcmp(name,
	    key[0] == 'I' ? l->initiator : l->iqn) != 0)
		return (protocol_error(l));
	return (0);
}

/* Sort the pair into ${k}; 1: it is no security key. */
static int
take_security(struct login *l, struct login_keys *k, const struct text_pair *kv)
{
	const struct {
		const char *key;
		const char **at;
	} t[] = {
		{ "AuthMethod", &k->method }, { "CHAP_A", &k->a },
		{ "CHAP_N", &k->n }, { "CHAP_R", &k->r },
		{ "CHAP_I", &k->i }, { "CHAP_C", &k->c }
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (strcmp(kv->key, t[i].key) == 0) {
			/* Twice in one request, or outside its stage. */
			if (*t[i].at != NULL || l->st == LS_OPER)
				return (protocol_error(l));
			*t[i].at = kv->value;
			return (0);
		}
	return (1);
}

static int
take_pairs(struct login *l, const struct pairs *ps, struct login_keys *k)
{
	enum neg_phase phase = l->st == LS_OPER ? NEG_OPERATIONAL :
	    NEG_SECURITY;
	int rc;

	for (unsigned i = 0; i < ps->n; i++) {
		const struct text_pair *kv = &ps->kv[i];

		if (strcmp(kv->key, "InitiatorName") == 0 ||
		    strcmp(kv->key, "TargetName") == 0 ||
		    strcmp(kv->key, "SessionType") == 0)
			rc = same_name(l, kv->key, kv->value);
		else if ((rc = take_security(l, k, kv)) == 1)
			rc = neg_key(&l->neg, phase, kv, &l->reply) == 0 ? 0 :
			    protocol_error(l);
		if (rc != 0)
			return (rc);
	}
	return (0);
}

/* After the names: into the stage the request says it is in. */
static int
enter(struct login *l, const struct bhs *h)
{

	if (login_csg(h) == STAGE_SECURITY) {
		l->st = LS_SEC_METHOD;
		return (0);
	}
	if (l->chap_needed)
		return (login_refuse(l, LOGIN_AUTH_FAILURE,
		    ISCSI_REFUSED_NO_CHAP));
	l->st = LS_OPER;
	return (0);
}

static int
act(struct login *l, const struct login_keys *k, bool transit)
{

	switch (l->st) {
	case LS_SEC_METHOD:
		return (login_auth_method(l, k, transit));
	case LS_SEC_CHAP_A:
		return (login_auth_choose(l, k));
	case LS_SEC_CHAP_R:
		return (login_auth_verify(l, k));
	case LS_SEC_DONE:
		return (k->method != NULL || k->a != NULL || k->n != NULL ||
		    k->r != NULL ? protocol_error(l) : 0);
	case LS_OPER:
		neg_declare(&l->neg, &l->reply);
		return (0);
	case LS_FIRST:
	case LS_FULL:
	case LS_FAILED:
	case LS_N:
		break;
	}
	/* Every caller has left FIRST, and the others take no pairs. */
	TT_ASSERT(l->st == LS_OPER);
	return (-EACCES);
}

/* Grant the transition if the state may be left; the answer's flags. */
static void
move_on(struct login *l, const struct bhs *h)
{
	uint8_t csg = login_csg(h), nsg = login_nsg(h);

	l->rsp_flags = (uint8_t)(csg << 2);
	if ((bhs_flags(h) & PDU_TRANSIT) == 0 || !rules[l->st].may_leave)
		return;
	l->rsp_flags |= (uint8_t)(PDU_TRANSIT | nsg);
	l->st = nsg == STAGE_FULL ? LS_FULL : LS_OPER;
	TT_ASSERT(!l->chap_needed || l->authenticated);
	TT_ASSERT(l->initiator[0] != '\0');
	TT_ASSERT(l->discovery || l->target != NULL);
}

static int
whole_request(struct login *l, const struct bhs *h)
{
	struct pairs ps;
	struct login_keys k = { 0 };
	bool transit = (bhs_flags(h) & PDU_TRANSIT) != 0;

	if (parse(l, &ps) != 0)
		return (-EACCES);
	if (l->st == LS_FIRST &&
	    (take_names(l, &ps) != 0 || enter(l, h) != 0))
		return (-EACCES);
	if (take_pairs(l, &ps, &k) != 0 || act(l, &k, transit) != 0)
		return (-EACCES);
	if (l->reply.bad)
		return (protocol_error(l));
	move_on(l, h);
	return (0);
}

enum login_next
login_pdu(struct login *l, const struct bhs *h)
{
	uint32_t len = bhs_data_bytes(h);
	int rc;

	if (l->st == LS_FULL || l->st == LS_FAILED)
		return (LOGIN_DROP);
	text_out_reset(&l->reply);
	rc = check_header(l, h);
	l->total_bytes += BHS_LEN + len;
	l->text_len += len;
	if (rc == 0 && (bhs_flags(h) & PDU_CONTINUE) != 0) {
		l->rsp_flags = (uint8_t)(login_csg(h) << 2);
		return (LOGIN_MORE);
	}
	if (rc == 0)
		rc = whole_request(l, h);
	if (l->text != NULL)
		chap_wipe(l->text, l->text_cap);
	l->text_len = 0;
	if (rc != 0) {
		l->rsp_flags = (uint8_t)(login_csg(h) << 2);
		login_report(l, l->why);
		return (LOGIN_REFUSED);
	}
	return (l->st == LS_FULL ? LOGIN_DONE : LOGIN_MORE);
}
