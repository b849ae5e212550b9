/*
 * Blocks of a message, between the Anthropic dialect and the neutral model;
 * shared by the files of the dialect, nobody else includes it.
 */

#ifndef WEIR_DIALECT_ANTHROPIC_PART_H
#define WEIR_DIALECT_ANTHROPIC_PART_H


#include "weir_outcome.h"
#include "weir_part.h"


/* A block to parts: its own, and those that belong to it.  asked: it is of a
 * request, so that what stands beside its members is kept.  false: it is of a
 * wrong form, or no memory; *why_r is then what it must have, or NULL. */
bool weir_block_read(weir_json_t *parts, weir_json_t *block, bool asked,
    const char **why_r);

/* The text of a tool's input, which is an object; NULL: no memory. */
weir_json_t *weir_block_arguments(const weir_json_t *input);

/* The input that a text of arguments says: of "" none; NULL: it is no object,
 * or no memory. */
weir_json_t *weir_block_input(weir_str_t arguments);

/* For a part of an outcome: arguments that are no object are put into one. */
weir_json_t *weir_block_input_any(weir_str_t arguments);

/* Parts to blocks in content.  f: they are of a request, and what cannot be
 * said is a failure; NULL: of an outcome, and then such parts are left out. */
int weir_blocks_write(weir_json_t *content, const weir_json_t *parts,
    weir_failure_t *f);

/* A failure of the request: this dialect has no words for that. */
int weir_anthropic_unsaid(weir_failure_t *f, const char *param,
    const char *what);

/* Members beside what was translated, of a request in the OpenAI dialect: -1:
 * one of them changes the answer. */
int weir_anthropic_beside(const weir_json_t *openai, const char *param,
    weir_failure_t *f);

/* params, tools and extra of a neutral request. */
int weir_anthropic_params(weir_json_t *body, const weir_json_t *request,
    weir_failure_t *f);

/* of a message and its events; choice may be NULL: it is none yet */

weir_str_t weir_anthropic_stop_of(weir_str_t reason);
weir_str_t weir_anthropic_reason_of(weir_str_t stop, bool refused);
weir_json_t *weir_anthropic_id(weir_str_t id);

/* extra: of the outcome, or NULL; input and output: all tokens. */
weir_json_t *weir_anthropic_usage(const weir_json_t *extra, long long input,
    long long output);

/* All tokens of a provider's input; -1: not said. */
long long weir_anthropic_input(const weir_json_t *usage);

/* An error event of a provider into f; -1. */
int weir_anthropic_error_event(const weir_json_t *doc, weir_failure_t *f);

/* What was told of the usage is taken out of that of extra: who collects it
 * would join the two. */
int weir_anthropic_usage_news(weir_json_t *extra, const weir_json_t *told);

/* Members of extra and of the choice that a provider's message has. */
int weir_anthropic_beside_read(weir_json_t *choice, weir_json_t *extra,
    weir_json_t *message);

/* A copy without the members that are null. */
weir_json_t *weir_anthropic_said(weir_json_t *from, const char **but);


#endif /* WEIR_DIALECT_ANTHROPIC_PART_H */
