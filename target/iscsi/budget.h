/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * budget.h - memory for the data of commands, shared by all connections of a
 * node (iscsi_env.memory_bytes).  Counts only; buf.h has the memory.
 *
 * It has these parts:
 *	shared	first come, first served
 *	own	BUDGET_OWN bytes per session, set aside while it lives.  All but
 *		BUDGET_WHOLE of it is for any data; that rest only for a command
 *		whose charge covers all its data, so which needs nothing more to
 *		end.  Thus one command of BUDGET_WHOLE always goes on.
 *	new	a quarter of all, from which sessions get their own, so that they
 *		can log in while others use all that is shared; when it is spent
 *		they get it from the shared part
 *	lane	one command of the node at a time, of any size
 *
 * Threads: a share belongs to one loop; the budget is used by all, lock-free.
 */
#ifndef TARGET_ISCSI_BUDGET_H
#define TARGET_ISCSI_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define BUDGET_WHOLE	((size_t)1 << 20)
#define BUDGET_OWN	(BUDGET_WHOLE + ((size_t)256 << 10))
#define BUDGET_LANE	((size_t)32 << 20)
#define BUDGET_MIN	((size_t)64 << 20)

struct budget {
	_Atomic size_t free_bytes;	/* of the shared part */
	_Atomic size_t new_bytes;	/* left for sessions to come */
	_Atomic unsigned n_shares;	/* sessions with bytes of their own */
	_Atomic bool lane_taken;
};

/* What one connection has of it; zero-initialise. */
struct budget_share {
	size_t own_bytes;		/* set aside for it, 0 or BUDGET_OWN */
	size_t own_free_bytes;
	bool own_shared;		/* ... and it is of the shared part */
	size_t shared_bytes;		/* taken from the shared part */
};

/* ${total_bytes}: BUDGET_MIN or more. */
void budget_init(struct budget *b, size_t total_bytes);

/* Set bytes aside for a session; false: there are none. */
bool budget_join(struct budget *b, struct budget_share *s);
/* Everything that was taken has been given back. */
void budget_leave(struct budget *b, struct budget_share *s);

/* ${whole}: the command needs no more than this. */
bool budget_take(struct budget *b, struct budget_share *s, size_t bytes,
    bool whole);
void budget_give(struct budget *b, struct budget_share *s, size_t bytes);

bool budget_lane_take(struct budget *b);
void budget_lane_give(struct budget *b);

/*
 * How many commands, each with at most ${unasked_bytes} that nobody asked
 * for, one session may send now: its fair part of what is free.
 */
size_t budget_commands(const struct budget *b, size_t unasked_bytes);

#endif /* !TARGET_ISCSI_BUDGET_H */
