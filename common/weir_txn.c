/*
 * The transactions of the Redis contract.  Each builder is one transition of
 * docs/redis-contract.md; the order of the commands in it matters and is
 * explained there.  Pure: bytes and replies, no socket, no clock.
 */

#include "weir_txn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>


#define WEIR_NUMBER_MAX  24


/* the position of a command's reply inside EXEC's, by transition */

enum {
    WEIR_LOOK_JOB = 0,
    WEIR_LOOK_RUN
};

enum {
    WEIR_CLAIM_REGISTER = 0,
    WEIR_CLAIM_DELIVERIES,
    WEIR_CLAIM_STARTED,
    WEIR_CLAIM_RECORD,
    WEIR_CLAIM_PAYLOAD
};


weir_str_t
weir_name(char buf[WEIR_NAME_MAX], const char *pattern, ...)
{
    int      n;
    va_list  args;

    va_start(args, pattern);
    n = vsnprintf(buf, WEIR_NAME_MAX, pattern, args);
    va_end(args);

    if (n < 0 || n >= WEIR_NAME_MAX) {
        buf[0] = '\0';
        n = 0;
    }

    return (weir_str_t) { buf, (size_t) n };
}


static weir_str_t
weir_number(char buf[WEIR_NUMBER_MAX], long long n)
{
    return (weir_str_t) {
        buf, (size_t) snprintf(buf, WEIR_NUMBER_MAX, "%lld", n)
    };
}


#define weir_add(t, ...)                                                      \
    weir_txn_add(t, sizeof((weir_str_t[]) { __VA_ARGS__ })                    \
                    / sizeof(weir_str_t),                                     \
                 (weir_str_t[]) { __VA_ARGS__ })

#define W(literal)  weir_str(literal)


static void
weir_add_expire(weir_txn_t *t, weir_str_t key, int64_t seconds)
{
    char  n[WEIR_NUMBER_MAX];

    weir_add(t, W("EXPIRE"), key, weir_number(n, seconds));
}


/* the keys of one run, named once for a transaction */

typedef struct {
    char        buf[5][WEIR_NAME_MAX];
    weir_str_t  run;
    weir_str_t  job;
    weir_str_t  request;
    weir_str_t  waiting;
    weir_str_t  deadline;
} weir_keys_t;


static void
weir_keys(weir_keys_t *k, unsigned shard, const char *run, const char *job)
{
    k->run = weir_name(k->buf[0], WEIR_KEY_RUN, shard, run);
    k->job = weir_name(k->buf[1], WEIR_KEY_JOB, shard, job);
    k->request = weir_name(k->buf[2], WEIR_KEY_REQUEST, shard, run);
    k->waiting = weir_name(k->buf[3], WEIR_KEY_WAITING, shard, run);
    k->deadline = weir_name(k->buf[4], WEIR_KEY_DEADLINE, shard);
}


/* terminal records keep living for ttl, and nothing of them longer */

static void
weir_add_expiry(weir_txn_t *t, const weir_keys_t *k, int64_t ttl)
{
    weir_add_expire(t, k->run, ttl);
    weir_add_expire(t, k->job, ttl);
    weir_add_expire(t, k->request, ttl);
}


/* submission */

void
weir_txn_submit(weir_txn_t *t, const weir_submission_t *s)
{
    char         created[WEIR_NUMBER_MAX], by[WEIR_NUMBER_MAX];
    char         deadline[WEIR_NUMBER_MAX], ttl[WEIR_NUMBER_MAX];
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
             W(WEIR_JOB_CREATED), weir_number(created, s->created));

    if (s->metadata.len) {
        weir_add(t, W("HSET"), k.job, W(WEIR_JOB_METADATA), s->metadata);
    }

    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_GEN), W("1"));

    weir_add(t, W("HSET"), k.run,
             W(WEIR_RUN_JOB), id,
             W(WEIR_RUN_REQUEST), s->request_id,
             W(WEIR_RUN_MODEL), s->model,
             W(WEIR_RUN_CLASS), class,
             W(WEIR_RUN_CREATED), weir_number(created, s->created),
             W(WEIR_RUN_DEADLINE), weir_number(deadline, s->deadline),
             W(WEIR_RUN_TTL), weir_number(ttl, s->ttl));

    /* arriving after "by", the payload is gone as soon as it is set; in time,
     * it stays: the last reply but the entry's tells which */

    weir_add(t, W("SET"), k.request, s->payload, W("NX"), W("PXAT"),
             weir_number(by, s->by));
    weir_add(t, W("PERSIST"), k.request);

    if (s->mailbox.len) {
        weir_add(t, W("SADD"), k.waiting, s->mailbox);
        weir_add_expire(t, k.waiting, WEIR_TTL_WAITING);
    }

    weir_add(t, W("ZADD"), k.deadline, weir_number(deadline, s->deadline), id);

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
    char         fin[64], at[WEIR_NUMBER_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);
    snprintf(fin, sizeof(fin), "%s:%s", WEIR_STATE_CANCELLED, token);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN), weir_str_of(fin));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN_AT), weir_number(at, now));
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

    /* the reads keep their places at the head of EXEC's reply from its end */

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
    char        cbuf[WEIR_NUMBER_MAX], bbuf[WEIR_NUMBER_MAX];
    unsigned    i, n;
    weir_str_t  args[10 + 2 * WEIR_CLASSES];

    n = 0;
    args[n++] = W("XREADGROUP");
    args[n++] = W("GROUP");
    args[n++] = W(WEIR_GROUP);
    args[n++] = weir_str_of(consumer);
    args[n++] = W("COUNT");
    args[n++] = weir_number(cbuf, count);

    if (block) {
        args[n++] = W("BLOCK");
        args[n++] = weir_number(bbuf, block);
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
    char  key[WEIR_NAME_MAX], n[WEIR_NUMBER_MAX];

    weir_add(t, W("XREADGROUP"), W("GROUP"), W(WEIR_GROUP),
             weir_str_of(consumer), W("COUNT"), weir_number(n, count),
             W("STREAMS"),
             weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class)),
             weir_str_of(after));
}


void
weir_txn_autoclaim(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t min_idle, const char *start, unsigned count)
{
    char  key[WEIR_NAME_MAX], idle[WEIR_NUMBER_MAX], n[WEIR_NUMBER_MAX];

    weir_add(t, W("XAUTOCLAIM"),
             weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class)),
             W(WEIR_GROUP), weir_str_of(consumer), weir_number(idle, min_idle),
             weir_str_of(start), W("COUNT"), weir_number(n, count));
}


void
weir_txn_touch(weir_txn_t *t, unsigned shard, const char *consumer,
    weir_class_e class, int64_t idle, const weir_str_t *entries, unsigned n)
{
    char        key[WEIR_NAME_MAX], ms[WEIR_NUMBER_MAX];
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
        args[k++] = weir_number(ms, idle);
    }

    args[k++] = W("JUSTID");

    weir_txn_add(t, k, args);
}


/* claim */

void
weir_txn_claim(weir_txn_t *t, unsigned shard, const char *run,
    const char *entry, const char *gen, int64_t now)
{
    char         claim[64], deliveries[64], at[WEIR_NUMBER_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, run, run);
    snprintf(claim, sizeof(claim), WEIR_RUN_CLAIM, gen);
    snprintf(deliveries, sizeof(deliveries), WEIR_RUN_DELIVERIES, entry);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSETNX"), k.run, weir_str_of(claim), weir_str_of(entry));
    weir_add(t, W("HINCRBY"), k.run, weir_str_of(deliveries), W("1"));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_STARTED), weir_number(at, now));
    weir_add(t, W("HMGET"), k.run, weir_str_of(claim), W(WEIR_RUN_FIN),
             W(WEIR_RUN_GEN), W(WEIR_RUN_FAILURES), W(WEIR_RUN_BY),
             W(WEIR_RUN_CREATED), W(WEIR_RUN_STARTED), W(WEIR_RUN_DEADLINE),
             W(WEIR_RUN_TTL), W(WEIR_RUN_JOB), W(WEIR_RUN_REQUEST),
             W(WEIR_RUN_MODEL));
    weir_add(t, W("GET"), k.request);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_claim_read(const weir_answer_t *a, const char *entry,
    weir_claim_t *claim_r)
{
    weir_str_t           holder;
    const weir_reply_t  *record;

    memset(claim_r, 0, sizeof(weir_claim_t));

    if (a->code != WEIR_ANSWER_OK) {
        return false;
    }

    record = weir_reply_at(a->reply, WEIR_CLAIM_RECORD);
    holder = weir_reply_str(weir_reply_at(record, 0));

    claim_r->ours = weir_str_eq(holder, weir_str_of(entry));
    claim_r->fin = weir_reply_str(weir_reply_at(record, 1));
    claim_r->found = !weir_reply_is_nil(weir_reply_at(record, 2));
    claim_r->gen = weir_reply_int(weir_reply_at(record, 2));
    claim_r->failures = weir_reply_int(weir_reply_at(record, 3));
    claim_r->by = weir_reply_int(weir_reply_at(record, 4));
    claim_r->created = weir_reply_int(weir_reply_at(record, 5));
    claim_r->started = weir_reply_int(weir_reply_at(record, 6));
    claim_r->deadline = weir_reply_int(weir_reply_at(record, 7));
    claim_r->ttl = weir_reply_int(weir_reply_at(record, 8));
    claim_r->job = weir_reply_str(weir_reply_at(record, 9));
    claim_r->request_id = weir_reply_str(weir_reply_at(record, 10));
    claim_r->model = weir_reply_str(weir_reply_at(record, 11));
    claim_r->deliveries = weir_reply_int(weir_reply_at(a->reply,
                                                       WEIR_CLAIM_DELIVERIES));
    claim_r->payload = weir_reply_str(weir_reply_at(a->reply,
                                                    WEIR_CLAIM_PAYLOAD));

    return true;
}


void
weir_token_make(char *token, long long gen, long long deliveries)
{
    snprintf(token, 32, "%lld", gen * WEIR_TOKEN_GENERATION + deliveries);
}


/* drop */

static void
weir_add_ack(weir_txn_t *t, unsigned shard, weir_class_e class,
    const char *entry)
{
    char        key[WEIR_NAME_MAX];
    weir_str_t  ready;

    ready = weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class));

    weir_add(t, W("XACK"), ready, W(WEIR_GROUP), weir_str_of(entry));
    weir_add(t, W("XDEL"), ready, weir_str_of(entry));
}


void
weir_txn_drop(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry, bool final)
{
    weir_keys_t  k;

    weir_keys(&k, shard, run, run);

    weir_add(t, W("MULTI"));
    weir_add_ack(t, shard, class, entry);

    if (final) {
        weir_add(t, W("ZREM"), k.deadline, weir_str_of(run));
        weir_add_expiry(t, &k, WEIR_TTL_TOMBSTONE);
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


/* finish */

void
weir_txn_finish(weir_txn_t *t, const weir_finish_t *f)
{
    char         fin[64], at[WEIR_NUMBER_MAX], ttl[WEIR_NUMBER_MAX];
    char         outcome[WEIR_NAME_MAX];
    weir_keys_t  k;

    weir_keys(&k, f->shard, f->run, f->job);
    snprintf(fin, sizeof(fin), "%s:%s", weir_state_name(f->state), f->token);

    weir_add(t, W("MULTI"));

    if (f->outcome.len) {
        weir_add(t, W("SET"),
                 weir_name(outcome, WEIR_KEY_OUTCOME, f->shard, f->run,
                           f->token),
                 f->outcome, W("EX"), weir_number(ttl, f->ttl));
    }

    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN), weir_str_of(fin));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN_AT),
             weir_number(at, f->now));

    if (f->entry) {
        weir_add_ack(t, f->shard, f->class, f->entry);
    }

    weir_add(t, W("ZREM"), k.deadline, weir_str_of(f->run));
    weir_add_expiry(t, &k, f->ttl);
    weir_add(t, W("HGET"), k.run, W(WEIR_RUN_FIN));
    weir_add(t, W("SMEMBERS"), k.waiting);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_finish_won(const weir_answer_t *a, const weir_finish_t *f,
    const weir_reply_t **mailboxes_r)
{
    char    fin[64];
    size_t  n;

    n = weir_reply_count(a->reply);
    *mailboxes_r = NULL;

    if (a->code != WEIR_ANSWER_OK || n < 2) {
        return false;
    }

    snprintf(fin, sizeof(fin), "%s:%s", weir_state_name(f->state), f->token);

    if (!weir_str_eq(weir_reply_str(weir_reply_at(a->reply, n - 2)),
                     weir_str_of(fin)))
    {
        return false;
    }

    *mailboxes_r = weir_reply_at(a->reply, n - 1);

    return true;
}


/* mail: "<run> <fin> <fin_at>\n<outcome>" */

void
weir_txn_mail(weir_txn_t *t, const char *mailbox, const char *run,
    const char *fin, int64_t now, weir_str_t outcome)
{
    char        channel[WEIR_NAME_MAX];
    weir_buf_t  body;

    weir_buf_init(&body, 0);
    weir_buf_printf(&body, "%s %s %lld\n", run, fin, (long long) now);

    if (outcome.len <= WEIR_MAIL_BODY_MAX) {
        weir_buf_str(&body, outcome);
    }

    if (body.failed) {
        t->out.failed = true;

    } else {
        weir_add(t, W("PUBLISH"),
                 weir_name(channel, WEIR_CHANNEL_MAIL, mailbox),
                 ((weir_str_t) { body.data, body.len }));
    }

    weir_buf_free(&body);
}


static bool
weir_mail_word(weir_str_t *rest, char end, weir_str_t *word_r)
{
    size_t       n;
    const char  *p;

    p = rest->len ? memchr(rest->data, end, rest->len) : NULL;
    if (p == NULL) {
        return false;
    }

    n = (size_t) (p - rest->data);
    *word_r = (weir_str_t) { rest->data, n };
    *rest = (weir_str_t) { p + 1, rest->len - n - 1 };

    return true;
}


bool
weir_mail_parse(weir_str_t body, weir_str_t *run_r, weir_str_t *fin_r,
    int64_t *fin_at_r, weir_str_t *outcome_r)
{
    size_t      i;
    unsigned    shard;
    weir_str_t  at;

    if (!weir_mail_word(&body, ' ', run_r) || !weir_mail_word(&body, ' ', fin_r)
        || !weir_mail_word(&body, '\n', &at) || !weir_id_parse(*run_r, &shard)
        || at.len == 0 || at.len > 18)
    {
        return false;
    }

    *fin_at_r = 0;

    for (i = 0; i < at.len; i++) {
        if (at.data[i] < '0' || at.data[i] > '9') {
            return false;
        }

        *fin_at_r = *fin_at_r * 10 + (at.data[i] - '0');
    }

    *outcome_r = body;

    return true;
}


/* retry */

void
weir_txn_retry_watch(weir_txn_t *t, unsigned shard, const char *run,
    const char *entry)
{
    char        key[WEIR_NAME_MAX], deliveries[64];
    weir_str_t  name;

    name = weir_name(key, WEIR_KEY_RUN, shard, run);
    snprintf(deliveries, sizeof(deliveries), WEIR_RUN_DELIVERIES, entry);

    weir_add(t, W("WATCH"), name);
    weir_add(t, W("HMGET"), name, W(WEIR_RUN_FIN), W(WEIR_RUN_GEN),
             weir_str_of(deliveries));
}


bool
weir_txn_retry_ours(const weir_answer_t *a, long long gen, long long deliveries)
{
    return a->code == WEIR_ANSWER_OK
           && weir_reply_is_nil(weir_reply_at(a->reply, 0))
           && weir_reply_int(weir_reply_at(a->reply, 1)) == gen
           && weir_reply_int(weir_reply_at(a->reply, 2)) == deliveries;
}


void
weir_txn_retry(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry, long long next_gen, int64_t due,
    long long failures, weir_str_t error)
{
    char         gen[WEIR_NUMBER_MAX], at[WEIR_NUMBER_MAX];
    char         fails[WEIR_NUMBER_MAX], member[WEIR_NAME_MAX];
    char         delayed[WEIR_NAME_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, run, run);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSET"), k.run, W(WEIR_RUN_GEN), weir_number(gen, next_gen),
             W(WEIR_RUN_FAILURES), weir_number(fails, failures),
             W(WEIR_RUN_ERROR), error);
    weir_add(t, W("ZADD"), weir_name(delayed, WEIR_KEY_DELAYED, shard),
             weir_number(at, due),
             weir_name(member, "%s:%lld:%s", weir_class_name(class), next_gen,
                       run));
    weir_add_ack(t, shard, class, entry);
    weir_add(t, W("EXEC"));
}


void
weir_txn_unwatch(weir_txn_t *t)
{
    weir_add(t, W("UNWATCH"));
}


/* promote */

static void
weir_add_range(weir_txn_t *t, weir_str_t key, int64_t now, unsigned count)
{
    char  at[WEIR_NUMBER_MAX], n[WEIR_NUMBER_MAX];

    weir_add(t, W("ZRANGEBYSCORE"), key, W("-inf"), weir_number(at, now),
             W("LIMIT"), W("0"), weir_number(n, count));
}


void
weir_txn_due(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_range(t, weir_name(key, WEIR_KEY_DELAYED, shard), now, count);
}


bool
weir_txn_promote(weir_txn_t *t, unsigned shard, weir_str_t member)
{
    int          class;
    char         key[WEIR_NAME_MAX], ready[WEIR_NAME_MAX];
    unsigned     s;
    weir_str_t   delayed, name, gen, run;

    delayed = weir_name(key, WEIR_KEY_DELAYED, shard);
    run = member;

    if (!weir_mail_word(&run, ':', &name) || !weir_mail_word(&run, ':', &gen)
        || !weir_id_parse(run, &s) || (class = weir_class_parse(name)) < 0)
    {
        weir_add(t, W("ZREM"), delayed, member);
        return false;
    }

    weir_add(t, W("MULTI"));
    weir_add(t, W("XADD"),
             weir_name(ready, WEIR_KEY_READY, shard, weir_class_name(class)),
             W("*"), W(WEIR_ENTRY_RUN), run, W(WEIR_ENTRY_GEN), gen);
    weir_add(t, W("ZREM"), delayed, member);
    weir_add(t, W("EXEC"));

    return true;
}


void
weir_txn_overdue(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_range(t, weir_name(key, WEIR_KEY_DEADLINE, shard), now, count);
}


/* the rest */

void
weir_txn_live(weir_txn_t *t, unsigned shard, const char *consumer, int64_t ms)
{
    char  key[WEIR_NAME_MAX], px[WEIR_NUMBER_MAX];

    weir_add(t, W("SET"), weir_name(key, WEIR_KEY_LIVE, shard, consumer),
             W("1"), W("PX"), weir_number(px, ms));
}


void
weir_txn_catalogue_set(weir_txn_t *t, weir_str_t catalogue)
{
    weir_add(t, W("SET"), W(WEIR_KEY_CATALOGUE), catalogue);
}


void
weir_txn_catalogue_get(weir_txn_t *t)
{
    weir_add(t, W("GET"), W(WEIR_KEY_CATALOGUE));
}


void
weir_txn_words(weir_txn_t *t, unsigned n, const char *const *words)
{
    unsigned    i;
    weir_str_t  args[16];

    if (n > 16) {
        t->out.failed = true;
        return;
    }

    for (i = 0; i < n; i++) {
        args[i] = weir_str_of(words[i]);
    }

    weir_txn_add(t, n, args);
}
