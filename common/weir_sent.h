/*
 * What a reader of a stream was sent of an answer: how much of each part, and a
 * hash of it, never the text.  When the outcome is there it tells what is
 * missing, or that what was sent is not its beginning.
 */

#ifndef WEIR_SENT_H
#define WEIR_SENT_H


#include "weir_delta.h"
#include "weir_outcome.h"


typedef struct weir_sent_choice_s  weir_sent_choice_t;


typedef struct {
    weir_sent_choice_t  *choices;
    unsigned             n;
    bool                 model;         /* it was said who answers */
    bool                 extra;
    bool                 content;       /* of any choice: no way back */
} weir_sent_t;


/* A zeroed struct has sent nothing, and needs no memory. */
void weir_sent_free(weir_sent_t *sent);

/* Once for each delta that was sent.  -1: no memory. */
int weir_sent_add(weir_sent_t *sent, const weir_delta_t *d);

/*
 * Calls fn for all of a completed outcome that was not sent, in the order of
 * choices and parts; texts come whole.  It is noted as sent.  0, or what fn
 * returned; -1: no memory; -2: what was sent is not its beginning.  The latter
 * is found out before anything is said.
 */
int weir_sent_rest(weir_sent_t *sent, const weir_outcome_t *o,
    weir_delta_pt fn, void *arg);


#endif /* WEIR_SENT_H */
