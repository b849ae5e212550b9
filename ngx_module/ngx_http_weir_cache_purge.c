/*
 * What was purged, on this node or elsewhere: one process of the node asks
 * Redis five times a second, and drops it from all zones.  What was missed may
 * be anything: then everything goes.  While Redis does not answer, nobody knows
 * of purges, and what is there is served.
 */

#include "ngx_http_weir_module.h"

#include "weir_txn_ask.h"


#define NGX_HTTP_WEIR_PURGE_INTERVAL  200       /* ms between polls */
#define NGX_HTTP_WEIR_PURGE_SOON      20        /* ms, if nobody asks */

#define NGX_HTTP_WEIR_PURGE_CLOCK     60000     /* ms that clocks may differ */

#define NGX_HTTP_WEIR_PURGE_START     "0-0"


static ngx_slab_pool_t *
ngx_http_weir_purge_slab(ngx_http_weir_process_t *p)
{
    return (ngx_slab_pool_t *) p->conf->zone->shm.addr;
}


/* everywhere on this node */

void
ngx_http_weir_purge_mark(ngx_http_weir_process_t *p, weir_str_t mark)
{
    ngx_uint_t                 i;
    weir_str_t                 rest, kind;
    unsigned char              question[WEIR_QUESTION_LEN];
    ngx_http_weir_answers_t  **zones;

    zones = p->conf->answers.elts;

    rest = mark;
    kind = weir_str_null;
    (void) weir_str_split(&rest, ':', &kind);

    for (i = 0; i < p->conf->answers.nelts; i++) {

        /* one that nobody knows here may be anything */

        if (!weir_mark_valid(mark)
            || weir_str_eq(mark, weir_str(WEIR_MARK_ALL)))
        {
            ngx_http_weir_answers_purge_all(zones[i]);

        } else if (weir_str_eq(kind, weir_str("key"))
                   && weir_digest_unhex(rest, question, WEIR_QUESTION_LEN))
        {
            ngx_http_weir_answers_purge_question(zones[i], question);

        } else {
            ngx_http_weir_answers_purge(zones[i], mark);
        }
    }
}


/* who asks now; the date may be set, and processes see it a moment apart */

static ngx_msec_t
ngx_http_weir_purge_age(ngx_msec_t last)
{
    ngx_msec_int_t  age;

    age = (ngx_msec_int_t) (ngx_current_msec - last);

    return age < 0 ? 0 : (ngx_msec_t) age;
}


static ngx_uint_t
ngx_http_weir_purge_claim(ngx_http_weir_process_t *p)
{
    ngx_msec_t             last;
    ngx_http_weir_past_t  *past;

    past = &p->conf->counters->purges;
    last = (ngx_msec_t) past->polled_at;

    if (past->source != p->purge_source
        || ngx_http_weir_purge_age(last) < NGX_HTTP_WEIR_PURGE_INTERVAL
        || !ngx_atomic_cmp_set(&past->polled_at, last, ngx_current_msec))
    {
        return 0;
    }

    ngx_shmtx_lock(&ngx_http_weir_purge_slab(p)->mutex);

    ngx_memcpy(p->purge_after, past->after, sizeof(past->after));
    p->purge_after[sizeof(past->after) - 1] = '\0';
    p->purge_count = past->count;

    ngx_shmtx_unlock(&ngx_http_weir_purge_slab(p)->mutex);

    return 1;
}


/* Nothing is known; what there is may be older than "since". */

static void
ngx_http_weir_purge_reset(ngx_http_weir_process_t *p, int64_t since)
{
    ngx_http_weir_past_t  *past;

    past = &p->conf->counters->purges;

    ngx_shmtx_lock(&ngx_http_weir_purge_slab(p)->mutex);

    past->count = -1;
    past->since = since;
    ngx_memcpy(past->after, NGX_HTTP_WEIR_PURGE_START,
               sizeof(NGX_HTTP_WEIR_PURGE_START));

    ngx_shmtx_unlock(&ngx_http_weir_purge_slab(p)->mutex);
}


/* From here on the next one asks; unless the state is another by now. */

static void
ngx_http_weir_purge_advance(ngx_http_weir_process_t *p, weir_str_t last,
    size_t n, int64_t count)
{
    ngx_uint_t             fits;
    ngx_http_weir_past_t  *past;

    past = &p->conf->counters->purges;
    fits = p->purge_count >= 0 && p->purge_count + (int64_t) n == count;

    ngx_shmtx_lock(&ngx_http_weir_purge_slab(p)->mutex);

    if (past->count == p->purge_count
        && ngx_strcmp(past->after, p->purge_after) == 0)
    {
        if (n && last.len < sizeof(past->after)) {
            ngx_memcpy(past->after, last.data, last.len);
            past->after[last.len] = '\0';

        } else if (!fits && p->purge_count >= 0) {

            /* the stream was removed, or is another one */

            ngx_memcpy(past->after, NGX_HTTP_WEIR_PURGE_START,
                       sizeof(NGX_HTTP_WEIR_PURGE_START));
        }

        past->count = fits || n < WEIR_PURGES_BATCH ? count : -1;
        past->since = past->count < 0 ? past->since : 0;
    }

    ngx_shmtx_unlock(&ngx_http_weir_purge_slab(p)->mutex);
}


static void
ngx_http_weir_purge_news(ngx_http_weir_process_t *p, const weir_answer_t *a,
    int64_t count)
{
    size_t      n;
    int64_t     at, since;
    weir_str_t  entry, mark, last;

    last = weir_str_null;

    for (n = 0; weir_txn_purges_at(a, n, &entry, &mark, &at); n++) {
        last = entry;
    }

    since = p->conf->counters->purges.since;

    if (p->purge_count < 0 ? since == 0
                           : p->purge_count + (int64_t) n != count)
    {
        ngx_http_weir_purge_mark(p, weir_str(WEIR_MARK_ALL));

    } else {
        for (n = 0; weir_txn_purges_at(a, n, &entry, &mark, &at); n++) {
            if (p->purge_count >= 0 || at >= since) {
                ngx_http_weir_purge_mark(p, mark);
            }
        }
    }

    /* a process that is killed here leaves it to the next one */

    ngx_http_weir_purge_advance(p, last, n, count);
}


static void
ngx_http_weir_purge_answer(void *data, const weir_answer_t *a)
{
    int64_t                   count;
    ngx_http_weir_process_t  *p = data;

    p->purging = 0;

    if (p->exiting || a->code == WEIR_ANSWER_LOST) {
        return;
    }

    if (weir_txn_purges_read(a, &count)) {
        ngx_http_weir_purge_news(p, a, count);
        ngx_http_weir_count(p, cache_polls);
        p->purge_failed = 0;
        return;
    }

    /* a process that was killed in the middle of it may have left no entry's
     * name behind: from the start again */

    if (a->code == WEIR_ANSWER_OK || a->code == WEIR_ANSWER_ERROR) {
        ngx_http_weir_purge_reset(p, 0);
    }

    /* said once */

    if (!p->purge_failed) {
        p->purge_failed = 1;
        ngx_log_error(NGX_LOG_ERR, &p->cmd.log, 0,
                      "weir: what was purged cannot be read, and is served "
                      "here: \"%*s\"", a->error.len, a->error.data);
    }
}


static void
ngx_http_weir_purge_tick(ngx_event_t *ev)
{
    weir_txn_t               *t;
    ngx_msec_t                age;
    ngx_http_weir_process_t  *p = ev->data;

    if (!p->purging && !p->leaving
        && p->cmd.state == NGX_HTTP_WEIR_REDIS_READY
        && ngx_http_weir_purge_claim(p))
    {
        t = &p->txn;
        weir_txn_reset(t);
        weir_txn_purges(t, 0, p->purge_after);

        p->purging = ngx_http_weir_redis_send(&p->cmd, t,
                                              ngx_http_weir_purge_answer, p)
                     == NGX_OK;
    }

    age = ngx_http_weir_purge_age(
              (ngx_msec_t) p->conf->counters->purges.polled_at);

    ngx_add_timer(ev, age < NGX_HTTP_WEIR_PURGE_INTERVAL
                      ? ngx_max(NGX_HTTP_WEIR_PURGE_INTERVAL - age,
                                NGX_HTTP_WEIR_PURGE_SOON)
                      : NGX_HTTP_WEIR_PURGE_SOON);
}


/* Which Redis, and which zones: processes of another configuration do not know
 * all of them, and what another Redis said is forgotten. */

static ngx_atomic_uint_t
ngx_http_weir_purge_source(ngx_http_weir_main_conf_t *wmcf)
{
    uint32_t                   crc;
    ngx_uint_t                 i;
    ngx_http_weir_answers_t  **zones;

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, wmcf->redis.name.data, wmcf->redis.name.len);
    ngx_crc32_update(&crc, (u_char *) &wmcf->redis.database,
                     sizeof(wmcf->redis.database));

    zones = wmcf->answers.elts;

    for (i = 0; i < wmcf->answers.nelts; i++) {
        ngx_crc32_update(&crc, zones[i]->name.data, zones[i]->name.len);
        ngx_crc32_update(&crc, (u_char *) &zones[i]->size,
                         sizeof(zones[i]->size));
    }

    ngx_crc32_final(crc);

    return crc;
}


/* What is put into zones that are empty is newer than any purge until now; the
 * clock may be another than Redis's. */

static int64_t
ngx_http_weir_purge_since(ngx_http_weir_process_t *p)
{
    ngx_uint_t                 i;
    weir_shelf_stats_t         stats;
    ngx_http_weir_answers_t  **zones;

    zones = p->conf->answers.elts;

    for (i = 0; i < p->conf->answers.nelts; i++) {
        weir_shelf_stats(zones[i]->shelf, &stats);

        if (stats.entries) {
            return 0;
        }
    }

    return ngx_http_weir_now(p) - NGX_HTTP_WEIR_PURGE_CLOCK;
}


void
ngx_http_weir_purge_init(ngx_http_weir_process_t *p, ngx_log_t *log)
{
    ngx_http_weir_past_t  *past;

    if (p->conf->answers.nelts == 0) {
        return;
    }

    past = &p->conf->counters->purges;
    p->purge_source = ngx_http_weir_purge_source(p->conf);

    if (past->source != p->purge_source) {
        ngx_http_weir_purge_reset(p, ngx_http_weir_purge_since(p));
        past->source = p->purge_source;
    }

    p->purge.handler = ngx_http_weir_purge_tick;
    p->purge.data = p;
    p->purge.log = log;
    p->purge.cancelable = 1;

    ngx_add_timer(&p->purge, NGX_HTTP_WEIR_PURGE_SOON);
}
