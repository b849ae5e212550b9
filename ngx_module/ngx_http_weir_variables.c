/*
 * Variables for logs and for other modules.  Reads the visit and the context
 * of its main request; before the value is known, a variable is not found ("-"
 * in a log).
 */

#include "ngx_http_weir_module.h"


#define ngx_http_weir_offset(member)  offsetof(ngx_http_weir_visit_t, member)


static ngx_int_t
ngx_http_weir_variable_set(ngx_http_variable_value_t *v, u_char *data,
    size_t len)
{
    v->data = data;
    v->len = len;
    v->valid = len > 0;
    v->no_cacheable = 1;
    v->not_found = len == 0;

    return NGX_OK;
}


/* the context of the main request, also after an internal redirect */

static ngx_http_weir_ctx_t *
ngx_http_weir_variable_ctx(ngx_http_request_t *r)
{
    ngx_http_weir_visit_t  *visit;

    visit = ngx_http_weir_visit(r);

    return visit ? visit->last : NULL;
}


/* data: the offset of an ngx_str_t in the visit */

static ngx_int_t
ngx_http_weir_variable_str(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t              *s;
    ngx_http_weir_visit_t  *visit;

    visit = ngx_http_weir_visit(r);

    if (visit == NULL) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    s = (ngx_str_t *) ((char *) visit + data);

    return ngx_http_weir_variable_set(v, s->data, s->len);
}


static ngx_int_t
ngx_http_weir_variable_request_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_weir_visit_t  *visit;

    visit = ngx_http_weir_visit(r);

    if (visit && ngx_http_weir_request_id(r, visit) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_weir_variable_str(r, v, data);
}


/* data: 1 for our own id in it */

static ngx_int_t
ngx_http_weir_variable_trace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                 *p;
    ngx_http_weir_visit_t  *visit;

    visit = ngx_http_weir_visit(r);

    if (visit == NULL) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    if (ngx_http_weir_trace(r, visit) != NGX_OK) {
        return NGX_ERROR;
    }

    p = visit->trace.data + sizeof("00-") - 1;

    return data ? ngx_http_weir_variable_set(v, p + WEIR_TRACE_ID_LEN + 1,
                                             WEIR_SPAN_ID_LEN)
                : ngx_http_weir_variable_set(v, p, WEIR_TRACE_ID_LEN);
}


static ngx_int_t
ngx_http_weir_variable_model(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_variable_ctx(r);

    return ctx ? ngx_http_weir_variable_set(v, ctx->job.model.data,
                                            ctx->job.model.len)
               : ngx_http_weir_variable_set(v, NULL, 0);
}


static ngx_int_t
ngx_http_weir_variable_job(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    size_t                n;
    u_char               *p;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_variable_ctx(r);

    if (ctx == NULL || !ctx->has_job) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    n = sizeof(WEIR_JOB_PREFIX) - 1;
    p = ngx_pnalloc(r->pool, n + WEIR_ID_LEN);

    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, WEIR_JOB_PREFIX, n);
    ngx_memcpy(p + n, ctx->job.id, WEIR_ID_LEN);

    return ngx_http_weir_variable_set(v, p, n + WEIR_ID_LEN);
}


static ngx_int_t
ngx_http_weir_variable_word(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char           *word;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_variable_ctx(r);

    if (ctx == NULL) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    word = data ? (ctx->route ? ctx->route->name : "-") : ctx->status;

    if (word[0] == '-') {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    return ngx_http_weir_variable_set(v, (u_char *) word, ngx_strlen(word));
}


/* data: 1 for the zone that decided it */

static ngx_int_t
ngx_http_weir_variable_limit(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                        *word;
    ngx_http_weir_visit_t             *visit;
    const ngx_http_weir_limit_zone_t  *zone;

    visit = ngx_http_weir_visit(r);

    if (visit == NULL) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    word = ngx_http_weir_limit_status(visit->limited, &zone);

    if (data) {
        return zone ? ngx_http_weir_variable_set(v, zone->name.data,
                                                 zone->name.len)
                    : ngx_http_weir_variable_set(v, NULL, 0);
    }

    return ngx_http_weir_variable_set(v, (u_char *) word,
                                      word ? ngx_strlen(word) : 0);
}


static ngx_int_t
ngx_http_weir_variable_auth(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_weir_visit_t  *visit;

    visit = ngx_http_weir_visit(r);

    if (visit == NULL || visit->auth == NULL) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    return ngx_http_weir_variable_set(v, (u_char *) visit->auth,
                                      ngx_strlen(visit->auth));
}


static ngx_int_t
ngx_http_weir_variable_cache(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char           *word;
    ngx_http_weir_ctx_t  *ctx;

    static const char  *words[] = { "-", "HIT", "STALE", "MISS", "JOINED",
                                    "BYPASS", "REFRESH" };

    ctx = ngx_http_weir_variable_ctx(r);

    if (ctx == NULL || ctx->cache == NULL || !ctx->cache->counted) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    word = words[ngx_http_weir_cache_status(ctx->cache)];

    return ngx_http_weir_variable_set(v, (u_char *) word, ngx_strlen(word));
}


static ngx_int_t
ngx_http_weir_variable_cache_key(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_variable_ctx(r);

    if (ctx == NULL || ctx->cache == NULL) {
        return ngx_http_weir_variable_set(v, NULL, 0);
    }

    return ngx_http_weir_variable_set(v, (u_char *) ctx->cache->question,
                                      ngx_strlen(ctx->cache->question));
}


static ngx_http_variable_t  ngx_http_weir_variables[] = {

    { ngx_string("weir_request_id"), NULL, ngx_http_weir_variable_request_id,
      ngx_http_weir_offset(request_id), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_trace_id"), NULL, ngx_http_weir_variable_trace,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_span_id"), NULL, ngx_http_weir_variable_trace,
      1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_auth_status"), NULL, ngx_http_weir_variable_auth,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_key_id"), NULL, ngx_http_weir_variable_str,
      ngx_http_weir_offset(key_id), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_owner"), NULL, ngx_http_weir_variable_str,
      ngx_http_weir_offset(owner), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_tier"), NULL, ngx_http_weir_variable_str,
      ngx_http_weir_offset(tier), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_model"), NULL, ngx_http_weir_variable_model,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_job"), NULL, ngx_http_weir_variable_job,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_route"), NULL, ngx_http_weir_variable_word,
      1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_status"), NULL, ngx_http_weir_variable_word,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_cache_status"), NULL, ngx_http_weir_variable_cache,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_cache_key"), NULL, ngx_http_weir_variable_cache_key,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_limit_status"), NULL, ngx_http_weir_variable_limit,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("weir_limit_zone"), NULL, ngx_http_weir_variable_limit,
      1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_weir_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_weir_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}
