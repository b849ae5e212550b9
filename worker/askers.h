/*
 * Who asks for the run of a question, as askers*.c share it.
 */

#ifndef ASKERS_H
#define ASKERS_H


#include "runner.h"
#include "weir_txn_ask.h"


#define ASKERS_TOKEN_MAX  33


/* askers_job.c: a job that asks comes to its end, by that of its run or for
 * itself. */

typedef struct {
    const char         *id;
    const char         *run;            /* id; "": it is not known */
    const weir_job_t   *job;            /* its records */
    const weir_run_t   *own;
    weir_state_e        state;
    const char         *token;
    const char         *outcome;        /* for those who wait; NULL: they
                                         * fetch it */
    bool                leaves;         /* it may have been the last one */

    /* NULL, or called once, perhaps from within.  gone: it has its end, else
     * this is to be tried again. */
    void              (*fn)(void *data, unsigned i, bool gone);
    void               *data;
    unsigned            i;
} asker_end_t;

void asker_end(runner_t *r, const asker_end_t *e);


/* left.c: has nobody any need of the run?  If it goes on, it is cancelled; or
 * if its end was told to all, it leaves the outbox.  If somebody has, nothing
 * happens.  Runs are looked at one after the other. */

typedef struct left_s  left_t;

left_t *left_create(runner_t *r);
void left_destroy(left_t **l);
void left_look(left_t *l, const char *run, bool ended);
void left_on_up(left_t *l);             /* asking is up */
bool left_is_idle(const left_t *l);


/* askers_look.c: one run is looked at.  At the end of it, perhaps from within,
 * askers_looked() is called, which frees it or keeps it for another look. */

typedef struct look_s  look_t;

struct look_s {
    look_t        *next;
    runner_t      *runner;
    left_t        *left;
    char           run[WEIR_ID_LEN + 1];
    char          *outcome;             /* a small one; NULL: not known */
    bool           again;               /* once more, when this is over */

    /* its end, as far as it is read: strings are in token */
    weir_hand_on_t  end;
    char           token[ASKERS_TOKEN_MAX];

    /* a page of those who ask */
    unsigned       n;
    unsigned       pending;
    struct {
        char       name[WEIR_ID_LEN + 1];
        bool       job;
        bool       gone;
    } of[WEIR_ASKERS_BATCH];
};

void look_start(look_t *l);
void look_free(look_t *l);
void askers_looked(look_t *l);


#endif /* ASKERS_H */
