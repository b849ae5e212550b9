/*
 * What the files of the fleet share; nobody else includes it.
 */

#ifndef NGX_HTTP_WEIR_FLEET_PART_H
#define NGX_HTTP_WEIR_FLEET_PART_H


#include "ngx_http_weir_module.h"
#include "ngx_http_weir_fleet.h"
#include "weir_batch.h"


#define NGX_HTTP_WEIR_SHARD        0        /* where all limits lie */
#define NGX_HTTP_WEIR_FLEET_LEASE  10000    /* ms, of a request at once */


typedef void (*ngx_http_weir_fleet_done_pt)(ngx_http_weir_fleet_op_t *op,
    ngx_int_t rc);


/*
 * What is to be done to some states: decided, or only charged.  State is
 * location: an op is in one of the three queues of the fleet, or just being
 * answered.
 */
struct ngx_http_weir_fleet_op_s {
    ngx_queue_t                  queue;
    ngx_http_weir_fleet_t       *fleet;
    ngx_msec_t                   deadline;
    ngx_http_weir_fleet_done_pt  done;      /* NULL: nobody waits any more */
    void                        *data;
    ngx_int_t                    rc;        /* as decided in the batch */

    weir_hold_t                  hold;
    char                         run[WEIR_ID_LEN + 1];
    char                         owner[WEIR_OWNER_MAX + 1];

    unsigned                     held:1;    /* hold is one */
    unsigned                     charge:1;  /* without asking */
    unsigned                     owed:1;    /* no deadline, nobody waits */
    unsigned                     flying:1;  /* it is in the transaction */

    ngx_uint_t                   n;
    ngx_http_weir_fleet_item_t   items[];
};


typedef enum {
    NGX_HTTP_WEIR_FLEET_IDLE = 0,
    NGX_HTTP_WEIR_FLEET_LOOKING,            /* the states are read */
    NGX_HTTP_WEIR_FLEET_COMMITTING,         /* EXEC is under way */
    NGX_HTTP_WEIR_FLEET_PAUSED              /* another edge goes first */
} ngx_http_weir_fleet_e;

typedef struct ngx_http_weir_memory_s  ngx_http_weir_memory_t;
typedef struct ngx_http_weir_failed_s  ngx_http_weir_failed_t;

struct ngx_http_weir_fleet_s {
    ngx_http_weir_process_t     *process;
    ngx_http_weir_redis_t        redis;

    ngx_queue_t                  waiting;   /* in the order of deadlines */
    ngx_queue_t                  flying;    /* likewise, then what is owed */
    ngx_queue_t                  owed;      /* given back */
    ngx_uint_t                   nwaiting;  /* in the first two */
    ngx_uint_t                   nowed;

    ngx_http_weir_fleet_e        state;
    weir_batch_t                 batch;
    weir_answer_e                answer;    /* of the look; not OK: the first
                                               that was not */
    ngx_uint_t                   units;     /* of the look, still unanswered */
    ngx_uint_t                   cursor;    /* the set counted next */
    ngx_uint_t                   aborts;    /* in a row */
    ngx_msec_t                   asked;     /* when: the look */
    ngx_msec_t                   sent;      /* and the half under way */
    int64_t                      now;       /* us, Redis's clock, likewise */
    weir_txn_t                   txn;       /* scratch */

    ngx_event_t                  start;     /* posted: there is work */
    ngx_event_t                  timer;     /* of the first deadline */
    ngx_event_t                  pause;

    ngx_queue_t                  slots;     /* requests at once, held now */
    ngx_uint_t                   nslots;
    ngx_uint_t                   ticks;
    ngx_http_weir_memory_t      *memory;
    ngx_http_weir_failed_t      *failed;    /* tellings */

    unsigned                     silent:1;  /* it did not answer in time: not
                                               waited for until it is ready */
    unsigned                     told:1;    /* of an error, in the log */
};


/* A place that a request holds: of the engine until the decision, then of the
 * request, and renewed meanwhile. */
struct ngx_http_weir_fleet_slot_s {
    ngx_queue_t                  queue;     /* once it is held */
    char                         name[WEIR_LIMIT_KEY_MAX + 1];
    char                         member[WEIR_ID_LEN + 1];
    unsigned                     held:1;
};


#define ngx_http_weir_fleet_at_once(item)                                     \
    ((item)->limit.form == WEIR_LIMIT_AT_ONCE)

#define ngx_http_weir_fleet_gauge(fleet)                                      \
    ((fleet)->process->conf->counters->slots[ngx_process_slot])


/* fleet: connection, queues, deadlines */
ngx_uint_t ngx_http_weir_fleet_usable(ngx_http_weir_fleet_t *fleet);
void ngx_http_weir_fleet_post(ngx_http_weir_fleet_t *fleet);
void ngx_http_weir_fleet_queue(ngx_http_weir_fleet_op_t *op);
ngx_int_t ngx_http_weir_fleet_owe(ngx_http_weir_fleet_op_t *op);
void ngx_http_weir_fleet_finish(ngx_http_weir_fleet_op_t *op, ngx_int_t rc);

/* for what is sent without a need to know what became of it */
void ngx_http_weir_fleet_pong(void *data, const weir_answer_t *a);

/* fleet_ask: what is asked, and what becomes of it */
void ngx_http_weir_fleet_orphan(ngx_http_weir_fleet_op_t *op);

/* Charges whatever the state is; NGX_AGAIN: done will be called, not before
 * this returns.  NGX_ERROR: Redis is not to be had. */
ngx_int_t ngx_http_weir_fleet_tell(ngx_http_weir_fleet_t *fleet,
    const ngx_http_weir_fleet_item_t *item, ngx_http_weir_fleet_done_pt done,
    void *data);

/* fleet_txn: one batch after the other */
void ngx_http_weir_fleet_txn_start(ngx_event_t *ev);

/* fleet_decide: what becomes of it; returns how much is to be written */
ngx_uint_t ngx_http_weir_fleet_decide(ngx_http_weir_fleet_t *fleet,
    weir_txn_t *t);

/* fleet_memory: keys that were refused */
ngx_int_t ngx_http_weir_fleet_memory_init(ngx_http_weir_fleet_t *fleet);
void ngx_http_weir_fleet_memory_free(ngx_http_weir_fleet_t *fleet);
void ngx_http_weir_fleet_remember(ngx_http_weir_fleet_t *fleet,
    const ngx_http_weir_fleet_item_t *item);
ngx_uint_t ngx_http_weir_fleet_remembers(ngx_http_weir_fleet_t *fleet,
    ngx_http_weir_fleet_item_t *item);

/* fleet_slots: requests at once */
ngx_int_t ngx_http_weir_fleet_slots_draw(ngx_http_weir_fleet_op_t *op);
void ngx_http_weir_fleet_slots_hold(ngx_http_weir_fleet_op_t *op);
void ngx_http_weir_fleet_slots_drop(ngx_http_weir_fleet_op_t *op);
void ngx_http_weir_fleet_slots_renew(ngx_http_weir_fleet_t *fleet);
void ngx_http_weir_fleet_slots_free(ngx_http_weir_fleet_t *fleet);

/* sync: tellings that failed */
ngx_int_t ngx_http_weir_sync_init(ngx_http_weir_fleet_t *fleet);
void ngx_http_weir_sync_free(ngx_http_weir_fleet_t *fleet);
void ngx_http_weir_sync_again(ngx_http_weir_fleet_t *fleet);


#endif /* NGX_HTTP_WEIR_FLEET_PART_H */
