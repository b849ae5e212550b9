/*
 * Growable byte buffers and JSON strings; see mock_buf.h.  Knows nothing of
 * HTTP or of what the bytes mean.
 */

#include "mock_buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define PRINTF_ROOM  128        /* bytes that most formatted texts fit in */

static void
die_of_memory(void)
{
    fputs("weir-mock-llm: out of memory\n", stderr);
    abort();
}


void *
mock_alloc_zeroed(size_t size)
{
    void  *p;

    p = calloc(1, size);
    if (p == NULL) {
        die_of_memory();
    }

    return p;
}


void
mock_buf_free(struct mock_buf *buf)
{
    free(buf->data);
    *buf = (struct mock_buf) { 0 };
}


void
mock_buf_reserve(struct mock_buf *buf, size_t more)
{
    char    *data;
    size_t   size;

    if (more <= buf->size - buf->len) {
        return;
    }

    if (more > SIZE_MAX / 2 - buf->len) {
        die_of_memory();
    }

    size = buf->size < 256 ? 256 : buf->size;
    while (size < buf->len + more) {
        size *= 2;
    }

    data = realloc(buf->data, size);
    if (data == NULL) {
        die_of_memory();
    }

    buf->data = data;
    buf->size = size;
}


void
mock_buf_add(struct mock_buf *buf, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }

    mock_buf_reserve(buf, len);
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
}


void
mock_buf_text(struct mock_buf *buf, const char *text)
{
    mock_buf_add(buf, text, strlen(text));
}


void
mock_buf_printf(struct mock_buf *buf, const char *fmt, ...)
{
    int      n;
    size_t   room;
    va_list  args;

    mock_buf_reserve(buf, PRINTF_ROOM);

    for ( ;; ) {
        room = buf->size - buf->len;

        va_start(args, fmt);
        n = vsnprintf(buf->data + buf->len, room, fmt, args);
        va_end(args);

        if (n < 0) {
            die_of_memory();
        }

        if ((size_t) n < room) {
            break;
        }

        /* one more for the NUL, which is not counted in len */
        mock_buf_reserve(buf, (size_t) n + 1);
    }

    buf->len += (size_t) n;
}


static void
buf_json_escape(struct mock_buf *buf, unsigned char c)
{
    switch (c) {

    case '"':
        mock_buf_add(buf, "\\\"", 2);
        break;

    case '\\':
        mock_buf_add(buf, "\\\\", 2);
        break;

    case '\n':
        mock_buf_add(buf, "\\n", 2);
        break;

    case '\t':
        mock_buf_add(buf, "\\t", 2);
        break;

    default:
        mock_buf_printf(buf, "\\u%04x", c);
    }
}


void
mock_buf_json(struct mock_buf *buf, const char *data, size_t len)
{
    size_t         from, i;
    unsigned char  c;

    mock_buf_reserve(buf, len + 2);
    mock_buf_add(buf, "\"", 1);

    for (from = 0, i = 0; i < len; i++) {
        c = (unsigned char) data[i];

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }

        mock_buf_add(buf, data + from, i - from);
        buf_json_escape(buf, c);
        from = i + 1;
    }

    mock_buf_add(buf, data + from, len - from);
    mock_buf_add(buf, "\"", 1);
}


size_t
mock_buf_cut_utf8(const char *data, size_t len)
{
    while (len > 0 && ((unsigned char) data[len] & 0xc0) == 0x80) {
        len--;
    }

    return len;
}
