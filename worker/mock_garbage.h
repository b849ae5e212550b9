/*
 * Bodies that are no completion at all.
 */

#ifndef MOCK_GARBAGE_H
#define MOCK_GARBAGE_H


#include <stdbool.h>

#include "mock_buf.h"
#include "mock_plan.h"


/* stream: spoil the stream of events, not the completion */
void mock_garbage_write(enum mock_garbage garbage, bool stream,
    struct mock_buf *out);


#endif /* MOCK_GARBAGE_H */
