/*
 * The decision about the limits of a request: first what this node decides,
 * then what the fleet does.  All or nothing: whoever refuses, what others were
 * charged is given back.
 */

#include "ngx_http_weir_limit_part.h"


static void ngx_http_weir_limit_answered(ngx_http_weir_fleet_ask_t *ask,
    ngx_int_t rc);


/* The fleet.  NGX_OK: it has nothing to decide. */

static ngx_int_t
ngx_http_weir_limit_ask(ngx_http_weir_limited_t *l)
{
    ngx_uint_t                   i, n;
    ngx_http_weir_limit_item_t  *item;
    ngx_http_weir_fleet_item_t  *f;

    for (n = 0, i = 0; i < l->n; i++) {
        n += (l->items[i].result == NGX_HTTP_WEIR_LIMIT_OPEN);
    }

    if (n == 0) {
        return NGX_OK;
    }

    f = ngx_pcalloc(l->ctx->request->pool,
                    n * sizeof(ngx_http_weir_fleet_item_t));
    if (f == NULL) {
        return NGX_ABORT;
    }

    l->ask.items = f;
    l->ask.n = n;
    l->ask.hold = l->hold;
    l->ask.handler = ngx_http_weir_limit_answered;
    l->ask.data = l;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->result != NGX_HTTP_WEIR_LIMIT_OPEN) {
            continue;
        }

        ngx_http_weir_limit_name(item, f);

        f->dry_run = item->rule->dry_run;
        f->final = (f->unit == WEIR_UNIT_REQUESTS && !item->rule->zone->body
                    && f->limit.form != WEIR_LIMIT_AT_ONCE);

        if (f->unit == WEIR_UNIT_JOBS_AT_ONCE && l->member) {
            ngx_cpystrn((u_char *) f->member, (u_char *) l->member,
                        sizeof(f->member));
            f->lease = l->lease;
        }

        item->fleet = f++;
    }

    return ngx_http_weir_fleet_ask(l->process, &l->ask);
}


/* Redis is silent: each rule says itself what then. */

static ngx_int_t
ngx_http_weir_limit_undecided(ngx_http_weir_limited_t *l)
{
    ngx_uint_t                   i;
    ngx_http_weir_on_error_e     what;
    ngx_http_weir_limit_item_t  *item;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->fleet == NULL) {
            continue;
        }

        what = item->rule->on_error;

        if (what == NGX_HTTP_WEIR_ON_ERROR_LOCAL) {
            ngx_http_weir_limit_count(item->rule->zone, local);
            item->here = 1;

        } else if (what == NGX_HTTP_WEIR_ON_ERROR_ALLOW || item->rule->dry_run)
        {
            ngx_http_weir_limit_count(item->rule->zone, failopen);
            item->result = NGX_HTTP_WEIR_LIMIT_SKIPPED;

        } else {
            ngx_http_weir_limit_count(item->rule->zone, denied);
            item->result = NGX_HTTP_WEIR_LIMIT_DENIED;
            l->denied = 1;
        }
    }

    return l->denied ? NGX_BUSY : ngx_http_weir_limit_here(l);
}


static ngx_int_t
ngx_http_weir_limit_answer(ngx_http_weir_limited_t *l, ngx_int_t rc)
{
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->fleet == NULL || !item->fleet->known) {
            continue;
        }

        item->known = 1;
        item->verdict = item->fleet->verdict;

        if (item->rule->zone->sync) {
            ngx_http_weir_limit_learn(l, item);
        }

        if (rc == NGX_ERROR) {
            continue;
        }

        if (!item->verdict.allowed) {
            ngx_http_weir_limit_refused(l, item);

        } else if (rc == NGX_OK) {
            ngx_http_weir_limit_passed(l, item);
        }
    }

    return rc == NGX_ERROR ? ngx_http_weir_limit_undecided(l) : rc;
}


/* Is nothing left to decide?  What a dry run would have refused is counted
 * nowhere: the first rule that means it decides. */

ngx_uint_t
ngx_http_weir_limit_decided(ngx_http_weir_visit_t *visit,
    const ngx_http_weir_limit_rule_t *rule)
{
    uint64_t  bit;

    bit = 1ull << rule->zone->bit;

    return (visit->charged & bit)
           && (rule->dry_run || !(visit->tried & bit));
}


static void
ngx_http_weir_limit_tried(ngx_http_weir_limited_t *l)
{
    ngx_uint_t                         i;
    const ngx_http_weir_limit_item_t  *item;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->result == NGX_HTTP_WEIR_LIMIT_REFUSED) {
            l->ctx->visit->tried |= 1ull << item->rule->zone->bit;
        }
    }
}


/* the end of a decision */

static ngx_int_t
ngx_http_weir_limit_done(ngx_http_weir_limited_t *l, ngx_int_t rc)
{
    ngx_uint_t                i;
    ngx_http_weir_visit_t    *visit;
    ngx_http_weir_limited_t  *before;

    l->rc = rc;

    if (rc == NGX_OK) {
        ngx_http_weir_limit_tried(l);
        return NGX_OK;
    }

    ngx_http_weir_limit_uncharge(l);

    visit = l->ctx->visit;

    /* an error page of the main request is not refused in turn; another
     * subrequest is */

    if (l->ctx->request != l->ctx->request->main) {
        for (i = 0; i < l->n; i++) {
            visit->charged &= ~(1ull << l->items[i].rule->zone->bit);
        }
    }

    if (l->body) {
        for (before = visit->limited; before; before = before->next) {
            if (before != l && before->rc == NGX_OK) {
                ngx_http_weir_limit_give_back(before);
            }
        }
    }

    return rc;
}


/* A visit counts once: while Redis is asked for one of its requests, the others
 * wait for what comes of it. */

ngx_int_t
ngx_http_weir_limit_turn_gate(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_limited_t   *l;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (wlcf->limits == NULL) {
        return NGX_DECLINED;
    }

    for (l = ctx->visit->limited; l; l = l->next) {
        if (l->rc == NGX_AGAIN) {
            ngx_queue_insert_tail(&ctx->visit->turn, &ctx->held);
            ctx->holding = 1;

            return ngx_http_weir_gate_park(ctx, NGX_HTTP_WEIR_LIMIT_PATIENCE);
        }
    }

    return NGX_DECLINED;
}


static void
ngx_http_weir_limit_next(ngx_queue_t *turn)
{
    ngx_queue_t          *q;
    ngx_http_weir_ctx_t  *ctx;

    while (!ngx_queue_empty(turn)) {
        q = ngx_queue_head(turn);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_weir_ctx_t, held);
        ctx->holding = 0;

        ngx_http_weir_gate_post(ctx);
    }
}


static void
ngx_http_weir_limit_answered(ngx_http_weir_fleet_ask_t *ask, ngx_int_t rc)
{
    ngx_http_weir_limited_t  *l = ask->data;

    rc = ngx_http_weir_limit_answer(l, rc);

    (void) ngx_http_weir_limit_done(l, rc);

    ngx_http_weir_limit_next(&l->ctx->visit->turn);

    l->handler(l);
}


void
ngx_http_weir_limit_give_back(ngx_http_weir_limited_t *l)
{
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;

    ngx_http_weir_limit_uncharge(l);

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->fleet && item->fleet->charged) {
            item->result = NGX_HTTP_WEIR_LIMIT_OPEN;
            item->verdict.remaining = ngx_min(item->verdict.remaining
                                              + item->cost,
                                      weir_limit_room(&item->size->limit));
        }
    }

    if (l->ask.n) {
        ngx_http_weir_fleet_give_back(l->process, l->ask.items, l->ask.n);
    }
}


/* the end of the main request */

static void
ngx_http_weir_limit_cleanup(void *data)
{
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;
    ngx_http_weir_limited_t     *l = data;

    if (l->rc == NGX_AGAIN) {
        ngx_http_weir_fleet_cancel(&l->ask);
        ngx_http_weir_limit_uncharge(l);
    }

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->held.index) {
            ngx_http_weir_limit_release(l, item);
        }

        if (item->fleet && item->fleet->slot) {
            ngx_http_weir_fleet_leave(l->process, &item->fleet->slot);
        }
    }
}


/* headers, variables and the log know of it */

void
ngx_http_weir_limit_tells(ngx_http_weir_limited_t *l)
{
    l->next = l->ctx->visit->limited;
    l->ctx->visit->limited = l;
}


/* before anything is charged that the end of the request must undo */

static ngx_int_t
ngx_http_weir_limit_prepare(ngx_http_weir_limited_t *l)
{
    ngx_uint_t                   i, undo;
    ngx_http_cleanup_t          *cln;
    ngx_http_weir_limit_zone_t  *zone;

    for (undo = 0, i = 0; i < l->n; i++) {
        zone = l->items[i].rule->zone;

        undo |= zone->fleet || zone->at_once;
        l->items[i].here = !zone->fleet || zone->sync;

        if (!l->peek) {
            l->ctx->visit->charged |= 1ull << zone->bit;
            l->ctx->visit->tried &= ~(1ull << zone->bit);
        }
    }

    if (undo) {
        cln = ngx_http_cleanup_add(l->ctx->request, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_weir_limit_cleanup;
        cln->data = l;
    }

    if (!l->peek) {
        ngx_http_weir_limit_tells(l);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_limit_decide(ngx_http_weir_limited_t *l)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_http_weir_limit_item_t  *item;

    if (ngx_http_weir_limit_prepare(l) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_weir_limit_here(l);

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->rule->zone->sync
            && (item->charged || !item->known || item->owed))
        {
            ngx_http_weir_limit_tell(l, item);
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_weir_limit_ask(l);

        if (rc == NGX_AGAIN) {
            l->rc = NGX_AGAIN;
            return NGX_AGAIN;
        }

        if (rc == NGX_ABORT) {
            rc = NGX_ERROR;             /* no memory: not for Redis's want */

        } else if (rc != NGX_OK) {
            rc = ngx_http_weir_limit_answer(l, rc);
        }
    }

    return ngx_http_weir_limit_done(l, rc);
}


ngx_int_t
ngx_http_weir_limit_waited(ngx_http_weir_limited_t *l, ngx_msec_t since)
{
    ngx_uint_t                         i, refused;
    ngx_http_weir_fleet_item_t        *f;
    ngx_http_weir_limit_item_t        *item;
    const ngx_http_weir_limit_rule_t  *rule;

    f = ngx_pcalloc(l->ctx->request->pool,
                    l->n * sizeof(ngx_http_weir_fleet_item_t));
    if (f == NULL) {
        return NGX_DECLINED;
    }

    for (refused = 0, i = 0; i < l->n; i++, f++) {
        item = &l->items[i];
        rule = item->rule;

        if (!rule->zone->fleet || rule->zone->sync || rule->dry_run) {
            continue;
        }

        ngx_http_weir_limit_name(item, f);

        if (ngx_http_weir_fleet_refused_since(l->process, f, since)) {
            item->fleet = f;
            refused = 1;
        }
    }

    if (!refused || ngx_http_weir_limit_prepare(l) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_weir_limit_done(l, ngx_http_weir_limit_answer(l, NGX_BUSY));
}
