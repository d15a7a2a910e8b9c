/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rebuild.c - is the catalogue of a store whole, and make it anew.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lun/lun_int.h"
#include "meta/base/msg.h"
#include "meta/rebuild.h"

enum { CHILD_WHOLE, CHILD_DAMAGED, CHILD_BUSY, CHILD_NO_STORE };

/* Open as a reader would, and look at every row (salvage: as far as one gets). */
static int
look(const struct lunset_conf *conf)
{
	struct lunset_conf lc = *conf;
	struct lunset *ls;
	int rc;

	lc.read_only = true;
	lc.catalog = NULL;
	if ((rc = lunset_open(&lc, &ls)) != 0)
		return (rc == -EBUSY ? CHILD_BUSY :
		    rc == -ENOENT ? CHILD_NO_STORE : CHILD_DAMAGED);
	rc = conf->salvage ? 0 : rebuild_check(conf->store);
	(void)lunset_close(ls);
	return (rc == 0 ? CHILD_WHOLE : CHILD_DAMAGED);
}

static int
result(int status)
{

	if (WIFSIGNALED(status)) {
		msg_err("reading the catalogue ended with signal %d: it is "
		    "damaged", WTERMSIG(status));
		return (-EUCLEAN);
	}
	switch (WEXITSTATUS(status)) {
	case CHILD_WHOLE:
		return (0);
	case CHILD_BUSY:
		return (-EBUSY);
	case CHILD_NO_STORE:
		return (-ENOENT);
	default:
		return (-EUCLEAN);
	}
}

/*
 * LMDB believes its pages: a damaged one may end the process.  So a child
 * looks.
 */
int
lunset_check(const struct lunset_conf *conf)
{
	const pid_t parent = getpid();
	int status;
	pid_t pid;

	if ((pid = fork()) < 0)
		return (-errno);
	if (pid == 0) {
		/* Who is killed leaves nobody behind. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(CHILD_DAMAGED);
		/* A sanitizer's own handlers would tell it as their finding. */
		(void)signal(SIGSEGV, SIG_DFL);
		(void)signal(SIGBUS, SIG_DFL);
		(void)signal(SIGABRT, SIG_DFL);
		_exit(look(conf));
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return (-errno);
	return (result(status));
}

/* What was made must open. */
static int
trial(void *arg, const char *catalog)
{
	struct lunset_conf lc = *(const struct lunset_conf *)arg;
	struct lunset *ls;
	int rc;

	msg_info("rebuild: trying the new catalogue");
	lc.read_only = true;
	lc.salvage = false;
	lc.locked = true;
	lc.catalog = catalog;
	if ((rc = lunset_open(&lc, &ls)) == 0)
		rc = lunset_close(ls);
	else
		msg_err("rebuild: the store does not open with the new "
		    "catalogue: %s; nothing was changed", strerror(-rc));
	return (rc);
}

int
lunset_rebuild(const struct lunset_conf *conf, bool force)
{
	struct lunset_conf lc = *conf;
	struct rebuild_conf rc_conf = { .path = conf->store, .trial = trial,
	    .arg = &lc, .may_be_empty = force };
	struct rebuild_info info;
	int rc = -EUCLEAN;

	if (!force) {
		msg_info("looking whether the catalogue is whole");
		rc = lunset_check(conf);
	}
	if (rc == 0) {
		msg_err("store %s: its catalogue is whole: nothing to rebuild",
		    conf->store);
		return (-EEXIST);
	}
	if (rc == -EBUSY)
		msg_err("store %s: a daemon has it open: stop it first",
		    conf->store);
	if (rc != -EUCLEAN)
		return (rc);
	if ((rc = rebuild_store(&rc_conf, &info)) == 0)
		msg_info("store %s: the catalogue is rebuilt", conf->store);
	return (rc);
}
