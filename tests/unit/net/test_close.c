/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_close in every state that a connection can be in.
 */
#include "target/net/conn.h"

#include <string.h>

#include "meta/base/clock.h"
#include "tests/unit/net/pair.h"

#define BIG_BYTES (16u << 20)

static void
test_close_idle(void)
{
	char b[1];

	for (unsigned drain = 0; drain < 2; drain++) {
		begin(&note_ops);
		do_close(drain);
		if (drain)
			(void)shutdown(peer, SHUT_WR);
		do_close(drain);		/* again: harmless */
		run();
		CU_ASSERT_EQUAL(peer_read_all(b, 1), 0);
		end();
	}
}

static void
test_close_receiving(void)
{
	char b[100];

	for (unsigned i = 0; i < 4; i++) {
		begin(&note_ops);
		do_recv(b, 50, 100);
		run_ms(5);			/* the kernel has it */
		if (i & 1)
			peer_write("some, not enough", 16);
		do_close((i & 2) != 0);
		do_recv(b, 1, 1);		/* too late: ignored */
		if (i & 2)
			(void)shutdown(peer, SHUT_WR);
		run();
		CU_ASSERT_EQUAL(n_received, 0);
		end();
	}
}

/* The peer does not read and the queue is full. */
static void
test_close_sending(void)
{
	uint8_t *b = calloc(1, BIG_BYTES);
	struct iovec iov[3];
	struct conn_out o[3];

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	begin(&note_ops);
	for (unsigned i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ b, BIG_BYTES };
		o[i] = (struct conn_out){ .iov = &iov[i], .n_iov = 1,
		    .sent = sent_note };
	}
	do_send(&o[0]);
	do_send(&o[1]);
	run_ms(20);
	CU_ASSERT_EQUAL(n_sent + n_unsent, 0);
	do_close(false);
	do_send(&o[2]);				/* too late: given back */
	run();
	CU_ASSERT_EQUAL(n_sent, 0);
	CU_ASSERT_EQUAL(n_unsent, 3);
	CU_ASSERT_EQUAL(last_rc, -ECANCELED);
	free(b);
	end();
}

/* The same with drain: it gives up after its time, or when told again. */
static void
test_drain_stuck(void)
{
	uint8_t *b = calloc(1, BIG_BYTES);
	struct iovec iov = { b, BIG_BYTES }, late_iov = { b, 1 };
	struct conn_out o = { .iov = &iov, .n_iov = 1, .sent = sent_note };
	struct conn_out late = { .iov = &late_iov, .n_iov = 1,
	    .sent = sent_note };
	uint64_t t0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	begin(&note_ops);
	do_send(&o);
	do_close(true);
	run_ms(20);
	do_send(&late);				/* refused, the other stays */
	run_ms(20);
	CU_ASSERT_EQUAL(n_closed, 0);
	CU_ASSERT_EQUAL(n_unsent, 1);
	do_close(false);
	run();
	CU_ASSERT_EQUAL(n_unsent, 2);
	end();

	iov = (struct iovec){ b, BIG_BYTES };
	o.iov = &iov;
	o.n_iov = 1;
	begin(&note_ops);
	do_send(&o);
	do_close(true);
	t0 = clock_mono_ms();
	run();
	CU_ASSERT(clock_mono_ms() - t0 >= 4900);
	CU_ASSERT(clock_mono_ms() - t0 < 8000);
	CU_ASSERT_EQUAL(n_unsent, 1);
	free(b);
	end();
}

/*
 * Unread input must not turn the close into a reset: the peer gets every
 * byte that was queued, then the end.
 */
static void
test_drain_unread_input(void)
{
	static char junk[100000], b[100];
	struct iovec iov = { (void *)(uintptr_t)"goodbye", 7 };
	struct conn_out o = { .iov = &iov, .n_iov = 1, .sent = sent_note };

	begin(&note_ops);
	peer_write(junk, sizeof(junk));
	do_send(&o);
	do_close(true);
	run_ms(50);
	CU_ASSERT_EQUAL(n_closed, 0);
	peer_write("more", 4);
	CU_ASSERT_EQUAL(peer_read_all(b, sizeof(b)), 7);
	CU_ASSERT_EQUAL(memcmp(b, "goodbye", 7), 0);
	(void)close(peer);
	peer = -1;
	run();
	CU_ASSERT_EQUAL(n_sent, 1);
	end();
}

/* A peer that stays although it was said goodbye is left after a second. */
static void
test_linger_ends(void)
{
	uint64_t t0 = clock_mono_ms();

	begin(&note_ops);
	do_close(true);
	run();
	CU_ASSERT(clock_mono_ms() - t0 >= 900);
	CU_ASSERT(clock_mono_ms() - t0 < 4000);
	end();
}

static const struct unit_test tests[] = {
	{ "idle", test_close_idle },
	{ "receive in flight", test_close_receiving },
	{ "queue full, peer not reading", test_close_sending },
	{ "drain that cannot end", test_drain_stuck },
	{ "drain with unread input", test_drain_unread_input },
	{ "peer that stays", test_linger_ends },
};
UNIT_MAIN("net/close", tests)
