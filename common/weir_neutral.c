/*
 * Reading the neutral request without a dialect.  Owns nothing.
 */

#include "weir_neutral.h"


#define WEIR_NEED_BYTES   4         /* a token */
#define WEIR_NEED_IMAGE   1000      /* tokens */
#define WEIR_NEED_MAX     1000000000000LL


static weir_str_t
weir_part_text(const weir_json_t *part)
{
    return weir_json_str(weir_json_get(part, "text"));
}


bool
weir_neutral_embeds(const weir_json_t *request)
{
    return weir_str_eq(weir_json_str(weir_json_get(request, "kind")),
                       weir_str(WEIR_NEUTRAL_EMBED));
}


int
weir_neutral_prompt(const weir_json_t *request, weir_buf_t *out)
{
    size_t        i;
    weir_json_t  *messages, *message, *parts;

    messages = weir_json_get(request, "messages");

    for (i = weir_json_count(messages); i > 0; i--) {
        message = weir_json_at(messages, i - 1);

        if (weir_str_eq(weir_json_str(weir_json_get(message, "role")),
                        weir_str("user")))
        {
            break;
        }
    }

    if (i == 0) {
        return 0;
    }

    parts = weir_json_get(weir_json_at(messages, i - 1), "parts");

    for (i = 0; i < weir_json_count(parts); i++) {
        weir_buf_str(out, weir_part_text(weir_json_at(parts, i)));
    }

    return out->failed ? -1 : 0;
}


size_t
weir_neutral_text_bytes(const weir_json_t *request)
{
    size_t        i, k, bytes;
    weir_json_t  *messages, *parts;

    bytes = 0;
    messages = weir_json_get(request, "messages");

    for (i = 0; i < weir_json_count(messages); i++) {
        parts = weir_json_get(weir_json_at(messages, i), "parts");

        for (k = 0; k < weir_json_count(parts); k++) {
            bytes += weir_part_text(weir_json_at(parts, k)).len;
        }
    }

    return bytes;
}


/* needs */

static int64_t
weir_need_part(weir_json_t *part)
{
    void         *iter;
    int64_t       bytes;
    const char   *name;
    weir_json_t  *value;

    if (weir_str_eq(weir_json_str(weir_json_get(part, "type")),
                    weir_str("image")))
    {
        return WEIR_NEED_IMAGE * WEIR_NEED_BYTES;
    }

    bytes = 0;

    for (iter = weir_json_next(part, NULL, &name, &value);
         iter;
         iter = weir_json_next(part, iter, &name, &value))
    {
        bytes += (int64_t) weir_json_str(value).len;
    }

    return bytes;
}


static int64_t
weir_need_json(const weir_json_t *v)
{
    int64_t     bytes;
    weir_buf_t  text;

    if (v == NULL) {
        return 0;
    }

    weir_buf_init(&text, 0);
    (void) weir_json_write(v, &text);
    bytes = (int64_t) text.len;
    weir_buf_free(&text);

    return bytes;
}


/* a list of tokens is counted already */

static void
weir_need_embed(const weir_json_t *request, weir_need_t *need_r)
{
    size_t        i;
    int64_t       bytes, tokens;
    weir_json_t  *input, *one;

    bytes = tokens = 0;
    input = weir_json_get(request, "input");

    for (i = 0; i < weir_json_count(input); i++) {
        one = weir_json_at(input, i);
        bytes += (int64_t) weir_json_str(one).len;
        tokens += weir_json_is_array(one) ? (int64_t) weir_json_count(one) : 0;
    }

    need_r->input = bytes / WEIR_NEED_BYTES + tokens + 1;
    need_r->no_output = true;
}


void
weir_neutral_need(const weir_json_t *request, weir_need_t *need_r)
{
    size_t        i, k;
    int64_t       bytes, n;
    weir_json_t  *messages, *parts, *params;

    memset(need_r, 0, sizeof(weir_need_t));

    if (weir_neutral_embeds(request)) {
        weir_need_embed(request, need_r);
        return;
    }

    bytes = weir_need_json(weir_json_get(request, "tools"));
    messages = weir_json_get(request, "messages");

    for (i = 0; i < weir_json_count(messages); i++) {
        parts = weir_json_get(weir_json_at(messages, i), "parts");

        for (k = 0; k < weir_json_count(parts); k++) {
            bytes += weir_need_part(weir_json_at(parts, k));
        }
    }

    need_r->input = bytes / WEIR_NEED_BYTES + 1;

    params = weir_json_get(request, "params");
    need_r->max_tokens = weir_json_int(weir_json_get(params, "max_tokens"));
    n = weir_json_int(weir_json_get(params, "max_completion_tokens"));

    if (n > need_r->max_tokens) {
        need_r->max_tokens = n;
    }

    n = weir_json_int(weir_json_get(params, "n"));

    if (need_r->max_tokens <= 0) {
        need_r->max_tokens = 0;
    }

    need_r->output = need_r->max_tokens * (n > 1 ? n : 1);

    if (need_r->output > WEIR_NEED_MAX) {
        need_r->output = WEIR_NEED_MAX;
    }
}
