/*
 * The Anthropic dialect as a provider speaks it: a row of what
 * weir_dialect_anthropic does.
 */

#include "provider_http.h"

#include "weir_dialect_anthropic.h"


static int
anthropic_reply(const weir_json_t *request, weir_str_t body, weir_outcome_t *o)
{
    (void) request;

    return weir_anthropic_reply(body, o);
}


static void
anthropic_events_init(void *own)
{
    weir_anthropic_stream_init(own);
}


static void
anthropic_events_free(void *own)
{
    weir_anthropic_stream_free(own);
}


static int
anthropic_event(void *own, weir_str_t name, weir_str_t data, weir_delta_pt fn,
    void *arg, weir_failure_t *f)
{
    /* whatever it says beside */

    if (weir_str_eq(name, weir_str("ping"))) {
        return 0;
    }

    return weir_anthropic_stream_event(own, data, fn, arg, f);
}


static bool
anthropic_is_done(const void *own)
{
    return ((const weir_anthropic_stream_t *) own)->done;
}


static const provider_parser_t  anthropic_events = {
    sizeof(weir_anthropic_stream_t),
    anthropic_events_init,
    anthropic_events_free,
    anthropic_event,
    anthropic_is_done
};


static const provider_ask_t  anthropic_asks[] = {
    { WEIR_NEUTRAL_CHAT, "/messages", weir_anthropic_call, anthropic_reply,
      &anthropic_events },
    { NULL, NULL, NULL, NULL, NULL }
};


static const provider_row_t  anthropic_row = {
    "Anthropic",
    "/v1",
    "X-Api-Key: ",
    "Anthropic-Version: 2023-06-01",
    anthropic_asks,
    weir_anthropic_error,
    "/models?limit=1000",
    "&after_id="
};


static provider_t *
anthropic_create(loop_t *loop, const conf_provider_t *conf)
{
    return provider_http_create(loop, conf, &anthropic_row);
}


const provider_dialect_t  provider_anthropic = {
    anthropic_create,
    provider_http_destroy,
    provider_http_call,
    provider_http_cancel,
    provider_http_models
};
