/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login_util.h - a login machine and requests for it, as the tests of the login
 * phase share them.
 */
#ifndef TESTS_UNIT_ISCSI_LOGIN_UTIL_H
#define TESTS_UNIT_ISCSI_LOGIN_UTIL_H

#include "target/iscsi/chap.h"
#include "target/iscsi/login.h"
#include "tests/unit/iscsi/ini.h"

/* CSG and NSG of a request; T and C are written out. */
#define SEC		0x00
#define OPER		0x04
#define TO_OPER		0x81
#define TO_FULL		0x87
#define SEC_TO_FULL	0x83

static struct login *l;
static struct bhs req;

static inline void
begin(void)
{
	struct iscsi_peer peer = { .address = "192.0.2.7:1",
	    .local = "192.0.2.1:3260", .loopback = true, .tag = 3 };

	memset(&fake, 0, sizeof(fake));
	TT_ASSERT(login_new(&fake_env, &peer, &l) == 0);
	memset(&req, 0, sizeof(req));
	req.b[0] = 0x43;
	req.b[8] = 0x80;
	put_be32(req.b + 16, 77);
	put_be16(req.b + 20, 5);
}

static inline void
end(void)
{

	login_free(l);
	for (size_t i = 0; i < N_FAKE_TARGETS; i++)
		CU_ASSERT_EQUAL(fake_targets[i].refs, 0);
}

static inline enum login_next
send_bytes(uint8_t flags, const void *text, size_t len)
{
	uint8_t *room;

	req.b[1] = flags;
	bhs_set_data_bytes(&req, (uint32_t)len);
	if ((room = login_room(l, (uint32_t)len)) == NULL)
		return (LOGIN_DROP);
	if (len > 0)
		memcpy(room, text, len);
	return (login_pdu(l, &req));
}

/* ${text}: pairs separated by blanks. */
static inline enum login_next
send_pairs(uint8_t flags, const char *text)
{
	char buf[8192];
	size_t n = strlen(text);

	TT_ASSERT(n < sizeof(buf));
	memcpy(buf, text, n + 1);
	for (size_t i = 0; i < n; i++)
		if (buf[i] == ' ')
			buf[i] = '\0';
	return (send_bytes(flags, buf, n == 0 ? 0 : n + 1));
}

/* The value of a key in the answer. */
static inline const char *
answer(const char *key)
{
	struct pdu p = { .data = (uint8_t *)l->reply.buf,
	    .len = (uint32_t)l->reply.len };

	return (pdu_value(&p, key));
}

#define CU_ASSERT_ANSWER(key, want)					\
	do {								\
		const char *v_ = answer(key);				\
		CU_ASSERT_PTR_NOT_NULL(v_);				\
		if (v_ != NULL)						\
			CU_ASSERT_STRING_EQUAL(v_, (want));		\
	} while (0)

#define OPEN "InitiatorName=iqn.i:one TargetName=iqn.t:open "		\
    "SessionType=Normal"
#define CHAP "InitiatorName=iqn.i:one TargetName=iqn.t:chap "		\
    "SessionType=Normal"
#define DISC "InitiatorName=iqn.i:one SessionType=Discovery"

#endif /* !TESTS_UNIT_ISCSI_LOGIN_UTIL_H */
