/*
 * A stale answer: served at once while one request in all the fleet sees to
 * the next one, or where nothing better is to be had.  Decides when; the answer
 * itself is in reserve, and cache_answer.c sends it.
 */

#include "ngx_http_weir_ask.h"


#define NGX_HTTP_WEIR_REFRESH_REST  10000       /* ms, after a failed one */


static const ngx_http_weir_step_t *ngx_http_weir_refresh_look_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_stale_run(
    ngx_http_weir_ctx_t *ctx);


static const ngx_http_weir_step_t  ngx_http_weir_step_refresh_look = {
    "refresh, by whom", ngx_http_weir_refresh_look_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_stale = {
    "stale", ngx_http_weir_stale_run
};


/* a stale answer, where nothing better is to be had */

ngx_uint_t
ngx_http_weir_may_spare(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    return cache && cache->stale && !cache->jobful
           && !ngx_http_weir_streams(ctx)
           && (cache->at_once
               || ngx_http_weir_now(ctx->process) < cache->reserve.stale_error);
}


/* Who refreshes is answered in any case; others, if nothing can be queued, or
 * comes in time.  NGX_DECLINED: it is to be said what has failed. */

ngx_int_t
ngx_http_weir_spare(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f)
{
    if (!ngx_http_weir_may_spare(ctx)
        || (!ctx->cache->at_once && f->kind != WEIR_FAIL_UNAVAILABLE
            && f->kind != WEIR_FAIL_TIMEOUT))
    {
        return NGX_DECLINED;
    }

    return ngx_http_weir_cache_stale(ctx);
}


static const ngx_http_weir_step_t *
ngx_http_weir_stale_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    ngx_http_weir_follow_end(ctx);

    rc = ngx_http_weir_cache_stale(ctx);

    return rc == NGX_DECLINED ? &ngx_http_weir_step_ask_failed
                              : ngx_http_weir_done(ctx, rc);
}


/* A stale answer will do, and one request in all the fleet sees to the next
 * one.  Is that a run that goes on? */

static const ngx_http_weir_step_t *
ngx_http_weir_refresh_looked(ngx_http_weir_ctx_t *ctx,
    const weir_reply_t *reply)
{
    int64_t     at;
    weir_str_t  fin;

    fin = weir_reply_str(weir_reply_at(reply, 0));
    at = weir_reply_int(weir_reply_at(reply, 1));

    if (fin.len) {

        /* it came to nothing, and the next one will not at once */

        return ngx_http_weir_now(ctx->process) < at + NGX_HTTP_WEIR_REFRESH_REST
               ? &ngx_http_weir_step_stale : ngx_http_weir_ask_next(ctx);
    }

    return weir_reply_is_nil(weir_reply_at(reply, 2))
           ? ngx_http_weir_ask_next(ctx) : &ngx_http_weir_step_stale;
}


static void
ngx_http_weir_refresh_look_answer(ngx_http_weir_ctx_t *ctx,
    const weir_answer_t *a)
{
    ngx_http_weir_resume(ctx,
                         a->code == WEIR_ANSWER_OK
                         && weir_reply_count(a->reply) == 3
                         ? ngx_http_weir_refresh_looked(ctx, a->reply)
                         : &ngx_http_weir_step_ask_failed);
}


static const ngx_http_weir_step_t *
ngx_http_weir_refresh_look_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_recheck(&p->txn, ctx->job.shard, ctx->cache->run);

    return ngx_http_weir_ask(ctx, ngx_http_weir_refresh_look_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_refresh_look,
                             &ngx_http_weir_step_ask_failed);
}


const ngx_http_weir_step_t *
ngx_http_weir_refresh(ngx_http_weir_ctx_t *ctx, const weir_asked_t *asked)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;
    cache->n = asked->n;

    if (asked->by == 0 || weir_str_eq(asked->run, cache->reserve.run)) {
        return ngx_http_weir_ask_next(ctx);
    }

    if (!asked->submitted) {
        return ngx_http_weir_now(ctx->process)
               > asked->by + NGX_HTTP_WEIR_ASK_GRACE
               ? ngx_http_weir_ask_next(ctx) : &ngx_http_weir_step_stale;
    }

    ngx_memcpy(cache->run, asked->run.data, WEIR_ID_LEN);
    cache->run[WEIR_ID_LEN] = '\0';

    return &ngx_http_weir_step_refresh_look;
}
