/*
 * Embeddings: what is asked for, and vectors that follow from the input
 * alone.
 */

#ifndef MOCK_EMBED_H
#define MOCK_EMBED_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock_buf.h"
#include "mock_error.h"
#include "mock_plan.h"


enum {
    MOCK_INPUTS_MAX = 2048,
    MOCK_DIMENSIONS_MAX = 4096
};

struct mock_input {
    struct mock_buf  text;
    uint64_t         tokens;    /* of an array of tokens */
    bool             spoken;    /* a text, and no array of tokens */
};

struct mock_embed {
    struct mock_buf     model;
    struct mock_input  *inputs;
    size_t              count;
    int64_t             dimensions;
    uint64_t            tokens;     /* of all inputs, with directives */
    bool                base64;
};


/* On failure error_r is filled, and embed holds nothing. */
bool mock_embed_parse(struct mock_embed *embed, const char *body, size_t len,
    struct mock_error *error_r);
void mock_embed_free(struct mock_embed *embed);

void mock_embed_write(const struct mock_embed *embed,
    const struct mock_plan *plan, struct mock_buf *out);


#endif /* MOCK_EMBED_H */
