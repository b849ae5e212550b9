/*
 * Chat requests: from the JSON of the OpenAI dialect to struct mock_chat, and
 * the JSON of refusals.  Nothing of the JSON tree outlives the parsing, so
 * that a waiting call stays small.  Never sends anything.
 */

#include "mock_chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>


static const struct {
    unsigned     status;
    const char  *type;
    const char  *code;
} error_kinds[] = {
    { 400, "invalid_request_error", NULL },
    { 401, "invalid_request_error", "invalid_api_key" },
    { 404, "invalid_request_error", "not_found" },
    { 408, "timeout_error", "timeout" },
    { 413, "invalid_request_error", "request_too_large" },
    { 429, "rate_limit_error", "rate_limit_exceeded" },
    { 0, NULL, NULL }
};


/* code NULL: the usual one of the status */
void
mock_error_set(struct mock_error *error, unsigned status, const char *param,
    const char *code, const char *fmt, ...)
{
    char    *p;
    size_t   i;
    va_list  args;

    error->status = status;
    error->type = status < 500 ? "invalid_request_error" : "server_error";
    error->param = param;
    error->code = code;

    for (i = 0; error_kinds[i].status != 0; i++) {
        if (error_kinds[i].status == status) {
            error->type = error_kinds[i].type;
            error->code = code ? code : error_kinds[i].code;
        }
    }

    va_start(args, fmt);
    vsnprintf(error->message, sizeof(error->message), fmt, args);
    va_end(args);

    /* what is quoted of the request may be no UTF-8, or cut within it */
    for (p = error->message; *p != '\0'; p++) {
        if ((unsigned char) *p >= 0x80) {
            *p = '?';
        }
    }
}


static void
error_write_member(struct mock_buf *out, const char *name, const char *value)
{
    mock_buf_printf(out, ",\"%s\":", name);

    if (value == NULL) {
        mock_buf_text(out, "null");
        return;
    }

    mock_buf_json(out, value, strlen(value));
}


void
mock_error_write(const struct mock_error *error, struct mock_buf *out)
{
    mock_buf_text(out, "{\"error\":{\"message\":");
    mock_buf_json(out, error->message, strlen(error->message));
    error_write_member(out, "type", error->type);
    error_write_member(out, "param", error->param);
    error_write_member(out, "code", error->code);
    mock_buf_text(out, "}}");
}


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


/* keep: this is the last message of the user, whose text is answered */
static void
content_add(struct mock_chat *chat, const json_t *content, bool keep)
{
    size_t         i;
    const json_t  *part, *text;

    if (json_is_string(content)) {
        text_add(chat, content, keep);
        return;
    }

    json_array_foreach(content, i, part) {
        text = json_object_get(part, "text");

        if (json_is_string(text)) {
            text_add(chat, text, keep);
        }
    }
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

        if (strcmp(role, "user") == 0) {
            last = i;
        }
    }

    json_array_foreach(messages, i, message) {
        content_add(chat, json_object_get(message, "content"), i == last);
    }

    return true;
}


/* an absent or null member leaves *value_r alone */
static bool
integer_read(const json_t *root, const char *name, int64_t min, int64_t max,
    int64_t *value_r, struct mock_error *error_r)
{
    int64_t        n;
    const json_t  *value;

    value = json_object_get(root, name);
    if (value == NULL || json_is_null(value)) {
        return true;
    }

    n = json_integer_value(value);

    if (!json_is_integer(value) || n < min || n > max) {
        mock_error_set(error_r, 400, name, NULL, "\"%s\" must be an integer "
                       "from %lld to %lld", name, (long long) min,
                       (long long) max);
        return false;
    }

    *value_r = n;

    return true;
}


static bool
chat_read(struct mock_chat *chat, const json_t *root,
    struct mock_error *error_r)
{
    int64_t        choices;
    const json_t  *model, *options;

    model = json_object_get(root, "model");
    if (!json_is_string(model) || json_string_length(model) == 0) {
        mock_error_set(error_r, 400, "model", NULL,
                       "you must provide a \"model\"");
        return false;
    }

    choices = 1;

    if (!messages_read(chat, json_object_get(root, "messages"), error_r)
        || !integer_read(root, "n", 1, MOCK_CHOICES_MAX, &choices, error_r)
        || !integer_read(root, "max_tokens", 1, INT32_MAX,
                         &chat->max_tokens, error_r)
        || !integer_read(root, "max_completion_tokens", 1, INT32_MAX,
                         &chat->max_tokens, error_r))
    {
        return false;
    }

    mock_buf_add(&chat->model, json_string_value(model),
                 json_string_length(model));

    options = json_object_get(root, "stream_options");

    chat->choices = (unsigned) choices;
    chat->stream = json_is_true(json_object_get(root, "stream"));
    chat->include_usage = json_is_true(json_object_get(options,
                                                       "include_usage"));
    chat->tools = json_array_size(json_object_get(root, "tools")) > 0;

    return true;
}


bool
mock_chat_parse(struct mock_chat *chat, const char *body, size_t len,
    struct mock_error *error_r)
{
    bool          good;
    json_t       *root;
    json_error_t  where;

    *chat = (struct mock_chat) { .max_tokens = -1 };

    root = json_loadb(body ? body : "", len, JSON_ALLOW_NUL, &where);

    if (!json_is_object(root)) {
        mock_error_set(error_r, 400, NULL, NULL, "the body is not a JSON "
                       "object%s%s", root ? "" : ": ",
                       root ? "" : where.text);
        good = false;

    } else {
        good = chat_read(chat, root, error_r);
    }

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
