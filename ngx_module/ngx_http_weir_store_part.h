/*
 * The inside of the key store's cache: what lies in the zone, and the records
 * in it.  Everything here is done under the lock but for _show(), which reads
 * copies.
 */

#ifndef NGX_HTTP_WEIR_STORE_PART_H
#define NGX_HTTP_WEIR_STORE_PART_H


#include "ngx_http_weir_store.h"


#define NGX_HTTP_WEIR_STORE_BLOCK    256
#define NGX_HTTP_WEIR_STORE_UNKNOWN  1024       /* a power of two */
#define NGX_HTTP_WEIR_STORE_MIN      64         /* blocks */


/* the strings of a record, in this order */

enum {
    NGX_HTTP_WEIR_STORE_OWNER = 0,
    NGX_HTTP_WEIR_STORE_TIER,
    NGX_HTTP_WEIR_STORE_MODELS,
    NGX_HTTP_WEIR_STORE_LIMITS,
    NGX_HTTP_WEIR_STORE_WEBHOOK,
    NGX_HTTP_WEIR_STORE_SECRET,
    NGX_HTTP_WEIR_STORE_STRINGS
};


/* an index counts from 1; 0: none */

typedef struct {
    uint32_t                   more;        /* the next block of its text */
    uint32_t                   chain;       /* the next of its bucket */
    uint32_t                   newer;
    uint32_t                   older;
    char                       id[WEIR_KEY_ID_LEN];
    uint32_t                   flags;
    ngx_msec_t                 fetched;     /* when Redis was asked */
    ngx_msec_t                 moved;       /* to the front */
    int64_t                    expires;
    int64_t                    until;
    unsigned char              digest[WEIR_DIGEST_LEN];
    unsigned char              digest2[WEIR_DIGEST_LEN];
    uint16_t                   lens[NGX_HTTP_WEIR_STORE_STRINGS];
    char                       text[];
} ngx_http_weir_record_t;

#define NGX_HTTP_WEIR_STORE_SCOPES    0xff
#define NGX_HTTP_WEIR_STORE_ROTATING  0x100
#define NGX_HTTP_WEIR_STORE_REVOKED   0x200

#define NGX_HTTP_WEIR_STORE_FIRST                                             \
    (NGX_HTTP_WEIR_STORE_BLOCK - offsetof(ngx_http_weir_record_t, text))


typedef struct {
    uint32_t                   more;
    char                       text[NGX_HTTP_WEIR_STORE_BLOCK
                                    - sizeof(uint32_t)];
} ngx_http_weir_rest_t;


typedef struct {
    char                       id[WEIR_KEY_ID_LEN];
    uint32_t                   used;
    ngx_msec_t                 sent;
} ngx_http_weir_unknown_t;


struct ngx_http_weir_store_sh_s {
    ngx_uint_t                 busy;        /* somebody is inside */
    ngx_uint_t                 epoch;       /* of what was dropped */
    uint32_t                   source;
    uint32_t                   proven;      /* proven_at means something */
    ngx_msec_t                 proven_at;   /* when the last good poll left */
    ngx_atomic_t               polled_at;
    char                       cursor[NGX_HTTP_WEIR_STORE_CURSOR];
    int64_t                    changes;

    uint32_t                   nblocks;
    uint32_t                   top;         /* blocks never used are above */
    uint32_t                   free;
    uint32_t                   newest;
    uint32_t                   oldest;
    uint32_t                   mask;        /* of the buckets */

    ngx_http_weir_unknown_t    unknown[NGX_HTTP_WEIR_STORE_UNKNOWN];
    uint32_t                  *buckets;
    u_char                    *blocks;
};


#define ngx_http_weir_record(sh, i)                                           \
    ((ngx_http_weir_record_t *)                                               \
     ((sh)->blocks + (size_t) ((i) - 1) * NGX_HTTP_WEIR_STORE_BLOCK))

#define ngx_http_weir_rest(sh, i)                                             \
    ((ngx_http_weir_rest_t *) ngx_http_weir_record(sh, i))


/* The record of an id, as an index; 0: there is none. */
uint32_t ngx_http_weir_store_find(ngx_http_weir_store_sh_t *sh,
    const char *id);

/* There is none of this id yet.  Others may be evicted. */
void ngx_http_weir_store_insert(ngx_http_weir_store_t *s,
    const weir_key_t *key, ngx_msec_t sent);

void ngx_http_weir_store_drop(ngx_http_weir_store_sh_t *sh, const char *id);

/* It was used. */
void ngx_http_weir_store_touch(ngx_http_weir_store_sh_t *sh, uint32_t i);

/* The text of a record into known, and then, outside of the lock, all of it
 * from a copy of its head. */
void ngx_http_weir_store_read(ngx_http_weir_store_sh_t *sh,
    ngx_http_weir_record_t *rec, ngx_http_weir_known_t *known);
void ngx_http_weir_store_show(const ngx_http_weir_record_t *head,
    ngx_http_weir_known_t *known);

/* ms since then; another process may be ahead of our cached time */
ngx_msec_t ngx_http_weir_store_age(ngx_msec_t then);


#endif /* NGX_HTTP_WEIR_STORE_PART_H */
