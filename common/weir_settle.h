/*
 * Settlement: what was reserved for a run against what it used.  Pure; the
 * transactions are in weir_txn_limit.h.
 */

#ifndef WEIR_SETTLE_H
#define WEIR_SETTLE_H


#include "weir_job.h"
#include "weir_limit.h"


#define WEIR_HOLD_CHARGES  16       /* in one reservation */
#define WEIR_SETTLE_TEXT   2048     /* bytes */
#define WEIR_DAY_LEN       8        /* "20261121" */


/* what was charged for a run before anybody knew what it would use: tokens,
 * cost, and places among the jobs at once */

bool weir_unit_reserved(weir_unit_e unit);

typedef struct {
    weir_unit_e    unit;            /* TOKENS, INPUT, OUTPUT, COST, JOBS */
    weir_limit_t   limit;
    weir_str_t     name;
    int64_t        units;           /* reserved */
    int64_t        at;              /* us; this and the next: the state's, */
    int64_t        level;           /* once charged */
} weir_charge_t;

typedef struct {
    unsigned       shard;
    const char    *run;
    weir_str_t     owner;
    int64_t        by;              /* ms, as of the submission */
    unsigned       n;
    weir_charge_t  charges[WEIR_HOLD_CHARGES];
} weir_hold_t;


/* what is known of a run that is due */

typedef struct {
    bool           hold;            /* there is a reservation */
    bool           found;           /* the run is */
    bool           settled;
    bool           counts;          /* it was a job: not given up, not void */
    bool           reported;        /* there is a word about what it used */
    bool           cut;             /* it was ended by others while somebody may
                                       have been at it, who will have a word */
    weir_state_e   state;           /* of the run */
    int64_t        fin_at;          /* ms */
    int64_t        deadline;        /* ms */
    long long      input_tokens;    /* used, as the winner wrote it */
    long long      output_tokens;
    long long      cost;            /* millionths of a dollar */
    weir_str_t     owner;           /* empty: not known */
    weir_hold_t    h;
    size_t         used;            /* bytes of: */
    char           text[WEIR_SETTLE_TEXT];      /* what the strings point to */
} weir_settle_t;


typedef enum {
    WEIR_SETTLE_WAIT = 0,           /* it is not over, or not all is known */
    WEIR_SETTLE_USED,               /* charged as it was used */
    WEIR_SETTLE_BACK,               /* nothing was used, nor will be */
    WEIR_SETTLE_STANDS              /* nobody knows: as it was reserved */
} weir_settle_e;

/* Empty, to be read into. */
void weir_settle_init(weir_settle_t *s);

/* due: ms, its score in the set of those to be settled; 0: not known.  The
 * submission raises the score of a reservation above by + WEIR_RESERVED. */
weir_settle_e weir_settle_judge(const weir_settle_t *s, int64_t due);

/* Units by which a charge is to be corrected; 0: it is right. */
int64_t weir_settle_units(const weir_settle_t *s, const weir_charge_t *c,
    weir_settle_e verdict);

/* When to look again at one that waits: ms. */
int64_t weir_settle_next(const weir_settle_t *s, int64_t now);


/* what an owner used on a day (UTC), in sum */

typedef struct {
    weir_str_t     owner;
    char           day[WEIR_DAY_LEN + 1];
    long long      jobs;
    long long      input_tokens;
    long long      output_tokens;
    long long      cost;            /* millionths of a dollar */
} weir_usage_t;

/* Adds one that is settled for the first time to a list of n with room for one
 * more; returns how many there are then. */
unsigned weir_usage_add(weir_usage_t *list, unsigned n,
    const weir_settle_t *s);

/* The day (UTC) of a time. */
void weir_day(int64_t ms, char day[WEIR_DAY_LEN + 1]);


#endif /* WEIR_SETTLE_H */
