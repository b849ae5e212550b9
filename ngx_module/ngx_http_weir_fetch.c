/*
 * Whose key is it, by the key store?  The cache answers, or Redis is asked and
 * the request is parked meanwhile.  Judges no key.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_FETCH_TRIES  3
#define NGX_HTTP_WEIR_FETCH_FRESH  1000         /* ms */


typedef enum {
    NGX_HTTP_WEIR_FETCH_ASK = 0,        /* (again) */
    NGX_HTTP_WEIR_FETCH_FOUND,
    NGX_HTTP_WEIR_FETCH_NOBODY,
    NGX_HTTP_WEIR_FETCH_FAILED,         /* no answer, or none that helps */
    NGX_HTTP_WEIR_FETCH_BAD             /* what Redis holds is no record */
} ngx_http_weir_fetch_e;


struct ngx_http_weir_fetch_s {
    ngx_http_weir_fetch_e   state;
    ngx_uint_t              tries;
    ngx_uint_t              epoch;
    ngx_msec_t              sent;
    char                    id[WEIR_KEY_ID_LEN];
    weir_key_t              key;            /* of FOUND */
};


/* too large for a stack; used up before anything else can happen */

static ngx_http_weir_known_t  ngx_http_weir_fetch_known;


static ngx_http_weir_fetch_e
ngx_http_weir_fetch_bad(ngx_http_weir_ctx_t *ctx, const char *why)
{
    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "weir: the record of the API key \"%*s\" in redis cannot be "
                  "used: %s", (size_t) WEIR_KEY_ID_LEN, ctx->fetch->id, why);

    return NGX_HTTP_WEIR_FETCH_BAD;
}


static ngx_http_weir_fetch_e
ngx_http_weir_fetch_read(ngx_http_weir_ctx_t *ctx, weir_str_t text)
{
    char                    why[WEIR_KEY_ERROR];
    ngx_str_t               line;
    ngx_http_weir_fetch_t  *f;

    f = ctx->fetch;

    if (ngx_http_weir_copy(ctx->request->pool, &line, text) != NGX_OK) {
        return NGX_HTTP_WEIR_FETCH_FAILED;
    }

    if (!weir_apikey_read(ngx_http_weir_str(line), &f->key, why)) {
        return ngx_http_weir_fetch_bad(ctx, why);
    }

    return ngx_memcmp(f->key.id, f->id, WEIR_KEY_ID_LEN) == 0
           ? NGX_HTTP_WEIR_FETCH_FOUND
           : ngx_http_weir_fetch_bad(ctx, "it is another key's");
}


static void
ngx_http_weir_fetch_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_http_weir_fetch_t  *f;

    f = ctx->fetch;

    if (a->code == WEIR_ANSWER_OK) {
        f->state = weir_reply_is_nil(a->reply)
                   ? NGX_HTTP_WEIR_FETCH_NOBODY
                   : ngx_http_weir_fetch_read(ctx, weir_reply_str(a->reply));

    } else {
        f->state = NGX_HTTP_WEIR_FETCH_FAILED;

        if (a->code == WEIR_ANSWER_DENIED || a->code == WEIR_ANSWER_ERROR) {
            ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                          "weir: redis does not give API keys: \"%*s\"",
                          a->error.len, a->error.data);
        }
    }

    /* Keys have changed while the answer was on its way: it may be old, and is
     * not kept.  Where they change all the time the last one serves this
     * request, if it is not a second old. */

    if ((f->state == NGX_HTTP_WEIR_FETCH_FOUND
         || f->state == NGX_HTTP_WEIR_FETCH_NOBODY)
        && ngx_http_weir_store_put(&ctx->process->conf->store,
                   (weir_str_t) { f->id, WEIR_KEY_ID_LEN },
                   f->state == NGX_HTTP_WEIR_FETCH_FOUND ? &f->key : NULL,
                   f->epoch, f->sent)
           != NGX_OK
        && (f->tries < NGX_HTTP_WEIR_FETCH_TRIES
            || ngx_current_msec - f->sent >= NGX_HTTP_WEIR_FETCH_FRESH))
    {
        f->state = NGX_HTTP_WEIR_FETCH_ASK;
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_gate);
}


/* NGX_AGAIN: park.  NGX_BUSY: it is not to be had. */

static ngx_int_t
ngx_http_weir_fetch_ask(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_known_t *known, ngx_msec_t *wait_r)
{
    ngx_int_t                 rc;
    ngx_http_weir_fetch_t    *f;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    f = ctx->fetch;

    if (f->tries == NGX_HTTP_WEIR_FETCH_TRIES) {
        return NGX_BUSY;
    }

    weir_txn_reset(&p->txn);
    weir_txn_key_get(&p->txn, (weir_str_t) { f->id, WEIR_KEY_ID_LEN });

    rc = ngx_http_weir_call(ctx, &p->txn, ngx_http_weir_fetch_answer);

    if (rc == NGX_OK) {
        f->tries++;
        f->epoch = known->epoch;
        f->sent = ngx_current_msec;
        *wait_r = p->conf->redis.timeout;
        return NGX_AGAIN;
    }

    if (known->usable || !ngx_http_weir_redis_hopeful(&p->cmd)) {
        return NGX_BUSY;
    }

    ngx_http_weir_hold(ctx, &ngx_http_weir_step_gate);
    *wait_r = p->conf->redis.connect_timeout;

    return NGX_AGAIN;
}


/* the first look, which mostly is the only one */

static ngx_int_t
ngx_http_weir_fetch_look(ngx_http_weir_ctx_t *ctx, weir_str_t id)
{
    ngx_int_t               rc;
    ngx_http_weir_known_t  *known;
    ngx_http_weir_fetch_t  *f;

    known = &ngx_http_weir_fetch_known;
    rc = ngx_http_weir_store_get(&ctx->process->conf->store, id, known);

    if (ctx->fetch) {
        return rc;
    }

    if (rc == NGX_OK) {
        ngx_http_weir_count(ctx->process, key_hits);
        return rc;
    }

    if (rc == NGX_DECLINED) {
        ngx_http_weir_count(ctx->process, key_negative);
        return rc;
    }

    if (known->usable) {
        ngx_http_weir_count(ctx->process, key_unproven);

    } else {
        ngx_http_weir_count(ctx->process, key_misses);
    }

    f = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_weir_fetch_t));
    if (f == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(f->id, id.data, WEIR_KEY_ID_LEN);
    ctx->fetch = f;

    return NGX_AGAIN;
}


/*
 * NGX_OK: *key_r, which lives until the next event.  NGX_DECLINED: nobody has
 * this id.  NGX_AGAIN: to be called again after *wait_r ms of parking, or
 * sooner.  NGX_BUSY: neither the cache nor Redis can tell.
 */

ngx_int_t
ngx_http_weir_fetch(ngx_http_weir_ctx_t *ctx, weir_str_t id,
    const weir_key_t **key_r, ngx_msec_t *wait_r)
{
    ngx_int_t               rc;
    ngx_http_weir_fetch_t  *f;

    f = ctx->fetch;

    if (f && ctx->late) {
        ngx_http_weir_forget(ctx);
        f->state = NGX_HTTP_WEIR_FETCH_FAILED;
    }

    if (f && f->state == NGX_HTTP_WEIR_FETCH_FOUND) {
        *key_r = &f->key;
        return NGX_OK;
    }

    if (f && f->state == NGX_HTTP_WEIR_FETCH_NOBODY) {
        return NGX_DECLINED;
    }

    if (f && f->state == NGX_HTTP_WEIR_FETCH_BAD) {
        return NGX_BUSY;
    }

    rc = ngx_http_weir_fetch_look(ctx, id);
    *key_r = &ngx_http_weir_fetch_known.key;

    if (rc != NGX_AGAIN) {
        return rc;
    }

    /* who guesses keys makes no work for Redis */

    if (ctx->visit->suspect && !ngx_http_weir_fetch_known.usable) {
        return NGX_DECLINED;
    }

    if (ctx->fetch->state == NGX_HTTP_WEIR_FETCH_ASK) {
        rc = ngx_http_weir_fetch_ask(ctx, &ngx_http_weir_fetch_known, wait_r);

        if (rc == NGX_AGAIN) {
            return rc;
        }
    }

    /* Redis does not answer */

    if (!ngx_http_weir_fetch_known.usable) {
        return NGX_BUSY;
    }

    ngx_http_weir_count(ctx->process, key_stale);

    return NGX_OK;
}
