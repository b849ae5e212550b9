/*
 * The stream of a run's deltas, for as long as anybody reads it: who feeds it,
 * who reads it, and the messages about it.  An id is <token>-<n>: the first of
 * an attempt, 0, says that it has begun and fences all earlier ones; its deltas
 * follow, numbered without gaps; the last id there can be is the end.
 */

#ifndef WEIR_TXN_EVENTS_H
#define WEIR_TXN_EVENTS_H


#include "weir_txn.h"


typedef enum {
    WEIR_EVENT_START = 0,           /* data: the attempt, in decimal */
    WEIR_EVENT_DELTAS,              /* data: a list of deltas */
    WEIR_EVENT_OVER,                /* the attempt is; data: a failure's name */
    WEIR_EVENT_END                  /* data: the last id before it; or empty */
} weir_event_e;

typedef struct {
    weir_event_e  kind;
    weir_str_t    token;            /* empty: of the end */
    uint64_t      n;                /* within the attempt */
    weir_str_t    data;
} weir_event_t;


/*
 * Feed (worker).  An entry is added if its attempt is the latest; with "start"
 * the stream is made where there is none, else it must be there.  May be
 * repeated only after a look at the last id.
 */
typedef struct {
    unsigned      shard;
    const char   *run;
    const char   *token;
    uint64_t      n;
    weir_event_e  kind;             /* but no end */
    weir_str_t    data;
    int64_t       ttl;              /* s, with "start": the longest it is of
                                       use */
    int64_t       now;              /* ms */
} weir_feed_t;

typedef enum {
    WEIR_FEED_DONE = 0,
    WEIR_FEED_FENCED,               /* another attempt has begun, or the end
                                       was there */
    WEIR_FEED_GONE,                 /* there is no stream any more */
    WEIR_FEED_MISSING,              /* a look: it was not added, and may be */
    WEIR_FEED_FAILED                /* see the answer's code */
} weir_feed_e;

void weir_txn_feed(weir_txn_t *t, const weir_feed_t *f);

/* DONE: the mailboxes of those who read, as an array, borrowed. */
weir_feed_e weir_txn_feed_read(const weir_answer_t *a,
    const weir_reply_t **mailboxes_r);

/* The last id, where there was no answer: what became of f. */
void weir_txn_feed_look(weir_txn_t *t, unsigned shard, const char *run);
weir_feed_e weir_txn_feed_look_read(const weir_answer_t *a,
    const weir_feed_t *f);

/* The run has ended: for whoever has won it.  last: "<token>-<n>" of the entry
 * that completed the deltas; empty: they are not complete. */
void weir_txn_feed_end(weir_txn_t *t, unsigned shard, const char *run,
    weir_str_t last, bool while_read);

/* To one mailbox; an end is told by weir_txn_mail(). */
void weir_txn_mail_event(weir_txn_t *t, const char *mailbox,
    const weir_feed_t *f);

/* Strings point into body; false: it is no such message. */
bool weir_mail_event_parse(weir_str_t body, weir_str_t *run_r,
    weir_event_t *e);


/*
 * Read (edge): the mailbox reads until then, and what comes behind "after"
 * ("<token>-<n>", or empty: from the start) is told, at most count entries,
 * with the registers of the run.
 */
typedef struct {
    unsigned      shard;
    const char   *run;
    const char   *mailbox;          /* NULL: is a reader already */
    int64_t       until;            /* ms */
    int64_t       now;              /* ms */
    bool          wish;             /* it is the first one: workers are told */
    weir_str_t    after;
    unsigned      count;
} weir_read_t;

typedef struct {
    weir_run_t           run;
    const weir_reply_t  *entries;
} weir_readings_t;

void weir_txn_events(weir_txn_t *t, const weir_read_t *r);
bool weir_txn_events_read(const weir_answer_t *a, weir_readings_t *r);

/* false: there are no more, or an entry of a form that nobody writes. */
bool weir_readings_at(const weir_readings_t *r, size_t i, weir_event_t *e);

/* The mailbox reads no more; a worker looks whether anybody does. */
void weir_txn_unread(weir_txn_t *t, unsigned shard, const char *run,
    const char *mailbox);


/* "<token>-<n>" */
#define WEIR_EVENT_ID_MAX  (WEIR_TOKEN_MAX + 24)

void weir_event_id(char text[WEIR_EVENT_ID_MAX], const char *token,
    uint64_t n);
bool weir_event_id_parse(weir_str_t text, weir_str_t *token_r, uint64_t *n_r);


#endif /* WEIR_TXN_EVENTS_H */
