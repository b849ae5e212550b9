/*
 * Ids of jobs, runs and mailboxes: base62, drawn from random bytes that the
 * caller brings, so that nothing here depends on a source of chance.
 */

#ifndef WEIR_ID_H
#define WEIR_ID_H


#include <stdbool.h>

#include "weir_contract.h"
#include "weir_str.h"


/* random bytes that an id needs */
#define WEIR_ID_RANDOM       32
#define WEIR_MAILBOX_RANDOM  24


/* id has room for WEIR_ID_LEN + 1 bytes and is terminated. */
void weir_id_make(char *id, unsigned shard,
    const unsigned char random[WEIR_ID_RANDOM]);

/* mailbox has room for WEIR_MAILBOX_LEN + 1 bytes and is terminated. */
void weir_mailbox_make(char *mailbox,
    const unsigned char random[WEIR_MAILBOX_RANDOM]);

/* True if s has the form of an id; *shard_r is then its shard. */
bool weir_id_parse(weir_str_t s, unsigned *shard_r);

/* The same for the public form, "job_" and the id; id_r points into s. */
bool weir_job_id_parse(weir_str_t s, weir_str_t *id_r, unsigned *shard_r);

/* The shard of an owner: shards is between 1 and WEIR_SHARDS_MAX. */
unsigned weir_shard_of(weir_str_t owner, unsigned shards);


#endif /* WEIR_ID_H */
