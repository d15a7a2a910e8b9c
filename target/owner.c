/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/owner.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/msg.h"

#define WALK_FILES	16

const char *
owner_name(uid_t uid, char dst[static OWNER_NAME_LEN])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		(void)snprintf(dst, OWNER_NAME_LEN, "%s", pw->pw_name);
	else
		(void)snprintf(dst, OWNER_NAME_LEN, "%ju", (uintmax_t)uid);
	return (dst);
}

/* The group that goes with a user: his own, else that of the folder. */
static const char *
group_name(const struct stat *st, char dst[static OWNER_NAME_LEN])
{
	const struct passwd *pw = getpwuid(st->st_uid);
	const gid_t gid = pw != NULL ? pw->pw_gid : st->st_gid;
	const struct group *gr = getgrgid(gid);

	if (gr != NULL)
		(void)snprintf(dst, OWNER_NAME_LEN, "%s", gr->gr_name);
	else
		(void)snprintf(dst, OWNER_NAME_LEN, "%ju", (uintmax_t)gid);
	return (dst);
}

uid_t
owner_of_daemon(const char *store)
{
	struct stat st;

	if (geteuid() != 0 || stat(store, &st) != 0)
		return (geteuid());
	return (st.st_uid);
}

int
owner_check(const char *store, const char *args)
{
	char user[OWNER_NAME_LEN], group[OWNER_NAME_LEN];
	struct stat st;
	bool is_known;

	if (geteuid() != 0 || stat(store, &st) != 0 || st.st_uid == 0)
		return (0);
	is_known = getpwuid(st.st_uid) != NULL;
	(void)owner_name(st.st_uid, user);
	msg_err("store %s: it belongs to %s and this is root: files that root "
	    "makes could not be opened by %s; use: setpriv --reuid %s "
	    "--regid %s --%s-groups ttd %s", store, user, user, user,
	    group_name(&st, group), is_known ? "init" : "clear", args);
	return (-EPERM);
}

/* nftw has no pointer for us; one thread only, see owner.h. */
static struct {
	char path[512];
	uid_t uid;
} foreign;

static int
look(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{

	(void)ftw;
	if (kind == FTW_NS || st->st_uid == geteuid())
		return (0);
	(void)snprintf(foreign.path, sizeof(foreign.path), "%s", path);
	foreign.uid = st->st_uid;
	return (1);
}

void
owner_explain(const char *store, int rc)
{
	char theirs[OWNER_NAME_LEN], ours[OWNER_NAME_LEN];

	if ((rc != -EACCES && rc != -EPERM) || geteuid() == 0 ||
	    nftw(store, look, WALK_FILES, FTW_PHYS | FTW_MOUNT) != 1)
		return;
	(void)owner_name(geteuid(), ours);
	msg_err("%s: it belongs to %s, this is %s: chown -R %s: %s",
	    foreign.path, owner_name(foreign.uid, theirs), ours, ours, store);
}
