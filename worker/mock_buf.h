/*
 * A growable byte buffer for requests and answers, and the JSON spelling of
 * strings.  Running out of memory ends the process with a message: a mock
 * that answered half would spoil the test that uses it.
 */

#ifndef MOCK_BUF_H
#define MOCK_BUF_H


#include <stddef.h>


struct mock_buf {
    char    *data;
    size_t   len;               /* bytes in use */
    size_t   size;              /* bytes allocated */
};


/* A zeroed struct is an empty buffer. */
void mock_buf_free(struct mock_buf *buf);

void mock_buf_reserve(struct mock_buf *buf, size_t more);
void mock_buf_add(struct mock_buf *buf, const void *data, size_t len);
void mock_buf_text(struct mock_buf *buf, const char *text);
void mock_buf_printf(struct mock_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds the string with its quotes; the bytes must be UTF-8 already. */
void mock_buf_json(struct mock_buf *buf, const char *data, size_t len);

/* The largest n <= len that does not end within a UTF-8 sequence of data,
 * which may hold more than len bytes. */
size_t mock_buf_cut_utf8(const char *data, size_t len);

void *mock_alloc_zeroed(size_t size);


#endif /* MOCK_BUF_H */
