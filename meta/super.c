/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * super.c - the superblock.
 *
 * Superblock (4096 bytes, big-endian; FORMAT.md is normative and the same)
 * off len
 *   0   8  magic "ttSUPERB"
 *   8   4  format version = 1
 *  12   4  size of a segment in bytes: a power of two, 2 MiB..128 MiB
 *  16   8  compatible features: unknown bits are ignored
 *  24   8  read-only compatible features: unknown bits refuse the store
 *  32   8  incompatible features: unknown bits refuse the store
 *  40  16  UUID of the store
 *  56   8  time of creation, ns UTC
 *  64..4087  zero, unless a compatible feature that we do not know is set
 * 4088   8  checksum: XXH3-64 of the 4088 bytes before it
 *
 * Magic and checksum keep their place in every version, so damage is told
 * from a newer format.
 */
#include "meta/super.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/msg.h"
#include "meta/fsutil.h"
#include "meta/xxh.h"

#define SUPER_NAME	"superblock"
#define SUPER_NEW_NAME	"superblock.new"
#define OFF_SUM		(SUPER_LEN - 8)
#define OFF_ZERO	64

static const uint8_t magic[8] = { 't', 't', 'S', 'U', 'P', 'E', 'R', 'B' };

static bool
segment_bytes_ok(uint32_t n)
{

	return (n >= SEGMENT_BYTES_MIN && n <= SEGMENT_BYTES_MAX &&
	    (n & (n - 1)) == 0);
}

void
super_enc(const struct super *s, uint8_t out[static SUPER_LEN])
{

	memset(out, 0, SUPER_LEN);
	memcpy(out, magic, sizeof(magic));
	put_be32(out + 8, s->version);
	put_be32(out + 12, s->segment_bytes);
	put_be64(out + 16, s->compat);
	put_be64(out + 24, s->ro_compat);
	put_be64(out + 32, s->incompat);
	memcpy(out + 40, s->uuid, 16);
	put_be64(out + 56, s->created_ns);
	put_be64(out + OFF_SUM, XXH3_64bits(out, OFF_SUM));
}

int
super_dec(const uint8_t in[static SUPER_LEN], struct super *out)
{
	struct super s;

	if (memcmp(in, magic, sizeof(magic)) != 0 ||
	    get_be64(in + OFF_SUM) != XXH3_64bits(in, OFF_SUM))
		return (-EILSEQ);
	s.version = get_be32(in + 8);
	s.segment_bytes = get_be32(in + 12);
	s.compat = get_be64(in + 16);
	s.ro_compat = get_be64(in + 24);
	s.incompat = get_be64(in + 32);
	memcpy(s.uuid, in + 40, 16);
	s.created_ns = get_be64(in + 56);
	if (s.version != SUPER_VERSION ||
	    (s.ro_compat & ~SUPER_ROCOMPAT_KNOWN) != 0 ||
	    (s.incompat & ~SUPER_INCOMPAT_KNOWN) != 0)
		return (-EPROTONOSUPPORT);
	if (!segment_bytes_ok(s.segment_bytes))
		return (-EILSEQ);
	if ((s.compat & ~SUPER_COMPAT_KNOWN) == 0)
		for (size_t i = OFF_ZERO; i < OFF_SUM; i++)
			if (in[i] != 0)
				return (-EILSEQ);
	*out = s;
	return (0);
}

/*
 * The temporary file, empty and locked.  Two who create a store at once must
 * not write into one file: the lock keeps the second out, and the comparison
 * keeps it from truncating what the first has renamed in between.
 */
static int
open_new(int dir_fd, int *out_fd)
{
	struct stat by_fd, by_name;
	int fd, rc;

	fd = openat(dir_fd, SUPER_NEW_NAME,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return (-errno);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		goto out_close;
	}
	if (fstat(fd, &by_fd) != 0) {
		rc = -errno;
		goto out_close;
	}
	if (fstatat(dir_fd, SUPER_NEW_NAME, &by_name,
	    AT_SYMLINK_NOFOLLOW) != 0 || by_fd.st_dev != by_name.st_dev ||
	    by_fd.st_ino != by_name.st_ino) {
		rc = -EBUSY;
		goto out_close;
	}
	if (ftruncate(fd, 0) != 0) {
		rc = -errno;
		goto out_close;
	}
	*out_fd = fd;
	return (0);

out_close:
	(void)close(fd);
	return (rc);
}

int
super_create(int dir_fd, const struct super *s)
{
	uint8_t buf[SUPER_LEN];
	int fd = -1, rc;

	if (faccessat(dir_fd, SUPER_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return (-EEXIST);
	if ((rc = open_new(dir_fd, &fd)) != 0)
		goto out_say;
	super_enc(s, buf);
	/* Power lost here: only the temporary file, which nobody reads. */
	if ((rc = fsutil_write(fd, buf, sizeof(buf), 0)) != 0)
		goto out_unlink;
	if (fsync(fd) != 0) {
		rc = -errno;
		goto out_unlink;
	}
	/* Content before name: a superblock that can be seen is whole. */
	rc = fsutil_rename_new(dir_fd, SUPER_NEW_NAME, dir_fd, SUPER_NAME);
	if (rc != 0)
		goto out_unlink;
	/* Power lost here: the store is there or not, both are whole. */
	rc = fsutil_sync_dir(dir_fd, ".");
	goto out_close;

out_unlink:
	(void)unlinkat(dir_fd, SUPER_NEW_NAME, 0);
out_close:
	(void)close(fd);
out_say:
	if (rc != 0 && rc != -EEXIST)
		msg_err("cannot write the superblock: %s", strerror(-rc));
	return (rc);
}

int
super_load(int dir_fd, struct super *out)
{
	uint8_t buf[SUPER_LEN];
	struct stat st;
	int fd, rc;

	/* O_NONBLOCK: a FIFO of that name must not make us wait. */
	fd = openat(dir_fd, SUPER_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return (-errno);
	if (fstat(fd, &st) != 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size != SUPER_LEN)
		rc = -EILSEQ;
	else
		rc = fsutil_read(fd, buf, sizeof(buf), 0);
	(void)close(fd);
	return (rc == 0 ? super_dec(buf, out) : rc);
}
