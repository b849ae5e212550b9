/*
 * To hang on to the run of another who asks the same: a held request without
 * a job of its own, or a job.  Owns the way from there to the wait; whose run
 * it is was decided in ask.c.
 */

#include "ngx_http_weir_ask.h"


#define NGX_HTTP_WEIR_FOLLOW_GRACE  5000        /* ms past the end of a wait */
#define NGX_HTTP_WEIR_FOLLOW_CLOCK  100         /* ms */


static const ngx_http_weir_step_t *ngx_http_weir_follow_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_follow_look_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_follow_vet_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_follow_failed_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_follow_full_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_follow = {
    "follow", ngx_http_weir_follow_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_follow_look = {
    "follow, look", ngx_http_weir_follow_look_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_follow_vet = {
    "follow, vet", ngx_http_weir_follow_vet_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_follow_failed = {
    "follow failed", ngx_http_weir_follow_failed_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_follow_full = {
    "follow, full", ngx_http_weir_follow_full_run
};


/* Whose job it is has the run beside it; who has none waits for the run. */

void
ngx_http_weir_run_set(ngx_http_weir_ctx_t *ctx, const char *run)
{
    char  *to;

    to = ctx->cache->jobful ? ctx->job.run : ctx->job.id;

    ngx_memcpy(to, run, WEIR_ID_LEN);
    to[WEIR_ID_LEN] = '\0';
}


/* So long at least who waits here wants the run, in ms. */

int64_t
ngx_http_weir_follow_until(ngx_http_weir_ctx_t *ctx)
{
    ngx_msec_int_t            left;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    left = (ngx_msec_int_t) (ctx->wait_end - ngx_current_msec);

    return ngx_http_weir_now(p) + ngx_max(left, 0)
           + 2 * (int64_t) p->conf->redis.timeout
           + NGX_HTTP_WEIR_FOLLOW_GRACE;
}


/* The job that was to follow, and that nobody was told of. */

static void
ngx_http_weir_follow_abandon(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_sent_t  sent;

    ctx->cache->recorded = 0;

    if (!ctx->process->exiting) {
        ngx_http_weir_sent(ctx, &sent);
        ngx_http_weir_abandon(ctx->process, &sent);
    }
}


/* Hangs on to it no more: neither waits, nor has a job there, nor knows what
 * it came to. */

void
ngx_http_weir_follow_end(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    ngx_http_weir_wait_remove(ctx);
    ngx_http_weir_reader_leave(ctx);
    weir_outcome_free(&ctx->outcome);

    if (cache->recorded) {
        ngx_http_weir_follow_abandon(ctx);
    }

    cache->following = 0;
    cache->told = 0;
    ctx->submitting = 0;
}


/* The message of its end may come before the answer that says when the run
 * was asked for: that it came is remembered until then. */

ngx_uint_t
ngx_http_weir_follow_told(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    if (cache == NULL || !cache->following
        || (cache->jobful ? ctx->call == NULL : ctx->job.created != 0))
    {
        return 0;
    }

    cache->told = 1;

    return 1;
}


static const ngx_http_weir_step_t *
ngx_http_weir_follow_failed_run(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->call) {
        ctx->cache->recorded = ctx->call->submission;
        ctx->call->submission = 0;
    }

    return &ngx_http_weir_step_ask_failed;
}


static const ngx_http_weir_step_t *
ngx_http_weir_follow_full_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_follow_end(ctx);
    ngx_http_weir_admit_release(ctx);

    return ngx_http_weir_submit_full(ctx);
}


/* The run goes on, or was done in this moment. */

static const ngx_http_weir_step_t *
ngx_http_weir_follow_alive(ngx_http_weir_ctx_t *ctx,
    const weir_followed_t *got)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    if (!cache->jobful) {
        ctx->job.created = got->run.created;

        return cache->told ? &ngx_http_weir_step_outcome
                           : &ngx_http_weir_step_wait;
    }

    cache->recorded = 0;
    ctx->has_job = 1;
    ctx->job.asked = got->run.created;
    ngx_str_set(&ctx->job.part, WEIR_PART_JOINED);

    weir_buf_free(&ctx->payload);

    if (cache->told) {
        return ngx_http_weir_look_told(ctx);
    }

    ctx->job.state = WEIR_QUEUED;
    ctx->status = "QUEUED";

    return ctx->waiting ? &ngx_http_weir_step_wait
                        : &ngx_http_weir_step_accepted;
}


/* how a run ended, into a request that has no job */

void
ngx_http_weir_follow_take(ngx_http_weir_ctx_t *ctx, const weir_run_t *run)
{
    ctx->job.state = run->state;
    ctx->job.created = run->created;
    ctx->job.finished = run->fin_at;

    ngx_snprintf((u_char *) ctx->job.token, sizeof(ctx->job.token), "%*s%Z",
                 run->token.len, run->token.data);
}


/* It is done: what it came to is good for who asked before that. */

static const ngx_http_weir_step_t *
ngx_http_weir_follow_done(ngx_http_weir_ctx_t *ctx,
    const weir_followed_t *got)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    /* else a worker sees to it, only later */

    if (ctx->cache->jobful) {
        weir_txn_reset(&p->txn);
        weir_txn_hand_on_now(&p->txn, ctx->job.shard, ctx->cache->run,
                             ngx_http_weir_now(p));
        (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, NULL, NULL);

        return ngx_http_weir_follow_alive(ctx, got);
    }

    ngx_http_weir_wait_remove(ctx);
    ngx_http_weir_follow_take(ctx, &got->run);

    return &ngx_http_weir_step_outcome;
}


/* Who asked for it gave it up, but may be gone before it is cancelled. */

static void
ngx_http_weir_follow_cancel(ngx_http_weir_ctx_t *ctx)
{
    weir_cancel_t             cancel;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    ngx_memzero(&cancel, sizeof(weir_cancel_t));

    cancel.shard = ctx->job.shard;
    cancel.id = ctx->cache->run;
    cancel.token = WEIR_TOKEN_EDGE;
    cancel.now = ngx_http_weir_now(p);

    weir_txn_reset(&p->txn);
    weir_txn_cancel(&p->txn, &cancel);

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, NULL, NULL);
}


/* Is this a run whose end is what was asked for? */

static ngx_uint_t
ngx_http_weir_follow_good(ngx_http_weir_ctx_t *ctx, const weir_followed_t *got)
{
    const weir_run_t       *run;
    ngx_http_weir_cache_t  *cache;

    run = &got->run;
    cache = ctx->cache;

    if (!run->found || weir_followed_is_void(got)
        || (cache->purged && run->created <= cache->purged)
        || (cache->vetoed && ngx_strcmp(cache->vetted, cache->run) == 0))
    {
        return 0;
    }

    /* by clocks that differ a little: what may have been there before is not
     * taken for what was waited for */

    return !weir_state_is_final(run->state)
           || (run->state == WEIR_COMPLETED
               && run->fin_at > cache->began + NGX_HTTP_WEIR_FOLLOW_CLOCK);
}


/* It was asked for by another owner, or with other labels, which may have been
 * purged since.  NULL: it was not, or that was looked at. */

static const ngx_http_weir_step_t *
ngx_http_weir_follow_vet(ngx_http_weir_ctx_t *ctx, const weir_run_t *run)
{
    ngx_str_t               text;
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    if (run->owner.len == 0
        || ngx_strcmp(cache->vetted, cache->run) == 0
        || (weir_str_eq(run->owner, ngx_http_weir_str(ctx->visit->owner))
            && weir_str_eq(run->labels, ngx_http_weir_str(cache->labels))))
    {
        return NULL;
    }

    ngx_http_weir_follow_end(ctx);          /* until that is known */

    if (ngx_http_weir_copy(ctx->request->pool, &text, run->owner) != NGX_OK) {
        return &ngx_http_weir_step_ask_failed;
    }

    cache->vetted_owner = ngx_http_weir_str(text);

    if (ngx_http_weir_copy(ctx->request->pool, &text, run->labels) != NGX_OK) {
        return &ngx_http_weir_step_ask_failed;
    }

    cache->vetted_labels = ngx_http_weir_str(text);
    cache->vetted_at = run->created;

    return &ngx_http_weir_step_follow_vet;
}


static void
ngx_http_weir_follow_vetted(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;

    if (a->code != WEIR_ANSWER_OK) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_ask_failed);
        return;
    }

    ngx_memcpy(cache->vetted, cache->run, sizeof(cache->vetted));
    cache->vetoed = (cache->vetted_at <= weir_txn_marked_at(a, 0));

    ngx_http_weir_resume(ctx, cache->vetoed ? ngx_http_weir_ask_next(ctx)
                                            : ngx_http_weir_follow(ctx));
}


static const ngx_http_weir_step_t *
ngx_http_weir_follow_vet_run(ngx_http_weir_ctx_t *ctx)
{
    weir_ask_t                ask;
    ngx_http_weir_cache_t    *cache;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    cache = ctx->cache;

    ngx_memzero(&ask, sizeof(weir_ask_t));

    ask.shard = ctx->job.shard;
    ask.question = cache->question;
    ask.owner = cache->vetted_owner;
    ask.labels = cache->vetted_labels;

    weir_txn_reset(&p->txn);
    weir_txn_marked(&p->txn, &ask, 1);

    return ngx_http_weir_ask(ctx, ngx_http_weir_follow_vetted,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_follow_vet,
                             &ngx_http_weir_step_ask_failed);
}


static const ngx_http_weir_step_t *
ngx_http_weir_follow_decide(ngx_http_weir_ctx_t *ctx,
    const weir_followed_t *got)
{
    const ngx_http_weir_step_t  *vet;

    if (got->late) {
        return &ngx_http_weir_step_ask_failed;
    }

    if (!got->kept) {
        ngx_http_weir_follow_cancel(ctx);
        return ngx_http_weir_ask_next(ctx);
    }

    if (!ngx_http_weir_follow_good(ctx, got)) {
        return ngx_http_weir_ask_next(ctx);
    }

    vet = ctx->cache->jobful ? NULL : ngx_http_weir_follow_vet(ctx, &got->run);

    if (vet) {
        return vet;
    }

    return weir_state_is_final(got->run.state)
           ? ngx_http_weir_follow_done(ctx, got)
           : ngx_http_weir_follow_alive(ctx, got);
}


/* A job gets the end of what it hangs on to, whatever that is: so it looks
 * before. */

static void
ngx_http_weir_follow_looked(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_followed_t              got;
    const ngx_http_weir_step_t  *next;

    next = &ngx_http_weir_step_ask_failed;

    if (weir_txn_follow_read(a, false, &got)) {
        if (ngx_http_weir_follow_good(ctx, &got)) {
            next = ngx_http_weir_follow_vet(ctx, &got.run);
            next = next ? next : &ngx_http_weir_step_begin;

        } else {
            next = ngx_http_weir_ask_next(ctx);
        }
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_follow_look_run(ngx_http_weir_ctx_t *ctx)
{
    weir_follow_t             f;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    ngx_memzero(&f, sizeof(weir_follow_t));

    f.shard = ctx->job.shard;
    f.question = ctx->cache->question;
    f.run = ctx->cache->run;

    weir_txn_reset(&p->txn);
    weir_txn_follow_look(&p->txn, &f);

    return ngx_http_weir_ask(ctx, ngx_http_weir_follow_looked,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_follow_look,
                             &ngx_http_weir_step_ask_failed);
}


static void
ngx_http_weir_follow_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_followed_t              got;
    ngx_http_weir_cache_t       *cache;
    const ngx_http_weir_step_t  *next;

    cache = ctx->cache;
    ctx->submitting = 0;

    if (weir_txn_follow_read(a, cache->jobful, &got)) {
        cache->recorded = cache->jobful;
        next = ngx_http_weir_follow_decide(ctx, &got);

    } else {
        next = &ngx_http_weir_step_ask_failed;

        /* LOST: abandoned already */

        if (a->code == WEIR_ANSWER_ERROR || a->code == WEIR_ANSWER_OK) {
            cache->recorded = cache->jobful;

        } else if (a->code != WEIR_ANSWER_LOST) {
            ngx_http_weir_admit_release(ctx);
        }

        if (a->code != WEIR_ANSWER_LOST) {
            ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                          "weir: redis refused a follower: \"%*s\"",
                          a->error.len, a->error.data);
        }
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_follow_run(ngx_http_weir_ctx_t *ctx)
{
    weir_follow_t             f;
    weir_submission_t         job;
    ngx_http_weir_cache_t    *cache;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    cache = ctx->cache;

    if (cache->jobful && !ngx_http_weir_may_submit(p)) {
        ngx_http_weir_admit_release(ctx);
        return &ngx_http_weir_step_ask_failed;
    }

    /* among the waiting before it is asked how it is: no end is missed */

    if (ctx->hold != 0 && ngx_http_weir_wait_add(ctx) != NGX_OK) {
        return &ngx_http_weir_step_follow_full;
    }

    ngx_memzero(&f, sizeof(weir_follow_t));

    f.shard = ctx->job.shard;
    f.question = cache->question;
    f.run = cache->run;

    if (cache->jobful) {
        ngx_http_weir_submit_record(ctx, &job);
        f.job = &job;
        f.part = WEIR_PART_JOINED;

    } else {
        f.mailbox = p->mailbox;
        f.until = ngx_http_weir_follow_until(ctx);
    }

    weir_txn_reset(&p->txn);
    weir_txn_follow(&p->txn, &f);

    ctx->submitting = cache->jobful;

    return ngx_http_weir_ask(ctx, ngx_http_weir_follow_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_follow,
                             &ngx_http_weir_step_follow_failed);
}


/* A job counts among those of its owner before it follows. */

const ngx_http_weir_step_t *
ngx_http_weir_follow(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *cache;

    cache = ctx->cache;
    cache->following = 1;
    cache->told = 0;
    cache->status = NGX_HTTP_WEIR_CACHE_JOINED;

    ngx_http_weir_run_set(ctx, cache->run);

    if (!cache->jobful) {
        ctx->job.created = 0;
        return &ngx_http_weir_step_follow;
    }

    ngx_http_weir_admit_rename(ctx);

    return &ngx_http_weir_step_follow_look;
}
