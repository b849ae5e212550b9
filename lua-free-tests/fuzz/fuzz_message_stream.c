/*
 * A provider's stream of the Anthropic dialect, in pieces whose size the first
 * byte says: it makes one outcome whatever they are, and events of both
 * dialects; those of its own make that message again.  The same bytes as one
 * reply and one error, too.
 */

#include "fuzz_sse.h"
#include "weir_collect.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"
#include "weir_render.h"


#define FUZZ_MAX  65536


typedef struct {
    weir_anthropic_stream_t  stream;
    weir_collect_t           collect;
    weir_failure_t           f;
    weir_buf_t               out[2];
    weir_render_t            render[2];
    bool                     failed[2];
} client_t;


static int
on_delta(void *arg, const weir_delta_t *d)
{
    int        i;
    client_t  *c = arg;

    for (i = 0; i < 2; i++) {
        if (c->render[i].dialect && !c->failed[i]) {
            c->failed[i] = weir_render_delta(&c->render[i], d) != 0;
        }
    }

    return weir_collect_add(&c->collect, d) ? -2 : 0;
}


static int
on_event(void *arg, weir_str_t name, weir_str_t data)
{
    client_t  *c = arg;

    (void) name;

    return weir_anthropic_stream_event(&c->stream, data, on_delta, c, &c->f);
}


static void
client_init(client_t *c, bool render)
{
    int  i;

    memset(c, 0, sizeof(client_t));
    weir_anthropic_stream_init(&c->stream);
    weir_collect_init(&c->collect, FUZZ_MAX * 4);

    for (i = 0; render && i < 2; i++) {
        c->render[i].dialect = i ? &weir_render_openai
                                 : &weir_render_anthropic;
        c->render[i].out = &c->out[i];
    }
}


static int
client_read(client_t *c, weir_str_t text, size_t piece)
{
    return fuzz_sse(text, piece, FUZZ_MAX * 4, on_event, c);
}


static void
client_message(client_t *c, weir_buf_t *out)
{
    weir_json_t     *v;
    weir_outcome_t   o;

    weir_outcome_init(&o);
    FUZZ_ASSERT(weir_collect_outcome(&c->collect, &o) == 0);
    v = weir_anthropic_message(&o, weir_str("ID"));
    FUZZ_ASSERT(v && weir_json_write_sorted(v, out) == 0);
    weir_json_free(&v);
    weir_outcome_free(&o);
}


static void
client_free(client_t *c)
{
    int  i;

    for (i = 0; i < 2; i++) {
        if (c->render[i].dialect) {
            weir_render_free(&c->render[i]);
        }

        weir_buf_free(&c->out[i]);
    }

    weir_anthropic_stream_free(&c->stream);
    weir_collect_free(&c->collect);
}


/* an outcome, as events, is the outcome */

static void
again(const weir_outcome_t *o)
{
    client_t      c;
    weir_buf_t    events = { 0 }, a = { 0 }, b = { 0 };
    weir_json_t  *v;

    FUZZ_ASSERT(weir_anthropic_events(o, weir_str("ID"), &events) == 0);

    client_init(&c, false);
    FUZZ_ASSERT(client_read(&c, (weir_str_t) { events.data, events.len },
                            events.len) == 0);
    FUZZ_ASSERT(c.stream.done);
    client_message(&c, &a);

    v = weir_anthropic_message(o, weir_str("ID"));
    FUZZ_ASSERT(v && weir_json_write_sorted(v, &b) == 0);
    weir_json_free(&v);

    FUZZ_ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);

    client_free(&c);
    weir_buf_free(&events);
    weir_buf_free(&a);
    weir_buf_free(&b);
}


static void
reply(weir_str_t text, unsigned status)
{
    weir_outcome_t  o;
    weir_failure_t  f;

    weir_anthropic_error(status, text, &f);
    FUZZ_ASSERT(f.message[0]);

    weir_outcome_init(&o);

    /* an event is nested deeper than what it says */

    if (!weir_json_too_deep(text, WEIR_JSON_DEPTH_CLIENT)
        && weir_anthropic_reply(text, &o) == 0)
    {
        FUZZ_ASSERT(o.input_tokens >= 0 && o.output_tokens >= 0);
        again(&o);
    }

    weir_outcome_free(&o);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int         whole, cut;
    client_t    a, b;
    weir_str_t  text;
    weir_buf_t  x = { 0 }, y = { 0 };

    if (size == 0 || size > FUZZ_MAX) {
        return 0;
    }

    text = fuzz_str(data + 1, size - 1);
    reply(text, 400 + data[0]);

    client_init(&a, true);
    client_init(&b, false);

    whole = client_read(&a, text, size);
    cut = client_read(&b, text, data[0] % 32 + 1);

    FUZZ_ASSERT(whole == cut);
    FUZZ_ASSERT(whole != -1 || a.f.message[0] || !a.stream.done);

    if (whole == 0) {
        client_message(&a, &x);
        client_message(&b, &y);
        FUZZ_ASSERT(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
        (void) weir_render_end(&a.render[0]);
        (void) weir_render_end(&a.render[1]);
    }

    client_free(&a);
    client_free(&b);
    weir_buf_free(&x);
    weir_buf_free(&y);

    return 0;
}
