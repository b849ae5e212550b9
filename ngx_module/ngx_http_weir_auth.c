/*
 * Authentication at the gate: finds the credentials of a request, and whose
 * they are.  What was found out is the visit's and stands for all of it; each
 * location asks anew whether it is enough.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_KEY_HEADER  "x-api-key"
#define NGX_HTTP_WEIR_BEARER      "Bearer "


/* the credentials of a request: how many there are, and the first */

typedef struct {
    ngx_str_t   key;
    ngx_uint_t  count;
    unsigned    foreign:1;          /* an Authorization of another scheme */
} ngx_http_weir_credentials_t;


/* nginx 1.22 keeps repeated headers apart, 1.23 links them, and its variables
 * show the first or join them: the list itself is the same in both */

static void
ngx_http_weir_auth_credentials(ngx_http_request_t *r,
    ngx_http_weir_credentials_t *found)
{
    size_t            n;
    ngx_uint_t        i;
    ngx_str_t         value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_memzero(found, sizeof(ngx_http_weir_credentials_t));
    n = sizeof(NGX_HTTP_WEIR_BEARER) - 1;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        value = h[i].value;

        if (h[i].key.len == sizeof("authorization") - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) "authorization",
                               h[i].key.len)
               == 0)
        {
            if (value.len < n
                || ngx_strncasecmp(value.data,
                                   (u_char *) NGX_HTTP_WEIR_BEARER, n)
                   != 0)
            {
                found->foreign = 1;
                continue;
            }

            value.data += n;
            value.len -= n;

        } else if (h[i].key.len != sizeof(NGX_HTTP_WEIR_KEY_HEADER) - 1
                   || ngx_strncasecmp(h[i].key.data,
                                      (u_char *) NGX_HTTP_WEIR_KEY_HEADER,
                                      h[i].key.len)
                      != 0)
        {
            continue;
        }

        if (found->count++ == 0) {
            found->key = value;
        }
    }

    while (found->key.len && found->key.data[0] == ' ') {
        found->key.data++;
        found->key.len--;
    }
}


static ngx_int_t
ngx_http_weir_auth_refuse(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f,
    const char *challenge)
{
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    h = ngx_http_weir_header_set(r, "WWW-Authenticate",
                                 "Bearer realm=\"weir\"%s", challenge);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.www_authenticate = h;        /* for auth_request */

    if (f->kind == WEIR_FAIL_UNAUTHENTICATED
        && ngx_http_weir_header_set(r, "x-should-retry", "false") == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->status = "REFUSED";

    return ngx_http_weir_refuse(ctx, f);
}


/* The credentials are no good, and will be no better in another location. */

static ngx_int_t
ngx_http_weir_auth_bad(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f,
    const char *challenge)
{
    ngx_http_weir_visit_t  *visit;

    visit = ctx->visit;

    ngx_http_weir_count(ctx->process, unauthenticated);
    ngx_http_weir_limit_auth_failed(ctx);

    visit->refusal = ngx_palloc(ctx->request->pool, sizeof(weir_failure_t));
    if (visit->refusal == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *visit->refusal = *f;
    visit->challenge = challenge;

    return ngx_http_weir_auth_refuse(ctx, f, challenge);
}


static const char *
ngx_http_weir_auth_reason(weir_key_e rc)
{
    switch (rc) {

    case WEIR_KEY_EXPIRED:
        return "the API key has expired";

    case WEIR_KEY_REVOKED:
        return "the API key was revoked";

    default:
        return "the API key is not valid";
    }
}


static ngx_int_t
ngx_http_weir_auth_hook(ngx_pool_t *pool, ngx_http_weir_visit_t *visit,
    const weir_key_t *record)
{
    ngx_int_t   rc;
    weir_buf_t  url;

    weir_buf_init(&url, 0);
    weir_apikey_unquote(record->webhook, &url);

    rc = url.failed ? NGX_ERROR
         : ngx_http_weir_copy(pool, &visit->hook_url,
                              (weir_str_t) { url.data, url.len });
    weir_buf_free(&url);

    return rc != NGX_OK ? rc
           : ngx_http_weir_copy(pool, &visit->hook_secret,
                                record->webhook_secret);
}


/* Copies: the record may be replaced while the request waits. */

static ngx_int_t
ngx_http_weir_auth_identify(ngx_http_weir_ctx_t *ctx, const weir_key_t *record)
{
    ngx_pool_t             *pool;
    ngx_http_weir_visit_t  *visit;

    pool = ctx->request->pool;
    visit = ctx->visit;

    if (ngx_http_weir_copy(pool, &visit->owner, weir_str_of(record->owner))
        != NGX_OK
        || ngx_http_weir_copy(pool, &visit->tier, weir_str_of(record->tier))
           != NGX_OK
        || ngx_http_weir_copy(pool, &visit->models, record->models) != NGX_OK
        || ngx_http_weir_copy(pool, &visit->limits, record->limits) != NGX_OK)
    {
        return NGX_ERROR;
    }

    visit->scopes = record->scopes;

    /* a secret without an URL is for those that come with jobs */

    if (record->webhook_secret.len
        && ngx_http_weir_auth_hook(pool, visit, record) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_weir_copy(pool, &visit->key_id, weir_str_of(record->id));
}


ngx_int_t
ngx_http_weir_auth_gate(ngx_http_weir_ctx_t *ctx)
{
    weir_key_e                    rc;
    weir_failure_t                f;
    const weir_key_t             *record;
    ngx_http_weir_visit_t        *visit;
    ngx_http_weir_loc_conf_t     *wlcf;
    ngx_http_weir_credentials_t   found;

    visit = ctx->visit;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (!wlcf->auth || visit->key_id.len) {
        return NGX_DECLINED;
    }

    if (visit->refusal) {
        return ngx_http_weir_auth_refuse(ctx, visit->refusal,
                                         visit->challenge);
    }

    ngx_http_weir_auth_credentials(ctx->request, &found);

    if (found.count == 0) {
        weir_failure_set(&f, WEIR_FAIL_UNAUTHENTICATED, found.foreign
                         ? "the Authorization header has no Bearer token"
                         : "no API key was sent: use \"Authorization: Bearer "
                           "KEY\" or \"X-API-Key: KEY\"");
        return ngx_http_weir_auth_bad(ctx, &f, "");
    }

    if (found.count > 1) {
        weir_failure_set(&f, WEIR_FAIL_INVALID,
                         "more than one API key was sent");
        ngx_memcpy(f.code, "invalid_request", sizeof("invalid_request"));
        return ngx_http_weir_auth_bad(ctx, &f, ", error=\"invalid_request\"");
    }

    rc = weir_keyring_find(ctx->process->conf->keyring,
                           ngx_http_weir_str(found.key), ngx_time(), &record);

    if (rc != WEIR_KEY_OK) {
        weir_failure_set(&f, WEIR_FAIL_UNAUTHENTICATED, "%s",
                         ngx_http_weir_auth_reason(rc));
        return ngx_http_weir_auth_bad(ctx, &f, ", error=\"invalid_token\"");
    }

    return ngx_http_weir_auth_identify(ctx, record) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* Is what the key may do enough for this location, and for the route? */

ngx_int_t
ngx_http_weir_auth_scope_gate(ngx_http_weir_ctx_t *ctx)
{
    char                       challenge[128];
    ngx_uint_t                 needed;
    weir_buf_t                 scope;
    weir_failure_t             f;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    needed = wlcf->auth ? wlcf->scope : 0;

    if (ctx->route) {
        needed |= ctx->route->scope;
    }

    needed &= ~ctx->visit->scopes;

    if (needed == 0) {
        return NGX_DECLINED;
    }

    weir_buf_init(&scope, 64);
    weir_scopes_write((unsigned) needed, &scope);

    weir_failure_set(&f, WEIR_FAIL_FORBIDDEN,
                     "the API key lacks the scope \"%.*s\"",
                     (int) scope.len, scope.data);

    ngx_snprintf((u_char *) challenge, sizeof(challenge),
                 ", error=\"insufficient_scope\", scope=\"%*s\"%Z",
                 scope.len, scope.data);
    weir_buf_free(&scope);

    ngx_http_weir_count(ctx->process, unauthenticated);

    return ngx_http_weir_auth_refuse(ctx, &f, challenge);
}
