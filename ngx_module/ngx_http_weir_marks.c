/*
 * Purges that are for a stored answer and not for who asks: where a scope is
 * shared, or tags differ, the answer may have been asked for by another owner,
 * or by other labels.  Then it is looked at with these, once, before it is
 * served.
 */

#include "ngx_http_weir_ask.h"


static const ngx_http_weir_step_t *ngx_http_weir_marks_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_marks = {
    "marks", ngx_http_weir_marks_run
};


/* Is that to be done for the record that was found? */

ngx_uint_t
ngx_http_weir_marks_open(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    return (!weir_str_eq(cache->found.owner,
                         ngx_http_weir_str(ctx->visit->owner))
            || !weir_str_eq(cache->found.labels,
                            ngx_http_weir_str(cache->labels)))
           && !weir_str_eq(cache->found.run, weir_str_of(cache->marked));
}


ngx_uint_t
ngx_http_weir_marks_void(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    return cache->voided
           && weir_str_eq(cache->found.run, weir_str_of(cache->marked));
}


static void
ngx_http_weir_marks_write(ngx_http_weir_ctx_t *ctx, weir_ask_t *ask)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;
    ngx_memzero(ask, sizeof(weir_ask_t));

    ask->shard = ctx->job.shard;
    ask->question = cache->question;
    ask->now = ngx_http_weir_now(ctx->process);
    ask->owner = cache->found.owner;
    ask->model = cache->found.model;
    ask->labels = cache->found.labels;
}


static void
ngx_http_weir_marks_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_ask_t              ask;
    weir_asked_t            asked;
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;
    ngx_http_weir_marks_write(ctx, &ask);

    if (!weir_txn_ask_read(a, &ask, &asked)
        || cache->found.run.len != WEIR_ID_LEN)
    {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_ask_failed);
        return;
    }

    ngx_memcpy(cache->marked, cache->found.run.data, WEIR_ID_LEN);
    cache->marked[WEIR_ID_LEN] = '\0';
    cache->voided = (cache->found.created <= asked.purged);

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_ask);
}


static const ngx_http_weir_step_t *
ngx_http_weir_marks_run(ngx_http_weir_ctx_t *ctx)
{
    weir_ask_t                ask;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    ngx_http_weir_marks_write(ctx, &ask);

    weir_txn_reset(&p->txn);
    weir_txn_ask(&p->txn, &ask);

    return ngx_http_weir_ask(ctx, ngx_http_weir_marks_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_marks,
                             &ngx_http_weir_step_ask_failed);
}
