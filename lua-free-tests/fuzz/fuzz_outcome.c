/*
 * The outcome document as the edge reads it: to completion, events, error
 * bodies, and back to a document that reads the same.
 */

#include "fuzz.h"
#include "weir_dialect_openai.h"


static void
rewrite(const weir_outcome_t *o)
{
    weir_buf_t      b = { 0 };
    weir_outcome_t  again;

    FUZZ_ASSERT(weir_outcome_write(o, &b) == 0);
    FUZZ_ASSERT(weir_outcome_read(&again, (weir_str_t) { b.data, b.len }) == 0);
    FUZZ_ASSERT(again.state == o->state && again.attempts == o->attempts
                && again.input_tokens == o->input_tokens
                && again.output_tokens == o->output_tokens);

    weir_outcome_free(&again);
    weir_buf_free(&b);
}


/* every event is one line of JSON, but for the last */

static void
events(const weir_outcome_t *o)
{
    char          error[WEIR_JSON_ERROR];
    weir_buf_t    b = { 0 };
    weir_str_t    rest, line;
    weir_json_t  *v;

    FUZZ_ASSERT(weir_openai_events(o, weir_str("ID"), 1, true, &b) == 0);

    rest = (weir_str_t) { b.data, b.len };

    while (weir_str_split(&rest, '\n', &line) && rest.data) {
        FUZZ_ASSERT(line.len > 6 && memcmp(line.data, "data: ", 6) == 0);
        line.data += 6;
        line.len -= 6;

        v = weir_json_parse(line, error);
        FUZZ_ASSERT(weir_str_eq(line, weir_str("[DONE]"))
                    || weir_json_is_object(v));
        weir_json_free(&v);

        FUZZ_ASSERT(weir_str_split(&rest, '\n', &line) && line.len == 0);
    }

    weir_buf_free(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              dialect;
    char             error[WEIR_JSON_ERROR];
    weir_buf_t       b = { 0 };
    weir_json_t     *v;
    weir_outcome_t   o;

    if (weir_outcome_read(&o, fuzz_str(data, size)) != 0) {
        return 0;
    }

    rewrite(&o);
    events(&o);
    v = weir_openai_completion(&o, weir_str("ID"), 1);
    weir_json_free(&v);

    for (dialect = 0; dialect <= WEIR_DIALECT_ANTHROPIC; dialect++) {
        weir_buf_reset(&b);
        weir_failure_body(&o.error, (weir_dialect_e) dialect, weir_str("r"),
                          &b);
        v = weir_json_parse((weir_str_t) { b.data, b.len }, error);
        FUZZ_ASSERT(v);
        weir_json_free(&v);
    }

    weir_outcome_free(&o);
    weir_buf_free(&b);

    return 0;
}
