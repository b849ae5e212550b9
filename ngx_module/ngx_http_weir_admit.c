/*
 * Before a submission: does the idempotency key stand for a job already, and
 * is there room for one more?  Owns the reservation and the way from an
 * earlier request's job to this one's answer.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_IDEM_KEY_MAX   255
#define NGX_HTTP_WEIR_IDEM_JOBS_MAX  100        /* of a key */
#define NGX_HTTP_WEIR_IDEM_PAUSE     50         /* ms, between looks */
#define NGX_HTTP_WEIR_IDEM_GRACE     1000       /* ms, of unequal clocks */
#define NGX_HTTP_WEIR_IDEM_DIGEST    16         /* bytes */


struct ngx_http_weir_admit_s {
    weir_reserve_t   reserve;
    char             id[WEIR_ID_LEN + 1];       /* of the job to be */
    char             digest[2 * NGX_HTTP_WEIR_IDEM_DIGEST + 1];
    char             fingerprint[2 * NGX_HTTP_WEIR_IDEM_DIGEST + 1];
    long long        owner_limit;
    long long        total_limit;

    /* of the job that the key stands for */
    long long        n;
    int64_t          by;
    unsigned         same:1;                    /* the same request */
};


static const ngx_http_weir_step_t *ngx_http_weir_reserve_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_reserve_failed_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_join_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_reused_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_owner_full_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_total_full_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_join_pause_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_join_wait_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_reserve = {
    "reserve", ngx_http_weir_reserve_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_reserve_failed = {
    "reserve failed", ngx_http_weir_reserve_failed_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_join = {
    "join", ngx_http_weir_join_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_again = {
    "again", ngx_http_weir_admit_again
};

static const ngx_http_weir_step_t  ngx_http_weir_step_reused = {
    "key reused", ngx_http_weir_reused_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_owner_full = {
    "owner full", ngx_http_weir_owner_full_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_total_full = {
    "full", ngx_http_weir_total_full_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_join_pause = {
    "join later", ngx_http_weir_join_pause_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_join_wait = {
    "join and wait", ngx_http_weir_join_wait_run
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
        weir_buf_str(&text, ngx_http_weir_str(ctx->owner));
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
            weir_failure_set(f, WEIR_FAIL_INTERNAL, "out of memory");
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
        weir_failure_set(f, WEIR_FAIL_INTERNAL, "out of memory");
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

    ngx_memcpy(a->id, ctx->job.id, sizeof(a->id));

    a->reserve.id = a->id;
    a->reserve.shard = ctx->job.shard;
    a->reserve.owner = ngx_http_weir_str(ctx->owner);

    ctx->admit = a;

    return NGX_OK;
}


/* reserve */

static void
ngx_http_weir_admit_ignore(void *data, const weir_answer_t *a)
{
    /* what is not given back lapses */
}


/* Nothing was queued: tickets, and the key's job, are given back. */

static void
ngx_http_weir_admit_give_back(ngx_http_weir_ctx_t *ctx, bool key)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_unreserve(&p->txn, &ctx->admit->reserve, key);

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn,
                                    ngx_http_weir_admit_ignore, NULL);
}


void
ngx_http_weir_admit_release(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->admit) {
        ngx_http_weir_admit_give_back(ctx, true);
    }
}


static const ngx_http_weir_step_t *
ngx_http_weir_reserve_failed_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ngx_http_weir_forget(ctx);
    ngx_http_weir_count(ctx->process, submit_failed);
    ctx->status = "UNAVAILABLE";

    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                     "the job could not be queued, and will not run");
    f.retry_after = 1;

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


/* When there will be room nobody knows: not before the next job ends. */

static const ngx_http_weir_step_t *
ngx_http_weir_admit_refuse(ngx_http_weir_ctx_t *ctx, weir_failure_t *f)
{
    ngx_http_weir_admit_give_back(ctx, true);
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


static const ngx_http_weir_step_t *
ngx_http_weir_reserve_decide(ngx_http_weir_ctx_t *ctx,
    const weir_reserved_t *got)
{
    ngx_http_weir_admit_t  *a;

    a = ctx->admit;

    if (a->reserve.idem && !weir_str_eq(got->id, weir_str_of(a->id))) {

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

    if (a->reserve.total && got->total > a->total_limit) {
        return &ngx_http_weir_step_total_full;
    }

    return &ngx_http_weir_step_hold;
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

    if (r->idem && s->records < r->idem_ttl) {
        s->records = r->idem_ttl;       /* the key must find them */
    }

    return s->created < r->by;
}


/* the job of an earlier request */

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
    weir_failure_t          f;
    ngx_http_weir_admit_t  *a;

    a = ctx->admit;

    ngx_http_weir_wait_remove(ctx);
    weir_outcome_free(&ctx->outcome);
    weir_outcome_init(&ctx->outcome);

    ctx->outcome_text.len = 0;
    ctx->has_job = 0;
    ctx->replayed = 0;
    ctx->ended = 0;

    ngx_memcpy(ctx->job.id, a->id, sizeof(a->id));
    ctx->job.kind.len = 0;
    ctx->job.started = 0;
    ctx->job.attempts = 0;

    if (a->n >= NGX_HTTP_WEIR_IDEM_JOBS_MAX) {
        weir_failure_set(&f, WEIR_FAIL_CONFLICT, "this Idempotency-Key was "
                         "tried %d times without success",
                         NGX_HTTP_WEIR_IDEM_JOBS_MAX);
        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
    }

    a->reserve.n = a->n + 1;

    return &ngx_http_weir_step_reserve;
}


static const ngx_http_weir_step_t *
ngx_http_weir_join_wait_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    if (ngx_http_weir_wait_add(ctx) != NGX_OK) {
        weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                         "too many requests are waiting here already");
        f.retry_after = 1;
        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
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


static void
ngx_http_weir_join_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_job_t                   job;
    weir_run_t                   run;
    const ngx_http_weir_step_t  *next;

    if (!weir_txn_look_read(a, &job, &run)) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_unavailable);
        return;
    }

    if (run.found) {
        next = ngx_http_weir_join_decide(ctx, &job, &run);
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
    weir_txn_look(&p->txn, ctx->job.shard, ctx->job.id, NULL);

    return ngx_http_weir_ask(ctx, ngx_http_weir_join_answer,
                             p->conf->redis.timeout, &ngx_http_weir_step_join,
                             &ngx_http_weir_step_unavailable);
}
