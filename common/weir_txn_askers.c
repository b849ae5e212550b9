/*
 * The transitions of those who hang on to a run: its end is handed on to them,
 * and it is cancelled when nobody is left.  Pure.
 */

#include "weir_txn_ask.h"
#include "weir_txn_part.h"


/* the replies of weir_txn_hand_on(), and of a look */

enum {
    WEIR_HAND_ON_DUE = 0,
    WEIR_HAND_ON_RUN,
    WEIR_HAND_ON_ASKERS,
    WEIR_HAND_ON_REPLIES
};

/* of weir_txn_asked_looks(), for each job */

enum {
    WEIR_ASKED_JOB = 0,
    WEIR_ASKED_RUN,
    WEIR_ASKED_REQUEST,
    WEIR_ASKED_REPLIES
};

enum {
    WEIR_LEFT_GEN = 0,
    WEIR_LEFT_FIN,
    WEIR_LEFT_ASK,
    WEIR_LEFT_WHILE,
    WEIR_LEFT_OWNER,
    WEIR_LEFT_FIELDS
};


static void
weir_add_due(weir_txn_t *t, weir_str_t key, int64_t now, unsigned count)
{
    char  at[WEIR_DECIMAL_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZRANGEBYSCORE"), key, W("-inf"), weir_decimal(at, now),
             W("LIMIT"), W("0"), weir_decimal(n, count));
}


static void
weir_add_page(weir_txn_t *t, weir_str_t key, long long from, unsigned count)
{
    char  first[WEIR_DECIMAL_MAX], last[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZRANGE"), key, weir_decimal(first, from),
             weir_decimal(last, from + count - 1));
}


/* hand on */

void
weir_txn_ended(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_due(t, weir_name(key, WEIR_KEY_ENDED, shard), now, count);
}


void
weir_txn_hand_on(weir_txn_t *t, unsigned shard, const char *run, int64_t until,
    unsigned count)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];

    /* The time is put off before the state is read: an end that comes after
     * the reading makes the run due again, one that came before is seen. */

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ENDED, shard), W("XX"),
             weir_decimal(ms, until), weir_str_of(run));
    weir_add(t, W("HGETALL"), weir_name(key, WEIR_KEY_RUN, shard, run));
    weir_add_page(t, weir_name(key, WEIR_KEY_ASKERS, shard, run), 0, count);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_hand_on_read(const weir_answer_t *a, weir_hand_on_t *h)
{
    memset(h, 0, sizeof(weir_hand_on_t));

    if (a->code != WEIR_ANSWER_OK
        || weir_reply_count(a->reply) != WEIR_HAND_ON_REPLIES)
    {
        return false;
    }

    weir_run_read(&h->run, weir_reply_at(a->reply, WEIR_HAND_ON_RUN));
    h->askers = weir_reply_at(a->reply, WEIR_HAND_ON_ASKERS);

    return true;
}


bool
weir_txn_hand_on_asker(const weir_hand_on_t *h, size_t i, weir_str_t *member_r,
    bool *job_r)
{
    unsigned  shard;

    if (i >= weir_reply_count(h->askers)) {
        return false;
    }

    *member_r = weir_reply_str(weir_reply_at(h->askers, i));
    *job_r = weir_id_parse(*member_r, &shard);

    return true;
}


bool
weir_hand_on_takes(const weir_hand_on_t *h, const char *run,
    const weir_job_t *job, const weir_run_t *own)
{
    if (!weir_state_is_final(h->run.state) || !job->found || !own->found
        || weir_state_is_final(own->state)
        || !weir_str_eq(job->run, weir_str_of(run)))
    {
        return false;
    }

    /* who led it was given up with it, the others ask again */

    return !weir_run_is_given_up(&h->run)
           || weir_str_eq(job->part, W(WEIR_PART_LED));
}


void
weir_txn_handed_on(weir_txn_t *t, unsigned shard, const char *run,
    const weir_str_t *members, unsigned n)
{
    char        key[WEIR_NAME_MAX];
    unsigned    i;
    weir_str_t  args[2 + WEIR_ASKERS_BATCH];

    if (n == 0 || n > WEIR_ASKERS_BATCH) {
        t->out.failed = true;
        return;
    }

    args[0] = W("ZREM");
    args[1] = weir_name(key, WEIR_KEY_ASKERS, shard, run);

    for (i = 0; i < n; i++) {
        args[2 + i] = members[i];
    }

    weir_txn_add(t, 2 + n, args);
}


void
weir_txn_hand_on_watch(weir_txn_t *t, unsigned shard, const char *run)
{
    char        key[WEIR_NAME_MAX];
    weir_str_t  askers;

    askers = weir_name(key, WEIR_KEY_ASKERS, shard, run);

    weir_add(t, W("WATCH"), askers);
    weir_add(t, W("ZCARD"), askers);
}


void
weir_txn_hand_on_end(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_ENDED, shard),
             weir_str_of(run));
    weir_add(t, W("EXEC"));
}


/* left */

void
weir_txn_left_watch(weir_txn_t *t, unsigned shard, const char *run)
{
    char        key[WEIR_NAME_MAX], askers[WEIR_NAME_MAX];
    char        readers[WEIR_NAME_MAX];
    weir_str_t  name;

    name = weir_name(key, WEIR_KEY_RUN, shard, run);

    weir_add(t, W("WATCH"), name,
             weir_name(askers, WEIR_KEY_ASKERS, shard, run),
             weir_name(readers, WEIR_KEY_READERS, shard, run));
    weir_add(t, W("HMGET"), name, W(WEIR_RUN_GEN), W(WEIR_RUN_FIN),
             W(WEIR_RUN_ASK), W(WEIR_RUN_WHILE), W(WEIR_RUN_OWNER));
}


bool
weir_txn_left_read(const weir_answer_t *a, weir_left_t *l)
{
    memset(l, 0, sizeof(weir_left_t));

    if (a->code != WEIR_ANSWER_OK
        || weir_reply_count(a->reply) != WEIR_LEFT_FIELDS)
    {
        return false;
    }

    l->asked = weir_reply_str(weir_reply_at(a->reply, WEIR_LEFT_ASK)).len > 0;
    l->while_read = !weir_reply_is_nil(weir_reply_at(a->reply,
                                                     WEIR_LEFT_WHILE));
    l->owner = weir_reply_str(weir_reply_at(a->reply, WEIR_LEFT_OWNER));

    /* one that is not there yet may be on its way, with its asker */

    return !weir_reply_is_nil(weir_reply_at(a->reply, WEIR_LEFT_GEN))
           && weir_reply_is_nil(weir_reply_at(a->reply, WEIR_LEFT_FIN))
           && (l->asked || l->while_read);
}


static void
weir_add_after(weir_txn_t *t, weir_str_t key, int64_t now)
{
    char  after[WEIR_NAME_MAX];

    weir_add(t, W("ZCOUNT"), key, weir_name(after, "(%lld", (long long) now),
             W("+inf"));
}


void
weir_txn_left_askers(weir_txn_t *t, unsigned shard, const char *run,
    int64_t now)
{
    char  key[WEIR_NAME_MAX];

    weir_add_after(t, weir_name(key, WEIR_KEY_ASKERS, shard, run), now);
}


void
weir_txn_left_readers(weir_txn_t *t, unsigned shard, const char *run,
    int64_t now)
{
    char  key[WEIR_NAME_MAX];

    weir_add_after(t, weir_name(key, WEIR_KEY_READERS, shard, run), now);
}


bool
weir_txn_left_nobody(const weir_answer_t *a)
{
    /* whatever is no number, an error say, reads as 0 */

    return a->code == WEIR_ANSWER_OK && !weir_reply_is_nil(a->reply)
           && weir_reply_count(a->reply) == 0
           && weir_reply_str(a->reply).len == 0
           && weir_reply_int(a->reply) == 0;
}


void
weir_txn_left_job(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HGET"), weir_name(key, WEIR_KEY_JOB, shard, run),
             W(WEIR_JOB_ASK));
}


bool
weir_txn_left_job_read(const weir_answer_t *a)
{
    return a->code == WEIR_ANSWER_OK && weir_reply_str(a->reply).len == 0;
}


void
weir_txn_left_later(weir_txn_t *t, unsigned shard, const char *run,
    int64_t until)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ENDED, shard), W("XX"),
             W("GT"), weir_decimal(ms, until), weir_str_of(run));
    weir_add(t, W("EXEC"));
}


/* jobs that ask */

void
weir_txn_asked(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_due(t, weir_name(key, WEIR_KEY_ASKED, shard), now, count);
}


void
weir_txn_asked_list(weir_txn_t *t, unsigned shard, long long from,
    unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_page(t, weir_name(key, WEIR_KEY_ASKED, shard), from, count);
}


void
weir_txn_asked_looks(weir_txn_t *t, unsigned shard, const weir_str_t *ids,
    unsigned n)
{
    weir_add_looks(t, shard, ids, n, true);
}


bool
weir_txn_asked_looks_read(const weir_answer_t *a, unsigned i,
    weir_job_t *job_r, weir_run_t *own_r, bool *late_r)
{
    size_t               at;
    const weir_reply_t  *request;

    at = (size_t) i * WEIR_ASKED_REPLIES;
    request = weir_reply_at(a->reply, at + WEIR_ASKED_REQUEST);

    if (a->code != WEIR_ANSWER_OK || request == NULL) {
        return false;
    }

    weir_job_read(job_r, weir_reply_at(a->reply, at + WEIR_ASKED_JOB));
    weir_run_read(own_r, weir_reply_at(a->reply, at + WEIR_ASKED_RUN));

    *late_r = own_r->found && !weir_state_is_final(own_r->state)
              && weir_reply_int(request) == 0;

    return true;
}


void
weir_txn_asked_until(weir_txn_t *t, unsigned shard, const char *id,
    int64_t then)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ASKED, shard), W("XX"),
             weir_decimal(ms, then), weir_str_of(id));
}
