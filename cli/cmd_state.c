/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "cli/cmd.h"
#include "cli/paste.h"
#include "cli/probe.h"
#include "cli/report.h"
#include "cli/table.h"
#include "meta/base/size.h"

/* A portal of this machine or a neighbour's answers in milliseconds. */
#define PROBE_MS 2000u

int
cmd_sessions(const struct opts *o)
{
	static const char *const heads[] = { "INITIATOR", "ADDRESS", "IQN",
	    "SINCE" };
	struct table *t;
	json_t *r, *list, *s;
	char when[CMD_TIME_LEN];
	size_t i;
	int rc;

	if ((rc = cmd_call(o, "sessions", json_object(), &r)) != 0)
		return (rc);
	list = json_object_get(r, "sessions");
	if (o->json)
		cmd_print_json(r);
	else if (json_array_size(list) == 0)
		(void)printf("nobody is logged in\n");
	else {
		t = table_new(heads, sizeof(heads) / sizeof(heads[0]));
		json_array_foreach(list, i, s)
			table_row(t, (const char *const[]){
			    cmd_str(s, "initiator"), cmd_str(s, "address"),
			    cmd_str(s, "iqn"), cmd_time(when,
			    cmd_str(s, "since")) });
		table_print(t, stdout);
		table_free(t);
	}
	json_decref(r);
	return (EXIT_OK);
}

/* Tries every portal; "accepts" goes into ${r}.  True: all of them do. */
static bool
try_portals(json_t *r)
{
	json_t *portals = json_object_get(r, "portals"), *p;
	bool all = json_array_size(portals) > 0, ok;
	json_int_t port;
	size_t i;

	json_array_foreach(portals, i, p) {
		port = cmd_int(p, "port");
		ok = port > 0 && port < 65536 &&
		    probe_portal(cmd_str(p, "address"), (unsigned)port,
		    PROBE_MS);
		(void)json_object_set_new(p, "accepts", json_boolean(ok));
		all = all && ok;
	}
	return (all);
}

static void
print_portals(json_t *r)
{
	json_t *portals = json_object_get(r, "portals"), *p;
	char where[128];
	size_t i;

	json_array_foreach(portals, i, p)
		cmd_line(i == 0 ? "portals" : "", "%s, tag %lld: %s",
		    paste_portal(where, sizeof(where), cmd_str(p, "address"),
		    cmd_int(p, "port")), (long long)cmd_int(p, "tag"),
		    json_is_true(json_object_get(p, "accepts")) ?
		    "accepts connections" : "DOES NOT ACCEPT");
	if (json_array_size(portals) == 0)
		cmd_line("portals", "NONE");
}

static const char *
space_note(json_t *store)
{
	const char *space = cmd_str(store, "space");

	if (strcmp(space, "full") == 0)
		return (": FULL, writes fail; delete snapshots, or make room "
		    "in its file system");
	return (strcmp(space, "low") == 0 ? ": LOW" : "");
}

/* What was written since the start of the daemon, and was there already. */
static void
print_dedup(json_t *dedup)
{
	json_int_t looked = cmd_int(dedup, "looked_bytes");
	json_int_t shared = cmd_int(dedup, "shared_bytes");
	json_int_t skipped = cmd_int(dedup, "skipped_bytes");
	char a[SIZE_TEXT_LEN], b[SIZE_TEXT_LEN], c[SIZE_TEXT_LEN];

	if (looked <= 0)
		return;
	cmd_line("dedup", "of %s written since the start %s was there "
	    "already (%lld %%)%s%s", size_human(a, (uint64_t)looked),
	    size_human(b, (uint64_t)shared),
	    (long long)(shared * 100 / looked),
	    skipped > 0 ? "; no time to look at " : "", skipped > 0 ?
	    size_human(c, (uint64_t)skipped) : "");
}

/* What else is in the folder: du counts it, and it is free for writes. */
static void
print_space(json_t *store)
{
	uint64_t ready = (uint64_t)cmd_int(store, "prepared_bytes");
	uint64_t reserve = (uint64_t)cmd_int(store, "reserve_bytes");
	char a[SIZE_TEXT_LEN], b[SIZE_TEXT_LEN], c[SIZE_TEXT_LEN];
	char d[SIZE_TEXT_LEN];

	cmd_line("space", "%s used, %s free%s", size_human(a,
	    (uint64_t)cmd_int(store, "bytes")), size_human(b,
	    (uint64_t)cmd_int(store, "free_bytes")), space_note(store));
	if (ready + reserve > 0)
		cmd_line("", "%s in files made ready for writes, %s in "
		    "reserve", size_human(c, ready), size_human(d, reserve));
}

static bool
is_stopped(json_t *store)
{

	return (strcmp(cmd_str(store, "state"), "ok") != 0);
}

static bool
is_damaged(json_t *store)
{

	return (cmd_int(json_object_get(store, "known_damage"),
	    "damaged") != 0);
}

/* What was found, by whom, and what is being looked at now. */
static void
print_damage(json_t *store)
{
	json_t *run = json_object_get(store, "verify");
	char a[CMD_COUNT_LEN];

	if (is_damaged(store))
		cmd_known_damage(json_object_get(store, "known_damage"), run);
	if (cmd_int(store, "medium_errors") != 0)
		cmd_line("readers", "met %s since the start; where: tt-admin "
		    "verify", cmd_count(a, cmd_int(store, "medium_errors"),
		    "unreadable block"));
	cmd_verify_running(run);
	if (json_object_get(store, "scrub") != NULL)
		cmd_scrub(json_object_get(store, "scrub"));
}

static void
print_status(json_t *r)
{
	json_t *store = json_object_get(r, "store");
	char a[CMD_COUNT_LEN], b[CMD_COUNT_LEN], c[CMD_COUNT_LEN];
	char when[CMD_TIME_LEN];

	(void)printf("ttd %s, process %lld, since %s\n\n",
	    cmd_str(r, "version"), (long long)cmd_int(r, "pid"),
	    cmd_time(when, cmd_str(r, "since")));
	if (is_stopped(store))
		cmd_line("store", "%s: STOPPED, read-only: %s",
		    cmd_str(store, "path"), cmd_str(store, "why"));
	else if (is_damaged(store))
		cmd_line("store", "%s: DAMAGED; the rest is served",
		    cmd_str(store, "path"));
	else
		cmd_line("store", "%s: ok", cmd_str(store, "path"));
	print_space(store);
	cmd_gc_space(json_object_get(store, "gc"));
	print_dedup(json_object_get(store, "dedup"));
	if (json_object_get(store, "power_lost_from") != NULL)
		cmd_line("power", "was lost; what was acknowledged after %s "
		    "and not flushed may be gone", cmd_time(when,
		    cmd_str(store, "power_lost_from")));
	print_damage(store);
	cmd_line("serves", "%s, %s, %s", cmd_count(a, cmd_int(r, "luns"),
	    "LUN"), cmd_count(b, cmd_int(r, "exposures"), "exposure"),
	    cmd_count(c, cmd_int(r, "sessions"), "session"));
	print_portals(r);
}

/* What is not well, into ${r}; the exit code of the worst. */
static int
judge(json_t *r)
{
	json_t *store = json_object_get(r, "store"), *why = json_array();
	int rc = EXIT_OK;

	if (is_damaged(store)) {
		(void)json_array_append_new(why, json_string("damage"));
		rc = EXIT_DAMAGED;
	}
	if (!try_portals(r)) {
		(void)json_array_append_new(why, json_string("portal"));
		rc = EXIT_STOPPED;
	}
	if (is_stopped(store)) {
		(void)json_array_append_new(why, json_string("stopped"));
		rc = EXIT_STOPPED;
	}
	(void)json_object_set_new(r, "healthy", json_boolean(rc == EXIT_OK));
	(void)json_object_set_new(r, "unhealthy", why);
	return (rc);
}

int
cmd_status(const struct opts *o)
{
	json_t *r;
	int rc, end;

	if ((rc = cmd_call(o, "status", json_object(), &r)) != 0)
		return (rc);
	end = judge(r);
	if (o->json)
		cmd_print_json(r);
	else
		print_status(r);
	json_decref(r);
	return (end);
}
