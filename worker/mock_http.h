/*
 * Answers over libmicrohttpd that are ready as a whole.
 */

#ifndef MOCK_HTTP_H
#define MOCK_HTTP_H


#include <stdint.h>
#include <microhttpd.h>

#include "mock_buf.h"
#include "mock_error.h"


#define MOCK_HTTP_JSON    "application/json"
#define MOCK_HTTP_STREAM  "text/event-stream; charset=utf-8"
#define MOCK_HTTP_HTML    "text/html"


/* Takes the body over; the buffer is empty afterwards. */
struct MHD_Response *mock_http_make(struct mock_buf *body);

/* Queues and forgets the response; number makes the x-request-id, which is
 * named as the dialect does. */
enum MHD_Result mock_http_send(struct MHD_Connection *connection,
    enum mock_dialect dialect, unsigned status, const char *type,
    uint64_t number, struct MHD_Response *response);

enum MHD_Result mock_http_send_error(struct MHD_Connection *connection,
    enum mock_dialect dialect, uint64_t number,
    const struct mock_error *error);


#endif /* MOCK_HTTP_H */
