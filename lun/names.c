/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.c - which names a LUN, a snapshot or an initiator may have.
 */
#include <stddef.h>
#include <string.h>

#include "lun/lun.h"

static bool
is_low_alnum(char c)
{

	return ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
}

bool
lun_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > LUN_NAME_MAX || !is_low_alnum(name[0]))
		return (false);
	for (size_t i = 1; i < n; i++)
		if (!is_low_alnum(name[i]) && name[i] != '.' && name[i] != '-')
			return (false);
	return (true);
}

/*
 * The words by which a moment is named (DESIGN.md, "WHEN"): as the name of a
 * snapshot they would be ambiguous.
 */
bool
lun_snap_name_ok(const char *name)
{
	static const char *const words[] = { "last", "now", "today",
	    "yesterday", "ago", "head" };

	if (!lun_name_ok(name))
		return (false);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(name, words[i]) == 0)
			return (false);
	return (strncmp(name, "last-", 5) != 0 ||
	    strspn(name + 5, "0123456789") != strlen(name + 5));
}

bool
lun_initiator_ok(const char *name)
{
	const size_t n = strlen(name);

	if (n < 5 || n > LUN_INITIATOR_MAX ||
	    (strncmp(name, "iqn.", 4) != 0 && strncmp(name, "eui.", 4) != 0 &&
	    strncmp(name, "naa.", 4) != 0))
		return (false);
	/* RFC 3722 allows letters of all scripts: bytes above ASCII. */
	for (size_t i = 4; i < n; i++)
		if (!is_low_alnum(name[i]) && name[i] != '.' &&
		    name[i] != '-' && name[i] != ':' &&
		    ((unsigned char)name[i] & 0x80) == 0)
			return (false);
	return (true);
}
