/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/paste.h"
#include "cli/report.h"
#include "cli/secret_file.h"
#include "meta/base/size.h"

static int
no_memory(void)
{

	return (report_error(ADMIN_FAILED, "out of memory", "", ""));
}

/* ${text} as a size into ${args}; 0 or EXIT_USAGE, and it said why. */
static int
put_size(json_t *args, const char *key, const char *name, const char *text)
{
	uint64_t bytes;
	int rc = size_parse(text, &bytes);

	if (rc == -ERANGE)
		return (report_usage("%s %s is larger than anything", name,
		    text));
	if (rc != 0)
		return (report_usage("%s '%s' is not a size: a whole number, "
		    "with K, M, G or T for powers of 1024 (10G)", name,
		    text));
	if (json_object_set_new(args, key,
	    json_integer((json_int_t)bytes)) != 0)
		return (no_memory());
	return (0);
}

/* {"user":...,"secret":...}: what is not given is made by the daemon. */
static int
put_credentials(json_t *args, const char *key, const char *user,
    const char *file)
{
	struct secret_text secret;
	json_t *who;
	int rc = 0;

	if (user == NULL && file == NULL)
		return (0);
	if ((who = json_object()) == NULL)
		return (no_memory());
	if (user != NULL && json_object_set_new(who, "user",
	    json_string(user)) != 0) {
		json_decref(who);
		return (report_usage("the user is not UTF-8 text"));
	}
	if (file != NULL) {
		if ((rc = secret_file_read(file, &secret)) != 0) {
			json_decref(who);
			return (rc);
		}
		rc = json_object_set_new(who, "secret",
		    json_string(secret.s));
		explicit_bzero(&secret, sizeof(secret));
	}
	if (rc != 0 || json_object_set(args, key, who) != 0)
		rc = no_memory();
	json_decref(who);
	return (rc);
}

static int
check_access(const struct opts *o)
{
	unsigned chap = OPT_CHAP | OPT_SECRET_FILE | OPT_MUTUAL |
	    OPT_MUTUAL_SECRET_FILE;

	if (o->open && (o->given & chap) != 0)
		return (report_usage("--open and %s exclude each other",
		    opts_name(o->given & chap)));
	if (o->secret_file != NULL && o->mutual_secret_file != NULL &&
	    strcmp(o->secret_file, o->mutual_secret_file) == 0)
		return (report_usage("the two secrets must differ: give two "
		    "files"));
	return (0);
}

static int
make_args(const struct opts *o, json_t *args)
{
	bool on;
	int rc;

	if ((rc = put_size(args, "size", "SIZE", o->args[1])) != 0)
		return (rc);
	if (o->block != NULL &&
	    (rc = put_size(args, "block", "--block", o->block)) != 0)
		return (rc);
	if (o->sector != NULL &&
	    (rc = put_size(args, "sector", "--sector", o->sector)) != 0)
		return (rc);
	if (o->open && json_object_set_new(args, "open", json_true()) != 0)
		return (no_memory());
	if (o->after_power_loss != NULL && json_object_set_new(args,
	    "after_power_loss", json_string(o->after_power_loss)) != 0)
		return (report_usage("--after-power-loss is not UTF-8 text"));
	if (o->dedup != NULL) {
		if ((rc = cmd_on_off(o->dedup, "--dedup", &on)) != 0)
			return (rc);
		if (json_object_set_new(args, "dedup", json_boolean(on)) != 0)
			return (no_memory());
	}
	if (o->cache != NULL) {
		if ((rc = cmd_on_off(o->cache, "--cache", &on)) != 0)
			return (rc);
		if (json_object_set_new(args, "cache", json_boolean(on)) != 0)
			return (no_memory());
	}
	if (o->dry_run &&
	    json_object_set_new(args, "dry_run", json_true()) != 0)
		return (no_memory());
	if ((rc = put_credentials(args, "chap", o->chap,
	    o->secret_file)) != 0)
		return (rc);
	return (put_credentials(args, "mutual", o->mutual,
	    o->mutual_secret_file));
}

static void
print_created(const struct opts *o, json_t *r)
{
	json_int_t free_bytes = cmd_int(r, "free_bytes");
	char text[SIZE_TEXT_LEN];

	(void)printf("%s %s\n\n", o->dry_run ? "would create" : "created",
	    cmd_str(r, "name"));
	cmd_print_disk(r);
	if (json_object_get(r, "free_bytes") != NULL &&
	    cmd_int(r, "size") > free_bytes)
		cmd_line("note", "larger than the %s that are free; it is "
		    "thin: watch tt-admin status", size_human(text,
		    (uint64_t)free_bytes));
	if (o->dry_run) {
		(void)printf("\nnothing was changed (-n)\n");
		return;
	}
	(void)putchar('\n');
	paste_print_use(stdout, r);
}

int
cmd_create(const struct opts *o)
{
	json_t *args, *r;
	int rc;

	if ((rc = check_access(o)) != 0)
		return (rc);
	if (strchr(o->args[0], '@') != NULL)
		return (report_usage("'%s' cannot be the name of a LUN: @ "
		    "stands before the name of a snapshot", o->args[0]));
	if ((args = json_pack("{s:s}", "lun", o->args[0])) != NULL &&
	    (rc = make_args(o, args)) != 0) {
		json_decref(args);
		return (rc);
	}
	if ((rc = cmd_call(o, "create", args, &r)) != 0)
		return (rc);
	if (o->json && !o->dry_run)
		(void)json_object_set_new(r, "login", paste_lines(r));
	if (o->json)
		cmd_print_json(r);
	else
		print_created(o, r);
	json_decref(r);
	return (EXIT_OK);
}
