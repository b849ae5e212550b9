/*
 * The job object: what a client sees of a job, in answers and in webhooks.
 */

#ifndef WEIR_JOBDOC_H
#define WEIR_JOBDOC_H


#include "weir_outcome.h"


typedef struct {
    const char            *id;          /* without its prefix */
    weir_str_t             run;         /* id, where it is not the job's own; */
    int64_t                asked;       /*  ms: its submission; 0: not known */
    weir_str_t             part;        /* WEIR_PART_..; empty: it is its own */
    weir_state_e           state;
    int64_t                created;     /* ms; these: 0 is null */
    int64_t                run_at;
    int64_t                deadline;
    int64_t                started;
    int64_t                finished;
    long long              attempts;
    weir_str_t             model;
    weir_str_t             metadata;    /* JSON; empty: {} */
    weir_str_t             kind;        /* of the last error; empty: none */
    weir_str_t             error;       /* a sentence */
    weir_str_t             prefix;      /* what precedes /v1/jobs in links */
    const weir_outcome_t  *outcome;     /* without doc: none, or expired; of
                                         * another's run it tells start and
                                         * attempts too */
    bool                   brief;       /* for lists: no result, no error */
    bool                   no_result;   /* null, and no reason for it */
} weir_jobdoc_t;


/* Appends the object; out->failed tells the rest. */
void weir_jobdoc_write(const weir_jobdoc_t *d, weir_buf_t *out);

/* Why there is no result: of a job that is final and has none. */
void weir_jobdoc_failure(weir_state_e state, const weir_outcome_t *outcome,
    weir_failure_t *f);


#endif /* WEIR_JOBDOC_H */
