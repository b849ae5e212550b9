/*
 * What happens to a job that exists: wait, fetch its outcome, answer.  Owns
 * those steps; submission, looks and the form of answers are elsewhere.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_OUTCOME_PAUSE  250        /* ms, between tries */
#define NGX_HTTP_WEIR_OUTCOME_TIME   60000      /* ms, of one try */
#define NGX_HTTP_WEIR_STREAM_TIME    3600000    /* ms, and once more */


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

    if (ctx->outcome.doc || !weir_token_has_outcome(token)) {
        return &ngx_http_weir_step_answer;
    }

    if (ngx_http_weir_reader_whole(ctx)) {
        return ngx_http_weir_cache_is_unsaved(ctx)
               ? &ngx_http_weir_step_used : &ngx_http_weir_step_answer;
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
