/*
 * The Anthropic messages dialect, to and from the neutral model: the client's
 * half for the edge, the provider's for the worker.
 *
 * What only this dialect knows stands in the neutral model under its name.  A
 * part {"type":"anthropic","signature":"..."} or {..,"citation":{..}} belongs
 * to the part before it: both come after the text that they tell of.
 */

#ifndef WEIR_DIALECT_ANTHROPIC_H
#define WEIR_DIALECT_ANTHROPIC_H


#include "weir_delta.h"
#include "weir_neutral.h"
#include "weir_outcome.h"


/* What a call says where the request sets no bound: the dialect must have one,
 * and every model of it allows so many. */
#define WEIR_ANTHROPIC_MAX_TOKENS  4096


/* the client's half */

/* A body of POST /v1/messages to a neutral request, which the caller owns.
 * NULL: f says what is wrong with it. */
weir_json_t *weir_anthropic_request(const weir_json_t *body,
    weir_failure_t *f);

/* Does a valid body ask for a stream? */
bool weir_anthropic_stream(const weir_json_t *body);

/* A completed outcome to a message object, or NULL: no memory.  The caller owns
 * it.  There is one choice in this dialect: the first.  id: of the job. */
weir_json_t *weir_anthropic_message(const weir_outcome_t *o, weir_str_t id);

/* The same as the events of a stream that ends with it.  -1: no memory. */
int weir_anthropic_events(const weir_outcome_t *o, weir_str_t id,
    weir_buf_t *out);

/* The list of models, all on one page, or one of them (NULL: not in the
 * catalogue, or no memory).  catalogue: as weir_openai_models() has it. */
weir_json_t *weir_anthropic_models(const weir_json_t *catalogue);
weir_json_t *weir_anthropic_model(const weir_json_t *catalogue, weir_str_t id);


/* the provider's half */

/*
 * The body of the call.  model: the provider's name for it; empty: as asked.
 * stream: the answer is to come as events.  -1: f says why there is none;
 * WEIR_FAIL_INVALID: the request holds what this dialect has no words for.
 */
int weir_anthropic_call(const weir_json_t *request, weir_str_t model,
    bool stream, weir_buf_t *out, weir_failure_t *f);

/* A 2xx reply into choices, usage, model and extra of o.  -1: not a reply of
 * this dialect; o->error says what is wrong. */
int weir_anthropic_reply(weir_str_t body, weir_outcome_t *o);

/* Another status with its body into f. */
void weir_anthropic_error(unsigned status, weir_str_t body, weir_failure_t *f);

/* A 2xx reply that is a stream: its events, one after the other. */

typedef struct {
    struct weir_anthropic_block_s  *blocks;     /* by the provider's index */
    unsigned                        n;
    unsigned                        parts;      /* that have begun */
    weir_json_t                    *usage;      /* all that was said */
    bool                            output;     /* so were its tokens */
    bool                            stopped;
    bool                            done;       /* message_stop has come */
} weir_anthropic_stream_t;

void weir_anthropic_stream_init(weir_anthropic_stream_t *s);
void weir_anthropic_stream_free(weir_anthropic_stream_t *s);

/* Calls fn for what an event says.  0; what fn returned; -1: f says why there
 * is no more: the provider's own error, or no event of this dialect. */
int weir_anthropic_stream_event(weir_anthropic_stream_t *s, weir_str_t data,
    weir_delta_pt fn, void *arg, weir_failure_t *f);


#endif /* WEIR_DIALECT_ANTHROPIC_H */
