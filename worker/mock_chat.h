/*
 * What a request for a chat asks for, in either dialect, as far as the answer
 * depends on it.
 */

#ifndef MOCK_CHAT_H
#define MOCK_CHAT_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock_buf.h"
#include "mock_error.h"


enum {
    MOCK_CHOICES_MAX = 8
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
    bool             tool_result;   /* the last message bears one */
};


/* On failure error_r is filled, and chat holds nothing. */
bool mock_chat_parse(struct mock_chat *chat, enum mock_dialect dialect,
    const char *body, size_t len, struct mock_error *error_r);
void mock_chat_free(struct mock_chat *chat);


#endif /* MOCK_CHAT_H */
