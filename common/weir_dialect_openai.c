/*
 * The OpenAI chat dialect: the client's half.  The provider's half is in
 * weir_dialect_openai_call.c.  Pure: documents in, documents out.
 */

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_part.h"
#include "weir_member.h"

#include <stdio.h>


#define WEIR_MESSAGES_MAX  10000


/* parameters that every provider understands, and their ranges */

static const weir_member_t  weir_params[] = {
    { "max_tokens",            WEIR_MEMBER_INTEGER, WEIR_TO_PARAMS, 1, 1e9 },
    { "max_completion_tokens", WEIR_MEMBER_INTEGER, WEIR_TO_PARAMS, 1, 1e9 },
    { "temperature",           WEIR_MEMBER_NUMBER,  WEIR_TO_PARAMS, 0, 2   },
    { "top_p",                 WEIR_MEMBER_NUMBER,  WEIR_TO_PARAMS, 0, 1   },
    { "n",                     WEIR_MEMBER_INTEGER, WEIR_TO_PARAMS, 1, 128 },
    { "seed",                  WEIR_MEMBER_INTEGER, WEIR_TO_PARAMS, -9.3e18,
      9.3e18 },
    { NULL, 0, 0, 0, 0 }
};

/* members that the translation handles one by one */
static const char  *weir_handled[] = {
    "model", "messages", "stream", "stream_options", "stop", "tools", NULL
};

static const char  *weir_roles[] = {
    "system", "developer", "user", "assistant", "tool", NULL
};


static weir_json_t *
weir_invalid(weir_failure_t *f, const char *param, const char *what)
{
    (void) weir_member_wrong(f, param, what);

    return NULL;
}


static int
weir_word_in(const char *word, const char **words)
{
    for ( /* void */ ; *words; words++) {
        if (strcmp(word, *words) == 0) {
            return 1;
        }
    }

    return 0;
}


/* content and tool_calls of a message to parts; -1: of a wrong form */

static int
weir_parts_read(weir_json_t *message, weir_json_t *parts)
{
    size_t        i;
    weir_json_t  *content, *calls;

    content = weir_json_get(message, "content");
    calls = weir_json_get(message, "tool_calls");

    if (content && !weir_json_is_string(content)
        && !weir_json_is_array(content) && !weir_json_is_null(content))
    {
        return -1;
    }

    if (calls && !weir_json_is_array(calls) && !weir_json_is_null(calls)) {
        return -1;
    }

    if (weir_json_is_string(content)
        && weir_json_add_take(parts, weir_part_text("text", content)) != 0)
    {
        return -1;
    }

    for (i = 0; i < weir_json_count(content); i++) {
        if (weir_json_add_take(parts,
                               weir_content_read(weir_json_at(content, i)))
            != 0)
        {
            return -1;
        }
    }

    return weir_calls_read(parts, calls);
}


static bool
weir_role_known(weir_str_t role)
{
    const char  **r;

    for (r = weir_roles; *r; r++) {
        if (weir_str_eq(role, weir_str_of(*r))) {
            return true;
        }
    }

    return false;
}


static weir_json_t *
weir_message_read(weir_json_t *message)
{
    size_t                i;
    weir_json_t          *to, *parts;
    static const char    *copied[] = { "role", "name", "tool_call_id", NULL };
    static const char    *known[] = {
        "role", "content", "tool_calls", "tool_call_id", "name", NULL
    };

    if (!weir_role_known(weir_json_str(weir_json_get(message, "role")))) {
        return NULL;
    }

    to = weir_json_object();
    parts = weir_json_array();

    for (i = 0; copied[i]; i++) {
        if (weir_json_is_string(weir_json_get(message, copied[i]))) {
            weir_json_set_take(to, copied[i],
                               weir_json_ref(weir_json_get(message,
                                                           copied[i])));
        }
    }

    if (weir_parts_read(message, parts) != 0) {
        weir_json_free(&parts);
        weir_json_free(&to);
        return NULL;
    }

    if (weir_json_set_take(to, "parts", parts) != 0
        || weir_rest_read(to, "openai", message, known) != 0)
    {
        weir_json_free(&to);
    }

    return to;
}


static weir_json_t *
weir_messages_read(weir_json_t *messages, weir_failure_t *f)
{
    char          param[WEIR_FAILURE_WORD];
    size_t        i;
    weir_json_t  *to;

    if (!weir_json_is_array(messages) || weir_json_count(messages) == 0) {
        return weir_invalid(f, "messages", "must be an array of at least one "
                            "message");
    }

    if (weir_json_count(messages) > WEIR_MESSAGES_MAX) {
        return weir_invalid(f, "messages", "has too many members");
    }

    to = weir_json_array();

    for (i = 0; i < weir_json_count(messages); i++) {
        if (weir_json_add_take(to,
                               weir_message_read(weir_json_at(messages, i)))
            != 0)
        {
            weir_json_free(&to);
            snprintf(param, sizeof(param), "messages[%zu]", i);

            return weir_invalid(f, param, "must be an object with a \"role\" "
                                "of system, developer, user, assistant or "
                                "tool, and \"content\" of text or parts");
        }
    }

    return to;
}


static int
weir_stop_read(weir_json_t *params, weir_json_t *stop, weir_failure_t *f)
{
    size_t        i;
    weir_json_t  *list;

    if (weir_json_is_string(stop)) {
        list = weir_json_array();
        weir_json_add_take(list, weir_json_ref(stop));

        return weir_json_set_take(params, "stop", list);
    }

    for (i = 0; weir_json_is_array(stop) && i < weir_json_count(stop); i++) {
        if (!weir_json_is_string(weir_json_at(stop, i))) {
            break;
        }
    }

    if (!weir_json_is_array(stop) || i < weir_json_count(stop)) {
        weir_invalid(f, "stop", "must be a string or an array of strings");
        return -1;
    }

    return weir_json_set_take(params, "stop", weir_json_ref(stop));
}


/* a function stays as it is, another kind of tool becomes opaque */

static weir_json_t *
weir_tool_read(weir_json_t *tool)
{
    weir_json_t  *function;

    function = weir_json_get(tool, "function");

    if (weir_part_is(tool, "function")
        && weir_json_get(tool, "anthropic") == NULL
        && weir_json_is_string(weir_json_get(function, "name")))
    {
        return weir_json_ref(tool);
    }

    return weir_part_opaque("openai", "tool", tool);
}


static int
weir_tools_read(weir_json_t *to, weir_json_t *tools, weir_failure_t *f)
{
    size_t        i;
    weir_json_t  *list;

    if (!weir_json_is_array(tools)) {
        weir_invalid(f, "tools", "must be an array");
        return -1;
    }

    list = weir_json_array();

    for (i = 0; i < weir_json_count(tools); i++) {
        if (weir_json_add_take(list, weir_tool_read(weir_json_at(tools, i)))
            != 0)
        {
            weir_json_free(&list);
            return -1;
        }
    }

    return weir_json_set_take(to, "tools", list);
}


/* every member of the body goes to params, to its own place, or to extra */

static int
weir_members_read(weir_json_t *body, weir_json_t *to, weir_json_t *params,
    weir_json_t *extra, weir_failure_t *f)
{
    int                  rc;
    void                *iter;
    const char          *key;
    weir_json_t         *value;
    const weir_member_t *param;

    for (iter = weir_json_next(body, NULL, &key, &value);
         iter;
         iter = weir_json_next(body, iter, &key, &value))
    {
        rc = 0;
        param = weir_member_find(weir_params, key);

        if (weir_json_is_null(value)) {
            continue;
        }

        if (param) {
            rc = weir_member_check(param, value, f);
            rc = rc ? rc : weir_json_set_take(params, key,
                                              weir_json_ref(value));

        } else if (strcmp(key, "stop") == 0) {
            rc = weir_stop_read(params, value, f);

        } else if (strcmp(key, "tools") == 0) {
            rc = weir_tools_read(to, value, f);

        } else if (!weir_word_in(key, weir_handled)) {
            rc = weir_json_set_take(extra, key, weir_json_ref(value));
        }

        if (rc != 0) {
            return -1;
        }
    }

    return 0;
}


/* How the answer is framed is between the client and the edge: it is checked,
 * and goes no further. */

static int
weir_stream_check(const weir_json_t *body, weir_failure_t *f)
{
    weir_json_t  *stream, *options, *usage;

    stream = weir_json_get(body, "stream");

    if (stream && !weir_json_is_bool(stream) && !weir_json_is_null(stream)) {
        weir_invalid(f, "stream", "must be true or false");
        return -1;
    }

    options = weir_json_get(body, "stream_options");
    usage = weir_json_get(options, "include_usage");

    if ((options && !weir_json_is_object(options)
         && !weir_json_is_null(options))
        || (usage && !weir_json_is_bool(usage) && !weir_json_is_null(usage)))
    {
        weir_invalid(f, "stream_options", "must be an object, and its "
                     "\"include_usage\" true or false");
        return -1;
    }

    return 0;
}


weir_json_t *
weir_openai_request(const weir_json_t *body, weir_failure_t *f)
{
    int           rc;
    weir_json_t  *to, *messages, *params, *extra, *dialect;

    if (weir_member_body(body, f) != 0 || weir_stream_check(body, f) != 0) {
        return NULL;
    }

    messages = weir_messages_read(weir_json_get(body, "messages"), f);
    if (messages == NULL) {
        return NULL;
    }

    (void) weir_no_memory(f);

    to = weir_json_object();
    params = weir_json_object();
    extra = weir_json_object();
    dialect = weir_json_object();

    rc = weir_members_read((weir_json_t *) body, to, params, extra, f);

    rc |= weir_json_set_take(dialect, "openai", extra);
    rc |= weir_json_set_take(to, "v", weir_json_new_int(1));
    rc |= weir_json_set_take(to, "kind", weir_json_new_str(weir_str("chat")));
    rc |= weir_json_set_take(to, "model",
                             weir_json_ref(weir_json_get(body, "model")));
    rc |= weir_json_set_take(to, "messages", messages);
    rc |= weir_json_set_take(to, "params", params);
    rc |= weir_json_set_take(to, "extra", dialect);

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}
