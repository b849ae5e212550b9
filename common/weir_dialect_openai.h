/*
 * The OpenAI chat dialect, to and from the neutral model.  The edge uses the
 * client's half, the worker's provider the other; neither knows the dialect
 * itself.
 */

#ifndef WEIR_DIALECT_OPENAI_H
#define WEIR_DIALECT_OPENAI_H


#include "weir_delta.h"
#include "weir_neutral.h"
#include "weir_outcome.h"


/* the client's half */

/* A body of POST /v1/chat/completions to a neutral request, which the caller
 * owns.  NULL: f says what is wrong with it. */
weir_json_t *weir_openai_request(const weir_json_t *body, weir_failure_t *f);

/* A completed outcome to a chat completion object, or NULL: no memory.  The
 * caller owns it.  id: of the job; created in s. */
weir_json_t *weir_openai_completion(const weir_outcome_t *o, weir_str_t id,
    int64_t created);

/*
 * The same as the events of a stream that ends with it: one for the role, some
 * with pieces of the text, one for each call of a tool, one for the end of each
 * choice, with usage one more for that, and [DONE].  -1: no memory.
 */
int weir_openai_events(const weir_outcome_t *o, weir_str_t id, int64_t created,
    bool usage, weir_buf_t *out);

/* Does a valid body ask for a stream, and for the usage in it? */
bool weir_openai_stream(const weir_json_t *body, bool *usage_r);

/* The list of models, or one of them (NULL: not in the catalogue, or no
 * memory).  catalogue: {"models":[{"id":"m","created":0,"owned_by":"p"}]}. */
weir_json_t *weir_openai_models(const weir_json_t *catalogue);
weir_json_t *weir_openai_model(const weir_json_t *catalogue, weir_str_t id);


/* the provider's half */

/* Can a call say all of the request?  -1: f names what it has no words for,
 * which another dialect has. */
int weir_openai_check(const weir_json_t *request, weir_failure_t *f);

/* The body of the call.  model: the provider's name for it; empty: as asked.
 * stream: the answer is to come as events.  -1: no memory, not a neutral
 * request of this version, or one that cannot be said. */
int weir_openai_call(const weir_json_t *request, weir_str_t model, bool stream,
    weir_buf_t *out);

/* A 2xx reply into choices, usage, model and extra of o.  -1: not a reply of
 * this dialect; o->error says what is wrong. */
int weir_openai_reply(weir_str_t body, weir_outcome_t *o);

/* A 2xx reply that is a stream: its events, one after the other. */

typedef struct {
    struct weir_openai_chunk_s  *choices;
    unsigned                     n;
    weir_json_t                 *told;      /* members of extra */
    bool                         model;     /* that was told too */
    bool                         done;      /* [DONE] has come */
} weir_openai_stream_t;

void weir_openai_stream_init(weir_openai_stream_t *s);
void weir_openai_stream_free(weir_openai_stream_t *s);

/* Calls fn for what an event says.  0; what fn returned; -1: f says why there
 * is no more: the provider's own error, or no event of this dialect. */
int weir_openai_stream_event(weir_openai_stream_t *s, weir_str_t data,
    weir_delta_pt fn, void *arg, weir_failure_t *f);

/* Another status with its body into f. */
void weir_openai_error(unsigned status, weir_str_t body, weir_failure_t *f);


#endif /* WEIR_DIALECT_OPENAI_H */
