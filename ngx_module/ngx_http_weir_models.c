/*
 * The list of models, from the catalogue that the workers publish.  Owns the
 * last catalogue that this process has seen, for the time without Redis.
 */

#include "ngx_http_weir_module.h"


static const ngx_http_weir_step_t *ngx_http_weir_models_ask_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_models_answer_run(
    ngx_http_weir_ctx_t *ctx);


static const ngx_http_weir_step_t  ngx_http_weir_step_models_ask = {
    "models", ngx_http_weir_models_ask_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_models_answer = {
    "models answer", ngx_http_weir_models_answer_run
};


static void
ngx_http_weir_models_keep(ngx_http_weir_process_t *p, weir_str_t text)
{
    u_char  *data;

    data = ngx_alloc(text.len, &p->cmd.log);
    if (data == NULL) {
        return;
    }

    ngx_memcpy(data, text.data, text.len);

    if (p->catalogue.data) {
        ngx_free(p->catalogue.data);
    }

    p->catalogue.data = data;
    p->catalogue.len = text.len;
}


static void
ngx_http_weir_models_reply(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    weir_str_t  text;

    text = weir_reply_str(a->reply);

    if (a->code == WEIR_ANSWER_OK && text.len) {
        ngx_http_weir_models_keep(ctx->process, text);
    }

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_models_answer);
}


const ngx_http_weir_step_t *
ngx_http_weir_models_start(ngx_http_weir_ctx_t *ctx)
{
    return &ngx_http_weir_step_models_ask;
}


static const ngx_http_weir_step_t *
ngx_http_weir_models_ask_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_catalogue_get(&p->txn);

    return ngx_http_weir_ask(ctx, ngx_http_weir_models_reply,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_models_ask,
                             &ngx_http_weir_step_models_answer);
}


static ngx_int_t
ngx_http_weir_models_send(ngx_http_weir_ctx_t *ctx, weir_json_t *catalogue)
{
    weir_json_t     *doc;
    weir_failure_t   f;

    if (ctx->tail.len == 0) {
        return ngx_http_weir_send_json(ctx, NGX_HTTP_OK,
                                       weir_openai_models(catalogue));
    }

    doc = weir_openai_model(catalogue, ngx_http_weir_str(ctx->tail));

    if (doc) {
        return ngx_http_weir_send_json(ctx, NGX_HTTP_OK, doc);
    }

    weir_failure_set(&f, WEIR_FAIL_MODEL_NOT_FOUND,
                     "there is no such model");

    return ngx_http_weir_fail(ctx, &f);
}


static const ngx_http_weir_step_t *
ngx_http_weir_models_answer_run(ngx_http_weir_ctx_t *ctx)
{
    char             why[WEIR_JSON_ERROR];
    ngx_int_t        rc;
    weir_json_t     *catalogue;
    weir_failure_t   f;

    ngx_http_weir_forget(ctx);

    catalogue = weir_json_parse(ngx_http_weir_str(ctx->process->catalogue),
                                why);

    if (catalogue == NULL) {
        weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                         "no worker has told its models yet");
        f.retry_after = 1;
        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
    }

    rc = ngx_http_weir_models_send(ctx, catalogue);
    weir_json_free(&catalogue);

    return ngx_http_weir_done(ctx, rc);
}
