/*
 * The transitions before a submission, and the list of an owner's jobs: whose
 * is an idempotency key, is there room, what did he submit.  Pure.
 */

#include "weir_txn_part.h"

#include <stdio.h>


/* the fields of a key's hash: "<id> <by> <fingerprint>" */

#define WEIR_IDEM_VALUE  128
#define WEIR_IDEM_MAX    18         /* digits */


typedef struct {
    char        buf[4][WEIR_NAME_MAX];
    weir_str_t  idem;
    weir_str_t  open;
    weir_str_t  deadline;
    weir_str_t  jobs;
} weir_admit_keys_t;


static void
weir_admit_keys(weir_txn_t *t, weir_admit_keys_t *k, unsigned shard,
    weir_str_t owner, const char *idem)
{
    char  name[WEIR_NAME_MAX];

    if (owner.len >= sizeof(name)) {
        t->out.failed = true;
        owner.len = 0;
    }

    memcpy(name, owner.len ? owner.data : "", owner.len);
    name[owner.len] = '\0';

    k->idem = weir_name(k->buf[0], WEIR_KEY_IDEM, shard, idem ? idem : "");
    k->open = weir_name(k->buf[1], WEIR_KEY_OPEN, shard, name);
    k->deadline = weir_name(k->buf[2], WEIR_KEY_DEADLINE, shard);
    k->jobs = weir_name(k->buf[3], WEIR_KEY_JOBS, shard, name);
}


/* reserve */

static void
weir_add_idem(weir_txn_t *t, const weir_admit_keys_t *k,
    const weir_reserve_t *r)
{
    char  field[WEIR_NAME_MAX], value[WEIR_IDEM_VALUE];
    char  ttl[WEIR_DECIMAL_MAX];

    snprintf(value, sizeof(value), "%s %lld %s", r->id, (long long) r->by,
             r->fingerprint);

    weir_add(t, W("HSETNX"), k->idem,
             weir_name(field, WEIR_IDEM_JOB, r->n), weir_str_of(value));
    weir_add(t, W("EXPIRE"), k->idem, weir_decimal(ttl, r->idem_ttl), W("NX"));
    weir_add(t, W("HGETALL"), k->idem);
}


void
weir_txn_reserve(weir_txn_t *t, const weir_reserve_t *r)
{
    char               now[WEIR_DECIMAL_MAX], buf[WEIR_DECIMAL_MAX];
    weir_str_t         id, lapse;
    weir_admit_keys_t  k;

    weir_admit_keys(t, &k, r->shard, r->owner, r->idem);
    id = weir_str_of(r->id);
    lapse = weir_decimal(buf, r->by + WEIR_RESERVED);

    weir_add(t, W("MULTI"));

    /* the reads are the last of EXEC's reply: key, owner, all */

    if (r->open) {
        weir_add(t, W("ZREMRANGEBYSCORE"), k.open, W("-inf"),
                 weir_decimal(now, r->now));
        weir_add(t, W("ZADD"), k.open, lapse, id);
        weir_add_expire(t, k.open, WEIR_DEADLINE_MAX);
    }

    if (r->total) {
        weir_add(t, W("ZADD"), k.deadline, lapse, id);
    }

    if (r->idem) {
        weir_add_idem(t, &k, r);
    }

    if (r->open) {
        weir_add(t, W("ZCARD"), k.open);
    }

    if (r->total) {
        weir_add(t, W("ZCARD"), k.deadline);
    }

    weir_add(t, W("EXEC"));
}


/* the last of a key's jobs */

static bool
weir_idem_read(const weir_reply_t *hgetall, weir_reserved_t *reserved_r)
{
    size_t       i, n;
    int64_t      number;
    weir_str_t   name, value, id, by;

    n = sizeof(WEIR_IDEM_JOB_PREFIX) - 1;

    for (i = 0; i + 1 < weir_reply_count(hgetall); i += 2) {
        name = weir_reply_str(weir_reply_at(hgetall, i));
        value = weir_reply_str(weir_reply_at(hgetall, i + 1));

        if (name.len <= n || memcmp(name.data, WEIR_IDEM_JOB_PREFIX, n) != 0
            || !weir_str_digits((weir_str_t) { name.data + n, name.len - n },
                                WEIR_IDEM_MAX, &number)
            || number <= reserved_r->n)
        {
            continue;
        }

        if (!weir_word(&value, ' ', &id) || !weir_word(&value, ' ', &by)
            || id.len != WEIR_ID_LEN
            || !weir_str_digits(by, WEIR_IDEM_MAX, &reserved_r->by))
        {
            return false;
        }

        reserved_r->n = number;
        reserved_r->id = id;
        reserved_r->fingerprint = value;
    }

    return reserved_r->n > 0;
}


bool
weir_txn_reserve_read(const weir_answer_t *a, const weir_reserve_t *r,
    weir_reserved_t *reserved_r)
{
    size_t  n;

    memset(reserved_r, 0, sizeof(weir_reserved_t));

    n = weir_reply_count(a->reply);

    if (a->code != WEIR_ANSWER_OK
        || n < (size_t) (r->open + r->total + (r->idem != NULL)))
    {
        return false;
    }

    if (r->total) {
        reserved_r->total = weir_reply_int(weir_reply_at(a->reply, --n));
    }

    if (r->open) {
        reserved_r->open = weir_reply_int(weir_reply_at(a->reply, --n));
    }

    return r->idem == NULL
           || weir_idem_read(weir_reply_at(a->reply, n - 1), reserved_r);
}


void
weir_txn_unreserve(weir_txn_t *t, const weir_reserve_t *r, bool key)
{
    char               field[WEIR_NAME_MAX];
    weir_str_t         id;
    weir_admit_keys_t  k;

    weir_admit_keys(t, &k, r->shard, r->owner, r->idem);
    id = weir_str_of(r->id);

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZREM"), k.open, id);
    weir_add(t, W("ZREM"), k.deadline, id);

    if (key && r->idem) {
        weir_add(t, W("HDEL"), k.idem,
                 weir_name(field, WEIR_IDEM_JOB, r->n));
    }

    weir_add(t, W("EXEC"));
}


/* the list */

void
weir_txn_list(weir_txn_t *t, unsigned shard, weir_str_t owner, int64_t from,
    unsigned count)
{
    char               at[WEIR_DECIMAL_MAX], n[WEIR_DECIMAL_MAX];
    weir_admit_keys_t  k;

    weir_admit_keys(t, &k, shard, owner, NULL);

    weir_add(t, W("ZREVRANGEBYSCORE"), k.jobs,
             from ? weir_decimal(at, from) : W("+inf"), W("-inf"),
             W("WITHSCORES"), W("LIMIT"), W("0"), weir_decimal(n, count));
}


void
weir_txn_listed(weir_txn_t *t, unsigned shard, weir_str_t owner, weir_str_t id)
{
    weir_admit_keys_t  k;

    weir_admit_keys(t, &k, shard, owner, NULL);
    weir_add(t, W("ZSCORE"), k.jobs, id);
}
