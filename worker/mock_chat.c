/*
 * Requests for a chat: from the JSON of either dialect to struct mock_chat.
 * Nothing of the JSON tree outlives the parsing, so that a waiting call stays
 * small.  Never sends anything.
 */

#include "mock_chat.h"

#include <string.h>
#include <jansson.h>

#include "mock_field.h"


static void
text_add(struct mock_chat *chat, const json_t *string, bool keep)
{
    size_t  len;

    len = json_string_length(string);
    chat->prompt_bytes += len;

    if (keep) {
        mock_buf_add(&chat->text, json_string_value(string), len);
    }
}


static bool
part_is_result(const json_t *part)
{
    const char  *type;

    type = json_string_value(json_object_get(part, "type"));

    return type != NULL && strcmp(type, "tool_result") == 0;
}


/* keep: this is the last message of the user, whose text is answered; the
 * results of tools in it are read, but not answered */
static void
content_add(struct mock_chat *chat, const json_t *content, bool keep)
{
    size_t         i, k;
    const json_t  *part, *inner, *text;

    if (json_is_string(content)) {
        text_add(chat, content, keep);
        return;
    }

    json_array_foreach(content, i, part) {
        text = json_object_get(part, "text");

        if (json_is_string(text)) {
            text_add(chat, text, keep);
        }

        if (!part_is_result(part)) {
            continue;
        }

        text = json_object_get(part, "content");

        if (json_is_string(text)) {
            text_add(chat, text, false);
        }

        json_array_foreach(text, k, inner) {
            text_add(chat, json_object_get(inner, "text"), false);
        }
    }
}


/* whether somebody says something in it: results of tools are no text */
static bool
content_speaks(const json_t *content)
{
    size_t         i;
    const json_t  *part;

    if (json_array_size(content) == 0) {
        return true;
    }

    json_array_foreach(content, i, part) {
        if (!part_is_result(part)) {
            return true;
        }
    }

    return false;
}


static bool
message_bears_result(const json_t *message)
{
    size_t         i;
    const char    *role;
    const json_t  *part;

    role = json_string_value(json_object_get(message, "role"));
    if (strcmp(role, "tool") == 0) {
        return true;
    }

    json_array_foreach(json_object_get(message, "content"), i, part) {
        if (part_is_result(part)) {
            return true;
        }
    }

    return false;
}


static bool
messages_read(struct mock_chat *chat, const json_t *messages,
    struct mock_error *error_r)
{
    size_t         i, last;
    const char    *role;
    const json_t  *message;

    if (json_array_size(messages) == 0) {
        mock_error_set(error_r, 400, "messages", NULL,
                       "\"messages\" must be an array that is not empty");
        return false;
    }

    last = json_array_size(messages);

    json_array_foreach(messages, i, message) {
        role = json_string_value(json_object_get(message, "role"));

        if (role == NULL) {
            mock_error_set(error_r, 400, "messages", NULL,
                           "message %zu has no \"role\"", i);
            return false;
        }

        if (strcmp(role, "user") == 0
            && content_speaks(json_object_get(message, "content")))
        {
            last = i;
        }

        chat->tool_result = message_bears_result(message);
    }

    json_array_foreach(messages, i, message) {
        content_add(chat, json_object_get(message, "content"), i == last);
    }

    return true;
}


static bool
openai_read(struct mock_chat *chat, const json_t *root,
    struct mock_error *error_r)
{
    int64_t        choices;
    const json_t  *options;

    choices = 1;

    if (!mock_field_integer(root, "n", 1, MOCK_CHOICES_MAX, &choices, error_r)
        || !mock_field_integer(root, "max_tokens", 1, INT32_MAX,
                               &chat->max_tokens, error_r)
        || !mock_field_integer(root, "max_completion_tokens", 1, INT32_MAX,
                               &chat->max_tokens, error_r))
    {
        return false;
    }

    options = json_object_get(root, "stream_options");

    chat->choices = (unsigned) choices;
    chat->include_usage = json_is_true(json_object_get(options,
                                                       "include_usage"));
    return true;
}


static bool
anthropic_read(struct mock_chat *chat, const json_t *root,
    struct mock_error *error_r)
{
    if (!mock_field_integer(root, "max_tokens", 1, INT32_MAX,
                            &chat->max_tokens, error_r))
    {
        return false;
    }

    if (chat->max_tokens < 0) {
        mock_error_set(error_r, 400, "max_tokens", NULL,
                       "max_tokens: Field required");
        return false;
    }

    content_add(chat, json_object_get(root, "system"), false);
    chat->choices = 1;

    return true;
}


static bool
chat_read(struct mock_chat *chat, enum mock_dialect dialect,
    const json_t *root, struct mock_error *error_r)
{
    if (!mock_field_model(root, &chat->model, error_r)
        || !messages_read(chat, json_object_get(root, "messages"), error_r))
    {
        return false;
    }

    chat->stream = json_is_true(json_object_get(root, "stream"));
    chat->tools = json_array_size(json_object_get(root, "tools")) > 0;

    return dialect == MOCK_ANTHROPIC ? anthropic_read(chat, root, error_r)
                                     : openai_read(chat, root, error_r);
}


bool
mock_chat_parse(struct mock_chat *chat, enum mock_dialect dialect,
    const char *body, size_t len, struct mock_error *error_r)
{
    bool     good;
    json_t  *root;

    *chat = (struct mock_chat) { .max_tokens = -1 };

    root = mock_field_root(body, len, error_r);
    if (root == NULL) {
        return false;
    }

    good = chat_read(chat, dialect, root, error_r);
    if (!good) {
        mock_chat_free(chat);
    }

    json_decref(root);

    return good;
}


void
mock_chat_free(struct mock_chat *chat)
{
    mock_buf_free(&chat->model);
    mock_buf_free(&chat->text);
}
