/*
 * Authentication at the gate: finds the credentials of a request, and whose
 * they are.  What was found out is the visit's and stands for all of it; each
 * location asks anew whether it is enough.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_KEY_HEADER  "x-api-key"
#define NGX_HTTP_WEIR_BEARER      "Bearer "

#define ngx_http_weir_auth_field(h, name)                                     \
    ((h)->key.len == sizeof(name) - 1                                         \
     && ngx_memcmp((h)->lowcase_key, name, sizeof(name) - 1) == 0)


ngx_uint_t
ngx_http_weir_auth_is_bearer(ngx_str_t *value)
{
    u_char  *p;

    p = value->data;

    return value->len >= sizeof(NGX_HTTP_WEIR_BEARER) - 1
           && (p[0] | 0x20) == 'b' && (p[1] | 0x20) == 'e'
           && (p[2] | 0x20) == 'a' && (p[3] | 0x20) == 'r'
           && (p[4] | 0x20) == 'e' && (p[5] | 0x20) == 'r' && p[6] == ' ';
}


/* nginx 1.22 keeps repeated headers apart, 1.23 links them, and its variables
 * show the first or join them: the list itself is the same in both */

static void
ngx_http_weir_auth_credentials(ngx_http_request_t *r,
    ngx_http_weir_visit_t *visit)
{
    ngx_uint_t        i;
    ngx_str_t         value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            value = h[i].value;

            if (ngx_http_weir_auth_field(&h[i], "authorization")) {
                if (!ngx_http_weir_auth_is_bearer(&value)) {
                    visit->foreign = 1;
                    continue;
                }

                value.data += sizeof(NGX_HTTP_WEIR_BEARER) - 1;
                value.len -= sizeof(NGX_HTTP_WEIR_BEARER) - 1;

            } else if (!ngx_http_weir_auth_field(&h[i],
                                                 NGX_HTTP_WEIR_KEY_HEADER))
            {
                continue;
            }

            if (visit->credentials++ == 0) {
                visit->key = value;

            } else {
                ngx_memset(value.data, '*', value.len);
            }
        }
    }

    while (visit->key.len && visit->key.data[0] == ' ') {
        visit->key.data++;
        visit->key.len--;
    }

    visit->looked = 1;
}


static ngx_int_t
ngx_http_weir_auth_refuse(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f,
    const char *challenge)
{
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (challenge) {
        h = ngx_http_weir_header_set(r, "WWW-Authenticate",
                                     "Bearer realm=\"weir\"%s", challenge);
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        r->headers_out.www_authenticate = h;    /* for auth_request */
    }

    if (f->kind == WEIR_FAIL_UNAUTHENTICATED
        || f->kind == WEIR_FAIL_FORBIDDEN)
    {
        h = ngx_http_weir_header_set(r, "x-should-retry", "false");

        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (r == r->main) {
            ctx->visit->never = h;
        }
    }

    ctx->status = f->kind == WEIR_FAIL_UNAVAILABLE ? "UNAVAILABLE" : "REFUSED";

    return ngx_http_weir_refuse(ctx, f);
}


/* What is said of the credentials; it will be the same in another location. */

static ngx_int_t
ngx_http_weir_auth_no(ngx_http_weir_ctx_t *ctx, weir_fail_e kind,
    const char *message, const char *challenge)
{
    ngx_http_weir_visit_t  *visit;

    visit = ctx->visit;

    if (kind != WEIR_FAIL_UNAVAILABLE) {
        ngx_http_weir_count(ctx->process, unauthenticated);
    }

    visit->refusal = ngx_palloc(ctx->request->pool, sizeof(weir_failure_t));
    if (visit->refusal == NULL) {
        return NGX_ERROR;
    }

    weir_failure_set(visit->refusal, kind, "%s", message);
    visit->challenge = challenge;

    return NGX_OK;
}


/* Which of the reasons it is, is for the log: who guesses learns nothing. */

static ngx_int_t
ngx_http_weir_auth_bad(ngx_http_weir_ctx_t *ctx, weir_key_e verdict)
{
    switch (verdict) {

    case WEIR_KEY_EXPIRED:
        ngx_http_weir_count(ctx->process, auth_expired);
        ctx->visit->auth = "EXPIRED";
        break;

    case WEIR_KEY_REVOKED:
        ngx_http_weir_count(ctx->process, auth_revoked);
        ctx->visit->auth = "REVOKED";
        break;

    case WEIR_KEY_MALFORMED:
        ngx_http_weir_count(ctx->process, auth_malformed);
        ctx->visit->auth = "MALFORMED";
        break;

    default:
        ngx_http_weir_count(ctx->process, auth_unknown);
        ctx->visit->auth = "UNKNOWN";
        break;
    }

    ngx_http_weir_limit_auth_failed(ctx);

    return ngx_http_weir_auth_no(ctx, WEIR_FAIL_UNAUTHENTICATED,
               "the API key is not valid: it is not known, has expired or was "
               "revoked", ", error=\"invalid_token\"");
}


/* Redis may know this key, and is not to be had: no word about the key. */

static ngx_int_t
ngx_http_weir_auth_unavailable(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t  rc;

    ngx_http_weir_count(ctx->process, auth_unavailable);
    ctx->visit->auth = "UNAVAILABLE";

    rc = ngx_http_weir_auth_no(ctx, WEIR_FAIL_UNAVAILABLE,
                               "the API key cannot be checked now", NULL);
    if (rc == NGX_OK) {
        ctx->visit->refusal->retry_after = 1;
    }

    return rc;
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

    visit->auth = "OK";
    visit->scopes = record->scopes;

    /* a secret without an URL is for those that come with jobs */

    if (record->webhook_secret.len
        && ngx_http_weir_auth_hook(pool, visit, record) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_weir_copy(pool, &visit->key_id, weir_str_of(record->id));
}


/* what is known of a key before its record */

typedef struct {
    weir_str_t            key;
    weir_str_t            id;
    const weir_hmac_t    *pepper;       /* under which digest is known */
    const unsigned char  *digest;       /* NULL: under none */
} ngx_http_weir_shown_t;


static ngx_int_t
ngx_http_weir_auth_record(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_shown_t *shown, weir_hmac_t *pepper,
    const weir_key_t *record)
{
    weir_key_e     verdict;
    unsigned char  digest[WEIR_DIGEST_LEN];

    if (shown->digest && shown->pepper == pepper) {
        verdict = weir_apikey_verdict(record, shown->digest, ngx_time());

    } else {
        if (weir_hmac_digest(pepper, shown->key, digest) != 0) {
            return NGX_ERROR;
        }

        verdict = weir_apikey_verdict(record, digest, ngx_time());

        if (verdict == WEIR_KEY_OK) {
            ngx_http_weir_memo_keep(ctx->process, shown->key, record->id,
                                    pepper, digest);
        }

        weir_digest_wipe(digest, sizeof(digest));
    }

    return verdict == WEIR_KEY_OK ? ngx_http_weir_auth_identify(ctx, record)
                                  : ngx_http_weir_auth_bad(ctx, verdict);
}


/* The file's records count before the store's. */

static ngx_int_t
ngx_http_weir_auth_key(ngx_http_weir_ctx_t *ctx, ngx_msec_t *wait_r)
{
    ngx_int_t                   rc;
    const weir_key_t           *record;
    ngx_http_weir_shown_t       shown;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ctx->process->conf;

    shown.key = ngx_http_weir_str(ctx->visit->key);
    shown.digest = ngx_http_weir_memo_digest(ctx->process, shown.key,
                                             &shown.id, &shown.pepper);

    if (shown.digest == NULL && !weir_apikey_parse(shown.key, &shown.id)) {
        return ngx_http_weir_auth_bad(ctx, WEIR_KEY_MALFORMED);
    }

    if (wmcf->keyring) {
        record = weir_keyring_record(wmcf->keyring, shown.id);

        if (record || wmcf->store.zone == NULL) {
            return ngx_http_weir_auth_record(ctx, &shown,
                       weir_keyring_pepper(wmcf->keyring), record);
        }
    }

    rc = ngx_http_weir_fetch(ctx, shown.id, &record, wait_r);

    if (rc == NGX_AGAIN) {
        return rc;
    }

    ctx->fetch = NULL;

    switch (rc) {

    case NGX_OK:
        return ngx_http_weir_auth_record(ctx, &shown, wmcf->store.pepper,
                                         record);

    case NGX_DECLINED:
        return ngx_http_weir_auth_record(ctx, &shown, wmcf->store.pepper,
                                         NULL);

    case NGX_BUSY:
        return ngx_http_weir_auth_unavailable(ctx);

    default:
        return NGX_ERROR;
    }
}


/* The key has served: no core dump and no log of the buffer shall have it. */

void
ngx_http_weir_auth_wipe(ngx_http_weir_visit_t *visit)
{
    if (visit->key.len) {
        ngx_memset(visit->key.data, '*', visit->key.len);
        ngx_str_null(&visit->key);
    }
}


/* NGX_OK: the visit says who it is, or why it is nobody.  NGX_AGAIN: it will,
 * when this is called again after some parking. */

static ngx_int_t
ngx_http_weir_auth_judge(ngx_http_weir_ctx_t *ctx, ngx_msec_t *wait_r)
{
    ngx_int_t               rc;
    ngx_http_weir_visit_t  *visit;

    visit = ctx->visit;

    if (!visit->looked) {
        ngx_http_weir_auth_credentials(ctx->request, visit);
    }

    if (visit->credentials == 0) {
        ngx_http_weir_count(ctx->process, auth_missing);
        visit->auth = "MISSING";

        return ngx_http_weir_auth_no(ctx, WEIR_FAIL_UNAUTHENTICATED,
                   visit->foreign
                   ? "the Authorization header has no Bearer token"
                   : "no API key was sent: use \"Authorization: Bearer KEY\" "
                     "or \"X-API-Key: KEY\"", "");
    }

    if (visit->credentials > 1) {
        ngx_http_weir_count(ctx->process, auth_several);
        visit->auth = "SEVERAL";
        ngx_http_weir_limit_auth_failed(ctx);

        rc = ngx_http_weir_auth_no(ctx, WEIR_FAIL_INVALID,
                                   "more than one API key was sent",
                                   ", error=\"invalid_request\"");
        if (rc == NGX_OK) {
            ngx_memcpy(visit->refusal->code, "invalid_request",
                       sizeof("invalid_request"));
        }

        return rc;
    }

    return ngx_http_weir_auth_key(ctx, wait_r);
}


ngx_int_t
ngx_http_weir_auth_gate(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_msec_t                 wait;
    ngx_http_weir_visit_t     *visit;
    ngx_http_weir_loc_conf_t  *wlcf;

    visit = ctx->visit;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (!wlcf->auth) {
        return NGX_DECLINED;
    }

    rc = NGX_OK;
    wait = 0;

    if (visit->key_id.len == 0 && visit->refusal == NULL) {
        rc = ngx_http_weir_auth_judge(ctx, &wait);
    }

    if (rc == NGX_OK) {
        ngx_http_weir_auth_wipe(visit);
    }

    /* also while it waits: a log may be written of it */

    if (rc == NGX_ERROR || ngx_http_weir_hide(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_AGAIN) {
        return ngx_http_weir_gate_park(ctx, wait);
    }

    if (visit->refusal == NULL) {
        return NGX_DECLINED;
    }

    return visit->suspect
           ? ngx_http_weir_limit_refuse_suspect(ctx)
           : ngx_http_weir_auth_refuse(ctx, visit->refusal, visit->challenge);
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
    ngx_http_weir_count(ctx->process, auth_scope);
    ctx->visit->auth = "SCOPE";

    return ngx_http_weir_auth_refuse(ctx, &f, challenge);
}
