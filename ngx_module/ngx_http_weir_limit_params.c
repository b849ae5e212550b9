/*
 * Reading the parameters of the directives of limits, and the names in them.
 */

#include "ngx_http_weir_limit_params.h"


typedef struct {
    const char  *name;
    size_t       offset;
    ngx_uint_t   directives;
} ngx_http_weir_limit_param_t;


#define ngx_http_weir_param(name, member, directives)                         \
    { name, offsetof(ngx_http_weir_limit_params_t, member), directives }


static ngx_http_weir_limit_param_t  ngx_http_weir_limit_params[] = {
    ngx_http_weir_param("zone", zone,
                        NGX_HTTP_WEIR_IN_SIZE|NGX_HTTP_WEIR_IN_LIMIT),
    ngx_http_weir_param("count", count, NGX_HTTP_WEIR_IN_ZONE),
    ngx_http_weir_param("rate", rate, NGX_HTTP_WEIR_IN_SIZE),
    ngx_http_weir_param("burst", burst, NGX_HTTP_WEIR_IN_SIZE),
    ngx_http_weir_param("quota", quota, NGX_HTTP_WEIR_IN_SIZE),
    ngx_http_weir_param("max", max, NGX_HTTP_WEIR_IN_SIZE),
    ngx_http_weir_param("scope", scope, NGX_HTTP_WEIR_IN_ZONE),
    ngx_http_weir_param("sync", sync, NGX_HTTP_WEIR_IN_ZONE),
    ngx_http_weir_param("tier", tier, NGX_HTTP_WEIR_IN_TIER),
    ngx_http_weir_param("class", class, NGX_HTTP_WEIR_IN_LIMIT),
    ngx_http_weir_param("if", condition, NGX_HTTP_WEIR_IN_LIMIT),
    ngx_http_weir_param("delay", delay, NGX_HTTP_WEIR_IN_LIMIT),
    ngx_http_weir_param("on_error", on_error, NGX_HTTP_WEIR_IN_LIMIT),
    ngx_http_weir_param("model", model, NGX_HTTP_WEIR_IN_CLASS),
    ngx_http_weir_param("max_tokens", max_tokens, NGX_HTTP_WEIR_IN_CLASS),
    { NULL, 0, 0 }
};


char *
ngx_http_weir_limit_read(ngx_conf_t *cf, ngx_uint_t first,
    ngx_uint_t directive, const char *word, const char *allowed,
    ngx_http_weir_limit_params_t *params)
{
    ngx_str_t                    *value, text, *to;
    ngx_uint_t                    i;
    ngx_http_weir_limit_param_t  *param;

    ngx_memzero(params, sizeof(ngx_http_weir_limit_params_t));
    value = cf->args->elts;

    for (i = first; i < cf->args->nelts; i++) {

        for (param = ngx_http_weir_limit_params; param->name; param++) {
            if ((param->directives & directive)
                && ngx_http_weir_conf_param(&value[i], param->name, &text))
            {
                break;
            }
        }

        if (param->name) {
            to = (ngx_str_t *) ((u_char *) params + param->offset);

        } else if (word && ngx_strcmp(value[i].data, word) == 0) {
            to = &params->word;
            text = value[i];

        } else {
            return ngx_http_weir_conf_invalid(cf, &value[i], allowed);
        }

        if (to->data) {
            return ngx_http_weir_conf_invalid(cf, &value[i],
                                              "it is said twice");
        }

        if (text.len == 0) {
            return ngx_http_weir_conf_invalid(cf, &value[i],
                                              "it must not be empty");
        }

        *to = text;
    }

    return NGX_CONF_OK;
}


ngx_http_weir_limit_zone_t *
ngx_http_weir_limit_zone_find(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                    i;
    ngx_http_weir_main_conf_t    *wmcf;
    ngx_http_weir_limit_zone_t  **zones, *zone;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    zones = wmcf->limit.zones.elts;

    for (i = 0; i < wmcf->limit.zones.nelts; i++) {
        if (zones[i]->name.len == name->len
            && ngx_memcmp(zones[i]->name.data, name->data, name->len) == 0)
        {
            return zones[i];
        }
    }

    if (wmcf->limit.zones.elts == NULL
        && ngx_array_init(&wmcf->limit.zones, cf->pool, 4,
                          sizeof(ngx_http_weir_limit_zone_t *))
           != NGX_OK)
    {
        return NULL;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_limit_zone_t));
    zones = ngx_array_push(&wmcf->limit.zones);

    if (zone == NULL || zones == NULL
        || ngx_array_init(&zone->tiers, cf->pool, 2,
                          sizeof(ngx_http_weir_limit_size_t))
           != NGX_OK)
    {
        return NULL;
    }

    zone->name = *name;
    zone->file = cf->conf_file->file.name;
    zone->line = cf->conf_file->line;
    *zones = zone;

    return zone;
}


ngx_http_weir_class_t *
ngx_http_weir_class_find(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_weir_class_t     **classes, *class;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    classes = wmcf->limit.classes.elts;

    for (i = 0; i < wmcf->limit.classes.nelts; i++) {
        if (classes[i]->name.len == name->len
            && ngx_memcmp(classes[i]->name.data, name->data, name->len) == 0)
        {
            return classes[i];
        }
    }

    if (wmcf->limit.classes.elts == NULL
        && ngx_array_init(&wmcf->limit.classes, cf->pool, 4,
                          sizeof(ngx_http_weir_class_t *))
           != NGX_OK)
    {
        return NULL;
    }

    class = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_class_t));
    classes = ngx_array_push(&wmcf->limit.classes);

    if (class == NULL || classes == NULL
        || ngx_array_init(&class->lines, cf->pool, 2,
                          sizeof(ngx_http_weir_class_line_t))
           != NGX_OK)
    {
        return NULL;
    }

    class->name = *name;
    class->file = cf->conf_file->file.name;
    class->line = cf->conf_file->line;
    *classes = class;

    return class;
}
