/*
 * The Anthropic dialect: messages of a neutral request, as a call has them.
 * Pure.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_part.h"


/* what is being written; all but f borrowed from the body */

typedef struct {
    weir_json_t     *system;            /* blocks of all system messages */
    weir_json_t     *messages;
    weir_json_t     *content;           /* of the last one */
    bool             user;              /* it is the user's */
    weir_failure_t  *f;
} weir_calling_t;


/* One plain text is written as a string, as nearly every client sends it. */

static weir_json_t *
weir_content_pack(weir_json_t *content)
{
    weir_json_t  *first;

    first = weir_json_at(content, 0);

    return weir_json_count(content) == 1 && weir_json_count(first) == 2
           && weir_part_is(first, "text")
           ? weir_json_ref(weir_json_get(first, "text"))
           : weir_json_ref(content);
}


/* Roles take turns: what has the role of the last message goes on in it. */

static int
weir_content_add(weir_calling_t *c, bool user, const weir_json_t *blocks)
{
    int           rc;
    size_t        i;
    weir_json_t  *message, *content;

    if (weir_json_count(blocks) == 0) {
        return 0;
    }

    rc = 0;

    if (c->content == NULL || c->user != user) {
        message = weir_json_object();
        content = weir_json_array();

        rc = weir_json_set_take(message, "role",
                                weir_json_new_str(user ? weir_str("user")
                                                  : weir_str("assistant")));
        rc |= weir_json_set_take(message, "content", content);
        rc |= weir_json_add_take(c->messages, message);

        if (rc != 0) {
            return -1;
        }

        c->content = content;
        c->user = user;
    }

    for (i = 0; i < weir_json_count(blocks); i++) {
        rc |= weir_json_add_take(c->content,
                                 weir_json_ref(weir_json_at(blocks, i)));
    }

    return rc;
}


static int
weir_system_write(weir_calling_t *c, const weir_json_t *blocks)
{
    int           rc;
    size_t        i;
    weir_json_t  *block;

    for (i = 0, rc = 0; i < weir_json_count(blocks); i++) {
        block = weir_json_at(blocks, i);

        if (!weir_part_is(block, "text")) {
            return weir_anthropic_unsaid(c->f, "messages", "anything but text "
                                         "in a system message");
        }

        rc |= weir_json_add_take(c->system, weir_json_ref(block));
    }

    return rc;
}


static int
weir_result_write(weir_calling_t *c, const weir_json_t *message,
    weir_json_t *blocks)
{
    int           rc;
    weir_json_t  *id, *beside, *result, *one;

    id = weir_json_get(message, "tool_call_id");

    if (!weir_json_is_string(id)) {
        return weir_anthropic_unsaid(c->f, "messages", "the result of a tool "
                                     "without a \"tool_call_id\"");
    }

    result = weir_part_new("tool_result");
    one = weir_json_array();

    rc = weir_json_set_take(result, "tool_use_id", weir_json_ref(id));

    if (weir_json_count(blocks)) {
        rc |= weir_json_set_take(result, "content", weir_content_pack(blocks));
    }

    if (weir_json_true(weir_json_get(message, "error"))) {
        rc |= weir_json_set_take(result, "is_error", weir_json_new_bool(true));
    }

    beside = weir_json_get(message, "anthropic");
    rc |= beside ? weir_json_copy(result, beside, NULL) : 0;
    rc |= weir_json_add_take(one, result);
    rc = rc ? rc : weir_content_add(c, true, one);

    weir_json_free(&one);

    return rc;
}


/* members of a message of the OpenAI dialect; a refusal is text here */

static int
weir_message_beside(weir_calling_t *c, const weir_json_t *message,
    weir_json_t *blocks, weir_str_t role)
{
    int                 rc;
    weir_json_t        *openai, *refusal, *rest, *block;
    static const char  *but[] = { "refusal", NULL };

    if (weir_json_get(message, "name")
        && !weir_str_eq(role, weir_str("tool")))
    {
        return weir_anthropic_unsaid(c->f, "messages", "the \"name\" of who "
                                     "speaks");
    }

    openai = weir_json_get(message, "openai");
    if (openai == NULL) {
        return 0;
    }

    rest = weir_json_object();
    rc = weir_json_copy(rest, openai, but);
    rc = rc ? rc : weir_anthropic_beside(rest, "messages", c->f);
    weir_json_free(&rest);

    refusal = weir_json_get(openai, "refusal");

    if (rc == 0 && weir_json_str(refusal).len) {
        block = weir_part_text("text", refusal);
        rc = weir_json_add_take(blocks, block);
    }

    return rc;
}


static int
weir_message_write(weir_calling_t *c, const weir_json_t *message)
{
    int           rc;
    weir_str_t    role;
    weir_json_t  *blocks;

    role = weir_json_str(weir_json_get(message, "role"));
    blocks = weir_json_array();

    rc = weir_blocks_write(blocks, weir_json_get(message, "parts"), c->f);
    rc = rc ? rc : weir_message_beside(c, message, blocks, role);

    if (rc != 0) {
        weir_json_free(&blocks);
        return -1;
    }

    if (weir_str_eq(role, weir_str("system"))
        || weir_str_eq(role, weir_str("developer")))
    {
        rc = weir_system_write(c, blocks);

    } else if (weir_str_eq(role, weir_str("tool"))) {
        rc = weir_result_write(c, message, blocks);

    } else {
        rc = weir_content_add(c, !weir_str_eq(role, weir_str("assistant")),
                              blocks);
    }

    weir_json_free(&blocks);

    return rc;
}


static int
weir_messages_write(weir_json_t *body, const weir_json_t *messages,
    weir_failure_t *f)
{
    int             rc;
    size_t          i;
    weir_json_t    *message;
    weir_calling_t  c = { .system = weir_json_array(),
                          .messages = weir_json_array(), .f = f };

    for (i = 0, rc = 0; rc == 0 && i < weir_json_count(messages); i++) {
        rc = weir_message_write(&c, weir_json_at(messages, i));
    }

    for (i = 0; rc == 0 && i < weir_json_count(c.messages); i++) {
        message = weir_json_at(c.messages, i);
        rc = weir_json_set_take(message, "content",
                                weir_content_pack(weir_json_get(message,
                                                                "content")));
    }

    if (rc == 0 && weir_json_count(c.messages) == 0) {
        rc = weir_anthropic_unsaid(f, "messages", "a request without a "
                                   "message of the user");
    }

    if (rc == 0 && weir_json_count(c.system)) {
        rc = weir_json_set_take(body, "system", weir_content_pack(c.system));
    }

    if (rc == 0) {
        rc = weir_json_set_take(body, "messages", weir_json_ref(c.messages));
    }

    weir_json_free(&c.system);
    weir_json_free(&c.messages);

    return rc;
}


int
weir_anthropic_call(const weir_json_t *request, weir_str_t model,
    bool stream, weir_buf_t *out, weir_failure_t *f)
{
    int           rc;
    weir_json_t  *body;

    (void) weir_no_memory(f);

    if (weir_json_int(weir_json_get(request, "v")) != 1
        || !weir_json_is_array(weir_json_get(request, "messages")))
    {
        weir_failure_set(f, WEIR_FAIL_INTERNAL, "not a neutral request of "
                         "this version");
        return -1;
    }

    body = weir_json_object();

    rc = weir_json_set_take(body, "model",
                            model.len ? weir_json_new_str(model)
                            : weir_json_ref(weir_json_get(request, "model")));
    rc = rc ? rc : weir_messages_write(body, weir_json_get(request, "messages"),
                                       f);
    rc = rc ? rc : weir_anthropic_params(body, request, f);
    rc |= stream ? weir_json_set_take(body, "stream", weir_json_new_bool(true))
                 : 0;
    rc = rc ? rc : weir_json_write(body, out);

    weir_json_free(&body);

    return rc ? -1 : 0;
}
