/*
 * The heap of deadlines; see mock_timer.h.  Owns the array, never a timer.
 */

#include "mock_timer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>


static void
heap_put(struct mock_timers *timers, size_t slot, struct mock_timer *timer)
{
    timers->heap[slot] = timer;
    timer->slot = slot;
}


static void
heap_rise(struct mock_timers *timers, size_t slot, struct mock_timer *timer)
{
    while (slot > 1 && timer->due < timers->heap[slot / 2]->due) {
        heap_put(timers, slot, timers->heap[slot / 2]);
        slot /= 2;
    }

    heap_put(timers, slot, timer);
}


static void
heap_sink(struct mock_timers *timers, size_t slot, struct mock_timer *timer)
{
    size_t  child;

    for ( ;; ) {
        child = slot * 2;

        if (child > timers->used) {
            break;
        }

        if (child < timers->used
            && timers->heap[child + 1]->due < timers->heap[child]->due)
        {
            child++;
        }

        if (timer->due <= timers->heap[child]->due) {
            break;
        }

        heap_put(timers, slot, timers->heap[child]);
        slot = child;
    }

    heap_put(timers, slot, timer);
}


static void
heap_grow(struct mock_timers *timers)
{
    timers->size = timers->size ? timers->size * 2 : 64;
    timers->heap = realloc(timers->heap,
                           timers->size * sizeof(struct mock_timer *));

    if (timers->heap == NULL) {
        fputs("weir-mock-llm: out of memory\n", stderr);
        abort();
    }
}


void
mock_timer_set(struct mock_timers *timers, struct mock_timer *timer,
    uint64_t due)
{
    assert(timer->slot == 0);

    if (timers->used + 1 >= timers->size) {
        heap_grow(timers);
    }

    timer->due = due;
    timers->used++;
    heap_rise(timers, timers->used, timer);
}


void
mock_timer_clear(struct mock_timers *timers, struct mock_timer *timer)
{
    size_t              slot;
    struct mock_timer  *last;

    slot = timer->slot;
    if (slot == 0) {
        return;
    }

    timer->slot = 0;

    last = timers->heap[timers->used--];
    if (last == timer) {
        return;
    }

    /* last may belong above or below the gap */
    heap_rise(timers, slot, last);
    heap_sink(timers, last->slot, last);
}


uint64_t
mock_timers_next(const struct mock_timers *timers)
{
    return timers->used ? timers->heap[1]->due : UINT64_MAX;
}


void
mock_timers_run(struct mock_timers *timers, uint64_t now)
{
    struct mock_timer  *timer;

    while (mock_timers_next(timers) <= now) {
        timer = timers->heap[1];
        mock_timer_clear(timers, timer);
        timer->handler(timer);
    }
}


void
mock_timers_free(struct mock_timers *timers)
{
    assert(timers->used == 0);

    free(timers->heap);
    *timers = (struct mock_timers) { 0 };
}
