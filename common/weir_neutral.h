/*
 * The neutral request: a question to a model in no dialect, as Redis carries
 * it.  Its JSON form is part of the Redis contract:
 *
 * {"v":1,"kind":"chat","model":"m",
 *  "messages":[{"role":"user","parts":[{"type":"text","text":"..."}]}],
 *  "params":{"max_tokens":10,"temperature":0.5,...},
 *  "tools":[...],"extra":{"openai":{...}}}
 *
 * Roles: "system", "developer", "user", "assistant", "tool".  Parts: those of
 * weir_outcome.h, and {"type":"image","url":"...","detail":"..."},
 * {"type":"openai","part":{...}} for what only one dialect knows.  The result
 * of a tool is a message of its own, with "tool_call_id" and, if the tool has
 * failed, "error": true.  params are those that every provider understands; the
 * rest stays under the name of the dialect that brought it, for providers of
 * that dialect.
 *
 * Or one for vectors, of texts or of lists of tokens:
 *
 * {"v":1,"kind":"embed","model":"m","input":["text",[1,2]],
 *  "params":{"dimensions":64},"extra":{"openai":{...}}}
 */

#ifndef WEIR_NEUTRAL_H
#define WEIR_NEUTRAL_H


#include <stdint.h>

#include "weir_failure.h"
#include "weir_json.h"


/* kinds */
#define WEIR_NEUTRAL_CHAT   "chat"
#define WEIR_NEUTRAL_EMBED  "embed"


/* Does it ask for vectors? */
bool weir_neutral_embeds(const weir_json_t *request);

/* All text of the last user message, for providers that need no more.  -1: no
 * memory. */
int weir_neutral_prompt(const weir_json_t *request, weir_buf_t *out);

/* Bytes of text in all messages, for estimates of tokens. */
size_t weir_neutral_text_bytes(const weir_json_t *request);

/*
 * What answering may take, guessed before anybody has counted: a token for
 * every four bytes of text, names, arguments and tools, and a round number for
 * an image; at least one.  output: what the request allows for all its choices
 * together; 0: it sets no bound.
 */
typedef struct {
    int64_t  input;
    int64_t  output;
    int64_t  max_tokens;            /* of one choice, as given; 0: not */
    bool     no_output;             /* it has none, rather than no bound */
} weir_need_t;

void weir_neutral_need(const weir_json_t *request, weir_need_t *need_r);


#endif /* WEIR_NEUTRAL_H */
