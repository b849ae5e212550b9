/*
 * Who answers a question that is not stored here: the store of all nodes, a
 * run that another has asked for, or one of our own.  Owns the register of a
 * question as far as this request has it; to follow another's run is in
 * follow.c.
 */

#include "ngx_http_weir_ask.h"


#define NGX_HTTP_WEIR_ASK_PAUSE   40            /* ms, between looks */
#define NGX_HTTP_WEIR_ASK_TIME    30000         /* ms, until it is decided */


static const ngx_http_weir_step_t *ngx_http_weir_ask_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_ask_failed_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_ask_pause_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_ask_served_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_ask_only_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_ask = {
    "ask", ngx_http_weir_ask_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_ask_failed = {
    "ask failed", ngx_http_weir_ask_failed_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_ask_pause = {
    "ask later", ngx_http_weir_ask_pause_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_ask_served = {
    "ask, stored", ngx_http_weir_ask_served_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_ask_only = {
    "ask, only if stored", ngx_http_weir_ask_only_run
};


/* the register */

static void
ngx_http_weir_ask_write(ngx_http_weir_ctx_t *ctx, weir_ask_t *ask,
    long long n)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;
    ngx_memzero(ask, sizeof(weir_ask_t));

    ask->shard = ctx->job.shard;
    ask->question = cache->question;
    ask->n = n;
    ask->run = cache->own;
    ask->by = cache->own_by;
    ask->now = ngx_http_weir_now(ctx->process);
    ask->owner = ngx_http_weir_str(ctx->visit->owner);
    ask->model = ngx_http_weir_str(ctx->job.model);
    ask->labels = ngx_http_weir_str(cache->labels);
    ask->apart = (ctx->process->kept != NULL);
}


/* Nothing was submitted, and others need not wait until its time is over. */

static void
ngx_http_weir_ask_give_back(ngx_http_weir_ctx_t *ctx, long long n)
{
    weir_ask_t                ask;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    if (p->exiting) {
        return;
    }

    ngx_http_weir_ask_write(ctx, &ask, n);

    weir_txn_reset(&p->txn);
    weir_txn_unask(&p->txn, &ask);

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, NULL, NULL);
}


void
ngx_http_weir_ask_release(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->cache && ctx->cache->leading) {
        ctx->cache->leading = 0;
        ngx_http_weir_ask_give_back(ctx, ctx->cache->n);
    }
}


/* From here on the submission decides. */

void
ngx_http_weir_ask_sent(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->cache) {
        ctx->cache->owes = 0;
    }
}


/* The client left between the register and the submission. */

void
ngx_http_weir_ask_cleanup(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->cache && ctx->cache->owes) {
        ctx->cache->owes = 0;
        ngx_http_weir_ask_release(ctx);
    }
}


/* the steps */

static const ngx_http_weir_step_t *
ngx_http_weir_ask_failed_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_forget(ctx);
    ngx_http_weir_follow_end(ctx);

    return ngx_http_weir_submit_failed(ctx);
}


/* A record that is none is passed over: there will be another. */

static const ngx_http_weir_step_t *
ngx_http_weir_ask_served_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->cache->jobful) {
        return &ngx_http_weir_step_hit;
    }

    rc = ngx_http_weir_cache_serve(ctx, &ctx->cache->found);

    if (rc == NGX_DECLINED) {
        ctx->cache->broken = 1;
        return ngx_http_weir_ask_next(ctx);
    }

    return ngx_http_weir_done(ctx, rc);
}


static const ngx_http_weir_step_t *
ngx_http_weir_ask_only_run(ngx_http_weir_ctx_t *ctx)
{
    return ngx_http_weir_done(ctx, ngx_http_weir_cache_only(ctx));
}


static const ngx_http_weir_step_t *
ngx_http_weir_ask_pause_run(ngx_http_weir_ctx_t *ctx)
{
    ctx->cache->reading = 1;            /* whose it is does not change */

    return ngx_http_weir_park(ctx, NGX_HTTP_WEIR_ASK_PAUSE,
                              &ngx_http_weir_step_ask);
}


/* What was there before is of no use: the next run, by whoever gets it.  Each
 * round has ids of its own, since the last one's may have been given up. */

const ngx_http_weir_step_t *
ngx_http_weir_ask_next(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    ngx_http_weir_follow_end(ctx);

    if (ngx_http_weir_now(ctx->process)
        > cache->asking + NGX_HTTP_WEIR_ASK_TIME)
    {
        return &ngx_http_weir_step_ask_failed;
    }

    cache->own[0] = '\0';
    cache->reading = 0;
    cache->looked = 0;                  /* there may be one by now */
    cache->n++;

    return &ngx_http_weir_step_ask;
}


/* After a run that failed, or was lost: once. */

static const ngx_http_weir_step_t *
ngx_http_weir_ask_again(ngx_http_weir_ctx_t *ctx)
{
    ctx->lost = 0;

    ctx->cache->again = 1;
    ctx->cache->asking = ngx_http_weir_now(ctx->process);
    ctx->cache->since = ngx_current_msec;

    return ngx_http_weir_ask_next(ctx);
}


/* What came of a run that others asked for too.  NULL: it is the answer. */

const ngx_http_weir_step_t *
ngx_http_weir_ask_answered(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t          f;
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    if (!ngx_http_weir_jobless(ctx)
        || ngx_http_weir_streamed(ctx)
        || (!ctx->lost && ctx->job.state == WEIR_COMPLETED
            && ctx->outcome.choices))
    {
        return NULL;
    }

    weir_jobdoc_failure(ctx->job.state, &ctx->outcome, &f);

    if (!ctx->lost && ctx->job.state == WEIR_FAILED
        && !weir_failure_may_retry(f.kind))
    {
        return NULL;
    }

    if (ngx_http_weir_may_spare(ctx)) {
        return &ngx_http_weir_step_stale;
    }

    return cache->following && !cache->again ? ngx_http_weir_ask_again(ctx)
                                             : NULL;
}


static const ngx_http_weir_step_t *
ngx_http_weir_ask_lead(ngx_http_weir_ctx_t *ctx, const weir_asked_t *asked)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    cache->leading = 1;
    cache->owes = 1;
    cache->following = 0;
    cache->n = asked->n;
    cache->by = asked->by;
    ngx_memcpy(cache->run, cache->own, sizeof(cache->run));

    ngx_http_weir_run_set(ctx, cache->run);

    cache->status = NGX_HTTP_WEIR_CACHE_MISS;
    cache->refresh = (cache->stale && cache->at_once);

    if (cache->refresh) {
        ctx->hold = 0;                  /* nobody waits for it */
    }

    ngx_http_weir_admit_rename(ctx);

    return &ngx_http_weir_step_begin;
}


static const ngx_http_weir_step_t *
ngx_http_weir_ask_join(ngx_http_weir_ctx_t *ctx, const weir_asked_t *asked)
{
    ngx_http_weir_cache_t       *cache;
    const ngx_http_weir_step_t  *next;

    cache = ctx->cache;
    cache->n = asked->n;
    cache->by = asked->by;

    if (asked->by == 0) {                               /* given back */
        next = ngx_http_weir_spend_waited(ctx, cache->since);

        if (next == NULL) {
            return ngx_http_weir_ask_next(ctx);
        }

        ngx_http_weir_follow_end(ctx);

        return next;
    }

    if (asked->submitted) {
        ngx_memcpy(cache->run, asked->run.data, WEIR_ID_LEN);
        cache->run[WEIR_ID_LEN] = '\0';
        return ngx_http_weir_follow(ctx);
    }

    /* reserved a moment ago, and not submitted yet, or never */

    return ngx_http_weir_now(ctx->process)
           > asked->by + NGX_HTTP_WEIR_ASK_GRACE
           ? ngx_http_weir_ask_next(ctx) : &ngx_http_weir_step_ask_pause;
}


/* A stored answer, copied: the reply it stands in is gone soon. */

static ngx_http_weir_cache_use_e
ngx_http_weir_ask_stored(ngx_http_weir_ctx_t *ctx, const weir_asked_t *asked)
{
    ngx_str_t                   text;
    ngx_http_weir_cache_t      *cache;
    ngx_http_weir_cache_use_e   use;

    cache = ctx->cache;

    /* what is in reserve here may have been purged meanwhile */

    if (cache->stale && cache->reserve.created <= asked->purged) {
        cache->stale = 0;
        cache->at_once = 0;
    }

    if (asked->answer.len == 0 || cache->broken
        || ngx_http_weir_copy(ctx->request->pool, &text, asked->answer)
           != NGX_OK
        || !weir_cached_read(ngx_http_weir_str(text), &cache->found))
    {
        return NGX_HTTP_WEIR_CACHE_UNUSABLE;
    }

    use = ngx_http_weir_marks_void(ctx)
          ? NGX_HTTP_WEIR_CACHE_UNUSABLE
          : ngx_http_weir_cache_use(ctx, &cache->found);

    if (ngx_http_weir_marks_open(ctx)) {
        return use;
    }

    if ((use == NGX_HTTP_WEIR_CACHE_WHILE || use == NGX_HTTP_WEIR_CACHE_ERROR)
        && !cache->jobful)
    {
        (void) ngx_http_weir_cache_reserve(ctx, &cache->found, use);
    }

    return use;
}


static const ngx_http_weir_step_t *
ngx_http_weir_ask_decide(ngx_http_weir_ctx_t *ctx, const weir_asked_t *asked)
{
    ngx_http_weir_cache_t      *cache;
    ngx_http_weir_cache_use_e   use;

    cache = ctx->cache;
    cache->purged = asked->purged;

    use = ngx_http_weir_ask_stored(ctx, asked);

    if (use != NGX_HTTP_WEIR_CACHE_UNUSABLE && ngx_http_weir_marks_open(ctx)) {
        return &ngx_http_weir_step_marks;
    }

    if (use == NGX_HTTP_WEIR_CACHE_FRESH) {

        if (asked->ours) {
            ngx_http_weir_ask_give_back(ctx, asked->n);
        }

        return &ngx_http_weir_step_ask_served;
    }

    if (cache->ctl.only_if_cached) {
        return cache->stale && cache->at_once ? &ngx_http_weir_step_stale
                                              : &ngx_http_weir_step_ask_only;
    }

    if (asked->ours) {
        return ngx_http_weir_ask_lead(ctx, asked);
    }

    if (asked->n == 0 || asked->run.len != WEIR_ID_LEN) {
        cache->n = 0;                   /* gone while it was only read */
        return ngx_http_weir_ask_next(ctx);
    }

    if (cache->stale && cache->at_once) {
        return ngx_http_weir_refresh(ctx, asked);
    }

    return ngx_http_weir_ask_join(ctx, asked);
}


static void
ngx_http_weir_ask_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_ask_t                   ask;
    weir_asked_t                 asked;
    const ngx_http_weir_step_t  *next;

    ngx_http_weir_ask_write(ctx, &ask, ctx->cache->reading ? 0
                                                           : ctx->cache->n);

    if (weir_txn_ask_read(a, &ask, &asked)) {

        if (ask.apart) {
            asked.answer = ngx_http_weir_str(ctx->cache->kept);
        }

        next = ngx_http_weir_ask_decide(ctx, &asked);

    } else {
        next = &ngx_http_weir_step_ask_failed;

        if (a->code != WEIR_ANSWER_LOST) {
            ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                          "weir: redis refused a question: \"%*s\"",
                          a->error.len, a->error.data);
        }
    }

    ngx_http_weir_resume(ctx, next);
}


/* The run that this request would lead, and the job, if it becomes one. */

static ngx_int_t
ngx_http_weir_ask_ids(ngx_http_weir_ctx_t *ctx)
{
    char                    id[WEIR_ID_LEN + 1];
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    if (cache->own[0]) {
        return NGX_OK;
    }

    if (cache->asking == 0) {
        cache->asking = ngx_http_weir_now(ctx->process);
        cache->since = ngx_current_msec;
        cache->n = 1;

    } else if (ngx_http_weir_submit_id(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(id, ctx->job.id, sizeof(id));

    if (cache->jobful) {
        if (ngx_http_weir_submit_id(ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_memcpy(cache->own, ctx->job.id, sizeof(cache->own));
        ngx_memcpy(ctx->job.id, id, sizeof(id));

    } else {
        ngx_memcpy(cache->own, id, sizeof(cache->own));
    }

    return NGX_OK;
}


static const ngx_http_weir_step_t *
ngx_http_weir_ask_run(ngx_http_weir_ctx_t *ctx)
{
    weir_ask_t                ask;
    ngx_http_weir_cache_t    *cache;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    cache = ctx->cache;

    if (p->kept && !cache->looked) {
        return &ngx_http_weir_step_kept;
    }

    if (ngx_http_weir_ask_ids(ctx) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    if (cache->ctl.only_if_cached) {
        cache->reading = 1;
    }

    /* what is to be decided before the submission may take as long again */

    cache->own_by = ngx_http_weir_now(p) + 2 * (int64_t) p->conf->redis.timeout;

    ngx_http_weir_ask_write(ctx, &ask, cache->reading ? 0 : cache->n);

    weir_txn_reset(&p->txn);
    weir_txn_ask(&p->txn, &ask);

    return ngx_http_weir_ask(ctx, ngx_http_weir_ask_answer,
                             p->conf->redis.timeout, &ngx_http_weir_step_ask,
                             &ngx_http_weir_step_ask_failed);
}


/* Behind the caps: who leads may be refused for what he spends. */

const ngx_http_weir_step_t *
ngx_http_weir_ask_admitted(ngx_http_weir_ctx_t *ctx)
{
    return ctx->cache && ctx->cache->following
           ? &ngx_http_weir_step_follow : &ngx_http_weir_step_spend;
}


/* The run's record: nobody but its askers is told of it.  false: the time of
 * the register is over. */

ngx_uint_t
ngx_http_weir_ask_submission(ngx_http_weir_ctx_t *ctx, weir_submission_t *s,
    weir_submission_t *asker)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    if (cache == NULL || !cache->asked || !(cache->leading || cache->store)) {
        return 1;
    }

    s->ask = cache->question;
    s->labels = ngx_http_weir_str(cache->labels);

    if (cache->store) {
        s->cache = weir_str_of(cache->policy_text);
    }

    if (!cache->leading) {
        return 1;                       /* stored, but not joined */
    }

    s->by = ngx_min(s->by, cache->by);
    s->n = cache->n;

    /* Redis has told of a purge: what is asked now is younger, whatever our
     * idea of its clock */

    if (cache->purged >= s->created
        && cache->purged < s->created + NGX_HTTP_WEIR_ASK_TIME)
    {
        s->created = cache->purged + 1;
        ctx->job.created = s->created;
    }

    if (cache->jobful) {
        ctx->job.asked = s->created;
        ngx_str_set(&ctx->job.part, WEIR_PART_LED);

        /* the job wants the run, whoever reads it */

        s->while_read = false;
        ctx->brief = 0;

        *asker = *s;
        asker->ask = NULL;
        asker->hold = false;

        ngx_memcpy(s->id, cache->run, sizeof(s->id));
        s->asker = asker;
        s->mailbox = weir_str_null;
        s->metadata = weir_str_null;
        s->echo = weir_str_null;
        s->prefix = weir_str_null;
        s->hook_url = weir_str_null;
        s->hook_secret = weir_str_null;
        s->listed = false;
        s->open = false;

    } else {
        s->until = ngx_http_weir_follow_until(ctx);
    }

    s->deadline = s->created + (int64_t) WEIR_DEADLINE_MAX * 1000;

    return s->created < s->by;
}
