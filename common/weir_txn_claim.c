/*
 * The transitions of a queue entry: read, claim, renew, drop.  Pure.
 */

#include "weir_txn_limit.h"
#include "weir_txn_part.h"

#include <stdio.h>


/* the position of a reply inside EXEC's */

enum {
    WEIR_CLAIM_REGISTER = 0,
    WEIR_CLAIM_DELIVERIES,
    WEIR_CLAIM_STARTED,
    WEIR_CLAIM_RECORD,
    WEIR_CLAIM_DEADLINE,
    WEIR_CLAIM_PAYLOAD,
    WEIR_CLAIM_READERS,
    WEIR_CLAIM_REPLIES
};

#define WEIR_CLAIM_FIELDS  23


/* reading the ready streams */

void
weir_txn_group(weir_txn_t *t, unsigned shard, weir_class_e class)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("XGROUP"), W("CREATE"),
             weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class)),
             W(WEIR_GROUP), W("0"), W("MKSTREAM"));
}


void
weir_txn_read(weir_txn_t *t, unsigned shard, const char *consumer,
    const weir_class_e *classes, unsigned nclasses, unsigned count,
    unsigned block)
{
    char        keys[WEIR_CLASSES][WEIR_NAME_MAX];
    char        cbuf[WEIR_DECIMAL_MAX], bbuf[WEIR_DECIMAL_MAX];
    unsigned    i, n;
    weir_str_t  args[10 + 2 * WEIR_CLASSES];

    n = 0;
    args[n++] = W("XREADGROUP");
    args[n++] = W("GROUP");
    args[n++] = W(WEIR_GROUP);
    args[n++] = weir_str_of(consumer);
    args[n++] = W("COUNT");
    args[n++] = weir_decimal(cbuf, count);

    if (block) {
        args[n++] = W("BLOCK");
        args[n++] = weir_decimal(bbuf, block);
    }

    args[n++] = W("STREAMS");

    for (i = 0; i < nclasses; i++) {
        args[n++] = weir_name(keys[i], WEIR_KEY_READY, shard,
                              weir_class_name(classes[i]));
    }

    for (i = 0; i < nclasses; i++) {
        args[n++] = W(">");
    }

    weir_txn_add(t, n, args);
}


void
weir_txn_read_own(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, const char *after, unsigned count)
{
    char  key[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("XREADGROUP"), W("GROUP"), W(WEIR_GROUP),
             weir_str_of(consumer), W("COUNT"), weir_decimal(n, count),
             W("STREAMS"),
             weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class)),
             weir_str_of(after));
}


void
weir_txn_autoclaim(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t min_idle, const char *start, unsigned count)
{
    char  key[WEIR_NAME_MAX], idle[WEIR_DECIMAL_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("XAUTOCLAIM"),
             weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class)),
             W(WEIR_GROUP), weir_str_of(consumer), weir_decimal(idle, min_idle),
             weir_str_of(start), W("COUNT"), weir_decimal(n, count));
}


void
weir_txn_touch(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t idle, const weir_str_t *entries, unsigned n)
{
    char        key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];
    unsigned    i, k;
    weir_str_t  args[WEIR_BATCH + 8];

    k = 0;
    args[k++] = W("XCLAIM");
    args[k++] = weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class));
    args[k++] = W(WEIR_GROUP);
    args[k++] = weir_str_of(consumer);
    args[k++] = W("0");

    for (i = 0; i < n && i < WEIR_BATCH; i++) {
        args[k++] = entries[i];
    }

    if (idle > 0) {
        args[k++] = W("IDLE");
        args[k++] = weir_decimal(ms, idle);
    }

    args[k++] = W("JUSTID");

    weir_txn_add(t, k, args);
}


/* claim */

void
weir_txn_claim(weir_txn_t *t, unsigned shard, const char *run,
    const char *entry, const char *gen, int64_t now)
{
    char         claim[64], deliveries[64], at[WEIR_DECIMAL_MAX];
    char         readers[WEIR_NAME_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, run, run);
    snprintf(claim, sizeof(claim), WEIR_RUN_CLAIM, gen);
    snprintf(deliveries, sizeof(deliveries), WEIR_RUN_DELIVERIES, entry);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSETNX"), k.run, weir_str_of(claim), weir_str_of(entry));
    weir_add(t, W("HINCRBY"), k.run, weir_str_of(deliveries), W("1"));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_STARTED), weir_decimal(at, now));
    weir_add(t, W("HMGET"), k.run, weir_str_of(claim), W(WEIR_RUN_FIN),
             W(WEIR_RUN_GEN), W(WEIR_RUN_FAILURES), W(WEIR_RUN_CREATED),
             W(WEIR_RUN_STARTED), W(WEIR_RUN_DEADLINE), W(WEIR_RUN_TTL),
             W(WEIR_RUN_JOB), W(WEIR_RUN_REQUEST), W(WEIR_RUN_MODEL),
             W(WEIR_RUN_BACK), W(WEIR_RUN_CRASH), W(WEIR_RUN_RECORDS),
             W(WEIR_RUN_HOOK), W(WEIR_RUN_KEEP), W(WEIR_RUN_OWNER),
             W(WEIR_RUN_ASK), W(WEIR_RUN_CACHE), W(WEIR_RUN_LABELS),
             W(WEIR_RUN_STREAM), W(WEIR_RUN_WHILE), W(WEIR_RUN_TRACE));
    weir_add(t, W("ZSCORE"), k.deadline, weir_str_of(run));
    weir_add(t, W("GET"), k.request);
    weir_add(t, W("ZCOUNT"), weir_name(readers, WEIR_KEY_READERS, shard, run),
             weir_decimal(at, now), W("+inf"));
    weir_add(t, W("EXEC"));
}


bool
weir_txn_claim_read(const weir_answer_t *a, const char *entry,
    weir_claim_t *claim_r)
{
    long long            latest;
    weir_str_t           holder;
    const weir_reply_t  *record;

    memset(claim_r, 0, sizeof(weir_claim_t));

    record = weir_reply_at(a->reply, WEIR_CLAIM_RECORD);

    /* a reply of another form must not read as "no such run" */

    if (a->code != WEIR_ANSWER_OK
        || weir_reply_count(a->reply) != WEIR_CLAIM_REPLIES
        || weir_reply_count(record) != WEIR_CLAIM_FIELDS)
    {
        return false;
    }

    holder = weir_reply_str(weir_reply_at(record, 0));

    claim_r->ours = weir_str_eq(holder, weir_str_of(entry));
    claim_r->fin = weir_reply_str(weir_reply_at(record, 1));
    claim_r->found = !weir_reply_is_nil(weir_reply_at(record, 2));
    claim_r->gen = weir_reply_int(weir_reply_at(record, 2));
    claim_r->failures = weir_reply_int(weir_reply_at(record, 3));
    claim_r->created = weir_reply_int(weir_reply_at(record, 4));
    claim_r->started = weir_reply_int(weir_reply_at(record, 5));
    claim_r->deadline = weir_reply_int(weir_reply_at(record, 6));
    claim_r->ttl = weir_reply_int(weir_reply_at(record, 7));
    claim_r->job = weir_reply_str(weir_reply_at(record, 8));
    claim_r->request_id = weir_reply_str(weir_reply_at(record, 9));
    claim_r->model = weir_reply_str(weir_reply_at(record, 10));
    claim_r->back = weir_reply_int(weir_reply_at(record, 11));
    claim_r->crash = weir_reply_int(weir_reply_at(record, 12));
    claim_r->records = weir_reply_int(weir_reply_at(record, 13));
    claim_r->hook = !weir_reply_is_nil(weir_reply_at(record, 14));
    claim_r->keep = !weir_reply_is_nil(weir_reply_at(record, 15));
    claim_r->owner = weir_reply_str(weir_reply_at(record, 16));
    claim_r->ask = weir_reply_str(weir_reply_at(record, 17));
    claim_r->cache = weir_reply_str(weir_reply_at(record, 18));
    claim_r->labels = weir_reply_str(weir_reply_at(record, 19));
    claim_r->stream = !weir_reply_is_nil(weir_reply_at(record, 20));
    claim_r->while_read = !weir_reply_is_nil(weir_reply_at(record, 21));
    claim_r->trace = weir_reply_str(weir_reply_at(record, 22));
    claim_r->deliveries = weir_reply_int(weir_reply_at(a->reply,
                                                       WEIR_CLAIM_DELIVERIES));
    claim_r->payload = weir_reply_str(weir_reply_at(a->reply,
                                                    WEIR_CLAIM_PAYLOAD));
    claim_r->read = weir_reply_int(weir_reply_at(a->reply,
                                                 WEIR_CLAIM_READERS)) > 0;

    /* who hung on to it may have more time than who submitted it */

    latest = weir_reply_int(weir_reply_at(a->reply, WEIR_CLAIM_DEADLINE));

    if (claim_r->ask.len && latest > claim_r->deadline) {
        claim_r->deadline = latest;
    }

    return true;
}


void
weir_token_make(char *token, long long gen, long long deliveries)
{
    snprintf(token, 32, "%lld", gen * WEIR_TOKEN_GENERATION + deliveries);
}


/* drop */

void
weir_txn_drop(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry, bool final, weir_str_t owner,
    int64_t now, const weir_used_t *used)
{
    weir_keys_t  k;

    weir_keys(&k, shard, run, run);

    weir_add(t, W("MULTI"));
    weir_add_ack(t, shard, class, entry);

    if (final && used) {
        weir_add_used(t, k.run, used);
    }

    if (final) {
        weir_txn_settle_later(t, shard, run, now);
        weir_add(t, W("ZREM"), k.deadline, weir_str_of(run));
        weir_add_closed(t, shard, owner, run);
        weir_add_tombstone(t, &k);
    }

    weir_add(t, W("EXEC"));
}


void
weir_txn_drop_ghost(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry)
{
    weir_keys_t  k;

    weir_keys(&k, shard, run, run);

    weir_add(t, W("MULTI"));
    weir_add_ack(t, shard, class, entry);
    weir_add(t, W("ZREM"), k.deadline, weir_str_of(run));
    weir_add(t, W("DEL"), k.run);
    weir_add(t, W("EXEC"));
}
