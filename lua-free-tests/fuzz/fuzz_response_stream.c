/*
 * The events of a response.  What a provider replied, cut into deltas of a size
 * that a byte says, and read from a number on that two bytes say: the same
 * under each number as all at once.  What a provider streamed, as it comes: a
 * stream of numbers that grow, and of documents, with one end.
 */

#include "fuzz.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"
#include "weir_dialect_responses.h"
#include "weir_render.h"
#include "weir_sent.h"
#include "weir_sse.h"


#define FUZZ_MAX  65536


/* what was read: the numbers, and a sum of what is said under them */

typedef struct {
    long long  last;
    uint64_t   sum;
    bool       ended;
} reader_t;


static uint64_t
hash(long long number, const char *data, size_t len)
{
    size_t    i;
    uint64_t  h;

    h = 14695981039346656037ull ^ (uint64_t) number * 0x9e3779b97f4a7c15ull;

    for (i = 0; i < len; i++) {
        h = (h ^ (unsigned char) data[i]) * 1099511628211ull;
    }

    return h ^ (h >> 29);
}


static int
on_event(void *arg, weir_str_t name, weir_str_t data)
{
    char          error[WEIR_JSON_ERROR];
    size_t        i;
    long long     number;
    reader_t     *r = arg;
    weir_str_t    delta;
    weir_json_t  *event;

    event = weir_json_parse(data, error);
    FUZZ_ASSERT(event);
    FUZZ_ASSERT(weir_str_eq(name, weir_json_str(weir_json_get(event,
                                                              "type"))));

    number = weir_json_int(weir_json_get(event, "sequence_number"));
    delta = weir_json_str(weir_json_get(event, "delta"));

    FUZZ_ASSERT(!r->ended && number > r->last);
    FUZZ_ASSERT(delta.data == NULL || delta.len > 0);
    r->last = number;

    if (delta.data == NULL) {
        r->sum += hash(number, data.data, data.len);
        r->ended = weir_str_eq(name, weir_str("response.completed"))
                   || weir_str_eq(name, weir_str("response.incomplete"))
                   || weir_str_eq(name, weir_str("error"));
    }

    for (i = 0; i < delta.len; i++) {
        r->sum += hash(number - (long long) (delta.len - 1 - i),
                       delta.data + i, 1);
    }

    weir_json_free(&event);

    return 0;
}


static void
events_read(const weir_buf_t *events, reader_t *r)
{
    weir_sse_t  s;

    memset(r, 0, sizeof(reader_t));
    r->last = -1;

    if (events->len == 0) {
        return;
    }

    weir_sse_init(&s, FUZZ_MAX * 64);
    FUZZ_ASSERT(weir_sse_feed(&s, (weir_str_t) { events->data, events->len },
                              on_event, r) == 0);
    weir_sse_free(&s);
}


/* a reply */

typedef struct {
    weir_render_t   render;
    size_t          size;
} cutter_t;


static int
on_cut(void *arg, const weir_delta_t *d)
{
    int            rc;
    size_t         n, i;
    cutter_t      *c = arg;
    weir_delta_t   piece = *d;

    rc = d->s.len ? 0 : weir_render_delta(&c->render, d);

    for (i = 0; rc == 0 && i < d->s.len; i += n) {
        n = c->size < d->s.len - i ? c->size : d->s.len - i;

        while (i + n < d->s.len
               && ((unsigned char) d->s.data[i + n] & 0xc0) == 0x80)
        {
            n++;
        }

        /* only a text comes in pieces */

        n = d->kind == WEIR_DELTA_TEXT_OF ? n : d->s.len;
        piece.s = (weir_str_t) { d->s.data + i, n };
        rc = weir_render_delta(&c->render, &piece);
    }

    return rc;
}


static void
reply(const weir_outcome_t *o, size_t size, int64_t from)
{
    cutter_t          c = { .size = size };
    reader_t          a, b;
    weir_buf_t        x = { 0 }, y = { 0 };
    weir_sent_t       sent = { 0 };
    weir_json_t      *v;
    weir_responses_t  r = { .id = weir_str("ID"), .outcome = o,
                            .state = WEIR_COMPLETED };

    FUZZ_ASSERT(weir_responses_events(&r, 0, from, &x) == 0);
    events_read(&x, &a);

    c.render = (weir_render_t) { .dialect = &weir_render_responses,
                                 .id = weir_str("ID"), .out = &y,
                                 .from = from };
    FUZZ_ASSERT(weir_render_begin(&c.render) == 0);
    FUZZ_ASSERT(weir_sent_rest(&sent, o, on_cut, &c) == 0);
    FUZZ_ASSERT(weir_render_end(&c.render) == 0);
    events_read(&y, &b);

    FUZZ_ASSERT(a.sum == b.sum && a.ended == b.ended);
    FUZZ_ASSERT(from || a.ended);

    v = weir_responses_object(&r);
    FUZZ_ASSERT(v);
    weir_json_free(&v);

    weir_render_free(&c.render);
    weir_sent_free(&sent);
    weir_buf_free(&x);
    weir_buf_free(&y);
}


/* a stream */

typedef struct {
    weir_openai_stream_t      openai;
    weir_anthropic_stream_t   anthropic;
    weir_render_t             render;
    weir_failure_t            f;
    bool                      other;
    bool                      broken;
} live_t;


static int
on_delta(void *arg, const weir_delta_t *d)
{
    live_t  *l = arg;

    l->broken = weir_render_delta(&l->render, d) != 0;

    return l->broken ? -2 : 0;
}


static int
on_said(void *arg, weir_str_t name, weir_str_t data)
{
    live_t  *l = arg;

    (void) name;

    return l->other
           ? weir_anthropic_stream_event(&l->anthropic, data, on_delta, l,
                                         &l->f)
           : weir_openai_stream_event(&l->openai, data, on_delta, l, &l->f);
}


static void
stream(weir_str_t text, bool other)
{
    live_t      l = { .other = other };
    reader_t    r;
    weir_buf_t  out = { 0 };
    weir_sse_t  s;

    weir_openai_stream_init(&l.openai);
    weir_anthropic_stream_init(&l.anthropic);
    l.render.dialect = &weir_render_responses;
    l.render.id = weir_str("ID");
    l.render.out = &out;

    weir_sse_init(&s, FUZZ_MAX * 4);

    if (weir_sse_feed(&s, text, on_said, &l) == 0) {
        FUZZ_ASSERT(weir_render_end(&l.render) == 0);

    } else {
        weir_failure_set(&l.f, WEIR_FAIL_UPSTREAM, "broken");
        weir_render_fail(&l.render, &l.f);
    }

    events_read(&out, &r);
    FUZZ_ASSERT(r.ended);

    weir_sse_free(&s);
    weir_render_free(&l.render);
    weir_openai_stream_free(&l.openai);
    weir_anthropic_stream_free(&l.anthropic);
    weir_buf_free(&out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             rc;
    weir_str_t      text;
    weir_outcome_t  o;

    if (size < 3 || size > FUZZ_MAX) {
        return 0;
    }

    text = fuzz_str(data + 3, size - 3);

    stream(text, data[0] & 1);

    weir_outcome_init(&o);
    rc = -1;

    /* an event is nested deeper than what it says */

    if (!weir_json_too_deep(text, WEIR_JSON_DEPTH_CLIENT)) {
        rc = data[0] & 1 ? weir_anthropic_reply(text, &o)
                         : weir_openai_reply(text, &o);
    }

    if (rc == 0) {
        reply(&o, data[0] / 2 % 32 + 1, data[1] + 256 * (data[2] % 16));
    }

    weir_outcome_free(&o);

    return 0;
}
