/*
 * The body of POST /v1/messages: to the neutral model, over the wire, to a call
 * of either dialect.  A call of its own dialect is accepted again, and gives
 * the same call; one of the other dialect is a request of that.
 */

#include "fuzz.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"


/* NULL: refused */

static weir_json_t *
neutral_of(weir_str_t text, bool openai)
{
    char             error[WEIR_JSON_ERROR];
    weir_buf_t       wire = { 0 };
    weir_json_t     *body, *neutral;
    weir_failure_t   f;

    body = weir_json_too_deep(text, WEIR_JSON_DEPTH_CLIENT)
           ? NULL : weir_json_parse(text, error);

    if (body == NULL) {
        return NULL;
    }

    neutral = openai ? weir_openai_request(body, &f)
                     : weir_anthropic_request(body, &f);
    FUZZ_ASSERT(neutral || (f.message[0] && f.kind == WEIR_FAIL_INVALID));
    weir_json_free(&body);

    if (neutral == NULL) {
        return NULL;
    }

    FUZZ_ASSERT(weir_json_write(neutral, &wire) == 0);
    weir_json_free(&neutral);

    neutral = weir_json_parse((weir_str_t) { wire.data, wire.len }, error);
    FUZZ_ASSERT(neutral);
    weir_buf_free(&wire);

    return neutral;
}


static bool
call_of(const weir_json_t *neutral, weir_buf_t *call)
{
    weir_failure_t  f;

    if (weir_anthropic_call(neutral, weir_str_null, false, call, &f) == 0) {
        return true;
    }

    FUZZ_ASSERT(f.message[0] && f.kind == WEIR_FAIL_INVALID && f.param[0]);

    return false;
}


static void
other_call(const weir_json_t *neutral)
{
    weir_buf_t       call = { 0 };
    weir_json_t     *again;
    weir_failure_t   f;

    if (weir_openai_check(neutral, &f) != 0) {
        FUZZ_ASSERT(f.message[0] && f.kind == WEIR_FAIL_INVALID && f.param[0]);
        FUZZ_ASSERT(weir_openai_call(neutral, weir_str_null, false, &call)
                    == -1);
        weir_buf_free(&call);
        return;
    }

    FUZZ_ASSERT(weir_openai_call(neutral, weir_str_null, false, &call) == 0);

    again = neutral_of((weir_str_t) { call.data, call.len }, true);

    if (again) {
        weir_buf_reset(&call);
        (void) call_of(again, &call);
        weir_json_free(&again);
    }

    weir_buf_free(&call);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_buf_t    first = { 0 }, second = { 0 };
    weir_json_t  *neutral;

    /* what an OpenAI client asks, as a call of this dialect */

    neutral = neutral_of(fuzz_str(data, size), true);

    if (neutral) {
        (void) call_of(neutral, &first);
        weir_json_free(&neutral);
        weir_buf_reset(&first);
    }

    neutral = neutral_of(fuzz_str(data, size), false);

    if (neutral) {
        other_call(neutral);

        if (call_of(neutral, &first)) {
            weir_json_free(&neutral);
            neutral = neutral_of((weir_str_t) { first.data, first.len },
                                 false);
            FUZZ_ASSERT(neutral);
            FUZZ_ASSERT(call_of(neutral, &second));
            FUZZ_ASSERT(first.len == second.len
                        && memcmp(first.data, second.data, first.len) == 0);
        }

        weir_json_free(&neutral);
    }

    weir_buf_free(&first);
    weir_buf_free(&second);

    return 0;
}
