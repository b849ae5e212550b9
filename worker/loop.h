/*
 * The event loop of a runner: libuv's, with one heap of deadlines and with
 * work that is done once at the end of each turn (flushing what the turn
 * wrote, recycling what it freed).
 */

#ifndef LOOP_H
#define LOOP_H


#include <uv.h>

#include "heap.h"


typedef struct loop_s  loop_t;
typedef void (*loop_pt)(void *data);


/* A deadline, inside its owner; fn runs from the loop, never from within
 * loop_timer_set().  Zeroed with fn and data set: idle. */

typedef struct {
    heap_node_t   node;
    loop_pt       fn;
    void         *data;
} loop_timer_t;


/* Work at the end of each turn, in the order of adding. */

typedef struct loop_turn_s  loop_turn_t;

struct loop_turn_s {
    loop_turn_t  *next;
    loop_pt       fn;
    void         *data;
};


loop_t *loop_create(void);

/* All handles must have been closed; they are waited for. */
void loop_destroy(loop_t **loop);

uv_loop_t *loop_uv(loop_t *loop);

/* Monotonic ms, read once per turn. */
uint64_t loop_now(const loop_t *loop);

/* The same, read now. */
uint64_t loop_clock(void);

/* Fires once, in ms from now; a second call moves it. */
void loop_timer_set(loop_t *loop, loop_timer_t *timer, uint64_t ms);
void loop_timer_stop(loop_t *loop, loop_timer_t *timer);

void loop_turn_add(loop_t *loop, loop_turn_t *turn);
void loop_turn_remove(loop_t *loop, loop_turn_t *turn);

/* Until loop_stop(). */
void loop_run(loop_t *loop);
void loop_stop(loop_t *loop);


#endif /* LOOP_H */
