/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs, their help, and the way from a command line to one of them.
 */
#include <string.h>

#include "cli/cmd.h"
#include "cli/report.h"
#include "target/admin_proto.h"

const struct cmd cmd_table[] = {
	{ "create", cmd_create, "NAME SIZE [--block 4K..64K] "
	    "[--sector 512|4096]\n[--chap USER] [--secret-file FILE] "
	    "[--mutual USER]\n[--mutual-secret-file FILE] [--open]\n"
	    "[--after-power-loss continue|hold] [--dedup on|off]\n"
	    "[--cache on|off] [-n]",
	    "make a LUN, with credentials to log in", OPT_DRY_RUN | OPT_BLOCK |
	    OPT_SECTOR | OPT_CHAP | OPT_SECRET_FILE | OPT_MUTUAL |
	    OPT_MUTUAL_SECRET_FILE | OPT_OPEN | OPT_AFTER_POWER_LOSS |
	    OPT_DEDUP | OPT_CACHE, 2, 2, { "NAME", "SIZE" } },
	{ "delete", cmd_delete, "LUN [--with-snapshots] [--force] [--yes] "
	    "[-n]\n"
	    "LUN@NAME [--yes] [-n]", "delete a LUN or a snapshot",
	    OPT_DRY_RUN | OPT_YES | OPT_WITH_SNAPSHOTS | OPT_FORCE, 1, 1,
	    { "LUN or LUN@NAME" } },
	{ "list", cmd_list, "[LUN]", "list the LUNs, or the snapshots of one",
	    0, 0, 1, { NULL } },
	{ "show", cmd_show, "LUN | LUN@NAME",
	    "tell all about a LUN or a snapshot", 0, 1, 1,
	    { "LUN or LUN@NAME" } },
	{ "snapshot", cmd_snapshot, "LUN [NAME] [-n]",
	    "keep the LUN as it is now", OPT_DRY_RUN, 1, 2, { "LUN" } },
	{ "expose", cmd_expose, "LUN@NAME [-n]",
	    "serve a snapshot as a read-only disk", OPT_DRY_RUN, 1, 1,
	    { "LUN@NAME" } },
	{ "unexpose", cmd_unexpose, "LUN@NAME [--force] [-n]",
	    "serve it no longer; the snapshot stays", OPT_DRY_RUN | OPT_FORCE,
	    1, 1, { "LUN@NAME" } },
	{ "set", cmd_set, "LUN after-power-loss=continue|hold [-n]\n"
	    "LUN dedup=on|off [-n]\nLUN cache=on|off [-n]",
	    "change what a LUN does after a loss of power, with copies, with "
	    "writes", OPT_DRY_RUN, 2, 2, { "LUN", "KEY=VALUE" } },
	{ "online", cmd_online, "LUN [-n]",
	    "use a LUN again that was held", OPT_DRY_RUN, 1, 1, { "LUN" } },
	{ "user", cmd_user, "add LUN USER [--secret-file FILE] [--mutual] "
	    "[-n]\nremove LUN USER [--mutual] [-n]\nlist LUN",
	    "say which CHAP users may enter", OPT_DRY_RUN | OPT_SECRET_FILE |
	    OPT_MUTUAL, 2, 3, { "add, remove or list", "LUN" } },
	{ "allow", cmd_allow, "LUN INITIATOR... [-n]",
	    "let only these initiators enter", OPT_DRY_RUN, 2, 257,
	    { "LUN", "INITIATOR" } },
	{ "deny", cmd_deny, "LUN INITIATOR... [-n]",
	    "take initiators off that list", OPT_DRY_RUN, 2, 257,
	    { "LUN", "INITIATOR" } },
	{ "logins", cmd_logins, "", "list the last logins that failed", 0, 0,
	    0, { NULL } },
	{ "sessions", cmd_sessions, "", "list who is logged in", 0, 0, 0,
	    { NULL } },
	{ "status", cmd_status, "", "tell how the daemon and its store are",
	    0, 0, 0, { NULL } },
	{ "verify", cmd_verify, "\nLUN | LUN@NAME | --all "
	    "[--rate BYTES] [--wait]\n--stop", "read everything and say what is damaged",
	    OPT_ALL | OPT_RATE | OPT_WAIT | OPT_STOP, 0, 1, { NULL } },
	{ "gc", cmd_gc, "[--wait]",
	    "give back the space of what is not there any more", OPT_WAIT, 0,
	    0, { NULL } },
	{ "help", cmd_help, "[VERB]", "this text, or that of a verb", 0, 0,
	    1, { NULL } },
};
const size_t cmd_n = sizeof(cmd_table) / sizeof(cmd_table[0]);

const struct cmd *
cmd_find(const char *name)
{

	for (size_t i = 0; i < cmd_n; i++)
		if (strcmp(cmd_table[i].name, name) == 0)
			return (&cmd_table[i]);
	return (NULL);
}

/* What other programs call them. */
static const struct {
	const char *word, *verb;
} synonyms[] = {
	{ "add", "create" }, { "new", "create" }, { "crate", "create" },
	{ "rm", "delete" }, { "del", "delete" }, { "remove", "delete" },
	{ "destroy", "delete" }, { "ls", "list" }, { "luns", "list" },
	{ "snapshots", "list LUN" }, { "snap", "snapshot" },
	{ "info", "show" }, { "stat", "status" }, { "users", "user list" },
	{ "scrub", "verify" }, { "check", "verify" },
};

static int
unknown_verb(const char *word)
{

	report_verb(NULL);
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
		if (strcmp(synonyms[i].word, word) == 0)
			return (report_usage("there is no verb '%s'; did you "
			    "mean %s?", word, synonyms[i].verb));
	return (report_usage("there is no verb '%s'", word));
}

/* The usage lines of ${c}, one per line of its args. */
static void
print_usage(FILE *f, const struct cmd *c)
{
	const char *p = c->args, *nl;
	bool first = true;

	do {
		nl = strchrnul(p, '\n');
		/* A line that starts with an option goes on, others begin. */
		(void)fprintf(f, "  %s %s%s%.*s\n", first || *p != '[' ?
		    "tt-admin" : "        ", first || *p != '[' ? c->name :
		    "       ", nl > p ? " " : "", (int)(nl - p), p);
		first = false;
		p = *nl == '\n' ? nl + 1 : nl;
	} while (*p != '\0');
}

static void
print_all(FILE *f)
{

	(void)fputs("usage: tt-admin VERB ... [-s SOCKET] [--json]\n\n", f);
	for (size_t i = 0; i < cmd_n; i++)
		(void)fprintf(f, "  %-9s %s\n", cmd_table[i].name,
		    cmd_table[i].help);
	(void)fputs("\n"
	    "  -s SOCKET   of the daemon; default $TT_SOCKET, else "
	    ADMIN_SOCKET_DEFAULT "\n"
	    "  --json      answer in JSON\n"
	    "  -n          only say what would be done\n"
	    "\n"
	    "tt-admin help VERB tells more; tt-admin(8) tells everything.\n"
	    "Exit codes: 0 done, 1 failed, 2 usage, 3 no daemon, 4 not found, "
	    "5 exists,\n"
	    "6 busy, 7 not permitted, 8 no space, 9 stopped, 10 damaged.\n", f);
}

int
cmd_help(const struct opts *o)
{
	const struct cmd *c;

	if (o->n_args == 0) {
		print_all(stdout);
		return (EXIT_OK);
	}
	if ((c = cmd_find(o->args[0])) == NULL)
		return (unknown_verb(o->args[0]));
	(void)printf("%s: %s\n\n", c->name, c->help);
	print_usage(stdout, c);
	return (EXIT_OK);
}

/* How many arguments, which options. */
static int
check_usage(const struct cmd *c, const struct opts *o)
{
	unsigned wrong = o->given & ~c->opts;
	bool two = o->n_args == 0 && c->min_args == 2;

	if (wrong != 0)
		return (report_usage("%s does not take %s", c->name,
		    opts_name(wrong)));
	if (o->n_args >= c->min_args && o->n_args <= c->max_args)
		return (0);
	if (o->n_args > c->max_args)
		return (report_usage("%s: too many arguments, from '%s' on",
		    c->name, o->args[c->max_args]));
	(void)fputs("usage:\n", stderr);
	print_usage(stderr, c);
	return (report_usage("%s: %s%s%s %s missing", c->name,
	    c->needs[o->n_args], two ? " and " : "", two ? c->needs[1] : "",
	    two ? "are" : "is"));
}

int
cmd_main(int argc, char **argv)
{
	const struct cmd *c;
	struct opts o;
	int rc;

	admin_proto_init();
	report_json(false);
	c = cmd_find(opts_verb(argc, argv));
	report_verb(c == NULL ? NULL : c->name);
	if ((rc = opts_parse(argc, argv, &o)) != 0)
		return (rc);
	if (o.version) {
		(void)puts("tt-admin " TT_VERSION);
		return (EXIT_OK);
	}
	if (o.verb == NULL && o.help) {
		print_all(stdout);
		return (EXIT_OK);
	}
	if (o.verb == NULL) {
		print_all(stderr);
		return (EXIT_USAGE);
	}
	if ((c = cmd_find(o.verb)) == NULL)
		return (unknown_verb(o.verb));
	if (o.help) {
		(void)printf("%s: %s\n\n", c->name, c->help);
		print_usage(stdout, c);
		return (EXIT_OK);
	}
	if ((rc = check_usage(c, &o)) != 0)
		return (rc);
	rc = c->fn(&o);
	/* A full disk behind stdout must not look like success. */
	if (fflush(stdout) != 0 && rc == EXIT_OK)
		rc = report_error(ADMIN_FAILED, "cannot write the answer",
		    "standard output is not writable",
		    "what was asked for has been done");
	return (rc);
}
