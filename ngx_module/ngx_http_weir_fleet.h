/*
 * Limits over the fleet: decisions that all edges of one Redis make together.
 * Exact: each is made under WATCH, in transactions that many share.  Asks from
 * an event handler, answers from another one; knows no request.
 */

#ifndef NGX_HTTP_WEIR_FLEET_H
#define NGX_HTTP_WEIR_FLEET_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "weir_txn_limit.h"


typedef struct ngx_http_weir_fleet_s      ngx_http_weir_fleet_t;
typedef struct ngx_http_weir_fleet_op_s   ngx_http_weir_fleet_op_t;
typedef struct ngx_http_weir_fleet_ask_s  ngx_http_weir_fleet_ask_t;
typedef struct ngx_http_weir_fleet_slot_s ngx_http_weir_fleet_slot_t;

struct ngx_http_weir_process_s;


#define NGX_HTTP_WEIR_FLEET_ITEMS  32           /* in one ask */


/* one limit of an ask */

typedef struct {
    weir_unit_e                  unit;
    weir_limit_t                 limit;         /* not "unlimited" */
    char                         name[WEIR_LIMIT_KEY_MAX + 1];
    int64_t                      cost;

    /* jobs at once: who takes the place, and for how long; of requests at once
     * the engine knows both */
    char                         member[WEIR_ID_LEN + 1];
    int64_t                      lease;         /* ms */

    /* What is charged stays charged, whatever becomes of the request: so a
     * refusal may be remembered.  Rates and quotas of requests only. */
    unsigned                     final:1;

    /* It refuses nobody: charged alone, if the others were and it can be. */
    unsigned                     dry_run:1;

    /* answer: verdict (as of after the charge, if it was made) and at (for
     * giving back) are valid if "known"; charged: it was, give it back */
    unsigned                     known:1;
    unsigned                     charged:1;
    weir_limit_verdict_t         verdict;
    weir_limit_state_t           state;         /* as it is now */
    int64_t                      at;            /* us: state's, once charged */
    int64_t                      now;           /* us: Redis's clock */
    ngx_http_weir_fleet_slot_t  *slot;          /* requests at once: leave! */
    int                          index;         /* the engine's */
} ngx_http_weir_fleet_item_t;


/*
 * All or nothing.  The names of an ask, from 1 to 32, differ.  With a hold,
 * whose charges are made here: items of tokens, cost and jobs are reserved in
 * it, by the decision itself.
 *
 * The ask and its items belong to the caller until the handler was called, or
 * _cancel().  The handler may destroy the ask:
 *     NGX_OK     all were charged
 *     NGX_BUSY   none was, the verdicts say which ones refused
 *     NGX_ERROR  undecided: "on_error".  If an answer got lost, they may have
 *                been charged nevertheless
 */
struct ngx_http_weir_fleet_ask_s {
    ngx_http_weir_fleet_item_t  *items;
    ngx_uint_t                   n;
    const weir_hold_t           *hold;          /* shard, run, owner, by; or
                                                   NULL */
    void                       (*handler)(ngx_http_weir_fleet_ask_t *ask,
                                          ngx_int_t rc);
    void                        *data;
    ngx_http_weir_fleet_op_t    *op;            /* the engine's; NULL: idle */
};


/* NGX_AGAIN: the handler will be called, never before this returns.  NGX_BUSY
 * and NGX_ERROR at once: as above, and it will not be. */
ngx_int_t ngx_http_weir_fleet_ask(struct ngx_http_weir_process_s *p,
    ngx_http_weir_fleet_ask_t *ask);

/* Has Redis refused that name since the request was there, so that it would
 * have refused this as well?  Then verdict and state are set as by an answer.
 * Nothing is asked, or charged. */
ngx_uint_t ngx_http_weir_fleet_refused_since(struct ngx_http_weir_process_s *p,
    ngx_http_weir_fleet_item_t *item, ngx_msec_t since);

/* The request is gone: what is charged all the same is given back, unless it is
 * final.  Harmless if the ask is idle. */
void ngx_http_weir_fleet_cancel(ngx_http_weir_fleet_ask_t *ask);

/* What an ask charged is not needed after all: items that say "charged", the
 * others are passed over.  What is in a hold is settled instead, see
 * weir_txn_settle_at().  Nobody waits. */
void ngx_http_weir_fleet_give_back(struct ngx_http_weir_process_s *p,
    ngx_http_weir_fleet_item_t *items, ngx_uint_t n);

/* The request that held item->slot has ended; clears the pointer. */
void ngx_http_weir_fleet_leave(struct ngx_http_weir_process_s *p,
    ngx_http_weir_fleet_slot_t **slot);


/* the process's; without a limit over the fleet there is no connection */
ngx_int_t ngx_http_weir_fleet_init(struct ngx_http_weir_process_s *p);
void ngx_http_weir_fleet_exit(struct ngx_http_weir_process_s *p);
void ngx_http_weir_fleet_tick(struct ngx_http_weir_process_s *p);


#endif /* NGX_HTTP_WEIR_FLEET_H */
