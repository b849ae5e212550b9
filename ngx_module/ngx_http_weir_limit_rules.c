/*
 * weir_limit and weir_class: which requests are counted where; and what must
 * be true of all these directives together.
 */

#include "ngx_http_weir_limit_params.h"


/* weir_class NAME [model=PATTERN,...] [max_tokens=N] */

static char *
ngx_http_weir_class_models(ngx_conf_t *cf, ngx_str_t *text,
    ngx_array_t *models)
{
    u_char     *p, *last, *comma;
    ngx_str_t  *model;

    p = text->data;
    last = p + text->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        if (comma == NULL) {
            comma = last;
        }

        if (comma == p) {
            return ngx_http_weir_conf_invalid(cf, text,
                       "it is a list of models with commas, and \"*\" at the "
                       "end of one stands for any rest");
        }

        model = ngx_array_push(models);
        if (model == NULL) {
            return NGX_CONF_ERROR;
        }

        model->data = p;
        model->len = comma - p;

        if (comma == last) {
            return NGX_CONF_OK;
        }

        p = comma + 1;
    }
}


char *
ngx_http_weir_set_class(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                     *value;
    ngx_http_weir_class_t         *class;
    ngx_http_weir_main_conf_t     *wmcf = conf;
    ngx_http_weir_class_line_t    *line;
    ngx_http_weir_limit_params_t   params;

    wmcf->used = 1;
    value = cf->args->elts;

    if (ngx_http_weir_limit_read(cf, 2, NGX_HTTP_WEIR_IN_CLASS, NULL,
                                 "allowed are model= and max_tokens=",
                                 &params)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    class = ngx_http_weir_class_find(cf, &value[1]);
    line = class ? ngx_array_push(&class->lines) : NULL;

    if (line == NULL
        || ngx_array_init(&line->models, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    line->max_tokens = -1;

    if (params.max_tokens.len
        && !weir_limit_amount(WEIR_UNIT_TOKENS,
                              ngx_http_weir_str(params.max_tokens),
                              &line->max_tokens))
    {
        return ngx_http_weir_conf_invalid(cf, &params.max_tokens,
                                          "it must be a number of tokens");
    }

    return params.model.len ? ngx_http_weir_class_models(cf, &params.model,
                                                         &line->models)
                            : NGX_CONF_OK;
}


/* a "*" at the end stands for any rest */

ngx_uint_t
ngx_http_weir_model_matches(const ngx_str_t *pattern, weir_str_t model)
{
    size_t      len;
    ngx_uint_t  rest;

    rest = (pattern->data[pattern->len - 1] == '*');
    len = pattern->len - rest;

    return (rest ? model.len >= len : model.len == len)
           && (len == 0 || ngx_memcmp(pattern->data, model.data, len) == 0);
}


static ngx_uint_t
ngx_http_weir_class_model(const ngx_http_weir_class_line_t *line,
    weir_str_t model)
{
    ngx_str_t   *pattern;
    ngx_uint_t   i;

    pattern = line->models.elts;

    for (i = 0; i < line->models.nelts; i++) {
        if (ngx_http_weir_model_matches(&pattern[i], model)) {
            return 1;
        }
    }

    return line->models.nelts == 0;
}


ngx_uint_t
ngx_http_weir_class_matches(const ngx_http_weir_class_t *class,
    const ngx_http_weir_limit_facts_t *facts)
{
    ngx_uint_t                   i;
    ngx_http_weir_class_line_t  *line;

    line = class->lines.elts;

    for (i = 0; i < class->lines.nelts; i++) {
        if ((line[i].max_tokens < 0
             || facts->max_tokens >= line[i].max_tokens)
            && ngx_http_weir_class_model(&line[i], facts->model))
        {
            return 1;
        }
    }

    return 0;
}


/* weir_limit zone=NAME [class=C] [if=VALUE] [delay=N]
 * [on_error=local|deny|allow] [dry_run] */

static char *
ngx_http_weir_limit_condition(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_weir_limit_rule_t *rule)
{
    ngx_http_compile_complex_value_t  ccv;

    rule->condition = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (rule->condition == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));
    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = rule->condition;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static char *
ngx_http_weir_limit_on_error(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_weir_limit_rule_t *rule)
{
    ngx_uint_t  i;

    static const char  *names[] = { "local", "deny", "allow" };

    for (i = 0; i < 3; i++) {
        if (ngx_strcmp(text->data, names[i]) == 0) {
            rule->on_error = i;
            rule->undecided = 1;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_weir_conf_invalid(cf, text,
                                      "it is \"local\", \"deny\" or "
                                      "\"allow\"");
}


static char *
ngx_http_weir_limit_rule(ngx_conf_t *cf, ngx_http_weir_limit_params_t *params,
    ngx_http_weir_limit_rule_t *rule)
{
    ngx_memzero(rule, sizeof(ngx_http_weir_limit_rule_t));

    rule->delay = -1;
    rule->dry_run = params->word.len != 0;
    rule->zone = ngx_http_weir_limit_zone_find(cf, &params->zone);

    if (rule->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (params->class.len) {
        rule->class = ngx_http_weir_class_find(cf, &params->class);

        if (rule->class == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (params->delay.len
        && !weir_limit_amount(WEIR_UNIT_REQUESTS,
                              ngx_http_weir_str(params->delay), &rule->delay))
    {
        return ngx_http_weir_conf_invalid(cf, &params->delay,
                                          "it must be a number of requests");
    }

    if (params->on_error.len
        && ngx_http_weir_limit_on_error(cf, &params->on_error, rule)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return params->condition.len
           ? ngx_http_weir_limit_condition(cf, &params->condition, rule)
           : NGX_CONF_OK;
}


char *
ngx_http_weir_set_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_uint_t                     i;
    ngx_http_weir_loc_conf_t      *wlcf = conf;
    ngx_http_weir_main_conf_t     *wmcf;
    ngx_http_weir_limit_rule_t    *rules, *rule;
    ngx_http_weir_limit_params_t   params;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    wmcf->used = 1;
    wmcf->gate = 1;

    if (ngx_http_weir_limit_read(cf, 1, NGX_HTTP_WEIR_IN_LIMIT, "dry_run",
                                 "allowed are zone=, class=, if=, delay=, "
                                 "on_error= and dry_run", &params)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (params.zone.len == 0) {
        return "needs \"zone=\"";
    }

    if (wlcf->limits == NULL) {
        wlcf->limits = ngx_array_create(cf->pool, 4,
                                        sizeof(ngx_http_weir_limit_rule_t));
        if (wlcf->limits == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rules = wlcf->limits->elts;

    for (i = 0; i < wlcf->limits->nelts; i++) {
        if (rules[i].zone->name.len == params.zone.len
            && ngx_memcmp(rules[i].zone->name.data, params.zone.data,
                          params.zone.len)
               == 0)
        {
            return ngx_http_weir_conf_invalid(cf, &params.zone,
                       "the zone is applied here already; a request counts "
                       "once in a zone");
        }
    }

    if (wlcf->limits->nelts == NGX_HTTP_WEIR_LIMIT_RULES) {
        return "is used more than 32 times here";
    }

    rule = ngx_array_push(wlcf->limits);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_weir_limit_rule(cf, &params, rule) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    rule->file = cf->conf_file->file.name;
    rule->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


/* all together */

static int ngx_libc_cdecl
ngx_http_weir_limit_order(const void *one, const void *two)
{
    ngx_http_weir_limit_zone_t *const  *a = one, *const *b = two;

    return ngx_memn2cmp((*a)->name.data, (*b)->name.data, (*a)->name.len,
                        (*b)->name.len);
}


char *
ngx_http_weir_limit_complete(ngx_conf_t *cf, ngx_http_weir_limit_conf_t *conf,
    ngx_uint_t redis)
{
    ngx_uint_t                    i;
    ngx_http_weir_class_t       **classes;
    ngx_http_weir_limit_zone_t  **zones;

    zones = conf->zones.elts;
    classes = conf->classes.elts;

    if (conf->zones.nelts > NGX_HTTP_WEIR_LIMIT_ZONES) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"weir_limit_zone\" declares more than 64 zones");
        return NGX_CONF_ERROR;
    }

    /* processes of two configurations may lock the same zones: all of them do
     * it by name, so that none waits for another that waits for it */

    if (conf->zones.nelts) {
        ngx_qsort(zones, conf->zones.nelts,
                  sizeof(ngx_http_weir_limit_zone_t *),
                  ngx_http_weir_limit_order);
    }

    for (i = 0; i < conf->zones.nelts; i++) {
        zones[i]->bit = i;

        if (zones[i]->shm_zone == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no \"weir_limit_zone\" "
                          "declares the zone \"%V\" of \"weir_limit\" in "
                          "%V:%ui", &zones[i]->name, &zones[i]->file,
                          zones[i]->line);
            return NGX_CONF_ERROR;
        }

        if (zones[i]->fleet && !redis) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"scope=fleet\" of the "
                          "zone \"%V\" needs \"weir_redis\" in the http "
                          "block, in %V:%ui", &zones[i]->name,
                          &zones[i]->file, zones[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    for (i = 0; i < conf->classes.nelts; i++) {
        if (classes[i]->lines.nelts == 0) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no \"weir_class\" "
                          "declares the class \"%V\", which is used in "
                          "%V:%ui", &classes[i]->name, &classes[i]->file,
                          classes[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_weir_limit_bad(ngx_conf_t *cf, ngx_http_weir_limit_rule_t *rule,
    const char *what)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"weir_limit zone=%V\" %s, in %V:%ui", &rule->zone->name,
                  what, &rule->file, rule->line);

    return NGX_CONF_ERROR;
}


/* what only the zone can tell */

static char *
ngx_http_weir_limit_check(ngx_conf_t *cf, ngx_http_weir_limit_rule_t *rule)
{
    weir_unit_e  unit;

    unit = rule->zone->unit;

    rule->body = rule->class != NULL || weir_unit_reserved(unit);

    if (rule->delay >= 0
        && (rule->body || unit != WEIR_UNIT_REQUESTS
            || rule->zone->size.limit.form != WEIR_LIMIT_RATE))
    {
        return ngx_http_weir_limit_bad(cf, rule, "has \"delay=\", which is "
                                       "for rates of requests of any class");
    }

    if (rule->class && unit == WEIR_UNIT_AUTH_FAILURES) {
        return ngx_http_weir_limit_bad(cf, rule, "has \"class=\", but what "
                                       "fails to authenticate has none");
    }

    if (rule->undecided && !rule->zone->fleet) {
        return ngx_http_weir_limit_bad(cf, rule, "has \"on_error=\", which is "
                                       "for zones of \"scope=fleet\"");
    }

    return NGX_CONF_OK;
}


/* what is decided at the gate is given back if the body decides otherwise */

static void
ngx_http_weir_limit_mark(ngx_array_t *rules)
{
    ngx_uint_t                   i, body;
    ngx_http_weir_limit_rule_t  *rule;

    if (rules == NULL) {
        return;
    }

    rule = rules->elts;
    body = 0;

    for (i = 0; i < rules->nelts; i++) {
        body |= rule[i].body;
    }

    for (i = 0; i < rules->nelts; i++) {
        rule[i].zone->body |= body;
    }
}


static int ngx_libc_cdecl
ngx_http_weir_limit_rule_order(const void *one, const void *two)
{
    const ngx_http_weir_limit_rule_t  *a = one, *b = two;

    return (int) a->zone->bit - (int) b->zone->bit;
}


/* By the time a key is made of them, the check of the key has hidden them: a
 * limit that seems to count by them would count nothing. */

static void
ngx_http_weir_limit_hidden(ngx_conf_t *cf, ngx_array_t *rules)
{
    ngx_str_t                   *text;
    ngx_uint_t                   i, n;
    ngx_http_weir_limit_rule_t  *rule;

    static ngx_str_t  names[] = {
        ngx_string("http_authorization"),
        ngx_string("http_x_api_key")
    };

    rule = rules->elts;

    for (i = 0; i < rules->nelts; i++) {
        text = &rule[i].zone->text;

        if (rule[i].hidden || rule[i].zone->unit == WEIR_UNIT_AUTH_FAILURES) {
            continue;
        }

        for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            if (ngx_strlcasestrn(text->data, text->data + text->len,
                                 names[n].data, names[n].len - 1)
                == NULL)
            {
                continue;
            }

            rule[i].hidden = 1;

            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"weir_limit zone=%V\" counts by \"$%V\", which is "
                          "empty behind \"weir_auth\", use \"$weir_key_id\", "
                          "in %V:%ui", &rule[i].zone->name, &names[n],
                          &rule[i].file, rule[i].line);
        }
    }
}


/* Rules that need a body may stand at an outer level, for the locations below
 * that have one; in a location of its own it must be of the API. */

char *
ngx_http_weir_limit_merge(ngx_conf_t *cf, ngx_array_t **rules,
    ngx_array_t **prev, ngx_uint_t api, ngx_uint_t auth)
{
    ngx_uint_t                   i, n, reserved;
    ngx_array_t                 *levels[2];
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_weir_limit_rule_t  *rule;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    levels[0] = *prev;                  /* http has nobody else to check it */
    levels[1] = *rules;

    for (n = 0; n < 2; n++) {
        if (levels[n] == NULL) {
            continue;
        }

        rule = levels[n]->elts;

        ngx_qsort(rule, levels[n]->nelts, sizeof(ngx_http_weir_limit_rule_t),
                  ngx_http_weir_limit_rule_order);

        for (i = 0, reserved = 0; i < levels[n]->nelts; i++) {
            if (ngx_http_weir_limit_check(cf, &rule[i]) != NGX_CONF_OK) {
                return NGX_CONF_ERROR;
            }

            reserved += weir_unit_reserved(rule[i].zone->unit);

            if (reserved > WEIR_HOLD_CHARGES) {
                return ngx_http_weir_limit_bad(cf, &rule[i], "is one of more "
                           "than 16 here that count tokens, cost or jobs");
            }

            if (n == 1 && rule[i].body && !api && clcf->name.len) {
                return ngx_http_weir_limit_bad(cf, &rule[i],
                           rule[i].class
                           ? "has \"class=\", which needs \"weir_api\" in "
                             "its location"
                           : "counts what only \"weir_api\" in its location "
                             "can know");
            }
        }
    }

    if (*rules == NULL) {
        *rules = *prev;
    }

    if (auth && *rules) {
        ngx_http_weir_limit_hidden(cf, *rules);
    }

    ngx_http_weir_limit_mark(*rules);

    return NGX_CONF_OK;
}
