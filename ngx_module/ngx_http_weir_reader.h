/*
 * Streams at the edge: runs that are read here, and who reads them.  Entries
 * flow one way: from the feed of a run to its readers, from a reader's form of
 * them to its client.
 */

#ifndef NGX_HTTP_WEIR_READER_H
#define NGX_HTTP_WEIR_READER_H


#include "ngx_http_weir_module.h"

#include "weir_render.h"
#include "weir_sent.h"
#include "weir_txn_ask.h"
#include "weir_txn_events.h"


/* unsent bytes, from which on a reader is slow: what comes is read again when
 * they are gone */
#define NGX_HTTP_WEIR_READER_ROOM  65536


/* what a number in an id may be */
#define NGX_HTTP_WEIR_SPOT_MAX     999999999999999999ull


typedef struct ngx_http_weir_feed_s   ngx_http_weir_feed_t;
typedef struct ngx_http_weir_watch_s  ngx_http_weir_watch_t;


/* an entry of a run; 0 and 0 is before all */

typedef struct {
    uint64_t                      token;
    uint64_t                      n;
} ngx_http_weir_spot_t;


/* A run that is read in this process: a reader in Redis for as long as it has
 * readers here. */

struct ngx_http_weir_feed_s {
    ngx_queue_t                   link;         /* in its bucket */
    ngx_queue_t                   want;         /* of those that are to read */
    ngx_queue_t                   readers;
    ngx_http_weir_process_t      *process;
    int64_t                       until;        /* ms: Redis counts it as a
                                                   reader; 0: was not told */
    ngx_http_weir_spot_t          after;        /* of the read under way */
    uint64_t                      latest;       /* the token of an attempt: all
                                                   before it are over */
    unsigned                      shard;
    char                          run[WEIR_ID_LEN + 1];
    unsigned                      live:1;       /* may go on, as far as one of
                                                   its readers knows */
    unsigned                      wanting:1;    /* want is linked */
    unsigned                      reading:1;    /* an answer is to come */
};


/* The stream of one request.  What it says never is in the request's pool,
 * which would keep every piece. */

struct ngx_http_weir_reader_s {
    ngx_queue_t                   link;         /* in its feed */
    ngx_http_weir_feed_t         *feed;         /* NULL: has left */
    ngx_http_weir_ctx_t          *ctx;

    ngx_queue_t                   watched;      /* with its key */
    ngx_http_weir_watch_t        *watch;        /* NULL: it is not */

    /* where it stands */

    ngx_http_weir_spot_t          spot;         /* the last entry taken */
    ngx_http_weir_spot_t          heard;        /* of the latest */
    ngx_http_weir_spot_t          last;         /* what completes it; or 0 */
    ngx_http_weir_spot_t          resume;       /* Last-Event-ID; or 0 */

    /* what it makes of them */

    weir_render_t                 render;       /* dialect NULL: as they are */
    weir_sent_t                   sent;
    const char                   *cut;          /* why it cannot go on, a code;
                                                   or NULL */
    char                          id[WEIR_ID_LEN + 1];

    /* to the client */

    weir_buf_t                    next;         /* to be sent */
    weir_buf_t                    text;         /* that is being sent */
    ngx_chain_t                  *free;
    ngx_chain_t                  *busy;
    ngx_event_t                   post;
    ngx_event_t                   beat;
    ngx_msec_t                    wrote;        /* ngx_current_msec */
    ngx_msec_t                    began;        /* then of its content */
    uint64_t                      tokens;

    unsigned                      behind:1;     /* has missed entries */
    unsigned                      resuming:1;   /* is "resume" there? */
    unsigned                      content:1;    /* some was given to it */
    unsigned                      again:1;      /* a read has brought nothing */
    unsigned                      settling:1;   /* the run has ended: waits
                                                   for what was missed */
    unsigned                      settled:1;
    unsigned                      whole:1;      /* has all that was said */
    unsigned                      revoked:1;    /* its key is none any more */
    unsigned                      begun:1;      /* its header is out */
    unsigned                      ended:1;      /* its last bytes are out */
};


/* feed */

int ngx_http_weir_spot_cmp(const ngx_http_weir_spot_t *a,
    const ngx_http_weir_spot_t *b);
uint64_t ngx_http_weir_spot_token(weir_str_t text);     /* 0: it is none */
void ngx_http_weir_spot_of(const weir_event_t *e, ngx_http_weir_spot_t *spot);
ngx_uint_t ngx_http_weir_spot_parse(weir_str_t id,
    ngx_http_weir_spot_t *spot);

/* Has the run's entries given to the reader from now on; missed: those before,
 * too.  told: Redis was told by another command, until then (ms). */
ngx_int_t ngx_http_weir_feed_join(ngx_http_weir_reader_t *reader,
    unsigned shard, const char *run, ngx_uint_t missed, int64_t told);

/* ended: the run has, so nobody needs to look whether it is wanted. */
void ngx_http_weir_feed_leave(ngx_http_weir_reader_t *reader,
    ngx_uint_t ended);

/* The reader has missed something, or has room again. */
void ngx_http_weir_feed_want(ngx_http_weir_reader_t *reader);

/* ms: for how long Redis is told that somebody reads. */
int64_t ngx_http_weir_feed_until(ngx_http_weir_process_t *p);


/* watch */

ngx_int_t ngx_http_weir_watch(ngx_http_weir_reader_t *reader);
void ngx_http_weir_unwatch(ngx_http_weir_reader_t *reader);


/* reader */

/* Its key is none any more. */
void ngx_http_weir_reader_revoke(ngx_http_weir_reader_t *reader);

/* For a request whose answer may come in pieces; it reads nothing yet. */
ngx_int_t ngx_http_weir_reader_create(ngx_http_weir_ctx_t *ctx);

void ngx_http_weir_reader_take(ngx_http_weir_reader_t *reader,
    const weir_event_t *e);

/* A read has brought what there is behind "after", up to there; more: it was
 * not all. */
void ngx_http_weir_reader_read(ngx_http_weir_reader_t *reader,
    const ngx_http_weir_spot_t *after, const ngx_http_weir_spot_t *upto,
    ngx_uint_t more);

/* What is to be done with the request; NULL: nothing but to send. */
const ngx_http_weir_step_t *ngx_http_weir_reader_next(
    ngx_http_weir_reader_t *reader);

void ngx_http_weir_reader_ping(ngx_http_weir_reader_t *reader);

/* Its form of entries has begun; where its numbers begin; what a delta says, in
 * that form. */
void ngx_http_weir_reader_begin(ngx_http_weir_reader_t *reader);
void ngx_http_weir_reader_base(ngx_http_weir_reader_t *reader, uint64_t token);
int ngx_http_weir_reader_delta(void *arg, const weir_delta_t *d);


/* reader_end */

extern const ngx_http_weir_step_t  ngx_http_weir_step_cut;
extern const ngx_http_weir_step_t  ngx_http_weir_step_settled;


/* events: entries as they are */

void ngx_http_weir_events_take(ngx_http_weir_reader_t *reader,
    const weir_event_t *e);
void ngx_http_weir_events_reset(ngx_http_weir_reader_t *reader);


/* stream: to the client */

void ngx_http_weir_stream_init(ngx_http_weir_reader_t *reader);

/* From now on: what there is, and heartbeats. */
void ngx_http_weir_stream_start(ngx_http_weir_reader_t *reader);
void ngx_http_weir_stream_stop(ngx_http_weir_reader_t *reader);

/* Looks after it, soon. */
void ngx_http_weir_stream_post(ngx_http_weir_reader_t *reader);

/* Bytes that are not sent yet. */
size_t ngx_http_weir_stream_unsent(ngx_http_weir_reader_t *reader);

/* All that is left, and the end.  For ngx_http_finalize_request(). */
ngx_int_t ngx_http_weir_stream_end(ngx_http_weir_reader_t *reader);


#endif /* NGX_HTTP_WEIR_READER_H */
