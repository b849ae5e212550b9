/*
 * Errors, and their JSON in either dialect.
 */

#ifndef MOCK_ERROR_H
#define MOCK_ERROR_H


#include <stdint.h>

#include "mock_buf.h"
#include "mock_dialect.h"


enum {
    MOCK_MESSAGE_MAX = 768
};

/* type, param and code are of the OpenAI dialect; the last two may be NULL.
 * Anthropic's type follows from the status. */
struct mock_error {
    unsigned     status;
    const char  *type;
    const char  *param;
    const char  *code;
    char         message[MOCK_MESSAGE_MAX];
};


void mock_error_set(struct mock_error *error, unsigned status,
    const char *param, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* number: of the request, for the id in Anthropic's errors */
void mock_error_write(const struct mock_error *error,
    enum mock_dialect dialect, uint64_t number, struct mock_buf *out);


#endif /* MOCK_ERROR_H */
