/*
 * What an answer says, whatever the dialect: its text, its tool calls, why it
 * ends, what it costs, and in which steps a stream tells it.
 */

#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock_buf.h"
#include "mock_chat.h"
#include "mock_plan.h"


/* the stages of a choice in their order, then those of the whole */
enum mock_stage {
    MOCK_STAGE_BEGIN,
    MOCK_STAGE_THINK_OPEN,
    MOCK_STAGE_THINK,
    MOCK_STAGE_THINK_SIGN,
    MOCK_STAGE_THINK_CLOSE,
    MOCK_STAGE_TEXT_OPEN,
    MOCK_STAGE_TEXT,
    MOCK_STAGE_EXTRA,           /* words that other choices do not have */
    MOCK_STAGE_TEXT_CLOSE,
    MOCK_STAGE_TOOLS,
    MOCK_STAGE_FINISH,
    MOCK_STAGE_USAGE,
    MOCK_STAGE_DONE,
    MOCK_STAGE_OVER
};

/* of the steps within MOCK_STAGE_TOOLS */
enum mock_tool_stage {
    MOCK_TOOL_OPEN,
    MOCK_TOOL_PIECE,
    MOCK_TOOL_CLOSE
};

enum mock_reason {
    MOCK_REASON_STOP,
    MOCK_REASON_LENGTH,
    MOCK_REASON_TOOL
};

/* One step of a stream; a dialect may have no event for it. */
struct mock_step {
    enum mock_stage       stage;
    enum mock_tool_stage  tool_stage;
    unsigned              choice;
    unsigned              tool;
    const char           *data;     /* of a word or a piece */
    size_t                len;
};

struct mock_choice {
    enum mock_stage  stage;     /* of the next step */
    size_t           at;        /* bytes, words or steps done of the stage */
};

struct mock_tokens {
    int64_t  prompt;
    int64_t  completion;
    int64_t  total;
    int64_t  cached;            /* of the prompt */
};

struct mock_answer {
    const struct mock_chat  *chat;      /* borrowed, as the plan is */
    const struct mock_plan  *plan;
    enum mock_dialect        dialect;
    enum mock_reason         reason;
    uint64_t                 number;    /* of the call: makes the id */
    int64_t                  created;   /* s since 1970 */
    struct mock_buf          text;
    const char              *args;      /* of each tool call */
    unsigned                 tools;     /* calls of tools */
    unsigned                 pieces;    /* of the arguments of each */

    struct mock_choice       choices[MOCK_CHOICES_MAX];
    enum mock_stage          tail;      /* once all choices are over */
    unsigned                 turn;      /* the choice whose turn it is */
    struct mock_buf          prefix;    /* what all events begin with */
    char                     extra[16];
};


/* A zeroed struct may be freed too. */
void mock_answer_init(struct mock_answer *answer, enum mock_dialect dialect,
    const struct mock_chat *chat, const struct mock_plan *plan,
    uint64_t number, uint64_t turn, int64_t created);
void mock_answer_free(struct mock_answer *answer);

/* what tells of thinking, a token each */
#define MOCK_THOUGHT  "hmm "

/* Adds the whole answer to out. */
void mock_answer_write(const struct mock_answer *answer, struct mock_buf *out);

/* Adds the next event to out; false: there is none. */
bool mock_answer_write_event(struct mock_answer *answer, struct mock_buf *out);

/* Whether at least half of the text has gone out in events, to all choices. */
bool mock_answer_past_half(const struct mock_answer *answer);

/* Whether the next event is a word, the first of all choices. */
bool mock_answer_at_word(const struct mock_answer *answer);

/* The word that choice has beyond others; n from 1 to choice. */
size_t mock_answer_extra(char *word, size_t size, unsigned n);

void mock_answer_count(const struct mock_answer *answer,
    struct mock_tokens *tokens);

/* Fills text up to size bytes with the word, cut between characters. */
void mock_answer_fill(struct mock_buf *text, const char *word, size_t size);


#endif /* MOCK_ANSWER_H */
