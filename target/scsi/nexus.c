/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/scsi/nexus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "target/scsi/asc.h"
#include "target/scsi/lu_int.h"

static bool
name_ok(const char *s)
{

	return (s != NULL && s[0] != '\0' &&
	    strnlen(s, SCSI_PORT_NAME_MAX + 1) <= SCSI_PORT_NAME_MAX);
}

int
scsi_nexus_new(struct scsi_lu *lu, const struct scsi_nexus_conf *conf,
    struct scsi_nexus **out)
{
	struct scsi_nexus *nx;

	if (!name_ok(conf->initiator_port) || !name_ok(conf->target_port))
		return (-EINVAL);
	if ((nx = calloc(1, sizeof(*nx))) == NULL)
		return (-ENOMEM);
	if ((nx->target_port = strdup(conf->target_port)) == NULL) {
		free(nx);
		return (-ENOMEM);
	}
	nx->magic = NEXUS_MAGIC;
	nx->rel_port = conf->rel_port;
	nx->port_group = conf->port_group;
	list_init(&nx->tasks);
	list_init(&nx->link);
	atomic_init(&nx->n_ua, 0);
	scsi_lu_get(lu);
	nx->lu = lu;

	lk_lock(&lu->lk);
	if (lu_port_seen(lu, conf->initiator_port))
		nexus_attention_locked(nx, ASC_NEXUS_LOSS);
	else
		nexus_attention_locked(nx, ASC_POWER_ON);
	list_add_tail(&lu->nexuses, &nx->link);
	lk_unlock(&lu->lk);
	*out = nx;
	return (0);
}

void
scsi_nexus_free(struct scsi_nexus *nx)
{

	if (nx == NULL)
		return;
	TT_MAGIC(nx, NEXUS_MAGIC);
	TT_ASSERT(list_empty(&nx->tasks));
	lk_lock(&nx->lu->lk);
	list_del(&nx->link);
	lk_unlock(&nx->lu->lk);
	scsi_lu_put(nx->lu);
	free(nx->target_port);
	nx->magic = 0;
	free(nx);
}

void
nexus_attention_locked(struct scsi_nexus *nx, uint8_t asc, uint8_t ascq)
{
	unsigned n = atomic_load(&nx->n_ua);

	for (unsigned i = 0; i < n; i++)
		if (nx->ua[i].asc == asc && nx->ua[i].ascq == ascq)
			return;
	if (n == NEXUS_UA_MAX) {
		/* Too many to tell apart: everything may have changed. */
		nx->ua[0] = (struct scsi_ua){ ASC_RESET_OR_POWER_ON };
		atomic_store(&nx->n_ua, 1);
		return;
	}
	nx->ua[n] = (struct scsi_ua){ asc, ascq };
	atomic_store(&nx->n_ua, n + 1);
}

bool
nexus_take_attention(struct scsi_nexus *nx, struct scsi_ua *out)
{
	unsigned n;

	/* Most commands find none and do not take the lock. */
	if (atomic_load(&nx->n_ua) == 0)
		return (false);
	lk_lock(&nx->lu->lk);
	n = atomic_load(&nx->n_ua);
	if (n > 0) {
		*out = nx->ua[0];
		memmove(&nx->ua[0], &nx->ua[1], (n - 1) * sizeof(nx->ua[0]));
		atomic_store(&nx->n_ua, n - 1);
	}
	lk_unlock(&nx->lu->lk);
	return (n > 0);
}
