/*
 * The verbs of the fleet: ask, cancel, give back, tell.  Owns the making of
 * ops; never talks about states to Redis itself.
 */

#include "ngx_http_weir_fleet_part.h"


static ngx_http_weir_fleet_op_t *
ngx_http_weir_fleet_op(ngx_http_weir_fleet_t *fleet,
    const ngx_http_weir_fleet_item_t *items, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_http_weir_fleet_op_t  *op;

    op = ngx_calloc(sizeof(ngx_http_weir_fleet_op_t)
                    + n * sizeof(ngx_http_weir_fleet_item_t),
                    &fleet->redis.log);
    if (op == NULL) {
        return NULL;
    }

    op->fleet = fleet;
    op->n = n;

    ngx_memcpy(op->items, items, n * sizeof(ngx_http_weir_fleet_item_t));

    for (i = 0; i < n; i++) {
        op->items[i].known = 0;
        op->items[i].charged = 0;
        op->items[i].slot = NULL;
    }

    return op;
}


static ngx_int_t
ngx_http_weir_fleet_hold(ngx_http_weir_fleet_op_t *op,
    const weir_hold_t *hold)
{
    ngx_uint_t  i, n;

    for (i = 0, n = 0; i < op->n; i++) {
        n += weir_unit_reserved(op->items[i].unit);
    }

    if (n > WEIR_HOLD_CHARGES || ngx_strlen(hold->run) >= sizeof(op->run)
        || hold->owner.len >= sizeof(op->owner))
    {
        return NGX_ERROR;
    }

    op->held = 1;
    op->hold.shard = hold->shard;
    op->hold.by = hold->by;
    op->hold.run = op->run;
    op->hold.owner = (weir_str_t) { op->owner, hold->owner.len };

    ngx_memcpy(op->run, hold->run, ngx_strlen(hold->run));
    ngx_memcpy(op->owner, hold->owner.data, hold->owner.len);

    return NGX_OK;
}


/* the answer to a request, or to nobody if the process ends */

static void
ngx_http_weir_fleet_answered(ngx_http_weir_fleet_op_t *op, ngx_int_t rc)
{
    ngx_uint_t                  i;
    ngx_http_weir_process_t    *p;
    ngx_http_weir_fleet_ask_t  *ask;

    p = op->fleet->process;
    ask = op->data;
    ask->op = NULL;

    if (p->exiting) {
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_http_weir_count(p, fleet_undecided);

    } else {
        if (rc == NGX_OK) {
            ngx_http_weir_fleet_slots_hold(op);
        }

        ngx_http_weir_fleet_slots_drop(op);

        for (i = 0; i < op->n; i++) {
            ask->items[i] = op->items[i];
            op->items[i].slot = NULL;
        }
    }

    ask->handler(ask, rc);
}


static ngx_uint_t
ngx_http_weir_fleet_remembered(ngx_http_weir_fleet_t *fleet,
    ngx_http_weir_fleet_ask_t *ask)
{
    ngx_uint_t                   i, refused;
    ngx_http_weir_fleet_item_t  *item;

    refused = 0;

    for (i = 0; i < ask->n; i++) {
        item = &ask->items[i];
        item->known = 0;
        item->charged = 0;
        item->slot = NULL;

        if (item->final && !item->dry_run
            && ngx_http_weir_fleet_remembers(fleet, item))
        {
            refused = 1;
        }
    }

    return refused;
}


ngx_int_t
ngx_http_weir_fleet_ask(ngx_http_weir_process_t *p,
    ngx_http_weir_fleet_ask_t *ask)
{
    ngx_http_weir_fleet_t     *fleet;
    ngx_http_weir_fleet_op_t  *op;

    fleet = p->fleet;
    ask->op = NULL;

    if (fleet == NULL || p->exiting || ask->n == 0
        || ask->n > NGX_HTTP_WEIR_FLEET_ITEMS)
    {
        return NGX_ERROR;
    }

    if (ngx_http_weir_fleet_remembered(fleet, ask)) {
        ngx_http_weir_count(p, fleet_remembered);
        return NGX_BUSY;
    }

    op = ngx_http_weir_fleet_usable(fleet)
         ? ngx_http_weir_fleet_op(fleet, ask->items, ask->n) : NULL;

    if (op == NULL
        || (ask->hold && ngx_http_weir_fleet_hold(op, ask->hold) != NGX_OK)
        || ngx_http_weir_fleet_slots_draw(op) != NGX_OK)
    {
        if (op) {
            ngx_http_weir_fleet_slots_drop(op);
            ngx_free(op);
        }

        ngx_http_weir_count(p, fleet_undecided);
        return NGX_ERROR;
    }

    op->done = ngx_http_weir_fleet_answered;
    op->data = ask;
    ask->op = op;

    ngx_http_weir_fleet_queue(op);

    return NGX_AGAIN;
}


void
ngx_http_weir_fleet_cancel(ngx_http_weir_fleet_ask_t *ask)
{
    ngx_http_weir_fleet_op_t  *op;

    op = ask->op;

    if (op == NULL) {
        return;
    }

    ask->op = NULL;
    op->done = NULL;

    if (!op->flying) {
        ngx_queue_remove(&op->queue);
        ngx_http_weir_fleet_finish(op, NGX_ERROR);
    }
}


/* The request left, or was answered, before it could be known that something
 * was charged for it. */

void
ngx_http_weir_fleet_orphan(ngx_http_weir_fleet_op_t *op)
{
    weir_txn_t                  *t;
    ngx_uint_t                   i;
    ngx_http_weir_fleet_t       *fleet;
    ngx_http_weir_fleet_item_t  *item;

    fleet = op->fleet;

    ngx_http_weir_fleet_slots_hold(op);

    for (i = 0; i < op->n; i++) {
        item = &op->items[i];

        if (item->final || (op->held && weir_unit_reserved(item->unit))) {
            item->charged = 0;
        }
    }

    ngx_http_weir_fleet_give_back(fleet->process, op->items, op->n);

    if (op->held) {
        t = &fleet->txn;
        weir_txn_reset(t);
        weir_txn_settle_at(t, op->hold.shard, op->run,
                           ngx_http_weir_now(fleet->process));

        (void) ngx_http_weir_redis_send(&fleet->process->cmd, t,
                                        ngx_http_weir_fleet_pong, NULL);
    }
}


/* a job's place is left by a command of its own */

static void
ngx_http_weir_fleet_job_leaves(ngx_http_weir_fleet_t *fleet,
    const ngx_http_weir_fleet_item_t *item)
{
    weir_txn_t  *t;

    t = &fleet->txn;
    weir_txn_reset(t);
    weir_txn_slots_leave(t, NGX_HTTP_WEIR_SHARD, weir_str_of(item->name),
                         item->member);

    (void) ngx_http_weir_redis_send(&fleet->process->cmd, t,
                                    ngx_http_weir_fleet_pong, NULL);
}


void
ngx_http_weir_fleet_give_back(ngx_http_weir_process_t *p,
    ngx_http_weir_fleet_item_t *items, ngx_uint_t n)
{
    ngx_uint_t                   i;
    ngx_http_weir_fleet_t       *fleet;
    ngx_http_weir_fleet_op_t    *op;
    ngx_http_weir_fleet_item_t  *item;

    fleet = p->fleet;

    if (fleet == NULL || p->exiting) {
        return;
    }

    op = ngx_http_weir_fleet_op(fleet, items, n);
    if (op == NULL) {
        return;
    }

    op->charge = 1;
    op->n = 0;

    for (i = 0; i < n; i++) {
        item = &items[i];

        if (!item->charged) {
            continue;
        }

        item->charged = 0;

        if (item->unit == WEIR_UNIT_REQUESTS_AT_ONCE) {
            ngx_http_weir_fleet_leave(p, &item->slot);

        } else if (item->unit == WEIR_UNIT_JOBS_AT_ONCE) {
            ngx_http_weir_fleet_job_leaves(fleet, item);

        } else {
            op->items[op->n] = *item;
            op->items[op->n].cost = -item->cost;
            op->n++;
        }
    }

    if (op->n == 0 || ngx_http_weir_fleet_owe(op) != NGX_OK) {
        ngx_free(op);
    }
}


ngx_int_t
ngx_http_weir_fleet_tell(ngx_http_weir_fleet_t *fleet,
    const ngx_http_weir_fleet_item_t *item, ngx_http_weir_fleet_done_pt done,
    void *data)
{
    ngx_http_weir_fleet_op_t  *op;

    op = ngx_http_weir_fleet_usable(fleet)
         ? ngx_http_weir_fleet_op(fleet, item, 1) : NULL;

    if (op == NULL) {
        return NGX_ERROR;
    }

    op->charge = 1;
    op->done = done;
    op->data = data;

    ngx_http_weir_fleet_queue(op);

    return NGX_AGAIN;
}
