/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owner.h - whose the files of the daemon are.  What ttd makes in a store only
 * its own user can open, so one user must make and serve all of it.
 *
 * Threads: before there are any (the user database is not safe for threads).
 */
#ifndef TARGET_OWNER_H
#define TARGET_OWNER_H

#include <stddef.h>
#include <sys/types.h>

#define OWNER_NAME_LEN	64

/* The name of a user, or his number.  Returns ${dst}. */
const char *owner_name(uid_t uid, char dst[static OWNER_NAME_LEN]);

/*
 * Who ttd runs as with this store: root is not the one when the folder is
 * somebody else's (owner_check), nobody else can be another than he is.
 */
uid_t owner_of_daemon(const char *store);

/**
 * owner_check(store, args):
 * May this user make files in ${store}?  Root could, and nobody else could open
 * them then.  ${args}: those of ttd, for the command that is right.
 * Errors: -EPERM, logged.  A folder that is not there is none of its business.
 */
int owner_check(const char *store, const char *args);

/* After -EACCES or -EPERM: whose file it was, if not ours; logged. */
void owner_explain(const char *store, int rc);

#endif /* !TARGET_OWNER_H */
