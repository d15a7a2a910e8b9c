/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_int.h - a connection and its session, as the files of this folder that
 * run the full protocol share them:
 *
 *	conn.c		life and death of a connection
 *	rx.c		bytes to PDUs
 *	tx.c		PDUs to bytes
 *	session.c	the table of sessions, reinstatement
 *	evict.c		the end of all sessions of a target
 *	worker.c	nodes and workers, orderly stop
 *	login_io.c	the login phase on a connection
 *	full.c		full feature phase: what each opcode means
 *	cmdsn.c		order and window of commands
 *	task.c		life of a task, the functions of task.h
 *	scsi_io.c	SCSI commands, data-out, R2T
 *	flow.c		charges of data, the window that follows
 *	datain.c	data-in and responses
 *	tmf.c		task management, waiting for tasks to settle
 *	text_io.c	text requests
 *
 * Threads: everything on the connection's loop, but for the members marked
 * [t], which the lock of the session table protects.
 */
#ifndef TARGET_ISCSI_CONN_INT_H
#define TARGET_ISCSI_CONN_INT_H

#include "meta/base/exec.h"
#include "meta/base/list.h"
#include "meta/base/lock.h"
#include "target/iscsi/budget.h"
#include "target/iscsi/buf.h"
#include "target/iscsi/iscsi.h"
#include "target/iscsi/login.h"
#include "target/iscsi/neg.h"
#include "target/iscsi/pdu.h"
#include "target/net/conn.h"

#define CONN_MAGIC	0x69436f6eu
#define TASK_MAGIC	0x69546173u

#define RX_BUF_BYTES	(64u << 10)
/* A rest of a data segment from this size on is received in place. */
#define RX_DIRECT_BYTES	(16u << 10)
#define TX_VECS		20	/* per PDU: header, data pieces, tail */
#define TX_INLINE	(2 + ISCSI_SENSE_MAX + 2)
#define TX_PDUS_MAX	256	/* Data-In queued ahead per connection */
#define TX_BYTES_MAX	(8u << 20)	/* the same in bytes: then rx waits */
#define CONN_HASH	128
#define CONN_IMMEDIATE_MAX 64	/* immediate requests at work at once */
/*
 * Data of commands at work, per connection; one may always exceed it.  What
 * comes unasked is not held up by it.
 */
#define CONN_DATA_MAX	(64u << 20)
#define CONN_TEXT_MAX	(64u << 10)	/* a whole text request */
/* A discovery session that is silent this long is closed, without a ping. */
#define CONN_DISCOVERY_MS 300000u

struct iscsi_node {
	struct iscsi_env env;		/* [I] defaults filled in */
	struct lk lk;			/* LK_SESSIONS */
	struct list sessions;		/* [t] iscsi_conn.table */
	uint16_t last_tsih;		/* [t] */
	struct list bound;		/* [t] iscsi_conn.bound */
	struct list evicts;		/* [t] under way, evict.c */
	struct budget budget;
	struct list hungry;		/* [t] iscsi_conn.hungry */
	_Atomic unsigned n_hungry;
};

struct iscsi_worker {
	struct iscsi_node *node;
	struct loop *loop;
	struct exec *exec;
	struct buf_pool pool;
	struct list conns;		/* iscsi_conn.link */
	struct list tasks;		/* idle, iscsi_task.link */
	struct list pdus;		/* idle, tx_pdu.link */
	unsigned n_tasks, n_pdus;	/* idle ones */
	_Atomic unsigned load;		/* iscsi_worker_load */
	bool stopping, idle_posted;
	void (*idle)(void *arg);
	void *idle_arg;
	struct exec_call idle_call;
};

/*
 * LOGIN   requests of the login phase are taken
 * CLAIM   login is done, an older session must settle first; rx rests
 * FULL    full feature phase
 * LEAVE   logout or stop: nothing is received, answers still go out
 * DRAIN   nothing new is sent; the socket sends what it has and closes
 * DEAD    the socket is closing without sending, or gone; tasks are aborted
 */
enum conn_state {
	CS_LOGIN, CS_CLAIM, CS_FULL, CS_LEAVE, CS_DRAIN, CS_DEAD
};

/* Why the peer was asked to log out; the timer does the rest. */
enum conn_ask { ASK_NO, ASK_STOP, ASK_EVICT };

enum rx_state { RX_HEADER, RX_DATA, RX_TAIL };
enum rx_dst { RX_DISCARD, RX_LINEAR, RX_TASK };

struct rx {
	uint8_t *buf;			/* RX_BUF_BYTES; [beg, end) is unread */
	size_t beg, end;
	enum rx_state st;
	bool armed;			/* a conn_recv is in flight */
	bool direct;			/* ... into the data's place */
	bool running;			/* rx_run is on the stack */
	bool big;			/* the last segment came directly */
	uint64_t count;			/* receives so far */

	struct bhs bhs;			/* of the PDU being received */
	uint8_t ahs[AHS_MAX];
	uint32_t ahs_len;
	uint32_t len, off;		/* data segment: whole, taken */
	uint32_t crc;
	enum rx_dst dst;
	uint8_t *linear;
	struct iscsi_task *task;	/* reference */
	uint32_t task_off;		/* where the segment begins in it */
	uint8_t reject;			/* enum pdu_reject for this PDU, or 0 */
};

struct tx_pdu {
	struct conn_out out;
	struct list link;		/* worker's idle list */
	struct iscsi_conn *c;
	struct iscsi_task *task;	/* reference, or NULL */
	void *heap;			/* freed when sent */
	uint32_t data_bytes;
	unsigned n_iov;
	struct bhs bhs;			/* the digest follows in ${hdr_tail} */
	uint8_t hdr_tail[4];
	uint8_t tail[8];		/* padding, data digest */
	uint8_t inl[TX_INLINE];		/* sense, rejected header */
	struct iovec iov[TX_VECS];
};

/* What an answer does with StatSN. */
enum tx_sn { TX_STATUS, TX_PEEK, TX_NONE };

enum task_state {
	TS_COLLECT,	/* its PDU, its turn, or its data is not all here */
	TS_BUSY,	/* the SCSI side has it; TMF and logout: waiting */
	TS_DONE		/* answered or dropped */
};

/* Why a command fails before the SCSI side sees it; task_fail's table. */
enum task_fail {
	TF_NONE, TF_UNEXPECTED, TF_INCORRECT, TF_DIGEST, TF_TOO_LARGE,
	TF_BIDI, TF_NO_WAY, TF_BUSY, TF_FULL
};

/* Waiting until no affected task is with the SCSI side. */
enum settle_scope { SETTLE_ONE, SETTLE_LUN, SETTLE_ALL };
struct settle {
	struct list link;		/* iscsi_conn.settles */
	enum settle_scope scope;
	uint8_t lun[8];
	uint64_t serial;		/* this one, or all up to it */
	void (*fn)(struct settle *);
};

struct iscsi_task {
	unsigned magic;
	struct list link;		/* conn.tasks in order, or idle */
	struct list hash;		/* conn.hash, by ITT */
	struct list wait;		/* conn.held, .waiting or .outq */
	struct iscsi_conn *c;
	unsigned refs;
	enum task_state st;
	uint8_t op;			/* enum pdu_opcode; PDU_REJECT: none */
	bool immediate, admitted, counted, aborted, tas, submitted;
	bool rd, wr;
	uint8_t flags;			/* byte 1 of the request */
	uint32_t itt, cmdsn, edtl;
	uint64_t serial;		/* order of arrival */
	uint8_t lun[8];

	/* Data-out */
	uint32_t got;			/* bytes here, without a gap */
	uint32_t burst_end;		/* the sequence under way ends here */
	uint32_t ttt, datasn, r2tsn;
	bool unsol, r2t_open;		/* a sequence is under way */
	enum task_fail fail;
	uint32_t charged;		/* bytes of conn.charged */
	uint32_t taken;			/* ... of the node's budget */
	bool full;			/* charged for all its data */
	bool lane;			/* has the node's lane */

	const struct iovec *ext;	/* data-in in foreign memory */
	unsigned n_ext;

	/* The answer, while it is being sent */
	uint8_t status;
	uint32_t sense_len;
	uint32_t in_len, in_off, n_data;
	uint64_t xfer;

	/* Task management, logout */
	struct settle settle;
	struct tmf_group *group;
	struct bhs bhs;			/* the request */

	uint32_t cdb_len;

	/* From here on not cleared by task_new. */
	struct buf buf;			/* data-out, data-in, or ping data */
	struct iovec iov[BUF_CHUNKS_MAX];
	uint8_t sense[ISCSI_SENSE_MAX];
	uint8_t cdb[16 + AHS_MAX];
	_Alignas(16) uint8_t priv[];
};

struct text_exchange;

struct iscsi_conn {
	unsigned magic;
	struct iscsi_worker *w;
	struct iscsi_node *node;
	struct conn *net;		/* NULL when closed */
	struct list link;		/* worker.conns */
	enum conn_state st;
	struct exec_timer timer;	/* login limit, then silence */
	uint64_t timer_count;
	bool pinged;
	unsigned quiet;			/* ticks without a sign of life */
	enum conn_ask ask;		/* the peer was asked to log out */
	bool weighs;			/* counted in worker.load */
	unsigned pinned;		/* conn_maybe_finish waits for 0 */

	struct rx rx;
	bool hdigest, ddigest;		/* in effect */

	uint32_t statsn;
	uint32_t exp_cmdsn;
	uint32_t max_cmdsn;		/* the initiator was told */
	unsigned used;			/* commands that take a place */
	unsigned n_immediate;
	struct list held;		/* arrived before their turn, sorted */

	struct list hash[CONN_HASH];
	struct list tasks;		/* not answered yet, oldest first */
	unsigned n_live;		/* task structures, also answered */
	uint64_t serial;
	uint32_t next_ttt;
	size_t charged;			/* bytes of commands at work */
	struct budget_share share;	/* of node.budget */
	unsigned n_full;		/* commands charged in full */
	struct list waiting;		/* tasks that wait for ${charged} */
	struct list outq;		/* tasks with Data-In still to queue */
	unsigned n_pdus;		/* queued and not sent yet */
	uint64_t tx_count;
	struct list settles;
	struct text_exchange *text;

	struct login *login;		/* until full feature phase */
	struct bhs login_bhs;		/* the request that ends it */
	struct neg neg;
	uint16_t cid;

	/* Who; constant once in the table. */
	char initiator[ISCSI_NAME_CAP];
	char iqn[ISCSI_NAME_CAP];
	char user[ISCSI_USER_CAP];
	char address[64], local[64];
	struct iscsi_peer peer;
	struct iscsi_session_info info;
	struct iscsi_target *target;	/* reference; NULL in discovery */
	void *nexus;
	bool started;			/* session_start succeeded */
	bool reinstates;		/* the login named a TSIH, rightly */

	struct list table;		/* [t] node.sessions */
	struct list waiters;		/* [t] logins that wait for our end */
	struct list waiter;		/* [t] in another's ${waiters} */
	unsigned n_posted;		/* [t] calls under way to our loop */
	bool ending;			/* [t] post nothing any more */
	bool drop_posted;		/* [t] */
	bool feed_posted, ask_posted;	/* [t] */
	struct exec_call drop_call, wake_call, feed_call, ask_call;
	struct list hungry;		/* [t] in node.hungry */
	/*
	 * From before target_find until all is given back: in node.bound, so
	 * that iscsi_node_evict knows who has, or may get, a target.
	 */
	struct list bound;		/* [t] in node.bound */
	bool finding;			/* [t] target_find is running */
	const struct iscsi_target *bound_to;	/* [t] */
	unsigned ask_ms;		/* [t] for ask_call */
};

/* conn.c */
void conn_complain(const struct iscsi_conn *c, const char *what);
void conn_kill(struct iscsi_conn *c);
void conn_drain(struct iscsi_conn *c);
void conn_leave_check(struct iscsi_conn *c);
void conn_maybe_finish(struct iscsi_conn *c);
void conn_weigh_no_more(struct iscsi_conn *c);
void conn_silence_start(struct iscsi_conn *c);
void conn_leave(struct iscsi_conn *c);
void conn_ask_logout(struct iscsi_conn *c, enum conn_ask why, unsigned ms);

/* rx.c */
int rx_init(struct rx *rx);
void rx_run(struct iscsi_conn *c);
void rx_received(struct iscsi_conn *c, ssize_t n);
void rx_forget(struct iscsi_conn *c);
void rx_to_task(struct iscsi_conn *c, struct iscsi_task *t, uint32_t off);

/* tx.c */
struct tx_pdu *tx_new(struct iscsi_conn *c);
void tx_data(struct tx_pdu *p, const void *data, size_t len);
void tx_send(struct tx_pdu *p, enum tx_sn sn);
void tx_reject(struct iscsi_conn *c, enum pdu_reject reason,
    const struct bhs *h);
void tx_idle_free(struct iscsi_worker *w);

/* login_io.c */
void login_io_header(struct iscsi_conn *c);
void login_io_pdu(struct iscsi_conn *c);
void login_io_claim(struct iscsi_conn *c);

/* full.c */
void full_header(struct iscsi_conn *c);
void full_pdu(struct iscsi_conn *c, bool digest_ok);
void full_run(struct iscsi_task *t);

/* cmdsn.c */
uint32_t cmdsn_max(struct iscsi_conn *c);
bool cmdsn_fits(const struct iscsi_conn *c, uint32_t cmdsn);
void cmdsn_admit(struct iscsi_task *t);
void cmdsn_skip(struct iscsi_conn *c, uint32_t cmdsn);
void cmdsn_done(struct iscsi_task *t);
bool sn_before(uint32_t a, uint32_t b);

/* task.c */
struct iscsi_task *task_new(struct iscsi_conn *c, const struct bhs *h);
void task_publish(struct iscsi_task *t);
struct iscsi_task *task_find(struct iscsi_conn *c, uint32_t itt);
void task_ref(struct iscsi_task *t);
void task_unref(struct iscsi_task *t);
void task_end(struct iscsi_task *t);
void task_abort(struct iscsi_task *t, bool tas);
void task_abort_all(struct iscsi_conn *c, const uint8_t *lun, bool tas);
void task_idle_free(struct iscsi_worker *w);

/* scsi_io.c */
void scsi_io_header(struct iscsi_conn *c);
void scsi_io_pdu(struct iscsi_conn *c);
void scsi_io_dataout_header(struct iscsi_conn *c);
void scsi_io_dataout_pdu(struct iscsi_conn *c, bool digest_ok);
void scsi_io_progress(struct iscsi_task *t);

/* flow.c */
bool flow_take(struct iscsi_task *t, uint32_t bytes, uint32_t upto);
bool flow_take_all(struct iscsi_task *t);
void flow_give(struct iscsi_task *t);
bool flow_join(struct iscsi_conn *c);
void flow_leave(struct iscsi_conn *c);
void flow_fed(struct exec_call *call);
uint32_t flow_window(const struct iscsi_conn *c);

/* datain.c */
void datain_respond(struct iscsi_task *t);
void datain_pump(struct iscsi_conn *c);

/* tmf.c */
void tmf_run(struct iscsi_task *t);
void tmf_logout(struct iscsi_task *t);
void settle_check(struct iscsi_conn *c);

/* text_io.c */
void text_io_run(struct iscsi_task *t);
void text_io_free(struct iscsi_conn *c);

/* worker.c */
void worker_idle_check(struct iscsi_worker *w);

/* session.c */
enum session_claim {
	CLAIM_OK, CLAIM_WAIT, CLAIM_NO_SESSION, CLAIM_TOO_MANY, CLAIM_FULL
};
enum session_claim session_claim(struct iscsi_conn *c);
void session_unwait(struct iscsi_conn *c);
bool session_ending(struct iscsi_conn *c);
void session_remove(struct iscsi_conn *c);
void session_arrived(struct iscsi_conn *c);
void session_drop_others(struct iscsi_conn *c);
void session_post(struct iscsi_conn *c,
    struct exec_call *(*make)(void *ctx, struct iscsi_conn *other),
    void *ctx);

/* evict.c */
void evict_finding(struct iscsi_conn *c);
bool evict_found(struct iscsi_conn *c, const struct iscsi_target *t);
void evict_unbind(struct iscsi_conn *c);
void evict_asked(struct exec_call *call);

#endif /* !TARGET_ISCSI_CONN_INT_H */
