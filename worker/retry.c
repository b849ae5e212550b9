/*
 * Retrying: a run is put off into the delayed set as its next generation, if
 * it is still ours.  That takes WATCH, which belongs to a connection: all such
 * transactions go one after the other over one of their own.
 */

#include "runner.h"

#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define RETRY_AGAIN  500        /* ms, after "later" */


struct retry_s {
    runner_t      *runner;
    job_t         *busy;        /* in a transaction; NULL: forgotten since */
    bool           waiting;     /* for an answer */
    loop_timer_t   again;
};


static void retry_next(void *data);


static void
retry_later(retry_t *t, const weir_answer_t *answer)
{
    if (answer->code == WEIR_ANSWER_LOST) {
        return;                             /* retry_on_up() goes on */
    }

    LOG(LOG_WARN, "retry_later", log_str("reason", answer->error));
    loop_timer_set(t->runner->loop, &t->again, RETRY_AGAIN);
}


static void
retry_on_exec(void *data, const weir_answer_t *answer)
{
    job_t    *job;
    retry_t  *t;

    t = data;
    job = t->busy;
    t->busy = NULL;
    t->waiting = false;

    if (job == NULL) {
        retry_next(t);
        return;
    }

    if (answer->code == WEIR_ANSWER_OK) {
        FAULT("retry_executed");
        counters_add(t->runner->counters, retried, 1);
        reaper_expect(t->runner->reaper, job->due);
        job_release(job);
        retry_next(t);
        return;
    }

    if (answer->code == WEIR_ANSWER_ABORTED) {
        retry_next(t);                      /* looks at it again */
        return;
    }

    retry_later(t, answer);
}


static void
retry_unwatch(retry_t *t)
{
    runner_t    *r;
    weir_txn_t  *txn;

    r = t->runner;

    txn = runner_txn(r);
    weir_txn_unwatch(txn);
    (void) redis_send(r->watch, txn, (uint64_t) r->conf->redis.timeout, NULL,
                      NULL);
}


/* Somebody else has decided, or has taken over.  What is final is dropped;
 * what another delivery runs is not ours to touch. */

static void
retry_not_ours(retry_t *t, job_t *job, bool final)
{
    runner_t  *r;

    r = t->runner;
    retry_unwatch(t);

    if (final) {
        counters_add(r->counters, fenced, 1);
        claim_drop(job, true);

    } else {
        job_release(job);
    }

    retry_next(t);
}


static void
retry_on_watch(void *data, const weir_answer_t *answer)
{
    job_t       *job;
    retry_t     *t;
    runner_t    *r;
    weir_txn_t  *txn;

    t = data;
    r = t->runner;
    job = t->busy;
    t->waiting = false;

    if (job == NULL) {                      /* given up meanwhile */
        retry_unwatch(t);
        retry_next(t);
        return;
    }

    if (answer->code != WEIR_ANSWER_OK) {
        t->busy = NULL;
        retry_later(t, answer);
        return;
    }

    FAULT("retry_watched");

    if (!weir_txn_retry_ours(answer, job->gen, job->deliveries)) {
        t->busy = NULL;
        retry_not_ours(t, job, weir_txn_retry_final(answer));
        return;
    }

    txn = runner_txn(r);
    weir_txn_retry(txn, RUNNER_SHARD, job->run, job->class, job->entry,
                   job->gen + 1, job->due, job->failures + 1,
                   weir_failure_name(job->outcome.error.kind),
                   weir_str_of(job->outcome.error.message));

    if (redis_send(r->watch, txn, (uint64_t) r->conf->redis.timeout,
                   retry_on_exec, t) != 0)
    {
        t->busy = NULL;
        return;
    }

    t->waiting = true;
}


static void
retry_next(void *data)
{
    job_t       *job;
    retry_t     *t;
    runner_t    *r;
    weir_txn_t  *txn;

    t = data;
    r = t->runner;

    if (t->waiting || !redis_is_up(r->watch)) {
        return;
    }

    job = jobs_first(r->jobs, JOB_RETRYING);

    if (job == NULL) {
        return;
    }

    txn = runner_txn(r);
    weir_txn_retry_watch(txn, RUNNER_SHARD, job->run, job->entry);

    if (redis_send(r->watch, txn, (uint64_t) r->conf->redis.timeout,
                   retry_on_watch, t) == 0)
    {
        t->busy = job;
        t->waiting = true;
    }
}


void
retry_job(job_t *job, int64_t wait)
{
    runner_t  *r;

    r = job->runner;

    job->due = runner_now(r) + wait;
    job_move(job, JOB_RETRYING);

    retry_next(r->retry);
}


retry_t *
retry_create(runner_t *r)
{
    retry_t  *t;

    t = mem_alloc(sizeof(retry_t));
    t->runner = r;
    t->again.fn = retry_next;
    t->again.data = t;

    return t;
}


void
retry_destroy(retry_t **tp)
{
    retry_t  *t;

    t = *tp;
    *tp = NULL;

    loop_timer_stop(t->runner->loop, &t->again);
    free(t);
}


void
retry_on_up(retry_t *t)
{
    retry_next(t);
}


void
retry_forget(retry_t *t, const job_t *job)
{
    if (t->busy == job) {
        t->busy = NULL;
    }
}
