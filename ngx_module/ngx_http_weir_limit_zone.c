/*
 * The zones of limits in shared memory: made at start, kept over a reload where
 * they mean the same, freed of what dead processes held.  And the clock that
 * all processes of the node share.
 */

#include "ngx_http_weir_module.h"
#include "ngx_http_weir_sync.h"


/* A zone of another layout is another zone: nginx then makes a new one. */

static ngx_uint_t  ngx_http_weir_limit_tags[3];

#define ngx_http_weir_limit_tag(zone)                                         \
    (&ngx_http_weir_limit_tags[(zone)->sync ? 2 : (zone)->at_once])


/* us, of no date: the same in all processes, never set */

int64_t
ngx_http_weir_limit_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* The same, up to a few milliseconds late, at a tenth of its price. */

int64_t
ngx_http_weir_limit_clock_late(void)
{
#ifdef CLOCK_MONOTONIC_COARSE

    struct timespec  ts;

    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) == 0) {
        return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
    }

#endif

    return ngx_http_weir_limit_clock();
}


/* us, UTC: Redis's time if there is one, else that of the start */

int64_t
ngx_http_weir_limit_date(ngx_http_weir_counters_t *counters)
{
    return ngx_http_weir_limit_clock() + (int64_t) counters->date;
}


void
ngx_http_weir_limit_set_date(ngx_http_weir_counters_t *counters, int64_t now)
{
    counters->date = (ngx_atomic_t) (now - ngx_http_weir_limit_clock());
}


static const char *
ngx_http_weir_limit_zone_changed(ngx_http_weir_limit_zone_t *old,
    ngx_http_weir_limit_zone_t *zone)
{
    if (old->text.len != zone->text.len
        || ngx_memcmp(old->text.data, zone->text.data, old->text.len) != 0)
    {
        return "key";
    }

    if (old->unit != zone->unit) {
        return "unit";
    }

    return old->size.limit.form != zone->size.limit.form ? "form" : NULL;
}


static ngx_int_t
ngx_http_weir_limit_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    const char                  *changed;
    ngx_slab_pool_t             *slab;
    ngx_http_weir_limit_zone_t  *zone, *old = data;

    zone = shm_zone->data;
    slab = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        zone->table = old->table;
        changed = ngx_http_weir_limit_zone_changed(old, zone);

        if (changed) {
            ngx_http_weir_table_lock(zone->table);
            ngx_http_weir_table_clear(zone->table);
            ngx_http_weir_table_unlock(zone->table);

            ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                          "weir: the %s of the limit zone \"%V\" has changed, "
                          "its counters start anew", changed, &zone->name);
        }

        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        zone->table = slab->data;
        return NGX_OK;
    }

    zone->table = ngx_http_weir_table_create(slab,
                      zone->sync ? sizeof(ngx_http_weir_sync_t)
                                 : sizeof(weir_limit_state_t),
                      zone->at_once, ngx_http_weir_limit_clock() / 1000000);

    if (zone->table == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "weir: the limit zone \"%V\" is too small", &zone->name);
        return NGX_ERROR;
    }

    slab->data = zone->table;

    if (ngx_http_weir_conf_zone_lost(shm_zone, ngx_http_weir_limit_tags, 3)) {
        ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                      "weir: the size of the limit zone \"%V\", or what it "
                      "holds, has changed, its counters start anew",
                      &zone->name);
    }

    return NGX_OK;
}


char *
ngx_http_weir_limit_zone_add(ngx_conf_t *cf, ngx_http_weir_limit_zone_t *zone,
    size_t size)
{
    zone->at_once = zone->size.limit.form == WEIR_LIMIT_AT_ONCE;

    zone->shm_zone = ngx_shared_memory_add(cf, &zone->name, size,
                                           ngx_http_weir_limit_tag(zone));
    if (zone->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->shm_zone->init = ngx_http_weir_limit_zone_init;
    zone->shm_zone->data = zone;

    return NGX_CONF_OK;
}


/* What was held by the process of a slot, that is no more, is free. */

static void
ngx_http_weir_limit_reap(ngx_http_weir_table_t *t, ngx_uint_t slot)
{
    weir_limit_state_t    *state;
    ngx_http_weir_node_t  *node;

    for ( ;; ) {
        node = ngx_http_weir_table_reap(t, slot);

        if (node == NULL) {
            return;
        }

        state = ngx_http_weir_node_state(node);
        state->level -= WEIR_LIMIT_MICRO;

        if (state->level <= 0) {
            ngx_http_weir_table_drop(t, node);
        }
    }
}


void
ngx_http_weir_limit_init(ngx_http_weir_limit_conf_t *conf)
{
    ngx_uint_t                    i;
    ngx_http_weir_limit_zone_t  **zones;

    zones = conf->zones.elts;

    for (i = 0; i < conf->zones.nelts; i++) {
        if (zones[i]->at_once) {
            ngx_http_weir_table_lock(zones[i]->table);
            ngx_http_weir_limit_reap(zones[i]->table, ngx_process_slot);
            ngx_http_weir_table_unlock(zones[i]->table);
        }
    }
}


/* each second, in every process: a slot may stay empty for long */

void
ngx_http_weir_limit_tick(ngx_http_weir_limit_conf_t *conf)
{
    ngx_pid_t                     pid;
    ngx_uint_t                    i, slot;
    ngx_http_weir_table_t        *t;
    ngx_http_weir_limit_zone_t  **zones;

    zones = conf->zones.elts;

    for (i = 0; i < conf->zones.nelts; i++) {
        t = zones[i]->table;

        if (!zones[i]->at_once || t->entries == 0) {
            continue;
        }

        ngx_http_weir_table_lock(t);

        for (slot = 0; slot < NGX_HTTP_WEIR_SLOTS; slot++) {
            pid = (ngx_pid_t) t->holders[slot].pid;

            if (t->holders[slot].head && pid != ngx_pid
                && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH)
            {
                ngx_http_weir_limit_reap(t, slot);
            }
        }

        ngx_http_weir_table_unlock(t);
    }
}
