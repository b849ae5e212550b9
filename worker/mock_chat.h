/*
 * What a chat request asks for, as far as the answer depends on it.
 */

#ifndef MOCK_CHAT_H
#define MOCK_CHAT_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock_buf.h"


enum {
    MOCK_CHOICES_MAX = 8,
    MOCK_MESSAGE_MAX = 768
};

struct mock_chat {
    struct mock_buf  model;
    struct mock_buf  text;          /* of the last message of the user */
    uint64_t         prompt_bytes;  /* text of all messages */
    int64_t          max_tokens;    /* -1: no limit */
    unsigned         choices;
    bool             stream;
    bool             include_usage;
    bool             tools;         /* at least one is offered */
};

/* An error answer of the OpenAI dialect; param and code may be NULL. */
struct mock_error {
    unsigned     status;
    const char  *type;
    const char  *param;
    const char  *code;
    char         message[MOCK_MESSAGE_MAX];
};


/* On failure error_r is filled, and chat holds nothing. */
bool mock_chat_parse(struct mock_chat *chat, const char *body, size_t len,
    struct mock_error *error_r);
void mock_chat_free(struct mock_chat *chat);

void mock_error_set(struct mock_error *error, unsigned status,
    const char *param, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void mock_error_write(const struct mock_error *error, struct mock_buf *out);


#endif /* MOCK_CHAT_H */
