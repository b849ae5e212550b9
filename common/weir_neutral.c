/*
 * Reading the neutral request without a dialect.  Owns nothing.
 */

#include "weir_neutral.h"


static weir_str_t
weir_part_text(const weir_json_t *part)
{
    return weir_json_str(weir_json_get(part, "text"));
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
