/*
 * The visit, and the context of each request that belongs to it.  Owns what a
 * request is known by; decides nothing.
 */

#include "ngx_http_weir_module.h"


/* Above all to find the visit again: an internal redirect forgets the contexts
 * of all modules, but not the cleanups of the pool.  A client that left while
 * its key was looked for leaves the key behind. */

static void
ngx_http_weir_visit_cleanup(void *data)
{
    ngx_http_weir_visit_t  *visit = data;

    ngx_http_weir_auth_wipe(visit);
}


/* NULL: there is none yet */

static ngx_http_weir_visit_t *
ngx_http_weir_visit_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_weir_visit_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


/* The visit that a request belongs to; NULL: no memory. */

static ngx_http_weir_visit_t *
ngx_http_weir_visit_join(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_weir_visit_t  *visit;

    visit = ngx_http_weir_visit_find(r);

    if (visit) {
        return visit;
    }

    cln = ngx_pool_cleanup_add(r->main->pool, sizeof(ngx_http_weir_visit_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_weir_visit_cleanup;

    visit = cln->data;
    ngx_memzero(visit, sizeof(ngx_http_weir_visit_t));
    ngx_queue_init(&visit->turn);

    return visit;
}


/* For readers, at any time: NULL if nobody asked anything of us. */

ngx_http_weir_visit_t *
ngx_http_weir_visit(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    return ctx ? ctx->visit : ngx_http_weir_visit_find(r);
}


static ngx_uint_t
ngx_http_weir_request_id_valid(ngx_str_t *id)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a'
            && (c | 0x20) <= 'z') && c != '-' && c != '_' && c != '.')
        {
            return 0;
        }
    }

    return id->len > 0 && id->len <= NGX_HTTP_WEIR_REQUEST_ID_MAX;
}


static ngx_table_elt_t *
ngx_http_weir_request_id_field(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == sizeof("x-request-id") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "x-request-id",
                                   h[i].key.len)
                   == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


/* Makes sure that the visit has an id: the client's own if it is a good one,
 * else a new one. */

ngx_int_t
ngx_http_weir_request_id(ngx_http_request_t *r, ngx_http_weir_visit_t *visit)
{
    char              hex[33];
    unsigned char     random[16];
    ngx_table_elt_t  *h;

    if (visit->request_id.len) {
        return NGX_OK;
    }

    h = ngx_http_weir_request_id_field(r->main);

    if (h && ngx_http_weir_request_id_valid(&h->value)) {
        visit->request_id = h->value;
        return NGX_OK;
    }

    if (ngx_http_weir_random(ngx_http_weir_process(r), random, sizeof(random))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    weir_digest_hex(random, sizeof(random), hex);

    return ngx_http_weir_copy(r->pool, &visit->request_id, weir_str_of(hex));
}


static void
ngx_http_weir_ctx_cleanup(void *data)
{
    ngx_http_weir_ctx_t  *ctx = data;

    ngx_http_weir_forget(ctx);
    ngx_http_weir_ask_cleanup(ctx);
    ngx_http_weir_wait_remove(ctx);
    ngx_http_weir_reader_destroy(ctx);

    if (ctx->holding) {
        ngx_queue_remove(&ctx->held);
        ctx->holding = 0;
    }

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    weir_buf_free(&ctx->payload);

    if (ctx->outcome.doc || ctx->outcome.choices || ctx->outcome.extra) {
        weir_outcome_free(&ctx->outcome);
    }
}


/* Makes it where there is none yet: after an internal redirect, or when nginx
 * itself refused the request before the gate.  NULL: no memory. */

ngx_http_weir_ctx_t *
ngx_http_weir_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_weir_ctx_t       *ctx;
    ngx_http_weir_visit_t     *visit;
    ngx_http_weir_srv_conf_t  *wscf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx) {
        return ctx;
    }

    visit = ngx_http_weir_visit_join(r);
    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_weir_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (visit == NULL || ctx == NULL || cln == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->visit = visit;
    ctx->process = ngx_http_weir_process(r);
    ctx->class = WEIR_NORMAL;
    ctx->status = "-";
    ctx->outcome.state = WEIR_FAILED;   /* the rest of it is zero */

    cln->handler = ngx_http_weir_ctx_cleanup;
    cln->data = ctx;

    wscf = ngx_http_get_module_srv_conf(r, ngx_http_weir_module);

    if (wscf->api) {
        if (ngx_http_weir_request_id(r, visit) != NGX_OK) {
            return NULL;
        }

        ngx_http_weir_route_find(r, ctx);
    }

    if (r == r->main) {
        visit->last = ctx;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_weir_module);

    return ctx;
}
