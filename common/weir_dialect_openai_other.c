/*
 * The OpenAI dialect: what a call says of a request that came in the Anthropic
 * dialect, and what it cannot say.  The few things that are left out do not
 * change the answer.  Pure.
 */

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_part.h"

#include <stdio.h>


/* How it is kept, cached or paid for; and of the making of an earlier answer,
 * which is for the model that gave it alone. */

static const char  *weir_other_hints[] = {
    "cache_control", "caller", "citations", "metadata", "service_tier",
    "tool_choice", NULL
};


static int
weir_other_unsaid(weir_failure_t *f, const char *param, const char *what,
    weir_str_t name)
{
    weir_failure_set(f, WEIR_FAIL_INVALID, "the model's provider speaks the "
                     "OpenAI dialect, which cannot say %s \"%.*s\"", what,
                     name.len < 64 ? (int) name.len : 64,
                     name.data ? name.data : "");
    snprintf(f->code, sizeof(f->code), "untranslatable");
    weir_failure_copy(f->param, sizeof(f->param), weir_str_of(param));

    return -1;
}


/* Members that stood beside what was translated.  param NULL: each is its
 * own. */

static int
weir_other_members(weir_json_t *members, const char *param, weir_failure_t *f)
{
    void         *iter;
    const char   *name, **hint;
    weir_json_t  *value;

    for (iter = weir_json_next(members, NULL, &name, &value);
         iter;
         iter = weir_json_next(members, iter, &name, &value))
    {
        for (hint = weir_other_hints; *hint; hint++) {
            if (strcmp(name, *hint) == 0) {
                break;
            }
        }

        /* no thinking is what this dialect has anyway */

        if (*hint == NULL && !weir_json_is_null(value)
            && !(param == NULL && strcmp(name, "thinking") == 0
                 && weir_part_is(value, "disabled")))
        {
            return weir_other_unsaid(f, param ? param : name, "the member",
                                     weir_str_of(name));
        }
    }

    return 0;
}


/* A signature, a citation and hidden reasoning belong to an earlier answer. */

static int
weir_other_part(const weir_json_t *part, weir_failure_t *f)
{
    weir_json_t  *block;

    if (!weir_part_is(part, "anthropic")) {
        return weir_other_members(weir_json_get(part, "anthropic"), "messages",
                                  f);
    }

    block = weir_json_get(part, "part");

    if (block == NULL || weir_part_is(block, "redacted_thinking")) {
        return 0;
    }

    return weir_other_unsaid(f, "messages", "a block of type",
                             weir_json_str(weir_json_get(block, "type")));
}


static int
weir_other_message(const weir_json_t *message, weir_failure_t *f)
{
    size_t        i;
    weir_json_t  *parts;

    parts = weir_json_get(message, "parts");

    for (i = 0; i < weir_json_count(parts); i++) {
        if (weir_other_part(weir_json_at(parts, i), f) != 0) {
            return -1;
        }
    }

    return weir_other_members(weir_json_get(message, "anthropic"), "messages",
                              f);
}


static int
weir_other_tool(const weir_json_t *tool, weir_failure_t *f)
{
    if (weir_part_is(tool, "anthropic")) {
        return weir_other_unsaid(f, "tools", "a tool of type",
                   weir_json_str(weir_json_get(weir_json_get(tool, "tool"),
                                               "type")));
    }

    return weir_other_members(weir_json_get(tool, "anthropic"), "tools", f);
}


static weir_json_t *
weir_other_choice(const weir_json_t *choice)
{
    int           rc;
    weir_json_t  *to, *function;

    if (weir_part_is(choice, "auto") || weir_part_is(choice, "none")) {
        return weir_json_ref(weir_json_get(choice, "type"));
    }

    if (weir_part_is(choice, "any")) {
        return weir_json_new_str(weir_str("required"));
    }

    if (!weir_part_is(choice, "tool")
        || !weir_json_is_string(weir_json_get(choice, "name")))
    {
        return NULL;
    }

    to = weir_part_new("function");
    function = weir_json_object();

    rc = weir_json_set_take(function, "name",
                            weir_json_ref(weir_json_get(choice, "name")));
    rc |= weir_json_set_take(to, "function", function);

    return weir_part_unless(rc, to);
}


int
weir_openai_check(const weir_json_t *request, weir_failure_t *f)
{
    size_t        i;
    weir_json_t  *list, *extra, *choice, *word;

    list = weir_json_get(request, "messages");

    for (i = 0; i < weir_json_count(list); i++) {
        if (weir_other_message(weir_json_at(list, i), f) != 0) {
            return -1;
        }
    }

    list = weir_json_get(request, "tools");

    for (i = 0; i < weir_json_count(list); i++) {
        if (weir_other_tool(weir_json_at(list, i), f) != 0) {
            return -1;
        }
    }

    extra = weir_json_get(weir_json_get(request, "extra"), "anthropic");
    choice = weir_json_get(extra, "tool_choice");

    if (choice) {
        word = weir_other_choice(choice);

        if (word == NULL) {
            return weir_other_unsaid(f, "tool_choice", "a choice of type",
                       weir_json_str(weir_json_get(choice, "type")));
        }

        weir_json_free(&word);
    }

    return weir_other_members(extra, NULL, f);
}


int
weir_other_extra(weir_json_t *body, const weir_json_t *extra)
{
    int           rc;
    weir_json_t  *user, *choice;

    user = weir_json_get(weir_json_get(extra, "metadata"), "user_id");
    choice = weir_json_get(extra, "tool_choice");

    rc = weir_json_is_string(user)
         ? weir_json_set_take(body, "user", weir_json_ref(user)) : 0;

    if (choice == NULL || weir_json_count(weir_json_get(body, "tools")) == 0) {
        return rc;
    }

    rc |= weir_json_set_take(body, "tool_choice", weir_other_choice(choice));

    if (weir_json_true(weir_json_get(choice, "disable_parallel_tool_use"))) {
        rc |= weir_json_set_take(body, "parallel_tool_calls",
                                 weir_json_new_bool(false));
    }

    return rc;
}


/* A dialect without a word for it says in the text that a tool has failed. */

int
weir_other_error(weir_json_t *content)
{
    int           rc;
    weir_buf_t    text = { 0 };
    weir_json_t  *first, *to;

    first = weir_json_at(content, 0);
    weir_buf_text(&text, "Error: ");

    if (weir_part_is(first, "text")) {
        weir_buf_str(&text, weir_json_str(weir_json_get(first, "text")));
    }

    to = weir_json_new_str((weir_str_t) { text.data, text.len });
    weir_buf_free(&text);

    if (weir_part_is(first, "text")) {
        return weir_json_set_take(first, "text", to);
    }

    first = weir_part_text("text", to);
    rc = to ? 0 : -1;
    weir_json_free(&to);

    return rc | weir_json_add_take(content, first);
}


/* What the cache of another dialect's provider had; its counts are in the sum
 * of tokens already. */

weir_json_t *
weir_other_usage(const weir_json_t *extra)
{
    int           rc;
    long long     cached;
    weir_json_t  *own, *to, *details;

    own = weir_json_get(weir_json_get(extra, "openai"), "usage");

    if (own) {
        return weir_json_ref(own);
    }

    own = weir_json_get(weir_json_get(extra, "anthropic"), "usage");
    cached = weir_tokens(own, "cache_read_input_tokens");

    if (cached == 0) {
        return NULL;
    }

    to = weir_json_object();
    details = weir_json_object();

    rc = weir_json_set_take(details, "cached_tokens",
                            weir_json_new_int(cached));
    rc |= weir_json_set_take(to, "prompt_tokens_details", details);

    return weir_part_unless(rc, to);
}
