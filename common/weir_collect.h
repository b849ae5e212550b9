/*
 * An outcome that is put together of deltas: what the worker has of an answer
 * that is under way.  Since the outcome of a streamed call is made here, and of
 * nothing else, it is what its deltas say.
 */

#ifndef WEIR_COLLECT_H
#define WEIR_COLLECT_H


#include "weir_delta.h"
#include "weir_outcome.h"


typedef struct weir_collect_part_s    weir_collect_part_t;
typedef struct weir_collect_choice_s  weir_collect_choice_t;


typedef struct {
    weir_collect_choice_t  *choices;
    unsigned                n;
    weir_buf_t              model;
    weir_json_t            *extra;
    long long               input;      /* tokens; -1: not said */
    long long               output;     /* likewise */
    size_t                  text;       /* bytes of it in parts */
    size_t                  bytes;      /* of all */
    size_t                  max;
} weir_collect_t;


/* max: bytes of all.  Nothing is allocated before the first delta. */
void weir_collect_init(weir_collect_t *c, size_t max);
void weir_collect_free(weir_collect_t *c);

/* -1: no memory, too much, or a part that changes its type. */
int weir_collect_add(weir_collect_t *c, const weir_delta_t *d);

/* How many choices have stopped, and whether all have that have begun. */
unsigned weir_collect_stopped(const weir_collect_t *c, bool *all_r);

/* All that was collected, again, in as few deltas as it takes.  0, or what fn
 * returned. */
int weir_collect_replay(const weir_collect_t *c, weir_delta_pt fn, void *arg);

/* Into choices, model, extra and tokens of o; 0 where none were said.  -1: no
 * memory.  What was collected stays. */
int weir_collect_outcome(const weir_collect_t *c, weir_outcome_t *o);


#endif /* WEIR_COLLECT_H */
