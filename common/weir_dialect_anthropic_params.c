/*
 * The Anthropic dialect: all but the messages of a neutral request, as a call
 * has it.  What came in the OpenAI dialect is said in the words of this one, or
 * refused; the few members that are left out do not change the answer.  Pure.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_part.h"

#include <stdio.h>


/* Of the OpenAI dialect.  value: as text, the one that may be left out; NULL:
 * any. */

typedef struct {
    const char  *name;
    const char  *value;
} weir_left_out_t;

static const weir_left_out_t  weir_left_out[] = {
    /* how it is kept, cached, paid for or framed */
    { "metadata",               NULL },
    { "prediction",             NULL },
    { "prompt_cache_key",       NULL },
    { "prompt_cache_options",   NULL },
    { "prompt_cache_retention", NULL },
    { "safety_identifier",      NULL },
    { "service_tier",           NULL },
    { "store",                  NULL },

    /* said in other words, below */
    { "parallel_tool_calls",    NULL },
    { "tool_choice",            NULL },
    { "user",                   NULL },

    /* what is so anyway */
    { "frequency_penalty",      "0" },
    { "function_call",          "\"none\"" },
    { "functions",              "[]" },
    { "logit_bias",             "{}" },
    { "logprobs",               "false" },
    { "modalities",             "[\"text\"]" },
    { "presence_penalty",       "0" },
    { "response_format",        "{\"type\":\"text\"}" },
    { "top_logprobs",           "0" },
    { "verbosity",              "\"medium\"" },
    { NULL, NULL }
};


static bool
weir_may_leave_out(const char *name, const weir_json_t *value)
{
    bool                    same;
    weir_buf_t              text = { 0 };
    const weir_left_out_t  *l;

    for (l = weir_left_out; l->name; l++) {
        if (strcmp(l->name, name) == 0) {
            break;
        }
    }

    if (l->name == NULL || l->value == NULL) {
        return l->name != NULL;
    }

    (void) weir_json_write_canonical(value, &text);
    same = weir_str_eq((weir_str_t) { text.data, text.len },
                       weir_str_of(l->value));
    weir_buf_free(&text);

    return same;
}


static int
weir_openai_extra_check(weir_json_t *extra, weir_failure_t *f)
{
    char          what[128];
    void         *iter;
    const char   *name;
    weir_json_t  *value;

    for (iter = weir_json_next(extra, NULL, &name, &value);
         iter;
         iter = weir_json_next(extra, iter, &name, &value))
    {
        if (!weir_json_is_null(value) && !weir_may_leave_out(name, value)) {
            snprintf(what, sizeof(what), "\"%.64s\" as it was asked for", name);
            return weir_anthropic_unsaid(f, name, what);
        }
    }

    return 0;
}


/* params */

static int
weir_sampling_write(weir_json_t *body, const weir_json_t *params,
    weir_failure_t *f)
{
    int                 rc;
    weir_json_t        *v;
    const char        **name;
    static const char  *same[] = { "temperature", "top_p", NULL };

    if (weir_json_get(params, "seed")) {
        return weir_anthropic_unsaid(f, "seed", "\"seed\"");
    }

    if (weir_json_int(weir_json_get(params, "n")) > 1) {
        return weir_anthropic_unsaid(f, "n", "\"n\" above 1");
    }

    if (weir_json_real(weir_json_get(params, "temperature")) > 1) {
        return weir_anthropic_unsaid(f, "temperature", "a \"temperature\" "
                                     "above 1");
    }

    for (name = same, rc = 0; *name; name++) {
        v = weir_json_get(params, *name);
        rc |= v ? weir_json_set_take(body, *name, weir_json_ref(v)) : 0;
    }

    v = weir_json_get(params, "stop");

    if (weir_json_count(v)) {
        rc |= weir_json_set_take(body, "stop_sequences", weir_json_ref(v));
    }

    return rc;
}


static int
weir_max_write(weir_json_t *body, const weir_json_t *params)
{
    long long  n;

    n = weir_json_int(weir_json_get(params, "max_completion_tokens"));
    n = n > 0 ? n : weir_json_int(weir_json_get(params, "max_tokens"));

    return weir_json_set_take(body, "max_tokens",
                              weir_json_new_int(n > 0 ? n
                                                : WEIR_ANTHROPIC_MAX_TOKENS));
}


/* tools */

static int
weir_tool_check(const weir_json_t *tool, weir_json_t *function,
    weir_failure_t *f)
{
    int           rc;
    weir_json_t  *rest;

    static const char  *tool_known[] = {
        "type", "function", "anthropic", NULL
    };
    static const char  *function_known[] = {
        "name", "description", "parameters", "strict", NULL
    };

    rest = weir_json_object();
    rc = weir_json_copy(rest, (weir_json_t *) tool, tool_known);
    rc |= weir_json_copy(rest, function, function_known);
    rc = rc ? rc : weir_anthropic_beside(rest, "tools", f);
    weir_json_free(&rest);

    return rc;
}


static weir_json_t *
weir_tool_function(const weir_json_t *tool, weir_json_t *function)
{
    int           rc;
    weir_json_t  *to, *schema, *v;

    to = weir_json_object();
    rc = weir_json_set_take(to, "name",
                            weir_json_ref(weir_json_get(function, "name")));

    v = weir_json_get(function, "description");

    if (weir_json_is_string(v)) {
        rc |= weir_json_set_take(to, "description", weir_json_ref(v));
    }

    v = weir_json_get(function, "parameters");

    if (weir_json_is_object(v)) {
        schema = weir_json_ref(v);

    } else {
        schema = weir_part_new("object");
        rc |= weir_json_set_take(schema, "properties", weir_json_object());
    }

    rc |= weir_json_set_take(to, "input_schema", schema);

    if (weir_json_true(weir_json_get(function, "strict"))) {
        rc |= weir_json_set_take(to, "strict", weir_json_new_bool(true));
    }

    v = weir_json_get(tool, "anthropic");
    rc |= v ? weir_json_copy(to, v, NULL) : 0;

    return weir_part_unless(rc, to);
}


static int
weir_tool_write(weir_json_t *list, const weir_json_t *tool, weir_failure_t *f)
{
    weir_json_t  *function;

    if (weir_part_is(tool, "anthropic")) {
        return weir_json_add_take(list,
                                  weir_json_ref(weir_json_get(tool, "tool")));
    }

    function = weir_json_get(tool, "function");

    if (!weir_part_is(tool, "function") || function == NULL) {
        return weir_anthropic_unsaid(f, "tools", "a tool that is no function");
    }

    return weir_tool_check(tool, function, f) != 0 ? -1
           : weir_json_add_take(list, weir_tool_function(tool, function));
}


static int
weir_tools_write(weir_json_t *body, const weir_json_t *tools,
    weir_failure_t *f)
{
    size_t        i;
    weir_json_t  *list;

    if (weir_json_count(tools) == 0) {
        return 0;
    }

    list = weir_json_array();

    for (i = 0; i < weir_json_count(tools); i++) {
        if (weir_tool_write(list, weir_json_at(tools, i), f) != 0) {
            weir_json_free(&list);
            return -1;
        }
    }

    return weir_json_set_take(body, "tools", list);
}


/* which of them, and how many at a time */

static weir_json_t *
weir_choice_named(weir_json_t *choice)
{
    weir_json_t  *to, *name;

    name = weir_json_get(weir_json_get(choice, "function"), "name");

    if (!weir_part_is(choice, "function") || !weir_json_is_string(name)) {
        return NULL;
    }

    to = weir_part_new("tool");

    return weir_part_unless(weir_json_set_take(to, "name",
                                               weir_json_ref(name)), to);
}


static int
weir_choice_write(weir_json_t *body, const weir_json_t *extra,
    weir_failure_t *f)
{
    int           rc;
    bool          single;
    size_t        i;
    weir_json_t  *choice, *parallel, *to;

    static const struct {
        const char  *from;
        const char  *to;
    } words[] = {
        { "auto", "auto" }, { "none", "none" }, { "required", "any" },
    };

    choice = weir_json_get(extra, "tool_choice");
    parallel = weir_json_get(extra, "parallel_tool_calls");
    single = weir_json_is_bool(parallel) && !weir_json_true(parallel);
    to = NULL;

    if (weir_json_get(body, "tools") == NULL || (choice == NULL && !single)) {
        return 0;
    }

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (weir_str_eq(choice ? weir_json_str(choice) : weir_str("auto"),
                        weir_str_of(words[i].from)))
        {
            to = weir_part_new(words[i].to);
        }
    }

    to = to ? to : weir_choice_named(choice);

    if (to == NULL) {
        return weir_anthropic_unsaid(f, "tool_choice",
                                     "this \"tool_choice\"");
    }

    rc = 0;

    if (single && !weir_part_is(to, "none")) {
        rc = weir_json_set_take(to, "disable_parallel_tool_use",
                                weir_json_new_bool(true));
    }

    return rc | weir_json_set_take(body, "tool_choice", to);
}


static int
weir_user_write(weir_json_t *body, const weir_json_t *extra)
{
    int           rc;
    weir_json_t  *user, *metadata;

    user = weir_json_get(extra, "user");

    if (!weir_json_is_string(user)) {
        user = weir_json_get(extra, "safety_identifier");
    }

    if (!weir_json_is_string(user)) {
        return 0;
    }

    metadata = weir_json_object();
    rc = weir_json_set_take(metadata, "user_id", weir_json_ref(user));

    return rc | weir_json_set_take(body, "metadata", metadata);
}


int
weir_anthropic_params(weir_json_t *body, const weir_json_t *request,
    weir_failure_t *f)
{
    int           rc;
    weir_json_t  *params, *extra, *openai, *own;

    params = weir_json_get(request, "params");
    extra = weir_json_get(request, "extra");
    openai = weir_json_get(extra, "openai");
    own = weir_json_get(extra, "anthropic");

    rc = weir_max_write(body, params);
    rc = rc ? rc : weir_sampling_write(body, params, f);
    rc = rc ? rc : weir_tools_write(body, weir_json_get(request, "tools"), f);
    rc = rc ? rc : weir_openai_extra_check(openai, f);
    rc = rc ? rc : weir_choice_write(body, openai, f);
    rc = rc ? rc : weir_user_write(body, openai);

    return rc || own == NULL ? rc : weir_json_copy(body, own, NULL);
}
