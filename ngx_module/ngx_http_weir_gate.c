/*
 * The gate: who are you, and may you?  Runs in the rewrite phase, so that
 * neither "return" nor "satisfy" goes round it.  Owns the creation of the
 * context; never reads a body and never asks Redis.
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


static ngx_int_t
ngx_http_weir_gate_refuse(ngx_http_weir_ctx_t *ctx, weir_failure_t *f,
    const char *challenge)
{
    ngx_http_weir_count(ctx->process, unauthenticated);

    if (challenge
        && ngx_http_weir_header_text(ctx->request, "WWW-Authenticate",
                                     "Bearer realm=\"weir\"%s", challenge)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (f->kind == WEIR_FAIL_UNAUTHENTICATED
        && ngx_http_weir_header_text(ctx->request, "x-should-retry", "false")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->status = "REFUSED";

    return ngx_http_weir_fail(ctx, f);
}


/* nginx 1.22 keeps repeated headers apart, 1.23 links them, and its variables
 * show the first or join them: the list itself is the same in both */

static void
ngx_http_weir_gate_credentials(ngx_http_request_t *r,
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
}


static const char *
ngx_http_weir_gate_reason(weir_key_e rc)
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
ngx_http_weir_gate_hook(ngx_http_weir_ctx_t *ctx, const weir_key_t *record)
{
    ngx_int_t    rc;
    weir_buf_t   url;
    ngx_pool_t  *pool;

    pool = ctx->request->pool;

    weir_buf_init(&url, 0);
    weir_apikey_unquote(record->webhook, &url);

    rc = url.failed ? NGX_ERROR
         : ngx_http_weir_copy(pool, &ctx->hook_url,
                              (weir_str_t) { url.data, url.len });
    weir_buf_free(&url);

    return rc != NGX_OK ? rc
           : ngx_http_weir_copy(pool, &ctx->hook_secret,
                                record->webhook_secret);
}


/* NGX_DECLINED: authenticated, go on.  Otherwise the answer was sent. */

static ngx_int_t
ngx_http_weir_gate_auth(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    weir_key_e                    rc;
    weir_str_t                    key;
    weir_failure_t                f;
    const weir_key_t             *record;
    ngx_http_weir_credentials_t   found;

    ngx_http_weir_gate_credentials(r, &found);

    if (found.count == 0) {
        weir_failure_set(&f, WEIR_FAIL_UNAUTHENTICATED, found.foreign
                         ? "the Authorization header has no Bearer token"
                         : "no API key was sent: use \"Authorization: Bearer "
                           "KEY\" or \"X-API-Key: KEY\"");
        return ngx_http_weir_gate_refuse(ctx, &f, "");
    }

    if (found.count > 1) {
        weir_failure_set(&f, WEIR_FAIL_INVALID,
                         "more than one API key was sent");
        ngx_memcpy(f.code, "invalid_request", sizeof("invalid_request"));
        return ngx_http_weir_gate_refuse(ctx, &f,
                                         ", error=\"invalid_request\"");
    }

    key = ngx_http_weir_str(found.key);

    while (key.len && key.data[0] == ' ') {
        key.data++;
        key.len--;
    }

    rc = weir_keyring_find(ctx->process->conf->keyring, key, ngx_time(),
                           &record);

    if (rc != WEIR_KEY_OK) {
        weir_failure_set(&f, WEIR_FAIL_UNAUTHENTICATED, "%s",
                         ngx_http_weir_gate_reason(rc));
        return ngx_http_weir_gate_refuse(ctx, &f,
                                         ", error=\"invalid_token\"");
    }

    /* the ring may be replaced while the request waits */

    if (ngx_http_weir_copy(r->pool, &ctx->key_id, weir_str_of(record->id))
        != NGX_OK
        || ngx_http_weir_copy(r->pool, &ctx->owner, weir_str_of(record->owner))
           != NGX_OK
        || ngx_http_weir_copy(r->pool, &ctx->tier, weir_str_of(record->tier))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->scopes = record->scopes;

    /* a secret without an URL is for those that come with jobs */

    if (record->webhook_secret.len
        && ngx_http_weir_gate_hook(ctx, record) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_weir_gate_scope(ngx_http_weir_ctx_t *ctx)
{
    char            challenge[128];
    weir_buf_t      scope;
    weir_failure_t  f;

    if (ctx->route == NULL || ctx->route->scope == 0
        || (ctx->scopes & ctx->route->scope))
    {
        return NGX_DECLINED;
    }

    weir_buf_init(&scope, 64);
    weir_scopes_write(ctx->route->scope, &scope);

    weir_failure_set(&f, WEIR_FAIL_FORBIDDEN,
                     "the API key lacks the scope \"%.*s\"",
                     (int) scope.len, scope.data);

    ngx_snprintf((u_char *) challenge, sizeof(challenge),
                 ", error=\"insufficient_scope\", scope=\"%*s\"%Z",
                 scope.len, scope.data);
    weir_buf_free(&scope);

    return ngx_http_weir_gate_refuse(ctx, &f, challenge);
}


/* the context and its end */

static void
ngx_http_weir_ctx_cleanup(void *data)
{
    ngx_http_weir_ctx_t  *ctx = data;

    ngx_http_weir_forget(ctx);
    ngx_http_weir_wait_remove(ctx);

    if (ctx->holding) {
        ngx_queue_remove(&ctx->held);
        ctx->holding = 0;
    }

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    weir_buf_free(&ctx->payload);
    weir_outcome_free(&ctx->outcome);
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


/* the client's own id if it is a good one, else a new one */

static ngx_int_t
ngx_http_weir_request_id(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    char              hex[33];
    ngx_uint_t        i;
    unsigned char     random[16];
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;

    for (h = part->elts, i = 0; part; i++) {

        if (i >= part->nelts) {
            part = part->next;
            h = part ? part->elts : NULL;
            i = (ngx_uint_t) -1;
            continue;
        }

        if (h[i].key.len == sizeof("x-request-id") - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) "x-request-id",
                               h[i].key.len)
               == 0)
        {
            if (ngx_http_weir_request_id_valid(&h[i].value)) {
                ctx->request_id = h[i].value;
                return NGX_OK;
            }

            break;
        }
    }

    if (ngx_http_weir_random(ngx_http_weir_process(r), random, sizeof(random))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    weir_digest_hex(random, sizeof(random), hex);

    return ngx_http_weir_copy(r->pool, &ctx->request_id, weir_str_of(hex));
}


/* Makes it where there is none yet: after an internal redirect, or when nginx
 * itself refused the request before the gate.  NULL: no memory. */

ngx_http_weir_ctx_t *
ngx_http_weir_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t   *cln;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_weir_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (ctx == NULL || cln == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->process = ngx_http_weir_process(r);
    ctx->class = WEIR_NORMAL;
    ctx->status = "-";
    weir_outcome_init(&ctx->outcome);

    cln->handler = ngx_http_weir_ctx_cleanup;
    cln->data = ctx;

    if (ngx_http_weir_request_id(r, ctx) != NGX_OK) {
        return NULL;
    }

    ngx_http_weir_route_find(r, ctx);

    ngx_http_set_ctx(r, ctx, ngx_http_weir_module);

    return ctx;
}


ngx_int_t
ngx_http_weir_gate_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_weir_ctx_t       *ctx;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    if (!wlcf->api) {
        return NGX_DECLINED;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0, "weir gate");

    ctx = ngx_http_weir_ctx(r);

    if (ctx == NULL || ctx->process == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a rewrite may have changed the path since */

    ngx_http_weir_route_find(r, ctx);

    if (r == r->main) {
        ngx_http_weir_count(ctx->process, requests);
    }

    rc = ngx_http_weir_gate_auth(r, ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    return ngx_http_weir_gate_scope(ctx);
}
