/*
 * Configuration of what a job may be: how long it is remembered, how many
 * there may be, and where webhooks may go.  The setters, as in
 * ngx_http_weir_conf.c.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_TTL_MAX     (365 * 24 * 3600)
#define NGX_HTTP_WEIR_QUEUE_MAX   1000000000
#define NGX_HTTP_WEIR_ESTIMATE_MAX  1000000


static char *
ngx_http_weir_conf_ttl(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    time_t *to, const char *allowed)
{
    ngx_int_t  s;

    s = ngx_parse_time(value, 1);

    if (s == NGX_ERROR || s < 10 || s > NGX_HTTP_WEIR_TTL_MAX) {
        return ngx_http_weir_conf_invalid(cf, arg, allowed);
    }

    *to = (time_t) s;

    return NGX_CONF_OK;
}


/* weir_result_ttl time, weir_records_ttl time */

char *
ngx_http_weir_set_ttl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    time_t     *ttl;
    ngx_str_t  *value;

    ttl = (time_t *) ((char *) conf + cmd->offset);

    if (*ttl != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_http_weir_conf_ttl(cf, &value[1], &value[1], ttl,
                                  "it must be a time from 10s to 365d");
}


/* weir_idempotency on|off|required [ttl=time] */

char *
ngx_http_weir_set_idempotency(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value, ttl;
    ngx_uint_t                 i;
    ngx_http_weir_loc_conf_t  *wlcf = conf;

    static const char  *words[] = { "off", "on", "required" };

    if (wlcf->idempotency != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (value[1].len == ngx_strlen(words[i])
            && ngx_strncmp(value[1].data, words[i], value[1].len) == 0)
        {
            wlcf->idempotency = i;      /* NGX_HTTP_WEIR_IDEM_... */
        }
    }

    if (wlcf->idempotency == NGX_CONF_UNSET_UINT) {
        return ngx_http_weir_conf_invalid(cf, &value[1], "it must be \"on\", "
                                          "\"off\" or \"required\"");
    }

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (!ngx_http_weir_conf_param(&value[2], "ttl", &ttl)) {
        ngx_str_null(&ttl);
    }

    return ngx_http_weir_conf_ttl(cf, &value[2], &ttl, &wlcf->idempotency_ttl,
                                  "it must be \"ttl=\" and a time from 10s "
                                  "to 365d");
}


/* weir_output_estimate number */

char *
ngx_http_weir_set_output_estimate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_int_t                  n;
    ngx_str_t                 *value;
    ngx_http_weir_loc_conf_t  *wlcf = conf;

    if (wlcf->output_estimate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_WEIR_ESTIMATE_MAX) {
        return ngx_http_weir_conf_invalid(cf, &value[1],
                       "it must be a number of tokens from 1 to 1000000");
    }

    wlcf->output_estimate = n;

    return NGX_CONF_OK;
}


/* weir_queue_limit [total=number] [owner=number] */

char *
ngx_http_weir_set_queue_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                  n;
    ngx_str_t                 *value, number;
    ngx_uint_t                 i, *to;
    ngx_http_weir_loc_conf_t  *wlcf = conf;

    if (wlcf->total_limit != NGX_CONF_UNSET_UINT
        || wlcf->owner_limit != NGX_CONF_UNSET_UINT)
    {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        to = ngx_http_weir_conf_param(&value[i], "total", &number)
             ? &wlcf->total_limit
             : ngx_http_weir_conf_param(&value[i], "owner", &number)
             ? &wlcf->owner_limit : NULL;

        n = to ? ngx_atoi(number.data, number.len) : NGX_ERROR;

        if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_WEIR_QUEUE_MAX
            || *to != NGX_CONF_UNSET_UINT)
        {
            return ngx_http_weir_conf_invalid(cf, &value[i], "it must be "
                       "\"total=\" or \"owner=\", each once, and a number "
                       "from 1 to 1000000000");
        }

        *to = n;
    }

    /* what one level sets is not mixed with what another does */

    if (wlcf->total_limit == NGX_CONF_UNSET_UINT) {
        wlcf->total_limit = 0;
    }

    if (wlcf->owner_limit == NGX_CONF_UNSET_UINT) {
        wlcf->owner_limit = 0;
    }

    return NGX_CONF_OK;
}


/* the exceptions of webhooks belong to the whole http block */

typedef bool (*ngx_http_weir_webhook_pt)(weir_url_policy_t *policy,
    weir_str_t word, const char **why);


static bool
ngx_http_weir_webhook_address(weir_url_policy_t *policy, weir_str_t word,
    const char **why)
{
    return weir_cidrs_add(&policy->allow, word, why);
}


static char *
ngx_http_weir_webhook_words(ngx_conf_t *cf, ngx_http_weir_main_conf_t *wmcf,
    ngx_http_weir_webhook_pt add)
{
    ngx_str_t   *value;
    ngx_uint_t   i;
    const char  *why;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (!add(&wmcf->webhooks, ngx_http_weir_str(value[i]), &why)) {
            return ngx_http_weir_conf_invalid(cf, &value[i], why);
        }
    }

    return NGX_CONF_OK;
}


/* weir_webhook_allow address[/bits]... */

char *
ngx_http_weir_set_webhook_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_weir_webhook_words(cf, conf,
                                       ngx_http_weir_webhook_address);
}


/* weir_webhook_port number... */

char *
ngx_http_weir_set_webhook_port(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_weir_webhook_words(cf, conf, weir_url_policy_port);
}
