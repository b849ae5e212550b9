/*
 * Transactions under WATCH: what may be done only while the run is still ours.
 * A run that is to be tried again is put off into the delayed set as its next
 * generation.  A result is written here if most of its lease has passed since
 * Redis last called the run ours, because this process or Redis stood still:
 * another may have it by now.
 *
 * WATCH belongs to a connection: all of them go one after the other over one of
 * their own.
 */

#include "runner.h"

#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define FENCE_AGAIN  500        /* ms, after "later" */


struct fence_s {
    runner_t      *runner;
    job_t         *busy;        /* in a transaction; NULL: forgotten since */
    bool           waiting;     /* for an answer */
    loop_timer_t   again;
};


static void fence_next(void *data);


static void
fence_later(fence_t *f, const weir_answer_t *answer)
{
    if (answer->code == WEIR_ANSWER_LOST) {
        return;                             /* fence_on_up() goes on */
    }

    LOG(LOG_WARN, "retry_later", log_str("reason", answer->error));
    loop_timer_set(f->runner->loop, &f->again, FENCE_AGAIN);
}


/* false: not connected */

static bool
fence_send(fence_t *f, weir_txn_t *t, weir_answer_pt fn)
{
    runner_t  *r;

    r = f->runner;

    return redis_send(r->watch, t, (uint64_t) r->conf->redis.timeout, fn, f)
           == 0;
}


static void
fence_unwatch(fence_t *f)
{
    weir_txn_t  *t;

    t = runner_txn(f->runner);
    weir_txn_unwatch(t);
    (void) fence_send(f, t, NULL);
}


static void
fence_on_exec(void *data, const weir_answer_t *answer)
{
    job_t    *job;
    fence_t  *f;

    f = data;
    job = f->busy;
    f->busy = NULL;
    f->waiting = false;

    if (job == NULL || answer->code == WEIR_ANSWER_ABORTED) {
        fence_next(f);                      /* looks at it again */
        return;
    }

    if (job->state == JOB_DOUBTED) {
        if (answer->code != WEIR_ANSWER_LOST) {
            finish_answer(job, answer);
            fence_next(f);
        }

        return;
    }

    if (answer->code != WEIR_ANSWER_OK) {
        fence_later(f, answer);
        return;
    }

    FAULT("retry_executed");
    counters_add(f->runner->counters, retried, 1);
    reaper_expect(f->runner->reaper, job->due);
    job_release(job);
    fence_next(f);
}


/* Somebody else has decided, or has taken over.  What is final is dropped;
 * what another delivery runs is not ours to touch. */

static void
fence_not_ours(job_t *job, weir_str_t fin)
{
    if (job->state == JOB_DOUBTED) {
        if (finish_is(job, fin)) {
            finish_now(job);                /* it was done, and not answered */

        } else {
            finish_fenced(job, fin.len > 0);
        }

        return;
    }

    if (fin.len) {
        counters_add(job->runner->counters, fenced, 1);
        claim_drop(job, true);

    } else {
        job_release(job);
    }
}


static void
fence_on_watch(void *data, const weir_answer_t *answer)
{
    job_t       *job;
    fence_t     *f;
    weir_txn_t  *t;

    f = data;
    job = f->busy;
    f->waiting = false;

    if (job == NULL) {                      /* given up meanwhile */
        fence_unwatch(f);
        fence_next(f);
        return;
    }

    if (answer->code != WEIR_ANSWER_OK) {
        f->busy = NULL;
        fence_later(f, answer);
        return;
    }

    if (!weir_txn_retry_ours(answer, job->gen, job->deliveries)) {
        f->busy = NULL;
        fence_unwatch(f);
        fence_not_ours(job, weir_txn_retry_fin(answer));
        fence_next(f);
        return;
    }

    FAULT("retry_watched");
    t = runner_txn(f->runner);

    if (job->state == JOB_DOUBTED) {
        finish_add(job, t);

    } else {
        weir_txn_retry(t, RUNNER_SHARD, job->run, job->class, job->entry,
                       job->gen + 1, job->due, job->failures + 1, job->back,
                       weir_failure_name(job->outcome.error.kind),
                       weir_str_of(job->outcome.error.message));
    }

    f->waiting = fence_send(f, t, fence_on_exec);

    if (!f->waiting) {
        f->busy = NULL;
    }
}


/* Results first: they are all that is left to do. */

static job_t *
fence_choose(fence_t *f)
{
    job_t  *job;

    while ((job = jobs_first(f->runner->jobs, JOB_DOUBTED)) != NULL) {
        if (lease_in_doubt(job)) {
            return job;
        }

        finish_now(job);                    /* renewed meanwhile */
    }

    return jobs_first(f->runner->jobs, JOB_RETRYING);
}


static void
fence_next(void *data)
{
    job_t       *job;
    fence_t     *f;
    weir_txn_t  *t;

    f = data;

    if (f->waiting || !redis_is_up(f->runner->watch)) {
        return;
    }

    job = fence_choose(f);

    if (job == NULL) {
        return;
    }

    t = runner_txn(f->runner);
    weir_txn_retry_watch(t, RUNNER_SHARD, job->run, job->entry);

    f->waiting = fence_send(f, t, fence_on_watch);

    if (f->waiting) {
        f->busy = job;
    }
}


void
fence_retry(job_t *job, int64_t wait)
{
    runner_t  *r;

    r = job->runner;

    job->due = runner_now(r) + wait;
    job_move(job, JOB_RETRYING);

    fence_next(r->fence);
}


void
fence_finish(job_t *job)
{
    job_move(job, JOB_DOUBTED);
    fence_next(job->runner->fence);
}


fence_t *
fence_create(runner_t *r)
{
    fence_t  *f;

    f = mem_alloc(sizeof(fence_t));
    f->runner = r;
    f->again.fn = fence_next;
    f->again.data = f;

    return f;
}


void
fence_destroy(fence_t **fp)
{
    fence_t  *f;

    f = *fp;
    *fp = NULL;

    loop_timer_stop(f->runner->loop, &f->again);
    free(f);
}


void
fence_on_up(fence_t *f)
{
    fence_next(f);
}


void
fence_forget(fence_t *f, const job_t *job)
{
    if (f->busy == job) {
        f->busy = NULL;
    }
}
