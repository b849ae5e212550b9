/*
 * A reader: one request whose answer is sent as it comes.  Takes the entries of
 * a run in their order and never mixes attempts.  Owns what the request has got
 * so far; the run's end is in reader_end.c, bytes on their way are stream.c's.
 */

#include "ngx_http_weir_reader.h"

#include "ngx_http_weir_dialect.h"


static ngx_int_t ngx_http_weir_reader_greet(ngx_http_weir_reader_t *reader);


/* coming and going */

static void
ngx_http_weir_reader_gauge(ngx_http_weir_process_t *p)
{
    p->conf->counters->slots[ngx_process_slot].streams = p->streams;
}


ngx_int_t
ngx_http_weir_reader_create(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_reader_t  *reader;

    if (ctx->reader) {
        return NGX_OK;
    }

    reader = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_weir_reader_t));
    if (reader == NULL) {
        return NGX_ERROR;
    }

    reader->ctx = ctx;
    reader->began = ngx_current_msec;
    reader->render.dialect = ctx->entries ? NULL : ctx->speech->render;
    reader->render.usage = ctx->usage;
    reader->render.request_id = ngx_http_weir_str(ctx->visit->request_id);
    reader->render.model = ngx_http_weir_str(ctx->job.model);
    reader->render.echo = ngx_http_weir_str(ctx->job.echo);
    reader->render.from = ctx->from;

    ngx_http_weir_stream_init(reader);

    ctx->reader = reader;
    ctx->process->streams++;
    ngx_http_weir_reader_gauge(ctx->process);

    return NGX_OK;
}


static void
ngx_http_weir_reader_free(ngx_http_weir_reader_t *reader)
{
    if (reader->render.dialect) {
        weir_render_free(&reader->render);
    }

    weir_sent_free(&reader->sent);
}


/* Who answers, and what comes beside an answer, may be another's now, under
 * another id; unless that was said. */

static void
ngx_http_weir_reader_forget(ngx_http_weir_reader_t *reader)
{
    if (reader->render.own && reader->render.dialect->begin) {
        weir_sent_free(&reader->sent);
        return;
    }

    ngx_http_weir_reader_free(reader);
    reader->render.out = NULL;
}


/* The request is finalized: its buffers are nginx's from now on, and it writes
 * and waits for itself. */

void
ngx_http_weir_reader_done(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (reader == NULL) {
        return;
    }

    if (reader->begun && !reader->ended) {
        ngx_http_weir_count(ctx->process, cut_client);
    }

    ngx_http_weir_responses_left(ctx, reader);

    reader->ended = 1;

    ngx_http_weir_stream_stop(reader);
    ngx_http_weir_unwatch(reader);
    ngx_http_weir_feed_leave(reader, 0);
}


void
ngx_http_weir_reader_destroy(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (reader == NULL) {
        return;
    }

    ngx_http_weir_reader_done(ctx);
    ctx->reader = NULL;

    ngx_http_weir_reader_free(reader);
    weir_buf_free(&reader->next);
    weir_buf_free(&reader->text);

    ctx->process->streams--;
    ngx_http_weir_reader_gauge(ctx->process);
}


/* May the answer to this request come in pieces? */

static ngx_uint_t
ngx_http_weir_reader_may(ngx_http_weir_ctx_t *ctx)
{
    return ctx->events && ctx->speech->render
           && ctx->request == ctx->request->main
           && (ctx->detached
               || (ctx->hold != 0 && ctx->request->method == NGX_HTTP_POST));
}


/* Before the run is submitted: nothing of it will be missed.  *until_r: what
 * Redis is to be told with the submission; 0: it is no stream. */

ngx_int_t
ngx_http_weir_reader_lead(ngx_http_weir_ctx_t *ctx, int64_t *until_r)
{
    *until_r = 0;

    if (!ngx_http_weir_reader_may(ctx)) {
        return NGX_OK;
    }

    if (ngx_http_weir_reader_create(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    *until_r = ngx_http_weir_feed_until(ctx->process);

    if (ctx->reader->feed) {
        return NGX_OK;
    }

    return ngx_http_weir_feed_join(ctx->reader, ctx->job.shard,
                                   ngx_http_weir_run_id(&ctx->job), 0,
                                   *until_r);
}


/* A run that is under way. */

ngx_int_t
ngx_http_weir_reader_join(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_reader_t  *reader;

    if (!ctx->entries && !ngx_http_weir_reader_may(ctx)) {
        return NGX_OK;
    }

    if (ngx_http_weir_reader_create(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    reader = ctx->reader;

    if (reader->feed == NULL
        && ngx_http_weir_feed_join(reader, ctx->job.shard,
                                   ngx_http_weir_run_id(&ctx->job), 1, 0)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_weir_watch(reader) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->detached && ngx_http_weir_reader_greet(reader) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_weir_stream_start(reader);

    return NGX_OK;
}


/* Another run may follow, from its start; of this one nothing was sent. */

void
ngx_http_weir_reader_leave(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (reader == NULL) {
        return;
    }

    ngx_http_weir_feed_leave(reader, 0);

    ngx_memzero(&reader->spot, sizeof(ngx_http_weir_spot_t));
    ngx_memzero(&reader->heard, sizeof(ngx_http_weir_spot_t));
    ngx_memzero(&reader->last, sizeof(ngx_http_weir_spot_t));

    if (!reader->content) {
        ngx_http_weir_reader_forget(reader);
    }

    reader->behind = 0;
    reader->again = 0;
    reader->settling = 0;
    reader->settled = 0;
    reader->whole = 0;
}


/* What completes its entries; empty: it was not told. */

void
ngx_http_weir_reader_last(ngx_http_weir_ctx_t *ctx, weir_str_t last)
{
    if (ctx->reader && last.len) {
        (void) ngx_http_weir_spot_parse(last, &ctx->reader->last);
    }
}


/* Is there no way back to an answer with a status of its own? */

ngx_uint_t
ngx_http_weir_streams(ngx_http_weir_ctx_t *ctx)
{
    return ctx->reader
           && (ctx->request->header_sent || ctx->reader->next.len > 0
               || (ctx->detached && ctx->reader->content));
}


ngx_uint_t
ngx_http_weir_streamed(ngx_http_weir_ctx_t *ctx)
{
    return ctx->reader && ctx->reader->content;
}


/* taking */

static void
ngx_http_weir_reader_cut(ngx_http_weir_reader_t *reader, const char *code)
{
    if (reader->cut == NULL) {
        reader->cut = code;
    }

    ngx_http_weir_stream_post(reader);
}


void
ngx_http_weir_reader_revoke(ngx_http_weir_reader_t *reader)
{
    if (!reader->ended) {
        reader->revoked = 1;
        ngx_http_weir_reader_cut(reader, "invalid_api_key");
    }
}


void
ngx_http_weir_reader_begin(ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_ctx_t  *ctx;

    if (reader->render.out) {
        return;
    }

    ctx = reader->ctx;
    ngx_memcpy(reader->id, ctx->job.id, sizeof(reader->id));

    reader->render.id = weir_str_of(reader->id);
    reader->render.created = ctx->job.created / 1000;
    reader->render.out = &reader->next;
}


/* What is known without an answer. */

static ngx_int_t
ngx_http_weir_reader_greet(ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_reader_begin(reader);

    return weir_render_begin(&reader->render) == 0 ? NGX_OK : NGX_ERROR;
}


void
ngx_http_weir_reader_base(ngx_http_weir_reader_t *reader, uint64_t token)
{
    const ngx_http_weir_dialect_t  *d;

    d = reader->ctx->speech;

    if (d && d->base) {
        reader->render.base = d->base((int64_t) token);
    }
}


int
ngx_http_weir_reader_delta(void *arg, const weir_delta_t *d)
{
    ngx_http_weir_reader_t    *reader = arg;
    ngx_http_weir_counters_t  *c;

    ngx_http_weir_reader_begin(reader);

    if (weir_render_delta(&reader->render, d) != 0) {
        return -1;
    }

    if (reader->sent.content && !reader->content) {
        reader->content = 1;

        c = reader->ctx->process->conf->counters;
        ngx_http_weir_histogram_add(&c->first, &ngx_http_weir_bounds_first,
                                    ngx_current_msec - reader->began);
        reader->began = ngx_current_msec;
    }

    if (d->kind == WEIR_DELTA_USAGE && d->output > 0) {
        reader->tokens = (uint64_t) d->output;
    }

    return 0;
}


static int
ngx_http_weir_reader_add(void *arg, const weir_delta_t *d)
{
    ngx_http_weir_reader_t  *reader = arg;

    if (weir_sent_add(&reader->sent, d) != 0) {
        return -1;
    }

    return ngx_http_weir_reader_delta(reader, d);
}


/* Whoever has content of one attempt gets none of another. */

static void
ngx_http_weir_reader_render(ngx_http_weir_reader_t *reader,
    const weir_event_t *e)
{
    if (e->kind != WEIR_EVENT_DELTAS) {

        if (!reader->content) {
            ngx_http_weir_reader_forget(reader);

        } else {
            ngx_http_weir_reader_cut(reader,
                e->kind == WEIR_EVENT_OVER
                && weir_failure_kind(e->data) == WEIR_FAIL_UPSTREAM
                ? "upstream_truncated" : "stream_interrupted");
        }

        return;
    }

    if (!reader->content && reader->spot.token < reader->feed->latest) {
        return;                         /* it comes to nothing */
    }

    ngx_http_weir_reader_base(reader, reader->spot.token);

    if (weir_deltas_read(e->data, ngx_http_weir_reader_add, reader) != 0) {
        ngx_http_weir_reader_cut(reader, "stream_invalid");
    }
}


void
ngx_http_weir_reader_take(ngx_http_weir_reader_t *reader,
    const weir_event_t *e)
{
    ngx_http_weir_spot_t  spot;

    if (reader->cut || reader->settled) {
        return;
    }

    if (e->kind == WEIR_EVENT_END) {
        (void) ngx_http_weir_spot_parse(e->data, &reader->last);
        return;
    }

    ngx_http_weir_spot_of(e, &spot);

    if (ngx_http_weir_spot_cmp(&spot, &reader->heard) > 0) {
        reader->heard = spot;
    }

    if (ngx_http_weir_spot_cmp(&spot, &reader->spot) <= 0) {
        return;
    }

    if (ngx_http_weir_stream_unsent(reader) >= NGX_HTTP_WEIR_READER_ROOM
        || (spot.n > 0
            && (spot.token != reader->spot.token
                || spot.n != reader->spot.n + 1))
        || (reader->resuming
            && ngx_http_weir_spot_cmp(&spot, &reader->resume) != 0))
    {
        reader->behind = 1;
        return;
    }

    reader->spot = spot;

    if (reader->resuming) {
        reader->resuming = 0;           /* it is there, and was sent */
        return;
    }

    if (reader->render.dialect) {
        ngx_http_weir_reader_render(reader, e);

    } else {
        ngx_http_weir_events_take(reader, e);
    }

    ngx_http_weir_stream_post(reader);
}


void
ngx_http_weir_reader_read(ngx_http_weir_reader_t *reader,
    const ngx_http_weir_spot_t *after, const ngx_http_weir_spot_t *upto,
    ngx_uint_t more)
{
    int  moved, rest;

    moved = ngx_http_weir_spot_cmp(&reader->spot, after);
    rest = ngx_http_weir_spot_cmp(upto, &reader->spot);

    /* of others, or when it had no room, or not as far as it stands: its turn
     * comes */

    if (moved < 0
        || ngx_http_weir_stream_unsent(reader) >= NGX_HTTP_WEIR_READER_ROOM
        || (more && (rest < 0 || (rest == 0 && reader->resuming))))
    {
        return;
    }

    if (reader->resuming) {
        ngx_http_weir_events_reset(reader);
        return;
    }

    /* What is not there though it was told of is gone with all of the stream;
     * unless it came while the answer was on its way. */

    if (ngx_http_weir_spot_cmp(&reader->spot, &reader->heard) < 0) {
        reader->behind = (moved > 0 || !reader->again);
        reader->again = (moved == 0);

        if (!reader->behind) {
            reader->heard = reader->spot;
        }

    } else {
        reader->behind = more;
        reader->again = 0;
    }

    if (reader->settling && !reader->behind) {
        ngx_http_weir_stream_post(reader);
    }
}


const ngx_http_weir_step_t *
ngx_http_weir_reader_next(ngx_http_weir_reader_t *reader)
{
    if (reader->cut) {
        return &ngx_http_weir_step_cut;
    }

    if (reader->settling && !reader->behind) {
        return &ngx_http_weir_step_settled;
    }

    return NULL;
}


void
ngx_http_weir_reader_ping(ngx_http_weir_reader_t *reader)
{
    size_t       len;
    const char  *ping;

    if (reader->render.dialect && reader->render.dialect->begin) {
        len = reader->next.len;

        if (ngx_http_weir_reader_greet(reader) != NGX_OK) {
            reader->next.failed = true;
        }

        if (reader->next.len != len) {
            return;
        }
    }

    ping = reader->content && reader->render.dialect
           ? reader->render.dialect->ping : NULL;

    weir_buf_text(&reader->next, ping ? ping : ": ping\n\n");
}
