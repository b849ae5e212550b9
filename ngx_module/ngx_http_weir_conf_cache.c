/*
 * Configuration of the cache: the setters of weir_cache and weir_cache_ttl, and
 * what is made of them for a location.  As in ngx_http_weir_conf.c.
 */

#include "ngx_http_weir_limit_params.h"


#define NGX_HTTP_WEIR_CACHE_USES_MAX  1000000


/* times: whole seconds; 0 is one */

static char *
ngx_http_weir_cache_time(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    time_t *to)
{
    ngx_int_t  s;

    s = ngx_parse_time(value, 1);

    if (s == NGX_ERROR || s > NGX_HTTP_WEIR_CACHE_MAX) {
        return ngx_http_weir_conf_invalid(cf, arg,
                                          "it must be a time from 0 to 30d");
    }

    *to = (time_t) s;

    return NGX_CONF_OK;
}


/* "owner", "shared", "shared:NAME" */

static char *
ngx_http_weir_cache_scope(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_str_t *to)
{
    size_t      n;
    weir_str_t  name;

    n = sizeof("shared") - 1;

    if (ngx_strcmp(value->data, "owner") == 0) {
        to->len = 0;
        return NGX_CONF_OK;
    }

    *to = *value;

    if (ngx_strcmp(value->data, "shared") == 0) {
        ngx_str_set(to, "shared:");
        return NGX_CONF_OK;
    }

    if (value->len > n && ngx_strncmp(value->data, "shared:", n + 1) == 0) {
        name.data = (char *) value->data + n + 1;
        name.len = value->len - n - 1;

        if (weir_name_valid(name, NGX_HTTP_WEIR_CACHE_NAME)) {
            return NGX_CONF_OK;
        }
    }

    return ngx_http_weir_conf_invalid(cf, arg, "it must be \"owner\", "
               "\"shared\" or \"shared:\" and a name of 1 to 64 characters of "
               "A-Z a-z 0-9 . _ - @");
}


static char *
ngx_http_weir_cache_tag(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_http_weir_cache_conf_t *c)
{
    ngx_http_compile_complex_value_t  ccv;

    c->tag = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (c->tag == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));
    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = c->tag;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (c->tag->lengths == NULL
        && !weir_name_valid(ngx_http_weir_str(*value),
                            NGX_HTTP_WEIR_CACHE_NAME))
    {
        return ngx_http_weir_conf_invalid(cf, arg, "it must be a name of 1 to "
                   "64 characters of A-Z a-z 0-9 . _ - @, or have variables");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_weir_cache_zone(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_http_weir_cache_conf_t *c)
{
    c->zone = *value;
    c->answers = ngx_http_weir_answers_zone(cf, value);

    return c->answers ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_weir_cache_uses(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_http_weir_cache_conf_t *c)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_WEIR_CACHE_USES_MAX) {
        return ngx_http_weir_conf_invalid(cf, arg,
                                   "it must be a number from 1 to 1000000");
    }

    c->min_uses = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_weir_cache_temperature(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_str_t *value, ngx_http_weir_cache_conf_t *c)
{
    c->any = (ngx_strcmp(value->data, "any") == 0);

    return c->any || ngx_strcmp(value->data, "0") == 0 ? NGX_CONF_OK
           : ngx_http_weir_conf_invalid(cf, arg,
                                        "it must be \"0\" or \"any\"");
}


static char *
ngx_http_weir_cache_param(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_http_weir_cache_conf_t *c, ngx_uint_t *said)
{
    ngx_str_t   value;
    ngx_uint_t  i;

    static const char  *names[] = {
        "zone", "scope", "stale_while_revalidate", "stale_if_error",
        "min_uses", "temperature", "tag", NULL
    };

    for (i = 0; names[i]; i++) {
        if (ngx_http_weir_conf_param(arg, names[i], &value)) {
            break;
        }
    }

    if (names[i] == NULL) {
        return ngx_http_weir_conf_invalid(cf, arg, "allowed are \"off\" alone, "
                   "or zone=, scope=, stale_while_revalidate=, "
                   "stale_if_error=, min_uses=, temperature= and tag=");
    }

    if (*said & (1u << i)) {
        return ngx_http_weir_conf_invalid(cf, arg, "it is said twice");
    }

    *said |= 1u << i;

    if (value.len == 0) {
        return ngx_http_weir_conf_invalid(cf, arg, "it must not be empty");
    }

    switch (i) {

    case 0:
        return ngx_http_weir_cache_zone(cf, arg, &value, c);

    case 1:
        return ngx_http_weir_cache_scope(cf, arg, &value, &c->scope);

    case 2:
        return ngx_http_weir_cache_time(cf, arg, &value, &c->stale_while);

    case 3:
        return ngx_http_weir_cache_time(cf, arg, &value, &c->stale_error);

    case 4:
        return ngx_http_weir_cache_uses(cf, arg, &value, c);

    case 5:
        return ngx_http_weir_cache_temperature(cf, arg, &value, c);

    default:
        return ngx_http_weir_cache_tag(cf, arg, &value, c);
    }
}


/* weir_cache off | zone=NAME [scope=owner|shared|shared:NAME]
 * [stale_while_revalidate=TIME] [stale_if_error=TIME] [min_uses=N]
 * [temperature=0|any] [tag=VALUE] */

char *
ngx_http_weir_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value;
    ngx_uint_t                   i, said;
    ngx_http_weir_loc_conf_t    *wlcf = conf;
    ngx_http_weir_main_conf_t   *wmcf;
    ngx_http_weir_cache_conf_t  *c;

    if (wlcf->cache.conf) {
        return "is duplicate";
    }

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    wmcf->used = 1;

    c = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_cache_conf_t));
    if (c == NULL) {
        return NGX_CONF_ERROR;
    }

    c->min_uses = 1;
    c->file = cf->conf_file->file.name;
    c->line = cf->conf_file->line;
    wlcf->cache.conf = c;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        c->off = 1;
        return NGX_CONF_OK;
    }

    for (i = 1, said = 0; i < cf->args->nelts; i++) {
        if (ngx_http_weir_cache_param(cf, &value[i], c, &said)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return c->answers ? NGX_CONF_OK : "needs \"zone=\"";
}


static char *
ngx_http_weir_ttl_route(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_http_weir_cache_ttl_t *ttl)
{
    ngx_uint_t  i;

    static const struct {
        const char                   *name;
        ngx_http_weir_cache_route_e   route;
    } routes[] = {
        { "chat", NGX_HTTP_WEIR_CACHE_CHAT },
        { "jobs", NGX_HTTP_WEIR_CACHE_JOBS },
        { "messages", NGX_HTTP_WEIR_CACHE_MESSAGES },
        { "embeddings", NGX_HTTP_WEIR_CACHE_EMBEDDINGS },
        { "responses", NGX_HTTP_WEIR_CACHE_RESPONSES },
        { NULL, NGX_HTTP_WEIR_CACHE_ROUTES }
    };

    for (i = 0; routes[i].name; i++) {
        if (ngx_strcmp(value->data, routes[i].name) == 0) {
            ttl->route = routes[i].route;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_weir_conf_invalid(cf, arg, "it must be \"chat\", \"jobs\", "
                                      "\"messages\", \"embeddings\" or "
                                      "\"responses\"");
}


static char *
ngx_http_weir_ttl_outcome(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_http_weir_cache_ttl_t *ttl)
{
    int  kind;

    kind = weir_kind_parse(ngx_http_weir_str(*value));

    if (kind < 0) {
        return ngx_http_weir_conf_invalid(cf, arg, "it must be \"answer\", "
                   "\"truncated\", \"refusal\" or \"failed\"");
    }

    ttl->kind = (weir_kind_e) kind;

    return NGX_CONF_OK;
}


static char *
ngx_http_weir_ttl_param(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_http_weir_cache_ttl_t *ttl, ngx_uint_t *said)
{
    ngx_str_t   value;
    ngx_uint_t  i;

    static const char  *names[] = { "model", "class", "route", "outcome",
                                    NULL };

    for (i = 0; names[i]; i++) {
        if (ngx_http_weir_conf_param(arg, names[i], &value)) {
            break;
        }
    }

    if (names[i] == NULL) {
        return ngx_http_weir_conf_invalid(cf, arg, "allowed are model=, "
                                          "class=, route= and outcome=");
    }

    if (*said & (1u << i)) {
        return ngx_http_weir_conf_invalid(cf, arg, "it is said twice");
    }

    *said |= 1u << i;

    if (value.len == 0) {
        return ngx_http_weir_conf_invalid(cf, arg, "it must not be empty");
    }

    switch (i) {

    case 0:
        ttl->model = value;
        return NGX_CONF_OK;

    case 1:
        ttl->class = ngx_http_weir_class_find(cf, &value);
        return ttl->class ? NGX_CONF_OK : NGX_CONF_ERROR;

    case 2:
        return ngx_http_weir_ttl_route(cf, arg, &value, ttl);

    default:
        return ngx_http_weir_ttl_outcome(cf, arg, &value, ttl);
    }
}


/* weir_cache_ttl TIME [model=PATTERN] [class=NAME] [route=ROUTE]
 * [outcome=answer|truncated|refusal|failed] */

char *
ngx_http_weir_set_cache_ttl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                  *value;
    ngx_uint_t                  i, said;
    ngx_http_weir_loc_conf_t   *wlcf = conf;
    ngx_http_weir_main_conf_t  *wmcf;
    ngx_http_weir_cache_loc_t  *loc;
    ngx_http_weir_cache_ttl_t  *ttl;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    wmcf->used = 1;

    loc = &wlcf->cache;

    if (loc->ttls == NULL) {
        loc->ttl_file = cf->conf_file->file.name;
        loc->ttl_line = cf->conf_file->line;
        loc->ttls = ngx_array_create(cf->pool, 4,
                                     sizeof(ngx_http_weir_cache_ttl_t));
        if (loc->ttls == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (loc->ttls->nelts == NGX_HTTP_WEIR_CACHE_LINES) {
        return "is used more than 64 times here";
    }

    ttl = ngx_array_push(loc->ttls);
    if (ttl == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(ttl, sizeof(ngx_http_weir_cache_ttl_t));
    ttl->kind = WEIR_KIND_ANSWER;

    value = cf->args->elts;

    if (ngx_http_weir_cache_time(cf, &value[1], &value[1], &ttl->ttl)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2, said = 0; i < cf->args->nelts; i++) {
        if (ngx_http_weir_ttl_param(cf, &value[i], ttl, &said) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* of a location */

static void
ngx_http_weir_cache_field(weir_buf_t *b, ngx_str_t *s)
{
    weir_buf_printf(b, "%zu:", s->len);
    weir_buf_str(b, ngx_http_weir_str(*s));
}


static void
ngx_http_weir_cache_classes(weir_buf_t *b, ngx_http_weir_limit_conf_t *conf)
{
    ngx_str_t                   *model;
    ngx_uint_t                   i, n, m;
    ngx_http_weir_class_t      **classes;
    ngx_http_weir_class_line_t  *line;

    classes = conf->classes.elts;

    for (i = 0; i < conf->classes.nelts; i++) {
        ngx_http_weir_cache_field(b, &classes[i]->name);
        line = classes[i]->lines.elts;

        for (n = 0; n < classes[i]->lines.nelts; n++) {
            weir_buf_printf(b, "%lld,", (long long) line[n].max_tokens);
            model = line[n].models.elts;

            for (m = 0; m < line[n].models.nelts; m++) {
                ngx_http_weir_cache_field(b, &model[m]);
            }
        }
    }
}


/* What names this policy: an answer that was found by the bytes of a request
 * is found so under the same one only. */

static ngx_int_t
ngx_http_weir_cache_identify(ngx_conf_t *cf, ngx_http_weir_cache_loc_t *loc)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    weir_buf_t                   b;
    ngx_http_weir_cache_ttl_t   *ttl;
    ngx_http_weir_main_conf_t   *wmcf;
    ngx_http_weir_cache_conf_t  *c;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);

    c = loc->conf;
    weir_buf_init(&b, 0);

    ngx_http_weir_cache_field(&b, &c->scope);
    weir_buf_printf(&b, "%lld,%lld,%lu,%d", (long long) c->stale_while,
                    (long long) c->stale_error, (unsigned long) c->min_uses,
                    (int) c->any);

    ttl = loc->ttls ? loc->ttls->elts : NULL;

    for (i = 0; ttl && i < loc->ttls->nelts; i++) {
        weir_buf_printf(&b, ";%lld,%d,%d,", (long long) ttl[i].ttl,
                        (int) ttl[i].route, (int) ttl[i].kind);
        ngx_http_weir_cache_field(&b, &ttl[i].model);

        if (ttl[i].class) {
            ngx_http_weir_cache_field(&b, &ttl[i].class->name);
        }
    }

    ngx_http_weir_cache_classes(&b, &wmcf->limit);

    rc = !b.failed && weir_digest_sha256((weir_str_t) { b.data, b.len },
                                         loc->policy)
                      == 0
         ? NGX_OK : NGX_ERROR;

    weir_buf_free(&b);

    return rc;
}


/* Labels are written with spaces between them. */

static char *
ngx_http_weir_cache_names(ngx_conf_t *cf, ngx_http_weir_cache_conf_t *c)
{
    ngx_uint_t                   i;
    ngx_http_weir_class_t      **classes;
    ngx_http_weir_main_conf_t   *wmcf;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    classes = wmcf->limit.classes.elts;

    for (i = 0; i < wmcf->limit.classes.nelts; i++) {
        if (!weir_name_valid(ngx_http_weir_str(classes[i]->name),
                             NGX_HTTP_WEIR_CACHE_NAME))
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_cache\" needs "
                          "classes whose names have 1 to 64 characters of A-Z "
                          "a-z 0-9 . _ - @, not \"%V\" of %V:%ui, in %V:%ui",
                          &classes[i]->name, &classes[i]->file,
                          classes[i]->line, &c->file, c->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* What is stored is gone after 30 days, stale times and all. */

static char *
ngx_http_weir_cache_windows(ngx_conf_t *cf, ngx_http_weir_cache_loc_t *loc)
{
    time_t                       stale;
    ngx_uint_t                   i;
    ngx_http_weir_cache_ttl_t   *ttl;
    ngx_http_weir_cache_conf_t  *c;

    c = loc->conf;
    stale = ngx_max(c->stale_while, c->stale_error);

    if (stale > NGX_HTTP_WEIR_CACHE_MAX - NGX_HTTP_WEIR_CACHE_TTL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_cache\" has a stale "
                      "time of %T s, which with the 6h of an answer must not "
                      "be more than 30d, in %V:%ui", stale, &c->file, c->line);
        return NGX_CONF_ERROR;
    }

    ttl = loc->ttls ? loc->ttls->elts : NULL;

    for (i = 0; ttl && i < loc->ttls->nelts; i++) {
        if (ttl[i].ttl + stale > NGX_HTTP_WEIR_CACHE_MAX) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_cache_ttl\" of "
                          "%T s and a stale time of \"weir_cache\" of %T s "
                          "must not be more than 30d together, in %V:%ui",
                          ttl[i].ttl, stale, &c->file, c->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_weir_cache_merge(ngx_conf_t *cf, ngx_http_weir_cache_loc_t *conf,
    const ngx_http_weir_cache_loc_t *prev, ngx_uint_t api)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (!api && clcf->name.len) {

        if (conf->conf && !conf->conf->off) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_cache\" needs "
                          "\"weir_api\" in its location, in %V:%ui",
                          &conf->conf->file, conf->conf->line);
            return NGX_CONF_ERROR;
        }

        if (conf->ttls) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_cache_ttl\" "
                          "needs \"weir_api\" in its location, in %V:%ui",
                          &conf->ttl_file, conf->ttl_line);
            return NGX_CONF_ERROR;
        }
    }

    if (conf->conf == NULL) {
        conf->conf = prev->conf;
    }

    if (conf->ttls == NULL) {
        conf->ttls = prev->ttls;
    }

    if (!api || ngx_http_weir_cache_conf(conf) == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_http_weir_cache_names(cf, conf->conf) != NGX_CONF_OK
        || ngx_http_weir_cache_windows(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_weir_cache_identify(cf, conf) == NGX_OK ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


/* of a request */

static ngx_uint_t
ngx_http_weir_cache_matches(const ngx_http_weir_cache_ttl_t *ttl,
    const ngx_http_weir_limit_facts_t *facts,
    ngx_http_weir_cache_route_e route)
{
    if (ttl->route && ttl->route != route) {
        return 0;
    }

    if (ttl->model.len
        && !ngx_http_weir_model_matches(&ttl->model, facts->model))
    {
        return 0;
    }

    return ttl->class == NULL || ngx_http_weir_class_matches(ttl->class, facts);
}


void
ngx_http_weir_cache_policy(const ngx_http_weir_cache_loc_t *loc,
    const ngx_http_weir_limit_facts_t *facts,
    ngx_http_weir_cache_route_e route, weir_cache_policy_t *policy)
{
    ngx_uint_t                  i, kind;
    ngx_http_weir_cache_ttl_t  *ttl;

    ngx_memzero(policy, sizeof(weir_cache_policy_t));

    policy->fresh[WEIR_KIND_ANSWER] = NGX_HTTP_WEIR_CACHE_TTL;
    policy->stale_while = loc->conf->stale_while;
    policy->stale_error = loc->conf->stale_error;

    ttl = loc->ttls ? loc->ttls->elts : NULL;

    for (kind = 0; ttl && kind < WEIR_KINDS; kind++) {

        for (i = 0; i < loc->ttls->nelts; i++) {
            if (ttl[i].kind == (weir_kind_e) kind
                && ngx_http_weir_cache_matches(&ttl[i], facts, route))
            {
                policy->fresh[kind] = ttl[i].ttl;
                break;
            }
        }
    }
}
