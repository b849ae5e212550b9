/*
 * The Responses dialect: the response object, and what it repeats of the
 * request.  Pure.
 */

#include "weir_dialect_responses.h"
#include "weir_dialect_responses_item.h"

#include "weir_id.h"
#include "weir_jobdoc.h"


#define WEIR_RESPONSE_PREFIX  "resp_"


/* ids */

static weir_json_t *
weir_response_id(weir_str_t job)
{
    weir_buf_t    text = { 0 };
    weir_json_t  *id;

    weir_buf_text(&text, WEIR_RESPONSE_PREFIX);
    weir_buf_str(&text, job);
    id = text.failed ? NULL
                     : weir_json_new_str((weir_str_t) { text.data, text.len });
    weir_buf_free(&text);

    return id;
}


bool
weir_responses_id_parse(weir_str_t s, weir_str_t *id_r, unsigned *shard_r)
{
    size_t  n;

    n = sizeof(WEIR_RESPONSE_PREFIX) - 1;

    if (s.len < n || memcmp(s.data, WEIR_RESPONSE_PREFIX, n) != 0) {
        return false;
    }

    *id_r = (weir_str_t) { s.data + n, s.len - n };

    return weir_id_parse(*id_r, shard_r);
}


weir_json_t *
weir_responses_deleted(weir_str_t id)
{
    int           rc;
    weir_json_t  *to;

    to = weir_json_object();
    rc = weir_json_set_take(to, "id", weir_response_id(id));
    rc |= weir_json_set_take(to, "object",
                             weir_json_new_str(weir_str("response")));
    rc |= weir_json_set_take(to, "deleted", weir_json_new_bool(true));

    return weir_part_unless(rc, to);
}


/* the echo */

/* Members of the request; the first of them are left out if they are large. */

static const char  *weir_echoed[] = {
    "instructions", "tools", "text", "metadata", "tool_choice", "user",
    "safety_identifier", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "service_tier", "reasoning",

    /* of these none is */
    "background", "max_output_tokens", "parallel_tool_calls", "store",
    "temperature", "top_logprobs", "top_p", NULL
};


int
weir_responses_echo(const weir_json_t *body, weir_buf_t *out)
{
    int            rc;
    size_t         len;
    weir_json_t   *to, *value;
    const char   **name, **large;

    to = weir_json_object();
    rc = to ? 0 : -1;

    for (name = weir_echoed; *name; name++) {
        value = weir_json_get(body, *name);

        if (value && !weir_json_is_null(value)) {
            rc |= weir_json_set_take(to, *name, weir_json_ref(value));
        }
    }

    len = out->len;
    rc = rc ? rc : weir_json_write(to, out);

    for (large = weir_echoed;
         rc == 0 && *large && out->len - len > WEIR_RESPONSES_ECHO_MAX;
         large++)
    {
        if (weir_json_get(to, *large)) {
            rc = weir_json_remove(to, *large);
            out->len = len;
            rc |= weir_json_write(to, out);
        }
    }

    weir_json_free(&to);

    return rc ? -1 : 0;
}


/* the object */

/* A tool has all of its members in a response. */

static weir_json_t *
weir_response_tools(const weir_json_t *tools)
{
    int           rc;
    size_t        i;
    weir_json_t  *list, *to;

    list = weir_json_array();

    for (i = 0; i < weir_json_count(tools); i++) {
        to = weir_json_object();

        rc = weir_json_set_take(to, "description", weir_json_new_null());
        rc |= weir_json_set_take(to, "parameters", weir_json_new_null());
        rc |= weir_json_set_take(to, "strict", weir_json_new_null());
        rc |= weir_json_copy(to, weir_json_at(tools, i), NULL);

        if ((rc | weir_json_add_take(list, weir_part_unless(rc, to))) != 0) {
            weir_json_free(&list);
            return NULL;
        }
    }

    return list;
}


/* The members of an object, over those that it has by default. */

static weir_json_t *
weir_response_over(weir_json_t *to, weir_json_t *from)
{
    return weir_part_unless(from ? weir_json_copy(to, from, NULL) : 0, to);
}


static weir_json_t *
weir_response_text(weir_json_t *text)
{
    int           rc;
    weir_json_t  *to;

    to = weir_json_object();
    rc = weir_json_set_take(to, "format", weir_part_new("text"));

    return weir_response_over(weir_part_unless(rc, to), text);
}


static weir_json_t *
weir_response_reasoning(weir_json_t *reasoning)
{
    int           rc;
    weir_json_t  *to;

    to = weir_json_object();
    rc = weir_json_set_take(to, "effort", weir_json_new_null());
    rc |= weir_json_set_take(to, "summary", weir_json_new_null());

    return weir_response_over(weir_part_unless(rc, to), reasoning);
}


/* What nobody asked for is null, where the type allows it: Weir does not know
 * what a provider takes then. */

static int
weir_response_echo(weir_json_t *to, weir_json_t *echo)
{
    int                 rc;
    const char        **name;
    static const char  *nulls[] = {
        "instructions", "max_output_tokens", "previous_response_id",
        "prompt_cache_key", "safety_identifier", "temperature", "top_p",
        "user", NULL
    };
    static const char  *but[] = { "reasoning", "text", "tools", NULL };

    for (name = nulls, rc = 0; *name; name++) {
        rc |= weir_json_set_take(to, *name, weir_json_new_null());
    }

    rc |= weir_json_set_take(to, "background", weir_json_new_bool(false));
    rc |= weir_json_set_take(to, "metadata", weir_json_object());
    rc |= weir_json_set_take(to, "parallel_tool_calls",
                             weir_json_new_bool(true));
    rc |= weir_json_set_take(to, "store", weir_json_new_bool(true));
    rc |= weir_json_set_take(to, "tool_choice",
                             weir_json_new_str(weir_str("auto")));
    rc |= weir_json_set_take(to, "top_logprobs", weir_json_new_int(0));
    rc |= weir_json_set_take(to, "truncation",
                             weir_json_new_str(weir_str("disabled")));
    rc |= weir_json_set_take(to, "text",
              weir_response_text(weir_json_get(echo, "text")));
    rc |= weir_json_set_take(to, "reasoning",
              weir_response_reasoning(weir_json_get(echo, "reasoning")));
    rc |= weir_json_set_take(to, "tools",
              weir_response_tools(weir_json_get(echo, "tools")));

    return echo ? rc | weir_json_copy(to, echo, but) : rc;
}


/* codes of errors that the dialect has words for */

static weir_str_t
weir_response_code(const weir_failure_t *f)
{
    const char        **code;
    static const char  *codes[] = {
        "bio_policy", "empty_image_file", "failed_to_download_image",
        "image_content_policy_violation", "image_file_not_found",
        "image_file_too_large", "image_parse_error", "image_too_large",
        "image_too_small", "invalid_base64_image", "invalid_image",
        "invalid_image_format", "invalid_image_mode", "invalid_image_url",
        "invalid_prompt", "rate_limit_exceeded",
        "unsupported_image_media_type", NULL
    };

    for (code = codes; *code; code++) {
        if (weir_str_eq(weir_failure_code(f), weir_str_of(*code))) {
            return weir_str_of(*code);
        }
    }

    return f->kind == WEIR_FAIL_INVALID ? weir_str("invalid_prompt")
           : f->kind == WEIR_FAIL_RATE_LIMITED
             ? weir_str("rate_limit_exceeded") : weir_str("server_error");
}


static weir_json_t *
weir_response_error(const weir_failure_t *f)
{
    int           rc;
    weir_json_t  *to;

    if (f == NULL) {
        return weir_json_new_null();
    }

    to = weir_json_object();
    rc = weir_json_set_take(to, "code",
                            weir_json_new_str(weir_response_code(f)));
    rc |= weir_json_set_take(to, "message",
                             weir_json_new_str(weir_str_of(f->message)));

    return weir_part_unless(rc, to);
}


static weir_json_t *
weir_response_cut(const char *reason)
{
    weir_json_t  *to;

    if (reason == NULL) {
        return weir_json_new_null();
    }

    to = weir_json_object();

    return weir_part_unless(weir_json_set_take(to, "reason",
                                weir_json_new_str(weir_str_of(reason))), to);
}


/* The details are the provider's, of either dialect. */

static weir_json_t *
weir_response_usage(const weir_response_t *d)
{
    int           rc;
    long long     cached, written;
    weir_json_t  *to, *input, *output, *chat, *messages;

    if (!d->usage) {
        return weir_json_new_null();
    }

    chat = weir_json_get(weir_json_get(d->extra, "openai"), "usage");
    messages = weir_json_get(weir_json_get(d->extra, "anthropic"), "usage");

    cached = weir_tokens(weir_json_get(chat, "prompt_tokens_details"),
                         "cached_tokens")
             + weir_tokens(messages, "cache_read_input_tokens");
    written = weir_tokens(weir_json_get(chat, "prompt_tokens_details"),
                          "cache_write_tokens")
              + weir_tokens(messages, "cache_creation_input_tokens");

    to = weir_json_object();
    input = weir_json_object();
    output = weir_json_object();

    rc = weir_json_set_take(input, "cached_tokens", weir_json_new_int(cached));
    rc |= weir_json_set_take(input, "cache_write_tokens",
                             weir_json_new_int(written));
    rc |= weir_json_set_take(output, "reasoning_tokens",
              weir_json_new_int(weir_tokens(weir_json_get(chat,
                                    "completion_tokens_details"),
                                            "reasoning_tokens")));
    rc |= weir_json_set_take(to, "input_tokens", weir_json_new_int(d->input));
    rc |= weir_json_set_take(to, "input_tokens_details", input);
    rc |= weir_json_set_take(to, "output_tokens",
                             weir_json_new_int(d->output));
    rc |= weir_json_set_take(to, "output_tokens_details", output);
    rc |= weir_json_set_take(to, "total_tokens",
                             weir_json_new_int(d->input + d->output));

    return weir_part_unless(rc, to);
}


weir_json_t *
weir_response_write(const weir_response_t *d)
{
    int           rc;
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *to, *echo, *tier;

    to = weir_json_object();
    echo = d->echo.len ? weir_json_parse(d->echo, error) : NULL;
    tier = weir_json_get(weir_json_get(d->extra, "openai"), "service_tier");

    rc = weir_response_echo(to, weir_json_is_object(echo) ? echo : NULL);
    weir_json_free(&echo);

    rc |= weir_json_set_take(to, "id", weir_response_id(d->id));
    rc |= weir_json_set_take(to, "object",
                             weir_json_new_str(weir_str("response")));
    rc |= weir_json_set_take(to, "created_at", weir_json_new_int(d->created));
    rc |= weir_json_set_take(to, "completed_at",
                             d->completed ? weir_json_new_int(d->completed)
                                          : weir_json_new_null());
    rc |= weir_json_set_take(to, "status",
                             weir_json_new_str(weir_str_of(d->status)));
    rc |= weir_json_set_take(to, "error", weir_response_error(d->error));
    rc |= weir_json_set_take(to, "incomplete_details",
                             weir_response_cut(d->cut));
    rc |= weir_json_set_take(to, "model", weir_json_new_str(d->model));
    rc |= weir_json_set_take(to, "output", d->items ? weir_json_ref(d->items)
                                                    : weir_json_array());
    rc |= weir_json_set_take(to, "usage", weir_response_usage(d));

    if (weir_json_is_string(tier)) {
        rc |= weir_json_set_take(to, "service_tier", weir_json_ref(tier));
    }

    return weir_part_unless(rc, to);
}


/* of a job */

/* There is one choice in this dialect: the first. */

static int
weir_response_answer(weir_response_t *d, const weir_outcome_t *o)
{
    weir_json_t  *choice;

    choice = weir_json_at(o->choices, 0);
    d->cut = weir_items_cut(weir_json_str(weir_json_get(choice, "stop")));
    d->status = d->cut ? "incomplete" : "completed";
    d->completed = d->cut ? 0 : o->finished / 1000;
    d->usage = true;
    d->items = weir_items_write(d->id, weir_json_get(choice, "parts"),
                                d->cut != NULL);

    return d->items ? weir_items_logprobs(d->items,
                          weir_json_get(weir_json_get(choice, "openai"),
                                        "logprobs")) : -1;
}


void
weir_responses_failure(const weir_responses_t *r, weir_failure_t *f)
{
    weir_outcome_t  none = { .state = WEIR_FAILED };

    weir_jobdoc_failure(r->state, r->outcome ? r->outcome : &none, f);
}


weir_json_t *
weir_responses_object(const weir_responses_t *r)
{
    int               rc;
    weir_json_t      *to;
    weir_failure_t    f;
    weir_response_t   d = { .id = r->id, .model = r->model, .echo = r->echo,
                            .created = r->created };

    rc = 0;

    if (r->outcome) {
        d.model = r->outcome->model.len ? r->outcome->model : r->model;
        d.extra = r->outcome->extra;
        d.input = r->outcome->input_tokens;
        d.output = r->outcome->output_tokens;
        d.usage = d.input + d.output > 0;
    }

    switch (r->state) {

    case WEIR_QUEUED:
        d.status = "queued";
        break;

    case WEIR_IN_PROGRESS:
        d.status = "in_progress";
        break;

    case WEIR_CANCELLED:
        d.status = "cancelled";
        break;

    case WEIR_COMPLETED:
        d.status = "completed";
        rc = r->outcome ? weir_response_answer(&d, r->outcome) : 0;
        break;

    default: /* WEIR_FAILED, WEIR_EXPIRED */
        weir_responses_failure(r, &f);
        d.status = "failed";
        d.error = &f;
        break;
    }

    to = rc == 0 ? weir_response_write(&d) : NULL;
    weir_json_free(&d.items);

    return to;
}
