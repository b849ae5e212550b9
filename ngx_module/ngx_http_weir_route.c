/*
 * Routes: the path below the location, as a table.  Also tells the dialect of
 * an error where no route matched.  Never looks at a body.
 */

#include "ngx_http_weir_dialect.h"


#define NGX_HTTP_WEIR_READ   (NGX_HTTP_GET|NGX_HTTP_HEAD)


/* A path may stand in several rows, with different methods. */

static const ngx_http_weir_route_t  ngx_http_weir_routes[] = {

    { "/v1/jobs", NGX_HTTP_POST, WEIR_DIALECT_PROBLEM,
      &ngx_http_weir_dialect_job, "jobs", WEIR_SCOPE_SUBMIT,
      ngx_http_weir_submit_job },

    { "/v1/jobs", NGX_HTTP_WEIR_READ, WEIR_DIALECT_PROBLEM, NULL, "jobs",
      WEIR_SCOPE_READ, ngx_http_weir_list_start },

    { "/v1/jobs/{id}", NGX_HTTP_WEIR_READ, WEIR_DIALECT_PROBLEM, NULL, "job",
      WEIR_SCOPE_READ, ngx_http_weir_job_start },

    { "/v1/jobs/{id}/events", NGX_HTTP_WEIR_READ, WEIR_DIALECT_PROBLEM, NULL,
      "events", WEIR_SCOPE_READ, ngx_http_weir_events_start },

    { "/v1/jobs/{id}", NGX_HTTP_DELETE, WEIR_DIALECT_PROBLEM, NULL, "job",
      WEIR_SCOPE_CANCEL, ngx_http_weir_job_start },

    { "/v1/chat/completions", NGX_HTTP_POST, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_chat, "chat", WEIR_SCOPE_SUBMIT,
      ngx_http_weir_submit_held },

    { "/v1/messages", NGX_HTTP_POST, WEIR_DIALECT_ANTHROPIC,
      &ngx_http_weir_dialect_messages, "messages", WEIR_SCOPE_SUBMIT,
      ngx_http_weir_submit_held },

    { "/v1/embeddings", NGX_HTTP_POST, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_embeddings, "embeddings", WEIR_SCOPE_SUBMIT,
      ngx_http_weir_submit_held },

    { "/v1/responses", NGX_HTTP_POST, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_responses, "responses", WEIR_SCOPE_SUBMIT,
      ngx_http_weir_submit_response },

    { "/v1/responses/{id}", NGX_HTTP_WEIR_READ, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_responses, "response", WEIR_SCOPE_READ,
      ngx_http_weir_responses_get },

    { "/v1/responses/{id}", NGX_HTTP_DELETE, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_responses, "response", WEIR_SCOPE_CANCEL,
      ngx_http_weir_responses_change },

    { "/v1/responses/{id}/cancel", NGX_HTTP_POST, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_responses, "response", WEIR_SCOPE_CANCEL,
      ngx_http_weir_responses_change },

    { "/v1/responses/{id}/input_items", NGX_HTTP_WEIR_READ,
      WEIR_DIALECT_OPENAI, &ngx_http_weir_dialect_responses, "response",
      WEIR_SCOPE_READ, ngx_http_weir_responses_input },

    { "/v1/models", NGX_HTTP_WEIR_READ, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_chat, "models", 0, ngx_http_weir_models_start },

    { "/v1/models/{*}", NGX_HTTP_WEIR_READ, WEIR_DIALECT_OPENAI,
      &ngx_http_weir_dialect_chat, "models", 0, ngx_http_weir_models_start },

    { "/v1/cache", NGX_HTTP_WEIR_READ, WEIR_DIALECT_PROBLEM, NULL, "cache",
      WEIR_SCOPE_ADMIN, ngx_http_weir_cache_stats },

    { "/v1/cache/purge", NGX_HTTP_POST, WEIR_DIALECT_PROBLEM, NULL, "cache",
      WEIR_SCOPE_ADMIN, ngx_http_weir_cache_purge },

    { NULL, 0, WEIR_DIALECT_PROBLEM, NULL, NULL, 0, NULL }
};


/* Who speaks which dialect where there is no route (yet).  A shared path is
 * that of several dialects: the request says which one it has. */

typedef struct {
    const char      *prefix;
    weir_dialect_e   dialect;
    const char      *missing;           /* what is said of a route */
    unsigned         shared:1;
} ngx_http_weir_region_t;

#define NGX_HTTP_WEIR_MISSING  "there is no such route"

static const ngx_http_weir_region_t  ngx_http_weir_regions[] = {

    { "/v1/chat/", WEIR_DIALECT_OPENAI, NGX_HTTP_WEIR_MISSING, 0 },
    { "/v1/completions", WEIR_DIALECT_OPENAI, NGX_HTTP_WEIR_MISSING, 0 },
    { "/v1/models", WEIR_DIALECT_OPENAI, NGX_HTTP_WEIR_MISSING, 1 },
    { "/v1/responses", WEIR_DIALECT_OPENAI, NGX_HTTP_WEIR_MISSING, 0 },
    { "/v1/embeddings", WEIR_DIALECT_OPENAI, NGX_HTTP_WEIR_MISSING, 0 },

    { "/v1/messages/count_tokens", WEIR_DIALECT_ANTHROPIC,
      "tokens are not counted here: there is no such route", 0 },

    { "/v1/messages/batches", WEIR_DIALECT_ANTHROPIC,
      "there are no batches here: POST /v1/jobs takes messages as jobs", 0 },

    { "/v1/messages", WEIR_DIALECT_ANTHROPIC, NGX_HTTP_WEIR_MISSING, 0 },
    { "", WEIR_DIALECT_PROBLEM, NGX_HTTP_WEIR_MISSING, 0 }
};


/* "{id}" takes one segment that is not empty, "{*}" several; what follows
 * it is as it stands.  A tail is set only by a match. */

static ngx_uint_t
ngx_http_weir_route_match(const char *pattern, ngx_str_t *path,
    ngx_str_t *tail)
{
    size_t       n, after;
    u_char      *value, *last;
    const char  *p, *rest;

    p = ngx_strchr(pattern, '{');
    n = p ? (size_t) (p - pattern) : ngx_strlen(pattern);

    if (path->len < n || ngx_memcmp(path->data, pattern, n) != 0) {
        return 0;
    }

    if (p == NULL) {
        return path->len == n;
    }

    rest = ngx_strchr(p, '}') + 1;
    after = ngx_strlen(rest);

    if (path->len <= n + after) {
        return 0;
    }

    value = path->data + n;
    last = path->data + path->len - after;

    if (ngx_memcmp(last, rest, after) != 0
        || (p[1] != '*' && ngx_strlchr(value, last, '/')))
    {
        return 0;
    }

    tail->data = value;
    tail->len = last - value;

    return 1;
}


/* The path of a request that nginx refused may never have been parsed. */

static void
ngx_http_weir_route_path(ngx_http_request_t *r, ngx_str_t *path)
{
    u_char                    *p, *last;
    ngx_str_t                 *prefix;
    ngx_http_weir_loc_conf_t  *wlcf;
    ngx_http_weir_srv_conf_t  *wscf;

    *path = r->uri;

    if (path->len == 0 && r->request_line.len) {
        last = r->request_line.data + ngx_min(r->request_line.len, 256);
        p = ngx_strlchr(r->request_line.data, last, ' ');

        if (p) {
            path->data = p + 1;
            path->len = last - path->data;
        }
    }

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);
    wscf = ngx_http_get_module_srv_conf(r, ngx_http_weir_module);

    prefix = wlcf->api ? &wlcf->prefix : &wscf->prefix;

    if (path->len >= prefix->len
        && ngx_memcmp(path->data, prefix->data, prefix->len) == 0)
    {
        path->data += prefix->len;
        path->len -= prefix->len;
    }
}


/* There is always one: the last is everybody's. */

static const ngx_http_weir_region_t *
ngx_http_weir_route_region(const ngx_str_t *path)
{
    size_t                         n;
    const ngx_http_weir_region_t  *region;

    for (region = ngx_http_weir_regions; /* void */ ; region++) {
        n = ngx_strlen(region->prefix);

        if (n == 0
            || (path->len >= n
                && ngx_memcmp(path->data, region->prefix, n) == 0))
        {
            return region;
        }
    }
}


void
ngx_http_weir_route_find(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_str_t                      path, version;
    const ngx_http_weir_route_t   *route;
    const ngx_http_weir_region_t  *region;

    ngx_http_weir_route_path(r, &path);
    region = ngx_http_weir_route_region(&path);

    ctx->route = NULL;
    ctx->speech = NULL;
    ctx->dialect = region->dialect;
    ngx_str_null(&ctx->tail);

    for (route = ngx_http_weir_routes; route->path; route++) {

        if ((route->methods & r->method)
            && ngx_http_weir_route_match(route->path, &path, &ctx->tail))
        {
            ctx->route = route;
            ctx->dialect = route->dialect;
            ctx->speech = route->speech;
            break;
        }
    }

    if (region->shared
        && ngx_http_weir_request_header(r, "anthropic-version", &version))
    {
        ctx->dialect = WEIR_DIALECT_ANTHROPIC;
        ctx->speech = &ngx_http_weir_dialect_messages;
    }
}


/* what a client is told of a path without a route */

const char *
ngx_http_weir_route_missing(ngx_http_weir_ctx_t *ctx)
{
    ngx_str_t  path;

    ngx_http_weir_route_path(ctx->request, &path);

    return ngx_http_weir_route_region(&path)->missing;
}


/* All methods that the path has; 0: there is no such path. */

ngx_uint_t
ngx_http_weir_route_methods(ngx_http_weir_ctx_t *ctx)
{
    ngx_str_t                     path, tail;
    ngx_uint_t                    methods;
    const ngx_http_weir_route_t  *route;

    methods = 0;
    ngx_http_weir_route_path(ctx->request, &path);

    for (route = ngx_http_weir_routes; route->path; route++) {
        if (ngx_http_weir_route_match(route->path, &path, &tail)) {
            methods |= route->methods;
        }
    }

    return methods;
}
