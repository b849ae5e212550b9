/*
 * A growable byte buffer on the heap.  Appending cannot fail in the middle:
 * when memory runs out, or the limit is passed, the buffer remembers it in
 * "failed" and ignores what follows, so that a builder is checked once, at
 * its end.
 */

#ifndef WEIR_BUF_H
#define WEIR_BUF_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_str.h"


typedef struct {
    char    *data;
    size_t   len;
    size_t   size;
    size_t   limit;             /* bytes; 0: none */
    bool     failed;
} weir_buf_t;


/* A zeroed struct is an empty buffer too. */
void weir_buf_init(weir_buf_t *b, size_t limit);

/* Gives the memory back and empties the buffer, which may be used again. */
void weir_buf_free(weir_buf_t *b);

/* Forgets the content and keeps the memory. */
void weir_buf_reset(weir_buf_t *b);

void weir_buf_add(weir_buf_t *b, const void *data, size_t len);
void weir_buf_str(weir_buf_t *b, weir_str_t s);
void weir_buf_text(weir_buf_t *b, const char *text);
void weir_buf_printf(weir_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* n in decimal, at the end of text, without printf: text has room for
 * WEIR_DECIMAL_MAX bytes, the result points into it. */
#define WEIR_DECIMAL_MAX  24

weir_str_t weir_decimal(char text[WEIR_DECIMAL_MAX], long long n);

/* Removes the first n bytes. */
void weir_buf_consume(weir_buf_t *b, size_t n);

/* Makes room for n more bytes; returns where to write them, NULL on failure.
 * The caller then adds what it wrote to b->len. */
char *weir_buf_reserve(weir_buf_t *b, size_t n);


#endif /* WEIR_BUF_H */
