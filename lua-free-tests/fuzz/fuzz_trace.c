/*
 * Trace context: the lines of a header, each a name, a colon and a value; and
 * the same bytes as the record of a job.
 */

#include "fuzz.h"
#include "weir_trace.h"


static void
fuzz_record(weir_str_t text)
{
    weir_str_t    state;
    weir_trace_t  t;

    if (weir_trace_read(text, &t, &state)) {
        FUZZ_ASSERT(strlen(t.trace_id) == WEIR_TRACE_ID_LEN);
        FUZZ_ASSERT(strlen(t.span_id) == WEIR_SPAN_ID_LEN);
        FUZZ_ASSERT(state.len <= WEIR_TRACESTATE_MAX);
        FUZZ_ASSERT(state.len == 0 || memchr(state.data, '\n', state.len)
                                      == NULL);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                  text[WEIR_TRACE_MAX];
    size_t                n;
    weir_str_t            rest, line, name, state;
    weir_trace_t          t, back;
    weir_trace_fields_t   f = { 0 };
    const unsigned char   random[WEIR_TRACE_RANDOM] = { 1 };

    rest = fuzz_str(data, size);
    fuzz_record(rest);

    while (weir_str_split(&rest, '\n', &line)) {
        if (weir_str_split(&line, ':', &name)) {
            weir_trace_fields_add(&f, name, line);
        }
    }

    if (!weir_trace_fields_read(&f, &t)) {
        weir_trace_start(&t, random);
        FUZZ_ASSERT(f.state.n == 0);
    }

    weir_trace_child(&t, random);

    /* what we say, all others understand */

    n = weir_trace_write(&t, &f.state, text);
    FUZZ_ASSERT(n <= sizeof(text));
    FUZZ_ASSERT(weir_trace_read((weir_str_t) { text, n }, &back, &state));
    FUZZ_ASSERT(strcmp(t.trace_id, back.trace_id) == 0);
    FUZZ_ASSERT(strcmp(t.span_id, back.span_id) == 0);
    FUZZ_ASSERT(t.flags == back.flags);
    FUZZ_ASSERT(state.len == (n > WEIR_TRACEPARENT_LEN + 1
                              ? n - WEIR_TRACEPARENT_LEN - 1 : 0));

    return 0;
}
