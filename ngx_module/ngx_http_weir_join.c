/*
 * The job that an idempotency key stands for: owns the way from there to the
 * answer of a later request, or to a job of its own, where that one never ran
 * or ended so that the client was to ask again.
 */

#include "ngx_http_weir_admit.h"


#define NGX_HTTP_WEIR_IDEM_PAUSE  50            /* ms, between looks */
#define NGX_HTTP_WEIR_IDEM_GRACE  1000          /* ms, of unequal clocks */


static const ngx_http_weir_step_t *ngx_http_weir_join_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_reused_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_join_pause_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_join_keep_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_join_end_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_join_wait_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_join = {
    "join", ngx_http_weir_join_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_again = {
    "again", ngx_http_weir_admit_again
};

static const ngx_http_weir_step_t  ngx_http_weir_step_reused = {
    "key reused", ngx_http_weir_reused_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_join_pause = {
    "join later", ngx_http_weir_join_pause_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_join_keep = {
    "join keep", ngx_http_weir_join_keep_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_join_end = {
    "join end", ngx_http_weir_join_end_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_join_wait = {
    "join and wait", ngx_http_weir_join_wait_run
};


static const ngx_http_weir_step_t *
ngx_http_weir_reused_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    weir_failure_set(&f, WEIR_FAIL_KEY_REUSED, "this Idempotency-Key was used "
                     "with another request");

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


/* That job never ran, or failed so that the client was to ask again. */

const ngx_http_weir_step_t *
ngx_http_weir_admit_again(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_admit_t  *a;

    a = ctx->admit;

    ngx_http_weir_wait_remove(ctx);
    weir_outcome_free(&ctx->outcome);

    ctx->has_job = 0;
    ctx->replayed = 0;
    ctx->ended = 0;

    /* what was asked, not what was read of the other; its id too is another:
     * the ticket of the first may have lapsed */

    ctx->job = a->job;

    if (ngx_http_weir_submit_id(ctx) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    ngx_memcpy(a->job.id, ctx->job.id, sizeof(a->job.id));
    a->reserve.n = a->n + 1;

    return &ngx_http_weir_step_reserve;
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_wait_run(ngx_http_weir_ctx_t *ctx)
{
    if (ngx_http_weir_wait_add(ctx) != NGX_OK) {
        return ngx_http_weir_submit_full(ctx);
    }

    return &ngx_http_weir_step_look;    /* as one of those who are told */
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_pause_run(ngx_http_weir_ctx_t *ctx)
{
    return ngx_http_weir_park(ctx, NGX_HTTP_WEIR_IDEM_PAUSE,
                              &ngx_http_weir_step_join);
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_told(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->hold == 0) {

        /* the answer is what it was then */

        ctx->job.state = WEIR_QUEUED;
        ctx->job.started = 0;
        ctx->job.finished = 0;
        ctx->job.attempts = 0;
        ctx->job.kind.len = 0;

        return &ngx_http_weir_step_accepted;
    }

    return ctx->ended ? &ngx_http_weir_step_outcome
                      : &ngx_http_weir_step_join_wait;
}


/* Whoever submitted the job may not know that he did, and be about to cancel
 * it: not after this. */

static void
ngx_http_weir_join_kept(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    const ngx_http_weir_step_t  *next;

    if (a->code != WEIR_ANSWER_OK) {
        next = &ngx_http_weir_step_unavailable;

    } else if (weir_txn_fate_is(a, WEIR_FATE_KEPT)) {
        next = ngx_http_weir_join_told(ctx);

    } else {
        next = &ngx_http_weir_step_join_end;
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_keep_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_fate(&p->txn, ctx->job.shard, ctx->job.id, WEIR_FATE_KEPT);

    return ngx_http_weir_ask(ctx, ngx_http_weir_join_kept,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_join_keep,
                             &ngx_http_weir_step_unavailable);
}


/* It was given up, and is as good as cancelled; but who was to do it may be
 * gone. */

static void
ngx_http_weir_join_ended(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_http_weir_resume(ctx, a->code == WEIR_ANSWER_OK
                              ? &ngx_http_weir_step_join
                              : &ngx_http_weir_step_unavailable);
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_end_run(ngx_http_weir_ctx_t *ctx)
{
    weir_cancel_t             cancel;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    ctx->has_job = 0;
    ctx->replayed = 0;

    ngx_memzero(&cancel, sizeof(weir_cancel_t));

    cancel.shard = ctx->job.shard;
    cancel.id = ctx->job.id;
    cancel.token = WEIR_TOKEN_EDGE;
    cancel.now = ngx_http_weir_now(p);
    cancel.owner = ngx_http_weir_str(ctx->visit->owner);

    weir_txn_reset(&p->txn);
    weir_txn_cancel(&p->txn, &cancel);

    return ngx_http_weir_ask(ctx, ngx_http_weir_join_ended,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_join_end,
                             &ngx_http_weir_step_unavailable);
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_decide(ngx_http_weir_ctx_t *ctx, const weir_job_t *job,
    const weir_run_t *run)
{
    ngx_http_weir_admit_t  *a;

    a = ctx->admit;

    /* a ticket that lapsed leaves an end without a job */

    if (!job->found) {
        return &ngx_http_weir_step_again;
    }

    if (weir_state_is_final(run->state)
        && (weir_str_eq(run->token, weir_str(WEIR_TOKEN_EDGE))
            || weir_str_eq(run->token, weir_str(WEIR_TOKEN_LATE))))
    {
        return &ngx_http_weir_step_again;
    }

    if (!a->same) {
        return &ngx_http_weir_step_reused;
    }

    if (ngx_http_weir_job_take(ctx, job, run) != NGX_OK) {
        return &ngx_http_weir_step_unavailable;
    }

    ctx->replayed = 1;
    ctx->ended = weir_state_is_final(run->state);

    return ctx->ended ? ngx_http_weir_join_told(ctx)
                      : &ngx_http_weir_step_join_keep;
}


static void
ngx_http_weir_join_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    bool                         none;
    weir_job_t                   job;
    weir_run_t                   run;
    const ngx_http_weir_step_t  *next;

    if (!weir_txn_join_read(a, &job, &run, &none)) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_unavailable);
        return;
    }

    if (run.found) {
        next = none ? &ngx_http_weir_step_again
                    : ngx_http_weir_join_decide(ctx, &job, &run);
        ngx_http_weir_resume(ctx, next);
        return;
    }

    /* reserved a moment ago, and not submitted yet, or never */

    if (ngx_http_weir_now(ctx->process)
        > ctx->admit->by + NGX_HTTP_WEIR_IDEM_GRACE)
    {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_again);
        return;
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_join_pause);
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_join(&p->txn, ctx->job.shard, ctx->job.id);

    return ngx_http_weir_ask(ctx, ngx_http_weir_join_answer,
                             p->conf->redis.timeout, &ngx_http_weir_step_join,
                             &ngx_http_weir_step_unavailable);
}
