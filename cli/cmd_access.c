/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user, allow, deny, logins: who may enter a LUN, and who tried; set, online.
 */
#include <string.h>

#include "cli/cmd.h"
#include "cli/report.h"
#include "cli/secret_file.h"
#include "cli/table.h"

/* A LUN, where a snapshot makes no sense. */
static int
lun_only(const struct opts *o, int i, struct spec *s)
{
	int rc;

	if ((rc = cmd_spec(o, i, s)) != 0)
		return (rc);
	if (s->snapshot[0] != '\0')
		return (report_usage("%s takes a LUN; the exposed snapshots of "
		    "%s are entered by the same", o->verb, s->lun));
	return (0);
}

/* ---- user -------------------------------------------------------------- */

static int
put_secret(json_t *args, const char *file)
{
	struct secret_text secret;
	int rc;

	if ((rc = secret_file_read(file, &secret)) != 0)
		return (rc);
	(void)json_object_set_new(args, "secret", json_string(secret.s));
	explicit_bzero(&secret, sizeof(secret));
	return (0);
}

static int
user_args(const struct opts *o, const struct spec *s, json_t **out)
{
	json_t *args = cmd_spec_args(o, s);
	int rc = 0;

	if (args != NULL && json_object_set_new(args, "user",
	    json_string(o->args[2])) != 0) {
		json_decref(args);
		args = NULL;	/* not UTF-8 */
	}
	if (args != NULL && o->mutual != NULL)
		(void)json_object_set_new(args, "mutual", json_true());
	if (args != NULL && o->secret_file != NULL &&
	    (rc = put_secret(args, o->secret_file)) != 0)
		json_decref(args);
	else
		*out = args;
	return (rc);
}

static void
print_added(const struct opts *o, json_t *r)
{
	const char *secret = cmd_str(r, "secret");

	(void)printf("%s %s %s%s\n", o->dry_run ? "would add" : "added",
	    o->mutual != NULL ? "the target's own name" : "user",
	    cmd_str(r, "user"), o->dry_run ? "; nothing was changed (-n)" :
	    "");
	if (*secret != '\0')
		(void)printf("\n  secret    %s\n\nIt is shown only now.  The "
		    "next login may use it.\n", secret);
}

static void
print_removed(const struct opts *o, json_t *r)
{

	(void)printf("%s %s %s%s\n", o->dry_run ? "would remove" : "removed",
	    o->mutual != NULL ? "the target's own name" : "user",
	    cmd_str(r, "user"), o->dry_run ? "; nothing was changed (-n)" :
	    "; sessions that are open stay");
	if (o->mutual == NULL && cmd_int(r, "left") == 0)
		(void)printf("%s has no user %s: it is entered only from the "
		    "machine of ttd, without CHAP\n", cmd_str(r, "lun"),
		    o->dry_run ? "then" : "any more");
}

static void
print_users(json_t *r)
{
	static const char *const heads[] = { "USER", "PROVES" };
	json_t *users = json_object_get(r, "users"), *u;
	struct table *t;
	size_t i;

	if (json_array_size(users) == 0) {
		(void)printf("%s has no CHAP user\n", cmd_str(r, "lun"));
		return;
	}
	t = table_new(heads, 2);
	json_array_foreach(users, i, u)
		table_row(t, (const char *const[]){ cmd_str(u, "user"),
		    json_is_true(json_object_get(u, "mutual")) ?
		    "the target to the server" : "the server" });
	table_print(t, stdout);
	table_free(t);
}

static int
user_list(const struct opts *o, const struct spec *s)
{
	json_t *r;
	int rc;

	if (o->n_args > 2)
		return (report_usage("user list takes a LUN and nothing "
		    "else"));
	if ((rc = cmd_call(o, "user-list", cmd_spec_args(o, s), &r)) != 0)
		return (rc);
	if (o->json)
		cmd_print_json(r);
	else
		print_users(r);
	json_decref(r);
	return (EXIT_OK);
}

int
cmd_user(const struct opts *o)
{
	const bool add = strcmp(o->args[0], "add") == 0;
	json_t *args, *r;
	struct spec s;
	int rc;

	if (!add && strcmp(o->args[0], "remove") != 0 &&
	    strcmp(o->args[0], "list") != 0)
		return (report_usage("user does not know '%s': add, remove or "
		    "list", o->args[0]));
	if (!add && o->secret_file != NULL)
		return (report_usage("--secret-file is for user add"));
	if ((rc = lun_only(o, 1, &s)) != 0)
		return (rc);
	if (strcmp(o->args[0], "list") == 0)
		return (user_list(o, &s));
	if (o->n_args != 3)
		return (report_usage("which user? tt-admin user %s %s USER",
		    o->args[0], s.lun));
	if ((rc = user_args(o, &s, &args)) != 0 ||
	    (rc = cmd_call(o, add ? "user-add" : "user-remove", args,
	    &r)) != 0)
		return (rc);
	if (o->json)
		cmd_print_json(r);
	else if (add)
		print_added(o, r);
	else
		print_removed(o, r);
	json_decref(r);
	return (EXIT_OK);
}

/* ---- allow, deny -------------------------------------------------------- */

static void
print_initiators(const struct opts *o, json_t *r)
{
	json_t *names = json_object_get(r, "initiators"), *v;
	size_t i;

	if (o->dry_run) {
		(void)printf("the names are well-formed; nothing was changed "
		    "(-n)\n");
		return;
	}
	if (json_array_size(names) == 0) {
		(void)printf("%s has no list: every initiator name may enter\n",
		    cmd_str(r, "lun"));
		return;
	}
	(void)printf("%s may be entered by\n", cmd_str(r, "lun"));
	json_array_foreach(names, i, v)
		(void)printf("  %s\n", json_string_value(v));
}

static int
allow_or_deny(const struct opts *o, const char *verb)
{
	json_t *args, *names, *r;
	struct spec s;
	int rc;

	if ((rc = lun_only(o, 0, &s)) != 0)
		return (rc);
	args = cmd_spec_args(o, &s);
	names = json_array();
	for (int i = 1; args != NULL && i < o->n_args; i++)
		if (json_array_append_new(names,
		    json_string(o->args[i])) != 0) {
			json_decref(args);
			args = NULL;	/* not UTF-8 */
		}
	if (args != NULL)
		(void)json_object_set(args, "initiators", names);
	json_decref(names);
	if ((rc = cmd_call(o, verb, args, &r)) != 0)
		return (rc);
	if (o->json)
		cmd_print_json(r);
	else
		print_initiators(o, r);
	json_decref(r);
	return (EXIT_OK);
}

int
cmd_allow(const struct opts *o)
{

	return (allow_or_deny(o, "allow"));
}

int
cmd_deny(const struct opts *o)
{

	return (allow_or_deny(o, "deny"));
}

/* ---- logins ------------------------------------------------------------- */

/* "wrong-secret" as a person says it. */
static const char *
words(char dst[static 32], const char *reason)
{

	(void)snprintf(dst, 32, "%s", reason);
	for (char *p = dst; *p != '\0'; p++)
		if (*p == '-')
			*p = ' ';
	return (dst);
}

int
cmd_logins(const struct opts *o)
{
	static const char *const heads[] = { "TIME", "ADDRESS", "INITIATOR",
	    "TARGET", "USER", "REASON" };
	char when[CMD_TIME_LEN], why[32];
	json_t *r, *list, *l;
	struct table *t;
	size_t i;
	int rc;

	if ((rc = cmd_call(o, "logins", json_object(), &r)) != 0)
		return (rc);
	list = json_object_get(r, "logins");
	if (o->json)
		cmd_print_json(r);
	else if (json_array_size(list) == 0)
		(void)printf("no login failed since ttd was started\n");
	else {
		t = table_new(heads, sizeof(heads) / sizeof(heads[0]));
		json_array_foreach(list, i, l)
			table_row(t, (const char *const[]){ cmd_time(when,
			    cmd_str(l, "time")), cmd_str(l, "address"),
			    cmd_str(l, "initiator"), cmd_str(l, "iqn"),
			    cmd_str(l, "user"), words(why,
			    cmd_str(l, "reason")) });
		table_print(t, stdout);
		table_free(t);
	}
	json_decref(r);
	return (EXIT_OK);
}

/* ---- set, online -------------------------------------------------------- */

static const char *
on_off(json_t *r, const char *key)
{

	return (json_is_true(json_object_get(r, key)) ? "on" : "off");
}

static void
print_set(const struct opts *o, json_t *r)
{
	const char *power = cmd_str(r, "after_power_loss");
	const char *dedup = on_off(r, "dedup"), *cache = on_off(r, "cache");

	if (o->json)
		cmd_print_json(r);
	else if (o->dry_run)
		(void)printf("it could be done; nothing was changed (-n)\n");
	else if (json_is_true(json_object_get(r, "held")))
		(void)printf("%s: after-power-loss=%s, dedup=%s, cache=%s; it "
		    "is held now, tt-admin online %s ends that\n",
		    cmd_str(r, "name"), power, dedup, cache,
		    cmd_str(r, "name"));
	else
		(void)printf("%s is online, after-power-loss=%s, dedup=%s, "
		    "cache=%s\n", cmd_str(r, "name"), power, dedup, cache);
}

/* ${value}: new, for ${key}; NULL: there is nothing to be said. */
static int
set_call(const struct opts *o, const struct spec *s, const char *key,
    json_t *value, const char *verb)
{
	json_t *args = cmd_spec_args(o, s), *r;
	int rc;

	if (args != NULL && key != NULL &&
	    json_object_set_new(args, key, value) != 0) {
		json_decref(args);
		args = NULL;	/* not UTF-8 */
	} else if (args == NULL) {
		json_decref(value);
	}
	if ((rc = cmd_call(o, verb, args, &r)) != 0)
		return (rc);
	print_set(o, r);
	json_decref(r);
	return (EXIT_OK);
}

int
cmd_set(const struct opts *o)
{
	static const char power[] = "after-power-loss=";
	static const char *const keys[] = { "dedup", "cache" };
	const char *arg = o->args[1];
	struct spec s;
	bool on;
	int rc;

	if ((rc = lun_only(o, 0, &s)) != 0)
		return (rc);
	if (strncmp(arg, power, sizeof(power) - 1) == 0)
		return (set_call(o, &s, "after_power_loss",
		    json_string(arg + sizeof(power) - 1), "set"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t n = strlen(keys[i]);

		if (strncmp(arg, keys[i], n) != 0 || arg[n] != '=')
			continue;
		if ((rc = cmd_on_off(arg + n + 1, keys[i], &on)) != 0)
			return (rc);
		return (set_call(o, &s, keys[i], json_boolean(on), "set"));
	}
	return (report_usage("'%s' cannot be set; what can: %scontinue or "
	    "%shold, dedup=on or dedup=off, cache=on or cache=off", arg, power,
	    power));
}

int
cmd_online(const struct opts *o)
{
	struct spec s;
	int rc;

	if ((rc = lun_only(o, 0, &s)) != 0)
		return (rc);
	return (set_call(o, &s, NULL, NULL, "online"));
}
