/*
 * What happens to a job that exists: look, wait, fetch its outcome, answer.
 * Owns those steps; submission and the form of answers are elsewhere.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_OUTCOME_PAUSE  250        /* ms, between tries */
#define NGX_HTTP_WEIR_OUTCOME_TIME   60000      /* ms, of one try */
#define NGX_HTTP_WEIR_STREAM_TIME    3600000    /* ms, and once more */


static const ngx_http_weir_step_t *ngx_http_weir_look_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_look_run_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_unavailable_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_not_found_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_wait_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_wait_over_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_accepted_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_outcome_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_no_outcome_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_answer_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_look = {
    "look", ngx_http_weir_look_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_look_run = {
    "look at the run", ngx_http_weir_look_run_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_unavailable = {
    "unavailable", ngx_http_weir_unavailable_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_not_found = {
    "not found", ngx_http_weir_not_found_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_wait = {
    "wait", ngx_http_weir_wait_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_released = {
    "wait over", ngx_http_weir_wait_over_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_accepted = {
    "accepted", ngx_http_weir_accepted_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_outcome = {
    "outcome", ngx_http_weir_outcome_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_no_outcome = {
    "no outcome", ngx_http_weir_no_outcome_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_answer = {
    "answer", ngx_http_weir_answer_run
};

/* Sends what stands in the process's scratch unit.  Without a connection it
 * waits for one, if that is hopeful, and runs "again"; "failed" is for all that
 * ends without an answer. */

const ngx_http_weir_step_t *
ngx_http_weir_ask(ngx_http_weir_ctx_t *ctx, ngx_http_weir_answer_pt handler,
    ngx_msec_t timeout, const ngx_http_weir_step_t *again,
    const ngx_http_weir_step_t *failed)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    if (ngx_http_weir_call(ctx, &p->txn, handler) == NGX_OK) {
        return ngx_http_weir_park(ctx, timeout, failed);
    }

    if (!ngx_http_weir_redis_hopeful(&p->cmd)) {
        return failed;
    }

    ngx_http_weir_hold(ctx, again);

    return ngx_http_weir_park(ctx, p->conf->redis.connect_timeout, failed);
}


static const ngx_http_weir_step_t *
ngx_http_weir_unavailable_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ngx_http_weir_forget(ctx);
    ngx_http_weir_wait_remove(ctx);
    ctx->status = "UNAVAILABLE";

    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE, ctx->lost
                     ? "the queue has lost the job"
                     : "the state of the job cannot be read now");
    f.retry_after = 1;

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


static const ngx_http_weir_step_t *
ngx_http_weir_not_found_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ngx_http_weir_wait_remove(ctx);
    ctx->has_job = 0;
    ctx->status = "NOT_FOUND";

    weir_failure_set(&f, WEIR_FAIL_NOT_FOUND, "there is no such %s",
                     ctx->response ? "response" : "job");

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


/* look */

const ngx_http_weir_step_t *
ngx_http_weir_job_start(ngx_http_weir_ctx_t *ctx)
{
    weir_str_t  id;

    ngx_http_weir_request_prefer(ctx);

    if (!weir_job_id_parse(ngx_http_weir_str(ctx->tail), &id,
                           &ctx->job.shard))
    {
        return &ngx_http_weir_step_not_found;
    }

    ngx_memcpy(ctx->job.id, id.data, id.len);
    ctx->job.id[id.len] = '\0';

    if (ctx->request->method != NGX_HTTP_DELETE && ctx->prefer.wait > 0) {
        ctx->poll = 1;
        ctx->wait_end = ngx_current_msec
                        + (ngx_msec_t) ctx->prefer.wait * 1000;
    }

    return &ngx_http_weir_step_look;
}


static const ngx_http_weir_step_t *
ngx_http_weir_look_decide(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->response
        && (ctx->detached
            || !(ctx->request->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))))
    {
        return &ngx_http_weir_step_response;
    }

    if (ctx->request->method == NGX_HTTP_DELETE) {
        return &ngx_http_weir_step_cancel;
    }

    if (ctx->entries) {
        return &ngx_http_weir_step_events;
    }

    if (weir_state_is_final(ctx->job.state)) {
        ngx_http_weir_wait_remove(ctx);
        return &ngx_http_weir_step_outcome;
    }

    if (ctx->waiting) {
        return &ngx_http_weir_step_wait;
    }

    /* the asker may wait: look again, as one of those who are told.  Full:
     * answered at once, which a poll allows. */

    if (ctx->poll && ngx_http_weir_wait_add(ctx) == NGX_OK) {
        return &ngx_http_weir_step_look;
    }

    return &ngx_http_weir_step_answer;
}


static void
ngx_http_weir_job_run(ngx_http_weir_job_t *to, const weir_job_t *job)
{
    to->run[0] = '\0';

    if (job->run.len == WEIR_ID_LEN
        && !weir_str_eq(job->run, weir_str_of(to->id)))
    {
        ngx_memcpy(to->run, job->run.data, WEIR_ID_LEN);
        to->run[WEIR_ID_LEN] = '\0';
    }
}


/* What a look found, into the context: strings into the pool. */

ngx_int_t
ngx_http_weir_job_take(ngx_http_weir_ctx_t *ctx, const weir_job_t *job,
    const weir_run_t *run)
{
    ngx_pool_t           *pool;
    ngx_http_weir_job_t  *to;

    to = &ctx->job;
    pool = ctx->request->pool;

    ctx->has_job = 1;
    to->state = run->state;
    to->created = job->created;
    to->started = run->started;
    to->finished = run->fin_at;
    to->asked = run->asked;
    to->run_at = run->run_at;
    to->deadline = run->deadline;
    to->attempts = run->attempts;
    to->hook = (job->hook_url.len > 0);

    ngx_http_weir_job_run(to, job);

    ngx_snprintf((u_char *) to->token, sizeof(to->token), "%*s%Z",
                 run->token.len, run->token.data ? run->token.data : "");

    if (ngx_http_weir_copy(pool, &to->model, job->model) != NGX_OK
        || ngx_http_weir_copy(pool, &to->metadata, job->metadata) != NGX_OK
        || ngx_http_weir_copy(pool, &to->kind, run->kind) != NGX_OK
        || ngx_http_weir_copy(pool, &to->error, run->error) != NGX_OK
        || ngx_http_weir_copy(pool, &to->part, job->part) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Of a job whose run others ask for too, the run says when it was asked for,
 * and of its tries.  The job ends when it is told, a moment later. */

static ngx_int_t
ngx_http_weir_run_take(ngx_http_weir_ctx_t *ctx, const weir_run_t *run)
{
    ngx_pool_t           *pool;
    ngx_http_weir_job_t  *to;

    to = &ctx->job;
    pool = ctx->request->pool;

    to->asked = run->created ? run->created : to->asked;

    if (weir_str_eq(ngx_http_weir_str(to->part), weir_str(WEIR_PART_HIT))) {
        return NGX_OK;
    }

    to->started = run->started;
    to->attempts = run->attempts;

    if (!weir_state_is_final(to->state) && run->state != WEIR_QUEUED) {
        to->state = WEIR_IN_PROGRESS;
    }

    if (ngx_http_weir_copy(pool, &to->kind, run->kind) != NGX_OK
        || ngx_http_weir_copy(pool, &to->error, run->error) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_weir_look_run_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_job_t                   job;
    weir_run_t                   run;
    const ngx_http_weir_step_t  *next;

    next = &ngx_http_weir_step_unavailable;

    if (weir_txn_look_read(a, &job, &run)
        && (!run.found || ngx_http_weir_run_take(ctx, &run) == NGX_OK))
    {
        next = ngx_http_weir_look_decide(ctx);
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_look_run_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_look(&p->txn, ctx->job.shard, ctx->job.run, NULL);

    return ngx_http_weir_ask(ctx, ngx_http_weir_look_run_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_look_run,
                             &ngx_http_weir_step_unavailable);
}


/* A job is a response if it was kept what that repeats. */

static ngx_int_t
ngx_http_weir_look_echo(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_str_t  echo;

    if (!ctx->response) {
        return NGX_OK;
    }

    echo = weir_txn_look_echo(a);

    if (echo.len == 0) {
        return NGX_DECLINED;
    }

    return ngx_http_weir_copy(ctx->request->pool, &ctx->job.echo, echo);
}


static void
ngx_http_weir_look_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_int_t                    rc;
    weir_job_t                   job;
    weir_run_t                   run;
    const ngx_http_weir_step_t  *next;

    if (!weir_txn_look_read(a, &job, &run)) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_unavailable);
        return;
    }

    rc = ngx_http_weir_look_echo(ctx, a);

    /* the record of a question's run is nobody's job */

    if (!job.found || !run.found || job.ask.len || rc == NGX_DECLINED
        || !weir_str_eq(job.owner, ngx_http_weir_str(ctx->visit->owner)))
    {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_not_found);
        return;
    }

    next = rc != NGX_OK || ngx_http_weir_job_take(ctx, &job, &run) != NGX_OK
           ? &ngx_http_weir_step_unavailable
           : ctx->job.run[0] ? &ngx_http_weir_step_look_run
                             : ngx_http_weir_look_decide(ctx);

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_look_run(ngx_http_weir_ctx_t *ctx)
{
    void                    (*look)(weir_txn_t *t, unsigned shard,
                                    const char *id, const char *mailbox);
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    look = ctx->response ? weir_txn_look_response : weir_txn_look;

    weir_txn_reset(&p->txn);
    look(&p->txn, ctx->job.shard, ctx->job.id,
         ctx->waiting ? p->mailbox : NULL);

    return ngx_http_weir_ask(ctx, ngx_http_weir_look_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_look,
                             &ngx_http_weir_step_unavailable);
}


/* wait */

static const ngx_http_weir_step_t *
ngx_http_weir_wait_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_msec_int_t  left;

    left = (ngx_msec_int_t) (ctx->wait_end - ngx_current_msec);

    if (left <= 0 || (ctx->poll && ctx->process->leaving)) {
        return &ngx_http_weir_step_released;
    }

    ctx->recheck = 1;

    if (ngx_http_weir_reader_join(ctx) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    return ngx_http_weir_park(ctx, left, &ngx_http_weir_step_released);
}


static const ngx_http_weir_step_t *
ngx_http_weir_wait_over_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    if (ctx->entries) {
        return ngx_http_weir_events_leave(ctx);
    }

    if (ctx->detached || ngx_http_weir_streamed(ctx)) {     /* not silent */
        ctx->wait_end = ngx_current_msec + NGX_HTTP_WEIR_STREAM_TIME;
        return &ngx_http_weir_step_wait;
    }

    if (ngx_http_weir_jobless(ctx)) {
        return &ngx_http_weir_step_wait_late;
    }

    ngx_http_weir_wait_remove(ctx);
    ngx_http_weir_count(ctx->process, timed_out);

    if (ctx->request->method != NGX_HTTP_POST) {
        ctx->poll = 0;
        return &ngx_http_weir_step_look;        /* as it is now */
    }

    if (ctx->dialect == WEIR_DIALECT_PROBLEM) {
        return &ngx_http_weir_step_accepted;
    }

    ctx->status = "TIMEOUT";

    if (ctx->brief) {
        weir_failure_set(&f, WEIR_FAIL_TIMEOUT, "the answer did not begin in "
                         "time; it can be asked for again");

        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
    }

    weir_failure_set(&f, WEIR_FAIL_TIMEOUT, "the answer is not ready yet; it "
                     "can be fetched as %s%s",
                     ctx->stored ? "resp_" : WEIR_JOB_PREFIX, ctx->job.id);

    /* asked again it would run again */

    (void) ngx_http_weir_header_text(ctx->request, "x-should-retry", "false");

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


static const ngx_http_weir_step_t *
ngx_http_weir_accepted_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->background) {
        return ngx_http_weir_done(ctx, ngx_http_weir_responses_send(ctx));
    }

    if (ngx_http_weir_header_text(r, "Location", "%V/v1/jobs/"
                                  WEIR_JOB_PREFIX "%s",
                                  ngx_http_weir_prefix(r), ctx->job.id)
        != NGX_OK
        || ngx_http_weir_header_text(r, "Retry-After", "1") != NGX_OK)
    {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    if (ctx->prefer.async
        && ngx_http_weir_header_text(r, "Preference-Applied", "respond-async")
           != NGX_OK)
    {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    return ngx_http_weir_done(ctx, ngx_http_weir_send_job(ctx,
                                                          NGX_HTTP_ACCEPTED));
}


/* outcome */

static void
ngx_http_weir_outcome_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_str_t  text;

    if (a->code != WEIR_ANSWER_OK) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_no_outcome);
        return;
    }

    text = weir_reply_str(a->reply);

    if (text.len && weir_outcome_read(&ctx->outcome, text) != 0) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "weir: the outcome of " WEIR_JOB_PREFIX "%s is no "
                      "outcome document", ctx->job.id);
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_answer);
}


/* The run is done, so "try again" would run it a second time: ask for its
 * outcome until the wait is over. */

static const ngx_http_weir_step_t *
ngx_http_weir_no_outcome_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_msec_int_t  left;

    ngx_http_weir_forget(ctx);

    if (ctx->request->method != NGX_HTTP_POST) {
        return &ngx_http_weir_step_unavailable;
    }

    left = (ngx_msec_int_t) (ctx->wait_end - ngx_current_msec);

    if (left <= 0) {
        return ngx_http_weir_streamed(ctx) ? &ngx_http_weir_step_unavailable
                                           : &ngx_http_weir_step_released;
    }

    return ngx_http_weir_park(ctx, ngx_min(left, NGX_HTTP_WEIR_OUTCOME_PAUSE),
                              &ngx_http_weir_step_outcome);
}


static const ngx_http_weir_step_t *
ngx_http_weir_outcome_run(ngx_http_weir_ctx_t *ctx)
{
    weir_str_t                   token;
    ngx_http_weir_process_t     *p;
    const ngx_http_weir_step_t  *next;

    if (ctx->reader && !ngx_http_weir_reader_settled(ctx)) {
        return ngx_http_weir_reader_settle(ctx);
    }

    if (ctx->lost) {
        next = ngx_http_weir_ask_answered(ctx);
        return next ? next : &ngx_http_weir_step_unavailable;
    }

    ctx->has_job = !ngx_http_weir_jobless(ctx);
    token = weir_str_of(ctx->job.token);

    if (ctx->outcome.doc || !weir_token_has_outcome(token)
        || ngx_http_weir_reader_whole(ctx))
    {
        return &ngx_http_weir_step_answer;
    }

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_outcome(&p->txn, ctx->job.shard, ngx_http_weir_run_id(&ctx->job),
                     token);

    /* a large one may take long; the connection is watched for progress */

    return ngx_http_weir_ask(ctx, ngx_http_weir_outcome_answer,
                             NGX_HTTP_WEIR_OUTCOME_TIME,
                             &ngx_http_weir_step_outcome,
                             &ngx_http_weir_step_no_outcome);
}


/* A key's earlier request was told to ask again: it has, and is not told the
 * same once more. */

static ngx_uint_t
ngx_http_weir_answer_is_stale(ngx_http_weir_ctx_t *ctx)
{
    if (!ctx->replayed || !ctx->ended || ctx->background
        || ctx->dialect == WEIR_DIALECT_PROBLEM)
    {
        return 0;
    }

    return ctx->job.state == WEIR_EXPIRED
           || (ctx->job.state == WEIR_FAILED && ctx->outcome.doc
               && weir_failure_may_retry(ctx->outcome.error.kind));
}


static const ngx_http_weir_step_t *
ngx_http_weir_answer_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t                    rc;
    const ngx_http_weir_step_t  *next;
    static const char           *status[] = {
        "QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "EXPIRED"
    };

    ctx->status = status[ctx->job.state];

    if (ngx_http_weir_answer_is_stale(ctx)) {
        return ngx_http_weir_admit_again(ctx);
    }

    next = ngx_http_weir_ask_answered(ctx);

    if (next) {
        return next;
    }

    /* what was stored took no time */

    if (ctx->outcome.doc
        && !weir_str_eq(ngx_http_weir_str(ctx->job.part),
                        weir_str(WEIR_PART_HIT)))
    {
        ctx->job.started = ctx->outcome.started;
        ctx->job.finished = ctx->outcome.finished;
        ctx->job.attempts = ctx->outcome.attempts;
    }

    if (ctx->entries) {
        rc = ngx_http_weir_events_answer(ctx);

    } else if (ctx->response || ctx->background) {
        rc = ngx_http_weir_responses_send(ctx);

    } else if (ctx->dialect == WEIR_DIALECT_PROBLEM) {

        if (ctx->prefer.waits && ctx->request->method == NGX_HTTP_POST) {
            (void) ngx_http_weir_header_text(ctx->request,
                                             "Preference-Applied", "wait=%L",
                                             ctx->prefer.wait);
        }

        rc = ngx_http_weir_send_job(ctx, NGX_HTTP_OK);

    } else {
        rc = ngx_http_weir_send_outcome(ctx);
    }

    return ngx_http_weir_done(ctx, rc);
}
