/*
 * Bodies that are no completion; see mock_garbage.h.  Never sends anything.
 */

#include "mock_garbage.h"

#include <string.h>


#define HUGE_SIZE  (20 * 1024 * 1024)


void
mock_garbage_write(enum mock_garbage garbage, bool stream,
    struct mock_buf *out)
{
    char  *p;

    if (stream && (garbage == MOCK_GARBAGE_JSON
                   || garbage == MOCK_GARBAGE_UTF8
                   || garbage == MOCK_GARBAGE_HUGE))
    {
        mock_buf_text(out, "data: ");
    }

    switch (garbage) {

    case MOCK_GARBAGE_JSON:
        mock_buf_text(out, "{\"id\":\"chatcmpl-mock-garbage\",\"object\":\"ch"
                      "at.completion\",\"choices\":[{\"index\":0,\"messa");
        break;

    case MOCK_GARBAGE_HTML:
        mock_buf_text(out, "<html>\r\n<head><title>502 Bad Gateway</title>"
                      "</head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
                      "</center>\r\n</body>\r\n</html>\r\n");
        break;

    case MOCK_GARBAGE_BINARY:
        mock_buf_reserve(out, 256);
        for (p = out->data + out->len; out->len < 256; out->len++) {
            *p++ = (char) out->len;
        }

        break;

    case MOCK_GARBAGE_UTF8:
        mock_buf_text(out, "{\"id\":\"chatcmpl-mock-garbage\",\"choices\":["
                      "{\"index\":0,\"message\":{\"role\":\"assistant\","
                      "\"content\":\"Echo: \xff\xfe\xc3( \xed\xa0\x80\"},"
                      "\"finish_reason\":\"stop\"}]}");
        break;

    case MOCK_GARBAGE_HUGE:
        mock_buf_text(out, "{\"padding\":\"");
        mock_buf_reserve(out, HUGE_SIZE + 2);
        memset(out->data + out->len, 'x', HUGE_SIZE);
        out->len += HUGE_SIZE;
        mock_buf_text(out, "\"}");
        break;

    default: /* MOCK_GARBAGE_EMPTY */
        break;
    }

    if (stream && out->len > 0) {
        mock_buf_text(out, "\n\n");
    }
}
