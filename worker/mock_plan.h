/*
 * How an answer shall misbehave: the directives, "name=value" separated by
 * spaces, and what they mean.  Pure: no I/O, no clock.
 */

#ifndef MOCK_PLAN_H
#define MOCK_PLAN_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


enum {
    MOCK_NAME_MAX = 64,         /* bytes of a tag, tool or finish reason */
    MOCK_KEY_MAX = 128,
    MOCK_MODELS_MAX = 256,
    MOCK_NUMBER_MAX = 16,
    MOCK_ARGS_MAX = 256,
    MOCK_TOOLS_MAX = 8,
    MOCK_PLAN_MAX = 4096,       /* bytes of a whole plan */
    MOCK_PLAN_ERROR = 512
};

enum mock_cut {
    MOCK_CUT_NONE,
    MOCK_CUT_BEFORE,
    MOCK_CUT_HEADERS,
    MOCK_CUT_BODY,
    MOCK_CUT_EVENT              /* within the next event */
};

/* where a stream ends as HTTP wants it, but not as the dialect does */
enum mock_stop {
    MOCK_STOP_DONE,             /* as it should */
    MOCK_STOP_BODY,             /* in the middle */
    MOCK_STOP_EVENT,            /* within the next event */
    MOCK_STOP_TEXT,             /* no finish reason, no end marker */
    MOCK_STOP_FINISH,           /* no end marker */
    MOCK_STOP_MARKER,           /* the end marker, but no finish reason */
    MOCK_STOP_OPEN              /* no empty line after the last event */
};

enum mock_bad {
    MOCK_BAD_NONE,
    MOCK_BAD_JSON,
    MOCK_BAD_UTF8,
    MOCK_BAD_ARRAY,
    MOCK_BAD_EMPTY,
    MOCK_BAD_UNKNOWN,
    MOCK_BAD_HUGE
};

enum mock_eol {
    MOCK_EOL_LF,
    MOCK_EOL_CRLF,
    MOCK_EOL_CR,
    MOCK_EOL_MIXED
};

enum mock_words {
    MOCK_WORDS_ASCII,
    MOCK_WORDS_WIDE,
    MOCK_WORDS_CLOCK
};

enum mock_shape {
    MOCK_SHAPE_ASKED,
    MOCK_SHAPE_NEVER,
    MOCK_SHAPE_ALWAYS
};

enum mock_garbage {
    MOCK_GARBAGE_NONE,
    MOCK_GARBAGE_JSON,
    MOCK_GARBAGE_HTML,
    MOCK_GARBAGE_EMPTY,
    MOCK_GARBAGE_BINARY,
    MOCK_GARBAGE_UTF8,
    MOCK_GARBAGE_HUGE
};

enum mock_usage {
    MOCK_USAGE_TRUE,
    MOCK_USAGE_NONE,
    MOCK_USAGE_NEGATIVE,
    MOCK_USAGE_HUGE
};

/* numbers: -1 means not given */
struct mock_plan {
    int64_t  delay;             /* ms before the first byte */
    int64_t  status;            /* 200: a good answer */
    int64_t  times;             /* misbehaving calls; -1: all */
    int64_t  trickle;           /* ms between a few bytes */
    int64_t  size;              /* bytes of the answer's text */
    int64_t  every;             /* ms between words of a stream */
    int64_t  hang;              /* 1: never answer */
    int64_t  cut;               /* enum mock_cut */
    int64_t  garbage;           /* enum mock_garbage */
    int64_t  usage;             /* enum mock_usage */

    /* what an answer consists of */
    int64_t  words;             /* enum mock_words, of its text */
    int64_t  counted;           /* words behind the text, with the call's
                                   number and their own */
    int64_t  thinking;          /* tokens before the text */
    int64_t  preface;           /* tokens of text before tool calls */
    int64_t  tools;             /* parallel calls of the tool */
    int64_t  pieces;            /* of the arguments of each */
    int64_t  turns;             /* 1: pieces of all calls alternate */
    int64_t  vary;              /* 1: choices differ */
    int64_t  cached;            /* tokens of the input */

    /* streams */
    int64_t  after;             /* events before the fault */
    int64_t  stop;              /* enum mock_stop */
    int64_t  bad;               /* enum mock_bad */
    int64_t  pause;             /* ms of silence */
    int64_t  stream;            /* enum mock_shape */
    int64_t  eol;               /* enum mock_eol */
    int64_t  space;             /* 0: none after the colon */
    int64_t  escape;            /* 1: events are ASCII */
    int64_t  ping;              /* events between two pings */
    int64_t  comment;           /* events between two comments */
    int64_t  batch;             /* events in one write */
    int64_t  piece;             /* bytes in one write */

    /* "" means not given */
    char     retry_after[MOCK_NUMBER_MAX + 1];      /* s */
    char     retry_after_ms[MOCK_NUMBER_MAX + 1];
    char     tag[MOCK_NAME_MAX + 1];
    char     tool[MOCK_NAME_MAX + 1];
    char     finish[MOCK_NAME_MAX + 1];
    char     key[MOCK_KEY_MAX + 1];
    char     models[MOCK_MODELS_MAX + 1];           /* comma separated */
    char     error[MOCK_NAME_MAX + 1];              /* type of the event */
    char     args[MOCK_ARGS_MAX + 1];               /* of tool calls: JSON */
};


/* The plan of a well-behaved answer. */
void mock_plan_init(struct mock_plan *plan);

/*
 * Lays the directives of text over the plan.  On failure the message of at
 * most size bytes says which directive is wrong, in printable ASCII, and the
 * plan may have changed in part.
 */
bool mock_plan_parse(struct mock_plan *plan, const char *text, size_t len,
    char *error_r, size_t size);

/*
 * Takes each "[[mock ...]]" out of text, in place, and lays its directives
 * over the plan.  Fails as mock_plan_parse() does.
 */
bool mock_plan_take(struct mock_plan *plan, char *text, size_t *len,
    char *error_r, size_t size);

/* The answer is good from here on: nothing that "times" limits remains. */
void mock_plan_behave(struct mock_plan *plan);

/* Whether the plan lets this model be used. */
bool mock_plan_model_allowed(const struct mock_plan *plan, const char *model,
    size_t len);


#endif /* MOCK_PLAN_H */
