/*
 * The list of models, from the catalogue that the workers publish: those that
 * the key allows.
 */

#include "ngx_http_weir_dialect.h"


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
ngx_http_weir_models_reply(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_http_weir_catalogue_take(ctx->process, a);
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


static ngx_uint_t
ngx_http_weir_models_allowed(ngx_http_weir_ctx_t *ctx, weir_str_t model)
{
    return weir_apikey_allows(ngx_http_weir_str(ctx->visit->models), model);
}


/* NULL: no memory */

static weir_json_t *
ngx_http_weir_models_choose(ngx_http_weir_ctx_t *ctx,
    const weir_json_t *catalogue)
{
    int           rc;
    size_t        i;
    weir_json_t  *doc, *all, *models, *model;

    doc = weir_json_object();
    models = weir_json_array();
    all = weir_json_get(catalogue, "models");
    rc = 0;

    for (i = 0; i < weir_json_count(all) && rc == 0; i++) {
        model = weir_json_at(all, i);

        if (ngx_http_weir_models_allowed(ctx,
                                   weir_json_str(weir_json_get(model, "id"))))
        {
            rc = weir_json_add_take(models, weir_json_ref(model));
        }
    }

    if (weir_json_set_take(doc, "models", models) != 0 || rc != 0) {
        weir_json_free(&doc);
    }

    return doc;
}


static ngx_int_t
ngx_http_weir_models_send(ngx_http_weir_ctx_t *ctx,
    const weir_json_t *catalogue)
{
    weir_str_t       id;
    weir_json_t     *doc, *chosen;
    weir_failure_t   f;

    if (ctx->tail.len == 0) {
        chosen = ngx_http_weir_models_choose(ctx, catalogue);
        doc = ctx->speech->models(chosen);
        weir_json_free(&chosen);

        return ngx_http_weir_send_json(ctx, NGX_HTTP_OK, doc);
    }

    id = ngx_http_weir_str(ctx->tail);
    doc = ngx_http_weir_models_allowed(ctx, id)
          ? ctx->speech->model(catalogue, id) : NULL;

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
    weir_failure_t      f;
    const weir_json_t  *doc;

    ngx_http_weir_forget(ctx);

    doc = weir_catalogue_doc(ctx->process->catalogue);

    if (doc == NULL) {
        weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                         "no worker has told its models yet");
        f.retry_after = 1;
        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
    }

    return ngx_http_weir_done(ctx, ngx_http_weir_models_send(ctx, doc));
}
