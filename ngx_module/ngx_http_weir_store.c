/*
 * The cache of the key store: the zone, its lock, questions and news.  There is
 * no allocator that a killed process could leave torn: if one dies inside, the
 * zone is simply empty.
 */

#include "ngx_http_weir_store_part.h"


static void
ngx_http_weir_store_clear(ngx_http_weir_store_sh_t *sh)
{
    ngx_memzero(sh->buckets, ((size_t) sh->mask + 1) * sizeof(uint32_t));
    ngx_memzero(sh->unknown, sizeof(sh->unknown));

    sh->top = 0;
    sh->free = 0;
    sh->newest = 0;
    sh->oldest = 0;
    sh->epoch++;
}


/* The cursor of the news is kept with the rest: it may be torn too. */

static void
ngx_http_weir_store_forget(ngx_http_weir_store_sh_t *sh)
{
    ngx_http_weir_store_clear(sh);

    sh->proven = 0;
    sh->changes = -1;
    ngx_memcpy(sh->cursor, "0-0", sizeof("0-0"));
}


static void
ngx_http_weir_store_lock(ngx_http_weir_store_t *s)
{
    ngx_shmtx_lock(&s->slab->mutex);

    if (s->sh->busy) {

        /* whoever was inside is dead, and nginx has freed the lock */

        ngx_http_weir_store_forget(s->sh);
        (void) ngx_atomic_fetch_add(&s->counters->key_torn, 1);
    }

    s->sh->busy = 1;
    ngx_memory_barrier();
}


static void
ngx_http_weir_store_unlock(ngx_http_weir_store_t *s)
{
    ngx_memory_barrier();
    s->sh->busy = 0;

    ngx_shmtx_unlock(&s->slab->mutex);
}


/* the zone */

static ngx_http_weir_store_sh_t *
ngx_http_weir_store_create(ngx_slab_pool_t *slab)
{
    size_t                     size;
    uint32_t                   nbuckets, nblocks;
    ngx_http_weir_store_sh_t  *sh;

    size = sizeof(ngx_http_weir_store_sh_t);

    if (slab->pfree * ngx_pagesize < size + 2 * ngx_pagesize) {
        return NULL;
    }

    /* all pages but one; a block and its share of the buckets */

    size = (slab->pfree - 1) * ngx_pagesize - size;
    nbuckets = 1;

    for ( ;; ) {
        nblocks = (uint32_t) ((size - nbuckets * sizeof(uint32_t))
                              / NGX_HTTP_WEIR_STORE_BLOCK);

        if (nbuckets >= nblocks) {
            break;
        }

        nbuckets *= 2;
    }

    if (nblocks < NGX_HTTP_WEIR_STORE_MIN) {
        return NULL;
    }

    sh = ngx_slab_alloc(slab, (slab->pfree - 1) * ngx_pagesize);
    if (sh == NULL) {
        return NULL;
    }

    ngx_memzero(sh, sizeof(ngx_http_weir_store_sh_t));

    sh->nblocks = nblocks;
    sh->mask = nbuckets - 1;
    sh->blocks = (u_char *) (sh + 1);
    sh->buckets = (uint32_t *) (sh->blocks
                                + (size_t) nblocks * NGX_HTTP_WEIR_STORE_BLOCK);

    ngx_http_weir_store_forget(sh);

    return sh;
}


ngx_int_t
ngx_http_weir_store_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_weir_store_t  *s, *old = data;

    s = zone->data;
    s->slab = (ngx_slab_pool_t *) zone->shm.addr;

    if (old) {                          /* reload: the records go on */
        s->sh = old->sh;
        return NGX_OK;
    }

    if (zone->shm.exists) {
        s->sh = s->slab->data;
        return NGX_OK;
    }

    s->sh = ngx_http_weir_store_create(s->slab);

    if (s->sh == NULL) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "weir: the zone \"%V\" is too small for keys",
                      &zone->shm.name);
        return NGX_ERROR;
    }

    s->slab->data = s->sh;

    return NGX_OK;
}


void
ngx_http_weir_store_init(ngx_http_weir_store_t *s,
    ngx_http_weir_counters_t *counters)
{
    s->counters = counters;

    ngx_http_weir_store_lock(s);

    if (s->sh->source != s->source) {
        ngx_http_weir_store_forget(s->sh);
        s->sh->source = s->source;
    }

    ngx_http_weir_store_unlock(s);
}


/* ids that nobody has: each has one place, which the next one takes */

static ngx_http_weir_unknown_t *
ngx_http_weir_store_nobody(ngx_http_weir_store_sh_t *sh, const char *id)
{
    return &sh->unknown[weir_str_hash((weir_str_t) { id, WEIR_KEY_ID_LEN })
                        & (NGX_HTTP_WEIR_STORE_UNKNOWN - 1)];
}


static ngx_uint_t
ngx_http_weir_store_is_nobody(ngx_http_weir_store_t *s, const char *id)
{
    ngx_http_weir_unknown_t  *u;

    u = ngx_http_weir_store_nobody(s->sh, id);

    return u->used && ngx_memcmp(u->id, id, WEIR_KEY_ID_LEN) == 0
           && ngx_http_weir_store_age(u->sent) < s->negative;
}


/* asking */

ngx_int_t
ngx_http_weir_store_get(ngx_http_weir_store_t *s, weir_str_t id,
    ngx_http_weir_known_t *known)
{
    uint32_t                   i;
    ngx_int_t                  rc;
    ngx_http_weir_record_t    *rec, head;
    ngx_http_weir_store_sh_t  *sh;

    sh = s->sh;
    rc = NGX_AGAIN;
    known->usable = 0;

    ngx_http_weir_store_lock(s);

    known->epoch = sh->epoch;
    i = sh->source == s->source ? ngx_http_weir_store_find(sh, id.data) : 0;

    if (i) {
        rec = ngx_http_weir_record(sh, i);
        head = *rec;
        ngx_http_weir_store_read(sh, rec, known);

        ngx_http_weir_store_touch(sh, i);

        known->usable = ngx_http_weir_store_age(head.fetched) < s->ttl;

        if (known->usable && sh->proven
            && ngx_http_weir_store_age(sh->proven_at)
               < NGX_HTTP_WEIR_STORE_PROOF)
        {
            rc = NGX_OK;
        }

    } else if (sh->source == s->source
               && ngx_http_weir_store_is_nobody(s, id.data))
    {
        rc = NGX_DECLINED;
    }

    ngx_http_weir_store_unlock(s);

    if (known->usable) {
        ngx_http_weir_store_show(&head, known);
    }

    return rc;
}


ngx_int_t
ngx_http_weir_store_put(ngx_http_weir_store_t *s, weir_str_t id,
    const weir_key_t *key, ngx_uint_t epoch, ngx_msec_t sent)
{
    ngx_int_t                  rc;
    ngx_http_weir_unknown_t   *u;
    ngx_http_weir_store_sh_t  *sh;

    sh = s->sh;
    rc = NGX_OK;

    ngx_http_weir_store_lock(s);

    if (sh->source != s->source) {
        /* not to be kept: see ngx_http_weir_store_init() */

    } else if (sh->epoch != epoch) {
        rc = NGX_AGAIN;

    } else {
        ngx_http_weir_store_drop(sh, id.data);

        if (key) {
            ngx_http_weir_store_insert(s, key, sent);

        } else {
            u = ngx_http_weir_store_nobody(sh, id.data);
            ngx_memcpy(u->id, id.data, WEIR_KEY_ID_LEN);
            u->sent = sent;
            u->used = 1;
        }
    }

    ngx_http_weir_store_unlock(s);

    return rc;
}


/* news */

ngx_uint_t
ngx_http_weir_store_poll(ngx_http_weir_store_t *s, ngx_msec_t interval,
    ngx_http_weir_poll_t *poll)
{
    ngx_msec_t                 last;
    ngx_http_weir_store_sh_t  *sh;

    sh = s->sh;
    last = (ngx_msec_t) sh->polled_at;

    if (sh->source != s->source || ngx_http_weir_store_age(last) < interval
        || !ngx_atomic_cmp_set(&sh->polled_at, last, ngx_current_msec))
    {
        return 0;
    }

    ngx_http_weir_store_lock(s);

    ngx_memcpy(poll->cursor, sh->cursor, sizeof(poll->cursor));
    poll->changes = sh->changes;
    poll->sent = ngx_current_msec;

    ngx_http_weir_store_unlock(s);

    return 1;
}


ngx_msec_t
ngx_http_weir_store_due(ngx_http_weir_store_t *s, ngx_msec_t interval)
{
    ngx_msec_t  age;

    age = ngx_http_weir_store_age((ngx_msec_t) s->sh->polled_at);

    return age < interval ? interval - age : 0;
}


/* The end of the news that were read becomes the start of the next ones, unless
 * another process was there before.  Were it not the end of all, nothing would
 * fit, and again nothing, until it is. */

static void
ngx_http_weir_store_advance(ngx_http_weir_store_sh_t *sh,
    const ngx_http_weir_poll_t *poll, weir_str_t last, size_t n,
    int64_t changes)
{
    ngx_uint_t  fits;

    if (sh->changes != poll->changes
        || ngx_strcmp(sh->cursor, poll->cursor) != 0)
    {
        return;
    }

    fits = poll->changes >= 0 && poll->changes + (int64_t) n == changes;

    if (n && last.len < sizeof(sh->cursor)) {
        ngx_memcpy(sh->cursor, last.data, last.len);
        sh->cursor[last.len] = '\0';

    } else if (!fits && poll->changes >= 0) {

        /* The stream was removed, or is another one.  Without a count to fit
         * to, nothing behind the cursor is simply the end. */

        ngx_memcpy(sh->cursor, "0-0", sizeof("0-0"));
    }

    sh->changes = fits || n < WEIR_NEWS_BATCH ? changes : -1;
}


void
ngx_http_weir_store_news(ngx_http_weir_store_t *s,
    const ngx_http_weir_poll_t *poll, const weir_answer_t *a, int64_t changes)
{
    size_t                     n;
    weir_str_t                 entry, id, last;
    ngx_http_weir_unknown_t   *u;
    ngx_http_weir_store_sh_t  *sh;

    sh = s->sh;
    last = weir_str_null;

    ngx_http_weir_store_lock(s);

    if (sh->source != s->source) {
        ngx_http_weir_store_unlock(s);
        return;
    }

    for (n = 0; weir_txn_news_at(a, n, &entry, &id); n++) {
        last = entry;

        if (id.len) {
            ngx_http_weir_store_drop(sh, id.data);

            u = ngx_http_weir_store_nobody(sh, id.data);
            u->used = 0;
        }
    }

    if (poll->changes < 0 || poll->changes + (int64_t) n != changes
        || changes == 0)
    {
        ngx_http_weir_store_clear(sh);      /* some were missed */

    } else if (n) {
        sh->epoch++;
    }

    ngx_http_weir_store_advance(sh, poll, last, n, changes);

    /* whoever has records and counts no change has lost the count, and may lose
     * the next one too */

    if (changes
        && (!sh->proven || (ngx_msec_int_t) (poll->sent - sh->proven_at) > 0))
    {
        sh->proven = 1;
        sh->proven_at = poll->sent;
    }

    ngx_http_weir_store_unlock(s);
}
