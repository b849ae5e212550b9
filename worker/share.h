/*
 * How free slots are shared out among the classes when all have a backlog.
 * Pure.
 */

#ifndef SHARE_H
#define SHARE_H


#include <stdbool.h>

#include "weir_job.h"


/* Zeroed: nothing is known. */

typedef struct {
    unsigned   turn;                    /* of the next slot */
    uint64_t   empty[WEIR_CLASSES];     /* ms: taken for empty until then */
} share_t;


/* How many of n slots each class is to be asked for: 11 of 16 turns are the
 * urgent class's, four the next one's, one the last one's.  A class that is
 * taken for empty passes its turn on to the most urgent that is not.  false:
 * all of them are. */
bool share_out(share_t *s, unsigned n, uint64_t now,
    unsigned counts_r[WEIR_CLASSES]);

/* It had less than it was asked for. */
void share_empty(share_t *s, weir_class_e class, uint64_t now);


#endif /* SHARE_H */
