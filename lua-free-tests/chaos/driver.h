/*
 * What the driver knows of a job and of a request; plan.c decides what each job
 * will be, driver.c asks, reader.c follows.
 */

#ifndef DRIVER_H
#define DRIVER_H


#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos.h"
#include "sse.h"


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
    WAY_CHAT,                   /* POST /v1/chat/completions */
    WAY_STREAM                  /* the same as a stream */
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
    unsigned      readers;      /* who follow its events */
    unsigned      words;        /* that its answer counts; 0: none */
    bool          tools;        /* its answer are calls of tools */
    unsigned      leave_after;  /* events, then the client of a stream is gone;
                                 * 0: it stays */
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
    unsigned      readers;      /* in a hundred, whose events are followed; of
                                 * chats, those that are streams */
    const char   *hooks;        /* where webhooks go */
} plan_t;


/* One connection.  done() is called once, when it is over; the easy handle and
 * the headers are freed after that. */

typedef struct transfer_s  transfer_t;

struct transfer_s {
    CURL               *easy;
    struct curl_slist  *headers;
    void              (*done)(transfer_t *t, CURLcode code);
};

#define EDGES  2

typedef struct {
    CURLM        *multi;
    char          base[EDGES][64];
    char          authorization[256];
} clients_t;


extern const char *const  kind_names[];
extern const char *const  way_names[];

/* Job n of this seed, which is always the same but for its absolute times. */
job_t *plan_job(const plan_t *plan, unsigned n);

void transfer_begin(const clients_t *clients, transfer_t *t, const char *url);
void transfer_end(const clients_t *clients, transfer_t *t, CURLcode code);

/* The readers of jobs; see reader.c. */
void readers_init(const clients_t *clients, uint64_t seed);
void readers_follow(const job_t *job);
void readers_poll(int64_t now);
size_t readers_open(void);

/* What the client of a dialect's stream is told: request r of the ledger. */
unsigned reader_stream(const job_t *job, unsigned r);
void reader_event(unsigned s, const sse_event_t *e);
void reader_closed(unsigned s, int code);

/* The job object at its end. */
void reader_got(const job_t *job, const char *body);


#endif /* DRIVER_H */
