/*
 * The directives of streams.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_HEARTBEAT      15000      /* ms */
#define NGX_HTTP_WEIR_HEARTBEAT_MIN  10


/* weir_heartbeat time */

char *
ngx_http_weir_set_heartbeat(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_weir_loc_conf_t  *wlcf = conf;

    if (wlcf->heartbeat != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_http_weir_conf_msec(cf, &value[1], &value[1],
                                   NGX_HTTP_WEIR_HEARTBEAT_MIN,
                                   NGX_HTTP_WEIR_HEARTBEAT,
                                   "it must be a time from 10ms to 15s",
                                   &wlcf->heartbeat);
}


void
ngx_http_weir_merge_stream(ngx_http_weir_loc_conf_t *conf,
    ngx_http_weir_loc_conf_t *prev)
{
    ngx_conf_merge_msec_value(conf->heartbeat, prev->heartbeat,
                              NGX_HTTP_WEIR_HEARTBEAT);
    ngx_conf_merge_value(conf->ignore_abort, prev->ignore_abort, 0);
}
