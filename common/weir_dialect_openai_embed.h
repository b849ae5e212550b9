/*
 * Embeddings in the OpenAI dialect, to and from the neutral model.  They are
 * never streamed.
 *
 * In an outcome each is a choice of its own:
 * {"index":0,"parts":[{"type":"embedding","data":"<base64>"}]}, of the numbers'
 * four bytes, the lowest first.
 */

#ifndef WEIR_DIALECT_OPENAI_EMBED_H
#define WEIR_DIALECT_OPENAI_EMBED_H


#include "weir_neutral.h"
#include "weir_outcome.h"


/* inputs of one request */
#define WEIR_EMBED_INPUTS  2048


/* the client's half */

/* A body of POST /v1/embeddings to a neutral request, which the caller owns.
 * NULL: f says what is wrong with it. */
weir_json_t *weir_openai_embed_request(const weir_json_t *body,
    weir_failure_t *f);

/* Does a valid body ask for base64, and not for numbers? */
bool weir_openai_embed_base64(const weir_json_t *body);

/* Is this completed outcome one of embeddings? */
bool weir_outcome_embeds(const weir_outcome_t *o);

/* It as a list object.  -1: no memory, or a vector that is none. */
int weir_openai_embeddings(const weir_outcome_t *o, bool base64,
    weir_buf_t *out);


/* the provider's half */

/* The body of the call, which asks for base64.  model: the provider's name for
 * it; empty: as asked.  -1: no memory, or not a neutral request of this kind
 * and version. */
int weir_openai_embed_call(const weir_json_t *request, weir_str_t model,
    weir_buf_t *out);

/* A 2xx reply to a request of so many inputs into choices, usage, model and
 * extra of o.  -1: not such a reply; -2: one that is too large.  o->error says
 * what is wrong. */
int weir_openai_embed_reply(weir_str_t body, size_t inputs, weir_outcome_t *o);


#endif /* WEIR_DIALECT_OPENAI_EMBED_H */
