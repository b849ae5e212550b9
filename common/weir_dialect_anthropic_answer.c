/*
 * The Anthropic dialect: what a provider answers, to the outcome.  Pure.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_part.h"

#include <stdio.h>


/* both ways, but for what has no word of its own in the other */

static const struct {
    const char  *reason;
    const char  *stop;
} weir_reasons[] = {
    { "end_turn",                      "end"    },
    { "max_tokens",                    "length" },
    { "tool_use",                      "tool"   },
    { "refusal",                       "filter" },
    { "model_context_window_exceeded", "length" },
    { NULL, NULL }
};


weir_str_t
weir_anthropic_stop_of(weir_str_t reason)
{
    size_t  i;

    for (i = 0; weir_reasons[i].reason; i++) {
        if (weir_str_eq(reason, weir_str_of(weir_reasons[i].reason))) {
            return weir_str_of(weir_reasons[i].stop);
        }
    }

    return reason.len ? reason : weir_str("end");
}


weir_str_t
weir_anthropic_reason_of(weir_str_t stop, bool refused)
{
    size_t  i;

    if (refused && weir_str_eq(stop, weir_str("end"))) {
        return weir_str("refusal");
    }

    for (i = 0; weir_reasons[i].reason; i++) {
        if (weir_str_eq(stop, weir_str_of(weir_reasons[i].stop))) {
            return weir_str_of(weir_reasons[i].reason);
        }
    }

    return stop.len ? stop : weir_str("end_turn");
}


/* usage: the input has three parts here, of which the cache has two */

long long
weir_anthropic_input(const weir_json_t *usage)
{
    if (!weir_json_is_number(weir_json_get(usage, "input_tokens"))) {
        return -1;
    }

    return weir_tokens(usage, "input_tokens")
           + weir_tokens(usage, "cache_creation_input_tokens")
           + weir_tokens(usage, "cache_read_input_tokens");
}


static bool
weir_usage_same(const weir_json_t *a, const weir_json_t *b)
{
    bool        same;
    weir_buf_t  x = { 0 }, y = { 0 };

    if (a == NULL || b == NULL) {
        return false;
    }

    same = (weir_json_write_sorted(a, &x) | weir_json_write_sorted(b, &y)) == 0
           && weir_str_eq((weir_str_t) { x.data, x.len },
                          (weir_str_t) { y.data, y.len });
    weir_buf_free(&x);
    weir_buf_free(&y);

    return same;
}


int
weir_anthropic_usage_news(weir_json_t *extra, const weir_json_t *told)
{
    int           rc;
    void         *iter;
    const char   *name;
    weir_json_t  *usage, *news, *value;

    usage = weir_json_get(extra, "usage");
    if (usage == NULL) {
        return 0;
    }

    news = weir_json_object();
    rc = 0;

    for (iter = weir_json_next(usage, NULL, &name, &value);
         iter;
         iter = weir_json_next(usage, iter, &name, &value))
    {
        if (!weir_usage_same(value, weir_json_get(told, name))) {
            rc |= weir_json_set_take(news, name, weir_json_ref(value));
        }
    }

    if (rc == 0 && weir_json_count(news) == 0) {
        weir_json_free(&news);
        return weir_json_remove(extra, "usage");
    }

    return rc | weir_json_set_take(extra, "usage", news);
}


/* beside */

static const char  *weir_beside_choice[] = {
    "stop_sequence", "stop_details", "container", NULL
};

static const char  *weir_beside_not_extra[] = {
    "id", "type", "role", "content", "model", "stop_reason", "stop_sequence",
    "stop_details", "container", NULL
};


int
weir_anthropic_beside_read(weir_json_t *choice, weir_json_t *extra,
    weir_json_t *message)
{
    int            rc;
    weir_str_t     reason;
    weir_json_t   *v, *rest;
    const char   **name;

    for (name = weir_beside_choice, rc = 0; *name; name++) {
        v = weir_json_get(message, *name);

        if (v && !weir_json_is_null(v)) {
            rc |= weir_json_set_take(choice, *name, weir_json_ref(v));
        }
    }

    v = weir_json_get(message, "stop_reason");
    reason = weir_json_str(v);

    if (reason.len
        && !weir_str_eq(weir_anthropic_reason_of(weir_anthropic_stop_of(reason),
                                                 false), reason))
    {
        rc |= weir_json_set_take(choice, "stop_reason", weir_json_ref(v));
    }

    rest = weir_anthropic_said(message, weir_beside_not_extra);
    rc |= rest ? weir_json_copy(extra, rest, NULL) : -1;
    weir_json_free(&rest);

    v = weir_json_get(extra, "usage");

    return v ? rc | weir_json_set_take(extra, "usage",
                                       weir_anthropic_said(v, NULL)) : rc;
}


/* the reply */

static int
weir_reply_invalid(weir_outcome_t *o, weir_json_t **body, const char *why)
{
    weir_json_free(body);
    weir_json_free(&o->choices);
    weir_json_free(&o->extra);
    weir_failure_set(&o->error, WEIR_FAIL_UPSTREAM,
                     "the provider's reply is not a message: %s", why);
    snprintf(o->error.code, sizeof(o->error.code), "upstream_invalid");

    return -1;
}


/* parts, and what the provider says of its end */

static int
weir_reply_choice(weir_outcome_t *o, weir_json_t *body, weir_json_t *parts)
{
    int           rc;
    weir_json_t  *choice, *beside, *extra;

    choice = weir_json_object();
    beside = weir_json_object();
    extra = weir_json_object();

    rc = weir_anthropic_beside_read(beside, extra, body);
    rc |= weir_json_set_take(choice, "index", weir_json_new_int(0));
    rc |= weir_json_set_take(choice, "role",
                             weir_json_new_str(weir_str("assistant")));
    rc |= weir_json_set_take(choice, "parts", weir_json_ref(parts));
    rc |= weir_json_set_take(choice, "stop",
              weir_json_new_str(weir_anthropic_stop_of(weir_json_str(
                  weir_json_get(body, "stop_reason")))));

    if (weir_json_count(beside)) {
        rc |= weir_json_set_take(choice, "anthropic", weir_json_ref(beside));
    }

    weir_json_free(&beside);

    o->choices = weir_json_array();
    rc |= weir_json_add_take(o->choices, choice);

    o->extra = weir_json_object();

    return rc | weir_json_set_take(o->extra, "anthropic", extra);
}


int
weir_anthropic_reply(weir_str_t text, weir_outcome_t *o)
{
    int           rc;
    char          error[WEIR_JSON_ERROR];
    size_t        i;
    const char   *why;
    weir_json_t  *body, *content, *usage, *parts;

    body = weir_json_parse(text, error);
    if (body == NULL) {
        return weir_reply_invalid(o, &body, error);
    }

    content = weir_json_get(body, "content");

    if (!weir_json_is_array(content)) {
        return weir_reply_invalid(o, &body, "it has no content");
    }

    parts = weir_json_array();

    for (i = 0; i < weir_json_count(content); i++) {
        if (!weir_block_read(parts, weir_json_at(content, i), false, &why)) {
            weir_json_free(&parts);
            return weir_reply_invalid(o, &body, why ? "a block is of a wrong "
                                      "form" : "out of memory");
        }
    }

    rc = weir_reply_choice(o, body, parts);
    weir_json_free(&parts);

    if (rc != 0) {
        return weir_reply_invalid(o, &body, "out of memory");
    }

    usage = weir_json_get(body, "usage");

    o->input_tokens = weir_anthropic_input(usage);
    o->input_tokens = o->input_tokens < 0 ? 0 : o->input_tokens;
    o->output_tokens = weir_tokens(usage, "output_tokens");
    o->model = weir_json_str(weir_json_get(body, "model"));
    o->doc = body;
    o->state = WEIR_COMPLETED;

    return 0;
}


/* errors */

void
weir_anthropic_error(unsigned status, weir_str_t body, weir_failure_t *f)
{
    char          reason[WEIR_JSON_ERROR];
    weir_str_t    message;
    weir_json_t  *doc;

    doc = weir_json_parse(body, reason);
    message = weir_json_str(weir_json_get(weir_json_get(doc, "error"),
                                          "message"));

    if (status == 401 || status == 402 || status == 403) {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider refused the gateway's credentials");
        snprintf(f->code, sizeof(f->code), "upstream_auth");

    } else if (status == 529) {
        weir_failure_set(f, WEIR_FAIL_UNAVAILABLE,
                         "the provider is overloaded");
        snprintf(f->code, sizeof(f->code), "upstream_overloaded");

    } else if (status >= 400 && status < 500 && status != 408) {
        message = message.len ? message
                              : weir_str("the provider refused the request");
        weir_failure_set(f, weir_failure_of_status(status), "%.*s",
                         (int) message.len, message.data);

    } else {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider answered with status %u", status);
    }

    weir_json_free(&doc);
}


/* an event of a stream has no status but a type */

static const struct {
    const char  *type;
    unsigned     status;
} weir_error_types[] = {
    { "invalid_request_error", 400 },
    { "authentication_error",  401 },
    { "billing_error",         402 },
    { "permission_error",      403 },
    { "not_found_error",       404 },
    { "request_too_large",     413 },
    { "rate_limit_error",      429 },
    { "overloaded_error",      529 },
    { NULL, 0 }
};


int
weir_anthropic_error_event(const weir_json_t *doc, weir_failure_t *f)
{
    size_t      i;
    weir_buf_t  text = { 0 };
    weir_str_t  type;

    type = weir_json_str(weir_json_get(weir_json_get(doc, "error"), "type"));

    for (i = 0; weir_error_types[i].type; i++) {
        if (weir_str_eq(type, weir_str_of(weir_error_types[i].type))) {
            break;
        }
    }

    if (weir_error_types[i].type) {
        weir_json_write(doc, &text);
        weir_anthropic_error(weir_error_types[i].status,
                             (weir_str_t) { text.data, text.len }, f);
        weir_buf_free(&text);

    } else {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider broke off with an error");
        snprintf(f->code, sizeof(f->code), "upstream_error");
    }

    return -1;
}
