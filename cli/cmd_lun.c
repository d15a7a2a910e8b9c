/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/paste.h"
#include "cli/report.h"
#include "cli/table.h"
#include "meta/base/size.h"

static json_t *
delete_args(const struct opts *o, const struct spec *s, bool dry_run)
{
	json_t *args = cmd_spec_args(o, s);

	if (args != NULL && ((o->with_snapshots && json_object_set_new(args,
	    "with_snapshots", json_true()) != 0) || (dry_run &&
	    json_object_set_new(args, "dry_run", json_true()) != 0))) {
		json_decref(args);
		return (NULL);
	}
	return (args);
}

static bool
is_in(json_t *names, json_t *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(names, i, v)
		if (json_equal(v, name))
			return (true);
	return (false);
}

/*
 * "demo@a (exposed), demo@b and demo", or how many; what is exposed is marked
 * as long as it is there.
 */
static void
print_deleted(FILE *f, const char *verb, json_t *r, bool is_there)
{
	json_t *names = json_object_get(r, "deleted"), *v;
	json_t *exposed = is_there ? json_object_get(r, "exposed") : NULL;
	size_t n = json_array_size(names), i;
	char count[CMD_COUNT_LEN];

	(void)fprintf(f, "%s ", verb);
	if (n > 5) {
		/* The LUN itself is the last one. */
		(void)fprintf(f, "%s and its %s",
		    json_string_value(json_array_get(names, n - 1)),
		    cmd_count(count, (json_int_t)n - 1, "snapshot"));
		if (json_array_size(exposed) > 0)
			(void)fprintf(f, " (%zu of them exposed)",
			    json_array_size(exposed));
		return;
	}
	json_array_foreach(names, i, v)
		(void)fprintf(f, "%s%s%s", i == 0 ? "" : i + 1 == n ? " and " :
		    ", ", json_string_value(v), is_in(exposed, v) ?
		    " (exposed)" : "");
}

/* Asks the person; EXIT_OK: go on. */
static int
confirm(const struct opts *o, const struct spec *s)
{
	char answer[16];
	json_t *r;
	int rc;

	/* The daemon knows what would go, and whether it may. */
	if ((rc = cmd_call(o, "delete", delete_args(o, s, true), &r)) != 0)
		return (rc);
	print_deleted(stderr, "delete", r, true);
	json_decref(r);
	(void)fprintf(stderr, "? [y/N] ");
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (strcmp(answer, "y\n") == 0 || strcmp(answer, "Y\n") == 0 ||
	    strcmp(answer, "yes\n") == 0))
		return (EXIT_OK);
	return (report_error(ADMIN_FAILED, "nothing was deleted",
	    "it was not confirmed", "answer y, or give --yes"));
}

int
cmd_delete(const struct opts *o)
{
	struct spec s;
	json_t *r;
	int rc;

	if ((rc = cmd_spec(o, 0, &s)) != 0)
		return (rc);
	if (s.snapshot[0] != '\0' && o->with_snapshots)
		return (report_usage("--with-snapshots is for a LUN; %s is "
		    "a snapshot", o->args[0]));
	if (!o->yes && !o->dry_run && isatty(STDIN_FILENO) == 1 &&
	    (rc = confirm(o, &s)) != 0)
		return (rc);
	if ((rc = cmd_call(o, "delete", delete_args(o, &s, false), &r)) != 0)
		return (rc);
	if (o->json) {
		if (!o->dry_run && json_object_get(r, "targets") != NULL)
			(void)json_object_set_new(r, "cleanup",
			    paste_cleanup(r));
		cmd_print_json(r);
	} else {
		print_deleted(stdout, o->dry_run ? "would delete" : "deleted",
		    r, o->dry_run);
		(void)printf("%s\n", o->dry_run ?
		    "; nothing was changed (-n)" : "");
		if (!o->dry_run)
			paste_print_cleanup(stdout, r);
	}
	json_decref(r);
	return (EXIT_OK);
}

static void
print_luns(json_t *r)
{
	static const char *const heads[] = { "NAME", ">SIZE", ">BLOCK",
	    ">SNAPSHOTS", ">EXPOSED", ">SESSIONS", "CREATED" };
	struct table *t;
	json_t *luns = json_object_get(r, "luns"), *l;
	char size[SIZE_TEXT_LEN], block[SIZE_TEXT_LEN], snaps[24], exposed[24];
	char sessions[24], when[CMD_TIME_LEN];
	size_t i;

	if (json_array_size(luns) == 0) {
		(void)printf("no LUN yet; tt-admin create NAME SIZE makes "
		    "one\n");
		return;
	}
	t = table_new(heads, sizeof(heads) / sizeof(heads[0]));
	json_array_foreach(luns, i, l) {
		(void)snprintf(snaps, sizeof(snaps), "%lld",
		    (long long)cmd_int(l, "snapshots"));
		(void)snprintf(exposed, sizeof(exposed), "%lld",
		    (long long)cmd_int(l, "exposures"));
		(void)snprintf(sessions, sizeof(sessions), "%lld",
		    (long long)cmd_int(l, "sessions"));
		table_row(t, (const char *const[]){ cmd_str(l, "name"),
		    size_format(size, (uint64_t)cmd_int(l, "size")),
		    size_format(block, (uint64_t)cmd_int(l, "block")), snaps,
		    exposed, sessions, cmd_time(when, cmd_str(l, "time")) });
	}
	table_print(t, stdout);
	table_free(t);
}

static void
print_snaps(json_t *r)
{
	static const char *const heads[] = { "SNAPSHOT", ">SEQ", "TIME",
	    "EXPOSED AS" };
	struct table *t;
	json_t *snaps = json_object_get(r, "snapshots"), *s;
	char full[2 * SPEC_PART_MAX], seq[24], when[CMD_TIME_LEN];
	size_t i;

	if (json_array_size(snaps) == 0) {
		(void)printf("no snapshot of %s yet; tt-admin snapshot %s "
		    "makes one\n", cmd_str(r, "lun"), cmd_str(r, "lun"));
		return;
	}
	t = table_new(heads, sizeof(heads) / sizeof(heads[0]));
	json_array_foreach(snaps, i, s) {
		(void)snprintf(full, sizeof(full), "%s@%s", cmd_str(s, "lun"),
		    cmd_str(s, "name"));
		(void)snprintf(seq, sizeof(seq), "%lld",
		    (long long)cmd_int(s, "seq"));
		table_row(t, (const char *const[]){ full, seq, cmd_time(when,
		    cmd_str(s, "time")), json_is_true(json_object_get(s,
		    "exposed")) ? cmd_str(s, "iqn") : "-" });
	}
	table_print(t, stdout);
	table_free(t);
}

int
cmd_list(const struct opts *o)
{
	struct spec s;
	json_t *args = json_object(), *r;
	int rc;

	if (o->n_args == 1) {
		json_decref(args);
		if ((rc = cmd_spec(o, 0, &s)) != 0)
			return (rc);
		if (s.snapshot[0] != '\0')
			return (report_usage("list takes a LUN; for a "
			    "snapshot: tt-admin show %s", o->args[0]));
		args = cmd_spec_args(o, &s);
	}
	if ((rc = cmd_call(o, "list", args, &r)) != 0)
		return (rc);
	if (o->json)
		cmd_print_json(r);
	else if (o->n_args == 1)
		print_snaps(r);
	else
		print_luns(r);
	json_decref(r);
	return (EXIT_OK);
}

static void
print_shown(const struct spec *s, json_t *r)
{
	char when[CMD_TIME_LEN];
	bool snapshot = s->snapshot[0] != '\0';

	if (snapshot)
		(void)printf("%s@%s\n\n", cmd_str(r, "lun"),
		    cmd_str(r, "name"));
	else
		(void)printf("%s\n\n", cmd_str(r, "name"));
	cmd_line(snapshot ? "taken" : "created", "%s", cmd_time(when,
	    cmd_str(r, "time")));
	if (snapshot)
		cmd_line("seq", "%lld", (long long)cmd_int(r, "seq"));
	if (json_object_get(r, "iqn") != NULL) {
		cmd_print_disk(r);
		cmd_line("sessions", "%lld", (long long)cmd_int(r,
		    "sessions"));
	} else
		cmd_line("exposed", "no");
	if (!snapshot)
		cmd_line("snapshots", "%lld, %lld of them exposed",
		    (long long)cmd_int(r, "snapshots"),
		    (long long)cmd_int(r, "exposures"));
}

int
cmd_show(const struct opts *o)
{
	struct spec s;
	json_t *r;
	int rc;

	if ((rc = cmd_spec(o, 0, &s)) != 0)
		return (rc);
	if ((rc = cmd_call(o, "show", cmd_spec_args(o, &s), &r)) != 0)
		return (rc);
	if (o->json)
		cmd_print_json(r);
	else
		print_shown(&s, r);
	json_decref(r);
	return (EXIT_OK);
}
