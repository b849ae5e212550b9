/*
 * Limits at the edge: what the directives say, and the decision about one
 * request, on this node and over the fleet.
 */

#ifndef NGX_HTTP_WEIR_LIMIT_H
#define NGX_HTTP_WEIR_LIMIT_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "weir_failure.h"
#include "weir_limit.h"

#include "ngx_http_weir_fleet.h"
#include "ngx_http_weir_table.h"


#define NGX_HTTP_WEIR_LIMIT_ZONES  64           /* bits of visit->charged */
#define NGX_HTTP_WEIR_LIMIT_RULES  32           /* of a location */
#define NGX_HTTP_WEIR_LIMIT_DELAY  86400000     /* ms, the longest */

/* us, of what is refused for ever: limits may be changed by then */
#define NGX_HTTP_WEIR_LIMIT_NEVER  86400000000LL

/* ms; the fleet's decisions have their own deadline, of 60 s at most */
#define NGX_HTTP_WEIR_LIMIT_PATIENCE  120000

struct ngx_http_weir_ctx_s;
struct ngx_http_weir_visit_s;
struct ngx_http_weir_process_s;


/* configuration */

/* how much: of everybody, of a tier, of one key */

typedef struct {
    ngx_str_t                     tier;
    weir_limit_t                  limit;
    ngx_str_t                     policy;       /* for RateLimit-Policy;
                                                   empty: made when needed */
} ngx_http_weir_limit_size_t;


/* weir_limit_zone, weir_limit_tier */

typedef struct {
    ngx_str_t                     name;
    ngx_str_t                     text;         /* of the key */
    ngx_http_complex_value_t      key;
    ngx_int_t                     variable;     /* which alone is the key; or
                                                   NGX_ERROR */
    weir_unit_e                   unit;
    ngx_http_weir_limit_size_t    size;         /* of everybody */
    ngx_array_t                   tiers;        /* ngx_http_weir_limit_size_t */
    int64_t                       sync;         /* units; 0: exact */

    ngx_uint_t                    bit;          /* of visit->charged */
    ngx_shm_zone_t               *shm_zone;     /* NULL: not declared (yet) */
    ngx_http_weir_table_t        *table;        /* of weir_limit_state_t; also
                                                   the fleet's: what the node
                                                   decides alone; of "sync=":
                                                   ngx_http_weir_sync_t */

    ngx_str_t                     file;         /* where it is used first */
    ngx_uint_t                    line;

    ngx_http_weir_node_t         *locked;       /* by the engine of "sync=" */

    unsigned                      fleet:1;
    unsigned                      at_once:1;
    unsigned                      body:1;       /* beside rules that need the
                                                   body: it may be given back */
} ngx_http_weir_limit_zone_t;


/* weir_class: any of its lines */

typedef struct {
    ngx_array_t                   models;       /* ngx_str_t; empty: any */
    int64_t                       max_tokens;   /* or more; -1: any */
} ngx_http_weir_class_line_t;

typedef struct {
    ngx_str_t                     name;
    ngx_array_t                   lines;        /* ngx_http_weir_class_line_t;
                                                   empty: not declared (yet) */
    ngx_str_t                     file;         /* where it is used first */
    ngx_uint_t                    line;
} ngx_http_weir_class_t;


typedef enum {
    NGX_HTTP_WEIR_ON_ERROR_LOCAL = 0,
    NGX_HTTP_WEIR_ON_ERROR_DENY,
    NGX_HTTP_WEIR_ON_ERROR_ALLOW
} ngx_http_weir_on_error_e;


/* weir_limit */

typedef struct {
    ngx_http_weir_limit_zone_t   *zone;
    ngx_http_weir_class_t        *class;        /* NULL: any request */
    ngx_http_complex_value_t     *condition;    /* NULL: always */
    int64_t                       delay;        /* units; -1: never */
    ngx_http_weir_on_error_e      on_error;
    ngx_str_t                     file;         /* where it is */
    ngx_uint_t                    line;
    unsigned                      undecided:1;  /* on_error= was said */
    unsigned                      dry_run:1;
    unsigned                      body:1;       /* it needs the body */
    unsigned                      hidden:1;     /* its key is: it was said */
} ngx_http_weir_limit_rule_t;


typedef struct {
    ngx_array_t                   zones;        /* by name: pointers */
    ngx_array_t                   classes;      /* pointers */
} ngx_http_weir_limit_conf_t;


/* the decision */

typedef enum {
    NGX_HTTP_WEIR_LIMIT_OPEN = 0,               /* not decided */
    NGX_HTTP_WEIR_LIMIT_PASSED,                 /* charged, unless "peek" */
    NGX_HTTP_WEIR_LIMIT_REFUSED,
    NGX_HTTP_WEIR_LIMIT_DENIED,                 /* Redis is silent: refused */
    NGX_HTTP_WEIR_LIMIT_SKIPPED                 /* Redis is silent: let pass */
} ngx_http_weir_limit_result_e;


/* one rule as it applies to a request */

typedef struct {
    const ngx_http_weir_limit_rule_t  *rule;
    const ngx_http_weir_limit_size_t  *size;    /* never unlimited */
    int64_t                       cost;
    u_char                        key[NGX_HTTP_WEIR_TABLE_KEY];

    ngx_int_t                     answer;       /* of this node */
    ngx_http_weir_limit_result_e  result;
    weir_limit_verdict_t          verdict;      /* if "known" */
    weir_limit_state_t            after;        /* in the zone, once charged */
    ngx_http_weir_node_t         *node;         /* under the lock */
    ngx_http_weir_held_t          held;         /* of requests at once */
    ngx_http_weir_fleet_item_t   *fleet;        /* what Redis was asked */
    ngx_msec_t                    delay;

    unsigned                      here:1;       /* this node is to decide */
    unsigned                      known:1;
    unsigned                      charged:1;    /* in the zone */
    unsigned                      owed:1;       /* Redis is to be told */
} ngx_http_weir_limit_item_t;


/*
 * What is decided at once, all or nothing.  It lives as long as the main
 * request, which gives back what it holds when it ends.
 */

typedef struct ngx_http_weir_limited_s  ngx_http_weir_limited_t;

typedef void (*ngx_http_weir_limited_pt)(ngx_http_weir_limited_t *l);

struct ngx_http_weir_limited_s {
    ngx_http_weir_limited_t      *next;         /* the one before it */
    struct ngx_http_weir_ctx_s   *ctx;          /* of the request that asked */
    struct ngx_http_weir_process_s  *process;
    ngx_http_weir_limited_pt      handler;      /* once Redis has answered */

    ngx_http_weir_limit_item_t   *items;        /* by zone */
    ngx_uint_t                    n;

    ngx_http_weir_fleet_ask_t     ask;
    const weir_hold_t            *hold;         /* with it, or NULL */
    const char                   *member;       /* jobs at once: the job, */
    int64_t                       lease;        /* and for how long; ms */

    ngx_int_t                     rc;           /* OK, BUSY; AGAIN: asked */
    ngx_msec_t                    delay;        /* to be waited for */

    unsigned                      identified:1;
    unsigned                      body:1;       /* of rules that need one */
    unsigned                      peek:1;       /* nothing is charged */
    unsigned                      waited:1;
    unsigned                      denied:1;     /* BUSY since Redis is silent */
};


/* What the body of a request says.  Costs: of the units that need it. */

typedef struct {
    weir_str_t                    model;
    int64_t                       max_tokens;
    int64_t                       costs[WEIR_UNITS];
} ngx_http_weir_limit_facts_t;


/* Is it such a model, a request of that class? */
ngx_uint_t ngx_http_weir_model_matches(const ngx_str_t *pattern,
    weir_str_t model);
ngx_uint_t ngx_http_weir_class_matches(const ngx_http_weir_class_t *class,
    const ngx_http_weir_limit_facts_t *facts);


/*
 * The rules of a request's location which apply to it: those of the gate
 * (facts: NULL), or those that need the body.  Zones in which the request is
 * counted already are left out, so is who has no limit, or no key.
 * NGX_DECLINED: there are none; NGX_ERROR: no memory.
 *
 * Before the decision the caller may change costs, and sets hold, member and
 * lease where there are such rules.
 */
ngx_int_t ngx_http_weir_limit_select(struct ngx_http_weir_ctx_s *ctx,
    const ngx_http_weir_limit_facts_t *facts, ngx_http_weir_limited_t **l_r);

/* NGX_OK: all are charged; NGX_BUSY: none is, nor what was decided for this
 * request before, if it was the body that decided; NGX_AGAIN: Redis is asked,
 * handler is called when l->rc is one of these. */
ngx_int_t ngx_http_weir_limit_decide(ngx_http_weir_limited_t *l);

/* NGX_BUSY as well: another was refused by one of these since "since", when
 * this request was waiting.  NGX_DECLINED: nobody was, nothing was done. */
ngx_int_t ngx_http_weir_limit_waited(ngx_http_weir_limited_t *l,
    ngx_msec_t since);

/* What was charged is not needed after all. */
void ngx_http_weir_limit_give_back(ngx_http_weir_limited_t *l);

/* Of NGX_BUSY: what to tell the client. */
ngx_int_t ngx_http_weir_limit_failure(ngx_http_weir_limited_t *l,
    weir_failure_t *f);

/* Failed credentials, and who did not pass the gate: see there. */
ngx_int_t ngx_http_weir_limit_peek_gate(struct ngx_http_weir_ctx_s *ctx);
ngx_int_t ngx_http_weir_limit_turn_gate(struct ngx_http_weir_ctx_s *ctx);
ngx_int_t ngx_http_weir_limit_gate(struct ngx_http_weir_ctx_s *ctx);
ngx_int_t ngx_http_weir_limit_refuse_suspect(struct ngx_http_weir_ctx_s *ctx);
void ngx_http_weir_limit_auth_failed(struct ngx_http_weir_ctx_s *ctx);

/* when to come again; us, more than 0; -1: never */
int64_t ngx_http_weir_limit_retry(const ngx_http_weir_limited_t *l);

/* limit_headers */
ngx_int_t ngx_http_weir_limit_headers(ngx_http_request_t *r,
    struct ngx_http_weir_visit_s *visit);       /* limited is not NULL */

/* $weir_limit_status; and what it is about, or NULL */
const char *ngx_http_weir_limit_status(ngx_http_weir_limited_t *l,
    const ngx_http_weir_limit_zone_t **zone_r);


/* limit_conf, limit_rules */
char *ngx_http_weir_set_limit_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_set_limit_tier(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_set_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_set_class(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_limit_complete(ngx_conf_t *cf,
    ngx_http_weir_limit_conf_t *conf, ngx_uint_t redis);
char *ngx_http_weir_limit_merge(ngx_conf_t *cf, ngx_array_t **rules,
    ngx_array_t **prev, ngx_uint_t api, ngx_uint_t auth);

/* limit_zone, and the clocks: us; of rates, that nobody sets, and of calendars,
 * which is UTC */
int64_t ngx_http_weir_limit_clock(void);
int64_t ngx_http_weir_limit_clock_late(void);
int64_t ngx_http_weir_limit_date(ngx_http_weir_counters_t *counters);
void ngx_http_weir_limit_set_date(ngx_http_weir_counters_t *counters,
    int64_t now);
void ngx_http_weir_limit_init(ngx_http_weir_limit_conf_t *conf);
void ngx_http_weir_limit_tick(ngx_http_weir_limit_conf_t *conf);
char *ngx_http_weir_limit_zone_add(ngx_conf_t *cf,
    ngx_http_weir_limit_zone_t *zone, size_t size);

/* limit_headers: the member of RateLimit-Policy; now: us, UTC */
#define NGX_HTTP_WEIR_POLICY_MAX  128

u_char *ngx_http_weir_limit_policy(u_char *p,
    const ngx_http_weir_limit_zone_t *zone, const weir_limit_t *limit,
    int64_t now);


#endif /* NGX_HTTP_WEIR_LIMIT_H */
