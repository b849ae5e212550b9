/*
 * The table of dialects, and what all calls have in common.
 */

#include "provider.h"

#include "mem.h"
#include "provider_stream.h"
#include "weir_money.h"
#include "weir_neutral.h"


#define PROVIDER_BODY_KEEP  (128 * 1024)        /* bytes */


/* by the setting "dialect" */

static const provider_dialect_t  *provider_dialects[] = {
    [CONF_OPENAI] = &provider_openai,
    [CONF_ANTHROPIC] = &provider_anthropic,
    [CONF_BUILTIN] = &provider_builtin
};


provider_t *
provider_create(loop_t *loop, const conf_provider_t *conf, counters_t *counters)
{
    provider_t                *p;
    const provider_dialect_t  *dialect;

    dialect = provider_dialects[conf->dialect];

    p = dialect->create(loop, conf);

    p->dialect = dialect;
    p->conf = conf;
    p->loop = loop;
    p->counters = counters;

    return p;
}


void
provider_destroy(provider_t **p)
{
    if (*p) {
        (*p)->dialect->destroy(*p);
        *p = NULL;
    }
}


void
provider_call(provider_t *p, provider_call_t *call)
{
    weir_need_t  need;

    call->provider = p;
    call->begun = loop_now(p->loop);
    call->detail[0] = '\0';
    weir_neutral_need(call->request, &need);
    call->input = need.input;
    call->choices = weir_json_int(weir_json_get(weir_json_get(call->request,
                                                              "params"), "n"));
    call->heard = call->begun;
    call->first = 0;
    call->sent = false;
    memset(&call->took, 0, sizeof(provider_took_t));

    p->dialect->call(p, call);
}


static void
provider_price(const provider_call_t *call, provider_took_t *t)
{
    t->cost = weir_cost(t->input_tokens, t->output_tokens,
                        call->conf->input_price, call->conf->output_price);
}


/* An answer in one piece is paid for when it is there, but what was asked has
 * been read. */

static void
provider_note_took(provider_call_t *call)
{
    if (call->stream) {
        provider_stream_took(call, &call->took);

    } else if (call->sent || (call->http && http_is_sent(call->http))) {
        call->took.input_tokens = call->input;
    }

    provider_price(call, &call->took);
}


/* Of a call that was answered by events; before these are freed. */

static void
provider_count_stream(provider_call_t *call, provider_verdict_e verdict)
{
    uint64_t     ms;
    counters_t  *c;
    provider_t  *p;

    p = call->provider;
    c = p->counters;

    if (call->first) {
        counters_observe(c, first_token, call->first - call->begun);
    }

    if (verdict != PROVIDER_DONE) {
        if (strcmp(call->outcome->error.code, "upstream_truncated") == 0) {
            counters_add(c, stream_truncated, 1);

        } else {
            counters_add(c, stream_failed, 1);
        }

        return;
    }

    counters_add(c, stream_whole, 1);

    if (call->first) {
        ms = loop_now(p->loop) - call->first;
        counters_observe(c, token_rate, (uint64_t) call->took.output_tokens
                                        * 1000 / (ms ? ms : 1));
    }
}


void
provider_cancel(provider_call_t *call)
{
    provider_t  *p;

    p = call->provider;
    call->provider = NULL;

    if (p == NULL) {
        return;
    }

    provider_note_took(call);

    if (call->stream) {
        counters_add(p->counters, stream_cut, 1);
    }

    p->dialect->cancel(p, call);
    provider_stream_free(call);
}


void
provider_call_free(provider_call_t *call)
{
    provider_stream_free(call);
    weir_buf_free(&call->body);
}


void
provider_unsaid(const provider_call_t *call, const char *dialect)
{
    weir_str_t       kind;
    weir_failure_t  *f;

    f = &call->outcome->error;
    kind = weir_json_str(weir_json_get(call->request, "kind"));

    weir_failure_set(f, WEIR_FAIL_INVALID, "the model's provider speaks the "
                     "%s dialect, which has no requests of kind \"%.*s\"",
                     dialect, kind.len < 64 ? (int) kind.len : 64,
                     kind.data ? kind.data : "");
    weir_failure_copy(f->code, sizeof(f->code), weir_str("untranslatable"));
}


void
provider_done(provider_call_t *call, provider_verdict_e verdict, int64_t wait)
{
    provider_t  *p;

    p = call->provider;

    if (verdict == PROVIDER_DONE) {
        call->took.input_tokens = call->outcome->input_tokens;
        call->took.output_tokens = call->outcome->output_tokens;
        provider_price(call, &call->took);
        call->outcome->cost = call->took.cost;

    } else {
        provider_note_took(call);
    }

    counters_add(p->counters, call_ms, loop_now(p->loop) - call->begun);

    if (call->stream) {
        provider_count_stream(call, verdict);
    }

    call->provider = NULL;
    provider_stream_free(call);

    if (call->body.size > PROVIDER_BODY_KEEP) {
        weir_buf_free(&call->body);
    }

    call->done(call->data, verdict, wait);
}
