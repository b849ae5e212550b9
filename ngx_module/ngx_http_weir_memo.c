/*
 * Digests of keys that were good a moment ago, in a process: the syntax and the
 * HMAC of a key that comes again and again need not be worked out each time.
 * It remembers a pure function and nothing else: whose key it is, and whether
 * it still is, is looked up for each request.  It holds no key: what stands for
 * one is a hash under a secret of the process.
 */

#include "ngx_http_weir_module.h"

#include "weir_siphash.h"


#define NGX_HTTP_WEIR_MEMOS  1024           /* a power of two */


struct ngx_http_weir_memo_s {
    unsigned char             tag[WEIR_SIPHASH_LEN];
    unsigned char             digest[WEIR_DIGEST_LEN];
    char                      id[WEIR_KEY_ID_LEN];
    const weir_hmac_t        *pepper;       /* NULL: empty */
};


struct ngx_http_weir_memos_s {
    unsigned char             secret[WEIR_SIPHASH_LEN];
    unsigned char             tag[WEIR_SIPHASH_LEN];    /* of the last one */
    ngx_http_weir_memo_t      table[NGX_HTTP_WEIR_MEMOS];
};


ngx_int_t
ngx_http_weir_memo_init(ngx_http_weir_process_t *p, ngx_cycle_t *cycle)
{
    p->memos = ngx_pcalloc(cycle->pool, sizeof(ngx_http_weir_memos_t));

    return p->memos && weir_digest_random(p->memos->secret, WEIR_SIPHASH_LEN)
                       == 0
           ? NGX_OK : NGX_ERROR;
}


static ngx_http_weir_memo_t *
ngx_http_weir_memo_place(ngx_http_weir_memos_t *m, weir_str_t key)
{
    weir_siphash(m->secret, key, m->tag);

    return &m->table[((ngx_uint_t) m->tag[0] << 8 | m->tag[1])
                     & (NGX_HTTP_WEIR_MEMOS - 1)];
}


/* The digest of key under pepper, and its public id; NULL: not known.  Valid
 * until the next of these calls. */

const unsigned char *
ngx_http_weir_memo_digest(ngx_http_weir_process_t *p, weir_str_t key,
    weir_str_t *id_r, const weir_hmac_t **pepper_r)
{
    ngx_http_weir_memo_t  *memo;

    memo = ngx_http_weir_memo_place(p->memos, key);

    if (memo->pepper == NULL
        || ngx_memcmp(memo->tag, p->memos->tag, WEIR_SIPHASH_LEN) != 0)
    {
        return NULL;
    }

    *id_r = (weir_str_t) { memo->id, WEIR_KEY_ID_LEN };
    *pepper_r = memo->pepper;

    return memo->digest;
}


/* Of a key that has just proved to be good: others find no room here. */

void
ngx_http_weir_memo_keep(ngx_http_weir_process_t *p, weir_str_t key,
    const char id[WEIR_KEY_ID_LEN], const weir_hmac_t *pepper,
    const unsigned char digest[WEIR_DIGEST_LEN])
{
    ngx_http_weir_memo_t  *memo;

    memo = ngx_http_weir_memo_place(p->memos, key);

    ngx_memcpy(memo->tag, p->memos->tag, WEIR_SIPHASH_LEN);
    ngx_memcpy(memo->digest, digest, WEIR_DIGEST_LEN);
    ngx_memcpy(memo->id, id, WEIR_KEY_ID_LEN);
    memo->pepper = pepper;
}


/* Peppers are known by their addresses, which another one may get. */

void
ngx_http_weir_memo_forget(ngx_http_weir_process_t *p)
{
    ngx_memzero(p->memos->table, sizeof(p->memos->table));
}
