/*
 * Answers in the dialect of OpenAI, as bytes.
 */

#ifndef MOCK_OPENAI_H
#define MOCK_OPENAI_H


#include "mock_answer.h"
#include "mock_buf.h"


void mock_openai_write(const struct mock_answer *answer,
    struct mock_buf *out);

/* May add nothing: then the dialect has no event for this step. */
void mock_openai_write_event(struct mock_answer *answer,
    const struct mock_step *step, struct mock_buf *out);

/* Adds the event that tells of an error of this type. */
void mock_openai_write_error(const char *type, struct mock_buf *out);


#endif /* MOCK_OPENAI_H */
