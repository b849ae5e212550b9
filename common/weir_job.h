/*
 * Jobs and runs as records: what is written at submission, what a claim and a
 * look-up read, and which state follows from the registers.  Nothing here
 * talks to Redis; weir_txn builds the commands.
 */

#ifndef WEIR_JOB_H
#define WEIR_JOB_H


#include <stdint.h>

#include "weir_id.h"
#include "weir_resp.h"


typedef enum {
    WEIR_QUEUED = 0,
    WEIR_IN_PROGRESS,
    WEIR_COMPLETED,
    WEIR_FAILED,
    WEIR_CANCELLED,
    WEIR_EXPIRED
} weir_state_e;

#define WEIR_TOKEN_MAX  32              /* characters */

#define weir_state_is_final(state)  ((state) >= WEIR_COMPLETED)


typedef enum {
    WEIR_HIGH = 0,
    WEIR_NORMAL,
    WEIR_LOW,
    WEIR_CLASSES
} weir_class_e;


/* a job and its own run, as the edge submits them; strings are borrowed */

typedef struct weir_submission_s  weir_submission_t;

struct weir_submission_s {
    char          id[WEIR_ID_LEN + 1];
    unsigned      shard;
    weir_class_e  class;

    weir_str_t    owner;
    weir_str_t    key_id;           /* public id of the API key */
    weir_str_t    request_id;
    weir_str_t    route;            /* the edge's name of the route */
    weir_str_t    model;
    weir_str_t    metadata;         /* JSON, or empty */
    weir_str_t    echo;             /* JSON: the job is a response, and repeats
                                       this; or empty */
    weir_str_t    payload;          /* the neutral request, JSON */
    weir_str_t    mailbox;          /* empty: nobody waits */
    weir_str_t    prefix;           /* of links; empty: none are needed */
    weir_str_t    hook_url;         /* empty: no webhook */
    weir_str_t    hook_secret;
    const char   *idem;             /* digest of its key; NULL: it has none */

    int64_t       created;          /* ms, Redis's clock as the edge knows it */
    int64_t       by;               /* ms, likewise: void if it arrives later */
    int64_t       deadline;         /* ms */
    int64_t       run_at;           /* ms; 0: at once */
    int64_t       ttl;              /* s, of the outcome */
    int64_t       records;          /* s, of the records after the end */
    int64_t       idem_ttl;         /* s, of the key from now on */

    bool          listed;           /* in the owner's list */
    bool          open;             /* counted among the owner's unfinished */
    bool          keep;             /* a dead letter when the last try fails */
    bool          hold;             /* a reservation was made for it */

    const char   *ask;              /* digest of the question; NULL: none */
    long long     n;                /* its n-th run; 0: its answer is stored,
                                       but nobody else asks for it */
    weir_str_t    trace;            /* weir_trace_write(); empty: none */
    weir_str_t    cache;            /* policy, as text */
    weir_str_t    labels;           /* "class:a tag:b" */
    int64_t       until;            /* ms: so long a request without a job
                                       wants the run; 0: there is none */

    bool          stream;           /* the provider is asked for a stream */
    bool          while_read;       /* the run lives only while somebody reads
                                       it, or asks for it */
    weir_str_t    reader;           /* the mailbox that does; empty: none */
    int64_t       read_until;       /* ms: so long, if it says no more */

    const weir_submission_t  *asker;        /* the job that leads; NULL: none */
};


/* a job's own record, as HMGET gives it; strings point into the reply */

typedef struct {
    bool          found;
    weir_str_t    owner;
    weir_str_t    run;              /* id of its run */
    weir_str_t    route;
    weir_str_t    request_id;
    weir_str_t    model;
    weir_str_t    metadata;
    weir_str_t    prefix;
    weir_str_t    hook_url;
    weir_str_t    hook_secret;
    weir_str_t    retried_as;       /* id, by an operator */
    weir_str_t    ask;              /* digest: it is the record of a question's
                                       run, and nobody's job */
    weir_str_t    part;             /* WEIR_PART_..: it asks a question */
    int64_t       created;          /* ms */
} weir_job_t;


/* a run's registers, as HGETALL gives them; strings point into the reply */

typedef struct {
    bool          found;
    weir_state_e  state;
    weir_str_t    fin;              /* "<state>:<token>", empty: not final */
    weir_str_t    token;            /* the part of fin behind the colon */
    int64_t       created;          /* ms; this and the next: 0 if not yet */
    int64_t       started;
    int64_t       fin_at;
    int64_t       run_at;
    int64_t       deadline;
    int64_t       ttl;              /* s */
    int64_t       records;          /* s */
    long long     gen;
    long long     attempts;         /* deliveries but those handed back */
    long long     failures;
    long long     crash;            /* deaths alone */
    weir_str_t    class;            /* name */
    weir_str_t    kind;             /* of the last error; empty: none */
    weir_str_t    error;
    weir_str_t    owner;            /* empty: not counted */
    weir_str_t    ask;              /* digest of its question; empty: none */
    weir_str_t    labels;           /* of its answer */
    weir_str_t    trace;            /* weir_trace_read(); empty: none */
    bool          claimed;          /* an entry runs its generation, or ran */
    long long     latest;           /* the token of the latest delivery; of a
                                       generation that has none yet, one below
                                       the first */
    bool          stream;           /* it is asked for as a stream */
    bool          while_read;       /* it lives only while it is wanted */
    int64_t       asked;            /* ms: when the run was submitted that a
                                       job asks for; 0: not known */
} weir_run_t;


const char *weir_state_name(weir_state_e state);
const char *weir_class_name(weir_class_e class);

/* -1: no such name */
int weir_class_parse(weir_str_t name);

/* Splits "<state>:<token>"; false: not of that form.  A token is 1 to 32
 * characters of a-z and 0-9. */
bool weir_fin_parse(weir_str_t fin, weir_state_e *state_r,
    weir_str_t *token_r);

/* Was it finalised by a runner, so that an outcome document exists? */
bool weir_token_has_outcome(weir_str_t token);

void weir_job_read(weir_job_t *job, const weir_reply_t *hmget);
void weir_run_read(weir_run_t *run, const weir_reply_t *hgetall);

/* The registers of a job that asks, completed by those of the run that it asks
 * for: what they say of tries, unless it was a hit, and until the job's own
 * end of the state. */
void weir_run_complete(weir_run_t *own, const weir_job_t *job,
    const weir_run_t *run);


#endif /* WEIR_JOB_H */
