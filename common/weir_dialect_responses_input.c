/*
 * The Responses dialect: the items of "input" to neutral messages.  Pure.
 *
 * An item is less than a message: what an assistant said, thought and called
 * in one turn are items one after the other, and one message here, as it is in
 * a chat completion.
 */

#include "weir_dialect_responses_part.h"

#include <stdio.h>


#define WEIR_ITEMS_MAX  10000


/* where the items are read, and the turn of the assistant that is open */

typedef struct {
    weir_json_t     *messages;
    weir_json_t     *turn;              /* its parts, borrowed; NULL: none */
    bool             said;              /* a message is among them */
    bool             called;            /* so is a call */
    weir_failure_t  *f;
} weir_input_t;


/* messages */

/* The parts of a new message, borrowed; NULL: no memory. */

static weir_json_t *
weir_input_message(weir_input_t *in, weir_str_t role, weir_json_t *call_id)
{
    int           rc;
    weir_json_t  *message, *parts;

    message = weir_json_object();
    parts = weir_json_array();

    rc = weir_json_set_take(message, "role", weir_json_new_str(role));
    rc |= call_id ? weir_json_set_take(message, "tool_call_id",
                                       weir_json_ref(call_id)) : 0;
    rc |= weir_json_set_take(message, "parts", parts);

    if (rc != 0) {
        weir_json_free(&message);
    }

    if (weir_json_add_take(in->messages, message) != 0) {
        (void) weir_no_memory(in->f);
        return NULL;
    }

    in->turn = NULL;

    return parts;
}


static weir_json_t *
weir_input_turn(weir_input_t *in)
{
    weir_json_t  *parts;

    if (in->turn == NULL) {
        parts = weir_input_message(in, weir_str("assistant"), NULL);
        in->turn = parts;
        in->said = false;
        in->called = false;
    }

    return in->turn;
}


/* content */

static int
weir_input_add(weir_input_t *in, weir_json_t *parts, weir_json_t *part)
{
    return weir_unless_memory(in->f, weir_json_add_take(parts, part));
}


static int
weir_content_text(weir_input_t *in, weir_json_t *parts, weir_json_t *content,
    const char *where)
{
    weir_json_t        *text;
    static const char  *known[] = {
        "type", "text", "annotations", "logprobs", NULL
    };

    text = weir_json_get(content, "text");

    if (!weir_json_is_string(text)) {
        return weir_member_wrong(in->f, where, "must have a string "
                                 "\"text\"");
    }

    return weir_responses_known(content, known, where, in->f) != 0 ? -1
           : weir_input_add(in, parts, weir_part_text("text", text));
}


/* as a part of a chat completion that no other dialect knows */

static int
weir_content_refusal(weir_input_t *in, weir_json_t *parts,
    weir_json_t *content, const char *where)
{
    weir_json_t        *refusal, *own, *part;
    static const char  *known[] = { "type", "refusal", NULL };

    refusal = weir_json_get(content, "refusal");

    if (!weir_json_is_string(refusal)) {
        return weir_member_wrong(in->f, where, "must have a string "
                                 "\"refusal\"");
    }

    if (weir_responses_known(content, known, where, in->f) != 0) {
        return -1;
    }

    own = weir_part_new("refusal");
    part = weir_json_set_take(own, "refusal", weir_json_ref(refusal)) == 0
           ? weir_part_opaque("openai", "part", own) : NULL;
    weir_json_free(&own);

    return weir_input_add(in, parts, part);
}


static int
weir_content_image(weir_input_t *in, weir_json_t *parts, weir_json_t *content,
    const char *where)
{
    int                 rc;
    weir_json_t        *url, *detail, *part;
    static const char  *known[] = { "type", "image_url", "detail", NULL };

    url = weir_json_get(content, "image_url");
    detail = weir_json_get(content, "detail");

    if (weir_responses_known(content, known, where, in->f) != 0) {
        return -1;
    }

    if (!weir_json_is_string(url)
        || (detail && !weir_json_is_string(detail)
            && !weir_json_is_null(detail)))
    {
        return weir_member_wrong(in->f, where, "must have a string "
                                 "\"image_url\", and \"detail\" may be a "
                                 "string");
    }

    part = weir_part_new("image");
    rc = weir_json_set_take(part, "url", weir_json_ref(url));
    rc |= weir_json_is_string(detail)
          ? weir_json_set_take(part, "detail", weir_json_ref(detail)) : 0;

    return weir_input_add(in, parts, weir_part_unless(rc, part));
}


/* what there is in the dialect, and not here */

static int
weir_input_unsupported(weir_input_t *in, const char *where, const char *what,
    weir_str_t type)
{
    return type.len ? weir_responses_unsupported(in->f, where, what, type)
           : weir_member_wrong(in->f, where, "must be an object with a "
                               "\"type\"");
}


static int
weir_content_part(weir_input_t *in, weir_json_t *parts, weir_json_t *content,
    bool assistant, const char *where)
{
    if (weir_part_is(content, "input_text")
        || weir_part_is(content, "output_text"))
    {
        return weir_content_text(in, parts, content, where);
    }

    if (assistant && weir_part_is(content, "refusal")) {
        return weir_content_refusal(in, parts, content, where);
    }

    if (!assistant && weir_part_is(content, "input_image")) {
        return weir_content_image(in, parts, content, where);
    }

    return weir_input_unsupported(in, where, "content of type",
               weir_json_str(weir_json_get(content, "type")));
}


/* a string, or an array of parts */

static int
weir_content_read(weir_input_t *in, weir_json_t *parts, weir_json_t *content,
    bool assistant, const char *where)
{
    char    at[WEIR_FAILURE_WORD];
    size_t  i;

    if (weir_json_is_string(content)) {
        return weir_input_add(in, parts, weir_part_text("text", content));
    }

    if (!weir_json_is_array(content)) {
        return weir_member_wrong(in->f, where, "must be a string or an "
                                 "array of parts");
    }

    for (i = 0; i < weir_json_count(content); i++) {
        snprintf(at, sizeof(at), "%.40s[%zu]", where, i);

        if (weir_content_part(in, parts, weir_json_at(content, i), assistant,
                              at) != 0)
        {
            return -1;
        }
    }

    return 0;
}


/* items */

/* A message of the assistant goes on with the turn that only thought or
 * called so far: results of calls must follow the message that called. */

static int
weir_item_message(weir_input_t *in, weir_json_t *item, const char *where)
{
    bool                assistant;
    char                at[WEIR_FAILURE_WORD];
    weir_str_t          role;
    weir_json_t        *parts;
    const char        **r;
    static const char  *roles[] = {
        "user", "assistant", "system", "developer", NULL
    };
    static const char  *known[] = {
        "type", "id", "role", "content", "status", NULL
    };

    role = weir_json_str(weir_json_get(item, "role"));

    for (r = roles; *r && !weir_str_eq(role, weir_str_of(*r)); r++) {
        /* void */
    }

    if (*r == NULL) {
        return weir_member_wrong(in->f, where, "must have a \"role\" of "
                                 "user, assistant, system or developer");
    }

    if (weir_responses_known(item, known, where, in->f) != 0) {
        return -1;
    }

    assistant = weir_str_eq(role, weir_str("assistant"));

    if (assistant && in->turn && in->said && !in->called) {
        in->turn = NULL;
    }

    parts = assistant ? weir_input_turn(in)
                      : weir_input_message(in, role, NULL);
    if (parts == NULL) {
        return -1;
    }

    in->said = true;
    snprintf(at, sizeof(at), "%.48s.content", where);

    return weir_content_read(in, parts, weir_json_get(item, "content"),
                             assistant, at);
}


static int
weir_item_call(weir_input_t *in, weir_json_t *item, const char *where)
{
    int                 rc;
    weir_json_t        *id, *name, *arguments, *part, *parts;
    static const char  *known[] = {
        "type", "id", "call_id", "name", "arguments", "status", NULL
    };

    id = weir_json_get(item, "call_id");
    name = weir_json_get(item, "name");
    arguments = weir_json_get(item, "arguments");

    if (!weir_json_is_string(id) || !weir_json_is_string(name)
        || !weir_json_is_string(arguments))
    {
        return weir_member_wrong(in->f, where, "must have strings "
                                 "\"call_id\", \"name\" and "
                                 "\"arguments\"");
    }

    if (weir_responses_known(item, known, where, in->f) != 0) {
        return -1;
    }

    parts = weir_input_turn(in);
    if (parts == NULL) {
        return -1;
    }

    in->called = true;
    part = weir_part_new("tool_call");
    rc = weir_json_set_take(part, "id", weir_json_ref(id));
    rc |= weir_json_set_take(part, "name", weir_json_ref(name));
    rc |= weir_json_set_take(part, "arguments", weir_json_ref(arguments));

    return weir_input_add(in, parts, weir_part_unless(rc, part));
}


static int
weir_item_output(weir_input_t *in, weir_json_t *item, const char *where)
{
    char                at[WEIR_FAILURE_WORD];
    weir_json_t        *id, *parts;
    static const char  *known[] = {
        "type", "id", "call_id", "output", "status", NULL
    };

    id = weir_json_get(item, "call_id");

    if (!weir_json_is_string(id)) {
        return weir_member_wrong(in->f, where, "must have a string "
                                 "\"call_id\"");
    }

    if (weir_responses_known(item, known, where, in->f) != 0) {
        return -1;
    }

    parts = weir_input_message(in, weir_str("tool"), id);
    if (parts == NULL) {
        return -1;
    }

    snprintf(at, sizeof(at), "%.48s.output", where);

    return weir_content_read(in, parts, weir_json_get(item, "output"), false,
                             at);
}


/* Texts of a list whose members are all of one type. */

static int
weir_item_thoughts(weir_input_t *in, weir_json_t *list, const char *type,
    bool keep, const char *where)
{
    size_t        i;
    weir_json_t  *text, *parts;

    if (list == NULL || weir_json_is_null(list)) {
        return 0;
    }

    for (i = 0; weir_json_is_array(list) && i < weir_json_count(list); i++) {
        text = weir_json_get(weir_json_at(list, i), "text");

        if (!weir_part_is(weir_json_at(list, i), type)
            || !weir_json_is_string(text))
        {
            break;
        }

        if (!keep) {
            continue;
        }

        parts = weir_input_turn(in);

        if (parts == NULL
            || weir_input_add(in, parts, weir_part_text("thinking", text))
               != 0)
        {
            return -1;
        }
    }

    return weir_json_is_array(list) && i == weir_json_count(list) ? 0
           : weir_member_wrong(in->f, where, "must have arrays of texts "
                               "\"summary\" and \"content\"");
}


/*
 * What a model thought before an earlier answer.  What is encrypted only the
 * server can read that made it, and this one makes none; a summary is of what
 * was not shown: both are left out.
 */

static int
weir_item_reasoning(weir_input_t *in, weir_json_t *item, const char *where)
{
    weir_json_t        *sealed;
    static const char  *known[] = {
        "type", "id", "summary", "content", "encrypted_content", "status",
        NULL
    };

    sealed = weir_json_get(item, "encrypted_content");

    if (sealed && !weir_json_is_string(sealed) && !weir_json_is_null(sealed)) {
        return weir_member_wrong(in->f, where, "must have a string "
                                 "\"encrypted_content\"");
    }

    if (weir_responses_known(item, known, where, in->f) != 0
        || weir_item_thoughts(in, weir_json_get(item, "summary"),
                              "summary_text", false, where) != 0)
    {
        return -1;
    }

    return weir_item_thoughts(in, weir_json_get(item, "content"),
                              "reasoning_text", true, where);
}


static int
weir_item_read(weir_input_t *in, weir_json_t *item, const char *where)
{
    weir_json_t  *type;

    type = weir_json_get(item, "type");

    if (weir_part_is(item, "message")
        || ((type == NULL || weir_json_is_null(type))
            && weir_json_get(item, "role")))
    {
        return weir_item_message(in, item, where);
    }

    if (weir_part_is(item, "function_call")) {
        return weir_item_call(in, item, where);
    }

    if (weir_part_is(item, "function_call_output")) {
        return weir_item_output(in, item, where);
    }

    if (weir_part_is(item, "reasoning")) {
        return weir_item_reasoning(in, item, where);
    }

    return weir_input_unsupported(in, where, "an item of type",
                                  weir_json_str(type));
}


int
weir_responses_input(weir_json_t *messages, const weir_json_t *input,
    weir_failure_t *f)
{
    char          where[WEIR_FAILURE_WORD];
    size_t        i;
    weir_json_t  *parts;
    weir_input_t  in = { messages, NULL, false, false, f };

    if (weir_json_is_string(input)) {
        parts = weir_input_message(&in, weir_str("user"), NULL);

        return parts == NULL ? -1
               : weir_input_add(&in, parts,
                                weir_part_text("text", (weir_json_t *) input));
    }

    if (!weir_json_is_array(input) || weir_json_count(input) == 0) {
        return weir_member_wrong(f, "input", "must be a string or an array "
                                 "of at least one item");
    }

    if (weir_json_count(input) > WEIR_ITEMS_MAX) {
        return weir_member_wrong(f, "input", "has too many members");
    }

    for (i = 0; i < weir_json_count(input); i++) {
        snprintf(where, sizeof(where), "input[%zu]", i);

        if (weir_item_read(&in, weir_json_at(input, i), where) != 0) {
            return -1;
        }
    }

    return 0;
}
