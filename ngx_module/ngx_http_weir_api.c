/*
 * The content handler of the API and the driver of its steps.  Owns parking
 * and going on; what is done in between is in the files of the routes.
 */

#include "ngx_http_weir_module.h"


static void ngx_http_weir_run(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_step_t *step);
static void ngx_http_weir_body_handler(ngx_http_request_t *r);
static void ngx_http_weir_overdue(ngx_event_t *ev);


static ngx_int_t
ngx_http_weir_no_route(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t       rc;
    ngx_uint_t      methods;
    weir_failure_t  f;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    methods = ngx_http_weir_route_methods(ctx);

    if (methods == 0) {
        weir_failure_set(&f, WEIR_FAIL_NOT_FOUND, "%s",
                         ngx_http_weir_route_missing(ctx));
        return ngx_http_weir_fail(ctx, &f);
    }

    ngx_http_weir_allow(ctx, methods);

    if (r->method == NGX_HTTP_OPTIONS) {
        return ngx_http_weir_send(ctx, NGX_HTTP_NO_CONTENT, NULL, NULL);
    }

    weir_failure_set(&f, WEIR_FAIL_METHOD, "the route does not have the "
                     "method %.*s", (int) ngx_min(r->method_name.len, 32),
                     r->method_name.data);

    return ngx_http_weir_fail(ctx, &f);
}


ngx_int_t
ngx_http_weir_api_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    if (ctx == NULL || ctx->visit->owner.len == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;  /* the gate was not passed */
    }

    if (ctx->route == NULL) {
        return ngx_http_weir_no_route(r, ctx);
    }

    /* also where no body is expected: reading takes the reference to the
     * request that the steps give back when they finalize it */

    r->request_body_in_single_buf = 1;
    r->request_body_in_persistent_file = 0;

    rc = ngx_http_read_client_request_body(r, ngx_http_weir_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static const ngx_http_weir_step_t *
ngx_http_weir_step_start_run(ngx_http_weir_ctx_t *ctx)
{
    return ctx->route->start(ctx);
}


static const ngx_http_weir_step_t  ngx_http_weir_step_start = {
    "start", ngx_http_weir_step_start_run
};


static void
ngx_http_weir_body_handler(ngx_http_request_t *r)
{
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_weir_module);

    ngx_http_weir_run(ctx, &ngx_http_weir_step_start);
}


static void
ngx_http_weir_run(ngx_http_weir_ctx_t *ctx, const ngx_http_weir_step_t *step)
{
    while (step) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                       "weir step: %s", step->name);

        step = step->run(ctx);

        /* step == NULL: ctx may be gone */
    }
}


/* Comes home from an event that is not the request's own. */

void
ngx_http_weir_resume(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_step_t *step)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    if (ctx->holding) {
        ngx_queue_remove(&ctx->held);
        ctx->holding = 0;
    }

    ngx_http_weir_run(ctx, step);

    ngx_http_run_posted_requests(c);
}


/* Nothing to do until somebody resumes, or the time is up, or the client goes
 * away, which ends the request and runs the cleanup of its context. */

const ngx_http_weir_step_t *
ngx_http_weir_park(ngx_http_weir_ctx_t *ctx, ngx_msec_t timeout,
    const ngx_http_weir_step_t *overdue)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ctx->overdue = overdue;

    ctx->timer.handler = ngx_http_weir_overdue;
    ctx->timer.data = ctx;
    ctx->timer.log = c->log;

    ngx_add_timer(&ctx->timer, timeout);

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ctx->reader ? ngx_http_weir_stream_handler
                                         : ngx_http_request_empty_handler;

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_ERROR);
    }

    return NULL;
}


static void
ngx_http_weir_overdue(ngx_event_t *ev)
{
    ngx_http_weir_ctx_t  *ctx = ev->data;

    ngx_http_weir_resume(ctx, ctx->overdue);
}


/* The answer may be under way for long, or be an error page: nobody is to come
 * back to it meanwhile. */

const ngx_http_weir_step_t *
ngx_http_weir_done(ngx_http_weir_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_weir_wait_remove(ctx);
    ngx_http_weir_reader_done(ctx);

    ngx_http_finalize_request(ctx->request, rc);

    return NULL;
}


/* What outlives its source is copied into the pool. */

ngx_int_t
ngx_http_weir_copy(ngx_pool_t *pool, ngx_str_t *to, weir_str_t from)
{
    to->len = 0;
    to->data = ngx_pnalloc(pool, from.len ? from.len : 1);

    if (to->data == NULL) {
        return NGX_ERROR;
    }

    if (from.len) {
        ngx_memcpy(to->data, from.data, from.len);
        to->len = from.len;
    }

    return NGX_OK;
}
