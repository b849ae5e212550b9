/*
 * The event loop.  Owns libuv's loop, one timer for all deadlines and the list
 * of duties at the end of a turn.  Knows nothing of what they do.
 *
 * A turn ends in the prepare phase, right before libuv waits: callbacks of
 * sockets, of closed handles and of timers have all run by then.
 */

#include "loop.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"


struct loop_s {
    uv_loop_t      uv;
    uv_timer_t     timer;
    uv_prepare_t   prepare;
    heap_t         heap;
    loop_turn_t   *turns;
    uint64_t       armed;       /* what the timer is set to; UINT64_MAX: not */
};


static void
loop_on_timer(uv_timer_t *handle)
{
    loop_t        *loop;
    size_t         left;
    uint64_t       now;
    heap_node_t   *node;
    loop_timer_t  *timer;

    loop = handle->data;
    loop->armed = UINT64_MAX;
    now = loop_now(loop);

    /* bounded: a callback may set a deadline that is due at once */

    for (left = loop->heap.count; left > 0; left--) {
        node = heap_first(&loop->heap);

        if (node == NULL || node->at > now) {
            break;
        }

        heap_remove(&loop->heap, node);

        timer = (loop_timer_t *) node;      /* its first member */
        timer->fn(timer->data);
    }
}


static void
loop_on_prepare(uv_prepare_t *handle)
{
    loop_t       *loop;
    uint64_t      now;
    heap_node_t  *node;
    loop_turn_t  *turn, *next;

    loop = handle->data;

    for (turn = loop->turns; turn; turn = next) {
        next = turn->next;
        turn->fn(turn->data);
    }

    node = heap_first(&loop->heap);

    if (node == NULL) {
        uv_timer_stop(&loop->timer);
        loop->armed = UINT64_MAX;
        return;
    }

    if (node->at != loop->armed) {
        now = loop_now(loop);
        loop->armed = node->at;
        uv_timer_start(&loop->timer, loop_on_timer,
                       node->at > now ? node->at - now : 0, 0);
    }
}


loop_t *
loop_create(void)
{
    loop_t  *loop;

    loop = mem_alloc(sizeof(loop_t));
    loop->armed = UINT64_MAX;

    mem_check(uv_loop_init(&loop->uv) != 0);

    uv_timer_init(&loop->uv, &loop->timer);
    loop->timer.data = loop;

    uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, loop_on_prepare);

    return loop;
}


void
loop_destroy(loop_t **loopp)
{
    int      rc;
    loop_t  *loop;

    loop = *loopp;
    *loopp = NULL;

    uv_close((uv_handle_t *) &loop->timer, NULL);
    uv_close((uv_handle_t *) &loop->prepare, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);

    rc = uv_loop_close(&loop->uv);
    assert(rc == 0);
    (void) rc;

    heap_free(&loop->heap);
    free(loop);
}


uv_loop_t *
loop_uv(loop_t *loop)
{
    return &loop->uv;
}


uint64_t
loop_now(const loop_t *loop)
{
    return uv_now(&loop->uv);
}


uint64_t
loop_clock(void)
{
    return uv_hrtime() / 1000000;
}


void
loop_timer_set(loop_t *loop, loop_timer_t *timer, uint64_t ms)
{
    heap_remove(&loop->heap, &timer->node);

    timer->node.at = loop_now(loop) + ms;
    heap_add(&loop->heap, &timer->node);
}


void
loop_timer_stop(loop_t *loop, loop_timer_t *timer)
{
    heap_remove(&loop->heap, &timer->node);
}


void
loop_turn_add(loop_t *loop, loop_turn_t *turn)
{
    loop_turn_t  **p;

    for (p = &loop->turns; *p; p = &(*p)->next) { /* void */ }

    turn->next = NULL;
    *p = turn;
}


void
loop_turn_remove(loop_t *loop, loop_turn_t *turn)
{
    loop_turn_t  **p;

    for (p = &loop->turns; *p; p = &(*p)->next) {
        if (*p == turn) {
            *p = turn->next;
            return;
        }
    }
}


void
loop_run(loop_t *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}


void
loop_stop(loop_t *loop)
{
    uv_stop(&loop->uv);
}
