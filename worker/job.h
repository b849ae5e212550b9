/*
 * Jobs: what a runner has in hand, one for each queue entry.  The state of a
 * job is the list that it is on; job_move() alone changes it.
 */

#ifndef JOB_H
#define JOB_H


#include "provider.h"
#include "weir_cached.h"
#include "weir_question.h"
#include "weir_txn.h"


typedef enum {
    JOB_CLAIMING = 0,           /* the claim is on its way */
    JOB_ASKING,                 /* the provider is at it */
    JOB_ISOLATED,               /* in a cell, or waits for one */
    JOB_FINISHING,              /* the finish is on its way */
    JOB_PARKED,                 /* the finish must be sent again */
    JOB_DOUBTED,                /* the finish is made or sent under WATCH */
    JOB_RETRYING,               /* waits for its retry, or it is on its way */
    JOB_DROPPING,               /* the drop is on its way */
    JOB_STATES
} job_state_e;


#define JOB_ENTRY_MAX   48
#define JOB_NUMBER_MAX  24
#define JOB_TOKEN_MAX   32
#define JOB_OWNER_MAX   80
#define JOB_TEXT_MAX    256     /* of names from outside, for log and header */


struct runner_s;
struct cohort_s;

typedef struct job_s       job_t;
typedef struct jobs_s      jobs_t;
typedef struct feed_job_s  feed_job_t;

struct job_s {
    job_t             *prev;
    job_t             *next;
    job_t             *chained;         /* in the table of entries */
    job_t             *namesake;        /* in the table of runs */
    uint64_t           serial;          /* of its taking; 0: not in hand */
    struct runner_s   *runner;
    job_state_e        state;

    /* from the entry */
    weir_class_e       class;
    char               entry[JOB_ENTRY_MAX];
    char               run[WEIR_ID_LEN + 1];
    char               gen_text[JOB_NUMBER_MAX];

    /* from the claim */
    char               job[WEIR_ID_LEN + 1];
    char               name[WEIR_ID_LEN + sizeof(WEIR_JOB_PREFIX)];
    char               token[JOB_TOKEN_MAX];
    char               request_id[JOB_TEXT_MAX];
    weir_buf_t         trace;           /* a good record, or empty */
    char               model[JOB_TEXT_MAX];
    long long          gen;
    long long          deliveries;
    long long          failures;
    long long          back;            /* hand-backs of it */
    long long          crash;           /* deaths alone */
    int64_t            created;         /* ms, Redis's clock */
    int64_t            started;         /* ms, Redis's clock */
    int64_t            deadline;        /* ms, likewise */
    int64_t            ttl;             /* s, of the outcome */
    int64_t            records;         /* s, of the records */
    char               owner[JOB_OWNER_MAX];    /* empty: not counted */
    bool               hook;            /* its end is announced */
    bool               keep;            /* when the last try fails: dead */
    bool               stream;          /* what it says comes in pieces */
    bool               while_read;      /* it ends when nobody wants it */
    weir_json_t       *request;

    /* the question that it asks, likewise; empty: none */
    char               ask[WEIR_QUESTION_HEX + 1];
    char               cache[WEIR_CACHE_POLICY_MAX];
    char               labels[WEIR_CACHED_LABELS_MAX + 1];

    /* the lease */
    uint64_t           held;            /* loop_now() of its last sign: when
                                         * a command that Redis answered with
                                         * "yours" was sent */
    bool               final;           /* the run ended during the claim */

    /* in isolation */
    struct cohort_s   *cohort;          /* NULL: in none */
    uint32_t           place;           /* in it */
    weir_buf_t         payload;         /* as it is in Redis */

    /* the try */
    provider_call_t    call;
    weir_outcome_t     outcome;
    uint64_t           begun;           /* loop_now() of the claim */
    bool               read;            /* somebody does, as the claim says */
    feed_job_t        *feed;            /* NULL: nobody reads it */
    bool               used;            /* what it took is known: it was tried
                                           here, or by nobody */
    bool               cut;             /* it has ended, and what it took is on
                                           its way with the drop */

    /* the end */
    weir_state_e       end;
    bool               dead;            /* to the dead letters */
    char               end_token[JOB_TOKEN_MAX];
    int64_t            end_at;          /* ms, Redis's clock */
    weir_buf_t         document;
    weir_buf_t         answer;          /* record; empty: none is kept */
    weir_kind_e        answer_kind;
    int64_t            answer_until;    /* ms, Redis's clock */
    int64_t            due;             /* ms, Redis's clock: when to retry */
    unsigned           errors;          /* answers that should not have been */
};


jobs_t *jobs_create(struct runner_s *r, size_t max);

/* Jobs that are left are given up: their entries stay pending. */
void jobs_destroy(jobs_t **jobs);

/* A job that claims; the entry must not be in hand. */
job_t *jobs_take(jobs_t *jobs, weir_class_e class, weir_str_t entry);

/* Which run the entry stands for; once for each job that is taken. */
void job_set_run(job_t *job, weir_str_t run);

/* A job of this run, the next one behind "after"; NULL: the first. */
job_t *jobs_of_run(const jobs_t *jobs, weir_str_t run, const job_t *after);

/* Of the trace that its run belongs to, as it is logged; empty: of none. */
weir_str_t job_trace_id(const job_t *job);

bool jobs_holds(const jobs_t *jobs, weir_class_e class, weir_str_t entry);

size_t jobs_in_hand(const jobs_t *jobs);
size_t jobs_free(const jobs_t *jobs);
size_t jobs_count(const jobs_t *jobs, job_state_e state);

/* The oldest of a state; go on by job->next. */
job_t *jobs_first(const jobs_t *jobs, job_state_e state);

void job_move(job_t *job, job_state_e state);

/* It is no longer in hand; the memory is used again after the turn. */
void job_release(job_t *job);


#endif /* JOB_H */
