/*
 * Several decisions about limits that are made together: the states that they
 * share, by name, and what becomes of them.  Each decision sees what those
 * before it have charged, and charges all of its parts or none.  Pure: who
 * reads and writes the states is not known here.
 */

#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H


#include "weir_txn_limit.h"


#define WEIR_BATCH_TABLE  256           /* a power of two, above the names */


typedef struct {
    char                 name[WEIR_LIMIT_KEY_MAX + 1];
    size_t               len;
    weir_limit_state_t   state;         /* of a set: its count is the level */
    int64_t              lasts;         /* us that the state matters */
    bool                 slots;         /* a set of members, not a state */
    bool                 bad;           /* could not be read */
    bool                 changed;       /* the state is to be written */
} weir_batch_state_t;

typedef struct {
    unsigned             n;
    weir_batch_state_t   states[WEIR_LIMITS_BATCH];
    unsigned char        table[WEIR_BATCH_TABLE];       /* index + 1 */
} weir_batch_t;


/* one limit of a decision */

typedef struct {
    int                  i;             /* of the state */
    const weir_limit_t  *limit;
    int64_t              cost;
    weir_limit_verdict_t  *verdict;
} weir_batch_part_t;


void weir_batch_init(weir_batch_t *b);

/* The index of a state, which is added if it is new; -1: there is no room, or
 * the name is too long. */
int weir_batch_add(weir_batch_t *b, const char *name, bool slots);

/* Forgets all states from the n-th on. */
void weir_batch_cut(weir_batch_t *b, unsigned n);

/* All parts, of different states, are charged, or none: whether they were.
 * The verdicts say what is left then, or who refused. */
bool weir_batch_decide(weir_batch_t *b, const weir_batch_part_t *parts,
    unsigned n, int64_t now);

/* Charges without asking; less than nothing is given back, to a quota only
 * within the window that was charged "at" then. */
void weir_batch_charge(weir_batch_t *b, int i, const weir_limit_t *limit,
    int64_t now, int64_t cost, int64_t at);


#endif /* WEIR_BATCH_H */
