/*
 * DELETE /v1/jobs/{id}: a job that was looked at is cancelled, if it still can
 * be, and those who wait for it are told.  Owns what its owner cancels it with.
 */

#include "ngx_http_weir_module.h"


static const ngx_http_weir_step_t *ngx_http_weir_cancel_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_cancelled_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_cancel = {
    "cancel", ngx_http_weir_cancel_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_cancelled = {
    "cancelled", ngx_http_weir_cancelled_run
};


/* into the process's scratch unit */

void
ngx_http_weir_cancel_write(ngx_http_weir_ctx_t *ctx)
{
    weir_cancel_t             cancel;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    ngx_memzero(&cancel, sizeof(weir_cancel_t));
    cancel.shard = ctx->job.shard;
    cancel.id = ctx->job.id;
    cancel.token = WEIR_TOKEN_OWNER;
    cancel.now = ngx_http_weir_now(p);
    cancel.owner = ngx_http_weir_str(ctx->visit->owner);
    cancel.hook = ctx->job.hook;
    cancel.tell = 1;
    cancel.run = ctx->job.run[0] ? ctx->job.run : NULL;

    weir_txn_reset(&p->txn);
    weir_txn_cancel(&p->txn, &cancel);
}


static const ngx_http_weir_step_t *
ngx_http_weir_cancel_refused(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    weir_failure_set(&f, WEIR_FAIL_CONFLICT, "the job is %s already",
                     weir_state_name(ctx->job.state));

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


static const ngx_http_weir_step_t *
ngx_http_weir_cancelled_run(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->job.state != WEIR_CANCELLED) {
        return ctx->response ? &ngx_http_weir_step_look         /* as it is */
                             : ngx_http_weir_cancel_refused(ctx);
    }

    return &ngx_http_weir_step_answer;
}


static void
ngx_http_weir_cancel_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_str_t                fin, token;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    fin = weir_txn_cancel_fin(a);

    if (a->code != WEIR_ANSWER_OK
        || !weir_fin_parse(fin, &ctx->job.state, &token))
    {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_unavailable);
        return;
    }

    if (ctx->job.state == WEIR_CANCELLED) {
        ctx->job.finished = ngx_http_weir_now(p);
        ngx_http_weir_tell(p, weir_txn_cancel_mailboxes(a), ctx->job.id, fin,
                           ctx->job.finished);
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_cancelled);
}


static const ngx_http_weir_step_t *
ngx_http_weir_cancel_run(ngx_http_weir_ctx_t *ctx)
{
    if (weir_state_is_final(ctx->job.state)) {
        return &ngx_http_weir_step_cancelled;   /* by whom, it tells */
    }

    ngx_http_weir_cancel_write(ctx);

    return ngx_http_weir_ask(ctx, ngx_http_weir_cancel_answer,
                             ctx->process->conf->redis.timeout,
                             &ngx_http_weir_step_cancel,
                             &ngx_http_weir_step_unavailable);
}
