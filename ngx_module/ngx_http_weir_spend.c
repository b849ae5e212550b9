/*
 * What a job may use, before anybody knows what it will: the limits that need
 * its body are asked here, after it is known that the job is a new one, and
 * before it is queued.  Tokens, cost and places among the running are reserved
 * by that decision; the worker settles them.  Knows what to ask for; who
 * decides is in limit.c.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_SPEND_GRACE  60000        /* ms past the deadline */


struct ngx_http_weir_spend_s {
    ngx_http_weir_limited_t     *limited;
    weir_hold_t                  hold;
};


static const ngx_http_weir_step_t *ngx_http_weir_spend_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_spend_priceless_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_spend_decided_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_spend = {
    "spend", ngx_http_weir_spend_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_spend_priceless = {
    "spend, no prices", ngx_http_weir_spend_priceless_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_spend_decided = {
    "spend, decided", ngx_http_weir_spend_decided_run
};


static void
ngx_http_weir_spend_facts(ngx_http_weir_ctx_t *ctx,
    ngx_http_weir_limit_facts_t *f)
{
    int64_t                    output, input_price, output_price;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    ngx_memzero(f, sizeof(ngx_http_weir_limit_facts_t));

    f->model = ngx_http_weir_str(ctx->job.model);
    f->max_tokens = ctx->need.max_tokens;

    output = ctx->need.output || ctx->need.no_output
             ? ctx->need.output : (int64_t) wlcf->output_estimate;

    f->costs[WEIR_UNIT_INPUT] = ctx->need.input;
    f->costs[WEIR_UNIT_OUTPUT] = output;
    f->costs[WEIR_UNIT_TOKENS] = ctx->need.input + output;

    /* a model whose price nobody knows: what it costs is charged after it */

    if (weir_catalogue_price(ctx->process->catalogue, f->model, &input_price,
                             &output_price))
    {
        f->costs[WEIR_UNIT_COST] = weir_cost(ctx->need.input, output,
                                             input_price, output_price);
    }
}


static ngx_uint_t
ngx_http_weir_spend_counts(ngx_http_weir_limited_t *l, weir_unit_e unit)
{
    ngx_uint_t  i;

    for (i = 0; i < l->n; i++) {
        if (l->items[i].rule->zone->unit == unit) {
            return 1;
        }
    }

    return 0;
}


/* Who sets no bound himself is not refused for a guess of ours that is larger
 * than all there is: it takes all there is. */

static ngx_uint_t
ngx_http_weir_spend_items(ngx_http_weir_ctx_t *ctx, ngx_http_weir_limited_t *l)
{
    int64_t                      room;
    ngx_uint_t                   i, reserved;
    ngx_http_weir_limit_item_t  *item;

    reserved = 0;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (!weir_unit_reserved(item->rule->zone->unit)) {
            continue;
        }

        reserved = 1;
        room = weir_limit_room(&item->size->limit);

        if (ctx->need.output == 0 && !ctx->need.no_output
            && item->rule->zone->unit != WEIR_UNIT_INPUT)
        {
            item->cost = ngx_min(item->cost, room);
        }
    }

    return reserved;
}


/* The reservation lasts until the submission is void; the submission then puts
 * it off to the end of the job. */

static void
ngx_http_weir_spend_hold(ngx_http_weir_ctx_t *ctx, ngx_http_weir_spend_t *s)
{
    int64_t                   now, deadline;
    ngx_http_weir_limited_t  *l;

    now = ngx_http_weir_now(ctx->process);
    deadline = ctx->job.deadline;

    if (ngx_http_weir_asks(ctx)) {
        deadline = now + (int64_t) WEIR_DEADLINE_MAX * 1000;

    } else if (deadline == 0) {
        deadline = ngx_max(now, ctx->job.run_at)
                   + (int64_t) WEIR_DEADLINE_DEFAULT * 1000;
    }

    s->hold.shard = ctx->job.shard;
    s->hold.run = ngx_http_weir_run_id(&ctx->job);
    s->hold.owner = ngx_http_weir_str(ctx->visit->owner);
    s->hold.by = now + 2 * (int64_t) ctx->process->conf->redis.timeout;

    l = s->limited;
    l->hold = &s->hold;
    l->member = s->hold.run;
    l->lease = deadline - now + NGX_HTTP_WEIR_SPEND_GRACE;
}


/* A process that has just started knows no prices: it asks before it lets
 * anybody spend. */

static void
ngx_http_weir_spend_prices(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_http_weir_catalogue_take(ctx->process, a);

    ctx->priced = (a->code == WEIR_ANSWER_OK);

    ngx_http_weir_resume(ctx, ctx->priced
                              ? &ngx_http_weir_step_spend
                              : &ngx_http_weir_step_spend_priceless);
}


static const ngx_http_weir_step_t *
ngx_http_weir_spend_ask(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_catalogue_get(&p->txn);

    return ngx_http_weir_ask(ctx, ngx_http_weir_spend_prices,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_spend,
                             &ngx_http_weir_step_spend_priceless);
}


static const ngx_http_weir_step_t *
ngx_http_weir_spend_priceless_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_forget(ctx);
    ngx_http_weir_admit_release(ctx);

    return &ngx_http_weir_step_submit_refused;
}


static const ngx_http_weir_step_t *
ngx_http_weir_spend_error(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_admit_release(ctx);

    return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
}


static void
ngx_http_weir_spend_answer(ngx_http_weir_limited_t *l)
{
    ngx_http_weir_resume(l->ctx, &ngx_http_weir_step_spend_decided);
}


static const ngx_http_weir_step_t *
ngx_http_weir_spend_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_spend_t        *s;
    ngx_http_weir_limited_t      *l;
    ngx_http_weir_limit_facts_t   facts;

    ngx_http_weir_spend_facts(ctx, &facts);

    switch (ngx_http_weir_limit_select(ctx, &facts, &l)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return &ngx_http_weir_step_hold;

    default:
        return ngx_http_weir_spend_error(ctx);
    }

    if (ctx->process->catalogue == NULL && !ctx->priced
        && ngx_http_weir_spend_counts(l, WEIR_UNIT_COST))
    {
        return ngx_http_weir_spend_ask(ctx);
    }

    s = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_weir_spend_t));

    if (s == NULL) {
        return ngx_http_weir_spend_error(ctx);
    }

    s->limited = l;
    l->handler = ngx_http_weir_spend_answer;
    ctx->spend = s;

    if (ngx_http_weir_spend_items(ctx, l)) {
        ngx_http_weir_spend_hold(ctx, s);
    }

    /* it has a time limit of its own: longer than this one is none */

    switch (ngx_http_weir_limit_decide(l)) {

    case NGX_AGAIN:
        return ngx_http_weir_park(ctx, 2 * ctx->process->conf->redis.timeout,
                                  &ngx_http_weir_step_spend_decided);

    case NGX_ERROR:
        return ngx_http_weir_spend_error(ctx);

    default:
        return &ngx_http_weir_step_spend_decided;
    }
}


/* Who led was refused, and so would be this one, who waited for him: all at
 * once, and not each in his turn.  NULL: he may be lucky. */

const ngx_http_weir_step_t *
ngx_http_weir_spend_waited(ngx_http_weir_ctx_t *ctx, ngx_msec_t since)
{
    ngx_http_weir_spend_t        *s;
    ngx_http_weir_limited_t      *l;
    ngx_http_weir_limit_facts_t   facts;

    ngx_http_weir_spend_facts(ctx, &facts);

    if (ngx_http_weir_limit_select(ctx, &facts, &l) != NGX_OK
        || (ctx->process->catalogue == NULL
            && ngx_http_weir_spend_counts(l, WEIR_UNIT_COST)))
    {
        return NULL;
    }

    s = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_weir_spend_t));

    if (s == NULL) {
        return NULL;
    }

    (void) ngx_http_weir_spend_items(ctx, l);

    if (ngx_http_weir_limit_waited(l, since) != NGX_BUSY) {
        return NULL;
    }

    s->limited = l;
    ctx->spend = s;

    return &ngx_http_weir_step_spend_decided;
}


static const ngx_http_weir_step_t *
ngx_http_weir_spend_decided_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t            f;
    ngx_http_weir_limited_t  *l;

    l = ctx->spend->limited;

    if (l->rc == NGX_OK) {
        return &ngx_http_weir_step_hold;
    }

    if (l->rc != NGX_BUSY || ngx_http_weir_limit_failure(l, &f) != NGX_OK) {
        return ngx_http_weir_spend_error(ctx);
    }

    ngx_http_weir_admit_release(ctx);

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


/* What a reservation means for the submission; false: its time is over. */

ngx_uint_t
ngx_http_weir_spend_submission(ngx_http_weir_ctx_t *ctx, weir_submission_t *s)
{
    const weir_hold_t  *hold;

    if (ctx->spend == NULL || ctx->spend->limited->hold == NULL) {
        return 1;
    }

    hold = ctx->spend->limited->hold;

    s->hold = true;
    s->by = ngx_min(s->by, hold->by);

    return s->created < s->by;
}


/* Nothing was queued: no need to wait until the reservation lapses. */

void
ngx_http_weir_spend_release(ngx_http_weir_ctx_t *ctx)
{
    const weir_hold_t        *hold;
    ngx_http_weir_process_t  *p;

    hold = ctx->spend ? ctx->spend->limited->hold : NULL;

    if (hold == NULL) {
        return;
    }

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_settle_later(&p->txn, hold->shard, hold->run,
                          ngx_http_weir_now(p));

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, NULL, NULL);
}
