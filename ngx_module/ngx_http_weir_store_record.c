/*
 * The records of the key store's cache: blocks of one size, found by index.  A
 * record has one or more; a bucket chains those of like hashes, a list holds
 * all in the order of their use.
 */

#include "ngx_http_weir_store_part.h"


#define NGX_HTTP_WEIR_STORE_MOVE  1000          /* ms between moves ahead */


ngx_msec_t
ngx_http_weir_store_age(ngx_msec_t then)
{
    ngx_msec_int_t  age;

    age = (ngx_msec_int_t) (ngx_current_msec - then);

    return age > 0 ? (ngx_msec_t) age : 0;
}


static uint32_t *
ngx_http_weir_store_bucket(ngx_http_weir_store_sh_t *sh, const char *id)
{
    return &sh->buckets[weir_str_hash((weir_str_t) { id, WEIR_KEY_ID_LEN })
                        & sh->mask];
}


uint32_t
ngx_http_weir_store_find(ngx_http_weir_store_sh_t *sh, const char *id)
{
    uint32_t                 i;
    ngx_http_weir_record_t  *rec;

    for (i = *ngx_http_weir_store_bucket(sh, id); i; i = rec->chain) {
        rec = ngx_http_weir_record(sh, i);

        if (ngx_memcmp(rec->id, id, WEIR_KEY_ID_LEN) == 0) {
            break;
        }
    }

    return i;
}


static void
ngx_http_weir_store_unlink(ngx_http_weir_store_sh_t *sh,
    ngx_http_weir_record_t *rec)
{
    if (rec->newer) {
        ngx_http_weir_record(sh, rec->newer)->older = rec->older;

    } else {
        sh->newest = rec->older;
    }

    if (rec->older) {
        ngx_http_weir_record(sh, rec->older)->newer = rec->newer;

    } else {
        sh->oldest = rec->newer;
    }
}


static void
ngx_http_weir_store_link(ngx_http_weir_store_sh_t *sh, uint32_t i)
{
    ngx_http_weir_record_t  *rec;

    rec = ngx_http_weir_record(sh, i);

    rec->newer = 0;
    rec->older = sh->newest;
    rec->moved = ngx_current_msec;

    if (sh->newest) {
        ngx_http_weir_record(sh, sh->newest)->newer = i;

    } else {
        sh->oldest = i;
    }

    sh->newest = i;
}


void
ngx_http_weir_store_touch(ngx_http_weir_store_sh_t *sh, uint32_t i)
{
    ngx_http_weir_record_t  *rec;

    rec = ngx_http_weir_record(sh, i);

    if (ngx_http_weir_store_age(rec->moved) > NGX_HTTP_WEIR_STORE_MOVE) {
        ngx_http_weir_store_unlink(sh, rec);
        ngx_http_weir_store_link(sh, i);
    }
}


static void
ngx_http_weir_store_remove(ngx_http_weir_store_sh_t *sh, uint32_t i)
{
    uint32_t                *p, next;
    ngx_http_weir_record_t  *rec;

    rec = ngx_http_weir_record(sh, i);

    for (p = ngx_http_weir_store_bucket(sh, rec->id);
         *p != i;
         p = &ngx_http_weir_record(sh, *p)->chain)
    {
        /* void */
    }

    *p = rec->chain;

    ngx_http_weir_store_unlink(sh, rec);

    for ( /* void */ ; i; i = next) {
        next = ngx_http_weir_rest(sh, i)->more;
        ngx_http_weir_rest(sh, i)->more = sh->free;
        sh->free = i;
    }
}


void
ngx_http_weir_store_drop(ngx_http_weir_store_sh_t *sh, const char *id)
{
    uint32_t  i;

    i = ngx_http_weir_store_find(sh, id);

    if (i) {
        ngx_http_weir_store_remove(sh, i);
    }
}


/* A block of its own; the records that nobody has used for longest go. */

static uint32_t
ngx_http_weir_store_block(ngx_http_weir_store_t *s)
{
    uint32_t                   i;
    ngx_http_weir_store_sh_t  *sh;

    sh = s->sh;

    if (sh->free == 0 && sh->top < sh->nblocks) {
        return ++sh->top;
    }

    while (sh->free == 0) {
        ngx_http_weir_store_remove(sh, sh->oldest);
        (void) ngx_atomic_fetch_add(&s->counters->key_evictions, 1);
    }

    i = sh->free;
    sh->free = ngx_http_weir_rest(sh, i)->more;

    return i;
}


static void
ngx_http_weir_store_strings(const weir_key_t *key,
    weir_str_t strings[NGX_HTTP_WEIR_STORE_STRINGS])
{
    strings[NGX_HTTP_WEIR_STORE_OWNER] = weir_str_of(key->owner);
    strings[NGX_HTTP_WEIR_STORE_TIER] = weir_str_of(key->tier);
    strings[NGX_HTTP_WEIR_STORE_MODELS] = key->models;
    strings[NGX_HTTP_WEIR_STORE_LIMITS] = key->limits;
    strings[NGX_HTTP_WEIR_STORE_WEBHOOK] = key->webhook;
    strings[NGX_HTTP_WEIR_STORE_SECRET] = key->webhook_secret;
}


/* where the text of a record is written to or read from */

typedef struct {
    ngx_http_weir_store_sh_t  *sh;
    uint32_t                  *more;
    char                      *at;
    size_t                     left;
} ngx_http_weir_text_t;


static void
ngx_http_weir_store_text(ngx_http_weir_store_sh_t *sh,
    ngx_http_weir_record_t *rec, ngx_http_weir_text_t *text)
{
    text->sh = sh;
    text->more = &rec->more;
    text->at = rec->text;
    text->left = NGX_HTTP_WEIR_STORE_FIRST;
}


static void
ngx_http_weir_store_turn(ngx_http_weir_text_t *text)
{
    ngx_http_weir_rest_t  *rest;

    rest = ngx_http_weir_rest(text->sh, *text->more);

    text->more = &rest->more;
    text->at = rest->text;
    text->left = sizeof(rest->text);
}


static void
ngx_http_weir_store_write(ngx_http_weir_store_t *s,
    ngx_http_weir_text_t *text, weir_str_t from)
{
    size_t    n;
    uint32_t  block;

    while (from.len) {

        if (text->left == 0) {
            block = ngx_http_weir_store_block(s);
            ngx_http_weir_rest(text->sh, block)->more = 0;
            *text->more = block;
            ngx_http_weir_store_turn(text);
        }

        n = ngx_min(from.len, text->left);

        ngx_memcpy(text->at, from.data, n);

        text->at += n;
        text->left -= n;
        from.data += n;
        from.len -= n;
    }
}


void
ngx_http_weir_store_insert(ngx_http_weir_store_t *s, const weir_key_t *key,
    ngx_msec_t sent)
{
    uint32_t                   i, k, *bucket;
    weir_str_t                 strings[NGX_HTTP_WEIR_STORE_STRINGS];
    ngx_http_weir_text_t       text;
    ngx_http_weir_record_t    *rec;
    ngx_http_weir_store_sh_t  *sh;

    sh = s->sh;

    i = ngx_http_weir_store_block(s);
    rec = ngx_http_weir_record(sh, i);

    rec->more = 0;
    rec->fetched = sent;
    rec->expires = key->expires;
    rec->until = key->until;
    rec->flags = (key->scopes & NGX_HTTP_WEIR_STORE_SCOPES)
                 | (key->rotating ? NGX_HTTP_WEIR_STORE_ROTATING : 0)
                 | (key->revoked ? NGX_HTTP_WEIR_STORE_REVOKED : 0);

    ngx_memcpy(rec->id, key->id, WEIR_KEY_ID_LEN);
    ngx_memcpy(rec->digest, key->digest, WEIR_DIGEST_LEN);
    ngx_memcpy(rec->digest2, key->digest2, WEIR_DIGEST_LEN);

    ngx_http_weir_store_strings(key, strings);
    ngx_http_weir_store_text(sh, rec, &text);

    for (k = 0; k < NGX_HTTP_WEIR_STORE_STRINGS; k++) {
        rec->lens[k] = (uint16_t) strings[k].len;
        ngx_http_weir_store_write(s, &text, strings[k]);
    }

    /* linked last: while blocks are sought, this one cannot be evicted */

    bucket = ngx_http_weir_store_bucket(sh, rec->id);
    rec->chain = *bucket;
    *bucket = i;

    ngx_http_weir_store_link(sh, i);
}


void
ngx_http_weir_store_read(ngx_http_weir_store_sh_t *sh,
    ngx_http_weir_record_t *rec, ngx_http_weir_known_t *known)
{
    char                  *to;
    size_t                 n, k, len;
    ngx_http_weir_text_t   text;

    len = 0;

    for (k = 0; k < NGX_HTTP_WEIR_STORE_STRINGS; k++) {
        len += rec->lens[k];
    }

    ngx_http_weir_store_text(sh, rec, &text);
    to = known->text;

    while (len) {
        if (text.left == 0) {
            ngx_http_weir_store_turn(&text);
        }

        n = ngx_min(len, text.left);
        ngx_memcpy(to, text.at, n);

        to += n;
        len -= n;
        text.left -= n;
    }
}


/* The record outside of the lock: head is a copy, text was read. */

void
ngx_http_weir_store_show(const ngx_http_weir_record_t *head,
    ngx_http_weir_known_t *known)
{
    size_t       k;
    weir_str_t   strings[NGX_HTTP_WEIR_STORE_STRINGS];
    weir_key_t  *key;
    const char  *p;

    key = &known->key;
    ngx_memzero(key, sizeof(weir_key_t));

    p = known->text;

    for (k = 0; k < NGX_HTTP_WEIR_STORE_STRINGS; k++) {
        strings[k] = (weir_str_t) { p, head->lens[k] };
        p += head->lens[k];
    }

    ngx_memcpy(key->id, head->id, WEIR_KEY_ID_LEN);
    ngx_memcpy(key->owner, strings[NGX_HTTP_WEIR_STORE_OWNER].data,
               strings[NGX_HTTP_WEIR_STORE_OWNER].len);
    ngx_memcpy(key->tier, strings[NGX_HTTP_WEIR_STORE_TIER].data,
               strings[NGX_HTTP_WEIR_STORE_TIER].len);
    ngx_memcpy(key->digest, head->digest, WEIR_DIGEST_LEN);
    ngx_memcpy(key->digest2, head->digest2, WEIR_DIGEST_LEN);

    key->models = strings[NGX_HTTP_WEIR_STORE_MODELS];
    key->limits = strings[NGX_HTTP_WEIR_STORE_LIMITS];
    key->webhook = strings[NGX_HTTP_WEIR_STORE_WEBHOOK];
    key->webhook_secret = strings[NGX_HTTP_WEIR_STORE_SECRET];

    key->scopes = head->flags & NGX_HTTP_WEIR_STORE_SCOPES;
    key->rotating = (head->flags & NGX_HTTP_WEIR_STORE_ROTATING) != 0;
    key->revoked = (head->flags & NGX_HTTP_WEIR_STORE_REVOKED) != 0;
    key->expires = head->expires;
    key->until = head->until;
}
