/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rebuild.c - is the catalogue of a store whole, and make it anew.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lun/lun_int.h"
#include "meta/base/msg.h"
#include "meta/rebuild.h"

/*
 * The child's exit code: 0 whole, else an errno of ours, above what anything
 * else that ends a process gives (a sanitizer, an exit of the C library).
 */
#define CHILD_ERRNO	100
#define CHILD_ERRNO_MAX	(255 - CHILD_ERRNO)

/*
 * Open as a reader would, and look at every row (salvage: as far as one gets).
 */
static int
look(const struct lunset_conf *conf)
{
	struct lunset_conf lc = *conf;
	struct lunset *ls;
	int rc;

	lc.read_only = true;
	lc.looking = true;
	lc.catalog = NULL;
	if ((rc = lunset_open(&lc, &ls)) != 0)
		return (rc);
	rc = conf->salvage ? 0 : rebuild_check(conf->store);
	(void)lunset_close(ls);
	return (rc);
}

/*
 * Damage is only what was read and found wrong, or could not be read by the
 * disk, or is not there: a catalogue is set aside for it.  All else says
 * something of this process, its user, its limits or the machine.
 *
 * Two may be either, and a person decides: -ENOMEM, since LMDB maps as much as
 * a page says that there is; -EPROTONOSUPPORT, a newer LMDB or a wrong bit.
 */
static int
verdict(int rc)
{

	switch (rc) {
	case -EUCLEAN:
	case -EILSEQ:
	case -EIO:		/* also LMDB's own words for a wrong page */
	case -ENODATA:
	case -EBADMSG:		/* a checksum of the file system's */
	case -EINVAL:		/* a row that makes no sense */
	case -EEXIST:		/* two that exclude each other */
	case -ENOTDIR:
		return (-EUCLEAN);
	default:
		return (rc);
	}
}

/* What LMDB, or we, do with a page that cannot be what it says. */
static bool
is_of_damage(int signo)
{

	return (signo == SIGSEGV || signo == SIGBUS || signo == SIGABRT ||
	    signo == SIGFPE || signo == SIGILL);
}

static int
result(int status)
{
	int code;

	if (WIFSIGNALED(status) && !is_of_damage(WTERMSIG(status))) {
		msg_err("who read the catalogue was ended by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
		return (-EINTR);
	}
	if (WIFSIGNALED(status)) {
		msg_err("reading the catalogue ended with signal %d: it is "
		    "damaged", WTERMSIG(status));
		return (-EUCLEAN);
	}
	if ((code = WEXITSTATUS(status)) == 0)
		return (0);
	return (code > CHILD_ERRNO ? verdict(CHILD_ERRNO - code) : -EUCLEAN);
}

static int
exit_code(int rc)
{

	return (rc == 0 ? 0 : rc < 0 && rc >= -CHILD_ERRNO_MAX ?
	    CHILD_ERRNO - rc : CHILD_ERRNO + ECANCELED);
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
			_exit(exit_code(-EINTR));
		/* A sanitizer's own handlers would tell it as their finding. */
		(void)signal(SIGSEGV, SIG_DFL);
		(void)signal(SIGBUS, SIG_DFL);
		(void)signal(SIGABRT, SIG_DFL);
		_exit(exit_code(look(conf)));
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
	else if (rc != -EUCLEAN)
		msg_err("store %s: it could not be seen whether its catalogue "
		    "is whole: %s; nothing was changed%s", conf->store,
		    msg_why(rc), rc == -EPROTONOSUPPORT || rc == -ENOMEM ?
		    "; if it is damage, --rebuild --force makes it anew" : "");
	if (rc != -EUCLEAN)
		return (rc);
	if ((rc = rebuild_store(&rc_conf, &info)) == 0)
		msg_info("store %s: the catalogue is rebuilt: start ttd, then "
		    "run tt-admin verify --all", conf->store);
	return (rc);
}
