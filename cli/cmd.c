/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cli/client.h"
#include "cli/paste.h"
#include "cli/report.h"
#include "meta/base/msg.h"
#include "meta/base/size.h"

#define TEXT_LEN 1024

int
cmd_call(const struct opts *o, const char *verb, json_t *args, json_t **out)
{

	return (client_call(o->socket, verb, args, out));
}

int
cmd_spec(const struct opts *o, int i, struct spec *out)
{
	int rc = spec_parse(o->args[i], out);

	if (rc == -ENAMETOOLONG)
		return (report_usage("'%s' is longer than any name",
		    o->args[i]));
	if (rc != 0)
		return (report_usage("'%s' is neither LUN nor LUN@NAME",
		    o->args[i]));
	return (0);
}

int
cmd_spec_snapshot(const struct opts *o, struct spec *out)
{
	int rc;

	if ((rc = cmd_spec(o, 0, out)) != 0)
		return (rc);
	if (out->snapshot[0] == '\0')
		return (report_usage("which snapshot of %s? write %s@NAME",
		    out->lun, out->lun));
	return (0);
}

json_t *
cmd_spec_args(const struct opts *o, const struct spec *s)
{
	json_t *args = json_pack("{s:s}", "lun", s->lun);

	if (args == NULL)
		return (NULL);
	if ((o->force && json_object_set_new(args, "force",
	    json_true()) != 0) || (s->snapshot[0] != '\0' && json_object_set_new(args, "snapshot",
	    json_string(s->snapshot)) != 0) || (o->dry_run &&
	    json_object_set_new(args, "dry_run", json_true()) != 0)) {
		json_decref(args);
		return (NULL);
	}
	return (args);
}

void
cmd_print_json(json_t *result)
{

	(void)json_dumpf(result, stdout, JSON_INDENT(2));
	(void)putchar('\n');
}

const char *
cmd_str(json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return (s == NULL ? "" : s);
}

json_int_t
cmd_int(json_t *obj, const char *key)
{

	return (json_integer_value(json_object_get(obj, key)));
}

const char *
cmd_time(char dst[static CMD_TIME_LEN], const char *rfc3339)
{
	int whole = (int)strcspn(rfc3339, ".Z");

	(void)snprintf(dst, CMD_TIME_LEN, "%.*s%s", whole > 30 ? 30 : whole,
	    rfc3339, whole > 0 ? "Z" : "");
	return (dst);
}

void
cmd_line(const char *label, const char *fmt, ...)
{
	char text[TEXT_LEN], shown[TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)printf("  %-9s %s\n", label, msg_safe(shown, sizeof(shown), text,
	    strlen(text)));
}

const char *
cmd_count(char dst[static CMD_COUNT_LEN], json_int_t n, const char *noun)
{

	(void)snprintf(dst, CMD_COUNT_LEN, "%lld %s%s", (long long)n, noun,
	    n == 1 ? "" : "s");
	return (dst);
}

/* Names of the array ${key}, with commas; cut when they are too many. */
static const char *
join(char dst[static TEXT_LEN / 2], json_t *disk, const char *key)
{
	json_t *v;
	size_t i, len = 0;

	dst[0] = '\0';
	json_array_foreach(json_object_get(disk, key), i, v)
		if (len < TEXT_LEN / 2)
			len += (size_t)snprintf(dst + len, TEXT_LEN / 2 - len,
			    "%s%s", i == 0 ? "" : ", ", json_string_value(v));
	return (dst);
}

static void
print_access(json_t *disk)
{
	const char *user = cmd_str(json_object_get(disk, "chap"), "user");
	const char *mutual = cmd_str(json_object_get(disk, "mutual"), "user");
	char users[TEXT_LEN / 2], names[TEXT_LEN / 2];
	const bool many = json_array_size(json_object_get(disk, "users")) > 1;
	/* An exposure is entered by the users of its LUN. */
	const char *lun = cmd_str(disk, json_object_get(disk, "lun") == NULL ?
	    "name" : "lun");

	if (json_is_true(json_object_get(disk, "open")))
		cmd_line("access", "open to everybody who reaches the portal");
	else if (*user != '\0')
		cmd_line("access", "CHAP, user%s %s%s%s", many ? "s" : "",
		    many ? join(users, disk, "users") : user,
		    *mutual != '\0' ? "; mutual, user " : "", mutual);
	else
		cmd_line("access", "no user: only from this machine "
		    "(127.0.0.1, ::1), without CHAP; for servers: tt-admin "
		    "user add %s USER", lun);
	if (json_array_size(json_object_get(disk, "initiators")) > 0)
		cmd_line("only for", "%s", join(names, disk, "initiators"));
}

void
cmd_print_disk(json_t *disk)
{
	char size[SIZE_TEXT_LEN], block[SIZE_TEXT_LEN], where[128];
	json_t *portals = json_object_get(disk, "portals"), *p;
	size_t i;

	cmd_line("size", "%s, blocks of %s, sectors of %lld",
	    size_format(size, (uint64_t)cmd_int(disk, "size")),
	    size_format(block, (uint64_t)cmd_int(disk, "block")),
	    (long long)cmd_int(disk, "sector"));
	if (json_object_get(disk, "iqn") != NULL)
		cmd_line("iqn", "%s", cmd_str(disk, "iqn"));
	json_array_foreach(portals, i, p)
		cmd_line(i == 0 ? "portal" : "", "%s", paste_portal(where,
		    sizeof(where), cmd_str(p, "address"), cmd_int(p, "port")));
	if (json_object_get(disk, "uuid") != NULL) {
		cmd_line("uuid", "%s", cmd_str(disk, "uuid"));
		cmd_line("naa", "%s", cmd_str(disk, "naa"));
		cmd_line("serial", "%s", cmd_str(disk, "serial"));
	}
	print_access(disk);
	if (json_is_true(json_object_get(disk, "held")))
		cmd_line("HELD", "power was lost; when you have looked: "
		    "tt-admin online %s", cmd_str(disk, "name"));
	else if (strcmp(cmd_str(disk, "after_power_loss"), "hold") == 0)
		cmd_line("power", "held after a loss of power");
	if (json_is_false(json_object_get(disk, "dedup")))
		cmd_line("dedup", "off: what is written again is stored again");
	if (json_is_false(json_object_get(disk, "cache")))
		cmd_line("cache", "off: every write is durable when answered");
}

int
cmd_on_off(const char *text, const char *what, bool *on)
{

	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return (report_usage("'%s' is not allowed for %s: say on or "
		    "off", text, what));
	*on = strcmp(text, "on") == 0;
	return (0);
}
