/*
 * Deltas of parts that wait for their turn: a dialect whose parts come one
 * after the other cannot say them while the arguments of a call are not whole.
 */

#ifndef WEIR_TURNS_H
#define WEIR_TURNS_H


#include "weir_delta.h"


typedef struct weir_turn_s  weir_turn_t;


/* A zeroed struct has none. */

typedef struct {
    weir_turn_t  *turns;
    unsigned      n;
    unsigned      next;                 /* of these */
} weir_turns_t;


void weir_turns_free(weir_turns_t *t);

/* A text goes on in the part that waits, if one does; a whole part, or a text
 * that begins, comes last.  -1: no memory, or a part that is too long. */
int weir_turns_add(weir_turns_t *t, const weir_delta_t *d);

/* Whose turn it is, as one delta: borrowed until the next call.  false: none
 * waits. */
bool weir_turns_next(weir_turns_t *t, weir_delta_t *d_r);


#endif /* WEIR_TURNS_H */
