/*
 * A batch of runs that are settled together, as settle*.c share it.
 */

#ifndef SETTLE_H
#define SETTLE_H


#include "runner.h"
#include "weir_txn_limit.h"


typedef struct {
    settle_t            *settle;
    char                 run[WEIR_ID_LEN + 1];
    int64_t              due;           /* ms; 0: it ended here */
    bool                 away;          /* it cannot be read */
    weir_settle_t        s;
    weir_settle_e        verdict;
    bool                 skipped;       /* left as it is: not in this batch */
} settle_item_t;


/* the state of a limit that charges of the batch concern */

typedef struct {
    weir_str_t           name;          /* in the items */
    weir_limit_state_t   state;
    int64_t              lasts;         /* us */
} settle_state_t;


typedef struct {
    unsigned             n;
    settle_item_t        items[WEIR_SETTLE_BATCH];
    unsigned             nstates;
    settle_state_t       states[WEIR_LIMITS_BATCH];

    /* what writing it came to */
    unsigned             settled;
    unsigned             back;
    unsigned             stands;
} settle_batch_t;


/* One more, unless it is in the batch already. */
void settle_batch_add(settle_batch_t *b, const char *run, int64_t due);

/* Everything was read: who is settled how, and which states that takes. */
void settle_batch_judge(settle_batch_t *b);

/* These states are watched and read. */
void settle_batch_watch(const settle_batch_t *b, weir_txn_t *t);
void settle_batch_states(settle_batch_t *b, const weir_answer_t *answer);

/* All of it, MULTI to EXEC. */
void settle_batch_write(settle_batch_t *b, weir_txn_t *t, int64_t now);


#endif /* SETTLE_H */
