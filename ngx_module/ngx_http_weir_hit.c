/*
 * A job whose answer is stored: it is there from the start, with its end.
 */

#include "ngx_http_weir_ask.h"


#define NGX_HTTP_WEIR_HIT_HOOK  5000    /* ms, to give a job up in */


static const ngx_http_weir_step_t *ngx_http_weir_hit_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_hit_made_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_hit = {
    "hit", ngx_http_weir_hit_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_hit_made = {
    "hit, made", ngx_http_weir_hit_made_run
};


/* Who waits has it at once. */

static const ngx_http_weir_step_t *
ngx_http_weir_hit_made_run(ngx_http_weir_ctx_t *ctx)
{
    const weir_cached_t  *found;

    found = &ctx->cache->found;

    ngx_http_weir_count(ctx->process, submitted);
    ngx_http_weir_cache_tell(ctx, found);

    ctx->submitting = 0;
    ctx->has_job = 1;
    ctx->status = weir_state_name(ctx->job.state);
    ctx->job.finished = ctx->job.created;

    if (weir_outcome_read(&ctx->outcome, found->outcome) != 0) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    weir_buf_free(&ctx->payload);

    return ctx->hold ? &ngx_http_weir_step_answer
                     : &ngx_http_weir_step_accepted;
}


static void
ngx_http_weir_hit_ignore(void *data, const weir_answer_t *a)
{
    /* else it is due a moment later */
}


/* The job will not be given up any more. */

static void
ngx_http_weir_hit_hook(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_hit_hook(&p->txn, ctx->job.shard, ctx->job.id, ctx->job.token,
                      ngx_http_weir_now(p));

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn,
                                    ngx_http_weir_hit_ignore, NULL);
}


static void
ngx_http_weir_hit_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_hit_t                   h;
    ngx_http_weir_sent_t         sent;
    const ngx_http_weir_step_t  *next;

    next = &ngx_http_weir_step_hit_made;

    ngx_memzero(&h, sizeof(weir_hit_t));
    h.token = weir_str_of(ctx->job.token);
    h.state = ctx->job.state;

    if (weir_txn_hit_done(a, &h)) {

        if (ctx->job.hook_url.len) {
            ngx_http_weir_hit_hook(ctx);
        }

    } else {
        next = &ngx_http_weir_step_submit_refused;

        if (a->code == WEIR_ANSWER_ERROR || a->code == WEIR_ANSWER_OK) {
            ngx_http_weir_sent(ctx, &sent);
            ngx_http_weir_abandon(ctx->process, &sent);
        }

        if (a->code != WEIR_ANSWER_LOST && a->code != WEIR_ANSWER_OK) {
            ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                          "weir: redis refused a finished job: \"%*s\"",
                          a->error.len, a->error.data);
        }
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_hit_run(ngx_http_weir_ctx_t *ctx)
{
    weir_hit_t                h;
    weir_str_t                token;
    weir_submission_t         job;
    const weir_cached_t      *found;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    found = &ctx->cache->found;

    if (!ngx_http_weir_may_submit(p) || found->run.len != WEIR_ID_LEN
        || weir_outcome_read(&ctx->outcome, found->outcome) != 0)
    {
        return &ngx_http_weir_step_submit_refused;
    }

    ctx->job.state = ctx->outcome.state;
    weir_outcome_free(&ctx->outcome);
    weir_outcome_init(&ctx->outcome);

    ngx_http_weir_submit_record(ctx, &job);

    ngx_http_weir_run_set(ctx, found->run.data);
    ctx->job.asked = found->created;
    ngx_str_set(&ctx->job.part, WEIR_PART_HIT);

    token = found->token;
    ngx_snprintf((u_char *) ctx->job.token, sizeof(ctx->job.token), "%*s%Z",
                 token.len, token.data);

    ngx_memzero(&h, sizeof(weir_hit_t));

    h.job = &job;
    h.run = found->run;
    h.token = token;
    h.state = ctx->job.state;
    h.asked = found->created;
    h.now = job.created;
    h.hook = job.created + (int64_t) p->conf->redis.timeout
             + NGX_HTTP_WEIR_HIT_HOOK;
    h.outcome = found->outcome;

    weir_txn_reset(&p->txn);
    weir_txn_hit(&p->txn, &h);

    ctx->submitting = 1;

    return ngx_http_weir_ask(ctx, ngx_http_weir_hit_answer,
                             p->conf->redis.timeout, &ngx_http_weir_step_hit,
                             &ngx_http_weir_step_submit_refused);
}
