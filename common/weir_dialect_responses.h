/*
 * The OpenAI Responses dialect, to and from the neutral model: the client's
 * half, which the edge uses.  No provider is asked in it: what a request says
 * becomes what a chat completion says, so that the same question is one in both
 * dialects.
 */

#ifndef WEIR_DIALECT_RESPONSES_H
#define WEIR_DIALECT_RESPONSES_H


#include "weir_neutral.h"


/* A body of POST /v1/responses to a neutral request, which the caller owns.
 * NULL: f says what is wrong with it. */
weir_json_t *weir_responses_request(const weir_json_t *body,
    weir_failure_t *f);


/* What such a body says of its job. */

typedef struct {
    bool         stream;
    bool         background;
    bool         store;
    weir_buf_t   metadata;          /* JSON; empty: none */
} weir_responses_options_t;

/* Of a body that was accepted as a request.  o is freed by the caller in any
 * case.  -1: f says what is wrong. */
int weir_responses_options(const weir_json_t *body,
    weir_responses_options_t *o, weir_failure_t *f);
void weir_responses_options_free(weir_responses_options_t *o);


#endif /* WEIR_DIALECT_RESPONSES_H */
