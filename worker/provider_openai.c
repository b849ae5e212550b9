/*
 * The OpenAI dialect: where it is called and how, and which answers are worth
 * another try.  The bodies are weir_dialect_openai's.
 */

#include "provider.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "provider_stream.h"
#include "weir_dialect_openai.h"


#define OPENAI_MODELS_TIMEOUT  30000            /* ms */


typedef struct {
    provider_t           base;
    http_t              *http;
    http_target_t       *chat;
    http_target_t       *events;                /* the same, streamed */
    http_target_t       *list;

    http_call_t         *listing;               /* in flight, or NULL */
    provider_models_pt   models_fn;
    void                *models_data;
} openai_t;


static bool
openai_is_worth_a_try(unsigned status)
{
    return status == 408 || status == 429 || status >= 500;
}


static void
openai_on_error(provider_call_t *call, const http_reply_t *reply)
{
    weir_failure_t  *f;

    f = &call->outcome->error;
    counters_add(call->provider->counters, call_errors, 1);
    snprintf(call->detail, sizeof(call->detail), "%s", reply->error);

    if (reply->too_large) {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider's reply is too large");
        provider_done(call, PROVIDER_FAILED, 0);
        return;
    }

    if (reply->timed_out) {
        weir_failure_set(f, WEIR_FAIL_TIMEOUT,
                         "the provider did not answer in time");

    } else {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider could not be reached, or broke off");
    }

    provider_done(call, PROVIDER_AGAIN, reply->retry_after);
}


static void
openai_on_status(provider_call_t *call, const http_reply_t *reply)
{
    weir_failure_t  *f;

    f = &call->outcome->error;
    counters_add(call->provider->counters, call_refused, 1);

    weir_openai_error(reply->status, reply->body, f);

    if (reply->status < 400) {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider answered with status %u",
                         reply->status);
    }

    provider_done(call, openai_is_worth_a_try(reply->status) ? PROVIDER_AGAIN
                                                             : PROVIDER_FAILED,
                  reply->retry_after);
}


static void
openai_on_reply(void *data, const http_reply_t *reply)
{
    provider_call_t     *call;
    provider_verdict_e   verdict;

    call = data;
    call->http = NULL;

    if (reply->error) {
        openai_on_error(call, reply);
        return;
    }

    if (reply->status < 200 || reply->status > 299) {
        openai_on_status(call, reply);
        return;
    }

    if (call->stream) {
        verdict = provider_stream_end(call);

        if (verdict != PROVIDER_DONE) {
            counters_add(call->provider->counters, call_garbled, 1);
        }

        provider_done(call, verdict, reply->retry_after);
        return;
    }

    if (weir_openai_reply(reply->body, call->outcome) != 0) {
        counters_add(call->provider->counters, call_garbled, 1);
        call->outcome->state = WEIR_FAILED;
        provider_done(call, PROVIDER_AGAIN, reply->retry_after);
        return;
    }

    provider_done(call, PROVIDER_DONE, 0);
}


static void
openai_on_piece(void *data, weir_str_t bytes)
{
    provider_call_t     *call;
    provider_verdict_e   verdict;

    call = data;

    if (provider_stream_feed(call, bytes, &verdict)) {
        return;
    }

    http_cancel(&call->http);
    counters_add(call->provider->counters, call_garbled, 1);
    provider_done(call, verdict, 0);
}


static void
openai_on_unspeakable(void *data)
{
    provider_call_t  *call;

    call = data;

    if (weir_openai_check(call->request, &call->outcome->error) == 0) {
        weir_failure_set(&call->outcome->error, WEIR_FAIL_INTERNAL,
                         "the request cannot be put to this provider");
    }

    provider_done(call, PROVIDER_FAILED, 0);
}


static void
openai_call(provider_t *p, provider_call_t *call)
{
    bool         streamed;
    char         header[256];
    openai_t    *o;
    weir_str_t   body;

    o = (openai_t *) p;
    streamed = call->streamed && p->conf->stream;

    weir_buf_reset(&call->body);
    call->http = NULL;

    call->timer.fn = openai_on_unspeakable;
    call->timer.data = call;

    if (weir_openai_call(call->request, call->model, streamed, &call->body)
        != 0)
    {
        mem_check(call->body.failed);
        loop_timer_set(p->loop, &call->timer, 0);
        return;
    }

    snprintf(header, sizeof(header), "X-Request-Id: %s", call->request_id);

    body = (weir_str_t) { call->body.data, call->body.len };

    call->http = http_call(streamed ? o->events : o->chat, body,
                           call->request_id[0] ? header : NULL,
                           call->timeout < p->conf->timeout ? call->timeout
                                                            : p->conf->timeout,
                           openai_on_reply, call);

    if (streamed) {
        http_pieces(call->http, openai_on_piece);
    }
}


static void
openai_cancel(provider_t *p, provider_call_t *call)
{
    loop_timer_stop(p->loop, &call->timer);
    http_cancel(&call->http);
}


/* the list of models: {"data":[{"id":"..."}]} */

static void
openai_on_models(void *data, const http_reply_t *reply)
{
    char           error[WEIR_JSON_ERROR];
    char         **ids;
    size_t         i, n, count;
    openai_t      *o;
    weir_str_t     id;
    weir_json_t   *doc, *list;

    o = data;
    o->listing = NULL;

    if (reply->error || reply->status != 200) {
        o->models_fn(o->models_data, NULL, 0);
        return;
    }

    doc = weir_json_parse(reply->body, error);
    list = weir_json_get(doc, "data");

    if (!weir_json_is_array(list)) {
        weir_json_free(&doc);
        o->models_fn(o->models_data, NULL, 0);
        return;
    }

    count = weir_json_count(list);
    if (count > PROVIDER_MODELS_MAX) {
        count = PROVIDER_MODELS_MAX;
    }

    ids = mem_alloc(count * sizeof(char *));

    for (i = 0, n = 0; i < count; i++) {
        id = weir_json_str(weir_json_get(weir_json_at(list, i), "id"));

        if (id.len && id.len <= 256) {
            ids[n++] = mem_copy(id);
        }
    }

    weir_json_free(&doc);
    o->models_fn(o->models_data, (const char *const *) ids, n);

    for (i = 0; i < n; i++) {
        free(ids[i]);
    }

    free(ids);
}


static void
openai_models(provider_t *p, provider_models_pt fn, void *data)
{
    openai_t  *o;

    o = (openai_t *) p;

    if (o->listing) {
        return;
    }

    o->models_fn = fn;
    o->models_data = data;
    o->listing = http_call(o->list, weir_str_null, NULL, OPENAI_MODELS_TIMEOUT,
                           openai_on_models, o);
}


static http_target_t *
openai_target(openai_t *o, const conf_provider_t *conf, const char *path,
    const char *accept)
{
    char            url[4096], key[4200];
    size_t          n;
    const char     *headers[5];
    http_target_t  *target;

    n = 0;
    headers[n++] = "Content-Type: application/json";
    headers[n++] = accept;
    headers[n++] = "Expect:";

    if (conf->api_key) {
        snprintf(key, sizeof(key), "Authorization: Bearer %s", conf->api_key);
        headers[n++] = key;
    }

    headers[n] = NULL;

    snprintf(url, sizeof(url), "%s%s", conf->base_url, path);
    target = http_target_create(o->http, url, headers);
    explicit_bzero(key, sizeof(key));

    return target;
}


static provider_t *
openai_create(loop_t *loop, const conf_provider_t *conf)
{
    openai_t        *o;
    http_options_t   options;

    o = mem_alloc(sizeof(openai_t));
    memset(&options, 0, sizeof(http_options_t));

    options.proxy = conf->proxy;
    options.ca_file = conf->ca_file;
    options.connections = conf->connections;
    options.connect_timeout = conf->connect_timeout;
    options.idle_timeout = conf->idle_timeout;
    options.http2 = (conf->http2 == CONF_HTTP2_AUTO);
    options.body_max = WEIR_OUTCOME_MAX;

    o->http = http_create(loop, &options);
    o->chat = openai_target(o, conf, "/chat/completions",
                            "Accept: application/json");
    o->events = openai_target(o, conf, "/chat/completions",
                              "Accept: text/event-stream");
    o->list = openai_target(o, conf, "/models", "Accept: application/json");

    return &o->base;
}


static void
openai_destroy(provider_t *p)
{
    openai_t  *o;

    o = (openai_t *) p;

    http_target_destroy(&o->chat);
    http_target_destroy(&o->events);
    http_target_destroy(&o->list);
    http_destroy(&o->http);
    free(o);
}


const provider_dialect_t  provider_openai = {
    openai_create,
    openai_destroy,
    openai_call,
    openai_cancel,
    openai_models
};
