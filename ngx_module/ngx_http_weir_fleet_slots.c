/*
 * Requests at once over the fleet: places in a set, each with a lease that is
 * renewed for as long as the request goes on.  So a process that is killed
 * keeps its places for the rest of a lease, and no longer.
 *
 * Taking a place is a decision of the engine; renewing and leaving are plain
 * commands, on the connection where no transaction watches.
 */

#include "ngx_http_weir_fleet_part.h"


#define NGX_HTTP_WEIR_SLOTS_RENEWED  64         /* in one unit */


/* before the decision: a place for each that the ask wants */

ngx_int_t
ngx_http_weir_fleet_slots_draw(ngx_http_weir_fleet_op_t *op)
{
    ngx_uint_t                   i;
    unsigned char                random[WEIR_ID_LEN / 2];
    ngx_http_weir_fleet_slot_t  *slot;
    ngx_http_weir_fleet_item_t  *item;

    for (i = 0; i < op->n; i++) {
        item = &op->items[i];

        if (item->unit != WEIR_UNIT_REQUESTS_AT_ONCE) {
            continue;
        }

        slot = ngx_calloc(sizeof(ngx_http_weir_fleet_slot_t),
                          &op->fleet->redis.log);

        if (slot == NULL
            || ngx_http_weir_random(op->fleet->process, random,
                                    sizeof(random))
               != NGX_OK)
        {
            ngx_free(slot);
            return NGX_ERROR;
        }

        weir_digest_hex(random, sizeof(random), slot->member);

        ngx_memcpy(slot->name, item->name, sizeof(slot->name));
        ngx_memcpy(item->member, slot->member, sizeof(item->member));

        item->lease = NGX_HTTP_WEIR_FLEET_LEASE;
        item->slot = slot;
    }

    return NGX_OK;
}


/* the decision took them: they are the request's */

void
ngx_http_weir_fleet_slots_hold(ngx_http_weir_fleet_op_t *op)
{
    ngx_uint_t                   i;
    ngx_http_weir_fleet_t       *fleet;
    ngx_http_weir_fleet_slot_t  *slot;

    fleet = op->fleet;

    for (i = 0; i < op->n; i++) {
        slot = op->items[i].slot;

        if (slot && op->items[i].charged) {
            slot->held = 1;
            ngx_queue_insert_tail(&fleet->slots, &slot->queue);
            fleet->nslots++;
        }
    }

    ngx_http_weir_fleet_gauge(fleet).fleet_slots = fleet->nslots;
}


/* the op ends: those that were not taken are nobody's */

void
ngx_http_weir_fleet_slots_drop(ngx_http_weir_fleet_op_t *op)
{
    ngx_uint_t                   i;
    ngx_http_weir_fleet_item_t  *item;

    for (i = 0; i < op->n; i++) {
        item = &op->items[i];

        if (item->slot && !item->slot->held) {
            ngx_free(item->slot);
            item->slot = NULL;
        }
    }
}


void
ngx_http_weir_fleet_leave(ngx_http_weir_process_t *p,
    ngx_http_weir_fleet_slot_t **slotp)
{
    weir_txn_t                  *t;
    ngx_http_weir_fleet_t       *fleet;
    ngx_http_weir_fleet_slot_t  *slot;

    slot = *slotp;
    fleet = p->fleet;

    if (slot == NULL) {
        return;
    }

    *slotp = NULL;

    if (fleet == NULL) {
        return;                         /* the process ends: all were freed */
    }

    ngx_queue_remove(&slot->queue);
    ngx_http_weir_fleet_gauge(fleet).fleet_slots = --fleet->nslots;

    t = &p->txn;
    weir_txn_reset(t);
    weir_txn_slots_leave(t, NGX_HTTP_WEIR_SHARD, weir_str_of(slot->name),
                         slot->member);

    (void) ngx_http_weir_redis_send(&p->cmd, t, ngx_http_weir_fleet_pong, NULL);
    ngx_free(slot);
}


/* about every third of a lease */

void
ngx_http_weir_fleet_slots_renew(ngx_http_weir_fleet_t *fleet)
{
    int64_t                      lease;
    weir_txn_t                  *t;
    ngx_uint_t                   n;
    ngx_queue_t                 *q;
    ngx_http_weir_process_t     *p;
    ngx_http_weir_fleet_slot_t  *slot;

    p = fleet->process;
    t = &p->txn;
    lease = ngx_http_weir_now(p) + NGX_HTTP_WEIR_FLEET_LEASE;

    q = ngx_queue_head(&fleet->slots);

    while (q != ngx_queue_sentinel(&fleet->slots)) {
        weir_txn_reset(t);

        for (n = 0;
             n < NGX_HTTP_WEIR_SLOTS_RENEWED
             && q != ngx_queue_sentinel(&fleet->slots);
             n++)
        {
            slot = ngx_queue_data(q, ngx_http_weir_fleet_slot_t, queue);
            q = ngx_queue_next(q);

            weir_txn_slots_renew(t, NGX_HTTP_WEIR_SHARD,
                                 weir_str_of(slot->name), slot->member, lease);
        }

        (void) ngx_http_weir_redis_send(&p->cmd, t,
                                        ngx_http_weir_fleet_pong, NULL);
    }
}


void
ngx_http_weir_fleet_slots_free(ngx_http_weir_fleet_t *fleet)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&fleet->slots)) {
        q = ngx_queue_head(&fleet->slots);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_http_weir_fleet_slot_t, queue));
    }
}
