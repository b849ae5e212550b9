/*
 * What the files about reading the queue share; nobody else includes it.
 * All reads go over one connection, and while an answer is to come no other
 * question is asked: what is asked for never exceeds the free slots.
 */

#ifndef QUEUE_H
#define QUEUE_H


#include "runner.h"


#define QUEUE_BATCH   256               /* entries of a read, at most */
#define QUEUE_ID_MAX  JOB_ENTRY_MAX


extern const weir_class_e  queue_classes[WEIR_CLASSES];

/* Sends on "read"; block in ms, 0: it does not wait. */
void queue_send(queue_t *q, weir_txn_t *t, uint64_t block, weir_answer_pt fn,
    void *data);

/* Each answer passes here first.  false: it is an error, which has been dealt
 * with. */
bool queue_answered(queue_t *q, const char *what, const weir_answer_t *answer);

/* May entries be taken just now? */
bool queue_is_taking(const queue_t *q);


/* entries.c: the class of a stream; -1: none of ours */
int entries_class(const weir_reply_t *stream);

/* Entries of one stream into jobs; after_r: the id of the last one.  Returns
 * how many were new to us. */
size_t entries_take(runner_t *r, weir_class_e class,
    const weir_reply_t *entries, char after_r[QUEUE_ID_MAX]);


#endif /* QUEUE_H */
