/*
 * What the checker knows.  It has read the ledger, the logs of nemesis, proxy
 * and mock, Redis and Redis's append-only file, and spells the names of
 * docs/redis-contract.md on its own: nothing of the worker is in it.
 */

#ifndef CHECKER_H
#define CHECKER_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos.h"
#include "json.h"


#define ID_LEN     24
#define ENTRY_MAX  44
#define FOREVER    INT64_MAX

#define SAID_CALLS  8
#define SAID_PARTS  16


/* what an answer says */

typedef struct {
    text_t     text;
    text_t     calls[SAID_CALLS];       /* their arguments */
    int        ncalls;
    int        place[SAID_PARTS];       /* of deltas: 1 is text, 2 the first
                                         * call; 0: nothing is known */
} said_t;


/* one transfer between a worker and the provider */

typedef struct {
    int64_t    begin;
    int64_t    end;             /* FOREVER: still open */
    unsigned   turn;            /* 1: the first of its job */
    bool       aborted;         /* the worker closed it, or died */
} call_t;


typedef struct {
    int64_t    asked;
    int64_t    answered;        /* FOREVER: not yet */
    unsigned   job;
    unsigned   answers;
    char       op[12];
    int        status;
    int        curl;
    char       state[16];
    long       text;
    char       id[32];          /* "-": none */
    char       completion[32];  /* likewise; the id of a run */
} request_t;


/* as Redis has it at the end */

typedef struct {
    char       id[ID_LEN + 1];
    char       state[16];       /* of fin; "": none */
    char       token[36];
    int64_t    fin_at;
    int64_t    claims;          /* deliveries, of all entries */
    unsigned   fins;            /* times that "fin" was written, by the AOF */
    unsigned   overwrites;      /* times that it was changed or removed */
    unsigned   retries;         /* generations but the first */
    unsigned   job;
    char       asks[ID_LEN + 1];        /* a job that asks: which run; "" */
    char       part[8];         /* likewise: led, joined, hit */
    bool       shared;          /* the run of a question */
    long       question;        /* that its outcome answers; -1: unknown */
    said_t     said;            /* of one that completed */
} run_t;


typedef struct {
    unsigned   n;               /* 0: no such job in the ledger */
    char       kind[12];
    char       way[8];
    unsigned   planned;
    int64_t    run_at;          /* s */
    int64_t    deadline;        /* s */
    bool       keyed;           /* one key, any number of submissions */
    unsigned   question;        /* 0: it is like no other */
    unsigned   words;           /* that its answer counts; 0: none */
    bool       whole;           /* a stream that ended well */
    unsigned   hooks;           /* webhooks that came */
    char       hook[24];        /* what they said; all the same */
    char       id[32];          /* "job_...", when accepted */
    bool       accepted;
    bool       refused;
    int64_t    answered_at;     /* the submission */
    int64_t    cancel_asked;    /* when that cancel was sent which got ... */
    int64_t    cancelled_at;    /* ... the first 200; 0: none */
    run_t     *run;             /* NULL: Redis has none */
    unsigned   runs;
    unsigned   given_up;        /* of these, by the edge, or void */
    unsigned   hits;            /* faults that may have cost it an execution */
    call_t    *calls;           /* in the order of their turns */
    size_t     ncalls;
} job_t;


/* somebody was harmed from begin to end */

typedef struct {
    char       kind[16];
    long       pid;
    int64_t    begin;
    int64_t    end;
    bool       worker;          /* runners feel it */
    bool       edge;            /* clients may feel it */
    bool       listed;          /* "held" tells all that it may have hit */
    char      *held;            /* entries, with a space before each */
} fault_t;


typedef struct {
    char       entry[ENTRY_MAX];
    unsigned   job;
} entry_t;


typedef struct {
    char       entry[ENTRY_MAX];
    int64_t    at;
} claim_t;


typedef struct {
    job_t      *jobs;           /* by number, 1 to njobs */
    size_t      njobs;
    request_t  *requests;       /* by number */
    size_t      nrequests;
    fault_t    *faults;
    size_t      nfaults;
    run_t      *runs;           /* by id */
    size_t      nruns;
    entry_t    *entries;        /* by entry */
    size_t      nentries;
    claim_t    *claims;         /* by entry, then time */
    size_t      nclaims;
    char      **dead;           /* runs that are dead letters */
    size_t      ndead;
    size_t      fenced;
    size_t      kills;
    int64_t     late;           /* ms, the driver's worst delay */
    int64_t     now;
    bool        drained;
} course_t;


/* Prints the first ones of each rule, counts all. */
__attribute__((format(printf, 2, 3)))
void violation(const char *rule, const char *fmt, ...);
size_t violations(void);

void *grown(void *array, size_t n, size_t size);

/* each line of a log; at: its first word */
void each_line(course_t *c, const char *name,
    void (*take)(course_t *c, long long at, char *line));

/* Whoever was harmed may take that much longer: the latest time of which nobody
 * can complain. */
typedef enum {
    OF_RUNNERS = 0,
    OF_CLIENTS,                 /* who wait for answers */
    OF_READERS                  /* who come again */
} whose_e;

int64_t excused(const course_t *c, const job_t *job, int64_t since,
    int64_t limit, whose_e whose);

/* said_by_one: as much of so many words as one call of the mock may say, in
 * one attempt; or all of it */
void said_clear(said_t *s);
bool said_any(const said_t *s);
bool said_same(const said_t *a, const said_t *b);
bool said_by_one(const said_t *s, unsigned words, bool whole);
void said_deltas(said_t *s, const char *list);
void said_outcome(said_t *s, const char *outcome);
void said_chat(said_t *s, const char *chat);

/* ledger, faults.log, proxy.log, calls.log, claims.log, the workers' logs */
void logs_read(course_t *c);

/* runs, dead letters, outcomes; what must be gone at rest (I4, I5, I6) */
void redis_read(course_t *c);

/* hooks.log, at rest: when its sender was killed one comes a lock later */
void hooks_read(course_t *c);

run_t *run_find(const course_t *c, const char *id);

/* jobs that ask the same, and the runs that they share (Q1 to Q4) */
void asked_check(course_t *c);

/* streams.log and rest.log; then what they say against the results (I10) */
void streams_read(course_t *c);
void streams_check(course_t *c);

/* every write to a register (I2) */
void aof_read(course_t *c);

/* the rules that need more than one source */
void rules_check(course_t *c);

void figures_print(const course_t *c);
void asked_print(const course_t *c);
void streams_print(void);


#endif /* CHECKER_H */
