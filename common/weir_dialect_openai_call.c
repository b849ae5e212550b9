/*
 * The OpenAI chat dialect: the provider's half, from the neutral request to
 * the call, and from the reply to the outcome.  Pure.
 */

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_part.h"

#include <stdio.h>


/* the call */

/* One plain text is written as a string, as nearly every client sends it;
 * nothing at all as null. */

static weir_json_t *
weir_content_pack(weir_json_t *content)
{
    weir_json_t  *first, *text;

    first = weir_json_at(content, 0);
    text = weir_json_get(first, "text");

    if (weir_json_count(content) == 0) {
        return weir_json_new_null();
    }

    if (weir_json_count(content) == 1 && weir_part_is(first, "text")
        && weir_json_is_string(text) && weir_json_count(first) == 2)
    {
        return weir_json_ref(text);
    }

    return weir_json_ref(content);
}


/* what has no place in a call: reasoning, and what is another dialect's */

static bool
weir_part_is_left_out(const weir_json_t *part)
{
    return weir_part_is(part, "thinking") || weir_part_is(part, "anthropic");
}


static int
weir_parts_write(weir_json_t *from, weir_json_t *message)
{
    int           rc;
    size_t        i;
    weir_json_t  *part, *parts, *content, *calls;

    parts = weir_json_get(from, "parts");

    rc = 0;
    content = weir_json_array();
    calls = weir_json_array();

    for (i = 0; i < weir_json_count(parts); i++) {
        part = weir_json_at(parts, i);

        if (weir_part_is_left_out(part)) {
            continue;
        }

        if (weir_part_is_call(part)) {
            rc |= weir_json_add_take(calls, weir_call_write(part));

        } else {
            rc |= weir_json_add_take(content, weir_content_write(part));
        }
    }

    if (weir_json_true(weir_json_get(from, "error"))) {
        rc |= weir_other_error(content);
    }

    rc |= weir_json_set_take(message, "content", weir_content_pack(content));

    if (weir_json_count(calls)) {
        rc |= weir_json_set_take(message, "tool_calls", weir_json_ref(calls));
    }

    weir_json_free(&content);
    weir_json_free(&calls);

    return rc;
}


static weir_json_t *
weir_message_write(weir_json_t *message)
{
    int                 rc;
    weir_json_t        *to, *extra;
    static const char  *but[] = {
        "parts", "openai", "anthropic", "error", NULL
    };

    to = weir_json_object();
    rc = weir_json_copy(to, message, but);
    rc |= weir_parts_write(message, to);

    extra = weir_json_get(message, "openai");

    if (extra) {
        rc |= weir_json_copy(to, extra, NULL);
    }

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


/* Does anything of it have a place in a call? */

static bool
weir_message_says(const weir_json_t *message)
{
    size_t        i, n;
    weir_json_t  *parts;

    parts = weir_json_get(message, "parts");
    n = weir_json_count(parts);

    for (i = 0; i < n; i++) {
        if (!weir_part_is_left_out(weir_json_at(parts, i))) {
            return true;
        }
    }

    return n == 0;
}


static weir_json_t *
weir_messages_write(const weir_json_t *messages)
{
    size_t        i;
    weir_json_t  *to;

    to = weir_json_array();

    for (i = 0; i < weir_json_count(messages); i++) {
        if (!weir_message_says(weir_json_at(messages, i))) {
            continue;
        }

        if (weir_json_add_take(to,
                               weir_message_write(weir_json_at(messages, i)))
            != 0)
        {
            weir_json_free(&to);
            break;
        }
    }

    return to;
}


static int
weir_tools_write(weir_json_t *body, const weir_json_t *tools)
{
    int                 rc;
    size_t              i;
    weir_json_t        *list, *tool, *to;
    static const char  *but[] = { "anthropic", NULL };

    if (tools == NULL) {
        return 0;
    }

    rc = 0;
    list = weir_json_array();

    for (i = 0; i < weir_json_count(tools); i++) {
        tool = weir_json_at(tools, i);

        if (weir_part_is(tool, "openai")) {
            rc |= weir_json_add_take(list,
                      weir_json_ref(weir_json_get(tool, "tool")));
            continue;
        }

        to = weir_json_object();
        rc |= weir_json_copy(to, tool, but);
        rc |= weir_json_add_take(list, to);
    }

    return rc | weir_json_set_take(body, "tools", list);
}


/* Usage is accounted, whether the client is shown it or not. */

static int
weir_stream_write(weir_json_t *body)
{
    int           rc;
    weir_json_t  *options;

    options = weir_json_object();

    rc = weir_json_set_take(options, "include_usage",
                            weir_json_new_bool(true));
    rc |= weir_json_set_take(body, "stream", weir_json_new_bool(true));

    return rc | weir_json_set_take(body, "stream_options", options);
}


int
weir_openai_call(const weir_json_t *request, weir_str_t model, bool stream,
    weir_buf_t *out)
{
    int             rc;
    weir_json_t    *body, *extra;
    weir_failure_t  f;

    if (weir_json_int(weir_json_get(request, "v")) != 1
        || !weir_json_is_array(weir_json_get(request, "messages"))
        || weir_openai_check(request, &f) != 0)
    {
        return -1;
    }

    body = weir_json_object();

    rc = weir_json_set_take(body, "model",
                            model.len ? weir_json_new_str(model)
                            : weir_json_ref(weir_json_get(request, "model")));
    rc |= weir_json_set_take(body, "messages",
                             weir_messages_write(weir_json_get(request,
                                                               "messages")));
    rc |= weir_json_copy(body, weir_json_get(request, "params"), NULL);
    rc |= weir_tools_write(body, weir_json_get(request, "tools"));

    extra = weir_json_get(request, "extra");
    rc |= weir_other_extra(body, weir_json_get(extra, "anthropic"));
    rc |= weir_json_copy(body, weir_json_get(extra, "openai"), NULL);
    rc |= stream ? weir_stream_write(body) : 0;

    if (rc == 0) {
        rc = weir_json_write(body, out);
    }

    weir_json_free(&body);

    return rc ? -1 : 0;
}


/* the reply */

weir_str_t
weir_stop_of(weir_str_t reason)
{
    if (weir_str_eq(reason, weir_str("stop"))) {
        return weir_str("end");
    }

    if (weir_str_eq(reason, weir_str("tool_calls"))
        || weir_str_eq(reason, weir_str("function_call")))
    {
        return weir_str("tool");
    }

    if (weir_str_eq(reason, weir_str("content_filter"))) {
        return weir_str("filter");
    }

    return reason.len ? reason : weir_str("end");
}


/* a text that may be missing */

static int
weir_text_add(weir_json_t *parts, const char *type, weir_json_t *text)
{
    return weir_json_is_string(text)
           ? weir_json_add_take(parts, weir_part_text(type, text)) : 0;
}


static weir_json_t *
weir_choice_read(weir_json_t *choice, size_t index)
{
    int                 rc;
    weir_json_t        *to, *parts, *message;
    static const char  *message_but[] = {
        "role", "content", "refusal", "reasoning_content", "tool_calls", NULL
    };
    static const char  *choice_but[] = {
        "index", "message", "finish_reason", NULL
    };

    message = weir_json_get(choice, "message");

    if (!weir_json_is_object(message)) {
        return NULL;
    }

    to = weir_json_object();
    parts = weir_json_array();

    rc = weir_text_add(parts, "thinking",
                       weir_json_get(message, "reasoning_content"));
    rc |= weir_text_add(parts, "text", weir_json_get(message, "content"));
    rc |= weir_text_add(parts, "refusal", weir_json_get(message, "refusal"));
    rc |= weir_calls_read(parts, weir_json_get(message, "tool_calls"));

    rc |= weir_json_set_take(to, "index", weir_json_new_int((long long) index));
    rc |= weir_json_set_take(to, "role",
                             weir_json_new_str(weir_str("assistant")));
    rc |= weir_json_set_take(to, "parts", parts);
    rc |= weir_json_set_take(to, "stop",
             weir_json_new_str(weir_stop_of(weir_json_str(
                 weir_json_get(choice, "finish_reason")))));

    rc |= weir_rest_read(to, "openai", choice, choice_but);
    rc |= weir_rest_read(to, "openai_message", message, message_but);

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


static int
weir_reply_invalid(weir_outcome_t *o, weir_json_t **body, const char *why)
{
    weir_json_free(body);
    weir_failure_set(&o->error, WEIR_FAIL_UPSTREAM,
                     "the provider's reply is not a chat completion: %s", why);
    snprintf(o->error.code, sizeof(o->error.code), "upstream_invalid");

    return -1;
}


static int
weir_reply_extra(weir_outcome_t *o, weir_json_t *body)
{
    int                 rc;
    weir_json_t        *extra;
    static const char  *but[] = {
        "id", "object", "created", "model", "choices", NULL
    };

    extra = weir_json_object();
    rc = weir_json_copy(extra, body, but);

    o->extra = weir_json_object();

    return rc | weir_json_set_take(o->extra, "openai", extra);
}


int
weir_openai_reply(weir_str_t text, weir_outcome_t *o)
{
    char          error[WEIR_JSON_ERROR];
    size_t        i;
    weir_json_t  *body, *choices, *usage;

    body = weir_json_parse(text, error);
    if (body == NULL) {
        return weir_reply_invalid(o, &body, error);
    }

    choices = weir_json_get(body, "choices");

    if (!weir_json_is_array(choices) || weir_json_count(choices) == 0) {
        return weir_reply_invalid(o, &body, "it has no choices");
    }

    o->choices = weir_json_array();

    for (i = 0; i < weir_json_count(choices); i++) {
        if (weir_json_add_take(o->choices,
                               weir_choice_read(weir_json_at(choices, i), i))
            != 0)
        {
            weir_json_free(&o->choices);
            return weir_reply_invalid(o, &body, "a choice has no message");
        }
    }

    if (weir_reply_extra(o, body) != 0) {
        return weir_reply_invalid(o, &body, "out of memory");
    }

    usage = weir_json_get(body, "usage");

    o->input_tokens = weir_tokens(usage, "prompt_tokens");
    o->output_tokens = weir_tokens(usage, "completion_tokens");
    o->model = weir_json_str(weir_json_get(body, "model"));
    o->doc = body;
    o->state = WEIR_COMPLETED;

    return 0;
}


/* errors */

static void
weir_error_word(char *to, const weir_json_t *from)
{
    weir_str_t  s;

    s = weir_json_str(from);

    if (s.len < WEIR_FAILURE_WORD) {
        snprintf(to, WEIR_FAILURE_WORD, "%.*s", (int) s.len,
                 s.data ? s.data : "");
    }
}


void
weir_openai_error(unsigned status, weir_str_t body, weir_failure_t *f)
{
    char          reason[WEIR_JSON_ERROR];
    weir_str_t    message;
    weir_json_t  *doc, *error;

    doc = weir_json_parse(body, reason);
    error = weir_json_get(doc, "error");
    message = weir_json_str(weir_json_get(error, "message"));

    if (status == 401 || status == 403) {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider refused the gateway's credentials");
        snprintf(f->code, sizeof(f->code), "upstream_auth");

    } else if (status >= 400 && status < 500 && status != 408) {
        message = message.len ? message
                              : weir_str("the provider refused the request");
        weir_failure_set(f, weir_failure_of_status(status), "%.*s",
                         (int) message.len, message.data);
        weir_error_word(f->code, weir_json_get(error, "code"));
        weir_error_word(f->param, weir_json_get(error, "param"));

    } else {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider answered with status %u", status);
    }

    weir_json_free(&doc);
}
