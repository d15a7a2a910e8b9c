/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "cli/cmd.h"
#include "cli/paste.h"
#include "cli/report.h"

int
cmd_snapshot(const struct opts *o)
{
	struct spec s;
	char when[CMD_TIME_LEN];
	json_t *args, *r;
	int rc;

	if ((rc = cmd_spec(o, 0, &s)) != 0)
		return (rc);
	if (s.snapshot[0] != '\0')
		return (report_usage("write the name behind the LUN: tt-admin "
		    "snapshot %s %s", s.lun, s.snapshot));
	args = cmd_spec_args(o, &s);
	if (args != NULL && o->n_args == 2 && json_object_set_new(args,
	    "name", json_string(o->args[1])) != 0) {
		json_decref(args);
		args = NULL;
	}
	if ((rc = cmd_call(o, "snapshot", args, &r)) != 0)
		return (rc);
	if (o->json)
		cmd_print_json(r);
	else if (o->dry_run)
		(void)printf("would take a snapshot of %s%s%s; nothing was "
		    "changed (-n)\n", s.lun, o->n_args == 2 ? ", named " : "",
		    o->n_args == 2 ? o->args[1] : "");
	else
		(void)printf("%s@%s, taken %s\n", cmd_str(r, "lun"),
		    cmd_str(r, "name"), cmd_time(when, cmd_str(r, "time")));
	json_decref(r);
	return (EXIT_OK);
}

static void
print_exposed(json_t *r)
{
	const char *lun = cmd_str(r, "lun");

	(void)printf("%s@%s is served read-only\n\n", lun, cmd_str(r, "name"));
	cmd_print_disk(r);
	(void)putchar('\n');
	paste_print_use(stdout, r);
}

int
cmd_expose(const struct opts *o)
{
	struct spec s;
	json_t *r;
	int rc;

	if ((rc = cmd_spec_snapshot(o, &s)) != 0)
		return (rc);
	if ((rc = cmd_call(o, "expose", cmd_spec_args(o, &s), &r)) != 0)
		return (rc);
	if (o->json && !o->dry_run)
		(void)json_object_set_new(r, "login", paste_lines(r));
	if (o->json)
		cmd_print_json(r);
	else if (o->dry_run)
		(void)printf("would serve %s@%s as %s; nothing was changed "
		    "(-n)\n", s.lun, s.snapshot, cmd_str(r, "iqn"));
	else
		print_exposed(r);
	json_decref(r);
	return (EXIT_OK);
}

int
cmd_unexpose(const struct opts *o)
{
	struct spec s;
	json_t *r;
	int rc;

	if ((rc = cmd_spec_snapshot(o, &s)) != 0)
		return (rc);
	if ((rc = cmd_call(o, "unexpose", cmd_spec_args(o, &s), &r)) != 0)
		return (rc);
	if (o->json) {
		if (!o->dry_run && json_object_get(r, "targets") != NULL)
			(void)json_object_set_new(r, "cleanup",
			    paste_cleanup(r));
		cmd_print_json(r);
	} else {
		(void)printf("%s@%s %s\n", s.lun, s.snapshot, o->dry_run ?
		    "would be served no longer; nothing was changed (-n)" :
		    "is served no longer; the snapshot is kept");
		if (!o->dry_run)
			paste_print_cleanup(stdout, r);
	}
	json_decref(r);
	return (EXIT_OK);
}
