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

/* The run no longer counts among its owner's unfinished; empty: nobody's. */
void weir_add_closed(weir_txn_t *t, unsigned shard, weir_str_t owner,
    const char *run);

/* What weir_job_read() and then weir_run_read() take. */
void weir_add_look(weir_txn_t *t, const weir_keys_t *k);

/* The entry leaves the stream and its pending list. */
void weir_add_ack(weir_txn_t *t, unsigned shard, weir_class_e class,
    const char *entry);

/* An entry of the outbox of webhooks, due now, or a dead letter. */
void weir_add_outbox(weir_txn_t *t, const char *pattern, unsigned shard,
    const char *token, const char *id, int64_t now);

/* Cuts the word before "end" off rest; false: there is no "end". */
bool weir_word(weir_str_t *rest, char end, weir_str_t *word_r);


#endif /* WEIR_TXN_PART_H */
