/*
 * The decisions of one transaction, between what was read and what is to be
 * written.  Never sends.
 */

#include "ngx_http_weir_fleet_part.h"


static void
ngx_http_weir_fleet_decide_note(ngx_http_weir_fleet_t *fleet,
    ngx_http_weir_fleet_item_t *item, ngx_uint_t charged)
{
    item->known = 1;
    item->charged = charged;
    item->now = fleet->now;
    item->state = fleet->batch.states[item->index].state;
}


static weir_batch_part_t
ngx_http_weir_fleet_decide_part(ngx_http_weir_fleet_item_t *item, int64_t cost)
{
    return (weir_batch_part_t) { item->index, &item->limit, cost,
                                 &item->verdict };
}


static void
ngx_http_weir_fleet_decide_ask(ngx_http_weir_fleet_t *fleet,
    ngx_http_weir_fleet_op_t *op)
{
    bool                         allowed, charged;
    ngx_uint_t                   i, n;
    weir_batch_part_t            parts[NGX_HTTP_WEIR_FLEET_ITEMS], dry;
    ngx_http_weir_fleet_item_t  *item;

    for (i = 0, n = 0; i < op->n; i++) {
        item = &op->items[i];

        if (item->dry_run) {
            continue;
        }

        if (fleet->batch.states[item->index].bad) {
            op->rc = NGX_ERROR;
            return;
        }

        parts[n++] = ngx_http_weir_fleet_decide_part(item, item->cost);
    }

    allowed = weir_batch_decide(&fleet->batch, parts, n, fleet->now);
    op->rc = allowed ? NGX_OK : NGX_BUSY;

    for (i = 0; i < op->n; i++) {
        item = &op->items[i];
        charged = allowed;

        if (item->dry_run) {

            if (fleet->batch.states[item->index].bad) {
                item->known = 0;
                item->charged = 0;              /* nor by an aborted try */
                continue;
            }

            dry = ngx_http_weir_fleet_decide_part(item,
                                                  allowed ? item->cost : 0);
            charged = weir_batch_decide(&fleet->batch, &dry, 1, fleet->now)
                      && allowed;
        }

        ngx_http_weir_fleet_decide_note(fleet, item, charged);
        item->at = item->state.at;
    }
}


static void
ngx_http_weir_fleet_decide_charge(ngx_http_weir_fleet_t *fleet,
    ngx_http_weir_fleet_op_t *op)
{
    ngx_uint_t                   i;
    ngx_http_weir_fleet_item_t  *item;

    for (i = 0; i < op->n; i++) {
        item = &op->items[i];

        weir_batch_charge(&fleet->batch, item->index, &item->limit, fleet->now,
                          item->cost, item->at);
        ngx_http_weir_fleet_decide_note(fleet, item, 1);
    }

    op->rc = NGX_OK;
}


/* places that are taken, and the reservation */

static ngx_uint_t
ngx_http_weir_fleet_decide_write(ngx_http_weir_fleet_op_t *op, weir_txn_t *t)
{
    int64_t                      now;
    ngx_uint_t                   i, n;
    weir_charge_t               *charge;
    ngx_http_weir_fleet_item_t  *item;

    if (op->rc != NGX_OK) {
        return 0;
    }

    now = op->fleet->now / 1000;
    op->hold.n = 0;

    for (i = 0, n = 0; i < op->n; i++) {
        item = &op->items[i];

        if (!item->charged) {
            continue;
        }

        if (ngx_http_weir_fleet_at_once(item)) {
            weir_txn_slots_take(t, NGX_HTTP_WEIR_SHARD,
                                weir_str_of(item->name), item->member, now,
                                now + item->lease);
            n++;
        }

        if (op->held && weir_unit_reserved(item->unit)) {
            charge = &op->hold.charges[op->hold.n++];
            charge->unit = item->unit;
            charge->limit = item->limit;
            charge->name = weir_str_of(item->name);
            charge->units = item->cost;
            charge->at = item->at;
            charge->level = item->state.level;
        }
    }

    if (op->held) {
        weir_txn_limits_hold(t, &op->hold);
        n++;
    }

    return n;
}


/* Decides on all that is in the transaction, and adds what is to be written to
 * t: returns how much that is. */

ngx_uint_t
ngx_http_weir_fleet_decide(ngx_http_weir_fleet_t *fleet, weir_txn_t *t)
{
    unsigned                   i;
    ngx_uint_t                 n;
    ngx_queue_t               *q, *next;
    weir_batch_state_t        *s;
    ngx_http_weir_fleet_op_t  *op;

    n = 0;

    for (q = ngx_queue_head(&fleet->flying);
         q != ngx_queue_sentinel(&fleet->flying);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);

        if (op->charge) {
            ngx_http_weir_fleet_decide_charge(fleet, op);

        } else if (op->done) {
            ngx_http_weir_fleet_decide_ask(fleet, op);
            n += ngx_http_weir_fleet_decide_write(op, t);

        } else {
            ngx_queue_remove(q);                /* it left in time */
            ngx_http_weir_fleet_finish(op, NGX_ERROR);
        }
    }

    for (i = 0; i < fleet->batch.n; i++) {
        s = &fleet->batch.states[i];

        if (s->changed) {
            weir_txn_limits_set(t, NGX_HTTP_WEIR_SHARD,
                                (weir_str_t) { s->name, s->len }, &s->state,
                                s->lasts / 1000 + 1);
            n++;
        }
    }

    return n;
}
