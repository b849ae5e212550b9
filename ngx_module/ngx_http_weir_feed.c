/*
 * The runs that are read in this process: their entries come as messages, and
 * are read from Redis where one was missed.  Owns who reads which run, and says
 * so to Redis; what becomes of an entry is a reader's.
 */

#include "ngx_http_weir_reader.h"


#define NGX_HTTP_WEIR_FEED_LEASE    30000       /* ms */
#define NGX_HTTP_WEIR_FEED_RENEW    20000       /* ms, left of that */
#define NGX_HTTP_WEIR_FEED_PAGE     8           /* entries */
#define NGX_HTTP_WEIR_FEED_READS    64          /* at once, in a process */


static void ngx_http_weir_feed_pump(ngx_http_weir_process_t *p);
static void ngx_http_weir_feed_give(ngx_http_weir_feed_t *feed,
    const weir_event_t *e);


/* places */

int
ngx_http_weir_spot_cmp(const ngx_http_weir_spot_t *a,
    const ngx_http_weir_spot_t *b)
{
    return a->token != b->token ? (a->token < b->token ? -1 : 1)
           : a->n != b->n ? (a->n < b->n ? -1 : 1) : 0;
}


uint64_t
ngx_http_weir_spot_token(weir_str_t text)
{
    int64_t  token;

    return weir_str_digits(text, 18, &token) ? (uint64_t) token : 0;
}


void
ngx_http_weir_spot_of(const weir_event_t *e, ngx_http_weir_spot_t *spot)
{
    spot->token = ngx_http_weir_spot_token(e->token);
    spot->n = e->n;
}


ngx_uint_t
ngx_http_weir_spot_parse(weir_str_t id, ngx_http_weir_spot_t *spot)
{
    weir_str_t  token;

    if (!weir_event_id_parse(id, &token, &spot->n)) {
        ngx_memzero(spot, sizeof(ngx_http_weir_spot_t));
        return 0;
    }

    spot->token = ngx_http_weir_spot_token(token);

    return spot->token > 0;
}


/* runs */

static ngx_queue_t *
ngx_http_weir_feed_bucket(ngx_http_weir_process_t *p, const char *run)
{
    return &p->feeds[ngx_crc32_short((u_char *) run, WEIR_ID_LEN)
                     & (NGX_HTTP_WEIR_BUCKETS - 1)];
}


static ngx_http_weir_feed_t *
ngx_http_weir_feed_find(ngx_http_weir_process_t *p, const char *run)
{
    ngx_queue_t           *q, *bucket;
    ngx_http_weir_feed_t  *feed;

    bucket = ngx_http_weir_feed_bucket(p, run);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        feed = ngx_queue_data(q, ngx_http_weir_feed_t, link);

        if (ngx_memcmp(feed->run, run, WEIR_ID_LEN) == 0) {
            return feed;
        }
    }

    return NULL;
}


static ngx_http_weir_feed_t *
ngx_http_weir_feed_create(ngx_http_weir_process_t *p, unsigned shard,
    const char *run)
{
    ngx_http_weir_feed_t  *feed;

    feed = ngx_calloc(sizeof(ngx_http_weir_feed_t), &p->cmd.log);
    if (feed == NULL) {
        return NULL;
    }

    feed->process = p;
    feed->shard = shard;
    ngx_memcpy(feed->run, run, WEIR_ID_LEN);
    ngx_queue_init(&feed->readers);
    ngx_queue_insert_tail(ngx_http_weir_feed_bucket(p, run), &feed->link);

    return feed;
}


/* Nobody reads it, and nothing of it is under way. */

static void
ngx_http_weir_feed_free(ngx_http_weir_feed_t *feed)
{
    if (feed->wanting) {
        ngx_queue_remove(&feed->want);
    }

    ngx_queue_remove(&feed->link);
    ngx_free(feed);
}


int64_t
ngx_http_weir_feed_until(ngx_http_weir_process_t *p)
{
    return ngx_http_weir_now(p) + NGX_HTTP_WEIR_FEED_LEASE;
}


/* reading */

static void
ngx_http_weir_feed_list(ngx_http_weir_feed_t *feed)
{
    if (!feed->wanting && !feed->reading) {
        feed->wanting = 1;
        ngx_queue_insert_tail(&feed->process->wanted, &feed->want);
    }
}


/* Has it missed what it may be given just now? */

static ngx_uint_t
ngx_http_weir_feed_lacks(ngx_http_weir_reader_t *reader)
{
    return reader->behind
           && ngx_http_weir_stream_unsent(reader) < NGX_HTTP_WEIR_READER_ROOM;
}


/* Is there anything to be read?  Of a run that has ended that which somebody
 * lacks, if an answer was an error or was lost. */

static ngx_uint_t
ngx_http_weir_feed_due(ngx_http_weir_feed_t *feed)
{
    ngx_queue_t  *q;

    if (feed->live) {
        return !ngx_queue_empty(&feed->readers);
    }

    for (q = ngx_queue_head(&feed->readers);
         q != ngx_queue_sentinel(&feed->readers);
         q = ngx_queue_next(q))
    {
        if (ngx_http_weir_feed_lacks(ngx_queue_data(q, ngx_http_weir_reader_t,
                                                    link)))
        {
            return 1;
        }
    }

    return 0;
}


/* From where on: what the one needs who is furthest behind; if nobody is, what
 * comes behind the latest, of which there should be nothing. */

static void
ngx_http_weir_feed_after(ngx_http_weir_feed_t *feed)
{
    ngx_uint_t               behind;
    ngx_queue_t             *q;
    ngx_http_weir_reader_t  *reader;

    behind = 0;
    ngx_memzero(&feed->after, sizeof(ngx_http_weir_spot_t));

    for (q = ngx_queue_head(&feed->readers);
         q != ngx_queue_sentinel(&feed->readers);
         q = ngx_queue_next(q))
    {
        reader = ngx_queue_data(q, ngx_http_weir_reader_t, link);

        if (ngx_http_weir_feed_lacks(reader)) {

            if (!behind
                || ngx_http_weir_spot_cmp(&reader->spot, &feed->after) < 0)
            {
                feed->after = reader->spot;
            }

            behind = 1;

        } else if (!behind
                   && ngx_http_weir_spot_cmp(&reader->spot, &feed->after) > 0)
        {
            feed->after = reader->spot;
        }
    }
}


static void
ngx_http_weir_feed_answer(void *data, const weir_answer_t *a)
{
    size_t                    i, n;
    ngx_queue_t              *q;
    weir_event_t              e;
    weir_readings_t           got;
    ngx_http_weir_spot_t      upto;
    ngx_http_weir_feed_t     *feed = data;
    ngx_http_weir_reader_t   *reader;
    ngx_http_weir_process_t  *p;

    p = feed->process;
    feed->reading = 0;
    p->reads--;

    if (ngx_queue_empty(&feed->readers)) {
        ngx_http_weir_feed_free(feed);
        ngx_http_weir_feed_pump(p);
        return;
    }

    if (!weir_txn_events_read(a, &got)) {

        /* over the next connection, or at the next tick */

        feed->until = 0;

        if (a->code != WEIR_ANSWER_LOST) {
            ngx_log_error(NGX_LOG_ERR, &p->cmd.log, 0,
                          "weir: redis refused to read events: \"%*s\"",
                          a->error.len, a->error.data);
        }

        ngx_http_weir_feed_pump(p);
        return;
    }

    feed->latest = ngx_max(feed->latest, (uint64_t) got.run.latest);

    n = weir_reply_count(got.entries);
    upto = feed->after;

    for (i = 0; i < n && weir_readings_at(&got, i, &e); i++) {
        ngx_http_weir_feed_give(feed, &e);

        if (e.kind != WEIR_EVENT_END) {
            ngx_http_weir_spot_of(&e, &upto);
        }
    }

    for (q = ngx_queue_head(&feed->readers);
         q != ngx_queue_sentinel(&feed->readers);
         q = ngx_queue_next(q))
    {
        reader = ngx_queue_data(q, ngx_http_weir_reader_t, link);

        /* behind one that nobody can read there is nothing */

        ngx_http_weir_reader_read(reader, &feed->after, &upto,
                                  i == NGX_HTTP_WEIR_FEED_PAGE);

        if (ngx_http_weir_feed_lacks(reader)) {
            ngx_http_weir_feed_list(feed);
        }
    }

    if (feed->live && feed->until == 0) {
        ngx_http_weir_feed_list(feed);          /* the last one had left */
    }

    ngx_http_weir_feed_pump(p);
}


static ngx_int_t
ngx_http_weir_feed_read(ngx_http_weir_feed_t *feed)
{
    char                      after[WEIR_EVENT_ID_MAX];
    weir_read_t               r;
    ngx_http_weir_process_t  *p;

    p = feed->process;
    ngx_memzero(&r, sizeof(weir_read_t));

    ngx_http_weir_feed_after(feed);

    r.shard = feed->shard;
    r.run = feed->run;
    r.now = ngx_http_weir_now(p);
    r.until = ngx_http_weir_feed_until(p);
    r.count = NGX_HTTP_WEIR_FEED_PAGE;

    if (feed->after.token) {
        ngx_snprintf((u_char *) after, sizeof(after), "%uL-%uL%Z",
                     feed->after.token, feed->after.n);
        r.after = weir_str_of(after);
    }

    if (feed->live && feed->until < r.now + NGX_HTTP_WEIR_FEED_RENEW) {
        r.mailbox = p->mailbox;
        r.wish = (feed->until == 0);
    }

    weir_txn_reset(&p->txn);
    weir_txn_events(&p->txn, &r);

    if (ngx_http_weir_redis_send(&p->cmd, &p->txn, ngx_http_weir_feed_answer,
                                 feed)
        != NGX_OK)
    {
        return NGX_BUSY;
    }

    if (r.mailbox) {
        feed->until = r.until;
    }

    feed->reading = 1;
    p->reads++;

    return NGX_OK;
}


/* So many at once as do not hold up the others on the connection. */

static void
ngx_http_weir_feed_pump(ngx_http_weir_process_t *p)
{
    ngx_queue_t           *q;
    ngx_http_weir_feed_t  *feed;

    while (!p->exiting
           && p->reads < NGX_HTTP_WEIR_FEED_READS
           && !ngx_queue_empty(&p->wanted))
    {
        q = ngx_queue_head(&p->wanted);
        feed = ngx_queue_data(q, ngx_http_weir_feed_t, want);

        if (ngx_http_weir_feed_read(feed) != NGX_OK) {
            return;                     /* ngx_http_weir_feed_again() */
        }

        ngx_queue_remove(q);
        feed->wanting = 0;
    }
}


void
ngx_http_weir_feed_want(ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_feed_t  *feed;

    feed = reader->feed;
    reader->behind = 1;

    if (feed && ngx_http_weir_feed_lacks(reader)) {
        ngx_http_weir_feed_list(feed);
        ngx_http_weir_feed_pump(feed->process);
    }
}


/* entries */

/* Nobody is finalized in here: readers note what there is to be done. */

static void
ngx_http_weir_feed_give(ngx_http_weir_feed_t *feed, const weir_event_t *e)
{
    ngx_queue_t             *q;
    ngx_http_weir_reader_t  *reader;

    for (q = ngx_queue_head(&feed->readers);
         q != ngx_queue_sentinel(&feed->readers);
         q = ngx_queue_next(q))
    {
        reader = ngx_queue_data(q, ngx_http_weir_reader_t, link);
        ngx_http_weir_reader_take(reader, e);

        if (ngx_http_weir_feed_lacks(reader)) {
            ngx_http_weir_feed_list(feed);
        }
    }
}


/* A message in the mailbox. */

void
ngx_http_weir_feed_deliver(ngx_http_weir_process_t *p, weir_str_t run,
    const weir_event_t *e)
{
    ngx_http_weir_feed_t  *feed;

    feed = ngx_http_weir_feed_find(p, run.data);

    if (feed) {
        ngx_http_weir_feed_give(feed, e);
        ngx_http_weir_feed_pump(p);
    }
}


/* coming and going */

ngx_int_t
ngx_http_weir_feed_join(ngx_http_weir_reader_t *reader, unsigned shard,
    const char *run, ngx_uint_t missed, int64_t told)
{
    ngx_http_weir_feed_t     *feed;
    ngx_http_weir_process_t  *p;

    p = reader->ctx->process;
    feed = ngx_http_weir_feed_find(p, run);

    if (feed == NULL) {
        feed = ngx_http_weir_feed_create(p, shard, run);
        if (feed == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_queue_insert_tail(&feed->readers, &reader->link);
    reader->feed = feed;
    feed->until = ngx_max(feed->until, told);

    /* of a run that has ended nothing more is told, nor need anybody know */

    if (!weir_state_is_final(reader->ctx->job.state)) {
        feed->live = 1;
    }

    if (missed) {
        ngx_http_weir_feed_want(reader);
    }

    return NGX_OK;
}


void
ngx_http_weir_feed_leave(ngx_http_weir_reader_t *reader, ngx_uint_t ended)
{
    ngx_http_weir_feed_t     *feed;
    ngx_http_weir_process_t  *p;

    feed = reader->feed;

    if (feed == NULL) {
        return;
    }

    p = feed->process;
    ngx_queue_remove(&reader->link);
    reader->feed = NULL;

    if (!ngx_queue_empty(&feed->readers)) {
        return;
    }

    if (feed->until && !ended && !p->exiting) {
        weir_txn_reset(&p->txn);

        if (!ngx_http_weir_waits(p, feed->run)) {
            weir_txn_unfollow(&p->txn, feed->shard, feed->run, p->mailbox);
        }

        weir_txn_unread(&p->txn, feed->shard, feed->run, p->mailbox);

        /* if that is lost, the lease ends by itself */

        (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, NULL, NULL);
    }

    feed->until = 0;

    if (!feed->reading) {
        ngx_http_weir_feed_free(feed);
    }
}


/* time */

/* Leases are renewed, which tells what was missed as well. */

void
ngx_http_weir_feed_tick(ngx_http_weir_process_t *p, ngx_uint_t buckets)
{
    int64_t                now;
    ngx_queue_t           *q, *bucket;
    ngx_http_weir_feed_t  *feed;

    now = ngx_http_weir_now(p);

    for ( /* void */ ; buckets; buckets--) {
        bucket = &p->feeds[p->feed_cursor];
        p->feed_cursor = (p->feed_cursor + 1) & (NGX_HTTP_WEIR_BUCKETS - 1);

        for (q = ngx_queue_head(bucket);
             q != ngx_queue_sentinel(bucket);
             q = ngx_queue_next(q))
        {
            feed = ngx_queue_data(q, ngx_http_weir_feed_t, link);

            if (feed->until < now + NGX_HTTP_WEIR_FEED_RENEW
                && ngx_http_weir_feed_due(feed))
            {
                ngx_http_weir_feed_list(feed);
            }
        }
    }

    ngx_http_weir_feed_pump(p);
}


/* A connection is there again: what was told meanwhile was missed. */

void
ngx_http_weir_feed_again(ngx_http_weir_process_t *p)
{
    ngx_uint_t             i;
    ngx_queue_t           *q;
    ngx_http_weir_feed_t  *feed;

    for (i = 0; i < NGX_HTTP_WEIR_BUCKETS; i++) {

        for (q = ngx_queue_head(&p->feeds[i]);
             q != ngx_queue_sentinel(&p->feeds[i]);
             q = ngx_queue_next(q))
        {
            feed = ngx_queue_data(q, ngx_http_weir_feed_t, link);

            if (ngx_http_weir_feed_due(feed)) {
                ngx_http_weir_feed_list(feed);
            }
        }
    }

    ngx_http_weir_feed_pump(p);
}


void
ngx_http_weir_feed_init(ngx_http_weir_process_t *p)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_WEIR_BUCKETS; i++) {
        ngx_queue_init(&p->feeds[i]);
    }

    ngx_queue_init(&p->wanted);
}
