/*
 * What is added to every answer of a location of the API, and the dress of
 * nginx's own errors: a request that nginx refuses before our handler (413,
 * 414, 400) gets the body of its dialect, never HTML.  Knows no route's work.
 */

#include "ngx_http_weir_module.h"


static ngx_http_output_header_filter_pt  ngx_http_weir_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_weir_next_body_filter;


static const char *
ngx_http_weir_filter_message(ngx_uint_t status)
{
    switch (status) {

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return "the body is larger than this server takes";

    case NGX_HTTP_REQUEST_URI_TOO_LARGE:
        return "the URI is longer than this server takes";

    case NGX_HTTP_REQUEST_TIME_OUT:
        return "the request did not arrive in time";

    case NGX_HTTP_NOT_FOUND:
        return "there is no such route";

    case NGX_HTTP_FORBIDDEN:
        return "the request is not permitted";

    case NGX_HTTP_NOT_ALLOWED:
        return "the method is not allowed";

    case NGX_HTTP_BAD_REQUEST:
        return "the request is not valid HTTP";

    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_TOO_MANY_REQUESTS:
        return "the server takes no more requests now";

    default:
        return status >= NGX_HTTP_INTERNAL_SERVER_ERROR
               ? "the server could not answer the request"
               : "the request was refused";
    }
}


/* The body that replaces nginx's; its status stays as it is. */

static ngx_int_t
ngx_http_weir_filter_dress(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    weir_buf_t                 body;
    const char                *type;
    weir_failure_t             nginx, *f;
    ngx_http_weir_main_conf_t *wmcf;

    f = ctx->failure;

    if (f == NULL) {
        weir_failure_set(&nginx,
                         weir_failure_of_status(r->headers_out.status), "%s",
                         ngx_http_weir_filter_message(r->headers_out.status));
        nginx.status = (unsigned) r->headers_out.status;
        f = &nginx;

        wmcf = ngx_http_get_module_main_conf(r, ngx_http_weir_module);
        (void) ngx_atomic_fetch_add(&wmcf->counters->dressed, 1);
    }

    weir_buf_init(&body, 0);
    weir_failure_body(f, ctx->dialect,
                      ngx_http_weir_str(ctx->visit->request_id), &body);

    ctx->dressed.len = body.failed ? 0 : body.len;
    ctx->dressed.data = body.failed ? NULL : ngx_pnalloc(r->pool, body.len);

    if (ctx->dressed.data == NULL) {
        weir_buf_free(&body);
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->dressed.data, body.data, body.len);
    weir_buf_free(&body);

    type = weir_failure_media_type(ctx->dialect);

    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = (off_t) ctx->dressed.len;

    return ngx_http_weir_header_set(r, "Cache-Control", "no-store")
           ? NGX_OK : NGX_ERROR;
}


/* Is it an answer of ours?  What the gate refused elsewhere than in the API is,
 * unless an error page took its place, which has no context.  A request that
 * nginx refused before it chose a location belongs to the API of its server. */

static ngx_uint_t
ngx_http_weir_filter_applies(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_weir_loc_conf_t  *wlcf;
    ngx_http_weir_srv_conf_t  *wscf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx && ctx->failure) {
        return r->headers_out.status
               == ngx_http_weir_failure_status(ctx->failure);
    }

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    if (wlcf->answers) {
        return 1;
    }

    wscf = ngx_http_get_module_srv_conf(r, ngx_http_weir_module);

    if (!wscf->api || r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return 0;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return clcf->name.len == 0;
}


/* "error_page ... = @name" makes another answer of a refusal: when to come
 * again is then for that one to say. */

static void
ngx_http_weir_filter_again(ngx_http_request_t *r, ngx_http_weir_visit_t *visit)
{
    if (visit->never) {
        visit->never->hash = (r->headers_out.status == visit->refused);
    }

    if (visit->again) {
        visit->again->hash = 0;

        if (r->headers_out.status == visit->refused
            && ngx_http_weir_header_find(r, "Retry-After") == NULL)
        {
            visit->again->hash = 1;
        }
    }
}


static ngx_int_t
ngx_http_weir_header_filter(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t    *ctx;
    ngx_http_weir_visit_t  *visit;

    if (r != r->main) {
        return ngx_http_weir_next_header_filter(r);
    }

    visit = ngx_http_weir_visit(r);

    if (visit && visit->refused) {
        ngx_http_weir_filter_again(r, visit);
    }

    if (visit && visit->limited
        && ngx_http_weir_limit_headers(r, visit) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_http_weir_filter_applies(r)) {
        return ngx_http_weir_next_header_filter(r);
    }

    ctx = ngx_http_weir_ctx(r);

    if (ctx == NULL || ngx_http_weir_request_id(r, ctx->visit) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ctx->sent && r->headers_out.status >= NGX_HTTP_BAD_REQUEST
        && ngx_http_weir_filter_dress(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_weir_header(r, "X-Request-Id", &ctx->visit->request_id)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->dialect == WEIR_DIALECT_ANTHROPIC
        && ngx_http_weir_header(r, "request-id", &ctx->visit->request_id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST
        && ngx_http_weir_header_text(r, "X-Content-Type-Options", "nosniff")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_weir_next_header_filter(r);
}


static ngx_int_t
ngx_http_weir_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t            *b;
    ngx_chain_t          *cl, out;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL || ctx->dressed.data == NULL || in == NULL) {
        return ngx_http_weir_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->dressed.data;
    b->last = b->pos + ctx->dressed.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    ctx->dressed.data = NULL;

    out.buf = b;
    out.next = NULL;

    return ngx_http_weir_next_body_filter(r, &out);
}


void
ngx_http_weir_filter_init(void)
{
    ngx_http_weir_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_weir_header_filter;

    ngx_http_weir_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_weir_body_filter;
}
