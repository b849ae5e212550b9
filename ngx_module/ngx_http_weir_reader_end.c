/*
 * How a stream ends: with the run, when it is known whether all was sent, and
 * the rest of the outcome if not; or in an error.
 */

#include "ngx_http_weir_reader.h"

#include "ngx_http_weir_woken.h"


#define NGX_HTTP_WEIR_SETTLE_TIME  60000        /* ms */


static const ngx_http_weir_step_t *ngx_http_weir_reader_cut_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_reader_settled_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_reader_used_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_reader_unknown_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_cut = {
    "stream, cut", ngx_http_weir_reader_cut_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_settled = {
    "stream, settled", ngx_http_weir_reader_settled_run
};

const ngx_http_weir_step_t  ngx_http_weir_step_used = {
    "stream, used", ngx_http_weir_reader_used_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_unknown = {
    "stream, used unknown", ngx_http_weir_reader_unknown_run
};


/* Has it got the last entry there is? */

static ngx_uint_t
ngx_http_weir_reader_is_there(const ngx_http_weir_reader_t *reader)
{
    return reader->last.token
           && ngx_http_weir_spot_cmp(&reader->spot, &reader->last) == 0;
}


static const ngx_http_weir_step_t *
ngx_http_weir_reader_settled_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    reader->settling = 0;
    reader->settled = 1;
    reader->whole = ngx_http_weir_reader_is_there(reader);

    ngx_http_weir_feed_leave(reader, 1);

    /* it is no longer a matter of how long one waits for the first of it */

    if (reader->content) {
        ctx->wait_end = ngx_current_msec + NGX_HTTP_WEIR_SETTLE_TIME;
    }

    return &ngx_http_weir_step_outcome;
}


ngx_uint_t
ngx_http_weir_reader_settled(ngx_http_weir_ctx_t *ctx)
{
    return ctx->reader->settled;
}


/* The run has ended, and it is known how: then first what was missed. */

const ngx_http_weir_step_t *
ngx_http_weir_reader_settle(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (ctx->entries) {

        if (ctx->lost || reader->feed == NULL) {
            return &ngx_http_weir_step_settled;
        }

    } else if (ctx->lost || ctx->job.state != WEIR_COMPLETED
               || !reader->content)
    {
        return &ngx_http_weir_step_settled;

    } else if (reader->spot.token
               != ngx_http_weir_spot_token(weir_str_of(ctx->job.token)))
    {
        reader->cut = "stream_interrupted";
        return &ngx_http_weir_step_cut;
    }

    if (ngx_http_weir_reader_is_there(reader)) {
        return &ngx_http_weir_step_settled;
    }

    reader->settling = 1;
    ngx_http_weir_feed_want(reader);

    return ngx_http_weir_park(ctx, NGX_HTTP_WEIR_SETTLE_TIME,
                              &ngx_http_weir_step_settled);
}


/* A dialect's stream that is whole needs no outcome. */

ngx_uint_t
ngx_http_weir_reader_whole(ngx_http_weir_ctx_t *ctx)
{
    return ctx->reader && ctx->reader->whole && !ctx->entries
           && ctx->job.state == WEIR_COMPLETED;
}


/* What it would have cost to ask again is all that is not known yet.  Its end
 * does not fail for that. */

static void
ngx_http_weir_reader_used_answer(ngx_http_weir_ctx_t *ctx,
    const weir_answer_t *a)
{
    weir_settle_t  used;

    if (weir_txn_used_read(a, &used)) {
        ngx_http_weir_cache_saved(ctx, used.input_tokens, used.output_tokens,
                                  used.cost);
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_answer);
}


static const ngx_http_weir_step_t *
ngx_http_weir_reader_used_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_used(&p->txn, ctx->job.shard, ngx_http_weir_run_id(&ctx->job),
                  weir_str_of(ctx->job.token));

    return ngx_http_weir_ask(ctx, ngx_http_weir_reader_used_answer,
                             p->conf->redis.timeout, &ngx_http_weir_step_used,
                             &ngx_http_weir_step_unknown);
}


static const ngx_http_weir_step_t *
ngx_http_weir_reader_unknown_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_forget(ctx);

    return &ngx_http_weir_step_answer;
}


static ngx_int_t
ngx_http_weir_reader_fail(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f)
{
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (ctx->entries) {
        reader->ended = 1;
        return NGX_ERROR;
    }

    ngx_http_weir_reader_begin(reader);
    weir_render_fail(&reader->render, f);

    return ngx_http_weir_stream_end(reader);
}


/* The header has gone, and may have said that all is well. */

ngx_int_t
ngx_http_weir_stream_fail(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f)
{
    if (ctx->status[0] == '-' || ctx->status[0] == 'Q') {
        ctx->status = weir_failure_name(f->kind);
    }

    ngx_http_weir_count(ctx->process, cut_failed);

    return ngx_http_weir_reader_fail(ctx, f);
}


static void
ngx_http_weir_reader_broken(weir_failure_t *f, const char *code)
{
    weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                     "the answer that was begun cannot be completed");
    weir_failure_copy(f->code, sizeof(f->code), weir_str_of(code));
}


static const ngx_http_weir_step_t *
ngx_http_weir_reader_cut_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t           f;
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;
    ngx_http_weir_forget(ctx);
    ngx_http_weir_wait_remove(ctx);

    if (reader->revoked) {
        ctx->status = "REVOKED";
        ngx_http_weir_count(ctx->process, cut_revoked);

        weir_failure_set(&f, WEIR_FAIL_UNAUTHENTICATED,
                         "the API key is not valid any more");

    } else {
        ctx->status = "INTERRUPTED";
        ngx_http_weir_count(ctx->process, cut_interrupted);

        ngx_http_weir_reader_broken(&f, reader->cut);
    }

    return ngx_http_weir_done(ctx, ngx_http_weir_reader_fail(ctx, &f));
}


/* of those that took a while */

static void
ngx_http_weir_reader_pace(ngx_http_weir_reader_t *reader)
{
    ngx_msec_t                 ms;
    ngx_http_weir_counters_t  *c;

    c = reader->ctx->process->conf->counters;
    ms = ngx_current_msec - reader->began;

    if (reader->whole && reader->tokens && ms) {
        ngx_http_weir_histogram_add(&c->pace, &ngx_http_weir_bounds_pace,
                                    reader->tokens * 1000000 / ms);
    }
}


/* What came of the run, after what was sent of it. */

ngx_int_t
ngx_http_weir_reader_answer(ngx_http_weir_ctx_t *ctx)
{
    int                      rc;
    weir_failure_t           f;
    const weir_buf_t        *body;
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (ctx->job.state != WEIR_COMPLETED
        || (!reader->whole && ctx->outcome.choices == NULL))
    {
        reader->render.over = (ctx->job.state == WEIR_FAILED
                               || ctx->job.state == WEIR_EXPIRED);
        weir_jobdoc_failure(ctx->job.state, &ctx->outcome, &f);
        return ngx_http_weir_stream_fail(ctx, &f);
    }

    ngx_http_weir_reader_begin(reader);

    if (!reader->content) {
        ngx_http_weir_reader_base(reader,
                  ngx_http_weir_spot_token(weir_str_of(ctx->job.token)));
    }

    rc = reader->whole ? 0 : weir_sent_rest(&reader->sent, &ctx->outcome,
                                            ngx_http_weir_reader_delta,
                                            reader);

    if (rc == 0) {
        rc = weir_render_end(&reader->render);
    }

    if (rc != 0) {
        ngx_http_weir_reader_broken(&f, rc == -2 ? "stream_interrupted"
                                                 : "stream_invalid");
        return ngx_http_weir_stream_fail(ctx, &f);
    }

    ngx_http_weir_reader_pace(reader);

    if (ctx->cache && ctx->outcome.doc) {
        ngx_http_weir_cache_saved_outcome(ctx);
        body = ngx_http_weir_body(ctx);

        if (body) {
            ngx_http_weir_cache_keep(ctx, body);
        }
    }

    return ngx_http_weir_stream_end(reader);
}
