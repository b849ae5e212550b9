/*
 * The gate: what a request must pass before anything else of its location is
 * done, as a list of steps.  Runs in the rewrite phase, so that neither
 * "return" nor "satisfy" goes round it; a step may park the request.  Owns the
 * order and the form of a refusal; what the steps ask is theirs.
 */

#include "ngx_http_weir_module.h"


static const ngx_http_weir_step_t *ngx_http_weir_gate_resume_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_gate_late_run(
    ngx_http_weir_ctx_t *ctx);


static const ngx_http_weir_gate_t  ngx_http_weir_gates[] = {
    { "limit of bad keys", ngx_http_weir_limit_peek_gate },
    { "auth", ngx_http_weir_auth_gate },
    { "scope", ngx_http_weir_auth_scope_gate },
    { "turn", ngx_http_weir_limit_turn_gate },
    { "limits", ngx_http_weir_limit_gate },
    { NULL, NULL }
};


/* wakes a request that was parked in the gate */

const ngx_http_weir_step_t  ngx_http_weir_step_gate = {
    "gate", ngx_http_weir_gate_resume_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_late = {
    "gate, late", ngx_http_weir_gate_late_run
};


ngx_int_t
ngx_http_weir_gate_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_weir_ctx_t       *ctx;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    if (!wlcf->auth && !wlcf->limits) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_weir_ctx(r);

    if (ctx == NULL || ctx->process == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->gate == NULL) {
        ctx->gate = ngx_http_weir_gates;
        ctx->failure = NULL;

        if (wlcf->api) {

            /* a rewrite may have changed the path since */

            ngx_http_weir_route_find(r, ctx);

            if (r == r->main) {
                ngx_http_weir_count(ctx->process, requests);
            }

        } else {
            ctx->route = NULL;
            ctx->dialect = WEIR_DIALECT_PROBLEM;
        }
    }

    for ( /* void */ ; ctx->gate->run; ctx->gate++) {

        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "weir gate: %s", ctx->gate->name);

        rc = ctx->gate->run(ctx);

        if (rc == NGX_DONE) {
            return NGX_DONE;            /* ctx may be gone */
        }

        if (rc != NGX_DECLINED) {
            ctx->gate = NULL;
            return rc;
        }
    }

    ctx->gate = NULL;

    return NGX_DECLINED;
}


/* Parks the request in the step that is run, and runs it again when somebody
 * resumes ngx_http_weir_step_gate, or with ctx->late when the time is up. */

ngx_int_t
ngx_http_weir_gate_park(ngx_http_weir_ctx_t *ctx, ngx_msec_t timeout)
{
    ctx->late = 0;

    (void) ngx_http_weir_park(ctx, timeout, &ngx_http_weir_step_late);

    return NGX_DONE;
}


static const ngx_http_weir_step_t *
ngx_http_weir_gate_resume_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    r->read_event_handler = (r == r->main) ? ngx_http_block_reading
                                           : ngx_http_request_empty_handler;
    r->write_event_handler = ngx_http_core_run_phases;

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    ngx_http_core_run_phases(r);

    return NULL;
}


static void
ngx_http_weir_gate_posted(ngx_http_request_t *r)
{
    ngx_http_weir_resume(ngx_http_get_module_ctx(r, ngx_http_weir_module),
                         &ngx_http_weir_step_gate);
}


/* Wakes it too, but not before the caller is done with the visit.  Without
 * memory it sleeps until the time is up. */

void
ngx_http_weir_gate_post(ngx_http_weir_ctx_t *ctx)
{
    ctx->request->write_event_handler = ngx_http_weir_gate_posted;

    (void) ngx_http_post_request(ctx->request, NULL);
}


static const ngx_http_weir_step_t *
ngx_http_weir_gate_late_run(ngx_http_weir_ctx_t *ctx)
{
    ctx->late = 1;

    return &ngx_http_weir_step_gate;
}


/* refusals */

ngx_uint_t
ngx_http_weir_failure_status(const weir_failure_t *f)
{
    return f->status ? f->status : weir_failure_status(f->kind);
}


/* The end of a step that refuses: what it returns.  The API answers itself;
 * elsewhere nginx does, so that "error_page" works, and the filter puts our
 * body in the place of nginx's. */

ngx_int_t
ngx_http_weir_refuse(ngx_http_weir_ctx_t *ctx, const weir_failure_t *f)
{
    ngx_table_elt_t           *h;
    ngx_http_request_t        *r;
    ngx_http_weir_loc_conf_t  *wlcf;

    r = ctx->request;
    h = NULL;

    if (ctx->status[0] == '-') {
        ctx->status = weir_failure_name(f->kind);
    }

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_weir_module);

    if (wlcf->api) {
        return ngx_http_weir_fail(ctx, f);
    }

    ctx->failure = ngx_palloc(r->pool, sizeof(weir_failure_t));
    if (ctx->failure == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *ctx->failure = *f;

    if (f->retry_after) {
        h = ngx_http_weir_header_set(r, "Retry-After", "%ud", f->retry_after);

        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (r == r->main) {

        if (ctx->visit->again && h == NULL) {
            ctx->visit->again->hash = 0;        /* of an earlier refusal */
        }

        ctx->visit->again = h;
        ctx->visit->refused = ngx_http_weir_failure_status(f);
    }

    if (ngx_http_weir_header_set(r, "Cache-Control", "no-store") == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return (ngx_int_t) ngx_http_weir_failure_status(f);
}
