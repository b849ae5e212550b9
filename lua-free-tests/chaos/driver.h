/*
 * What the driver knows of a job and of a request; plan.c decides what each job
 * will be, driver.c asks.
 */

#ifndef DRIVER_H
#define DRIVER_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos.h"


/* what is to become of a job; the checker reads the names */

typedef enum {
    KIND_INNOCENT = 0,          /* completed, whatever is killed */
    KIND_CANCEL,                /* cancelled while it is queued or running */
    KIND_POISON,                /* kills whoever works on it */
    KIND_DOOMED,                /* the provider refuses it every time */
    KIND_DEADLINE               /* completed, or expired in time */
} kind_e;


typedef enum {
    WAY_JOB = 0,                /* POST /v1/jobs, then polls */
    WAY_WAIT,                   /* the same with Prefer: wait */
    WAY_CHAT                    /* POST /v1/chat/completions */
} way_e;


typedef enum {
    JOB_NEW = 0,                /* its submission is not answered yet */
    JOB_ACCEPTED,               /* it is to be polled */
    JOB_FINAL,                  /* the client has seen its end */
    JOB_REFUSED,                /* 503: it must never complete */
    JOB_UNKNOWN                 /* the answer was lost, and its id with it */
} job_state_e;


typedef struct {
    unsigned      n;
    kind_e        kind;
    way_e         way;
    const char   *class;
    unsigned      planned;      /* tries that the provider fails */
    unsigned      cancel_after; /* ms after it was accepted */
    int64_t       run_at;       /* s; 0: none */
    int64_t       deadline;     /* s; 0: none */
    bool          keyed;        /* with a key: sent until it is accepted, and
                                 * once more */
    unsigned      question;     /* that others ask as well; 0: none, the job is
                                 * like no other */
    char         *body;

    job_state_e   state;
    char          id[32];       /* "job_..." */
    int64_t       poll_at;      /* 0: a poll is under way, or none is wanted */
    int64_t       cancel_at;    /* 0: the same */
    int64_t       again_at;     /* 0: the same */
    unsigned      tries;
} job_t;


typedef struct {
    uint64_t      seed;
    bool          poison;       /* the worker was built with it */
    bool          times;        /* the edge knows run_at and deadline */
    unsigned      askers;       /* in a hundred, who ask what others ask */
    const char   *hooks;        /* where webhooks go */
} plan_t;


extern const char *const  kind_names[];
extern const char *const  way_names[];

/* Job n of this seed, which is always the same but for its absolute times. */
job_t *plan_job(const plan_t *plan, unsigned n);


#endif /* DRIVER_H */
