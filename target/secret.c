/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "target/owner.h"

#define KEY_BYTES	32
#define NONCE_BYTES	12
#define TAG_BYTES	16
#define SEAL_VERSION	1
#define SEAL_HEAD	(1 + NONCE_BYTES)

_Static_assert(SEAL_HEAD + TAG_BYTES == SECRET_SEAL_BYTES, "layout");

struct secret_key {
	uint8_t b[KEY_BYTES];
};

void
secret_wipe(void *p, size_t len)
{

	explicit_bzero(p, len);
}

/* --- the key file --- */

static int
key_path(const char *store, char dst[static PATH_MAX])
{
	const int n = snprintf(dst, PATH_MAX, "%s/key", store);

	return (n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0);
}

/* Makes the name durable, not only the content. */
static int
sync_folder(const char *store)
{
	int fd, rc = 0;

	if ((fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return (-errno);
	if (fsync(fd) != 0)
		rc = -errno;
	(void)close(fd);
	return (rc);
}

int
secret_key_create(const char *store)
{
	uint8_t b[KEY_BYTES];
	char path[PATH_MAX];
	ssize_t n;
	int fd, rc;

	if ((rc = key_path(store, path)) != 0)
		goto out_log;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd < 0) {
		rc = -errno;
		goto out_log;
	}
	rnd_bytes(b, sizeof(b));
	n = write(fd, b, sizeof(b));
	if (n != (ssize_t)sizeof(b))
		rc = n < 0 ? -errno : -ENOSPC;
	else if (fsync(fd) != 0)
		rc = -errno;
	secret_wipe(b, sizeof(b));
	(void)close(fd);
	if (rc == 0)
		rc = sync_folder(store);
	if (rc != 0)
		(void)unlink(path);
out_log:
	if (rc != 0)
		msg_err("key file of %s: %s", store, strerror(-rc));
	return (rc);
}

static int
key_read(int fd, const char *path, struct secret_key *k)
{
	static const uint8_t zero[KEY_BYTES];
	struct stat st;
	uint8_t more;

	if (fstat(fd, &st) != 0)
		return (-errno);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
		msg_err("%s: others may read the key of all CHAP secrets; "
		    "chmod 600 it, and consider the secrets known", path);
		return (-EACCES);
	}
	if (read(fd, k->b, KEY_BYTES) != KEY_BYTES ||
	    read(fd, &more, 1) != 0) {
		msg_err("%s: is not 32 bytes long; bring it back from a copy, "
		    "without it no CHAP secret can be read", path);
		return (-EUCLEAN);
	}
	/* Its name and size may outlive a crash that its bytes did not. */
	if (memcmp(k->b, zero, KEY_BYTES) == 0) {
		msg_err("%s: is empty, the making of the store was cut short; "
		    "remove the folder and make it again, or bring the key "
		    "back from a copy", path);
		return (-EUCLEAN);
	}
	return (0);
}

int
secret_key_load(const char *store, struct secret_key **out)
{
	struct secret_key *k;
	char path[PATH_MAX];
	int fd, rc;

	if ((rc = key_path(store, path)) != 0)
		return (rc);
	if ((k = calloc(1, sizeof(*k))) == NULL)
		return (-ENOMEM);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0) {
		rc = -errno;
		msg_err("%s: %s; it holds the key of all CHAP secrets, bring "
		    "it back from a copy", path, strerror(-rc));
		goto out_free;
	}
	rc = key_read(fd, path, k);
	(void)close(fd);
out_free:
	if (rc == 0)
		*out = k;
	else
		secret_key_free(k);
	return (rc);
}

void
secret_key_free(struct secret_key *k)
{

	if (k == NULL)
		return;
	secret_wipe(k, sizeof(*k));
	free(k);
}

/* --- sealing --- */

bool
secret_ok(const char *secret, size_t len)
{

	if (len < SECRET_MIN_BYTES || len > SECRET_MAX_BYTES)
		return (false);
	for (size_t i = 0; i < len; i++)
		if (secret[i] < 0x20 || secret[i] > 0x7e)
			return (false);
	return (true);
}

/*
 * AES-256-GCM in one go.  What is authenticated beside the
 * secret: the version, the direction, the user.
 */
static int
gcm(const struct secret_key *k, const struct secret_owner *who, bool seal,
    const uint8_t nonce[NONCE_BYTES], const uint8_t *src, size_t len,
    uint8_t *dst, uint8_t tag[TAG_BYTES])
{
	const uint8_t head[2] = { SEAL_VERSION, who->mutual ? 1 : 0 };
	const size_t user_len = strlen(who->user);
	EVP_CIPHER_CTX *ctx;
	int n, end = 0, rc = -EIO;

	if (len > SECRET_MAX_BYTES || user_len > SECRET_SEALED_MAX)
		return (-EINVAL);
	if ((ctx = EVP_CIPHER_CTX_new()) == NULL)
		return (-ENOMEM);
	if (EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->b, nonce,
	    seal) != 1 ||
	    EVP_CipherUpdate(ctx, NULL, &n, head, sizeof(head)) != 1 ||
	    EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)who->user,
	    (int)user_len) != 1 ||
	    EVP_CipherUpdate(ctx, dst, &n, src, (int)len) != 1)
		goto out_free;
	if (!seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES,
	    tag) != 1)
		goto out_free;
	if (EVP_CipherFinal_ex(ctx, dst + n, &end) != 1) {
		rc = seal ? -EIO : -EBADMSG;
		goto out_free;
	}
	if (seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES,
	    tag) != 1)
		goto out_free;
	rc = 0;
out_free:
	EVP_CIPHER_CTX_free(ctx);
	return (rc);
}

bool
secret_user_ok(const char *user)
{
	const size_t len = strlen(user);

	for (size_t i = 0; i < len; i++)
		if (user[i] <= 0x20 || user[i] > 0x7e)
			return (false);
	return (len > 0 && len <= SECRET_USER_MAX);
}

int
secret_seal(const struct secret_key *k, const struct secret_owner *who,
    const char *secret, size_t len, struct secret_sealed *out)
{
	struct secret_sealed s;
	int rc;

	if (!secret_ok(secret, len))
		return (-EINVAL);
	s.b[0] = SEAL_VERSION;
	rnd_bytes(s.b + 1, NONCE_BYTES);
	rc = gcm(k, who, true, s.b + 1, (const uint8_t *)secret, len,
	    s.b + SEAL_HEAD, s.b + SEAL_HEAD + len);
	if (rc != 0)
		return (rc);
	s.len = len + SECRET_SEAL_BYTES;
	memcpy(out->b, s.b, s.len);
	out->len = s.len;
	return (0);
}

int
secret_unseal(const struct secret_key *k, const struct secret_owner *who,
    const uint8_t *sealed, size_t sealed_len, uint8_t *dst, size_t cap,
    size_t *out_len)
{
	uint8_t tag[TAG_BYTES];
	size_t len;
	int rc;

	if (sealed_len < SECRET_SEAL_BYTES + SECRET_MIN_BYTES ||
	    sealed_len > SECRET_SEALED_MAX || sealed[0] != SEAL_VERSION ||
	    sealed_len - SECRET_SEAL_BYTES > cap)
		return (-EINVAL);
	len = sealed_len - SECRET_SEAL_BYTES;
	memcpy(tag, sealed + SEAL_HEAD + len, TAG_BYTES);
	rc = gcm(k, who, false, sealed + 1, sealed + SEAL_HEAD, len, dst, tag);
	if (rc != 0) {
		secret_wipe(dst, len);
		return (rc);
	}
	*out_len = len;
	return (0);
}

void
secret_make(char dst[static SECRET_MADE_LEN + 1])
{
	/* 64 characters, none that a shell or a configuration file reads. */
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._";
	uint8_t b[SECRET_MADE_LEN];

	_Static_assert(sizeof(set) == 65, "6 bits per character");
	rnd_bytes(b, sizeof(b));
	for (size_t i = 0; i < SECRET_MADE_LEN; i++)
		dst[i] = set[b[i] & 63];
	dst[SECRET_MADE_LEN] = '\0';
	secret_wipe(b, sizeof(b));
}

/* --- a file of a person --- */

/* What is wrong with the file of a secret, and what would be right. */
static void
file_say(const char *what, const char *path, const struct stat *st,
    uid_t runs_as, int rc)
{
	char theirs[OWNER_NAME_LEN], ours[OWNER_NAME_LEN];

	if (rc == -EACCES && st != NULL && st->st_uid != runs_as) {
		(void)owner_name(runs_as, ours);
		msg_err("%s: %s: belongs to %s, ttd runs as %s: chown %s %s",
		    what, path, owner_name(st->st_uid, theirs), ours, ours,
		    path);
		return;
	}
	msg_err("%s: %s: %s", what, path, rc == -EACCES && st != NULL &&
	    (st->st_mode & 077) != 0 ? "others may read this secret; chmod 600 "
	    "it" : rc == -EINVAL ? "is not a secret of 12 to 255 printable "
	    "ASCII characters" : strerror(-rc));
}

int
secret_file_load(const char *what, const char *path, uid_t runs_as,
    struct iscsi_secret *out)
{
	char buf[SECRET_MAX_BYTES + 2];
	bool is_there;
	struct stat st;
	ssize_t n = 0;
	size_t len;
	int fd, rc = 0;

	_Static_assert(SECRET_MAX_BYTES <= ISCSI_SECRET_MAX, "fits");
	/* Also of a file that may not be read: it tells why. */
	is_there = stat(path, &st) == 0;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0 ||
	    fstat(fd, &st) != 0 || (n = read(fd, buf, sizeof(buf))) < 0)
		rc = -errno;
	else if ((st.st_mode & 077) != 0 ||
	    (runs_as != geteuid() && st.st_uid != runs_as))
		rc = -EACCES;
	if (fd >= 0)
		(void)close(fd);
	len = n < 0 ? 0 : (size_t)n;
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	if (rc == 0 && !secret_ok(buf, len))
		rc = -EINVAL;
	if (rc == 0) {
		memcpy(out->b, buf, len);
		out->len = len;
	} else {
		file_say(what, path, is_there ? &st : NULL, runs_as, rc);
	}
	secret_wipe(buf, sizeof(buf));
	return (rc);
}
