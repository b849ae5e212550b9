/*
 * The transitions of who asks a question: ask, lead, follow, leave.  Pure.
 */

#include "weir_txn_ask.h"
#include "weir_txn_limit.h"
#include "weir_txn_part.h"

#include <stdio.h>


#define WEIR_ASK_VALUE    64            /* "<id> <by>" */
#define WEIR_ASK_DIGITS   18

/* of a job that follows: the replies that tell whether it came in time */

enum {
    WEIR_FOLLOW_FATE = 1,
    WEIR_FOLLOW_SET,
    WEIR_FOLLOW_PERSIST
};

/* the last replies of an ask */

enum {
    WEIR_ASK_ANSWER = 1,
    WEIR_ASK_MARKS,
    WEIR_ASK_RUNS
};


/* what others share */

void
weir_add_ask_life(weir_txn_t *t, unsigned shard, const char *question,
    int64_t ms)
{
    char  key[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("EXPIRE"), weir_name(key, WEIR_KEY_ASK, shard, question),
             weir_decimal(n, WEIR_TTL_RESERVED + ms / 1000), W("GT"));
}


/* Who asks for a run that is final already, and was handed on, stands there
 * alone, and nobody comes to it any more. */

void
weir_add_askers_life(weir_txn_t *t, unsigned shard, const char *run,
    int64_t ms)
{
    char        key[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX];
    weir_str_t  askers, life;

    askers = weir_name(key, WEIR_KEY_ASKERS, shard, run);
    life = weir_decimal(n, WEIR_TTL_ASKERS + ms / 1000);

    weir_add(t, W("EXPIRE"), askers, life, W("NX"));
    weir_add(t, W("EXPIRE"), askers, life, W("GT"));
}


void
weir_add_asker(weir_txn_t *t, const weir_submission_t *job, const char *run,
    const char *part)
{
    char               key[WEIR_NAME_MAX], deadline[WEIR_DECIMAL_MAX];
    char               until[WEIR_DECIMAL_MAX];
    weir_str_t         id, by;
    weir_keys_t        k;
    weir_submission_t  own;

    weir_keys(&k, job->shard, job->id, job->id);
    id = weir_str_of(job->id);
    by = weir_decimal(until, job->by);

    /* it has no request of its own: what stands here says that it came in
     * time, as with a submission */

    weir_add(t, W("SET"), k.request, W("1"), W("NX"), W("PXAT"), by);
    weir_add(t, W("PERSIST"), k.request);

    weir_add_job(t, job, k.job, run);
    weir_add(t, W("HSET"), k.job, W(WEIR_JOB_PART), weir_str_of(part));

    own = *job;
    own.stream = own.while_read = false;        /* that is its run's */
    weir_add_run(t, &own, k.run);

    if (job->mailbox.len) {
        weir_add(t, W("SADD"), k.waiting, job->mailbox);
        weir_add_expire(t, k.waiting, WEIR_TTL_WAITING);
    }

    /* looked at then, whether it is void; if not, at its deadline */

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ASKED, job->shard), by, id);
    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ASKERS, job->shard, run),
             weir_decimal(deadline, job->deadline), id);
    weir_add_askers_life(t, job->shard, run, job->deadline - job->created);

    /* its ticket: among all that is unfinished its run counts */

    weir_add(t, W("ZREM"), k.deadline, id);
    weir_add_sets(t, job);
}


void
weir_add_unasked(weir_txn_t *t, unsigned shard, const char *run,
    const char *job)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_ASKED, shard),
             weir_str_of(job));

    if (*run) {
        weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_ASKERS, shard, run),
                 weir_str_of(job));
    }
}


void
weir_add_ended(weir_txn_t *t, unsigned shard, const char *run, int64_t now)
{
    char  key[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ENDED, shard), W("XX"),
             weir_decimal(n, now), weir_str_of(run));
    weir_add(t, W("EXPIRE"), weir_name(key, WEIR_KEY_ASKERS, shard, run),
             weir_decimal(n, WEIR_TTL_TOMBSTONE), W("NX"));
}


void
weir_add_control(weir_txn_t *t, unsigned shard, const char *op,
    const char *run)
{
    char  key[WEIR_NAME_MAX], most[WEIR_DECIMAL_MAX];

    weir_add(t, W("XADD"), weir_name(key, WEIR_KEY_CONTROL, shard),
             W("MAXLEN"), W("~"), weir_decimal(most, WEIR_CONTROL_MAX),
             W("*"), W(WEIR_CONTROL_OP), weir_str_of(op),
             W(WEIR_CONTROL_RUN), weir_str_of(run));
}


/* ask */

static void
weir_add_register(weir_txn_t *t, const weir_ask_t *a, weir_str_t ask)
{
    char        field[WEIR_NAME_MAX], value[WEIR_ASK_VALUE];
    char        n[WEIR_DECIMAL_MAX];
    weir_str_t  life;

    snprintf(value, sizeof(value), "%s %lld", a->run, (long long) a->by);

    weir_add(t, W("HSETNX"), ask, weir_name(field, WEIR_ASK_RUN, a->n),
             weir_str_of(value));

    /* the submission gives it its time; what is left of that of an earlier
     * run might not last until then */

    life = weir_decimal(n, WEIR_TTL_RESERVED + (a->by - a->now) / 1000);
    weir_add(t, W("EXPIRE"), ask, life, W("NX"));
    weir_add(t, W("EXPIRE"), ask, life, W("GT"));

    /* the last but one decides nothing any more */

    if (a->n > 2) {
        weir_add(t, W("HDEL"), ask,
                 weir_name(field, WEIR_ASK_RUN, a->n - 2));
    }
}


/* The times of all marks that would match.  One that is too long cannot be
 * set, and is "" here. */

static weir_str_t
weir_mark_name(char buf[WEIR_MARK_LEN + 1], const char *pattern,
    weir_str_t what)
{
    int  n;

    n = snprintf(buf, WEIR_MARK_LEN + 1, pattern, (int) what.len,
                 what.len ? what.data : "");

    return (weir_str_t) { buf, n <= WEIR_MARK_LEN ? (size_t) n : 0 };
}


static void
weir_add_marks(weir_txn_t *t, const weir_ask_t *a)
{
    char        key[WEIR_NAME_MAX], names[3][WEIR_MARK_LEN + 1];
    unsigned    n;
    weir_str_t  args[2 + WEIR_MARKS_MAX], labels, label;

    n = 0;
    args[n++] = W("ZMSCORE");
    args[n++] = weir_name(key, WEIR_KEY_MARKS, a->shard);
    args[n++] = W(WEIR_MARK_ALL);
    args[n++] = weir_mark_name(names[0], WEIR_MARK_QUESTION,
                               weir_str_of(a->question));
    args[n++] = weir_mark_name(names[1], WEIR_MARK_OWNER, a->owner);
    args[n++] = weir_mark_name(names[2], WEIR_MARK_MODEL, a->model);

    labels = a->labels;

    while (n < 2 + WEIR_MARKS_MAX && weir_str_split(&labels, ' ', &label)) {
        if (label.len) {
            args[n++] = label;
        }
    }

    weir_txn_add(t, n, args);
}


static int64_t
weir_marks_newest(const weir_reply_t *marks)
{
    size_t   i;
    int64_t  at, newest;

    newest = 0;

    for (i = 0; i < weir_reply_count(marks); i++) {
        at = weir_reply_int(weir_reply_at(marks, i));
        newest = at > newest ? at : newest;
    }

    return newest;
}


void
weir_txn_marked(weir_txn_t *t, const weir_ask_t *asks, unsigned n)
{
    unsigned  i;

    weir_add(t, W("MULTI"));

    for (i = 0; i < n; i++) {
        weir_add_marks(t, &asks[i]);
    }

    weir_add(t, W("EXEC"));
}


int64_t
weir_txn_marked_at(const weir_answer_t *a, unsigned i)
{
    return weir_marks_newest(weir_reply_at(a->reply, i));
}


void
weir_txn_ask(weir_txn_t *t, const weir_ask_t *a)
{
    char        key[WEIR_NAME_MAX], answer[WEIR_NAME_MAX];
    weir_str_t  ask;

    ask = weir_name(key, WEIR_KEY_ASK, a->shard, a->question);

    weir_add(t, W("MULTI"));

    /* the reads are the last of EXEC's reply */

    if (a->n) {
        weir_add_register(t, a, ask);
    }

    weir_add(t, W("HGETALL"), ask);
    weir_add_marks(t, a);

    if (!a->apart) {
        weir_add(t, W("GET"),
                 weir_name(answer, WEIR_KEY_ANSWER, a->shard, a->question));
    }

    weir_add(t, W("EXEC"));
}


/* the last of a question's runs */

static bool
weir_asked_read(const weir_reply_t *hgetall, weir_asked_t *r)
{
    size_t      i, n;
    bool        submitted;
    int64_t     number, by;
    weir_str_t  name, value, id, until;

    n = sizeof(WEIR_ASK_RUN_PREFIX) - 1;

    for (i = 0; i + 1 < weir_reply_count(hgetall); i += 2) {
        name = weir_reply_str(weir_reply_at(hgetall, i));
        value = weir_reply_str(weir_reply_at(hgetall, i + 1));

        if (name.len <= n || memcmp(name.data, WEIR_ASK_RUN_PREFIX, n) != 0
            || !weir_str_digits((weir_str_t) { name.data + n, name.len - n },
                                WEIR_ASK_DIGITS, &number)
            || number <= r->n)
        {
            continue;
        }

        if (!weir_word(&value, ' ', &id) || id.len != WEIR_ID_LEN) {
            return false;
        }

        submitted = weir_word(&value, ' ', &until);

        if (!weir_str_digits(submitted ? until : value, WEIR_ASK_DIGITS, &by))
        {
            return false;
        }

        r->n = number;
        r->run = id;
        r->by = by;
        r->submitted = submitted;
    }

    return true;
}


bool
weir_txn_ask_read(const weir_answer_t *a, const weir_ask_t *ask,
    weir_asked_t *r)
{
    size_t  n;

    memset(r, 0, sizeof(weir_asked_t));

    n = weir_reply_count(a->reply) + ask->apart;

    if (a->code != WEIR_ANSWER_OK || n < WEIR_ASK_RUNS
        || !weir_asked_read(weir_reply_at(a->reply, n - WEIR_ASK_RUNS), r)
        || (ask->n && r->n == 0))
    {
        return false;
    }

    r->purged = weir_marks_newest(weir_reply_at(a->reply, n - WEIR_ASK_MARKS));

    if (!ask->apart) {
        r->answer = weir_reply_str(weir_reply_at(a->reply,
                                                 n - WEIR_ASK_ANSWER));
    }

    r->ours = ask->n && r->n == ask->n
              && weir_str_eq(r->run, weir_str_of(ask->run));

    return true;
}


void
weir_txn_unask(weir_txn_t *t, const weir_ask_t *a)
{
    char        key[WEIR_NAME_MAX], field[WEIR_NAME_MAX];
    char        value[WEIR_ASK_VALUE], n[WEIR_DECIMAL_MAX];
    weir_str_t  ask;

    ask = weir_name(key, WEIR_KEY_ASK, a->shard, a->question);
    snprintf(value, sizeof(value), "%s 0", a->run);

    /* the field stays: its number is the last, and must not be taken again */

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSET"), ask, weir_name(field, WEIR_ASK_RUN, a->n),
             weir_str_of(value));
    weir_add(t, W("EXPIRE"), ask, weir_decimal(n, WEIR_TTL_RESERVED),
             W("NX"));
    weir_add(t, W("EXEC"));
}


/* follow */

static void
weir_add_state(weir_txn_t *t, const weir_follow_t *f)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("EXISTS"),
             weir_name(key, WEIR_KEY_REQUEST, f->shard, f->run));
    weir_add(t, W("HGETALL"), weir_name(key, WEIR_KEY_RUN, f->shard, f->run));
}


void
weir_txn_follow_look(weir_txn_t *t, const weir_follow_t *f)
{
    weir_add(t, W("MULTI"));
    weir_add_state(t, f);
    weir_add(t, W("EXEC"));
}


static void
weir_follow_job(weir_txn_t *t, const weir_follow_t *f)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];

    weir_add_asker(t, f->job, f->run, f->part);

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_DEADLINE, f->shard),
             W("XX"), W("GT"), weir_decimal(ms, f->job->deadline),
             weir_str_of(f->run));

    weir_add_ask_life(t, f->shard, f->question,
                      f->job->deadline - f->job->created);

    /* NX: a run that goes on is looked at in its time; soon, if it has been
     * handed on already, or is not there yet */

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ENDED, f->shard), W("NX"),
             weir_decimal(ms, f->job->created + WEIR_ENDED_SOON),
             weir_str_of(f->run));
}


static void
weir_follow_mailbox(weir_txn_t *t, const weir_follow_t *f)
{
    char        key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];
    weir_str_t  waiting;

    weir_add(t, W("ZADD"),
             weir_name(key, WEIR_KEY_ASKERS, f->shard, f->run), W("GT"),
             weir_decimal(ms, f->until), weir_str_of(f->mailbox));
    weir_add_askers_life(t, f->shard, f->run, 0);

    waiting = weir_name(key, WEIR_KEY_WAITING, f->shard, f->run);
    weir_add(t, W("SADD"), waiting, weir_str_of(f->mailbox));
    weir_add_expire(t, waiting, WEIR_TTL_WAITING);
}


void
weir_txn_follow(weir_txn_t *t, const weir_follow_t *f)
{
    char        key[WEIR_NAME_MAX], ttl[WEIR_DECIMAL_MAX];
    weir_str_t  fate;

    fate = weir_name(key, WEIR_KEY_FATE, f->shard, f->run);

    weir_add(t, W("MULTI"));
    weir_add(t, W("SET"), fate, W(WEIR_FATE_KEPT), W("NX"), W("EX"),
             weir_decimal(ttl, WEIR_TTL_TOMBSTONE));
    weir_add(t, W("GET"), fate);

    if (f->job) {
        weir_follow_job(t, f);

    } else {
        weir_follow_mailbox(t, f);
    }

    /* who asks stands there before the state is read, so that no end is
     * missed */

    weir_add_state(t, f);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_follow_read(const weir_answer_t *a, bool job, weir_followed_t *r)
{
    size_t  n;

    memset(r, 0, sizeof(weir_followed_t));
    n = weir_reply_count(a->reply);

    if (a->code != WEIR_ANSWER_OK || n < 2) {
        return false;
    }

    r->kept = n == 2
              || weir_str_eq(weir_reply_str(weir_reply_at(a->reply,
                                                          WEIR_FOLLOW_FATE)),
                             W(WEIR_FATE_KEPT));

    /* nil: it was there already, for good */

    r->late = job && n > 2
              && !weir_reply_is_nil(weir_reply_at(a->reply, WEIR_FOLLOW_SET))
              && weir_reply_int(weir_reply_at(a->reply, WEIR_FOLLOW_PERSIST))
                 != 1;
    r->request = weir_reply_int(weir_reply_at(a->reply, n - 2)) == 1;
    weir_run_read(&r->run, weir_reply_at(a->reply, n - 1));

    return true;
}


bool
weir_followed_is_void(const weir_followed_t *r)
{
    return r->run.found && !weir_state_is_final(r->run.state) && !r->request;
}


bool
weir_run_is_given_up(const weir_run_t *run)
{
    return run->state == WEIR_CANCELLED
           && (weir_str_eq(run->token, W(WEIR_TOKEN_EDGE))
               || weir_str_eq(run->token, W(WEIR_TOKEN_LATE))
               || weir_str_eq(run->token, W(WEIR_TOKEN_LEFT)));
}


void
weir_txn_unfollow(weir_txn_t *t, unsigned shard, const char *run,
    const char *member)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_ASKERS, shard, run),
             weir_str_of(member));
}


void
weir_txn_leave(weir_txn_t *t, unsigned shard, const char *run,
    const char *member)
{
    weir_add(t, W("MULTI"));
    weir_txn_unfollow(t, shard, run, member);
    weir_add_control(t, shard, WEIR_CONTROL_LEFT, run);
    weir_add(t, W("EXEC"));
}


void
weir_txn_hand_on_now(weir_txn_t *t, unsigned shard, const char *run,
    int64_t now)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ENDED, shard),
             weir_decimal(ms, now), weir_str_of(run));
}


/* the answer was there */

static void
weir_hit_fin(char fin[64], const weir_hit_t *h)
{
    snprintf(fin, 64, "%s:%.*s", weir_state_name(h->state), (int) h->token.len,
             h->token.data);
}


/* The outcome may be gone by now: the answer lives longer. */

static void
weir_hit_outcome(weir_txn_t *t, const weir_hit_t *h, const char *run,
    const char *token)
{
    char        key[WEIR_NAME_MAX], ttl[WEIR_DECIMAL_MAX];
    weir_str_t  name, seconds;

    name = weir_name(key, WEIR_KEY_OUTCOME, h->job->shard, run, token);
    seconds = weir_decimal(ttl, h->job->ttl);

    weir_add(t, W("SET"), name, h->outcome, W("NX"), W("EX"), seconds);
    weir_add(t, W("EXPIRE"), name, seconds, W("GT"));
}


/* Arriving after "by", its records are gone as soon as they are made, and
 * whoever comes to them by a set finds nobody. */

static void
weir_hit_by(weir_txn_t *t, const weir_keys_t *k, int64_t by)
{
    char        ms[WEIR_DECIMAL_MAX];
    weir_str_t  at;

    at = weir_decimal(ms, by);

    weir_add(t, W("PEXPIREAT"), k->job, at);
    weir_add(t, W("PEXPIREAT"), k->run, at);
    weir_add(t, W("PERSIST"), k->job);
    weir_add(t, W("PERSIST"), k->run);
}


void
weir_txn_hit(weir_txn_t *t, const weir_hit_t *h)
{
    char               fin[64], token[64], run[WEIR_ID_LEN + 1];
    char               at[WEIR_DECIMAL_MAX];
    weir_keys_t        k;
    weir_submission_t  job;

    if (h->run.len != WEIR_ID_LEN || h->token.len > WEIR_TOKEN_MAX) {
        t->out.failed = true;
        return;
    }

    snprintf(run, sizeof(run), "%.*s", (int) h->run.len, h->run.data);
    snprintf(token, sizeof(token), "%.*s", (int) h->token.len, h->token.data);
    weir_hit_fin(fin, h);

    job = *h->job;
    job.open = false;                       /* it is final */
    weir_keys(&k, job.shard, job.id, job.id);

    weir_add(t, W("MULTI"));
    weir_add_job(t, &job, k.job, run);
    weir_add(t, W("HSET"), k.job, W(WEIR_JOB_PART), W(WEIR_PART_HIT));
    weir_add_run(t, &job, k.run);
    weir_hit_outcome(t, h, run, token);

    /* its run's own record may be gone before this one */

    weir_add(t, W("HSET"), k.run, W(WEIR_RUN_ASKED),
             weir_decimal(at, h->asked));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN), weir_str_of(fin));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN_AT),
             weir_decimal(at, h->now));
    weir_hit_by(t, &k, job.by);
    weir_add(t, W("ZREM"), k.deadline, weir_str_of(job.id));
    weir_add_unasked(t, job.shard, "", job.id);

    if (h->job->open) {
        weir_add_closed(t, job.shard, job.owner, job.id);
    }

    weir_add_sets(t, &job);
    weir_add_expiry(t, &k, job.records > job.ttl ? job.records : job.ttl);

    if (job.hook_url.len) {
        weir_add_outbox(t, WEIR_KEY_HOOKS, job.shard, token, job.id, h->hook);
    }

    weir_add(t, W("HGET"), k.run, W(WEIR_RUN_FIN));
    weir_add(t, W("EXEC"));
}


bool
weir_txn_hit_done(const weir_answer_t *a, const weir_hit_t *h)
{
    char    fin[64];
    size_t  n;

    n = weir_reply_count(a->reply);
    weir_hit_fin(fin, h);

    return a->code == WEIR_ANSWER_OK && n
           && weir_str_eq(weir_reply_str(weir_reply_at(a->reply, n - 1)),
                          weir_str_of(fin));
}


void
weir_txn_hit_hook(weir_txn_t *t, unsigned shard, const char *id,
    const char *token, int64_t now)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX], member[WEIR_NAME_MAX];

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_HOOKS, shard), W("XX"),
             weir_decimal(ms, now),
             weir_name(member, WEIR_OUTBOX_MEMBER, token, id));
}
