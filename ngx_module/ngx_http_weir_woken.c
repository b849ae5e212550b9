/*
 * What those who are woken together have in common: the outcome, read once, and
 * the forms of the answer, each written once.  The outcome's document and the
 * bodies live as long as the last of the requests that use them.
 */

#include "ngx_http_weir_dialect.h"
#include "ngx_http_weir_woken.h"


struct ngx_http_weir_body_s {
    ngx_uint_t   users;                         /* requests; and who wakes */
    int64_t      created;
    weir_buf_t   text;
};


void
ngx_http_weir_woken_begin(ngx_http_weir_process_t *p,
    ngx_http_weir_woken_t *woken, weir_str_t outcome)
{
    ngx_memzero(woken, sizeof(ngx_http_weir_woken_t));

    if (outcome.len) {
        (void) weir_outcome_read(&woken->outcome, outcome);
    }

    p->woken = woken;
}


void
ngx_http_weir_woken_take(ngx_http_weir_ctx_t *ctx)
{
    weir_outcome_free(&ctx->outcome);

    if (ctx->process->woken->outcome.doc) {
        weir_outcome_share(&ctx->outcome, &ctx->process->woken->outcome);
    }
}


static void
ngx_http_weir_body_release(void *data)
{
    ngx_http_weir_body_t  *body = data;

    if (--body->users == 0) {
        weir_buf_free(&body->text);
        ngx_free(body);
    }
}


void
ngx_http_weir_woken_end(ngx_http_weir_process_t *p)
{
    ngx_uint_t              i;
    ngx_http_weir_woken_t  *woken;

    woken = p->woken;
    p->woken = NULL;

    for (i = 0; i < NGX_HTTP_WEIR_FORMS; i++) {
        if (woken->bodies[i]) {
            ngx_http_weir_body_release(woken->bodies[i]);
        }
    }

    weir_outcome_free(&woken->outcome);
}


static ngx_http_weir_body_t *
ngx_http_weir_body_make(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_body_t  *body;

    body = ngx_calloc(sizeof(ngx_http_weir_body_t),
                      ctx->request->connection->log);
    if (body == NULL) {
        return NULL;
    }

    body->users = 1;
    body->created = ctx->job.created;

    ngx_http_weir_outcome_write(ctx, &body->text);

    if (body->text.failed) {
        ngx_http_weir_body_release(body);
        return NULL;
    }

    return body;
}


/* Those who are woken wait for one run: its id is the same for all, and when
 * it was asked for is compared.  Others may come to an answer of their own
 * meanwhile (requests share connections). */

static ngx_http_weir_body_t *
ngx_http_weir_body_find(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_body_t   *body, **common;
    ngx_http_weir_woken_t  *woken;

    woken = ctx->process->woken;

    if (woken == NULL || ctx->outcome.doc != woken->outcome.doc
        || ctx->speech->apart)
    {
        return ngx_http_weir_body_make(ctx);
    }

    common = &woken->bodies[ngx_http_weir_dialect_form(ctx)];

    if (*common == NULL) {
        *common = ngx_http_weir_body_make(ctx);
    }

    body = *common;

    if (body == NULL || body->created != ctx->job.created) {
        return ngx_http_weir_body_make(ctx);
    }

    body->users++;

    return body;
}


const weir_buf_t *
ngx_http_weir_body(ngx_http_weir_ctx_t *ctx)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_weir_body_t  *body;

    cln = ngx_pool_cleanup_add(ctx->request->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    body = ngx_http_weir_body_find(ctx);
    if (body == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_weir_body_release;
    cln->data = body;

    return &body->text;
}
