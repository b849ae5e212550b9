/*
 * The Anthropic dialect: the message that a client gets, from the outcome.
 * Pure.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_part.h"

#include <stdio.h>


weir_json_t *
weir_anthropic_id(weir_str_t id)
{
    char  name[64];

    snprintf(name, sizeof(name), "msg_%.*s", (int) id.len,
             id.data ? id.data : "");

    return weir_json_new_str(weir_str_of(name));
}


/* The provider's own usage, if it was of this dialect, has details; the counts
 * are ours.  Of the OpenAI dialect it tells what the cache had. */

weir_json_t *
weir_anthropic_usage(const weir_json_t *extra, long long input,
    long long output)
{
    int           rc;
    long long     cached;
    weir_json_t  *usage, *own, *details;

    usage = weir_json_object();
    own = weir_json_get(weir_json_get(extra, "anthropic"), "usage");
    rc = own ? weir_json_copy(usage, own, NULL) : 0;

    if (own == NULL) {
        details = weir_json_get(weir_json_get(weir_json_get(extra, "openai"),
                                              "usage"),
                                "prompt_tokens_details");
        cached = weir_tokens(details, "cached_tokens");

        if (cached > 0 && cached <= input) {
            rc |= weir_json_set_take(usage, "cache_read_input_tokens",
                                     weir_json_new_int(cached));
        }
    }

    cached = weir_tokens(usage, "cache_creation_input_tokens")
             + weir_tokens(usage, "cache_read_input_tokens");

    rc |= weir_json_set_take(usage, "input_tokens",
                             weir_json_new_int(input > cached ? input - cached
                                                              : 0));
    rc |= weir_json_set_take(usage, "output_tokens",
                             weir_json_new_int(output));

    return weir_part_unless(rc, usage);
}


static bool
weir_choice_refused(const weir_json_t *parts)
{
    size_t  i;

    for (i = 0; weir_json_is_array(parts) && i < weir_json_count(parts); i++) {
        if (weir_part_is(weir_json_at(parts, i), "refusal")) {
            return true;
        }
    }

    return false;
}


weir_json_t *
weir_anthropic_message(const weir_outcome_t *o, weir_str_t id)
{
    int           rc;
    weir_str_t    reason;
    weir_json_t  *to, *content, *choice, *beside, *extra;

    to = weir_json_object();
    content = weir_json_array();
    choice = weir_json_at(o->choices, 0);
    beside = weir_json_get(choice, "anthropic");
    extra = weir_json_get(o->extra, "anthropic");

    reason = weir_anthropic_reason_of(
                 weir_json_str(weir_json_get(choice, "stop")),
                 weir_choice_refused(weir_json_get(choice, "parts")));

    rc = weir_blocks_write(content, weir_json_get(choice, "parts"), NULL);

    rc |= extra ? weir_json_copy(to, extra, NULL) : 0;
    rc |= weir_json_set_take(to, "id", weir_anthropic_id(id));
    rc |= weir_json_set_take(to, "type",
                             weir_json_new_str(weir_str("message")));
    rc |= weir_json_set_take(to, "role",
                             weir_json_new_str(weir_str("assistant")));
    rc |= weir_json_set_take(to, "model",
                             weir_json_new_str(o->model.data ? o->model
                                                             : weir_str("")));
    rc |= weir_json_set_take(to, "content", content);
    rc |= weir_json_set_take(to, "stop_reason", weir_json_new_str(reason));
    rc |= weir_json_set_take(to, "stop_sequence", weir_json_new_null());
    rc |= beside ? weir_json_copy(to, beside, NULL) : 0;
    rc |= weir_json_set_take(to, "usage",
                             weir_anthropic_usage(o->extra, o->input_tokens,
                                                  o->output_tokens));

    return weir_part_unless(rc, to);
}
