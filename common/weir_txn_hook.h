/*
 * The outbox of webhooks: transitions of a delivery.  Who holds the lock is the
 * one who sends; an entry that is not that of the run's end is dropped.
 */

#ifndef WEIR_TXN_HOOK_H
#define WEIR_TXN_HOOK_H


#include "weir_txn.h"


#define WEIR_HOOK_TOKEN_MAX   32
#define WEIR_HOOK_MEMBER_MAX  (WEIR_HOOK_TOKEN_MAX + 1 + WEIR_ID_LEN)
#define WEIR_HOOK_DIGEST_MAX  33


/* which entry of the outbox is meant */

typedef struct {
    unsigned      shard;
    char          id[WEIR_ID_LEN + 1];              /* of the job */
    char          token[WEIR_HOOK_TOKEN_MAX + 1];
    char          run[WEIR_ID_LEN + 1];             /* whose outcome it is */
} weir_entry_t;

/* false: no member of an outbox */
bool weir_entry_read(weir_str_t member, unsigned shard, weir_entry_t *e_r);


/* The run of the entry's job, where that was read. */
void weir_entry_run(weir_entry_t *e, const weir_job_t *job);

/* Entries that are due, and how many there are in all (worker). */
void weir_txn_hooks_due(weir_txn_t *t, unsigned shard, int64_t now,
    unsigned count);
const weir_reply_t *weir_txn_hooks_due_read(const weir_answer_t *a,
    long long *total_r);

/* Removes a member of whatever form. */
void weir_txn_hooks_remove(weir_txn_t *t, unsigned shard, weir_str_t member);


/* Takes the lock for ms and looks (worker); without a lock, only looks (tool).
 * Strings point into the answer. */

typedef struct {
    bool          locked;               /* by us */
    weir_job_t    job;
    weir_run_t    run;

    bool          found;                /* it was begun before: */
    weir_str_t    token;
    weir_str_t    owner;
    weir_str_t    url;
    weir_str_t    secret;
    weir_str_t    trace;                /* or empty */
    weir_str_t    body;                 /* empty: it is over */
    weir_str_t    state;                /* empty: it is not */
    weir_str_t    error;                /* of the last try */
    long long     tries;
    long long     status;               /* of the last try; 0: none came */
    int64_t       at;                   /* ms, the last try */
} weir_hook_t;

void weir_txn_hook_open(weir_txn_t *t, const weir_entry_t *e,
    const char *consumer, int64_t ms);
void weir_txn_hook_look(weir_txn_t *t, const weir_entry_t *e);
bool weir_txn_hook_read(const weir_answer_t *a, weir_hook_t *hook_r);

/* Is the entry that of the run's end, and the run's job one with a webhook? */
bool weir_hook_is_due(const weir_hook_t *hook, const weir_entry_t *e);

/* Who holds the lock lets the entry rest until "until", and asks whether the
 * endpoint is gone; first: for all that the body is made of, too, of the run
 * that weir_entry_run() told. */
void weir_txn_hook_begin(weir_txn_t *t, const weir_entry_t *e, int64_t until,
    const char *endpoint, bool first);
bool weir_txn_hook_begin_read(const weir_answer_t *a, bool *gone_r,
    weir_str_t *outcome_r, weir_job_t *job_r, weir_run_t *run_r);

/* What every try will send.  Stored once. */
void weir_txn_hook_store(weir_txn_t *t, const weir_entry_t *e,
    weir_str_t owner, weir_str_t url, weir_str_t secret, weir_str_t trace,
    weir_str_t body);

/* false: another has stored it before, or it is unknown. */
bool weir_txn_hook_stored(const weir_answer_t *a);

/* What came of a try. */
typedef struct {
    const char   *state;                /* WEIR_DELIVERY_..; NULL: again */
    int64_t       due;                  /* ms: then */
    const char   *endpoint;             /* it is gone; NULL: it is not */
    long long     tries;
    unsigned      status;
    const char   *error;                /* "" */
    int64_t       now;                  /* ms */
} weir_hook_try_t;

void weir_txn_hook_record(weir_txn_t *t, const weir_entry_t *e,
    const weir_hook_try_t *what);

/* The entry is dropped, or rests until due (ms); the lock is given back. */
void weir_txn_hook_drop(weir_txn_t *t, const weir_entry_t *e);
void weir_txn_hook_rest(weir_txn_t *t, const weir_entry_t *e, int64_t due);

/* Is it being sent just now (tool)?  The reply is 1. */
void weir_txn_hook_is_locked(weir_txn_t *t, const weir_entry_t *e);

/* From the start, now (tool): the endpoint may have come back. */
void weir_txn_hook_redeliver(weir_txn_t *t, const weir_entry_t *e,
    const char *endpoint, int64_t now);

/* The first entries of the outbox, members and scores in turn (tool). */
void weir_txn_hooks_list(weir_txn_t *t, unsigned shard, unsigned count);

/* Names an endpoint in its key; -1: the library failed. */
int weir_hook_endpoint(weir_str_t owner, weir_str_t url,
    char digest[WEIR_HOOK_DIGEST_MAX]);


#endif /* WEIR_TXN_HOOK_H */
