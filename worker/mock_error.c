/*
 * Errors in the words of either dialect; see mock_error.h.  Never sends
 * anything.
 */

#include "mock_error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>


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

static const struct {
    unsigned     status;
    const char  *type;
} anthropic_types[] = {
    { 401, "authentication_error" },
    { 402, "billing_error" },
    { 403, "permission_error" },
    { 404, "not_found_error" },
    { 413, "request_too_large" },
    { 429, "rate_limit_error" },
    { 504, "timeout_error" },
    { 529, "overloaded_error" },
    { 0, NULL }
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


static void
error_write_openai(const struct mock_error *error, struct mock_buf *out)
{
    mock_buf_text(out, "{\"error\":{\"message\":");
    mock_buf_json(out, error->message, strlen(error->message));
    error_write_member(out, "type", error->type);
    error_write_member(out, "param", error->param);
    error_write_member(out, "code", error->code);
    mock_buf_text(out, "}}");
}


static void
error_write_anthropic(const struct mock_error *error, uint64_t number,
    struct mock_buf *out)
{
    size_t       i;
    const char  *type;

    type = error->status < 500 ? "invalid_request_error" : "api_error";

    for (i = 0; anthropic_types[i].status != 0; i++) {
        if (anthropic_types[i].status == error->status) {
            type = anthropic_types[i].type;
        }
    }

    mock_buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\","
                    "\"message\":", type);
    mock_buf_json(out, error->message, strlen(error->message));
    mock_buf_printf(out, "},\"request_id\":\"req-mock-%" PRIu64 "\"}", number);
}


void
mock_error_write(const struct mock_error *error, enum mock_dialect dialect,
    uint64_t number, struct mock_buf *out)
{
    if (dialect == MOCK_ANTHROPIC) {
        error_write_anthropic(error, number, out);

    } else {
        error_write_openai(error, out);
    }
}
