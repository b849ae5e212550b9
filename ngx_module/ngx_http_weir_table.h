/*
 * A table in shared memory: 16 bytes of key, a state behind it.  Of fixed size,
 * made once; what was not used for long makes room.  Knows no request, and not
 * what the states mean.
 *
 * There are two lists of use, the identified and the others.  Who is not
 * identified evicts nobody who is, and these keep at most 7/8 of the nodes: so
 * neither can drive the other out.
 *
 * Everything but _create wants the lock.
 */

#ifndef NGX_HTTP_WEIR_TABLE_H
#define NGX_HTTP_WEIR_TABLE_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_weir_metrics.h"


#define NGX_HTTP_WEIR_TABLE_KEY  16


/* Nodes are named by an index from 1 on; 0 is none.  The state follows at
 * once. */

typedef struct {
    u_char                     key[NGX_HTTP_WEIR_TABLE_KEY];
    uint32_t                   prev;
    uint32_t                   next;
    uint32_t                   chain;           /* in its bucket */
    unsigned                   identified:1;
    unsigned                   pinned:1;        /* is never evicted */
    unsigned                   expires:30;      /* s; see _expires() */
} ngx_http_weir_node_t;

#define ngx_http_weir_node_state(node)  ((void *) ((node) + 1))


/* what the process of a slot holds */

typedef struct {
    ngx_atomic_t               pid;
    uint32_t                   head;
} ngx_http_weir_holder_t;


/* something held; all zero: nothing */

typedef struct {
    uint32_t                   index;
    uint32_t                   epoch;           /* of the table */
} ngx_http_weir_held_t;


typedef struct {
    uint32_t                   head;
    uint32_t                   tail;
    uint32_t                   count;
} ngx_http_weir_table_list_t;


typedef struct {
    ngx_slab_pool_t           *slab;            /* whose mutex is the lock */
    ngx_uint_t                 busy;            /* under the lock */
    uint32_t                   epoch;           /* grows when it is emptied */

    uint32_t                   nodes;
    uint32_t                   size;            /* bytes of a node */
    uint32_t                   mask;            /* of the buckets */
    uint32_t                   fresh;           /* from here on: never used */
    uint32_t                   spare;           /* list of freed ones */
    uint32_t                   entries;         /* that hold a node */
    int64_t                    base;            /* s: of "expires" */
    uint64_t                   seed[2];
    ngx_http_weir_table_list_t lists[2];        /* [identified] */

    ngx_http_weir_limit_counters_t  counters;

    ngx_http_weir_holder_t    *holders;         /* a slot each; or NULL */
    uint32_t                  *buckets;
    u_char                    *memory;
} ngx_http_weir_table_t;


/* Takes all that is left of the zone.  NULL: it is too small.  state: bytes,
 * a multiple of 8; holders: nodes will be held; now, here and below: s, of a
 * clock that does not go back. */
ngx_http_weir_table_t *ngx_http_weir_table_create(ngx_slab_pool_t *slab,
    size_t state, ngx_uint_t holders, int64_t now);

/* A process that was killed under the lock left a table nobody can trust: it
 * is then emptied, and counted. */
void ngx_http_weir_table_lock(ngx_http_weir_table_t *t);
void ngx_http_weir_table_unlock(ngx_http_weir_table_t *t);

/* Finds it, NULL: there is none; marks it as used; makes it, zeroed, where
 * there is none, NULL: there is no room. */
ngx_http_weir_node_t *ngx_http_weir_table_find(ngx_http_weir_table_t *t,
    const u_char *key);
void ngx_http_weir_table_touch(ngx_http_weir_table_t *t,
    ngx_http_weir_node_t *node, ngx_uint_t identified);
ngx_http_weir_node_t *ngx_http_weir_table_make(ngx_http_weir_table_t *t,
    const u_char *key, ngx_uint_t identified, int64_t now);

/* It says nothing any more in so many us from now: then it goes first. */
void ngx_http_weir_table_expires(ngx_http_weir_table_t *t,
    ngx_http_weir_node_t *node, int64_t now, int64_t us);

void ngx_http_weir_table_drop(ngx_http_weir_table_t *t,
    ngx_http_weir_node_t *node);
void ngx_http_weir_table_clear(ngx_http_weir_table_t *t);

/*
 * Holding: _hold pins the node, and remembers that this process has one of it;
 * NGX_ERROR: there is no room.  _release forgets that and tells the node; NULL:
 * it was not held (any more).  _reap: likewise what the process of a slot
 * holds, one by one, until NULL.
 */
ngx_int_t ngx_http_weir_table_hold(ngx_http_weir_table_t *t,
    ngx_http_weir_node_t *node, int64_t now, ngx_http_weir_held_t *held);
ngx_http_weir_node_t *ngx_http_weir_table_release(ngx_http_weir_table_t *t,
    ngx_http_weir_held_t *held);
ngx_http_weir_node_t *ngx_http_weir_table_reap(ngx_http_weir_table_t *t,
    ngx_uint_t slot);


#endif /* NGX_HTTP_WEIR_TABLE_H */
