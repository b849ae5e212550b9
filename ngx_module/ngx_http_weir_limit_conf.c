/*
 * weir_limit_zone and weir_limit_tier: what is counted, by what, how much of
 * it.
 */

#include "ngx_http_weir_limit_params.h"


/* how much: rate=R [burst=N] | quota=Q | max=N */

static char *
ngx_http_weir_limit_size(ngx_conf_t *cf, ngx_http_weir_limit_zone_t *zone,
    ngx_http_weir_limit_params_t *params, ngx_http_weir_limit_size_t *size)
{
    u_char      *p, text[NGX_HTTP_WEIR_POLICY_MAX];
    int64_t      burst;
    ngx_uint_t   at_once;

    at_once = zone->unit == WEIR_UNIT_REQUESTS_AT_ONCE
              || zone->unit == WEIR_UNIT_JOBS_AT_ONCE;

    if ((params->rate.len != 0) + (params->quota.len != 0)
        + (params->max.len != 0)
        != 1
        || at_once != (params->max.len != 0))
    {
        return at_once ? "needs \"max=\" for what is counted at once, "
                         "and nothing else"
                       : "needs either \"rate=\" or \"quota=\"";
    }

    burst = -1;

    if (params->burst.len) {
        if (params->rate.len == 0) {
            return "has \"burst=\" without \"rate=\"";
        }

        if (!weir_limit_amount(zone->unit, ngx_http_weir_str(params->burst),
                               &burst))
        {
            return ngx_http_weir_conf_invalid(cf, &params->burst,
                       "a burst is an amount, such as 20 or 100k");
        }
    }

    if (params->rate.len
        && !weir_limit_rate(&size->limit, zone->unit,
                            ngx_http_weir_str(params->rate), burst))
    {
        return ngx_http_weir_conf_invalid(cf, &params->rate,
                   "a rate is an amount and a period, such as 10r/s, 100k/m, "
                   "5/h or 1/d, and its burst is not 0 unless it counts "
                   "requests or failures");
    }

    if (params->quota.len
        && !weir_limit_quota(&size->limit, zone->unit,
                             ngx_http_weir_str(params->quota)))
    {
        return ngx_http_weir_conf_invalid(cf, &params->quota,
                   "a quota is an amount and a window: minute, hour, day, "
                   "week or month, such as 1000/day");
    }

    if (params->max.len
        && !weir_limit_at_once(&size->limit, ngx_http_weir_str(params->max)))
    {
        return ngx_http_weir_conf_invalid(cf, &params->max,
                                          "it must be a number");
    }

    if (size->limit.form == WEIR_LIMIT_QUOTA
        && size->limit.calendar == WEIR_MONTH)
    {
        return NGX_CONF_OK;             /* months differ */
    }

    p = ngx_http_weir_limit_policy(text, zone, &size->limit, 0);

    size->policy.len = p - text;
    size->policy.data = ngx_pnalloc(cf->pool, size->policy.len);

    if (size->policy.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(size->policy.data, text, size->policy.len);

    return NGX_CONF_OK;
}


/* the key; one that is nothing but a variable needs no copy of its value */

static char *
ngx_http_weir_limit_key(ngx_conf_t *cf, ngx_http_weir_limit_zone_t *zone)
{
    size_t                             i;
    u_char                             c;
    ngx_str_t                          name;
    ngx_http_compile_complex_value_t   ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));
    ccv.cf = cf;
    ccv.value = &zone->text;
    ccv.complex_value = &zone->key;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    zone->variable = NGX_ERROR;
    name = zone->text;

    if (name.len < 2 || name.data[0] != '$') {
        return NGX_CONF_OK;
    }

    name.data++;
    name.len--;

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '_'
            && (i == 0 || !(c >= '0' && c <= '9')))
        {
            return NGX_CONF_OK;
        }
    }

    zone->variable = ngx_http_get_variable_index(cf, &name);

    return zone->variable == NGX_ERROR ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static char *
ngx_http_weir_limit_scope(ngx_conf_t *cf, ngx_http_weir_limit_zone_t *zone,
    ngx_http_weir_limit_params_t *params)
{
    if (params->scope.len) {
        zone->fleet = (ngx_strcmp(params->scope.data, "fleet") == 0);

        if (!zone->fleet && ngx_strcmp(params->scope.data, "node") != 0) {
            return ngx_http_weir_conf_invalid(cf, &params->scope,
                                       "a scope is \"node\" or \"fleet\"");
        }
    }

    if (!zone->fleet
        && (zone->unit == WEIR_UNIT_TOKENS || zone->unit == WEIR_UNIT_INPUT
            || zone->unit == WEIR_UNIT_OUTPUT || zone->unit == WEIR_UNIT_COST
            || zone->unit == WEIR_UNIT_JOBS_AT_ONCE))
    {
        return "needs \"scope=fleet\" to count tokens, cost or jobs";
    }

    if (zone->fleet && zone->unit == WEIR_UNIT_AUTH_FAILURES) {
        return "counts failures on a node only";
    }

    if (params->sync.len == 0) {
        return NGX_CONF_OK;
    }

    if (!zone->fleet || zone->size.limit.form == WEIR_LIMIT_AT_ONCE) {
        return "has \"sync=\", which is for a rate or quota of a fleet";
    }

    if (!weir_limit_amount(zone->unit, ngx_http_weir_str(params->sync),
                           &zone->sync)
        || zone->sync < 1)
    {
        return ngx_http_weir_conf_invalid(cf, &params->sync,
                                          "it must be an amount from 1 on");
    }

    return NGX_CONF_OK;
}


/* weir_limit_zone KEY zone=NAME:SIZE [count=UNIT] rate=R [burst=N] | quota=Q
 * | max=N [scope=node|fleet] [sync=N] */

char *
ngx_http_weir_set_limit_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    int                           unit;
    char                         *rv;
    u_char                       *p;
    ssize_t                       size;
    ngx_str_t                    *value, name, text;
    ngx_http_weir_main_conf_t    *wmcf = conf;
    ngx_http_weir_limit_zone_t   *zone;
    ngx_http_weir_limit_params_t  params;

    wmcf->used = 1;
    value = cf->args->elts;

    if (ngx_http_weir_limit_read(cf, 2, NGX_HTTP_WEIR_IN_ZONE, NULL,
                                 "allowed are zone=, count=, rate=, burst=, "
                                 "quota=, max=, scope= and sync=", &params)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    p = params.zone.len ? ngx_strlchr(params.zone.data,
                                      params.zone.data + params.zone.len, ':')
                        : NULL;

    if (p == NULL) {
        return "needs \"zone=name:size\"";
    }

    name.data = params.zone.data;
    name.len = p - name.data;
    text.data = p + 1;
    text.len = params.zone.data + params.zone.len - text.data;
    size = ngx_parse_size(&text);

    if (!weir_limit_name_valid(ngx_http_weir_str(name))
        || size == NGX_ERROR || size < (ssize_t) (8 * ngx_pagesize))
    {
        return ngx_http_weir_conf_invalid(cf, &params.zone,
                   "a zone has a name of 1 to 32 letters, digits and any of "
                   "\"._-@\", and a size of at least 8 pages");
    }

    zone = ngx_http_weir_limit_zone_find(cf, &name);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (zone->shm_zone) {
        return ngx_http_weir_conf_invalid(cf, &params.zone,
                                          "there is a zone of that name");
    }

    unit = params.count.len ? weir_unit_parse(ngx_http_weir_str(params.count))
                            : WEIR_UNIT_REQUESTS;

    if (unit < 0) {
        return ngx_http_weir_conf_invalid(cf, &params.count,
                   "what can be counted is requests, tokens, input-tokens, "
                   "output-tokens, cost, requests-at-once, jobs-at-once and "
                   "auth-failures");
    }

    zone->text = value[1];
    zone->unit = unit;

    rv = ngx_http_weir_limit_size(cf, zone, &params, &zone->size);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_weir_limit_scope(cf, zone, &params);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_weir_limit_key(cf, zone);
    }

    wmcf->fleet |= zone->fleet;

    return rv == NGX_CONF_OK ? ngx_http_weir_limit_zone_add(cf, zone, size)
                             : rv;
}


/* weir_limit_tier zone=NAME tier=T rate=R [burst=N] | quota=Q | max=N
 * | unlimited */

char *
ngx_http_weir_set_limit_tier(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                          *rv;
    ngx_uint_t                     i;
    ngx_http_weir_main_conf_t     *wmcf = conf;
    ngx_http_weir_limit_zone_t    *zone;
    ngx_http_weir_limit_size_t    *size;
    ngx_http_weir_limit_params_t   params;

    wmcf->used = 1;

    if (ngx_http_weir_limit_read(cf, 1, NGX_HTTP_WEIR_IN_TIER, "unlimited",
                                 "allowed are zone=, tier=, rate=, burst=, "
                                 "quota=, max= and unlimited", &params)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (params.zone.len == 0
        || !weir_name_valid(ngx_http_weir_str(params.tier), WEIR_TIER_MAX))
    {
        return "needs \"zone=\" and \"tier=\", the name of a tier";
    }

    zone = ngx_http_weir_limit_zone_find(cf, &params.zone);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (zone->shm_zone == NULL) {
        return ngx_http_weir_conf_invalid(cf, &params.zone,
                   "the zone must be declared above, by \"weir_limit_zone\"");
    }

    size = zone->tiers.elts;

    for (i = 0; i < zone->tiers.nelts; i++) {
        if (size[i].tier.len == params.tier.len
            && ngx_memcmp(size[i].tier.data, params.tier.data,
                          params.tier.len)
               == 0)
        {
            return ngx_http_weir_conf_invalid(cf, &params.tier,
                                       "this tier has its limit already");
        }
    }

    size = ngx_array_push(&zone->tiers);
    if (size == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(size, sizeof(ngx_http_weir_limit_size_t));
    size->tier = params.tier;

    if (params.word.len) {
        return params.rate.len || params.quota.len || params.max.len
               || params.burst.len
               ? "has a limit, and \"unlimited\"" : NGX_CONF_OK;
    }

    rv = ngx_http_weir_limit_size(cf, zone, &params, size);

    if (rv == NGX_CONF_OK && size->limit.form != zone->size.limit.form) {
        return "must be of its zone's form, a rate or a quota";
    }

    return rv;
}
