/*
 * Limits over the fleet: what waits for a decision, and the connection on
 * which it is made.  Owns ngx_http_weir_fleet_t and its queues; what happens
 * between the reading of states and EXEC is in ngx_http_weir_fleet_txn.c.
 *
 * An ask is never waited for longer than the timeout of weir_redis.  If Redis
 * does not answer in that time the connection is dropped, and until there is a
 * new one everybody is told at once that nothing is decided.
 */

#include "ngx_http_weir_fleet_part.h"


#define NGX_HTTP_WEIR_FLEET_OWED   4096         /* given back, not yet told */
#define NGX_HTTP_WEIR_FLEET_RENEW  6            /* ticks: 3 s */
#define NGX_HTTP_WEIR_FLEET_PING   10


static void ngx_http_weir_fleet_greet(ngx_http_weir_redis_t *redis,
    weir_txn_t *t);
static void ngx_http_weir_fleet_ready(ngx_http_weir_redis_t *redis,
    const weir_answer_t *a);
static void ngx_http_weir_fleet_down(ngx_http_weir_redis_t *redis);
static void ngx_http_weir_fleet_overdue(ngx_event_t *ev);


ngx_int_t
ngx_http_weir_fleet_init(ngx_http_weir_process_t *p)
{
    ngx_http_weir_fleet_t  *fleet;

    if (!p->conf->fleet) {
        return NGX_OK;
    }

    fleet = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_http_weir_fleet_t));
    if (fleet == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&fleet->waiting);
    ngx_queue_init(&fleet->flying);
    ngx_queue_init(&fleet->owed);
    ngx_queue_init(&fleet->slots);
    weir_txn_init(&fleet->txn);

    fleet->process = p;

    fleet->redis.conf = &p->conf->redis;
    fleet->redis.role = "limits";
    fleet->redis.data = fleet;
    fleet->redis.greet = ngx_http_weir_fleet_greet;
    fleet->redis.on_ready = ngx_http_weir_fleet_ready;
    fleet->redis.on_down = ngx_http_weir_fleet_down;

    fleet->start.handler = ngx_http_weir_fleet_txn_start;
    fleet->start.data = fleet;
    fleet->start.log = &fleet->redis.log;

    fleet->timer.handler = ngx_http_weir_fleet_overdue;
    fleet->timer.data = fleet;
    fleet->timer.log = &fleet->redis.log;

    fleet->pause.handler = ngx_http_weir_fleet_txn_start;
    fleet->pause.data = fleet;
    fleet->pause.log = &fleet->redis.log;

    if (ngx_http_weir_fleet_memory_init(fleet) != NGX_OK
        || ngx_http_weir_sync_init(fleet) != NGX_OK
        || ngx_http_weir_redis_init(&fleet->redis, ngx_cycle->log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p->fleet = fleet;

    return NGX_OK;
}


static void
ngx_http_weir_fleet_clear(ngx_queue_t *queue)
{
    ngx_queue_t               *q;
    ngx_http_weir_fleet_op_t  *op;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);

        ngx_queue_remove(q);
        ngx_http_weir_fleet_finish(op, NGX_ERROR);
    }
}


/* The process ends: the handlers of requests are called no more. */

void
ngx_http_weir_fleet_exit(ngx_http_weir_process_t *p)
{
    ngx_http_weir_fleet_t  *fleet;

    fleet = p->fleet;

    if (fleet == NULL) {
        return;
    }

    fleet->redis.on_down = NULL;
    ngx_http_weir_redis_destroy(&fleet->redis);

    ngx_http_weir_fleet_clear(&fleet->flying);
    ngx_http_weir_fleet_clear(&fleet->waiting);
    ngx_http_weir_fleet_clear(&fleet->owed);

    if (fleet->timer.timer_set) {
        ngx_del_timer(&fleet->timer);
    }

    if (fleet->pause.timer_set) {
        ngx_del_timer(&fleet->pause);
    }

    if (fleet->start.posted) {
        ngx_delete_posted_event(&fleet->start);
    }

    ngx_http_weir_fleet_slots_free(fleet);
    ngx_http_weir_fleet_memory_free(fleet);
    ngx_http_weir_sync_free(fleet);
    weir_txn_free(&fleet->txn);

    p->fleet = NULL;
}


void
ngx_http_weir_fleet_pong(void *data, const weir_answer_t *a)
{
    /* that it came in time is all that matters: ngx_http_weir_redis_check();
     * what gets lost is covered by a lease, or done some time anyway */
}


void
ngx_http_weir_fleet_tick(ngx_http_weir_process_t *p)
{
    ngx_http_weir_fleet_t  *fleet;

    fleet = p->fleet;

    if (fleet == NULL) {
        return;
    }

    fleet->ticks++;

    if (ngx_http_weir_redis_check(&fleet->redis)) {
        ngx_http_weir_count(p, redis_timeouts);
        fleet->silent = 1;
    }

    if (fleet->ticks % NGX_HTTP_WEIR_FLEET_RENEW == 0) {
        ngx_http_weir_fleet_slots_renew(fleet);
    }

    /* while nothing is asked, a dead connection is found before it is needed */

    if (fleet->ticks % NGX_HTTP_WEIR_FLEET_PING == 0
        && fleet->state == NGX_HTTP_WEIR_FLEET_IDLE)
    {
        weir_txn_reset(&fleet->txn);
        weir_txn_words(&fleet->txn, 1, (const char *[]) { "PING" });
        (void) ngx_http_weir_redis_send(&fleet->redis, &fleet->txn,
                                        ngx_http_weir_fleet_pong, NULL);
    }

    ngx_http_weir_sync_again(fleet);
    ngx_http_weir_fleet_post(fleet);
}


/* the connection */

static void
ngx_http_weir_fleet_greet(ngx_http_weir_redis_t *redis, weir_txn_t *t)
{
    /* PING is refused while Redis loads */

    weir_txn_words(t, 1, (const char *[]) { "PING" });
}


static void
ngx_http_weir_fleet_ready(ngx_http_weir_redis_t *redis, const weir_answer_t *a)
{
    ngx_http_weir_fleet_t  *fleet = redis->data;

    ngx_http_weir_count(fleet->process, redis_connects);
    ngx_http_weir_fleet_gauge(fleet).fleet_ready = 1;

    fleet->silent = 0;
    ngx_http_weir_sync_again(fleet);
    ngx_http_weir_fleet_post(fleet);
}


static void
ngx_http_weir_fleet_give_up(ngx_http_weir_fleet_t *fleet)
{
    ngx_queue_t  all;

    if (ngx_http_weir_fleet_usable(fleet)
        || ngx_queue_empty(&fleet->waiting))
    {
        return;
    }

    ngx_queue_init(&all);
    ngx_queue_add(&all, &fleet->waiting);
    ngx_queue_init(&fleet->waiting);

    ngx_http_weir_fleet_clear(&all);
}


static void
ngx_http_weir_fleet_down(ngx_http_weir_redis_t *redis)
{
    ngx_http_weir_fleet_t  *fleet = redis->data;

    ngx_http_weir_count(fleet->process, redis_failures);
    ngx_http_weir_fleet_gauge(fleet).fleet_ready = 0;

    ngx_http_weir_fleet_give_up(fleet);
}


/* Is there any use in waiting?  Also for a connection that was just lost, or
 * not made yet, but not for one that failed. */

ngx_uint_t
ngx_http_weir_fleet_usable(ngx_http_weir_fleet_t *fleet)
{
    if (fleet->silent) {
        return 0;
    }

    return fleet->redis.state == NGX_HTTP_WEIR_REDIS_READY
           || ngx_http_weir_redis_hopeful(&fleet->redis);
}


/* Whatever asks during one turn of the loop shares a transaction. */

void
ngx_http_weir_fleet_post(ngx_http_weir_fleet_t *fleet)
{
    if (fleet->state == NGX_HTTP_WEIR_FLEET_IDLE && !fleet->start.posted
        && (!ngx_queue_empty(&fleet->waiting)
            || !ngx_queue_empty(&fleet->owed)))
    {
        ngx_post_event(&fleet->start, &ngx_posted_events);
    }
}


/* ops */

static void
ngx_http_weir_fleet_waits(ngx_http_weir_fleet_t *fleet, ngx_int_t more)
{
    fleet->nwaiting += more;
    ngx_http_weir_fleet_gauge(fleet).fleet_waiting = fleet->nwaiting;
}


void
ngx_http_weir_fleet_queue(ngx_http_weir_fleet_op_t *op)
{
    ngx_msec_t              timeout;
    ngx_http_weir_fleet_t  *fleet;

    fleet = op->fleet;
    timeout = fleet->redis.conf->timeout;

    op->deadline = ngx_current_msec + timeout;
    ngx_queue_insert_tail(&fleet->waiting, &op->queue);
    ngx_http_weir_fleet_waits(fleet, 1);

    /* else it is set for somebody who came before */

    if (!fleet->timer.timer_set) {
        ngx_add_timer(&fleet->timer, timeout);
    }

    ngx_http_weir_fleet_post(fleet);
}


/* Nobody waits for what is owed; it has its time when there is room. */

ngx_int_t
ngx_http_weir_fleet_owe(ngx_http_weir_fleet_op_t *op)
{
    ngx_http_weir_fleet_t  *fleet;

    fleet = op->fleet;

    if (fleet->nowed >= NGX_HTTP_WEIR_FLEET_OWED) {
        return NGX_BUSY;
    }

    op->owed = 1;
    ngx_queue_insert_tail(&fleet->owed, &op->queue);
    fleet->nowed++;

    ngx_http_weir_fleet_post(fleet);

    return NGX_OK;
}


/* op is in no queue, and then it is no more */

void
ngx_http_weir_fleet_finish(ngx_http_weir_fleet_op_t *op, ngx_int_t rc)
{
    if (op->owed) {
        op->fleet->nowed--;

    } else {
        ngx_http_weir_fleet_waits(op->fleet, -1);
    }

    if (op->done) {
        op->done(op, rc);

    } else if (rc == NGX_OK && !op->charge) {
        ngx_http_weir_fleet_orphan(op);
    }

    ngx_http_weir_fleet_slots_drop(op);
    ngx_free(op);
}


/* deadlines */

static ngx_uint_t
ngx_http_weir_fleet_is_overdue(ngx_http_weir_fleet_op_t *op)
{
    return !op->owed
           && (ngx_msec_int_t) (op->deadline - ngx_current_msec) <= 0;
}


/* Answers those who have waited for long enough, and says how many.  An ask
 * that is part of the transaction stays there without anybody who waits for
 * it; what is only charged has time, since it must not be charged twice. */

static ngx_uint_t
ngx_http_weir_fleet_expire(ngx_http_weir_fleet_t *fleet)
{
    ngx_uint_t                    n;
    ngx_queue_t                  *q, late;
    ngx_http_weir_fleet_op_t     *op;
    ngx_http_weir_fleet_done_pt   done;

    n = 0;
    ngx_queue_init(&late);

    while (!ngx_queue_empty(&fleet->waiting)) {
        q = ngx_queue_head(&fleet->waiting);
        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);

        if (!ngx_http_weir_fleet_is_overdue(op)) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&late, q);
        n++;
    }

    for (q = ngx_queue_head(&fleet->flying);
         q != ngx_queue_sentinel(&fleet->flying);
         q = ngx_queue_next(q))
    {
        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);

        if (op->done && !op->charge && ngx_http_weir_fleet_is_overdue(op)) {
            done = op->done;
            op->done = NULL;
            done(op, NGX_ERROR);
            n++;
        }
    }

    ngx_http_weir_fleet_clear(&late);

    return n;
}


static ngx_uint_t
ngx_http_weir_fleet_under_way(ngx_http_weir_fleet_t *fleet)
{
    return fleet->state == NGX_HTTP_WEIR_FLEET_LOOKING
           || fleet->state == NGX_HTTP_WEIR_FLEET_COMMITTING;
}


/* of the oldest that waits, or of what is under way */

static void
ngx_http_weir_fleet_arm(ngx_http_weir_fleet_t *fleet)
{
    ngx_queue_t               *q;
    ngx_msec_int_t             left;
    ngx_http_weir_fleet_op_t  *op;

    left = (ngx_msec_int_t) fleet->redis.conf->timeout;

    if (!ngx_queue_empty(&fleet->waiting)) {
        q = ngx_queue_head(&fleet->waiting);
        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);
        left = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

    } else if (!ngx_http_weir_fleet_under_way(fleet)) {
        return;
    }

    for (q = ngx_queue_head(&fleet->flying);
         q != ngx_queue_sentinel(&fleet->flying);
         q = ngx_queue_next(q))
    {
        op = ngx_queue_data(q, ngx_http_weir_fleet_op_t, queue);

        if (op->done && !op->charge) {
            left = ngx_min(left, (ngx_msec_int_t) (op->deadline
                                                   - ngx_current_msec));
            break;
        }
    }

    ngx_add_timer(&fleet->timer, (ngx_msec_t) ngx_max(left, 1));
}


static void
ngx_http_weir_fleet_overdue(ngx_event_t *ev)
{
    ngx_uint_t              late;
    ngx_msec_t              timeout, waited;
    ngx_http_weir_fleet_t  *fleet = ev->data;

    timeout = fleet->redis.conf->timeout;
    late = ngx_http_weir_fleet_expire(fleet);

    if (ngx_http_weir_fleet_under_way(fleet)) {
        waited = ngx_current_msec - fleet->sent;

        /* who is late because others were faster all the time is no reason */

        if (waited >= timeout || (late && waited >= timeout / 2)) {
            ngx_log_error(NGX_LOG_ERR, &fleet->redis.log, NGX_ETIMEDOUT,
                          "weir: no answer from redis %V in time (%s)",
                          &fleet->redis.conf->name, fleet->redis.role);

            ngx_http_weir_count(fleet->process, redis_timeouts);

            fleet->silent = 1;
            ngx_http_weir_redis_drop(&fleet->redis);
        }

    } else if (late && fleet->redis.state != NGX_HTTP_WEIR_REDIS_READY) {
        fleet->silent = 1;
        ngx_http_weir_fleet_give_up(fleet);
    }

    ngx_http_weir_fleet_arm(fleet);
}
