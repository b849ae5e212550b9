/*
 * The bytes of answers: a whole completion, the events of a stream one by
 * one, and the things that are no completion at all.
 */

#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock_buf.h"
#include "mock_chat.h"
#include "mock_plan.h"


enum mock_stage {
    MOCK_STAGE_ROLE,
    MOCK_STAGE_TEXT,
    MOCK_STAGE_FINISH,
    MOCK_STAGE_USAGE,
    MOCK_STAGE_DONE,
    MOCK_STAGE_OVER
};

struct mock_answer {
    const struct mock_chat  *chat;      /* borrowed, as the plan is */
    const struct mock_plan  *plan;
    uint64_t                 number;    /* of the call: makes the id */
    int64_t                  created;   /* s since 1970 */
    struct mock_buf          text;
    const char              *finish;
    bool                     tool;      /* a tool call, and no text */

    enum mock_stage          stage;     /* of the next event */
    size_t                   at;        /* bytes of text in past events */
    struct mock_buf          prefix;    /* what all events begin with */
};


/* A zeroed struct may be freed too. */
void mock_answer_init(struct mock_answer *answer, const struct mock_chat *chat,
    const struct mock_plan *plan, uint64_t number, int64_t created);
void mock_answer_free(struct mock_answer *answer);

void mock_answer_write(const struct mock_answer *answer, struct mock_buf *out);

/* Adds the next event, for each choice, to out; false: there is none. */
bool mock_answer_write_event(struct mock_answer *answer, struct mock_buf *out);

/* Whether at least half of the text has gone out in events. */
bool mock_answer_past_half(const struct mock_answer *answer);

/* stream: spoil the stream of events, not the completion */
void mock_garbage_write(enum mock_garbage garbage, bool stream,
    struct mock_buf *out);


#endif /* MOCK_ANSWER_H */
