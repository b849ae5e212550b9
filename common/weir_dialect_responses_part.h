/*
 * Of the Responses dialect; shared by its files, nobody else includes it.
 */

#ifndef WEIR_DIALECT_RESPONSES_PART_H
#define WEIR_DIALECT_RESPONSES_PART_H


#include "weir_failure.h"
#include "weir_member.h"
#include "weir_part.h"


int weir_responses_unsupported(weir_failure_t *f, const char *param,
    const char *what, weir_str_t name);

/* Members that are not in known (ends with NULL), and not null: -1, and f names
 * the first. */
int weir_responses_known(const weir_json_t *object, const char **known,
    const char *where, weir_failure_t *f);

/* "input" to neutral messages behind those that are there. */
int weir_responses_input(weir_json_t *messages, const weir_json_t *input,
    weir_failure_t *f);

/* A member that does not go to params or extra under its own name; body: that
 * it is of. */
int weir_responses_member(weir_json_t *params, weir_json_t *extra,
    const char *name, weir_json_t *value, const weir_json_t *body,
    weir_failure_t *f);

/* "tools", "tool_choice" and "parallel_tool_calls" of a body, in the words of a
 * chat completion. */
int weir_responses_tools(weir_json_t *to, weir_json_t *extra,
    const weir_json_t *body, weir_failure_t *f);


#endif /* WEIR_DIALECT_RESPONSES_PART_H */
