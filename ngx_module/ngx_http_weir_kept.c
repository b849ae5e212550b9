/*
 * Answers that are kept in a Redis of their own (weir_cache_redis): the
 * connection to it, and the look for one, before a question is asked.  What is
 * found is judged as ever, by the asking.
 *
 * It is a cache: what does not come in time is not there, and who was late is
 * not asked for a while.
 */

#include "ngx_http_weir_ask.h"


#define NGX_HTTP_WEIR_KEPT_PING    10           /* ticks */
#define NGX_HTTP_WEIR_KEPT_PAUSE   1000         /* ms, and twice as long ... */
#define NGX_HTTP_WEIR_KEPT_DOUBLE  4            /* ... so often */


struct ngx_http_weir_kept_s {
    ngx_http_weir_process_t     *process;
    ngx_http_weir_redis_t        redis;
    weir_txn_t                   txn;
    ngx_uint_t                   ticks;
    ngx_uint_t                   late;          /* pauses in a row */
    ngx_msec_t                   until;         /* the pause */
};


static const ngx_http_weir_step_t *ngx_http_weir_kept_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_kept_late_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_kept = {
    "kept", ngx_http_weir_kept_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_kept_late = {
    "kept, late", ngx_http_weir_kept_late_run
};


/* the connection */

static void
ngx_http_weir_kept_gauge(ngx_http_weir_kept_t *kept)
{
    kept->process->conf->counters->slots[ngx_process_slot].kept_ready =
        (kept->redis.state == NGX_HTTP_WEIR_REDIS_READY);
}


static void
ngx_http_weir_kept_greet(ngx_http_weir_redis_t *redis, weir_txn_t *t)
{
    /* PING is refused while Redis loads */

    weir_txn_words(t, 1, (const char *[]) { "PING" });
}


static void
ngx_http_weir_kept_ready(ngx_http_weir_redis_t *redis, const weir_answer_t *a)
{
    ngx_http_weir_kept_t  *kept = redis->data;

    ngx_http_weir_count(kept->process, redis_connects);
    ngx_http_weir_kept_gauge(kept);
}


static void
ngx_http_weir_kept_down(ngx_http_weir_redis_t *redis)
{
    ngx_http_weir_kept_t  *kept = redis->data;

    ngx_http_weir_count(kept->process, redis_failures);
    ngx_http_weir_kept_gauge(kept);
}


ngx_int_t
ngx_http_weir_kept_init(ngx_http_weir_process_t *p)
{
    ngx_http_weir_kept_t  *kept;

    if (p->conf->cache_redis.naddrs == 0) {
        return NGX_OK;
    }

    kept = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_http_weir_kept_t));
    if (kept == NULL) {
        return NGX_ERROR;
    }

    weir_txn_init(&kept->txn);

    kept->process = p;
    kept->until = ngx_current_msec;

    kept->redis.conf = &p->conf->cache_redis;
    kept->redis.role = "answers";
    kept->redis.data = kept;
    kept->redis.greet = ngx_http_weir_kept_greet;
    kept->redis.on_ready = ngx_http_weir_kept_ready;
    kept->redis.on_down = ngx_http_weir_kept_down;

    p->kept = kept;

    return ngx_http_weir_redis_init(&kept->redis, ngx_cycle->log);
}


void
ngx_http_weir_kept_exit(ngx_http_weir_process_t *p)
{
    if (p->kept) {
        p->kept->redis.on_down = NULL;
        ngx_http_weir_redis_destroy(&p->kept->redis);
        weir_txn_free(&p->kept->txn);
        p->kept = NULL;
    }
}


/* where answers are, whichever it is */

ngx_http_weir_redis_t *
ngx_http_weir_kept_redis(ngx_http_weir_process_t *p)
{
    return p->kept ? &p->kept->redis : &p->cmd;
}


static void
ngx_http_weir_kept_pong(void *data, const weir_answer_t *a)
{
    /* that it came in time is all that matters */
}


void
ngx_http_weir_kept_tick(ngx_http_weir_process_t *p)
{
    ngx_http_weir_kept_t  *kept;

    kept = p->kept;

    if (kept == NULL) {
        return;
    }

    if (ngx_http_weir_redis_check(&kept->redis)) {
        ngx_http_weir_count(p, redis_timeouts);
    }

    if (++kept->ticks % NGX_HTTP_WEIR_KEPT_PING == 0) {
        weir_txn_reset(&kept->txn);
        weir_txn_words(&kept->txn, 1, (const char *[]) { "PING" });
        (void) ngx_http_weir_redis_send(&kept->redis, &kept->txn,
                                        ngx_http_weir_kept_pong, NULL);
    }
}


/* the look */

static ngx_uint_t
ngx_http_weir_kept_paused(ngx_http_weir_kept_t *kept)
{
    return kept->late
           && (ngx_msec_int_t) (kept->until - ngx_current_msec) > 0;
}


static void
ngx_http_weir_kept_take(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    if (a->code != WEIR_ANSWER_OK) {
        ngx_http_weir_count(ctx->process, kept_failed);

        if (a->code != WEIR_ANSWER_LOST) {
            ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                          "weir: redis refused to give an answer: \"%*s\"",
                          a->error.len, a->error.data);
        }

        return;
    }

    if (weir_reply_str(a->reply).len == 0) {
        ngx_http_weir_count(ctx->process, kept_none);
        return;
    }

    ngx_http_weir_count(ctx->process, kept_found);

    if (ngx_http_weir_copy(ctx->request->pool, &ctx->cache->kept,
                           weir_reply_str(a->reply))
        != NGX_OK)
    {
        ngx_str_null(&ctx->cache->kept);
    }
}


static void
ngx_http_weir_kept_answer(void *data, const weir_answer_t *a)
{
    ngx_http_weir_ctx_t      *ctx;
    ngx_http_weir_call_t     *call = data;
    ngx_http_weir_process_t  *p;

    p = call->process;
    ctx = call->ctx;
    ngx_free(call);

    if (a->code == WEIR_ANSWER_OK && ctx) {
        p->kept->late = 0;              /* in time, that is */
    }

    if (p->exiting || ctx == NULL) {
        return;
    }

    ctx->call = NULL;
    ngx_http_weir_kept_take(ctx, a);
    ngx_http_weir_resume(ctx, &ngx_http_weir_step_ask);
}


static const ngx_http_weir_step_t *
ngx_http_weir_kept_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_call_t     *call;
    ngx_http_weir_kept_t     *kept;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    kept = p->kept;

    ctx->cache->looked = 1;
    ngx_str_null(&ctx->cache->kept);

    call = ngx_http_weir_kept_paused(kept)
           ? NULL : ngx_calloc(sizeof(ngx_http_weir_call_t), &kept->redis.log);

    if (call == NULL) {
        ngx_http_weir_count(p, kept_skipped);
        return &ngx_http_weir_step_ask;
    }

    call->ctx = ctx;
    call->process = p;

    weir_txn_reset(&kept->txn);
    weir_txn_answer(&kept->txn, ctx->job.shard, ctx->cache->question);

    if (ngx_http_weir_redis_send(&kept->redis, &kept->txn,
                                 ngx_http_weir_kept_answer, call)
        != NGX_OK)
    {
        ngx_free(call);
        ngx_http_weir_count(p, kept_skipped);
        return &ngx_http_weir_step_ask;
    }

    ctx->call = call;

    return ngx_http_weir_park(ctx, p->conf->cache_redis.timeout,
                              &ngx_http_weir_step_kept_late);
}


/* All who wait now go on, and nobody else waits until the pause is over and
 * there is a connection again. */

static const ngx_http_weir_step_t *
ngx_http_weir_kept_late_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_kept_t  *kept;

    kept = ctx->process->kept;

    ngx_http_weir_forget(ctx);
    ngx_http_weir_count(ctx->process, kept_late);

    if (!ngx_http_weir_kept_paused(kept)) {
        kept->until = ngx_current_msec
                      + (NGX_HTTP_WEIR_KEPT_PAUSE
                         << ngx_min(kept->late, NGX_HTTP_WEIR_KEPT_DOUBLE));
        kept->late++;

        ngx_log_error(NGX_LOG_ERR, &kept->redis.log, NGX_ETIMEDOUT,
                      "weir: no answer from redis %V in time (%s)",
                      &kept->redis.conf->name, kept->redis.role);

        ngx_http_weir_redis_drop(&kept->redis);
    }

    return &ngx_http_weir_step_ask;
}
