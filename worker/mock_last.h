/*
 * The last chat call as it arrived, so that a test can see what a gateway
 * made of its request.
 */

#ifndef MOCK_LAST_H
#define MOCK_LAST_H


#include "mock_buf.h"


/* A zeroed struct is "no call yet". */
struct mock_last {
    struct mock_buf  head;      /* method, path, then names and values of
                                   headers, each ended by a NUL */
    struct mock_buf  body;
};


/* Forgets the call before. */
void mock_last_begin(struct mock_last *last, const char *method,
    const char *path);

/* value NULL: "" */
void mock_last_header(struct mock_last *last, const char *name,
    const char *value);

/* Takes the bytes over; the buffer is empty afterwards. */
void mock_last_body(struct mock_last *last, struct mock_buf *body);

void mock_last_write(const struct mock_last *last, struct mock_buf *out);
void mock_last_free(struct mock_last *last);


#endif /* MOCK_LAST_H */
