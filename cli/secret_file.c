/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"

/* The longest secret, a line end of two bytes, and one byte too many. */
#define READ_MAX (ADMIN_SECRET_MAX_BYTES + 3)

static int
refuse(const char *path, const char *why, const char *next)
{
	char what[512];

	(void)snprintf(what, sizeof(what), "cannot take the secret in %s",
	    path);
	return (report_error(ADMIN_INVALID, what, why, next));
}

/* Pipes give what they have in pieces. */
static ssize_t
read_all(int fd, char *buf, size_t cap)
{
	size_t have = 0;
	ssize_t n;

	while (have < cap) {
		n = read(fd, buf + have, cap - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (-errno);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return ((ssize_t)have);
}

static int
check(const char *path, const char *buf, size_t len)
{
	char why[96];

	if (len < ADMIN_SECRET_MIN_BYTES || len > ADMIN_SECRET_MAX_BYTES) {
		if (len > ADMIN_SECRET_MAX_BYTES)
			(void)snprintf(why, sizeof(why), "it is longer than "
			    "%u bytes", ADMIN_SECRET_MAX_BYTES);
		else
			(void)snprintf(why, sizeof(why), "it has %zu bytes, "
			    "%u are the least", len, ADMIN_SECRET_MIN_BYTES);
		return (refuse(path, why, "16 random letters and digits are a "
		    "good choice; without --secret-file such a secret is "
		    "made"));
	}
	for (size_t i = 0; i < len; i++)
		if (buf[i] < 0x20 || buf[i] > 0x7e)
			return (refuse(path, "it has bytes that are not "
			    "printable ASCII", "put the secret alone on the "
			    "only line of the file"));
	return (0);
}

int
secret_file_read(const char *path, struct secret_text *out)
{
	char buf[READ_MAX];
	struct stat st;
	ssize_t n;
	size_t len;
	int fd, rc;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0)
		return (refuse(path, strerror(errno),
		    "check the path and who may read it"));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 077) != 0)
		report_warning("%s can be read by others (mode %03o); "
		    "chmod 600 it", path, (unsigned)(st.st_mode & 0777));
	n = read_all(fd, buf, sizeof(buf));
	(void)close(fd);
	if (n < 0) {
		rc = refuse(path, strerror((int)-n),
		    "check the path and who may read it");
		goto out_wipe;
	}
	len = (size_t)n;
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	if (len > 0 && buf[len - 1] == '\r')
		len--;
	if ((rc = check(path, buf, len)) == 0) {
		memset(out, 0, sizeof(*out));
		memcpy(out->s, buf, len);
	}
out_wipe:
	explicit_bzero(buf, sizeof(buf));
	return (rc);
}
