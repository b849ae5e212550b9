/*
 * The Anthropic messages dialect: what the client sends.  Pure: documents in,
 * documents out.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_part.h"
#include "weir_member.h"

#include <stdio.h>


#define WEIR_MESSAGES_MAX  10000


/* members of the body; those that others have are params */

static const weir_member_t  weir_members[] = {
    { "max_tokens",    WEIR_MEMBER_INTEGER, WEIR_TO_PARAMS, 1, 1e9 },
    { "temperature",   WEIR_MEMBER_NUMBER,  WEIR_TO_PARAMS, 0, 1   },
    { "top_p",         WEIR_MEMBER_NUMBER,  WEIR_TO_PARAMS, 0, 1   },
    { "top_k",         WEIR_MEMBER_INTEGER, WEIR_TO_EXTRA,  0, 1e9 },
    { "metadata",      WEIR_MEMBER_OBJECT,  WEIR_TO_EXTRA,  0, 0   },
    { "tool_choice",   WEIR_MEMBER_TYPED,   WEIR_TO_EXTRA,  0, 0   },
    { "thinking",      WEIR_MEMBER_TYPED,   WEIR_TO_EXTRA,  0, 0   },
    { "service_tier",  WEIR_MEMBER_STRING,  WEIR_TO_EXTRA,  0, 0   },
    { "stream",        WEIR_MEMBER_BOOL,    WEIR_TO_EXTRA,  0, 0   },
    { NULL, 0, 0, 0, 0 }
};


/* where a request is read, and what is wrong with it */

typedef struct {
    weir_json_t     *messages;          /* neutral */
    weir_failure_t  *f;
} weir_reading_t;


/* messages */

static int
weir_message_add(weir_reading_t *r, weir_json_t *message, weir_str_t role,
    weir_json_t *parts)
{
    int  rc;

    rc = weir_json_set_take(message, "role", weir_json_new_str(role));
    rc |= weir_json_set_take(message, "parts", weir_json_ref(parts));

    return weir_unless_memory(r->f,
                              rc | weir_json_add_take(r->messages, message));
}


static int
weir_block_parts(weir_reading_t *r, weir_json_t *parts, weir_json_t *block,
    const char *where)
{
    const char  *why;

    if (weir_block_read(parts, block, true, &why)) {
        return 0;
    }

    return why ? weir_member_wrong(r->f, where, why)
               : weir_no_memory(r->f);
}


/* a string, or an array of blocks */

static int
weir_blocks_read(weir_reading_t *r, weir_json_t *parts, weir_json_t *content,
    const char *where)
{
    char    at[WEIR_FAILURE_WORD];
    size_t  i;

    if (weir_json_is_string(content)) {
        return weir_unless_memory(r->f,
                   weir_json_add_take(parts, weir_part_text("text", content)));
    }

    if (!weir_json_is_array(content)) {
        return weir_member_wrong(r->f, where, "must be a string or an array of "
                                 "blocks");
    }

    for (i = 0; i < weir_json_count(content); i++) {
        snprintf(at, sizeof(at), "%.40s[%zu]", where, i);

        if (weir_block_parts(r, parts, weir_json_at(content, i), at) != 0) {
            return -1;
        }
    }

    return 0;
}


/* the result of a tool is a message of its own */

static int
weir_result_members(weir_reading_t *r, weir_json_t *message,
    weir_json_t *block, const char *where)
{
    int                 rc;
    weir_json_t        *id, *error, *rest;
    static const char  *known[] = {
        "type", "tool_use_id", "content", "is_error", NULL
    };

    id = weir_json_get(block, "tool_use_id");
    error = weir_json_get(block, "is_error");

    if (!weir_json_is_string(id)
        || (error && !weir_json_is_bool(error) && !weir_json_is_null(error)))
    {
        return weir_member_wrong(r->f, where, "must have a string "
                                 "\"tool_use_id\", and \"is_error\" true or "
                                 "false");
    }

    rc = weir_json_set_take(message, "tool_call_id", weir_json_ref(id));

    if (weir_json_true(error)) {
        rc |= weir_json_set_take(message, "error", weir_json_new_bool(true));
    }

    rest = weir_anthropic_said(block, known);

    rc |= rest == NULL ? -1
          : weir_json_count(rest)
            ? weir_json_set_take(message, "anthropic", weir_json_ref(rest)) : 0;
    weir_json_free(&rest);

    return weir_unless_memory(r->f, rc);
}


static int
weir_result_read(weir_reading_t *r, weir_json_t *block, const char *where)
{
    int           rc;
    char          at[WEIR_FAILURE_WORD];
    weir_json_t  *message, *parts, *content, *empty;

    message = weir_json_object();
    parts = weir_json_array();
    empty = weir_json_new_str(weir_str(""));

    content = weir_json_get(block, "content");

    if (content == NULL || weir_json_is_null(content)) {
        content = empty;
    }

    snprintf(at, sizeof(at), "%.48s.content", where);

    rc = weir_result_members(r, message, block, where);
    rc = rc ? rc : weir_blocks_read(r, parts, content, at);

    if (rc == 0) {
        rc = weir_message_add(r, weir_json_ref(message), weir_str("tool"),
                              parts);
    }

    weir_json_free(&message);
    weir_json_free(&parts);
    weir_json_free(&empty);

    return rc;
}


/* what has come of a user's message before the result of a tool */

static int
weir_message_flush(weir_reading_t *r, weir_str_t role, weir_json_t **parts)
{
    int  rc;

    if (weir_json_count(*parts) == 0) {
        return 0;
    }

    rc = weir_message_add(r, weir_json_object(), role, *parts);
    weir_json_free(parts);
    *parts = weir_json_array();

    return rc;
}


static int
weir_content_blocks(weir_reading_t *r, weir_str_t role, weir_json_t *content,
    weir_json_t **parts, const char *where)
{
    int           rc;
    bool          user;
    char          at[WEIR_FAILURE_WORD];
    size_t        i;
    weir_json_t  *block;

    user = weir_str_eq(role, weir_str("user"));

    for (i = 0, rc = 0; rc == 0 && i < weir_json_count(content); i++) {
        block = weir_json_at(content, i);
        snprintf(at, sizeof(at), "%.40s[%zu]", where, i);

        if (weir_part_is(block, user ? "tool_use" : "tool_result")) {
            return weir_member_wrong(r->f, at,
                                     user ? "cannot be in a message of the user"
                                          : "cannot be in a message of the "
                                            "assistant");
        }

        if (weir_part_is(block, "tool_result")) {
            rc = weir_message_flush(r, role, parts);
            rc = rc ? rc : weir_result_read(r, block, at);

        } else {
            rc = weir_block_parts(r, *parts, block, at);
        }
    }

    return rc ? rc : weir_message_flush(r, role, parts);
}


static int
weir_message_read(weir_reading_t *r, weir_json_t *message, size_t i)
{
    int           rc;
    char          where[WEIR_FAILURE_WORD];
    weir_str_t    role;
    weir_json_t  *parts, *content;

    snprintf(where, sizeof(where), "messages[%zu]", i);
    role = weir_json_str(weir_json_get(message, "role"));
    content = weir_json_get(message, "content");

    if (!weir_str_eq(role, weir_str("user"))
        && !weir_str_eq(role, weir_str("assistant")))
    {
        return weir_member_wrong(r->f, where, "must be an object with a "
                                 "\"role\" of user or assistant");
    }

    if (weir_json_count(message) != 1 + (content != NULL)) {
        return weir_member_wrong(r->f, where, "may have \"role\" and "
                                 "\"content\" alone");
    }

    snprintf(where, sizeof(where), "messages[%zu].content", i);

    if (weir_json_is_array(content) && weir_json_count(content) == 0
        && weir_str_eq(role, weir_str("user")))
    {
        return weir_member_wrong(r->f, where, "must have at least one block");
    }

    parts = weir_json_array();

    if (weir_json_is_array(content)) {
        rc = weir_content_blocks(r, role, content, &parts, where);

    } else {
        rc = weir_blocks_read(r, parts, content, where);
        rc = rc ? rc : weir_message_flush(r, role, &parts);
    }

    weir_json_free(&parts);

    return rc;
}


static int
weir_messages_read(weir_reading_t *r, weir_json_t *messages)
{
    size_t  i;

    if (!weir_json_is_array(messages) || weir_json_count(messages) == 0) {
        return weir_member_wrong(r->f, "messages", "must be an array of at "
                                 "least one message");
    }

    if (weir_json_count(messages) > WEIR_MESSAGES_MAX) {
        return weir_member_wrong(r->f, "messages", "has too many members");
    }

    for (i = 0; i < weir_json_count(messages); i++) {
        if (weir_message_read(r, weir_json_at(messages, i), i) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
weir_system_read(weir_reading_t *r, weir_json_t *system)
{
    int           rc;
    char          at[WEIR_FAILURE_WORD];
    size_t        i;
    weir_json_t  *parts;

    if (system == NULL || weir_json_is_null(system)) {
        return 0;
    }

    for (i = 0; weir_json_is_array(system) && i < weir_json_count(system);
         i++)
    {
        if (!weir_part_is(weir_json_at(system, i), "text")) {
            snprintf(at, sizeof(at), "system[%zu]", i);
            return weir_member_wrong(r->f, at, "must be a block of type text");
        }
    }

    parts = weir_json_array();
    rc = weir_blocks_read(r, parts, system, "system");
    rc = rc ? rc : weir_message_flush(r, weir_str("system"), &parts);
    weir_json_free(&parts);

    return rc;
}


/* tools */

/* one of the client's own is a function, another kind is opaque */

static weir_json_t *
weir_tool_function(weir_json_t *tool)
{
    int                  rc;
    weir_json_t         *to, *function, *rest;
    const char         **name;
    static const char   *same[] = { "name", "description", "strict", NULL };
    static const char   *known[] = {
        "type", "name", "description", "strict", "input_schema", NULL
    };

    to = weir_part_new("function");
    function = weir_json_object();
    rest = weir_anthropic_said(tool, known);
    rc = rest ? 0 : -1;

    for (name = same; *name; name++) {
        if (weir_json_get(tool, *name)
            && !weir_json_is_null(weir_json_get(tool, *name)))
        {
            rc |= weir_json_set_take(function, *name,
                      weir_json_ref(weir_json_get(tool, *name)));
        }
    }

    rc |= weir_json_set_take(function, "parameters",
                             weir_json_ref(weir_json_get(tool,
                                                         "input_schema")));
    rc |= weir_json_set_take(to, "function", function);

    if (weir_json_count(rest)) {
        rc |= weir_json_set_take(to, "anthropic", weir_json_ref(rest));
    }

    weir_json_free(&rest);

    return weir_part_unless(rc, to);
}


static int
weir_tool_read(weir_json_t *list, weir_json_t *tool, size_t i,
    weir_failure_t *f)
{
    char          at[WEIR_FAILURE_WORD];
    weir_json_t  *type;

    type = weir_json_get(tool, "type");

    if (weir_json_is_string(type) && !weir_part_is(tool, "custom")) {
        return weir_unless_memory(f,
                   weir_json_add_take(list, weir_part_opaque("anthropic",
                                                             "tool", tool)));
    }

    if (!weir_json_is_string(weir_json_get(tool, "name"))
        || !weir_json_is_object(weir_json_get(tool, "input_schema"))
        || (type && !weir_json_is_null(type) && !weir_json_is_string(type)))
    {
        snprintf(at, sizeof(at), "tools[%zu]", i);
        return weir_member_wrong(f, at, "must be an object with a string "
                                 "\"name\" and an object \"input_schema\"");
    }

    return weir_unless_memory(f,
                              weir_json_add_take(list,
                                                 weir_tool_function(tool)));
}


static int
weir_tools_read(weir_json_t *to, weir_json_t *tools, weir_failure_t *f)
{
    size_t        i;
    weir_json_t  *list;

    if (!weir_json_is_array(tools)) {
        return weir_member_wrong(f, "tools", "must be an array");
    }

    list = weir_json_array();

    for (i = 0; i < weir_json_count(tools); i++) {
        if (weir_tool_read(list, weir_json_at(tools, i), i, f) != 0) {
            weir_json_free(&list);
            return -1;
        }
    }

    return weir_unless_memory(f, weir_json_set_take(to, "tools", list));
}


/* the other members */

static int
weir_stops_read(weir_json_t *params, weir_json_t *stops, weir_failure_t *f)
{
    size_t  i;

    for (i = 0; weir_json_is_array(stops) && i < weir_json_count(stops); i++) {
        if (!weir_json_is_string(weir_json_at(stops, i))) {
            break;
        }
    }

    if (!weir_json_is_array(stops) || i < weir_json_count(stops)) {
        return weir_member_wrong(f, "stop_sequences",
                                 "must be an array of strings");
    }

    return weir_unless_memory(f, weir_json_set_take(params, "stop",
                                                    weir_json_ref(stops)));
}


static int
weir_member_read(weir_json_t *params, weir_json_t *extra, const char *name,
    weir_json_t *value, weir_failure_t *f)
{
    const weir_member_t  *m;

    m = weir_member_find(weir_members, name);

    if (m && weir_member_check(m, value, f) != 0) {
        return -1;
    }

    /* how the answer is framed is between the client and the edge */

    if (strcmp(name, "stream") == 0) {
        return 0;
    }

    return weir_unless_memory(f,
               weir_json_set_take(m && m->to == WEIR_TO_PARAMS ? params : extra,
                                  name, weir_json_ref(value)));
}


static int
weir_members_read(weir_json_t *body, weir_json_t *to, weir_json_t *params,
    weir_json_t *extra, weir_failure_t *f)
{
    int           rc;
    void         *iter;
    const char   *name;
    weir_json_t  *value;

    for (iter = weir_json_next(body, NULL, &name, &value);
         iter;
         iter = weir_json_next(body, iter, &name, &value))
    {
        if (weir_json_is_null(value) || strcmp(name, "model") == 0
            || strcmp(name, "messages") == 0 || strcmp(name, "system") == 0)
        {
            continue;
        }

        if (strcmp(name, "tools") == 0) {
            rc = weir_tools_read(to, value, f);

        } else if (strcmp(name, "stop_sequences") == 0) {
            rc = weir_stops_read(params, value, f);

        } else {
            rc = weir_member_read(params, extra, name, value, f);
        }

        if (rc != 0) {
            return -1;
        }
    }

    return 0;
}


static int
weir_request_check(const weir_json_t *body, weir_failure_t *f)
{
    if (weir_member_body(body, f) != 0) {
        return -1;
    }

    return weir_json_is_int(weir_json_get(body, "max_tokens")) ? 0
           : weir_member_wrong(f, "max_tokens", "is required and must be an "
                               "integer");
}


static int
weir_request_read(weir_json_t *to, weir_json_t *body, weir_failure_t *f)
{
    int             rc;
    weir_json_t    *params, *extra, *dialect;
    weir_reading_t  r = { weir_json_array(), f };

    params = weir_json_object();
    extra = weir_json_object();
    dialect = weir_json_object();

    rc = weir_json_set_take(dialect, "anthropic", extra);
    rc |= weir_json_set_take(to, "v", weir_json_new_int(1));
    rc |= weir_json_set_take(to, "kind", weir_json_new_str(weir_str("chat")));
    rc |= weir_json_set_take(to, "model",
                             weir_json_ref(weir_json_get(body, "model")));
    rc |= weir_json_set_take(to, "messages", r.messages);
    rc |= weir_json_set_take(to, "params", params);
    rc |= weir_json_set_take(to, "extra", dialect);

    rc = weir_unless_memory(f, rc);
    rc = rc ? rc : weir_system_read(&r, weir_json_get(body, "system"));
    rc = rc ? rc : weir_messages_read(&r, weir_json_get(body, "messages"));

    return rc ? rc : weir_members_read(body, to, params, extra, f);
}


weir_json_t *
weir_anthropic_request(const weir_json_t *body, weir_failure_t *f)
{
    weir_json_t  *to;

    if (weir_request_check(body, f) != 0) {
        return NULL;
    }

    to = weir_json_object();

    if (weir_request_read(to, (weir_json_t *) body, f) != 0) {
        weir_json_free(&to);
    }

    return to;
}


bool
weir_anthropic_stream(const weir_json_t *body)
{
    return weir_json_true(weir_json_get(body, "stream"));
}
