/*
 * The request's body to JSON, and its Prefer header.  Owns nothing; knows no
 * dialect.
 */

#include "ngx_http_weir_module.h"


/* the body as one piece: in memory, or in nginx's temporary file */

static ngx_int_t
ngx_http_weir_request_body(ngx_http_request_t *r, weir_str_t *body)
{
    u_char       *data;
    size_t        size, len;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    *body = weir_str_null;

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL && ngx_buf_in_memory(cl->buf)) {
        body->data = (char *) cl->buf->pos;
        body->len = cl->buf->last - cl->buf->pos;
        return NGX_OK;
    }

    size = 0;

    for ( /* void */ ; cl; cl = cl->next) {
        size += (size_t) ngx_buf_size(cl->buf);
    }

    data = ngx_pnalloc(r->pool, size ? size : 1);
    if (data == NULL) {
        return NGX_ERROR;
    }

    body->data = (char *) data;
    body->len = size;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;
        len = (size_t) ngx_buf_size(b);

        if (len == 0) {                 /* only the mark of the end */
            continue;
        }

        if (ngx_buf_in_memory(b)) {
            data = ngx_cpymem(data, b->pos, len);
            continue;
        }

        n = ngx_read_file(b->file, data, len, b->file_pos);

        if (n != (ssize_t) len) {
            return NGX_ERROR;
        }

        data += len;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_weir_request_is(ngx_str_t *value, const char *type)
{
    size_t  n;

    n = ngx_strlen(type);

    return value->len >= n
           && ngx_strncasecmp(value->data, (u_char *) type, n) == 0
           && (value->len == n || value->data[n] == ';'
               || value->data[n] == ' ');
}


/* What curl says when it is told nothing is let pass. */

static ngx_int_t
ngx_http_weir_request_type(ngx_http_request_t *r, weir_failure_t *f)
{
    ngx_table_elt_t  *type;

    type = r->headers_in.content_type;

    if (r->headers_in.content_length_n == 0 || type == NULL
        || ngx_http_weir_request_is(&type->value, "application/json")
        || ngx_http_weir_request_is(&type->value,
                                    "application/x-www-form-urlencoded"))
    {
        return NGX_OK;
    }

    weir_failure_set(f, WEIR_FAIL_MEDIA_TYPE,
                     "the body must be of the type application/json");

    return NGX_DECLINED;
}


/* A body is not unpacked here: who sends one that is packed is told so. */

static ngx_int_t
ngx_http_weir_request_coding(ngx_http_request_t *r, weir_failure_t *f)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != sizeof("content-encoding") - 1
                || ngx_strncasecmp(h[i].key.data,
                                   (u_char *) "content-encoding",
                                   h[i].key.len)
                   != 0
                || h[i].value.len == 0
                || ngx_http_weir_request_is(&h[i].value, "identity"))
            {
                continue;
            }

            weir_failure_set(f, WEIR_FAIL_MEDIA_TYPE,
                             "the body must have no content coding");
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* The bytes of the body; NGX_DECLINED: f says why there are none. */

ngx_int_t
ngx_http_weir_request_text(ngx_http_weir_ctx_t *ctx, weir_str_t *body,
    weir_failure_t *f)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_http_weir_request_type(r, f) != NGX_OK
        || ngx_http_weir_request_coding(r, f) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_weir_request_body(r, body) != NGX_OK) {
        weir_failure_set(f, WEIR_FAIL_INTERNAL, "the body cannot be read");
        return NGX_DECLINED;
    }

    if (body->len == 0) {
        weir_failure_set(f, WEIR_FAIL_INVALID, "the request has no body");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NULL: f says why. */

weir_json_t *
ngx_http_weir_request_json(weir_str_t body, weir_failure_t *f)
{
    char          why[WEIR_JSON_ERROR];
    weir_json_t  *doc;

    if (weir_json_too_deep(body, WEIR_JSON_DEPTH_CLIENT)) {
        weir_failure_set(f, WEIR_FAIL_INVALID, "the body is nested deeper "
                         "than %d levels", WEIR_JSON_DEPTH_CLIENT);
        return NULL;
    }

    doc = weir_json_parse(body, why);

    if (doc == NULL) {
        weir_failure_set(f, WEIR_FAIL_INVALID, "the body is not valid JSON: "
                         "%s", why);
    }

    return doc;
}


/* How many fields of this name, in lower case, there are; value: the last
 * one's. */

ngx_uint_t
ngx_http_weir_request_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    size_t            len;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;
    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                *value = h[i].value;
                n++;
            }
        }
    }

    return n;
}


void
ngx_http_weir_request_prefer(ngx_http_weir_ctx_t *ctx)
{
    ngx_uint_t                  i;
    ngx_list_part_t            *part;
    ngx_table_elt_t            *h;
    ngx_http_weir_loc_conf_t   *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    for (part = &ctx->request->headers_in.headers.part;
         part;
         part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("prefer") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "prefer",
                                   h[i].key.len)
                   == 0)
            {
                weir_prefer_parse(&ctx->prefer,
                                  ngx_http_weir_str(h[i].value));
            }
        }
    }

    ctx->prefer.wait = ngx_min(ctx->prefer.wait,
                               (int64_t) wlcf->max_wait / 1000);
}
