/*
 * Submission: a body becomes a job on Redis, unless the cache answers it; then
 * the client has its 202, or is held until the job is done.  Owns the steps
 * from the body to there.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_PRESSED_RETRY  5          /* s */


static const ngx_http_weir_step_t *ngx_http_weir_begin_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_hold_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_submit_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_submit_refused_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_submitted_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_begin = {
    "begin", ngx_http_weir_begin_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_hold = {
    "hold", ngx_http_weir_hold_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_submit = {
    "submit", ngx_http_weir_submit_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_submit_refused = {
    "submit refused", ngx_http_weir_submit_refused_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_submitted = {
    "submitted", ngx_http_weir_submitted_run
};


static const ngx_http_weir_step_t *
ngx_http_weir_submit_fail(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f)
{
    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, f));
}


/* Redis did not take it, or not in time. */

const ngx_http_weir_step_t *
ngx_http_weir_submit_failed(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ngx_http_weir_count(ctx->process, submit_failed);
    ctx->status = "UNAVAILABLE";

    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                     "the job could not be queued, and will not run");
    f.retry_after = 1;

    return ngx_http_weir_submit_fail(ctx, &f);
}


/* It would be held, and as many are as may. */

const ngx_http_weir_step_t *
ngx_http_weir_submit_full(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                     "too many requests are waiting here already");
    f.retry_after = 1;

    return ngx_http_weir_submit_fail(ctx, &f);
}


ngx_int_t
ngx_http_weir_submit_id(ngx_http_weir_ctx_t *ctx)
{
    unsigned char  random[WEIR_ID_RANDOM];

    if (ngx_http_weir_random(ctx->process, random, sizeof(random))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->job.shard = 0;
    weir_id_make(ctx->job.id, ctx->job.shard, random);

    return NGX_OK;
}


/* From a body that was read to its first step.  hold: s to wait for the end;
 * -1: as long as this location allows. */

static const ngx_http_weir_step_t *
ngx_http_weir_submit_read(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    int64_t hold)
{
    weir_failure_t  f;

    if (ngx_http_weir_submit_id(ctx) != NGX_OK
        || ngx_http_weir_trace(ctx->request, ctx->visit) != NGX_OK)
    {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    if (ngx_http_weir_admit(ctx, body, &f) != NGX_OK) {
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    ctx->hold = hold;

    return ctx->cache ? &ngx_http_weir_step_cache : &ngx_http_weir_step_begin;
}


static const ngx_http_weir_step_t *
ngx_http_weir_begin_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    if (ngx_http_weir_pressed(ctx->process)) {
        ngx_http_weir_count(ctx->process, refused_memory);
        weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                         "the queue is short of memory, jobs are not taken");
        f.retry_after = NGX_HTTP_WEIR_PRESSED_RETRY;
        ngx_http_weir_ask_release(ctx);
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    return ctx->admit ? &ngx_http_weir_step_reserve
                      : ngx_http_weir_ask_admitted(ctx);
}


/* Nothing was queued, nor will be: what was taken for it is given back. */

static void
ngx_http_weir_submit_release(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_admit_release(ctx);
    ngx_http_weir_spend_release(ctx);
}


/* among the waiting before the job exists: no end is missed */

static const ngx_http_weir_step_t *
ngx_http_weir_hold_run(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->hold != 0 && ngx_http_weir_wait_add(ctx) != NGX_OK) {
        ngx_http_weir_submit_release(ctx);
        return ngx_http_weir_submit_full(ctx);
    }

    if (ngx_http_weir_reader_lead(ctx, &ctx->reads_until) != NGX_OK) {
        ngx_http_weir_submit_release(ctx);
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    return &ngx_http_weir_step_submit;
}


static void
ngx_http_weir_submit_wait(ngx_http_weir_ctx_t *ctx, int64_t hold)
{
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    ctx->wait_end = ngx_current_msec
                    + (hold < 0 ? wlcf->max_wait : (ngx_msec_t) hold * 1000);
}


/* the body's reader: one of the dialects, or that of a job */

typedef ngx_int_t (*ngx_http_weir_reader_pt)(ngx_http_weir_ctx_t *ctx,
    weir_json_t *body, weir_failure_t *f);


static const ngx_http_weir_step_t *
ngx_http_weir_submit_start(ngx_http_weir_ctx_t *ctx,
    ngx_http_weir_reader_pt read, int64_t hold)
{
    ngx_int_t                    rc;
    weir_str_t                   text;
    weir_json_t                 *body;
    weir_failure_t               f;
    const ngx_http_weir_step_t  *next;

    if (ngx_http_weir_request_text(ctx, &text, &f) != NGX_OK) {
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    switch (ngx_http_weir_cache_start(ctx, text, &rc)) {

    case NGX_OK:
        return ngx_http_weir_done(ctx, rc);

    case NGX_DECLINED:
        break;

    default:
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    body = ngx_http_weir_request_json(text, &f);

    if (body == NULL) {
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    ngx_http_weir_submit_wait(ctx, hold);

    next = read(ctx, body, &f) == NGX_OK
           ? ngx_http_weir_submit_read(ctx, body,
                                       ctx->background && !ctx->events
                                       ? 0 : hold)
           : ngx_http_weir_submit_fail(ctx, &f);

    weir_json_free(&body);

    return next;
}


const ngx_http_weir_step_t *
ngx_http_weir_submit_held(ngx_http_weir_ctx_t *ctx)
{
    return ngx_http_weir_submit_start(ctx, ngx_http_weir_envelope_read, -1);
}


const ngx_http_weir_step_t *
ngx_http_weir_submit_response(ngx_http_weir_ctx_t *ctx)
{
    return ngx_http_weir_submit_start(ctx, ngx_http_weir_responses_read, -1);
}


const ngx_http_weir_step_t *
ngx_http_weir_submit_job(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_request_prefer(ctx);
    ctx->poll = 1;

    return ngx_http_weir_submit_start(ctx, ngx_http_weir_envelope,
                                      ctx->prefer.wait);
}


/* to Redis */

static void
ngx_http_weir_submit_abandon(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_sent_t  sent;

    ngx_http_weir_sent(ctx, &sent);
    ngx_http_weir_abandon(ctx->process, &sent);
}


static void
ngx_http_weir_submit_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    if (weir_txn_submit_accepted(a)) {
        ngx_http_weir_count(p, submitted);
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_submitted);
        return;
    }

    /* LOST: abandoned already.  OK: late, and void, but until a worker comes
     * to it, it looks like a job.  LATER, DENIED, ABORTED: nothing was done. */

    if (a->code == WEIR_ANSWER_ERROR || a->code == WEIR_ANSWER_OK) {
        ngx_http_weir_submit_abandon(ctx);

    } else if (a->code != WEIR_ANSWER_LOST) {
        ngx_http_weir_submit_release(ctx);
    }

    if (a->code != WEIR_ANSWER_LOST && a->code != WEIR_ANSWER_OK) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "weir: redis refused a submission: \"%*s\"",
                      a->error.len, a->error.data);
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_submit_refused);
}


/* how long: a held request leaves nothing behind that anybody would ask for */

static void
ngx_http_weir_submit_times(ngx_http_weir_ctx_t *ctx, weir_submission_t *s)
{
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    s->created = ngx_http_weir_now(ctx->process);
    s->run_at = ctx->job.run_at;
    s->deadline = ctx->job.deadline;
    s->ttl = wlcf->result_ttl;
    s->records = s->listed ? ngx_max(wlcf->records_ttl, wlcf->result_ttl)
                           : wlcf->result_ttl;

    if (s->deadline == 0) {
        s->deadline = ngx_max(s->created, s->run_at)
                      + (int64_t) WEIR_DEADLINE_DEFAULT * 1000;
    }

    /* earlier than we give up, so that the reply of one that was just in time
     * still finds us */

    s->by = s->created + (int64_t) ctx->process->conf->redis.timeout * 3 / 4;
}


/* a job's records, as it was asked for */

void
ngx_http_weir_submit_record(ngx_http_weir_ctx_t *ctx, weir_submission_t *s)
{
    ngx_http_weir_job_t       *job;
    ngx_http_weir_loc_conf_t  *wlcf;

    job = &ctx->job;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    ngx_memzero(s, sizeof(weir_submission_t));
    ngx_memcpy(s->id, job->id, sizeof(s->id));

    s->shard = job->shard;
    s->class = ctx->class;
    s->owner = ngx_http_weir_str(ctx->visit->owner);
    s->key_id = ngx_http_weir_str(ctx->visit->key_id);
    s->request_id = ngx_http_weir_str(ctx->visit->request_id);
    s->trace = ngx_http_weir_str(ctx->visit->trace);
    s->route = weir_str_of(ctx->route->name);
    s->model = ngx_http_weir_str(job->model);
    s->metadata = ngx_http_weir_str(job->metadata);
    s->payload = (weir_str_t) { ctx->payload.data, ctx->payload.len };
    s->hook_url = ngx_http_weir_str(job->hook_url);
    s->hook_secret = ngx_http_weir_str(job->hook_secret);
    s->listed = (ctx->dialect == WEIR_DIALECT_PROBLEM || ctx->background);
    s->keep = s->listed;
    s->stream = s->listed;

    if (ctx->stored) {
        s->echo = ngx_http_weir_str(job->echo);
    }

    if (s->hook_url.len) {
        s->prefix = ngx_http_weir_str(*ngx_http_weir_prefix(ctx->request));
    }

    if (ctx->waiting) {
        s->mailbox = weir_str_of(ctx->process->mailbox);
    }

    if (ctx->reads_until) {
        s->stream = true;
        s->while_read = !wlcf->ignore_abort && !ctx->background
                        && !ngx_http_weir_admit_keyed(ctx);
        s->reader = s->mailbox;
        s->read_until = ctx->reads_until;
        ctx->brief = s->while_read;
    }

    ngx_http_weir_submit_times(ctx, s);

    job->created = s->created;
    job->deadline = s->deadline;
}


/* NGX_DECLINED: it took too long until here. */

static ngx_int_t
ngx_http_weir_submit_build(ngx_http_weir_ctx_t *ctx, weir_submission_t *s,
    weir_submission_t *asker)
{
    ngx_http_weir_submit_record(ctx, s);

    return ngx_http_weir_admit_submission(ctx, s)
           && ngx_http_weir_spend_submission(ctx, s)
           && ngx_http_weir_ask_submission(ctx, s, asker)
           ? NGX_OK : NGX_DECLINED;
}


static const ngx_http_weir_step_t *
ngx_http_weir_submit_run(ngx_http_weir_ctx_t *ctx)
{
    weir_submission_t         s, asker;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    if (!ngx_http_weir_may_submit(p)
        || ngx_http_weir_submit_build(ctx, &s, &asker) != NGX_OK)
    {
        ngx_http_weir_submit_release(ctx);
        return &ngx_http_weir_step_submit_refused;
    }

    weir_txn_reset(&p->txn);
    weir_txn_submit(&p->txn, &s);

    ctx->submitting = 1;

    return ngx_http_weir_ask(ctx, ngx_http_weir_submit_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_submit,
                             &ngx_http_weir_step_submit_refused);
}


/* Whatever was the reason: if it is still under way, it is cancelled. */

static const ngx_http_weir_step_t *
ngx_http_weir_submit_refused_run(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->call) {
        ctx->call->submission = 0;
        ngx_http_weir_forget(ctx);
        ngx_http_weir_submit_abandon(ctx);
    }

    ngx_http_weir_wait_remove(ctx);

    return ngx_http_weir_submit_failed(ctx);
}


static const ngx_http_weir_step_t *
ngx_http_weir_submitted_run(ngx_http_weir_ctx_t *ctx)
{
    ctx->submitting = 0;
    ctx->has_job = !ngx_http_weir_jobless(ctx);
    ctx->job.state = WEIR_QUEUED;
    ctx->status = "QUEUED";

    weir_buf_free(&ctx->payload);

    if (ctx->cache && ctx->cache->refresh) {
        return &ngx_http_weir_step_stale;
    }

    if (ctx->waiting) {
        return &ngx_http_weir_step_wait;
    }

    return &ngx_http_weir_step_accepted;
}
