/*
 * Calls over HTTP in any dialect: where they go and how, what a reply means,
 * and which failures are worth another try.  Owns the connections.
 */

#include "provider_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "trace.h"


#define PROVIDER_URL_MAX   4096
#define PROVIDER_KEY_MAX   4200


typedef struct {
    http_target_t         *whole;
    http_target_t         *events;
} provider_targets_t;


typedef struct {
    provider_t             base;
    const provider_row_t  *row;
    http_t                *http;
    provider_targets_t     targets[PROVIDER_ASKS_MAX];      /* as row->asks */
    provider_list_t       *list;
} provider_http_t;


/* NULL: the dialect has no such requests */

static const provider_ask_t *
provider_ask_of(const provider_row_t *row, const weir_json_t *request)
{
    weir_str_t             kind;
    const provider_ask_t  *ask;

    kind = weir_json_str(weir_json_get(request, "kind"));

    for (ask = row->asks; ask->kind; ask++) {
        if (weir_str_eq(kind, weir_str_of(ask->kind))) {
            return ask;
        }
    }

    return NULL;
}


static const provider_row_t *
provider_row_of(const provider_call_t *call)
{
    return ((const provider_http_t *) call->provider)->row;
}


/* replies */

static bool
provider_is_worth_a_try(unsigned status)
{
    return status == 408 || status == 429 || status >= 500;
}


static void
provider_on_error(provider_call_t *call, const http_reply_t *reply)
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
provider_on_status(provider_call_t *call, const http_reply_t *reply)
{
    weir_failure_t  *f;

    f = &call->outcome->error;
    counters_add(call->provider->counters, call_refused, 1);

    provider_row_of(call)->error(reply->status, reply->body, f);

    if (reply->status < 400) {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider answered with status %u",
                         reply->status);
    }

    provider_done(call, provider_is_worth_a_try(reply->status)
                        ? PROVIDER_AGAIN : PROVIDER_FAILED,
                  reply->retry_after);
}


/* Of a stream: it has waited too long for the first piece of the answer, or the
 * next one.  The timer is not set back with each of them, but looks. */

static void
provider_on_silence(void *data)
{
    int64_t           least;
    uint64_t          silent;
    http_reply_t      reply;
    provider_call_t  *call;

    call = data;
    least = call->first ? call->provider->conf->stream_timeout
                        : call->provider->conf->timeout;
    silent = loop_now(call->provider->loop)
             - (call->first ? call->heard : call->begun);

    if (silent < (uint64_t) least) {
        loop_timer_set(call->provider->loop, &call->timer,
                       (uint64_t) least - silent);
        return;
    }

    memset(&reply, 0, sizeof(http_reply_t));
    reply.error = call->first ? "the answer does not go on"
                              : "the answer does not begin";
    reply.timed_out = true;

    call->sent = http_is_sent(call->http);
    http_cancel(&call->http);
    provider_on_error(call, &reply);
}


static void
provider_on_reply(void *data, const http_reply_t *reply)
{
    int                    rc;
    provider_call_t       *call;
    provider_verdict_e     verdict;
    const provider_ask_t  *ask;

    call = data;
    call->http = NULL;
    call->sent = reply->sent;
    loop_timer_stop(call->provider->loop, &call->timer);

    if (reply->error) {
        provider_on_error(call, reply);
        return;
    }

    if (reply->status < 200 || reply->status > 299) {
        provider_on_status(call, reply);
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

    ask = call->ask;
    rc = ask->reply(call->request, reply->body, call->outcome);

    if (rc != 0) {
        counters_add(call->provider->counters, call_garbled, 1);
        call->outcome->state = WEIR_FAILED;
        provider_done(call, rc == -2 ? PROVIDER_FAILED : PROVIDER_AGAIN,
                      reply->retry_after);
        return;
    }

    provider_done(call, PROVIDER_DONE, 0);
}


static void
provider_on_piece(void *data, weir_str_t bytes)
{
    bool                   began;
    provider_call_t       *call;
    provider_verdict_e     verdict;
    const provider_ask_t  *ask;

    call = data;
    began = call->first > 0;
    ask = call->ask;

    if (provider_stream_feed(call, ask->events, bytes, &verdict)) {

        if (!began && call->first) {
            provider_on_silence(call);      /* other limits hold */
        }

        return;
    }

    loop_timer_stop(call->provider->loop, &call->timer);
    call->sent = true;
    http_cancel(&call->http);
    counters_add(call->provider->counters, call_garbled, 1);
    provider_done(call, verdict, 0);
}


/* calls */

static void
provider_on_unspeakable(void *data)
{
    provider_done(data, PROVIDER_FAILED, 0);
}


static int
provider_write(const provider_row_t *row, const provider_ask_t *ask,
    provider_call_t *call, bool streamed)
{
    if (ask == NULL) {
        provider_unsaid(call, row->name);
        return -1;
    }

    return ask->call(call->request, call->model, streamed, &call->body,
                     &call->outcome->error);
}


/* The call's own headers, which curl gets copies of. */

static http_call_t *
provider_send(provider_call_t *call, http_target_t *target, int64_t timeout)
{
    char           id[256];
    size_t         n;
    trace_lines_t  lines;
    const char    *headers[HTTP_HEADERS_MAX + 1];

    n = 0;

    if (call->request_id[0]) {
        snprintf(id, sizeof(id), "X-Request-Id: %s", call->request_id);
        headers[n++] = id;
    }

    if (call->provider->conf->trace) {
        n += trace_lines(&lines, call->trace, &headers[n]);
    }

    headers[n] = NULL;

    return http_call(target, (weir_str_t) { call->body.data, call->body.len },
                     headers, timeout, provider_on_reply, call);
}


void
provider_http_call(provider_t *p, provider_call_t *call)
{
    bool                   streamed;
    int64_t                timeout;
    provider_http_t       *o;
    const provider_ask_t  *ask;
    provider_targets_t    *targets;

    o = (provider_http_t *) p;
    call->ask = ask = provider_ask_of(o->row, call->request);
    streamed = ask && ask->events && call->streamed && p->conf->stream;

    weir_buf_reset(&call->body);
    call->http = NULL;

    call->timer.fn = provider_on_unspeakable;
    call->timer.data = call;

    if (provider_write(o->row, ask, call, streamed) != 0) {
        mem_check(call->body.failed);
        loop_timer_set(p->loop, &call->timer, 0);
        return;
    }

    memset(&call->outcome->error, 0, sizeof(weir_failure_t));
    counters_add(p->counters, calls, 1);

    targets = &o->targets[ask - o->row->asks];

    timeout = streamed || call->timeout < p->conf->timeout ? call->timeout
                                                           : p->conf->timeout;

    call->http = provider_send(call, streamed ? targets->events
                                              : targets->whole, timeout);

    if (streamed) {
        http_pieces(call->http, provider_on_piece);
        call->request = NULL;
        call->timer.fn = provider_on_silence;
        loop_timer_set(p->loop, &call->timer, (uint64_t) p->conf->timeout);
    }

    http_push(call->http);
}


void
provider_http_cancel(provider_t *p, provider_call_t *call)
{
    loop_timer_stop(p->loop, &call->timer);
    http_cancel(&call->http);
}


void
provider_http_models(provider_t *p, provider_models_pt fn, void *data)
{
    provider_list_ask(((provider_http_t *) p)->list, fn, data);
}


/* addresses */

static http_target_t *
provider_target(provider_http_t *o, const char *path, const char *accept)
{
    char                    url[PROVIDER_URL_MAX], key[PROVIDER_KEY_MAX];
    size_t                  n, len, root;
    const char             *headers[6], *base;
    http_target_t          *target;
    const provider_row_t   *row;
    const conf_provider_t  *conf;

    row = o->row;
    conf = o->base.conf;
    base = conf->base_url;

    n = 0;
    headers[n++] = "Content-Type: application/json";
    headers[n++] = accept;
    headers[n++] = "Expect:";

    if (row->header) {
        headers[n++] = row->header;
    }

    if (conf->api_key) {
        snprintf(key, sizeof(key), "%s%s", row->key, conf->api_key);
        headers[n++] = key;
    }

    headers[n] = NULL;

    len = strlen(base);
    root = strlen(row->root);

    snprintf(url, sizeof(url), "%s%s%s", base,
             len >= root && strcmp(base + len - root, row->root) == 0
             ? "" : row->root,
             path);

    target = http_target_create(o->http, url, headers);
    explicit_bzero(key, sizeof(key));

    return target;
}


static http_target_t *
provider_list_target(provider_t *p, const char *path)
{
    return provider_target((provider_http_t *) p, path,
                           "Accept: application/json");
}


provider_t *
provider_http_create(loop_t *loop, const conf_provider_t *conf,
    const provider_row_t *row)
{
    size_t                 i;
    http_options_t         options;
    provider_http_t       *o;
    const provider_ask_t  *ask;

    o = mem_alloc(sizeof(provider_http_t));
    memset(&options, 0, sizeof(http_options_t));

    options.proxy = conf->proxy;
    options.ca_file = conf->ca_file;
    options.connections = conf->connections;
    options.connect_timeout = conf->connect_timeout;
    options.idle_timeout = conf->idle_timeout;
    options.http2 = (conf->http2 == CONF_HTTP2_AUTO);
    options.body_max = WEIR_OUTCOME_MAX;

    o->base.conf = conf;
    o->row = row;
    o->http = http_create(loop, &options);

    for (i = 0, ask = row->asks; ask->kind; i++, ask++) {
        o->targets[i].whole = provider_target(o, ask->path,
                                              "Accept: application/json");

        if (ask->events) {
            o->targets[i].events = provider_target(o, ask->path,
                                       "Accept: text/event-stream");
            http_target_trickles(o->targets[i].events);
        }
    }

    o->list = provider_list_create(&o->base, row, provider_list_target);

    return &o->base;
}


void
provider_http_destroy(provider_t *p)
{
    size_t            i;
    provider_http_t  *o;

    o = (provider_http_t *) p;

    for (i = 0; i < PROVIDER_ASKS_MAX; i++) {
        http_target_destroy(&o->targets[i].whole);
        http_target_destroy(&o->targets[i].events);
    }

    provider_list_destroy(&o->list);
    http_destroy(&o->http);
    free(o);
}
