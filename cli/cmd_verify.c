/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify: ask the daemon to read everything, wait for it with progress, tell
 * what is damaged.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/report.h"
#include "cli/table.h"
#include "meta/base/size.h"

#define POLL_MS		250
#define TEXT_LEN	160

/* ---- asking ------------------------------------------------------------ */

static int
check_usage(const struct opts *o)
{
	bool begin = o->all || o->n_args == 1;

	if (o->all && o->n_args == 1)
		return (report_usage("verify: either --all or '%s'",
		    o->args[0]));
	if (o->stop && (begin || o->rate != NULL || o->wait))
		return (report_usage("verify: --stop goes alone"));
	if (o->rate != NULL && !begin)
		return (report_usage("verify: --rate of what? name a LUN, or "
		    "--all"));
	return (0);
}

/* NULL: no memory, or a word that is no UTF-8. */
static json_t *
args_of(const struct opts *o, const struct spec *s, uint64_t rate)
{
	json_t *args = json_object();
	int bad = args == NULL;

	if (o->n_args == 1)
		bad |= json_object_set_new(args, "lun", json_string(s->lun));
	if (o->n_args == 1 && s->snapshot[0] != '\0')
		bad |= json_object_set_new(args, "snapshot",
		    json_string(s->snapshot));
	if (o->all)
		bad |= json_object_set_new(args, "all", json_true());
	if (o->stop)
		bad |= json_object_set_new(args, "stop", json_true());
	if (rate > 0)
		bad |= json_object_set_new(args, "rate",
		    json_integer((json_int_t)rate));
	if (bad) {
		json_decref(args);
		return (NULL);
	}
	return (args);
}

/* ---- waiting ----------------------------------------------------------- */

static bool
is_running(json_t *r)
{

	return (json_is_true(json_object_get(r, "running")));
}

static void
show_progress(json_t *r)
{
	char data[SIZE_TEXT_LEN];
	json_int_t permille = cmd_int(r, "permille");

	(void)fprintf(stderr, "\r%s verified, about %lld.%lld %% done, %lld "
	    "damaged   ", size_human(data, (uint64_t)cmd_int(r,
	    "data_bytes")), (long long)permille / 10, (long long)permille % 10,
	    (long long)cmd_int(r, "damaged"));
	(void)fflush(stderr);
}

/* Until the run ends; then everything, in ${*r}. */
static int
wait_for_end(const struct opts *o, json_t **r)
{
	const struct timespec nap = { POLL_MS / 1000,
	    POLL_MS % 1000 * 1000000L };
	bool show = isatty(STDERR_FILENO) && !o->json, shown = false;
	int rc = 0;

	while (is_running(*r)) {
		if (show)
			show_progress(*r);
		shown = show;
		(void)nanosleep(&nap, NULL);
		json_decref(*r);
		*r = NULL;
		rc = cmd_call(o, "verify", json_pack("{s:b}", "brief", 1), r);
		if (rc != 0)
			break;
	}
	if (shown)
		(void)fprintf(stderr, "\r%60s\r", "");
	if (rc != 0)
		return (rc);
	json_decref(*r);
	*r = NULL;
	return (cmd_call(o, "verify", json_object(), r));
}

/* ---- telling ----------------------------------------------------------- */

static void
print_list(json_t *list)
{
	static const char *const heads[] = { "LUN", "LBA", "SECTORS", "WHAT",
	    "WHY", "FILE" };
	char lun[TEXT_LEN], lba[32], n[32], file[64];
	struct table *t = table_new(heads, sizeof(heads) / sizeof(heads[0]));
	json_t *d;
	size_t i;

	json_array_foreach(list, i, d) {
		const char *snap = cmd_str(d, "snapshot");
		const char *kind = cmd_str(d, "kind");

		(void)snprintf(lun, sizeof(lun), "%s%s%s", cmd_str(d, "lun"),
		    *snap != '\0' ? "@" : "", snap);
		(void)snprintf(lba, sizeof(lba), "%lld",
		    (long long)cmd_int(d, "lba"));
		(void)snprintf(n, sizeof(n), "%lld",
		    (long long)cmd_int(d, "sectors"));
		file[0] = '\0';
		if (json_object_get(d, "file") != NULL)
			(void)snprintf(file, sizeof(file), "%s:%lld",
			    cmd_str(d, "file"),
			    (long long)cmd_int(d, "file_offset"));
		table_row(t, (const char *const[]){ lun, lba, n,
		    *kind != '\0' ? kind : "read", cmd_str(d, "why"), file });
	}
	table_print(t, stdout);
	table_free(t);
}

static void
print_damage(json_t *o)
{
	json_t *list = json_object_get(o, "damage");
	json_int_t n = cmd_int(o, "damaged");
	char a[CMD_COUNT_LEN];

	if (n == 0)
		return;
	(void)putchar('\n');
	print_list(list);
	if ((json_int_t)json_array_size(list) < n)
		(void)printf("and %s more\n", cmd_count(a, n -
		    (json_int_t)json_array_size(list), "place"));
	(void)putchar('\n');
}

/* A file of maps that was gone as a whole, or had lost its header. */
static void
print_remade(json_t *o)
{
	char a[CMD_COUNT_LEN];

	if (cmd_int(o, "remade") != 0)
		cmd_line("made again", "%s of maps, lost or without a header, "
		    "from the twins", cmd_count(a, cmd_int(o, "remade"),
		    "file"));
}

static void
print_run(json_t *r)
{
	char data[SIZE_TEXT_LEN], maps[SIZE_TEXT_LEN], when[CMD_TIME_LEN];
	char text[SIZE_TEXT_LEN], a[CMD_COUNT_LEN];
	const char *what = cmd_str(r, "what");
	json_int_t n = cmd_int(r, "damaged"), permille;

	if (json_object_get(r, "begun") == NULL) {
		cmd_line("verify", "not asked for since the daemon started");
		return;
	}
	permille = cmd_int(r, "permille");
	cmd_line("verify", "of %s, begun %s", *what == '\0' ? "everything" :
	    what, cmd_time(when, cmd_str(r, "begun")));
	if (is_running(r))
		cmd_line("", "RUNNING, about %lld.%lld %% done",
		    (long long)permille / 10, (long long)permille % 10);
	else if (json_is_true(json_object_get(r, "complete")))
		cmd_line("", "complete, ended %s", cmd_time(when,
		    cmd_str(r, "ended")));
	else
		cmd_line("", "NOT COMPLETE: %s", cmd_str(r, "why"));
	cmd_line("read", "%s of data, %s of maps", size_human(data,
	    (uint64_t)cmd_int(r, "data_bytes")), size_human(maps,
	    (uint64_t)cmd_int(r, "map_bytes")));
	if (cmd_int(r, "repaired") != 0)
		cmd_line("repaired", "%lld damaged copies of maps, from their "
		    "twins", (long long)cmd_int(r, "repaired"));
	print_remade(r);
	if (n == 0)
		cmd_line("damage", "none found");
	else
		cmd_line("damage", "%s, %s unreadable", cmd_count(a, n,
		    "place"), size_human(text, (uint64_t)cmd_int(r,
		    "damaged_bytes")));
	print_damage(r);
}

void
cmd_known_damage(json_t *known, json_t *run)
{
	char when[CMD_TIME_LEN], a[CMD_COUNT_LEN];
	const char *by = "the scrub, the last one";

	if (strcmp(cmd_str(known, "by"), "scrub") != 0)
		by = is_running(run) ? "verification, the last one" :
		    "the verification that ended";
	cmd_line("damage", "%s, found by %s %s; where: tt-admin verify",
	    cmd_count(a, cmd_int(known, "damaged"), "place"), by,
	    cmd_time(when, cmd_str(known, "found")));
}

void
cmd_verify_running(json_t *v)
{
	const char *what = cmd_str(v, "what");

	if (is_running(v))
		cmd_line("verify", "of %s, RUNNING, about %lld.%lld %% done",
		    *what == '\0' ? "everything" : what,
		    (long long)cmd_int(v, "permille") / 10,
		    (long long)cmd_int(v, "permille") % 10);
}

void
cmd_scrub(json_t *s)
{
	char when[CMD_TIME_LEN], a[CMD_COUNT_LEN];
	bool begun = json_object_get(s, "begun") != NULL;

	if (cmd_int(s, "days") == 0)
		cmd_line("scrub", "off");
	else if (json_object_get(s, "done") == NULL)
		cmd_line("scrub", "every %s, none has ended yet", cmd_count(a,
		    cmd_int(s, "days"), "day"));
	else
		cmd_line("scrub", "every %s, last one ended: %s", cmd_count(a,
		    cmd_int(s, "days"), "day"), cmd_time(when, cmd_str(s,
		    "done")));
	if (begun)
		cmd_line("", "%s since %s, %lld.%lld %%",
		    json_is_true(json_object_get(s, "running")) ?
		    "under way" : "to go on, under way",
		    cmd_time(when, cmd_str(s, "begun")),
		    (long long)cmd_int(s, "permille") / 10,
		    (long long)cmd_int(s, "permille") % 10);
}

static void
print_scrub(json_t *r)
{
	json_t *s = json_object_get(r, "scrub");

	cmd_scrub(s);
	print_remade(s);
}

/* What this run found is in it: when there is more, all of it. */
static void
print_known(json_t *r)
{
	json_t *known = json_object_get(r, "known_damage");
	json_int_t n = cmd_int(known, "damaged");
	char a[CMD_COUNT_LEN];

	if (n == 0 || n == cmd_int(r, "damaged"))
		return;
	cmd_line("known", "%s in all, found since everything was read last, "
	    "or ttd was started", cmd_count(a, n, "damaged place"));
	print_damage(known);
}

static void
print_unreadable(json_t *r)
{
	json_t *list = json_object_get(r, "unreadable");
	char a[CMD_COUNT_LEN];

	if (json_array_size(list) == 0)
		return;
	cmd_line("readers", "met %s, the last ones:", cmd_count(a,
	    (json_int_t)json_array_size(list), "unreadable block"));
	(void)putchar('\n');
	print_list(list);
}

int
cmd_verify(const struct opts *o)
{
	struct spec s = { .lun = "" };
	uint64_t rate = 0;
	json_t *r;
	int rc;

	if ((rc = check_usage(o)) != 0 ||
	    (o->n_args == 1 && (rc = cmd_spec(o, 0, &s)) != 0))
		return (rc);
	if (o->rate != NULL && (size_parse(o->rate, &rate) != 0 || rate == 0))
		return (report_usage("'%s' is not a rate; write bytes a second "
		    "as 64M", o->rate));
	if ((rc = cmd_call(o, "verify", args_of(o, &s, rate), &r)) != 0)
		return (rc);
	if (o->wait && (rc = wait_for_end(o, &r)) != 0)
		return (rc);
	if (o->json) {
		cmd_print_json(r);
	} else if (is_running(r) && (o->all || o->n_args == 1)) {
		(void)printf("begun; how far it is: tt-admin status; what it "
		    "finds: tt-admin verify\n");
	} else if (o->stop) {
		(void)printf("asked to stop; tt-admin verify tells when it has "
		    "ended\n");
	} else {
		print_run(r);
		print_scrub(r);
		print_known(r);
		print_unreadable(r);
	}
	/* Who asked for one LUN, or for the end, wants to know about that. */
	if (o->stop)
		rc = EXIT_OK;
	else if (cmd_int(r, "damaged") != 0 || (!o->all && o->n_args == 0 &&
	    cmd_int(json_object_get(r, "known_damage"), "damaged") != 0))
		rc = EXIT_DAMAGED;
	else if (o->wait && !json_is_true(json_object_get(r, "complete")) &&
	    json_object_get(r, "begun") != NULL)
		rc = EXIT_FAILED;
	json_decref(r);
	return (rc);
}
