/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.h - a private ttd for one test: its own folder, store, socket and
 * port, driven by the real tt-admin.
 *
 * Everything exits with a message when the test cannot go on without it.
 */
#ifndef TESTS_E2E_DAEMON_H
#define TESTS_E2E_DAEMON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon {
	char dir[256];		/* store, socket, conf, log */
	char store[300], socket[300], conf[300], log[300];
	pid_t pid;		/* 0: not running */
	unsigned port;
	const char *preload, *trace;	/* the recorder, for the next start */
};

/* What a client needs to log in to a target. */
struct disk {
	char iqn[256], portal[64];
	char user[64], secret[300];		/* empty: no CHAP */
	char target_user[64], target_secret[300];	/* mutual */
	uint64_t size;
	uint32_t sector, block;
};

/*
 * Makes the folder and the store.  ${conf} is added to the configuration and
 * may be NULL.
 */
void daemon_init(struct daemon *d, const char *conf);
/* Starts it and waits until its portals accept. */
void daemon_start(struct daemon *d);
/* SIGTERM; true: it exited with 0 within 30 s. */
bool daemon_stop(struct daemon *d);
void daemon_kill(struct daemon *d);	/* SIGKILL */
bool daemon_alive(struct daemon *d);
/* Stops it and removes everything; shows its log when ${failed}. */
void daemon_fini(struct daemon *d, bool failed);

/*
 * tt-admin --json ARGS... (words of ${fmt}, split at blanks).  The answer, to
 * be freed with json_decref (NULL: there was none), and the exit status.
 */
json_t *daemon_admin(struct daemon *d, int *exit_status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, started only; *fd is where its output comes from. */
pid_t daemon_admin_start(struct daemon *d, int *fd, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "create ${fmt}", "expose ${fmt}": what a client needs. */
bool daemon_create(struct daemon *d, struct disk *out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool daemon_expose(struct daemon *d, struct disk *out, const struct disk *lun,
    const char *what);

/* A number of "status", by its path ("store.checkpoints"). */
int64_t daemon_status(struct daemon *d, const char *path);

#endif /* !TESTS_E2E_DAEMON_H */
