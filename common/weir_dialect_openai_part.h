/*
 * Parts of a message, between the OpenAI dialect and the neutral model; shared
 * by the files of the dialect, nobody else includes it.
 */

#ifndef WEIR_DIALECT_OPENAI_PART_H
#define WEIR_DIALECT_OPENAI_PART_H


#include "weir_outcome.h"
#include "weir_part.h"


/* A member of a content array; NULL: it has no type, or no memory. */
weir_json_t *weir_content_read(weir_json_t *content);
weir_json_t *weir_content_write(weir_json_t *part);

/* Members of a tool_calls array to parts.  -1: no memory. */
int weir_calls_read(weir_json_t *parts, weir_json_t *calls);
bool weir_part_is_call(const weir_json_t *part);
weir_json_t *weir_call_write(weir_json_t *part);

/* of a request in another dialect: what a call says in this one.  content: of a
 * tool's result that is an error, written */
int weir_other_extra(weir_json_t *body, const weir_json_t *extra);
int weir_other_error(weir_json_t *content);

/* The provider's usage, as this dialect shows it, of the extra of an outcome of
 * any; the caller owns it.  NULL: it says no more than our counts. */
weir_json_t *weir_other_usage(const weir_json_t *extra);

/* of a provider: why a choice has ended, in neutral words */
weir_str_t weir_stop_of(weir_str_t reason);

/* Bytes of the text of an embedding into bytes, all of it finite numbers of 32
 * bits; false: it is none. */
bool weir_embed_decode(weir_str_t data, weir_buf_t *bytes);

/* What a completion and its events have in common; all but the reason give a
 * reference, or NULL: no memory.  position: of the choice among all; own: the
 * provider's usage, or NULL. */
weir_str_t weir_reason_of(weir_str_t stop);
weir_json_t *weir_completion_id(weir_str_t id);
weir_json_t *weir_choice_index(const weir_json_t *choice, size_t position);
weir_json_t *weir_usage_write(weir_json_t *own, long long input,
    long long output);


#endif /* WEIR_DIALECT_OPENAI_PART_H */
