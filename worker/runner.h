/*
 * A runner: one process, one loop, and in it everything that takes runs from
 * the queue and brings their outcomes back.
 */

#ifndef RUNNER_H
#define RUNNER_H


#include "conf.h"
#include "counters.h"
#include "job.h"
#include "loop.h"
#include "provider.h"
#include "redis.h"
#include "weir_txn.h"
#include "zygote.h"


#define RUNNER_CONSUMER_MAX  80
#define RUNNER_SHARD         0          /* the only one so far */

/* exit codes of the process */
#define RUNNER_REFUSED       3          /* a reason that lasts; see the log */


typedef enum {
    RUNNER_WORKING = 0,
    RUNNER_DRAINING,            /* claims no more, finishes what it has */
    RUNNER_LEAVING              /* hands back what it could not finish */
} runner_state_e;


typedef struct runner_s     runner_t;
typedef struct server_s     server_t;
typedef struct queue_s      queue_t;
typedef struct lease_s      lease_t;
typedef struct fence_s      fence_t;
typedef struct finish_s     finish_t;
typedef struct reaper_s     reaper_t;
typedef struct control_s    control_t;
typedef struct gate_s       gate_t;
typedef struct takeover_s   takeover_t;
typedef struct catalogue_s  catalogue_t;
typedef struct cells_s      cells_t;
typedef struct webhook_s    webhook_t;
typedef struct settle_s     settle_t;
typedef struct askers_s     askers_t;
typedef struct sweep_s      sweep_t;
typedef struct place_s      place_t;
typedef struct feed_s       feed_t;

struct runner_s {
    const conf_t     *conf;
    counters_t       *counters;
    unsigned          slot;
    bool              leader;           /* the first of its generation */
    char              consumer[RUNNER_CONSUMER_MAX];
    runner_state_e    state;
    int               code;             /* to exit with */

    loop_t           *loop;
    int64_t           clock;            /* Redis's ms less loop_now() */

    redis_t          *read;             /* reads of the streams, nothing else */
    redis_t          *cmd;              /* claims, finishes, mail */
    redis_t          *renew;            /* leases */
    redis_t          *watch;            /* one transaction at a time */
    redis_t          *word;             /* reads of the control stream */
    redis_t          *settling;         /* one settlement at a time */
    redis_t          *asking;           /* is anybody left? one at a time */
    redis_t          *feeding;          /* deltas, and messages about them */
    redis_t          *keeping;          /* answers; NULL: they go by cmd */
    bool              refused;          /* the last of them; it was said */

    jobs_t           *jobs;
    provider_t      **providers;        /* by their index in conf */

    server_t         *server;
    gate_t           *gate;
    queue_t          *queue;
    takeover_t       *takeover;
    lease_t          *lease;
    finish_t         *finish;
    fence_t          *fence;
    reaper_t         *reaper;
    control_t        *control;
    catalogue_t      *catalogue;
    webhook_t        *webhook;
    settle_t         *settle;
    askers_t         *askers;
    sweep_t          *sweep;
    place_t          *place;
    feed_t           *feed;

    zygote_t         *zygote;
    cells_t          *cells;

    weir_txn_t        txn;              /* for runner_txn() */
};


/* ms since the epoch, by Redis's clock. */
int64_t runner_now(const runner_t *r);

/* An empty unit to build in, until the next call; sending copies it. */
weir_txn_t *runner_txn(runner_t *r);

/* Ends the process with RUNNER_REFUSED; the reason has been logged. */
void runner_refuse(runner_t *r);

/* Hands back what it has and ends, to be started anew. */
void runner_give_up(runner_t *r);

/* The process: returns its exit code.  Called in the child. */
int runner_main(const conf_t *conf, counters_t *counters, unsigned slot,
    bool leader);

/* The lock of a slot's consumer name.  -1: error_r, of CONF_ERROR bytes, says
 * why; a lock that another holds is waited for up to patience ms. */
int runner_lock(const conf_t *conf, unsigned slot, unsigned patience,
    char *error_r);


/* server.c: what Redis it is, and its clock */
server_t *server_create(runner_t *r);
void server_destroy(server_t **s);
void server_on_up(server_t *s);                 /* cmd is up */
void server_ask_time(server_t *s, redis_t *by);

/* gate.c: may anything be claimed? */
gate_t *gate_create(runner_t *r);
void gate_destroy(gate_t **g);
bool gate_is_open(const gate_t *g);
void gate_ask(gate_t *g);                       /* whether it is paused */
void gate_memory(gate_t *g, weir_str_t info);   /* what INFO memory said */
void gate_on_down(gate_t *g);                   /* cmd is down */
bool gate_is_full(const gate_t *g);             /* Redis's memory nearly is */
int64_t gate_limit(const gate_t *g);            /* bytes of it; 0: unknown */

/* queue.c: entries of the ready streams */
queue_t *queue_create(runner_t *r);
void queue_destroy(queue_t **q);
void queue_on_server(queue_t *q);               /* cmd is up, Redis checked */
void queue_on_up(queue_t *q);                   /* read is up */
void queue_on_down(queue_t *q);                 /* read or cmd is down */
void queue_stop(queue_t *q);                    /* no more entries */
bool queue_is_idle(const queue_t *q);           /* no read is outstanding */
void queue_rescan(queue_t *q, uint64_t ms);     /* own entries, in ms */
void queue_on_gate(queue_t *q);                 /* it opened or closed */

/* takeover.c: entries that others left pending */
takeover_t *takeover_create(runner_t *r);
void takeover_destroy(takeover_t **k);
bool takeover_turn(takeover_t *k, size_t free); /* true: it asks something */
uint64_t takeover_next(const takeover_t *k);    /* loop_now() of the next */
void takeover_now(takeover_t *k);               /* the next is at once */
void takeover_stalled(takeover_t *k);           /* signs of life are old */

/* claim.c: from an entry to a run, or to nothing */
void claim_entry(runner_t *r, weir_class_e class, weir_str_t entry,
    weir_str_t run, weir_str_t gen);
void claim_drop(job_t *job, bool final);

/* ask.c: from a run to its outcome */
void ask_start(job_t *job);
void ask_cancel(job_t *job);            /* here or in a cell: no report, and
                                           the outcome is what it took */
void ask_done(job_t *job, provider_verdict_e verdict, int64_t wait);
void ask_took(job_t *job);              /* into the outcome */
int64_t ask_left(const job_t *job);             /* ms to its deadline */
void ask_unreadable(weir_failure_t *f, const char *error);

/* Whom to ask; fills in outcome and call what follows from that.  NULL: the
 * outcome's error says why. */
const conf_model_t *ask_prepare(const conf_t *conf, const weir_json_t *request,
    weir_outcome_t *outcome, provider_call_t *call);

/* cells.c: runs that may have killed a process, in processes of their own */
cells_t *cells_create(runner_t *r);
void cells_destroy(cells_t **c);
void cells_add(job_t *job, weir_str_t payload);
void cells_forget(job_t *job);                  /* nor in a cell any more */

/* finish.c: the end of runs, and whom to tell */
void finish_fill(const job_t *job, weir_finish_t *f);
finish_t *finish_create(runner_t *r);
void finish_destroy(finish_t **f);
void finish_on_up(finish_t *f);                 /* cmd is up */
void finish_job(job_t *job, weir_state_e state, const char *token);
void finish_with(job_t *job, weir_str_t document);      /* completed */
void finish_failed(job_t *job);                 /* job->outcome.error is set */
void finish_now(job_t *job);                    /* it is not in doubt */
void finish_add(const job_t *job, weir_txn_t *t);
void finish_answer(job_t *job, const weir_answer_t *answer);
bool finish_is(const job_t *job, weir_str_t fin);       /* it wrote this */
void finish_fenced(job_t *job, bool final);     /* its result is dropped */
void finish_count_used(const job_t *job);       /* tokens, that somebody pays */

/* A drop that says what it took is sent again as results are; later: not at
 * the next connection, but in a moment. */
void finish_put_off(job_t *job, bool later);
void finish_overdue(runner_t *r, const char *run);

/* Its register is ours: counts, wakes whom that concerns, and those who wait;
 * outcome: for them, may be empty. */
void finish_tell(runner_t *r, const weir_finish_t *f,
    const weir_reply_t *mailboxes, weir_str_t outcome);

/* answer.c: what is kept of the end of a question's run */
void answer_make(job_t *job);                   /* its document is there */
void answer_drop(job_t *job);
void answer_count(const job_t *job);            /* it was stored */

/* Where answers are kept in a Redis of their own: it goes there now, and the
 * finish has none.  Nothing waits for it. */
void answer_send(job_t *job);

/* fence.c: what may be done only while a run is still ours */
fence_t *fence_create(runner_t *r);
void fence_destroy(fence_t **f);
void fence_on_up(fence_t *f);                   /* watch is up */
void fence_retry(job_t *job, int64_t wait);     /* again, in ms */
void fence_finish(job_t *job);                  /* its end is in doubt */
void fence_forget(fence_t *f, const job_t *job);

/* lease.c: entries in hand stay ours; handing back */
lease_t *lease_create(runner_t *r);
void lease_destroy(lease_t **l);
void lease_on_up(lease_t *l);                   /* renew is up */
bool lease_in_doubt(const job_t *job);          /* may be another's by now */

/* Asks which jobs have ended or are another's; these are given up. */
void lease_check_run(lease_t *l, weir_str_t run, redis_t *by);
void lease_check_all(lease_t *l, redis_t *by);

/* A job that was claimed; an entry that was not, which waits for the flush. */
void lease_hand_back(lease_t *l, job_t *job);
void lease_hand_back_entry(lease_t *l, weir_class_e class, weir_str_t entry);
void lease_hand_back_flush(lease_t *l);

/* reaper.c: delayed runs that are due, runs past their deadline */
reaper_t *reaper_create(runner_t *r);
void reaper_destroy(reaper_t **p);
void reaper_expect(reaper_t *p, int64_t due);   /* ms: a run was delayed */
void reaper_stop(reaper_t *p);

/* control.c: word from outside */
control_t *control_create(runner_t *r);
void control_destroy(control_t **c);
void control_on_up(control_t *c);               /* word is up */
void control_stop(control_t *c);

/* webhook.c: the ends of runs, told to whom they concern */
webhook_t *webhook_create(runner_t *r);
void webhook_destroy(webhook_t **w);
void webhook_kick(webhook_t *w);                /* look now */
void webhook_stop(webhook_t *w);                /* no new ones */
bool webhook_is_idle(const webhook_t *w);
void webhook_leave(webhook_t *w);               /* hands back */

/* settle.c: reservations and the ledger */
settle_t *settle_create(runner_t *r);
void settle_destroy(settle_t **s);
void settle_kick(settle_t *s, const char *run);     /* it has ended here */
void settle_stop(settle_t *s);                      /* only what ended here */
bool settle_is_idle(const settle_t *s);

/* askers.c: the end of runs, handed on to the jobs that ask for them */
askers_t *askers_create(runner_t *r);
void askers_destroy(askers_t **a);
void askers_on_up(askers_t *a);                 /* asking is up */
void askers_kick(askers_t *a, const char *run, weir_str_t outcome);  /* ended */
void askers_left(askers_t *a, weir_str_t run);  /* an asker has gone */
void askers_expire(runner_t *r, const weir_answer_t *due);  /* jobs */
void askers_stop(askers_t *a);                  /* only what ended here */
bool askers_is_idle(const askers_t *a);

/* sweep.c: the answers that are kept, and how much room they take */
sweep_t *sweep_create(runner_t *r);
void sweep_destroy(sweep_t **s);
void sweep_stop(sweep_t *s);

/* place.c: which Redis that is; the queue is told */
place_t *place_create(runner_t *r);
void place_destroy(place_t **p);
void place_tell(place_t *p);

/* feed.c: what runs say, to those who read it */
feed_t *feed_create(runner_t *r);
void feed_destroy(feed_t **f);
void feed_wish(job_t *job);                     /* somebody reads it */
void feed_heard(job_t *job);                    /* so they say */
void feed_delta(job_t *job, const weir_delta_t *d);
void feed_over(job_t *job, const char *why);    /* another attempt follows */
void feed_leave(job_t *job);                    /* it is out of hand */

/* The run's end is this job's: what it said is completed, and closed.  last_r,
 * of WEIR_EVENT_ID_MAX bytes: the id of the entry that will do so; empty: there
 * is none. */
void feed_won(job_t *job, char *last_r);

/* catalogue.c: the list of models */
catalogue_t *catalogue_create(runner_t *r);
void catalogue_destroy(catalogue_t **c);
void catalogue_stop(catalogue_t *c);


#endif /* RUNNER_H */
