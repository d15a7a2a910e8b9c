/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/admin_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "meta/base/msg.h"

#define BACKLOG 16

/* Makes the folder of ${path}: /run is empty after each start. */
static void
make_parent(const char *path)
{
	struct sockaddr_un un;
	char dir[sizeof(un.sun_path)], *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return;
	*slash = '\0';
	/* That it exists is the rule; another failure shows in bind. */
	(void)mkdir(dir, 0755);
}

/*
 * What stands at ${path}: nothing, the socket of a daemon that is gone (it is
 * removed), or something that we must not touch.
 */
static int
clear_stale(const char *path, const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return (0);
		rc = -errno;
		msg_err("admin socket %s: %s; check the folder, or set "
		    "another socket in the configuration", path,
		    strerror(-rc));
		return (rc);
	}
	if (!S_ISSOCK(st.st_mode)) {
		msg_err("admin socket %s: something else has this name and is "
		    "left alone; move it, or set another socket in the "
		    "configuration", path);
		return (-EEXIST);
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0)) < 0)
		return (-errno);
	rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) != 0 ?
	    errno : 0;
	close(fd);
	/* EAGAIN: somebody listens and its queue is full. */
	if (rc == 0 || rc == EAGAIN) {
		msg_err("admin socket %s: another daemon answers there; stop "
		    "it, or set another socket in the configuration", path);
		return (-EADDRINUSE);
	}
	if (rc == ECONNREFUSED && unlink(path) == 0)
		return (0);
	if (rc == ECONNREFUSED)
		rc = errno;
	msg_err("admin socket %s: cannot replace what a former daemon left: "
	    "%s", path, strerror(rc));
	return (-rc);
}

int
admin_sock_listen(const char *path, int *out_fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		msg_err("admin socket %s: the path has %zu bytes, the system "
		    "allows %zu; set a shorter socket in the configuration",
		    path, strlen(path), sizeof(sun.sun_path) - 1);
		return (-ENAMETOOLONG);
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	make_parent(path);
	if ((rc = clear_stale(path, &sun)) != 0)
		return (rc);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0)) < 0)
		return (-errno);
	/* bind gives the file the mode of the socket: never a moment wider. */
	if (fchmod(fd, 0600) != 0 ||
	    bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		rc = -errno;
		msg_err("admin socket %s: %s; check that the folder exists and "
		    "that this user may write there", path, strerror(-rc));
		close(fd);
		return (rc);
	}
	*out_fd = fd;
	return (0);
}

int
admin_sock_peer(int fd, uid_t *out)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return (-errno);
	if (len != sizeof(cred))
		return (-EPROTO);
	*out = cred.uid;
	return (0);
}
