/*
 * Leases: as long as an entry is in hand its idle time is set back every third
 * of a lease, in batches, on a connection of their own, so that results and
 * renewals do not wait for each other.  Before that, each batch asks whether
 * its runs are still ours: what has ended, or has been delivered to another
 * since, is given up, and its call is closed.  Handing back is the same
 * command with an idle time that invites others.
 *
 * All that is in hand makes progress: a call without a byte for its idle
 * timeout has been given up by then, so that it is not renewed for ever.
 */

#include "runner.h"

#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define LEASE_LIVE_EVERY   2000         /* ms */
#define LEASE_LIVE_FOR     6000         /* ms */
#define LEASE_LIVE_LATE    1500         /* ms until an answer is a stall */
#define LEASE_CLOCK_EVERY  10000        /* ms */


/* Jobs that are asked about together.  Each may be released, and even taken
 * again, before the answer: its serial tells. */

typedef struct {
    lease_t       *lease;
    bool           renew;
    weir_class_e   class;               /* of all, if they are renewed */
    uint64_t       sent;                /* loop_now() of the renewal */
    unsigned       n;
    struct {
        job_t     *job;
        uint64_t   serial;
        bool       readers;             /* it is asked who reads it */
    } of[WEIR_BATCH];
} lease_batch_t;


/* entries to be handed back that were never claimed */

typedef struct {
    char           text[WEIR_BATCH][JOB_ENTRY_MAX];
    weir_str_t     entries[WEIR_BATCH];
    unsigned       n;
} lease_back_t;


struct lease_s {
    runner_t      *runner;
    loop_timer_t   renewal;
    loop_timer_t   live;
    uint64_t       clock_at;            /* loop_now() of the next question */
    uint64_t       live_sent;           /* loop_now(); 0: answered */
    lease_back_t   back[WEIR_CLASSES];
};


static uint64_t
lease_timeout(const lease_t *l)
{
    return (uint64_t) l->runner->conf->redis.timeout;
}


static bool
lease_is_claimed(const job_t *job)
{
    return job->state != JOB_CLAIMING && job->state != JOB_DROPPING;
}


/* giving up */

static void
lease_give_up(job_t *job, weir_str_t fin)
{
    bool       final;
    runner_t  *r;

    r = job->runner;
    final = fin.len > 0;

    switch (job->state) {

    case JOB_CLAIMING:
        job->final |= final;            /* the claim may have been earlier */
        return;

    case JOB_FINISHING:                 /* its answer says the same */
    case JOB_DROPPING:
        return;

    case JOB_RETRYING:
        fence_forget(r->fence, job);
        counters_add(r->counters, fenced, 1);
        break;

    case JOB_PARKED:
    case JOB_DOUBTED:
        if (job->cut || finish_is(job, fin)) {
            return;                     /* it was done, and not answered */
        }

        fence_forget(r->fence, job);
        finish_fenced(job, final);
        return;

    default: /* JOB_ASKING */
        ask_cancel(job);

        if (final) {
            counters_add(r->counters, cut_ended, 1);

        } else {
            counters_add(r->counters, cut_taken, 1);
        }

        break;
    }

    LOG(LOG_INFO, "run_given_up", log_text("job", job->name),
        log_text("entry", job->entry),
        log_text("reason", final ? "it has ended" : "another has it"));

    if (final) {
        claim_drop(job, true);

    } else {
        job_release(job);
    }
}


/* renewing */

static void
lease_failed(const weir_answer_t *answer)
{
    if (answer->code != WEIR_ANSWER_OK && answer->code != WEIR_ANSWER_LOST) {
        LOG(LOG_WARN, "lease_failed", log_str("reason", answer->error));
    }
}


static job_t *
lease_job(const lease_batch_t *b, unsigned i)
{
    job_t  *job;

    job = b->of[i].job;

    return job->serial == b->of[i].serial ? job : NULL;
}


/* XCLAIM answers with those that are ours now, in the order of asking. */

static void
lease_on_touch(void *data, const weir_answer_t *answer)
{
    job_t          *job;
    size_t          k, next;
    unsigned        i;
    lease_batch_t  *b;

    b = data;
    next = 0;
    lease_failed(answer);

    for (i = 0; i < b->n; i++) {
        job = lease_job(b, i);

        for (k = next; job && k < weir_reply_count(answer->reply); k++) {
            if (weir_str_eq(weir_reply_str(weir_reply_at(answer->reply, k)),
                            weir_str_of(job->entry)))
            {
                job->held = b->sent;
                next = k + 1;
                break;
            }
        }
    }

    free(b);
}


static void
lease_touch(lease_batch_t *b)
{
    unsigned     i;
    runner_t    *r;
    weir_txn_t  *t;
    weir_str_t   entries[WEIR_BATCH];

    r = b->lease->runner;

    for (i = 0; i < b->n; i++) {
        entries[i] = weir_str_of(b->of[i].job->entry);
    }

    t = runner_txn(r);
    weir_txn_touch(t, RUNNER_SHARD, r->consumer, b->class, 0, entries, b->n);
    b->sent = loop_now(r->loop);

    if (redis_send(r->renew, t, lease_timeout(b->lease), lease_on_touch, b)
        != 0)
    {
        free(b);
    }
}


/* The hint that somebody reads may have been lost, and so may the one that
 * nobody does any more. */

static void
lease_readers(job_t *job, long long readers)
{
    if (readers > 0) {
        feed_heard(job);

    } else if (readers == 0 && job->while_read) {
        askers_left(job->runner->askers, weir_str_of(job->run));
    }
}


static bool
lease_asks_readers(const job_t *job)
{
    return (job->state == JOB_ASKING || job->state == JOB_ISOLATED)
           && (job->while_read || (job->stream && job->feed == NULL));
}


/* false: it is given up */

static bool
lease_keep(job_t *job, const weir_answer_t *answer, unsigned i)
{
    long long   deliveries;
    weir_str_t  fin;

    if (!weir_txn_held_read(answer, i, &fin, &deliveries)) {
        return true;
    }

    if (fin.len) {
        lease_give_up(job, fin);
        return false;
    }

    if (lease_is_claimed(job) && deliveries != job->deliveries) {
        lease_give_up(job, weir_str_null);
        return false;
    }

    return true;
}


static void
lease_on_held(void *data, const weir_answer_t *answer)
{
    job_t          *job;
    unsigned        i, k, kept;
    lease_batch_t  *b;

    b = data;
    k = kept = 0;
    lease_failed(answer);

    for (i = 0; i < b->n && weir_reply_count(answer->reply); i++) {
        job = lease_job(b, i);

        if (job && lease_keep(job, answer, i)) {

            if (b->of[i].readers) {
                lease_readers(job, weir_txn_held_readers(answer, b->n, k));
            }

            b->of[kept++] = b->of[i];
        }

        k += b->of[i].readers;
    }

    b->n = kept;

    if (b->renew && kept) {
        lease_touch(b);

    } else {
        free(b);
    }
}


static void
lease_ask(lease_batch_t *b, redis_t *by)
{
    unsigned      i;
    runner_t     *r;
    weir_txn_t   *t;
    weir_held_t   held[WEIR_BATCH];

    r = b->lease->runner;

    for (i = 0; i < b->n; i++) {
        held[i].run = b->of[i].job->run;
        held[i].entry = b->of[i].job->entry;
        held[i].readers = b->of[i].readers;
    }

    t = runner_txn(r);
    weir_txn_held(t, RUNNER_SHARD, held, b->n, runner_now(r));

    if (redis_send(by, t, lease_timeout(b->lease), lease_on_held, b) != 0) {
        free(b);
    }
}


/* *bp: the batch to be filled, NULL at first; job NULL: no more are coming */

static void
lease_add(lease_t *l, lease_batch_t **bp, job_t *job, bool renew, redis_t *by)
{
    lease_batch_t  *b;

    b = *bp;

    if (job) {
        if (b == NULL) {
            b = mem_alloc(sizeof(lease_batch_t));
            b->lease = l;
            b->renew = renew;
            b->class = job->class;
            *bp = b;
        }

        b->of[b->n].job = job;
        b->of[b->n].serial = job->serial;
        b->of[b->n].readers = lease_asks_readers(job);
        b->n++;
    }

    if (b && (b->n == WEIR_BATCH || job == NULL)) {
        *bp = NULL;
        lease_ask(b, by);
    }
}


static void
lease_renew_class(lease_t *l, weir_class_e class)
{
    int             state;
    job_t          *job;
    lease_batch_t  *b;

    b = NULL;

    for (state = 0; state < JOB_STATES; state++) {

        for (job = jobs_first(l->runner->jobs, (job_state_e) state);
             job && lease_is_claimed(job); job = job->next)
        {
            if (job->class == class) {
                lease_add(l, &b, job, true, l->runner->renew);
            }
        }
    }

    lease_add(l, &b, NULL, true, l->runner->renew);
}


static void
lease_renew(void *data)
{
    lease_t       *l;
    weir_class_e   class;

    l = data;

    loop_timer_set(l->runner->loop, &l->renewal,
                   (uint64_t) l->runner->conf->worker.lease / 3);

    if (l->runner->state == RUNNER_LEAVING || !redis_is_up(l->runner->renew)) {
        return;
    }

    FAULT_SENT("renew");

    for (class = 0; class < WEIR_CLASSES; class++) {
        lease_renew_class(l, class);
    }
}


bool
lease_in_doubt(const job_t *job)
{
    uint64_t  held;

    /* not loop_now(): the process may have been stopped within this turn */

    held = loop_clock() - job->held;

    return held > (uint64_t) job->runner->conf->worker.lease * 9 / 10;
}


void
lease_check_run(lease_t *l, weir_str_t run, redis_t *by)
{
    job_t          *job;
    lease_batch_t  *b;

    b = NULL;

    for (job = jobs_of_run(l->runner->jobs, run, NULL); job;
         job = jobs_of_run(l->runner->jobs, run, job))
    {
        lease_add(l, &b, job, false, by);
    }

    lease_add(l, &b, NULL, false, by);
}


void
lease_check_all(lease_t *l, redis_t *by)
{
    int             state;
    job_t          *job;
    lease_batch_t  *b;

    b = NULL;

    for (state = 0; state < JOB_STATES; state++) {
        if (state == JOB_DROPPING) {
            continue;
        }

        for (job = jobs_first(l->runner->jobs, (job_state_e) state); job;
             job = job->next)
        {
            lease_add(l, &b, job, false, by);
        }
    }

    lease_add(l, &b, NULL, false, by);
}


/* that we live */

static void
lease_on_live(void *data, const weir_answer_t *answer)
{
    lease_t  *l;

    l = data;

    if (answer->code == WEIR_ANSWER_OK && l->live_sent
        && loop_now(l->runner->loop) - l->live_sent > LEASE_LIVE_LATE)
    {
        takeover_stalled(l->runner->takeover);
    }

    l->live_sent = 0;
}


static void
lease_live(void *data)
{
    lease_t     *l;
    redis_t     *by;
    runner_t    *r;
    weir_txn_t  *t;

    l = data;
    r = l->runner;

    loop_timer_set(r->loop, &l->live, LEASE_LIVE_EVERY);

    /* a connection that is silent, or gone, may be so alone: by the time that
     * it has been made anew, the last sign would be over */

    by = redis_is_up(r->renew) && l->live_sent == 0 ? r->renew : r->cmd;

    if (!redis_is_up(by)) {
        return;
    }

    t = runner_txn(r);
    weir_txn_live(t, RUNNER_SHARD, r->consumer, LEASE_LIVE_FOR);

    if (redis_send(by, t, lease_timeout(l), lease_on_live, l) == 0
        && l->live_sent == 0)
    {
        l->live_sent = loop_now(r->loop);
    }

    if (loop_now(r->loop) >= l->clock_at) {
        l->clock_at = loop_now(r->loop) + LEASE_CLOCK_EVERY;
        server_ask_time(r->server, by);
    }
}


/* handing back */

static void
lease_back_flush(lease_t *l, weir_class_e class)
{
    runner_t      *r;
    weir_txn_t    *t;
    lease_back_t  *b;

    r = l->runner;
    b = &l->back[class];

    if (b->n == 0) {
        return;
    }

    t = runner_txn(r);
    weir_txn_touch(t, RUNNER_SHARD, r->consumer, class, r->conf->worker.lease,
                   b->entries, b->n);
    b->n = 0;

    (void) redis_send(r->renew, t, lease_timeout(l), NULL, NULL);
}


void
lease_hand_back_entry(lease_t *l, weir_class_e class, weir_str_t entry)
{
    lease_back_t  *b;

    b = &l->back[class];

    if (b->n == WEIR_BATCH) {
        lease_back_flush(l, class);
    }

    memcpy(b->text[b->n], entry.data, entry.len);
    b->text[b->n][entry.len] = '\0';
    b->entries[b->n] = weir_str_of(b->text[b->n]);
    b->n++;

    counters_add(l->runner->counters, handed_back, 1);
}


void
lease_hand_back_flush(lease_t *l)
{
    weir_class_e  class;

    for (class = 0; class < WEIR_CLASSES; class++) {
        lease_back_flush(l, class);
    }
}


void
lease_hand_back(lease_t *l, job_t *job)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = l->runner;

    /* of what may be another's by now, nothing is written: its record may be
     * gone */

    if (!lease_in_doubt(job)) {
        t = runner_txn(r);
        weir_txn_hand_back(t, RUNNER_SHARD, job->run, r->consumer, job->class,
                           job->entry, r->conf->worker.lease);
        (void) redis_send(r->renew, t, lease_timeout(l), NULL, NULL);

        FAULT_SENT("hand_back");
        counters_add(r->counters, handed_back, 1);
        LOG(LOG_INFO, "run_handed_back", log_text("run", job->run),
            log_text("entry", job->entry));
    }

    job_release(job);
}


lease_t *
lease_create(runner_t *r)
{
    lease_t  *l;

    l = mem_alloc(sizeof(lease_t));
    l->runner = r;

    l->renewal.fn = lease_renew;
    l->renewal.data = l;
    l->live.fn = lease_live;
    l->live.data = l;

    loop_timer_set(r->loop, &l->renewal, (uint64_t) r->conf->worker.lease / 3);

    return l;
}


void
lease_destroy(lease_t **lp)
{
    lease_t  *l;

    l = *lp;
    *lp = NULL;

    loop_timer_stop(l->runner->loop, &l->renewal);
    loop_timer_stop(l->runner->loop, &l->live);
    free(l);
}


void
lease_on_up(lease_t *l)
{
    lease_renew(l);
    lease_live(l);
}
