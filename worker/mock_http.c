/*
 * Responses of libmicrohttpd and the headers that all of them bear.
 */

#include "mock_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>


static struct MHD_Response *
http_checked(struct MHD_Response *response)
{
    if (response == NULL) {
        fputs("weir-mock-llm: out of memory\n", stderr);
        abort();
    }

    return response;
}


struct MHD_Response *
mock_http_make(struct mock_buf *body)
{
    struct MHD_Response  *response;

    if (body->len == 0) {
        mock_buf_free(body);
        return http_checked(MHD_create_response_from_buffer(0, (void *) "",
                                                    MHD_RESPMEM_PERSISTENT));
    }

    response = MHD_create_response_from_buffer(body->len, body->data,
                                               MHD_RESPMEM_MUST_FREE);
    *body = (struct mock_buf) { 0 };

    return http_checked(response);
}


enum MHD_Result
mock_http_send(struct MHD_Connection *connection,
    enum mock_dialect dialect, unsigned status, const char *type,
    uint64_t number, struct MHD_Response *response)
{
    char             id[32];
    enum MHD_Result  rc;

    snprintf(id, sizeof(id), "req-mock-%" PRIu64, number);

    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, dialect == MOCK_ANTHROPIC
                                      ? "Request-Id" : "X-Request-Id", id);

    rc = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);

    return rc;
}


enum MHD_Result
mock_http_send_error(struct MHD_Connection *connection,
    enum mock_dialect dialect, uint64_t number,
    const struct mock_error *error)
{
    struct mock_buf  body;

    body = (struct mock_buf) { 0 };
    mock_error_write(error, dialect, number, &body);

    return mock_http_send(connection, dialect, error->status, MOCK_HTTP_JSON,
                          number, mock_http_make(&body));
}
