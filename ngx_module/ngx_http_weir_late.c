/*
 * A wait that is over: what was nobody's job becomes one, by which the answer
 * can be fetched.  It is told of only when Redis knows of it.
 */

#include "ngx_http_weir_ask.h"


static const ngx_http_weir_step_t *ngx_http_weir_wait_late_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_late_follow_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_late_failed_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_late_told_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_wait_late = {
    "late", ngx_http_weir_wait_late_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_late_follow = {
    "late, follow", ngx_http_weir_late_follow_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_late_failed = {
    "late, failed", ngx_http_weir_late_failed_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_late_told = {
    "late, told", ngx_http_weir_late_told_run
};


static const ngx_http_weir_step_t *
ngx_http_weir_late_told_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ctx->status = "TIMEOUT";

    if (ctx->has_job) {
        weir_failure_set(&f, WEIR_FAIL_TIMEOUT, "the answer is not ready yet; "
                         "it can be fetched as " WEIR_JOB_PREFIX "%s, or "
                         "asked for again", ctx->job.id);

    } else {
        weir_failure_set(&f, WEIR_FAIL_TIMEOUT, "the answer is not ready "
                         "yet; it can be asked for again");
    }

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


/* No job then: what may be there of it is cancelled. */

static const ngx_http_weir_step_t *
ngx_http_weir_late_failed_run(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->call) {
        ctx->cache->recorded = ctx->call->submission;
        ctx->call->submission = 0;
        ngx_http_weir_forget(ctx);
    }

    ngx_http_weir_follow_end(ctx);

    return &ngx_http_weir_step_late_told;
}


/* It has ended in this moment: that is the answer. */

static const ngx_http_weir_step_t *
ngx_http_weir_late_ended(ngx_http_weir_ctx_t *ctx, const weir_run_t *run)
{
    ngx_http_weir_follow_end(ctx);

    ctx->cache->jobful = 0;
    ngx_http_weir_run_set(ctx, ctx->cache->run);
    ctx->job.run[0] = '\0';

    ngx_http_weir_follow_take(ctx, run);

    return &ngx_http_weir_step_outcome;
}


static void
ngx_http_weir_late_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_followed_t              got;
    const ngx_http_weir_step_t  *next;

    next = &ngx_http_weir_step_late_failed;
    ctx->submitting = 0;

    if (weir_txn_follow_read(a, true, &got)) {
        ctx->cache->recorded = 1;

        if (got.run.found && weir_state_is_final(got.run.state)
            && weir_token_has_outcome(got.run.token))
        {
            next = ngx_http_weir_late_ended(ctx, &got.run);

        } else if (got.kept && !got.late && got.run.found
                   && !weir_state_is_final(got.run.state)
                   && !weir_followed_is_void(&got))
        {
            ctx->cache->recorded = 0;
            ctx->has_job = 1;
            next = &ngx_http_weir_step_late_told;
        }

    } else if (a->code == WEIR_ANSWER_ERROR || a->code == WEIR_ANSWER_OK) {
        ctx->cache->recorded = 1;
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_late_follow_run(ngx_http_weir_ctx_t *ctx)
{
    weir_follow_t             f;
    weir_submission_t         job;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    if (!ngx_http_weir_may_submit(p)) {
        return &ngx_http_weir_step_late_failed;
    }

    ngx_memzero(&f, sizeof(weir_follow_t));
    ngx_http_weir_submit_record(ctx, &job);

    f.shard = ctx->job.shard;
    f.question = ctx->cache->question;
    f.run = ctx->cache->run;
    f.job = &job;
    f.part = WEIR_PART_JOINED;

    weir_txn_reset(&p->txn);
    weir_txn_follow(&p->txn, &f);

    ctx->submitting = 1;

    return ngx_http_weir_ask(ctx, ngx_http_weir_late_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_late_follow,
                             &ngx_http_weir_step_late_failed);
}


static const ngx_http_weir_step_t *
ngx_http_weir_wait_late_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    ngx_http_weir_wait_remove(ctx);

    if (ngx_http_weir_may_spare(ctx)) {
        return &ngx_http_weir_step_stale;
    }

    if (cache->late) {
        return &ngx_http_weir_step_late_told;   /* it was tried */
    }

    ngx_http_weir_count(ctx->process, timed_out);

    cache->late = 1;
    cache->jobful = 1;
    cache->leading = 0;
    ngx_memcpy(cache->run, ctx->job.id, sizeof(cache->run));

    if (ngx_http_weir_submit_id(ctx) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    ngx_http_weir_run_set(ctx, cache->run);

    return &ngx_http_weir_step_late_follow;
}
