/*
 * The OpenAI dialect as a provider speaks it: a row of what weir_dialect_openai
 * does.
 */

#include "provider_http.h"

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_embed.h"


static int
openai_chat(const weir_json_t *request, weir_str_t model, bool stream,
    weir_buf_t *out, weir_failure_t *f)
{
    if (weir_openai_call(request, model, stream, out) == 0) {
        return 0;
    }

    if (weir_openai_check(request, f) == 0) {
        weir_failure_set(f, WEIR_FAIL_INTERNAL,
                         "the request cannot be put to this provider");
    }

    return -1;
}


static int
openai_reply(const weir_json_t *request, weir_str_t body, weir_outcome_t *o)
{
    (void) request;

    return weir_openai_reply(body, o);
}


static int
openai_embed(const weir_json_t *request, weir_str_t model, bool stream,
    weir_buf_t *out, weir_failure_t *f)
{
    (void) stream;

    if (weir_openai_embed_call(request, model, out) == 0) {
        return 0;
    }

    weir_failure_set(f, WEIR_FAIL_INTERNAL,
                     "the request cannot be put to this provider");

    return -1;
}


static int
openai_embed_reply(const weir_json_t *request, weir_str_t body,
    weir_outcome_t *o)
{
    return weir_openai_embed_reply(body,
               weir_json_count(weir_json_get(request, "input")), o);
}


static void
openai_events_init(void *own)
{
    weir_openai_stream_init(own);
}


static void
openai_events_free(void *own)
{
    weir_openai_stream_free(own);
}


static int
openai_event(void *own, weir_str_t name, weir_str_t data, weir_delta_pt fn,
    void *arg, weir_failure_t *f)
{
    (void) name;

    return weir_openai_stream_event(own, data, fn, arg, f);
}


/* Many send no [DONE]: who has ended all choices is done. */

static const provider_parser_t  openai_events = {
    sizeof(weir_openai_stream_t),
    openai_events_init,
    openai_events_free,
    openai_event,
    NULL
};


static const provider_ask_t  openai_asks[] = {
    { WEIR_NEUTRAL_CHAT, "/chat/completions", openai_chat, openai_reply,
      &openai_events },
    { WEIR_NEUTRAL_EMBED, "/embeddings", openai_embed, openai_embed_reply,
      NULL },
    { NULL, NULL, NULL, NULL, NULL }
};


static const provider_row_t  openai_row = {
    "OpenAI",
    "",
    "Authorization: Bearer ",
    NULL,
    openai_asks,
    weir_openai_error,
    "/models",
    NULL
};


static provider_t *
openai_create(loop_t *loop, const conf_provider_t *conf)
{
    return provider_http_create(loop, conf, &openai_row);
}


const provider_dialect_t  provider_openai = {
    openai_create,
    provider_http_destroy,
    provider_http_call,
    provider_http_cancel,
    provider_http_models
};
