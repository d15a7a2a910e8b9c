/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/e2e/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"

#define WORDS_MAX 24

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{

	(void)st;
	(void)flag;
	(void)f;
	(void)remove(path);
	return (0);
}

static void
remove_all(const struct daemon *d)
{

	if (getenv("TT_KEEP") == NULL)
		(void)nftw(d->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	else
		(void)fprintf(stderr, "kept: %s\n", d->dir);
}

static _Noreturn void
die(const struct daemon *d, const char *what)
{

	(void)fprintf(stderr, "daemon: %s; log: %s\n", what, d->log);
	(void)fflush(NULL);
	if (d->pid > 0)
		(void)kill(d->pid, SIGKILL);
	if (access(d->log, R_OK) == 0) {
		char cmd[400];

		(void)snprintf(cmd, sizeof(cmd), "tail -n 40 '%s' >&2",
		    d->log);
		(void)!system(cmd);
	}
	if (d->dir[0] != '\0')
		remove_all(d);
	exit(1);
}

static const char *
bin(const char *name, char out[512])
{
	const char *dir = getenv("TT_BIN");

	(void)snprintf(out, 512, "%s/%s", dir == NULL ? "." : dir, name);
	return (out);
}

static void
put_text(const struct daemon *d, const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		die(d, "cannot write the configuration");
}

/* ---- the daemon -------------------------------------------------------- */

/* Runs ttd with one or two arguments, its stderr appended to the log. */
static pid_t
spawn(struct daemon *d, const char *opt)
{
	char path[512];
	pid_t pid;

	(void)bin("ttd", path);
	(void)fflush(NULL);
	if ((pid = fork()) != 0)
		return (pid);
	int fd = open(d->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	/* A test that is killed leaves no daemon behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 ||
	    dup2(fd, STDOUT_FILENO) < 0)
		_exit(126);
	if (d->preload != NULL) {
		(void)setenv("LD_PRELOAD", d->preload, 1);
		(void)setenv("TT_RECORD_DIR", d->store, 1);
		(void)setenv("TT_RECORD_TRACE", d->trace, 1);
	}
	if (opt != NULL)
		(void)execl(path, "ttd", opt, "-c", d->conf, (char *)NULL);
	else
		(void)execl(path, "ttd", "-c", d->conf, (char *)NULL);
	_exit(127);
}

static int
wait_exit(pid_t pid)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return (-1);
	return (WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
}

void
daemon_init(struct daemon *d, const char *conf)
{
	const char *tmp = getenv("TT_FAST");
	char text[4096];
	pid_t pid;

	*d = (struct daemon){ .pid = 0 };
	(void)snprintf(d->dir, sizeof(d->dir), "%s/tt-e2e.XXXXXX",
	    tmp != NULL ? tmp : "/dev/shm");
	if (mkdtemp(d->dir) == NULL)
		die(d, "no folder");
	(void)snprintf(d->store, sizeof(d->store), "%s/store", d->dir);
	(void)snprintf(d->socket, sizeof(d->socket), "%s/sock", d->dir);
	(void)snprintf(d->conf, sizeof(d->conf), "%s/tt.conf", d->dir);
	(void)snprintf(d->log, sizeof(d->log), "%s/log", d->dir);
	(void)snprintf(text, sizeof(text), "store = \"%s\"\nsocket = \"%s\"\n"
	    "iqn-prefix = \"iqn.2026-01.org.example\"\n"
	    "portal \"main\" {\n\tlisten = {\"127.0.0.1:0\"}\n\ttag = 1\n}\n"
	    "%s%s", d->store, d->socket, conf == NULL ? "" : conf,
	    /* Tests run beside each other, in memory. */
	    conf != NULL && strstr(conf, "space-reserve") != NULL ? "" :
	    "\nspace-reserve = 16M\n");
	put_text(d, d->conf, text);
	pid = spawn(d, "--init");
	if (wait_exit(pid) != 0)
		die(d, "ttd --init failed");
}

/* The port that the system chose, when the daemon says that it is healthy. */
static bool
ask_port(struct daemon *d)
{
	json_t *j, *p;
	int rc;

	j = daemon_admin(d, &rc, "status");
	p = json_array_get(json_object_get(j, "portals"), 0);
	if (rc == 0 && p != NULL)
		d->port = (unsigned)json_integer_value(json_object_get(p,
		    "port"));
	json_decref(j);
	return (rc == 0 && d->port != 0);
}

void
daemon_start(struct daemon *d)
{
	uint64_t until = clock_mono_ms() + 60000;

	d->port = 0;
	d->pid = spawn(d, NULL);
	while (!ask_port(d)) {
		if (!daemon_alive(d))
			die(d, "ttd ended at once");
		if (clock_mono_ms() > until)
			die(d, "ttd does not come up");
		(void)usleep(10000);
	}
}

bool
daemon_alive(struct daemon *d)
{
	int st;

	if (d->pid == 0)
		return (false);
	if (waitpid(d->pid, &st, WNOHANG) == 0)
		return (true);
	(void)fprintf(stderr, "daemon: ttd ended: %s %d\n", WIFEXITED(st) ?
	    "exit" : "signal", WIFEXITED(st) ? WEXITSTATUS(st) : WTERMSIG(st));
	d->pid = 0;
	return (false);
}

bool
daemon_stop(struct daemon *d)
{
	uint64_t until = clock_mono_ms() + 30000;
	int st;

	if (d->pid == 0)
		return (false);
	(void)kill(d->pid, SIGTERM);
	while (waitpid(d->pid, &st, WNOHANG) == 0) {
		if (clock_mono_ms() > until) {
			(void)fprintf(stderr, "daemon: ttd does not stop\n");
			daemon_kill(d);
			return (false);
		}
		(void)usleep(5000);
	}
	d->pid = 0;
	if (!WIFEXITED(st) || WEXITSTATUS(st) != 0)
		(void)fprintf(stderr, "daemon: ttd stopped with %d\n", st);
	return (WIFEXITED(st) && WEXITSTATUS(st) == 0);
}

void
daemon_kill(struct daemon *d)
{

	if (d->pid == 0)
		return;
	(void)kill(d->pid, SIGKILL);
	(void)wait_exit(d->pid);
	d->pid = 0;
}

void
daemon_fini(struct daemon *d, bool failed)
{
	char cmd[400];

	daemon_kill(d);
	if (failed) {
		(void)snprintf(cmd, sizeof(cmd), "tail -n 60 '%s' >&2",
		    d->log);
		(void)!system(cmd);
	}
	remove_all(d);
}

/* ---- tt-admin ---------------------------------------------------------- */

static pid_t
admin_start(struct daemon *d, int *fd, char *words)
{
	char path[512], a0[] = "tt-admin", a1[] = "-s", a3[] = "--json";
	char *argv[WORDS_MAX] = { a0, a1, d->socket, a3 };
	int n = 4, p[2];
	char *save = NULL;
	pid_t pid;

	for (char *w = strtok_r(words, " ", &save); w != NULL && n <
	    WORDS_MAX - 1; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	if (pipe2(p, O_CLOEXEC) != 0)
		die(d, "pipe");
	(void)bin("tt-admin", path);
	(void)fflush(NULL);
	if ((pid = fork()) == 0) {
		int null = open("/dev/null", O_WRONLY);

		if (dup2(p[1], STDOUT_FILENO) < 0 ||
		    dup2(null, STDERR_FILENO) < 0)
			_exit(126);
		(void)execv(path, argv);
		_exit(127);
	}
	(void)close(p[1]);
	if (pid < 0)
		die(d, "fork");
	*fd = p[0];
	return (pid);
}

pid_t
daemon_admin_start(struct daemon *d, int *fd, const char *fmt, ...)
{
	char words[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return (admin_start(d, fd, words));
}

static json_t *
admin_words(struct daemon *d, int *exit_status, char *words)
{
	static char out[1 << 20];
	size_t n = 0;
	ssize_t r;
	pid_t pid;
	int fd;

	pid = admin_start(d, &fd, words);
	while (n < sizeof(out) - 1 &&
	    (r = read(fd, out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)r;
	(void)close(fd);
	*exit_status = wait_exit(pid);
	return (n == 0 ? NULL : json_loadb(out, n, JSON_REJECT_DUPLICATES,
	    NULL));
}

json_t *
daemon_admin(struct daemon *d, int *exit_status, const char *fmt, ...)
{
	char words[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return (admin_words(d, exit_status, words));
}

static void
copy_text(char *dst, size_t cap, const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	(void)snprintf(dst, cap, "%s", s == NULL ? "" : s);
}

static bool
disk_of(struct daemon *d, json_t *j, struct disk *out)
{
	json_t *c = json_object_get(j, "chap");

	copy_text(out->iqn, sizeof(out->iqn), j, "iqn");
	out->size = (uint64_t)json_integer_value(json_object_get(j, "size"));
	out->sector = (uint32_t)json_integer_value(json_object_get(j,
	    "sector"));
	out->block = (uint32_t)json_integer_value(json_object_get(j, "block"));
	(void)snprintf(out->portal, sizeof(out->portal), "127.0.0.1:%u",
	    d->port);
	if (c != NULL) {
		copy_text(out->user, sizeof(out->user), c, "user");
		copy_text(out->secret, sizeof(out->secret), c, "secret");
	}
	c = json_object_get(j, "mutual");
	if (c != NULL) {
		copy_text(out->target_user, sizeof(out->target_user), c,
		    "user");
		copy_text(out->target_secret, sizeof(out->target_secret), c,
		    "secret");
	}
	return (out->iqn[0] != '\0' && out->size > 0 && out->sector > 0);
}

bool
daemon_create(struct daemon *d, struct disk *out, const char *fmt, ...)
{
	char args[900], words[1024];
	va_list ap;
	json_t *j;
	int rc;
	bool ok;

	va_start(ap, fmt);
	(void)vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	(void)snprintf(words, sizeof(words), "create %s", args);
	*out = (struct disk){ .size = 0 };
	j = admin_words(d, &rc, words);
	ok = rc == 0 && disk_of(d, j, out);
	if (!ok)
		(void)fprintf(stderr, "daemon: create %s: exit %d\n", args,
		    rc);
	json_decref(j);
	return (ok);
}

bool
daemon_expose(struct daemon *d, struct disk *out, const struct disk *lun,
    const char *what)
{
	json_t *j;
	int rc;
	bool ok;

	*out = *lun;
	j = daemon_admin(d, &rc, "expose %s", what);
	ok = rc == 0 && disk_of(d, j, out);
	/* It is entered with the credentials of the LUN. */
	memcpy(out->secret, lun->secret, sizeof(out->secret));
	memcpy(out->target_secret, lun->target_secret,
	    sizeof(out->target_secret));
	if (!ok)
		(void)fprintf(stderr, "daemon: expose %s: exit %d\n", what,
		    rc);
	json_decref(j);
	return (ok);
}

int64_t
daemon_status(struct daemon *d, const char *path)
{
	char buf[128], *save = NULL;
	json_t *j, *at;
	int64_t v;
	int rc;

	at = j = daemon_admin(d, &rc, "status");
	(void)snprintf(buf, sizeof(buf), "%s", path);
	for (char *w = strtok_r(buf, ".", &save); w != NULL;
	    w = strtok_r(NULL, ".", &save))
		at = json_object_get(at, w);
	v = json_is_integer(at) ? json_integer_value(at) :
	    json_is_true(at) ? 1 : -1;
	json_decref(j);
	return (v);
}
