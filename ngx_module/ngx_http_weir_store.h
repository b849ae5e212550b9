/*
 * The key store's cache: records of API keys, and ids that nobody has, in
 * shared memory, so that a request seldom asks Redis whose key it is.  Holds
 * digests, never a key.  Knows how fresh it is; asks nobody itself.
 */

#ifndef NGX_HTTP_WEIR_STORE_H
#define NGX_HTTP_WEIR_STORE_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "weir_apikey.h"
#include "weir_txn_keys.h"

#include "ngx_http_weir_metrics.h"


#define NGX_HTTP_WEIR_STORE_TEXT    8192        /* a record's, at most */
#define NGX_HTTP_WEIR_STORE_PROOF   800         /* ms that a poll proves */
#define NGX_HTTP_WEIR_STORE_CURSOR  64


typedef struct ngx_http_weir_store_sh_s  ngx_http_weir_store_sh_t;


/* weir_key_store */

typedef struct {
    ngx_shm_zone_t            *zone;        /* NULL: there is none */
    ngx_slab_pool_t           *slab;
    ngx_http_weir_store_sh_t  *sh;
    ngx_str_t                  pepper_file;
    weir_hmac_t               *pepper;
    ngx_msec_t                 ttl;         /* of a record, unasked */
    ngx_msec_t                 negative;    /* of an id that nobody has */
    uint32_t                   source;      /* which Redis: a hash */
    ngx_str_t                  file;        /* where the directive is */
    ngx_uint_t                 line;
    ngx_http_weir_counters_t  *counters;    /* set in a process */
} ngx_http_weir_store_t;


/* what is known of an id */

typedef struct {
    weir_key_t                 key;         /* strings point into text */
    char                       text[NGX_HTTP_WEIR_STORE_TEXT];
    unsigned                   usable:1;    /* if Redis does not answer */
    ngx_uint_t                 epoch;       /* to be told to put() */
} ngx_http_weir_known_t;


ngx_int_t ngx_http_weir_store_init_zone(ngx_shm_zone_t *zone, void *data);

/* Called in each worker process: what another Redis said is forgotten. */
void ngx_http_weir_store_init(ngx_http_weir_store_t *s,
    ngx_http_weir_counters_t *counters);

/*
 * NGX_OK: this is the record.  NGX_DECLINED: nobody has this id.  NGX_AGAIN:
 * Redis must be asked; the record that is known, if any, may serve if it does
 * not answer.
 */
ngx_int_t ngx_http_weir_store_get(ngx_http_weir_store_t *s, weir_str_t id,
    ngx_http_weir_known_t *known);

/* What Redis said when it was asked at "sent", in "epoch"; key NULL: nobody has
 * this id.  NGX_AGAIN: something has changed meanwhile, and it was not taken.
 */
ngx_int_t ngx_http_weir_store_put(ngx_http_weir_store_t *s, weir_str_t id,
    const weir_key_t *key, ngx_uint_t epoch, ngx_msec_t sent);


/* The news: who asks for them now, from where on; and what came. */

typedef struct {
    char                       cursor[NGX_HTTP_WEIR_STORE_CURSOR];
    int64_t                    changes;     /* -1: nothing is known */
    ngx_msec_t                 sent;
} ngx_http_weir_poll_t;

/* False: another process does, or did a moment ago. */
ngx_uint_t ngx_http_weir_store_poll(ngx_http_weir_store_t *s,
    ngx_msec_t interval, ngx_http_weir_poll_t *poll);

/* ms until the next one is due; 0: it is */
ngx_msec_t ngx_http_weir_store_due(ngx_http_weir_store_t *s,
    ngx_msec_t interval);

void ngx_http_weir_store_news(ngx_http_weir_store_t *s,
    const ngx_http_weir_poll_t *poll, const weir_answer_t *a, int64_t changes);


#endif /* NGX_HTTP_WEIR_STORE_H */
