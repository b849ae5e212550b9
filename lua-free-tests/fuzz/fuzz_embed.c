/*
 * The body of POST /v1/embeddings, and a provider's reply to it: a request goes
 * over the wire, its call is accepted again and gives the same call; a reply
 * becomes one outcome whether its vectors are told as numbers or as base64.
 */

#include "fuzz.h"
#include "weir_dialect_openai_embed.h"


static weir_json_t *
document(weir_str_t text)
{
    char  error[WEIR_JSON_ERROR];

    return weir_json_too_deep(text, WEIR_JSON_DEPTH_CLIENT)
           ? NULL : weir_json_parse(text, error);
}


static bool
same(const weir_buf_t *a, const weir_buf_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}


/* NULL: refused */

static weir_json_t *
neutral_of(weir_str_t text)
{
    weir_buf_t       wire = { 0 };
    weir_need_t      need;
    weir_json_t     *body, *neutral;
    weir_failure_t   f;

    body = document(text);
    if (body == NULL) {
        return NULL;
    }

    (void) weir_openai_embed_base64(body);
    neutral = weir_openai_embed_request(body, &f);
    FUZZ_ASSERT(neutral || (f.message[0] && f.kind == WEIR_FAIL_INVALID));
    weir_json_free(&body);

    if (neutral == NULL) {
        return NULL;
    }

    weir_neutral_need(neutral, &need);
    FUZZ_ASSERT(need.input > 0 && need.no_output);

    FUZZ_ASSERT(weir_json_write(neutral, &wire) == 0);
    weir_json_free(&neutral);

    neutral = document((weir_str_t) { wire.data, wire.len });
    weir_buf_free(&wire);

    return neutral;
}


static void
request(weir_str_t text)
{
    weir_buf_t    first = { 0 }, second = { 0 };
    weir_json_t  *neutral;

    neutral = neutral_of(text);

    if (neutral) {
        FUZZ_ASSERT(weir_openai_embed_call(neutral, weir_str_null, &first)
                    == 0);
        weir_json_free(&neutral);

        neutral = neutral_of((weir_str_t) { first.data, first.len });
        FUZZ_ASSERT(neutral);
        FUZZ_ASSERT(weir_openai_embed_call(neutral, weir_str_null, &second)
                    == 0);
        FUZZ_ASSERT(same(&first, &second));
        weir_json_free(&neutral);
    }

    weir_buf_free(&first);
    weir_buf_free(&second);
}


static void
reply(weir_str_t text)
{
    int             base64;
    size_t          n;
    weir_buf_t      list = { 0 }, a = { 0 }, b = { 0 };
    weir_json_t    *doc;
    weir_outcome_t  o, again;

    doc = document(text);
    n = weir_json_count(weir_json_get(doc, "data"));
    weir_json_free(&doc);

    if (n == 0) {
        return;
    }

    weir_outcome_init(&o);

    if (weir_openai_embed_reply(text, n, &o) != 0) {
        FUZZ_ASSERT(o.choices == NULL && o.error.message[0]);
        weir_outcome_free(&o);
        return;
    }

    FUZZ_ASSERT(weir_outcome_embeds(&o) && o.input_tokens >= 0);
    FUZZ_ASSERT(weir_json_write_sorted(o.choices, &a) == 0);

    for (base64 = 0; base64 < 2; base64++) {
        FUZZ_ASSERT(weir_openai_embeddings(&o, base64, &list) == 0);

        weir_outcome_init(&again);
        FUZZ_ASSERT(weir_openai_embed_reply((weir_str_t) { list.data,
                                                           list.len },
                                            n, &again) == 0);
        FUZZ_ASSERT(weir_json_write_sorted(again.choices, &b) == 0);
        FUZZ_ASSERT(same(&a, &b));
        FUZZ_ASSERT(again.input_tokens == o.input_tokens);

        weir_outcome_free(&again);
        weir_buf_free(&list);
        weir_buf_free(&b);
    }

    weir_buf_free(&a);
    weir_outcome_free(&o);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    request(fuzz_str(data, size));
    reply(fuzz_str(data, size));

    return 0;
}
