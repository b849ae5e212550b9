/*
 * The transactions of the key store: records of API keys in Redis, and the
 * news of their changes.  A record is the line of a key file (weir_apikey.h).
 */

#ifndef WEIR_TXN_KEYS_H
#define WEIR_TXN_KEYS_H


#include "weir_txn.h"


#define WEIR_NEWS_BATCH  500        /* entries in one look */
#define WEIR_KEYS_BATCH  100        /* records in one unit */


/* The record of a public id: a string, or nil (edge). */
void weir_txn_key_get(weir_txn_t *t, weir_str_t id);

/* The records of n ids, up to WEIR_KEYS_BATCH: an array of strings and nils;
 * under WATCH, for a change (tool). */
void weir_txn_keys_get(weir_txn_t *t, const weir_str_t *ids, unsigned n);
void weir_txn_keys_watch(weir_txn_t *t, const weir_str_t *ids, unsigned n);

/* Writes n records and tells the edges of each, in one transaction: the count
 * of changes and the stream of news grow together. */
void weir_txn_keys_put(weir_txn_t *t, const weir_str_t *ids,
    const weir_str_t *lines, unsigned n);

/* Public ids from cursor on ("0" first), about count: SSCAN's reply (tool). */
void weir_txn_key_ids(weir_txn_t *t, weir_str_t cursor, unsigned count);

/*
 * What has changed behind entry "after" ("0-0": from the oldest that is kept)?
 * *changes_r: how many changes there ever were.  The i-th piece of news: the
 * id (empty: it is none), and its entry's; false: there are no more.  If what
 * was known before plus the news read is not *changes_r, news were missed:
 * trimmed, removed, more than a batch, or another Redis.
 */
void weir_txn_news(weir_txn_t *t, const char *after);
bool weir_txn_news_read(const weir_answer_t *a, int64_t *changes_r);
bool weir_txn_news_at(const weir_answer_t *a, size_t i, weir_str_t *entry_r,
    weir_str_t *id_r);


#endif /* WEIR_TXN_KEYS_H */
