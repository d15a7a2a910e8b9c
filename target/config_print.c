/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_print.c - the values in effect, in the form in which they are read.
 */
#include "target/config_int.h"

#include <string.h>

#include "meta/base/size.h"

/* Keys without a default may have no value. */
static bool
is_set(const struct config_key *k, const char *at)
{
	char *str;

	if (config_is_list(k))
		return (((const struct config_list *)(const void *)at)->n > 0);
	if (k->dflt != NULL)
		return (true);
	memcpy(&str, at, sizeof(str));
	return (str != NULL);
}

static void
print_value(const struct config_key *k, const void *base, FILE *f)
{
	const char *at = (const char *)base + k->off;
	const struct config_list *list;
	char text[SIZE_TEXT_LEN], *str;
	uint64_t v;

	if (!is_set(k, at)) {
		(void)fprintf(f, "%s# %s = %s\n", k->section == NULL ? "" :
		    "\t", k->name, k->example);
		return;
	}
	(void)fprintf(f, "%s%s = ", k->section == NULL ? "" : "\t", k->name);
	switch (k->type) {
	case CONFIG_PATH:
	case CONFIG_SOCKET:
	case CONFIG_PREFIX:
	case CONFIG_USER:
		memcpy(&str, at, sizeof(str));
		(void)fprintf(f, "\"%s\"\n", str);
		break;
	case CONFIG_NUMBER:
		memcpy(&v, at, sizeof(v));
		(void)fprintf(f, "%ju\n", (uintmax_t)v);
		break;
	case CONFIG_PERCENT:
		memcpy(&v, at, sizeof(v));
		(void)fprintf(f, "%ju%%\n", (uintmax_t)v);
		break;
	case CONFIG_SIZE:
	case CONFIG_POWER:
		memcpy(&v, at, sizeof(v));
		(void)fprintf(f, "%s\n", size_format(text, v));
		break;
	case CONFIG_LISTEN:
	case CONFIG_ADVERTISE:
	case CONFIG_ALGORITHMS:
		list = (const struct config_list *)(const void *)at;
		(void)fprintf(f, "{");
		for (size_t i = 0; i < list->n; i++)
			(void)fprintf(f, "%s\"%s\"", i == 0 ? "" : ", ",
			    list->v[i]);
		(void)fprintf(f, "}\n");
		break;
	}
}

void
config_print(const struct config *c, FILE *f)
{
	const struct config_key *k;
	size_t n;

	k = config_keys(&n);
	for (size_t i = 0; i < n; i++)
		if (k[i].section == NULL)
			print_value(&k[i], c, f);
	for (size_t p = 0; p < c->n_portals; p++) {
		(void)fprintf(f, "portal \"%s\" {\n", c->portals[p].name);
		for (size_t i = 0; i < n; i++)
			if (k[i].section != NULL)
				print_value(&k[i], &c->portals[p], f);
		(void)fprintf(f, "}\n");
	}
}
