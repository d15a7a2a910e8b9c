/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc: ask the daemon to give back space, wait for it with progress.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "meta/base/size.h"

#define POLL_MS 250

static json_t *
state_args(void)
{

	return (json_pack("{s:b}", "state", 1));
}

static void
show_progress(json_t *r)
{
	const char *phase = cmd_str(r, "phase");
	json_int_t permille = cmd_int(r, "permille");

	(void)fprintf(stderr, "\r%s: about %lld.%lld %%   ",
	    strcmp(phase, "mark") == 0 ? "looking what is in use" :
	    strcmp(phase, "move") == 0 ? "moving what is in use" :
	    strcmp(phase, "free") == 0 ? "freeing the rest" : "waiting",
	    (long long)permille / 10, (long long)permille % 10);
	(void)fflush(stderr);
}

/* Until the run that was asked for has ended. */
static int
wait_for_end(const struct opts *o, json_t **r)
{
	const struct timespec nap = { POLL_MS / 1000,
	    POLL_MS % 1000 * 1000000L };
	bool show = isatty(STDERR_FILENO) && !o->json;
	json_int_t number = cmd_int(*r, "asked");
	int rc = 0;

	while (cmd_int(*r, "ended") < number) {
		if (show)
			show_progress(*r);
		(void)nanosleep(&nap, NULL);
		json_decref(*r);
		*r = NULL;
		if ((rc = cmd_call(o, "gc", state_args(), r)) != 0)
			break;
	}
	if (show)
		(void)fprintf(stderr, "\r%60s\r", "");
	return (rc);
}

void
cmd_gc_space(json_t *g)
{
	char a[SIZE_TEXT_LEN], b[SIZE_TEXT_LEN], c[SIZE_TEXT_LEN];
	json_int_t logical = cmd_int(g, "logical_bytes"), ratio;
	json_int_t unique = cmd_int(g, "unique_bytes");

	if (json_object_get(g, "logical_bytes") != NULL) {
		ratio = unique <= 0 ? 100 : logical * 100 / unique;
		cmd_line("data", "%s in LUNs, %s of it different "
		    "(%lld.%02lld : 1)", size_human(a, (uint64_t)logical),
		    size_human(b, (uint64_t)unique), (long long)ratio / 100,
		    (long long)ratio % 100);
		cmd_line("", "%s more in snapshots alone, %s of maps",
		    size_human(a, (uint64_t)cmd_int(g, "snapshot_bytes")),
		    size_human(b, (uint64_t)cmd_int(g, "map_bytes")));
	}
	if (cmd_int(g, "runs") != 0)
		cmd_line("reclaimed", "%s since the start: %s freed, %s moved",
		    size_human(a, (uint64_t)cmd_int(g, "reclaimed_bytes")),
		    size_human(b, (uint64_t)(cmd_int(g, "freed_bytes") +
		    cmd_int(g, "holes_bytes"))),
		    size_human(c, (uint64_t)cmd_int(g, "moved_bytes")));
}

static void
print_state(json_t *r)
{
	char when[CMD_TIME_LEN];

	if (json_is_true(json_object_get(r, "running")))
		cmd_line("gc", "RUNNING");
	else if (json_is_true(json_object_get(r, "complete")))
		cmd_line("gc", "complete, ended %s", cmd_time(when,
		    cmd_str(r, "last")));
	else
		cmd_line("gc", "NOT COMPLETE: %s", cmd_str(r, "why"));
	cmd_gc_space(r);
}

int
cmd_gc(const struct opts *o)
{
	bool complete;
	json_t *r;
	int rc;

	if ((rc = cmd_call(o, "gc", json_object(), &r)) != 0)
		return (rc);
	if (o->wait && (rc = wait_for_end(o, &r)) != 0)
		return (rc);
	if (o->json)
		cmd_print_json(r);
	else
		print_state(r);
	complete = !o->wait || json_is_true(json_object_get(r, "complete"));
	json_decref(r);
	return (complete ? EXIT_OK : EXIT_FAILED);
}
