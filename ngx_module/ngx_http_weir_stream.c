/*
 * A stream to its client: the header, what there is to be sent, heartbeats, the
 * end.  Owns the bytes on their way: one buffer that is being sent, and one in
 * which the next are made; knows nothing of what they say.
 */

#include "ngx_http_weir_reader.h"


#define NGX_HTTP_WEIR_STREAM_FIRST  1000        /* ms, to the first heartbeat */


static const ngx_http_weir_step_t *ngx_http_weir_stream_gone_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_stream_slow_run(
    ngx_http_weir_ctx_t *ctx);


static const ngx_http_weir_step_t  ngx_http_weir_step_gone = {
    "stream, client gone", ngx_http_weir_stream_gone_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_slow = {
    "stream, client slow", ngx_http_weir_stream_slow_run
};


static const ngx_http_weir_step_t *
ngx_http_weir_stream_gone_run(ngx_http_weir_ctx_t *ctx)
{
    return ngx_http_weir_done(ctx, NGX_ERROR);
}


static const ngx_http_weir_step_t *
ngx_http_weir_stream_slow_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;
    c->timedout = 1;

    ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                  "weir: client does not read its stream");

    ctx->reader->ended = 1;
    ngx_http_weir_count(ctx->process, cut_slow);

    return ngx_http_weir_done(ctx, NGX_HTTP_REQUEST_TIME_OUT);
}


/* What follows may come much later than what was sent before, and is not to
 * wait until that has arrived. */

static ngx_int_t
ngx_http_weir_stream_header(ngx_http_weir_reader_t *reader)
{
    ngx_int_t                  rc;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_weir_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    ctx = reader->ctx;
    r = ctx->request;
    c = r->connection;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

#if (NGX_HTTP_V2)
    if (r->stream == NULL)
#endif
    {
        if (clcf->tcp_nodelay && ngx_tcp_nodelay(c) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    reader->begun = 1;
    r->disable_not_modified = 1;        /* it has no validator */

    if (ctx->cache) {
        ctx->cache->stale = 0;          /* too late for that */
    }

    rc = ngx_http_weir_answer_headers(ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_weir_send_header(ctx, NGX_HTTP_OK,
                                       ngx_http_weir_answer_type(ctx), -1);
    }

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


size_t
ngx_http_weir_stream_unsent(ngx_http_weir_reader_t *reader)
{
    return reader->next.len + (reader->busy ? reader->text.len : 0);
}


/* What was made becomes what is sent; the link and its buf are used again and
 * again, and who has nothing to send has no buffer. */

static ngx_int_t
ngx_http_weir_stream_take(ngx_http_weir_reader_t *reader, ngx_chain_t **out)
{
    ngx_buf_t    *b;
    weir_buf_t    text;
    ngx_chain_t  *cl;

    *out = NULL;

    if (reader->next.failed) {
        return NGX_ERROR;
    }

    if (reader->next.len == 0) {
        return NGX_OK;
    }

    cl = ngx_chain_get_free_buf(reader->ctx->request->pool, &reader->free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    text = reader->text;
    reader->text = reader->next;
    reader->next = text;
    weir_buf_free(&reader->next);

    b = cl->buf;
    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = (u_char *) reader->text.data;
    b->pos = b->start;
    b->last = b->start + reader->text.len;
    b->end = b->last;
    b->memory = 1;
    b->flush = 1;
    b->tag = (ngx_buf_tag_t) &ngx_http_weir_module;

    *out = cl;

    return NGX_OK;
}


/* As much as goes. */

static ngx_int_t
ngx_http_weir_stream_send(ngx_http_weir_reader_t *reader)
{
    ngx_int_t            rc;
    ngx_chain_t         *out;
    ngx_http_request_t  *r;

    r = reader->ctx->request;

    for ( ;; ) {
        out = NULL;

        if (reader->busy == NULL
            && ngx_http_weir_stream_take(reader, &out) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (out == NULL && reader->busy == NULL && !r->connection->buffered) {
            return NGX_OK;
        }

        rc = ngx_http_output_filter(r, out);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        ngx_chain_update_chains(r->pool, &reader->free, &reader->busy, &out,
                                (ngx_buf_tag_t) &ngx_http_weir_module);

        if (reader->busy) {
            return NGX_AGAIN;
        }

        reader->wrote = ngx_current_msec;
        weir_buf_free(&reader->text);

        if (reader->next.len == 0) {
            return r->connection->buffered ? NGX_AGAIN : NGX_OK;
        }
    }
}


/* The client takes it, or is waited for. */

static ngx_int_t
ngx_http_weir_stream_push(ngx_http_weir_reader_t *reader)
{
    ngx_int_t                  rc;
    ngx_event_t               *wev;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = reader->ctx->request;

    if (!r->header_sent
        && ngx_http_weir_stream_header(reader) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_weir_stream_send(reader);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    r->write_event_handler = ngx_http_weir_stream_handler;

    if (rc == NGX_AGAIN) {
        if (!wev->delayed && !wev->timer_set) {
            ngx_add_timer(wev, clcf->send_timeout);
        }

    } else if (wev->timer_set && !wev->delayed) {
        ngx_del_timer(wev);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    if (reader->behind) {
        ngx_http_weir_feed_want(reader);
    }

    return NGX_OK;
}


void
ngx_http_weir_stream_handler(ngx_http_request_t *r)
{
    ngx_event_t             *wev;
    ngx_http_weir_ctx_t     *ctx;
    ngx_http_weir_reader_t  *reader;

    wev = r->connection->write;
    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);
    reader = ctx->reader;

    if (wev->timedout) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_slow);
        return;
    }

    if (wev->delayed || r->aio) {
        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_http_weir_resume(ctx, &ngx_http_weir_step_gone);
        }

        return;
    }

    /* some of it went: the time is for what is left */

    if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    if (r->header_sent && ngx_http_weir_stream_push(reader) != NGX_OK) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_gone);
    }
}


/* from events of our own */

static void
ngx_http_weir_stream_posted(ngx_event_t *ev)
{
    ngx_connection_t            *c;
    ngx_http_weir_ctx_t         *ctx;
    ngx_http_weir_reader_t      *reader = ev->data;
    const ngx_http_weir_step_t  *next;

    ctx = reader->ctx;
    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    next = ngx_http_weir_reader_next(reader);

    if (next) {
        ngx_http_weir_resume(ctx, next);
        return;
    }

    /* before it is said that there is a job, the header cannot say so */

    if (!ctx->submitting && (reader->next.len || ctx->request->header_sent)
        && ngx_http_weir_stream_push(reader) != NGX_OK)
    {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_gone);
        return;
    }

    ngx_http_run_posted_requests(c);
}


void
ngx_http_weir_stream_post(ngx_http_weir_reader_t *reader)
{
    if (!reader->ended) {
        ngx_post_event(&reader->post, &ngx_posted_events);
    }
}


static ngx_msec_t
ngx_http_weir_stream_pause(ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(reader->ctx->request,
                                        ngx_http_weir_module);

    return wlcf->heartbeat;
}


/* Only where nothing else is on its way. */

static void
ngx_http_weir_stream_beat(ngx_event_t *ev)
{
    ngx_msec_t               pause, silent;
    ngx_http_weir_reader_t  *reader = ev->data;

    pause = ngx_http_weir_stream_pause(reader);
    silent = ngx_current_msec - reader->wrote;

    if (reader->ctx->request->header_sent && silent < pause) {
        ngx_add_timer(ev, pause - silent);
        return;
    }

    if (ngx_http_weir_stream_unsent(reader) == 0) {
        ngx_http_weir_reader_ping(reader);
    }

    ngx_add_timer(ev, pause);
    ngx_http_weir_stream_posted(&reader->post);
}


void
ngx_http_weir_stream_init(ngx_http_weir_reader_t *reader)
{
    ngx_log_t  *log;

    log = reader->ctx->request->connection->log;

    reader->post.handler = ngx_http_weir_stream_posted;
    reader->post.data = reader;
    reader->post.log = log;

    reader->beat.handler = ngx_http_weir_stream_beat;
    reader->beat.data = reader;
    reader->beat.log = log;
}


void
ngx_http_weir_stream_start(ngx_http_weir_reader_t *reader)
{
    ngx_msec_t  pause;

    if (!reader->beat.timer_set) {
        pause = ngx_http_weir_stream_pause(reader);
        ngx_add_timer(&reader->beat,
                      ngx_min(pause, NGX_HTTP_WEIR_STREAM_FIRST));
    }

    ngx_http_weir_stream_post(reader);
}


void
ngx_http_weir_stream_stop(ngx_http_weir_reader_t *reader)
{
    if (reader->post.posted) {
        ngx_delete_posted_event(&reader->post);
    }

    if (reader->beat.timer_set) {
        ngx_del_timer(&reader->beat);
    }
}


/* nginx itself sees to it that the client gets it, or is given up. */

ngx_int_t
ngx_http_weir_stream_end(ngx_http_weir_reader_t *reader)
{
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = reader->ctx->request;
    reader->ended = 1;
    ngx_http_weir_stream_stop(reader);

    if (reader->next.failed) {
        return NGX_ERROR;
    }

    if (!r->header_sent && ngx_http_weir_stream_header(reader) != NGX_OK) {
        return NGX_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) reader->next.data;
    b->last = b->pos + reader->next.len;
    b->memory = reader->next.len > 0;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
