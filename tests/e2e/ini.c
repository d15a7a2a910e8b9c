/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/e2e/ini.h"

#include <stdio.h>
#include <string.h>

struct iscsi_context *
ini_login(const struct disk *d, const char *initiator, char *why)
{
	struct iscsi_context *ctx = iscsi_create_context(initiator);

	if (ctx == NULL)
		return (NULL);
	iscsi_set_noautoreconnect(ctx, 1);
	(void)iscsi_set_timeout(ctx, 30);
	(void)iscsi_set_targetname(ctx, d->iqn);
	(void)iscsi_set_session_type(ctx, ISCSI_SESSION_NORMAL);
	if (d->user[0] != '\0')
		(void)iscsi_set_initiator_username_pwd(ctx, d->user,
		    d->secret);
	if (d->target_user[0] != '\0')
		(void)iscsi_set_target_username_pwd(ctx, d->target_user,
		    d->target_secret);
	if (iscsi_full_connect_sync(ctx, d->portal, 0) != 0) {
		if (why != NULL)
			(void)snprintf(why, 256, "%s", iscsi_get_error(ctx));
		(void)iscsi_destroy_context(ctx);
		return (NULL);
	}
	return (ctx);
}

bool
ini_write(struct iscsi_context *ctx, uint64_t lba, const void *buf,
    size_t len, uint32_t sector)
{
	unsigned char *p;
	struct scsi_task *t;
	bool ok;

	memcpy(&p, &buf, sizeof(p));
	t = iscsi_write16_sync(ctx, 0, lba, p, (uint32_t)len, (int)sector, 0,
	    0, 0, 0, 0);
	ok = t != NULL && t->status == SCSI_STATUS_GOOD;
	if (t != NULL)
		scsi_free_scsi_task(t);
	return (ok);
}

bool
ini_read(struct iscsi_context *ctx, uint64_t lba, void *buf, size_t len,
    uint32_t sector)
{
	struct scsi_task *t;
	bool ok;

	t = iscsi_read16_sync(ctx, 0, lba, (uint32_t)len, (int)sector, 0, 0,
	    0, 0, 0);
	ok = t != NULL && t->status == SCSI_STATUS_GOOD &&
	    t->datain.size == (int)len;
	if (ok)
		memcpy(buf, t->datain.data, len);
	if (t != NULL)
		scsi_free_scsi_task(t);
	return (ok);
}
