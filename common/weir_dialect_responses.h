/*
 * The OpenAI Responses dialect, to and from the neutral model: the client's
 * half, which the edge uses.  No provider is asked in it: what a request says
 * becomes what a chat completion says, so that the same question is one in both
 * dialects.
 */

#ifndef WEIR_DIALECT_RESPONSES_H
#define WEIR_DIALECT_RESPONSES_H


#include "weir_neutral.h"
#include "weir_outcome.h"


/* A body of POST /v1/responses to a neutral request, which the caller owns.
 * NULL: f says what is wrong with it. */
weir_json_t *weir_responses_request(const weir_json_t *body,
    weir_failure_t *f);


/* What such a body says of its job. */

typedef struct {
    bool         stream;
    bool         background;
    bool         store;
    weir_buf_t   metadata;          /* JSON; empty: none */
} weir_responses_options_t;

/* Of a body that was accepted as a request.  o is freed by the caller in any
 * case.  -1: f says what is wrong. */
int weir_responses_options(const weir_json_t *body,
    weir_responses_options_t *o, weir_failure_t *f);
void weir_responses_options_free(weir_responses_options_t *o);


/*
 * What the response repeats of its request, as JSON: to be kept with the job,
 * for whoever asks for the response later.  Of a request so large that it would
 * have more bytes it repeats less: no instructions, then no tools, ..
 */
#define WEIR_RESPONSES_ECHO_MAX  (64 * 1024)

/* -1: no memory */
int weir_responses_echo(const weir_json_t *body, weir_buf_t *out);


/* Of the public form, "resp_" and the id of the job; id_r points into s. */
bool weir_responses_id_parse(weir_str_t s, weir_str_t *id_r,
    unsigned *shard_r);

/* What a response is once it was deleted, or NULL: no memory. */
weir_json_t *weir_responses_deleted(weir_str_t id);


/* a response, in any state of its job; all is borrowed */

typedef struct {
    weir_str_t              id;         /* of the job */
    weir_str_t              model;      /* as asked */
    weir_str_t              echo;       /* may be empty */
    int64_t                 created;    /* s */
    weir_state_e            state;
    const weir_outcome_t   *outcome;    /* NULL: none */
} weir_responses_t;

/* Why there is no answer: of a job that has ended without one. */
void weir_responses_failure(const weir_responses_t *r, weir_failure_t *f);

/* The response object, or NULL: no memory.  The caller owns it. */
weir_json_t *weir_responses_object(const weir_responses_t *r);

/*
 * Number of the first event of an attempt, by its token: what attempts say
 * never has the same numbers.  0: of what is none.
 */
int64_t weir_responses_base(int64_t token);

/*
 * All events of it, up to its end if it has ended: those of a stream that ends
 * in it, or in the failure.  Numbers begin with base; an event with one below
 * from is left out, and of a text that from is in, what is before.  -1: no
 * memory.
 */
int weir_responses_events(const weir_responses_t *r, int64_t base,
    int64_t from, weir_buf_t *out);


#endif /* WEIR_DIALECT_RESPONSES_H */
