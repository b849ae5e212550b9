/*
 * Requests that wait for a run, found by its id.  Owns the buckets of the
 * process; a waiter itself is part of its request's context and is unlinked by
 * the cleanup of that.  The answer is made elsewhere.
 */

#include "ngx_http_weir_woken.h"


/* a re-check under way: the requests may be gone when it is answered */

typedef struct {
    ngx_http_weir_process_t  *process;
    char                      run[WEIR_ID_LEN + 1];
} ngx_http_weir_recheck_t;


/* how a run has ended */

typedef struct {
    weir_state_e              state;
    weir_str_t                token;
    int64_t                   at;
    weir_str_t                last;             /* of its entries; or empty */
} ngx_http_weir_end_t;


/* a large outcome that several wait for, likewise */

typedef struct {
    ngx_http_weir_process_t  *process;
    char                      run[WEIR_ID_LEN + 1];
    char                      token[WEIR_TOKEN_MAX + 1];
    weir_state_e              state;
    int64_t                   at;
} ngx_http_weir_large_t;


static ngx_queue_t *
ngx_http_weir_wait_bucket(ngx_http_weir_process_t *p, const char *run)
{
    return &p->buckets[ngx_crc32_short((u_char *) run, WEIR_ID_LEN)
                       & (NGX_HTTP_WEIR_BUCKETS - 1)];
}


static void
ngx_http_weir_wait_gauge(ngx_http_weir_process_t *p)
{
    p->conf->counters->slots[ngx_process_slot].parked = p->waiters;
}


/* NGX_BUSY: as many are waiting as may. */

ngx_int_t
ngx_http_weir_wait_add(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    if (ctx->waiting) {
        return NGX_OK;
    }

    if (p->waiters >= p->conf->max_waiting) {
        return NGX_BUSY;
    }

    ngx_queue_insert_tail(ngx_http_weir_wait_bucket(p, ctx->job.id),
                          &ctx->waiter);
    ctx->waiting = 1;
    p->waiters++;
    ngx_http_weir_wait_gauge(p);

    return NGX_OK;
}


void
ngx_http_weir_wait_remove(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    if (!ctx->waiting) {
        return;
    }

    p = ctx->process;

    ngx_queue_remove(&ctx->waiter);
    ctx->waiting = 0;
    p->waiters--;
    ngx_http_weir_wait_gauge(p);
}


/* Waking one request may end another (HTTP/2 streams share a connection), so
 * all are moved to a list of their own first, and its head is popped. */

static void
ngx_http_weir_wait_collect(ngx_http_weir_process_t *p, const char *run,
    ngx_uint_t streams, ngx_queue_t *all)
{
    ngx_queue_t          *q, *next, *bucket;
    ngx_http_weir_ctx_t  *ctx;

    ngx_queue_init(all);
    bucket = ngx_http_weir_wait_bucket(p, run);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = next)
    {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_http_weir_ctx_t, waiter);

        if (ngx_memcmp(ctx->job.id, run, WEIR_ID_LEN) == 0
            && (ctx->reader || !streams))
        {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(all, q);
        }
    }
}


static ngx_http_weir_ctx_t *
ngx_http_weir_wait_pop(ngx_queue_t *all)
{
    ngx_http_weir_ctx_t  *ctx;

    if (ngx_queue_empty(all)) {
        return NULL;
    }

    ctx = ngx_queue_data(ngx_queue_head(all), ngx_http_weir_ctx_t, waiter);
    ngx_http_weir_wait_remove(ctx);

    return ctx;
}


static void
ngx_http_weir_wait_wake(ngx_http_weir_process_t *p, const char *run,
    const ngx_http_weir_end_t *end, ngx_uint_t streams, weir_str_t outcome)
{
    ngx_queue_t             all;
    ngx_http_weir_ctx_t    *ctx;
    ngx_http_weir_woken_t   woken;

    ngx_http_weir_wait_collect(p, run, streams, &all);

    if (ngx_queue_empty(&all)) {
        return;
    }

    ngx_http_weir_woken_begin(p, &woken, outcome);

    for ( ;; ) {
        ctx = ngx_http_weir_wait_pop(&all);
        if (ctx == NULL) {
            break;
        }

        ngx_http_weir_count(p, answered);

        ctx->job.state = end->state;
        ctx->job.finished = end->at;
        ngx_memcpy(ctx->job.token, end->token.data, end->token.len);
        ctx->job.token[end->token.len] = '\0';

        ngx_http_weir_reader_last(ctx, end->last);
        ngx_http_weir_woken_take(ctx);

        if (ngx_http_weir_follow_told(ctx)) {
            continue;
        }

        /* the answer to the submission may come later than the job's end; late
         * is what was never accepted */

        if (ctx->submitting
            && weir_str_eq(end->token, weir_str(WEIR_TOKEN_LATE)))
        {
            ngx_http_weir_resume(ctx, &ngx_http_weir_step_submit_refused);
            continue;
        }

        if (ctx->call) {
            ctx->call->submission = 0;
            ngx_http_weir_forget(ctx);
        }

        ctx->submitting = 0;

        ngx_http_weir_resume(ctx, ngx_http_weir_look_told(ctx));
    }

    ngx_http_weir_woken_end(p);
}


/* If the connection is lost meanwhile they wait on, and are looked up over the
 * next one.  If there is no outcome each asks for it himself, and finds out
 * what that means. */

static void
ngx_http_weir_wait_fetched(void *data, const weir_answer_t *a)
{
    ngx_http_weir_end_t     end;
    ngx_http_weir_large_t  *large = data;

    if (a->code != WEIR_ANSWER_LOST) {
        end.state = large->state;
        end.token = weir_str_of(large->token);
        end.at = large->at;
        end.last = weir_str_null;

        ngx_http_weir_wait_wake(large->process, large->run, &end, 0,
                                a->code == WEIR_ANSWER_OK
                                ? weir_reply_str(a->reply) : weir_str_null);
    }

    ngx_free(large);
}


/* How many wait for a run, but for streams; *one_r: one of them. */

static ngx_uint_t
ngx_http_weir_wait_count(ngx_http_weir_process_t *p, const char *run,
    ngx_http_weir_ctx_t **one_r)
{
    ngx_uint_t            n;
    ngx_queue_t          *q, *bucket;
    ngx_http_weir_ctx_t  *ctx;

    n = 0;
    bucket = ngx_http_weir_wait_bucket(p, run);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_weir_ctx_t, waiter);

        if (ctx->reader == NULL
            && ngx_memcmp(ctx->job.id, run, WEIR_ID_LEN) == 0)
        {
            *one_r = ctx;
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_http_weir_waits(ngx_http_weir_process_t *p, const char *run)
{
    ngx_http_weir_ctx_t  *one;

    return ngx_http_weir_wait_count(p, run, &one) > 0;
}


/* An outcome that is too large for a message is fetched once for all who wait
 * for it in this process.  NGX_DECLINED: it is not. */

static ngx_int_t
ngx_http_weir_wait_fetch(ngx_http_weir_process_t *p, const char *run,
    const ngx_http_weir_end_t *end)
{
    ngx_http_weir_ctx_t    *one;
    ngx_http_weir_large_t  *large;

    if (ngx_http_weir_wait_count(p, run, &one) < 2
        || !weir_token_has_outcome(end->token))
    {
        return NGX_DECLINED;
    }

    large = ngx_calloc(sizeof(ngx_http_weir_large_t), &p->cmd.log);
    if (large == NULL) {
        return NGX_DECLINED;
    }

    large->process = p;
    large->state = end->state;
    large->at = end->at;
    ngx_memcpy(large->run, run, WEIR_ID_LEN);
    ngx_memcpy(large->token, end->token.data, end->token.len);

    weir_txn_reset(&p->txn);
    weir_txn_outcome(&p->txn, one->job.shard, ngx_http_weir_run_id(&one->job),
                     end->token);

    if (ngx_http_weir_redis_send(&p->cmd, &p->txn, ngx_http_weir_wait_fetched,
                                 large)
        != NGX_OK)
    {
        ngx_free(large);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* Who has read it all along seldom needs the outcome. */

void
ngx_http_weir_wait_deliver(ngx_http_weir_process_t *p, weir_str_t run,
    weir_str_t fin, int64_t at, weir_str_t last, weir_str_t outcome)
{
    ngx_http_weir_end_t  end;

    if (run.len != WEIR_ID_LEN
        || !weir_fin_parse(fin, &end.state, &end.token))
    {
        return;
    }

    end.at = at;
    end.last = last;

    if (outcome.len == 0) {
        ngx_http_weir_wait_wake(p, run.data, &end, 1, outcome);

        if (ngx_http_weir_wait_fetch(p, run.data, &end) == NGX_OK) {
            return;
        }
    }

    ngx_http_weir_wait_wake(p, run.data, &end, 0, outcome);
}


static void
ngx_http_weir_wait_lost(ngx_http_weir_process_t *p, const char *run)
{
    ngx_queue_t           all;
    ngx_http_weir_ctx_t  *ctx;

    ngx_http_weir_wait_collect(p, run, 0, &all);

    for ( ;; ) {
        ctx = ngx_http_weir_wait_pop(&all);
        if (ctx == NULL) {
            return;
        }

        ctx->lost = (ctx->request->method == NGX_HTTP_POST);
        ngx_http_weir_forget(ctx);
        ngx_http_weir_resume(ctx, ctx->lost ? &ngx_http_weir_step_outcome
                                            : &ngx_http_weir_step_look);
    }
}


static void
ngx_http_weir_wait_rechecked(void *data, const weir_answer_t *a)
{
    int64_t                   at;
    weir_str_t                fin;
    ngx_http_weir_process_t  *p;
    ngx_http_weir_recheck_t  *recheck = data;

    p = recheck->process;

    if (a->code == WEIR_ANSWER_OK && weir_reply_count(a->reply) == 3) {
        fin = weir_reply_str(weir_reply_at(a->reply, 0));
        at = weir_reply_int(weir_reply_at(a->reply, 1));

        if (fin.len) {
            ngx_http_weir_count(p, recheck_hits);
            ngx_http_weir_wait_deliver(p, weir_str_of(recheck->run), fin, at,
                                       weir_str_null, weir_str_null);

        } else if (weir_reply_is_nil(weir_reply_at(a->reply, 2))) {
            ngx_http_weir_wait_lost(p, recheck->run);
        }
    }

    ngx_free(recheck);
}


static ngx_int_t
ngx_http_weir_wait_ask(ngx_http_weir_process_t *p, ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_recheck_t  *recheck;

    recheck = ngx_alloc(sizeof(ngx_http_weir_recheck_t), &p->cmd.log);
    if (recheck == NULL) {
        return NGX_ERROR;
    }

    recheck->process = p;
    ngx_memcpy(recheck->run, ctx->job.id, sizeof(recheck->run));

    weir_txn_reset(&p->txn);
    weir_txn_recheck(&p->txn, ctx->job.shard, ctx->job.id);

    if (ngx_http_weir_redis_send(&p->cmd, &p->txn,
                                 ngx_http_weir_wait_rechecked, recheck)
        != NGX_OK)
    {
        ngx_free(recheck);
        return NGX_ERROR;
    }

    ngx_http_weir_count(p, rechecks);

    return NGX_OK;
}


/* Messages may be lost: the runs that somebody waits for are looked up, some
 * buckets at a time.  Several waiters of one run stand together more often
 * than not, and cost one look. */

void
ngx_http_weir_wait_recheck(ngx_http_weir_process_t *p, ngx_uint_t buckets)
{
    ngx_queue_t          *q, *bucket;
    ngx_http_weir_ctx_t  *ctx, *last;

    if (p->waiters == 0 || p->cmd.state != NGX_HTTP_WEIR_REDIS_READY) {
        return;
    }

    for ( /* void */ ; buckets; buckets--) {
        bucket = &p->buckets[p->cursor];
        last = NULL;

        for (q = ngx_queue_head(bucket);
             q != ngx_queue_sentinel(bucket);
             q = ngx_queue_next(q))
        {
            ctx = ngx_queue_data(q, ngx_http_weir_ctx_t, waiter);

            if (!ctx->recheck
                || (last && ngx_memcmp(last->job.id, ctx->job.id,
                                       WEIR_ID_LEN)
                            == 0))
            {
                continue;
            }

            if (ngx_http_weir_wait_ask(p, ctx) != NGX_OK) {
                return;                 /* from this bucket on, next time */
            }

            last = ctx;
        }

        p->cursor = (p->cursor + 1) & (NGX_HTTP_WEIR_BUCKETS - 1);
    }
}


/* The process is told to go: polls are answered now, completions are kept. */

void
ngx_http_weir_wait_release(ngx_http_weir_process_t *p)
{
    ngx_uint_t            i;
    ngx_queue_t           all, *q, *next;
    ngx_http_weir_ctx_t  *ctx;

    ngx_queue_init(&all);

    for (i = 0; i < NGX_HTTP_WEIR_BUCKETS; i++) {

        for (q = ngx_queue_head(&p->buckets[i]);
             q != ngx_queue_sentinel(&p->buckets[i]);
             q = next)
        {
            next = ngx_queue_next(q);
            ctx = ngx_queue_data(q, ngx_http_weir_ctx_t, waiter);

            if (ctx->poll && ctx->recheck) {
                ngx_queue_remove(q);
                ngx_queue_insert_tail(&all, q);
            }
        }
    }

    for ( ;; ) {
        ctx = ngx_http_weir_wait_pop(&all);
        if (ctx == NULL) {
            return;
        }

        ngx_http_weir_resume(ctx, &ngx_http_weir_step_released);
    }
}
