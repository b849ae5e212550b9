/*
 * Embeddings in the OpenAI dialect: the provider's half, from the neutral
 * request to the call, and from the reply to the outcome.  Pure.
 */

#include "weir_dialect_openai_embed.h"
#include "weir_dialect_openai_part.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "weir_base64.h"
#include "weir_contract.h"
#include "weir_float32.h"


/* bytes of all vectors of an outcome, which holds some more */
#define WEIR_EMBED_MAX  (WEIR_OUTCOME_MAX - 1024 * 1024)


/* the call */

int
weir_openai_embed_call(const weir_json_t *request, weir_str_t model,
    weir_buf_t *out)
{
    int           rc;
    weir_json_t  *body, *input, *extra;

    static const char  *own[] = {
        "model", "input", "encoding_format", "dimensions", "stream", NULL
    };

    input = weir_json_get(request, "input");

    if (weir_json_int(weir_json_get(request, "v")) != 1
        || !weir_neutral_embeds(request)
        || !weir_json_is_array(input) || weir_json_count(input) == 0)
    {
        return -1;
    }

    /* one alone is written as nearly every client sends it */

    if (weir_json_count(input) == 1) {
        input = weir_json_at(input, 0);
    }

    body = weir_json_object();
    extra = weir_json_get(weir_json_get(request, "extra"), "openai");

    rc = weir_json_set_take(body, "model",
                            model.len ? weir_json_new_str(model)
                            : weir_json_ref(weir_json_get(request, "model")));
    rc |= weir_json_set_take(body, "input", weir_json_ref(input));
    rc |= weir_json_set_take(body, "encoding_format",
                             weir_json_new_str(weir_str("base64")));
    rc |= weir_json_copy(body, weir_json_get(request, "params"), NULL);
    rc |= extra ? weir_json_copy(body, extra, own) : 0;
    rc = rc ? rc : weir_json_write(body, out);

    weir_json_free(&body);

    return rc ? -1 : 0;
}


/* the reply */

/* Numbers, as some send them whatever they are asked for; NULL: a member is
 * none, or no memory. */

static weir_json_t *
weir_embed_encode(const weir_json_t *list, weir_buf_t *bytes)
{
    char         *to;
    size_t        i, n;
    double        x;
    weir_buf_t    text = { 0 };
    weir_json_t  *v, *number;

    n = weir_json_count(list);
    weir_buf_reset(bytes);
    to = weir_buf_reserve(bytes, n * WEIR_FLOAT32_BYTES + 1);

    if (to == NULL || n == 0) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        number = weir_json_at(list, i);
        x = weir_json_is_int(number) ? (double) weir_json_int(number)
                                     : weir_json_real(number);

        if (!weir_json_is_number(number) || !(x <= FLT_MAX && x >= -FLT_MAX)) {
            return NULL;
        }

        weir_float32_put((float) x, (unsigned char *) to
                                    + i * WEIR_FLOAT32_BYTES);
    }

    n *= WEIR_FLOAT32_BYTES;
    v = NULL;

    if (weir_buf_reserve(&text, WEIR_BASE64_LEN(n) + 1)) {
        weir_base64_write((unsigned char *) to, n, text.data);
        v = weir_json_new_str((weir_str_t) { text.data, WEIR_BASE64_LEN(n) });
    }

    weir_buf_free(&text);

    return v;
}


/* A reference to the text of a vector; NULL: it is none. */

static weir_json_t *
weir_embed_vector(weir_json_t *vector, weir_buf_t *bytes)
{
    if (weir_json_is_array(vector)) {
        return weir_embed_encode(vector, bytes);
    }

    return weir_embed_decode(weir_json_str(vector), bytes)
           ? weir_json_ref(vector) : NULL;
}


/* Takes data. */

static weir_json_t *
weir_embed_choice(size_t index, weir_json_t *data)
{
    int           rc;
    weir_json_t  *choice, *parts, *part;

    choice = weir_json_object();
    parts = weir_json_array();
    part = weir_part_new("embedding");

    rc = weir_json_set_take(part, "data", data);
    rc |= weir_json_add_take(parts, part);
    rc |= weir_json_set_take(choice, "index",
                             weir_json_new_int((long long) index));
    rc |= weir_json_set_take(choice, "parts", parts);

    return weir_part_unless(rc, choice);
}


static int
weir_embed_reply_invalid(weir_outcome_t *o, weir_json_t **body,
    const char *why)
{
    weir_json_free(body);
    weir_json_free(&o->choices);
    weir_json_free(&o->extra);
    weir_failure_set(&o->error, WEIR_FAIL_UPSTREAM, "the provider's reply is "
                     "not a list of embeddings: %s", why);
    snprintf(o->error.code, sizeof(o->error.code), "upstream_invalid");

    return -1;
}


static int
weir_embed_extra_read(weir_outcome_t *o, weir_json_t *body)
{
    int                 rc;
    weir_json_t        *extra;
    static const char  *but[] = { "object", "data", "model", NULL };

    extra = weir_json_object();
    rc = weir_json_copy(extra, body, but);

    o->extra = weir_json_object();

    return rc | weir_json_set_take(o->extra, "openai", extra);
}


/* Where the item of each index is, less one; the caller frees it.  NULL: an
 * index is missing or comes twice, or no memory. */

static size_t *
weir_embed_places(const weir_json_t *data, size_t n)
{
    size_t        i, *places;
    long long     at;
    weir_json_t  *index;

    places = calloc(n + 1, sizeof(size_t));

    for (i = 0; places && i < n; i++) {
        index = weir_json_get(weir_json_at(data, i), "index");
        at = index ? weir_json_int(index) : (long long) i;

        if ((index && !weir_json_is_int(index)) || at < 0
            || at >= (long long) n || places[at])
        {
            free(places);
            return NULL;
        }

        places[at] = i + 1;
    }

    return places;
}


/* The vectors as choices, in their order; NULL: there is not one for each. */

static weir_json_t *
weir_embed_choices(const weir_json_t *data, size_t *size_r)
{
    int           rc;
    size_t        i, n, *places;
    weir_buf_t    bytes = { 0 };
    weir_json_t  *choices, *vector;

    n = weir_json_count(data);
    places = weir_embed_places(data, n);

    if (places == NULL) {
        return NULL;
    }

    choices = weir_json_array();

    for (i = 0, rc = 0; rc == 0 && i < n; i++) {
        vector = weir_embed_vector(weir_json_get(weir_json_at(data,
                                                              places[i] - 1),
                                                 "embedding"), &bytes);
        *size_r += weir_json_str(vector).len;

        rc = vector ? weir_json_add_take(choices, weir_embed_choice(i, vector))
                    : -1;
    }

    weir_buf_free(&bytes);
    free(places);

    return weir_part_unless(rc, choices);
}


int
weir_openai_embed_reply(weir_str_t text, size_t inputs, weir_outcome_t *o)
{
    char          error[WEIR_JSON_ERROR];
    size_t        size;
    weir_json_t  *body, *data, *usage;

    body = weir_json_parse(text, error);
    if (body == NULL) {
        return weir_embed_reply_invalid(o, &body, error);
    }

    data = weir_json_get(body, "data");

    if (!weir_json_is_array(data) || weir_json_count(data) != inputs) {
        return weir_embed_reply_invalid(o, &body, weir_json_is_array(data)
                   ? "it has not as many as were asked for"
                   : "it has no data");
    }

    size = 0;
    o->choices = weir_embed_choices(data, &size);

    if (o->choices == NULL) {
        return weir_embed_reply_invalid(o, &body, "an index is wrong, or a "
                                        "vector is none");
    }

    if (size > WEIR_EMBED_MAX) {
        (void) weir_embed_reply_invalid(o, &body, "it is too large");
        return -2;
    }

    if (weir_embed_extra_read(o, body) != 0) {
        return weir_embed_reply_invalid(o, &body, "out of memory");
    }

    usage = weir_json_get(body, "usage");

    o->input_tokens = weir_tokens(usage, weir_json_get(usage, "prompt_tokens")
                                         ? "prompt_tokens" : "total_tokens");
    o->output_tokens = 0;
    o->model = weir_json_str(weir_json_get(body, "model"));
    o->doc = body;
    o->state = WEIR_COMPLETED;

    return 0;
}
