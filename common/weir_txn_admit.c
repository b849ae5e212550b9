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
    char        buf[5][WEIR_NAME_MAX];
    weir_str_t  idem;
    weir_str_t  open;
    weir_str_t  deadline;
    weir_str_t  asked;
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
    k->asked = weir_name(k->buf[4], WEIR_KEY_ASKED, shard);
}


static void
weir_add_expire_nx(weir_txn_t *t, weir_str_t key, int64_t seconds)
{
    char  n[WEIR_DECIMAL_MAX];

    weir_add(t, W("EXPIRE"), key, weir_decimal(n, seconds), W("NX"));
}


/* reserve */

static void
weir_add_idem(weir_txn_t *t, const weir_admit_keys_t *k,
    const weir_reserve_t *r)
{
    char     field[WEIR_NAME_MAX], value[WEIR_IDEM_VALUE];
    int64_t  ttl;

    snprintf(value, sizeof(value), "%s %lld %s", r->id, (long long) r->by,
             r->fingerprint);

    weir_add(t, W("HSETNX"), k->idem,
             weir_name(field, WEIR_IDEM_JOB, r->n), weir_str_of(value));

    /* the submission gives it its time */

    ttl = WEIR_TTL_RESERVED + (r->by - r->now) / 1000;
    weir_add_expire_nx(t, k->idem, ttl < r->idem_ttl ? ttl : r->idem_ttl);

    /* the last but one decides nothing any more */

    if (r->n > 2) {
        weir_add(t, W("HDEL"), k->idem,
                 weir_name(field, WEIR_IDEM_JOB, r->n - 2));
    }

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
        weir_add(t, W("ZCARD"), k.asked);
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
        || n < (size_t) (r->open + 2 * r->total + (r->idem != NULL)))
    {
        return false;
    }

    if (r->total) {
        reserved_r->asked = weir_reply_int(weir_reply_at(a->reply, --n));
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
    char               field[WEIR_NAME_MAX], value[WEIR_IDEM_VALUE];
    weir_str_t         id;
    weir_admit_keys_t  k;

    weir_admit_keys(t, &k, r->shard, r->owner, r->idem);
    id = weir_str_of(r->id);

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZREM"), k.open, id);
    weir_add(t, W("ZREM"), k.deadline, id);
    weir_add(t, W("EXEC"));

    if (!key || r->idem == NULL) {
        return;
    }

    /* The field stays: who waits for this job would take the next number, and
     * another this one.  Apart from the tickets, which memory is freed by. */

    snprintf(value, sizeof(value), "%s 0 %s", r->id, r->fingerprint);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSET"), k.idem, weir_name(field, WEIR_IDEM_JOB, r->n),
             weir_str_of(value));
    weir_add_expire_nx(t, k.idem, WEIR_TTL_RESERVED);
    weir_add(t, W("EXEC"));
}


/* the job of a key */

void
weir_txn_join(weir_txn_t *t, unsigned shard, const char *id)
{
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);

    weir_add(t, W("MULTI"));
    weir_add(t, W("EXISTS"), k.request);
    weir_add_look(t, &k);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_join_read(const weir_answer_t *a, weir_job_t *job_r,
    weir_run_t *run_r, bool *void_r)
{
    if (!weir_txn_look_read(a, job_r, run_r)
        || weir_reply_count(a->reply) != 3)
    {
        return false;
    }

    *void_r = run_r->found && !weir_state_is_final(run_r->state)
              && weir_reply_int(weir_reply_at(a->reply, 0)) == 0;

    return true;
}


void
weir_txn_fate(weir_txn_t *t, unsigned shard, const char *id, const char *word)
{
    char        key[WEIR_NAME_MAX], ttl[WEIR_DECIMAL_MAX];
    weir_str_t  fate;

    fate = weir_name(key, WEIR_KEY_FATE, shard, id);

    weir_add(t, W("MULTI"));
    weir_add(t, W("SET"), fate, weir_str_of(word), W("NX"), W("EX"),
             weir_decimal(ttl, WEIR_TTL_TOMBSTONE));
    weir_add(t, W("GET"), fate);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_fate_is(const weir_answer_t *a, const char *word)
{
    size_t  n;

    n = weir_reply_count(a->reply);

    return a->code == WEIR_ANSWER_OK && n
           && weir_str_eq(weir_reply_str(weir_reply_at(a->reply, n - 1)),
                          weir_str_of(word));
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
