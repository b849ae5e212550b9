/*
 * The growable byte buffer.  Owns its memory and nothing else.
 */

#include "weir_buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>


#define WEIR_BUF_FIRST  256
#define WEIR_BUF_TEXT   128         /* room for most formatted texts */


void
weir_buf_init(weir_buf_t *b, size_t limit)
{
    memset(b, 0, sizeof(weir_buf_t));
    b->limit = limit;
}


void
weir_buf_free(weir_buf_t *b)
{
    free(b->data);
    weir_buf_init(b, b->limit);
}


void
weir_buf_reset(weir_buf_t *b)
{
    b->len = 0;
    b->failed = false;
}


char *
weir_buf_reserve(weir_buf_t *b, size_t n)
{
    char    *data;
    size_t   need, size;

    need = b->len + n;

    if (b->failed || need < n || (b->limit && need > b->limit)) {
        b->failed = true;
        return NULL;
    }

    if (need <= b->size) {
        return b->data + b->len;
    }

    size = b->size ? b->size : WEIR_BUF_FIRST;

    while (size < need) {
        size += size / 2 + 1;
    }

    data = realloc(b->data, size);
    if (data == NULL) {
        b->failed = true;
        return NULL;
    }

    b->data = data;
    b->size = size;

    return b->data + b->len;
}


void
weir_buf_add(weir_buf_t *b, const void *data, size_t len)
{
    char  *p;

    if (len == 0) {
        return;
    }

    p = weir_buf_reserve(b, len);
    if (p == NULL) {
        return;
    }

    memcpy(p, data, len);
    b->len += len;
}


void
weir_buf_str(weir_buf_t *b, weir_str_t s)
{
    weir_buf_add(b, s.data, s.len);
}


void
weir_buf_text(weir_buf_t *b, const char *text)
{
    weir_buf_add(b, text, strlen(text));
}


void
weir_buf_printf(weir_buf_t *b, const char *fmt, ...)
{
    int      n;
    char    *p;
    size_t   room;
    va_list  args;

    room = WEIR_BUF_TEXT;

    if (b->limit && b->len + room > b->limit) {
        room = b->limit > b->len ? b->limit - b->len : 1;
    }

    for ( ;; ) {
        p = weir_buf_reserve(b, room);
        if (p == NULL) {
            return;
        }

        va_start(args, fmt);
        n = vsnprintf(p, room, fmt, args);
        va_end(args);

        if (n < 0) {
            b->failed = true;
            return;
        }

        if ((size_t) n < room) {
            b->len += (size_t) n;
            return;
        }

        room = (size_t) n + 1;
    }
}


weir_str_t
weir_decimal(char text[WEIR_DECIMAL_MAX], long long n)
{
    size_t              i;
    unsigned long long  u;

    u = n < 0 ? 0 - (unsigned long long) n : (unsigned long long) n;
    i = WEIR_DECIMAL_MAX;

    do {
        text[--i] = (char) ('0' + u % 10);
        u /= 10;
    } while (u);

    if (n < 0) {
        text[--i] = '-';
    }

    return (weir_str_t) { text + i, WEIR_DECIMAL_MAX - i };
}


void
weir_buf_consume(weir_buf_t *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }

    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}
