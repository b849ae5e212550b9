/*
 * What the builders of transactions share; nobody else includes it.
 */

#ifndef WEIR_TXN_PART_H
#define WEIR_TXN_PART_H


#include "weir_txn.h"


#define weir_add(t, ...)                                                      \
    weir_txn_add(t, sizeof((weir_str_t[]) { __VA_ARGS__ })                    \
                    / sizeof(weir_str_t),                                     \
                 (weir_str_t[]) { __VA_ARGS__ })

#define W(literal)  weir_str(literal)


/* the keys of one run, named once for a transaction */

typedef struct {
    char        buf[5][WEIR_NAME_MAX];
    weir_str_t  run;
    weir_str_t  job;
    weir_str_t  request;
    weir_str_t  waiting;
    weir_str_t  deadline;
} weir_keys_t;

void weir_keys(weir_keys_t *k, unsigned shard, const char *run,
    const char *job);

/* EXPIRE; seconds */
void weir_add_expire(weir_txn_t *t, weir_str_t key, int64_t seconds);

/* Terminal records keep living for ttl seconds; the first call decides. */
void weir_add_expiry(weir_txn_t *t, const weir_keys_t *k, int64_t ttl);

/* The same for what no runner decided, the request too. */
void weir_add_tombstone(weir_txn_t *t, const weir_keys_t *k);

/* What a delivery has used; nobody reads what a loser used. */
void weir_add_used(weir_txn_t *t, weir_str_t run, const weir_used_t *u);

/* What it said is of use for a while only. */
void weir_add_events_expiry(weir_txn_t *t, unsigned shard, const char *run,
    bool while_read);

/* The run no longer counts among its owner's unfinished; empty: nobody's. */
void weir_add_closed(weir_txn_t *t, unsigned shard, weir_str_t owner,
    const char *run);

/* What weir_job_read() and then weir_run_read() take. */
void weir_add_look(weir_txn_t *t, const weir_keys_t *k);

/* That of several, in a transaction; with request also whether it is there. */
void weir_add_looks(weir_txn_t *t, unsigned shard, const weir_str_t *ids,
    unsigned n, bool request);

/* The entry leaves the stream and its pending list. */
void weir_add_ack(weir_txn_t *t, unsigned shard, weir_class_e class,
    const char *entry);

/* An entry of the outbox of webhooks, due now, or a dead letter. */
void weir_add_outbox(weir_txn_t *t, const char *pattern, unsigned shard,
    const char *token, const char *id, int64_t now);

/* A job's record, whose run is "run"; its registers, or a run's; the sets in
 * which its owner's jobs stand. */
void weir_add_job(weir_txn_t *t, const weir_submission_t *s, weir_str_t job,
    const char *run);
void weir_add_run(weir_txn_t *t, const weir_submission_t *s, weir_str_t run);
void weir_add_sets(weir_txn_t *t, const weir_submission_t *s);

/* A question is known for as long as what asks it may last (ms), and longer. */
void weir_add_ask_life(weir_txn_t *t, unsigned shard, const char *question,
    int64_t ms);

/* Who asks for a run is known for so long (ms), and two days. */
void weir_add_askers_life(weir_txn_t *t, unsigned shard, const char *run,
    int64_t ms);

/* A job asks for a run: all of its records; and it does so no longer.  run may
 * be empty: it is not known. */
void weir_add_asker(weir_txn_t *t, const weir_submission_t *job,
    const char *run, const char *part);
void weir_add_unasked(weir_txn_t *t, unsigned shard, const char *run,
    const char *job);

/* The run has ended: its askers are to be told, if it has any. */
void weir_add_ended(weir_txn_t *t, unsigned shard, const char *run,
    int64_t now);

/* Workers are told to look at a run. */
void weir_add_control(weir_txn_t *t, unsigned shard, const char *op,
    const char *run);

/* Cuts the word before "end" off rest; false: there is no "end". */
bool weir_word(weir_str_t *rest, char end, weir_str_t *word_r);


#endif /* WEIR_TXN_PART_H */
