/*
 * The Responses dialect: tools of a request, in the words of a chat completion.
 * Pure.
 */

#include "weir_dialect_responses_part.h"

#include <stdio.h>


/* tools */

/* members that are given, but null */

static int
weir_tool_members(weir_json_t *function, weir_json_t *tool)
{
    int                 rc;
    weir_json_t        *value;
    const char        **name;
    static const char  *same[] = {
        "name", "description", "parameters", "strict", NULL
    };

    for (name = same, rc = 0; *name; name++) {
        value = weir_json_get(tool, *name);

        if (value && !weir_json_is_null(value)) {
            rc |= weir_json_set_take(function, *name, weir_json_ref(value));
        }
    }

    return rc;
}


static bool
weir_tool_is(const weir_json_t *tool, const char *name,
    bool (*kind)(const weir_json_t *))
{
    weir_json_t  *value;

    value = weir_json_get(tool, name);

    return value == NULL || weir_json_is_null(value) || kind(value);
}


static int
weir_tool_read(weir_json_t *list, weir_json_t *tool, const char *where,
    weir_failure_t *f)
{
    int                 rc;
    weir_str_t          type;
    weir_json_t        *to, *function;
    static const char  *known[] = {
        "type", "name", "description", "parameters", "strict", NULL
    };

    type = weir_json_str(weir_json_get(tool, "type"));

    if (type.len && !weir_part_is(tool, "function")) {
        return weir_responses_unsupported(f, where, "tools of type", type);
    }

    if (type.len == 0 || weir_json_str(weir_json_get(tool, "name")).len == 0
        || !weir_tool_is(tool, "description", weir_json_is_string)
        || !weir_tool_is(tool, "parameters", weir_json_is_object)
        || !weir_tool_is(tool, "strict", weir_json_is_bool))
    {
        return weir_member_wrong(f, where, "must be an object with \"type\""
                                 ": \"function\" and a string \"name\"; "
                                 "\"description\", \"parameters\" and "
                                 "\"strict\" may be a string, an object "
                                 "and true or false");
    }

    if (weir_responses_known(tool, known, where, f) != 0) {
        return -1;
    }

    to = weir_part_new("function");
    function = weir_json_object();

    rc = weir_tool_members(function, tool);
    rc |= weir_json_set_take(to, "function", function);
    rc |= weir_json_add_take(list, weir_part_unless(rc, to));

    return weir_unless_memory(f, rc);
}


static int
weir_tools_read(weir_json_t *to, weir_json_t *tools, weir_failure_t *f)
{
    char          where[WEIR_FAILURE_WORD];
    size_t        i;
    weir_json_t  *list;

    list = weir_json_array();

    for (i = 0; i < weir_json_count(tools); i++) {
        snprintf(where, sizeof(where), "tools[%zu]", i);

        if (weir_tool_read(list, weir_json_at(tools, i), where, f) != 0) {
            weir_json_free(&list);
            return -1;
        }
    }

    return weir_unless_memory(f, weir_json_set_take(to, "tools", list));
}


/* which of them */

static int
weir_choice_function(weir_json_t *extra, weir_json_t *choice,
    weir_failure_t *f)
{
    int                 rc;
    weir_json_t        *to, *function, *name;
    static const char  *known[] = { "type", "name", NULL };

    name = weir_json_get(choice, "name");

    if (!weir_json_is_string(name)) {
        return weir_member_wrong(f, "tool_choice", "must have a string "
                                 "\"name\"");
    }

    if (weir_responses_known(choice, known, "tool_choice", f) != 0) {
        return -1;
    }

    to = weir_part_new("function");
    function = weir_json_object();

    rc = weir_json_set_take(function, "name", weir_json_ref(name));
    rc |= weir_json_set_take(to, "function", function);
    rc |= weir_json_set_take(extra, "tool_choice", weir_part_unless(rc, to));

    return weir_unless_memory(f, rc);
}


/* Where there are no tools, a choice among them says nothing, and a chat
 * completion may not have one. */

static int
weir_choice_read(weir_json_t *extra, weir_json_t *choice, bool tools,
    weir_failure_t *f)
{
    bool        loose;
    weir_str_t  word;

    word = weir_json_str(choice);
    loose = weir_str_eq(word, weir_str("auto"))
           || weir_str_eq(word, weir_str("none"));

    if (!tools && (loose || choice == NULL)) {
        return 0;
    }

    if (!tools) {
        return weir_member_wrong(f, "tool_choice", "needs \"tools\"");
    }

    if (choice == NULL) {
        return 0;
    }

    if (loose || weir_str_eq(word, weir_str("required"))) {
        return weir_unless_memory(f,
                   weir_json_set_take(extra, "tool_choice",
                                      weir_json_ref(choice)));
    }

    if (weir_part_is(choice, "function")) {
        return weir_choice_function(extra, choice, f);
    }

    word = weir_json_str(weir_json_get(choice, "type"));

    if (word.len == 0) {
        return weir_member_wrong(f, "tool_choice", "must be auto, none or "
                                 "required, or an object of type "
                                 "function");
    }

    return weir_responses_unsupported(f, "tool_choice", "a \"tool_choice\" of "
                                      "type", word);
}


int
weir_responses_tools(weir_json_t *to, weir_json_t *extra,
    const weir_json_t *body, weir_failure_t *f)
{
    weir_json_t  *tools, *choice, *parallel;

    tools = weir_json_get(body, "tools");
    choice = weir_json_get(body, "tool_choice");
    parallel = weir_json_get(body, "parallel_tool_calls");

    if (tools && !weir_json_is_array(tools) && !weir_json_is_null(tools)) {
        return weir_member_wrong(f, "tools", "must be an array");
    }

    if (weir_choice_read(extra, weir_json_is_null(choice) ? NULL : choice,
                         weir_json_count(tools) > 0, f) != 0)
    {
        return -1;
    }

    if (weir_json_count(tools) == 0) {
        return 0;
    }

    if (weir_json_is_bool(parallel)
        && weir_json_set_take(extra, "parallel_tool_calls",
                              weir_json_ref(parallel)) != 0)
    {
        return weir_no_memory(f);
    }

    return weir_tools_read(to, tools, f);
}
