/*
 * What a node decides about limits: states in the zones, under the locks of all
 * zones of the request at once.  Also the views of "sync=".
 */

#include "ngx_http_weir_limit_part.h"
#include "ngx_http_weir_sync.h"


/* the views of "sync=", for their engine */

static ngx_http_weir_sync_t *
ngx_http_weir_limit_sync_lock(void *data, const u_char *key)
{
    ngx_http_weir_limit_zone_t  *zone = data;

    ngx_http_weir_table_lock(zone->table);

    zone->locked = ngx_http_weir_table_find(zone->table, key);

    if (zone->locked == NULL) {
        ngx_http_weir_table_unlock(zone->table);
        return NULL;
    }

    return ngx_http_weir_node_state(zone->locked);
}


static void
ngx_http_weir_limit_sync_unlock(void *data)
{
    ngx_http_weir_sync_t        *view;
    ngx_http_weir_limit_zone_t  *zone = data;

    view = ngx_http_weir_node_state(zone->locked);
    zone->locked->pinned = ngx_http_weir_sync_owed(view);

    ngx_http_weir_table_unlock(zone->table);
}


static const ngx_http_weir_sync_table_t  ngx_http_weir_limit_syncs = {
    ngx_http_weir_limit_sync_lock,
    ngx_http_weir_limit_sync_unlock
};


/* A count in days cannot go on as one in months: where the keys of one owner
 * have quotas of different windows, each window has a count of its own.  The
 * last byte of a key is at most 15, or 255. */

void
ngx_http_weir_limit_window(ngx_http_weir_limit_item_t *item)
{
    const weir_limit_t  *limit;

    limit = item->size ? &item->size->limit : NULL;

    if (limit && limit->form == WEIR_LIMIT_QUOTA
        && limit->calendar != item->rule->zone->size.limit.calendar)
    {
        item->key[NGX_HTTP_WEIR_TABLE_KEY - 1] ^= (limit->calendar + 1) << 4;
    }
}


void
ngx_http_weir_limit_name(const ngx_http_weir_limit_item_t *item,
    ngx_http_weir_fleet_item_t *f)
{
    u_char                      *p;
    ngx_http_weir_limit_zone_t  *zone;

    zone = item->rule->zone;

    f->unit = zone->unit;
    f->limit = item->size->limit;
    f->cost = item->cost;

    p = ngx_cpymem(f->name, zone->name.data, zone->name.len);
    *p++ = ':';
    p = ngx_hex_dump(p, (u_char *) item->key, NGX_HTTP_WEIR_TABLE_KEY);
    *p = '\0';
}


/* Redis is told of what a view of "sync=" admitted, or gave back. */

void
ngx_http_weir_limit_tell(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item)
{
    ngx_http_weir_fleet_item_t  f;

    ngx_memzero(&f, sizeof(ngx_http_weir_fleet_item_t));
    ngx_http_weir_limit_name(item, &f);

    ngx_http_weir_sync_tell(l->process, &ngx_http_weir_limit_syncs,
                            item->rule->zone, item->key, &f);
}


/* what Redis says of a view is learned, whatever came of the request */

void
ngx_http_weir_limit_learn(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item)
{
    int64_t                      now;
    ngx_http_weir_node_t        *node;
    ngx_http_weir_table_t       *t;

    t = item->rule->zone->table;
    now = ngx_http_weir_limit_clock() / 1000000;

    ngx_http_weir_table_lock(t);

    node = ngx_http_weir_table_find(t, item->key);

    if (node == NULL) {
        node = ngx_http_weir_table_make(t, item->key, l->identified, now);
    }

    if (node) {
        ngx_http_weir_sync_learn(ngx_http_weir_node_state(node), item->fleet);
        ngx_http_weir_table_expires(t, node, now, item->verdict.full);
    }

    ngx_http_weir_table_unlock(t);
}


static int64_t
ngx_http_weir_limit_now(ngx_http_weir_limited_t *l,
    const ngx_http_weir_limit_item_t *item, int64_t clock)
{
    return item->size->limit.form == WEIR_LIMIT_QUOTA || item->rule->zone->sync
           ? clock + (int64_t) l->process->conf->counters->date : clock;
}


/* Checking: NGX_OK, NGX_BUSY; NGX_AGAIN: only Redis knows. */

static ngx_int_t
ngx_http_weir_limit_check_item(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item, int64_t clock)
{
    int64_t                      now, ahead;
    ngx_int_t                    rc;
    ngx_http_weir_sync_t         view;
    ngx_http_weir_limit_zone_t  *zone;

    static const weir_limit_state_t  none;

    zone = item->rule->zone;
    now = ngx_http_weir_limit_now(l, item, clock);

    item->known = 1;
    item->node = ngx_http_weir_table_find(zone->table, item->key);

    if (item->node) {
        ngx_http_weir_table_touch(zone->table, item->node, l->identified);
    }

    if (zone->sync == 0) {
        weir_limit_try(&item->size->limit,
                       item->node ? ngx_http_weir_node_state(item->node)
                                  : &none,
                       now, item->cost, &item->verdict, &item->after);

        return item->verdict.allowed ? NGX_OK : NGX_BUSY;
    }

    ngx_memzero(&view, sizeof(ngx_http_weir_sync_t));

    if (item->node) {
        view = *(ngx_http_weir_sync_t *) ngx_http_weir_node_state(item->node);
        item->owed = ngx_http_weir_sync_owed(&view);
    }

    /* without Redis the bound is given up, if so configured */

    ahead = item->fleet ? WEIR_LIMIT_AMOUNT_MAX * 2 : zone->sync;

    rc = ngx_http_weir_sync_check(&view, &item->size->limit, ahead, now,
                                  item->cost, &item->verdict);

    return item->fleet && rc == NGX_AGAIN ? NGX_BUSY : rc;
}


/* NGX_ERROR: there is no room */

static ngx_int_t
ngx_http_weir_limit_charge_item(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item, int64_t clock)
{
    int64_t                      now;
    ngx_http_weir_node_t        *node;
    ngx_http_weir_table_t       *t;
    ngx_http_weir_limit_zone_t  *zone;

    zone = item->rule->zone;
    t = zone->table;
    now = clock / 1000000;
    node = item->node;

    if (node == NULL) {
        node = ngx_http_weir_table_make(t, item->key, l->identified, now);

        if (node == NULL) {
            return NGX_ERROR;
        }
    }

    if (zone->at_once
        && ngx_http_weir_table_hold(t, node, now, &item->held) != NGX_OK)
    {
        if (item->node == NULL) {
            ngx_http_weir_table_drop(t, node);
        }

        return NGX_ERROR;
    }

    item->node = node;
    item->charged = 1;

    if (zone->sync) {
        ngx_http_weir_sync_charge(ngx_http_weir_node_state(node), item->cost);
        node->pinned = 1;

    } else {
        *(weir_limit_state_t *) ngx_http_weir_node_state(node) = item->after;
    }

    ngx_http_weir_table_expires(t, node, now, item->verdict.full);

    return NGX_OK;
}


static void
ngx_http_weir_limit_uncharge_item(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item, int64_t clock)
{
    weir_limit_state_t          *state;
    ngx_http_weir_node_t        *node;
    ngx_http_weir_table_t       *t;
    ngx_http_weir_limit_zone_t  *zone;

    item->charged = 0;
    zone = item->rule->zone;
    t = zone->table;

    if (zone->at_once) {
        node = ngx_http_weir_table_release(t, &item->held);

        if (node) {
            state = ngx_http_weir_node_state(node);
            state->level -= WEIR_LIMIT_MICRO;

            if (state->level <= 0) {
                ngx_http_weir_table_drop(t, node);
            }
        }

        return;
    }

    node = ngx_http_weir_table_find(t, item->key);

    if (node == NULL) {
        return;
    }

    if (zone->sync) {
        ngx_http_weir_sync_charge(ngx_http_weir_node_state(node), -item->cost);
        node->pinned = 1;
        return;
    }

    weir_limit_settle(&item->size->limit, ngx_http_weir_node_state(node),
                      ngx_http_weir_limit_now(l, item, clock), item->after.at,
                      -item->cost);
}


static void
ngx_http_weir_limit_delay_item(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item)
{
    int64_t  ms;

    if (item->rule->delay < 0 || !item->verdict.allowed) {
        return;
    }

    ms = (weir_limit_delay(&item->size->limit, item->verdict.excess,
                           item->rule->delay) + 999) / 1000;

    item->delay = (ngx_msec_t) ngx_min(ms, NGX_HTTP_WEIR_LIMIT_DELAY);

    if (!item->rule->dry_run) {
        l->delay = ngx_max(l->delay, item->delay);
    }
}


void
ngx_http_weir_limit_passed(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item)
{
    ngx_http_weir_limit_zone_t  *zone;

    zone = item->rule->zone;
    item->result = NGX_HTTP_WEIR_LIMIT_PASSED;

    if (l->peek) {
        return;
    }

    ngx_http_weir_limit_delay_item(l, item);

    if (item->delay == 0) {
        ngx_http_weir_limit_count(zone, passed);

    } else if (item->rule->dry_run) {
        ngx_http_weir_limit_count(zone, delayed_dry);

    } else {
        ngx_http_weir_limit_count(zone, delayed);
    }
}


void
ngx_http_weir_limit_refused(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item)
{
    ngx_http_weir_limit_zone_t  *zone;

    zone = item->rule->zone;
    item->result = NGX_HTTP_WEIR_LIMIT_REFUSED;

    if (l->peek) {
        return;
    }

    if (item->rule->dry_run) {
        ngx_http_weir_limit_count(zone, rejected_dry);

    } else {
        ngx_http_weir_limit_count(zone, rejected);
    }
}


/* Under the locks: is any of what is here to decide against the request? */

static ngx_uint_t
ngx_http_weir_limit_ask_all(ngx_http_weir_limited_t *l, int64_t clock)
{
    ngx_uint_t                   i, busy;
    ngx_http_weir_limit_item_t  *item;

    busy = 0;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->here) {
            item->answer = ngx_http_weir_limit_check_item(l, item, clock);
            busy |= (item->answer == NGX_BUSY);
        }
    }

    return busy;
}


/* What is not refused has no result yet, but a verdict.  A clock that is late
 * admits nobody too early, and so is good enough for who is admitted; who is
 * not is told exact times. */

static ngx_int_t
ngx_http_weir_limit_check_all(ngx_http_weir_limited_t *l, int64_t *clock)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;

    *clock = ngx_http_weir_limit_clock_late();

    if (ngx_http_weir_limit_ask_all(l, *clock)) {
        *clock = ngx_http_weir_limit_clock();
        (void) ngx_http_weir_limit_ask_all(l, *clock);
    }

    rc = NGX_OK;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (!item->here) {
            continue;
        }

        if (item->answer == NGX_AGAIN) {
            item->here = 0;             /* it is asked */
            item->known = 0;

        } else if (item->answer == NGX_BUSY) {
            ngx_http_weir_limit_refused(l, item);

            if (!item->rule->dry_run) {
                rc = NGX_BUSY;
            }
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_weir_limit_charge_all(ngx_http_weir_limited_t *l, int64_t clock)
{
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (!item->here || item->result != NGX_HTTP_WEIR_LIMIT_OPEN) {
            continue;
        }

        if (!l->peek
            && ngx_http_weir_limit_charge_item(l, item, clock) != NGX_OK)
        {
            item->verdict.allowed = 0;
            item->verdict.retry = 1000000;
            ngx_http_weir_limit_count(item->rule->zone, full);
            ngx_http_weir_limit_refused(l, item);

            if (item->rule->dry_run) {
                continue;
            }

            break;
        }

        ngx_http_weir_limit_passed(l, item);
    }

    if (i == l->n) {
        return NGX_OK;
    }

    while (i--) {
        if (l->items[i].charged) {
            ngx_http_weir_limit_uncharge_item(l, &l->items[i], clock);
        }
    }

    return NGX_BUSY;
}


static void
ngx_http_weir_limit_look(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item, int64_t clock)
{
    int64_t  now;

    static const weir_limit_state_t  none;

    now = ngx_http_weir_limit_now(l, item, clock);

    if (item->node && item->rule->zone->sync) {
        (void) ngx_http_weir_sync_check(ngx_http_weir_node_state(item->node),
                                        &item->size->limit,
                                        WEIR_LIMIT_AMOUNT_MAX, now, 0,
                                        &item->verdict);
        return;
    }

    weir_limit_check(&item->size->limit,
                     item->node ? ngx_http_weir_node_state(item->node) : &none,
                     now, 0, &item->verdict);
}


/* Nothing is charged: what was not refused says what it has without that. */

static void
ngx_http_weir_limit_look_all(ngx_http_weir_limited_t *l, int64_t clock)
{
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->here && item->result != NGX_HTTP_WEIR_LIMIT_REFUSED) {
            item->result = NGX_HTTP_WEIR_LIMIT_OPEN;
            ngx_http_weir_limit_look(l, item, clock);
        }
    }
}


/* The zones' names give the order of the locks: see
 * ngx_http_weir_limit_complete(). */

ngx_int_t
ngx_http_weir_limit_here(ngx_http_weir_limited_t *l)
{
    int64_t      clock;
    ngx_int_t    rc;
    ngx_uint_t   i, n;
    uint64_t     locked;

    locked = 0;
    n = 0;

    for (i = 0; i < l->n; i++) {
        if (l->items[i].here) {
            ngx_http_weir_table_lock(l->items[i].rule->zone->table);
            locked |= 1ull << i;
            n++;
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    rc = ngx_http_weir_limit_check_all(l, &clock);

    if (rc == NGX_OK) {
        rc = ngx_http_weir_limit_charge_all(l, clock);
    }

    if (rc == NGX_BUSY) {
        ngx_http_weir_limit_look_all(l, clock);
    }

    for (i = l->n; i--; /* void */) {
        if (locked & (1ull << i)) {
            l->items[i].here = 0;
            ngx_http_weir_table_unlock(l->items[i].rule->zone->table);
        }
    }

    return rc;
}


/* What this node charged is given back; remaining is then that of a look. */

void
ngx_http_weir_limit_uncharge(ngx_http_weir_limited_t *l)
{
    int64_t                      clock;
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;

    clock = ngx_http_weir_limit_clock();

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (!item->charged) {
            continue;
        }

        ngx_http_weir_table_lock(item->rule->zone->table);

        ngx_http_weir_limit_uncharge_item(l, item, clock);

        item->node = ngx_http_weir_table_find(item->rule->zone->table,
                                              item->key);
        item->result = NGX_HTTP_WEIR_LIMIT_OPEN;
        ngx_http_weir_limit_look(l, item, clock);

        ngx_http_weir_table_unlock(item->rule->zone->table);

        if (item->rule->zone->sync) {
            ngx_http_weir_limit_tell(l, item);
        }
    }
}


void
ngx_http_weir_limit_charge(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item)
{
    int64_t                 clock;
    ngx_http_weir_table_t  *t;

    t = item->rule->zone->table;
    ngx_http_weir_table_lock(t);

    clock = ngx_http_weir_limit_clock();

    /* more than all of it says no more than all of it */

    if (ngx_http_weir_limit_check_item(l, item, clock) != NGX_OK) {
        if (item->rule->dry_run) {
            ngx_http_weir_limit_refused(l, item);
        }

    } else if (ngx_http_weir_limit_charge_item(l, item, clock) == NGX_OK) {
        ngx_http_weir_limit_passed(l, item);

    } else {
        ngx_http_weir_limit_count(item->rule->zone, full);
    }

    ngx_http_weir_table_unlock(t);
}


/* the end of the main request */

void
ngx_http_weir_limit_release(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item)
{
    ngx_http_weir_table_lock(item->rule->zone->table);
    ngx_http_weir_limit_uncharge_item(l, item, ngx_http_weir_limit_clock());
    ngx_http_weir_table_unlock(item->rule->zone->table);
}
