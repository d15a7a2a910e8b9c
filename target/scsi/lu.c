/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/scsi/lu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "target/scsi/asc.h"
#include "target/scsi/lu_int.h"

static bool
printable(const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);

	if (n > max)
		return (false);
	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return (false);
	return (true);
}

static bool
conf_ok(const struct scsi_lu_conf *c)
{

	if (c->sector_bytes != 512 && c->sector_bytes != 4096)
		return (false);
	if (c->block_bytes < 4096 || c->block_bytes > 65536 ||
	    (c->block_bytes & (c->block_bytes - 1)) != 0)
		return (false);
	/* Offsets are signed in system calls. */
	if (c->size_bytes == 0 || c->size_bytes > INT64_MAX ||
	    c->size_bytes % c->sector_bytes != 0)
		return (false);
	if ((c->naa[0] >> 4) != 3)
		return (false);
	if (c->serial == NULL || c->serial[0] == '\0' ||
	    !printable(c->serial, SCSI_SERIAL_MAX))
		return (false);
	if (c->vendor != NULL && !printable(c->vendor, LU_VENDOR_LEN))
		return (false);
	if (c->product != NULL && !printable(c->product, LU_PRODUCT_LEN))
		return (false);
	if (c->revision != NULL && !printable(c->revision, LU_REVISION_LEN))
		return (false);
	return (true);
}

/* ASCII fields of INQUIRY are filled up with blanks. */
static void
put_text(char *dst, size_t len, const char *src)
{
	size_t n = strnlen(src, len);

	memset(dst, ' ', len);
	memcpy(dst, src, n);
}

int
scsi_lu_new(const struct scsi_lu_conf *conf, struct scsi_lu **out)
{
	struct scsi_lu *lu;

	TT_ASSERT(conf->ops != NULL);
	if (!conf_ok(conf))
		return (-EINVAL);
	if ((lu = calloc(1, sizeof(*lu))) == NULL)
		return (-ENOMEM);
	lu->magic = LU_MAGIC;
	lu->ops = conf->ops;
	lu->disk = conf->disk;
	lu->n_lba = conf->size_bytes / conf->sector_bytes;
	lu->sector_bytes = conf->sector_bytes;
	lu->block_bytes = conf->block_bytes;
	lu->soft_threshold_bytes = conf->soft_threshold_bytes;
	lu->read_only = conf->read_only;
	memcpy(lu->uuid, conf->uuid, sizeof(lu->uuid));
	memcpy(lu->naa, conf->naa, sizeof(lu->naa));
	memcpy(lu->serial, conf->serial, strlen(conf->serial));
	put_text(lu->vendor, sizeof(lu->vendor),
	    conf->vendor != NULL ? conf->vendor : "TT");
	put_text(lu->product, sizeof(lu->product),
	    conf->product != NULL ? conf->product : "TIME-TRAVEL LUN");
	put_text(lu->revision, sizeof(lu->revision),
	    conf->revision != NULL ? conf->revision : TT_VERSION);
	if (lu->revision[LU_REVISION_LEN - 1] == '.')	/* "0.1.0" was cut */
		lu->revision[LU_REVISION_LEN - 1] = ' ';
	atomic_init(&lu->refs, 1);
	atomic_init(&lu->stopped, false);
	atomic_init(&lu->held, false);
	atomic_init(&lu->write_through, conf->write_through);
	lk_init(&lu->lk, LK_SCSI);
	list_init(&lu->nexuses);
	*out = lu;
	return (0);
}

void
scsi_lu_get(struct scsi_lu *lu)
{

	TT_MAGIC(lu, LU_MAGIC);
	TT_ASSERT(atomic_fetch_add(&lu->refs, 1) > 0);
}

void
scsi_lu_put(struct scsi_lu *lu)
{
	unsigned refs;

	if (lu == NULL)
		return;
	TT_MAGIC(lu, LU_MAGIC);
	refs = atomic_fetch_sub(&lu->refs, 1);
	TT_ASSERT(refs > 0);
	if (refs > 1)
		return;
	TT_ASSERT(list_empty(&lu->nexuses));
	if (lu->ops->release != NULL)
		lu->ops->release(lu->disk);
	lk_destroy(&lu->lk);
	lu->magic = 0;
	free(lu);
}

void
scsi_lu_attention(struct scsi_lu *lu, const struct scsi_nexus *except,
    uint8_t asc, uint8_t ascq)
{

	TT_MAGIC(lu, LU_MAGIC);
	lk_lock(&lu->lk);
	LIST_FOREACH(it, &lu->nexuses) {
		struct scsi_nexus *nx = LIST_ENTRY(it, struct scsi_nexus, link);

		if (nx != except)
			nexus_attention_locked(nx, asc, ascq);
	}
	lk_unlock(&lu->lk);
}

void
scsi_lu_hold(struct scsi_lu *lu, bool held)
{

	TT_MAGIC(lu, LU_MAGIC);
	if (atomic_exchange(&lu->held, held) && !held)
		scsi_lu_attention(lu, NULL, ASC_POWER_ON);
}

void
scsi_lu_set_write_through(struct scsi_lu *lu, bool on)
{

	TT_MAGIC(lu, LU_MAGIC);
	if (atomic_exchange(&lu->write_through, on) != on)
		scsi_lu_attention(lu, NULL, ASC_MODE_CHANGED);
}

void
scsi_lu_reset(struct scsi_lu *lu, const struct scsi_nexus *by)
{

	TT_MAGIC(lu, LU_MAGIC);
	atomic_store(&lu->stopped, false);
	scsi_lu_attention(lu, by, ASC_BUS_DEVICE_RESET);
}

/* FNV-1a, 64 bits.  A collision only changes the wording of an attention. */
static uint64_t
name_hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return (h == 0 ? 1 : h);
}

bool
lu_port_seen(struct scsi_lu *lu, const char *initiator_port)
{
	uint64_t h = name_hash(initiator_port);

	TT_ASSERT(lk_held(&lu->lk));
	for (unsigned i = 0; i < LU_PORTS; i++)
		if (lu->port[i] == h)
			return (true);
	lu->port[lu->port_next] = h;
	lu->port_next = (lu->port_next + 1) % LU_PORTS;
	return (false);
}
