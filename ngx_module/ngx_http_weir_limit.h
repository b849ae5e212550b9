/*
 * Limits at the edge: what the directives say, and the decision about one
 * request, on this node and over the fleet.
 */

#ifndef NGX_HTTP_WEIR_LIMIT_H
#define NGX_HTTP_WEIR_LIMIT_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "weir_limit.h"

#include "ngx_http_weir_table.h"


#define NGX_HTTP_WEIR_LIMIT_ZONES  64           /* bits of visit->charged */
#define NGX_HTTP_WEIR_LIMIT_RULES  32           /* of a location */

struct ngx_http_weir_ctx_s;
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

    unsigned                      fleet:1;
    unsigned                      at_once:1;
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
} ngx_http_weir_limit_rule_t;


typedef struct {
    ngx_array_t                   zones;        /* by name: pointers */
    ngx_array_t                   classes;      /* pointers */
} ngx_http_weir_limit_conf_t;


/* the decision */

/* What came of a rule.  Of the first four one is in $weir_limit_status. */

typedef enum {
    NGX_HTTP_WEIR_LIMIT_OPEN = 0,               /* not decided */
    NGX_HTTP_WEIR_LIMIT_PASSED,
    NGX_HTTP_WEIR_LIMIT_REFUSED,
    NGX_HTTP_WEIR_LIMIT_DENIED,                 /* undecided, and so refused */
    NGX_HTTP_WEIR_LIMIT_SKIPPED                 /* undecided, and so passed */
} ngx_http_weir_limit_result_e;


/* one rule as it applies to a request */

typedef struct {
    const ngx_http_weir_limit_rule_t  *rule;
    const ngx_http_weir_limit_size_t  *size;    /* never unlimited */
    int64_t                       cost;
    u_char                        key[NGX_HTTP_WEIR_TABLE_KEY];

    ngx_http_weir_limit_result_e  result;
    weir_limit_verdict_t          verdict;
    int64_t                       at;           /* us: of the state, charged */
    ngx_http_weir_held_t          held;         /* requests at once */
    unsigned                      identified:1;
    unsigned                      node:1;       /* decided on this node */
    unsigned                      known:1;      /* verdict is one */
    unsigned                      charged:1;    /* in the table of this node */
} ngx_http_weir_limit_item_t;


/*
 * All that is decided at once, all or nothing.  Lives as long as the main
 * request, which gives back what it held when it ends.
 */

typedef struct ngx_http_weir_limited_s  ngx_http_weir_limited_t;

typedef void (*ngx_http_weir_limited_pt)(ngx_http_weir_limited_t *l,
    ngx_int_t rc);

struct ngx_http_weir_limited_s {
    ngx_http_weir_limited_t      *next;         /* the one before it */
    struct ngx_http_weir_ctx_s   *ctx;
    ngx_http_weir_limited_pt      handler;      /* after NGX_AGAIN */

    ngx_http_weir_limit_item_t   *items;
    ngx_uint_t                    n;

    ngx_int_t                     rc;           /* once decided */
    int64_t                       retry;        /* us, of a refusal; -1: never */
    ngx_msec_t                    delay;        /* to be waited for */
};


/* What a request's body says. */

typedef struct {
    ngx_str_t                     model;
    int64_t                       max_tokens;   /* of the answer */
    int64_t                       costs[WEIR_UNITS];
} ngx_http_weir_limit_facts_t;


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
    ngx_array_t **prev, ngx_uint_t api);

/* limit_zone, and the clocks: us; of rates, that nobody sets, and of calendars,
 * which is UTC */
int64_t ngx_http_weir_limit_clock(void);
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
