/*
 * Every transaction of the Redis contract, built once for the edge, the worker
 * and the tool.  docs/redis-contract.md says why each is made as it is.
 *
 * Builders add to a unit that the caller has initialised; a failure shows in
 * txn->out.failed.  Readers take the answer of the same unit.
 */

#ifndef WEIR_TXN_H
#define WEIR_TXN_H


#include "weir_job.h"


/* Names a key into buf, which is terminated; pattern is a WEIR_KEY_ or
 * WEIR_CHANNEL_ macro with its arguments. */
#define WEIR_NAME_MAX  160

weir_str_t weir_name(char buf[WEIR_NAME_MAX], const char *pattern, ...)
    __attribute__((format(printf, 2, 3)));


/*
 * Submission (edge).  May be sent again with the same record: it resets
 * nothing.  If Redis executes it after s->by, by Redis's clock, the payload
 * vanishes at once, and a claim finds none: the run is then void.
 */
void weir_txn_submit(weir_txn_t *t, const weir_submission_t *s);

/* True: the job is in Redis and will run.  False with an OK answer: it came
 * too late and is void. */
bool weir_txn_submit_accepted(const weir_answer_t *a);

/*
 * Cancel, or give a submission up (edge, tool).  Writes the terminal register
 * even where the run does not exist yet, so that a submission which arrives
 * later finds it.
 */
typedef struct {
    unsigned      shard;
    const char   *id;
    const char   *token;            /* WEIR_TOKEN_OWNER, _OPERATOR or _EDGE */
    int64_t       now;              /* ms */
    weir_str_t    owner;            /* empty: not known */
    bool          hook;             /* the job has a webhook */
    bool          tell;             /* workers: it may be running */
    const char   *run;              /* the run that the job asks for, which may
                                       have other askers; NULL: id is a run */
    const char   *hit;              /* token of the end that the job had from
                                       the start, and that it loses; or NULL */
    bool          while_read;       /* it lived only while it was read */
} weir_cancel_t;

void weir_txn_cancel(weir_txn_t *t, const weir_cancel_t *c);

/* The register "fin" after the cancel: who decided.  Then the mailboxes that
 * the winner tells. */
weir_str_t weir_txn_cancel_fin(const weir_answer_t *a);
const weir_reply_t *weir_txn_cancel_mailboxes(const weir_answer_t *a);

/*
 * Look at a job and at the run of the same id (edge, tool).  With a mailbox the
 * asker is put among the waiting first, so that no completion is missed.
 */
void weir_txn_look(weir_txn_t *t, unsigned shard, const char *id,
    const char *mailbox);

/* false: the answer is not OK.  The structs point into the answer's reply. */
bool weir_txn_look_read(const weir_answer_t *a, weir_job_t *job_r,
    weir_run_t *run_r);

/*
 * The same for a job that may be a response: its echo; empty: it is none.
 */
void weir_txn_look_response(weir_txn_t *t, unsigned shard, const char *id,
    const char *mailbox);
weir_str_t weir_txn_look_echo(const weir_answer_t *a);

/* A job is no response any more (edge).  token: of the outcome, which goes
 * too, with the events; empty: they stay.  false: it was none. */
void weir_txn_unrespond(weir_txn_t *t, unsigned shard, const char *id,
    weir_str_t token);
bool weir_txn_unrespond_done(const weir_answer_t *a);

/* weir_txn_look() for n ids of a shard at once, nobody waiting; i-th of
 * them. */
void weir_txn_looks(weir_txn_t *t, unsigned shard, const weir_str_t *ids,
    unsigned n);
bool weir_txn_looks_read(const weir_answer_t *a, unsigned i, weir_job_t *job_r,
    weir_run_t *run_r);

/* Re-check of a parked request: HGET fin (edge). */
void weir_txn_recheck(weir_txn_t *t, unsigned shard, const char *run);

/* The outcome document of a finalised run; token as in fin. */
void weir_txn_outcome(weir_txn_t *t, unsigned shard, const char *run,
    weir_str_t token);


/*
 * Before a submission (edge): whose is the idempotency key, and is there room?
 * One transaction, which may be repeated.  A ticket counts a job that is not
 * there yet; if no submission follows, it lapses WEIR_RESERVED ms after "by".
 */
typedef struct {
    unsigned      shard;
    const char   *id;               /* of the job that wants to be */
    int64_t       now;              /* ms */
    int64_t       by;               /* ms: later, the submission is void */
    weir_str_t    owner;

    const char   *idem;             /* digest of the key; NULL: none given */
    long long     n;                /* the job of the key to become, from 1 */
    const char   *fingerprint;
    int64_t       idem_ttl;         /* s */

    bool          open;             /* a ticket of the owner */
    bool          total;            /* a ticket among all */
} weir_reserve_t;

typedef struct {
    long long     n;                /* the key's last job; 0: no key asked */
    weir_str_t    id;
    weir_str_t    fingerprint;
    int64_t       by;               /* ms */
    long long     open;             /* unfinished of the owner, ours too */
    long long     total;            /* unfinished of all, likewise */
    long long     asked;            /* jobs that share runs, without ours */
} weir_reserved_t;

void weir_txn_reserve(weir_txn_t *t, const weir_reserve_t *r);

/* false: the answer is not OK, or of another form. */
bool weir_txn_reserve_read(const weir_answer_t *a, const weir_reserve_t *r,
    weir_reserved_t *reserved_r);

/* Gives back what weir_txn_reserve() took: the tickets; with key: the n-th job
 * of the key will never be, and nobody needs to wait for it.  Only for what
 * was not submitted. */
void weir_txn_unreserve(weir_txn_t *t, const weir_reserve_t *r, bool key);

/* A look at the n-th job of a key.  *void_r: it is not final, and will never
 * run, because it came too late. */
void weir_txn_join(weir_txn_t *t, unsigned shard, const char *id);
bool weir_txn_join_read(const weir_answer_t *a, weir_job_t *job_r,
    weir_run_t *run_r, bool *void_r);

/* Before a job of a key is told to another request, or its submission is given
 * up: only one of both may be.  Who reads the other's word leaves it. */
void weir_txn_fate(weir_txn_t *t, unsigned shard, const char *id,
    const char *word);
bool weir_txn_fate_is(const weir_answer_t *a, const char *word);

/* The newest jobs of an owner, created at "from" (ms; 0: now) or before: ids
 * and times by turns. */
void weir_txn_list(weir_txn_t *t, unsigned shard, weir_str_t owner,
    int64_t from, unsigned count);

/* When was this one created?  nil: it is not in the list. */
void weir_txn_listed(weir_txn_t *t, unsigned shard, weir_str_t owner,
    weir_str_t id);


/*
 * Reading the ready streams (worker).  block in ms, 0: do not wait.  own: the
 * consumer's own pending entries above "after" (an entry id, "0" to start),
 * else new ones.
 */
void weir_txn_group(weir_txn_t *t, unsigned shard, weir_class_e class);
void weir_txn_read(weir_txn_t *t, unsigned shard, const char *consumer,
    const weir_class_e *classes, unsigned nclasses, unsigned count,
    unsigned block);
void weir_txn_read_own(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, const char *after, unsigned count);

/* Entries idle for longer than min_idle ms become the consumer's (worker):
 * XAUTOCLAIM from cursor "start" ("0-0" first). */
void weir_txn_autoclaim(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t min_idle, const char *start, unsigned count);

/* Renews the lease: resets the idle time, counts no delivery.  With idle > 0
 * hands back: the entry looks idle for so long.  n up to WEIR_BATCH. */
#define WEIR_BATCH  24

void weir_txn_touch(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t idle, const weir_str_t *entries, unsigned n);

/*
 * Claim (worker): may this entry run this generation, and as which delivery?
 */
typedef struct {
    bool          found;            /* the run's record exists */
    bool          ours;             /* this entry holds the generation */
    weir_str_t    fin;              /* empty: not final */
    long long     gen;              /* the run's current generation */
    long long     deliveries;       /* of this entry, this one included */
    long long     failures;         /* retries so far */
    long long     back;             /* hand-backs, which count as none */
    long long     crash;            /* deaths alone */
    int64_t       created;          /* ms */
    int64_t       started;          /* ms: the first start */
    int64_t       deadline;         /* ms */
    int64_t       ttl;              /* s, of the outcome */
    int64_t       records;          /* s, of the records */
    bool          hook;             /* the end is to be announced */
    bool          keep;             /* a dead letter when the last try fails */
    weir_str_t    owner;            /* empty: not counted */
    weir_str_t    job;              /* id */
    weir_str_t    request_id;
    weir_str_t    model;
    weir_str_t    ask;              /* digest of its question; empty: none */
    weir_str_t    cache;            /* policy, as text; empty: not stored */
    weir_str_t    labels;
    weir_str_t    payload;          /* the neutral request */
    weir_str_t    trace;            /* weir_trace_read(); empty: none */
    bool          stream;           /* the provider is asked for a stream */
    bool          while_read;       /* it lives only while it is wanted */
    bool          read;             /* somebody reads what it says */
} weir_claim_t;

void weir_txn_claim(weir_txn_t *t, unsigned shard, const char *run,
    const char *entry, const char *gen, int64_t now);
bool weir_txn_claim_read(const weir_answer_t *a, const char *entry,
    weir_claim_t *claim_r);

/* gen * WEIR_TOKEN_GENERATION + deliveries, as text; room for 32 bytes. */
void weir_token_make(char *token, long long gen, long long deliveries);

/* What a delivery used of its provider, of a run that it does not complete. */
typedef struct {
    const char   *token;            /* the delivery's */
    long long     input_tokens;
    long long     output_tokens;
    long long     cost;             /* millionths of a dollar */
} weir_used_t;

/* Drop an entry that must not run (worker).  final: the run is terminal, so
 * what a late submission left behind gets its expiry too, no longer counts
 * among the unfinished of owner, which may be empty, and a reservation that it
 * put off is due.  used: with final, where it is known what this delivery used,
 * though it be nothing; else NULL. */
void weir_txn_drop(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry, bool final, weir_str_t owner,
    int64_t now, const weir_used_t *used);

/* The record is missing altogether: drop the entry and the ghost that the
 * claim made. */
void weir_txn_drop_ghost(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry);

/*
 * Finalise (worker).  Harmless for the loser; repeatable with the same token.
 * outcome may be empty for states that no runner decided.
 */
typedef struct {
    unsigned      shard;
    const char   *run;
    const char   *job;
    weir_class_e  class;
    const char   *entry;            /* NULL: none is held (reaper) */
    weir_state_e  state;
    const char   *token;
    int64_t       now;              /* ms */
    int64_t       ttl;              /* s, of the outcome */
    int64_t       records;          /* s, of the records */
    weir_str_t    owner;            /* empty: not counted, or not known */
    bool          hook;             /* to be announced, if there is a webhook */
    bool          dead;             /* a dead letter */
    long long     input_tokens;     /* used; both 0: nothing was reported */
    long long     output_tokens;
    long long     cost;             /* of them, millionths of a dollar */
    const char   *by;               /* without an outcome: the token of the
                                       delivery that used them, or nothing;
                                       NULL: there was none */
    weir_str_t    outcome;

    const char   *ask;              /* digest of its question; NULL: none */
    weir_str_t    answer;           /* the record; empty: not to be stored */
    int64_t       answer_ms;        /* that it is of use */
    bool          answer_nx;        /* only where there is none */

    const char   *asker;            /* the run that this job asked for, which
                                       is handed on; "": not known; NULL: it is
                                       a run that ends */
    bool          left;             /* the run may have lost its last asker */
    const char   *last;             /* the id that completes its events;
                                       NULL, or empty: there is none */
    bool          while_read;       /* it lived only while it was read */
} weir_finish_t;

void weir_txn_finish(weir_txn_t *t, const weir_finish_t *f);

/* True if our state and token won; *mailboxes_r is then whom to tell, an array
 * of mailbox names that lives as long as the answer. */
bool weir_txn_finish_won(const weir_answer_t *a, const weir_finish_t *f,
    const weir_reply_t **mailboxes_r);

/* Tell a mailbox.  last: the id that completed its events; empty: none did.
 * outcome rides along up to WEIR_MAIL_BODY_MAX bytes. */
void weir_txn_mail(weir_txn_t *t, const char *mailbox, const char *run,
    const char *fin, int64_t now, const char *last, weir_str_t outcome);

/* The other end of it; strings point into body.  outcome_r->len == 0: fetch
 * it. */
bool weir_mail_parse(weir_str_t body, weir_str_t *run_r, weir_str_t *fin_r,
    int64_t *fin_at_r, weir_str_t *last_r, weir_str_t *outcome_r);

/*
 * Retry later (worker), on a connection with one transaction in flight: first
 * watch, then, if the run is still ours, reschedule.
 */
void weir_txn_retry_watch(weir_txn_t *t, unsigned shard, const char *run,
    const char *entry);
bool weir_txn_retry_ours(const weir_answer_t *a, long long gen,
    long long deliveries);

/* Not ours because the run is final: its entry is still to be dropped. */
bool weir_txn_retry_final(const weir_answer_t *a);

/* back: hand-backs that the claim told; they end with the generation. */
void weir_txn_retry(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry, long long next_gen, int64_t due,
    long long failures, long long back, const char *kind, weir_str_t error);
void weir_txn_unwatch(weir_txn_t *t);

/* One more death of a run alone in its process (worker); the reply is how many
 * there were. */
void weir_txn_crash(weir_txn_t *t, unsigned shard, const char *run);

/* Promote (worker): members "<class>:<gen>:<run>" of the delayed set that are
 * due.  false: a member of another form; it is then removed. */
void weir_txn_due(weir_txn_t *t, unsigned shard, int64_t now, unsigned count);
bool weir_txn_promote(weir_txn_t *t, unsigned shard, weir_str_t member);

/* Expire (worker): runs past their deadline, read and decided. */
void weir_txn_overdue(weir_txn_t *t, unsigned shard, int64_t now,
    unsigned count);

/* Liveness of a consumer, and the catalogue of models (worker, edge). */
void weir_txn_live(weir_txn_t *t, unsigned shard, const char *consumer,
    int64_t ms);
void weir_txn_catalogue_set(weir_txn_t *t, weir_str_t catalogue);
void weir_txn_catalogue_get(weir_txn_t *t);

/*
 * A fleet of workers (worker).  The control stream: its newest entry; up to
 * count entries behind "after", waiting for block ms.
 */
void weir_txn_control_newest(weir_txn_t *t, unsigned shard);
void weir_txn_control_read(weir_txn_t *t, unsigned shard, const char *after,
    unsigned count, unsigned block);

/* May anything be claimed?  nil: yes. */
void weir_txn_paused(weir_txn_t *t, unsigned shard);

/* Of n runs, up to WEIR_BATCH: is it final, and how often has the entry been
 * delivered?  false: nothing is known of the i-th.  Then, of those that asked
 * for it, how many read it: the k-th of them; -1: that is not known. */
typedef struct {
    const char   *run;
    const char   *entry;
    bool          readers;
} weir_held_t;

void weir_txn_held(weir_txn_t *t, unsigned shard, const weir_held_t *held,
    unsigned n, int64_t now);
bool weir_txn_held_read(const weir_answer_t *a, unsigned i, weir_str_t *fin_r,
    long long *deliveries_r);
long long weir_txn_held_readers(const weir_answer_t *a, unsigned n,
    unsigned k);

/* What the first half of weir_txn_retry_watch() found in "fin". */
weir_str_t weir_txn_retry_fin(const weir_answer_t *a);

/* An entry that was claimed looks idle for idle ms, and the delivery counts as
 * none. */
void weir_txn_hand_back(weir_txn_t *t, unsigned shard, const char *run,
    const char *consumer, weir_class_e class, const char *entry, int64_t idle);

/* Who looks for dead consumers during the next ms: OK or nil.  The consumers
 * of a stream.  Which of n, up to WEIR_BATCH, live: nil, or not.  What one has
 * in hand, idle for min_idle ms or more; and making n such entries one's own,
 * up to WEIR_BATCH. */
void weir_txn_reap(weir_txn_t *t, unsigned shard, const char *consumer,
    int64_t ms);
void weir_txn_consumers(weir_txn_t *t, unsigned shard, weir_class_e class);
bool weir_txn_consumers_read(const weir_answer_t *a, size_t i,
    weir_str_t *name_r, long long *pending_r);
void weir_txn_alive(weir_txn_t *t, unsigned shard,
    const char *const *consumers, unsigned n);
void weir_txn_pending_of(weir_txn_t *t, unsigned shard, weir_class_e class,
    const char *consumer, int64_t min_idle, unsigned count);
void weir_txn_take_over(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t min_idle, const weir_str_t *entries,
    unsigned n);


/*
 * What an operator does (tool).  Pausing is a string that workers look at, and
 * an entry of the control stream that tells them to.
 */
void weir_txn_pause(weir_txn_t *t, unsigned shard, bool paused);

/* The state of a shard's queue; then, of each stream that exists, what is in
 * it.  Not in one transaction: hiredis 0.14 reads seven levels. */
typedef struct {
    int64_t       now;              /* ms, Redis's clock */
    long long     delayed;
    long long     unfinished;
    long long     dead;
    long long     hooks;
    bool          paused;
    long long     used;             /* bytes of memory */
    long long     limit;            /* 0: none */
    bool          exists[WEIR_CLASSES];
} weir_stats_t;

typedef struct {
    long long            length;    /* entries */
    long long            pending;   /* of them, in somebody's hand */
    long long            lag;       /* of them, not yet read */
    int64_t              oldest;    /* ms: when the first one was added */
    const weir_reply_t  *consumers; /* lives as long as the answer */
} weir_stream_t;

void weir_txn_stats(weir_txn_t *t, unsigned shard);
bool weir_txn_stats_read(const weir_answer_t *a, weir_stats_t *stats_r);

void weir_txn_stream(weir_txn_t *t, unsigned shard, weir_class_e class);
void weir_txn_stream_read(const weir_answer_t *a, weir_stream_t *stream_r);

/* the i-th consumer of a stream: its name and what it holds; false: the end */
bool weir_txn_stream_consumer(const weir_stream_t *s, size_t i,
    weir_str_t *name_r, long long *pending_r);

/* The reply is 1 if the consumer's process lives. */
void weir_txn_is_live(weir_txn_t *t, unsigned shard, const char *consumer);

/* Runs that are not final, from the one with the nearest deadline on. */
void weir_txn_unfinished(weir_txn_t *t, unsigned shard, long long from,
    unsigned count);

/* Dead letters, the newest first: members "<token>:<run>" and times by turns.
 * The second says whether there is one: a nil, or its time. */
void weir_txn_dead(weir_txn_t *t, unsigned shard, long long from,
    unsigned count);
void weir_txn_dead_find(weir_txn_t *t, unsigned shard, weir_str_t token,
    const char *run);
bool weir_txn_dead_parse(weir_str_t member, weir_str_t *token_r,
    weir_str_t *run_r);

/* Removes one; with request what was asked too. */
void weir_txn_dead_drop(weir_txn_t *t, unsigned shard, weir_str_t token,
    const char *run, bool request);

/* What a run asked; nil: it is gone. */
void weir_txn_request(weir_txn_t *t, unsigned shard, const char *run);

/*
 * A finished job again, as a new one.  First it is read with all that was
 * asked, by its run; the new job is of the same owner and has as much time.
 */
typedef struct {
    bool               found;
    bool               hook;        /* it has a webhook */
    weir_state_e       state;
    weir_str_t         token;
    weir_str_t         retried_as;  /* id; empty: not yet */
    weir_submission_t  submission;  /* points into the reply; no payload: it is
                                       gone */
} weir_again_t;

void weir_txn_again(weir_txn_t *t, unsigned shard, const char *id,
    const char *run);
bool weir_txn_again_read(const weir_answer_t *a, const char *as,
    weir_again_t *again_r);

/* Then it is noted what it becomes: once, or with force in any case.  The last
 * reply is the id that stands there. */
void weir_txn_retried(weir_txn_t *t, unsigned shard, const char *id,
    const char *as, bool force);
weir_str_t weir_txn_retried_as(const weir_answer_t *a);

/* Nothing came of it. */
void weir_txn_not_retried(weir_txn_t *t, unsigned shard, const char *id);

/* One command of plain words: AUTH, SELECT, PING, SUBSCRIBE, TIME, ... */
void weir_txn_words(weir_txn_t *t, unsigned n, const char *const *words);


#endif /* WEIR_TXN_H */
