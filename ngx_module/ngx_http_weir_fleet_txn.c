/*
 * The transaction of the fleet: one at a time, each for all who wait.
 *
 *     WATCH and MGET of the states, WATCH and ZCOUNT of the sets, TIME
 *     the decisions, in the order in which they were asked for
 *     MULTI, what has changed, EXEC
 *
 * TIME comes last, so that it is later than whatever was read: all edges
 * reckon by Redis's clock alone.  If another edge wrote one of the states
 * meanwhile, EXEC does nothing and all is looked at again, together with what
 * came since.
 *
 * If the answer to EXEC is lost nobody knows whether it was done.  The asks are
 * undecided then, and what was charged stays so: a charge that nobody used is
 * the worst that can come of it, never a charge too few.
 */

#include "ngx_http_weir_fleet_part.h"


#define NGX_HTTP_WEIR_FLEET_PATIENCE  3         /* aborts before a pause */


static void ngx_http_weir_fleet_txn_look(ngx_http_weir_fleet_t *fleet);
static void ngx_http_weir_fleet_txn_states(void *data, const weir_answer_t *a);
static void ngx_http_weir_fleet_txn_count(void *data, const weir_answer_t *a);
static void ngx_http_weir_fleet_txn_time(void *data, const weir_answer_t *a);
static void ngx_http_weir_fleet_txn_commit(ngx_http_weir_fleet_t *fleet);
static void ngx_http_weir_fleet_txn_done(void *data, const weir_answer_t *a);


/* gathering */

/* Into the batch, if there is room for all of its names. */

static ngx_uint_t
ngx_http_weir_fleet_txn_take(ngx_http_weir_fleet_t *fleet,
    ngx_http_weir_fleet_op_t *op)
{
    ngx_uint_t                   i, n;
    ngx_http_weir_fleet_item_t  *item;

    n = fleet->batch.n;

    for (i = 0; i < op->n; i++) {
        item = &op->items[i];
        item->index = weir_batch_add(&fleet->batch, item->name,
                                     ngx_http_weir_fleet_at_once(item));

        if (item->index < 0) {
            weir_batch_cut(&fleet->batch, n);
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_weir_fleet_txn_gather(ngx_http_weir_fleet_t *fleet,
    ngx_queue_t *queue)
{
    ngx_queue_t               *q;
    ngx_http_weir_fleet_op_t  *op;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);

        if (!ngx_http_weir_fleet_txn_take(fleet, op)) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&fleet->flying, q);
        op->flying = 1;
    }
}


/* a posted event, and the end of a pause */

void
ngx_http_weir_fleet_txn_start(ngx_event_t *ev)
{
    ngx_http_weir_fleet_t  *fleet = ev->data;

    if (fleet->state == NGX_HTTP_WEIR_FLEET_PAUSED && ev == &fleet->pause) {
        fleet->state = NGX_HTTP_WEIR_FLEET_IDLE;
    }

    if (fleet->state != NGX_HTTP_WEIR_FLEET_IDLE
        || fleet->redis.state != NGX_HTTP_WEIR_REDIS_READY
        || fleet->redis.broken)
    {
        return;
    }

    weir_batch_init(&fleet->batch);

    ngx_http_weir_fleet_txn_gather(fleet, &fleet->waiting);
    ngx_http_weir_fleet_txn_gather(fleet, &fleet->owed);

    if (fleet->batch.n) {
        ngx_http_weir_fleet_txn_look(fleet);
    }
}


/* the end of a transaction, good or bad */

static void
ngx_http_weir_fleet_txn_finish(ngx_http_weir_fleet_t *fleet, ngx_int_t rc)
{
    ngx_uint_t                   i;
    ngx_queue_t                  all, *q;
    ngx_http_weir_fleet_op_t    *op;
    ngx_http_weir_fleet_item_t  *item;

    fleet->state = NGX_HTTP_WEIR_FLEET_IDLE;

    if (ngx_queue_empty(&fleet->flying)) {
        ngx_http_weir_fleet_post(fleet);
        return;
    }

    ngx_queue_init(&all);
    ngx_queue_add(&all, &fleet->flying);
    ngx_queue_init(&fleet->flying);

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);

        for (i = 0; rc == NGX_OK && op->rc == NGX_BUSY && i < op->n; i++) {
            item = &op->items[i];

            if (item->known && !item->dry_run && !item->verdict.allowed) {
                ngx_http_weir_fleet_remember(fleet, item);
            }
        }

        ngx_http_weir_fleet_finish(op, rc == NGX_OK ? op->rc : rc);
    }

    ngx_http_weir_fleet_post(fleet);
}


/* Nothing was done: all as before, but for those who left. */

static void
ngx_http_weir_fleet_txn_again(ngx_http_weir_fleet_t *fleet)
{
    ngx_queue_t               *q;
    ngx_http_weir_fleet_op_t  *op;

    while (!ngx_queue_empty(&fleet->flying)) {
        q = ngx_queue_last(&fleet->flying);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);
        op->flying = 0;

        if (op->owed) {
            ngx_queue_insert_head(&fleet->owed, q);

        } else if (op->done) {
            ngx_queue_insert_head(&fleet->waiting, q);

        } else {
            ngx_http_weir_fleet_finish(op, NGX_ERROR);
        }
    }

    fleet->state = NGX_HTTP_WEIR_FLEET_IDLE;
}


/* Redis said no */

static void
ngx_http_weir_fleet_txn_refused(ngx_http_weir_fleet_t *fleet,
    const weir_answer_t *a)
{
    if (a->code == WEIR_ANSWER_LOST) {
        return;
    }

    if (!fleet->told) {
        fleet->told = 1;
        ngx_log_error(NGX_LOG_ERR, &fleet->redis.log, 0,
                      "weir: redis %V cannot decide on limits: \"%*s\"",
                      &fleet->redis.conf->name, a->error.len, a->error.data);
    }

    if (ngx_http_weir_answer_is(a, "READONLY")
        || ngx_http_weir_answer_is(a, "MASTERDOWN"))
    {
        ngx_http_weir_redis_drop(&fleet->redis);    /* it is a replica now */
    }
}


/* the first half */

static ngx_int_t
ngx_http_weir_fleet_txn_unit(ngx_http_weir_fleet_t *fleet, weir_answer_pt fn)
{
    if (ngx_http_weir_redis_send(&fleet->redis, &fleet->txn, fn, fleet)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    fleet->units++;

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_fleet_txn_send(ngx_http_weir_fleet_t *fleet)
{
    int64_t              now;
    unsigned             i, n;
    weir_str_t           names[WEIR_LIMITS_BATCH], name;
    weir_txn_t          *t;
    weir_batch_state_t  *s;

    t = &fleet->txn;
    n = 0;

    for (i = 0; i < fleet->batch.n; i++) {
        s = &fleet->batch.states[i];

        if (!s->slots) {
            names[n++] = (weir_str_t) { s->name, s->len };
        }
    }

    if (n) {
        weir_txn_reset(t);
        weir_txn_limits_watch(t, NGX_HTTP_WEIR_SHARD, names, n);

        if (ngx_http_weir_fleet_txn_unit(fleet, ngx_http_weir_fleet_txn_states)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    now = ngx_http_weir_now(fleet->process);

    for (i = 0; i < fleet->batch.n; i++) {
        s = &fleet->batch.states[i];

        if (!s->slots) {
            continue;
        }

        name = (weir_str_t) { s->name, s->len };

        weir_txn_reset(t);
        weir_txn_slots_watch(t, NGX_HTTP_WEIR_SHARD, name, now);

        if (ngx_http_weir_fleet_txn_unit(fleet, ngx_http_weir_fleet_txn_count)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    weir_txn_reset(t);
    weir_txn_words(t, 1, (const char *[]) { "TIME" });

    return ngx_http_weir_fleet_txn_unit(fleet, ngx_http_weir_fleet_txn_time);
}


static void
ngx_http_weir_fleet_txn_look(ngx_http_weir_fleet_t *fleet)
{
    fleet->state = NGX_HTTP_WEIR_FLEET_LOOKING;
    fleet->answer = WEIR_ANSWER_OK;
    fleet->now = 0;
    fleet->units = 0;
    fleet->cursor = 0;
    fleet->asked = ngx_current_msec;
    fleet->sent = ngx_current_msec;

    if (ngx_http_weir_fleet_txn_send(fleet) == NGX_OK) {
        ngx_http_weir_count(fleet->process, fleet_transactions);
        return;
    }

    /* no memory: what was sent is answered LOST, or nothing was */

    fleet->answer = WEIR_ANSWER_ERROR;
    ngx_http_weir_redis_drop(&fleet->redis);

    if (fleet->units == 0) {
        ngx_http_weir_fleet_txn_finish(fleet, NGX_ERROR);
    }
}


/* its answers; the last one leads on */

static void
ngx_http_weir_fleet_txn_answered(ngx_http_weir_fleet_t *fleet,
    const weir_answer_t *a)
{
    if (a->code != WEIR_ANSWER_OK && fleet->answer == WEIR_ANSWER_OK) {
        fleet->answer = a->code;
        ngx_http_weir_fleet_txn_refused(fleet, a);
    }

    if (--fleet->units) {
        return;
    }

    if (fleet->process->exiting) {
        return;
    }

    if (fleet->answer == WEIR_ANSWER_OK) {
        ngx_http_weir_fleet_txn_commit(fleet);

    } else if (fleet->answer == WEIR_ANSWER_LOST) {
        ngx_http_weir_fleet_txn_again(fleet);

    } else {
        ngx_http_weir_fleet_txn_finish(fleet, NGX_ERROR);
    }
}


static void
ngx_http_weir_fleet_txn_states(void *data, const weir_answer_t *a)
{
    unsigned                i, n;
    ngx_http_weir_fleet_t  *fleet = data;

    for (i = 0, n = 0; i < fleet->batch.n; i++) {
        if (!fleet->batch.states[i].slots) {
            (void) weir_txn_limits_read(a, n++, &fleet->batch.states[i].state);
        }
    }

    ngx_http_weir_fleet_txn_answered(fleet, a);
}


static void
ngx_http_weir_fleet_txn_count(void *data, const weir_answer_t *a)
{
    weir_answer_t           fine;
    weir_batch_state_t     *s;
    ngx_http_weir_fleet_t  *fleet = data;

    while (!fleet->batch.states[fleet->cursor].slots) {
        fleet->cursor++;
    }

    s = &fleet->batch.states[fleet->cursor++];

    if (a->code != WEIR_ANSWER_ERROR) {
        s->state.level = weir_reply_int(a->reply) * WEIR_LIMIT_MICRO;
        ngx_http_weir_fleet_txn_answered(fleet, a);
        return;
    }

    /* one that is no set spoils only what asks for it */

    s->bad = true;
    fine = *a;
    fine.code = WEIR_ANSWER_OK;
    ngx_http_weir_fleet_txn_refused(fleet, a);
    ngx_http_weir_fleet_txn_answered(fleet, &fine);
}


static void
ngx_http_weir_fleet_txn_time(void *data, const weir_answer_t *a)
{
    ngx_http_weir_fleet_t  *fleet = data;

    fleet->now = weir_reply_int(weir_reply_at(a->reply, 0)) * 1000000
                 + weir_reply_int(weir_reply_at(a->reply, 1));

    ngx_http_weir_fleet_txn_answered(fleet, a);
}


/* the second half */

static void
ngx_http_weir_fleet_txn_commit(ngx_http_weir_fleet_t *fleet)
{
    weir_txn_t  *t;

    t = &fleet->txn;
    weir_txn_reset(t);
    weir_txn_limits_begin(t);

    if (ngx_http_weir_fleet_decide(fleet, t) == 0) {

        /* refusals only: nothing is written, and nothing watched any more */

        weir_txn_reset(t);
        weir_txn_unwatch(t);
        (void) ngx_http_weir_redis_send(&fleet->redis, t,
                                        ngx_http_weir_fleet_pong, NULL);

        fleet->aborts = 0;
        ngx_http_weir_fleet_txn_finish(fleet, NGX_OK);
        return;
    }

    weir_txn_limits_end(t);

    fleet->state = NGX_HTTP_WEIR_FLEET_COMMITTING;
    fleet->sent = ngx_current_msec;

    if (ngx_http_weir_redis_send(&fleet->redis, t,
                                 ngx_http_weir_fleet_txn_done, fleet)
        != NGX_OK)
    {
        ngx_http_weir_redis_drop(&fleet->redis);        /* it watches still */
        ngx_http_weir_fleet_txn_finish(fleet, NGX_ERROR);
    }
}


static void
ngx_http_weir_fleet_txn_aborted(ngx_http_weir_fleet_t *fleet)
{
    ngx_uint_t  ms;

    ngx_http_weir_count(fleet->process, fleet_aborted);
    ngx_http_weir_fleet_txn_again(fleet);

    if (++fleet->aborts < NGX_HTTP_WEIR_FLEET_PATIENCE) {
        ngx_http_weir_fleet_post(fleet);
        return;
    }

    /* somebody else is always faster: out of step with them */

    ms = 1u << ngx_min(fleet->aborts - NGX_HTTP_WEIR_FLEET_PATIENCE, 4);

    fleet->state = NGX_HTTP_WEIR_FLEET_PAUSED;
    ngx_add_timer(&fleet->pause, 1 + (ngx_msec_t) ngx_random() % ms);
}


static void
ngx_http_weir_fleet_txn_done(void *data, const weir_answer_t *a)
{
    ngx_http_weir_fleet_t  *fleet = data;

    if (fleet->process->exiting) {
        return;
    }

    if (a->code == WEIR_ANSWER_ABORTED) {
        ngx_http_weir_fleet_txn_aborted(fleet);
        return;
    }

    fleet->aborts = 0;

    if (a->code == WEIR_ANSWER_OK) {
        fleet->told = 0;
        ngx_http_weir_fleet_txn_finish(fleet, NGX_OK);
        return;
    }

    ngx_http_weir_fleet_txn_refused(fleet, a);
    ngx_http_weir_fleet_txn_finish(fleet, NGX_ERROR);
}
