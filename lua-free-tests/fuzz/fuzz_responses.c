/*
 * The body of POST /v1/responses: to the neutral model, over the wire, to a
 * call.  The call is a chat completion that is accepted as such, and is the
 * same call again; what is refused is named.
 */

#include "fuzz.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"
#include "weir_dialect_responses.h"


static weir_json_t *
parse(weir_str_t text)
{
    char  error[WEIR_JSON_ERROR];

    return weir_json_too_deep(text, WEIR_JSON_DEPTH_CLIENT)
           ? NULL : weir_json_parse(text, error);
}


/* as it goes through Redis; it is given back here */

static void
call_of(weir_json_t *neutral, weir_buf_t *call)
{
    char             error[WEIR_JSON_ERROR];
    weir_buf_t       wire = { 0 };
    weir_need_t      need;
    weir_json_t     *v;
    weir_failure_t   f;

    FUZZ_ASSERT(weir_json_write(neutral, &wire) == 0);
    weir_json_free(&neutral);

    v = weir_json_parse((weir_str_t) { wire.data, wire.len }, error);
    FUZZ_ASSERT(v);

    weir_neutral_need(v, &need);
    FUZZ_ASSERT(weir_openai_check(v, &f) == 0);
    FUZZ_ASSERT(weir_openai_call(v, weir_str_null, false, call) == 0);

    weir_buf_reset(&wire);
    FUZZ_ASSERT(weir_anthropic_call(v, weir_str_null, false, &wire, &f) == 0
                || f.message[0]);

    weir_json_free(&v);
    weir_buf_free(&wire);
}


static void
options(const weir_json_t *body)
{
    weir_failure_t             f;
    weir_responses_options_t   o;

    FUZZ_ASSERT(weir_responses_options(body, &o, &f) == 0 || f.param[0]);
    weir_responses_options_free(&o);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_buf_t       a = { 0 }, b = { 0 };
    weir_json_t     *body, *neutral;
    weir_failure_t   f;

    body = parse(fuzz_str(data, size));
    neutral = body ? weir_responses_request(body, &f) : NULL;
    FUZZ_ASSERT(body == NULL || neutral
                || (f.message[0] && f.kind == WEIR_FAIL_INVALID));

    if (neutral) {
        options(body);
        weir_json_free(&body);
        call_of(neutral, &a);

        body = parse((weir_str_t) { a.data, a.len });

        /* some of it is nested deeper than it was */

        neutral = body ? weir_openai_request(body, &f) : NULL;
        FUZZ_ASSERT(body == NULL || neutral);

        if (neutral) {
            call_of(neutral, &b);
            FUZZ_ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        }
    }

    weir_json_free(&body);
    weir_buf_free(&a);
    weir_buf_free(&b);

    return 0;
}
