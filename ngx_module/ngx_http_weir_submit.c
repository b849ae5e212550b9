/*
 * Submission: a body becomes a job on Redis; then the client has its 202, or
 * is held until the job is done.  Owns the steps from the body to there.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_METADATA_MAX  4096


static const ngx_http_weir_step_t *ngx_http_weir_submit_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_submit_refused_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_submitted_run(
    ngx_http_weir_ctx_t *ctx);


static const ngx_http_weir_step_t  ngx_http_weir_step_submit = {
    "submit", ngx_http_weir_submit_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_submit_refused = {
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


/* a request of a dialect to the neutral one, as text, in ctx->payload */

static ngx_int_t
ngx_http_weir_submit_read(ngx_http_weir_ctx_t *ctx, weir_json_t *request,
    weir_failure_t *f)
{
    ngx_int_t     rc;
    weir_json_t  *neutral;

    neutral = weir_openai_request(request, f);
    if (neutral == NULL) {
        return NGX_DECLINED;
    }

    rc = NGX_OK;

    if (weir_json_write(neutral, &ctx->payload) != 0
        || ngx_http_weir_copy(ctx->request->pool, &ctx->job.model,
                  weir_json_str(weir_json_get(neutral, "model")))
           != NGX_OK)
    {
        weir_failure_set(f, WEIR_FAIL_INTERNAL, "out of memory");
        rc = NGX_DECLINED;
    }

    weir_json_free(&neutral);

    return rc;
}


static ngx_int_t
ngx_http_weir_submit_id(ngx_http_weir_ctx_t *ctx)
{
    unsigned char  random[WEIR_ID_RANDOM];

    if (weir_digest_random(random, sizeof(random)) != 0) {
        return NGX_ERROR;
    }

    ctx->job.shard = 0;
    weir_id_make(ctx->job.id, ctx->job.shard, random);

    return NGX_OK;
}


/* held: s to wait for the end; -1: as long as this location allows */

static const ngx_http_weir_step_t *
ngx_http_weir_submit_begin(ngx_http_weir_ctx_t *ctx, int64_t held)
{
    weir_failure_t             f;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (ngx_http_weir_submit_id(ctx) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    if (held == 0) {
        return &ngx_http_weir_step_submit;
    }

    ctx->wait_end = ngx_current_msec
                    + (held < 0 ? wlcf->max_wait : (ngx_msec_t) held * 1000);

    /* among the waiting before the job exists: no end is missed */

    if (ngx_http_weir_wait_add(ctx) != NGX_OK) {
        weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                         "too many requests are waiting here already");
        f.retry_after = 1;
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    return &ngx_http_weir_step_submit;
}


const ngx_http_weir_step_t *
ngx_http_weir_submit_chat(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t        rc;
    weir_json_t     *body;
    weir_failure_t   f;

    body = ngx_http_weir_request_json(ctx, &f);

    if (body == NULL) {
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    rc = ngx_http_weir_submit_read(ctx, body, &f);
    weir_json_free(&body);

    if (rc != NGX_OK) {
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    return ngx_http_weir_submit_begin(ctx, -1);
}


/* the members of a job's body */

static ngx_int_t
ngx_http_weir_submit_invalid(weir_failure_t *f, const char *param,
    const char *what)
{
    weir_failure_set(f, WEIR_FAIL_INVALID, "\"%s\" %s", param, what);
    weir_failure_copy(f->param, sizeof(f->param), weir_str_of(param));

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_weir_submit_metadata(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    ngx_int_t   rc;
    weir_buf_t  text;

    if (!weir_json_is_object(value)) {
        return ngx_http_weir_submit_invalid(f, "metadata",
                                            "must be an object");
    }

    weir_buf_init(&text, NGX_HTTP_WEIR_METADATA_MAX);

    if (weir_json_write(value, &text) != 0) {
        weir_buf_free(&text);
        return ngx_http_weir_submit_invalid(f, "metadata",
                                       "must not be larger than 4096 bytes");
    }

    rc = ngx_http_weir_copy(ctx->request->pool, &ctx->job.metadata,
                                   (weir_str_t) { text.data, text.len });
    weir_buf_free(&text);

    return rc;
}


static ngx_int_t
ngx_http_weir_submit_member(ngx_http_weir_ctx_t *ctx, const char *key,
    weir_json_t *value, weir_failure_t *f)
{
    int          class;
    char         word[64];
    ngx_uint_t   i;

    static const char  *later[] = {
        "template", "input", "run_at", "deadline", "webhook", NULL
    };

    if (ngx_strcmp(key, "request") == 0) {
        return NGX_OK;
    }

    if (ngx_strcmp(key, "dialect") == 0) {
        return weir_str_eq(weir_json_str(value), weir_str("openai"))
               ? NGX_OK : ngx_http_weir_submit_invalid(f, "dialect",
                                                       "must be \"openai\"");
    }

    if (ngx_strcmp(key, "metadata") == 0) {
        return ngx_http_weir_submit_metadata(ctx, value, f);
    }

    if (ngx_strcmp(key, "priority") == 0) {
        class = weir_class_parse(weir_json_str(value));
        ctx->class = class < 0 ? WEIR_NORMAL : (weir_class_e) class;

        return class >= 0 ? NGX_OK : ngx_http_weir_submit_invalid(f,
                            "priority",
                            "must be \"high\", \"normal\" or \"low\"");
    }

    weir_failure_copy(word, sizeof(word), weir_str_of(key));

    for (i = 0; later[i]; i++) {
        if (ngx_strcmp(key, later[i]) == 0) {
            return ngx_http_weir_submit_invalid(f, word,
                                                "is not supported yet");
        }
    }

    return ngx_http_weir_submit_invalid(f, word, "is not a member of a job");
}


static ngx_int_t
ngx_http_weir_submit_envelope(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    weir_failure_t *f)
{
    void         *iter;
    const char   *key;
    weir_json_t  *value;

    if (!weir_json_is_object(body)) {
        weir_failure_set(f, WEIR_FAIL_INVALID, "a job must be a JSON object");
        return NGX_DECLINED;
    }

    for (iter = weir_json_next(body, NULL, &key, &value);
         iter;
         iter = weir_json_next(body, iter, &key, &value))
    {
        if (ngx_http_weir_submit_member(ctx, key, value, f) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    value = weir_json_get(body, "request");

    if (!weir_json_is_object(value)) {
        return ngx_http_weir_submit_invalid(f, "request",
                       "must be an object: the body of a chat completion");
    }

    return ngx_http_weir_submit_read(ctx, value, f);
}


const ngx_http_weir_step_t *
ngx_http_weir_submit_job(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t        rc;
    weir_json_t     *body;
    weir_failure_t   f;

    ngx_http_weir_request_prefer(ctx);

    body = ngx_http_weir_request_json(ctx, &f);

    if (body == NULL) {
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    rc = ngx_http_weir_submit_envelope(ctx, body, &f);
    weir_json_free(&body);

    if (rc != NGX_OK) {
        return ngx_http_weir_submit_fail(ctx, &f);
    }

    ctx->poll = 1;

    return ngx_http_weir_submit_begin(ctx, ctx->prefer.wait);
}


/* to Redis */

static void
ngx_http_weir_submit_abandon(ngx_http_weir_ctx_t *ctx)
{
    char  owner[WEIR_OWNER_MAX + 1];

    ngx_snprintf((u_char *) owner, sizeof(owner), "%V%Z", &ctx->owner);
    ngx_http_weir_abandon(ctx->process, ctx->job.id, ctx->job.shard, owner);
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

    /* LOST: abandoned already.  Late: void.  LATER, DENIED, ABORTED: nothing
     * was done. */

    if (a->code == WEIR_ANSWER_ERROR) {
        ngx_http_weir_submit_abandon(ctx);
    }

    if (a->code != WEIR_ANSWER_LOST && a->code != WEIR_ANSWER_OK) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "weir: redis refused a submission: \"%*s\"",
                      a->error.len, a->error.data);
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_submit_refused);
}


static void
ngx_http_weir_submit_build(ngx_http_weir_ctx_t *ctx, weir_submission_t *s)
{
    ngx_http_weir_process_t   *p;
    ngx_http_weir_loc_conf_t  *wlcf;

    p = ctx->process;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    ngx_memzero(s, sizeof(weir_submission_t));
    ngx_memcpy(s->id, ctx->job.id, sizeof(s->id));

    s->shard = ctx->job.shard;
    s->class = ctx->class;
    s->owner = ngx_http_weir_str(ctx->owner);
    s->key_id = ngx_http_weir_str(ctx->key_id);
    s->request_id = ngx_http_weir_str(ctx->request_id);
    s->route = weir_str_of(ctx->route->name);
    s->model = ngx_http_weir_str(ctx->job.model);
    s->metadata = ngx_http_weir_str(ctx->job.metadata);
    s->payload = (weir_str_t) { ctx->payload.data, ctx->payload.len };
    s->created = ngx_http_weir_now(p);
    s->deadline = s->created + (int64_t) WEIR_DEADLINE_DEFAULT * 1000;
    s->ttl = wlcf->result_ttl;
    s->records = wlcf->result_ttl;

    /* earlier than we give up, so that the reply of one that was just in time
     * still finds us */

    s->by = s->created + (int64_t) p->conf->redis.timeout * 3 / 4;

    if (ctx->waiting) {
        s->mailbox = weir_str_of(p->mailbox);
    }

    ctx->job.created = s->created;
}


static const ngx_http_weir_step_t *
ngx_http_weir_submit_run(ngx_http_weir_ctx_t *ctx)
{
    weir_submission_t         s;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    if (!ngx_http_weir_may_submit(p)) {
        return &ngx_http_weir_step_submit_refused;
    }

    ngx_http_weir_submit_build(ctx, &s);
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
    weir_failure_t  f;

    if (ctx->call) {
        ctx->call->submission = 0;
        ngx_http_weir_forget(ctx);
        ngx_http_weir_submit_abandon(ctx);
    }

    ngx_http_weir_wait_remove(ctx);
    ngx_http_weir_count(ctx->process, submit_failed);
    ctx->status = "UNAVAILABLE";

    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                     "the job could not be queued, and will not run");
    f.retry_after = 1;

    return ngx_http_weir_submit_fail(ctx, &f);
}


static const ngx_http_weir_step_t *
ngx_http_weir_submitted_run(ngx_http_weir_ctx_t *ctx)
{
    ctx->submitting = 0;
    ctx->has_job = 1;
    ctx->job.state = WEIR_QUEUED;
    ctx->status = "QUEUED";

    weir_buf_free(&ctx->payload);

    if (ctx->waiting) {
        return &ngx_http_weir_step_wait;
    }

    return &ngx_http_weir_step_accepted;
}
