/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user-add, user-remove, user-list: the CHAP users of a LUN, and the name by
 * which the target proves itself to them ("mutual": at most one).
 *
 * Each login reads what the store has then, so nothing has to be told to
 * anybody; sessions that are open stay.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"

#define WHAT_LEN	(2 * ADMIN_SHOWN_LEN + 48)
#define USERS_MAX	256u	/* each login reads all of them */

int
admin_user_seal(struct daemon *d, const char *user, const char *secret,
    bool mutual, struct lun_user *u)
{
	const struct secret_owner who = { .user = user, .mutual = mutual };
	struct secret_sealed sealed;
	int rc;

	_Static_assert(SECRET_SEALED_MAX <= LUN_SECRET_MAX, "fits a row");
	_Static_assert(SECRET_USER_MAX == LUN_USER_MAX, "fits a row");
	rc = secret_seal(d->key, &who, secret, strlen(secret), &sealed);
	if (rc != 0)
		return (rc);
	memset(u, 0, sizeof(*u));
	u->mutual = mutual;
	memcpy(u->user, user, strlen(user) + 1);
	memcpy(u->secret, sealed.b, sealed.len);
	u->secret_len = sealed.len;
	return (0);
}

struct request {
	const char *name, *user, *secret;
	bool mutual, dry_run;
	char made[SECRET_MADE_LEN + 1];
	char what[WHAT_LEN];
	struct lun_info lun;
	struct lun_user *users;		/* as they are now */
	size_t n_users;
};

static int
refuse(const struct request *r, struct admin_reply *reply,
    enum admin_code code, const char *why, const char *next)
{

	admin_msg_error(reply, code, "%s\n%s\n%s", r->what, why, next);
	return (-EINVAL);
}

/* Of what is there already: ${why}, and how ${user} is taken away. */
static int
refuse_second(const struct request *r, struct admin_reply *reply,
    const char *why, const char *user)
{

	admin_msg_error(reply, ADMIN_EXISTS, "%s\n%s\nremove it first: "
	    "tt-admin user remove %s %s%s", r->what, why, r->lun.name, user,
	    r->mutual ? " --mutual" : "");
	return (-EEXIST);
}

/* Everything but the secret; the caller frees ${r->users}. */
static int
read_request(struct daemon *d, json_t *args, bool with_secret,
    struct admin_reply *reply, struct request *r)
{
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &r->name },
		{ "user", ADMIN_STRING, true, &r->user },
		{ "mutual", ADMIN_BOOLEAN, false, &r->mutual },
		{ "dry_run", ADMIN_BOOLEAN, false, &r->dry_run },
		{ "secret", ADMIN_STRING, false, &r->secret },
	};
	char lun[ADMIN_SHOWN_LEN], user[ADMIN_SHOWN_LEN];
	int rc;

	memset(r, 0, sizeof(*r));
	if ((rc = admin_msg_args(args, spec, with_secret ? 5 : 4, reply)) != 0)
		return (rc);
	(void)snprintf(r->what, sizeof(r->what), "cannot %s user %s %s %s",
	    with_secret ? "add" : "remove", admin_find_shown(user, r->user),
	    with_secret ? "to" : "from", admin_find_shown(lun, r->name));
	if ((rc = admin_find_lun(d, r->name, r->what, reply, &r->lun)) != 0)
		return (rc);
	if ((rc = lunset_users(d->lunset, r->lun.number, &r->users,
	    &r->n_users)) != 0)
		admin_msg_errno(reply, rc, "%s", r->what);
	return (rc);
}

static bool
has_user(const struct request *r)
{

	for (size_t i = 0; i < r->n_users; i++)
		if (r->users[i].mutual == r->mutual &&
		    strcmp(r->users[i].user, r->user) == 0)
			return (true);
	return (false);
}

/* The name by which the target proves itself; NULL: none. */
static const char *
mutual_of(const struct request *r)
{

	for (size_t i = 0; i < r->n_users; i++)
		if (r->users[i].mutual)
			return (r->users[i].user);
	return (NULL);
}

static size_t
count_users(const struct request *r, bool mutual)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_users; i++)
		n += r->users[i].mutual == mutual;
	return (n);
}

/* Does the other direction have the same secret?  RFC 7143 9.2.1. */
static bool
is_reflected(struct daemon *d, const struct request *r)
{
	uint8_t secret[SECRET_MAX_BYTES];
	bool same = false;
	size_t len;

	for (size_t i = 0; i < r->n_users && !same; i++) {
		const struct lun_user *u = &r->users[i];
		const struct secret_owner who = { .user = u->user,
		    .mutual = u->mutual };

		if (u->mutual == r->mutual || secret_unseal(d->key, &who,
		    u->secret, u->secret_len, secret, sizeof(secret),
		    &len) != 0)
			continue;
		same = len == strlen(r->secret) &&
		    memcmp(secret, r->secret, len) == 0;
	}
	secret_wipe(secret, sizeof(secret));
	return (same);
}

static int
check_add(struct daemon *d, struct request *r, struct admin_reply *reply)
{

	if (r->lun.open)
		return (refuse(r, reply, ADMIN_INVALID, "the LUN was created "
		    "open, without CHAP", "create another one without "
		    "--open"));
	if (!secret_user_ok(r->user))
		return (refuse(r, reply, ADMIN_INVALID, "the CHAP user is not "
		    "allowed", "use 1 to 200 printable ASCII characters "
		    "without blanks"));
	if (has_user(r))
		return (refuse_second(r, reply, "the LUN has this user",
		    r->user));
	if (r->mutual && mutual_of(r) != NULL)
		return (refuse_second(r, reply, "the target has a name by "
		    "which it proves itself", mutual_of(r)));
	if (r->n_users >= USERS_MAX)
		return (refuse(r, reply, ADMIN_INVALID, "the LUN has 256 "
		    "users, which is the most", "remove one first"));
	if (r->secret == NULL) {
		secret_make(r->made);
		r->secret = r->made;
	}
	if (!secret_ok(r->secret, strlen(r->secret)))
		return (refuse(r, reply, ADMIN_INVALID, "the CHAP secret is "
		    "not allowed", "use 12 to 255 printable ASCII "
		    "characters"));
	if (is_reflected(d, r))
		return (refuse(r, reply, ADMIN_INVALID, "both directions "
		    "would have the same secret", "choose another secret"));
	return (admin_find_writable(d, r->what, reply));
}

static json_t *
answer(const struct request *r)
{
	json_t *obj = json_object();

	admin_json_str(obj, "lun", r->lun.name);
	admin_json_str(obj, "user", r->user);
	admin_json_bool(obj, "mutual", r->mutual);
	if (r->dry_run)
		admin_json_bool(obj, "dry_run", true);
	return (obj);
}

void
admin_user_add(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct lun_user u;
	struct request r;
	int rc;

	if (read_request(d, args, true, reply, &r) != 0 ||
	    check_add(d, &r, reply) != 0)
		goto out_free;
	if (!r.dry_run) {
		if ((rc = admin_user_seal(d, r.user, r.secret, r.mutual,
		    &u)) != 0 ||
		    (rc = lunset_user_add(d->lunset, r.lun.name, &u)) != 0) {
			admin_msg_errno(reply, rc, "%s", r.what);
			goto out_free;
		}
		msg_info("%s: added %s %s", r.lun.name, r.mutual ? "mutual "
		    "user" : "user", r.user);
	}
	reply->result = answer(&r);
	/* One that was given is known to who gave it. */
	if (!r.dry_run && r.secret == r.made)
		admin_json_str(reply->result, "secret", r.made);
out_free:
	free(r.users);
	secret_wipe(&r, sizeof(r));
}

void
admin_user_remove(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct request r;
	int rc;

	if (read_request(d, args, false, reply, &r) != 0)
		goto out_free;
	if (!has_user(&r)) {
		admin_msg_error(reply, ADMIN_NOT_FOUND, "%s\nthe LUN has no "
		    "such user\nsee which there are: tt-admin user list %s",
		    r.what, r.lun.name);
		goto out_free;
	}
	if (admin_find_writable(d, r.what, reply) != 0)
		goto out_free;
	if (!r.dry_run) {
		if ((rc = lunset_user_remove(d->lunset, r.lun.name, r.user,
		    r.mutual)) != 0) {
			admin_msg_errno(reply, rc, "%s", r.what);
			goto out_free;
		}
		msg_info("%s: removed %s %s", r.lun.name, r.mutual ? "mutual "
		    "user" : "user", r.user);
	}
	reply->result = answer(&r);
	admin_json_u64(reply->result, "left", count_users(&r, r.mutual) - 1);
out_free:
	free(r.users);
}

void
admin_user_list(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	const char *lun = NULL;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
	};
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN];
	struct lun_user *users = NULL;
	struct lun_info info;
	json_t *rows, *row;
	size_t n = 0;
	int rc;

	if (admin_msg_args(args, spec, 1, reply) != 0)
		return;
	(void)snprintf(what, sizeof(what), "cannot list the users of %s",
	    admin_find_shown(shown, lun));
	if (admin_find_lun(d, lun, what, reply, &info) != 0)
		return;
	if ((rc = lunset_users(d->lunset, info.number, &users, &n)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return;
	}
	rows = json_array();
	for (size_t i = 0; i < n; i++) {
		row = json_object();
		admin_json_str(row, "user", users[i].user);
		admin_json_bool(row, "mutual", users[i].mutual);
		(void)json_array_append_new(rows, row);
	}
	free(users);
	reply->result = json_object();
	admin_json_str(reply->result, "lun", info.name);
	(void)json_object_set_new(reply->result, "users", rows);
}
