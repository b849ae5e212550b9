/*
 * Before a submission: does the idempotency key stand for a job already, and
 * is there room for one more?  Owns the reservation; what becomes of a request
 * whose key has a job is in join.c.
 */

#include "ngx_http_weir_admit.h"


#define NGX_HTTP_WEIR_IDEM_KEY_MAX  255


static const ngx_http_weir_step_t *ngx_http_weir_reserve_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_reserve_failed_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_owner_full_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_total_full_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_reserve = {
    "reserve", ngx_http_weir_reserve_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_reserve_failed = {
    "reserve failed", ngx_http_weir_reserve_failed_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_owner_full = {
    "owner full", ngx_http_weir_owner_full_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_total_full = {
    "full", ngx_http_weir_total_full_run
};


/* the header: a string with quotes, or, as most send it, without */

static ngx_int_t
ngx_http_weir_idem_invalid(weir_failure_t *f, const char *what)
{
    weir_failure_set(f, WEIR_FAIL_INVALID, "the header Idempotency-Key %s",
                     what);
    weir_failure_copy(f->param, sizeof(f->param), weir_str("Idempotency-Key"));

    return NGX_ERROR;
}


/* NGX_DECLINED: none was sent */

static ngx_int_t
ngx_http_weir_idem_key(ngx_http_weir_ctx_t *ctx, weir_buf_t *key,
    weir_failure_t *f)
{
    u_char      *p, *last;
    ngx_str_t    value;
    ngx_uint_t   n, quoted;

    n = ngx_http_weir_request_header(ctx->request, "idempotency-key", &value);

    if (n == 0) {
        return NGX_DECLINED;
    }

    if (n > 1) {
        return ngx_http_weir_idem_invalid(f, "was sent more than once");
    }

    p = value.data;
    last = p + value.len;
    quoted = (value.len >= 2 && *p == '"' && last[-1] == '"');

    if (quoted) {
        p++;
        last--;
    }

    for ( /* void */ ; p < last; p++) {

        if (quoted && *p == '\\' && p + 1 < last
            && (p[1] == '\\' || p[1] == '"'))
        {
            p++;

        } else if (quoted && (*p == '"' || *p == '\\')) {
            return ngx_http_weir_idem_invalid(f, "is no valid string");
        }

        if (*p < 0x20 || *p > 0x7e) {
            return ngx_http_weir_idem_invalid(f, "must be printable ASCII");
        }

        weir_buf_add(key, (char *) p, 1);
    }

    if (key->len == 0 || key->len > NGX_HTTP_WEIR_IDEM_KEY_MAX) {
        return ngx_http_weir_idem_invalid(f,
                                          "must have 1 to 255 characters");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_idem_digest(weir_buf_t *text, char *hex)
{
    unsigned char  digest[WEIR_DIGEST_LEN];

    if (text->failed
        || weir_digest_sha256((weir_str_t) { text->data, text->len }, digest)
           != 0)
    {
        return NGX_ERROR;
    }

    weir_digest_hex(digest, NGX_HTTP_WEIR_IDEM_DIGEST, hex);

    return NGX_OK;
}


/* Whose key for what, and which request: NGX_DECLINED: there is no key. */

static ngx_int_t
ngx_http_weir_idem_read(ngx_http_weir_ctx_t *ctx, ngx_http_weir_admit_t *a,
    weir_json_t *body, weir_failure_t *f)
{
    ngx_int_t   rc;
    weir_buf_t  key, text;

    weir_buf_init(&key, 4096);
    weir_buf_init(&text, 0);

    rc = ngx_http_weir_idem_key(ctx, &key, f);

    if (rc == NGX_OK) {
        weir_buf_str(&text, ngx_http_weir_str(ctx->visit->owner));
        weir_buf_add(&text, "", 1);
        weir_buf_text(&text, ctx->route->name);
        weir_buf_add(&text, "", 1);
        weir_buf_add(&text, key.data, key.len);

        rc = ngx_http_weir_idem_digest(&text, a->digest);

        weir_buf_reset(&text);
        (void) weir_json_write_sorted(body, &text);

        if (rc != NGX_OK
            || ngx_http_weir_idem_digest(&text, a->fingerprint) != NGX_OK)
        {
            (void) weir_no_memory(f);
            rc = NGX_ERROR;
        }
    }

    weir_buf_free(&key);
    weir_buf_free(&text);

    return rc;
}


/* Sets ctx->admit if there is something to ask; NGX_ERROR: f says why. */

ngx_int_t
ngx_http_weir_admit(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    weir_failure_t *f)
{
    ngx_int_t                  rc;
    ngx_http_weir_admit_t     *a;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    a = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_weir_admit_t));
    if (a == NULL) {
        (void) weir_no_memory(f);
        return NGX_ERROR;
    }

    if (wlcf->idempotency != NGX_HTTP_WEIR_IDEM_OFF) {
        rc = ngx_http_weir_idem_read(ctx, a, body, f);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            a->reserve.idem = a->digest;
            a->reserve.fingerprint = a->fingerprint;
            a->reserve.idem_ttl = wlcf->idempotency_ttl;
            a->reserve.n = 1;

        } else if (wlcf->idempotency == NGX_HTTP_WEIR_IDEM_REQUIRED) {
            return ngx_http_weir_idem_invalid(f, "is required here");
        }
    }

    a->owner_limit = (long long) wlcf->owner_limit;
    a->total_limit = (long long) wlcf->total_limit;

    a->reserve.open = (a->owner_limit > 0);
    a->reserve.total = (a->total_limit > 0);

    if (a->reserve.idem == NULL && !a->reserve.open && !a->reserve.total) {
        return NGX_OK;
    }

    a->job = ctx->job;

    a->reserve.id = a->job.id;
    a->reserve.shard = ctx->job.shard;
    a->reserve.owner = ngx_http_weir_str(ctx->visit->owner);

    ctx->admit = a;

    return NGX_OK;
}


/* reserve */

/* Nothing was queued: tickets, and the key's job, are given back.  What is not
 * lapses. */

static void
ngx_http_weir_admit_give_back(ngx_http_weir_ctx_t *ctx, bool key)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_unreserve(&p->txn, &ctx->admit->reserve, key);

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, NULL, NULL);
}


/* So with all that was taken before. */

void
ngx_http_weir_admit_release(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_ask_release(ctx);

    if (ctx->admit) {
        ngx_http_weir_admit_give_back(ctx, true);
    }
}


static const ngx_http_weir_step_t *
ngx_http_weir_reserve_failed_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_forget(ctx);
    ngx_http_weir_ask_release(ctx);

    return ngx_http_weir_submit_failed(ctx);
}


/* When there will be room nobody knows: not before the next job ends. */

static const ngx_http_weir_step_t *
ngx_http_weir_admit_refuse(ngx_http_weir_ctx_t *ctx, weir_failure_t *f)
{
    ngx_http_weir_admit_release(ctx);
    f->retry_after = 1;

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, f));
}


static const ngx_http_weir_step_t *
ngx_http_weir_owner_full_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ngx_http_weir_count(ctx->process, refused_owner);
    weir_failure_set(&f, WEIR_FAIL_RATE_LIMITED, "%lld jobs of yours are "
                     "unfinished, more are not taken",
                     ctx->admit->owner_limit);

    return ngx_http_weir_admit_refuse(ctx, &f);
}


static const ngx_http_weir_step_t *
ngx_http_weir_total_full_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ngx_http_weir_count(ctx->process, refused_total);
    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                     "too many jobs are unfinished, more are not taken");

    return ngx_http_weir_admit_refuse(ctx, &f);
}


/* Jobs that share runs are counted besides these, from when they have joined:
 * they need no more of the LLM, but their records need memory. */

static ngx_uint_t
ngx_http_weir_total_is_full(ngx_http_weir_ctx_t *ctx,
    const weir_reserved_t *got)
{
    long long  limit;

    limit = ctx->admit->total_limit;

    return got->total > limit
           || (ngx_http_weir_asks(ctx) && ctx->cache->jobful
               && got->asked >= limit);
}


static const ngx_http_weir_step_t *
ngx_http_weir_reserve_decide(ngx_http_weir_ctx_t *ctx,
    const weir_reserved_t *got)
{
    ngx_http_weir_admit_t  *a;

    a = ctx->admit;

    if (a->reserve.idem && !weir_str_eq(got->id, weir_str_of(a->job.id))) {

        if (a->reserve.open || a->reserve.total) {
            ngx_http_weir_admit_give_back(ctx, false);
        }

        ngx_memcpy(ctx->job.id, got->id.data, WEIR_ID_LEN);

        a->n = got->n;
        a->by = got->by;
        a->same = weir_str_eq(got->fingerprint, weir_str_of(a->fingerprint));

        return &ngx_http_weir_step_join;
    }

    if (a->reserve.open && got->open > a->owner_limit) {
        return &ngx_http_weir_step_owner_full;
    }

    if (a->reserve.total && ngx_http_weir_total_is_full(ctx, got)) {
        return &ngx_http_weir_step_total_full;
    }

    return ngx_http_weir_ask_admitted(ctx);
}


static void
ngx_http_weir_reserve_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_reserved_t              got;
    const ngx_http_weir_step_t  *next;

    if (weir_txn_reserve_read(a, &ctx->admit->reserve, &got)) {
        next = ngx_http_weir_reserve_decide(ctx, &got);

    } else {
        next = &ngx_http_weir_step_reserve_failed;

        if (a->code != WEIR_ANSWER_LOST) {
            ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                          "weir: redis refused a reservation: \"%*s\"",
                          a->error.len, a->error.data);
        }
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_reserve_run(ngx_http_weir_ctx_t *ctx)
{
    weir_reserve_t           *r;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    r = &ctx->admit->reserve;

    r->now = ngx_http_weir_now(p);
    r->by = r->now + (int64_t) p->conf->redis.timeout * 3 / 4;

    weir_txn_reset(&p->txn);
    weir_txn_reserve(&p->txn, r);

    return ngx_http_weir_ask(ctx, ngx_http_weir_reserve_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_reserve,
                             &ngx_http_weir_step_reserve_failed);
}


/* The job to be has another id. */

void
ngx_http_weir_admit_rename(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->admit) {
        ngx_memcpy(ctx->admit->job.id, ctx->job.id, sizeof(ctx->job.id));
    }
}


/* May another request be told of this one's job? */

ngx_uint_t
ngx_http_weir_admit_keyed(ngx_http_weir_ctx_t *ctx)
{
    return ctx->admit && ctx->admit->reserve.idem;
}


/* What a reservation means for the submission; false: its time is over. */

ngx_uint_t
ngx_http_weir_admit_submission(ngx_http_weir_ctx_t *ctx, weir_submission_t *s)
{
    const weir_reserve_t  *r;

    if (ctx->admit == NULL) {
        return 1;
    }

    r = &ctx->admit->reserve;

    s->by = r->by;
    s->open = r->open;

    if (r->idem) {
        s->idem = r->idem;
        s->idem_ttl = r->idem_ttl;

        /* the key must find them */

        s->records = ngx_max(s->records, r->idem_ttl);
    }

    return s->created < r->by;
}
