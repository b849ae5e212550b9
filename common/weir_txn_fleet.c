/*
 * The transitions that keep a fleet of workers going: word from outside,
 * leases, entries that are handed back, entries of those who died.  Pure.
 */

#include "weir_txn_part.h"

#include <stdio.h>


static weir_str_t
weir_ready(char key[WEIR_NAME_MAX], unsigned shard, weir_class_e class)
{
    return weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class));
}


/* control */

void
weir_txn_control_newest(weir_txn_t *t, unsigned shard)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("XREVRANGE"), weir_name(key, WEIR_KEY_CONTROL, shard),
             W("+"), W("-"), W("COUNT"), W("1"));
}


void
weir_txn_control_read(weir_txn_t *t, unsigned shard, const char *after,
    unsigned count, unsigned block)
{
    char  key[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX], ms[WEIR_DECIMAL_MAX];

    weir_add(t, W("XREAD"), W("COUNT"), weir_decimal(n, count), W("BLOCK"),
             weir_decimal(ms, block), W("STREAMS"),
             weir_name(key, WEIR_KEY_CONTROL, shard), weir_str_of(after));
}


void
weir_txn_paused(weir_txn_t *t, unsigned shard)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_PAUSED, shard));
}


/* leases */

void
weir_txn_held(weir_txn_t *t, unsigned shard, const weir_held_t *held,
    unsigned n, int64_t now)
{
    char      key[WEIR_NAME_MAX], deliveries[64], from[WEIR_DECIMAL_MAX];
    unsigned  i;

    weir_add(t, W("MULTI"));

    for (i = 0; i < n; i++) {
        snprintf(deliveries, sizeof(deliveries), WEIR_RUN_DELIVERIES,
                 held[i].entry);
        weir_add(t, W("HMGET"),
                 weir_name(key, WEIR_KEY_RUN, shard, held[i].run),
                 W(WEIR_RUN_FIN), weir_str_of(deliveries));
    }

    for (i = 0; i < n; i++) {
        if (held[i].readers) {
            weir_add(t, W("ZCOUNT"),
                     weir_name(key, WEIR_KEY_READERS, shard, held[i].run),
                     weir_decimal(from, now), W("+inf"));
        }
    }

    weir_add(t, W("EXEC"));
}


bool
weir_txn_held_read(const weir_answer_t *a, unsigned i, weir_str_t *fin_r,
    long long *deliveries_r)
{
    const weir_reply_t  *record;

    /* one record that is broken must not hide the others: the answer's code
     * is not looked at */

    record = weir_reply_at(a->reply, i);

    if (weir_reply_count(record) != 2) {
        return false;
    }

    *fin_r = weir_reply_str(weir_reply_at(record, 0));
    *deliveries_r = weir_reply_int(weir_reply_at(record, 1));

    return true;
}


long long
weir_txn_held_readers(const weir_answer_t *a, unsigned n, unsigned k)
{
    const weir_reply_t  *count;

    count = weir_reply_at(a->reply, (size_t) n + k);

    return count && !weir_reply_is_nil(count) && weir_reply_count(count) == 0
           && weir_reply_str(count).len == 0 ? weir_reply_int(count) : -1;
}


void
weir_txn_hand_back(weir_txn_t *t, unsigned shard, const char *run,
    const char *consumer, weir_class_e class, const char *entry, int64_t idle)
{
    char        key[WEIR_NAME_MAX];
    weir_str_t  id;

    id = weir_str_of(entry);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HINCRBY"), weir_name(key, WEIR_KEY_RUN, shard, run),
             W(WEIR_RUN_BACK), W("1"));
    weir_txn_touch(t, shard, consumer, class, idle, &id, 1);
    weir_add(t, W("EXEC"));
}


weir_str_t
weir_txn_retry_fin(const weir_answer_t *a)
{
    return a->code == WEIR_ANSWER_OK
           ? weir_reply_str(weir_reply_at(a->reply, 0)) : weir_str_null;
}


/* those who died */

void
weir_txn_reap(weir_txn_t *t, unsigned shard, const char *consumer, int64_t ms)
{
    char  key[WEIR_NAME_MAX], px[WEIR_DECIMAL_MAX];

    weir_add(t, W("SET"), weir_name(key, WEIR_KEY_REAP, shard),
             weir_str_of(consumer), W("NX"), W("PX"), weir_decimal(px, ms));
}


void
weir_txn_consumers(weir_txn_t *t, unsigned shard, weir_class_e class)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("XINFO"), W("CONSUMERS"), weir_ready(key, shard, class),
             W(WEIR_GROUP));
}


bool
weir_txn_consumers_read(const weir_answer_t *a, size_t i, weir_str_t *name_r,
    long long *pending_r)
{
    size_t               k;
    weir_str_t           name;
    const weir_reply_t  *row;

    row = weir_reply_at(a->reply, i);

    *name_r = weir_reply_field(row, "name");
    *pending_r = 0;

    for (k = 0; k + 1 < weir_reply_count(row); k += 2) {
        name = weir_reply_str(weir_reply_at(row, k));

        if (weir_str_eq(name, W("pending"))) {
            *pending_r = weir_reply_int(weir_reply_at(row, k + 1));
        }
    }

    return name_r->len > 0;
}


void
weir_txn_alive(weir_txn_t *t, unsigned shard, const char *const *consumers,
    unsigned n)
{
    char        keys[WEIR_BATCH][WEIR_NAME_MAX];
    unsigned    i;
    weir_str_t  args[WEIR_BATCH + 1];

    args[0] = W("MGET");

    for (i = 0; i < n && i < WEIR_BATCH; i++) {
        args[i + 1] = weir_name(keys[i], WEIR_KEY_LIVE, shard, consumers[i]);
    }

    weir_txn_add(t, i + 1, args);
}


void
weir_txn_pending_of(weir_txn_t *t, unsigned shard, weir_class_e class,
    const char *consumer, int64_t min_idle, unsigned count)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("XPENDING"), weir_ready(key, shard, class), W(WEIR_GROUP),
             W("IDLE"), weir_decimal(ms, min_idle), W("-"), W("+"),
             weir_decimal(n, count), weir_str_of(consumer));
}


void
weir_txn_take_over(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t min_idle, const weir_str_t *entries, unsigned n)
{
    char        key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];
    unsigned    i;
    weir_str_t  args[WEIR_BATCH + 5];

    args[0] = W("XCLAIM");
    args[1] = weir_ready(key, shard, class);
    args[2] = W(WEIR_GROUP);
    args[3] = weir_str_of(consumer);
    args[4] = weir_decimal(ms, min_idle);

    for (i = 0; i < n && i < WEIR_BATCH; i++) {
        args[i + 5] = entries[i];
    }

    weir_txn_add(t, i + 5, args);
}
