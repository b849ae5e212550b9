/*
 * The transitions of a webhook's delivery.  Pure.
 */

#include "weir_txn_hook.h"
#include "weir_txn_part.h"

#include "weir_digest.h"


/* the keys of one delivery */

typedef struct {
    char        buf[3][WEIR_NAME_MAX];
    weir_str_t  hooks;
    weir_str_t  hook;
    weir_str_t  lock;
} weir_hook_keys_t;


/* the position of a reply behind that of the lock, if there is one */

enum {
    WEIR_HOOK_LOOK_JOB = 0,
    WEIR_HOOK_LOOK_RUN,
    WEIR_HOOK_LOOK_SELF,
    WEIR_HOOK_LOOKS
};


static void
weir_hook_keys(weir_hook_keys_t *k, const weir_entry_t *e)
{
    k->hooks = weir_name(k->buf[0], WEIR_KEY_HOOKS, e->shard);
    k->hook = weir_name(k->buf[1], WEIR_KEY_HOOK, e->shard, e->id);
    k->lock = weir_name(k->buf[2], WEIR_KEY_HOOKLOCK, e->shard, e->id);
}


static weir_str_t
weir_hook_member(char member[WEIR_NAME_MAX], const weir_entry_t *e)
{
    return weir_name(member, WEIR_OUTBOX_MEMBER, e->token, e->id);
}


bool
weir_entry_read(weir_str_t member, unsigned shard, weir_entry_t *e_r)
{
    char          fin[WEIR_NAME_MAX];
    unsigned      s;
    weir_str_t    token;
    weir_state_e  state;

    if (member.len > WEIR_HOOK_MEMBER_MAX || !weir_word(&member, ':', &token)
        || token.len > WEIR_HOOK_TOKEN_MAX || !weir_id_parse(member, &s))
    {
        return false;
    }

    memset(e_r, 0, sizeof(weir_entry_t));
    e_r->shard = shard;
    memcpy(e_r->id, member.data, member.len);
    memcpy(e_r->run, member.data, member.len);
    memcpy(e_r->token, token.data, token.len);

    /* a token is what the register may hold */

    return s == shard
           && weir_fin_parse(weir_name(fin, "%s:%s", WEIR_STATE_FAILED,
                                       e_r->token), &state, &token);
}


void
weir_entry_run(weir_entry_t *e, const weir_job_t *job)
{
    if (job->run.len == WEIR_ID_LEN) {
        memcpy(e->run, job->run.data, WEIR_ID_LEN);
        e->run[WEIR_ID_LEN] = '\0';
    }
}


/* the outbox */

void
weir_txn_hooks_due(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char        key[WEIR_NAME_MAX], at[WEIR_DECIMAL_MAX], n[WEIR_DECIMAL_MAX];
    weir_str_t  hooks;

    hooks = weir_name(key, WEIR_KEY_HOOKS, shard);

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZCARD"), hooks);
    weir_add(t, W("ZRANGEBYSCORE"), hooks, W("-inf"), weir_decimal(at, now),
             W("LIMIT"), W("0"), weir_decimal(n, count));
    weir_add(t, W("EXEC"));
}


const weir_reply_t *
weir_txn_hooks_due_read(const weir_answer_t *a, long long *total_r)
{
    *total_r = weir_reply_int(weir_reply_at(a->reply, 0));

    return a->code == WEIR_ANSWER_OK ? weir_reply_at(a->reply, 1) : NULL;
}


void
weir_txn_hooks_remove(weir_txn_t *t, unsigned shard, weir_str_t member)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_HOOKS, shard), member);
}


void
weir_txn_hooks_list(weir_txn_t *t, unsigned shard, unsigned count)
{
    char  key[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZRANGEBYSCORE"), weir_name(key, WEIR_KEY_HOOKS, shard),
             W("-inf"), W("+inf"), W("WITHSCORES"), W("LIMIT"), W("0"),
             weir_decimal(n, count));
}


/* open, look */

static void
weir_add_hook_look(weir_txn_t *t, const weir_entry_t *e,
    const weir_hook_keys_t *k)
{
    weir_keys_t  keys;

    weir_keys(&keys, e->shard, e->id, e->id);
    weir_add_look(t, &keys);
    weir_add(t, W("HGETALL"), k->hook);
}


void
weir_txn_hook_open(weir_txn_t *t, const weir_entry_t *e, const char *consumer,
    int64_t ms)
{
    char              px[WEIR_DECIMAL_MAX];
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);

    weir_add(t, W("MULTI"));
    weir_add(t, W("SET"), k.lock, weir_str_of(consumer), W("NX"), W("PX"),
             weir_decimal(px, ms));
    weir_add_hook_look(t, e, &k);
    weir_add(t, W("EXEC"));
}


void
weir_txn_hook_look(weir_txn_t *t, const weir_entry_t *e)
{
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);

    weir_add(t, W("MULTI"));
    weir_add_hook_look(t, e, &k);
    weir_add(t, W("EXEC"));
}


static int64_t
weir_hook_number(const weir_reply_t *self, const char *field)
{
    int64_t  n;

    return weir_str_digits(weir_reply_field(self, field), 18, &n) ? n : 0;
}


bool
weir_txn_hook_read(const weir_answer_t *a, weir_hook_t *h)
{
    size_t               n;
    const weir_reply_t  *self;

    memset(h, 0, sizeof(weir_hook_t));
    n = weir_reply_count(a->reply);

    if (a->code != WEIR_ANSWER_OK || n < WEIR_HOOK_LOOKS) {
        return false;
    }

    h->locked = n > WEIR_HOOK_LOOKS
                && !weir_reply_is_nil(weir_reply_at(a->reply, 0));
    n -= WEIR_HOOK_LOOKS;

    weir_job_read(&h->job, weir_reply_at(a->reply, n + WEIR_HOOK_LOOK_JOB));
    weir_run_read(&h->run, weir_reply_at(a->reply, n + WEIR_HOOK_LOOK_RUN));

    self = weir_reply_at(a->reply, n + WEIR_HOOK_LOOK_SELF);

    h->token = weir_reply_field(self, WEIR_HOOK_TOKEN);
    h->owner = weir_reply_field(self, WEIR_HOOK_OWNER);
    h->url = weir_reply_field(self, WEIR_HOOK_URL);
    h->secret = weir_reply_field(self, WEIR_HOOK_SECRET);
    h->body = weir_reply_field(self, WEIR_HOOK_BODY);
    h->trace = weir_reply_field(self, WEIR_HOOK_TRACE);
    h->state = weir_reply_field(self, WEIR_HOOK_STATE);
    h->error = weir_reply_field(self, WEIR_HOOK_ERROR);
    h->found = (h->token.len > 0);

    h->at = weir_hook_number(self, WEIR_HOOK_AT);
    h->tries = weir_hook_number(self, WEIR_HOOK_TRIES);
    h->status = weir_hook_number(self, WEIR_HOOK_STATUS);

    return true;
}


bool
weir_hook_is_due(const weir_hook_t *h, const weir_entry_t *e)
{
    if (h->found && h->state.len > 0) {
        return false;                   /* it is over */
    }

    /* what is stored outlives the records */

    if (h->body.len && weir_str_eq(h->token, weir_str_of(e->token))) {
        return true;
    }

    return weir_str_eq(h->run.token, weir_str_of(e->token)) && h->job.found
           && h->job.hook_url.len > 0;
}


/* begin, store */

void
weir_txn_hook_begin(weir_txn_t *t, const weir_entry_t *e, int64_t until,
    const char *endpoint, bool first)
{
    char              at[WEIR_DECIMAL_MAX], member[WEIR_NAME_MAX];
    char              key[WEIR_NAME_MAX];
    weir_keys_t       keys;
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZADD"), k.hooks, W("XX"), weir_decimal(at, until),
             weir_hook_member(member, e));
    weir_add(t, W("EXISTS"),
             weir_name(key, WEIR_KEY_ENDPOINT, e->shard, endpoint));

    if (first) {
        weir_add(t, W("GET"),
                 weir_name(key, WEIR_KEY_OUTCOME, e->shard, e->run, e->token));
        weir_keys(&keys, e->shard, e->id, e->id);
        weir_add_look(t, &keys);

        /* a job that asks knows of no tries */

        if (strcmp(e->run, e->id) != 0) {
            weir_add(t, W("HGETALL"),
                     weir_name(key, WEIR_KEY_RUN, e->shard, e->run));
        }
    }

    weir_add(t, W("EXEC"));
}


bool
weir_txn_hook_begin_read(const weir_answer_t *a, bool *gone_r,
    weir_str_t *outcome_r, weir_job_t *job_r, weir_run_t *run_r)
{
    weir_run_t  run;

    weir_job_read(job_r, weir_reply_at(a->reply, 3));
    weir_run_read(run_r, weir_reply_at(a->reply, 4));
    weir_run_read(&run, weir_reply_at(a->reply, 5));
    weir_run_complete(run_r, job_r, &run);

    *gone_r = (weir_reply_int(weir_reply_at(a->reply, 1)) == 1);
    *outcome_r = weir_reply_str(weir_reply_at(a->reply, 2));

    return a->code == WEIR_ANSWER_OK;
}


void
weir_txn_hook_store(weir_txn_t *t, const weir_entry_t *e, weir_str_t owner,
    weir_str_t url, weir_str_t secret, weir_str_t trace, weir_str_t body)
{
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSETNX"), k.hook, W(WEIR_HOOK_BODY), body);
    weir_add(t, W("HSETNX"), k.hook, W(WEIR_HOOK_TOKEN),
             weir_str_of(e->token));
    weir_add(t, W("HSETNX"), k.hook, W(WEIR_HOOK_OWNER), owner);
    weir_add(t, W("HSETNX"), k.hook, W(WEIR_HOOK_URL), url);
    weir_add(t, W("HSETNX"), k.hook, W(WEIR_HOOK_SECRET), secret);

    if (trace.len) {
        weir_add(t, W("HSETNX"), k.hook, W(WEIR_HOOK_TRACE), trace);
    }

    weir_add_expire(t, k.hook, WEIR_TTL_HOOK);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_hook_stored(const weir_answer_t *a)
{
    return a->code == WEIR_ANSWER_OK
           && weir_reply_int(weir_reply_at(a->reply, 0)) == 1;
}


/* the end of a try */

void
weir_txn_hook_record(weir_txn_t *t, const weir_entry_t *e,
    const weir_hook_try_t *what)
{
    bool              done;
    char              tries[WEIR_DECIMAL_MAX], status[WEIR_DECIMAL_MAX];
    char              at[WEIR_DECIMAL_MAX], member[WEIR_NAME_MAX];
    char              key[WEIR_NAME_MAX], seconds[WEIR_DECIMAL_MAX];
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);
    done = what->state && strcmp(what->state, WEIR_DELIVERY_DONE) == 0;

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSET"), k.hook,
             W(WEIR_HOOK_TOKEN), weir_str_of(e->token),
             W(WEIR_HOOK_TRIES), weir_decimal(tries, what->tries),
             W(WEIR_HOOK_STATUS), weir_decimal(status, what->status),
             W(WEIR_HOOK_ERROR), weir_str_of(what->error),
             W(WEIR_HOOK_AT), weir_decimal(at, what->now));

    if (done) {
        weir_add(t, W("HDEL"), k.hook, W(WEIR_HOOK_BODY), W(WEIR_HOOK_SECRET));
    }

    if (what->state) {
        weir_add(t, W("HSET"), k.hook, W(WEIR_HOOK_STATE),
                 weir_str_of(what->state));
        weir_add(t, W("ZREM"), k.hooks, weir_hook_member(member, e));

    } else {
        weir_add(t, W("ZADD"), k.hooks, W("XX"), weir_decimal(at, what->due),
                 weir_hook_member(member, e));
    }

    weir_add_expire(t, k.hook, done ? WEIR_TTL_HOOK_DONE : WEIR_TTL_HOOK);

    if (what->endpoint) {
        weir_add(t, W("SET"),
                 weir_name(key, WEIR_KEY_ENDPOINT, e->shard, what->endpoint),
                 W("gone"), W("EX"), weir_decimal(seconds, WEIR_TTL_ENDPOINT));
    }

    weir_add(t, W("DEL"), k.lock);
    weir_add(t, W("EXEC"));
}


void
weir_txn_hook_drop(weir_txn_t *t, const weir_entry_t *e)
{
    char              member[WEIR_NAME_MAX];
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZREM"), k.hooks, weir_hook_member(member, e));
    weir_add(t, W("DEL"), k.lock);
    weir_add(t, W("EXEC"));
}


void
weir_txn_hook_rest(weir_txn_t *t, const weir_entry_t *e, int64_t due)
{
    char              at[WEIR_DECIMAL_MAX], member[WEIR_NAME_MAX];
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZADD"), k.hooks, W("XX"), weir_decimal(at, due),
             weir_hook_member(member, e));
    weir_add(t, W("DEL"), k.lock);
    weir_add(t, W("EXEC"));
}


void
weir_txn_hook_is_locked(weir_txn_t *t, const weir_entry_t *e)
{
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);
    weir_add(t, W("EXISTS"), k.lock);
}


void
weir_txn_hook_redeliver(weir_txn_t *t, const weir_entry_t *e,
    const char *endpoint, int64_t now)
{
    char              at[WEIR_DECIMAL_MAX], member[WEIR_NAME_MAX];
    char              key[WEIR_NAME_MAX];
    weir_hook_keys_t  k;

    weir_hook_keys(&k, e);

    weir_add(t, W("MULTI"));
    weir_add(t, W("DEL"),
             weir_name(key, WEIR_KEY_ENDPOINT, e->shard, endpoint));
    weir_add(t, W("HDEL"), k.hook, W(WEIR_HOOK_STATE), W(WEIR_HOOK_TRIES));
    weir_add(t, W("ZADD"), k.hooks, weir_decimal(at, now),
             weir_hook_member(member, e));
    weir_add(t, W("EXEC"));
}


int
weir_hook_endpoint(weir_str_t owner, weir_str_t url,
    char digest[WEIR_HOOK_DIGEST_MAX])
{
    int             rc;
    weir_buf_t      b;
    unsigned char   sum[WEIR_DIGEST_LEN];

    weir_buf_init(&b, 0);
    weir_buf_str(&b, owner);
    weir_buf_text(&b, "\n");
    weir_buf_str(&b, url);

    rc = b.failed ? -1 : weir_digest_sha256((weir_str_t) { b.data, b.len },
                                            sum);
    weir_buf_free(&b);

    if (rc == 0) {
        weir_digest_hex(sum, 16, digest);
    }

    return rc;
}
