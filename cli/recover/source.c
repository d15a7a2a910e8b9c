/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/recover/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/recover/place.h"
#include "meta/base/msg.h"
#include "meta/rebuild.h"

#define MEMORY_BYTES (UINT64_C(256) << 20)

/* Room for the longest name that rebuild makes in it. */
#define CATALOG_LEN (sizeof(((struct source *)0)->tmp) + 16)

static int
open_it(const char *path, const char *catalog, bool salvage,
    struct source *s)
{
	const struct lunset_conf conf = {
		.store = path, .memory_bytes = MEMORY_BYTES,
		.read_only = true, .salvage = salvage, .catalog = catalog,
	};
	int rc;

	if ((rc = lunset_open(&conf, &s->ls)) != 0)
		return (rc);
	s->is_partial = salvage;
	return (0);
}

/* Its own catalogue; a child has tried it before. */
static int
open_own(const char *path, bool salvage, struct source *s)
{
	const struct lunset_conf conf = {
		.store = path, .memory_bytes = MEMORY_BYTES,
		.salvage = salvage,
	};
	int rc;

	if ((rc = lunset_check(&conf)) != 0)
		return (rc);
	return (open_it(path, NULL, salvage, s));
}

static int
make_tmp(const char *store, struct source *s)
{
	const char *base = getenv("TMPDIR");
	int n, rc;

	if (base == NULL || base[0] == '\0')
		base = "/tmp";
	if ((rc = place_is_in(base, store)) == 1) {
		msg_err("%s: is in the store: TMPDIR has to name a place "
		    "outside", base);
		return (-EINVAL);
	}
	n = snprintf(s->tmp, sizeof(s->tmp), "%s/tt-recover-XXXXXX", base);
	if (n < 0 || (size_t)n >= sizeof(s->tmp)) {
		s->tmp[0] = '\0';
		return (-ENAMETOOLONG);
	}
	if (mkdtemp(s->tmp) == NULL) {
		rc = -errno;
		msg_err("%s: no temporary folder can be made there: %s "
		    "(TMPDIR names another place)", base, strerror(-rc));
		s->tmp[0] = '\0';
		return (rc);
	}
	return (0);
}

static int
open_rebuilt(const char *path, bool salvage, struct source *s)
{
	char catalog[CATALOG_LEN];
	struct rebuild_info info;
	int rc;

	if (s->tmp[0] == '\0' && (rc = make_tmp(path, s)) != 0)
		return (rc);
	(void)snprintf(catalog, sizeof(catalog), "%s/catalog", s->tmp);
	if ((rc = rebuild_aside(path, catalog, salvage, &info)) != 0)
		return (rc);
	if ((rc = open_it(path, catalog, salvage, s)) != 0)
		rebuild_discard(catalog);
	return (rc);
}

int
source_open(const char *path, bool rebuild, struct source *out)
{
	struct source s = { .ls = NULL };
	int rc = -EUCLEAN;

	if (!rebuild)
		rc = open_own(path, false, &s);
	if (rc == -EBUSY)
		msg_err("%s: a daemon has this store open: stop it, or work "
		    "on a copy", path);
	if (rc == 0 || rc == -EBUSY || rc == -ENOENT)
		goto out;
	if (!rebuild)
		msg_warn("%s: making its catalogue anew from the segments, in "
		    "a temporary folder", path);
	if ((rc = open_rebuilt(path, false, &s)) != -EUCLEAN)
		goto out;
	msg_warn("%s: that is not possible in full; damage is left out from "
	    "here on", path);
	if (!rebuild && open_own(path, true, &s) == 0)
		rc = 0;
	else
		rc = open_rebuilt(path, true, &s);
out:
	if (rc != 0) {
		source_close(&s);
		return (rc);
	}
	*out = s;
	return (0);
}

void
source_close(struct source *s)
{
	char catalog[CATALOG_LEN];

	if (s->ls != NULL)
		(void)lunset_close(s->ls);
	s->ls = NULL;
	if (s->tmp[0] == '\0')
		return;
	(void)snprintf(catalog, sizeof(catalog), "%s/catalog", s->tmp);
	rebuild_discard(catalog);
	(void)rmdir(s->tmp);
	s->tmp[0] = '\0';
}
