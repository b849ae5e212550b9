/*
 * GET /v1/jobs/{id}/events: what a job's run says, in no dialect, for any job
 * at any time: entries as Redis has them, so that their ids are good on every
 * node, and the job object as the last.  Owns the form of these events.
 */

#include "ngx_http_weir_reader.h"


#define NGX_HTTP_WEIR_EVENTS_WAIT   86400000    /* ms */
#define NGX_HTTP_WEIR_EVENTS_RETRY  100         /* ms, to another process */


static const ngx_http_weir_step_t *ngx_http_weir_events_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_events = {
    "events", ngx_http_weir_events_run
};


/* form */

/* A text of several lines takes as many fields. */

static void
ngx_http_weir_events_write(weir_buf_t *out, const char *name, const char *id,
    weir_str_t data)
{
    weir_str_t  line;

    if (id) {
        weir_buf_printf(out, "id: %s\n", id);
    }

    weir_buf_printf(out, "event: %s\n", name);

    while (weir_str_split(&data, '\n', &line)) {
        weir_buf_text(out, "data: ");
        weir_buf_str(out, line);
        weir_buf_text(out, "\n");
    }

    weir_buf_text(out, "\n");
}


static void
ngx_http_weir_events_status(ngx_http_weir_reader_t *reader, const char *id,
    weir_state_e state, const char *member, weir_str_t value)
{
    weir_buf_t  text;

    weir_buf_init(&text, 0);
    weir_buf_printf(&text, "{\"status\":\"%s\"", weir_state_name(state));

    if (member) {
        weir_buf_printf(&text, ",\"%s\":", member);
        weir_buf_str(&text, value);
    }

    weir_buf_text(&text, "}");

    ngx_http_weir_events_write(&reader->next, "status", id,
                               (weir_str_t) { text.data, text.len });
    weir_buf_free(&text);
}


/* What has no place of its own has an empty id: whoever is cut behind it comes
 * without one, and starts anew.  With the last id that it was told it would get
 * the same twice, or nothing for what is void. */

static void
ngx_http_weir_events_void(ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_events_write(&reader->next, "reset", "", weir_str("{}"));

    reader->content = 0;
}


void
ngx_http_weir_events_reset(ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_events_void(reader);

    ngx_memzero(&reader->spot, sizeof(ngx_http_weir_spot_t));

    reader->resuming = 0;
    reader->behind = 1;

    ngx_http_weir_stream_post(reader);
}


void
ngx_http_weir_events_take(ngx_http_weir_reader_t *reader,
    const weir_event_t *e)
{
    int64_t     n;
    char        id[WEIR_EVENT_ID_MAX];
    weir_buf_t  kind;

    (void) ngx_snprintf((u_char *) id, sizeof(id), "%uL-%uL%Z",
                        reader->spot.token, reader->spot.n);

    switch (e->kind) {

    case WEIR_EVENT_START:

        /* what was said by an attempt before is no part of this one */

        if (reader->content) {
            ngx_http_weir_events_void(reader);
        }

        ngx_http_weir_events_status(reader, id, WEIR_IN_PROGRESS,
                                    weir_str_digits(e->data, 9, &n)
                                    ? "attempt" : NULL, e->data);
        return;

    case WEIR_EVENT_OVER:
        weir_buf_init(&kind, 0);
        weir_json_quote(&kind, e->data);
        ngx_http_weir_events_status(reader, id, WEIR_QUEUED, "error",
                                    (weir_str_t) { kind.data, kind.len });
        weir_buf_free(&kind);
        return;

    default:
        ngx_http_weir_events_write(&reader->next, "delta", id, e->data);
        reader->content = 1;
        return;
    }
}


/* the request */

static const ngx_http_weir_step_t *
ngx_http_weir_events_bodyless(ngx_http_weir_ctx_t *ctx, ngx_uint_t status)
{
    ctx->status = "OK";

    return ngx_http_weir_done(ctx, ngx_http_weir_send(ctx, status, NULL,
                                                      NULL));
}


/* Where the client was; EventSource sends it by itself. */

static void
ngx_http_weir_events_resume(ngx_http_weir_ctx_t *ctx, ngx_str_t *id)
{
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (!ngx_http_weir_spot_parse(ngx_http_weir_str(*id), &reader->resume)) {
        ngx_http_weir_events_reset(reader);     /* it is none of ours */
        return;
    }

    reader->resuming = 1;
    reader->spot = reader->resume;

    if (reader->resume.n) {
        reader->spot.n--;
        reader->content = 1;

    } else {
        reader->spot.token--;
        reader->spot.n = NGX_HTTP_WEIR_SPOT_MAX;
    }
}


/* From a look at the job: what it is now, and all that it has said. */

static const ngx_http_weir_step_t *
ngx_http_weir_events_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_str_t   id;
    ngx_uint_t  final, resumes;

    final = weir_state_is_final(ctx->job.state);

    if (ctx->reader) {
        return final ? &ngx_http_weir_step_outcome : &ngx_http_weir_step_wait;
    }

    ngx_str_null(&id);
    resumes = ngx_http_weir_request_header(ctx->request, "last-event-id", &id)
              && id.len;

    if (resumes && weir_str_eq(ngx_http_weir_str(id), weir_str("end"))) {

        /* nothing more will be: EventSource does not come again */

        return ngx_http_weir_events_bodyless(ctx, NGX_HTTP_NO_CONTENT);
    }

    if (ctx->request->method == NGX_HTTP_HEAD) {
        return ngx_http_weir_done(ctx,
                                  ngx_http_weir_send_header(ctx, NGX_HTTP_OK,
                                      ngx_http_weir_answer_type(ctx), -1));
    }

    if (!final && !ctx->waiting) {
        return ngx_http_weir_wait_add(ctx) == NGX_OK
               ? &ngx_http_weir_step_look      /* as one who is told */
               : ngx_http_weir_submit_full(ctx);
    }

    if (ngx_http_weir_reader_create(ctx) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    if (resumes) {
        ngx_http_weir_events_resume(ctx, &id);

    } else if (!final) {
        ngx_http_weir_events_status(ctx->reader, NULL, ctx->job.state, NULL,
                                    weir_str_null);
    }

    if (ngx_http_weir_reader_join(ctx) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_ERROR);
    }

    return final ? &ngx_http_weir_step_outcome : &ngx_http_weir_step_wait;
}


const ngx_http_weir_step_t *
ngx_http_weir_events_start(ngx_http_weir_ctx_t *ctx)
{
    const ngx_http_weir_step_t  *next;

    next = ngx_http_weir_job_start(ctx);

    ctx->entries = 1;
    ctx->events = 1;
    ctx->poll = 1;
    ctx->wait_end = ngx_current_msec + NGX_HTTP_WEIR_EVENTS_WAIT;

    return next;
}


/* the end */

static int
ngx_http_weir_events_add(void *arg, const weir_delta_t *d)
{
    return weir_deltas_add(arg, d);
}


/* All that was said, where the entries did not tell it. */

static ngx_int_t
ngx_http_weir_events_full(ngx_http_weir_ctx_t *ctx)
{
    int                      rc;
    weir_buf_t               data;
    weir_sent_t              sent;
    weir_deltas_t            deltas;
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (reader->content) {
        ngx_http_weir_events_void(reader);
    }

    ngx_memzero(&sent, sizeof(weir_sent_t));
    weir_buf_init(&data, 0);
    weir_deltas_init(&deltas, 0);

    rc = weir_sent_rest(&sent, &ctx->outcome, ngx_http_weir_events_add,
                        &deltas);

    while (rc == 0 && weir_deltas_take(&deltas, NGX_HTTP_WEIR_READER_ROOM,
                                       &data))
    {
        ngx_http_weir_events_write(&reader->next, "delta", "",
                                   (weir_str_t) { data.data, data.len });
        weir_buf_reset(&data);
    }

    weir_deltas_free(&deltas);
    weir_buf_free(&data);
    weir_sent_free(&sent);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_weir_events_answer(ngx_http_weir_ctx_t *ctx)
{
    weir_buf_t               job;
    ngx_http_weir_reader_t  *reader;

    reader = ctx->reader;

    if (!reader->whole && ctx->job.state == WEIR_COMPLETED
        && ctx->outcome.choices && ngx_http_weir_events_full(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    weir_buf_init(&job, 0);
    ngx_http_weir_job_write(ctx, &job);

    ngx_http_weir_events_write(&reader->next, "done", "end",
                               (weir_str_t) { job.data, job.len });

    if (job.failed) {
        reader->next.failed = true;
    }

    weir_buf_free(&job);

    return ngx_http_weir_stream_end(reader);
}


/* The process is to go, or it took a day: the client comes again, and goes on
 * where it was. */

const ngx_http_weir_step_t *
ngx_http_weir_events_leave(ngx_http_weir_ctx_t *ctx)
{
    ctx->status = "RELEASED";
    ngx_http_weir_wait_remove(ctx);

    weir_buf_printf(&ctx->reader->next, "retry: %d\n\n",
                    NGX_HTTP_WEIR_EVENTS_RETRY);

    return ngx_http_weir_done(ctx, ngx_http_weir_stream_end(ctx->reader));
}
