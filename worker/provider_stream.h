/*
 * A provider's reply that comes as events: each is read into deltas, these are
 * collected and told, and at the end it is judged whether the reply is whole.
 * For dialects; belongs to the call.
 */

#ifndef PROVIDER_STREAM_H
#define PROVIDER_STREAM_H


#include "provider.h"


/* How a dialect reads its events, and what it keeps between them. */

typedef struct {
    size_t       size;
    void       (*init)(void *own);
    void       (*free)(void *own);

    /* As weir_openai_stream_event(). */
    int        (*event)(void *own, weir_str_t name, weir_str_t data,
                        weir_delta_pt fn, void *arg, weir_failure_t *f);

    /* Has it said that nothing more comes?  NULL: it need not. */
    bool       (*done)(const void *own);
} provider_parser_t;


/* The next bytes.  false: it is over, *verdict_r and the outcome's error say
 * how; nothing may be fed any more. */
bool provider_stream_feed(provider_call_t *call,
    const provider_parser_t *parser, weir_str_t bytes,
    provider_verdict_e *verdict_r);

/* The body has ended as HTTP wants it: the outcome is complete, or its error
 * says that it was cut off. */
provider_verdict_e provider_stream_end(provider_call_t *call);

/* What it took so far. */
void provider_stream_took(const provider_call_t *call, provider_took_t *t);

/* All that was told so far, again, in few deltas.  0, or what fn returned. */
int provider_stream_replay(const provider_call_t *call, weir_delta_pt fn,
    void *arg);

/* NULL in call->stream is fine, and left behind. */
void provider_stream_free(provider_call_t *call);


#endif /* PROVIDER_STREAM_H */
