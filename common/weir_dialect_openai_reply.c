/*
 * The OpenAI dialect: what the client gets, from outcomes and the catalogue.
 * Pure.
 */

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_part.h"

#include <stdio.h>


weir_str_t
weir_reason_of(weir_str_t stop)
{
    if (weir_str_eq(stop, weir_str("end"))
        || weir_str_eq(stop, weir_str("stop_sequence")))
    {
        return weir_str("stop");
    }

    if (weir_str_eq(stop, weir_str("tool"))) {
        return weir_str("tool_calls");
    }

    if (weir_str_eq(stop, weir_str("filter"))) {
        return weir_str("content_filter");
    }

    return stop;
}


weir_json_t *
weir_completion_id(weir_str_t id)
{
    char  name[64];

    snprintf(name, sizeof(name), "chatcmpl-%.*s", (int) id.len, id.data);

    return weir_json_new_str(weir_str_of(name));
}


weir_json_t *
weir_choice_index(const weir_json_t *choice, size_t position)
{
    weir_json_t  *index;

    index = weir_json_get(choice, "index");

    return weir_json_is_int(index) ? weir_json_ref(index)
                                   : weir_json_new_int((long long) position);
}


/* The texts of all parts of that type: the dialect has one of each.  "" is not
 * null. */

static weir_json_t *
weir_message_text(weir_json_t *parts, const char *type)
{
    size_t        i;
    weir_buf_t    text = { 0 };
    weir_json_t  *part, *v;

    for (i = 0; i < weir_json_count(parts); i++) {
        part = weir_json_at(parts, i);

        if (weir_part_is(part, type)) {
            weir_buf_reserve(&text, 1);
            weir_buf_str(&text, weir_json_str(weir_json_get(part, "text")));
        }
    }

    v = text.failed ? NULL
        : text.data ? weir_json_new_str((weir_str_t) { text.data, text.len })
                    : weir_json_new_null();
    weir_buf_free(&text);

    return v;
}


static int
weir_message_fill(weir_json_t *message, weir_json_t *parts)
{
    int           rc;
    size_t        i;
    weir_json_t  *part, *calls, *thinking;

    rc = 0;
    calls = weir_json_array();

    for (i = 0; i < weir_json_count(parts); i++) {
        part = weir_json_at(parts, i);

        if (weir_part_is_call(part)) {
            rc |= weir_json_add_take(calls, weir_call_write(part));
        }
    }

    rc |= weir_json_set_take(message, "content",
                             weir_message_text(parts, "text"));
    rc |= weir_json_set_take(message, "refusal",
                             weir_message_text(parts, "refusal"));

    thinking = weir_message_text(parts, "thinking");

    if (!weir_json_is_null(thinking)) {
        rc |= weir_json_set_take(message, "reasoning_content",
                                 weir_json_ref(thinking));
    }

    if (weir_json_count(calls)) {
        rc |= weir_json_set_take(message, "tool_calls", weir_json_ref(calls));
    }

    rc |= (thinking == NULL);
    weir_json_free(&thinking);
    weir_json_free(&calls);

    return rc;
}


static weir_json_t *
weir_choice_write(weir_json_t *from, size_t position)
{
    int           rc;
    weir_str_t    stop;
    weir_json_t  *choice, *message;

    choice = weir_json_object();
    message = weir_json_object();
    stop = weir_json_str(weir_json_get(from, "stop"));

    rc = weir_json_set_take(message, "role",
                            weir_json_new_str(weir_str("assistant")));
    rc |= weir_message_fill(message, weir_json_get(from, "parts"));

    rc |= weir_json_copy(message, weir_json_get(from, "openai_message"), NULL);

    rc |= weir_json_set_take(choice, "index",
                             weir_choice_index(from, position));
    rc |= weir_json_set_take(choice, "message", message);
    rc |= weir_json_set_take(choice, "logprobs", weir_json_new_null());

    rc |= weir_json_copy(choice, weir_json_get(from, "openai"), NULL);

    rc |= weir_json_set_take(choice, "finish_reason",
                             weir_json_new_str(weir_reason_of(stop)));

    if (rc != 0) {
        weir_json_free(&choice);
    }

    return choice;
}


/* the provider's own usage object, if it was of this dialect, has details;
 * the three counts are ours */

weir_json_t *
weir_usage_write(weir_json_t *own, long long input, long long output)
{
    weir_json_t  *usage;

    usage = weir_json_object();

    if (own) {
        weir_json_copy(usage, own, NULL);
    }

    weir_json_set_take(usage, "prompt_tokens",
                       weir_json_new_int(input));
    weir_json_set_take(usage, "completion_tokens",
                       weir_json_new_int(output));
    weir_json_set_take(usage, "total_tokens",
                       weir_json_new_int(input + output));

    return usage;
}


weir_json_t *
weir_openai_completion(const weir_outcome_t *o, weir_str_t id, int64_t created)
{
    int           rc;
    size_t        i;
    weir_json_t  *to, *choices, *extra, *usage;

    to = weir_json_object();
    choices = weir_json_array();
    extra = weir_json_get(o->extra, "openai");
    usage = weir_other_usage(o->extra);
    rc = 0;

    for (i = 0; i < weir_json_count(o->choices); i++) {
        rc |= weir_json_add_take(choices,
                                 weir_choice_write(weir_json_at(o->choices,
                                                                i), i));
    }

    rc |= weir_json_set_take(to, "id", weir_completion_id(id));
    rc |= weir_json_set_take(to, "object",
                             weir_json_new_str(weir_str("chat.completion")));
    rc |= weir_json_set_take(to, "created", weir_json_new_int(created));
    rc |= weir_json_set_take(to, "model", weir_json_new_str(o->model));
    rc |= weir_json_set_take(to, "choices", choices);

    if (extra) {
        rc |= weir_json_copy(to, extra, NULL);
    }

    rc |= weir_json_set_take(to, "usage",
                             weir_usage_write(usage, o->input_tokens,
                                              o->output_tokens));
    weir_json_free(&usage);

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


static weir_json_t *
weir_model_write(const weir_json_t *from)
{
    weir_json_t  *to;

    to = weir_json_object();

    weir_json_set_take(to, "id", weir_json_ref(weir_json_get(from, "id")));
    weir_json_set_take(to, "object", weir_json_new_str(weir_str("model")));
    weir_json_set_take(to, "created",
                       weir_json_ref(weir_json_get(from, "created")));
    weir_json_set_take(to, "owned_by",
                       weir_json_ref(weir_json_get(from, "owned_by")));

    return to;
}


weir_json_t *
weir_openai_models(const weir_json_t *catalogue)
{
    int           rc;
    size_t        i;
    weir_json_t  *to, *list, *models;

    rc = 0;
    to = weir_json_object();
    list = weir_json_array();
    models = weir_json_get(catalogue, "models");

    for (i = 0; i < weir_json_count(models); i++) {
        rc |= weir_json_add_take(list,
                                 weir_model_write(weir_json_at(models, i)));
    }

    rc |= weir_json_set_take(to, "object", weir_json_new_str(weir_str("list")));
    rc |= weir_json_set_take(to, "data", list);

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


weir_json_t *
weir_openai_model(const weir_json_t *catalogue, weir_str_t id)
{
    size_t        i;
    weir_json_t  *models, *model;

    models = weir_json_get(catalogue, "models");

    for (i = 0; i < weir_json_count(models); i++) {
        model = weir_json_at(models, i);

        if (weir_str_eq(weir_json_str(weir_json_get(model, "id")), id)) {
            return weir_model_write(model);
        }
    }

    return NULL;
}
