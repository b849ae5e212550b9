/*
 * A provider's reply: as a completion and as an error.  What is accepted makes
 * an outcome, which is read back, and a completion that is accepted again.
 */

#include "fuzz.h"
#include "weir_dialect_openai.h"


static void
complete(const weir_outcome_t *o)
{
    weir_buf_t       b = { 0 };
    weir_json_t     *v;
    weir_outcome_t   again;

    v = weir_openai_completion(o, weir_str("ID"), 1);
    FUZZ_ASSERT(v && weir_json_write(v, &b) == 0);
    weir_json_free(&v);

    weir_outcome_init(&again);
    FUZZ_ASSERT(weir_openai_reply((weir_str_t) { b.data, b.len }, &again) == 0);
    FUZZ_ASSERT(again.input_tokens == o->input_tokens
                && again.output_tokens == o->output_tokens);
    FUZZ_ASSERT(weir_json_count(again.choices) == weir_json_count(o->choices));

    weir_outcome_free(&again);
    weir_buf_free(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_buf_t      b = { 0 };
    weir_str_t      text;
    weir_outcome_t  o, read;
    weir_failure_t  f;

    if (size == 0) {
        return 0;
    }

    text = fuzz_str(data + 1, size - 1);
    weir_openai_error(400 + data[0], text, &f);
    FUZZ_ASSERT(f.message[0]);

    weir_outcome_init(&o);

    if (weir_openai_reply(text, &o) == 0) {
        FUZZ_ASSERT(o.input_tokens >= 0 && o.output_tokens >= 0);
        FUZZ_ASSERT(weir_outcome_write(&o, &b) == 0);
        FUZZ_ASSERT(weir_outcome_read(&read, (weir_str_t) { b.data, b.len })
                    == 0);
        complete(&o);
        complete(&read);
        weir_outcome_free(&read);

    } else {
        FUZZ_ASSERT(o.error.message[0]);
    }

    weir_outcome_free(&o);
    weir_buf_free(&b);

    return 0;
}
