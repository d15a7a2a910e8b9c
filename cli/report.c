/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "meta/base/msg.h"

#define TEXT_LEN 2048

static bool json_too;
static const char *help_of;	/* a verb, or NULL */

void
report_json(bool on)
{

	json_too = on;
}

void
report_verb(const char *name)
{

	help_of = name;
}

enum cli_exit
report_exit(enum admin_code code)
{

	switch (code) {
	case ADMIN_OK:
		return (EXIT_OK);
	case ADMIN_INVALID:
		return (EXIT_USAGE);
	case ADMIN_NOT_FOUND:
		return (EXIT_NOT_FOUND);
	case ADMIN_EXISTS:
		return (EXIT_EXISTS);
	case ADMIN_BUSY:
	case ADMIN_NOT_EMPTY:
		return (EXIT_BUSY);
	case ADMIN_DENIED:
		return (EXIT_DENIED);
	case ADMIN_NO_SPACE:
		return (EXIT_NO_SPACE);
	case ADMIN_STOPPED:
		return (EXIT_STOPPED);
	case ADMIN_BAD_REQUEST:
	case ADMIN_FAILED:
	case ADMIN_CODES:
		break;
	}
	return (EXIT_FAILED);
}

/* ${dst}: what a terminal can show of ${src}. */
static const char *
safe(char dst[static TEXT_LEN], const char *src)
{

	return (msg_safe(dst, TEXT_LEN, src, strlen(src)));
}

static void
report(const char *code, const char *what, const char *why, const char *next)
{
	char a[TEXT_LEN], b[TEXT_LEN], c[TEXT_LEN];
	json_t *j;

	(void)fprintf(stderr, "tt-admin: %s%s%s\n", safe(a, what),
	    *why == '\0' ? "" : ": ", safe(b, why));
	if (*next != '\0')
		(void)fprintf(stderr, "  %s\n", safe(c, next));
	if (!json_too)
		return;
	j = json_pack("{s:{s:s,s:s,s:s,s:s}}", "error", "code", code, "what",
	    safe(a, what), "why", safe(b, why), "next", safe(c, next));
	if (j == NULL)
		return;
	(void)json_dumpf(j, stdout, JSON_INDENT(2));
	(void)putchar('\n');
	json_decref(j);
}

int
report_error(enum admin_code code, const char *what, const char *why,
    const char *next)
{

	report(admin_code_name(code), what, why, next);
	return (report_exit(code));
}

int
report_unreachable(const char *what, const char *why, const char *next)
{

	report("unreachable", what, why, next);
	return (EXIT_UNREACHABLE);
}

int
report_usage(const char *fmt, ...)
{
	char text[TEXT_LEN], next[64];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)snprintf(next, sizeof(next), "see tt-admin help%s%s",
	    help_of == NULL ? "" : " ", help_of == NULL ? "" : help_of);
	report("usage", text, "", next);
	return (EXIT_USAGE);
}

void
report_warning(const char *fmt, ...)
{
	char text[TEXT_LEN], shown[TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "tt-admin: warning: %s\n", safe(shown, text));
}
