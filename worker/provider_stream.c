/*
 * A provider's reply that comes as events.  Owns what has come of it.
 */

#include "provider_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "weir_collect.h"
#include "weir_sse.h"


#define PROVIDER_EVENT_MAX  (1024 * 1024)       /* bytes of one */
#define PROVIDER_TOKEN      4                   /* bytes, where none counts */


struct provider_stream_s {
    const provider_parser_t  *parser;
    void                     *own;              /* the parser's */
    weir_sse_t                sse;
    weir_collect_t            collect;
    bool                      full;             /* more than there may be */
};


static provider_stream_t *
provider_stream_of(provider_call_t *call, const provider_parser_t *parser)
{
    provider_stream_t  *s;

    if (call->stream == NULL) {
        s = call->stream = mem_alloc(sizeof(provider_stream_t));

        s->parser = parser;
        s->own = mem_alloc(parser->size);
        parser->init(s->own);

        weir_sse_init(&s->sse, PROVIDER_EVENT_MAX);
        weir_collect_init(&s->collect, WEIR_OUTCOME_MAX);
    }

    return call->stream;
}


void
provider_stream_free(provider_call_t *call)
{
    provider_stream_t  *s;

    s = call->stream;
    call->stream = NULL;

    if (s) {
        weir_sse_free(&s->sse);
        s->parser->free(s->own);
        weir_collect_free(&s->collect);
        free(s->own);
        free(s);
    }
}


static int
provider_stream_on_delta(void *arg, const weir_delta_t *d)
{
    provider_call_t  *call;

    call = arg;
    call->heard = loop_now(call->provider->loop);

    if (call->first == 0
        && (d->kind == WEIR_DELTA_TEXT_OF || d->kind == WEIR_DELTA_PART))
    {
        call->first = call->heard;
    }

    if (weir_collect_add(&call->stream->collect, d) != 0) {
        call->stream->full = true;
        return 1;
    }

    if (call->delta) {
        call->delta(call->data, d);
    }

    return 0;
}


static int
provider_stream_on_event(void *arg, weir_str_t name, weir_str_t data)
{
    provider_call_t    *call;
    provider_stream_t  *s;

    call = arg;
    s = call->stream;

    return s->parser->event(s->own, name, data, provider_stream_on_delta, call,
                            &call->outcome->error);
}


/* The provider's own words have no status.  Who refuses the gateway's key will
 * do so again. */

static bool
provider_stream_is_worth_a_try(const weir_failure_t *f)
{
    return weir_failure_may_retry(f->kind)
           && strcmp(f->code, "upstream_auth") != 0;
}


bool
provider_stream_feed(provider_call_t *call, const provider_parser_t *parser,
    weir_str_t bytes, provider_verdict_e *verdict_r)
{
    weir_failure_t     *f;
    provider_stream_t  *s;

    s = provider_stream_of(call, parser);
    f = &call->outcome->error;
    f->message[0] = '\0';

    if (weir_sse_feed(&s->sse, bytes, provider_stream_on_event, call) == 0) {
        return true;
    }

    if (s->full || f->message[0] == '\0') {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider's reply is too large");
        snprintf(f->code, sizeof(f->code), "upstream_invalid");
        *verdict_r = PROVIDER_FAILED;
        return false;
    }

    *verdict_r = provider_stream_is_worth_a_try(f) ? PROVIDER_AGAIN
                                                   : PROVIDER_FAILED;

    return false;
}


/* A stream that has lost its end may look like a whole one but for this. */

static bool
provider_stream_is_whole(const provider_call_t *call)
{
    bool                      all;
    unsigned                  stopped;
    const provider_stream_t  *s;

    s = call->stream;

    if (s->parser->done && !s->parser->done(s->own)) {
        return false;
    }

    stopped = weir_collect_stopped(&s->collect, &all);

    return all && stopped > 0 && (long long) stopped >= call->choices;
}


/* Who does not say what it took is believed nothing; and some say at the start
 * what holds for the first token. */

void
provider_stream_took(const provider_call_t *call, provider_took_t *t)
{
    bool                   all;
    long long              text;
    const weir_collect_t  *c;

    c = &call->stream->collect;
    t->input_tokens = c->input < 0 ? call->input : c->input;
    t->output_tokens = c->output;

    text = (long long) (c->text + PROVIDER_TOKEN - 1) / PROVIDER_TOKEN;

    if (c->output < 0
        || (c->output < text
            && (weir_collect_stopped(c, &all) == 0 || !all)))
    {
        t->output_tokens = text;
    }
}


int
provider_stream_replay(const provider_call_t *call, weir_delta_pt fn,
    void *arg)
{
    return call->stream ? weir_collect_replay(&call->stream->collect, fn, arg)
                        : 0;
}


provider_verdict_e
provider_stream_end(provider_call_t *call)
{
    weir_delta_t     usage = { .kind = WEIR_DELTA_USAGE };
    weir_failure_t  *f;

    f = &call->outcome->error;

    if (!provider_stream_is_whole(call)) {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider broke off before the end");
        snprintf(f->code, sizeof(f->code), "upstream_truncated");
        return PROVIDER_AGAIN;
    }

    /* what the provider did not say of that is estimated, and told */

    provider_stream_took(call, &call->took);
    usage.input = call->took.input_tokens;
    usage.output = call->took.output_tokens;

    if (usage.input != call->stream->collect.input
        || usage.output != call->stream->collect.output)
    {
        (void) provider_stream_on_delta(call, &usage);
    }

    mem_check(weir_collect_outcome(&call->stream->collect, call->outcome)
              != 0);
    memset(f, 0, sizeof(weir_failure_t));
    call->outcome->state = WEIR_COMPLETED;

    return PROVIDER_DONE;
}
