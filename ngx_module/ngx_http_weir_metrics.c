/*
 * The zone of the counters.  They are atomics: no lock, and a killed process
 * cannot leave one torn.
 */

#include "ngx_http_weir_module.h"


/* the system's clock is asked now, and not while requests are counted by it: it
 * may be set */

static void
ngx_http_weir_metrics_date(ngx_http_weir_counters_t *counters)
{
    struct timeval  tv;

    ngx_gettimeofday(&tv);

    ngx_http_weir_limit_set_date(counters,
                                 (int64_t) tv.tv_sec * 1000000 + tv.tv_usec);
}


ngx_int_t
ngx_http_weir_metrics_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t            *slab;
    ngx_http_weir_main_conf_t  *wmcf, *old = data;

    wmcf = zone->data;

    if (old) {                          /* reload: the counters go on */
        wmcf->counters = old->counters;

        if (wmcf->redis.naddrs == 0) {
            ngx_http_weir_metrics_date(wmcf->counters);
        }

        return NGX_OK;
    }

    slab = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        wmcf->counters = slab->data;
        return NGX_OK;
    }

    wmcf->counters = ngx_slab_calloc(slab, sizeof(ngx_http_weir_counters_t));

    if (wmcf->counters == NULL) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "weir: the zone \"%V\" is too small, it needs %uz bytes "
                      "for the counters", &zone->shm.name,
                      sizeof(ngx_http_weir_counters_t));
        return NGX_ERROR;
    }

    slab->data = wmcf->counters;
    ngx_http_weir_metrics_date(wmcf->counters);

    return NGX_OK;
}


void
ngx_http_weir_metrics_clear_slot(ngx_http_weir_counters_t *counters)
{
    ngx_memzero(&counters->slots[ngx_process_slot],
                sizeof(counters->slots[0]));
}
