/*
 * Answers: status, headers and body of everything that the API itself says.
 * Owns the form of the job object; what came of a job is decided elsewhere.
 */

#include "ngx_http_weir_dialect.h"
#include "ngx_http_weir_woken.h"


#define NGX_HTTP_WEIR_HEADER_MAX  512
#define NGX_HTTP_WEIR_PIECE       57344


/* headers */

ngx_int_t
ngx_http_weir_header(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_header_value(ngx_pool_t *pool, ngx_str_t *value,
    const char *fmt, va_list args)
{
    u_char  *p, text[NGX_HTTP_WEIR_HEADER_MAX];

    p = ngx_vslprintf(text, text + sizeof(text), fmt, args);

    return ngx_http_weir_copy(pool, value, (weir_str_t) { (char *) text,
                                                          p - text });
}


/* fmt is nginx's */

ngx_int_t
ngx_http_weir_header_text(ngx_http_request_t *r, const char *name,
    const char *fmt, ...)
{
    va_list     args;
    ngx_int_t   rc;
    ngx_str_t   value;

    va_start(args, fmt);
    rc = ngx_http_weir_header_value(r->pool, &value, fmt, args);
    va_end(args);

    return rc == NGX_OK ? ngx_http_weir_header(r, name, &value) : rc;
}


ngx_table_elt_t *
ngx_http_weir_header_find(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


/* The only field of that name: where a refusal leads to an error page, and the
 * way there is refused too, the last one counts.  NULL: no memory. */

ngx_table_elt_t *
ngx_http_weir_header_set(ngx_http_request_t *r, const char *name,
    const char *fmt, ...)
{
    va_list           args;
    ngx_int_t         rc;
    ngx_str_t         value;
    ngx_table_elt_t  *h;

    va_start(args, fmt);
    rc = ngx_http_weir_header_value(r->pool, &value, fmt, args);
    va_end(args);

    if (rc != NGX_OK) {
        return NULL;
    }

    h = ngx_http_weir_header_find(r, name);

    if (h == NULL) {
        if (ngx_http_weir_header(r, name, &value) != NGX_OK) {
            return NULL;
        }

        h = ngx_http_weir_header_find(r, name);
    }

    h->value = value;

    return h;
}


void
ngx_http_weir_allow(ngx_http_weir_ctx_t *ctx, ngx_uint_t methods)
{
    u_char  *p, text[64];

    p = text;
    p = ngx_sprintf(p, "%s%s%s", methods & NGX_HTTP_GET ? "GET, HEAD, " : "",
                    methods & NGX_HTTP_POST ? "POST, " : "",
                    methods & NGX_HTTP_DELETE ? "DELETE, " : "");
    *p = '\0';

    (void) ngx_http_weir_header_text(ctx->request, "Allow", "%sOPTIONS",
                                     text);
}


/* what precedes "/v1/..." in this location */

ngx_str_t *
ngx_http_weir_prefix(ngx_http_request_t *r)
{
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    return &wlcf->prefix;
}


/* sending; what is returned is for ngx_http_finalize_request() */

static ngx_int_t
ngx_http_weir_send_headers(ngx_http_weir_ctx_t *ctx, ngx_uint_t status)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->has_job
        && ngx_http_weir_header_text(r, "X-Weir-Job", WEIR_JOB_PREFIX "%s",
                                     ctx->job.id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->replayed) {
        ngx_http_weir_count(ctx->process, replayed);

        if (ngx_http_weir_header_text(r, "Idempotent-Replayed", "true")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ctx->cache ? ngx_http_weir_cache_headers(ctx, status) : NGX_OK;
}


/* In pieces: the kernel moves a large body for two thirds of the CPU time if it
 * gets no more at once than fits a segment of 64 KB, with the headers. */

static ngx_int_t
ngx_http_weir_send_body(ngx_http_request_t *r, const ngx_str_t *body)
{
    size_t        sent, n;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    sent = 0;

    do {
        b = ngx_calloc_buf(r->pool);
        if (b == NULL) {
            return NGX_ERROR;
        }

        n = ngx_min(body->len - sent, NGX_HTTP_WEIR_PIECE);

        b->pos = body->data + sent;
        b->last = b->pos + n;
        b->memory = n > 0;
        sent += n;

        if (sent == body->len) {
            b->last_buf = (r == r->main);
            b->last_in_chain = 1;
        }

        out.buf = b;
        out.next = NULL;

        rc = ngx_http_output_filter(r, &out);

    } while (rc != NGX_ERROR && sent < body->len);

    return rc;
}


/* length: -1: nobody knows yet */

ngx_int_t
ngx_http_weir_send_header(ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    const char *type, off_t length)
{
    ngx_http_request_t  *r;

    r = ctx->request;
    ctx->sent = 1;

    r->headers_out.status = status;
    r->headers_out.content_length_n = length;

    if (r->method == NGX_HTTP_POST) {
        r->disable_not_modified = 1;            /* conditions are for a GET */
    }

    if (type) {
        r->headers_out.content_type.data = (u_char *) type;
        r->headers_out.content_type.len = ngx_strlen(type);
        r->headers_out.content_type_len = r->headers_out.content_type.len;
        r->headers_out.content_type_lowcase = NULL;
    }

    if (ngx_http_weir_send_headers(ctx, status) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_send_header(r);
}


/* body: in the pool; NULL: none */

ngx_int_t
ngx_http_weir_send_text(ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    const char *type, const ngx_str_t *body)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (body == NULL) {
        r->header_only = 1;
    }

    rc = ngx_http_weir_send_header(ctx, status, type,
                                   body ? (off_t) body->len : 0);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_weir_send_body(r, body);
}


ngx_int_t
ngx_http_weir_send(ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    const char *type, weir_buf_t *body)
{
    ngx_str_t  text;

    if (body == NULL) {
        return ngx_http_weir_send_text(ctx, status, type, NULL);
    }

    if (body->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;  /* nginx's, which is dressed */
    }

    if (ngx_http_weir_copy(ctx->request->pool, &text,
                           (weir_str_t) { body->data, body->len })
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_weir_send_text(ctx, status, type, &text);
}


/* Takes doc; NULL: no memory. */

ngx_int_t
ngx_http_weir_send_json(ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    weir_json_t *doc)
{
    ngx_int_t   rc;
    weir_buf_t  body;

    weir_buf_init(&body, 0);
    weir_json_write(doc, &body);
    weir_json_free(&doc);

    rc = ngx_http_weir_send(ctx, status, "application/json", &body);

    weir_buf_free(&body);

    return rc;
}


ngx_int_t
ngx_http_weir_fail(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f)
{
    ngx_int_t            rc;
    weir_buf_t           body;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_http_weir_streams(ctx)) {
        return ngx_http_weir_stream_fail(ctx, f);
    }

    rc = ngx_http_weir_spare(ctx, f);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ctx->status[0] == '-') {
        ctx->status = weir_failure_name(f->kind);
    }

    /* also in the rewrite phase, where nobody has read the body */

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (f->retry_after
        && ngx_http_weir_header_text(r, "Retry-After", "%ud", f->retry_after)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (f->kind == WEIR_FAIL_FORBIDDEN
        && ngx_http_weir_header_set(r, "x-should-retry", "false") == NULL)
    {
        return NGX_ERROR;
    }

    if (ngx_http_weir_header_text(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_ERROR;
    }

    weir_buf_init(&body, 0);
    weir_failure_body(f, ctx->dialect,
                      ngx_http_weir_str(ctx->visit->request_id), &body);

    rc = ngx_http_weir_send(ctx,
                            weir_failure_status_in(f->kind, ctx->dialect),
                            weir_failure_media_type(ctx->dialect), &body);

    weir_buf_free(&body);

    return rc;
}


/* outcomes */

/* Of a completed run, in the form that was asked for. */

void
ngx_http_weir_outcome_write(ngx_http_weir_ctx_t *ctx, weir_buf_t *out)
{
    const ngx_http_weir_dialect_t  *d;

    d = ctx->speech;

    if ((ctx->events ? d->events(ctx, out) : d->answer(ctx, out)) != 0) {
        out->failed = true;
    }
}


/* An answer is for who asked: kept by nobody, and events are not held back by a
 * proxy before us. */

ngx_int_t
ngx_http_weir_answer_headers(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->events
        && ngx_http_weir_header_text(ctx->request, "X-Accel-Buffering", "no")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_weir_header_text(ctx->request, "Cache-Control",
                                     "no-store");
}


const char *
ngx_http_weir_answer_type(ngx_http_weir_ctx_t *ctx)
{
    return ctx->events ? "text/event-stream" : "application/json";
}


static ngx_int_t
ngx_http_weir_send_completed(ngx_http_weir_ctx_t *ctx)
{
    ngx_str_t          text;
    const weir_buf_t  *body;

    body = ngx_http_weir_body(ctx);

    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;  /* nginx's, which is dressed */
    }

    if (ngx_http_weir_answer_headers(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->cache) {
        ngx_http_weir_cache_keep(ctx, body);
    }

    text.data = (u_char *) body->data;
    text.len = body->len;

    return ngx_http_weir_send_text(ctx, NGX_HTTP_OK,
                                   ngx_http_weir_answer_type(ctx), &text);
}


/* The answer of a dialect's route. */

ngx_int_t
ngx_http_weir_send_outcome(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    if (ngx_http_weir_streams(ctx)) {
        return ngx_http_weir_reader_answer(ctx);
    }

    if (ctx->job.state == WEIR_COMPLETED && ctx->outcome.choices) {
        return ngx_http_weir_send_completed(ctx);
    }

    weir_jobdoc_failure(ctx->job.state, &ctx->outcome, &f);

    if (!weir_failure_may_retry(f.kind)) {
        (void) ngx_http_weir_header_text(ctx->request, "x-should-retry",
                                         "false");
    }

    return ngx_http_weir_fail(ctx, &f);
}


/* the job object */

void
ngx_http_weir_job_write(ngx_http_weir_ctx_t *ctx, weir_buf_t *out)
{
    weir_jobdoc_t         d;
    ngx_http_weir_job_t  *job;

    job = &ctx->job;
    ngx_memzero(&d, sizeof(weir_jobdoc_t));

    d.id = job->id;
    d.run = weir_str_of(job->run);
    d.part = ngx_http_weir_str(job->part);
    d.asked = job->asked;
    d.state = job->state;
    d.created = job->created;
    d.run_at = job->run_at;
    d.deadline = job->deadline;
    d.started = job->started;
    d.finished = job->finished;
    d.attempts = job->attempts;
    d.model = ngx_http_weir_str(job->model);
    d.metadata = ngx_http_weir_str(job->metadata);
    d.kind = ngx_http_weir_str(job->kind);
    d.error = ngx_http_weir_str(job->error);
    d.prefix = ngx_http_weir_str(*ngx_http_weir_prefix(ctx->request));
    d.outcome = &ctx->outcome;

    weir_jobdoc_write(&d, out);
}


/* A finished job does not change: its text is its strong validator. */

static ngx_int_t
ngx_http_weir_job_etag(ngx_http_weir_ctx_t *ctx, weir_buf_t *body)
{
    char                 hex[33];
    unsigned char        digest[WEIR_DIGEST_LEN];
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (weir_digest_sha256((weir_str_t) { body->data, body->len }, digest)
        != 0)
    {
        return NGX_ERROR;
    }

    weir_digest_hex(digest, 16, hex);

    if (ngx_http_weir_header_text(r, "ETag", "\"%s\"", hex) != NGX_OK) {
        return NGX_ERROR;
    }

    /* nginx's own filter then answers If-None-Match; it wants no 200 changed */

    h = r->headers_out.headers.last->elts;
    r->headers_out.etag = &h[r->headers_out.headers.last->nelts - 1];

    return NGX_OK;
}


/* of what is shown of a job: does it change? */

ngx_int_t
ngx_http_weir_record_headers(ngx_http_weir_ctx_t *ctx, weir_buf_t *body)
{
    if (weir_state_is_final(ctx->job.state) && !body->failed
        && (ctx->request->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return ngx_http_weir_job_etag(ctx, body) == NGX_OK
               ? ngx_http_weir_header_text(ctx->request, "Cache-Control",
                                           "private, no-cache")
               : NGX_ERROR;
    }

    return ngx_http_weir_header_text(ctx->request, "Cache-Control",
                                     "no-store");
}


/* What a POST is answered with is what a GET would show now; but caches keep
 * nothing of a POST. */

static ngx_int_t
ngx_http_weir_job_headers(ngx_http_weir_ctx_t *ctx, weir_buf_t *body)
{
    ngx_uint_t           final;
    ngx_http_request_t  *r;

    r = ctx->request;
    final = weir_state_is_final(ctx->job.state) && !body->failed;

    if (r->method == NGX_HTTP_POST
        && (ngx_http_weir_header_text(r, "Content-Location", "%V/v1/jobs/"
                                      WEIR_JOB_PREFIX "%s",
                                      ngx_http_weir_prefix(r), ctx->job.id)
            != NGX_OK
            || (final && ngx_http_weir_job_etag(ctx, body) != NGX_OK)))
    {
        return NGX_ERROR;
    }

    return ngx_http_weir_record_headers(ctx, body);
}


ngx_int_t
ngx_http_weir_send_job(ngx_http_weir_ctx_t *ctx, ngx_uint_t status)
{
    ngx_int_t   rc;
    weir_buf_t  body;

    weir_buf_init(&body, 0);
    ngx_http_weir_job_write(ctx, &body);

    rc = ngx_http_weir_job_headers(ctx, &body);

    if (rc == NGX_OK) {
        rc = ngx_http_weir_send(ctx, status, "application/json", &body);
    }

    weir_buf_free(&body);

    return rc;
}
