/*
 * The Responses dialect: members of a request that have other words, or another
 * place, in a chat completion; and what is only checked.  Pure.
 */

#include "weir_dialect_responses_part.h"


#define WEIR_METADATA_PAIRS       16
#define WEIR_METADATA_KEY_MAX     64        /* characters */
#define WEIR_METADATA_VALUE_MAX   512


static bool
weir_is_any(const weir_json_t *value, const char **words)
{
    for ( /* void */ ; *words; words++) {
        if (weir_str_eq(weir_json_str(value), weir_str_of(*words))) {
            return true;
        }
    }

    return false;
}


/* {"type":"json_schema","name":..,"schema":..} has its members in an object of
 * their own in a chat completion. */

static int
weir_format_schema(weir_json_t *extra, weir_json_t *format,
    weir_failure_t *f)
{
    int                 rc;
    weir_json_t        *to, *schema, *value, *strict, *description;
    const char        **name;
    static const char  *known[] = {
        "type", "name", "schema", "description", "strict", NULL
    };

    strict = weir_json_get(format, "strict");
    description = weir_json_get(format, "description");

    if (!weir_json_is_string(weir_json_get(format, "name"))
        || !weir_json_is_object(weir_json_get(format, "schema"))
        || (strict && !weir_json_is_bool(strict) && !weir_json_is_null(strict))
        || (description && !weir_json_is_string(description)
            && !weir_json_is_null(description)))
    {
        return weir_member_wrong(f, "text.format", "must have a string "
                                 "\"name\" and an object \"schema\"; "
                                 "\"description\" and \"strict\" may be a "
                                 "string and true or false");
    }

    if (weir_responses_known(format, known, "text.format", f) != 0) {
        return -1;
    }

    to = weir_part_new("json_schema");
    schema = weir_json_object();
    rc = 0;

    for (name = known + 1; *name; name++) {
        value = weir_json_get(format, *name);

        if (value && !weir_json_is_null(value)) {
            rc |= weir_json_set_take(schema, *name, weir_json_ref(value));
        }
    }

    rc |= weir_json_set_take(to, "json_schema", schema);
    rc |= weir_json_set_take(extra, "response_format",
                             weir_part_unless(rc, to));

    return weir_unless_memory(f, rc);
}


/* Text is what comes anyway. */

static int
weir_format_read(weir_json_t *extra, weir_json_t *format, weir_failure_t *f)
{
    weir_str_t          type;
    static const char  *known[] = { "type", NULL };

    if (weir_part_is(format, "json_schema")) {
        return weir_format_schema(extra, format, f);
    }

    type = weir_json_str(weir_json_get(format, "type"));

    if (type.len == 0) {
        return weir_member_wrong(f, "text.format", "must be an object "
                                 "with a \"type\"");
    }

    if (!weir_part_is(format, "text") && !weir_part_is(format, "json_object"))
    {
        return weir_responses_unsupported(f, "text.format", "a \"format\" of "
                                          "text of type", type);
    }

    if (weir_responses_known(format, known, "text.format", f) != 0) {
        return -1;
    }

    return weir_part_is(format, "text") ? 0
           : weir_unless_memory(f,
                 weir_json_set_take(extra, "response_format",
                                    weir_part_new("json_object")));
}


/* A string is copied under another name. */

static int
weir_word_read(weir_json_t *extra, weir_json_t *from, const char *name,
    const char *param, const char *to, weir_failure_t *f)
{
    weir_json_t  *value;

    value = weir_json_get(from, name);

    if (value == NULL || weir_json_is_null(value)) {
        return 0;
    }

    if (!weir_json_is_string(value)) {
        return weir_member_wrong(f, param, "must be a string");
    }

    return to == NULL ? 0
           : weir_unless_memory(f,
                                weir_json_set_take(extra, to,
                                                   weir_json_ref(value)));
}


static int
weir_text_read(weir_json_t *extra, weir_json_t *text, weir_failure_t *f)
{
    weir_json_t        *format;
    static const char  *known[] = { "format", "verbosity", NULL };

    if (weir_responses_known(text, known, "text", f) != 0
        || weir_word_read(extra, text, "verbosity", "text.verbosity",
                          "verbosity", f) != 0)
    {
        return -1;
    }

    format = weir_json_get(text, "format");

    return format == NULL || weir_json_is_null(format)
           ? 0 : weir_format_read(extra, format, f);
}


/* There are no summaries here: what a provider shows comes as it is. */

static int
weir_reasoning_read(weir_json_t *extra, weir_json_t *reasoning,
    weir_failure_t *f)
{
    static const char  *known[] = {
        "effort", "summary", "generate_summary", NULL
    };

    if (weir_responses_known(reasoning, known, "reasoning", f) != 0
        || weir_word_read(extra, reasoning, "summary", "reasoning.summary",
                          NULL, f) != 0
        || weir_word_read(extra, reasoning, "generate_summary",
                          "reasoning.generate_summary", NULL, f) != 0)
    {
        return -1;
    }

    return weir_word_read(extra, reasoning, "effort", "reasoning.effort",
                          "reasoning_effort", f);
}


/* What is to be shown besides; most of it is of tools that are not here. */

static int
weir_include_read(weir_json_t *extra, weir_json_t *include,
    const weir_json_t *body, weir_failure_t *f)
{
    int                 rc;
    size_t              i;
    weir_json_t        *top;
    static const char  *logprobs[] = { "message.output_text.logprobs", NULL };
    static const char  *words[] = {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url", "file_search_call.results",
        "message.input_image.image_url", "reasoning.encrypted_content",
        "web_search_call.action.sources", "web_search_call.results", NULL
    };

    if (!weir_json_is_array(include)) {
        return weir_member_wrong(f, "include", "must be an array");
    }

    for (i = 0, rc = 0; i < weir_json_count(include); i++) {
        if (weir_is_any(weir_json_at(include, i), logprobs)) {
            rc |= weir_json_set_take(extra, "logprobs",
                                     weir_json_new_bool(true));
            top = weir_json_get(body, "top_logprobs");

            if (weir_json_int(top) > 0) {
                rc |= weir_json_set_take(extra, "top_logprobs",
                                         weir_json_ref(top));
            }

        } else if (!weir_is_any(weir_json_at(include, i), words)) {
            return weir_member_wrong(f, "include", "has a member that "
                                     "is not known");
        }
    }

    return weir_unless_memory(f, rc);
}


static size_t
weir_characters(weir_str_t s)
{
    size_t  i, n;

    for (i = 0, n = 0; i < s.len; i++) {
        n += ((unsigned char) s.data[i] & 0xc0) != 0x80;
    }

    return n;
}


static int
weir_metadata_check(weir_json_t *metadata, weir_failure_t *f)
{
    void         *iter;
    const char   *name;
    weir_json_t  *value;

    if (!weir_json_is_object(metadata)
        || weir_json_count(metadata) > WEIR_METADATA_PAIRS)
    {
        return weir_member_wrong(f, "metadata", "must be an object of at "
                                 "most 16 members");
    }

    for (iter = weir_json_next(metadata, NULL, &name, &value);
         iter;
         iter = weir_json_next(metadata, iter, &name, &value))
    {
        if (!weir_json_is_string(value)
            || weir_characters(weir_str_of(name)) > WEIR_METADATA_KEY_MAX
            || weir_characters(weir_json_str(value))
               > WEIR_METADATA_VALUE_MAX)
        {
            return weir_member_wrong(f, "metadata", "must have names of at "
                                     "most 64 and strings of at most 512 "
                                     "characters");
        }
    }

    return 0;
}


static int
weir_truncation_check(weir_json_t *value, weir_failure_t *f)
{
    static const char  *disabled[] = { "disabled", NULL };
    static const char  *automatic[] = { "auto", NULL };

    if (weir_is_any(value, automatic)) {
        return weir_responses_unsupported(f, "truncation", "a \"truncation\" "
                                          "of", weir_json_str(value));
    }

    return weir_is_any(value, disabled) ? 0
           : weir_member_wrong(f, "truncation", "must be \"disabled\"");
}


static int
weir_stream_check(weir_json_t *options, weir_failure_t *f)
{
    weir_json_t        *value;
    static const char  *known[] = { "include_obfuscation", NULL };

    value = weir_json_get(options, "include_obfuscation");

    if (value && !weir_json_is_bool(value) && !weir_json_is_null(value)) {
        return weir_member_wrong(f, "stream_options", "must have an "
                                 "\"include_obfuscation\" of true or "
                                 "false");
    }

    return weir_responses_known(options, known, "stream_options", f);
}


int
weir_responses_member(weir_json_t *params, weir_json_t *extra,
    const char *name, weir_json_t *value, const weir_json_t *body,
    weir_failure_t *f)
{
    if (strcmp(name, "max_output_tokens") == 0) {
        return weir_unless_memory(f,
                   weir_json_set_take(params, "max_completion_tokens",
                                      weir_json_ref(value)));
    }

    if (strcmp(name, "text") == 0) {
        return weir_text_read(extra, value, f);
    }

    if (strcmp(name, "reasoning") == 0) {
        return weir_reasoning_read(extra, value, f);
    }

    if (strcmp(name, "include") == 0) {
        return weir_include_read(extra, value, body, f);
    }

    if (strcmp(name, "metadata") == 0) {
        return weir_metadata_check(value, f);
    }

    if (strcmp(name, "truncation") == 0) {
        return weir_truncation_check(value, f);
    }

    return strcmp(name, "stream_options") == 0
           ? weir_stream_check(value, f) : 0;
}
