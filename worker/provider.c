/*
 * The table of dialects, and what all calls have in common.
 */

#include "provider.h"

#include "mem.h"
#include "provider_stream.h"
#include "weir_money.h"


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
    call->provider = p;
    call->begun = loop_now(p->loop);
    call->detail[0] = '\0';
    call->told = false;

    p->dialect->call(p, call);
}


void
provider_cancel(provider_call_t *call)
{
    provider_t  *p;

    p = call->provider;
    call->provider = NULL;

    if (p) {
        p->dialect->cancel(p, call);
        provider_stream_free(call);
    }
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
    call->provider = NULL;

    call->outcome->cost = weir_cost(call->outcome->input_tokens,
                                    call->outcome->output_tokens,
                                    call->conf->input_price,
                                    call->conf->output_price);

    counters_add(p->counters, call_ms, loop_now(p->loop) - call->begun);
    provider_stream_free(call);

    if (call->body.size > PROVIDER_BODY_KEEP) {
        weir_buf_free(&call->body);
    }

    call->done(call->data, verdict, wait);
}
