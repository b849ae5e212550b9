/*
 * The table of what routes speak: requests to the neutral model, outcomes to
 * answers.  Knows the dialects; nobody else at the edge does.
 */

#include "ngx_http_weir_dialect.h"

#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"
#include "weir_dialect_openai_embed.h"
#include "weir_dialect_responses.h"


static int ngx_http_weir_dialect_chat_answer(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out);
static int ngx_http_weir_dialect_chat_events(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out);
static bool ngx_http_weir_dialect_messages_stream(const weir_json_t *body,
    bool *usage_r);
static int ngx_http_weir_dialect_messages_answer(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out);
static int ngx_http_weir_dialect_messages_events(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out);
static int ngx_http_weir_dialect_embeddings_answer(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out);
static bool ngx_http_weir_dialect_responses_stream(const weir_json_t *body,
    bool *usage_r);
static int ngx_http_weir_dialect_responses_answer(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out);
static int ngx_http_weir_dialect_responses_events(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out);


const ngx_http_weir_dialect_t  ngx_http_weir_dialect_job = {
    .route = NGX_HTTP_WEIR_CACHE_JOBS
};

const ngx_http_weir_dialect_t  ngx_http_weir_dialect_chat = {
    .name = "openai",
    .request = weir_openai_request,
    .stream = weir_openai_stream,
    .answer = ngx_http_weir_dialect_chat_answer,
    .events = ngx_http_weir_dialect_chat_events,
    .render = &weir_render_openai,
    .models = weir_openai_models,
    .model = weir_openai_model,
    .forms = { NGX_HTTP_WEIR_FORM_CHAT, NGX_HTTP_WEIR_FORM_EVENTS,
               NGX_HTTP_WEIR_FORM_EVENTS_USAGE, NGX_HTTP_WEIR_FORM_CHAT },
    .route = NGX_HTTP_WEIR_CACHE_CHAT
};

const ngx_http_weir_dialect_t  ngx_http_weir_dialect_messages = {
    .name = "anthropic",
    .request = weir_anthropic_request,
    .stream = ngx_http_weir_dialect_messages_stream,
    .answer = ngx_http_weir_dialect_messages_answer,
    .events = ngx_http_weir_dialect_messages_events,
    .render = &weir_render_anthropic,
    .models = weir_anthropic_models,
    .model = weir_anthropic_model,
    .forms = { NGX_HTTP_WEIR_FORM_MESSAGE, NGX_HTTP_WEIR_FORM_MESSAGE_EVENTS,
               NGX_HTTP_WEIR_FORM_MESSAGE_EVENTS, NGX_HTTP_WEIR_FORM_MESSAGE },
    .route = NGX_HTTP_WEIR_CACHE_MESSAGES
};

/* a job cannot name them yet */

const ngx_http_weir_dialect_t  ngx_http_weir_dialect_embeddings = {
    .request = weir_openai_embed_request,
    .packed = weir_openai_embed_base64,
    .answer = ngx_http_weir_dialect_embeddings_answer,
    .forms = { NGX_HTTP_WEIR_FORM_EMBEDDINGS, NGX_HTTP_WEIR_FORM_EMBEDDINGS,
               NGX_HTTP_WEIR_FORM_EMBEDDINGS,
               NGX_HTTP_WEIR_FORM_EMBEDDINGS_PACKED },
    .route = NGX_HTTP_WEIR_CACHE_EMBEDDINGS
};

/* no form of theirs is another's */

const ngx_http_weir_dialect_t  ngx_http_weir_dialect_responses = {
    .request = weir_responses_request,
    .stream = ngx_http_weir_dialect_responses_stream,
    .answer = ngx_http_weir_dialect_responses_answer,
    .events = ngx_http_weir_dialect_responses_events,
    .render = &weir_render_responses,
    .base = weir_responses_base,
    .route = NGX_HTTP_WEIR_CACHE_RESPONSES,
    .apart = 1
};

static const ngx_http_weir_dialect_t  *ngx_http_weir_dialects[] = {
    &ngx_http_weir_dialect_chat,
    &ngx_http_weir_dialect_messages,
    NULL
};


const ngx_http_weir_dialect_t *
ngx_http_weir_dialect_find(weir_str_t name)
{
    const ngx_http_weir_dialect_t  **d;

    for (d = ngx_http_weir_dialects; *d; d++) {
        if (weir_str_eq(name, weir_str_of((*d)->name))) {
            break;
        }
    }

    return *d;
}


ngx_uint_t
ngx_http_weir_dialect_form(ngx_http_weir_ctx_t *ctx)
{
    return ctx->speech->forms[ctx->packed ? NGX_HTTP_WEIR_PACKED
                              : !ctx->events ? NGX_HTTP_WEIR_WHOLE
                              : ctx->usage ? NGX_HTTP_WEIR_EVENTS_USAGE
                                           : NGX_HTTP_WEIR_EVENTS];
}


void
ngx_http_weir_dialect_take_form(ngx_http_weir_ctx_t *ctx, ngx_uint_t form)
{
    const ngx_uint_t  *forms;

    forms = ctx->speech->forms;

    ctx->packed = (form != forms[NGX_HTTP_WEIR_WHOLE]
                   && form == forms[NGX_HTTP_WEIR_PACKED]);
    ctx->events = (form != forms[NGX_HTTP_WEIR_WHOLE] && !ctx->packed);
}


/* Takes doc; NULL: no memory. */

static int
ngx_http_weir_dialect_write(weir_json_t *doc, weir_buf_t *out)
{
    int  rc;

    rc = doc ? weir_json_write(doc, out) : -1;
    weir_json_free(&doc);

    return rc;
}


/* chat completions */

static int
ngx_http_weir_dialect_chat_answer(ngx_http_weir_ctx_t *ctx, weir_buf_t *out)
{
    return ngx_http_weir_dialect_write(
               weir_openai_completion(&ctx->outcome, weir_str_of(ctx->job.id),
                                      ctx->job.created / 1000), out);
}


static int
ngx_http_weir_dialect_chat_events(ngx_http_weir_ctx_t *ctx, weir_buf_t *out)
{
    return weir_openai_events(&ctx->outcome, weir_str_of(ctx->job.id),
                              ctx->job.created / 1000, ctx->usage, out);
}


/* messages: their streams always have the usage */

static bool
ngx_http_weir_dialect_messages_stream(const weir_json_t *body, bool *usage_r)
{
    *usage_r = weir_anthropic_stream(body);

    return *usage_r;
}


static int
ngx_http_weir_dialect_messages_answer(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out)
{
    return ngx_http_weir_dialect_write(
               weir_anthropic_message(&ctx->outcome, weir_str_of(ctx->job.id)),
               out);
}


static int
ngx_http_weir_dialect_messages_events(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out)
{
    return weir_anthropic_events(&ctx->outcome, weir_str_of(ctx->job.id), out);
}


/* embeddings */

static int
ngx_http_weir_dialect_embeddings_answer(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out)
{
    return weir_openai_embeddings(&ctx->outcome, ctx->packed, out);
}


/* responses, in any state of their job */

static bool
ngx_http_weir_dialect_responses_stream(const weir_json_t *body, bool *usage_r)
{
    *usage_r = false;

    return weir_json_true(weir_json_get(body, "stream"));
}


static void
ngx_http_weir_dialect_response(ngx_http_weir_ctx_t *ctx, weir_responses_t *r)
{
    r->id = weir_str_of(ctx->job.id);
    r->model = ngx_http_weir_str(ctx->job.model);
    r->echo = ngx_http_weir_str(ctx->job.echo);
    r->created = ctx->job.created / 1000;
    r->state = ctx->job.state;
    r->outcome = ctx->outcome.doc ? &ctx->outcome : NULL;
}


static int
ngx_http_weir_dialect_responses_answer(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out)
{
    weir_responses_t  r;

    ngx_http_weir_dialect_response(ctx, &r);

    return ngx_http_weir_dialect_write(weir_responses_object(&r), out);
}


static int
ngx_http_weir_dialect_responses_events(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *out)
{
    int64_t           token;
    weir_responses_t  r;

    ngx_http_weir_dialect_response(ctx, &r);

    if (!weir_str_digits(weir_str_of(ctx->job.token), 18, &token)) {
        token = 0;                              /* no attempt has ended it */
    }

    return weir_responses_events(&r, weir_responses_base(token), ctx->from,
                                 out);
}
