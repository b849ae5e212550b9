/*
 * A connection to Redis on the loop: connects, authenticates, reconnects with
 * jitter for as long as it exists, and gives units to weir_pipe.  Knows no
 * transaction.
 */

#ifndef REDIS_H
#define REDIS_H


#include "conf.h"
#include "counters.h"
#include "loop.h"
#include "weir_resp.h"


typedef struct redis_s  redis_t;


typedef struct {
    const char          *name;          /* for the log: "read", "cmd", ... */
    const conf_redis_t  *conf;
    counters_t          *counters;
    size_t               pending;       /* units at once */
    size_t               bytes;         /* of output that waits */

    /* Called when units may be sent, and when they no longer may; what was
     * pending has been answered LOST before the latter. */
    void               (*on_up)(void *data);
    void               (*on_down)(void *data);
    void                *data;
} redis_options_t;


/* Connects at once, that is, within the next turns. */
redis_t *redis_create(loop_t *loop, const redis_options_t *options);

/* Pending units are answered LOST; no on_down.  Handles close with the loop's
 * next turns. */
void redis_destroy(redis_t **redis);

/* NULL is down. */
bool redis_is_up(const redis_t *r);

/* The unit is written at the end of the turn; timeout in ms.  -1: not
 * connected, or full; fn will not be called. */
int redis_send(redis_t *r, const weir_txn_t *t, uint64_t timeout,
    weir_answer_pt fn, void *data);

size_t redis_pending(const redis_t *r);

/* Redis's number of this connection; 0: not known. */
long long redis_client_id(const redis_t *r);


#endif /* REDIS_H */
