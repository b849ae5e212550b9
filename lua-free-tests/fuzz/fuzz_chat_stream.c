/*
 * A provider's stream of the OpenAI dialect, in pieces whose size the first
 * byte says: it makes one outcome whatever they are, and deltas as text make it
 * again.
 */

#include "fuzz_sse.h"
#include "weir_collect.h"
#include "weir_dialect_openai.h"


#define FUZZ_MAX  65536


typedef struct {
    weir_openai_stream_t  stream;
    weir_collect_t        collect;
    weir_deltas_t         deltas;
    weir_failure_t        f;
} client_t;


static int
on_delta(void *arg, const weir_delta_t *d)
{
    client_t  *c = arg;

    FUZZ_ASSERT(weir_deltas_add(&c->deltas, d) == 0);

    return weir_collect_add(&c->collect, d) ? -2 : 0;
}


static int
on_collect(void *arg, const weir_delta_t *d)
{
    return weir_collect_add(arg, d);
}


static int
on_event(void *arg, weir_str_t name, weir_str_t data)
{
    client_t  *c = arg;

    (void) name;

    return weir_openai_stream_event(&c->stream, data, on_delta, c, &c->f);
}


static void
client_init(client_t *c)
{
    memset(c, 0, sizeof(client_t));
    weir_openai_stream_init(&c->stream);
    weir_collect_init(&c->collect, FUZZ_MAX * 4);
    weir_deltas_init(&c->deltas, 0);
}


static void
client_free(client_t *c)
{
    weir_openai_stream_free(&c->stream);
    weir_collect_free(&c->collect);
    weir_deltas_free(&c->deltas);
}


static int
client_read(client_t *c, weir_str_t text, size_t piece)
{
    return fuzz_sse(text, piece, FUZZ_MAX * 4, on_event, c);
}


static void
write_outcome(const weir_collect_t *c, weir_buf_t *out)
{
    weir_outcome_t  o;

    weir_outcome_init(&o);
    FUZZ_ASSERT(weir_collect_outcome(c, &o) == 0);
    o.state = WEIR_COMPLETED;
    FUZZ_ASSERT(weir_outcome_write(&o, out) == 0);
    weir_outcome_free(&o);
}


/* as text in entries of at most so many bytes */

static void
again(client_t *c, size_t max, const weir_buf_t *want)
{
    weir_buf_t      entry = { 0 }, got = { 0 };
    weir_collect_t  collect;

    weir_collect_init(&collect, FUZZ_MAX * 4);

    while (weir_deltas_take(&c->deltas, max, &entry)) {
        FUZZ_ASSERT(weir_deltas_read((weir_str_t) { entry.data, entry.len },
                                     on_collect, &collect) == 0);
        weir_buf_reset(&entry);
    }

    write_outcome(&collect, &got);
    FUZZ_ASSERT(got.len == want->len
                && memcmp(got.data, want->data, got.len) == 0);

    weir_collect_free(&collect);
    weir_buf_free(&entry);
    weir_buf_free(&got);
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

    client_init(&a);
    client_init(&b);

    whole = client_read(&a, text, size);
    cut = client_read(&b, text, data[0] % 32 + 1);

    FUZZ_ASSERT(whole == cut);
    FUZZ_ASSERT(whole != -1 || a.f.message[0] || !a.stream.done);

    if (whole == 0) {
        write_outcome(&a.collect, &x);
        write_outcome(&b.collect, &y);
        FUZZ_ASSERT(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
        again(&a, data[0] * 8 + 1, &x);
    }

    client_free(&a);
    client_free(&b);
    weir_buf_free(&x);
    weir_buf_free(&y);

    return 0;
}
