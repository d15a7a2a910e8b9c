/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * show.c - lists.  Names are [a-z0-9.-] (lun_name_ok), so nothing has to be
 * escaped in JSON.
 */
#include "cli/recover/show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "meta/base/clock.h"
#include "meta/base/size.h"

static const char *
yes_no(bool v)
{

	return (v ? "true" : "false");
}

static void
uuid_text(const uint8_t u[static 16], char out[static 37])
{
	char *p = out;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += snprintf(p, 3, "%02x", u[i]);
	}
}

static void
json_lun(const struct lun_info *l, const struct snap_info *s, size_t n)
{
	char uuid[37], when[CLOCK_RFC3339_LEN];

	uuid_text(l->identity.uuid, uuid);
	(void)printf("{\"name\":\"%s\",\"number\":%llu,\"size_bytes\":%llu,"
	    "\"block_bytes\":%u,\"sector_bytes\":%u,\"uuid\":\"%s\","
	    "\"serial\":\"%s\",\"created\":\"%s\",\"held\":%s,"
	    "\"snapshots\":[", l->name, (unsigned long long)l->number,
	    (unsigned long long)l->size_bytes, l->block_bytes,
	    l->sector_bytes, uuid, l->identity.serial,
	    clock_rfc3339(when, l->created_ns), yes_no(l->held));
	for (size_t i = 0; i < n; i++)
		(void)printf("%s{\"name\":\"%s\",\"seq\":%llu,\"time\":\"%s\","
		    "\"exposed\":%s}", i == 0 ? "" : ",", s[i].name,
		    (unsigned long long)s[i].seq,
		    clock_rfc3339(when, s[i].time_ns), yes_no(s[i].exposed));
	(void)printf("]}");
}

static void
text_lun(const struct lun_info *l, const struct snap_info *s, size_t n)
{
	char size[SIZE_TEXT_LEN], when[CLOCK_RFC3339_LEN];

	(void)printf("%s  %s%s\n", l->name, size_format(size, l->size_bytes),
	    l->held ? "  (held after a loss of power)" : "");
	for (size_t i = 0; i < n; i++)
		(void)printf("%s@%s  %s%s\n", l->name, s[i].name,
		    clock_rfc3339(when, s[i].time_ns),
		    s[i].exposed ? "  (exposed)" : "");
}

static int
one_lun(struct lunset *ls, const struct lun_info *l, bool json)
{
	struct snap_info *s;
	size_t n;
	int rc;

	if ((rc = lunset_snaps(ls, l->name, &s, &n)) != 0)
		return (rc);
	if (json)
		json_lun(l, s, n);
	else
		text_lun(l, s, n);
	free(s);
	return (0);
}

int
show_luns(struct lunset *ls, bool json, bool is_partial)
{
	struct lunset_status st;
	struct lun_info *l;
	char uuid[37];
	size_t n;
	int rc;

	if ((rc = lunset_list(ls, &l, &n)) != 0)
		return (rc);
	lunset_status(ls, &st);
	uuid_text(st.uuid, uuid);
	if (json)
		(void)printf("{\"store\":\"%s\",\"partial\":%s,\"luns\":[",
		    uuid, yes_no(is_partial));
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (json && i > 0)
			(void)printf(",");
		rc = one_lun(ls, &l[i], json);
	}
	if (json)
		(void)printf("]}\n");
	free(l);
	if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		rc = -EIO;
	return (rc);
}
