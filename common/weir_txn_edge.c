/*
 * The transitions that a client causes: submit, cancel, look.  Pure.
 */

#include "weir_txn_part.h"

#include <stdio.h>


/* the position of a reply inside EXEC's, counted from the first read */

enum {
    WEIR_LOOK_JOB = 0,
    WEIR_LOOK_RUN
};

/* submission */

void
weir_txn_submit(weir_txn_t *t, const weir_submission_t *s)
{
    char         created[WEIR_DECIMAL_MAX], by[WEIR_DECIMAL_MAX];
    char         deadline[WEIR_DECIMAL_MAX], ttl[WEIR_DECIMAL_MAX];
    char         ready[WEIR_NAME_MAX];
    weir_str_t   id, class;
    weir_keys_t  k;

    weir_keys(&k, s->shard, s->id, s->id);
    id = weir_str_of(s->id);
    class = weir_str_of(weir_class_name(s->class));

    weir_add(t, W("MULTI"));

    weir_add(t, W("HSET"), k.job,
             W(WEIR_JOB_OWNER), s->owner,
             W(WEIR_JOB_KEY), s->key_id,
             W(WEIR_JOB_RUN), id,
             W(WEIR_JOB_ROUTE), s->route,
             W(WEIR_JOB_REQUEST), s->request_id,
             W(WEIR_JOB_MODEL), s->model,
             W(WEIR_JOB_CREATED), weir_decimal(created, s->created));

    if (s->metadata.len) {
        weir_add(t, W("HSET"), k.job, W(WEIR_JOB_METADATA), s->metadata);
    }

    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_GEN), W("1"));

    weir_add(t, W("HSET"), k.run,
             W(WEIR_RUN_JOB), id,
             W(WEIR_RUN_REQUEST), s->request_id,
             W(WEIR_RUN_MODEL), s->model,
             W(WEIR_RUN_CLASS), class,
             W(WEIR_RUN_CREATED), weir_decimal(created, s->created),
             W(WEIR_RUN_DEADLINE), weir_decimal(deadline, s->deadline),
             W(WEIR_RUN_TTL), weir_decimal(ttl, s->ttl));

    /* arriving after "by", the payload is gone as soon as it is set; in time,
     * it stays: the last reply but the entry's tells which */

    weir_add(t, W("SET"), k.request, s->payload, W("NX"), W("PXAT"),
             weir_decimal(by, s->by));
    weir_add(t, W("PERSIST"), k.request);

    if (s->mailbox.len) {
        weir_add(t, W("SADD"), k.waiting, s->mailbox);
        weir_add_expire(t, k.waiting, WEIR_TTL_WAITING);
    }

    weir_add(t, W("ZADD"), k.deadline, weir_decimal(deadline, s->deadline), id);

    weir_add(t, W("XADD"),
             weir_name(ready, WEIR_KEY_READY, s->shard,
                       weir_class_name(s->class)),
             W("*"), W(WEIR_ENTRY_RUN), id, W(WEIR_ENTRY_GEN), W("1"));

    weir_add(t, W("EXISTS"), k.request);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_submit_accepted(const weir_answer_t *a)
{
    size_t  n;

    n = weir_reply_count(a->reply);

    return a->code == WEIR_ANSWER_OK && n
           && weir_reply_int(weir_reply_at(a->reply, n - 1)) == 1;
}


/* cancel */

void
weir_txn_cancel(weir_txn_t *t, unsigned shard, const char *id,
    const char *token, int64_t now)
{
    char         fin[64], at[WEIR_DECIMAL_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);
    snprintf(fin, sizeof(fin), "%s:%s", WEIR_STATE_CANCELLED, token);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN), weir_str_of(fin));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN_AT), weir_decimal(at, now));
    weir_add_expiry(t, &k, WEIR_TTL_TOMBSTONE);
    weir_add(t, W("ZREM"), k.deadline, weir_str_of(id));
    weir_add(t, W("HGET"), k.run, W(WEIR_RUN_FIN));
    weir_add(t, W("SMEMBERS"), k.waiting);
    weir_add(t, W("EXEC"));
}


weir_str_t
weir_txn_cancel_fin(const weir_answer_t *a)
{
    size_t  n;

    n = weir_reply_count(a->reply);

    return n >= 2 ? weir_reply_str(weir_reply_at(a->reply, n - 2))
                  : weir_str_null;
}


const weir_reply_t *
weir_txn_cancel_mailboxes(const weir_answer_t *a)
{
    size_t  n;

    n = weir_reply_count(a->reply);

    return n >= 1 ? weir_reply_at(a->reply, n - 1) : NULL;
}


/* look */

void
weir_txn_look(weir_txn_t *t, unsigned shard, const char *id,
    const char *mailbox)
{
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);

    weir_add(t, W("MULTI"));

    /* the reads are the last two of EXEC's reply, with a mailbox or without */

    if (mailbox) {
        weir_add(t, W("SADD"), k.waiting, weir_str_of(mailbox));
        weir_add_expire(t, k.waiting, WEIR_TTL_WAITING);
    }

    weir_add(t, W("HMGET"), k.job, W(WEIR_JOB_OWNER), W(WEIR_JOB_RUN),
             W(WEIR_JOB_ROUTE), W(WEIR_JOB_REQUEST), W(WEIR_JOB_MODEL),
             W(WEIR_JOB_METADATA), W(WEIR_JOB_CREATED));
    weir_add(t, W("HGETALL"), k.run);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_look_read(const weir_answer_t *a, weir_job_t *job_r, weir_run_t *run_r)
{
    size_t  n;

    n = weir_reply_count(a->reply);

    if (a->code != WEIR_ANSWER_OK || n < 2) {
        return false;
    }

    weir_job_read(job_r, weir_reply_at(a->reply, n - 2 + WEIR_LOOK_JOB));
    weir_run_read(run_r, weir_reply_at(a->reply, n - 2 + WEIR_LOOK_RUN));

    return true;
}


void
weir_txn_recheck(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HMGET"), weir_name(key, WEIR_KEY_RUN, shard, run),
             W(WEIR_RUN_FIN), W(WEIR_RUN_FIN_AT), W(WEIR_RUN_GEN));
}


void
weir_txn_outcome(weir_txn_t *t, unsigned shard, const char *run,
    weir_str_t token)
{
    char  key[WEIR_NAME_MAX], tok[64];

    snprintf(tok, sizeof(tok), "%.*s", (int) token.len, token.data);

    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_OUTCOME, shard, run, tok));
}
