/*
 * Providers: whom a run is asked of.  A dialect is a row of functions; a
 * provider is one of worker.conf's, in one runner.
 */

#ifndef PROVIDER_H
#define PROVIDER_H


#include "conf.h"
#include "counters.h"
#include "http.h"
#include "weir_delta.h"
#include "weir_outcome.h"


typedef struct provider_s         provider_t;
typedef struct provider_call_s    provider_call_t;
typedef struct provider_dialect_s provider_dialect_t;
typedef struct provider_stream_s  provider_stream_t;


typedef enum {
    PROVIDER_DONE = 0,          /* the outcome is complete */
    PROVIDER_AGAIN,             /* outcome->error; another try may help */
    PROVIDER_FAILED             /* outcome->error; another try will not */
} provider_verdict_e;


/* What a call took that came to nothing: as its provider said, or else by
 * estimate; of a call that never got to him nothing. */

typedef struct {
    long long            input_tokens;
    long long            output_tokens;
    long long            cost;          /* millionths of a dollar */
} provider_took_t;


/* One call, inside the job that makes it.  What is set here must live until
 * done() or the cancel. */

struct provider_call_s {
    const weir_json_t   *request;       /* neutral; NULL once it is under way
                                           and needs it no longer */
    weir_str_t           model;         /* the provider's name for it */
    const conf_model_t  *conf;          /* what it costs */
    const char          *request_id;    /* may be empty */
    weir_str_t           trace;         /* a record, likewise */
    int64_t              timeout;       /* ms until the run's deadline */
    weir_outcome_t      *outcome;       /* to be filled */
    char                 detail[128];   /* of a failure, for the log only */
    provider_took_t      took;          /* if it is not DONE */

    /* wait: ms that the provider asked for at least; 0: not said.  Comes from
     * the loop, never from within the call. */
    void               (*done)(void *data, provider_verdict_e verdict,
                               int64_t wait);

    /* With "streamed" the provider is asked for events, if it may be: what has
     * come is told at once, from the loop; NULL: to nobody.  The outcome is the
     * same. */
    bool                 streamed;
    void               (*delta)(void *data, const weir_delta_t *d);
    void                *data;

    /* the provider's own */
    provider_t          *provider;      /* NULL: not in flight */
    weir_buf_t           body;
    http_call_t         *http;
    provider_stream_t   *stream;        /* NULL: nothing came as events */
    loop_timer_t         timer;
    const void          *ask;           /* what kind of request it is */
    int64_t              input;         /* tokens of the question, about */
    long long            choices;       /* that are asked for */
    uint64_t             heard;         /* loop_now() of the last delta */
    uint64_t             first;         /* of the answer's first; 0: none yet */
    bool                 sent;          /* to the provider */
    uint64_t             begun;         /* loop_now() */
};


/* ids of models, each terminated; n 0 with ids NULL: it failed. */
typedef void (*provider_models_pt)(void *data, const char *const *ids,
    size_t n);


struct provider_dialect_s {
    provider_t        *(*create)(loop_t *loop, const conf_provider_t *conf);
    void               (*destroy)(provider_t *p);
    void               (*call)(provider_t *p, provider_call_t *call);
    void               (*cancel)(provider_t *p, provider_call_t *call);

    /* One at a time; fn may be called from within. */
    void               (*models)(provider_t *p, provider_models_pt fn,
                                 void *data);
};


struct provider_s {
    const provider_dialect_t  *dialect;
    const conf_provider_t     *conf;
    loop_t                    *loop;
    counters_t                *counters;
};


/* most models that a provider's list is read for */
#define PROVIDER_MODELS_MAX  1000

extern const provider_dialect_t  provider_openai;
extern const provider_dialect_t  provider_anthropic;
extern const provider_dialect_t  provider_builtin;


provider_t *provider_create(loop_t *loop, const conf_provider_t *conf,
    counters_t *counters);
void provider_destroy(provider_t **p);

void provider_call(provider_t *p, provider_call_t *call);

/* Nothing in flight: nothing happens.  done() will not be called; what it took
 * so far is in "took". */
void provider_cancel(provider_call_t *call);

/* Gives back what a call holds. */
void provider_call_free(provider_call_t *call);

/* For dialects: the request is of a kind that this one does not have; into the
 * outcome's error. */
void provider_unsaid(const provider_call_t *call, const char *dialect);

/* For dialects: the call's end. */
void provider_done(provider_call_t *call, provider_verdict_e verdict,
    int64_t wait);


#endif /* PROVIDER_H */
