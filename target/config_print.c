/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_print.c - the values in effect, in the form in which they are read.
 */
#include "target/config.h"

#include <string.h>

#include "meta/base/size.h"

static void
print_value(const struct config_key *k, const void *base, FILE *f)
{
	const char *at = (const char *)base + k->off;
	char text[SIZE_TEXT_LEN], *str;
	uint64_t v;

	(void)fprintf(f, "%s%s = ", k->section == NULL ? "" : "\t", k->name);
	switch (k->type) {
	case CONFIG_PATH:
	case CONFIG_SOCKET:
	case CONFIG_PREFIX:
		memcpy(&str, at, sizeof(str));
		(void)fprintf(f, "\"%s\"\n", str);
		break;
	case CONFIG_NUMBER:
		memcpy(&v, at, sizeof(v));
		(void)fprintf(f, "%ju\n", (uintmax_t)v);
		break;
	case CONFIG_SIZE:
	case CONFIG_POWER:
		memcpy(&v, at, sizeof(v));
		(void)fprintf(f, "%s\n", size_format(text, v));
		break;
	case CONFIG_LISTEN: {
		const struct config_portal *p = base;

		(void)fprintf(f, "{");
		for (size_t i = 0; i < p->n_listen; i++)
			(void)fprintf(f, "%s\"%s\"", i == 0 ? "" : ", ",
			    p->listen[i]);
		(void)fprintf(f, "}\n");
		break;
	}
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
