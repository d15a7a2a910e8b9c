/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login_auth.c - the security stage: AuthMethod, and CHAP in its three steps
 * (RFC 7143 12.1.3).
 *
 *	I: AuthMethod=CHAP,None          T: AuthMethod=CHAP
 *	I: CHAP_A=7,5                    T: CHAP_A=7 CHAP_I=.. CHAP_C=..
 *	I: CHAP_N=.. CHAP_R=..           T: [CHAP_N=.. CHAP_R=..]
 *	   [CHAP_I=.. CHAP_C=..]
 *
 * A user that does not exist takes the same steps with a random secret, and so
 * does everybody at a target that is not there for the peer: neither the
 * answers nor their timing tell which names exist.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target/iscsi/chap.h"
#include "target/iscsi/login.h"

static int
auth_failure(struct login *l, enum iscsi_refusal why)
{

	return (login_refuse(l, LOGIN_AUTH_FAILURE, why));
}

static bool
list_has(const char *list, const char *word)
{
	const char *elem;
	size_t len;

	while (text_list_next(&list, &elem, &len))
		if (strlen(word) == len && memcmp(word, elem, len) == 0)
			return (true);
	return (false);
}

int
login_auth_method(struct login *l, const struct login_keys *k, bool transit)
{
	const char *want = l->chap_needed ? "CHAP" : "None";

	/* The steps of CHAP cannot come before the method is agreed. */
	if (k->a != NULL || k->n != NULL || k->r != NULL)
		return (login_refuse(l, LOGIN_INITIATOR_ERROR,
		    ISCSI_REFUSED_PROTOCOL));
	if (k->method == NULL) {
		if (!transit)
			return (0);
		/* Moving on without a word about security. */
		if (l->chap_needed)
			return (auth_failure(l, ISCSI_REFUSED_NO_CHAP));
		l->st = LS_SEC_DONE;
		return (0);
	}
	if (!list_has(k->method, want))
		return (auth_failure(l, ISCSI_REFUSED_NO_CHAP));
	text_put(&l->reply, "AuthMethod", want);
	l->st = l->chap_needed ? LS_SEC_CHAP_A : LS_SEC_DONE;
	return (0);
}

int
login_auth_choose(struct login *l, const struct login_keys *k)
{
	char hex[CHAP_TEXT_CAP];
	uint8_t id;

	if (k->method != NULL || k->a == NULL || k->n != NULL || k->r != NULL)
		return (auth_failure(l, ISCSI_REFUSED_PROTOCOL));
	if ((l->alg = chap_choose(k->a, l->env->chap_algs)) == NULL)
		return (auth_failure(l, ISCSI_REFUSED_NO_ALGORITHM));
	if (chap_random(&id, 1) != 0 ||
	    chap_random(l->challenge, chap_alg_bytes(l->alg)) != 0)
		return (login_refuse(l, LOGIN_TARGET_ERROR,
		    ISCSI_REFUSED_SESSION));
	l->chap_id = id;
	text_put_u32(&l->reply, "CHAP_A", chap_alg_number(l->alg));
	text_put_u32(&l->reply, "CHAP_I", id);
	text_put(&l->reply, "CHAP_C", chap_hex(hex, l->challenge,
	    chap_alg_bytes(l->alg)));
	l->st = LS_SEC_CHAP_R;
	return (0);
}

/* A response that is being checked. */
struct response {
	const struct login *l;
	bool ok;			/* it could be read */
	uint8_t got[CHAP_HASH_MAX];
	size_t got_len;
	bool known, right;		/* there is a secret; it is this one */
	struct iscsi_secret *secret;	/* the last one that was tried */
};

/* Is it the one of ${secret}? */
static bool
is_response(const struct response *r, const struct iscsi_secret *secret)
{
	const struct login *l = r->l;
	const size_t n = chap_alg_bytes(l->alg);
	uint8_t want[CHAP_HASH_MAX];
	bool ok;

	ok = chap_response(l->alg, l->chap_id, secret, l->challenge, n,
	    want) == 0;
	ok &= r->ok;
	ok = ok && chap_equal(want, n, r->got, r->got_len);
	chap_wipe(want, sizeof(want));
	return (ok);
}

/* One secret of a user; none is passed over, whichever was right. */
static void
try_secret(void *ctx, const struct iscsi_secret *secret)
{
	struct response *r = ctx;

	if (secret->len == 0 || secret->len > ISCSI_SECRET_MAX)
		return;
	r->known = true;
	r->right |= is_response(r, secret);
	*r->secret = *secret;
}

static void
try_all(struct login *l, struct response *r)
{
	const struct iscsi_env *e = l->env;
	struct iscsi_secret one = { 0 };

	if (l->discovery && e->ops->discovery_secrets != NULL)
		e->ops->discovery_secrets(e->arg, l->user, try_secret, r);
	else if (e->ops->chap_secret(e->arg, l->target, l->user, &one) == 0 &&
	    l->absent == 0)
		try_secret(r, &one);
	chap_wipe(&one, sizeof(one));
}

/* Is CHAP_R right?  0, or the reason why not; ${secret} is the user's. */
static enum iscsi_refusal
check_response(struct login *l, const char *response,
    struct iscsi_secret *secret)
{
	struct response r = { .l = l, .secret = secret };
	struct iscsi_secret decoy = { .len = 16 };

	r.ok = chap_random(decoy.b, decoy.len) == 0;
	r.ok &= chap_binary(response, r.got, sizeof(r.got), &r.got_len) == 0;
	try_all(l, &r);
	if (!r.known) {
		/* As much work as for somebody. */
		(void)is_response(&r, &decoy);
		return (ISCSI_REFUSED_USER);
	}
	return (r.right ? 0 : ISCSI_REFUSED_SECRET);
}

/* Prove ourselves: the initiator sent its own challenge. */
static int
answer_mutual(struct login *l, const struct login_keys *k,
    const struct iscsi_secret *theirs)
{
	const struct iscsi_env *e = l->env;
	uint8_t chal[CHAP_BIN_MAX], mine[CHAP_HASH_MAX];
	char name[ISCSI_USER_CAP], hex[CHAP_TEXT_CAP];
	struct iscsi_secret secret = { 0 };
	size_t len, n = chap_alg_bytes(l->alg);
	uint32_t id;
	int rc = -EACCES;

	if (k->i == NULL || k->c == NULL || text_u32(k->i, &id) != 0 ||
	    id > 255 || chap_binary(k->c, chal, sizeof(chal), &len) != 0)
		return (rc);
	/* Our own challenge back: we would compute the answer for them. */
	if (len == n && memcmp(chal, l->challenge, n) == 0)
		return (rc);
	if (e->ops->chap_mutual(e->arg, l->target, l->user, name,
	    &secret) != 0)
		return (rc);
	/* With equal secrets a response of one side serves the other. */
	if (secret.len > 0 && secret.len <= ISCSI_SECRET_MAX &&
	    !chap_equal(secret.b, secret.len, theirs->b, theirs->len) &&
	    chap_response(l->alg, (uint8_t)id, &secret, chal, len,
	    mine) == 0) {
		text_put(&l->reply, "CHAP_N", name);
		text_put(&l->reply, "CHAP_R", chap_hex(hex, mine, n));
		rc = 0;
	}
	chap_wipe(&secret, sizeof(secret));
	return (rc);
}

int
login_auth_verify(struct login *l, const struct login_keys *k)
{
	struct iscsi_secret secret = { 0 };
	enum iscsi_refusal why;

	if (k->method != NULL || k->a != NULL || k->n == NULL ||
	    k->r == NULL || strlen(k->n) >= sizeof(l->user))
		return (auth_failure(l, ISCSI_REFUSED_PROTOCOL));
	(void)snprintf(l->user, sizeof(l->user), "%s", k->n);
	why = check_response(l, k->r, &secret);
	if (why == 0 && (k->i != NULL || k->c != NULL) &&
	    answer_mutual(l, k, &secret) != 0)
		why = ISCSI_REFUSED_MUTUAL;
	chap_wipe(&secret, sizeof(secret));
	/* Each challenge serves once. */
	chap_wipe(l->challenge, sizeof(l->challenge));
	if (why != 0)
		return (auth_failure(l, why));
	l->authenticated = true;
	l->st = LS_SEC_DONE;
	return (0);
}
