/*
 * The body of a chat completion: to the neutral model, over the wire, to the
 * call.  What was accepted once is accepted again, and gives the same call.
 */

#include "fuzz.h"
#include "weir_dialect_openai.h"


/* NULL: refused */

static weir_json_t *
neutral_of(weir_str_t text)
{
    char             error[WEIR_JSON_ERROR];
    weir_json_t     *body, *neutral;
    weir_failure_t   f;

    body = weir_json_too_deep(text, WEIR_JSON_DEPTH_CLIENT)
           ? NULL : weir_json_parse(text, error);

    if (body == NULL) {
        return NULL;
    }

    neutral = weir_openai_request(body, &f);
    FUZZ_ASSERT(neutral || (f.message[0] && f.kind == WEIR_FAIL_INVALID));
    weir_json_free(&body);

    return neutral;
}


static void
call_of(weir_json_t *neutral, weir_buf_t *call)
{
    char        error[WEIR_JSON_ERROR];
    weir_buf_t  wire = { 0 };

    FUZZ_ASSERT(weir_json_write(neutral, &wire) == 0);
    weir_json_free(&neutral);

    neutral = weir_json_parse((weir_str_t) { wire.data, wire.len }, error);
    FUZZ_ASSERT(neutral);
    FUZZ_ASSERT(weir_openai_call(neutral, weir_str_null, false, call) == 0);

    weir_buf_reset(&wire);
    FUZZ_ASSERT(weir_neutral_prompt(neutral, &wire) == 0);
    FUZZ_ASSERT(wire.len <= weir_neutral_text_bytes(neutral));

    weir_json_free(&neutral);
    weir_buf_free(&wire);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_buf_t    first = { 0 }, second = { 0 };
    weir_json_t  *neutral;

    neutral = neutral_of(fuzz_str(data, size));
    if (neutral == NULL) {
        return 0;
    }

    call_of(neutral, &first);

    neutral = neutral_of((weir_str_t) { first.data, first.len });
    FUZZ_ASSERT(neutral);
    call_of(neutral, &second);

    FUZZ_ASSERT(first.len == second.len
                && memcmp(first.data, second.data, first.len) == 0);

    weir_buf_free(&first);
    weir_buf_free(&second);

    return 0;
}
