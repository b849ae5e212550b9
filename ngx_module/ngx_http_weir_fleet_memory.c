/*
 * What is known of keys that were refused: the state that Redis had then.
 * Where a charge stays charged, that state can only have grown since, so who
 * is refused by it, after what has leaked meanwhile, would be refused by Redis
 * too.  Others are let through to Redis, which alone admits.
 *
 * An operator may remove a state, or set a clock: hence nothing is believed for
 * longer than a second.
 *
 * What may be given back says nothing about later requests.  But a request that
 * was there when the state was read, and would have been refused beside the
 * other, may be told so without another look.
 */

#include "ngx_http_weir_fleet_part.h"


#define NGX_HTTP_WEIR_MEMORY_NAMES  1024        /* a power of two */
#define NGX_HTTP_WEIR_MEMORY_TIME   1000        /* ms */


/* a name's place follows from it; who comes later takes it */

typedef struct {
    char                 name[WEIR_LIMIT_KEY_MAX + 1];
    weir_limit_t         limit;
    weir_limit_state_t   state;
    weir_limit_verdict_t verdict;
    int64_t              now;                   /* us, Redis's */
    ngx_msec_t           seen;                  /* not later than that */
} ngx_http_weir_refused_t;

struct ngx_http_weir_memory_s {
    ngx_http_weir_refused_t  names[NGX_HTTP_WEIR_MEMORY_NAMES];
};


ngx_int_t
ngx_http_weir_fleet_memory_init(ngx_http_weir_fleet_t *fleet)
{
    fleet->memory = ngx_calloc(sizeof(ngx_http_weir_memory_t),
                               ngx_cycle->log);

    return fleet->memory ? NGX_OK : NGX_ERROR;
}


void
ngx_http_weir_fleet_memory_free(ngx_http_weir_fleet_t *fleet)
{
    ngx_free(fleet->memory);
    fleet->memory = NULL;
}


static ngx_http_weir_refused_t *
ngx_http_weir_fleet_refused(ngx_http_weir_fleet_t *fleet, const char *name)
{
    uint32_t  hash;

    hash = weir_str_hash(weir_str_of(name));

    return &fleet->memory->names[hash & (NGX_HTTP_WEIR_MEMORY_NAMES - 1)];
}


/* seen: ngx_current_msec before the state was read */

void
ngx_http_weir_fleet_remember(ngx_http_weir_fleet_t *fleet,
    const ngx_http_weir_fleet_item_t *item)
{
    ngx_http_weir_refused_t  *refused;

    refused = ngx_http_weir_fleet_refused(fleet, item->name);

    ngx_memcpy(refused->name, item->name, sizeof(refused->name));
    refused->limit = item->limit;
    refused->state = item->state;
    refused->verdict = item->verdict;
    refused->now = item->now;
    refused->seen = fleet->asked;
}


ngx_uint_t
ngx_http_weir_fleet_remembers(ngx_http_weir_fleet_t *fleet,
    ngx_http_weir_fleet_item_t *item)
{
    ngx_msec_t                age;
    weir_limit_verdict_t      v;
    ngx_http_weir_refused_t  *refused;

    refused = ngx_http_weir_fleet_refused(fleet, item->name);

    if (ngx_strcmp(refused->name, item->name) != 0) {
        return 0;
    }

    /* our clock was read some time ago: a ms more does no harm */

    age = ngx_current_msec - refused->seen + 1;

    if (age > NGX_HTTP_WEIR_MEMORY_TIME) {
        return 0;
    }

    item->now = refused->now + (int64_t) age * 1000;
    weir_limit_check(&item->limit, &refused->state, item->now, item->cost, &v);

    if (v.allowed) {
        return 0;
    }

    item->verdict = v;
    item->state = refused->state;
    item->known = 1;

    return 1;
}


ngx_uint_t
ngx_http_weir_fleet_refused_since(ngx_http_weir_process_t *p,
    ngx_http_weir_fleet_item_t *item, ngx_msec_t since)
{
    weir_limit_verdict_t      v;
    ngx_http_weir_refused_t  *refused;

    if (p->fleet == NULL) {
        return 0;
    }

    refused = ngx_http_weir_fleet_refused(p->fleet, item->name);

    if (ngx_strcmp(refused->name, item->name) != 0
        || (ngx_msec_int_t) (refused->seen - since) < 0
        || ngx_current_msec - refused->seen > NGX_HTTP_WEIR_MEMORY_TIME)
    {
        return 0;
    }

    if (item->limit.form != WEIR_LIMIT_AT_ONCE) {
        weir_limit_check(&item->limit, &refused->state, refused->now,
                         item->cost, &v);

    } else if (ngx_memcmp(&item->limit, &refused->limit, sizeof(weir_limit_t))
               == 0)
    {
        v = refused->verdict;

    } else {
        return 0;
    }

    if (v.allowed) {
        return 0;
    }

    item->verdict = v;
    item->state = refused->state;
    item->now = refused->now;
    item->known = 1;

    return 1;
}
