/*
 * Deadlines in a binary heap.  The clock is the caller's: time is an
 * argument, in nanoseconds, and the heap never asks for it.
 */

#ifndef MOCK_TIMER_H
#define MOCK_TIMER_H


#include <stddef.h>
#include <stdint.h>


struct mock_timer {
    uint64_t   due;             /* ns */
    size_t     slot;            /* 1.. in the heap; 0: not set */
    void     (*handler)(struct mock_timer *timer);
};

struct mock_timers {
    struct mock_timer  **heap;  /* slots 1..used */
    size_t               used;
    size_t               size;
};


/* The timer's memory is the caller's, who clears it before it is freed. */
void mock_timer_set(struct mock_timers *timers, struct mock_timer *timer,
    uint64_t due);
void mock_timer_clear(struct mock_timers *timers, struct mock_timer *timer);

/* The earliest deadline, or UINT64_MAX. */
uint64_t mock_timers_next(const struct mock_timers *timers);

/* Calls the handler of each timer due at "now", unset before. */
void mock_timers_run(struct mock_timers *timers, uint64_t now);

void mock_timers_free(struct mock_timers *timers);


#endif /* MOCK_TIMER_H */
