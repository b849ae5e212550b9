/*
 * From headers and body to what a call asks for; see mock_ask.h.  Never sends
 * anything.
 */

#include "mock_ask.h"

#include <string.h>
#include <strings.h>


#define MESSAGES    "/v1/messages"
#define EMBEDDINGS  "/v1/embeddings"


enum mock_dialect
mock_ask_dialect(const char *path)
{
    size_t  len;

    len = sizeof(MESSAGES) - 1;

    return strncmp(path, MESSAGES, len) == 0
           && (path[len] == '\0' || path[len] == '/') ? MOCK_ANTHROPIC
                                                      : MOCK_OPENAI;
}


void
mock_ask_init(struct mock_ask *ask, const char *path,
    const struct mock_plan *plan)
{
    *ask = (struct mock_ask) {
        .dialect = mock_ask_dialect(path),
        .embeds = strcmp(path, EMBEDDINGS) == 0,
        .plan = *plan
    };
}


void
mock_ask_free(struct mock_ask *ask)
{
    mock_chat_free(&ask->chat);
    mock_embed_free(&ask->embed);
}


static bool
plan_error(const char *reason, struct mock_error *error_r)
{
    mock_error_set(error_r, MHD_HTTP_BAD_REQUEST, NULL, "mock_plan",
                   "mock plan: %s", reason);

    return false;
}


static bool
plan_take(struct mock_ask *ask, struct mock_buf *text,
    struct mock_error *error_r)
{
    char  reason[MOCK_PLAN_ERROR];

    return mock_plan_take(&ask->plan, text->data, &text->len, reason,
                          sizeof(reason))
           || plan_error(reason, error_r);
}


static bool
embed_read(struct mock_ask *ask, const struct mock_buf *body,
    struct mock_error *error_r)
{
    size_t              i;
    struct mock_input  *input;

    if (!mock_embed_parse(&ask->embed, body->data, body->len, error_r)) {
        return false;
    }

    for (i = 0; i < ask->embed.count; i++) {
        input = &ask->embed.inputs[i];

        if (input->spoken && !plan_take(ask, &input->text, error_r)) {
            return false;
        }
    }

    return true;
}


/* the plan of the process, of the header, and of the text: later wins */
bool
mock_ask_read(struct mock_ask *ask, struct MHD_Connection *connection,
    const struct mock_buf *body, struct mock_error *error_r)
{
    char         reason[MOCK_PLAN_ERROR];
    const char  *header;

    header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                         "X-Mock-Plan");

    if (header != NULL && !mock_plan_parse(&ask->plan, header, strlen(header),
                                           reason, sizeof(reason)))
    {
        return plan_error(reason, error_r);
    }

    if (ask->embeds) {
        return embed_read(ask, body, error_r);
    }

    return mock_chat_parse(&ask->chat, ask->dialect, body->data, body->len,
                           error_r)
           && plan_take(ask, &ask->chat.text, error_r);
}


static bool
key_allowed(const struct mock_ask *ask, struct MHD_Connection *connection)
{
    const char  *value;

    if (ask->plan.key[0] == '\0') {
        return true;
    }

    if (ask->dialect == MOCK_ANTHROPIC) {
        value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                            "X-Api-Key");
        return value != NULL && strcmp(value, ask->plan.key) == 0;
    }

    value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                        "Authorization");

    return value != NULL && strncasecmp(value, "Bearer ", 7) == 0
           && strcmp(value + 7, ask->plan.key) == 0;
}


bool
mock_ask_allowed(const struct mock_ask *ask,
    struct MHD_Connection *connection, struct mock_error *error_r)
{
    const struct mock_buf  *model;

    if (!key_allowed(ask, connection)) {
        mock_error_set(error_r, MHD_HTTP_UNAUTHORIZED, NULL, NULL,
                       "incorrect API key provided");
        return false;
    }

    if (ask->dialect == MOCK_ANTHROPIC
        && MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       "Anthropic-Version") == NULL)
    {
        mock_error_set(error_r, MHD_HTTP_BAD_REQUEST, NULL, NULL,
                       "anthropic-version: header is required");
        return false;
    }

    model = ask->embeds ? &ask->embed.model : &ask->chat.model;

    if (!mock_plan_model_allowed(&ask->plan, model->data, model->len)) {
        mock_error_set(error_r, MHD_HTTP_NOT_FOUND, "model",
                       "model_not_found", "the model \"%.*s\" does not exist",
                       (int) model->len, model->data);
        return false;
    }

    return true;
}


bool
mock_ask_streams(const struct mock_ask *ask)
{
    switch (ask->plan.stream) {

    case MOCK_SHAPE_NEVER:
        return false;

    case MOCK_SHAPE_ALWAYS:
        return !ask->embeds;

    default:
        return !ask->embeds && ask->chat.stream;
    }
}
