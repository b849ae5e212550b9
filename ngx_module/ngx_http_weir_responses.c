/*
 * Responses of OpenAI's API: what of a request belongs to its job, and what
 * becomes of a response afterwards: it is shown, read as a stream, cancelled,
 * deleted.  Owns their routes; the job behind is looked at, waited for and
 * cancelled as any other.
 */

#include "ngx_http_weir_dialect.h"
#include "ngx_http_weir_reader.h"

#include "weir_dialect_responses.h"


#define NGX_HTTP_WEIR_RESPONSES_WAIT   86400000         /* ms, of a stream */
#define NGX_HTTP_WEIR_RESPONSES_DIGITS 16


static const ngx_http_weir_step_t *ngx_http_weir_response_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_responses_delete_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_responses_deleted_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_response = {
    "response", ngx_http_weir_response_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_responses_delete = {
    "delete a response", ngx_http_weir_responses_delete_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_responses_deleted = {
    "deleted a response", ngx_http_weir_responses_deleted_run
};


/* the request */

static ngx_int_t
ngx_http_weir_responses_echo(ngx_http_weir_ctx_t *ctx,
    const weir_json_t *body, weir_failure_t *f)
{
    ngx_int_t   rc;
    weir_buf_t  echo;

    weir_buf_init(&echo, 0);

    rc = weir_responses_echo(body, &echo) == 0 ? NGX_OK : NGX_ERROR;

    if (rc == NGX_OK) {
        rc = ngx_http_weir_copy(ctx->request->pool, &ctx->job.echo,
                                (weir_str_t) { echo.data, echo.len });
    }

    weir_buf_free(&echo);

    if (rc != NGX_OK) {
        (void) weir_no_memory(f);
    }

    return rc;
}


/* What is stored is a job with an id of its own, though it may share its run;
 * what is not is shown once, and its question alone counts. */

static void
ngx_http_weir_responses_take(ngx_http_weir_ctx_t *ctx,
    const weir_responses_options_t *o)
{
    ctx->stored = o->store;
    ctx->background = o->background;
    ctx->detached = o->background && o->stream;

    if (ctx->cache) {
        ctx->cache->jobful = o->store;
    }

    if (ctx->detached) {
        ctx->wait_end = ngx_current_msec + NGX_HTTP_WEIR_RESPONSES_WAIT;
    }
}


ngx_int_t
ngx_http_weir_responses_read(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    weir_failure_t *f)
{
    ngx_int_t                 rc;
    weir_responses_options_t  o;

    rc = ngx_http_weir_envelope_read(ctx, body, f);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = NGX_DECLINED;

    if (weir_responses_options(body, &o, f) == 0) {
        ngx_http_weir_responses_take(ctx, &o);

        rc = ngx_http_weir_copy(ctx->request->pool, &ctx->job.metadata,
                                (weir_str_t) { o.metadata.data,
                                               o.metadata.len });
        if (rc == NGX_OK) {
            rc = ngx_http_weir_responses_echo(ctx, body, f);

        } else {
            (void) weir_no_memory(f);
        }
    }

    weir_responses_options_free(&o);

    return rc == NGX_OK ? NGX_OK : NGX_DECLINED;
}


/* A run that nobody else wants ends with its only reader.  With the cache it is
 * this job which wants it, and so goes first. */

void
ngx_http_weir_responses_left(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_process_t   *p;
    ngx_http_weir_loc_conf_t  *wlcf;

    p = ctx->process;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (!ctx->stored || ctx->background || !ctx->has_job
        || ctx->job.run[0] == '\0' || weir_state_is_final(ctx->job.state)
        || reader->ended || (ctx->sent && !reader->begun)
        || wlcf->ignore_abort || p->exiting)
    {
        return;
    }

    ngx_http_weir_cancel_write(ctx);

    /* if that is lost, the run goes on to its end */

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, NULL, NULL);
}


/* by its id */

static const ngx_http_weir_step_t *
ngx_http_weir_responses_invalid(ngx_http_weir_ctx_t *ctx, const char *param,
    const char *what)
{
    weir_failure_t  f;

    weir_failure_set(&f, WEIR_FAIL_INVALID, "\"%s\" %s", param, what);
    weir_failure_copy(f.param, sizeof(f.param), weir_str_of(param));

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


static const ngx_http_weir_step_t *
ngx_http_weir_responses_find(ngx_http_weir_ctx_t *ctx)
{
    ctx->response = 1;

    return ngx_http_weir_look_start(ctx, weir_responses_id_parse);
}


/* From "starting_after" on; of a text, what comes behind that byte. */

static ngx_int_t
ngx_http_weir_responses_after(ngx_http_weir_ctx_t *ctx)
{
    int64_t    n;
    ngx_str_t  value;

    if (ngx_http_arg(ctx->request, (u_char *) "starting_after", 14, &value)
        != NGX_OK)
    {
        return NGX_OK;
    }

    if (!weir_str_digits(ngx_http_weir_str(value),
                         NGX_HTTP_WEIR_RESPONSES_DIGITS, &n))
    {
        return NGX_ERROR;
    }

    ctx->from = n + 1;

    return NGX_OK;
}


const ngx_http_weir_step_t *
ngx_http_weir_responses_get(ngx_http_weir_ctx_t *ctx)
{
    ngx_str_t  value;

    ngx_str_null(&value);
    (void) ngx_http_arg(ctx->request, (u_char *) "stream", 6, &value);

    if (weir_str_eq(ngx_http_weir_str(value), weir_str("true"))) {

        if (ngx_http_weir_responses_after(ctx) != NGX_OK) {
            return ngx_http_weir_responses_invalid(ctx, "starting_after",
                             "must be the number of an event, an integer");
        }

        ctx->detached = 1;
        ctx->events = 1;
        ctx->wait_end = ngx_current_msec + NGX_HTTP_WEIR_RESPONSES_WAIT;

    } else if (value.len
               && !weir_str_eq(ngx_http_weir_str(value), weir_str("false")))
    {
        return ngx_http_weir_responses_invalid(ctx, "stream",
                                               "must be true or false");

    } else {
        ngx_http_weir_look_wait(ctx);
    }

    return ngx_http_weir_responses_find(ctx);
}


/* cancel and delete */

const ngx_http_weir_step_t *
ngx_http_weir_responses_change(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    ctx->wait_end = ngx_current_msec + wlcf->max_wait;

    return ngx_http_weir_responses_find(ctx);
}


const ngx_http_weir_step_t *
ngx_http_weir_responses_input(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    weir_failure_set(&f, WEIR_FAIL_NOT_FOUND, "the input of responses is not "
                     "kept here, and cannot be listed");

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


static const ngx_http_weir_step_t *
ngx_http_weir_responses_cancel(ngx_http_weir_ctx_t *ctx)
{
    bool            background;
    char            error[WEIR_JSON_ERROR];
    weir_json_t    *echo;
    weir_failure_t  f;

    echo = weir_json_parse(ngx_http_weir_str(ctx->job.echo), error);
    background = weir_json_true(weir_json_get(echo, "background"));
    weir_json_free(&echo);

    if (!background) {
        weir_failure_set(&f, WEIR_FAIL_INVALID, "only a response that was "
                         "created with \"background\": true can be cancelled");

        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
    }

    return weir_state_is_final(ctx->job.state) ? &ngx_http_weir_step_outcome
                                               : &ngx_http_weir_step_cancel;
}


/* It has ended and is shown, or it goes on and is read. */

static const ngx_http_weir_step_t *
ngx_http_weir_responses_stream(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->request->method == NGX_HTTP_HEAD) {
        return ngx_http_weir_done(ctx,
                                  ngx_http_weir_send_header(ctx, NGX_HTTP_OK,
                                      ngx_http_weir_answer_type(ctx), -1));
    }

    if (weir_state_is_final(ctx->job.state)) {
        ngx_http_weir_wait_remove(ctx);
        return &ngx_http_weir_step_outcome;
    }

    if (!ctx->waiting) {
        return ngx_http_weir_wait_add(ctx) == NGX_OK
               ? &ngx_http_weir_step_look      /* as one who is told */
               : ngx_http_weir_submit_full(ctx);
    }

    return &ngx_http_weir_step_wait;
}


static const ngx_http_weir_step_t *
ngx_http_weir_response_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    switch (ctx->request->method) {

    case NGX_HTTP_POST:
        return ngx_http_weir_responses_cancel(ctx);

    case NGX_HTTP_DELETE:
        break;

    default:
        return ngx_http_weir_responses_stream(ctx);
    }

    if (weir_state_is_final(ctx->job.state)) {
        return &ngx_http_weir_step_responses_delete;
    }

    weir_failure_set(&f, WEIR_FAIL_CONFLICT, "the response is %s: it can be "
                     "deleted when it has ended",
                     weir_state_name(ctx->job.state));

    /* clients ask again after a conflict, for seconds */

    (void) ngx_http_weir_header_text(ctx->request, "x-should-retry", "false");

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


static const ngx_http_weir_step_t *
ngx_http_weir_responses_deleted_run(ngx_http_weir_ctx_t *ctx)
{
    ctx->status = "OK";

    return ngx_http_weir_done(ctx, ngx_http_weir_send_json(ctx, NGX_HTTP_OK,
                      weir_responses_deleted(weir_str_of(ctx->job.id))));
}


static void
ngx_http_weir_responses_answer(ngx_http_weir_ctx_t *ctx,
    const weir_answer_t *a)
{
    ngx_http_weir_resume(ctx, a->code != WEIR_ANSWER_OK
                              ? &ngx_http_weir_step_unavailable
                              : weir_txn_unrespond_done(a)
                                ? &ngx_http_weir_step_responses_deleted
                                : &ngx_http_weir_step_not_found);
}


static const ngx_http_weir_step_t *
ngx_http_weir_responses_delete_run(ngx_http_weir_ctx_t *ctx)
{
    weir_str_t                token;
    ngx_http_weir_process_t  *p;

    p = ctx->process;
    token = weir_str_of(ctx->job.token);

    if (ctx->job.run[0] || !weir_token_has_outcome(token)) {
        token = weir_str_null;                  /* others' too, or none */
    }

    weir_txn_reset(&p->txn);
    weir_txn_unrespond(&p->txn, ctx->job.shard, ctx->job.id, token);

    return ngx_http_weir_ask(ctx, ngx_http_weir_responses_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_responses_delete,
                             &ngx_http_weir_step_unavailable);
}


/* the answer */

ngx_int_t
ngx_http_weir_responses_send(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t       rc;
    weir_buf_t      body;
    weir_failure_t  f;

    if (ngx_http_weir_streams(ctx)) {
        return ngx_http_weir_reader_answer(ctx);
    }

    if (ctx->job.state == WEIR_COMPLETED && ctx->outcome.choices == NULL) {
        weir_jobdoc_failure(ctx->job.state, &ctx->outcome, &f);
        return ngx_http_weir_fail(ctx, &f);
    }

    weir_buf_init(&body, 0);
    ngx_http_weir_outcome_write(ctx, &body);

    rc = ctx->events ? ngx_http_weir_answer_headers(ctx)
                     : ngx_http_weir_record_headers(ctx, &body);

    if (rc == NGX_OK) {
        rc = ngx_http_weir_send(ctx, NGX_HTTP_OK,
                                ngx_http_weir_answer_type(ctx), &body);
    }

    weir_buf_free(&body);

    return rc;
}
