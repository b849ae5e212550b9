/*
 * A look at a job that exists: what its records say, and what is to be done
 * then.  Owns where requests for a job begin, the steps of a look, and how
 * records get into a request's context.
 */

#include "ngx_http_weir_module.h"


static const ngx_http_weir_step_t *ngx_http_weir_look_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_look_run_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_look_failed_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_look = {
    "look", ngx_http_weir_look_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_look_run = {
    "look at the run", ngx_http_weir_look_run_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_look_failed = {
    "look failed", ngx_http_weir_look_failed_run
};


/* As long as the client likes to wait for the end. */

void
ngx_http_weir_look_wait(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_request_prefer(ctx);

    if (ctx->prefer.wait > 0) {
        ctx->poll = 1;
        ctx->wait_end = ngx_current_msec
                        + (ngx_msec_t) ctx->prefer.wait * 1000;
    }
}


/* By the id in the path; parse: what ids of this kind are like. */

const ngx_http_weir_step_t *
ngx_http_weir_look_start(ngx_http_weir_ctx_t *ctx,
    bool (*parse)(weir_str_t s, weir_str_t *id_r, unsigned *shard_r))
{
    weir_str_t  id;

    if (!parse(ngx_http_weir_str(ctx->tail), &id, &ctx->job.shard)) {
        return &ngx_http_weir_step_not_found;
    }

    ngx_memcpy(ctx->job.id, id.data, id.len);
    ctx->job.id[id.len] = '\0';

    return &ngx_http_weir_step_look;
}


const ngx_http_weir_step_t *
ngx_http_weir_job_start(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->request->method != NGX_HTTP_DELETE) {
        ngx_http_weir_look_wait(ctx);
    }

    return ngx_http_weir_look_start(ctx, weir_job_id_parse);
}


/* How it ended was told.  Whoever is shown the job sees the records as they
 * stand in Redis, for ever the same; but a job that was accepted here is shown
 * without them, too. */

const ngx_http_weir_step_t *
ngx_http_weir_look_told(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->request->method != NGX_HTTP_POST) {
        return &ngx_http_weir_step_look;
    }

    if (ctx->dialect != WEIR_DIALECT_PROBLEM) {
        return &ngx_http_weir_step_outcome;
    }

    ctx->told = 1;

    return &ngx_http_weir_step_look;
}


static const ngx_http_weir_step_t *
ngx_http_weir_look_failed_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_forget(ctx);

    return ctx->told ? &ngx_http_weir_step_outcome
                     : &ngx_http_weir_step_unavailable;
}


static const ngx_http_weir_step_t *
ngx_http_weir_look_decide(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->response
        && (ctx->detached
            || !(ctx->request->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))))
    {
        return &ngx_http_weir_step_response;
    }

    if (ctx->request->method == NGX_HTTP_DELETE) {
        return &ngx_http_weir_step_cancel;
    }

    if (ctx->entries) {
        return &ngx_http_weir_step_events;
    }

    if (weir_state_is_final(ctx->job.state)) {
        ngx_http_weir_wait_remove(ctx);
        return &ngx_http_weir_step_outcome;
    }

    if (ctx->waiting) {
        return &ngx_http_weir_step_wait;
    }

    /* the asker may wait: look again, as one of those who are told.  Full:
     * answered at once, which a poll allows. */

    if (ctx->poll && ngx_http_weir_wait_add(ctx) == NGX_OK) {
        return &ngx_http_weir_step_look;
    }

    return &ngx_http_weir_step_answer;
}


static void
ngx_http_weir_job_run(ngx_http_weir_job_t *to, const weir_job_t *job)
{
    to->run[0] = '\0';

    if (job->run.len == WEIR_ID_LEN
        && !weir_str_eq(job->run, weir_str_of(to->id)))
    {
        ngx_memcpy(to->run, job->run.data, WEIR_ID_LEN);
        to->run[WEIR_ID_LEN] = '\0';
    }
}


/* What a look found, into the context: strings into the pool. */

ngx_int_t
ngx_http_weir_job_take(ngx_http_weir_ctx_t *ctx, const weir_job_t *job,
    const weir_run_t *run)
{
    ngx_pool_t           *pool;
    ngx_http_weir_job_t  *to;

    to = &ctx->job;
    pool = ctx->request->pool;

    ctx->has_job = 1;
    to->state = run->state;
    to->created = job->created;
    to->started = run->started;
    to->finished = run->fin_at;
    to->asked = run->asked;
    to->run_at = run->run_at;
    to->deadline = run->deadline;
    to->attempts = run->attempts;
    to->hook = (job->hook_url.len > 0);

    ngx_http_weir_job_run(to, job);

    ngx_snprintf((u_char *) to->token, sizeof(to->token), "%*s%Z",
                 run->token.len, run->token.data ? run->token.data : "");

    if (ngx_http_weir_copy(pool, &to->model, job->model) != NGX_OK
        || ngx_http_weir_copy(pool, &to->metadata, job->metadata) != NGX_OK
        || ngx_http_weir_copy(pool, &to->kind, run->kind) != NGX_OK
        || ngx_http_weir_copy(pool, &to->error, run->error) != NGX_OK
        || ngx_http_weir_copy(pool, &to->part, job->part) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Of a job whose run others ask for too, the run says when it was asked for,
 * and of its tries.  The job ends when it is told, a moment later. */

static ngx_int_t
ngx_http_weir_run_take(ngx_http_weir_ctx_t *ctx, const weir_run_t *run)
{
    ngx_pool_t           *pool;
    ngx_http_weir_job_t  *to;

    to = &ctx->job;
    pool = ctx->request->pool;

    to->asked = run->created ? run->created : to->asked;

    if (weir_str_eq(ngx_http_weir_str(to->part), weir_str(WEIR_PART_HIT))) {
        return NGX_OK;
    }

    to->started = run->started;
    to->attempts = run->attempts;

    if (!weir_state_is_final(to->state) && run->state != WEIR_QUEUED) {
        to->state = WEIR_IN_PROGRESS;
    }

    if (ngx_http_weir_copy(pool, &to->kind, run->kind) != NGX_OK
        || ngx_http_weir_copy(pool, &to->error, run->error) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_weir_look_run_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_job_t                   job;
    weir_run_t                   run;
    const ngx_http_weir_step_t  *next;

    next = &ngx_http_weir_step_look_failed;

    if (weir_txn_look_read(a, &job, &run)
        && (!run.found || ngx_http_weir_run_take(ctx, &run) == NGX_OK))
    {
        next = ngx_http_weir_look_decide(ctx);
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_look_run_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_look(&p->txn, ctx->job.shard, ctx->job.run, NULL);

    return ngx_http_weir_ask(ctx, ngx_http_weir_look_run_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_look_run,
                             &ngx_http_weir_step_look_failed);
}


/* A job is a response if it was kept what that repeats. */

static ngx_int_t
ngx_http_weir_look_echo(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_str_t  echo;

    if (!ctx->response) {
        return NGX_OK;
    }

    echo = weir_txn_look_echo(a);

    if (echo.len == 0) {
        return NGX_DECLINED;
    }

    return ngx_http_weir_copy(ctx->request->pool, &ctx->job.echo, echo);
}


static void
ngx_http_weir_look_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_int_t                    rc;
    weir_job_t                   job;
    weir_run_t                   run;
    const ngx_http_weir_step_t  *next;

    if (!weir_txn_look_read(a, &job, &run)
        || (ctx->told && (!job.found || !weir_state_is_final(run.state))))
    {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_look_failed);
        return;
    }

    rc = ngx_http_weir_look_echo(ctx, a);

    /* the record of a question's run is nobody's job */

    if (!job.found || !run.found || job.ask.len || rc == NGX_DECLINED
        || !weir_str_eq(job.owner, ngx_http_weir_str(ctx->visit->owner)))
    {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_not_found);
        return;
    }

    next = rc != NGX_OK || ngx_http_weir_job_take(ctx, &job, &run) != NGX_OK
           ? &ngx_http_weir_step_look_failed
           : ctx->job.run[0] ? &ngx_http_weir_step_look_run
                             : ngx_http_weir_look_decide(ctx);

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_look_run(ngx_http_weir_ctx_t *ctx)
{
    void                    (*look)(weir_txn_t *t, unsigned shard,
                                    const char *id, const char *mailbox);
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    look = ctx->response ? weir_txn_look_response : weir_txn_look;

    weir_txn_reset(&p->txn);
    look(&p->txn, ctx->job.shard, ctx->job.id,
         ctx->waiting ? p->mailbox : NULL);

    return ngx_http_weir_ask(ctx, ngx_http_weir_look_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_look,
                             &ngx_http_weir_step_look_failed);
}
