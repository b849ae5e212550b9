/*
 * Finishing: one transaction that may be repeated decides a run; whoever wins
 * it tells the mailboxes.  A result whose finish was not answered is kept and
 * sent again until it is, so that an outage of Redis costs time and no calls.
 * If another may have the run by then, fence.c writes it.
 */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"
#include "weir_txn_events.h"


#define FINISH_AGAIN  500       /* ms, after "later" */


struct finish_s {
    runner_t      *runner;
    loop_timer_t   again;
};


/* a run past its deadline that nobody holds */

typedef struct {
    runner_t      *runner;
    char           run[WEIR_ID_LEN + 1];
    int64_t        now;
} finish_overdue_t;


void
finish_put_off(job_t *job, bool later)
{
    finish_t  *f;

    f = job->runner->finish;
    job_move(job, JOB_PARKED);

    if (later && f && f->again.node.place == 0) {
        loop_timer_set(job->runner->loop, &f->again, FINISH_AGAIN);
    }
}


void
finish_count_used(const job_t *job)
{
    counters_t  *c;

    c = job->runner->counters;

    counters_add(c, input_tokens, job->outcome.input_tokens);
    counters_add(c, output_tokens, job->outcome.output_tokens);
    counters_add(c, cost, job->outcome.cost);
}


static void
finish_count(runner_t *r, weir_state_e state)
{
    switch (state) {

    case WEIR_COMPLETED:
        counters_add(r->counters, completed, 1);
        break;

    case WEIR_FAILED:
        counters_add(r->counters, failed, 1);
        break;

    case WEIR_CANCELLED:
        counters_add(r->counters, cancelled, 1);
        break;

    default: /* WEIR_EXPIRED */
        counters_add(r->counters, expired, 1);
        break;
    }
}


void
finish_tell(runner_t *r, const weir_finish_t *f, const weir_reply_t *mailboxes,
    weir_str_t outcome)
{
    char         fin[64], mailbox[WEIR_MAILBOX_LEN + 1];
    size_t       i;
    weir_str_t   name;
    weir_txn_t  *t;

    if (f->asker == NULL) {
        finish_count(r, f->state);
        settle_kick(r->settle, f->run);
    }

    if (f->ask) {
        askers_kick(r->askers, f->run, outcome);
    }

    if (f->hook) {
        webhook_kick(r->webhook);
    }

    if (weir_reply_count(mailboxes) == 0) {
        return;
    }

    snprintf(fin, sizeof(fin), "%s:%s", weir_state_name(f->state), f->token);
    t = runner_txn(r);

    for (i = 0; i < weir_reply_count(mailboxes); i++) {
        name = weir_reply_str(weir_reply_at(mailboxes, i));

        if (name.len == WEIR_MAILBOX_LEN) {
            memcpy(mailbox, name.data, name.len);
            mailbox[name.len] = '\0';
            weir_txn_mail(t, mailbox, f->run, fin, f->now,
                          f->last ? f->last : "", outcome);
            counters_add(r->counters, mails, 1);
        }
    }

    /* a message may be lost: those who wait look again */

    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, NULL, NULL);
    FAULT_SENT("mail_sent");
}


void
finish_fill(const job_t *job, weir_finish_t *f)
{
    memset(f, 0, sizeof(weir_finish_t));

    f->shard = RUNNER_SHARD;
    f->run = job->run;
    f->job = job->job;
    f->class = job->class;
    f->entry = job->entry;
    f->state = job->end;
    f->token = job->end_token;
    f->now = job->end_at;
    f->ttl = job->ttl;
    f->records = job->records;
    f->owner = weir_str_of(job->owner);
    f->hook = job->hook;
    f->dead = job->dead;
    f->input_tokens = job->outcome.input_tokens;
    f->output_tokens = job->outcome.output_tokens;
    f->cost = job->outcome.cost;
    f->by = job->used && job->end == WEIR_EXPIRED ? job->token : NULL;
    f->outcome = (weir_str_t) { job->document.data, job->document.len };
    f->ask = job->ask[0] ? job->ask : NULL;
    f->answer = (weir_str_t) { job->answer.data, job->answer.len };
    f->answer_ms = job->answer_until - runner_now(job->runner);
    f->answer_nx = (job->answer_kind == WEIR_KIND_FAILED);
    f->while_read = job->while_read;
}


static void
finish_log(const job_t *job, const char *event)
{
    weir_str_t  trace;

    trace = job_trace_id(job);

    LOG(LOG_INFO, event, log_text("job", job->name),
        log_text("request", job->request_id), log_text("model", job->model),
        log_text("state", weir_state_name(job->end)),
        log_num("attempt", job->failures + job->deliveries - job->back),
        log_num("ms", (long long) (loop_now(job->runner->loop) - job->begun)),
        log_str(trace.len ? "trace" : NULL, trace));
}


/* Who ended it has asked nobody: what it took was not in vain, but lost. */

static bool
finish_was_cut(const weir_answer_t *answer)
{
    weir_str_t    token;
    weir_state_e  state;

    return weir_fin_parse(weir_txn_cancel_fin(answer), &state, &token)
           && !weir_token_has_outcome(token);
}


static void
finish_on_ok(job_t *job, const weir_answer_t *answer)
{
    char                 last[WEIR_EVENT_ID_MAX];
    runner_t            *r;
    weir_finish_t        f;
    const weir_reply_t  *mailboxes;

    r = job->runner;
    finish_fill(job, &f);
    answer_count(job);                  /* a loser's is one, too */

    if (weir_txn_finish_won(answer, &f, &mailboxes)) {
        feed_won(job, last);
        f.last = last;
        finish_tell(r, &f, mailboxes, f.outcome);
        finish_log(job, "job_finished");

        if (job->end != WEIR_FAILED) {
            finish_count_used(job);
        }

    } else {
        counters_add(r->counters, fenced, 1);
        finish_log(job, "job_fenced");

        if (finish_was_cut(answer)) {
            finish_count_used(job);
        }
    }

    job_release(job);
}


void
finish_fenced(job_t *job, bool final)
{
    counters_add(job->runner->counters, fenced, 1);
    finish_log(job, "job_fenced");

    if (final) {
        claim_drop(job, true);

    } else {
        job_release(job);
    }
}


bool
finish_is(const job_t *job, weir_str_t fin)
{
    char  own[64];

    snprintf(own, sizeof(own), "%s:%s", weir_state_name(job->end),
             job->end_token);

    return weir_str_eq(fin, weir_str_of(own));
}


void
finish_answer(job_t *job, const weir_answer_t *answer)
{
    runner_t  *r;

    r = job->runner;

    switch (answer->code) {

    case WEIR_ANSWER_OK:
        FAULT("finish_answered");
        finish_on_ok(job, answer);
        return;

    case WEIR_ANSWER_LOST:
        finish_put_off(job, false);
        return;

    case WEIR_ANSWER_ERROR:
        LOG(LOG_ERROR, "finish_failed", log_text("job", job->name),
            log_str("reason", answer->error));

        if (++job->errors * FINISH_AGAIN < r->conf->worker.lease) {
            finish_put_off(job, true);
            return;
        }

        /* the records are broken; the deadline decides this run */

        counters_add(r->counters, abandoned, 1);
        LOG(LOG_ERROR, "result_abandoned", log_text("job", job->name),
            log_text("reason", "Redis keeps refusing it"));
        claim_drop(job, false);
        return;

    default: /* LATER, DENIED, ABORTED */
        LOG(LOG_WARN, "finish_later", log_text("job", job->name),
            log_str("reason", answer->error));

        /* where there is no room, the result goes first */

        if (answer->error.len >= 3 && memcmp(answer->error.data, "OOM", 3) == 0)
        {
            answer_drop(job);
        }

        finish_put_off(job, true);
        return;
    }
}


static void
finish_on_answer(void *data, const weir_answer_t *answer)
{
    finish_answer(data, answer);
}


void
finish_add(const job_t *job, weir_txn_t *t)
{
    weir_finish_t  f;

    finish_fill(job, &f);
    weir_txn_finish(t, &f);
}


void
finish_now(job_t *job)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = job->runner;
    job_move(job, JOB_FINISHING);

    t = runner_txn(r);
    finish_add(job, t);

    if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                   finish_on_answer, job) != 0)
    {
        finish_put_off(job, redis_is_up(r->cmd));
        return;
    }

    FAULT_SENT("finish_sent");
}


static void
finish_send(job_t *job)
{
    if (job->cut) {
        claim_drop(job, true);
        return;
    }

    answer_send(job);

    /* another may have it by now, and be at it: a result that comes late must
     * not cut that one short */

    if (lease_in_doubt(job)) {
        fence_finish(job);

    } else {
        finish_now(job);
    }
}


static void
finish_send_parked(void *data)
{
    job_t     *job;
    size_t     n;
    runner_t  *r;
    finish_t  *f;

    f = data;
    r = f->runner;

    /* those that are parked again by this pass stand behind */

    for (n = jobs_count(r->jobs, JOB_PARKED); n > 0; n--) {
        job = jobs_first(r->jobs, JOB_PARKED);

        if (job == NULL || !redis_is_up(r->cmd)) {
            return;
        }

        finish_send(job);
    }
}


static void
finish_write(job_t *job)
{
    weir_outcome_t  *o;

    o = &job->outcome;

    if (o->model.len == 0) {
        o->model = weir_str_of(job->model);
    }

    o->state = job->end;
    o->started = job->started;
    o->finished = job->end_at;
    o->attempts = job->failures + job->deliveries - job->back;

    weir_buf_reset(&job->document);
    (void) weir_outcome_write(o, &job->document);
}


static void
finish_decide(job_t *job, weir_state_e state, const char *token)
{
    job->end = state;
    job->end_at = runner_now(job->runner);
    snprintf(job->end_token, sizeof(job->end_token), "%s", token);

    weir_buf_reset(&job->document);
}


void
finish_with(job_t *job, weir_str_t document)
{
    finish_decide(job, WEIR_COMPLETED, job->token);

    weir_buf_str(&job->document, document);
    mem_check(job->document.failed);
    answer_make(job);

    finish_send(job);
}


void
finish_job(job_t *job, weir_state_e state, const char *token)
{
    finish_decide(job, state, token);

    if (weir_token_has_outcome(weir_str_of(token))) {
        finish_write(job);
    }

    if (job->document.failed) {

        /* no memory would have been fatal before */

        weir_outcome_free(&job->outcome);
        weir_failure_set(&job->outcome.error, WEIR_FAIL_UPSTREAM,
                         "the provider's reply is too large");
        job->end = WEIR_FAILED;
        finish_write(job);
        mem_check(job->document.failed);
    }

    answer_make(job);
    finish_send(job);
}


void
finish_failed(job_t *job)
{
    finish_job(job, WEIR_FAILED, job->token);
}


/* overdue */

static void
finish_fill_overdue(const finish_overdue_t *o, weir_finish_t *f)
{
    memset(f, 0, sizeof(weir_finish_t));

    f->shard = RUNNER_SHARD;
    f->run = o->run;
    f->job = o->run;
    f->state = WEIR_EXPIRED;
    f->token = WEIR_TOKEN_REAPER;
    f->now = o->now;
    f->ttl = WEIR_TTL_RECORDS;
    f->hook = true;             /* if it has one, who sends it will know */
}


static void
finish_on_overdue(void *data, const weir_answer_t *answer)
{
    weir_finish_t        f;
    finish_overdue_t    *o;
    const weir_reply_t  *mailboxes;

    o = data;
    finish_fill_overdue(o, &f);

    if (weir_txn_finish_won(answer, &f, &mailboxes)) {
        finish_tell(o->runner, &f, mailboxes, f.outcome);
        LOG(LOG_INFO, "run_expired", log_text("run", o->run));
    }

    free(o);
}


void
finish_overdue(runner_t *r, const char *run)
{
    weir_txn_t        *t;
    weir_finish_t      f;
    finish_overdue_t  *o;

    o = mem_alloc(sizeof(finish_overdue_t));
    o->runner = r;
    o->now = runner_now(r);
    snprintf(o->run, sizeof(o->run), "%s", run);

    finish_fill_overdue(o, &f);
    t = runner_txn(r);
    weir_txn_finish(t, &f);

    if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                   finish_on_overdue, o) != 0)
    {
        free(o);                /* the next look finds it again */
    }
}


finish_t *
finish_create(runner_t *r)
{
    finish_t  *f;

    f = mem_alloc(sizeof(finish_t));
    f->runner = r;
    f->again.fn = finish_send_parked;
    f->again.data = f;

    return f;
}


static void
finish_abandon(runner_t *r, job_state_e state)
{
    job_t  *job;

    for (job = jobs_first(r->jobs, state); job; job = job->next) {
        counters_add(r->counters, abandoned, 1);
        LOG(LOG_ERROR, "result_abandoned", log_text("job", job->name),
            log_text("reason", "no answer of Redis before leaving"));
    }
}


void
finish_destroy(finish_t **fp)
{
    runner_t  *r;
    finish_t  *f;

    f = *fp;
    r = f->runner;
    *fp = NULL;

    finish_abandon(r, JOB_PARKED);
    finish_abandon(r, JOB_DOUBTED);

    loop_timer_stop(r->loop, &f->again);
    free(f);
}


void
finish_on_up(finish_t *f)
{
    finish_send_parked(f);
}
