/*
 * Parts of a message, between the OpenAI dialect and the neutral model; shared
 * by the files of the dialect, nobody else includes it.
 *
 * What a reader does not translate is kept in a member "openai" beside the
 * translation, and a writer puts it back.
 */

#ifndef WEIR_DIALECT_OPENAI_PART_H
#define WEIR_DIALECT_OPENAI_PART_H


#include "weir_outcome.h"


/* { "type": type } */
weir_json_t *weir_part_new(const char *type);

/* { "type": "openai", member: value }; value is borrowed */
weir_json_t *weir_part_opaque(const char *member, weir_json_t *value);

/* { "type": type, "text": text }; text is borrowed */
weir_json_t *weir_part_text(const char *type, weir_json_t *text);

bool weir_part_is(const weir_json_t *part, const char *type);

/* Members of from that are not in known (ends with NULL) go to an object
 * "name" in to, if there are any.  -1: no memory. */
int weir_rest_read(weir_json_t *to, const char *name, weir_json_t *from,
    const char **known);

/* A member of a content array; NULL: it has no type, or no memory. */
weir_json_t *weir_content_read(weir_json_t *content);
weir_json_t *weir_content_write(weir_json_t *part);

/* Members of a tool_calls array to parts.  -1: no memory. */
int weir_calls_read(weir_json_t *parts, weir_json_t *calls);
bool weir_part_is_call(const weir_json_t *part);
weir_json_t *weir_call_write(weir_json_t *part);

/* of a provider: why a choice has ended, in neutral words; a count of tokens,
 * within bounds */
#define WEIR_TOKENS_MAX  1000000000000LL

weir_str_t weir_stop_of(weir_str_t reason);
long long weir_tokens(const weir_json_t *usage, const char *name);

/* What a completion and its events have in common; all but the reason give a
 * reference, or NULL: no memory.  position: of the choice among all; own: the
 * provider's usage, or NULL. */
weir_str_t weir_reason_of(weir_str_t stop);
weir_json_t *weir_completion_id(weir_str_t id);
weir_json_t *weir_choice_index(const weir_json_t *choice, size_t position);
weir_json_t *weir_usage_write(weir_json_t *own, long long input,
    long long output);


#endif /* WEIR_DIALECT_OPENAI_PART_H */
