/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "target/joint_scsi.h"
#include "target/logins.h"
#include "target/registry_int.h"
#include "target/secret.h"

#define ADDRESS_CAP 80

/* The users of a target's LUN that prove themselves, or the target's own. */
static int
users_of(struct registry *r, const struct iscsi_target *t, bool mutual,
    struct lun_user **out, size_t *out_n)
{
	struct lun_user *u;
	size_t n, kept = 0;
	int rc;

	if ((rc = lunset_users(r->conf.lunset, t->lun, &u, &n)) != 0)
		return (rc);
	for (size_t i = 0; i < n; i++)
		if (u[i].mutual == mutual)
			u[kept++] = u[i];
	*out = u;
	*out_n = kept;
	return (0);
}

/* Nothing is let in because memory was short. */
static bool
has_users(struct registry *r, const struct iscsi_target *t)
{
	struct lun_user *u;
	size_t n;

	if (users_of(r, t, false, &u, &n) != 0)
		return (true);
	free(u);
	return (n > 0);
}

/* By where it comes from. */
static bool
may_come(struct registry *r, const struct iscsi_target *t,
    const struct iscsi_peer *peer)
{

	return (peer->loopback || t->open || has_users(r, t));
}

/* And by its name.  A LUN that is just being deleted is for nobody. */
static bool
may_try(struct registry *r, const struct iscsi_target *t,
    const struct iscsi_peer *peer)
{

	return (may_come(r, t, peer) &&
	    lunset_may_enter(r->conf.lunset, t->lun, peer->initiator) == 0);
}

static int
on_find(void *arg, const char *iqn, const struct iscsi_peer *peer,
    struct iscsi_target **out)
{
	static struct msg_limit limit;
	struct registry *r = arg;
	struct iscsi_target *t;
	int rc;

	if ((rc = registry_find(r, iqn, &t)) != 0)
		return (rc);
	if (!may_try(r, t, peer)) {
		if (!may_come(r, t, peer) && msg_allowed(&limit, 10))
			msg_warn("%s has no CHAP user and is entered only "
			    "from this machine; %s was refused (create it "
			    "with --chap, or with --open)", t->iqn,
			    peer->address);
		registry_put(r, t);
		return (-EACCES);
	}
	*out = t;
	return (0);
}

static void
on_put(void *arg, struct iscsi_target *t)
{

	registry_put(arg, t);
}

static bool
on_chap_needed(void *arg, struct iscsi_target *t,
    const struct iscsi_peer *peer)
{

	(void)peer;
	if (t == NULL)
		return (((struct registry *)arg)->conf.discovery_user != NULL);
	return (has_users(arg, t));
}

static int
open_secret(struct registry *r, const struct lun_user *u,
    struct iscsi_secret *out)
{
	const struct secret_owner who = { .user = u->user, .mutual = u->mutual };
	const int rc = secret_unseal(r->conf.key, &who, u->secret,
	    u->secret_len, out->b, sizeof(out->b), &out->len);

	if (rc != 0)
		msg_err("the CHAP secret of %s cannot be read (%s): is the key "
		    "file of the store another one?", u->user, strerror(-rc));
	return (rc);
}

static int
on_chap_secret(void *arg, struct iscsi_target *t, const char *user,
    struct iscsi_secret *out)
{
	struct registry *r = arg;
	struct lun_user *u;
	size_t n;
	int rc;

	if (t == NULL && (r->conf.discovery_user == NULL ||
	    strcmp(user, r->conf.discovery_user) != 0))
		return (-ENOENT);
	if (t == NULL) {
		*out = *r->conf.discovery_secret;
		return (0);
	}
	if ((rc = users_of(r, t, false, &u, &n)) != 0)
		return (rc);
	rc = -ENOENT;
	for (size_t i = 0; i < n && rc == -ENOENT; i++)
		if (strcmp(u[i].user, user) == 0)
			rc = open_secret(r, &u[i], out);
	free(u);
	return (rc);
}

/*
 * For discovery everybody may prove himself who could at some LUN, by the secret
 * that he has there; and the user of the configuration.
 */
static void
on_discovery_secrets(void *arg, const char *user,
    void (*fn)(void *ctx, const struct iscsi_secret *secret), void *ctx)
{
	struct registry *r = arg;
	struct iscsi_target **all;
	struct iscsi_secret one;
	size_t n;

	if (on_chap_secret(r, NULL, user, &one) == 0)
		fn(ctx, &one);
	if (registry_all(r, &all, &n) == 0) {
		for (size_t i = 0; i < n; i++) {
			/* An exposure has the users of its LUN. */
			if (all[i]->seq == LUN_HEAD &&
			    on_chap_secret(r, all[i], user, &one) == 0)
				fn(ctx, &one);
			registry_put(r, all[i]);
		}
		free(all);
	}
	explicit_bzero(&one, sizeof(one));
}

static int
on_chap_mutual(void *arg, struct iscsi_target *t, const char *user,
    char name[ISCSI_USER_CAP], struct iscsi_secret *out)
{
	struct registry *r = arg;
	struct lun_user *u;
	size_t n;
	int rc;

	(void)user;
	if (t == NULL)
		return (-ENOENT);
	if ((rc = users_of(r, t, true, &u, &n)) != 0)
		return (rc);
	rc = n == 0 ? -ENOENT : open_secret(r, &u[0], out);
	if (rc == 0)
		(void)snprintf(name, ISCSI_USER_CAP, "%s", u[0].user);
	free(u);
	return (rc);
}

/* --- discovery --- */

/* Has ${user}, who proved himself for discovery, a way into ${t}? */
static bool
may_user(struct registry *r, const struct iscsi_target *t, const char *user)
{
	struct lun_user *u;
	bool ok;
	size_t n;

	if (r->conf.discovery_user == NULL)
		return (true);
	if (users_of(r, t, false, &u, &n) != 0)
		return (false);
	ok = n == 0;
	for (size_t i = 0; i < n && !ok; i++)
		ok = strcmp(u[i].user, user) == 0;
	free(u);
	return (ok);
}

/*
 * A portal as the peer can reach it: a wildcard becomes the address it came
 * to.  False: it cannot be told (a wildcard of the other family).
 */
static bool
portal_text(const struct registry_portal *p, const struct iscsi_peer *peer,
    char dst[static ADDRESS_CAP])
{
	const bool is_v6 = p->text[0] == '[';
	const char *colon = strrchr(peer->local, ':');

	if (strcmp(p->address, "0.0.0.0") != 0 &&
	    strcmp(p->address, "::") != 0) {
		(void)snprintf(dst, ADDRESS_CAP, "%s,%u", p->text, p->tag);
		return (true);
	}
	if (colon == NULL || (peer->local[0] == '[') != is_v6)
		return (false);
	(void)snprintf(dst, ADDRESS_CAP, "%.*s:%u,%u",
	    (int)(colon - peer->local), peer->local, p->port, p->tag);
	return (true);
}

static void
emit_all(struct registry *r, const struct iscsi_peer *peer, const char *user,
    const char *iqn, const char *const *portals, size_t n_portals,
    iscsi_emit_fn *emit, void *ctx)
{
	struct iscsi_target **all;
	size_t n;

	if (registry_all(r, &all, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if ((iqn == NULL || strcmp(all[i]->iqn, iqn) == 0) &&
		    may_try(r, all[i], peer) && may_user(r, all[i], user))
			emit(ctx, all[i]->iqn, portals, n_portals);
		registry_put(r, all[i]);
	}
	free(all);
}

static void
on_discover(void *arg, const struct iscsi_peer *peer, const char *user,
    const char *iqn, iscsi_emit_fn *emit, void *ctx)
{
	struct registry *r = arg;
	const struct registry_portal *p;
	char (*text)[ADDRESS_CAP];
	const char **list;
	size_t n, k = 0;

	p = registry_portals(r, &n);
	text = calloc(n + 1, sizeof(*text));
	list = calloc(n + 1, sizeof(*list));
	if (text != NULL && list != NULL) {
		for (size_t i = 0; i < n; i++)
			if (p[i].is_told &&
			    portal_text(&p[i], peer, text[k])) {
				list[k] = text[k];
				k++;
			}
		emit_all(r, peer, user, iqn, list, k, emit, ctx);
	}
	free(list);
	free(text);
}

/* --- sessions --- */

static int
on_session_start(void *arg, struct iscsi_target *t,
    const struct iscsi_session_info *info, struct iscsi_conn *c,
    void **out_nexus)
{
	struct registry *r = arg;
	struct joint_nexus *nx;
	int rc;

	(void)c;
	if ((rc = joint_scsi_begin(t->lu, info, r->workers, &nx)) != 0)
		return (rc);
	if (r->conf.logins != NULL)
		logins_succeeded(r->conf.logins, info->address);
	*out_nexus = nx;
	return (0);
}

static void
on_session_end(void *arg, void *nexus)
{

	(void)arg;
	joint_scsi_end(nexus);
}

static void
on_login_failed(void *arg, const struct iscsi_peer *peer, const char *iqn,
    const char *user, enum iscsi_refusal why)
{
	struct registry *r = arg;

	if (r->conf.logins != NULL)
		logins_failed(r->conf.logins, peer, iqn, user, why);
}

const struct iscsi_env_ops access_ops = {
	.target_find = on_find,
	.target_put = on_put,
	.chap_needed = on_chap_needed,
	.chap_secret = on_chap_secret,
	.discovery_secrets = on_discovery_secrets,
	.chap_mutual = on_chap_mutual,
	.discover = on_discover,
	.session_start = on_session_start,
	.session_end = on_session_end,
	.login_failed = on_login_failed
};
