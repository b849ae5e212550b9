/*
 * A finished job again, as a new one: what it was, and the note of what becomes
 * of it.  Pure.
 */

#include "weir_txn_part.h"


#define WEIR_AGAIN_BY  5000         /* ms for the submission to arrive */


/* the replies of weir_txn_again() */

enum {
    WEIR_AGAIN_TIME = 0,
    WEIR_AGAIN_JOB,
    WEIR_AGAIN_RUN,
    WEIR_AGAIN_REQUEST,
    WEIR_AGAIN_REPLIES
};


void
weir_txn_again(weir_txn_t *t, unsigned shard, const char *id, const char *run)
{
    char         key[WEIR_NAME_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);

    weir_add(t, W("MULTI"));
    weir_add(t, W("TIME"));
    weir_add(t, W("HGETALL"), k.job);
    weir_add(t, W("HGETALL"), k.run);
    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_REQUEST, shard, run));
    weir_add(t, W("EXEC"));
}


static int64_t
weir_again_number(const weir_reply_t *hash, const char *name, int64_t otherwise)
{
    int64_t  n;

    return weir_str_digits(weir_reply_field(hash, name), 18, &n) ? n
                                                                 : otherwise;
}


/* times are new, all else is as it was */

static void
weir_again_submission(weir_submission_t *s, int64_t now,
    const weir_reply_t *job, const weir_reply_t *run)
{
    int      class;
    int64_t  created, deadline, day;

    s->owner = weir_reply_field(job, WEIR_JOB_OWNER);
    s->key_id = weir_reply_field(job, WEIR_JOB_KEY);
    s->request_id = weir_reply_field(job, WEIR_JOB_REQUEST);
    s->route = weir_reply_field(job, WEIR_JOB_ROUTE);
    s->model = weir_reply_field(job, WEIR_JOB_MODEL);
    s->metadata = weir_reply_field(job, WEIR_JOB_METADATA);
    s->echo = weir_reply_field(job, WEIR_JOB_ECHO);
    s->prefix = weir_reply_field(job, WEIR_JOB_PREFIX_FIELD);
    s->hook_url = weir_reply_field(job, WEIR_JOB_HOOK_URL);
    s->hook_secret = weir_reply_field(job, WEIR_JOB_HOOK_SECRET);

    s->trace = weir_reply_field(run, WEIR_RUN_TRACE);

    class = weir_class_parse(weir_reply_field(run, WEIR_RUN_CLASS));
    s->class = class < 0 ? WEIR_NORMAL : (weir_class_e) class;

    day = WEIR_DEADLINE_DEFAULT * 1000LL;
    created = weir_again_number(run, WEIR_RUN_CREATED, now);
    deadline = weir_again_number(run, WEIR_RUN_DEADLINE, created + day);

    s->created = now;
    s->by = now + WEIR_AGAIN_BY;
    s->deadline = now + (deadline > created ? deadline - created : day);
    s->ttl = weir_again_number(run, WEIR_RUN_TTL, WEIR_TTL_DEFAULT);
    s->records = weir_again_number(run, WEIR_RUN_RECORDS, WEIR_TTL_RECORDS);

    s->listed = true;
    s->open = weir_reply_field(run, WEIR_RUN_OWNER).len > 0;
    s->keep = weir_reply_field(run, WEIR_RUN_KEEP).len > 0;
    s->stream = weir_reply_field(run, WEIR_RUN_STREAM).len > 0;
}


bool
weir_txn_again_read(const weir_answer_t *a, const char *as, weir_again_t *g)
{
    int64_t              now;
    weir_run_t           run;
    const weir_reply_t  *job, *registers, *time;

    memset(g, 0, sizeof(weir_again_t));

    if (a->code != WEIR_ANSWER_OK
        || weir_reply_count(a->reply) != WEIR_AGAIN_REPLIES)
    {
        return false;
    }

    time = weir_reply_at(a->reply, WEIR_AGAIN_TIME);
    job = weir_reply_at(a->reply, WEIR_AGAIN_JOB);
    registers = weir_reply_at(a->reply, WEIR_AGAIN_RUN);

    now = weir_reply_int(weir_reply_at(time, 0)) * 1000
          + weir_reply_int(weir_reply_at(time, 1)) / 1000;

    weir_run_read(&run, registers);
    weir_again_submission(&g->submission, now, job, registers);
    memcpy(g->submission.id, as, WEIR_ID_LEN);

    g->submission.payload = weir_reply_str(weir_reply_at(a->reply,
                                                         WEIR_AGAIN_REQUEST));
    g->found = run.found && g->submission.owner.len > 0;
    g->hook = g->submission.hook_url.len > 0;
    g->state = run.state;
    g->token = run.token;
    g->retried_as = weir_reply_field(job, WEIR_JOB_RETRIED_AS);

    return weir_id_parse(weir_str_of(g->submission.id), &g->submission.shard);
}


void
weir_txn_retried(weir_txn_t *t, unsigned shard, const char *id, const char *as,
    bool force)
{
    char         seconds[WEIR_DECIMAL_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, id, id);

    weir_add(t, W("MULTI"));
    weir_add(t, force ? W("HSET") : W("HSETNX"), k.job,
             W(WEIR_JOB_RETRIED_AS), weir_str_of(as));

    /* it may have vanished just now */

    weir_add(t, W("EXPIRE"), k.job, weir_decimal(seconds, WEIR_TTL_RECORDS),
             W("NX"));
    weir_add(t, W("HGET"), k.job, W(WEIR_JOB_RETRIED_AS));
    weir_add(t, W("EXEC"));
}


weir_str_t
weir_txn_retried_as(const weir_answer_t *a)
{
    size_t  n;

    n = weir_reply_count(a->reply);

    return a->code == WEIR_ANSWER_OK && n
           ? weir_reply_str(weir_reply_at(a->reply, n - 1)) : weir_str_null;
}


void
weir_txn_not_retried(weir_txn_t *t, unsigned shard, const char *id)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HDEL"), weir_name(key, WEIR_KEY_JOB, shard, id),
             W(WEIR_JOB_RETRIED_AS));
}
