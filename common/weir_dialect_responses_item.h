/*
 * What a model said as items of a response, which are fewer than its parts:
 * texts one after the other are one message, thoughts one item of reasoning.
 * Shared by the files of the Responses dialect, nobody else includes it.
 */

#ifndef WEIR_DIALECT_RESPONSES_ITEM_H
#define WEIR_DIALECT_RESPONSES_ITEM_H


#include "weir_failure.h"
#include "weir_part.h"


typedef enum {
    WEIR_ITEM_NONE = 0,             /* this dialect does not show it */
    WEIR_ITEM_MESSAGE,
    WEIR_ITEM_REASONING,
    WEIR_ITEM_CALL
} weir_item_e;


/* of a part of this type */
weir_item_e weir_item_kind(weir_str_t type);

/* Appends the id of the index-th item of a job's response. */
void weir_item_id(weir_buf_t *out, weir_item_e kind, weir_str_t job,
    unsigned index);

/* All of the next give a reference, or NULL: no memory.  content is borrowed;
 * NULL: none yet. */
weir_json_t *weir_item_content(weir_str_t type, weir_str_t text);
weir_json_t *weir_item_new(weir_item_e kind, weir_str_t job, unsigned index,
    const char *status, weir_json_t *content);
weir_json_t *weir_item_call(weir_str_t job, unsigned index,
    const char *status, weir_str_t id, weir_str_t name, weir_str_t arguments);

/* The items of all parts.  cut: the answer ended before its end, and so did the
 * last of them. */
weir_json_t *weir_items_write(weir_str_t job, const weir_json_t *parts,
    bool cut);

/* The chat dialect's "logprobs" of the answer, into its first text. */
int weir_items_logprobs(weir_json_t *items, const weir_json_t *logprobs);

/* Why the answer is not whole, or NULL: it is. */
const char *weir_items_cut(weir_str_t stop);


/* a response, whatever it is made of; all is borrowed */

typedef struct {
    weir_str_t              id;         /* of the job */
    weir_str_t              model;
    weir_str_t              echo;
    int64_t                 created;    /* s */
    int64_t                 completed;  /* s; 0: not said */
    const char             *status;
    const char             *cut;        /* why it is not whole; NULL: it is */
    const weir_failure_t   *error;      /* NULL: none */
    weir_json_t            *items;      /* NULL: none */
    const weir_json_t      *extra;      /* of the outcome; may be NULL */
    bool                    usage;      /* it is known */
    long long               input;
    long long               output;
} weir_response_t;

/* NULL: no memory */
weir_json_t *weir_response_write(const weir_response_t *d);


#endif /* WEIR_DIALECT_RESPONSES_ITEM_H */
