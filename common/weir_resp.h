/*
 * The Redis protocol without a socket: commands to bytes, bytes to replies,
 * and the pipeline, a queue of the answers that are still expected.  Both the
 * edge and the worker put their own sockets round it.  It never reads a clock
 * and never does I/O.
 *
 * weir_resp.c is the one file in common/ that knows hiredis.
 */

#ifndef WEIR_RESP_H
#define WEIR_RESP_H


#include "weir_buf.h"


typedef struct redisReply   weir_reply_t;
typedef struct weir_pipe_s  weir_pipe_t;


/*
 * A unit of sending: one command, or MULTI ... EXEC.  Only the last reply
 * matters; an error among the earlier ones is remembered.
 */

typedef struct {
    weir_buf_t  out;            /* the commands, formatted */
    unsigned    replies;        /* how many replies will come */
    bool        multi;          /* the last reply is EXEC's */
} weir_txn_t;

void weir_txn_init(weir_txn_t *t);
void weir_txn_free(weir_txn_t *t);
void weir_txn_reset(weir_txn_t *t);

/* Adds a command of n arguments; a failed allocation shows in t->out.failed. */
void weir_txn_add(weir_txn_t *t, unsigned n, const weir_str_t *args);


/* what became of a unit */

typedef enum {
    WEIR_ANSWER_OK = 0,
    WEIR_ANSWER_LOST,           /* no reply: it may have happened or not */
    WEIR_ANSWER_LATER,          /* not done: LOADING, READONLY, OOM, ... */
    WEIR_ANSWER_DENIED,         /* not done: NOAUTH, WRONGPASS, NOPERM */
    WEIR_ANSWER_ABORTED,        /* not done: EXEC was nil, a WATCH fired */
    WEIR_ANSWER_ERROR           /* an error that should not happen: see text */
} weir_answer_e;

typedef struct {
    weir_answer_e        code;
    const weir_reply_t  *reply; /* the last reply; NULL when LOST */
    weir_str_t           error; /* the first error's text; empty when OK */
} weir_answer_t;

/* Called once for each unit, in the order of sending.  The answer lives until
 * the callback returns.  The callback may send more; it must not destroy the
 * pipe. */
typedef void (*weir_answer_pt)(void *data, const weir_answer_t *answer);

/* Called for each message of a subscription. */
typedef void (*weir_message_pt)(void *data, weir_str_t channel,
    weir_str_t body);


/* pending: units at once; bytes: unsent output.  NULL: no memory. */
weir_pipe_t *weir_pipe_create(size_t pending, size_t bytes);

/* Nothing may be pending: weir_pipe_fail() comes first. */
void weir_pipe_destroy(weir_pipe_t **pipe);

void weir_pipe_on_message(weir_pipe_t *p, weir_message_pt fn, void *data);

/* Queues t's bytes and expects its replies.  deadline is in the caller's
 * milliseconds.  fn may be NULL.  -1: full, or no memory; nothing was queued.
 */
int weir_pipe_send(weir_pipe_t *p, const weir_txn_t *t, uint64_t deadline,
    weir_answer_pt fn, void *data);

/* The bytes to write now, and how many of them were written. */
weir_str_t weir_pipe_out(const weir_pipe_t *p);
void weir_pipe_sent(weir_pipe_t *p, size_t n);

/* Takes what was read and calls back.  -1: a protocol error, or no memory;
 * the connection must be closed and weir_pipe_fail() called. */
int weir_pipe_feed(weir_pipe_t *p, const char *data, size_t len);

/* The connection is gone: every pending unit is answered LOST, what was not
 * yet written is forgotten, and the pipe is as new. */
void weir_pipe_fail(weir_pipe_t *p);

size_t weir_pipe_pending(const weir_pipe_t *p);

/* When the oldest pending unit is overdue; UINT64_MAX: nothing is pending. */
uint64_t weir_pipe_deadline(const weir_pipe_t *p);


/* Replies.  All of these accept NULL and a reply of another type, and then
 * answer with "nothing": weir_str_null, 0, NULL, false. */
weir_str_t weir_reply_str(const weir_reply_t *r);
long long weir_reply_int(const weir_reply_t *r);    /* of a string too */
size_t weir_reply_count(const weir_reply_t *r);
const weir_reply_t *weir_reply_at(const weir_reply_t *r, size_t i);
bool weir_reply_is_nil(const weir_reply_t *r);
bool weir_reply_is_error(const weir_reply_t *r);

/* The value of a field in the flat array that HGETALL or XREADGROUP gives. */
weir_str_t weir_reply_field(const weir_reply_t *r, const char *name);


#endif /* WEIR_RESP_H */
