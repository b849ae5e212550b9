/*
 * The transitions that a client causes: submit, cancel, look.  Pure.
 */

#include "weir_txn_ask.h"
#include "weir_txn_limit.h"
#include "weir_txn_part.h"

#include <stdio.h>


/* the position of a reply inside EXEC's: of a submission; of a look, counted
 * from its first read */

enum {
    WEIR_SUBMIT_SET = 0,
    WEIR_SUBMIT_PERSIST,
    WEIR_SUBMIT_REPLIES = 7         /* at least */
};

enum {
    WEIR_LOOK_JOB = 0,
    WEIR_LOOK_RUN
};

#define WEIR_SUBMIT_OPTIONS  10         /* fields of a run that may be there */
#define WEIR_SUBMIT_ARGS     (18 + 2 * WEIR_SUBMIT_OPTIONS)


/* submission */

static void
weir_add_if(weir_txn_t *t, weir_str_t key, weir_str_t field, weir_str_t value)
{
    if (value.len) {
        weir_add(t, W("HSET"), key, field, value);
    }
}


void
weir_add_job(weir_txn_t *t, const weir_submission_t *s, weir_str_t job,
    const char *run)
{
    char  created[WEIR_DECIMAL_MAX];

    weir_add(t, W("HSET"), job,
             W(WEIR_JOB_OWNER), s->owner,
             W(WEIR_JOB_KEY), s->key_id,
             W(WEIR_JOB_RUN), weir_str_of(run),
             W(WEIR_JOB_ROUTE), s->route,
             W(WEIR_JOB_REQUEST), s->request_id,
             W(WEIR_JOB_MODEL), s->model,
             W(WEIR_JOB_CREATED), weir_decimal(created, s->created));

    weir_add_if(t, job, W(WEIR_JOB_METADATA), s->metadata);
    weir_add_if(t, job, W(WEIR_JOB_ECHO), s->echo);
    weir_add_if(t, job, W(WEIR_JOB_PREFIX_FIELD), s->prefix);

    if (s->n) {
        weir_add_if(t, job, W(WEIR_JOB_ASK), weir_str_of(s->ask));
    }

    if (s->hook_url.len) {
        weir_add(t, W("HSET"), job, W(WEIR_JOB_HOOK_URL), s->hook_url,
                 W(WEIR_JOB_HOOK_SECRET), s->hook_secret);
    }
}


void
weir_add_run(weir_txn_t *t, const weir_submission_t *s, weir_str_t run)
{
    char  created[WEIR_DECIMAL_MAX], deadline[WEIR_DECIMAL_MAX];
    char  ttl[WEIR_DECIMAL_MAX], records[WEIR_DECIMAL_MAX];
    char  run_at[WEIR_DECIMAL_MAX];

    size_t      n;
    weir_str_t  args[WEIR_SUBMIT_ARGS] = {
        W("HSET"), run,
        W(WEIR_RUN_JOB), weir_str_of(s->id),
        W(WEIR_RUN_REQUEST), s->request_id,
        W(WEIR_RUN_MODEL), s->model,
        W(WEIR_RUN_CLASS), weir_str_of(weir_class_name(s->class)),
        W(WEIR_RUN_CREATED), weir_decimal(created, s->created),
        W(WEIR_RUN_DEADLINE), weir_decimal(deadline, s->deadline),
        W(WEIR_RUN_TTL), weir_decimal(ttl, s->ttl),
        W(WEIR_RUN_RECORDS), weir_decimal(records, s->records)
    };

    weir_add(t, W("HSETNX"), run, W(WEIR_RUN_GEN), W("1"));

    n = WEIR_SUBMIT_ARGS - 2 * WEIR_SUBMIT_OPTIONS;

    if (s->run_at) {
        args[n++] = W(WEIR_RUN_RUN_AT);
        args[n++] = weir_decimal(run_at, s->run_at);
    }

    /* whose answer it becomes */

    if (s->open || s->ask) {
        args[n++] = W(WEIR_RUN_OWNER);
        args[n++] = s->owner;
    }

    if (s->hook_url.len) {
        args[n++] = W(WEIR_RUN_HOOK);
        args[n++] = W("1");
    }

    if (s->keep) {
        args[n++] = W(WEIR_RUN_KEEP);
        args[n++] = W("1");
    }

    if (s->ask) {
        args[n++] = W(WEIR_RUN_ASK);
        args[n++] = weir_str_of(s->ask);
    }

    if (s->cache.len) {
        args[n++] = W(WEIR_RUN_CACHE);
        args[n++] = s->cache;
    }

    if (s->labels.len) {
        args[n++] = W(WEIR_RUN_LABELS);
        args[n++] = s->labels;
    }

    if (s->trace.len) {
        args[n++] = W(WEIR_RUN_TRACE);
        args[n++] = s->trace;
    }

    if (s->stream) {
        args[n++] = W(WEIR_RUN_STREAM);
        args[n++] = W("1");
    }

    if (s->while_read) {
        args[n++] = W(WEIR_RUN_WHILE);
        args[n++] = W("1");
    }

    weir_txn_add(t, n, args);
}


/* An owner's list is cut by one submission in some, which the random part of
 * the id chooses: it may be a little longer than it should be. */

static bool
weir_submit_trims(const weir_submission_t *s)
{
    return s->id[WEIR_ID_LEN - 1] < '4';        /* 4 in 62 */
}


void
weir_add_sets(weir_txn_t *t, const weir_submission_t *s)
{
    char        key[WEIR_NAME_MAX], owner[WEIR_NAME_MAX], at[WEIR_DECIMAL_MAX];
    char        over[WEIR_DECIMAL_MAX];
    weir_str_t  name;

    if (s->owner.len >= sizeof(owner)) {
        t->out.failed = true;
        return;
    }

    memcpy(owner, s->owner.data, s->owner.len);
    owner[s->owner.len] = '\0';

    if (s->open) {
        weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_OPEN, s->shard, owner),
                 weir_decimal(at, s->deadline), weir_str_of(s->id));
    }

    if (s->listed) {
        name = weir_name(key, WEIR_KEY_JOBS, s->shard, owner);

        weir_add(t, W("ZADD"), name, weir_decimal(at, s->created),
                 weir_str_of(s->id));

        weir_add_expire(t, name, WEIR_TTL_LIST);

        if (weir_submit_trims(s)) {
            weir_add(t, W("ZREMRANGEBYRANK"), name, W("0"),
                     weir_decimal(over, -(WEIR_LIST_MAX + 1)));
        }
    }
}


/* from now on the key stands for a job */

static void
weir_submit_key(weir_txn_t *t, const weir_submission_t *s)
{
    char  key[WEIR_NAME_MAX], ttl[WEIR_DECIMAL_MAX];

    if (s->idem) {
        weir_add(t, W("EXPIRE"), weir_name(key, WEIR_KEY_IDEM, s->shard,
                                           s->idem),
                 weir_decimal(ttl, s->idem_ttl), W("GT"));
    }
}


/* Who asks hangs on to the run; its deadline may have been moved already by
 * one who was faster than this. */

static void
weir_submit_ask(weir_txn_t *t, const weir_submission_t *s)
{
    char        key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];
    char        field[WEIR_NAME_MAX], value[WEIR_NAME_MAX];
    int64_t     life;
    weir_str_t  ask;

    /* from now on others may follow it */

    snprintf(value, sizeof(value), "%s %lld " WEIR_ASK_SUBMITTED, s->id,
             (long long) s->by);

    /* as long as anybody may still wait for it */

    life = (s->asker ? s->asker->deadline : s->until) - s->created;
    life = life > WEIR_TTL_ASKED * 1000LL ? life : WEIR_TTL_ASKED * 1000LL;

    ask = weir_name(key, WEIR_KEY_ASK, s->shard, s->ask);

    weir_add(t, W("HSET"), ask, weir_name(field, WEIR_ASK_RUN, s->n),
             weir_str_of(value));

    /* what comes very late makes the hash anew, and GT gives that no time */

    weir_add(t, W("EXPIRE"), ask,
             weir_decimal(ms, WEIR_TTL_RESERVED + life / 1000), W("NX"));
    weir_add_ask_life(t, s->shard, s->ask, life);

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ENDED, s->shard), W("NX"),
             weir_decimal(ms, s->deadline + WEIR_ENDED_GRACE),
             weir_str_of(s->id));

    /* a run that nobody waits for has itself as its asker */

    if (s->until) {
        weir_add(t, W("ZADD"),
                 weir_name(key, WEIR_KEY_ASKERS, s->shard, s->id), W("GT"),
                 weir_decimal(ms, s->until),
                 s->mailbox.len ? s->mailbox : weir_str_of(s->id));
        weir_add_askers_life(t, s->shard, s->id, 0);
    }

    if (s->asker) {
        weir_add_asker(t, s->asker, s->id, WEIR_PART_LED);
    }
}


static void
weir_submit_read(weir_txn_t *t, const weir_submission_t *s)
{
    char        key[WEIR_NAME_MAX], until[WEIR_DECIMAL_MAX];
    weir_str_t  name;

    if (s->reader.len) {
        name = weir_name(key, WEIR_KEY_READERS, s->shard, s->id);

        weir_add(t, W("ZADD"), name, W("GT"),
                 weir_decimal(until, s->read_until), s->reader);
        weir_add_expire(t, name, WEIR_TTL_READERS);
    }
}


/* where it waits for its time: in the queue, or among the delayed */

static void
weir_submit_entry(weir_txn_t *t, const weir_submission_t *s)
{
    char         key[WEIR_NAME_MAX], member[WEIR_NAME_MAX];
    char         at[WEIR_DECIMAL_MAX];
    const char  *class;

    class = weir_class_name(s->class);

    if (s->run_at) {
        weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_DELAYED, s->shard),
                 weir_decimal(at, s->run_at),
                 weir_name(member, WEIR_DELAYED_MEMBER, class, 1LL, s->id));
        return;
    }

    weir_add(t, W("XADD"), weir_name(key, WEIR_KEY_READY, s->shard, class),
             W("*"), W(WEIR_ENTRY_RUN), weir_str_of(s->id),
             W(WEIR_ENTRY_GEN), W("1"));
}


void
weir_txn_submit(weir_txn_t *t, const weir_submission_t *s)
{
    char         by[WEIR_DECIMAL_MAX], deadline[WEIR_DECIMAL_MAX];
    weir_keys_t  k;

    weir_keys(&k, s->shard, s->id, s->id);

    weir_add(t, W("MULTI"));

    /* arriving after "by", the payload is gone as soon as it is set; in time,
     * it stays: the replies to these two tell which */

    weir_add(t, W("SET"), k.request, s->payload, W("NX"), W("PXAT"),
             weir_decimal(by, s->by));
    weir_add(t, W("PERSIST"), k.request);

    weir_add_job(t, s, k.job, s->id);
    weir_add_run(t, s, k.run);
    weir_submit_read(t, s);

    if (s->mailbox.len) {
        weir_add(t, W("SADD"), k.waiting, s->mailbox);
        weir_add_expire(t, k.waiting, WEIR_TTL_WAITING);
    }

    if (s->ask && s->n) {
        weir_add(t, W("ZADD"), k.deadline, W("GT"),
                 weir_decimal(deadline, s->deadline), weir_str_of(s->id));
        weir_submit_ask(t, s);

    } else {
        weir_add(t, W("ZADD"), k.deadline, weir_decimal(deadline, s->deadline),
                 weir_str_of(s->id));
    }

    weir_add_sets(t, s);
    weir_submit_key(t, s);

    /* not for one that has been given back already */

    if (s->hold) {
        weir_txn_settle_later(t, s->shard, s->id,
                              s->deadline + WEIR_SETTLE_GRACE);
    }

    weir_submit_entry(t, s);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_submit_accepted(const weir_answer_t *a)
{
    /* nil: it was there already, for good, since this was sent before */

    return a->code == WEIR_ANSWER_OK
           && weir_reply_count(a->reply) >= WEIR_SUBMIT_REPLIES
           && (weir_reply_is_nil(weir_reply_at(a->reply, WEIR_SUBMIT_SET))
               || weir_reply_int(weir_reply_at(a->reply, WEIR_SUBMIT_PERSIST))
                  == 1);
}


/* cancel */

/* A job that asks ends without its run, which may have lost its last asker
 * with it; a run that ends may have askers. */

static void
weir_cancel_ask(weir_txn_t *t, const weir_cancel_t *c)
{
    if (c->run) {
        weir_add_unasked(t, c->shard, c->run, c->id);
        weir_txn_hand_on_now(t, c->shard, c->run, c->now);

    } else {
        weir_txn_settle_at(t, c->shard, c->id, c->now);
        weir_add_events_expiry(t, c->shard, c->id, c->while_read);
        weir_add_ended(t, c->shard, c->id, c->now);
    }
}


/* Nobody was told of a job whose answer was there: it never was. */

static void
weir_cancel_hit(weir_txn_t *t, const weir_cancel_t *c, const weir_keys_t *k)
{
    char  key[WEIR_NAME_MAX], member[WEIR_NAME_MAX];

    if (c->hit) {
        weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_HOOKS, c->shard),
                 weir_name(member, WEIR_OUTBOX_MEMBER, c->hit, c->id));
        weir_add(t, W("DEL"), k->job, k->run);
    }
}


void
weir_txn_cancel(weir_txn_t *t, const weir_cancel_t *c)
{
    char         fin[64], at[WEIR_DECIMAL_MAX];
    weir_keys_t  k;

    weir_keys(&k, c->shard, c->id, c->id);
    snprintf(fin, sizeof(fin), "%s:%s", WEIR_STATE_CANCELLED, c->token);

    weir_add(t, W("MULTI"));
    weir_cancel_hit(t, c, &k);
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN), weir_str_of(fin));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN_AT),
             weir_decimal(at, c->now));
    weir_add_tombstone(t, &k);
    weir_add(t, W("ZREM"), k.deadline, weir_str_of(c->id));
    weir_add_closed(t, c->shard, c->owner, c->id);
    weir_cancel_ask(t, c);

    if (c->hook) {
        weir_add_outbox(t, WEIR_KEY_HOOKS, c->shard, c->token, c->id, c->now);
    }

    if (c->tell) {
        weir_add_control(t, c->shard,
                         c->run ? WEIR_CONTROL_LEFT : WEIR_CONTROL_CANCEL,
                         c->run ? c->run : c->id);
    }

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
weir_add_look(weir_txn_t *t, const weir_keys_t *k)
{
    weir_add(t, W("HMGET"), k->job, W(WEIR_JOB_OWNER), W(WEIR_JOB_RUN),
             W(WEIR_JOB_ROUTE), W(WEIR_JOB_REQUEST), W(WEIR_JOB_MODEL),
             W(WEIR_JOB_METADATA), W(WEIR_JOB_CREATED),
             W(WEIR_JOB_PREFIX_FIELD), W(WEIR_JOB_HOOK_URL),
             W(WEIR_JOB_HOOK_SECRET), W(WEIR_JOB_RETRIED_AS),
             W(WEIR_JOB_ASK), W(WEIR_JOB_PART));
    weir_add(t, W("HGETALL"), k->run);
}


/* The reads are the last two of EXEC's reply, or the last three; with a mailbox
 * or without. */

static void
weir_look(weir_txn_t *t, unsigned shard, const char *id, const char *mailbox,
    bool echo)
{
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);

    weir_add(t, W("MULTI"));

    if (mailbox) {
        weir_add(t, W("SADD"), k.waiting, weir_str_of(mailbox));
        weir_add_expire(t, k.waiting, WEIR_TTL_WAITING);
    }

    if (echo) {
        weir_add(t, W("HGET"), k.job, W(WEIR_JOB_ECHO));
    }

    weir_add_look(t, &k);
    weir_add(t, W("EXEC"));
}


void
weir_txn_look(weir_txn_t *t, unsigned shard, const char *id,
    const char *mailbox)
{
    weir_look(t, shard, id, mailbox, false);
}


void
weir_txn_look_response(weir_txn_t *t, unsigned shard, const char *id,
    const char *mailbox)
{
    weir_look(t, shard, id, mailbox, true);
}


weir_str_t
weir_txn_look_echo(const weir_answer_t *a)
{
    size_t  n;

    n = weir_reply_count(a->reply);

    return n >= 3 ? weir_reply_str(weir_reply_at(a->reply, n - 3))
                  : weir_str_null;
}


void
weir_txn_unrespond(weir_txn_t *t, unsigned shard, const char *id,
    weir_str_t token)
{
    char         key[WEIR_NAME_MAX], tok[WEIR_TOKEN_MAX + 1];
    char         events[WEIR_NAME_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HDEL"), k.job, W(WEIR_JOB_ECHO));

    if (token.len) {
        snprintf(tok, sizeof(tok), "%.*s", (int) token.len, token.data);
        weir_add(t, W("DEL"), weir_name(key, WEIR_KEY_OUTCOME, shard, id,
                                        tok),
                 weir_name(events, WEIR_KEY_EVENTS, shard, id));
    }

    weir_add(t, W("EXEC"));
}


bool
weir_txn_unrespond_done(const weir_answer_t *a)
{
    return a->code == WEIR_ANSWER_OK
           && weir_reply_int(weir_reply_at(a->reply, 0)) == 1;
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
weir_add_looks(weir_txn_t *t, unsigned shard, const weir_str_t *ids, unsigned n,
    bool request)
{
    char         id[WEIR_ID_LEN + 1];
    unsigned     i;
    weir_keys_t  k;

    weir_add(t, W("MULTI"));

    for (i = 0; i < n; i++) {
        if (ids[i].len != WEIR_ID_LEN) {
            t->out.failed = true;
            return;
        }

        memcpy(id, ids[i].data, WEIR_ID_LEN);
        id[WEIR_ID_LEN] = '\0';

        weir_keys(&k, shard, id, id);
        weir_add_look(t, &k);

        if (request) {
            weir_add(t, W("EXISTS"), k.request);
        }
    }

    weir_add(t, W("EXEC"));
}


void
weir_txn_looks(weir_txn_t *t, unsigned shard, const weir_str_t *ids, unsigned n)
{
    weir_add_looks(t, shard, ids, n, false);
}


bool
weir_txn_looks_read(const weir_answer_t *a, unsigned i, weir_job_t *job_r,
    weir_run_t *run_r)
{
    size_t  at;

    at = (size_t) i * 2;

    if (a->code != WEIR_ANSWER_OK || weir_reply_count(a->reply) < at + 2) {
        return false;
    }

    weir_job_read(job_r, weir_reply_at(a->reply, at + WEIR_LOOK_JOB));
    weir_run_read(run_r, weir_reply_at(a->reply, at + WEIR_LOOK_RUN));

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
